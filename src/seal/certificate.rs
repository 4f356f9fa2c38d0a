//! An X.509 certificate as sealing and verification see it: strictly DER, its names, times, purposes and
//! extensions, and whether a signature was made with its key (by ring). Knows no trust: who is believed is
//! decided elsewhere.

use const_oid::ObjectIdentifier;
use der::{Decode, Encode};
use jiff::Timestamp;
use ring::signature::UnparsedPublicKey;
use spki::AlgorithmIdentifierOwned;
use x509_cert::certificate::Version;
use x509_cert::ext::pkix::{BasicConstraints, CertificatePolicies, ExtendedKeyUsage, KeyUsage};
use x509_cert::time::Time;

use super::algorithms::verification;
use super::oids;

const PEM_BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const PEM_END: &str = "-----END CERTIFICATE-----";

/// Why bytes are not a certificate that can be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// Not DER of a certificate.
    #[error("not a certificate in DER: {0}")]
    NotDer(String),
    /// Decoded, but its own encoding differs: not distinguished encoding.
    #[error("the certificate is not encoded as DER demands")]
    NotCanonical,
    /// The PEM text holds no certificate.
    #[error("no certificate in the PEM text: {0}")]
    NotPem(String),
    /// Two places of the certificate that must agree do not (RFC 5280, 4.1.1.2).
    #[error("the certificate names two signature algorithms")]
    TwoAlgorithms,
    /// Not version 3, or a time outside the supported years.
    #[error("the certificate is not of version 3 or its validity cannot be read")]
    Version,
    /// The same extension twice, or one that cannot be read.
    #[error("an extension of the certificate stands there twice or cannot be read: {0}")]
    Extension(ObjectIdentifier),
}

/// A certificate with what was read from it once.
#[derive(Debug, Clone)]
pub struct Certificate {
    der: Vec<u8>,
    parsed: x509_cert::Certificate,
    not_before: Timestamp,
    not_after: Timestamp,
    key_usage: Option<KeyUsage>,
    /// What the key is limited to, and whether that is critical.
    purposes: Option<(bool, Vec<ObjectIdentifier>)>,
    basic_constraints: Option<BasicConstraints>,
}

impl PartialEq for Certificate {
    fn eq(&self, other: &Self) -> bool {
        self.der == other.der
    }
}

impl Eq for Certificate {}

fn timestamp(time: Time) -> Result<Timestamp, CertificateError> {
    let seconds = i64::try_from(time.to_unix_duration().as_secs());
    seconds.ok().and_then(|s| Timestamp::from_second(s).ok()).ok_or(CertificateError::Version)
}

impl Certificate {
    /// Reads a certificate.
    ///
    /// # Errors
    /// [`CertificateError`] if it is not exactly DER, or contradicts itself.
    pub fn from_der(der: &[u8]) -> Result<Self, CertificateError> {
        let parsed =
            x509_cert::Certificate::from_der(der).map_err(|e| CertificateError::NotDer(e.to_string()))?;
        if parsed.to_der().ok().as_deref() != Some(der) {
            return Err(CertificateError::NotCanonical);
        }
        let tbs = &parsed.tbs_certificate;
        if tbs.signature != parsed.signature_algorithm {
            return Err(CertificateError::TwoAlgorithms);
        }
        if tbs.version != Version::V3 {
            return Err(CertificateError::Version);
        }
        let not_before = timestamp(tbs.validity.not_before)?;
        let not_after = timestamp(tbs.validity.not_after)?;
        let extensions = tbs.extensions.as_deref().unwrap_or_default();
        for (index, extension) in extensions.iter().enumerate() {
            if extensions.iter().take(index).any(|e| e.extn_id == extension.extn_id) {
                return Err(CertificateError::Extension(extension.extn_id));
            }
        }
        let key_usage = tbs.get::<KeyUsage>().map_err(|_| unreadable::<KeyUsage>())?.map(|(_, usage)| usage);
        let purposes = tbs.get::<ExtendedKeyUsage>().map_err(|_| unreadable::<ExtendedKeyUsage>())?;
        let purposes = purposes.map(|(critical, list)| (critical, list.0));
        let basic = tbs.get::<BasicConstraints>().map_err(|_| unreadable::<BasicConstraints>())?;
        let basic_constraints = basic.map(|(_, constraints)| constraints);
        Ok(Self { der: der.to_vec(), not_before, not_after, key_usage, purposes, basic_constraints, parsed })
    }

    /// Reads all certificates of a PEM text, in their order.
    ///
    /// # Errors
    /// [`CertificateError`] if there is none or one of them cannot be used.
    pub fn all_from_pem(pem: &[u8]) -> Result<Vec<Self>, CertificateError> {
        // x509-cert's own reader of chains panics on an empty text.
        let text = std::str::from_utf8(pem).map_err(|e| CertificateError::NotPem(e.to_string()))?;
        let mut found = Vec::new();
        let mut rest = text;
        while let Some((_, after)) = rest.split_once(PEM_BEGIN) {
            let (body, tail) =
                after.split_once(PEM_END).ok_or(CertificateError::NotPem("cut off".to_owned()))?;
            let block = format!("{PEM_BEGIN}{body}{PEM_END}\n");
            let (_, der) = der::pem::decode_vec(block.as_bytes())
                .map_err(|e| CertificateError::NotPem(e.to_string()))?;
            found.push(Self::from_der(&der)?);
            rest = tail;
        }
        if found.is_empty() {
            return Err(CertificateError::NotPem("it is empty".to_owned()));
        }
        Ok(found)
    }

