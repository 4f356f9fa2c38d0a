//! A place for tests: a database and a vault with documents as receiving and reading them out leave them.

use std::sync::Arc;

use jiff::Timestamp;
use tempfile::TempDir;

use super::*;
use crate::database::index_testing::{self, Tampering};
use crate::database::testing::{authority, found};
use crate::domain::clock::FixedClock;
use crate::domain::random::SeededRandom;
use crate::intake::extract::PageText;
use crate::objects::{MasterKeys, MemoryKeyRows, MemoryStore};
use crate::search::index::{TantivyBackend, TantivyLimits};

pub(crate) struct Place {
    pub(crate) folder: TempDir,
    pub(crate) database: Database,
    pub(crate) vault: Vault,
    pub(crate) clock: Arc<FixedClock>,
}

pub(crate) fn id(n: u8) -> DocumentId {
    DocumentId::from_bytes([n; 16])
}

impl Place {
    pub(crate) async fn new(database: Database) -> Self {
        found(&database, 1).await;
        let clock = Arc::new(FixedClock::new(Timestamp::UNIX_EPOCH));
        let store = Arc::new(MemoryStore::new(clock.clone()));
        let master = MasterKeys::single([5; 32]);
        let random = Arc::new(SeededRandom::new(1));
        let vault = Vault::new(store, Arc::new(MemoryKeyRows::default()), master, clock.clone(), random);
        Self { folder: tempfile::tempdir().unwrap(), database, vault, clock }
    }

    pub(crate) fn index(&self) -> Arc<TantivyBackend> {
        Arc::new(TantivyBackend::open(self.folder.path(), TantivyLimits::default()).unwrap())
    }

    pub(crate) fn indexer(&self, index: Arc<dyn SearchBackend>) -> Indexer {
        Indexer::new(self.database.clone(), self.vault.clone(), index, self.clock.clone())
    }

    /// A document with one page, as receiving and reading it out leave it.
    pub(crate) async fn arrive(&self, n: u8, text: &str) {
        let sealed = self.vault.put(authority(1), &[n]).await.unwrap();
        let page = [PageText { number: 1, text: text.to_owned() }];
        let written =
            self.vault.put_beside(authority(1), sealed.at.object, &texts::encode(&page)).await.unwrap();
        let (object, text) = (sealed.at.object, written.at.object);
        self.database
            .write(move |tx| Box::pin(index_testing::arrived(tx, id(n), object, text, n)))
            .await
            .unwrap();
    }

    pub(crate) async fn indexed(&self, n: u8) -> bool {
        let read = self.database.read(move |tx| Box::pin(index_testing::is_indexed(tx, id(n))));
        read.await.unwrap()
    }

    pub(crate) async fn change(&self, what: Tampering, n: u8) {
        let run = self.database.write(move |tx| Box::pin(index_testing::tamper(tx, what, id(n))));
        run.await.unwrap();
    }
}
