//! Digests and signature algorithms that seals are made and read with, as CMS names them, and their meaning for
//! ring. What is not here is not accepted: SHA-1, short RSA keys, parameters that no standard gives.

use const_oid::ObjectIdentifier;
use der::asn1::Null;
use der::{Any, Sequence};
use ring::signature::{self, VerificationAlgorithm};
use serde::{Deserialize, Serialize};
use spki::AlgorithmIdentifierOwned;

use super::oids;

/// A digest of the SHA-2 family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Digest {
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

impl Digest {
    const ALL: [Self; 3] = [Self::Sha256, Self::Sha384, Self::Sha512];

    /// The digest of `parts`, one after the other.
    pub fn of(self, parts: &[&[u8]]) -> Vec<u8> {
        fn run<D: sha2::Digest>(parts: &[&[u8]]) -> Vec<u8> {
            let mut hash = D::new();
            parts.iter().for_each(|part| hash.update(part));
            hash.finalize().to_vec()
        }
        match self {
            Self::Sha256 => run::<sha2::Sha256>(parts),
            Self::Sha384 => run::<sha2::Sha384>(parts),
            Self::Sha512 => run::<sha2::Sha512>(parts),
        }
    }

    /// Its object identifier.
    pub const fn oid(self) -> ObjectIdentifier {
        match self {
            Self::Sha256 => oids::SHA_256,
            Self::Sha384 => oids::SHA_384,
            Self::Sha512 => oids::SHA_512,
        }
    }

    /// Without parameters (RFC 5754, 2).
    pub const fn identifier(self) -> AlgorithmIdentifierOwned {
        AlgorithmIdentifierOwned { oid: self.oid(), parameters: None }
    }

    /// The digest that `identifier` names; its parameters are absent or NULL (RFC 5754, 2).
    pub fn named_by(identifier: &AlgorithmIdentifierOwned) -> Option<Self> {
        let plain = identifier.parameters.as_ref().is_none_or(Any::is_null);
        Self::ALL.into_iter().find(|digest| plain && digest.oid() == identifier.oid)
    }

    /// Octets of its value.
    pub const fn octets(self) -> u8 {
        match self {
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }
}

/// How a key of ours signs. The digest is that of the message and of the content alike (RFC 5652, 5.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// ECDSA on P-256 with SHA-256.
    EcdsaP256,
    /// ECDSA on P-384 with SHA-384.
    EcdsaP384,
    /// RSASSA-PSS with SHA-256, keys of 3072 bits and more.
    RsaPss,
}

impl Scheme {
    /// Its digest.
    pub const fn digest(self) -> Digest {
        match self {
            Self::EcdsaP256 | Self::RsaPss => Digest::Sha256,
            Self::EcdsaP384 => Digest::Sha384,
        }
    }

    /// As CMS and X.509 name it (RFC 5758, 3.2; RFC 4056).
    ///
    /// # Errors
    /// Never for these values; the encoder's own error otherwise.
    pub fn identifier(self) -> Result<AlgorithmIdentifierOwned, der::Error> {
        let plain = |oid| AlgorithmIdentifierOwned { oid, parameters: None };
        Ok(match self {
            Self::EcdsaP256 => plain(oids::ECDSA_SHA_256),
            Self::EcdsaP384 => plain(oids::ECDSA_SHA_384),
            Self::RsaPss => AlgorithmIdentifierOwned {
                oid: oids::RSA_PSS,
                parameters: Some(Any::encode_from(&PssParameters::with(self.digest())?)?),
            },
        })
    }
}

/// `RSASSA-PSS-params` (RFC 4055, 3.1).
#[derive(Sequence)]
struct PssParameters {
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
    hash: Option<AlgorithmIdentifierOwned>,
    #[asn1(context_specific = "1", tag_mode = "EXPLICIT", optional = "true")]
    mask: Option<AlgorithmIdentifierOwned>,
    #[asn1(context_specific = "2", tag_mode = "EXPLICIT", optional = "true")]
    salt_octets: Option<u8>,
    #[asn1(context_specific = "3", tag_mode = "EXPLICIT", optional = "true")]
    trailer: Option<u8>,
}

impl PssParameters {
    /// Mask and content by the same digest, a salt of its length (RFC 4055, 3.1).
    fn with(digest: Digest) -> Result<Self, der::Error> {
        let hash = AlgorithmIdentifierOwned { oid: digest.oid(), parameters: Some(Any::encode_from(&Null)?) };
        let mask = AlgorithmIdentifierOwned { oid: oids::MGF_1, parameters: Some(Any::encode_from(&hash)?) };
        Ok(Self { hash: Some(hash), mask: Some(mask), salt_octets: Some(digest.octets()), trailer: None })
    }

    /// The one digest they name, if they are as [`Self::with`] would write them. The defaults mean SHA-1: none.
    fn digest(&self) -> Option<Digest> {
        let digest = Digest::named_by(self.hash.as_ref()?)?;
        let mask = self.mask.as_ref().filter(|mask| mask.oid == oids::MGF_1)?;
        let masked: AlgorithmIdentifierOwned = mask.parameters.as_ref()?.decode_as().ok()?;
        let same = Digest::named_by(&masked) == Some(digest) && self.salt_octets == Some(digest.octets());
        (same && self.trailer.is_none_or(|trailer| trailer == 1)).then_some(digest)
    }
}

