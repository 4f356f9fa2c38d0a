//! Wiring of what issues certificates: copies of entries, orders, the flow and its recovery.

use std::sync::Arc;
use std::time::Duration;

use super::{Background, StartError};
use crate::config::Config;
use crate::database::Database;
use crate::domain::clock::Clock;
use crate::domain::random::Random;
use crate::events::Outbox;
use crate::issuance::deliver::VaultArchive;
use crate::issuance::flow::Issuance;
use crate::issuance::interrupt::Uninterrupted;
use crate::issuance::log::Log;
use crate::issuance::signing::Signers;
use crate::objects::Vault;
use crate::orders::{IssueSettings, Orders};
use crate::pdf::stationery::Stationery;
use crate::register::copies::Copies;

/// How often it is looked for certificates that were begun and stand still.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

/// The parts that issue.
pub(super) struct Parts {
    pub(super) database: Database,
    pub(super) vault: Vault,
    pub(super) log: Arc<Log>,
    pub(super) signers: Arc<dyn Signers>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) random: Arc<dyn Random>,
    pub(super) outbox: Outbox,
}

/// Puts them together.
pub(super) fn open(config: &Config, parts: Parts) -> Result<(Orders, Copies), StartError> {
    let Parts { database, vault, log, signers, clock, random, outbox } = parts;
    let archive = Arc::new(VaultArchive::new(vault, database.clone(), Arc::clone(&clock)));
    let issuance = Issuance {
        database: database.clone(),
        log,
        archive,
        stationery: Arc::new(Stationery::load()?),
        signers,
        clock: Arc::clone(&clock),
        interrupts: Arc::new(Uninterrupted),
        outbox,
    };
    let settings = IssueSettings {
        public_url: config.public_url.as_str().to_owned(),
        copy_age_days_max: i32::try_from(config.issue.entry_age_days_max).unwrap_or(i32::MAX),
    };
    let copies = Copies { database, clock, random: Arc::clone(&random) };
    Ok((Orders { issuance, random, settings }, copies))
}

/// What finishes certificates that were begun.
pub(super) fn finisher(orders: &Orders) -> Background {
    let issuance = orders.issuance.clone();
    Background::start(|stop| finish_begun(issuance, stop))
}

/// Finishes certificates that were begun: at the start, and from time to time until `stop`.
async fn finish_begun(issuance: Issuance, stop: impl Future<Output = ()> + Send) {
    tokio::pin!(stop);
    loop {
        if let Err(error) = issuance.finish_begun().await {
            tracing::error!(%error, "begun certificates cannot be looked for");
        }
        tokio::select! {
            () = &mut stop => return,
            // sleeps: what stood still for want of a key, the store or the database may go on later.
            () = tokio::time::sleep(LOOK_AGAIN) => {}
        }
    }
}
