-- name: lock_erasure
SELECT lock_erasure()

-- name: insert_hold
INSERT INTO legal_holds (id, tenant_id, subject, reason, set_by, set_at)
VALUES (%(id)s, %(tenant_id)s, %(subject)s, %(reason)s, %(by)s, %(at)s)
RETURNING id, subject, reason, set_by, set_at, lifted_because, lifted_by, lifted_at

-- name: holds
-- Newest first.
SELECT id, subject, reason, set_by, set_at, lifted_because, lifted_by, lifted_at FROM legal_holds
WHERE (NOT %(in_force)s OR lifted_at IS NULL) AND (%(before)s::uuid IS NULL OR id < %(before)s)
ORDER BY id DESC LIMIT %(limit)s

-- name: holds_on
-- Those that stand against erasing this person.
SELECT id, subject, reason, set_by, set_at, lifted_because, lifted_by, lifted_at FROM legal_holds
WHERE lifted_at IS NULL AND (subject IS NULL OR subject = %(subject)s) ORDER BY id

-- name: lift_hold
UPDATE legal_holds SET lifted_because = %(because)s, lifted_by = %(by)s, lifted_at = %(at)s
WHERE id = %(id)s AND lifted_at IS NULL
RETURNING id, subject, reason, set_by, set_at, lifted_because, lifted_by, lifted_at

-- name: person
-- Somebody who belongs to the tenant, or has signed in to it before. Works as that person.
SELECT u.id, u.email, coalesce(m.roles, '{}') AS roles,
    EXISTS (SELECT FROM memberships o WHERE o.user_id = u.id AND o.tenant_id <> %(tenant_id)s) AS elsewhere,
    person_is_held(u.id) AS held
FROM users u LEFT JOIN memberships m ON m.user_id = u.id AND m.tenant_id = %(tenant_id)s
WHERE u.id = %(id)s AND (
    m.user_id IS NOT NULL
    OR EXISTS (SELECT FROM sessions s WHERE s.user_id = u.id AND s.tenant_id = %(tenant_id)s)
)

-- name: export
-- What the tenant has about a person, and of their account what says who they are: no secret, nothing of other tenants.
SELECT jsonb_build_object(
    'account', (
        SELECT jsonb_build_object('id', u.id, 'email', u.email, 'email_verified_at', u.email_verified_at,
            'display_name', u.display_name, 'created_at', u.created_at, 'disabled_at', u.disabled_at)
        FROM users u WHERE u.id = %(id)s
    ),
    'membership', (
        SELECT to_jsonb(m) - 'tenant_id' - 'user_id' FROM memberships m
        WHERE m.user_id = %(id)s AND m.tenant_id = %(tenant_id)s
    ),
    'groups', (
        SELECT coalesce(jsonb_agg(g.name ORDER BY g.name), '[]') FROM group_members gm
        JOIN groups g ON g.id = gm.group_id WHERE gm.user_id = %(id)s
    ),
    'grants', (
        SELECT coalesce(jsonb_agg(to_jsonb(g) - 'tenant_id' ORDER BY g.id), '[]') FROM grants g
        WHERE g.subject = %(id)s
    ),
    'delegations', (
        SELECT coalesce(jsonb_agg(to_jsonb(d) - 'tenant_id' ORDER BY d.id), '[]') FROM delegations d
        WHERE %(id)s IN (d.from_user, d.to_user)
    ),
    'invitations', (
        SELECT coalesce(jsonb_agg(to_jsonb(i) - 'tenant_id' ORDER BY i.id), '[]') FROM invitations i
        WHERE i.email = %(email)s
    ),
    'sessions', (
        SELECT coalesce(jsonb_agg(to_jsonb(s) - 'tenant_id' - 'user_id' - 'cookie_sha256' ORDER BY s.id), '[]')
        FROM sessions s WHERE s.user_id = %(id)s AND s.tenant_id = %(tenant_id)s
    ),
    'consents', (
        SELECT coalesce(jsonb_agg(to_jsonb(c) - 'tenant_id' - 'user_id' ORDER BY c.client_id), '[]') FROM consents c
        WHERE c.user_id = %(id)s
    ),
    'passkeys', (
        SELECT coalesce(jsonb_agg(jsonb_build_object('name', p.name, 'created_at', p.created_at, 'used_at', p.used_at)
            ORDER BY p.id), '[]')
        FROM passkeys p WHERE p.user_id = %(id)s
    ),
    'wallets', (
        SELECT coalesce(jsonb_agg(to_jsonb(w) - 'user_id' ORDER BY w.created_at), '[]') FROM wallets w
        WHERE w.user_id = %(id)s
    ),
    'external_identities', (
        SELECT coalesce(jsonb_agg(to_jsonb(e) - 'user_id' ORDER BY e.created_at), '[]') FROM external_identities e
        WHERE e.user_id = %(id)s
    ),
    'records', (
        SELECT coalesce(jsonb_agg(to_jsonb(e) - 'tenant_id' ORDER BY e.id), '[]') FROM audit_events e
        WHERE names_person(e.actor, e.target, e.detail, %(id)s, %(email)s)
    )
) AS found

