//! What the disk store does that the shared suite of all stores cannot ask.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use super::folder::Folders;
use super::*;

fn path(text: &str) -> ObjectPath {
    text.parse().unwrap()
}

/// Everything below `.staging` but the lock file and the journal, as paths.
fn staged(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root.join(".staging")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            match entry.file_type().unwrap().is_dir() {
                true => folders.push(entry.path()),
                false if entry.file_name() == "replace.lock" => {}
                false if entry.file_name().to_str().unwrap().starts_with("journal-") => {}
                false => found.push(entry.path()),
            }
        }
    }
    found
}

#[tokio::test]
async fn a_writer_that_is_dropped_leaves_no_staged_file() {
    let root = tempfile::tempdir().unwrap();
    let store = DiskStore::open(root.path()).unwrap();
    let mut writer = store.create_stream(&path("a")).await.unwrap();
    for _ in 0..2 {
        // The second piece waits for the first to be on the disk.
        writer.write(Bytes::from(vec![0; HOLD_BYTES])).await.unwrap();
    }
    assert_eq!(staged(root.path()).len(), 1);
    drop(writer);
    for _ in 0..1000 {
        if staged(root.path()).is_empty() {
            break;
        }
        // sleeps: the thread that writes a piece removes the file, and gives no signal
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    assert_eq!(staged(root.path()), Vec::<PathBuf>::new());
}

#[tokio::test]
async fn a_name_that_is_refused_leaves_no_staged_file() {
    let root = tempfile::tempdir().unwrap();
    let store = DiskStore::open(root.path()).unwrap();
    store.create(&path("a"), Bytes::from_static(b"1")).await.unwrap();
    assert!(store.create(&path("a"), Bytes::from_static(b"2")).await.is_err());
    assert!(store.replace(&path("a"), None, Bytes::from_static(b"2")).await.is_err());
    assert_eq!(staged(root.path()), Vec::<PathBuf>::new());
}

#[test]
fn a_small_object_gets_its_name_with_all_of_its_bytes_or_not_at_all() {
    let root = tempfile::tempdir().unwrap();
    let (staging, _) = Staging::open(root.path()).unwrap();
    let (staging, folders) = (Arc::new(staging), Folders::new(root.path()));
    let folder = folders.open("o/ab").unwrap();
    let write = |bytes: &'static [u8]| {
        let mut begun = staging.begin_in(&folder).unwrap();
        begun.write(&[Bytes::from_static(bytes)]).unwrap();
        begun
    };
    let there = || fs::read_dir(root.path().join("o/ab")).unwrap().count();
    drop(write(b"dropped"));
    let first = write(b"whole");
    assert_eq!(there(), 0);
    first.name_new(&folder, "c").unwrap();
    let refused = write(b"other").name_new(&folder, "c").unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::AlreadyExists);
    let about = fs::metadata(root.path().join("o/ab/c")).unwrap();
    assert_eq!((there(), about.len(), about.permissions().mode() & 0o777), (1, 5, 0o600));
    assert_eq!(staged(root.path()), Vec::<PathBuf>::new());
}

#[tokio::test]
async fn a_start_removes_what_the_dead_left_and_nothing_of_the_living() {
    let root = tempfile::tempdir().unwrap();
    let dead = root.path().join(".staging/0000dead");
    fs::create_dir_all(&dead).unwrap();
    fs::write(dead.join("7"), b"half").unwrap();
    let living = DiskStore::open(root.path()).unwrap();
    assert!(!dead.exists());
    let mut writer = living.create_stream(&path("a")).await.unwrap();
    writer.write(Bytes::from(vec![1; HOLD_BYTES])).await.unwrap();
    let _second = DiskStore::open(root.path()).unwrap();
    writer.finish().await.unwrap();
    assert_eq!(living.size(&path("a")).await.unwrap(), HOLD_BYTES as u64);
}

#[tokio::test]
async fn nobody_but_the_owner_may_read() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path().join("objects");
    let store = DiskStore::open(&root).unwrap();
    store.create(&path("o/ab/c"), Bytes::from_static(b"1")).await.unwrap();
    for (name, mode) in [("", 0o700), (".staging", 0o700), ("o", 0o700), ("o/ab", 0o700), ("o/ab/c", 0o600)] {
        assert_eq!(fs::metadata(root.join(name)).unwrap().permissions().mode() & 0o777, mode, "{name:?}");
    }
}

#[test]
fn one_sync_serves_all_who_wait() {
    let root = tempfile::tempdir().unwrap();
    let folders = Folders::new(root.path());
    let folder = folders.open("o/ab").unwrap();
    std::thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| (0..50).for_each(|_| folders.sync(&folder).unwrap()));
        }
    });
    assert!(Arc::ptr_eq(&folder, &folders.open("o/ab").unwrap()));
}
