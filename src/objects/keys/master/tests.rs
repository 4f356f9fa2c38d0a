//! The file of master keys is strict and private; its first key wraps what is new.

use super::*;
use crate::domain::random::SeededRandom;

#[test]
fn a_renewed_file_has_the_new_key_first_and_keeps_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("master.key");
    let random = SeededRandom::new(3);
    let first = MasterKeys::read_or_create(&path, &random).unwrap();
    let second = first.renew(&path, &random).unwrap();
    assert_eq!((second.numbers(), second.first()), (vec![2, 1], 2));
    let read = MasterKeys::read(&path).unwrap();
    assert_eq!(read.0, second.0);
    assert_eq!(read.0.last(), first.0.last());
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_new_file_is_private_and_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("master.key");
    let random = SeededRandom::new(3);
    let first = MasterKeys::read_or_create(&path, &random).unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let second = MasterKeys::read_or_create(&path, &random).unwrap();
    assert_eq!(first.0, second.0);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_file_that_others_can_read_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("master.key");
    MasterKeys::read_or_create(&path, &SeededRandom::new(3)).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
    assert!(matches!(MasterKeys::read(&path), Err(MasterKeyError::Exposed { mode: 0o640, .. })));
}

#[test]
fn a_file_that_is_not_as_described_is_refused() {
    let key = "0".repeat(64);
    let line = |text: String| MasterKeys::parse(&text).err().map(|(line, _)| line);
    assert_eq!(line(format!("{FIRST_LINE}\n1 {key}\n2 {key}\n")), None);
    assert_eq!(line(String::new()), Some(1));
    assert_eq!(line(format!("1 {key}\n")), Some(1));
    assert_eq!(line(format!("{FIRST_LINE}\n")), Some(2));
    assert_eq!(line(format!("{FIRST_LINE}\n1{key}\n")), Some(2));
    assert_eq!(line(format!("{FIRST_LINE}\n1 {key}\n1 {key}\n")), Some(3));
    assert_eq!(line(format!("{FIRST_LINE}\n1 {}\n", "0".repeat(63))), Some(2));
    assert_eq!(line(format!("{FIRST_LINE}\nx {key}\n")), Some(2));
}
