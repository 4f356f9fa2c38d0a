//! A request row for tests, with difficult names; each test changes what it is about.

use super::request::CertificateRequest;

/// A Geburtsurkunde on paper with everything on it.
pub(crate) fn geburtsurkunde() -> CertificateRequest {
    CertificateRequest::from_json(include_bytes!("sample.json")).unwrap()
}
