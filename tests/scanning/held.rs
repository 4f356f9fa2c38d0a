//! Where unscanned files are held: nobody reads, finds or hears of one before the scanner has found nothing in it.

use std::time::{Duration, Instant};

use jiff::SignedDuration;
use serde_json::{Value, json};
use stammbuch::access::Role;
use stammbuch::config::Config;
use stammbuch::intake::receive::WhenUnclear;

use super::quarantine::listed;
use super::scanner::{Clamd, Liar, Plays, eicar, scan};
use super::{BYTES, FOUND, tus, upload, upload_once};
use crate::actors::speak::Answer;
use crate::actors::{Server, ServerProcess};
use crate::events::hook::{Hook, Reply};
use crate::{census, events};

/// How long something may take on a busy machine before a test calls it lost.
const PATIENCE: Duration = Duration::from_secs(60);

fn hold(config: &mut Config, clamd: &Clamd) {
    scan(config, &clamd.socket());
    config.scan.unavailable = WhenUnclear::Hold;
}

/// Looks again and again until it is so; the time of the server moves on meanwhile.
fn until(server: &Server, what: &str, is_so: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < PATIENCE, "waited in vain: {what}");
        server.clock.advance(SignedDuration::from_secs(20));
        // sleeps: what the server does with its time gives no signal
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn path_of(answer: &Answer) -> String {
    answer.header("location").to_owned()
}

fn state(server: &Server, path: &str) -> Value {
    server.registrar().get(path).json()["state"].clone()
}

#[test]
fn what_waits_is_read_found_and_told_by_nobody_until_it_was_found_clean() {
    let Some(clamd) = Clamd::away() else { return };
    let hook = Hook::new(&[], Reply::Status(204));
    let server = Server::start_with(|config| {
        hold(config, &clamd);
        events::listen(config, "hook", &hook.url(), &[]);
    });
    let (engine, registrar) = (server.engine(), server.registrar());
    let text = b"Kanarienvogel ".repeat(10_000);
    let headers = [BYTES, ("Idempotency-Key", "k-1")];
    let send = || engine.send("POST", "/v1/documents?title=Kanarienvogel", &headers, &text);
    let answer = send();
    let waiting = answer.expect(202);
    assert_eq!((&waiting["state"], &waiting["scannedAt"]), (&json!("held"), &Value::Null));
    let path = path_of(&answer);
    assert_eq!(registrar.get(&path).expect(200), waiting);
    for part in ["content", "text"] {
        registrar.get(&format!("{path}/{part}")).problem(409, "awaiting-scan");
    }
    let why = json!({ "reason": "Rechtsstreit" });
    registrar.post(&format!("{path}/holds"), &why).problem(409, "awaiting-scan");
    let levels = json!({ "restriction": ["A"], "reason": "x" });
    assert_ne!(registrar.put(&format!("{path}/restriction"), &levels).status, 200);
    server.other(Role::Registrar).get(&path).problem(404, "not-found");
    assert_eq!(send().body, answer.body, "the same again gets the same answer");
    assert_eq!(registrar.get("/v1/search?q=Kanarienvogel").expect(200)["total"], 0);
    let health = server.citizen().get("/health/ready").expect(200);
    assert_eq!(health["parts"]["scanner"]["why"], "does not answer: uploads are held");
    let census = census::of(&server);
    assert_eq!((census.documents, census.object_files, census.keys), (0, 1, 1));
    assert!(hook.heard().is_empty());

    clamd.start();
    until(&server, "it is indexed", || state(&server, &path) == "indexed");
    let document = registrar.get(&path).expect(200);
    assert!(document["scannedAt"].as_str() > document["storedAt"].as_str(), "{document}");
    assert!(server.clerk().get(&format!("{path}/content")).body == text);
    assert_eq!(registrar.get("/v1/search?q=Kanarienvogel").expect(200)["total"], 1);
    assert_eq!(send().body, answer.body, "also afterwards");
    assert_eq!(census::of(&server).documents, 1);
    let heard = hook.until(|heard| heard.len() >= 2);
    assert_eq!([heard[0].what(), heard[1].what()], ["document.stored", "document.searchable"]);
}

