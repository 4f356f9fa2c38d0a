//! The log's public files on the object store: tiles that are never changed, and `checkpoint`, which only moves on.
//!
//! Writing again what is there already is no error, other bytes under the same name are: so a batch can be replayed.

use std::sync::Arc;

use bytes::Bytes;

use crate::objects::{ObjectPath, ObjectStore, StoreError};
use crate::tlog::{Hash, Leaf, Tile, TileKind, TilePath, TileSet, Tree};
use crate::tlog::{decode_bundle, inclusion_path, tiles_for_edge, tiles_for_proof};

/// Where the log's files lie.
#[derive(Clone)]
pub struct LogFiles {
    store: Arc<dyn ObjectStore>,
}

/// What is wrong with the files.
#[derive(Debug, thiserror::Error)]
pub enum LogFilesError {
    /// The store does not do what it was asked.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A tile that a signed checkpoint promises is not there, or not as it has to be.
    #[error("{path} of the log is missing or damaged: {reason}")]
    Damaged {
        /// Its public name.
        path: String,
        /// What is wrong.
        reason: String,
    },
    /// There are other bytes under a name that is to be written: another history of the same log.
    #[error("{path} of the log exists with other bytes: two histories of one log; nothing was overwritten")]
    OtherHistory {
        /// Its public name.
        path: String,
    },
    /// The published checkpoint is not the one expected.
    #[error("the published checkpoint is not the one it was when the log was opened")]
    CheckpointMoved,
}

fn damaged(path: impl ToString, reason: impl ToString) -> LogFilesError {
    LogFilesError::Damaged { path: path.to_string(), reason: reason.to_string() }
}

impl LogFiles {
    /// The files under `log/` of `store`.
    pub fn new(store: Arc<dyn ObjectStore>) -> Self {
        Self { store }
    }

    fn place(name: &str) -> Result<ObjectPath, LogFilesError> {
        format!("log/{name}").parse::<ObjectPath>().map_err(|error| damaged(name, error))
    }

    /// The published checkpoint, as it is; none before the first.
    pub async fn checkpoint(&self) -> Result<Option<String>, LogFilesError> {
        match self.read("checkpoint").await? {
            Some(bytes) => {
                let note = String::from_utf8(bytes.to_vec());
                note.map(Some).map_err(|_| damaged("checkpoint", "is not UTF-8"))
            }
            None => Ok(None),
        }
    }

    /// A tile or bundle as it is; none if it is not there.
    pub async fn file(&self, path: &TilePath) -> Result<Option<Bytes>, LogFilesError> {
        self.read(&path.to_string()).await
    }

    async fn read(&self, name: &str) -> Result<Option<Bytes>, LogFilesError> {
        match self.store.read(&Self::place(name)?, None).await {
            Ok(bytes) => Ok(Some(bytes)),
            Err(StoreError::NotFound { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Publishes `checkpoint` if what is published now is still `before`.
    ///
    /// # Errors
    /// [`LogFilesError::CheckpointMoved`] if it is not, or the store's.
    pub async fn publish(&self, before: Option<&str>, checkpoint: &str) -> Result<(), LogFilesError> {
        let place = Self::place("checkpoint")?;
        let bytes = Bytes::copy_from_slice(checkpoint.as_bytes());
        match self.store.replace(&place, before.map(str::as_bytes), bytes).await {
            Ok(()) => Ok(()),
            Err(StoreError::Changed { .. }) if self.checkpoint().await?.as_deref() == Some(checkpoint) => {
                Ok(())
            }
            Err(StoreError::Changed { .. }) => Err(LogFilesError::CheckpointMoved),
            Err(error) => Err(error.into()),
        }
    }

    /// Puts one file of the log right: it is written if it is missing, and replaced if it has other bytes. For who has
    /// made sure that these are the bytes the signed root promises. Answers whether it was not right before.
    ///
    /// # Errors
    /// The store's.
    pub async fn put_right(&self, path: &TilePath, bytes: &[u8]) -> Result<bool, LogFilesError> {
        let before = self.file(path).await?;
        if before.as_deref() == Some(bytes) {
            return Ok(false);
        }
        let place = Self::place(&path.to_string())?;
        self.store.replace(&place, before.as_deref(), Bytes::copy_from_slice(bytes)).await?;
        Ok(true)
    }

    /// Writes tiles and bundles; `Ok` means that all are durable.
    pub(super) async fn write(&self, files: &[(TilePath, Vec<u8>)]) -> Result<(), LogFilesError> {
        let mut batch = Vec::with_capacity(files.len());
        for (path, bytes) in files {
            batch.push((Self::place(&path.to_string())?, Bytes::copy_from_slice(bytes)));
        }
        match self.store.create_many(batch).await {
            Err(StoreError::Exists { path }) => Err(LogFilesError::OtherHistory { path: path.to_string() }),
            outcome => Ok(outcome?),
        }
    }

    /// The tree of `size` leaves, taken up from its right edge.
    pub(super) async fn tree(&self, size: u64) -> Result<Tree, LogFilesError> {
        let (mut tiles, mut open_bundle) = (Vec::new(), Vec::new());
        for path in tiles_for_edge(size) {
            match path.kind() {
                TileKind::Hashes(_) => tiles.push(self.tile(&path).await?),
                TileKind::Entries => open_bundle = self.bundle(&path).await?,
            }
        }
        Tree::restore(size, &tiles, open_bundle).map_err(|error| damaged("tile", error))
    }

    /// The path from leaf `index` to the root of the tree of `size` leaves.
    pub async fn prove(&self, size: u64, index: u64) -> Result<Vec<Hash>, LogFilesError> {
        let mut nodes = TileSet::default();
        for path in tiles_for_proof(size, index) {
            nodes.insert(self.tile(&path).await?);
        }
        inclusion_path(size, index, &nodes)
            .ok_or_else(|| damaged("tile", format!("no path from leaf {index}")))
    }

    async fn tile(&self, path: &TilePath) -> Result<Tile, LogFilesError> {
        let bytes = self.file(path).await?.ok_or_else(|| damaged(path, "is missing"))?;
        Tile::parse(path, &bytes).map_err(|error| damaged(path, error))
    }

    /// The leaves of a bundle.
    pub async fn bundle(&self, path: &TilePath) -> Result<Vec<Leaf>, LogFilesError> {
        let bytes = self.file(path).await?.ok_or_else(|| damaged(path, "is missing"))?;
        let entries = decode_bundle(&bytes).map_err(|error| damaged(path, error))?;
        entries.into_iter().map(|entry| Leaf::parse(entry).map_err(|error| damaged(path, error))).collect()
    }
}
