-- What each key has spent of its policy's windows (decision 15 in docs/adr), as the key enclave wrapped it. What follows
-- is written down before the register of keys has it; whoever finds it carries it to its end.
CREATE TABLE key_ledgers (
    key_id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL,
    -- NULL until the first edition holds.
    wrapped bytea,
    next_wrapped bytea
);
CALL confine_to_tenant('key_ledgers');
GRANT SELECT, INSERT, UPDATE (wrapped, next_wrapped) ON key_ledgers TO nsl_app, nsl_worker;

-- It is wrapped anew with the rest when the root is replaced.
CREATE POLICY owner_reads ON key_ledgers FOR SELECT TO CURRENT_USER USING (true);
CREATE POLICY owner_rewraps ON key_ledgers FOR UPDATE TO CURRENT_USER USING (true) WITH CHECK (true);
CREATE TRIGGER refuse_older_root BEFORE INSERT OR UPDATE OF wrapped ON key_ledgers
    FOR EACH ROW WHEN (NEW.wrapped IS NOT NULL) EXECUTE FUNCTION refuse_older_root('wrapped');
CREATE TRIGGER refuse_older_root_ahead BEFORE INSERT OR UPDATE OF next_wrapped ON key_ledgers
    FOR EACH ROW WHEN (NEW.next_wrapped IS NOT NULL) EXECUTE FUNCTION refuse_older_root('next_wrapped');
