//! The demo's own HTTP client: it uses the service as anybody would, through its interface.

use serde_json::Value;

/// An answer: status, body bytes.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Vec<u8>,
}

/// The service did not answer as the demo needs.
#[derive(Debug, thiserror::Error)]
pub(super) enum ClientError {
    /// No answer.
    #[error("{what}: no answer")]
    Transport {
        /// Method and path.
        what: String,
        /// Why.
        source: Box<ureq::Error>,
    },
    /// Another status than expected.
    #[error("{what}: expected {expected}, got {got}: {body}")]
    Status {
        /// Method and path.
        what: String,
        /// Status that was expected.
        expected: u16,
        /// Status that came.
        got: u16,
        /// The problem.
        body: String,
    },
    /// Not JSON.
    #[error("{what}: the answer is not JSON")]
    NotJson {
        /// Method and path.
        what: String,
        /// Why.
        source: serde_json::Error,
    },
}

/// Calls the service at `url`.
#[derive(Debug, Clone)]
pub(super) struct Client {
    agent: ureq::Agent,
    url: String,
}

/// A request before it is sent.
pub(super) struct Request<'a> {
    pub(super) method: &'static str,
    pub(super) path: &'a str,
    pub(super) token: Option<&'a str>,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Vec<u8>,
}

impl<'a> Request<'a> {
    pub(super) fn get(path: &'a str, token: &'a str) -> Self {
        Self { method: "GET", path, token: Some(token), headers: Vec::new(), body: Vec::new() }
    }

    pub(super) fn json(method: &'static str, path: &'a str, token: &'a str, body: &Value) -> Self {
        let headers = vec![("Content-Type", "application/json".to_owned())];
        Self { method, path, token: Some(token), headers, body: body.to_string().into_bytes() }
    }

    #[must_use]
    pub(super) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

impl Client {
    pub(super) fn new(url: &str) -> Self {
        let agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
        Self { agent, url: url.to_owned() }
    }

    /// Sends a request; any status is an answer.
    pub(super) fn send(&self, request: Request<'_>) -> Result<Answer, ClientError> {
        let what = format!("{} {}", request.method, request.path);
        let failed =
            |source: ureq::Error| ClientError::Transport { what: what.clone(), source: Box::new(source) };
        let mut building = ureq::http::Request::builder()
            .method(request.method)
            .uri(format!("{}{}", self.url, request.path));
        if let Some(token) = request.token {
            building = building.header("Authorization", format!("Bearer {token}"));
        }
        for (name, value) in request.headers {
            building = building.header(name, value);
        }
        let built = building.body(request.body).map_err(|error| failed(error.into()))?;
        let mut answer = self.agent.run(built).map_err(failed)?;
        let body = answer.body_mut().with_config().limit(u64::MAX).read_to_vec().map_err(failed)?;
        Ok(Answer { status: answer.status().as_u16(), body })
    }

    /// Sends a request that must be answered with `expected`.
    pub(super) fn expect(&self, expected: u16, request: Request<'_>) -> Result<Answer, ClientError> {
        let what = format!("{} {}", request.method, request.path);
        let answer = self.send(request)?;
        if answer.status == expected {
            return Ok(answer);
        }
        let body = String::from_utf8_lossy(&answer.body).into_owned();
        Err(ClientError::Status { what, expected, got: answer.status, body })
    }

    /// As [`Self::expect`], for a JSON body.
    pub(super) fn json(&self, expected: u16, request: Request<'_>) -> Result<Value, ClientError> {
        let what = format!("{} {}", request.method, request.path);
        let answer = self.expect(expected, request)?;
        serde_json::from_slice(&answer.body).map_err(|source| ClientError::NotJson { what, source })
    }
}

/// A member of a JSON object; null if it has none of that name.
pub(super) fn member<'v>(value: &'v Value, name: &str) -> &'v Value {
    value.get(name).unwrap_or(&Value::Null)
}
