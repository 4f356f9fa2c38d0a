//! The end of infected files: their keys, then their bytes, then their rows. Broken off anywhere, it is done again.

use jiff::Timestamp;

use super::sweep::SweepError;
use crate::database::{Database, DatabaseError, quarantine};
use crate::domain::ids::QuarantineId;
use crate::objects::Vault;

/// Files that are removed together.
const AT_ONCE: u32 = 500;

/// Removes the infected files whose time is over; answers how many.
///
/// # Errors
/// [`SweepError`]; what was removed is removed.
pub async fn sweep(vault: &Vault, database: &Database, now: Timestamp) -> Result<usize, SweepError> {
    let mut removed = 0;
    loop {
        let due: Result<_, DatabaseError> =
            database.read(move |tx| Box::pin(quarantine::due(tx, now, AT_ONCE))).await;
        let due = due?;
        if due.is_empty() {
            return Ok(removed);
        }
        let objects: Vec<_> = due.iter().filter_map(|(_, object)| *object).collect();
        vault.erase_keys(objects.clone()).await?;
        for object in objects {
            vault.forget(object).await?;
        }
        let ids: Vec<QuarantineId> = due.into_iter().map(|(id, _)| id).collect();
        removed += ids.len();
        let forgotten: Result<(), DatabaseError> =
            database.write(move |tx| Box::pin(async move { quarantine::remove(tx, &ids).await })).await;
        forgotten?;
    }
}
