//! Problem details (RFC 9457): the one table from what went wrong to status, stable `type` and title.
//!
//! A problem says which rule was broken, what was expected and what came; nothing about the inside.

use actix_web::http::StatusCode;
use actix_web::http::header::{
    ALLOW, CONTENT_RANGE, CONTENT_TYPE, HeaderName, RETRY_AFTER, WWW_AUTHENTICATE,
};
use actix_web::{HttpResponse, ResponseError};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::database::DatabaseError;

/// What every `type` begins with. The names behind it never change.
pub const TYPE_BASE: &str = "https://stammbuch.example/problems/";

macro_rules! problems {
    ($($kind:ident $status:literal $name:literal $title:literal)*) => {
        /// Everything that can be wrong, one variant for each `type`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Kind { $(#[doc = $title] $kind,)* }

        impl Kind {
            /// All of them, in the order of the table.
            pub const ALL: &'static [Self] = &[$(Self::$kind,)*];

            const fn row(self) -> (u16, &'static str, &'static str) {
                match self { $(Self::$kind => ($status, $name, $title),)* }
            }
        }
    };
}

problems! {
    // the request as such
    MalformedRequest     400 "malformed-request"      "The request is not well formed."
    MalformedJson        400 "malformed-json"         "The body is not JSON of the expected shape."
    UnknownField         400 "unknown-field"          "The request has a field or parameter that is not known here."
    BodyIncomplete       400 "body-incomplete"        "The body ended early."
    BodyTooSlow          408 "body-too-slow"          "The body did not arrive in time."
    BodyTooLarge         413 "body-too-large"         "The body is larger than what is accepted."
    ContentTypeUnsuitable 415 "content-type-unsuitable" "The body has a content type that is not accepted here."
    // who calls
    TokenMissing         401 "token-missing"          "The request has no bearer token."
    TokenUnknown         401 "token-unknown"          "The bearer token is not known."
    RoleMissing          403 "role-missing"           "The token does not have the role this needs."
    // where
    NotFound             404 "not-found"              "There is nothing here."
    Erased               410 "erased"                 "The document was erased."
    MethodNotAllowed     405 "method-not-allowed"     "The resource does not have this method."
    // evidence
    EmptyFile            422 "empty-file"             "The file is empty."
    DigestMalformed      400 "digest-malformed"       "The digest header is not of the form of RFC 9530."
    DigestMismatch       422 "digest-mismatch"        "The bytes do not have the digest that was sent with them."
    MediaTypeMismatch    415 "media-type-mismatch"    "The file is not what it was sent as."
    MediaTypeUnsupported 415 "media-type-unsupported" "Files of this type are not taken as evidence."
    Infected             422 "infected"               "The virus scanner has found something in the file."
    AwaitingScan         409 "awaiting-scan"          "The file waits for the virus scanner; nobody reads it before."
    Quarantined          410 "quarantined"            "The virus scanner has found something in the file that was to become this document."
    Unscannable          422 "unscannable"            "The virus scanner does not take this file, or not all of it, and unscanned files are refused."
    NotScanned           503 "not-scanned"            "The virus scanner does not answer clearly, and unscanned files are refused; try again later."
    DocumentHeld         409 "document-held"          "A hold forbids to erase the document."
    TermNotEnded         409 "term-not-ended"         "The term of the document has not ended."
    RangeNotSatisfiable  416 "range-not-satisfiable"  "The range lies outside the file."
    ContentDamaged       500 "content-damaged"        "The stored bytes are not those that were written; none of them is given out."
    // resumable uploads
    TusVersion           412 "tus-version"            "Tus-Resumable does not name a version that is spoken here."
    OffsetMismatch       409 "offset-mismatch"        "The bytes do not begin where the upload stands."
    UploadLocked         423 "upload-locked"          "Another request works on this upload."
    UploadExpired        410 "upload-expired"         "The upload has expired or was ended."
    ChecksumMalformed    400 "checksum-malformed"     "Upload-Checksum is not an algorithm known here and its value."
    ChecksumMismatch     460 "checksum-mismatch"      "The bytes do not have the checksum that was sent with them."
    UploadStalled        422 "upload-stalled"         "One request after another brought no bytes."
    UploadScattered      422 "upload-scattered"       "The upload came in too many small requests."
    TooManyUploads       429 "too-many-uploads"       "As many uploads are open as may be."
    HeaderTooLarge       431 "header-too-large"       "A header is longer than what is accepted."
    // repeated requests
    IdempotencyKeyMissing   400 "idempotency-key-missing"   "This request needs an Idempotency-Key."
    IdempotencyKeyMalformed 400 "idempotency-key-malformed" "The Idempotency-Key is not one."
    IdempotencyKeyReused    422 "idempotency-key-reused"    "The Idempotency-Key was used for another request."
    IdempotencyInProgress   409 "idempotency-in-progress"   "The first request with this Idempotency-Key still runs."
    // values
    ValueInvalid         422 "value-invalid"          "A value is not what its field takes."
    NameNotPermitted     422 "name-not-permitted"     "A text has a character that DIN 91379 or the font does not have."
    RegisterNumberInvalid 422 "register-number-invalid" "This is not the number of a register entry."
    QueryInvalid         400 "query-invalid"          "The search request cannot be read."
    // entries, orders, certificates
    StateConflict        409 "state-conflict"         "The object is not in a state that permits this."
    IssueRefused         422 "issue-refused"          "The law does not permit to issue this."
    // the server
    Internal             500 "internal"               "Something failed here; the request id finds it in the log."
    Unavailable          503 "unavailable"            "A part of the installation does not answer; try again later."
}

