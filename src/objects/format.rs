//! How an object lies on the store, format version 1: a header, then segments sealed with AES-256-GCM.
//!
//! ```text
//! header   "stbobj" 0x00, format 0x01, object id (16), key id (16), segment size (u32, big endian) = 65536
//! segment  ciphertext (64 KiB; the last one 0 bytes to 64 KiB), tag (16)
//! ```

use bytes::{Bytes, BytesMut};
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use ring::hkdf;

use crate::domain::ids::ObjectId;

/// Plaintext bytes in every segment but the last.
pub(crate) const SEGMENT_BYTES: usize = 64 * 1024;
/// The authentication tag behind each segment.
const TAG_BYTES: usize = 16;
/// A full segment as stored.
pub(super) const STORED_SEGMENT_BYTES: u64 = (SEGMENT_BYTES + TAG_BYTES) as u64;
/// The header as stored.
pub(super) const HEADER_BYTES: usize = 44;

const MAGIC_AND_FORMAT: &[u8; 8] = b"stbobj\0\x01";

/// The first bytes of an object. They are additional data of every segment and part of the key's derivation.
pub(super) type Header = [u8; HEADER_BYTES];

/// The header of `object`, sealed under the data key that belongs to `key` (itself, or the object it hangs on).
pub(super) fn header(object: ObjectId, key: ObjectId) -> Header {
    let mut header = [0; HEADER_BYTES];
    let size = (SEGMENT_BYTES as u32).to_be_bytes();
    let parts = MAGIC_AND_FORMAT.iter().chain(object.as_bytes()).chain(key.as_bytes()).chain(&size);
    for (target, source) in header.iter_mut().zip(parts) {
        *target = *source;
    }
    header
}

/// Why bytes from the store are not the object they should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// The header is not this object's, or of a format that this version does not know.
    #[error("its header is not the one it was written with")]
    Header,
    /// The number of bytes is not the one that was stored.
    #[error("{got} bytes on the store where {expected} were written")]
    Size {
        /// Bytes that were written.
        expected: u64,
        /// Bytes that are there.
        got: u64,
    },
    /// A segment was changed, moved, or is not the last one although the object ends with it.
    #[error("segment {number} does not open")]
    Segment {
        /// Counted from 0.
        number: u64,
    },
}

/// Seals and opens the segments of one object.
///
/// There is no size in the header, which is written before the size is known; none is needed: the last segment
/// alone carries the last-flag, so the object's length on the store determines the size, and a length that was cut
/// or grown makes the segment that then seems the last one fail to open. The database has the size as well.
pub(super) struct SegmentKey {
    key: LessSafeKey,
    header: Header,
}

impl SegmentKey {
    /// Derives the object's own key from the data key: HKDF-SHA256 with the header as info. So objects that share a
    /// data key (a document and its text) never share a key and a nonce.
    pub(super) fn derive(data_key: &[u8; 32], header: Header) -> Result<Self, ring::error::Unspecified> {
        let secret = hkdf::Salt::new(hkdf::HKDF_SHA256, b"stammbuch/object/v1").extract(data_key);
        let key = UnboundKey::from(secret.expand(&[&header], &AES_256_GCM)?);
        Ok(Self { key: LessSafeKey::new(key), header })
    }

    pub(super) const fn header(&self) -> &Header {
        &self.header
    }

    /// Seals a segment in place and appends its tag.
    pub(super) fn seal(
        &self,
        number: u64,
        last: bool,
        segment: &mut BytesMut,
    ) -> Result<(), ring::error::Unspecified> {
        self.key.seal_in_place_append_tag(nonce(number, last), Aad::from(&self.header), segment)
    }

    /// Opens a stored segment; `Err` names it.
    pub(super) fn open(&self, number: u64, last: bool, mut stored: BytesMut) -> Result<Bytes, Damage> {
        let opened = self.key.open_in_place(nonce(number, last), Aad::from(&self.header), &mut stored);
        let length = opened.map_err(|_| Damage::Segment { number })?.len();
        stored.truncate(length);
        Ok(stored.freeze())
    }
}

/// Segment number (8 bytes), three zero bytes, 1 for the last segment. Each key seals one object once, so no pair of
/// key and nonce is ever used twice.
fn nonce(number: u64, last: bool) -> Nonce {
    let mut nonce = [0; 12];
    let parts = number.to_be_bytes().into_iter().chain([0, 0, 0, u8::from(last)]);
    for (target, source) in nonce.iter_mut().zip(parts) {
        *target = source;
    }
    Nonce::assume_unique_for_key(nonce)
}

/// Bytes on the store for `size` bytes of plaintext.
pub(super) fn stored_size(size: u64) -> u64 {
    HEADER_BYTES as u64 + size + segments(size) * TAG_BYTES as u64
}

/// How many segments hold `size` bytes: at least one, which may be empty.
pub(super) fn segments(size: u64) -> u64 {
    size.div_ceil(SEGMENT_BYTES as u64).max(1)
}

/// The plaintext size of an object of `stored` bytes, if an object can have that length.
pub(super) fn plain_size(stored: u64) -> Option<u64> {
    let body = stored.checked_sub(HEADER_BYTES as u64)?;
    let count = body.div_ceil(STORED_SEGMENT_BYTES).max(1);
    let size = body.checked_sub(count * TAG_BYTES as u64)?;
    (segments(size) == count).then_some(size)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_and_its_length_on_the_store_determine_each_other() {
        let segment = SEGMENT_BYTES as u64;
        for size in [0, 1, segment - 1, segment, segment + 1, 2 * segment, 10 * segment + 7] {
            assert_eq!(plain_size(stored_size(size)), Some(size));
        }
        for stored in [0, 1, 43, 44, 59, HEADER_BYTES as u64 + STORED_SEGMENT_BYTES + 16] {
            assert_eq!(plain_size(stored), None, "{stored}");
        }
    }

    #[test]
    fn the_header_is_what_the_format_says() {
        let header = header(ObjectId::from_bytes([1; 16]), ObjectId::from_bytes([2; 16]));
        assert_eq!(&header[..8], b"stbobj\0\x01");
        assert_eq!(&header[8..24], [1; 16]);
        assert_eq!(&header[24..40], [2; 16]);
        assert_eq!(header[40..], [0, 1, 0, 0]);
    }

    /// Written once by this code and kept: a change that makes stored objects unreadable fails here.
    #[test]
    fn a_stored_segment_of_format_1_opens_for_ever() {
        let header = header(ObjectId::from_bytes([1; 16]), ObjectId::from_bytes([2; 16]));
        let key = SegmentKey::derive(&[3; 32], header).unwrap();
        let mut segment = BytesMut::from(&b"Geburtenregister"[..]);
        key.seal(5, true, &mut segment).unwrap();
        assert_eq!(hex::encode(&segment), "e5abce298b06227e31da5a9ce744923c576bb53598f12ae797fd8f7e04751da4");
        assert_eq!(key.open(5, true, segment.clone()).unwrap(), "Geburtenregister");
        assert_eq!(key.open(5, false, segment.clone()), Err(Damage::Segment { number: 5 }));
        assert_eq!(key.open(4, true, segment), Err(Damage::Segment { number: 4 }));
    }
}
