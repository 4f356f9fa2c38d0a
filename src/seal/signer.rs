//! Who seals: a key with its certificates. The key lies in a file; others come behind the same trait.
//! Knows no CMS and no PDF.

use jiff::Timestamp;

use super::algorithms::Scheme;
use super::certificate::{Certificate, CertificateError};
use super::key::FileKey;

/// Why a key or a signer cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignerError {
    /// Not a key in PKCS#8 of a kind that signs here.
    #[error("not a key in PKCS#8 on P-256, on P-384 or of RSA: {0}")]
    Key(String),
    /// An enciphered key and its passphrase do not come together.
    #[error("{0}")]
    Passphrase(&'static str),
    /// The key refused to sign.
    #[error("the key did not sign")]
    Signing,
    /// A certificate of the chain cannot be used.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// No certificate at all.
    #[error("a signer needs its certificate")]
    NoCertificate,
    /// The first certificate belongs to another key.
    #[error("the first certificate does not belong to the key")]
    OtherKey,
    /// A certificate was not issued by the one after it.
    #[error("certificate {index} of the chain was not issued by the one after it")]
    BrokenChain {
        /// Position in the chain, from 0.
        index: usize,
    },
    /// The certificate may not sign this.
    #[error("the certificate's key usage permits no signature on {0}")]
    Purpose(MeantFor),
    /// Before the validity of a certificate.
    #[error("the certificate is valid from {not_before} only; the signature would say {at}")]
    NotYetValid {
        /// First instant of validity.
        not_before: Timestamp,
        /// Time of signing.
        at: Timestamp,
    },
    /// After the validity of a certificate.
    #[error("the certificate was valid until {not_after}; the signature would say {at}")]
    Expired {
        /// Last instant of validity.
        not_after: Timestamp,
        /// Time of signing.
        at: Timestamp,
    },
}

/// What a key signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MeantFor {
    /// Documents.
    Documents,
    /// Timestamps.
    Timestamps,
}

impl std::fmt::Display for MeantFor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Documents => "documents",
            Self::Timestamps => "timestamps (extended key usage timeStamping, critical and alone)",
        })
    }
}

/// A chain of certificates, the signer's own first, each issued by the next.
#[derive(Debug, Clone)]
pub struct Chain(Vec<Certificate>);

impl Chain {
    /// Takes certificates, the signer's own first.
    ///
    /// # Errors
    /// [`SignerError`] if there is none, they are no chain, or the first is not `meant_for` this.
    pub fn new(certificates: Vec<Certificate>, meant_for: MeantFor) -> Result<Self, SignerError> {
        let own = certificates.first().ok_or(SignerError::NoCertificate)?;
        let may = match meant_for {
            MeantFor::Documents => own.may_sign_documents(),
            MeantFor::Timestamps => own.may_sign_timestamps(),
        };
        if !may {
            return Err(SignerError::Purpose(meant_for));
        }
        for (index, pair) in certificates.windows(2).enumerate() {
            if let [subject, issuer] = pair
                && !(subject.names_as_issuer(issuer) && subject.is_signed_by(issuer))
            {
                return Err(SignerError::BrokenChain { index });
            }
        }
        Ok(Self(certificates))
    }

    /// The certificates, the signer's own first.
    pub fn certificates(&self) -> &[Certificate] {
        &self.0
    }

    /// The signer's own certificate.
    ///
    /// # Errors
    /// [`SignerError::NoCertificate`], which [`Self::new`] rules out.
    pub fn own(&self) -> Result<&Certificate, SignerError> {
        self.0.first().ok_or(SignerError::NoCertificate)
    }

    /// Whether one of them marks specimens.
    pub fn is_specimen(&self) -> bool {
        self.0.iter().any(Certificate::is_specimen)
    }

    /// Refuses instants at which one of the certificates is not valid.
    ///
    /// # Errors
    /// [`SignerError::NotYetValid`] or [`SignerError::Expired`].
    pub fn valid_at(&self, at: Timestamp) -> Result<(), SignerError> {
        for certificate in &self.0 {
            let (not_before, not_after) = (certificate.not_before(), certificate.not_after());
            if at < not_before {
                return Err(SignerError::NotYetValid { not_before, at });
            }
            if at > not_after {
                return Err(SignerError::Expired { not_after, at });
            }
        }
        Ok(())
    }
}

/// A key that makes signatures, with its certificates.
pub trait Signer: Send + Sync {
    /// The certificates, the signer's own first.
    fn chain(&self) -> &Chain;

    /// How it signs.
    fn scheme(&self) -> Scheme;

    /// Signs `message` (not its digest); gives the signature value as CMS wants it.
    ///
    /// # Errors
    /// [`SignerError::Signing`] if the key is away or refuses: nothing was signed.
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignerError>;
}

/// A key from a file, with its certificates.
#[derive(Debug)]
pub struct FileSigner {
    key: FileKey,
    chain: Chain,
}

impl FileSigner {
    /// Takes the key and its certificates, both as PEM, the signer's own certificate first.
    ///
    /// # Errors
    /// [`SignerError`] if one of them cannot be used or they do not belong together.
    pub fn from_pem(key: &str, certificates: &str) -> Result<Self, SignerError> {
        Self::new(FileKey::from_pem(key, None)?, certificates, MeantFor::Documents)
    }

    /// Takes a key and its certificates as PEM, the signer's own certificate first.
    ///
    /// # Errors
    /// [`SignerError`] if one of them cannot be used or they do not belong together.
    pub fn new(key: FileKey, certificates: &str, meant_for: MeantFor) -> Result<Self, SignerError> {
        let chain = Chain::new(Certificate::all_from_pem(certificates.as_bytes())?, meant_for)?;
        let own = &chain.own()?.parsed().tbs_certificate.subject_public_key_info;
        if own.subject_public_key.as_bytes() != Some(key.public())
            || key.public_key_info().map_or(true, |info| info.algorithm.oid != own.algorithm.oid)
        {
            return Err(SignerError::OtherKey);
        }
        Ok(Self { key, chain })
    }
}

impl Signer for FileSigner {
    fn chain(&self) -> &Chain {
        &self.chain
    }

    fn scheme(&self) -> Scheme {
        self.key.scheme()
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignerError> {
        self.key.sign(message)
    }
}
