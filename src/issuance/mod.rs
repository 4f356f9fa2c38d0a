//! A released order becomes a certificate: compose, seal, log, store, deliver; each step durable before the next.

pub mod request;
