//! Direct uploads: a sender puts a file into the store's staging folder by a signed request, and we take it in from
//! there like any other upload: digest, type, encryption, rows. Then the staged file is removed.
//!
//! What lies in the staging folder is plain text: it is read back, never referred to, and swept. Knows no HTTP.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, stream};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::fields::{FieldError, Fields, FileName};
use super::receive::{Claims, Kept, Once, Outcome, ReceiveError, Receiver, Sender};
use crate::database::DatabaseError;
use crate::database::direct_uploads::{self as rows, DirectUpload};
use crate::database::idempotency::{KEPT, Scope, StoredAnswer};
use crate::domain::digest::Sha256;
use crate::domain::ids::DirectUploadId;
use crate::objects::{ObjectPath, ObjectStore as _, S3Store, SignedPut, StoreError};

/// The template under which each ticket is one request that is answered once.
const ROUTE: &str = "/v1/uploads/direct/{id}/complete";
/// The folder of files that are not taken in yet.
const FOLDER: &str = "staging";
/// Bytes that are read from there at a time.
const PIECE_BYTES: u64 = 1 << 20;
/// After its end a file that was put in time may still be completed for so long.
const GRACE: SignedDuration = SignedDuration::from_hours(1);

/// What a sender says about a file that is to come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Announced {
    /// Its bytes, counted.
    pub size: u64,
    /// Their digest.
    pub sha256: Sha256,
    /// The type the sender claims.
    pub content_type: Option<String>,
    /// What the sender calls it.
    pub file_name: Option<String>,
    /// The fields of the document, by name.
    pub fields: Vec<(String, String)>,
}

/// A ticket and the request it stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ticket {
    /// To be named when the file is there.
    pub id: DirectUploadId,
    /// The request that puts it there.
    pub put: SignedPut,
    /// From then on it is refused.
    pub expires_at: Timestamp,
}

