-- How people and programs find a key: an alias, which one live key of a tenant has at a time, and tags.
ALTER TABLE keys ADD COLUMN alias text CHECK (length(alias) BETWEEN 1 AND 63);
ALTER TABLE keys ADD COLUMN tags jsonb NOT NULL DEFAULT '{}';
CREATE UNIQUE INDEX keys_by_alias ON keys (tenant_id, alias) WHERE state <> 'destroyed';
GRANT UPDATE (alias, tags) ON keys TO nsl_app;

-- When a key did something last. Written in the transaction that writes down what it did, once a minute at most, so that
-- a busy key costs no write for each signature: the last use is less than a minute after `used_at`.
CREATE TABLE key_uses (
    key_id uuid PRIMARY KEY REFERENCES keys,
    tenant_id uuid NOT NULL REFERENCES tenants,
    used_at timestamptz NOT NULL
);
CALL confine_to_tenant('key_uses');
GRANT SELECT, INSERT, UPDATE (used_at) ON key_uses TO nsl_app, nsl_worker;
-- The worker signs for every tenant.
CREATE POLICY worker_reads ON key_uses FOR SELECT TO nsl_worker USING (true);
CREATE POLICY worker_writes ON key_uses FOR INSERT TO nsl_worker WITH CHECK (true);
CREATE POLICY worker_updates ON key_uses FOR UPDATE TO nsl_worker USING (true) WITH CHECK (true);

-- A frozen key does nothing until whoever may lift it has; the key enclave keeps to it.
ALTER TABLE keys DROP CONSTRAINT keys_state_check;
ALTER TABLE keys ADD CONSTRAINT keys_state_check
    CHECK (state IN ('active', 'disabled', 'destroying', 'frozen', 'destroyed'));
ALTER TABLE key_changes DROP CONSTRAINT key_changes_state_check;
ALTER TABLE key_changes ADD CONSTRAINT key_changes_state_check
    CHECK (state IN ('active', 'disabled', 'destroying', 'frozen', 'destroyed'));
-- Enclave time; approvers sign it, where the key's policy names some.
ALTER TABLE keys ADD COLUMN frozen_at timestamptz;
ALTER TABLE keys ADD CONSTRAINT keys_frozen_at_check CHECK ((state = 'frozen') = (frozen_at IS NOT NULL));
ALTER TABLE key_changes ADD COLUMN frozen_at timestamptz;
GRANT UPDATE (frozen_at) ON keys TO nsl_app, nsl_worker;
-- A destroyed key sets its alias free.
GRANT UPDATE (alias) ON keys TO nsl_worker;

-- A tenant whose keys are all to be frozen, those that are being made included: the worker sees to what is left.
CREATE TABLE tenant_freezes (
    tenant_id uuid PRIMARY KEY REFERENCES tenants,
    frozen_at timestamptz NOT NULL,
    frozen_by text NOT NULL
);
CALL confine_to_tenant('tenant_freezes');
GRANT SELECT, INSERT, DELETE ON tenant_freezes TO nsl_app;
CREATE POLICY worker_reads ON tenant_freezes FOR SELECT TO nsl_worker USING (true);
GRANT SELECT ON tenant_freezes TO nsl_worker;
