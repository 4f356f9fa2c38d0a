-- Who may see a document, what forbids to erase it, and which changes the search must not wait for.

-- Seals a document has from its register entry (§§ 63, 64 PStG), beside the levels set for it alone in `restriction`.
ALTER TABLE documents ADD COLUMN seals TEXT NOT NULL DEFAULT '';

-- 1: whoever sees no restricted documents must not find it from now on; 2: nobody must. 0: nothing is hidden.
ALTER TABLE index_changes ADD COLUMN hides INTEGER NOT NULL DEFAULT 0 CHECK (hides IN (0, 1, 2));
CREATE INDEX index_changes_hiding ON index_changes (authority, seq) WHERE hides > 0;

UPDATE documents SET seals = COALESCE(
    (SELECT REPLACE(GROUP_CONCAT(DISTINCT kind), ',', ' ') FROM entry_locks
     WHERE entry_locks.authority = documents.authority AND valid_to IS NULL
       AND kind IN ('adoption', 'geschlechtseintrag-und-vornamen', 'sperrvermerk')
       AND register || '/' || office || '/' || year || '/' || number = documents.entry), '')
WHERE entry IS NOT NULL;
INSERT INTO index_changes (document, authority, at, hides)
SELECT id, authority, stored_at, 1 FROM documents WHERE seals <> '';

-- A hold forbids to erase a document until it is lifted; there may be several.
CREATE TABLE document_holds (
    id        BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    document  BLOB    NOT NULL REFERENCES documents (id),
    authority BLOB    NOT NULL REFERENCES authorities (id),
    format    INTEGER NOT NULL DEFAULT 1,
    reason    TEXT    NOT NULL,
    placed_at INTEGER NOT NULL,
    placed_by TEXT    NOT NULL,
    lifted_at INTEGER,
    lifted_by TEXT,
    CHECK ((lifted_at IS NULL) = (lifted_by IS NULL))
) STRICT, WITHOUT ROWID;
CREATE INDEX document_holds_by_document ON document_holds (document);
