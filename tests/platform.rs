//! What every resource has in common: problems, health, metrics, logs, shutdown.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use serde_json::Value;

use crate::actors::{Server, ServerProcess};

#[test]
fn health_says_of_each_part_whether_it_answers() {
    let server = Server::start();
    assert_eq!(server.citizen().get("/health/live").expect(200), serde_json::json!({"status": "ok"}));
    let health = server.citizen().get("/health/ready").expect(200);
    assert_eq!(health["status"], "ok");
    for part in ["database", "keystore", "objects", "keys", "index", "scanner", "sequencer"] {
        assert_eq!(health["parts"][part]["status"], "ok", "{health}");
    }
    assert_eq!(health["parts"].as_object().unwrap().len(), 7);
}

#[test]
fn an_object_store_that_is_gone_is_not_ready() {
    let server = Server::start();
    let objects = server.data_dir().join("objects");
    std::fs::rename(&objects, server.data_dir().join("elsewhere")).unwrap();
    std::fs::write(&objects, "not a folder").unwrap();
    let health = server.citizen().get("/health/ready").expect(503);
    let failed = serde_json::json!({ "status": "failed", "why": "cannot be written" });
    assert_eq!((&health["status"], &health["parts"]["objects"]), (&"failed".into(), &failed));
    assert_eq!(health["parts"]["database"]["status"], "ok");
    assert_eq!(server.citizen().get("/health/live").status, 200);
}

#[test]
fn without_a_key_that_can_sign_it_is_not_ready() {
    let server = Server::start();
    server.clock.advance(jiff::SignedDuration::from_hours(-24 * 365));
    let health = server.citizen().get("/health/ready").expect(503);
    assert_eq!(health["parts"]["keys"], serde_json::json!({ "status": "failed", "why": "cannot sign" }));
    assert!(!health.to_string().contains("2026"), "nothing about the inside: {health}");
}

#[test]
fn what_is_not_there_is_404_and_a_method_that_is_not_there_is_405() {
    let server = Server::start();
    server.citizen().get("/v1/nothing").problem(404, "not-found");
    server.engine().get("/v1/nothing/../../etc").problem(404, "not-found");
    let answer = server.citizen().post("/health/live", &Value::Null);
    answer.problem(405, "method-not-allowed");
    assert_eq!(answer.header("allow"), "GET, HEAD");
}

#[test]
fn head_answers_like_get_without_the_body() {
    let server = Server::start();
    let answer = server.citizen().send("HEAD", "/health/live", &[], &[]);
    assert_eq!((answer.status, answer.header("content-length"), answer.body.len()), (200, "15", 0));
}

#[test]
fn metrics_and_log_hold_templates_and_no_path_values_or_tokens() {
    let server = ServerProcess::start();
    let secret = "Mustermann-4711";
    server.engine().get(&format!("/v1/nothing/{secret}?name={secret}")).problem(404, "not-found");
    let metrics = server.citizen().get("/metrics");
    assert!(metrics.header("content-type").starts_with("text/plain; version=0.0.4"));
    assert!(metrics.text().contains("route=\"unmatched\",status=\"404\"} 1"), "{}", metrics.text());
    let token = server.engine().token().to_owned();
    let (status, log, _place) = server.terminate();
    assert!(status.success());
    let log = log.join("\n");
    assert!(log.contains("\"route\":\"unmatched\",\"status\":404"), "{log}");
    for hidden in [secret, &token] {
        assert!(!metrics.text().contains(hidden) && !log.contains(hidden), "{log}");
    }
}

#[test]
fn every_answer_names_the_request_that_the_log_names() {
    let server = ServerProcess::start();
    let id = server.citizen().get("/health/live").header("x-request-id").to_owned();
    let (_, log, _place) = server.terminate();
    let lines: Vec<Value> = log.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let line = lines.iter().find(|line| line["request_id"] == id.as_str()).unwrap();
    assert_eq!((&line["method"], &line["route"]), (&"GET".into(), &"/health/live".into()));
    assert!(line["ms"].is_f64());
}

#[test]
fn a_request_that_is_no_http_is_refused_without_a_word_about_the_inside() {
    let server = Server::start();
    let mut stream = TcpStream::connect(server.url().trim_start_matches("http://")).unwrap();
    stream.write_all(b"\x16\x03\x01 not http\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 400 Bad Request"), "{answer}");
    assert!(answer.ends_with("\r\n\r\n"), "{answer}");
}

#[test]
fn one_folder_is_served_by_one_process() {
    let server = Server::start();
    let second = std::process::Command::new(env!("CARGO_BIN_EXE_stammbuch"))
        .args(["serve", "--config"])
        .arg(server.config_file())
        .output()
        .unwrap();
    let said = String::from_utf8(second.stderr).unwrap();
    assert_eq!(second.status.code(), Some(1));
    assert!(said.starts_with("stammbuch: another process serves "), "{said}");
}

#[test]
fn a_server_that_was_killed_starts_again_on_the_same_folder() {
    let place = ServerProcess::start().kill();
    let server = ServerProcess::on(place);
    assert_eq!(server.citizen().get("/health/ready").status, 200);
}
