//! Every file goes through the virus scanner, on every way in; what is infected or has no clear answer is not waved
//! through.

mod held;
mod quarantine;
mod refused;
mod scanner;

use std::io::{Cursor, Write as _};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zip::write::SimpleFileOptions;

use crate::actors::Server;
use crate::actors::speak::{Actor, Answer};
use scanner::{eicar, scan, shared};

const FOUND: &str = "Test.Eicar.Body.UNOFFICIAL";
const BYTES: (&str, &str) = ("Content-Type", "application/octet-stream");

/// A server whose files go through the clamd that all tests share.
fn scanning() -> Option<Server> {
    let (socket, _) = shared()?;
    Some(Server::start_with(|config| scan(config, &socket)))
}

fn upload(actor: &Actor, bytes: &[u8]) -> Answer {
    actor.send("POST", "/v1/documents", &[BYTES], bytes)
}

fn upload_once(actor: &Actor, key: &str, bytes: &[u8]) -> Answer {
    actor.send("POST", "/v1/documents", &[BYTES, ("Idempotency-Key", key)], bytes)
}

fn form(actor: &Actor, bytes: &[u8]) -> Answer {
    let head = b"--b\r\nContent-Disposition: form-data; name=\"content\"; filename=\"a.bin\"\r\n\r\n";
    let tail = b"\r\n--b\r\nContent-Disposition: form-data; name=\"title\"\r\n\r\nAnzeige\r\n--b--\r\n";
    let body = [head.as_slice(), bytes, tail].concat();
    actor.send("POST", "/v1/documents", &[("Content-Type", "multipart/form-data; boundary=b")], &body)
}

/// Sends the file by tus in two pieces, and gives the last answer and the upload's path.
fn tus(actor: &Actor, bytes: &[u8]) -> (Answer, String) {
    let resumable = ("Tus-Resumable", "1.0.0");
    let length = bytes.len().to_string();
    let title = format!("title {}", STANDARD.encode("Anzeige"));
    let headers = [resumable, ("Upload-Length", length.as_str()), ("Upload-Metadata", title.as_str())];
    let begun = actor.send("POST", "/v1/uploads", &headers, &[]);
    begun.expect(201);
    let path = begun.header("location").to_owned();
    let patch = |offset: usize, bytes: &[u8]| {
        let offset = offset.to_string();
        let kind = ("Content-Type", "application/offset+octet-stream");
        actor.send("PATCH", &path, &[resumable, kind, ("Upload-Offset", offset.as_str())], bytes)
    };
    let half = bytes.len() / 2;
    assert_eq!(patch(0, &bytes[..half]).status, 204);
    (patch(half, &bytes[half..]), path)
}

fn zipped(bytes: &[u8]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    zip.start_file("Anlage/a.com", SimpleFileOptions::default()).unwrap();
    zip.write_all(bytes).unwrap();
    zip.finish().unwrap().into_inner()
}

#[test]
fn what_is_clean_passes_on_every_way_in() {
    let Some(server) = scanning() else { return };
    let engine = server.engine();
    let text = "Anzeige der Geburt\n".repeat(20_000).into_bytes();
    for answer in [upload(&engine, &text), form(&engine, &text), upload(&engine, &zipped(&text))] {
        let document = answer.expect(201);
        let path = format!("/v1/documents/{}/content", document["id"].as_str().unwrap());
        assert_eq!(server.clerk().get(&path).status, 200);
    }
    let (last, _) = tus(&engine, &text);
    let path = format!("{}/content", last.header("document-location"));
    assert!(server.clerk().get(&path).body == text);
    let metrics = server.citizen().get("/metrics");
    assert!(metrics.text().contains("stammbuch_scans_total{verdict=\"clean\"} 4"), "{}", metrics.text());
}

#[test]
fn what_is_infected_is_refused_by_the_name_of_what_was_found_on_every_way_in() {
    let Some(server) = scanning() else { return };
    let engine = server.engine();
    let hidden = [vec![b'a'; 300_000], eicar(), vec![b'z'; 300_000]].concat();
    for bytes in [eicar(), hidden.clone(), zipped(&eicar())] {
        for answer in [upload(&engine, &bytes), form(&engine, &bytes), tus(&engine, &bytes).0] {
            assert_eq!(answer.problem(422, "infected")["got"], FOUND);
        }
    }
    let (_, path) = tus(&engine, &hidden);
    assert_eq!(engine.send("HEAD", &path, &[("Tus-Resumable", "1.0.0")], &[]).status, 404);
    let metrics = server.citizen().get("/metrics");
    assert!(metrics.text().contains("stammbuch_scans_total{verdict=\"infected\"} 10"), "{}", metrics.text());
    assert!(!metrics.text().contains(FOUND));
}

#[test]
fn clamd_is_reached_by_its_port_too() {
    let Some((_, port)) = shared() else { return };
    let server = Server::start_with(|config| {
        config.scan.address = format!("tcp:127.0.0.1:{port}").try_into().unwrap();
    });
    upload(&server.engine(), b"Anzeige").expect(201);
    upload(&server.engine(), &eicar()).problem(422, "infected");
    assert_eq!(server.citizen().get("/health/ready").expect(200)["parts"]["scanner"]["status"], "ok");
}

#[test]
fn many_at_once_each_get_the_answer_to_their_own_file() {
    let Some(server) = scanning() else { return };
    let bodies: Vec<Vec<u8>> = (0..40)
        .map(|n| {
            let text = format!("Anzeige {n}\n").repeat(5000).into_bytes();
            if n % 3 == 0 { [text, eicar()].concat() } else { text }
        })
        .collect();
    std::thread::scope(|scope| {
        let (server, bodies) = (&server, &bodies);
        for worker in 0..8 {
            scope.spawn(move || {
                for n in (worker..bodies.len()).step_by(8) {
                    let expected = if n % 3 == 0 { 422 } else { 201 };
                    assert_eq!(upload(&server.engine(), &bodies[n]).status, expected, "{n}");
                }
            });
        }
    });
}

#[test]
fn without_a_scanner_files_are_taken_and_readiness_says_so() {
    let server = Server::start();
    upload(&server.engine(), &eicar()).expect(201);
    let part = &server.citizen().get("/health/ready").expect(200)["parts"]["scanner"];
    assert_eq!(*part, serde_json::json!({ "status": "ok", "why": "off: files are not scanned" }));
    assert!(!server.citizen().get("/metrics").text().contains("stammbuch_scans_total"));
}
