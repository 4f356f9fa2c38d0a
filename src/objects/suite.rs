//! What every object store must hold: the same tests for disk, memory and S3.

use std::sync::Arc;

use bytes::Bytes;

use super::path::ObjectPath;
use super::store::{ObjectStore, StoreError};

fn path(text: &str) -> ObjectPath {
    text.parse().unwrap()
}

/// Runs the whole suite on an empty store.
pub(super) async fn holds(store: Arc<dyn ObjectStore>) {
    what_is_created_is_read_back_and_never_overwritten(&*store).await;
    ranges_are_exact_or_refused(&*store).await;
    a_stream_is_invisible_until_it_is_finished(&*store).await;
    a_batch_can_be_repeated_but_not_changed(&*store).await;
    replacing_compares_first(&*store).await;
    of_many_that_replace_at_once_one_wins(Arc::clone(&store)).await;
    of_many_that_create_at_once_one_wins(Arc::clone(&store)).await;
    what_is_deleted_is_gone(&*store).await;
    lists_hold_what_lies_below_a_folder(&*store).await;
}

async fn what_is_created_is_read_back_and_never_overwritten(store: &dyn ObjectStore) {
    let name = path("a/one");
    assert!(matches!(store.read(&name, None).await, Err(StoreError::NotFound { .. })));
    assert!(matches!(store.size(&name).await, Err(StoreError::NotFound { .. })));
    store.create(&name, Bytes::from_static(b"first")).await.unwrap();
    let again = store.create(&name, Bytes::from_static(b"other")).await;
    assert!(matches!(again, Err(StoreError::Exists { path }) if path == name));
    assert_eq!(store.read(&name, None).await.unwrap(), "first");
    assert_eq!(store.size(&name).await.unwrap(), 5);
    store.create(&path("a/empty"), Bytes::new()).await.unwrap();
    assert_eq!(store.read(&path("a/empty"), None).await.unwrap(), "");
}

async fn ranges_are_exact_or_refused(store: &dyn ObjectStore) {
    let name = path("ranges");
    store.create(&name, Bytes::from_static(b"0123456789")).await.unwrap();
    for (range, expected) in [(0..10, "0123456789"), (3..5, "34"), (9..10, "9"), (10..10, ""), (0..0, "")] {
        assert_eq!(store.read(&name, Some(range)).await.unwrap(), expected);
    }
    for range in [0..11, 10..11, 11..11, 11..12] {
        let refused = store.read(&name, Some(range)).await;
        assert!(matches!(refused, Err(StoreError::OutOfRange { size: 10, .. })), "{refused:?}");
    }
}

async fn a_stream_is_invisible_until_it_is_finished(store: &dyn ObjectStore) {
    let (name, piece) = (path("streams/long"), Bytes::from(vec![7; 100_000]));
    let mut writer = store.create_stream(&name).await.unwrap();
    for _ in 0..10 {
        writer.write(piece.clone()).await.unwrap();
    }
    assert!(matches!(store.read(&name, None).await, Err(StoreError::NotFound { .. })));
    writer.finish().await.unwrap();
    assert_eq!(store.read(&name, None).await.unwrap(), vec![7; 1_000_000]);

    let dropped = path("streams/dropped");
    let mut writer = store.create_stream(&dropped).await.unwrap();
    for _ in 0..10 {
        writer.write(piece.clone()).await.unwrap();
    }
    drop(writer);
    assert!(matches!(store.read(&dropped, None).await, Err(StoreError::NotFound { .. })));

    let mut late = store.create_stream(&name).await.unwrap();
    late.write(Bytes::from_static(b"other")).await.unwrap();
    assert!(matches!(late.finish().await, Err(StoreError::Exists { .. })));
    assert_eq!(store.size(&name).await.unwrap(), 1_000_000);
}

async fn a_batch_can_be_repeated_but_not_changed(store: &dyn ObjectStore) {
    let batch = vec![
        (path("log/tile/0/000.p/3"), Bytes::from_static(b"abc")),
        (path("log/tile/entries/000.p/3"), Bytes::from_static(b"entries")),
    ];
    store.create_many(batch.clone()).await.unwrap();
    store.create_many(batch.clone()).await.unwrap();
    let mut larger = batch.clone();
    larger.push((path("log/tile/1/000.p/1"), Bytes::from_static(b"new")));
    store.create_many(larger).await.unwrap();
    assert_eq!(store.read(&path("log/tile/1/000.p/1"), None).await.unwrap(), "new");
    let forged = vec![(path("log/tile/0/000.p/3"), Bytes::from_static(b"abd"))];
    assert!(matches!(store.create_many(forged).await, Err(StoreError::Exists { .. })));
    for (name, bytes) in batch {
        assert_eq!(store.read(&name, None).await.unwrap(), bytes);
    }
    store.create_many(Vec::new()).await.unwrap();
}

