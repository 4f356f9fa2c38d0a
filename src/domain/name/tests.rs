//! The list itself, and what it permits and refuses.

use std::path::Path;

use super::*;

/// Every entry of the checked-in list: group and text.
fn list() -> Vec<(&'static str, String)> {
    LIST.lines()
        .filter_map(|line| line.split_once(';'))
        .map(|(group, codes)| {
            let text = codes.split(' ').map(|c| char::from_u32(u32::from_str_radix(c, 16).unwrap()).unwrap());
            (group, text.collect())
        })
        .collect()
}

#[test]
fn the_list_has_930_entries_and_149_sequences_all_in_nfc() {
    let list = list();
    assert_eq!(list.len(), 930);
    assert_eq!(list.iter().filter(|(_, text)| text.chars().count() > 1).count(), 149);
    for (_, text) in list {
        assert_eq!(text.nfc().collect::<String>(), text);
        assert!(text.chars().count() <= LONGEST_SEQUENCE);
    }
}

#[test]
fn the_list_is_that_of_the_norm() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/law/din/latin_list_1.3.txt");
    let Ok(source) = std::fs::read_to_string(source) else {
        println!("skipped: ../shared is not there");
        return;
    };
    let expected: Vec<String> = source
        .lines()
        .map(|line| {
            let parts: Vec<&str> = line.split(';').map(str::trim).collect();
            format!("{};{}", parts[0], parts[2])
        })
        .collect();
    let ours: Vec<&str> = LIST.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(ours, expected);
}

#[test]
fn every_letter_and_sequence_is_permitted_in_the_name_of_a_person_and_comes_out_unchanged() {
    let mut seen = 0;
    for (group, text) in list() {
        // A space alone is refused as an edge: all are tried between letters.
        let name = format!("A{text}Z");
        let parsed = Latin::person_name(&name);
        if matches!(group, "bll" | "bnlreq") {
            assert_eq!(parsed.unwrap().as_str(), name, "{}", CodePoints(&text));
            seen += 1;
        } else if group != "dc" {
            assert!(parsed.is_err(), "{group} {}", CodePoints(&text));
        }
    }
    assert_eq!(seen, 649 + 18);
}

#[test]
fn every_sequence_is_also_permitted_when_typed_decomposed() {
    for (group, text) in list() {
        if group == "bll" {
            let typed: String = text.nfd().collect();
            assert_eq!(Latin::person_name(&typed).unwrap().as_str(), text, "{}", CodePoints(&text));
        }
    }
}

#[test]
fn signs_and_digits_are_for_places_only() {
    assert!(Latin::text("Halle (Saale), 2. OG / Nr. 5").is_ok());
    assert_eq!(
        Latin::person_name("Karl 2"),
        Err(NotLatin::Character { found: "2".into(), position: 6, alphabet: Alphabet::PersonName })
    );
}

#[test]
fn what_the_norm_does_not_list_is_refused_with_its_code_points_and_position() {
    let refused = |text: &str| match Latin::text(text) {
        Err(NotLatin::Character { found, position, .. }) => (CodePoints(&found).to_string(), position),
        other => panic!("{text:?}: {other:?}"),
    };
    assert_eq!(refused("Ивaн"), ("U+0418".into(), 1));
    assert_eq!(refused("Αθηνά"), ("U+0391".into(), 1));
    assert_eq!(refused("Li 李"), ("U+674E".into(), 4));
    assert_eq!(refused("Ann\u{200d}a"), ("U+200D".into(), 4));
    assert_eq!(refused("An\tna"), ("U+0009".into(), 3));
    assert_eq!(refused("An\u{a0}na"), ("U+00A0".into(), 3));
    assert_eq!(refused("Max 🙂"), ("U+1F642".into(), 5));
    assert_eq!(
        refused("B\u{30c}ob"),
        ("U+0042 U+030C".into(), 1),
        "a base with a mark it has not in the list"
    );
    assert_eq!(refused("AJ\u{30c}\u{301}x"), ("U+004A U+030C U+0301".into(), 2), "a mark too many");
    assert_eq!(refused("A\u{35f}B"), ("U+0041 U+035F".into(), 1));
    let said = Latin::person_name("B\u{30c}ob").unwrap_err().to_string();
    insta::assert_snapshot!(said, @"U+0042 U+030C at position 1 is not permitted in the name of a person (DIN 91379 data type A)");
}

#[test]
fn a_mark_alone_an_empty_text_and_a_space_at_the_edge_are_refused() {
    assert!(matches!(Latin::person_name("\u{301}A"), Err(NotLatin::Character { position: 1, .. })));
    assert_eq!(Latin::text(""), Err(NotLatin::Empty));
    for text in [" Anna", "Anna ", "Anna\n", "\u{a0}Anna"] {
        assert_eq!(Latin::text(text), Err(NotLatin::SpaceAtEdge), "{text:?}");
    }
}

#[test]
fn ligature_letters_are_not_taken_apart() {
    for name in ["Ǆ", "ǅ", "Jǯ", "ĲJ", "J\u{30c}evdet", "K\u{35f}Hadija"] {
        if let Ok(latin) = Latin::person_name(name) {
            assert_eq!(latin.as_str(), name);
        } else {
            assert!(!list().iter().any(|(_, text)| text == name), "{name}");
        }
    }
}
