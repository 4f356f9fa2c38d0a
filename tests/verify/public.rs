//! `/v1/verify` over HTTP, as anybody may ask it.

use std::io::Write as _;
use std::net::TcpStream;

use crate::actors::Server;
use crate::sealed::{Office, row};

#[test]
fn a_file_is_answered_with_the_report_and_the_lines_for_people() {
    let server = Server::start();
    let foreign = Office::open("Standesamt Musterstadt").issue(&row());
    let citizen = server.citizen();
    let report = citizen.send("POST", "/v1/verify", &[("Accept-Language", "en")], &foreign).expect(200);
    assert_eq!((&report["verdict"], &report["specimen"]), (&"not".into(), &true.into()), "{report}");
    assert!(report["lines"][0].as_str().unwrap().starts_with("MUSTER · SPECIMEN"), "{report}");
    assert_eq!(report["lines"][1], "Verdict: NOT GENUINE.");
    for body in [&b""[..], b"hello", &[0xff; 5000]] {
        let report = citizen.send("POST", "/v1/verify", &[], body).expect(200);
        assert_eq!(report["verdict"], "cannot-tell");
    }
}

#[test]
fn a_file_above_the_limit_and_a_wrong_scope_are_problems() {
    let server = Server::start();
    let citizen = server.citizen();
    citizen.send("POST", "/v1/verify", &[], &vec![b'x'; (8 << 20) + 1]).problem(413, "body-too-large");
    citizen.send("POST", "/v1/verify?scope=all", &[], b"x").problem(422, "value-invalid");
    citizen.send("POST", "/v1/verify?size=1", &[], b"x").problem(400, "unknown-field");
}

#[test]
fn an_unknown_number_and_digest_are_answered_alike_and_a_slip_of_the_pen_is_said() {
    let server = Server::start();
    let citizen = server.citizen();
    let number = row().number;
    let by_number = citizen.send("GET", &format!("/v1/verify/{number}"), &[], &[]);
    let by_digest = citizen.send("GET", &format!("/v1/verify?sha256={}", "0".repeat(64)), &[], &[]);
    assert_eq!((by_number.status, by_number.body.len()), (by_digest.status, by_digest.body.len()));
    assert!(by_number.headers.iter().all(|(name, _)| name != "etag"), "{:?}", by_number.headers);
    assert!(
        by_number.headers.contains(&("cache-control".into(), "no-store".into())),
        "{:?}",
        by_number.headers
    );
    assert_eq!(by_number.expect(200)["state"], "unknown");
    let slip = number.to_string().replacen(|c: char| c.is_ascii_alphabetic(), "7", 1);
    citizen.send("GET", &format!("/v1/verify/{slip}"), &[], &[]).problem(422, "value-invalid");
    citizen.send("GET", "/v1/verify?sha256=xyz", &[], &[]).problem(422, "value-invalid");
}

#[test]
fn many_who_send_slowly_keep_out_nobody() {
    let server = Server::start();
    let address = server.url().trim_start_matches("http://").to_owned();
    let slow: Vec<TcpStream> = (0..60)
        .map(|_| {
            let mut stream = TcpStream::connect(&address).unwrap();
            stream
                .write_all(b"POST /v1/verify HTTP/1.1\r\nHost: x\r\nContent-Length: 9000\r\n\r\n%PDF-1.7")
                .unwrap();
            stream
        })
        .collect();
    let report = server.citizen().send("POST", "/v1/verify", &[], b"hello").expect(200);
    assert_eq!(report["verdict"], "cannot-tell");
    drop(slow);
}
