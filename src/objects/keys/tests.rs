//! Wrapping binds object, authority and key number; the file of master keys is strict.

use super::*;
use crate::domain::random::SeededRandom;

fn wrapped(master: &MasterKeys, object: ObjectId, authority: AuthorityId) -> WrappedKey {
    master.wrap(&[7; 32], object, authority, &SeededRandom::new(1), Timestamp::UNIX_EPOCH).unwrap()
}

#[test]
fn a_wrapped_key_opens_only_where_it_belongs() {
    let master = MasterKeys::single([1; 32]);
    let (object, authority) = (ObjectId::from_bytes([2; 16]), AuthorityId::from_bytes([3; 16]));
    let row = wrapped(&master, object, authority);
    assert_eq!(row.wrapped.len(), 60);
    assert_eq!(master.unwrap(&row, authority).unwrap(), [7; 32]);

    let other_object = WrappedKey { object: ObjectId::from_bytes([9; 16]), ..row.clone() };
    assert!(matches!(master.unwrap(&other_object, authority), Err(KeyError::Forged { .. })));
    let foreign = AuthorityId::from_bytes([9; 16]);
    assert!(matches!(master.unwrap(&row, foreign), Err(KeyError::Forged { .. })));
    assert!(matches!(MasterKeys::single([4; 32]).unwrap(&row, authority), Err(KeyError::Forged { .. })));
    for at in 0..row.wrapped.len() {
        let mut changed = row.clone();
        changed.wrapped[at] ^= 1;
        assert!(matches!(master.unwrap(&changed, authority), Err(KeyError::Forged { .. })), "byte {at}");
    }
    let short = WrappedKey { wrapped: vec![0; 11], ..row };
    assert!(matches!(master.unwrap(&short, authority), Err(KeyError::Forged { .. })));
}

#[test]
fn after_a_new_master_key_the_old_one_still_opens_what_it_wrapped() {
    let (object, authority) = (ObjectId::from_bytes([2; 16]), AuthorityId::from_bytes([3; 16]));
    let old = wrapped(&MasterKeys::single([1; 32]), object, authority);
    let both = MasterKeys(BTreeMap::from([(1, [1; 32]), (2, [2; 32])]));
    assert_eq!(both.unwrap(&old, authority).unwrap(), [7; 32]);
    let new = wrapped(&both, object, authority);
    assert_eq!((old.key_id, new.key_id), (1, 2));
    let only_old = MasterKeys::single([1; 32]).unwrap(&new, authority);
    assert!(matches!(only_old, Err(KeyError::NoMasterKey { key_id: 2 })));
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
