//! What a crash leaves of small objects, and what the next start makes of it. A crash is played by giving a store
//! that never lived the journal of another one at a moment of its life.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::super::super::store::{ObjectStore as _, StoreError};
use super::super::DiskStore;
use super::super::points::pass;
use super::record::{self, Kind};
use super::segment::{self, Entry, SEGMENT_BYTES, Segment};
use super::*;

fn path(text: &str) -> ObjectPath {
    text.parse().unwrap()
}

fn bytes(number: usize) -> Bytes {
    (0..10_000 + number).map(|at| u8::try_from((at * 7 + number) % 251 + 1).unwrap()).collect()
}

/// The journal files of a store that lives.
fn journal(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for folder in fs::read_dir(root.join(".staging")).unwrap().map(|entry| entry.unwrap().path()) {
        if folder.is_dir() {
            found.extend(segment::files(&folder).unwrap());
        }
    }
    found.sort();
    found
}

/// A store that died: it left these journal files, and `files` of its objects.
fn dead(journal: &[PathBuf], files: &[(&ObjectPath, &[u8])]) -> TempDir {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join(".staging/0000dead");
    fs::create_dir_all(&folder).unwrap();
    for file in journal {
        fs::copy(file, folder.join(file.file_name().unwrap())).unwrap();
    }
    for (path, bytes) in files {
        let file = root.path().join(path.as_str());
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, bytes).unwrap();
    }
    root
}

/// A living store with objects `o/00/0` … and its journal.
async fn with_objects(count: usize) -> (TempDir, DiskStore, Vec<(ObjectPath, Bytes)>) {
    let root = tempfile::tempdir().unwrap();
    let store = DiskStore::open(root.path()).unwrap();
    let objects: Vec<_> = (0..count).map(|n| (path(&format!("o/{n:02x}/{n}")), bytes(n))).collect();
    for (path, bytes) in &objects {
        store.create(path, bytes.clone()).await.unwrap();
    }
    (root, store, objects)
}

#[tokio::test]
async fn what_the_journal_holds_survives_the_loss_of_the_files() {
    let (root, _living, objects) = with_objects(6).await;
    let [whole, missing, empty, half, hole, cut] = objects.as_slice() else { panic!() };
    let mut with_hole = hole.1.to_vec();
    with_hole[4096..8192].fill(0);
    let left: [(&ObjectPath, &[u8]); 5] = [
        (&whole.0, &whole.1),
        (&empty.0, b""),
        (&half.0, &half.1[..5000]),
        (&hole.0, &with_hole),
        (&cut.0, &cut.1[..4096]),
    ];
    let dead = dead(&journal(root.path()), &left);
    assert!(!dead.path().join(missing.0.as_str()).exists());
    let next = DiskStore::open(dead.path()).unwrap();
    for (path, bytes) in &objects {
        assert_eq!(next.read(path, None).await.unwrap(), bytes, "{path}");
    }
    assert!(!dead.path().join(".staging/0000dead").exists(), "the journal of the dead is gone");
}

#[tokio::test]
async fn a_torn_tail_is_ignored_and_all_before_it_is_restored() {
    let (root, _living, objects) = with_objects(3).await;
    let journal = journal(root.path());
    let whole = fs::read(&journal[0]).unwrap();
    let [first, second, _] = objects.as_slice() else { panic!() };
    let last =
        record::stored_bytes(&first.0, first.1.len()) + record::stored_bytes(&second.0, second.1.len());
    for damage in [last, last + 9, last + 30, last + 43, last + 44, last + 50, last + 5_000, last + 10_040] {
        let dead = dead(&journal, &[]);
        let file = dead.path().join(".staging/0000dead/journal-0");
        let mut torn = whole.clone();
        torn[damage] ^= 1;
        fs::write(&file, &torn).unwrap();
        restored_but_the_last(&dead, &objects, damage).await;
    }
    for length in [last, last + 1, last + 44, last + 8_000] {
        let dead = dead(&journal, &[]);
        let file = dead.path().join(".staging/0000dead/journal-0");
        fs::write(&file, &whole[..length]).unwrap();
        restored_but_the_last(&dead, &objects, length).await;
    }
}

async fn restored_but_the_last(dead: &TempDir, objects: &[(ObjectPath, Bytes)], case: usize) {
    let next = DiskStore::open(dead.path()).unwrap();
    let (last, before) = objects.split_last().unwrap();
    for (path, bytes) in before {
        assert_eq!(next.read(path, None).await.unwrap(), bytes, "damage at {case}");
    }
    let gone = next.read(&last.0, None).await;
    assert!(matches!(gone, Err(StoreError::NotFound { .. })), "damage at {case}: {gone:?}");
}

#[tokio::test]
async fn an_object_that_was_deleted_does_not_come_back() {
    let (root, store, objects) = with_objects(3).await;
    store.delete(&objects[1].0).await.unwrap();
    let next = dead(&journal(root.path()), &[]);
    let next = DiskStore::open(next.path()).unwrap();
    assert!(matches!(next.read(&objects[1].0, None).await, Err(StoreError::NotFound { .. })));
    assert_eq!(next.read(&objects[2].0, None).await.unwrap(), objects[2].1);

    // Made again under the same name, it is the new one that counts.
    store.create(&objects[1].0, Bytes::from_static(b"again")).await.unwrap();
    let next = dead(&journal(root.path()), &[(&objects[1].0, b"ag")]);
    let next = DiskStore::open(next.path()).unwrap();
    assert_eq!(next.read(&objects[1].0, None).await.unwrap(), "again");
}

