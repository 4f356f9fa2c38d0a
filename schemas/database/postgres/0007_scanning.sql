-- Virus scanning: when a document was found clean, files that wait for the scanner, infected files.

-- When the scanner found nothing in it. NULL: nobody has looked.
ALTER TABLE documents ADD COLUMN scanned_at BIGINT;

-- Files to which the scanner gave no clear answer. They are no documents, and nobody reads them, until it does.
CREATE TABLE held_files (
    -- The document it becomes.
    document      BYTEA   NOT NULL PRIMARY KEY CHECK (length(document) = 16),
    authority     BYTEA   NOT NULL REFERENCES authorities (id),
    format        BIGINT  NOT NULL DEFAULT 1,
    object        BYTEA   NOT NULL UNIQUE CHECK (length(object) = 16),
    sha256        BYTEA   NOT NULL CHECK (length(sha256) = 32),
    cipher_sha256 BYTEA   NOT NULL CHECK (length(cipher_sha256) = 32),
    size          BIGINT  NOT NULL CHECK (size >= 0),
    -- What else the document's row will say, as JSON.
    draft         TEXT    NOT NULL,
    client        TEXT    NOT NULL,
    received_at   BIGINT  NOT NULL,
    -- Since when it is durable.
    held_at       BIGINT  NOT NULL
);

-- Files in which the scanner has found something, and who brought them. Each row goes at its time, with key and bytes.
CREATE TABLE quarantine (
    id         BYTEA   NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    authority  BYTEA   NOT NULL REFERENCES authorities (id),
    format     BIGINT  NOT NULL DEFAULT 1,
    -- NULL: the bytes are not kept; the same are there already, or there was no room for them.
    object     BYTEA   UNIQUE CHECK (length(object) = 16),
    sha256     BYTEA   NOT NULL CHECK (length(sha256) = 32),
    size       BIGINT  NOT NULL CHECK (size >= 0),
    signature  TEXT    NOT NULL,
    client     TEXT    NOT NULL,
    request_id TEXT,
    -- The document it was to become, if its sender was told so, and whether that was for registrars only.
    document   BYTEA   UNIQUE CHECK (length(document) = 16),
    restricted BIGINT  NOT NULL DEFAULT 0 CHECK (restricted IN (0, 1)),
    found_at   BIGINT  NOT NULL,
    until_at   BIGINT  NOT NULL
);
CREATE INDEX quarantine_by_time ON quarantine (authority, found_at);
CREATE INDEX quarantine_by_digest ON quarantine (authority, sha256);
CREATE INDEX quarantine_by_until ON quarantine (until_at);
