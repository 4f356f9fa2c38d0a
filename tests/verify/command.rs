//! `stammbuch verify` as people and programs call it: exit codes, the lines, the JSON, bad input in one line.

use std::process::{Command, Output};

use stammbuch::app::SystemClock;
use stammbuch::domain::clock::Clock as _;
use tempfile::TempDir;

use crate::sealed::{Office, row};

/// A folder with a certificate sealed just now, a damaged copy, the root and the log's key.
struct Desk {
    folder: TempDir,
    key: String,
}

impl Desk {
    fn new() -> Self {
        let now = SystemClock.now();
        let office = Office::open_from("Standesamt Musterstadt", now);
        let file = office.finish(office.prepared_at(&row(), &now.to_string()), &office.registrar);
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).unwrap();
        write("genuine.pdf", &file);
        let mut damaged = file.clone();
        damaged[3000] ^= 1;
        write("damaged.pdf", &damaged);
        write("ca.pem", office.ca.ca.as_bytes());
        let key = office.keys[0].to_string();
        write("log.key", format!("{key}\n").as_bytes());
        write("text.pdf", b"not a PDF");
        Self { folder, key }
    }

    fn verify(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_stammbuch"));
        command.current_dir(self.folder.path()).arg("verify").args(arguments).output().unwrap()
    }
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn the_exit_code_says_genuine_not_or_could_not_tell() {
    let desk = Desk::new();
    let with_key = ["--trust", "ca.pem", "--log-key", "log.key"];
    let ask = |file: &str, more: &[&str]| desk.verify(&[&[file], more].concat());
    let genuine = ask("genuine.pdf", &with_key);
    let lines: Vec<&str> = text(&genuine.stdout).lines().collect();
    assert_eq!(genuine.status.code(), Some(0), "{lines:#?}");
    assert!(lines[0].starts_with("MUSTER · SPECIMEN"), "{lines:#?}");
    assert_eq!(lines[1], "Verdict: GENUINE.");
    assert_eq!(ask("genuine.pdf", &["--trust", "ca.pem", "--log-key", &desk.key]).status.code(), Some(0));
    assert_eq!(ask("genuine.pdf", &["--trust", "ca.pem", "--seal-only"]).status.code(), Some(0));
    assert_eq!(ask("genuine.pdf", &["--trust", "ca.pem"]).status.code(), Some(2));
    assert_eq!(ask("genuine.pdf", &["--log-key", "log.key"]).status.code(), Some(2));
    assert_eq!(ask("damaged.pdf", &with_key).status.code(), Some(1));
    let german = ask("damaged.pdf", &[&with_key[..], &["--language", "de"]].concat());
    assert!(text(&german.stdout).contains("NICHT ECHT"), "{}", text(&german.stdout));
}

#[test]
fn programs_get_json() {
    let desk = Desk::new();
    let out = desk.verify(&["damaged.pdf", "--trust", "ca.pem", "--log-key", "log.key", "--json"]);
    assert_eq!(out.status.code(), Some(1));
    let report: serde_json::Value = serde_json::from_slice(&out.stdout).unwrap();
    assert_eq!((&report["verdict"], &report["specimen"]), (&"not".into(), &true.into()));
    assert_eq!(report["problems"][0]["code"], "content-changed");
}

#[test]
fn bad_input_is_answered_in_one_line_with_code_2() {
    let desk = Desk::new();
    for arguments in [
        &["missing.pdf"][..],
        &["text.pdf"],
        &["genuine.pdf", "--trust", "missing.pem"],
        &["genuine.pdf", "--trust", "text.pdf"],
        &["genuine.pdf", "--log-key", "name+00000000+AAAA"],
        &["genuine.pdf", "--log-key", "ca.pem"],
        &["genuine.pdf", "--language", "fr"],
        &["genuine.pdf", "--unknown"],
        &[],
    ] {
        let out = desk.verify(arguments);
        assert_eq!(out.status.code(), Some(2), "{arguments:?}");
        assert_eq!(text(&out.stderr).lines().count(), 1, "{arguments:?}: {}", text(&out.stderr));
        assert_eq!(text(&out.stdout), "", "{arguments:?}");
    }
}
