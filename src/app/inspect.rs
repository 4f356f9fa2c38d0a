//! The parts of an installation opened only to be looked at: beside a running server, or without one.

use std::sync::Arc;

use super::ground::open_databases;
use super::{KeyFileError, StartError, SystemClock, SystemRandom, keys, objects};
use crate::config::Config;
use crate::database::Database;
use crate::database::keystore::Keystore;
use crate::domain::random::Random;
use crate::issuance::log_files::LogFiles;
use crate::objects::{MasterKeys, ObjectStore, Vault};
use crate::tlog::VerifierKey;

/// What there is to be compared.
pub struct Inspection {
    /// The rows.
    pub database: Database,
    /// The wrapped keys.
    pub keystore: Keystore,
    /// The database they are in.
    pub keystore_rows: Database,
    /// The objects as they lie there.
    pub objects: Arc<dyn ObjectStore>,
    /// The objects as they open.
    pub vault: Vault,
    /// The files of the log.
    pub log: LogFiles,
    /// The key of the log.
    pub log_key: VerifierKey,
}

impl Inspection {
    /// Opens what is there. Keys that are missing are not made.
    pub async fn open(config: &Config) -> Result<Self, StartError> {
        let log_key = keys::read_log(config)?.verifier().clone();
        let path = config.path(&config.keystore.master_key_file);
        let master = MasterKeys::read(&path).map_err(KeyFileError::from)?;
        let (database, keystore_rows) = open_databases(config).await?;
        let random: Arc<dyn Random> = Arc::new(SystemRandom::new());
        let objects = objects::open(config, &random)?.shared();
        let keystore = Keystore::new(keystore_rows.clone());
        let vault = Vault::new(
            Arc::clone(&objects),
            Arc::new(keystore.clone()),
            master,
            Arc::new(SystemClock),
            random,
        );
        let log = LogFiles::new(Arc::clone(&objects));
        Ok(Self { database, keystore, keystore_rows, objects, vault, log, log_key })
    }

    /// Closes the databases.
    pub async fn close(self) {
        self.database.close().await;
        self.keystore_rows.close().await;
    }
}
