-- People, their sessions and what they may do; what takes a token's authority away at once.

-- The person that the present transaction works for; NULL outside of one, which equals no row's person.
CREATE FUNCTION current_subject() RETURNS uuid
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN nullif(current_setting('app.current_subject', true), '')::uuid;
GRANT EXECUTE ON FUNCTION current_subject() TO nsl_app, nsl_worker;

-- Closes a table to all rows but the present person's, for its owner too.
CREATE PROCEDURE confine_to_subject(confined regclass, subject_column name DEFAULT 'user_id')
    LANGUAGE plpgsql
AS $$
BEGIN
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', confined);
    EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', confined);
    EXECUTE format(
        'CREATE POLICY own_rows ON %s USING (%I = current_subject()) WITH CHECK (%I = current_subject())',
        confined, subject_column, subject_column
    );
END
$$;

-- A suspended tenant keeps everything and may do nothing; a deleted one is suspended for good.
ALTER TABLE tenants ADD COLUMN status text NOT NULL DEFAULT 'active'
    CHECK (status IN ('active', 'suspended', 'deleted'));
GRANT UPDATE (name, status) ON tenants TO nsl_app;

-- People ---------------------------------------------------------------------------------------------------------

CREATE TABLE users (
    id uuid PRIMARY KEY,
    -- Lower case, the form in which it is compared. NULL: a person who signs in with a wallet alone.
    email text UNIQUE CHECK (email = lower(email) AND length(email) BETWEEN 3 AND 254),
    email_verified_at timestamptz,
    display_name text NOT NULL CHECK (length(display_name) BETWEEN 1 AND 200),
    disabled_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now()
);
CALL confine_to_subject('users', 'id');
GRANT SELECT, INSERT, UPDATE (email, email_verified_at, display_name, disabled_at) ON users TO nsl_app;

CREATE TABLE passwords (
    user_id uuid PRIMARY KEY REFERENCES users ON DELETE CASCADE,
    -- Argon2id in PHC string format, with its salt and costs.
    hash text NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT now()
);
CALL confine_to_subject('passwords');
GRANT SELECT, INSERT, UPDATE, DELETE ON passwords TO nsl_app;

CREATE TABLE totps (
    user_id uuid PRIMARY KEY REFERENCES users ON DELETE CASCADE,
    -- Encrypted by the enclave: a copy of the database makes no one-time passwords.
    secret bytea NOT NULL,
    confirmed_at timestamptz,
    -- The 30 second step of the last one-time password that was taken: none is taken twice (RFC 6238 section 5.2).
    last_step bigint NOT NULL DEFAULT 0
);
CALL confine_to_subject('totps');
GRANT SELECT, INSERT, UPDATE, DELETE ON totps TO nsl_app;

CREATE TABLE recovery_codes (
    user_id uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    -- SHA-256 of 80 random bits.
    code_sha256 bytea NOT NULL CHECK (length(code_sha256) = 32),
    PRIMARY KEY (user_id, code_sha256)
);
CALL confine_to_subject('recovery_codes');
GRANT SELECT, INSERT, DELETE ON recovery_codes TO nsl_app;

CREATE TABLE passkeys (
    credential_id bytea PRIMARY KEY CHECK (length(credential_id) BETWEEN 16 AND 1023),
    user_id uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    id uuid NOT NULL UNIQUE,
    name text NOT NULL,
    -- COSE_Key (RFC 9052).
    public_key bytea NOT NULL,
    sign_count bigint NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    used_at timestamptz
);
CREATE INDEX passkeys_by_user ON passkeys (user_id);
CALL confine_to_subject('passkeys');
GRANT SELECT, INSERT, UPDATE (sign_count, used_at), DELETE ON passkeys TO nsl_app;

CREATE TABLE wallets (
    chain text NOT NULL CHECK (chain IN ('neo-n3', 'neo-x')),
    address text NOT NULL,
    user_id uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (chain, address)
);
CREATE INDEX wallets_by_user ON wallets (user_id);
CALL confine_to_subject('wallets');
GRANT SELECT, INSERT, DELETE ON wallets TO nsl_app;

