//! Who is it, what may they do, and the audit trail of what they did.
//!
//! Knows tokens and roles; not how a request carries them.

mod principal;
mod tokens;

pub use principal::{Principal, Role};
pub use tokens::Tokens;
