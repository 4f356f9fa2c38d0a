//! What the core promises, on both engines: durability, one savepoint per work, values, migrations, errors.

use std::collections::HashSet;
use std::sync::Arc;

use futures_util::future::join_all;
use jiff::Timestamp;
use tokio::sync::Notify;

use super::testing::{on_each_engine, on_each_engine_by_url};
use super::{Database, DatabaseError, Tx, sql};
use crate::domain::digest::Sha256;
use crate::domain::ids::AuthorityId;

fn authority(n: u8) -> AuthorityId {
    AuthorityId::from_bytes([n; 16])
}

async fn insert(tx: &mut Tx, n: u8) -> Result<u64, DatabaseError> {
    sql("INSERT INTO authorities (id, specimen, created_at) VALUES ($1, $2, $3)")
        .bind(authority(n))
        .bind(true)
        .bind(Timestamp::UNIX_EPOCH)
        .execute(tx)
        .await
}

fn insert_later(tx: &mut Tx, n: u8) {
    sql("INSERT INTO authorities (id, specimen, created_at) VALUES ($1, $2, $3)")
        .bind(authority(n))
        .bind(true)
        .bind(0)
        .later(tx);
}

/// Reads and writes what follows from it, as a work may only do under a key.
async fn count_up(tx: &mut Tx) -> Result<u64, DatabaseError> {
    tx.serialize_on("a counter").await?;
    let last = sql("SELECT last FROM journal_counters").one(tx).await?.i64("last")?;
    sql("UPDATE journal_counters SET last = $1").bind(last + 1).execute(tx).await
}

async fn present(database: &Database) -> HashSet<AuthorityId> {
    let read = database.read(|tx| Box::pin(sql("SELECT id FROM authorities").all(tx)));
    let rows = read.await.unwrap();
    rows.iter().map(|row| row.id("id").unwrap()).collect()
}

#[tokio::test]
async fn what_is_written_is_read_back() {
    on_each_engine(async |db| {
        db.write(|tx| Box::pin(insert(tx, 1))).await.unwrap();
        assert_eq!(present(&db).await, HashSet::from([authority(1)]));
    })
    .await;
}

