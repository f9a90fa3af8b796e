-- name: insert
WITH made AS (
    INSERT INTO keys (
        id, tenant_id, name, curve, version, state, usages, policy, rotation_days, rotates_at, created_by, created_at,
        origin, export_recipients, alias, tags
    )
    VALUES (
        %(id)s, %(tenant_id)s, %(name)s, %(curve)s, 1, 'active', %(usages)s, %(policy)s, %(rotation_days)s,
        %(rotates_at)s, %(created_by)s, %(created_at)s, %(origin)s, %(export_recipients)s,
        %(alias)s, %(tags)s
    )
), policed AS (
    INSERT INTO key_policies (key_id, number, tenant_id, document, hash, held_from, changed_by)
    VALUES (%(id)s, 1, %(tenant_id)s, %(policy_text)s, %(policy_hash)s, %(created_at)s, %(created_by)s)
)
INSERT INTO key_versions (
    key_id, version, tenant_id, public_key, wrapped, enclave_mode, enclave_measurement, created_at
)
VALUES (
    %(id)s, 1, %(tenant_id)s, %(public_key)s, %(wrapped)s, %(enclave_mode)s, %(enclave_measurement)s, %(created_at)s
)

-- name: by_id
SELECT k.*, u.used_at, v.public_key, v.wrapped, v.enclave_mode, v.enclave_measurement
FROM keys k JOIN key_versions v ON v.key_id = k.id AND v.version = k.version LEFT JOIN key_uses u ON u.key_id = k.id
WHERE k.id = %(id)s

-- name: lock
-- As by_id, while nobody else can put another edition in the stored one's place.
SELECT k.*, u.used_at, v.public_key, v.wrapped, v.enclave_mode, v.enclave_measurement
FROM keys k JOIN key_versions v ON v.key_id = k.id AND v.version = k.version LEFT JOIN key_uses u ON u.key_id = k.id
WHERE k.id = %(id)s
FOR UPDATE OF v

-- name: page
-- Of each filter, NULL: all.
SELECT k.*, u.used_at, v.public_key, v.wrapped, v.enclave_mode, v.enclave_measurement
FROM keys k JOIN key_versions v ON v.key_id = k.id AND v.version = k.version LEFT JOIN key_uses u ON u.key_id = k.id
WHERE k.tenant_id = %(tenant_id)s AND (%(after)s::uuid IS NULL OR k.id > %(after)s)
    AND (%(alias)s::text IS NULL OR k.alias = %(alias)s)
    AND (%(curve)s::text IS NULL OR k.curve = %(curve)s)
    AND (%(state)s::text IS NULL OR k.state = %(state)s)
    AND (%(due_at)s::timestamptz IS NULL OR (k.state = 'active' AND k.rotates_at <= %(due_at)s))
    AND k.tags @> %(tags)s AND k.tags ?& %(tagged)s
ORDER BY k.id
LIMIT %(limit)s

-- name: note_signatures
-- One row for each signature, committed before any of them leaves.
INSERT INTO signatures (
    id, tenant_id, key_id, key_version, kind, request, decoded, signature, signed_by, created_at, public_key
)
SELECT s.id, %(tenant_id)s, s.key_id, s.key_version, s.kind, s.request, s.decoded, s.signature, s.signed_by,
    %(created_at)s, s.public_key
FROM unnest(
    %(ids)s::uuid[], %(keys)s::uuid[], %(versions)s::integer[], %(signed_by)s::text[], %(kinds)s::text[],
    %(requests)s::bytea[], %(decoded)s::json[], %(signatures)s::bytea[], %(public_keys)s::bytea[]
) AS s(id, key_id, key_version, signed_by, kind, request, decoded, signature, public_key)

-- name: note_uses
-- In one order, so that two who write several wait for each other in no circle.
INSERT INTO key_uses (key_id, tenant_id, used_at)
SELECT DISTINCT u.key_id, u.tenant_id, %(at)s::timestamptz
FROM unnest(%(keys)s::uuid[], %(tenants)s::uuid[]) AS u(key_id, tenant_id)
ORDER BY u.key_id
ON CONFLICT (key_id) DO UPDATE SET used_at = greatest(key_uses.used_at, excluded.used_at)

