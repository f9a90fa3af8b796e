-- The application's statements run under row-level security; the worker's see every tenant (decision 4 in docs/adr).

-- name: insert
-- One round trip for the intent, the first line of its history, and what the account had promised before it: by asset
-- the amount and the fees, and how many are not priced yet. `id` is null when the Idempotency-Key is taken.
WITH promised AS (
    SELECT asset_contract, sum(amount) AS amount, coalesce(sum(fee_max), 0) AS fees,
        count(*) FILTER (WHERE fee_max IS NULL) AS unpriced
    FROM transactions
    WHERE chain = %(chain)s AND sender = %(sender)s AND state IN ('accepted', 'prepared', 'signed', 'submitted')
    GROUP BY asset_contract
), made AS (
    INSERT INTO transactions (
        id, tenant_id, idempotency_key, request_sha256, chain, kind, state, from_key, key_version, sender,
        asset_contract, asset_symbol, asset_decimals, recipient, amount, valid_for_seconds, created_at, updated_at,
        address_number
    )
    VALUES (
        %(id)s, %(tenant_id)s, %(idempotency_key)s, %(request_sha256)s, %(chain)s, %(kind)s, %(state)s, %(from_key)s,
        %(key_version)s, %(sender)s, %(asset_contract)s, %(asset_symbol)s, %(asset_decimals)s, %(recipient)s,
        %(amount)s, %(valid_for_seconds)s, %(created_at)s, %(created_at)s, %(address_number)s
    )
    ON CONFLICT (tenant_id, idempotency_key) DO NOTHING
    RETURNING id, tenant_id, state, created_at
), noted AS (
    INSERT INTO transaction_history (transaction_id, tenant_id, state, at)
    SELECT id, tenant_id, state, created_at FROM made
)
SELECT m.id, p.asset_contract, p.amount, p.fees, p.unpriced
FROM (SELECT) AS always LEFT JOIN made m ON true LEFT JOIN promised p ON true

-- name: by_idempotency_key
SELECT * FROM transactions WHERE tenant_id = %(tenant_id)s AND idempotency_key = %(idempotency_key)s

-- name: by_id
SELECT * FROM transactions WHERE id = %(id)s

-- name: history
SELECT state, at FROM transaction_history WHERE transaction_id = %(id)s ORDER BY number

-- name: page
-- Newest first; a cursor is the last id of the page before. `accepted` stands for `prepared` too.
SELECT * FROM transactions
WHERE tenant_id = %(tenant_id)s
    AND (%(before)s::uuid IS NULL OR id < %(before)s)
    AND (%(states)s::text[] IS NULL OR state = ANY(%(states)s))
    AND (%(chain)s::text IS NULL OR chain = %(chain)s)
ORDER BY id DESC
LIMIT %(limit)s

-- name: take_accepted
-- Oldest first. Rows that another worker holds are skipped; a worker that dies lets go of its rows by itself.
SELECT t.*, coalesce(a.public_key, v.public_key) AS public_key
FROM transactions t
JOIN key_versions v ON v.key_id = t.from_key AND v.version = t.key_version
LEFT JOIN key_addresses a ON a.key_id = t.from_key AND a.number = t.address_number
WHERE t.chain = %(chain)s AND t.state = 'accepted'
ORDER BY t.id
LIMIT %(limit)s
FOR UPDATE OF t SKIP LOCKED

-- name: take_prepared
-- What waits for a change of its key that is under way is taken once that is through.
SELECT t.*, v.wrapped
FROM transactions t
JOIN key_versions v ON v.key_id = t.from_key AND v.version = t.key_version
WHERE t.chain = %(chain)s AND t.state = 'prepared'
    AND NOT EXISTS (SELECT FROM key_changes c WHERE c.key_id = t.from_key)
ORDER BY t.id
LIMIT %(limit)s
FOR UPDATE OF t SKIP LOCKED

-- name: stored_keys
-- Read again, in the same transaction: a key whose change is under way is left out.
SELECT t.id, v.wrapped
FROM transactions t
JOIN key_versions v ON v.key_id = t.from_key AND v.version = t.key_version
WHERE t.id = ANY(%(ids)s) AND NOT EXISTS (SELECT FROM key_changes c WHERE c.key_id = t.from_key)

-- name: take_to_send
-- By nonce, so that a node never sees a gap that the next line would fill.
SELECT * FROM transactions
WHERE chain = %(chain)s AND state IN ('signed', 'submitted') AND next_send_at <= %(now)s
ORDER BY nonce, id
LIMIT %(limit)s
FOR UPDATE SKIP LOCKED

-- name: note_accounts
INSERT INTO chain_accounts (chain, address)
SELECT %(chain)s, a FROM unnest(%(addresses)s::text[]) AS a
ON CONFLICT DO NOTHING

-- name: lock_accounts
-- In one order, so that two workers wait for each other instead of for ever.
SELECT address FROM chain_accounts
WHERE chain = %(chain)s AND address = ANY(%(addresses)s)
ORDER BY address
FOR UPDATE

-- name: nonces_held
-- Also those of mined transactions, because a node may stand before their block again.
SELECT t.sender, t.nonce
FROM transactions t
JOIN unnest(%(addresses)s::text[], %(first)s::text[]) AS a(address, first) ON t.sender = a.address
WHERE t.chain = %(chain)s AND t.nonce >= a.first::numeric
    AND (t.state IN ('prepared', 'signed', 'submitted', 'confirmed') OR t.block_height IS NOT NULL)

