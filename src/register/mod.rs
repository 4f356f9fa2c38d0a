//! Dated copies of register entries and the facts a certificate shows of them.

pub mod key;

pub use key::{EntryKey, EntryNumber, NotAKey, OfficeNumber, Part, Register};
