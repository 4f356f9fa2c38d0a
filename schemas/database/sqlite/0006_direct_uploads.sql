-- Files that a sender puts into the store's staging folder without going through us.

CREATE TABLE direct_uploads (
    id         BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    authority  BLOB NOT NULL REFERENCES authorities (id),
    client     TEXT NOT NULL,
    format     INTEGER NOT NULL DEFAULT 1,
    -- What the sender said about the file, as JSON.
    ticket     TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    -- From then on nothing can be put any more.
    expires_at INTEGER NOT NULL,
    -- From then on the file is removed, and the row if it has no answer or is old.
    sweep_at   INTEGER NOT NULL,
    -- The answer, once the file has become a document.
    status     INTEGER,
    headers    TEXT,
    body       BLOB,
    CHECK ((status IS NULL) = (headers IS NULL) AND (status IS NULL) = (body IS NULL))
) STRICT, WITHOUT ROWID;
CREATE INDEX direct_uploads_by_sweep ON direct_uploads (sweep_at);
