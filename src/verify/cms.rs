//! Opens the CMS of a seal or timestamp: exactly one signer, attributes in DER order, the signer's own certificate bound by
//! ESS signing-certificate-v2. In our own files every byte must have its one permitted meaning.
//! Knows no trust and no PDF.

use cms::cert::CertificateChoices;
use cms::content_info::{CmsVersion, ContentInfo};
use cms::signed_data::{SignedAttributes, SignedData, SignerIdentifier, SignerInfo};
use const_oid::ObjectIdentifier;
use der::asn1::OctetString;
use der::{Any, Decode, Encode, Sequence};
use spki::AlgorithmIdentifierOwned;
use x509_cert::attr::Attribute;

use super::Scope;
use super::problem::Problem;
use crate::seal::algorithms::{self, Digest};
use crate::seal::certificate::Certificate;
use crate::seal::oids;
use crate::seal::timestamp;

/// A seal may embed this many certificates.
const CERTIFICATES_MAX: usize = 16;

/// An opened signature; nothing of it is trusted yet.
#[derive(Debug)]
pub(super) struct Opened {
    /// All embedded certificates.
    pub(super) certificates: Vec<Certificate>,
    /// The signer's own.
    pub(super) signer: Certificate,
    /// The digest algorithm of the file and of the signed attributes.
    pub(super) digest: Digest,
    /// Digest of the file that was signed.
    pub(super) message_digest: Vec<u8>,
    /// The signature value.
    pub(super) signature: Vec<u8>,
    /// A timestamp over the signature value: the token in DER.
    pub(super) timestamp: Option<Vec<u8>>,
    /// What is signed, if the signature holds it: `TSTInfo` of a timestamp.
    pub(super) content: Option<Vec<u8>>,
    /// The log's proof.
    pub(super) proof: Option<Vec<u8>>,
    attributes: Vec<u8>,
    algorithm: AlgorithmIdentifierOwned,
    ess: CertificateReference,
}

#[derive(Debug)]
struct CertificateReference {
    value: Any,
    version: EssVersion,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum EssVersion {
    First,
    Second,
}

/// `ESSCertIDv2` (RFC 5035, 4).
#[derive(Sequence)]
struct EssCertIdV2 {
    /// Left out: SHA-256.
    #[asn1(optional = "true")]
    hash_algorithm: Option<AlgorithmIdentifierOwned>,
    cert_hash: OctetString,
    #[asn1(optional = "true")]
    issuer_serial: Option<Any>,
}

/// `SigningCertificateV2` (RFC 5035, 3), and `SigningCertificate` (RFC 2634, 5.4), which names no algorithm.
#[derive(Sequence)]
struct SigningCertificate {
    certs: Vec<EssCertIdV2>,
    #[asn1(optional = "true")]
    policies: Option<Any>,
}

fn bad(text: &str) -> Problem {
    Problem::Cms(text.to_owned())
}

fn encoding(error: der::Error) -> Problem {
    Problem::Cms(error.to_string())
}

/// What a signature is expected to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expect {
    /// A seal of ours: every byte has its one permitted meaning.
    OwnSeal,
    /// Anybody's seal.
    Seal,
    /// A timestamp (RFC 3161): it holds what it signs.
    Timestamp,
    /// A timestamp in a seal of ours, from which everything was taken that it does not need.
    OwnTimestamp,
}

impl Expect {
    /// The seal that `scope` asks for.
    pub(super) fn seal(scope: Scope) -> Self {
        if scope == Scope::Certificate { Self::OwnSeal } else { Self::Seal }
    }

    /// The timestamp that `scope` asks for.
    pub(super) fn timestamp(scope: Scope) -> Self {
        if scope == Scope::Certificate { Self::OwnTimestamp } else { Self::Timestamp }
    }

    /// Every byte has its one permitted meaning.
    pub(super) const fn is_own(self) -> bool {
        matches!(self, Self::OwnSeal | Self::OwnTimestamp)
    }

    /// A timestamp, whosever.
    pub(super) const fn is_timestamp(self) -> bool {
        matches!(self, Self::Timestamp | Self::OwnTimestamp)
    }

    const fn content_type(self) -> ObjectIdentifier {
        if self.is_timestamp() { oids::TST_INFO } else { oids::DATA }
    }
}

