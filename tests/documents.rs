//! `/v1/documents`: what an engine may send and what it gets back; what breaks a rule is named and leaves nothing.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};

use stammbuch::access::Role;
use stammbuch::domain::digest::Sha256;

use crate::actors::speak::{Actor, Answer};
use crate::actors::{Server, ServerProcess};
use crate::census;

const TEXT: &[u8] = b"Anzeige der Geburt eines Kindes\n";

fn upload(actor: &Actor, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
    actor.send("POST", path, headers, body)
}

fn stored(actor: &Actor, body: &[u8]) -> String {
    upload(actor, "/v1/documents", &[], body).expect(201)["id"].as_str().unwrap().to_owned()
}

fn digest_header(bytes: &[u8]) -> String {
    use base64::Engine as _;
    let digest = base64::engine::general_purpose::STANDARD.encode(Sha256::of(bytes).as_bytes());
    format!("sha-256=:{digest}:")
}

#[test]
fn an_engine_stores_a_document_and_reads_it_back() {
    let server = Server::start();
    let engine = server.engine();
    let path = "/v1/documents?title=Anzeige&kind=Geburtsanzeige&reference=StA%2012%2F2024&date=2024-02-29\
                &entry=G%2F06499001%2F2024%2F815&file=SA-7";
    let digest = digest_header(TEXT);
    let headers = [
        ("Content-Type", "text/plain"),
        ("Content-Disposition", "attachment; filename*=UTF-8''..%2FGeburtsanzeige%20M%C3%BCller.txt"),
        ("Repr-Digest", digest.as_str()),
        ("Content-Digest", digest.as_str()),
    ];
    let answer = upload(&engine, path, &headers, TEXT);
    let created = answer.expect(201);
    let id = created["id"].as_str().unwrap();
    assert_eq!(answer.header("location"), format!("/v1/documents/{id}"));
    assert_eq!(created["sha256"], Sha256::of(TEXT).to_string());
    assert_eq!(created["size"], TEXT.len());
    assert_eq!(created["mediaType"], "text/plain");
    assert_eq!(created["state"], "stored");
    assert_eq!(created["fileName"], "Geburtsanzeige Müller.txt");
    assert_eq!(created["entry"], "G/06499001/2024/815");
    assert_eq!(created["date"], "2024-02-29");

    let clerk = server.clerk();
    let metadata = clerk.get(&format!("/v1/documents/{id}")).expect(200);
    for field in
        ["id", "sha256", "size", "mediaType", "title", "kind", "reference", "file", "entry", "storedAt"]
    {
        assert_eq!(metadata[field], created[field], "{field}");
        assert!(!metadata[field].is_null(), "{field}");
    }
    let content = clerk.get(&format!("/v1/documents/{id}/content"));
    assert_eq!((content.status, content.body.as_slice()), (200, TEXT));
    assert_eq!(content.header("content-type"), "text/plain");
    assert_eq!(content.header("repr-digest"), digest);
    assert_eq!(content.header("x-content-type-options"), "nosniff");
    assert!(content.header("content-security-policy").starts_with("sandbox"));
    let disposition = content.header("content-disposition");
    assert!(
        disposition.starts_with("attachment;") && disposition.ends_with("M%C3%BCller.txt"),
        "{disposition}"
    );
}

#[test]
fn a_form_may_bring_its_fields_before_and_after_the_file() {
    let server = Server::start();
    let body = |boundary: &str| {
        format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"title\"\r\n\r\nvorher\r\n\
             --{boundary}\r\nContent-Disposition: form-data; name=\"content\"; filename=\"a.txt\"\r\n\
             Content-Type: text/plain\r\nRepr-Digest: {}\r\n\r\n{}\r\n\
             --{boundary}\r\nContent-Disposition: form-data; name=\"kind\"\r\n\r\nnachher\r\n--{boundary}--\r\n",
            digest_header(TEXT),
            std::str::from_utf8(TEXT).unwrap(),
        )
    };
    let send = |boundary: &str| {
        let content_type = format!("multipart/form-data; boundary={boundary}");
        let headers = [("Content-Type", content_type.as_str()), ("Idempotency-Key", "form-1")];
        upload(&server.engine(), "/v1/documents", &headers, body(boundary).as_bytes())
    };
    let first = send("first");
    let created = first.expect(201);
    assert_eq!((&created["title"], &created["kind"]), (&"vorher".into(), &"nachher".into()));
    assert_eq!(created["fileName"], "a.txt");
    assert_eq!(created["sha256"], Sha256::of(TEXT).to_string());
    let again = send("second-boundary");
    assert_eq!((again.status, again.body), (first.status, first.body));
    assert_eq!(census::of(&server).documents, 1);
}

