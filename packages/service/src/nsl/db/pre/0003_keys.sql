-- Keys by reference: the private part is here only as the enclave wrapped it.

CREATE TABLE keys (
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES tenants,
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    curve text NOT NULL CHECK (curve IN ('secp256r1', 'secp256k1', 'ed25519')),
    -- The version that signs now.
    version integer NOT NULL CHECK (version > 0),
    state text NOT NULL CHECK (state IN ('active', 'disabled', 'destroyed')),
    usages text[] NOT NULL,
    policy jsonb NOT NULL,
    rotation_days integer NOT NULL CHECK (rotation_days > 0),
    rotates_at timestamptz NOT NULL,
    created_by text NOT NULL,
    created_at timestamptz NOT NULL
);
CREATE INDEX keys_by_tenant ON keys (tenant_id, id);

CREATE TABLE key_versions (
    key_id uuid NOT NULL REFERENCES keys,
    version integer NOT NULL CHECK (version > 0),
    tenant_id uuid NOT NULL REFERENCES tenants,
    -- Compressed SEC1 (33 bytes), or 32 bytes of Ed25519.
    public_key bytea NOT NULL CHECK (length(public_key) IN (32, 33)),
    wrapped bytea NOT NULL,
    -- Which enclave made it: `sim` or `hw`, and its measurement in hex.
    enclave_mode text NOT NULL,
    enclave_measurement text NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (key_id, version)
);

-- One row for each signature that left the layer, committed before it left. `id` is the receipt's id.
CREATE TABLE signatures (
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES tenants,
    key_id uuid NOT NULL REFERENCES keys,
    key_version integer NOT NULL,
    kind text NOT NULL,
    -- SHA-256 of the request as it was sent to the enclave.
    request_sha256 bytea NOT NULL CHECK (length(request_sha256) = 32),
    -- As the enclave wrote it; jsonb would refuse a text with a NUL character, which typed data may hold.
    decoded json NOT NULL,
    signature bytea NOT NULL,
    signed_by text NOT NULL,
    created_at timestamptz NOT NULL
);
CREATE INDEX signatures_by_tenant ON signatures (tenant_id, id);

CALL confine_to_tenant('keys');
CALL confine_to_tenant('key_versions');
CALL confine_to_tenant('signatures');
GRANT SELECT, INSERT, UPDATE (name, version, state, policy, rotation_days, rotates_at) ON keys TO nsl_app;
GRANT SELECT, INSERT ON key_versions TO nsl_app;
GRANT SELECT, INSERT ON signatures TO nsl_app;

-- The worker signs for every tenant's pipeline (decision 4 in docs/adr).
CREATE POLICY worker_reads ON keys FOR SELECT TO nsl_worker USING (true);
CREATE POLICY worker_reads ON key_versions FOR SELECT TO nsl_worker USING (true);
GRANT SELECT ON keys, key_versions TO nsl_worker;
