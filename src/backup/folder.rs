//! The folder of backups: `stammbuch-backup` says whose it is, `objects/` has what all of them share, `snapshots/NAME/`
//! the list of objects and the manifest of each. What has no manifest was broken off, and is removed by the next one.

use std::fs::{self, DirBuilder, File};
use std::io::{self, BufRead as _, BufReader};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use super::manifest::Manifest;
use super::{BackupError, file};
use crate::domain::digest::Sha256;
use crate::domain::ids::ObjectId;
use crate::objects::DiskStore;
use crate::private_file;

/// The file that says what the folder is.
pub(super) const MARK: &str = "stammbuch-backup";
const MARK_WORDS: &str = "stammbuch backup folder 1";

/// A folder with backups of one installation.
pub struct Folder {
    path: PathBuf,
    _lock: Option<File>,
}

/// A backup that was finished.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// Its name: when it was taken.
    pub name: String,
    /// What it says.
    pub manifest: Manifest,
    /// The folder of its files.
    pub(super) path: PathBuf,
}

/// An object that a backup has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) object: ObjectId,
    pub(super) size: u64,
    pub(super) sha256: Sha256,
}

impl Folder {
    /// Takes a folder to write to; an empty one becomes that of the installation whose log has this key.
    ///
    /// # Errors
    /// [`BackupError::OtherFolder`], [`BackupError::Busy`], or the system's.
    pub fn take(path: &Path, log_key: &str) -> Result<Self, BackupError> {
        let failed = file(path);
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(&failed)?;
        let mark = path.join(MARK);
        let expected = format!("{MARK_WORDS}\n{log_key}\n");
        match fs::read_to_string(&mark) {
            Ok(text) if text == expected => {}
            Ok(_) => return Err(BackupError::OtherFolder { path: path.to_owned() }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                if fs::read_dir(path).map_err(&failed)?.next().is_some() {
                    return Err(BackupError::OtherFolder { path: path.to_owned() });
                }
                write(&mark, expected.as_bytes())?;
            }
            Err(error) => return Err(file(&mark)(error)),
        }
        let lock = File::open(&mark).map_err(file(&mark))?;
        if lock.try_lock().is_err() {
            return Err(BackupError::Busy { path: path.to_owned() });
        }
        Ok(Self { path: path.to_owned(), _lock: Some(lock) })
    }

    /// Opens a folder to read from.
    ///
    /// # Errors
    /// [`BackupError::NoSnapshot`] if it is no folder of backups.
    pub fn open(path: &Path) -> Result<Self, BackupError> {
        match fs::read_to_string(path.join(MARK)) {
            Ok(text) if text.starts_with(MARK_WORDS) => Ok(Self { path: path.to_owned(), _lock: None }),
            _ => Err(BackupError::NoSnapshot { path: path.to_owned() }),
        }
    }

    /// What all its backups share.
    pub(super) fn store(&self) -> Result<DiskStore, BackupError> {
        let path = self.path.join("objects");
        DiskStore::open(&path).map_err(file(&path))
    }

    /// A folder for a new one.
    pub(super) fn begin(&self, name: &str) -> Result<PathBuf, BackupError> {
        let path = self.snapshots().join(name);
        DirBuilder::new().recursive(true).mode(0o700).create(&path).map_err(file(&path))?;
        Ok(path)
    }

    /// Those that were finished, oldest first.
    ///
    /// # Errors
    /// If a manifest is damaged.
    pub fn finished(&self) -> Result<Vec<Snapshot>, BackupError> {
        let mut found = Vec::new();
        for (name, path) in self.all()? {
            let manifest = path.join("manifest");
            if manifest.exists() {
                found.push(Snapshot { name, manifest: Manifest::read(&manifest)?, path });
            }
        }
        Ok(found)
    }

    /// Removes those that were broken off.
    pub(super) fn remove_unfinished(&self) -> Result<(), BackupError> {
        for (_, path) in self.all()? {
            if !path.join("manifest").exists() {
                fs::remove_dir_all(&path).map_err(file(&path))?;
            }
        }
        Ok(())
    }

    fn snapshots(&self) -> PathBuf {
        self.path.join("snapshots")
    }

    fn all(&self) -> Result<Vec<(String, PathBuf)>, BackupError> {
        let path = self.snapshots();
        let entries = match fs::read_dir(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(file(&path))?,
        };
        let mut found = Vec::new();
        for entry in entries {
            let entry = entry.map_err(file(&path))?;
            if let Ok(name) = entry.file_name().into_string() {
                found.push((name, entry.path()));
            }
        }
        found.sort();
        Ok(found)
    }
}

impl Snapshot {
    fn list(&self) -> PathBuf {
        self.path.join("objects.list")
    }

    /// Whether the list of objects is the one the manifest was written for.
    pub(super) fn check_list(&self) -> Result<(), BackupError> {
        let path = self.list();
        let damaged = |reason: String| BackupError::Damaged { path: path.clone(), reason };
        let mut bytes = io::BufReader::new(File::open(&path).map_err(|error| damaged(error.to_string()))?);
        let mut digest = ring::digest::Context::new(&ring::digest::SHA256);
        loop {
            let part = bytes.fill_buf().map_err(file(&path))?;
            let read = part.len();
            if read == 0 {
                break;
            }
            digest.update(part);
            bytes.consume(read);
        }
        if digest.finish().as_ref() == self.manifest.list_sha256.as_bytes() {
            return Ok(());
        }
        Err(damaged("it was cut or changed".to_owned()))
    }

    /// Its objects, in the order of their ids.
    pub(super) fn lines(
        &self,
    ) -> Result<impl Iterator<Item = Result<Line, BackupError>> + use<>, BackupError> {
        let path = self.list();
        let reader = BufReader::new(File::open(&path).map_err(file(&path))?);
        Ok(reader.lines().map(move |line| {
            let line = line.map_err(file(&path))?;
            Line::parse(&line)
                .ok_or_else(|| BackupError::Damaged { path: path.clone(), reason: "a line of it".to_owned() })
        }))
    }
}

impl Line {
    fn parse(line: &str) -> Option<Self> {
        let mut words = line.split(' ');
        let object = words.next()?.parse().ok()?;
        let size = words.next()?.parse().ok()?;
        let mut sha256 = [0; 32];
        hex::decode_to_slice(words.next()?, &mut sha256).ok()?;
        Some(Self { object, size, sha256: Sha256::from_bytes(sha256) })
    }

    pub(super) fn to_text(self) -> String {
        format!("{} {} {}\n", self.object, self.size, self.sha256)
    }
}

/// Writes a file that only its owner reads, durably and all at once.
pub(super) fn write(path: &Path, bytes: &[u8]) -> Result<(), BackupError> {
    private_file::replace(path, bytes).map_err(file(path))
}
