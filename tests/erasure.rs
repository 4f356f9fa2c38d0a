//! A word that was erased is nowhere: every file of the data folder is read byte by byte, the index term by term.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use stammbuch::access::Role;

use crate::actors::place::{Place, files};
use crate::actors::speak::Actor;
use crate::actors::{Server, ServerProcess};
use crate::search::{ask, found_later, ids};

/// Stands in text, title, file name, kind, reference and Sammelakte. The index has it in small letters too.
const CANARY: &str = "kanarienwortzyx";

fn path(id: &str) -> String {
    format!("/v1/documents/{id}")
}

fn grounds() -> Value {
    json!({"reason": "mistaken", "provision": "§ 7 Abs. 3 PStG"})
}

/// Uploads a document that has the word everywhere, under an idempotency key, and waits until it can be found.
fn planted(server: &Place) -> String {
    let query = format!("title=Titel%20{CANARY}&reference=Az%20{CANARY}&kind={CANARY}&file={CANARY}");
    let text = format!("Im Text steht {CANARY} neben Buchsbaum.");
    let name = format!("attachment; filename=\"{CANARY}.txt\"");
    let headers =
        [("Content-Type", "text/plain"), ("Content-Disposition", &name), ("Idempotency-Key", "planted")];
    let path = format!("/v1/documents?{query}");
    let answer = server.engine().send("POST", &path, &headers, text.as_bytes()).expect(201);
    let id = answer["id"].as_str().unwrap().to_owned();
    while server.engine().get(&self::path(&id)).expect(200).get("indexedAt").is_none() {
        std::thread::yield_now();
    }
    id
}

fn erased(actor: &Actor, id: &str) {
    let erase = || actor.post(&format!("{}/erase", path(id)), &grounds());
    assert!(matches!(erase().status, 200 | 202));
    while erase().json().get("doneAt").is_none() {
        std::thread::yield_now();
    }
}

/// The folder of the index's files: below that of its version, whichever it is.
fn bucket(index: &Path) -> PathBuf {
    let meta = files(index).into_iter().find(|file| file.ends_with("meta.json")).unwrap();
    meta.parent().unwrap().to_owned()
}

/// Files in which the word stands, in UTF-8, UTF-16 or in capitals; and whether it is a term of the index.
fn traces(place: &Place) -> (Vec<PathBuf>, bool) {
    let utf16 = |big: bool| -> Vec<u8> {
        CANARY.encode_utf16().flat_map(|c| if big { c.to_be_bytes() } else { c.to_le_bytes() }).collect()
    };
    let mut looks =
        vec![CANARY.as_bytes().to_vec(), CANARY.to_uppercase().into_bytes(), utf16(true), utf16(false)];
    // Half of it would be a trace, too.
    looks.push(CANARY.as_bytes()[CANARY.len() / 2..].to_vec());
    let has = |file: &PathBuf| {
        let bytes = fs::read(file).unwrap_or_default();
        looks.iter().any(|look| bytes.windows(look.len()).any(|window| window == look.as_slice()))
    };
    let index = tantivy::Index::open_in_dir(bucket(&place.data_dir().join("index"))).unwrap();
    let mut is_term = false;
    for segment in index.reader().unwrap().searcher().segment_readers() {
        for (field, _) in index.schema().fields().filter(|(_, entry)| entry.is_indexed()) {
            let inverted = segment.inverted_index(field).unwrap();
            let mut terms = inverted.terms().stream().unwrap();
            while terms.advance() {
                is_term |= String::from_utf8_lossy(terms.key()).contains(&CANARY[..8]);
            }
        }
    }
    (files(place.data_dir()).into_iter().filter(has).collect(), is_term)
}

fn leaves_nothing(place: &Place) {
    assert_eq!(traces(place), (Vec::new(), false));
}

