//! What is on the page, what is not, and what stops a row from being composed.

use super::super::sample;
use super::*;
use crate::pdf::read_back::{Insides, spans};

/// Composes, and leaves the file under `target/pages/` for judges and eyes.
fn composed(name: &str, request: &CertificateRequest) -> ComposedPdf {
    let composed = compose(request, &Stationery::load().unwrap()).unwrap();
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("target/pages");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join(format!("{name}.pdf")), &composed.bytes).unwrap();
    composed
}

#[test]
fn the_same_row_gives_the_same_bytes_and_another_number_other_ones() {
    let request = sample::geburtsurkunde();
    let stationery = Stationery::load().unwrap();
    let first = compose(&request, &stationery).unwrap();
    let again = CertificateRequest::from_json(&request.to_json().unwrap()).unwrap();
    assert_eq!(compose(&again, &Stationery::load().unwrap()).unwrap().bytes, first.bytes);
    assert!(first.bytes.ends_with(b"%%EOF\n"));
    assert_eq!(first.pages, 1);
    let mut other = request;
    other.journal_number += 1;
    assert_ne!(compose(&other, &stationery).unwrap().bytes, first.bytes);
}

#[test]
fn a_character_the_font_cannot_draw_stops_the_issue_with_its_field() {
    let mut request = sample::geburtsurkunde();
    request.sections[2].rows[1].value = "Anna 李".into();
    let error = compose(&request, &Stationery::load().unwrap()).unwrap_err();
    assert_eq!(error.to_string(), "Vorname(n) (1102): the font cannot draw U+674E");
}

#[test]
fn the_rehearsal_refuses_what_composing_refuses_in_the_same_words() {
    let stationery = Stationery::load().unwrap();
    let bad: [fn(&mut CertificateRequest); 6] = [
        |row| row.sections[2].rows[1].value = "Anna 李".into(),
        |row| row.sections[1].rows[0].value = "Ober-Musterstadt ".repeat(400),
        |row| row.sections[0].id = "nirgends".into(),
        |row| row.issue.registrar = "Erika \u{e001}".into(),
        |row| row.notes = vec!["\u{202e}".into()],
        |row| row.verify_url = "x".repeat(3000),
    ];
    for spoil in bad {
        let mut row = sample::geburtsurkunde();
        spoil(&mut row);
        let refused = compose(&row, &stationery).unwrap_err().to_string();
        assert_eq!(rehearse(&row, &stationery).unwrap_err().to_string(), refused);
    }
    assert!(rehearse(&sample::geburtsurkunde(), &stationery).is_ok());
}

/// Why a rehearsal is enough: of all the font can shape (it has nothing beyond U+FFFF), the writer refuses nothing.
#[test]
fn every_character_that_can_be_set_can_be_written() {
    let stationery = Stationery::load().unwrap();
    let face = stationery.face(Weight::Regular);
    let drawable: Vec<char> =
        ('\u{20}'..='\u{ffff}').filter(|c| face.shape(&c.to_string()).is_ok()).collect();
    assert!(drawable.len() > 2000, "{}", drawable.len());
    let mut request = sample::geburtsurkunde();
    request.notes = drawable.chunks(200).map(|some| some.iter().collect()).collect();
    rehearse(&request, &stationery).unwrap();
    compose(&request, &stationery).unwrap();
}

#[test]
fn an_empty_value_is_an_empty_cell() {
    let mut request = sample::geburtsurkunde();
    request.sections[2].rows[0].value = String::new();
    request.sections[3].heading =
        Some(crate::issuance::request::Heading { number: Some("1.".into()), text: String::new() });
    let spans = spans(&composed("leer", &request).bytes);
    assert!(spans.windows(2).any(|pair| pair == ["Geburtsname", "Vorname(n)"]));
}

#[test]
fn an_unknown_form_or_section_is_refused() {
    let mut request = sample::geburtsurkunde();
    request.sections[0].id = "nirgends".into();
    assert!(matches!(compose(&request, &Stationery::load().unwrap()), Err(ComposeError::Form(_))));
    request.form = "anlage-8@1900-01-01".into();
    assert!(matches!(compose(&request, &Stationery::load().unwrap()), Err(ComposeError::Form(_))));
}

