//! The one who gives leaves their places: stage → sign in the database → tiles → publish; each step durable before
//! the next, each repeatable. It commits at once when idle and in batches under load.
//!
//! A lease with an epoch is checked in every write, the checkpoint is only ever replaced by its successor, and tiles
//! are never overwritten: so two of them at once cannot make two histories.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::interrupt::{Interrupted, Interrupts, Step};
use super::log::Log;
use super::log_files::LogFilesError;
use crate::database::log::{self as rows, Epoch, SignedHead, Takeover};
use crate::database::{Database, DatabaseError};
use crate::domain::clock::Clock;
use crate::domain::ids::NodeId;
use crate::jobs::pulse::{Beat, Pulse};
use crate::tlog::{Checkpoint, CheckpointError, Leaf, LogSigner, Tree};

/// Most leaves under one new checkpoint.
const BATCH_MAX: u32 = 2048;
/// How long a lease holds without being prolonged.
const LEASE: SignedDuration = SignedDuration::from_secs(15);
/// After how long it is prolonged though there is nothing to do.
const RENEW: SignedDuration = SignedDuration::from_secs(5);
/// How often it looks for leaves that another process queued.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// Why nothing is sequenced.
#[derive(Debug, thiserror::Error)]
pub enum SequencerError {
    /// The database.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// The files on the object store.
    #[error(transparent)]
    Files(#[from] LogFilesError),
    /// A checkpoint of the log is not signed by the log's key.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// Another node sequences.
    #[error("another node holds the lease of the log")]
    NotOurs,
    /// The public has seen more than the database knows: the database was restored from a backup.
    #[error(
        "the published checkpoint has {published} leaves, the database {database}: the database is older than the \
         log. Nothing will be signed until `stammbuch log recover` has taken the published leaves in again"
    )]
    DatabaseIsOlder {
        /// Leaves under the published checkpoint.
        published: u64,
        /// Leaves under the checkpoint in the database.
        database: u64,
    },
    /// Nobody has said whether the log went further than the backup it was restored from.
    #[error(
        "the database was restored at {at} from a backup; whether the log had gone further is not known. Nothing will \
         be signed until `stammbuch log resume` says so"
    )]
    Restored {
        /// When.
        at: Timestamp,
    },
    /// Published and signed trees of the same log do not contain one another.
    #[error("two histories of one log at {size} leaves: the signed root is {expected}, the tiles give {got}")]
    TwoHistories {
        /// Leaves of the tree.
        size: u64,
        /// Root that was signed.
        expected: crate::tlog::Hash,
        /// Root that was found.
        got: crate::tlog::Hash,
    },
    /// A test cut it off.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
}

/// What a sequencer works with.
#[derive(Clone)]
pub struct Sequencing {
    /// The log it fills.
    pub log: Arc<Log>,
    /// Its rows.
    pub database: Database,
    /// Its key.
    pub signer: Arc<LogSigner>,
    /// The time, for the lease.
    pub clock: Arc<dyn Clock>,
    /// Where a test cuts it off.
    pub interrupts: Arc<dyn Interrupts>,
    /// Whose the lease is: what this node had before it was killed, it takes back at once.
    pub owner: NodeId,
    /// Whether it may take the lease of one that has not given it back.
    pub takeover: Takeover,
    /// How it is going.
    pub pulse: Pulse,
}

/// A sequencer that holds the lease and knows the tree.
pub struct Sequencer {
    with: Sequencing,
    epoch: Epoch,
    tree: Tree,
    published: Option<Arc<str>>,
    renew_at: Timestamp,
}

impl Sequencing {
    fn lease_end(&self) -> Timestamp {
        self.clock.now() + LEASE
    }

    /// Takes the lease, and brings to the store what was signed but not published.
    ///
    /// # Errors
    /// If another holds the lease, or what is published does not belong to what is signed.
    pub async fn open(&self) -> Result<Sequencer, SequencerError> {
        let (owner, takeover) = (self.owner, self.takeover);
        let times = (self.clock.now(), self.lease_end());
        let taken = self.database.write(move |tx| {
            Box::pin(async move {
                let epoch = rows::take_lease(tx, owner, times, takeover).await?;
                Ok::<_, DatabaseError>((epoch, rows::signed_head(tx).await?, rows::restored_at(tx).await?))
            })
        });
        let (epoch, head, restored) = taken.await?;
        if let Some(at) = restored {
            return Err(SequencerError::Restored { at });
        }
        let epoch = epoch.ok_or(SequencerError::NotOurs)?;
        let (tree, published) = self.reconcile(head).await?;
        let renew_at = self.clock.now() + RENEW;
        Ok(Sequencer { with: self.clone(), epoch, tree, published, renew_at })
    }

    /// The tree that the database signed, and the checkpoint that is published: afterwards they are of one size.
    async fn reconcile(&self, head: SignedHead) -> Result<(Tree, Option<Arc<str>>), SequencerError> {
        let files = self.log.files();
        let keys = std::slice::from_ref(self.signer.verifier());
        let note = files.checkpoint().await?;
        let published = note.as_deref().map(|note| Checkpoint::open(note, keys)).transpose()?;
        let signed = head.checkpoint.as_deref().map(|note| Checkpoint::open(note, keys)).transpose()?;
        let from = published.as_ref().map_or(0, Checkpoint::size);
        if from > head.size {
            return Err(SequencerError::DatabaseIsOlder { published: from, database: head.size });
        }
        let mut tree = files.tree(from).await?;
        check_root(published.as_ref(), &tree)?;
        let (Some(signed), Some(next)) = (signed, head.checkpoint) else {
            return Ok((tree, note.map(Into::into)));
        };
        if from < head.size {
            let to = head.size;
            let leaves = self.database.read(move |tx| Box::pin(rows::leaves(tx, from, to))).await?;
            let growth = tree.append(&leaves);
            check_root(Some(&signed), &tree)?;
            files.write(growth.files()).await?;
            files.publish(note.as_deref(), &next).await?;
            return Ok((tree, Some(next.into())));
        }
        check_root(Some(&signed), &tree)?;
        Ok((tree, note.map(Into::into)))
    }

