//! What a finished backup says of itself: written last, so that one that was broken off has none; with its own digest,
//! so that one that was cut or changed is noticed. It opens nothing and names no person.

use std::collections::BTreeMap;
use std::path::Path;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{BackupError, file};
use crate::domain::digest::Sha256;
use crate::domain::ids::ObjectId;

const FIRST_WORDS: &str = "stammbuch backup 1 ";

/// Where the objects of a backup are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// In its folder.
    Copy,
    /// Where they were: the store has copies of its own.
    Reference,
}

/// What is in a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Manifest {
    /// The program that wrote it.
    pub program: String,
    /// When its rows were read.
    pub taken_at: Timestamp,
    /// From then on its key is gone.
    pub expires_at: Timestamp,
    /// The key that verifies the log's checkpoints; an installation has one for ever.
    pub log_key: String,
    /// Leaves under the checkpoint it has.
    pub log_size: u64,
    /// That checkpoint; none before the first.
    pub checkpoint: Option<String>,
    /// The object with the rows, sealed; its key has this name in the keystore.
    pub rows: ObjectId,
    /// Digest of that object.
    pub rows_sha256: Sha256,
    /// Rows by table.
    pub tables: BTreeMap<String, u64>,
    /// Where the objects are.
    pub mode: Mode,
    /// How many.
    pub objects: u64,
    /// Their bytes as stored.
    pub objects_bytes: u64,
    /// Digest of the list of them.
    pub list_sha256: Sha256,
}

impl Manifest {
    /// As it is written.
    pub(super) fn to_text(&self) -> Result<String, serde_json::Error> {
        let json = serde_json::to_string_pretty(self)?;
        Ok(format!("{FIRST_WORDS}{}\n{json}\n", Sha256::of(format!("{json}\n").as_bytes())))
    }

    /// Reads it.
    pub(super) fn read(path: &Path) -> Result<Self, BackupError> {
        let text = std::fs::read_to_string(path).map_err(file(path))?;
        let damaged =
            |reason: &str| BackupError::Damaged { path: path.to_owned(), reason: reason.to_owned() };
        let (first, rest) = text.split_once('\n').ok_or_else(|| damaged("it is cut"))?;
        let Some(digest) = first.strip_prefix(FIRST_WORDS) else {
            return Err(BackupError::Format {
                path: path.to_owned(),
                expected: "stammbuch backup 1",
                got: first.chars().take(40).collect(),
            });
        };
        if Sha256::of(rest.as_bytes()).to_string() != digest {
            return Err(damaged("it was cut or changed"));
        }
        serde_json::from_str(rest).map_err(|error| damaged(&error.to_string()))
    }
}
