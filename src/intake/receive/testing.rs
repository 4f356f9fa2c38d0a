//! A door for tests: nobody listens, nothing is scanned, no job is woken.

use std::sync::Arc;

use super::{Aside, Receiver};
use crate::database::Database;
use crate::domain::clock::Clock;
use crate::domain::random::Random;
use crate::events::Outbox;
use crate::intake::keeper::Keeper;
use crate::intake::turns::Turns;
use crate::objects::Vault;
use crate::scan::Scanning;

impl Receiver {
    /// Takes files of at most `bytes_max` into `vault` and `database`.
    pub(crate) fn alone(
        vault: Vault,
        database: &Database,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
        bytes_max: u64,
    ) -> Self {
        Self {
            vault,
            database: database.clone(),
            clock,
            random,
            bytes_max,
            jobs: None,
            turns: Turns::default(),
            keeper: Keeper::new(database, Outbox::silent(), None),
            scanning: Scanning::off(),
            aside: Aside::default(),
        }
    }
}
