//! A released order becomes a certificate: compose, seal, log, store, deliver; each step durable before the next.

pub mod compose;
pub mod form;
pub mod request;
#[cfg(test)]
pub(crate) mod sample;
