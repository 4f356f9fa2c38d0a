//! Idempotency keys: the same request again gets the same answer, another one under the same key is refused, and
//! of two at the same time one works. A claim is a lease: when its holder dies, the next one may try.

use jiff::{SignedDuration, Timestamp};

use super::bind::values;
use super::{DatabaseError, Statement, Tx, insert_rows, sql};
use crate::domain::digest::Sha256;
use crate::domain::ids::AuthorityId;
use crate::domain::random::{self, Random};

/// How long a key is remembered after it was first used.
pub const KEPT: SignedDuration = SignedDuration::from_hours(7 * 24);

/// Within what a key is unique.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Scope {
    /// Whose.
    pub authority: AuthorityId,
    /// The client that chose the key: the subject of its token.
    pub client: String,
    /// The route template.
    pub route: &'static str,
    /// The key.
    pub key: String,
}

/// An answer as it was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredAnswer {
    /// HTTP status.
    pub status: u16,
    /// Headers that belong to the answer, in order.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// The right to do the work of one key, until it runs out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease([u8; 16]);

/// What the key says about a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    /// Nobody has done it: do it, then [`complete`] in the same transaction, or [`release`].
    Fresh(Lease),
    /// Somebody is doing it right now.
    Running,
    /// It was done: give this answer.
    Done(StoredAnswer),
    /// The key was used for another request.
    Mismatch,
}

/// Why an answer was not stored: the transaction must not be committed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CompleteError {
    /// The lease ran out and somebody else has taken the work over.
    #[error("the lease of this idempotency key was lost")]
    LeaseLost,
    /// The database failed.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

impl Lease {
    /// A lease nobody else has.
    pub fn draw(random: &dyn Random) -> Self {
        Self(random::bytes(random))
    }
}

/// Asks for the work of `scope`. `fingerprint` is over the request as understood, not over its bytes on the wire.
pub async fn claim(
    tx: &mut Tx,
    scope: &Scope,
    fingerprint: Sha256,
    lease: Lease,
    now: Timestamp,
    lease_until: Timestamp,
) -> Result<Claim, DatabaseError> {
    let claimed = sql("INSERT INTO idempotency
            (authority, client, route, key, fingerprint, claimed_at, expires_at, lease, lease_until)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
        ON CONFLICT (authority, client, route, key) DO UPDATE SET
            fingerprint = excluded.fingerprint, claimed_at = excluded.claimed_at, expires_at = excluded.expires_at,
            lease = excluded.lease, lease_until = excluded.lease_until, status = NULL, headers = NULL, body = NULL
        WHERE idempotency.expires_at <= $6
           OR (idempotency.status IS NULL AND idempotency.lease_until <= $6
               AND idempotency.fingerprint = excluded.fingerprint)")
    .bind(scope.authority)
    .bind(&scope.client)
    .bind(scope.route)
    .bind(&scope.key)
    .bind(fingerprint)
    .bind(now)
    .bind(now + KEPT)
    .bind(lease.0)
    .bind(lease_until)
    .execute(tx)
    .await?;
    if claimed == 1 {
        return Ok(Claim::Fresh(lease));
    }
    // Released between the two statements: the client tries again.
    Ok(look_up(tx, scope, fingerprint, now).await?.unwrap_or(Claim::Running))
}

/// A request that was answered in the same breath as it was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    /// Its key.
    pub scope: Scope,
    /// Over the request as understood.
    pub fingerprint: Sha256,
    /// Another one for each.
    pub lease: Lease,
    /// When.
    pub at: Timestamp,
    /// The answer.
    pub answer: StoredAnswer,
}

