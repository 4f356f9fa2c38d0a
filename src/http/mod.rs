//! HTTP: one file per resource, the route table, problem details.
//!
//! Handlers extract, call a flow and map; they know no SQL, no object store, no PDF.

mod admission;
mod body;
pub mod caller;
mod certificates;
mod digest;
mod direct;
mod documents;
mod entries;
mod events;
mod export;
mod health;
mod idempotency;
mod log;
mod metrics;
mod observe;
mod openapi;
mod orders;
mod pages;
pub mod problem;
mod quarantine;
mod routes;
mod search;
mod server;
#[cfg(test)]
mod tests;
mod uploads;
mod verify;

pub(crate) use digest::written as digest_header;
pub(crate) use documents::erase::gone as erased_answer;
pub use health::{NotReady, Probe, Probes};
pub use metrics::Metrics;
pub use openapi::Document;
pub use routes::listed;
pub use server::{Server, Shared, serve};
