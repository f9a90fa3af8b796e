-- name: insert
WITH made AS (
    INSERT INTO keys (
        id, tenant_id, name, curve, version, state, usages, policy, rotation_days, rotates_at, created_by, created_at
    )
    VALUES (
        %(id)s, %(tenant_id)s, %(name)s, %(curve)s, 1, 'active', %(usages)s, %(policy)s, %(rotation_days)s,
        %(rotates_at)s, %(created_by)s, %(created_at)s
    )
)
INSERT INTO key_versions (
    key_id, version, tenant_id, public_key, wrapped, enclave_mode, enclave_measurement, created_at
)
VALUES (
    %(id)s, 1, %(tenant_id)s, %(public_key)s, %(wrapped)s, %(enclave_mode)s, %(enclave_measurement)s, %(created_at)s
)

-- name: by_id
SELECT k.*, v.public_key, v.wrapped, v.enclave_mode, v.enclave_measurement
FROM keys k JOIN key_versions v ON v.key_id = k.id AND v.version = k.version
WHERE k.id = %(id)s

-- name: page
SELECT k.*, v.public_key, v.wrapped, v.enclave_mode, v.enclave_measurement
FROM keys k JOIN key_versions v ON v.key_id = k.id AND v.version = k.version
WHERE k.tenant_id = %(tenant_id)s AND (%(after)s::uuid IS NULL OR k.id > %(after)s)
ORDER BY k.id
LIMIT %(limit)s

-- name: note_signatures
-- One row for each signature, committed before any of them leaves.
INSERT INTO signatures (
    id, tenant_id, key_id, key_version, kind, request_sha256, decoded, signature, signed_by, created_at
)
SELECT s.id, %(tenant_id)s, %(key_id)s, %(key_version)s, s.kind, s.request_sha256, s.decoded, s.signature,
    %(signed_by)s, %(created_at)s
FROM unnest(%(ids)s::uuid[], %(kinds)s::text[], %(digests)s::bytea[], %(decoded)s::json[], %(signatures)s::bytea[])
    AS s(id, kind, request_sha256, decoded, signature)
