//! Events as a receiver sees them: order, tries, doubles, signatures, what they do not say, and the list of the dead.

pub mod hook;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::SignedDuration;
use serde_json::{Value, json};
use stammbuch::access::Role;
use stammbuch::config::{Config, EventTarget};
use stammbuch::domain::ids::AuthorityId;

use crate::actors::desk::{copy, entry_path, order};
use crate::actors::place::Place;
use crate::actors::speak::Actor;
use crate::actors::{Server, ServerProcess};
use hook::{Hook, Reply, SECRET};

/// Words that stand for persons: no event may have one.
const CANARY: &str = "Kanarienvogel";
/// How long something may take on a busy machine before a test calls it lost.
const PATIENCE: Duration = Duration::from_secs(60);

/// Lets a target hear what happens.
pub fn listen(config: &mut Config, name: &str, url: &str, types: &[&str]) {
    let file = config.data_dir.join(format!("keys/{name}.secret"));
    std::fs::write(&file, format!("whsec_{}\n", STANDARD.encode(SECRET))).unwrap();
    config.events.private = vec!["127.0.0.1".parse().unwrap()];
    config.events.timeout_seconds = 2;
    config.events.targets.push(EventTarget {
        name: name.to_owned().try_into().unwrap(),
        authority: AuthorityId::from_bytes([0xaa; 16]),
        url: url.to_owned().try_into().unwrap(),
        types: types.iter().map(|what| serde_json::from_value(json!(what)).unwrap()).collect(),
        secret_file: file,
        ca_file: None,
    });
}

fn told(hook: &Hook) -> Server {
    Server::start_with(|config| listen(config, "hook", &hook.url(), &[]))
}

fn upload(engine: &Actor, text: &str) -> String {
    let path = format!("/v1/documents?title={CANARY}&reference={CANARY}&file={CANARY}");
    let name = format!("attachment; filename=\"{CANARY}.txt\"");
    let headers = [("Content-Type", "text/plain"), ("Content-Disposition", name.as_str())];
    let answer = engine.send("POST", &path, &headers, text.as_bytes()).expect(201);
    answer["id"].as_str().unwrap().to_owned()
}

/// How many tries have come to an end.
fn ended(server: &Server) -> usize {
    let metrics = server.citizen().get("/metrics");
    let counted = metrics.text().lines().filter(|line| line.starts_with("stammbuch_events_total"));
    counted.map(|line| line.rsplit(' ').next().unwrap().parse::<usize>().unwrap()).sum()
}

