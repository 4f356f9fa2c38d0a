//! What the rows of background work promise: turns, leases, poison.

use futures_util::future::join_all;
use serde_json::json;

use super::super::testing::{authority, on_each_engine};
use super::*;
use crate::database::Database;
use crate::domain::random::SeededRandom;

const ATTEMPTS_MAX: u32 = 3;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn job(owner: u8, n: u8) -> NewJob {
    NewJob {
        id: JobId::from_bytes([n; 16]),
        authority: authority(owner),
        kind: "extract",
        unique_key: None,
        payload: json!({ "n": n }),
        due_at: at(0),
    }
}

async fn put(db: &Database, job: NewJob) -> bool {
    db.write(move |tx| Box::pin(async move { enqueue(tx, &job, at(0)).await })).await.unwrap()
}

/// Claims at `second`, for a minute; `lease` tells the claims apart.
async fn take(db: &Database, lease: u8, second: i64) -> Option<Claimed> {
    let claimed = db.write(move |tx| {
        Box::pin(claim(tx, "extract", Lease([lease; 16]), at(second), at(second + 60), ATTEMPTS_MAX))
    });
    claimed.await.unwrap()
}

async fn done(db: &Database, claimed: &Claimed) -> bool {
    let (id, lease) = (claimed.id, claimed.lease);
    db.write(move |tx| Box::pin(complete(tx, id, lease))).await.unwrap()
}

fn number(claimed: Option<&Claimed>) -> Option<u8> {
    claimed.map(|claimed| *claimed.id.as_bytes().first().unwrap())
}

#[tokio::test]
async fn a_job_is_claimed_once_and_gone_when_it_is_done() {
    on_each_engine(async |db| {
        put(&db, job(1, 7)).await;
        let claimed = take(&db, 1, 0).await.unwrap();
        assert_eq!((claimed.payload.clone(), claimed.attempt), (json!({"n": 7}), 1));
        assert_eq!(take(&db, 2, 0).await, None);
        assert!(done(&db, &claimed).await);
        assert!(!done(&db, &claimed).await);
        assert_eq!(take(&db, 2, 999).await, None);
    })
    .await;
}

#[tokio::test]
async fn of_many_who_claim_at_the_same_time_each_gets_another_job() {
    on_each_engine(async |db| {
        for n in 0..20 {
            put(&db, job(n % 3, n)).await;
        }
        let claimed = join_all((0..30).map(|n| take(&db, n, 0))).await;
        let mut numbers: Vec<u8> = claimed.iter().filter_map(|claimed| number(claimed.as_ref())).collect();
        numbers.sort_unstable();
        assert_eq!(numbers, (0..20).collect::<Vec<_>>());
    })
    .await;
}

#[tokio::test]
async fn authorities_take_turns_however_long_their_queues_are() {
    on_each_engine(async |db| {
        for n in 0..10 {
            put(&db, job(1, n)).await;
        }
        put(&db, job(2, 100)).await;
        put(&db, job(2, 101)).await;
        put(&db, job(3, 200)).await;
        let mut served = Vec::new();
        for lease in 0..6 {
            served.push(take(&db, lease, 0).await.unwrap().authority);
        }
        let expected = [1, 2, 3, 1, 2, 1].map(authority);
        assert_eq!(served, expected);
    })
    .await;
}

#[tokio::test]
async fn a_lease_that_ran_out_is_claimed_again_and_its_first_holder_has_lost_it() {
    on_each_engine(async |db| {
        put(&db, job(1, 7)).await;
        let first = take(&db, 1, 0).await.unwrap();
        assert_eq!(take(&db, 2, 59).await, None);
        let (id, lease) = (first.id, first.lease);
        assert!(db.write(move |tx| Box::pin(extend(tx, id, lease, at(90)))).await.unwrap());
        assert_eq!(take(&db, 2, 89).await, None);
        let second = take(&db, 2, 90).await.unwrap();
        assert_eq!((second.id, second.attempt), (first.id, 2));
        assert!(!done(&db, &first).await);
        assert!(!db.write(move |tx| Box::pin(extend(tx, id, lease, at(999)))).await.unwrap());
        assert!(!db.write(move |tx| Box::pin(fail(tx, id, lease, "late", at(0)))).await.unwrap());
        assert!(!db.write(move |tx| Box::pin(poison(tx, id, lease, "late", at(0)))).await.unwrap());
        assert!(done(&db, &second).await);
    })
    .await;
}

