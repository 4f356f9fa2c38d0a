//! Folders of the store: made when first needed, held open, synced once for all who wait.

use std::collections::HashMap;
use std::fs::{DirBuilder, File};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use rustix::fs::IFlags;

/// Open folders kept at most; those nobody uses are closed beyond it.
const OPEN_MAX: usize = 512;

/// The folders of one store that this process has used.
pub(super) struct Folders {
    root: PathBuf,
    open: Mutex<HashMap<String, Arc<Folder>>>,
}

impl Folders {
    pub(super) fn new(root: &Path) -> Self {
        Self { root: root.to_owned(), open: Mutex::default() }
    }

    /// The folder `name` (`""` is the root), made if it was missing. That it exists is durable after [`Self::sync`].
    pub(super) fn open(&self, name: &str) -> io::Result<Arc<Folder>> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(folder) = open.get(name) {
            return Ok(Arc::clone(folder));
        }
        if open.len() >= OPEN_MAX {
            open.retain(|_, folder| Arc::strong_count(folder) > 1);
        }
        let mut path = self.root.clone();
        for segment in name.split('/').filter(|segment| !segment.is_empty()) {
            path.push(segment);
            match DirBuilder::new().mode(0o700).create(&path) {
                Ok(()) if path.parent() == Some(&*self.root) => spread(&path),
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                _ => {}
            }
        }
        let folder = Arc::new(Folder {
            name: name.to_owned(),
            fd: File::open(path)?,
            found: AtomicBool::new(name.is_empty()),
            syncs: Mutex::default(),
            synced: Condvar::new(),
        });
        open.insert(name.to_owned(), Arc::clone(&folder));
        Ok(folder)
    }

    /// Makes all names durable that were put into the folder before the call, and that it exists itself.
    pub(super) fn sync(&self, folder: &Folder) -> io::Result<()> {
        folder.sync()?;
        // Another process may have made the folder and died before it synced the one above: sync on first use.
        if !folder.found.load(Ordering::Acquire) {
            let mut above = folder.name.as_str();
            while !above.is_empty() {
                above = above.rsplit_once('/').map_or("", |(above, _)| above);
                File::open(self.root.join(above))?.sync_all()?;
            }
            folder.found.store(true, Ordering::Release);
        }
        Ok(())
    }
}

/// Lets the file system put the folders that will lie in this one far from each other (`chattr +T`), where it knows
/// that: else all files of all of them share one group of inodes, in which each new one looks for a free one.
fn spread(path: &Path) {
    if let Ok(folder) = File::open(path)
        && let Ok(flags) = rustix::fs::ioctl_getflags(&folder)
    {
        // A wish: a file system that does not know it puts them where it likes.
        let _ = rustix::fs::ioctl_setflags(&folder, flags | IFlags::TOPDIR);
    }
}

/// An open folder.
pub(super) struct Folder {
    name: String,
    fd: File,
    /// Whether a power cut leaves it where it is.
    found: AtomicBool,
    syncs: Mutex<Syncs>,
    synced: Condvar,
}

/// Who waits takes a number; a sync that begins later than the number was taken serves it.
#[derive(Default)]
struct Syncs {
    last_taken: u64,
    served: u64,
    failed: u64,
    running: bool,
}

impl Folder {
    /// Makes all names durable that were put into the folder before the call. One sync serves all who wait for it.
    ///
    /// A failed sync fails for all it served: the kernel reports it once and may have dropped what it could not
    /// write, so that a later sync says nothing about it.
    fn sync(&self) -> io::Result<()> {
        let mut syncs = self.lock();
        syncs.last_taken += 1;
        let mine = syncs.last_taken;
        loop {
            if syncs.failed >= mine {
                return Err(io::Error::other("the folder could not be synced"));
            }
            if syncs.served >= mine {
                return Ok(());
            }
            if syncs.running {
                syncs = self.synced.wait(syncs).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            syncs.running = true;
            let serves = syncs.last_taken;
            drop(syncs);
            let outcome = self.fd.sync_all();
            syncs = self.lock();
            syncs.running = false;
            match outcome {
                Ok(()) => syncs.served = serves,
                Err(_) => syncs.failed = serves,
            }
            self.synced.notify_all();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Syncs> {
        self.syncs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AsFd for Folder {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
