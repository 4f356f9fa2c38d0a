//! The route table: all of it, grouped by who calls. Who may is in the types of the handlers' arguments.

use std::collections::BTreeMap;

use actix_web::http::Method;
use actix_web::{FromRequest, Handler, Responder, Route as Matching, guard, web};

use super::problem::{Kind, Problem};
use super::{
    certificates, direct, documents, entries, events, export, health, log, metrics, openapi, orders, pages,
    quarantine, search, uploads, verify,
};

/// Every route.
pub(crate) fn table() -> Vec<Route> {
    const ENTRY: &str = "/v1/entries/{register}/{office}/{year}/{number}";
    vec![
        // engine, clerk, registrar: evidence
        on(Method::POST, "/v1/documents", documents::upload),
        on(Method::POST, "/v1/documents/known", documents::known::known),
        on(Method::GET, "/v1/documents/{id}", documents::metadata),
        on(Method::GET, "/v1/documents/{id}/content", documents::content),
        on(Method::GET, "/v1/documents/{id}/text", documents::text),
        // clerk, registrar: who may see a document, and how long it stays
        on(Method::PUT, "/v1/documents/{id}/restriction", documents::marks::restrict),
        on(Method::POST, "/v1/documents/{id}/holds", documents::marks::hold),
        on(Method::POST, "/v1/documents/{id}/holds/{hold}/lift", documents::marks::lift),
        on(Method::POST, "/v1/documents/{id}/erase", documents::erase::erase),
        // the same in several requests: tus 1.0
        on(Method::OPTIONS, "/v1/uploads", uploads::options),
        on(Method::POST, "/v1/uploads", uploads::begin),
        on(Method::POST, "/v1/uploads/direct", direct::announce),
        on(Method::POST, "/v1/uploads/direct/{id}/complete", direct::complete),
        on(Method::GET, "/v1/uploads/{id}", uploads::status),
        on(Method::PATCH, "/v1/uploads/{id}", uploads::append),
        on(Method::DELETE, "/v1/uploads/{id}", uploads::end),
        on(Method::POST, "/v1/uploads/{id}", uploads::overridden),
        // engine, register
        on(Method::PUT, ENTRY, entries::put),
        on(Method::POST, "/v1/entries/{register}/{office}/{year}/{number}/subsequent", entries::add),
        on(Method::GET, ENTRY, entries::get),
        on(Method::POST, "/v1/orders", orders::place),
        on(Method::GET, "/v1/orders/{id}", orders::get),
        // registrar
        on(Method::POST, "/v1/orders/{id}/release", orders::release),
        on(Method::POST, "/v1/certificates", certificates::issue),
        on(Method::GET, "/v1/certificates/{id}", certificates::get),
        on(Method::GET, "/v1/certificates/{id}/pdf", certificates::pdf),
        on(Method::GET, "/v1/certificates/{id}/proof", certificates::proof),
        // everybody
        on(Method::GET, "/log/checkpoint", log::checkpoint),
        on(Method::GET, "/log/tile/{tile:.*}", log::tile),
        // citizen: no token, nothing that identifies
        on(Method::POST, "/v1/verify", verify::file),
        on(Method::GET, "/v1/verify", verify::digest),
        on(Method::GET, "/v1/verify/{number}", verify::number),
        on(Method::GET, "/v", pages::page),
        on(Method::GET, "/v/trust.json", pages::trust),
        on(Method::GET, "/v/{number}", pages::number),
        on(Method::GET, "/static/{name}", pages::file),
        // clerk, registrar, auditor: the archive
        on(Method::GET, "/v1/search", search::by_query),
        on(Method::POST, "/v1/search", search::by_body),
        // registrar, auditor: all that is kept of an authority, to be handed over
        on(Method::GET, "/v1/export", export::begin),
        on(Method::GET, "/v1/export/audit", export::trail),
        on(Method::GET, "/v1/export/{part}", export::page),
        // auditor: what the virus scanner has found something in
        on(Method::GET, "/v1/quarantine", quarantine::list),
        // operator, auditor: what others could not be told
        on(Method::GET, "/v1/events/dead", events::dead),
        on(Method::POST, "/v1/events/dead/replay", events::replay_all),
        on(Method::POST, "/v1/events/dead/{id}/replay", events::replay),
        // operator, monitoring: no token, no data
        on(Method::GET, "/health/live", health::live),
        on(Method::GET, "/health/ready", health::ready),
        on(Method::GET, "/metrics", metrics::metrics),
        on(Method::GET, "/openapi.json", openapi::document),
    ]
}

/// Method and path template of every route, in the order of the table.
pub fn listed() -> Vec<(Method, &'static str)> {
    table().into_iter().map(|route| (route.method, route.path)).collect()
}

/// A line of the table.
pub(crate) struct Route {
    method: Method,
    path: &'static str,
    matching: Matching,
}

/// `GET` takes `HEAD` too.
fn on<F, Args>(method: Method, path: &'static str, handler: F) -> Route
where
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    let matching = if method == Method::GET {
        web::route().guard(guard::Any(guard::Get()).or(guard::Head()))
    } else {
        web::route().method(method.clone())
    };
    Route { method, path, matching: matching.to(handler) }
}

/// Registers the table; a path without the method is 405, anything else 404, as problems.
pub(crate) fn configure(services: &mut web::ServiceConfig) {
    let mut paths: BTreeMap<&'static str, Vec<Route>> = BTreeMap::new();
    for route in table() {
        paths.entry(route.path).or_default().push(route);
    }
    for (path, routes) in paths {
        let methods: Vec<&str> = routes.iter().map(|route| route.method.as_str()).collect();
        let allowed = methods.join(", ").replace("GET", "GET, HEAD");
        let resource =
            routes.into_iter().fold(web::resource(path), |resource, route| resource.route(route.matching));
        services.service(resource.default_service(web::to(move || {
            let problem = Kind::MethodNotAllowed.problem().expected(allowed.as_str()).allow(&allowed);
            async move { Err::<&str, Problem>(problem) }
        })));
    }
    services.default_service(web::to(|| async { Err::<&str, Problem>(Kind::NotFound.problem()) }));
}
