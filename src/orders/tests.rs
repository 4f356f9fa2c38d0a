//! Orders on a real database: placed, refused, released, issued at once; by the same key again; in races.

use std::sync::Arc;

use serde_json::json;

use super::request::{OrderRequest, ReleaseRequest};
use super::*;
use crate::database::authorities;
use crate::database::issuance_testing::{Tally, tally};
use crate::database::testing::{authority, found};
use crate::domain::random::SeededRandom;
use crate::issuance::interrupt::{CutOnce, Step};
use crate::issuance::testing::{Office, at, in_an_office};
use crate::register::EntryKey;
use crate::register::copies::{Actor, Copies, CopyError};

const OFFICE: &str = "09999001";

struct Desk {
    orders: Orders,
    copies: Copies,
}

fn key(number: &str) -> EntryKey {
    EntryKey::parse("G", OFFICE, "2024", number).unwrap()
}

fn actor(n: u8) -> Actor {
    Actor { authority: authority(n), name: "engine".into(), role: "engine", request_id: None }
}

fn sender(n: u8) -> Sender {
    Sender {
        authority: authority(n),
        client: "engine".into(),
        name: "engine".into(),
        role: "engine",
        request_id: None,
    }
}

fn registrar() -> Registrar {
    let sender = Sender {
        authority: authority(1),
        client: "desk".into(),
        name: "Erika Beispiel".into(),
        role: "registrar",
        request_id: None,
    };
    Registrar { sender, person: "Erika Beispiel".into(), function: FUNCTION.into() }
}

fn entry(locks: &serde_json::Value) -> serde_json::Value {
    json!({
        "asOf": "2026-11-20", "source": "Registerverfahren",
        "fields": {
            "0001": "Musterstadt", "0020": "Geburt", "1040": "2024-02-29", "1041": "08:15", "1050": "Musterstadt",
            "1101": "Đurović", "1102": "J̌evdet", "1120": "männlich", "1200": "Mutter", "1201": "Nguyễn", "1203": "Thị Ánh"
        },
        "locks": locks,
    })
}

fn order(number: &str, change: impl FnOnce(&mut serde_json::Value)) -> OrderRequest {
    let mut json = json!({
        "entry": {"register": "G", "office": OFFICE, "year": 2024, "number": number},
        "kind": "geburtsurkunde",
        "applicant": {"relation": "vorfahre", "over16": true},
    });
    change(&mut json);
    OrderRequest::from_json(json.to_string().as_bytes()).unwrap()
}

async fn desk(office: &Office) -> Desk {
    let database = office.issuance.database.clone();
    found(&database, 2).await;
    let named = database.write(|tx| {
        Box::pin(async move {
            let long_ago = "2020-01-01T00:00:00Z".parse().unwrap();
            authorities::put(tx, authority(1), long_ago, "Standesamt Musterstadt", &json!({})).await?;
            let place = json!({ "place": "Musterstadt" });
            authorities::put_office(tx, authority(1), OFFICE, long_ago, "Musterstadt-Mitte", &place).await?;
            authorities::put_office(tx, authority(2), "09999002", long_ago, "Nachbarort", &json!({})).await
        })
    });
    named.await.unwrap_or_else(|error: authorities::DateError| panic!("{error}"));
    let random: Arc<dyn Random> = Arc::new(SeededRandom::new(77));
    let settings = IssueSettings { public_url: "https://musterstadt.example".into(), copy_age_days_max: 30 };
    let copies = Copies { database, clock: office.clock.clone(), random: Arc::clone(&random) };
    let desk = Desk { orders: Orders { issuance: office.issuance.clone(), random, settings }, copies };
    desk.put("815", &json!([])).await;
    desk
}

impl Desk {
    async fn put(&self, number: &str, locks: &serde_json::Value) {
        let body = entry(locks).to_string();
        self.copies.put(&actor(1), key(number), body.as_bytes()).await.unwrap();
    }

    async fn tally(&self) -> Tally {
        tally(&self.orders.issuance.database).await
    }
}

/// Runs `test` at a desk with one entry, on each engine.
async fn at_a_desk(test: impl AsyncFn(&Desk, &Office)) {
    in_an_office(async |office| test(&desk(office).await, office).await).await;
}

#[tokio::test]
async fn an_order_awaits_release_and_is_issued_once_whoever_releases_it_again() {
    at_a_desk(async |desk, _| {
        let placed = desk.orders.place(&sender(1), order("815", |_| {}), None).await.unwrap();
        assert_eq!(placed.state(), "awaiting-release");
        assert_eq!(desk.tally().await.certificates, 0);
        let id = placed.order.id;
        let first = desk.orders.release(&registrar(), id, ReleaseRequest::default()).await.unwrap();
        let again = desk.orders.release(&registrar(), id, ReleaseRequest::default()).await.unwrap();
        assert_eq!(first, again);
        let answer = desk.orders.find(authority(1), id).await.unwrap();
        assert_eq!((answer.state(), answer.certificate), ("issued", Some(first.id)));
        let entitlement = answer.order.entitlement.unwrap();
        assert!(
            entitlement.contains("§ 62 (1) PStG") && entitlement.contains("Erika Beispiel"),
            "{entitlement}"
        );
        assert!(matches!(desk.orders.find(authority(2), id).await, Err(OrderError::NotFound)));
    })
    .await;
}

