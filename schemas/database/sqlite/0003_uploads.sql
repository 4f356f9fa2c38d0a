-- Uploads in progress (tus). Their bytes lie in the vault as pieces; the first piece has a data key of its own, the
-- others are sealed beside it, so that an upload is erased by one key.

CREATE TABLE uploads (
    id            BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    authority     BLOB    NOT NULL REFERENCES authorities (id),
    -- Who began it, and as what: the sender of the document it becomes.
    client        TEXT    NOT NULL,
    role          TEXT    NOT NULL,
    format        INTEGER NOT NULL DEFAULT 1,
    -- Bytes that were announced, and bytes of pieces that are durable.
    size          INTEGER NOT NULL CHECK (size > 0),
    received      INTEGER NOT NULL DEFAULT 0 CHECK (received BETWEEN 0 AND size),
    piece_count   INTEGER NOT NULL DEFAULT 0 CHECK (piece_count >= 0),
    -- Requests in a row that brought no bytes.
    empty_patches INTEGER NOT NULL DEFAULT 0 CHECK (empty_patches >= 0),
    -- As sent (Upload-Metadata), and the announced digests as JSON; both emptied when it has become a document.
    metadata      TEXT    NOT NULL,
    digests       TEXT    NOT NULL,
    created_at    INTEGER NOT NULL,
    expires_at    INTEGER NOT NULL,
    -- The document it has become. No reference: the document may be erased while this is remembered.
    document      BLOB    CHECK (length(document) = 16)
) STRICT, WITHOUT ROWID;
CREATE INDEX uploads_open ON uploads (authority, client) WHERE document IS NULL;
CREATE INDEX uploads_by_expiry ON uploads (expires_at);

CREATE TABLE upload_pieces (
    upload BLOB    NOT NULL REFERENCES uploads (id),
    -- Counted from 0.
    number INTEGER NOT NULL CHECK (number >= 0),
    object BLOB    NOT NULL CHECK (length(object) = 16),
    size   INTEGER NOT NULL CHECK (size > 0),
    PRIMARY KEY (upload, number)
) STRICT, WITHOUT ROWID;
CREATE INDEX upload_pieces_by_object ON upload_pieces (object);
