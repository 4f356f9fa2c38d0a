//! The log as the issuing flows see it: queue a leaf in their transaction, wait for its place and proof.
//!
//! An answer means: the leaf is under a checkpoint that is signed, durable and published.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, oneshot};

use super::log_files::{LogFiles, LogFilesError};
use crate::database::{Database, DatabaseError, log as rows};
use crate::tlog::{Checkpoint, CheckpointError, Growth, Hash, Leaf, Proof, Salt, VerifierKey};

/// How long a caller trusts that this process sequences its leaf before it looks for itself.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// A leaf's place under a published checkpoint.
#[derive(Debug, Clone)]
pub struct Logged {
    /// Its index.
    pub index: u64,
    /// The path to the root.
    pub path: Vec<Hash>,
    /// The published note.
    pub checkpoint: Arc<str>,
}

impl Logged {
    /// The proof with the leaf's salt in it.
    pub fn proof(&self, salt: &Salt) -> Proof {
        Proof::new(salt, self.index, self.path.clone(), self.checkpoint.to_string())
    }
}

/// Why a leaf's place is not known.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The database.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// The files on the object store.
    #[error(transparent)]
    Files(#[from] LogFilesError),
    /// The published checkpoint is not this log's.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
}

/// The log of this installation.
pub struct Log {
    database: Database,
    files: LogFiles,
    key: VerifierKey,
    waiting: Mutex<HashMap<Leaf, oneshot::Sender<Logged>>>,
    pub(super) work: Notify,
}

/// Somebody waits for this leaf. Take it before queueing the leaf, so that no answer is missed.
#[derive(Debug)]
pub struct Awaited {
    leaf: Leaf,
    subject: Vec<u8>,
    answer: oneshot::Receiver<Logged>,
}

impl Log {
    /// The log whose rows are in `database` and whose files are in `files`, signed by the key that `key` verifies.
    pub fn new(database: Database, files: LogFiles, key: VerifierKey) -> Self {
        Self { database, files, key, waiting: Mutex::default(), work: Notify::new() }
    }

    /// The key that verifies its checkpoints.
    pub const fn key(&self) -> &VerifierKey {
        &self.key
    }

    /// Its public files.
    pub const fn files(&self) -> &LogFiles {
        &self.files
    }

    /// Announces that the caller is going to queue `leaf` about `subject` and wait for it.
    pub fn expect(&self, subject: &[u8], leaf: Leaf) -> Awaited {
        let (sender, answer) = oneshot::channel();
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.len().is_power_of_two() {
            waiting.retain(|_, caller| !caller.is_closed());
        }
        waiting.insert(leaf, sender);
        drop(waiting);
        Awaited { leaf, subject: subject.to_vec(), answer }
    }

    /// Waits for a leaf that has been queued, in this process or before it.
    ///
    /// # Errors
    /// If database or store do not answer. The leaf is not lost by that: ask again.
    pub async fn logged(&self, mut awaited: Awaited) -> Result<Logged, LogError> {
        self.work.notify_one();
        loop {
            if let Ok(Ok(logged)) = tokio::time::timeout(LOOK_AGAIN, &mut awaited.answer).await {
                return Ok(logged);
            }
            if let Some(logged) = self.find(&awaited.leaf, &awaited.subject).await? {
                return Ok(logged);
            }
            awaited = self.expect(&awaited.subject, awaited.leaf);
            self.work.notify_one();
        }
    }

    /// The place of a leaf that is under the published checkpoint by now; none if it is not yet.
    ///
    /// # Errors
    /// If database or store do not answer.
    pub async fn find(&self, leaf: &Leaf, subject: &[u8]) -> Result<Option<Logged>, LogError> {
        let (kind, subject) = (leaf.kind(), subject.to_vec());
        let index = self
            .database
            .read(move |tx| Box::pin(async move { rows::index_of(tx, kind, &subject).await }))
            .await?;
        let (Some(index), Some(published)) = (index, self.files.checkpoint().await?) else {
            return Ok(None);
        };
        let size = Checkpoint::open(&published, std::slice::from_ref(&self.key))?.size();
        if index >= size {
            return Ok(None);
        }
        let path = self.files.prove(size, index).await?;
        Ok(Some(Logged { index, path, checkpoint: published.into() }))
    }

    /// Tells those who wait for `leaves`, which `growth` put under `checkpoint`.
    pub(super) fn deliver(&self, leaves: &[Leaf], growth: &Growth, checkpoint: &Arc<str>) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        for (leaf, index) in leaves.iter().zip(growth.from()..) {
            let Some(caller) = waiting.remove(leaf) else { continue };
            if let Some(path) = growth.prove(index) {
                // A caller that has gone away finds its leaf when it asks again.
                let _ = caller.send(Logged { index, path, checkpoint: Arc::clone(checkpoint) });
            }
        }
    }
}