#[tokio::test]
async fn released_by_many_at_once_an_order_has_one_certificate() {
    at_a_desk(async |desk, _| {
        let placed = desk.orders.place(&sender(1), order("815", |_| {}), None).await.unwrap();
        let by = registrar();
        let all = (0..6).map(|_| desk.orders.release(&by, placed.order.id, ReleaseRequest::default()));
        let issued = futures_util::future::join_all(all).await;
        let issued: Vec<Issued> = issued.into_iter().map(Result::unwrap).collect();
        assert!(issued.windows(2).all(|two| two[0] == two[1]));
        let once = Tally { orders: 1, certificates: 1, leaves: 1, places: 1, journal_gaps: 0, objects: 1 };
        assert_eq!(desk.tally().await, once);
    })
    .await;
}

#[tokio::test]
async fn the_same_key_gives_the_same_certificate_and_another_body_is_refused() {
    at_a_desk(async |desk, _| {
        let by = registrar();
        let all = (0..4).map(|_| desk.orders.issue(&by, order("815", |_| {}), "k1".into()));
        let issued = futures_util::future::join_all(all).await;
        let issued: Vec<Issued> = issued.into_iter().map(Result::unwrap).collect();
        assert!(issued.windows(2).all(|two| two[0] == two[1]));
        let other = order("815", |json| json["omit"] = json!(["sex"]));
        assert!(matches!(desk.orders.issue(&by, other, "k1".into()).await, Err(OrderError::KeyReused)));
        let placed = desk.orders.place(&by.sender, order("815", |_| {}), Some("k1".into())).await;
        assert!(matches!(placed, Err(OrderError::KeyReused)), "a key is of one route");
        let second = desk.orders.issue(&by, order("815", |_| {}), "k2".into()).await.unwrap();
        assert_ne!(second.id, issued[0].id);
        assert_eq!(desk.tally().await.certificates, 2);
    })
    .await;
}

