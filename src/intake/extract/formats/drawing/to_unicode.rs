//! The map from character codes to Unicode that a PDF font carries (ISO 32000-1, 9.10.3). Lenient: reads the entries it
//! understands, in whatever lines and forms programs write them. Knows no fonts.

use std::collections::HashMap;

/// Most codes of one font, also if it names some again.
const CODES_MAX: usize = 1 << 17;

/// Which letters each code stands for.
#[derive(Debug, Default)]
pub(super) struct ToUnicode {
    letters: HashMap<u32, Box<str>>,
    codes_left: usize,
}

/// A piece of a map that says something here.
#[derive(Debug, PartialEq, Eq)]
enum Token<'t> {
    Hex(Vec<u8>),
    Open,
    Close,
    Word(&'t [u8]),
}

/// One line of a map, as far as it was read.
#[derive(Debug)]
enum Entry {
    /// Nothing of it is of use here.
    Outside,
    /// Code, letters.
    Character(Vec<Vec<u8>>),
    /// First code, last code, letters of the first.
    Range(Vec<Vec<u8>>),
    /// First code, last code, letters of each.
    Several(Vec<Vec<u8>>),
}

impl ToUnicode {
    /// Reads the decoded stream.
    pub(super) fn parse(stream: &[u8]) -> Self {
        let mut map = Self { letters: HashMap::new(), codes_left: CODES_MAX };
        let mut entry = Entry::Outside;
        for token in (Tokens { rest: stream }) {
            entry = match (token, entry) {
                (Token::Word(b"beginbfchar"), _) => Entry::Character(Vec::new()),
                (Token::Word(b"beginbfrange"), _) => Entry::Range(Vec::new()),
                (Token::Word(word), _) if word.starts_with(b"end") => Entry::Outside,
                (Token::Hex(bytes), Entry::Character(read)) => map.character(read, bytes),
                (Token::Hex(bytes), Entry::Range(read)) => map.range(read, bytes),
                (Token::Open, Entry::Range(read)) => Entry::Several(read),
                (Token::Close, Entry::Several(read)) => map.several(&read),
                (Token::Hex(bytes), Entry::Several(mut read)) => {
                    read.push(bytes);
                    Entry::Several(read)
                }
                (_, Entry::Character(_)) => Entry::Character(Vec::new()),
                (_, Entry::Range(_)) => Entry::Range(Vec::new()),
                (_, entry @ (Entry::Several(_) | Entry::Outside)) => entry,
            };
        }
        map
    }

    /// What `code` stands for, if that can be read.
    pub(super) fn get(&self, code: u32) -> Option<&str> {
        self.letters.get(&code).map(AsRef::as_ref)
    }

    fn character(&mut self, mut read: Vec<Vec<u8>>, bytes: Vec<u8>) -> Entry {
        if let [code] = read.as_slice() {
            self.put(number(code), &bytes, 0);
            return Entry::Character(Vec::new());
        }
        read.push(bytes);
        Entry::Character(read)
    }

    fn range(&mut self, mut read: Vec<Vec<u8>>, bytes: Vec<u8>) -> Entry {
        if let [from, to] = read.as_slice() {
            for (step, code) in (0..=u16::MAX).zip(number(from)..=number(to)) {
                self.put(code, &bytes, step);
            }
            return Entry::Range(Vec::new());
        }
        read.push(bytes);
        Entry::Range(read)
    }

    fn several(&mut self, read: &[Vec<u8>]) -> Entry {
        if let [from, _, letters @ ..] = read {
            for (code, letters) in (number(from)..=u32::MAX).zip(letters) {
                self.put(code, letters, 0);
            }
        }
        Entry::Range(Vec::new())
    }

    fn put(&mut self, code: u32, utf16: &[u8], step: u16) {
        let Some(left) = self.codes_left.checked_sub(1) else { return };
        self.codes_left = left;
        let unit = |bytes: &[u8]| bytes.iter().fold(0, |sum, byte| sum << 8 | u16::from(*byte));
        let mut units: Vec<u16> =
            if utf16.len() == 1 { vec![unit(utf16)] } else { utf16.chunks_exact(2).map(unit).collect() };
        if let Some(last) = units.last_mut() {
            *last = last.wrapping_add(step);
        }
        let letters = String::from_utf16_lossy(&units);
        let says_nothing = |c: char| c.is_control() || matches!(c, '\u{FFFD}'..='\u{FFFF}');
        if !letters.chars().all(says_nothing) {
            self.letters.insert(code, letters.into_boxed_str());
        }
    }
}

