//! Stammbuch: document management and certificate issuance for civil registry offices.
//!
//! Two flows and nothing else. Evidence: receive → scan → store → extract → index → find.
//! Certificate: order → check → release → compose → seal → log → store → deliver → verify.
//! The folders are these words; ARCHITECTURE.md is the map.

pub mod access;
pub mod app;
pub mod backup;
pub mod barcode;
pub mod cli;
pub mod config;
pub mod database;
pub mod domain;
pub mod events;
pub mod http;
pub mod intake;
pub mod issuance;
pub mod jobs;
pub mod objects;
pub mod orders;
pub mod panics;
pub mod pdf;
pub mod private_file;
pub mod register;
pub mod retention;
pub mod scan;
pub mod seal;
pub mod search;
pub mod tlog;
pub mod transfer;
pub mod verify;
pub mod web;
