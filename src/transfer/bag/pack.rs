//! A bag in the making: files come in one by one, those that are there and equal stay untouched, and the manifest comes
//! last, so that what was broken off is no bag and what is a bag is whole.

use std::collections::HashSet;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, BufWriter, Read as _, Write};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use sha2::Digest as _;

use super::super::folder::{Folder, What};
use super::line::encode;
use super::{DATA, DECLARATION, INFO};
use crate::domain::digest::Sha256;

/// Says that the folder is ours, and whose export it is.
const MARKER: &str = "stammbuch-export.json";
/// What is being written lies there until it is whole.
const PARTS: &str = ".stammbuch-parts";
const MANIFEST: &str = "manifest-sha256.txt";
const TAGS: &str = "tagmanifest-sha256.txt";
/// Bytes that are read at a time.
const PIECE_BYTES: usize = 256 * 1024;

/// What a bag holds: another export goes to another folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// `authority` or `documents`.
    pub kind: &'static str,
    /// Which.
    pub id: String,
}

/// Whose export a folder is, if it is one of ours: `authority 00…`.
pub fn owner_of(folder: &Folder) -> Option<String> {
    let mut text = String::new();
    folder.file(MARKER).ok()?.take(4096).read_to_string(&mut text).ok()?;
    let said: Value = serde_json::from_str(&text).ok()?;
    said.get("format").filter(|format| *format == "stammbuch/export/v1")?;
    let id = |kind: &str| said.get(kind).and_then(Value::as_str).map(|id| format!("{kind} {id}"));
    id("authority").or_else(|| id("documents"))
}

/// Why a bag cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// The folder holds something else.
    #[error("{0} is not empty, and is no export of this {1}")]
    NotOurs(String, &'static str),
    /// Another export writes it.
    #[error("another export writes {0}")]
    Busy(String),
    /// The disk.
    #[error("{0} cannot be written")]
    Io(String, #[source] io::Error),
}

/// A bag in the making. It is a bag once it is closed.
pub struct Bag {
    folder: PathBuf,
    manifest: BufWriter<File>,
    /// Of each path half a digest: 16 bytes for a file.
    kept: HashSet<u128>,
    bytes: u64,
    _lock: File,
}

/// A file that is being written, and the digest of what came so far.
pub struct Partial {
    path: PathBuf,
    file: File,
    hash: sha2::Sha256,
    size: u64,
}

/// A file that is whole and at its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// Below `data/`.
    pub path: String,
    /// Its digest.
    pub sha256: Sha256,
    /// Its bytes, counted.
    pub size: u64,
    /// Whether it was there before.
    pub was_there: bool,
}

impl Partial {
    /// The digest of what came so far.
    pub fn digest(&self) -> Sha256 {
        Sha256::from_bytes(self.hash.clone().finalize().into())
    }
}

