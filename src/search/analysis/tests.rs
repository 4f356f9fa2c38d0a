//! What terms a text gives.

use super::*;

fn terms(text: &str) -> Vec<(String, usize)> {
    let mut out = Vec::new();
    Analyzer::default().read(text, &mut |placed| out.push((placed.term.to_owned(), placed.position)));
    out
}

fn has(text: &str, term: &str, position: usize) -> bool {
    terms(text).contains(&(term.to_owned(), position))
}

#[test]
fn a_word_its_folded_form_and_its_stem_stand_at_one_position() {
    assert_eq!(
        terms("die Aufwände"),
        [("die", 0), ("aufwände", 1), ("\u{1}aufwande", 1), ("\u{1}aufwaende", 1), ("\u{2}aufwand", 1)]
            .map(|(term, at)| (term.to_owned(), at))
    );
    assert_eq!(terms("Haus"), [("haus".to_owned(), 0)]);
}

#[test]
fn decomposed_text_gives_the_same_terms() {
    assert_eq!(terms("Aufwa\u{308}nde"), terms("Aufwände"));
    assert_eq!(terms("Mu\u{308}ller"), terms("Müller"));
}

#[test]
fn a_word_divided_at_the_line_end_is_there_whole_and_takes_one_position() {
    let text = "die Geburts-\nurkunde liegt";
    assert!(has(text, "geburtsurkunde", 1));
    assert!(has(text, "geburts", 1));
    assert!(has(text, "urkunde", 1));
    assert!(has(text, "liegt", 2));
}

#[test]
fn tied_words_are_there_whole_and_in_parts() {
    let text = "Frau Müller-Lüdenscheidt kam";
    assert!(has(text, "müllerlüdenscheidt", 1));
    assert!(has(text, "müller", 1));
    assert!(has(text, "lüdenscheidt", 2));
    assert!(has(text, "kam", 3));
    assert!(has("O'Neill", "oneill", 0));
}

#[test]
fn register_numbers_and_days_are_terms_of_their_own() {
    let text = "Akte StA 12/2024-G-0815 vom 12. März 2024";
    for key in ["12/g/2024/815", "g/2024/815", "2024/815", "#815"] {
        assert!(has(text, &Form::Reference.term(key), 1), "{key}");
    }
    assert!(has(text, "0815", 5));
    assert!(has(text, "\u{1}815", 5));
    assert!(has(text, &Form::Day.term("2024-03-12"), 7));
}

#[test]
fn a_word_without_end_is_cut_and_hurts_nobody() {
    let text = format!("vor {} nach", "ä".repeat(100_000));
    let found = terms(&text);
    assert!(found.iter().all(|(term, _)| term.len() <= 2 * LONGEST_WORD + 1));
    assert!(found.contains(&("nach".to_owned(), 2)));
}

#[test]
fn the_places_of_terms_are_the_bytes_of_the_text() {
    let text = "x Mu\u{308}ller";
    let mut found = None;
    Analyzer::default().read(text, &mut |placed| {
        if placed.term == "müller" {
            found = text.get(placed.bytes).map(str::to_owned);
        }
    });
    assert_eq!(found.as_deref(), Some("Mu\u{308}ller"));
}

proptest::proptest! {
    #[test]
    fn no_text_breaks_the_reader(text in "\\PC{0,80}") {
        let mut last = 0;
        Analyzer::default().read(&text, &mut |placed| {
            assert!(text.get(placed.bytes.clone()).is_some());
            assert!(placed.position >= last);
            last = placed.position;
        });
    }
}
