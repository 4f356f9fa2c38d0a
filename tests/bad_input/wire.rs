//! Bytes on the wire: heads and bodies that are slow, torn, contradictory or endless.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use crate::actors::Server;
use crate::census;

/// A connection that says what comes back; nothing for a minute ends the test.
fn connect(server: &Server) -> TcpStream {
    let connection = TcpStream::connect(server.url().strip_prefix("http://").unwrap()).unwrap();
    connection.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    connection
}

/// What comes back until the server closes.
fn rest(mut connection: TcpStream) -> String {
    let mut answer = Vec::new();
    // A server that closes while bytes are under way resets the connection; what was read before counts.
    let _ = connection.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

/// Sends bytes as they are; what comes back until the server closes.
fn exchange(server: &Server, bytes: &[u8]) -> String {
    let mut connection = connect(server);
    let _ = connection.write_all(bytes);
    let _ = connection.shutdown(Shutdown::Write);
    rest(connection)
}

/// The head of an upload with more lines; `\n` stands for the line's end.
fn head(server: &Server, lines: &str) -> String {
    let token = server.engine().token().to_owned();
    format!("POST /v1/documents HTTP/1.1\nHost: localhost\nAuthorization: Bearer {token}\n{lines}\n")
        .replace('\n', "\r\n")
}

fn status(answer: &str) -> u16 {
    answer.get(9..12).and_then(|code| code.parse().ok()).unwrap_or(0)
}

/// How many answers came.
fn answers(text: &str) -> usize {
    text.matches("HTTP/1.1 ").count()
}

#[test]
fn contradictory_heads_are_refused_and_what_they_smuggle_is_not_run() {
    let server = Server::start();
    let before = census::of(&server);
    let token = server.engine().token().to_owned();
    let smuggled = format!(
        "POST /v1/documents?title=geschmuggelt HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\
         Content-Length: 1\r\n\r\nx"
    );
    for lines in [
        "Content-Length: 4\nTransfer-Encoding: chunked\n",
        "Transfer-Encoding: chunked\nContent-Length: 4\n",
        "Content-Length: 4\nContent-Length: 5\n",
        "Content-Length: 4\nContent-Length: 4\n",
        "Content-Length: 4, 4\n",
        "Content-Length: +4\n",
        "Content-Length: -4\n",
        "Content-Length: 0x4\n",
        "Content-Length: 18446744073709551616\n",
        "Content-Length: 4\nTransfer-Encoding: identity, chunked, x\n",
        "Transfer-Encoding: chunked\nTransfer-Encoding: identity\n",
        "Transfer-Encoding: xchunked\n",
        "Transfer-Encoding : chunked\n",
        "Content-Length : 4\n",
        "Content-Length: 4\nX: a\n Transfer-Encoding: chunked\n",
    ] {
        let answer =
            exchange(&server, format!("{}4\r\nabcd\r\n0\r\n\r\n{smuggled}", head(&server, lines)).as_bytes());
        assert_eq!(status(&answer), 400, "{lines:?}: {answer}");
        assert_eq!(answers(&answer), 1, "{lines:?}: {answer}");
    }
    for chunks in [
        "zz\r\nabcd\r\n0\r\n\r\n",
        "ffffffffffffffffff\r\nabcd\r\n",
        "4abcd\r\n0\r\n\r\n",
        "-4\r\nabcd\r\n0\r\n\r\n",
    ] {
        let torn = format!("{}{chunks}{smuggled}", head(&server, "Transfer-Encoding: chunked\n"));
        let answer = exchange(&server, torn.as_bytes());
        assert_eq!((status(&answer), answers(&answer)), (400, 1), "{chunks:?}: {answer}");
    }
    assert_eq!(census::settled(&server, before), before);
    server.engine().get("/health/live").expect(200);
}

#[test]
fn a_length_that_is_wrong_or_missing_is_told() {
    let server = Server::start();
    let before = census::of(&server);
    let longer = exchange(&server, format!("{}abc", head(&server, "Content-Length: 10\n")).as_bytes());
    assert_eq!(status(&longer), 400, "{longer}");
    assert!(longer.contains("/problems/body-incomplete"), "{longer}");
    let missing = exchange(&server, head(&server, "").as_bytes());
    assert_eq!(status(&missing), 422, "{missing}");
    assert!(missing.contains("/problems/empty-file"), "{missing}");
    // Without a length nothing says that bytes follow: they are no request, and no part of this one.
    let unannounced = exchange(&server, format!("{}abc\r\n\r\n", head(&server, "")).as_bytes());
    assert_eq!(status(&unannounced), 422, "{unannounced}");
    assert!(!unannounced.contains("HTTP/1.1 2"), "{unannounced}");
    assert_eq!(census::settled(&server, before), before);
    // What follows a body of the announced length is not part of it.
    let shorter =
        exchange(&server, format!("{}abcdef\r\n\r\n", head(&server, "Content-Length: 3\n")).as_bytes());
    assert_eq!(status(&shorter), 201, "{shorter}");
    assert!(shorter.contains("\"size\":3"), "{shorter}");
    assert_eq!(answers(&shorter.replace("HTTP/1.1 400", "")), 1, "{shorter}");
}

#[test]
fn whoever_sends_slowly_is_cut_off() {
    let server = Server::start_with(|config| {
        config.http.head_seconds = 1;
        config.http.body_idle_seconds = 1;
        config.http.body_bytes_per_second_min = 1000;
    });
    let before = census::of(&server);
    let full = head(&server, "Content-Length: 100000\n");
    // A head that does not come to its end.
    let mut connection = connect(&server);
    connection.write_all(&full.as_bytes()[..40]).unwrap();
    assert_eq!(status(&rest(connection)), 408);
    // A body that stands still.
    let mut connection = connect(&server);
    connection.write_all(format!("{full}begun").as_bytes()).unwrap();
    let answer = rest(connection);
    assert_eq!(status(&answer), 408, "{answer}");
    assert!(answer.contains("/problems/body-too-slow"), "{answer}");
    // A body that crawls: it never stands still, and never comes to its end either.
    let mut connection = connect(&server);
    connection.write_all(full.as_bytes()).unwrap();
    let mut crawling = connection.try_clone().unwrap();
    let crawler = std::thread::spawn(move || {
        while crawling.write_all(b"x").is_ok() {
            // sleeps: this is the slow sender
            std::thread::sleep(Duration::from_millis(50));
        }
    });
    let answer = rest(connection);
    assert_eq!(status(&answer), 408, "{answer}");
    assert!(answer.contains("/problems/body-too-slow"), "{answer}");
    crawler.join().unwrap();
    assert_eq!(census::settled(&server, before), before);
    server.engine().send("POST", "/v1/documents", &[], b"quick").expect(201);
}

#[test]
fn headers_that_stand_there_twice_are_refused() {
    let server = Server::start();
    let before = census::of(&server);
    let token = server.engine().token().to_owned();
    let (one, other) = (digest(b"text"), digest(b"other"));
    for (lines, code, name) in [
        (format!("Authorization: Bearer {token}\n"), 400, "malformed-request"),
        ("Authorization: Basic eDp5\n".into(), 400, "malformed-request"),
        ("Content-Type: text/plain\nContent-Type: application/pdf\n".into(), 400, "malformed-request"),
        ("Content-Type: text/plain\nContent-Type: text/plain\n".into(), 400, "malformed-request"),
        ("Idempotency-Key: a\nIdempotency-Key: b\n".into(), 400, "malformed-request"),
        ("Content-Disposition: inline\nContent-Disposition: attachment\n".into(), 400, "malformed-request"),
        ("Content-Encoding: identity\nContent-Encoding: gzip\n".into(), 400, "malformed-request"),
        // A list may stand in several lines (RFC 9110, 5.3): each digest is checked.
        (format!("Repr-Digest: {one}\nRepr-Digest: {other}\n"), 422, "digest-mismatch"),
    ] {
        let request =
            format!("{}text", head(&server, &format!("Content-Length: 4\nConnection: close\n{lines}")));
        let answer = exchange(&server, request.as_bytes());
        assert_eq!(status(&answer), code, "{lines:?}: {answer}");
        assert!(answer.contains(&format!("/problems/{name}")), "{lines:?}: {answer}");
    }
    assert_eq!(census::settled(&server, before), before);
    let lines = format!("Content-Length: 4\nConnection: close\nRepr-Digest: {one}\nRepr-Digest: {one}\n");
    let answer = exchange(&server, format!("{}text", head(&server, &lines)).as_bytes());
    assert_eq!(status(&answer), 201, "{answer}");
}

fn digest(bytes: &[u8]) -> String {
    use base64::Engine as _;
    let digest = stammbuch::domain::digest::Sha256::of(bytes);
    format!("sha-256=:{}:", base64::engine::general_purpose::STANDARD.encode(digest.as_bytes()))
}

#[test]
fn heads_without_end_are_refused() {
    let server = Server::start();
    let before = census::of(&server);
    let many = (0..1000).map(|number| format!("X-{number}: x\n")).collect::<String>();
    let long = format!("X: {}\n", "x".repeat(1 << 20));
    let target = format!("GET /v1/documents/{} HTTP/1.1\r\nHost: localhost\r\n\r\n", "a".repeat(1 << 20));
    for request in [head(&server, &many), head(&server, &long), target] {
        let answer = exchange(&server, request.as_bytes());
        // Where bytes are still under way when the server closes, the answer may be lost.
        assert!(answer.is_empty() || (400..500).contains(&status(&answer)), "{answer:.200}");
    }
    for request in [
        "GET / HTTP/9.9\r\n\r\n",
        "\0\0\0\0\r\n\r\n",
        "GET /\0 HTTP/1.1\r\nHost: x\r\n\r\n",
        "\x16\x03\x01\x02\0\x01\0\x01",
    ] {
        let answer = exchange(&server, request.as_bytes());
        assert!(answer.is_empty() || (400..600).contains(&status(&answer)), "{request:?}: {answer}");
    }
    assert_eq!(census::settled(&server, before), before);
    server.engine().get("/health/live").expect(200);
}
