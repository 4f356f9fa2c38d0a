//! The object store on a disk: temporary file, fsync, rename that replaces nothing, fsync of the folder.
//!
//! Every call into the file system runs on tokio's blocking threads, at most [`FILES_MAX`] at a time. Files are of
//! mode 0600, folders 0700. One hidden folder, `.staging`, holds what is not finished.

mod folder;
mod staging;

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::ops::Range;
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use jiff::Timestamp;
use rustix::fs::FlockOperation;
use tokio::sync::Semaphore;

use self::folder::{Folder, Folders};
use self::staging::{Staged, Staging};
use super::path::ObjectPath;
use super::store::{Listed, ObjectStore, ObjectWriter, StoreError, within};

/// Threads that work on files at the same time: enough to share the disk's syncs, few enough for a small machine.
const FILES_MAX: usize = 32;
/// Bytes a writer collects before it touches the disk; smaller objects cost one hop to a thread.
const HOLD_BYTES: usize = 256 * 1024;

/// Objects below one folder. Clones share it; processes may share the folder.
#[derive(Clone)]
pub struct DiskStore(Arc<Disk>);

struct Disk {
    root: PathBuf,
    folders: Folders,
    staging: Arc<Staging>,
    permits: Arc<Semaphore>,
}

impl DiskStore {
    /// Opens the store at `root`, which is created if it is missing (its parent is not), and removes what
    /// processes that died have left half-written.
    pub fn open(root: &Path) -> io::Result<Self> {
        match fs::DirBuilder::new().mode(0o700).create(root) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        let root = root.canonicalize()?;
        if let Some(parent) = root.parent() {
            File::open(parent)?.sync_all()?;
        }
        let staging = Arc::new(Staging::open(&root)?);
        let folders = Folders::new(&root);
        Ok(Self(Arc::new(Disk { root, folders, staging, permits: Arc::new(Semaphore::new(FILES_MAX)) })))
    }

    async fn on_a_thread<T: Send + 'static>(
        &self,
        doing: &'static str,
        path: &ObjectPath,
        work: impl FnOnce(&Disk, &ObjectPath) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (disk, path) = (Arc::clone(&self.0), path.clone());
        let lost = StoreError::of(doing, &path, io::Error::other("the thread for it was lost"));
        let Ok(permit) = Arc::clone(&self.0.permits).acquire_owned().await else { return Err(lost) };
        let done = tokio::task::spawn_blocking(move || {
            let outcome = work(&disk, &path);
            drop(permit);
            outcome
        });
        done.await.unwrap_or(Err(lost))
    }
}

#[async_trait]
impl ObjectStore for DiskStore {
    async fn create(&self, path: &ObjectPath, bytes: Bytes) -> Result<(), StoreError> {
        self.on_a_thread("write", path, |disk, path| disk.create(path, &[bytes])).await
    }

    async fn create_stream(&self, path: &ObjectPath) -> Result<Box<dyn ObjectWriter>, StoreError> {
        let held = Vec::new();
        Ok(Box::new(DiskWriter {
            store: self.clone(),
            path: path.clone(),
            staged: None,
            held,
            held_bytes: 0,
        }))
    }

    async fn create_many(&self, objects: Vec<(ObjectPath, Bytes)>) -> Result<(), StoreError> {
        let Some((first, _)) = objects.first() else { return Ok(()) };
        let first = first.clone();
        self.on_a_thread("write", &first, move |disk, _| disk.create_many(&objects)).await
    }

    async fn replace(
        &self,
        path: &ObjectPath,
        expected: Option<&[u8]>,
        bytes: Bytes,
    ) -> Result<(), StoreError> {
        let expected = expected.map(<[u8]>::to_vec);
        let swap = move |disk: &Disk, path: &ObjectPath| disk.replace(path, expected.as_deref(), &bytes);
        self.on_a_thread("replace", path, swap).await
    }

    async fn read(&self, path: &ObjectPath, range: Option<Range<u64>>) -> Result<Bytes, StoreError> {
        self.on_a_thread("read", path, |disk, path| disk.read(path, range)).await
    }

