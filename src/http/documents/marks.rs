//! What is decided about a document that is there: who may see it, and what forbids to erase it.

use actix_web::{HttpResponse, web};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::super::caller::{Archivist, Caller, Registrar};
use super::super::problem::{Body as ProblemBody, Kind, Problem};
use crate::database::keeping::Hold;
use crate::domain::ids::{DocumentId, HoldId};
use crate::domain::restriction::Restriction;
use crate::retention::{By, NotAReason, Reason, Retention, RetentionError};

/// Who may see a document from now on.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = DocumentRestriction)]
pub struct Marks {
    /// Levels of PStV § 14: A, B, C, D, T. With one or more only registrars see the document; none opens it.
    levels: Vec<String>,
    /// Why; for the audit trail.
    reason: String,
}

/// Why something is done.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Reason)]
pub struct Why {
    /// 1 to 1000 characters.
    reason: String,
}

/// A hold on a document.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = DocumentHold)]
pub struct HoldView {
    /// 32 hex digits.
    #[schema(value_type = String)]
    id: HoldId,
    /// Why it was placed.
    reason: String,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    placed_at: Timestamp,
    /// By whom.
    placed_by: String,
}

impl From<Hold> for HoldView {
    fn from(hold: Hold) -> Self {
        let Hold { id, reason, placed_at, placed_by } = hold;
        Self { id, reason, placed_at, placed_by }
    }
}

/// Sets who may see a document. Whoever may not gets 404 from now on and finds nothing of it; who restricts a document
/// without being a registrar does not see it any more.
#[utoipa::path(put, path = "/v1/documents/{id}/restriction", tag = "documents", request_body = Marks,
    params(("id" = String, Path, description = "32 hex digits")),
    responses(
        (status = 204, description = "It holds"),
        (status = 404, description = "Not a document that the caller may see", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "Not a level, or no reason", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])))]
pub(in crate::http) async fn restrict(
    archivist: Archivist,
    id: web::Path<DocumentId>,
    body: web::Json<Marks>,
    retention: web::Data<Retention>,
) -> Result<HttpResponse, Problem> {
    let levels = body.levels.iter().map(String::as_str);
    let restriction = Restriction::parse(levels)
        .map_err(|error| Kind::ValueInvalid.problem().rule("PStV § 14").detail(error.to_string()))?;
    let reason = Reason::parse(&body.reason)?;
    retention.restrict(&by(&archivist), *id, restriction, &reason).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Places a hold: until it is lifted the document is not erased.
#[utoipa::path(post, path = "/v1/documents/{id}/holds", tag = "documents", request_body = Why,
    params(("id" = String, Path, description = "32 hex digits")),
    responses(
        (status = 201, description = "It holds", body = HoldView),
        (status = 404, description = "Not a document that the caller may see", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "No reason", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])))]
pub(in crate::http) async fn hold(
    archivist: Archivist,
    id: web::Path<DocumentId>,
    body: web::Json<Why>,
    retention: web::Data<Retention>,
) -> Result<HttpResponse, Problem> {
    let reason = Reason::parse(&body.reason)?;
    let hold = retention.hold(&by(&archivist), *id, &reason).await?;
    Ok(HttpResponse::Created().json(HoldView::from(hold)))
}

/// Lifts a hold. What is not held any more may be erased, so it takes a registrar.
#[utoipa::path(post, path = "/v1/documents/{id}/holds/{hold}/lift", tag = "documents", request_body = Why,
    params(("id" = String, Path, description = "32 hex digits"), ("hold" = String, Path, description = "32 hex digits")),
    responses(
        (status = 204, description = "It holds no more"),
        (status = 404, description = "Not a document or hold that the caller may see, or lifted before", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "No reason", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])))]
pub(in crate::http) async fn lift(
    registrar: Registrar,
    path: web::Path<(DocumentId, HoldId)>,
    body: web::Json<Why>,
    retention: web::Data<Retention>,
) -> Result<HttpResponse, Problem> {
    let (id, hold) = path.into_inner();
    let reason = Reason::parse(&body.reason)?;
    retention.lift(&by(&registrar), id, hold, &reason).await?;
    Ok(HttpResponse::NoContent().finish())
}

pub(super) fn by(caller: &Caller) -> By {
    By {
        reader: caller.reads(),
        name: caller.name().to_owned(),
        role: caller.acting_as(),
        request_id: caller.request_id(),
    }
}

impl From<NotAReason> for Problem {
    fn from(error: NotAReason) -> Self {
        Kind::ValueInvalid.problem().detail(error.to_string())
    }
}

impl From<RetentionError> for Problem {
    fn from(error: RetentionError) -> Self {
        match error {
            RetentionError::NotFound => Kind::NotFound.problem(),
            RetentionError::AwaitsScan => Kind::AwaitingScan.problem(),
            RetentionError::Held { holds } => Kind::DocumentHeld.problem().expected(0).got(holds),
            RetentionError::TermNotEnded { until } => {
                Kind::TermNotEnded.problem().rule("§ 5 Abs. 5, § 7 Abs. 3 PStG").expected(until.to_string())
            }
            RetentionError::Database(error) => error.into(),
        }
    }
}
