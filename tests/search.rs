//! `/v1/search`: what it answers and what it refuses.

use std::process::Command;

use serde_json::{Value, json};

use crate::actors::speak::Actor;
use crate::actors::{Server, ServerProcess};

#[test]
fn a_question_to_an_empty_archive_is_answered_and_says_how_it_was_read() {
    let server = Server::start();
    let answer = server.clerk().get("/v1/search?q=M%C3%BCller%20G%20815/2024&limit=5").expect(200);
    assert_eq!(
        answer,
        json!({
            "hits": [], "total": 0, "totalPages": 0, "facets": {"kind": [], "year": []},
            "interpreted": [
                {"text": "Müller", "as": "word"},
                {"text": "G 815/2024", "as": "reference", "value": "g/2024/815"},
            ],
            "remarks": [], "relaxed": ["similar-words", "any-word", "nothing-found"], "next": null,
        })
    );
    assert_eq!(
        server.clerk().post("/v1/search", &json!({"q": "Müller G 815/2024", "limit": 5})).expect(200),
        answer
    );
}

#[test]
fn only_size_and_shape_of_a_question_are_refused() {
    let server = Server::start();
    let clerk = server.clerk();
    for (body, status, name) in [
        (json!({"q": "a", "offset": 3}), 400, "unknown-field"),
        (json!({"q": 7}), 400, "malformed-json"),
        (json!({"q": "a", "limit": 0}), 400, "query-invalid"),
        (json!({"q": "a", "limit": 101}), 400, "query-invalid"),
        (json!({"q": "a", "next": "AAAA"}), 400, "query-invalid"),
        (json!({"q": "a ".repeat(1_000)}), 400, "query-invalid"),
        (json!({"q": "a".repeat(100_000)}), 400, "query-invalid"),
    ] {
        clerk.post("/v1/search", &body).problem(status, name);
    }
    clerk.get("/v1/search?q=a&offset=3").problem(400, "unknown-field");
    for odd in ["", "\"", "-", "titel:", "OR OR", "((((", "*", "a:b:c", "\u{0}\u{202e}"] {
        clerk.post("/v1/search", &json!({"q": odd})).expect(200);
    }
}

/// Uploads a text and asks for its state until it can be found; the server says nothing when that is.
pub fn found_later(actor: &Actor, query: &str, text: &str) -> String {
    let path = format!("/v1/documents?{query}");
    let id = actor.send("POST", &path, &[("Content-Type", "text/plain")], text.as_bytes()).expect(201);
    let id = id["id"].as_str().unwrap().to_owned();
    for _ in 0..2_000 {
        let state = actor.get(&format!("/v1/documents/{id}")).expect(200);
        if state.get("indexedAt").is_some() {
            return id;
        }
        // sleeps: the state is asked for, as a client would
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    panic!("{id} is not found");
}

pub fn ids(answer: &Value) -> Vec<&str> {
    answer["hits"].as_array().unwrap().iter().map(|hit| hit["document"].as_str().unwrap()).collect()
}

pub fn ask(actor: &Actor, query: &str) -> Value {
    actor.post("/v1/search", &json!({"q": query})).expect(200)
}

#[test]
fn what_was_uploaded_is_found_by_its_words_and_its_reference_and_by_its_authority_only() {
    let server = ServerProcess::start();
    let reference = "reference=StA%2012%2F2024-G-0815&kind=Geburtsanzeige&date=2024-03-12";
    let one = found_later(&server.engine(), reference, "Frau Mu\u{308}ller-Lüdenscheidt, Aufwände");
    let two = found_later(&server.engine(), "title=Vermerk", "Zu StA 12/2024-G-0815: Herr Mueller");
    let clerk = server.clerk();
    for query in
        ["Aufwa\u{308}nde", "Aufwand", "sta 12 / 2024 g 815 Lüdenscheidt", "art:geburtsanzeige", "12.3.2024"]
    {
        assert_eq!(ids(&ask(&clerk, query)), [one.as_str()], "{query}");
    }
    for query in ["StA 12/2024-G-0815", "sta 12 / 2024 g 815", "G 815/2024", "0815"] {
        assert_eq!(ids(&ask(&clerk, query)), [one.as_str(), two.as_str()], "{query}");
    }
    let answer = ask(&clerk, "mueller");
    assert_eq!(ids(&answer), [two.as_str(), one.as_str()]);
    assert_eq!(answer["facets"]["kind"], json!([{"value": "Geburtsanzeige", "count": 1}]));
    assert_eq!(answer["hits"][0]["snippet"]["text"], "Zu StA 12/2024-G-0815: Herr Mueller");
    assert_eq!(answer["hits"][0]["snippet"]["marks"], json!([[28, 35]]));
    let stranger = ask(&server.other(stammbuch::access::Role::Registrar), "");
    assert_eq!((ids(&stranger).len(), &stranger["total"]), (0, &json!(0)));
}

#[test]
fn the_index_is_rebuilt_beside_a_server_and_without_one() {
    let server = ServerProcess::start();
    let id = found_later(&server.engine(), "title=Vermerk", "Aufwände");
    let rebuild = |config: &std::path::Path| {
        let program = Command::new(env!("CARGO_BIN_EXE_stammbuch"))
            .arg("rebuild-index")
            .arg("--config")
            .arg(config)
            .output();
        let done = program.unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8(done.stdout).unwrap()
    };
    assert_eq!(rebuild(&server.config_file()), "The running server has rebuilt the search index.\n");
    assert_eq!(ids(&ask(&server.clerk(), "Aufwand")), [id.as_str()]);
    let place = server.kill();
    std::fs::remove_dir_all(place.data_dir().join("index")).unwrap();
    assert_eq!(rebuild(&place.config_file()), "The search index is rebuilt.\n");
    let server = ServerProcess::on(place);
    assert_eq!(ids(&ask(&server.clerk(), "Aufwand")), [id.as_str()]);
}
