-- Files that a sender puts into the store's staging folder without going through us.

CREATE TABLE direct_uploads (
    id         BYTEA NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    authority  BYTEA NOT NULL REFERENCES authorities (id),
    client     TEXT NOT NULL,
    format     BIGINT NOT NULL DEFAULT 1,
    -- What the sender said about the file, as JSON.
    ticket     TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    -- From then on nothing can be put any more.
    expires_at BIGINT NOT NULL,
    -- From then on the file is removed, and the row if it has no answer or is old.
    sweep_at   BIGINT NOT NULL,
    -- The answer, once the file has become a document.
    status     BIGINT,
    headers    TEXT,
    body       BYTEA,
    CHECK ((status IS NULL) = (headers IS NULL) AND (status IS NULL) = (body IS NULL))
);
CREATE INDEX direct_uploads_by_sweep ON direct_uploads (sweep_at);
