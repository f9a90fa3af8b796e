-- Requests for the approval of a single signature (decision 18 in docs/adr). What counts is the approvers' signatures, which
-- the key enclave verifies; this is where they are found.
CREATE TABLE approvals (
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES tenants,
    key_id uuid NOT NULL REFERENCES keys,
    kind text NOT NULL,
    -- What is to be signed, as the enclave is asked: msgpack.
    request bytea NOT NULL,
    policy_hash text NOT NULL,
    requested_by text NOT NULL,
    requested_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    revoked_at timestamptz,
    -- Of the signature that was made by it first.
    used_at timestamptz
);
CREATE INDEX approvals_by_tenant ON approvals (tenant_id, id);
CALL confine_to_tenant('approvals');
GRANT SELECT, INSERT, UPDATE (revoked_at, used_at) ON approvals TO nsl_app;

CREATE TABLE approval_decisions (
    approval_id uuid NOT NULL REFERENCES approvals,
    approver text NOT NULL,
    tenant_id uuid NOT NULL REFERENCES tenants,
    approved boolean NOT NULL,
    signature bytea NOT NULL,
    brought_by text NOT NULL,
    decided_at timestamptz NOT NULL,
    PRIMARY KEY (approval_id, approver)
);
CALL confine_to_tenant('approval_decisions');
GRANT SELECT, INSERT ON approval_decisions TO nsl_app;
