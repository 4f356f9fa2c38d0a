//! The data fields of a register (PStV Anlage 1), read from its JSON schema: what each holds, and in which
//! part of an entry it may stand. Knows no entry.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::Deserialize;

use super::Register;
use super::key::Part;

/// The schema of the birth register, which is also its table of fields.
const G: &str = include_str!("../../schemas/register/G.json");

/// What a field holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(super) enum Holds {
    #[serde(rename = "#/$defs/name")]
    Name,
    #[serde(rename = "#/$defs/text")]
    Text,
    #[serde(rename = "#/$defs/datum")]
    Date,
    #[serde(rename = "#/$defs/uhrzeit")]
    Time,
    #[serde(rename = "#/$defs/geschlecht")]
    Sex,
    #[serde(rename = "#/$defs/bezeichnung")]
    Designation,
    #[serde(rename = "#/$defs/merkmal")]
    Marker,
}

/// Why a field of the law is not taken as a field of the entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum NotTaken {
    /// It is in the address of the entry.
    Anschrift,
    /// It is kept outside the entry (restriction 1), or not needed.
    Ausserhalb,
    /// It is closed for input (restriction 3).
    Geschlossen,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
enum Use {
    Haupteintrag,
    Folgebeurkundung,
    Hinweis,
}

/// A field of the law.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Field {
    /// Its legal name.
    pub(super) title: String,
    #[serde(rename = "$ref")]
    pub(super) holds: Option<Holds>,
    #[serde(rename = "x-verwendung")]
    uses: Vec<Use>,
    #[serde(rename = "x-annahme")]
    pub(super) not_taken: Option<NotTaken>,
}

impl Field {
    /// Whether it may stand in this part of an entry.
    pub(super) fn stands_in(&self, part: Part) -> bool {
        self.uses.contains(&match part {
            Part::Main => Use::Haupteintrag,
            Part::Subsequent(_) => Use::Folgebeurkundung,
            Part::Note(_) => Use::Hinweis,
        })
    }
}

/// The fields of one register by number, and those no main entry is without.
#[derive(Debug, Default)]
pub(super) struct Table {
    pub(super) fields: BTreeMap<String, Field>,
    pub(super) required: Vec<String>,
}

/// The parts of the JSON schema that are read.
#[derive(Deserialize)]
struct Schema {
    properties: Properties,
    #[serde(rename = "$defs")]
    defs: Defs,
}

#[derive(Deserialize)]
struct Properties {
    fields: Required,
}

#[derive(Deserialize)]
struct Required {
    required: Vec<String>,
}

#[derive(Deserialize)]
struct Defs {
    felder: Felder,
}

#[derive(Deserialize)]
struct Felder {
    properties: BTreeMap<String, Field>,
}

static BIRTHS: LazyLock<Table> = LazyLock::new(|| {
    serde_json::from_str::<Schema>(G).map_or_else(
        |_| Table::default(),
        |schema| Table { fields: schema.defs.felder.properties, required: schema.properties.fields.required },
    )
});

/// The fields of a register, if its schema is at hand.
pub(super) fn table(register: Register) -> Option<&'static Table> {
    match register {
        Register::G => Some(&BIRTHS),
        Register::E | Register::L | Register::S => None,
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn every_field_of_the_birth_register_is_there_with_its_legal_name_and_use() {
        assert_eq!(BIRTHS.fields.len(), 126);
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/law/2026/PStV-Anlage1.psv");
        let Ok(source) = std::fs::read_to_string(source) else {
            println!("skipped: ../shared is not there");
            return;
        };
        let mut seen = 0;
        for line in source.lines() {
            let cells: Vec<&str> = line.split('|').map(str::trim).collect();
            let number = cells[0].trim_end_matches('A');
            if number.len() != 4
                || !number.bytes().all(|b| b.is_ascii_digit())
                || !matches!(&number[..1], "0" | "1")
            {
                continue;
            }
            let field = &BIRTHS.fields[cells[0]];
            assert_eq!(field.title, cells[1]);
            for (part, cell) in [Part::Main, Part::Subsequent(1), Part::Note(1)].into_iter().zip(&cells[3..6])
            {
                assert_eq!(field.stands_in(part), *cell == "X", "{} {part}", cells[0]);
            }
            let closed = cells.get(7).is_some_and(|cell| cell.starts_with("3)"));
            assert_eq!(field.not_taken == Some(NotTaken::Geschlossen), closed, "{}", cells[0]);
            seen += 1;
        }
        assert_eq!(seen, BIRTHS.fields.len());
    }

    #[test]
    fn a_field_that_is_taken_says_what_it_holds() {
        for (number, field) in &BIRTHS.fields {
            assert_eq!(field.holds.is_some(), field.not_taken.is_none(), "{number}");
        }
        assert_eq!(BIRTHS.required, ["0001", "1040", "1050"]);
    }
}
