//! Each rule: the case it forbids, the case just beside it, and its paragraph.

use serde_json::json;

use super::*;
use crate::register::{EntryCopy, EntryKey};

struct Given {
    body: serde_json::Value,
    year: &'static str,
    applicant: serde_json::Value,
    findings: Vec<Finding>,
    purpose: Option<&'static str>,
    today: &'static str,
}

/// The person herself asks, 20 years old, an entry without locks, copied four days ago.
fn given() -> Given {
    Given {
        body: json!({
            "asOf": "2026-11-20", "source": "Register",
            "fields": { "0001": "Musterstadt", "0051": "2006-03-02", "1040": "2006-03-01", "1050": "Musterstadt", "1101": "Muster" }
        }),
        year: "2006",
        applicant: json!({ "relation": "person", "over16": true }),
        findings: Vec::new(),
        purpose: None,
        today: "2026-11-24",
    }
}

fn verdict(given: &Given) -> Verdict {
    let copy = EntryCopy::from_json(Register::G, given.body.to_string().as_bytes()).unwrap();
    let facts = copy.facts(EntryKey::parse("G", "09999001", given.year, "815").unwrap());
    check(&Case {
        kind: Kind::Geburtsurkunde,
        facts: &facts,
        locks: copy.locks.as_deref().unwrap_or_default(),
        applicant: &serde_json::from_value(given.applicant.clone()).unwrap(),
        purpose: given.purpose,
        findings: &given.findings,
        today: given.today.parse().unwrap(),
        copy_age_days_max: 30,
    })
    .unwrap()
}

/// The rule that refuses first and its paragraph, or `allowed`.
fn answer(given: &Given) -> String {
    match verdict(given) {
        Verdict::Allowed(_) => "allowed".into(),
        Verdict::Refused(first, _) => format!("{} {}", first.rule, first.law.unwrap_or_default()),
    }
}

impl Finding {
    const ALL: [Self; 3] = [
        Self::EinwilligungDesBetroffenen,
        Self::AnordnungDesGerichts,
        Self::ZustimmungDerZeugenschutzdienststelle,
    ];
}

fn locked(lock: serde_json::Value) -> Given {
    let mut given = given();
    given.body["locks"] = json!([lock]);
    given
}

#[test]
fn the_person_herself_may_have_it() {
    match verdict(&given()) {
        Verdict::Allowed(entitlements) => {
            assert_eq!(entitlements.len(), 1);
            assert_eq!(entitlements[0].law, "§ 62 (1) PStG");
        }
        refused @ Verdict::Refused(..) => panic!("{refused:?}"),
    }
}

#[test]
fn a_sperrvermerk_refuses_within_its_term_unless_consent_or_court_lift_it() {
    let lock = json!({ "kind": "sperrvermerk", "since": "2024-11-25", "until": "2027-11-24" });
    let mut given = locked(lock);
    assert_eq!(answer(&given), "sperrvermerk § 64 (1) PStG");
    given.findings = vec![Finding::ZustimmungDerZeugenschutzdienststelle];
    assert_eq!(answer(&given), "sperrvermerk § 64 (1) PStG", "not what lifts this one");
    for finding in [Finding::EinwilligungDesBetroffenen, Finding::AnordnungDesGerichts] {
        given.findings = vec![finding];
        assert_eq!(answer(&given), "allowed");
    }
    let ended = json!({ "kind": "sperrvermerk", "since": "2023-11-24", "until": "2026-11-23" });
    assert_eq!(answer(&locked(ended)), "allowed");
}

#[test]
fn witness_protection_has_no_term_and_only_its_office_lifts_it() {
    let mut given = locked(json!({ "kind": "sperrvermerk", "since": "2010-01-01" }));
    assert_eq!(answer(&given), "zeugenschutz § 64 (2) PStG");
    given.findings = vec![Finding::EinwilligungDesBetroffenen, Finding::AnordnungDesGerichts];
    assert_eq!(answer(&given), "zeugenschutz § 64 (2) PStG");
    given.findings = vec![Finding::ZustimmungDerZeugenschutzdienststelle];
    assert_eq!(answer(&given), "allowed");
}

#[test]
fn a_stillgelegt_entry_is_never_issued_from() {
    let mut given = locked(json!({ "kind": "stilllegung", "since": "2026-11-24" }));
    given.findings = Finding::ALL.to_vec();
    assert_eq!(answer(&given), "stilllegung § 47 (4) PStG");
}

#[test]
fn after_a_change_of_sex_and_first_names_only_the_person_until_death() {
    let mut given = locked(json!({ "kind": "geschlechtseintrag-und-vornamen", "since": "2025-01-15" }));
    assert_eq!(answer(&given), "allowed");
    given.applicant = json!({ "relation": "vorfahre", "over16": true });
    assert_eq!(answer(&given), "geschlechtseintrag-und-vornamen § 63 (2) PStG");
    given.applicant = json!({ "relation": "behoerde" });
    given.purpose = Some("Nachlasssache 3 VI 17/26");
    assert_eq!(answer(&given), "geschlechtseintrag-und-vornamen § 63 (2) PStG");
    given.body["notes"] = json!([{ "number": 1, "fields": { "1940": "2026-02-01" } }]);
    assert_eq!(answer(&given), "allowed");
}

