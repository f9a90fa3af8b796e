-- name: insert_user
INSERT INTO users (id, email, email_verified_at, display_name)
VALUES (%(id)s, %(email)s, CASE WHEN %(verified)s THEN now() END, %(display_name)s)
ON CONFLICT (email) DO NOTHING RETURNING *

-- name: user
SELECT * FROM users WHERE id = %(id)s

-- name: user_by_email
SELECT user_by_email(%(email)s) AS id

-- name: user_by_passkey
SELECT user_by_passkey(%(credential_id)s) AS id

-- name: user_by_wallet
SELECT user_by_wallet(%(chain)s, %(address)s) AS id

-- name: user_by_external_identity
SELECT user_by_external_identity(%(provider_id)s, %(subject)s) AS id

-- name: verify_email
UPDATE users SET email_verified_at = coalesce(email_verified_at, now()) WHERE id = %(id)s

-- name: rename_user
UPDATE users SET display_name = %(display_name)s WHERE id = %(id)s

-- name: disable_user
UPDATE users SET disabled_at = CASE WHEN %(disabled)s THEN coalesce(disabled_at, now()) END WHERE id = %(id)s
RETURNING id

-- name: password
SELECT hash FROM passwords WHERE user_id = %(id)s

-- name: set_password
INSERT INTO passwords (user_id, hash) VALUES (%(id)s, %(hash)s)
ON CONFLICT (user_id) DO UPDATE SET hash = excluded.hash, changed_at = now()

-- name: delete_password
DELETE FROM passwords WHERE user_id = %(id)s

-- name: totp
SELECT secret, confirmed_at IS NOT NULL AS confirmed, last_step FROM totps WHERE user_id = %(id)s

-- name: put_totp
-- A confirmed one is not replaced: it is removed first, by somebody who has it.
INSERT INTO totps (user_id, secret) VALUES (%(id)s, %(secret)s)
ON CONFLICT (user_id) DO UPDATE SET secret = excluded.secret, last_step = 0 WHERE totps.confirmed_at IS NULL
RETURNING user_id

-- name: use_totp
UPDATE totps SET last_step = %(step)s, confirmed_at = coalesce(confirmed_at, now())
WHERE user_id = %(id)s AND last_step < %(step)s RETURNING user_id

-- name: delete_totp
DELETE FROM totps WHERE user_id = %(id)s RETURNING user_id

-- name: delete_recovery_codes
DELETE FROM recovery_codes WHERE user_id = %(id)s

-- name: insert_recovery_code
INSERT INTO recovery_codes (user_id, code_sha256) VALUES (%(id)s, %(sha256)s)

-- name: use_recovery_code
DELETE FROM recovery_codes WHERE user_id = %(id)s AND code_sha256 = %(sha256)s RETURNING user_id

-- name: count_recovery_codes
SELECT count(*) AS count FROM recovery_codes WHERE user_id = %(id)s

-- name: insert_passkey
INSERT INTO passkeys (credential_id, user_id, id, name, public_key, sign_count)
VALUES (%(credential_id)s, %(user_id)s, %(id)s, %(name)s, %(public_key)s, %(sign_count)s)
ON CONFLICT DO NOTHING RETURNING id

-- name: passkeys
SELECT * FROM passkeys WHERE user_id = %(id)s ORDER BY id

-- name: use_passkey
UPDATE passkeys SET sign_count = %(sign_count)s, used_at = now() WHERE id = %(id)s

-- name: delete_passkey
DELETE FROM passkeys WHERE id = %(id)s AND user_id = %(user_id)s RETURNING id

-- name: insert_wallet
INSERT INTO wallets (chain, address, user_id) VALUES (%(chain)s, %(address)s, %(id)s)
ON CONFLICT DO NOTHING RETURNING address

-- name: wallets
SELECT chain, address, created_at FROM wallets WHERE user_id = %(id)s ORDER BY created_at

-- name: delete_wallet
DELETE FROM wallets WHERE user_id = %(id)s AND chain = %(chain)s AND address = %(address)s RETURNING address

-- name: insert_external_identity
INSERT INTO external_identities (provider_id, subject, user_id) VALUES (%(provider_id)s, %(subject)s, %(id)s)
ON CONFLICT DO NOTHING

-- name: memberships
-- A person's own: where they may work, oldest first.
SELECT m.tenant_id FROM memberships m WHERE m.user_id = %(id)s AND m.active ORDER BY m.created_at, m.tenant_id

-- name: insert_session
INSERT INTO sessions (id, tenant_id, user_id, cookie_sha256, amr, authenticated_at, address, agent, expires_at)
VALUES (%(id)s, %(tenant_id)s, %(user_id)s, %(cookie_sha256)s, %(amr)s, %(authenticated_at)s, %(address)s, %(agent)s,
    now() + %(seconds)s * interval '1 second')
