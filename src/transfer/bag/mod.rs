//! Bags (BagIt, RFC 8493): a folder with its payload in `data/`, a digest for each file of it, and a few words about all.
//! `sha256sum -c manifest-sha256.txt` is enough to check one, anywhere and in fifty years.

mod line;
mod pack;
mod verify;

pub use pack::{Bag, Kept, Owner, PackError, Partial, owner_of};
pub use verify::{BagError, is_bag, verify};

/// The file that says that a folder is a bag.
pub(super) const DECLARATION: &str = "bagit.txt";
/// Words about all of it.
pub(super) const INFO: &str = "bag-info.txt";
/// The folder of the payload.
pub(super) const DATA: &str = "data";
