//! What a sender asks for: parsed at the edge, each broken rule by its name. Knows no database and no law.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::check::Applicant;
use crate::domain::certificate::{Kind, Medium, UnknownKind};
use crate::domain::name::{Latin, NotLatin};
use crate::issuance::form::Omission;
use crate::register::rules::Finding;
use crate::register::{EntryKey, NotAKey};

/// Longest reference of the sender's own, in characters.
const BUSINESS_KEY_MAX: usize = 200;

/// An order as it came in: `POST /v1/orders`, `POST /v1/certificates`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderRequest {
    /// From which entry.
    pub entry: EntryKey,
    /// What.
    pub kind: Kind,
    /// On paper or electronic.
    pub medium: Medium,
    /// The sender's own reference.
    pub business_key: Option<String>,
    /// The rest, which is stored as it is.
    pub particulars: Particulars,
    /// What a registrar has found; only where he orders and releases in one.
    pub findings: Vec<Finding>,
}

/// What is asked to be left out, why, and who asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Particulars {
    /// What is left out on demand.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub omit: BTreeSet<Omission>,
    /// Why it is asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purpose: Option<String>,
    /// Who asks.
    pub applicant: Applicant,
}

/// A release: `POST /v1/orders/{id}/release`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReleaseRequest {
    /// Who asks, if the registrar found it to be otherwise than ordered.
    #[serde(default)]
    pub applicant: Option<Applicant>,
    /// What the registrar has found that lifts a lock.
    #[serde(default)]
    pub findings: Vec<Finding>,
}

/// Why a body is no order.
#[derive(Debug, thiserror::Error)]
pub enum BadOrder {
    /// Not JSON of this shape.
    #[error("the body is not of the shape of an order: {0}")]
    Shape(#[from] serde_json::Error),
    /// The entry cannot be one.
    #[error(transparent)]
    Entry(#[from] NotAKey),
    /// Nothing of this kind is issued.
    #[error(transparent)]
    Kind(#[from] UnknownKind),
    /// The law has this kind on another medium only.
    #[error("a {kind} is issued on another medium only")]
    Medium {
        /// The kind.
        kind: Kind,
    },
    /// The purpose has a character that is not permitted.
    #[error("purpose: {0}")]
    Purpose(NotLatin),
    /// The reference is too long.
    #[error("businessKey has at most {BUSINESS_KEY_MAX} characters, got {got}")]
    BusinessKey {
        /// Its characters.
        got: usize,
    },
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RawOrder {
    entry: RawEntry,
    kind: String,
    medium: Option<Medium>,
    #[serde(default)]
    omit: BTreeSet<Omission>,
    purpose: Option<String>,
    applicant: Applicant,
    business_key: Option<String>,
    #[serde(default)]
    findings: Vec<Finding>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawEntry {
    register: String,
    office: String,
    year: i64,
    number: String,
}

impl OrderRequest {
    /// Reads the body.
    ///
    /// # Errors
    /// The first rule that it breaks.
    pub fn from_json(json: &[u8]) -> Result<Self, BadOrder> {
        let raw: RawOrder = serde_json::from_slice(json)?;
        let RawEntry { register, office, year, number } = raw.entry;
        let entry = EntryKey::parse(&register, &office, &year.to_string(), &number)?;
        let kind: Kind = raw.kind.parse()?;
        let medium = raw.medium.unwrap_or_else(|| kind.medium());
        if medium != kind.medium() {
            return Err(BadOrder::Medium { kind });
        }
        let got = raw.business_key.as_deref().map_or(0, |key| key.chars().count());
        if got > BUSINESS_KEY_MAX {
            return Err(BadOrder::BusinessKey { got });
        }
        let purpose = raw.purpose.as_deref().map(Latin::text).transpose().map_err(BadOrder::Purpose)?;
        let purpose = purpose.map(String::from);
        let particulars = Particulars { omit: raw.omit, purpose, applicant: raw.applicant };
        Ok(Self { entry, kind, medium, business_key: raw.business_key, particulars, findings: raw.findings })
    }

    /// The request in one spelling, so that the same again is known as the same.
    pub fn canonical(&self) -> String {
        let entry = serde_json::to_value(&self.entry).unwrap_or_default();
        let particulars = serde_json::to_value(&self.particulars).unwrap_or_default();
        let findings = serde_json::to_value(&self.findings).unwrap_or_default();
        serde_json::json!([entry, self.kind, self.medium, self.business_key, particulars, findings])
            .to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(change: impl FnOnce(&mut serde_json::Value)) -> Result<OrderRequest, BadOrder> {
        let mut json = serde_json::json!({
            "entry": {"register": "G", "office": "09999001", "year": 2024, "number": "815-1"},
            "kind": "geburtsurkunde", "medium": "paper", "omit": ["sex"], "purpose": "Eheschließung",
            "applicant": {"relation": "person", "over16": true}, "businessKey": "V-1",
        });
        change(&mut json);
        OrderRequest::from_json(json.to_string().as_bytes())
    }

    #[test]
    fn an_order_is_read_and_the_medium_follows_from_the_kind() {
        let order = body(|json| {
            json.as_object_mut().unwrap().remove("medium");
        });
        let order = order.unwrap();
        assert_eq!(order.medium, Medium::Paper);
        assert_eq!(order.entry.printed(), "G 815-1/2024");
        assert_eq!(order.particulars.omit, BTreeSet::from([Omission::Sex]));
        assert_eq!(order.canonical(), body(|_| {}).unwrap().canonical());
        assert_ne!(order.canonical(), body(|json| json["omit"] = "[]".parse().unwrap()).unwrap().canonical());
    }

    #[test]
    fn what_is_no_order_names_the_rule_it_breaks() {
        let broken = |change: fn(&mut serde_json::Value)| body(change).unwrap_err();
        assert!(matches!(broken(|json| json["colour"] = "blue".into()), BadOrder::Shape(_)));
        assert!(matches!(broken(|json| json["entry"]["page"] = 1.into()), BadOrder::Shape(_)));
        assert!(matches!(broken(|json| json["applicant"] = "x".into()), BadOrder::Shape(_)));
        assert!(matches!(broken(|json| json["entry"]["number"] = "0815".into()), BadOrder::Entry(_)));
        assert!(matches!(broken(|json| json["entry"]["year"] = 24.into()), BadOrder::Entry(_)));
        assert!(matches!(broken(|json| json["kind"] = "taufschein".into()), BadOrder::Kind(_)));
        assert!(matches!(broken(|json| json["medium"] = "electronic".into()), BadOrder::Medium { .. }));
        assert!(matches!(broken(|json| json["purpose"] = "Ж".into()), BadOrder::Purpose(_)));
        assert!(matches!(
            broken(|json| json["businessKey"] = "x".repeat(201).into()),
            BadOrder::BusinessKey { got: 201 }
        ));
        assert!(body(|json| json["businessKey"] = "x".repeat(200).into()).is_ok());
    }
}
