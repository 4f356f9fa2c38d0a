//! Proof that a leaf is in the log, as text: C2SP tlog-proof. The `extra` line holds the leaf's salt.
//!
//! Everything in it is checked against keys the reader already trusts; nothing is believed because it says so.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::checkpoint::{BadCheckpoint, Checkpoint, CheckpointError, decimal, hash};
use super::hash::{Hash, node_hash};
use super::leaf::{Leaf, Salt};
use super::note::{SignedNote, VerifierKey};

const FIRST_LINE: &str = "c2sp.org/tlog-proof@v1";

/// No proof is longer: 63 hashes, and a checkpoint with many cosignatures.
pub const MAX_PROOF_BYTES: usize = 160 * 1024;

/// A parsed proof; nothing in it is to be believed before [`Proof::verify`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    extra: Option<Vec<u8>>,
    index: u64,
    path: Vec<Hash>,
    checkpoint: String,
}

/// The text is no proof.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadProof {
    /// Longer than any proof.
    #[error("a proof has at most 163840 bytes, got {got}")]
    TooLong {
        /// Its bytes.
        got: usize,
    },
    /// Not UTF-8.
    #[error("a proof is UTF-8 text")]
    Encoding,
    /// The first line.
    #[error("a proof begins with c2sp.org/tlog-proof@v1")]
    Version,
    /// The extra line is not base64.
    #[error("the extra line holds base64")]
    Extra,
    /// No index line, or no decimal in it.
    #[error("a proof has a line with the index of the entry")]
    Index,
    /// A line of the path is not base64 of 32 bytes, or there are more than 63.
    #[error("line {line} of the path is no hash")]
    Path {
        /// Counted from 1.
        line: usize,
    },
    /// No empty line and checkpoint after the path.
    #[error("a proof ends with an empty line and a checkpoint")]
    NoCheckpoint,
    /// The checkpoint.
    #[error(transparent)]
    Checkpoint(#[from] BadCheckpoint),
    /// No salt in the extra line.
    #[error("the extra line holds no salt of 32 bytes")]
    NoSalt,
}

/// The proof does not prove.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// The checkpoint is not to be believed.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// Index or path do not fit the size of the tree.
    #[error("a path of {got} hashes from entry {index} fits no tree of {size} leaves")]
    Shape {
        /// Index that the proof names.
        index: u64,
        /// Leaves of the tree.
        size: u64,
        /// Hashes in the path.
        got: usize,
    },
    /// The path leads to another root.
    #[error("the path leads to root {got}, the checkpoint says {expected}")]
    Root {
        /// Root of the checkpoint.
        expected: Hash,
        /// Root that leaf and path give.
        got: Hash,
    },
}

/// What a proof has proven: this leaf has this index in this log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proven {
    /// The log.
    pub origin: String,
    /// Index of the leaf.
    pub index: u64,
    /// Leaves in the log at the time of the proof.
    pub size: u64,
}

impl Proof {
    /// Puts a proof together. `checkpoint` is the published note.
    pub fn new(salt: &Salt, index: u64, path: Vec<Hash>, checkpoint: String) -> Self {
        Self { extra: Some(salt.as_bytes().to_vec()), index, path, checkpoint }
    }

    /// Takes a proof apart.
    ///
    /// # Errors
    /// The rule of the format that it breaks.
    pub fn parse(bytes: &[u8]) -> Result<Self, BadProof> {
        if bytes.len() > MAX_PROOF_BYTES {
            return Err(BadProof::TooLong { got: bytes.len() });
        }
        let text = std::str::from_utf8(bytes).map_err(|_| BadProof::Encoding)?;
        let (head, checkpoint) = text.split_once("\n\n").ok_or(BadProof::NoCheckpoint)?;
        let mut lines = head.split('\n').peekable();
        if lines.next() != Some(FIRST_LINE) {
            return Err(BadProof::Version);
        }
        let extra = match lines.peek().and_then(|line| line.strip_prefix("extra ")) {
            Some(data) => {
                lines.next();
                Some(STANDARD.decode(data).map_err(|_| BadProof::Extra)?)
            }
            None => None,
        };
        let index = lines.next().and_then(|line| line.strip_prefix("index ")).and_then(decimal);
        let index = index.ok_or(BadProof::Index)?;
        let mut path = Vec::new();
        for (line, number) in lines.zip(1usize..) {
            let found = hash(line).filter(|_| number <= 63);
            path.push(found.ok_or(BadProof::Path { line: number })?);
        }
        let note = SignedNote::parse(checkpoint).map_err(BadCheckpoint::from)?;
        Checkpoint::parse(&note)?;
        Ok(Self { extra, index, path, checkpoint: checkpoint.to_owned() })
    }

    /// The text, to be stored as `.tlog-proof` or put into the seal.
    pub fn to_text(&self) -> String {
        let mut text = format!("{FIRST_LINE}\n");
        if let Some(extra) = &self.extra {
            text.push_str(&format!("extra {}\n", STANDARD.encode(extra)));
        }
        text.push_str(&format!("index {}\n", self.index));
        for hash in &self.path {
            text.push_str(&STANDARD.encode(hash.as_bytes()));
            text.push('\n');
        }
        text.push('\n');
        text.push_str(&self.checkpoint);
        text
    }

    /// The index that the proof claims.
    pub const fn index(&self) -> u64 {
        self.index
    }

    /// The checkpoint within, as a note.
    pub fn checkpoint(&self) -> &str {
        &self.checkpoint
    }

    /// The salt of the leaf, by which the reader computes the leaf.
    ///
    /// # Errors
    /// If the proof carries none.
    pub fn salt(&self) -> Result<Salt, BadProof> {
        let salt = self.extra.as_deref().and_then(|extra| extra.try_into().ok());
        salt.map(Salt::from_bytes).ok_or(BadProof::NoSalt)
    }

    /// Requires that a log of `keys` signed a checkpoint whose tree has `leaf` at the proof's index.
    ///
    /// # Errors
    /// What does not hold: the checkpoint's signature, or the path.
    pub fn verify(&self, keys: &[VerifierKey], leaf: &Leaf) -> Result<Proven, ProofError> {
        let checkpoint = Checkpoint::open(&self.checkpoint, keys)?;
        let (size, expected) = (checkpoint.size(), checkpoint.root());
        let got = root_from_path(size, self.index, leaf.hash(), &self.path).ok_or(ProofError::Shape {
            index: self.index,
            size,
            got: self.path.len(),
        })?;
        if got != expected {
            return Err(ProofError::Root { expected, got });
        }
        Ok(Proven { origin: checkpoint.origin().to_owned(), index: self.index, size })
    }
}

/// The root to which `path` leads from `leaf`, RFC 9162 section 2.1.3.2; none if the path has not the right length.
pub fn root_from_path(size: u64, index: u64, leaf: Hash, path: &[Hash]) -> Option<Hash> {
    if index >= size {
        return None;
    }
    let (mut at, mut last, mut root) = (index, size - 1, leaf);
    for hash in path {
        if last == 0 {
            return None;
        }
        if at & 1 == 1 || at == last {
            root = node_hash(hash, &root);
            while at & 1 == 0 && at != 0 {
                at >>= 1;
                last >>= 1;
            }
        } else {
            root = node_hash(&root, hash);
        }
        at >>= 1;
        last >>= 1;
    }
    (last == 0).then_some(root)
}
