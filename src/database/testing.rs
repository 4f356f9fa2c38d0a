//! The suites of this folder run on both engines: each test gets an empty database of each.
//!
//! PostgreSQL takes part where `STAMMBUCH_TEST_POSTGRES` names a server on which databases may be created.

use std::process;
use std::sync::atomic::{AtomicU64, Ordering};

use sqlx::{Connection as _, Executor as _};

use super::Database;

/// Runs `test` on an empty SQLite database and, where a server is at hand, on an empty PostgreSQL one.
pub(crate) async fn on_each_engine(test: impl AsyncFn(Database)) {
    on_each_engine_by_url(async |url: String| {
        let database = Database::open(&url).await.unwrap();
        test(database.clone()).await;
        database.close().await;
    })
    .await;
}

/// As [`on_each_engine`], with the address of a database that is not opened yet.
pub(crate) async fn on_each_engine_by_url(test: impl AsyncFn(String)) {
    let folder = tempfile::tempdir().unwrap();
    test(format!("sqlite:{}/test.sqlite", folder.path().display())).await;
    let Some(server) = postgres_server() else {
        eprintln!("skipped on PostgreSQL: STAMMBUCH_TEST_POSTGRES names no server");
        return;
    };
    let name = fresh_name();
    let mut admin = sqlx::PgConnection::connect(&server).await.unwrap();
    admin.execute(sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"))).await.unwrap();
    test(with_database(&server, &name)).await;
    let dropped = admin.execute(sqlx::AssertSqlSafe(format!("DROP DATABASE {name} WITH (FORCE)"))).await;
    dropped.unwrap();
    admin.close().await.unwrap();
}

#[expect(
    clippy::disallowed_methods,
    reason = "tests have no configuration; this one variable chooses their server"
)]
fn postgres_server() -> Option<String> {
    std::env::var("STAMMBUCH_TEST_POSTGRES").ok().filter(|url| !url.is_empty())
}

fn fresh_name() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let folder = tempfile::Builder::new().prefix("").rand_bytes(8).tempdir().unwrap();
    let random = folder.path().file_name().unwrap().to_str().unwrap().to_lowercase();
    format!("stammbuch_test_{}_{}_{random}", process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

/// `postgres://user@host:port/any?options` with another database name.
fn with_database(server: &str, name: &str) -> String {
    let (address, options) = server.split_once('?').map_or((server, None), |(a, o)| (a, Some(o)));
    let host = address.splitn(4, '/').take(3).collect::<Vec<_>>().join("/");
    let options = options.map(|options| format!("?{options}")).unwrap_or_default();
    format!("{host}/{name}{options}")
}

/// The authority whose identifier is all `n`.
pub(crate) fn authority(n: u8) -> crate::domain::ids::AuthorityId {
    crate::domain::ids::AuthorityId::from_bytes([n; 16])
}

/// Makes the row of `authority(n)`, which others refer to.
pub(crate) async fn found(database: &Database, n: u8) {
    let found = database.write(move |tx| {
        Box::pin(super::authorities::found(tx, authority(n), true, jiff::Timestamp::UNIX_EPOCH))
    });
    found.await.unwrap();
}

/// The rows of a table.
pub(crate) async fn count(database: &Database, table: &'static str) -> usize {
    let text = format!("SELECT COUNT(*) AS n FROM {table}");
    let row = database.read::<_, super::DatabaseError, _>(|tx| Box::pin(super::sql_from(text).one(tx)));
    usize::try_from(row.await.unwrap().i64("n").unwrap()).unwrap()
}