fn number(bytes: &[u8]) -> u32 {
    bytes.iter().take(4).fold(0, |sum, byte| sum << 8 | u32::from(*byte))
}

struct Tokens<'t> {
    rest: &'t [u8],
}

impl<'t> Iterator for Tokens<'t> {
    type Item = Token<'t>;

    fn next(&mut self) -> Option<Token<'t>> {
        loop {
            let all = self.rest.trim_ascii_start();
            let (&first, after) = all.split_first()?;
            self.rest = after;
            return Some(match first {
                b'[' => Token::Open,
                b']' => Token::Close,
                b'<' if after.first() != Some(&b'<') => {
                    let inside = self.until(|byte| byte == b'>');
                    self.rest = self.rest.get(1..).unwrap_or_default();
                    Token::Hex(bytes_of(inside))
                }
                b'%' => {
                    self.until(|byte| matches!(byte, b'\n' | b'\r'));
                    continue;
                }
                b'<' | b'>' | b'(' | b')' | b'/' => Token::Word(b""),
                _ => {
                    self.rest = all;
                    Token::Word(self.until(|byte| byte.is_ascii_whitespace() || b"<>[]()/%".contains(&byte)))
                }
            });
        }
    }
}

impl<'t> Tokens<'t> {
    /// Takes everything before the first byte that `ends`.
    fn until(&mut self, ends: impl Fn(u8) -> bool) -> &'t [u8] {
        let length = self.rest.iter().position(|byte| ends(*byte)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at(length);
        self.rest = rest;
        taken
    }
}

/// Hexadecimal digits as bytes; what is no digit is left out, a last single digit stands for its sixteenfold.
fn bytes_of(hex: &[u8]) -> Vec<u8> {
    let digits = hex.iter().filter_map(|digit| char::from(*digit).to_digit(16));
    let digits: Vec<u8> = digits.filter_map(|digit| u8::try_from(digit).ok()).collect();
    let byte = |pair: &[u8]| pair.iter().chain(&[0]).take(2).fold(0, |sum, digit| sum << 4 | digit);
    digits.chunks(2).map(byte).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(map: &str, codes: impl IntoIterator<Item = u32>) -> Vec<String> {
        let map = ToUnicode::parse(map.as_bytes());
        codes.into_iter().map(|code| map.get(code).unwrap_or("–").to_owned()).collect()
    }

    #[test]
    fn entries_are_read_in_whatever_form_programs_write_them() {
        for (map, codes, expected) in [
            ("2 beginbfchar <41><5F00>\n<42> <0020> endbfchar", 0x41..0x44, &["开", " ", "–"][..]),
            (
                "1 begincodespacerange <41><7A> endcodespacerange 1 beginbfchar<41><0061>endbfchar",
                0x41..0x42,
                &["a"],
            ),
            ("beginbfrange <09><09><00740069> <0A> <0c> <0077> endbfrange", 9..13, &["ti", "w", "x", "y"]),
            (
                "beginbfrange <80> <82> [ <20ac> <20\n22>\n<201a> ]\n<a0><a1>[<0020> <0104>]endbfrange",
                0x80..0x83,
                &["€", "•", "‚"],
            ),
            (
                "beginbfrange <80> <82> [ <20ac> ] <84><84><0041> endbfrange",
                0x80..0x85,
                &["€", "–", "–", "–", "A"],
            ),
            ("beginbfrange <00> <7f> <00> endbfrange", 0x41..0x43, &["A", "B"]),
            (
                "beginbfchar <01> <D835DC00> <02> <0000> <03> <FFFF> endbfchar % <04> <0041>",
                1..5,
                &["𝐀", "–", "–", "–"],
            ),
            (
                "/CIDSystemInfo << /Registry (a<41>b) >> beginbfchar <0001> /a <0002> <0062> endbfchar",
                1..3,
                &["–", "b"],
            ),
        ] {
            assert_eq!(read(map, codes), expected, "{map}");
        }
    }

    #[test]
    fn a_map_without_end_stays_small() {
        let ranges = "<00000000> <FFFFFFFF> <0041>\n".repeat(50);
        let map = ToUnicode::parse(format!("beginbfrange {ranges}").as_bytes());
        assert!(map.letters.len() <= CODES_MAX);
        assert_eq!(map.codes_left, 0);
        assert_eq!(map.get(1), Some("B"));
    }

    proptest::proptest! {
        #[test]
        fn no_map_breaks_the_reader(map in "(beginbf(char|range)|endbfrange|<[0-9a-f]{0,9}>|\\[|\\]|\\PC){0,30}") {
            ToUnicode::parse(map.as_bytes());
        }
    }
}
