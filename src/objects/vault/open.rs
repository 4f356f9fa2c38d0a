//! Opening: any range of an object, without reading more of it than the segments the range touches.

use std::ops::Range;
use std::sync::Arc;

use bytes::BytesMut;

use super::super::format::{
    Damage, HEADER_BYTES, SEGMENT_BYTES, STORED_SEGMENT_BYTES, SegmentKey, plain_size, segments, stored_size,
};
use super::super::path::ObjectPath;
use super::super::store::ObjectStore;
use super::VaultError;
use crate::domain::ids::ObjectId;

/// An object whose key is at hand and whose header and length were checked.
pub struct OpenObject {
    pub(super) store: Arc<dyn ObjectStore>,
    pub(super) path: ObjectPath,
    pub(super) object: ObjectId,
    pub(super) key: SegmentKey,
    pub(super) size: u64,
}

impl OpenObject {
    pub(super) async fn new(
        store: Arc<dyn ObjectStore>,
        path: ObjectPath,
        object: ObjectId,
        key: SegmentKey,
        expected: Option<u64>,
    ) -> Result<Self, VaultError> {
        let damaged = |damage| VaultError::Damaged { object, damage };
        let got = store.size(&path).await?;
        let size = plain_size(got);
        if let Some(expected) = expected
            && size != Some(expected)
        {
            return Err(damaged(Damage::Size { expected: stored_size(expected), got }));
        }
        let size = size.ok_or_else(|| damaged(Damage::Header))?;
        let header = store.read(&path, Some(0..HEADER_BYTES as u64)).await?;
        if header.as_ref() != key.header().as_slice() {
            return Err(damaged(Damage::Header));
        }
        Ok(Self { store, path, object, key, size })
    }

    /// Plaintext bytes.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// The bytes of a range, each checked; as much memory as the range is long, and one segment more.
    pub async fn read(&self, range: Range<u64>) -> Result<Vec<u8>, VaultError> {
        if range.start > range.end || range.end > self.size {
            return Err(VaultError::OutOfRange { object: self.object, size: self.size, end: range.end });
        }
        let segment = SEGMENT_BYTES as u64;
        let last = segments(self.size) - 1;
        // The empty object has one empty segment: it is opened too, so that nothing unchecked is ever given out.
        let (from, to) = (range.start / segment, (range.end.div_ceil(segment).max(1) - 1).min(last));
        let from = from.min(to);
        let start = HEADER_BYTES as u64 + from * STORED_SEGMENT_BYTES;
        let end = (HEADER_BYTES as u64 + (to + 1) * STORED_SEGMENT_BYTES).min(stored_size(self.size));
        let stored = self.store.read(&self.path, Some(start..end)).await?;
        let mut plain = Vec::with_capacity(usize::try_from(end - start).unwrap_or_default());
        for (number, sealed) in (from..).zip(stored.chunks(STORED_SEGMENT_BYTES as usize)) {
            let opened = self.key.open(number, number == last, BytesMut::from(sealed));
            let opened = opened.map_err(|damage| VaultError::Damaged { object: self.object, damage })?;
            plain.extend_from_slice(&opened);
        }
        let skip = usize::try_from(range.start - from * segment).unwrap_or(usize::MAX);
        let length = usize::try_from(range.end - range.start).unwrap_or(usize::MAX);
        plain.drain(..skip.min(plain.len()));
        plain.truncate(length);
        Ok(plain)
    }
}
