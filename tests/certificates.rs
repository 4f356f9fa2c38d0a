//! Certificates from order to delivery over HTTP: issued once, handed over to their authority only.

mod kill;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use stammbuch::access::Role;
use stammbuch::domain::digest::Sha256;
use stammbuch::tlog::{Leaf, LeafKind, Proof, VerifierKey};

use crate::actors::Server;
use crate::actors::desk::{copy, desk, entry_path, order};

fn issue(server: &Server, key: &str) -> Value {
    server.registrar().post_once("/v1/certificates", key, &order("815")).expect(201)
}

fn path(issued: &Value, rest: &str) -> String {
    format!("/v1/certificates/{}{rest}", issued["id"].as_str().unwrap())
}

fn log_key(server: &Server) -> VerifierKey {
    let text = std::fs::read_to_string(server.data_dir().join("keys/log.key")).unwrap();
    stammbuch::tlog::LogSigner::parse(&text).unwrap().verifier().clone()
}

#[test]
fn a_certificate_is_issued_handed_over_and_proves_its_place_in_the_log() {
    let server = desk();
    let issued = issue(&server, "a");
    assert_eq!((&issued["revision"], &issued["logIndex"]), (&json!(1), &json!(0)));
    assert!(issued["verifyUrl"].as_str().unwrap().contains("/v/"));
    let pdf = server.registrar().get(&path(&issued, "/pdf"));
    let digest = Sha256::of(&pdf.body);
    assert_eq!(issued["sha256"], digest.to_string());
    assert_eq!(pdf.header("content-type"), "application/pdf");
    assert_eq!(pdf.header("etag"), format!("\"{digest}\""));
    assert_eq!(pdf.header("repr-digest"), format!("sha-256=:{}:", STANDARD.encode(digest.as_bytes())));
    assert_eq!(server.engine().get(&path(&issued, "/pdf?revision=1")).body, pdf.body);
    for (tags, status) in [
        (pdf.header("etag").to_owned(), 304),
        (format!("\"x\", W/\"{digest}\""), 304),
        (format!("\"x{digest}\""), 200),
    ] {
        let answer =
            server.engine().send("GET", &path(&issued, "/pdf"), &[("If-None-Match", tags.as_str())], &[]);
        assert_eq!(
            (answer.status, answer.body.len()),
            (status, if status == 200 { pdf.body.len() } else { 0 })
        );
    }
    let proof = server.clerk().get(&path(&issued, "/proof"));
    let proof = Proof::parse(&proof.body).unwrap();
    let seal_digest: Sha256 = issued["sealDigest"].as_str().unwrap().parse().unwrap();
    let leaf = Leaf::new(LeafKind::Issued, &proof.salt().unwrap(), &seal_digest);
    assert_eq!(proof.verify(&[log_key(&server)], &leaf).unwrap().index, 0);
    assert_eq!(server.clerk().get(&path(&issued, "")).expect(200), issued);
}

#[test]
fn what_is_handed_over_is_of_this_authority_and_exists() {
    let server = desk();
    let issued = issue(&server, "a");
    for rest in ["", "/pdf", "/proof"] {
        server.other(Role::Registrar).get(&path(&issued, rest)).problem(404, "not-found");
        server.citizen().get(&path(&issued, rest)).problem(401, "token-missing");
        server.clerk().get(&format!("/v1/certificates/{}{rest}", "0".repeat(32))).problem(404, "not-found");
    }
    server.clerk().get(&path(&issued, "/pdf?revision=2")).problem(404, "not-found");
    server.clerk().get(&path(&issued, "/pdf?page=2")).problem(400, "unknown-field");
}

#[test]
fn the_same_key_gives_the_same_certificate_another_body_none_and_no_key_is_refused() {
    let server = desk();
    let issued = issue(&server, "a");
    assert_eq!(issue(&server, "a"), issued);
    let mut other = order("815");
    other["omit"] = json!(["sex"]);
    server.registrar().post_once("/v1/certificates", "a", &other).problem(422, "idempotency-key-reused");
    server.registrar().post("/v1/certificates", &order("815")).problem(400, "idempotency-key-missing");
    assert_eq!(issue(&server, "b")["logIndex"], 1);
}