-- name: relabel
UPDATE keys SET name = %(name)s, alias = %(alias)s, tags = %(tags)s WHERE id = %(id)s

-- name: lock_labels
SELECT id FROM keys WHERE id = %(id)s FOR NO KEY UPDATE

-- name: insert_change
INSERT INTO key_changes (
    id, key_id, version, tenant_id, wrapped, state, destroys_at, changed_by, changed_at, act, policy, policy_hash,
    policy_number, next_policy, next_policy_at, frozen_at, secret_version
)
VALUES (
    %(id)s, %(key_id)s, %(version)s, %(tenant_id)s, %(wrapped)s, %(state)s, %(destroys_at)s, %(changed_by)s,
    %(changed_at)s, %(act)s, %(policy)s, %(policy_hash)s, %(policy_number)s, %(next_policy)s, %(next_policy_at)s,
    %(frozen_at)s, %(secret_version)s
)
ON CONFLICT DO NOTHING

-- name: change_of
SELECT * FROM key_changes
WHERE key_id = %(key_id)s
ORDER BY version
LIMIT 1

-- name: take_over
-- The edition that was written ahead becomes the stored one. By its id: it may have been wrapped anew meanwhile.
WITH taken AS (
    DELETE FROM key_changes WHERE id = %(id)s RETURNING *
), policed AS (
    INSERT INTO key_policies (key_id, number, tenant_id, document, hash, held_from, changed_by)
    SELECT key_id, policy_number, tenant_id, policy, policy_hash, %(now)s, changed_by FROM taken
    ON CONFLICT DO NOTHING
), stored AS (
    UPDATE key_versions v SET wrapped = t.wrapped FROM taken t WHERE v.key_id = t.key_id AND v.version = t.version
)
UPDATE keys k SET state = t.state, alias = CASE t.state WHEN 'destroyed' THEN NULL ELSE k.alias END,
    destroys_at = t.destroys_at, frozen_at = t.frozen_at, policy = t.policy::jsonb,
    policy_number = t.policy_number, next_policy = t.next_policy::jsonb, next_policy_at = t.next_policy_at,
    secret_version = t.secret_version,
    rotates_at = CASE
        WHEN t.secret_version > k.secret_version THEN %(now)s::timestamptz + k.rotation_days * interval '1 day'
        ELSE k.rotates_at
    END
FROM taken t WHERE k.id = t.key_id

-- name: left_half_done
SELECT tenant_id, key_id FROM key_changes
WHERE changed_at < %(before)s AND key_id <> ALL(%(but)s::uuid[])
ORDER BY changed_at
LIMIT %(limit)s

-- name: due
SELECT tenant_id, id AS key_id FROM keys
WHERE state = 'destroying' AND destroys_at <= %(now)s AND id <> ALL(%(but)s::uuid[])
ORDER BY destroys_at
LIMIT %(limit)s

-- name: to_rotate
SELECT tenant_id, id AS key_id FROM keys
WHERE state = 'active' AND rotates_at <= %(now)s AND curve = ANY(%(curves)s::text[]) AND id <> ALL(%(but)s::uuid[])
ORDER BY rotates_at
LIMIT %(limit)s

-- name: rotations_due
SELECT count(*) AS due FROM keys
WHERE state = 'active' AND rotates_at <= %(now)s AND curve <> ALL(%(curves)s::text[])

-- name: freeze_tenant
INSERT INTO tenant_freezes (tenant_id, frozen_at, frozen_by) VALUES (%(tenant_id)s, %(at)s, %(by)s)
ON CONFLICT DO NOTHING

-- name: lift_freeze
DELETE FROM tenant_freezes WHERE tenant_id = %(tenant_id)s

-- name: freeze_of
SELECT f.frozen_at, f.frozen_by, (
    SELECT count(*) FROM keys k
    WHERE k.tenant_id = f.tenant_id AND k.state IN ('active', 'disabled', 'destroying')
) AS keys_left
FROM tenant_freezes f WHERE f.tenant_id = %(tenant_id)s

-- name: to_freeze
-- Those that sign come first.
SELECT k.tenant_id, k.id AS key_id FROM keys k JOIN tenant_freezes f ON f.tenant_id = k.tenant_id
WHERE k.state IN ('active', 'disabled', 'destroying') AND k.id <> ALL(%(but)s::uuid[])
ORDER BY k.state <> 'active', k.id
LIMIT %(limit)s

