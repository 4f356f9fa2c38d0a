//! Wiring of the object store: a folder or a bucket, as configured.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde::Deserialize;
use ureq::tls::{PemItem, parse_pem};

use super::background::Background;
use super::enforcing;
use super::system::environment;
use crate::config::{Config, ObjectLock, ObjectStoreKind, S3};
use crate::domain::random::Random;
use crate::http::{NotReady, Probe};
use crate::intake::direct::Direct;
use crate::intake::receive::Receiver;
use crate::issuance::log_files::LogFiles;
use crate::objects::{
    AccessKeys, Address, DiskStore, Enforced, ObjectStore, ProbeError, Retention, RetentionMode, S3Store,
};

/// Between two looks for direct uploads whose time is over.
const SWEEP: Duration = Duration::from_secs(300);

/// Why the object store does not open.
#[derive(Debug, thiserror::Error)]
pub enum ObjectsError {
    /// Its folder, or that of the parts on their way.
    #[error("the object store's folder {folder} does not open")]
    Folder {
        /// Which.
        folder: String,
        /// What the system said.
        source: io::Error,
    },
    /// A file that the table names.
    #[error("objects.s3: {file} cannot be read: {reason}")]
    File {
        /// Which.
        file: String,
        /// Why not.
        reason: String,
    },
    /// There are no keys.
    #[error("objects.s3: set credentials_file, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")]
    NoKeys,
    /// The bucket, the keys or the rights are wrong.
    #[error("objects.s3: {0}")]
    Refused(ProbeError),
}

/// The store, and what it is where that matters. Clones share it.
#[derive(Clone)]
pub(super) enum Store {
    Disk(DiskStore),
    S3(S3Store),
}

/// The keys in their file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyFile {
    access_key_id: String,
    secret_access_key: String,
    session_token: Option<String>,
}

/// The bucket of a configuration. It is asked nothing yet.
fn bucket(config: &Config, random: &Arc<dyn Random>) -> Result<S3Store, ObjectsError> {
    let settings = &config.objects.s3;
    let spool = config.path(&settings.spool);
    let store = S3Store::new(&address(config)?, retention(settings), &spool, Arc::clone(random));
    store.map_err(|source| ObjectsError::Folder { folder: spool.display().to_string(), source })
}

/// Opens the configured store. Asks a bucket nothing yet.
pub(super) fn open(config: &Config, random: &Arc<dyn Random>) -> Result<Store, ObjectsError> {
    match config.objects.store {
        ObjectStoreKind::Disk => {
            let folder = config.path(&config.objects.folder);
            let failed = |source| ObjectsError::Folder { folder: folder.display().to_string(), source };
            Ok(Store::Disk(DiskStore::open(&folder).map_err(failed)?))
        }
        ObjectStoreKind::S3 => Ok(Store::S3(bucket(config, random)?)),
    }
}

/// Opens the configured store and finds out what it enforces; what is left of that is done in the background.
pub(super) async fn start(
    config: &Config,
    random: &Arc<dyn Random>,
) -> Result<(Store, Option<Background>), ObjectsError> {
    let store = open(config, random)?;
    let watching = store.find_out(config).await?;
    Ok((store, watching))
}

fn retention(settings: &S3) -> Option<Retention> {
    let mode = match settings.lock {
        ObjectLock::None => return None,
        ObjectLock::Governance => RetentionMode::Governance,
        ObjectLock::Compliance => RetentionMode::Compliance,
    };
    Some(Retention { mode, days: settings.lock_days })
}

fn address(config: &Config) -> Result<Address, ObjectsError> {
    let S3 { endpoint, region, bucket, prefix, path_style, credentials_file, ca_file, .. } =
        config.objects.s3.clone();
    let trusted_pem = match ca_file.as_os_str().is_empty() {
        true => None,
        false => Some(roots(&config.path(&ca_file))?),
    };
    let keys = if credentials_file.as_os_str().is_empty() {
        keys_of_environment().ok_or(ObjectsError::NoKeys)?
    } else {
        keys_of_file(&config.path(&credentials_file))?
    };
    Ok(Address { endpoint, region, bucket, prefix, path_style, keys, trusted_pem })
}

/// Certificates in PEM. A file without any would make the client trust nobody, or others.
fn roots(path: &Path) -> Result<Vec<u8>, ObjectsError> {
    let pem = read(path)?.into_bytes();
    let whole: Result<Vec<_>, _> = parse_pem(&pem).collect();
    match whole {
        Ok(items) if items.iter().any(|item| matches!(item, PemItem::Certificate(_))) => Ok(pem),
        _ => {
            let reason = "it holds no certificates in PEM".to_owned();
            Err(ObjectsError::File { file: path.display().to_string(), reason })
        }
    }
}