/// As [`claim`] and [`complete`] at once, for each that has a key. Says what stood against it; nothing: the answer is
/// stored.
pub async fn claim_all(tx: &mut Tx, all: &[Option<&Answered>]) -> Result<Vec<Option<Claim>>, DatabaseError> {
    let mut against = vec![None; all.len()];
    let mut keyed: Vec<&Answered> = all.iter().copied().flatten().collect();
    // In one order everywhere: whoever claims the same ones at the same time waits, and never for each other.
    keyed.sort_by(|a, b| key_of(a).cmp(&key_of(b)));
    if keyed.is_empty() || insert_answered(&keyed)?.execute(tx).await? == keyed.len() as u64 {
        return Ok(against);
    }
    for (against, one) in against.iter_mut().zip(all) {
        if let Some(one) = one
            && !is_held(tx, &one.scope, one.lease).await?
        {
            let found = look_up(tx, &one.scope, one.fingerprint, one.at).await?;
            *against = Some(found.unwrap_or(Claim::Running));
        }
    }
    Ok(against)
}

/// Takes the answer back in the transaction that has stored it.
pub fn withdraw(tx: &mut Tx, one: &Answered) {
    sql("DELETE FROM idempotency WHERE authority = $1 AND client = $2 AND route = $3 AND key = $4 AND lease = $5")
        .bind(one.scope.authority)
        .bind(&one.scope.client)
        .bind(one.scope.route)
        .bind(&one.scope.key)
        .bind(one.lease.0)
        .later(tx);
}

fn key_of(one: &Answered) -> (AuthorityId, &str, &str, &str) {
    (one.scope.authority, &one.scope.client, one.scope.route, &one.scope.key)
}

fn insert_answered(keyed: &[&Answered]) -> Result<Statement, DatabaseError> {
    let headers: Vec<String> = keyed.iter().map(|one| headers_of(&one.answer)).collect::<Result<_, _>>()?;
    let row = |(one, headers): (&&Answered, String)| {
        let Answered { scope, fingerprint, lease, at, answer } = *one;
        values![
            scope.authority,
            &scope.client,
            scope.route,
            &scope.key,
            *fingerprint,
            *at,
            *at + KEPT,
            lease.0,
            *at,
            answer.status,
            headers,
            answer.body.as_slice(),
        ]
    };
    Ok(insert_rows(
        "INSERT INTO idempotency (authority, client, route, key, fingerprint, claimed_at, expires_at, lease,
             lease_until, status, headers, body)",
        keyed.iter().zip(headers).map(row),
        "ON CONFLICT (authority, client, route, key) DO UPDATE SET
             fingerprint = excluded.fingerprint, claimed_at = excluded.claimed_at, expires_at = excluded.expires_at,
             lease = excluded.lease, lease_until = excluded.lease_until, status = excluded.status,
             headers = excluded.headers, body = excluded.body
         WHERE idempotency.expires_at <= excluded.claimed_at
            OR (idempotency.status IS NULL AND idempotency.lease_until <= excluded.claimed_at
                AND idempotency.fingerprint = excluded.fingerprint)",
    ))
}

fn headers_of(answer: &StoredAnswer) -> Result<String, DatabaseError> {
    serde_json::to_string(&answer.headers).map_err(|error| DatabaseError::Statement(error.to_string()))
}

