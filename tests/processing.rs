//! From an upload to its text: states, flags, and what a restart in between leaves.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::actors::speak::Actor;
use crate::actors::{Server, ServerProcess};

/// How long a document may take to be read out on a busy machine before a test calls it lost.
const PATIENCE: Duration = Duration::from_secs(60);

fn upload(actor: &Actor, media_type: &str, body: &[u8]) -> String {
    let answer = actor.send("POST", "/v1/documents", &[("Content-Type", media_type)], body);
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.json()["id"].as_str().unwrap().to_owned()
}

/// The document, once it was read out.
fn read_out(actor: &Actor, id: &str) -> Value {
    let began = Instant::now();
    loop {
        let document = actor.get(&format!("/v1/documents/{id}")).json();
        if document.get("extractedAt").is_some() {
            return document;
        }
        assert!(began.elapsed() < PATIENCE, "{document}");
        // sleeps: the interface has no signal for a change of state
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn an_upload_is_read_out_and_says_its_pages_and_words() {
    let server = Server::start();
    let engine = server.engine();
    let id = upload(&engine, "text/plain", "Erste Seite\x0CZweite Seite mit Wörtern".as_bytes());
    let document = read_out(&engine, &id);
    assert_eq!((&document["pages"], &document["words"]), (&2.into(), &6.into()), "{document}");
    assert!(document.get("flag").is_none(), "{document}");
}

#[test]
fn a_file_that_cannot_be_read_is_stored_and_flagged_with_the_reason() {
    let server = Server::start();
    let engine = server.engine();
    let broken = b"%PDF-1.7\n1 0 obj\nnothing".as_slice();
    let cases = [
        ("application/pdf", broken, "damaged"),
        ("image/png", b"\x89PNG\r\n\x1a\nrest".as_slice(), "no-text"),
        ("application/octet-stream", b"\0\x01\x02\x03".as_slice(), "unsupported-type"),
    ];
    for (media_type, file, reason) in cases {
        let id = upload(&engine, media_type, file);
        let document = read_out(&engine, &id);
        assert_eq!(document["flag"]["reason"], reason, "{document}");
        let content = engine.get(&format!("/v1/documents/{id}/content"));
        assert_eq!(content.body, file);
    }
}

#[test]
fn equal_texts_of_different_files_are_both_read_out() {
    let server = Server::start();
    let engine = server.engine();
    let plain = upload(&engine, "text/plain", b"Derselbe Text");
    let html = upload(&engine, "text/html", b"<html><p>Derselbe Text</p></html>");
    for id in [plain, html] {
        assert_eq!(read_out(&engine, &id)["words"], 2);
    }
}

#[test]
fn what_was_stored_before_a_kill_is_read_out_after_the_restart() {
    let process = ServerProcess::start();
    let engine = process.engine();
    let ids: Vec<String> =
        (0..20).map(|n| upload(&engine, "text/plain", format!("Dokument Nummer {n}").as_bytes())).collect();
    let process = ServerProcess::on(process.kill());
    let engine = process.engine();
    for id in ids {
        let document = read_out(&engine, &id);
        assert_eq!((&document["pages"], &document["words"]), (&1.into(), &3.into()), "{document}");
    }
}
