//! `/openapi.json`: the interface as a document, generated from the handlers, equal to schemas/openapi.json.

use actix_web::HttpResponse;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::{Modify, OpenApi};

use super::{
    certificates, direct, documents, entries, events, export, health, log, metrics, orders, pages, problem,
    quarantine, search, uploads, verify,
};

/// The document. Each route of the table is listed here; a test says which is missing.
#[derive(OpenApi)]
#[openapi(
    info(title = "Stammbuch", description = "Documents and certificates of civil registry offices"),
    paths(
        documents::upload,
        documents::known::known,
        documents::metadata,
        documents::content,
        documents::text,
        documents::marks::restrict,
        documents::marks::hold,
        documents::marks::lift,
        documents::erase::erase,
        uploads::options,
        uploads::begin,
        direct::announce,
        direct::complete,
        uploads::status,
        uploads::append,
        uploads::end,
        uploads::overridden,
        entries::put,
        entries::add,
        entries::get,
        orders::place,
        orders::get,
        orders::release,
        certificates::issue,
        certificates::get,
        certificates::pdf,
        certificates::proof,
        log::checkpoint,
        log::tile,
        search::by_query,
        search::by_body,
        export::begin,
        export::trail,
        export::page,
        quarantine::list,
        events::dead,
        events::replay_all,
        events::replay,
        health::live,
        health::ready,
        metrics::metrics,
        document,
        verify::file,
        verify::digest,
        verify::number,
        pages::page,
        pages::trust,
        pages::number,
        pages::file,
    ),
    components(schemas(problem::Body)),
    security(("bearer" = [])),
    modifiers(&Bearer)
)]
pub struct Document;

struct Bearer;

impl Modify for Bearer {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let scheme = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
        document.components.get_or_insert_default().add_security_scheme("bearer", scheme);
    }
}

/// This document.
#[utoipa::path(get, path = "/openapi.json", tag = "operator", security(()),
    responses((status = 200, description = "OpenAPI 3.1", content_type = "application/json", body = Object)))]
pub(super) async fn document() -> HttpResponse {
    HttpResponse::Ok().json(Document::openapi())
}
