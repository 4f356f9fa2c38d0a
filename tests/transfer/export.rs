//! `stammbuch export`: an authority becomes a bag that `sha256sum` can check, and another installation becomes the same
//! by it; killed at any time it goes on, and nobody gets out what they may not see.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};
use stammbuch::access::Role;
use stammbuch::config::{Config, Token};
use stammbuch::domain::digest::Sha256;
use stammbuch::domain::ids::AuthorityId;
use stammbuch::transfer::bag;
use stammbuch::transfer::folder::Folder;

use super::{Ran, program, with_token, write};
use crate::actors::desk::{copy, entry_path, order};
use crate::actors::place::{OFFICE, PERSON, Place, files};
use crate::actors::speak::Actor;
use crate::actors::{Server, ServerProcess};

const BOTH: &str = "registrar-and-auditor";

/// Whoever hands an authority over: a registrar who is an auditor too.
pub fn with_both(config: &mut Config) {
    config.access.tokens.push(Token {
        sha256: Sha256::of(BOTH.as_bytes()),
        client: "handing-over".into(),
        authority: AuthorityId::from_bytes([0xaa; 16]),
        roles: vec![Role::Registrar, Role::Auditor],
        person: Some(PERSON.into()),
        function: None,
    });
}

pub fn export(place: &Place, to: &Path, more: &[&str]) -> Ran {
    let id = place.authority().to_string();
    let mut arguments = vec!["export", "authority", &id, "--to", to.to_str().unwrap()];
    arguments.extend(more);
    Ran::of(with_token(place, BOTH, &arguments))
}

/// As whoever gets a bag checks it, with nothing of ours.
#[track_caller]
pub fn sha256sum_agrees(bag: &Path) {
    for manifest in ["manifest-sha256.txt", "tagmanifest-sha256.txt"] {
        let mut judge = Command::new("sha256sum");
        let judge = judge.args(["-c", "--quiet", "--strict", manifest]).current_dir(bag).output().unwrap();
        assert!(judge.status.success(), "{}", String::from_utf8_lossy(&judge.stderr));
    }
    bag::verify(&Folder::open(bag).unwrap()).unwrap();
}

fn upload(actor: &Actor, query: &str, name: Option<&str>, body: &[u8]) -> String {
    let named = name.map(|name| format!("attachment; filename*=UTF-8''{name}"));
    let headers: Vec<_> = named.iter().map(|value| ("Content-Disposition", value.as_str())).collect();
    let answer = actor.send("POST", &format!("/v1/documents?{query}"), &headers, body).expect(201);
    answer["id"].as_str().unwrap().to_owned()
}

/// An authority in which everything there is happens once. Gives a document that can be erased.
fn furnish(server: &Server) -> String {
    let (engine, registrar) = (server.engine(), server.registrar());
    engine.put(&entry_path("815"), &copy()).expect(201);
    let later = json!({ "asOf": "2026-05-04", "source": "x", "number": 1, "fields": { "1102": "Iva" } });
    engine.post(&format!("{}/subsequent", entry_path("815")), &later).expect(201);
    let mut sealed = copy();
    sealed["locks"] = json!([{"kind": "sperrvermerk", "since": "2026-01-01"}]);
    engine.put(&entry_path("816"), &sealed).expect(201);
    registrar.post_once("/v1/certificates", "k", &order("815")).expect(201);
    let said =
        "title=Anzeige%20M%C3%BCller&kind=Anzeige&reference=StA%2012/2024-G-0815&date=2024-02-29&file=Akte";
    let held = upload(&engine, said, Some("Anzeige%20%22neu%22.txt"), b"Anzeige\n");
    let held = format!("/v1/documents/{held}/holds");
    server.clerk().post(&held, &json!({"reason": "Rechtsstreit 7 K 12/26"})).expect(201);
    upload(&engine, "restriction=D%20A", None, b"nur fuer Standesbeamte\n");
    upload(&engine, &format!("entry=G/{OFFICE}/2024/816"), Some("gesperrt.txt"), b"gesperrt\n");
    upload(&engine, "", Some("zwilling.txt"), b"gleich\n");
    upload(&engine, "", Some("zwilling.txt"), b"gleich\n");
    upload(&engine, "", Some("gross.txt"), "Zeile um Zeile\n".repeat(40_000).as_bytes());
    upload(&engine, "", Some("weg.txt"), b"wird geloescht\n")
}

