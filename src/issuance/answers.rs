//! What anybody may learn about a certificate, and no more (the page `/v` and `/v1/verify`): from the file a
//! report, from a number or a digest only whether it was issued here. Known and unknown are answered with the
//! same work and the same length. A later change of the register entry alters no answer.

use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;
use jiff::civil::Date;
use serde::Serialize;
use tokio::sync::Semaphore;

use super::request::{CertificateRequest, RequestError};
use crate::database::verification::{self, Clue, Fetched};
use crate::database::{Database, DatabaseError};
use crate::domain::certificate::Kind;
use crate::domain::clock::Clock;
use crate::domain::digest::Sha256;
use crate::tlog::VerifierKey;
use crate::verify::report::{Report, Status};
use crate::verify::{self, Question, Scope, Trust};

/// The answer to a number or a digest has a multiple of this many bytes.
const LENGTH: usize = 1024;
/// A row to read when there is none, so that an unknown number costs as much as a known one.
const DECOY: &str = include_str!("sample.json");
/// Files that are verified at a time.
const AT_A_TIME: usize = 16;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum AnswerError {
    /// The database.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// A stored row cannot be read.
    #[error("a stored request row cannot be read")]
    Row(#[from] RequestError),
    /// The answer cannot be written.
    #[error("the answer cannot be written")]
    Encoding(#[from] serde_json::Error),
    /// The thread that verified ended early.
    #[error("the verification was cut off")]
    CutOff,
}

/// What is known about a number or a digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Issued here.
    Issued,
    /// Issued here and revoked.
    Revoked,
    /// Not known here.
    Unknown,
}

/// The public answer to a number or a digest.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    state: State,
    revoked: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    issued: Option<Issued>,
    /// When this was looked up.
    checked_at: Timestamp,
    notice: Notice,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct Issued {
    office: String,
    kind: Kind,
    title: String,
    day: Date,
    entry_as_of: Date,
    specimen: bool,
}

#[derive(Debug, Clone, Serialize)]
struct Notice {
    de: &'static str,
    en: &'static str,
}

const NOTICE: Notice = Notice {
    de: "Eine Nummer allein beweist nichts: vergleichen Sie mit der Datei. Diese Auskunft sagt nicht, wer die Urkunde \
         vorzeigt, und ersetzt keine Apostille.",
    en: "A number alone proves nothing: compare by the file. This does not identify the bearer and replaces no apostille.",
};

/// Answers the public.
#[derive(Clone)]
pub struct Answers {
    /// Where certificates are looked up.
    database: Database,
    /// The roots of the installation's own signers.
    trust: Arc<Trust>,
    /// The key of its log.
    log_keys: Arc<[VerifierKey]>,
    /// The time.
    clock: Arc<dyn Clock>,
    /// Bounds memory and processor time.
    places: Arc<Semaphore>,
}

impl Answers {
    /// Puts it together.
    pub fn new(database: Database, trust: Trust, log_keys: Vec<VerifierKey>, clock: Arc<dyn Clock>) -> Self {
        let places = Arc::new(Semaphore::new(AT_A_TIME));
        Self { database, trust: Arc::new(trust), log_keys: log_keys.into(), clock, places }
    }

    /// A place is kept while a file is verified, not before all of it is there.
    pub fn places(&self) -> Arc<Semaphore> {
        Arc::clone(&self.places)
    }

    /// The answer to a number or a digest as JSON, padded.
    ///
    /// # Errors
    /// [`AnswerError`] if the database does not answer or a row is damaged.
    pub async fn about(&self, clue: Clue) -> Result<String, AnswerError> {
        let fetched = self.look_up(clue).await?;
        let row =
            CertificateRequest::from_json(fetched.as_ref().map_or(DECOY, |f| f.request.as_str()).as_bytes())?;
        let issued = Issued {
            office: row.office.name,
            kind: row.kind,
            title: row.title,
            day: row.issue.day,
            entry_as_of: row.as_of,
            specimen: row.specimen,
        };
        let (found, revoked) = fetched.map_or((false, false), |f| (f.found, f.revoked_at.is_some()));
        let state = match (found, revoked) {
            (false, _) => State::Unknown,
            (true, false) => State::Issued,
            (true, true) => State::Revoked,
        };
        let revoked = state == State::Revoked;
        let checked_at = self.clock.now();
        padded(&Answer { state, revoked, issued: found.then_some(issued), checked_at, notice: NOTICE })
    }

    /// Verifies a file against this installation's roots and log.
    ///
    /// # Errors
    /// [`AnswerError`] if the database does not answer.
    pub async fn file(&self, file: Bytes, scope: Scope) -> Result<Report, AnswerError> {
        let now = self.clock.now();
        let (trust, log_keys) = (Arc::clone(&self.trust), Arc::clone(&self.log_keys));
        let judge = move || {
            let question =
                Question { trust: &trust, log_keys: &log_keys, scope, now, file_bytes_max: file.len() };
            (verify::pdf(&file, &question), Sha256::of(&file))
        };
        let (report, digest) = tokio::task::spawn_blocking(judge).await.map_err(|_| AnswerError::CutOff)?;
        let known = self.look_up(Clue::Digest(digest)).await?.filter(|f| f.found);
        Ok(match known {
            Some(row) if row.revoked_at.is_some() => report.with_status(Status::Revoked(now)),
            Some(_) => report.with_status(Status::Valid(now)),
            None => report,
        })
    }

    async fn look_up(&self, clue: Clue) -> Result<Option<Fetched>, DatabaseError> {
        self.database.read(|tx| Box::pin(async move { verification::look_up(tx, &clue).await })).await
    }
}

/// JSON of a length that says nothing about what is in it.
fn padded(answer: &Answer) -> Result<String, AnswerError> {
    const FRAME: usize = r#","padding":""}"#.len();
    let mut text = serde_json::to_string(answer)?;
    text.pop();
    let length = (text.len() + FRAME).next_multiple_of(LENGTH);
    let padding = " ".repeat(length - FRAME - text.len());
    Ok(format!(r#"{text},"padding":"{padding}"}}"#))
}

#[cfg(test)]
mod tests;
