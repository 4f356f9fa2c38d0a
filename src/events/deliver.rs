//! The job that delivers one event to one target: sign, send, and by the answer remove the job, try again later, or
//! put it among the dead. Broken off anywhere it is done again, with the same id.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::post::{Answer, Message, PostError, Sender};
use super::sign::Secrets;
use super::worker::Counters;
use crate::database::jobs::queue;
use crate::database::{Database, DatabaseError, documents, jobs};
use crate::domain::clock::Clock;
use crate::domain::random::{self, Random};
use crate::jobs::{Claimed, Finished, Handler, JobError};

/// The pause after the first failure; doubled with each further one.
const PAUSE_FIRST: Duration = Duration::from_secs(5);

/// How patient delivery is.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// How often an event is tried before it is dead.
    pub attempts_max: u32,
    /// The longest pause, also if the target asks for a longer one.
    pub pause_max: Duration,
}

/// Delivers the events of one target.
pub(super) struct Delivery {
    pub(super) database: Database,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) random: Arc<dyn Random>,
    pub(super) secrets: Secrets,
    pub(super) sender: Sender,
    pub(super) patience: Patience,
    pub(super) counters: Counters,
}

/// What an answer, or none, means for the event.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Verdict {
    /// The target has it.
    Delivered,
    /// Nobody may be told any more.
    Withheld,
    /// It may work later; not before so many seconds.
    Again(String, u64),
    /// The target does not want it, for good.
    Never(String),
}

#[async_trait]
impl Handler for Delivery {
    async fn handle(&self, job: &Claimed) -> Result<Finished, JobError> {
        let verdict = if self.is_sealed(job).await? { Verdict::Withheld } else { self.send(job).await };
        let (now, id, lease) = (self.clock.now(), job.id, job.lease);
        let held = match verdict {
            Verdict::Delivered | Verdict::Withheld => {
                self.counters.count(if verdict == Verdict::Delivered { "delivered" } else { "withheld" });
                self.database.write(move |tx| Box::pin(queue::complete(tx, id, lease, now))).await?
            }
            Verdict::Again(why, not_before) if job.attempt < self.patience.attempts_max => {
                self.counters.count("failed");
                let due = self.next_try(job.attempt, not_before, now);
                let failing = self
                    .database
                    .write(move |tx| Box::pin(async move { jobs::fail(tx, id, lease, &why, due).await }));
                failing.await?
            }
            Verdict::Again(why, _) | Verdict::Never(why) => {
                self.counters.count("dead");
                tracing::warn!(job = %id, why, "an event could not be delivered and is among the dead");
                let job = job.clone();
                let ending = self
                    .database
                    .write(move |tx| Box::pin(async move { queue::set_aside(tx, &job, &why, now).await }));
                ending.await?
            }
        };
        if !held {
            tracing::warn!(job = %id, "the lease of an event was lost while it was delivered");
        }
        Ok(Finished::Removed)
    }
}

impl Delivery {
    /// Whether the document was sealed since: then nobody hears of it any more.
    async fn is_sealed(&self, job: &Claimed) -> Result<bool, DatabaseError> {
        let document = job.payload.pointer("/data/document").and_then(Value::as_str);
        let Some(id) = document.and_then(|id| id.parse().ok()) else { return Ok(false) };
        self.database.read(move |tx| Box::pin(documents::is_restricted(tx, id))).await
    }

    async fn send(&self, job: &Claimed) -> Verdict {
        let id = job.payload.get("id").and_then(Value::as_str).unwrap_or_default();
        let body = job.payload.to_string().into_bytes();
        let (timestamp, signature) = self.secrets.sign(id, self.clock.now(), &body);
        verdict(self.sender.post(Message { id: id.to_owned(), timestamp, signature, body }).await)
    }

    fn next_try(&self, attempt: u32, not_before: u64, now: Timestamp) -> Timestamp {
        let draw = u32::from_be_bytes(random::bytes(&*self.random));
        let asked = Duration::from_secs(not_before).min(self.patience.pause_max);
        let pause = pause(attempt, self.patience.pause_max, draw).max(asked);
        now.saturating_add(SignedDuration::try_from(pause).unwrap_or(SignedDuration::MAX))
            .unwrap_or(Timestamp::MAX)
    }
}

fn verdict(outcome: Result<Answer, PostError>) -> Verdict {
    match outcome {
        Ok(Answer { status: 200..=299, .. }) => Verdict::Delivered,
        // The target is retired (CloudEvents' webhooks, section 2.2).
        Ok(Answer { status: 410, .. }) => Verdict::Never("answered 410".to_owned()),
        Ok(Answer { status: status @ 300..=399, .. }) => {
            Verdict::Again(format!("answered {status}; redirects are not followed"), 0)
        }
        Ok(Answer { status, retry_after }) => {
            Verdict::Again(format!("answered {status}"), retry_after.unwrap_or_default())
        }
        Err(error) => Verdict::Again(error.to_string(), 0),
    }
}

/// The pause after attempt number `attempt`: doubled each time, and drawn from its upper half, so that events which
/// failed together do not come back together.
fn pause(attempt: u32, longest: Duration, draw: u32) -> Duration {
    let factor = 1u32.checked_shl(attempt.saturating_sub(1)).unwrap_or(u32::MAX);
    let whole = PAUSE_FIRST.saturating_mul(factor).min(longest);
    let half = whole / 2;
    half + half.mul_f64(f64::from(draw) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest_and_are_spread() {
        let longest = Duration::from_secs(60);
        let range = |attempt| {
            (pause(attempt, longest, 0).as_secs_f64(), pause(attempt, longest, u32::MAX).as_secs_f64())
        };
        assert_eq!(range(1), (2.5, 5.0));
        assert_eq!(range(3), (10.0, 20.0));
        for attempt in [5, 40, u32::MAX] {
            assert_eq!(range(attempt), (30.0, 60.0), "{attempt}");
        }
    }

    #[test]
    fn only_a_success_is_one_and_a_retired_target_is_not_asked_again() {
        let of = |status, retry_after| verdict(Ok(Answer { status, retry_after }));
        for status in [200, 201, 202, 204] {
            assert_eq!(of(status, None), Verdict::Delivered);
        }
        assert_eq!(of(410, None), Verdict::Never("answered 410".into()));
        assert_eq!(of(429, Some(90)), Verdict::Again("answered 429".into(), 90));
        for status in [100, 301, 307, 400, 401, 404, 500, 503] {
            assert!(matches!(of(status, None), Verdict::Again(_, 0)), "{status}");
        }
    }
}
