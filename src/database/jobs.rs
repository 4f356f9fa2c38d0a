//! Background work as rows: claimed under a lease, tried again with a pause, set aside as poison after too many
//! tries. Authorities take turns, so that one with a long queue does not keep the others waiting.

pub mod queue;

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::Value;

use super::bind::values;
use super::{DatabaseError, Row, Tx, insert_rows, sql};
use crate::domain::ids::{AuthorityId, JobId, NodeId};
use crate::domain::random::{self, Random};

/// A job to be written down.
#[derive(Debug, Clone, PartialEq)]
pub struct NewJob {
    /// Its identifier.
    pub id: JobId,
    /// For whom.
    pub authority: AuthorityId,
    /// What kind of work: the name of its handler.
    pub kind: &'static str,
    /// If another job of the kind has this key, this one is not written.
    pub unique_key: Option<String>,
    /// What the handler needs to know.
    pub payload: Value,
    /// Not before this moment.
    pub due_at: Timestamp,
}

/// The right to work on a job until it runs out; another value with each claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease(pub [u8; 16]);

impl Lease {
    /// A lease of `node` that nobody else has: its first half says whose it is.
    pub fn draw(node: NodeId, random: &dyn Random) -> Self {
        let mut lease = random::bytes(random);
        for (byte, of_node) in lease.iter_mut().zip(mark(node)) {
            *byte = of_node;
        }
        Self(lease)
    }
}

/// What the leases of a node begin with.
fn mark(node: NodeId) -> [u8; 8] {
    let [a, b, c, d, e, f, g, h, ..] = *node.as_bytes();
    [a, b, c, d, e, f, g, h]
}

/// A job that was claimed.
#[derive(Debug, Clone, PartialEq)]
pub struct Claimed {
    /// Its identifier.
    pub id: JobId,
    /// For whom.
    pub authority: AuthorityId,
    /// What its handler needs to know.
    pub payload: Value,
    /// How often it was claimed, this time included.
    pub attempt: u32,
    /// The right to work on it.
    pub lease: Lease,
}

/// A job that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed {
    /// Its identifier.
    pub id: JobId,
    /// For whom.
    pub authority: AuthorityId,
    /// How often it was tried.
    pub attempts: u32,
    /// When it is tried again, unless it is set aside.
    pub due_at: Timestamp,
    /// When it was set aside.
    pub poisoned_at: Option<Timestamp>,
    /// What went wrong.
    pub error: String,
}

/// How many jobs of a kind there are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Count {
    /// The kind.
    pub kind: String,
    /// Waiting or running.
    pub open: u64,
    /// Set aside.
    pub poisoned: u64,
}

