//! Places inside the durable step of the disk store, named so that a test can end everything there as a crash would. The
//! product never does.

use std::sync::Arc;

/// A place between two acts on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Point {
    /// Records lie in a file of the journal, and are not synced.
    Appended,
    /// They are synced; none of their objects has its name.
    Synced,
    /// An object of the journal has its file and its name, neither of them synced.
    Named,
    /// Everything a file of the journal speaks of is synced.
    Settled,
    /// A file of the journal is emptied.
    Emptied,
    /// A larger object's bytes are written, and not synced.
    FileWritten,
    /// They are synced; nothing has the name.
    FileSynced,
    /// It has its name, which is not synced.
    FileNamed,
}

/// Is told of each, on the thread that is there.
pub(crate) type Points = Arc<dyn Fn(Point) + Send + Sync>;

/// Goes on everywhere.
pub(super) fn pass() -> Points {
    Arc::new(|_| {})
}
