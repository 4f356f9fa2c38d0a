//! What certificates are called, the medium they come on, and the number printed on each.
//! Knows nothing of how they are drawn, sealed or stored.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::digest::Sha256;
use super::random::{self, Random};

/// The kinds of certificate that can be issued.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Geburtsurkunde, on paper (§ 59 PStG; PStV Anlage 8).
    Geburtsurkunde,
    /// Geburtsbescheinigung, electronic (§ 55 (1) sentence 2 PStG; PStV Anlage 8 E).
    Geburtsbescheinigung,
}

/// What the certificate is handed over on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Medium {
    /// The signed and sealed sheet is the Urkunde; the file is the printer's copy.
    Paper,
    /// The signed file is the Bescheinigung; a print of it is none.
    Electronic,
}

impl Kind {
    /// Every kind, in the order of the documentation.
    pub const ALL: [Self; 2] = [Self::Geburtsurkunde, Self::Geburtsbescheinigung];

    /// The only medium the law provides for this kind.
    pub const fn medium(self) -> Medium {
        match self {
            Self::Geburtsurkunde => Medium::Paper,
            Self::Geburtsbescheinigung => Medium::Electronic,
        }
    }

    /// The name in the API and in stored rows.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Geburtsurkunde => "geburtsurkunde",
            Self::Geburtsbescheinigung => "geburtsbescheinigung",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Kind {
    type Err = UnknownKind;

    fn from_str(text: &str) -> Result<Self, UnknownKind> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or_else(|| UnknownKind(text.to_owned()))
    }
}

/// No kind of certificate has this name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no kind of certificate is called {0:?}; known are geburtsurkunde and geburtsbescheinigung")]
pub struct UnknownKind(pub String);

/// The number printed on a certificate: 128 random bits. It says nothing about who, what or where.
///
/// Written in Crockford's base 32 as seven groups of four; the last twelve bits are the beginning of the
/// SHA-256 of the sixteen bytes, so that a slip of the pen is told apart from an unknown number.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct VerificationNumber([u8; 16]);

/// The text is no verification number, or one with a slip of the pen.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotANumber {
    /// Not 28 characters of the alphabet (spaces and hyphens do not count).
    #[error("a verification number has 28 letters and digits in groups of four")]
    Shape,
    /// The check bits do not fit: at least one character is wrong.
    #[error("the verification number has a typing error")]
    Check,
}

const CROCKFORD: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const CHARACTERS: usize = 28;

impl VerificationNumber {
    /// Draws a new number.
    pub fn draw(random: &dyn Random) -> Self {
        Self(random::bytes(random))
    }

    /// Takes the sixteen bytes of a stored number.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The sixteen bytes.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// The 28 characters without hyphens, as in the address of the citizen's page.
    pub fn compact(&self) -> String {
        let [check_a, check_b, ..] = *Sha256::of(&self.0).as_bytes();
        let mut text = String::with_capacity(CHARACTERS);
        let (mut bits, mut held) = (0_u32, 0_u32);
        for byte in self.0.into_iter().chain([check_a, check_b]) {
            bits = (bits << 8) | u32::from(byte);
            held += 8;
            while held >= 5 && text.len() < CHARACTERS {
                held -= 5;
                let index = usize::try_from((bits >> held) & 31).unwrap_or_default();
                text.push(CROCKFORD.get(index).map_or('0', |c| char::from(*c)));
            }
        }
        text
    }
}

impl fmt::Display for VerificationNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, c) in self.compact().chars().enumerate() {
            if i > 0 && i % 4 == 0 {
                f.write_str("-")?;
            }
            write!(f, "{c}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for VerificationNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerificationNumber({self})")
    }
}

impl FromStr for VerificationNumber {
    type Err = NotANumber;

