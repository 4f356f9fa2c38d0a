-- Where documents come from that a sender must never bring twice: a name that the sender gives a file (such as a digest
-- over folder, path and bytes). It stays when the document is erased, so that bringing it again does not bring it back.

CREATE TABLE sources (
    authority BLOB    NOT NULL REFERENCES authorities (id),
    client    TEXT    NOT NULL,
    source    BLOB    NOT NULL CHECK (length(source) = 32),
    format    INTEGER NOT NULL DEFAULT 1,
    -- No reference: it may have been erased.
    document  BLOB    NOT NULL CHECK (length(document) = 16),
    taken_at  INTEGER NOT NULL,
    PRIMARY KEY (authority, client, source)
) STRICT, WITHOUT ROWID;
