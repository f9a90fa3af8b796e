-- `nsl enclave root rotate` wraps everything anew, as the owner and for all tenants: it may read what is wrapped and
-- replace it, and nothing else of these rows.
CREATE POLICY owner_reads ON key_versions FOR SELECT TO CURRENT_USER USING (true);
CREATE POLICY owner_rewraps ON key_versions FOR UPDATE TO CURRENT_USER USING (true) WITH CHECK (true);
CREATE POLICY owner_reads ON totps FOR SELECT TO CURRENT_USER USING (true);
CREATE POLICY owner_rewraps ON totps FOR UPDATE TO CURRENT_USER USING (true) WITH CHECK (true);
CREATE POLICY owner_rewraps ON identity_providers FOR UPDATE TO CURRENT_USER USING (true) WITH CHECK (true);

-- What is wrapped under an older root than this is not taken any more: it would be lost when that root is forgotten.
CREATE TABLE oldest_root (
    one_row boolean PRIMARY KEY DEFAULT true CHECK (one_row),
    generation integer NOT NULL
);
INSERT INTO oldest_root (generation) VALUES (0);

-- A blob begins with its format (1 byte) and the number of its root (4 bytes, big-endian).
CREATE FUNCTION refuse_older_root() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    blob bytea;
BEGIN
    EXECUTE format('SELECT ($1).%I', TG_ARGV[0]) INTO blob USING NEW;
    IF ('x' || encode(substring(blob FROM 2 FOR 4), 'hex'))::bit(32)::bigint
        < (SELECT o.generation FROM public.oldest_root o) THEN
        -- Whoever sees this asks the enclave again, which wraps under the latest root.
        RAISE EXCEPTION 'wrapped under a root that is being replaced' USING ERRCODE = 'serialization_failure';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER refuse_older_root BEFORE INSERT OR UPDATE OF wrapped ON key_versions
    FOR EACH ROW EXECUTE FUNCTION refuse_older_root('wrapped');
CREATE TRIGGER refuse_older_root BEFORE INSERT OR UPDATE OF wrapped ON token_keys
    FOR EACH ROW EXECUTE FUNCTION refuse_older_root('wrapped');
CREATE TRIGGER refuse_older_root BEFORE INSERT OR UPDATE OF secret ON totps
    FOR EACH ROW EXECUTE FUNCTION refuse_older_root('secret');
CREATE TRIGGER refuse_older_root BEFORE INSERT OR UPDATE OF client_secret ON identity_providers
    FOR EACH ROW EXECUTE FUNCTION refuse_older_root('client_secret');
