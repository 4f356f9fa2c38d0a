//! The phrase a real PDF must be found by: drawn from pdftotext's output by a fixed rule, never from ours. Knows what
//! words look like from the texts of the laws in the corpus, and from what pdftotext finds in other files.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::process::Command;

use unicode_normalization::char::is_combining_mark;

/// Words of the phrase.
const WORDS: usize = 6;
/// Shorter words are in every list by chance, in letters.
const SHORTEST_KNOWN: usize = 3;
/// A word that pdftotext prints for so many of the hostile files is one.
const FILES_WITH_A_WORD: usize = 3;
/// A text of fewer words is too short to tell whether it is broken.
const WORDS_TO_JUDGE: usize = 20;

/// What a file has to be found by.
#[derive(Debug, PartialEq, Eq)]
pub enum Phrase {
    /// By these words, one behind the other.
    Find(String),
    /// pdftotext finds no letter or digit.
    NoText,
    /// pdftotext prints signs, but no word of a known language; why.
    NoWords(String),
}

/// What pdftotext prints for a file.
pub fn printed(path: &Path) -> String {
    let output = Command::new("pdftotext").arg(path).arg("-").output().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The middle one of the lines of three words and more, else the longest line: what is drawn from text of any language.
pub fn any(text: &str) -> Phrase {
    let lines = lines(text);
    let long: Vec<&Vec<String>> = lines.iter().filter(|line| line.len() >= 3).collect();
    let line = match long.len() {
        0 => lines.iter().max_by_key(|line| line.iter().map(String::len).sum::<usize>()),
        n => Some(long[n / 2]),
    };
    line.map_or(Phrase::NoText, |line| found(line))
}

/// Words of German and English.
pub struct Known(HashSet<String>);

impl Known {
    /// From the laws' texts in `corpus`, and from what pdftotext prints for the files of `others`.
    pub fn of(corpus: &Path, others: &[String]) -> Self {
        let mut known = HashSet::new();
        for entry in std::fs::read_dir(corpus.join("laws")).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|ending| ending == "md") {
                let law = std::fs::read(path).unwrap();
                known.extend(
                    lines(&String::from_utf8_lossy(&law)).into_iter().flatten().filter(|w| is_long(w)),
                );
            }
        }
        let mut files: HashMap<String, usize> = HashMap::new();
        for text in others {
            let words: HashSet<String> = lines(text).into_iter().flatten().filter(|w| is_long(w)).collect();
            words.into_iter().for_each(|word| *files.entry(word).or_default() += 1);
        }
        known.extend(files.into_iter().filter(|(_, n)| *n >= FILES_WITH_A_WORD).map(|(word, _)| word));
        Self(known)
    }

    /// Out of a text in German or English, which pdftotext may have printed with broken words:
    ///
    /// 1. the middle one of the lines of three words and more of whose first six at least half are known;
    /// 2. the same after each character was moved from the number of its glyph to its letter, as far as fonts keep the
    ///    order of the Macintosh: pdftotext prints the numbers where a font says no more;
    /// 3. the most known words in a row, at least two;
    /// 4. nothing, if the text is long enough to be judged; else as from text of any language.
    pub fn draw(&self, text: &str) -> Phrase {
        let lines = lines(text);
        let middle = self.middle(&lines).or_else(|| self.middle(&self::lines(&moved(text))));
        if let Some(line) = middle {
            return found(&line);
        }
        let row = lines.iter().flat_map(|line| line.chunk_by(|a, b| self.has(a) == self.has(b)));
        let row = row.filter(|row| row.len() > 1 && self.has(&row[0])).max_by_key(|row| row.len());
        if let Some(row) = row {
            return found(row);
        }
        let all = lines.iter().flatten().count();
        if all < WORDS_TO_JUDGE {
            return any(text);
        }
        let known = lines.iter().flatten().filter(|word| self.has(word)).count();
        Phrase::NoWords(format!("of {all} words {known} are known"))
    }

    fn middle(&self, lines: &[Vec<String>]) -> Option<Vec<String>> {
        let is_like_words = |line: &&Vec<String>| {
            let drawn = &line[..line.len().min(WORDS)];
            line.len() >= 3 && 2 * drawn.iter().filter(|word| self.has(word)).count() >= drawn.len()
        };
        let good: Vec<&Vec<String>> = lines.iter().filter(is_like_words).collect();
        good.get(good.len() / 2).map(|line| (*line).clone())
    }

    fn has(&self, word: &str) -> bool {
        self.0.contains(word)
    }
}

fn found(line: &[String]) -> Phrase {
    Phrase::Find(line.iter().take(WORDS).cloned().collect::<Vec<_>>().join(" "))
}

fn is_long(word: &str) -> bool {
    word.chars().count() >= SHORTEST_KNOWN && word.chars().all(char::is_alphabetic)
}

/// The words of each line that has any, in small letters.
fn lines(text: &str) -> Vec<Vec<String>> {
    let is_between = |c: char| !c.is_alphanumeric() && !is_combining_mark(c);
    let words = |line: &str| -> Vec<String> {
        line.split(is_between).filter(|word| !word.is_empty()).map(str::to_lowercase).collect()
    };
    text.lines().map(words).filter(|words| !words.is_empty()).collect()
}

/// From the number of a glyph to its letter: 3 is the blank, what follows is as in ASCII, then as in Mac OS Roman.
fn moved(text: &str) -> String {
    let letter = |c: char| match u32::from(c) {
        _ if c == '\n' => c,
        number @ 3..=97 => char::from_u32(number + 29).unwrap(),
        number @ 98..=225 => {
            let byte = u8::try_from(number + 30).unwrap();
            encoding_rs::MACINTOSH.decode_without_bom_handling(&[byte]).0.chars().next().unwrap()
        }
        _ => c,
    };
    text.chars().map(letter).collect()
}

#[test]
fn a_phrase_is_drawn_where_pdftotext_prints_words_and_nowhere_else() {
    let law = "Die Zahlung aus dem Wertpapierkonto für den Kläger ist gültig";
    let known = Known(lines(law).into_iter().flatten().filter(|word| is_long(word)).collect());
    let find = |text: &str| Phrase::Find(text.to_owned());
    let numbers = |text: &str| -> String {
        text.chars().map(|c| if c == '\n' { c } else { char::from_u32(u32::from(c) - 29).unwrap() }).collect()
    };
    for (printed, expected) in [
        ("a b c\nDie Zahlung ist (noch)\n1 2 3\nx y z".to_owned(), find("die zahlung ist noch")),
        (numbers("x y z\naus dem Wertpapierkonto\n0 1 2"), find("aus dem wertpapierkonto")),
        ("D i e Zahlung ist g ü l t i g für d e n".to_owned(), find("zahlung ist")),
        ("q w e r t z u i o p ".repeat(3), Phrase::NoWords("of 30 words 0 are known".to_owned())),
        ("b".to_owned(), find("b")),
        (" \n\u{c}".to_owned(), Phrase::NoText),
    ] {
        assert_eq!(known.draw(&printed), expected, "{printed:?}");
    }
    assert_eq!(any("eins\nk\u{301}a-b c\nzwei"), find("k\u{301}a b c"));
}
