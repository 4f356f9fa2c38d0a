//! Folders in, documents and authorities out: the real program beside a running service.

mod bags;
mod export;
mod import;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use stammbuch::access::Role;
use stammbuch::domain::digest::Sha256;

use crate::actors::place::Place;

/// The program, about to be run with a token of this role of the first authority.
pub fn program(place: &Place, role: Role, arguments: &[&str]) -> Command {
    with_token(place, place.actor(role).token(), arguments)
}

/// The program, about to be run with this token.
pub fn with_token(place: &Place, token: &str, arguments: &[&str]) -> Command {
    let name = format!("{}.token", Sha256::of(token.as_bytes()));
    let file = place.config_file().with_file_name(name);
    fs::write(&file, format!("{token}\n")).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_stammbuch"));
    command.args(arguments).arg("--server").arg(place.url()).arg("--token-file").arg(file);
    command.stdin(Stdio::null());
    command
}

/// What a run said and left behind.
pub struct Ran {
    pub code: i32,
    pub summary: Value,
    pub errors: String,
    pub records: Vec<Value>,
}

impl Ran {
    /// Runs it to its end, with a report of its own.
    pub fn of(mut command: Command) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let report = folder.path().join("report.jsonl");
        let Output { status, stdout, stderr } = command.arg("--report").arg(&report).output().unwrap();
        let lines = fs::read_to_string(&report).unwrap_or_default();
        let records = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let stdout = String::from_utf8(stdout).unwrap();
        Self {
            code: status.code().unwrap(),
            summary: stdout.lines().last().map_or(Value::Null, |line| serde_json::from_str(line).unwrap()),
            errors: String::from_utf8(stderr).unwrap(),
            records,
        }
    }

    /// Outcome and reason of a file.
    pub fn outcome(&self, path: &str) -> (&str, &str) {
        let record = self.record(path);
        (record["outcome"].as_str().unwrap(), record["reason"].as_str().unwrap_or_default())
    }

    /// What the report says of a file.
    pub fn record(&self, path: &str) -> &Value {
        let found = self.records.iter().find(|record| record["path"] == path);
        found.unwrap_or_else(|| panic!("{path} is not in {:?}", self.records))
    }

    /// The document that a file has become.
    pub fn id(&self, path: &str) -> String {
        let ids = self.records.iter().filter(|record| record["path"] == path);
        let id = ids.filter_map(|record| record["id"].as_str()).next();
        id.unwrap_or_else(|| panic!("{}", self.record(path))).to_owned()
    }

    /// Done, there before, refused.
    pub fn counts(&self) -> (u64, u64, u64) {
        let count = |name: &str| self.summary[name].as_u64().unwrap();
        (count("done"), count("alreadyThere"), count("refused"))
    }
}

/// Writes a file and the folders above it.
pub fn write(folder: &Path, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, bytes).unwrap();
    path
}
