//! HTTP: one file per resource, the route table, problem details.
//!
//! Handlers extract, call a flow and map; they know no SQL, no object store, no PDF.

mod body;
pub mod caller;
mod digest;
mod documents;
mod health;
mod metrics;
mod observe;
mod openapi;
pub mod problem;
mod routes;
mod search;
mod server;
#[cfg(test)]
mod tests;
mod verify;

pub use health::{Probe, Probes};
pub use metrics::Metrics;
pub use openapi::Document;
pub use routes::listed;
pub use server::{Server, Shared, serve};
