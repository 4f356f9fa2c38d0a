//! Database and index agree after crashes at every point, lost folders and restored backups.

use std::path::Path;
use std::sync::Mutex;

use super::testing::Place;
use super::*;
use crate::database::index_testing::Tampering;
use crate::database::testing::{authority, on_each_engine};
use crate::intake::extract::PageText;
use crate::search::index::{Closeness, Found, Question, Reader, Sight, TantivyBackend, TantivyLimits};
use crate::search::query::parse;

fn finds(index: &dyn SearchBackend, text: &str) -> u64 {
    let query = parse(text).unwrap();
    let reader = Reader { authority: authority(1), sight: Sight::Open };
    let question = Question {
        query: &query,
        reader: &reader,
        hidden: &[],
        closeness: Closeness::AsAsked,
        after: None,
        limit: 10,
    };
    index.search(question).unwrap().documents
}

/// An index that takes over and then dies, as after a kill between its commit and that of the database.
struct Dies(Arc<TantivyBackend>, Mutex<bool>);

impl SearchBackend for Dies {
    fn apply(&self, changes: Vec<Change>, mark: Mark) -> Result<Applied, IndexError> {
        self.0.apply(changes, mark)?;
        *self.1.lock().unwrap() = true;
        Err(IndexError::Engine("killed".into()))
    }
    fn search(&self, question: Question<'_>) -> Result<Found, IndexError> {
        self.0.search(question)
    }
    fn mark(&self) -> Result<Mark, IndexError> {
        self.0.mark()
    }
    fn clear(&self) -> Result<(), IndexError> {
        self.0.clear()
    }
    fn purge(&self, gone: &[DocumentId]) -> Result<(), IndexError> {
        self.0.purge(gone)
    }
    fn rest(&self) -> Result<(), IndexError> {
        self.0.rest()
    }
}

const QUIET: &(dyn Fn(i64) + Sync) = &|_| {};

#[tokio::test]
async fn a_document_is_found_once_its_change_is_taken_over_and_its_state_says_so() {
    on_each_engine(async |database| {
        let place = Place::new(database).await;
        let index = place.index();
        let indexer = place.indexer(index.clone());
        assert_eq!(indexer.agree().await.unwrap(), Agreement::FromNothing);
        assert_eq!(indexer.step().await.unwrap(), 0);
        place.arrive(1, "Geburtsanzeige").await;
        assert_eq!(indexer.behind().await.unwrap(), 1);
        assert_eq!((indexer.step().await.unwrap(), finds(&*index, "Geburtsanzeige")), (1, 1));
        assert!(place.indexed(1).await);
        place.change(Tampering::Gone, 1).await;
        place.change(Tampering::Changed, 1).await;
        indexer.catch_up(QUIET).await.unwrap();
        assert_eq!(finds(&*index, ""), 0);
    })
    .await;
}

#[tokio::test]
async fn killed_between_the_commits_nothing_is_lost_or_doubled() {
    on_each_engine(async |database| {
        let place = Place::new(database).await;
        place.arrive(1, "Wort").await;
        {
            let dying = Arc::new(Dies(place.index(), Mutex::new(false)));
            assert!(place.indexer(dying.clone()).step().await.is_err());
            assert!(*dying.1.lock().unwrap());
        }
        assert!(!place.indexed(1).await);
        let index = place.index();
        let indexer = place.indexer(index.clone());
        assert_eq!(indexer.agree().await.unwrap(), Agreement::Continues);
        assert!(place.indexed(1).await);
        place.arrive(2, "Wort").await;
        indexer.catch_up(QUIET).await.unwrap();
        assert_eq!(finds(&*index, "Wort"), 2);
    })
    .await;
}

#[tokio::test]
async fn an_index_that_is_older_goes_on_where_it_was() {
    on_each_engine(async |database| {
        let place = Place::new(database).await;
        place.arrive(1, "Wort").await;
        let older = tempfile::tempdir().unwrap();
        {
            let indexer = place.indexer(place.index());
            indexer.catch_up(QUIET).await.unwrap();
            copy(place.folder.path(), older.path());
            place.arrive(2, "Wort").await;
            indexer.catch_up(QUIET).await.unwrap();
        }
        let index = Arc::new(TantivyBackend::open(older.path(), TantivyLimits::default()).unwrap());
        let indexer = place.indexer(index.clone());
        assert_eq!(indexer.agree().await.unwrap(), Agreement::Continues);
        indexer.catch_up(QUIET).await.unwrap();
        assert_eq!(finds(&*index, "Wort"), 2);
    })
    .await;
}

#[tokio::test]
async fn a_deleted_index_is_filled_from_nothing() {
    on_each_engine(async |database| {
        let place = Place::new(database).await;
        place.arrive(1, "Wort").await;
        place.indexer(place.index()).catch_up(QUIET).await.unwrap();
        std::fs::remove_dir_all(place.folder.path()).unwrap();
        let index = place.index();
        let indexer = place.indexer(index.clone());
        assert_eq!(indexer.agree().await.unwrap(), Agreement::FromNothing);
        assert!(!place.indexed(1).await);
        indexer.catch_up(QUIET).await.unwrap();
        assert_eq!((finds(&*index, "Wort"), place.indexed(1).await), (1, true));
    })
    .await;
}

#[tokio::test]
async fn an_index_newer_than_the_database_is_emptied_and_filled() {
    on_each_engine(async |database| {
        let place = Place::new(database).await;
        for n in 1..=3 {
            place.arrive(n, "Wort").await;
        }
        let index = place.index();
        let indexer = place.indexer(index.clone());
        indexer.catch_up(QUIET).await.unwrap();
        // What a backup from before document 3 leaves, then another document under the number of the lost change.
        place.change(Tampering::ChangesGone, 3).await;
        place.change(Tampering::Gone, 3).await;
        assert_eq!(indexer.agree().await.unwrap(), Agreement::OtherHistory);
        place.arrive(4, "Wort").await;
        indexer.catch_up(QUIET).await.unwrap();
        assert_eq!(finds(&*index, "Wort"), 3);
        place.change(Tampering::LastChangeIsOf, 2).await;
        assert_eq!(indexer.agree().await.unwrap(), Agreement::OtherHistory);
    })
    .await;
}

#[tokio::test]
async fn the_running_job_takes_over_what_it_is_woken_for_and_stops_clean() {
    on_each_engine(async |database| {
        let place = Place::new(database).await;
        let index = place.index();
        let indexer = place.indexer(index.clone());
        let wake = indexer.wake();
        let running = indexer.start();
        place.arrive(1, "Wort").await;
        wake.notify_one();
        while !place.indexed(1).await {
            tokio::task::yield_now().await;
        }
        running.stop().await;
        assert_eq!(finds(&*index, "Wort"), 1);
    })
    .await;
}

#[tokio::test]
async fn one_page_is_read_without_the_others() {
    on_each_engine(async |database| {
        let place = Place::new(database).await;
        let page = |number, text: &str| PageText { number, text: text.to_owned() };
        let bytes = texts::encode(&[page(1, "eins"), page(2, &"ä".repeat(200_000)), page(7, "sieben")]);
        let at = place.vault.put(authority(1), &bytes).await.unwrap().at;
        assert_eq!(texts::read_page(&place.vault, at, 7).await.unwrap().as_deref(), Some("sieben"));
        assert_eq!(texts::read_page(&place.vault, at, 3).await.unwrap(), None);
        assert_eq!(texts::read_all(&place.vault, at).await.unwrap().len(), 3);
    })
    .await;
}

fn copy(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            std::fs::create_dir(&target).unwrap();
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}
