-- name: client_by_id
-- Before the tenant is known: one client by its exact id, by a function that shows nothing else.
SELECT * FROM client_by_id(%(id)s)

-- name: client_standing
-- What holds now of the client and the tenant that a token rests on.
SELECT t.status AS tenant_status, c.scopes AS client_scopes,
    coalesce(c.requests_per_minute, t.requests_per_minute) AS requests_per_minute,
    coalesce(c.key_requests_per_minute, t.key_requests_per_minute) AS key_requests_per_minute,
    EXISTS (SELECT FROM revoked_tokens r WHERE r.jti = %(jti)s) AS token_revoked,
    extract(epoch FROM c.expires_at - now()) AS client_expires_in,
    coalesce((
        SELECT jsonb_agg(jsonb_build_array(g.scope, g.resource)) FROM grants g
        WHERE g.subject = %(subject)s AND (g.expires_at IS NULL OR g.expires_at > now())
    ), '[]') AS grants,
    (
        SELECT extract(epoch FROM min(g.expires_at) - now()) FROM grants g
        WHERE g.subject = %(subject)s AND g.expires_at > now()
    ) AS grants_expire_in
FROM tenants t
LEFT JOIN clients c ON c.id = %(client)s AND c.tenant_id = t.id AND c.active
    AND (c.expires_at IS NULL OR c.expires_at > now())
WHERE t.id = %(tenant)s

-- name: person_standing
-- What holds now of the person and the session that a token rests on.
SELECT m.active AND u.disabled_at IS NULL AND (%(session)s::uuid IS NULL OR EXISTS (
        SELECT FROM sessions s WHERE s.id = %(session)s AND s.user_id = m.user_id AND s.revoked_at IS NULL
            AND s.expires_at > now()
    )) AS active,
    m.roles || ARRAY(
        SELECT DISTINCT unnest(g.roles) FROM group_members gm JOIN groups g ON g.id = gm.group_id
        WHERE gm.user_id = m.user_id
    ) AS roles
FROM memberships m JOIN users u ON u.id = m.user_id
WHERE m.tenant_id = %(tenant)s AND m.user_id = %(subject)s

-- name: delegation_standing
SELECT revoked_at IS NULL AND expires_at > now() AS active, scopes, from_user, to_user
FROM delegations WHERE id = %(id)s

-- name: custom_roles
SELECT name, description, scopes, inherits FROM roles ORDER BY name

-- name: insert_role
INSERT INTO roles (tenant_id, name, description, scopes, inherits)
VALUES (%(tenant_id)s, %(name)s, %(description)s, %(scopes)s, %(inherits)s)
ON CONFLICT DO NOTHING RETURNING *

-- name: update_role
UPDATE roles SET description = %(description)s, scopes = %(scopes)s, inherits = %(inherits)s
WHERE name = %(name)s RETURNING *

-- name: delete_role
DELETE FROM roles WHERE name = %(name)s RETURNING name

-- name: insert_grant
INSERT INTO grants (id, tenant_id, subject, scope, resource, expires_at)
VALUES (%(id)s, %(tenant_id)s, %(subject)s, %(scope)s, %(resource)s, %(expires_at)s)
ON CONFLICT (tenant_id, subject, scope, resource) DO NOTHING
RETURNING *

-- name: grants
SELECT * FROM grants
WHERE (%(subject)s::uuid IS NULL OR subject = %(subject)s) AND (%(after)s::uuid IS NULL OR id > %(after)s)
ORDER BY id LIMIT %(limit)s

-- name: delete_grant
DELETE FROM grants WHERE id = %(id)s RETURNING subject

-- name: insert_delegation
INSERT INTO delegations (id, tenant_id, from_user, to_user, scopes, expires_at)
VALUES (%(id)s, %(tenant_id)s, %(from_user)s, %(to_user)s, %(scopes)s, %(expires_at)s)
RETURNING *

-- name: delegations
-- Those that a person gave or was given.
SELECT * FROM delegations
WHERE (from_user = %(user)s OR to_user = %(user)s) AND revoked_at IS NULL AND expires_at > now()
    AND (%(after)s::uuid IS NULL OR id > %(after)s)
ORDER BY id LIMIT %(limit)s

-- name: revoke_delegation
UPDATE delegations SET revoked_at = now() WHERE id = %(id)s AND from_user = %(user)s AND revoked_at IS NULL
RETURNING id

-- name: members
SELECT u.id, u.email, u.display_name, u.created_at, u.disabled_at, m.roles, m.active, m.external_id
FROM memberships m JOIN users u ON u.id = m.user_id
WHERE m.tenant_id = %(tenant_id)s AND (%(after)s::uuid IS NULL OR u.id > %(after)s)
    AND (%(email)s::text IS NULL OR u.email = %(email)s)
    AND (%(external_id)s::text IS NULL OR m.external_id = %(external_id)s)
ORDER BY u.id OFFSET %(offset)s LIMIT %(limit)s

-- name: count_members
SELECT count(*) AS count FROM memberships m JOIN users u ON u.id = m.user_id
WHERE m.tenant_id = %(tenant_id)s AND (%(email)s::text IS NULL OR u.email = %(email)s)
    AND (%(external_id)s::text IS NULL OR m.external_id = %(external_id)s)

-- name: member
SELECT u.id, u.email, u.display_name, u.created_at, u.disabled_at, m.roles, m.active, m.external_id
FROM memberships m JOIN users u ON u.id = m.user_id
WHERE m.tenant_id = %(tenant_id)s AND u.id = %(id)s

-- name: insert_membership
INSERT INTO memberships (tenant_id, user_id, roles, external_id)
VALUES (%(tenant_id)s, %(user_id)s, %(roles)s, %(external_id)s)
ON CONFLICT (tenant_id, user_id) DO NOTHING RETURNING user_id

