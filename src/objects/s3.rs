//! The object store in a bucket: names are taken by `If-None-Match`, bytes checked by SHA-256, large objects sent in
//! parts, `checkpoint` swapped by `If-Match`.
//!
//! What the store really enforces is found out, not believed ([`Enforced`]); what it does not, is done here.

mod attempt;
mod breaker;
mod client;
mod presign;
mod probe;
mod requests;
mod spool;
mod versions;
mod writer;

use std::hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher};
use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use tokio::sync::{Mutex, MutexGuard, Notify};

use self::attempt::{Asking, Failed, Fault, failed};
use self::breaker::Breaker;
use self::client::Clients;
use self::requests::{Content, Present};
use self::spool::Spool;
use self::writer::S3Writer;
use super::path::ObjectPath;
use super::store::{Listed, ObjectStore, ObjectWriter, StoreError, within};
use crate::domain::random::Random;

pub use client::{AccessKeys, Address};
pub use presign::SignedPut;
pub use probe::{Enforced, ProbeError, Verdict};

/// How long nobody waits for a store that did not answer several times in a row.
const REST: Duration = Duration::from_secs(2);
/// The pause before a second attempt; it doubles with each.
const PAUSE: Duration = Duration::from_millis(150);
/// Objects of a batch that are sent at a time.
const BATCH: usize = 16;
/// Locks that names are spread over.
const LOCKS: usize = 64;

/// How long the store is to keep originals from being removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Whether somebody with a special right may remove them earlier.
    pub mode: RetentionMode,
    /// Counted from when the store wrote them.
    pub days: u32,
}

/// The modes of Object Lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetentionMode {
    /// Removable with `s3:BypassGovernanceRetention`.
    Governance,
    /// By nobody.
    Compliance,
}

/// Objects in a bucket. Clones share everything.
#[derive(Clone)]
pub struct S3Store(Arc<Parts>);

struct Parts {
    clients: Clients,
    bucket: String,
    prefix: String,
    retention: Option<Retention>,
    spool: Spool,
    asking: Asking,
    enforced: RwLock<Enforced>,
    /// What the first probe found.
    enforced_first: OnceLock<Enforced>,
    /// Whether it has ever named the digest of what it was sent.
    names_digests: AtomicBool,
    suspicion: Notify,
    /// One writer of a name at a time in this process, where the store does not see to it.
    locks: Vec<Mutex<()>>,
}

impl S3Store {
    /// A store that is not asked anything yet. Parts of large objects are kept in `spool` while they are sent.
    /// Until [`Self::probe`] has found out more, it is taken for one that enforces nothing.
    pub fn new(
        address: &Address,
        retention: Option<Retention>,
        spool: &Path,
        random: Arc<dyn Random>,
    ) -> io::Result<Self> {
        Ok(Self(Arc::new(Parts {
            clients: Clients::new(address),
            bucket: address.bucket.clone(),
            prefix: address.prefix.clone(),
            retention,
            spool: Spool::open(spool)?,
            asking: Asking { breaker: Breaker::new(REST), random, pause: PAUSE },
            enforced: RwLock::new(Enforced::default()),
            enforced_first: OnceLock::new(),
            names_digests: AtomicBool::new(false),
            suspicion: Notify::new(),
            locks: (0..LOCKS).map(|_| Mutex::new(())).collect(),
        })))
    }

    /// What the last probe found.
    pub fn enforced(&self) -> Enforced {
        *self.0.enforced.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the first probe found enforced and the last one did not.
    pub fn ceased(&self) -> Vec<&'static str> {
        let now = self.enforced();
        self.0.enforced_first.get().map(|first| first.ceased_in(&now)).unwrap_or_default()
    }

    /// Waits for an answer that a store would not give which enforces what this one did.
    pub async fn suspected(&self) {
        self.0.suspicion.notified().await;
    }

