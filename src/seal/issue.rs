//! Makes X.509 certificates (RFC 5280) for the demonstration CA: root, registrar, authority's seal.
//! No CA for real keys: those come from a trust service. Knows no files.

use const_oid::{AssociatedOid, ObjectIdentifier};
use der::asn1::{BitString, GeneralizedTime, OctetString, PrintableString, SetOfVec, UtcTime, Utf8StringRef};
use der::{Any, Encode};
use jiff::Timestamp;
use x509_cert::TbsCertificate;
use x509_cert::attr::AttributeTypeAndValue;
use x509_cert::certificate::Version;
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::certpolicy::PolicyInformation;
use x509_cert::ext::pkix::{
    AuthorityKeyIdentifier, BasicConstraints, CertificatePolicies, ExtendedKeyUsage, KeyUsage, KeyUsages,
    SubjectKeyIdentifier,
};
use x509_cert::name::{RdnSequence, RelativeDistinguishedName};
use x509_cert::serial_number::SerialNumber;
use x509_cert::time::{Time, Validity};

use super::certificate::{Certificate, CertificateError};
use super::key::FileKey;
use super::oids;
use super::signer::SignerError;
use crate::domain::digest::Sha256;
use crate::domain::random::{self, Random};

/// What the specimen extension says.
const SPECIMEN_TEXT: &str = "MUSTER · SPECIMEN";

/// Why a certificate was not made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IssueError {
    /// A name or time cannot be written in DER.
    #[error("the certificate cannot be encoded: {0}")]
    Encoding(String),
    /// The CA's key did not sign.
    #[error(transparent)]
    Signer(#[from] SignerError),
    /// What came out is no certificate.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
}

impl From<der::Error> for IssueError {
    fn from(error: der::Error) -> Self {
        Self::Encoding(error.to_string())
    }
}

/// The name a certificate is made for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// `C`, two letters.
    pub country: String,
    /// `O`: the authority.
    pub organization: String,
    /// `CN`: the person, the seal or the CA.
    pub common_name: String,
    /// First name and family name, if it is a person.
    pub person: Option<(String, String)>,
}

/// What the certificate is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// A root: signs certificates of end entities (path length 0).
    Root,
    /// The key of a named registrar.
    Registrar,
    /// The key of an authority's seal.
    AuthoritySeal,
    /// The key of a time-stamping authority.
    Timestamps,
    /// An end entity that may only encipher; for tests of what must be refused.
    Enciphering,
}

/// All that a certificate says.
#[derive(Debug, Clone)]
pub struct Template {
    /// Whose it is.
    pub subject: Subject,
    /// What it is for.
    pub purpose: Purpose,
    /// First instant of validity (whole seconds).
    pub not_before: Timestamp,
    /// Last instant of validity (whole seconds).
    pub not_after: Timestamp,
    /// Marks everything below as specimen.
    pub specimen: bool,
}

/// The key that signs, and its certificate (`None`: the certificate is to sign itself).
#[derive(Debug, Clone, Copy)]
pub struct Issuer<'a> {
    /// The key.
    pub key: &'a FileKey,
    /// Its certificate.
    pub certificate: Option<&'a Certificate>,
}

/// Makes a certificate for `public`.
///
/// # Errors
/// [`IssueError`] if something cannot be encoded or the key does not sign.
pub fn issue(
    template: &Template,
    public: &FileKey,
    issuer: Issuer<'_>,
    random: &dyn Random,
) -> Result<Certificate, IssueError> {
    let subject = name(&template.subject)?;
    let above = issuer.certificate.map(|c| &c.parsed().tbs_certificate);
    let algorithm = issuer.key.scheme().identifier()?;
    let tbs_certificate = TbsCertificate {
        version: Version::V3,
        serial_number: SerialNumber::new(&positive(random::bytes(random)))?,
        signature: algorithm.clone(),
        issuer: above.map_or_else(|| subject.clone(), |tbs| tbs.subject.clone()),
        validity: Validity { not_before: time(template.not_before)?, not_after: time(template.not_after)? },
        subject,
        subject_public_key_info: public.public_key_info()?,
        issuer_unique_id: None,
        subject_unique_id: None,
        extensions: Some(extensions(template, public.public(), issuer.key.public())?),
    };
    let signature = BitString::from_bytes(&issuer.key.sign(&tbs_certificate.to_der()?)?)?;
    let made = x509_cert::Certificate { tbs_certificate, signature_algorithm: algorithm, signature };
    Ok(Certificate::from_der(&made.to_der()?)?)
}

