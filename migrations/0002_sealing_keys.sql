-- The key that seals reasoning for clients that keep it themselves (encrypted_content), for services
-- that have none configured: one row, made by whichever process starts first.

CREATE TABLE sealing_keys (
    only_one   boolean PRIMARY KEY DEFAULT true CHECK (only_one),
    key        bytea NOT NULL CHECK (octet_length(key) = 32),
    created_at timestamptz NOT NULL DEFAULT now()
);
