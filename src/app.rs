//! Wiring: opens database, stores, index and keys from the configuration and hands each flow what it needs.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use ring::rand::SecureRandom as _;

use crate::access::Tokens;
use crate::config::Config;
use crate::database::{Database, DatabaseError};
use crate::domain::clock::Clock;
use crate::domain::random::Random;
use crate::http::{self, Metrics, Probe, Probes, Server, Shared};

/// Why the installation did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A folder of the installation cannot be made.
    #[error("{path}")]
    Folder {
        /// The folder.
        path: String,
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
    /// The address cannot be listened on.
    #[error("cannot listen on {address}")]
    Listen {
        /// As configured.
        address: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The counters clash.
    #[error(transparent)]
    Metrics(#[from] prometheus::Error),
}

/// The installation, opened.
pub struct App {
    config: Config,
    random: Arc<dyn Random>,
    database: Database,
    keystore: Database,
}

impl App {
    /// Opens everything that must be there before the first request. Call on the runtime that is to run it.
    pub async fn open(config: Config, random: Arc<dyn Random>) -> Result<Self, StartError> {
        make_folder(&config.data_dir)?;
        let open = |which| move |source| StartError::Database { which, source };
        let database =
            Database::open(&config.database_url(&config.database.url)).await.map_err(open("database"))?;
        let keystore = Database::open_keystore(&config.database_url(&config.keystore.url))
            .await
            .map_err(open("keystore"))?;
        Ok(Self { config, random, database, keystore })
    }

    /// Starts to answer on the configured address.
    pub fn serve(&self) -> Result<Server, StartError> {
        let address = self.config.listen;
        let failed = |source| StartError::Listen { address: address.to_string(), source };
        let listener = TcpListener::bind(address).map_err(failed)?;
        http::serve(&self.config, self.shared()?, listener).map_err(failed)
    }

    fn shared(&self) -> Result<Shared, StartError> {
        Ok(Shared {
            tokens: Tokens::new(&self.config.access.tokens),
            metrics: Metrics::new()?,
            probes: Probes::default()
                .with("database", Arc::new(self.database.clone()))
                .with("keystore", Arc::new(self.keystore.clone())),
            random: Arc::clone(&self.random),
        })
    }

    /// Ends what runs in the background and closes the databases. To be called once the server has stopped.
    pub async fn close(self) {
        self.database.close().await;
        self.keystore.close().await;
    }
}

#[async_trait]
impl Probe for Database {
    async fn probe(&self) -> Result<(), String> {
        self.ping().await.map_err(|error| error.to_string())
    }
}

/// Makes a folder that only its owner may enter.
fn make_folder(path: &Path) -> Result<(), StartError> {
    use std::os::unix::fs::DirBuilderExt as _;
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|source| StartError::Folder { path: path.display().to_string(), source })
}

/// The clock of the machine.
#[derive(Debug, Clone, Copy)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place where the wiring takes the time from the machine"
    )]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// The generator of the operating system.
#[derive(Debug, Clone)]
pub struct SystemRandom(ring::rand::SystemRandom);

impl SystemRandom {
    /// Opens it.
    pub fn new() -> Self {
        Self(ring::rand::SystemRandom::new())
    }
}

impl Default for SystemRandom {
    fn default() -> Self {
        Self::new()
    }
}

impl Random for SystemRandom {
    /// Ends the process if the system has no randomness: no key and no salt may be made without it.
    fn fill(&self, buffer: &mut [u8]) {
        if self.0.fill(buffer).is_err() {
            tracing::error!("the operating system gives no random bytes");
            std::process::abort();
        }
    }
}
