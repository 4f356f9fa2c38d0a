//! `/v1/certificates`: a registrar orders and releases in one; what was issued is handed over.

use actix_web::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE, ETAG, IF_NONE_MATCH, LOCATION};
use actix_web::{HttpRequest, HttpResponse, web};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::body::JsonBody;
use super::caller::{Caller, Orderer, Registrar};
use super::documents::content;
use super::idempotency::IdempotencyKey;
use super::problem::{Kind, Problem};
use crate::domain::ids::CertificateId;
use crate::issuance::deliver::{DeliverError, Receiver};
use crate::issuance::flow::{ArchiveError, Issued};
use crate::orders::request::OrderRequest;
use crate::orders::{IssueSettings, OrderError, Orders};

/// A certificate that was issued.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct View {
    /// Its id.
    id: String,
    /// The verification number printed on it.
    number: String,
    /// SHA-256 of revision 1, hex.
    sha256: String,
    /// What the log's leaf commits to, hex.
    seal_digest: String,
    /// The revision that `sha256` is of.
    revision: u32,
    /// Index of its leaf in the log.
    log_index: u64,
    /// The address in its QR code.
    verify_url: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Revision {
    revision: Option<u32>,
}

impl View {
    fn of(issued: &Issued, settings: &IssueSettings) -> Self {
        Self {
            id: issued.id.to_string(),
            number: issued.number.to_string(),
            sha256: issued.sha256.to_string(),
            seal_digest: issued.seal_digest.to_string(),
            revision: 1,
            log_index: issued.log_index,
            verify_url: format!("{}/v/{}", settings.public_url, issued.number.compact()),
        }
    }

    pub(super) fn created(issued: &Issued, settings: &IssueSettings) -> HttpResponse {
        let location = format!("/v1/certificates/{}", issued.id);
        HttpResponse::Created().insert_header((LOCATION, location)).json(Self::of(issued, settings))
    }
}

impl Caller {
    fn receiver(&self) -> Receiver {
        Receiver {
            authority: self.authority,
            name: self.name().to_owned(),
            role: self.acting_as(),
            request_id: self.request_id(),
        }
    }
}

/// A registrar orders and releases in one.
#[utoipa::path(post, path = "/v1/certificates", tag = "certificates",
    params(("Idempotency-Key" = String, Header, description = "The same again gives the same certificate")),
    request_body(content = Object, description = "entry, kind, medium, omit, purpose, applicant, businessKey, findings", content_type = "application/json"),
    responses((status = 201, description = "Sealed, logged and stored", body = View),
    (status = 404, description = "No such entry of this authority", body = super::problem::Body),
    (status = 422, description = "Refused, with its paragraph; or a value is wrong", body = super::problem::Body)))]
pub(super) async fn issue(
    caller: Registrar,
    request: HttpRequest,
    body: JsonBody,
    orders: web::Data<Orders>,
) -> Result<HttpResponse, Problem> {
    let key = IdempotencyKey::required(&request)?.into_string();
    let order = OrderRequest::from_json(&body).map_err(OrderError::from)?;
    let issued = orders.issue(&caller.registrar()?, order, key).await?;
    Ok(View::created(&issued, &orders.settings))
}

/// What is known of a certificate.
#[utoipa::path(get, path = "/v1/certificates/{id}", tag = "certificates", params(("id" = String, Path)),
    responses((status = 200, description = "The certificate", body = View),
    (status = 404, description = "No such certificate of this authority", body = super::problem::Body)))]
pub(super) async fn get(
    caller: Orderer,
    id: web::Path<CertificateId>,
    orders: web::Data<Orders>,
) -> Result<HttpResponse, Problem> {
    let found = orders.issuance.deliverable(&caller.receiver(), *id, "certificate.read").await?;
    Ok(HttpResponse::Ok().json(View::of(&found.issued, &orders.settings)))
}

/// The file.
#[utoipa::path(get, path = "/v1/certificates/{id}/pdf", tag = "certificates",
    params(("id" = String, Path), ("revision" = Option<u32>, Query, description = "1 for the first; without: the newest")),
    responses((status = 200, description = "The file", content_type = "application/pdf", body = Vec<u8>),
    (status = 304, description = "The sender has it"),
    (status = 404, description = "No such certificate or revision", body = super::problem::Body)))]
pub(super) async fn pdf(
    caller: Orderer,
    id: web::Path<CertificateId>,
    revision: web::Query<Revision>,
    request: HttpRequest,
    orders: web::Data<Orders>,
) -> Result<HttpResponse, Problem> {
    let (issued, bytes) = orders.issuance.pdf(&caller.receiver(), *id, revision.revision).await?;
    let (tag, digest) = (format!("\"{}\"", issued.sha256), STANDARD.encode(issued.sha256.as_bytes()));
    let known = request.headers().get(IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    if known.is_some_and(|tags| content::matches(tags, &tag)) {
        return Ok(HttpResponse::NotModified().insert_header((ETAG, tag)).finish());
    }
    let name = format!("attachment; filename=\"{}.pdf\"", issued.number.compact());
    Ok(HttpResponse::Ok()
        .insert_header((ETAG, tag))
        .insert_header(("repr-digest", format!("sha-256=:{digest}:")))
        .insert_header((CONTENT_TYPE, "application/pdf"))
        .insert_header((CONTENT_DISPOSITION, name))
        .body(bytes))
}

/// The proof that it is in the log (C2SP tlog-proof), with the leaf's salt in its extra line.
#[utoipa::path(get, path = "/v1/certificates/{id}/proof", tag = "certificates", params(("id" = String, Path)),
    responses((status = 200, description = "The proof", content_type = "text/plain", body = String),
    (status = 404, description = "No such certificate of this authority", body = super::problem::Body)))]
pub(super) async fn proof(
    caller: Orderer,
    id: web::Path<CertificateId>,
    orders: web::Data<Orders>,
) -> Result<HttpResponse, Problem> {
    let found = orders.issuance.deliverable(&caller.receiver(), *id, "certificate.proof-read").await?;
    let name = format!("attachment; filename=\"{}.tlog-proof\"", found.issued.number.compact());
    let proof = found.certificate.logged.map(|logged| logged.proof).unwrap_or_default();
    Ok(HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, "text/plain; charset=utf-8"))
        .insert_header((CONTENT_DISPOSITION, name))
        .body(proof))
}

impl From<DeliverError> for Problem {
    fn from(error: DeliverError) -> Self {
        match error {
            DeliverError::NotFound => Kind::NotFound.problem(),
            DeliverError::NotYet => Kind::StateConflict.problem().detail(error.to_string()),
            DeliverError::Database(error) => error.into(),
            DeliverError::Archive(ArchiveError::Vault(error)) => error.into(),
            DeliverError::Archive(ArchiveError::Database(error)) => error.into(),
        }
    }
}
