//! `/v1/export`: everything that is kept of an authority, page by page, for whoever hands it over or moves it.
//!
//! For registrars: what is sealed exists for nobody else, and an export without it would be one that lacks it unnoticed.
//! The audit trail is the auditor's. Each page is in the audit trail before it is answered.

use actix_web::web;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::caller::{Auditor, Caller, Registrar};
use super::documents::View;
use super::problem::{Body as ProblemBody, Kind, Problem};
use crate::database::audit::{self, Act};
use crate::database::export::{self, Page, Part};
use crate::database::{Database, DatabaseError};
use crate::intake::receive::Receiver;

/// What an export begins with.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Export)]
pub(super) struct Beginning {
    /// Nothing newer is exported: to be given to each page.
    #[schema(value_type = String, format = DateTime)]
    until: Timestamp,
    /// Who it is, its names and offices with their days, how many documents with how many bytes there are.
    #[schema(value_type = Object)]
    authority: Value,
}

/// Which page.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    until: Timestamp,
    after: Option<String>,
}

/// A page.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ExportPage)]
pub(super) struct PageView {
    /// What is on it. Documents are as at `/v1/documents/{id}`.
    #[schema(value_type = Vec<Object>)]
    items: Vec<Value>,
    /// `after` of the next one, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// Begins an export of the caller's authority.
#[utoipa::path(get, path = "/v1/export", tag = "export",
    responses((status = 200, description = "What there is", body = Beginning)),
    security(("bearer" = [])))]
pub(super) async fn begin(
    registrar: Registrar,
    receiver: web::Data<Receiver>,
) -> Result<web::Json<Beginning>, Problem> {
    let (id, until) = (registrar.authority, receiver.clock.now());
    let read = receiver.database.read(move |tx| Box::pin(export::authority(tx, id, until)));
    let found: Option<Value> = read.await.map_err(|error: DatabaseError| error)?;
    note(&receiver, &registrar, "authority.exported").await?;
    Ok(web::Json(Beginning { until, authority: found.ok_or_else(|| Kind::NotFound.problem())? }))
}

/// A page of documents, entries, orders, certificates, journal or erasures.
#[utoipa::path(get, path = "/v1/export/{part}", tag = "export",
    params(("part" = String, Path, description = "documents, entries, orders, certificates, journal, erasures"),
        ("until" = String, Query, description = "As the export's beginning said"),
        ("after" = Option<String>, Query, description = "`next` of the page before")),
    responses((status = 200, description = "The page", body = PageView),
        (status = 400, description = "Not what a page said", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "No such part", body = ProblemBody, content_type = "application/problem+json")),
    security(("bearer" = [])))]
pub(super) async fn page(
    registrar: Registrar,
    part: web::Path<String>,
    asked: web::Query<Asked>,
    receiver: web::Data<Receiver>,
) -> Result<web::Json<PageView>, Problem> {
    let part = match part.as_str() {
        "documents" => return documents(&registrar, &asked, &receiver).await,
        "entries" => Part::Entries,
        "orders" => Part::Orders,
        "certificates" => Part::Certificates,
        "journal" => Part::Journal,
        "erasures" => Part::Erasures,
        _ => return Err(Kind::NotFound.problem()),
    };
    rows(&registrar, part, &asked, &receiver).await
}

/// A page of the audit trail, without what it says of persons: that has a term of its own.
#[utoipa::path(get, path = "/v1/export/audit", tag = "export",
    params(("until" = String, Query, description = "As the export's beginning said"),
        ("after" = Option<String>, Query, description = "`next` of the page before")),
    responses((status = 200, description = "The page", body = PageView),
        (status = 400, description = "Not what a page said", body = ProblemBody, content_type = "application/problem+json")),
    security(("bearer" = [])))]
pub(super) async fn trail(
    auditor: Auditor,
    asked: web::Query<Asked>,
    receiver: web::Data<Receiver>,
) -> Result<web::Json<PageView>, Problem> {
    rows(&auditor, Part::Audit, &asked, &receiver).await
}

async fn documents(
    caller: &Caller,
    asked: &Asked,
    receiver: &Receiver,
) -> Result<web::Json<PageView>, Problem> {
    let (authority, after, until) = (caller.authority, asked.after.clone(), asked.until);
    let read = read(&receiver.database, move |tx| {
        Box::pin(async move { export::documents(tx, authority, after.as_deref(), until).await })
    });
    let Page { items, next } = read.await?;
    note(receiver, caller, "authority.documents.exported").await?;
    let items = items
        .into_iter()
        .map(|(document, holds)| serde_json::to_value(View::held(document, holds)).unwrap_or_default());
    Ok(web::Json(PageView { items: items.collect(), next }))
}

async fn rows(
    caller: &Caller,
    part: Part,
    asked: &Asked,
    receiver: &Receiver,
) -> Result<web::Json<PageView>, Problem> {
    let (authority, after, until) = (caller.authority, asked.after.clone(), asked.until);
    let read = read(&receiver.database, move |tx| {
        Box::pin(async move { export::rows(tx, part, authority, after.as_deref(), until).await })
    });
    let Page { items, next } = read.await?;
    let action = match part {
        Part::Entries => "authority.entries.exported",
        Part::Orders => "authority.orders.exported",
        Part::Certificates => "authority.certificates.exported",
        Part::Journal => "authority.journal.exported",
        Part::Erasures => "authority.erasures.exported",
        Part::Audit => "authority.audit.exported",
    };
    note(receiver, caller, action).await?;
    Ok(web::Json(PageView { items, next }))
}

async fn read<T, F>(database: &Database, work: F) -> Result<Page<T>, Problem>
where
    F: for<'t> FnOnce(
        &'t mut crate::database::Tx,
    ) -> futures_util::future::BoxFuture<'t, Result<Option<Page<T>>, DatabaseError>>,
{
    let malformed = || Kind::MalformedRequest.problem().detail("`after` is not what a page said");
    database.read(work).await?.ok_or_else(malformed)
}

/// That it was read; durable before anything of it is answered.
async fn note(receiver: &Receiver, caller: &Caller, action: &str) -> Result<(), DatabaseError> {
    let act = Act {
        at: receiver.clock.now(),
        authority: Some(caller.authority),
        actor: caller.name().to_owned(),
        role: caller.acting_as().to_owned(),
        action: action.to_owned(),
        subject_kind: "authority".to_owned(),
        subject_id: caller.authority.to_string(),
        request_id: caller.request_id(),
        personal: None,
    };
    receiver.database.write(move |tx| Box::pin(audit::append(tx, act))).await
}