#[test]
fn the_same_key_gives_the_same_answer_and_another_request_is_refused() {
    let server = Server::start();
    let engine = server.engine();
    let key = [("Idempotency-Key", "\"night-run-7\"")];
    let first = upload(&engine, "/v1/documents?title=a", &key, TEXT);
    first.expect(201);
    for _ in 0..2 {
        let again = upload(&engine, "/v1/documents?title=a", &key, TEXT);
        assert_eq!((again.status, &again.body), (201, &first.body));
        assert_eq!(again.header("location"), first.header("location"));
    }
    upload(&engine, "/v1/documents?title=a", &key, b"other").problem(422, "idempotency-key-reused");
    upload(&engine, "/v1/documents?title=b", &key, TEXT).problem(422, "idempotency-key-reused");
    // The key belongs to the client that chose it.
    upload(&server.clerk(), "/v1/documents?title=b", &key, TEXT).expect(201);
    upload(&server.other(Role::Engine), "/v1/documents?title=c", &key, TEXT).expect(201);
    assert_eq!(census::of(&server).documents, 3);
}

#[test]
fn nobody_learns_that_the_same_bytes_were_there() {
    let server = Server::start();
    let (first, second) = (
        upload(&server.engine(), "/v1/documents", &[], TEXT),
        upload(&server.engine(), "/v1/documents", &[], TEXT),
    );
    let (one, two) = (first.expect(201), second.expect(201));
    assert_ne!(one["id"], two["id"]);
    let names =
        |answer: &Answer| answer.headers.iter().map(|(name, _)| name.clone()).collect::<BTreeSet<_>>();
    assert_eq!(names(&first), names(&second));
    let fields = |value: &serde_json::Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(fields(&one), fields(&two));
    let tag = |value: &serde_json::Value| {
        let path = format!("/v1/documents/{}/content", value["id"].as_str().unwrap());
        server.clerk().get(&path).header("etag").to_owned()
    };
    assert_ne!(tag(&one), tag(&two));
    // One key: one object holds the bytes of both.
    assert_eq!((census::of(&server).documents, census::of(&server).keys), (2, 1));
    upload(&server.other(Role::Engine), "/v1/documents", &[], TEXT).expect(201);
    assert_eq!(census::of(&server).keys, 2);
}

#[test]
fn ranges_and_conditions_are_answered_as_http_says() {
    let server = Server::start();
    let bytes: Vec<u8> = (0..200_000_u32).map(|at| b'a' + (at * 7 % 26) as u8).collect();
    let id = stored(&server.engine(), &bytes);
    let path = format!("/v1/documents/{id}/content");
    let clerk = server.clerk();
    let whole = clerk.get(&path);
    let tag = whole.header("etag").to_owned();
    assert!(tag.starts_with('"') && !tag.contains(Sha256::of(&bytes).to_string().get(..16).unwrap()));
    let asked = |headers: &[(&str, &str)]| clerk.send("GET", &path, headers, &[]);
    for (range, status, start, end) in [
        ("bytes=0-0", 206, 0, 1),
        ("bytes=65530-65540", 206, 65530, 65541),
        ("bytes=131072-", 206, 131_072, 200_000),
        ("bytes=-5", 206, 199_995, 200_000),
        ("bytes=199999-999999", 206, 199_999, 200_000),
        ("bytes=0-1,5-6", 200, 0, 200_000),
        ("pages=1-2", 200, 0, 200_000),
    ] {
        let answer = asked(&[("Range", range)]);
        assert_eq!(answer.status, status, "{range}");
        assert!(answer.body == bytes[start..end], "{range}");
        if status == 206 {
            assert_eq!(answer.header("content-range"), format!("bytes {start}-{}/200000", end - 1));
        }
        assert_eq!(answer.header("repr-digest"), digest_header(&bytes));
    }
    let outside = asked(&[("Range", "bytes=200000-")]);
    outside.problem(416, "range-not-satisfiable");
    assert_eq!(outside.header("content-range"), "bytes */200000");
    let unchanged = asked(&[("If-None-Match", &tag)]);
    assert_eq!((unchanged.status, unchanged.body.len(), unchanged.header("etag")), (304, 0, tag.as_str()));
    assert_eq!(asked(&[("If-None-Match", "\"other\"")]).status, 200);
    assert_eq!(asked(&[("If-Range", &tag), ("Range", "bytes=0-0")]).status, 206);
    assert_eq!(asked(&[("If-Range", "\"other\""), ("Range", "bytes=0-0")]).status, 200);
    let head = clerk.send("HEAD", &path, &[], &[]);
    assert_eq!((head.status, head.body.len(), head.header("content-length")), (200, 0, "200000"));
}

