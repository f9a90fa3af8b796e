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
