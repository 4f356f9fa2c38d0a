//! The forms of certificates as data (`schemas/forms/`): title, sections, rows, labels, rules of the page,
//! with their source and the day they hold from. A stored row names its form, so that it is set the same for ever.

use std::sync::LazyLock;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::domain::certificate::Kind;
use crate::register::Register;

/// What a person may demand to be left out or replaced on a birth certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Omission {
    /// The sex of the child (§ 59 (2) PStG).
    #[serde(rename = "sex")]
    Sex,
    /// The parents (§ 59 (2) PStG).
    #[serde(rename = "parents")]
    Parents,
    /// "Elternteil" in place of "Mutter" or "Vater" for the first parent, if that person demands it
    /// (PStV § 48 (1a)).
    #[serde(rename = "designation-1")]
    Designation1,
    /// The same for the second parent.
    #[serde(rename = "designation-2")]
    Designation2,
}

/// The weight of a rule above a section.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rule {
    /// No rule.
    #[default]
    None,
    /// A thin rule.
    Thin,
    /// A heavy rule.
    Heavy,
}

/// A form.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Form {
    /// Name and edition: `anlage-8@2022-11-01`.
    pub id: String,
    /// The kind of certificate it is for.
    pub kind: Kind,
    /// The register it is issued from.
    pub register: Register,
    /// The printed title.
    pub title: String,
    /// The language of its labels.
    pub language: String,
    /// Where the law says so.
    pub law: Vec<String>,
    /// The day it holds from.
    pub valid_from: Date,
    /// Whether layout and labels were compared with the official picture.
    pub official: bool,
    /// Where layout and labels come from.
    pub source: String,
    /// What is printed about medium and layout.
    pub remarks: Vec<String>,
    /// The blocks of rows.
    pub sections: Vec<FormSection>,
    /// "Weitere Angaben aus dem Register".
    pub notes: FormNotes,
    /// The foot.
    pub foot: FormFoot,
}

/// A block of rows.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct FormSection {
    /// Its name.
    pub id: String,
    /// The rule above it.
    #[serde(default)]
    pub rule_above: Rule,
    /// What makes the whole block vanish.
    pub left_out_by: Option<Omission>,
    /// The line above its rows.
    pub heading: Option<FormHeading>,
    /// Its rows.
    pub rows: Vec<FormRow>,
}

/// The line above a block: a fixed text, or that of a field.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct FormHeading {
    /// The number in the column of labels.
    pub number: Option<String>,
    /// A fixed text.
    pub text: Option<String>,
    /// The field that holds the text.
    pub field: Option<String>,
    /// What replaces the text of the field.
    pub replaced_by: Option<Omission>,
    /// The replacing text.
    pub replacement: Option<String>,
}

/// A row: the label, and the fields that stand beside it, joined by commas. Without any of them, no row.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct FormRow {
    /// The label.
    pub label: String,
    /// Field numbers of PStV Anlage 1.
    #[serde(default)]
    pub fields: Vec<String>,
    /// A value that is no field of the entry.
    pub value: Option<FormValue>,
    /// What makes the row vanish.
    pub left_out_by: Option<Omission>,
}

/// Values that are no fields of the entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum FormValue {
    /// `G 815/2024`.
    RegisterNumber,
}

/// The part below the sections, shown only if one of its fields is there.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct FormNotes {
    /// Its heading.
    pub heading: String,
    /// The rule above it.
    #[serde(default)]
    pub rule_above: Rule,
    /// Which fields are said here.
    pub fields: Vec<FormNote>,
}

/// A field that is said under "Weitere Angaben".
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct FormNote {
    /// What is said before the value.
    pub label: String,
    /// The field.
    pub field: String,
}

/// The labels of the foot.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct FormFoot {
    /// The rule above it.
    #[serde(default)]
    pub rule_above: Rule,
    /// Label of place and day of issue.
    pub place_and_day: String,
    /// Label of the registrar.
    pub registrar: String,
    /// The caption under the line for the signature; none on an electronic certificate.
    pub registrar_caption: Option<String>,
    /// The word at the place of the Dienstsiegel; none on an electronic certificate.
    pub seal: Option<String>,
}

static FORMS: LazyLock<Vec<Form>> = LazyLock::new(|| {
    [include_str!("../../schemas/forms/anlage-8.json"), include_str!("../../schemas/forms/anlage-8e.json")]
        .into_iter()
        .filter_map(|json| serde_json::from_str(json).ok())
        .collect()
});

/// No form has this name and edition.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no form {0:?} under schemas/forms")]
pub struct UnknownForm(pub String);

impl Form {
    /// The form with this name and edition.
    pub fn by_id(id: &str) -> Result<&'static Self, UnknownForm> {
        FORMS.iter().find(|form| form.id == id).ok_or_else(|| UnknownForm(id.to_owned()))
    }

    /// The newest form of a kind that holds on `day`.
    pub fn for_kind(kind: Kind, day: Date) -> Result<&'static Self, UnknownForm> {
        FORMS
            .iter()
            .filter(|form| form.kind == kind && form.valid_from <= day)
            .max_by_key(|form| form.valid_from)
            .ok_or_else(|| UnknownForm(format!("{kind} on {day}")))
    }

    /// A section by its name.
    pub fn section(&self, id: &str) -> Option<&FormSection> {
        self.sections.iter().find(|section| section.id == id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_file_is_read_and_every_kind_has_one() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas/forms");
        let files = std::fs::read_dir(folder).unwrap().count();
        assert_eq!(FORMS.len(), files, "a form that does not parse, or is not listed in the code");
        for kind in Kind::ALL {
            let form = Form::for_kind(kind, "2026-11-24".parse().unwrap()).unwrap();
            assert_eq!(Form::by_id(&form.id).unwrap().kind, kind);
            assert!(
                !form.official
                    && form.remarks.iter().any(|remark| remark.contains("kein amtliches Formular"))
            );
        }
    }

    #[test]
    fn before_its_day_a_form_is_refused() {
        let day = "2022-10-31".parse().unwrap();
        assert!(Form::for_kind(Kind::Geburtsurkunde, day).is_err());
        assert_eq!(Form::by_id("anlage-99").err(), Some(UnknownForm("anlage-99".into())));
    }
}
