//! Keys: master keys from a file, an authority's key derived from them, data keys wrapped by it and kept as rows.
//!
//! Authority's key: HKDF-SHA256(master key, salt "stammbuch/authority-key/v1", info = authority id, key id as u32).
//! Wrapped data key: nonce (12), AES-256-GCM of the data key, tag (16); additional data "stammbuch/data-key/v1",
//! object id, authority id, key id (u32). All integers big endian.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use jiff::Timestamp;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hkdf;

use crate::domain::ids::{AuthorityId, ObjectId};
use crate::domain::random::{self, Random};

const FIRST_LINE: &str = "stammbuch master keys 1";
/// The largest file of master keys that is read.
const FILE_BYTES_MAX: u64 = 64 * 1024;

/// A data key as the keystore keeps it. Whoever deletes the row has erased what is sealed under it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrappedKey {
    /// The object whose bytes (and whose texts and pictures) are sealed under the key.
    pub object: ObjectId,
    /// The authority whose key wraps it.
    pub authority: AuthorityId,
    /// Which master key the authority's key was derived from.
    pub key_id: u32,
    /// Nonce, encrypted data key, tag: 60 bytes.
    pub wrapped: Vec<u8>,
    /// When it was wrapped.
    pub created_at: Timestamp,
}

/// Where wrapped keys are kept: a database of its own, with its own backup of limited life.
#[async_trait]
pub trait KeyRows: Send + Sync {
    /// Keeps a new key. `Ok`: it survives a power cut.
    async fn insert(&self, key: WrappedKey) -> Result<(), KeyError>;

    /// The key of an object; `None` if there never was one or it was erased.
    async fn find(&self, object: ObjectId) -> Result<Option<WrappedKey>, KeyError>;

    /// Erases keys; those that are not there are gone already. `Ok`: durable.
    async fn delete(&self, objects: Vec<ObjectId>) -> Result<(), KeyError>;

    /// Objects with a key and when it was made, in the order of their ids, beginning behind `after`, at most `max`.
    async fn list(&self, after: Option<ObjectId>, max: u32) -> Result<Vec<(ObjectId, Timestamp)>, KeyError>;
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
    /// The master key that a row names is not in the file.
    #[error("master key {key_id} is not at hand")]
    NoMasterKey {
        /// Its number.
        key_id: u32,
    },
    /// The row was changed, or belongs to another authority or object.
    #[error("the wrapped key of object {object} does not open")]
    Forged {
        /// The object.
        object: ObjectId,
    },
}

/// Why a file of master keys is refused.
#[derive(Debug, thiserror::Error)]
pub enum MasterKeyError {
    /// The file cannot be read or written.
    #[error("master keys {path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// Others than the owner may read the file.
    #[error("master keys {path}: mode {mode:o} where 600 is required")]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// A line is not what it should be.
    #[error("master keys {path}, line {line}: {expected} expected")]
    Line {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// What should stand there.
        expected: &'static str,
    },
}

/// The master keys of an installation; the one with the highest number wraps, all of them unwrap.
pub struct MasterKeys(BTreeMap<u32, [u8; 32]>);

impl MasterKeys {
    /// One key, number 1.
    pub fn single(key: [u8; 32]) -> Self {
        Self(BTreeMap::from([(1, key)]))
    }

