//! What tests of issuing count in the tables, and how they damage them.

use super::{Database, DatabaseError, sql};
use crate::domain::digest::Sha256;
use crate::domain::ids::{AuthorityId, ObjectId};

/// What there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) orders: i64,
    pub(crate) certificates: i64,
    /// Leaves queued or in the log.
    pub(crate) leaves: i64,
    /// Different places of certificates in the log.
    pub(crate) places: i64,
    /// Numbers drawn but not in the journal.
    pub(crate) journal_gaps: i64,
    pub(crate) objects: i64,
}

pub(crate) async fn tally(database: &Database) -> Tally {
    let counted = database.read(|tx| {
        Box::pin(async move {
            let row = sql("SELECT (SELECT COUNT(*) FROM orders) AS orders, \
                 (SELECT COUNT(*) FROM certificates) AS certificates, \
                 (SELECT COUNT(*) FROM log_entries) AS leaves, \
                 (SELECT COUNT(DISTINCT log_index) FROM certificates) AS places, \
                 (SELECT COALESCE(MAX(number), 0) - COUNT(*) FROM journal) AS journal_gaps, \
                 (SELECT COUNT(*) FROM objects) AS objects")
            .one(tx)
            .await?;
            Ok::<_, DatabaseError>(Tally {
                orders: row.i64("orders")?,
                certificates: row.i64("certificates")?,
                leaves: row.i64("leaves")?,
                places: row.i64("places")?,
                journal_gaps: row.i64("journal_gaps")?,
                objects: row.i64("objects")?,
            })
        })
    });
    counted.await.unwrap()
}

/// As a backup of the time when the log had `size` leaves would be.
pub(crate) async fn forget_the_log_after(database: &Database, size: u64) {
    let forgotten = database.write(move |tx| {
        Box::pin(async move {
            sql("DELETE FROM log_entries WHERE log_index >= $1").bind(size).execute(tx).await?;
            sql("UPDATE log_state SET size = $1, checkpoint = NULL").bind(size).execute(tx).await
        })
    });
    let _: u64 = forgotten.await.unwrap_or_else(|error: DatabaseError| panic!("{error}"));
}

/// The row of an object that a test keeps elsewhere.
pub(crate) async fn object_row(
    database: &Database,
    authority: AuthorityId,
    object: ObjectId,
    (sha256, size): (Sha256, u64),
) -> Result<(), DatabaseError> {
    let written = database.write(move |tx| {
        Box::pin(async move {
            sql("INSERT INTO objects (id, authority, sha256, cipher_sha256, size, format, created_at) \
                 VALUES ($1, $2, $3, $3, $4, 1, 0) ON CONFLICT (id) DO NOTHING")
            .bind(object)
            .bind(authority)
            .bind(sha256)
            .bind(size)
            .execute(tx)
            .await
        })
    });
    written.await.map(|_: u64| ())
}
