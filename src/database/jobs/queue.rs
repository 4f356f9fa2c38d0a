//! Jobs that wait for each other: those of one kind and queue are done one after the other, in the order they were
//! written. The first may be claimed like any other job; the rest are parked until the one before them is done or
//! set aside. Whoever ends such a job does it here, or the queue stands still.

use jiff::Timestamp;
use serde_json::Value;

use super::{Claimed, Lease};
use crate::database::{DatabaseError, Row, Tx, sql};
use crate::domain::ids::{AuthorityId, JobId};

/// When a parked job is due: never, by itself.
const PARKED: Timestamp = Timestamp::MAX;

/// A job to be written down behind those of its queue.
#[derive(Debug, Clone, PartialEq)]
pub struct Queued {
    /// Its identifier.
    pub id: JobId,
    /// For whom.
    pub authority: AuthorityId,
    /// The name of its handler.
    pub kind: String,
    /// What it waits behind.
    pub queue: String,
    /// What the handler needs to know.
    pub payload: Value,
}

/// A job that was set aside.
#[derive(Debug, Clone, PartialEq)]
pub struct Dead {
    /// Its identifier.
    pub id: JobId,
    /// The name of its handler.
    pub kind: String,
    /// What the handler needs to know.
    pub payload: Value,
    /// How often it was tried.
    pub attempts: u32,
    /// Since when.
    pub since: Timestamp,
    /// What went wrong.
    pub error: String,
}

/// How the jobs whose kind begins alike stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Waiting or running.
    pub open: u64,
    /// Set aside.
    pub dead: u64,
    /// When the oldest of the open ones was written.
    pub oldest: Option<Timestamp>,
}

