//! `stammbuch issue`: one certificate through the running server, into a new file.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::json;
use stammbuch::app::SystemClock;
use stammbuch::domain::clock::Clock as _;
use stammbuch::domain::digest::Sha256;

use crate::actors::ServerProcess;
use crate::actors::desk::copy;
use crate::actors::place::OFFICE;

/// Runs the command in `folder` with the entry in `entry`.
fn issue(server: &ServerProcess, folder: &Path, entry: &serde_json::Value, kind: &str) -> Output {
    let settings = std::fs::read_to_string(server.config_file()).unwrap();
    let listen = format!("listen = \"{}\"", server.url().trim_start_matches("http://"));
    let settings = settings.replace("listen = \"127.0.0.1:0\"", &listen);
    std::fs::write(folder.join("site.toml"), settings).unwrap();
    std::fs::write(folder.join("token"), format!("{}\n", server.registrar().token())).unwrap();
    std::fs::write(folder.join("entry.json"), entry.to_string()).unwrap();
    Command::new(env!("CARGO_BIN_EXE_stammbuch"))
        .current_dir(folder)
        .args([
            "issue",
            "--config",
            "site.toml",
            "--token-file",
            "token",
            "entry.json",
            "--kind",
            kind,
            "-o",
            "out.pdf",
        ])
        .output()
        .unwrap()
}

#[test]
fn a_certificate_is_issued_into_a_new_file_and_a_refusal_says_why() {
    let server = ServerProcess::start();
    let folder = tempfile::tempdir().unwrap();
    let mut entry = json!({ "register": "G", "office": OFFICE, "year": 2024, "number": "815" });
    let unknown = issue(&server, folder.path(), &entry, "geburtsurkunde");
    assert_eq!(unknown.status.code(), Some(1), "{unknown:?}");
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("404"), "{unknown:?}");
    entry["copy"] = copy();
    entry["copy"]["asOf"] = SystemClock.now().in_tz("Europe/Berlin").unwrap().date().to_string().into();
    let young = issue(&server, folder.path(), &entry, "geburtsurkunde");
    assert!(
        String::from_utf8_lossy(&young.stderr).contains("§ 62 (1) PStG"),
        "a child of two asks: {young:?}"
    );
    entry["applicant"] = json!({ "relation": "vorfahre", "over16": true });
    let done = issue(&server, folder.path(), &entry, "geburtsurkunde");
    assert_eq!(done.status.code(), Some(0), "{done:?}");
    let issued: serde_json::Value = serde_json::from_slice(&done.stdout).unwrap();
    let pdf = std::fs::read(folder.path().join("out.pdf")).unwrap();
    assert_eq!(issued["sha256"], Sha256::of(&pdf).to_string());
    let again = issue(&server, folder.path(), &entry, "geburtsurkunde");
    assert_eq!(again.status.code(), Some(2), "nothing is overwritten: {again:?}");
}
