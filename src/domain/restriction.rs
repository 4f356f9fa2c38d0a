//! What restricts who may see a document: levels of PStV § 14, set for it alone, as one canonical text.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

/// A level of PStV § 14. A document that has one is for the Urkundsperson only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Who may close, continue, lock.
    A,
    /// Who may enter notes.
    B,
    /// Who may see.
    C,
    /// Who may see search lists.
    D,
    /// What is there for technical reasons alone: retrieval, identification numbers.
    T,
}

/// The text is no level.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a level of PStV § 14 is A, B, C, D or T")]
pub struct NotALevel;

impl FromStr for Level {
    type Err = NotALevel;

    fn from_str(text: &str) -> Result<Self, NotALevel> {
        match text {
            "A" => Ok(Self::A),
            "B" => Ok(Self::B),
            "C" => Ok(Self::C),
            "D" => Ok(Self::D),
            "T" => Ok(Self::T),
            _ => Err(NotALevel),
        }
    }
}

/// The levels of a document; none: everybody in the authority may see it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Restriction(BTreeSet<Level>);

impl Restriction {
    /// Takes levels in any order.
    ///
    /// # Errors
    /// If one is none.
    pub fn parse<'t>(levels: impl IntoIterator<Item = &'t str>) -> Result<Self, NotALevel> {
        levels.into_iter().map(str::parse).collect::<Result<_, _>>().map(Self)
    }

    /// Whether it restricts nothing.
    pub fn is_open(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Restriction {
    /// `A T`; nothing if there is no level.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, level) in self.0.iter().enumerate() {
            write!(f, "{}{level:?}", if at == 0 { "" } else { " " })?;
        }
        Ok(())
    }
}

impl serde::Serialize for Restriction {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_have_one_text_whatever_their_order() {
        assert_eq!(Restriction::parse(["T", "A", "T"]).unwrap().to_string(), "A T");
        assert_eq!(Restriction::parse([]).unwrap(), Restriction::default());
        assert!(Restriction::default().is_open() && Restriction::default().to_string().is_empty());
        for bad in ["a", "E", "", " A", "AT"] {
            assert_eq!(Restriction::parse([bad]), Err(NotALevel), "{bad:?}");
        }
    }
}
