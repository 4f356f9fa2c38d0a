//! Engines that upload and order and a registrar who issues, each insisting until it has its answer, while something
//! goes wrong; and what must be there afterwards.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;
use stammbuch::app::SystemClock;
use stammbuch::domain::clock::Clock as _;

use crate::actors::ServerProcess;
use crate::actors::desk::{copy, entry_path, order};
use crate::actors::speak::Actor;
use crate::{census, durability};

/// How long anything may take before the test calls it stuck; not a measure of anything.
const PATIENCE: Duration = Duration::from_secs(90);
/// Requests that are answered before anything goes wrong.
const BEFORE: usize = 6;

/// Sees what those who ask see.
pub struct Witness<'s> {
    /// Whom they ask.
    pub server: &'s ServerProcess,
    answers: &'s AtomicUsize,
    refusals: &'s AtomicUsize,
}

/// One request and its answer.
struct Asked {
    actor: Actor,
    path: &'static str,
    key: String,
    body: String,
    status: u16,
    answer: Value,
}

/// What was stored, ordered and issued.
#[derive(Default)]
struct Ledger(Vec<Asked>);

impl Witness<'_> {
    /// Waits until somebody is refused.
    pub fn sees_refusals(&self) {
        let before = self.refusals.load(Ordering::SeqCst);
        until("nobody is refused", || self.refusals.load(Ordering::SeqCst) > before);
    }

    /// Waits until `/health/ready` answers with this status.
    pub fn sees_ready(&self, status: u16) {
        let citizen = self.server.citizen();
        until("ready does not say so", || citizen.get("/health/ready").status == status);
    }

    fn sees_answers(&self, count: usize) {
        let before = self.answers.load(Ordering::SeqCst);
        until("nothing is answered", || self.answers.load(Ordering::SeqCst) >= before + count);
    }
}

#[track_caller]
fn until(otherwise: &str, is_so: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < PATIENCE, "{otherwise}");
        // sleeps: neither the server nor those who ask it give a signal
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Ends the load, also when the test fails in the middle of it.
struct Stop<'s>(&'s AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Asks until it gets another answer than "later", and gives that.
fn insist(asked: &Asked, refusals: &AtomicUsize) -> Value {
    let headers = [
        ("Content-Type", if asked.body.starts_with('{') { "application/json" } else { "text/plain" }),
        ("Idempotency-Key", asked.key.as_str()),
    ];
    let began = Instant::now();
    loop {
        let answer = asked.actor.send("POST", asked.path, &headers, asked.body.as_bytes());
        if answer.status != 503 {
            return answer.expect(asked.status);
        }
        answer.problem(503, "unavailable");
        assert!(answer.header("retry-after").parse::<u32>().is_ok(), "{answer:?}");
        refusals.fetch_add(1, Ordering::SeqCst);
        assert!(began.elapsed() < PATIENCE, "{} is never answered: {}", asked.path, answer.text());
        // sleeps: who was told to come again comes again
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Puts the server under load, lets `fault` come and go, and requires that everything is done once.
pub fn survives(server: ServerProcess, fault: impl FnOnce(&Witness<'_>)) {
    let mut entry = copy();
    entry["asOf"] = SystemClock.now().in_tz("Europe/Berlin").unwrap().date().to_string().into();
    server.engine().put(&entry_path("815"), &entry).expect(201);
    let (answers, refusals, stop) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicBool::new(false));
    let mut ledger = Ledger::default();
    std::thread::scope(|scope| {
        let (server, answers, refusals, stop) = (&server, &answers, &refusals, &stop);
        let work = |who: &'static str, actor: Actor, path: &'static str, status: u16| {
            scope.spawn(move || {
                let mut done = Vec::new();
                for n in 0.. {
                    let key = format!("{who}-{n}");
                    let body = if path == "/v1/documents" {
                        format!("upload {key}")
                    } else {
                        order("815").to_string()
                    };
                    let mut asked =
                        Asked { actor: actor.clone(), path, key, body, status, answer: Value::Null };
                    asked.answer = insist(&asked, refusals);
                    answers.fetch_add(1, Ordering::SeqCst);
                    done.push(asked);
                    if stop.load(Ordering::SeqCst) {
                        break;
                    }
                }
                done
            })
        };
        let stop_in_any_case = Stop(stop);
        let threads = [
            work("a", server.engine(), "/v1/documents", 201),
            work("b", server.engine(), "/v1/documents", 201),
            work("c", server.engine(), "/v1/orders", 202),
            work("d", server.registrar(), "/v1/certificates", 201),
        ];
        let witness = Witness { server, answers, refusals };
        witness.sees_answers(BEFORE);
        fault(&witness);
        witness.sees_answers(BEFORE);
        drop(stop_in_any_case);
        ledger.0.extend(threads.into_iter().flat_map(|thread| thread.join().unwrap()));
    });
    ledger.is_whole(server);
}

impl Ledger {
    fn of(&self, path: &str) -> impl Iterator<Item = &Asked> {
        self.0.iter().filter(move |asked| asked.path == path)
    }

    /// Every answer is given again, nothing is there twice, numbers have no gaps, and nothing else is there.
    fn is_whole(&self, server: ServerProcess) {
        let no_refusals = AtomicUsize::new(0);
        for asked in &self.0 {
            assert_eq!(insist(asked, &no_refusals), asked.answer, "{} {}", asked.path, asked.key);
        }
        assert_eq!(no_refusals.load(Ordering::SeqCst), 0, "the fault is over");
        let ids: BTreeSet<&str> = self.0.iter().map(|asked| asked.answer["id"].as_str().unwrap()).collect();
        assert_eq!(ids.len(), self.0.len());
        let issued = self.of("/v1/certificates");
        let places: BTreeSet<u64> = issued.map(|asked| asked.answer["logIndex"].as_u64().unwrap()).collect();
        assert_eq!(places, (0..places.len() as u64).collect(), "one leaf each");
        let (uploads, issued) = (self.of("/v1/documents").count(), self.of("/v1/certificates").count());
        assert_eq!(places.len(), issued);
        let (status, log, place) = server.terminate();
        assert!(status.success(), "{}", log.join("\n"));
        let census = census::of(&place);
        assert_eq!((census.documents, census.keys_of_requests), (uploads as u64, uploads as u64));
        durability::nothing_is_orphaned(&place, uploads + issued);
    }
}