    fn key(&self, path: &ObjectPath) -> String {
        format!("{}{path}", self.0.prefix)
    }

    /// Asks with attempts; the answer, and how often it took.
    async fn ask<T, F: Future<Output = Result<T, Fault>>>(
        &self,
        call: impl FnMut() -> F,
    ) -> Result<(T, u32), Failed> {
        self.0.asking.ask(call).await
    }

    /// Waits until nobody else in this process writes a name that shares this one's lock.
    async fn alone(&self, path: &ObjectPath) -> Option<MutexGuard<'_, ()>> {
        let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one(path);
        let number = usize::try_from(hash % LOCKS as u64).unwrap_or_default();
        Some(self.0.locks.get(number)?.lock().await)
    }

    /// Writes a new object, of whatever size, from bytes that can be sent again.
    async fn put_new(&self, path: &ObjectPath, content: &Content) -> Result<(), StoreError> {
        let enforced = self.enforced();
        let _alone = if enforced.overwrite.holds() { None } else { self.claim(path).await? };
        let sent = self.ask(|| self.put(path, content, Present::Absent)).await;
        match sent {
            Ok((confirmed, _)) => self.confirm(path, content, confirmed).await,
            // Earlier attempts may have come through although their answers did not.
            Err(Failed { fault: Fault::Precondition, attempts }) => {
                if attempts > 1 && self.is_there(path, &[content.summary()]).await? {
                    return Ok(());
                }
                Err(StoreError::Exists { path: path.clone() })
            }
            Err(failed) => Err(failed.at("write", path)),
        }
    }

    /// Where the store would overwrite: sees that the name is free and keeps others of this process from it.
    /// Nobody else draws the same name: those of objects are random, those of the log belong to one sequencer.
    async fn claim(&self, path: &ObjectPath) -> Result<Option<MutexGuard<'_, ()>>, StoreError> {
        let alone = self.alone(path).await;
        match self.size(path).await {
            Err(StoreError::NotFound { .. }) => Ok(alone),
            Ok(_) => Err(StoreError::Exists { path: path.clone() }),
            Err(error) => Err(error),
        }
    }

    /// Believes in written bytes only if the store names their digest, or gives them back.
    async fn confirm(
        &self,
        path: &ObjectPath,
        content: &Content,
        confirmed: Option<String>,
    ) -> Result<(), StoreError> {
        let expected = content.digest();
        let mut believed = self.enforced().checksum.holds();
        match confirmed {
            Some(digest) if digest == expected => self.0.names_digests.store(true, Ordering::Relaxed),
            Some(digest) => {
                self.0.suspicion.notify_one();
                let reason = format!("the store has bytes of the digest {digest}, not {expected}");
                return Err(failed("write", path.as_str(), reason));
            }
            // One that named digests and does not any more may not look at them any more either.
            None if believed && self.0.names_digests.load(Ordering::Relaxed) => {
                self.0.suspicion.notify_one();
                believed = false;
            }
            None => {}
        }
        if believed || self.is_there(path, &[content.summary()]).await? {
            return Ok(());
        }
        self.0.suspicion.notify_one();
        Err(failed("write", path.as_str(), "the store gives back other bytes than it was sent".to_owned()))
    }

    async fn write_or_find(&self, path: &ObjectPath, bytes: Bytes) -> Result<(), StoreError> {
        match self.put_new(path, &Content::memory(bytes.clone())).await {
            Err(StoreError::Exists { .. }) if self.read(path, None).await? == bytes => Ok(()),
            outcome => outcome,
        }
    }

    /// The bytes a compare-and-swap begins from, and the tag that stands for them.
    async fn present(&self, path: &ObjectPath) -> Result<Option<(Bytes, Option<String>)>, StoreError> {
        match self.ask(|| self.get(path, None)).await {
            Ok((found, _)) => Ok(Some((found.bytes, found.tag))),
            Err(Failed { fault: Fault::NotFound, .. }) => Ok(None),
            Err(failed) => Err(failed.at("read", path)),
        }
    }
}

