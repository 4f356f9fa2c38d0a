//! Identifiers: 128 random bits each, written as 32 lower-case hex digits. They say nothing about what they name.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::random::{self, Random};

/// The text is not an identifier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an identifier has 32 lower-case hex digits")]
pub struct NotAnId;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(into = "String", try_from = "String")]
        pub struct $name([u8; 16]);

        impl $name {
            /// Draws a new identifier.
            pub fn draw(random: &dyn Random) -> Self {
                Self(random::bytes(random))
            }

            /// Takes 16 bytes read from a place that stored them.
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(bytes)
            }

            /// The 16 bytes.
            pub const fn as_bytes(&self) -> &[u8; 16] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&hex::encode(self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        impl FromStr for $name {
            type Err = NotAnId;

            fn from_str(text: &str) -> Result<Self, NotAnId> {
                if text.bytes().any(|b| b.is_ascii_uppercase()) {
                    return Err(NotAnId);
                }
                let mut bytes = [0; 16];
                hex::decode_to_slice(text, &mut bytes).map_err(|_| NotAnId)?;
                Ok(Self(bytes))
            }
        }

        impl TryFrom<String> for $name {
            type Error = NotAnId;

            fn try_from(text: String) -> Result<Self, NotAnId> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.to_string()
            }
        }
    };
}

id!(
    /// A node of an installation: what serves one data folder, from one start to the next.
    NodeId
);
id!(
    /// An authority (Standesamt) of this installation.
    AuthorityId
);
id!(
    /// A document: one upload with its metadata.
    DocumentId
);
id!(
    /// An object on the store: encrypted bytes that documents and certificates refer to.
    ObjectId
);
id!(
    /// A direct upload: a permit to put a file into the store's staging folder.
    DirectUploadId
);
id!(
    /// An infected file, kept apart.
    QuarantineId
);
id!(
    /// A hold: why a document may not be erased.
    HoldId
);
id!(
    /// An order for a certificate.
    OrderId
);
id!(
    /// An issued certificate (the row; what is printed is its verification number).
    CertificateId
);
id!(
    /// A piece of background work.
    JobId
);
id!(
    /// An upload in progress, that comes in several requests.
    UploadId
);

#[cfg(test)]
mod tests {
    use super::super::random::SeededRandom;
    use super::*;

    #[test]
    fn an_id_reads_back_what_it_writes_and_nothing_else() {
        let id = DocumentId::draw(&SeededRandom::new(7));
        assert_eq!(id.to_string().parse(), Ok(id));
        for bad in ["", "00", &"A".repeat(32), &"0".repeat(34), "../../../../../../../etc/passwd.."] {
            assert_eq!(bad.parse::<DocumentId>(), Err(NotAnId), "{bad}");
        }
    }
}
