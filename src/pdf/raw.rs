//! A strict reader of PDF values in raw bytes (ISO 32000-1, 7.2 and 7.3): where a value begins and ends,
//! what a dictionary holds. Keeps positions, so that a signature can say exactly which bytes it covers.
//! Knows nothing of pages or signatures; never panics, never repairs.

use std::borrow::Cow;
use std::ops::Range;

/// Values may be nested this deep; deeper is refused.
const DEPTH_MAX: u32 = 64;
/// A dictionary may have this many entries; more is refused (looking for repeated keys is quadratic).
const ENTRIES_MAX: usize = 512;

/// Why bytes are not the PDF value that was expected; `at` is the position in the file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RawError {
    /// The file ends inside a value.
    #[error("the file ends inside a value that begins before byte {at}")]
    Truncated {
        /// Position where more was needed.
        at: usize,
    },
    /// A byte that cannot stand here.
    #[error("byte {at} is not {expected}")]
    Unexpected {
        /// Position of the byte.
        at: usize,
        /// What was expected.
        expected: &'static str,
    },
    /// A dictionary names a key twice (7.3.7 forbids it; readers disagree about which one counts).
    #[error("the dictionary at byte {at} names /{key} twice")]
    DuplicateKey {
        /// Position of the dictionary.
        at: usize,
        /// The key.
        key: String,
    },
    /// A dictionary has too many entries.
    #[error("the dictionary at byte {at} has more than {ENTRIES_MAX} entries")]
    TooMany {
        /// Position of the dictionary.
        at: usize,
    },
    /// Values are nested too deep.
    #[error("values are nested deeper than {DEPTH_MAX} at byte {at}")]
    TooDeep {
        /// Position of the value.
        at: usize,
    },
}

/// An indirect reference, `12 0 R`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reference {
    /// Object number.
    pub number: u32,
    /// Generation number.
    pub generation: u16,
}

/// One value with its place in the file.
#[derive(Debug, Clone)]
pub struct Value<'a> {
    file: &'a [u8],
    span: Range<usize>,
}

/// A dictionary with the places of its entries, in the order of the file.
#[derive(Debug, Clone)]
pub struct Dict<'a> {
    file: &'a [u8],
    span: Range<usize>,
    entries: Vec<(Cow<'a, [u8]>, Range<usize>)>,
}

pub(crate) const fn is_space(byte: u8) -> bool {
    matches!(byte, 0 | b'\t' | b'\n' | 12 | b'\r' | b' ')
}

const fn is_delimiter(byte: u8) -> bool {
    matches!(byte, b'(' | b')' | b'<' | b'>' | b'[' | b']' | b'{' | b'}' | b'/' | b'%')
}

const fn is_regular(byte: u8) -> bool {
    !is_space(byte) && !is_delimiter(byte)
}

/// The first position from `at` on that is neither white space nor comment.
pub(crate) fn skip_space(file: &[u8], mut at: usize) -> usize {
    while let Some(&byte) = file.get(at) {
        if byte == b'%' {
            while file.get(at).is_some_and(|b| !matches!(b, b'\n' | b'\r')) {
                at += 1;
            }
        } else if is_space(byte) {
            at += 1;
        } else {
            break;
        }
    }
    at
}

fn skip_while(file: &[u8], at: usize, keep: impl Fn(u8) -> bool) -> usize {
    let rest = file.get(at..).unwrap_or_default();
    at + rest.iter().position(|b| !keep(*b)).unwrap_or(rest.len())
}

/// Reads an unsigned decimal number that begins exactly at `at`; gives it and the position after it.
pub(crate) fn number(file: &[u8], at: usize) -> Option<(u64, usize)> {
    let end = skip_while(file, at, |b| b.is_ascii_digit());
    let digits = file.get(at..end).filter(|d| !d.is_empty() && d.len() <= 18)?;
    let value = digits.iter().fold(0u64, |n, d| n * 10 + u64::from(d - b'0'));
    Some((value, end))
}

/// Position after `word` if it begins exactly at `at`.
pub(crate) fn keyword(file: &[u8], at: usize, word: &[u8]) -> Option<usize> {
    let end = at.checked_add(word.len())?;
    (file.get(at..end)? == word && !file.get(end).is_some_and(|b| is_regular(*b))).then_some(end)
}