RETURNING *

-- name: session
SELECT * FROM sessions WHERE id = %(id)s AND revoked_at IS NULL AND expires_at > now()

-- name: session_by_cookie
SELECT id, tenant_id, user_id FROM session_by_cookie(%(sha256)s)

-- name: sessions
SELECT * FROM sessions
WHERE user_id = %(user_id)s AND revoked_at IS NULL AND expires_at > now()
    AND (%(after)s::uuid IS NULL OR id > %(after)s)
ORDER BY id LIMIT %(limit)s

-- name: revoke_session
UPDATE sessions SET revoked_at = now() WHERE id = %(id)s AND user_id = %(user_id)s AND revoked_at IS NULL
RETURNING id, tenant_id

-- name: revoke_sessions
UPDATE sessions SET revoked_at = now()
WHERE user_id = %(user_id)s AND revoked_at IS NULL AND id IS DISTINCT FROM %(but)s
RETURNING id

-- name: insert_refresh_token
INSERT INTO refresh_tokens (sha256, tenant_id, family, user_id, client_id, session_id, scopes, binding, expires_at)
VALUES (%(sha256)s, %(tenant_id)s, %(family)s, %(user_id)s, %(client_id)s, %(session_id)s, %(scopes)s, %(binding)s,
    %(expires_at)s)

-- name: refresh_token_tenant
SELECT refresh_token_tenant(%(sha256)s) AS tenant

-- name: refresh_token
-- Two uses at a time wait for each other.
SELECT r.*, s.revoked_at IS NOT NULL AS session_revoked
FROM refresh_tokens r JOIN sessions s ON s.id = r.session_id WHERE r.sha256 = %(sha256)s FOR UPDATE OF r

-- name: used_in_family
-- Whether anything of a family was used that was made after this one.
SELECT EXISTS (
    SELECT FROM refresh_tokens later
    WHERE later.family = %(family)s AND later.created_at > %(after)s AND later.used_at IS NOT NULL
) AS used

-- name: use_refresh_token
UPDATE refresh_tokens SET used_at = coalesce(used_at, now()) WHERE sha256 = %(sha256)s

-- name: revoke_unused
UPDATE refresh_tokens SET revoked_at = now()
WHERE family = %(family)s AND used_at IS NULL AND revoked_at IS NULL

-- name: revoke_family_of
-- By one of its tokens, whichever.
UPDATE refresh_tokens SET revoked_at = coalesce(revoked_at, now())
WHERE family = (SELECT r.family FROM refresh_tokens r WHERE r.sha256 = %(sha256)s AND r.client_id = %(client_id)s)
RETURNING session_id, user_id

-- name: session_has_browser
SELECT cookie_sha256 IS NOT NULL AS browser FROM sessions WHERE id = %(id)s

-- name: revoke_family
UPDATE refresh_tokens SET revoked_at = now() WHERE family = %(family)s AND revoked_at IS NULL

-- name: insert_invitation
INSERT INTO invitations (id, tenant_id, email, roles, invited_by, expires_at)
VALUES (%(id)s, %(tenant_id)s, %(email)s, %(roles)s, %(invited_by)s, now() + interval '7 days')
RETURNING *

-- name: invitations
SELECT * FROM invitations
WHERE tenant_id = %(tenant_id)s AND accepted_at IS NULL AND expires_at > now()
    AND (%(after)s::uuid IS NULL OR id > %(after)s)
ORDER BY id LIMIT %(limit)s

-- name: accept_invitation
UPDATE invitations SET accepted_at = now() WHERE id = %(id)s AND accepted_at IS NULL AND expires_at > now()
RETURNING *

-- name: delete_invitation
DELETE FROM invitations WHERE id = %(id)s AND accepted_at IS NULL RETURNING id

-- name: insert_mail
INSERT INTO mails (id, recipient, subject, body) VALUES (%(id)s, %(recipient)s, %(subject)s, %(body)s)

-- name: next_mail
SELECT * FROM mails WHERE next_attempt_at <= now() ORDER BY next_attempt_at FOR UPDATE SKIP LOCKED LIMIT 1

-- name: postpone_mail
UPDATE mails SET attempts = attempts + 1, next_attempt_at = now() + %(seconds)s * interval '1 second'
WHERE id = %(id)s

-- name: delete_mail
DELETE FROM mails WHERE id = %(id)s

-- name: notify_clients
-- Every client that the session signed in to, and that wants to know, is told that it ended.
INSERT INTO logout_notices (id, tenant_id, client_id, session_id, user_id, uri)
SELECT gen_random_uuid(), sc.tenant_id, sc.client_id, sc.session_id, %(user_id)s, c.backchannel_logout_uri
FROM session_clients sc JOIN clients c ON c.id = sc.client_id
WHERE sc.session_id = %(session_id)s AND c.backchannel_logout_uri IS NOT NULL
