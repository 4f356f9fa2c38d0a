//! A dated copy of an entry as it comes in: main entry, subsequent entries, notes; and the facts it has now.
//! Unknown fields are refused, each value is checked against its field. Knows no database and no clock.

use std::collections::BTreeMap;
use std::fmt;

use jiff::civil::Date;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Serialize};

use super::fields::{self, Field, NotTaken, Table};
use super::key::{EntryKey, Part, Register};
use super::lock::Lock;
use super::value::{NotAValue, Value};
use crate::domain::name::{Latin, NotLatin};

/// The values of one part of an entry by field number. `None` in a subsequent entry: the field holds no more.
pub type Values = BTreeMap<String, Option<Value>>;

/// The body of `PUT /v1/entries/G/…`: the whole entry as the register has it on a day
/// (`schemas/register/G.json`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EntryCopy {
    /// The day whose state it shows.
    pub as_of: Date,
    /// Where it comes from.
    pub source: Latin,
    /// The main entry.
    pub fields: Values,
    /// The subsequent entries, by rising number.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub subsequent: Vec<Continuation>,
    /// The notes, by rising number.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<Continuation>,
    /// The locks, if the copy brings them; else those known so far stay.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub locks: Option<Vec<Lock>>,
}

/// A subsequent entry or a note.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Continuation {
    /// Its number, from 1.
    pub number: u32,
    /// What it changes or adds.
    pub fields: Values,
}

/// The body of `POST …/subsequent`: one more subsequent entry (`schemas/register/subsequent.json`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SubsequentCopy {
    /// The day whose state it shows.
    pub as_of: Date,
    /// Where it comes from.
    pub source: Latin,
    /// Its number, from 1.
    pub number: u32,
    /// What it changes.
    pub fields: Values,
}

