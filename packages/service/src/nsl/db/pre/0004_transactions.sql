-- The pipeline: intents of tenants, what was built, signed and sent for them, and how far each chain has been followed.

CREATE TABLE transactions (
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES tenants,
    idempotency_key text NOT NULL CHECK (length(idempotency_key) BETWEEN 1 AND 255),
    request_sha256 bytea NOT NULL CHECK (length(request_sha256) = 32),
    chain text NOT NULL,
    kind text NOT NULL,
    state text NOT NULL CHECK (state IN
        ('accepted', 'prepared', 'signed', 'submitted', 'confirmed', 'failed', 'expired', 'reverted_by_reorg')),
    -- The intent.
    from_key uuid NOT NULL REFERENCES keys,
    key_version integer NOT NULL,
    sender text NOT NULL,
    asset_contract text,
    asset_symbol text NOT NULL,
    asset_decimals integer NOT NULL,
    recipient text NOT NULL,
    amount numeric(78) NOT NULL CHECK (amount > 0),
    valid_for_seconds integer NOT NULL CHECK (valid_for_seconds > 0),
    -- prepared: the bytes that will be signed, committed before the enclave sees them.
    nonce numeric(20),
    unsigned bytea,
    fee_max numeric(78),
    valid_until bigint,
    -- signed: the bytes that will be sent, committed before anyone sees them.
    raw bytea,
    hash text,
    -- submitted: when the same bytes are sent again; which height showed another transaction with this nonce.
    sends integer NOT NULL DEFAULT 0,
    next_send_at timestamptz,
    nonce_used_height bigint,
    -- on a block.
    block_height bigint,
    fee numeric(78),
    failure_code text,
    failure_message text,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    UNIQUE (tenant_id, idempotency_key),
    CHECK (state NOT IN ('prepared', 'signed', 'submitted', 'confirmed') OR unsigned IS NOT NULL),
    CHECK (state NOT IN ('signed', 'submitted', 'confirmed') OR (raw IS NOT NULL AND hash IS NOT NULL)),
    CHECK ((state = 'failed') = (failure_code IS NOT NULL))
);
CREATE INDEX transactions_by_tenant ON transactions (tenant_id, id);
-- One for each stage of the pipeline: they hold what waits, not what was.
CREATE INDEX transactions_to_prepare ON transactions (chain, id) WHERE state = 'accepted';
CREATE INDEX transactions_to_sign ON transactions (chain, id) WHERE state = 'prepared';
CREATE INDEX transactions_to_send ON transactions (chain, next_send_at) WHERE state IN ('signed', 'submitted');
CREATE INDEX transactions_to_find ON transactions (chain, hash) WHERE state IN ('signed', 'submitted');
CREATE INDEX transactions_in_flight ON transactions (chain, sender)
    WHERE state IN ('accepted', 'prepared', 'signed', 'submitted');
CREATE INDEX transactions_on_blocks ON transactions (chain, block_height) WHERE block_height IS NOT NULL;
-- No account has two transactions that can both still be mined with one nonce.
CREATE UNIQUE INDEX transactions_nonce ON transactions (chain, sender, nonce)
    WHERE chain = 'neo-x' AND state IN ('prepared', 'signed', 'submitted', 'confirmed');

CREATE TABLE transaction_history (
    transaction_id uuid NOT NULL REFERENCES transactions,
    number bigint GENERATED ALWAYS AS IDENTITY,
    tenant_id uuid NOT NULL REFERENCES tenants,
    state text NOT NULL,
    at timestamptz NOT NULL,
    PRIMARY KEY (transaction_id, number)
);

-- Locked while an account's nonces are given out, so that two workers never give one out twice.
CREATE TABLE chain_accounts (
    chain text NOT NULL,
    address text NOT NULL,
    PRIMARY KEY (chain, address)
);

-- How far each chain was followed, and the blocks behind that, by which a reorganisation is recognised.
CREATE TABLE chain_cursors (
    chain text PRIMARY KEY,
    height bigint NOT NULL,
    hash text NOT NULL
);
CREATE TABLE chain_blocks (
    chain text NOT NULL,
    height bigint NOT NULL,
    hash text NOT NULL,
    PRIMARY KEY (chain, height)
);

CALL confine_to_tenant('transactions');
CALL confine_to_tenant('transaction_history');
GRANT SELECT, INSERT ON transactions, transaction_history TO nsl_app;
GRANT SELECT ON chain_cursors TO nsl_app;

-- The worker drives every tenant's pipeline (decision 4 in docs/adr). It can neither make nor delete an intent.
CREATE POLICY worker_drives ON transactions TO nsl_worker USING (true) WITH CHECK (true);
CREATE POLICY worker_notes ON transaction_history TO nsl_worker USING (true) WITH CHECK (true);
GRANT SELECT ON transactions TO nsl_worker;
GRANT UPDATE (state, nonce, unsigned, fee_max, valid_until, raw, hash, sends, next_send_at, nonce_used_height,
    block_height, fee, failure_code, failure_message, updated_at) ON transactions TO nsl_worker;
GRANT SELECT, INSERT ON transaction_history TO nsl_worker;
-- FOR UPDATE needs the right to update something.
GRANT SELECT, INSERT, UPDATE ON chain_accounts, chain_cursors TO nsl_worker;
GRANT SELECT, INSERT, UPDATE, DELETE ON chain_blocks TO nsl_worker;
