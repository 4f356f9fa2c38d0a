//! PDF out: the tagged page on krilla, and the appender that adds revisions.

pub mod append;
pub mod face;
pub mod raw;
#[cfg(test)]
pub(crate) mod read_back;
pub mod revisions;
pub mod sheet;
pub mod stationery;
mod tags;
