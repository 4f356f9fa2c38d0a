//! Who seals: a key with its certificates. Today a P-256 key from a PKCS#8 file, by ring; RSA, PKCS#11 and
//! remote keys will be further signers behind the same trait. Knows no CMS and no PDF.

use der::pem::LineEnding;
use der::{SecretDocument, zeroize::Zeroizing};
use jiff::Timestamp;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use spki::AlgorithmIdentifierOwned;

use super::certificate::{Certificate, CertificateError};
use super::oids;

/// PEM label of a key (RFC 7468, 10).
const KEY_LABEL: &str = "PRIVATE KEY";

/// Why a key or a signer cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignerError {
    /// Not an unencrypted PKCS#8 P-256 key.
    #[error("not a P-256 key in PKCS#8: {0}")]
    Key(String),
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
    /// The certificate may not sign documents.
    #[error("the certificate's key usage permits no signature on documents")]
    Purpose,
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

/// A chain of certificates, the signer's own first, each issued by the next.
#[derive(Debug, Clone)]
pub struct Chain(Vec<Certificate>);

impl Chain {
    /// Takes certificates, the signer's own first.
    ///
    /// # Errors
    /// [`SignerError`] if there is none, they are no chain, or the first may not sign documents.
    pub fn new(certificates: Vec<Certificate>) -> Result<Self, SignerError> {
        let own = certificates.first().ok_or(SignerError::NoCertificate)?;
        if !own.may_sign_documents() {
            return Err(SignerError::Purpose);
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

    /// The CMS signature algorithm; its digest is SHA-256.
    fn algorithm(&self) -> AlgorithmIdentifierOwned;

    /// Signs `message` (not its digest); gives the signature value as CMS wants it.
    ///
    /// # Errors
    /// [`SignerError::Signing`] if the key is away or refuses: nothing was signed.
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignerError>;
}

/// A P-256 key. Signatures draw their nonce from the system, inside ring.
pub struct P256Key {
    pair: EcdsaKeyPair,
    random: SystemRandom,
}

impl std::fmt::Debug for P256Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("P256Key(…)")
    }
}

impl P256Key {
    /// Makes a new key; gives it as PEM of its PKCS#8 form.
    ///
    /// # Errors
    /// [`SignerError::Key`] if the system gives no randomness.
    pub fn generate_pem() -> Result<Zeroizing<String>, SignerError> {
        let random = SystemRandom::new();
        let made = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random);
        let pkcs8 = made.map_err(|e| SignerError::Key(e.to_string()))?;
        let document = SecretDocument::try_from(pkcs8.as_ref());
        let pem = document.and_then(|d| d.to_pem(KEY_LABEL, LineEnding::LF));
        pem.map_err(|e| SignerError::Key(e.to_string()))
    }

    /// Reads a key from PEM of an unencrypted PKCS#8 key.
    ///
    /// # Errors
    /// [`SignerError::Key`] if it is none or not on P-256.
    pub fn from_pem(pem: &str) -> Result<Self, SignerError> {
        let (label, document) = SecretDocument::from_pem(pem).map_err(|e| SignerError::Key(e.to_string()))?;
        if label != KEY_LABEL {
            return Err(SignerError::Key(format!("the PEM text holds {label}, expected {KEY_LABEL}")));
        }
        let random = SystemRandom::new();
        let read = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, document.as_bytes(), &random);
        Ok(Self { pair: read.map_err(|e| SignerError::Key(e.to_string()))?, random })
    }

    /// The public key, as an uncompressed point.
    pub fn public(&self) -> &[u8] {
        self.pair.public_key().as_ref()
    }

    /// Signs `message` with ECDSA and SHA-256; gives DER.
    ///
    /// # Errors
    /// [`SignerError::Signing`] if the system gives no randomness.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignerError> {
        let signature = self.pair.sign(&self.random, message).map_err(|_| SignerError::Signing)?;
        Ok(signature.as_ref().to_vec())
    }
}

/// ecdsa-with-SHA256, without parameters (RFC 5758, 3.2).
pub(crate) const fn ecdsa_sha_256() -> AlgorithmIdentifierOwned {
    AlgorithmIdentifierOwned { oid: oids::ECDSA_SHA_256, parameters: None }
}

/// A P-256 key from a file, with its certificates.
#[derive(Debug)]
pub struct FileSigner {
    key: P256Key,
    chain: Chain,
}

impl FileSigner {
    /// Takes the key and its certificates, both as PEM, the signer's own certificate first.
    ///
    /// # Errors
    /// [`SignerError`] if one of them cannot be used or they do not belong together.
    pub fn from_pem(key: &str, certificates: &str) -> Result<Self, SignerError> {
        let key = P256Key::from_pem(key)?;
        let chain = Chain::new(Certificate::all_from_pem(certificates.as_bytes())?)?;
        let own = &chain.own()?.parsed().tbs_certificate.subject_public_key_info;
        if own.subject_public_key.as_bytes() != Some(key.public()) {
            return Err(SignerError::OtherKey);
        }
        Ok(Self { key, chain })
    }
}

impl Signer for FileSigner {
    fn chain(&self) -> &Chain {
        &self.chain
    }

    fn algorithm(&self) -> AlgorithmIdentifierOwned {
        ecdsa_sha_256()
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignerError> {
        self.key.sign(message)
    }
}
