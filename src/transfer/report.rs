//! What became of each file: a line of JSON for each, in a file; what was refused also in words for who watches.

use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::path::Path;

use serde::Serialize;
use serde_json::json;

/// What became of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It is stored now.
    Stored,
    /// Received, and held until it was scanned.
    Held,
    /// It would be stored, had this not been a trial.
    WouldBeStored,
    /// It was there before.
    AlreadyThere,
    /// It is nothing that is taken over.
    PassedOver,
    /// It was not taken over.
    Refused,
    /// It was written.
    Exported,
}

/// One file.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// Where it lies, below the folder.
    pub path: String,
    /// What became of it.
    pub outcome: Outcome,
    /// The document it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Its digest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// Its bytes, counted.
    pub size: u64,
    /// Why, in a word that does not change.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Why, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

impl Record {
    /// A file of which nothing is known but where it lies.
    pub fn of(path: impl Into<String>, size: u64, outcome: Outcome) -> Self {
        Self { path: path.into(), outcome, id: None, sha256: None, size, reason: None, detail: None }
    }

    /// Says why.
    #[must_use]
    pub fn because(mut self, reason: impl Into<String>, detail: impl Into<String>) -> Self {
        (self.reason, self.detail) = (Some(reason.into()), Some(detail.into()));
        self
    }
}

/// How many became what.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Summary {
    /// Stored, held, or written now; or they would be.
    pub done: u64,
    /// There before.
    pub already_there: u64,
    /// Nothing that is taken over.
    pub passed_over: u64,
    /// Not taken over.
    pub refused: u64,
    /// Bytes of those that are done.
    pub bytes: u64,
}

impl Summary {
    /// As a line of JSON.
    pub fn to_json(self) -> serde_json::Value {
        json!({
            "done": self.done, "alreadyThere": self.already_there, "passedOver": self.passed_over,
            "refused": self.refused, "bytes": self.bytes,
        })
    }
}

/// Where it is written down.
pub struct Report {
    file: Option<BufWriter<File>>,
    summary: Summary,
}

impl Report {
    /// Into a new file, if one is named.
    ///
    /// # Errors
    /// If it exists or cannot be made.
    pub fn open(path: Option<&Path>) -> io::Result<Self> {
        let file = path.map(File::create_new).transpose()?.map(BufWriter::new);
        Ok(Self { file, summary: Summary::default() })
    }

    /// Notes what became of a file.
    ///
    /// # Errors
    /// If it cannot be written down.
    pub fn note(&mut self, record: &Record) -> io::Result<()> {
        let summary = &mut self.summary;
        match record.outcome {
            Outcome::Stored | Outcome::Held | Outcome::WouldBeStored | Outcome::Exported => {
                summary.done += 1;
                summary.bytes += record.size;
            }
            Outcome::AlreadyThere => summary.already_there += 1,
            Outcome::PassedOver => summary.passed_over += 1,
            Outcome::Refused => summary.refused += 1,
        }
        match &mut self.file {
            Some(file) => {
                serde_json::to_writer(&mut *file, record)?;
                file.write_all(b"\n")
            }
            None => Ok(()),
        }
    }

    /// How many became what so far.
    pub const fn summary(&self) -> Summary {
        self.summary
    }

    /// Writes the summary below all and gives it.
    ///
    /// # Errors
    /// If it cannot be written down.
    pub fn close(mut self) -> io::Result<Summary> {
        if let Some(mut file) = self.file.take() {
            writeln!(file, "{}", json!({ "summary": self.summary.to_json() }))?;
            file.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
        }
        Ok(self.summary)
    }
}
