-- Erasures: what was decided, and how far it has come. Nothing in it says anything of persons but who decided.

CREATE TABLE erasures (
    document    BLOB    NOT NULL PRIMARY KEY CHECK (length(document) = 16),
    authority   BLOB    NOT NULL REFERENCES authorities (id),
    format      INTEGER NOT NULL DEFAULT 1,
    -- Why: one of few words, and the provision that permits it.
    reason      TEXT    NOT NULL,
    provision   TEXT    NOT NULL,
    erased_at   INTEGER NOT NULL,
    erased_by   TEXT    NOT NULL,
    -- Whether the document existed for registrars only.
    restricted  INTEGER NOT NULL CHECK (restricted IN (0, 1)),
    -- What has to go with it: the object of its bytes and its key, the object of its text. NULL: others use it.
    object      BLOB    CHECK (length(object) = 16),
    text_object BLOB    CHECK (length(text_object) = 16),
    -- The change that tells the index.
    index_seq   INTEGER NOT NULL,
    -- When each step was done: the key gone, the bytes gone, nothing left in the index, nothing left in the pages of
    -- the database.
    keys_at     INTEGER,
    objects_at  INTEGER,
    index_at    INTEGER,
    pages_at    INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX erasures_open ON erasures (erased_at) WHERE pages_at IS NULL;

-- Whether anything else uses an object is asked when a document is erased.
CREATE INDEX certificates_by_object ON certificates (object) WHERE object IS NOT NULL;
