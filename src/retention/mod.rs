//! Retention: who may see a document from now on, what forbids to erase it, and how it is erased.
//!
//! Each act is one transaction: rows, audit row, change for the index. What an erasure has to remove elsewhere is done
//! behind it, step by step (`finish`). Knows no HTTP and no SQL.

mod erase;
mod finish;
mod marks;

use std::sync::Arc;

use jiff::civil::Date;
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::database::audit::{Act, Personal};
use crate::database::{Database, DatabaseError};
use crate::domain::clock::Clock;
use crate::domain::ids::DocumentId;
use crate::domain::random::Random;
use crate::events::Outbox;
use crate::search::index::Reader;

pub use erase::{Grounds, replay};
pub use finish::{EraseError, Eraser, Progress};
pub use marks::{NotAReason, Reason};

/// What decides about documents that are there. Clones share it.
#[derive(Clone)]
pub struct Retention {
    /// Where the rows are.
    pub database: Database,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Identifiers and salts.
    pub random: Arc<dyn Random>,
    /// Told of each change for the index.
    pub index: Arc<Notify>,
    /// Told of what was erased.
    pub outbox: Outbox,
    /// Told of each erasure.
    pub erased: Arc<Notify>,
}

/// Who acts, for rows and audit trail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct By {
    /// What exists for them.
    pub reader: Reader,
    /// The person if one is known, else the program.
    pub name: String,
    /// As what: `clerk`, `registrar`.
    pub role: &'static str,
    /// The request.
    pub request_id: Option<String>,
}

/// Why an act was not done. Nothing of it was kept.
#[derive(Debug, thiserror::Error)]
pub enum RetentionError {
    /// There is no such document, or hold, for the one who acts.
    #[error("there is no such document")]
    NotFound,
    /// It is no document yet.
    #[error("the file waits for the virus scanner")]
    AwaitsScan,
    /// It is held.
    #[error("the document is held: {holds} holds")]
    Held {
        /// How many forbid it.
        holds: usize,
    },
    /// Its term has not ended.
    #[error("the term of the document ends before {until}")]
    TermNotEnded {
        /// The first day on which it has.
        until: Date,
    },
    /// The database failed.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

impl Retention {
    /// The act, with what it says of persons apart.
    fn act(&self, by: &By, document: DocumentId, action: &str, personal: Option<&Value>) -> Act {
        Act {
            at: self.clock.now(),
            authority: Some(by.reader.authority),
            actor: by.name.clone(),
            role: by.role.to_owned(),
            action: action.to_owned(),
            subject_kind: "document".to_owned(),
            subject_id: document.to_string(),
            request_id: by.request_id.clone(),
            personal: personal.map(|value| Personal::new(&*self.random, value)),
        }
    }

    /// A reason may name persons: it goes to the part of the audit row that can be erased.
    fn act_for(&self, by: &By, document: DocumentId, action: &str, reason: &Reason) -> Act {
        self.act(by, document, action, Some(&json!({ "reason": reason.as_str() })))
    }
}
