//! Whether a database file is still the one that was opened. A file that was deleted or replaced goes on taking writes
//! for whoever has it open: what is acknowledged then is gone with the process.

use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::error::DatabaseError;

/// The file of an opened database.
#[derive(Debug, Clone)]
pub(super) struct Presence {
    path: PathBuf,
    identity: (u64, u64),
}

impl Presence {
    /// Remembers the file at `path`, which is there.
    pub(super) fn of(path: &Path) -> Result<Self, DatabaseError> {
        let identity = identity(path).map_err(|error| gone(&error.to_string()))?;
        Ok(Self { path: path.to_owned(), identity })
    }

    /// Refuses to go on while the file is not where it was. Once it is back, all is well again; another file in its
    /// place is another database, for which the program must be started anew.
    pub(super) fn check(&self) -> Result<(), DatabaseError> {
        match identity(&self.path) {
            Ok(found) if found == self.identity => Ok(()),
            Ok(_) => Err(gone("another file is in its place")),
            Err(error) => Err(gone(&error.to_string())),
        }
    }
}

/// Device and inode.
fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let found = std::fs::metadata(path)?;
    Ok((found.dev(), found.ino()))
}

fn gone(why: &str) -> DatabaseError {
    DatabaseError::Unavailable { reason: format!("the database file is not where it was: {why}") }
}
