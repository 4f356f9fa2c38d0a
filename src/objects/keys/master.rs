//! The file of master keys: strict, private, the first key wraps what is new. Whoever has it and the keystore can read
//! everything that was not erased.
//!
//! Keys of authorities are wrapped by HKDF-SHA256(master key, salt "stammbuch/master-wrapping-key/v1"); before there
//! were any: HKDF-SHA256(master key, salt "stammbuch/authority-key/v1", info = authority id, number as u32).

use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use ring::aead::{AES_256_GCM, LessSafeKey, UnboundKey};
use ring::hkdf;

use super::{KeyError, Wrapper};
use crate::domain::ids::AuthorityId;
use crate::domain::random::{self, Random};
use crate::private_file;

const FIRST_LINE: &str = "stammbuch master keys 1";
/// The largest file of master keys that is read.
const FILE_BYTES_MAX: u64 = 64 * 1024;

/// Why a file of master keys is refused.
#[derive(Debug, thiserror::Error)]
pub enum MasterKeyError {
    /// The file cannot be read or written.
    #[error("master keys {path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// Others than the owner may read the file.
    #[error("master keys {path}: mode {mode:o} where 600 is required")]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// A line is not what it should be.
    #[error("master keys {path}, line {line}: {expected} expected")]
    Line {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// What should stand there.
        expected: &'static str,
    },
}

/// The master keys of an installation, as in their file: the first one wraps what is new, all of them unwrap.
pub struct MasterKeys(Vec<(u32, [u8; 32])>);

impl MasterKeys {
    /// One key, number 1.
    pub fn single(key: [u8; 32]) -> Self {
        Self(vec![(1, key)])
    }

    /// Reads a file of mode 0600: `stammbuch master keys 1`, then lines of number and 64 hex digits.
    pub fn read(path: &Path) -> Result<Self, MasterKeyError> {
        let failed = |source| MasterKeyError::Io { path: path.to_owned(), source };
        let file = File::open(path).map_err(failed)?;
        let mode = file.metadata().map_err(failed)?.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(MasterKeyError::Exposed { path: path.to_owned(), mode });
        }
        let mut text = String::new();
        file.take(FILE_BYTES_MAX).read_to_string(&mut text).map_err(failed)?;
        Self::parse(&text).map_err(|(line, expected)| MasterKeyError::Line {
            path: path.to_owned(),
            line,
            expected,
        })
    }

    /// Draws a key and writes it to a new file, durably; an existing file is read instead.
    pub fn read_or_create(path: &Path, random: &dyn Random) -> Result<Self, MasterKeyError> {
        let failed = |source| MasterKeyError::Io { path: path.to_owned(), source };
        if path.exists() {
            return Self::read(path);
        }
        let new = Self::single(random::bytes(random));
        let new = private_file::write_beside(path, new.text().as_bytes()).map_err(failed)?;
        match std::fs::hard_link(&new, path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(failed(error)),
            _ => std::fs::remove_file(&new).map_err(failed)?,
        }
        private_file::sync_folder_of(path).map_err(failed)?;
        Self::read(path)
    }

    fn parse(text: &str) -> Result<Self, (usize, &'static str)> {
        let mut lines = (1..).zip(text.lines());
        if lines.next().is_none_or(|(_, line)| line != FIRST_LINE) {
            return Err((1, FIRST_LINE));
        }
        let mut keys: Vec<(u32, [u8; 32])> = Vec::new();
        for (number, line) in lines {
            const EXPECTED: &str = "a number, a space and 64 hex digits";
            let (key_id, digits) = line.split_once(' ').ok_or((number, EXPECTED))?;
            let mut key = [0; 32];
            hex::decode_to_slice(digits, &mut key).map_err(|_| (number, EXPECTED))?;
            let key_id = key_id.parse().map_err(|_| (number, EXPECTED))?;
            if keys.iter().any(|(before, _)| *before == key_id) {
                return Err((number, "a number that was not used before"));
            }
            keys.push((key_id, key));
        }
        if keys.is_empty() { Err((2, "a key")) } else { Ok(Self(keys)) }
    }

    /// Draws a key and puts it first in the file, durably. The others stay: they still unwrap.
    ///
    /// # Errors
    /// If the file cannot be written; it is as it was then.
    pub fn renew(&self, path: &Path, random: &dyn Random) -> Result<Self, MasterKeyError> {
        let failed = |source| MasterKeyError::Io { path: path.to_owned(), source };
        let number = self.0.iter().map(|(number, _)| *number).max().unwrap_or_default() + 1;
        let mut keys = vec![(number, random::bytes(random))];
        keys.extend(&self.0);
        let renewed = Self(keys);
        private_file::replace(path, renewed.text().as_bytes()).map_err(failed)?;
        Ok(renewed)
    }

    /// The text of the file.
    fn text(&self) -> String {
        let lines = self.0.iter().map(|(number, key)| format!("{number} {}\n", hex::encode(key)));
        format!("{FIRST_LINE}\n{}", lines.collect::<String>())
    }

    /// The number of the one that wraps what is new.
    pub fn first(&self) -> u32 {
        self.0.first().map_or(0, |(number, _)| *number)
    }

    /// The numbers of all of them, in the order of the file.
    pub fn numbers(&self) -> Vec<u32> {
        self.0.iter().map(|(number, _)| *number).collect()
    }

    fn key(&self, number: u32) -> Result<&[u8; 32], KeyError> {
        let found = self.0.iter().find(|(known, _)| *known == number);
        found.map(|(_, key)| key).ok_or(KeyError::NoMasterKey { number })
    }

    /// What wraps the keys of authorities.
    pub(in crate::objects) fn wrapper(&self, number: u32) -> Result<Wrapper, KeyError> {
        let key = derived(self.key(number)?, b"stammbuch/master-wrapping-key/v1", &[]);
        key.map(Wrapper::new).ok_or(KeyError::WrongMasterKey { number })
    }

    /// The key of an authority as it was before authorities had keys of their own.
    pub(in crate::objects) fn derived_wrapper(
        &self,
        authority: AuthorityId,
        number: u32,
    ) -> Result<Wrapper, KeyError> {
        let info = [authority.as_bytes().as_slice(), &number.to_be_bytes()];
        let key = derived(self.key(number)?, b"stammbuch/authority-key/v1", &info);
        key.map(Wrapper::new).ok_or(KeyError::WrongMasterKey { number })
    }
}

fn derived(master: &[u8; 32], salt: &[u8], info: &[&[u8]]) -> Option<LessSafeKey> {
    let secret = hkdf::Salt::new(hkdf::HKDF_SHA256, salt).extract(master);
    let key = secret.expand(info, &AES_256_GCM).ok()?;
    Some(LessSafeKey::new(UnboundKey::from(key)))
}

#[cfg(test)]
mod tests;
