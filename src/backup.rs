//! Backups of a running installation: the rows and the log's position sealed under a key of their own, the objects as
//! they lie there, no key; the keys elsewhere, with an end; and bringing both together again.
//!
//! Order is what makes them fit: rows first, then the objects they refer to, then the keys. A backup of keys taken
//! after one of rows has the key of every document in it that was not erased since, and names those that were.

mod erased;
mod folder;
mod keys;
mod manifest;
mod prune;
mod restore;
mod sealed_file;
mod take;

use std::io;
use std::path::PathBuf;

use jiff::Timestamp;

pub use folder::{Folder, Snapshot};
pub use keys::{KeysHeader, take as take_keys};
pub use manifest::Manifest;
pub use restore::{RestoreError, Restored, Source, bring_back};
pub use take::{Mode, Taken, take};

use crate::database::{DatabaseError, LoadError};
use crate::domain::ids::{AuthorityId, ObjectId};
use crate::objects::{KeyError, MasterKeyError, StoreError, VaultError};

/// Whose the keys of backups are in the keystore: no authority's, the installation's.
const INSTALLATION: AuthorityId = AuthorityId::from_bytes([0; 16]);

/// Why there is no backup, or nothing was restored from it.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// A file cannot be read or written.
    #[error("{path}", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A database.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// Rows that were written cannot be taken in again.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// An object store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The vault.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The keystore.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The master keys.
    #[error(transparent)]
    Master(#[from] MasterKeyError),
    /// The folder has something else in it, or a backup of another installation.
    #[error("{path}: expected an empty folder, or one with backups of this installation", path = path.display())]
    OtherFolder {
        /// The folder.
        path: PathBuf,
    },
    /// Two at once.
    #[error("{path}: another backup is being written here", path = path.display())]
    Busy {
        /// The folder.
        path: PathBuf,
    },
    /// There is no backup that was finished.
    #[error("{path} has no backup that was finished", path = path.display())]
    NoSnapshot {
        /// The folder.
        path: PathBuf,
    },
    /// A file is missing, cut or changed.
    #[error("the backup is damaged: {path}: {reason}", path = path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Objects that lie elsewhere by reference are not there.
    #[error("the store that the backup refers to lacks {missing} objects, {first} among them")]
    Elsewhere {
        /// How many.
        missing: u64,
        /// One of them.
        first: ObjectId,
    },
    /// The passphrase protects nothing.
    #[error("{path}: a passphrase of at least {min} bytes expected, in a file of mode 600", path = path.display())]
    Passphrase {
        /// The file.
        path: PathBuf,
        /// How many.
        min: usize,
    },
    /// Keys are not written over something, nor beside what they open.
    #[error("{path}: {rule}", path = path.display())]
    Place {
        /// The file.
        path: PathBuf,
        /// The rule it breaks.
        rule: &'static str,
    },
    /// The file of keys does not open.
    #[error("{path} does not open: another passphrase, or the file was changed or cut", path = path.display())]
    Sealed {
        /// The file.
        path: PathBuf,
    },
    /// The file of keys has come to its end.
    #[error("{path}: its time was over at {at}; nothing is restored from it: take one that is younger", path = path.display())]
    Expired {
        /// The file.
        path: PathBuf,
        /// When.
        at: Timestamp,
    },
    /// The keys are older than the backup they are to open.
    #[error(
        "the keys were taken at {keys}, the backup at {backup}: no key opens it. Keys taken after a backup open it, \
         until its own time is over"
    )]
    KeysTooOld {
        /// When the keys were taken.
        keys: Timestamp,
        /// When the backup was.
        backup: Timestamp,
    },
    /// Keys and backup are of two installations.
    #[error("the keys are those of the log {keys}, the backup is of {backup}")]
    OtherInstallation {
        /// In the file of keys.
        keys: String,
        /// In the manifest.
        backup: String,
    },
    /// It is not empty.
    #[error("{what} is not empty: only an empty installation is restored into")]
    NotEmpty {
        /// What.
        what: String,
    },
    /// It is written in a form of another version.
    #[error("{path}: {expected} expected, got {got}", path = path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What would be understood.
        expected: &'static str,
        /// What stands there.
        got: String,
    },
    /// A thread broke down.
    #[error("a thread of the backup broke down")]
    Broken,
}

fn file(path: &std::path::Path) -> impl Fn(io::Error) -> BackupError + '_ {
    |source| BackupError::File { path: path.to_owned(), source }
}