/// Reads `12 0 R` that begins exactly at `at`.
fn reference(file: &[u8], at: usize) -> Option<(Reference, usize)> {
    let (number_read, at) = number(file, at)?;
    let gap = skip_while(file, at, is_space);
    let (generation, after) = number(file, gap)?;
    let letter = skip_while(file, after, is_space);
    if gap == at || letter == after {
        return None;
    }
    let end = keyword(file, letter, b"R")?;
    let number = u32::try_from(number_read).ok()?;
    Some((Reference { number, generation: u16::try_from(generation).ok()? }, end))
}

fn string_end(file: &[u8], start: usize) -> Result<usize, RawError> {
    let (mut at, mut open) = (start, 0u32);
    loop {
        match file.get(at) {
            None => return Err(RawError::Truncated { at }),
            Some(b'\\') => at += 1,
            Some(b'(') => open += 1,
            Some(b')') if open == 1 => return Ok(at + 1),
            Some(b')') => open -= 1,
            Some(_) => {}
        }
        at += 1;
    }
}

/// The position after the value that begins exactly at `at`.
fn value_end(file: &[u8], at: usize, depth: u32) -> Result<usize, RawError> {
    if depth > DEPTH_MAX {
        return Err(RawError::TooDeep { at });
    }
    match (file.get(at), file.get(at + 1)) {
        (None, _) => Err(RawError::Truncated { at }),
        (Some(b'<'), Some(b'<')) => sequence_end(file, at + 2, b">>", depth),
        (Some(b'['), _) => sequence_end(file, at + 1, b"]", depth),
        (Some(b'<'), _) => {
            let end = skip_while(file, at + 1, |b| b.is_ascii_hexdigit() || is_space(b));
            match file.get(end) {
                Some(b'>') => Ok(end + 1),
                Some(_) => Err(RawError::Unexpected { at: end, expected: "a hex digit or >" }),
                None => Err(RawError::Truncated { at: end }),
            }
        }
        (Some(b'('), _) => string_end(file, at),
        (Some(b'/'), _) => Ok(skip_while(file, at + 1, is_regular)),
        (Some(b), _) if b.is_ascii_digit() && reference(file, at).is_some() => {
            Ok(reference(file, at).map_or(at, |(_, end)| end))
        }
        (Some(b), _) if is_regular(*b) => Ok(skip_while(file, at, is_regular)),
        (Some(_), _) => Err(RawError::Unexpected { at, expected: "the begin of a value" }),
    }
}

fn sequence_end(file: &[u8], mut at: usize, close: &[u8], depth: u32) -> Result<usize, RawError> {
    loop {
        at = skip_space(file, at);
        if file.get(at..).is_some_and(|rest| rest.starts_with(close)) {
            return Ok(at + close.len());
        }
        at = value_end(file, at, depth + 1)?;
    }
}

/// A name without its slash, `#41` read as `A`.
fn decode_name(raw: &[u8]) -> Cow<'_, [u8]> {
    if !raw.contains(&b'#') {
        return Cow::Borrowed(raw);
    }
    let mut decoded = Vec::with_capacity(raw.len());
    let mut rest = raw;
    while let Some((&first, tail)) = rest.split_first() {
        let pair = tail.get(..2).filter(|_| first == b'#');
        let byte =
            pair.and_then(|p| std::str::from_utf8(p).ok()).and_then(|p| u8::from_str_radix(p, 16).ok());
        decoded.push(byte.unwrap_or(first));
        rest = if byte.is_some() { tail.get(2..).unwrap_or_default() } else { tail };
    }
    Cow::Owned(decoded)
}

impl<'a> Value<'a> {
    /// Reads the value that begins at `at` or after the white space there.
    ///
    /// # Errors
    /// [`RawError`] if no complete value stands there.
    pub fn read(file: &'a [u8], at: usize) -> Result<Self, RawError> {
        let start = skip_space(file, at);
        Ok(Self { file, span: start..value_end(file, start, 0)? })
    }

