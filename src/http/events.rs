//! `/v1/events/dead`: events that could not be delivered, and another chance for them.

use actix_web::{HttpResponse, web};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::caller::{EventReader, Operator};
use super::observe::RequestId;
use super::problem::{Kind, Problem};
use crate::database::Database;
use crate::database::jobs::queue::Dead;
use crate::domain::ids::JobId;
use crate::events::{DeadLetters, JOBS, ReplayError, Replayer};

/// An event that could not be delivered.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct DeadEvent {
    /// What it is replayed by.
    id: String,
    /// The target that did not take it.
    target: String,
    /// The event's own id, the same for all targets and tries.
    event: String,
    /// Its `type`.
    #[serde(rename = "type")]
    kind: String,
    /// What it is about.
    subject: String,
    /// When it happened.
    time: String,
    /// How often it was tried.
    attempts: u32,
    /// What the last try gave.
    error: String,
    /// Since when it is given up.
    dead_since: String,
}

/// The events that could not be delivered.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DeadList {
    /// Given up longest ago first; at most 500.
    events: Vec<DeadEvent>,
    /// Whether there are more: they come up when these are replayed.
    more: bool,
}

/// How many were given another chance.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Replayed {
    /// Events.
    replayed: u64,
}

impl From<Dead> for DeadEvent {
    fn from(dead: Dead) -> Self {
        let text = |name: &str| dead.payload.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        Self {
            id: dead.id.to_string(),
            target: dead.kind.strip_prefix(JOBS).unwrap_or_default().to_owned(),
            event: text("id"),
            kind: text("type"),
            subject: text("subject"),
            time: text("time"),
            attempts: dead.attempts,
            error: dead.error,
            dead_since: dead.since.to_string(),
        }
    }
}

/// The events of the caller's authority that could not be delivered.
#[utoipa::path(get, path = "/v1/events/dead", tag = "operator",
    responses((status = 200, description = "Events that were given up", body = DeadList)))]
pub(super) async fn dead(
    caller: EventReader,
    database: web::Data<Database>,
) -> Result<HttpResponse, Problem> {
    let DeadLetters { events, more } = DeadLetters::read(&database, caller.authority).await?;
    let events = events.into_iter().map(DeadEvent::from).collect();
    Ok(HttpResponse::Ok().json(DeadList { events, more }))
}

/// Gives one of them another chance: it is tried again from the beginning, before later ones about the same.
#[utoipa::path(post, path = "/v1/events/dead/{id}/replay", tag = "operator",
    params(("id" = String, Path, description = "As in the list")),
    responses((status = 200, description = "It is on its way again", body = Replayed),
    (status = 404, description = "It is not among the dead of this authority", body = super::problem::Body),
    (status = 409, description = "Its target is not configured any more", body = super::problem::Body)))]
pub(super) async fn replay(
    caller: Operator,
    id: web::Path<JobId>,
    request_id: web::ReqData<RequestId>,
    replayer: web::Data<Replayer>,
) -> Result<HttpResponse, Problem> {
    let by = (caller.authority, caller.client.as_str(), Some(request_id.0.clone()));
    match replayer.replay(by, Some(*id)).await? {
        0 => Err(Kind::NotFound.problem()),
        replayed => Ok(HttpResponse::Ok().json(Replayed { replayed })),
    }
}

impl From<ReplayError> for Problem {
    fn from(error: ReplayError) -> Self {
        match error {
            ReplayError::NoTarget { .. } => Kind::StateConflict.problem().detail(error.to_string()),
            ReplayError::Database(error) => error.into(),
        }
    }
}

/// Gives all of them another chance that have a target.
#[utoipa::path(post, path = "/v1/events/dead/replay", tag = "operator",
    responses((status = 200, description = "They are on their way again", body = Replayed)))]
pub(super) async fn replay_all(
    caller: Operator,
    request_id: web::ReqData<RequestId>,
    replayer: web::Data<Replayer>,
) -> Result<HttpResponse, Problem> {
    let by = (caller.authority, caller.client.as_str(), Some(request_id.0.clone()));
    Ok(HttpResponse::Ok().json(Replayed { replayed: replayer.replay(by, None).await? }))
}
