//! CMS SignedData (RFC 5652) after PAdES baseline B-B (ETSI EN 319 142-1; CAdES detached): signed attributes
//! content-type, message-digest and ESS signing-certificate-v2, no signing-time (PDF's `/M` says it).
//! The unsigned attribute with the log's proof is put in afterwards and changes no signed byte.

use cms::cert::{CertificateChoices, IssuerAndSerialNumber};
use cms::content_info::{CmsVersion, ContentInfo};
use cms::signed_data::{
    CertificateSet, EncapsulatedContentInfo, SignedData, SignerIdentifier, SignerInfo, SignerInfos,
};
use const_oid::ObjectIdentifier;
use der::asn1::{OctetString, SetOfVec};
use der::{Any, Decode, Encode};
use x509_cert::attr::Attribute;

use super::SealError;
use super::algorithms::Digest;
use super::certificate::Certificate;
use super::oids;
use super::signer::{Chain, Signer};
use crate::domain::digest::Sha256;

fn attribute(oid: ObjectIdentifier, value: Any) -> Result<Attribute, SealError> {
    Ok(Attribute { oid, values: SetOfVec::try_from(vec![value])? })
}

/// `SigningCertificateV2` (RFC 5035) of one certificate by SHA-256, which is the default and so left out.
pub(crate) fn signing_certificate_v2(certificate: &Certificate) -> Vec<u8> {
    let digest = Sha256::of(certificate.der());
    let mut encoded = vec![0x30, 0x26, 0x30, 0x24, 0x30, 0x22, 0x04, 0x20];
    encoded.extend_from_slice(digest.as_bytes());
    encoded
}

/// What a CMS says of its first (only) signer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Said {
    /// The signature value.
    pub(crate) signature_value: Vec<u8>,
    /// Its digest algorithm.
    pub(crate) digest: Digest,
    /// The message digest that the signed attributes hold.
    pub(crate) message_digest: Vec<u8>,
}

/// What is signed.
pub(super) struct Content<'a> {
    /// Its type.
    pub(super) kind: ObjectIdentifier,
    /// Its bytes, if the CMS is to hold them; else it is detached.
    pub(super) held: Option<&'a [u8]>,
    /// Its digest, by the signer's digest algorithm.
    pub(super) digest: &'a [u8],
}

/// Whether the CMS holds the signer's certificates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Certificates {
    /// All of them.
    Chain,
    /// None: who asks has them.
    None,
}

/// Signs the byte range's digest, made by the signer's digest algorithm; gives the whole `ContentInfo` in DER,
/// without unsigned attributes.
pub(crate) fn sign(digest: &[u8], signer: &dyn Signer) -> Result<(Vec<u8>, Said), SealError> {
    let content = Content { kind: oids::DATA, held: None, digest };
    let (der, signature_value) = signed(&content, signer, Certificates::Chain)?;
    let message_digest = digest.to_vec();
    Ok((der, Said { signature_value, digest: signer.scheme().digest(), message_digest }))
}