    async fn size(&self, path: &ObjectPath) -> Result<u64, StoreError> {
        self.on_a_thread("look at", path, |disk, path| {
            fs::metadata(disk.file(path)).map(|of| of.len()).map_err(|e| StoreError::of("look at", path, e))
        })
        .await
    }

    async fn delete(&self, path: &ObjectPath) -> Result<(), StoreError> {
        self.on_a_thread("delete", path, |disk, path| match fs::remove_file(disk.file(path)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(StoreError::of("delete", path, error))
            }
            _ => Ok(()),
        })
        .await
    }

    async fn list(&self, folder: &str) -> Result<Vec<Listed>, StoreError> {
        let (disk, folder) = (Arc::clone(&self.0), folder.to_owned());
        let failed = |path: &str, source| StoreError::Io { doing: "list", path: path.to_owned(), source };
        let name = folder.clone();
        let done = tokio::task::spawn_blocking(move || {
            let mut found = Vec::new();
            disk.list_into(&folder, &mut found).map_err(|error| failed(&folder, error))?;
            found.sort_by(|a, b| a.path.cmp(&b.path));
            Ok(found)
        });
        done.await.unwrap_or_else(|lost| Err(failed(&name, io::Error::other(lost))))
    }
}

impl Disk {
    fn file(&self, path: &ObjectPath) -> PathBuf {
        self.root.join(path.as_str())
    }

    /// The whole life of a small object: written, synced, named, its folder synced.
    fn create(&self, path: &ObjectPath, pieces: &[Bytes]) -> Result<(), StoreError> {
        let mut staged = self.stage(path)?;
        staged.write(pieces).map_err(|e| StoreError::of("write", path, e))?;
        self.publish(staged, path)
    }

    fn stage(&self, path: &ObjectPath) -> Result<Staged, StoreError> {
        // A staging folder that is gone is a fault of the store, not an object that was not found.
        let gone = |e: io::Error| StoreError::Io { doing: "begin", path: path.to_string(), source: e };
        self.staging.begin().map_err(gone)
    }

    /// Makes a staged file durable, gives it its name and makes that durable.
    fn publish(&self, staged: Staged, path: &ObjectPath) -> Result<(), StoreError> {
        staged.sync().map_err(|e| StoreError::of("sync", path, e))?;
        let folder = self.name(staged, path)?;
        folder.sync().map_err(|e| StoreError::of("sync the folder of", path, e))
    }

