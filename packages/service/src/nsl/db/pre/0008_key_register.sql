-- The register of keys (decision 11 in docs/adr): what the key enclaves agree on, and the nodes of its tree. It belongs
-- to no tenant and names none: an index is a hash, an edition is random.
DO $$
BEGIN
    IF EXISTS (SELECT FROM token_keys) THEN
        RAISE EXCEPTION 'The keys in this database were made before there was a register of them, by a development '
            'version, and this one cannot open them: start with an empty database (`nsl up --fresh`).';
    END IF;
END $$;

CREATE TABLE key_register (
    one_row boolean PRIMARY KEY DEFAULT true CHECK (one_row),
    -- Of the newest head that holds; NULL before the first key.
    certificate bytea,
    -- A change that was written down and may hold already: whoever sees it carries it to its end.
    pending bytea
);
INSERT INTO key_register DEFAULT VALUES;

CREATE TABLE key_register_nodes (
    -- Its depth (1 byte) and as many bits of the indexes below it.
    position bytea PRIMARY KEY,
    hash bytea NOT NULL CHECK (length(hash) = 32),
    -- Index (32 bytes) and edition (16), where one key alone is below.
    leaf bytea CHECK (length(leaf) = 48)
);

GRANT SELECT, UPDATE (certificate, pending) ON key_register TO nsl_app, nsl_worker;
GRANT SELECT, INSERT, UPDATE (hash, leaf) ON key_register_nodes TO nsl_app, nsl_worker;
