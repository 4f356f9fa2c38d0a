//! Wiring of evidence: what receives documents.

use std::sync::Arc;

use crate::config::Config;
use crate::database::Database;
use crate::domain::clock::Clock;
use crate::domain::random::Random;
use crate::intake::receive::Receiver;
use crate::objects::Vault;

/// The parts that evidence goes through.
pub(super) struct Parts {
    pub(super) database: Database,
    pub(super) vault: Vault,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) random: Arc<dyn Random>,
}

/// What receives documents.
pub(super) fn receiver(config: &Config, parts: &Parts) -> Receiver {
    Receiver {
        vault: parts.vault.clone(),
        database: parts.database.clone(),
        clock: Arc::clone(&parts.clock),
        random: Arc::clone(&parts.random),
        bytes_max: config.limits.upload_bytes_max,
    }
}
