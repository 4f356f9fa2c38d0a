//! Who may see a document, and holds: set and lifted over HTTP, heeded by every route and by the search.

use std::process::Command;

use serde_json::{Value, json};
use stammbuch::access::Role;

use crate::actors::speak::Actor;
use crate::actors::{Server, ServerProcess, desk};
use crate::search::{ask, found_later, ids};

const ROUTES: [&str; 3] = ["", "/content", "/text"];

fn path(id: &str) -> String {
    format!("/v1/documents/{id}")
}

fn restrict(actor: &Actor, id: &str, levels: &[&str]) {
    let body = json!({"levels": levels, "reason": "Antrag vom 3.5.2026"});
    assert_eq!(actor.put(&format!("{}/restriction", path(id)), &body).status, 204);
}

/// Nothing of the document is there for the actor: no route has it, no search counts it.
fn is_hidden_from(actor: &Actor, id: &str) {
    for route in ROUTES {
        actor.get(&format!("{}{route}", path(id))).problem(404, "not-found");
    }
    if actor.get("/v1/search?q=").status == 200 {
        for query in ["Lüdenscheidt", "0815", ""] {
            let answer = ask(actor, query);
            assert_eq!((ids(&answer).len(), &answer["total"]), (0, &json!(0)), "{query}: {answer}");
            assert_eq!(answer["facets"], json!({"kind": [], "year": []}), "{query}");
        }
    }
}

fn is_visible_for(actor: &Actor, id: &str) {
    for route in ROUTES {
        assert_eq!(actor.get(&format!("{}{route}", path(id))).status, 200, "{route}");
    }
    if actor.get("/v1/search?q=").status == 200 {
        assert_eq!(ids(&ask(actor, "Lüdenscheidt")), [id]);
    }
}

#[test]
fn a_restricted_document_is_there_for_registrars_only_also_after_a_rebuild() {
    let server = ServerProcess::start();
    let query = "reference=StA%2012%2F2024-G-0815&kind=Geburtsanzeige&date=2024-03-12";
    let id = found_later(&server.engine(), query, "Frau Müller-Lüdenscheidt");
    for actor in [server.engine(), server.clerk(), server.registrar()] {
        is_visible_for(&actor, &id);
    }
    restrict(&server.clerk(), &id, &["T", "A"]);
    let hidden = |server: &ServerProcess| {
        for actor in [server.engine(), server.clerk()] {
            is_hidden_from(&actor, &id);
        }
        assert_eq!(server.registrar().get(&path(&id)).expect(200)["restriction"], json!(["A", "T"]));
        assert_eq!(ids(&ask(&server.registrar(), "")), [&id]);
    };
    hidden(&server);
    let rebuild = Command::new(env!("CARGO_BIN_EXE_stammbuch"))
        .arg("rebuild-index")
        .arg("--config")
        .arg(server.config_file())
        .output();
    assert!(rebuild.unwrap().status.success());
    hidden(&server);
    let body = json!({"levels": [], "reason": "aufgehoben"});
    server.clerk().put(&format!("{}/restriction", path(&id)), &body).problem(404, "not-found");
    restrict(&server.registrar(), &id, &[]);
    while ids(&ask(&server.clerk(), "")).is_empty() {
        std::thread::yield_now();
    }
    is_visible_for(&server.clerk(), &id);
}

