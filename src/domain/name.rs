//! Text as DIN 91379 permits it: NFC, then only characters and sequences of the norm's list.
//! Knows nothing of fields or languages, and changes nothing beyond NFC: names are never split, joined,
//! reordered or folded.

use std::collections::HashMap;
use std::fmt;
use std::sync::LazyLock;

use serde::Serialize;
use unicode_normalization::UnicodeNormalization as _;

/// The list of the norm, as checked in under `schemas/`.
const LIST: &str = include_str!("../../schemas/din-91379.txt");

/// The longest sequence of the list has three code points.
const LONGEST_SEQUENCE: usize = 3;

/// The groups of DIN 91379 a text may draw from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Group {
    /// `bll` and `bnlreq`: letters and what names of persons need beside them (data type A).
    PersonName,
    /// `bnl`: digits, brackets and other signs of other names (data type B).
    OtherName,
    /// What neither may hold: layout characters, bare combining marks, Greek, Cyrillic.
    Elsewhere,
}

static TABLE: LazyLock<HashMap<String, Group>> = LazyLock::new(|| entries().collect());

fn entries() -> impl Iterator<Item = (String, Group)> {
    LIST.lines().filter_map(|line| line.split_once(';')).map(|(group, codes)| {
        let text = codes
            .split(' ')
            .filter_map(|code| u32::from_str_radix(code, 16).ok().and_then(char::from_u32))
            .collect();
        let group = match group {
            "bll" | "bnlreq" => Group::PersonName,
            "bnl" => Group::OtherName,
            _ => Group::Elsewhere,
        };
        (text, group)
    })
}

/// What a text names, and so which characters it may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Alphabet {
    /// Names of natural persons: letters and the non-letters N1 of the norm (data type A). No digits.
    PersonName,
    /// Places, authorities, other texts of an entry: data type A and the non-letters N2 (data type B).
    Text,
}

impl Alphabet {
    const fn permits(self, group: Group) -> bool {
        match self {
            Self::PersonName => matches!(group, Group::PersonName),
            Self::Text => matches!(group, Group::PersonName | Group::OtherName),
        }
    }
}

impl fmt::Display for Alphabet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::PersonName => "the name of a person (DIN 91379 data type A)",
            Self::Text => "a text of an entry (DIN 91379 data type B)",
        })
    }
}

/// A text that DIN 91379 permits, in NFC. Never empty, no space at either end.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct Latin(String);

/// Why a text is not one that DIN 91379 permits. Positions count code points of the NFC form from 1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotLatin {
    /// Nothing is there.
    #[error("the text is empty; leave the field out instead")]
    Empty,
    /// A space (or another blank) at the start or the end.
    #[error("the text starts or ends with a space")]
    SpaceAtEdge,
    /// A character or sequence outside the list, or outside the groups permitted here.
    #[error("{} at position {position} is not permitted in {alphabet}", CodePoints(.found))]
    Character {
        /// The code points of the offending character with the combining marks that follow it.
        found: String,
        /// Where it begins, counted in code points from 1.
        position: usize,
        /// What the text was to be.
        alphabet: Alphabet,
    },
}

/// Writes code points as `U+004A U+030C`.
pub struct CodePoints<'a>(pub &'a str);

impl fmt::Display for CodePoints<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, c) in self.0.chars().enumerate() {
            write!(f, "{}U+{:04X}", if i == 0 { "" } else { " " }, u32::from(c))?;
        }
        Ok(())
    }
}

impl Latin {
    /// Parses the name of a natural person (DIN 91379 data type A).
    pub fn person_name(text: &str) -> Result<Self, NotLatin> {
        Self::parse(text, Alphabet::PersonName)
    }

    /// Parses a place, an authority or another text of an entry (DIN 91379 data type B).
    pub fn text(text: &str) -> Result<Self, NotLatin> {
        Self::parse(text, Alphabet::Text)
    }

    /// Normalises `text` to NFC and checks each character and sequence against `alphabet`.
    pub fn parse(text: &str, alphabet: Alphabet) -> Result<Self, NotLatin> {
        let text: String = text.nfc().collect();
        if text.is_empty() {
            return Err(NotLatin::Empty);
        }
        if text.starts_with(char::is_whitespace) || text.ends_with(char::is_whitespace) {
            return Err(NotLatin::SpaceAtEdge);
        }
        let (mut rest, mut position) = (text.as_str(), 1);
        while !rest.is_empty() {
            let Some(length) = permitted_prefix(rest, alphabet) else {
                return Err(NotLatin::Character { found: cluster(rest), position, alphabet });
            };
            let (taken, remaining) = rest.split_at(length);
            position += taken.chars().count();
            rest = remaining;
        }
        Ok(Self(text))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Latin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<Latin> for String {
    fn from(latin: Latin) -> Self {
        latin.0
    }
}

/// The length in bytes of the longest listed and permitted sequence or character at the start of `text`.
fn permitted_prefix(text: &str, alphabet: Alphabet) -> Option<usize> {
    let ends = || text.char_indices().map(|(at, c)| at + c.len_utf8()).take(LONGEST_SEQUENCE);
    let shortest = ends().next()?;
    // Most characters stand alone: only what a mark follows can begin a sequence.
    if text.get(shortest..).and_then(|after| after.chars().next()).is_some_and(is_mark) {
        let longer = ends().skip(1).filter(|end| listed(text.get(..*end), alphabet)).last();
        return longer.filter(|end| !text.get(*end..).and_then(|s| s.chars().next()).is_some_and(is_mark));
    }
    listed(text.get(..shortest), alphabet).then_some(shortest)
}

fn listed(text: Option<&str>, alphabet: Alphabet) -> bool {
    text.and_then(|text| TABLE.get(text)).is_some_and(|group| alphabet.permits(*group))
}

fn is_mark(c: char) -> bool {
    unicode_normalization::char::is_combining_mark(c)
}

/// The first character with the marks that follow it.
fn cluster(text: &str) -> String {
    text.chars().enumerate().take_while(|(i, c)| *i == 0 || is_mark(*c)).map(|(_, c)| c).collect()
}

#[cfg(test)]
#[path = "name/tests.rs"]
mod tests;
