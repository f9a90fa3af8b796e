-- Secret keys that are rotated: the enclave keeps their former secrets in the one blob that they have.
ALTER TABLE keys ADD COLUMN secret_version integer NOT NULL DEFAULT 1 CHECK (secret_version >= 1);
ALTER TABLE key_changes ADD COLUMN secret_version integer NOT NULL DEFAULT 1;
CREATE INDEX keys_to_rotate ON keys (rotates_at) WHERE state = 'active';

GRANT UPDATE (secret_version, rotates_at) ON keys TO nsl_app, nsl_worker;
