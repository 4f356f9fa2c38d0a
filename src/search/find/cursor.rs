//! The opaque `next` of an answer: where its last hit stands in the order, and how closely the query was taken.
//! It opens nothing: rights are in the query anew. One of another query is refused.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::domain::digest::Sha256;
use crate::domain::ids::DocumentId;
use crate::search::index::{Closeness, Place};

const VERSION: u8 = 1;

/// A place in the answers to a query.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Cursor {
    pub(super) closeness: Closeness,
    pub(super) place: Place,
}

impl Cursor {
    /// As it is handed out for `query`.
    pub(super) fn write(self, query: &str) -> String {
        let closeness = match self.closeness {
            Closeness::AsAsked => 0,
            Closeness::Similar => 1,
            Closeness::AnyWord => 2,
        };
        let mut bytes = vec![VERSION, closeness];
        bytes.extend(mark(query));
        bytes.extend(self.place.score.to_be_bytes());
        bytes.extend(self.place.document.as_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Reads what [`Self::write`] has made for `query`.
    pub(super) fn read(text: &str, query: &str) -> Option<Self> {
        let bytes: [u8; 30] = URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()?;
        let [VERSION, closeness, rest @ ..] = bytes else { return None };
        let (query_mark, rest) = rest.split_first_chunk::<8>()?;
        let (score, document) = rest.split_first_chunk::<4>()?;
        let closeness = match closeness {
            0 => Closeness::AsAsked,
            1 => Closeness::Similar,
            2 => Closeness::AnyWord,
            _ => return None,
        };
        let document = DocumentId::from_bytes(document.try_into().ok()?);
        let score = f32::from_be_bytes(*score);
        (*query_mark == mark(query) && score.is_finite())
            .then_some(Self { closeness, place: Place { score, document } })
    }
}

fn mark(query: &str) -> [u8; 8] {
    let [a, b, c, d, e, f, g, h, ..] = *Sha256::of(query.as_bytes()).as_bytes();
    [a, b, c, d, e, f, g, h]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_reads_back_for_its_query_only() {
        let place = Place { score: 130.25, document: DocumentId::from_bytes([7; 16]) };
        let cursor = Cursor { closeness: Closeness::Similar, place };
        let text = cursor.write("Müller");
        assert_eq!(Cursor::read(&text, "Müller"), Some(cursor));
        assert_eq!(Cursor::read(&text, "Mueller"), None);
        for bad in ["", "!", "AAAA", &text[1..], &format!("{text}A")] {
            assert_eq!(Cursor::read(bad, "Müller"), None, "{bad}");
        }
    }
}
