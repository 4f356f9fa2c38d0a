//! The signed head of the log, C2SP tlog-checkpoint: origin, size, root.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::hash::Hash;
use super::note::{BadNote, LogSigner, NoteError, SignedNote, VerifierKey};

/// Size and root of the tree at one moment. Whoever signs one promises that every later tree contains this one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    origin: String,
    size: u64,
    root: Hash,
}

/// The text of the note is no checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadCheckpoint {
    /// The note around it is malformed.
    #[error(transparent)]
    Note(#[from] BadNote),
    /// The first line is empty or missing.
    #[error("a checkpoint begins with its origin")]
    Origin,
    /// The second line is no decimal without leading zeros.
    #[error("the second line of a checkpoint is the size of the tree")]
    Size,
    /// The third line is not base64 of 32 bytes.
    #[error("the third line of a checkpoint is the root hash")]
    Root,
    /// An extension line is empty.
    #[error("a checkpoint has no empty lines")]
    Extension,
}

/// The checkpoint is not to be believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// It is malformed.
    #[error(transparent)]
    Malformed(#[from] BadCheckpoint),
    /// Its signature.
    #[error(transparent)]
    Signature(#[from] NoteError),
    /// Signed by a key of another name than its origin.
    #[error("the checkpoint is of {got}, the key of {expected}")]
    Origin {
        /// Name of the key that signed.
        expected: String,
        /// The origin line.
        got: String,
    },
}

impl Checkpoint {
    /// The checkpoint of a tree of `size` leaves with `root`, for the log that `signer` signs for.
    pub fn new(signer: &LogSigner, size: u64, root: Hash) -> Self {
        Self { origin: signer.verifier().name().to_owned(), size, root }
    }

    /// The log's name.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Leaves in the tree.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// The root hash.
    pub const fn root(&self) -> Hash {
        self.root
    }

    /// The signed note to publish.
    pub fn sign(&self, signer: &LogSigner) -> String {
        let root = STANDARD.encode(self.root.as_bytes());
        signer.sign(&format!("{}\n{}\n{root}\n", self.origin, self.size))
    }

    /// Reads the text of a note without believing it.
    ///
    /// # Errors
    /// The rule that it breaks.
    pub fn parse(note: &SignedNote) -> Result<Self, BadCheckpoint> {
        let mut lines = note.text().strip_suffix('\n').unwrap_or_default().split('\n');
        let origin = lines.next().filter(|line| !line.is_empty()).ok_or(BadCheckpoint::Origin)?;
        let size = lines.next().and_then(decimal).ok_or(BadCheckpoint::Size)?;
        let root = lines.next().and_then(hash).ok_or(BadCheckpoint::Root)?;
        if lines.any(str::is_empty) {
            return Err(BadCheckpoint::Extension);
        }
        Ok(Self { origin: origin.to_owned(), size, root })
    }

    /// Reads a published checkpoint and requires that the log it names signed it with one of `keys`.
    ///
    /// # Errors
    /// If it is malformed or not signed so.
    pub fn open(published: &str, keys: &[VerifierKey]) -> Result<Self, CheckpointError> {
        let note = SignedNote::parse(published).map_err(BadCheckpoint::from)?;
        let key = note.verify(keys)?;
        let checkpoint = Self::parse(&note)?;
        if checkpoint.origin == key.name() {
            Ok(checkpoint)
        } else {
            Err(CheckpointError::Origin { expected: key.name().to_owned(), got: checkpoint.origin })
        }
    }
}

/// A decimal without sign and leading zeros.
pub(super) fn decimal(text: &str) -> Option<u64> {
    text.parse::<u64>().ok().filter(|number| number.to_string() == text)
}

/// 32 bytes in base64.
pub(super) fn hash(text: &str) -> Option<Hash> {
    STANDARD.decode(text).ok()?.try_into().ok().map(Hash::from_bytes)
}
