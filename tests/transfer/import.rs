//! `stammbuch import`: every file of a folder ends up in the report, what was said of it with its document, and nothing
//! twice, however often it is begun.

use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Duration;

use serde_json::json;
use stammbuch::access::Role;
use stammbuch::domain::digest::Sha256;

use super::{Ran, program, with_token, write};
use crate::actors::place::{OFFICE, Place};
use crate::actors::{Server, ServerProcess};
use crate::census;

const BESIDE: &str = ".stammbuch.json";
const HEAD: &str = "{\"format\":\"stammbuch/documents/v1\"}\n";

fn import(place: &Place, folder: &Path, more: &[&str]) -> Ran {
    let mut arguments = vec!["import", folder.to_str().unwrap()];
    arguments.extend(more);
    Ran::of(program(place, Role::Engine, &arguments))
}

/// A folder as they are found: good files, and everything else.
fn nasty() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    write(at, "1998/Anzeige Müller.txt", "Anzeige\n");
    write(at, "1998/Anzeige Müller.txt.stammbuch.json", json!({"title": "Geburtsanzeige"}).to_string());
    write(at, "1998/%0A & ?x=1#.txt", "seltsamer Name\n");
    write(at, "leer.pdf", "");
    write(at, "luegt.pdf", "kein PDF\n");
    write(at, ".DS_Store", "x");
    write(at, "Thumbs.db", "x");
    write(at, "~$offen.docx", "x");
    write(at, "said-wrong.txt", "x\n");
    write(at, &format!("said-wrong.txt{BESIDE}"), json!({"titel": "x"}).to_string());
    write(at, &format!("nobody.txt{BESIDE}"), "{}");
    write(at, "twin a.txt", "gleich\n");
    write(at, "twin b.txt", "gleich\n");
    fs::write(at.join(std::ffi::OsStr::from_bytes(b"M\xfcller.txt")), "x\n").unwrap();
    symlink("/etc/passwd", at.join("link.txt")).unwrap();
    symlink("/etc", at.join("folder-link")).unwrap();
    folder
}

#[test]
fn every_file_is_in_the_report_with_what_became_of_it_and_a_second_run_changes_nothing() {
    let (server, folder) = (Server::start(), nasty());
    let first = import(&server, folder.path(), &[]);
    let expected = [
        ("1998/Anzeige Müller.txt", "stored", ""),
        ("1998/%0A & ?x=1#.txt", "stored", ""),
        ("twin a.txt", "stored", ""),
        ("twin b.txt", "stored", ""),
        ("leer.pdf", "refused", "empty-file"),
        ("luegt.pdf", "refused", "media-type-mismatch"),
        ("said-wrong.txt", "refused", "said"),
        ("nobody.txt.stammbuch.json", "refused", "nothing-beside"),
        ("M\\xFCller.txt", "refused", "name"),
        (".DS_Store", "passed-over", "no-document"),
        ("Thumbs.db", "passed-over", "no-document"),
        ("~$offen.docx", "passed-over", "no-document"),
        ("link.txt", "passed-over", "no-document"),
        ("folder-link", "passed-over", "no-document"),
    ];
    for (path, outcome, reason) in expected {
        assert_eq!(first.outcome(path), (outcome, reason), "{path}");
    }
    // And the line of the summary.
    assert_eq!(first.records.len(), expected.len() + 1);
    assert_eq!((first.code, first.counts()), (1, (4, 0, 5)));
    let document =
        server.clerk().get(&format!("/v1/documents/{}", first.id("1998/Anzeige Müller.txt"))).expect(200);
    assert_eq!(
        (&document["title"], &document["fileName"]),
        (&json!("Geburtsanzeige"), &json!("Anzeige Müller.txt"))
    );
    assert_eq!(document["sha256"], Sha256::of("Anzeige\n".as_bytes()).to_string());
    assert!(first.errors.contains("refused: leer.pdf: "), "{}", first.errors);

    let before = census::of(&server);
    let second = import(&server, folder.path(), &[]);
    assert_eq!((second.code, second.counts()), (1, (0, 4, 5)));
    assert_eq!(second.id("twin a.txt"), first.id("twin a.txt"));
    let after = census::of(&server);
    assert_eq!((after.documents, after.acts), (before.documents, before.acts), "nor in the audit trail");
    assert_eq!(before.documents, 4, "two with the same bytes are two");
}

