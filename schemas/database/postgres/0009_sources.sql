-- Where documents come from that a sender must never bring twice: a name that the sender gives a file (such as a digest
-- over folder, path and bytes). It stays when the document is erased, so that bringing it again does not bring it back.

CREATE TABLE sources (
    authority BYTEA   NOT NULL REFERENCES authorities (id),
    client    TEXT    NOT NULL,
    source    BYTEA   NOT NULL CHECK (length(source) = 32),
    format    BIGINT  NOT NULL DEFAULT 1,
    -- No reference: it may have been erased.
    document  BYTEA   NOT NULL CHECK (length(document) = 16),
    taken_at  BIGINT  NOT NULL,
    PRIMARY KEY (authority, client, source)
);
