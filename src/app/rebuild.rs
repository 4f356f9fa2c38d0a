//! Rebuilding the search index from nothing: here, if nobody serves the installation, else by whoever does.

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::ground::open_vault;
use super::{ServeLock, StartError, objects, search};
use crate::config::Config;
use crate::database::{Database, DatabaseError, index as rows};
use crate::domain::clock::Clock;
use crate::domain::random::Random;
use crate::intake::index::{Indexer, IndexingError};
use crate::search::index::{TantivyBackend, TantivyLimits};

/// How often the server's progress is looked at.
const LOOK: Duration = Duration::from_millis(200);

/// Why the index was not rebuilt.
#[derive(Debug, thiserror::Error)]
pub enum RebuildError {
    /// The installation does not open.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The index job failed.
    #[error(transparent)]
    Indexing(#[from] IndexingError),
    /// The database does not answer.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// The server cannot be asked.
    #[error("the running server cannot be asked by {path}")]
    Request {
        /// The file.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The server has stopped before it was done.
    #[error("the server has stopped before the index was rebuilt; run this again")]
    ServerStopped,
}

/// Who rebuilt the index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RebuiltBy {
    /// This process.
    Here,
    /// The running server.
    Server,
}

/// Rebuilds it; `progress` is told how many changes (here) or documents (by the server) are left.
pub async fn rebuild(
    config: &Config,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    progress: &(dyn Fn(i64) + Sync),
) -> Result<RebuiltBy, RebuildError> {
    match ServeLock::take(&config.data_dir) {
        Ok(held) => here(config, held, clock, random, progress).await.map(|()| RebuiltBy::Here),
        Err(StartError::Served { .. }) => {
            by_server(config, clock, progress).await.map(|()| RebuiltBy::Server)
        }
        Err(error) => Err(error.into()),
    }
}

async fn here(
    config: &Config,
    _held: ServeLock,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    progress: &(dyn Fn(i64) + Sync),
) -> Result<(), RebuildError> {
    let database = open(config).await?;
    let url = config.database_url(&config.keystore.url);
    let failed = |source| StartError::Database { which: "keystore", source };
    let keystore = Database::open_keystore(&url).await.map_err(failed)?;
    let store = objects::open(config, &random).map_err(StartError::from)?.shared();
    let vault = open_vault(config, &store, &keystore, (&clock, &random)).await?;
    let folder = config.path(&config.search.folder);
    let limits = TantivyLimits { threads: 2, ..TantivyLimits::default() };
    let index = TantivyBackend::open(&folder, limits).map_err(StartError::from)?;
    let indexer = Indexer::new(database.clone(), vault, Arc::new(index), clock);
    indexer.clear().await?;
    let done = indexer.catch_up(progress).await;
    database.close().await;
    keystore.close().await;
    Ok(done?)
}

async fn by_server(
    config: &Config,
    clock: Arc<dyn Clock>,
    progress: &(dyn Fn(i64) + Sync),
) -> Result<(), RebuildError> {
    let database = open(config).await?;
    let request: PathBuf = search::request(config);
    let asked = File::create(&request);
    asked.map_err(|source| RebuildError::Request { path: request.display().to_string(), source })?;
    let since = clock.now();
    loop {
        if ServeLock::take(&config.data_dir).is_ok() {
            return Err(RebuildError::ServerStopped);
        }
        let missing = database.read(move |tx| Box::pin(rows::missing(tx, since))).await?;
        if !request.exists() {
            if missing == 0 {
                break;
            }
            progress(missing);
        }
        // sleeps: looks at what another process does, which gives no signal
        tokio::time::sleep(LOOK).await;
    }
    database.close().await;
    Ok(())
}

async fn open(config: &Config) -> Result<Database, StartError> {
    let failed = |source| StartError::Database { which: "database", source };
    Database::open(&config.database_url(&config.database.url)).await.map_err(failed)
}
