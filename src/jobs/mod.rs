//! Background work: runs the jobs of the table by kind, under leases, and stops without leaving one half done.
//!
//! Knows no kind of work itself; what a job does must be harmless when it is done twice.

pub mod pulse;
mod runner;

use std::time::Duration;

use async_trait::async_trait;

pub use crate::database::jobs::{Claimed, Lease, NewJob};
pub use runner::{Runner, Running, Wake};

/// What does the jobs of one kind.
#[async_trait]
pub trait Handler: Send + Sync + 'static {
    /// Does one job. May be dropped at any await when the lease is lost, and may be called again for a job that
    /// was done before but not written down.
    async fn handle(&self, job: &Claimed) -> Result<Finished, JobError>;
}

/// What is left to do with the row of a job that is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finished {
    /// The runner removes it.
    Remove,
    /// The handler has removed it, by [`complete`](crate::database::jobs::complete) in its own transaction.
    Removed,
}

/// Why a job was not done. The text is kept in its row: no personal data.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JobError {
    /// It may work later.
    #[error("to be tried again: {0}")]
    Again(String),
    /// It never will.
    #[error("will never work: {0}")]
    Never(String),
}

impl From<crate::database::DatabaseError> for JobError {
    fn from(error: crate::database::DatabaseError) -> Self {
        Self::Again(error.to_string())
    }
}

/// How patient the runner is.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// How long a claim holds; it is extended while the work goes on.
    pub lease: Duration,
    /// How long the runner sleeps at most when it is not woken: others may have written jobs down.
    pub poll: Duration,
    /// How often a job is tried before it is set aside.
    pub attempts_max: u32,
    /// The pause after the first failure; doubled with each further one.
    pub pause_first: Duration,
    /// The longest pause.
    pub pause_max: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            lease: Duration::from_secs(60),
            poll: Duration::from_secs(1),
            attempts_max: 5,
            pause_first: Duration::from_secs(2),
            pause_max: Duration::from_secs(600),
        }
    }
}
