//! `stammbuch bench upload`: documents over HTTP into a server process of its own, each answered once it is durable;
//! and beside it, in the same run on the same disk, what the bare disk takes, and other services where they are at
//! hand. Every document has its own bytes, of a type nobody can read text out of: what is measured is the intake.

mod client;
mod load;
mod peers;
mod plain;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

use super::own_server::{Folder, OwnServer, OwnServerError};
use super::print;
use crate::cli::CliError;
use client::{Client, Request};
use load::{Done, together};

/// Before the clock starts.
const WARM_UP: Duration = Duration::from_secs(1);
/// A long document: its bytes, and how often it is sent.
const LONG_BYTES: u64 = 64 << 20;
const LONG_ROUNDS: usize = 3;
/// How long a server stands idle before its memory is measured.
const SETTLED: Duration = Duration::from_secs(3);
/// Documents whose memory is measured.
const MEMORY_BYTES: [(&str, u64); 3] = [("1MiB", 1 << 20), ("64MiB", 64 << 20), ("1GiB", 1 << 30)];

/// Durable uploads over HTTP, beside plain synced files and other services
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// How long to measure each
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=3600))]
    seconds: u64,
    /// Connections at the same time
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=1024))]
    clients: u16,
    /// Bytes of a document
    #[arg(long, value_name = "BYTES", default_value_t = 65_536, value_parser = clap::value_parser!(u32).range(16..))]
    size: u32,
    /// The disk to measure on: a folder is made in it and removed at the end
    #[arg(long, value_name = "FOLDER")]
    dir: Option<PathBuf>,
    /// Only the documents and the bare disk: no long ones, no memory, no other services
    #[arg(long)]
    short: bool,
    /// An empty PostgreSQL database: the same with rows and keys there
    #[arg(long, value_name = "URL")]
    postgres: Option<String>,
    /// Only MinIO: what it takes from a bare client, and what the service takes that keeps its objects there
    #[arg(long)]
    s3: bool,
    /// MinIO's program, measured beside; also found on PATH
    #[arg(long, value_name = "PATH")]
    minio: Option<PathBuf>,
    /// tusd's program, measured beside; also found on PATH
    #[arg(long, value_name = "PATH")]
    tusd: Option<PathBuf>,
    /// Print the figures as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, thiserror::Error)]
