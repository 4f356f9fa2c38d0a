//! The headers of tus, out of a request and into an answer. Each may stand there once; what is not of its form is
//! refused and named.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::http::Method;
use actix_web::http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderName, TRANSFER_ENCODING};
use actix_web::{FromRequest, HttpRequest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;

use super::super::digest;
use super::super::problem::{Kind, Problem};
use crate::intake::uploads::{
    CHECKSUM_ALGORITHMS, Checksum, Chunk, METADATA_BYTES_MAX, Metadata, MetadataError, NewUpload,
};

/// The version of the protocol.
pub(super) const VERSION: &str = "1.0.0";
/// What of the protocol's extensions there is.
pub(super) const EXTENSIONS: &str = "creation,creation-with-upload,expiration,checksum,termination";
/// The type of bytes that continue an upload.
const BYTES: &str = "application/offset+octet-stream";

macro_rules! names {
    ($($name:ident $text:literal)*) => {$(
        pub(super) const $name: HeaderName = HeaderName::from_static($text);
    )*};
}

names! {
    TUS_RESUMABLE "tus-resumable"
    TUS_VERSION "tus-version"
    TUS_EXTENSION "tus-extension"
    TUS_MAX_SIZE "tus-max-size"
    TUS_CHECKSUM_ALGORITHM "tus-checksum-algorithm"
    UPLOAD_OFFSET "upload-offset"
    UPLOAD_LENGTH "upload-length"
    UPLOAD_METADATA "upload-metadata"
    UPLOAD_EXPIRES "upload-expires"
    DOCUMENT_LOCATION "document-location"
}

const UPLOAD_CHECKSUM: HeaderName = HeaderName::from_static("upload-checksum");
const UPLOAD_DEFER_LENGTH: HeaderName = HeaderName::from_static("upload-defer-length");
const UPLOAD_CONCAT: HeaderName = HeaderName::from_static("upload-concat");
const METHOD_OVERRIDE: HeaderName = HeaderName::from_static("x-http-method-override");

/// A request in a version of the protocol that is spoken here; `GET`, which is none of the protocol's, in any.
pub(crate) struct Resumable;

impl FromRequest for Resumable {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _body: &mut Payload) -> Self::Future {
        let version = request.headers().get(TUS_RESUMABLE);
        let spoken = version.is_some_and(|version| version == VERSION);
        if spoken || request.method() == Method::GET {
            return ready(Ok(Self));
        }
        let got = version.map(|version| String::from_utf8_lossy(version.as_bytes()).into_owned());
        ready(Err(Kind::TusVersion.problem().expected(VERSION).got(got.unwrap_or_default())))
    }
}

/// What a creation announces.
pub(super) fn new_upload(headers: &HeaderMap) -> Result<NewUpload, Problem> {
    for (name, instead) in [
        (UPLOAD_DEFER_LENGTH, "an upload whose length is known: Upload-Length"),
        (UPLOAD_CONCAT, "one upload, not several that are put together"),
    ] {
        if headers.contains_key(&name) {
            let problem = Kind::MalformedRequest.problem().detail(format!("{name} is not taken here"));
            return Err(problem.expected(instead));
        }
    }
    let size = number(headers, &UPLOAD_LENGTH)?.ok_or_else(|| missing(&UPLOAD_LENGTH))?;
    let metadata = Metadata::parse(single(headers, &UPLOAD_METADATA)?.unwrap_or_default())?;
    Ok(NewUpload { size, metadata, digests: digest::of_the_whole(headers)? })
}

/// What a request says of the bytes it brings; `None` if a creation brings none.
pub(super) fn first_chunk(headers: &HeaderMap) -> Result<Option<Chunk>, Problem> {
    let length = number(headers, &CONTENT_LENGTH)?;
    let has_body = length.is_some_and(|length| length > 0) || headers.contains_key(TRANSFER_ENCODING);
    if single(headers, &CONTENT_TYPE)? == Some(BYTES) {
        return Ok(Some(Chunk { offset: 0, length, checksum: checksum(headers)? }));
    }
    if has_body { Err(Kind::ContentTypeUnsuitable.problem().expected(BYTES)) } else { Ok(None) }
}

/// What a request says of the bytes that continue an upload.
pub(super) fn chunk(headers: &HeaderMap) -> Result<Chunk, Problem> {
    if single(headers, &CONTENT_TYPE)? != Some(BYTES) {
        return Err(Kind::ContentTypeUnsuitable.problem().expected(BYTES));
    }
    let offset = number(headers, &UPLOAD_OFFSET)?.ok_or_else(|| missing(&UPLOAD_OFFSET))?;
    Ok(Chunk { offset, length: number(headers, &CONTENT_LENGTH)?, checksum: checksum(headers)? })
}

