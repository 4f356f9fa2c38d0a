//! SQL lives only here: one `Database` over SQLite (embedded, default) or PostgreSQL, with shared query text.
//!
//! Integers, texts and bytes only; instants are microseconds since 1970 UTC, identifiers 16 bytes, JSON is text.
//! Knows no HTTP, no object store, no index.

pub mod audit;
pub mod authorities;
pub mod backups;
mod bind;
pub mod certificates;
pub mod comparison;
pub mod direct_uploads;
pub mod documents;
pub mod dump;
pub mod entries;
pub mod erasures;
mod error;
pub mod export;
#[cfg(test)]
mod fault_tests;
pub mod gather;
pub mod held;
pub mod idempotency;
pub mod incoming;
pub mod index;
pub mod index_changes;
#[cfg(test)]
pub(crate) mod index_testing;
#[cfg(test)]
pub(crate) mod issuance_testing;
pub mod jobs;
pub mod journal;
pub mod keeping;
pub mod keystore;
pub mod log;
mod migrate;
pub mod orders;
mod postgres;
mod presence;
pub mod quarantine;
mod row;
pub mod sources;
mod sqlite;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod tx;
pub mod uploads;
pub mod verification;
mod work;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

pub use bind::{Bind, Value};
pub use dump::{LoadError, Loading, Sink};
pub use error::DatabaseError;
pub use migrate::MigrationError;
pub use row::{FromColumn, Row};
pub use tx::{Statement, Tx, insert_rows, sql, sql_from};

use migrate::{KEYSTORE, MAIN, Schema};

/// A database of this installation. Clones share it.
#[derive(Clone)]
pub struct Database {
    engine: Arc<Engine>,
    /// The one it was opened on.
    runtime: Handle,
}

/// The two databases of an installation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// The rows.
    Main,
    /// The wrapped keys.
    Keystore,
}

enum Engine {
    Sqlite(sqlite::Sqlite),
    Postgres(postgres::Postgres),
}

impl Database {
    /// Opens `sqlite:PATH` (created if missing, its folder is not) or `postgres://…` and applies what is missing
    /// of the schema. Must be called on a tokio runtime that lives as long as the database.
    pub async fn open(url: &str) -> Result<Self, DatabaseError> {
        Self::open_with(url, &MAIN, sqlite::BUSY).await
    }

    /// Opens a database with these migrations and no others, to take rows in that were written from such a one. Opened
    /// as usual afterwards, it gets the others.
    pub async fn open_as_of(url: &str, which: Which, migrations: &[i64]) -> Result<Self, DatabaseError> {
        let schema = match which {
            Which::Main => &MAIN,
            Which::Keystore => &KEYSTORE,
        };
        Self::open_with(url, &schema.as_of(migrations)?, sqlite::BUSY).await
    }

    /// As [`Self::open`], for the database of the wrapped keys.
    pub async fn open_keystore(url: &str) -> Result<Self, DatabaseError> {
        Self::open_with(url, &KEYSTORE, sqlite::BUSY).await
    }

    async fn open_with(url: &str, schema: &Schema, busy: Duration) -> Result<Self, DatabaseError> {
        let engine = if let Some(path) = url.strip_prefix("sqlite:").filter(|path| !path.is_empty()) {
            Engine::Sqlite(sqlite::Sqlite::open(Path::new(path), schema, busy).await?)
        } else if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            Engine::Postgres(postgres::Postgres::open(url, schema).await?)
        } else {
            let scheme = url.split(':').next().unwrap_or_default();
            return Err(DatabaseError::Address { reason: format!("unknown scheme {scheme:?}") });
        };
        Ok(Self { engine: Arc::new(engine), runtime: Handle::current() })
    }

    /// Runs `work` in a transaction. `Ok` means committed and durable; `Err` of the work means that nothing of it
    /// was kept, as does a failed statement that the work passed over.
    ///
    /// On SQLite works never overlap: one writer runs what is queued and commits it with one sync. So a work does
    /// nothing but statements: whatever else it waits for, all others wait for too. On PostgreSQL works do overlap
    /// (read committed): see [`Tx::serialize_on`].
    pub async fn write<T, E, F>(&self, work: F) -> Result<T, E>
    where
        F: for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Result<T, E>> + Send + 'static,
        T: Send + 'static,
        E: From<DatabaseError> + Send + 'static,
    {
        match &*self.engine {
            Engine::Postgres(engine) => engine.write(work).await,
            Engine::Sqlite(engine) => {
                let (caller, answer) = oneshot::channel();
                engine.enqueue(Box::new(work::Queued { work, caller })).await?;
                answer.await.unwrap_or_else(|_| Err(DatabaseError::Closed.into()))
            }
        }
    }

    /// Runs `work` on a connection that cannot write; all its statements see the same state of the database.
    pub async fn read<T, E, F>(&self, work: F) -> Result<T, E>
    where
        F: for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Result<T, E>>,
        E: From<DatabaseError>,
    {
        match &*self.engine {
            Engine::Postgres(engine) => engine.read(work).await,
            Engine::Sqlite(engine) => {
                let mut reader = engine.reader().await?;
                let outcome = work::attempt(work, &mut reader.tx).await;
                reader.finish().await;
                outcome
            }
        }
    }

    /// Whether the database answers a read and lets itself be written: a lock that another program holds shows here.
    pub async fn ping(&self) -> Result<(), DatabaseError> {
        self.read(|tx| Box::pin(async move { sql("SELECT 1 AS one").one(tx).await.map(drop) })).await?;
        self.write(|tx| Box::pin(async move { sql("SELECT 1 AS one").one(tx).await.map(drop) })).await
    }

    /// Leaves nothing of rows that were deleted or changed in the database's own files, as far as it can.
    ///
    /// SQLite: all pages are written anew and the log is emptied; what is queued meanwhile waits, and the files need
    /// their size once more. PostgreSQL: `VACUUM`, after which old row versions are gone from the tables; their bytes
    /// may stay in unused parts of pages and in the write-ahead log until the server writes over them.
    pub async fn scrub(&self) -> Result<(), DatabaseError> {
        match &*self.engine {
            Engine::Sqlite(engine) => engine.scrub().await,
            Engine::Postgres(engine) => engine.scrub().await,
        }
    }

    /// Finishes what was accepted and closes the database; what comes later is refused with
    /// [`DatabaseError::Closed`].
    pub async fn close(&self) {
        match &*self.engine {
            Engine::Sqlite(engine) => engine.close().await,
            Engine::Postgres(engine) => engine.close().await,
        }
    }
}
