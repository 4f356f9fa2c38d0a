//! PDFs made here object by object, so that each trait of the format stands alone.

use lopdf::{Document, Object, Stream, dictionary};

use crate::intake::extract::output::Output;
use crate::intake::extract::{Limits, Reason};

fn extract(file: &[u8]) -> (Vec<String>, Result<(), Reason>) {
    let mut pages = Vec::new();
    let mut emit = |page: String| {
        pages.push(page);
        Ok(())
    };
    let result = super::extract(file.to_vec(), &mut Output::new(&Limits::default(), &mut emit));
    (pages, result)
}

/// A document with one page per content; `F1` is Helvetica, `X1` a form that draws `form`.
fn document(contents: &[&str], form: &str) -> Document {
    let mut document = Document::with_version("1.7");
    let font = document.add_object(dictionary! {
        "Type" => "Font", "Subtype" => "Type1", "BaseFont" => "Helvetica", "Encoding" => "WinAnsiEncoding",
    });
    let fonts = dictionary! { "Font" => dictionary! { "F1" => font } };
    let form_dictionary = dictionary! {
        "Subtype" => "Form", "BBox" => vec![0.into(), 0.into(), 500.into(), 500.into()], "Resources" => fonts,
    };
    let form = document.add_object(Stream::new(form_dictionary, form.as_bytes().to_vec()));
    let resources = document.add_object(dictionary! {
        "Font" => dictionary! { "F1" => font }, "XObject" => dictionary! { "X1" => form },
    });
    let pages_id = document.new_object_id();
    let pages: Vec<Object> = contents
        .iter()
        .map(|content| {
            let content = document.add_object(Stream::new(dictionary! {}, content.as_bytes().to_vec()));
            let page = dictionary! {
                "Type" => "Page", "Parent" => pages_id, "Contents" => content, "Resources" => resources,
                "MediaBox" => vec![0.into(), 0.into(), 595.into(), 842.into()],
            };
            document.add_object(page).into()
        })
        .collect();
    let count = i64::try_from(pages.len()).unwrap();
    document
        .objects
        .insert(pages_id, dictionary! { "Type" => "Pages", "Kids" => pages, "Count" => count }.into());
    let catalog = document.add_object(dictionary! { "Type" => "Catalog", "Pages" => pages_id });
    document.trailer.set("Root", catalog);
    document
}

fn saved(mut document: Document) -> Vec<u8> {
    let mut file = Vec::new();
    document.save_to(&mut file).unwrap();
    file
}

const LINE: &str = "BT /F1 12 Tf 72 700 Td (Standesamt Musterstadt) Tj ET";

#[test]
fn pages_are_read_one_by_one_with_the_forms_they_use() {
    let second =
        "q 1 0 0 1 0 -100 cm /X1 Do Q BT /F1 12 Tf 72 700 Td [(Gebur) -20 (ts) 20 (tag) -600 (1990)] TJ ET";
    let file = saved(document(&[LINE, second], "BT /F1 10 Tf 72 500 Td (aus dem Formular) Tj ET"));
    let (pages, result) = extract(&file);
    assert_eq!(result, Ok(()));
    assert_eq!(pages[0], "Standesamt Musterstadt");
    assert!(pages[1].contains("aus dem Formular") && pages[1].contains("Geburtstag 1990"), "{pages:?}");
}

#[test]
fn replacement_text_stands_for_what_is_drawn() {
    let content = "BT /F1 12 Tf 72 700 Td /Span << /ActualText <FEFF01F0> >> BDC (J) Tj EMC (evdet) Tj ET";
    assert_eq!(extract(&saved(document(&[content], ""))).0, ["\u{1F0}evdet"]);
}

#[test]
fn a_form_that_uses_itself_ends() {
    let looped = saved(document(&["/X1 Do"], "BT /F1 9 Tf 10 10 Td (Schleife) Tj ET /X1 Do"));
    let (pages, result) = extract(&looped);
    assert_eq!((pages.len(), result), (1, Ok(())));
}

#[test]
fn a_broken_cross_reference_is_repaired() {
    let mut file = saved(document(&[LINE], ""));
    let at = file.windows(9).rposition(|window| window == b"startxref").unwrap();
    file.truncate(at);
    file.extend(b"startxref\n999999\n%%EOF");
    let (pages, _) = extract(&file);
    assert!(pages.concat().contains("Standesamt Musterstadt"), "{pages:?}");
}

#[test]
fn bytes_before_the_header_do_no_harm() {
    let file = [b"HTTP/1.1 200 OK\r\n\r\n".to_vec(), saved(document(&[LINE], ""))].concat();
    assert!(extract(&file).0.concat().contains("Musterstadt"));
}

#[test]
fn what_is_no_pdf_behind_its_header_is_damaged() {
    assert_eq!(extract(b"%PDF-1.7\n1 0 obj\nnothing").1, Err(Reason::Damaged));
}

#[test]
fn a_page_without_text_yields_an_empty_page() {
    let (pages, result) = extract(&saved(document(&["0 0 100 100 re f", LINE], "")));
    assert_eq!((pages.len(), pages[0].as_str(), result), (2, "", Ok(())));
}

#[test]
fn an_encrypted_file_opens_with_the_empty_password_only() {
    use lopdf::{EncryptionState, EncryptionVersion, Permissions};
    let encrypted = |user_password: &str| {
        let mut document = document(&[LINE], "");
        let id = Object::string_literal("0123456789abcdef");
        document.trailer.set("ID", vec![id.clone(), id]);
        let version = EncryptionVersion::V2 {
            document: &document,
            owner_password: "owner",
            user_password,
            key_length: 128,
            permissions: Permissions::all(),
        };
        let state = EncryptionState::try_from(version).unwrap();
        document.encrypt(&state).unwrap();
        saved(document)
    };
    assert_eq!(extract(&encrypted("")), (vec!["Standesamt Musterstadt".to_owned()], Ok(())));
    assert_eq!(extract(&encrypted("geheim")), (vec![], Err(Reason::Password)));
}
