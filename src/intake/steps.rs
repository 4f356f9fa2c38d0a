//! Places between the steps of an upload, named so that a test can end everything there as a crash would. The product
//! never does.

use std::future::ready;

use futures_util::future::BoxFuture;

/// A place between two steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The bytes are in and checked; nothing is durable.
    TakenIn,
    /// Bytes and key are durable; no row refers to them.
    Durable,
    /// The transaction is committed; nobody has been told.
    Committed,
}

/// Is told of each step, and may keep the flow from going on.
pub trait Steps: Send + Sync {
    /// The flow goes on when this is done; where it never is, whoever waits for the flow drops it.
    fn after(&self, step: Step) -> BoxFuture<'_, ()>;
}

/// Goes on after every step.
#[derive(Debug, Clone, Copy)]
pub struct EveryStep;

impl Steps for EveryStep {
    fn after(&self, _step: Step) -> BoxFuture<'_, ()> {
        Box::pin(ready(()))
    }
}
