//! A stub answers what a service answers when all goes wrong: what is asked again, when, and what is an answer.

use super::*;

#[test]
fn a_token_is_sent_over_an_encrypted_connection_or_to_this_machine() {
    for (url, safe) in [
        ("https://archiv.example", true),
        ("https://archiv.example:8443", true),
        ("http://127.0.0.1:8080", true),
        ("http://localhost:8080", true),
        ("http://[::1]:8080", true),
        ("http://archiv.example", false),
        ("http://127.0.0.1.evil.example", false),
        ("http://10.0.0.1:8080", false),
        ("ftp://127.0.0.1", false),
        ("127.0.0.1:8080", false),
        ("https://archiv.example/v1", false),
        ("https://archiv.example?x", false),
        ("", false),
    ] {
        assert_eq!(is_safe(url), safe, "{url}");
    }
}

#[test]
fn what_was_refused_is_told_in_the_problems_own_words() {
    let body = br#"{"type":"https://stammbuch.example/problems/media-type-mismatch","title":"T.","expected":"a/b","got":"c/d"}"#;
    let answer = Answer { status: 415, body: body.to_vec() };
    assert_eq!(answer.problem_name(), "media-type-mismatch");
    assert_eq!(answer.problem(), "T. expected \"a/b\" got \"c/d\"");
    assert_eq!(Answer { status: 418, body: Vec::new() }.problem_name(), "status-418");
}

/// Answers one connection after another with these bytes, and counts the requests that came.
fn stub(answers: Vec<&'static str>) -> (String, std::thread::JoinHandle<usize>) {
    use std::io::{Read as _, Write as _};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let serving = std::thread::spawn(move || {
        let (mut count, mut answers) = (0, answers.into_iter());
        while answers.len() > 0 {
            let (mut connection, _) = listener.accept().unwrap();
            let mut request = Vec::new();
            let is_probe = |request: &[u8]| request.starts_with(b"GET /health/live");
            let is_whole =
                |request: &[u8]| request.ends_with(if is_probe(request) { b"\r\n\r\n" } else { b"BODY" });
            while !is_whole(&request) {
                let mut piece = [0; 4096];
                let got = connection.read(&mut piece).unwrap();
                assert!(got > 0);
                request.extend_from_slice(&piece[..got]);
            }
            let there = "HTTP/1.1 200 O\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
            let answer = if is_probe(&request) { Some(there) } else { answers.next() };
            count += usize::from(!is_probe(&request));
            connection.write_all(answer.unwrap().as_bytes()).unwrap();
        }
        count
    });
    (url, serving)
}

fn ask(url: &str, patience: u64) -> Result<Answer, ServiceError> {
    use crate::domain::random::SeededRandom;
    let random = Arc::new(SeededRandom::new(1));
    let service = Service::new(url, "t".into(), None, Duration::from_secs(patience), random).unwrap();
    let mut open = || -> io::Result<Box<dyn io::Read>> { Ok(Box::new(&b"BODY"[..])) };
    let body = Body::Reader(4, &mut open);
    service.ask(Request { method: "POST", path: "/v1/x".into(), headers: Vec::new(), body })
}

const BUSY: &str = "HTTP/1.1 503 S\r\nRetry-After: 1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
const FULL: &str = "HTTP/1.1 429 S\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
const DONE: &str = "HTTP/1.1 201 C\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}";
const CUT: &str = "HTTP/1.1 201 C\r\nContent-Length: 9\r\n\r\n{";
const LATER: &str = "HTTP/1.1 409 C\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

#[test]
fn what_is_turned_away_or_cut_off_comes_again_whole_and_not_too_early() {
    let began = std::time::Instant::now();
    let (url, serving) = stub(vec![BUSY, FULL, CUT, "", DONE]);
    assert_eq!(ask(&url, 60).unwrap().status, 201);
    assert_eq!(serving.join().unwrap(), 5);
    assert!(began.elapsed() >= Duration::from_secs(1), "not before it was said");
}

#[test]
fn an_answer_is_an_answer_and_patience_ends() {
    let (url, serving) = stub(vec![LATER]);
    assert_eq!(ask(&url, 60).unwrap().status, 409);
    assert_eq!(serving.join().unwrap(), 1);
    // One more than are taken: the stub goes on to say that it is there.
    let (url, _serving) = stub(vec![CUT; CUT_OFF_MAX as usize + 1]);
    assert!(matches!(ask(&url, 60), Err(ServiceError::CutOff(_))), "the service is there");
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let silent = ask(&format!("http://{nobody}"), 1);
    assert!(matches!(silent, Err(ServiceError::Silent { seconds: 1, .. })), "{silent:?}");
}

#[test]
fn a_text_cannot_leave_its_place_in_a_query() {
    assert_eq!(percent("StA 12/2024 &x=ü\r\n"), "StA%2012%2F2024%20%26x%3D%C3%BC%0D%0A");
}
