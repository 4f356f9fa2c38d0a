//! An upload out of a request: the body itself, or the one part of a form that is a file.

use std::cell::Cell;
use std::rc::Rc;

use actix_multipart::{Field, Multipart, MultipartError};
use actix_web::error::PayloadError;
use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderName};
use actix_web::{HttpRequest, HttpResponse, web};
use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, stream};

use super::super::caller::Caller;
use super::super::digest;
use super::super::idempotency::IdempotencyKey;
use super::super::problem::{Kind, Problem};
use super::disposition;
use crate::access::{Principal, Role};
use crate::database::idempotency::{Scope, StoredAnswer};
use crate::intake::fields::{FieldError, Fields};
use crate::intake::receive::{Claims, Once, ReceiveError, Receiver, Sender, Uploaded};

/// The longest text of a field in a form, in bytes.
const FIELD_BYTES_MAX: usize = 8 * 1024;
/// Bytes of a form that may be read without a part, or bytes of one, coming out of them.
const SWALLOWED_BYTES_MAX: usize = 256 * 1024;
/// Parts of a form that are read.
const PARTS_MAX: usize = 32;
/// A line's end, then more line feeds than a boundary has characters (RFC 2046: 70, and two hyphens and a line's end).
const PADDING: &[u8] =
    b"\r\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\
    \n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n";
/// The name of the part that is the file, if the part has no file name.
const CONTENT: &str = "content";

/// Who sends or reads, in the first of the roles that permit it.
pub(in crate::http) fn sender(caller: &Caller, permitted: &[Role]) -> Sender {
    let role = caller.roles.iter().find(|role| permitted.contains(role));
    Sender {
        authority: caller.authority,
        client: caller.client.clone(),
        role: role.map_or("", |role| role.as_str()),
        request_id: caller.request_id(),
    }
}

/// The claim of the request's idempotency key, if it has one.
pub(super) fn once(request: &HttpRequest, caller: &Principal) -> Result<Option<Once>, Problem> {
    let Some(key) = IdempotencyKey::of(request)? else { return Ok(None) };
    let (authority, client, key) = (caller.authority, caller.client.clone(), key.into_string());
    let scope = Scope { authority, client, route: super::ROUTE, key };
    Ok(Some(Once { scope, answer: super::answer_to }))
}

/// Takes the file in and reads the fields, in whatever order they come.
pub(super) async fn take_in(
    receiver: &Receiver,
    request: &HttpRequest,
    sender: &Sender,
    payload: web::Payload,
) -> Result<(Uploaded, Fields), Problem> {
    let headers = request.headers();
    let mut fields = Fields::default();
    let query = web::Query::<Vec<(String, String)>>::from_query(request.query_string());
    for (name, text) in query.map_err(|_| Kind::MalformedRequest.problem())?.into_inner() {
        fields.take(&name, &text)?;
    }
    if headers.get(CONTENT_ENCODING).is_some_and(|coding| coding != "identity") {
        return Err(Kind::ContentTypeUnsuitable.problem().expected("a body without Content-Encoding"));
    }
    let content_type = header(headers, CONTENT_TYPE);
    if content_type.as_deref().is_some_and(|kind| kind.trim_start().starts_with("multipart/form-data")) {
        let uploaded = from_form(receiver, headers, sender, payload, &mut fields).await?;
        return Ok((uploaded, fields));
    }
    let claims = Claims {
        content_type,
        file_name: disposition::file_name(headers)?,
        length: header(headers, CONTENT_LENGTH).and_then(|length| length.parse().ok()),
        digests: digest::sent(headers)?,
    };
    let (body, broken_by) = super::super::body::watched(payload);
    match receiver.take_in(sender.authority, claims, body).await {
        Err(ReceiveError::Incomplete { got }) => {
            let problem = broken_by.problem().unwrap_or_else(|| Kind::BodyIncomplete.problem());
            Err(problem.got(format!("{got} bytes")))
        }
        uploaded => Ok((uploaded?, fields)),
    }
}