#[test]
fn the_paper_form_says_all_of_the_row_and_nothing_else() {
    let composed = composed("geburtsurkunde", &sample::geburtsurkunde());
    let said: Vec<String> = spans(&composed.bytes).iter().map(|span| span.trim_end().to_owned()).collect();
    insta::assert_snapshot!(said.join("\n"), @r"
    MUSTER · SPECIMEN
    Geburtsurkunde
    Standesamt
    Musterstadt
    Registernummer
    G 815-1/2024
    Ort, Tag der Geburt
    Musterstadt, 29. Februar 2024
    Geburtszeit
    08:15 Uhr
    Kind
    Geburtsname
    Nguyễn-Đurović
    Vorname(n)
    J̌evdet R̥̄ta K͟Halid Łucja
    Geschlecht
    männlich
    1.
    Mutter
    Familienname
    Nguyễn-Đurović
    Geburtsname
    Nguyễn
    Vorname(n)
    Thị Ánh
    2.
    Vater
    Familienname
    Đurović
    Vorname(n)
    Jovan Đorđe
    Ort, Tag
    Musterstadt, 24. November 2026
    Siegel
    Urkundsperson
    Erika Beispiel, Standesbeamtin
    (Name in Druckbuchstaben, Funktionsbezeichnung)
    Prüfnummer
    NWNX-QRDA-KDQC-3RND-W7B9-9X0Z-RW43
    Prüfen: https://stammbuch.example/v/NWNXQRDAKDQC3RNDW7B99X0ZRW43
    Stand des Eintrags: 20. November 2026 · Ausgabejournal Nr. 17
    Gültig ist nur das unterschriebene und mit dem Dienstsiegel versehene Papier; die Datei ist
    die Druckvorlage.
    Anordnung nach dem Muster der Anlage 8 PStV von 2018, Datenfelder nach dem Stand von
    2022; kein amtliches Formular.
    ");
}

#[test]
fn the_electronic_form_has_no_place_for_signature_and_seal() {
    let composed = composed("geburtsbescheinigung", &electronic());
    let spans = spans(&composed.bytes);
    for gone in ["Siegel", "(Name in Druckbuchstaben, Funktionsbezeichnung)", "Geburtsurkunde"] {
        assert!(!spans.iter().any(|span| span == gone), "{gone}");
    }
    for there in ["Geburtsbescheinigung", "Urkundsperson", "Erika Beispiel, Standesbeamtin"] {
        assert!(spans.iter().any(|span| span == there), "{there}");
    }
}

/// The electronic certificate of the same facts.
fn electronic() -> CertificateRequest {
    let mut request = sample::geburtsurkunde();
    let form = Form::by_id("anlage-8e@2022-11-01").unwrap();
    request.kind = form.kind;
    request.medium = form.kind.medium();
    request.form = form.id.clone();
    request.title = form.title.clone();
    request.remarks = form.remarks.clone();
    request
}

/// The letters and sequences of the norm that names may hold, each after an `a` so that spaces stay inside.
fn norm() -> Vec<String> {
    include_str!("../../../schemas/din-91379.txt")
        .lines()
        .filter_map(|line| line.split_once(';'))
        .filter(|(group, _)| matches!(*group, "bll" | "bnlreq" | "bnl"))
        .map(|(_, codes)| {
            codes.split(' ').map(|c| char::from_u32(u32::from_str_radix(c, 16).unwrap()).unwrap()).collect()
        })
        .collect()
}

#[test]
fn every_character_and_sequence_of_the_norm_comes_out_as_it_went_in() {
    let norm = norm();
    assert_eq!(norm.len(), 727);
    let mut request = sample::geburtsurkunde();
    request.specimen = false;
    let mut values = Vec::new();
    for chunk in norm.chunks(12) {
        let value: String = chunk.iter().map(|text| format!("x{text}X")).collect();
        values.push(value.clone());
        request.sections[2].rows.push(Row { label: "Vorname(n)".into(), value, fields: Default::default() });
    }
    let composed = composed("zeichenvorrat", &request);
    assert!(composed.pages > 1);
    // A value that is broken into lines is put together again from neighbouring spans.
    let text = spans(&composed.bytes).concat();
    for value in values {
        assert!(text.contains(&value), "{value}");
    }
}

#[test]
fn what_was_left_out_is_nowhere_in_the_file() {
    let full = sample::geburtsurkunde();
    let mut less = full.clone();
    less.sections.truncate(3);
    less.sections[2].rows.pop();
    let (full, less) =
        (Insides::of(&composed("alles", &full).bytes), Insides::of(&composed("weniger", &less).bytes));
    let gone = ["männlich", "Geschlecht", "Ánh", "Jovan", "Đorđe", "Mutter", "1120", "1203"];
    for word in gone {
        assert!(full.hold(word), "the control must find {word}");
        assert!(!less.hold(word), "{word}");
    }
    assert!(less.hold("K\u{35f}Halid") && less.hold("1102"));
}

#[test]
fn a_specimen_says_so_on_each_page_in_title_and_data_and_others_nowhere() {
    let mut request = sample::geburtsurkunde();
    request.notes = (1..90).map(|i| format!("Zeile {i}")).collect();
    let specimen = composed("mehrseitig", &request);
    assert!(specimen.pages >= 3);
    let across = spans(&specimen.bytes).iter().filter(|span| *span == SPECIMEN).count();
    assert_eq!(across, specimen.pages);
    let insides = Insides::of(&specimen.bytes);
    assert!(insides.hold("MUSTER · SPECIMEN · Geburtsurkunde G 815-1/2024"), "title");
    assert!(insides.hold(r#""specimen":true"#));
    request.specimen = false;
    let genuine = Insides::of(&composed("ohne-muster", &request).bytes);
    assert!(!genuine.hold("SPECIMEN ·") && !genuine.hold("MUSTER ·") && genuine.hold(r#""specimen":false"#));
}

#[test]
fn long_values_wrap_between_clusters_and_the_foot_stays_whole() {
    let mut request = sample::geburtsurkunde();
    let long = "Theodora-Charlotte ".repeat(6) + &"K\u{35f}H".repeat(60) + " von und zu Musterstadt";
    request.sections[2].rows[1].value = long.clone();
    request.sections[2].rows[0].value = "Ỹ".repeat(120);
    let composed = composed("lange-namen", &request);
    let text = spans(&composed.bytes).concat();
    assert!(text.contains(&long));
    assert!(text.contains(&"Ỹ".repeat(120)));
}

#[test]
fn a_value_fits_on_a_page_or_is_refused_but_never_cut() {
    let mut request = sample::geburtsurkunde();
    request.issue.place = "Sankt-Beispiel ".repeat(12);
    request.issue.registrar = "Theodora Charlotte ".repeat(8);
    let place = format!("{}, 24. November 2026", request.issue.place);
    request.sections[1].rows[0].value = "Ober-Musterstadt ".repeat(60);
    let composed = composed("lange-orte", &request);
    let text = spans(&composed.bytes).concat();
    assert!(text.contains(&place) && text.contains(&request.sections[1].rows[0].value));
    request.sections[1].rows[0].value = "Ober-Musterstadt ".repeat(400);
    let refused = compose(&request, &Stationery::load().unwrap());
    assert!(matches!(refused, Err(ComposeError::TooTall { lines }) if lines > 50), "{refused:?}");
}

/// Poppler's reading, if it is at hand: each value on one piece of text, code point for code point.
#[test]
fn poppler_reads_each_value_code_point_for_code_point() {
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("target/pages/poppler.pdf");
    let mut request = sample::geburtsurkunde();
    request.specimen = false;
    let sequences: Vec<String> = norm().into_iter().filter(|text| text.chars().count() > 1).collect();
    assert_eq!(sequences.len(), 149);
    let values: Vec<String> = sequences.chunks(10).map(|chunk| chunk.concat() + "x").collect();
    for value in &values {
        request.sections[2].rows.push(Row {
            label: "Vorname(n)".into(),
            value: value.clone(),
            fields: Default::default(),
        });
    }
    composed("poppler", &request);
    let Ok(output) = std::process::Command::new("pdftotext").arg(&file).arg("-").output() else {
        println!("skipped: pdftotext is not there");
        return;
    };
    let text = String::from_utf8(output.stdout).unwrap();
    let all = request.sections.iter().flat_map(|section| &section.rows).map(|row| &row.value);
    for value in all.chain(&values) {
        let after_label = format!(" {value}");
        assert!(text.lines().any(|line| line == value || line.ends_with(&after_label)), "{value}\n{text}");
    }
}
