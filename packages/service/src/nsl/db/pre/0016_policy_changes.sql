-- Policies change, by those whom they name (decision 17 in docs/adr); every one that a key ever had is kept, because
-- receipts are judged by the one that held.
ALTER TABLE keys ADD COLUMN policy_number integer NOT NULL DEFAULT 1 CHECK (policy_number > 0);
-- The one that waits, and the enclave time from which it may hold.
ALTER TABLE keys ADD COLUMN next_policy jsonb;
ALTER TABLE keys ADD COLUMN next_policy_at timestamptz;
ALTER TABLE keys ADD CONSTRAINT keys_next_policy_check CHECK ((next_policy IS NULL) = (next_policy_at IS NULL));
CREATE INDEX keys_policies_due ON keys (next_policy_at) WHERE next_policy_at IS NOT NULL;
GRANT UPDATE (policy_number, next_policy, next_policy_at) ON keys TO nsl_app;
GRANT UPDATE (policy, policy_number, next_policy, next_policy_at) ON keys TO nsl_worker;

CREATE TABLE key_policies (
    key_id uuid NOT NULL REFERENCES keys,
    number integer NOT NULL CHECK (number > 0),
    tenant_id uuid NOT NULL REFERENCES tenants,
    -- In its one encoding, whose SHA-256 (hex) is the hash.
    document text NOT NULL,
    hash text NOT NULL,
    held_from timestamptz NOT NULL,
    changed_by text NOT NULL,
    PRIMARY KEY (key_id, number)
);
CREATE INDEX key_policies_by_hash ON key_policies (key_id, hash);
CALL confine_to_tenant('key_policies');
GRANT SELECT, INSERT ON key_policies TO nsl_app, nsl_worker;

-- What a change of a key comes to, also where it is not about the policy.
ALTER TABLE key_changes ADD COLUMN act text NOT NULL;
ALTER TABLE key_changes ADD COLUMN policy text NOT NULL;
ALTER TABLE key_changes ADD COLUMN policy_hash text NOT NULL;
ALTER TABLE key_changes ADD COLUMN policy_number integer NOT NULL;
ALTER TABLE key_changes ADD COLUMN next_policy text;
ALTER TABLE key_changes ADD COLUMN next_policy_at timestamptz;
