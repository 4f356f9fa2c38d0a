//! The bytes of a document as an answer: conditions, ranges, headers that keep a browser from running what it gets.

use std::ops::Range;
use std::sync::Arc;

use actix_web::HttpResponse;
use actix_web::body::SizedStream;
use actix_web::http::StatusCode;
use actix_web::http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_RANGE, CONTENT_SECURITY_POLICY, CONTENT_TYPE,
    ETAG, HeaderMap, HeaderName, IF_NONE_MATCH, IF_RANGE, RANGE,
};
use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, stream};

use super::super::digest::{REPR_DIGEST, written};
use super::super::problem::{Kind, Problem};
use super::disposition::attachment;
use super::range::Part;
use crate::database::documents::Document;
use crate::domain::digest::Sha256;
use crate::objects::{ObjectRef, OpenObject, Vault, VaultError};

/// Bytes that are read and held at a time.
const PIECE_BYTES: u64 = 256 * 1024;

/// Answers with the whole document, the range that was asked for, or that the copy at hand is the same.
pub(super) async fn answer(
    vault: &Vault,
    document: &Document,
    asked: &HeaderMap,
) -> Result<HttpResponse, Problem> {
    let tag = entity_tag(document);
    let header = |name: HeaderName| asked.get(name).and_then(|value| value.to_str().ok());
    if header(IF_NONE_MATCH).is_some_and(|tags| matches(tags, &tag)) {
        return Ok(head(StatusCode::NOT_MODIFIED, document, &tag).finish());
    }
    let same = header(IF_RANGE).is_none_or(|wanted| wanted.trim() == tag);
    let range = match Part::of(header(RANGE).filter(|_| same), document.size) {
        Part::Whole => None,
        Part::Bytes(range) => Some(range),
        Part::Outside => {
            let unsatisfied = Kind::RangeNotSatisfiable.problem();
            return Err(unsatisfied.expected(document.size).content_range(document.size));
        }
    };
    let at = ObjectRef::own(document.authority, document.object);
    let object = Arc::new(vault.open(at, Some(document.size)).await?);
    let status = if range.is_some() { StatusCode::PARTIAL_CONTENT } else { StatusCode::OK };
    let mut response = head(status, document, &tag);
    if let Some(range) = &range {
        let value = format!("bytes {}-{}/{}", range.start, range.end.saturating_sub(1), document.size);
        response.insert_header((CONTENT_RANGE, value));
    }
    let range = range.unwrap_or(0..document.size);
    let length = range.end - range.start;
    Ok(response.body(SizedStream::new(length, pieces(object, range).await?)))
}

fn head(status: StatusCode, document: &Document, tag: &str) -> actix_web::HttpResponseBuilder {
    let mut response = HttpResponse::build(status);
    response.insert_header((ETAG, tag));
    response.insert_header((CACHE_CONTROL, "private, no-cache"));
    if status != StatusCode::NOT_MODIFIED {
        let name = document.file_name.clone().unwrap_or_else(|| document.id.to_string());
        response.insert_header((CONTENT_TYPE, document.media_type.as_str()));
        response.insert_header((ACCEPT_RANGES, "bytes"));
        response.insert_header((REPR_DIGEST, written(document.sha256)));
        response.insert_header((CONTENT_DISPOSITION, attachment(&name)));
        response
            .insert_header((CONTENT_SECURITY_POLICY, "sandbox; default-src 'none'; frame-ancestors 'none'"));
    }
    response
}

/// Reads piece by piece. The first one is read before the answer begins, so that a damaged object is a problem and
/// not a body that breaks off.
async fn pieces(
    object: Arc<OpenObject>,
    range: Range<u64>,
) -> Result<impl Stream<Item = Result<Bytes, VaultError>>, VaultError> {
    let first_end = range.end.min(range.start + PIECE_BYTES);
    let first = object.read(range.start..first_end).await?;
    let rest = stream::try_unfold((object, first_end..range.end), |(object, rest)| async move {
        if rest.is_empty() {
            return Ok(None);
        }
        let end = rest.end.min(rest.start + PIECE_BYTES);
        let piece = object.read(rest.start..end).await?;
        Ok(Some((Bytes::from(piece), (object, end..rest.end))))
    });
    Ok(stream::iter([Ok(Bytes::from(first))]).chain(rest))
}

/// A strong tag: the document's id and the bytes' digest. Two documents with the same bytes have different ones.
fn entity_tag(document: &Document) -> String {
    let parts = [b"stammbuch/etag/v1".as_slice(), document.id.as_bytes(), document.sha256.as_bytes()];
    let digest = Sha256::of(&parts.concat()).to_string();
    format!("\"{}\"", digest.get(..32).unwrap_or_default())
}

/// Weak comparison (RFC 9110, section 13.1.2): `*`, or one of a list.
pub(in crate::http) fn matches(tags: &str, tag: &str) -> bool {
    tags.split(',').map(str::trim).any(|given| given == "*" || given.trim_start_matches("W/") == tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_tags_matches_if_one_of_them_does() {
        for (tags, expected) in [
            ("\"a\"", true),
            ("*", true),
            ("W/\"a\"", true),
            ("\"b\", \"a\"", true),
            ("\"b\"", false),
            ("a", false),
            ("", false),
        ] {
            assert_eq!(matches(tags, "\"a\""), expected, "{tags}");
        }
    }
}
