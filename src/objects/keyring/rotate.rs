//! Rotation: an authority gets a new key, its data keys are wrapped anew by it, the old key is dropped once it wraps
//! nothing and nobody is about to use it. No object is touched; uploads, reads and erasures go on.
//!
//! What was broken off anywhere goes on with `go_on`: whatever is not under the newest key of its authority goes there.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, PoisonError};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::super::keys::{AuthorityKeyRow, KeyError, KeyName, MasterKeyError, MasterKeys, WrappedKey};
use super::Keyring;
use crate::domain::ids::AuthorityId;

/// Data keys of one transaction: others write between two of them.
pub(super) const AT_ONCE: u32 = 500;
/// Transactions in a row before what is left is counted anew.
const IN_A_ROW: u32 = 20;

/// What to rotate. Done twice it changes nothing: keys made after `asked_at` are new enough.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Asked {
    /// When it was asked for.
    pub asked_at: Timestamp,
    /// Only the keys of this authority.
    pub authority: Option<AuthorityId>,
    /// The master key instead: a new one wraps the keys of all authorities.
    pub master: bool,
}

/// How far a rotation has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// Data keys that are not under the newest key of their authority.
    pub left: u64,
    /// Old keys of authorities that are still there.
    pub old_keys: usize,
}

impl Keyring {
    /// Begins what was asked for: new keys are there and wrap what is new. [`Self::go_on`] does the rest.
    ///
    /// # Errors
    /// [`KeyError`]; asked again, it goes on where it was.
    pub async fn begin(&self, asked: &Asked) -> Result<(), KeyError> {
        let _alone = self.0.changing.lock().await;
        let rows = self.rows().authority_keys().await?;
        let mut authorities: BTreeSet<AuthorityId> = rows.iter().map(|row| row.authority).collect();
        authorities.extend(self.rows().names().await?.iter().map(|(authority, _)| *authority));
        authorities.retain(|known| asked.authority.is_none_or(|wanted| wanted == *known));
        for authority in authorities {
            let newest = rows.iter().rfind(|row| row.authority == authority);
            let is_new = newest.is_some_and(|row| asked.master || row.created_at >= asked.asked_at);
            if !is_new {
                let number = newest.map_or(0, |row| row.number) + 1;
                let made = self.make(authority, number).await?;
                self.is_newest(authority, &made);
            }
        }
        Ok(())
    }

    /// Takes the master keys of the file, and puts a new one first if it was asked for and the first one is in use.
    ///
    /// # Errors
    /// If the file does not read or write, or a key that is needed is not in it: nothing is changed then.
    pub async fn renew_master(&self, path: &Path, asked: &Asked) -> Result<(), RenewError> {
        let mut master = MasterKeys::read(path)?;
        let rows = self.rows().authority_keys().await?;
        let names = self.rows().names().await?;
        for row in &rows {
            master.wrapper(row.master)?.unwrap_authority_key(row)?;
        }
        let first = master.first();
        let wraps = rows.iter().any(|row| row.master == first)
            || names.iter().any(|(_, key)| *key == KeyName::Derived(first));
        // One that wraps nothing yet is the new one: it was put there before.
        if asked.master && wraps {
            master = master.renew(path, &*self.0.random)?;
        }
        *self.0.master.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(master);
        Ok(())
    }

    /// Does the next piece of what is left; answers what is left then. Nothing is left: it is done.
    ///
    /// # Errors
    /// [`KeyError`]; what was done stays done.
    pub async fn go_on(&self) -> Result<Progress, KeyError> {
        let _alone = self.0.changing.lock().await;
        self.under_first_master().await?;
        let rows = self.rows().authority_keys().await?;
        let newest = |authority: AuthorityId| rows.iter().rfind(|row| row.authority == authority);
        let mut progress = Progress::default();
        let names = self.rows().names().await?;
        let is_old = |(authority, key): &(AuthorityId, KeyName)| {
            newest(*authority).is_some_and(|newest| *key != KeyName::Own(newest.number))
        };
        let uses = if names.iter().any(is_old) { self.rows().uses().await? } else { Vec::new() };
        for used in uses {
            let Some(newest) = newest(used.authority) else { continue };
            if used.key == KeyName::Own(newest.number) {
                continue;
            }
            let mut done = 0;
            while done < u64::from(self.0.at_once * IN_A_ROW) {
                match self.rewrap(used.authority, used.key, newest).await? {
                    0 => break,
                    some => done += some,
                }
            }
            progress.left += used.count.saturating_sub(done);
        }
        for old in
            rows.iter().filter(|row| newest(row.authority).is_some_and(|last| last.number > row.number))
        {
            if progress.left > 0 || !self.drop_unused(old).await? {
                progress.old_keys += 1;
            }
        }
        Ok(progress)
    }

    /// Wraps some data keys anew; answers how many.
    async fn rewrap(
        &self,
        authority: AuthorityId,
        old: KeyName,
        newest: &AuthorityKeyRow,
    ) -> Result<u64, KeyError> {
        let (key, name) = (self.open(newest)?, KeyName::Own(newest.number));
        let mut anew = Vec::new();
        for row in self.rows().wrapped_by(authority, old, self.0.at_once).await? {
            let data_key = self.unwrap(&row, authority).await?;
            let wrapped =
                key.wrapper.wrap_data_key(&data_key, (row.object, authority, name), &*self.0.random)?;
            anew.push(WrappedKey { key: name, wrapped, ..row });
        }
        let done = anew.len() as u64;
        self.rows().rewrap(old, anew).await?;
        Ok(done)
    }

    /// Drops an old key if it wraps nothing and no upload that is running will bring a key wrapped by it.
    async fn drop_unused(&self, old: &AuthorityKeyRow) -> Result<bool, KeyError> {
        let name = (old.authority, old.number);
        // Nobody takes it up anew to wrap by it: a newer one is at hand. Who has it shares this.
        if self.lock_open().get(&name).is_some_and(|key| Arc::strong_count(key) > 1) {
            return Ok(false);
        }
        let dropped = self.rows().delete_authority_key(old.authority, old.number).await?;
        if dropped {
            self.lock_open().remove(&name);
        }
        Ok(dropped)
    }

    /// Wraps the keys of authorities by the first master key that are wrapped by another one.
    async fn under_first_master(&self) -> Result<(), KeyError> {
        let master = self.master();
        for row in self.rows().authority_keys().await? {
            if row.master != master.first() {
                let key = master.wrapper(row.master)?.unwrap_authority_key(&row)?;
                let row = AuthorityKeyRow { master: master.first(), ..row };
                let row = master.wrapper(row.master)?.wrap_authority_key(&key, row, &*self.0.random)?;
                self.rows().replace_authority_key(row).await?;
            }
        }
        Ok(())
    }

    /// Master keys that nothing needs any more: their lines may leave the file.
    ///
    /// # Errors
    /// The keystore's.
    pub async fn unused_masters(&self) -> Result<Vec<u32>, KeyError> {
        let (rows, names) = (self.rows().authority_keys().await?, self.rows().names().await?);
        let master = self.master();
        let needed = |number: u32| {
            number == master.first()
                || rows.iter().any(|row| row.master == number)
                || names.iter().any(|(_, key)| *key == KeyName::Derived(number))
        };
        Ok(master.numbers().into_iter().filter(|number| !needed(*number)).collect())
    }
}

/// Why the master key was not renewed.
#[derive(Debug, thiserror::Error)]
pub enum RenewError {
    /// The file.
    #[error(transparent)]
    File(#[from] MasterKeyError),
    /// The keystore.
    #[error(transparent)]
    Key(#[from] KeyError),
}
