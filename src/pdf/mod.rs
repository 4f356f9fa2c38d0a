//! PDF out: the tagged page on krilla, and the appender that adds revisions.

pub mod append;
pub mod raw;
pub mod revisions;
