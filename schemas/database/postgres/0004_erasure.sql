-- Erasures: what was decided, and how far it has come. Nothing in it says anything of persons but who decided.

CREATE TABLE erasures (
    document    BYTEA   NOT NULL PRIMARY KEY CHECK (length(document) = 16),
    authority   BYTEA   NOT NULL REFERENCES authorities (id),
    format      BIGINT  NOT NULL DEFAULT 1,
    -- Why: one of few words, and the provision that permits it.
    reason      TEXT    NOT NULL,
    provision   TEXT    NOT NULL,
    erased_at   BIGINT  NOT NULL,
    erased_by   TEXT    NOT NULL,
    -- Whether the document existed for registrars only.
    restricted  BIGINT  NOT NULL CHECK (restricted IN (0, 1)),
    -- What has to go with it: the object of its bytes and its key, the object of its text. NULL: others use it.
    object      BYTEA   CHECK (length(object) = 16),
    text_object BYTEA   CHECK (length(text_object) = 16),
    -- The change that tells the index.
    index_seq   BIGINT  NOT NULL,
    -- When each step was done: the key gone, the bytes gone, nothing left in the index, nothing left in the pages of
    -- the database.
    keys_at     BIGINT ,
    objects_at  BIGINT ,
    index_at    BIGINT ,
    pages_at    BIGINT 
);
CREATE INDEX erasures_open ON erasures (erased_at) WHERE pages_at IS NULL;

-- Whether anything else uses an object is asked when a document is erased.
CREATE INDEX certificates_by_object ON certificates (object) WHERE object IS NOT NULL;
