//! Bodies: what is accepted as JSON, query and path, and how what is not becomes a problem; the time-out of a body
//! that stands still.

use std::cell::Cell;
use std::future::Future as _;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use actix_web::dev::{self, ServiceRequest};
use actix_web::error::{JsonPayloadError, PayloadError, QueryPayloadError};
use actix_web::{FromRequest, HttpMessage as _, HttpRequest, web};
use bytes::Bytes;
use futures_util::future::LocalBoxFuture;
use futures_util::{Stream, StreamExt as _};
use tokio::time::{Instant, Sleep};

use super::problem::{Kind, Problem};
use crate::config::Limits;

/// How JSON, other small bodies, queries and paths are read on every route.
pub(crate) fn configure(limits: &Limits, services: &mut web::ServiceConfig) {
    let max = limits.json_bytes_max;
    services
        .app_data(
            web::JsonConfig::default().limit(max).error_handler(move |error, _| json(&error, max).into()),
        )
        .app_data(web::PayloadConfig::new(max))
        .app_data(web::QueryConfig::default().error_handler(|error, _| query(&error).into()))
        // What cannot be an identifier names nothing.
        .app_data(web::PathConfig::default().error_handler(|_, _| Kind::NotFound.problem().into()));
}

fn json(error: &JsonPayloadError, max: usize) -> Problem {
    match error {
        JsonPayloadError::OverflowKnownLength { length, .. } => Kind::BodyTooLarge
            .problem()
            .expected(format!("at most {max} bytes"))
            .got(format!("{length} bytes")),
        JsonPayloadError::Overflow { .. } => {
            Kind::BodyTooLarge.problem().expected(format!("at most {max} bytes"))
        }
        JsonPayloadError::ContentType => Kind::ContentTypeUnsuitable.problem().expected("application/json"),
        JsonPayloadError::Payload(error) => payload(error),
        JsonPayloadError::Deserialize(error) => shape(Kind::MalformedJson, &error.to_string()),
        _ => Kind::MalformedJson.problem(),
    }
}

fn query(error: &QueryPayloadError) -> Problem {
    match error {
        QueryPayloadError::Deserialize(error) => shape(Kind::MalformedRequest, &error.to_string()),
        _ => Kind::MalformedRequest.problem(),
    }
}

/// Tells the field that is not known apart from all else that serde finds.
pub(crate) fn shape(kind: Kind, message: &str) -> Problem {
    let kind = if message.starts_with("unknown field ") { Kind::UnknownField } else { kind };
    kind.problem().detail(message)
}

/// What became of a body that could not be read to its end.
pub(crate) fn payload(error: &PayloadError) -> Problem {
    match error {
        PayloadError::Overflow => Kind::BodyTooLarge.problem(),
        PayloadError::Io(error) if error.kind() == std::io::ErrorKind::TimedOut => {
            Kind::BodyTooSlow.problem()
        }
        PayloadError::Incomplete(_) | PayloadError::Io(_) => Kind::BodyIncomplete.problem(),
        PayloadError::EncodingCorrupted => {
            Kind::MalformedRequest.problem().detail("the body does not have the encoding its head says")
        }
        _ => Kind::MalformedRequest.problem(),
    }
}

/// A whole body that is to be JSON, for flows that parse it by their own rules. Empty where none came.
pub(crate) struct JsonBody(Bytes);

impl std::ops::Deref for JsonBody {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl FromRequest for JsonBody {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, body: &mut dev::Payload) -> Self::Future {
        let suits = request.content_type().is_empty() || request.mime_type().is_ok_and(is_json);
        let bytes = Bytes::from_request(request, body);
        Box::pin(async move {
            if !suits {
                return Err(Kind::ContentTypeUnsuitable.problem().expected("application/json"));
            }
            let bytes = bytes.await.map_err(|error| match error.as_error::<PayloadError>() {
                Some(error) => payload(error),
                None => Kind::MalformedRequest.problem(),
            })?;
            Ok(Self(bytes))
        })
    }
}

fn is_json(sent: Option<mime_guess::Mime>) -> bool {
    sent.is_some_and(|sent| sent.subtype() == "json" || sent.suffix().is_some_and(|suffix| suffix == "json"))
}

/// A body, and where it is noted why it broke off.
pub(crate) fn watched(payload: web::Payload) -> (impl Stream<Item = Result<Bytes, ()>>, BrokenBy) {
    let by = BrokenBy::default();
    let note = by.clone();
    let body =
        payload.map(move |piece| piece.map_err(|error| note.0.set(Some(self::payload(&error).kind()))));
    (body, by)
}

/// Why a body broke off, if it did.
#[derive(Clone, Default)]
pub(crate) struct BrokenBy(Rc<Cell<Option<Kind>>>);

impl BrokenBy {
    /// What the caller is told, if the body broke off.
    pub(crate) fn problem(&self) -> Option<Problem> {
        self.0.get().map(Kind::problem)
    }
}

/// Lets the body of `request` fail once nothing of it has come for `idle`.
pub(crate) fn limit_idle(request: &mut ServiceRequest, idle: Duration) {
    match request.take_payload() {
        dev::Payload::None => {}
        payload => {
            let stream =
                Idle { payload, idle, timer: Box::pin(tokio::time::sleep_until(Instant::now() + idle)) };
            request.set_payload(dev::Payload::Stream { payload: Box::pin(stream) });
        }
    }
}

struct Idle {
    payload: dev::Payload,
    idle: Duration,
    timer: Pin<Box<Sleep>>,
}

impl Stream for Idle {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        if let Poll::Ready(item) = Pin::new(&mut this.payload).poll_next(context) {
            this.timer.as_mut().reset(Instant::now() + this.idle);
            return Poll::Ready(item);
        }
        this.timer.as_mut().poll(context).map(|()| {
            let slow = std::io::Error::from(std::io::ErrorKind::TimedOut);
            Some(Err(PayloadError::Io(slow)))
        })
    }
}
