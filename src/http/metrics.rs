//! `/metrics` in the Prometheus text format: counted by method, route template and status, never by path values.

use std::time::Duration;

use actix_web::http::Method;
use actix_web::{HttpResponse, web};
use prometheus::{
    Encoder as _, HistogramOpts, HistogramVec, IntCounterVec, IntGauge, Opts, Registry, TextEncoder,
};

use super::problem::Problem;
use crate::panics;

const BUCKETS_SECONDS: [f64; 12] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0];

/// The counters of this process.
pub struct Metrics {
    registry: Registry,
    requests: IntCounterVec,
    seconds: HistogramVec,
    in_flight: IntGauge,
}

impl Metrics {
    /// New counters, all zero.
    pub fn new() -> Result<Self, prometheus::Error> {
        let requests = Opts::new("stammbuch_http_requests_total", "Requests answered.");
        let seconds =
            HistogramOpts::new("stammbuch_http_request_seconds", "Time until the head of the answer.")
                .buckets(BUCKETS_SECONDS.to_vec());
        let metrics = Self {
            registry: Registry::new(),
            requests: IntCounterVec::new(requests, &["method", "route", "status"])?,
            seconds: HistogramVec::new(seconds, &["method", "route"])?,
            in_flight: IntGauge::new("stammbuch_http_requests_in_flight", "Requests being worked on.")?,
        };
        metrics.registry.register(Box::new(metrics.requests.clone()))?;
        metrics.registry.register(Box::new(metrics.seconds.clone()))?;
        metrics.registry.register(Box::new(metrics.in_flight.clone()))?;
        metrics.registry.register(Box::new(panics::counter()?))?;
        Ok(metrics)
    }

    /// Where other parts of the installation register what they count.
    pub const fn registry(&self) -> &Registry {
        &self.registry
    }

    /// A request began; it counts as in flight until the guard is dropped.
    pub(super) fn begin(&self) -> InFlight {
        self.in_flight.inc();
        InFlight(self.in_flight.clone())
    }

    /// A request was answered.
    pub(super) fn count(&self, method: &str, route: &str, status: u16, took: Duration) {
        self.requests.with_label_values(&[method, route, &status.to_string()]).inc();
        self.seconds.with_label_values(&[method, route]).observe(took.as_secs_f64());
    }

    /// All of it as text.
    pub fn text(&self) -> Result<Vec<u8>, prometheus::Error> {
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut text)?;
        Ok(text)
    }
}

/// A request in flight.
pub(super) struct InFlight(IntGauge);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// The method as a label: a caller cannot invent new ones.
pub(super) fn method_label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

/// The counters of this process, for Prometheus.
#[utoipa::path(get, path = "/metrics", tag = "operator", security(()),
    responses((status = 200, description = "Prometheus text format", content_type = "text/plain", body = String)))]
pub(super) async fn metrics(metrics: web::Data<Metrics>) -> Result<HttpResponse, Problem> {
    let text = metrics.text().map_err(|error| Problem::internal(&error))?;
    Ok(HttpResponse::Ok().content_type("text/plain; version=0.0.4; charset=utf-8").body(text))
}