/// Writes `job` down, in the transaction that gives rise to it.
pub async fn enqueue(tx: &mut Tx, job: Queued, now: Timestamp) -> Result<(), DatabaseError> {
    tx.serialize_on(&lock(&job.kind, &job.queue)).await?;
    sql("INSERT INTO job_turns (kind, authority, turn) VALUES ($1, $2, 0) ON CONFLICT DO NOTHING")
        .bind(&job.kind)
        .bind(job.authority)
        .later(tx);
    sql("INSERT INTO jobs (id, authority, kind, queue, payload, created_at, due_at, place)
         VALUES ($1, $2, $3, $4, $5, $6,
             CASE WHEN EXISTS (SELECT 1 FROM jobs WHERE kind = $3 AND queue = $4 AND poisoned_at IS NULL)
                  THEN $7 ELSE $6 END,
             (SELECT COALESCE(MAX(place), 0) + 1 FROM jobs WHERE kind = $3 AND queue = $4))")
    .bind(job.id)
    .bind(job.authority)
    .bind(&job.kind)
    .bind(&job.queue)
    .bind(job.payload.to_string())
    .bind(now)
    .bind(PARKED)
    .later(tx);
    Ok(())
}

/// Removes a job that is done and lets the next of its queue go; `false`: the lease was lost.
pub async fn complete(tx: &mut Tx, id: JobId, lease: Lease, now: Timestamp) -> Result<bool, DatabaseError> {
    let Some((kind, queue)) = held(tx, id, lease).await? else { return Ok(false) };
    sql("DELETE FROM jobs WHERE id = $1").bind(id).later(tx);
    let_next_go(tx, &kind, &queue, now);
    Ok(true)
}

/// Sets a job aside and lets the next of its queue go; `false`: the lease was lost.
pub async fn set_aside(
    tx: &mut Tx,
    claimed: &Claimed,
    error: &str,
    now: Timestamp,
) -> Result<bool, DatabaseError> {
    let Some((kind, queue)) = held(tx, claimed.id, claimed.lease).await? else { return Ok(false) };
    sql("UPDATE jobs SET lease = NULL, poisoned_at = $2, last_error = $3 WHERE id = $1")
        .bind(claimed.id)
        .bind(now)
        .bind(error)
        .later(tx);
    let_next_go(tx, &kind, &queue, now);
    Ok(true)
}

/// The kinds that begin so and have jobs that are not set aside.
pub async fn open_kinds(tx: &mut Tx, kinds: &str) -> Result<Vec<String>, DatabaseError> {
    let rows =
        sql("SELECT DISTINCT kind FROM jobs WHERE poisoned_at IS NULL AND substr(kind, 1, length($1)) = $1
                    ORDER BY kind");
    rows.bind(kinds).all(tx).await?.iter().map(|row| row.text("kind")).collect()
}

/// Sets all jobs of a kind aside that nobody works on: it has no handler. Answers how many.
pub async fn set_all_aside(
    tx: &mut Tx,
    kind: &str,
    error: &str,
    now: Timestamp,
) -> Result<u64, DatabaseError> {
    let query = sql("UPDATE jobs SET lease = NULL, poisoned_at = $2, last_error = $3
                     WHERE kind = $1 AND poisoned_at IS NULL AND (lease IS NULL OR due_at <= $2)");
    query.bind(kind).bind(now).bind(error).execute(tx).await
}

/// The kind of a job that was set aside.
pub async fn dead_kind(
    tx: &mut Tx,
    authority: AuthorityId,
    id: JobId,
) -> Result<Option<String>, DatabaseError> {
    let query = sql("SELECT kind FROM jobs WHERE id = $1 AND authority = $2 AND poisoned_at IS NOT NULL");
    query.bind(id).bind(authority).optional(tx).await?.map(|row| row.text("kind")).transpose()
}

/// The jobs of an authority that were set aside, of exactly this kind; the longest first.
pub async fn dead_of(
    tx: &mut Tx,
    authority: AuthorityId,
    kind: &str,
    at_most: u32,
) -> Result<Vec<JobId>, DatabaseError> {
    let rows = sql("SELECT id FROM jobs WHERE poisoned_at IS NOT NULL AND authority = $1 AND kind = $2
                    ORDER BY poisoned_at, id LIMIT $3");
    let rows = rows.bind(authority).bind(kind).bind(at_most).all(tx).await?;
    rows.iter().map(|row| row.id("id")).collect()
}

/// The jobs of an authority that were set aside, whose kind begins with `kinds`; the longest first.
pub async fn dead(
    tx: &mut Tx,
    authority: AuthorityId,
    kinds: &str,
    at_most: u32,
) -> Result<Vec<Dead>, DatabaseError> {
    let rows = sql("SELECT id, kind, payload, attempts, poisoned_at, last_error FROM jobs
                    WHERE poisoned_at IS NOT NULL AND authority = $1 AND substr(kind, 1, length($2)) = $2
                    ORDER BY poisoned_at, id LIMIT $3")
    .bind(authority)
    .bind(kinds)
    .bind(at_most)
    .all(tx)
    .await?;
    let dead = |row: &Row| {
        Ok(Dead {
            id: row.id("id")?,
            kind: row.text("kind")?,
            payload: row.json("payload")?,
            attempts: row.get("attempts")?,
            since: row.time("poisoned_at")?,
            error: row.get::<Option<String>>("last_error")?.unwrap_or_default(),
        })
    };
    rows.iter().map(dead).collect()
}

/// Gives a job that was set aside another chance, before those of its queue that wait; `false`: there is none.
pub async fn revive(
    tx: &mut Tx,
    authority: AuthorityId,
    kinds: &str,
    id: JobId,
    now: Timestamp,
) -> Result<bool, DatabaseError> {
    let row = sql("SELECT kind, queue FROM jobs WHERE id = $1 AND authority = $2 AND poisoned_at IS NOT NULL
                   AND substr(kind, 1, length($3)) = $3");
    let Some(row) = row.bind(id).bind(authority).bind(kinds).optional(tx).await? else { return Ok(false) };
    let (kind, queue) = (row.text("kind")?, row.text("queue")?);
    tx.serialize_on(&lock(&kind, &queue)).await?;
    let revived = sql("UPDATE jobs SET poisoned_at = NULL, attempts = 0, due_at =
             CASE WHEN EXISTS (SELECT 1 FROM jobs AS ahead WHERE ahead.kind = $2 AND ahead.queue = $3
                               AND ahead.poisoned_at IS NULL AND ahead.due_at < $5) THEN $5 ELSE $4 END
         WHERE id = $1 AND poisoned_at IS NOT NULL")
    .bind(id)
    .bind(kind)
    .bind(queue)
    .bind(now)
    .bind(PARKED)
    .execute(tx)
    .await?;
    Ok(revived == 1)
}

/// How the jobs of all authorities stand whose kind begins with `kinds`.
pub async fn standing(tx: &mut Tx, kinds: &str) -> Result<Standing, DatabaseError> {
    let row = sql("SELECT COUNT(*) AS jobs, COUNT(poisoned_at) AS dead,
                     MIN(CASE WHEN poisoned_at IS NULL THEN created_at END) AS oldest
                   FROM jobs WHERE substr(kind, 1, length($1)) = $1");
    let row = row.bind(kinds).one(tx).await?;
    let (all, dead) = (row.get::<u64>("jobs")?, row.get("dead")?);
    Ok(Standing { open: all.saturating_sub(dead), dead, oldest: row.get("oldest")? })
}

/// Kind and queue of a job that is still held under `lease`; others of its queue wait from here on.
async fn held(tx: &mut Tx, id: JobId, lease: Lease) -> Result<Option<(String, String)>, DatabaseError> {
    let named = sql("SELECT kind, queue FROM jobs WHERE id = $1 AND lease = $2").bind(id).bind(lease.0);
    let Some(row) = named.optional(tx).await? else { return Ok(None) };
    let (kind, queue) = (row.text("kind")?, row.text("queue")?);
    tx.serialize_on(&lock(&kind, &queue)).await?;
    let still = sql("SELECT 1 AS held FROM jobs WHERE id = $1 AND lease = $2").bind(id).bind(lease.0);
    Ok(still.optional(tx).await?.map(|_| (kind, queue)))
}

fn let_next_go(tx: &mut Tx, kind: &str, queue: &str, now: Timestamp) {
    sql("UPDATE jobs SET due_at = $3 WHERE due_at = $4 AND id =
           (SELECT id FROM jobs WHERE kind = $1 AND queue = $2 AND poisoned_at IS NULL ORDER BY place LIMIT 1)")
    .bind(kind)
    .bind(queue)
    .bind(now)
    .bind(PARKED)
    .later(tx);
}

fn lock(kind: &str, queue: &str) -> String {
    format!("jobs {kind} {queue}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::super::testing::{authority, on_each_engine};
    use super::super::{claim, fail, next_due};
    use super::*;
    use crate::database::Database;

    const KIND: &str = "event:test";

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    async fn put(db: &Database, n: u8, queue: &'static str) {
        let job = Queued {
            id: JobId::from_bytes([n; 16]),
            authority: authority(1),
            kind: KIND.to_owned(),
            queue: queue.to_owned(),
            payload: json!(n),
        };
        db.write(move |tx| Box::pin(enqueue(tx, job, at(i64::from(n))))).await.unwrap();
    }

    async fn take(db: &Database, second: i64) -> Option<Claimed> {
        let lease = Lease([u8::try_from(second % 251).unwrap(); 16]);
        db.write(move |tx| Box::pin(claim(tx, KIND, lease, at(second), at(second + 60), u32::MAX)))
            .await
            .unwrap()
    }

    async fn end(db: &Database, job: &Claimed, second: i64) -> bool {
        let (id, lease) = (job.id, job.lease);
        db.write(move |tx| Box::pin(complete(tx, id, lease, at(second)))).await.unwrap()
    }

    #[tokio::test]
    async fn jobs_of_one_queue_are_done_one_after_the_other_and_queues_beside_each_other() {
        on_each_engine(async |db| {
            for (n, queue) in [(1, "a"), (2, "a"), (3, "b"), (4, "a")] {
                put(&db, n, queue).await;
            }
            let first = take(&db, 10).await.unwrap();
            let other = take(&db, 11).await.unwrap();
            assert_eq!((&first.payload, &other.payload), (&json!(1), &json!(3)));
            assert_eq!(take(&db, 12).await, None, "the others are parked");
            assert!(end(&db, &first, 13).await && !end(&db, &first, 13).await);
            let second = take(&db, 14).await.unwrap();
            assert_eq!(second.payload, json!(2));
            // One that failed keeps the later ones waiting.
            let (id, lease) = (second.id, second.lease);
            db.write(move |tx| Box::pin(fail(tx, id, lease, "500", at(100)))).await.unwrap();
            assert_eq!(take(&db, 15).await, None);
            assert!(end(&db, &other, 16).await, "within its lease");
            let again = take(&db, 100).await.unwrap();
            assert_eq!((&again.payload, again.attempt), (&json!(2), 2));
            assert!(end(&db, &again, 101).await);
            assert_eq!(take(&db, 102).await.unwrap().payload, json!(4));
        })
        .await;
    }

    #[tokio::test]
    async fn one_that_was_set_aside_lets_the_next_go_and_comes_back_before_those_that_wait() {
        on_each_engine(async |db| {
            for n in 1..=3 {
                put(&db, n, "a").await;
            }
            let first = take(&db, 10).await.unwrap();
            let gone = first.clone();
            let dead_now = db
                .write(move |tx| Box::pin(async move { set_aside(tx, &gone, "answered 500", at(11)).await }));
            assert!(dead_now.await.unwrap());
            let second = take(&db, 12).await.unwrap();
            assert_eq!(second.payload, json!(2));
            let listed = db.read(|tx| Box::pin(dead(tx, authority(1), "event:", 9))).await.unwrap();
            assert_eq!((listed.len(), listed[0].error.as_str(), listed[0].attempts), (1, "answered 500", 1));
            assert_eq!(db.read(|tx| Box::pin(dead(tx, authority(2), "event:", 9))).await, Ok(Vec::new()));
            let id = first.id;
            let revived = async |n, kinds| {
                db.write(move |tx| Box::pin(revive(tx, authority(n), kinds, id, at(13)))).await.unwrap()
            };
            assert!(!revived(2, "event:").await && !revived(1, "extract").await);
            assert!(revived(1, "event:").await && !revived(1, "event:").await);
            assert_eq!(take(&db, 14).await, None, "the second is still on its way");
            assert!(end(&db, &second, 15).await);
            let back = take(&db, 16).await.unwrap();
            assert_eq!((&back.payload, back.attempt), (&json!(1), 1));
            assert!(end(&db, &back, 17).await);
            let third = take(&db, 18).await.unwrap();
            let standing = db.read(|tx| Box::pin(standing(tx, "event:"))).await.unwrap();
            assert_eq!(standing, Standing { open: 1, dead: 0, oldest: Some(at(3)) });
            assert!(end(&db, &third, 19).await);
            assert_eq!(db.read(|tx| Box::pin(next_due(tx, KIND))).await, Ok(None));
        })
        .await;
    }

    #[tokio::test]
    async fn a_job_written_while_the_last_one_ends_is_not_parked_for_ever() {
        on_each_engine(async |db| {
            for round in 0..20u8 {
                put(&db, round * 2, "a").await;
                let job = take(&db, 1000).await.unwrap();
                let (ended, ()) = tokio::join!(end(&db, &job, 1001), put(&db, round * 2 + 1, "a"));
                assert!(ended);
                let next = take(&db, 1002).await.expect("the next one may go");
                assert!(end(&db, &next, 1003).await);
            }
        })
        .await;
    }
}
