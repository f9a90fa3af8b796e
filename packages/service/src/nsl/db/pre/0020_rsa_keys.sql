ALTER TABLE keys DROP CONSTRAINT keys_curve_check;
ALTER TABLE keys ADD CONSTRAINT keys_curve_check
    CHECK (curve IN ('secp256r1', 'secp256k1', 'ed25519', 'rsa-3072', 'aes-256-gcm', 'hmac-sha256'));
ALTER TABLE key_versions DROP CONSTRAINT key_versions_public_key_check;
ALTER TABLE key_versions ADD CONSTRAINT key_versions_public_key_check CHECK (length(public_key) IN (32, 33, 422));
