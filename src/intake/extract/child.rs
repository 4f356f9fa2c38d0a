//! The child process: confines itself, reads the file from standard input, writes frames to standard output.
//! Started by `parent` only, through the hidden subcommand `extract-child`. Exits 0 after its last frame.

use std::fs::File;
use std::io::{self, Read as _, Seek as _};
use std::sync::mpsc;

use serde::{Deserialize, Serialize};

use super::frame::{self, Frame};
use super::output::Output;
use super::{Limits, Reason, formats, sandbox};
use crate::intake::media_type::MediaType;

/// Deeply nested objects need room; it counts against the memory limit only where it is used.
const STACK_BYTES: usize = 24 << 20;

/// What the parent asks of a child, as JSON on its command line. No personal data: other processes can read it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Order {
    /// The registered name of the type of the file.
    pub media_type: String,
    /// What the child may use.
    pub limits: Limits,
    /// Instead of reading a file, try the walls of the sandbox.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probe: Option<Probe>,
}

/// Something the sandbox has to stop: how a test, or `stammbuch check`, knows that it does on this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Probe {
    /// Take memory without end.
    Memory,
    /// Compute without end.
    Cpu,
    /// Wait without end.
    Sleep,
    /// Write pages without end.
    Output,
    /// Call itself without end.
    Stack,
    /// Open a connection.
    Socket,
    /// Read a file of the machine.
    ReadFile,
    /// Make a file.
    WriteFile,
    /// Start another program.
    Spawn,
    /// Make a thread.
    Thread,
    /// Panic, as a parser may.
    Panic,
}

/// Why a child could not even begin.
#[derive(Debug, thiserror::Error)]
pub enum ChildError {
    /// The order is not one.
    #[error("the order of extract-child: {0}")]
    Order(#[from] serde_json::Error),
    /// A wall of the sandbox could not be put up.
    #[error(transparent)]
    Sandbox(#[from] sandbox::SandboxError),
    /// A stream of the child failed.
    #[error("stream of extract-child: {0}")]
    Io(#[from] io::Error),
}

/// Carries out one order in this process, which is of no use for anything else afterwards.
///
/// # Errors
/// `ChildError`: nothing of the file was read, and the parent must not take that for a property of the file.
pub fn run(order: &str) -> Result<(), ChildError> {
    let order: Order = serde_json::from_str(order)?;
    // Panics carry pieces of the file in their messages; the frame says all that may be said.
    std::panic::set_hook(Box::new(|_| {}));
    let status = File::open("/proc/self/status")?;
    let confinement = sandbox::confine_process(&order.limits)?;
    let (start, started) = mpsc::channel::<()>();
    let worker = std::thread::Builder::new()
        .stack_size(STACK_BYTES)
        .spawn(move || if started.recv().is_ok() { work(&order, status) } else { Ok(()) })?;
    sandbox::seal_threads()?;
    frame::write(&mut io::stdout().lock(), &Frame::Confined(confinement))?;
    // A worker that is gone is noticed by joining it.
    let _ = start.send(());
    worker.join().unwrap_or_else(|_| Err(io::Error::other("the worker panicked")))?;
    Ok(())
}

fn work(order: &Order, status: File) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    if let Some(probe) = order.probe {
        let outcome = super::probe::run(probe, &mut stdout);
        return frame::write(&mut stdout, &Frame::Probed { outcome });
    }
    let mut emit = |text: String| {
        // A parent that has gone away has had enough.
        frame::write(&mut stdout, &Frame::Page { text }).map_err(|_| Reason::TextTooLarge)
    };
    let flag = read_and_extract(order, &mut emit).err();
    let peak_bytes = peak_bytes(status).unwrap_or(0);
    frame::write(&mut stdout, &Frame::Done { flag, peak_bytes })
}

fn read_and_extract(order: &Order, emit: &mut dyn FnMut(String) -> Result<(), Reason>) -> Result<(), Reason> {
    let mut file = Vec::new();
    let most = order.limits.input_bytes;
    io::stdin().lock().take(most.saturating_add(1)).read_to_end(&mut file).map_err(|_| Reason::Memory)?;
    if file.len() as u64 > most {
        return Err(Reason::InputTooLarge);
    }
    let media_type = order.media_type.parse().unwrap_or(MediaType::Unknown);
    let mut output = Output::new(&order.limits, emit);
    formats::extract(file, media_type, &mut output)?;
    if output.has_words() { Ok(()) } else { Err(Reason::NoText) }
}

/// `VmHWM`: the most memory that was resident, from the status file opened before the sandbox closed.
fn peak_bytes(mut status: File) -> Option<u64> {
    let mut text = String::new();
    status.rewind().ok()?;
    status.read_to_string(&mut text).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}
