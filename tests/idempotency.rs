//! The same upload again, as a process engine sends it that saw no answer: at the same time, after a time-out, after a
//! connection that broke, a week later.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::net::TcpStream;
use std::sync::Barrier;

use jiff::SignedDuration;
use stammbuch::access::Role;

use crate::actors::Server;
use crate::actors::desk::{desk, order};
use crate::actors::speak::{Actor, Answer};
use crate::census;

const AT_ONCE: usize = 50;
const TEXT: &str = "Geburtsanzeige der Klinik\n";
const WEEK: SignedDuration = SignedDuration::from_hours(7 * 24);

fn form(boundary: &str) -> (String, String) {
    let body = format!(
        "--{boundary}\r\nContent-Disposition: form-data; name=\"title\"\r\n\r\nAnzeige\r\n--{boundary}\r\n\
         Content-Disposition: form-data; name=\"content\"; filename=\"a.txt\"\r\n\r\n{TEXT}\r\n--{boundary}--\r\n"
    );
    (format!("multipart/form-data; boundary={boundary}"), body)
}

fn upload(actor: &Actor, key: &str, body: &str) -> Answer {
    let headers = [("Content-Type", "text/plain"), ("Idempotency-Key", key)];
    actor.send("POST", "/v1/documents", &headers, body.as_bytes())
}

/// What must be the same in two answers to one request: the order of headers means nothing.
fn essence(answer: &Answer) -> (u16, BTreeSet<(String, String)>, String) {
    let own = ["date", "x-request-id"];
    let headers = answer.headers.iter().filter(|(name, _)| !own.contains(&name.as_str())).cloned();
    (answer.status, headers.collect(), answer.text().to_owned())
}