fn keys_of_environment() -> Option<AccessKeys> {
    Some(AccessKeys {
        id: environment("AWS_ACCESS_KEY_ID")?,
        secret: environment("AWS_SECRET_ACCESS_KEY")?,
        session_token: environment("AWS_SESSION_TOKEN"),
    })
}

fn keys_of_file(path: &Path) -> Result<AccessKeys, ObjectsError> {
    let file: KeyFile = toml::from_str(&read(path)?).map_err(|error| {
        // Not the parser's picture of the line: a secret may stand in it.
        ObjectsError::File { file: path.display().to_string(), reason: error.message().to_owned() }
    })?;
    let KeyFile { access_key_id: id, secret_access_key: secret, session_token } = file;
    Ok(AccessKeys { id, secret, session_token })
}

fn read(path: &Path) -> Result<String, ObjectsError> {
    let failed =
        |error: io::Error| ObjectsError::File { file: path.display().to_string(), reason: error.to_string() };
    std::fs::read_to_string(path).map_err(failed)
}

impl Store {
    /// The store as everybody uses it.
    pub(super) fn shared(&self) -> Arc<dyn ObjectStore> {
        match self {
            Self::Disk(store) => Arc::new(store.clone()),
            Self::S3(store) => Arc::new(store.clone()),
        }
    }

    /// Whether what was removed may be kept there for ever, as one more version.
    pub(super) const fn is_bucket(&self) -> bool {
        matches!(self, Self::S3(_))
    }

    /// What takes direct uploads in, where they are on, and sweeps what was never completed.
    pub(super) fn direct(&self, config: &Config, receiver: &Receiver) -> Option<Direct> {
        let Self::S3(store) = self else { return None };
        let S3 { direct_uploads, direct_seconds, .. } = config.objects.s3;
        let lifetime = Duration::from_secs(direct_seconds.into());
        let direct = Direct { store: store.clone(), receiver: receiver.clone(), lifetime };
        // Also where they are off now: there may be some from before. Ends with the runtime.
        tokio::spawn(sweep(direct.clone()));
        direct_uploads.then_some(direct)
    }

    /// The store as a part that can be asked whether it works.
    pub(super) fn watched(&self, files: LogFiles) -> Watched {
        Watched { store: self.clone(), files }
    }

    /// Finds out what a bucket's store enforces, now and from time to time.
    async fn find_out(&self, config: &Config) -> Result<Option<Background>, ObjectsError> {
        let Self::S3(store) = self else { return Ok(None) };
        let every = Duration::from_secs(config.objects.s3.probe_seconds);
        enforcing::start(store, every).await.map(Some).map_err(ObjectsError::Refused)
    }
}

/// The store, watched by the one object that every installation has.
pub(super) struct Watched {
    store: Store,
    files: LogFiles,
}

#[async_trait]
impl Probe for Watched {
    /// Whether the store gives the log's checkpoint, or says that there is none yet; and what it has ceased to enforce.
    async fn probe(&self) -> Result<Option<String>, NotReady> {
        let read = self.files.checkpoint().await;
        read.map_err(|error| NotReady::new("cannot be read", error))?;
        let Store::S3(store) = &self.store else { return Ok(None) };
        let ceased = store.ceased();
        Ok((!ceased.is_empty()).then(|| format!("does not enforce any more: {}", ceased.join(", "))))
    }

    fn facts(&self) -> BTreeMap<&'static str, String> {
        let Store::S3(store) = &self.store else { return BTreeMap::new() };
        let Enforced { overwrite, swap, checksum, lock, versioned } = store.enforced();
        let verdicts =
            [("overwrite", overwrite), ("swap", swap), ("checksum", checksum), ("lock", lock)].into_iter();
        let verdicts = verdicts.map(|(name, verdict)| (name, verdict.to_string()));
        verdicts.chain([("versions", if versioned { "kept" } else { "none" }.to_owned())]).collect()
    }
}

async fn sweep(direct: Direct) {
    loop {
        match direct.sweep().await {
            Ok(0) => {}
            Ok(uploads) => tracing::info!(uploads, "swept direct uploads whose time is over"),
            Err(error) => tracing::warn!(%error, "direct uploads were not swept"),
        }
        // sleeps: their time ends by and by
        tokio::time::sleep(SWEEP).await;
    }
}
