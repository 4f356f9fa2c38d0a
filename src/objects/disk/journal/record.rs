//! A record of the journal, format version 1; all integers big endian, each record begins at a multiple of 4 KiB:
//!
//! ```text
//! "stbjrn" 0x00, format 0x01, generation (u64), number in it (u64), kind (u32), bytes of the name (u32),
//! bytes of the object (u64), CRC-32 of all these and of name and object (u32), name, object, zeros
//! ```

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use bytes::Bytes;

use super::super::super::path::ObjectPath;

/// Where records begin. What was synced before shares no block with what is written later, so that a write that the
/// power cut tears cannot take it along.
pub(super) const BLOCK_BYTES: usize = 4096;
/// The largest object a record holds.
pub(in super::super) const OBJECT_BYTES_MAX: usize = 256 * 1024;
/// The longest name a record holds: what `ObjectPath` permits.
const NAME_BYTES_MAX: usize = 255;

const MAGIC_AND_FORMAT: &[u8; 8] = b"stbjrn\0\x01";
const HEADER_BYTES: usize = 44;
const ZEROS: &[u8; BLOCK_BYTES] = &[0; BLOCK_BYTES];

/// What a record says about a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// These are the bytes of a new object.
    Object,
    /// What was said of the name before is void: the object was deleted, or is durable without the journal.
    Void,
}

/// A record as it was read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) generation: u64,
    pub(super) number: u64,
    pub(super) kind: Kind,
    pub(super) path: ObjectPath,
    pub(super) bytes: Vec<u8>,
}

impl Record {
    /// What it takes in the journal.
    pub(super) fn stored_bytes(&self) -> usize {
        stored_bytes(&self.path, self.bytes.len())
    }
}

/// What a record of `bytes` takes in the journal.
pub(super) fn stored_bytes(path: &ObjectPath, bytes: usize) -> usize {
    (HEADER_BYTES + path.as_str().len() + bytes).next_multiple_of(BLOCK_BYTES)
}

/// The pieces of a record, in the order in which they are written.
pub(super) fn encode(
    (generation, number): (u64, u64),
    kind: Kind,
    path: &ObjectPath,
    object: &[Bytes],
    into: &mut Vec<Bytes>,
) {
    let name = path.as_str().as_bytes();
    let bytes: usize = object.iter().map(Bytes::len).sum();
    let mut head = Vec::with_capacity(HEADER_BYTES + name.len());
    head.extend(MAGIC_AND_FORMAT);
    head.extend(generation.to_be_bytes());
    head.extend(number.to_be_bytes());
    head.extend(kind.code().to_be_bytes());
    head.extend((name.len() as u32).to_be_bytes());
    head.extend((bytes as u64).to_be_bytes());
    let mut sum = crc32fast::Hasher::new();
    sum.update(&head);
    sum.update(name);
    object.iter().for_each(|piece| sum.update(piece));
    head.extend(sum.finalize().to_be_bytes());
    head.extend(name);
    let padding = stored_bytes(path, bytes) - head.len() - bytes;
    into.push(head.into());
    into.extend(object.iter().cloned());
    into.push(Bytes::from_static(ZEROS).slice(..padding));
}

/// The record at `offset`; `None` if there is no whole one: the journal ends there.
pub(super) fn read_at(file: &File, offset: u64) -> io::Result<Option<Record>> {
    let mut header = [0; HEADER_BYTES];
    if !fill(file, &mut header, offset)? {
        return Ok(None);
    }
    let Some(parts) = Parts::of(&header) else { return Ok(None) };
    let mut rest = vec![0; parts.name_bytes + parts.bytes];
    if !fill(file, &mut rest, offset + HEADER_BYTES as u64)? {
        return Ok(None);
    }
    let mut sum = crc32fast::Hasher::new();
    sum.update(header.strip_suffix(&parts.sum.to_be_bytes()).unwrap_or(&header));
    sum.update(&rest);
    if sum.finalize() != parts.sum {
        return Ok(None);
    }
    let bytes = rest.split_off(parts.name_bytes);
    let path = String::from_utf8(rest).ok().and_then(|name| ObjectPath::try_from(name).ok());
    let Parts { generation, number, kind, .. } = parts;
    Ok(path.map(|path| Record { generation, number, kind, path, bytes }))
}

/// Reads exactly as much as `into` takes; `false`: the file ends before.
fn fill(file: &File, into: &mut [u8], offset: u64) -> io::Result<bool> {
    match file.read_exact_at(into, offset) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

struct Parts {
    generation: u64,
    number: u64,
    kind: Kind,
    name_bytes: usize,
    bytes: usize,
    sum: u32,
}

impl Parts {
    fn of(header: &[u8; HEADER_BYTES]) -> Option<Self> {
        let rest = header.strip_prefix(MAGIC_AND_FORMAT)?;
        let (generation, rest) = rest.split_first_chunk()?;
        let (number, rest) = rest.split_first_chunk()?;
        let (kind, rest) = rest.split_first_chunk()?;
        let (name_bytes, rest) = rest.split_first_chunk()?;
        let (bytes, rest) = rest.split_first_chunk()?;
        let (sum, _) = rest.split_first_chunk()?;
        let parts = Self {
            generation: u64::from_be_bytes(*generation),
            number: u64::from_be_bytes(*number),
            kind: Kind::of(u32::from_be_bytes(*kind))?,
            name_bytes: usize::try_from(u32::from_be_bytes(*name_bytes)).ok()?,
            bytes: usize::try_from(u64::from_be_bytes(*bytes)).ok()?,
            sum: u32::from_be_bytes(*sum),
        };
        (parts.name_bytes <= NAME_BYTES_MAX && parts.bytes <= OBJECT_BYTES_MAX).then_some(parts)
    }
}

impl Kind {
    const fn code(self) -> u32 {
        match self {
            Self::Object => 1,
            Self::Void => 2,
        }
    }

    const fn of(code: u32) -> Option<Self> {
        match code {
            1 => Some(Self::Object),
            2 => Some(Self::Void),
            _ => None,
        }
    }
}
