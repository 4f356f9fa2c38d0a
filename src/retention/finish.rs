//! What follows an erasure: key, objects, postings, pages, in this order, each step durable before the next and noted.
//! Broken off anywhere, it goes on where it was, also in the next process. Many erasures are finished together.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::database::erasures::{self, Open, Step};
use crate::database::{Database, DatabaseError};
use crate::domain::clock::Clock;
use crate::domain::ids::{DocumentId, ObjectId};
use crate::intake::quarantine;
use crate::intake::sweep::SweepError;
use crate::objects::{Vault, VaultError};
use crate::search::index::{IndexError, SearchBackend};

/// Erasures that are finished together.
const TOGETHER_MAX: u32 = 500;
/// Until the next look if nobody wakes it, and after a failure: what failed may work then.
const LOOK_AGAIN: Duration = Duration::from_secs(5);
/// Until the index is asked again how far it has come.
const INDEX_AGAIN: Duration = Duration::from_millis(50);
/// Rewriting index and databases costs as much as they are large: after it so many times its duration is a pause, in
/// which more erasures may gather.
const PAUSE_FACTOR: u32 = 10;

/// Why an erasure was not finished this time.
#[derive(Debug, thiserror::Error)]
pub enum EraseError {
    /// A database failed.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// The store or the keystore failed.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The index failed.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// A thread broke down.
    #[error("a thread of the erasing broke down")]
    Broken,
}

impl From<SweepError> for EraseError {
    fn from(error: SweepError) -> Self {
        match error {
            SweepError::Vault(error) => Self::Vault(error),
            SweepError::Database(error) => Self::Database(error),
        }
    }
}

/// Finishes erasures.
#[derive(Clone)]
pub struct Eraser {
    /// The rows.
    pub database: Database,
    /// The wrapped keys, for its pages.
    pub keystore: Database,
    /// Keys and objects.
    pub vault: Vault,
    /// The index.
    pub index: Arc<dyn SearchBackend>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Wakes it after an erasure.
    pub wake: Arc<Notify>,
}

impl Eraser {
    /// Finishes what is open, until `stop`.
    pub async fn run(self, stop: impl Future<Output = ()> + Send) {
        tokio::pin!(stop);
        let mut pause = Duration::ZERO;
        loop {
            let begun = Instant::now();
            let wait = match self.all_steps().await {
                Ok(Progress::Nothing) => LOOK_AGAIN,
                Ok(Progress::Waits) => INDEX_AGAIN,
                Ok(Progress::Finished) => {
                    pause = begun.elapsed() * PAUSE_FACTOR;
                    Duration::ZERO
                }
                Err(error) => {
                    tracing::warn!(%error, "an erasure is not finished yet; it goes on");
                    LOOK_AGAIN
                }
            };
            tokio::select! {
                () = &mut stop => return,
                // sleeps: spares the databases that were just rewritten
                () = tokio::time::sleep(std::mem::take(&mut pause)) => {}
            }
            tokio::select! {
                () = &mut stop => return,
                () = self.wake.notified() => {}
                // sleeps: the index gives no signal, and what failed may work later
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    /// Takes all open erasures through the steps that are left.
    ///
    /// # Errors
    /// [`EraseError`]; what was noted as done stays done.
    pub async fn all_steps(&self) -> Result<Progress, EraseError> {
        let mut reached = Progress::Nothing;
        for step in [Step::Keys, Step::Objects, Step::Index, Step::Pages] {
            reached = reached.max(self.step(step).await?);
        }
        Ok(reached)
    }

    /// Does one step, for all erasures that have come so far.
    ///
    /// # Errors
    /// [`EraseError`]; the step is repeated the next time.
    pub async fn step(&self, step: Step) -> Result<Progress, EraseError> {
        let mut open = self.database.read(|tx| Box::pin(erasures::open(tx, TOGETHER_MAX))).await?;
        open.retain(|erasure| erasure.next == step);
        if open.is_empty() {
            return Ok(Progress::Nothing);
        }
        match step {
            Step::Keys => self.erase_keys(&open).await?,
            Step::Objects => self.remove_objects(&open).await?,
            Step::Index if !self.purge(&open).await? => return Ok(Progress::Waits),
            Step::Index => {}
            Step::Pages => self.database.scrub().await?,
        }
        let now = self.clock.now();
        let documents: Vec<DocumentId> = open.iter().map(|erasure| erasure.document).collect();
        let noted = self.database.write::<_, DatabaseError, _>(move |tx| {
            Box::pin(async move { erasures::done(tx, step, &documents, now).await })
        });
        noted.await?;
        Ok(Progress::Finished)
    }

    /// First, so that from now on no copy of the sealed bytes can be opened, wherever there is one.
    async fn erase_keys(&self, open: &[Open]) -> Result<(), EraseError> {
        let keys: Vec<ObjectId> = open.iter().filter_map(|erasure| erasure.object).collect();
        // Infected files with the same bytes: their time was ended with the document.
        let infected = quarantine::sweep(&self.vault, &self.database, self.clock.now()).await?;
        if !keys.is_empty() || infected > 0 {
            self.vault.erase_keys(keys).await?;
            self.keystore.scrub().await?;
        }
        Ok(())
    }

    async fn remove_objects(&self, open: &[Open]) -> Result<(), EraseError> {
        for erasure in open {
            for object in [erasure.object, erasure.text].into_iter().flatten() {
                self.vault.forget(object).await?;
            }
        }
        Ok(())
    }

    /// `false`: the index has not taken all of the erasures over yet.
    async fn purge(&self, open: &[Open]) -> Result<bool, EraseError> {
        let last = open.iter().map(|erasure| erasure.index_seq).max().unwrap_or_default();
        let documents: Vec<DocumentId> = open.iter().map(|erasure| erasure.document).collect();
        let index = Arc::clone(&self.index);
        let purging = move || {
            let taken_over = index.mark()?.seq >= last;
            if taken_over {
                index.purge(&documents)?;
            }
            Ok::<_, IndexError>(taken_over)
        };
        Ok(tokio::task::spawn_blocking(purging).await.map_err(|_| EraseError::Broken)??)
    }
}

/// How far a round has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Progress {
    /// There was nothing to do.
    Nothing,
    /// Something was done.
    Finished,
    /// The index has to take changes over first.
    Waits,
}

#[cfg(test)]
mod tests;
