//! The way to a running service: its address, a token, and requests that are sent again until they are answered.
//!
//! Turned away (429, 503), cut off or not reached, a request comes again, not before the service said. What it refuses
//! is an answer.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::{Agent, SendBody};

use super::patience::Pauses;
use crate::domain::random::Random;

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(10);
/// How long an answer may take once a request was sent.
const ANSWER: Duration = Duration::from_secs(300);
/// How often a request is sent that breaks off each time although the service answers others.
const CUT_OFF_MAX: u32 = 5;
/// How often a request is sent that the service fails at.
const FAILED_MAX: u32 = 3;
/// The longest answer that is kept in memory.
const ANSWER_BYTES_MAX: u64 = 64 << 20;

/// A service, and a caller with a token. Clones share connections.
#[derive(Clone)]
pub struct Service {
    agent: Agent,
    url: String,
    token: String,
    patience: Duration,
    random: Arc<dyn Random>,
}

/// What a request brings.
pub enum Body<'b> {
    /// Nothing.
    Nothing,
    /// JSON.
    Json(&'b Value),
    /// So many bytes of a reader that is made anew for each try.
    Reader(u64, &'b mut dyn FnMut() -> io::Result<Box<dyn io::Read>>),
}

/// A request.
pub struct Request<'b> {
    /// GET, POST, PUT.
    pub method: &'static str,
    /// Path and query.
    pub path: String,
    /// Beside those that are always sent.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Body<'b>,
}

impl Request<'_> {
    /// `GET`.
    pub fn get(path: impl Into<String>) -> Self {
        Self { method: "GET", path: path.into(), headers: Vec::new(), body: Body::Nothing }
    }
}

/// An answer of any status.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The body.
    pub body: Vec<u8>,
}

