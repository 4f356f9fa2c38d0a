//! Wiring: opens database, stores, index and keys from the configuration and hands each flow what it needs.

mod background;
mod enforcing;
mod events;
mod evidence;
mod ground;
mod inspect;
mod issuing;
mod keys;
mod low_priority;
mod node;
mod objects;
mod ready;
mod rebuild;
mod rotation;
mod scanning;
mod search;
mod system;

use std::fs::{File, TryLockError};
use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;

use crate::access::Tokens;
use crate::config::Config;
use crate::database::{Database, DatabaseError};
use crate::domain::clock::Clock;
use crate::domain::random::Random;
use crate::events::EventsError;
use crate::http::{self, Metrics, Probes, Server, Shared};
use crate::pdf::stationery::StationeryError;
use crate::search::index::IndexError;
use background::Background;
use evidence::Evidence;
use ground::{Begun, Ground};
use issuing::{Certificates, Seals};
use low_priority::LowPriority;
use rotation::Rotation;

pub use inspect::Inspection;
pub use keys::{KeyFileError, make_folder};
pub use objects::ObjectsError;
pub use rebuild::{RebuildError, RebuiltBy, rebuild};
pub use rotation::{Listing, RotateError, list as list_keys, rotate};
pub use system::{SystemClock, SystemRandom};

/// The file in the data folder that whoever serves it has locked.
pub const SERVE_LOCK: &str = "serve.lock";

/// The file in the data folder that is there while a backup is being restored into it.
pub const RESTORING: &str = "restore.unfinished";

