//! `/v1/uploads`: a file in several requests by tus 1.0; what is acknowledged stays, what breaks a rule is named.

mod client;
mod crash;
mod places;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
use stammbuch::access::Role;
use stammbuch::domain::digest::Sha256;

use crate::actors::Server;
use crate::actors::speak::{Actor, Answer};
use crate::census;

const TUS: (&str, &str) = ("Tus-Resumable", "1.0.0");
const BYTES: (&str, &str) = ("Content-Type", "application/offset+octet-stream");

/// One pair of `Upload-Metadata`.
fn pair(key: &str, value: impl AsRef<[u8]>) -> String {
    format!("{key} {}", STANDARD.encode(value))
}

fn begin_with(actor: &Actor, length: &str, headers: &[(&str, &str)]) -> Answer {
    let mut all = vec![TUS, ("Upload-Length", length)];
    all.extend_from_slice(headers);
    actor.send("POST", "/v1/uploads", &all, &[])
}

/// Begins an upload and gives its path.
fn begin(actor: &Actor, length: usize) -> String {
    let answer = begin_with(actor, &length.to_string(), &[]);
    answer.expect(201);
    answer.header("location").to_owned()
}

fn patch_with(actor: &Actor, path: &str, offset: usize, headers: &[(&str, &str)], bytes: &[u8]) -> Answer {
    let offset = offset.to_string();
    let mut all = vec![TUS, BYTES, ("Upload-Offset", offset.as_str())];
    all.extend_from_slice(headers);
    actor.send("PATCH", path, &all, bytes)
}

fn patch(actor: &Actor, path: &str, offset: usize, bytes: &[u8]) -> Answer {
    patch_with(actor, path, offset, &[], bytes)
}

fn head(actor: &Actor, path: &str) -> Answer {
    actor.send("HEAD", path, &[TUS], &[])
}

/// The bytes of the document an answer names.
fn content(server: &Server, answer: &Answer) -> Vec<u8> {
    let document = answer.header("document-location");
    assert!(document.starts_with("/v1/documents/"), "{answer:?}");
    let content = server.clerk().get(&format!("{document}/content"));
    assert_eq!(content.status, 200);
    content.body
}

#[test]
fn a_file_in_several_requests_becomes_the_document_it_would_be_in_one() {
    let server = Server::start();
    let engine = server.engine();
    let bytes = "Anzeige der Geburt eines Kindes\n".repeat(5000).into_bytes();
    let metadata = [
        pair("filename", "../Geburtsanzeige Müller.txt"),
        pair("filetype", "text/plain"),
        pair("title", "Anzeige"),
        pair("kind", "Geburtsanzeige"),
        pair("reference", "StA 12/2024"),
        pair("date", "2024-02-29"),
        pair("entry", "G/06499001/2024/815"),
        pair("file", "SA-7"),
    ]
    .join(",");
    let digest = format!("sha-256=:{}:", STANDARD.encode(Sha256::of(&bytes).as_bytes()));
    let begun = begin_with(
        &engine,
        &bytes.len().to_string(),
        &[("Upload-Metadata", &metadata), ("Repr-Digest", &digest)],
    );
    begun.expect(201);
    let path = begun.header("location");
    assert_eq!(begun.header("upload-expires"), "Tue, 05 May 2026 12:00:00 GMT");
    let first = patch(&engine, path, 0, &bytes[..70_000]);
    assert_eq!((first.status, first.header("upload-offset")), (204, "70000"));
    assert_eq!((first.header("document-location"), first.header("tus-resumable")), ("", "1.0.0"));
    let asked = head(&engine, path);
    assert_eq!((asked.status, asked.header("upload-offset"), asked.body.len()), (200, "70000", 0));
    assert_eq!(asked.header("upload-length"), bytes.len().to_string());
    assert_eq!(
        (asked.header("upload-metadata"), asked.header("cache-control")),
        (metadata.as_str(), "no-store")
    );
    let last = patch(&engine, path, 70_000, &bytes[70_000..]);
    assert_eq!((last.status, last.header("upload-offset")), (204, bytes.len().to_string().as_str()));
    assert!(content(&server, &last) == bytes, "byte for byte");
    let document = server.clerk().get(last.header("document-location")).expect(200);
    for (field, value) in [
        ("sha256", Sha256::of(&bytes).to_string().as_str()),
        ("fileName", "Geburtsanzeige Müller.txt"),
        ("mediaType", "text/plain"),
        ("title", "Anzeige"),
        ("kind", "Geburtsanzeige"),
        ("reference", "StA 12/2024"),
        ("date", "2024-02-29"),
        ("entry", "G/06499001/2024/815"),
        ("file", "SA-7"),
        ("receivedBy", "engine-one"),
    ] {
        assert_eq!(document[field], value, "{field}");
    }
    let later = head(&engine, path);
    assert_eq!(later.header("document-location"), last.header("document-location"));
    assert_eq!((later.header("upload-expires"), later.header("upload-metadata")), ("", ""));
    let view = engine.get(path).expect(200);
    assert_eq!((&view["offset"], &view["length"]), (&bytes.len().into(), &bytes.len().into()));
    assert!(last.header("document-location").ends_with(view["document"].as_str().unwrap()));
    // One object and one key, as if it had come in one request.
    let census = census::of(&server);
    assert_eq!((census.documents, census.keys), (1, 1));
}

