-- Runs as the owner. The roles nsl_app and nsl_worker exist already: whoever runs PostgreSQL makes them, with passwords
-- of their own. Neither gets anything that a later migration does not name.

REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO nsl_app, nsl_worker;

-- A function may be called by those it is granted to, not by everyone, which is PostgreSQL's default.
ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;

-- The tenant that the present transaction works for; NULL outside of one, which equals no row's tenant.
CREATE FUNCTION current_tenant() RETURNS uuid
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN nullif(current_setting('app.current_tenant', true), '')::uuid;
GRANT EXECUTE ON FUNCTION current_tenant() TO nsl_app, nsl_worker;

-- Closes a table to all rows but the present tenant's, for its owner too. Every tenant table calls this once.
CREATE PROCEDURE confine_to_tenant(confined regclass, tenant_column name DEFAULT 'tenant_id')
    LANGUAGE plpgsql
AS $$
BEGIN
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', confined);
    EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', confined);
    EXECUTE format(
        'CREATE POLICY own_tenant ON %s USING (%I = current_tenant()) WITH CHECK (%I = current_tenant())',
        confined, tenant_column, tenant_column
    );
END
$$;
