//! Direct uploads: a signed request is good for its bytes, once, for a while, and for its client; what was put there
//! becomes a document like any other.

use std::time::Duration;

use serde_json::{Value, json};
use stammbuch::access::Role;
use stammbuch::domain::digest::Sha256;

use super::{binary, content};
use crate::actors::Server;
use crate::actors::bucket::Bucket;
use crate::actors::proxy::{Deed, Proxy};

fn started(bucket: &Bucket) -> Server {
    Server::start_with(|config| {
        bucket.configure(config, &bucket.endpoint.clone());
        config.objects.s3.direct_uploads = true;
    })
}

fn announced(bytes: &[u8]) -> Value {
    json!({"size": bytes.len(), "sha256": Sha256::of(bytes).to_string(), "fileName": "Scan.bin", "title": "Anzeige"})
}

fn ticket(server: &Server, bytes: &[u8]) -> Value {
    server.engine().post("/v1/uploads/direct", &announced(bytes)).expect(201)
}

/// Sends the signed request, or one like it, and gives the store's status.
fn put(ticket: &Value, bytes: &[u8], change: impl FnOnce(&mut String, &mut Vec<(String, String)>)) -> u16 {
    let mut url = ticket["url"].as_str().unwrap().to_owned();
    let headers = ticket["headers"].as_object().unwrap().iter();
    let mut headers: Vec<(String, String)> =
        headers.map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned())).collect();
    change(&mut url, &mut headers);
    let agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(Duration::from_secs(60)))
        .build()
        .new_agent();
    let mut request = ureq::http::Request::builder().method("PUT").uri(url);
    for (name, value) in headers.iter().filter(|(name, _)| name != "content-length") {
        request = request.header(name, value);
    }
    // A store that refuses before it has read the body may close the connection.
    agent.run(request.body(bytes).unwrap()).map_or(400, |answer| answer.status().as_u16())
}

fn complete(server: &Server, ticket: &Value) -> crate::actors::speak::Answer {
    server.engine().send("POST", ticket["complete"].as_str().unwrap(), &[], &[])
}

fn staged(bucket: &Bucket) -> usize {
    bucket.names().iter().filter(|name| name.starts_with("site/staging/")).count()
}

#[test]
fn what_was_put_there_becomes_a_document_once() {
    let Some(bucket) = Bucket::make() else { return };
    let server = started(&bucket);
    for bytes in [binary(1, 1000), binary(2, 3_000_000)] {
        let ticket = ticket(&server, &bytes);
        complete(&server, &ticket).problem(409, "state-conflict");
        assert_eq!(put(&ticket, &bytes, |_, _| {}), 200);
        assert_eq!(staged(&bucket), 1);
        let document = complete(&server, &ticket).expect(201);
        assert_eq!((&document["title"], &document["fileName"]), (&json!("Anzeige"), &json!("Scan.bin")));
        assert_eq!(content(&server, &document).body, bytes);
        assert_eq!(staged(&bucket), 0, "the staged file is gone");
        let again = complete(&server, &ticket);
        assert_eq!(again.expect(201), document);
        assert!(again.header("location").ends_with(document["id"].as_str().unwrap()));
    }
    let objects = bucket.names().iter().filter(|name| name.starts_with("site/o/")).count();
    assert_eq!(objects, 2);
}

#[test]
fn many_that_complete_at_once_get_one_document() {
    let Some(bucket) = Bucket::make() else { return };
    let server = started(&bucket);
    let bytes = binary(3, 200_000);
    let ticket = ticket(&server, &bytes);
    assert_eq!(put(&ticket, &bytes, |_, _| {}), 200);
    let answers: Vec<_> = std::thread::scope(|scope| {
        let calls: Vec<_> = (0..8).map(|_| scope.spawn(|| complete(&server, &ticket))).collect();
        calls.into_iter().map(|call| call.join().unwrap()).collect()
    });
    let documents: Vec<Value> = answers.iter().filter(|a| a.status == 201).map(|a| a.json()).collect();
    assert!(!documents.is_empty());
    for answer in answers.iter().filter(|answer| answer.status != 201) {
        answer.problem(409, "idempotency-in-progress");
    }
    let document = complete(&server, &ticket).expect(201);
    assert!(documents.iter().all(|other| *other == document));
}

#[test]
fn a_signed_request_that_was_changed_or_used_before_is_refused() {
    let Some(bucket) = Bucket::make() else { return };
    let server = started(&bucket);
    let bytes = binary(4, 1000);
    let ticket = ticket(&server, &bytes);
    let refused = |status: u16| assert!((400..500).contains(&status), "{status}");
    refused(put(&ticket, &binary(5, 1000), |_, _| {}));
    refused(put(&ticket, &binary(4, 2000), |_, _| {}));
    refused(put(&ticket, &binary(4, 999), |_, _| {}));
    refused(put(&ticket, &bytes, |url, _| *url = url.replace("/staging/", "/o/")));
    refused(put(&ticket, &bytes, |url, _| *url = url.replace("X-Amz-Expires=900", "X-Amz-Expires=90000")));
    refused(put(&ticket, &bytes, |_, headers| headers.retain(|(name, _)| name != "if-none-match")));
    let other = binary(5, 1000);
    refused(put(&ticket, &other, |url, headers| {
        let digest = |bytes: &[u8]| {
            base64::Engine::encode(&base64::prelude::BASE64_STANDARD, Sha256::of(bytes).as_bytes())
        };
        for (name, value) in headers.iter_mut() {
            if name == "x-amz-checksum-sha256" {
                *value = digest(&other);
            }
        }
        *url = url.replace(&digest(&bytes).replace('=', "%3D"), &digest(&other).replace('=', "%3D"));
    }));
    assert_eq!(staged(&bucket), 0);
    assert_eq!(put(&ticket, &bytes, |_, _| {}), 200);
    refused(put(&ticket, &bytes, |_, _| {}));
    complete(&server, &ticket).expect(201);
    // After completion the name is free again: what is put there once more is nothing but a file to be swept.
    assert_eq!(complete(&server, &ticket).status, 201);
    // No signature reads.
    let url = ticket["url"].as_str().unwrap();
    let read = ureq::get(url).config().http_status_as_error(false).build().call().unwrap();
    refused(read.status().as_u16());
}