#[test]
fn what_a_table_says_reaches_the_document_before_anybody_can_see_it() {
    let (server, folder) = (Server::start(), tempfile::tempdir().unwrap());
    let at = folder.path();
    let text = "Sammelakte\n";
    write(at, "a/1.txt", text);
    write(at, "a/2.txt", "beigeschrieben\n");
    let entry = format!("G/{OFFICE}/2024/815");
    let line = json!({
        "path": "a/1.txt", "title": "Anzeige", "kind": "Anzeige", "reference": "StA 12/2024-G-0815",
        "date": "2024-02-29", "file": "Sammelakte 2024", "entry": entry, "restriction": ["D", "A"],
        "fileName": "Brief.txt", "sha256": Sha256::of(text.as_bytes()), "size": text.len(),
        "holds": ["Rechtsstreit 7 K 12/26"], "id": "of-the-origin", "receivedAt": "2020-01-01T00:00:00Z",
    });
    let bad = [
        (json!({"path": "../outside.txt"}), "../outside.txt", "unreadable"),
        (json!({"path": "/etc/passwd"}), "/etc/passwd", "unreadable"),
        (json!({"path": "a/3.txt"}), "a/3.txt", "not-there"),
        (json!({"path": "a/1.txt", "title": "again"}), "a/1.txt", "listed-twice"),
        (json!({"title": "no path"}), "stammbuch-documents.jsonl", "line"),
    ];
    let lines: String = bad.iter().map(|(line, ..)| format!("{line}\n")).collect();
    write(at, "stammbuch-documents.jsonl", format!("{HEAD}{line}\n{lines}"));
    let arguments = ["import", at.to_str().unwrap(), "--set", "kind=Altakte"];
    let ran = Ran::of(program(&server, Role::Registrar, &arguments));
    assert_eq!((ran.code, ran.counts()), (1, (2, 0, 5)));
    for (_, path, reason) in &bad {
        let found = ran.records.iter().any(|record| record["path"] == *path && record["reason"] == *reason);
        assert!(found, "{path} {reason}: {:?}", ran.records);
    }
    let path = format!("/v1/documents/{}", ran.id("a/1.txt"));
    let document = server.registrar().get(&path).expect(200);
    for (name, value) in [
        ("title", json!("Anzeige")),
        ("kind", json!("Anzeige")),
        ("reference", json!("StA 12/2024-G-0815")),
        ("date", json!("2024-02-29")),
        ("file", json!("Sammelakte 2024")),
        ("entry", json!(entry)),
        ("restriction", json!(["A", "D"])),
        ("fileName", json!("Brief.txt")),
    ] {
        assert_eq!(document[name], value, "{name}");
    }
    assert_eq!(document["holds"][0]["reason"], "Rechtsstreit 7 K 12/26");
    assert_ne!(document["id"], "of-the-origin");
    server.clerk().get(&path).problem(404, "not-found");
    let other = server.clerk().get(&format!("/v1/documents/{}", ran.id("a/2.txt"))).expect(200);
    assert_eq!(other["kind"], "Altakte");
    // Again: the hold is not placed a second time.
    let again = Ran::of(program(&server, Role::Registrar, &arguments));
    assert_eq!(again.counts(), (0, 2, 5));
    assert_eq!(server.registrar().get(&path).expect(200)["holds"].as_array().unwrap().len(), 1);
}

#[test]
fn a_file_that_is_not_what_the_table_says_is_refused() {
    let (server, folder) = (Server::start(), tempfile::tempdir().unwrap());
    let at = folder.path();
    write(at, "size.txt", "abc\n");
    write(at, "digest.txt", "abc\n");
    write(at, "sealed.txt", "abc\n");
    let lines = [
        json!({"path": "size.txt", "size": 5}),
        json!({"path": "digest.txt", "sha256": Sha256::of(b"other")}),
        json!({"path": "sealed.txt", "entry": format!("G/{OFFICE}/2024/815"), "restriction": ["sperrvermerk"]}),
    ];
    let lines: String = lines.iter().map(|line| format!("{line}\n")).collect();
    write(at, "stammbuch-documents.jsonl", format!("{HEAD}{lines}"));
    let ran = Ran::of(program(&server, Role::Registrar, &["import", at.to_str().unwrap()]));
    for (path, reason) in
        [("size.txt", "size-mismatch"), ("digest.txt", "digest-mismatch"), ("sealed.txt", "seal-missing")]
    {
        assert_eq!(ran.outcome(path), ("refused", reason));
    }
    assert_eq!(census::of(&server).documents, 0);
    write(at, "stammbuch-documents.jsonl", format!("{HEAD}{{\"path\":"));
    let ran = import(&server, at, &[]);
    assert_eq!(ran.code, 2);
    assert!(ran.errors.contains("stammbuch-documents.jsonl, line 2: not JSON"), "{}", ran.errors);
}

