//! The object store on a disk. Small objects become durable in the journal, many by one sync, before they have files;
//! larger ones as files: temporary file, fsync, rename that replaces nothing, fsync of the folder.
//!
//! Every call into the file system runs on tokio's blocking threads, at most [`FILES_MAX`] at a time, or on those of
//! the journal. Files are of mode 0600, folders 0700. One hidden folder, `.staging`, holds what is not finished.

mod files;
mod folder;
mod journal;
mod points;
mod staging;

use std::fs::{self, File};
use std::io;
use std::ops::Range;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use self::files::Files;
use self::journal::{Journal, OBJECT_BYTES_MAX, replay};
use self::points::Points;
use self::staging::{Staged, Staging};
use super::path::ObjectPath;
use super::store::{Listed, ObjectStore, ObjectWriter, StoreError};

/// Threads that work on files at the same time: enough to share the disk's syncs, few enough for a small machine.
const FILES_MAX: usize = 32;
/// Bytes a writer collects before it touches the disk; smaller objects go to the journal.
const HOLD_BYTES: usize = OBJECT_BYTES_MAX;
/// Bytes of a larger object that go to the disk together, and how many may wait for those before them.
const PIECE_BYTES: usize = 128 * 1024;
const AHEAD_BYTES: usize = 256 * 1024;

/// Objects below one folder. Clones share it; processes may share the folder.
#[derive(Clone)]
pub struct DiskStore(Arc<Disk>);

struct Disk {
    // First: its threads end before the staging folder goes.
    journal: Journal,
    files: Arc<Files>,
    permits: Arc<Semaphore>,
}

impl DiskStore {
    /// Opens the store at `root`, which is created if it is missing (its parent is not). What processes that died
    /// have left half-written is removed, after their journals were replayed.
    pub fn open(root: &Path) -> io::Result<Self> {
        Self::open_with(root, points::pass())
    }

    /// As [`Self::open`]; `points` is told of each place inside the durable step, so that a test can end it there.
    pub(crate) fn open_with(root: &Path, points: Points) -> io::Result<Self> {
        match fs::DirBuilder::new().mode(0o700).create(root) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        let root = root.canonicalize()?;
        if let Some(parent) = root.parent() {
            File::open(parent)?.sync_all()?;
        }
        let (staging, abandoned) = Staging::open(&root)?;
        let files = Arc::new(Files::new(&root, staging, points)?);
        for folder in &abandoned.folders {
            replay::restore(&files, folder)?;
            fs::remove_dir_all(folder)?;
        }
        let journal = Journal::start(&files)?;
        Ok(Self(Arc::new(Disk { journal, files, permits: Arc::new(Semaphore::new(FILES_MAX)) })))
    }

    /// Begins to work on a thread; how it went is known at the end of the task.
    async fn begin<T: Send + 'static>(
        &self,
        path: &ObjectPath,
        work: impl FnOnce(&Files, &ObjectPath) -> Result<T, StoreError> + Send + 'static,
    ) -> Option<JoinHandle<Result<T, StoreError>>> {
        let (files, path) = (Arc::clone(&self.0.files), path.clone());
        let permit = Arc::clone(&self.0.permits).acquire_owned().await.ok()?;
        Some(tokio::task::spawn_blocking(move || {
            let outcome = work(&files, &path);
            drop(permit);
            outcome
        }))
    }

    async fn on_a_thread<T: Send + 'static>(
        &self,
        doing: &'static str,
        path: &ObjectPath,
        work: impl FnOnce(&Files, &ObjectPath) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        ended(doing, path, self.begin(path, work).await).await
    }

    /// Makes an object of the pieces, by the journal if it is small.
    async fn create_from(&self, path: &ObjectPath, pieces: Vec<Bytes>) -> Result<(), StoreError> {
        if pieces.iter().map(Bytes::len).sum::<usize>() <= OBJECT_BYTES_MAX {
            return self.0.journal.create(path, pieces).await;
        }
        let whole = move |files: &Files, path: &ObjectPath| {
            let mut staged = files.stage(path)?;
            staged.write(&pieces).map_err(|e| StoreError::of("write", path, e))?;
            files.publish(staged, path)
        };
        self.on_a_thread("write", path, whole).await
    }
}

async fn ended<T>(
    doing: &'static str,
    path: &ObjectPath,
    task: Option<JoinHandle<Result<T, StoreError>>>,
) -> Result<T, StoreError> {
    let lost = || Err(StoreError::of(doing, path, io::Error::other("the thread for it was lost")));
    match task {
        Some(task) => task.await.unwrap_or_else(|_| lost()),
        None => lost(),
    }
}

#[async_trait]
impl ObjectStore for DiskStore {
    async fn create(&self, path: &ObjectPath, bytes: Bytes) -> Result<(), StoreError> {
        self.create_from(path, vec![bytes]).await
    }

    async fn create_stream(&self, path: &ObjectPath) -> Result<Box<dyn ObjectWriter>, StoreError> {
        let held = Vec::new();
        Ok(Box::new(DiskWriter {
            store: self.clone(),
            path: path.clone(),
            writing: None,
            syncing: None,
            held,
            held_bytes: 0,
        }))
    }

    async fn create_many(&self, objects: Vec<(ObjectPath, Bytes)>) -> Result<(), StoreError> {
        let Some((first, _)) = objects.first() else { return Ok(()) };
        let first = first.clone();
        self.on_a_thread("write", &first, move |files, _| files.create_many(&objects)).await
    }

