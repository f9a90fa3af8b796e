-- The audit log (decision 12 in docs/adr). A leaf is written with what it tells of; the key enclave then puts the leaves
-- of all tenants in one order, and signs the tree that they make.
DO $$
BEGIN
    IF EXISTS (SELECT FROM key_versions) THEN
        RAISE EXCEPTION 'The keys in this database were made by a development version that sealed no policy in them, and '
            'this one cannot open them: start with an empty database (`nsl up --fresh`).';
    END IF;
END $$;

CREATE TABLE audit_leaves (
    -- Of what it commits to: an audit event or a signature; where nothing was made, its own.
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES tenants,
    content bytea NOT NULL CHECK (length(content) <= 4096),
    -- Of the enclave's program that made it, with its number there and the MAC that enclaves know it by; NULL: the
    -- service vouches for it.
    run bytea CHECK (length(run) = 16),
    number bigint,
    mac bytea CHECK (length(mac) = 32),
    -- Of its commitment; once it is NULL nobody can say what the leaf commits to.
    salt bytea CHECK (length(salt) = 16),
    -- In this order they come into the log. What a transaction wrote is taken when no earlier one is under way.
    tx xid8 NOT NULL DEFAULT pg_current_xact_id(),
    sequence bigint GENERATED ALWAYS AS IDENTITY,
    CHECK ((run IS NULL) = (number IS NULL) AND (run IS NULL) = (mac IS NULL))
);
CREATE INDEX audit_leaves_in_order ON audit_leaves (tx, sequence);
CREATE UNIQUE INDEX audit_leaves_of_run ON audit_leaves (run, number) WHERE run IS NOT NULL;
CALL confine_to_tenant('audit_leaves');
GRANT SELECT, INSERT ON audit_leaves TO nsl_app, nsl_worker;
-- The worker signs for every tenant, and brings the leaves of all into the log.
CREATE POLICY worker_reads ON audit_leaves FOR SELECT TO nsl_worker USING (true);
CREATE POLICY worker_writes ON audit_leaves FOR INSERT TO nsl_worker WITH CHECK (true);
CREATE POLICY worker_writes ON signatures FOR INSERT TO nsl_worker WITH CHECK (true);
GRANT INSERT ON signatures TO nsl_worker;

-- Where the log is. What follows is written down before the register of keys takes it, and holds from then on.
CREATE TABLE audit_log (
    one_row boolean PRIMARY KEY DEFAULT true CHECK (one_row),
    -- As the key enclave wrapped it; NULL before the first leaf.
    wrapped bytea,
    size bigint NOT NULL DEFAULT 0,
    -- Leaves up to here were taken, but for those that are held: earlier ones of their run have not come yet.
    tx xid8 NOT NULL DEFAULT '0',
    sequence bigint NOT NULL DEFAULT 0,
    held uuid[] NOT NULL DEFAULT '{}',
    next_wrapped bytea,
    next_size bigint,
    CHECK ((next_wrapped IS NULL) = (next_size IS NULL))
);
INSERT INTO audit_log DEFAULT VALUES;
GRANT SELECT, UPDATE ON audit_log TO nsl_worker;
GRANT SELECT (size) ON audit_log TO nsl_app;