#[tokio::test]
async fn cut_off_anywhere_the_same_key_finishes_the_same_certificate() {
    at_a_desk(async |desk, _| {
        use Step::{Composed, Delivered, Logged, Proven, Sealed, Stored};
        for (step, n) in [Composed, Sealed, Logged, Proven, Stored, Delivered].into_iter().zip(1..) {
            let issuance =
                Issuance { interrupts: Arc::new(CutOnce::after(step)), ..desk.orders.issuance.clone() };
            let cut = Orders { issuance, ..desk.orders.clone() };
            let key = format!("cut-{n}");
            let failed = cut.issue(&registrar(), order("815", |_| {}), key.clone()).await;
            assert!(matches!(failed, Err(OrderError::Issue(IssueError::Interrupted(_)))), "{failed:?}");
            let first = desk.orders.issue(&registrar(), order("815", |_| {}), key.clone()).await.unwrap();
            let again = desk.orders.issue(&registrar(), order("815", |_| {}), key).await.unwrap();
            assert_eq!(first, again, "{step:?}");
            let all = Tally { orders: n, certificates: n, leaves: n, places: n, journal_gaps: 0, objects: n };
            assert_eq!(desk.tally().await, all, "{step:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn what_the_law_forbids_is_refused_with_its_paragraph_at_the_order_and_again_at_release() {
    at_a_desk(async |desk, _| {
        let lock = |kind: &str| json!([{ "kind": kind, "since": "2024-05-02" }]);
        let sperrvermerk = json!([{ "kind": "sperrvermerk", "since": "2024-05-02", "until": "2027-05-01" }]);
        for (number, locks, paragraph) in [
            ("1", lock("stilllegung"), "§ 47 (4) PStG"),
            ("2", sperrvermerk, "§ 64 (1) PStG"),
            ("3", lock("geschlechtseintrag-und-vornamen"), "§ 63 (2) PStG"),
        ] {
            desk.put(number, &json!([])).await;
            let before = desk.orders.place(&sender(1), order(number, |_| {}), None).await.unwrap();
            assert_eq!(before.state(), "awaiting-release");
            desk.put(number, &locks).await;
            let after = desk.orders.place(&sender(1), order(number, |_| {}), None).await.unwrap();
            assert_eq!(after.refusal().unwrap().law.as_deref(), Some(paragraph));
            for _ in 0..2 {
                let released =
                    desk.orders.release(&registrar(), before.order.id, ReleaseRequest::default()).await;
                let Err(OrderError::Refused(refusal)) = released else { panic!("{released:?}") };
                assert_eq!(refusal.law.as_deref(), Some(paragraph));
            }
        }
        let tally = desk.tally().await;
        assert_eq!((tally.orders, tally.certificates, tally.leaves, tally.journal_gaps), (6, 0, 0, 0));
    })
    .await;
}

#[tokio::test]
async fn a_registrar_who_found_the_consent_may_issue_in_spite_of_a_sperrvermerk_and_it_is_recorded() {
    at_a_desk(async |desk, _| {
        let locks = json!([{ "kind": "sperrvermerk", "since": "2024-05-02", "until": "2027-05-01" }]);
        desk.put("815", &locks).await;
        let refused = desk.orders.issue(&registrar(), order("815", |_| {}), "a".into()).await;
        assert!(matches!(refused, Err(OrderError::Refused(_))));
        let again = desk.orders.issue(&registrar(), order("815", |_| {}), "a".into()).await;
        assert!(matches!(again, Err(OrderError::Refused(_))), "the same answer again");
        let with = order("815", |json| json["findings"] = json!(["einwilligung-des-betroffenen"]));
        desk.orders.issue(&registrar(), with, "b".into()).await.unwrap();
        assert_eq!(desk.tally().await.certificates, 1);
    })
    .await;
}

#[tokio::test]
async fn a_stale_copy_is_refused_and_a_new_one_helps() {
    at_a_desk(async |desk, office| {
        office.clock.advance(jiff::SignedDuration::from_hours(24 * 27));
        let stale = desk.orders.issue(&registrar(), order("815", |_| {}), "a".into()).await;
        let Err(OrderError::Refused(refusal)) = stale else { panic!("{stale:?}") };
        assert_eq!((refusal.rule.as_str(), refusal.law), ("veraltete-abschrift", None));
        let mut body = entry(&json!([]));
        body["asOf"] = "2026-12-20".into();
        desk.copies.put(&actor(1), key("815"), body.to_string().as_bytes()).await.unwrap();
        desk.orders.issue(&registrar(), order("815", |_| {}), "b".into()).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn an_unknown_entry_or_one_of_another_authority_leaves_nothing_behind() {
    at_a_desk(async |desk, _| {
        for (number, n) in [("999", 1), ("815", 2)] {
            let placed = desk.orders.place(&sender(n), order(number, |_| {}), Some("k".into())).await;
            assert!(matches!(placed, Err(OrderError::NotFound)), "{placed:?}");
        }
        let put = desk.copies.put(&actor(2), key("815"), entry(&json!([])).to_string().as_bytes()).await;
        assert!(matches!(put, Err(CopyError::NotFound)));
        assert!(matches!(desk.copies.get(&actor(2), key("815")).await, Err(CopyError::NotFound)));
        assert_eq!(desk.tally().await.orders, 0);
    })
    .await;
}

#[tokio::test]
async fn an_electronic_certificate_is_signed_by_the_registrar_who_releases_and_by_nobody_else() {
    at_a_desk(async |desk, office| {
        let electronic = || order("815", |json| json["kind"] = "geburtsbescheinigung".into());
        let issued = desk.orders.issue(&registrar(), electronic(), "a".into()).await.unwrap();
        let pdf = crate::issuance::flow::Archive::read(&*office.archive, authority(1), issued.object).await;
        assert!(String::from_utf8_lossy(&pdf.unwrap()).contains("/Sig"));
        let other = Registrar { person: "Otto Ohneschluessel".into(), ..registrar() };
        let keyless = desk.orders.issue(&other, electronic(), "b".into()).await;
        assert!(matches!(keyless, Err(OrderError::NoKey)), "{keyless:?}");
        assert_eq!(desk.tally().await.certificates, 1, "nothing was begun");
    })
    .await;
}

#[tokio::test]
async fn copies_are_appended_the_same_again_is_known_and_an_older_one_refused() {
    at_a_desk(async |desk, _| {
        let same = desk.copies.put(&actor(1), key("815"), entry(&json!([])).to_string().as_bytes()).await;
        assert_eq!((same.as_ref().unwrap().version, same.as_ref().unwrap().new), (1, false));
        let mut body = entry(&json!([]));
        body["fields"]["1120"] = "weiblich".into();
        let changed = desk.copies.put(&actor(1), key("815"), body.to_string().as_bytes()).await.unwrap();
        assert_eq!((changed.version, changed.new), (2, true));
        body["asOf"] = "2026-11-19".into();
        let older = desk.copies.put(&actor(1), key("815"), body.to_string().as_bytes()).await;
        assert!(matches!(older, Err(CopyError::Older { .. })));
        let later = json!({ "asOf": "2026-11-22", "source": "x", "number": 1, "fields": { "1102": "Iva" } });
        for new in [true, false] {
            let added = desk.copies.add(&actor(1), key("815"), later.to_string().as_bytes()).await.unwrap();
            assert_eq!((added.version, added.new), (3, new));
        }
        let known = desk.copies.get(&actor(1), key("815")).await.unwrap();
        assert_eq!(known.version, 3);
        assert_eq!(known.facts(key("815")).text("1102"), Some("Iva"));
        assert_eq!(known.facts(key("815")).as_of.to_string(), "2026-11-22");
        assert!(at() > "2026-11-22T00:00:00Z".parse().unwrap());
    })
    .await;
}
