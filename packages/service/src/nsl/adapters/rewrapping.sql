-- Everything that the key enclave has wrapped. A blob begins with its format (1 byte) and the number of its root (4).

-- name: keys
SELECT key_id, version, tenant_id, wrapped FROM key_versions
WHERE substring(wrapped FROM 1 FOR 5) <> %(latest)s ORDER BY key_id, version LIMIT %(limit)s;

-- name: replace_key
UPDATE key_versions SET wrapped = %(new)s WHERE key_id = %(key_id)s AND version = %(version)s AND wrapped = %(old)s;

-- name: key_changes
SELECT id, key_id, version, tenant_id, wrapped FROM key_changes
WHERE substring(wrapped FROM 1 FOR 5) <> %(latest)s ORDER BY key_id, version LIMIT %(limit)s;

-- name: replace_key_change
UPDATE key_changes SET wrapped = %(new)s WHERE id = %(id)s AND wrapped = %(old)s;

-- name: token_keys
SELECT kid, wrapped FROM token_keys WHERE substring(wrapped FROM 1 FOR 5) <> %(latest)s ORDER BY kid LIMIT %(limit)s;

-- name: replace_token_key
UPDATE token_keys SET wrapped = %(new)s WHERE kid = %(kid)s AND wrapped = %(old)s;

-- name: totps
SELECT user_id, secret AS wrapped FROM totps
WHERE substring(secret FROM 1 FOR 5) <> %(latest)s ORDER BY user_id LIMIT %(limit)s;

-- name: replace_totp
UPDATE totps SET secret = %(new)s WHERE user_id = %(user_id)s AND secret = %(old)s;

-- name: providers
SELECT id, client_secret AS wrapped FROM identity_providers
WHERE substring(client_secret FROM 1 FOR 5) <> %(latest)s ORDER BY id LIMIT %(limit)s;

-- name: replace_provider
UPDATE identity_providers SET client_secret = %(new)s WHERE id = %(id)s AND client_secret = %(old)s;

-- name: audit_logs
SELECT wrapped FROM audit_log WHERE substring(wrapped FROM 1 FOR 5) <> %(latest)s LIMIT %(limit)s;

-- name: replace_audit_log
UPDATE audit_log SET wrapped = %(new)s WHERE wrapped = %(old)s;

-- name: following_audit_logs
SELECT next_wrapped AS wrapped FROM audit_log WHERE substring(next_wrapped FROM 1 FOR 5) <> %(latest)s LIMIT %(limit)s;

-- name: replace_following_audit_log
UPDATE audit_log SET next_wrapped = %(new)s WHERE next_wrapped = %(old)s;

-- name: key_ledgers
SELECT key_id, tenant_id, wrapped FROM key_ledgers
WHERE substring(wrapped FROM 1 FOR 5) <> %(latest)s ORDER BY key_id LIMIT %(limit)s;

-- name: replace_key_ledger
UPDATE key_ledgers SET wrapped = %(new)s WHERE key_id = %(key_id)s AND wrapped = %(old)s;

-- name: following_key_ledgers
SELECT key_id, tenant_id, next_wrapped AS wrapped FROM key_ledgers
WHERE substring(next_wrapped FROM 1 FOR 5) <> %(latest)s ORDER BY key_id LIMIT %(limit)s;

-- name: replace_following_key_ledger
UPDATE key_ledgers SET next_wrapped = %(new)s WHERE key_id = %(key_id)s AND next_wrapped = %(old)s;

-- name: lock_writers
-- Waits for those who are writing: what they write is seen by the passes that follow.
LOCK TABLE key_versions, key_changes, token_keys, totps, identity_providers, audit_log, key_ledgers IN SHARE MODE;

-- name: take_no_older
UPDATE oldest_root SET generation = greatest(generation, %(generation)s);
