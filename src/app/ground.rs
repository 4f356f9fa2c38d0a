//! What both flows stand on: the databases, the store and the vault in it, who this node is, and who is told of events.

use std::sync::Arc;

use super::background::Background;
use super::objects::Store;
use super::{KeyFileError, StartError, events, keys, node, objects};
use crate::config::Config;
use crate::database::keystore::Keystore;
use crate::database::{Database, DatabaseError, jobs};
use crate::domain::clock::Clock;
use crate::domain::ids::NodeId;
use crate::domain::random::Random;
use crate::events::{Outbox, Worker};
use crate::objects::{ObjectStore, Vault};

/// The parts that every flow uses.
pub(super) struct Ground {
    pub(super) config: Config,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) random: Arc<dyn Random>,
    pub(super) node: NodeId,
    pub(super) database: Database,
    pub(super) keystore: Database,
    pub(super) store: Store,
    pub(super) vault: Vault,
    pub(super) outbox: Outbox,
}

/// What was begun with them.
pub(super) struct Begun {
    /// What delivers events.
    pub(super) events: Worker,
    /// What looks after a bucket's store.
    pub(super) watching: Option<Background>,
}

impl Ground {
    /// Opens all of them. The lock of the data folder is held.
    pub(super) async fn open(
        config: Config,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Result<(Self, Begun), StartError> {
        let node = node::id(&config.data_dir, random.as_ref())?;
        let (database, keystore) = open_databases(&config).await?;
        let (store, watching) = objects::start(&config, &random).await?;
        let vault = open_vault(&config, &store.shared(), &keystore, (&clock, &random)).await?;
        take_jobs_over(&config, &database, node, clock.as_ref()).await?;
        let (outbox, events) = events::start(&config, &database, node, (&clock, &random))?;
        let ground = Self { config, clock, random, node, database, keystore, store, vault, outbox };
        Ok((ground, Begun { events, watching }))
    }

    /// Whether the main database is a file in the data folder, whose lock this process holds.
    pub(super) fn is_embedded(&self) -> bool {
        is_embedded(&self.config)
    }

    /// Closes the databases.
    pub(super) async fn close(self) {
        self.database.close().await;
        self.keystore.close().await;
    }
}

impl Begun {
    /// Ends it.
    pub(super) async fn stop(self) {
        self.events.stop().await;
        if let Some(watching) = self.watching {
            watching.stop().await;
        }
    }
}

pub(super) async fn open_vault(
    config: &Config,
    objects: &Arc<dyn ObjectStore>,
    keystore: &Database,
    (clock, random): (&Arc<dyn Clock>, &Arc<dyn Random>),
) -> Result<Vault, StartError> {
    let rows = Keystore::new(keystore.clone());
    let master = keys::master(config, &rows, random.as_ref()).await?;
    let vault =
        Vault::new(Arc::clone(objects), Arc::new(rows), master, Arc::clone(clock), Arc::clone(random));
    vault.keyring().check().await.map_err(KeyFileError::Keystore)?;
    Ok(vault)
}

/// What this node had claimed when it was killed is due again; so is all that was claimed in an embedded database,
/// since nobody else can be at work there: every process of it held the lock of this folder.
async fn take_jobs_over(
    config: &Config,
    database: &Database,
    node: NodeId,
    clock: &dyn Clock,
) -> Result<(), StartError> {
    let now = clock.now();
    let of = if is_embedded(config) { None } else { Some(node) };
    let taken: Result<u64, DatabaseError> =
        database.write(move |tx| Box::pin(jobs::take_over(tx, of, now))).await;
    taken.map(drop).map_err(|source| StartError::Database { which: "database", source })
}

fn is_embedded(config: &Config) -> bool {
    config.database.url.starts_with("sqlite:")
}

pub(super) async fn open_databases(config: &Config) -> Result<(Database, Database), StartError> {
    let open = |which| move |source| StartError::Database { which, source };
    let url = config.database_url(&config.database.url);
    let database = Database::open(&url).await.map_err(open("database"))?;
    let url = config.database_url(&config.keystore.url);
    let keystore = Database::open_keystore(&url).await.map_err(open("keystore"))?;
    Ok((database, keystore))
}
