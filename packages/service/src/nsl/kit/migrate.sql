-- name: lock
-- One number for all: the first 8 bytes of "nsl-migr". Held by the session, so that it spans the files' transactions.
SELECT pg_advisory_lock(7958823908858750834);

-- name: unlock
SELECT pg_advisory_unlock(7958823908858750834);

-- name: create_record
CREATE TABLE IF NOT EXISTS schema_migrations (
    phase text NOT NULL,
    name text NOT NULL,
    sha256 text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (phase, name)
);

-- name: applied
SELECT name, sha256 FROM schema_migrations WHERE phase = %(phase)s;

-- name: record
INSERT INTO schema_migrations (phase, name, sha256) VALUES (%(phase)s, %(name)s, %(sha256)s);