#[test]
fn what_waits_and_is_infected_goes_to_the_quarantine_and_its_sender_learns_it() {
    let Some(clamd) = Clamd::away() else { return };
    let hook = Hook::new(&[], Reply::Status(204));
    let server = Server::start_with(|config| {
        hold(config, &clamd);
        events::listen(config, "hook", &hook.url(), &[]);
    });
    let infected = upload(&server.engine(), &eicar());
    infected.expect(202);
    let (last, _) = tus(&server.engine(), b"Anzeige der Geburt");
    assert_eq!(last.status, 204);
    let clean = last.header("document-location").to_owned();
    assert_eq!(state(&server, &clean), "held");
    clamd.start();
    let path = path_of(&infected);
    until(&server, "it is in quarantine", || listed(&server).len() == 1);
    until(&server, "the other one is indexed", || state(&server, &clean) == "indexed");
    let file = listed(&server).remove(0);
    assert_eq!((&file["signature"], &file["client"]), (&json!(FOUND), &json!("engine-one")));
    assert!(path.ends_with(file["document"].as_str().unwrap()));
    for part in ["", "/content", "/text"] {
        server.engine().get(&format!("{path}{part}")).problem(410, "quarantined");
    }
    server.other(Role::Engine).get(&path).problem(404, "not-found");
    let flagged = hook.until(|heard| heard.iter().any(|heard| heard.what() == "document.flagged"));
    let flagged = flagged.iter().find(|heard| heard.what() == "document.flagged").unwrap().json();
    assert_eq!(flagged["data"]["reason"], "infected");
    assert!(path.ends_with(flagged["data"]["document"].as_str().unwrap()));
    // From now on there is a clear answer at once.
    upload(&server.engine(), b"Brief").expect(201);
    upload(&server.engine(), &eicar()).problem(422, "infected");
}

#[test]
fn what_waits_can_be_erased_and_does_not_come_back() {
    let Some(clamd) = Clamd::away() else { return };
    let server = Server::start_with(|config| hold(config, &clamd));
    let answer = upload_once(&server.engine(), "k-1", b"Kanarienvogel");
    answer.expect(202);
    let path = path_of(&answer);
    let decision = json!({ "reason": "mistaken", "provision": "§ 7 Abs. 3 PStG" });
    server.clerk().post(&format!("{path}/erase"), &decision).problem(403, "role-missing");
    server.registrar().post(&format!("{path}/erase"), &decision).expect(202);
    server.engine().get(&path).problem(410, "erased");
    let census = census::settled_by(&server, |census| census.object_files == 0);
    assert_eq!((census.object_files, census.keys, census.documents), (0, 0, 0));
    assert_eq!(upload_once(&server.engine(), "k-1", b"Kanarienvogel").status, 410);
    clamd.start();
    let other = upload(&server.engine(), b"Anzeige");
    other.expect(201);
    until(&server, "the other is indexed", || state(&server, &path_of(&other)) == "indexed");
    server.engine().get(&path).problem(410, "erased");
}

#[test]
fn a_file_too_large_for_the_scanner_waits_until_its_limit_is_raised() {
    let Some(clamd) = Clamd::started() else { return };
    let server = Server::start_with(|config| {
        hold(config, &clamd);
        config.scan.bytes_max = 1000;
    });
    let answer = upload(&server.engine(), &vec![b'a'; 1001]);
    answer.expect(202);
    let health = || server.citizen().get("/health/ready").expect(200)["parts"]["scanner"]["why"].clone();
    assert_eq!(health(), "files wait for it");
    let mut place = server.stop();
    place.change(|config| config.scan.bytes_max = 1001);
    let server = Server::on(place);
    until(&server, "it is indexed", || state(&server, &path_of(&answer)) == "indexed");
}

/// The server is killed while its job waits for what the scanner says; the next one asks again.
#[test]
fn killed_between_question_and_answer_it_asks_again_and_makes_one_document_of_it() {
    let Some(clamd) = Clamd::away() else { return };
    let server = ServerProcess::start_with(|config| hold(config, &clamd));
    let answers: Vec<Answer> = [b"Anzeige".to_vec(), eicar(), b"Brief".to_vec()]
        .iter()
        .map(|bytes| upload(&server.engine(), bytes))
        .collect();
    for answer in &answers {
        answer.expect(202);
    }
    let liar = Liar::at(clamd.socket(), Plays::Silent);
    liar.until_asked();
    let place = server.kill();
    drop(liar);
    clamd.start();
    let server = ServerProcess::on(place);
    let began = Instant::now();
    let registrar = server.registrar();
    let expected = ["indexed", "quarantined", "indexed"];
    let stands = |answer: &Answer| {
        let said = registrar.get(answer.header("location")).json();
        let problem = said["type"].as_str().unwrap_or_default().rsplit('/').next().unwrap_or_default();
        said["state"].as_str().unwrap_or(problem).to_owned()
    };
    while answers.iter().map(stands).ne(expected) {
        assert!(began.elapsed() < PATIENCE, "{:?}", answers.iter().map(stands).collect::<Vec<_>>());
        // sleeps: what the server does in the background gives no signal
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(census::of(&server).documents, 2);
    let (status, _, place) = server.terminate();
    assert!(status.success());
    assert_eq!(census::of(&place).keys, 3);
    census::sweep_all(&place);
    assert_eq!(census::of(&place).keys, 3, "two documents and one in quarantine");
}