-- name: save
-- The new state of a batch and what its history notes, in one round trip.
WITH changed AS (
    UPDATE transactions t
    SET state = c.state, nonce = c.nonce::numeric, fee_max = c.fee_max::numeric, valid_until = c.valid_until,
        unsigned = coalesce(c.unsigned, t.unsigned), raw = coalesce(c.raw, t.raw), hash = c.hash, sends = c.sends,
        next_send_at = c.next_send_at, nonce_used_height = c.nonce_used_height, block_height = c.block_height,
        fee = c.fee::numeric, failure_code = c.failure_code, failure_message = c.failure_message,
        updated_at = c.updated_at
    FROM unnest(
        %(id)s::uuid[], %(state)s::text[], %(nonce)s::text[], %(fee_max)s::text[], %(valid_until)s::bigint[],
        %(unsigned)s::bytea[], %(raw)s::bytea[], %(hash)s::text[], %(sends)s::integer[],
        %(next_send_at)s::timestamptz[], %(nonce_used_height)s::bigint[], %(block_height)s::bigint[],
        %(fee)s::text[], %(failure_code)s::text[], %(failure_message)s::text[], %(updated_at)s::timestamptz[]
    ) AS c(
        id, state, nonce, fee_max, valid_until, unsigned, raw, hash, sends, next_send_at, nonce_used_height,
        block_height, fee, failure_code, failure_message, updated_at
    )
    WHERE t.id = c.id
)
INSERT INTO transaction_history (transaction_id, tenant_id, state, at)
SELECT n.id, n.tenant_id, n.state, n.at
FROM unnest(%(noted_id)s::uuid[], %(noted_tenant)s::uuid[], %(noted_state)s::text[], %(noted_at)s::timestamptz[])
    WITH ORDINALITY AS n(id, tenant_id, state, at, position)
ORDER BY n.position

-- name: begin_cursor
INSERT INTO chain_cursors (chain, height, hash) VALUES (%(chain)s, %(height)s, %(hash)s) ON CONFLICT DO NOTHING

-- name: cursor
SELECT height, hash FROM chain_cursors WHERE chain = %(chain)s

-- name: take_cursor
-- One worker follows a chain at a time.
SELECT height, hash FROM chain_cursors WHERE chain = %(chain)s FOR UPDATE SKIP LOCKED

-- name: move_cursor
UPDATE chain_cursors SET height = %(height)s, hash = %(hash)s WHERE chain = %(chain)s

-- name: remember_blocks
INSERT INTO chain_blocks (chain, height, hash)
SELECT %(chain)s, b.height, b.hash FROM unnest(%(heights)s::bigint[], %(hashes)s::text[]) AS b(height, hash)
ON CONFLICT (chain, height) DO UPDATE SET hash = excluded.hash

-- name: forget_blocks
DELETE FROM chain_blocks WHERE chain = %(chain)s AND (height < %(oldest)s OR height > %(newest)s)

-- name: blocks_below
SELECT height, hash FROM chain_blocks
WHERE chain = %(chain)s AND height <= %(height)s
ORDER BY height DESC
LIMIT %(limit)s

-- name: to_find
SELECT * FROM transactions
WHERE chain = %(chain)s AND hash = ANY(%(hashes)s) AND state IN ('signed', 'submitted')
FOR UPDATE

-- name: overdue
-- Every block that could hold them has been followed; or another transaction took their nonce, some blocks ago.
SELECT * FROM transactions
WHERE chain = %(chain)s AND state IN ('signed', 'submitted')
    AND (valid_until < %(height)s OR nonce_used_height < %(height)s)
FOR UPDATE SKIP LOCKED

-- name: mined_above
SELECT * FROM transactions WHERE chain = %(chain)s AND block_height > %(height)s FOR UPDATE

-- name: mined_below
SELECT 1 FROM transactions WHERE chain = %(chain)s AND block_height < %(height)s LIMIT 1

-- name: backlog
SELECT state, count(*) AS count,
    coalesce(extract(epoch FROM %(now)s - min(created_at)), 0)::float8 AS oldest_seconds
FROM transactions
WHERE chain = %(chain)s AND state IN ('accepted', 'prepared', 'signed', 'submitted')
GROUP BY state

-- name: note_signatures
-- By the transaction's own id: its receipt is asked for by that. The keys' last use is in it, as in nsl.keys.
WITH used AS (
    INSERT INTO key_uses (key_id, tenant_id, used_at)
    SELECT DISTINCT u.key_id, u.tenant_id, %(at)s::timestamptz
    FROM unnest(%(keys)s::uuid[], %(tenants)s::uuid[]) AS u(key_id, tenant_id)
    ORDER BY u.key_id
    ON CONFLICT (key_id) DO UPDATE SET used_at = greatest(key_uses.used_at, excluded.used_at)
)
INSERT INTO signatures (
    id, tenant_id, key_id, key_version, kind, request, decoded, signature, signed_by, created_at, public_key
)
SELECT s.id, s.tenant_id, s.key_id, s.key_version, %(kind)s, s.request, s.decoded, s.signature, 'worker', %(at)s,
    s.public_key
FROM unnest(
    %(ids)s::uuid[], %(tenants)s::uuid[], %(keys)s::uuid[], %(versions)s::integer[], %(requests)s::bytea[],
    %(decoded)s::json[], %(signatures)s::bytea[], %(public_keys)s::bytea[]
) AS s(id, tenant_id, key_id, key_version, request, decoded, signature, public_key)