/// Moves the clock of the server on until `done`, while nothing is on its way and by less than a lease: pauses and
/// leases are of the clock.
fn pass_time(server: &Server, begun: impl Fn() -> usize, done: impl Fn() -> bool) {
    let began = Instant::now();
    while !done() {
        assert!(began.elapsed() < PATIENCE, "waited in vain: {} of {} ended", ended(server), begun());
        if ended(server) >= begun() {
            server.clock.advance(SignedDuration::from_secs(25));
        }
        // sleeps: what the server does with its time gives no signal
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn dead(actor: &Actor) -> Vec<Value> {
    actor.get("/v1/events/dead").expect(200)["events"].as_array().unwrap().clone()
}

#[test]
fn a_document_and_a_certificate_are_told_in_order_and_signed_and_no_person_is_named() {
    let hook = Hook::new(&[], Reply::Status(204));
    let server = told(&hook);
    let document = upload(&server.engine(), &format!("{CANARY} wohnt hier"));
    server.engine().put(&entry_path("815"), &copy()).expect(201);
    let mut wanted = order("815");
    wanted["businessKey"] = "V-4711".into();
    wanted["purpose"] = CANARY.into();
    let placed = server.engine().post("/v1/orders", &wanted).expect(202);
    let order = placed["id"].as_str().unwrap();
    let issued = server.registrar().post(&format!("/v1/orders/{order}/release"), &json!({})).expect(201);

    let heard = hook.until(|heard| heard.len() >= 4);
    let of = |subject: String| {
        let about = heard.iter().filter(|heard| heard.subject() == subject);
        about.map(hook::Heard::what).collect::<Vec<_>>()
    };
    assert_eq!(of(format!("documents/{document}")), ["document.stored", "document.searchable"]);
    assert_eq!(of(format!("orders/{order}")), ["certificate.ordered", "certificate.issued"]);
    let last = heard.iter().find(|heard| heard.what() == "certificate.issued").unwrap().json();
    assert_eq!(last["data"], json!({ "order": order, "certificate": issued["id"], "businessKey": "V-4711" }));
    let ids: BTreeSet<_> = heard.iter().map(|heard| heard.header("webhook-id").to_owned()).collect();
    assert_eq!(ids.len(), 4);
    for heard in heard {
        let json = heard.json();
        assert_eq!(json["specversion"], "1.0");
        assert_eq!(json["source"], server.config().public_url.as_str());
        assert_eq!(json["id"], heard.header("webhook-id"));
        assert_eq!(json["datacontenttype"], "application/json");
        assert_eq!(json["authority"], server.authority().to_string());
        assert!(json["time"].as_str().unwrap().parse::<jiff::Timestamp>().is_ok());
        assert_eq!(heard.header("content-type"), "application/cloudevents+json; charset=UTF-8");
        let text = format!("{heard:?} {}", String::from_utf8_lossy(&heard.body));
        for person in [CANARY, "Đurović", "Jovan", "Erika"] {
            assert!(!text.contains(person), "{text}");
        }
        assert!(heard.is_signed_by(&SECRET) && !heard.is_signed_by(b"another secret of the tests"));
        let mut other = heard.clone();
        other.body.push(b' ');
        assert!(!other.is_signed_by(&SECRET));
        let mut later = heard;
        later.headers.insert("webhook-timestamp".into(), "1777896001".into());
        assert!(!later.is_signed_by(&SECRET));
    }
    assert!(dead(&server.actor(Role::Operator)).is_empty());
}

#[test]
fn what_fails_comes_again_with_its_id_and_what_follows_about_the_same_waits_for_it() {
    let replies = [Reply::Status(500), Reply::Reset, Reply::Silence, Reply::Status(429)];
    let hook = Hook::new(&replies, Reply::Trickle);
    let server = told(&hook);
    let document = upload(&server.engine(), "eins");
    let taken = || hook.heard().iter().filter(|heard| heard.taken).count();
    pass_time(&server, || hook.heard().len(), || taken() == 2);
    let heard = hook.heard();
    let line = heard.iter().map(|heard| (heard.what(), heard.taken)).collect::<Vec<_>>();
    let stored = |taken| ("document.stored".to_owned(), taken);
    let searchable = ("document.searchable".to_owned(), true);
    let expected = [stored(false), stored(false), stored(false), stored(false), stored(true), searchable];
    assert_eq!(line, expected);
    assert!(heard.iter().all(|heard| heard.subject() == format!("documents/{document}")));
    let ids: BTreeSet<_> = heard[..5].iter().map(|heard| heard.header("webhook-id")).collect();
    assert_eq!(ids.len(), 1, "each try has the same id");
    let times: BTreeSet<_> = heard[..5].iter().map(|heard| heard.header("webhook-timestamp")).collect();
    assert_eq!(times.len(), 5, "each try has its own time: {times:?}");
    assert!(heard[1..].iter().all(|heard| heard.is_signed_by(&SECRET)));
}

#[test]
fn a_target_that_does_not_answer_holds_up_nobody_else() {
    let (slow, quick) = (Hook::new(&[], Reply::Silence), Hook::new(&[], Reply::Status(200)));
    let server = Server::start_with(|config| {
        listen(config, "slow", &slow.url(), &["document.stored"]);
        listen(config, "quick", &quick.url(), &["document.stored"]);
        config.events.timeout_seconds = 30;
        config.events.places = 1;
    });
    for text in ["eins", "zwei", "drei"] {
        upload(&server.engine(), text);
    }
    assert_eq!(quick.until(|heard| heard.len() == 3).len(), 3);
    assert_eq!(slow.until(|heard| !heard.is_empty()).len(), 1, "one place, one delivery");
}

#[test]
fn the_dead_are_listed_for_their_authority_and_replayed_in_order() {
    let replies = vec![Reply::Status(500); 4];
    let hook = Hook::new(&replies, Reply::Status(200));
    let server = Server::start_with(|config| {
        listen(config, "hook", &hook.url(), &["document.stored", "document.searchable"]);
        config.events.attempts_max = 2;
    });
    let (operator, auditor) = (server.actor(Role::Operator), server.actor(Role::Auditor));
    let document = upload(&server.engine(), "eins");
    pass_time(&server, || hook.heard().len(), || dead(&auditor).len() == 2);
    let listed = dead(&operator);
    assert_eq!(listed, dead(&auditor));
    assert_eq!(
        (&listed[0]["type"], &listed[0]["attempts"], &listed[0]["error"], &listed[0]["target"]),
        (&json!("example.stammbuch.document.stored"), &json!(2), &json!("answered 500"), &json!("hook"))
    );
    assert_eq!(listed[1]["subject"], format!("documents/{document}"));
    let first = hook.heard()[0].header("webhook-id").to_owned();
    assert_eq!(listed[0]["event"], first);
    let one = format!("/v1/events/dead/{}/replay", listed[0]["id"].as_str().unwrap());
    assert!(dead(&server.other(Role::Operator)).is_empty());
    server.other(Role::Operator).post(&one, &json!({})).problem(404, "not-found");
    let none = server.other(Role::Operator).post("/v1/events/dead/replay", &json!({})).expect(200);
    assert_eq!(none, json!({ "replayed": 0 }));

    assert_eq!(operator.post(&one, &json!({})).expect(200), json!({ "replayed": 1 }));
    let again = hook.until(|heard| heard.len() == 5);
    assert_eq!(again[4].header("webhook-id"), first, "a receiver can tell that it is the same");
    operator.post(&one, &json!({})).problem(404, "not-found");
    assert_eq!(operator.post("/v1/events/dead/replay", &json!({})).expect(200), json!({ "replayed": 1 }));
    assert_eq!(hook.until(|heard| heard.len() == 6)[5].what(), "document.searchable");
    let metrics = server.citizen().get("/metrics");
    for line in [
        "stammbuch_events_total{outcome=\"delivered\"}",
        "stammbuch_events_total{outcome=\"failed\"} 2",
        "stammbuch_events_total{outcome=\"dead\"} 2",
        "stammbuch_events_lag_seconds",
    ] {
        assert!(metrics.text().contains(line), "{line} in {}", metrics.text());
    }
}

#[test]
fn events_of_a_target_that_was_taken_away_are_among_the_dead_until_it_is_back() {
    let (hook, other) = (Hook::new(&[], Reply::Status(500)), Hook::new(&[], Reply::Status(200)));
    let place = Place::new(|config| listen(config, "hook", &hook.url(), &["document.stored"]));
    let (operator, nothing) = (|server: &Server| server.actor(Role::Operator), json!({}));
    let server = Server::on(place);
    let mut stored = BTreeSet::from(["eins", "zwei"].map(|text| upload(&server.engine(), text)));
    hook.until(|heard| !heard.is_empty());
    let with = |server: Server, change: &dyn Fn(&mut Config)| {
        let mut place = server.stop();
        place.change(change);
        Server::on(place)
    };
    let server = with(server, &|config| {
        config.events.targets.clear();
        listen(config, "other", &other.url(), &["document.stored"]);
    });
    let began = Instant::now();
    while dead(&operator(&server)).len() < 2 {
        assert!(began.elapsed() < PATIENCE, "{:?}", dead(&operator(&server)));
        // sleeps: what the server does at its start gives no signal
        std::thread::sleep(Duration::from_millis(50));
    }
    let listed = dead(&operator(&server));
    for event in &listed {
        let why = (&event["target"], &event["error"]);
        assert_eq!(why, (&json!("hook"), &json!("no target of this name is configured")));
    }
    // Nobody would take them: they stay where they are.
    let one = format!("/v1/events/dead/{}/replay", listed[0]["id"].as_str().unwrap());
    operator(&server).post(&one, &nothing).problem(409, "state-conflict");
    let none = operator(&server).post("/v1/events/dead/replay", &nothing).expect(200);
    assert_eq!((none, dead(&operator(&server)).len()), (json!({ "replayed": 0 }), 2));
    upload(&server.engine(), "drei");
    other.until(|heard| heard.len() == 1);
    let back = Hook::new(&[], Reply::Status(200));
    let server = with(server, &|config| {
        config.events.targets.clear();
        listen(config, "hook", &back.url(), &["document.stored"]);
    });
    let all = operator(&server).post("/v1/events/dead/replay", &nothing).expect(200);
    assert_eq!(all, json!({ "replayed": 2 }));
    for heard in back.until(|heard| heard.len() == 2) {
        assert!(stored.remove(heard.json()["data"]["document"].as_str().unwrap()));
    }
}

#[test]
fn an_address_that_is_not_listed_is_not_connected_to_and_a_redirect_not_followed() {
    let (inside, outside) = (Hook::new(&[], Reply::Status(200)), Hook::new(&[], Reply::Status(200)));
    let redirecting = Hook::new(&[], Reply::Redirect(outside.url()));
    let server = Server::start_with(|config| {
        let unlisted = inside.url().replace("127.0.0.1", "127.0.0.1.nip.invalid");
        listen(config, "unknown", &unlisted, &["document.stored"]);
        listen(
            config,
            "mapped",
            &inside.url().replace("127.0.0.1", "[::ffff:127.0.0.2]"),
            &["document.stored"],
        );
        listen(config, "decimal", &inside.url().replace("127.0.0.1", "2130706434"), &["document.stored"]);
        listen(config, "encrypted", &inside.url().replace("http:", "https:"), &["document.stored"]);
        listen(config, "redirecting", &redirecting.url(), &["document.stored"]);
        config.events.attempts_max = 1;
    });
    upload(&server.engine(), "eins");
    let auditor = server.actor(Role::Auditor);
    pass_time(&server, || 0, || dead(&auditor).len() == 5);
    let why = |target: &str| {
        let listed = dead(&auditor);
        listed.iter().find(|dead| dead["target"] == target).unwrap()["error"].as_str().unwrap().to_owned()
    };
    assert!(why("unknown").starts_with("no connection"), "{}", why("unknown"));
    assert!(why("mapped").contains("not listed in events.private"), "{}", why("mapped"));
    assert!(why("decimal").contains("not listed in events.private"), "{}", why("decimal"));
    assert!(why("encrypted").starts_with("no "), "no way back to plain text: {}", why("encrypted"));
    assert_eq!(why("redirecting"), "answered 302; redirects are not followed");
    assert!(inside.heard().is_empty() && outside.heard().is_empty());
}

#[test]
fn killed_before_the_answer_was_noted_it_tells_again_with_the_same_id_and_forgets_nothing() {
    let hook = Hook::new(&[Reply::Silence], Reply::Status(200));
    let place = Place::new(|config| listen(config, "hook", &hook.url(), &["document.stored"]));
    let server = ServerProcess::on(place);
    let mut stored = BTreeSet::from([upload(&server.engine(), "null")]);
    hook.until(|heard| heard.len() == 1);
    for text in ["eins", "zwei", "drei", "vier"] {
        stored.insert(upload(&server.engine(), text));
    }
    let server = ServerProcess::on(server.kill());
    let of = |heard: &[hook::Heard]| -> BTreeSet<String> {
        let taken = heard.iter().filter(|heard| heard.taken);
        taken.map(|heard| heard.json()["data"]["document"].as_str().unwrap().to_owned()).collect()
    };
    let heard = hook.until(|heard| of(heard) == stored);
    let again = heard.iter().filter(|other| other.header("webhook-id") == heard[0].header("webhook-id"));
    assert!(again.count() >= 2, "the first was told twice");
    assert!(dead(&server.actor(Role::Operator)).is_empty());
}

#[test]
fn an_order_that_is_refused_is_told_as_refused() {
    let hook = Hook::new(&[], Reply::Status(200));
    let server = told(&hook);
    server.engine().put(&entry_path("815"), &copy()).expect(201);
    let mut wanted = order("815");
    wanted["applicant"] = json!({ "relation": "person", "over16": false });
    let refused = server.engine().post("/v1/orders", &wanted).expect(202);
    assert_eq!(refused["state"], "refused", "{refused}");
    let heard = hook.until(|heard| !heard.is_empty());
    assert_eq!((heard.len(), heard[0].what().as_str()), (1, "certificate.refused"));
    assert_eq!(heard[0].json()["data"], json!({ "order": refused["id"] }));
}

#[test]
fn a_secret_that_is_none_stops_the_start_and_names_its_file() {
    let hook = Hook::new(&[], Reply::Status(200));
    let place = Place::new(|config| {
        listen(config, "hook", &hook.url(), &[]);
        std::fs::write(config.data_dir.join("keys/hook.secret"), "swordfish\n").unwrap();
    });
    let program = std::process::Command::new(env!("CARGO_BIN_EXE_stammbuch"));
    let mut program = program;
    let output = program.args(["serve", "--config"]).arg(place.config_file()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("keys/hook.secret: line 1 is not `whsec_`"), "{said}");
    assert!(!said.contains("swordfish"), "{said}");
}
