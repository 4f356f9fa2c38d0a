//! Signed notes and their keys, C2SP signed-note: Ed25519 only, by ring. Signatures of unknown keys are ignored.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};

use crate::domain::digest::Sha256;
use crate::domain::random::{self, Random};

const ED25519_TYPE: u8 = 0x01;
const MAX_NOTE_BYTES: usize = 128 * 1024;
const MAX_SIGNATURES: usize = 64;

/// The text is no key of a log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadKey {
    /// Not `name+hash+key`.
    #[error("a verifier key reads name+hash+key, a signer key PRIVATE+KEY+name+hash+key")]
    Format,
    /// Another signature type than Ed25519.
    #[error("signature type {got} is not Ed25519 (1)")]
    Type {
        /// The type byte.
        got: u8,
    },
    /// The hash does not belong to name and key.
    #[error("the key's hash is {expected:08x}, the text says {got:08x}")]
    Hash {
        /// The hash of name and key.
        expected: u32,
        /// The hash that the text gives.
        got: u32,
    },
}

fn key_id(name: &str, public: &[u8]) -> u32 {
    let hash = Sha256::of(&[name.as_bytes(), b"\n", &[ED25519_TYPE], public].concat());
    hash.as_bytes().first_chunk::<4>().map_or(0, |four| u32::from_be_bytes(*four))
}

fn name_is_valid(name: &str) -> bool {
    !name.is_empty() && !name.chars().any(|c| c.is_whitespace() || c.is_control() || c == '+')
}

/// The parts of `name+hash+base64(type ‖ key)`.
fn split_key(text: &str) -> Result<(&str, u32, [u8; 32]), BadKey> {
    let (name, rest) = text.split_once('+').ok_or(BadKey::Format)?;
    let (id, key) = rest.split_once('+').ok_or(BadKey::Format)?;
    let lower_hex = id.len() == 8 && id.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    if !lower_hex || !name_is_valid(name) {
        return Err(BadKey::Format);
    }
    let id = u32::from_str_radix(id, 16).map_err(|_| BadKey::Format)?;
    let key = STANDARD.decode(key).map_err(|_| BadKey::Format)?;
    match key.split_first() {
        Some((&ED25519_TYPE, key)) => Ok((name, id, key.try_into().map_err(|_| BadKey::Format)?)),
        Some((got, _)) => Err(BadKey::Type { got: *got }),
        None => Err(BadKey::Format),
    }
}

/// What verifies a log's signatures: `name+hash+key`.
#[derive(Clone, PartialEq, Eq)]
pub struct VerifierKey {
    name: String,
    id: u32,
    public: [u8; 32],
}

impl VerifierKey {
    /// The key's name; a log's checkpoints have it as origin.
    pub fn name(&self) -> &str {
        &self.name
    }

    fn verifies(&self, text: &str, signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, self.public).verify(text.as_bytes(), signature).is_ok()
    }
}

impl FromStr for VerifierKey {
    type Err = BadKey;

    fn from_str(text: &str) -> Result<Self, BadKey> {
        let (name, got, public) = split_key(text)?;
        let expected = key_id(name, &public);
        if expected != got {
            return Err(BadKey::Hash { expected, got });
        }
        Ok(Self { name: name.to_owned(), id: got, public })
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = STANDARD.encode([&[ED25519_TYPE][..], &self.public].concat());
        write!(f, "{}+{:08x}+{key}", self.name, self.id)
    }
}

impl fmt::Debug for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifierKey({self})")
    }
}

/// What signs a log's checkpoints. Its text form is a secret.
pub struct LogSigner {
    verifier: VerifierKey,
    pair: Ed25519KeyPair,
}

impl LogSigner {
    /// Makes a new key and gives the text to keep: `PRIVATE+KEY+name+hash+key`.
    ///
    /// # Errors
    /// If the name is empty or has spaces, controls or `+`.
    pub fn generate(name: &str, random: &dyn Random) -> Result<(Self, String), BadKey> {
        let seed: [u8; 32] = random::bytes(random);
        let signer = Self::from_seed(name, &seed)?;
        let key = STANDARD.encode([&[ED25519_TYPE][..], &seed].concat());
        let text = format!("PRIVATE+KEY+{name}+{:08x}+{key}", signer.verifier.id);
        Ok((signer, text))
    }

    /// Reads a key that was kept.
    ///
    /// # Errors
    /// The rule that the text breaks.
    pub fn parse(text: &str) -> Result<Self, BadKey> {
        let rest = text.trim_end().strip_prefix("PRIVATE+KEY+").ok_or(BadKey::Format)?;
        let (name, got, seed) = split_key(rest)?;
        let signer = Self::from_seed(name, &seed)?;
        match signer.verifier.id {
            expected if expected == got => Ok(signer),
            expected => Err(BadKey::Hash { expected, got }),
        }
    }

