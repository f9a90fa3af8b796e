-- Who may call: tenants, their clients, and the keys that sign access tokens.

CREATE TABLE tenants (
    id uuid PRIMARY KEY,
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    -- The tenant of the platform's administrators: the first one, made by `nsl admin bootstrap`.
    platform boolean NOT NULL DEFAULT false,
    requests_per_minute integer NOT NULL CHECK (requests_per_minute > 0),
    key_requests_per_minute integer NOT NULL CHECK (key_requests_per_minute > 0),
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX tenants_one_platform ON tenants (platform) WHERE platform;
CALL confine_to_tenant('tenants', 'id');
GRANT SELECT, UPDATE (requests_per_minute, key_requests_per_minute) ON tenants TO nsl_app;
-- Not the column `platform`: the application cannot make a platform tenant.
GRANT INSERT (id, name, requests_per_minute, key_requests_per_minute) ON tenants TO nsl_app;

CREATE TABLE clients (
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES tenants,
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    -- SHA-256 of 256 random bits: a slow hash protects guessable secrets, and this one is not.
    secret_sha256 bytea NOT NULL CHECK (length(secret_sha256) = 32),
    scopes text[] NOT NULL,
    -- How it sends its secret to the token endpoint; NULL: either way.
    auth_method text CHECK (auth_method IN ('client_secret_basic', 'client_secret_post')),
    -- NULL: the tenant's plan.
    requests_per_minute integer CHECK (requests_per_minute > 0),
    key_requests_per_minute integer CHECK (key_requests_per_minute > 0),
    active boolean NOT NULL DEFAULT true,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX clients_by_tenant ON clients (tenant_id, id);
CALL confine_to_tenant('clients');
GRANT SELECT, INSERT, UPDATE (requests_per_minute, key_requests_per_minute, active) ON clients TO nsl_app;

-- The owner reads across tenants, for the two functions below, which are all that the application can reach through it.
CREATE POLICY owner_reads ON tenants FOR SELECT TO CURRENT_USER USING (true);
CREATE POLICY owner_reads ON clients FOR SELECT TO CURRENT_USER USING (true);

-- One client by its exact id: a token is asked for before its tenant is known. No list, no pattern, no other column.
CREATE FUNCTION client_by_id(wanted uuid)
    RETURNS TABLE (id uuid, tenant_id uuid, secret_sha256 bytea, scopes text[], auth_method text)
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT c.id, c.tenant_id, c.secret_sha256, c.scopes, c.auth_method
    FROM public.clients c
    WHERE c.id = wanted AND c.active
$$;
GRANT EXECUTE ON FUNCTION client_by_id(uuid) TO nsl_app;

-- Whether the present transaction works for the platform's own tenant, whose administrators see the list of tenants.
CREATE FUNCTION current_tenant_is_platform() RETURNS boolean
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT EXISTS (SELECT FROM public.tenants t WHERE t.id = public.current_tenant() AND t.platform)
$$;
GRANT EXECUTE ON FUNCTION current_tenant_is_platform() TO nsl_app;
CREATE POLICY platform_reads ON tenants FOR SELECT TO nsl_app USING ((SELECT current_tenant_is_platform()));

-- Keys that sign access tokens, wrapped by the enclave. They belong to no tenant.
CREATE TABLE token_keys (
    kid text PRIMARY KEY,
    public_key bytea NOT NULL,
    wrapped bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
GRANT SELECT, INSERT ON token_keys TO nsl_app;

-- The first answer to a POST with an Idempotency-Key, given again to the same request for seven days.
CREATE TABLE idempotent_answers (
    tenant_id uuid NOT NULL REFERENCES tenants,
    key text NOT NULL CHECK (length(key) BETWEEN 1 AND 255),
    request_sha256 bytea NOT NULL CHECK (length(request_sha256) = 32),
    answer bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, key)
);
CREATE INDEX idempotent_answers_by_age ON idempotent_answers (tenant_id, created_at);
CALL confine_to_tenant('idempotent_answers');
GRANT SELECT, INSERT, DELETE ON idempotent_answers TO nsl_app;
