//! Places where a flow may be cut off: a test stops it there as a crash would, the product never does.

use std::sync::atomic::{AtomicU64, Ordering};

/// A place between two durable steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Step {
    /// Leaves have their indices.
    LogStaged,
    /// The new head is signed in the database.
    LogSigned,
    /// Tiles and bundles are on the store.
    LogWritten,
    /// The checkpoint is published.
    LogPublished,
    /// Number, salt, journal and everything printed are fixed.
    Fixed,
    /// The page is composed (nothing durable).
    Composed,
    /// The signature is kept.
    Sealed,
    /// The leaf is under a published checkpoint (kept by the log, not yet in the row).
    Logged,
    /// The proof is kept in the row.
    Proven,
    /// Revision 1 is on the store (not yet in the row).
    Stored,
    /// Everything is done, nobody has been told.
    Delivered,
}

/// The flow was cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("cut off after {0:?}")]
pub struct Interrupted(pub Step);

/// Decides where a flow is cut off.
pub trait Interrupts: Send + Sync {
    /// Called after each step.
    ///
    /// # Errors
    /// If the flow is to end here.
    fn after(&self, step: Step) -> Result<(), Interrupted>;
}

/// Lets everything run.
#[derive(Debug, Clone, Copy)]
pub struct Uninterrupted;

impl Interrupts for Uninterrupted {
    fn after(&self, _step: Step) -> Result<(), Interrupted> {
        Ok(())
    }
}

/// Cuts off the flow the first time it reaches a step, and never again.
#[derive(Debug)]
pub struct CutOnce {
    step: Step,
    reached: AtomicU64,
}

impl CutOnce {
    /// Cuts off after `step`.
    pub const fn after(step: Step) -> Self {
        Self { step, reached: AtomicU64::new(0) }
    }

    /// How often the step was reached.
    pub fn reached(&self) -> u64 {
        self.reached.load(Ordering::SeqCst)
    }
}

impl Interrupts for CutOnce {
    fn after(&self, step: Step) -> Result<(), Interrupted> {
        if step == self.step && self.reached.fetch_add(1, Ordering::SeqCst) == 0 {
            Err(Interrupted(step))
        } else {
            Ok(())
        }
    }
}
