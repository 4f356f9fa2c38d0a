-- Keys of authorities, each wrapped by a master key. The highest number of an authority wraps its new data keys
-- (`wrapped_keys.key_id` = 'a' and the number, `format` = 2); lower ones are there until they wrap nothing. Rows of
-- format 1 are under a key that was derived from the master key whose number is `key_id`; they are wrapped anew.
CREATE TABLE authority_keys (
    authority  BYTEA  NOT NULL CHECK (length(authority) = 16),
    number     BIGINT NOT NULL CHECK (number >= 1),
    format     BIGINT NOT NULL DEFAULT 1,
    master_key BIGINT NOT NULL,
    wrapped    BYTEA  NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (authority, number)
);
