//! The whole service on a bucket: what is stored where, and what becomes of requests when the store fails.

mod direct;
mod faults;
mod lies;
mod tls;
mod toxic;

use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use stammbuch::domain::digest::Sha256;

use crate::actors::Server;
use crate::actors::bucket::Bucket;
use crate::actors::desk::{copy, entry_path, order};
use crate::actors::place::Place;
use crate::actors::speak::Answer;

/// How long a document may take to be found on a busy machine before a test calls it lost.
const PATIENCE: Duration = Duration::from_secs(60);

fn upload(server: &Server, key: &str, bytes: &[u8]) -> Answer {
    upload_to(server, key, bytes)
}

fn upload_to(server: &Place, key: &str, bytes: &[u8]) -> Answer {
    let headers = [("Idempotency-Key", key)];
    server.engine().send("POST", "/v1/documents", &headers, bytes)
}

/// Sends until the store is back and the circuit has closed again.
fn upload_at_last(server: &Server, key: &str, bytes: &[u8]) -> Value {
    let began = Instant::now();
    loop {
        let answer = upload(server, key, bytes);
        if answer.status != 503 {
            return answer.expect(201);
        }
        assert!(began.elapsed() < PATIENCE, "{answer:?}");
        // sleeps: as Retry-After asks, only less
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// Documents without text: exactly one object each.
fn binary(number: u32, length: usize) -> Vec<u8> {
    let line = number.to_be_bytes();
    [0, 1, 2, 3].into_iter().chain(line.iter().copied().cycle()).take(length).collect()
}

fn content(server: &Server, document: &Value) -> Answer {
    content_of(server, document)
}

fn content_of(server: &Place, document: &Value) -> Answer {
    server.clerk().get(&format!("/v1/documents/{}/content", document["id"].as_str().unwrap()))
}

fn found(server: &Server, word: &str) -> Value {
    let began = Instant::now();
    loop {
        let answer = server.clerk().get(&format!("/v1/search?q={word}")).expect(200);
        if answer["hits"].as_array().is_some_and(|hits| !hits.is_empty()) {
            return answer;
        }
        assert!(began.elapsed() < PATIENCE, "{answer}");
        // sleeps: the interface has no signal for a change of state
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// 9 MB of text: more than one part, no two lines alike.
fn long_text() -> Vec<u8> {
    (0..260_000).flat_map(|number| format!("Zeile {number:>10} im Registerband\n").into_bytes()).collect()
}

#[test]
fn the_whole_service_runs_on_a_bucket() {
    let Some(bucket) = Bucket::make() else { return };
    the_whole_service_runs_on(&bucket, ["enforced", "enforced", "enforced"]);
}

/// Garage does not know conditions, answers 200, and overwrites.
#[test]
fn the_whole_service_runs_on_a_garage_whose_conditions_are_no_use() {
    let Some(bucket) = Bucket::make_on("STAMMBUCH_TEST_GARAGE") else { return };
    the_whole_service_runs_on(&bucket, ["ignored", "ignored", "enforced"]);
}

fn the_whole_service_runs_on(bucket: &Bucket, [overwrite, swap, checksum]: [&str; 3]) {
    let server = Server::start_with(|config| bucket.configure(config, &bucket.endpoint.clone()));
    let health = server.citizen().get("/health/ready").expect(200);
    let expected = json!({
        "overwrite": overwrite, "swap": swap, "checksum": checksum, "lock": "unknown", "versions": "none",
    });
    assert_eq!(health["facts"]["objects"], expected);
    let (small, large) = (b"Taufschein aus Musterstadt".to_vec(), long_text());
    let documents = [upload(&server, "a", &small).expect(201), upload(&server, "b", &large).expect(201)];
    let check = |server: &Server| {
        for (document, bytes) in documents.iter().zip([&small, &large]) {
            assert_eq!(Sha256::of(&content(server, document).body), Sha256::of(bytes));
        }
        let path = format!("/v1/documents/{}/content", documents[1]["id"].as_str().unwrap());
        let part = server.clerk().send("GET", &path, &[("Range", "bytes=8388600-8388619")], &[]);
        assert_eq!((part.status, &part.body[..]), (206, &large[8_388_600..8_388_620]));
    };
    check(&server);
    found(&server, "Taufschein");
    server.engine().put(&entry_path("815"), &copy()).expect(201);
    let issued = server.registrar().post_once("/v1/certificates", "a", &order("815")).expect(201);
    let path = format!("/v1/certificates/{}/pdf", issued["id"].as_str().unwrap());
    let pdf = server.registrar().get(&path).body;
    let report = server.citizen().send("POST", "/v1/verify", &[("Content-Type", "application/pdf")], &pdf);
    assert_eq!(report.expect(200)["verdict"], "genuine");

    let names = bucket.names();
    for name in ["site/log/checkpoint", "site/log/tile/0/000.p/1", "site/log/tile/entries/000.p/1"] {
        assert!(names.iter().any(|known| known == name), "{names:?}");
    }
    for name in names.iter().filter(|name| name.starts_with("site/o/")) {
        let stored = bucket.bytes(name);
        assert_eq!(&stored[..8], b"stbobj\0\x01", "{name}");
        assert!(!stored.windows(10).any(|window| window == b"Taufschein"), "{name}");
    }
    assert!(names.iter().all(|name| name.starts_with("site/o/") || name.starts_with("site/log/")));
    assert!(!server.data_dir().join("objects").exists(), "nothing goes to the disk");

    let server = Server::on(server.stop());
    check(&server);
    assert_eq!(server.registrar().get(&path).body, pdf);
    let place = server.stop();
    let mut check = Command::new(env!("CARGO_BIN_EXE_stammbuch"));
    let checked = check.arg("check").arg("--config").arg(place.config_file()).output().unwrap();
    assert!(checked.status.success(), "{checked:?}");
}
