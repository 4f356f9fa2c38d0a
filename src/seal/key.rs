//! Keys that lie in files: P-256, P-384 and RSA, in PKCS#8 (RFC 5958), plain or enciphered by a passphrase, read
//! and used by ring. Knows no certificates.

use const_oid::ObjectIdentifier;
use der::asn1::{BitString, Null};
use der::pem::LineEnding;
use der::zeroize::Zeroizing;
use der::{Any, Decode as _, SecretDocument};
use pkcs8::{EncryptedPrivateKeyInfo, PrivateKeyInfo};
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm,
    KeyPair as _, RSA_PSS_SHA256, RsaKeyPair,
};
use spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoOwned};

use super::algorithms::Scheme;
use super::oids;
use super::signer::SignerError;

/// PEM label of a key (RFC 7468, 10).
const PLAIN: &str = "PRIVATE KEY";
/// PEM label of an enciphered key (RFC 7468, 11).
const ENCIPHERED: &str = "ENCRYPTED PRIVATE KEY";
/// Shorter RSA keys are refused (BSI TR-02102-1: 3000 bits and more).
const RSA_BITS_MIN: usize = 3072;

enum Pair {
    Ecdsa(EcdsaKeyPair),
    Rsa(RsaKeyPair),
}

/// A key from a file. Signatures draw their randomness from the system, inside ring.
pub struct FileKey {
    pair: Pair,
    scheme: Scheme,
    random: SystemRandom,
}

impl std::fmt::Debug for FileKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "FileKey({:?})", self.scheme)
    }
}

fn bad(error: impl std::fmt::Display) -> SignerError {
    SignerError::Key(error.to_string())
}

impl FileKey {
    /// Makes a new P-256 key; gives it as PEM of its PKCS#8 form.
    ///
    /// # Errors
    /// [`SignerError::Key`] if the system gives no randomness.
    pub fn generate_p256() -> Result<Zeroizing<String>, SignerError> {
        generate(&ECDSA_P256_SHA256_ASN1_SIGNING)
    }

    /// Makes a new P-384 key; gives it as PEM of its PKCS#8 form.
    ///
    /// # Errors
    /// [`SignerError::Key`] if the system gives no randomness.
    pub fn generate_p384() -> Result<Zeroizing<String>, SignerError> {
        generate(&ECDSA_P384_SHA384_ASN1_SIGNING)
    }

    /// Reads a key from PEM of a PKCS#8 key, deciphered by `passphrase` if it is enciphered (PBES2, RFC 8018).
    ///
    /// # Errors
    /// [`SignerError::Key`] if it is none, none of the kinds above, or too short;
    /// [`SignerError::Passphrase`] if it is enciphered and the passphrase is missing or wrong, or the other way round.
    pub fn from_pem(pem: &str, passphrase: Option<&[u8]>) -> Result<Self, SignerError> {
        let (label, document) = SecretDocument::from_pem(pem).map_err(bad)?;
        let plain = match (label, passphrase) {
            (PLAIN, None) => document,
            (PLAIN, Some(_)) => {
                return Err(SignerError::Passphrase("the key is not enciphered, and a passphrase is given"));
            }
            (ENCIPHERED, None) => return Err(SignerError::Passphrase("the key is enciphered")),
            (ENCIPHERED, Some(passphrase)) => decipher(&document, passphrase)?,
            _ => return Err(bad(format!("the PEM text holds {label}, expected {PLAIN} or {ENCIPHERED}"))),
        };
        Self::from_pkcs8(plain.as_bytes())
    }

    fn from_pkcs8(der: &[u8]) -> Result<Self, SignerError> {
        let algorithm = PrivateKeyInfo::from_der(der).map_err(bad)?.algorithm;
        let random = SystemRandom::new();
        let (pair, scheme) = match algorithm.oid {
            oids::RSA_ENCRYPTION => {
                let pair = RsaKeyPair::from_pkcs8(der).map_err(bad)?;
                let bits = pair.public().modulus_len() * 8;
                if bits < RSA_BITS_MIN {
                    return Err(bad(format!("an RSA key of {bits} bits, expected {RSA_BITS_MIN} or more")));
                }
                (Pair::Rsa(pair), Scheme::RsaPss)
            }
            oids::EC_PUBLIC_KEY => {
                let (signing, scheme) = curve(algorithm.parameters_oid().map_err(bad)?)?;
                (Pair::Ecdsa(EcdsaKeyPair::from_pkcs8(signing, der, &random).map_err(bad)?), scheme)
            }
            other => return Err(bad(format!("a key of the kind {other}, expected P-256, P-384 or RSA"))),
        };
        Ok(Self { pair, scheme, random })
    }

