//! Opens the CMS of a seal: exactly one signer, attributes in DER order, the signer's own certificate bound by
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
use crate::domain::digest::Sha256;
use crate::seal::certificate::Certificate;
use crate::seal::oids;

/// A seal may embed this many certificates.
const CERTIFICATES_MAX: usize = 16;

/// An opened signature; nothing of it is trusted yet.
#[derive(Debug)]
pub(super) struct Opened {
    /// All embedded certificates.
    pub(super) certificates: Vec<Certificate>,
    /// The signer's own.
    pub(super) signer: Certificate,
    /// Digest of the file that was signed.
    pub(super) message_digest: Vec<u8>,
    /// The signature value.
    pub(super) signature: Vec<u8>,
    /// The log's proof.
    pub(super) proof: Option<Vec<u8>>,
    attributes: Vec<u8>,
    algorithm: AlgorithmIdentifierOwned,
    ess: Any,
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

/// `SigningCertificateV2` (RFC 5035, 3).
#[derive(Sequence)]
struct SigningCertificateV2 {
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

/// Opens `der`.
pub(super) fn open(der: &[u8], scope: Scope) -> Result<Opened, Problem> {
    let info = ContentInfo::from_der(der).map_err(encoding)?;
    if info.content_type != oids::SIGNED_DATA {
        return Err(bad("it is no SignedData"));
    }
    let data: SignedData = info.content.decode_as().map_err(encoding)?;
    let again =
        ContentInfo { content_type: info.content_type, content: Any::encode_from(&data).map_err(encoding)? };
    if again.to_der().map_err(encoding)? != der {
        return Err(bad("it is not distinguished encoding (DER), or a set is out of order"));
    }
    let strict = scope == Scope::Certificate;
    let mut signers = data.signer_infos.0.iter();
    let (Some(signer), None) = (signers.next(), signers.next()) else {
        return Err(bad("it has not exactly one signer"));
    };
    check_frame(&data, signer, strict)?;
    let certificates = certificates(&data)?;
    let attributes = signer.signed_attrs.as_ref().ok_or_else(|| bad("it has no signed attributes"))?;
    if strict && attributes.len() != 3 {
        return Err(bad("it has other signed attributes than the three of its profile"));
    }
    if single(attributes, oids::CONTENT_TYPE)?.decode_as::<ObjectIdentifier>().ok() != Some(oids::DATA) {
        return Err(bad("its signed content type is not id-data"));
    }
    let digest: OctetString = single(attributes, oids::MESSAGE_DIGEST)?.decode_as().map_err(encoding)?;
    let own = own_certificate(&signer.sid, &certificates)?;
    Ok(Opened {
        signer: own,
        certificates,
        message_digest: digest.as_bytes().to_vec(),
        signature: signer.signature.as_bytes().to_vec(),
        proof: proof(signer, strict)?,
        attributes: attributes.to_der().map_err(encoding)?,
        algorithm: signer.signature_algorithm.clone(),
        ess: single(attributes, oids::SIGNING_CERTIFICATE_V2)?.clone(),
    })
}

fn check_frame(data: &SignedData, signer: &SignerInfo, strict: bool) -> Result<(), Problem> {
    if data.encap_content_info.econtent_type != oids::DATA || data.encap_content_info.econtent.is_some() {
        return Err(bad("it is not detached"));
    }
    let digest = &signer.digest_alg;
    let parameters = digest.parameters.as_ref();
    if digest.oid != oids::SHA_256 || !parameters.is_none_or(|p| p.is_null() && !strict) {
        return Err(Problem::Algorithm(format!("digest {}", digest.oid)));
    }
    if !data.digest_algorithms.iter().any(|a| a == digest) {
        return Err(bad("it does not announce its digest algorithm"));
    }
    let plain = data.digest_algorithms.len() == 1
        && data.crls.is_none()
        && data.version == CmsVersion::V1
        && signer.version == CmsVersion::V1;
    if strict && !plain {
        return Err(bad("it has other versions, digests or revocation lists than its profile"));
    }
    Ok(())
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

fn proof(signer: &SignerInfo, strict: bool) -> Result<Option<Vec<u8>>, Problem> {
    let mut proof = None;
    for attribute in signer.unsigned_attrs.iter().flat_map(|set| set.iter()) {
        if attribute.oid == oids::LOG_PROOF && proof.is_none() {
            let value: OctetString = only_value(attribute)?.decode_as().map_err(encoding)?;
            proof = Some(value.as_bytes().to_vec());
        } else if strict {
            return Err(Problem::Cms(format!("unsigned attribute {} does not belong here", attribute.oid)));
        }
    }
    Ok(proof)
}

impl Opened {
    /// The signed reference must be to the signer's own certificate.
    pub(super) fn check_ess(&self) -> Result<(), Problem> {
        let reference: SigningCertificateV2 = self.ess.decode_as().map_err(encoding)?;
        let first = reference.certs.first().ok_or(Problem::OtherCertificate)?;
        if let Some(other) = first.hash_algorithm.as_ref().filter(|a| a.oid != oids::SHA_256) {
            return Err(Problem::Algorithm(format!("ESS digest {}", other.oid)));
        }
        let matches = first.cert_hash.as_bytes() == Sha256::of(self.signer.der()).as_bytes();
        if matches { Ok(()) } else { Err(Problem::OtherCertificate) }
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
