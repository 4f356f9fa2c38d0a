//! Keys: master keys from a file wrap the keys of authorities, these wrap data keys, one for each document; both kinds
//! are kept as rows. Knows no SQL.
//!
//! Wrapped key: nonce (12), AES-256-GCM of the key, tag (16); additional data: what it belongs to and what wraps it
//! (`wrapping`). Before authorities had keys of their own, theirs were derived from a master key (`master`).

mod master;
mod memory;
mod wrapping;

use std::fmt;
use std::str::FromStr;

use async_trait::async_trait;
use jiff::Timestamp;

pub use master::{MasterKeyError, MasterKeys};
pub use memory::MemoryKeyRows;
pub(super) use wrapping::Wrapper;

use crate::domain::ids::{AuthorityId, ObjectId};

/// What wraps a data key, as the keystore writes it: `a7`, or `1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum KeyName {
    /// The authority's key that was derived from the master key of this number.
    Derived(u32),
    /// The authority's own key of this number.
    Own(u32),
}

/// The text names no key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a key is named by a number, or by `a` and a number")]
pub struct NotAKeyName;

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Derived(number) => write!(f, "{number}"),
            Self::Own(number) => write!(f, "a{number}"),
        }
    }
}

impl FromStr for KeyName {
    type Err = NotAKeyName;

    fn from_str(text: &str) -> Result<Self, NotAKeyName> {
        let parsed = match text.strip_prefix('a') {
            Some(number) => number.parse().map(Self::Own),
            None => text.parse().map(Self::Derived),
        };
        parsed.map_err(|_| NotAKeyName)
    }
}

/// A data key as the keystore keeps it. Whoever deletes the row has erased what is sealed under it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrappedKey {
    /// The object whose bytes (and whose texts and pictures) are sealed under the key.
    pub object: ObjectId,
    /// The authority whose key wraps it.
    pub authority: AuthorityId,
    /// Which of its keys.
    pub key: KeyName,
    /// Nonce, encrypted data key, tag: 60 bytes.
    pub wrapped: Vec<u8>,
    /// When the data key was made.
    pub created_at: Timestamp,
}

/// A key of an authority as the keystore keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthorityKeyRow {
    /// Whose.
    pub authority: AuthorityId,
    /// Counted from 1; the highest one wraps what is new.
    pub number: u32,
    /// The master key that wraps it.
    pub master: u32,
    /// Nonce, encrypted key, tag: 60 bytes.
    pub wrapped: Vec<u8>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// How many data keys a key of an authority wraps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Use {
    /// The authority.
    pub authority: AuthorityId,
    /// The key.
    pub key: KeyName,
    /// Data keys.
    pub count: u64,
}

/// Where wrapped keys are kept: a database of its own, with its own backup of limited life. `Ok` of what writes: it
/// survives a power cut.
#[async_trait]
pub trait KeyRows: Send + Sync {
    /// Keeps a new key.
    async fn insert(&self, key: WrappedKey) -> Result<(), KeyError>;

    /// The key of an object; `None` if there never was one or it was erased.
    async fn find(&self, object: ObjectId) -> Result<Option<WrappedKey>, KeyError>;

    /// Erases keys; those that are not there are gone already.
    async fn delete(&self, objects: Vec<ObjectId>) -> Result<(), KeyError>;

    /// Objects with a key and when it was made, in the order of their ids, beginning behind `after`, at most `max`.
    async fn list(&self, after: Option<ObjectId>, max: u32) -> Result<Vec<(ObjectId, Timestamp)>, KeyError>;

    /// Data keys of an authority that `key` wraps, at most `max`.
    async fn wrapped_by(
        &self,
        authority: AuthorityId,
        key: KeyName,
        max: u32,
    ) -> Result<Vec<WrappedKey>, KeyError>;

    /// Puts these in the place of those that `old` wraps. What was erased meanwhile, or is wrapped otherwise, stays so.
    async fn rewrap(&self, old: KeyName, new: Vec<WrappedKey>) -> Result<(), KeyError>;

    /// Which keys wrap anything: quick, however much that is.
    async fn names(&self) -> Result<Vec<(AuthorityId, KeyName)>, KeyError>;

    /// Which keys wrap how many.
    async fn uses(&self) -> Result<Vec<Use>, KeyError>;

    /// The keys of all authorities, by authority and number.
    async fn authority_keys(&self) -> Result<Vec<AuthorityKeyRow>, KeyError>;

    /// Keeps a new key of an authority; `false` if there is one of this number.
    async fn insert_authority_key(&self, key: AuthorityKeyRow) -> Result<bool, KeyError>;

    /// Puts a key in the place of the same one under another master key.
    async fn replace_authority_key(&self, key: AuthorityKeyRow) -> Result<(), KeyError>;

    /// Erases a key of an authority, unless it wraps something: `false` then.
    async fn delete_authority_key(&self, authority: AuthorityId, number: u32) -> Result<bool, KeyError>;
}

/// Why there is no key to work with.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The keystore failed.
    #[error("keystore: {0}")]
    Store(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The object has no key (any more): what was sealed under it can never be read again.
    #[error("object {object} has no key")]
    Erased {
        /// The object.
        object: ObjectId,
    },
    /// A master key that the keystore names is not in the file.
    #[error("the keystore needs master key {number}, which is not in the file")]
    NoMasterKey {
        /// Its number.
        number: u32,
    },
    /// The master key of this number is another one than the keystore was made with.
    #[error("master key {number} in the file is not the one that the keystore was made with")]
    WrongMasterKey {
        /// Its number.
        number: u32,
    },
    /// The authority has no key of this number.
    #[error("authority {authority} has no key {number}")]
    NoAuthorityKey {
        /// The authority.
        authority: AuthorityId,
        /// The number.
        number: u32,
    },
    /// The row was changed, or belongs to another authority or object.
    #[error("the wrapped key of object {object} does not open")]
    Forged {
        /// The object.
        object: ObjectId,
    },
}

#[cfg(test)]
mod tests;