#[test]
fn what_is_spoken_here_is_told_without_a_token() {
    let server = Server::start_with(|config| config.limits.upload_bytes_max = 1000);
    let answer = server.citizen().send("OPTIONS", "/v1/uploads", &[], &[]);
    assert_eq!(answer.status, 204);
    for (name, value) in [
        ("tus-version", "1.0.0"),
        ("tus-resumable", "1.0.0"),
        ("tus-max-size", "1000"),
        ("tus-extension", "creation,creation-with-upload,expiration,checksum,termination"),
        ("tus-checksum-algorithm", "sha1,sha256"),
    ] {
        assert_eq!(answer.header(name), value, "{name}");
    }
}

#[test]
fn every_answer_names_the_version_and_another_version_is_refused() {
    let server = Server::start();
    let engine = server.engine();
    let path = begin(&engine, 10);
    for version in [&[][..], &[("Tus-Resumable", "0.2.2")], &[("Tus-Resumable", "1.0.0, 0.2.2")]] {
        for (method, path) in [("POST", "/v1/uploads"), ("PATCH", &path), ("DELETE", &path), ("POST", &path)]
        {
            let refused = engine.send(method, path, version, &[]);
            refused.problem(412, "tus-version");
            assert_eq!(refused.header("tus-version"), "1.0.0", "{method}");
        }
        assert_eq!(engine.send("HEAD", &path, version, &[]).status, 412);
    }
    let answers = [
        server.citizen().send("POST", "/v1/uploads", &[], &[]),
        server.stranger().send("PATCH", &path, &[], &[]),
        engine.send("PUT", &path, &[], &[]),
        engine.get("/v1/uploads/nothing"),
        head(&engine, &path),
    ];
    for (answer, status) in answers.iter().zip([401, 401, 405, 404, 200]) {
        assert_eq!((answer.status, answer.header("tus-resumable")), (status, "1.0.0"));
    }
    assert_eq!(engine.get("/v1/uploads-not").header("tus-resumable"), "");
}

#[test]
fn an_upload_may_bring_its_first_bytes_or_all_of_them() {
    let server = Server::start();
    let engine = server.engine();
    let send = |length: &str, bytes: &[u8]| {
        engine.send("POST", "/v1/uploads", &[TUS, BYTES, ("Upload-Length", length)], bytes)
    };
    let part = send("10", b"hello");
    part.expect(201);
    assert_eq!((part.header("upload-offset"), part.header("document-location")), ("5", ""));
    let rest = patch(&engine, part.header("location"), 5, b"world");
    assert_eq!(content(&server, &rest), b"helloworld");
    let all = send("5", b"hello");
    all.expect(201);
    assert_eq!(content(&server, &all), b"hello");
    let keys = census::of(&server).keys;
    send("4", b"hello").problem(413, "body-too-large");
    let unnamed = engine.send("POST", "/v1/uploads", &[TUS, ("Upload-Length", "5")], b"hello");
    unnamed.problem(415, "content-type-unsuitable");
    assert_eq!(census::of(&server).keys, keys);
}

