//! What the core promises when things go wrong: killed in the middle, locked by another program, full, cut off.

use std::collections::HashSet;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use futures_util::future::join_all;
use sqlx::{Connection as _, Executor as _};

use super::testing::{authority, on_each_engine_by_url};
use super::{Database, DatabaseError, MAIN, Tx, sql};
use crate::domain::ids::AuthorityId;

/// Where the child of the crash test finds its database.
const CHILD: &str = "STAMMBUCH_CRASH_TEST_DATABASE";

async fn insert(tx: &mut Tx, id: [u8; 16]) -> Result<(), DatabaseError> {
    sql("INSERT INTO authorities (id, specimen, created_at) VALUES ($1, 1, 0)").bind(id).execute(tx).await?;
    // The second half of the work: both are there, or neither.
    sql("INSERT INTO journal_counters (authority, last) VALUES ($1, 1)").bind(id).later(tx);
    Ok(())
}

fn numbered(round: u32, n: u64) -> [u8; 16] {
    (u128::from(round) << 64 | u128::from(n)).to_be_bytes()
}

/// Not a test: what the crash test kills. Writes as fast as it can and says what was acknowledged.
#[test]
#[ignore = "the crash test runs it as a child"]
fn child_that_writes_until_it_is_killed() {
    #[expect(clippy::disallowed_methods, reason = "the parent passes the address of its database")]
    let Ok(task) = std::env::var(CHILD) else { return };
    let (round, url) = task.split_once(' ').unwrap();
    let round: u32 = round.parse().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let db = Database::open(url).await.unwrap();
        join_all((0..16u64).map(|caller| {
            let db = &db;
            async move {
                for n in 0.. {
                    let id = numbered(round, n * 16 + caller);
                    db.write(move |tx| Box::pin(insert(tx, id))).await.unwrap();
                    println!("acknowledged {}", hex::encode(id));
                }
            }
        }))
        .await;
    });
}

