//! `stammbuch demo`: a sample authority in a folder, served on loopback.

pub mod evidence;
mod scan;
