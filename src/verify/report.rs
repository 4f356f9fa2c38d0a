//! The report: one line each for integrity, signer, qualified, log, status and age, and what follows from
//! them. As JSON for programs; `text` makes it words for people. Knows not how things are checked.

use jiff::Timestamp;
use jiff::civil::Date;
use serde::Serialize;

use super::problem::{Indication, Problem, SubIndication, Weight};

/// The answer in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Everything that was asked holds.
    Genuine,
    /// Something is wrong for certain.
    Not,
    /// What is at hand permits no judgement: do not rely on the file.
    CannotTell,
}

/// Is the file as it was sealed?
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Integrity {
    /// Every byte is as it was sealed.
    Intact,
    /// Something is different.
    Broken,
    /// It was not possible to look.
    Unknown,
}

/// What came after sealing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Changes {
    /// Nothing.
    None,
    /// Timestamps and validation data only.
    ValidationData,
    /// More than that.
    Other,
    /// It was not possible to look.
    Unknown,
}

/// Who signs: a person or an authority.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// A named registrar.
    Registrar,
    /// An authority's seal.
    AuthoritySeal,
    /// The certificate does not say.
    Unknown,
}

/// Whose signature it is, as the certificate says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Signer {
    /// Person or seal.
    pub role: Role,
    /// Common name.
    pub name: String,
    /// Organisation.
    pub organization: String,
    /// Leads to a trusted root, all rules kept.
    pub trusted: bool,
    /// First instant of the certificate.
    pub valid_from: Timestamp,
    /// Last instant of the certificate.
    pub valid_until: Timestamp,
}

/// A qualified signature or seal?
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Qualified {
    /// Under a demonstration CA: never.
    No,
    /// No trusted list was asked.
    Unknown,
}

/// Level of a seal after PAdES (EN 319 142-1, 6): what it takes along to be proven later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Level {
    /// Signature and certificates.
    #[serde(rename = "B-B")]
    Basic,
    /// And a trusted time.
    #[serde(rename = "B-T")]
    Time,
}

/// What a timestamp is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum StampKind {
    /// The signature value.
    Signature,
    /// The file up to itself.
    Document,
}

/// A timestamp that is over what it should be over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Stamp {
    /// What it is over.
    pub kind: StampKind,
    /// What it says.
    pub time: Timestamp,
    /// Who made it, as its certificate says.
    pub authority: String,
    /// By a trusted authority, and good as of now or as of the timestamp after it.
    pub believed: bool,
}

/// Registered in the log?
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "state")]
pub enum Log {
    /// The proof in the seal holds.
    Registered {
        /// Name of the log.
        origin: String,
        /// Index of the entry.
        index: u64,
    },
    /// No proof, or one that does not hold.
    NotProven,
    /// Not asked, or no key of the log at hand.
    Unknown,
}

/// Revoked?
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "state", content = "asOf")]
pub enum Status {
    /// Not known from the file alone.
    Unknown,
    /// Not revoked, as of this instant.
    Valid(Timestamp),
    /// Revoked, as of this instant.
    Revoked(Timestamp),
}

/// How old things are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Age {
    /// When the seal says it was made.
    pub sealed_at: Option<Timestamp>,
    /// It existed by then: so says the earliest timestamp that is believed.
    pub proven_at: Option<Timestamp>,
    /// The day whose state of the register entry is shown.
    pub entry_as_of: Option<Date>,
    /// When this report was made.
    pub checked_at: Timestamp,
}

/// What the file is, as its signed data say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Document {
    /// Kind of certificate.
    pub kind: String,
    /// `paper` or `electronic`.
    pub medium: String,
    /// Printed title.
    pub title: String,
    /// Printed office.
    pub office: String,
    /// Printed day of issue.
    pub issued_on: Date,
    /// Verification number.
    pub number: String,
    /// True if the sheet of paper is the Urkunde and this file only the printer's copy.
    pub printers_copy: bool,
}

/// The whole report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Version of this report: 1.
    pub format: u32,
    /// A specimen: whatever else is said, the file is worth nothing.
    pub specimen: bool,
    /// The answer.
    pub verdict: Verdict,
    /// The same as EN 319 102-1 says it.
    pub indication: Indication,
    /// The reason, as EN 319 102-1 says it.
    pub sub_indication: Option<SubIndication>,
    /// Integrity.
    pub integrity: Integrity,
    /// What came after sealing.
    pub changes: Changes,
    /// Signer.
    pub signer: Option<Signer>,
    /// Level of the seal, if it is in order.
    pub level: Option<Level>,
    /// Timestamps, the newest first.
    pub timestamps: Vec<Stamp>,
    /// Qualified.
    pub qualified: Qualified,
    /// Log.
    pub log: Log,
    /// Status.
    pub status: Status,
    /// Age.
    pub age: Age,
    /// What the file is.
    pub document: Option<Document>,
    /// SHA-256 of the file.
    pub sha256: String,
    /// What the log's leaf commits to.
    pub seal_digest: Option<String>,
    /// What is wrong or worth saying.
    pub problems: Vec<Problem>,
}

impl Report {
    /// A report that knows nothing yet.
    pub(super) fn blank(sha256: String, checked_at: Timestamp) -> Self {
        Self {
            format: 1,
            specimen: false,
            verdict: Verdict::CannotTell,
            indication: Indication::Indeterminate,
            sub_indication: None,
            integrity: Integrity::Unknown,
            changes: Changes::Unknown,
            signer: None,
            level: None,
            timestamps: Vec::new(),
            qualified: Qualified::Unknown,
            log: Log::Unknown,
            status: Status::Unknown,
            age: Age { sealed_at: None, proven_at: None, entry_as_of: None, checked_at },
            document: None,
            sha256,
            seal_digest: None,
            problems: Vec::new(),
        }
    }

    /// Draws the verdict from the problems: the heaviest decides, the first of its weight gives the reason.
    pub(super) fn conclude(mut self) -> Self {
        self.level = self.level.filter(|_| self.integrity == Integrity::Intact);
        let weights = || self.problems.iter().map(Problem::weight);
        let failed = weights().find_map(|w| if let Weight::Failed(sub) = w { Some(sub) } else { None });
        let open = weights().find_map(|w| if let Weight::Open(sub) = w { Some(sub) } else { None });
        let complete = self.integrity == Integrity::Intact && self.signer.as_ref().is_some_and(|s| s.trusted);
        (self.verdict, self.indication, self.sub_indication) = match (failed, open) {
            (Some(sub), _) => (Verdict::Not, Indication::TotalFailed, Some(sub)),
            (None, Some(sub)) => (Verdict::CannotTell, Indication::Indeterminate, Some(sub)),
            (None, None) if complete => (Verdict::Genuine, Indication::TotalPassed, None),
            (None, None) => (Verdict::CannotTell, Indication::Indeterminate, None),
        };
        self
    }

    /// Takes in what the installation's own records say about revocation, and concludes anew.
    #[must_use]
    pub fn with_status(mut self, status: Status) -> Self {
        self.status = status;
        if matches!(status, Status::Revoked(_)) {
            self.problems.push(Problem::Revoked);
        }
        self.conclude()
    }

    /// The report as JSON.
    ///
    /// # Errors
    /// Never for a report that this program made; the serializer's own error otherwise.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string_pretty(self)
    }
}
