//! `/v1/search`: documents by what stands in them. GET for a short question, POST when the words should not stand in
//! an address. Extracts, calls the flow, maps; knows no index and no SQL.

use actix_web::{HttpMessage as _, HttpRequest, web};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::caller::Searcher;
use super::observe::RequestId;
use super::problem::{Body as ProblemBody, Kind, Problem};
use crate::access::Role;
use crate::search::find::{Answer, Asked, Asker, FindError, Finder};

/// Hits of an answer if nothing is said.
const LIMIT: usize = 20;

/// A question.
#[derive(Debug, Deserialize, ToSchema, IntoParams)]
#[serde(deny_unknown_fields)]
#[schema(as = Search)]
#[into_params(parameter_in = Query)]
pub struct Question {
    /// Words, "phrases", -exclusions, OR, beginnings*, `titel:`, `az:`, `datei:`, `text:`, `art:`, `datum:`, `jahr:`;
    /// register numbers and days in any spelling. Empty: everything.
    #[serde(default)]
    q: String,
    /// At most so many hits, 1 to 100; 20 if nothing is said.
    limit: Option<usize>,
    /// The `next` of the answer before.
    next: Option<String>,
}

/// Documents by what stands in them.
#[utoipa::path(get, path = "/v1/search", tag = "documents", params(Question),
    responses((status = 200, description = "What was found, and how the question was read", body = Answer),
        (status = 400, description = "Too long, too many words, or another question's `next`",
            body = ProblemBody, content_type = "application/problem+json")))]
pub(super) async fn by_query(
    searcher: Searcher,
    request: HttpRequest,
    finder: web::Data<Finder>,
    question: web::Query<Question>,
) -> Result<web::Json<Answer>, Problem> {
    answer(&searcher, &request, &finder, question.into_inner()).await
}

/// The same, with the question in the body.
#[utoipa::path(post, path = "/v1/search", tag = "documents", request_body = Question,
    responses((status = 200, description = "What was found, and how the question was read", body = Answer),
        (status = 400, description = "Too long, too many words, or another question's `next`",
            body = ProblemBody, content_type = "application/problem+json")))]
pub(super) async fn by_body(
    searcher: Searcher,
    request: HttpRequest,
    finder: web::Data<Finder>,
    question: web::Json<Question>,
) -> Result<web::Json<Answer>, Problem> {
    answer(&searcher, &request, &finder, question.into_inner()).await
}

async fn answer(
    searcher: &Searcher,
    request: &HttpRequest,
    finder: &Finder,
    question: Question,
) -> Result<web::Json<Answer>, Problem> {
    let role = Searcher::ROLES.iter().find(|role| searcher.has_any(&[**role])).copied();
    let asker = Asker {
        client: searcher.client.clone(),
        role: role.map_or("", Role::as_str).to_owned(),
        request_id: request.extensions().get::<RequestId>().map(|id| id.0.clone()),
    };
    let limit = question.limit.unwrap_or(LIMIT);
    let asked = Asked { query: question.q, limit, next: question.next };
    Ok(web::Json(finder.answer(searcher.reads(), asker, &asked).await?))
}

impl From<FindError> for Problem {
    fn from(error: FindError) -> Self {
        match error {
            FindError::Query(_) | FindError::Limit { .. } | FindError::Next => {
                Kind::QueryInvalid.problem().detail(error.to_string())
            }
            FindError::Database(error) => error.into(),
            FindError::Index(_) => Self::unavailable(&error),
            FindError::Broken => Self::internal(&error),
        }
    }
}
