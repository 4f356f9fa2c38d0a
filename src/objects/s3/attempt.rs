//! One thing asked of the store: a bounded number of attempts with jitter between them, and what its answers mean.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};

use super::super::path::ObjectPath;
use super::super::store::StoreError;
use super::breaker::Breaker;
use crate::domain::random::{self, Random};

/// How often something is asked before it counts as failed.
const ATTEMPTS_MAX: u32 = 4;

/// What the store answered, if not what was hoped for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fault {
    /// 404: no such object.
    NotFound,
    /// 404: no such multipart upload.
    NoUpload,
    /// 412: the condition does not hold.
    Precondition,
    /// 416: the range lies outside the object.
    Range,
    /// The object is under retention.
    Locked,
    /// Something else that asking again does not change: permission, bucket, request.
    Refused(String),
    /// The bytes arrived damaged; sent again they may not.
    Damaged(String),
    /// No answer, or one that says: not now.
    Away(String),
}

/// What came of asking, and how often it was asked.
#[derive(Debug)]
pub(super) struct Failed {
    pub(super) fault: Fault,
    /// More than one: an earlier attempt may have taken effect.
    pub(super) attempts: u32,
}

impl Failed {
    /// The fault as those know it who asked for a folder.
    pub(super) fn at_folder(self, doing: &'static str, folder: &str) -> StoreError {
        failed(doing, folder, self.fault.to_string())
    }

    /// The fault as the store's users know it.
    pub(super) fn at(self, doing: &'static str, path: &ObjectPath) -> StoreError {
        match self.fault {
            Fault::NotFound => StoreError::NotFound { path: path.clone() },
            fault => failed(doing, path.as_str(), fault.to_string()),
        }
    }
}

/// A failure of the store, told in words.
pub(super) fn failed(doing: &'static str, path: &str, reason: String) -> StoreError {
    StoreError::Io { doing, path: path.to_owned(), source: io::Error::other(reason) }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NotFound => f.write_str("there is no such object"),
            Self::NoUpload => f.write_str("there is no such multipart upload"),
            Self::Precondition => f.write_str("the condition does not hold"),
            Self::Range => f.write_str("the range lies outside the object"),
            Self::Locked => f.write_str("the object is under retention"),
            Self::Refused(reason) => write!(f, "refused: {reason}"),
            Self::Damaged(reason) => write!(f, "damaged on the way: {reason}"),
            Self::Away(reason) => write!(f, "no answer: {reason}"),
        }
    }
}

impl<E> From<SdkError<E, HttpResponse>> for Fault
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    fn from(error: SdkError<E, HttpResponse>) -> Self {
        match &error {
            SdkError::ServiceError(answer) => {
                let status = answer.raw().status().as_u16();
                let (code, message) = (answer.err().code(), answer.err().message());
                Self::of(status, code.unwrap_or_default(), message.unwrap_or_default())
            }
            SdkError::ConstructionFailure(_) => Self::Refused(DisplayErrorContext(&error).to_string()),
            _ => Self::Away(DisplayErrorContext(&error).to_string()),
        }
    }
}

impl Fault {
    fn of(status: u16, code: &str, message: &str) -> Self {
        let said = || {
            let named = if code.is_empty() { status.to_string() } else { format!("{status} {code}") };
            if message.is_empty() { named } else { format!("{named}: {message}") }
        };
        match (status, code) {
            (404, "NoSuchUpload") => Self::NoUpload,
            (404, "NoSuchBucket") => Self::Refused(said()),
            (404, _) => Self::NotFound,
            (412, _) => Self::Precondition,
            (416, _) => Self::Range,
            // Where the lock forbids something, AWS answers 403, MinIO 400, and only the words differ.
            (400 | 403, _) if is_lock(code, message) => Self::Locked,
            (
                400,
                "BadDigest" | "XAmzContentChecksumMismatch" | "XAmzContentSHA256Mismatch" | "IncompleteBody",
            ) => Self::Damaged(said()),
            // It will never do it.
            (501, _) => Self::Refused(said()),
            (400, "RequestTimeout") | (408 | 409 | 429 | 500.., _) => Self::Away(said()),
            _ => Self::Refused(said()),
        }
    }

    const fn is_worth_another_try(&self) -> bool {
        matches!(self, Self::Away(_) | Self::Damaged(_))
    }
}

fn is_lock(code: &str, message: &str) -> bool {
    code.contains("ObjectLock") || message.contains("WORM") || message.contains("object lock")
}

/// How the store is asked. Clones share the circuit.
#[derive(Clone)]
pub(super) struct Asking {
    pub(super) breaker: Breaker,
    pub(super) random: Arc<dyn Random>,
    /// The pause after the first attempt, before jitter; it doubles with each.
    pub(super) pause: Duration,
}

