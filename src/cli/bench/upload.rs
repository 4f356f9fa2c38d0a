//! `stammbuch bench upload`: documents over HTTP into a server process of its own, each answered once it is durable;
//! and beside it, in the same run on the same disk, what plain synced files cost. Every document has its own bytes.

use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader, Read as _, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;

use super::own_server::{Folder, OwnServer, OwnServerError, noise};
use super::print;
use crate::cli::CliError;

/// Before the clock starts.
const WARM_UP: Duration = Duration::from_secs(1);

/// Durable uploads over HTTP, beside plain synced files
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// How long to measure, for uploads and for files each
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
}

/// What all clients did within the time.
struct Done {
    /// How long each took.
    each: Vec<Duration>,
    wall: Duration,
}

pub(super) fn run(args: &Args) -> Result<ExitCode, CliError> {
    let figures = measure(args).map_err(CliError::failed)?;
    print(&figures, args.json);
    Ok(ExitCode::SUCCESS)
}

fn measure(args: &Args) -> Result<serde_json::Value, UploadError> {
    let folder = Folder::new(args.dir.as_deref())?;
    let (clients, size) = (usize::from(args.clients), usize::try_from(args.size).unwrap_or(usize::MAX));
    let time = Duration::from_secs(args.seconds);
    let server = OwnServer::start(&folder)?;
    let client = |_| Client::connect(&server, size);
    together(clients, WARM_UP, client)?;
    let cpu_before = server.cpu_time();
    let uploads = together(clients, time, client)?;
    let cpu = server.cpu_time().saturating_sub(cpu_before);
    drop(server);
    let files = folder.path().join("files");
    fs::create_dir(&files)?;
    let plain = together(clients, time, |number| Writer::new(&files, number, size))?;
    let micros = |time: Duration| (time.as_nanos() / 100) as f64 / 10.0;
    let count = u32::try_from(uploads.each.len().max(1)).unwrap_or(u32::MAX);
    let ratio = uploads.per_second() / plain.per_second();
    Ok(json!({
        "bench": "upload",
        "cores": std::thread::available_parallelism().map_or(1, usize::from),
        "clients": clients,
        "bytes": size,
        "count": uploads.each.len(),
        "perSecond": uploads.per_second().round(),
        "p50Us": micros(uploads.at(50)),
        "p99Us": micros(uploads.at(99)),
        "serverCpuUsPerItem": micros(cpu / count),
        "syncedFilesPerSecond": plain.per_second().round(),
        "syncedFilesP50Us": micros(plain.at(50)),
        "ratio": (ratio * 100.0).round() / 100.0,
    }))
}

/// Does the same thing again and again.
trait Work: Send {
    fn once(&mut self) -> Result<(), UploadError>;
}

/// Lets all of them work for `time`, each on a thread of its own.
fn together<W: Work>(
    count: usize,
    time: Duration,
    make: impl Fn(usize) -> Result<W, UploadError>,
) -> Result<Done, UploadError> {
    let workers: Vec<W> = (0..count).map(make).collect::<Result<_, _>>()?;
    let (stop, begin) = (AtomicBool::new(false), Barrier::new(count + 1));
    std::thread::scope(|scope| {
        let threads: Vec<_> = workers
            .into_iter()
            .map(|mut worker| {
                let (stop, begin) = (&stop, &begin);
                scope.spawn(move || {
                    let mut each = Vec::new();
                    begin.wait();
                    while !stop.load(Ordering::Relaxed) {
                        let began = Instant::now();
                        worker.once()?;
                        each.push(began.elapsed());
                    }
                    Ok::<_, UploadError>(each)
                })
            })
            .collect();
        begin.wait();
        let began = Instant::now();
        // sleeps: the time that is measured
        std::thread::sleep(time);
        stop.store(true, Ordering::Relaxed);
        let mut each = Vec::new();
        for thread in threads {
            each.extend(thread.join().map_err(|_| UploadError::Client)??);
        }
        let wall = began.elapsed();
        each.sort_unstable();
        Ok(Done { each, wall })
    })
}

impl Done {
    fn per_second(&self) -> f64 {
        self.each.len() as f64 / self.wall.as_secs_f64().max(1e-9)
    }

    fn at(&self, percent: usize) -> Duration {
        let last = self.each.len().saturating_sub(1);
        self.each.get(last * percent / 100).copied().unwrap_or_default()
    }
}

/// A client with as little of its own as can be: both sides share the machine.
struct Client {
    connection: BufReader<TcpStream>,
    request: Vec<u8>,
    head_bytes: usize,
    count: u64,
}

impl Client {
    fn connect(server: &OwnServer, size: usize) -> Result<Self, UploadError> {
        let connection = TcpStream::connect(server.address)?;
        connection.set_nodelay(true)?;
        let mut request = format!(
            "POST /v1/documents HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\nContent-Length: {size}\r\n\r\n",
            server.address, server.token
        )
        .into_bytes();
        let head_bytes = request.len();
        request.extend(noise(size));
        Ok(Self { connection: BufReader::new(connection), request, head_bytes, count: 0 })
    }

    /// Reads an answer to its end and gives its status line.
    fn answer(&mut self) -> Result<String, UploadError> {
        let (mut status, mut line, mut length) = (String::new(), String::new(), 0);
        self.connection.read_line(&mut status)?;
        loop {
            line.clear();
            self.connection.read_line(&mut line)?;
            let (name, value) = line.split_once(':').unwrap_or((line.trim(), ""));
            if name.eq_ignore_ascii_case("content-length") {
                length = value.trim().parse().unwrap_or_default();
            }
            if name.is_empty() {
                break;
            }
        }
        io::copy(&mut self.connection.by_ref().take(length), &mut io::sink())?;
        Ok(status)
    }
}

impl Work for Client {
    fn once(&mut self) -> Result<(), UploadError> {
        self.count += 1;
        // Eight bytes behind the first eight: another document each time.
        let own = self.request.iter_mut().skip(self.head_bytes + 8);
        own.zip(self.count.to_le_bytes()).for_each(|(byte, number)| *byte = number);
        self.connection.get_mut().write_all(&self.request)?;
        let status = self.answer()?;
        if status.contains(" 201 ") { Ok(()) } else { Err(UploadError::Answer(status.trim().to_owned())) }
    }
}

/// The peer: temporary file, fsync, rename, fsync of the folder, in 256 folders as the store has them.
struct Writer {
    folder: PathBuf,
    number: usize,
    bytes: Vec<u8>,
    count: usize,
}

impl Writer {
    fn new(folder: &Path, number: usize, size: usize) -> Result<Self, UploadError> {
        Ok(Self { folder: folder.to_owned(), number, bytes: noise(size), count: 0 })
    }
}

impl Work for Writer {
    fn once(&mut self) -> Result<(), UploadError> {
        self.count += 1;
        let into = self.folder.join(format!("{:02x}", (self.count * 31 + self.number) % 256));
        fs::create_dir_all(&into)?;
        let temporary = self.folder.join(format!("{}.tmp", self.number));
        let mut file = File::create_new(&temporary)?;
        file.write_all(&self.bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, into.join(format!("{}-{}", self.number, self.count)))?;
        File::open(&into)?.sync_all()?;
        Ok(())
    }
}
