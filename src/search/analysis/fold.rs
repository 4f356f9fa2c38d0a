//! Spellings of one word: lower case, the search form of DIN 91379, and the folded form (ä = ae = a, ß = ss).
//! Works on single words; knows nothing of where they stand.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::{canonical_combining_class, is_combining_mark};

const DIAERESIS: char = '\u{308}';
const RING: char = '\u{30a}';
const SOFT_HYPHEN: char = '\u{ad}';

/// Letters without a decomposition, and what DIN 91379 (mapping `suchform`) writes for them.
const SEARCH_FORM: &[(char, &str)] = &[
    ('ª', "a"),
    ('º', "o"),
    ('ß', "ss"),
    ('æ', "ae"),
    ('ð', "d"),
    ('ø', "oe"),
    ('þ', "th"),
    ('đ', "d"),
    ('ħ', "h"),
    ('ı', "i"),
    ('ĳ', "ij"),
    ('ĸ', "k"),
    ('ŀ', "l"),
    ('ł', "l"),
    ('ŉ', "n"),
    ('ŋ', "n"),
    ('œ', "oe"),
    ('ŧ', "t"),
    ('ƈ', "c"),
    ('ǥ', "g"),
    ('ə', "e"),
    ('ɨ', "i"),
    ('ʒ', "z"),
];

/// The word as it is compared first: NFC, lower case, ligatures taken apart, soft hyphens gone.
pub fn lower_into(word: &str, out: &mut String) {
    out.clear();
    if word.is_ascii() {
        out.extend(word.bytes().map(|b| char::from(b.to_ascii_lowercase())));
        return;
    }
    let plain = |c: char| c != SOFT_HYPHEN;
    for c in word.chars().filter(|c| plain(*c)).nfc().flat_map(char::to_lowercase) {
        match ligature(c) {
            Some(letters) => out.push_str(letters),
            None => out.push(c),
        }
    }
}

/// [`lower_into`] with a string of its own.
pub fn lower(word: &str) -> String {
    let mut out = String::with_capacity(word.len());
    lower_into(word, &mut out);
    out
}

/// The search form (DIN 91379 `suchform`, in lower case): `müller` → `mueller`, `åse` → `aase`, `łódź` → `lodz`.
pub fn search_form(lower: &str) -> String {
    letters(lower, true)
}

/// The folded form, the same for all spellings that count as equal: `müller`, `mueller`, `muller` → `muller`.
///
/// `ae`, `oe`, `ue` lose their e as in ä, ö, ü, except `ue` after a vowel or q (Bauer, Quelle).
/// A word of digits loses its leading zeros.
pub fn folded(lower: &str) -> String {
    if lower.bytes().all(|b| b.is_ascii_digit()) {
        return without_zeros(lower).to_owned();
    }
    let plain = if lower.is_ascii() { lower.to_owned() } else { letters(lower, false) };
    collapsed(plain)
}

/// A run of digits without its leading zeros; `000` is `0`.
pub fn without_zeros(digits: &str) -> &str {
    match digits.trim_start_matches('0') {
        "" if !digits.is_empty() => "0",
        rest => rest,
    }
}

fn ligature(c: char) -> Option<&'static str> {
    Some(match c {
        '\u{fb00}' => "ff",
        '\u{fb01}' => "fi",
        '\u{fb02}' => "fl",
        '\u{fb03}' => "ffi",
        '\u{fb04}' => "ffl",
        '\u{fb05}' | '\u{fb06}' => "st",
        'ſ' => "s",
        _ => return None,
    })
}

fn letters(lower: &str, umlauts_as_two: bool) -> String {
    let mut out = String::with_capacity(lower.len() + 2);
    let mut marks = lower.nfd().peekable();
    while let Some(base) = marks.next() {
        let (mut diaeresis, mut ring) = (false, false);
        while let Some(mark) = marks.next_if(|c| is_combining_mark(*c) || canonical_combining_class(*c) != 0)
        {
            diaeresis |= mark == DIAERESIS;
            ring |= mark == RING;
        }
        if is_combining_mark(base) {
            continue;
        }
        match SEARCH_FORM.binary_search_by_key(&base, |(letter, _)| *letter) {
            Ok(at) => out.push_str(SEARCH_FORM.get(at).map_or("", |(_, form)| form)),
            Err(_) => out.push(base),
        }
        if umlauts_as_two {
            match base {
                'a' | 'o' | 'u' if diaeresis => out.push('e'),
                'a' if ring => out.push('a'),
                _ => {}
            }
        }
    }
    out
}

