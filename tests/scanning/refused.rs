//! Where unscanned files are refused: no clear answer, no document, and the sender learns whether to come again.

use serde_json::json;

use super::scanner::{Clamd, Liar, Plays, eicar, scan};
use super::{scanning, tus, upload, upload_once};
use crate::actors::Server;
use crate::census;

#[test]
fn a_scanner_that_is_away_refuses_and_keeps_nothing_until_it_is_back() {
    let Some(clamd) = Clamd::started() else { return };
    let server = Server::start_with(|config| scan(config, &clamd.socket()));
    let engine = server.engine();
    let first = upload_once(&engine, "k-1", b"Anzeige").expect(201);
    clamd.stop();
    let before = census::of(&server);
    for bytes in [b"Anzeige".to_vec(), b"Brief".to_vec(), eicar()] {
        let refused = upload(&engine, &bytes);
        refused.problem(503, "not-scanned");
        assert_eq!(refused.header("retry-after"), "30");
    }
    assert_eq!(upload_once(&engine, "k-1", b"Anzeige").expect(201), first, "who was answered is answered");
    upload_once(&engine, "k-2", b"Brief").problem(503, "not-scanned");
    assert_eq!(census::settled(&server, before), before);
    let health = server.citizen().get("/health/ready").expect(503);
    let failed = json!({ "status": "failed", "why": "does not answer: uploads are refused" });
    assert_eq!(health["parts"]["scanner"], failed);
    clamd.start();
    upload_once(&engine, "k-2", b"Brief").expect(201);
    upload(&engine, &eicar()).problem(422, "infected");
}

#[test]
fn an_upload_in_pieces_waits_complete_until_the_scanner_is_back() {
    let Some(clamd) = Clamd::away() else { return };
    let server = Server::start_with(|config| scan(config, &clamd.socket()));
    let engine = server.engine();
    let bytes = b"Anzeige der Geburt".repeat(1000);
    let (refused, path) = tus(&engine, &bytes);
    refused.problem(503, "not-scanned");
    let head = || engine.send("HEAD", &path, &[("Tus-Resumable", "1.0.0")], &[]);
    assert_eq!((head().status, census::of(&server).documents), (423, 0));
    clamd.start();
    let document = head().header("document-location").to_owned();
    assert!(server.clerk().get(&format!("{document}/content")).body == bytes);
}

#[test]
fn a_scanner_that_cuts_lies_or_stays_silent_has_not_said_clean() {
    let cases = [
        Plays::Says(b""),
        Plays::Says(b"stream: OK"),
        Plays::Says(b"stream: OK\0stream: OK\0"),
        Plays::Says(b"OK\0"),
        Plays::Says(b"stream: Can't open file ERROR\0"),
        Plays::Says(b"HTTP/1.1 200 OK\r\n\r\n"),
        Plays::CutsAfter(0),
        Plays::CutsAfter(12),
        Plays::CutsAfter(100_000),
        Plays::Silent,
    ];
    for plays in cases {
        let liar = Liar::new(plays);
        let server = Server::start_with(|config| {
            scan(config, &liar.socket());
            config.scan.answer_seconds = 1;
        });
        let before = census::of(&server);
        upload(&server.engine(), &b"Anzeige".repeat(50_000)).problem(503, "not-scanned");
        assert_eq!(census::settled(&server, before), before);
    }
}

/// More than `StreamMaxLength` of `counterparts/clamd.sh`, and more than `scan.bytes_max`.
#[test]
fn a_file_larger_than_the_scanner_takes_is_refused_for_good() {
    let Some(server) = scanning() else { return };
    let large = vec![b'a'; 21 << 20];
    upload(&server.engine(), &large).problem(422, "unscannable");
    let (refused, path) = tus(&server.engine(), &large);
    refused.problem(422, "unscannable");
    let head = server.engine().send("HEAD", &path, &[("Tus-Resumable", "1.0.0")], &[]);
    assert_eq!((head.status, census::of(&server).documents), (404, 0), "it will never become a document");
    let Some((socket, _)) = super::shared() else { return };
    let server = Server::start_with(|config| {
        scan(config, &socket);
        config.scan.bytes_max = 1000;
    });
    upload(&server.engine(), &vec![b'a'; 1000]).expect(201);
    upload(&server.engine(), &vec![b'a'; 1001]).problem(422, "unscannable");
}
