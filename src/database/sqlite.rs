//! SQLite: one writer that commits many queued works with one sync (group commit), and a few readers beside it.
//!
//! The WAL is synced at each commit (`synchronous=FULL`): what `write` has answered survives a power cut.

use std::fs::{File, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use rustix::fs::Advice;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Connection as _};
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::{Instant, sleep};

use super::error::DatabaseError;
use super::migrate::{self, Schema};
use super::presence::Presence;
use super::tx::{Link, Tx, sql};
use super::work::{Answer, Work};

/// How long a transaction waits for another process that writes, before it answers "unavailable".
pub(super) const BUSY: Duration = Duration::from_secs(5);
/// Page cache of one connection, negative: in KiB.
const CACHE_KIB: &str = "-16384";
/// Pages of 4 KiB in the WAL before they are copied into the main file: a page that many commits change is copied
/// once.
const CHECKPOINT_PAGES: &str = "4000";
/// Between two tries to open.
const AGAIN: Duration = Duration::from_millis(20);
/// Works that wait for the writer; more wait at the door.
const QUEUE_MAX: usize = 4096;
/// Works in one commit: bounds how long the first one waits for the last.
const BATCH_MAX: usize = 512;
/// Connections that read at the same time.
const READERS_MAX: usize = 8;

/// Opening is not done twice at once in this process: closing any descriptor of a file drops the locks that other
/// connections of the process hold on it (POSIX), and two that switch a new file to WAL starve each other.
static OPENING: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

enum Message {
    Work(Box<dyn Work>),
    Scrub(Scrubbed),
    Close(oneshot::Sender<()>),
}

type Scrubbed = oneshot::Sender<Result<(), DatabaseError>>;

/// What was asked for and is done when the writer has no transaction.
#[derive(Default)]
struct Afterwards {
    scrubs: Vec<Scrubbed>,
    close: Option<oneshot::Sender<()>>,
}

/// The two sides of one database file.
pub(super) struct Sqlite {
    queue: mpsc::Sender<Message>,
    readers: Readers,
}

impl Sqlite {
    /// Opens or creates the file, brings its schema up to date and starts the writer.
    pub(super) async fn open(path: &Path, schema: &Schema, busy: Duration) -> Result<Self, DatabaseError> {
        let _alone = OPENING.lock().await;
        create_private(path)?;
        forget_cached_wal(path);
        let options = SqliteConnectOptions::new()
            .filename(path)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(busy)
            .statement_cache_capacity(500)
            .pragma("temp_store", "MEMORY")
            .pragma("cache_size", CACHE_KIB)
            .pragma("wal_autocheckpoint", CHECKPOINT_PAGES)
            .pragma("secure_delete", "FAST")
            .disable_statement_logging();
        let mut link = connect_patiently(&options, busy).await?;
        migrate::sqlite(&mut link, schema).await?;
        let (queue, works) = mpsc::channel(QUEUE_MAX);
        let presence = Presence::of(path)?;
        start_writer(write_until_closed(link, options.clone(), presence.clone(), works))?;
        Ok(Self { queue, readers: Readers::new(options.pragma("query_only", "ON"), presence) })
    }

    /// Hands a work to the writer; its caller hears from it after the commit.
    pub(super) async fn enqueue(&self, work: Box<dyn Work>) -> Result<(), DatabaseError> {
        self.queue.send(Message::Work(work)).await.map_err(|_| DatabaseError::Closed)
    }

    /// A connection for reading; given back by its `finish`, closed when it is dropped instead.
    pub(super) async fn reader(&self) -> Result<Reader<'_>, DatabaseError> {
        self.readers.take().await
    }

    /// See [`super::Database::scrub`].
    pub(super) async fn scrub(&self) -> Result<(), DatabaseError> {
        let (done, outcome) = oneshot::channel();
        self.queue.send(Message::Scrub(done)).await.map_err(|_| DatabaseError::Closed)?;
        outcome.await.unwrap_or(Err(DatabaseError::Closed))
    }

    /// Runs what is queued, then closes the file. Later works are refused.
    pub(super) async fn close(&self) {
        self.readers.close().await;
        let (closed, done) = oneshot::channel();
        if self.queue.send(Message::Close(closed)).await.is_ok() {
            let _ = done.await;
        }
    }
}

