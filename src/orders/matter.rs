//! What an order is decided on: the entry as it is known, its locks, office and authority at this moment.
//! Reads them in one transaction, asks the rules, and fills the form; decides nothing by itself.

use jiff::Timestamp;
use jiff::civil::Date;

use super::OrderError;
use super::check::{self, Applicant, Case, Refusal, Verdict};
use crate::database::authorities::{self, Dated};
use crate::database::{DatabaseError, Tx};
use crate::domain::certificate::{Kind, VerificationNumber};
use crate::domain::ids::AuthorityId;
use crate::issuance::fill::{FillError, Issuing, fill};
use crate::issuance::form::Omission;
use crate::issuance::request::CertificateRequest;
use crate::register::copies::{self, CopyError};
use crate::register::rules::{Entitlement, Finding};
use crate::register::{EntryKey, Facts, Lock};

/// What holds for all issuing of an installation.
#[derive(Debug, Clone)]
pub struct IssueSettings {
    /// The public address, without a slash at the end.
    pub public_url: String,
    /// Oldest copy that is issued from, in days.
    pub copy_age_days_max: i32,
}

/// The case of one entry at one moment.
pub(super) struct Matter {
    /// What the entry says.
    pub(super) facts: Facts,
    locks: Vec<Lock>,
    /// Where it is issued.
    place: String,
    /// Name of the authority.
    pub(super) authority: String,
    specimen: bool,
}

/// What is asked for, and what a registrar says of it.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub(super) kind: Kind,
    pub(super) omit: Vec<Omission>,
    pub(super) purpose: Option<String>,
    pub(super) applicant: Applicant,
    pub(super) findings: Vec<Finding>,
}

/// What the printed row needs beside the facts.
#[derive(Debug, Clone)]
pub(super) struct Printed<'a> {
    pub(super) number: VerificationNumber,
    pub(super) journal_number: u64,
    pub(super) registrar: &'a str,
    pub(super) function: &'a str,
    pub(super) day: Date,
    /// Signed under a demonstration CA, whose certificates make everything a specimen.
    pub(super) by_demo_key: bool,
}

impl Matter {
    /// What is known; none if the entry is unknown or its office is not one of the authority.
    pub(super) async fn read(
        tx: &mut Tx,
        authority: AuthorityId,
        entry: &EntryKey,
        at: Timestamp,
    ) -> Result<Option<Self>, OrderError> {
        let Some(known) = copies::known(tx, authority, entry, at).await? else { return Ok(None) };
        let office = authorities::office_as_of(tx, authority, entry.office.as_str(), at).await?;
        let office = office.ok_or(DatabaseError::NoRow)?;
        let dated = authorities::as_of(tx, authority, at).await?.ok_or(DatabaseError::NoRow)?;
        let specimen = authorities::specimen(tx, authority).await?.ok_or(DatabaseError::NoRow)?;
        let place = place(&office.dated).or_else(|| place(&dated)).unwrap_or(office.dated.name);
        let facts = known.facts(entry.clone());
        Ok(Some(Self { facts, locks: known.locks, place, authority: dated.name, specimen }))
    }

    /// Asks the rules.
    pub(super) fn check(
        &self,
        asked: &Asked,
        today: Date,
        settings: &IssueSettings,
    ) -> Result<Result<Vec<Entitlement>, Refusal>, OrderError> {
        let verdict = check::check(&Case {
            kind: asked.kind,
            facts: &self.facts,
            locks: &self.locks,
            applicant: &asked.applicant,
            purpose: asked.purpose.as_deref(),
            findings: &asked.findings,
            today,
            copy_age_days_max: settings.copy_age_days_max,
        })?;
        Ok(match verdict {
            Verdict::Allowed(entitlements) => Ok(entitlements),
            Verdict::Refused(refusal, _) => Err(refusal),
        })
    }

    /// Fills the form.
    pub(super) fn fill(
        &self,
        asked: &Asked,
        printed: &Printed<'_>,
        settings: &IssueSettings,
    ) -> Result<CertificateRequest, FillError> {
        fill(
            &self.facts,
            &Issuing {
                kind: asked.kind,
                specimen: self.specimen || printed.by_demo_key,
                omissions: &asked.omit,
                number: printed.number,
                public_url: &settings.public_url,
                journal_number: printed.journal_number,
                place: &self.place,
                day: printed.day,
                registrar: printed.registrar,
                function: printed.function,
            },
        )
    }
}

/// The place in the letterhead, if it names one.
fn place(dated: &Dated) -> Option<String> {
    dated.details.get("place").and_then(|place| place.as_str()).map(str::to_owned)
}

impl From<CopyError> for OrderError {
    fn from(error: CopyError) -> Self {
        match error {
            CopyError::Database(error) => Self::Database(error),
            other => Self::StoredEntry(other.to_string()),
        }
    }
}