#[test]
fn what_was_erased_does_not_come_back_with_its_folder() {
    let (server, folder) = (Server::start(), tempfile::tempdir().unwrap());
    write(folder.path(), "a.txt", "einmal\n");
    write(folder.path(), "b.txt", "bleibt\n");
    let first = import(&server, folder.path(), &[]);
    let grounds = json!({"reason": "mistaken", "provision": "§ 7 Abs. 3 PStG"});
    let path = format!("/v1/documents/{}/erase", first.id("a.txt"));
    assert!(server.registrar().post(&path, &grounds).status < 300);
    let second = import(&server, folder.path(), &[]);
    assert_eq!(second.outcome("a.txt"), ("passed-over", "erased"));
    assert_eq!((second.code, second.counts()), (0, (0, 1, 0)));
    // Nor by a client that does not ask before.
    let source = Sha256::of(b"x");
    let send = || server.engine().send("POST", &format!("/v1/documents?source={source}"), &[], b"y\n");
    let id = send().expect(201)["id"].as_str().unwrap().to_owned();
    assert_eq!(send().expect(200)["id"], id.as_str());
    assert!(server.registrar().post(&format!("/v1/documents/{id}/erase"), &grounds).status < 300);
    send().problem(410, "erased");
    assert_eq!(census::of(&server).documents, 1);
}

#[test]
fn a_trial_reads_and_asks_for_everything_and_sends_nothing() {
    let (server, folder) = (Server::start(), nasty());
    let tried = import(&server, folder.path(), &["--dry-run"]);
    assert_eq!(tried.outcome("twin a.txt"), ("would-be-stored", ""));
    assert_eq!(tried.outcome("leer.pdf"), ("refused", "empty-file"));
    let now = census::of(&server);
    assert_eq!((now.documents, now.acts), (0, 0));
}

#[test]
fn another_client_and_another_authority_bring_the_same_folder_for_themselves() {
    let (server, folder) = (Server::start(), tempfile::tempdir().unwrap());
    write(folder.path(), "a.txt", "gleich\n");
    let name = ["import", folder.path().to_str().unwrap()];
    let ids: Vec<String> = [
        program(&server, Role::Engine, &name),
        program(&server, Role::Clerk, &name),
        with_token(&server, server.other(Role::Engine).token(), &name),
    ]
    .into_iter()
    .map(|command| Ran::of(command).id("a.txt"))
    .collect();
    assert!(ids[0] != ids[1] && ids[1] != ids[2] && ids[0] != ids[2]);
    // Under its old name a moved folder is known.
    let moved = tempfile::tempdir().unwrap();
    write(moved.path(), "a.txt", "gleich\n");
    let old = folder.path().file_name().unwrap().to_str().unwrap();
    let again = import(&server, moved.path(), &["--collection", old]);
    assert_eq!(again.id("a.txt"), ids[0]);
}

#[test]
fn what_is_not_understood_is_said_before_anything_is_done() {
    let (server, folder) = (Server::start(), tempfile::tempdir().unwrap());
    write(folder.path(), "a.txt", "x\n");
    let path = folder.path().to_str().unwrap().to_owned();
    for (arguments, expected) in [
        (vec!["import", "/nowhere-at-all"], "/nowhere-at-all"),
        (vec!["import", &path, "--set", "titel=x"], "titel is no field"),
        (vec!["import", &path, "--set", "source=x"], "a source of its own"),
        (vec!["import", &path, "--at-a-time", "0"], "--at-a-time"),
    ] {
        let ran = Ran::of(program(&server, Role::Engine, &arguments));
        assert_eq!(ran.code, 2, "{arguments:?}: {}", ran.errors);
        assert!(ran.errors.contains(expected), "{arguments:?}: {}", ran.errors);
    }
    let unknown = Ran::of(with_token(&server, "not-a-token", &["import", &path]));
    assert!(unknown.code == 2 && unknown.errors.contains("token"), "{}", unknown.errors);
    let auditor = Ran::of(program(&server, Role::Auditor, &["import", &path]));
    assert!(auditor.code == 2 && auditor.errors.contains("does not permit"), "{}", auditor.errors);
}

#[test]
fn killed_again_and_again_on_either_side_it_brings_everything_once() {
    const FILES: usize = 150;
    let folder = tempfile::tempdir().unwrap();
    for n in 0..FILES {
        write(folder.path(), &format!("{}/{n}.txt", n % 7), format!("Blatt {n}\n{}", "x".repeat(n * 997)));
    }
    let rounds = if std::env::var_os("STAMMBUCH_LONG").is_some() { 60 } else { 8 };
    let arguments = ["import", folder.path().to_str().unwrap(), "--patience", "1"];
    let mut place = ServerProcess::start().kill();
    for round in 0..rounds {
        let server = ServerProcess::on(place);
        let mut child = program(&server, Role::Engine, &arguments)
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        // sleeps: killed at another time in each round
        std::thread::sleep(Duration::from_millis(10 + round * 37 % 200));
        if round % 2 == 0 {
            child.kill().unwrap();
        }
        place = server.kill();
        let _ = child.kill();
        child.wait().unwrap();
    }
    let server = ServerProcess::on(place);
    let last = Ran::of(program(&server, Role::Engine, &arguments));
    assert_eq!(last.code, 0, "{}", last.errors);
    let (done, there, refused) = last.counts();
    assert_eq!((done + there, refused), (FILES as u64, 0));
    let place = server.kill();
    assert_eq!(census::of(&place).documents, FILES as u64);
}
