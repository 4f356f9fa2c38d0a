//! The kinds of differences: each has the part it is in, a name that stays, and what helps against it.

/// A kind of difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Rule {
    ObjectMissing,
    ObjectDamaged,
    ObjectUnreadable,
    DigestWrong,
    KeyMissing,
    KeyForged,
    OrphanObject,
    OrphanKey,
    ForeignFile,
    RowUnused,
    DocumentUnread,
    DocumentUntold,
    IndexOtherHistory,
    IndexBehind,
    IndexUnreadable,
    IndexLacks,
    IndexStray,
    LeavesDamaged,
    CheckpointForged,
    CheckpointBehind,
    CheckpointAhead,
    CheckpointOther,
    FileMissing,
    FileWrong,
    CertificateMisplaced,
    CertificateOtherLeaf,
    CertificateNoRevision,
    CertificateStandsStill,
    JournalTorn,
    ErasureStandsStill,
    UploadOverdue,
    UploadTorn,
    TicketOverdue,
    JobDead,
    ReadingDead,
}

/// What helps against a difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Remedy {
    /// `--repair` does it.
    Repair(&'static str),
    /// Somebody has to.
    ByHand(&'static str),
}

const SERVE: Remedy = Remedy::ByHand("a running server does this; start it, or see in its log what stops it");
const SWEEP: Remedy = Remedy::Repair("it is removed");
const FROM_BACKUP: Remedy = Remedy::ByHand(
    "its bytes are in no other place of the installation: restore them from a backup of the objects",
);
const NO_KEY: Remedy = Remedy::ByHand(
    "nobody can read it without its key: restore the keys from a backup of them; if it was erased, so it should be, and its row is wrong",
);
const FILL: Remedy = Remedy::Repair("the index is filled from the database");
const RIGHT_FILES: Remedy =
    Remedy::Repair("the file is written anew from the leaves, which give the signed root");

impl Rule {
    /// The part it is in, and its name.
    pub(super) const fn name(self) -> (&'static str, &'static str) {
        match self {
            Self::ObjectMissing => ("objects", "object-missing"),
            Self::ObjectDamaged => ("objects", "object-damaged"),
            Self::ObjectUnreadable => ("objects", "object-unreadable"),
            Self::DigestWrong => ("objects", "digest-wrong"),
            Self::KeyMissing => ("objects", "key-missing"),
            Self::KeyForged => ("keystore", "key-forged"),
            Self::OrphanObject => ("objects", "orphan-object"),
            Self::OrphanKey => ("keystore", "orphan-key"),
            Self::ForeignFile => ("objects", "foreign-file"),
            Self::RowUnused => ("database", "row-unused"),
            Self::DocumentUnread => ("database", "document-unread"),
            Self::DocumentUntold => ("index", "document-untold"),
            Self::IndexOtherHistory => ("index", "index-other-history"),
            Self::IndexBehind => ("index", "index-behind"),
            Self::IndexUnreadable => ("index", "index-unreadable"),
            Self::IndexLacks => ("index", "index-lacks"),
            Self::IndexStray => ("index", "index-stray"),
            Self::LeavesDamaged => ("log", "leaves-damaged"),
            Self::CheckpointForged => ("log", "checkpoint-forged"),
            Self::CheckpointBehind => ("log", "checkpoint-behind"),
            Self::CheckpointAhead => ("log", "checkpoint-ahead"),
            Self::CheckpointOther => ("log", "checkpoint-other"),
            Self::FileMissing => ("log", "file-missing"),
            Self::FileWrong => ("log", "file-wrong"),
            Self::CertificateMisplaced => ("log", "certificate-misplaced"),
            Self::CertificateOtherLeaf => ("log", "certificate-other-leaf"),
            Self::CertificateNoRevision => ("certificates", "certificate-without-revision"),
            Self::CertificateStandsStill => ("certificates", "certificate-stands-still"),
            Self::JournalTorn => ("journal", "journal-torn"),
            Self::ErasureStandsStill => ("erasure", "erasure-stands-still"),
            Self::UploadOverdue => ("uploads", "upload-overdue"),
            Self::UploadTorn => ("uploads", "upload-torn"),
            Self::TicketOverdue => ("uploads", "ticket-overdue"),
            Self::ReadingDead => ("jobs", "reading-dead"),
            Self::JobDead => ("jobs", "job-dead"),
        }
    }

    /// What helps.
    pub(super) const fn remedy(self) -> Remedy {
        use Remedy::{ByHand, Repair};
        match self {
            Self::ObjectMissing | Self::ObjectDamaged | Self::DigestWrong => FROM_BACKUP,
            Self::ObjectUnreadable => {
                ByHand("the store does not give it: look after the disk or the bucket, then check again")
            }
            Self::KeyMissing | Self::KeyForged => NO_KEY,
            Self::OrphanObject | Self::OrphanKey => SWEEP,
            Self::ForeignFile => ByHand("it has no name of an object: look at it, and take it away"),
            Self::RowUnused => Repair("the row is removed, and what it refers to swept"),
            Self::DocumentUnread => Repair("it is read out once a server runs"),
            Self::DocumentUntold
            | Self::IndexOtherHistory
            | Self::IndexBehind
            | Self::IndexUnreadable
            | Self::IndexLacks
            | Self::IndexStray => FILL,
            Self::LeavesDamaged => ByHand(
                "take the rows of log_entries from a backup of the database; the published bundles have them too",
            ),
            Self::CheckpointForged => ByHand(
                "it is not signed by this log's key: find out who wrote it, and restore it from a backup",
            ),
            Self::CheckpointBehind => Repair("the signed one is published"),
            Self::CheckpointAhead => ByHand(
                "the database is older than the log (a restored backup?): nothing is signed until the published leaves are taken in again",
            ),
            Self::CheckpointOther => ByHand(
                "two histories of one log: serve nothing from it, keep both, and find out which one was shown",
            ),
            Self::FileMissing | Self::FileWrong => RIGHT_FILES,
            Self::CertificateMisplaced | Self::CertificateOtherLeaf => ByHand(
                "the row of the certificate or of its leaf was changed: restore the database from a backup",
            ),
            Self::CertificateNoRevision => ByHand(
                "its row says that it is finished: restore the rows of objects and certificates from a backup",
            ),
            Self::CertificateStandsStill | Self::UploadOverdue | Self::TicketOverdue => SERVE,
            Self::JournalTorn => ByHand(
                "numbers are never drawn or dropped afterwards: restore the journal's lines from a backup",
            ),
            Self::ErasureStandsStill => Repair("it is taken to its end"),
            Self::UploadTorn => ByHand("its sender has to begin anew; it is removed when its time is over"),
            Self::ReadingDead => Repair("they are tried once more"),
            Self::JobDead => ByHand(
                "what it failed on is in the server's log; events are replayed by POST /v1/events/dead/{id}/replay",
            ),
        }
    }

    /// Whether `--repair` does something about it.
    pub(super) const fn is_repaired(self) -> bool {
        matches!(self.remedy(), Remedy::Repair(_))
    }
}
