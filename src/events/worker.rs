//! What delivers: a runner with one kind of job for each target, so that none waits for another, and what is counted.
//! Opens no files: targets come with their secrets.

use std::sync::Arc;
use std::time::Duration;

use prometheus::{Gauge, IntCounterVec, IntGauge, Opts, Registry};
use tokio::task::JoinHandle;
use ureq::tls::{Certificate, PemItem, parse_pem};

use super::address::{Checked, Lookup, Network};
use super::deliver::{Delivery, Patience};
use super::post::Sender;
use super::sign::Secrets;
use super::{Happening, JOBS, Listener, Outbox, Replayer, TargetName, kind_of};
use crate::database::jobs::queue;
use crate::database::{Database, DatabaseError};
use crate::domain::clock::Clock;
use crate::domain::ids::{AuthorityId, NodeId};
use crate::domain::random::Random;
use crate::jobs::{self as running, Runner, Running};

/// How often it is counted what waits.
const COUNT_EVERY: Duration = Duration::from_secs(10);
/// Why an event is dead that nobody was asked to take.
const NO_TARGET: &str = "no target of this name is configured";

/// Why events cannot be delivered.
#[derive(Debug, thiserror::Error)]
pub enum EventsError {
    /// The file of roots.
    #[error("no certificates in PEM for the target {target}")]
    Roots {
        /// Whose.
        target: String,
    },
    /// The counters clash.
    #[error(transparent)]
    Metrics(#[from] prometheus::Error),
}

/// A target with what its settings name.
pub struct Target {
    /// Its name.
    pub name: TargetName,
    /// Whose events it hears.
    pub authority: AuthorityId,
    /// Which; empty: all.
    pub types: Vec<Happening>,
    /// Where they go.
    pub url: String,
    /// What signs them.
    pub secrets: Secrets,
    /// PEM of the roots it is trusted by, instead of the public ones.
    pub roots: Option<String>,
}

/// What holds for all targets.
pub struct Manner {
    /// `source` of the events and the origin they come from: the public address.
    pub public_url: String,
    /// Networks that are permitted though they are not on the internet.
    pub private: Vec<Network>,
    /// How names become addresses.
    pub lookup: Arc<dyn Lookup>,
    /// The longest a delivery takes.
    pub within: Duration,
    /// Deliveries at a time to each target.
    pub places: usize,
    /// How patient it is.
    pub patience: Patience,
}

/// What is counted.
#[derive(Clone)]
pub struct Counters {
    outcomes: IntCounterVec,
    waiting: IntGauge,
    dead: IntGauge,
    lag: Gauge,
}

impl Counters {
    fn new() -> Result<Self, prometheus::Error> {
        let outcomes =
            Opts::new("stammbuch_events_total", "Events delivered, failed (tried again), dead, withheld.");
        let counters = Self {
            outcomes: IntCounterVec::new(outcomes, &["outcome"])?,
            waiting: IntGauge::new("stammbuch_events_waiting", "Events not delivered yet.")?,
            dead: IntGauge::new("stammbuch_events_dead", "Events given up, until they are replayed.")?,
            lag: Gauge::new("stammbuch_events_lag_seconds", "Age of the oldest event not delivered yet.")?,
        };
        for outcome in ["delivered", "failed", "dead", "withheld"] {
            counters.outcomes.with_label_values(&[outcome]).inc_by(0);
        }
        Ok(counters)
    }

    /// Shows them.
    ///
    /// # Errors
    /// If something with one of these names is there.
    pub fn register(&self, registry: &Registry) -> Result<(), prometheus::Error> {
        registry.register(Box::new(self.outcomes.clone()))?;
        registry.register(Box::new(self.waiting.clone()))?;
        registry.register(Box::new(self.dead.clone()))?;
        registry.register(Box::new(self.lag.clone()))
    }

    pub(super) fn count(&self, outcome: &str) {
        self.outcomes.with_label_values(&[outcome]).inc();
    }

