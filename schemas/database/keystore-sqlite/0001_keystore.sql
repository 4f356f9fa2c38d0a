-- Keystore: the key of each object, wrapped by the key of its authority. Erasing an object is deleting its row.
CREATE TABLE wrapped_keys (
    object_id  BLOB    NOT NULL PRIMARY KEY CHECK (length(object_id) = 16),
    authority  BLOB    NOT NULL CHECK (length(authority) = 16),
    format     INTEGER NOT NULL DEFAULT 1,
    key_id     TEXT    NOT NULL,
    wrapped    BLOB    NOT NULL,
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX wrapped_keys_by_key ON wrapped_keys (authority, key_id);
