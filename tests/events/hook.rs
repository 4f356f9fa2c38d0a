//! A receiver of events for the tests: answers as it is told, remembers what it heard, and verifies signatures by an
//! implementation of its own (HMAC after RFC 2104 on SHA-256 alone).

use std::collections::{BTreeMap, VecDeque};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use stammbuch::domain::digest::Sha256;

/// How long something may take on a busy machine before a test calls it lost.
const PATIENCE: Duration = Duration::from_secs(60);
/// The secret of the tests' targets: 32 bytes.
pub const SECRET: [u8; 32] = *b"thirty-two bytes for the tests!!";

/// How a request is answered.
#[derive(Debug, Clone, PartialEq)]
pub enum Reply {
    /// With a status.
    Status(u16),
    /// With 302 to this address.
    Redirect(String),
    /// With a head that promises a body and then trickles it without end.
    Trickle,
    /// Not at all, until the other side gives up.
    Silence,
    /// By resetting the connection.
    Reset,
}

/// A request that was heard.
#[derive(Debug, Clone)]
pub struct Heard {
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
    /// Whether it was answered with success.
    pub taken: bool,
}

impl Heard {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    /// `type` without what all types begin with.
    pub fn what(&self) -> String {
        let json = self.json();
        json["type"].as_str().unwrap().strip_prefix("example.stammbuch.").unwrap().to_owned()
    }

    pub fn subject(&self) -> String {
        self.json()["subject"].as_str().unwrap().to_owned()
    }

    /// Whether one of the signatures is that of `secret` over id, time and body.
    pub fn is_signed_by(&self, secret: &[u8]) -> bool {
        let signed = [
            self.header("webhook-id").as_bytes(),
            b".",
            self.header("webhook-timestamp").as_bytes(),
            b".",
            &self.body,
        ]
        .concat();
        let expected = format!("v1,{}", STANDARD.encode(hmac(secret, &signed)));
        self.header("webhook-signature").split(' ').any(|signature| signature == expected)
    }
}

fn hmac(secret: &[u8], message: &[u8]) -> [u8; 32] {
    assert!(secret.len() <= 64);
    let pad = |with: u8| {
        let mut block = [with; 64];
        block.iter_mut().zip(secret).for_each(|(byte, key)| *byte ^= key);
        block
    };
    let inner = Sha256::of(&[&pad(0x36)[..], message].concat());
    *Sha256::of(&[&pad(0x5c)[..], inner.as_bytes()].concat()).as_bytes()
}

#[derive(Default)]
struct Memory {
    heard: Mutex<(Vec<Heard>, VecDeque<Reply>)>,
    change: Condvar,
}

/// The receiver. Its thread ends with the process.
pub struct Hook {
    pub address: SocketAddr,
    memory: Arc<Memory>,
}

impl Hook {
    /// Answers `replies` one after the other, then `then` for ever.
    pub fn new(replies: &[Reply], then: Reply) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let memory = Arc::new(Memory::default());
        memory.heard.lock().unwrap().1.extend(replies.iter().cloned());
        let shared = Arc::clone(&memory);
        std::thread::spawn(move || {
            for connection in listener.incoming().map_while(Result::ok) {
                let (memory, then) = (Arc::clone(&shared), then.clone());
                std::thread::spawn(move || hear(&memory, &then, connection));
            }
        });
        Self { address, memory }
    }

    pub fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    /// All requests so far.
    pub fn heard(&self) -> Vec<Heard> {
        self.memory.heard.lock().unwrap().0.clone()
    }

    /// Waits until `enough` of what was heard, and gives it.
    #[track_caller]
    pub fn until(&self, enough: impl Fn(&[Heard]) -> bool) -> Vec<Heard> {
        let began = Instant::now();
        let mut memory = self.memory.heard.lock().unwrap();
        while !enough(&memory.0) {
            assert!(began.elapsed() < PATIENCE, "heard only {:?}", memory.0);
            memory = self.memory.change.wait_timeout(memory, Duration::from_millis(100)).unwrap().0;
        }
        memory.0.clone()
    }
}

fn hear(memory: &Memory, then: &Reply, mut connection: TcpStream) -> Option<()> {
    // One byte ahead at most: what is not asked for stays with the system.
    let mut reader = BufReader::with_capacity(1, connection.try_clone().ok()?);
    let mut headers = BTreeMap::new();
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.insert(name.to_lowercase(), value.trim().to_owned());
    }
    let length: usize = headers.get("content-length")?.parse().ok()?;
    let reply = memory.heard.lock().unwrap().1.pop_front().unwrap_or_else(|| then.clone());
    let mut body = vec![b'}'; length];
    let read = if reply == Reply::Reset { length - 1 } else { length };
    reader.read_exact(&mut body[..read]).ok()?;
    let taken = matches!(reply, Reply::Status(200..=299) | Reply::Trickle);
    memory.heard.lock().unwrap().0.push(Heard { headers, body, taken });
    memory.change.notify_all();
    let _ = match reply {
        Reply::Status(status) => connection.write_all(
            format!("HTTP/1.1 {status} X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").as_bytes(),
        ),
        Reply::Redirect(to) => connection.write_all(
            format!("HTTP/1.1 302 X\r\nLocation: {to}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                .as_bytes(),
        ),
        Reply::Trickle => {
            let head = connection.write_all(b"HTTP/1.1 200 X\r\nContent-Length: 1000000000\r\n\r\n");
            while connection.write_all(b"x").is_ok() {
                // sleeps: a peer that sends as slowly as it can
                std::thread::sleep(Duration::from_millis(50));
            }
            head
        }
        Reply::Silence => reader.read_to_end(&mut Vec::new()).map(drop),
        // Closed with a byte unread, a connection is reset.
        Reply::Reset => Ok(()),
    };
    Some(())
}
