//! Receiving evidence: bytes stream into a sealed object, are checked and scanned, and then become a document in one
//! transaction.
//!
//! `take_in` → [`Uploaded`] (checked, nothing visible) → `keep` → [`Kept`] (durable). Memory per upload: the head of
//! the file (64 KiB), four segments, and what the store's writer holds back (on the disk 384 KiB). Knows no HTTP.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use jiff::Timestamp;
use serde_json::json;

use super::fields::{Fields, FileName, entry_text};
use super::keeper::{Arrived, Arriving, Keeper, read_at_once};
use super::media_type::{Lie, MediaType};
use super::steps::{EveryStep, Step, Steps};
use super::turns::{NoTurn, Turn, Turns};
use crate::database::audit::Act;
use crate::database::documents::Document;
use crate::database::idempotency::{self, Answered, Claim, Scope, StoredAnswer};
use crate::database::incoming::{Incoming, Refusal};
use crate::database::jobs::NewJob;
use crate::database::sources::{Source, Taken};
use crate::database::{Database, DatabaseError};
use crate::domain::clock::Clock;
use crate::domain::digest::Sha256;
use crate::domain::ids::{AuthorityId, DocumentId, JobId, ObjectId};
use crate::domain::random::Random;
use crate::jobs::Wake;
use crate::objects::{Sealed, SealingWriter, Vault, VaultError};
use crate::scan::{Scanning, Signature, Unclear, Verdict};

mod aside;
mod head;

pub use aside::{Aside, INFECTED, SCAN_JOB, WhenUnclear};
use head::Head;

/// The kind of the job that reads the text out of a document; its payload is `{"document": id}`.
pub const EXTRACT_JOB: &str = "extract";

/// What receives evidence. Clones share it.
#[derive(Clone)]
pub struct Receiver {
    /// Where the bytes go.
    pub vault: Vault,
    /// Where the rows go.
    pub database: Database,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Identifiers.
    pub random: Arc<dyn Random>,
    /// The largest document, in bytes.
    pub bytes_max: u64,
    /// Told that there is a job; without it the runner finds the job when it looks the next time.
    pub jobs: Option<Wake>,
    /// Who works on which idempotency key.
    pub turns: Turns,
    /// Makes the rows.
    pub keeper: Keeper,
    /// What looks at every file before it is kept.
    pub scanning: Scanning,
    /// What becomes of files that are not clean.
    pub aside: Aside,
}

/// What the sender claims about the bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Claims {
    /// The type that was sent.
    pub content_type: Option<String>,
    /// What the sender calls the file.
    pub file_name: Option<FileName>,
    /// How many bytes are to come.
    pub length: Option<u64>,
    /// The digests the bytes are to have (RFC 9530: of the content, of the representation).
    pub digests: Vec<Sha256>,
}

/// Who sends it, for the row and the audit trail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sender {
    /// The authority of the token.
    pub authority: AuthorityId,
    /// The client of the token.
    pub client: String,
    /// As what: `engine`, `clerk` …
    pub role: &'static str,
    /// The request.
    pub request_id: Option<String>,
}

