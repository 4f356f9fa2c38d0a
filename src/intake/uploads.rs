//! Uploads that come in several requests (tus 1.0): begun, continued where they stand, ended; at the last byte they
//! become documents as any other. An acknowledged offset is as durable as a document. Knows no HTTP.
//!
//! Bytes in progress lie in the vault as pieces of at most 8 MiB, sealed under a data key of the upload's own. So
//! they are on whatever store the installation has, and erased by one key. They are read once more when all are
//! there: by the same code that receives a document, which takes the digest of the whole and seals it as one object.

mod append;
mod checksum;
mod finish;
mod locks;
mod metadata;
#[cfg(test)]
mod tests;
mod tidy;

use std::time::Duration;

use jiff::SignedDuration;
use serde_json::json;

pub use append::{Chunk, PIECES_MAX};
pub use checksum::{CHECKSUM_ALGORITHMS, Checksum};
pub use metadata::{METADATA_BYTES_MAX, Metadata, MetadataError};
pub use tidy::Tidied;

use super::receive::{ReceiveError, Receiver, Sender};
use crate::database::idempotency::{self, Claim, CompleteError, Scope, StoredAnswer};
use crate::database::uploads::{self, Upload, Usage};
use crate::database::{DatabaseError, Tx};
use crate::domain::digest::Sha256;
use crate::domain::ids::{AuthorityId, DocumentId, UploadId};
use crate::objects::VaultError;
use locks::{Hold, Locks};

/// Within what an Idempotency-Key of a creation is unique.
const ROUTE: &str = "/v1/uploads";
/// How long a request may wait for another one that works on the upload to stop.
const PATIENCE: Duration = Duration::from_secs(10);

/// Resumable uploads. Clones share it.
#[derive(Clone)]
pub struct Uploads {
    receiver: Receiver,
    bounds: Bounds,
    locks: Locks,
}

/// How much may be open at a time, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// How long an upload is kept after its last byte came. Shorter than idempotency keys are remembered: by one
    /// of them an upload becomes a document once and not twice.
    pub kept: SignedDuration,
    /// Uploads a client may have begun.
    pub client_open_max: u64,
    /// Bytes a client may have announced.
    pub client_bytes_max: u64,
    /// Uploads an authority may have begun.
    pub authority_open_max: u64,
    /// Bytes an authority may have announced.
    pub authority_bytes_max: u64,
}

/// An upload to be begun.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewUpload {
    /// Its bytes, all of them.
    pub size: u64,
    /// What is said of the file.
    pub metadata: Metadata,
    /// Digests the file is to have.
    pub digests: Vec<Sha256>,
}

