-- Addresses below a key: `m/0/number` of BIP-32, derived by the key enclave. There is no private part here.
CREATE TABLE key_addresses (
    key_id uuid NOT NULL REFERENCES keys,
    number integer NOT NULL CHECK (number >= 0),
    tenant_id uuid NOT NULL REFERENCES tenants,
    public_key bytea NOT NULL,
    address text NOT NULL,
    -- Whose it is, in the tenant's own words.
    reference text CHECK (length(reference) BETWEEN 1 AND 200),
    created_at timestamptz NOT NULL,
    PRIMARY KEY (key_id, number),
    UNIQUE (key_id, reference)
);
CREATE INDEX key_addresses_by_address ON key_addresses (tenant_id, address);
CALL confine_to_tenant('key_addresses');
GRANT SELECT, INSERT ON key_addresses TO nsl_app;
-- The worker builds and signs what they send.
CREATE POLICY worker_reads ON key_addresses FOR SELECT TO nsl_worker USING (true);
GRANT SELECT ON key_addresses TO nsl_worker;

-- Of the keys below it (BIP-32): who has it finds their public keys himself. Null until the first address is made.
ALTER TABLE keys ADD COLUMN chain_code bytea;
GRANT UPDATE (chain_code) ON keys TO nsl_app;

-- Of the key below that signed; null: the key itself.
ALTER TABLE signatures ADD COLUMN public_key bytea;
ALTER TABLE approvals ADD COLUMN public_key bytea;
ALTER TABLE transactions ADD COLUMN address_number integer;
