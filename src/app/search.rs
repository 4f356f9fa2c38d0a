//! Wiring of the search: the index in its folder, the job that fills it, and what answers questions.

use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::Notify;

use super::ground::Ground;
use crate::config::Config;
use crate::intake::index::{Indexer, Indexing};
use crate::search::find::Finder;
use crate::search::index::{IndexError, SearchBackend, TantivyBackend, TantivyLimits};

/// The file by which `rebuild-index` asks a running server.
pub(super) fn request(config: &Config) -> PathBuf {
    config.path(&config.search.folder).join("rebuild")
}

/// The search at work.
pub(super) struct Search {
    pub(super) finder: Finder,
    /// For questions about the job; it runs in `indexing`.
    pub(super) indexer: Indexer,
    indexing: Indexing,
    wake: Arc<Notify>,
    index: Arc<dyn SearchBackend>,
}

impl Search {
    /// Opens the index and starts the job on the present runtime.
    pub(super) fn start(ground: &Ground) -> Result<Self, IndexError> {
        let Ground { config, database, vault, clock, random, outbox, .. } = ground;
        let index = TantivyBackend::open(&config.path(&config.search.folder), TantivyLimits::default())?;
        let index: Arc<dyn SearchBackend> = Arc::new(index);
        let finder = Finder::new(
            database.clone(),
            vault.clone(),
            Arc::clone(&index),
            Arc::clone(clock),
            Arc::clone(random),
        );
        let indexer = Indexer::new(database.clone(), vault.clone(), Arc::clone(&index), Arc::clone(clock));
        let indexer = indexer.rebuilding_on(request(config)).telling(outbox.clone());
        let wake = indexer.wake();
        Ok(Self { finder, indexing: indexer.clone().start(), indexer, wake, index })
    }

    /// To be notified of each change that the index has to take over.
    pub(super) fn wake(&self) -> Arc<Notify> {
        Arc::clone(&self.wake)
    }

    /// The index itself.
    pub(super) fn index(&self) -> Arc<dyn SearchBackend> {
        Arc::clone(&self.index)
    }

    /// Finishes the commit that is being written.
    pub(super) async fn stop(self) {
        self.indexing.stop().await;
    }
}
