//! Wiring: opens database, stores, index and keys from the configuration and hands each flow what it needs.

mod events;
mod evidence;
mod inspect;
mod issuing;
mod keys;
mod low_priority;
mod node;
mod objects;
mod ready;
mod rebuild;
mod rotation;
mod search;
mod system;

use std::fs::{File, TryLockError};
use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;

use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::access::Tokens;
use crate::config::Config;
use crate::database::keystore::Keystore;
use crate::database::log::Takeover;
use crate::database::{Database, DatabaseError, jobs};
use crate::domain::clock::Clock;
use crate::domain::ids::NodeId;
use crate::domain::random::Random;
use crate::events::{EventsError, Worker};
use crate::http::{self, Metrics, Probes, Server, Shared};
use crate::intake::direct::Direct;
use crate::intake::receive::Receiver;
use crate::intake::uploads::Uploads;
use crate::issuance::answers::Answers;
use crate::issuance::interrupt::Uninterrupted;
use crate::issuance::log::Log;
use crate::issuance::log_files::LogFiles;
use crate::issuance::sequencer::Sequencing;
use crate::issuance::signing::OpenedSigners;
use crate::jobs::Running;
use crate::jobs::pulse::Pulse;
use crate::objects::{ObjectStore, Vault};
use crate::orders::Orders;
use crate::pdf::stationery::StationeryError;
use crate::register::copies::Copies;
use crate::retention::Retention;
use crate::search::index::IndexError;
use crate::tlog::{LogSigner, VerifierKey};
use crate::web::PublicTrust;
use low_priority::LowPriority;
use rotation::Rotation;
use search::Search;

pub use inspect::Inspection;
pub use keys::KeyFileError;
pub use objects::ObjectsError;
pub use rebuild::{RebuildError, RebuiltBy, rebuild};
pub use rotation::{Listing, RotateError, list as list_keys, rotate};
pub use system::{SystemClock, SystemRandom};

/// The file in the data folder that whoever serves it has locked.
pub const SERVE_LOCK: &str = "serve.lock";

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
    config: Config,
    random: Arc<dyn Random>,
    database: Database,
    keystore: Database,
    vault: Vault,
    receiver: Receiver,
    uploads: Uploads,
    direct: Option<Direct>,
    tidier: Background,
    jobs: Running,
    log: Arc<Log>,
    orders: Orders,
    copies: Copies,
    retention: Retention,
    answers: Answers,
    page_trust: PublicTrust,
    sequencer: Background,
    finisher: Background,
    eraser: Background,
    rotation: Background,
    search: Search,
    watching: Option<Background>,
    probes: Probes,
    events: Worker,
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
        let node = node::id(&config.data_dir, random.as_ref())?;
        let log_signer = Arc::new(keys::log(&config, random.as_ref())?);
        let signers = Arc::new(keys::signers(&config)?);
        let (database, keystore) = open_databases(&config).await?;
        let (store, watching) = objects::start(&config, &random).await?;
        let vault = open_vault(&config, &store.shared(), &keystore, (&clock, &random)).await?;
        take_jobs_over(&config, &database, node, clock.as_ref()).await?;
        let (outbox, events) = events::start(&config, &database, node, (&clock, &random))?;
        let low_priority = LowPriority::start().map_err(StartError::Runtime)?;
        let search = low_priority
            .within(|| Search::start(&config, &database, &vault, &clock, &random, outbox.clone()))?;
        let evidence = evidence::Parts {
            database: database.clone(),
            vault: vault.clone(),
            clock: Arc::clone(&clock),
            random: Arc::clone(&random),
            node,
            outbox: outbox.clone(),
        };
        let (receiver, jobs) = low_priority.within(|| evidence::start(&config, &evidence, search.wake()));
        let (uploads, tidier) = evidence::uploads(&config, &receiver);
        let (retention, eraser) = evidence.retention(&keystore, &search);
        let direct = store.direct(&config, &receiver);
        let log_key = log_signer.verifier().clone();
        let log = Arc::new(Log::new(database.clone(), LogFiles::new(store.shared()), log_key.clone()));
        let (answers, page_trust) = trusting(&database, &signers, log_key, &clock);
        let with = (&clock, node);
        let (sequencer, pulse) = start_sequencer(&config, &log, &database, log_signer, with);
        let work = (&search.indexer, &pulse);
        let probes = ready::probes((&database, &keystore), (&store, log.files()), &signers, work, with);
        let parts = issuing::Parts {
            database: database.clone(),
            vault: vault.clone(),
            log: Arc::clone(&log),
            signers,
            clock,
            random: Arc::clone(&random),
            outbox,
        };
        let (orders, copies) = issuing::open(&config, parts)?;
        Ok(Self {
            rotation: Rotation::start(&config, vault.keyring()),
            finisher: issuing::finisher(&orders),
            config,
            random,
            database,
            keystore,
            vault,
            receiver,
            uploads,
            direct,
            tidier,
            jobs,
            log,
            orders,
            copies,
            retention,
            answers,
            page_trust,
            sequencer,
            eraser,
            search,
            watching,
            probes,
            events,
            _low_priority: low_priority,
            _lock: lock,
        })
    }

    /// Starts to answer on the configured address.
    pub fn serve(&self) -> Result<Server, StartError> {
        let address = self.config.listen;
        let failed = |source| StartError::Listen { address: address.to_string(), source };
        let listener = TcpListener::bind(address).map_err(failed)?;
        http::serve(&self.config, self.shared()?, listener).map_err(failed)
    }

    fn shared(&self) -> Result<Shared, StartError> {
        let metrics = Metrics::new()?;
        self.events.counters.register(metrics.registry())?;
        Ok(Shared {
            tokens: Tokens::new(&self.config.access.tokens),
            metrics,
            probes: self.probes.clone(),
            random: Arc::clone(&self.random),
            database: self.database.clone(),
            vault: self.vault.clone(),
            receiver: self.receiver.clone(),
            uploads: self.uploads.clone(),
            replayer: self.events.replayer.clone(),
            direct: self.direct.clone(),
            finder: self.search.finder.clone(),
            log: Arc::clone(&self.log),
            orders: self.orders.clone(),
            copies: self.copies.clone(),
            retention: self.retention.clone(),
            answers: self.answers.clone(),
            page_trust: self.page_trust.clone(),
        })
    }

    /// Ends what runs in the background and closes the databases. To be called once the server has stopped.
    pub async fn close(self) {
        self.finisher.stop().await;
        self.tidier.stop().await;
        self.eraser.stop().await;
        self.rotation.stop().await;
        self.jobs.stop().await;
        self.search.stop().await;
        self.events.stop().await;
        self.sequencer.stop().await;
        if let Some(watching) = self.watching {
            watching.stop().await;
        }
        self.database.close().await;
        self.keystore.close().await;
    }
}

