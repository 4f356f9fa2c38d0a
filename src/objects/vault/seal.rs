//! Sealing: bytes come in as they come, segments go out; constant memory at any size. Long objects are sealed on
//! another thread than the one that receives them.

use bytes::{Bytes, BytesMut};
use ring::digest::{Context, SHA256};
use tokio::task::JoinHandle;

use super::super::format::{Damage, SEGMENT_BYTES, STORED_SEGMENT_BYTES, SegmentKey};
use super::super::keyring::Wrapped;
use super::super::store::ObjectWriter;
use super::{ObjectRef, Sealed, Vault, VaultError};
use crate::domain::digest::Sha256;

/// Full segments that are sealed together on another thread, while the next ones come, and how many of these may come
/// before they wait.
const TOGETHER: usize = 2;
const AHEAD: usize = 4;

/// An object that is being written. Dropped without [`finish`](Self::finish), nothing of it remains.
pub struct SealingWriter {
    vault: Vault,
    at: ObjectRef,
    /// Kept in the keystore when the object is finished; none if it hangs on another object's key.
    wrapped: Option<Wrapped>,
    writer: Box<dyn ObjectWriter>,
    /// The segments that came, the last of them perhaps not full.
    segments: Vec<BytesMut>,
    sealer: Sealing,
    size: u64,
    plain: Context,
}

/// What seals, or the task that has it.
enum Sealing {
    Here(Box<Sealer>),
    Ahead(JoinHandle<SealedAhead>),
    /// The task was lost: the object cannot be finished.
    Lost,
}

impl Sealing {
    fn is_busy(&self) -> bool {
        matches!(self, Self::Ahead(task) if !task.is_finished())
    }
}

type SealedAhead = (Box<Sealer>, Result<Vec<Bytes>, Damage>);

/// Seals segments in their order.
struct Sealer {
    key: SegmentKey,
    next: u64,
    cipher: Context,
}

impl Sealer {
    /// Header and segments as they are stored; `last`: the object ends with them.
    fn seal(&mut self, segments: Vec<BytesMut>, last: bool) -> Result<Vec<Bytes>, Damage> {
        let mut sealed = Vec::with_capacity(segments.len() + 1);
        if self.next == 0 {
            sealed.push(Bytes::copy_from_slice(self.key.header()));
        }
        let end = segments.len();
        for (at, mut segment) in (1..).zip(segments) {
            let number = self.next;
            let damaged = |_| Damage::Segment { number };
            self.key.seal(number, last && at == end, &mut segment).map_err(damaged)?;
            self.next += 1;
            sealed.push(segment.freeze());
        }
        sealed.iter().for_each(|piece| self.cipher.update(piece));
        Ok(sealed)
    }
}

impl SealingWriter {
    pub(super) fn new(
        vault: Vault,
        at: ObjectRef,
        key: SegmentKey,
        wrapped: Option<Wrapped>,
        writer: Box<dyn ObjectWriter>,
    ) -> Self {
        let sealer = Box::new(Sealer { key, next: 0, cipher: Context::new(&SHA256) });
        let (sealer, plain) = (Sealing::Here(sealer), Context::new(&SHA256));
        Self { vault, at, wrapped, writer, segments: Vec::new(), sealer, size: 0, plain }
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
            let full = self.segments.last().is_none_or(|segment| segment.len() == SEGMENT_BYTES);
            if full {
                // Sealed when more comes: only then it is known that none of them is the last one.
                let enough = if self.sealer.is_busy() { AHEAD } else { TOGETHER };
                if self.segments.len() >= enough {
                    self.seal_ahead().await?;
                }
                self.segments.push(BytesMut::with_capacity(SEGMENT_BYTES + STORED_EXTRA));
            }
            let Some(segment) = self.segments.last_mut() else { break };
            let (now, later) = bytes.split_at(bytes.len().min(SEGMENT_BYTES - segment.len()));
            segment.extend_from_slice(now);
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
        let mut sealer = self.sealer_back().await?;
        let segments = match std::mem::take(&mut self.segments) {
            // The empty object has one empty segment.
            none if none.is_empty() => vec![BytesMut::new()],
            some => some,
        };
        let sealed = sealer.seal(segments, true).map_err(|damage| self.damaged(damage))?;
        for piece in sealed {
            self.writer.write(piece).await?;
        }
        let keys = self.vault.keys();
        let keep_key = async {
            match self.wrapped.take() {
                // Held until the row is there, so that the key that wraps it is not dropped before.
                Some(wrapped) => keys.insert(wrapped.row.clone()).await,
                None => Ok(()),
            }
        };
        let (stored, kept) = futures_util::future::join(self.writer.finish(), keep_key).await;
        if let Err(error) = stored.map_err(VaultError::from).and(kept.map_err(VaultError::from)) {
            // What cannot be removed now has no row anywhere and is swept after the grace period.
            let _ = self.vault.delete(self.at).await;
            return Err(error);
        }
        let (sha256, cipher_sha256) = (digest(self.plain), digest(sealer.cipher));
        Ok(Sealed { at: self.at, size: self.size, sha256, cipher_sha256 })
    }

    /// Sends the full segments on, on another thread, and what was sealed there before to the store.
    async fn seal_ahead(&mut self) -> Result<(), VaultError> {
        let mut sealer = self.sealer_back().await?;
        let segments = std::mem::take(&mut self.segments);
        self.sealer = Sealing::Ahead(tokio::task::spawn_blocking(move || {
            let sealed = sealer.seal(segments, false);
            (sealer, sealed)
        }));
        Ok(())
    }

    /// What seals, once all that was given to it lies with the store's writer.
    async fn sealer_back(&mut self) -> Result<Box<Sealer>, VaultError> {
        let lost = Damage::Segment { number: self.size / SEGMENT_BYTES as u64 };
        match std::mem::replace(&mut self.sealer, Sealing::Lost) {
            Sealing::Here(sealer) => Ok(sealer),
            Sealing::Ahead(task) => {
                let (sealer, sealed) = task.await.map_err(|_| self.damaged(lost))?;
                for piece in sealed.map_err(|damage| self.damaged(damage))? {
                    self.writer.write(piece).await?;
                }
                Ok(sealer)
            }
            Sealing::Lost => Err(self.damaged(lost)),
        }
    }

    const fn damaged(&self, damage: Damage) -> VaultError {
        VaultError::Damaged { object: self.at.object, damage }
    }
}

/// Room for the tag behind a segment.
const STORED_EXTRA: usize = STORED_SEGMENT_BYTES as usize - SEGMENT_BYTES;

pub(super) fn digest(context: Context) -> Sha256 {
    let mut bytes = [0; 32];
    for (target, source) in bytes.iter_mut().zip(context.finish().as_ref()) {
        *target = *source;
    }
    Sha256::from_bytes(bytes)
}
