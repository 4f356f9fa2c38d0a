//! toxiproxy between the server and its store: slow, cut, reset, narrow. What is acknowledged is whole.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{PATIENCE, binary, content, upload, upload_at_last};
use crate::actors::Server;
use crate::actors::bucket::Bucket;
use crate::actors::speak::Actor;

/// A running toxiproxy with one proxy, before the store.
struct Toxiproxy {
    child: Child,
    api: Actor,
    url: String,
}

impl Toxiproxy {
    /// None, said aloud, where `STAMMBUCH_TEST_TOXIPROXY` names no program.
    fn before(upstream: &str) -> Option<Self> {
        #[expect(clippy::disallowed_methods, reason = "tests are handed their tools by the environment")]
        let Ok(program) = std::env::var("STAMMBUCH_TEST_TOXIPROXY") else {
            eprintln!("skipped: STAMMBUCH_TEST_TOXIPROXY names no program");
            return None;
        };
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let child = Command::new(program)
            .args(["-host", "127.0.0.1", "-port", &port.to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let api = Actor::new(&format!("http://127.0.0.1:{port}"), None);
        let began = Instant::now();
        while api.try_send("GET", "/version", &[], &[]).is_err() {
            assert!(began.elapsed() < PATIENCE, "toxiproxy does not start");
            // sleeps: until it listens
            std::thread::sleep(Duration::from_millis(50));
        }
        let upstream = upstream.trim_start_matches("http://");
        let proxy = json!({"name": "s3", "listen": "127.0.0.1:0", "upstream": upstream, "enabled": true});
        let made = api.post("/proxies", &proxy).expect(201);
        let url = format!("http://{}", made["listen"].as_str().unwrap());
        Some(Self { child, api, url })
    }

    /// Does `work` while the connection has this fault.
    fn with<T>(&self, kind: &str, stream: &str, attributes: Value, work: impl FnOnce() -> T) -> T {
        let toxic = json!({"name": "t", "type": kind, "stream": stream, "attributes": attributes});
        self.api.post("/proxies/s3/toxics", &toxic).expect(200);
        let done = work();
        assert_eq!(self.api.send("DELETE", "/proxies/s3/toxics/t", &[], &[]).status, 204);
        done
    }
}

impl Drop for Toxiproxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn on_a_bad_line_uploads_are_whole_or_refused_and_come_through_when_it_is_mended() {
    let Some(bucket) = Bucket::make() else { return };
    let Some(line) = Toxiproxy::before(&bucket.endpoint) else { return };
    let server = Server::start_with(|config| bucket.configure(config, &line.url));
    let faults = [
        ("latency", "downstream", json!({"latency": 300, "jitter": 200})),
        ("bandwidth", "upstream", json!({"rate": 500})),
        ("slicer", "upstream", json!({"average_size": 3000, "size_variation": 1000, "delay": 10})),
        ("limit_data", "upstream", json!({"bytes": 100_000})),
        ("limit_data", "downstream", json!({"bytes": 100})),
        ("reset_peer", "upstream", json!({"timeout": 20})),
        ("reset_peer", "downstream", json!({"timeout": 0})),
        ("timeout", "downstream", json!({"timeout": 500})),
    ];
    let (mut kept, mut refused) = (Vec::new(), 0);
    for (number, (kind, stream, attributes)) in (0..).zip(faults) {
        for length in [2000, 400_000] {
            let (key, bytes) = (format!("k{number}-{length}"), binary(number, length));
            let answer = line.with(kind, stream, attributes.clone(), || upload(&server, &key, &bytes));
            if answer.status != 201 {
                answer.problem(503, "unavailable");
                assert!(answer.header("retry-after").parse::<u32>().is_ok());
                refused += 1;
            }
            kept.push((upload_at_last(&server, &key, &bytes), bytes));
        }
    }
    assert!(refused > 0, "a fault that stops nothing is none");
    for (document, bytes) in &kept {
        assert_eq!(content(&server, document).body, *bytes);
    }
    // What a lost answer left behind has no row, and is removed by the sweep after the time of grace.
    let objects = bucket.names().iter().filter(|name| name.starts_with("site/o/")).count();
    assert!(
        (kept.len()..=kept.len() + refused).contains(&objects),
        "{objects} objects, {} documents",
        kept.len()
    );
}