#[test]
fn a_ticket_is_its_clients_and_ends() {
    let Some(bucket) = Bucket::make() else { return };
    let server = started(&bucket);
    let bytes = binary(6, 1000);
    let ticket = ticket(&server, &bytes);
    assert_eq!(put(&ticket, &bytes, |_, _| {}), 200);
    let path = ticket["complete"].as_str().unwrap();
    server.other(Role::Engine).send("POST", path, &[], &[]).problem(404, "not-found");
    server.actor(Role::Registrar).send("POST", path, &[], &[]).problem(404, "not-found");
    server.clock.advance(jiff::SignedDuration::from_hours(2));
    complete(&server, &ticket).problem(404, "not-found");
    // One that was completed and put there once more: the answer stays, the file goes.
    let bytes = binary(9, 1000);
    let used = self::ticket(&server, &bytes);
    assert_eq!(put(&used, &bytes, |_, _| {}), 200);
    let document = complete(&server, &used).expect(201);
    bucket.write(&format!("site/staging/{}", used["id"].as_str().unwrap()), &bytes);
    assert_eq!(staged(&bucket), 2);
    server.clock.advance(jiff::SignedDuration::from_hours(2));
    assert_eq!(complete(&server, &used).expect(201), document);
    let place = server.stop();
    // The next start, by the system's clock, sweeps.
    let server = crate::actors::ServerProcess::on(place);
    let began = std::time::Instant::now();
    while staged(&bucket) > 0 {
        assert!(began.elapsed() < super::PATIENCE, "the sweep does not remove the file");
        // sleeps: the sweep runs in the background
        std::thread::sleep(Duration::from_millis(50));
    }
    drop(server);
}

#[test]
fn what_is_not_what_it_was_announced_as_is_refused_and_removed() {
    let Some(bucket) = Bucket::make() else { return };
    let server = started(&bucket);
    let bytes = b"%PDF-1.7\n1 0 obj\nnothing".to_vec();
    let mut lie = announced(&bytes);
    lie["contentType"] = json!("image/png");
    let ticket = server.engine().post("/v1/uploads/direct", &lie).expect(201);
    assert_eq!(put(&ticket, &bytes, |_, _| {}), 200);
    complete(&server, &ticket).problem(415, "media-type-mismatch");
    assert_eq!(staged(&bucket), 0);
    let cases = [
        (json!({"size": 0, "sha256": "0".repeat(64)}), 422, "empty-file"),
        (json!({"size": 1u64 << 40, "sha256": "0".repeat(64)}), 413, "body-too-large"),
        (json!({"size": 1, "sha256": "0"}), 400, "malformed-json"),
        (json!({"size": 1, "sha256": "0".repeat(64), "key": "x"}), 400, "unknown-field"),
        (json!({"size": 1, "sha256": "0".repeat(64), "date": "yesterday"}), 422, "value-invalid"),
    ];
    for (body, status, problem) in cases {
        server.engine().post("/v1/uploads/direct", &body).problem(status, problem);
    }
}

/// A store that takes whatever comes is no way in: the digest is checked when the file is taken in.
#[test]
fn a_store_that_takes_other_bytes_does_not_get_them_into_the_archive() {
    let Some(bucket) = Bucket::make() else { return };
    let server = started(&bucket);
    let bytes = binary(7, 1000);
    let ticket = ticket(&server, &bytes);
    bucket.write(&format!("site/staging/{}", ticket["id"].as_str().unwrap()), &binary(8, 1000));
    complete(&server, &ticket).problem(422, "digest-mismatch");
    assert_eq!(staged(&bucket), 0);
    bucket.write(&format!("site/staging/{}", ticket["id"].as_str().unwrap()), &binary(7, 2000));
    complete(&server, &ticket).problem(400, "body-incomplete");
    assert_eq!(staged(&bucket), 0);
}

#[test]
fn they_are_off_unless_they_are_configured() {
    let server = Server::start();
    server.engine().post("/v1/uploads/direct", &announced(b"x")).problem(404, "not-found");
    let Some(bucket) = Bucket::make() else { return };
    let proxy = Proxy::before(&bucket.endpoint, |_| Deed::Forward);
    let server = Server::start_with(|config| bucket.configure(config, &proxy.url()));
    server.engine().post("/v1/uploads/direct", &announced(b"x")).problem(404, "not-found");
}
