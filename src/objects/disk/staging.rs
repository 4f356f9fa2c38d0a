//! Files that have no name in the store yet. Each process has a staging folder of its own, locked while it lives:
//! the next start removes those whose process is gone, however it ended.

use std::fs::{self, DirBuilder, File};
use std::io::{self, IoSlice, Write as _};
use std::os::fd::{AsFd, AsRawFd as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use rustix::fs::{Advice, AtFlags, FlockOperation, Mode, OFlags, RenameFlags};
use rustix::io::Errno;

use super::folder::Folder;

/// Pieces handed to the kernel in one call.
const PIECES_MAX: usize = 64;

/// Bytes of a file that are synced together while more of them come.
const HURRY_BYTES: u64 = 8 * 1024 * 1024;

/// The staging folder of this process.
pub(super) struct Staging {
    above: PathBuf,
    path: PathBuf,
    /// Open and locked: its lock says that the process lives.
    own: File,
    next: AtomicU64,
    /// Whether files can be made without a name and get one later: not every file system can, and it needs `/proc`.
    nameless: bool,
}

impl Staging {
    /// Makes a new folder below `root/.staging`; gives also those that nobody locks.
    pub(super) fn open(root: &Path) -> io::Result<(Self, Abandoned)> {
        let above = root.join(".staging");
        make(&above)?;
        let gate = File::open(&above)?;
        rustix::fs::flock(&gate, FlockOperation::LockExclusive)?;
        let folders = abandoned(&above)?;
        let mut number = std::process::id();
        let path = loop {
            let path = above.join(format!("{number:08x}"));
            if !path.exists() {
                break path;
            }
            number = number.wrapping_add(1);
        };
        make(&path)?;
        let own = File::open(&path)?;
        rustix::fs::flock(&own, FlockOperation::LockExclusive)?;
        let nameless = make_nameless(&own).and_then(|file| name_nameless(&file, &own, "tried")).is_ok();
        let _ = rustix::fs::unlinkat(&own, "tried", AtFlags::empty());
        let staging = Self { above, path, own, next: AtomicU64::new(0), nameless };
        Ok((staging, Abandoned { folders, _gate: gate }))
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// A new, empty file.
    pub(super) fn begin(self: &Arc<Self>) -> io::Result<Staged> {
        let name = format!("{:x}", self.next.fetch_add(1, Ordering::Relaxed));
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let file = File::from(rustix::fs::openat(&self.own, &name, flags, Mode::RUSR | Mode::WUSR)?);
        Ok(self.staged(file, Some(name)))
    }

    /// A new, empty file for `folder`. It lies there from the beginning, if it can: a file system keeps the files of a
    /// folder together, and one that many files are made in and leave again looks long for a place for the next.
    pub(super) fn begin_in(self: &Arc<Self>, folder: &Folder) -> io::Result<Staged> {
        match self.nameless.then(|| make_nameless(folder)) {
            Some(Ok(file)) => Ok(self.staged(file, None)),
            _ => self.begin(),
        }
    }

    fn staged(self: &Arc<Self>, file: File, name: Option<String>) -> Staged {
        Staged { staging: Arc::clone(self), name, file, written: 0, hurried: 0, named: false }
    }

    /// A file to lock for the time of a replacement; shared by all processes that use the store.
    pub(super) fn lock_file(&self) -> io::Result<File> {
        File::options().create(true).append(true).open(self.above.join("replace.lock"))
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        // Empty unless a file is still being written, and then the next start removes it.
        let _ = fs::remove_dir(&self.path);
    }
}

fn make(path: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

/// Folders of processes that are gone. Held until what they left is restored and removed: no other process looks at
/// them meanwhile.
pub(super) struct Abandoned {
    pub(super) folders: Vec<PathBuf>,
    _gate: File,
}

fn abandoned(above: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(above)? {
        let entry = entry?;
        if !entry.file_type()?.is_dir() {
            continue;
        }
        let folder = File::open(entry.path())?;
        match rustix::fs::flock(&folder, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => found.push(entry.path()),
            Err(Errno::WOULDBLOCK) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(found)
}

fn make_nameless(folder: impl AsFd) -> Result<File, Errno> {
    let flags = OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC;
    rustix::fs::openat(folder, ".", flags, Mode::RUSR | Mode::WUSR).map(File::from)
}

fn name_nameless(file: &File, folder: impl AsFd, name: &str) -> Result<(), Errno> {
    let open = format!("/proc/self/fd/{}", file.as_raw_fd());
    rustix::fs::linkat(rustix::fs::CWD, open, folder, name, AtFlags::SYMLINK_FOLLOW)
}

/// A file without a name in the store. Dropped before it has one, it is removed.
pub(super) struct Staged {
    staging: Arc<Staging>,
    /// In the staging folder; none: it has no name anywhere, and is gone when it is closed.
    name: Option<String>,
    file: File,
    written: u64,
    /// As far as it was handed out to be synced.
    hurried: u64,
    named: bool,
}

impl Staged {
    /// Appends the pieces.
    pub(super) fn write(&mut self, pieces: &[Bytes]) -> io::Result<()> {
        write_pieces(&self.file, pieces)?;
        self.written += pieces.iter().map(|piece| piece.len() as u64).sum::<u64>();
        Ok(())
    }

    /// The file, once so much has come together that it is worth a sync beside what is still to come. What that sync
    /// reports is not reported again: whoever makes it must tell the writer.
    pub(super) fn take_waiting(&mut self) -> io::Result<Option<File>> {
        if self.written - self.hurried < HURRY_BYTES {
            return Ok(None);
        }
        self.hurried = self.written;
        self.file.try_clone().map(Some)
    }

    /// Makes the bytes durable.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync_all()
    }

    /// Gives the file its name; an existing one is refused ("already exists") and keeps its bytes.
    pub(super) fn name_new(mut self, folder: &Folder, name: &str) -> io::Result<()> {
        let Some(staged) = &self.name else { return Ok(name_nameless(&self.file, folder, name)?) };
        let staging = &self.staging.own;
        match rustix::fs::renameat_with(staging, staged, folder, name, RenameFlags::NOREPLACE) {
            Ok(()) => {
                self.named = true;
                Ok(())
            }
            // A file system without this kind of rename: a link refuses an existing name too. The staged name is
            // removed by `drop`.
            Err(Errno::INVAL | Errno::NOSYS) => {
                Ok(rustix::fs::linkat(staging, staged, folder, name, AtFlags::empty())?)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Gives the file its name in place of the one that has it.
    pub(super) fn name_over(mut self, folder: &Folder, name: &str) -> io::Result<()> {
        let staged = self.name.as_ref().ok_or(io::ErrorKind::Unsupported)?;
        rustix::fs::renameat(&self.staging.own, staged, folder, name)?;
        self.named = true;
        Ok(())
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        if let Some(name) = self.name.as_ref().filter(|_| !self.named) {
            let _ = rustix::fs::unlinkat(&self.staging.own, name, AtFlags::empty());
        }
    }
}

/// Lets the kernel forget what it holds of a file and need not write. After a failed write it holds bytes that the disk
/// has not got, says so once, to whoever syncs, and gives them to every reader until it forgets them, also in the next
/// process: who has to know what the disk has, calls this before reading.
pub(super) fn forget_cached(file: &File) {
    // A file system that has no other place for it than memory refuses or does nothing.
    let _ = rustix::fs::fadvise(file, 0, None, Advice::DontNeed);
}

/// Writes all pieces, one behind the other, where the file stands.
pub(super) fn write_pieces(mut file: &File, pieces: &[Bytes]) -> io::Result<()> {
    for pieces in pieces.chunks(PIECES_MAX) {
        let mut slices: Vec<IoSlice<'_>> = pieces.iter().map(|piece| IoSlice::new(piece)).collect();
        let mut rest = slices.as_mut_slice();
        IoSlice::advance_slices(&mut rest, 0);
        while !rest.is_empty() {
            match file.write_vectored(rest) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => IoSlice::advance_slices(&mut rest, written),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(())
}
