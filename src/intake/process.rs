//! The job that reads a received document out: object from the vault → child → text beside the object → rows.
//! Bytes first, then one transaction: states, flag, index change and the end of the job. Done twice, it changes
//! nothing; broken off anywhere, it is done again. Knows no file formats.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::Value;
use tokio::io::{AsyncWriteExt as _, DuplexStream};
use tokio::sync::Notify;

use super::extract::{Extraction, Extractor, Reason, unread};
use super::media_type::MediaType;
use super::texts;
use crate::database::documents::{self, Document, Extracted};
use crate::database::{Database, DatabaseError, index_changes, jobs};
use crate::domain::clock::Clock;
use crate::domain::ids::{DocumentId, ObjectId};
use crate::events::{Event, Happening, Outbox};
use crate::jobs::{Claimed, Finished, Handler, JobError};
use crate::objects::{ObjectRef, Sealed, Vault, VaultError};

/// How much of an object is read from the vault at a time, in bytes.
const PIECE_BYTES: u64 = 256 << 10;

/// Does the jobs of kind [`super::receive::EXTRACT_JOB`].
pub struct Processor {
    /// Where documents' rows are.
    pub database: Database,
    /// Where their bytes and texts are.
    pub vault: Vault,
    /// What starts the children.
    pub extractor: Extractor,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Told after each commit that the index has something to take over.
    pub index: Arc<Notify>,
    /// Told of what failed for good.
    pub outbox: Outbox,
}

/// Why a document was not read out this time.
#[derive(Debug, thiserror::Error)]
enum ProcessError {
    /// The database failed.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// Somebody else has the job now; nothing was written.
    #[error("the lease of the job was lost")]
    LeaseLost,
}

#[async_trait]
impl Handler for Processor {
    async fn handle(&self, job: &Claimed) -> Result<Finished, JobError> {
        let id = document_of(&job.payload)?;
        let authority = job.authority;
        let found = self.database.read(move |tx| Box::pin(documents::find(tx, authority, id))).await?;
        let Some(document) = found.filter(|document| document.extracted.is_none()) else {
            // It is gone, or was read out before the end of this job was written down.
            return Ok(Finished::Remove);
        };
        // Here and not when it was received: now its row is durable, and this job is done again until it succeeds.
        let protected = self.vault.protect(document.object).await;
        protected.map_err(|error| JobError::Again(error.to_string()))?;
        let extraction = self.extract(&document).await?;
        self.keep(document, extraction, job).await?;
        self.index.notify_one();
        self.outbox.wake();
        Ok(Finished::Removed)
    }
}

impl Processor {
    async fn extract(&self, document: &Document) -> Result<Extraction, JobError> {
        if document.size > self.extractor.limits().input_bytes {
            return Ok(Extraction::flagged(Reason::InputTooLarge));
        }
        let media_type = document.media_type.parse().unwrap_or(MediaType::Unknown);
        if let Some(reason) = unread(media_type) {
            return Ok(Extraction::flagged(reason));
        }
        let at = ObjectRef::own(document.authority, document.object);
        let (input, output) = tokio::io::duplex(usize::try_from(PIECE_BYTES).unwrap_or(1 << 16));
        let (fed, extraction) = tokio::join!(
            feed(&self.vault, at, document.size, output),
            self.extractor.extract(media_type, input),
        );
        // A broken store is no property of the file, whatever the child made of the beginning.
        fed.map_err(|error| JobError::Again(error.to_string()))?;
        extraction.map_err(|error| JobError::Again(error.to_string()))
    }

    async fn keep(&self, document: Document, extraction: Extraction, job: &Claimed) -> Result<(), JobError> {
        let text =
            self.seal_text(&document, &extraction).await.map_err(|e| JobError::Again(e.to_string()))?;
        let fresh = text.as_ref().map(|sealed| sealed.at);
        let committed = self.commit(&document, &extraction, text, job).await;
        let kept = match &committed {
            Ok(object) => *object,
            // Nothing refers to it: the transaction was given up.
            Err(ProcessError::LeaseLost) => None,
            // Unknown: if it was not committed, the sweep removes it after the grace period.
            Err(ProcessError::Database(_)) => fresh.map(|at| at.object),
        };
        if let Some(at) = fresh.filter(|at| Some(at.object) != kept) {
            // If this fails, the sweep does it.
            let _ = self.vault.delete(at).await;
        }
        committed.map(drop).map_err(|error| JobError::Again(error.to_string()))
    }

    /// The text under the key of the document's object; none if there is no page.
    async fn seal_text(
        &self,
        document: &Document,
        extraction: &Extraction,
    ) -> Result<Option<Sealed>, VaultError> {
        if extraction.words() == 0 {
            return Ok(None);
        }
        let bytes = text_bytes(document.object, extraction);
        self.vault.put_beside(document.authority, document.object, &bytes).await.map(Some)
    }

    /// Answers the object that holds the text from now on.
    async fn commit(
        &self,
        document: &Document,
        extraction: &Extraction,
        text: Option<Sealed>,
        job: &Claimed,
    ) -> Result<Option<ObjectId>, ProcessError> {
        let (id, authority, now) = (document.id, document.authority, self.clock.now());
        let (pages, words) = (u32::try_from(extraction.pages.len()).unwrap_or(u32::MAX), extraction.words());
        let (flag, job_id, lease) = (extraction.flag, job.id, job.lease);
        let outbox = self.outbox.clone();
        let written = self.database.write(move |tx| {
            Box::pin(async move {
                if !jobs::complete(tx, job_id, lease).await? {
                    return Err(ProcessError::LeaseLost);
                }
                let text = match &text {
                    Some(sealed) => Some(documents::keep_object(tx, sealed, now).await?),
                    None => None,
                };
                documents::set_extracted(tx, authority, id, &Extracted { at: now, pages, words, text })
                    .await?;
                if let Some(reason) = flag {
                    documents::set_flag(tx, authority, id, reason.as_str(), now).await?;
                    let event = Event::document(Happening::DocumentFlagged, authority, id, now);
                    outbox.tell(tx, event.reason(reason.as_str())).await?;
                }
                index_changes::append(tx, id, authority, now).await?;
                Ok(text)
            })
        });
        written.await
    }
}

/// The pages, then the object they hang on: equal texts of different documents are different objects, each erased
/// with its own document.
fn text_bytes(holder: ObjectId, extraction: &Extraction) -> Vec<u8> {
    let mut bytes = texts::encode(&extraction.pages);
    bytes.extend(holder.as_bytes());
    bytes
}

/// Writes the object into `output`, piece by piece, until it ends or the child wants no more.
async fn feed(vault: &Vault, at: ObjectRef, size: u64, mut output: DuplexStream) -> Result<(), VaultError> {
    let object = vault.open(at, Some(size)).await?;
    let mut start = 0;
    while start < size {
        let end = (start + PIECE_BYTES).min(size);
        if output.write_all(&object.read(start..end).await?).await.is_err() {
            return Ok(());
        }
        start = end;
    }
    Ok(())
}

fn document_of(payload: &Value) -> Result<DocumentId, JobError> {
    let text = payload.get("document").and_then(Value::as_str);
    let id = text.and_then(|text| text.parse().ok());
    id.ok_or_else(|| JobError::Never("the payload names no document".to_owned()))
}
