//! A unit of work on its way to a transaction, and its answer on the way back once the transaction has ended.

use std::panic::AssertUnwindSafe;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::sync::oneshot;

use super::error::DatabaseError;
use super::tx::Tx;

/// Runs `work` once, without what it left for later; a panic and a swallowed failure are errors too.
async fn attempt_but_deferred<T, E, F>(work: F, tx: &mut Tx) -> Result<T, E>
where
    F: for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Result<T, E>>,
    E: From<DatabaseError>,
{
    let caught = AssertUnwindSafe(async { work(&mut *tx).await }).catch_unwind().await;
    let failure = tx.take_failure();
    match (caught, failure) {
        (Err(_panic), _) => Err(DatabaseError::Panicked.into()),
        (Ok(Ok(_)), Some(failure)) => Err(DatabaseError::AfterFailure(Box::new(failure)).into()),
        (Ok(outcome), _) => outcome,
    }
}

/// Runs `work` once, and what it left for later.
pub(super) async fn attempt<T, E, F>(work: F, tx: &mut Tx) -> Result<T, E>
where
    F: for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Result<T, E>>,
    E: From<DatabaseError>,
{
    let value = attempt_but_deferred(work, tx).await?;
    tx.run_deferred().await?;
    Ok(value)
}

/// Tells the caller how it went, once it is known whether the transaction was committed.
pub(super) type Answer = Box<dyn FnOnce(Result<(), DatabaseError>) + Send>;

/// What a work has come to before what it left for later, and before the commit.
pub(super) struct Attempted {
    /// Whether what it wrote is to stay.
    pub(super) keep: bool,
    pub(super) answer: Answer,
}

/// A queued work whose types are not known any more.
pub(super) trait Work: Send {
    fn run<'t>(self: Box<Self>, tx: &'t mut Tx) -> BoxFuture<'t, Attempted>;
    fn refuse(self: Box<Self>, error: DatabaseError);
}

/// A work together with the place where its caller waits.
pub(super) struct Queued<F, T, E> {
    pub(super) work: F,
    pub(super) caller: oneshot::Sender<Result<T, E>>,
}

impl<F, T, E> Work for Queued<F, T, E>
where
    F: for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Result<T, E>> + Send + 'static,
    T: Send + 'static,
    E: From<DatabaseError> + Send + 'static,
{
    fn run<'t>(self: Box<Self>, tx: &'t mut Tx) -> BoxFuture<'t, Attempted> {
        Box::pin(async move {
            let Self { work, caller } = *self;
            let outcome = attempt_but_deferred(work, tx).await;
            let keep = outcome.is_ok();
            let answer: Answer = Box::new(move |committed| {
                let outcome = match (outcome, committed) {
                    (Ok(_), Err(error)) => Err(error.into()),
                    (outcome, _) => outcome,
                };
                // A caller that has gone away does not wait for the answer.
                let _ = caller.send(outcome);
            });
            Attempted { keep, answer }
        })
    }

    fn refuse(self: Box<Self>, error: DatabaseError) {
        let _ = self.caller.send(Err(error.into()));
    }
}
