//! Bodies: what is accepted as JSON, query and path, and how what is not becomes a problem; the time-outs of a body
//! that stands still or crawls.

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

/// How slow a sender may be. Only time in which a body is waited for counts, not time the server takes itself.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    /// How long a body may stand still.
    pub idle: Duration,
    /// What it must bring on the average, once it was waited for as long as it may stand still.
    pub bytes_per_second_min: u64,
}

impl Pace {
    fn is_kept(self, came: u64, waited: Duration) -> bool {
        let due_ms = waited.saturating_sub(self.idle).as_millis();
        u128::from(came) * 1000 >= due_ms * u128::from(self.bytes_per_second_min)
    }
}

/// Lets the body of `request` fail once it does not keep the pace.
pub(crate) fn limit_pace(request: &mut ServiceRequest, pace: Pace) {
    match request.take_payload() {
        dev::Payload::None => {}
        payload => {
            let timer = Box::pin(tokio::time::sleep_until(Instant::now() + pace.idle));
            let stream = Paced { payload, pace, timer, since: None, waited: Duration::ZERO, came: 0 };
            request.set_payload(dev::Payload::Stream { payload: Box::pin(stream) });
        }
    }
}

struct Paced {
    payload: dev::Payload,
    pace: Pace,
    timer: Pin<Box<Sleep>>,
    /// Since when the next bytes are waited for, if they are.
    since: Option<Instant>,
    waited: Duration,
    came: u64,
}

impl Stream for Paced {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        let slow = || Some(Err(PayloadError::Io(std::io::Error::from(std::io::ErrorKind::TimedOut))));
        if let Poll::Ready(item) = Pin::new(&mut this.payload).poll_next(context) {
            if let Some(since) = this.since.take() {
                this.waited += since.elapsed();
            }
            let Some(Ok(bytes)) = &item else { return Poll::Ready(item) };
            this.came += bytes.len() as u64;
            return Poll::Ready(if this.pace.is_kept(this.came, this.waited) { item } else { slow() });
        }
        if this.since.is_none() {
            let now = Instant::now();
            this.since = Some(now);
            this.timer.as_mut().reset(now + this.pace.idle);
        }
        this.timer.as_mut().poll(context).map(|()| slow())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pace_is_kept_on_the_average_behind_the_time_a_body_may_stand_still() {
        let pace = Pace { idle: Duration::from_secs(20), bytes_per_second_min: 500 };
        let kept = |came, seconds| pace.is_kept(came, Duration::from_secs(seconds));
        assert!(kept(0, 0) && kept(0, 20) && kept(500, 21) && kept(5000, 30));
        assert!(!kept(0, 21) && !kept(499, 21) && !kept(4999, 30));
        let any = Pace { bytes_per_second_min: 0, ..pace };
        assert!(any.is_kept(0, Duration::from_secs(3600)));
    }
}