    /// The bytes of the value, delimiters included.
    pub fn bytes(&self) -> &'a [u8] {
        self.file.get(self.span.clone()).unwrap_or_default()
    }

    /// Where in the file the value stands, delimiters included.
    pub const fn span(&self) -> &Range<usize> {
        &self.span
    }

    /// The reference, if it is one.
    pub fn as_reference(&self) -> Option<Reference> {
        reference(self.file, self.span.start).filter(|(_, end)| *end == self.span.end).map(|(r, _)| r)
    }

    /// The unsigned integer, if it is one.
    pub fn as_number(&self) -> Option<u64> {
        number(self.file, self.span.start).filter(|(_, end)| *end == self.span.end).map(|(n, _)| n)
    }

    /// The name without its slash, if it is one.
    pub fn as_name(&self) -> Option<Cow<'a, [u8]>> {
        self.bytes().strip_prefix(b"/").map(decode_name)
    }

    /// True if it is the name `name`.
    pub fn is_name(&self, name: &str) -> bool {
        self.as_name().is_some_and(|n| *n == *name.as_bytes())
    }

    /// The dictionary, if it is one.
    ///
    /// # Errors
    /// [`RawError`] if it is none or names a key twice.
    pub fn as_dict(&self) -> Result<Dict<'a>, RawError> {
        Dict::read(self.file, self.span.start)
    }

    /// The elements, if it is an array.
    ///
    /// # Errors
    /// [`RawError`] if it is none.
    pub fn as_array(&self) -> Result<Vec<Value<'a>>, RawError> {
        let mut at = self.span.start + 1;
        if !self.bytes().starts_with(b"[") {
            return Err(RawError::Unexpected { at: self.span.start, expected: "an array" });
        }
        let mut elements = Vec::new();
        loop {
            at = skip_space(self.file, at);
            if at + 1 >= self.span.end {
                return Ok(elements);
            }
            let element = Self::read(self.file, at)?;
            at = element.span.end;
            elements.push(element);
        }
    }

    /// The bytes of a literal or hexadecimal string, if it is one (escapes read, no text encoding applied).
    pub fn as_string(&self) -> Option<Vec<u8>> {
        let bytes = self.bytes();
        if bytes.starts_with(b"<<") {
            None
        } else if let Some(inner) = bytes.strip_prefix(b"<").and_then(|b| b.strip_suffix(b">")) {
            let mut digits: Vec<u8> = inner.iter().copied().filter(|b| !is_space(*b)).collect();
            if digits.len() % 2 == 1 {
                digits.push(b'0');
            }
            hex::decode(digits).ok()
        } else {
            bytes.strip_prefix(b"(").and_then(|b| b.strip_suffix(b")")).map(unescape)
        }
    }
}

/// Reads the escapes of a literal string (7.3.4.2).
fn unescape(raw: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(raw.len());
    let mut rest = raw.iter().copied().peekable();
    while let Some(byte) = rest.next() {
        if byte != b'\\' {
            out.push(byte);
            continue;
        }
        match rest.next() {
            Some(b'n') => out.push(b'\n'),
            Some(b'r') => out.push(b'\r'),
            Some(b't') => out.push(b'\t'),
            Some(b'b') => out.push(8),
            Some(b'f') => out.push(12),
            Some(b'\r') => {
                rest.next_if_eq(&b'\n');
            }
            Some(b'\n') | None => {}
            Some(first @ b'0'..=b'7') => {
                let mut code = u32::from(first - b'0');
                for _ in 0..2 {
                    if let Some(digit) = rest.next_if(|d| (b'0'..=b'7').contains(d)) {
                        code = code * 8 + u32::from(digit - b'0');
                    }
                }
                out.push(u8::try_from(code & 0xff).unwrap_or_default());
            }
            Some(other) => out.push(other),
        }
    }
    out
}

impl<'a> Dict<'a> {
    /// Reads the dictionary that begins at `at` or after the white space there.
    ///
    /// # Errors
    /// [`RawError`] if no dictionary stands there, if a key is not a name, or if a key is named twice.
    pub fn read(file: &'a [u8], at: usize) -> Result<Self, RawError> {
        let start = skip_space(file, at);
        if !file.get(start..).is_some_and(|rest| rest.starts_with(b"<<")) {
            return Err(RawError::Unexpected { at: start, expected: "a dictionary" });
        }
        let mut entries: Vec<(Cow<'a, [u8]>, Range<usize>)> = Vec::with_capacity(12);
        let mut at = start + 2;
        loop {
            at = skip_space(file, at);
            if file.get(at..).is_some_and(|rest| rest.starts_with(b">>")) {
                return Ok(Self { file, span: start..at + 2, entries });
            }
            let key = Value::read(file, at)?;
            let name = key.as_name().ok_or(RawError::Unexpected { at, expected: "a name as key" })?;
            if entries.iter().any(|(known, _)| *known == name) {
                let key = String::from_utf8_lossy(&name).into_owned();
                return Err(RawError::DuplicateKey { at: start, key });
            }
            if entries.len() == ENTRIES_MAX {
                return Err(RawError::TooMany { at: start });
            }
            let value = Value::read(file, key.span.end)?;
            at = value.span.end;
            entries.push((name, value.span));
        }
    }

    /// The value of `key`.
    pub fn get(&self, key: &str) -> Option<Value<'a>> {
        let found = self.entries.iter().find(|(name, _)| **name == *key.as_bytes());
        found.map(|(_, span)| Value { file: self.file, span: span.clone() })
    }