#[tokio::test]
async fn an_object_that_was_replaced_keeps_its_new_bytes() {
    let (root, store, objects) = with_objects(2).await;
    let (name, old) = &objects[0];
    store.replace(name, Some(old), Bytes::from_static(b"new")).await.unwrap();
    let left = dead(&journal(root.path()), &[(name, b"new")]);
    let next = DiskStore::open(left.path()).unwrap();
    assert_eq!(next.read(name, None).await.unwrap(), "new");
}

#[tokio::test]
async fn a_file_with_bytes_of_its_own_is_left_alone() {
    let (root, _living, objects) = with_objects(2).await;
    let [foreign, longer] = objects.as_slice() else { panic!() };
    let mut other = foreign.1.to_vec();
    other[9_000] ^= 0x80;
    let with_more = [longer.1.as_ref(), b"\0"].concat();
    let left = dead(&journal(root.path()), &[(&foreign.0, &other), (&longer.0, &with_more)]);
    let next = DiskStore::open(left.path()).unwrap();
    assert_eq!(next.read(&foreign.0, None).await.unwrap(), other);
    assert_eq!(next.read(&longer.0, None).await.unwrap(), with_more);
}

#[tokio::test]
async fn of_two_that_wanted_one_name_the_first_is_restored() {
    let (root, store, objects) = with_objects(1).await;
    let (name, first) = &objects[0];
    let refused = store.create(name, Bytes::from_static(b"second")).await;
    assert!(matches!(refused, Err(StoreError::Exists { .. })), "{refused:?}");
    let left = dead(&journal(root.path()), &[]);
    let next = DiskStore::open(left.path()).unwrap();
    assert_eq!(next.read(name, None).await.unwrap(), first);
}

/// Objects that fill more than one file of the journal, 60 KiB each.
async fn filled(store: &DiskStore, from: usize) -> Vec<ObjectPath> {
    let count = usize::try_from(SEGMENT_BYTES).unwrap() / 61_440 + 8;
    let names: Vec<_> = (from..from + count).map(|n| path(&format!("o/f{}/{n}", n % 10))).collect();
    let all = names.iter().map(|name| store.create(name, Bytes::from(vec![9; 60_000])));
    for made in futures_util::future::join_all(all).await {
        made.unwrap();
    }
    names
}

#[tokio::test]
async fn a_journal_that_was_emptied_brings_nothing_back() {
    let (root, store, objects) = with_objects(2).await;
    let names = filled(&store, 0).await;
    let emptied = |file: &PathBuf| fs::read(file).unwrap()[..4096].iter().all(|byte| *byte == 0);
    for _ in 0..1000 {
        if journal(root.path()).iter().any(emptied) {
            break;
        }
        // sleeps: the thread that syncs gives no signal
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    assert!(journal(root.path()).iter().any(emptied), "what is durable in files leaves the journal");
    // Deleted now, nothing speaks of it any more.
    store.delete(&objects[0].0).await.unwrap();
    let left = dead(&journal(root.path()), &[]);
    let next = DiskStore::open(left.path()).unwrap();
    assert!(matches!(next.size(&objects[0].0).await, Err(StoreError::NotFound { .. })));
    assert_eq!(next.size(names.last().unwrap()).await.unwrap(), 60_000, "the last is in the journal still");
}

#[tokio::test]
async fn a_crash_between_the_steps_of_emptying_loses_nothing() {
    let (root, store, objects) = with_objects(1).await;
    let names = filled(&store, 0).await;
    let before = journal(root.path());
    // The files are durable and no journal is empty yet; or the first is, or all are.
    let all: Vec<(&ObjectPath, Vec<u8>)> = names.iter().map(|name| (name, vec![9; 60_000])).collect();
    let files: Vec<(&ObjectPath, &[u8])> =
        all.iter().map(|(name, bytes)| (*name, bytes.as_slice())).collect();
    for emptied in 0..=before.len() {
        let left = dead(&before, &files);
        for file in before.iter().take(emptied) {
            fs::write(left.path().join(".staging/0000dead").join(file.file_name().unwrap()), [0; 4096])
                .unwrap();
        }
        let next = DiskStore::open(left.path()).unwrap();
        for name in &names {
            assert_eq!(next.size(name).await.unwrap(), 60_000);
        }
    }
    assert_eq!(store.read(&objects[0].0, None).await.unwrap(), objects[0].1);
}

#[tokio::test]
async fn a_store_that_is_closed_leaves_no_journal() {
    let (root, store, objects) = with_objects(40).await;
    assert_eq!(journal(root.path()).len(), 1);
    drop(store);
    assert_eq!(journal(root.path()), Vec::<PathBuf>::new());
    assert_eq!(fs::read_dir(root.path().join(".staging")).unwrap().count(), 0);
    let next = DiskStore::open(root.path()).unwrap();
    for (path, bytes) in &objects {
        assert_eq!(next.read(path, None).await.unwrap(), bytes);
    }
}

#[test]
fn records_of_an_earlier_use_of_the_file_are_not_read() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("a/b/c");
    fs::create_dir_all(&folder).unwrap();
    let mut segment = Segment::create(&folder, 0).unwrap();
    let (name, object) = (path("o/aa/1"), [Bytes::from(vec![5; 9_000])]);
    let entry = || Entry { kind: Kind::Object, path: &name, object: &object };
    let read = |segment: &Segment| {
        let mut records = segment::Records::open(segment.path()).unwrap();
        std::iter::from_fn(move || records.next().unwrap())
            .map(|(_, record)| record.number)
            .collect::<Vec<_>>()
    };
    segment.begin(1);
    segment.append(&[entry(), entry(), entry()], &pass()).unwrap();
    assert_eq!(read(&segment), [0, 1, 2]);
    segment.empty().unwrap();
    assert_eq!(read(&segment), [0; 0]);
    segment.begin(2);
    segment.append(&[entry()], &pass()).unwrap();
    assert_eq!(read(&segment), [0]);
}