/// Only the owner may read what the register says. SQLite gives the WAL the mode of the main file.
fn create_private(path: &Path) -> Result<(), DatabaseError> {
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(_new) => Ok(()),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(DatabaseError::Unavailable { reason: format!("{}: {error}", path.display()) }),
    }
}

/// A process that could not sync the WAL refused the commit, but memory holds its frames: recovery would believe in
/// them and later commits would follow frames that the disk has not got. So it reads what the disk has. Only the WAL is
/// opened for that, since closing the main file would drop locks.
fn forget_cached_wal(path: &Path) {
    let mut wal = path.as_os_str().to_owned();
    wal.push("-wal");
    if let Ok(wal) = File::open(wal) {
        let _ = rustix::fs::fadvise(&wal, 0, None, Advice::DontNeed);
    }
}

/// Another process may be switching the same new file to WAL; SQLite answers "locked" to that without waiting.
async fn connect_patiently(
    options: &SqliteConnectOptions,
    busy: Duration,
) -> Result<SqliteConnection, DatabaseError> {
    let last_try = Instant::now() + busy;
    loop {
        match options.connect().await.map_err(DatabaseError::from) {
            // sleeps: another process holds the lock and gives no signal when it lets go
            Err(error) if error.is_unavailable() && Instant::now() < last_try => {
                // sleeps: SQLite has no signal for this
                sleep(AGAIN).await;
            }
            outcome => return outcome,
        }
    }
}

/// The writer has a thread of its own: after each statement it waits for the thread that SQLite runs on, and waking a
/// thread that does nothing else costs half of waking a task among others (measured).
fn start_writer(writing: impl Future<Output = ()> + Send + 'static) -> Result<(), DatabaseError> {
    let runtime = Handle::current();
    let started =
        thread::Builder::new().name("stammbuch-writer".to_owned()).spawn(move || runtime.block_on(writing));
    started.map(drop).map_err(|error| DatabaseError::Unavailable { reason: error.to_string() })
}

async fn write_until_closed(
    link: SqliteConnection,
    options: SqliteConnectOptions,
    presence: Presence,
    mut queue: mpsc::Receiver<Message>,
) {
    let mut tx = Tx::new(Link::Sqlite(Box::new(link)));
    let mut afterwards = Afterwards::default();
    while let Some(message) = queue.recv().await {
        match message {
            Message::Close(closed) => {
                queue.close();
                afterwards.close = Some(closed);
            }
            Message::Scrub(done) => afterwards.scrubs.push(done),
            Message::Work(first) => {
                let done = commit_together(&mut tx, first, &presence, &mut queue, &mut afterwards).await;
                if let Err(error) = done {
                    tracing::warn!(%error, "a group commit failed; its works were rolled back");
                    // What is opened must be the same file; the connection to it outlives its absence.
                    if presence.check().is_ok() {
                        tx = reopened(tx, &options).await;
                    } else {
                        let _ = control(&mut tx, "ROLLBACK").await;
                    }
                }
            }
        }
        if !afterwards.scrubs.is_empty() {
            let outcome = scrub(&mut tx).await;
            for done in afterwards.scrubs.drain(..) {
                let _ = done.send(outcome.clone());
            }
        }
    }
    if let Link::Sqlite(link) = tx.link
        && let Err(error) = link.close().await
    {
        tracing::warn!(%error, "the database file did not close cleanly");
    }
    if let Some(closed) = afterwards.close {
        let _ = closed.send(());
    }
}

