//! Filling a form: the present facts of an entry, less what is left out on demand, become the request row.
//! Pure; what is left out is not in the row, so it cannot be in the file. Asks no rule: that is the order check.

use std::collections::BTreeMap;

use jiff::civil::Date;

use super::form::{Form, FormHeading, FormRow, FormSection, FormValue, Omission, UnknownForm};
use super::request::{CertificateRequest, FORMAT, Heading, Issue, Office, Row, Section};
use crate::domain::certificate::{Kind, VerificationNumber};
use crate::domain::name::{Latin, NotLatin};
use crate::register::{Facts, Register};

/// What is not in the entry: the act of issuing.
#[derive(Debug, Clone)]
pub struct Issuing<'a> {
    /// What is issued.
    pub kind: Kind,
    /// Marked as a specimen.
    pub specimen: bool,
    /// What is left out or replaced on demand.
    pub omissions: &'a [Omission],
    /// The number, drawn for this certificate.
    pub number: VerificationNumber,
    /// The public address of this installation, without a slash at the end: `https://HOST`.
    pub public_url: &'a str,
    /// The number in the issue journal.
    pub journal_number: u64,
    /// Place of issue.
    pub place: &'a str,
    /// Day of issue in Germany.
    pub day: Date,
    /// The registrar's name.
    pub registrar: &'a str,
    /// The registrar's function.
    pub function: &'a str,
}

/// Why a form cannot be filled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FillError {
    /// No form for this kind on this day.
    #[error(transparent)]
    Form(#[from] UnknownForm),
    /// The entry is of another register.
    #[error("a {kind} is issued from register {expected}, not from {got}")]
    Register {
        /// The kind.
        kind: Kind,
        /// Its register.
        expected: Register,
        /// That of the entry.
        got: Register,
    },
    /// A fact no certificate is without.
    #[error("the entry has no field {0}")]
    Missing(&'static str),
    /// A text of the act of issuing that DIN 91379 does not permit.
    #[error("{what}: {reason}")]
    Text {
        /// Which.
        what: &'static str,
        /// Why.
        reason: NotLatin,
    },
}

/// Fills the form that holds on the day of issue.
pub fn fill(facts: &Facts, issuing: &Issuing<'_>) -> Result<CertificateRequest, FillError> {
    let form = Form::for_kind(issuing.kind, issuing.day)?;
    if form.register != facts.key.register {
        let (expected, got) = (form.register, facts.key.register);
        return Err(FillError::Register { kind: issuing.kind, expected, got });
    }
    let office = facts.text("0001").ok_or(FillError::Missing("0001"))?;
    let omissions = issuing.omissions;
    Ok(CertificateRequest {
        format: FORMAT,
        kind: issuing.kind,
        medium: issuing.kind.medium(),
        form: form.id.clone(),
        title: form.title.clone(),
        specimen: issuing.specimen,
        number: issuing.number,
        verify_url: format!("{}/v/{}", issuing.public_url.trim_end_matches('/'), issuing.number.compact()),
        journal_number: issuing.journal_number,
        office: Office { number: facts.key.office.clone(), name: office.to_owned() },
        register_number: facts.key.printed(),
        as_of: facts.as_of,
        sections: form.sections.iter().filter_map(|layout| section(layout, facts, omissions)).collect(),
        notes: notes(form, facts),
        issue: Issue {
            place: permitted("place of issue", issuing.place)?,
            day: issuing.day,
            registrar: permitted("registrar", issuing.registrar)?,
            function: permitted("function", issuing.function)?,
        },
        remarks: form.remarks.clone(),
    })
}

fn permitted(what: &'static str, text: &str) -> Result<String, FillError> {
    Latin::text(text).map(String::from).map_err(|reason| FillError::Text { what, reason })
}

fn demanded(omission: Option<Omission>, omissions: &[Omission]) -> bool {
    omission.is_some_and(|omission| omissions.contains(&omission))
}

/// A block with the rows that have a value; without any, no block.
fn section(layout: &FormSection, facts: &Facts, omissions: &[Omission]) -> Option<Section> {
    if demanded(layout.left_out_by, omissions) {
        return None;
    }
    let rows: Vec<Row> = layout
        .rows
        .iter()
        .filter(|row| !demanded(row.left_out_by, omissions))
        .filter_map(|layout| row(layout, facts))
        .collect();
    let heading = layout.heading.as_ref().map(|layout| heading(layout, facts, omissions));
    (!rows.is_empty()).then(|| Section { id: layout.id.clone(), heading, rows })
}

fn heading(layout: &FormHeading, facts: &Facts, omissions: &[Omission]) -> Heading {
    let of_field = layout.field.as_deref().and_then(|field| facts.get(field)).map(|value| value.printed());
    let text = if of_field.is_some() && demanded(layout.replaced_by, omissions) {
        layout.replacement.clone()
    } else {
        of_field.or_else(|| layout.text.clone())
    };
    Heading { number: layout.number.clone(), text: text.unwrap_or_default() }
}

fn row(layout: &FormRow, facts: &Facts) -> Option<Row> {
    if let Some(FormValue::RegisterNumber) = layout.value {
        let (label, value) = (layout.label.clone(), facts.key.printed());
        return Some(Row { label, value, fields: BTreeMap::new() });
    }
    let present: Vec<_> = layout.fields.iter().filter_map(|field| Some((field, facts.get(field)?))).collect();
    let printed: Vec<String> = present.iter().map(|(_, value)| value.printed()).collect();
    let fields = present.iter().map(|(field, value)| ((*field).clone(), value.as_entered())).collect();
    (!present.is_empty()).then(|| Row { label: layout.label.clone(), value: printed.join(", "), fields })
}

fn notes(form: &Form, facts: &Facts) -> Vec<String> {
    form.notes
        .fields
        .iter()
        .filter_map(|note| Some(format!("{}: {}", note.label, facts.get(&note.field)?.printed())))
        .collect()
}

#[cfg(test)]
#[path = "fill/tests.rs"]
mod tests;
