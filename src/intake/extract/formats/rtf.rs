//! Rich Text Format 1.9.1: the running text, with the code page of the file and Unicode escapes. Fonts, styles,
//! pictures, objects and every destination marked as ignorable are left out. Knows no layout but lines and pages.

use encoding_rs::{Encoding, WINDOWS_1252};

use crate::intake::extract::Reason;
use crate::intake::extract::output::Output;

/// Destinations whose content is no text of the document.
const HIDDEN: [&str; 17] = [
    "fonttbl",
    "colortbl",
    "stylesheet",
    "info",
    "pict",
    "objdata",
    "object",
    "themedata",
    "colorschememapping",
    "datastore",
    "latentstyles",
    "listtable",
    "listoverridetable",
    "rsidtbl",
    "generator",
    "fldinst",
    "xmlnstbl",
];

/// Reads an RTF file.
pub(super) fn extract(file: &[u8], output: &mut Output<'_>) -> Result<(), Reason> {
    let mut reading = Reading::new(file);
    let whole = reading.read();
    reading.flush();
    output.flow(&reading.text)?;
    whole
}

#[derive(Clone, Copy)]
struct Group {
    hidden: bool,
    /// How many characters stand for readers without Unicode after `\u`.
    fallback: usize,
}

struct Reading<'f> {
    rest: &'f [u8],
    groups: Vec<Group>,
    now: Group,
    encoding: &'static Encoding,
    /// Bytes in the code page of the file that were not decoded yet.
    pending: Vec<u8>,
    /// Fallback characters still to be skipped.
    skip: usize,
    text: String,
}

impl<'f> Reading<'f> {
    fn new(file: &'f [u8]) -> Self {
        Self {
            rest: file,
            groups: Vec::new(),
            now: Group { hidden: false, fallback: 1 },
            encoding: WINDOWS_1252,
            pending: Vec::new(),
            skip: 0,
            text: String::new(),
        }
    }

    fn read(&mut self) -> Result<(), Reason> {
        while let Some(byte) = self.next() {
            match byte {
                b'{' if self.groups.len() >= 10_000 => return Err(Reason::TooDeep),
                b'{' => self.groups.push(self.now),
                b'}' => self.now = self.groups.pop().unwrap_or(self.now),
                b'\\' => self.control(),
                b'\r' | b'\n' | 0 => {}
                _ => self.byte(byte),
            }
        }
        if self.groups.is_empty() { Ok(()) } else { Err(Reason::Damaged) }
    }

    fn next(&mut self) -> Option<u8> {
        let (&byte, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(byte)
    }

    fn control(&mut self) {
        let Some(&first) = self.rest.first() else { return };
        if !first.is_ascii_alphabetic() {
            self.rest = self.rest.get(1..).unwrap_or_default();
            return self.symbol(first);
        }
        let letters = self.rest.iter().take_while(|b| b.is_ascii_alphabetic()).count().min(32);
        let (word, rest) = self.rest.split_at(letters);
        let digits =
            rest.iter().enumerate().take_while(|(at, b)| b.is_ascii_digit() || (*at == 0 && **b == b'-'));
        let (number, rest) = rest.split_at(digits.count().min(11));
        self.rest = rest.strip_prefix(b" ").unwrap_or(rest);
        let word = std::str::from_utf8(word).unwrap_or_default();
        let number = std::str::from_utf8(number).ok().and_then(|number| number.parse::<i64>().ok());
        self.word(word, number);
    }

    fn symbol(&mut self, symbol: u8) {
        match symbol {
            b'\'' => {
                let code = self.rest.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
                let code = code.and_then(|hex| u8::from_str_radix(hex, 16).ok());
                self.rest = self.rest.get(2..).unwrap_or_default();
                if let Some(code) = code {
                    self.byte(code);
                }
            }
            b'*' => self.now.hidden = true,
            b'~' => self.push(' '),
            b'_' => self.push('-'),
            b'\r' | b'\n' => self.push('\n'),
            b'\\' | b'{' | b'}' => self.byte(symbol),
            _ => {}
        }
    }

    fn word(&mut self, word: &str, number: Option<i64>) {
        match word {
            "par" | "line" | "row" | "sect" => self.push('\n'),
            "tab" | "cell" => self.push('\t'),
            "page" => self.push('\u{C}'),
            "emdash" => self.push('—'),
            "endash" => self.push('–'),
            "lquote" => self.push('‘'),
            "rquote" => self.push('’'),
            "ldblquote" => self.push('“'),
            "rdblquote" => self.push('”'),
            "bullet" => self.push('•'),
            "uc" => self.now.fallback = number.and_then(|n| usize::try_from(n).ok()).unwrap_or(1).min(16),
            "u" => self.unicode(number.unwrap_or(0)),
            "ansicpg" => self.code_page(number.unwrap_or(1252)),
            "bin" => {
                let length = number.and_then(|n| usize::try_from(n).ok()).unwrap_or(0);
                self.rest = self.rest.get(length..).unwrap_or_default();
            }
            _ if HIDDEN.contains(&word) => self.now.hidden = true,
            _ => {}
        }
    }

    /// `\u` takes a signed 16-bit number; characters above U+FFFF come as two surrogates.
    fn unicode(&mut self, number: i64) {
        let unit = u16::try_from(number.rem_euclid(0x1_0000)).unwrap_or(0xFFFD);
        self.flush();
        self.skip = self.now.fallback;
        if self.now.hidden {
            return;
        }
        match char::decode_utf16([unit]).next() {
            Some(Ok(letter)) => self.text.push(letter),
            Some(Err(_)) if (0xD800..0xDC00).contains(&unit) => self.second_surrogate(unit),
            _ => {}
        }
    }

    fn second_surrogate(&mut self, first: u16) {
        // Between the two stand the fallback characters of the first.
        let after = self.rest.windows(2).take(16).position(|window| window == b"\\u");
        let Some(rest) = after.and_then(|at| self.rest.get(at + 2..)) else { return };
        let digits = rest.iter().take_while(|b| b.is_ascii_digit() || **b == b'-').count();
        let (number, rest) = rest.split_at(digits.min(6));
        let number = std::str::from_utf8(number).ok().and_then(|number| number.parse::<i64>().ok());
        let second = number.and_then(|n| u16::try_from(n.rem_euclid(0x1_0000)).ok()).unwrap_or(0);
        if let Some(Ok(letter)) = char::decode_utf16([first, second]).next() {
            self.text.push(letter);
            self.rest = rest;
        }
    }

    fn code_page(&mut self, number: i64) {
        self.flush();
        let label = match number {
            932 => "shift_jis".to_owned(),
            936 => "gbk".to_owned(),
            949 => "euc-kr".to_owned(),
            950 => "big5".to_owned(),
            65001 => "utf-8".to_owned(),
            10000 => "macintosh".to_owned(),
            _ => format!("windows-{number}"),
        };
        self.encoding = Encoding::for_label(label.as_bytes()).unwrap_or(WINDOWS_1252);
    }

    fn byte(&mut self, byte: u8) {
        if self.skip > 0 {
            self.skip -= 1;
        } else if !self.now.hidden {
            self.pending.push(byte);
        }
    }

    fn push(&mut self, letter: char) {
        self.flush();
        self.skip = 0;
        if !self.now.hidden {
            self.text.push(letter);
        }
    }

    fn flush(&mut self) {
        if !self.pending.is_empty() {
            self.text.push_str(&self.encoding.decode_without_bom_handling(&self.pending).0);
            self.pending.clear();
        }
    }
}
