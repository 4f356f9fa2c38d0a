//! An unmodified tus-js-client against the program: paused, killed, its server killed, and with a wrong setting.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use crate::actors::place::Place;
use crate::actors::{Server, ServerProcess};
use crate::census;

/// Where `node_modules` with tus-js-client lies; `None`, said, where it is not at hand.
fn package() -> Option<PathBuf> {
    let folder = std::env::var_os("STAMMBUCH_TUS_CLIENT").filter(|folder| !folder.is_empty());
    if folder.is_none() {
        eprintln!("skipped: STAMMBUCH_TUS_CLIENT names no folder with tus-js-client");
    }
    folder.map(PathBuf::from)
}

/// Starts the client; `asked` beside endpoint and token.
fn start(package: &Path, place: &Place, asked: &Value) -> Child {
    let mut all =
        json!({ "endpoint": format!("{}/v1/uploads", place.url()), "token": place.engine().token() });
    all.as_object_mut().unwrap().extend(asked.as_object().unwrap().clone());
    Command::new("node")
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/counterparts/tus-client.mjs"))
        .arg(package)
        .arg(all.to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap()
}

/// What it said until it ended.
fn said(client: Child) -> Vec<Value> {
    let output = client.wait_with_output().unwrap();
    let lines = String::from_utf8(output.stdout).unwrap();
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn run(package: &Path, place: &Place, asked: &Value) -> Vec<Value> {
    said(start(package, place, asked))
}

fn events<'e>(said: &'e [Value], name: &str) -> Vec<&'e Value> {
    said.iter().filter(|line| line["event"] == name).collect()
}

/// A file of `size` bytes, like no other.
fn file(folder: &Path, name: &str, size: usize) -> (PathBuf, Vec<u8>) {
    let bytes: Vec<u8> =
        (0..size).map(|at| b' ' + u8::try_from((at * 31 + at / 7919) % 90).unwrap()).collect();
    let path = folder.join(name);
    std::fs::write(&path, &bytes).unwrap();
    (path, bytes)
}

/// Requires that the client ended well, and that the document has these bytes.
#[track_caller]
fn stored(place: &Place, said: &[Value], bytes: &[u8]) {
    let done = events(said, "done");
    assert_eq!(done.len(), 1, "{said:?}");
    let document = done[0]["document"].as_str().unwrap_or_else(|| panic!("{said:?}"));
    let content = place.clerk().get(&format!("{document}/content"));
    assert_eq!(content.status, 200);
    assert!(content.body == bytes, "byte for byte");
}

#[test]
fn the_client_uploads_in_every_way_it_has() {
    let Some(package) = package() else { return };
    let (server, folder) = (Server::start(), tempfile::tempdir().unwrap());
    let (path, bytes) = file(folder.path(), "Anzeige.txt", 1_000_000);
    let metadata = json!({ "filename": "Anzeige Müller.txt", "filetype": "text/plain", "title": "Anzeige" });
    for how in [
        json!({}),
        json!({ "chunkSize": 300_000 }),
        json!({ "chunkSize": 300_000, "duringCreation": true }),
        json!({ "duringCreation": true }),
        json!({ "chunkSize": 300_000, "overridePatch": true }),
        json!({ "chunkSize": 100_000, "pauseAt": 400_000 }),
    ] {
        let mut asked = json!({ "file": path, "metadata": metadata });
        asked.as_object_mut().unwrap().extend(how.as_object().unwrap().clone());
        let said = run(&package, &server, &asked);
        stored(&server, &said, &bytes);
        assert_eq!(events(&said, "paused").len(), usize::from(how["pauseAt"].is_number()), "{said:?}");
        let document = events(&said, "done")[0]["document"].as_str().unwrap();
        assert_eq!(server.clerk().get(document).expect(200)["fileName"], "Anzeige Müller.txt");
    }
    assert_eq!(census::of(&server).documents, 6);
}

