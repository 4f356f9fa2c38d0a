//! Timestamps after RFC 3161 as bytes: the request, the answer, what a token says. Whether a token is to be believed
//! is decided by `verify`; how it is fetched is not known here.

pub mod authority;

use cms::content_info::ContentInfo;
use cms::signed_data::SignedData;
use const_oid::ObjectIdentifier;
use der::asn1::{BitString, Int, OctetString};
use der::{Any, Decode, Encode, Sequence, Tag, Tagged as _};
use jiff::Timestamp;
use spki::AlgorithmIdentifierOwned;
use x509_cert::ext::Extension;

use super::algorithms::Digest;
use super::oids;

/// Why there is no token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TimestampError {
    /// Not DER, or not of the form that RFC 3161 gives.
    #[error("the timestamp cannot be read: {0}")]
    Encoding(String),
    /// The authority refused.
    #[error("the time-stamping authority refused (PKIStatus {status}{}{text})", if text.is_empty() { "" } else { ": " })]
    Refused {
        /// `PKIStatus`, 2 and above.
        status: u8,
        /// What it said.
        text: String,
    },
    /// The answer holds no token although it says so.
    #[error("the time-stamping authority granted a timestamp and sent none")]
    NoToken,
    /// Over something else.
    #[error("the timestamp is over another digest than was sent")]
    OtherImprint,
    /// An answer to another request.
    #[error("the timestamp answers another request (nonce)")]
    OtherNonce,
}

impl From<der::Error> for TimestampError {
    fn from(error: der::Error) -> Self {
        Self::Encoding(error.to_string())
    }
}

fn unreadable(text: &str) -> TimestampError {
    TimestampError::Encoding(text.to_owned())
}

/// `MessageImprint` (RFC 3161, 2.4.1).
#[derive(Debug, Clone, PartialEq, Eq, Sequence)]
struct MessageImprint {
    algorithm: AlgorithmIdentifierOwned,
    value: OctetString,
}

/// `TimeStampReq` (RFC 3161, 2.4.1).
#[derive(Debug, Clone, PartialEq, Eq, Sequence)]
struct TimeStampReq {
    version: u8,
    imprint: MessageImprint,
    #[asn1(optional = "true")]
    policy: Option<ObjectIdentifier>,
    #[asn1(optional = "true")]
    nonce: Option<Int>,
    #[asn1(default = "no")]
    certificates: bool,
    #[asn1(context_specific = "0", tag_mode = "IMPLICIT", optional = "true")]
    extensions: Option<Vec<Extension>>,
}

/// `PKIStatusInfo` (RFC 3161, 2.4.2).
#[derive(Debug, Clone, PartialEq, Eq, Sequence)]
struct PkiStatusInfo {
    status: u8,
    #[asn1(optional = "true")]
    text: Option<Vec<String>>,
    #[asn1(optional = "true")]
    failure: Option<BitString>,
}

/// `TimeStampResp` (RFC 3161, 2.4.2).
#[derive(Debug, Clone, PartialEq, Eq, Sequence)]
struct TimeStampResp {
    status: PkiStatusInfo,
    #[asn1(optional = "true")]
    token: Option<Any>,
}

/// `Accuracy` (RFC 3161, 2.4.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Sequence)]
struct Accuracy {
    #[asn1(optional = "true")]
    seconds: Option<u32>,
    #[asn1(context_specific = "0", tag_mode = "IMPLICIT", optional = "true")]
    millis: Option<u16>,
    #[asn1(context_specific = "1", tag_mode = "IMPLICIT", optional = "true")]
    micros: Option<u16>,
}

/// `TSTInfo` (RFC 3161, 2.4.2). The time stays undecoded: it may have a fraction, which der's own type refuses.
#[derive(Debug, Clone, PartialEq, Eq, Sequence)]
struct TstInfo {
    version: u8,
    policy: ObjectIdentifier,
    imprint: MessageImprint,
    serial: Int,
    time: Any,
    #[asn1(optional = "true")]
    accuracy: Option<Accuracy>,
    #[asn1(default = "no")]
    ordering: bool,
    #[asn1(optional = "true")]
    nonce: Option<Int>,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
    authority: Option<Any>,
    #[asn1(context_specific = "1", tag_mode = "IMPLICIT", optional = "true")]
    extensions: Option<Vec<Extension>>,
}

const fn no() -> bool {
    false
}

/// What a token says; believed only once its signature was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// Digest that it is over, and its value.
    pub digest: Digest,
    /// The value.
    pub imprint: Vec<u8>,
    /// When the authority saw it.
    pub time: Timestamp,
    /// Policy of the authority.
    pub policy: ObjectIdentifier,
    nonce: Option<Int>,
}

impl Said {
    /// Reads `TSTInfo` in DER.
    ///
    /// # Errors
    /// [`TimestampError::Encoding`].
    pub fn from_der(der: &[u8]) -> Result<Self, TimestampError> {
        let info = TstInfo::from_der(der)?;
        if info.version != 1 {
            return Err(unreadable("it is not of version 1"));
        }
        if info.extensions.iter().flatten().any(|extension| extension.critical) {
            return Err(unreadable("it has a critical extension"));
        }
        let digest = Digest::named_by(&info.imprint.algorithm);
        let digest = digest.ok_or_else(|| unreadable("its digest algorithm is not accepted"))?;
        let imprint = info.imprint.value.as_bytes().to_vec();
        if imprint.len() != usize::from(digest.octets()) {
            return Err(unreadable("its digest has not the length of its algorithm"));
        }
        let time = generalized_time(&info.time).ok_or_else(|| unreadable("its time is not one"))?;
        Ok(Self { digest, imprint, time, policy: info.policy, nonce: info.nonce })
    }

