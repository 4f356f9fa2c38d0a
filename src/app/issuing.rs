//! Wiring of what issues certificates: copies of entries, orders, the flow and its recovery, the log's sequencer.

use std::sync::Arc;
use std::time::Duration;

use super::background::Background;
use super::ground::Ground;
use super::{KeyFileError, StartError, keys};
use crate::config::Config;
use crate::database::log::Takeover;
use crate::domain::random::Random;
use crate::issuance::answers::Answers;
use crate::issuance::deliver::VaultArchive;
use crate::issuance::flow::Issuance;
use crate::issuance::interrupt::Uninterrupted;
use crate::issuance::log::Log;
use crate::issuance::log_files::LogFiles;
use crate::issuance::sequencer::Sequencing;
use crate::issuance::signing::{OpenedSigners, Signers};
use crate::jobs::pulse::Pulse;
use crate::orders::{IssueSettings, Orders};
use crate::pdf::stationery::Stationery;
use crate::register::copies::Copies;
use crate::tlog::LogSigner;
use crate::web::PublicTrust;

/// How often it is looked for certificates that were begun and stand still.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

/// The keys that certificates and the log are signed with, out of their files.
pub(super) struct Seals {
    log: Arc<LogSigner>,
    signers: Arc<OpenedSigners>,
}

impl Seals {
    /// Reads them. A log that has no key yet gets one.
    pub(super) fn read(config: &Config, random: &dyn Random) -> Result<Self, KeyFileError> {
        Ok(Self { log: Arc::new(keys::log(config, random)?), signers: Arc::new(keys::signers(config)?) })
    }
}

/// What issues certificates, at work.
pub(super) struct Certificates {
    pub(super) log: Arc<Log>,
    pub(super) orders: Orders,
    pub(super) copies: Copies,
    pub(super) answers: Answers,
    pub(super) page_trust: PublicTrust,
    pub(super) signers: Arc<OpenedSigners>,
    /// How the sequencer is going.
    pub(super) pulse: Pulse,
    sequencer: Background,
    finisher: Background,
}

impl Certificates {
    /// Puts the parts together and starts what works in the background.
    pub(super) fn start(ground: &Ground, seals: Seals) -> Result<Self, StartError> {
        let Seals { log: log_signer, signers } = seals;
        let Ground { database, store, clock, .. } = ground;
        let log_key = log_signer.verifier().clone();
        let log = Arc::new(Log::new(database.clone(), LogFiles::new(store.shared()), log_key.clone()));
        let (orders, copies) = orders(ground, &log, &signers)?;
        // What the public is answered, and what the page checks against: both believe the installation's own keys.
        let page_trust = PublicTrust::new(&signers.roots(), std::slice::from_ref(&log_key));
        let answers = Answers::new(database.clone(), signers.trust(), vec![log_key], Arc::clone(clock));
        let (sequencer, pulse) = sequencer(ground, &log, log_signer);
        let issuance = orders.issuance.clone();
        let finisher = Background::start(|stop| finish_begun(issuance, stop));
        Ok(Self { log, orders, copies, answers, page_trust, signers, pulse, sequencer, finisher })
    }

    /// Ends what works in the background.
    pub(super) async fn stop(self) {
        self.finisher.stop().await;
        self.sequencer.stop().await;
    }
}

fn orders(
    ground: &Ground,
    log: &Arc<Log>,
    signers: &Arc<OpenedSigners>,
) -> Result<(Orders, Copies), StartError> {
    let Ground { config, database, vault, clock, random, outbox, .. } = ground;
    let archive = VaultArchive::new(vault.clone(), database.clone(), Arc::clone(clock));
    let signers: Arc<dyn Signers> = Arc::clone(signers) as Arc<dyn Signers>;
    let issuance = Issuance {
        database: database.clone(),
        log: Arc::clone(log),
        archive: Arc::new(archive),
        stationery: Arc::new(Stationery::load()?),
        signers,
        clock: Arc::clone(clock),
        interrupts: Arc::new(Uninterrupted),
        outbox: outbox.clone(),
    };
    let settings = IssueSettings {
        public_url: config.public_url.as_str().to_owned(),
        copy_age_days_max: i32::try_from(config.issue.entry_age_days_max).unwrap_or(i32::MAX),
    };
    let copies = Copies { database: database.clone(), clock: Arc::clone(clock), random: Arc::clone(random) };
    Ok((Orders { issuance, random: Arc::clone(random), settings }, copies))
}

fn sequencer(ground: &Ground, log: &Arc<Log>, signer: Arc<LogSigner>) -> (Background, Pulse) {
    let pulse = Pulse::default();
    // Whoever had the lease of an embedded database held the lock of this folder too. Of a shared one, this node
    // takes back what it had itself.
    let takeover = if ground.is_embedded() { Takeover::AtOnce } else { Takeover::WhenExpired };
    let sequencing = Sequencing {
        log: Arc::clone(log),
        database: ground.database.clone(),
        signer,
        clock: Arc::clone(&ground.clock),
        interrupts: Arc::new(Uninterrupted),
        owner: ground.node,
        takeover,
        pulse: pulse.clone(),
    };
    (Background::start(|stop| sequencing.run(stop)), pulse)
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