impl Kind {
    /// The status it is answered with.
    pub fn status(self) -> StatusCode {
        StatusCode::from_u16(self.row().0).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// The last part of its `type`.
    pub const fn name(self) -> &'static str {
        self.row().1
    }

    /// What is wrong, in general.
    pub const fn title(self) -> &'static str {
        self.row().2
    }

    /// A problem of this kind without particulars.
    pub fn problem(self) -> Problem {
        let particulars =
            Particulars { kind: self, detail: None, expected: None, got: None, rule: None, header: None };
        Problem(Box::new(particulars))
    }
}

/// A problem as it is answered.
#[derive(Debug, Clone, PartialEq)]
pub struct Problem(Box<Particulars>);

#[derive(Debug, Clone, PartialEq)]
struct Particulars {
    kind: Kind,
    detail: Option<String>,
    expected: Option<Value>,
    got: Option<Value>,
    rule: Option<String>,
    header: Option<(HeaderName, String)>,
}

/// The body of a problem, `application/problem+json`.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct Body {
    /// Stable URI of the kind of problem.
    #[serde(rename = "type")]
    kind: String,
    /// What is wrong, in general.
    title: &'static str,
    /// The status of the answer.
    status: u16,
    /// What is wrong with this request.
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
    /// The rule that was broken, by its paragraph or name.
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<String>,
    /// What would have done.
    #[serde(skip_serializing_if = "Option::is_none")]
    expected: Option<Value>,
    /// What came instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    got: Option<Value>,
}

impl Problem {
    /// Which it is.
    pub fn kind(&self) -> Kind {
        self.0.kind
    }

