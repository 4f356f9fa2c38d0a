//! An incremental update as it grows (ISO 32000-1, 7.5.6): objects, then table and trailer. Knows not what they mean.

use std::ops::Range;

use super::{AppendError, Prepared};
use crate::pdf::raw::Reference;
use crate::pdf::revisions::{Revisions, StructureError};

/// Digits of each number in `/ByteRange`: the width is fixed, so that filling it in moves nothing.
const RANGE_DIGITS: usize = 10;

/// Places that are filled in once the length is known.
pub(super) struct Slots {
    byte_range: usize,
    hole: Range<usize>,
}

/// The file with the objects of the new revision that were written so far.
pub(super) struct Update<'r, 'a> {
    revisions: &'r Revisions<'a>,
    bytes: Vec<u8>,
    written: Vec<(Reference, usize)>,
}

impl<'r, 'a> Update<'r, 'a> {
    pub(super) fn new(revisions: &'r Revisions<'a>, room: usize) -> Self {
        let file = revisions.file();
        let mut bytes = Vec::with_capacity(file.len() + 2 * room + 4096);
        bytes.extend_from_slice(file);
        // krilla ends without a line end; PDF/A-3, 6.1.3 wants the next object on a line of its own.
        if bytes.last() != Some(&b'\n') {
            bytes.push(b'\n');
        }
        Self { revisions, bytes, written: Vec::with_capacity(4) }
    }

    fn begin(&mut self, reference: Reference) {
        self.written.push((reference, self.bytes.len()));
        let head = format!("{} {} obj\n", reference.number, reference.generation);
        self.bytes.extend_from_slice(head.as_bytes());
    }

    pub(super) fn object(&mut self, reference: Reference, body: &[u8]) {
        self.begin(reference);
        self.bytes.extend_from_slice(body);
        self.bytes.extend_from_slice(b"\nendobj\n");
    }

    /// Writes a signature dictionary that begins with `head`, with a byte range and a hole of `room` bytes of DER.
    pub(super) fn signature(&mut self, reference: Reference, head: &str, room: usize) -> Slots {
        self.begin(reference);
        self.bytes.extend_from_slice(head.as_bytes());
        self.bytes.extend_from_slice(b"/ByteRange");
        let byte_range = self.bytes.len();
        self.bytes.resize(byte_range + 3 * RANGE_DIGITS + 6, b' ');
        self.bytes.extend_from_slice(b"/Contents");
        let start = self.bytes.len();
        self.bytes.push(b'<');
        self.bytes.resize(start + 1 + 2 * room, b'0');
        self.bytes.push(b'>');
        let hole = start..self.bytes.len();
        self.bytes.extend_from_slice(b">>\nendobj\n");
        Slots { byte_range, hole }
    }

    /// Writes table and trailer, then the byte range.
    pub(super) fn finish(mut self, size: u32, slots: &Slots) -> Result<Prepared, AppendError> {
        let table_at = self.bytes.len();
        self.table();
        self.trailer(size, table_at)?;
        let bytes = self.bytes.len();
        let widest = 10usize.pow(9);
        let Slots { byte_range, hole } = slots;
        let range = format!("[0 {:010} {:010} {:010}]", hole.start, hole.end, bytes - hole.end);
        match self.bytes.get_mut(*byte_range..byte_range + range.len()) {
            Some(place) if bytes < widest => place.copy_from_slice(range.as_bytes()),
            _ => return Err(AppendError::TooLong { bytes }),
        }
        Ok(Prepared { bytes: self.bytes, hole: hole.clone() })
    }

    fn table(&mut self) {
        self.written.sort_unstable_by_key(|(reference, _)| reference.number);
        let mut text = String::from("xref\n");
        for run in self.written.chunk_by(|(a, _), (b, _)| a.number + 1 == b.number) {
            let first = run.first().map_or(0, |(reference, _)| reference.number);
            text.push_str(&format!("{first} {}\n", run.len()));
            for (reference, at) in run {
                text.push_str(&format!("{at:010} {:05} n\r\n", reference.generation));
            }
        }
        self.bytes.extend_from_slice(text.as_bytes());
    }

    fn trailer(&mut self, size: u32, table_at: usize) -> Result<(), AppendError> {
        let before = self.revisions.list().first().ok_or(StructureError::NoEnd)?;
        let changes = [("Size", size.to_string()), ("Prev", before.table_at.to_string())];
        self.bytes.extend_from_slice(b"trailer\n");
        self.bytes.extend_from_slice(&before.trailer.with(&changes));
        self.bytes.extend_from_slice(format!("\nstartxref\n{table_at}\n%%EOF\n").as_bytes());
        Ok(())
    }
}
