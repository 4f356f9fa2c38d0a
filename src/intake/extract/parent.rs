//! The parent side: starts one child per file, streams the file in, collects frames, holds the child to wall time and
//! output, ends it by its own handle and reaps it. Trusts nothing a child says. Knows no file formats.

use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::Semaphore;

use super::child::{Order, Probe};
use super::frame::{Confinement, FRAME_BYTES_MAX, Frame};
use super::{Extraction, Limits, PageText, Reason};
use crate::intake::media_type::MediaType;

/// How much of the child's complaints is read; it is searched for known words and never logged or stored.
const COMPLAINT_BYTES: u64 = 4096;

/// Numbers of signals, the same on every Linux.
const SIGXCPU: i32 = 24;
const SIGSYS: i32 = 31;

/// Starts children, at most so many at a time.
#[derive(Debug, Clone)]
pub struct Extractor {
    program: PathBuf,
    limits: Limits,
    slots: Arc<Semaphore>,
}

/// Extraction failed for a reason that says nothing about the file: to be tried again.
#[derive(Debug, thiserror::Error)]
pub enum ExtractError {
    /// The child could not be started.
    #[error("the extractor {program:?} does not start: {source}")]
    Start {
        /// The program.
        program: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The child ended before its sandbox was closed.
    #[error("the extractor could not close its sandbox ({status})")]
    NoSandbox {
        /// How it ended.
        status: ExitStatus,
    },
    /// The file could not be read from where it is kept.
    #[error("reading the file to extract from: {0}")]
    Input(io::Error),
    /// The child's end could not be awaited, or the extractor is shutting down.
    #[error("waiting for the extractor: {0}")]
    Wait(io::Error),
}

/// What the frames said so far.
#[derive(Debug, Default)]
struct Collected {
    confinement: Option<Confinement>,
    pages: Vec<PageText>,
    text_bytes: u64,
    probed: Option<String>,
    /// The child's own last word.
    done: Option<(Option<Reason>, u64)>,
    /// What the parent found wrong with the child.
    broken: Option<Reason>,
}

impl Extractor {
    /// Children are `program extract-child`, `concurrency` at a time (at least one), each with `limits`.
    pub fn new(program: PathBuf, limits: Limits, concurrency: usize) -> Self {
        Self { program, limits, slots: Arc::new(Semaphore::new(concurrency.max(1))) }
    }

    /// What each child may use.
    pub const fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The text of the file that `input` yields, or why there is none.
    ///
    /// # Errors
    /// `ExtractError`, if it says nothing about the file. Whatever the file does to the child is a flag instead.
    pub async fn extract(
        &self,
        media_type: MediaType,
        input: impl AsyncRead + Unpin,
    ) -> Result<Extraction, ExtractError> {
        let (collected, flag) = self.run(media_type, None, input).await?;
        let peak_bytes = collected.done.map(|(_, peak)| peak).filter(|peak| *peak > 0);
        Ok(Extraction { pages: collected.pages, flag, peak_bytes })
    }

    /// Has a child try one thing that its sandbox must stop.
    ///
    /// # Errors
    /// `ExtractError`, as for a file.
    pub async fn probe(&self, probe: Probe) -> Result<Probed, ExtractError> {
        let (collected, flag) = self.run(MediaType::Unknown, Some(probe), tokio::io::empty()).await?;
        Ok(Probed { confinement: collected.confinement, outcome: collected.probed, flag })
    }

    async fn run(
        &self,
        media_type: MediaType,
        probe: Option<Probe>,
        input: impl AsyncRead + Unpin,
    ) -> Result<(Collected, Option<Reason>), ExtractError> {
        let _slot =
            self.slots.acquire().await.map_err(|_| ExtractError::Wait(io::ErrorKind::Other.into()))?;
        let order = Order { media_type: media_type.as_str().to_owned(), limits: self.limits, probe };
        let mut child = self.start(&order)?;
        let mut collected = Collected::default();
        let mut complaint = Vec::new();
        let conversed = tokio::time::timeout(
            Duration::from_millis(self.limits.wall_ms),
            converse(&mut child, input, &self.limits, &mut collected, &mut complaint),
        )
        .await;
        let late = conversed.is_err();
        if late || collected.broken.is_some() {
            // Only this child, by its handle; it may have ended meanwhile.
            drop(child.start_kill());
        }
        let status = child.wait().await.map_err(ExtractError::Wait)?;
        if let Ok(Err(error)) = conversed {
            return Err(ExtractError::Input(error));
        }
        if collected.confinement.is_none() && !late {
            return Err(ExtractError::NoSandbox { status });
        }
        let flag = if late { Some(Reason::Time) } else { verdict(&collected, status, &complaint) };
        Ok((collected, flag))
    }