enum UploadError {
    #[error(transparent)]
    Server(#[from] OwnServerError),
    #[error("a connection or a file failed: {0}")]
    Io(#[from] io::Error),
    #[error("the server answered {0:?}")]
    Answer(String),
    #[error("a client broke down")]
    Client,
    #[error("{name} did not get ready: {reason}")]
    Peer { name: &'static str, reason: String },
}

/// How much of what is sent at the same time.
struct Load {
    clients: usize,
    size: usize,
    time: Duration,
}

pub(super) fn run(args: &Args) -> Result<ExitCode, CliError> {
    let figures = measure(args).map_err(CliError::failed)?;
    print(&Value::Object(figures), args.json);
    Ok(ExitCode::SUCCESS)
}

fn measure(args: &Args) -> Result<Map<String, Value>, UploadError> {
    let folder = Folder::new(args.dir.as_deref())?;
    let load = Load {
        clients: usize::from(args.clients),
        size: usize::try_from(args.size).unwrap_or(usize::MAX),
        time: Duration::from_secs(args.seconds),
    };
    let mut figures = Map::new();
    let mut note = |name: &str, value: Value| _ = figures.insert(name.to_owned(), value);
    note("bench", json!("upload"));
    note("cores", json!(std::thread::available_parallelism().map_or(1, usize::from)));
    note("clients", json!(load.clients));
    note("bytes", json!(load.size));
    if args.s3 {
        note("s3", peers::through_minio(&folder, args, &load)?);
        return Ok(figures);
    }
    let server = OwnServer::start(&folder)?;
    let (uploads, cpu) = uploads(&server, &load)?;
    drop(server);
    let files = plain_files(&folder, &load)?;
    let appends = plain_appends(&folder, &load)?;
    note("count", json!(uploads.each.len()));
    note("perSecond", json!(uploads.per_second().round()));
    note("p50Us", json!(micros(uploads.at(50))));
    note("p99Us", json!(micros(uploads.at(99))));
    note("serverCpuUsPerItem", json!(micros(per_item(cpu, &uploads))));
    note("syncedFilesPerSecond", json!(files.per_second().round()));
    note("ratioToFiles", ratio(uploads.per_second(), files.per_second()));
    note("syncedAppendsPerSecond", json!(appends.per_second().round()));
    note("ratioToAppends", ratio(uploads.per_second(), appends.per_second()));
    if args.short {
        return Ok(figures);
    }
    note("long", long(&folder)?);
    note("memoryGrowthBytes", memory(&folder)?);
    if let Some(url) = &args.postgres {
        let server = OwnServer::start_with(&folder, "postgres", |config| {
            config.database.url.clone_from(url);
            config.keystore.url.clone_from(url);
        })?;
        let (on_postgres, cpu) = self::uploads(&server, &load)?;
        let figures = json!({
            "perSecond": on_postgres.per_second().round(),
            "p50Us": micros(on_postgres.at(50)),
            "p99Us": micros(on_postgres.at(99)),
            "serverCpuUsPerItem": micros(per_item(cpu, &on_postgres)),
            "ratioToEmbedded": ratio(on_postgres.per_second(), uploads.per_second()),
        });
        note("postgres", figures);
    }
    for (name, done) in peers::measure(&folder, args, &load)? {
        let figures = json!({
            "perSecond": done.per_second().round(),
            "p50Us": micros(done.at(50)),
            "p99Us": micros(done.at(99)),
            "ratio": ratio(uploads.per_second(), done.per_second()),
        });
        note(name, figures);
    }
    Ok(figures)
}

/// Uploads to `server` for a time, and the CPU time it took for them.
fn uploads(server: &OwnServer, load: &Load) -> Result<(Done, Duration), UploadError> {
    let client = |number: usize| {
        Client::connect(server.address, documents(server), format!("client-{number}"), load.size)
    };
    together(load.clients, WARM_UP, client)?;
    let before = server.cpu_time();
    let done = together(load.clients, load.time, client)?;
    Ok((done, server.cpu_time().saturating_sub(before)))
}

fn documents(server: &OwnServer) -> Request {
    Request {
        line: "POST /v1/documents".into(),
        headers: format!("Authorization: Bearer {}\r\n", server.token),
        success: " 201 ",
    }
}

fn plain_files(folder: &Folder, load: &Load) -> Result<Done, UploadError> {
    let files = empty(folder, "files")?;
    let done = together(load.clients, load.time, |number| plain::Files::new(&files, number, load.size))?;
    fs::remove_dir_all(files)?;
    Ok(done)
}

fn plain_appends(folder: &Folder, load: &Load) -> Result<Done, UploadError> {
    let files = empty(folder, "appends")?;
    let done = together(load.clients, load.time, |number| plain::Appends::new(&files, number, load.size))?;
    fs::remove_dir_all(files)?;
    Ok(done)
}

fn empty(folder: &Folder, name: &str) -> Result<PathBuf, UploadError> {
    let path: PathBuf = Path::join(folder.path(), name);
    fs::create_dir(&path)?;
    Ok(path)
}

/// Long documents and plain long files in turns; the median of each.
fn long(folder: &Folder) -> Result<Value, UploadError> {
    let server = OwnServer::start_with(folder, "long", |_| {})?;
    let mut client = Client::connect(server.address, documents(&server), "long".into(), 1 << 20)?;
    let (mut sent, mut written) = (Vec::new(), Vec::new());
    let before = server.cpu_time();
    for _ in 0..LONG_ROUNDS {
        let began = Instant::now();
        client.send_long(LONG_BYTES)?;
        sent.push(began.elapsed());
        written.push(plain::one_long_file(&folder.path().join("long-file"), LONG_BYTES)?);
    }
    let cpu = server.cpu_time().saturating_sub(before) / u32::try_from(LONG_ROUNDS).unwrap_or(1);
    let median = |times: &mut Vec<Duration>| {
        times.sort_unstable();
        times.get(times.len() / 2).copied().unwrap_or_default()
    };
    let (sent, written) = (median(&mut sent), median(&mut written));
    Ok(json!({
        "bytes": LONG_BYTES,
        "us": micros(sent),
        "serverCpuUs": micros(cpu),
        "plainFileUs": micros(written),
        "ratio": ratio(1.0 / sent.as_secs_f64(), 1.0 / written.as_secs_f64()),
    }))
}

/// By how much the server's memory grows while one document comes in, by the document's size.
fn memory(folder: &Folder) -> Result<Value, UploadError> {
    let server = OwnServer::start_with(folder, "memory", |_| {})?;
    let mut client = Client::connect(server.address, documents(&server), "memory".into(), 1 << 20)?;
    // The first ones load what every later one uses.
    for _ in 0..4 {
        client.send_long(1 << 20)?;
    }
    let mut grown = Map::new();
    for (name, bytes) in MEMORY_BYTES {
        // sleeps: what the server does behind the answers is to be over
        std::thread::sleep(SETTLED);
        let (growth, sent) = server.growth_during(|| client.send_long(bytes));
        sent?;
        grown.insert(name.to_owned(), json!(growth));
    }
    Ok(Value::Object(grown))
}

fn micros(time: Duration) -> f64 {
    (time.as_nanos() / 100) as f64 / 10.0
}

fn per_item(time: Duration, done: &Done) -> Duration {
    time / u32::try_from(done.each.len().max(1)).unwrap_or(u32::MAX)
}

fn ratio(ours: f64, theirs: f64) -> Value {
    json!((ours / theirs.max(1e-9) * 100.0).round() / 100.0)
}
