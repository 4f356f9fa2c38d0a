//! `Content-Disposition` (RFC 6266) out of a request and into an answer; names in the form of RFC 8187.

use std::fmt::Write as _;

use actix_web::http::header::{self, ContentDisposition, HeaderMap};

use super::super::problem::{Kind, Problem};
use crate::intake::fields::FileName;

/// The file's name in a request's head or a part's, fit to be shown.
pub(super) fn file_name(headers: &HeaderMap) -> Result<Option<FileName>, Problem> {
    let Some(value) = headers.get(header::CONTENT_DISPOSITION) else { return Ok(None) };
    let malformed = |_| {
        let problem = Kind::MalformedRequest.problem();
        problem.detail("Content-Disposition is not of the form of RFC 6266")
    };
    Ok(name_in(&ContentDisposition::from_raw(value).map_err(malformed)?))
}

/// `filename*` if it is UTF-8, else `filename`.
pub(super) fn name_in(disposition: &ContentDisposition) -> Option<FileName> {
    let extended = disposition.get_filename_ext().and_then(|name| std::str::from_utf8(&name.value).ok());
    FileName::for_display(extended.or_else(|| disposition.get_filename())?)
}

/// `attachment` with the name for all (RFC 8187) and a plain one for old clients.
pub(super) fn attachment(name: &str) -> String {
    let plain: String = name.chars().map(|c| if is_plain(c) { c } else { '_' }).collect();
    let mut encoded = String::new();
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"!#$&+-.^_`|~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            // Writing to a string does not fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    format!("attachment; filename=\"{plain}\"; filename*=UTF-8''{encoded}")
}

fn is_plain(c: char) -> bool {
    (c.is_ascii_graphic() || c == ' ') && !matches!(c, '"' | '\\' | '%')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: &str) -> Option<String> {
        let mut headers = HeaderMap::new();
        headers
            .insert(header::CONTENT_DISPOSITION, header::HeaderValue::from_bytes(value.as_bytes()).unwrap());
        file_name(&headers).unwrap().map(|name| name.as_str().to_owned())
    }

    #[test]
    fn names_are_read_in_both_forms() {
        assert_eq!(read("attachment; filename=\"Brief.pdf\"").as_deref(), Some("Brief.pdf"));
        let both = "attachment; filename=\"_nderung.pdf\"; filename*=UTF-8''%C3%84nderung.pdf";
        assert_eq!(read(both).as_deref(), Some("Änderung.pdf"));
        assert_eq!(read("attachment; filename*=UTF-8''..%2F..%2Fpasswd").as_deref(), Some("passwd"));
        assert_eq!(read("inline"), None);
    }

    #[test]
    fn what_is_written_is_read_back_and_cannot_leave_its_header() {
        for name in ["Brief.pdf", "Änderung \"neu\".pdf", "J̌evdet; filename=x", "50%.txt", "日本.pdf"] {
            let written = attachment(name);
            assert!(written.is_ascii() && !written.contains(['\r', '\n']), "{written}");
            assert_eq!(read(&written).as_deref(), FileName::for_display(name).as_ref().map(FileName::as_str));
        }
    }
}