#[test]
fn a_checksum_decides_over_all_bytes_of_its_request() {
    let server = Server::start();
    let engine = server.engine();
    let path = begin(&engine, 10);
    let sha1 = STANDARD.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, b"hello"));
    let sha256 = STANDARD.encode(digest(&SHA256, b"world"));
    let send = |offset, checksum: &str, bytes: &[u8]| {
        patch_with(&engine, &path, offset, &[("Upload-Checksum", checksum)], bytes)
    };
    let mismatch = send(0, &format!("sha1 {sha1}"), b"hellO");
    mismatch.problem(460, "checksum-mismatch");
    assert_eq!(head(&engine, &path).header("upload-offset"), "0");
    for malformed in
        ["md5 XUFAKrxLKna5cZ2REBfFkg==", "sha1", "sha1 !", &format!("sha256 {sha1}"), &format!("SHA1 {sha1}")]
    {
        send(0, malformed, b"hello").problem(400, "checksum-malformed");
    }
    assert_eq!(send(0, &format!("sha1 {sha1}"), b"hello").status, 204);
    let last = send(5, &format!("sha256 {sha256}"), b"world");
    assert_eq!(content(&server, &last), b"helloworld");
}

/// Length as sent, other headers; status and name of the problem.
type Bad<'a> = (&'a str, &'a [(&'a str, &'a str)], u16, &'a str);

#[test]
fn a_creation_that_breaks_a_rule_is_named_and_leaves_nothing() {
    let server = Server::start_with(|config| config.limits.upload_bytes_max = 100_000);
    let engine = server.engine();
    let before = census::of(&server);
    let title = |text: &str| pair("title", text);
    let (huge, long) = (title(&"x".repeat(7000)), title(&"x".repeat(501)));
    let (control, unknown) = (title("a\r\nSet-Cookie: b"), pair("name", "x"));
    let (date, entry, binary) =
        (pair("date", "2023-02-29"), pair("entry", "G/1"), pair("title", [0xc3, 0x28]));
    fn metadata(text: &str) -> [(&str, &str); 1] {
        [("Upload-Metadata", text)]
    }
    let bad: &[Bad<'_>] = &[
        ("0", &[], 422, "empty-file"),
        ("100001", &[], 413, "body-too-large"),
        ("18446744073709551615", &[], 413, "body-too-large"),
        ("18446744073709551616", &[], 400, "malformed-request"),
        ("-1", &[], 400, "malformed-request"),
        ("1e3", &[], 400, "malformed-request"),
        ("", &[], 400, "malformed-request"),
        ("10", &[("Upload-Length", "11")], 400, "malformed-request"),
        ("10", &[("Upload-Defer-Length", "1")], 400, "malformed-request"),
        ("10", &[("Upload-Concat", "partial")], 400, "malformed-request"),
        ("10", &[("Repr-Digest", "sha-256=abc")], 400, "digest-malformed"),
        ("10", &[("Idempotency-Key", "")], 400, "idempotency-key-malformed"),
        ("10", &metadata(&huge), 431, "header-too-large"),
        ("10", &metadata(&long), 422, "value-invalid"),
        ("10", &metadata(&control), 422, "value-invalid"),
        ("10", &metadata(&unknown), 400, "unknown-field"),
        ("10", &metadata(&date), 422, "value-invalid"),
        ("10", &metadata(&entry), 422, "register-number-invalid"),
        ("10", &metadata(&binary), 400, "malformed-request"),
        ("10", &metadata("title nicht-base64!"), 400, "malformed-request"),
        ("10", &metadata("title YQ==,title YQ=="), 400, "malformed-request"),
        ("10", &metadata("title YQ== YQ=="), 400, "malformed-request"),
        ("10", &metadata(", ,"), 400, "malformed-request"),
    ];
    for (length, headers, status, name) in bad {
        begin_with(&engine, length, headers).problem(*status, name);
    }
    engine.send("POST", "/v1/uploads", &[TUS], &[]).problem(400, "malformed-request");
    begin_with(&server.actor(Role::Auditor), "10", &[]).problem(403, "role-missing");
    assert_eq!(census::of(&server), before);
}

#[test]
fn names_that_would_be_paths_or_marks_are_made_fit_to_be_shown() {
    let server = Server::start();
    for (sent, shown) in [
        ("../../etc/passwd", "passwd"),
        ("C:\\Windows\\system.ini", "system.ini"),
        ("a\0b\r\nSet-Cookie: c.txt", "abSet-Cookie: c.txt"),
        ("rechnung\u{202e}txt.exe", "rechnungtxt.exe"),
        ("..", ""),
    ] {
        let metadata = pair("filename", sent);
        let begun = begin_with(&server.engine(), "1", &[("Upload-Metadata", &metadata)]);
        let done = patch(&server.engine(), begun.header("location"), 0, b"x");
        let document = server.clerk().get(done.header("document-location")).expect(200);
        assert_eq!(document["fileName"].as_str().unwrap_or_default(), shown, "{sent:?}");
    }
}

