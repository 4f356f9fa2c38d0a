//! Rotating keys: here, if nobody serves the installation, else by whoever does, who is asked by a file. What was
//! broken off is finished by the next one who serves.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::background::Background;
use super::{KeyFileError, ServeLock, StartError, keys};
use crate::config::Config;
use crate::database::Database;
use crate::database::keystore::Keystore;
use crate::domain::clock::Clock;
use crate::domain::random::Random;
use crate::objects::{
    Asked, AuthorityKeyRow, KeyError, KeyName, KeyRows as _, Keyring, Progress, RenewError, Use,
};

/// How often it is looked for a request, and how far the other process has come.
const LOOK: Duration = Duration::from_millis(500);

/// Why keys were not rotated, or not to the end. Asked again, it goes on.
#[derive(Debug, thiserror::Error)]
pub enum RotateError {
    /// The installation does not open.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The keystore.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The file of master keys.
    #[error(transparent)]
    Master(#[from] RenewError),
    /// The server cannot be asked, or what was asked cannot be read.
    #[error("the request for a rotation, {path}")]
    Request {
        /// The file.
        path: String,
        /// What the system said.
        source: io::Error,
    },
    /// The server could not do it.
    #[error("the server could not do it: {reason}")]
    Refused {
        /// What it said.
        reason: String,
    },
    /// The server has stopped before it was done.
    #[error("the server has stopped before the keys were rotated; run this again, or start it: it goes on")]
    ServerStopped,
}

/// What keys there are and what they wrap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// Keys of authorities.
    pub keys: Vec<AuthorityKeyRow>,
    /// What wraps how many data keys.
    pub uses: Vec<Use>,
    /// Master keys that nothing needs: their lines may leave the file.
    pub unused_masters: Vec<u32>,
}

/// What rotates keys in a process that serves.
pub(super) struct Rotation {
    keyring: Keyring,
    request: PathBuf,
    master_key_file: PathBuf,
}

impl Rotation {
    /// Starts to look for requests, and goes on with what was broken off.
    pub(super) fn start(config: &Config, keyring: &Keyring) -> Background {
        let rotation = Self {
            keyring: keyring.clone(),
            request: request(config),
            master_key_file: config.path(&config.keystore.master_key_file),
        };
        Background::start(|stop| rotation.run(stop))
    }

    async fn run(self, stop: impl Future<Output = ()> + Send) {
        tokio::pin!(stop);
        let mut left = true;
        loop {
            let asked = self.request.exists();
            if asked && let Err(error) = self.begin().await {
                tracing::error!(%error, "keys could not be rotated as asked");
                refuse(&self.request, &error);
            } else if left || asked {
                match self.keyring.go_on().await {
                    Ok(progress) => left = progress != Progress::default(),
                    Err(error) => tracing::warn!(%error, "keys are not rotated yet; it goes on"),
                }
                if asked && !left {
                    tracing::info!("keys were rotated, as asked");
                    let _ = fs::remove_file(&self.request);
                }
            }
            tokio::select! {
                () = &mut stop => return,
                // sleeps: requests come from another process, and running uploads let go of old keys without a signal
                () = tokio::time::sleep(if left { LOOK / 10 } else { LOOK }) => {}
            }
        }
    }

    async fn begin(&self) -> Result<(), RotateError> {
        let failed = |source| RotateError::Request { path: self.request.display().to_string(), source };
        let text = fs::read(&self.request).map_err(failed)?;
        let asked: Asked = serde_json::from_slice(&text).map_err(io::Error::from).map_err(failed)?;
        begin(&self.keyring, &self.master_key_file, &asked).await
    }
}

async fn begin(keyring: &Keyring, master_key_file: &Path, asked: &Asked) -> Result<(), RotateError> {
    keyring.renew_master(master_key_file, asked).await?;
    Ok(keyring.begin(asked).await?)
}

/// Rotates; `progress` is told how many data keys are left. Returns when no old key is there any more.
///
/// # Errors
/// [`RotateError`].
pub async fn rotate(
    config: &Config,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    asked: &Asked,
    progress: &(dyn Fn(u64) + Sync),
) -> Result<(), RotateError> {
    match ServeLock::take(&config.data_dir) {
        Ok(held) => here(config, held, (clock, random), asked, progress).await,
        Err(StartError::Served { .. }) => by_server(config, asked, progress).await,
        Err(error) => Err(error.into()),
    }
}

