-- name: consent
SELECT scopes FROM consents WHERE user_id = %(user_id)s AND client_id = %(client_id)s

-- name: give_consent
INSERT INTO consents (tenant_id, user_id, client_id, scopes)
VALUES (%(tenant_id)s, %(user_id)s, %(client_id)s, %(scopes)s)
ON CONFLICT (tenant_id, user_id, client_id) DO UPDATE SET scopes = (
    SELECT array_agg(DISTINCT each) FROM unnest(consents.scopes || excluded.scopes) each
), given_at = now()

-- name: note_session_client
INSERT INTO session_clients (tenant_id, session_id, client_id) VALUES (%(tenant_id)s, %(session_id)s, %(client_id)s)
ON CONFLICT DO NOTHING

-- name: insert_provider
INSERT INTO identity_providers (id, tenant_id, name, issuer, client_id, client_secret, roles)
VALUES (%(id)s, %(tenant_id)s, %(name)s, %(issuer)s, %(client_id)s, %(client_secret)s, %(roles)s)
ON CONFLICT DO NOTHING RETURNING *

-- name: providers
SELECT * FROM identity_providers WHERE tenant_id = %(tenant_id)s ORDER BY name

-- name: provider
SELECT * FROM identity_providers WHERE id = %(id)s

-- name: provider_tenant
SELECT identity_provider_tenant(%(id)s) AS tenant

-- name: delete_provider
DELETE FROM identity_providers WHERE id = %(id)s RETURNING id

-- name: next_notice
SELECT * FROM logout_notices WHERE next_attempt_at <= now()
ORDER BY next_attempt_at FOR UPDATE SKIP LOCKED LIMIT 1

-- name: postpone_notice
UPDATE logout_notices SET attempts = attempts + 1, next_attempt_at = now() + %(seconds)s * interval '1 second'
WHERE id = %(id)s

-- name: delete_notice
DELETE FROM logout_notices WHERE id = %(id)s

-- name: signing_key
-- The newest that everybody knows, else the oldest.
SELECT kid, wrapped FROM token_keys WHERE withdrawn_at IS NULL
ORDER BY created_at <= %(ready)s DESC, CASE WHEN created_at <= %(ready)s THEN created_at END DESC, created_at LIMIT 1
