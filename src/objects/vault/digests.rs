//! Reading an object back from its first to its last byte, in constant memory: each segment is opened, and both
//! digests are taken, of what lies on the store and of what it opens to.

use std::sync::Arc;

use bytes::BytesMut;
use ring::digest::{Context, SHA256};

use super::super::format::{HEADER_BYTES, STORED_SEGMENT_BYTES, segments, stored_size};
use super::open::OpenObject;
use super::{VaultError, digest};
use crate::domain::digest::Sha256;

/// Segments read in one go: 1 MiB.
const AT_ONCE: u64 = 16;

/// An object on its way through.
pub struct ReadingBack {
    object: OpenObject,
    next: u64,
    plain: Context,
    cipher: Context,
}

impl OpenObject {
    /// Begins to read it back.
    pub fn read_back(self) -> ReadingBack {
        let mut cipher = Context::new(&SHA256);
        cipher.update(self.key.header());
        ReadingBack { object: self, next: 0, plain: Context::new(&SHA256), cipher }
    }
}

impl ReadingBack {
    /// Reads the next piece; how many bytes of plain text that was. `None`: it is at its end.
    ///
    /// # Errors
    /// [`VaultError`]: the store's, or the segment that does not open.
    pub async fn next(&mut self) -> Result<Option<u64>, VaultError> {
        let object = &self.object;
        let all = segments(object.size);
        if self.next >= all {
            return Ok(None);
        }
        let to = all.min(self.next + AT_ONCE);
        let start = HEADER_BYTES as u64 + self.next * STORED_SEGMENT_BYTES;
        let end = (HEADER_BYTES as u64 + to * STORED_SEGMENT_BYTES).min(stored_size(object.size));
        let store = Arc::clone(&object.store);
        let stored = store.read(&object.path, Some(start..end)).await?;
        self.cipher.update(&stored);
        let mut read = 0;
        for (number, sealed) in (self.next..).zip(stored.chunks(STORED_SEGMENT_BYTES as usize)) {
            let opened = object.key.open(number, number == all - 1, BytesMut::from(sealed));
            let opened = opened.map_err(|damage| VaultError::Damaged { object: object.object, damage })?;
            self.plain.update(&opened);
            read += opened.len() as u64;
        }
        self.next = to;
        Ok(Some(read))
    }

    /// The digests of what was read, plain and as stored.
    pub fn digests(self) -> (Sha256, Sha256) {
        (digest(self.plain), digest(self.cipher))
    }
}
