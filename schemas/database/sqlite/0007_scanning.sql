-- Virus scanning: when a document was found clean, files that wait for the scanner, infected files.

-- When the scanner found nothing in it. NULL: nobody has looked.
ALTER TABLE documents ADD COLUMN scanned_at INTEGER;

-- Files to which the scanner gave no clear answer. They are no documents, and nobody reads them, until it does.
CREATE TABLE held_files (
    -- The document it becomes.
    document      BLOB    NOT NULL PRIMARY KEY CHECK (length(document) = 16),
    authority     BLOB    NOT NULL REFERENCES authorities (id),
    format        INTEGER NOT NULL DEFAULT 1,
    object        BLOB    NOT NULL UNIQUE CHECK (length(object) = 16),
    sha256        BLOB    NOT NULL CHECK (length(sha256) = 32),
    cipher_sha256 BLOB    NOT NULL CHECK (length(cipher_sha256) = 32),
    size          INTEGER NOT NULL CHECK (size >= 0),
    -- What else the document's row will say, as JSON.
    draft         TEXT    NOT NULL,
    client        TEXT    NOT NULL,
    received_at   INTEGER NOT NULL,
    -- Since when it is durable.
    held_at       INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Files in which the scanner has found something, and who brought them. Each row goes at its time, with key and bytes.
CREATE TABLE quarantine (
    id         BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    authority  BLOB    NOT NULL REFERENCES authorities (id),
    format     INTEGER NOT NULL DEFAULT 1,
    -- NULL: the bytes are not kept; the same are there already, or there was no room for them.
    object     BLOB    UNIQUE CHECK (length(object) = 16),
    sha256     BLOB    NOT NULL CHECK (length(sha256) = 32),
    size       INTEGER NOT NULL CHECK (size >= 0),
    signature  TEXT    NOT NULL,
    client     TEXT    NOT NULL,
    request_id TEXT,
    -- The document it was to become, if its sender was told so, and whether that was for registrars only.
    document   BLOB    UNIQUE CHECK (length(document) = 16),
    restricted INTEGER NOT NULL DEFAULT 0 CHECK (restricted IN (0, 1)),
    found_at   INTEGER NOT NULL,
    until_at   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX quarantine_by_time ON quarantine (authority, found_at);
CREATE INDEX quarantine_by_digest ON quarantine (authority, sha256);
CREATE INDEX quarantine_by_until ON quarantine (until_at);