#[async_trait]
impl ObjectStore for S3Store {
    async fn create(&self, path: &ObjectPath, bytes: Bytes) -> Result<(), StoreError> {
        self.put_new(path, &Content::memory(bytes)).await
    }

    async fn create_stream(&self, path: &ObjectPath) -> Result<Box<dyn ObjectWriter>, StoreError> {
        Ok(Box::new(S3Writer::new(self.clone(), path.clone())))
    }

    async fn create_many(&self, objects: Vec<(ObjectPath, Bytes)>) -> Result<(), StoreError> {
        let writes = objects.into_iter().map(|(path, bytes)| {
            let store = self.clone();
            async move { store.write_or_find(&path, bytes).await }
        });
        stream::iter(writes).buffer_unordered(BATCH).try_collect::<()>().await
    }

    async fn replace(
        &self,
        path: &ObjectPath,
        expected: Option<&[u8]>,
        bytes: Bytes,
    ) -> Result<(), StoreError> {
        // Where the store does not compare, this process at least has one writer at a time; that there is one
        // process is seen to by the lease of whoever replaces.
        let _alone = self.alone(path).await;
        let present = self.present(path).await?;
        if present.as_ref().map(|(bytes, _)| bytes.as_ref()) != expected {
            return Err(StoreError::Changed { path: path.clone() });
        }
        let condition = match present {
            None => Present::Absent,
            Some((_, tag)) => Present::Tagged(tag),
        };
        let content = Content::memory(bytes);
        match self.ask(|| self.put(path, &content, condition.clone())).await {
            Ok((confirmed, _)) => self.confirm(path, &content, confirmed).await,
            Err(Failed { fault: Fault::Precondition | Fault::NotFound, attempts }) => {
                if attempts > 1 && self.is_there(path, &[content.summary()]).await? {
                    return Ok(());
                }
                Err(StoreError::Changed { path: path.clone() })
            }
            Err(failed) => Err(failed.at("replace", path)),
        }
    }

    async fn read(&self, path: &ObjectPath, range: Option<Range<u64>>) -> Result<Bytes, StoreError> {
        let Some(range) = range else {
            let (found, _) =
                self.ask(|| self.get(path, None)).await.map_err(|failed| failed.at("read", path))?;
            return Ok(found.bytes);
        };
        if range.start >= range.end {
            within(path, range, self.size(path).await?)?;
            return Ok(Bytes::new());
        }
        match self.ask(|| self.get(path, Some(range.clone()))).await {
            Ok((found, _)) => {
                within(path, range, found.size)?;
                Ok(found.bytes)
            }
            Err(Failed { fault: Fault::Range, .. }) => {
                let size = self.size(path).await?;
                Err(StoreError::OutOfRange { path: path.clone(), size, start: range.start, end: range.end })
            }
            Err(failed) => Err(failed.at("read", path)),
        }
    }

    async fn size(&self, path: &ObjectPath) -> Result<u64, StoreError> {
        let (head, _) = self.ask(|| self.head(path)).await.map_err(|failed| failed.at("look at", path))?;
        Ok(head.size)
    }

    async fn delete(&self, path: &ObjectPath) -> Result<(), StoreError> {
        self.delete_all_versions(path).await
    }

    async fn list(&self, folder: &str) -> Result<Vec<Listed>, StoreError> {
        self.list_below(folder).await
    }

    async fn protect(&self, path: &ObjectPath) -> Result<(), StoreError> {
        match self.0.retention {
            // What the store does not do it was not asked for; the log of the start says so.
            Some(retention) if self.enforced().lock != Verdict::Ignored => self.retain(path, retention).await,
            _ => Ok(()),
        }
    }

    fn protects(&self) -> bool {
        self.0.retention.is_some()
    }
}

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
