//! Wrapping binds object, authority and key; names of keys read back.

use super::*;
use crate::domain::random::SeededRandom;

const OBJECT: ObjectId = ObjectId::from_bytes([2; 16]);
const OURS: AuthorityId = AuthorityId::from_bytes([3; 16]);

fn wrapped(wrapper: &Wrapper, key: KeyName) -> WrappedKey {
    let wrapped = wrapper.wrap_data_key(&[7; 32], (OBJECT, OURS, key), &SeededRandom::new(1)).unwrap();
    WrappedKey { object: OBJECT, authority: OURS, key, wrapped, created_at: Timestamp::UNIX_EPOCH }
}

#[test]
fn a_wrapped_key_opens_only_where_it_belongs() {
    let master = MasterKeys::single([1; 32]);
    let derived = master.derived_wrapper(OURS, 1).unwrap();
    let own = Wrapper::own(&[5; 32]).unwrap();
    for (wrapper, name) in [(derived, KeyName::Derived(1)), (own, KeyName::Own(1))] {
        let row = wrapped(&wrapper, name);
        assert_eq!(row.wrapped.len(), 60);
        assert_eq!(wrapper.unwrap_data_key(&row, OURS).unwrap(), [7; 32]);
        let refused = |row: &WrappedKey, authority| {
            let opened = wrapper.unwrap_data_key(row, authority);
            assert!(matches!(opened, Err(KeyError::Forged { .. })), "{row:?}");
        };
        refused(&WrappedKey { object: ObjectId::from_bytes([9; 16]), ..row.clone() }, OURS);
        refused(&WrappedKey { key: KeyName::Own(2), ..row.clone() }, OURS);
        refused(&row, AuthorityId::from_bytes([9; 16]));
        for at in 0..row.wrapped.len() {
            let mut changed = row.clone();
            changed.wrapped[at] ^= 1;
            refused(&changed, OURS);
        }
        refused(&WrappedKey { wrapped: vec![0; 11], ..row }, OURS);
    }
}

#[test]
fn a_key_of_an_authority_opens_under_its_master_key_only() {
    let master = MasterKeys::single([1; 32]);
    let row = AuthorityKeyRow {
        authority: OURS,
        number: 1,
        master: 1,
        wrapped: Vec::new(),
        created_at: Timestamp::UNIX_EPOCH,
    };
    let random = SeededRandom::new(1);
    let row = master.wrapper(1).unwrap().wrap_authority_key(&[8; 32], row, &random).unwrap();
    assert_eq!(master.wrapper(1).unwrap().unwrap_authority_key(&row).unwrap(), [8; 32]);
    let wrong = MasterKeys::single([2; 32]).wrapper(1).unwrap().unwrap_authority_key(&row);
    assert!(matches!(wrong, Err(KeyError::WrongMasterKey { number: 1 })));
    assert!(matches!(master.wrapper(2).map(drop), Err(KeyError::NoMasterKey { number: 2 })));
    let other = AuthorityKeyRow { number: 2, ..row };
    assert!(master.wrapper(1).unwrap().unwrap_authority_key(&other).is_err());
}

#[test]
fn names_of_keys_read_back() {
    for (name, text) in [(KeyName::Derived(1), "1"), (KeyName::Own(12), "a12")] {
        assert_eq!((name.to_string().as_str(), text.parse()), (text, Ok(name)));
    }
    for bad in ["", "a", "b1", "1a", "a-1", "4294967296"] {
        assert_eq!(bad.parse::<KeyName>(), Err(NotAKeyName), "{bad}");
    }
}