/// Opens `der`.
pub(super) fn open(der: &[u8], expect: Expect) -> Result<Opened, Problem> {
    let data = signed_data(der, expect)?;
    let mut signers = data.signer_infos.0.iter();
    let (Some(signer), None) = (signers.next(), signers.next()) else {
        return Err(bad("it has not exactly one signer"));
    };
    let algorithm = check_frame(&data, signer, expect)?;
    let content = expect.is_timestamp().then(|| timestamp::content(&data)).transpose();
    let content = content.map_err(|error| Problem::Cms(error.to_string()))?;
    let certificates = certificates(&data)?;
    let attributes = signer.signed_attrs.as_ref().ok_or_else(|| bad("it has no signed attributes"))?;
    if expect == Expect::OwnSeal && attributes.len() != 3 {
        return Err(bad("it has other signed attributes than the three of its profile"));
    }
    let said = single(attributes, oids::CONTENT_TYPE)?.decode_as::<ObjectIdentifier>().ok();
    if said != Some(expect.content_type()) {
        return Err(bad("its signed content type is not that of its content"));
    }
    let digest: OctetString = single(attributes, oids::MESSAGE_DIGEST)?.decode_as().map_err(encoding)?;
    let own = own_certificate(&signer.sid, &certificates)?;
    let (timestamp, proof) = unsigned(signer, expect)?;
    Ok(Opened {
        signer: own,
        certificates,
        content,
        digest: algorithm,
        message_digest: digest.as_bytes().to_vec(),
        signature: signer.signature.as_bytes().to_vec(),
        timestamp,
        proof,
        attributes: attributes.to_der().map_err(encoding)?,
        algorithm: signer.signature_algorithm.clone(),
        ess: reference_to_certificate(attributes, expect)?,
    })
}

fn signed_data(der: &[u8], expect: Expect) -> Result<SignedData, Problem> {
    let info = ContentInfo::from_der(der).map_err(encoding)?;
    if info.content_type != oids::SIGNED_DATA {
        return Err(bad("it is no SignedData"));
    }
    let data: SignedData = info.content.decode_as().map_err(encoding)?;
    if expect == Expect::Timestamp {
        return Ok(data);
    }
    let again =
        ContentInfo { content_type: info.content_type, content: Any::encode_from(&data).map_err(encoding)? };
    if again.to_der().map_err(encoding)? != der {
        return Err(bad("it is not distinguished encoding (DER), or a set is out of order"));
    }
    Ok(data)
}

fn check_frame(data: &SignedData, signer: &SignerInfo, expect: Expect) -> Result<Digest, Problem> {
    let held = &data.encap_content_info;
    if held.econtent_type != expect.content_type() {
        return Err(bad("its content is of another type"));
    }
    if held.econtent.is_some() != expect.is_timestamp() {
        return Err(bad("it is not detached, or holds nothing"));
    }
    let strict = expect.is_own();
    let digest = &signer.digest_alg;
    let algorithm =
        Digest::named_by(digest).filter(|_| !strict || digest.parameters.is_none() || expect.is_timestamp());
    let algorithm = algorithm.ok_or_else(|| Problem::Algorithm(format!("digest {}", digest.oid)))?;
    // RFC 5652, 5.4: one digest algorithm for content and attributes.
    if algorithms::digest_of(&signer.signature_algorithm).is_some_and(|implied| implied != algorithm) {
        return Err(Problem::Algorithm(format!("digest {} under another signature algorithm", digest.oid)));
    }
    if !data.digest_algorithms.iter().any(|a| a.oid == digest.oid) {
        return Err(bad("it does not announce its digest algorithm"));
    }
    let plain = data.digest_algorithms.len() == 1
        && data.digest_algorithms.iter().all(|announced| announced == digest)
        && data.crls.is_none()
        && data.version == if expect.is_timestamp() { CmsVersion::V3 } else { CmsVersion::V1 }
        && signer.version == CmsVersion::V1;
    if strict && !plain {
        return Err(bad("it has other versions, digests or revocation lists than its profile"));
    }
    Ok(algorithm)
}

fn certificates(data: &SignedData) -> Result<Vec<Certificate>, Problem> {
    let set = data.certificates.as_ref().ok_or(Problem::NoCertificate)?;
    if set.0.len() > CERTIFICATES_MAX {
        return Err(bad("it has too many certificates"));
    }
    let one = |choice: &CertificateChoices| match choice {
        CertificateChoices::Certificate(c) => {
            let der = c.to_der().map_err(encoding)?;
            Certificate::from_der(&der).map_err(|e| Problem::Certificate(e.to_string()))
        }
        CertificateChoices::Other(_) => Err(bad("it has something else than certificates among them")),
    };
    set.0.iter().map(one).collect()
}

