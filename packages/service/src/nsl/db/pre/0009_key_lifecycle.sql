-- The life of a key: disabled, enabled, destroyed after a wait. The key enclave makes each next edition of the wrapped
-- key; it lies here, written ahead, until the register of keys has it and the key's own row has taken it over.
CREATE TABLE key_changes (
    -- One change of a key version at a time.
    key_id uuid NOT NULL,
    version integer NOT NULL,
    id uuid NOT NULL UNIQUE,
    tenant_id uuid NOT NULL REFERENCES tenants,
    wrapped bytea NOT NULL,
    state text NOT NULL CHECK (state IN ('active', 'disabled', 'destroying', 'destroyed')),
    destroys_at timestamptz,
    changed_by text NOT NULL,
    changed_at timestamptz NOT NULL,
    PRIMARY KEY (key_id, version),
    FOREIGN KEY (key_id, version) REFERENCES key_versions
);
CREATE INDEX key_changes_by_time ON key_changes (changed_at);

ALTER TABLE keys DROP CONSTRAINT keys_state_check;
ALTER TABLE keys ADD CONSTRAINT keys_state_check
    CHECK (state IN ('active', 'disabled', 'destroying', 'destroyed'));
-- Enclave time from which a key that waits for its destruction is destroyed.
ALTER TABLE keys ADD COLUMN destroys_at timestamptz;
ALTER TABLE keys ADD CONSTRAINT keys_destroys_at_check CHECK ((state = 'destroying') = (destroys_at IS NOT NULL));
CREATE INDEX keys_to_destroy ON keys (destroys_at) WHERE state = 'destroying';

CALL confine_to_tenant('key_changes');
GRANT SELECT, INSERT, DELETE ON key_changes TO nsl_app, nsl_worker;
GRANT UPDATE (wrapped) ON key_versions TO nsl_app, nsl_worker;
GRANT UPDATE (destroys_at) ON keys TO nsl_app;
GRANT UPDATE (state, destroys_at) ON keys TO nsl_worker;
-- The worker finds what is due or half done in every tenant, and then works for one tenant at a time.
CREATE POLICY worker_reads ON key_changes FOR SELECT TO nsl_worker USING (true);
GRANT INSERT ON audit_events TO nsl_worker;

-- What waits here is wrapped anew with the rest when the root is replaced.
CREATE POLICY owner_reads ON key_changes FOR SELECT TO CURRENT_USER USING (true);
CREATE POLICY owner_rewraps ON key_changes FOR UPDATE TO CURRENT_USER USING (true) WITH CHECK (true);
CREATE TRIGGER refuse_older_root BEFORE INSERT OR UPDATE OF wrapped ON key_changes
    FOR EACH ROW EXECUTE FUNCTION refuse_older_root('wrapped');
