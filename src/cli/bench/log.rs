//! `stammbuch bench log`: entries queued as rows, each in a transaction of its own as issuing does, and awaited until
//! they are under a signed, durable and published checkpoint; then some alone, one after the other.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::{cpu_time, print};
use crate::app::{SystemClock, SystemRandom};
use crate::cli::{CliError, serve};
use crate::database::log::{self as rows, Takeover};
use crate::database::{Database, DatabaseError};
use crate::domain::clock::Clock as _;
use crate::domain::digest::Sha256;
use crate::domain::ids::NodeId;
use crate::issuance::interrupt::Uninterrupted;
use crate::issuance::log::{Log, LogError};
use crate::issuance::log_files::LogFiles;
use crate::issuance::sequencer::Sequencing;
use crate::objects::DiskStore;
use crate::tlog::{BadKey, Leaf, LeafKind, LogSigner, Salt};

/// Entries that are awaited one after the other.
const ALONE: u64 = 50;

/// Log entries through rows, signing and disk, awaited until the checkpoint
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// How many entries
    #[arg(long, value_name = "N", default_value_t = 50_000, value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    count: u64,
    /// How many callers wait at a time
    #[arg(long, value_name = "N", default_value_t = 2048, value_parser = clap::value_parser!(u64).range(1..=65_536))]
    callers: u64,
    /// An empty folder on the disk to measure; made, and removed afterwards
    #[arg(long, value_name = "DIR", default_value = "stammbuch-bench-log")]
    dir: PathBuf,
    /// Print the figures as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, thiserror::Error)]
enum BenchError {
    #[error("the folder must be new")]
    Folder(#[from] std::io::Error),
    #[error(transparent)]
    Database(#[from] DatabaseError),
    #[error(transparent)]
    Log(#[from] LogError),
    #[error(transparent)]
    Key(#[from] BadKey),
}

pub(super) fn run(args: &Args) -> Result<ExitCode, CliError> {
    std::fs::create_dir(&args.dir)
        .map_err(|error| CliError::BadInput(format!("{}: {error}", args.dir.display())))?;
    let measured = serve::runtime()?.block_on(measure(args));
    let removed = std::fs::remove_dir_all(&args.dir);
    let figures = measured.map_err(CliError::failed)?;
    removed.map_err(CliError::failed)?;
    print(&figures, args.json);
    Ok(ExitCode::SUCCESS)
}

/// A log that is sequenced in the background.
struct Running {
    database: Database,
    log: Arc<Log>,
    random: SystemRandom,
}

async fn measure(args: &Args) -> Result<serde_json::Value, BenchError> {
    let database = Database::open(&format!("sqlite:{}", args.dir.join("log.sqlite").display())).await?;
    let random = SystemRandom::new();
    let signer = Arc::new(LogSigner::generate("bench.example/log", &random)?.0);
    let files = LogFiles::new(Arc::new(DiskStore::open(&args.dir.join("objects"))?));
    let log = Arc::new(Log::new(database.clone(), files, signer.verifier().clone()));
    let sequencing = Sequencing {
        log: Arc::clone(&log),
        database: database.clone(),
        signer,
        clock: Arc::new(SystemClock),
        interrupts: Arc::new(Uninterrupted),
        owner: NodeId::draw(&random),
        takeover: Takeover::AtOnce,
        pulse: Default::default(),
    };
    let (stop, stopped) = oneshot::channel::<()>();
    let sequencer = tokio::spawn(sequencing.run(async {
        let _ = stopped.await;
    }));
    let running = Arc::new(Running { database, log, random });
    let figures = figures(&running, args).await;
    let _ = stop.send(());
    let _ = sequencer.await;
    running.database.close().await;
    figures
}

async fn figures(running: &Arc<Running>, args: &Args) -> Result<serde_json::Value, BenchError> {
    let mut alone = Vec::new();
    for number in 0..ALONE {
        alone.push(running.entry(args.count + number).await?);
    }
    let (began, cpu_began) = (Instant::now(), cpu_time());
    let next = Arc::new(AtomicU64::new(0));
    let callers: Vec<_> = (0..args.callers.min(args.count))
        .map(|_| tokio::spawn(caller(Arc::clone(running), Arc::clone(&next), args.count)))
        .collect();
    let mut together = Vec::new();
    for caller in callers {
        together.extend(caller.await.map_err(std::io::Error::other)??);
    }
    let (wall, cpu) = (began.elapsed(), cpu_time().saturating_sub(cpu_began));
    let count = args.count as f64;
    Ok(serde_json::json!({
        "bench": "log",
        "cores": std::thread::available_parallelism().map_or(1, usize::from),
        "count": args.count,
        "callers": args.callers,
        "entriesPerSecond": (count / wall.as_secs_f64()).round(),
        "cpuUsPerEntry": (cpu.as_secs_f64() * 1e7 / count).round() / 10.0,
        "p50Ms": percentile(&mut together, 50),
        "p99Ms": percentile(&mut together, 99),
        "aloneP50Ms": percentile(&mut alone, 50),
        "aloneP99Ms": percentile(&mut alone, 99),
    }))
}

/// Awaits entries until `count` have been taken by all callers together.
async fn caller(
    running: Arc<Running>,
    next: Arc<AtomicU64>,
    count: u64,
) -> Result<Vec<Duration>, BenchError> {
    let mut took = Vec::new();
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if number >= count {
            return Ok(took);
        }
        took.push(running.entry(number).await?);
    }
}

impl Running {
    /// Queues one leaf as issuing does and waits for its place; gives the time that took.
    async fn entry(&self, number: u64) -> Result<Duration, BenchError> {
        let began = Instant::now();
        let subject = number.to_be_bytes();
        let salt = Salt::draw(&self.random);
        let leaf = Leaf::new(LeafKind::Issued, &salt, &Sha256::of(&subject));
        let awaited = self.log.expect(&subject, leaf);
        let at = SystemClock.now();
        let queued = self.database.write(move |tx| {
            Box::pin(async move {
                rows::enqueue(tx, &subject, &leaf, at);
                Ok::<_, DatabaseError>(())
            })
        });
        queued.await?;
        self.log.logged(awaited).await?;
        Ok(began.elapsed())
    }
}

/// Milliseconds that so many of a hundred do not exceed, to two places.
fn percentile(took: &mut [Duration], percent: usize) -> f64 {
    took.sort_unstable();
    let at = took.get(took.len().saturating_sub(1) * percent / 100).copied().unwrap_or_default();
    (at.as_secs_f64() * 1e5).round() / 100.0
}