/// The digest that a signature algorithm implies, if it is one of those accepted here.
pub fn digest_of(algorithm: &AlgorithmIdentifierOwned) -> Option<Digest> {
    match algorithm.oid {
        oids::ECDSA_SHA_256 | oids::RSA_SHA_256 => Some(Digest::Sha256),
        oids::ECDSA_SHA_384 | oids::RSA_SHA_384 => Some(Digest::Sha384),
        oids::RSA_SHA_512 => Some(Digest::Sha512),
        oids::RSA_PSS => algorithm.parameters.as_ref()?.decode_as::<PssParameters>().ok()?.digest(),
        _ => None,
    }
}

/// ring's algorithm for a key and a signature algorithm; none if the two do not fit or are not accepted.
pub(super) fn verification(
    key: &AlgorithmIdentifierOwned,
    algorithm: &AlgorithmIdentifierOwned,
) -> Option<&'static dyn VerificationAlgorithm> {
    let parameters = algorithm.parameters.as_ref();
    match key.oid {
        oids::RSA_ENCRYPTION if algorithm.oid != oids::RSA_PSS => {
            if !parameters.is_none_or(Any::is_null) {
                return None;
            }
            match algorithm.oid {
                oids::RSA_SHA_256 => Some(&signature::RSA_PKCS1_2048_8192_SHA256),
                oids::RSA_SHA_384 => Some(&signature::RSA_PKCS1_2048_8192_SHA384),
                oids::RSA_SHA_512 => Some(&signature::RSA_PKCS1_2048_8192_SHA512),
                _ => None,
            }
        }
        oids::RSA_ENCRYPTION => Some(match digest_of(algorithm)? {
            Digest::Sha256 => &signature::RSA_PSS_2048_8192_SHA256,
            Digest::Sha384 => &signature::RSA_PSS_2048_8192_SHA384,
            Digest::Sha512 => &signature::RSA_PSS_2048_8192_SHA512,
        }),
        oids::EC_PUBLIC_KEY if parameters.is_none() => {
            let curve: ObjectIdentifier = key.parameters.as_ref()?.decode_as().ok()?;
            match (curve, algorithm.oid) {
                (oids::P_256, oids::ECDSA_SHA_256) => Some(&signature::ECDSA_P256_SHA256_ASN1),
                (oids::P_256, oids::ECDSA_SHA_384) => Some(&signature::ECDSA_P256_SHA384_ASN1),
                (oids::P_384, oids::ECDSA_SHA_256) => Some(&signature::ECDSA_P384_SHA256_ASN1),
                (oids::P_384, oids::ECDSA_SHA_384) => Some(&signature::ECDSA_P384_SHA384_ASN1),
                _ => None,
            }
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parameters_of_pss_are_those_that_openssl_writes() {
        // `openssl dgst -sha256 -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:digest`, as in a CMS.
        let written = "304106092a864886f70d01010a3034a00f300d06096086480165030402010500a11c301a06092a864886f7\
                       0d010108300d06096086480165030402010500a203020120";
        use der::Encode as _;
        assert_eq!(hex::encode(Scheme::RsaPss.identifier().unwrap().to_der().unwrap()), written);
    }

    #[test]
    fn parameters_of_pss_that_mean_sha_1_or_mix_digests_name_no_digest() {
        let with = |change: fn(&mut PssParameters)| {
            let mut parameters = PssParameters::with(Digest::Sha256).unwrap();
            change(&mut parameters);
            parameters.digest()
        };
        assert_eq!(with(|_| {}), Some(Digest::Sha256));
        assert_eq!(with(|p| p.hash = None), None);
        assert_eq!(with(|p| p.mask = None), None);
        assert_eq!(with(|p| p.salt_octets = Some(20)), None);
        assert_eq!(with(|p| p.trailer = Some(2)), None);
        assert_eq!(with(|p| p.hash = Some(Digest::Sha512.identifier())), None);
        let bare = AlgorithmIdentifierOwned { oid: oids::RSA_PSS, parameters: None };
        assert_eq!(digest_of(&bare), None);
    }

    #[test]
    fn a_key_and_an_algorithm_of_another_kind_do_not_fit() {
        let rsa = AlgorithmIdentifierOwned { oid: oids::RSA_ENCRYPTION, parameters: None };
        let p_256 = Any::encode_from(&oids::P_256).unwrap();
        let ec = AlgorithmIdentifierOwned { oid: oids::EC_PUBLIC_KEY, parameters: Some(p_256) };
        for (key, fits) in [(&rsa, [false, false, true]), (&ec, [true, false, false])] {
            let found = [Scheme::EcdsaP256, Scheme::EcdsaP384, Scheme::RsaPss]
                .map(|scheme| verification(key, &scheme.identifier().unwrap()).is_some());
            let expected = if key.oid == oids::EC_PUBLIC_KEY { [true, true, false] } else { fits };
            assert_eq!(found, expected);
        }
    }
}
