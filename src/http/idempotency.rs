//! The Idempotency-Key of a request, by one rule for every route (draft-ietf-httpapi-idempotency-key-header: a string in
//! quotes; without them it is taken too). Knows nothing of what is kept under it.

use actix_web::HttpRequest;
use actix_web::http::header::HeaderName;

use super::problem::{Kind, Problem};

const NAME: HeaderName = HeaderName::from_static("idempotency-key");
/// The longest key that is taken, in characters.
const CHARS_MAX: usize = 255;

/// A key as the sender chose it: 1 to 255 printable ASCII characters, without the quotes around it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct IdempotencyKey(String);

impl IdempotencyKey {
    /// The key of a request, if it has one.
    pub(super) fn of(request: &HttpRequest) -> Result<Option<Self>, Problem> {
        request.headers().get(NAME).map(|value| Self::parse(value.as_bytes())).transpose()
    }

    /// As [`Self::of`], where there must be one.
    pub(super) fn required(request: &HttpRequest) -> Result<Self, Problem> {
        Self::of(request)?.ok_or_else(|| Kind::IdempotencyKeyMissing.problem())
    }

    /// What stands in the header.
    fn parse(sent: &[u8]) -> Result<Self, Problem> {
        let malformed = || {
            let problem = Kind::IdempotencyKeyMalformed.problem();
            problem.expected(format!("1 to {CHARS_MAX} printable ASCII characters"))
        };
        let text = std::str::from_utf8(sent).map_err(|_| malformed())?.trim();
        let key = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
        let printable = key.bytes().all(|byte| (0x20..0x7f).contains(&byte));
        if !printable || !(1..=CHARS_MAX).contains(&key.len()) {
            return Err(malformed());
        }
        Ok(Self(key.to_owned()))
    }

    /// The key.
    pub(super) fn into_string(self) -> String {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_one_to_255_printable_characters_with_or_without_quotes() {
        let long = "x".repeat(CHARS_MAX);
        for (sent, key) in [
            ("a", "a"),
            ("\"a\"", "a"),
            (" \"a b\" ", "a b"),
            ("8e03978e-40d5-43dd-bc93-6894a57f9324", "8e03978e-40d5-43dd-bc93-6894a57f9324"),
            ("\"", "\""),
            ("a\"b", "a\"b"),
            (long.as_str(), long.as_str()),
        ] {
            let parsed = IdempotencyKey::parse(sent.as_bytes()).map(IdempotencyKey::into_string);
            assert_eq!(parsed.unwrap(), key, "{sent}");
        }
        let longer = "x".repeat(CHARS_MAX + 1);
        for sent in ["", " ", "\"\"", "ä", "a\tb", "a\x7f", longer.as_str()] {
            let refused = IdempotencyKey::parse(sent.as_bytes()).unwrap_err();
            assert_eq!(refused.kind(), Kind::IdempotencyKeyMalformed, "{sent:?}");
        }
        assert!(IdempotencyKey::parse(b"\xff").is_err());
    }
}