#[test]
fn an_erased_word_is_in_no_file_and_no_term() {
    let server = Server::start();
    let id = planted(&server);
    let other = found_later(&server.engine(), "title=Anderer", "Ein anderer Text mit Buchsbaum");
    let (in_files, is_term) = traces(&server);
    // PostgreSQL's pages are its own; what can be promised of them stands in config/default.toml.
    let rows_elsewhere = server.on_postgres().is_some();
    let in_rows = in_files.iter().any(|file| file.to_string_lossy().contains("stammbuch.sqlite"));
    assert!(is_term && (rows_elsewhere || in_rows), "{in_files:?}");
    assert_eq!(ids(&ask(&server.clerk(), "Buchsbaum")).len(), 2);

    erased(&server.registrar(), &id);
    leaves_nothing(&server);
    for route in ["", "/content", "/text"] {
        server.engine().get(&format!("{}{route}", path(&id))).problem(410, "erased");
        server.other(Role::Registrar).get(&format!("{}{route}", path(&id))).problem(404, "not-found");
    }
    assert_eq!(ids(&ask(&server.registrar(), "Buchsbaum")), [&other]);
    let headers = [
        ("Content-Type", "text/plain"),
        ("Idempotency-Key", "planted"),
        ("Content-Disposition", "attachment"),
    ];
    let retried = server.engine().send("POST", "/v1/documents", &headers, b"Im Text");
    assert!(matches!(retried.status, 410 | 422), "{}", retried.status);
    let place = server.stop();
    leaves_nothing(&place);
    let server = Server::on(place);
    server.engine().get(&path(&id)).problem(410, "erased");
    // The same bytes come in anew.
    let again = planted_without_key(&server);
    assert_ne!(again, id);
    server.engine().get(&format!("{}/content", path(&again)));
}

fn planted_without_key(server: &Place) -> String {
    let text = format!("Im Text steht {CANARY} neben Buchsbaum.");
    found_later(&server.engine(), "title=neu", &text)
}

#[test]
fn an_erasure_is_finished_after_a_kill_at_any_time() {
    let mut server = ServerProcess::start();
    for round in 0..4_u64 {
        let query = format!("title=Titel%20{CANARY}");
        let id = found_later(&server.engine(), &query, &format!("{CANARY} {round}"));
        assert!(matches!(
            server.registrar().post(&format!("{}/erase", path(&id)), &grounds()).status,
            200 | 202
        ));
        // sleeps: the moment of the kill is what varies
        std::thread::sleep(std::time::Duration::from_millis(round * 7));
        server = ServerProcess::on(server.kill());
        erased(&server.registrar(), &id);
        leaves_nothing(&server);
    }
}

#[test]
fn who_did_not_see_a_restricted_document_does_not_learn_that_it_was_erased() {
    let server = Server::start();
    let id = planted(&server);
    let body = json!({"levels": ["C"], "reason": format!("wegen {CANARY}")});
    assert_eq!(server.registrar().put(&format!("{}/restriction", path(&id)), &body).status, 204);
    erased(&server.registrar(), &id);
    server.clerk().get(&path(&id)).problem(404, "not-found");
    server.registrar().get(&path(&id)).problem(410, "erased");
    leaves_nothing(&server);
}

#[test]
fn what_is_held_unknown_or_without_grounds_is_not_erased() {
    let server = Server::start();
    let id = planted(&server);
    let erase = format!("{}/erase", path(&id));
    let registrar = server.registrar();
    let hold =
        registrar.post(&format!("{}/holds", path(&id)), &json!({"reason": "Rechtsstreit"})).expect(201);
    let problem = registrar.post(&erase, &grounds()).problem(409, "document-held");
    assert_eq!(problem["got"], 1);
    for (body, status, name) in [
        (json!({"reason": "because", "provision": "§ 7 PStG"}), 422, "value-invalid"),
        (json!({"reason": "mistaken", "provision": "Antrag von Erika Muster"}), 422, "value-invalid"),
        (json!({"reason": "mistaken"}), 400, "malformed-json"),
        (json!({"reason": "mistaken", "provision": "§ 7 PStG", "who": "x"}), 400, "unknown-field"),
    ] {
        registrar.post(&erase, &body).problem(status, name);
    }
    server.other(Role::Registrar).post(&erase, &grounds()).problem(404, "not-found");
    server.clerk().post(&erase, &grounds()).problem(403, "role-missing");
    assert_eq!(registrar.get(&path(&id)).status, 200);
    let lift = format!("{}/holds/{}/lift", path(&id), hold["id"].as_str().unwrap());
    assert_eq!(registrar.post(&lift, &json!({"reason": "erledigt"})).status, 204);
    erased(&registrar, &id);
    leaves_nothing(&server);
}
