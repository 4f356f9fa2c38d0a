//! Taking a backup beside a running server: the rows as one transaction sees them, then the objects they refer to.
//! What an erasure takes away meanwhile is missing in both the installation and the backup, and is no fault.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::StreamExt as _;
use jiff::Timestamp;
use ring::digest::{Context, SHA256};

use super::folder::{self, Folder, Line};
use super::manifest::Manifest;
use super::prune::prune;
use super::{BackupError, INSTALLATION, file};
use crate::app::Inspection;
use crate::database::comparison::{self, Promised};
use crate::database::{Sink, backups, dump, log};
use crate::domain::clock::Clock;
use crate::domain::digest::Sha256;
use crate::domain::ids::ObjectId;
use crate::domain::random::Random;
use crate::objects::{MasterKeys, ObjectStore, SealingWriter, StoreError, Vault, path_of};

pub use super::manifest::Mode;

/// Rows of objects read in one go.
const AT_ONCE: u32 = 1000;
/// Objects copied at the same time: the disk store shares syncs between small ones.
const COPIES: usize = 16;
/// Bytes of an object held at a time.
const PIECE_BYTES: u64 = 1 << 20;
/// Lines that are written to the vault together.
const HOLD_BYTES: usize = 64 * 1024;

/// What was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// The name of the backup.
    pub name: String,
    /// What it says of itself.
    pub manifest: Manifest,
    /// Objects that were not in the folder yet.
    pub copied: u64,
    /// Objects that were erased meanwhile.
    pub gone: u64,
    /// Backups whose time was over, and objects that no other needed: they were removed.
    pub pruned: (u64, u64),
    /// Objects that are missing in the installation, or not what their rows say.
    pub damaged: Vec<ObjectId>,
}

/// Takes one into `folder`.
///
/// # Errors
/// [`BackupError`]; what was written then has no manifest, and is removed by the next one.
pub async fn take(
    with: &Inspection,
    folder: &Folder,
    (mode, expires_at): (Mode, Timestamp),
    master: MasterKeys,
    (clock, random): (Arc<dyn Clock>, Arc<dyn Random>),
) -> Result<Taken, BackupError> {
    folder.remove_unfinished()?;
    let store: Arc<dyn ObjectStore> = Arc::new(folder.store()?);
    let taken_at = clock.now();
    let shared = Arc::clone(&store);
    let vault = Vault::new(Arc::clone(&store), Arc::new(with.keystore.clone()), master, clock, random);
    let mut rows = Rows { writer: vault.begin(INSTALLATION).await?, held: Vec::new() };
    let read = with.database.read::<_, BackupError, _>(move |tx| {
        Box::pin(async move {
            let tables = dump::write(tx, &mut rows).await?;
            let head = log::signed_head(tx).await?;
            Ok((rows, tables, head))
        })
    });
    let (rows, tables, head) = read.await?;
    // From here on the keystore has its key: whoever backs keys up now has those of all that the rows name.
    let sealed = rows.finish().await?;
    let id = sealed.at.object;
    let noted = with.database.write(move |tx| Box::pin(backups::insert(tx, id, taken_at, expires_at)));
    noted.await?;
    let name = format!("{}-{}", taken_at.strftime("%Y%m%dT%H%M%SZ"), id.to_string().split_at(8).0);
    let path = folder.begin(&name)?;
    let mut copying = Copying { with, to: mode.eq(&Mode::Copy).then_some(store), found: Found::default() };
    let list_sha256 = copying.all(&path.join("objects.list")).await?;
    let found = copying.found;
    let manifest = Manifest {
        program: env!("CARGO_PKG_VERSION").to_owned(),
        taken_at,
        expires_at,
        log_key: with.log_key.to_string(),
        log_size: head.size,
        checkpoint: head.checkpoint,
        rows: id,
        rows_sha256: sealed.cipher_sha256,
        tables: tables.into_iter().collect::<BTreeMap<_, _>>(),
        mode,
        objects: found.count,
        objects_bytes: found.bytes,
        list_sha256,
    };
    let text = manifest.to_text().map_err(|error| file(&path)(error.into()))?;
    folder::write(&path.join("manifest"), text.as_bytes())?;
    let pruned = prune(folder, &*shared, taken_at).await?;
    Ok(Taken { pruned, name, manifest, copied: found.copied, gone: found.gone, damaged: found.damaged })
}

/// Lines on their way into the vault.
struct Rows {
    writer: SealingWriter,
    held: Vec<u8>,
}

#[async_trait]
impl Sink for Rows {
    type Error = BackupError;

    async fn line(&mut self, line: String) -> Result<(), BackupError> {
        self.held.extend_from_slice(line.as_bytes());
        self.held.push(b'\n');
        if self.held.len() >= HOLD_BYTES {
            self.writer.write(&self.held).await?;
            self.held.clear();
        }
        Ok(())
    }
}

impl Rows {
    async fn finish(mut self) -> Result<crate::objects::Sealed, BackupError> {
        self.writer.write(&self.held).await?;
        Ok(self.writer.finish().await?)
    }
}

#[derive(Default)]
struct Found {
    count: u64,
    bytes: u64,
    copied: u64,
    gone: u64,
    damaged: Vec<ObjectId>,
}

