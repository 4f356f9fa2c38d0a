//! The seal: keys, certificates, CMS signatures after PAdES, in three pure steps that the flow repeats at will:
//! [`prepare`] the revision, [`Prepared::sign`] its digest (kept: a retry uses it again), [`Prepared::finish`]
//! with the log's proof. Knows no database, no log and no clock.

pub mod algorithms;
pub mod certificate;
mod cms;
pub mod demo_ca;
pub mod issue;
pub mod key;
pub mod oids;
pub mod signer;
pub mod timestamp;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::domain::digest::Sha256;
use crate::pdf::append::{self, AppendError, Certification, TooBig};
use algorithms::{Digest, Scheme};
use signer::{Signer, SignerError};

/// The signing profile fixes the size of the hole for ever: a version never changes.
///
/// | profile | chain, attributes, signature | timestamp | proof with cosignatures | room |
/// |---|---|---|---|---|
/// | `p256-v1` | 2.0 KiB | 2.5 KiB | 2.5 KiB | 8 KiB |
/// | `p384-v1` | 2.2 KiB | 2.5 KiB | 2.5 KiB | 8 KiB |
/// | `rsa-v1` | 5.5 KiB | 6.0 KiB | 2.5 KiB | 16 KiB |
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Profile {
    /// P-256 keys and SHA-256.
    #[serde(rename = "p256-v1")]
    P256V1,
    /// P-384 keys and SHA-384.
    #[serde(rename = "p384-v1")]
    P384V1,
    /// RSA keys up to 4096 bits, PSS with SHA-256.
    #[serde(rename = "rsa-v1")]
    RsaV1,
}

impl Profile {
    /// The newest profile for keys that sign by `scheme`.
    pub const fn of(scheme: Scheme) -> Self {
        match scheme {
            Scheme::EcdsaP256 => Self::P256V1,
            Scheme::EcdsaP384 => Self::P384V1,
            Scheme::RsaPss => Self::RsaV1,
        }
    }

    /// Room of the hole in bytes of DER.
    pub const fn room(self) -> usize {
        match self {
            Self::P256V1 | Self::P384V1 => 8 * 1024,
            Self::RsaV1 => 16 * 1024,
        }
    }
}

/// Why a seal was not made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The PDF cannot take a signature.
    #[error(transparent)]
    Append(#[from] AppendError),
    /// Key or certificate cannot be used, or not at this time.
    #[error(transparent)]
    Signer(#[from] SignerError),
    /// The CMS cannot be encoded or decoded.
    #[error("the CMS cannot be encoded or read: {0}")]
    Encoding(String),
    /// A kept CMS without its signer.
    #[error("the CMS holds no signer")]
    NoSignerInfo,
    /// A kept CMS over another digest.
    #[error("the kept signature covers {got}, the prepared file is {expected}")]
    OtherFile {
        /// Digest of the prepared file, hex.
        expected: String,
        /// Digest in the kept CMS, hex.
        got: String,
    },
    /// More than the hole of this profile holds.
    #[error(transparent)]
    TooBig(#[from] TooBig),
}

impl From<der::Error> for SealError {
    fn from(error: der::Error) -> Self {
        Self::Encoding(error.to_string())
    }
}

/// What the signature says of itself, fixed in the request row.
#[derive(Debug, Clone)]
pub struct Statement<'a> {
    /// `/M`, the claimed time; never before the certificate's validity.
    pub signing_time: Timestamp,
    /// `/Name`: the registrar or the authority.
    pub name: &'a str,
    /// `/Reason`.
    pub reason: &'a str,
}

/// A composed PDF with its signature revision; the hole is empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prepared {
    pdf: append::Prepared,
    digest: Sha256,
    signing_time: Timestamp,
}

/// A signature as the flow keeps it: the CMS in DER, without proof. A retry uses it again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    cms: Vec<u8>,
    /// What stands in it, read once.
    said: cms::Said,
}