fn single(attributes: &SignedAttributes, oid: ObjectIdentifier) -> Result<&Any, Problem> {
    let mut found = attributes.iter().filter(|a| a.oid == oid);
    let (Some(attribute), None) = (found.next(), found.next()) else {
        return Err(Problem::Cms(format!("signed attribute {oid} is missing or doubled")));
    };
    only_value(attribute)
}

fn only_value(attribute: &Attribute) -> Result<&Any, Problem> {
    let mut values = attribute.values.iter();
    match (values.next(), values.next()) {
        (Some(value), None) => Ok(value),
        _ => Err(Problem::Cms(format!("attribute {} has not exactly one value", attribute.oid))),
    }
}

fn own_certificate(sid: &SignerIdentifier, all: &[Certificate]) -> Result<Certificate, Problem> {
    let SignerIdentifier::IssuerAndSerialNumber(named) = sid else {
        return Err(bad("it names its signer by key identifier"));
    };
    let is_own = |c: &&Certificate| {
        let tbs = &c.parsed().tbs_certificate;
        tbs.issuer == named.issuer && tbs.serial_number == named.serial_number
    };
    all.iter().find(is_own).cloned().ok_or(Problem::NoCertificate)
}

/// The signed reference to the signer's certificate; timestamps may still have the first version, by SHA-1.
fn reference_to_certificate(
    attributes: &SignedAttributes,
    expect: Expect,
) -> Result<CertificateReference, Problem> {
    let has = |oid| attributes.iter().any(|attribute| attribute.oid == oid);
    if expect == Expect::Timestamp && has(oids::SIGNING_CERTIFICATE) && !has(oids::SIGNING_CERTIFICATE_V2) {
        let value = single(attributes, oids::SIGNING_CERTIFICATE)?.clone();
        return Ok(CertificateReference { value, version: EssVersion::First });
    }
    let value = single(attributes, oids::SIGNING_CERTIFICATE_V2)?.clone();
    Ok(CertificateReference { value, version: EssVersion::Second })
}

type Unsigned = (Option<Vec<u8>>, Option<Vec<u8>>);

/// Timestamp and proof among the unsigned attributes. What else stands there nobody vouches for.
fn unsigned(signer: &SignerInfo, expect: Expect) -> Result<Unsigned, Problem> {
    let (mut timestamp, mut proof) = (None, None);
    for attribute in signer.unsigned_attrs.iter().flat_map(|set| set.iter()) {
        let of_seal = !expect.is_timestamp();
        if of_seal && attribute.oid == oids::LOG_PROOF && proof.is_none() {
            let value: OctetString = only_value(attribute)?.decode_as().map_err(encoding)?;
            proof = Some(value.as_bytes().to_vec());
        } else if of_seal && attribute.oid == oids::TIMESTAMP_TOKEN && timestamp.is_none() {
            timestamp = Some(only_value(attribute)?.to_der().map_err(encoding)?);
        } else if expect.is_own() {
            return Err(Problem::Cms(format!("unsigned attribute {} does not belong here", attribute.oid)));
        }
    }
    Ok((timestamp, proof))
}

impl Opened {
    /// The signed reference must be to the signer's own certificate.
    pub(super) fn check_ess(&self) -> Result<(), Problem> {
        let reference: SigningCertificate = self.ess.value.decode_as().map_err(encoding)?;
        let first = reference.certs.first().ok_or(Problem::OtherCertificate)?;
        let digest = match (self.ess.version, &first.hash_algorithm) {
            (EssVersion::First, None) => {
                let sha_1 = &ring::digest::SHA1_FOR_LEGACY_USE_ONLY;
                ring::digest::digest(sha_1, self.signer.der()).as_ref().to_vec()
            }
            (EssVersion::First, Some(_)) => return Err(Problem::OtherCertificate),
            (EssVersion::Second, None) => Digest::Sha256.of(&[self.signer.der()]),
            (EssVersion::Second, Some(named)) => match Digest::named_by(named) {
                Some(digest) => digest.of(&[self.signer.der()]),
                None => return Err(Problem::Algorithm(format!("ESS digest {}", named.oid))),
            },
        };
        if first.cert_hash.as_bytes() == digest { Ok(()) } else { Err(Problem::OtherCertificate) }
    }

    /// The signature value must be over the signed attributes, by the signer's key.
    pub(super) fn check_signature(&self) -> Result<(), Problem> {
        if !self.signer.knows(&self.algorithm) {
            return Err(Problem::Algorithm(format!("signature {}", self.algorithm.oid)));
        }
        let holds = self.signer.made(&self.attributes, &self.signature, &self.algorithm);
        if holds { Ok(()) } else { Err(Problem::SignatureValue) }
    }
}