/// Starts the child, reads `count` acknowledgements and kills it in the middle of the next ones.
fn acknowledged_before_the_kill(url: &str, round: u32, count: usize) -> HashSet<AuthorityId> {
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "database::fault_tests::child_that_writes_until_it_is_killed"])
        .args(["--ignored", "--nocapture"])
        .env(CHILD, format!("{round} {url}"))
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn();
    let mut child = child.unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let id = |line: String| {
        let (_, id) = line.split_once("acknowledged ")?;
        id.parse().ok()
    };
    let mut acknowledged: HashSet<AuthorityId> =
        lines.by_ref().map_while(Result::ok).filter_map(id).take(count).collect();
    child.kill().unwrap();
    // What it had said before it died counts too; a line cut short does not parse.
    acknowledged.extend(lines.map_while(Result::ok).filter_map(id));
    child.wait().unwrap();
    acknowledged
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_is_there_after_the_process_was_killed() {
    on_each_engine_by_url(async |url| {
        let mut acknowledged = HashSet::new();
        for round in 0..5 {
            let said = acknowledged_before_the_kill(&url, round, 100 + 37 * round as usize);
            assert!(said.len() >= 100, "the child said only {}", said.len());
            acknowledged.extend(said);
            let db = Database::open(&url).await.unwrap();
            let query = "SELECT authorities.id AS id, last FROM authorities
                         LEFT JOIN journal_counters ON authority = authorities.id";
            let rows = db.read(|tx| Box::pin(sql(query).all(tx))).await.unwrap();
            let present: HashSet<AuthorityId> = rows.iter().map(|row| row.id("id").unwrap()).collect();
            assert!(acknowledged.is_subset(&present), "acknowledged and lost in round {round}");
            assert!(rows.iter().all(|row| row.i64("last") == Ok(1)), "half a work in round {round}");
            db.close().await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_programs_that_write_to_one_database_lose_nothing() {
    on_each_engine_by_url(async |url| {
        let both = [Database::open(&url).await.unwrap(), Database::open(&url).await.unwrap()];
        let writing = both.iter().zip(0..).map(async |(db, round)| {
            for n in 0..20 {
                let at_once = (0..10).map(|caller| {
                    let id = numbered(round, n * 10 + caller);
                    db.write(move |tx| Box::pin(insert(tx, id)))
                });
                assert!(join_all(at_once).await.iter().all(Result::is_ok));
            }
        });
        join_all(writing).await;
        let [first, second] = &both;
        let count =
            first.read(|tx| Box::pin(sql("SELECT COUNT(*) AS n FROM authorities").one(tx))).await.unwrap();
        assert_eq!(count.i64("n"), Ok(400));
        first.close().await;
        second.close().await;
    })
    .await;
}

async fn small_sqlite(folder: &Path, busy: Duration) -> (Database, String) {
    let url = format!("sqlite:{}/fault.sqlite", folder.display());
    (Database::open_with(&url, &MAIN, busy).await.unwrap(), url)
}

#[tokio::test]
async fn a_database_locked_by_another_program_is_unavailable_to_all_who_wait_and_works_again_later() {
    let folder = tempfile::tempdir().unwrap();
    let (db, url) = small_sqlite(folder.path(), Duration::from_millis(50)).await;
    let mut other = sqlx::SqliteConnection::connect(&url).await.unwrap();
    other.execute("BEGIN IMMEDIATE").await.unwrap();
    let refused = join_all((0..20).map(|n| db.write(move |tx| Box::pin(insert(tx, numbered(0, n)))))).await;
    for outcome in refused {
        let error = outcome.unwrap_err();
        assert!(matches!(error, DatabaseError::Unavailable { .. }), "{error}");
        assert_eq!(error.to_string(), "the database does not answer: database is locked (5)");
    }
    // Reading goes on meanwhile.
    db.read(|tx| Box::pin(sql("SELECT 1 AS one").one(tx))).await.unwrap();
    other.execute("ROLLBACK").await.unwrap();
    db.write(|tx| Box::pin(insert(tx, numbered(0, 99)))).await.unwrap();
    db.close().await;
}

#[tokio::test]
async fn a_full_database_refuses_the_work_that_does_not_fit_and_takes_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let (db, _) = small_sqlite(folder.path(), Duration::from_secs(5)).await;
    db.write(|tx| Box::pin(sql("PRAGMA max_page_count = 300").execute(tx))).await.unwrap();
    let outcomes = join_all((0..12u64).map(|n| {
        db.write::<_, DatabaseError, _>(move |tx| {
            Box::pin(async move {
                insert(tx, numbered(0, n)).await?;
                let filler = "x".repeat(if n % 4 == 3 { 4_000_000 } else { 10 });
                sql("INSERT INTO jobs (id, authority, kind, payload, created_at, due_at)
                     VALUES ($1, $1, 'k', $2, 0, 0)")
                .bind(numbered(0, n))
                .bind(filler)
                .execute(tx)
                .await
            })
        })
    }))
    .await;
    let mut kept = HashSet::new();
    for (n, outcome) in (0..).zip(outcomes) {
        match outcome {
            Ok(_) => {
                kept.insert(AuthorityId::from_bytes(numbered(0, n)));
            }
            // A full disk may take the works of the same commit with it: they were not acknowledged either.
            Err(error) => assert!(error.is_unavailable(), "{n}: {error}"),
        }
    }
    db.write(|tx| Box::pin(insert(tx, numbered(1, 0)))).await.unwrap();
    kept.insert(AuthorityId::from_bytes(numbered(1, 0)));
    let rows = db.read(|tx| Box::pin(sql("SELECT id FROM authorities").all(tx))).await.unwrap();
    assert_eq!(rows.iter().map(|row| row.id("id").unwrap()).collect::<HashSet<AuthorityId>>(), kept);
    db.close().await;
}

#[tokio::test]
async fn the_file_of_a_new_database_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let (db, _) = small_sqlite(folder.path(), Duration::from_secs(5)).await;
    db.write(|tx| Box::pin(insert(tx, numbered(0, 0)))).await.unwrap();
    for file in ["fault.sqlite", "fault.sqlite-wal"] {
        let mode = std::fs::metadata(folder.path().join(file)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
    db.close().await;
    assert!(!folder.path().join("fault.sqlite-wal").exists(), "a clean close leaves no WAL behind");
}

#[tokio::test]
async fn a_connection_that_is_cut_off_is_unavailable_and_the_next_work_gets_another() {
    on_each_engine_by_url(async |url| {
        if url.starts_with("sqlite:") {
            return;
        }
        let db = Database::open(&url).await.unwrap();
        let cut = "SELECT CAST(pg_terminate_backend(pg_backend_pid()) AS TEXT)";
        let outcome = db
            .write::<_, DatabaseError, _>(move |tx| {
                Box::pin(async move {
                    insert(tx, numbered(0, 0)).await?;
                    sql(cut).execute(tx).await
                })
            })
            .await;
        let error = outcome.unwrap_err();
        assert!(error.is_unavailable(), "{error}");
        db.write(|tx| Box::pin(insert(tx, numbered(0, 1)))).await.unwrap();
        let rows = db.read(|tx| Box::pin(sql("SELECT id FROM authorities").all(tx))).await.unwrap();
        assert_eq!(rows.len(), 1);
        db.close().await;
    })
    .await;
}

#[tokio::test]
async fn a_caller_that_goes_away_does_not_stop_the_others() {
    on_each_engine_by_url(async |url| {
        let db = Database::open(&url).await.unwrap();
        for n in 0..10 {
            let going = db.write(move |tx| Box::pin(insert(tx, numbered(0, n))));
            let staying = db.write(move |tx| Box::pin(insert(tx, numbered(1, n))));
            tokio::select! {
                biased;
                _ = going => {}
                () = std::future::ready(()) => {}
            }
            staying.await.unwrap();
        }
        let query = "SELECT COUNT(*) AS n FROM authorities WHERE id >= $1";
        let staying = db.read(|tx| Box::pin(sql(query).bind(numbered(1, 0)).one(tx))).await.unwrap();
        assert_eq!(staying.i64("n"), Ok(10));
        assert!(db.read(|tx| Box::pin(sql(query).bind(authority(0)).one(tx))).await.is_ok());
        db.close().await;
    })
    .await;
}
