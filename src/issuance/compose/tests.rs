//! What is on the page, what is not, and what stops a row from being composed.

use super::super::sample;
use super::*;

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
fn an_unknown_form_or_section_is_refused() {
    let mut request = sample::geburtsurkunde();
    request.sections[0].id = "nirgends".into();
    assert!(matches!(compose(&request, &Stationery::load().unwrap()), Err(ComposeError::Form(_))));
    request.form = "anlage-8@1900-01-01".into();
    assert!(matches!(compose(&request, &Stationery::load().unwrap()), Err(ComposeError::Form(_))));
}

#[test]
fn the_paper_form_is_written_for_the_judges() {
    assert_eq!(composed("geburtsurkunde", &sample::geburtsurkunde()).pages, 1);
}
