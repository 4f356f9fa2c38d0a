//! A small time-stamping authority (RFC 3161) for the demonstration and for tests: its certificate marks specimens
//! there. Knows no HTTP; time and randomness are given.

use cms::cert::{CertificateChoices, IssuerAndSerialNumber};
use cms::content_info::{CmsVersion, ContentInfo};
use cms::signed_data::{
    CertificateSet, EncapsulatedContentInfo, SignedData, SignerIdentifier, SignerInfo, SignerInfos,
};
use der::asn1::{GeneralizedTime, Int, OctetString, SetOfVec};
use der::{Any, Decode, Encode};
use jiff::Timestamp;

use super::super::SealError;
use super::super::cms::{attribute, signing_certificate_v2};
use super::super::oids;
use super::super::signer::Signer;
use super::{Accuracy, Digest, PkiStatusInfo, TimeStampReq, TimeStampResp, TstInfo};

/// `PKIStatus` (RFC 3161, 2.4.2): granted, rejection.
const GRANTED: u8 = 0;
const REJECTION: u8 = 2;

/// Answers `TimeStampReq` in DER with `TimeStampResp` in DER: a token of `signer`, whose certificate is for nothing
/// but timestamps, or a refusal that says why. `serial`: drawn anew for each answer.
///
/// # Errors
/// [`SealError`] if the key does not sign.
pub fn answer(
    request: &[u8],
    signer: &dyn Signer,
    now: Timestamp,
    serial: [u8; 16],
) -> Result<Vec<u8>, SealError> {
    let (status, text, token) = match TimeStampReq::from_der(request) {
        Ok(request) if request.version != 1 => (REJECTION, Some("expected version 1"), None),
        Ok(request) => match Digest::named_by(&request.imprint.algorithm) {
            Some(digest) if request.imprint.value.as_bytes().len() == usize::from(digest.octets()) => {
                (GRANTED, None, Some(token(&request, signer, now, serial)?))
            }
            _ => (REJECTION, Some("expected a digest of the SHA-2 family"), None),
        },
        Err(_) => (REJECTION, Some("not a TimeStampReq in DER"), None),
    };
    let text = text.map(|text| vec![text.to_owned()]);
    Ok(TimeStampResp { status: PkiStatusInfo { status, text, failure: None }, token }.to_der()?)
}

fn token(
    request: &TimeStampReq,
    signer: &dyn Signer,
    now: Timestamp,
    mut serial: [u8; 16],
) -> Result<Any, SealError> {
    if let Some(first) = serial.first_mut() {
        *first = *first & 0x3f | 0x40; // positive, and of one length
    }
    let seconds = u64::try_from(now.as_second()).map_err(|e| SealError::Encoding(e.to_string()))?;
    let time = GeneralizedTime::from_unix_duration(std::time::Duration::from_secs(seconds))?;
    let info = TstInfo {
        version: 1,
        policy: request.policy.unwrap_or(oids::POLICY_TIMESTAMPS),
        imprint: request.imprint.clone(),
        serial: Int::new(&serial)?,
        time: Any::encode_from(&time)?,
        accuracy: Some(Accuracy { seconds: Some(1), millis: None, micros: None }),
        ordering: false,
        nonce: request.nonce.clone(),
        authority: None,
        extensions: None,
    };
    let content = info.to_der()?;
    let own = signer.chain().own()?;
    let digest = signer.scheme().digest();
    let signed = SetOfVec::try_from(vec![
        attribute(oids::CONTENT_TYPE, Any::encode_from(&oids::TST_INFO)?)?,
        attribute(oids::MESSAGE_DIGEST, Any::encode_from(&OctetString::new(digest.of(&[&content]))?)?)?,
        attribute(oids::SIGNING_CERTIFICATE_V2, Any::from_der(&signing_certificate_v2(own))?)?,
    ])?;
    let tbs = &own.parsed().tbs_certificate;
    let sid = IssuerAndSerialNumber { issuer: tbs.issuer.clone(), serial_number: tbs.serial_number.clone() };
    let signer_info = SignerInfo {
        version: CmsVersion::V1,
        sid: SignerIdentifier::IssuerAndSerialNumber(sid),
        digest_alg: digest.identifier(),
        signature: OctetString::new(signer.sign(&signed.to_der()?)?)?,
        signed_attrs: Some(signed),
        signature_algorithm: signer.scheme().identifier()?,
        unsigned_attrs: None,
    };
    let chain = signer.chain().certificates().iter();
    let chain: Vec<_> = chain.map(|c| CertificateChoices::Certificate(c.parsed().clone())).collect();
    let data = SignedData {
        version: CmsVersion::V3,
        digest_algorithms: SetOfVec::try_from(vec![digest.identifier()])?,
        encap_content_info: EncapsulatedContentInfo {
            econtent_type: oids::TST_INFO,
            econtent: Some(Any::encode_from(&OctetString::new(content)?)?),
        },
        certificates: request
            .certificates
            .then(|| SetOfVec::try_from(chain).map(CertificateSet))
            .transpose()?,
        crls: None,
        signer_infos: SignerInfos(SetOfVec::try_from(vec![signer_info])?),
    };
    let info = ContentInfo { content_type: oids::SIGNED_DATA, content: Any::encode_from(&data)? };
    Ok(Any::from_der(&info.to_der()?)?)
}
