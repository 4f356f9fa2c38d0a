//! Finding documents: how words are read, how queries are understood, and the index behind it.
//! Knows nothing of HTTP; only `find` reaches the database and the vault.

pub mod analysis;
pub mod find;
pub mod index;
pub mod query;
pub mod reference;
