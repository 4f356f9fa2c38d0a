//! Wrapping: one key encrypted by another, bound to what it belongs to.
//!
//! Additional data, integers big endian: of a data key under a derived key "stammbuch/data-key/v1", object id,
//! authority id, number (u32); under an authority's own key the same with v2; of an authority's key under a master key
//! "stammbuch/authority-key/v2", authority id, its number, the number of the master key.

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};

use super::{AuthorityKeyRow, KeyError, KeyName, WrappedKey};
use crate::domain::ids::{AuthorityId, ObjectId};
use crate::domain::random::{self, Random};

/// A key that wraps others.
pub(in crate::objects) struct Wrapper(LessSafeKey);

impl Wrapper {
    pub(super) const fn new(key: LessSafeKey) -> Self {
        Self(key)
    }

    /// An authority's own key.
    pub(in crate::objects) fn own(key: &[u8; 32]) -> Option<Self> {
        UnboundKey::new(&AES_256_GCM, key).ok().map(|key| Self(LessSafeKey::new(key)))
    }

    fn wrap(&self, key: &[u8; 32], binding: &[u8], random: &dyn Random) -> Option<Vec<u8>> {
        let nonce: [u8; NONCE_LEN] = random::bytes(random);
        let mut sealed = key.to_vec();
        let unique = Nonce::assume_unique_for_key(nonce);
        self.0.seal_in_place_append_tag(unique, Aad::from(binding), &mut sealed).ok()?;
        Some([nonce.as_slice(), &sealed].concat())
    }

    fn unwrap(&self, wrapped: &[u8], binding: &[u8]) -> Option<[u8; 32]> {
        let (nonce, sealed) = wrapped.split_first_chunk::<NONCE_LEN>()?;
        let mut sealed = sealed.to_vec();
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let opened = self.0.open_in_place(nonce, Aad::from(binding), &mut sealed).ok()?;
        <[u8; 32]>::try_from(&*opened).ok()
    }

    /// Wraps the data key of an object.
    pub(in crate::objects) fn wrap_data_key(
        &self,
        data_key: &[u8; 32],
        (object, authority, key): (ObjectId, AuthorityId, KeyName),
        random: &dyn Random,
    ) -> Result<Vec<u8>, KeyError> {
        self.wrap(data_key, &of_data_key(object, authority, key), random).ok_or(KeyError::Forged { object })
    }

    /// The data key in a row, if it belongs to `authority`.
    pub(in crate::objects) fn unwrap_data_key(
        &self,
        row: &WrappedKey,
        authority: AuthorityId,
    ) -> Result<[u8; 32], KeyError> {
        let binding = of_data_key(row.object, authority, row.key);
        self.unwrap(&row.wrapped, &binding).ok_or(KeyError::Forged { object: row.object })
    }

    /// Wraps the key of an authority into `row`, for the master key it names.
    pub(in crate::objects) fn wrap_authority_key(
        &self,
        key: &[u8; 32],
        row: AuthorityKeyRow,
        random: &dyn Random,
    ) -> Result<AuthorityKeyRow, KeyError> {
        let wrapped = self.wrap(key, &of_authority_key(&row), random);
        let wrapped = wrapped.ok_or(KeyError::WrongMasterKey { number: row.master })?;
        Ok(AuthorityKeyRow { wrapped, ..row })
    }

    /// The key of an authority in a row.
    pub(in crate::objects) fn unwrap_authority_key(
        &self,
        row: &AuthorityKeyRow,
    ) -> Result<[u8; 32], KeyError> {
        let key = self.unwrap(&row.wrapped, &of_authority_key(row));
        key.ok_or(KeyError::WrongMasterKey { number: row.master })
    }
}

fn of_data_key(object: ObjectId, authority: AuthorityId, key: KeyName) -> Vec<u8> {
    let (domain, number) = match key {
        KeyName::Derived(number) => (b"stammbuch/data-key/v1", number),
        KeyName::Own(number) => (b"stammbuch/data-key/v2", number),
    };
    [domain.as_slice(), object.as_bytes(), authority.as_bytes(), &number.to_be_bytes()].concat()
}

fn of_authority_key(row: &AuthorityKeyRow) -> Vec<u8> {
    let (number, master) = (row.number.to_be_bytes(), row.master.to_be_bytes());
    [b"stammbuch/authority-key/v2".as_slice(), row.authority.as_bytes(), &number, &master].concat()
}
