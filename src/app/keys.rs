//! The keys of an installation, opened from the files that the configuration names. Nothing here is ever logged.

use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use der::zeroize::Zeroizing;

use crate::config::Config;
use crate::database::keystore::Keystore;
use crate::domain::random::Random;
use crate::issuance::signing::{OpenedSigners, SignedBy};
use crate::objects::{KeyError, Keyring, MasterKeyError, MasterKeys};
use crate::private_file;
use crate::seal::key::FileKey;
use crate::seal::signer::{FileSigner, MeantFor, SignerError};
use crate::tlog::{BadKey, LogSigner};

/// Why a key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// The file cannot be read or written.
    #[error("{path}", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The master key.
    #[error(transparent)]
    Master(#[from] MasterKeyError),
    /// The file of master keys is gone, and the keystore has keys.
    #[error("{path} is missing, and the keystore needs its master keys: put the file back", path = path.display())]
    NoMasterKeys {
        /// The file.
        path: PathBuf,
    },
    /// The keystore does not open by the master keys, or fails.
    #[error("the keystore cannot be used")]
    Keystore(#[source] KeyError),
    /// The log's key.
    #[error("{path}", path = path.display())]
    Log {
        /// The file.
        path: PathBuf,
        /// The rule it breaks.
        source: BadKey,
    },
    /// The key is of a log with another name.
    #[error("{path}: the key is of the log {got:?}, log.origin is {expected:?}", path = path.display())]
    Origin {
        /// The file.
        path: PathBuf,
        /// As configured.
        expected: String,
        /// As in the key.
        got: String,
    },
    /// The secret of a target of events.
    #[error("{path}", path = path.display())]
    Secret {
        /// The file.
        path: PathBuf,
        /// The rule it breaks.
        source: crate::events::sign::BadSecret,
    },
    /// A signer.
    #[error("{path}", path = path.display())]
    Signer {
        /// The file of its key.
        path: PathBuf,
        /// What is wrong with key or certificates.
        source: SignerError,
    },
}

/// The keys that wrap the keys of authorities; made on the first start, before anything is wrapped.
pub(super) async fn master(
    config: &Config,
    keystore: &Keystore,
    random: &dyn Random,
) -> Result<MasterKeys, KeyFileError> {
    let path = config.path(&config.keystore.master_key_file);
    if !path.exists() && Keyring::is_used(keystore).await.map_err(KeyFileError::Keystore)? {
        return Err(KeyFileError::NoMasterKeys { path });
    }
    make_parent(&path)?;
    Ok(MasterKeys::read_or_create(&path, random)?)
}

/// The key that signs checkpoints; made on the first start.
pub(super) fn log(config: &Config, random: &dyn Random) -> Result<LogSigner, KeyFileError> {
    let path = config.path(&config.log.key_file);
    if !path.exists() {
        let bad = |source| KeyFileError::Log { path: path.clone(), source };
        let (_, text) = LogSigner::generate(&config.log.origin, random).map_err(bad)?;
        make_parent(&path)?;
        private_file::replace(&path, format!("{text}\n").as_bytes())
            .map_err(|source| KeyFileError::File { path: path.clone(), source })?;
    }
    read_log(config)
}

/// The key that signs checkpoints, made before.
pub(super) fn read_log(config: &Config) -> Result<LogSigner, KeyFileError> {
    let path = config.path(&config.log.key_file);
    let origin = &config.log.origin;
    let text =
        fs::read_to_string(&path).map_err(|source| KeyFileError::File { path: path.clone(), source })?;
    let signer =
        LogSigner::parse(&text).map_err(|source| KeyFileError::Log { path: path.clone(), source })?;
    let got = signer.verifier().name().to_owned();
    if got == *origin {
        Ok(signer)
    } else {
        Err(KeyFileError::Origin { path, expected: origin.clone(), got })
    }
}

/// The seals of authorities and the signatures of registrars.
pub(super) fn signers(config: &Config) -> Result<OpenedSigners, KeyFileError> {
    let mut opened = OpenedSigners::default();
    for seal in &config.signing.authorities {
        let passphrase = seal.passphrase_file.as_deref();
        let signer = open(config, &seal.key_file, passphrase, &seal.certificates_file)?;
        opened = opened.with(seal.authority, SignedBy::Authority, Arc::new(signer));
    }
    for registrar in &config.signing.registrars {
        let passphrase = registrar.passphrase_file.as_deref();
        let signer = open(config, &registrar.key_file, passphrase, &registrar.certificates_file)?;
        let by = SignedBy::Registrar(registrar.person.clone());
        opened = opened.with(registrar.authority, by, Arc::new(signer));
    }
    Ok(opened)
}

fn open(
    config: &Config,
    key: &Path,
    passphrase: Option<&Path>,
    certificates: &Path,
) -> Result<FileSigner, KeyFileError> {
    let read = |path: &Path| {
        let path = config.path(path);
        fs::read_to_string(&path).map(Zeroizing::new).map_err(|source| KeyFileError::File { path, source })
    };
    let (key_text, certificates) = (read(key)?, read(certificates)?);
    let passphrase = passphrase.map(read).transpose()?;
    // An editor ends the line; a passphrase that ends with one is not to be had.
    let passphrase = passphrase.as_ref().map(|text| text.trim_end_matches(['\r', '\n']).as_bytes());
    FileKey::from_pem(&key_text, passphrase)
        .and_then(|opened| FileSigner::new(opened, &certificates, MeantFor::Documents))
        .map_err(|source| KeyFileError::Signer { path: config.path(key), source })
}

fn make_parent(path: &Path) -> Result<(), KeyFileError> {
    path.parent().map_or(Ok(()), make_folder)
}

/// Makes a folder, and those above it, that only its owner may enter.
pub fn make_folder(path: &Path) -> Result<(), KeyFileError> {
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|source| KeyFileError::File { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::domain::random::SeededRandom;

    #[test]
    fn the_logs_key_is_made_once_and_belongs_to_one_name() {
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config { data_dir: folder.path().join("data"), ..Config::default() };
        let random = SeededRandom::new(1);
        let first = log(&config, &random).unwrap().verifier().to_string();
        assert_eq!(log(&config, &random).unwrap().verifier().to_string(), first);
        let mode = fs::metadata(config.path(&config.log.key_file)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        config.log.origin = "other.example/log".into();
        let error = log(&config, &random).unwrap_err().to_string();
        assert!(
            error.ends_with(
                "the key is of the log \"127.0.0.1:8080/log\", log.origin is \"other.example/log\""
            )
        );
    }

    #[test]
    fn a_signer_whose_file_is_missing_is_named_by_it() {
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config { data_dir: folder.path().into(), ..Config::default() };
        config.signing.authorities.push(crate::config::AuthoritySigner {
            authority: crate::domain::ids::AuthorityId::from_bytes([1; 16]),
            key_file: "keys/no.pem".into(),
            certificates_file: "keys/no.pem".into(),
            passphrase_file: None,
        });
        let error = signers(&config).map(drop).unwrap_err();
        assert!(error.to_string().ends_with("keys/no.pem"), "{error}");
    }
}