/// Why a service cannot be spoken with.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// The address is none.
    #[error(
        "{0}: the address of a service is https://HOST, or http://HOST:PORT on this machine (127.0.0.1, localhost)"
    )]
    Address(String),
    /// The file of roots has no certificate.
    #[error("{0} has no certificate in PEM")]
    Roots(String),
    /// A file cannot be read.
    #[error("{path} cannot be read")]
    File {
        /// Which.
        path: String,
        /// What the system says.
        source: io::Error,
    },
    /// It does not answer.
    #[error("the service did not answer for {seconds} s; started again, this goes on where it stands")]
    Silent {
        /// How long it was tried.
        seconds: u64,
        /// What the connection said.
        source: Box<ureq::Error>,
    },
    /// It turns this request away again and again.
    #[error("the service answered {status} for {seconds} s; started again, this goes on where it stands")]
    Busy {
        /// What it answered.
        status: u16,
        /// How long it was tried.
        seconds: u64,
    },
    /// The connection breaks off although others do not.
    #[error("the connection breaks off each time")]
    CutOff(#[source] Box<ureq::Error>),
    /// The caller may not.
    #[error("the token does not permit this: {0}")]
    Forbidden(String),
    /// The answer is not what it should be.
    #[error("{0} was answered with something else than expected: {1}")]
    Unexpected(String, String),
    /// What was to be sent cannot be read.
    #[error("what was to be sent cannot be read")]
    Unreadable(#[source] io::Error),
}

/// A token out of a file, without the line's end.
///
/// # Errors
/// If it cannot be read.
pub fn token(path: &Path) -> Result<String, ServiceError> {
    Ok(read(path)?.trim().to_owned())
}

fn read(path: &Path) -> Result<String, ServiceError> {
    let failed = |source| ServiceError::File { path: path.display().to_string(), source };
    std::fs::read_to_string(path).map_err(failed)
}

impl Service {
    /// The service at `url`. A token goes over an encrypted connection, or stays on this machine. `roots` (PEM) replaces
    /// the public ones; `patience` is how long a request is sent again and again.
    ///
    /// # Errors
    /// If the address or the file is wrong.
    pub fn new(
        url: &str,
        token: String,
        roots: Option<&Path>,
        patience: Duration,
        random: Arc<dyn Random>,
    ) -> Result<Self, ServiceError> {
        let url = url.trim_end_matches('/').to_owned();
        if !is_safe(&url) {
            return Err(ServiceError::Address(url));
        }
        let roots = match roots {
            Some(path) => RootCerts::new_with_certs(&certificates(path)?),
            None => RootCerts::WebPki,
        };
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .proxy(None)
            .timeout_connect(Some(CONNECT))
            .timeout_recv_response(Some(ANSWER))
            .user_agent(concat!("stammbuch/", env!("CARGO_PKG_VERSION")))
            .tls_config(TlsConfig::builder().root_certs(roots).build())
            .build()
            .into();
        Ok(Self { agent, url, token, patience, random })
    }

    /// Sends a request until it is answered, and gives the answer.
    ///
    /// # Errors
    /// If patience is at its end, or the token does not permit it.
    pub fn ask(&self, mut request: Request<'_>) -> Result<Answer, ServiceError> {
        self.ask_for(&mut request, |answer| {
            let limit = ANSWER_BYTES_MAX;
            answer.body_mut().with_config().limit(limit).read_to_vec()
        })
        .map(|(status, body)| Answer { status, body })
    }

    /// As [`Self::ask`]; what is done with the body of a good answer is the caller's matter. It is done again if it fails,
    /// since the connection may have broken off. The body of an answer that is not 2xx is left unread.
    ///
    /// # Errors
    /// As [`Self::ask`].
    pub fn ask_for<T>(
        &self,
        request: &mut Request<'_>,
        mut take: impl FnMut(&mut ureq::http::Response<ureq::Body>) -> Result<T, ureq::Error>,
    ) -> Result<(u16, T), ServiceError> {
        let mut tries = Tries::new(self);
        loop {
            let sent = self.send(request)?;
            let failed = match sent {
                Err(error) => error,
                Ok(mut answer) => {
                    let status = answer.status().as_u16();
                    if let Some(asked) = tries.turned_away(status, &answer) {
                        tries.pause(asked, Unanswered::Status(status))?;
                        continue;
                    }
                    if matches!(status, 401 | 403) {
                        return Err(ServiceError::Forbidden(words(&mut answer)));
                    }
                    match take(&mut answer) {
                        Ok(taken) => return Ok((status, taken)),
                        Err(error) => error,
                    }
                }
            };
            tries.cut_off(failed)?;
        }
    }

    /// As [`Self::ask`], for an answer that must be 200 and JSON.
    ///
    /// # Errors
    /// As [`Self::ask`], or if it is another one.
    pub fn json(&self, request: Request<'_>) -> Result<Value, ServiceError> {
        let what = format!("{} {}", request.method, request.path);
        let answer = self.ask(request)?;
        if answer.status == 200
            && let Ok(value) = serde_json::from_slice(&answer.body)
        {
            return Ok(value);
        }
        Err(ServiceError::Unexpected(what, answer.problem()))
    }

    fn send(
        &self,
        request: &mut Request<'_>,
    ) -> Result<Result<ureq::http::Response<ureq::Body>, ureq::Error>, ServiceError> {
        let mut building = ureq::http::Request::builder()
            .method(request.method)
            .uri(format!("{}{}", self.url, request.path))
            .header("Authorization", format!("Bearer {}", self.token));
        for (name, value) in &request.headers {
            building = building.header(*name, value);
        }
        Ok(match &mut request.body {
            Body::Nothing => building.body(()).map_err(Into::into).and_then(|built| self.agent.run(built)),
            Body::Json(value) => {
                let building = building.header("Content-Type", "application/json");
                let built = building.body(value.to_string().into_bytes());
                built.map_err(Into::into).and_then(|built| self.agent.run(built))
            }
            Body::Reader(size, open) => {
                let mut reader = open().map_err(ServiceError::Unreadable)?;
                let building = building.header("Content-Length", size.to_string());
                let built = building.body(SendBody::from_reader(&mut *reader));
                built.map_err(Into::into).and_then(|built| self.agent.run(built))
            }
        })
    }

    /// Whether the service answers at all.
    fn is_there(&self) -> bool {
        self.agent.get(format!("{}/health/live", self.url)).call().is_ok()
    }
}

enum Unanswered {
    Status(u16),
    Error(Box<ureq::Error>),
}

/// The tries of one request.
struct Tries<'s> {
    service: &'s Service,
    pauses: Pauses,
    cut_off: u32,
    failed: u32,
}