    async fn replace(
        &self,
        path: &ObjectPath,
        expected: Option<&[u8]>,
        bytes: Bytes,
    ) -> Result<(), StoreError> {
        let expected = expected.map(<[u8]>::to_vec);
        // What the journal says of the present object must not come back; first it is made durable without.
        let settle = |files: &Files, path: &ObjectPath| {
            let synced = files.sync_each(std::slice::from_ref(path));
            synced.map_err(|e| StoreError::of("sync", path, e))
        };
        if self.0.journal.speaks_of(path) {
            self.on_a_thread("sync", path, settle).await?;
            self.0.journal.release(path).await?;
        }
        let swap = move |files: &Files, path: &ObjectPath| files.replace(path, expected.as_deref(), &bytes);
        self.on_a_thread("replace", path, swap).await
    }

    async fn read(&self, path: &ObjectPath, range: Option<Range<u64>>) -> Result<Bytes, StoreError> {
        self.on_a_thread("read", path, |files, path| files.read(path, range)).await
    }

    async fn size(&self, path: &ObjectPath) -> Result<u64, StoreError> {
        self.on_a_thread("look at", path, |files, path| {
            fs::metadata(files.file(path)).map(|of| of.len()).map_err(|e| StoreError::of("look at", path, e))
        })
        .await
    }

    async fn delete(&self, path: &ObjectPath) -> Result<(), StoreError> {
        self.0.journal.release(path).await?;
        self.on_a_thread("delete", path, |files, path| match fs::remove_file(files.file(path)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(StoreError::of("delete", path, error))
            }
            _ => Ok(()),
        })
        .await
    }

    async fn list(&self, folder: &str) -> Result<Vec<Listed>, StoreError> {
        let (files, folder) = (Arc::clone(&self.0.files), folder.to_owned());
        let failed = |path: &str, source| StoreError::Io { doing: "list", path: path.to_owned(), source };
        let name = folder.clone();
        let done = tokio::task::spawn_blocking(move || {
            let mut found = Vec::new();
            files.list_into(&folder, &mut found).map_err(|error| failed(&folder, error))?;
            found.sort_by(|a, b| a.path.cmp(&b.path));
            Ok(found)
        });
        done.await.unwrap_or_else(|lost| Err(failed(&name, io::Error::other(lost))))
    }
}

/// Holds small objects back until they are finished; larger ones go to a staged file piece by piece, one piece on its
/// way there while the next is gathered. What is there is synced from time to time, so that little is left for the end:
/// a disk takes a long file in as slowly at once as in between.
struct DiskWriter {
    store: DiskStore,
    path: ObjectPath,
    writing: Option<JoinHandle<Result<Staged, StoreError>>>,
    syncing: Option<JoinHandle<Result<(), StoreError>>>,
    held: Vec<Bytes>,
    held_bytes: usize,
}

impl DiskWriter {
    /// Begins to sync what has come together, unless that is still being done; a failure is the object's.
    async fn hurry_on(&mut self, staged: &mut Staged) -> Result<(), StoreError> {
        if self.syncing.as_ref().is_some_and(|before| !before.is_finished()) {
            return Ok(());
        }
        if let Some(before) = self.syncing.take() {
            ended("sync", &self.path, Some(before)).await?;
        }
        if let Some(file) = staged.take_waiting().map_err(|e| StoreError::of("sync", &self.path, e))? {
            let sync = move |_: &Files, path: &ObjectPath| {
                file.sync_data().map_err(|e| StoreError::of("sync", path, e))
            };
            self.syncing = self.store.begin(&self.path, sync).await;
        }
        Ok(())
    }
}

#[async_trait]
impl ObjectWriter for DiskWriter {
    async fn write(&mut self, bytes: Bytes) -> Result<(), StoreError> {
        self.held_bytes += bytes.len();
        self.held.push(bytes);
        let hold = match &self.writing {
            None => HOLD_BYTES,
            Some(before) if before.is_finished() => PIECE_BYTES,
            Some(_) => AHEAD_BYTES,
        };
        if self.held_bytes < hold {
            return Ok(());
        }
        let staged = match self.writing.take() {
            Some(before) => {
                let mut staged = ended("write", &self.path, Some(before)).await?;
                self.hurry_on(&mut staged).await?;
                Some(staged)
            }
            None => None,
        };
        self.held_bytes = 0;
        let held = std::mem::take(&mut self.held);
        let append = move |files: &Files, path: &ObjectPath| {
            let mut staged = staged.map_or_else(|| files.stage(path), Ok)?;
            staged.write(&held).map_err(|e| StoreError::of("write", path, e))?;
            Ok(staged)
        };
        self.writing = self.store.begin(&self.path, append).await;
        Ok(())
    }

    async fn finish(self: Box<Self>) -> Result<(), StoreError> {
        let Self { store, path, writing, syncing, held, .. } = *self;
        if writing.is_none() {
            return store.create_from(&path, held).await;
        }
        let mut staged = ended("write", &path, writing).await?;
        if syncing.is_some() {
            ended("sync", &path, syncing).await?;
        }
        let complete = move |files: &Files, path: &ObjectPath| {
            staged.write(&held).map_err(|e| StoreError::of("write", path, e))?;
            files.publish(staged, path)
        };
        store.on_a_thread("write", &path, complete).await
    }
}

#[cfg(test)]
pub(crate) use self::points::Point;

#[cfg(test)]
mod tests;
