//! `Content-Digest` and `Repr-Digest` (RFC 9530): a dictionary of algorithms, of which `sha-256` is checked and sent.

use actix_web::http::header::{HeaderMap, HeaderName};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::problem::{Kind, Problem};
use crate::domain::digest::Sha256;

/// The digest of the content as it is sent.
pub(crate) const CONTENT_DIGEST: HeaderName = HeaderName::from_static("content-digest");
/// The digest of the whole representation, whatever part of it is sent.
pub(crate) const REPR_DIGEST: HeaderName = HeaderName::from_static("repr-digest");

/// The SHA-256 digests that `headers` give; other algorithms are passed over, as RFC 9530 (section 2) permits.
pub(crate) fn sent(headers: &HeaderMap) -> Result<Vec<Sha256>, Problem> {
    sent_in(headers, &[CONTENT_DIGEST, REPR_DIGEST])
}

/// Those in `Repr-Digest` alone: of the whole file, whatever part of it the request brings.
pub(crate) fn of_the_whole(headers: &HeaderMap) -> Result<Vec<Sha256>, Problem> {
    sent_in(headers, &[REPR_DIGEST])
}

fn sent_in(headers: &HeaderMap, names: &[HeaderName]) -> Result<Vec<Sha256>, Problem> {
    let mut digests = Vec::new();
    for name in names {
        for value in headers.get_all(name) {
            let malformed = || {
                let problem = Kind::DigestMalformed.problem();
                problem.detail(format!("{name} is wrong")).expected("sha-256=:BASE64 of 32 bytes:")
            };
            let text = value.to_str().map_err(|_| malformed())?;
            for member in text.split(',').map(str::trim) {
                let (algorithm, value) = member.split_once('=').ok_or_else(malformed)?;
                if algorithm.trim() == "sha-256" {
                    digests.push(sha256(value.trim()).ok_or_else(malformed)?);
                }
            }
        }
    }
    Ok(digests)
}

/// A byte sequence of structured fields (RFC 8941): base64 between colons. Parameters behind it are passed over.
fn sha256(value: &str) -> Option<Sha256> {
    let (encoded, rest) = value.strip_prefix(':')?.split_once(':')?;
    if !rest.is_empty() && !rest.trim_start().starts_with(';') {
        return None;
    }
    let bytes = STANDARD.decode(encoded).ok()?;
    Some(Sha256::from_bytes(bytes.try_into().ok()?))
}

/// The value of either header for a digest.
pub(crate) fn written(digest: Sha256) -> String {
    format!("sha-256=:{}:", STANDARD.encode(digest.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: &str) -> Result<Vec<Sha256>, Problem> {
        let mut headers = HeaderMap::new();
        headers.insert(REPR_DIGEST, value.parse().unwrap());
        sent(&headers)
    }

    #[test]
    fn what_is_written_is_read_back_among_other_algorithms() {
        let digest = Sha256::of(b"x");
        let value = written(digest);
        assert_eq!(read(&value), Ok(vec![digest]));
        assert_eq!(read(&format!("sha-512=:YWJj:, {value};p=1, unixsum=:AA==:")), Ok(vec![digest]));
        assert_eq!(read("sha-512=:YWJj:"), Ok(Vec::new()));
        assert_eq!(sent(&HeaderMap::new()), Ok(Vec::new()));
    }

    #[test]
    fn what_is_no_digest_is_refused() {
        let short = STANDARD.encode([0; 31]);
        for bad in
            ["", "sha-256", "sha-256=abc", "sha-256=:abc:", "sha-256=::", &format!("sha-256=:{short}:")]
        {
            let problem = read(bad).unwrap_err();
            assert_eq!(problem.kind(), Kind::DigestMalformed, "{bad}");
        }
    }
}