impl<'s> Tries<'s> {
    fn new(service: &'s Service) -> Self {
        Self { service, pauses: Pauses::within(service.patience), cut_off: 0, failed: 0 }
    }

    /// Whether the request is to be sent again, and when if the service says it.
    fn turned_away<B>(&mut self, status: u16, answer: &ureq::http::Response<B>) -> Option<Option<Duration>> {
        let after = answer.headers().get("retry-after").and_then(|value| value.to_str().ok());
        let after = after.and_then(|text| text.trim().parse().ok()).map(Duration::from_secs);
        self.failed += u32::from(status == 500);
        let again = match status {
            408 | 425 | 429 | 502 | 503 | 504 => true,
            409 | 423 => after.is_some(),
            500 => self.failed < FAILED_MAX,
            _ => false,
        };
        again.then_some(after)
    }

    /// A connection that broke off: an answer may have been on its way, so it is asked whether the service is there.
    fn cut_off(&mut self, error: ureq::Error) -> Result<(), ServiceError> {
        self.cut_off += u32::from(self.service.is_there());
        if self.cut_off >= CUT_OFF_MAX {
            return Err(ServiceError::CutOff(Box::new(error)));
        }
        self.pause(None, Unanswered::Error(Box::new(error)))
    }

    fn pause(&mut self, asked: Option<Duration>, because: Unanswered) -> Result<(), ServiceError> {
        let seconds = self.service.patience.as_secs();
        let Some(pause) = self.pauses.next(asked, &*self.service.random) else {
            return Err(match because {
                Unanswered::Status(status) => ServiceError::Busy { status, seconds },
                Unanswered::Error(source) => ServiceError::Silent { seconds, source },
            });
        };
        // sleeps: the service is asked again after the time it said, or a time that spreads the callers
        std::thread::sleep(pause);
        Ok(())
    }
}

impl Answer {
    /// The JSON of it; null if it is none.
    pub fn value(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// The last part of the problem's type: `empty-file`; or the status.
    pub fn problem_name(&self) -> String {
        let problem = self.value();
        let kind = problem.get("type").and_then(Value::as_str).and_then(|kind| kind.rsplit('/').next());
        kind.map_or_else(|| format!("status-{}", self.status), str::to_owned)
    }

    /// What is wrong, in words.
    pub fn problem(&self) -> String {
        said_in(self.status, &self.body)
    }
}

fn words(answer: &mut ureq::http::Response<ureq::Body>) -> String {
    let body = answer.body_mut().with_config().limit(1 << 20).read_to_vec().unwrap_or_default();
    said_in(answer.status().as_u16(), &body)
}

/// The words of a problem: title, detail, what was expected and came.
fn said_in(status: u16, body: &[u8]) -> String {
    let problem: Value = serde_json::from_slice(body).unwrap_or_default();
    let mut words: Vec<String> = ["title", "rule", "detail"]
        .iter()
        .filter_map(|name| problem.get(name).and_then(Value::as_str).map(str::to_owned))
        .collect();
    for name in ["expected", "got"] {
        words.extend(problem.get(name).map(|value| format!("{name} {value}")));
    }
    if words.is_empty() { format!("status {status}") } else { words.join(" ") }
}

/// Whether a token may be sent there.
fn is_safe(url: &str) -> bool {
    let Ok(uri) = url.parse::<ureq::http::Uri>() else { return false };
    let Some(host) = uri.host().filter(|_| uri.path() == "/" && uri.query().is_none()) else { return false };
    let own = host == "localhost"
        || host.trim_matches(['[', ']']).parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback());
    match uri.scheme_str() {
        Some("https") => true,
        Some("http") => own,
        _ => false,
    }
}

fn certificates(path: &Path) -> Result<Vec<Certificate<'static>>, ServiceError> {
    let text = read(path)?;
    let items = parse_pem(text.as_bytes()).filter_map(Result::ok);
    let found: Vec<_> = items
        .filter_map(|item| match item {
            PemItem::Certificate(certificate) => Some(certificate),
            _ => None,
        })
        .collect();
    if found.is_empty() { Err(ServiceError::Roots(path.display().to_string())) } else { Ok(found) }
}

/// A text within a query or an extended header value (RFC 3986, RFC 8187): letters, digits and `-._~` as they are.
pub fn percent(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[cfg(test)]
mod tests;
