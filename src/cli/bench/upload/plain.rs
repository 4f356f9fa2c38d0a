//! What the disk takes without any service: files and appends, each synced.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::super::own_server::noise;
use super::UploadError;
use super::load::Work;

/// Temporary file, fsync, rename, fsync of the folder, in 256 folders as the store has them.
pub(super) struct Files {
    folder: PathBuf,
    number: usize,
    bytes: Vec<u8>,
    count: usize,
}

impl Files {
    pub(super) fn new(folder: &Path, number: usize, size: usize) -> Result<Self, UploadError> {
        Ok(Self { folder: folder.to_owned(), number, bytes: noise(size), count: 0 })
    }
}

impl Work for Files {
    fn once(&mut self) -> Result<(), UploadError> {
        self.count += 1;
        let into = self.folder.join(format!("{:02x}", (self.count * 31 + self.number) % 256));
        fs::create_dir_all(&into)?;
        let temporary = self.folder.join(format!("{}.tmp", self.number));
        let mut file = File::create_new(&temporary)?;
        file.write_all(&self.bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, into.join(format!("{}-{}", self.number, self.count)))?;
        File::open(&into)?.sync_all()?;
        Ok(())
    }
}

/// One file for each client, that grows by one synced write after the other.
pub(super) struct Appends {
    file: File,
    bytes: Vec<u8>,
}

impl Appends {
    pub(super) fn new(folder: &Path, number: usize, size: usize) -> Result<Self, UploadError> {
        Ok(Self { file: File::create_new(folder.join(format!("{number}.log")))?, bytes: noise(size) })
    }
}

impl Work for Appends {
    fn once(&mut self) -> Result<(), UploadError> {
        self.file.write_all(&self.bytes)?;
        Ok(self.file.sync_data()?)
    }
}

/// How long one file of `bytes` bytes takes, synced.
pub(super) fn one_long_file(path: &Path, bytes: u64) -> Result<Duration, UploadError> {
    let piece = noise(1 << 20);
    let began = Instant::now();
    let mut file = File::create_new(path)?;
    let mut left = bytes;
    while left > 0 {
        let now = usize::try_from(left).unwrap_or(usize::MAX).min(piece.len());
        file.write_all(piece.get(..now).unwrap_or_default())?;
        left -= now as u64;
    }
    file.sync_all()?;
    let took = began.elapsed();
    fs::remove_file(path)?;
    Ok(took)
}