/// A key under which the same request gets the same answer, and how the answer is made.
pub struct Once {
    /// Within what the key is unique, and the key.
    pub scope: Scope,
    /// The answer to what the request comes to.
    pub answer: fn(Outcome<'_>) -> StoredAnswer,
}

/// What a request comes to that is answered once.
#[derive(Debug, Clone, Copy)]
pub enum Outcome<'o> {
    /// A document, durable.
    Kept(&'o Document),
    /// A file, durable, that waits for the virus scanner to become this document.
    Held(&'o Document),
    /// Nothing: the file is infected.
    Infected(&'o Signature),
}

/// A file that came whole and is what it claims to be. Nothing of it is visible yet; dropped, nothing remains.
pub struct Uploaded {
    writer: SealingWriter,
    sha256: Sha256,
    media_type: MediaType,
    file_name: Option<FileName>,
    at: Timestamp,
    verdict: Verdict,
}

/// What became of an upload.
#[derive(Debug, Clone, PartialEq)]
pub enum Kept {
    /// A new document, durable.
    New(Box<Document>),
    /// A file that waits for the virus scanner to become this document, durable.
    Held(Box<Document>),
    /// The request was answered before: this is the answer.
    Before(StoredAnswer),
    /// The sender has brought this file before, under the same name (`Fields::source`): it is this document.
    Known(DocumentId),
}

/// Why an upload was refused or failed. Except after a failure of the database, nothing of it remains.
#[derive(Debug, thiserror::Error)]
pub enum ReceiveError {
    /// There are no bytes.
    #[error("the file is empty")]
    Empty,
    /// More bytes than are taken.
    #[error("the file has more than {max} bytes")]
    TooLarge {
        /// Bytes that are taken.
        max: u64,
    },
    /// The body ended early or broke off.
    #[error("the body broke off after {got} bytes")]
    Incomplete {
        /// Bytes that came.
        got: u64,
    },
    /// The bytes do not have the digest that was sent.
    #[error("the bytes have the digest {got} where {expected} was sent")]
    Digest {
        /// The digest that was sent.
        expected: Sha256,
        /// The digest of what came.
        got: Sha256,
    },
    /// The bytes are not of the type that was claimed.
    #[error(transparent)]
    Type(#[from] Lie),
    /// The virus scanner has found something. The file is in quarantine.
    #[error("the file is infected: {signature}")]
    Infected {
        /// What was found.
        signature: Signature,
    },
    /// The virus scanner gave no clear answer, and without one nothing is kept here.
    #[error("the file was not scanned: {0}")]
    Unscanned(Unclear),
    /// The idempotency key was used for another request.
    #[error("the idempotency key was used for another request")]
    KeyReused,
    /// A request with this key runs at this moment.
    #[error("a request with this idempotency key is running")]
    KeyInUse,
    /// The sender has brought this file before, and what it became was erased: it is not taken in again.
    #[error("the file was brought before, and its document was erased")]
    SourceErased,
    /// The store or the keystore failed.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The database failed.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

impl From<NoTurn> for ReceiveError {
    fn from(reason: NoTurn) -> Self {
        match reason {
            NoTurn::AnotherRequest => Self::KeyReused,
            NoTurn::StillRunning => Self::KeyInUse,
        }
    }
}

impl Receiver {
    /// Takes a body in, with constant memory. Ends at the first rule it breaks.
    pub async fn take_in<E>(
        &self,
        authority: AuthorityId,
        claims: Claims,
        body: impl Stream<Item = Result<Bytes, E>>,
    ) -> Result<Uploaded, ReceiveError> {
        let max = self.bytes_max;
        if claims.length.is_some_and(|length| length > max) {
            return Err(ReceiveError::TooLarge { max });
        }
        let mut body = std::pin::pin!(body.peekable());
        // Before anything is begun: while this waits for something else, a torn body ends the connection without answer.
        if body.as_mut().peek().await.is_some_and(Result::is_err) {
            return Err(ReceiveError::Incomplete { got: 0 });
        }
        let mut writer = self.vault.begin(authority).await?;
        let mut head = Head::new(&claims);
        let mut scan = self.scanning.begin();
        while let Some(piece) = body.next().await {
            let piece = piece.map_err(|_| ReceiveError::Incomplete { got: writer.size() })?;
            if writer.size() + piece.len() as u64 > max {
                return Err(ReceiveError::TooLarge { max });
            }
            head.look_at(&piece)?;
            writer.write(&piece).await?;
            scan.feed(&piece).await;
        }
        let got = writer.size();
        if claims.length.is_some_and(|length| length != got) {
            return Err(ReceiveError::Incomplete { got });
        }
        if got == 0 {
            return Err(ReceiveError::Empty);
        }
        let media_type = head.finish()?;
        let sha256 = writer.digest();
        if let Some(expected) = claims.digests.iter().find(|expected| **expected != sha256) {
            return Err(ReceiveError::Digest { expected: *expected, got: sha256 });
        }
        let (file_name, at, verdict) = (claims.file_name, self.clock.now(), scan.finish().await);
        Ok(Uploaded { writer, sha256, media_type, file_name, at, verdict })
    }

    /// Makes an upload a document: first bytes and key are durable, then one transaction writes object, document,
    /// audit row, job and the answer under its idempotency key. `Ok` means that all of it survives a power cut.
    ///
    /// The claim of the key is made in that transaction, so it can neither outlive who made it nor be there without
    /// the document. Of several at the same time, one works, and the others wait and get its answer.
    pub async fn keep(
        &self,
        uploaded: Uploaded,
        fields: &Fields,
        sender: &Sender,
        once: Option<Once>,
    ) -> Result<Kept, ReceiveError> {
        self.keep_by_steps(uploaded, fields, sender, once, &EveryStep).await
    }

    /// As [`Self::keep`]; `steps` is told of each step, so that a test can end it there.
    pub async fn keep_by_steps(
        &self,
        uploaded: Uploaded,
        fields: &Fields,
        sender: &Sender,
        once: Option<Once>,
        steps: &dyn Steps,
    ) -> Result<Kept, ReceiveError> {
        let print = fingerprint(&uploaded, fields);
        let turn = match &once {
            Some(once) => Some(self.turns.take(&once.scope, print).await?),
            None => None,
        };
        if let (Some(once), Some(Turn { waited: true, .. })) = (&once, &turn)
            && let Some(kept) = self.kept_meanwhile(once, print).await?
        {
            return Ok(kept);
        }
        let scanned_at = match uploaded.verdict {
            Verdict::NotScanned => None,
            Verdict::Clean => Some(uploaded.at),
            Verdict::Infected(_) | Verdict::Unclear(_) => {
                return self.set_aside(uploaded, aside::Request { fields, sender, once, print, steps }).await;
            }
        };
        let (id, at) = (DocumentId::draw(&*self.random), uploaded.at);
        let (media_type, file_name) = (uploaded.media_type, uploaded.file_name);
        steps.after(Step::TakenIn).await;
        let sealed = uploaded.writer.finish().await?;
        steps.after(Step::Durable).await;
        let fresh = sealed.at;
        let row = Row { id, media_type, file_name, at, stored_at: self.clock.now(), scanned_at };
        let document = row.document(&sealed, fields, sender);
        let arriving = self.arriving(document, &sealed, fields, sender, once.map(|once| (once, print)));
        let job = arriving.incoming.job.is_some();
        let outcome = self.keeper.keep(arriving).await;
        if outcome.as_ref().is_ok_and(Arrived::is_settled) {
            steps.after(Step::Committed).await;
        }
        if self.is_not_needed(&outcome, fresh.object) {
            // If this fails, the sweep removes it after the grace period.
            let _ = self.vault.delete(fresh).await;
        }
        if let Some(jobs) = self.jobs.as_ref().filter(|_| job) {
            jobs.wake();
        }
        match outcome? {
            Arrived::Kept(document) => Ok(Kept::New(document)),
            Arrived::Refused(Refusal::Key(claim)) => answered(claim)?.ok_or(ReceiveError::KeyInUse),
            Arrived::Refused(Refusal::Source(taken)) => known(taken),
        }
    }

    fn arriving(
        &self,
        mut document: Document,
        sealed: &Sealed,
        fields: &Fields,
        sender: &Sender,
        once: Option<(Once, Sha256)>,
    ) -> Arriving {
        let at = document.stored_at;
        let once = once.map(|(once, print)| self.answered(once, print, Outcome::Kept(&document), at));
        // Where the store locks objects, the job does it, once the row is durable.
        let done = !self.vault.protects() && read_at_once(&mut document);
        let job = (!done).then(|| self.job(EXTRACT_JOB, &document));
        let (act, source) = (act(&document, sender), source(fields, sender));
        let incoming = Incoming { document, sealed: sealed.clone(), act, job, once, source };
        Arriving { incoming, entry: fields.entry.clone() }
    }

    /// The answer of a request, to be kept under its key.
    fn answered(&self, once: Once, fingerprint: Sha256, outcome: Outcome<'_>, at: Timestamp) -> Answered {
        let Once { scope, answer } = once;
        let lease = idempotency::Lease::draw(&*self.random);
        Answered { scope, fingerprint, lease, at, answer: answer(outcome) }
    }

    /// What became of the request that was waited for; none if it did not come to its end.
    async fn kept_meanwhile(&self, once: &Once, print: Sha256) -> Result<Option<Kept>, ReceiveError> {
        let (scope, now) = (once.scope.clone(), self.clock.now());
        let looking = self.database.read::<_, DatabaseError, _>(move |tx| {
            Box::pin(async move { idempotency::look_up(tx, &scope, print, now).await })
        });
        looking.await?.map_or(Ok(None), answered)
    }

    /// Whether nothing refers to the fresh object. After a failed commit that is unknown.
    fn is_not_needed(&self, outcome: &Result<Arrived, DatabaseError>, fresh: ObjectId) -> bool {
        match outcome {
            Ok(Arrived::Kept(document)) => document.object != fresh,
            Ok(Arrived::Refused(_)) => true,
            Err(_) => false,
        }
    }

    /// A job of this kind for a document.
    pub(super) fn job(&self, kind: &'static str, document: &Document) -> NewJob {
        NewJob {
            id: JobId::draw(&*self.random),
            authority: document.authority,
            kind,
            unique_key: None,
            payload: json!({ "document": document.id }),
            due_at: document.stored_at,
        }
    }
}

/// What a row needs beside the object, the fields and the sender.
struct Row {
    id: DocumentId,
    media_type: MediaType,
    file_name: Option<FileName>,
    at: Timestamp,
    stored_at: Timestamp,
    scanned_at: Option<Timestamp>,
}

impl Row {
    fn document(self, sealed: &Sealed, fields: &Fields, sender: &Sender) -> Document {
        let text = |line: &Option<super::fields::Line>| line.as_ref().map(|line| line.as_str().to_owned());
        Document {
            id: self.id,
            authority: sender.authority,
            object: sealed.at.object,
            sha256: sealed.sha256,
            size: sealed.size,
            media_type: self.media_type.as_str().to_owned(),
            file_name: self.file_name.map(|name| name.as_str().to_owned()),
            title: text(&fields.title),
            kind: text(&fields.kind),
            reference: text(&fields.reference),
            date: fields.date,
            file: text(&fields.file),
            entry: fields.entry.as_ref().map(entry_text),
            restriction: fields.restriction.as_ref().map(ToString::to_string).unwrap_or_default(),
            received_at: self.at,
            received_by: sender.client.clone(),
            stored_at: self.stored_at,
            scanned_at: self.scanned_at,
            extracted: None,
            indexed_at: None,
            flag: None,
        }
    }
}

/// What becomes of a file that was brought before.
const fn known(taken: Taken) -> Result<Kept, ReceiveError> {
    match taken {
        Taken::As(document) => Ok(Kept::Known(document)),
        Taken::Erased(_) => Err(ReceiveError::SourceErased),
    }
}

/// `Some`: the request was answered before. `None`: it is ours to answer.
fn answered(claim: Claim) -> Result<Option<Kept>, ReceiveError> {
    match claim {
        Claim::Fresh(_) => Ok(None),
        Claim::Done(answer) => Ok(Some(Kept::Before(answer))),
        Claim::Running => Err(ReceiveError::KeyInUse),
        Claim::Mismatch => Err(ReceiveError::KeyReused),
    }
}

/// What the sender calls the file, if it calls it something that it never brings twice.
fn source(fields: &Fields, sender: &Sender) -> Option<Source> {
    let Sender { authority, client, .. } = sender.clone();
    fields.source.map(|name| Source { authority, client, name })
}

fn act(document: &Document, sender: &Sender) -> Act {
    let (at, subject_id) = (document.received_at, document.id.to_string());
    let (action, subject_kind) = ("document.received".to_owned(), "document".to_owned());
    Act { at, action, subject_kind, subject_id, ..act_of(sender) }
}

/// An act of the sender, that does not say yet what was done to what.
fn act_of(sender: &Sender) -> Act {
    Act {
        at: Timestamp::UNIX_EPOCH,
        authority: Some(sender.authority),
        actor: sender.client.clone(),
        role: sender.role.to_owned(),
        action: String::new(),
        subject_kind: String::new(),
        subject_id: String::new(),
        request_id: sender.request_id.clone(),
        personal: None,
    }
}

/// Over the request as understood: the digest of the bytes, their type and name, the fields. How the body was cut
/// into parts, and in which order they came, makes no difference.
fn fingerprint(uploaded: &Uploaded, fields: &Fields) -> Sha256 {
    let understood = json!({
        "format": 1,
        "sha256": uploaded.sha256,
        "mediaType": uploaded.media_type.as_str(),
        "fileName": uploaded.file_name,
        "fields": fields,
    });
    Sha256::of(understood.to_string().as_bytes())
}

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