#[test]
fn a_document_is_sealed_with_its_entry_whichever_came_first() {
    let server = desk::desk();
    let upload = |entry: &str, text: &str| {
        let path = format!("/v1/documents?entry=G%2F06499001%2F2024%2F{entry}");
        let answer = server.engine().send("POST", &path, &[("Content-Type", "text/plain")], text.as_bytes());
        answer.expect(201)["id"].as_str().unwrap().to_owned()
    };
    let (before, other) = (upload("815", "vorher"), upload("816", "andere"));
    let copy = |locks: Value| {
        let copy = json!({"locks": locks});
        let mut whole = desk::copy();
        whole["locks"] = copy["locks"].clone();
        let status = server.engine().put(&desk::entry_path("815"), &whole).status;
        assert!(matches!(status, 200 | 201), "{status}");
    };
    copy(
        json!([{"kind": "sperrvermerk", "since": "2026-05-01"}, {"kind": "stilllegung", "since": "2026-05-01"}]),
    );
    let after = upload("815", "nachher");
    for id in [&before, &after] {
        server.clerk().get(&path(id)).problem(404, "not-found");
        let seen = server.registrar().get(&path(id)).expect(200);
        assert_eq!(seen["restriction"], json!(["sperrvermerk"]));
    }
    server.clerk().get(&path(&other)).expect(200);
    copy(json!([{"kind": "adoption", "since": "2026-05-01"}]));
    server.clerk().get(&path(&before)).problem(404, "not-found");
    copy(json!([]));
    for id in [&before, &after] {
        server.clerk().get(&path(id)).expect(200);
    }
}

#[test]
fn holds_are_placed_listed_and_lifted_one_by_one() {
    let server = Server::start();
    let answer = server.engine().send("POST", "/v1/documents", &[("Content-Type", "text/plain")], b"Akte");
    let id = answer.expect(201)["id"].as_str().unwrap().to_owned();
    let holds = format!("{}/holds", path(&id));
    let place = |actor: Actor, reason: &str| actor.post(&holds, &json!({"reason": reason})).expect(201);
    let one = place(server.clerk(), "Rechtsstreit 7 K 12/26");
    let two = place(server.registrar(), "Prüfung");
    let listed = server.clerk().get(&path(&id)).expect(200)["holds"].clone();
    let listed = listed.as_array().unwrap();
    assert!(listed.len() == 2 && listed.contains(&one) && listed.contains(&two), "{listed:?}");
    assert_eq!((&one["placedBy"], &two["placedBy"]), (&json!("clerk-one"), &json!("Erika Beispiel")));

    let lift = format!("{holds}/{}/lift", one["id"].as_str().unwrap());
    let why = json!({"reason": "Urteil rechtskräftig"});
    server.clerk().post(&lift, &why).problem(403, "role-missing");
    server.other(Role::Registrar).post(&lift, &why).problem(404, "not-found");
    assert_eq!(server.registrar().post(&lift, &why).status, 204);
    server.registrar().post(&lift, &why).problem(404, "not-found");
    assert_eq!(server.clerk().get(&path(&id)).expect(200)["holds"], json!([two]));
}

#[test]
fn what_is_no_restriction_or_reason_is_refused_and_nothing_changes() {
    let server = Server::start();
    let answer = server.engine().send("POST", "/v1/documents", &[("Content-Type", "text/plain")], b"Akte");
    let id = answer.expect(201)["id"].as_str().unwrap().to_owned();
    let (restriction, holds) = (format!("{}/restriction", path(&id)), format!("{}/holds", path(&id)));
    let clerk = server.clerk();
    for (body, status, name) in [
        (json!({"levels": ["E"], "reason": "x"}), 422, "value-invalid"),
        (json!({"levels": ["A"], "reason": " "}), 422, "value-invalid"),
        (json!({"levels": ["A"]}), 400, "malformed-json"),
        (json!({"levels": "A", "reason": "x"}), 400, "malformed-json"),
        (json!({"levels": ["A"], "reason": "x", "until": 1}), 400, "unknown-field"),
    ] {
        clerk.put(&restriction, &body).problem(status, name);
    }
    clerk.post(&holds, &json!({"reason": "a\nb"})).problem(422, "value-invalid");
    clerk.post(&holds, &json!({"reason": "x".repeat(1001)})).problem(422, "value-invalid");
    let seen = clerk.get(&path(&id)).expect(200);
    assert!(seen.get("restriction").is_none() && seen.get("holds").is_none(), "{seen}");
    let body = json!({"levels": ["A"], "reason": "x"});
    server.other(Role::Clerk).put(&restriction, &body).problem(404, "not-found");
    server.other(Role::Clerk).post(&holds, &json!({"reason": "x"})).problem(404, "not-found");
}
