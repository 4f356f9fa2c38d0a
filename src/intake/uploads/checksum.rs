//! The checksum of one request (tus, extension "checksum"): SHA-1 because the extension asks for it, SHA-256 besides.
//! It finds damage on the way, nothing else: what a file is, its SHA-256 in the database says.

use ring::digest::{Context, SHA1_FOR_LEGACY_USE_ONLY, SHA256};

/// The algorithms, as `Tus-Checksum-Algorithm` names them.
pub const CHECKSUM_ALGORITHMS: &str = "sha1,sha256";

/// A checksum that was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Checksum {
    /// `sha1`
    Sha1([u8; 20]),
    /// `sha256`
    Sha256([u8; 32]),
}

impl Checksum {
    /// The checksum of `algorithm`, if that is one of ours and has as many bytes.
    pub fn new(algorithm: &str, bytes: &[u8]) -> Option<Self> {
        match algorithm {
            "sha1" => bytes.try_into().ok().map(Self::Sha1),
            "sha256" => bytes.try_into().ok().map(Self::Sha256),
            _ => None,
        }
    }

    fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Sha1(bytes) => bytes,
            Self::Sha256(bytes) => bytes,
        }
    }

    pub(super) fn check(self) -> Check {
        let algorithm = match self {
            Self::Sha1(_) => &SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha256(_) => &SHA256,
        };
        Check { expected: self, running: Context::new(algorithm) }
    }
}

/// A checksum that is compared with the bytes as they come.
pub(super) struct Check {
    expected: Checksum,
    running: Context,
}

impl Check {
    pub(super) fn update(&mut self, bytes: &[u8]) {
        self.running.update(bytes);
    }

    /// Expected and got, in hex, if they differ.
    pub(super) fn mismatch(self) -> Option<(String, String)> {
        let got = self.running.finish();
        let expected = self.expected.as_bytes();
        (got.as_ref() != expected).then(|| (hex::encode(expected), hex::encode(got.as_ref())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_algorithms_agree_with_their_standard() {
        let sha1 = hex::decode("a9993e364706816aba3e25717850c26c9cd0d89d").unwrap();
        let sha256 = hex::decode("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad").unwrap();
        for (name, bytes) in [("sha1", &sha1), ("sha256", &sha256)] {
            let mut check = Checksum::new(name, bytes).unwrap().check();
            check.update(b"ab");
            check.update(b"c");
            assert_eq!(check.mismatch(), None, "{name}");
            let mut check = Checksum::new(name, bytes).unwrap().check();
            check.update(b"abd");
            assert_eq!(check.mismatch().unwrap().0, hex::encode(bytes), "{name}");
            assert_eq!(Checksum::new(name, &bytes[1..]), None);
        }
        for name in ["md5", "SHA1", "crc32", ""] {
            assert_eq!(Checksum::new(name, &sha1), None, "{name}");
        }
    }
}
