//! A proxy before the store answers errors, breaks off, changes bytes and tags: what is acknowledged is whole, the rest
//! is a clear 503 and leaves nothing, and no wrong byte is given out.

use serde_json::json;

use super::{binary, content, upload, upload_at_last};
use crate::actors::Server;
use crate::actors::bucket::Bucket;
use crate::actors::desk::{copy, entry_path, order};
use crate::actors::proxy::{Deed, Proxy, Request};

fn answer(status: &str, code: &str) -> String {
    let body = format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>no</Message></Error>");
    format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len())
}

fn is_object(request: &Request) -> bool {
    request.target.contains("/site/o/")
}

/// A server whose store is behind a proxy that only forwards, so far.
fn behind_a_proxy() -> Option<(Bucket, Proxy, Server)> {
    let bucket = Bucket::make()?;
    let proxy = Proxy::before(&bucket.endpoint, |_| Deed::Forward);
    let server = Server::start_with(|config| bucket.configure(config, &proxy.url()));
    Some((bucket, proxy, server))
}

fn objects(bucket: &Bucket) -> usize {
    bucket.names().iter().filter(|name| name.starts_with("site/o/")).count()
}

#[test]
fn a_store_that_cannot_write_is_503_and_nothing_is_half_done() {
    let Some((bucket, proxy, server)) = behind_a_proxy() else { return };
    let faults: [(&str, &str, &str); 4] = [
        ("a", "500 Internal Server Error", "InternalError"),
        ("b", "503 Slow Down", "SlowDown"),
        ("c", "400 Bad Request", "BadDigest"),
        ("d", "403 Forbidden", "AccessDenied"),
    ];
    let mut kept = Vec::new();
    for (number, (key, status, code)) in (0..).zip(faults) {
        for length in [1000, 700_000] {
            let (key, bytes) = (format!("{key}{length}"), binary(number, length));
            let said = answer(status, code);
            proxy.rule(move |request| match request.method.as_str() {
                "PUT" if is_object(request) => Deed::Answer(said.clone()),
                _ => Deed::Forward,
            });
            let refused = upload(&server, &key, &bytes);
            refused.problem(503, "unavailable");
            assert!(refused.header("retry-after").parse::<u32>().is_ok_and(|seconds| seconds > 0));
            assert_eq!(objects(&bucket), kept.len(), "{key}");
            proxy.rule(|_| Deed::Forward);
            kept.push((upload_at_last(&server, &key, &bytes), bytes));
        }
    }
    assert_eq!(objects(&bucket), kept.len());
    for (document, bytes) in kept {
        assert_eq!(content(&server, &document).body, bytes);
    }
}

#[test]
fn lost_and_broken_answers_leave_one_document_or_a_503() {
    let Some((bucket, proxy, server)) = behind_a_proxy() else { return };
    let rules: [fn(&mut Request) -> Deed; 3] = [
        |_| Deed::Lose,
        |_| Deed::Change(|answer| answer[..answer.len() / 2].to_vec()),
        |_| Deed::Answer("<html>not a store at all</html>".into()),
    ];
    let mut kept = Vec::new();
    for (number, rule) in (0..).zip(rules) {
        let (key, bytes) = (format!("k{number}"), binary(number, 300_000));
        proxy.rule(
            move |request| {
                if request.method == "PUT" && is_object(request) { rule(request) } else { Deed::Forward }
            },
        );
        let answer = upload(&server, &key, &bytes);
        if answer.status != 201 {
            answer.problem(503, "unavailable");
        }
        proxy.rule(|_| Deed::Forward);
        kept.push((upload_at_last(&server, &key, &bytes), bytes));
    }
    assert_eq!(
        objects(&bucket),
        kept.len(),
        "what was written without an answer was removed or is the document"
    );
    for (document, bytes) in kept {
        assert_eq!(content(&server, &document).body, bytes);
    }
}

fn flip_the_last_byte(mut answer: Vec<u8>) -> Vec<u8> {
    if let Some(last) = answer.last_mut() {
        *last ^= 1;
    }
    answer
}

#[test]
fn wrong_bytes_are_never_given_out() {
    let Some((_bucket, proxy, server)) = behind_a_proxy() else { return };
    let small = upload(&server, "a", &binary(1, 1000)).expect(201);
    let large = upload(&server, "b", &binary(2, 200_000)).expect(201);
    let of_objects = |method: &'static str, deed: fn() -> Deed| {
        move |request: &mut Request| {
            if request.method == method && is_object(request) { deed() } else { Deed::Forward }
        }
    };
    proxy.rule(of_objects("GET", || Deed::Change(flip_the_last_byte)));
    for document in [&small, &large] {
        let answer = content(&server, document);
        answer.problem(500, "content-damaged");
    }
    proxy.rule(of_objects("GET", || Deed::Change(|answer| answer[..answer.len() - 5].to_vec())));
    content(&server, &small).problem(503, "unavailable");
    proxy.rule(of_objects("GET", || Deed::Answer(answer("404 Not Found", "NoSuchKey"))));
    content(&server, &small).problem(500, "content-damaged");
    proxy.rule(of_objects("HEAD", || {
        Deed::Answer("HTTP/1.1 200 OK\r\ncontent-length: 500\r\nconnection: close\r\n\r\n".into())
    }));
    content(&server, &small).problem(500, "content-damaged");
    proxy.rule(|_| Deed::Forward);
    assert_eq!(content(&server, &small).body, binary(1, 1000));
    assert_eq!(content(&server, &large).body, binary(2, 200_000));
}

#[test]
fn a_wrong_tag_holds_the_log_up_and_never_lets_two_checkpoints_follow_one() {
    let Some((bucket, proxy, server)) = behind_a_proxy() else { return };
    server.engine().put(&entry_path("815"), &copy()).expect(201);
    server.registrar().post_once("/v1/certificates", "a", &order("815")).expect(201);
    let first = bucket.bytes("site/log/checkpoint");
    proxy.rule(|request| match (request.method.as_str(), request.target.contains("/log/checkpoint")) {
        ("GET", true) => Deed::Change(|answer| {
            let text = String::from_utf8(answer).unwrap();
            text.replace("ETag: \"", "ETag: \"ff").into_bytes()
        }),
        _ => Deed::Forward,
    });
    let mut other = order("815");
    other["businessKey"] = json!("another");
    let waiting = std::thread::scope(|scope| {
        let order = scope.spawn(|| server.registrar().post_once("/v1/certificates", "b", &other));
        // sleeps: time in which a log that believed the tag would go on
        std::thread::sleep(std::time::Duration::from_secs(2));
        assert_eq!(bucket.bytes("site/log/checkpoint"), first);
        proxy.rule(|_| Deed::Forward);
        order.join().unwrap()
    });
    let issued = if waiting.status == 503 {
        server.registrar().post_once("/v1/certificates", "b", &other)
    } else {
        waiting
    };
    assert_eq!(issued.expect(201)["logIndex"], 1);
}
