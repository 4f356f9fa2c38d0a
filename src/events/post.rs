//! One delivery over HTTP: `POST` with bounded time, no redirects, no proxy, and an answer of which only the status
//! and `Retry-After` are looked at. Each runs on a thread of its own, so that a slow target holds up neither the
//! threads of the store nor other targets; the runner's places bound how many there are.

use std::io::Read as _;
use std::time::Duration;

use tokio::sync::oneshot;
use ureq::Agent;
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use ureq::unversioned::transport::DefaultConnector;

use super::address::{Checked, Forbidden};

/// Up to which length an answer's body is taken off the connection.
const BODY_BYTES_MAX: u64 = 16 * 1024;
/// How large the head of an answer may be.
const HEAD_BYTES_MAX: usize = 16 * 1024;

/// What is sent.
#[derive(Debug, Clone)]
pub(super) struct Message {
    pub(super) id: String,
    pub(super) timestamp: String,
    pub(super) signature: String,
    pub(super) body: Vec<u8>,
}

/// What a target answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: u16,
    /// `Retry-After` in seconds.
    pub(super) retry_after: Option<u64>,
}

/// Why there was no answer. Its text is kept with the event.
#[derive(Debug, thiserror::Error)]
pub(super) enum PostError {
    #[error("{0}")]
    Forbidden(Forbidden),
    #[error("no answer in time")]
    TimedOut,
    #[error("no connection ({0})")]
    Connection(std::io::ErrorKind),
    #[error("no TLS connection that can be trusted")]
    Tls,
    #[error("no answer that is HTTP")]
    Protocol,
    #[error("no thread to send from")]
    Thread,
}

/// Sends to one target.
#[derive(Debug, Clone)]
pub(super) struct Sender {
    agent: Agent,
    url: String,
    origin: String,
}

impl Sender {
    /// `roots` (PEM) instead of the public ones, if there are any; `origin` is the name this installation goes by.
    pub(super) fn new(
        url: &str,
        origin: &str,
        roots: Option<Vec<Certificate<'static>>>,
        within: Duration,
        addresses: Checked,
    ) -> Self {
        let roots = roots.map_or(RootCerts::WebPki, |roots| RootCerts::new_with_certs(&roots));
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .proxy(None)
            .timeout_global(Some(within))
            .max_response_header_size(HEAD_BYTES_MAX)
            .user_agent(concat!("stammbuch/", env!("CARGO_PKG_VERSION")))
            .tls_config(TlsConfig::builder().root_certs(roots).build())
            .build();
        let agent = Agent::with_parts(config, DefaultConnector::default(), addresses);
        Self { agent, url: url.to_owned(), origin: origin.to_owned() }
    }

    /// Sends, and waits for the answer.
    pub(super) async fn post(&self, message: Message) -> Result<Answer, PostError> {
        let (sender, (done, answer)) = (self.clone(), oneshot::channel());
        let thread = std::thread::Builder::new().name("event".into());
        let started = thread.spawn(move || {
            let _ = done.send(sender.post_now(&message));
        });
        started.map_err(|_| PostError::Thread)?;
        answer.await.map_err(|_| PostError::Thread)?
    }

    fn post_now(&self, message: &Message) -> Result<Answer, PostError> {
        let request = self
            .agent
            .post(&self.url)
            .header("Content-Type", "application/cloudevents+json; charset=UTF-8")
            .header("WebHook-Request-Origin", &self.origin)
            .header("webhook-id", &message.id)
            .header("webhook-timestamp", &message.timestamp)
            .header("webhook-signature", &message.signature);
        let mut response = request.send(&message.body)?;
        let retry_after = response.headers().get("retry-after");
        let retry_after =
            retry_after.and_then(|value| value.to_str().ok()).and_then(|text| text.trim().parse().ok());
        let answer = Answer { status: response.status().as_u16(), retry_after };
        // The status is the answer. A short body is read so that the connection can be used again; whether it comes
        // changes nothing.
        if response.body().content_length().is_some_and(|length| length <= BODY_BYTES_MAX) {
            let _ = std::io::copy(
                &mut response.body_mut().as_reader().take(BODY_BYTES_MAX),
                &mut std::io::sink(),
            );
        }
        Ok(answer)
    }
}

