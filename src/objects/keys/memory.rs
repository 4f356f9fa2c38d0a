//! Wrapped keys in memory: for tests.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use jiff::Timestamp;

use super::{AuthorityKeyRow, KeyError, KeyName, KeyRows, Use, WrappedKey};
use crate::domain::ids::{AuthorityId, ObjectId};

/// Wrapped keys in memory.
#[derive(Default)]
pub struct MemoryKeyRows(Mutex<Rows>);

#[derive(Default)]
struct Rows {
    data: BTreeMap<ObjectId, WrappedKey>,
    authorities: BTreeMap<(AuthorityId, u32), AuthorityKeyRow>,
}

impl MemoryKeyRows {
    fn lock(&self) -> MutexGuard<'_, Rows> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl KeyRows for MemoryKeyRows {
    async fn insert(&self, key: WrappedKey) -> Result<(), KeyError> {
        self.lock().data.insert(key.object, key);
        Ok(())
    }

    async fn find(&self, object: ObjectId) -> Result<Option<WrappedKey>, KeyError> {
        Ok(self.lock().data.get(&object).cloned())
    }

    async fn delete(&self, objects: Vec<ObjectId>) -> Result<(), KeyError> {
        self.lock().data.retain(|object, _| !objects.contains(object));
        Ok(())
    }

    async fn list(&self, after: Option<ObjectId>, max: u32) -> Result<Vec<(ObjectId, Timestamp)>, KeyError> {
        let rows = self.lock();
        let behind = rows.data.values().filter(|row| after.is_none_or(|after| row.object > after));
        Ok(behind.take(max as usize).map(|row| (row.object, row.created_at)).collect())
    }

    async fn wrapped_by(
        &self,
        authority: AuthorityId,
        key: KeyName,
        max: u32,
    ) -> Result<Vec<WrappedKey>, KeyError> {
        let rows = self.lock();
        let by = rows.data.values().filter(|row| row.authority == authority && row.key == key);
        Ok(by.take(max as usize).cloned().collect())
    }

    async fn rewrap(&self, old: KeyName, new: Vec<WrappedKey>) -> Result<(), KeyError> {
        let mut rows = self.lock();
        for key in new {
            if let Some(row) = rows.data.get_mut(&key.object).filter(|row| row.key == old) {
                *row = key;
            }
        }
        Ok(())
    }

    async fn names(&self) -> Result<Vec<(AuthorityId, KeyName)>, KeyError> {
        Ok(self.uses().await?.into_iter().map(|used| (used.authority, used.key)).collect())
    }

    async fn uses(&self) -> Result<Vec<Use>, KeyError> {
        let mut counts = BTreeMap::new();
        for row in self.lock().data.values() {
            *counts.entry((row.authority, row.key)).or_default() += 1;
        }
        Ok(counts.into_iter().map(|((authority, key), count)| Use { authority, key, count }).collect())
    }

    async fn authority_keys(&self) -> Result<Vec<AuthorityKeyRow>, KeyError> {
        Ok(self.lock().authorities.values().cloned().collect())
    }

    async fn insert_authority_key(&self, key: AuthorityKeyRow) -> Result<bool, KeyError> {
        let mut rows = self.lock();
        let name = (key.authority, key.number);
        if rows.authorities.contains_key(&name) {
            return Ok(false);
        }
        rows.authorities.insert(name, key);
        Ok(true)
    }

    async fn replace_authority_key(&self, key: AuthorityKeyRow) -> Result<(), KeyError> {
        if let Some(row) = self.lock().authorities.get_mut(&(key.authority, key.number)) {
            *row = key;
        }
        Ok(())
    }

    async fn delete_authority_key(&self, authority: AuthorityId, number: u32) -> Result<bool, KeyError> {
        let mut rows = self.lock();
        let is_free =
            rows.data.values().all(|row| (row.authority, row.key) != (authority, KeyName::Own(number)));
        if is_free {
            rows.authorities.remove(&(authority, number));
        }
        Ok(is_free)
    }
}