impl Write for Partial {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.hash.update(bytes.get(..written).unwrap_or_default());
        self.size += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Bag {
    /// Begins or goes on in a folder that is empty, not there yet, or an export of the same. From now on it is no bag.
    ///
    /// # Errors
    /// [`PackError`].
    pub fn open(folder: &Path, owner: &Owner) -> Result<Self, PackError> {
        let failed = |error| PackError::Io(folder.display().to_string(), error);
        make_folder(folder).map_err(failed)?;
        let marker = folder.join(MARKER);
        let said = json!({ "format": "stammbuch/export/v1", owner.kind: owner.id });
        if !marker.exists() {
            if fs::read_dir(folder).map_err(failed)?.next().is_some() {
                return Err(PackError::NotOurs(folder.display().to_string(), owner.kind));
            }
            fs::write(&marker, format!("{said}\n")).map_err(failed)?;
        }
        let lock = File::open(&marker).map_err(failed)?;
        lock.try_lock().map_err(|_| PackError::Busy(folder.display().to_string()))?;
        let text = fs::read_to_string(&marker).map_err(failed)?;
        if serde_json::from_str::<Value>(&text).ok() != Some(said) {
            return Err(PackError::NotOurs(folder.display().to_string(), owner.kind));
        }
        for name in [MANIFEST, TAGS, DECLARATION] {
            remove(&folder.join(name)).map_err(failed)?;
        }
        let parts = folder.join(PARTS);
        if parts.exists() {
            fs::remove_dir_all(&parts).map_err(failed)?;
        }
        make_folder(&parts).map_err(failed)?;
        make_folder(&folder.join(DATA)).map_err(failed)?;
        sync_folder(folder).map_err(failed)?;
        let manifest = BufWriter::new(create(&parts.join(MANIFEST)).map_err(failed)?);
        Ok(Self { folder: folder.to_owned(), manifest, kept: HashSet::new(), bytes: 0, _lock: lock })
    }

    /// A file to be written. `name` is not that of another one at the same time.
    ///
    /// # Errors
    /// What the disk says.
    pub fn begin(&self, name: &str) -> io::Result<Partial> {
        let path = self.folder.join(PARTS).join(name);
        Ok(Partial { file: create(&path)?, path, hash: sha2::Sha256::new(), size: 0 })
    }

    /// Puts a file that is whole at its place below `data/`. One that is there and equal stays as it is.
    ///
    /// # Errors
    /// What the disk says.
    pub fn finish(&self, partial: Partial, path: &str) -> io::Result<Kept> {
        let (sha256, size) = (partial.digest(), partial.size);
        if let Some(kept) = self.there(path, sha256, size)? {
            fs::remove_file(&partial.path)?;
            return Ok(kept);
        }
        partial.file.sync_all()?;
        let place = self.place(path);
        if let Some(above) = place.parent() {
            make_folder(above)?;
            fs::rename(&partial.path, &place)?;
            sync_folder(above)?;
        }
        Ok(Kept { path: path.to_owned(), sha256, size, was_there: false })
    }

    /// Whether a file with these bytes is at its place; all of it is read.
    ///
    /// # Errors
    /// What the disk says.
    pub fn there(&self, path: &str, sha256: Sha256, size: u64) -> io::Result<Option<Kept>> {
        let place = self.place(path);
        let is_file = fs::symlink_metadata(&place).is_ok_and(|found| found.is_file() && found.len() == size);
        if !is_file || digest(&place)? != sha256 {
            return Ok(None);
        }
        Ok(Some(Kept { path: path.to_owned(), sha256, size, was_there: true }))
    }

    /// Notes a file for the manifest.
    ///
    /// # Errors
    /// What the disk says.
    pub fn note(&mut self, kept: &Kept) -> io::Result<()> {
        self.kept.insert(short(&kept.path));
        self.bytes += kept.size;
        writeln!(self.manifest, "{}  {DATA}/{}", kept.sha256, encode(&kept.path))
    }

    /// Removes what an earlier export left and this one does not have, writes the words about all, then the manifest.
    ///
    /// # Errors
    /// What the disk says.
    pub fn close(mut self, info: &[(&str, String)]) -> io::Result<()> {
        self.remove_what_is_left()?;
        let mut text = String::new();
        for (name, value) in info {
            text.push_str(&format!("{name}: {}\n", value.replace(['\r', '\n'], " ")));
        }
        text.push_str(&format!("Payload-Oxum: {}.{}\n", self.bytes, self.kept.len()));
        self.tag(INFO, text.as_bytes())?;
        self.manifest.flush()?;
        self.manifest.get_ref().sync_all()?;
        let parts = self.folder.join(PARTS);
        fs::rename(parts.join(MANIFEST), self.folder.join(MANIFEST))?;
        self.tag(DECLARATION, b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n")?;
        let mut tags = String::new();
        for name in [INFO, DECLARATION, MANIFEST, MARKER] {
            tags.push_str(&format!("{}  {name}\n", digest(&self.folder.join(name))?));
        }
        self.tag(TAGS, tags.as_bytes())?;
        fs::remove_dir_all(&parts)?;
        sync_folder(&self.folder)
    }

    fn remove_what_is_left(&self) -> io::Result<()> {
        let data = self.folder.join(DATA);
        for found in Folder::open(&data)?.walk_all()? {
            let ours = matches!(found.what, What::File(_)) && self.kept.contains(&short(&found.path));
            if !ours {
                // What cannot be removed is named by whoever checks the bag.
                let _ = fs::remove_file(data.join(&found.path));
            }
        }
        Ok(())
    }

    fn tag(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let part = self.folder.join(PARTS).join(name);
        let mut file = create(&part)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(part, self.folder.join(name))
    }

    fn place(&self, path: &str) -> PathBuf {
        self.folder.join(DATA).join(path)
    }
}

/// Register data is for its owner only.
fn make_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

fn digest(path: &Path) -> io::Result<Sha256> {
    let mut file = File::open(path)?;
    let (mut hash, mut piece) = (sha2::Sha256::new(), vec![0; PIECE_BYTES]);
    loop {
        let got = file.read(&mut piece)?;
        if got == 0 {
            return Ok(Sha256::from_bytes(hash.finalize().into()));
        }
        hash.update(piece.get(..got).unwrap_or_default());
    }
}

fn short(path: &str) -> u128 {
    let digest = *Sha256::of(path.as_bytes()).as_bytes();
    u128::from_le_bytes(std::array::from_fn(|at| digest.get(at).copied().unwrap_or_default()))
}
