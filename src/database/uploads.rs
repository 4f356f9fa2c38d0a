//! Uploads in progress and the pieces of them that are durable. Queries for a caller name the authority: what is
//! another's does not exist.

use jiff::Timestamp;

use super::{DatabaseError, Row, Tx, sql};
use crate::domain::ids::{AuthorityId, DocumentId, ObjectId, UploadId};

/// An upload as its row says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upload {
    /// Its identifier.
    pub id: UploadId,
    /// Whose it is.
    pub authority: AuthorityId,
    /// The client that began it.
    pub client: String,
    /// As what the client began it.
    pub role: String,
    /// Bytes that were announced; at least 1.
    pub size: u64,
    /// Bytes that are durable.
    pub received: u64,
    /// Pieces they lie in.
    pub piece_count: u32,
    /// Requests in a row that brought no bytes.
    pub empty_patches: u32,
    /// What the client said of the file, as sent; empty once it is a document.
    pub metadata: String,
    /// Announced digests, as JSON; empty once it is a document.
    pub digests: String,
    /// When it was begun.
    pub created_at: Timestamp,
    /// From when on it does not exist any more.
    pub expires_at: Timestamp,
    /// The document it has become.
    pub document: Option<DocumentId>,
}

/// Bytes of an upload that are durable together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece {
    /// Where they lie. The first piece of an upload has a data key of its own, the others are sealed beside it.
    pub object: ObjectId,
    /// How many.
    pub size: u64,
}

/// Uploads that have not become documents: how many, and how many bytes they announced.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Of the client.
    pub client_open: u64,
    /// Of the client.
    pub client_bytes: u64,
    /// Of all clients of the authority.
    pub authority_open: u64,
    /// Of all clients of the authority.
    pub authority_bytes: u64,
}

impl Upload {
    /// Whether all announced bytes are there.
    pub const fn is_complete(&self) -> bool {
        self.received == self.size
    }
}