/// The certificate as PEM.
///
/// # Errors
/// [`IssueError::Encoding`], which a certificate that was read does not cause.
pub fn to_pem(certificate: &Certificate) -> Result<String, IssueError> {
    let encoded = der::pem::encode_string("CERTIFICATE", der::pem::LineEnding::LF, certificate.der());
    encoded.map_err(|e| IssueError::Encoding(e.to_string()))
}

/// A serial number that is positive as an INTEGER in DER, and of one length.
pub(super) fn positive(mut drawn: [u8; 16]) -> [u8; 16] {
    if let Some(first) = drawn.first_mut() {
        *first = *first & 0x3f | 0x40;
    }
    drawn
}

fn time(at: Timestamp) -> Result<Time, IssueError> {
    let seconds = u64::try_from(at.as_second()).map_err(|e| IssueError::Encoding(e.to_string()))?;
    let since = std::time::Duration::from_secs(seconds);
    // RFC 5280, 4.1.2.5: UTCTime through 2049.
    Ok(match UtcTime::from_unix_duration(since) {
        Ok(utc) => Time::UtcTime(utc),
        Err(_) => Time::GeneralTime(GeneralizedTime::from_unix_duration(since)?),
    })
}

fn name(subject: &Subject) -> Result<RdnSequence, IssueError> {
    let text = |oid: ObjectIdentifier, value: &str| -> Result<RelativeDistinguishedName, IssueError> {
        let value = if oid == oids::COUNTRY {
            Any::encode_from(&PrintableString::new(value)?)?
        } else {
            Any::encode_from(&Utf8StringRef::new(value)?)?
        };
        Ok(RelativeDistinguishedName(SetOfVec::try_from(vec![AttributeTypeAndValue { oid, value }])?))
    };
    let mut parts =
        vec![text(oids::COUNTRY, &subject.country)?, text(oids::ORGANIZATION, &subject.organization)?];
    if let Some((given, family)) = &subject.person {
        parts.push(text(oids::GIVEN_NAME, given)?);
        parts.push(text(oids::SURNAME, family)?);
    }
    parts.push(text(oids::COMMON_NAME, &subject.common_name)?);
    Ok(RdnSequence(parts))
}

/// RFC 7093, method 1: the first 160 bits of the key's SHA-256.
fn key_identifier(public: &[u8]) -> Result<OctetString, IssueError> {
    let digest = Sha256::of(public);
    Ok(OctetString::new(digest.as_bytes().first_chunk::<20>().copied().unwrap_or_default())?)
}

fn extension<T: Encode + AssociatedOid>(critical: bool, value: &T) -> Result<Extension, IssueError> {
    Ok(Extension { extn_id: T::OID, critical, extn_value: OctetString::new(value.to_der()?)? })
}

fn extensions(template: &Template, public: &[u8], issuer: &[u8]) -> Result<Vec<Extension>, IssueError> {
    let root = template.purpose == Purpose::Root;
    let usage = match template.purpose {
        Purpose::Root => KeyUsages::KeyCertSign | KeyUsages::CRLSign,
        Purpose::Registrar | Purpose::AuthoritySeal => {
            KeyUsages::DigitalSignature | KeyUsages::NonRepudiation
        }
        Purpose::Timestamps => KeyUsages::DigitalSignature.into(),
        Purpose::Enciphering => KeyUsages::KeyEncipherment.into(),
    };
    let mut list = vec![
        extension(true, &BasicConstraints { ca: root, path_len_constraint: root.then_some(0) })?,
        extension(true, &KeyUsage(usage))?,
        extension(false, &SubjectKeyIdentifier(key_identifier(public)?))?,
        extension(
            false,
            &AuthorityKeyIdentifier { key_identifier: Some(key_identifier(issuer)?), ..Default::default() },
        )?,
    ];
    let policy = match template.purpose {
        Purpose::Registrar => Some(oids::POLICY_REGISTRAR),
        Purpose::AuthoritySeal => Some(oids::POLICY_AUTHORITY_SEAL),
        Purpose::Root | Purpose::Timestamps | Purpose::Enciphering => None,
    };
    if let Some(policy_identifier) = policy {
        let information = PolicyInformation { policy_identifier, policy_qualifiers: None };
        list.push(extension(false, &CertificatePolicies(vec![information]))?);
    }
    if template.purpose == Purpose::Timestamps {
        list.push(extension(true, &ExtendedKeyUsage(vec![oids::KEY_PURPOSE_TIMESTAMPING]))?);
    }
    if template.specimen {
        let text = Utf8StringRef::new(SPECIMEN_TEXT)?.to_der()?;
        list.push(Extension {
            extn_id: oids::SPECIMEN,
            critical: false,
            extn_value: OctetString::new(text)?,
        });
    }
    Ok(list)
}
