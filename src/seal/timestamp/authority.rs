//! A small time-stamping authority (RFC 3161) for the demonstration and for tests: its certificate marks specimens
//! there. Knows no HTTP; time and randomness are given.

use der::asn1::{GeneralizedTime, Int};
use der::{Any, Decode, Encode};
use jiff::Timestamp;

use super::super::SealError;
use super::super::cms::{self, Certificates, Content};
use super::super::issue::positive;
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
    serial: [u8; 16],
) -> Result<Any, SealError> {
    let seconds = u64::try_from(now.as_second()).map_err(|e| SealError::Encoding(e.to_string()))?;
    let time = GeneralizedTime::from_unix_duration(std::time::Duration::from_secs(seconds))?;
    let info = TstInfo {
        version: 1,
        policy: request.policy.unwrap_or(oids::POLICY_TIMESTAMPS),
        imprint: request.imprint.clone(),
        serial: Int::new(&positive(serial))?,
        time: Any::encode_from(&time)?,
        accuracy: Some(Accuracy { seconds: Some(1), millis: None, micros: None }),
        ordering: false,
        nonce: request.nonce.clone(),
        authority: None,
        extensions: None,
    };
    let held = info.to_der()?;
    let digest = signer.scheme().digest().of(&[&held]);
    let content = Content { kind: oids::TST_INFO, held: Some(&held), digest: &digest };
    let certificates = if request.certificates { Certificates::Chain } else { Certificates::None };
    Ok(Any::from_der(&cms::signed(&content, signer, certificates)?.0)?)
}
