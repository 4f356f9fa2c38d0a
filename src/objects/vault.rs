//! The vault: what goes through it lies on the store encrypted, under a key that can be erased alone.
//!
//! Knows objects, authorities and keys; does not know what an object is for or who refers to it.

mod digests;
mod open;
mod seal;

use std::sync::Arc;

use jiff::Timestamp;

pub use digests::ReadingBack;
pub use open::OpenObject;
pub use seal::SealingWriter;
use seal::digest;

use super::format::{Damage, SegmentKey, header};
use super::keyring::Keyring;
use super::keys::{KeyError, KeyRows, MasterKeys};
use super::path::ObjectPath;
use super::store::{Listed, ObjectStore, StoreError};
use crate::domain::clock::Clock;
use crate::domain::digest::Sha256;
use crate::domain::ids::{AuthorityId, ObjectId};
use crate::domain::random::{self, Random};

/// The folder of encrypted objects; below it 256 folders, so that many uploads at once do not wait for each other.
pub(super) const FOLDER: &str = "o";

/// Encrypted objects: a store, the keys and what draws them. Clones share it.
#[derive(Clone)]
pub struct Vault(Arc<Parts>);

struct Parts {
    store: Arc<dyn ObjectStore>,
    keys: Keyring,
    random: Arc<dyn Random>,
}

/// Which object, whose it is, and under whose data key it is sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ObjectRef {
    /// The authority whose key wraps the data key.
    pub authority: AuthorityId,
    /// The object.
    pub object: ObjectId,
    /// The object whose data key it is sealed under: itself, or the one it hangs on.
    pub key: ObjectId,
}

impl ObjectRef {
    /// An object under a data key of its own.
    pub const fn own(authority: AuthorityId, object: ObjectId) -> Self {
        Self { authority, object, key: object }
    }

    /// An object that is erased together with the one it hangs on: the text of a document, a picture of its page.
    pub const fn beside(authority: AuthorityId, object: ObjectId, key: ObjectId) -> Self {
        Self { authority, object, key }
    }
}

/// An object that is durable on the store, and its key in the keystore.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    /// Where it is.
    pub at: ObjectRef,
    /// Plaintext bytes.
    pub size: u64,
    /// Digest of the plaintext.
    pub sha256: Sha256,
    /// Digest of what lies on the store, header included.
    pub cipher_sha256: Sha256,
}

/// Why the vault did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// The object store failed, or the object is not there.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There is no key to seal or open with.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// What lies on the store is not what was written.
    #[error("object {object} is damaged: {damage}")]
    Damaged {
        /// The object.
        object: ObjectId,
        /// What is wrong with it.
        damage: Damage,
    },
    /// The range goes beyond the object's end.
    #[error("bytes up to {end} of object {object}, which has {size}")]
    OutOfRange {
        /// The object.
        object: ObjectId,
        /// Its plaintext bytes.
        size: u64,
        /// One after the last byte asked for.
        end: u64,
    },
}

