//! The request row of a certificate: everything that is printed, and only that.
//! It is fixed before composing; the same row gives the same bytes. It is also what is attached as
//! `certificate.json`. Knows nothing of how the facts were found or who may have them.

use std::collections::BTreeMap;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::domain::certificate::{Kind, Medium, VerificationNumber};
use crate::register::OfficeNumber;

/// The only version of the row there is.
pub const FORMAT: u32 = 1;

/// Everything printed on one certificate (`schemas/certificate.json`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct CertificateRequest {
    /// Version of this row: 1.
    pub format: u32,
    /// What it is.
    pub kind: Kind,
    /// On paper or electronic.
    pub medium: Medium,
    /// The form and its edition under `schemas/forms/`, such as `anlage-8@2022-11-01`.
    pub form: String,
    /// The printed title.
    pub title: String,
    /// Marked MUSTER · SPECIMEN on each page, in title and data.
    pub specimen: bool,
    /// The number to verify by.
    pub number: VerificationNumber,
    /// The address in the QR code: `https://HOST/v/NUMBER`.
    pub verify_url: String,
    /// The number in the issue journal of the authority: gapless, from 1.
    pub journal_number: u64,
    /// The office that keeps the entry.
    pub office: Office,
    /// The register number: `G 815/2024`.
    pub register_number: String,
    /// The day whose state of the entry is shown.
    pub as_of: Date,
    /// The rows in the order of the form; what was left out on demand is not here.
    pub sections: Vec<Section>,
    /// "Weitere Angaben aus dem Register", one paragraph each.
    pub notes: Vec<String>,
    /// Where, when and by whom it is issued.
    pub issue: Issue,
    /// What is said about the layout and the medium, one paragraph each.
    pub remarks: Vec<String>,
}

/// The office on the page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Office {
    /// Its number.
    pub number: OfficeNumber,
    /// Its name in the entry (field 0001).
    pub name: String,
}

/// A block of rows of the form.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Section {
    /// The section of the form, which says how it is set.
    pub id: String,
    /// The line above the rows, if the form has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heading: Option<Heading>,
    /// The rows.
    pub rows: Vec<Row>,
}

/// The line above a block: "Kind", "1. Mutter".
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Heading {
    /// The number in the column of labels, such as `1.`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<String>,
    /// The text; empty if the entry has none (a parent recorded before there were designations).
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub text: String,
}

/// One row: the label of the form and what stands beside it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Row {
    /// The legal label.
    pub label: String,
    /// The printed value.
    pub value: String,
    /// The facts in it by their field number of PStV Anlage 1, as the entry has them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub fields: BTreeMap<String, String>,
}

/// The foot of the certificate (§ 56 (3) PStG).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Issue {
    /// The place.
    pub place: String,
    /// The day in Germany (Europe/Berlin).
    pub day: Date,
    /// The family name (or full name) of the registrar who issues it.
    pub registrar: String,
    /// The registrar's function: "Standesbeamtin", "Standesbeamter".
    pub function: String,
}

/// Why a stored row cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// Not JSON of this shape.
    #[error("the request row is not of the shape of schemas/certificate.json: {0}")]
    Shape(#[from] serde_json::Error),
    /// Written by a later version.
    #[error("the request row has format {got}; this version knows format {FORMAT}")]
    Format {
        /// The format it claims.
        got: u32,
    },
    /// The kind does not come on this medium.
    #[error("a {kind} is not issued on this medium")]
    Medium {
        /// The kind.
        kind: Kind,
    },
}

impl CertificateRequest {
    /// Reads a stored row.
    pub fn from_json(json: &[u8]) -> Result<Self, RequestError> {
        let request: Self = serde_json::from_slice(json)?;
        if request.format != FORMAT {
            return Err(RequestError::Format { got: request.format });
        }
        if request.kind.medium() != request.medium {
            return Err(RequestError::Medium { kind: request.kind });
        }
        Ok(request)
    }

    /// The row as it is stored and attached: compact JSON, keys in the order of the schema, always the same bytes.
    pub fn to_json(&self) -> Result<Vec<u8>, RequestError> {
        Ok(serde_json::to_vec(self)?)
    }
}

#[cfg(test)]
#[path = "request/tests.rs"]
mod tests;
