//! The values of data fields: parsed once at the edge, written back as entered, printed in German.

use serde::Serialize;

use super::fields::Holds;
use crate::domain::date::{NotADate, NotATime, PartialDate, TimeOfDay};
use crate::domain::name::{Latin, NotLatin};

/// The longest name or text, in code points.
pub const LONGEST_TEXT: usize = 500;

/// The value of a data field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// The name of a person, or another text.
    Text(Latin),
    /// A day, or what is known of it.
    Date(PartialDate),
    /// A time of day.
    Time(TimeOfDay),
    /// The sex in the register.
    Sex(Sex),
    /// What a parent is called.
    Designation(Designation),
    /// Something is so (for instance: an identity is not proven).
    Marker,
}

/// What an entry can say of the sex (§ 22 (3) PStG); it may also say nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sex {
    /// männlich
    Maennlich,
    /// weiblich
    Weiblich,
    /// divers
    Divers,
}

/// What an entry can call a parent (PStV § 42 (2), (3)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Designation {
    /// Mutter
    Mutter,
    /// Vater
    Vater,
    /// Elternteil
    Elternteil,
}

/// Why a value is not one of its field.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotAValue {
    /// Not what DIN 91379 permits.
    #[error(transparent)]
    Latin(#[from] NotLatin),
    /// Too long.
    #[error("at most {LONGEST_TEXT} characters; got {got}")]
    TooLong {
        /// How many there are.
        got: usize,
    },
    /// Not a day.
    #[error(transparent)]
    Date(#[from] NotADate),
    /// Not a time.
    #[error(transparent)]
    Time(#[from] NotATime),
    /// Not one of the words of the law.
    #[error("one of {expected}; got {got:?}")]
    Word {
        /// The words.
        expected: &'static str,
        /// The text.
        got: String,
    },
    /// Not of the JSON type of the field.
    #[error("expected {expected}")]
    Type {
        /// What was expected.
        expected: &'static str,
    },
}

impl Value {
    pub(super) fn parse(holds: Holds, json: &serde_json::Value) -> Result<Self, NotAValue> {
        if holds == Holds::Marker {
            let set = json == &serde_json::Value::Bool(true);
            return if set { Ok(Self::Marker) } else { Err(NotAValue::Type { expected: "true" }) };
        }
        let text = json.as_str().ok_or(NotAValue::Type { expected: "a string" })?;
        let got = text.chars().count();
        if got > LONGEST_TEXT {
            return Err(NotAValue::TooLong { got });
        }
        Ok(match holds {
            Holds::Name => Self::Text(Latin::person_name(text)?),
            Holds::Text => Self::Text(Latin::text(text)?),
            Holds::Date => Self::Date(text.parse()?),
            Holds::Time => Self::Time(text.parse()?),
            Holds::Sex => Self::Sex(word(text, "männlich, weiblich, divers", Sex::ALL, Sex::as_str)?),
            Holds::Designation => Self::Designation(word(
                text,
                "Mutter, Vater, Elternteil",
                Designation::ALL,
                Designation::as_str,
            )?),
            Holds::Marker => Self::Marker,
        })
    }

    /// As it was entered: the text of the JSON value.
    pub fn as_entered(&self) -> String {
        match self {
            Self::Text(text) => text.to_string(),
            Self::Date(date) => date.to_string(),
            Self::Time(time) => time.to_string(),
            Self::Sex(sex) => sex.as_str().to_owned(),
            Self::Designation(designation) => designation.as_str().to_owned(),
            Self::Marker => "true".to_owned(),
        }
    }

    /// As a certificate prints it: names and texts unchanged, days and times in German.
    pub fn printed(&self) -> String {
        match self {
            Self::Date(date) => date.in_german(),
            Self::Time(time) => time.in_german(),
            other => other.as_entered(),
        }
    }
}

impl Serialize for Value {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Marker => serializer.serialize_bool(true),
            other => serializer.serialize_str(&other.as_entered()),
        }
    }
}

fn word<T: Copy, const N: usize>(
    text: &str,
    expected: &'static str,
    all: [T; N],
    name: impl Fn(T) -> &'static str,
) -> Result<T, NotAValue> {
    all.into_iter()
        .find(|value| name(*value) == text)
        .ok_or_else(|| NotAValue::Word { expected, got: text.to_owned() })
}

impl Sex {
    const ALL: [Self; 3] = [Self::Maennlich, Self::Weiblich, Self::Divers];

    /// The word of the law.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Maennlich => "männlich",
            Self::Weiblich => "weiblich",
            Self::Divers => "divers",
        }
    }
}

impl Designation {
    const ALL: [Self; 3] = [Self::Mutter, Self::Vater, Self::Elternteil];

    /// The word of the law.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Mutter => "Mutter",
            Self::Vater => "Vater",
            Self::Elternteil => "Elternteil",
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_kind_of_value_reads_back_and_prints() {
        let cases = [
            (Holds::Name, json!("J\u{30c}evdet"), "J\u{30c}evdet"),
            (Holds::Text, json!("Halle (Saale)"), "Halle (Saale)"),
            (Holds::Date, json!("2024-02-29"), "29. Februar 2024"),
            (Holds::Time, json!("00:05"), "00:05 Uhr"),
            (Holds::Sex, json!("divers"), "divers"),
            (Holds::Designation, json!("Elternteil"), "Elternteil"),
            (Holds::Marker, json!(true), "true"),
        ];
        for (holds, entered, printed) in cases {
            let value = Value::parse(holds, &entered).unwrap();
            assert_eq!(serde_json::to_value(&value).unwrap(), entered);
            assert_eq!(value.printed(), printed);
        }
    }

    #[test]
    fn a_value_of_the_wrong_kind_is_refused() {
        let cases = [
            (Holds::Name, json!("Anna 2")),
            (Holds::Name, json!(5)),
            (Holds::Name, json!("")),
            (Holds::Text, json!("a".repeat(LONGEST_TEXT + 1))),
            (Holds::Date, json!("29.02.2024")),
            (Holds::Time, json!("8:15")),
            (Holds::Sex, json!("m")),
            (Holds::Sex, json!("Männlich")),
            (Holds::Designation, json!("Eltern")),
            (Holds::Marker, json!(false)),
            (Holds::Marker, json!("true")),
        ];
        for (holds, entered) in cases {
            assert!(Value::parse(holds, &entered).is_err(), "{holds:?} {entered}");
        }
        assert!(Value::parse(Holds::Text, &json!("a".repeat(LONGEST_TEXT))).is_ok());
    }
}
