-- The whole first schema. Instants are microseconds since 1970 UTC, identifiers 16 random bytes, JSON is text,
-- truth is 0 or 1. The same tables, columns and names of constraints are in ../postgres. Each table with a stored
-- form of its own carries its version in `format`.

-- ---------------------------------------------------------------- authorities

CREATE TABLE authorities (
    id         BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    -- A demo or test authority: everything it issues is a specimen, for ever.
    specimen   INTEGER NOT NULL CHECK (specimen IN (0, 1)),
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What an authority was from `valid_from` (inclusive) to `valid_to` (exclusive, NULL: until further notice).
CREATE TABLE authority_versions (
    authority  BLOB    NOT NULL REFERENCES authorities (id),
    valid_from INTEGER NOT NULL,
    valid_to   INTEGER CHECK (valid_to > valid_from),
    name       TEXT    NOT NULL CHECK (length(name) > 0),
    format     INTEGER NOT NULL DEFAULT 1,
    details    TEXT    NOT NULL,
    PRIMARY KEY (authority, valid_from)
) STRICT, WITHOUT ROWID;

-- An office (Standesamt number, eight digits) of an authority, dated alike.
CREATE TABLE offices (
    authority  BLOB    NOT NULL REFERENCES authorities (id),
    number     TEXT    NOT NULL CHECK (length(number) > 0),
    valid_from INTEGER NOT NULL,
    valid_to   INTEGER CHECK (valid_to > valid_from),
    name       TEXT    NOT NULL CHECK (length(name) > 0),
    format     INTEGER NOT NULL DEFAULT 1,
    details    TEXT    NOT NULL,
    PRIMARY KEY (authority, number, valid_from)
) STRICT, WITHOUT ROWID;

-- ---------------------------------------------------------------- evidence

-- An encrypted object on the store. The same bytes are kept once in an authority, never across authorities.
CREATE TABLE objects (
    id            BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    authority     BLOB    NOT NULL REFERENCES authorities (id),
    sha256        BLOB    NOT NULL CHECK (length(sha256) = 32),
    cipher_sha256 BLOB    NOT NULL CHECK (length(cipher_sha256) = 32),
    size          INTEGER NOT NULL CHECK (size >= 0),
    format        INTEGER NOT NULL,
    created_at    INTEGER NOT NULL,
    UNIQUE (authority, sha256)
) STRICT, WITHOUT ROWID;

CREATE TABLE documents (
    id           BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    authority    BLOB    NOT NULL REFERENCES authorities (id),
    object       BLOB    NOT NULL REFERENCES objects (id),
    media_type   TEXT    NOT NULL,
    file_name    TEXT,
    title        TEXT,
    kind         TEXT,
    reference    TEXT,
    doc_date     TEXT,
    -- The Sammelakte and the register entry it belongs to, as text.
    file         TEXT,
    entry        TEXT,
    -- Levels A to D and T of PStV § 14, and seals of the entry; empty: none.
    restriction  TEXT    NOT NULL DEFAULT '',
    received_at  INTEGER NOT NULL,
    received_by  TEXT    NOT NULL,
    -- When each state was reached.
    stored_at    INTEGER NOT NULL,
    extracted_at INTEGER,
    pages        INTEGER CHECK (pages >= 0),
    words        INTEGER CHECK (words >= 0),
    -- The text, sealed under the key of `object`; never shared between documents, so no row of `objects`.
    text_object  BLOB    CHECK (length(text_object) = 16),
    indexed_at   INTEGER,
    -- Why a step failed for good, and when.
    flag         TEXT,
    flag_at      INTEGER,
    CHECK ((flag IS NULL) = (flag_at IS NULL))
) STRICT, WITHOUT ROWID;
CREATE INDEX documents_by_authority ON documents (authority, received_at);
CREATE INDEX documents_by_object ON documents (object);
CREATE INDEX documents_by_text_object ON documents (text_object) WHERE text_object IS NOT NULL;
CREATE INDEX documents_by_file ON documents (authority, file) WHERE file IS NOT NULL;
CREATE INDEX documents_by_entry ON documents (authority, entry) WHERE entry IS NOT NULL;

-- What the search index has to take over, in order. `seq` is in the index's commit payload. Written and read under
-- `Tx::join_order` and `Tx::settle_order`: on PostgreSQL a lower number may otherwise become visible later.
CREATE TABLE index_changes (
    seq       INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    document  BLOB    NOT NULL CHECK (length(document) = 16),
    authority BLOB    NOT NULL CHECK (length(authority) = 16),
    at        INTEGER NOT NULL
) STRICT;

-- ---------------------------------------------------------------- background work, audit, idempotency

CREATE TABLE jobs (
    id          BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    authority   BLOB    NOT NULL CHECK (length(authority) = 16),
    kind        TEXT    NOT NULL,
    -- At most one job of a kind has this key.
    unique_key  TEXT,
    format      INTEGER NOT NULL DEFAULT 1,
    payload     TEXT    NOT NULL,
    created_at  INTEGER NOT NULL,
    -- When it may be claimed. A claim moves it to the end of its lease: then the next one may.
    due_at      INTEGER NOT NULL,
    attempts    INTEGER NOT NULL DEFAULT 0 CHECK (attempts >= 0),
    -- Who works on it: another value with each claim.
    lease       BLOB    CHECK (length(lease) = 16),
    last_error  TEXT,
    poisoned_at INTEGER,
    CONSTRAINT jobs_unique_key UNIQUE (kind, unique_key)
) STRICT, WITHOUT ROWID;
CREATE INDEX jobs_due ON jobs (kind, authority, due_at, id) WHERE poisoned_at IS NULL;
CREATE INDEX jobs_poisoned ON jobs (poisoned_at) WHERE poisoned_at IS NOT NULL;

-- Whose turn it is: the authority that waited longest comes next.
CREATE TABLE job_turns (
    kind      TEXT    NOT NULL,
    authority BLOB    NOT NULL CHECK (length(authority) = 16),
    turn      INTEGER NOT NULL,
    PRIMARY KEY (kind, authority)
) STRICT, WITHOUT ROWID;

CREATE TABLE audit (
    seq          INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    format       INTEGER NOT NULL DEFAULT 1,
    at           INTEGER NOT NULL,
    authority    BLOB    CHECK (length(authority) = 16),
    actor        TEXT    NOT NULL,
    role         TEXT    NOT NULL,
    action       TEXT    NOT NULL,
    subject_kind TEXT    NOT NULL,
    subject_id   TEXT    NOT NULL,
    request_id   TEXT,
    -- SHA-256 over salt and personal part: the chain still verifies when the part has been erased.
    commitment   BLOB    CHECK (length(commitment) = 32),
    -- Set by the chainer.
    chain        BLOB    CHECK (length(chain) = 32)
) STRICT;
CREATE INDEX audit_by_subject ON audit (authority, subject_kind, subject_id);
CREATE INDEX audit_by_time ON audit (authority, at);

-- What the act with this commitment says of persons, until its term.
CREATE TABLE audit_personal (
    commitment BLOB    NOT NULL PRIMARY KEY CHECK (length(commitment) = 32),
    authority  BLOB    CHECK (length(authority) = 16),
    at         INTEGER NOT NULL,
    salt       BLOB    NOT NULL CHECK (length(salt) = 32),
    personal   TEXT    NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX audit_personal_by_time ON audit_personal (authority, at);

CREATE TABLE idempotency (
    authority   BLOB    NOT NULL CHECK (length(authority) = 16),
    client      TEXT    NOT NULL,
    route       TEXT    NOT NULL,
    key         TEXT    NOT NULL,
    fingerprint BLOB    NOT NULL CHECK (length(fingerprint) = 32),
    claimed_at  INTEGER NOT NULL,
    expires_at  INTEGER NOT NULL,
    lease       BLOB    NOT NULL CHECK (length(lease) = 16),
    lease_until INTEGER NOT NULL,
    -- The answer, once there is one.
    format      INTEGER NOT NULL DEFAULT 1,
    status      INTEGER,
    headers     TEXT,
    body        BLOB,
    PRIMARY KEY (authority, client, route, key),
    CHECK ((status IS NULL) = (headers IS NULL) AND (status IS NULL) = (body IS NULL))
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_by_expiry ON idempotency (expires_at);

-- ---------------------------------------------------------------- register entries (dated copies)

-- Append-only: each row is one part (main entry, subsequent entry, note) as the register sent it.
CREATE TABLE entries (
    seq         INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    authority   BLOB    NOT NULL REFERENCES authorities (id),
    register    TEXT    NOT NULL CHECK (register IN ('G', 'E', 'L', 'S')),
    office      TEXT    NOT NULL,
    year        INTEGER NOT NULL,
    -- As the register writes it: `815`, `815-1`.
    number      TEXT    NOT NULL,
    version     INTEGER NOT NULL CHECK (version >= 1),
    part        TEXT    NOT NULL CHECK (part IN ('main', 'subsequent', 'note')),
    as_of       INTEGER NOT NULL,
    source      TEXT    NOT NULL,
    received_at INTEGER NOT NULL,
    received_by TEXT    NOT NULL,
    format      INTEGER NOT NULL,
    payload     TEXT    NOT NULL,
    CONSTRAINT entries_version UNIQUE (authority, register, office, year, number, version)
) STRICT;

-- Sperrvermerk, Stilllegung and what else is kept outside the entry.
CREATE TABLE entry_locks (
    id          BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    authority   BLOB    NOT NULL REFERENCES authorities (id),
    register    TEXT    NOT NULL CHECK (register IN ('G', 'E', 'L', 'S')),
    office      TEXT    NOT NULL,
    year        INTEGER NOT NULL,
    number      TEXT    NOT NULL,
    kind        TEXT    NOT NULL,
    valid_from  INTEGER NOT NULL,
    valid_to    INTEGER,
    details     TEXT    NOT NULL DEFAULT '{}',
    recorded_at INTEGER NOT NULL,
    recorded_by TEXT    NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX entry_locks_by_entry ON entry_locks (authority, register, office, year, number);

-- ---------------------------------------------------------------- orders and certificates

CREATE TABLE orders (
    id           BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    authority    BLOB    NOT NULL REFERENCES authorities (id),
    register     TEXT    NOT NULL CHECK (register IN ('G', 'E', 'L', 'S')),
    office       TEXT    NOT NULL,
    year         INTEGER NOT NULL,
    number       TEXT    NOT NULL,
    kind         TEXT    NOT NULL,
    medium       TEXT    NOT NULL CHECK (medium IN ('paper', 'electronic')),
    state        TEXT    NOT NULL,
    state_at     INTEGER NOT NULL,
    -- The rule that forbids it, with its paragraph, once it is refused.
    refusal      TEXT,
    format       INTEGER NOT NULL,
    -- What is omitted, purpose, applicant.
    request      TEXT    NOT NULL,
    business_key TEXT,
    ordered_at   INTEGER NOT NULL,
    ordered_by   TEXT    NOT NULL,
    released_at  INTEGER,
    released_by  TEXT,
    -- Whose right to the certificate was found, and on what (§ 62).
    entitlement  TEXT,
    -- Who sent it, and what it called it: the same again gives the same answer, for ever.
    client          TEXT NOT NULL,
    idempotency_key TEXT,
    fingerprint     BLOB  CHECK (length(fingerprint) = 32),
    CHECK ((released_at IS NULL) = (released_by IS NULL)),
    CHECK ((idempotency_key IS NULL) = (fingerprint IS NULL)),
    CONSTRAINT orders_idempotency UNIQUE (authority, client, idempotency_key)
) STRICT, WITHOUT ROWID;
CREATE INDEX orders_by_state ON orders (authority, state, state_at);
CREATE INDEX orders_by_entry ON orders (authority, register, office, year, number);
CREATE INDEX orders_by_business_key ON orders (authority, business_key) WHERE business_key IS NOT NULL;

CREATE TABLE certificates (
    id                BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    authority         BLOB    NOT NULL REFERENCES authorities (id),
    order_id          BLOB    NOT NULL UNIQUE REFERENCES orders (id),
    -- The verification number, printed and public.
    number            BLOB    NOT NULL UNIQUE CHECK (length(number) = 16),
    journal_no        INTEGER NOT NULL CHECK (journal_no >= 1),
    -- Everything printed, as one row: composing it again gives the same bytes.
    format            INTEGER NOT NULL,
    request           TEXT    NOT NULL,
    salt              BLOB    NOT NULL CHECK (length(salt) = 32),
    status_list       INTEGER NOT NULL DEFAULT 0,
    status_index      INTEGER NOT NULL CHECK (status_index >= 0),
    issued_at         INTEGER NOT NULL,
    -- The last step that is durable: fixed, sealed, logged, stored.
    step              TEXT    NOT NULL CHECK (step IN ('fixed', 'sealed', 'logged', 'stored')),
    step_at           INTEGER NOT NULL,
    -- Who signs, as what, and the time the signature claims.
    statement         TEXT    NOT NULL,
    signature         BLOB,
    byte_range_digest BLOB    CHECK (length(byte_range_digest) = 32),
    seal_digest       BLOB    UNIQUE CHECK (length(seal_digest) = 32),
    log_index         INTEGER UNIQUE,
    proof             TEXT,
    object            BLOB    REFERENCES objects (id),
    sha256            BLOB    UNIQUE CHECK (length(sha256) = 32),
    revision          INTEGER NOT NULL DEFAULT 0 CHECK (revision >= 0),
    revoked_at        INTEGER,
    revoked_by        TEXT,
    revoked_reason    TEXT,
    CONSTRAINT certificates_journal_no UNIQUE (authority, journal_no),
    CONSTRAINT certificates_status UNIQUE (status_list, status_index)
) STRICT, WITHOUT ROWID;
CREATE INDEX certificates_by_step ON certificates (step, step_at);

-- The last number of each authority's issue journal: a row, not a sequence, so that numbers have no gaps.
CREATE TABLE journal_counters (
    authority BLOB    NOT NULL PRIMARY KEY REFERENCES authorities (id),
    last      INTEGER NOT NULL CHECK (last >= 0)
) STRICT, WITHOUT ROWID;

-- The issue journal: what was issued, printed, spoiled.
CREATE TABLE journal (
    authority   BLOB    NOT NULL REFERENCES authorities (id),
    number      INTEGER NOT NULL CHECK (number >= 1),
    kind        TEXT    NOT NULL,
    certificate BLOB    CHECK (length(certificate) = 16),
    at          INTEGER NOT NULL,
    by_whom     TEXT    NOT NULL,
    details     TEXT    NOT NULL DEFAULT '{}',
    PRIMARY KEY (authority, number)
) STRICT, WITHOUT ROWID;
CREATE INDEX journal_by_certificate ON journal (certificate) WHERE certificate IS NOT NULL;

-- ---------------------------------------------------------------- verification log

-- What is to be, or is, in the log: written in the issuing transaction, given its index by the sequencer. Entries
-- whose index is not below the signed size are staged: an interrupted sequencer's successor takes them up again.
CREATE TABLE log_entries (
    seq         INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    format      INTEGER NOT NULL DEFAULT 1,
    kind        TEXT    NOT NULL,
    -- The certificate, status list or audit head it speaks of.
    subject     BLOB    NOT NULL,
    leaf        BLOB    NOT NULL,
    queued_at   INTEGER NOT NULL,
    log_index   INTEGER UNIQUE CHECK (log_index >= 0),
    CONSTRAINT log_entries_subject UNIQUE (subject, kind)
) STRICT;
CREATE INDEX log_entries_waiting ON log_entries (seq) WHERE log_index IS NULL;

-- One row: the signed truth about the log, and who may change it (compare-and-swap on epoch and size).
CREATE TABLE log_state (
    one            INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    epoch          INTEGER NOT NULL DEFAULT 0,
    lease_owner    BLOB    CHECK (length(lease_owner) = 16),
    lease_until    INTEGER,
    size           INTEGER NOT NULL DEFAULT 0 CHECK (size >= 0),
    checkpoint     BLOB
) STRICT;
INSERT INTO log_state (one) VALUES (1);