impl From<ureq::Error> for PostError {
    fn from(error: ureq::Error) -> Self {
        match error {
            ureq::Error::Timeout(_) => Self::TimedOut,
            ureq::Error::Io(error) if error.kind() == std::io::ErrorKind::TimedOut => Self::TimedOut,
            ureq::Error::Io(error) if error.kind() == std::io::ErrorKind::InvalidData => Self::Tls,
            ureq::Error::Io(error) => Self::Connection(error.kind()),
            ureq::Error::HostNotFound => Self::Connection(std::io::ErrorKind::NotFound),
            ureq::Error::ConnectionFailed => Self::Connection(std::io::ErrorKind::NotConnected),
            ureq::Error::Tls(_) | ureq::Error::Rustls(_) | ureq::Error::Pem(_) => Self::Tls,
            ureq::Error::Other(other) => match other.downcast::<Forbidden>() {
                Ok(forbidden) => Self::Forbidden(*forbidden),
                Err(_) => Self::Protocol,
            },
            _ => Self::Protocol,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::io::{BufRead as _, BufReader, Write as _};
    use std::net::{SocketAddr, TcpListener};
    use std::sync::{Arc, Mutex};

    use super::super::address::Lookup;
    use super::*;

    /// A name whose address changes: each look-up takes the next.
    #[derive(Debug)]
    struct Rebinding(Mutex<VecDeque<SocketAddr>>);

    impl Lookup for Rebinding {
        fn addresses(&self, host: &str, _: u16, _: Duration) -> std::io::Result<Vec<SocketAddr>> {
            assert_eq!(host, "workflow.example");
            Ok(self.0.lock().unwrap().pop_front().into_iter().collect())
        }
    }

    fn message() -> Message {
        let text = String::new;
        Message { id: text(), timestamp: text(), signature: text(), body: b"{}".to_vec() }
    }

    #[tokio::test]
    async fn a_name_that_changes_its_address_is_checked_for_each_connection_and_reached_where_it_was_checked()
    {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let there = listener.local_addr().unwrap();
        let answering = std::thread::spawn(move || {
            let (mut connection, _) = listener.accept().unwrap();
            let lines = BufReader::new(connection.try_clone().unwrap()).lines();
            let head: Vec<String> = lines.map_while(Result::ok).take_while(|line| !line.is_empty()).collect();
            connection.write_all(b"HTTP/1.1 204 X\r\nConnection: close\r\n\r\n").unwrap();
            (head, listener)
        });
        let elsewhere = SocketAddr::from(([127, 0, 0, 2], there.port()));
        let lookup = Arc::new(Rebinding(Mutex::new([there, elsewhere].into())));
        let addresses = Checked::new(Arc::<Rebinding>::clone(&lookup), &["127.0.0.1".parse().unwrap()]);
        let sender = Sender::new(
            "http://workflow.example/events",
            "musterstadt.example",
            None,
            Duration::from_secs(20),
            addresses,
        );
        let first = sender.post(message()).await.unwrap();
        assert_eq!(first, Answer { status: 204, retry_after: None });
        let (head, listener) = answering.join().unwrap();
        assert!(head.iter().any(|line| line.eq_ignore_ascii_case("host: workflow.example")), "{head:?}");
        assert!(
            head.iter().any(|line| line.eq_ignore_ascii_case("webhook-request-origin: musterstadt.example"))
        );
        let second = sender.post(message()).await;
        assert!(matches!(second, Err(PostError::Forbidden(Forbidden::Address))), "{second:?}");
        listener.set_nonblocking(true).unwrap();
        assert!(listener.accept().is_err(), "nobody came a second time");
        let third = sender.post(message()).await;
        assert!(matches!(third, Err(PostError::Connection(_))), "a name without addresses: {third:?}");
    }
}
