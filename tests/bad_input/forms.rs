//! Forms made to be expensive: bounded in work and memory, whatever their length.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use crate::actors::ServerProcess;
use crate::census;

/// The most memory the process had, in KiB.
fn peak_kib(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").trim().parse().unwrap()
}

/// Sends a form that `piece` makes up `count` times behind `start`; the status.
fn send(server: &ServerProcess, start: &str, piece: &[u8], count: usize) -> u16 {
    let host = server.url().strip_prefix("http://").unwrap();
    let mut connection = TcpStream::connect(host).unwrap();
    let length = start.len() + piece.len() * count;
    let head = format!(
        "POST /v1/documents HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {}\r\nConnection: close\r\n\
         Content-Type: multipart/form-data; boundary=b\r\nContent-Length: {length}\r\n\r\n{start}",
        server.engine().token()
    );
    connection.write_all(head.as_bytes()).unwrap();
    let mut reading = connection.try_clone().unwrap();
    let reader = std::thread::spawn(move || {
        let mut answer = Vec::new();
        let mut buffer = [0; 4096];
        // Reset once the server has closed: what came before is the answer.
        while let Ok(read @ 1..) = reading.read(&mut buffer) {
            answer.extend_from_slice(&buffer[..read]);
        }
        String::from_utf8_lossy(&answer).into_owned()
    });
    let _taken = (0..count).take_while(|_| connection.write_all(piece).is_ok()).count();
    let answer = reader.join().unwrap();
    answer.get(9..12).and_then(|code| code.parse().ok()).unwrap_or(0)
}

#[test]
fn a_form_without_end_costs_little_and_leaves_nothing() {
    let server = ServerProcess::start();
    let before = census::of(&server);
    let part = "--b\r\nContent-Disposition: form-data; name=\"title\"\r\n\r\n\r\n".repeat(1000);
    let file = "--b\r\nContent-Disposition: form-data; name=\"content\"; filename=\"a.txt\"\r\n\r\ntext\r\n"
        .repeat(1000);
    let header = format!("X: {}\r\n", "x".repeat(65_000));
    let unending = "x".repeat(65_536);
    let lines = "x\r\n".repeat(20_000);
    let settled = peak_kib(server.id());
    for (what, start, piece, count) in [
        ("a million parts", "", part.as_str(), 1000),
        ("a million files", "", &file, 1000),
        ("a head of a part without end", "--b\r\n", &header, 1500),
        ("a header line without end", "--b\r\nX: ", &unending, 1500),
        ("a line before the first part without end", "", &unending, 1500),
        ("lines before the first part without end", "", &lines, 1500),
    ] {
        // The rest of it is read for a moment and forgotten, so that the answer is not lost in a reset.
        assert_eq!(send(&server, start, piece.as_bytes(), count), 400, "{what}");
    }
    let grown = peak_kib(server.id()).saturating_sub(settled);
    assert!(grown < 32 * 1024, "{grown} KiB more");
    assert_eq!(census::settled(&server, before), before);
    server.engine().get("/health/live").expect(200);
}
