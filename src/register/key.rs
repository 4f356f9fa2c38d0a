//! The address of an entry: register, office, year, number, and the part of the entry (PStV §§ 15 to 17).
//! Numbers come from the register, with gaps and forms such as `815-1`; none is ever made here.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The four registers, by their letters (PStV § 15 (2)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Register {
    /// Geburtenregister.
    G,
    /// Eheregister.
    E,
    /// Lebenspartnerschaftsregister.
    L,
    /// Sterberegister.
    S,
}

/// The number of an office in the statistical offices' list: 8 digits, or 11 with the suffix of an office
/// that is administered elsewhere (PStV § 16 (4), § 69 (2)).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct OfficeNumber(String);

/// The number of an entry in its year; `815-1` if it was used again after 815 was stillgelegt (PStV § 16 (3)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct EntryNumber {
    number: u32,
    again: u32,
}

/// Which entry: register, office, year of the first Beurkundung and number.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EntryKey {
    /// The register.
    pub register: Register,
    /// The office that keeps the entry.
    pub office: OfficeNumber,
    /// The year of the first Beurkundung, 1874 to 2199.
    #[serde(deserialize_with = "year_within_range")]
    pub year: i16,
    /// The number in that year.
    pub number: EntryNumber,
}

/// A part of an entry. Written `0` (main entry), `1`, `2`, … (subsequent entries), `H1`, `H2`, … (notes).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Part {
    /// Haupteintrag.
    Main,
    /// Folgebeurkundung, counted from 1.
    Subsequent(u32),
    /// Hinweis, counted from 1.
    Note(u32),
}

/// Which part of an address is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotAKey {
    /// No register has this letter.
    #[error("a register is G, E, L or S; got {0:?}")]
    Register(String),
    /// Not the number of an office.
    #[error("an office number has 8 digits, or 11 with the suffix of an administered office; got {0:?}")]
    Office(String),
    /// Not a year of a civil register.
    #[error("a year of a civil register is 1874 to 2199; got {0:?}")]
    Year(String),
    /// Not the number of an entry.
    #[error("an entry number is 1 to 999999 without leading zeros, with -1, -2, … if used again; got {0:?}")]
    Number(String),
    /// Not a part of an entry.
    #[error("a part is 0 (main entry), 1, 2, … (subsequent entries) or H1, H2, … (notes); got {0:?}")]
    Part(String),
    /// The printed form is `G 815/2024`.
    #[error("a register number is written like G 815/2024 or G 815-1/2024; got {0:?}")]
    Printed(String),
}

impl Register {
    /// The letter.
    pub const fn letter(self) -> &'static str {
        match self {
            Self::G => "G",
            Self::E => "E",
            Self::L => "L",
            Self::S => "S",
        }
    }
}

impl EntryKey {
    /// Parses the four parts as they stand in `/v1/entries/{register}/{office}/{year}/{number}`.
    pub fn parse(register: &str, office: &str, year: &str, number: &str) -> Result<Self, NotAKey> {
        Ok(Self {
            register: register.parse()?,
            office: office.parse()?,
            year: parse_year(year)?,
            number: number.parse()?,
        })
    }

    /// `G/09999001/2024/815`: as it stands behind `/v1/entries/` and in the rows of documents.
    pub fn path(&self) -> String {
        format!("{}/{}/{}/{}", self.register, self.office, self.year, self.number)
    }

    /// Parses a printed register number (`G 815/2024`) of a known office.
    pub fn from_printed(office: OfficeNumber, printed: &str) -> Result<Self, NotAKey> {
        let wrong = || NotAKey::Printed(printed.to_owned());
        let (register, rest) = printed.split_once(' ').ok_or_else(wrong)?;
        let (number, year) = rest.split_once('/').ok_or_else(wrong)?;
        Ok(Self { register: register.parse()?, office, year: parse_year(year)?, number: number.parse()? })
    }

    /// The register number as a certificate prints it: `G 815/2024` (PStV § 16 (2)).
    pub fn printed(&self) -> String {
        format!("{} {}/{}", self.register, self.number, self.year)
    }
}

fn parse_year(text: &str) -> Result<i16, NotAKey> {
    digits(text, 4..=4)
        .and_then(|digits| digits.parse().ok())
        .filter(|year| (1874..2200).contains(year))
        .ok_or_else(|| NotAKey::Year(text.to_owned()))
}

fn year_within_range<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<i16, D::Error> {
    let year = i16::deserialize(deserializer)?;
    parse_year(&year.to_string()).map_err(serde::de::Error::custom)
}

/// `text` if it is as many ASCII digits as `length` allows.
fn digits(text: &str, length: std::ops::RangeInclusive<usize>) -> Option<&str> {
    (length.contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit())).then_some(text)
}

/// A count from 1 without leading zeros.
fn count(text: &str, most: usize) -> Option<u32> {
    digits(text, 1..=most).filter(|text| !text.starts_with('0'))?.parse().ok()
}