    /// The certificate as it was read.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// Its parts.
    pub const fn parsed(&self) -> &x509_cert::Certificate {
        &self.parsed
    }

    /// First instant of its validity.
    pub const fn not_before(&self) -> Timestamp {
        self.not_before
    }

    /// Last instant of its validity.
    pub const fn not_after(&self) -> Timestamp {
        self.not_after
    }

    /// True at instants within its validity, both ends included.
    pub fn valid_at(&self, at: Timestamp) -> bool {
        self.not_before <= at && at <= self.not_after
    }

    /// May it sign documents: nonRepudiation or digitalSignature, no CA, and not for timestamps or OCSP only?
    pub fn may_sign_documents(&self) -> bool {
        let special = [oids::KEY_PURPOSE_TIMESTAMPING, oids::KEY_PURPOSE_OCSP];
        let limited =
            self.purposes.as_ref().is_some_and(|(_, list)| list.iter().all(|one| special.contains(one)));
        self.may_sign() && !limited
    }

    /// May it sign timestamps: a critical extended key usage that names nothing else (RFC 3161, 2.3)?
    pub fn may_sign_timestamps(&self) -> bool {
        let only = (true, vec![oids::KEY_PURPOSE_TIMESTAMPING]);
        self.may_sign() && self.purposes.as_ref() == Some(&only)
    }

    fn may_sign(&self) -> bool {
        let usage = self.key_usage.as_ref();
        usage.is_some_and(|u| u.non_repudiation() || u.digital_signature()) && !self.is_ca()
    }

    /// May it sign certificates: basic constraints say CA, key usage keyCertSign?
    pub fn may_sign_certificates(&self) -> bool {
        self.is_ca() && self.key_usage.as_ref().is_some_and(KeyUsage::key_cert_sign)
    }

    fn is_ca(&self) -> bool {
        self.basic_constraints.as_ref().is_some_and(|b| b.ca)
    }

    /// How many CA certificates may stand below this one, if it limits that.
    pub fn path_length(&self) -> Option<u8> {
        self.basic_constraints.as_ref().and_then(|b| b.path_len_constraint)
    }

    /// True if the extension that marks specimens is there.
    pub fn is_specimen(&self) -> bool {
        self.extension(oids::SPECIMEN).is_some()
    }

    /// The value of an extension.
    pub fn extension(&self, id: ObjectIdentifier) -> Option<&[u8]> {
        let extensions = self.parsed.tbs_certificate.extensions.as_deref().unwrap_or_default();
        extensions.iter().find(|e| e.extn_id == id).map(|e| e.extn_value.as_bytes())
    }

    /// True if it names `policy` among its certificate policies.
    pub fn has_policy(&self, policy: ObjectIdentifier) -> bool {
        let policies = self.parsed.tbs_certificate.get::<CertificatePolicies>().ok().flatten();
        policies.is_some_and(|(_, list)| list.0.iter().any(|p| p.policy_identifier == policy))
    }

    /// Critical extensions that are not among `known` (RFC 5280, 4.2: such a certificate must be rejected).
    pub fn unknown_critical(&self, known: &[ObjectIdentifier]) -> Option<ObjectIdentifier> {
        let extensions = self.parsed.tbs_certificate.extensions.as_deref().unwrap_or_default();
        extensions.iter().find(|e| e.critical && !known.contains(&e.extn_id)).map(|e| e.extn_id)
    }

    /// A part of the subject's name, as text.
    pub fn subject(&self, attribute: ObjectIdentifier) -> Option<String> {
        let name = &self.parsed.tbs_certificate.subject;
        let all = name.0.iter().flat_map(|rdn| rdn.0.iter());
        let value = all.into_iter().find(|a| a.oid == attribute)?.value.value();
        std::str::from_utf8(value).ok().map(str::to_owned)
    }

    /// True if `issuer` carries the name this certificate gives as its issuer's.
    pub fn names_as_issuer(&self, issuer: &Self) -> bool {
        self.parsed.tbs_certificate.issuer == issuer.parsed.tbs_certificate.subject
    }

    /// True if `issuer`'s key signed this certificate.
    pub fn is_signed_by(&self, issuer: &Self) -> bool {
        let Ok(message) = self.parsed.tbs_certificate.to_der() else { return false };
        let Some(signature) = self.parsed.signature.as_bytes() else { return false };
        issuer.made(&message, signature, &self.parsed.signature_algorithm)
    }

    /// True if this certificate's key made `signature` over `message` by `algorithm`, and the two fit.
    pub fn made(&self, message: &[u8], signature: &[u8], algorithm: &AlgorithmIdentifierOwned) -> bool {
        let key = &self.parsed.tbs_certificate.subject_public_key_info;
        let Some(public) = key.subject_public_key.as_bytes() else { return false };
        let Some(verification) = verification(&key.algorithm, algorithm) else { return false };
        UnparsedPublicKey::new(verification, public).verify(message, signature).is_ok()
    }

    /// True if [`Self::made`] knows the algorithm for this certificate's key.
    pub fn knows(&self, algorithm: &AlgorithmIdentifierOwned) -> bool {
        let key = &self.parsed.tbs_certificate.subject_public_key_info.algorithm;
        verification(key, algorithm).is_some()
    }
}

fn unreadable<T: const_oid::AssociatedOid>() -> CertificateError {
    CertificateError::Extension(T::OID)
}