-- name: erase_texts
SELECT erase_texts_about(%(id)s, %(email)s) AS texts

-- name: leave_sessions
DELETE FROM session_clients c USING sessions s
WHERE c.session_id = s.id AND s.user_id = %(id)s AND s.tenant_id = %(tenant_id)s

-- name: delete_refresh_tokens
DELETE FROM refresh_tokens WHERE user_id = %(id)s AND tenant_id = %(tenant_id)s

-- name: delete_sessions
DELETE FROM sessions WHERE user_id = %(id)s AND tenant_id = %(tenant_id)s

-- name: delete_consents
DELETE FROM consents WHERE user_id = %(id)s AND tenant_id = %(tenant_id)s

-- name: delete_grants
DELETE FROM grants WHERE subject = %(id)s AND tenant_id = %(tenant_id)s

-- name: delete_delegations
DELETE FROM delegations WHERE %(id)s IN (from_user, to_user) AND tenant_id = %(tenant_id)s

-- name: delete_invitations
DELETE FROM invitations WHERE email = %(email)s AND tenant_id = %(tenant_id)s

-- name: delete_membership
DELETE FROM memberships WHERE user_id = %(id)s AND tenant_id = %(tenant_id)s

-- name: erase_account
-- The row stays, for sessions of elsewhere point to it; it says nothing any more.
UPDATE users SET email = NULL, email_verified_at = NULL, display_name = 'erased', disabled_at = now()
WHERE id = %(id)s

-- name: delete_passwords
DELETE FROM passwords WHERE user_id = %(id)s

-- name: delete_totps
DELETE FROM totps WHERE user_id = %(id)s

-- name: delete_recovery_codes
DELETE FROM recovery_codes WHERE user_id = %(id)s

-- name: delete_passkeys
DELETE FROM passkeys WHERE user_id = %(id)s

-- name: delete_wallets
DELETE FROM wallets WHERE user_id = %(id)s

-- name: delete_external_identities
DELETE FROM external_identities WHERE user_id = %(id)s

-- name: looked_to
SELECT looked_to FROM audit_retention

-- name: past_retention
-- Leaves that have a text yet, in the order of their ids.
SELECT id, tenant_id FROM audit_leaves
WHERE id > %(after)s AND id < %(until)s AND salt IS NOT NULL ORDER BY id LIMIT %(limit)s

-- name: look_on
-- Unless a hold was lifted meanwhile, or another worker has looked.
UPDATE audit_retention SET looked_to = %(id)s WHERE looked_to = %(before)s

-- name: erase_texts_of
SELECT erase_audit_texts(%(ids)s) AS texts

-- name: count_holds
SELECT count(*) AS holds FROM legal_holds WHERE lifted_at IS NULL

