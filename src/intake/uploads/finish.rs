//! An upload of which all bytes are there becomes a document: its pieces are read as one body by the code that
//! receives documents, and the document is kept under an idempotency key made of the upload's id.
//!
//! So the digest of the whole is taken from the sealed bytes, however often the server was restarted, and a crash
//! anywhere is repeated: before the document's transaction nothing was done, behind it the key gives the same document.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures_util::{Stream, stream};

use super::{Hold, Metadata, UploadError, Uploads};
use crate::access::Role;
use crate::database::DatabaseError;
use crate::database::idempotency::{KEPT, Scope, StoredAnswer};
use crate::database::uploads::{self, Piece, Upload};
use crate::domain::ids::DocumentId;
use crate::intake::receive::{Claims, Kept, Once, Outcome, ReceiveError, Sender};
use crate::objects::{ObjectRef, OpenObject, Vault, VaultError};
use crate::scan::Signature;

/// Within what an upload's id is the key of its document.
const ROUTE: &str = "/v1/uploads/{id}";
/// The status under which it is remembered that an upload was infected.
const INFECTED: u16 = 422;
/// Bytes that are read and held at a time.
const READ_BYTES: u64 = 256 * 1024;

/// What went wrong while pieces were read.
type Failure = Arc<Mutex<Option<VaultError>>>;

impl Uploads {
    /// Makes the document in a task of its own, which ends also if nobody waits for it any more.
    pub(super) async fn finish_held(&self, upload: Upload, hold: Hold) -> Result<Upload, UploadError> {
        let uploads = self.clone();
        let task = tokio::spawn(async move {
            let finished = uploads.finish(upload).await;
            drop(hold);
            finished
        });
        task.await.unwrap_or(Err(UploadError::Unfinished))
    }

    /// Makes the document. What breaks a rule for documents ends the upload.
    pub(super) async fn finish(&self, mut upload: Upload) -> Result<Upload, UploadError> {
        let id = upload.id;
        let pieces = self.receiver.database.read(move |tx| Box::pin(uploads::pieces(tx, id))).await;
        let pieces: Vec<Piece> = pieces.map_err(|error: DatabaseError| error)?;
        let document = match self.document_of(&upload, &pieces).await {
            Err(error) if !error.may_pass() => {
                self.discard_refused(&upload).await;
                return Err(error);
            }
            document => document?,
        };
        let expires_at = self.receiver.clock.now() + KEPT;
        let noted = self
            .receiver
            .database
            .write(move |tx| Box::pin(async move { uploads::finish(tx, id, document, expires_at).await }));
        noted.await.map_err(|error: DatabaseError| error)?;
        self.delete_pieces(&upload, &pieces).await.unwrap_or_else(|error| {
            tracing::warn!(%error, "the pieces of a finished upload could not be removed at once");
        });
        upload.document = Some(document);
        upload.expires_at = expires_at;
        upload.metadata.clear();
        Ok(upload)
    }

    async fn document_of(&self, upload: &Upload, pieces: &[Piece]) -> Result<DocumentId, UploadError> {
        let damaged = |_| UploadError::Unfinished;
        // Both were parsed before the upload was begun.
        let metadata = Metadata::parse(&upload.metadata).map_err(damaged)?;
        let claims = Claims {
            content_type: metadata.content_type,
            file_name: metadata.file_name,
            length: Some(upload.size),
            digests: serde_json::from_str(&upload.digests).map_err(|_| UploadError::Unfinished)?,
        };
        let failure = Failure::default();
        let body = whole(self.receiver.vault.clone(), upload, pieces, Arc::clone(&failure));
        let uploaded = self.receiver.take_in(upload.authority, claims, body).await;
        if let Some(failed) = failure.lock().unwrap_or_else(PoisonError::into_inner).take() {
            return Err(failed.into());
        }
        let kept = self.receiver.keep(uploaded?, &metadata.fields, &sender(upload), Some(once(upload))).await;
        match kept? {
            Kept::New(document) | Kept::Held(document) => Ok(document.id),
            Kept::Known(document) => Ok(document),
            Kept::Before(answer) => document_in(&answer),
        }
    }

    /// Removes an upload that cannot become a document. What fails here is done when the upload has expired.
    pub(super) async fn discard_refused(&self, upload: &Upload) {
        if let Err(error) = self.discard(upload).await {
            tracing::warn!(%error, "a refused upload could not be removed at once");
        }
    }

