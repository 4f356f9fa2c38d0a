//! Whole folders in, documents and whole authorities out, through the interface of a running service: nothing here
//! opens its database, its keys or its objects. So an import passes the same door as every upload.
//!
//! Everything can be killed and started again: what is there already is found there, on the service or on the disk.

pub mod bag;
pub mod export;
pub mod folder;
pub mod import;
pub mod patience;
pub mod progress;
pub mod report;
pub mod said;
pub mod service;
pub mod tables;
