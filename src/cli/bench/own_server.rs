//! A server of its own for a measurement: the same program as a child, on a new folder with one authority and one
//! token, killed and removed at the end. Knows no figures.

use std::fs;
use std::io::{self, BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::access::Role;
use crate::app::SystemRandom;
use crate::cli::CliError;
use crate::config::{Config, Token};
use crate::database::authorities::{self, DateError};
use crate::database::{Database, DatabaseError};
use crate::domain::digest::Sha256;
use crate::domain::ids::AuthorityId;
use crate::domain::random::{self, Random as _};

/// Why there is no server.
#[derive(Debug, thiserror::Error)]
pub(super) enum OwnServerError {
    #[error("{doing}: {source}")]
    Io { doing: &'static str, source: io::Error },
    #[error("the settings cannot be written: {0}")]
    Settings(#[from] toml::ser::Error),
    #[error(transparent)]
    Database(#[from] DatabaseError),
    #[error(transparent)]
    Authority(#[from] DateError),
    #[error("the server ended before it was ready: {0}")]
    NotReady(String),
}

/// A folder for one measurement; removed when it is dropped.
pub(super) struct Folder(PathBuf);

impl Folder {
    /// A new folder below `above`, or below the system's folder for temporary files.
    pub(super) fn new(above: Option<&Path>) -> Result<Self, OwnServerError> {
        let name = format!("stammbuch-bench-{}", std::process::id());
        let path = above.map_or_else(std::env::temp_dir, Path::to_path_buf).join(name);
        fs::create_dir(&path).map_err(|source| OwnServerError::Io { doing: "make a folder", source })?;
        Ok(Self(path))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The running server.
pub(super) struct OwnServer {
    child: Child,
    /// Where it answers.
    pub(super) address: SocketAddr,
    /// The token of an engine.
    pub(super) token: String,
    /// From the start of the process to the line that says it is ready.
    pub(super) ready_after: Duration,
}

impl OwnServer {
    /// Prepares `folder` and starts the server on a free port.
    pub(super) fn start(folder: &Folder) -> Result<Self, OwnServerError> {
        Self::start_with(folder, "embedded", |_| {})
    }

    /// As [`Self::start`], below `name` in the folder, with other settings.
    pub(super) fn start_with(
        folder: &Folder,
        name: &str,
        adapt: impl FnOnce(&mut Config),
    ) -> Result<Self, OwnServerError> {
        let io = |doing| move |source| OwnServerError::Io { doing, source };
        let mut secret = [0; 16];
        SystemRandom::new().fill(&mut secret);
        let token = hex::encode(secret);
        let authority = AuthorityId::from_bytes(random::bytes(&SystemRandom::new()));
        let mut config = Config { data_dir: folder.path().join(name), ..Config::default() };
        adapt(&mut config);
        config.listen = SocketAddr::from(([127, 0, 0, 1], 0));
        // A line for each request would be measured too; the line that says "ready" is of this level.
        config.diagnostics.level = "warn,stammbuch::cli::serve=info".into();
        config.access.tokens.push(Token {
            sha256: Sha256::of(token.as_bytes()),
            client: "bench".into(),
            authority,
            roles: vec![Role::Engine],
            person: None,
            function: None,
        });
        fs::create_dir(&config.data_dir).map_err(io("make a folder"))?;
        found_authority(&config, authority)?;
        let file = folder.path().join(format!("{name}.toml"));
        fs::write(&file, toml::to_string_pretty(&config)?).map_err(io("write the settings"))?;
        let began = Instant::now();
        let mut child = Command::new(std::env::current_exe().map_err(io("find this program"))?)
            .arg("serve")
            .arg("--config")
            .arg(&file)
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(io("start the server"))?;
        match await_ready(&mut child) {
            Ok(address) => Ok(Self { child, address, token, ready_after: began.elapsed() }),
            Err(said) => {
                let _ = child.kill();
                let _ = child.wait();
                Err(OwnServerError::NotReady(said))
            }
        }
    }

    /// CPU time of the process so far, its ended children not included. Ticks of 10 ms (`USER_HZ`, proc(5)).
    pub(super) fn cpu_time(&self) -> Duration {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap_or_default();
        // The name in parentheses may hold anything; the fields behind it are counted from the third.
        let fields = stat.rsplit_once(')').map(|(_, rest)| rest).unwrap_or_default();
        let ticks = fields.split_whitespace().skip(11).take(2).filter_map(|ticks| ticks.parse::<u64>().ok());
        Duration::from_millis(10 * ticks.sum::<u64>())
    }

    /// Resident memory now, in bytes.
    pub(super) fn resident_bytes(&self) -> u64 {
        self.status_bytes("VmRSS:")
    }

    /// The most memory that was resident during `work`, above what was before it.
    pub(super) fn growth_during<T>(&self, work: impl FnOnce() -> T) -> (u64, T) {
        // "5" sets the peak back to the present (proc_pid_clear_refs(5)).
        let _ = fs::write(format!("/proc/{}/clear_refs", self.child.id()), "5");
        let before = self.resident_bytes();
        let done = work();
        (self.status_bytes("VmHWM:").saturating_sub(before), done)
    }

    fn status_bytes(&self, field: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix(field)).unwrap_or_default();
        line.split_whitespace().next().and_then(|kib| kib.parse::<u64>().ok()).unwrap_or_default() * 1024
    }
}

impl Drop for OwnServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn found_authority(config: &Config, authority: AuthorityId) -> Result<(), OwnServerError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|source| OwnServerError::Io { doing: "start a runtime", source })?;
    runtime.block_on(async {
        let database = Database::open(&config.database_url(&config.database.url)).await?;
        let made = database.write::<_, DateError, _>(move |tx| {
            Box::pin(async move {
                let since = Timestamp::UNIX_EPOCH;
                authorities::found(tx, authority, true, since).await?;
                authorities::put(tx, authority, since, "Standesamt Messung", &json!({})).await
            })
        });
        made.await?;
        database.close().await;
        Ok(())
    })
}

/// The address out of the line that says so; what was said instead if the process ends before. Its further lines
/// are read and dropped, so that it never waits for a reader.
fn await_ready(child: &mut Child) -> Result<SocketAddr, String> {
    let Some(stderr) = child.stderr.take() else { return Err("it has no log".into()) };
    let mut lines = BufReader::new(stderr).lines().map_while(Result::ok);
    let mut said = String::new();
    for line in lines.by_ref() {
        let entry: Value = serde_json::from_str(&line).unwrap_or_default();
        let address = entry.get("address").and_then(Value::as_str).and_then(|text| text.parse().ok());
        if entry.get("message").is_some_and(|message| message == "ready")
            && let Some(address) = address
        {
            std::thread::spawn(move || lines.for_each(drop));
            return Ok(address);
        }
        said = line;
    }
    Err(said)
}

impl From<OwnServerError> for CliError {
    fn from(error: OwnServerError) -> Self {
        Self::failed(error)
    }
}

/// Bytes nobody can compress or know the type of.
pub(super) fn noise(size: usize) -> Vec<u8> {
    let random = SystemRandom::new();
    let mut bytes = vec![0; size];
    random.fill(&mut bytes);
    // No signature of a file type begins with this.
    let lead: [u8; 8] = random::bytes(&random);
    bytes.iter_mut().zip(lead).for_each(|(byte, lead)| *byte = lead | 0x80);
    bytes
}
