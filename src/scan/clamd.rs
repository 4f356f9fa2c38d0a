//! A client of clamd: each file is one connection and one INSTREAM in bounded chunks (`man 8 clamd`), and no wait is
//! longer than is said beforehand. An answer that comes before the file's end is none.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use futures_util::FutureExt as _;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;

use super::answer::parse;
use super::{Finding, Scan, Scanner, Unclear};

/// The longest chunk.
const CHUNK_BYTES: usize = 64 * 1024;
/// The longest answer that is read.
const ANSWER_BYTES_MAX: usize = 1024;
/// What a sentence of clamd ends with, since it was asked with a `z`.
const END: u8 = 0;
/// How long is listened for why it broke off.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// Where clamd listens: `unix:PATH` or `tcp:IP:PORT` with a loopback address, since it speaks no TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// A socket in the file system.
    Unix(PathBuf),
    /// A port of this machine.
    Tcp(SocketAddr),
}

impl std::str::FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = || format!("expected unix:PATH or tcp:127.0.0.1:PORT, got {text:?}");
        match text.split_once(':') {
            Some(("unix", path)) if !path.is_empty() => Ok(Self::Unix(PathBuf::from(path))),
            Some(("tcp", address)) => match address.parse::<SocketAddr>() {
                Ok(address) if address.ip().is_loopback() && address.port() != 0 => Ok(Self::Tcp(address)),
                Ok(_) => {
                    Err(format!("expected an address of this machine (clamd speaks no TLS), got {text:?}"))
                }
                Err(_) => Err(expected()),
            },
            _ => Err(expected()),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Tcp(address) => write!(f, "tcp:{address}"),
        }
    }
}

impl Address {
    /// The same, a relative path being below `folder`.
    #[must_use]
    pub fn below(&self, folder: &Path) -> Self {
        match self {
            Self::Unix(path) => Self::Unix(folder.join(path)),
            Self::Tcp(address) => Self::Tcp(*address),
        }
    }
}

/// How long clamd is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// Until it takes the connection.
    pub connect: Duration,
    /// Until it takes the next chunk, and until it answers.
    pub one: Duration,
    /// All waits for one file together. The time in which the file arrives does not count.
    pub all: Duration,
}

/// clamd at an address. Holds no connection.
#[derive(Debug, Clone)]
pub struct Clamd {
    /// Where.
    pub address: Address,
    /// How long it is waited for.
    pub patience: Patience,
}

trait Link: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Link for T {}

/// A connection, and how long may still be waited for what comes over it.
struct Talk {
    link: Box<dyn Link>,
    one: Duration,
    left: Duration,
}

impl Clamd {
    async fn talk(&self) -> Result<Talk, Unclear> {
        let connect = async {
            Ok::<Box<dyn Link>, io::Error>(match &self.address {
                Address::Unix(path) => Box::new(UnixStream::connect(path).await?),
                Address::Tcp(address) => {
                    let link = TcpStream::connect(address).await?;
                    link.set_nodelay(true)?;
                    Box::new(link)
                }
            })
        };
        let Patience { connect: within, one, all } = self.patience;
        let link = timeout(within, connect).await.map_err(|_| Unclear::Slow(within))?;
        Ok(Talk { link: link.map_err(|error| Unclear::Away(error.kind()))?, one, left: all })
    }
}

#[async_trait]
impl Scanner for Clamd {
    async fn begin(&self) -> Result<Box<dyn Scan>, Unclear> {
        let mut talk = self.talk().await?;
        talk.say(b"zINSTREAM\0".as_slice()).await?;
        Ok(Box::new(talk))
    }

    async fn ping(&self) -> Result<(), Unclear> {
        let mut talk = self.talk().await?;
        talk.say(b"zPING\0".as_slice()).await?;
        if talk.hear().await? == b"PONG" { Ok(()) } else { Err(Unclear::Garbage) }
    }
}

#[async_trait]
impl Scan for Talk {
    async fn feed(&mut self, piece: &[u8]) -> Result<(), Unclear> {
        for chunk in piece.chunks(CHUNK_BYTES) {
            // CHUNK_BYTES fits.
            let length = u32::try_from(chunk.len()).unwrap_or_default().to_be_bytes();
            self.say(bytes::Buf::chain(length.as_slice(), chunk)).await?;
        }
        Ok(())
    }

    async fn finish(mut self: Box<Self>) -> Result<Finding, Unclear> {
        let mut early = [0; 1];
        match self.link.read(&mut early).now_or_never() {
            None => {}
            Some(Ok(1)) => return Err(self.why_early(early.to_vec()).await),
            Some(_) => return Err(Unclear::Cut),
        }
        // A chunk without bytes ends the stream.
        self.say([0u8; 4].as_slice()).await?;
        parse(&self.hear().await?)
    }
}

impl Talk {
    /// Sends bytes, as soon as they are taken.
    async fn say(&mut self, mut bytes: impl bytes::Buf + Send) -> Result<(), Unclear> {
        let (within, began) = (self.one.min(self.left), Instant::now());
        let said = timeout(within, self.link.write_all_buf(&mut bytes)).await;
        self.left = self.left.saturating_sub(began.elapsed());
        match said {
            Ok(Ok(())) => Ok(()),
            // It may have said why before it closed.
            Ok(Err(_)) => Err(self.why_early(Vec::new()).await),
            Err(_) => Err(Unclear::Slow(within)),
        }
    }

    /// Its sentence, up to the NUL; nothing may follow.
    async fn hear(&mut self) -> Result<Vec<u8>, Unclear> {
        let within = self.one.min(self.left);
        timeout(within, self.sentence(Vec::new())).await.map_err(|_| Unclear::Slow(within))?
    }

    async fn sentence(&mut self, mut heard: Vec<u8>) -> Result<Vec<u8>, Unclear> {
        loop {
            if let Some(end) = heard.iter().position(|byte| *byte == END) {
                let nothing_follows = end + 1 == heard.len();
                heard.truncate(end);
                return if nothing_follows { Ok(heard) } else { Err(Unclear::Garbage) };
            }
            if heard.len() >= ANSWER_BYTES_MAX {
                return Err(Unclear::Garbage);
            }
            match self.link.read_buf(&mut heard).await {
                Ok(0) | Err(_) => return Err(Unclear::Cut),
                Ok(_) => {}
            }
        }
    }

    /// What it means that it speaks, or closes, before it has the whole file: that it is too long, if it says that.
    async fn why_early(&mut self, heard: Vec<u8>) -> Unclear {
        match timeout(LAST_WORDS, self.sentence(heard)).await {
            Ok(Ok(said)) => match parse(&said) {
                Err(why) => why,
                Ok(_) => Unclear::Garbage,
            },
            Ok(Err(why)) => why,
            Err(_) => Unclear::Cut,
        }
    }
}

#[cfg(test)]
mod tests;