/// Writes `job` down, in the transaction that gives rise to it; `false` if one with its key is there.
pub async fn enqueue(tx: &mut Tx, job: &NewJob, now: Timestamp) -> Result<bool, DatabaseError> {
    sql("INSERT INTO job_turns (kind, authority, turn) VALUES ($1, $2, 0) ON CONFLICT DO NOTHING")
        .bind(job.kind)
        .bind(job.authority)
        .later(tx);
    let insert = sql("INSERT INTO jobs (id, authority, kind, unique_key, payload, created_at, due_at)
                      VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (kind, unique_key) DO NOTHING")
    .bind(job.id)
    .bind(job.authority)
    .bind(job.kind)
    .bind(job.unique_key.as_deref())
    .bind(job.payload.to_string())
    .bind(now)
    .bind(job.due_at);
    if job.unique_key.is_none() {
        insert.later(tx);
        return Ok(true);
    }
    Ok(insert.execute(tx).await? == 1)
}

/// Writes jobs down that have no key, in the transaction that gives rise to them.
pub fn enqueue_all(tx: &mut Tx, jobs: &[(&NewJob, Timestamp)]) {
    let turns: BTreeSet<_> = jobs.iter().map(|(job, _)| (job.kind, job.authority)).collect();
    if turns.is_empty() {
        return;
    }
    insert_rows(
        "INSERT INTO job_turns (kind, authority, turn)",
        turns.into_iter().map(|(kind, authority)| values![kind, authority, 0_u8]),
        "ON CONFLICT DO NOTHING",
    )
    .later(tx);
    let row = |(job, now): &(&NewJob, Timestamp)| {
        values![job.id, job.authority, job.kind, job.payload.to_string(), *now, job.due_at]
    };
    insert_rows(
        "INSERT INTO jobs (id, authority, kind, payload, created_at, due_at)",
        jobs.iter().map(row),
        "",
    )
    .later(tx);
}

/// Claims the next due job of `kind`: of the authorities that have one, of the one served longest ago, the job due
/// longest. A job whose lease has run out is due again; one that was claimed `attempts_max` times without coming to
/// an end (it took the process down) is poison.
pub async fn claim(
    tx: &mut Tx,
    kind: &str,
    lease: Lease,
    now: Timestamp,
    lease_until: Timestamp,
    attempts_max: u32,
) -> Result<Option<Claimed>, DatabaseError> {
    tx.serialize_on(&format!("jobs {kind}")).await?;
    while let Some(due) = next_due_job(tx, kind, now).await? {
        let (id, attempts) = (due.id::<JobId>("id")?, due.get::<u32>("attempts")?);
        if attempts >= attempts_max {
            set_aside(tx, id, "given up after the last attempt", now);
            continue;
        }
        let authority = due.id::<AuthorityId>("authority")?;
        sql("UPDATE jobs SET lease = $2, due_at = $3, attempts = $4 WHERE id = $1")
            .bind(id)
            .bind(lease.0)
            .bind(lease_until)
            .bind(attempts + 1)
            .later(tx);
        sql("UPDATE job_turns SET turn = (SELECT MAX(turn) + 1 FROM job_turns WHERE kind = $1)
             WHERE kind = $1 AND authority = $2")
        .bind(kind)
        .bind(authority)
        .execute(tx)
        .await?;
        return Ok(Some(Claimed {
            id,
            authority,
            payload: due.json("payload")?,
            attempt: attempts + 1,
            lease,
        }));
    }
    Ok(None)
}

async fn next_due_job(tx: &mut Tx, kind: &str, now: Timestamp) -> Result<Option<Row>, DatabaseError> {
    let turn = sql("SELECT authority FROM job_turns WHERE kind = $1 AND EXISTS
                      (SELECT 1 FROM jobs WHERE jobs.kind = job_turns.kind AND jobs.authority = job_turns.authority
                         AND poisoned_at IS NULL AND due_at <= $2)
                    ORDER BY turn, authority LIMIT 1");
    let Some(turn) = turn.bind(kind).bind(now).optional(tx).await? else { return Ok(None) };
    sql("SELECT id, authority, payload, attempts FROM jobs
         WHERE kind = $1 AND authority = $2 AND poisoned_at IS NULL AND due_at <= $3 ORDER BY due_at, id LIMIT 1")
    .bind(kind)
    .bind(turn.id::<AuthorityId>("authority")?)
    .bind(now)
    .optional(tx)
    .await
}

/// Keeps a job for longer; `false`: the lease was lost, stop working.
pub async fn extend(
    tx: &mut Tx,
    id: JobId,
    lease: Lease,
    lease_until: Timestamp,
) -> Result<bool, DatabaseError> {
    let query = sql("UPDATE jobs SET due_at = $3 WHERE id = $1 AND lease = $2");
    Ok(query.bind(id).bind(lease.0).bind(lease_until).execute(tx).await? == 1)
}

/// Removes a job that is done; `false`: the lease was lost. A handler may do this in the transaction of its own
/// last step, which then happens once.
pub async fn complete(tx: &mut Tx, id: JobId, lease: Lease) -> Result<bool, DatabaseError> {
    let query = sql("DELETE FROM jobs WHERE id = $1 AND lease = $2");
    Ok(query.bind(id).bind(lease.0).execute(tx).await? == 1)
}

/// Removes the jobs of a kind with this payload, whoever works on them: their `complete` fails from now on. On
/// PostgreSQL this waits for one that is just being completed.
pub async fn cancel(
    tx: &mut Tx,
    authority: AuthorityId,
    kind: &str,
    payload: &Value,
) -> Result<u64, DatabaseError> {
    let query = sql("DELETE FROM jobs WHERE authority = $1 AND kind = $2 AND payload = $3");
    query.bind(authority).bind(kind).bind(payload.to_string()).execute(tx).await
}

/// Gives a job back that failed: due again at `due_at`.
pub async fn fail(
    tx: &mut Tx,
    id: JobId,
    lease: Lease,
    error: &str,
    due_at: Timestamp,
) -> Result<bool, DatabaseError> {
    let failed =
        sql("UPDATE jobs SET lease = NULL, due_at = $3, last_error = $4 WHERE id = $1 AND lease = $2")
            .bind(id)
            .bind(lease.0)
            .bind(due_at)
            .bind(error)
            .execute(tx)
            .await?;
    Ok(failed == 1)
}

/// Sets a job aside that would fail for ever.
pub async fn poison(
    tx: &mut Tx,
    id: JobId,
    lease: Lease,
    error: &str,
    now: Timestamp,
) -> Result<bool, DatabaseError> {
    let held = sql("SELECT 1 AS held FROM jobs WHERE id = $1 AND lease = $2").bind(id).bind(lease.0);
    if held.optional(tx).await?.is_none() {
        return Ok(false);
    }
    set_aside(tx, id, error, now);
    Ok(true)
}

fn set_aside(tx: &mut Tx, id: JobId, error: &str, now: Timestamp) {
    sql("UPDATE jobs SET lease = NULL, poisoned_at = $2, last_error = COALESCE(last_error || '; ', '') || $3
         WHERE id = $1")
    .bind(id)
    .bind(now)
    .bind(error)
    .later(tx);
}

/// Gives all jobs of a kind that were set aside another chance. Answers how many.
pub async fn revive(tx: &mut Tx, kind: &str, now: Timestamp) -> Result<u64, DatabaseError> {
    sql("UPDATE jobs SET poisoned_at = NULL, attempts = 0, due_at = $2 WHERE kind = $1 AND poisoned_at IS NOT NULL")
        .bind(kind)
        .bind(now)
        .execute(tx)
        .await
}

/// Makes the jobs of a kind due at once that wait for another try: what they waited for is there again.
pub async fn hasten(tx: &mut Tx, kind: &str, now: Timestamp) -> Result<u64, DatabaseError> {
    sql("UPDATE jobs SET due_at = $2 WHERE kind = $1 AND lease IS NULL AND poisoned_at IS NULL AND due_at > $2")
        .bind(kind)
        .bind(now)
        .execute(tx)
        .await
}

/// Makes the jobs that `of` has claimed due at once, or all that anybody has: when it is known, at a start, that
/// whoever had the leases is dead.
pub async fn take_over(tx: &mut Tx, of: Option<NodeId>, now: Timestamp) -> Result<u64, DatabaseError> {
    let query = match of {
        None => sql("UPDATE jobs SET lease = NULL, due_at = $1 WHERE lease IS NOT NULL").bind(now),
        Some(node) => sql("UPDATE jobs SET lease = NULL, due_at = $1 WHERE substr(lease, 1, 8) = $2")
            .bind(now)
            .bind(mark(node).as_slice()),
    };
    query.execute(tx).await
}

/// When the next job of `kind` is due; `None`: there is none.
pub async fn next_due(tx: &mut Tx, kind: &str) -> Result<Option<Timestamp>, DatabaseError> {
    sql("SELECT MIN(first) AS due FROM
           (SELECT (SELECT MIN(due_at) FROM jobs WHERE jobs.kind = job_turns.kind
                      AND jobs.authority = job_turns.authority AND poisoned_at IS NULL) AS first
            FROM job_turns WHERE kind = $1) AS firsts")
    .bind(kind)
    .one(tx)
    .await?
    .get("due")
}

/// The jobs of a kind that failed and wait for their next try or are set aside.
pub async fn failed(tx: &mut Tx, kind: &str) -> Result<Vec<Failed>, DatabaseError> {
    let query = sql("SELECT id, authority, attempts, due_at, poisoned_at, last_error FROM jobs
                     WHERE kind = $1 AND lease IS NULL AND last_error IS NOT NULL ORDER BY due_at, id");
    let failed = |row: &Row| {
        Ok(Failed {
            id: row.id("id")?,
            authority: row.id("authority")?,
            attempts: row.get("attempts")?,
            due_at: row.time("due_at")?,
            poisoned_at: row.get("poisoned_at")?,
            error: row.text("last_error")?,
        })
    };
    query.bind(kind).all(tx).await?.iter().map(failed).collect()
}

/// How many jobs there are, by kind.
pub async fn counts(tx: &mut Tx) -> Result<Vec<Count>, DatabaseError> {
    let rows = sql(
        "SELECT kind, COUNT(*) AS all_jobs, COUNT(poisoned_at) AS poisoned FROM jobs GROUP BY kind ORDER BY kind",
    );
    let count = |row: &Row| {
        let (all, poisoned) = (row.get::<u64>("all_jobs")?, row.get("poisoned")?);
        Ok(Count { kind: row.text("kind")?, open: all.saturating_sub(poisoned), poisoned })
    };
    rows.all(tx).await?.iter().map(count).collect()
}

#[cfg(test)]
mod tests;