    /// All entries in the order of the file.
    pub fn entries(&self) -> impl Iterator<Item = (&[u8], Value<'a>)> {
        self.entries.iter().map(|(name, span)| (&**name, Value { file: self.file, span: span.clone() }))
    }

    /// Where in the file the dictionary stands.
    pub const fn span(&self) -> &Range<usize> {
        &self.span
    }

    /// The dictionary written anew with `changes` in place of (or after) its own entries.
    pub fn with(&self, changes: &[(&str, String)]) -> Vec<u8> {
        let added: usize = changes.iter().map(|(key, value)| key.len() + value.len() + 2).sum();
        let mut out = Vec::with_capacity(self.span.len() + added + 4);
        out.extend_from_slice(b"<<");
        for (name, value) in self.entries() {
            if !changes.iter().any(|(key, _)| *key.as_bytes() == *name) {
                out.push(b'/');
                write_name(&mut out, name);
                out.push(b' ');
                out.extend_from_slice(value.bytes());
            }
        }
        for (key, value) in changes {
            out.push(b'/');
            out.extend_from_slice(key.as_bytes());
            out.push(b' ');
            out.extend_from_slice(value.as_bytes());
        }
        out.extend_from_slice(b">>");
        out
    }
}

fn write_name(out: &mut Vec<u8>, name: &[u8]) {
    for &byte in name {
        if is_regular(byte) && byte != b'#' && byte.is_ascii_graphic() {
            out.push(byte);
        } else {
            out.extend_from_slice(format!("#{byte:02X}").as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dictionary_gives_its_values_with_their_places() {
        let file = b"  <</A 12 0 R/B[1 (x\\)y) <41 4>]/C<</D /E#46>>/F true>> tail";
        let dict = Dict::read(file, 0).unwrap();
        assert_eq!(dict.get("A").unwrap().as_reference(), Some(Reference { number: 12, generation: 0 }));
        let b = dict.get("B").unwrap().as_array().unwrap();
        assert_eq!(b[0].as_number(), Some(1));
        assert_eq!(b[1].as_string().unwrap(), b"x)y");
        assert_eq!(b[2].as_string().unwrap(), b"A@");
        let c = dict.get("C").unwrap().as_dict().unwrap();
        assert!(c.get("D").unwrap().is_name("EF"));
        assert_eq!(&file[dict.span().clone()], &file[2..file.len() - 5]);
        assert!(dict.get("G").is_none());
    }

    #[test]
    fn a_key_named_twice_is_refused_also_when_it_is_disguised() {
        for twice in ["<</Root 1 0 R/Root 2 0 R>>", "<</Root 1 0 R/#52oot 2 0 R>>"] {
            let got = Dict::read(twice.as_bytes(), 0).err();
            assert_eq!(got, Some(RawError::DuplicateKey { at: 0, key: "Root".into() }), "{twice}");
        }
    }

    #[test]
    fn broken_values_are_errors_and_not_panics() {
        let deep = "[".repeat(5000);
        for bad in [
            "", "<<", "<</A", "<</A>>", "<</A 1", "<<1 2>>", "(abc", "(abc\\", "<4g>", "<41", ")", "}", &deep,
        ] {
            assert!(Value::read(bad.as_bytes(), 0).and_then(|v| v.as_dict()).is_err(), "{bad:.20}");
        }
    }

    #[test]
    fn a_changed_dictionary_keeps_the_other_entries() {
        let file = b"<</A 1/B#20C[2]/D 3>>";
        let dict = Dict::read(file, 0).unwrap();
        assert_eq!(dict.with(&[("A", "9".into()), ("E", "(x)".into())]), b"<</B#20C [2]/D 3/A 9/E (x)>>");
    }

    #[test]
    fn escapes_of_literal_strings_are_read() {
        let value = Value::read(b"(a\\101\\n\\\\\\(\\\r\nb\\7)", 0).unwrap();
        assert_eq!(value.as_string().unwrap(), b"aA\n\\(b\x07");
    }
}
