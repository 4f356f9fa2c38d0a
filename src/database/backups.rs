//! Backups that were taken of this database, as long as they can be opened.

use jiff::Timestamp;

use super::{DatabaseError, Tx, sql};
use crate::domain::ids::ObjectId;

/// Notes a backup, whose key the keystore has; one that is noted stays as it is.
pub async fn insert(
    tx: &mut Tx,
    id: ObjectId,
    taken_at: Timestamp,
    expires_at: Timestamp,
) -> Result<(), DatabaseError> {
    let insert = sql("INSERT INTO backups (id, taken_at, expires_at) VALUES ($1, $2, $3)
                      ON CONFLICT (id) DO NOTHING");
    insert.bind(id).bind(taken_at).bind(expires_at).execute(tx).await.map(drop)
}

/// Backups whose time is over.
pub async fn expired(tx: &mut Tx, now: Timestamp) -> Result<Vec<ObjectId>, DatabaseError> {
    let rows = sql("SELECT id FROM backups WHERE expires_at <= $1").bind(now).all(tx).await?;
    rows.iter().map(|row| row.id("id")).collect()
}

/// Forgets backups whose keys are erased.
pub async fn forget(tx: &mut Tx, ids: &[ObjectId]) -> Result<(), DatabaseError> {
    for id in ids {
        sql("DELETE FROM backups WHERE id = $1").bind(*id).later(tx);
    }
    Ok(())
}

/// Brings restored rows to a beginning: nobody works on them, and what was on its way is not there any more, since the
/// bytes of uploads in progress are in no backup. The log is held until somebody says how far it had gone.
pub async fn begin_anew(tx: &mut Tx, now: Timestamp) -> Result<(), DatabaseError> {
    sql("DELETE FROM upload_pieces").later(tx);
    sql("DELETE FROM uploads WHERE document IS NULL").later(tx);
    sql("DELETE FROM direct_uploads WHERE status IS NULL").later(tx);
    sql("UPDATE jobs SET lease = NULL, due_at = $1 WHERE lease IS NOT NULL").bind(now).later(tx);
    sql("UPDATE log_state SET lease_owner = NULL, lease_until = NULL, restored_at = $1 WHERE one = 1")
        .bind(now)
        .later(tx);
    Ok(())
}
