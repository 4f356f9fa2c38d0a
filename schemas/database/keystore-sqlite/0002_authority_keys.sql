-- Keys of authorities, each wrapped by a master key. The highest number of an authority wraps its new data keys
-- (`wrapped_keys.key_id` = 'a' and the number, `format` = 2); lower ones are there until they wrap nothing. Rows of
-- format 1 are under a key that was derived from the master key whose number is `key_id`; they are wrapped anew.
CREATE TABLE authority_keys (
    authority  BLOB    NOT NULL CHECK (length(authority) = 16),
    number     INTEGER NOT NULL CHECK (number >= 1),
    format     INTEGER NOT NULL DEFAULT 1,
    master_key INTEGER NOT NULL,
    wrapped    BLOB    NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (authority, number)
) STRICT, WITHOUT ROWID;