async fn here(
    config: &Config,
    _held: ServeLock,
    (clock, random): (Arc<dyn Clock>, Arc<dyn Random>),
    asked: &Asked,
    progress: &(dyn Fn(u64) + Sync),
) -> Result<(), RotateError> {
    let (database, keyring) = open(config, clock, random).await?;
    begin(&keyring, &config.path(&config.keystore.master_key_file), asked).await?;
    loop {
        let now = keyring.go_on().await?;
        if now == Progress::default() {
            break;
        }
        progress(now.left);
    }
    database.close().await;
    Ok(())
}

async fn by_server(
    config: &Config,
    asked: &Asked,
    progress: &(dyn Fn(u64) + Sync),
) -> Result<(), RotateError> {
    let request = request(config);
    let (refused, keystore) = (refused(&request), open_keystore(config).await?);
    let _ = fs::remove_file(&refused);
    let failed = |source| RotateError::Request { path: request.display().to_string(), source };
    write_request(&request, asked).map_err(failed)?;
    let rows = Keystore::new(keystore.clone());
    while request.exists() {
        if ServeLock::take(&config.data_dir).is_ok() {
            return Err(RotateError::ServerStopped);
        }
        progress(left(&rows.authority_keys().await?, &rows.uses().await?));
        // sleeps: looks at what another process does, which gives no signal
        tokio::time::sleep(LOOK).await;
    }
    keystore.close().await;
    match fs::read_to_string(&refused) {
        Ok(reason) => Err(RotateError::Refused { reason }),
        Err(_) => Ok(()),
    }
}

/// What keys there are.
///
/// # Errors
/// [`RotateError`].
pub async fn list(
    config: &Config,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
) -> Result<Listing, RotateError> {
    let (database, keyring) = open(config, clock, random).await?;
    let rows = Keystore::new(database.clone());
    let (keys, uses) = (rows.authority_keys().await?, rows.uses().await?);
    let listing = Listing { keys, uses, unused_masters: keyring.unused_masters().await? };
    database.close().await;
    Ok(listing)
}

fn left(keys: &[AuthorityKeyRow], uses: &[Use]) -> u64 {
    let newest = |used: &&Use| keys.iter().rfind(|key| key.authority == used.authority);
    let is_old = |used: &&Use| newest(used).is_none_or(|key| used.key != KeyName::Own(key.number));
    uses.iter().filter(is_old).map(|used| used.count).sum()
}

async fn open(
    config: &Config,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
) -> Result<(Database, Keyring), StartError> {
    let database = open_keystore(config).await?;
    let rows = Keystore::new(database.clone());
    let master = keys::master(config, &rows, random.as_ref()).await?;
    let keyring = Keyring::new(Arc::new(rows), master, clock, random);
    keyring.check().await.map_err(KeyFileError::Keystore)?;
    Ok((database, keyring))
}

async fn open_keystore(config: &Config) -> Result<Database, StartError> {
    let failed = |source| StartError::Database { which: "keystore", source };
    Database::open_keystore(&config.database_url(&config.keystore.url)).await.map_err(failed)
}

/// The file by which a running server is asked. It stays until all is done, also over restarts.
fn request(config: &Config) -> PathBuf {
    config.data_dir.join("rotate-keys")
}

fn refused(request: &Path) -> PathBuf {
    request.with_extension("refused")
}

fn write_request(request: &Path, asked: &Asked) -> io::Result<()> {
    let new = request.with_extension("new");
    let mut file = File::create(&new)?;
    file.write_all(&serde_json::to_vec(asked)?)?;
    file.sync_all()?;
    fs::rename(&new, request)
}

fn refuse(request: &Path, error: &RotateError) {
    let mut reason = error.to_string();
    let mut next = std::error::Error::source(error);
    while let Some(cause) = next {
        reason = format!("{reason}: {cause}");
        next = cause.source();
    }
    let _ = fs::write(refused(request), reason);
    let _ = fs::remove_file(request);
}