    fn from_seed(name: &str, seed: &[u8; 32]) -> Result<Self, BadKey> {
        if !name_is_valid(name) {
            return Err(BadKey::Format);
        }
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| BadKey::Format)?;
        let public: [u8; 32] = pair.public_key().as_ref().try_into().map_err(|_| BadKey::Format)?;
        let verifier = VerifierKey { name: name.to_owned(), id: key_id(name, &public), public };
        Ok(Self { verifier, pair })
    }

    /// The key that verifies what this one signs.
    pub const fn verifier(&self) -> &VerifierKey {
        &self.verifier
    }

    /// The note of `text` (which ends with a newline) and this key's signature.
    pub(super) fn sign(&self, text: &str) -> String {
        let signature = self.pair.sign(text.as_bytes());
        let line = STANDARD.encode([&self.verifier.id.to_be_bytes()[..], signature.as_ref()].concat());
        format!("{text}\n— {} {line}\n", self.verifier.name)
    }
}

impl fmt::Debug for LogSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LogSigner({})", self.verifier)
    }
}

/// The text is no signed note.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadNote {
    /// Larger than any checkpoint.
    #[error("a note has at most 131072 bytes, got {got}")]
    TooLong {
        /// Its bytes.
        got: usize,
    },
    /// A control character other than newline.
    #[error("a note has no control characters but newline")]
    Control,
    /// No blank line between text and signatures, or no newline at the end.
    #[error("a note is a text, a blank line, and signature lines that end with a newline")]
    Shape,
    /// A line behind the blank line is no signature.
    #[error("line {line} after the text is no signature")]
    Signature {
        /// Counted from 1.
        line: usize,
    },
}

/// No signature of the known key holds.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// The note is not signed by it.
    #[error("no signature by a known key of this log")]
    Unsigned,
    /// A signature by it is wrong.
    #[error("the signature by {name} does not verify")]
    Wrong {
        /// Name of the key.
        name: String,
    },
}

/// A parsed note; nothing in it is to be believed before [`SignedNote::verify`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedNote {
    text: String,
    signatures: Vec<(String, u32, Vec<u8>)>,
}

impl SignedNote {
    /// Takes a note apart.
    ///
    /// # Errors
    /// The rule of the format that it breaks.
    pub fn parse(note: &str) -> Result<Self, BadNote> {
        if note.len() > MAX_NOTE_BYTES {
            return Err(BadNote::TooLong { got: note.len() });
        }
        if note.bytes().any(|byte| byte < 0x20 && byte != b'\n') {
            return Err(BadNote::Control);
        }
        let split = note.rfind("\n\n").ok_or(BadNote::Shape)?;
        let (text, rest) = note.split_at(split + 1);
        let lines = rest.strip_prefix('\n').and_then(|r| r.strip_suffix('\n')).ok_or(BadNote::Shape)?;
        let mut signatures = Vec::new();
        for (line, number) in lines.split('\n').zip(1..) {
            let signature = parse_signature(line).filter(|_| number <= MAX_SIGNATURES);
            signatures.push(signature.ok_or(BadNote::Signature { line: number })?);
        }
        Ok(Self { text: text.to_owned(), signatures })
    }

    /// The text with its final newline.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Requires a valid signature by one of `keys`, and no wrong one by any of them. Gives the key that signed.
    ///
    /// # Errors
    /// If none signed, or a signature of a known key is wrong.
    pub fn verify<'k>(&self, keys: &'k [VerifierKey]) -> Result<&'k VerifierKey, NoteError> {
        let mut signer = None;
        for (name, id, signature) in &self.signatures {
            let Some(key) = keys.iter().find(|key| key.name == *name && key.id == *id) else { continue };
            if !key.verifies(&self.text, signature) {
                return Err(NoteError::Wrong { name: name.clone() });
            }
            signer = signer.or(Some(key));
        }
        signer.ok_or(NoteError::Unsigned)
    }
}

fn parse_signature(line: &str) -> Option<(String, u32, Vec<u8>)> {
    let (name, signature) = line.strip_prefix("— ")?.split_once(' ')?;
    let bytes = STANDARD.decode(signature).ok()?;
    let (id, signature) = bytes.split_first_chunk::<4>()?;
    let valid = name_is_valid(name) && !signature.is_empty();
    valid.then(|| (name.to_owned(), u32::from_be_bytes(*id), signature.to_vec()))
}
