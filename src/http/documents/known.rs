//! `/v1/documents/known`: which files a sender has brought before, by the names it gave them (`source`), so that who
//! goes on with a large folder need not send again what is there.

use actix_web::http::header::LOCATION;
use actix_web::{HttpResponse, web};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::super::caller::Uploader;
use super::super::problem::{Body as ProblemBody, Kind, Problem};
use crate::database::sources::{self, Source, Taken};
use crate::database::{Database, DatabaseError};
use crate::domain::digest::Sha256;
use crate::domain::ids::DocumentId;

/// Names that are looked up at a time.
pub(crate) const SOURCES_MAX: usize = 1000;

/// What is asked for.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = SourcesAsked)]
pub struct Asked {
    /// At most 1000 names, 64 hex digits each.
    #[schema(value_type = Vec<String>)]
    sources: Vec<Sha256>,
}

/// What was brought before.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SourcesKnown)]
pub struct Answer {
    /// Of those asked for, the ones this client has brought, in their order.
    known: Vec<SourceKnown>,
}

/// A file that was brought before.
#[derive(Debug, Serialize, ToSchema)]
pub struct SourceKnown {
    /// Its name.
    #[schema(value_type = String)]
    source: Sha256,
    /// What it became.
    #[schema(value_type = String)]
    document: DocumentId,
    /// Whether that was erased. Of one that existed for registrars only this is not said.
    erased: bool,
}

/// The document that a file became before.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DocumentKnown)]
pub struct Known {
    /// 32 hex digits.
    #[schema(value_type = String)]
    id: DocumentId,
}

pub(super) fn answer(id: DocumentId) -> HttpResponse {
    let location = format!("{}/{id}", super::ROUTE);
    HttpResponse::Ok().insert_header((LOCATION, location)).json(Known { id })
}

/// Which of these files the caller has brought before.
#[utoipa::path(post, path = "/v1/documents/known", tag = "documents", request_body = Asked,
    responses(
        (status = 200, body = Answer),
        (status = 413, description = "More than 1000", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])))]
pub(in crate::http) async fn known(
    uploader: Uploader,
    asked: web::Json<Asked>,
    database: web::Data<Database>,
) -> Result<web::Json<Answer>, Problem> {
    let Asked { sources } = asked.into_inner();
    if sources.len() > SOURCES_MAX {
        return Err(Kind::BodyTooLarge.problem().expected(SOURCES_MAX).got(sources.len()));
    }
    let (authority, client) = (uploader.authority, uploader.client.clone());
    Ok(web::Json(Answer { known: look_up(&database, authority, &client, sources).await? }))
}

async fn look_up(
    database: &Database,
    authority: crate::domain::ids::AuthorityId,
    client: &str,
    names: Vec<Sha256>,
) -> Result<Vec<SourceKnown>, DatabaseError> {
    let client = client.to_owned();
    let read = database.read(move |tx| {
        Box::pin(async move {
            let mut known = Vec::new();
            for name in names {
                let source = Source { authority, client: client.clone(), name };
                let found = sources::look_up(tx, &source).await?;
                known.extend(found.map(|taken| match taken {
                    Taken::As(document) => SourceKnown { source: name, document, erased: false },
                    Taken::Erased(document) => SourceKnown { source: name, document, erased: true },
                }));
            }
            Ok(known)
        })
    });
    read.await
}
