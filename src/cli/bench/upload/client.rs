//! A client with as little of its own as can be, since both sides share the machine: one connection, one request
//! again and again, each with other bytes.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

use super::super::own_server::noise;
use super::UploadError;
use super::load::Work;

/// Bytes of a long body that are sent at a time.
const PIECE_BYTES: usize = 1 << 20;

/// What a client sends: everything but `Host` and `Content-Length`.
#[derive(Clone)]
pub(super) struct Request {
    /// `POST /v1/documents`; a `*` becomes a name that is used once.
    pub(super) line: String,
    /// Header lines, each with its end.
    pub(super) headers: String,
    /// What the status line holds when all went well.
    pub(super) success: &'static str,
}

/// A connection that uploads.
pub(super) struct Client {
    connection: BufReader<TcpStream>,
    address: SocketAddr,
    request: Request,
    name: String,
    body: Vec<u8>,
    count: u64,
}

impl Client {
    /// Connects; bodies of `size` bytes. `name` is this client's own.
    pub(super) fn connect(
        address: SocketAddr,
        request: Request,
        name: String,
        size: usize,
    ) -> Result<Self, UploadError> {
        let connection = TcpStream::connect(address)?;
        connection.set_nodelay(true)?;
        let body = noise(size);
        Ok(Self { connection: BufReader::new(connection), address, request, name, body, count: 0 })
    }

    fn head(&self, bytes: u64) -> String {
        let line = self.request.line.replace('*', &format!("{}-{}", self.name, self.count));
        let headers = &self.request.headers;
        format!("{line} HTTP/1.1\r\nHost: {}\r\n{headers}Content-Length: {bytes}\r\n\r\n", self.address)
    }

    /// Another document each time: eight bytes behind the first eight, which say what a file is.
    fn change(&mut self) {
        self.count += 1;
        let own = self.body.iter_mut().skip(8);
        own.zip(self.count.to_le_bytes()).for_each(|(byte, number)| *byte = number);
    }

    /// One body of `bytes` bytes, which are never in memory all at once.
    pub(super) fn send_long(&mut self, bytes: u64) -> Result<(), UploadError> {
        self.change();
        self.body.resize(PIECE_BYTES, 0);
        let head = self.head(bytes);
        let connection = self.connection.get_mut();
        connection.write_all(head.as_bytes())?;
        let mut left = bytes;
        while left > 0 {
            let now = usize::try_from(left).unwrap_or(usize::MAX).min(PIECE_BYTES);
            connection.write_all(self.body.get(..now).unwrap_or_default())?;
            left -= now as u64;
        }
        self.expect_success()
    }

    fn expect_success(&mut self) -> Result<(), UploadError> {
        let status = self.answer()?;
        let well = status.contains(self.request.success);
        if well { Ok(()) } else { Err(UploadError::Answer(status.trim().to_owned())) }
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
        self.change();
        // Head and body in one call, as a client that has both at hand sends them.
        let mut request = self.head(self.body.len() as u64).into_bytes();
        request.extend_from_slice(&self.body);
        self.connection.get_mut().write_all(&request)?;
        self.expect_success()
    }
}
