-- Retention, legal hold and erasure (decision 22 in docs/adr): the text that a leaf commits to is forgotten with its salt,
-- the leaf stays.

CREATE TABLE legal_holds (
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES tenants,
    -- The person whose texts are held; NULL: all of the tenant's.
    subject uuid,
    reason text NOT NULL,
    set_by text NOT NULL,
    set_at timestamptz NOT NULL,
    lifted_because text,
    lifted_by text,
    lifted_at timestamptz
);
CREATE INDEX legal_holds_in_force ON legal_holds (tenant_id) WHERE lifted_at IS NULL;
CALL confine_to_tenant('legal_holds');
GRANT SELECT, INSERT, UPDATE (lifted_because, lifted_by, lifted_at) ON legal_holds TO nsl_app;
CREATE POLICY owner_reads ON legal_holds FOR SELECT TO CURRENT_USER USING (true);
CREATE POLICY worker_reads ON legal_holds FOR SELECT TO nsl_worker USING (true);
GRANT SELECT ON legal_holds TO nsl_worker;

-- How far the texts that are past their time have been looked at: up to this leaf (ids are in the order of time).
CREATE TABLE audit_retention (
    one_row boolean PRIMARY KEY DEFAULT true CHECK (one_row),
    looked_to uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000'
);
INSERT INTO audit_retention DEFAULT VALUES;
GRANT SELECT, UPDATE (looked_to) ON audit_retention TO nsl_worker;

-- What a hold kept may be past its time when it is lifted: all is looked at again.
CREATE FUNCTION look_at_retention_again() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    UPDATE public.audit_retention SET looked_to = DEFAULT;
    RETURN NULL;
END
$$;
CREATE TRIGGER look_at_retention_again AFTER UPDATE OF lifted_at ON legal_holds
    FOR EACH STATEMENT EXECUTE FUNCTION look_at_retention_again();

-- Until the transaction ends nobody else sets a hold in the present tenant, or erases there.
CREATE FUNCTION lock_erasure() RETURNS void
    LANGUAGE sql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT pg_advisory_xact_lock(hashtextextended('erasure:' || public.current_tenant()::text, 0))
$$;
GRANT EXECUTE ON FUNCTION lock_erasure() TO nsl_app, nsl_worker;

-- Whether a record is about a person: by the id anywhere in it, by the address as a whole value.
CREATE FUNCTION names_person(actor text, target text, detail jsonb, person uuid, email text) RETURNS boolean
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN strpos(actor || ' ' || target || ' ' || detail::text, person::text) > 0
        OR coalesce(actor = email OR target = email OR strpos(detail::text, to_json(email)::text) > 0, false);
GRANT EXECUTE ON FUNCTION names_person(text, text, jsonb, uuid, text) TO nsl_app, nsl_worker;

-- Forget what these leaves of the present tenant commit to, but for what is held; how many there were.
CREATE FUNCTION erase_audit_texts(wanted uuid[]) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    due uuid[];
BEGIN
    PERFORM public.lock_erasure();
    SELECT array_agg(l.id) INTO due
    FROM public.audit_leaves l
    LEFT JOIN public.audit_events e ON e.id = l.id
    LEFT JOIN public.signatures s ON s.id = l.id
    WHERE l.id = ANY(wanted) AND l.tenant_id = public.current_tenant() AND l.salt IS NOT NULL
        AND NOT EXISTS (
            SELECT FROM public.legal_holds h LEFT JOIN public.users u ON u.id = h.subject
            WHERE h.tenant_id = public.current_tenant() AND h.lifted_at IS NULL AND (
                h.subject IS NULL
                OR public.names_person(e.actor, e.target, e.detail, h.subject, u.email)
                OR strpos(s.signed_by, h.subject::text) > 0
            )
        );
    UPDATE public.audit_events SET actor = 'erased', target = 'erased', detail = '{}' WHERE id = ANY(due);
    UPDATE public.signatures SET request = NULL, decoded = 'null', signed_by = 'erased' WHERE id = ANY(due);
    UPDATE public.audit_leaves SET salt = NULL WHERE id = ANY(due);
    RETURN coalesce(cardinality(due), 0);
END
$$;
GRANT EXECUTE ON FUNCTION erase_audit_texts(uuid[]) TO nsl_worker;

-- The same for what is about a person of the present tenant. The application may erase by person alone: it cannot choose
-- texts to be rid of.
CREATE FUNCTION erase_texts_about(person uuid, email text) RETURNS integer
    LANGUAGE sql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT public.erase_audit_texts(ARRAY(
        SELECT e.id FROM public.audit_events e
        WHERE e.tenant_id = public.current_tenant()
            AND public.names_person(e.actor, e.target, e.detail, person, email)
    ))
$$;
GRANT EXECUTE ON FUNCTION erase_texts_about(uuid, text) TO nsl_app;

-- Whether a tenant that the person belongs or belonged to holds what is about them.
CREATE FUNCTION person_is_held(person uuid) RETURNS boolean
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT EXISTS (
        SELECT FROM public.legal_holds h
        WHERE h.lifted_at IS NULL AND (h.subject = person OR h.subject IS NULL) AND (
            EXISTS (SELECT FROM public.memberships m WHERE m.tenant_id = h.tenant_id AND m.user_id = person)
            OR EXISTS (SELECT FROM public.sessions s WHERE s.tenant_id = h.tenant_id AND s.user_id = person)
        )
    )
$$;
GRANT EXECUTE ON FUNCTION person_is_held(uuid) TO nsl_app;
CREATE POLICY owner_reads ON memberships FOR SELECT TO CURRENT_USER USING (true);

-- What else goes with a person.
GRANT DELETE ON sessions, refresh_tokens, delegations TO nsl_app;