impl Asking {
    /// Asks until there is an answer that more asking would not change, at most [`ATTEMPTS_MAX`] times, and not at
    /// all while the circuit is open. Answers what came, and how often it was asked.
    pub(super) async fn ask<T, F: Future<Output = Result<T, Fault>>>(
        &self,
        mut call: impl FnMut() -> F,
    ) -> Result<(T, u32), Failed> {
        let mut attempts = 0;
        loop {
            let Some(permit) = self.breaker.permit() else {
                let reason = "the store did not answer lately and is not asked for a moment".to_owned();
                return Err(Failed { fault: Fault::Away(reason), attempts });
            };
            attempts += 1;
            let fault = match call().await {
                Ok(value) => {
                    permit.answered();
                    return Ok((value, attempts));
                }
                Err(fault) => fault,
            };
            match fault {
                Fault::Away(_) => permit.failed(),
                _ => permit.answered(),
            }
            if attempts == ATTEMPTS_MAX || !fault.is_worth_another_try() {
                return Err(Failed { fault, attempts });
            }
            tracing::debug!(%fault, attempts, "asking the object store again");
            // sleeps: a store that is busy is left alone for a moment, longer each time, never all callers at once
            tokio::time::sleep(self.pause_after(attempts)).await;
        }
    }

    /// Half to one and a half of the pause that belongs to this attempt.
    fn pause_after(&self, attempts: u32) -> Duration {
        let [byte] = random::bytes::<1>(&*self.random);
        let whole = self.pause * 2u32.pow(attempts.saturating_sub(1).min(8));
        whole / 2 + whole * u32::from(byte) / 255
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;
    use crate::domain::random::SeededRandom;

    fn asking(pause: Duration) -> Asking {
        Asking { breaker: Breaker::new(pause), random: Arc::new(SeededRandom::new(1)), pause }
    }

    async fn asked(faults: Vec<Fault>) -> (Result<(u32, u32), Failed>, u32) {
        let (asking, calls) = (asking(Duration::from_micros(10)), AtomicU32::new(0));
        let outcome = asking.ask(|| {
            let number = calls.fetch_add(1, Ordering::Relaxed);
            let fault = faults.get(number as usize).cloned();
            async move { fault.map_or(Ok(number), Err) }
        });
        (outcome.await, calls.load(Ordering::Relaxed))
    }

    fn away() -> Fault {
        Fault::Away("503 SlowDown".into())
    }

    #[tokio::test]
    async fn what_may_pass_is_asked_again_and_what_cannot_is_not() {
        let (outcome, calls) = asked(vec![away(), Fault::Damaged("BadDigest".into())]).await;
        assert_eq!((outcome.unwrap(), calls), ((2, 3), 3));
        let (outcome, calls) = asked(vec![away(); 10]).await;
        assert_eq!((outcome.unwrap_err().attempts, calls), (ATTEMPTS_MAX, ATTEMPTS_MAX));
        for fault in [Fault::NotFound, Fault::Precondition, Fault::Refused("403".into()), Fault::Locked] {
            let (outcome, calls) = asked(vec![fault.clone(); 10]).await;
            assert_eq!((outcome.unwrap_err().fault, calls), (fault, 1));
        }
    }

    #[test]
    fn pauses_grow_and_differ() {
        let asking = asking(Duration::from_millis(100));
        for attempts in 1..=4 {
            let whole = asking.pause * 2u32.pow(attempts - 1);
            let pauses: Vec<Duration> = (0..50).map(|_| asking.pause_after(attempts)).collect();
            assert!(pauses.iter().all(|pause| (whole / 2..=whole * 3 / 2).contains(pause)));
            assert!(pauses.iter().any(|pause| pause != pauses.first().unwrap()));
        }
    }

    #[test]
    fn answers_are_told_apart_by_status_and_code() {
        let table = [
            (404, "NoSuchKey", "", Fault::NotFound),
            (404, "", "", Fault::NotFound),
            (404, "NoSuchUpload", "", Fault::NoUpload),
            (404, "NoSuchBucket", "", Fault::Refused("404 NoSuchBucket".into())),
            (412, "PreconditionFailed", "", Fault::Precondition),
            (416, "InvalidRange", "", Fault::Range),
            (400, "InvalidRequest", "Object is WORM protected and cannot be overwritten", Fault::Locked),
            (403, "AccessDenied", "Access Denied because object protected by object lock.", Fault::Locked),
            (
                403,
                "AccessDenied",
                "Access Denied.",
                Fault::Refused("403 AccessDenied: Access Denied.".into()),
            ),
            (400, "BadDigest", "", Fault::Damaged("400 BadDigest".into())),
            (409, "ConditionalRequestConflict", "", Fault::Away("409 ConditionalRequestConflict".into())),
            (503, "SlowDown", "", Fault::Away("503 SlowDown".into())),
            (500, "", "", Fault::Away("500".into())),
            (501, "NotImplemented", "", Fault::Refused("501 NotImplemented".into())),
            (301, "PermanentRedirect", "", Fault::Refused("301 PermanentRedirect".into())),
        ];
        for (status, code, message, expected) in table {
            assert_eq!(Fault::of(status, code, message), expected, "{status} {code}");
        }
    }
}
