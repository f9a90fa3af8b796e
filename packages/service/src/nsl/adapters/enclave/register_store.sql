-- name: read
SELECT certificate, pending, coalesce(held_until > now(), false) AS held FROM key_register

-- name: path
-- One statement, so that the nodes are those of this certificate.
SELECT r.certificate, r.pending, coalesce(r.held_until > now(), false) AS held, n.position, n.hash, n.leaf
FROM key_register r LEFT JOIN key_register_nodes n ON n.position = ANY(%(positions)s)

-- name: give_back
-- Whoever holds the register and hangs loses it again; whoever waits for it does so no longer than a call takes.
SET LOCAL idle_in_transaction_session_timeout = '30s';
SET LOCAL lock_timeout = '30s';

-- name: lock
SELECT certificate, pending, coalesce(held_until > clock_timestamp(), false) AS held FROM key_register FOR UPDATE

-- name: propose
UPDATE key_register SET pending = %(pending)s

-- name: hold
UPDATE key_register SET held_until = clock_timestamp() + %(seconds)s * interval '1 second'

-- name: settle
UPDATE key_register SET certificate = %(certificate)s, pending = NULL, held_until = NULL

-- name: write_nodes
INSERT INTO key_register_nodes (position, hash, leaf)
SELECT * FROM unnest(%(positions)s::bytea[], %(hashes)s::bytea[], %(leaves)s::bytea[])
ON CONFLICT (position) DO UPDATE SET hash = excluded.hash, leaf = excluded.leaf

-- name: ledger
SELECT wrapped, next_wrapped FROM key_ledgers WHERE key_id = %(key_id)s

-- name: write_ledger_ahead
-- Unless another one follows already, or the present one is another.
INSERT INTO key_ledgers AS l (key_id, tenant_id, next_wrapped)
SELECT %(key_id)s, %(tenant_id)s, %(following)s
WHERE %(present)s::bytea IS NULL OR EXISTS (SELECT FROM key_ledgers e WHERE e.key_id = %(key_id)s)
ON CONFLICT (key_id) DO UPDATE SET next_wrapped = excluded.next_wrapped
WHERE l.next_wrapped IS NULL AND l.wrapped IS NOT DISTINCT FROM %(present)s

-- name: take_over_ledger
UPDATE key_ledgers SET wrapped = next_wrapped, next_wrapped = NULL
WHERE key_id = %(key_id)s AND next_wrapped = %(following)s
