//! Uploads over connections that break and servers that are killed: what was acknowledged is there, and each upload
//! becomes one document.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};

use super::{BYTES, TUS, begin, head, patch};
use crate::actors::{Server, ServerProcess};
use crate::census;

/// Sends the head of a `PATCH` and `bytes` of the `length` it announces, and leaves the connection open.
fn half_sent(url: &str, token: &str, path: &str, length: usize, bytes: &[u8]) -> TcpStream {
    let host = url.strip_prefix("http://").unwrap();
    let mut connection = TcpStream::connect(host).unwrap();
    let (version, kind) = (TUS.1, BYTES.1);
    let head = format!(
        "PATCH {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\nTus-Resumable: {version}\r\n\
         Content-Type: {kind}\r\nUpload-Offset: 0\r\nContent-Length: {length}\r\n\r\n"
    );
    connection.write_all(head.as_bytes()).unwrap();
    connection.write_all(bytes).unwrap();
    connection
}

/// Where the upload stands, once it stands at `expected` or nothing more happens.
fn settles_at(ask: impl Fn() -> String, expected: &str) -> String {
    for _ in 0..200 {
        if ask() == expected {
            break;
        }
        // sleeps: what a server has read of a connection that stays open gives no signal
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    ask()
}

#[test]
fn a_connection_that_breaks_keeps_what_came() {
    let server = Server::start();
    let engine = server.engine();
    for reset in [false, true] {
        let path = begin(&engine, 100_000);
        let mut connection = half_sent(server.url(), engine.token(), &path, 100_000, &[b'x'; 30_000]);
        if reset {
            drop(connection);
        } else {
            connection.shutdown(Shutdown::Write).unwrap();
            let _ = connection.read_to_end(&mut Vec::new());
        }
        let at = settles_at(|| engine.get(&path).header("upload-offset").to_owned(), "30000");
        assert_eq!(at, "30000", "reset: {reset}");
        let last = patch(&engine, &path, 30_000, &[b'x'; 70_000]);
        assert_eq!((last.status, last.header("upload-offset")), (204, "100000"));
    }
    assert_eq!(census::of(&server).documents, 2);
}

#[test]
fn a_client_that_comes_back_need_not_wait_for_its_dead_connection() {
    let server = Server::start();
    let engine = server.engine();
    let path = begin(&engine, 100_000);
    // While the first request is at work, another one that sends is turned away. One that comes before it, and is
    // refused for its offset, may turn the first one away instead: then there is another first one.
    let connection = (0..5).find_map(|_| {
        let connection = half_sent(server.url(), engine.token(), &path, 100_000, &[b'x'; 30_000]);
        let busy = (0..100).any(|_| {
            // sleeps: when the server begins to read a request gives no signal
            std::thread::sleep(std::time::Duration::from_millis(20));
            patch(&engine, &path, 1, b"x").status == 423
        });
        busy.then_some(connection)
    });
    assert!(connection.is_some(), "the first request holds the upload");
    let asked = head(&engine, &path);
    assert_eq!((asked.status, asked.header("upload-offset")), (200, "30000"));
    let last = patch(&engine, &path, 30_000, &[b'x'; 70_000]);
    assert_eq!((last.status, last.header("upload-offset")), (204, "100000"));
    drop(connection);
    assert_eq!(census::of(&server).documents, 1);
}

#[test]
fn of_many_that_send_the_same_bytes_at_once_one_wins() {
    let server = Server::start();
    let engine = server.engine();
    for _ in 0..5 {
        let path = begin(&engine, 200_000);
        let statuses: Vec<u16> = std::thread::scope(|scope| {
            let send = || scope.spawn(|| patch(&engine.clone(), &path, 0, &[b'x'; 200_000]).status);
            let sending: Vec<_> = (0..8).map(|_| send()).collect();
            sending.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(statuses.iter().filter(|status| **status == 204).count(), 1, "{statuses:?}");
        assert!(statuses.iter().all(|status| matches!(status, 204 | 409 | 423)), "{statuses:?}");
    }
    assert_eq!(census::of(&server).documents, 5);
}

#[test]
fn killed_servers_lose_no_acknowledged_byte_and_make_no_document_twice() {
    const ROUNDS: usize = 12;
    let bytes: Vec<u8> = (0..600_000_u32).map(|at| b'a' + u8::try_from(at * 7 % 26).unwrap()).collect();
    let mut server = ServerProcess::start();
    let mut documents = Vec::new();
    for round in 0..ROUNDS {
        let path = begin(&server.engine(), bytes.len());
        let (engine, mut acknowledged) = (server.engine(), 0);
        // The last request is the one that makes the document: every third round kills within it.
        let cut = if round % 3 == 0 { bytes.len() } else { 100_000 + round * 30_000 };
        std::thread::scope(|scope| {
            let sender = scope.spawn(|| {
                let mut at = 0;
                while at < bytes.len() {
                    let end = (at + 50_000).min(bytes.len());
                    let offset = at.to_string();
                    let headers = [TUS, BYTES, ("Upload-Offset", offset.as_str())];
                    match engine.try_send("PATCH", &path, &headers, &bytes[at..end]) {
                        Ok(answer) => {
                            answer.expect(204);
                            at = end;
                        }
                        Err(_) => break,
                    }
                }
                at
            });
            while !sender.is_finished() {
                let at =
                    engine.try_send("GET", &path, &[], &[]).map(|answer| answer.json()["offset"].as_u64());
                if at.ok().flatten().is_none_or(|at| at + 50_000 >= cut as u64) {
                    break;
                }
            }
            server.kill_now();
            acknowledged = sender.join().unwrap();
        });
        server = ServerProcess::on(server.kill());
        let engine = server.engine();
        let asked = head(&engine, &path);
        assert_eq!(asked.status, 200);
        let offset: usize = asked.header("upload-offset").parse().unwrap();
        assert!(offset >= acknowledged, "round {round}: {offset} of {acknowledged} acknowledged");
        let last =
            if offset == bytes.len() { asked } else { patch(&engine, &path, offset, &bytes[offset..]) };
        documents.push(last.header("document-location").to_owned());
    }
    let clerk = server.clerk();
    for document in &documents {
        assert!(clerk.get(&format!("{document}/content")).body == bytes, "{document}");
    }
    let (status, log, place) = server.terminate();
    assert!(status.success(), "{}", log.join("\n"));
    let texts = census::sweep_all(&place);
    let census = census::of(&place);
    assert_eq!(census.documents, ROUNDS as u64);
    // All of them have the same bytes: one key and one object, beside the texts; no piece is left.
    assert_eq!((census.keys, census.object_files), (1, 1 + texts));
}
