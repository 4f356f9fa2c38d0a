//! Cuts a text into runs of letters or of digits and says how each is tied to the one before. In writing without
//! spaces between words (Han, Kana, Thai, …) each sign is a run, so that every part of a text is found. Knows no language.

use unicode_normalization::char::is_combining_mark;

const SOFT_HYPHEN: char = '\u{ad}';

/// How a run is tied to the run before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Joint {
    /// Not at all.
    Apart,
    /// Nothing between (`G0815`), or only an apostrophe (`O'Neill`).
    Glued,
    /// A hyphen: `Müller-Lüdenscheidt`.
    Hyphen,
    /// The word was divided at the end of a line: `Geburts-⏎urkunde`.
    Divided,
}

/// A run of letters or of digits; offsets are bytes of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    pub start: usize,
    pub end: usize,
    pub digits: bool,
    pub joint: Joint,
}

impl Run {
    /// The text of the run.
    pub fn of<'t>(&self, text: &'t str) -> &'t str {
        text.get(self.start..self.end).unwrap_or_default()
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Letter,
    /// A letter of a writing that sets no spaces.
    Sign,
    Digit,
    Mark,
    Other,
}

fn class(c: char) -> Class {
    if c.is_ascii_digit() {
        Class::Digit
    } else if c == SOFT_HYPHEN || is_combining_mark(c) {
        Class::Mark
    } else if is_sign(c) {
        Class::Sign
    } else if c.is_alphanumeric() {
        Class::Letter
    } else {
        Class::Other
    }
}

/// Thai, Lao, Burmese, Khmer, Kana, Han and Hangul.
fn is_sign(c: char) -> bool {
    c >= '\u{0E00}'
        && c.is_alphanumeric()
        && matches!(
            c,
            '\u{0E00}'..='\u{0EFF}'
                | '\u{1000}'..='\u{109F}'
                | '\u{1780}'..='\u{17FF}'
                | '\u{2E80}'..='\u{2FDF}'
                | '\u{3005}'..='\u{30FF}'
                | '\u{31F0}'..='\u{31FF}'
                | '\u{3400}'..='\u{9FFF}'
                | '\u{AC00}'..='\u{D7AF}'
                | '\u{F900}'..='\u{FAFF}'
                | '\u{20000}'..='\u{3FFFF}'
        )
}

/// Appends the runs of `text` to `out`, which is emptied first.
pub fn runs_into(text: &str, out: &mut Vec<Run>) {
    out.clear();
    let mut open: Option<Run> = None;
    let mut sign = false;
    for (at, c) in text.char_indices() {
        let end = at + c.len_utf8();
        let class = class(c);
        let digits = match class {
            Class::Mark => {
                if let Some(run) = &mut open {
                    run.end = end;
                }
                continue;
            }
            Class::Other => {
                out.extend(open.take());
                continue;
            }
            Class::Digit => true,
            Class::Letter | Class::Sign => false,
        };
        let beside_sign = std::mem::replace(&mut sign, class == Class::Sign) || sign;
        if let Some(run) = open.as_mut().filter(|run| run.digits == digits && !beside_sign) {
            run.end = end;
            continue;
        }
        out.extend(open.take());
        let before = out.last().filter(|_| !beside_sign);
        let joint = before.map_or(Joint::Apart, |before| joint(text, before, at, digits));
        open = Some(Run { start: at, end, digits, joint });
    }
    out.extend(open);
}

fn joint(text: &str, before: &Run, start: usize, digits: bool) -> Joint {
    let gap = text.get(before.end..start).unwrap_or_default();
    let divided_softly = before.of(text).ends_with(SOFT_HYPHEN);
    let letters = !digits && !before.digits;
    match gap {
        "" => return Joint::Glued,
        "'" | "’" | "ʼ" if letters => return Joint::Glued,
        "-" | "\u{2010}" | "\u{2011}" if letters => return Joint::Hyphen,
        _ => {}
    }
    if !letters || gap.len() > 12 {
        return Joint::Apart;
    }
    let mut left = gap.chars();
    if !divided_softly && !left.next().is_some_and(|c| matches!(c, '-' | '\u{2010}' | '¬')) {
        return Joint::Apart;
    }
    let rest = left.as_str();
    if !rest.chars().all(char::is_whitespace) || rest.matches('\n').count() != 1 {
        return Joint::Apart;
    }
    let next = text.get(start..).unwrap_or_default();
    let word: String = next.chars().take_while(|c| c.is_alphabetic()).take(8).collect();
    if matches!(word.as_str(), "und" | "oder" | "bzw" | "sowie" | "bis" | "noch" | "wie" | "als") {
        return Joint::Apart;
    }
    if word.starts_with(char::is_lowercase) { Joint::Divided } else { Joint::Hyphen }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(text: &str) -> Vec<(&str, Joint)> {
        let mut runs = Vec::new();
        runs_into(text, &mut runs);
        runs.iter().map(|run| (run.of(text), run.joint)).collect()
    }

    #[test]
    fn letters_and_digits_are_cut_apart_and_stay_tied() {
        use Joint::{Apart, Divided, Glued, Hyphen};
        assert_eq!(cut("G0815"), [("G", Apart), ("0815", Glued)]);
        assert_eq!(cut("Müller-Lüdenscheidt"), [("Müller", Apart), ("Lüdenscheidt", Hyphen)]);
        assert_eq!(cut("O'Neill"), [("O", Apart), ("Neill", Glued)]);
        assert_eq!(cut("die Geburts-\n urkunde"), [("die", Apart), ("Geburts", Apart), ("urkunde", Divided)]);
        assert_eq!(cut("Geburts-\nund Ehe"), [("Geburts", Apart), ("und", Apart), ("Ehe", Apart)]);
        assert_eq!(cut("Baden-\nBaden"), [("Baden", Apart), ("Baden", Hyphen)]);
        assert_eq!(cut("Geburts\u{ad}\nurkunde"), [("Geburts\u{ad}", Apart), ("urkunde", Divided)]);
        assert_eq!(cut("a-\n\nb"), [("a", Apart), ("b", Apart)]);
        assert_eq!(cut("Mu\u{308}ller"), [("Mu\u{308}ller", Apart)]);
        assert_eq!(cut("12-15"), [("12", Apart), ("15", Apart)]);
        assert_eq!(cut(" … \u{301} !"), []);
    }

    #[test]
    fn where_words_have_no_spaces_each_sign_is_a_run() {
        use Joint::{Apart, Glued};
        assert_eq!(cut("絶縁電線"), [("絶", Apart), ("縁", Apart), ("電", Apart), ("線", Apart)]);
        assert_eq!(cut("ปู่นา"), [("ปู่", Apart), ("น", Apart), ("า", Apart)]);
        assert_eq!(cut("A線b4"), [("A", Apart), ("線", Apart), ("b", Apart), ("4", Glued)]);
        assert_eq!(cut("が、3"), [("が", Apart), ("3", Apart)]);
        assert_eq!(cut("हिन्दी"), [("हिन्दी", Apart)]);
        assert_eq!(cut("السّيّدة"), [("السّيّدة", Apart)]);
    }
}
