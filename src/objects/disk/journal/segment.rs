//! One file of the journal: records are appended and synced together; once all it speaks of is durable elsewhere, it
//! is emptied and written again from its beginning, which costs no change of its length.

use std::fs::{self, File};
use std::io::{self, Seek as _, SeekFrom};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use bytes::Bytes;

use super::super::super::path::ObjectPath;
use super::super::points::{Point, Points};
use super::super::staging::{forget_cached, write_pieces};
use super::record::{self, BLOCK_BYTES, Kind, Record};

/// Bytes of records in one file.
pub(super) const SEGMENT_BYTES: u64 = 32 * 1024 * 1024;
/// Bytes by which a file grows at most at a time.
const GROWTH_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// What the files of the journal are called, before their number.
const NAME: &str = "journal-";

/// A file of the journal that is open for writing.
pub(super) struct Segment {
    file: File,
    path: PathBuf,
    generation: u64,
    next_number: u64,
    end: u64,
    /// As far as the file was ever written.
    length: u64,
    /// The objects its records speak of.
    pub(super) names: Vec<ObjectPath>,
}

/// What is to be appended.
pub(super) struct Entry<'o> {
    pub(super) kind: Kind,
    pub(super) path: &'o ObjectPath,
    pub(super) object: &'o [Bytes],
}

impl Entry<'_> {
    pub(super) fn stored_bytes(&self) -> u64 {
        record::stored_bytes(self.path, self.object.iter().map(Bytes::len).sum()) as u64
    }
}

impl Segment {
    /// A new, empty file in `folder`. `Ok`: its name is durable there; after an error there is none.
    pub(super) fn create(folder: &Path, number: u32) -> io::Result<Self> {
        let path = folder.join(format!("{NAME}{number}"));
        let file = File::options().write(true).create_new(true).mode(0o600).open(&path)?;
        let segment =
            Self { file, path, generation: 0, next_number: 0, end: 0, length: 0, names: Vec::new() };
        match segment.make_durable(folder) {
            Ok(()) => Ok(segment),
            Err(error) => {
                let _ = fs::remove_file(&segment.path);
                Err(error)
            }
        }
    }

    fn make_durable(&self, folder: &Path) -> io::Result<()> {
        self.file.sync_all()?;
        folder.ancestors().take(FOLDERS_ABOVE).try_for_each(|folder| File::open(folder)?.sync_all())
    }

    /// Begins to use the empty file; no other use of any file of this journal has the same number.
    pub(super) fn begin(&mut self, generation: u64) {
        self.generation = generation;
        self.next_number = 0;
        self.end = 0;
        self.names.clear();
    }

    pub(super) const fn generation(&self) -> u64 {
        self.generation
    }

    pub(super) const fn has_room(&self, bytes: u64) -> bool {
        self.end == 0 || self.end + bytes <= SEGMENT_BYTES
    }

    /// Appends the entries. `Ok`: all of them are durable. After an error none counts, though each may be read back,
    /// and nothing more may be appended: a later sync says nothing of what an earlier one could not write.
    pub(super) fn append(&mut self, entries: &[Entry<'_>], points: &Points) -> io::Result<()> {
        let mut pieces = Vec::with_capacity(4 * entries.len());
        for (number, entry) in (self.next_number..).zip(entries) {
            record::encode((self.generation, number), entry.kind, entry.path, entry.object, &mut pieces);
        }
        (&self.file).seek(SeekFrom::Start(self.end))?;
        write_pieces(&self.file, &pieces)?;
        let end = self.end + entries.iter().map(Entry::stored_bytes).sum::<u64>();
        self.grow_beyond(end);
        points(Point::Appended);
        self.file.sync_data()?;
        points(Point::Synced);
        self.next_number += entries.len() as u64;
        self.end = end;
        self.names.extend(entries.iter().map(|entry| entry.path.clone()));
        Ok(())
    }

    /// Doubles the file when it is at its end, so that few syncs have a change of its length to write down. Where
    /// this fails, the next record makes the file longer itself.
    fn grow_beyond(&mut self, end: u64) {
        if end <= self.length {
            return;
        }
        let length = (2 * end).min(end + GROWTH_BYTES_MAX).min(SEGMENT_BYTES).max(end);
        let zeros = vec![0; usize::try_from(length - end).unwrap_or_default()];
        self.length = match self.file.write_all_at(&zeros, end) {
            Ok(()) => length,
            Err(_) => end,
        };
    }

    /// Makes its records void, durably: all they speak of is durable elsewhere.
    pub(super) fn empty(&mut self) -> io::Result<()> {
        self.file.write_all_at(&[0; BLOCK_BYTES], 0)?;
        self.file.sync_data()
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

/// The staging folder of the process, the one of all processes, and the root of the store.
const FOLDERS_ABOVE: usize = 3;

/// Reads the records of a file in their order, as far as they are whole and of one use.
pub(super) struct Records {
    file: File,
    offset: u64,
    expected: Option<(u64, u64)>,
}

impl Records {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self { file: File::open(path)?, offset: 0, expected: None })
    }

    /// As [`Self::open`], for a file of a process that died: read as the disk has it.
    pub(super) fn open_as_on_disk(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        forget_cached(&file);
        Ok(Self { file, offset: 0, expected: None })
    }

    /// The next record and where it begins.
    pub(super) fn next(&mut self) -> io::Result<Option<(u64, Record)>> {
        let Some(record) = record::read_at(&self.file, self.offset)? else { return Ok(None) };
        let (generation, number) = self.expected.unwrap_or((record.generation, 0));
        if (record.generation, record.number) != (generation, number) {
            return Ok(None);
        }
        self.expected = Some((generation, number + 1));
        let at = self.offset;
        self.offset += record.stored_bytes() as u64;
        Ok(Some((at, record)))
    }
}

/// The files of a journal that lie in `folder`.
pub(super) fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name().to_str().is_some_and(|name| name.starts_with(NAME)) {
            found.push(entry.path());
        }
    }
    Ok(found)
}