#[test]
fn an_adoption_restricts_the_registerausdruck_not_the_geburtsurkunde() {
    let mut given = locked(json!({ "kind": "adoption", "since": "2010-01-01" }));
    given.applicant = json!({ "relation": "vorfahre", "over16": true });
    assert_eq!(answer(&given), "allowed");
}

#[test]
fn unproven_identity_allows_no_urkunde_until_it_is_completed() {
    for field in ["1199", "1299", "1299A", "1399", "1399A"] {
        let mut given = given();
        given.body["fields"][field] = json!(true);
        assert_eq!(answer(&given), "nachweis-ueber-die-eltern § 35 (1) PStV", "{field}");
        if field != "1199" {
            given.body["subsequent"] = json!([{ "number": 1, "fields": { field: null } }]);
            assert_eq!(answer(&given), "allowed", "{field}");
        }
    }
}

#[test]
fn after_110_years_the_archive_answers() {
    let mut given = given();
    given.year = "1916";
    given.applicant = json!({ "relation": "abkoemmling", "over16": true });
    given.body["fields"]["1040"] = json!("1916-11-20");
    for (recorded, expected) in
        [("1916-11-24", "allowed"), ("1916-11-23", "fristablauf § 55 (3) PStG, § 5 (5) PStG")]
    {
        given.body["fields"]["0051"] = json!(recorded);
        assert_eq!(answer(&given), expected, "recorded {recorded}");
    }
    given.body["fields"].as_object_mut().unwrap().remove("0051");
    assert_eq!(answer(&given), "allowed", "counted from the end of 1916");
    given.year = "1915";
    assert_eq!(answer(&given), "fristablauf § 55 (3) PStG, § 5 (5) PStG");
}

#[test]
fn a_copy_older_than_configured_is_not_issued_from() {
    let mut given = given();
    given.body["asOf"] = json!("2026-10-25");
    assert_eq!(answer(&given), "allowed", "30 days");
    given.body["asOf"] = json!("2026-10-24");
    assert_eq!(answer(&given), "veraltete-abschrift ", "31 days; our own rule has no paragraph");
}

#[test]
fn only_who_is_over_16_may_ask() {
    let mut given = given();
    given.body["fields"]["1040"] = json!("2010-11-24");
    assert_eq!(answer(&given), "allowed", "16 today");
    given.body["fields"]["1040"] = json!("2010-11-25");
    assert_eq!(answer(&given), "antragsbefugnis § 62 (1) PStG", "16 tomorrow, whatever is stated");
    given.applicant = json!({ "relation": "geschwister", "interest": "berechtigtes" });
    assert_eq!(answer(&given), "antragsbefugnis § 62 (1) PStG");
    given.applicant = json!({ "relation": "vorfahre", "over16": true });
    assert_eq!(answer(&given), "allowed", "the mother asks");
}

#[test]
fn others_need_the_interest_the_law_asks_of_them() {
    let cases = [
        (json!({ "relation": "geschwister", "over16": true }), None, false),
        (json!({ "relation": "geschwister", "over16": true, "interest": "berechtigtes" }), None, true),
        (json!({ "relation": "andere", "over16": true, "interest": "berechtigtes" }), None, false),
        (json!({ "relation": "andere", "over16": true, "interest": "rechtliches" }), None, true),
        (
            json!({ "relation": "andere", "over16": true, "interest": "berechtigtes", "lastDeath": "1996-11-24" }),
            None,
            true,
        ),
        (
            json!({ "relation": "andere", "over16": true, "interest": "berechtigtes", "lastDeath": "1996-11-25" }),
            None,
            false,
        ),
        (json!({ "relation": "behoerde" }), None, false),
        (json!({ "relation": "behoerde" }), Some(" "), false),
        (json!({ "relation": "behoerde" }), Some("Nachlasssache 3 VI 17/26"), true),
        (json!({ "relation": "ehegatte", "over16": true }), None, true),
    ];
    for (applicant, purpose, allowed) in cases {
        let expected = if allowed { "allowed" } else { "berechtigung § 62 (1), (3) PStG" };
        let given = Given { applicant: applicant.clone(), purpose, ..given() };
        assert_eq!(answer(&given), expected, "{applicant} {purpose:?}");
    }
}

#[test]
fn every_rule_that_forbids_is_told() {
    let mut given = locked(json!({ "kind": "stilllegung", "since": "2026-01-01" }));
    given.body["asOf"] = json!("2020-01-01");
    match verdict(&given) {
        Verdict::Refused(first, more) => {
            assert_eq!(first.rule, "stilllegung");
            assert_eq!(
                more.iter().map(|refusal| refusal.rule.as_str()).collect::<Vec<_>>(),
                ["veraltete-abschrift"]
            );
        }
        allowed @ Verdict::Allowed(_) => panic!("{allowed:?}"),
    }
}