/// Why the installation did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A key, or the folder of keys or data.
    #[error(transparent)]
    Key(#[from] KeyFileError),
    /// Another process serves it.
    #[error("another process serves {folder}")]
    Served {
        /// `data_dir`.
        folder: String,
    },
    /// A restore was begun and not finished.
    #[error("{folder} is half restored: give `stammbuch restore` once more, or remove the folder")]
    HalfRestored {
        /// `data_dir`.
        folder: String,
    },
    /// It cannot be found out whether another process serves it.
    #[error("{folder} cannot be locked")]
    Lock {
        /// `data_dir`.
        folder: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// A database does not open.
    #[error("the {which} does not open")]
    Database {
        /// database or keystore.
        which: &'static str,
        /// Why.
        source: DatabaseError,
    },
    /// Typefaces or emblem cannot be read.
    #[error(transparent)]
    Stationery(#[from] StationeryError),
    /// The object store does not open.
    #[error(transparent)]
    Objects(#[from] ObjectsError),
    /// The address cannot be listened on.
    #[error("cannot listen on {address}")]
    Listen {
        /// As configured.
        address: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// Events cannot be delivered.
    #[error(transparent)]
    Events(#[from] EventsError),
    /// The search index does not open.
    #[error("the search index does not open")]
    Index(#[from] IndexError),
    /// The threads of background work do not start.
    #[error("the runtime of background work does not start")]
    Runtime(#[source] std::io::Error),
    /// The counters clash.
    #[error(transparent)]
    Metrics(#[from] prometheus::Error),
}

/// The installation, opened.
pub struct App {
    ground: Ground,
    evidence: Evidence,
    certificates: Certificates,
    begun: Begun,
    rotation: Background,
    probes: Probes,
    _low_priority: LowPriority,
    _lock: ServeLock,
}

impl App {
    /// Opens everything that must be there before the first request. Call on the runtime that is to run it.
    pub async fn open(
        config: Config,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Result<Self, StartError> {
        keys::make_folder(&config.data_dir)?;
        let lock = ServeLock::take(&config.data_dir)?;
        Self::open_locked(lock, config, clock, random).await
    }

    /// As [`App::open`], for who holds the lock of the folder already.
    pub async fn open_locked(
        lock: ServeLock,
        config: Config,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Result<Self, StartError> {
        if config.data_dir.join(RESTORING).exists() {
            return Err(StartError::HalfRestored { folder: config.data_dir.display().to_string() });
        }
        let seals = Seals::read(&config, random.as_ref())?;
        let (ground, begun) = Ground::open(config, clock, random).await?;
        let low_priority = LowPriority::start().map_err(StartError::Runtime)?;
        let evidence = Evidence::start(&ground, &low_priority)?;
        let certificates = Certificates::start(&ground, seals)?;
        Ok(Self {
            rotation: Rotation::start(&ground.config, ground.vault.keyring()),
            probes: ready::probes(&ground, &evidence, &certificates),
            ground,
            evidence,
            certificates,
            begun,
            _low_priority: low_priority,
            _lock: lock,
        })
    }

    /// Starts to answer on the configured address.
    pub fn serve(&self) -> Result<Server, StartError> {
        let config = &self.ground.config;
        let failed = |source| StartError::Listen { address: config.listen.to_string(), source };
        let listener = TcpListener::bind(config.listen).map_err(failed)?;
        http::serve(config, self.shared()?, listener).map_err(failed)
    }

    fn shared(&self) -> Result<Shared, StartError> {
        let Self { ground, evidence, certificates, begun, probes, .. } = self;
        let metrics = Metrics::new()?;
        begun.events.counters.register(metrics.registry())?;
        evidence.receiver.scanning.register(metrics.registry())?;
        Ok(Shared {
            tokens: Tokens::new(&ground.config.access.tokens),
            metrics,
            probes: probes.clone(),
            random: Arc::clone(&ground.random),
            database: ground.database.clone(),
            vault: ground.vault.clone(),
            receiver: evidence.receiver.clone(),
            uploads: evidence.uploads.clone(),
            replayer: begun.events.replayer.clone(),
            direct: evidence.direct.clone(),
            finder: evidence.search.finder.clone(),
            log: Arc::clone(&certificates.log),
            orders: certificates.orders.clone(),
            copies: certificates.copies.clone(),
            retention: evidence.retention.clone(),
            answers: certificates.answers.clone(),
            page_trust: certificates.page_trust.clone(),
        })
    }

    /// Ends what runs in the background and closes the databases. To be called once the server has stopped.
    pub async fn close(self) {
        self.rotation.stop().await;
        self.evidence.stop().await;
        self.begun.stop().await;
        self.certificates.stop().await;
        self.ground.close().await;
    }
}

/// Opens the main database of an installation, which need not have been served before.
pub async fn open_database(config: &Config) -> Result<Database, StartError> {
    keys::make_folder(&config.data_dir)?;
    let failed = |source| StartError::Database { which: "database", source };
    Database::open(&config.database_url(&config.database.url)).await.map_err(failed)
}

/// How often the lock is tried, and the pause between: see [`ServeLock::is_held`].
const TRIES: u32 = 3;
const INSTANT: std::time::Duration = std::time::Duration::from_millis(10);

/// One process at a time serves a folder. The lock ends with the process, however it ends.
#[derive(Debug)]
pub struct ServeLock {
    _file: File,
}

impl ServeLock {
    /// Takes the lock of a data folder.
    ///
    /// # Errors
    /// [`StartError::Served`] if another process has it.
    pub fn take(folder: &Path) -> Result<Self, StartError> {
        let name = || folder.display().to_string();
        let failed = |source| StartError::Lock { folder: name(), source };
        let file = File::create(folder.join(SERVE_LOCK)).map_err(failed)?;
        for _ in 0..TRIES {
            match file.try_lock() {
                Ok(()) => return Ok(Self { _file: file }),
                Err(TryLockError::Error(source)) => return Err(failed(source)),
                // sleeps: who only looks whether it is held has it for an instant
                Err(TryLockError::WouldBlock) => std::thread::sleep(INSTANT),
            }
        }
        Err(StartError::Served { folder: name() })
    }

    /// Whether another process serves a data folder. Makes nothing.
    pub fn is_held(folder: &Path) -> bool {
        let Ok(file) = File::open(folder.join(SERVE_LOCK)) else { return false };
        matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock))
    }
}