/// Signs `content`; gives the whole `ContentInfo` in DER, and the signature value.
pub(super) fn signed(
    content: &Content<'_>,
    signer: &dyn Signer,
    certificates: Certificates,
) -> Result<(Vec<u8>, Vec<u8>), SealError> {
    let own = signer.chain().own()?;
    let attributes = SetOfVec::try_from(vec![
        attribute(oids::CONTENT_TYPE, Any::encode_from(&content.kind)?)?,
        attribute(oids::MESSAGE_DIGEST, Any::encode_from(&OctetString::new(content.digest)?)?)?,
        attribute(oids::SIGNING_CERTIFICATE_V2, Any::from_der(&signing_certificate_v2(own))?)?,
    ])?;
    let signature = signer.sign(&attributes.to_der()?)?;
    let tbs = &own.parsed().tbs_certificate;
    let sid = IssuerAndSerialNumber { issuer: tbs.issuer.clone(), serial_number: tbs.serial_number.clone() };
    let info = SignerInfo {
        version: CmsVersion::V1,
        sid: SignerIdentifier::IssuerAndSerialNumber(sid),
        digest_alg: signer.scheme().digest().identifier(),
        signed_attrs: Some(attributes),
        signature_algorithm: signer.scheme().identifier()?,
        signature: OctetString::new(signature.as_slice())?,
        unsigned_attrs: None,
    };
    let chain = (certificates == Certificates::Chain).then(|| certificate_set(signer.chain())).transpose()?;
    let data = SignedData {
        // RFC 5652, 5.1: 3 for any content but id-data.
        version: if content.kind == oids::DATA { CmsVersion::V1 } else { CmsVersion::V3 },
        digest_algorithms: SetOfVec::try_from(vec![info.digest_alg.clone()])?,
        encap_content_info: EncapsulatedContentInfo {
            econtent_type: content.kind,
            econtent: content.held.map(|held| Any::encode_from(&OctetString::new(held)?)).transpose()?,
        },
        certificates: chain,
        crls: None,
        signer_infos: SignerInfos(SetOfVec::try_from(vec![info])?),
    };
    Ok((encode(&data)?, signature))
}

fn certificate_set(chain: &Chain) -> Result<CertificateSet, SealError> {
    let certificates = chain.certificates().iter();
    let choices: Vec<_> = certificates.map(|c| CertificateChoices::Certificate(c.parsed().clone())).collect();
    Ok(CertificateSet(SetOfVec::try_from(choices)?))
}

fn encode(data: &SignedData) -> Result<Vec<u8>, SealError> {
    let info = ContentInfo { content_type: oids::SIGNED_DATA, content: Any::encode_from(data)? };
    Ok(info.to_der()?)
}

fn decode(cms: &[u8]) -> Result<(SignedData, SignerInfo), SealError> {
    let data: SignedData = ContentInfo::from_der(cms)?.content.decode_as()?;
    let info = data.signer_infos.0.iter().next().cloned().ok_or(SealError::NoSignerInfo)?;
    Ok((data, info))
}

/// Reads what a kept CMS says.
pub(crate) fn said(cms: &[u8]) -> Result<Said, SealError> {
    let (_, info) = decode(cms)?;
    let signature_value = info.signature.as_bytes().to_vec();
    let attributes = info.signed_attrs.ok_or(SealError::NoSignerInfo)?;
    let found = attributes.iter().find(|a| a.oid == oids::MESSAGE_DIGEST);
    let value = found.and_then(|a| a.values.iter().next()).ok_or(SealError::NoSignerInfo)?;
    let digest = Digest::named_by(&info.digest_alg);
    let digest = digest.ok_or_else(|| SealError::Encoding(format!("digest {}", info.digest_alg.oid)))?;
    Ok(Said { signature_value, digest, message_digest: value.value().to_vec() })
}

/// The same CMS with `proof` as unsigned attribute of the signer.
pub(crate) fn with_proof(cms: &[u8], proof: &[u8]) -> Result<Vec<u8>, SealError> {
    with_unsigned(cms, attribute(oids::LOG_PROOF, Any::encode_from(&OctetString::new(proof)?)?)?)
}

/// The same CMS with `token` (a `TimeStampToken`) as unsigned attribute of the signer.
pub(crate) fn with_timestamp(cms: &[u8], token: &[u8]) -> Result<Vec<u8>, SealError> {
    with_unsigned(cms, attribute(oids::TIMESTAMP_TOKEN, Any::from_der(token)?)?)
}

/// Adds an attribute unless there is one of its kind.
fn with_unsigned(cms: &[u8], added: Attribute) -> Result<Vec<u8>, SealError> {
    let (mut data, mut info) = decode(cms)?;
    let mut attributes = info.unsigned_attrs.take().unwrap_or_default();
    if attributes.iter().all(|known| known.oid != added.oid) {
        attributes.insert(added)?;
    }
    info.unsigned_attrs = Some(attributes);
    data.signer_infos = SignerInfos(SetOfVec::try_from(vec![info])?);
    encode(&data)
}
