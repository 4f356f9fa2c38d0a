//! Evidence on its way in: receive, scan, store, extract in a sandboxed child, index.

pub mod direct;
pub mod extract;
pub mod fields;
pub mod index;
pub mod keeper;
pub mod media_type;
pub mod process;
pub mod quarantine;
pub mod receive;
pub mod rescan;
pub mod steps;
pub mod sweep;
pub mod texts;
pub mod turns;
pub mod uploads;
