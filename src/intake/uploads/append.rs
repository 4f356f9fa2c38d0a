//! Continuing an upload: bytes become sealed pieces; each piece that is durable moves the offset on.
//!
//! Without a checksum every piece of 8 MiB counts as soon as it is durable, and what came before the bytes broke off
//! counts too. With one, all bytes of the request count together or none.

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};

use super::checksum::{Check, Checksum};
use super::{Hold, Metadata, UploadError, Uploads};
use crate::database::DatabaseError;
use crate::database::uploads::{self, Piece, Upload};
use crate::domain::ids::{AuthorityId, ObjectId, UploadId};
use crate::intake::fields::FileName;
use crate::intake::media_type::{self, HEAD_BYTES};
use crate::intake::receive::ReceiveError;
use crate::objects::{ObjectRef, SealingWriter};

/// Bytes of a piece: what is lost at most when a server dies while bytes come in.
pub(super) const PIECE_BYTES: u64 = 8 << 20;
/// Pieces of an upload: enough for the largest one in requests of 256 KiB.
pub const PIECES_MAX: u32 = 10_000;
/// Requests in a row that may bring no bytes. Clients with a wrong setting send them for ever.
pub(super) const EMPTY_MAX: u32 = 3;

/// One request's bytes, as they were announced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// Where they begin.
    pub offset: u64,
    /// How many they are, if that was said.
    pub length: Option<u64>,
    /// Their checksum, if one was sent.
    pub checksum: Option<Checksum>,
}

/// How the bytes of a request ended.
enum End {
    Whole,
    /// The sender, or somebody who wants to know how the upload stands, has broken them off.
    BrokenOff,
    TooLong,
}

impl Uploads {
    /// Adds the bytes of one request. When they were the last ones, the upload is a document when this answers.
    pub async fn append<E>(
        &self,
        authority: AuthorityId,
        id: UploadId,
        chunk: Chunk,
        body: impl Stream<Item = Result<Bytes, E>>,
    ) -> Result<Upload, UploadError> {
        self.find(authority, id).await?;
        let hold = self.locks.try_hold(id).ok_or(UploadError::Locked)?;
        let upload = self.find(authority, id).await?;
        if chunk.offset != upload.received {
            return Err(UploadError::Offset { expected: upload.received, got: chunk.offset });
        }
        let remaining = upload.size - upload.received;
        if chunk.length.is_some_and(|length| length > remaining) {
            return Err(UploadError::TooLong { remaining });
        }
        if upload.document.is_some() {
            return Ok(upload);
        }
        let mut intake = Intake::new(self, upload, chunk.checksum).await?;
        if let Err(error) = intake.run(body, &hold).await {
            intake.discard().await;
            if matches!(&error, UploadError::Receive(_)) {
                self.discard_refused(&intake.upload).await;
            }
            return Err(error);
        }
        let upload = intake.upload;
        if upload.is_complete() { self.finish_held(upload, hold).await } else { Ok(upload) }
    }
}

/// What takes the bytes of one request in.
struct Intake<'u> {
    uploads: &'u Uploads,
    /// As it stands in the database.
    upload: Upload,
    /// The first piece, under whose data key the others are sealed.
    first: Option<ObjectId>,
    writer: Option<SealingWriter>,
    /// Durable, and not counted yet.
    pending: Vec<Piece>,
    check: Option<Check>,
    /// The first bytes of the file, until they show its type.
    head: Option<Vec<u8>>,
    /// Bytes of this request.
    taken: u64,
}

impl<'u> Intake<'u> {
    async fn new(
        uploads: &'u Uploads,
        upload: Upload,
        checksum: Option<Checksum>,
    ) -> Result<Self, UploadError> {
        let id = upload.id;
        let first = uploads.receiver.database.read(move |tx| Box::pin(uploads::first_piece(tx, id))).await;
        let first = first.map_err(|error: DatabaseError| error)?;
        let check = checksum.map(Checksum::check);
        let head = (upload.received == 0).then(Vec::new);
        Ok(Self { uploads, upload, first, writer: None, pending: Vec::new(), check, head, taken: 0 })
    }

    async fn run<E>(
        &mut self,
        body: impl Stream<Item = Result<Bytes, E>>,
        hold: &Hold,
    ) -> Result<(), UploadError> {
        let remaining = self.upload.size - self.upload.received;
        match self.read(body, hold, remaining).await? {
            End::TooLong => return Err(UploadError::TooLong { remaining }),
            End::BrokenOff if self.check.is_some() => {
                return Err(UploadError::Broken { offset: self.upload.received });
            }
            End::BrokenOff => {
                self.close_piece().await?;
                self.count_pending().await?;
                return Err(UploadError::Broken { offset: self.upload.received });
            }
            End::Whole => {}
        }
        if let Some((expected, got)) = self.check.take().and_then(Check::mismatch) {
            return Err(UploadError::Checksum { expected, got });
        }
        if self.taken == 0 {
            return self.count_empty().await;
        }
        self.close_piece().await?;
        self.count_pending().await
    }

