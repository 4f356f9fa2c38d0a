//! Text without compatibility forms (NFKC, one character at a time): full width, ligatures, raised digits, `№` become
//! what one types. Knows where each character came from; knows no words.

use std::borrow::Cow;
use std::ops::Range;

use unicode_normalization::{IsNormalized, UnicodeNormalization as _, is_nfkc_quick};

/// A text as it is searched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plain<'t> {
    /// The text; borrowed if nothing had to be written in another way.
    pub text: Cow<'t, str>,
    /// What was, in order.
    changes: Vec<Change>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Change {
    plain: Range<usize>,
    origin: Range<usize>,
}

/// `text` in plain characters.
pub fn plain(text: &str) -> Plain<'_> {
    if !text.chars().any(is_compatibility_form) {
        return Plain { text: Cow::Borrowed(text), changes: Vec::new() };
    }
    let mut written = String::with_capacity(text.len());
    let mut changes = Vec::new();
    for (at, c) in text.char_indices() {
        if !is_compatibility_form(c) {
            written.push(c);
            continue;
        }
        let start = written.len();
        written.extend(std::iter::once(c).nfkc());
        changes.push(Change { plain: start..written.len(), origin: at..at + c.len_utf8() });
    }
    Plain { text: Cow::Owned(written), changes }
}

impl Plain<'_> {
    /// The bytes of the original text that became `bytes` of this one; a character is never cut.
    pub fn origin(&self, bytes: &Range<usize>) -> Range<usize> {
        let before = self.changes.partition_point(|change| change.plain.start <= bytes.start);
        let start = match self.change(before) {
            Some(change) if bytes.start < change.plain.end => change.origin.start,
            change => moved(bytes.start, change),
        };
        let before = self.changes.partition_point(|change| change.plain.start < bytes.end);
        let end = match self.change(before) {
            Some(change) if bytes.end <= change.plain.end => change.origin.end,
            change => moved(bytes.end, change),
        };
        start..end
    }

    fn change(&self, before: usize) -> Option<&Change> {
        before.checked_sub(1).and_then(|at| self.changes.get(at))
    }
}

fn moved(at: usize, after: Option<&Change>) -> usize {
    after.map_or(at, |change| at - change.plain.end + change.origin.end)
}

/// Left as they are: letters of DIN 91379 with a search form of their own, fractions (`1½` is not 11⁄2), the mark of
/// a trade name (`Tesa™` is not `TesaTM`), and accents that stand alone.
fn is_compatibility_form(c: char) -> bool {
    if c < '\u{A0}' || is_nfkc_quick(std::iter::once(c)) != IsNormalized::No {
        return false;
    }
    !matches!(
        c,
        'ŀ' | 'Ŀ' | 'ŉ' | '™' | '℠' | '¼'..='¾' | '\u{2150}'..='\u{215F}' | '\u{2189}' | '¨' | '¯' | '´' | '¸'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_the_same_is_written_the_same() {
        for (text, expected) in [
            ("０．７５ Ａ", "0.75 A"),
            ("ﬁnden", "finden"),
            ("10 m²", "10 m2"),
            ("Инв. №", "Инв. No"),
            ("คำ", "ค\u{e4d}\u{e32}"),
            ("Ärger", "Ärger"),
            ("A\u{308}rger", "A\u{308}rger"),
            ("1½ ŀ Tesa™", "1½ ŀ Tesa™"),
        ] {
            assert_eq!(plain(text).text, expected);
        }
    }

    #[test]
    fn the_place_in_the_original_is_known() {
        let text = "x ﬃ m² y";
        let plain = plain(text);
        assert_eq!(plain.text, "x ffi m2 y");
        for (part, origin) in [("x", "x"), ("ff", "ﬃ"), ("ffi m", "ﬃ m"), ("2", "²"), ("2 y", "² y")] {
            let start = plain.text.find(part).unwrap();
            assert_eq!(text.get(plain.origin(&(start..start + part.len()))), Some(origin), "{part}");
        }
    }

    proptest::proptest! {
        #[test]
        fn a_place_is_always_one_of_the_text(text in "[a１ﬃ²½ ㍿가]{0,12}", from in 0_usize..40, length in 0_usize..9) {
            let plain = plain(&text);
            let bytes = from.min(plain.text.len())..(from + length).min(plain.text.len());
            if plain.text.get(bytes.clone()).is_some() {
                assert!(text.get(plain.origin(&bytes)).is_some());
            }
        }
    }
}
