//! The object store in memory: for tests and tools. Durable as long as the process.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use jiff::Timestamp;

use super::path::ObjectPath;
use super::store::{Listed, ObjectStore, ObjectWriter, StoreError, within};
use crate::domain::clock::Clock;

/// Objects in a map; clones share it.
#[derive(Clone)]
pub struct MemoryStore {
    objects: Arc<Mutex<BTreeMap<ObjectPath, (Bytes, Timestamp)>>>,
    clock: Arc<dyn Clock>,
}

impl MemoryStore {
    /// An empty store whose objects are dated by `clock`.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { objects: Arc::default(), clock }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<ObjectPath, (Bytes, Timestamp)>> {
        self.objects.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn present(&self, path: &ObjectPath) -> Result<Bytes, StoreError> {
        let found = self.lock().get(path).map(|(bytes, _)| bytes.clone());
        found.ok_or_else(|| StoreError::NotFound { path: path.clone() })
    }

    fn insert_new(&self, path: &ObjectPath, bytes: Bytes) -> Result<(), StoreError> {
        let now = self.clock.now();
        let mut objects = self.lock();
        if objects.contains_key(path) {
            return Err(StoreError::Exists { path: path.clone() });
        }
        objects.insert(path.clone(), (bytes, now));
        Ok(())
    }
}

#[async_trait]
impl ObjectStore for MemoryStore {
    async fn create(&self, path: &ObjectPath, bytes: Bytes) -> Result<(), StoreError> {
        self.insert_new(path, bytes)
    }

    async fn create_stream(&self, path: &ObjectPath) -> Result<Box<dyn ObjectWriter>, StoreError> {
        Ok(Box::new(MemoryWriter { store: self.clone(), path: path.clone(), bytes: BytesMut::new() }))
    }

    async fn create_many(&self, objects: Vec<(ObjectPath, Bytes)>) -> Result<(), StoreError> {
        for (path, bytes) in objects {
            match self.insert_new(&path, bytes.clone()) {
                Err(StoreError::Exists { path }) if self.present(&path)? == bytes => {}
                outcome => outcome?,
            }
        }
        Ok(())
    }

    async fn replace(
        &self,
        path: &ObjectPath,
        expected: Option<&[u8]>,
        bytes: Bytes,
    ) -> Result<(), StoreError> {
        let now = self.clock.now();
        let mut objects = self.lock();
        if objects.get(path).map(|(present, _)| present.as_ref()) != expected {
            return Err(StoreError::Changed { path: path.clone() });
        }
        objects.insert(path.clone(), (bytes, now));
        Ok(())
    }

    async fn read(&self, path: &ObjectPath, range: Option<Range<u64>>) -> Result<Bytes, StoreError> {
        let bytes = self.present(path)?;
        let Some(range) = range else { return Ok(bytes) };
        within(path, range.clone(), bytes.len() as u64)?;
        let (start, end) = (usize::try_from(range.start), usize::try_from(range.end));
        Ok(bytes.slice(start.unwrap_or(usize::MAX)..end.unwrap_or(usize::MAX)))
    }

    async fn size(&self, path: &ObjectPath) -> Result<u64, StoreError> {
        Ok(self.present(path)?.len() as u64)
    }

    async fn delete(&self, path: &ObjectPath) -> Result<(), StoreError> {
        self.lock().remove(path);
        Ok(())
    }

    async fn list(&self, folder: &str) -> Result<Vec<Listed>, StoreError> {
        let objects = self.lock();
        let below = objects.iter().filter(|(path, _)| path.is_below(folder));
        Ok(below
            .map(|(path, (bytes, at))| Listed {
                path: path.clone(),
                size: bytes.len() as u64,
                written_at: *at,
            })
            .collect())
    }
}

struct MemoryWriter {
    store: MemoryStore,
    path: ObjectPath,
    bytes: BytesMut,
}

#[async_trait]
impl ObjectWriter for MemoryWriter {
    async fn write(&mut self, bytes: Bytes) -> Result<(), StoreError> {
        self.bytes.extend_from_slice(&bytes);
        Ok(())
    }

    async fn finish(self: Box<Self>) -> Result<(), StoreError> {
        self.store.insert_new(&self.path, self.bytes.freeze())
    }
}