/// The method a request is to be taken for, where its sender cannot use the method itself.
pub(super) fn overriding(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    single(headers, &METHOD_OVERRIDE)
}

fn checksum(headers: &HeaderMap) -> Result<Option<Checksum>, Problem> {
    let Some(text) = single(headers, &UPLOAD_CHECKSUM)? else { return Ok(None) };
    let malformed = || {
        let problem = Kind::ChecksumMalformed.problem();
        problem.expected(format!("one of {CHECKSUM_ALGORITHMS}, a space, and its value in base64"))
    };
    let (algorithm, encoded) = text.split_once(' ').ok_or_else(malformed)?;
    let bytes = STANDARD.decode(encoded).map_err(|_| malformed())?;
    Checksum::new(algorithm, &bytes).map(Some).ok_or_else(malformed)
}

/// Digits and nothing else.
fn number(headers: &HeaderMap, name: &HeaderName) -> Result<Option<u64>, Problem> {
    let Some(text) = single(headers, name)? else { return Ok(None) };
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let number = text.parse().ok().filter(|_| digits);
    number.map(Some).ok_or_else(|| {
        Kind::MalformedRequest.problem().detail(format!("{name} is wrong")).expected("a number of bytes")
    })
}

fn single<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Result<Option<&'h str>, Problem> {
    let mut values = headers.get_all(name);
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(Kind::MalformedRequest.problem().detail(format!("{name} was given twice")));
    }
    let unreadable = |_| Kind::MalformedRequest.problem().detail(format!("{name} is not ASCII"));
    value.to_str().map(|text| Some(text.trim())).map_err(unreadable)
}

fn missing(name: &HeaderName) -> Problem {
    Kind::MalformedRequest.problem().detail(format!("{name} is missing"))
}

/// An instant as HTTP writes it (RFC 9110, section 5.6.7).
pub(super) fn http_date(at: Timestamp) -> String {
    at.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

impl From<MetadataError> for Problem {
    fn from(error: MetadataError) -> Self {
        match error {
            MetadataError::Field(error) => error.into(),
            MetadataError::Type => Kind::ValueInvalid.problem().detail(error.to_string()),
            MetadataError::TooLong { got } => Kind::HeaderTooLarge
                .problem()
                .detail("Upload-Metadata is too long")
                .expected(format!("at most {METADATA_BYTES_MAX} bytes"))
                .got(format!("{got} bytes")),
            _ => Kind::MalformedRequest.problem().detail(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(given: &[(HeaderName, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in given {
            headers.append(name.clone(), value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn a_number_of_bytes_is_digits_and_stands_there_once() {
        let read = |value: &str| number(&headers(&[(UPLOAD_LENGTH, value)]), &UPLOAD_LENGTH);
        assert_eq!(read("0"), Ok(Some(0)));
        assert_eq!(read("18446744073709551615"), Ok(Some(u64::MAX)));
        for bad in ["", "-1", "+1", "1.0", "0x10", "1 2", "18446744073709551616", "ten"] {
            assert_eq!(read(bad).unwrap_err().kind(), Kind::MalformedRequest, "{bad}");
        }
        let twice = headers(&[(UPLOAD_LENGTH, "5"), (UPLOAD_LENGTH, "5")]);
        assert_eq!(number(&twice, &UPLOAD_LENGTH).unwrap_err().kind(), Kind::MalformedRequest);
    }

    #[test]
    fn a_checksum_is_an_algorithm_and_its_value() {
        let read = |value: &str| checksum(&headers(&[(UPLOAD_CHECKSUM, value)]));
        assert!(matches!(read("sha1 Kq5sNclPz7QV2+lfQIuc6R7oRu0="), Ok(Some(Checksum::Sha1(_)))));
        for bad in [
            "",
            "sha1",
            "sha1 ",
            "sha1 Kq5s",
            "md5 1B2M2Y8AsgTpgAmY7PhCfg==",
            "SHA1 Kq5sNclPz7QV2+lfQIuc6R7oRu0=",
        ] {
            assert_eq!(read(bad).unwrap_err().kind(), Kind::ChecksumMalformed, "{bad}");
        }
    }

    #[test]
    fn an_instant_is_written_as_http_asks() {
        let at = "2026-11-04T08:05:09.7Z".parse().unwrap();
        assert_eq!(http_date(at), "Wed, 04 Nov 2026 08:05:09 GMT");
    }
}
