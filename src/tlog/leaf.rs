//! What the log says about an event: that it happened, of which type, and a salted commitment to its digest.
//!
//! `stammbuch/cert/v1` ‖ type byte ‖ SHA-256(`stammbuch/commitment/v1` ‖ salt(32) ‖ digest(32)): 50 bytes that tell
//! nobody who, what or where, and nothing at all once the salt is gone.

use std::fmt;

use ring::digest::{Context, SHA256};

use super::hash::{Hash, leaf_hash};
use crate::domain::digest::Sha256;
use crate::domain::random::{self, Random};

const FORMAT: &[u8; 17] = b"stammbuch/cert/v1";
const COMMITMENT: &[u8] = b"stammbuch/commitment/v1";

/// What a leaf records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum LeafKind {
    /// A certificate was issued; the digest is its seal digest.
    Issued = 1,
    /// A certificate was revoked; the digest is its seal digest.
    Revoked = 2,
    /// A version of the status list; the digest is that of its bytes.
    StatusList = 3,
    /// The head of the audit chain of a day.
    AuditHead = 4,
}

impl LeafKind {
    fn from_byte(byte: u8) -> Option<Self> {
        [Self::Issued, Self::Revoked, Self::StatusList, Self::AuditHead]
            .into_iter()
            .find(|kind| *kind as u8 == byte)
    }
}

/// 32 random bytes that hide the digest behind a leaf's commitment.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Salt([u8; 32]);

impl Salt {
    /// Draws a new salt.
    pub fn draw(random: &dyn Random) -> Self {
        Self(random::bytes(random))
    }

    /// Takes a salt that was stored.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for Salt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Salt(..)")
    }
}

/// An entry of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Leaf([u8; Leaf::LENGTH]);

/// The bytes are no leaf of this format.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotALeaf {
    /// Wrong length.
    #[error("a leaf has 50 bytes, got {got}")]
    Length {
        /// Bytes found.
        got: usize,
    },
    /// The first 17 bytes do not name this format.
    #[error("the leaf does not begin with stammbuch/cert/v1")]
    Format,
    /// The type byte is not one of this version.
    #[error("type byte {got} is unknown")]
    Kind {
        /// The byte found.
        got: u8,
    },
}

impl Leaf {
    /// Bytes of a leaf.
    pub const LENGTH: usize = 50;

    /// The leaf that commits to `digest`.
    pub fn new(kind: LeafKind, salt: &Salt, digest: &Sha256) -> Self {
        let mut context = Context::new(&SHA256);
        context.update(COMMITMENT);
        context.update(salt.as_bytes());
        context.update(digest.as_bytes());
        let commitment = context.finish();
        let (mut bytes, kind) = ([0; Self::LENGTH], [kind as u8]);
        let source = FORMAT.iter().chain(&kind).chain(commitment.as_ref());
        for (target, byte) in bytes.iter_mut().zip(source) {
            *target = *byte;
        }
        Self(bytes)
    }

    /// Reads a leaf back.
    ///
    /// # Errors
    /// The rule that the bytes break.
    pub fn parse(bytes: &[u8]) -> Result<Self, NotALeaf> {
        let leaf: [u8; Self::LENGTH] = bytes.try_into().map_err(|_| NotALeaf::Length { got: bytes.len() })?;
        if !leaf.starts_with(FORMAT) {
            return Err(NotALeaf::Format);
        }
        let got = leaf.get(FORMAT.len()).copied().unwrap_or(0);
        LeafKind::from_byte(got).map(|_| Self(leaf)).ok_or(NotALeaf::Kind { got })
    }

    /// What the leaf records.
    pub fn kind(&self) -> LeafKind {
        let byte = self.0.get(FORMAT.len()).copied().unwrap_or(0);
        LeafKind::from_byte(byte).unwrap_or(LeafKind::Issued)
    }

    /// The entry as it stands in the log.
    pub const fn as_bytes(&self) -> &[u8; Self::LENGTH] {
        &self.0
    }

    /// Its hash in the tree.
    pub fn hash(&self) -> Hash {
        leaf_hash(&self.0)
    }
}