#[test]
fn a_continuation_that_breaks_a_rule_is_named_and_changes_nothing() {
    let server = Server::start();
    let engine = server.engine();
    let path = begin(&engine, 10);
    assert_eq!(patch(&engine, &path, 0, b"hell").status, 204);
    let mismatch = patch(&engine, &path, 5, b"o").problem(409, "offset-mismatch");
    assert_eq!((&mismatch["expected"], &mismatch["got"]), (&4.into(), &5.into()));
    patch(&engine, &path, 0, b"hell").problem(409, "offset-mismatch");
    patch(&engine, &path, 4, b"o, world").problem(413, "body-too-large");
    let offset = ("Upload-Offset", "4");
    engine.send("PATCH", &path, &[TUS, BYTES], b"o").problem(400, "malformed-request");
    engine.send("PATCH", &path, &[TUS, BYTES, offset, offset], b"o").problem(400, "malformed-request");
    engine.send("PATCH", &path, &[TUS, offset], b"o").problem(415, "content-type-unsuitable");
    let json = [TUS, offset, ("Content-Type", "application/json")];
    engine.send("PATCH", &path, &json, b"o").problem(415, "content-type-unsuitable");
    let nowhere = format!("/v1/uploads/{}", "0".repeat(32));
    for other in [nowhere.as_str(), "/v1/uploads/..%2f..%2fetc", "/v1/uploads/0"] {
        patch(&engine, other, 0, b"x").problem(404, "not-found");
    }
    assert_eq!(head(&engine, &path).header("upload-offset"), "4");
    let last = patch(&engine, &path, 4, b"o worl");
    assert_eq!(content(&server, &last), b"hello worl");
}

#[test]
fn requests_without_bytes_are_cut_off() {
    let server = Server::start();
    let engine = server.engine();
    let path = begin(&engine, 10);
    let statuses: Vec<u16> = (0..5).map(|_| patch(&engine, &path, 0, b"").status).collect();
    assert_eq!(statuses, [204, 204, 204, 422, 422]);
    patch(&engine, &path, 0, b"").problem(422, "upload-stalled");
    assert_eq!(patch(&engine, &path, 0, b"hello").status, 204);
    assert_eq!(patch(&engine, &path, 5, b"").status, 204);
}

#[test]
fn another_authoritys_upload_does_not_exist() {
    let server = Server::start();
    let path = begin(&server.engine(), 10);
    let other = server.other(Role::Engine);
    assert_eq!(head(&other, &path).status, 404);
    other.get(&path).problem(404, "not-found");
    patch(&other, &path, 0, b"hello").problem(404, "not-found");
    other.send("DELETE", &path, &[TUS], &[]).problem(404, "not-found");
    server.actor(Role::Operator).send("DELETE", &path, &[TUS], &[]).problem(403, "role-missing");
    // A colleague may go on with it.
    assert_eq!(patch(&server.clerk(), &path, 0, b"helloworld").status, 204);
}

#[test]
fn what_is_not_what_it_was_announced_as_ends_with_the_reason() {
    let server = Server::start();
    let engine = server.engine();
    let before = census::of(&server);
    let pdf = pair("filetype", "application/pdf");
    let wrong = format!("sha-256=:{}:", STANDARD.encode(Sha256::of(b"other").as_bytes()));
    let cases: [Bad<'_>; 2] = [
        ("9", &[("Upload-Metadata", &pdf)], 415, "media-type-mismatch"),
        ("9", &[("Repr-Digest", &wrong)], 422, "digest-mismatch"),
    ];
    for (length, headers, status, name) in cases {
        let begun = begin_with(&engine, length, headers);
        let path = begun.header("location");
        assert_eq!(patch(&engine, path, 0, b"Guten").status, 204);
        patch(&engine, path, 5, b" Tag").problem(status, name);
        assert_eq!(head(&engine, path).status, 404);
    }
    assert_eq!(census::of(&server), before);
}

