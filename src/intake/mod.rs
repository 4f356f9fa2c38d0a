//! Evidence on its way in: receive, store, extract in a sandboxed child, index.

pub mod media_type;
