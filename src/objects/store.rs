//! The object store as its users see it: what each `Ok` promises about durability, and what can go wrong.

use std::io;
use std::ops::Range;

use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;

use super::path::ObjectPath;

/// Named bytes that are written once. Shared by all tasks; every method may be called at the same time as any other.
///
/// A call whose future is dropped may still take effect: whoever needs to know asks again.
#[async_trait]
pub trait ObjectStore: Send + Sync {
    /// Writes a new object. `Ok`: bytes and name survive a power cut. A name that exists is refused and keeps its
    /// bytes ([`StoreError::Exists`]); after any other error the name may or may not exist, but never in part.
    async fn create(&self, path: &ObjectPath, bytes: Bytes) -> Result<(), StoreError>;

    /// Begins an object whose bytes arrive in pieces; it becomes visible only by [`ObjectWriter::finish`].
    async fn create_stream(&self, path: &ObjectPath) -> Result<Box<dyn ObjectWriter>, StoreError>;

    /// Writes several objects with as few syncs as the store can. `Ok`: all of them are durable. A name that exists
    /// with exactly these bytes counts as written, so that a batch can be repeated after a crash; one with other
    /// bytes is [`StoreError::Exists`], and any of the others may then exist.
    async fn create_many(&self, objects: Vec<(ObjectPath, Bytes)>) -> Result<(), StoreError>;

    /// Replaces an object if its present bytes are `expected` (`None`: it must not exist). `Ok`: the new bytes are
    /// durable, and nobody else replaced it in between. Readers see the old bytes or the new ones, nothing else.
    ///
    /// # Errors
    /// [`StoreError::Changed`]: the present bytes are others; nothing was written.
    async fn replace(
        &self,
        path: &ObjectPath,
        expected: Option<&[u8]>,
        bytes: Bytes,
    ) -> Result<(), StoreError>;

    /// The object's bytes, or exactly those of `range`; a range that goes beyond its end is refused.
    async fn read(&self, path: &ObjectPath, range: Option<Range<u64>>) -> Result<Bytes, StoreError>;

    /// The object's size in bytes.
    async fn size(&self, path: &ObjectPath) -> Result<u64, StoreError>;

    /// Removes the object. `Ok`: it is gone for every later read, and also if it never was. Whether the removal
    /// survives a power cut is not promised: what must be unreadable loses its key.
    async fn delete(&self, path: &ObjectPath) -> Result<(), StoreError>;

    /// All objects below `folder` (no slash at its end; `""` is everything), in the order of their names. For
    /// housekeeping: one folder at a time, since the answer is held in memory.
    async fn list(&self, folder: &str) -> Result<Vec<Listed>, StoreError>;

    /// Keeps an object from being removed for as long as the store is configured to (Object Lock). To be called when
    /// a row refers to it: before, it may be an orphan that has to be swept. May be repeated. Does nothing on a store
    /// without retention.
    async fn protect(&self, _path: &ObjectPath) -> Result<(), StoreError> {
        Ok(())
    }

    /// Whether [`Self::protect`] does anything.
    fn protects(&self) -> bool {
        false
    }
}

/// An object on its way. Dropped without [`finish`](Self::finish), nothing of it remains.
#[async_trait]
pub trait ObjectWriter: Send {
    /// Appends bytes. On the disk it holds back at most 512 KiB in memory.
    async fn write(&mut self, bytes: Bytes) -> Result<(), StoreError>;

    /// Makes the object visible; promises and refuses what [`ObjectStore::create`] does.
    async fn finish(self: Box<Self>) -> Result<(), StoreError>;
}

/// One line of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its name.
    pub path: ObjectPath,
    /// Its size in bytes.
    pub size: u64,
    /// When it was written, by the store's clock.
    pub written_at: Timestamp,
}

/// Why the store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The name is taken; its bytes are untouched.
    #[error("object {path} exists and is never overwritten")]
    Exists {
        /// The name.
        path: ObjectPath,
    },
    /// No such object.
    #[error("object {path} does not exist")]
    NotFound {
        /// The name.
        path: ObjectPath,
    },
    /// Compare-and-swap: the present bytes are not the expected ones.
    #[error("object {path} is not what it was expected to be; it was left alone")]
    Changed {
        /// The name.
        path: ObjectPath,
    },
    /// The range goes beyond the object's end.
    #[error("bytes {start}..{end} of object {path}, which has {size}")]
    OutOfRange {
        /// The name.
        path: ObjectPath,
        /// Its size in bytes.
        size: u64,
        /// First byte asked for.
        start: u64,
        /// One after the last byte asked for.
        end: u64,
    },
    /// The object is under retention: it cannot be removed yet.
    #[error("object {path} is under retention and cannot be removed yet")]
    Locked {
        /// The name.
        path: ObjectPath,
    },
    /// The disk or the network failed.
    #[error("object store: {doing} {path}: {source}")]
    Io {
        /// What was being done.
        doing: &'static str,
        /// The name it was done for.
        path: String,
        /// The system's answer.
        source: io::Error,
    },
}

impl StoreError {
    /// Wraps an error of the system; "not found" becomes [`StoreError::NotFound`].
    pub(super) fn of(doing: &'static str, path: &ObjectPath, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::NotFound => Self::NotFound { path: path.clone() },
            _ => Self::Io { doing, path: path.to_string(), source },
        }
    }
}

/// Checks a range against an object's size and gives its start and length.
pub(super) fn within(path: &ObjectPath, range: Range<u64>, size: u64) -> Result<(u64, u64), StoreError> {
    if range.start <= range.end && range.end <= size {
        Ok((range.start, range.end - range.start))
    } else {
        Err(StoreError::OutOfRange { path: path.clone(), size, start: range.start, end: range.end })
    }
}