    fn start(&self, order: &Order) -> Result<Child, ExtractError> {
        let failed = |source| ExtractError::Start { program: self.program.clone(), source };
        let order = serde_json::to_string(order).map_err(|error| failed(error.into()))?;
        Command::new(&self.program)
            .arg("extract-child")
            .arg(order)
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(failed)
    }
}

/// What a probe of the sandbox gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probed {
    /// Which walls stood.
    pub confinement: Option<Confinement>,
    /// What the child said, if it lived to say it.
    pub outcome: Option<String>,
    /// How the child was ended, if it was.
    pub flag: Option<Reason>,
}

/// Feeds the file in and reads frames until the child has closed its output. `Err`: the input failed.
async fn converse(
    child: &mut Child,
    input: impl AsyncRead + Unpin,
    limits: &Limits,
    collected: &mut Collected,
    complaint: &mut Vec<u8>,
) -> io::Result<()> {
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let complain = async {
        if let Some(stderr) = stderr {
            let mut stderr = stderr;
            // What cannot be read cannot be searched; the exit status still tells.
            let _ = (&mut stderr).take(COMPLAINT_BYTES).read_to_end(complaint).await;
            let _ = tokio::io::copy(&mut stderr, &mut tokio::io::sink()).await;
        }
    };
    let receive = collect(stdout, limits, collected);
    let fed = async { feed(stdin, input).await };
    let read = async { tokio::join!(receive, complain) };
    tokio::pin!(fed, read);
    // A child that has ended needs no more of the file.
    tokio::select! {
        biased;
        _ = &mut read => Ok(()),
        result = &mut fed => {
            result?;
            read.await;
            Ok(())
        }
    }
}

async fn feed(stdin: Option<ChildStdin>, mut input: impl AsyncRead + Unpin) -> io::Result<()> {
    let Some(mut stdin) = stdin else { return Ok(()) };
    let mut buffer = vec![0; 64 << 10];
    loop {
        let count = input.read(&mut buffer).await?;
        let Some(chunk) = buffer.get(..count).filter(|chunk| !chunk.is_empty()) else { return Ok(()) };
        // The child says in its frames, or by its end, why it reads no further.
        if stdin.write_all(chunk).await.is_err() {
            return Ok(());
        }
    }
}

async fn collect(stdout: Option<ChildStdout>, limits: &Limits, collected: &mut Collected) {
    let Some(mut stdout) = stdout else { return };
    while collected.done.is_none() && collected.broken.is_none() {
        match next_frame(&mut stdout).await {
            Ok(Some(frame)) => collected.take(frame, limits),
            Ok(None) => return,
            Err(_) => collected.broken = Some(Reason::Crashed),
        }
    }
}

async fn next_frame(stdout: &mut ChildStdout) -> io::Result<Option<Frame>> {
    let length = match stdout.read_u32().await {
        Ok(length) => length as usize,
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    };
    if length > FRAME_BYTES_MAX {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut json = vec![0; length];
    stdout.read_exact(&mut json).await?;
    Ok(Some(serde_json::from_slice(&json)?))
}

impl Collected {
    fn take(&mut self, frame: Frame, limits: &Limits) {
        match frame {
            Frame::Confined(confinement) => self.confinement = Some(confinement),
            Frame::Page { text } => self.page(text, limits),
            Frame::Done { flag, peak_bytes } => self.done = Some((flag, peak_bytes)),
            Frame::Probed { outcome } => {
                self.probed = Some(outcome);
                self.done = Some((None, 0));
            }
        }
    }

    /// The child counts too; this is for a child that no longer does what it was written to do.
    fn page(&mut self, text: String, limits: &Limits) {
        self.text_bytes += text.len() as u64;
        let number = u32::try_from(self.pages.len() + 1).unwrap_or(u32::MAX);
        match () {
            () if self.text_bytes > limits.text_bytes => self.broken = Some(Reason::TextTooLarge),
            () if number > limits.pages => self.broken = Some(Reason::TooManyPages),
            () => self.pages.push(PageText { number, text }),
        }
    }
}

/// Why the text is missing or not complete, from all that is known of a child that has ended.
fn verdict(collected: &Collected, status: ExitStatus, complaint: &[u8]) -> Option<Reason> {
    if let Some(reason) = collected.broken {
        return Some(reason);
    }
    if let Some((flag, _)) = collected.done {
        return flag;
    }
    let complained = |words: &[u8]| complaint.windows(words.len()).any(|window| window == words);
    Some(match status.signal() {
        _ if complained(b"memory allocation of") => Reason::Memory,
        _ if complained(b"overflowed its stack") => Reason::TooDeep,
        Some(SIGXCPU) => Reason::Cpu,
        Some(SIGSYS) => Reason::Forbidden,
        _ => Reason::Crashed,
    })
}
