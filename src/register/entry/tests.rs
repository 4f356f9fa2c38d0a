//! What a copy may say, what is refused, and which facts remain.

use serde_json::json;

use super::*;

fn body() -> serde_json::Value {
    json!({
        "asOf": "2026-11-20",
        "source": "Registerverfahren Musterstadt",
        "fields": {
            "0001": "Musterstadt", "0020": "Geburt", "1040": "2024-02-29", "1041": "08:15", "1050": "Musterstadt",
            "1101": "Durovic", "1102": "Jovan", "1120": "männlich",
            "1200": "Mutter", "1201": "Nguyễn", "1203": "Thị Ánh"
        }
    })
}

fn read(body: &serde_json::Value) -> Result<EntryCopy, EntryError> {
    EntryCopy::from_json(Register::G, body.to_string().as_bytes())
}

fn key() -> EntryKey {
    EntryKey::parse("G", "09999001", "2024", "815-1").unwrap()
}

#[test]
fn a_copy_reads_back_from_what_is_stored() {
    let mut body = body();
    body["subsequent"] = json!([{ "number": 1, "fields": { "1301": "Đurović", "1041": null } }]);
    body["notes"] = json!([{ "number": 1, "fields": { "1940": "2025" } }]);
    body["locks"] = json!([{ "kind": "adoption", "since": "2025-01-01" }]);
    let copy = read(&body).unwrap();
    let stored = copy.to_json().unwrap();
    assert_eq!(EntryCopy::from_json(Register::G, stored.as_bytes()).unwrap(), copy);
    assert_eq!(serde_json::from_str::<serde_json::Value>(&stored).unwrap(), body);
}

#[test]
fn only_the_facts_as_changed_remain() {
    let mut body = body();
    body["subsequent"] = json!([
        { "number": 1, "fields": { "0020": "Vaterschaftsanerkennung", "1300": "Vater", "1301": "Đurović", "1303": "Jovan" } },
        { "number": 3, "fields": { "1101": "Đurović", "1303": null, "1120": null } }
    ]);
    let facts = read(&body).unwrap().facts(key());
    assert_eq!(facts.text("1101"), Some("Đurović"));
    assert_eq!(facts.text("1301"), Some("Đurović"));
    assert_eq!(facts.get("1303"), None, "taken back");
    assert_eq!(facts.get("1120"), None, "without a sex entry now");
    assert_eq!(facts.date("1040").unwrap().to_string(), "2024-02-29");
    assert!(!format!("{facts:?}").contains("Durovic"), "the old name is not among the facts");
}

#[test]
fn a_later_subsequent_entry_continues_the_copy() {
    let mut copy = read(&body()).unwrap();
    let later = json!({ "asOf": "2026-12-01", "source": "x", "number": 1, "fields": { "1102": "Iva", "1120": "weiblich" } });
    let later = SubsequentCopy::from_json(Register::G, later.to_string().as_bytes()).unwrap();
    let stored = later.to_json().unwrap();
    assert_eq!(SubsequentCopy::from_json(Register::G, stored.as_bytes()).unwrap(), later);
    copy.continue_with(later.clone()).unwrap();
    assert_eq!(copy.facts(key()).text("1102"), Some("Iva"));
    assert_eq!(copy.as_of.to_string(), "2026-12-01");
    assert!(matches!(copy.continue_with(later), Err(EntryError::Numbering { after: 1, got: 1 })));
}

#[test]
fn bad_input_is_refused_with_the_field_and_the_rule() {
    let refused = |field: &str, value: serde_json::Value| {
        let mut body = body();
        body["fields"][field] = value;
        read(&body).unwrap_err().to_string()
    };
    insta::assert_snapshot!(refused("9999", json!("x")), @r#"field "9999" is not a data field of this register"#);
    insta::assert_snapshot!(refused("1101", json!("Иванов")), @"field 1101 (Familienname/Geburtsname): U+0418 at position 1 is not permitted in the name of a person (DIN 91379 data type A)");
    insta::assert_snapshot!(refused("1102", json!("Anna\u{200d}Maria")), @"field 1102 (Vornamen): U+200D at position 5 is not permitted in the name of a person (DIN 91379 data type A)");
    insta::assert_snapshot!(refused("1040", json!("2024-02-30")), @r#"field 1040 (Tag der Geburt): a day is written YYYY-MM-DD, or YYYY-MM or YYYY if no more is known, between 1600 and 2199; got "2024-02-30""#);
    insta::assert_snapshot!(refused("1120", json!("m")), @r#"field 1120 (Geschlecht): one of männlich, weiblich, divers; got "m""#);
    insta::assert_snapshot!(refused("1130", json!("evangelisch")), @"field 1130 (Religion/Weltanschauung): it is closed for input since 1 November 2022 (PStV Anlage 1, restriction 3)");
    insta::assert_snapshot!(refused("1198", json!("12345678901")), @"field 1198 (Identifikationsnummer): it is kept outside the entry (PStV Anlage 1, restriction 1)");
    insta::assert_snapshot!(refused("0012", json!("815")), @"field 0012 (Eintragsnummer): it is said by the address of the entry");
    insta::assert_snapshot!(refused("1940", json!("2025-01-01")), @"field 1940 (Todestag) does not stand in part 0");
    insta::assert_snapshot!(refused("1041", json!(null)), @"field 1041 (Geburtszeit): expected a string");
}

#[test]
fn a_body_of_the_wrong_shape_is_refused() {
    let text = body().to_string();
    let doubled = text.replacen(r#""1101":"#, r#""1101":"Eins","1101":"#, 1);
    assert!(
        matches!(EntryCopy::from_json(Register::G, doubled.as_bytes()), Err(EntryError::Shape(_))),
        "{doubled}"
    );
    let unknown = text.replacen(r#""asOf""#, r#""extra":1,"asOf""#, 1);
    for bad in ["", "{}", "[]", &text[..text.len() - 1], &unknown] {
        assert!(
            matches!(EntryCopy::from_json(Register::G, bad.as_bytes()), Err(EntryError::Shape(_))),
            "{bad}"
        );
    }
    let mut without = body();
    without["fields"].as_object_mut().unwrap().remove("1050");
    assert_eq!(read(&without).unwrap_err().field(), Some("1050"));
    assert!(matches!(
        EntryCopy::from_json(Register::S, text.as_bytes()),
        Err(EntryError::Register(Register::S))
    ));
    let mut disorder = body();
    disorder["subsequent"] = json!([{ "number": 2, "fields": {} }, { "number": 1, "fields": {} }]);
    assert!(matches!(read(&disorder), Err(EntryError::Numbering { after: 2, got: 1 })));
}
