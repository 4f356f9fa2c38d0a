//! Wiring of evidence: what receives documents, the jobs that read them out, the search, and what erases.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use tokio::sync::Notify;

use super::StartError;
use super::background::Background;
use super::ground::Ground;
use super::low_priority::LowPriority;
use super::scanning::{self, Rescanning, Rescans};
use super::search::Search;
use crate::config::{self, Config};
use crate::database::{Database, backups, idempotency};
use crate::domain::clock::Clock;
use crate::intake::direct::Direct;
use crate::intake::extract::{Extractor, Limits};
use crate::intake::keeper::Keeper;
use crate::intake::process::Processor;
use crate::intake::quarantine;
use crate::intake::receive::{Aside, EXTRACT_JOB, Receiver};
use crate::intake::sweep::{self, Swept};
use crate::intake::turns::Turns;
use crate::intake::uploads::{Bounds, Tidied, Uploads};
use crate::jobs::{Patience, Runner, Running};
use crate::objects::Vault;
use crate::retention::{Eraser, Retention};
use crate::scan::Scanning;

/// Between two looks for what has had its time.
const TIDY_AGAIN: Duration = Duration::from_secs(6 * 3600);
/// The program that is running, also when its file was replaced meanwhile.
const THIS_PROGRAM: &str = "/proc/self/exe";
/// How often it is looked for uploads whose time is over and for complete ones that stand still.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

/// What takes evidence in, finds it and erases it, at work.
pub(super) struct Evidence {
    pub(super) receiver: Receiver,
    pub(super) uploads: Uploads,
    pub(super) direct: Option<Direct>,
    pub(super) retention: Retention,
    pub(super) search: Search,
    jobs: Running,
    rescanning: Rescanning,
    tidier: Background,
    eraser: Background,
}

impl Evidence {
    /// Puts the parts together and starts what works in the background.
    pub(super) fn start(ground: &Ground, low_priority: &LowPriority) -> Result<Self, StartError> {
        let search = low_priority.within(|| Search::start(ground))?;
        let (rescans, aside) = Rescans::new(ground);
        let scan = (scanning::open(&ground.config)?, aside);
        let (receiver, jobs) = low_priority.within(|| receiving(ground, search.wake(), scan));
        let rescanning = low_priority.within(|| rescans.start(&receiver));
        let (uploads, tidier) = uploads(&ground.config, &receiver);
        let (retention, eraser) = retention(ground, &search);
        let direct = ground.store.direct(&ground.config, &receiver);
        Ok(Self { receiver, uploads, direct, retention, search, jobs, rescanning, tidier, eraser })
    }

    /// Ends what works in the background, and finishes the commit of the index that is being written.
    pub(super) async fn stop(self) {
        self.tidier.stop().await;
        self.eraser.stop().await;
        self.rescanning.stop().await;
        self.jobs.stop().await;
        self.search.stop().await;
    }
}

/// What decides about documents that are there, and what finishes the erasures it begins.
fn retention(ground: &Ground, search: &Search) -> (Retention, Background) {
    let Ground { database, keystore, vault, clock, random, outbox, .. } = ground;
    let retention = Retention {
        database: database.clone(),
        clock: Arc::clone(clock),
        random: Arc::clone(random),
        index: search.wake(),
        outbox: outbox.clone(),
        erased: Arc::new(Notify::new()),
    };
    let eraser = Eraser {
        database: database.clone(),
        keystore: keystore.clone(),
        vault: vault.clone(),
        index: search.index(),
        clock: Arc::clone(clock),
        wake: Arc::clone(&retention.erased),
    };
    (retention, Background::start(|stop| eraser.run(stop)))
}

/// What receives documents, and the running jobs that read them out. `index` is told of each change for it.
fn receiving(
    ground: &Ground,
    index: Arc<Notify>,
    (scanning, aside): (Scanning, Aside),
) -> (Receiver, Running) {
    let Ground { config, database, vault, clock, random, node, outbox, .. } = ground;
    let processor = Processor {
        database: database.clone(),
        vault: vault.clone(),
        extractor: extractor(&config.extractor),
        clock: Arc::clone(clock),
        index: Arc::clone(&index),
        outbox: outbox.clone(),
    };
    let runner = Runner::new(database.clone(), Arc::clone(clock), Arc::clone(random), Patience::default())
        .on_node(*node)
        .with(EXTRACT_JOB, config.extractor.children.max(1), Arc::new(processor));
    let receiver = Receiver {
        vault: vault.clone(),
        database: database.clone(),
        clock: Arc::clone(clock),
        random: Arc::clone(random),
        bytes_max: config.limits.upload_bytes_max,
        jobs: Some(runner.wake()),
        turns: Turns::default(),
        keeper: Keeper::new(database, outbox.clone(), Some(index)),
        scanning,
        aside,
    };
    // Ends with the runtime; broken off anywhere, the next start goes on.
    tokio::spawn(keep_tidy(vault.clone(), database.clone(), Arc::clone(clock)));
    (receiver, runner.start())
}