/// Path, headers, body; status and name of the problem.
type Bad<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a [u8], u16, &'a str);

#[test]
fn what_breaks_a_rule_is_named_and_leaves_nothing() {
    let server = Server::start_with(|config| config.limits.upload_bytes_max = 100_000);
    let engine = server.engine();
    let before = census::of(&server);
    let (wrong, lie) = (digest_header(b"other"), [("Content-Type", "application/pdf")]);
    let (limit, over) = (vec![b'x'; 100_000], vec![b'x'; 100_001]);
    let long_key = "k".repeat(256);
    let named = [("Content-Disposition", "attachment; filename=scan.png")];
    let documents = "/v1/documents";
    let bad: &[Bad<'_>] = &[
        (documents, &[], b"", 422, "empty-file"),
        (documents, &[("Repr-Digest", &wrong)], TEXT, 422, "digest-mismatch"),
        (documents, &[("Content-Digest", &wrong)], TEXT, 422, "digest-mismatch"),
        (documents, &[("Repr-Digest", "sha-256=abc")], TEXT, 400, "digest-malformed"),
        (documents, &[], &over, 413, "body-too-large"),
        (documents, &lie, TEXT, 415, "media-type-mismatch"),
        (documents, &named, TEXT, 415, "media-type-mismatch"),
        (documents, &[("Content-Encoding", "gzip")], TEXT, 415, "content-type-unsuitable"),
        (documents, &[("Idempotency-Key", "")], TEXT, 400, "idempotency-key-malformed"),
        (documents, &[("Idempotency-Key", &long_key)], TEXT, 400, "idempotency-key-malformed"),
        ("/v1/documents?titel=x", &[], TEXT, 400, "unknown-field"),
        ("/v1/documents?date=2023-02-29", &[], TEXT, 422, "value-invalid"),
        ("/v1/documents?entry=G/1", &[], TEXT, 422, "register-number-invalid"),
        ("/v1/documents?title=a&title=b", &[], TEXT, 400, "malformed-request"),
    ];
    for (path, headers, body, status, name) in bad {
        upload(&engine, path, headers, body).problem(*status, name);
    }
    upload(&server.actor(Role::Auditor), documents, &[], TEXT).problem(403, "role-missing");
    upload(&server.citizen(), documents, &[], TEXT).problem(401, "token-missing");
    upload(&server.stranger(), documents, &[], TEXT).problem(401, "token-unknown");
    assert_eq!(census::of(&server), before);
    upload(&engine, documents, &[], &limit).expect(201);
}

#[test]
fn a_form_that_is_no_upload_is_refused_and_leaves_nothing() {
    let server = Server::start();
    let before = census::of(&server);
    let part =
        |head: &str, body: &str| format!("--b\r\nContent-Disposition: form-data; {head}\r\n\r\n{body}\r\n");
    let file = part("name=\"content\"; filename=\"a.txt\"", "text");
    let end = "--b--\r\n";
    let bad = [
        (format!("{}{end}", part("name=\"title\"", "x")), 400, "malformed-request"),
        (format!("{file}{file}{end}"), 400, "malformed-request"),
        (format!("{file}{}{end}", part("name=\"date\"", "gestern")), 422, "value-invalid"),
        (format!("{file}{}{end}", part("name=\"titel\"", "x")), 400, "unknown-field"),
        (format!("{}{end}", part("name=\"content\"; filename=\"a.txt\"", "")), 422, "empty-file"),
        (
            format!("{}{end}", part("name=\"content\"; filename=\"a.pdf\"", "text")),
            415,
            "media-type-mismatch",
        ),
        (file.clone(), 400, "body-incomplete"),
        (format!("{file}--"), 400, "body-incomplete"),
        (file[..file.len() - 1].to_owned(), 400, "body-incomplete"),
        (file[..file.len() - 4].to_owned(), 400, "body-incomplete"),
        (file[..30].to_owned(), 400, "body-incomplete"),
    ];
    for (body, status, name) in bad {
        let headers = [("Content-Type", "multipart/form-data; boundary=b")];
        upload(&server.engine(), "/v1/documents", &headers, body.as_bytes()).problem(status, name);
    }
    assert_eq!(census::of(&server), before);
}

