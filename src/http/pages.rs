//! `/v`, `/v/{number}` and the static files of the pages.

use actix_web::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, ETAG, IF_NONE_MATCH, LOCATION};
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template as _;
use serde::Deserialize;

use super::problem::{Kind, Problem};
use crate::database::verification::Clue;
use crate::domain::certificate::{NotANumber, VerificationNumber};
use crate::domain::digest::Sha256;
use crate::issuance::answers::Answers;
use crate::web::{NumberAnswer, PAGE_BYTES, PAGE_POLICY, PublicTrust, VerifyPage, asset};

/// A number as somebody typed it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Typed {
    number: Option<String>,
}

/// The page for those who are shown a certificate. With `number` it leads to `/v/{number}`.
#[utoipa::path(get, path = "/v", tag = "citizen", security(()),
    params(("number" = Option<String>, Query, description = "Verification number as typed")),
    responses((status = 200, description = "The page", content_type = "text/html", body = String),
        (status = 303, description = "To the page of the number")))]
pub(super) async fn page(typed: web::Query<Typed>) -> Result<HttpResponse, Problem> {
    match &typed.number {
        Some(number) => {
            let plain: String = number.chars().filter(char::is_ascii_alphanumeric).take(64).collect();
            Ok(HttpResponse::SeeOther().insert_header((LOCATION, format!("/v/{plain}"))).finish())
        }
        None => html(&VerifyPage { answer: None }),
    }
}

/// What is known about a printed number, for people. Never that something is genuine; known and unknown numbers are
/// answered with the same status, headers and length.
#[utoipa::path(get, path = "/v/{number}", tag = "citizen", security(()),
    params(("number" = String, Path, description = "As printed or typed")),
    responses((status = 200, description = "The page with the answer", content_type = "text/html", body = String)))]
pub(super) async fn number(
    number: web::Path<String>,
    answers: web::Data<Answers>,
) -> Result<HttpResponse, Problem> {
    let answer = match number.parse::<VerificationNumber>() {
        Ok(number) => NumberAnswer::from_public(&answers.about(Clue::Number(number)).await?),
        Err(NotANumber::Check) => NumberAnswer::mistyped(),
        Err(NotANumber::Shape) => NumberAnswer::malformed(),
    };
    html(&VerifyPage { answer: Some(answer) })
}

/// What the page in the browser checks against.
#[utoipa::path(get, path = "/v/trust.json", tag = "citizen", security(()),
    responses((status = 200, description = "Roots and log keys", content_type = "application/json", body = Object)))]
pub(super) async fn trust(trust: web::Data<PublicTrust>) -> HttpResponse {
    HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-cache")).json(trust.get_ref())
}

/// A static file of the pages.
#[utoipa::path(get, path = "/static/{name}", tag = "citizen", security(()),
    params(("name" = String, Path, description = "Name of the file")),
    responses((status = 200, description = "The file"), (status = 304, description = "Unchanged"),
        (status = 404, description = "No such file", body = super::problem::Body)))]
pub(super) async fn file(name: web::Path<String>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let found = asset(&name).ok_or_else(|| Kind::NotFound.problem())?;
    let tag = format!("\"{}\"", Sha256::of(found.bytes));
    let mut answer = match request.headers().get(IF_NONE_MATCH) {
        Some(known) if known.as_bytes() == tag.as_bytes() => HttpResponse::NotModified(),
        _ => HttpResponse::Ok(),
    };
    answer.insert_header((ETAG, tag)).insert_header((CACHE_CONTROL, "no-cache"));
    Ok(answer.content_type(found.media_type).body(found.bytes))
}

/// Renders a page under the policy of pages.
fn html(page: &VerifyPage) -> Result<HttpResponse, Problem> {
    let text = page.render().map_err(|error| Problem::internal(&error))?;
    let text = format!("{text:<PAGE_BYTES$}");
    Ok(HttpResponse::Ok()
        .insert_header((CONTENT_SECURITY_POLICY, PAGE_POLICY))
        .content_type("text/html; charset=utf-8")
        .body(text))
}