impl Vault {
    /// A vault on `store` whose keys are kept in `keys`, wrapped under `master`.
    pub fn new(
        store: Arc<dyn ObjectStore>,
        keys: Arc<dyn KeyRows>,
        master: MasterKeys,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Self {
        let keys = Keyring::new(keys, master, clock, Arc::clone(&random));
        Self(Arc::new(Parts { store, keys, random }))
    }

    /// The keys it works with; whoever rotates them does it through these.
    pub fn keyring(&self) -> &Keyring {
        &self.0.keys
    }

    /// Begins a new object of `authority`, with a random id and a data key of its own. Nothing is on the disk yet.
    pub async fn begin(&self, authority: AuthorityId) -> Result<SealingWriter, VaultError> {
        let parts = &*self.0;
        let at = ObjectRef::own(authority, ObjectId::draw(&*parts.random));
        let data_key: [u8; 32] = random::bytes(&*parts.random);
        let wrapped = parts.keys.wrap(&data_key, at.object, authority).await?;
        let key = self.segment_key(&data_key, at)?;
        let writer = parts.store.create_stream(&path_of(at.object)?).await?;
        Ok(SealingWriter::new(self.clone(), at, key, Some(wrapped), writer))
    }

    /// Begins a new object that is erased together with `holder`, whose data key it shares.
    pub async fn begin_beside(
        &self,
        authority: AuthorityId,
        holder: ObjectId,
    ) -> Result<SealingWriter, VaultError> {
        let at = ObjectRef::beside(authority, ObjectId::draw(&*self.0.random), holder);
        let key = self.segment_key(&self.data_key(at).await?, at)?;
        let writer = self.0.store.create_stream(&path_of(at.object)?).await?;
        Ok(SealingWriter::new(self.clone(), at, key, None, writer))
    }

    /// Stores bytes as a new object. `Ok`: bytes, name and key are durable.
    pub async fn put(&self, authority: AuthorityId, bytes: &[u8]) -> Result<Sealed, VaultError> {
        let mut writer = self.begin(authority).await?;
        writer.write(bytes).await?;
        writer.finish().await
    }

    /// Stores bytes that are erased together with `holder`.
    pub async fn put_beside(
        &self,
        authority: AuthorityId,
        holder: ObjectId,
        bytes: &[u8],
    ) -> Result<Sealed, VaultError> {
        let mut writer = self.begin_beside(authority, holder).await?;
        writer.write(bytes).await?;
        writer.finish().await
    }

    /// Opens an object for reading; `size` is what the database says, if it says anything.
    pub async fn open(&self, at: ObjectRef, size: Option<u64>) -> Result<OpenObject, VaultError> {
        let key = self.segment_key(&self.data_key(at).await?, at)?;
        OpenObject::new(Arc::clone(&self.0.store), path_of(at.object)?, at.object, key, size).await
    }

    /// All bytes of an object: for texts and certificates. Documents are read by [`Self::open`], piece by piece.
    pub async fn read(&self, at: ObjectRef) -> Result<Vec<u8>, VaultError> {
        let object = self.open(at, None).await?;
        object.read(0..object.size()).await
    }

    /// Erases an object: its key first, from when on nobody can read it, then its bytes.
    pub async fn delete(&self, at: ObjectRef) -> Result<(), VaultError> {
        if at.key == at.object {
            self.keys().delete(vec![at.object]).await?;
        }
        Ok(self.0.store.delete(&path_of(at.object)?).await?)
    }

    /// Keeps the bytes of an object that a row refers to from being removed, where the store is configured to. May be
    /// repeated.
    pub async fn protect(&self, object: ObjectId) -> Result<(), VaultError> {
        Ok(self.0.store.protect(&path_of(object)?).await?)
    }

    /// Whether [`Self::protect`] does anything on this store.
    pub fn protects(&self) -> bool {
        self.0.store.protects()
    }

    /// Objects of one of the 256 folders and when they were written, by the store's clock. For housekeeping.
    pub async fn stored(&self, bucket: u8) -> Result<Vec<(ObjectId, Timestamp)>, VaultError> {
        let listed = self.0.store.list(&format!("{FOLDER}/{bucket:02x}")).await?;
        let object = |line: &Listed| line.path.as_str().rsplit('/').next()?.parse().ok();
        Ok(listed.iter().filter_map(|line| Some((object(line)?, line.written_at))).collect())
    }

    /// Objects that have a key and when it was made, in the order of their ids. For housekeeping.
    pub async fn keys_after(
        &self,
        after: Option<ObjectId>,
        max: u32,
    ) -> Result<Vec<(ObjectId, Timestamp)>, VaultError> {
        Ok(self.keys().list(after, max).await?)
    }

    /// Erases the keys of objects, durably: from now on nobody can read them, nor what hangs on them.
    pub async fn erase_keys(&self, objects: Vec<ObjectId>) -> Result<(), VaultError> {
        Ok(self.keys().delete(objects).await?)
    }

    /// Removes an object that nothing refers to, whosever it was: its key, if it has one, and its bytes. `false`: the
    /// bytes are under retention and stay, unreadable; a sweep after the end of the lock removes them.
    pub async fn forget(&self, object: ObjectId) -> Result<bool, VaultError> {
        self.keys().delete(vec![object]).await?;
        match self.0.store.delete(&path_of(object)?).await {
            Err(StoreError::Locked { .. }) => Ok(false),
            removed => Ok(removed.map(|()| true)?),
        }
    }

    #[cfg(test)]
    pub(super) fn store(&self) -> &dyn ObjectStore {
        &*self.0.store
    }

    pub(super) fn keys(&self) -> &dyn KeyRows {
        self.0.keys.rows()
    }

    async fn data_key(&self, at: ObjectRef) -> Result<[u8; 32], VaultError> {
        let row = async || self.keys().find(at.key).await?.ok_or(KeyError::Erased { object: at.key });
        match self.0.keys.unwrap(&row().await?, at.authority).await {
            // It was wrapped anew, and the old key dropped, since the row was read.
            Err(KeyError::NoAuthorityKey { .. }) => {
                Ok(self.0.keys.unwrap(&row().await?, at.authority).await?)
            }
            outcome => Ok(outcome?),
        }
    }

    fn segment_key(&self, data_key: &[u8; 32], at: ObjectRef) -> Result<SegmentKey, VaultError> {
        let derived = SegmentKey::derive(data_key, header(at.object, at.key));
        Ok(derived.map_err(|_| KeyError::Forged { object: at.key })?)
    }
}

/// `o/`, the id's first two hex digits, `/`, all of its digits.
pub(crate) fn path_of(object: ObjectId) -> Result<ObjectPath, StoreError> {
    let id = object.to_string();
    let name = format!("{FOLDER}/{}/{id}", id.get(..2).unwrap_or_default());
    let invalid = |e| StoreError::Io { doing: "name", path: id, source: std::io::Error::other(e) };
    ObjectPath::try_from(name).map_err(invalid)
}

#[cfg(test)]
mod tests;