    async fn look(&self, database: &Database, clock: &dyn Clock) -> Result<(), DatabaseError> {
        let standing = database.read(|tx| Box::pin(queue::standing(tx, JOBS))).await?;
        let gauge = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        self.waiting.set(gauge(standing.open));
        self.dead.set(gauge(standing.dead));
        let lag = standing.oldest.map(|oldest| clock.now().duration_since(oldest).as_secs_f64());
        self.lag.set(lag.unwrap_or_default().max(0.0));
        Ok(())
    }
}

/// Delivers until it is stopped.
pub struct Worker {
    running: Running,
    counting: JoinHandle<()>,
    /// What is counted.
    pub counters: Counters,
    /// Gives events another chance that were given up.
    pub replayer: Replayer,
}

impl Worker {
    /// Starts on the present runtime. The outbox writes for the same targets.
    ///
    /// # Errors
    /// [`EventsError`]; nothing was started then.
    pub fn start(
        targets: Vec<Target>,
        manner: &Manner,
        database: &Database,
        node: NodeId,
        (clock, random): (&Arc<dyn Clock>, &Arc<dyn Random>),
    ) -> Result<(Outbox, Self), EventsError> {
        let counters = Counters::new()?;
        // What becomes of an event that failed, the handler decides: the runner itself gives none up.
        let patience = running::Patience { attempts_max: u32::MAX, ..running::Patience::default() };
        let mut runner =
            Runner::new(database.clone(), Arc::clone(clock), Arc::clone(random), patience).on_node(node);
        let mut listeners = Vec::new();
        for target in targets {
            let delivery = Delivery {
                database: database.clone(),
                clock: Arc::clone(clock),
                random: Arc::clone(random),
                sender: sender(&target, manner)?,
                secrets: target.secrets,
                patience: manner.patience,
                counters: counters.clone(),
            };
            runner = runner.with(kind_of(&target.name), manner.places, Arc::new(delivery));
            listeners.push(Listener { name: target.name, authority: target.authority, types: target.types });
        }
        let outbox = Outbox {
            listeners: listeners.into(),
            source: manner.public_url.as_str().into(),
            random: Some(Arc::clone(random)),
            wake: Some(runner.wake()),
        };
        let kinds = outbox.listeners.iter().map(|listener| kind_of(&listener.name)).collect();
        let counting = count(counters.clone(), database.clone(), Arc::clone(clock), kinds);
        let replayer =
            Replayer { database: database.clone(), outbox: outbox.clone(), clock: Arc::clone(clock) };
        let worker = Self { running: runner.start(), counting: tokio::spawn(counting), counters, replayer };
        Ok((outbox, worker))
    }

    /// Begins no more deliveries and waits for those that run.
    pub async fn stop(self) {
        self.counting.abort();
        self.running.stop().await;
    }
}

fn sender(target: &Target, manner: &Manner) -> Result<Sender, EventsError> {
    let failed = || EventsError::Roots { target: target.name.as_str().to_owned() };
    let read = |pem: &String| -> Option<Vec<Certificate<'static>>> {
        let items: Result<Vec<_>, _> = parse_pem(pem.as_bytes()).collect();
        let certificate = |item| match item {
            PemItem::Certificate(certificate) => Some(certificate),
            _ => None,
        };
        let roots: Vec<_> = items.ok()?.into_iter().filter_map(certificate).collect();
        (!roots.is_empty()).then_some(roots)
    };
    let roots = target.roots.as_ref().map(|pem| read(pem).ok_or_else(failed)).transpose()?;
    let origin = manner.public_url.split("://").nth(1).unwrap_or_default();
    let origin = origin.split(['/', ':']).next().unwrap_or_default();
    let addresses = Checked::new(Arc::clone(&manner.lookup), &manner.private);
    Ok(Sender::new(&target.url, origin, roots, manner.within, addresses))
}

/// Puts events among the dead whose target is not configured any more: they would wait for ever. There they are
/// listed, and may be replayed when the target is back.
async fn give_up_without_target(
    database: &Database,
    clock: &dyn Clock,
    kinds: &[String],
) -> Result<(), DatabaseError> {
    for kind in database.read(|tx| Box::pin(queue::open_kinds(tx, JOBS))).await? {
        if kinds.contains(&kind) {
            continue;
        }
        let (now, name) = (clock.now(), kind.clone());
        let given_up = database.write::<_, DatabaseError, _>(move |tx| {
            Box::pin(async move { queue::set_all_aside(tx, &name, NO_TARGET, now).await })
        });
        let events = given_up.await?;
        tracing::warn!(kind, events, "events whose target is not configured are among the dead now");
    }
    Ok(())
}

/// Looks from time to time at what waits; at first also for events of targets that are not there any more.
async fn count(counters: Counters, database: Database, clock: Arc<dyn Clock>, kinds: Vec<String>) {
    if let Err(error) = give_up_without_target(&database, &*clock, &kinds).await {
        tracing::warn!(%error, "it is not known whether events wait for targets that are not configured");
    }
    loop {
        if let Err(error) = counters.look(&database, &*clock).await {
            tracing::debug!(%error, "what waits to be told cannot be counted now");
        }
        // sleeps: the counts are for a monitor that looks every few seconds
        tokio::time::sleep(COUNT_EVERY).await;
    }
}