#[tokio::test]
async fn a_job_that_failed_comes_again_when_it_is_due() {
    on_each_engine(async |db| {
        put(&db, job(1, 7)).await;
        let Claimed { id, lease, .. } = take(&db, 1, 0).await.unwrap();
        assert!(db.write(move |tx| Box::pin(fail(tx, id, lease, "busy", at(10)))).await.unwrap());
        let failed = db.read(|tx| Box::pin(failed(tx, "extract"))).await.unwrap();
        let error = "busy".to_owned();
        let owner = authority(1);
        assert_eq!(
            failed,
            [Failed { id, authority: owner, attempts: 1, due_at: at(10), poisoned_at: None, error }]
        );
        assert_eq!(take(&db, 2, 9).await, None);
        assert_eq!(db.read(|tx| Box::pin(next_due(tx, "extract"))).await, Ok(Some(at(10))));
        assert_eq!(take(&db, 2, 10).await.map(|claimed| claimed.attempt), Some(2));
    })
    .await;
}

#[tokio::test]
async fn a_job_that_takes_the_process_down_each_time_is_set_aside() {
    on_each_engine(async |db| {
        put(&db, job(1, 7)).await;
        put(&db, job(1, 8)).await;
        for attempt in 0..i64::from(ATTEMPTS_MAX) {
            assert_eq!(number(take(&db, 1, attempt * 60).await.as_ref()), Some(7), "{attempt}");
            let other = take(&db, 2, attempt * 60).await.unwrap();
            assert_eq!(number(Some(&other)), Some(8));
            let (id, lease) = (other.id, other.lease);
            db.write(move |tx| Box::pin(fail(tx, id, lease, "busy", at((attempt + 1) * 60)))).await.unwrap();
        }
        assert_eq!(take(&db, 3, 180).await, None);
        let counted = db.read(|tx| Box::pin(counts(tx))).await.unwrap();
        assert_eq!(counted, [Count { kind: "extract".to_owned(), open: 0, poisoned: 2 }]);
        assert_eq!(db.write(|tx| Box::pin(revive(tx, "extract", at(200)))).await, Ok(2));
        assert_eq!(take(&db, 4, 200).await.map(|claimed| claimed.attempt), Some(1));
    })
    .await;
}

#[tokio::test]
async fn poison_is_not_claimed_again() {
    on_each_engine(async |db| {
        put(&db, job(1, 7)).await;
        let Claimed { id, lease, .. } = take(&db, 1, 0).await.unwrap();
        assert!(db.write(move |tx| Box::pin(poison(tx, id, lease, "no PDF", at(1)))).await.unwrap());
        assert_eq!(take(&db, 2, 9999).await, None);
        assert_eq!(db.read(|tx| Box::pin(next_due(tx, "extract"))).await, Ok(None));
    })
    .await;
}

#[tokio::test]
async fn a_unique_key_is_there_once_until_its_job_is_done() {
    on_each_engine(async |db| {
        let keyed = |n| NewJob { unique_key: Some("daily".to_owned()), ..job(1, n) };
        assert!(put(&db, keyed(1)).await);
        assert!(!put(&db, keyed(2)).await);
        let claimed = take(&db, 1, 0).await.unwrap();
        assert!(!put(&db, keyed(3)).await);
        assert!(done(&db, &claimed).await);
        assert!(put(&db, keyed(4)).await);
    })
    .await;
}

#[tokio::test]
async fn a_node_that_starts_again_takes_over_what_it_had_claimed_and_nothing_of_others() {
    on_each_engine(async |db| {
        let random = SeededRandom::new(1);
        let nodes = [NodeId::from_bytes([1; 16]), NodeId::from_bytes([2; 16])];
        put(&db, job(1, 1)).await;
        put(&db, job(1, 2)).await;
        for node in nodes {
            let lease = Lease::draw(node, &random);
            let claiming =
                db.write(move |tx| Box::pin(claim(tx, "extract", lease, at(0), at(60), ATTEMPTS_MAX)));
            claiming.await.unwrap().unwrap();
        }
        let over =
            async |of: Option<NodeId>| db.write(move |tx| Box::pin(take_over(tx, of, at(1)))).await.unwrap();
        assert_eq!(over(Some(nodes[1])).await, 1);
        assert_eq!(over(Some(nodes[1])).await, 0);
        let again = take(&db, 9, 1).await;
        assert_eq!((number(again.as_ref()), again.unwrap().attempt), (Some(2), 2));
        assert_eq!(take(&db, 9, 1).await, None);
        assert_eq!(over(None).await, 2);
    })
    .await;
}
