//! `/health/live`: the process answers. `/health/ready`: the parts it needs do too.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use actix_web::{HttpResponse, web};
use async_trait::async_trait;
use futures_util::future::join_all;
use serde::Serialize;
use utoipa::ToSchema;

/// How long a part may take to answer before it counts as not ready.
const PATIENCE: Duration = Duration::from_secs(2);

/// A part of the installation that can be asked whether it works.
#[async_trait]
pub trait Probe: Send + Sync {
    /// `Ok`: it does, with something worth saying if there is. Both words are public: no names, no numbers of cases.
    async fn probe(&self) -> Result<Option<String>, NotReady>;

    /// What was found out about the part, by name: words, no addresses, no personal data.
    fn facts(&self) -> BTreeMap<&'static str, String> {
        BTreeMap::new()
    }
}

/// Why a part does not work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotReady {
    /// For everybody: what does not work, nothing about the inside.
    pub why: &'static str,
    /// For the log: no addresses, no personal data.
    pub cause: String,
}

impl NotReady {
    /// `why` for everybody, `cause` for the log.
    pub fn new(why: &'static str, cause: impl ToString) -> Self {
        Self { why, cause: cause.to_string() }
    }
}

/// The parts this process needs, by name.
#[derive(Clone, Default)]
pub struct Probes(Vec<(&'static str, Arc<dyn Probe>)>);

impl Probes {
    /// Adds a part.
    #[must_use]
    pub fn with(mut self, name: &'static str, part: Arc<dyn Probe>) -> Self {
        self.0.push((name, part));
        self
    }
}

/// Whether something works.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum State {
    /// It does.
    Ok,
    /// It does not, or not in time.
    Failed,
}

/// What a part says about itself.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Part {
    /// Whether it works.
    status: State,
    /// Why it does not, or what is worth knowing although it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
}

/// What the process says about itself.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Health {
    /// The whole: ok only if every part is.
    status: State,
    /// Each part by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    parts: BTreeMap<&'static str, Part>,
    /// What was found out about a part: of a bucket, what its store really enforces.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    facts: BTreeMap<&'static str, BTreeMap<&'static str, String>>,
}

/// The process answers.
#[utoipa::path(get, path = "/health/live", tag = "operator", security(()),
    responses((status = 200, description = "The process answers", body = Health)))]
pub(super) async fn live() -> HttpResponse {
    HttpResponse::Ok().json(Health { status: State::Ok, parts: BTreeMap::new(), facts: BTreeMap::new() })
}

fn said(name: &str, outcome: Result<Option<String>, NotReady>) -> Part {
    match outcome {
        Ok(why) => Part { status: State::Ok, why },
        Err(NotReady { why, cause }) => {
            tracing::warn!(part = name, cause, "not ready: it {why}");
            Part { status: State::Failed, why: Some(why.to_owned()) }
        }
    }
}

/// Whether every part answers: send no requests here before.
#[utoipa::path(get, path = "/health/ready", tag = "operator", security(()), responses(
    (status = 200, description = "Every part answers", body = Health),
    (status = 503, description = "A part does not work, and says why", body = Health)))]
pub(super) async fn ready(probes: web::Data<Probes>) -> HttpResponse {
    let answers = probes.0.iter().map(|(name, part)| async move {
        let outcome = tokio::time::timeout(PATIENCE, part.probe()).await;
        let late =
            |_| Err(NotReady::new("does not answer in time", format!("no answer within {PATIENCE:?}")));
        (*name, said(name, outcome.unwrap_or_else(late)))
    });
    let parts: BTreeMap<_, _> = join_all(answers).await.into_iter().collect();
    let known = probes.0.iter().map(|(name, part)| (*name, part.facts()));
    let facts = known.filter(|(_, facts)| !facts.is_empty()).collect();
    if parts.values().all(|part| part.status == State::Ok) {
        HttpResponse::Ok().json(Health { status: State::Ok, parts, facts })
    } else {
        HttpResponse::ServiceUnavailable().json(Health { status: State::Failed, parts, facts })
    }
}
