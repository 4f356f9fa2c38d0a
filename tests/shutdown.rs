//! What a server does when it is told to end: it finishes what it took on, and ends well.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use serde_json::Value;

use crate::actors::ServerProcess;

const HEAD: &str = "a document that arrives in two parts, ";
const TAIL: &str = "the second of them after the signal\n";

#[test]
fn a_request_in_flight_is_answered_and_kept_though_the_server_was_told_to_end() {
    let server = ServerProcess::start();
    let address = server.url().trim_start_matches("http://").to_owned();
    let mut upload = TcpStream::connect(&address).unwrap();
    write!(
        upload,
        "POST /v1/documents HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {}\r\nContent-Type: text/plain\r\n\
         Content-Length: {}\r\n\r\n{HEAD}",
        server.engine().token(),
        HEAD.len() + TAIL.len()
    )
    .unwrap();
    // The upload and the question itself.
    let in_flight = "stammbuch_http_requests_in_flight 2\n";
    while !server.citizen().get("/metrics").text().contains(in_flight) {
        std::thread::yield_now();
    }
    server.signal_to_end();
    while TcpStream::connect(&address).is_ok() {
        std::thread::yield_now();
    }
    upload.write_all(TAIL.as_bytes()).unwrap();
    let mut answer = String::new();
    upload.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 201 Created\r\n"), "{answer}");
    let document: Value = serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap();
    let (status, log, place) = server.terminate();
    assert_eq!(status.code(), Some(0), "{}", log.join("\n"));
    assert!(log.last().unwrap().contains("\"stopped\""), "{log:?}");
    let next = ServerProcess::on(place);
    let path = format!("/v1/documents/{}/content", document["id"].as_str().unwrap());
    assert_eq!(next.clerk().get(&path).text(), format!("{HEAD}{TAIL}"));
}