/// What became of an object.
enum Outcome {
    /// It is in the folder, or where it was.
    Kept { line: Line, copied: bool },
    /// It was erased meanwhile.
    Gone,
    /// It is missing, or its bytes are others.
    Damaged(ObjectId, Option<Line>),
}

struct Copying<'b> {
    with: &'b Inspection,
    /// None: they stay where they are.
    to: Option<Arc<dyn ObjectStore>>,
    found: Found,
}

impl Copying<'_> {
    /// Copies what is not there yet, and writes the list. Answers its digest.
    ///
    /// Goes by the rows as they are now: what the backup's rows need is there, unless it was erased since; what came
    /// since is there too, and swept after a restore. Pieces of uploads in progress are in no backup.
    async fn all(&mut self, list: &Path) -> Result<Sha256, BackupError> {
        let mut out = BufWriter::new(File::create(list).map_err(file(list))?);
        let mut digest = Context::new(&SHA256);
        let mut after = None;
        loop {
            let part = self.with.database.read(move |tx| Box::pin(comparison::promised(tx, after, AT_ONCE)));
            let part: Vec<Promised> = part.await?;
            let Some(last) = part.last() else { break };
            after = Some(last.object);
            let this = &*self;
            let kept = part.into_iter().filter(|row| !row.is_piece);
            let copies = futures_util::stream::iter(kept).map(async |row| this.one(&row).await);
            // In their order, so that the list is sorted.
            let outcomes: Vec<_> = copies.buffered(COPIES).collect().await;
            for outcome in outcomes {
                if let Some(line) = self.note(outcome?) {
                    let text = line.to_text();
                    digest.update(text.as_bytes());
                    out.write_all(text.as_bytes()).map_err(file(list))?;
                }
            }
        }
        out.flush().and_then(|()| out.get_ref().sync_all()).map_err(file(list))?;
        let digest = digest.finish();
        let bytes = <[u8; 32]>::try_from(digest.as_ref()).map_err(|_| BackupError::Broken)?;
        Ok(Sha256::from_bytes(bytes))
    }

    fn note(&mut self, outcome: Outcome) -> Option<Line> {
        let line = match outcome {
            Outcome::Kept { line, copied } => {
                self.found.copied += u64::from(copied);
                Some(line)
            }
            Outcome::Gone => {
                self.found.gone += 1;
                None
            }
            Outcome::Damaged(object, line) => {
                self.found.damaged.push(object);
                line
            }
        };
        if let Some(line) = line {
            self.found.count += 1;
            self.found.bytes += line.size;
        }
        line
    }

    async fn one(&self, row: &Promised) -> Result<Outcome, BackupError> {
        match self.copied(row).await {
            Err(BackupError::Store(StoreError::NotFound { .. })) => {
                let object = row.object;
                let still =
                    self.with.database.read(move |tx| Box::pin(comparison::promise(tx, object))).await?;
                Ok(still.map_or(Outcome::Gone, |_| Outcome::Damaged(object, None)))
            }
            outcome => outcome,
        }
    }

    async fn copied(&self, row: &Promised) -> Result<Outcome, BackupError> {
        let path = path_of(row.object)?;
        let from = &self.with.objects;
        let size = from.size(&path).await?;
        let known = row.digests.map(|(_, cipher)| cipher);
        let present = match &self.to {
            Some(to) => to.size(&path).await.is_ok_and(|there| there == size),
            None => true,
        };
        let (source, to) = match (&self.to, present) {
            (Some(to), false) => (from, Some(to)),
            (Some(to), true) => (to, None),
            (None, _) => (from, None),
        };
        let sha256 = match (known, present) {
            (Some(known), true) => known,
            _ => transfer(&**source, to.map(|to| &**to), &path, size).await?,
        };
        let line = Line { object: row.object, size, sha256 };
        if known.is_some_and(|known| known != sha256) {
            return Ok(Outcome::Damaged(row.object, Some(line)));
        }
        Ok(Outcome::Kept { line, copied: !present })
    }
}

/// Reads an object in pieces, writes it elsewhere if there is where, and gives the digest of what it read. One that has
/// come there meanwhile stays.
pub(super) async fn transfer(
    from: &dyn ObjectStore,
    to: Option<&dyn ObjectStore>,
    path: &crate::objects::ObjectPath,
    size: u64,
) -> Result<Sha256, BackupError> {
    let mut writer = match to {
        Some(to) => Some(to.create_stream(path).await?),
        None => None,
    };
    let (mut digest, mut start) = (Context::new(&SHA256), 0);
    while start < size {
        let end = size.min(start + PIECE_BYTES);
        let piece: Bytes = from.read(path, Some(start..end)).await?;
        digest.update(&piece);
        if let Some(writer) = &mut writer {
            writer.write(piece).await?;
        }
        start = end;
    }
    if let Some(writer) = writer {
        match writer.finish().await {
            Err(StoreError::Exists { .. }) => {}
            outcome => outcome?,
        }
    }
    let digest = digest.finish();
    <[u8; 32]>::try_from(digest.as_ref()).map(Sha256::from_bytes).map_err(|_| BackupError::Broken)
}
