//! After a crash: what the journal of a dead process promised and the disk has not kept is written again.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use super::super::files::Files;
use super::record::{self, Kind, Record};
use super::segment::{self, Records};
use crate::objects::path::ObjectPath;
use crate::objects::store::StoreError;

/// Where the record of each object lies that the journal still speaks of.
type Live = BTreeMap<ObjectPath, (PathBuf, u64)>;

/// Makes all objects durable that the journal in the folder of a dead process speaks of. May be repeated.
pub(in super::super) fn restore(files: &Files, abandoned: &Path) -> io::Result<()> {
    let live = live(&segment::files(abandoned)?, Records::open_as_on_disk)?;
    if live.is_empty() {
        return Ok(());
    }
    let mut restored = 0;
    for (journal, offset) in live.values() {
        if let Some(record) = record::read_at(&File::open(journal)?, *offset)? {
            restored += u64::from(restore_one(files, record)?);
        }
    }
    files.make_durable(&live.keys().cloned().collect::<Vec<_>>())?;
    tracing::info!(objects = live.len(), restored, "the journal of the object store was replayed");
    Ok(())
}

/// Writes the objects again that the journal files speak of and that are there: after a failed sync the kernel may
/// have dropped what it could not write, and says so only once.
pub(super) fn write_anew(files: &Files, journal: &[&Path]) -> io::Result<()> {
    let journal: Vec<_> = journal.iter().map(|file| file.to_path_buf()).collect();
    for (path, (journal, offset)) in live(&journal, Records::open)? {
        if let Some(record) = record::read_at(&File::open(journal)?, offset)?
            && files.file(&path).exists()
        {
            files.overwrite(&path, record.bytes.into()).map_err(io::Error::other)?;
        }
    }
    Ok(())
}

/// Of two records of one name the first counts: the second was refused because the first had the name.
fn live(journal: &[PathBuf], open: fn(&Path) -> io::Result<Records>) -> io::Result<Live> {
    let mut found = Vec::new();
    for file in journal {
        let mut records = open(file)?;
        while let Some((offset, Record { generation, number, kind, path, .. })) = records.next()? {
            found.push((generation, number, kind, path, file, offset));
        }
    }
    found.sort_by_key(|(generation, number, ..)| (*generation, *number));
    let mut live = Live::new();
    for (_, _, kind, path, file, offset) in found {
        match kind {
            Kind::Object => _ = live.entry(path).or_insert_with(|| (file.clone(), offset)),
            Kind::Void => _ = live.remove(&path),
        }
    }
    Ok(live)
}

/// Whether the file had to be written.
fn restore_one(files: &Files, record: Record) -> io::Result<bool> {
    let Record { path, bytes, .. } = record;
    let written = match files.read_as_on_disk(&path) {
        Ok(present) if present == bytes => return Ok(false),
        Ok(present) if is_torn(&present, &bytes) => files.overwrite(&path, bytes.into()),
        Ok(_) => {
            tracing::warn!(%path, "another object has the name of one in the journal; it was left alone");
            return Ok(false);
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            files.create_unsynced(&path, &[bytes.into()])
        }
        Err(error) => return Err(error),
    };
    match written {
        Err(StoreError::Exists { .. }) => Ok(false),
        outcome => outcome.map(|()| true).map_err(io::Error::other),
    }
}

/// What a power cut leaves of a file that was not synced: its beginning, with zeros where blocks had not come to the
/// disk. A file with a byte of its own is another object and is never touched.
fn is_torn(present: &[u8], whole: &[u8]) -> bool {
    present.len() <= whole.len() && present.iter().zip(whole).all(|(is, was)| is == was || *is == 0)
}