    fn name(&self, staged: Staged, path: &ObjectPath) -> Result<Arc<Folder>, StoreError> {
        let (folder, name) = path.split();
        let folder = self.folders.get(folder).map_err(|e| StoreError::of("open the folder of", path, e))?;
        match staged.name_new(&folder, name) {
            Ok(()) => Ok(folder),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                Err(StoreError::Exists { path: path.clone() })
            }
            Err(error) => Err(StoreError::of("name", path, error)),
        }
    }

    fn create_many(&self, objects: &[(ObjectPath, Bytes)]) -> Result<(), StoreError> {
        let mut staged = Vec::with_capacity(objects.len());
        for (path, bytes) in objects {
            let mut file = self.stage(path)?;
            file.write(std::slice::from_ref(bytes)).map_err(|e| StoreError::of("write", path, e))?;
            staged.push(file);
        }
        for (file, (path, _)) in staged.iter().zip(objects) {
            file.sync().map_err(|e| StoreError::of("sync", path, e))?;
        }
        let mut touched: Vec<(Arc<Folder>, &ObjectPath)> = Vec::new();
        for (file, (path, bytes)) in staged.into_iter().zip(objects) {
            let folder = match self.name(file, path) {
                Err(StoreError::Exists { .. }) if self.read(path, None)? == *bytes => self
                    .folders
                    .get(path.split().0)
                    .map_err(|e| StoreError::of("open the folder of", path, e))?,
                outcome => outcome?,
            };
            if !touched.iter().any(|(known, _)| Arc::ptr_eq(known, &folder)) {
                touched.push((folder, path));
            }
        }
        for (folder, path) in touched {
            folder.sync().map_err(|e| StoreError::of("sync the folder of", path, e))?;
        }
        Ok(())
    }

    /// Under a lock that holds between threads and between processes.
    fn replace(&self, path: &ObjectPath, expected: Option<&[u8]>, bytes: &Bytes) -> Result<(), StoreError> {
        let failed = |e| StoreError::of("replace", path, e);
        let lock = self.staging.lock_file().map_err(failed)?;
        rustix::fs::flock(&lock, FlockOperation::LockExclusive).map_err(|e| failed(e.into()))?;
        let present = match self.read(path, None) {
            Ok(bytes) => Some(bytes),
            Err(StoreError::NotFound { .. }) => None,
            Err(error) => return Err(error),
        };
        if present.as_deref() != expected {
            return Err(StoreError::Changed { path: path.clone() });
        }
        let mut staged = self.stage(path)?;
        staged.write(std::slice::from_ref(bytes)).map_err(failed)?;
        staged.sync().map_err(failed)?;
        let (folder, name) = path.split();
        let folder = self.folders.get(folder).map_err(failed)?;
        staged.name_over(&folder, name).map_err(failed)?;
        folder.sync().map_err(failed)
    }

    fn read(&self, path: &ObjectPath, range: Option<Range<u64>>) -> Result<Bytes, StoreError> {
        let failed = |e| StoreError::of("read", path, e);
        let mut file = File::open(self.file(path)).map_err(failed)?;
        let Some(range) = range else {
            let mut all = Vec::new();
            file.read_to_end(&mut all).map_err(failed)?;
            return Ok(all.into());
        };
        let size = file.metadata().map_err(failed)?.len();
        let (start, length) = within(path, range, size)?;
        let mut bytes = BytesMut::zeroed(usize::try_from(length).map_err(|e| failed(io::Error::other(e)))?);
        file.read_exact_at(&mut bytes, start).map_err(failed)?;
        Ok(bytes.freeze())
    }

    fn list_into(&self, folder: &str, found: &mut Vec<Listed>) -> io::Result<()> {
        let entries = match fs::read_dir(self.root.join(folder)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            entries => entries?,
        };
        for entry in entries {
            let entry = entry?;
            let Some(name) = entry.file_name().to_str().map(str::to_owned) else { continue };
            let name = if folder.is_empty() { name } else { format!("{folder}/{name}") };
            let Ok(path) = name.parse::<ObjectPath>() else { continue };
            let about = match entry.metadata() {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                about => about?,
            };
            if about.is_dir() {
                self.list_into(&name, found)?;
            } else {
                let written_at = Timestamp::try_from(about.modified()?).map_err(io::Error::other)?;
                found.push(Listed { path, size: about.len(), written_at });
            }
        }
        Ok(())
    }
}

/// Holds small objects back until they are finished; larger ones go to a staged file piece by piece.
struct DiskWriter {
    store: DiskStore,
    path: ObjectPath,
    staged: Option<Staged>,
    held: Vec<Bytes>,
    held_bytes: usize,
}

#[async_trait]
impl ObjectWriter for DiskWriter {
    async fn write(&mut self, bytes: Bytes) -> Result<(), StoreError> {
        self.held_bytes += bytes.len();
        self.held.push(bytes);
        if self.held_bytes < HOLD_BYTES {
            return Ok(());
        }
        self.held_bytes = 0;
        let (staged, held) = (self.staged.take(), std::mem::take(&mut self.held));
        let append = move |disk: &Disk, path: &ObjectPath| {
            let mut staged = staged.map_or_else(|| disk.stage(path), Ok)?;
            staged.write(&held).map_err(|e| StoreError::of("write", path, e))?;
            Ok(staged)
        };
        self.staged = Some(self.store.on_a_thread("write", &self.path, append).await?);
        Ok(())
    }

    async fn finish(self: Box<Self>) -> Result<(), StoreError> {
        let Self { store, path, staged, held, .. } = *self;
        let complete = move |disk: &Disk, path: &ObjectPath| {
            let Some(mut staged) = staged else { return disk.create(path, &held) };
            staged.write(&held).map_err(|e| StoreError::of("write", path, e))?;
            disk.publish(staged, path)
        };
        store.on_a_thread("write", &path, complete).await
    }
}

#[cfg(test)]
mod tests;
