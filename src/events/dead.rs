//! Events that could not be delivered: listed for whoever runs or audits an authority, and replayed on demand, with a
//! row in the audit trail.

use std::sync::Arc;

use super::{JOBS, Outbox};
use crate::access::Role;
use crate::database::audit::{self, Act};
use crate::database::jobs::queue::{self, Dead};
use crate::database::{Database, DatabaseError, Tx};
use crate::domain::clock::Clock;
use crate::domain::ids::{AuthorityId, JobId};

/// How many are listed.
const LISTED_MAX: u32 = 500;
/// How many are replayed in one transaction.
const AT_ONCE: u32 = 100;

/// Events of an authority that were given up.
#[derive(Debug, Clone, PartialEq)]
pub struct DeadLetters {
    /// Given up longest ago first.
    pub events: Vec<Dead>,
    /// Whether there are more.
    pub more: bool,
}

impl DeadLetters {
    /// The first of them.
    ///
    /// # Errors
    /// The database's.
    pub async fn read(database: &Database, authority: AuthorityId) -> Result<Self, DatabaseError> {
        let one_more = LISTED_MAX + 1;
        let found = database.read(move |tx| Box::pin(queue::dead(tx, authority, JOBS, one_more)));
        let mut events = found.await?;
        let more = events.len() > LISTED_MAX as usize;
        events.truncate(LISTED_MAX as usize);
        Ok(Self { events, more })
    }
}

/// Why an event does not get another chance.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// It would wait for ever.
    #[error("no target of this name is configured: {target}")]
    NoTarget {
        /// What was its name.
        target: String,
    },
    /// The database.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

/// Gives dead events another chance.
#[derive(Clone)]
pub struct Replayer {
    /// Where they are.
    pub database: Database,
    /// Who is woken.
    pub outbox: Outbox,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

impl Replayer {
    /// Replays one event, or all of the authority that have a target; answers how many. `by`: authority, client,
    /// request.
    ///
    /// # Errors
    /// [`ReplayError`]; what was replayed until then is.
    pub async fn replay(
        &self,
        (authority, client, request_id): (AuthorityId, &str, Option<String>),
        one: Option<JobId>,
    ) -> Result<u64, ReplayError> {
        let kinds = self.outbox.kinds(authority);
        let mut replayed = 0;
        loop {
            let now = self.clock.now();
            let act = Act {
                at: now,
                authority: Some(authority),
                actor: client.to_owned(),
                role: Role::Operator.as_str().to_owned(),
                action: "events.replayed".to_owned(),
                subject_kind: "event".to_owned(),
                subject_id: one.map_or_else(|| "all".to_owned(), |id| id.to_string()),
                request_id: request_id.clone(),
                personal: None,
            };
            let kinds = kinds.clone();
            let portion = self.database.write(move |tx| {
                Box::pin(async move {
                    let ids = match one {
                        Some(id) => one_with_target(tx, authority, &kinds, id).await?,
                        None => some_with_target(tx, authority, &kinds).await?,
                    };
                    let mut revived = 0;
                    for id in ids {
                        revived += u64::from(queue::revive(tx, authority, JOBS, id, now).await?);
                    }
                    if revived > 0 {
                        audit::append(tx, act).await?;
                    }
                    Ok::<_, ReplayError>(revived)
                })
            });
            let portion = portion.await?;
            self.outbox.wake();
            replayed += portion;
            if one.is_some() || portion < u64::from(AT_ONCE) {
                return Ok(replayed);
            }
        }
    }
}

async fn one_with_target(
    tx: &mut Tx,
    authority: AuthorityId,
    kinds: &[String],
    id: JobId,
) -> Result<Vec<JobId>, ReplayError> {
    match queue::dead_kind(tx, authority, id).await? {
        Some(kind) if kind.starts_with(JOBS) && !kinds.contains(&kind) => {
            let target = kind.strip_prefix(JOBS).unwrap_or_default().to_owned();
            Err(ReplayError::NoTarget { target })
        }
        _ => Ok(vec![id]),
    }
}

async fn some_with_target(
    tx: &mut Tx,
    authority: AuthorityId,
    kinds: &[String],
) -> Result<Vec<JobId>, DatabaseError> {
    let mut ids = Vec::new();
    for kind in kinds {
        let left = AT_ONCE.saturating_sub(u32::try_from(ids.len()).unwrap_or(AT_ONCE));
        ids.extend(queue::dead_of(tx, authority, kind, left).await?);
    }
    Ok(ids)
}