-- name: update_membership
UPDATE memberships SET roles = coalesce(%(roles)s, roles), active = coalesce(%(active)s, active),
    external_id = coalesce(%(external_id)s, external_id)
WHERE tenant_id = %(tenant_id)s AND user_id = %(user_id)s RETURNING user_id

-- name: delete_membership
DELETE FROM memberships WHERE tenant_id = %(tenant_id)s AND user_id = %(user_id)s RETURNING user_id

-- name: groups
SELECT g.*, ARRAY(SELECT gm.user_id FROM group_members gm WHERE gm.group_id = g.id ORDER BY 1) AS members
FROM groups g
WHERE g.tenant_id = %(tenant_id)s AND (%(id)s::uuid IS NULL OR g.id = %(id)s)
    AND (%(name)s::text IS NULL OR g.name = %(name)s)
ORDER BY g.id OFFSET %(offset)s LIMIT %(limit)s

-- name: count_groups
SELECT count(*) AS count FROM groups WHERE tenant_id = %(tenant_id)s AND (%(name)s::text IS NULL OR name = %(name)s)

-- name: insert_group
INSERT INTO groups (id, tenant_id, name, external_id, roles)
VALUES (%(id)s, %(tenant_id)s, %(name)s, %(external_id)s, %(roles)s)
ON CONFLICT DO NOTHING RETURNING id

-- name: update_group
UPDATE groups SET name = coalesce(%(name)s, name), external_id = coalesce(%(external_id)s, external_id),
    roles = coalesce(%(roles)s, roles)
WHERE id = %(id)s RETURNING id

-- name: delete_group
DELETE FROM groups WHERE id = %(id)s RETURNING id

-- name: insert_group_member
INSERT INTO group_members (tenant_id, group_id, user_id) VALUES (%(tenant_id)s, %(group_id)s, %(user_id)s)
ON CONFLICT DO NOTHING

-- name: delete_group_member
DELETE FROM group_members WHERE group_id = %(group_id)s AND user_id = %(user_id)s

-- name: revoke
SELECT revoke_at_once(%(targets)s)

-- name: revocations_after
SELECT (SELECT coalesce(max(generation), 0) FROM revocations) AS newest,
    ARRAY(SELECT target FROM revocations WHERE generation > %(after)s AND %(after)s >= 0) AS targets

-- name: revoke_token
INSERT INTO revoked_tokens (jti, tenant_id, expires_at)
VALUES (%(jti)s, %(tenant_id)s, to_timestamp(%(expires)s)) ON CONFLICT DO NOTHING

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
INSERT INTO clients (id, tenant_id, name, secret_sha256, scopes, auth_method, grant_types, redirect_uris,
    post_logout_redirect_uris, backchannel_logout_uri, jwks, tls_subject_dn, require_pushed_requests, require_dpop,
    expires_at)
VALUES (%(id)s, %(tenant_id)s, %(name)s, %(secret_sha256)s, %(scopes)s, %(auth_method)s, %(grant_types)s,
    %(redirect_uris)s, %(post_logout_redirect_uris)s, %(backchannel_logout_uri)s, %(jwks)s, %(tls_subject_dn)s,
    %(require_pushed_requests)s, %(require_dpop)s, %(expires_at)s)
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

-- name: tenant
SELECT * FROM tenants WHERE id = %(id)s

-- name: set_tenant_status
-- A deleted tenant stays deleted.
UPDATE tenants SET status = %(status)s WHERE id = %(id)s AND status <> 'deleted' AND NOT platform RETURNING *

-- name: lock_token_keys
-- One number for all: the first 8 bytes of "nsl-tkey".
SELECT pg_advisory_xact_lock(7958823908976321913)

-- name: token_keys
SELECT kid, public_key, wrapped, created_at FROM token_keys
WHERE withdrawn_at IS NULL AND created_at > %(made_after)s ORDER BY created_at DESC LIMIT 16

-- name: withdraw_token_key
UPDATE token_keys SET withdrawn_at = now() WHERE kid = %(kid)s AND withdrawn_at IS NULL RETURNING kid

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

-- name: insert_audit_event
WITH leaf AS (
    INSERT INTO audit_leaves (id, tenant_id, content, salt) VALUES (%(id)s, %(tenant_id)s, %(content)s, %(salt)s)
)
INSERT INTO audit_events (id, tenant_id, at, action, actor, target, detail)
VALUES (%(id)s, %(tenant_id)s, %(at)s, %(action)s, %(actor)s, %(target)s, %(detail)s)

-- name: insert_leaves
INSERT INTO audit_leaves (id, tenant_id, content, salt, mac, run, number)
SELECT * FROM unnest(
    %(ids)s::uuid[], %(tenants)s::uuid[], %(contents)s::bytea[], %(salts)s::bytea[], %(macs)s::bytea[],
    %(runs)s::bytea[], %(numbers)s::bigint[]
)

-- name: audit_events
-- Newest first.
SELECT * FROM audit_events
WHERE (%(before)s::uuid IS NULL OR id < %(before)s) AND (%(action)s::text IS NULL OR action = %(action)s)
    AND (%(actor)s::text IS NULL OR actor = %(actor)s)
ORDER BY id DESC LIMIT %(limit)s

-- name: platform_tenant
-- By the owner, who alone sees it without working for a tenant.
SELECT id FROM tenants WHERE platform

-- name: put_one_time
SELECT put_one_time(%(sha256)s, %(purpose)s, %(data)s, %(seconds)s)

-- name: look_at_one_time
SELECT look_at_one_time(%(sha256)s, %(purpose)s) AS data

-- name: take_one_time
SELECT take_one_time(%(sha256)s, %(purpose)s) AS data