    /// Takes the number as people copy it: any case, O for 0, I and L for 1, spaces or hyphens anywhere.
    fn from_str(text: &str) -> Result<Self, NotANumber> {
        let mut bytes = Vec::with_capacity(18);
        let (mut bits, mut held, mut read) = (0_u32, 0_u32, 0);
        for c in text.chars().filter(|c| !matches!(c, ' ' | '-' | '\u{2011}' | '\u{2013}')) {
            let plain = match c.to_ascii_uppercase() {
                'O' => '0',
                'I' | 'L' => '1',
                other => other,
            };
            let value =
                CROCKFORD.iter().position(|known| char::from(*known) == plain).ok_or(NotANumber::Shape)?;
            bits = (bits << 5) | u32::try_from(value).map_err(|_| NotANumber::Shape)?;
            held += 5;
            read += 1;
            if held >= 8 {
                held -= 8;
                bytes.push(u8::try_from((bits >> held) & 0xff).map_err(|_| NotANumber::Shape)?);
                bits &= (1 << held) - 1;
            }
        }
        let number = bytes.get(..16).and_then(|b| b.try_into().ok()).map(Self).ok_or(NotANumber::Shape)?;
        if read != CHARACTERS {
            return Err(NotANumber::Shape);
        }
        let typed: String = text.chars().filter(|c| c.is_ascii_alphanumeric()).collect();
        let typed = typed.to_ascii_uppercase().replace('O', "0").replace(['I', 'L'], "1");
        if number.compact() == typed { Ok(number) } else { Err(NotANumber::Check) }
    }
}

impl TryFrom<String> for VerificationNumber {
    type Error = NotANumber;

    fn try_from(text: String) -> Result<Self, NotANumber> {
        text.parse()
    }
}

impl From<VerificationNumber> for String {
    fn from(number: VerificationNumber) -> Self {
        number.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::super::random::SeededRandom;
    use super::*;

    #[test]
    fn a_number_reads_back_as_printed_and_as_people_copy_it() {
        let random = SeededRandom::new(3);
        for _ in 0..200 {
            let number = VerificationNumber::draw(&random);
            let printed = number.to_string();
            assert_eq!(printed.len(), 34);
            assert_eq!(printed.parse(), Ok(number));
            let sloppy = printed.replace('-', " ").replace('0', "o").replace('1', "l").to_lowercase();
            assert_eq!(sloppy.parse(), Ok(number), "{sloppy}");
            assert_eq!(number.compact().parse(), Ok(number));
        }
    }

    #[test]
    fn nearly_every_slip_of_one_character_is_noticed_as_one() {
        let number = VerificationNumber::draw(&SeededRandom::new(9));
        let printed = number.compact();
        let mut unnoticed = 0;
        for at in 0..printed.len() {
            for c in CROCKFORD.iter().map(|c| char::from(*c)).filter(|c| !printed[at..].starts_with(*c)) {
                let slipped = format!("{}{c}{}", &printed[..at], &printed[at + 1..]);
                match slipped.parse::<VerificationNumber>() {
                    Err(NotANumber::Check) => {}
                    other => {
                        assert_ne!(other, Ok(number), "two texts for one number: {slipped}");
                        unnoticed += 1;
                    }
                }
            }
        }
        assert!(unnoticed <= 4, "{unnoticed} of {}", printed.len() * 31);
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for bad in [
            "",
            "ABCD",
            "ABCD-ABCD-ABCD-ABCD-ABCD-ABCD-ABCDX",
            "UUUU-UUUU-UUUU-UUUU-UUUU-UUUU-UUUU",
            "../../etc",
        ] {
            assert_eq!(bad.parse::<VerificationNumber>(), Err(NotANumber::Shape), "{bad}");
        }
    }

    #[test]
    fn a_kind_reads_back_its_name() {
        for kind in Kind::ALL {
            assert_eq!(kind.as_str().parse(), Ok(kind));
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
        }
        assert!("Geburtsurkunde ".parse::<Kind>().is_err());
    }
}