-- The leaves in their order, from 0; those below audit_log.size hold. They belong to no tenant and name none.
CREATE TABLE audit_positions (
    position bigint PRIMARY KEY,
    hash bytea NOT NULL CHECK (length(hash) = 32),
    leaf_id uuid UNIQUE,
    -- Of a leaf that no row has: the enclave made it when it was told that others are lost.
    content bytea,
    CHECK ((leaf_id IS NULL) <> (content IS NULL))
);
-- Roots of perfect subtrees, of 256 leaves, 256 of those, and so on, so that a proof reads few rows.
CREATE TABLE audit_nodes (
    level smallint NOT NULL CHECK (level IN (8, 16, 24, 32, 40)),
    index bigint NOT NULL,
    hash bytea NOT NULL CHECK (length(hash) = 32),
    PRIMARY KEY (level, index)
);
-- How many leaves of each run the log has.
CREATE TABLE audit_runs (
    run bytea PRIMARY KEY CHECK (length(run) = 16),
    following bigint NOT NULL
);
-- Heads that the key enclave has signed: checkpoints (c2sp.org/tlog-checkpoint), with the witnesses' lines.
CREATE TABLE audit_heads (
    size bigint PRIMARY KEY,
    root bytea NOT NULL CHECK (length(root) = 32),
    log_key bytea NOT NULL CHECK (length(log_key) = 32),
    note text NOT NULL,
    signed_at timestamptz NOT NULL DEFAULT now()
);
-- What shows that a log key is an enclave's: a quote, now and then, with the collateral of then.
CREATE TABLE audit_evidence (
    log_key bytea NOT NULL CHECK (length(log_key) = 32),
    at timestamptz NOT NULL,
    nonce bytea NOT NULL CHECK (length(nonce) = 32),
    manifest_version bigint NOT NULL,
    quote bytea NOT NULL,
    collateral text NOT NULL,
    PRIMARY KEY (log_key, at)
);
GRANT SELECT ON audit_positions, audit_nodes, audit_heads, audit_evidence TO nsl_app;
GRANT SELECT, INSERT ON audit_evidence TO nsl_worker;
GRANT SELECT, INSERT, DELETE ON audit_positions, audit_nodes TO nsl_worker;
GRANT SELECT, INSERT, UPDATE (following) ON audit_runs TO nsl_worker;
GRANT SELECT, INSERT, UPDATE (note) ON audit_heads TO nsl_worker;

-- What was asked, in the bytes that a leaf's request digest is of: for receipts. NULL once it was erased.
ALTER TABLE signatures DROP COLUMN request_sha256;
ALTER TABLE signatures ADD COLUMN request bytea;

-- The contents of leaves name nobody; auditors of the platform read those of all tenants.
CREATE FUNCTION audit_leaves_from(first bigint, count integer)
    RETURNS TABLE ("position" bigint, content bytea)
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT p.position, coalesce(p.content, l.content)
    FROM public.audit_positions p LEFT JOIN public.audit_leaves l ON l.id = p.leaf_id
    WHERE p.position >= first AND p.position < (SELECT a.size FROM public.audit_log a)
        AND public.current_tenant_is_platform()
    ORDER BY p.position LIMIT count
$$;
GRANT EXECUTE ON FUNCTION audit_leaves_from(bigint, integer) TO nsl_app;
CREATE POLICY owner_reads ON audit_leaves FOR SELECT TO CURRENT_USER USING (true);

-- The log's state is wrapped anew with the rest when the root is replaced.
CREATE TRIGGER refuse_older_root BEFORE UPDATE OF wrapped ON audit_log
    FOR EACH ROW WHEN (NEW.wrapped IS NOT NULL) EXECUTE FUNCTION refuse_older_root('wrapped');
CREATE TRIGGER refuse_older_root_ahead BEFORE UPDATE OF next_wrapped ON audit_log
    FOR EACH ROW WHEN (NEW.next_wrapped IS NOT NULL) EXECUTE FUNCTION refuse_older_root('next_wrapped');

-- While another epoch of the key cluster is about to begin, no change of the register may: it would be made in the epoch
-- that ends.
ALTER TABLE key_register ADD COLUMN held_until timestamptz;
GRANT UPDATE (held_until) ON key_register TO nsl_app, nsl_worker;

-- After the database was restored into another PostgreSQL cluster, whose transactions are numbered anew: what was written
-- before stands before all of them. What is in the log already is not taken once more.
CREATE FUNCTION audit_leaves_moved() RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    unborn CONSTANT xid8 := pg_snapshot_xmax(pg_current_snapshot());
BEGIN
    IF NOT EXISTS (SELECT FROM public.audit_log a WHERE a.tx >= unborn)
        AND NOT EXISTS (SELECT FROM public.audit_leaves l WHERE l.tx >= unborn) THEN
        RETURN false;
    END IF;
    UPDATE public.audit_leaves SET tx = '0' WHERE tx >= unborn;
    UPDATE public.audit_log SET tx = '0', sequence = 0;
    RETURN true;
END
$$;
GRANT EXECUTE ON FUNCTION audit_leaves_moved() TO nsl_worker;
CREATE POLICY owner_moves ON audit_leaves FOR UPDATE TO CURRENT_USER USING (true) WITH CHECK (true);
