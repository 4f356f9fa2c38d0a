//! What stands still: work of which the database says that it is to be done, and that nobody has done for long.
//! Goes across authorities; changes nothing.

use jiff::Timestamp;
use serde_json::json;

use super::super::{DatabaseError, Row, Tx, sql};
use crate::domain::ids::{AuthorityId, CertificateId, DocumentId, UploadId};

/// A document and whose it is.
pub type Owned = (DocumentId, AuthorityId);

/// An erasure that has not come to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Erasing {
    /// The document.
    pub document: DocumentId,
    /// When it was decided.
    pub since: Timestamp,
    /// The step it waits for.
    pub waits_for: &'static str,
}

/// Documents stored before `before` that were not read out, without a flag that says why and without a job of `kind`
/// that would do it; at most `max`.
pub async fn unread(
    tx: &mut Tx,
    kind: &str,
    before: Timestamp,
    max: u32,
) -> Result<Vec<Owned>, DatabaseError> {
    let rows = sql("SELECT id, authority FROM documents
                    WHERE extracted_at IS NULL AND flag IS NULL AND stored_at <= $1 ORDER BY id");
    let candidates = rows.bind(before).all(tx).await?;
    let mut unread = Vec::new();
    for candidate in candidates.iter().map(owned) {
        let (document, authority) = candidate?;
        let job =
            sql("SELECT 1 AS there FROM jobs WHERE authority = $1 AND kind = $2 AND payload = $3 LIMIT 1");
        let payload = json!({ "document": document }).to_string();
        if job.bind(authority).bind(kind).bind(payload).optional(tx).await?.is_none() {
            unread.push((document, authority));
        }
        if unread.len() >= max as usize {
            break;
        }
    }
    Ok(unread)
}

/// Documents that were read out and of which the index was never told; at most `max`.
pub async fn untold(tx: &mut Tx, max: u32) -> Result<Vec<Owned>, DatabaseError> {
    let rows = sql("SELECT id, authority FROM documents WHERE id IN
                      (SELECT id FROM documents WHERE extracted_at IS NOT NULL
                       EXCEPT SELECT document FROM index_changes) ORDER BY id LIMIT $1");
    rows.bind(max).all(tx).await?.iter().map(owned).collect()
}

/// Documents whose first byte is `first`, in order, and whether the database says that they are in the index.
pub async fn documents(tx: &mut Tx, first: u8) -> Result<Vec<(DocumentId, bool)>, DatabaseError> {
    let from: [u8; 16] = std::array::from_fn(|at| if at == 0 { first } else { 0 });
    let to: [u8; 16] = std::array::from_fn(|at| if at == 0 { first } else { u8::MAX });
    let rows = sql("SELECT id, indexed_at FROM documents WHERE id >= $1 AND id <= $2 ORDER BY id");
    let rows = rows.bind(from).bind(to).all(tx).await?;
    let read = |row: &Row| Ok((row.id("id")?, row.get::<Option<Timestamp>>("indexed_at")?.is_some()));
    rows.iter().map(read).collect()
}

/// Whether the index is still to be told of a document, behind change `seq`.
pub async fn is_to_be_told(tx: &mut Tx, document: DocumentId, seq: i64) -> Result<bool, DatabaseError> {
    let change = sql("SELECT 1 AS there FROM index_changes WHERE seq > $1 AND document = $2 LIMIT 1");
    Ok(change.bind(seq).bind(document).optional(tx).await?.is_some())
}

/// Erasures decided before `before` that have not come to their end, oldest first, at most `max`.
pub async fn erasures(tx: &mut Tx, before: Timestamp, max: u32) -> Result<Vec<Erasing>, DatabaseError> {
    let rows = sql("SELECT document, erased_at, keys_at, objects_at, index_at FROM erasures
                    WHERE pages_at IS NULL AND erased_at <= $1 ORDER BY erased_at, document LIMIT $2");
    let read = |row: &Row| {
        let is_done = |column: &str| Ok::<_, DatabaseError>(row.get::<Option<i64>>(column)?.is_some());
        let waits_for = match (is_done("keys_at")?, is_done("objects_at")?, is_done("index_at")?) {
            (false, _, _) => "its key",
            (true, false, _) => "its bytes",
            (true, true, false) => "the index",
            (true, true, true) => "the pages of the database",
        };
        Ok(Erasing { document: row.id("document")?, since: row.time("erased_at")?, waits_for })
    };
    rows.bind(before).bind(max).all(tx).await?.iter().map(read).collect()
}

/// Uploads whose time was over before `before` and that are still there, at most `max`.
pub async fn overdue_uploads(
    tx: &mut Tx,
    before: Timestamp,
    max: u32,
) -> Result<Vec<UploadId>, DatabaseError> {
    let rows = sql("SELECT id FROM uploads WHERE expires_at <= $1 AND created_at <= $1 ORDER BY id LIMIT $2");
    rows.bind(before).bind(max).all(tx).await?.iter().map(|row| row.id("id")).collect()
}

/// Open uploads whose pieces are not those that their row counts, at most `max`.
pub async fn torn_uploads(tx: &mut Tx, max: u32) -> Result<Vec<UploadId>, DatabaseError> {
    let rows = sql("SELECT u.id FROM uploads u LEFT JOIN upload_pieces p ON p.upload = u.id
                    WHERE u.document IS NULL AND u.expires_at > 0 GROUP BY u.id, u.received, u.piece_count
                    HAVING COUNT(p.number) <> u.piece_count OR COALESCE(SUM(p.size), 0) <> u.received
                        OR COALESCE(MAX(p.number), -1) <> u.piece_count - 1
                    ORDER BY u.id LIMIT $1");
    rows.bind(max).all(tx).await?.iter().map(|row| row.id("id")).collect()
}

/// How many files that senders were to put into the staging folder should have been swept before `before`.
pub async fn overdue_tickets(tx: &mut Tx, before: Timestamp) -> Result<u64, DatabaseError> {
    let count = sql("SELECT COUNT(*) AS n FROM direct_uploads WHERE sweep_at <= $1");
    count.bind(before).one(tx).await?.get("n")
}

/// Certificates that were begun and have stood still since before `before`, at most `max`.
pub async fn begun(tx: &mut Tx, before: Timestamp, max: u32) -> Result<Vec<CertificateId>, DatabaseError> {
    let rows =
        sql("SELECT id FROM certificates WHERE step <> 'stored' AND step_at <= $1 ORDER BY id LIMIT $2");
    rows.bind(before).bind(max).all(tx).await?.iter().map(|row| row.id("id")).collect()
}

fn owned(row: &Row) -> Result<Owned, DatabaseError> {
    Ok((row.id("id")?, row.id("authority")?))
}
