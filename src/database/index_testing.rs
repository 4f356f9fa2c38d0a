//! Rows for the tests of the index job and the search, and what may happen to them behind the job's back.

use jiff::Timestamp;

use super::testing::authority;
use super::{DatabaseError, Tx, index_changes, sql};
use crate::domain::ids::{DocumentId, ObjectId};

/// What happens to the rows of a document.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Tampering {
    /// Its row goes.
    Gone,
    /// Its changes go, as if they had never been.
    ChangesGone,
    /// A change comes.
    Changed,
    /// The last change is one of this document.
    LastChangeIsOf,
    /// It is restricted.
    Restricted,
}

/// Does it.
pub(crate) async fn tamper(tx: &mut Tx, what: Tampering, document: DocumentId) -> Result<(), DatabaseError> {
    let statement = match what {
        Tampering::Gone => sql("DELETE FROM documents WHERE id = $1"),
        Tampering::ChangesGone => sql("DELETE FROM index_changes WHERE document = $1"),
        Tampering::Changed => {
            return index_changes::append(tx, document, authority(1), Timestamp::UNIX_EPOCH).await;
        }
        Tampering::LastChangeIsOf => {
            sql("UPDATE index_changes SET document = $1 WHERE seq = (SELECT MAX(seq) FROM index_changes)")
        }
        Tampering::Restricted => sql("UPDATE documents SET restriction = 'C' WHERE id = $1"),
    };
    statement.bind(document).execute(tx).await?;
    Ok(())
}

/// A document whose text was read out, and its change; `n` makes its digests differ from those of others.
pub(crate) async fn arrived(
    tx: &mut Tx,
    document: DocumentId,
    object: ObjectId,
    text: ObjectId,
    n: u8,
) -> Result<(), DatabaseError> {
    keep(tx, object, n).await?;
    keep(tx, text, n + 100).await?;
    sql("INSERT INTO documents (id, authority, object, media_type, received_at, received_by, stored_at, text_object)
         VALUES ($1, $2, $3, 'text/plain', 0, 'test', 0, $4)")
        .bind(document)
        .bind(authority(1))
        .bind(object)
        .bind(text)
        .execute(tx)
        .await?;
    index_changes::append(tx, document, authority(1), Timestamp::UNIX_EPOCH).await
}

/// Whether its state says that it is in the index.
pub(crate) async fn is_indexed(tx: &mut Tx, document: DocumentId) -> Result<bool, DatabaseError> {
    let row = sql("SELECT indexed_at FROM documents WHERE id = $1").bind(document).one(tx).await?;
    Ok(row.get::<Option<Timestamp>>("indexed_at")?.is_some())
}

async fn keep(tx: &mut Tx, object: ObjectId, n: u8) -> Result<(), DatabaseError> {
    sql("INSERT INTO objects (id, authority, sha256, cipher_sha256, size, format, created_at)
         VALUES ($1, $2, $3, $3, 1, 1, 0)")
    .bind(object)
    .bind(authority(1))
    .bind([n; 32])
    .execute(tx)
    .await?;
    Ok(())
}