async fn is_held(tx: &mut Tx, scope: &Scope, lease: Lease) -> Result<bool, DatabaseError> {
    let held = sql("SELECT 1 AS held FROM idempotency
                    WHERE authority = $1 AND client = $2 AND route = $3 AND key = $4 AND lease = $5");
    let held =
        held.bind(scope.authority).bind(&scope.client).bind(scope.route).bind(&scope.key).bind(lease.0);
    Ok(held.optional(tx).await?.is_some())
}

/// What the key says about the request without asking for its work; none if it is not in use.
pub async fn look_up(
    tx: &mut Tx,
    scope: &Scope,
    fingerprint: Sha256,
    now: Timestamp,
) -> Result<Option<Claim>, DatabaseError> {
    let row = sql("SELECT fingerprint, status, headers, body FROM idempotency
                   WHERE authority = $1 AND client = $2 AND route = $3 AND key = $4 AND expires_at > $5")
    .bind(scope.authority)
    .bind(&scope.client)
    .bind(scope.route)
    .bind(&scope.key)
    .bind(now)
    .optional(tx)
    .await?;
    let Some(row) = row else { return Ok(None) };
    if row.get::<Sha256>("fingerprint")? != fingerprint {
        return Ok(Some(Claim::Mismatch));
    }
    let Some(status) = row.get("status")? else { return Ok(Some(Claim::Running)) };
    let answer = StoredAnswer { status, headers: row.json("headers")?, body: row.bytes("body")? };
    Ok(Some(Claim::Done(answer)))
}

/// Keeps the work for longer; answers whether it is still ours.
pub async fn extend(
    tx: &mut Tx,
    scope: &Scope,
    lease: Lease,
    lease_until: Timestamp,
) -> Result<bool, DatabaseError> {
    let extended = sql("UPDATE idempotency SET lease_until = $6
                        WHERE authority = $1 AND client = $2 AND route = $3 AND key = $4
                          AND lease = $5 AND status IS NULL")
    .bind(scope.authority)
    .bind(&scope.client)
    .bind(scope.route)
    .bind(&scope.key)
    .bind(lease.0)
    .bind(lease_until)
    .execute(tx)
    .await?;
    Ok(extended == 1)
}

/// Stores the answer, in the transaction that did the work: both are there, or neither.
pub async fn complete(
    tx: &mut Tx,
    scope: &Scope,
    lease: Lease,
    answer: &StoredAnswer,
) -> Result<(), CompleteError> {
    let headers = headers_of(answer)?;
    let stored = sql("UPDATE idempotency SET status = $6, headers = $7, body = $8
                      WHERE authority = $1 AND client = $2 AND route = $3 AND key = $4
                        AND lease = $5 AND status IS NULL")
    .bind(scope.authority)
    .bind(&scope.client)
    .bind(scope.route)
    .bind(&scope.key)
    .bind(lease.0)
    .bind(answer.status)
    .bind(headers)
    .bind(answer.body.as_slice())
    .execute(tx)
    .await?;
    if stored == 1 { Ok(()) } else { Err(CompleteError::LeaseLost) }
}

/// Gives the key back after a failure, so that the same request may be tried again at once.
pub async fn release(tx: &mut Tx, scope: &Scope, lease: Lease) -> Result<(), DatabaseError> {
    sql("DELETE FROM idempotency WHERE authority = $1 AND client = $2 AND route = $3 AND key = $4
           AND lease = $5 AND status IS NULL")
    .bind(scope.authority)
    .bind(&scope.client)
    .bind(scope.route)
    .bind(&scope.key)
    .bind(lease.0)
    .execute(tx)
    .await?;
    Ok(())
}

/// Forgets the keys whose time is over.
pub async fn expire(tx: &mut Tx, now: Timestamp) -> Result<u64, DatabaseError> {
    sql("DELETE FROM idempotency WHERE expires_at <= $1").bind(now).execute(tx).await
}

#[cfg(test)]
mod tests {
    use futures_util::future::join_all;

    use super::super::testing::{authority, on_each_engine};
    use super::*;
    use crate::database::Database;

    fn scope(key: &str) -> Scope {
        Scope {
            authority: authority(1),
            client: "engine-1".to_owned(),
            route: "/v1/documents",
            key: key.to_owned(),
        }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn answer() -> StoredAnswer {
        StoredAnswer {
            status: 201,
            headers: vec![("Location".to_owned(), "/v1/documents/1".to_owned())],
            body: b"{}".to_vec(),
        }
    }

    async fn try_claim(db: &Database, scope: Scope, body: &[u8], lease: u8, second: i64) -> Claim {
        let fingerprint = Sha256::of(body);
        let lease = Lease([lease; 16]);
        let claimed = db.write(move |tx| {
            Box::pin(async move { claim(tx, &scope, fingerprint, lease, at(second), at(second + 60)).await })
        });
        claimed.await.unwrap()
    }

    async fn try_complete(db: &Database, lease: u8) -> Result<(), CompleteError> {
        let lease = Lease([lease; 16]);
        let done =
            db.write(move |tx| Box::pin(async move { complete(tx, &scope("k"), lease, &answer()).await }));
        done.await
    }

    #[tokio::test]
    async fn the_same_again_gets_the_same_answer_and_another_body_none() {
        on_each_engine(async |db| {
            assert_eq!(try_claim(&db, scope("k"), b"a", 1, 0).await, Claim::Fresh(Lease([1; 16])));
            assert_eq!(try_claim(&db, scope("k"), b"a", 2, 1).await, Claim::Running);
            assert_eq!(try_claim(&db, scope("k"), b"b", 2, 1).await, Claim::Mismatch);
            try_complete(&db, 1).await.unwrap();
            assert_eq!(try_claim(&db, scope("k"), b"a", 2, 999).await, Claim::Done(answer()));
            assert_eq!(try_claim(&db, scope("k"), b"b", 2, 999).await, Claim::Mismatch);
            assert_eq!(try_claim(&db, scope("other"), b"b", 2, 999).await, Claim::Fresh(Lease([2; 16])));
        })
        .await;
    }

    #[tokio::test]
    async fn of_many_at_the_same_time_one_works() {
        on_each_engine(async |db| {
            let claims = join_all((1..=30).map(|n| try_claim(&db, scope("k"), b"a", n, 0))).await;
            let fresh = claims.iter().filter(|claim| matches!(claim, Claim::Fresh(_))).count();
            let running = claims.iter().filter(|claim| **claim == Claim::Running).count();
            assert_eq!((fresh, running), (1, 29));
        })
        .await;
    }

    #[tokio::test]
    async fn a_lease_that_ran_out_is_taken_over_and_its_first_holder_may_not_answer() {
        on_each_engine(async |db| {
            try_claim(&db, scope("k"), b"a", 1, 0).await;
            let longer = async |lease: u8, second: i64| {
                let work = db.write(move |tx| {
                    Box::pin(async move { extend(tx, &scope("k"), Lease([lease; 16]), at(second)).await })
                });
                work.await.unwrap()
            };
            assert!(longer(1, 90).await);
            assert!(!longer(2, 999).await);
            assert_eq!(try_claim(&db, scope("k"), b"a", 2, 89).await, Claim::Running);
            assert_eq!(try_claim(&db, scope("k"), b"b", 2, 90).await, Claim::Mismatch);
            assert_eq!(try_claim(&db, scope("k"), b"a", 2, 90).await, Claim::Fresh(Lease([2; 16])));
            assert_eq!(try_complete(&db, 1).await, Err(CompleteError::LeaseLost));
            try_complete(&db, 2).await.unwrap();
            assert_eq!(try_complete(&db, 2).await, Err(CompleteError::LeaseLost));
        })
        .await;
    }

    #[tokio::test]
    async fn a_released_key_is_free_at_once_and_an_answered_one_is_not_released() {
        on_each_engine(async |db| {
            let give_back = async |lease: u8| {
                let work = db.write(move |tx| {
                    Box::pin(async move { release(tx, &scope("k"), Lease([lease; 16])).await })
                });
                work.await.unwrap();
            };
            try_claim(&db, scope("k"), b"a", 1, 0).await;
            give_back(2).await;
            assert_eq!(try_claim(&db, scope("k"), b"a", 2, 0).await, Claim::Running);
            give_back(1).await;
            assert_eq!(try_claim(&db, scope("k"), b"b", 2, 0).await, Claim::Fresh(Lease([2; 16])));
            try_complete(&db, 2).await.unwrap();
            give_back(2).await;
            assert_eq!(try_claim(&db, scope("k"), b"b", 3, 0).await, Claim::Done(answer()));
        })
        .await;
    }

    #[tokio::test]
    async fn a_key_is_forgotten_after_seven_days_and_not_before() {
        on_each_engine(async |db| {
            let week = KEPT.as_secs();
            let forget =
                async |second: i64| db.write(move |tx| Box::pin(expire(tx, at(second)))).await.unwrap();
            try_claim(&db, scope("k"), b"a", 1, 0).await;
            try_complete(&db, 1).await.unwrap();
            assert_eq!(forget(week - 1).await, 0);
            assert_eq!(try_claim(&db, scope("k"), b"b", 2, week - 1).await, Claim::Mismatch);
            assert_eq!(try_claim(&db, scope("k"), b"b", 2, week).await, Claim::Fresh(Lease([2; 16])));
            assert_eq!(forget(2 * week).await, 1);
        })
        .await;
    }
}
