//! Verification from the file alone: what is genuine, and every way to make something that is not.

mod attacks;
mod command;
mod damage;
mod kinds_of_keys;
mod public;
mod timestamps;

use stammbuch::verify::Scope;
use stammbuch::verify::problem::{Indication, SubIndication};
use stammbuch::verify::report::{Changes, Integrity, Log, Qualified, Role, Verdict};
use stammbuch::verify::text::{self, Language};

use crate::sealed::{Office, codes, electronic_row, row};

#[test]
fn a_certificate_proves_itself_from_the_file_alone_and_is_called_a_specimen_first() {
    let office = Office::open("Standesamt Musterstadt");
    let report = office.verify(&office.issue(&row()));
    assert_eq!(codes(&report), [""; 0]);
    assert_eq!((report.verdict, report.indication), (Verdict::Genuine, Indication::TotalPassed));
    assert_eq!((report.integrity, report.changes), (Integrity::Intact, Changes::None));
    assert_eq!(report.qualified, Qualified::No);
    assert_eq!(report.log, Log::Registered { origin: "log.stammbuch.example".into(), index: 2 });
    let signer = report.signer.as_ref().unwrap();
    assert_eq!((signer.role, signer.name.as_str()), (Role::Registrar, "Erika Beispiel"));
    assert!(report.specimen);
    let german = text::lines(&report, Language::German);
    assert!(german[0].starts_with("MUSTER · SPECIMEN"), "{german:#?}");
    assert!(
        german.iter().any(|l| l.contains("nur das unterschriebene und gesiegelte Papier")),
        "{german:#?}"
    );
    let english = text::lines(&report, Language::English);
    assert!(english[0].starts_with("MUSTER · SPECIMEN") && english[1] == "Verdict: GENUINE.", "{english:#?}");
}

#[test]
fn the_report_for_programs_has_each_line_in_its_own_field() {
    let office = Office::open("Standesamt Musterstadt");
    let report = office.verify(&office.issue(&row()));
    let json: serde_json::Value = serde_json::from_str(&report.to_json().unwrap()).unwrap();
    assert_eq!(json["verdict"], "genuine");
    assert_eq!(json["indication"], "TOTAL-PASSED");
    assert_eq!(json["integrity"], "intact");
    assert_eq!(json["qualified"], "no");
    assert_eq!(json["log"]["state"], "registered");
    assert_eq!(json["status"]["state"], "unknown");
    assert_eq!(json["age"]["entryAsOf"], "2026-11-20");
    assert_eq!(json["document"]["printersCopy"], true);
    assert_eq!(json["problems"], serde_json::json!([]));
}

#[test]
fn an_electronic_bescheinigung_is_genuine_only_if_a_registrar_signed_it_in_person() {
    let office = Office::open("Standesamt Musterstadt");
    let signed = office.verify(&office.issue(&electronic_row()));
    assert_eq!((signed.verdict, codes(&signed)), (Verdict::Genuine, vec![]));
    let sealed = office.finish(office.prepared(&electronic_row()), &office.authority);
    let sealed = office.verify(&sealed);
    assert_eq!((sealed.verdict, codes(&sealed)), (Verdict::Not, vec!["not-by-a-person"]));
    assert_eq!(sealed.signer.unwrap().role, Role::AuthoritySeal);
}

#[test]
fn without_roots_or_log_key_nothing_is_called_genuine() {
    let mut office = Office::open("Standesamt Musterstadt");
    let file = office.issue(&row());
    office.keys.clear();
    let report = office.verify(&file);
    assert_eq!((report.verdict, codes(&report)), (Verdict::CannotTell, vec!["no-log-key"]));
    assert_eq!(office.ask(&file, Scope::SealOnly).verdict, Verdict::Genuine);
    office.trust = Default::default();
    let report = office.ask(&file, Scope::SealOnly);
    assert_eq!((report.verdict, codes(&report)), (Verdict::CannotTell, vec!["no-roots"]));
    assert_eq!(report.integrity, Integrity::Intact);
    assert!(report.specimen, "also under a root that is not trusted");
}

#[test]
fn a_seal_outside_the_validity_of_its_certificate_is_judged_by_claimed_time_and_present() {
    let office = Office::open("Standesamt Musterstadt");
    let file = office.issue(&row());
    let ask = |now| office.ask_at(&file, Scope::Certificate, now);
    let before = ask("2026-11-24T08:00:00Z");
    assert_eq!((before.verdict, codes(&before)), (Verdict::CannotTell, vec!["future"]));
    let late = ask("2040-01-01T00:00:00Z");
    assert_eq!(late.sub_indication, Some(SubIndication::OutOfBoundsNoPoe));
    assert_eq!(late.verdict, Verdict::CannotTell);
}

#[test]
fn a_file_without_a_seal_and_one_that_is_no_pdf_are_told_apart() {
    let office = Office::open("Standesamt Musterstadt");
    let report = office.verify(&office.composed(&row()));
    assert_eq!((report.verdict, codes(&report)), (Verdict::Not, vec!["no-seal"]));
    for bad in [&b""[..], b"hello", b"%PDF-1.7\n", b"%PDF-1.7\nstartxref\n9\n%%EOF\n"] {
        assert_ne!(office.verify(bad).verdict, Verdict::Genuine);
    }
    assert_eq!(codes(&office.verify(b"hello")), ["not-a-pdf"]);
}