#[test]
fn many_registrars_at_once_issue_as_many_certificates_and_places_in_the_log() {
    let server = desk();
    let issued: Vec<Value> = std::thread::scope(|scope| {
        let server = &server;
        let threads: Vec<_> =
            (0..8).map(|n| scope.spawn(move || issue(server, &format!("k{}", n / 2)))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let numbers: std::collections::BTreeSet<&str> =
        issued.iter().map(|one| one["number"].as_str().unwrap()).collect();
    assert_eq!(numbers.len(), 4, "two with the same key are one");
    let places: std::collections::BTreeSet<u64> =
        issued.iter().map(|one| one["logIndex"].as_u64().unwrap()).collect();
    assert_eq!(places, (0..4).collect());
}

#[test]
fn an_electronic_certificate_comes_from_the_registrar_who_released_it() {
    let server = desk();
    let mut electronic = order("815");
    electronic["kind"] = "geburtsbescheinigung".into();
    electronic["medium"] = "electronic".into();
    let issued = server.registrar().post_once("/v1/certificates", "e", &electronic).expect(201);
    let pdf = server.registrar().get(&path(&issued, "/pdf")).body;
    assert!(String::from_utf8_lossy(&pdf).contains("/DocMDP"));
}

#[test]
fn after_a_restart_what_was_issued_is_the_same_and_the_log_goes_on() {
    let server = desk();
    let first = issue(&server, "a");
    let pdf = server.registrar().get(&path(&first, "/pdf")).body;
    let server = Server::on(server.stop());
    assert_eq!(issue(&server, "a"), first);
    assert_eq!(server.registrar().get(&path(&first, "/pdf")).body, pdf);
    assert_eq!(issue(&server, "b")["logIndex"], 1);
}

#[test]
fn what_was_left_out_is_nowhere_in_the_request_and_a_stale_copy_is_refused() {
    let server = desk();
    let mut without = order("815");
    without["omit"] = json!(["sex", "parents"]);
    server.registrar().post_once("/v1/certificates", "o", &without).expect(201);
    server.clock.advance(jiff::SignedDuration::from_hours(24 * 31));
    let problem =
        server.registrar().post_once("/v1/certificates", "s", &order("815")).problem(422, "issue-refused");
    assert_eq!(problem["rule"], "veraltete-abschrift");
    let mut fresh = copy();
    fresh["asOf"] = "2026-06-03".into();
    server.engine().put(&entry_path("815"), &fresh).expect(201);
    server.registrar().post_once("/v1/certificates", "f", &order("815")).expect(201);
}

#[test]
fn a_certificate_whose_stored_bytes_are_damaged_or_gone_is_not_handed_over_and_the_problem_says_so() {
    let server = desk();
    let files = || {
        let inside = |folder: std::path::PathBuf| {
            let entries = std::fs::read_dir(folder).into_iter().flatten();
            entries.map(|entry| entry.unwrap().path()).collect::<Vec<_>>()
        };
        inside(server.data_dir().join("objects/o")).into_iter().flat_map(inside).collect()
    };
    let before: std::collections::BTreeSet<std::path::PathBuf> = files();
    let issued = issue(&server, "a");
    let after: std::collections::BTreeSet<std::path::PathBuf> = files();
    let new: Vec<_> = after.difference(&before).collect();
    let [file] = new.as_slice() else { panic!("one certificate is one object: {new:?}") };
    let pdf = server.registrar().get(&path(&issued, "/pdf"));
    assert_eq!(pdf.status, 200);
    let bytes = std::fs::read(file).unwrap();
    let mut flipped = bytes.clone();
    *flipped.last_mut().unwrap() ^= 1;
    for damaged in [&flipped[..], &bytes[..bytes.len() - 1], &bytes[..20], b""] {
        std::fs::write(file, damaged).unwrap();
        server.registrar().get(&path(&issued, "/pdf")).problem(500, "content-damaged");
        // What is known without the file is answered as before.
        assert_eq!(server.registrar().get(&path(&issued, "")).expect(200), issued);
    }
    std::fs::remove_file(file).unwrap();
    server.registrar().get(&path(&issued, "/pdf")).problem(500, "content-damaged");
    std::fs::write(file, &bytes).unwrap();
    assert_eq!(server.registrar().get(&path(&issued, "/pdf")).body, pdf.body);
}
