-- The OpenID provider: what its clients are, what they were given, and other providers that people come from.

ALTER TABLE clients
    DROP CONSTRAINT clients_auth_method_check,
    ADD CONSTRAINT clients_auth_method_check CHECK (auth_method IN (
        'client_secret_basic', 'client_secret_post', 'private_key_jwt', 'tls_client_auth', 'none'
    )),
    ADD COLUMN grant_types text[] NOT NULL DEFAULT '{client_credentials}',
    ADD COLUMN redirect_uris text[] NOT NULL DEFAULT '{}',
    ADD COLUMN post_logout_redirect_uris text[] NOT NULL DEFAULT '{}',
    ADD COLUMN backchannel_logout_uri text,
    -- JSON Web Key Set (RFC 7517): its public keys, for private_key_jwt.
    ADD COLUMN jwks jsonb,
    -- RFC 8705 section 2.1.2: the subject of the certificate that it proves itself with, RFC 4514 text.
    ADD COLUMN tls_subject_dn text,
    ADD COLUMN require_pushed_requests boolean NOT NULL DEFAULT false,
    ADD COLUMN require_dpop boolean NOT NULL DEFAULT false,
    -- A client that ends by itself: break-glass access.
    ADD COLUMN expires_at timestamptz;

DROP FUNCTION client_by_id(uuid);
CREATE FUNCTION client_by_id(wanted uuid) RETURNS SETOF clients
    LANGUAGE sql STABLE SECURITY DEFINER ROWS 1
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT c.* FROM public.clients c
    WHERE c.id = wanted AND c.active AND (c.expires_at IS NULL OR c.expires_at > now())
$$;
GRANT EXECUTE ON FUNCTION client_by_id(uuid) TO nsl_app;
GRANT UPDATE (name, scopes) ON clients TO nsl_app;

CREATE TABLE refresh_tokens (
    -- SHA-256 of the token.
    sha256 bytea PRIMARY KEY CHECK (length(sha256) = 32),
    tenant_id uuid NOT NULL REFERENCES tenants,
    family uuid NOT NULL,
    user_id uuid NOT NULL,
    client_id uuid NOT NULL,
    session_id uuid NOT NULL REFERENCES sessions,
    scopes text[] NOT NULL,
    -- What its holder must prove (RFC 9449 section 5, RFC 8705 section 4): {"jkt": …} or {"x5t#S256": …}.
    binding jsonb,
    used_at timestamptz,
    revoked_at timestamptz,
    expires_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX refresh_tokens_by_family ON refresh_tokens (family);
CREATE INDEX refresh_tokens_by_session ON refresh_tokens (session_id);
CALL confine_to_tenant('refresh_tokens');
GRANT SELECT, INSERT, UPDATE (used_at, revoked_at) ON refresh_tokens TO nsl_app;
CREATE POLICY owner_reads ON refresh_tokens FOR SELECT TO CURRENT_USER USING (true);

CREATE FUNCTION refresh_token_tenant(wanted_sha256 bytea) RETURNS uuid
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$ SELECT r.tenant_id FROM public.refresh_tokens r WHERE r.sha256 = wanted_sha256 $$;
GRANT EXECUTE ON FUNCTION refresh_token_tenant(bytea) TO nsl_app;

CREATE TABLE consents (
    tenant_id uuid NOT NULL REFERENCES tenants,
    user_id uuid NOT NULL,
    client_id uuid NOT NULL,
    scopes text[] NOT NULL,
    given_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, user_id, client_id)
);
CALL confine_to_tenant('consents');
GRANT SELECT, INSERT, UPDATE (scopes, given_at), DELETE ON consents TO nsl_app;

-- Which clients a session signed in to: they are told when it ends (OpenID Connect Back-Channel Logout).
CREATE TABLE session_clients (
    tenant_id uuid NOT NULL REFERENCES tenants,
    session_id uuid NOT NULL REFERENCES sessions,
    client_id uuid NOT NULL,
    PRIMARY KEY (session_id, client_id)
);
CALL confine_to_tenant('session_clients');
GRANT SELECT, INSERT, DELETE ON session_clients TO nsl_app;

-- Logout tokens on their way; signed when sent, for they live two minutes.
CREATE TABLE logout_notices (
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES tenants,
    client_id uuid NOT NULL,
    session_id uuid NOT NULL,
    user_id uuid NOT NULL,
    uri text NOT NULL,
    attempts integer NOT NULL DEFAULT 0,
    next_attempt_at timestamptz NOT NULL DEFAULT now()
);
CALL confine_to_tenant('logout_notices');
GRANT INSERT ON logout_notices TO nsl_app;
CREATE POLICY worker_sends ON logout_notices TO nsl_worker USING (true) WITH CHECK (true);
GRANT SELECT, UPDATE (attempts, next_attempt_at), DELETE ON logout_notices TO nsl_worker;
GRANT SELECT ON token_keys TO nsl_worker;

CREATE TABLE identity_providers (
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES tenants,
    name text NOT NULL,
    issuer text NOT NULL,
    client_id text NOT NULL,
    -- Encrypted by the enclave.
    client_secret bytea NOT NULL,
    -- What somebody becomes who signs in for the first time; empty: only people who are members already.
    roles text[] NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (tenant_id, name)
);
CALL confine_to_tenant('identity_providers');
GRANT SELECT, INSERT, DELETE ON identity_providers TO nsl_app;
CREATE POLICY owner_reads ON identity_providers FOR SELECT TO CURRENT_USER USING (true);

CREATE FUNCTION identity_provider_tenant(wanted uuid) RETURNS uuid
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$ SELECT i.tenant_id FROM public.identity_providers i WHERE i.id = wanted $$;
GRANT EXECUTE ON FUNCTION identity_provider_tenant(uuid) TO nsl_app;