#[tokio::test]
async fn every_kind_of_value_comes_back_as_it_was() {
    on_each_engine(async |db| {
        let at = Timestamp::from_microsecond(1_700_000_000_123_456).unwrap();
        let digest = Sha256::of(b"x");
        db.write::<_, DatabaseError, _>(move |tx| {
            Box::pin(async move {
                insert(tx, 1).await?;
                sql("INSERT INTO objects (id, authority, sha256, cipher_sha256, size, format, created_at)
                     VALUES ($1, $2, $3, $4, $5, $6, $7)")
                .bind([9; 16])
                .bind(authority(1))
                .bind(digest)
                .bind(Sha256::of(b""))
                .bind(u64::try_from(i64::MAX).unwrap())
                .bind(1)
                .bind(at)
                .execute(tx)
                .await
            })
        })
        .await
        .unwrap();
        let row = db
            .read(|tx| Box::pin(sql("SELECT * FROM objects WHERE sha256 = $1").bind(digest).one(tx)))
            .await
            .unwrap();
        assert_eq!(row.get::<[u8; 16]>("id").unwrap(), [9; 16]);
        assert_eq!(row.id::<AuthorityId>("authority").unwrap(), authority(1));
        assert_eq!(row.get::<Sha256>("sha256").unwrap(), digest);
        assert_eq!(row.get::<u64>("size").unwrap(), i64::MAX as u64);
        assert_eq!(row.time("created_at").unwrap(), at);
        assert!(matches!(row.get::<u8>("size"), Err(DatabaseError::Column { .. })));
        assert!(matches!(row.get::<[u8; 32]>("id"), Err(DatabaseError::Column { .. })));
        assert!(matches!(row.i64("no_such_column"), Err(DatabaseError::Column { .. })));
        assert!(matches!(row.text("size"), Err(DatabaseError::Column { .. })));
    })
    .await;
}

#[tokio::test]
async fn null_is_bound_with_the_type_of_its_column_and_read_as_an_option() {
    on_each_engine(async |db| {
        db.write::<_, DatabaseError, _>(|tx| {
            Box::pin(async {
                sql("INSERT INTO jobs (id, authority, kind, unique_key, payload, created_at, due_at, lease, poisoned_at)
                     VALUES ($1, $2, 'k', $3, '{}', 0, 0, $4, $5)")
                .bind([1; 16])
                .bind(authority(1))
                .bind(None::<String>)
                .bind(None::<[u8; 16]>)
                .bind(None::<i64>)
                .execute(tx)
                .await
            })
        })
        .await
        .unwrap();
        let row = db.read(|tx| Box::pin(sql("SELECT * FROM jobs").one(tx))).await.unwrap();
        assert_eq!(row.get::<Option<String>>("unique_key"), Ok(None));
        assert_eq!(row.get::<Option<[u8; 16]>>("lease"), Ok(None));
        assert_eq!(row.get::<Option<i64>>("poisoned_at"), Ok(None));
        assert_eq!(row.get::<Option<String>>("payload"), Ok(Some("{}".to_owned())));
        assert!(matches!(row.text("unique_key"), Err(DatabaseError::Column { .. })));
    })
    .await;
}

#[tokio::test]
async fn a_number_above_63_bits_is_refused() {
    on_each_engine(async |db| {
        let refused = db
            .write(|tx| {
                Box::pin(sql("INSERT INTO log_state (size) VALUES ($1)").bind(1u64 << 63).execute(tx))
            })
            .await;
        assert_eq!(refused, Err(DatabaseError::TooLarge { got: 1 << 63 }));
    })
    .await;
}

#[tokio::test]
async fn a_work_that_fails_takes_only_its_own_rows_back() {
    on_each_engine(async |db| {
        let outcomes = join_all((0..100u8).map(|n| {
            db.write::<_, DatabaseError, _>(move |tx| {
                Box::pin(async move {
                    insert(tx, n).await?;
                    if n % 3 == 0 { Err(DatabaseError::NoRow) } else { Ok(n) }
                })
            })
        }))
        .await;
        for (n, outcome) in (0..100u8).zip(outcomes) {
            let expected = if n % 3 == 0 { Err(DatabaseError::NoRow) } else { Ok(n) };
            assert_eq!(outcome, expected);
        }
        let expected = (0..100).filter(|n| n % 3 != 0).map(authority).collect();
        assert_eq!(present(&db).await, expected);
    })
    .await;
}

#[tokio::test]
async fn a_failed_statement_ends_its_work_even_if_it_is_passed_over() {
    on_each_engine(async |db| {
        db.write(|tx| Box::pin(insert(tx, 1))).await.unwrap();
        let outcome = db
            .write::<_, DatabaseError, _>(|tx| {
                Box::pin(async {
                    insert(tx, 2).await?;
                    let twice = insert(tx, 1).await.unwrap_err();
                    assert!(twice.is_unique(), "{twice}");
                    assert!(matches!(insert(tx, 3).await, Err(DatabaseError::AfterFailure(_))));
                    Ok(())
                })
            })
            .await;
        assert!(matches!(outcome, Err(DatabaseError::AfterFailure(_))), "{outcome:?}");
        assert_eq!(present(&db).await, HashSet::from([authority(1)]));
    })
    .await;
}

#[tokio::test]
async fn what_is_left_for_later_is_there_before_the_next_statement_and_after_the_commit() {
    on_each_engine(async |db| {
        let counted = db
            .write::<_, DatabaseError, _>(|tx| {
                Box::pin(async {
                    for n in 0..3 {
                        insert_later(tx, n);
                    }
                    let before =
                        "SELECT COUNT(*) AS n FROM authorities WHERE specimen = $1 AND created_at = $2";
                    let counted = sql(before).bind(true).bind(0).one(tx).await?.i64("n")?;
                    insert_later(tx, 3);
                    assert_eq!(insert(tx, 4).await?, 1);
                    insert_later(tx, 5);
                    Ok(counted)
                })
            })
            .await;
        assert_eq!(counted, Ok(3));
        assert_eq!(present(&db).await, (0..6).map(authority).collect());
    })
    .await;
}

#[tokio::test]
async fn what_is_left_for_later_and_fails_takes_its_own_work_back_and_no_other() {
    on_each_engine(async |db| {
        db.write(|tx| Box::pin(insert(tx, 0))).await.unwrap();
        let outcomes = join_all((1..40u8).map(|n| {
            db.write::<_, DatabaseError, _>(move |tx| {
                Box::pin(async move {
                    insert_later(tx, n);
                    if n % 3 == 0 {
                        insert_later(tx, 0);
                    }
                    if n % 5 == 0 { Err(DatabaseError::NoRow) } else { Ok(n) }
                })
            })
        }))
        .await;
        for (n, outcome) in (1..40u8).zip(outcomes) {
            match outcome {
                Ok(kept) => assert!(kept == n && n % 3 != 0 && n % 5 != 0, "{n}"),
                Err(DatabaseError::NoRow) => assert_eq!(n % 5, 0),
                Err(refused) => assert!(refused.is_unique() && n % 3 == 0, "{n}: {refused}"),
            }
        }
        assert_eq!(
            present(&db).await,
            (0..40).filter(|n| *n == 0 || n % 3 != 0 && n % 5 != 0).map(authority).collect()
        );
    })
    .await;
}

#[tokio::test]
async fn any_number_of_statements_can_be_left_for_later() {
    on_each_engine(async |db| {
        for count in [15, 16, 17, 31, 32, 33, 200] {
            db.write::<_, DatabaseError, _>(move |tx| {
                Box::pin(async move {
                    (0..count).for_each(|n| insert_later(tx, n));
                    assert_eq!(
                        sql("SELECT COUNT(*) AS n FROM authorities").one(tx).await?.i64("n")?,
                        i64::from(count)
                    );
                    sql("DELETE FROM authorities").later(tx);
                    (0..count).for_each(|n| insert_later(tx, n));
                    Ok(())
                })
            })
            .await
            .unwrap();
            assert_eq!(present(&db).await.len(), usize::from(count));
            db.write(|tx| Box::pin(sql("DELETE FROM authorities").execute(tx))).await.unwrap();
        }
    })
    .await;
}

#[tokio::test]
async fn a_statement_after_one_that_was_left_for_later_and_fails_says_so() {
    on_each_engine(async |db| {
        let outcome = db
            .write::<(), DatabaseError, _>(|tx| {
                Box::pin(async {
                    insert_later(tx, 1);
                    insert_later(tx, 1);
                    let next = insert(tx, 2).await.unwrap_err();
                    assert!(next.is_unique(), "{next}");
                    Ok(())
                })
            })
            .await;
        assert!(matches!(outcome, Err(DatabaseError::AfterFailure(_))), "{outcome:?}");
        assert_eq!(present(&db).await, HashSet::new());
    })
    .await;
}

#[tokio::test]
async fn a_work_that_panics_is_rolled_back_and_the_next_one_runs() {
    on_each_engine(async |db| {
        let outcome = db
            .write::<(), DatabaseError, _>(|tx| {
                Box::pin(async {
                    insert(tx, 1).await?;
                    panic!("a test's own panic");
                })
            })
            .await;
        assert_eq!(outcome, Err(DatabaseError::Panicked));
        db.write(|tx| Box::pin(insert(tx, 2))).await.unwrap();
        assert_eq!(present(&db).await, HashSet::from([authority(2)]));
    })
    .await;
}

#[tokio::test]
async fn rules_of_the_tables_have_their_own_errors() {
    on_each_engine(async |db| {
        for broken in [
            "INSERT INTO authorities (id, specimen, created_at) VALUES ($1, 2, 0)",
            "INSERT INTO journal_counters (authority, last) VALUES ($1, 0)",
            "INSERT INTO authorities (id, specimen, created_at) VALUES ($1, NULL, 0)",
        ] {
            let refused = db.write(|tx| Box::pin(sql(broken).bind(authority(1)).execute(tx))).await;
            assert!(matches!(refused, Err(DatabaseError::Rule { .. })), "{broken}: {refused:?}");
        }
        let mistake = db.write(|tx| Box::pin(sql("SELEKT 1").execute(tx))).await;
        assert!(matches!(mistake, Err(DatabaseError::Statement(_))), "{mistake:?}");
    })
    .await;
}

#[tokio::test]
async fn a_reader_cannot_write() {
    on_each_engine(async |db| {
        assert!(db.read(|tx| Box::pin(insert(tx, 1))).await.is_err());
        assert_eq!(present(&db).await, HashSet::new());
    })
    .await;
}

#[tokio::test]
async fn a_reader_sees_one_state_while_others_write() {
    on_each_engine(async |db| {
        let (seen, written) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let reading = db.read::<_, DatabaseError, _>(|tx| {
            let (seen, written) = (Arc::clone(&seen), Arc::clone(&written));
            Box::pin(async move {
                let count = "SELECT COUNT(*) AS n FROM authorities";
                let before = sql(count).one(tx).await?.i64("n")?;
                seen.notify_one();
                written.notified().await;
                Ok((before, sql(count).one(tx).await?.i64("n")?))
            })
        });
        let writing = async {
            seen.notified().await;
            db.write(|tx| Box::pin(insert(tx, 1))).await.unwrap();
            written.notify_one();
        };
        assert_eq!(tokio::join!(reading, writing).0, Ok((0, 0)));
        assert_eq!(present(&db).await.len(), 1);
    })
    .await;
}

#[tokio::test]
async fn works_that_serialize_on_one_key_lose_no_update() {
    on_each_engine(async |db| {
        db.write::<_, DatabaseError, _>(|tx| {
            Box::pin(async {
                insert(tx, 1).await?;
                sql("INSERT INTO journal_counters (authority, last) VALUES ($1, 0)")
                    .bind(authority(1))
                    .execute(tx)
                    .await
            })
        })
        .await
        .unwrap();
        for outcome in join_all((0..50).map(|_| db.write(|tx| Box::pin(count_up(tx))))).await {
            assert_eq!(outcome, Ok(1));
        }
        let row = db.read(|tx| Box::pin(sql("SELECT last FROM journal_counters").one(tx))).await.unwrap();
        assert_eq!(row.i64("last"), Ok(50));
    })
    .await;
}

#[tokio::test]
async fn closing_finishes_what_was_accepted_and_refuses_what_comes_later() {
    on_each_engine(async |db| {
        let accepted = join_all((0..50u8).map(|n| db.write(move |tx| Box::pin(insert(tx, n)))));
        let (outcomes, ()) = tokio::join!(accepted, db.close());
        assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
        let late = db.write(|tx| Box::pin(insert(tx, 99))).await;
        assert_eq!(late, Err(DatabaseError::Closed));
        assert!(late.unwrap_err().is_unavailable());
    })
    .await;
}

#[tokio::test]
async fn opening_twice_applies_the_schema_once() {
    on_each_engine_by_url(async |url| {
        for n in 0..3 {
            let db = Database::open(&url).await.unwrap();
            db.write(move |tx| Box::pin(insert(tx, n))).await.unwrap();
            assert_eq!(present(&db).await.len(), usize::from(n) + 1);
            db.close().await;
        }
    })
    .await;
}

#[tokio::test]
async fn programs_that_start_together_do_not_collide() {
    on_each_engine_by_url(async |url| {
        let opened = join_all((0..4).map(|_| Database::open(&url))).await;
        for (n, db) in (0..).zip(opened) {
            let db = db.unwrap();
            db.write(move |tx| Box::pin(insert(tx, n))).await.unwrap();
            db.close().await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_migration_that_was_changed_or_is_unknown_is_refused() {
    on_each_engine_by_url(async |url| {
        let db = Database::open(&url).await.unwrap();
        db.write(|tx| Box::pin(sql("UPDATE schema_migrations SET digest = 'other'").execute(tx)))
            .await
            .unwrap();
        db.close().await;
        let changed = Database::open(&url).await.err().unwrap();
        assert!(
            changed.to_string().starts_with("migration main 1 was applied from another file"),
            "{changed}"
        );
    })
    .await;
    on_each_engine_by_url(async |url| {
        let db = Database::open(&url).await.unwrap();
        let newer = "INSERT INTO schema_migrations (schema_name, number, digest) VALUES ('main', 9999, '')";
        db.write(move |tx| Box::pin(sql(newer).execute(tx))).await.unwrap();
        db.close().await;
        let unknown = Database::open(&url).await.err().unwrap();
        assert!(unknown.to_string().contains("9999, which this program does not know"), "{unknown}");
    })
    .await;
}

#[tokio::test]
async fn the_keystore_is_a_database_of_its_own() {
    on_each_engine_by_url(async |url| {
        let keystore = Database::open_keystore(&url).await.unwrap();
        let insert = "INSERT INTO wrapped_keys (object_id, authority, key_id, wrapped, created_at)
                      VALUES ($1, $2, 'k1', $3, 0)";
        let wrapped = vec![7u8; 60];
        keystore
            .write(move |tx| Box::pin(sql(insert).bind([1; 16]).bind(authority(1)).bind(wrapped).execute(tx)))
            .await
            .unwrap();
        assert!(keystore.read(|tx| Box::pin(sql("SELECT * FROM documents").all(tx))).await.is_err());
        keystore.close().await;
    })
    .await;
}

#[tokio::test]
async fn an_address_of_neither_form_is_refused() {
    for bad in ["", "sqlite:", "mysql://x", "/path", "postgres:x"] {
        let refused = Database::open(bad).await.err();
        assert!(matches!(refused, Some(DatabaseError::Address { .. })), "{bad}: {refused:?}");
    }
    let folder = tempfile::tempdir().unwrap();
    let nowhere =
        Database::open(&format!("sqlite:{}/missing/x.sqlite", folder.path().display())).await.err().unwrap();
    assert!(nowhere.is_unavailable(), "{nowhere}");
}
