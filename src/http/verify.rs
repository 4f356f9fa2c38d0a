//! `/v1/verify`: anybody asks whether a certificate is genuine, by the file, by its number or by its digest.
//! No token, no ETag, nothing to be cached; known and unknown are answered alike.

use std::time::{Duration, Instant};

use actix_web::http::header::{ACCEPT_LANGUAGE, CACHE_CONTROL, CONTENT_TYPE};
use actix_web::{HttpRequest, HttpResponse, web};
use bytes::BytesMut;
use futures_util::StreamExt as _;
use serde::Deserialize;
use serde_json::Value;

use super::admission::{Admission, Full, Place};
use super::body;
use super::problem::{Kind, Problem};
use crate::database::verification::Clue;
use crate::domain::certificate::{NotANumber, VerificationNumber};
use crate::domain::digest::Sha256;
use crate::issuance::answers::{AnswerError, Answers};
use crate::verify::Scope;
use crate::verify::text::{self, Language};

/// How long a file may take to arrive.
const PATIENCE: Duration = Duration::from_secs(60);
/// Files on their way at a time: each may be no more than a connection that sends slowly.
const FILES_MAX: usize = 256;
/// Bytes of files that are on their way or verified, together.
const BYTES_MAX: usize = 64 << 20;
/// The largest file that is verified here, in bytes; `stammbuch verify` takes more.
const FILE_BYTES_MAX: usize = 8 << 20;

impl From<AnswerError> for Problem {
    fn from(error: AnswerError) -> Self {
        match error {
            AnswerError::Database(error) => error.into(),
            other => Self::internal(&other),
        }
    }
}

/// What may be said along with a file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FileQuery {
    /// `seal`: judge the seal of any PDF and leave the log out of it.
    scope: Option<String>,
}

/// What may be asked by digest.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DigestQuery {
    sha256: String,
}

/// Verifies a PDF.
#[utoipa::path(post, path = "/v1/verify", tag = "verification", security(()),
    params(("scope" = Option<String>, Query, description = "`seal`: any PDF, without the log")),
    request_body(content_type = "application/pdf", content = Vec<u8>),
    responses(
    (status = 200, description = "The report, with its lines for people by Accept-Language", body = Object),
    (status = 413, description = "Larger than 8 MiB", body = super::problem::Body),
    (status = 503, description = "Too many files are on their way: again later", body = super::problem::Body)))]
pub(super) async fn file(
    request: HttpRequest,
    query: web::Query<FileQuery>,
    answers: web::Data<Answers>,
    admission: web::Data<Admission>,
    payload: web::Payload,
) -> Result<HttpResponse, Problem> {
    let scope = match query.scope.as_deref() {
        None => Scope::Certificate,
        Some("seal") => Scope::SealOnly,
        Some(other) => return Err(Kind::ValueInvalid.problem().expected("scope=seal").got(other)),
    };
    let mut room = admission.enter(Instant::now())?;
    let received = tokio::time::timeout(PATIENCE, read(payload, &mut room)).await;
    let received = received.map_err(|_| Kind::BodyTooSlow.problem())??;
    let places = answers.places();
    let _place = places.acquire().await.map_err(|_| Kind::Unavailable.problem())?;
    let report = answers.file(received.freeze(), scope).await?;
    let mut json = serde_json::to_value(&report).map_err(|e| Problem::internal(&e))?;
    if let Some(object) = json.as_object_mut() {
        object.insert("lines".to_owned(), text::lines(&report, language(&request)).into());
    }
    Ok(answer(&json))
}

/// What is known about a printed number.
#[utoipa::path(get, path = "/v1/verify/{number}", tag = "verification", security(()),
    params(("number" = String, Path, description = "As printed; spaces, hyphens and case do not matter")),
    responses(
    (status = 200, description = "Issued, revoked or unknown: all of the same length", body = Object),
    (status = 422, description = "No number, or one with a typing error", body = super::problem::Body)))]
pub(super) async fn number(
    number: web::Path<String>,
    answers: web::Data<Answers>,
) -> Result<HttpResponse, Problem> {
    let number: VerificationNumber = number.parse().map_err(|e: NotANumber| {
        Kind::ValueInvalid.problem().detail(e.to_string()).expected("the printed number")
    })?;
    Ok(padded(answers.about(Clue::Number(number)).await?))
}

/// What is known about a file, by its digest.
#[utoipa::path(get, path = "/v1/verify", tag = "verification", security(()),
    params(("sha256" = String, Query, description = "64 hex digits")),
    responses(
    (status = 200, description = "Issued, revoked or unknown: all of the same length", body = Object),
    (status = 422, description = "No digest", body = super::problem::Body)))]
pub(super) async fn digest(
    query: web::Query<DigestQuery>,
    answers: web::Data<Answers>,
) -> Result<HttpResponse, Problem> {
    let digest: Sha256 =
        query.sha256.parse().map_err(|_| Kind::ValueInvalid.problem().expected("64 hex digits"))?;
    Ok(padded(answers.about(Clue::Digest(digest)).await?))
}

impl From<Full> for Problem {
    fn from(_: Full) -> Self {
        Kind::Unavailable.problem().detail("too many files are on their way")
    }
}

/// How many files are taken in at a time.
pub(super) fn admission() -> Admission {
    Admission::new(FILES_MAX, BYTES_MAX)
}

async fn read(mut payload: web::Payload, room: &mut Place) -> Result<BytesMut, Problem> {
    let mut file = BytesMut::new();
    loop {
        let chunk = tokio::select! {
            chunk = payload.next() => chunk,
            () = room.told_to_leave() => return Err(Full.into()),
        };
        let Some(chunk) = chunk else { break };
        let chunk = chunk.map_err(|error| body::payload(&error))?;
        if file.len() + chunk.len() > FILE_BYTES_MAX {
            return Err(Kind::BodyTooLarge.problem().expected(format!("at most {FILE_BYTES_MAX} bytes")));
        }
        room.grow(chunk.len(), Instant::now())?;
        file.extend_from_slice(&chunk);
    }
    room.arrived();
    Ok(file)
}

/// German unless English is preferred.
fn language(request: &HttpRequest) -> Language {
    let preferred = request.headers().get(ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
    if preferred.is_some_and(|list| list.trim_start().starts_with("en")) {
        Language::English
    } else {
        Language::German
    }
}

fn answer(json: &Value) -> HttpResponse {
    HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).json(json)
}

fn padded(json: String) -> HttpResponse {
    let mut response = HttpResponse::Ok();
    response.insert_header((CACHE_CONTROL, "no-store")).insert_header((CONTENT_TYPE, "application/json"));
    response.body(json)
}