/// Removes, at the start and then again and again, what has had its time.
async fn keep_tidy(vault: Vault, database: Database, clock: Arc<dyn Clock>) {
    loop {
        sweep_once(&vault, &database, &*clock).await;
        end_quarantine(&vault, &database, &*clock).await;
        forget_keys(&database, &*clock).await;
        forget_backups(&vault, &database, &*clock).await;
        // sleeps: what is removed became old by the passing of time
        tokio::time::sleep(TIDY_AGAIN).await;
    }
}

/// Erases the keys of backups whose time is over: from then on nobody opens them.
async fn forget_backups(vault: &Vault, database: &Database, clock: &dyn Clock) {
    let now = clock.now();
    let forgotten = async {
        let over = database.read(move |tx| Box::pin(backups::expired(tx, now))).await?;
        if !over.is_empty() {
            vault.erase_keys(over.clone()).await?;
            let count = over.len();
            database.write(move |tx| Box::pin(async move { backups::forget(tx, &over).await })).await?;
            tracing::info!(count, "backups whose time is over cannot be opened any more");
        }
        Ok::<_, sweep::SweepError>(())
    };
    if let Err(error) = forgotten.await {
        tracing::warn!(%error, "backups whose time is over keep their keys; it is tried again");
    }
}

async fn end_quarantine(vault: &Vault, database: &Database, clock: &dyn Clock) {
    match quarantine::sweep(vault, database, clock.now()).await {
        Ok(0) => {}
        Ok(files) => tracing::info!(files, "removed infected files whose time is over"),
        Err(error) => tracing::warn!(%error, "infected files were not removed; it is tried again"),
    }
}

async fn forget_keys(database: &Database, clock: &dyn Clock) {
    let now = clock.now();
    match database.write(move |tx| Box::pin(idempotency::expire(tx, now))).await {
        Ok(0) => {}
        Ok(keys) => tracing::info!(keys, "forgot idempotency keys whose time is over"),
        Err(error) => tracing::warn!(%error, "idempotency keys were not forgotten"),
    }
}

async fn sweep_once(vault: &Vault, database: &Database, clock: &dyn Clock) {
    match sweep::sweep(vault, database, clock.now(), sweep::GRACE).await {
        Ok(Swept { objects: 0, keys: 0 }) => {}
        Ok(Swept { objects, keys }) => tracing::info!(objects, keys, "swept what no row refers to"),
        Err(error) => tracing::info!(%error, "the sweep broke off; it is tried again"),
    }
}

/// What receives documents in several requests, and what tidies it up.
fn uploads(config: &Config, receiver: &Receiver) -> (Uploads, Background) {
    let settings = &config.uploads;
    let bounds = Bounds {
        kept: SignedDuration::from_hours(i64::try_from(settings.kept_hours).unwrap_or(i64::MAX)),
        client_open_max: settings.client_open_max,
        client_bytes_max: settings.client_bytes_max,
        authority_open_max: settings.authority_open_max,
        authority_bytes_max: settings.authority_bytes_max,
    };
    let uploads = Uploads::new(receiver.clone(), bounds);
    let tidied = uploads.clone();
    (uploads, Background::start(|stop| tidy_uploads(tidied, stop)))
}

/// Tidies uploads up: at the start, and from time to time until `stop`.
async fn tidy_uploads(uploads: Uploads, stop: impl Future<Output = ()> + Send) {
    tokio::pin!(stop);
    loop {
        match uploads.tidy().await {
            Ok(Tidied { removed: 0, finished: 0 }) => {}
            Ok(Tidied { removed, finished }) => tracing::info!(removed, finished, "uploads tidied up"),
            Err(error) => tracing::warn!(%error, "uploads cannot be tidied up"),
        }
        tokio::select! {
            () = &mut stop => return,
            // sleeps: an upload runs out by the clock, nothing signals it.
            () = tokio::time::sleep(LOOK_AGAIN) => {}
        }
    }
}

fn extractor(settings: &config::Extractor) -> Extractor {
    let own = settings.program.as_os_str().is_empty();
    let program = if own { PathBuf::from(THIS_PROGRAM) } else { settings.program.clone() };
    let limits = Limits {
        memory_bytes: settings.memory_mib << 20,
        cpu_seconds: settings.cpu_seconds,
        wall_ms: settings.wall_seconds * 1000,
        text_bytes: settings.output_bytes_max,
        ..Limits::default()
    };
    Extractor::new(program, limits, settings.children)
}
