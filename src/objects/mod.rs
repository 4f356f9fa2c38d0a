//! Objects: named bytes on disk or in S3 behind one trait, and the vault that encrypts what it puts there.
//!
//! The store knows names and bytes only; the vault knows keys; neither knows documents, SQL or HTTP.

mod disk;
mod format;
mod keyring;
mod keys;
mod memory;
mod path;
mod s3;
mod store;
#[cfg(test)]
mod suite;
mod vault;

pub use disk::DiskStore;
#[cfg(test)]
pub(crate) use disk::Point;
pub use format::Damage;
pub use keyring::{Asked, Keyring, Progress, RenewError};
pub use keys::{
    AuthorityKeyRow, KeyError, KeyName, KeyRows, MasterKeyError, MasterKeys, MemoryKeyRows, NotAKeyName, Use,
    WrappedKey,
};
pub use memory::MemoryStore;
pub use path::{NotAPath, ObjectPath};
pub use s3::{
    AccessKeys, Address, Enforced, ProbeError, Retention, RetentionMode, S3Store, SignedPut, Verdict,
};
pub use store::{Listed, ObjectStore, ObjectWriter, StoreError};
pub(crate) use vault::path_of;
pub use vault::{ObjectRef, OpenObject, ReadingBack, Sealed, SealingWriter, Vault, VaultError};