-- Accounts at other OpenID providers, by issuer and subject: never by an e-mail address.
CREATE TABLE external_identities (
    provider_id uuid NOT NULL,
    subject text NOT NULL,
    user_id uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (provider_id, subject)
);
CREATE INDEX external_identities_by_user ON external_identities (user_id);
CALL confine_to_subject('external_identities');
GRANT SELECT, INSERT, DELETE ON external_identities TO nsl_app;

-- What people belong to -------------------------------------------------------------------------------------------

CREATE TABLE memberships (
    tenant_id uuid NOT NULL REFERENCES tenants,
    user_id uuid NOT NULL REFERENCES users,
    roles text[] NOT NULL,
    active boolean NOT NULL DEFAULT true,
    -- The name that a provisioning client knows the person by (SCIM externalId).
    external_id text,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, user_id)
);
CREATE INDEX memberships_by_user ON memberships (user_id);
CALL confine_to_tenant('memberships');
CREATE POLICY own_memberships ON memberships FOR SELECT USING (user_id = current_subject());
GRANT SELECT, INSERT, UPDATE (roles, active, external_id), DELETE ON memberships TO nsl_app;

-- A tenant sees the people who belong to it: names and addresses, never a password or a second factor.
CREATE POLICY fellow_members ON users FOR SELECT USING (
    EXISTS (SELECT FROM memberships m WHERE m.user_id = users.id AND m.tenant_id = current_tenant())
);

CREATE TABLE roles (
    tenant_id uuid NOT NULL REFERENCES tenants,
    name text NOT NULL CHECK (name ~ '^[a-z][a-z0-9-]{1,49}$'),
    description text NOT NULL,
    scopes text[] NOT NULL,
    -- Roles whose scopes it has as well: built in ones or the tenant's own.
    inherits text[] NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, name)
);
CALL confine_to_tenant('roles');
GRANT SELECT, INSERT, UPDATE (description, scopes, inherits), DELETE ON roles TO nsl_app;

CREATE TABLE groups (
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES tenants,
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    external_id text,
    roles text[] NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (tenant_id, name),
    UNIQUE (tenant_id, id)
);
CALL confine_to_tenant('groups');
GRANT SELECT, INSERT, UPDATE (name, external_id, roles), DELETE ON groups TO nsl_app;

CREATE TABLE group_members (
    tenant_id uuid NOT NULL,
    group_id uuid NOT NULL,
    user_id uuid NOT NULL,
    PRIMARY KEY (tenant_id, group_id, user_id),
    FOREIGN KEY (tenant_id, group_id) REFERENCES groups (tenant_id, id) ON DELETE CASCADE,
    FOREIGN KEY (tenant_id, user_id) REFERENCES memberships ON DELETE CASCADE
);
CREATE INDEX group_members_by_user ON group_members (tenant_id, user_id);
CALL confine_to_tenant('group_members');
GRANT SELECT, INSERT, DELETE ON group_members TO nsl_app;

-- One scope on one thing, for a person or a client.
CREATE TABLE grants (
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES tenants,
    subject uuid NOT NULL,
    scope text NOT NULL,
    resource uuid NOT NULL,
    expires_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (tenant_id, subject, scope, resource)
);
CALL confine_to_tenant('grants');
GRANT SELECT, INSERT, DELETE ON grants TO nsl_app;

