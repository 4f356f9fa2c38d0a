//! Around every request: its id, one line in the access log, the counters, the security headers.
//!
//! The log and the counters know the route template, never path values, query, tokens or names.

use std::sync::Arc;
use std::time::Instant;

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderMap, HeaderName, HeaderValue, REFERRER_POLICY,
    STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage as _, ResponseError as _, web};
use tracing::Instrument as _;

use super::body;
use super::metrics::{Metrics, method_label};
use super::problem::Kind;
use super::uploads;
use crate::domain::random::{self, Random};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const ID_CHARS_MAX: usize = 64;
/// The route of requests that no route takes.
const UNMATCHED: &str = "unmatched";

/// What the layer around every request needs.
pub(crate) struct Observer {
    /// Draws request ids.
    pub random: Arc<dyn Random>,
    /// Counts.
    pub metrics: web::Data<Metrics>,
    /// How slow a body may be.
    pub pace: body::Pace,
    /// Whether people come by https only.
    pub https: bool,
}

/// The id of a request, for whoever answers it.
#[derive(Debug, Clone)]
pub struct RequestId(pub(crate) String);

impl RequestId {
    /// The sent id if it is harmless to log and to send back; a drawn one otherwise.
    fn of(headers: &HeaderMap, random: &dyn Random) -> Self {
        let sent = headers.get(REQUEST_ID).and_then(|value| value.to_str().ok());
        let harmless = |id: &&str| {
            let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
            (8..=ID_CHARS_MAX).contains(&id.len()) && id.chars().all(plain)
        };
        let drawn = || hex::encode(random::bytes::<16>(random));
        Self(sent.filter(harmless).map_or_else(drawn, str::to_owned))
    }
}

/// The layer around every request.
pub(crate) async fn observe(
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let started = Instant::now();
    let Some(observer) = request.app_data::<web::Data<Observer>>().cloned() else {
        return Ok(next.call(request).await?.map_into_left_body());
    };
    let id = RequestId::of(request.headers(), observer.random.as_ref());
    request.extensions_mut().insert(id.clone());
    body::limit_pace(&mut request, observer.pace);
    let method = method_label(request.method());
    let in_flight = observer.metrics.begin();
    let span = tracing::info_span!("request", request_id = %id.0);
    let mut response = match given_twice(request.headers()) {
        None => next.call(request).instrument(span).await?.map_into_left_body(),
        Some(name) => {
            let problem = Kind::MalformedRequest.problem().detail(format!("{name} was given twice"));
            request.into_response(problem.error_response()).map_into_right_body()
        }
    };
    drop(in_flight);
    let status = response.status().as_u16();
    let route = response.request().match_pattern().unwrap_or_else(|| UNMATCHED.to_owned());
    let took = started.elapsed();
    observer.metrics.count(method, &route, status, took);
    let ms = took.as_secs_f64() * 1000.0;
    tracing::info!(target: "stammbuch::access", request_id = %id.0, method, route, status, ms, "answered");
    if uploads::is_at(response.request().path()) {
        uploads::sign(&mut response);
    }
    secure(response.headers_mut(), observer.https);
    if let Ok(value) = HeaderValue::from_str(&id.0) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    Ok(response)
}

/// A header that must stand in a head once and stands there more often: what is in front of this server may have gone
/// by the one and this server by the other.
fn given_twice(headers: &HeaderMap) -> Option<&'static str> {
    const ONCE: [&str; 8] = [
        "authorization",
        "content-type",
        "content-disposition",
        "content-encoding",
        "idempotency-key",
        "range",
        "if-range",
        "x-request-id",
    ];
    ONCE.into_iter().find(|name| headers.get_all(*name).nth(1).is_some())
}

/// Headers that an answer has unless its handler said otherwise.
fn secure(headers: &mut HeaderMap, https: bool) {
    let defaults = [
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_FRAME_OPTIONS, "DENY"),
        (REFERRER_POLICY, "no-referrer"),
        (CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
        (CACHE_CONTROL, "no-store"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ];
    for (name, value) in defaults {
        if !headers.contains_key(&name) {
            headers.insert(name, HeaderValue::from_static(value));
        }
    }
    if https {
        headers.insert(STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000"));
    }
}