/// Why there is no ticket, or no document.
#[derive(Debug, thiserror::Error)]
pub enum DirectError {
    /// No such ticket of this client, or its time is over.
    #[error("there is no such direct upload")]
    NotFound,
    /// Nothing was put there, or not all of it.
    #[error("the file has not been put there yet")]
    NotThere,
    /// A field is wrong.
    #[error(transparent)]
    Field(#[from] FieldError),
    /// The file is not taken.
    #[error(transparent)]
    Receive(#[from] ReceiveError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The database failed.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

/// What takes direct uploads in. Clones share it.
#[derive(Clone)]
pub struct Direct {
    /// The store that signs.
    pub store: S3Store,
    /// Takes in what was put there.
    pub receiver: Receiver,
    /// How long a signed request is good.
    pub lifetime: Duration,
}

impl Direct {
    /// Signs a request for a file that was announced. Nothing of it is there yet.
    pub async fn announce(&self, sender: &Sender, announced: &Announced) -> Result<Ticket, DirectError> {
        let max = self.receiver.bytes_max;
        if announced.size > max {
            return Err(ReceiveError::TooLarge { max }.into());
        }
        if announced.size == 0 {
            return Err(ReceiveError::Empty.into());
        }
        fields_of(announced)?;
        let id = DirectUploadId::draw(&*self.receiver.random);
        let put = self.store.sign_put(&staged(id)?, announced.size, announced.sha256, self.lifetime).await?;
        let created_at = self.receiver.clock.now();
        let lifetime = SignedDuration::try_from(self.lifetime).unwrap_or(SignedDuration::ZERO);
        let expires_at = created_at + lifetime;
        let row = DirectUpload {
            id,
            authority: sender.authority,
            client: sender.client.clone(),
            ticket: serde_json::to_string(announced)
                .map_err(|error| DatabaseError::Statement(error.to_string()))?,
            created_at,
            expires_at,
            sweep_at: expires_at + GRACE,
            answer: None,
        };
        let kept =
            self.receiver.database.write(move |tx| Box::pin(async move { rows::insert(tx, &row).await }));
        kept.await?;
        Ok(Ticket { id, put, expires_at })
    }

    /// Makes the file that was put there a document, once: asked again, the answer is the same.
    pub async fn complete(
        &self,
        sender: &Sender,
        id: DirectUploadId,
        answer: fn(Outcome<'_>) -> StoredAnswer,
    ) -> Result<StoredAnswer, DirectError> {
        let row = self.find(sender, id).await?;
        if let Some(answer) = row.answer {
            return Ok(answer);
        }
        match self.take_over(sender, &row, answer).await {
            Err(error) => {
                // Somebody else may have completed it and taken the file away meanwhile.
                let now = self.find(sender, id).await?;
                now.answer.ok_or(error)
            }
            Ok(answer) => {
                let kept = answer.clone();
                let written = self
                    .receiver
                    .database
                    .write(move |tx| Box::pin(async move { rows::complete(tx, id, &kept).await }));
                let written: Result<(), DatabaseError> = written.await;
                written?;
                // If this fails, the sweep does it.
                let _ = self.store.delete(&staged(id)?).await;
                Ok(answer)
            }
        }
    }

    async fn find(&self, sender: &Sender, id: DirectUploadId) -> Result<DirectUpload, DirectError> {
        let (authority, client) = (sender.authority, sender.client.clone());
        let found: Result<_, DatabaseError> = self
            .receiver
            .database
            .read(move |tx| Box::pin(async move { rows::find(tx, authority, &client, id).await }))
            .await;
        let now = self.receiver.clock.now();
        found?.filter(|row| row.answer.is_some() || now < row.sweep_at).ok_or(DirectError::NotFound)
    }

    async fn take_over(
        &self,
        sender: &Sender,
        row: &DirectUpload,
        answer: fn(Outcome<'_>) -> StoredAnswer,
    ) -> Result<StoredAnswer, DirectError> {
        let announced: Announced =
            serde_json::from_str(&row.ticket).map_err(|error| DatabaseError::Statement(error.to_string()))?;
        let path = staged(row.id)?;
        let size = match self.store.size(&path).await {
            Err(StoreError::NotFound { .. }) => return Err(DirectError::NotThere),
            size => size?,
        };
        if size != announced.size {
            let _ = self.store.delete(&path).await;
            return Err(ReceiveError::Incomplete { got: size }.into());
        }
        let claims = Claims {
            content_type: announced.content_type.clone(),
            file_name: announced.file_name.as_deref().and_then(FileName::for_display),
            length: Some(announced.size),
            digests: vec![announced.sha256],
        };
        let body = pieces(self.store.clone(), path.clone(), size);
        let uploaded = match self.receiver.take_in(sender.authority, claims, body).await {
            // The file is not the one that was announced: it goes, and may be put there again in time.
            Err(error) if is_about_the_file(&error) => {
                let _ = self.store.delete(&path).await;
                return Err(error.into());
            }
            // All of it is there: if it broke off, it was the store.
            Err(ReceiveError::Incomplete { got }) => return Err(broke_off(&path, got).into()),
            uploaded => uploaded?,
        };
        let scope = Scope {
            authority: sender.authority,
            client: sender.client.clone(),
            route: ROUTE,
            key: row.id.to_string(),
        };
        let once = Some(Once { scope, answer });
        let kept = match self.receiver.keep(uploaded, &fields_of(&announced)?, sender, once).await {
            // It is in quarantine: this too is the end of the ticket.
            Err(ReceiveError::Infected { signature }) => return Ok(answer(Outcome::Infected(&signature))),
            kept => kept?,
        };
        match kept {
            Kept::New(document) => Ok(answer(Outcome::Kept(&document))),
            Kept::Held(document) => Ok(answer(Outcome::Held(&document))),
            Kept::Before(answer) => Ok(answer),
            Kept::Known(document) => Ok(StoredAnswer {
                status: 200,
                headers: Vec::new(),
                body: format!("{{\"id\":\"{document}\"}}").into_bytes(),
            }),
        }
    }

    /// Removes what has had its time: files that were never completed, or put there again after they were; and tickets,
    /// those with an answer once it has been remembered as long as any other.
    pub async fn sweep(&self) -> Result<usize, DirectError> {
        let now = self.receiver.clock.now();
        let database = &self.receiver.database;
        let due: Result<Vec<DirectUpload>, DatabaseError> =
            database.read(move |tx| Box::pin(rows::due(tx, now))).await;
        let due = due?;
        for row in &due {
            self.store.delete(&staged(row.id)?).await?;
            let (id, until) = (row.id, row.created_at + KEPT);
            let is_kept = row.answer.is_some() && now < until;
            let noted: Result<(), DatabaseError> = database
                .write(move |tx| {
                    Box::pin(async move {
                        if is_kept {
                            rows::keep_until(tx, id, until).await
                        } else {
                            rows::delete(tx, id).await
                        }
                    })
                })
                .await;
            noted?;
        }
        Ok(due.len())
    }
}

fn fields_of(announced: &Announced) -> Result<Fields, FieldError> {
    let mut fields = Fields::default();
    announced.fields.iter().try_for_each(|(name, text)| fields.take(name, text))?;
    Ok(fields)
}

fn staged(id: DirectUploadId) -> Result<ObjectPath, StoreError> {
    let name = format!("{FOLDER}/{id}");
    let wrong =
        |error| StoreError::Io { doing: "name", path: id.to_string(), source: std::io::Error::other(error) };
    ObjectPath::try_from(name).map_err(wrong)
}

fn broke_off(path: &ObjectPath, got: u64) -> StoreError {
    let source = std::io::Error::other(format!("it broke off after {got} bytes"));
    StoreError::Io { doing: "read", path: path.to_string(), source }
}

/// Whether another attempt with the same file would end the same way.
const fn is_about_the_file(error: &ReceiveError) -> bool {
    matches!(
        error,
        ReceiveError::Empty
            | ReceiveError::TooLarge { .. }
            | ReceiveError::Digest { .. }
            | ReceiveError::Type(_)
    )
}

/// The staged file, piece by piece.
fn pieces(store: S3Store, path: ObjectPath, size: u64) -> impl Stream<Item = Result<Bytes, StoreError>> {
    stream::try_unfold(0, move |start| {
        let (store, path) = (store.clone(), path.clone());
        async move {
            if start >= size {
                return Ok(None);
            }
            let end = (start + PIECE_BYTES).min(size);
            let piece = store.read(&path, Some(start..end)).await?;
            Ok(Some((piece, end)))
        }
    })
}
