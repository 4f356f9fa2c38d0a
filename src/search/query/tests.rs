//! How queries are read.

use super::*;

fn told(text: &str) -> Vec<String> {
    let query = parse(text).unwrap();
    query
        .understood()
        .iter()
        .map(|part| {
            let field = part.field.map(|field| format!("{field:?}:")).unwrap_or_default();
            let value = part.value.as_ref().map(|value| format!("={value}")).unwrap_or_default();
            let sign = if part.excluded {
                "-"
            } else if part.or {
                "|"
            } else {
                ""
            };
            format!("{sign}{field}{} {}{value}", part.as_, part.text)
        })
        .collect()
}

#[test]
fn a_query_is_read_as_people_mean_it() {
    for (text, read) in [
        ("Müller Geburt", &["word Müller", "word Geburt"][..]),
        ("\"Erika Mustermann\" Ehe", &["phrase Erika Mustermann", "word Ehe"]),
        ("„Erika Mustermann“", &["phrase Erika Mustermann"]),
        ("Ehe -Scheidung", &["word Ehe", "-word Scheidung"]),
        ("Ehe NICHT Scheidung", &["word Ehe", "-word Scheidung"]),
        ("Meier OR Maier ODER Mayer Ehe", &["word Meier", "|word Maier", "|word Mayer", "word Ehe"]),
        ("titel:Urkunde az:815", &["Title:word Urkunde", "Reference:word 815"]),
        ("Aktenzeichen:\"G 815/2024\"", &["Reference:reference G 815/2024=g/2024/815"]),
        ("art:Geburtsanzeige jahr:2024", &["kind Geburtsanzeige", "period 2024=2024-01-01..2024-12-31"]),
        ("datum:\"12. März 2024\"", &["period 12. März 2024=2024-03-12"]),
        ("datum:1.1.2020..31.12.2021", &["period 1.1.2020..31.12.2021=2020-01-01..2021-12-31"]),
        ("Muster*", &["prefix muster*"]),
        ("-Muster*", &["-prefix muster*"]),
        ("sta 12 / 2024 g 815 Müller", &["reference sta 12 / 2024 g 815=12/g/2024/815", "word Müller"]),
        ("geboren 12. März 2024 Köln", &["word geboren", "day 12. März 2024=2024-03-12", "word Köln"]),
        ("Müller-Lüdenscheidt", &["phrase Müller-Lüdenscheidt"]),
        ("815-1", &["phrase 815-1"]),
        ("0815", &["word 0815"]),
        ("(Meier, Ehe)", &["word Meier", "word Ehe"]),
    ] {
        assert_eq!(told(text), read, "{text}");
    }
}

#[test]
fn what_cannot_be_right_is_read_as_words_and_told() {
    for (text, remark) in [
        ("\"Erika Muster", Remark::QuoteNotClosed),
        ("farbe:rot", Remark::UnknownField),
        ("datum:gestern", Remark::NotADate),
        ("a*", Remark::PrefixTooShort),
        ("", Remark::Everything),
        ("- - OR *", Remark::Everything),
    ] {
        let query = parse(text).unwrap();
        assert!(query.remarks.contains(&remark), "{text}: {query:?}");
    }
    assert_eq!(told("farbe:rot"), ["phrase farbe:rot"]);
}

#[test]
fn the_whole_text_is_a_reference_unless_it_has_operators() {
    assert_eq!(parse("VII-34.12/05").unwrap().whole.as_deref(), Some("vii/34/12/5"));
    assert_eq!(parse("\"VII\"").unwrap().whole, None);
}

#[test]
fn only_the_size_of_a_query_is_limited() {
    assert!(parse(&"a".repeat(LONGEST_QUERY_BYTES)).is_ok());
    assert_eq!(parse(&"a".repeat(4_097)), Err(QueryError::TooLong { got: 4_097 }));
    assert!(parse(&"a ".repeat(MOST_TERMS)).is_ok());
    assert_eq!(parse(&"a ".repeat(65)), Err(QueryError::TooManyTerms { got: 65 }));
}

proptest::proptest! {
    #[test]
    fn no_text_is_an_error(text in "[-+\"„“*:|&() a-zäöüß0-9./OR]{0,60}") {
        let query = parse(&text).unwrap();
        assert!(query.clauses.iter().all(|clause| !clause.any.is_empty()));
        let _ = query.understood();
    }

    #[test]
    fn no_character_is_an_error(text in "\\PC{0,60}") {
        parse(&text).unwrap();
    }
}