    /// True if it is over `parts`, one after the other.
    pub fn is_over(&self, parts: &[&[u8]]) -> bool {
        self.digest.of(parts) == self.imprint
    }
}

/// `YYYYMMDDHHMMSS[.f…]Z` (RFC 3161, 2.4.2: seconds are required, a fraction has no trailing zeros).
fn generalized_time(value: &Any) -> Option<Timestamp> {
    if value.tag() != Tag::GeneralizedTime {
        return None;
    }
    let text = std::str::from_utf8(value.value()).ok()?.strip_suffix('Z')?;
    let (whole, fraction) = match text.split_once('.') {
        Some((_, "")) => return None,
        Some((_, fraction)) if fraction.ends_with('0') || fraction.len() > 9 => return None,
        Some((whole, fraction)) => (whole, format!(".{fraction}")),
        None => (text, String::new()),
    };
    if whole.len() != 14 || !text.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
        return None;
    }
    let part = |range: std::ops::Range<usize>| whole.get(range).unwrap_or_default();
    let (year, month, day) = (part(0..4), part(4..6), part(6..8));
    let (hour, minute, second) = (part(8..10), part(10..12), part(12..14));
    format!("{year}-{month}-{day}T{hour}:{minute}:{second}{fraction}Z").parse().ok()
}

/// A token as it was received, in DER.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token(Vec<u8>);

impl Token {
    /// The `ContentInfo`, for an unsigned attribute or a document timestamp.
    pub fn as_der(&self) -> &[u8] {
        &self.0
    }

    /// What it says.
    ///
    /// # Errors
    /// [`TimestampError::Encoding`].
    pub fn said(&self) -> Result<Said, TimestampError> {
        Said::from_der(&content(&signed_data(&self.0)?)?)
    }
}

fn signed_data(token: &[u8]) -> Result<SignedData, TimestampError> {
    let info = ContentInfo::from_der(token)?;
    if info.content_type != oids::SIGNED_DATA {
        return Err(unreadable("it is no SignedData"));
    }
    Ok(info.content.decode_as()?)
}

/// `TSTInfo` in DER, as the signed data hold it.
///
/// # Errors
/// [`TimestampError::Encoding`] if they hold something else.
pub(crate) fn content(data: &SignedData) -> Result<Vec<u8>, TimestampError> {
    let held = &data.encap_content_info;
    if held.econtent_type != oids::TST_INFO {
        return Err(unreadable("it holds something else than a timestamp"));
    }
    let content: OctetString =
        held.econtent.as_ref().ok_or_else(|| unreadable("it is empty"))?.decode_as()?;
    Ok(content.as_bytes().to_vec())
}

/// A request for a timestamp over a digest. The nonce ties the answer to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    digest: Digest,
    imprint: Vec<u8>,
    nonce: Int,
}

impl Request {
    /// Asks for a timestamp over `parts`, one after the other. `nonce`: drawn anew for each request.
    ///
    /// # Errors
    /// Never for these values; the encoder's own error otherwise.
    pub fn over(digest: Digest, parts: &[&[u8]], nonce: u64) -> Result<Self, TimestampError> {
        // A positive INTEGER of at most eight octets (RFC 3161, 2.4.1).
        let positive = (nonce >> 1) | 1 << 62;
        let nonce = Int::new(&positive.to_be_bytes())?;
        Ok(Self { digest, imprint: digest.of(parts), nonce })
    }

    /// `TimeStampReq` in DER; the authority is to send its certificates.
    ///
    /// # Errors
    /// Never for these values; the encoder's own error otherwise.
    pub fn to_der(&self) -> Result<Vec<u8>, TimestampError> {
        let request = TimeStampReq {
            version: 1,
            imprint: MessageImprint {
                algorithm: self.digest.identifier(),
                value: OctetString::new(self.imprint.as_slice())?,
            },
            policy: None,
            nonce: Some(self.nonce.clone()),
            certificates: true,
            extensions: None,
        };
        Ok(request.to_der()?)
    }

    /// Takes `TimeStampResp` in DER. The token answers this request; its signature is not looked at.
    ///
    /// # Errors
    /// [`TimestampError`].
    pub fn token(&self, answer: &[u8]) -> Result<Token, TimestampError> {
        let answer = TimeStampResp::from_der(answer)?;
        let PkiStatusInfo { status, text, .. } = answer.status;
        if status > 1 {
            return Err(TimestampError::Refused { status, text: text.unwrap_or_default().join(" ") });
        }
        let token = Token(answer.token.ok_or(TimestampError::NoToken)?.to_der()?);
        let said = token.said()?;
        if said.digest != self.digest || said.imprint != self.imprint {
            return Err(TimestampError::OtherImprint);
        }
        if said.nonce.as_ref() != Some(&self.nonce) {
            return Err(TimestampError::OtherNonce);
        }
        Ok(token)
    }
}

#[cfg(test)]
mod tests;