/// Opens the main database of an installation, which need not have been served before.
pub async fn open_database(config: &Config) -> Result<Database, StartError> {
    keys::make_folder(&config.data_dir)?;
    let failed = |source| StartError::Database { which: "database", source };
    Database::open(&config.database_url(&config.database.url)).await.map_err(failed)
}

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
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => Err(StartError::Served { folder: name() }),
            Err(TryLockError::Error(source)) => Err(failed(source)),
        }
    }
}

/// What the public is answered, and what the page checks against: both believe the installation's own keys.
fn trusting(
    database: &Database,
    signers: &OpenedSigners,
    log_key: VerifierKey,
    clock: &Arc<dyn Clock>,
) -> (Answers, PublicTrust) {
    let page = PublicTrust::new(&signers.roots(), std::slice::from_ref(&log_key));
    (Answers::new(database.clone(), signers.trust(), vec![log_key], Arc::clone(clock)), page)
}

async fn open_vault(
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
    let of = if url_is_embedded(config) { None } else { Some(node) };
    let taken: Result<u64, DatabaseError> =
        database.write(move |tx| Box::pin(jobs::take_over(tx, of, now))).await;
    taken.map(drop).map_err(|source| StartError::Database { which: "database", source })
}

fn url_is_embedded(config: &Config) -> bool {
    config.database.url.starts_with("sqlite:")
}

async fn open_databases(config: &Config) -> Result<(Database, Database), StartError> {
    let open = |which| move |source| StartError::Database { which, source };
    let url = config.database_url(&config.database.url);
    let database = Database::open(&url).await.map_err(open("database"))?;
    let url = config.database_url(&config.keystore.url);
    let keystore = Database::open_keystore(&url).await.map_err(open("keystore"))?;
    Ok((database, keystore))
}

fn start_sequencer(
    config: &Config,
    log: &Arc<Log>,
    database: &Database,
    signer: Arc<LogSigner>,
    (clock, node): (&Arc<dyn Clock>, NodeId),
) -> (Background, Pulse) {
    let pulse = Pulse::default();
    // Whoever had the lease of an embedded database held the lock of this folder too. Of a shared one, this node
    // takes back what it had itself.
    let takeover = if url_is_embedded(config) { Takeover::AtOnce } else { Takeover::WhenExpired };
    let sequencing = Sequencing {
        log: Arc::clone(log),
        database: database.clone(),
        signer,
        clock: Arc::clone(clock),
        interrupts: Arc::new(Uninterrupted),
        owner: node,
        takeover,
        pulse: pulse.clone(),
    };
    (Background::start(|stop| sequencing.run(stop)), pulse)
}

/// Work that goes on until it is told to stop.
struct Background {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Background {
    /// Starts what `work` gives when it is handed the signal to stop.
    fn start<F: Future<Output = ()> + Send + 'static>(work: impl FnOnce(Stop) -> F) -> Self {
        let (stop, stopped) = oneshot::channel::<()>();
        let stopped: Stop = Box::pin(async move {
            let _ = stopped.await;
        });
        Self { stop, task: tokio::spawn(work(stopped)) }
    }

    /// Tells it to stop and waits until it has.
    async fn stop(self) {
        let _ = self.stop.send(());
        if let Err(error) = self.task.await {
            tracing::error!(%error, "background work ended before it was stopped");
        }
    }
}

type Stop = futures_util::future::BoxFuture<'static, ()>;