    async fn read<E>(
        &mut self,
        body: impl Stream<Item = Result<Bytes, E>>,
        hold: &Hold,
        remaining: u64,
    ) -> Result<End, UploadError> {
        let mut body = std::pin::pin!(body);
        loop {
            let bytes = tokio::select! {
                biased;
                () = hold.asked_to_stop() => return Ok(End::BrokenOff),
                next = body.next() => match next {
                    None => return Ok(End::Whole),
                    Some(Err(_)) => return Ok(End::BrokenOff),
                    Some(Ok(bytes)) => bytes,
                },
            };
            self.taken += bytes.len() as u64;
            if self.taken > remaining {
                return Ok(End::TooLong);
            }
            self.take(&bytes).await?;
        }
    }

    async fn take(&mut self, mut bytes: &[u8]) -> Result<(), UploadError> {
        if let Some(check) = &mut self.check {
            check.update(bytes);
        }
        self.look_at_head(bytes)?;
        while !bytes.is_empty() {
            let mut writer = match self.writer.take() {
                Some(writer) => writer,
                None => self.begin_piece().await?,
            };
            let room = usize::try_from(PIECE_BYTES - writer.size()).unwrap_or(usize::MAX);
            let (now, later) = bytes.split_at(bytes.len().min(room));
            writer.write(now).await?;
            let full = writer.size() == PIECE_BYTES;
            self.writer = Some(writer);
            bytes = later;
            if full {
                self.close_piece().await?;
                if self.check.is_none() {
                    self.count_pending().await?;
                }
            }
        }
        Ok(())
    }

    /// Refuses what is not what it was announced as before all of it is sent, if one request brings the whole head;
    /// else that is found out at the end.
    fn look_at_head(&mut self, bytes: &[u8]) -> Result<(), UploadError> {
        let Some(head) = &mut self.head else { return Ok(()) };
        let room = HEAD_BYTES - head.len();
        head.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
        if head.len() < HEAD_BYTES {
            return Ok(());
        }
        let found = media_type::detect(head);
        self.head = None;
        // It was parsed before the upload was begun.
        let metadata = Metadata::parse(&self.upload.metadata).map_err(|_| UploadError::Unfinished)?;
        let name = metadata.file_name.as_ref().map(FileName::as_str);
        let checked = media_type::check_claim(metadata.content_type.as_deref(), name, found);
        checked.map(drop).map_err(|lie| ReceiveError::Type(lie).into())
    }

    async fn begin_piece(&mut self) -> Result<SealingWriter, UploadError> {
        let pending = u32::try_from(self.pending.len()).unwrap_or(u32::MAX);
        if self.upload.piece_count.saturating_add(pending) >= PIECES_MAX {
            return Err(UploadError::TooManyPieces { max: PIECES_MAX });
        }
        let (vault, authority) = (&self.uploads.receiver.vault, self.upload.authority);
        Ok(match self.first {
            None => vault.begin(authority).await?,
            Some(first) => vault.begin_beside(authority, first).await?,
        })
    }

    /// Makes the piece durable that is being written.
    async fn close_piece(&mut self) -> Result<(), UploadError> {
        let Some(writer) = self.writer.take() else { return Ok(()) };
        let sealed = writer.finish().await?;
        self.first.get_or_insert(sealed.at.object);
        self.pending.push(Piece { object: sealed.at.object, size: sealed.size });
        Ok(())
    }

    /// Moves the offset behind the pieces that are durable.
    async fn count_pending(&mut self) -> Result<(), UploadError> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let receiver = &self.uploads.receiver;
        let expires_at = receiver.clock.now() + self.uploads.bounds.kept;
        let (before, pieces) = (self.upload.clone(), self.pending.clone());
        let added = receiver
            .database
            .write(move |tx| Box::pin(async move { uploads::add(tx, &before, &pieces, expires_at).await }));
        if !added.await.map_err(|error: DatabaseError| error)? {
            return Err(UploadError::Locked);
        }
        for piece in self.pending.drain(..) {
            self.upload.received += piece.size;
            self.upload.piece_count += 1;
        }
        self.upload.expires_at = expires_at;
        Ok(())
    }

    async fn count_empty(&mut self) -> Result<(), UploadError> {
        if self.upload.is_complete() {
            return Ok(());
        }
        if self.upload.empty_patches >= EMPTY_MAX {
            return Err(UploadError::NoBytes { max: EMPTY_MAX });
        }
        let id = self.upload.id;
        let counted = self.uploads.receiver.database.write(move |tx| Box::pin(uploads::count_empty(tx, id)));
        Ok(counted.await.map_err(|error: DatabaseError| error)?)
    }

    /// Removes what is durable and does not count. What cannot be removed has no row and is swept later.
    async fn discard(&mut self) {
        self.writer = None;
        let (vault, authority) = (&self.uploads.receiver.vault, self.upload.authority);
        for piece in self.pending.drain(..) {
            let key = self.first.unwrap_or(piece.object);
            let at = ObjectRef { authority, object: piece.object, key };
            if let Err(error) = vault.delete(at).await {
                tracing::warn!(%error, "a piece of an upload could not be removed at once");
            }
        }
    }
}