/// Why an upload was not begun, not continued or has not become a document.
#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    /// No upload of the authority.
    #[error("there is no such upload")]
    NotFound,
    /// Its time is over, or it was ended.
    #[error("the upload has expired")]
    Expired,
    /// Another request works on it.
    #[error("another request works on the upload")]
    Locked,
    /// It has become a document.
    #[error("the upload has become document {document}")]
    Finished {
        /// Which.
        document: DocumentId,
    },
    /// All bytes are there, but it could not be made a document now. It can be later.
    #[error("all bytes are there, the document is not made yet")]
    Unfinished,
    /// The bytes do not begin where the upload stands.
    #[error("the upload stands at {expected}; got bytes from {got} on")]
    Offset {
        /// Where it stands.
        expected: u64,
        /// What was sent.
        got: u64,
    },
    /// More bytes than were announced.
    #[error("the upload takes {remaining} more bytes")]
    TooLong {
        /// How many are still to come.
        remaining: u64,
    },
    /// The bytes did not come to their end. Those that came are kept, unless they had a checksum.
    #[error("the bytes broke off; the upload stands at {offset}")]
    Broken {
        /// Where it stands.
        offset: u64,
    },
    /// The bytes do not have their checksum. None of them is kept.
    #[error("the bytes have the checksum {got} where {expected} was sent")]
    Checksum {
        /// What was sent, in hex.
        expected: String,
        /// Of what came, in hex.
        got: String,
    },
    /// One request after another brought no bytes.
    #[error("{max} requests in a row brought no bytes")]
    NoBytes {
        /// How many may.
        max: u32,
    },
    /// The bytes came in too many small requests.
    #[error("the upload came in {max} pieces and takes no more")]
    TooManyPieces {
        /// How many it takes.
        max: u32,
    },
    /// As much is open as may be.
    #[error("{whose} may have {what} open")]
    TooMuchOpen {
        /// The client or the authority.
        whose: &'static str,
        /// How many uploads, or bytes of them.
        what: String,
    },
    /// The upload that this idempotency key began is gone.
    #[error("the upload that this idempotency key began is gone")]
    KeySpent,
    /// What breaks a rule for documents.
    #[error(transparent)]
    Receive(#[from] ReceiveError),
    /// The store or the keystore failed.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The database failed.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

impl Uploads {
    /// Uploads that become documents by `receiver`.
    pub fn new(receiver: Receiver, bounds: Bounds) -> Self {
        Self { receiver, bounds, locks: Locks::default() }
    }

    /// The largest upload, in bytes.
    pub const fn bytes_max(&self) -> u64 {
        self.receiver.bytes_max
    }

    /// Begins an upload; the same again under the same key gives the same one, as far as it has come.
    pub async fn begin(
        &self,
        sender: &Sender,
        new: NewUpload,
        key: Option<String>,
    ) -> Result<Upload, UploadError> {
        match new.size {
            0 => return Err(ReceiveError::Empty.into()),
            size if size > self.bytes_max() => {
                return Err(ReceiveError::TooLarge { max: self.bytes_max() }.into());
            }
            _ => {}
        }
        let print = fingerprint(&new);
        let upload = self.row(sender, new);
        let scope = key.map(|key| Scope {
            authority: sender.authority,
            client: sender.client.clone(),
            route: ROUTE,
            key,
        });
        let (bounds, lease) = (self.bounds, idempotency::Lease::draw(&*self.receiver.random));
        let begun = self.receiver.database.write(move |tx| {
            Box::pin(async move {
                let Some(scope) = scope else { return insert(tx, upload, &bounds).await };
                let now = upload.created_at;
                match idempotency::claim(tx, &scope, print, lease, now, now + bounds.kept).await? {
                    Claim::Done(answer) => again(tx, &upload, &answer).await,
                    Claim::Running => Err(ReceiveError::KeyInUse.into()),
                    Claim::Mismatch => Err(ReceiveError::KeyReused.into()),
                    Claim::Fresh(lease) => {
                        let upload = insert(tx, upload, &bounds).await?;
                        let body = upload.id.to_string().into_bytes();
                        let answer = StoredAnswer { status: 201, headers: Vec::new(), body };
                        match idempotency::complete(tx, &scope, lease, &answer).await {
                            Ok(()) => Ok(upload),
                            Err(CompleteError::LeaseLost) => Err(ReceiveError::KeyInUse.into()),
                            Err(CompleteError::Database(error)) => Err(error.into()),
                        }
                    }
                }
            })
        });
        begun.await
    }

    /// How an upload stands, without touching it.
    pub async fn find(&self, authority: AuthorityId, id: UploadId) -> Result<Upload, UploadError> {
        let database = &self.receiver.database;
        let found = database.read(move |tx| Box::pin(uploads::find(tx, authority, id))).await;
        let found: Option<Upload> = found.map_err(|error: DatabaseError| error)?;
        let upload = found.ok_or(UploadError::NotFound)?;
        if upload.expires_at <= self.receiver.clock.now() { Err(UploadError::Expired) } else { Ok(upload) }
    }

    /// Where a client has to go on. A request that still works on the upload is asked to stop; what it has taken in
    /// by then counts. An upload of which all bytes are there is a document when this answers.
    pub async fn settle(&self, authority: AuthorityId, id: UploadId) -> Result<Upload, UploadError> {
        let upload = self.find(authority, id).await?;
        if upload.document.is_some() {
            return Ok(upload);
        }
        let hold = self.locks.hold(id, PATIENCE).await.ok_or(UploadError::Locked)?;
        let upload = self.find(authority, id).await?;
        if upload.document.is_some() || !upload.is_complete() {
            return Ok(upload);
        }
        match self.finish_held(upload, hold).await {
            Err(error) if error.may_pass() => {
                tracing::warn!(%error, "an upload is complete and cannot be made a document now");
                Err(UploadError::Unfinished)
            }
            settled => settled,
        }
    }

    /// Ends an upload that is not a document: nothing of it remains.
    pub async fn end(&self, authority: AuthorityId, id: UploadId) -> Result<(), UploadError> {
        self.find(authority, id).await?;
        let _hold = self.locks.hold(id, PATIENCE).await.ok_or(UploadError::Locked)?;
        let upload = self.find(authority, id).await?;
        if let Some(document) = upload.document {
            return Err(UploadError::Finished { document });
        }
        let doomed = self.receiver.database.write(move |tx| Box::pin(uploads::doom(tx, id)));
        doomed.await.map_err(|error: DatabaseError| error)?;
        if let Err(error) = self.discard(&upload).await {
            // Nobody sees it any more; what is left is removed when the expired ones are.
            tracing::warn!(%error, "an ended upload could not be removed at once");
        }
        Ok(())
    }

    fn row(&self, sender: &Sender, new: NewUpload) -> Upload {
        let now = self.receiver.clock.now();
        let digests: Vec<String> = new.digests.iter().map(ToString::to_string).collect();
        Upload {
            id: UploadId::draw(&*self.receiver.random),
            authority: sender.authority,
            client: sender.client.clone(),
            role: sender.role.to_owned(),
            size: new.size,
            received: 0,
            piece_count: 0,
            empty_patches: 0,
            metadata: new.metadata.raw,
            digests: json!(digests).to_string(),
            created_at: now,
            expires_at: now + self.bounds.kept,
            document: None,
        }
    }
}

impl UploadError {
    /// Whether the same may succeed later.
    fn may_pass(&self) -> bool {
        if let Self::Receive(ReceiveError::Unscanned(why)) = self {
            return why.may_pass();
        }
        matches!(
            self,
            Self::Unfinished
                | Self::Vault(_)
                | Self::Database(_)
                | Self::Receive(
                    ReceiveError::Vault(_)
                        | ReceiveError::Database(_)
                        | ReceiveError::KeyInUse
                        | ReceiveError::Incomplete { .. }
                )
        )
    }
}

/// Writes the row, if as much may be open.
async fn insert(tx: &mut Tx, upload: Upload, bounds: &Bounds) -> Result<Upload, UploadError> {
    let usage = uploads::usage(tx, upload.authority, &upload.client).await?;
    bounds.permit(&usage, upload.size)?;
    uploads::insert(tx, &upload);
    Ok(upload)
}

/// The upload that was begun under the key before.
async fn again(tx: &mut Tx, asked: &Upload, answer: &StoredAnswer) -> Result<Upload, UploadError> {
    let id = std::str::from_utf8(&answer.body).ok().and_then(|text| text.parse().ok());
    let found = match id {
        Some(id) => uploads::find(tx, asked.authority, id).await?,
        None => None,
    };
    found.filter(|upload| upload.expires_at > asked.created_at).ok_or(UploadError::KeySpent)
}

impl Bounds {
    fn permit(&self, usage: &Usage, size: u64) -> Result<(), UploadError> {
        let counts = [
            ("the client", usage.client_open, self.client_open_max),
            ("the authority", usage.authority_open, self.authority_open_max),
        ];
        for (whose, open, max) in counts {
            if open >= max {
                return Err(UploadError::TooMuchOpen { whose, what: format!("{max} uploads") });
            }
        }
        let bytes = [
            ("the client", usage.client_bytes, self.client_bytes_max),
            ("the authority", usage.authority_bytes, self.authority_bytes_max),
        ];
        for (whose, open, max) in bytes {
            if open.saturating_add(size) > max {
                return Err(UploadError::TooMuchOpen { whose, what: format!("uploads of {max} bytes") });
            }
        }
        Ok(())
    }
}

/// Over the creation as understood.
fn fingerprint(new: &NewUpload) -> Sha256 {
    let digests: Vec<String> = new.digests.iter().map(ToString::to_string).collect();
    let understood = json!({
        "format": 1,
        "size": new.size,
        "fields": new.metadata.fields,
        "fileName": new.metadata.file_name,
        "contentType": new.metadata.content_type,
        "digests": digests,
    });
    Sha256::of(understood.to_string().as_bytes())
}