#[test]
fn a_killed_client_goes_on_where_it_stood() {
    let Some(package) = package() else { return };
    let (server, folder) = (Server::start(), tempfile::tempdir().unwrap());
    let (path, bytes) = file(folder.path(), "Scan.txt", 3_000_000);
    let asked = json!({ "file": path, "chunkSize": 250_000, "store": folder.path().join("urls.json") });
    let mut dying = asked.clone();
    dying["dieAt"] = 1_000_000.into();
    let first = run(&package, &server, &dying);
    assert!(events(&first, "done").is_empty() && !events(&first, "chunk").is_empty(), "{first:?}");
    let second = run(&package, &server, &asked);
    assert_eq!(events(&second, "resumed").len(), 1, "{second:?}");
    let begun = events(&first, "url")[0]["url"].as_str().unwrap();
    assert_eq!(events(&second, "url")[0]["url"], begun);
    // What the first one was told is not sent again.
    let acknowledged = events(&first, "chunk").last().unwrap()["accepted"].as_u64().unwrap();
    assert!(events(&second, "chunk")[0]["accepted"].as_u64().unwrap() > acknowledged);
    stored(&server, &second, &bytes);
    assert_eq!(census::of(&server).documents, 1);
}

#[test]
fn a_killed_server_is_no_end_for_the_client() {
    let Some(package) = package() else { return };
    let folder = tempfile::tempdir().unwrap();
    let (path, bytes) = file(folder.path(), "Scan.txt", 60_000_000);
    // A port of its own, so that the client finds the server again.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let server = ServerProcess::start_with(|config| config.listen = port);
    // One request for all of it: only what the server counts while it comes survives.
    let mut client = start(&package, &server, &json!({ "file": path }));
    let mut lines = BufReader::new(client.stdout.take().unwrap()).lines().map(Result::unwrap);
    let begun: Value = serde_json::from_str(&lines.next().unwrap()).unwrap();
    let upload = begun["url"].as_str().unwrap().strip_prefix(server.url()).unwrap().to_owned();
    let engine = server.engine();
    while engine.get(&upload).json()["offset"].as_u64().unwrap() == 0 {}
    let place = server.kill();
    let server = ServerProcess::on(place);
    let said: Vec<Value> = lines.map(|line| serde_json::from_str(&line).unwrap()).collect();
    client.wait().unwrap();
    stored(&server, &said, &bytes);
    // It went on with the same upload, and not from its beginning.
    let urls = events(&said, "url");
    assert_eq!(urls.len(), 1, "{said:?}");
    assert_eq!(urls[0]["url"], begun["url"]);
    assert_eq!(census::of(&server).documents, 1);
}

#[test]
fn a_client_that_sends_nothing_for_ever_is_stopped() {
    let Some(package) = package() else { return };
    let (server, folder) = (Server::start(), tempfile::tempdir().unwrap());
    let (path, _) = file(folder.path(), "Scan.txt", 1000);
    let said = run(&package, &server, &json!({ "file": path, "chunkSize": null }));
    let errors = events(&said, "error");
    assert_eq!(errors.len(), 1, "{said:?}");
    assert_eq!(errors[0]["status"], 422);
    assert!(errors[0]["body"].as_str().unwrap().contains("upload-stalled"), "{said:?}");
    assert!(events(&said, "chunk").len() <= 4, "{said:?}");
}

#[test]
fn the_client_ends_an_upload_and_is_told_why_one_is_refused() {
    let Some(package) = package() else { return };
    let (server, folder) = (Server::start(), tempfile::tempdir().unwrap());
    let (path, _) = file(folder.path(), "Scan.txt", 1000);
    let before = census::of(&server);
    let begun = server.engine().send(
        "POST",
        "/v1/uploads",
        &[super::TUS, super::BYTES, ("Upload-Length", "10")],
        b"hello",
    );
    let url = format!("{}{}", server.url(), begun.header("location"));
    let ended = run(&package, &server, &json!({ "file": path, "terminate": url }));
    assert_eq!(events(&ended, "terminated").len(), 1, "{ended:?}");
    let lie = json!({ "file": path, "metadata": { "filename": "Scan.pdf" } });
    let refused = run(&package, &server, &lie);
    assert_eq!(events(&refused, "error")[0]["status"], 415, "{refused:?}");
    let parallel = json!({ "file": path, "metadata": {}, "headers": { "Upload-Concat": "partial" } });
    assert_eq!(events(&run(&package, &server, &parallel), "error")[0]["status"], 400);
    assert_eq!(census::of(&server), before);
}
