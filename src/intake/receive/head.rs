//! The beginning of a file: what it is, and whether that is what it was sent as, as soon as it can be known.

use super::{Claims, ReceiveError};
use crate::intake::fields::FileName;
use crate::intake::media_type::{self, HEAD_BYTES, Lie, MediaType};

/// The beginning of a file, until its type is known.
pub(super) struct Head<'c> {
    claims: &'c Claims,
    bytes: Vec<u8>,
    found: Option<MediaType>,
}

impl<'c> Head<'c> {
    pub(super) const fn new(claims: &'c Claims) -> Self {
        Self { claims, bytes: Vec::new(), found: None }
    }

    /// Refuses a lie as soon as the head is there.
    pub(super) fn look_at(&mut self, piece: &[u8]) -> Result<(), ReceiveError> {
        if self.found.is_some() {
            return Ok(());
        }
        let room = HEAD_BYTES - self.bytes.len();
        self.bytes.extend_from_slice(piece.get(..room).unwrap_or(piece));
        if self.bytes.len() == HEAD_BYTES {
            self.found = Some(self.check()?);
            self.bytes = Vec::new();
        }
        Ok(())
    }

    pub(super) fn finish(self) -> Result<MediaType, Lie> {
        self.found.map_or_else(|| self.check(), Ok)
    }

    fn check(&self) -> Result<MediaType, Lie> {
        let name = self.claims.file_name.as_ref().map(FileName::as_str);
        media_type::check_claim(self.claims.content_type.as_deref(), name, media_type::detect(&self.bytes))
    }
}