fn lines(bag: &Path, name: &str) -> Vec<Value> {
    let text = fs::read_to_string(bag.join("data").join(name)).unwrap();
    text.lines().skip(1).map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// What must be the same wherever a document is, whatever it is called there.
fn essence(bag: &Path) -> BTreeSet<String> {
    let of = |mut line: Value| {
        let holds = line["holds"].as_array().cloned().unwrap_or_default();
        let holds: Vec<Value> = holds.iter().map(|hold| hold["reason"].clone()).collect();
        line["holds"] = holds.into();
        let kept = [
            "sha256",
            "size",
            "mediaType",
            "fileName",
            "title",
            "kind",
            "reference",
            "date",
            "file",
            "entry",
            "restriction",
            "holds",
        ];
        kept.map(|name| format!("{name}={}", line[name])).join(" ")
    };
    lines(bag, "stammbuch-documents.jsonl").into_iter().map(of).collect()
}

fn times(bag: &Path) -> Vec<(PathBuf, SystemTime)> {
    let mut all = Vec::new();
    for shard in fs::read_dir(bag.join("data/documents")).unwrap() {
        for file in fs::read_dir(shard.unwrap().path()).unwrap().map(Result::unwrap) {
            all.push((file.path(), file.metadata().unwrap().modified().unwrap()));
        }
    }
    all.sort();
    all
}

fn erase(server: &Server, id: &str) {
    let grounds = json!({"reason": "mistaken", "provision": "§ 7 Abs. 3 PStG"});
    assert!(server.registrar().post(&format!("/v1/documents/{id}/erase"), &grounds).status < 300);
}

#[test]
fn an_authority_goes_out_whole_and_another_installation_becomes_the_same_by_it() {
    let (server, folder) = (Server::start_with(with_both), tempfile::tempdir().unwrap());
    let doomed = furnish(&server);
    let bag = folder.path().join("bag");
    let first = export(&server, &bag, &["--texts"]);
    assert_eq!((first.code, first.counts()), (0, (8, 0, 0)), "{}", first.errors);
    sha256sum_agrees(&bag);
    for (table, count) in
        [("entries", 2), ("orders", 1), ("certificates", 1), ("journal", 1), ("erasures", 0)]
    {
        let path = if table == "entries" {
            "stammbuch-entries.jsonl".into()
        } else {
            format!("records/{table}.jsonl")
        };
        assert_eq!(lines(&bag, &path).len(), count, "{table}");
    }
    let trail = lines(&bag, "records/audit.jsonl");
    let did = |action: &str| trail.iter().filter(|act| act["action"] == action).count();
    assert_eq!((did("document.received"), did("authority.exported")), (7, 1), "{trail:?}");
    assert!(!fs::read_to_string(bag.join("data/records/audit.jsonl")).unwrap().contains("Rechtsstreit"));
    let certificate = lines(&bag, "records/certificates.jsonl")[0].clone();
    let id = certificate["id"].as_str().unwrap();
    let pdf =
        fs::read(bag.join(format!("data/records/certificates/{}/{id}/revision-1.pdf", &id[..2]))).unwrap();
    assert_eq!(certificate["sha256"], Sha256::of(&pdf).to_string());

    // Once more: nothing is fetched, nothing written anew.
    let before = times(&bag);
    let again = export(&server, &bag, &[]);
    assert_eq!((again.code, again.counts()), (0, (0, 8, 0)));
    assert_eq!(times(&bag), before);
    sha256sum_agrees(&bag);

    // Into another installation, twice.
    let other = Server::start_with(with_both);
    let arguments = ["import", bag.to_str().unwrap()];
    let brought = Ran::of(program(&other, Role::Registrar, &arguments));
    assert_eq!((brought.code, brought.counts()), (0, (9, 0, 0)), "{}", brought.errors);
    let twice = Ran::of(program(&other, Role::Registrar, &arguments));
    assert_eq!((twice.code, twice.counts()), (0, (0, 9, 0)), "{}", twice.errors);
    let copy = folder.path().join("copy");
    assert_eq!(export(&other, &copy, &[]).code, 0);
    sha256sum_agrees(&copy);
    assert_eq!(essence(&copy), essence(&bag));
    assert_eq!(lines(&copy, "stammbuch-documents.jsonl").len(), 7);
    for number in ["815", "816"] {
        let read = |server: &Server| server.registrar().get(&entry_path(number)).expect(200);
        assert_eq!(read(&other), read(&server));
    }
    let hidden = |line: &&Value| line.get("restriction").is_some();
    let table = lines(&copy, "stammbuch-documents.jsonl");
    let ids: Vec<_> = table.iter().filter(hidden).map(|line| line["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), 2);
    for id in ids {
        other.clerk().get(&format!("/v1/documents/{id}")).problem(404, "not-found");
    }

    // What is erased vanishes from the bag too, and only that.
    erase(&server, &doomed);
    let after = export(&server, &bag, &[]);
    assert_eq!((after.code, after.counts()), (0, (0, 7, 0)));
    sha256sum_agrees(&bag);
    assert!(!bag.join(format!("data/documents/{}/{doomed}.txt", &doomed[..2])).exists());
    assert!(!bag.join("data/texts").join(&doomed[..2]).join(format!("{doomed}.json")).exists());
    assert_eq!(lines(&bag, "records/erasures.jsonl")[0]["document"], doomed.as_str());
}

#[test]
fn only_who_may_see_everything_gets_everything_and_nothing_else_is_overwritten() {
    let (server, folder) = (Server::start_with(with_both), tempfile::tempdir().unwrap());
    furnish(&server);
    let (id, other) = (server.authority().to_string(), "bb".repeat(16));
    let to = folder.path().join("bag").to_str().unwrap().to_owned();
    let full = folder.path().join("full").to_str().unwrap().to_owned();
    write(folder.path(), "full/mine.txt", "x");
    for (role, arguments, expected) in [
        (Role::Clerk, vec!["authority", &id, "--to", &to], "does not permit"),
        (Role::Operator, vec!["authority", &id, "--to", &to], "does not permit"),
        // A registrar who is no auditor gets no audit trail.
        (Role::Registrar, vec!["authority", &id, "--to", &to], "does not permit"),
        (Role::Registrar, vec!["authority", &other, "--to", &to], "is one of authority"),
        (Role::Registrar, vec!["authority", &id, "--to", &full, "--without-audit"], "is not empty"),
    ] {
        let arguments: Vec<_> = ["export"].into_iter().chain(arguments).collect();
        let ran = Ran::of(program(&server, role, &arguments));
        assert_eq!(ran.code, 2, "{arguments:?}: {}", ran.errors);
        assert!(ran.errors.contains(expected), "{arguments:?}: {}", ran.errors);
    }
    assert!(!Path::new(&to).exists());
    assert_eq!(fs::read_dir(&full).unwrap().count(), 1);
    let arguments = ["export", "authority", &id, "--to", &to, "--without-audit"];
    assert_eq!(Ran::of(program(&server, Role::Registrar, &arguments)).code, 0);
    assert!(!Path::new(&to).join("data/records/audit.jsonl").exists());
    // Another authority's registrar has an empty one.
    let mine = folder.path().join("other");
    let arguments = ["export", "authority", &other, "--to", mine.to_str().unwrap(), "--without-audit"];
    let ran = Ran::of(with_token(&server, server.other(Role::Registrar).token(), &arguments));
    assert_eq!((ran.code, ran.counts()), (0, (0, 0, 0)));
    // And a folder of one authority takes no other.
    let arguments = ["export", "authority", &other, "--to", &to, "--without-audit"];
    let ran = Ran::of(with_token(&server, server.other(Role::Registrar).token(), &arguments));
    assert_eq!(ran.code, 2, "{}", ran.errors);
}

#[test]
fn single_documents_go_out_to_whoever_may_see_them() {
    let (server, folder) = (Server::start(), tempfile::tempdir().unwrap());
    let open = upload(&server.engine(), "title=offen", Some("a.txt"), b"offen\n");
    let hidden = upload(&server.engine(), "restriction=C", Some("b.txt"), b"verborgen\n");
    let to = folder.path().join("bag");
    let arguments = ["export", "document", &open, &hidden, "--to", to.to_str().unwrap()];
    let ran = Ran::of(program(&server, Role::Clerk, &arguments));
    assert_eq!((ran.code, ran.counts()), (1, (1, 0, 1)), "{}", ran.errors);
    assert_eq!(ran.outcome(&hidden), ("refused", "not-found"));
    sha256sum_agrees(&to);
    assert_eq!(fs::read(to.join(format!("data/documents/{}/{open}.txt", &open[..2]))).unwrap(), b"offen\n");
    assert_eq!(lines(&to, "stammbuch-documents.jsonl").len(), 1);
}

#[test]
fn a_document_that_is_damaged_is_named_and_the_others_go_out() {
    let (server, folder) = (Server::start_with(with_both), tempfile::tempdir().unwrap());
    let big = "Zeile um Zeile\n".repeat(30_000);
    let damaged = upload(&server.engine(), "title=kaputt", None, big.as_bytes());
    let good = upload(&server.engine(), "title=heil", None, b"heil\n");
    let object = files(&server.data_dir().join("objects/o"))
        .into_iter()
        .find(|path| fs::metadata(path).unwrap().len() > big.len() as u64)
        .unwrap();
    let mut bytes = fs::read(&object).unwrap();
    bytes[1000] ^= 1;
    fs::remove_file(&object).unwrap();
    fs::write(&object, bytes).unwrap();
    let bag = folder.path().join("bag");
    let ran = export(&server, &bag, &[]);
    let path = |id: &str| format!("documents/{}/{id}.txt", &id[..2]);
    assert_eq!((ran.code, ran.counts()), (1, (1, 0, 1)), "{}", ran.errors);
    assert_eq!(ran.outcome(&path(&damaged)), ("refused", "content-damaged"));
    assert_eq!(ran.outcome(&path(&good)), ("exported", ""));
    sha256sum_agrees(&bag);
    let table = lines(&bag, "stammbuch-documents.jsonl");
    let line = table.iter().find(|line| line["id"] == damaged.as_str()).unwrap();
    assert_eq!((&line["path"], &line["problem"]), (&Value::Null, &json!("content-damaged")));
    // Whoever imports such a bag is told what is missing.
    let other = Server::start();
    let ran = Ran::of(program(&other, Role::Registrar, &["import", bag.to_str().unwrap()]));
    assert_eq!((ran.code, ran.counts()), (1, (1, 0, 1)));
}

#[test]
fn killed_again_and_again_an_export_is_no_bag_until_it_is_whole() {
    const FILES: usize = 120;
    let folder = tempfile::tempdir().unwrap();
    let server = ServerProcess::start_with(with_both);
    for n in 0..FILES {
        write(folder.path(), &format!("in/{n}.txt"), format!("Blatt {n}\n{}", "x".repeat(n * 997)));
    }
    let from = folder.path().join("in").to_str().unwrap().to_owned();
    assert_eq!(Ran::of(program(&server, Role::Engine, &["import", &from])).code, 0);
    let to = folder.path().join("bag");
    let id = server.authority().to_string();
    let arguments = ["export", "authority", &id, "--to", to.to_str().unwrap()];
    let rounds = if std::env::var_os("STAMMBUCH_LONG").is_some() { 60 } else { 8 };
    for round in 0..rounds {
        let mut child = with_token(&server, BOTH, &arguments)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // sleeps: killed at another time in each round
        std::thread::sleep(Duration::from_millis(10 + round * 53 % 300));
        child.kill().unwrap();
        child.wait().unwrap();
        if to.join("manifest-sha256.txt").exists() && to.join("bagit.txt").exists() {
            bag::verify(&Folder::open(&to).unwrap()).unwrap();
        }
    }
    let last = export(&server, &to, &[]);
    assert_eq!(last.code, 0, "{}", last.errors);
    sha256sum_agrees(&to);
    assert_eq!(lines(&to, "stammbuch-documents.jsonl").len(), FILES);
    assert!(!to.join(".stammbuch-parts").exists());
}