fn collapsed(plain: String) -> String {
    if !["ae", "oe", "ue"].iter().any(|pair| plain.contains(pair)) {
        return plain;
    }
    let mut out = String::with_capacity(plain.len());
    let mut before = ' ';
    let mut rest = plain.chars().peekable();
    while let Some(c) = rest.next() {
        out.push(c);
        let umlaut = match c {
            'a' | 'o' => true,
            'u' => !matches!(before, 'a' | 'e' | 'i' | 'o' | 'u' | 'q'),
            _ => false,
        };
        if umlaut && rest.next_if_eq(&'e').is_some() {
            before = 'e';
        } else {
            before = c;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_spellings_of_a_name_have_one_folded_form() {
        for spellings in [
            &["Müller", "Mueller", "Muller", "Mu\u{308}ller", "MÜLLER"][..],
            &["Straße", "Strasse", "STRASSE", "STRAẞE"],
            &["Søren", "Soeren", "Soren", "Sören"],
            &["Łódź", "Lodz", "łodz"],
            &["Aufwände", "Aufwa\u{308}nde", "Aufwaende"],
            &["Őrsi", "Orsi"],
            &["J\u{30c}evdet", "Jevdet"],
            &["Đorđe", "Dorde"],
            &["Işık", "Isik"],
            &["Æsop", "Aesop"],
            &["ﬁnden", "finden"],
        ] {
            let forms: Vec<_> = spellings.iter().map(|s| folded(&lower(s))).collect();
            assert!(forms.iter().all(|f| *f == forms[0]), "{spellings:?} {forms:?}");
        }
    }

    #[test]
    fn words_that_only_look_like_umlauts_stay_apart() {
        for (one, other) in [("Bauer", "Baur"), ("Quelle", "Qulle"), ("Steuer", "Steur"), ("Neue", "Neu")] {
            assert_ne!(folded(&lower(one)), folded(&lower(other)));
        }
    }

    #[test]
    fn umlauts_have_two_letters_in_the_search_form() {
        for (word, form) in [
            ("Müller", "mueller"),
            ("Åse", "aase"),
            ("Łódź", "lodz"),
            ("Ǘ", "ue"),
            ("ụ\u{308}", "ue"),
            ("Zoë", "zoe"),
        ] {
            assert_eq!(search_form(&lower(word)), form, "{word}");
        }
    }

    #[test]
    fn the_table_is_sorted() {
        assert!(SEARCH_FORM.is_sorted_by_key(|(letter, _)| *letter));
    }

    /// Compares with the facts of `String.Latin+ 1.2` when they are at hand.
    #[test]
    fn every_letter_of_din_91379_has_the_search_form_the_standard_gives() {
        let Ok(xml) = std::fs::read_to_string("../shared/law/latinchars.xml") else {
            eprintln!("skipped: ../shared/law/latinchars.xml is not at hand");
            return;
        };
        let code_points = |text: &str| -> String {
            text.split_whitespace()
                .map(|c| char::from_u32(u32::from_str_radix(c, 16).unwrap()).unwrap())
                .collect()
        };
        let mut checked = 0;
        for entry in xml.split("group=\"bll\">").skip(1) {
            let entry = entry.split("</char>").next().unwrap().split("</sequence>").next().unwrap();
            let letters = code_points(entry.split("<cp>").nth(1).unwrap().split('<').next().unwrap());
            let given: String =
                entry.split("<dest>").skip(1).map(|d| code_points(d.split('<').next().unwrap())).collect();
            let given = if given.is_empty() { letters.clone() } else { given };
            assert_eq!(
                search_form(&lower(&letters)),
                given.to_lowercase(),
                "{letters} {}",
                letters.escape_unicode()
            );
            checked += 1;
        }
        assert_eq!(checked, 646);
    }
}
