//! The runner: for each kind of job one loop that claims as many as it has places, wakes when told, and on `stop`
//! claims no more and waits for what runs.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::sleep;

use super::{Claimed, Finished, Handler, JobError, Lease, Patience};
use crate::database::{Database, DatabaseError, jobs};
use crate::domain::clock::Clock;
use crate::domain::ids::NodeId;
use crate::domain::random::Random;

/// A runner that has not started yet.
pub struct Runner {
    shared: Shared,
    kinds: Vec<Kind>,
    wake: Wake,
}

/// Tells the runner of this process that there is something to do: after the commit that wrote a job down.
#[derive(Clone)]
pub struct Wake(watch::Sender<()>);

/// A runner at work.
pub struct Running {
    stop: watch::Sender<bool>,
    loops: Vec<JoinHandle<()>>,
}

#[derive(Clone)]
struct Shared {
    database: Database,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    patience: Patience,
    node: NodeId,
}

#[derive(Clone)]
struct Kind {
    name: Arc<str>,
    places: usize,
    handler: Arc<dyn Handler>,
}

impl Wake {
    /// Lets the runner look at once.
    pub fn wake(&self) {
        self.0.send_replace(());
    }
}

impl Runner {
    /// A runner that knows no kind of job yet.
    pub fn new(
        database: Database,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
        patience: Patience,
    ) -> Self {
        let node = NodeId::draw(&*random);
        let shared = Shared { database, clock, random, patience, node };
        Self { shared, kinds: Vec::new(), wake: Wake(watch::Sender::new(())) }
    }

    /// What is claimed can be told to be this node's, so that its next start may take it over.
    #[must_use]
    pub const fn on_node(mut self, node: NodeId) -> Self {
        self.shared.node = node;
        self
    }

    /// Jobs of `kind` are done by `handler`, at most `places` at the same time.
    #[must_use]
    pub fn with(mut self, kind: impl Into<Arc<str>>, places: usize, handler: Arc<dyn Handler>) -> Self {
        self.kinds.push(Kind { name: kind.into(), places, handler });
        self
    }

    /// What wakes it.
    pub fn wake(&self) -> Wake {
        self.wake.clone()
    }

    /// Starts it on the runtime of the caller.
    pub fn start(self) -> Running {
        let stop = watch::Sender::new(false);
        let serve =
            |kind| tokio::spawn(serve(self.shared.clone(), kind, self.wake.0.subscribe(), stop.subscribe()));
        let loops = self.kinds.into_iter().map(serve).collect();
        Running { stop, loops }
    }
}

impl Running {
    /// Claims no more, and returns when all that runs has come to its end.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        for serving in self.loops {
            if let Err(error) = serving.await {
                tracing::error!(%error, "a job loop ended before it was stopped");
            }
        }
    }
}

async fn serve(shared: Shared, kind: Kind, mut wake: watch::Receiver<()>, mut stop: watch::Receiver<bool>) {
    let mut running = JoinSet::new();
    while !*stop.borrow_and_update() {
        wake.borrow_and_update();
        let pause = start_due(&shared, &kind, &mut running).await.unwrap_or_else(|error| {
            tracing::warn!(%error, kind = %kind.name, "jobs cannot be claimed");
            shared.patience.poll
        });
        let free = running.len() < kind.places;
        tokio::select! {
            // The sender lives as long as `Running`; without it nobody could stop the loop any more.
            gone = stop.changed() => if gone.is_err() { break },
            Some(_) = running.join_next() => {}
            // All `Wake`s may be gone: then only the poll is left.
            Ok(()) = wake.changed(), if free => {}
            // sleeps: until the next job is due by the clock, or to look for what other processes wrote down
            () = sleep(pause), if free => {}
        }
    }
    while running.join_next().await.is_some() {}
}

/// Claims and starts what is due, and says how long there is nothing to do.
async fn start_due(
    shared: &Shared,
    kind: &Kind,
    running: &mut JoinSet<()>,
) -> Result<Duration, DatabaseError> {
    let name = &kind.name;
    let poll = shared.patience.poll;
    while running.len() < kind.places {
        let due = {
            let name = Arc::clone(name);
            let asked = shared.database.read(|tx| Box::pin(async move { jobs::next_due(tx, &name).await }));
            asked.await?
        };
        let now = shared.clock.now();
        match due {
            None => return Ok(poll),
            Some(due) if due > now => {
                return Ok(Duration::try_from(due.duration_since(now)).unwrap_or(poll).min(poll));
            }
            Some(_) => {}
        }
        for claimed in claim(shared, kind, now, kind.places.saturating_sub(running.len())).await? {
            running.spawn(work(shared.clone(), kind.clone(), claimed));
        }
    }
    Ok(poll)
}

