//! kill -9 of the real program while registrars issue, again and again: every acknowledged certificate is there and
//! the same, what was begun is finished once, numbers and the log have no gaps.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::mpsc;

use serde_json::Value;
use stammbuch::app::SystemClock;
use stammbuch::database::{Database, DatabaseError, certificates};
use stammbuch::domain::certificate::VerificationNumber;
use stammbuch::domain::clock::Clock as _;

use crate::actors::ServerProcess;
use crate::actors::desk::{copy, entry_path, order};
use crate::actors::place::Place;
use crate::actors::speak::Actor;

const ROUNDS: usize = 6;
const REGISTRARS: usize = 4;
/// Certificates that each registrar asks for in a round.
const EACH: usize = 3;

type Answers = BTreeMap<String, Value>;

/// Asks for the certificate of `key`; none if the server went away.
fn ask(registrar: &Actor, key: &str) -> Option<Value> {
    let headers = [("Content-Type", "application/json"), ("Idempotency-Key", key)];
    let body = order("815").to_string();
    let answer = registrar.try_send("POST", "/v1/certificates", &headers, body.as_bytes()).ok()?;
    Some(answer.expect(201))
}

/// Lets registrars issue until `kill_after` certificates are acknowledged, then kills the server under them.
fn round(server: ServerProcess, round: usize, kill_after: usize) -> (Place, Answers) {
    let registrar = server.registrar();
    let (asked, answered) = mpsc::channel();
    std::thread::scope(|scope| {
        for n in 0..REGISTRARS {
            let (registrar, asked) = (&registrar, asked.clone());
            scope.spawn(move || {
                for m in 0..EACH {
                    let key = format!("{round}-{n}-{m}");
                    let Some(issued) = ask(registrar, &key) else { return };
                    asked.send((key, issued)).unwrap();
                }
            });
        }
        drop(asked);
        let mut answers: Answers = answered.iter().take(kill_after).collect();
        let place = server.kill();
        answers.extend(answered.iter());
        (place, answers)
    })
}

#[test]
fn killed_at_any_time_no_certificate_is_lost_doubled_or_numbered_with_a_gap() {
    let mut server = ServerProcess::start();
    let mut entry = copy();
    entry["asOf"] = SystemClock.now().in_tz("Europe/Berlin").unwrap().date().to_string().into();
    server.engine().put(&entry_path("815"), &entry).expect(201);
    let mut known = Answers::new();
    for n in 0..ROUNDS {
        let (place, answers) = round(server, n, 1 + 2 * n);
        known.extend(answers);
        server = ServerProcess::on(place);
        let registrar = server.registrar();
        for (key, issued) in &known {
            assert_eq!(ask(&registrar, key).as_ref(), Some(issued), "{key} was acknowledged");
        }
    }
    let registrar = server.registrar();
    for n in 0..ROUNDS {
        for (r, m) in (0..REGISTRARS).flat_map(|r| (0..EACH).map(move |m| (r, m))) {
            let key = format!("{n}-{r}-{m}");
            let issued = ask(&registrar, &key).unwrap();
            known.insert(key, issued);
        }
    }
    let all = known.len() as u64;
    assert_eq!(all, (ROUNDS * REGISTRARS * EACH) as u64);
    let places: BTreeSet<u64> = known.values().map(|issued| issued["logIndex"].as_u64().unwrap()).collect();
    assert_eq!(places, (0..all).collect(), "one leaf each");
    let place = server.kill();
    assert_eq!(journal_numbers(place.config(), &known), (1..=all).collect(), "one number each, without gaps");
}

/// The numbers in the issue journal of what was issued.
fn journal_numbers(config: &stammbuch::config::Config, known: &Answers) -> BTreeSet<u64> {
    let numbers: Vec<VerificationNumber> =
        known.values().map(|issued| issued["number"].as_str().unwrap().parse().unwrap()).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let database = Database::open(&config.database_url(&config.database.url)).await.unwrap();
        let found = database.read::<_, DatabaseError, _>(|tx| {
            Box::pin(async move {
                let mut found = BTreeSet::new();
                for number in &numbers {
                    found.insert(certificates::by_number(tx, number).await?.unwrap().fixed.journal_no);
                }
                Ok(found)
            })
        });
        let found = found.await.unwrap();
        database.close().await;
        found
    })
}