    /// Reads a file of mode 0600: `stammbuch master keys 1`, then lines of number and 64 hex digits.
    pub fn read(path: &Path) -> Result<Self, MasterKeyError> {
        let failed = |source| MasterKeyError::Io { path: path.to_owned(), source };
        let file = File::open(path).map_err(failed)?;
        let mode = file.metadata().map_err(failed)?.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(MasterKeyError::Exposed { path: path.to_owned(), mode });
        }
        let mut text = String::new();
        file.take(FILE_BYTES_MAX).read_to_string(&mut text).map_err(failed)?;
        Self::parse(&text).map_err(|(line, expected)| MasterKeyError::Line {
            path: path.to_owned(),
            line,
            expected,
        })
    }

    /// Draws a key and writes it to a new file, durably; an existing file is read instead.
    pub fn read_or_create(path: &Path, random: &dyn Random) -> Result<Self, MasterKeyError> {
        let failed = |source| MasterKeyError::Io { path: path.to_owned(), source };
        if path.exists() {
            return Self::read(path);
        }
        let key: [u8; 32] = random::bytes(random);
        let new = path.with_extension("new");
        let mut file =
            File::options().write(true).create(true).truncate(true).mode(0o600).open(&new).map_err(failed)?;
        file.write_all(format!("{FIRST_LINE}\n1 {}\n", hex::encode(key)).as_bytes()).map_err(failed)?;
        file.sync_all().map_err(failed)?;
        match std::fs::hard_link(&new, path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(failed(error)),
            _ => std::fs::remove_file(&new).map_err(failed)?,
        }
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new("."))).and_then(|folder| folder.sync_all()).map_err(failed)?;
        Self::read(path)
    }

    fn parse(text: &str) -> Result<Self, (usize, &'static str)> {
        let mut lines = (1..).zip(text.lines());
        if lines.next().is_none_or(|(_, line)| line != FIRST_LINE) {
            return Err((1, FIRST_LINE));
        }
        let mut keys = BTreeMap::new();
        for (number, line) in lines {
            const EXPECTED: &str = "a number, a space and 64 hex digits";
            let (key_id, digits) = line.split_once(' ').ok_or((number, EXPECTED))?;
            let mut key = [0; 32];
            hex::decode_to_slice(digits, &mut key).map_err(|_| (number, EXPECTED))?;
            if keys.insert(key_id.parse().map_err(|_| (number, EXPECTED))?, key).is_some() {
                return Err((number, "a number that was not used before"));
            }
        }
        if keys.is_empty() { Err((2, "a key")) } else { Ok(Self(keys)) }
    }

    /// Wraps a data key by the newest key of the authority.
    pub(super) fn wrap(
        &self,
        data_key: &[u8; 32],
        object: ObjectId,
        authority: AuthorityId,
        random: &dyn Random,
        now: Timestamp,
    ) -> Result<WrappedKey, KeyError> {
        let key_id = self.0.last_key_value().map_or(0, |(key_id, _)| *key_id);
        let nonce: [u8; NONCE_LEN] = random::bytes(random);
        let mut sealed = data_key.to_vec();
        let aad = Aad::from(binding(object, authority, key_id));
        self.authority_key(authority, key_id)?
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), aad, &mut sealed)
            .map_err(|_| KeyError::Forged { object })?;
        let wrapped = [nonce.as_slice(), &sealed].concat();
        Ok(WrappedKey { object, authority, key_id, wrapped, created_at: now })
    }

    /// The data key in a row that belongs to `authority`.
    pub(super) fn unwrap(&self, row: &WrappedKey, authority: AuthorityId) -> Result<[u8; 32], KeyError> {
        let forged = || KeyError::Forged { object: row.object };
        let (nonce, sealed) = row.wrapped.split_first_chunk::<NONCE_LEN>().ok_or_else(forged)?;
        let mut sealed = sealed.to_vec();
        let aad = Aad::from(binding(row.object, authority, row.key_id));
        let opened = self
            .authority_key(authority, row.key_id)?
            .open_in_place(Nonce::assume_unique_for_key(*nonce), aad, &mut sealed)
            .map_err(|_| forged())?;
        <[u8; 32]>::try_from(&*opened).map_err(|_| forged())
    }

    fn authority_key(&self, authority: AuthorityId, key_id: u32) -> Result<LessSafeKey, KeyError> {
        let missing = || KeyError::NoMasterKey { key_id };
        let master = self.0.get(&key_id).ok_or_else(missing)?;
        let secret = hkdf::Salt::new(hkdf::HKDF_SHA256, b"stammbuch/authority-key/v1").extract(master);
        let number = key_id.to_be_bytes();
        let info = [authority.as_bytes().as_slice(), &number];
        let key = secret.expand(&info, &AES_256_GCM).map_err(|_| missing())?;
        Ok(LessSafeKey::new(UnboundKey::from(key)))
    }
}

fn binding(object: ObjectId, authority: AuthorityId, key_id: u32) -> Vec<u8> {
    let number = key_id.to_be_bytes();
    [b"stammbuch/data-key/v1".as_slice(), object.as_bytes(), authority.as_bytes(), &number].concat()
}

/// Wrapped keys in memory: for tests.
#[derive(Default)]
pub struct MemoryKeyRows(Mutex<BTreeMap<ObjectId, WrappedKey>>);

impl MemoryKeyRows {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<ObjectId, WrappedKey>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl KeyRows for MemoryKeyRows {
    async fn insert(&self, key: WrappedKey) -> Result<(), KeyError> {
        self.lock().insert(key.object, key);
        Ok(())
    }

    async fn find(&self, object: ObjectId) -> Result<Option<WrappedKey>, KeyError> {
        Ok(self.lock().get(&object).cloned())
    }

    async fn delete(&self, objects: Vec<ObjectId>) -> Result<(), KeyError> {
        self.lock().retain(|object, _| !objects.contains(object));
        Ok(())
    }

    async fn list(&self, after: Option<ObjectId>, max: u32) -> Result<Vec<(ObjectId, Timestamp)>, KeyError> {
        let rows = self.lock();
        let behind = rows.values().filter(|row| after.is_none_or(|after| row.object > after));
        Ok(behind.take(max as usize).map(|row| (row.object, row.created_at)).collect())
    }
}

#[cfg(test)]
mod tests;