/// What an authority and one of its clients have begun. Works that count and then insert wait for each other.
pub async fn usage(tx: &mut Tx, authority: AuthorityId, client: &str) -> Result<Usage, DatabaseError> {
    tx.serialize_on(&format!("uploads/{authority}")).await?;
    let row = sql("SELECT COUNT(*) AS authority_open, CAST(COALESCE(SUM(size), 0) AS BIGINT) AS authority_bytes,
                       CAST(COALESCE(SUM(CASE WHEN client = $2 THEN 1 ELSE 0 END), 0) AS BIGINT) AS client_open,
                       CAST(COALESCE(SUM(CASE WHEN client = $2 THEN size ELSE 0 END), 0) AS BIGINT) AS client_bytes
                   FROM uploads WHERE authority = $1 AND document IS NULL")
    .bind(authority)
    .bind(client)
    .one(tx)
    .await?;
    Ok(Usage {
        client_open: row.get("client_open")?,
        client_bytes: row.get("client_bytes")?,
        authority_open: row.get("authority_open")?,
        authority_bytes: row.get("authority_bytes")?,
    })
}

/// Writes a new upload, of which nothing has come yet.
pub fn insert(tx: &mut Tx, upload: &Upload) {
    sql("INSERT INTO uploads (id, authority, client, role, size, metadata, digests, created_at, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)")
    .bind(upload.id)
    .bind(upload.authority)
    .bind(&upload.client)
    .bind(&upload.role)
    .bind(upload.size)
    .bind(&upload.metadata)
    .bind(&upload.digests)
    .bind(upload.created_at)
    .bind(upload.expires_at)
    .later(tx);
}

/// The upload, if it is one of the authority's.
pub async fn find(
    tx: &mut Tx,
    authority: AuthorityId,
    id: UploadId,
) -> Result<Option<Upload>, DatabaseError> {
    let row = sql("SELECT * FROM uploads WHERE id = $1 AND authority = $2");
    row.bind(id).bind(authority).optional(tx).await?.as_ref().map(upload).transpose()
}

/// Adds pieces behind those of `before`, if nobody else added any since; answers whether they were added.
pub async fn add(
    tx: &mut Tx,
    before: &Upload,
    pieces: &[Piece],
    expires_at: Timestamp,
) -> Result<bool, DatabaseError> {
    let bytes: u64 = pieces.iter().map(|piece| piece.size).sum();
    let count = u32::try_from(pieces.len()).unwrap_or(u32::MAX);
    let moved = sql("UPDATE uploads SET received = received + $4, piece_count = piece_count + $5, empty_patches = 0,
                         expires_at = $6
                     WHERE id = $1 AND received = $2 AND piece_count = $3 AND document IS NULL AND expires_at > 0")
    .bind(before.id)
    .bind(before.received)
    .bind(before.piece_count)
    .bind(bytes)
    .bind(count)
    .bind(expires_at)
    .execute(tx)
    .await?;
    if moved == 0 {
        return Ok(false);
    }
    for (number, piece) in (before.piece_count..).zip(pieces) {
        sql("INSERT INTO upload_pieces (upload, number, object, size) VALUES ($1, $2, $3, $4)")
            .bind(before.id)
            .bind(number)
            .bind(piece.object)
            .bind(piece.size)
            .later(tx);
    }
    Ok(true)
}

/// Counts a request that brought no bytes.
pub async fn count_empty(tx: &mut Tx, id: UploadId) -> Result<(), DatabaseError> {
    sql("UPDATE uploads SET empty_patches = empty_patches + 1 WHERE id = $1").bind(id).later(tx);
    Ok(())
}

/// The first piece of an upload, under whose data key the others are sealed.
pub async fn first_piece(tx: &mut Tx, id: UploadId) -> Result<Option<ObjectId>, DatabaseError> {
    let row = sql("SELECT object FROM upload_pieces WHERE upload = $1 AND number = 0");
    row.bind(id).optional(tx).await?.map(|row| row.id("object")).transpose()
}

/// The pieces of an upload, in their order.
pub async fn pieces(tx: &mut Tx, id: UploadId) -> Result<Vec<Piece>, DatabaseError> {
    let rows = sql("SELECT object, size FROM upload_pieces WHERE upload = $1 ORDER BY number");
    let piece = |row: &Row| Ok(Piece { object: row.id("object")?, size: row.get("size")? });
    rows.bind(id).all(tx).await?.iter().map(piece).collect()
}

/// Notes the document that an upload has become, and forgets its pieces and all that was said of the file.
pub async fn finish(
    tx: &mut Tx,
    id: UploadId,
    document: DocumentId,
    expires_at: Timestamp,
) -> Result<(), DatabaseError> {
    sql("UPDATE uploads SET document = $2, expires_at = $3, metadata = '', digests = '', piece_count = 0
         WHERE id = $1")
    .bind(id)
    .bind(document)
    .bind(expires_at)
    .later(tx);
    sql("DELETE FROM upload_pieces WHERE upload = $1").bind(id).later(tx);
    Ok(())
}

/// Ends an upload: from now on it does not exist for anybody, and its pieces are not wanted.
pub async fn doom(tx: &mut Tx, id: UploadId) -> Result<(), DatabaseError> {
    sql("UPDATE uploads SET expires_at = 0, metadata = '', digests = '' WHERE id = $1").bind(id).later(tx);
    Ok(())
}

/// Removes the rows of an upload whose pieces are gone.
pub async fn remove(tx: &mut Tx, id: UploadId) -> Result<(), DatabaseError> {
    sql("DELETE FROM upload_pieces WHERE upload = $1").bind(id).later(tx);
    sql("DELETE FROM uploads WHERE id = $1").bind(id).later(tx);
    Ok(())
}

/// Uploads whose time is over, of all authorities, at most `max`.
pub async fn expired(tx: &mut Tx, now: Timestamp, max: u32) -> Result<Vec<Upload>, DatabaseError> {
    let rows = sql("SELECT * FROM uploads WHERE expires_at <= $1 ORDER BY expires_at, id LIMIT $2");
    rows.bind(now).bind(max).all(tx).await?.iter().map(upload).collect()
}

/// Uploads of which all bytes are there and that have not become documents, of all authorities, at most `max`.
pub async fn unfinished(tx: &mut Tx, now: Timestamp, max: u32) -> Result<Vec<Upload>, DatabaseError> {
    let rows = sql("SELECT * FROM uploads WHERE document IS NULL AND received = size AND expires_at > $1
                    ORDER BY expires_at, id LIMIT $2");
    rows.bind(now).bind(max).all(tx).await?.iter().map(upload).collect()
}

fn upload(row: &Row) -> Result<Upload, DatabaseError> {
    Ok(Upload {
        id: row.id("id")?,
        authority: row.id("authority")?,
        client: row.text("client")?,
        role: row.text("role")?,
        size: row.get("size")?,
        received: row.get("received")?,
        piece_count: row.get("piece_count")?,
        empty_patches: row.get("empty_patches")?,
        metadata: row.text("metadata")?,
        digests: row.text("digests")?,
        created_at: row.time("created_at")?,
        expires_at: row.time("expires_at")?,
        document: row.get("document")?,
    })
}