-- name: people_with_access
SELECT u.id, coalesce(u.email, u.display_name) AS name, m.active AND u.disabled_at IS NULL AS active, m.roles,
    ARRAY(
        SELECT g.name FROM groups g JOIN group_members gm ON gm.group_id = g.id
        WHERE gm.user_id = u.id ORDER BY g.name
    ) AS groups,
    ARRAY(
        SELECT DISTINCT r.role FROM groups g JOIN group_members gm ON gm.group_id = g.id, unnest(g.roles) AS r(role)
        WHERE gm.user_id = u.id ORDER BY r.role
    ) AS group_roles
FROM memberships m JOIN users u ON u.id = m.user_id
WHERE m.tenant_id = %(tenant_id)s ORDER BY u.id

-- name: clients_with_access
SELECT id, name, scopes, expires_at, expires_at IS NULL OR expires_at > now() AS active FROM clients WHERE tenant_id = %(tenant_id)s AND active ORDER BY id

-- name: grants_in_force
SELECT id, subject, scope, resource, expires_at, created_at FROM grants WHERE expires_at IS NULL OR expires_at > now() ORDER BY id

-- name: delegations_in_force
SELECT id, from_user, to_user, scopes, expires_at, created_at FROM delegations
WHERE revoked_at IS NULL AND expires_at > now() ORDER BY id

-- name: acted_at
-- Who acts for somebody is named first.
SELECT split_part(who, ' ', 1) AS who, max(at) AS at FROM (
    SELECT actor AS who, at FROM audit_events WHERE at > %(since)s
    UNION ALL
    SELECT signed_by, created_at FROM signatures WHERE created_at > %(since)s
) AS acts GROUP BY 1

-- name: last_review
SELECT at, actor AS by, detail ->> 'digest' AS digest FROM audit_events
WHERE action = 'access.reviewed' ORDER BY id DESC LIMIT 1

-- name: keys_of_tenant
SELECT k.id, k.name, k.alias, k.state, k.created_by, k.created_at, p.hash AS policy_hash, p.document
FROM keys k LEFT JOIN LATERAL (
    SELECT hash, document FROM key_policies
    WHERE key_id = k.id AND held_from <= now() ORDER BY number DESC LIMIT 1
) p ON true
WHERE %(after)s::uuid IS NULL OR k.id > %(after)s
ORDER BY k.id LIMIT %(limit)s

-- name: signatures_by
SELECT key_id, signed_by AS who, kind, count(*) AS count, min(created_at) AS first_at, max(created_at) AS last_at
FROM signatures WHERE key_id = ANY(%(keys)s) AND created_at >= %(since)s AND created_at < %(until)s
GROUP BY key_id, signed_by, kind ORDER BY key_id, who, kind

-- name: decisions_by
SELECT a.key_id, d.approver, d.brought_by, count(*) FILTER (WHERE d.approved) AS approved,
    count(*) FILTER (WHERE NOT d.approved) AS refused, max(d.decided_at) AS last_at
FROM approval_decisions d JOIN approvals a ON a.id = d.approval_id
WHERE a.key_id = ANY(%(keys)s) AND d.decided_at >= %(since)s AND d.decided_at < %(until)s
GROUP BY a.key_id, d.approver, d.brought_by ORDER BY a.key_id, d.approver, d.brought_by

-- name: acts_on
SELECT target::uuid AS key_id, action, actor AS who, count(*) AS count, max(at) AS last_at
FROM audit_events WHERE target = ANY(%(targets)s) AND at >= %(since)s AND at < %(until)s
GROUP BY target, action, actor ORDER BY target, max(at), action, actor

-- name: leaves_on
-- What key enclaves themselves wrote into the audit log, times by their clocks.
SELECT (leaf ->> 'key')::uuid AS key_id, leaf ->> 'act' AS act, leaf ->> 'code' AS code,
    coalesce(leaf ->> 'approvers', '[]') AS approvers, count(*) AS count,
    to_timestamp(max((leaf ->> 'unix_ms')::bigint) / 1000.0) AS last_at
FROM (
    SELECT convert_from(content, 'UTF8')::json AS leaf FROM audit_leaves
    WHERE mac IS NOT NULL AND id >= %(first)s AND id < %(end)s
) AS leaves
WHERE leaf ->> 'key' = ANY(%(targets)s)
GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