    /// Sequences until `stop` is given, beginning again after every failure; then gives the lease back.
    pub async fn run(self, stop: impl Future<Output = ()> + Send) {
        let _running = self.pulse.while_running();
        self.sequence_until(stop).await;
        let owner = self.owner;
        if let Err(error) = self.database.write(move |tx| Box::pin(rows::release_lease(tx, owner))).await {
            tracing::warn!(%error, "the lease of the log was not given back; it runs out by itself");
        }
    }

    async fn open_and_work(&self) -> Result<(), SequencerError> {
        let sequencer = self.open().await?;
        self.pulse.say(Beat::Working);
        sequencer.work().await
    }

    async fn sequence_until(&self, stop: impl Future<Output = ()> + Send) {
        tokio::pin!(stop);
        loop {
            let failure = tokio::select! {
                () = &mut stop => return,
                Err(error) = self.open_and_work() => error,
            };
            match failure {
                SequencerError::NotOurs => self.pulse.say(Beat::Elsewhere),
                error => {
                    tracing::error!(%error, "the log stands still");
                    self.pulse.say(Beat::Failing(error.to_string()));
                }
            }
            tokio::select! {
                () = &mut stop => return,
                // sleeps: database, store or the other node's lease may have come round by then.
                () = tokio::time::sleep(LOOK_AGAIN) => {}
            }
        }
    }
}

fn check_root(expected: Option<&Checkpoint>, tree: &Tree) -> Result<(), SequencerError> {
    match expected {
        Some(checkpoint) if checkpoint.root() != tree.root() => Err(SequencerError::TwoHistories {
            size: tree.size(),
            expected: checkpoint.root(),
            got: tree.root(),
        }),
        _ => Ok(()),
    }
}

impl Sequencer {
    /// Leaves in the log.
    pub const fn size(&self) -> u64 {
        self.tree.size()
    }

    async fn work(mut self) -> Result<(), SequencerError> {
        loop {
            while self.round().await? > 0 {}
            self.renew().await?;
            // Woken by whoever queued a leaf here; the time-out is for leaves that another process queued.
            let _ = tokio::time::timeout(LOOK_AGAIN, self.with.log.work.notified()).await;
        }
    }

    /// Keeps the lease while there is nothing to do, so that it does not go to and fro between nodes. Of an embedded
    /// database nobody else wants it.
    async fn renew(&mut self) -> Result<(), SequencerError> {
        let now = self.with.clock.now();
        if self.with.takeover == Takeover::AtOnce || now < self.renew_at {
            return Ok(());
        }
        let (epoch, until) = (self.epoch, self.with.lease_end());
        if !self.with.database.write(move |tx| Box::pin(rows::hold_lease(tx, epoch, until))).await? {
            return Err(SequencerError::NotOurs);
        }
        self.renew_at = now + RENEW;
        Ok(())
    }

    /// Puts what waits, up to one batch, under a new published checkpoint. Gives the number of leaves.
    ///
    /// # Errors
    /// After an error the sequencer is to be opened again: database and store may be ahead of it.
    pub async fn round(&mut self) -> Result<usize, SequencerError> {
        let leaves = self.stage().await?;
        if leaves.is_empty() {
            return Ok(0);
        }
        self.with.interrupts.after(Step::LogStaged)?;
        let mut tree = self.tree.clone();
        let growth = tree.append(&leaves);
        let checkpoint = Checkpoint::new(&self.with.signer, growth.size(), growth.root());
        let note: Arc<str> = checkpoint.sign(&self.with.signer).into();
        self.sign(growth.from(), growth.size(), Arc::clone(&note)).await?;
        self.with.interrupts.after(Step::LogSigned)?;
        let files = self.with.log.files();
        files.write(growth.files()).await?;
        self.with.interrupts.after(Step::LogWritten)?;
        files.publish(self.published.as_deref(), &note).await?;
        self.with.interrupts.after(Step::LogPublished)?;
        self.tree = tree;
        self.published = Some(Arc::clone(&note));
        self.with.log.deliver(&leaves, &growth, &note);
        Ok(leaves.len())
    }

    async fn stage(&self) -> Result<Vec<Leaf>, SequencerError> {
        let (epoch, from, until) = (self.epoch, self.tree.size(), self.with.lease_end());
        if !self.with.database.read(move |tx| Box::pin(rows::is_waiting(tx, from))).await? {
            return Ok(Vec::new());
        }
        let staged = self.with.database.write(move |tx| {
            Box::pin(async move {
                if !rows::hold_lease(tx, epoch, until).await? {
                    return Err(SequencerError::NotOurs);
                }
                Ok(rows::stage(tx, from, BATCH_MAX).await?)
            })
        });
        staged.await
    }

    async fn sign(&self, from: u64, to: u64, note: Arc<str>) -> Result<(), SequencerError> {
        let (epoch, until) = (self.epoch, self.with.lease_end());
        let signed = self.with.database.write(move |tx| {
            Box::pin(async move {
                let held = rows::hold_lease(tx, epoch, until).await?;
                if held && rows::advance(tx, from, to, &note).await? {
                    Ok(())
                } else {
                    Err(SequencerError::NotOurs)
                }
            })
        });
        signed.await
    }
}

#[cfg(test)]
#[path = "sequencer_tests.rs"]
mod tests;