-- name: policies_due
SELECT tenant_id, id AS key_id FROM keys
WHERE next_policy_at <= %(now)s AND state IN ('active', 'disabled') AND id <> ALL(%(but)s::uuid[])
ORDER BY next_policy_at
LIMIT %(limit)s

-- name: policies_of
SELECT number, hash, held_from, changed_by FROM key_policies WHERE key_id = %(key_id)s ORDER BY number DESC LIMIT 100

-- name: latest_signatures
SELECT id, kind, request, public_key FROM signatures
WHERE key_id = %(key_id)s AND request IS NOT NULL ORDER BY id DESC LIMIT %(limit)s

-- name: insert_approval
INSERT INTO approvals (
    id, tenant_id, key_id, kind, request, policy_hash, requested_by, requested_at, expires_at, public_key
)
VALUES (
    %(id)s, %(tenant_id)s, %(key_id)s, %(kind)s, %(request)s, %(policy_hash)s, %(requested_by)s, %(requested_at)s,
    %(expires_at)s, %(public_key)s
)

-- name: approvals
SELECT a.*, coalesce(
    (SELECT json_agg(json_build_object(
        'approver', d.approver, 'approved', d.approved, 'signature', encode(d.signature, 'hex'),
        'brought_by', d.brought_by, 'decided_at', d.decided_at
    ) ORDER BY d.decided_at) FROM approval_decisions d WHERE d.approval_id = a.id), '[]'
) AS decisions
FROM approvals a
WHERE a.tenant_id = %(tenant_id)s AND (%(id)s::uuid IS NULL OR a.id = %(id)s)
    AND (%(key_id)s::uuid IS NULL OR a.key_id = %(key_id)s) AND (%(after)s::uuid IS NULL OR a.id < %(after)s)
    AND (NOT %(open)s OR (a.revoked_at IS NULL AND a.used_at IS NULL AND a.expires_at > %(now)s))
ORDER BY a.id DESC
LIMIT %(limit)s

-- name: insert_decision
-- The first one of each approver stands.
INSERT INTO approval_decisions (approval_id, approver, tenant_id, approved, signature, brought_by, decided_at)
SELECT %(approval_id)s, %(approver)s, %(tenant_id)s, %(approved)s, %(signature)s, %(brought_by)s, %(decided_at)s
FROM approvals a WHERE a.id = %(approval_id)s AND a.revoked_at IS NULL
ON CONFLICT DO NOTHING

-- name: revoke_approval
UPDATE approvals SET revoked_at = %(at)s WHERE id = %(id)s AND revoked_at IS NULL AND used_at IS NULL

-- name: use_approval
UPDATE approvals SET used_at = coalesce(used_at, %(at)s) WHERE id = %(id)s AND revoked_at IS NULL

-- name: following_address
SELECT coalesce(max(number) + 1, 0) AS following FROM key_addresses WHERE key_id = %(key_id)s

-- name: insert_addresses
WITH chained AS (
    UPDATE keys SET chain_code = %(chain_code)s WHERE id = %(key_id)s AND chain_code IS NULL
)
INSERT INTO key_addresses (key_id, number, tenant_id, public_key, address, reference, created_at)
SELECT %(key_id)s, a.number, %(tenant_id)s, a.public_key, a.address, a.reference, %(at)s
FROM unnest(%(numbers)s::integer[], %(public_keys)s::bytea[], %(addresses)s::text[], %(references)s::text[])
    AS a(number, public_key, address, reference)

-- name: addresses_by_references
SELECT * FROM key_addresses WHERE key_id = %(key_id)s AND reference = ANY(%(references)s::text[])

-- name: address
SELECT * FROM key_addresses WHERE key_id = %(key_id)s AND number = %(number)s

-- name: addresses
SELECT * FROM key_addresses
WHERE key_id = %(key_id)s AND number > %(after)s
    AND (%(reference)s::text IS NULL OR reference = %(reference)s)
    AND (%(address)s::text IS NULL OR address = %(address)s)
ORDER BY number
LIMIT %(limit)s

-- name: chain_code
SELECT chain_code FROM keys WHERE id = %(id)s
