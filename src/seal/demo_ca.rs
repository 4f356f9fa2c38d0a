//! The demonstration CA: a root, a registrar and an authority's seal, all marked as specimens, so that no
//! setting can make anything that is sealed under it look real. Knows no files: it gives PEM texts.

use der::zeroize::Zeroizing;
use jiff::{SignedDuration, Timestamp};

use super::issue::{self, IssueError, Issuer, Purpose, Subject, Template};
use super::key::FileKey;
use super::signer::SignerError;
use crate::domain::random::Random;

/// Years (of 365 days) that the demonstration's certificates are valid.
const YEARS: i64 = 10;

/// Names for the demonstration.
#[derive(Debug, Clone, Copy)]
pub struct Names<'a> {
    /// The authority, "Standesamt Musterstadt".
    pub authority: &'a str,
    /// The registrar's first name.
    pub given: &'a str,
    /// The registrar's family name.
    pub family: &'a str,
}

/// A key and its chain, both PEM.
#[derive(Debug, Clone)]
pub struct Identity {
    /// PKCS#8.
    pub key: Zeroizing<String>,
    /// The own certificate, then the CA's.
    pub certificates: String,
}

/// All that the demonstration needs to seal.
#[derive(Debug, Clone)]
pub struct DemoCa {
    /// The root's certificate, PEM: what a verifier is told to trust.
    pub ca: String,
    /// The named registrar.
    pub registrar: Identity,
    /// The authority's seal.
    pub authority: Identity,
    /// A time-stamping authority.
    pub timestamps: Identity,
}

/// Makes keys, as PEM of PKCS#8.
pub type NewKey<'a> = &'a dyn Fn() -> Result<Zeroizing<String>, SignerError>;

/// Makes a new demonstration CA with new keys; the root's key is used here and then forgotten.
///
/// # Errors
/// [`IssueError`] if a name cannot be encoded or the system gives no randomness.
pub fn make(names: Names<'_>, not_before: Timestamp, random: &dyn Random) -> Result<DemoCa, IssueError> {
    make_with(names, &FileKey::generate_p256, not_before, random)
}

/// The same with keys of another kind.
///
/// # Errors
/// [`IssueError`] if a name cannot be encoded or there is no key.
pub fn make_with(
    names: Names<'_>,
    new_key: NewKey<'_>,
    not_before: Timestamp,
    random: &dyn Random,
) -> Result<DemoCa, IssueError> {
    let key = FileKey::from_pem(&new_key()?, None)?;
    let root = Template {
        subject: subject(names.authority, "MUSTER · SPECIMEN · Stammbuch Demo CA", None),
        ..template(Purpose::Root, not_before)
    };
    let root = issue::issue(&root, &key, Issuer { key: &key, certificate: None }, random)?;
    let issuer = Issuer { key: &key, certificate: Some(&root) };
    let person = format!("{} {}", names.given, names.family);
    let registrar = Template {
        subject: subject(names.authority, &person, Some((names.given.to_owned(), names.family.to_owned()))),
        ..template(Purpose::Registrar, not_before)
    };
    let authority = Template {
        subject: subject(names.authority, &format!("Siegel {}", names.authority), None),
        ..template(Purpose::AuthoritySeal, not_before)
    };
    let timestamps = Template {
        subject: subject(names.authority, "MUSTER · SPECIMEN · Zeitstempel", None),
        ..template(Purpose::Timestamps, not_before)
    };
    Ok(DemoCa {
        ca: issue::to_pem(&root)?,
        registrar: identity(&registrar, issuer, new_key, random)?,
        authority: identity(&authority, issuer, new_key, random)?,
        timestamps: identity(&timestamps, issuer, new_key, random)?,
    })
}

fn subject(organization: &str, common_name: &str, person: Option<(String, String)>) -> Subject {
    let (organization, common_name) = (organization.to_owned(), common_name.to_owned());
    Subject { country: "DE".to_owned(), organization, common_name, person }
}

fn template(purpose: Purpose, not_before: Timestamp) -> Template {
    let not_after = not_before.saturating_add(SignedDuration::from_hours(24 * 365 * YEARS));
    let subject = subject("", "", None);
    Template { subject, purpose, not_before, not_after: not_after.unwrap_or(not_before), specimen: true }
}

fn identity(
    template: &Template,
    issuer: Issuer<'_>,
    new_key: NewKey<'_>,
    random: &dyn Random,
) -> Result<Identity, IssueError> {
    let key = new_key()?;
    let own = issue::issue(template, &FileKey::from_pem(&key, None)?, issuer, random)?;
    let above = issuer.certificate.map(issue::to_pem).transpose()?.unwrap_or_default();
    Ok(Identity { key, certificates: issue::to_pem(&own)? + &above })
}
