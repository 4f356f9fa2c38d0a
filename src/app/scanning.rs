//! Wiring of the virus scanner: the client out of the configuration, the job that scans again what waits, whether it
//! answers.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::SignedDuration;
use tokio::sync::watch;

use super::ground::Ground;
use crate::config::Config;
use crate::database::{Database, held};
use crate::http::{NotReady, Probe};
use crate::intake::receive::{Aside, Receiver, SCAN_JOB, WhenUnclear};
use crate::intake::rescan::Rescanner;
use crate::jobs::{Patience, Runner, Running};
use crate::scan::Scanning;
use crate::scan::clamd::{self, Clamd};

/// Files that are scanned again at a time.
const PLACES: usize = 2;
/// What waits for the scanner waits for ever, and is tried again at the latest after this.
const PATIENCE: Patience = Patience {
    lease: Duration::from_secs(60),
    poll: Duration::from_secs(1),
    attempts_max: u32::MAX,
    pause_first: Duration::from_secs(2),
    pause_max: Duration::from_secs(120),
};

/// What every file goes through.
pub(super) fn open(config: &Config) -> Result<Scanning, prometheus::Error> {
    let settings = &config.scan;
    let Some(address) = settings.address.get() else {
        tracing::warn!("no virus scanner is configured: files are taken in unscanned");
        return Ok(Scanning::off());
    };
    let patience = clamd::Patience {
        connect: Duration::from_secs(settings.connect_seconds),
        one: Duration::from_secs(settings.answer_seconds),
        all: Duration::from_secs(settings.total_seconds),
    };
    let clamd = Clamd { address: address.below(&config.data_dir), patience };
    Scanning::by(Arc::new(clamd), settings.bytes_max)
}

/// What scans again what waits.
pub(super) struct Rescans {
    runner: Runner,
    stop: watch::Sender<bool>,
}

/// The same at work.
pub(super) struct Rescanning {
    running: Running,
    stop: watch::Sender<bool>,
}

impl Rescans {
    /// Not started yet, and what a receiver does with files that are not clean.
    pub(super) fn new(ground: &Ground) -> (Self, Aside) {
        let (database, clock, random) =
            (ground.database.clone(), Arc::clone(&ground.clock), Arc::clone(&ground.random));
        let runner = Runner::new(database, clock, random, PATIENCE).on_node(ground.node);
        let settings = &ground.config.scan;
        let aside = Aside {
            unclear: settings.unavailable,
            kept: SignedDuration::from_hours(i64::from(settings.quarantine_days) * 24),
            bytes_max: settings.quarantine_bytes_max,
            jobs: Some(runner.wake()),
            outbox: ground.outbox.clone(),
        };
        (Self { runner, stop: watch::Sender::new(false) }, aside)
    }

    /// Starts on the runtime of the caller.
    pub(super) fn start(self, receiver: &Receiver) -> Rescanning {
        let rescanner = Rescanner::new(receiver.clone(), self.stop.subscribe());
        let running = self.runner.with(SCAN_JOB, PLACES, Arc::new(rescanner)).start();
        Rescanning { running, stop: self.stop }
    }
}

impl Rescanning {
    /// Waits for no answer of the scanner any more, and ends.
    pub(super) async fn stop(self) {
        self.stop.send_replace(true);
        self.running.stop().await;
    }
}

/// Asks the scanner whether it is there.
pub(super) struct ScannerProbe {
    pub(super) scanning: Scanning,
    pub(super) unclear: WhenUnclear,
    pub(super) database: Database,
}

#[async_trait]
impl Probe for ScannerProbe {
    async fn probe(&self) -> Result<Option<String>, NotReady> {
        let why = match self.scanning.ping().await {
            None => return Ok(Some("off: files are not scanned".to_owned())),
            Some(answer) => answer.err(),
        };
        match (why, self.unclear) {
            (Some(why), WhenUnclear::Refuse) => {
                Err(NotReady::new("does not answer: uploads are refused", why))
            }
            (Some(why), WhenUnclear::Hold) => {
                tracing::warn!(%why, "the virus scanner does not answer: uploads are held");
                Ok(Some("does not answer: uploads are held".to_owned()))
            }
            (None, _) => {
                let waits = self.database.read(|tx| Box::pin(held::any(tx))).await;
                Ok(waits.unwrap_or(false).then(|| "files wait for it".to_owned()))
            }
        }
    }
}
