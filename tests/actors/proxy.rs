//! A proxy before an HTTP server that forwards, lies, breaks off or answers itself: one request on each connection.
//! Knows HTTP/1.1 as far as the tests need it, and nothing of what it forwards.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

/// A request as it came; what is changed in it is what is forwarded.
#[derive(Debug, Clone)]
pub struct Request {
    /// `PUT`.
    pub method: String,
    /// `/bucket/key?query`.
    pub target: String,
    /// With names in lower case.
    pub headers: Vec<(String, String)>,
    /// All of it.
    pub body: Vec<u8>,
}

impl Request {
    /// Takes headers out.
    pub fn without(&mut self, names: &[&str]) {
        self.headers.retain(|(name, _)| !names.contains(&name.as_str()));
    }

    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// What becomes of a request.
pub enum Deed {
    /// It is forwarded, and its answer given.
    Forward,
    /// It is forwarded, and its answer given after it was changed.
    Change(fn(Vec<u8>) -> Vec<u8>),
    /// It is forwarded, and its answer kept back: the connection ends.
    Lose,
    /// It is answered with these bytes and not forwarded.
    Answer(String),
}

type Rule = dyn Fn(&mut Request) -> Deed + Send + Sync;

/// Listens until it is dropped.
pub struct Proxy {
    address: SocketAddr,
    ended: Arc<AtomicBool>,
    rule: Arc<Mutex<Arc<Rule>>>,
}

impl Proxy {
    /// Listens on a port of its own before `upstream`.
    pub fn before(upstream: &str, rule: impl Fn(&mut Request) -> Deed + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let upstream: SocketAddr = upstream.trim_start_matches("http://").parse().unwrap();
        let (ended, rule) =
            (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Arc::new(rule) as Arc<Rule>)));
        let (ending, rules) = (Arc::clone(&ended), Arc::clone(&rule));
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if ending.load(Ordering::Relaxed) {
                    break;
                }
                let rule = Arc::clone(&rules.lock().unwrap());
                // A connection that breaks is the business of whoever holds its other end.
                std::thread::spawn(move || serve(client, upstream, &*rule).ok());
            }
        });
        Self { address, ended, rule }
    }

    /// Another rule from now on.
    pub fn rule(&self, rule: impl Fn(&mut Request) -> Deed + Send + Sync + 'static) {
        *self.rule.lock().unwrap() = Arc::new(rule);
    }

    /// Where it listens.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(self.address);
    }
}

fn serve(mut client: TcpStream, upstream: SocketAddr, rule: &Rule) -> std::io::Result<()> {
    let Some(mut request) = read(&mut client)? else { return Ok(()) };
    let deed = rule(&mut request);
    if let Deed::Answer(answer) = deed {
        client.write_all(answer.as_bytes())?;
        return client.shutdown(std::net::Shutdown::Write);
    }
    let mut server = TcpStream::connect(upstream)?;
    let mut head = format!("{} {} HTTP/1.1\r\n", request.method, request.target);
    for (name, value) in request.headers.iter().filter(|(name, _)| name != "connection") {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("connection: close\r\n\r\n");
    server.write_all(head.as_bytes())?;
    // A server that has seen enough answers before it has read everything.
    let _ = server.write_all(&request.body);
    let mut answer = Vec::new();
    match deed {
        Deed::Lose => server.read_to_end(&mut answer).map(drop),
        Deed::Change(change) => {
            server.read_to_end(&mut answer)?;
            client.write_all(&change(answer))
        }
        Deed::Forward | Deed::Answer(_) => std::io::copy(&mut server, &mut client).map(drop),
    }
}

fn read(client: &mut TcpStream) -> std::io::Result<Option<Request>> {
    let (mut bytes, mut piece) = (Vec::new(), [0; 64 * 1024]);
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break end;
        }
        match client.read(&mut piece)? {
            0 => return Ok(None),
            got => bytes.extend_from_slice(&piece[..got]),
        }
    };
    let head = String::from_utf8(bytes[..end].to_vec()).map_err(std::io::Error::other)?;
    let mut lines = head.split("\r\n");
    let mut first = lines.next().unwrap_or_default().split(' ').map(str::to_owned);
    let (method, target) = (first.next().unwrap_or_default(), first.next().unwrap_or_default());
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let mut request = Request { method, target, headers, body: bytes[end + 4..].to_vec() };
    let length = request.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    while request.body.len() < length {
        match client.read(&mut piece)? {
            0 => return Ok(None),
            got => request.body.extend_from_slice(&piece[..got]),
        }
    }
    Ok(Some(request))
}

/// Takes out what makes an S3 store refuse, and says yes where it is asked to lock. The bucket must be open to all,
/// since what was signed is changed.
pub fn lie(request: &mut Request) -> Deed {
    request.without(&["authorization", "if-match", "if-none-match"]);
    request.without(&["x-amz-checksum-sha256", "x-amz-checksum-algorithm"]);
    if request.method == "POST" {
        without_digests(request);
    }
    if request.method == "PUT" && request.target.contains("?retention") {
        return Deed::Answer("HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".into());
    }
    Deed::Forward
}

/// Parts are named without their digests too.
fn without_digests(request: &mut Request) {
    let text = String::from_utf8(std::mem::take(&mut request.body)).unwrap();
    let mut rest = text.as_str();
    while let Some((before, after)) = rest.split_once("<ChecksumSHA256>") {
        request.body.extend_from_slice(before.as_bytes());
        rest = after.split_once("</ChecksumSHA256>").unwrap().1;
    }
    request.body.extend_from_slice(rest.as_bytes());
    request.without(&["content-length"]);
    request.headers.push(("content-length".into(), request.body.len().to_string()));
}
