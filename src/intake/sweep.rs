//! What uploads that did not come to an end have left: objects and keys that no row refers to, removed after a time
//! of grace in which their transaction may still be running.

use jiff::{SignedDuration, Timestamp};

use crate::database::{Database, DatabaseError, documents};
use crate::domain::ids::ObjectId;
use crate::objects::{Vault, VaultError};

/// How old something must be before it is swept: longer than any upload takes.
pub const GRACE: SignedDuration = SignedDuration::from_hours(24);

/// Keys that are looked at in one go.
const KEYS_AT_ONCE: u32 = 1000;

/// What was removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Swept {
    /// Objects on the store, with their keys.
    pub objects: u64,
    /// Keys without an object.
    pub keys: u64,
}

/// Why the sweep broke off. What it has removed is removed.
#[derive(Debug, thiserror::Error)]
pub enum SweepError {
    /// The store or the keystore failed.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The database failed.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

/// Removes what nothing refers to and what is older than `grace`. May run beside uploads, and be repeated.
pub async fn sweep(
    vault: &Vault,
    database: &Database,
    now: Timestamp,
    grace: SignedDuration,
) -> Result<Swept, SweepError> {
    let before = now - grace;
    let mut swept = Swept::default();
    for bucket in 0..=u8::MAX {
        for (object, written_at) in vault.stored(bucket).await? {
            if written_at <= before && !is_referenced(database, object).await? {
                swept.objects += u64::from(vault.forget(object).await?);
            }
        }
    }
    let mut after = None;
    loop {
        let keys = vault.keys_after(after, KEYS_AT_ONCE).await?;
        let Some((last, _)) = keys.last() else { return Ok(swept) };
        after = Some(*last);
        for (object, created_at) in keys {
            if created_at <= before && !is_referenced(database, object).await? {
                vault.forget(object).await?;
                swept.keys += 1;
            }
        }
    }
}

async fn is_referenced(database: &Database, object: ObjectId) -> Result<bool, DatabaseError> {
    database.read(move |tx| Box::pin(documents::is_referenced(tx, object))).await
}
