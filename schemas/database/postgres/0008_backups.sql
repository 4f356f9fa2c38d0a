-- Backups of this database that can be opened: each is sealed under a key of its own, which the keystore has under `id`
-- until `expires_at`. From then on nobody opens it, whoever has a copy.
CREATE TABLE backups (
    id         BYTEA NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    format     BIGINT NOT NULL DEFAULT 1,
    taken_at   BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);

-- Since when these rows are a restored backup of which it is not known whether the log went further: nothing is signed.
ALTER TABLE log_state ADD COLUMN restored_at BIGINT;
