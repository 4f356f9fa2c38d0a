//! Scanners to test with: the clamd of `STAMMBUCH_TEST_CLAMD` (socket and port), one of a test's own that it can stop
//! and start, and ones that do not answer as a scanner should.

use std::io::{Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use stammbuch::config::Config;
use tempfile::TempDir;

/// What both signatures of `counterparts/clamd.sh` find. Put together here, so that no scanner finds this file.
pub fn eicar() -> Vec<u8> {
    [r"X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR-", "STANDARD-ANTIVIRUS", "-TEST-FILE!$H+H*"].concat().into_bytes()
}

/// Settings for a server whose files go through the scanner at this socket.
pub fn scan(config: &mut Config, socket: &Path) {
    config.scan.address = format!("unix:{}", socket.display()).try_into().unwrap();
    config.scan.bytes_max = 100 << 20;
    config.scan.answer_seconds = 20;
}

/// Socket and port of the clamd that all tests share; none, said aloud, where there is none.
pub fn shared() -> Option<(PathBuf, u16)> {
    #[expect(clippy::disallowed_methods, reason = "tests are handed their scanner by the environment")]
    let Some(given) = std::env::var("STAMMBUCH_TEST_CLAMD").ok().filter(|given| !given.is_empty()) else {
        eprintln!("skipped: STAMMBUCH_TEST_CLAMD names no clamd");
        return None;
    };
    let (socket, port) = given.split_once(' ').expect("SOCKET PORT");
    Some((socket.into(), port.parse().unwrap()))
}

/// A clamd of a test's own.
pub struct Clamd {
    folder: TempDir,
}

impl Clamd {
    /// Makes a place for one that is not started; none where there is no clamd to test with.
    pub fn away() -> Option<Self> {
        shared().map(|_| Self { folder: tempfile::tempdir().unwrap() })
    }

    /// The same, started.
    pub fn started() -> Option<Self> {
        let clamd = Self::away()?;
        clamd.start();
        Some(clamd)
    }

    /// Starts it, or starts it again.
    pub fn start(&self) {
        self.run("start");
    }

    /// Ends it by its process id.
    pub fn stop(&self) {
        self.run("stop");
    }

    /// Where it listens, when it does.
    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("clamd.sock")
    }

    fn run(&self, what: &str) {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/counterparts/clamd.sh");
        let output = Command::new(script).arg(what).arg(self.folder.path()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

impl Drop for Clamd {
    fn drop(&mut self) {
        self.stop();
    }
}

/// How something at a scanner's address behaves that is none.
#[derive(Clone, Copy)]
pub enum Plays {
    /// Reads all of it and says this.
    Says(&'static [u8]),
    /// Reads so many bytes and closes.
    CutsAfter(usize),
    /// Reads all of it and says nothing.
    Silent,
}

/// Something at a scanner's address.
pub struct Liar {
    /// Where its name lies, if it made that itself.
    folder: Option<TempDir>,
    socket: PathBuf,
    /// Files that it was asked about, from their first to their last byte.
    asked: Arc<AtomicUsize>,
}

impl Liar {
    pub fn new(plays: Plays) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut liar = Self::at(folder.path().join("liar.sock"), plays);
        liar.folder = Some(folder);
        liar
    }

    /// At the address that something else will have later.
    pub fn at(socket: PathBuf, plays: Plays) -> Self {
        let listener = UnixListener::bind(&socket).unwrap();
        let asked = Arc::<AtomicUsize>::default();
        let counter = Arc::clone(&asked);
        std::thread::spawn(move || {
            for link in listener.incoming().map_while(Result::ok) {
                let counter = Arc::clone(&counter);
                std::thread::spawn(move || play(link, plays, &counter));
            }
        });
        Self { folder: None, socket, asked }
    }

    pub fn socket(&self) -> PathBuf {
        self.socket.clone()
    }

    /// Waits until it was asked about a file.
    pub fn until_asked(&self) {
        let began = Instant::now();
        while self.asked.load(Ordering::SeqCst) == 0 {
            assert!(began.elapsed() < Duration::from_secs(60), "nobody asks");
            // sleeps: whoever asks does so by its own time
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Liar {
    /// Its thread goes on listening to a name that is gone.
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.socket);
    }
}

fn play(mut link: UnixStream, plays: Plays, asked: &AtomicUsize) {
    let mut command = [0; 10];
    if let Plays::CutsAfter(bytes) = plays {
        let _ = link.read_exact(&mut vec![0; bytes]);
        return;
    }
    if link.read_exact(&mut command[..6]).is_err() || &command[..6] == b"zPING\0" {
        let _ = link.write_all(b"PONG\0");
        return;
    }
    let _ = link.read_exact(&mut command[6..]);
    let mut length = [0; 4];
    while link.read_exact(&mut length).is_ok() && length != [0; 4] {
        let _ = link.read_exact(&mut vec![0; u32::from_be_bytes(length) as usize]);
    }
    asked.fetch_add(1, Ordering::SeqCst);
    match plays {
        Plays::Says(text) => drop(link.write_all(text)),
        _ => drop(link.read(&mut length)),
    }
}