    /// How it signs.
    pub const fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The bits of the public key as a certificate holds them: an uncompressed point, or `RSAPublicKey` in DER.
    pub fn public(&self) -> &[u8] {
        match &self.pair {
            Pair::Ecdsa(pair) => pair.public_key().as_ref(),
            Pair::Rsa(pair) => pair.public_key().as_ref(),
        }
    }

    /// The public key as a certificate holds it.
    ///
    /// # Errors
    /// Never for a key that was read; the encoder's own error otherwise.
    pub fn public_key_info(&self) -> Result<SubjectPublicKeyInfoOwned, der::Error> {
        let (oid, parameters) = match self.scheme {
            Scheme::EcdsaP256 => (oids::EC_PUBLIC_KEY, Any::encode_from(&oids::P_256)?),
            Scheme::EcdsaP384 => (oids::EC_PUBLIC_KEY, Any::encode_from(&oids::P_384)?),
            Scheme::RsaPss => (oids::RSA_ENCRYPTION, Any::encode_from(&Null)?),
        };
        let algorithm = AlgorithmIdentifierOwned { oid, parameters: Some(parameters) };
        Ok(SubjectPublicKeyInfoOwned { algorithm, subject_public_key: BitString::from_bytes(self.public())? })
    }

    /// Signs `message`; gives the value as CMS and X.509 hold it.
    ///
    /// # Errors
    /// [`SignerError::Signing`] if the system gives no randomness.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignerError> {
        match &self.pair {
            Pair::Ecdsa(pair) => {
                let signature = pair.sign(&self.random, message).map_err(|_| SignerError::Signing)?;
                Ok(signature.as_ref().to_vec())
            }
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public().modulus_len()];
                let signed = pair.sign(&RSA_PSS_SHA256, &self.random, message, &mut signature);
                signed.map(|()| signature).map_err(|_| SignerError::Signing)
            }
        }
    }
}

fn curve(oid: ObjectIdentifier) -> Result<(&'static EcdsaSigningAlgorithm, Scheme), SignerError> {
    match oid {
        oids::P_256 => Ok((&ECDSA_P256_SHA256_ASN1_SIGNING, Scheme::EcdsaP256)),
        oids::P_384 => Ok((&ECDSA_P384_SHA384_ASN1_SIGNING, Scheme::EcdsaP384)),
        other => Err(bad(format!("a key on the curve {other}, expected P-256 or P-384"))),
    }
}

fn decipher(document: &SecretDocument, passphrase: &[u8]) -> Result<SecretDocument, SignerError> {
    let info = EncryptedPrivateKeyInfo::from_der(document.as_bytes()).map_err(bad)?;
    info.decrypt(passphrase).map_err(|_| SignerError::Passphrase("the passphrase does not open the key"))
}

fn generate(algorithm: &'static EcdsaSigningAlgorithm) -> Result<Zeroizing<String>, SignerError> {
    let pkcs8 = EcdsaKeyPair::generate_pkcs8(algorithm, &SystemRandom::new()).map_err(bad)?;
    let document = SecretDocument::try_from(pkcs8.as_ref()).map_err(bad)?;
    document.to_pem(PLAIN, LineEnding::LF).map_err(bad)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_enciphered_key_is_opened_by_its_passphrase_only() {
        let plain = FileKey::generate_p384().unwrap();
        let (_, document) = SecretDocument::from_pem(&plain).unwrap();
        let info = PrivateKeyInfo::from_der(document.as_bytes()).unwrap();
        let scrypt = pkcs8::pkcs5::pbes2::Parameters::scrypt_aes256cbc(
            pkcs8::pkcs5::scrypt::Params::new(4, 8, 1, 32).unwrap(),
            b"saltsaltsaltsalt",
            &[7; 16],
        );
        let enciphered = info.encrypt_with_params(scrypt.unwrap(), b"geheim").unwrap();
        let pem = enciphered.to_pem(ENCIPHERED, LineEnding::LF).unwrap();
        let opened = FileKey::from_pem(&pem, Some(b"geheim")).unwrap();
        assert_eq!(opened.public(), FileKey::from_pem(&plain, None).unwrap().public());
        for (text, passphrase) in [(&pem, None), (&pem, Some(&b"Geheim"[..])), (&plain, Some(b"geheim"))] {
            let refused = FileKey::from_pem(text, passphrase).map(drop);
            assert!(matches!(refused, Err(SignerError::Passphrase(_))), "{refused:?}");
        }
    }

    #[test]
    fn a_key_that_is_too_short_or_of_another_kind_is_refused() {
        let refused = |pem: &str| FileKey::from_pem(pem, None).map(drop).unwrap_err().to_string();
        // Ed25519 (RFC 8410, 10.3).
        let ed = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n\
                  -----END PRIVATE KEY-----\n";
        assert!(refused(ed).contains("1.3.101.112"), "{}", refused(ed));
        assert!(
            refused("-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n").contains("CERTIFICATE")
        );
        assert!(!refused("").is_empty());
    }
}