    /// Removes the pieces, then the rows.
    pub(super) async fn discard(&self, upload: &Upload) -> Result<(), UploadError> {
        let id = upload.id;
        let pieces = self.receiver.database.read(move |tx| Box::pin(uploads::pieces(tx, id))).await;
        let pieces: Vec<Piece> = pieces.map_err(|error: DatabaseError| error)?;
        self.delete_pieces(upload, &pieces).await?;
        let removed = self.receiver.database.write(move |tx| Box::pin(uploads::remove(tx, id)));
        Ok(removed.await.map_err(|error: DatabaseError| error)?)
    }

    /// The first one goes first: with its key all of them are unreadable.
    async fn delete_pieces(&self, upload: &Upload, pieces: &[Piece]) -> Result<(), VaultError> {
        for (at, _) in placed(upload, pieces) {
            self.receiver.vault.delete(at).await?;
        }
        Ok(())
    }
}

/// Where the pieces lie, and how long they are.
fn placed(upload: &Upload, pieces: &[Piece]) -> Vec<(ObjectRef, u64)> {
    let Some(first) = pieces.first().map(|piece| piece.object) else { return Vec::new() };
    let at = |piece: &Piece| ObjectRef { authority: upload.authority, object: piece.object, key: first };
    pieces.iter().map(|piece| (at(piece), piece.size)).collect()
}

/// A place between two reads.
struct Place {
    vault: Vault,
    left: std::vec::IntoIter<(ObjectRef, u64)>,
    open: Option<(OpenObject, u64)>,
}

/// The bytes of all pieces as one body. Why it broke off is left in `failure`.
fn whole(
    vault: Vault,
    upload: &Upload,
    pieces: &[Piece],
    failure: Failure,
) -> impl Stream<Item = Result<Bytes, ()>> + Send + use<> {
    let start = Place { vault, left: placed(upload, pieces).into_iter(), open: None };
    stream::try_unfold(start, move |mut place| {
        let failure = Arc::clone(&failure);
        async move {
            match place.next().await {
                Ok(bytes) => Ok(bytes.map(|bytes| (bytes, place))),
                Err(error) => {
                    *failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                    Err(())
                }
            }
        }
    })
}

impl Place {
    async fn next(&mut self) -> Result<Option<Bytes>, VaultError> {
        let (object, at) = match self.open.take() {
            Some(open) => open,
            None => {
                let Some((at, size)) = self.left.next() else { return Ok(None) };
                (self.vault.open(at, Some(size)).await?, 0)
            }
        };
        let end = object.size().min(at + READ_BYTES);
        let bytes = object.read(at..end).await?;
        if end < object.size() {
            self.open = Some((object, end));
        }
        Ok(Some(bytes.into()))
    }
}

/// Who began it.
fn sender(upload: &Upload) -> Sender {
    let roles = [Role::Engine, Role::Clerk, Role::Registrar];
    let role = roles.iter().find(|role| role.as_str() == upload.role);
    Sender {
        authority: upload.authority,
        client: upload.client.clone(),
        role: role.map_or("", |role| role.as_str()),
        request_id: None,
    }
}

fn once(upload: &Upload) -> Once {
    let scope = Scope {
        authority: upload.authority,
        client: upload.client.clone(),
        route: ROUTE,
        key: upload.id.to_string(),
    };
    Once { scope, answer }
}

/// What is remembered of an upload's end: the document, or what was found instead.
fn answer(outcome: Outcome<'_>) -> StoredAnswer {
    let (status, text) = match outcome {
        Outcome::Kept(document) => (201, document.id.to_string()),
        Outcome::Held(document) => (202, document.id.to_string()),
        Outcome::Infected(signature) => (INFECTED, signature.to_string()),
    };
    StoredAnswer { status, headers: Vec::new(), body: text.into_bytes() }
}

fn document_in(answer: &StoredAnswer) -> Result<DocumentId, UploadError> {
    let text = std::str::from_utf8(&answer.body).map_err(|_| UploadError::Unfinished)?;
    if answer.status == INFECTED
        && let Ok(signature) = Signature::try_from(text.to_owned())
    {
        return Err(ReceiveError::Infected { signature }.into());
    }
    text.parse().map_err(|_| UploadError::Unfinished)
}