/// Adds the signature revision to a composed PDF. Pure: same input, same bytes.
///
/// # Errors
/// [`SealError::Append`] if the PDF is not one that can be certified.
pub fn prepare(composed: &[u8], profile: Profile, statement: &Statement<'_>) -> Result<Prepared, SealError> {
    let pdf = append::certify(
        composed,
        &Certification {
            signing_time: statement.signing_time,
            name: statement.name,
            reason: statement.reason,
            field_label: "Elektronische Signatur",
            room: profile.room(),
        },
    )?;
    Ok(Prepared { digest: pdf.byte_range_digest(), pdf, signing_time: statement.signing_time })
}

impl Prepared {
    /// SHA-256 over all bytes but the hole.
    pub const fn byte_range_digest(&self) -> &Sha256 {
        &self.digest
    }

    /// Signs. The result is random (ECDSA): keep it and use it again on a retry.
    ///
    /// # Errors
    /// [`SignerError::NotYetValid`], [`SignerError::Expired`]: `/M` is outside the validity of the signer's
    /// certificates; [`SignerError::Signing`]: the key did not sign.
    pub fn sign(&self, signer: &dyn Signer) -> Result<Signature, SealError> {
        signer.chain().valid_at(self.signing_time)?;
        let digest = self.message_digest(signer.scheme().digest());
        let (cms, said) = cms::sign(&digest, signer)?;
        Ok(Signature { cms, said })
    }

    /// The digest over all bytes but the hole that the CMS holds.
    fn message_digest(&self, digest: Digest) -> Vec<u8> {
        if digest == Digest::Sha256 {
            self.digest.as_bytes().to_vec()
        } else {
            digest.of(&self.pdf.covered())
        }
    }

    /// `SHA-256(byte range digest ‖ SHA-256(signature value))`: what the log's leaf commits to.
    ///
    /// # Errors
    /// [`SealError::OtherFile`] if `signature` was made for another file.
    pub fn seal_digest(&self, signature: &Signature) -> Result<Sha256, SealError> {
        self.belongs(signature)?;
        Ok(seal_digest(&self.digest, &signature.said.signature_value))
    }

    /// Fills the hole: the signature, with the log's proof as unsigned attribute. Gives revision 1.
    ///
    /// # Errors
    /// [`SealError::OtherFile`] if `signature` was made for another file, [`SealError::TooBig`].
    pub fn finish(self, signature: &Signature, proof: Option<&[u8]>) -> Result<Vec<u8>, SealError> {
        self.belongs(signature)?;
        let cms = match proof {
            Some(proof) => cms::with_proof(&signature.cms, proof)?,
            None => signature.cms.clone(),
        };
        Ok(self.pdf.fill(&cms)?)
    }

    fn belongs(&self, signature: &Signature) -> Result<(), SealError> {
        let got = &signature.said.message_digest;
        let expected = self.message_digest(signature.said.digest);
        if *got == expected {
            return Ok(());
        }
        Err(SealError::OtherFile { expected: hex::encode(expected), got: hex::encode(got) })
    }
}

impl Signature {
    /// Takes back a signature that was kept.
    ///
    /// # Errors
    /// [`SealError::Encoding`], [`SealError::NoSignerInfo`] if it is none.
    pub fn from_der(cms: Vec<u8>) -> Result<Self, SealError> {
        let said = cms::said(&cms)?;
        Ok(Self { cms, said })
    }

    /// The same with a timestamp over its value (RFC 3161, appendix A) as unsigned attribute; one that it has
    /// already stays, and the new one is dropped.
    ///
    /// # Errors
    /// [`SealError::Encoding`] if `token` is not DER.
    pub fn stamped(self, token: &[u8]) -> Result<Self, SealError> {
        let cms = cms::with_timestamp(&self.cms, token)?;
        Ok(Self { cms, said: self.said })
    }

    /// The signature value: what a timestamp of the signature is over.
    pub fn value(&self) -> &[u8] {
        &self.said.signature_value
    }

    /// The CMS in DER, for the row.
    pub fn as_der(&self) -> &[u8] {
        &self.cms
    }
}

/// `SHA-256(byte range digest ‖ SHA-256(signature value))`.
pub fn seal_digest(byte_range_digest: &Sha256, signature_value: &[u8]) -> Sha256 {
    Sha256::of_parts(&[byte_range_digest.as_bytes(), Sha256::of(signature_value).as_bytes()])
}

#[cfg(test)]
mod tests;
