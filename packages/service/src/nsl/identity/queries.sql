-- name: client_by_id
-- Before the tenant is known: one client by its exact id, by a function that shows nothing else.
SELECT * FROM client_by_id(%(id)s)

-- name: plan
-- A client's limits are its own where it has some, else its tenant's.
SELECT coalesce(c.requests_per_minute, t.requests_per_minute) AS requests_per_minute,
    coalesce(c.key_requests_per_minute, t.key_requests_per_minute) AS key_requests_per_minute
FROM clients c JOIN tenants t ON t.id = c.tenant_id
WHERE c.id = %(id)s AND c.active

-- name: insert_tenant
INSERT INTO tenants (id, name, requests_per_minute, key_requests_per_minute)
VALUES (%(id)s, %(name)s, %(requests_per_minute)s, %(key_requests_per_minute)s)
RETURNING *

-- name: insert_platform_tenant
-- By the owner, once: the index tenants_one_platform refuses a second one.
INSERT INTO tenants (id, name, platform, requests_per_minute, key_requests_per_minute)
VALUES (%(id)s, %(name)s, true, %(requests_per_minute)s, %(key_requests_per_minute)s)
ON CONFLICT DO NOTHING
RETURNING *

-- name: tenants
-- Row-level security decides which: one's own, or for the platform's tenant all.
SELECT * FROM tenants WHERE (%(after)s::uuid IS NULL OR id > %(after)s) ORDER BY id LIMIT %(limit)s

-- name: set_plan
UPDATE tenants
SET requests_per_minute = %(requests_per_minute)s, key_requests_per_minute = %(key_requests_per_minute)s
WHERE id = %(id)s
RETURNING *

-- name: insert_client
INSERT INTO clients (id, tenant_id, name, secret_sha256, scopes, auth_method)
VALUES (%(id)s, %(tenant_id)s, %(name)s, %(secret_sha256)s, %(scopes)s, %(auth_method)s)
RETURNING *

-- name: clients
SELECT * FROM clients
WHERE tenant_id = %(tenant_id)s AND active AND (%(after)s::uuid IS NULL OR id > %(after)s)
ORDER BY id LIMIT %(limit)s

-- name: set_client_plan
UPDATE clients
SET requests_per_minute = %(requests_per_minute)s, key_requests_per_minute = %(key_requests_per_minute)s
WHERE id = %(id)s AND active
RETURNING *

-- name: deactivate_client
UPDATE clients SET active = false WHERE id = %(id)s

-- name: tenant_exists
SELECT id FROM tenants WHERE id = %(id)s

-- name: lock_token_keys
-- One number for all: the first 8 bytes of "nsl-tkey".
SELECT pg_advisory_xact_lock(7958823908976321913)

-- name: token_keys
SELECT kid, public_key, wrapped FROM token_keys ORDER BY created_at DESC LIMIT 16

-- name: insert_token_key
INSERT INTO token_keys (kid, public_key, wrapped) VALUES (%(kid)s, %(public_key)s, %(wrapped)s)

-- name: recall
SELECT request_sha256, answer FROM idempotent_answers
WHERE tenant_id = %(tenant_id)s AND key = %(key)s AND created_at > now() - interval '7 days'

-- name: remember
-- Waits for a transaction that is writing the same key, and then does nothing.
INSERT INTO idempotent_answers (tenant_id, key, request_sha256, answer)
VALUES (%(tenant_id)s, %(key)s, %(request_sha256)s, %(answer)s)
ON CONFLICT (tenant_id, key) DO NOTHING
RETURNING key

-- name: forget_old
DELETE FROM idempotent_answers WHERE tenant_id = %(tenant_id)s AND created_at <= now() - interval '7 days'
