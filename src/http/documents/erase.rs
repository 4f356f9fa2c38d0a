//! `POST /v1/documents/{id}/erase`: a registrar decides that a document goes for good.

use actix_web::{HttpResponse, web};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::super::caller::Registrar;
use super::super::problem::{Body as ProblemBody, Kind, Problem};
use super::marks::by;
use crate::database::erasures::Erasure;
use crate::database::idempotency::StoredAnswer;
use crate::domain::ids::DocumentId;
use crate::domain::retention::{ErasureReason, NotAProvision, Provision};
use crate::retention::{Grounds, Retention};

/// Why a document is erased. None of it has room for names: it stays for ever.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = DocumentErase)]
pub struct Decision {
    /// `term-ended`, `mistaken`, `unlawful`, `ordered`.
    reason: String,
    /// The provision that permits it, like "§ 7 Abs. 3 PStG".
    provision: String,
}

/// An erasure.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = DocumentErasure)]
pub struct View {
    /// What the document was: 32 hex digits.
    #[schema(value_type = String)]
    id: DocumentId,
    /// Why.
    reason: String,
    /// The provision that permits it.
    provision: String,
    /// Who has decided.
    erased_by: String,
    /// When nobody could reach it any more.
    #[schema(value_type = String, format = DateTime)]
    erased_at: Timestamp,
    /// When nothing of it was left in keystore, store, index and database; absent: that goes on.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    done_at: Option<Timestamp>,
}

impl From<Erasure> for View {
    fn from(erasure: Erasure) -> Self {
        let Erasure { document, reason, provision, erased_at, erased_by, done_at, .. } = erasure;
        Self { id: document, reason, provision, erased_by, erased_at, done_at }
    }
}

/// Erases a document: nobody reaches it any more, and its key, bytes, text, postings and rows go. Asked again, it
/// answers how far that is.
#[utoipa::path(post, path = "/v1/documents/{id}/erase", tag = "documents", request_body = Decision,
    params(("id" = String, Path, description = "32 hex digits")),
    responses(
        (status = 202, description = "Out of reach for everybody; what is left of it goes", body = View),
        (status = 200, description = "Erased before, nothing is left of it", body = View),
        (status = 404, description = "Not a document that the caller may see", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "Held, or its term has not ended", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "Not a reason, or not a provision", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])))]
pub(in crate::http) async fn erase(
    registrar: Registrar,
    id: web::Path<DocumentId>,
    body: web::Json<Decision>,
    retention: web::Data<Retention>,
) -> Result<HttpResponse, Problem> {
    let grounds = body.grounds()?;
    let erasure = retention.erase(&by(&registrar), *id, grounds, gone()).await?;
    let mut answer = if erasure.done_at.is_some() { HttpResponse::Ok() } else { HttpResponse::Accepted() };
    Ok(answer.json(View::from(erasure)))
}

impl Decision {
    fn grounds(&self) -> Result<Grounds, Problem> {
        let expected = ["term-ended", "mistaken", "unlawful", "ordered"].as_slice();
        let reason = ErasureReason::parse(&self.reason)
            .ok_or_else(|| Kind::ValueInvalid.problem().detail("not a reason to erase").expected(expected))?;
        let bad = |error: NotAProvision| Kind::ValueInvalid.problem().detail(error.to_string());
        Ok(Grounds { reason, provision: Provision::parse(&self.provision).map_err(bad)? })
    }
}

/// What a repeated upload of the erased document is answered.
pub(crate) fn gone() -> StoredAnswer {
    let problem = Kind::Erased.problem();
    StoredAnswer {
        status: Kind::Erased.status().as_u16(),
        headers: Vec::new(),
        body: serde_json::to_vec(&problem.body()).unwrap_or_default(),
    }
}