/// Sends `AT_ONCE` requests at the same moment; all must get the answer of one new document.
fn all_at_once(server: &Server, send: impl Fn(usize) -> Answer + Sync) {
    let before = census::of(server);
    let start = Barrier::new(AT_ONCE);
    let answers: Vec<Answer> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..AT_ONCE)
            .map(|n| {
                let (start, send) = (&start, &send);
                scope.spawn(move || {
                    start.wait();
                    send(n)
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let first = essence(&answers[0]);
    assert_eq!(first.0, 201, "{}", answers[0].text());
    for answer in &answers {
        assert_eq!(essence(answer), first);
    }
    // The text of the document may be on its way to the store.
    let after = census::settled_by(server, |census| census.staged == 0);
    assert_eq!(
        (after.documents, after.keys_of_requests),
        (before.documents + 1, before.keys_of_requests + 1)
    );
    assert_eq!((after.keys, after.staged), (before.keys + 1, 0));
}

#[test]
fn fifty_of_the_same_at_once_are_one_document_and_one_answer() {
    let server = Server::start();
    let engine = server.engine();
    all_at_once(&server, |_| upload(&engine, "raw", TEXT));
}

#[test]
fn fifty_forms_with_boundaries_of_their_own_are_one_document_and_one_answer() {
    let server = Server::start();
    let engine = server.engine();
    all_at_once(&server, |n| {
        let (content_type, body) = form(&format!("boundary-{n}"));
        let headers = [("Content-Type", content_type.as_str()), ("Idempotency-Key", "form")];
        engine.send("POST", "/v1/documents", &headers, body.as_bytes())
    });
}

#[test]
fn of_different_requests_under_one_key_at_once_one_is_taken_and_the_others_are_refused() {
    let server = Server::start();
    let engine = server.engine();
    let answers: Vec<Answer> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|n| {
                let engine = &engine;
                scope.spawn(move || upload(engine, "k", &format!("text {}", n % 2)))
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let (taken, refused): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 201);
    assert_eq!((taken.len(), refused.len()), (4, 4), "{answers:?}");
    assert!(taken.iter().all(|answer| answer.body == taken[0].body));
    for answer in refused {
        answer.problem(422, "idempotency-key-reused");
    }
    assert_eq!(census::of(&server).documents, 1);
}

/// Sends an upload and hangs up after `sent` bytes of its body without reading the answer.
fn hang_up(server: &Server, key: &str, sent: usize) {
    let host = server.url().trim_start_matches("http://");
    let mut connection = TcpStream::connect(host).unwrap();
    write!(
        connection,
        "POST /v1/documents HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {}\r\nContent-Type: text/plain\r\n\
         Idempotency-Key: {key}\r\nContent-Length: {}\r\n\r\n{}",
        server.engine().token(),
        TEXT.len(),
        &TEXT[..sent]
    )
    .unwrap();
}

#[test]
fn who_did_not_hear_the_answer_asks_again_and_gets_it() {
    let server = Server::start();
    hang_up(&server, "k", TEXT.len());
    let there = census::settled_by(&server, |census| census.documents == 1);
    assert_eq!((there.documents, there.keys_of_requests), (1, 1));
    let again = upload(&server.engine(), "k", TEXT);
    again.expect(201);
    assert_eq!(essence(&again), essence(&upload(&server.engine(), "k", TEXT)));
    upload(&server.engine(), "k", "other").problem(422, "idempotency-key-reused");
    let after = census::of(&server);
    assert_eq!((after.documents, after.keys_of_requests, after.keys), (1, 1, 1));
}

#[test]
fn a_first_one_that_broke_off_keeps_nobody_waiting() {
    let server = Server::start();
    hang_up(&server, "k", TEXT.len() / 2);
    upload(&server.engine(), "k", TEXT).expect(201);
    let after = census::settled_by(&server, |census| census.staged == 0);
    assert_eq!((after.documents, after.keys, after.staged), (1, 1, 0));
}

#[test]
fn what_was_refused_leaves_its_key_free() {
    let server = Server::start();
    let headers = [("Content-Type", "application/pdf"), ("Idempotency-Key", "k")];
    let lie = server.engine().send("POST", "/v1/documents", &headers, TEXT.as_bytes());
    lie.problem(415, "media-type-mismatch");
    upload(&server.engine(), "k", "other").expect(201);
}

#[test]
fn the_key_is_one_of_its_authority_client_and_route() {
    let server = desk();
    let first = upload(&server.engine(), "k", TEXT).expect(201);
    let clerks = upload(&server.clerk(), "k", "the clerk's").expect(201);
    let theirs = upload(&server.other(Role::Engine), "k", "the other authority's").expect(201);
    assert!(first["id"] != clerks["id"] && first["id"] != theirs["id"]);
    server.engine().post_once("/v1/orders", "k", &order("815")).expect(202);
    server.registrar().post_once("/v1/certificates", "k", &order("815")).expect(201);
    assert_eq!(upload(&server.engine(), "k", TEXT).expect(201), first);
    assert_eq!(census::of(&server).documents, 3);
}

#[test]
fn a_key_is_kept_for_seven_days_and_not_longer() {
    let server = Server::start();
    let first = upload(&server.engine(), "k", TEXT);
    server.clock.advance(WEEK - SignedDuration::from_secs(1));
    assert_eq!(essence(&upload(&server.engine(), "k", TEXT)), essence(&first));
    upload(&server.engine(), "k", "other").problem(422, "idempotency-key-reused");
    server.clock.advance(SignedDuration::from_secs(1));
    let other = upload(&server.engine(), "k", "other").expect(201);
    assert_ne!(other["id"], first.expect(201)["id"]);
    upload(&server.engine(), "k", TEXT).problem(422, "idempotency-key-reused");
}

#[test]
fn keys_whose_time_is_over_are_forgotten_at_the_next_start() {
    let server = Server::start();
    upload(&server.engine(), "k", TEXT).expect(201);
    let place = server.stop();
    assert_eq!(census::of(&place).keys_of_requests, 1);
    let later = Server::on_at(place, crate::actors::noon() + WEEK);
    let after = census::settled_by(&later, |census| census.keys_of_requests == 0);
    assert_eq!((after.keys_of_requests, after.documents), (0, 1));
}
