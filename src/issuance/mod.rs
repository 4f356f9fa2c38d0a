//! A released order becomes a certificate: compose, seal, log, store, deliver; each step durable before the next.

pub mod answers;
pub mod compose;
pub mod deliver;
pub mod fill;
pub mod flow;
pub mod form;
pub mod interrupt;
pub mod log;
pub mod log_files;
pub mod request;
#[cfg(test)]
pub(crate) mod sample;
pub mod sequencer;
pub mod signing;
#[cfg(test)]
pub(crate) mod testing;