#[test]
fn an_ended_upload_is_gone_with_its_bytes() {
    let server = Server::start();
    let engine = server.engine();
    let before = census::of(&server);
    let path = begin(&engine, 10);
    assert_eq!(patch(&engine, &path, 0, b"hello").status, 204);
    let ended = engine.send("DELETE", &path, &[TUS], &[]);
    assert_eq!((ended.status, ended.header("tus-resumable")), (204, "1.0.0"));
    for answer in
        [head(&engine, &path), patch(&engine, &path, 5, b"x"), engine.send("DELETE", &path, &[TUS], &[])]
    {
        assert_eq!(answer.status, 404);
    }
    assert_eq!(census::of(&server), before);
    let done = patch(&engine, &begin(&engine, 5), 0, b"hello");
    let path = begin(&engine, 1);
    patch(&engine, &path, 0, b"x");
    engine.send("DELETE", &path, &[TUS], &[]).problem(409, "state-conflict");
    assert_eq!(content(&server, &done), b"hello");
}

#[test]
fn a_client_that_can_only_post_names_the_method() {
    let server = Server::start();
    let engine = server.engine();
    let path = begin(&engine, 5);
    let post = |method: &str, bytes: &[u8]| {
        let headers = [TUS, BYTES, ("Upload-Offset", "0"), ("X-HTTP-Method-Override", method)];
        engine.send("POST", &path, &headers, bytes)
    };
    post("GET", b"").problem(405, "method-not-allowed");
    engine.send("POST", &path, &[TUS], &[]).problem(405, "method-not-allowed");
    assert_eq!(post("PATCH", b"he").status, 204);
    assert_eq!(post("DELETE", b"").status, 204);
    assert_eq!(head(&engine, &path).status, 404);
}

#[test]
fn uploads_survive_a_restart_and_end_at_their_time() {
    let server = Server::start_with(|config| config.uploads.kept_hours = 2);
    let (kept, over) = (begin(&server.engine(), 10), begin(&server.engine(), 10));
    for path in [&kept, &over] {
        assert_eq!(patch(&server.engine(), path, 0, b"hello").status, 204);
    }
    let server = Server::on(server.stop());
    let engine = server.engine();
    server.clock.advance(jiff::SignedDuration::from_mins(119));
    let later = patch(&engine, &kept, 5, b"w");
    assert_eq!(later.header("upload-expires"), "Mon, 04 May 2026 15:59:00 GMT");
    server.clock.advance(jiff::SignedDuration::from_mins(1));
    assert_eq!(head(&engine, &over).status, 410);
    patch(&engine, &over, 5, b"world").problem(410, "upload-expired");
    engine.get(&over).problem(410, "upload-expired");
    let last = patch(&engine, &kept, 6, b"orld");
    assert_eq!(content(&server, &last), b"helloworld");
}

#[test]
fn a_client_has_as_many_uploads_open_as_it_may() {
    let server = Server::start_with(|config| {
        config.uploads.client_open_max = 2;
        config.uploads.client_bytes_max = 100;
    });
    let engine = server.engine();
    begin_with(&engine, "101", &[]).problem(429, "too-many-uploads");
    let first = begin(&engine, 40);
    begin(&engine, 60);
    begin_with(&engine, "1", &[]).problem(429, "too-many-uploads");
    begin(&server.clerk(), 100);
    begin(&server.other(Role::Engine), 100);
    assert_eq!(engine.send("DELETE", &first, &[TUS], &[]).status, 204);
    begin_with(&engine, "41", &[]).problem(429, "too-many-uploads");
    begin(&engine, 40);
}

#[test]
fn the_same_creation_under_its_key_is_the_same_upload() {
    let server = Server::start();
    let engine = server.engine();
    let key = ("Idempotency-Key", "night-run-8");
    let metadata = pair("title", "a");
    let first = begin_with(&engine, "10", &[key, ("Upload-Metadata", &metadata)]);
    first.expect(201);
    assert_eq!(patch(&engine, first.header("location"), 0, b"hello").status, 204);
    let again = begin_with(&engine, "10", &[key, ("Upload-Metadata", &metadata)]);
    again.expect(201);
    assert_eq!(again.header("location"), first.header("location"));
    assert_eq!(again.header("upload-offset"), "5");
    begin_with(&engine, "10", &[key]).problem(422, "idempotency-key-reused");
    begin_with(&engine, "11", &[key, ("Upload-Metadata", &metadata)]).problem(422, "idempotency-key-reused");
    let theirs = begin_with(&server.clerk(), "10", &[key]);
    theirs.expect(201);
    assert_ne!(theirs.header("location"), first.header("location"));
}
