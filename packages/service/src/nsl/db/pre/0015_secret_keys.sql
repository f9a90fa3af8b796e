-- Keys that encrypt or authenticate (decision 16 in docs/adr). They have no public half: public_key tells them apart.
ALTER TABLE keys DROP CONSTRAINT keys_curve_check;
ALTER TABLE keys ADD CONSTRAINT keys_curve_check
    CHECK (curve IN ('secp256r1', 'secp256k1', 'ed25519', 'aes-256-gcm', 'hmac-sha256'));