/// Why a copy of an entry is refused.
#[derive(Debug, thiserror::Error)]
pub enum EntryError {
    /// Not JSON, not of this shape, unknown or doubled keys.
    #[error("the body is not of the shape of the schema: {0}")]
    Shape(#[from] serde_json::Error),
    /// No schema for this register.
    #[error("entries of register {0} are not taken yet")]
    Register(Register),
    /// The source is not a permitted text.
    #[error("source: {0}")]
    Source(NotLatin),
    /// The law has no such field in this register.
    #[error("field {0:?} is not a data field of this register")]
    UnknownField(String),
    /// The field stands elsewhere.
    #[error("field {number} ({name}) does not stand in part {part}")]
    WrongPart {
        /// Number.
        number: String,
        /// Legal name.
        name: String,
        /// The part.
        part: Part,
    },
    /// The field is not taken.
    #[error("field {number} ({name}): {why}")]
    NotTaken {
        /// Number.
        number: String,
        /// Legal name.
        name: String,
        /// The reason.
        why: &'static str,
    },
    /// The value is not one of the field.
    #[error("field {number} ({name}): {reason}")]
    Value {
        /// Number.
        number: String,
        /// Legal name.
        name: String,
        /// The rule broken.
        #[source]
        reason: NotAValue,
    },
    /// A main entry is never without it.
    #[error("field {number} ({name}) is missing")]
    Missing {
        /// Number.
        number: String,
        /// Legal name.
        name: String,
    },
    /// Parts are not numbered upwards from 1.
    #[error("parts are numbered upwards from 1; {got} follows {after}")]
    Numbering {
        /// The number before.
        after: u32,
        /// The number that does not follow.
        got: u32,
    },
}

impl EntryError {
    /// The number of the field it is about, if it is about one.
    pub fn field(&self) -> Option<&str> {
        match self {
            Self::UnknownField(number)
            | Self::WrongPart { number, .. }
            | Self::NotTaken { number, .. }
            | Self::Value { number, .. }
            | Self::Missing { number, .. } => Some(number),
            _ => None,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct RawCopy {
    as_of: Date,
    source: String,
    fields: RawFields,
    #[serde(default)]
    subsequent: Vec<RawContinuation>,
    #[serde(default)]
    notes: Vec<RawContinuation>,
    locks: Option<Vec<Lock>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct RawContinuation {
    number: u32,
    fields: RawFields,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct RawSubsequent {
    as_of: Date,
    source: String,
    number: u32,
    fields: RawFields,
}

/// Fields as sent; a field said twice is refused.
struct RawFields(BTreeMap<String, serde_json::Value>);

impl<'de> Deserialize<'de> for RawFields {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = RawFields;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of data fields by number")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<RawFields, A::Error> {
                let mut fields = BTreeMap::new();
                while let Some((number, value)) = map.next_entry::<String, serde_json::Value>()? {
                    if fields.contains_key(&number) {
                        return Err(serde::de::Error::custom(format!("field {number:?} is said twice")));
                    }
                    fields.insert(number, value);
                }
                Ok(RawFields(fields))
            }
        }
        deserializer.deserialize_map(Fields)
    }
}

impl EntryCopy {
    /// Reads and checks the body of a `PUT`, or the payload of a stored row.
    pub fn from_json(register: Register, json: &[u8]) -> Result<Self, EntryError> {
        let table = fields::table(register).ok_or(EntryError::Register(register))?;
        let raw: RawCopy = serde_json::from_slice(json)?;
        let main = values(table, raw.fields, Part::Main)?;
        for number in &table.required {
            if !main.contains_key(number) {
                return Err(EntryError::Missing { number: number.clone(), name: name(table, number) });
            }
        }
        Ok(Self {
            as_of: raw.as_of,
            source: Latin::text(&raw.source).map_err(EntryError::Source)?,
            fields: main,
            subsequent: continuations(table, raw.subsequent, Part::Subsequent)?,
            notes: continuations(table, raw.notes, Part::Note)?,
            locks: raw.locks,
        })
    }

    /// The payload to store; `from_json` reads it back.
    pub fn to_json(&self) -> Result<String, EntryError> {
        Ok(serde_json::to_string(self)?)
    }

    /// Adds a subsequent entry that came in later. Its number must be higher than those before.
    pub fn continue_with(&mut self, later: SubsequentCopy) -> Result<(), EntryError> {
        let after = self.subsequent.last().map_or(0, |last| last.number);
        if later.number <= after {
            return Err(EntryError::Numbering { after, got: later.number });
        }
        self.as_of = self.as_of.max(later.as_of);
        self.subsequent.push(Continuation { number: later.number, fields: later.fields });
        Ok(())
    }

    /// The facts as they are now: what a subsequent entry changes replaces what was (§ 56 (2) PStG).
    pub fn facts(&self, key: EntryKey) -> Facts {
        let mut now = BTreeMap::new();
        let parts = [&self.fields].into_iter();
        let later = self.subsequent.iter().chain(&self.notes).map(|part| &part.fields);
        for (number, value) in parts.chain(later).flatten() {
            match value {
                Some(value) => now.insert(number.clone(), value.clone()),
                None => now.remove(number),
            };
        }
        Facts { key, as_of: self.as_of, values: now }
    }
}

impl SubsequentCopy {
    /// Reads and checks the body of a `POST …/subsequent`, or the payload of a stored row.
    pub fn from_json(register: Register, json: &[u8]) -> Result<Self, EntryError> {
        let table = fields::table(register).ok_or(EntryError::Register(register))?;
        let raw: RawSubsequent = serde_json::from_slice(json)?;
        if raw.number == 0 {
            return Err(EntryError::Numbering { after: 0, got: 0 });
        }
        Ok(Self {
            as_of: raw.as_of,
            source: Latin::text(&raw.source).map_err(EntryError::Source)?,
            number: raw.number,
            fields: values(table, raw.fields, Part::Subsequent(raw.number))?,
        })
    }

    /// The payload to store; `from_json` reads it back.
    pub fn to_json(&self) -> Result<String, EntryError> {
        Ok(serde_json::to_string(self)?)
    }
}

fn continuations(
    table: &Table,
    raw: Vec<RawContinuation>,
    part: impl Fn(u32) -> Part,
) -> Result<Vec<Continuation>, EntryError> {
    let mut after = 0;
    raw.into_iter()
        .map(|raw| {
            let number = raw.number;
            if number <= after {
                return Err(EntryError::Numbering { after, got: number });
            }
            after = number;
            Ok(Continuation { number, fields: values(table, raw.fields, part(number))? })
        })
        .collect()
}

fn name(table: &Table, number: &str) -> String {
    table.fields.get(number).map(|field| field.title.clone()).unwrap_or_default()
}

fn values(table: &Table, raw: RawFields, part: Part) -> Result<Values, EntryError> {
    raw.0.into_iter().map(|(number, json)| checked(table, number, &json, part)).collect()
}

fn checked(
    table: &Table,
    number: String,
    json: &serde_json::Value,
    part: Part,
) -> Result<(String, Option<Value>), EntryError> {
    let Some(field) = table.fields.get(&number) else { return Err(EntryError::UnknownField(number)) };
    let name = field.title.clone();
    let Some(holds) = field.holds else {
        return Err(EntryError::NotTaken { number, name, why: why(field) });
    };
    if !field.stands_in(part) {
        return Err(EntryError::WrongPart { number, name, part });
    }
    if json.is_null() && matches!(part, Part::Subsequent(_)) {
        return Ok((number, None));
    }
    match Value::parse(holds, json) {
        Ok(value) => Ok((number, Some(value))),
        Err(reason) => Err(EntryError::Value { number, name, reason }),
    }
}

fn why(field: &Field) -> &'static str {
    match field.not_taken {
        Some(NotTaken::Anschrift) => "it is said by the address of the entry",
        Some(NotTaken::Geschlossen) => {
            "it is closed for input since 1 November 2022 (PStV Anlage 1, restriction 3)"
        }
        Some(NotTaken::Ausserhalb) | None => "it is kept outside the entry (PStV Anlage 1, restriction 1)",
    }
}

/// What an entry says now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// Which entry.
    pub key: EntryKey,
    /// The day whose state is known.
    pub as_of: Date,
    values: BTreeMap<String, Value>,
}

impl Facts {
    /// The present value of a field.
    pub fn get(&self, number: &str) -> Option<&Value> {
        self.values.get(number)
    }

    /// The present value of a field that holds a text.
    pub fn text(&self, number: &str) -> Option<&str> {
        match self.get(number) {
            Some(Value::Text(text)) => Some(text.as_str()),
            _ => None,
        }
    }

    /// The present value of a field that holds a day.
    pub fn date(&self, number: &str) -> Option<crate::domain::date::PartialDate> {
        match self.get(number) {
            Some(Value::Date(date)) => Some(*date),
            _ => None,
        }
    }
}

#[cfg(test)]
#[path = "entry/tests.rs"]
mod tests;
