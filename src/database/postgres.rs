//! PostgreSQL: a pool of connections, each work in a transaction of its own; the server commits them in groups.

use std::str::FromStr as _;
use std::time::Duration;

use futures_util::future::BoxFuture;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{ConnectOptions as _, Connection as _};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;

use super::error::DatabaseError;
use super::migrate::{self, Schema};
use super::tx::{Link, Tx};
use super::work::attempt;

/// How long a work waits for a connection before the database counts as unavailable.
const ACQUIRE: Duration = Duration::from_secs(5);
/// Connections of this process.
const CONNECTIONS_MAX: u32 = 16;

/// The pool of one database.
pub(super) struct Postgres {
    pool: PgPool,
    /// One for each connection. The pool turns away those who wait for it when it closes; here they are served.
    places: Semaphore,
}

impl Postgres {
    /// Connects and brings the schema up to date. Commits are durable whatever the server's default is.
    pub(super) async fn open(url: &str, schema: &Schema) -> Result<Self, DatabaseError> {
        let options = PgConnectOptions::from_str(url)?
            .application_name("stammbuch")
            .statement_cache_capacity(500)
            .options([("synchronous_commit", "on"), ("lock_timeout", "10s"), ("timezone", "UTC")])
            .disable_statement_logging();
        let mut link = options.connect().await?;
        migrate::postgres(&mut link, schema).await?;
        link.close().await?;
        let pool = PgPoolOptions::new().max_connections(CONNECTIONS_MAX).acquire_timeout(ACQUIRE);
        Ok(Self { pool: pool.connect_lazy_with(options), places: Semaphore::new(CONNECTIONS_MAX as usize) })
    }

    /// Runs `work` in a transaction at the server's default level (read committed).
    pub(super) async fn write<T, E, F>(&self, work: F) -> Result<T, E>
    where
        F: for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Result<T, E>>,
        E: From<DatabaseError>,
    {
        let _place = self.place().await?;
        let begun = self.pool.begin().await.map_err(DatabaseError::from)?;
        let mut tx = Tx::new(Link::Postgres(begun));
        let outcome = attempt(work, &mut tx).await;
        end(tx, outcome).await
    }

    /// Runs `work` in a read-only transaction that sees one state of the database.
    pub(super) async fn read<T, E, F>(&self, work: F) -> Result<T, E>
    where
        F: for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Result<T, E>>,
        E: From<DatabaseError>,
    {
        let _place = self.place().await?;
        let begun = self.pool.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await;
        let mut tx = Tx::new(Link::Postgres(begun.map_err(DatabaseError::from)?));
        let outcome = attempt(work, &mut tx).await;
        end(tx, outcome).await
    }

    /// See [`super::Database::scrub`].
    pub(super) async fn scrub(&self) -> Result<(), DatabaseError> {
        let _place = self.place().await?;
        let mut link = self.pool.acquire().await?;
        sqlx::raw_sql("VACUUM").execute(&mut *link).await?;
        Ok(())
    }

    async fn place(&self) -> Result<SemaphorePermit<'_>, DatabaseError> {
        let waited = timeout(ACQUIRE, self.places.acquire()).await;
        let reason = || format!("no connection became free within {ACQUIRE:?}");
        waited
            .map_err(|_| DatabaseError::Unavailable { reason: reason() })?
            .map_err(|_| DatabaseError::Closed)
    }

    /// Waits for the works that run and closes all connections.
    pub(super) async fn close(&self) {
        let all = self.places.acquire_many(CONNECTIONS_MAX).await;
        self.places.close();
        drop(all);
        self.pool.close().await;
    }
}

async fn end<T, E: From<DatabaseError>>(tx: Tx, outcome: Result<T, E>) -> Result<T, E> {
    let Link::Postgres(transaction) = tx.link else { return outcome };
    match outcome {
        Ok(value) => {
            transaction.commit().await.map_err(DatabaseError::from)?;
            Ok(value)
        }
        Err(error) => {
            // If the connection is gone, the server rolls back by itself.
            let _ = transaction.rollback().await;
            Err(error)
        }
    }
}
