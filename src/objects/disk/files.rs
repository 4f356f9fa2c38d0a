//! What the disk store does with files, each call from start to end on the thread that makes it.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use jiff::Timestamp;
use rustix::fs::FlockOperation;

use super::super::path::ObjectPath;
use super::super::store::{Listed, StoreError, within};
use super::folder::{Folder, Folders};
use super::points::{Point, Points};
use super::staging::{Staged, Staging, forget_cached};

/// Files that are synced one by one; for more, one sync of the file system costs less.
const SYNCED_EACH_MAX: usize = 32;

/// The files of one store.
pub(super) struct Files {
    root: PathBuf,
    /// Open all the time: a sync of the file system reports what went wrong since its descriptor was opened.
    root_open: File,
    folders: Folders,
    staging: Arc<Staging>,
    pub(super) points: Points,
}

impl Files {
    /// Files below `root`, with a staging folder of this process.
    pub(super) fn new(root: &Path, staging: Staging, points: Points) -> io::Result<Self> {
        let (folders, staging) = (Folders::new(root), Arc::new(staging));
        Ok(Self { root: root.to_owned(), root_open: File::open(root)?, folders, staging, points })
    }

    pub(super) fn staging_folder(&self) -> &Path {
        self.staging.path()
    }

    pub(super) fn file(&self, path: &ObjectPath) -> PathBuf {
        self.root.join(path.as_str())
    }

    /// A new file without a name.
    pub(super) fn stage(&self, path: &ObjectPath) -> Result<Staged, StoreError> {
        // A staging folder that is gone is a fault of the store, not an object that was not found.
        let gone = |e: io::Error| StoreError::Io { doing: "begin", path: path.to_string(), source: e };
        self.staging.begin().map_err(gone)
    }

    /// A new file with its bytes and its name, all of it as durable as the kernel made it so far.
    pub(super) fn create_unsynced(&self, path: &ObjectPath, pieces: &[Bytes]) -> Result<(), StoreError> {
        let gone = |e: io::Error| StoreError::Io { doing: "begin", path: path.to_string(), source: e };
        let folder = self.folders.open(path.split().0).map_err(gone)?;
        let mut staged = self.staging.begin_in(&folder).map_err(gone)?;
        staged.write(pieces).map_err(|e| StoreError::of("write", path, e))?;
        self.name(staged, path).map(drop)
    }

    /// A file in place of the one that has the name; its bytes are durable, its name is not yet.
    pub(super) fn overwrite(&self, path: &ObjectPath, bytes: Bytes) -> Result<(), StoreError> {
        let failed = |e| StoreError::of("write anew", path, e);
        let mut staged = self.stage(path)?;
        staged.write(&[bytes]).map_err(failed)?;
        staged.sync().map_err(failed)?;
        let (folder, name) = path.split();
        staged.name_over(&*self.folders.open(folder).map_err(failed)?, name).map_err(failed)
    }

    /// Makes a staged file durable, gives it its name and makes that durable.
    pub(super) fn publish(&self, staged: Staged, path: &ObjectPath) -> Result<(), StoreError> {
        (self.points)(Point::FileWritten);
        staged.sync().map_err(|e| StoreError::of("sync", path, e))?;
        (self.points)(Point::FileSynced);
        let folder = self.name(staged, path)?;
        (self.points)(Point::FileNamed);
        self.folders.sync(&folder).map_err(|e| StoreError::of("sync the folder of", path, e))
    }

    fn name(&self, staged: Staged, path: &ObjectPath) -> Result<Arc<Folder>, StoreError> {
        let (folder, name) = path.split();
        let folder = self.folders.open(folder).map_err(|e| StoreError::of("open the folder of", path, e))?;
        match staged.name_new(&folder, name) {
            Ok(()) => Ok(folder),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                Err(StoreError::Exists { path: path.clone() })
            }
            Err(error) => Err(StoreError::of("name", path, error)),
        }
    }

    /// Makes bytes and names of objects durable that are there; those that are not were deleted.
    pub(super) fn make_durable(&self, paths: &[ObjectPath]) -> io::Result<()> {
        if paths.len() <= SYNCED_EACH_MAX {
            return self.sync_each(paths);
        }
        Ok(rustix::fs::syncfs(&self.root_open)?)
    }

    /// As [`Self::make_durable`], file by file.
    pub(super) fn sync_each(&self, paths: &[ObjectPath]) -> io::Result<()> {
        let mut touched = Touched::default();
        for path in paths {
            match File::open(self.file(path)) {
                Ok(file) => file.sync_all()?,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            }
            touched.add(self.folders.open(path.split().0)?, path);
        }
        touched.0.iter().try_for_each(|(folder, _)| self.folders.sync(folder))
    }

    pub(super) fn create_many(&self, objects: &[(ObjectPath, Bytes)]) -> Result<(), StoreError> {
        let mut staged = Vec::with_capacity(objects.len());
        for (path, bytes) in objects {
            let mut file = self.stage(path)?;
            file.write(std::slice::from_ref(bytes)).map_err(|e| StoreError::of("write", path, e))?;
            staged.push(file);
        }
        for (file, (path, _)) in staged.iter().zip(objects) {
            file.sync().map_err(|e| StoreError::of("sync", path, e))?;
        }
        let mut touched = Touched::default();
        for (file, (path, bytes)) in staged.into_iter().zip(objects) {
            let folder = match self.name(file, path) {
                Err(StoreError::Exists { .. }) if self.read(path, None)? == *bytes => self
                    .folders
                    .open(path.split().0)
                    .map_err(|e| StoreError::of("open the folder of", path, e))?,
                outcome => outcome?,
            };
            touched.add(folder, path);
        }
        for (folder, path) in touched.0 {
            self.folders.sync(&folder).map_err(|e| StoreError::of("sync the folder of", path, e))?;
        }
        Ok(())
    }

    /// Under a lock that holds between threads and between processes.
    pub(super) fn replace(
        &self,
        path: &ObjectPath,
        expected: Option<&[u8]>,
        bytes: &Bytes,
    ) -> Result<(), StoreError> {
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
        let folder = self.folders.open(folder).map_err(failed)?;
        staged.name_over(&folder, name).map_err(failed)?;
        self.folders.sync(&folder).map_err(failed)
    }

    /// All bytes as the disk has them, whatever is held of them in memory.
    pub(super) fn read_as_on_disk(&self, path: &ObjectPath) -> io::Result<Vec<u8>> {
        let mut file = File::open(self.file(path))?;
        forget_cached(&file);
        let mut all = Vec::new();
        file.read_to_end(&mut all)?;
        Ok(all)
    }

    pub(super) fn read(&self, path: &ObjectPath, range: Option<Range<u64>>) -> Result<Bytes, StoreError> {
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

    pub(super) fn list_into(&self, folder: &str, found: &mut Vec<Listed>) -> io::Result<()> {
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

/// Folders whose names are to be synced, each once, with an object that lies there.
#[derive(Default)]
struct Touched<'p>(Vec<(Arc<Folder>, &'p ObjectPath)>);

impl<'p> Touched<'p> {
    fn add(&mut self, folder: Arc<Folder>, path: &'p ObjectPath) {
        if !self.0.iter().any(|(known, _)| Arc::ptr_eq(known, &folder)) {
            self.0.push((folder, path));
        }
    }
}
