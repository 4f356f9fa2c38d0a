//! Dated copies of register entries and the facts a certificate shows of them.

pub mod copies;
pub mod entry;
mod fields;
pub mod key;
pub mod lock;
pub mod rules;
pub mod value;

pub use entry::{EntryCopy, EntryError, Facts, SubsequentCopy};
pub use key::{EntryKey, EntryNumber, NotAKey, OfficeNumber, Part, Register};
pub use lock::Lock;
pub use value::Value;
