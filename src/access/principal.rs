//! The caller of a request: whose data it reaches, which client it is, what it may do.

use serde::{Deserialize, Serialize};

use crate::domain::ids::AuthorityId;

/// What a caller may do. A role grants nothing beyond itself: a registrar who searches is a clerk too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// A program that uploads evidence and orders certificates.
    Engine,
    /// Searches and reads the archive.
    Clerk,
    /// Urkundsperson (PStG § 2): the only one who releases, issues and revokes.
    Registrar,
    /// Reads the audit trail.
    Auditor,
    /// Runs the installation; reads no register data.
    Operator,
}

impl Role {
    /// The word in configurations and problem details.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Engine => "engine",
            Self::Clerk => "clerk",
            Self::Registrar => "registrar",
            Self::Auditor => "auditor",
            Self::Operator => "operator",
        }
    }
}

/// An authenticated caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// The authority whose objects exist for this caller; all others are 404.
    pub authority: AuthorityId,
    /// The client's name, in the audit trail and as scope of idempotency keys.
    pub client: String,
    /// The natural person, where one is known; always for a registrar.
    pub person: Option<String>,
    /// The registrar's function, as certificates print it.
    pub function: Option<String>,
    /// What the caller may do.
    pub roles: Vec<Role>,
}

impl Principal {
    /// Whether the caller has one of `roles`.
    pub fn has_any(&self, roles: &[Role]) -> bool {
        self.roles.iter().any(|role| roles.contains(role))
    }
}
