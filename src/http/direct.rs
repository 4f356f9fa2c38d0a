//! `/v1/uploads/direct`: evidence that goes straight into the store's staging folder. Off unless it is configured.

use std::collections::BTreeMap;

use actix_web::http::header::LOCATION;
use actix_web::{HttpResponse, web};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::caller::Uploader;
use super::documents::{self, upload};
use super::problem::{Body as ProblemBody, Kind, Problem};
use crate::domain::digest::Sha256;
use crate::domain::ids::DirectUploadId;
use crate::intake::direct::{Announced, Direct, DirectError, Ticket};

/// A file that is to come.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = DirectUpload)]
pub(super) struct Asked {
    /// Its bytes, counted: no other number is taken.
    size: u64,
    /// SHA-256 of its bytes, 64 hex digits: no other bytes are taken.
    #[schema(value_type = String)]
    sha256: Sha256,
    /// The type it is said to have; its bytes decide.
    content_type: Option<String>,
    /// Its name, for display only.
    file_name: Option<String>,
    /// The Sammelakte it belongs to.
    file: Option<String>,
    /// Its title.
    title: Option<String>,
    /// What kind of document it is, in the authority's words.
    kind: Option<String>,
    /// Its file reference.
    reference: Option<String>,
    /// The date it bears, 2024-02-29.
    date: Option<String>,
    /// The register entry it belongs to: register/office/year/number.
    entry: Option<String>,
}

/// A signed request: sent as it is, with the file as body, it puts the file into the staging folder.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = DirectUploadTicket)]
pub(super) struct View {
    /// 32 hex digits.
    #[schema(value_type = String)]
    id: DirectUploadId,
    /// `PUT`.
    method: &'static str,
    /// Where to, with the signature: whoever has it may put this file there, so it belongs in no log.
    url: String,
    /// Headers that have to be sent as they are.
    headers: BTreeMap<String, String>,
    /// From then on the store refuses it.
    #[schema(value_type = String, format = DateTime)]
    expires_at: Timestamp,
    /// To be posted to when the file is there.
    complete: String,
}

impl From<Asked> for Announced {
    fn from(asked: Asked) -> Self {
        let Asked { size, sha256, content_type, file_name, file, title, kind, reference, date, entry } =
            asked;
        let fields = [
            ("file", file),
            ("title", title),
            ("kind", kind),
            ("reference", reference),
            ("date", date),
            ("entry", entry),
        ];
        let given = |(name, text): (&str, Option<String>)| Some((name.to_owned(), text?));
        Self { size, sha256, content_type, file_name, fields: fields.into_iter().filter_map(given).collect() }
    }
}

impl From<Ticket> for View {
    fn from(Ticket { id, put, expires_at }: Ticket) -> Self {
        let complete = format!("/v1/uploads/direct/{id}/complete");
        let headers = put.headers.into_iter().collect();
        Self { id, method: "PUT", url: put.url, headers, expires_at, complete }
    }
}

/// Asks for a signed request that puts one file into the store's staging folder.
///
/// It is good for these bytes only (length and SHA-256), once, and for a while. `404` where direct uploads are off.
#[utoipa::path(post, path = "/v1/uploads/direct", tag = "documents",
    request_body = Asked,
    responses(
        (status = 201, description = "The request to send; it holds a signature", body = View, headers(("Location" = String))),
        (status = 404, description = "Direct uploads are off here", body = ProblemBody, content_type = "application/problem+json"),
        (status = 413, description = "Too large", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "Empty, or a field that is no value", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])))]
pub(super) async fn announce(
    uploader: Uploader,
    direct: web::Data<Option<Direct>>,
    asked: web::Json<Asked>,
) -> Result<HttpResponse, Problem> {
    let ticket = on(&direct)?
        .announce(&upload::sender(&uploader, Uploader::ROLES), &asked.into_inner().into())
        .await?;
    let location = format!("/v1/uploads/direct/{}", ticket.id);
    Ok(HttpResponse::Created().insert_header((LOCATION, location)).json(View::from(ticket)))
}

/// Makes the file that was put there a document: the same answer as to an upload, asked again the same again.
#[utoipa::path(post, path = "/v1/uploads/direct/{id}/complete", tag = "documents",
    params(("id" = String, Path, description = "32 hex digits")),
    responses(
        (status = 201, description = "Durable", body = documents::View, headers(("Location" = String))),
        (status = 202, description = "Durable, and waits for the virus scanner, where that is configured", body = documents::View, headers(("Location" = String))),
        (status = 404, description = "Not a direct upload of this client, or its time is over", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "The file is not there yet, or is just being taken in", body = ProblemBody, content_type = "application/problem+json"),
        (status = 415, description = "The bytes are not what they were announced as", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "The bytes have another digest, or are infected", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "The store or the virus scanner does not answer", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])))]
pub(super) async fn complete(
    uploader: Uploader,
    id: web::Path<DirectUploadId>,
    direct: web::Data<Option<Direct>>,
) -> Result<HttpResponse, Problem> {
    let sender = upload::sender(&uploader, Uploader::ROLES);
    let answer = on(&direct)?.complete(&sender, id.into_inner(), documents::answer_to).await?;
    Ok(upload::answer(&answer))
}

fn on(direct: &Option<Direct>) -> Result<&Direct, Problem> {
    direct.as_ref().ok_or_else(|| Kind::NotFound.problem().detail("direct uploads are off here"))
}

impl From<DirectError> for Problem {
    fn from(error: DirectError) -> Self {
        match error {
            DirectError::NotFound => Kind::NotFound.problem(),
            DirectError::NotThere => Kind::StateConflict.problem().detail(error.to_string()),
            DirectError::Field(error) => error.into(),
            DirectError::Receive(error) => error.into(),
            DirectError::Database(error) => error.into(),
            DirectError::Store(error) => Self::unavailable(&error),
        }
    }
}