#[test]
fn a_body_that_stops_half_way_leaves_nothing() {
    let server = Server::start();
    let before = census::of(&server);
    let host = server.url().strip_prefix("http://").unwrap();
    for body in [vec![b'x'; 10], vec![b'x'; 300_000]] {
        let mut connection = TcpStream::connect(host).unwrap();
        let head = format!(
            "POST /v1/documents HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {}\r\nContent-Length: 600000\r\n\r\n",
            server.engine().token()
        );
        connection.write_all(head.as_bytes()).unwrap();
        connection.write_all(&body).unwrap();
        connection.shutdown(Shutdown::Write).unwrap();
        let mut answer = String::new();
        // The server closes when it is done with it, with or without an answer: nobody is there to read one.
        let _ = connection.read_to_string(&mut answer);
        assert!(!answer.starts_with("HTTP/1.1 2"), "{answer}");
    }
    server.engine().get("/health/live").expect(200);
    assert_eq!(census::settled(&server, before), before);
}

#[test]
fn what_is_another_authoritys_does_not_exist() {
    let server = Server::start();
    let id = stored(&server.engine(), TEXT);
    let absent = "0".repeat(32);
    for path in ["", "/content", "/text"] {
        let theirs = server.other(Role::Clerk).get(&format!("/v1/documents/{id}{path}"));
        let nobodys = server.clerk().get(&format!("/v1/documents/{absent}{path}"));
        assert_eq!(theirs.problem(404, "not-found"), nobodys.problem(404, "not-found"));
        server.actor(Role::Operator).get(&format!("/v1/documents/{id}{path}")).problem(403, "role-missing");
        server.clerk().get(&format!("/v1/documents/..%2F{id}{path}")).problem(404, "not-found");
    }
}

#[test]
fn the_text_of_a_document_is_read_out_behind_the_upload() {
    let server = ServerProcess::start();
    let id = stored(&server.engine(), TEXT);
    let clerk = server.clerk();
    let done = (0..300).find_map(|_| {
        let metadata = clerk.get(&format!("/v1/documents/{id}")).expect(200);
        if metadata["extractedAt"].is_null() {
            // sleeps: what happens in another process gives no signal but the state that is asked for here
            std::thread::sleep(std::time::Duration::from_millis(50));
            return None;
        }
        Some(metadata)
    });
    let metadata = done.expect("its text is read out");
    assert_eq!((&metadata["pages"], &metadata["words"]), (&1.into(), &5.into()));
    let text = clerk.get(&format!("/v1/documents/{id}/text")).expect(200);
    assert_eq!(text["pages"][0]["number"], 1);
    assert_eq!(text["pages"][0]["text"].as_str().unwrap().trim(), "Anzeige der Geburt eines Kindes");
}

/// The most memory a process had, in KiB.
fn peak_kib(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").trim().parse().unwrap()
}

#[test]
fn memory_does_not_grow_with_the_size_of_an_upload() {
    const PIECES: usize = 96;
    let server = ServerProcess::start();
    let host = server.url().strip_prefix("http://").unwrap().to_owned();
    let send = |pieces: usize| {
        // Nothing that is read out: what a child says of it is not what is measured.
        let piece = vec![0; 1 << 20];
        let mut connection = TcpStream::connect(&host).unwrap();
        let head = format!(
            "POST /v1/documents HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {}\r\nContent-Length: {}\r\n\
             Connection: close\r\n\r\n",
            server.engine().token(),
            pieces << 20
        );
        connection.write_all(head.as_bytes()).unwrap();
        for _ in 0..pieces {
            connection.write_all(&piece).unwrap();
        }
        let mut answer = String::new();
        connection.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    };
    send(2);
    let before = peak_kib(server.id());
    send(PIECES);
    let grown = peak_kib(server.id()) - before;
    assert!(grown < 16 * 1024, "{grown} KiB more for an upload of {PIECES} MiB");
    assert_eq!(census::of(&server).documents, 2);
}