-- One person lets another act for them, for a time and within these scopes (RFC 8693).
CREATE TABLE delegations (
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES tenants,
    from_user uuid NOT NULL,
    to_user uuid NOT NULL,
    scopes text[] NOT NULL,
    expires_at timestamptz NOT NULL,
    revoked_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX delegations_by_from ON delegations (tenant_id, from_user);
CALL confine_to_tenant('delegations');
GRANT SELECT, INSERT, UPDATE (revoked_at) ON delegations TO nsl_app;

CREATE TABLE invitations (
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES tenants,
    email text NOT NULL,
    roles text[] NOT NULL,
    invited_by text NOT NULL,
    expires_at timestamptz NOT NULL,
    accepted_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now()
);
CALL confine_to_tenant('invitations');
GRANT SELECT, INSERT, UPDATE (accepted_at), DELETE ON invitations TO nsl_app;

-- One sign-in of a person, in one tenant.
CREATE TABLE sessions (
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES tenants,
    user_id uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    -- SHA-256 of the browser's cookie; NULL for a session without a browser.
    cookie_sha256 bytea UNIQUE CHECK (length(cookie_sha256) = 32),
    -- How the person proved who they are (RFC 8176), and when.
    amr text[] NOT NULL,
    authenticated_at timestamptz NOT NULL,
    address text NOT NULL,
    agent text NOT NULL,
    expires_at timestamptz NOT NULL,
    revoked_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX sessions_by_user ON sessions (user_id, id);
CALL confine_to_tenant('sessions');
-- A person sees and ends their own, in whatever tenant; none is made or moved that way.
CREATE POLICY own_sessions ON sessions FOR SELECT USING (user_id = current_subject());
CREATE POLICY own_sessions_ended ON sessions FOR UPDATE USING (user_id = current_subject())
    WITH CHECK (user_id = current_subject());
GRANT SELECT, INSERT, UPDATE (cookie_sha256, amr, authenticated_at, revoked_at) ON sessions TO nsl_app;

-- Before anybody is known: exact lookups by functions, which show one row and no list ---------------------------------

CREATE POLICY owner_reads ON users FOR SELECT TO CURRENT_USER USING (true);
CREATE POLICY owner_reads ON passkeys FOR SELECT TO CURRENT_USER USING (true);
CREATE POLICY owner_reads ON wallets FOR SELECT TO CURRENT_USER USING (true);
CREATE POLICY owner_reads ON external_identities FOR SELECT TO CURRENT_USER USING (true);
CREATE POLICY owner_reads ON sessions FOR SELECT TO CURRENT_USER USING (true);

CREATE FUNCTION user_by_email(wanted text) RETURNS uuid
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$ SELECT u.id FROM public.users u WHERE u.email = wanted $$;

CREATE FUNCTION user_by_passkey(wanted bytea) RETURNS uuid
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$ SELECT p.user_id FROM public.passkeys p WHERE p.credential_id = wanted $$;

CREATE FUNCTION user_by_wallet(wanted_chain text, wanted_address text) RETURNS uuid
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$ SELECT w.user_id FROM public.wallets w WHERE w.chain = wanted_chain AND w.address = wanted_address $$;

CREATE FUNCTION user_by_external_identity(wanted_provider uuid, wanted_subject text) RETURNS uuid
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    SELECT e.user_id FROM public.external_identities e
    WHERE e.provider_id = wanted_provider AND e.subject = wanted_subject
$$;

CREATE FUNCTION session_by_cookie(wanted_sha256 bytea) RETURNS TABLE (id uuid, tenant_id uuid, user_id uuid)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    SELECT s.id, s.tenant_id, s.user_id FROM public.sessions s
    WHERE s.cookie_sha256 = wanted_sha256 AND s.revoked_at IS NULL AND s.expires_at > now()
$$;
GRANT EXECUTE ON FUNCTION user_by_email(text), user_by_passkey(bytea), user_by_wallet(text, text),
    user_by_external_identity(uuid, text), session_by_cookie(bytea) TO nsl_app;

-- What is handed out once: links in mails, codes, challenges, requests under way. Known by their digest alone, so that a
-- copy of the database opens nothing; the application reaches one at a time, by functions.
CREATE TABLE one_time (
    sha256 bytea PRIMARY KEY CHECK (length(sha256) = 32),
    purpose text NOT NULL,
    data jsonb NOT NULL,
    expires_at timestamptz NOT NULL
);
CREATE INDEX one_time_by_expiry ON one_time (expires_at);

CREATE FUNCTION put_one_time(new_sha256 bytea, new_purpose text, new_data jsonb, seconds integer) RETURNS void
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    DELETE FROM public.one_time o WHERE o.sha256 IN (
        SELECT old.sha256 FROM public.one_time old WHERE old.expires_at < now() - interval '1 day' LIMIT 10
    );
    INSERT INTO public.one_time (sha256, purpose, data, expires_at)
    VALUES (new_sha256, new_purpose, new_data, now() + seconds * interval '1 second')
    ON CONFLICT (sha256) DO UPDATE SET data = excluded.data, expires_at = excluded.expires_at
    WHERE public.one_time.purpose = excluded.purpose;
$$;

CREATE FUNCTION look_at_one_time(wanted_sha256 bytea, wanted_purpose text) RETURNS jsonb
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    SELECT o.data FROM public.one_time o
    WHERE o.sha256 = wanted_sha256 AND o.purpose = wanted_purpose AND o.expires_at > now()
$$;

CREATE FUNCTION take_one_time(wanted_sha256 bytea, wanted_purpose text) RETURNS jsonb
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    DELETE FROM public.one_time o
    WHERE o.sha256 = wanted_sha256 AND o.purpose = wanted_purpose AND o.expires_at > now()
    RETURNING o.data
$$;
GRANT EXECUTE ON FUNCTION put_one_time(bytea, text, jsonb, integer), look_at_one_time(bytea, text),
    take_one_time(bytea, text) TO nsl_app;

-- Mail leaves by an outbox, written where it is decided; the worker sends it and deletes it.
CREATE TABLE mails (
    id uuid PRIMARY KEY,
    recipient text NOT NULL,
    subject text NOT NULL,
    body text NOT NULL,
    attempts integer NOT NULL DEFAULT 0,
    next_attempt_at timestamptz NOT NULL DEFAULT now(),
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX mails_by_next_attempt ON mails (next_attempt_at);
GRANT INSERT ON mails TO nsl_app;
GRANT SELECT, UPDATE (attempts, next_attempt_at), DELETE ON mails TO nsl_worker;

-- What ends authority at once ---------------------------------------------------------------------------------------

-- Numbered in the order of commits: whoever has seen number n has seen all below it.
CREATE TABLE revocations (
    generation bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- kind:id, such as session:UUID; what is remembered about it is to be asked again.
    target text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
GRANT SELECT ON revocations TO nsl_app;

CREATE FUNCTION revoke_at_once(targets text[]) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    made bigint;
BEGIN
    -- Held until the commit, so that numbers become visible in their order: the first 8 bytes of "nsl-rvk".
    PERFORM pg_advisory_xact_lock(7958823908976321914);
    DELETE FROM public.revocations r WHERE r.created_at < now() - interval '1 day';
    INSERT INTO public.revocations (target) SELECT unnest(targets);
    SELECT max(r.generation) INTO made FROM public.revocations r;
    RETURN made;
END
$$;
GRANT EXECUTE ON FUNCTION revoke_at_once(text[]) TO nsl_app;

-- Access tokens that were revoked themselves (RFC 7009), until they would have expired.
CREATE TABLE revoked_tokens (
    jti text PRIMARY KEY CHECK (length(jti) BETWEEN 1 AND 64),
    tenant_id uuid NOT NULL REFERENCES tenants,
    expires_at timestamptz NOT NULL
);
CALL confine_to_tenant('revoked_tokens');
GRANT SELECT, INSERT ON revoked_tokens TO nsl_app;

ALTER TABLE token_keys ADD COLUMN withdrawn_at timestamptz;
GRANT UPDATE (withdrawn_at) ON token_keys TO nsl_app;

-- What happened, for those who must know: written with what it tells of, never changed.
CREATE TABLE audit_events (
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES tenants,
    at timestamptz NOT NULL DEFAULT now(),
    action text NOT NULL,
    actor text NOT NULL,
    target text NOT NULL,
    detail jsonb NOT NULL
);
CREATE INDEX audit_events_by_tenant ON audit_events (tenant_id, id);
CALL confine_to_tenant('audit_events');
GRANT SELECT, INSERT ON audit_events TO nsl_app;
