-- Where a key was made, and whom it may be exported to. The key enclave has both sealed inside the wrapped key and goes by
-- that; what stands here is for those who look.
ALTER TABLE keys ADD COLUMN origin text NOT NULL DEFAULT 'generated' CHECK (origin IN ('generated', 'imported'));
-- X25519 public keys, fixed when the key is made.
ALTER TABLE keys ADD COLUMN export_recipients bytea[] NOT NULL DEFAULT '{}'
    CHECK (cardinality(export_recipients) <= 8);