async fn claim(
    shared: &Shared,
    kind: &Kind,
    now: Timestamp,
    at_most: usize,
) -> Result<Vec<Claimed>, DatabaseError> {
    let (name, attempts_max) = (Arc::clone(&kind.name), shared.patience.attempts_max);
    let lease_until = after(now, shared.patience.lease);
    let leases: Vec<Lease> = (0..at_most).map(|_| Lease::draw(shared.node, &*shared.random)).collect();
    let claiming = shared.database.write(move |tx| {
        Box::pin(async move {
            let mut claimed = Vec::new();
            for lease in leases {
                match jobs::claim(tx, &name, lease, now, lease_until, attempts_max).await? {
                    Some(job) => claimed.push(job),
                    None => break,
                }
            }
            Ok(claimed)
        })
    });
    claiming.await
}

async fn work(shared: Shared, kind: Kind, job: Claimed) {
    let doing = AssertUnwindSafe(async { kind.handler.handle(&job).await }).catch_unwind();
    let outcome = tokio::select! {
        outcome = doing => outcome.unwrap_or_else(|_| Err(JobError::Again("its handler panicked".to_owned()))),
        () = until_lost(&shared, &job) => {
            tracing::warn!(kind = %kind.name, job = %job.id, "the lease of a job was lost while it ran");
            return;
        }
    };
    match write_down(&shared, &job, &outcome).await {
        Ok(true) => {}
        Ok(false) => {
            tracing::warn!(kind = %kind.name, job = %job.id, "the lease of a job was lost before its end")
        }
        // The lease runs out, and the job is done again.
        Err(error) => {
            tracing::warn!(%error, kind = %kind.name, job = %job.id, "the end of a job was not written down")
        }
    }
    if outcome.is_err() {
        tracing::warn!(kind = %kind.name, job = %job.id, attempt = job.attempt, "a job failed");
    }
}

/// Extends the lease again and again; returns when it is lost.
async fn until_lost(shared: &Shared, job: &Claimed) {
    let (id, lease) = (job.id, job.lease);
    loop {
        // sleeps: a lease is extended by the clock
        sleep(shared.patience.lease / 3).await;
        let until = after(shared.clock.now(), shared.patience.lease);
        match shared.database.write(move |tx| Box::pin(jobs::extend(tx, id, lease, until))).await {
            Ok(true) => {}
            Ok(false) => return,
            Err(error) => tracing::warn!(%error, job = %job.id, "the lease of a job could not be extended"),
        }
    }
}

/// Answers whether the job was still ours.
async fn write_down(
    shared: &Shared,
    job: &Claimed,
    outcome: &Result<Finished, JobError>,
) -> Result<bool, DatabaseError> {
    let (id, lease, now) = (job.id, job.lease, shared.clock.now());
    match outcome {
        Ok(Finished::Removed) => Ok(true),
        Ok(Finished::Remove) => {
            shared.database.write(move |tx| Box::pin(jobs::complete(tx, id, lease))).await
        }
        Err(JobError::Again(error)) if job.attempt < shared.patience.attempts_max => {
            let (error, due_at) = (error.clone(), after(now, pause(&shared.patience, job.attempt)));
            let failing = shared
                .database
                .write(move |tx| Box::pin(async move { jobs::fail(tx, id, lease, &error, due_at).await }));
            failing.await
        }
        Err(JobError::Again(error) | JobError::Never(error)) => {
            let error = error.clone();
            let poisoning = shared
                .database
                .write(move |tx| Box::pin(async move { jobs::poison(tx, id, lease, &error, now).await }));
            poisoning.await
        }
    }
}

/// The pause after attempt number `attempt`: doubled each time.
fn pause(patience: &Patience, attempt: u32) -> Duration {
    let factor = 1u32.checked_shl(attempt.saturating_sub(1)).unwrap_or(u32::MAX);
    patience.pause_first.saturating_mul(factor).min(patience.pause_max)
}

fn after(now: Timestamp, by: Duration) -> Timestamp {
    let by = SignedDuration::try_from(by).unwrap_or(SignedDuration::MAX);
    now.checked_add(by).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests;