async fn from_form(
    receiver: &Receiver,
    headers: &HeaderMap,
    sender: &Sender,
    payload: web::Payload,
    fields: &mut Fields,
) -> Result<Uploaded, Problem> {
    if !digest::sent(headers)?.is_empty() {
        let problem = Kind::DigestMalformed.problem();
        return Err(problem.detail("in a form the digest stands in the head of the part that is the file"));
    }
    // At the end of a body that was cut within a boundary the parser waits for ever; this lets it see that it was.
    let body = payload.chain(stream::iter([Ok(Bytes::from_static(PADDING))]));
    let swallowed = Swallowed::default();
    let mut form = Multipart::new(headers, swallowed.watch(body));
    let (mut uploaded, mut parts) = (None, 0);
    while let Some(part) = form.next().await {
        let part = part.map_err(|error| broken(&error))?;
        swallowed.nothing();
        parts += 1;
        if parts > PARTS_MAX {
            return Err(malformed("the form has too many parts"));
        }
        let name = part.name().unwrap_or_default().to_owned();
        let file_name = part.content_disposition().and_then(disposition::name_in);
        if file_name.is_none() && name != CONTENT {
            fields.take(&name, &text_of(part, &swallowed).await?)?;
            continue;
        }
        if uploaded.is_some() {
            return Err(malformed("the form has more than one file"));
        }
        let claims = Claims {
            content_type: part.content_type().map(ToString::to_string),
            file_name,
            length: None,
            digests: digest::sent(part.headers())?,
        };
        let pieces = part.inspect(|_| swallowed.nothing());
        uploaded = Some(receiver.take_in(sender.authority, claims, pieces).await?);
    }
    uploaded.ok_or_else(|| malformed("the form has no file"))
}

async fn text_of(mut part: Field, swallowed: &Swallowed) -> Result<String, Problem> {
    let mut text = Vec::new();
    while let Some(piece) = part.next().await {
        swallowed.nothing();
        text.extend_from_slice(&piece.map_err(|error| broken(&error))?);
        if text.len() > FIELD_BYTES_MAX {
            return Err(malformed("a field of the form is too long"));
        }
    }
    String::from_utf8(text).map_err(|_| malformed("a field of the form is not UTF-8"))
}

/// Bytes that the parser of a form has taken and not given out. It keeps what may be the head of a part, or a line
/// before the first one, until it sees the end of it: without a bound a body could make it keep all of its bytes.
#[derive(Default)]
struct Swallowed(Rc<Cell<usize>>);

impl Swallowed {
    /// The parser has given something out.
    fn nothing(&self) {
        self.0.set(0);
    }

    /// The body as the parser reads it: it ends where too much of it was swallowed.
    fn watch<B: Stream<Item = Result<Bytes, PayloadError>> + 'static>(
        &self,
        body: B,
    ) -> impl Stream<Item = Result<Bytes, PayloadError>> + use<B> {
        let swallowed = Rc::clone(&self.0);
        body.map(move |piece| {
            let piece = piece?;
            swallowed.set(swallowed.get() + piece.len());
            if swallowed.get() > SWALLOWED_BYTES_MAX { Err(PayloadError::Overflow) } else { Ok(piece) }
        })
    }
}

fn broken(error: &MultipartError) -> Problem {
    match error {
        MultipartError::Payload(PayloadError::Overflow) => malformed("the head of a part is too long"),
        MultipartError::Payload(error) => super::super::body::payload(error),
        MultipartError::Incomplete => Kind::BodyIncomplete.problem(),
        _ => malformed("the form is not well formed"),
    }
}

fn malformed(detail: &str) -> Problem {
    Kind::MalformedRequest.problem().detail(detail)
}

fn header(headers: &HeaderMap, name: HeaderName) -> Option<String> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
}

/// An answer as it was written down.
pub(in crate::http) fn answer(stored: &StoredAnswer) -> HttpResponse {
    let status = StatusCode::from_u16(stored.status).unwrap_or(StatusCode::CREATED);
    let mut response = HttpResponse::build(status);
    response.content_type("application/json");
    for (name, value) in &stored.headers {
        response.insert_header((name.as_str(), value.as_str()));
    }
    response.body(stored.body.clone())
}

impl From<FieldError> for Problem {
    fn from(error: FieldError) -> Self {
        let kind = match &error {
            FieldError::Unknown { .. } => Kind::UnknownField,
            FieldError::Twice { .. } => Kind::MalformedRequest,
            FieldError::Entry { .. } => Kind::RegisterNumberInvalid,
            _ => Kind::ValueInvalid,
        };
        kind.problem().detail(error.to_string())
    }
}