/// Above this size the copy that VACUUM makes goes to a temporary file (without a name) instead of memory.
const COPY_IN_MEMORY_MAX: i64 = 64 << 20;

/// Writes every page anew, without what is not in use, and empties the WAL.
async fn scrub(tx: &mut Tx) -> Result<(), DatabaseError> {
    let pages = sql("PRAGMA page_count").one(tx).await?.i64("page_count")?;
    let bytes = sql("PRAGMA page_size").one(tx).await?.i64("page_size")?.saturating_mul(pages);
    if bytes > COPY_IN_MEMORY_MAX {
        control(tx, "PRAGMA temp_store = FILE").await?;
    }
    let copied = control(tx, "VACUUM").await;
    control(tx, "PRAGMA temp_store = MEMORY").await?;
    copied?;
    let row = sql("PRAGMA wal_checkpoint(TRUNCATE)").one(tx).await?;
    match row.i64("busy")? {
        0 => Ok(()),
        _ => Err(DatabaseError::Unavailable { reason: "somebody still reads the WAL".to_owned() }),
    }
}

/// Runs `first` and what is queued behind it in one transaction, each work in a savepoint of its own, and answers
/// all of them after the commit. `Err`: nothing of this transaction was kept, and every caller was told; or it went
/// into a file that is not there any more.
async fn commit_together(
    tx: &mut Tx,
    first: Box<dyn Work>,
    presence: &Presence,
    queue: &mut mpsc::Receiver<Message>,
    afterwards: &mut Afterwards,
) -> Result<(), DatabaseError> {
    let begun = match presence.check() {
        Ok(()) => control(tx, "BEGIN IMMEDIATE; SAVEPOINT work").await,
        gone => gone,
    };
    if let Err(error) = begun {
        first.refuse(error.clone());
        refuse_waiting(queue, afterwards, &error);
        return Err(error);
    }
    let mut answers: Vec<(Answer, Result<(), DatabaseError>)> = Vec::new();
    let mut next = Some(first);
    let mut outcome = Ok(());
    while let Some(work) = next.take() {
        let attempted = work.run(tx).await;
        next = if answers.len() + 1 < BATCH_MAX { next_work(queue, afterwards) } else { None };
        let ended = end_work(tx, attempted.keep, next.is_some()).await;
        let (own, all) = ended.map_or_else(|error| (Ok(()), Err(given_up(error))), |own| (own, Ok(())));
        answers.push((attempted.answer, own));
        outcome = all;
        if let Err(error) = &outcome
            && let Some(work) = next.take()
        {
            work.refuse(error.clone());
        }
    }
    let outcome = outcome.and_then(|()| presence.check());
    for (answer, own) in answers {
        answer(outcome.clone().and(own));
    }
    outcome
}

/// SQLite gives a whole transaction up when the disk is full or fails under one statement of it; what it then says
/// about savepoints that are gone is no news for the callers.
fn given_up(error: DatabaseError) -> DatabaseError {
    if error.is_unavailable() {
        return error;
    }
    DatabaseError::Unavailable { reason: format!("the group of works could not be committed: {error}") }
}

/// Ends the savepoint of one work and begins the next, or commits all of them. What the work left for later goes to
/// SQLite in the same breath. The inner error is of this work alone, the outer one of the whole transaction.
async fn end_work(tx: &mut Tx, keep: bool, more: bool) -> Result<Result<(), DatabaseError>, DatabaseError> {
    let (kept, undone) = if more {
        ("RELEASE work; SAVEPOINT work", "ROLLBACK TO work")
    } else {
        ("COMMIT", "ROLLBACK TO work; COMMIT")
    };
    if !keep {
        tx.forget_deferred();
        return control(tx, undone).await.map(Ok);
    }
    let alone = !tx.has_deferred();
    match control(tx, kept).await {
        Ok(()) => Ok(Ok(())),
        Err(error) if alone => Err(error),
        // If the savepoint can be rolled back, then it was not released: a statement left for later has failed.
        Err(error) => control(tx, undone).await.map(|()| Err(error)),
    }
}

