//! Sealing: bytes come in as they come, segments go out; constant memory at any size.

use bytes::{Bytes, BytesMut};
use ring::digest::{Context, SHA256};

use super::super::format::{Damage, SEGMENT_BYTES, STORED_SEGMENT_BYTES, SegmentKey};
use super::super::keys::WrappedKey;
use super::super::store::ObjectWriter;
use super::{ObjectRef, Sealed, Vault, VaultError};
use crate::domain::digest::Sha256;

/// An object that is being written. Dropped without [`finish`](Self::finish), nothing of it remains.
pub struct SealingWriter {
    vault: Vault,
    at: ObjectRef,
    key: SegmentKey,
    /// Kept in the keystore when the object is finished; none if it hangs on another object's key.
    wrapped: Option<WrappedKey>,
    writer: Box<dyn ObjectWriter>,
    segment: BytesMut,
    number: u64,
    size: u64,
    plain: Context,
    cipher: Context,
}

impl SealingWriter {
    pub(super) fn new(
        vault: Vault,
        at: ObjectRef,
        key: SegmentKey,
        wrapped: Option<WrappedKey>,
        writer: Box<dyn ObjectWriter>,
    ) -> Self {
        let (plain, cipher) = (Context::new(&SHA256), Context::new(&SHA256));
        Self { vault, at, key, wrapped, writer, segment: BytesMut::new(), number: 0, size: 0, plain, cipher }
    }

    /// Plaintext bytes written so far.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Takes the next bytes.
    pub async fn write(&mut self, mut bytes: &[u8]) -> Result<(), VaultError> {
        self.plain.update(bytes);
        self.size += bytes.len() as u64;
        while !bytes.is_empty() {
            // A full segment is sealed when more comes: only then it is known not to be the last one.
            if self.segment.len() == SEGMENT_BYTES {
                self.seal(false).await?;
            }
            if self.segment.capacity() < SEGMENT_BYTES + STORED_EXTRA {
                self.segment.reserve(SEGMENT_BYTES + STORED_EXTRA);
            }
            let (now, later) = bytes.split_at(bytes.len().min(SEGMENT_BYTES - self.segment.len()));
            self.segment.extend_from_slice(now);
            bytes = later;
        }
        Ok(())
    }

    /// The digest of the plaintext so far, to compare before the object is made visible.
    pub fn digest(&self) -> Sha256 {
        digest(self.plain.clone())
    }

    /// Makes the object durable: bytes and name on the store, and its key in the keystore, at the same time. An
    /// error leaves neither.
    pub async fn finish(mut self) -> Result<Sealed, VaultError> {
        self.seal(true).await?;
        let keys = self.vault.keys();
        let keep_key = async {
            match self.wrapped.take() {
                Some(wrapped) => keys.insert(wrapped).await,
                None => Ok(()),
            }
        };
        let (stored, kept) = futures_util::future::join(self.writer.finish(), keep_key).await;
        if let Err(error) = stored.map_err(VaultError::from).and(kept.map_err(VaultError::from)) {
            // What cannot be removed now has no row anywhere and is swept after the grace period.
            let _ = self.vault.delete(self.at).await;
            return Err(error);
        }
        let (sha256, cipher_sha256) = (digest(self.plain), digest(self.cipher));
        Ok(Sealed { at: self.at, size: self.size, sha256, cipher_sha256 })
    }

    async fn seal(&mut self, last: bool) -> Result<(), VaultError> {
        if self.number == 0 {
            let header = Bytes::copy_from_slice(self.key.header());
            self.cipher.update(&header);
            self.writer.write(header).await?;
        }
        let (number, mut segment) = (self.number, std::mem::take(&mut self.segment));
        let failed = |_| VaultError::Damaged { object: self.at.object, damage: Damage::Segment { number } };
        self.key.seal(number, last, &mut segment).map_err(failed)?;
        self.cipher.update(&segment);
        self.number += 1;
        Ok(self.writer.write(segment.freeze()).await?)
    }
}

/// Room for the tag behind a segment.
const STORED_EXTRA: usize = STORED_SEGMENT_BYTES as usize - SEGMENT_BYTES;

fn digest(context: Context) -> Sha256 {
    let mut bytes = [0; 32];
    for (target, source) in bytes.iter_mut().zip(context.finish().as_ref()) {
        *target = *source;
    }
    Sha256::from_bytes(bytes)
}
