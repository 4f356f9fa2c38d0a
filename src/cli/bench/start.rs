//! `stammbuch bench start`: from the start of a server process on a prepared folder to its first answer, and the
//! memory it has when it then stands idle.

use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use serde_json::json;

use super::own_server::{Folder, OwnServer, OwnServerError};
use super::print;
use crate::cli::CliError;

/// How long the server stands idle before its memory is read.
const IDLE: Duration = Duration::from_secs(3);

/// Time to the first answer of a server, and its memory when idle
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Print the figures as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, thiserror::Error)]
enum StartBenchError {
    #[error(transparent)]
    Server(#[from] OwnServerError),
    #[error("the first answer did not come: {0}")]
    Io(#[from] io::Error),
    #[error("the first answer was {0:?}")]
    Answer(String),
}

pub(super) fn run(args: &Args) -> Result<ExitCode, CliError> {
    let figures = measure().map_err(CliError::failed)?;
    print(&figures, args.json);
    Ok(ExitCode::SUCCESS)
}

fn measure() -> Result<serde_json::Value, StartBenchError> {
    let folder = Folder::new(None)?;
    let server = OwnServer::start(&folder)?;
    let asked = Instant::now();
    let mut connection = TcpStream::connect(server.address)?;
    write!(connection, "GET /health/ready HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    connection.read_to_string(&mut answer)?;
    if !answer.starts_with("HTTP/1.1 200") {
        return Err(StartBenchError::Answer(answer.lines().next().unwrap_or_default().to_owned()));
    }
    let first_answer = server.ready_after + asked.elapsed();
    // sleeps: what is measured is the memory after some idle time
    std::thread::sleep(IDLE);
    let millis = |time: Duration| (time.as_micros() / 100) as f64 / 10.0;
    Ok(json!({
        "bench": "start",
        "cores": std::thread::available_parallelism().map_or(1, usize::from),
        "readyMs": millis(server.ready_after),
        "firstAnswerMs": millis(first_answer),
        "idleResidentBytes": server.resident_bytes(),
    }))
}