/// The next work that waits; what else was asked for meanwhile is done after the commit.
fn next_work(queue: &mut mpsc::Receiver<Message>, afterwards: &mut Afterwards) -> Option<Box<dyn Work>> {
    while let Ok(message) = queue.try_recv() {
        match message {
            Message::Work(work) => return Some(work),
            Message::Scrub(done) => afterwards.scrubs.push(done),
            Message::Close(closed) => {
                queue.close();
                afterwards.close = Some(closed);
            }
        }
    }
    None
}

/// When the database is locked for long, every work that waits would wait that long again.
fn refuse_waiting(queue: &mut mpsc::Receiver<Message>, afterwards: &mut Afterwards, error: &DatabaseError) {
    while let Some(work) = next_work(queue, afterwards) {
        work.refuse(error.clone());
    }
}

/// A connection that failed in the middle of a transaction is not used again.
async fn reopened(tx: Tx, options: &SqliteConnectOptions) -> Tx {
    match options.connect().await {
        Ok(link) => {
            drop(tx);
            Tx::new(Link::Sqlite(Box::new(link)))
        }
        Err(error) => {
            tracing::error!(%error, "the database file does not open again");
            let mut tx = tx;
            let _ = control(&mut tx, "ROLLBACK").await;
            tx
        }
    }
}

async fn control(tx: &mut Tx, text: &'static str) -> Result<(), DatabaseError> {
    tx.run(sql(text)).await.map(drop)
}

/// Connections that only read, opened as they are needed.
struct Readers {
    options: Box<SqliteConnectOptions>,
    presence: Presence,
    /// Connections are opened here: each has a thread, and that has the priority of the one that opened it.
    runtime: Handle,
    permits: Semaphore,
    idle: Mutex<Vec<Tx>>,
}

/// A reading transaction; the connection goes back when [`Reader::finish`] is called, else it is closed.
pub(super) struct Reader<'d> {
    pub(super) tx: Tx,
    readers: &'d Readers,
    _permit: tokio::sync::SemaphorePermit<'d>,
}

impl Readers {
    fn new(options: SqliteConnectOptions, presence: Presence) -> Self {
        Self {
            options: Box::new(options),
            presence,
            runtime: Handle::current(),
            permits: Semaphore::new(READERS_MAX),
            idle: Mutex::new(Vec::new()),
        }
    }

    async fn take(&self) -> Result<Reader<'_>, DatabaseError> {
        let permit = self.permits.acquire().await.map_err(|_| DatabaseError::Closed)?;
        self.presence.check()?;
        let idle = self.lock().pop();
        let mut tx = match idle {
            Some(tx) => tx,
            None => Tx::new(Link::Sqlite(Box::new(self.connect().await?))),
        };
        sql("BEGIN").later(&mut tx);
        Ok(Reader { tx, readers: self, _permit: permit })
    }

    async fn connect(&self) -> Result<SqliteConnection, DatabaseError> {
        let options = self.options.clone();
        let opened = self.runtime.spawn(async move { options.connect().await });
        Ok(opened.await.map_err(|_| DatabaseError::Closed)??)
    }

    async fn close(&self) {
        // Taking all permits waits for those who still read.
        let all = self.permits.acquire_many(u32::try_from(READERS_MAX).unwrap_or(u32::MAX)).await;
        self.permits.close();
        drop(all);
        let idle = std::mem::take(&mut *self.lock());
        for tx in idle {
            if let Link::Sqlite(link) = tx.link {
                let _ = link.close().await;
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Tx>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reader<'_> {
    /// Ends the snapshot and gives the connection back.
    pub(super) async fn finish(mut self) {
        self.tx.forget_deferred();
        if control(&mut self.tx, "COMMIT").await.is_ok() {
            self.readers.lock().push(self.tx);
        }
    }
}