    /// Says what is wrong with this request.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.0.detail = Some(detail.into());
        self
    }

    /// Says what would have done.
    #[must_use]
    pub fn expected(mut self, expected: impl Into<Value>) -> Self {
        self.0.expected = Some(expected.into());
        self
    }

    /// Says what came.
    #[must_use]
    pub fn got(mut self, got: impl Into<Value>) -> Self {
        self.0.got = Some(got.into());
        self
    }

    /// Names the rule: a paragraph, a clause, a name.
    #[must_use]
    pub fn rule(mut self, rule: impl Into<String>) -> Self {
        self.0.rule = Some(rule.into());
        self
    }

    /// The methods the resource has, for a 405.
    #[must_use]
    pub fn allow(mut self, methods: &str) -> Self {
        self.0.header = Some((ALLOW, methods.to_owned()));
        self
    }

    /// The size of the file whose range was not satisfied (RFC 9110, section 15.5.17).
    #[must_use]
    pub fn content_range(mut self, size: u64) -> Self {
        self.0.header = Some((CONTENT_RANGE, format!("bytes */{size}")));
        self
    }

    /// When the request may be sent again, in seconds.
    #[must_use]
    pub fn retry_after(mut self, seconds: u32) -> Self {
        self.0.header = Some((RETRY_AFTER, seconds.to_string()));
        self
    }

    /// What its answer carries.
    pub(super) fn body(&self) -> Body {
        Body {
            kind: format!("{TYPE_BASE}{}", self.0.kind.name()),
            title: self.0.kind.title(),
            status: self.0.kind.status().as_u16(),
            detail: self.0.detail.clone(),
            rule: self.0.rule.clone(),
            expected: self.0.expected.clone(),
            got: self.0.got.clone(),
        }
    }

    /// A 500. `cause` goes to the log, not to the caller; it must not carry personal data.
    pub fn internal(cause: &dyn std::error::Error) -> Self {
        tracing::error!(cause = %chain(cause), "a request failed");
        Kind::Internal.problem()
    }

    /// A 503. `cause` goes to the log, not to the caller; it must not carry personal data.
    pub fn unavailable(cause: &dyn std::error::Error) -> Self {
        tracing::warn!(cause = %chain(cause), "a part of the installation does not answer");
        Kind::Unavailable.problem()
    }
}

/// An error and its causes on one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0.kind.name())
    }
}

impl std::error::Error for Problem {}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.0.kind.status()
    }

    fn error_response(&self) -> HttpResponse {
        let status = self.status_code();
        let mut response = HttpResponse::build(status);
        response.insert_header((CONTENT_TYPE, "application/problem+json"));
        match status {
            StatusCode::UNAUTHORIZED => {
                response.insert_header((WWW_AUTHENTICATE, "Bearer realm=\"stammbuch\""));
            }
            StatusCode::SERVICE_UNAVAILABLE => {
                response.insert_header((RETRY_AFTER, "5"));
            }
            _ => {}
        }
        if let Some((name, value)) = &self.0.header {
            response.insert_header((name.clone(), value.as_str()));
        }
        response.json(self.body())
    }
}

impl From<DatabaseError> for Problem {
    fn from(error: DatabaseError) -> Self {
        if error.is_unavailable() { Self::unavailable(&error) } else { Self::internal(&error) }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use actix_web::body::to_bytes;

    use super::*;

    #[actix_web::test]
    async fn a_problem_says_its_type_and_particulars_and_nothing_else() {
        let problem = Kind::IssueRefused.problem().rule("PStG § 64").expected("no lock").got(1);
        let response = problem.detail("a Sperrvermerk").error_response();
        assert_eq!(response.status(), 422);
        assert_eq!(response.headers().get(CONTENT_TYPE).unwrap(), "application/problem+json");
        let body = to_bytes(response.into_body()).await.unwrap();
        insta::assert_snapshot!(
            std::str::from_utf8(&body).unwrap(),
            @r#"{"type":"https://stammbuch.example/problems/issue-refused","title":"The law does not permit to issue this.","status":422,"detail":"a Sperrvermerk","rule":"PStG § 64","expected":"no lock","got":1}"#
        );
    }

    #[test]
    fn every_kind_has_a_name_of_its_own_in_small_letters_and_a_status_that_is_an_error() {
        let names: BTreeSet<_> = Kind::ALL.iter().map(|kind| kind.name()).collect();
        assert_eq!(names.len(), Kind::ALL.len());
        for kind in Kind::ALL {
            assert!(kind.name().chars().all(|c| c.is_ascii_lowercase() || c == '-'), "{kind:?}");
            assert!(kind.status().is_client_error() || kind.status().is_server_error(), "{kind:?}");
            assert!(kind.title().ends_with('.'), "{kind:?}");
        }
    }

    #[test]
    fn what_the_database_says_does_not_reach_the_caller() {
        let closed = Problem::from(DatabaseError::Closed);
        assert_eq!(closed, Kind::Unavailable.problem());
        let broken = Problem::from(DatabaseError::Statement("near SELEKT".into()));
        assert_eq!(broken, Kind::Internal.problem());
    }
}
