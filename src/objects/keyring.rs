//! The keys at work: opens the keys of authorities once, wraps data keys by the newest one and unwraps by any.
//! Whoever rotates does it through the keyring that wraps, so that no old key is dropped while somebody uses it.

mod rotate;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

pub use rotate::{Asked, Progress, RenewError};

use super::keys::{AuthorityKeyRow, KeyError, KeyName, KeyRows, MasterKeys, WrappedKey, Wrapper};
use crate::domain::clock::Clock;
use crate::domain::ids::{AuthorityId, ObjectId};
use crate::domain::random::{self, Random};

/// The keys of an installation at work. Clones share it.
#[derive(Clone)]
pub struct Keyring(Arc<Parts>);

struct Parts {
    rows: Arc<dyn KeyRows>,
    master: RwLock<Arc<MasterKeys>>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    open: Mutex<HashMap<(AuthorityId, u32), Arc<AuthorityKey>>>,
    newest: Mutex<HashMap<AuthorityId, Arc<AuthorityKey>>>,
    /// Data keys that are wrapped anew in one transaction.
    at_once: u32,
    /// One at a time makes keys of authorities or drops them.
    changing: tokio::sync::Mutex<()>,
}

/// A key of an authority, opened. As long as somebody has it, it is not dropped.
pub(super) struct AuthorityKey {
    number: u32,
    wrapper: Wrapper,
}

/// A data key that was wrapped and is not kept yet; its row must be inserted before this is dropped.
pub(super) struct Wrapped {
    pub(super) row: WrappedKey,
    _in_use: Arc<AuthorityKey>,
}

impl Keyring {
    /// On the rows of a keystore.
    pub fn new(
        rows: Arc<dyn KeyRows>,
        master: MasterKeys,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Self {
        Self(Arc::new(Parts {
            rows,
            master: RwLock::new(Arc::new(master)),
            clock,
            random,
            open: Mutex::default(),
            newest: Mutex::default(),
            at_once: rotate::AT_ONCE,
            changing: tokio::sync::Mutex::default(),
        }))
    }

    /// The rows.
    pub(super) fn rows(&self) -> &dyn KeyRows {
        &*self.0.rows
    }

    /// Whether every key in the keystore opens by the master keys at hand: all of authorities, and one data key of
    /// each that was derived.
    ///
    /// # Errors
    /// [`KeyError::NoMasterKey`], [`KeyError::WrongMasterKey`], or the keystore's.
    pub async fn check(&self) -> Result<(), KeyError> {
        let master = self.master();
        for row in self.rows().authority_keys().await? {
            self.open(&row)?;
        }
        for (authority, key) in self.rows().names().await? {
            if let KeyName::Derived(number) = key {
                let wrapper = master.derived_wrapper(authority, number)?;
                let rows = self.rows().wrapped_by(authority, key, 1).await?;
                if rows.iter().any(|row| wrapper.unwrap_data_key(row, authority).is_err()) {
                    return Err(KeyError::WrongMasterKey { number });
                }
            }
        }
        Ok(())
    }

    /// Whether the keystore has any key: then its master key must be there and is not made.
    ///
    /// # Errors
    /// The keystore's.
    pub async fn is_used(rows: &dyn KeyRows) -> Result<bool, KeyError> {
        Ok(!rows.authority_keys().await?.is_empty() || !rows.list(None, 1).await?.is_empty())
    }

    /// Wraps a data key by the newest key of the authority; its first one is made now.
    pub(super) async fn wrap(
        &self,
        data_key: &[u8; 32],
        object: ObjectId,
        authority: AuthorityId,
    ) -> Result<Wrapped, KeyError> {
        let newest = match self.newest_at_hand(authority) {
            Some(newest) => newest,
            None => self.newest(authority).await?,
        };
        let key = KeyName::Own(newest.number);
        let wrapped = newest.wrapper.wrap_data_key(data_key, (object, authority, key), &*self.0.random)?;
        let row = WrappedKey { object, authority, key, wrapped, created_at: self.0.clock.now() };
        Ok(Wrapped { row, _in_use: newest })
    }

    /// The data key in a row, if it belongs to `authority`.
    pub(super) async fn unwrap(
        &self,
        row: &WrappedKey,
        authority: AuthorityId,
    ) -> Result<[u8; 32], KeyError> {
        match row.key {
            KeyName::Derived(number) => {
                self.master().derived_wrapper(authority, number)?.unwrap_data_key(row, authority)
            }
            KeyName::Own(number) => {
                let at_hand = self.lock_open().get(&(row.authority, number)).cloned();
                let key = match at_hand {
                    Some(key) => key,
                    None => self.load(row.authority, number).await?,
                };
                key.wrapper.unwrap_data_key(row, authority)
            }
        }
    }

    fn newest_at_hand(&self, authority: AuthorityId) -> Option<Arc<AuthorityKey>> {
        self.0.newest.lock().unwrap_or_else(PoisonError::into_inner).get(&authority).cloned()
    }

    fn is_newest(&self, authority: AuthorityId, key: &Arc<AuthorityKey>) {
        let mut newest = self.0.newest.lock().unwrap_or_else(PoisonError::into_inner);
        newest.insert(authority, Arc::clone(key));
    }

    async fn newest(&self, authority: AuthorityId) -> Result<Arc<AuthorityKey>, KeyError> {
        let _alone = self.0.changing.lock().await;
        if let Some(newest) = self.newest_at_hand(authority) {
            return Ok(newest);
        }
        let rows = self.rows().authority_keys().await?;
        let newest = match rows.iter().rfind(|row| row.authority == authority) {
            Some(row) => self.open(row)?,
            None => self.make(authority, 1).await?,
        };
        self.is_newest(authority, &newest);
        Ok(newest)
    }

    /// Makes a key of an authority; whoever else made one of this number first has made it.
    async fn make(&self, authority: AuthorityId, number: u32) -> Result<Arc<AuthorityKey>, KeyError> {
        let master = self.master();
        let created_at = self.0.clock.now();
        let row =
            AuthorityKeyRow { authority, number, master: master.first(), wrapped: Vec::new(), created_at };
        let key: [u8; 32] = random::bytes(&*self.0.random);
        let row = master.wrapper(row.master)?.wrap_authority_key(&key, row, &*self.0.random)?;
        if self.rows().insert_authority_key(row.clone()).await? {
            return self.open(&row);
        }
        self.load(authority, number).await
    }

    async fn load(&self, authority: AuthorityId, number: u32) -> Result<Arc<AuthorityKey>, KeyError> {
        let rows = self.rows().authority_keys().await?;
        let row = rows.iter().find(|row| (row.authority, row.number) == (authority, number));
        self.open(row.ok_or(KeyError::NoAuthorityKey { authority, number })?)
    }

    fn open(&self, row: &AuthorityKeyRow) -> Result<Arc<AuthorityKey>, KeyError> {
        let key = self.master().wrapper(row.master)?.unwrap_authority_key(row)?;
        let wrapper = Wrapper::own(&key).ok_or(KeyError::WrongMasterKey { number: row.master })?;
        let opened = Arc::new(AuthorityKey { number: row.number, wrapper });
        let mut open = self.lock_open();
        Ok(Arc::clone(open.entry((row.authority, row.number)).or_insert(opened)))
    }

    fn lock_open(&self) -> MutexGuard<'_, HashMap<(AuthorityId, u32), Arc<AuthorityKey>>> {
        self.0.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn master(&self) -> Arc<MasterKeys> {
        Arc::clone(&self.0.master.read().unwrap_or_else(PoisonError::into_inner))
    }
}