impl fmt::Display for Register {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.letter())
    }
}

impl FromStr for Register {
    type Err = NotAKey;

    fn from_str(text: &str) -> Result<Self, NotAKey> {
        [Self::G, Self::E, Self::L, Self::S]
            .into_iter()
            .find(|register| register.letter() == text)
            .ok_or_else(|| NotAKey::Register(text.to_owned()))
    }
}

impl OfficeNumber {
    /// The digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for OfficeNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for OfficeNumber {
    type Err = NotAKey;

    fn from_str(text: &str) -> Result<Self, NotAKey> {
        digits(text, 8..=8)
            .or_else(|| digits(text, 11..=11))
            .map(|digits| Self(digits.to_owned()))
            .ok_or_else(|| NotAKey::Office(text.to_owned()))
    }
}

impl fmt::Display for EntryNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.again {
            0 => write!(f, "{}", self.number),
            again => write!(f, "{}-{again}", self.number),
        }
    }
}

impl FromStr for EntryNumber {
    type Err = NotAKey;

    fn from_str(text: &str) -> Result<Self, NotAKey> {
        match text.split_once('-') {
            None => count(text, 6).map(|number| Self { number, again: 0 }),
            Some((number, again)) => {
                count(number, 6).zip(count(again, 3)).map(|(number, again)| Self { number, again })
            }
        }
        .ok_or_else(|| NotAKey::Number(text.to_owned()))
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Main => f.write_str("0"),
            Self::Subsequent(number) => write!(f, "{number}"),
            Self::Note(number) => write!(f, "H{number}"),
        }
    }
}

impl FromStr for Part {
    type Err = NotAKey;

    fn from_str(text: &str) -> Result<Self, NotAKey> {
        match text.strip_prefix('H') {
            Some(number) => count(number, 6).map(Self::Note),
            None if text == "0" => Some(Self::Main),
            None => count(text, 6).map(Self::Subsequent),
        }
        .ok_or_else(|| NotAKey::Part(text.to_owned()))
    }
}

impl fmt::Display for EntryKey {
    /// `09999001 G 815/2024`: office number and register number.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.office, self.printed())
    }
}

macro_rules! text_in_json {
    ($($name:ident),*) => {$(
        impl TryFrom<String> for $name {
            type Error = NotAKey;

            fn try_from(text: String) -> Result<Self, NotAKey> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> Self {
                value.to_string()
            }
        }
    )*};
}
text_in_json!(OfficeNumber, EntryNumber, Part);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_reads_back_from_its_path_and_from_its_printed_number() {
        for (number, printed) in [("815", "G 815/2024"), ("815-1", "G 815-1/2024"), ("1", "G 1/2024")] {
            let key = EntryKey::parse("G", "09999001", "2024", number).unwrap();
            assert_eq!(key.printed(), printed);
            assert_eq!(EntryKey::from_printed(key.office.clone(), printed), Ok(key.clone()));
            let json = serde_json::to_string(&key).unwrap();
            assert_eq!(serde_json::from_str::<EntryKey>(&json).unwrap(), key, "{json}");
        }
        assert!(EntryKey::parse("S", "06412001007", "1874", "999999-12").is_ok());
    }

    #[test]
    fn a_number_that_is_none_is_refused_and_the_wrong_part_named() {
        let parse = |parts: [&str; 4]| EntryKey::parse(parts[0], parts[1], parts[2], parts[3]).unwrap_err();
        for bad in [
            "", "0", "015", "815-", "815-0", "-1", "815-01", "815-1-1", "815a", "1000000", "٨", "8 15",
            "815/1",
        ] {
            assert_eq!(parse(["G", "09999001", "2024", bad]), NotAKey::Number(bad.into()));
        }
        for bad in ["", "9999001", "099990011", "0999900112", "0999900A", "../etc/p"] {
            assert_eq!(parse(["G", bad, "2024", "1"]), NotAKey::Office(bad.into()));
        }
        for bad in ["", "24", "1873", "2200", "02024", "20 4"] {
            assert_eq!(parse(["G", "09999001", bad, "1"]), NotAKey::Year(bad.into()));
        }
        for bad in ["", "g", "X", "GG"] {
            assert_eq!(parse([bad, "09999001", "2024", "1"]), NotAKey::Register(bad.into()));
        }
        assert!(
            serde_json::from_str::<EntryKey>(
                r#"{"register":"G","office":"09999001","year":1500,"number":"1"}"#
            )
            .is_err()
        );
    }

    #[test]
    fn a_part_is_the_main_entry_a_subsequent_entry_or_a_note() {
        for (text, part) in [("0", Part::Main), ("3", Part::Subsequent(3)), ("H2", Part::Note(2))] {
            assert_eq!(text.parse(), Ok(part));
            assert_eq!(part.to_string(), text);
        }
        for bad in ["", "00", "-1", "H", "H0", "h1", "1a"] {
            assert_eq!(bad.parse::<Part>(), Err(NotAKey::Part(bad.into())));
        }
    }
}
