-- name: place
SELECT wrapped, size, tx::text::bigint AS tx, sequence, held, next_wrapped, next_size FROM audit_log

-- name: lock_place
SELECT wrapped, size, tx::text::bigint AS tx, sequence, held, next_wrapped, next_size FROM audit_log FOR UPDATE

-- name: held
SELECT id, content, mac, run, number, tx::text::bigint AS tx, sequence FROM audit_leaves
WHERE id = ANY(%(ids)s) ORDER BY run, number

-- name: written
-- What transactions wrote that are over, and before which none is under way: nothing comes in between any more.
SELECT id, content, mac, run, number, tx::text::bigint AS tx, sequence FROM audit_leaves l
WHERE (tx, sequence) > (%(tx)s::text::xid8, %(sequence)s) AND tx < pg_snapshot_xmin(pg_current_snapshot())
    AND NOT EXISTS (SELECT FROM audit_positions p WHERE p.leaf_id = l.id)
ORDER BY tx, sequence LIMIT %(limit)s

-- name: all_taken
-- Also what is committed, and waits for an earlier transaction that is still under way.
SELECT NOT EXISTS (SELECT FROM audit_leaves WHERE (tx, sequence) > (%(tx)s::text::xid8, %(sequence)s)) AS taken

-- name: moved
SELECT audit_leaves_moved() AS moved

-- name: missing
-- Those that leaves of their runs are held for, wherever the cursor is.
SELECT l.id, l.content, l.mac, l.run, l.number, l.tx::text::bigint AS tx, l.sequence
FROM unnest(%(runs)s::bytea[], %(following)s::bigint[]) AS r(run, following)
JOIN audit_leaves l ON l.run = r.run AND l.number >= r.following AND l.number < r.following + %(limit)s
WHERE l.tx < pg_snapshot_xmin(pg_current_snapshot())
    AND NOT EXISTS (SELECT FROM audit_positions p WHERE p.leaf_id = l.id)
ORDER BY l.run, l.number

-- name: runs
SELECT run, following FROM audit_runs WHERE run = ANY(%(runs)s)

-- name: latest_runs
SELECT run, following FROM audit_runs

-- name: append
INSERT INTO audit_positions (position, hash, leaf_id, content)
SELECT %(size)s::bigint + row_number() OVER () - 1, p.hash, p.leaf_id, p.content
FROM unnest(%(hashes)s::bytea[], %(ids)s::uuid[], %(contents)s::bytea[]) WITH ORDINALITY
    AS p(hash, leaf_id, content, place)
ORDER BY p.place

-- name: write_ahead
UPDATE audit_log SET next_wrapped = %(wrapped)s, next_size = %(size)s, tx = %(tx)s::text::xid8,
    sequence = %(sequence)s, held = %(held)s

-- name: move_cursor
UPDATE audit_log SET tx = %(tx)s::text::xid8, sequence = %(sequence)s, held = %(held)s

-- name: keep_runs
INSERT INTO audit_runs (run, following)
SELECT * FROM unnest(%(runs)s::bytea[], %(following)s::bigint[])
ON CONFLICT (run) DO UPDATE SET following = greatest(audit_runs.following, excluded.following)

-- name: take_over
UPDATE audit_log SET wrapped = next_wrapped, size = next_size, next_wrapped = NULL, next_size = NULL

-- name: hashes
SELECT hash FROM audit_positions WHERE position >= %(first)s AND position < %(first)s::bigint + %(count)s
ORDER BY position

-- name: nodes
SELECT hash FROM audit_nodes
WHERE level = %(level)s AND index >= %(first)s AND index < %(first)s::bigint + %(count)s ORDER BY index

-- name: insert_node
INSERT INTO audit_nodes (level, index, hash) VALUES (%(level)s, %(index)s, %(hash)s)

-- name: insert_head
INSERT INTO audit_heads (size, root, log_key, note) VALUES (%(size)s, %(root)s, %(log_key)s, %(note)s)
ON CONFLICT (size) DO NOTHING

-- name: lock_note
SELECT note FROM audit_heads WHERE size = %(size)s FOR UPDATE

-- name: replace_note
UPDATE audit_heads SET note = %(note)s WHERE size = %(size)s

-- name: head
-- The newest, or that of a size.
SELECT size, root, log_key, note, signed_at FROM audit_heads
WHERE %(size)s::bigint IS NULL OR size = %(size)s ORDER BY size DESC LIMIT 1

-- name: head_with
-- The first that has a position, so that a proof stays the same.
SELECT size, root, log_key, note, signed_at FROM audit_heads WHERE size > %(position)s ORDER BY size LIMIT 1

-- name: insert_fetched
INSERT INTO audit_leaves (id, tenant_id, content, salt, mac, run, number)
SELECT * FROM unnest(
    %(ids)s::uuid[], %(tenants)s::uuid[], %(contents)s::bytea[], %(salts)s::bytea[], %(macs)s::bytea[],
    %(runs)s::bytea[], %(numbers)s::bigint[]
)
ON CONFLICT DO NOTHING

-- name: leaf
SELECT l.id, l.content, l.salt, p.position FROM audit_leaves l
LEFT JOIN audit_positions p ON p.leaf_id = l.id AND p.position < (SELECT size FROM audit_log)
WHERE l.id = %(id)s

-- name: leaves_from
SELECT position, content FROM audit_leaves_from(%(first)s, %(count)s)

-- name: signature
SELECT s.request, s.decoded::text AS decoded, s.signature, k.curve,
    coalesce(s.public_key, v.public_key) AS public_key, (
    -- The one that the leaf names, which need not hold any more.
    SELECT p.document FROM key_policies p JOIN audit_leaves l ON l.id = s.id
    WHERE p.key_id = s.key_id AND p.hash = convert_from(l.content, 'UTF8')::json ->> 'policy' LIMIT 1
) AS policy
FROM signatures s
JOIN keys k ON k.id = s.key_id
JOIN key_versions v ON v.key_id = s.key_id AND v.version = s.key_version
WHERE s.id = %(id)s

-- name: evidence
-- The nearest to when a head was signed: a log that stood still has an old one before, and one of the day after it.
SELECT nonce, manifest_version, quote, collateral, at FROM audit_evidence
WHERE log_key = %(log_key)s
ORDER BY abs(extract(epoch FROM at - %(at)s)) LIMIT 1

-- name: evidence_at
SELECT max(at) AS at FROM audit_evidence WHERE log_key = %(log_key)s

-- name: insert_evidence
INSERT INTO audit_evidence (log_key, at, nonce, manifest_version, quote, collateral)
VALUES (%(log_key)s, %(at)s, %(nonce)s, %(manifest_version)s, %(quote)s, %(collateral)s)
ON CONFLICT DO NOTHING

-- name: is_platform
SELECT current_tenant_is_platform() AS platform
