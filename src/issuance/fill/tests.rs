//! Which rows a certificate has after which demand.

use serde_json::json;

use super::*;
use crate::domain::random::SeededRandom;
use crate::register::{EntryCopy, EntryKey};

fn body() -> serde_json::Value {
    json!({
        "asOf": "2026-11-20", "source": "Register",
        "fields": {
            "0001": "Musterstadt", "1040": "2024-02-29", "1041": "08:15", "1050": "Musterstadt", "1055": "Kreis Beispiel",
            "1101": "Muster", "1102": "J\u{30c}evdet", "1120": "divers",
            "1200": "Mutter", "1201": "Muster", "1202": "Geborene", "1203": "Thị Ánh", "1220": "weiblich",
            "1300": "Vater", "1301": "Đurović", "1303": "Jovan"
        }
    })
}

fn filled(
    body: &serde_json::Value,
    kind: Kind,
    omissions: &[Omission],
) -> Result<CertificateRequest, FillError> {
    let copy = EntryCopy::from_json(Register::G, body.to_string().as_bytes()).unwrap();
    let facts = copy.facts(EntryKey::parse("G", "09999001", "2024", "815-1").unwrap());
    fill(
        &facts,
        &Issuing {
            kind,
            specimen: true,
            omissions,
            number: VerificationNumber::draw(&SeededRandom::new(1)),
            public_url: "https://stammbuch.example/",
            journal_number: 17,
            place: "Musterstadt",
            day: "2026-11-24".parse().unwrap(),
            registrar: "Erika Beispiel",
            function: "Standesbeamtin",
        },
    )
}

/// The page as lines: headings in brackets.
fn lines(request: &CertificateRequest) -> String {
    let mut out = format!("{}\n", request.title);
    for section in &request.sections {
        if let Some(heading) = &section.heading {
            out += &format!("[{} {}]\n", heading.number.as_deref().unwrap_or_default(), heading.text);
        }
        for row in &section.rows {
            out += &format!("{}: {}\n", row.label, row.value);
        }
    }
    request.notes.iter().fold(out, |out, note| out + note + "\n")
}

#[test]
fn a_certificate_shows_every_fact_of_the_form_and_no_other() {
    let request = filled(&body(), Kind::Geburtsurkunde, &[]).unwrap();
    insta::assert_snapshot!(lines(&request), @r"
    Geburtsurkunde
    Standesamt: Musterstadt
    Registernummer: G 815-1/2024
    Ort, Tag der Geburt: Musterstadt, Kreis Beispiel, 29. Februar 2024
    Geburtszeit: 08:15 Uhr
    [ Kind]
    Geburtsname: Muster
    Vorname(n): J̌evdet
    Geschlecht: divers
    [1. Mutter]
    Familienname: Muster
    Geburtsname: Geborene
    Vorname(n): Thị Ánh
    [2. Vater]
    Familienname: Đurović
    Vorname(n): Jovan
    ");
    let number = request.number.compact();
    assert_eq!(request.verify_url, format!("https://stammbuch.example/v/{number}"));
    let again = CertificateRequest::from_json(&request.to_json().unwrap()).unwrap();
    assert_eq!(again, request);
}

#[test]
fn sex_and_parents_vanish_with_their_field_on_demand() {
    let request = filled(&body(), Kind::Geburtsbescheinigung, &[Omission::Sex, Omission::Parents]).unwrap();
    insta::assert_snapshot!(lines(&request), @r"
    Geburtsbescheinigung
    Standesamt: Musterstadt
    Registernummer: G 815-1/2024
    Ort, Tag der Geburt: Musterstadt, Kreis Beispiel, 29. Februar 2024
    Geburtszeit: 08:15 Uhr
    [ Kind]
    Geburtsname: Muster
    Vorname(n): J̌evdet
    ");
    let stored = String::from_utf8(request.to_json().unwrap()).unwrap();
    for gone in
        ["divers", "Geschlecht", "1120", "Ánh", "Geborene", "Đurović", "Mutter", "1201", "sex", "parents"]
    {
        assert!(!stored.contains(gone), "{gone} in {stored}");
    }
}

#[test]
fn elternteil_replaces_mutter_or_vater_on_demand_of_that_person() {
    let headings = |omissions: &[Omission]| -> Vec<String> {
        let request = filled(&body(), Kind::Geburtsurkunde, omissions).unwrap();
        request.sections.into_iter().filter_map(|section| Some(section.heading?.text)).collect()
    };
    assert_eq!(headings(&[Omission::Designation1]), ["Kind", "Elternteil", "Vater"]);
    assert_eq!(
        headings(&[Omission::Designation1, Omission::Designation2]),
        ["Kind", "Elternteil", "Elternteil"]
    );
}

#[test]
fn one_parent_makes_one_block_and_what_was_changed_is_not_shown() {
    let mut body = body();
    body["subsequent"] = json!([{ "number": 1, "fields": {
        "1300": null, "1301": null, "1303": null, "1120": null, "1101": "Neuname", "1041": null } }]);
    let request = filled(&body, Kind::Geburtsurkunde, &[]).unwrap();
    insta::assert_snapshot!(lines(&request), @r"
    Geburtsurkunde
    Standesamt: Musterstadt
    Registernummer: G 815-1/2024
    Ort, Tag der Geburt: Musterstadt, Kreis Beispiel, 29. Februar 2024
    [ Kind]
    Geburtsname: Neuname
    Vorname(n): J̌evdet
    [1. Mutter]
    Familienname: Muster
    Geburtsname: Geborene
    Vorname(n): Thị Ánh
    ");
}

#[test]
fn a_stillbirth_is_said_under_weitere_angaben() {
    let mut body = body();
    body["fields"]["1090"] = json!("tot geboren");
    assert_eq!(filled(&body, Kind::Geburtsurkunde, &[]).unwrap().notes, ["Art der Geburt: tot geboren"]);
}

#[test]
fn before_the_form_holds_and_with_a_registrar_no_font_can_write_nothing_is_filled() {
    let copy = EntryCopy::from_json(Register::G, body().to_string().as_bytes()).unwrap();
    let facts = copy.facts(EntryKey::parse("G", "09999001", "2024", "815").unwrap());
    let mut issuing = Issuing {
        kind: Kind::Geburtsurkunde,
        specimen: false,
        omissions: &[],
        number: VerificationNumber::from_bytes([0; 16]),
        public_url: "https://stammbuch.example",
        journal_number: 1,
        place: "Musterstadt",
        day: "2022-10-31".parse().unwrap(),
        registrar: "李",
        function: "Standesbeamter",
    };
    assert!(matches!(fill(&facts, &issuing), Err(FillError::Form(_))));
    issuing.day = "2026-11-24".parse().unwrap();
    assert!(matches!(fill(&facts, &issuing), Err(FillError::Text { what: "registrar", .. })));
}