async fn replacing_compares_first(store: &dyn ObjectStore) {
    let name = path("log/checkpoint");
    let (one, two) = (Bytes::from_static(b"one"), Bytes::from_static(b"two"));
    let absent = store.replace(&name, Some(b"one"), two.clone()).await;
    assert!(matches!(absent, Err(StoreError::Changed { .. })));
    assert!(matches!(store.size(&name).await, Err(StoreError::NotFound { .. })));
    store.replace(&name, None, one.clone()).await.unwrap();
    assert!(matches!(store.replace(&name, None, two.clone()).await, Err(StoreError::Changed { .. })));
    assert!(matches!(store.replace(&name, Some(b"on"), two.clone()).await, Err(StoreError::Changed { .. })));
    assert_eq!(store.read(&name, None).await.unwrap(), one);
    store.replace(&name, Some(b"one"), two.clone()).await.unwrap();
    assert_eq!(store.read(&name, None).await.unwrap(), two);
}

async fn of_many_that_replace_at_once_one_wins(store: Arc<dyn ObjectStore>) {
    let name = path("log/contested");
    store.replace(&name, None, Bytes::from_static(b"start")).await.unwrap();
    let tries = (0..16).map(|number| {
        let (store, name) = (Arc::clone(&store), name.clone());
        tokio::spawn(async move {
            let mine = Bytes::from(format!("number {number}"));
            store.replace(&name, Some(b"start"), mine.clone()).await.is_ok().then_some(mine)
        })
    });
    let mut winners = Vec::new();
    for tried in tries.collect::<Vec<_>>() {
        winners.extend(tried.await.unwrap());
    }
    assert_eq!(winners.len(), 1);
    assert_eq!(store.read(&name, None).await.unwrap(), winners[0]);
}

async fn of_many_that_create_at_once_one_wins(store: Arc<dyn ObjectStore>) {
    let name = path("contested/name");
    let tries = (0..16).map(|number| {
        let (store, name) = (Arc::clone(&store), name.clone());
        tokio::spawn(async move {
            let mine = Bytes::from(format!("number {number}"));
            store.create(&name, mine.clone()).await.is_ok().then_some(mine)
        })
    });
    let mut winners = Vec::new();
    for tried in tries.collect::<Vec<_>>() {
        winners.extend(tried.await.unwrap());
    }
    assert_eq!(winners.len(), 1);
    assert_eq!(store.read(&name, None).await.unwrap(), winners[0]);
}

async fn what_is_deleted_is_gone(store: &dyn ObjectStore) {
    let name = path("deleted/once");
    store.create(&name, Bytes::from_static(b"x")).await.unwrap();
    store.delete(&name).await.unwrap();
    store.delete(&name).await.unwrap();
    assert!(matches!(store.read(&name, None).await, Err(StoreError::NotFound { .. })));
    store.create(&name, Bytes::from_static(b"y")).await.unwrap();
    assert_eq!(store.read(&name, None).await.unwrap(), "y");
}

async fn lists_hold_what_lies_below_a_folder(store: &dyn ObjectStore) {
    for name in ["list/b/2", "list/b/1", "list/bb/3", "list/a"] {
        store.create(&path(name), Bytes::from_static(b"four")).await.unwrap();
    }
    let names = |listed: Vec<super::Listed>| -> Vec<String> {
        listed.iter().map(|line| line.path.to_string()).collect()
    };
    assert_eq!(names(store.list("list/b").await.unwrap()), ["list/b/1", "list/b/2"]);
    assert_eq!(names(store.list("list").await.unwrap()), ["list/a", "list/b/1", "list/b/2", "list/bb/3"]);
    assert_eq!(names(store.list("list/none").await.unwrap()), [""; 0]);
    assert!(store.list("list").await.unwrap().iter().all(|line| line.size == 4));
    assert!(store.list("").await.unwrap().len() > 4);
}

#[tokio::test]
async fn memory_holds_the_suite() {
    let clock = Arc::new(crate::domain::clock::FixedClock::new(jiff::Timestamp::UNIX_EPOCH));
    holds(Arc::new(super::MemoryStore::new(clock))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn disk_holds_the_suite() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("objects");
    holds(Arc::new(super::DiskStore::open(&root).unwrap())).await;
}
