//! What the machine's objects lie on: memory, or a folder whose store can be cut off at any place of its durable step, as
//! by a power cut: it goes on with a copy of the folder in which what was not synced is torn or gone.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Mutex};

use tempfile::TempDir;
use tokio::sync::Notify;

use crate::domain::digest::Sha256;
use crate::domain::ids::DocumentId;
use crate::objects::{DiskStore, MemoryStore, ObjectStore, Point};
use crate::search::index::{Applied, Change, Found, IndexError, Mark, Question, SearchBackend};

/// Objects up to this size are in the journal, and have files that are not synced.
const JOURNALLED_MAX: u64 = 256 * 1024;

/// How often a store was cut off at one of its places.
pub(super) static SPRUNG: AtomicU64 = AtomicU64::new(0);

/// Where objects lie.
pub(super) enum Bed {
    Memory(MemoryStore),
    Disk(Disk),
}

/// A folder and its life as a store.
pub(super) struct Disk {
    above: TempDir,
    lives: u32,
    /// What lay there when this life began: it is durable.
    durable: BTreeSet<PathBuf>,
    trap: Arc<Trap>,
}

/// Waits for a store at one of its places.
pub(super) struct Trap {
    armed: Mutex<Option<Armed>>,
    sprung: Notify,
}

struct Armed {
    at: Point,
    from: PathBuf,
    to: PathBuf,
    /// Until then the store stays where it is.
    released: mpsc::Receiver<()>,
}

impl Trap {
    fn reached(&self, point: Point) {
        let mut armed = self.armed.lock().unwrap();
        if armed.as_ref().is_some_and(|armed| armed.at == point)
            && let Some(Armed { from, to, released, .. }) = armed.take()
        {
            drop(armed);
            copy(&from, &to);
            SPRUNG.fetch_add(1, Ordering::Relaxed);
            self.sprung.notify_one();
            let _ = released.recv();
        }
    }
}

impl Disk {
    pub(super) fn new() -> Self {
        let above = tempfile::tempdir().unwrap();
        let trap = Arc::new(Trap { armed: Mutex::new(None), sprung: Notify::new() });
        Self { above, lives: 0, durable: BTreeSet::new(), trap }
    }

    fn root(&self, life: u32) -> PathBuf {
        self.above.path().join(life.to_string())
    }

    fn open(&mut self) -> Arc<dyn ObjectStore> {
        let trap = Arc::clone(&self.trap);
        let root = self.root(self.lives);
        let store = DiskStore::open_with(&root, Arc::new(move |point| trap.reached(point))).unwrap();
        self.durable = files(&root).into_iter().collect();
        Arc::new(store)
    }

    /// Waits at `point`. What is given back lets the store go on when it is dropped.
    pub(super) fn wait_at(&self, point: Point) -> mpsc::Sender<()> {
        let (release, released) = mpsc::channel();
        let (from, to) = (self.root(self.lives), self.root(self.lives + 1));
        *self.trap.armed.lock().unwrap() = Some(Armed { at: point, from, to, released });
        release
    }

    pub(super) fn trap(&self) -> Arc<Trap> {
        Arc::clone(&self.trap)
    }

    /// Does not wait any more.
    pub(super) fn disarm(&self) {
        *self.trap.armed.lock().unwrap() = None;
    }

    /// The power was cut where the trap has sprung, or, if it has not, now. `seed` says what is torn.
    pub(super) fn lose_power(&mut self, seed: u64) {
        self.disarm();
        let (from, to) = (self.root(self.lives), self.root(self.lives + 1));
        if !to.exists() {
            copy(&from, &to);
        }
        for file in files(&to) {
            let before = from.join(file.strip_prefix(&to).unwrap());
            if !self.durable.contains(&before) && fs::metadata(&file).unwrap().len() <= JOURNALLED_MAX {
                tear(&file, seed);
            }
        }
        self.lives += 1;
    }

    /// To be called when nobody uses the life before any more.
    pub(super) fn forget_past(&self) {
        if let Some(past) = self.lives.checked_sub(1) {
            let _ = fs::remove_dir_all(self.root(past));
        }
    }
}

impl Trap {
    /// The store is at the place.
    pub(super) async fn sprung(&self) {
        self.sprung.notified().await;
    }
}

impl Bed {
    /// A store for a new life.
    pub(super) fn open(&mut self) -> Arc<dyn ObjectStore> {
        match self {
            Self::Memory(store) => Arc::new(store.clone()),
            Self::Disk(disk) => disk.open(),
        }
    }
}

/// Leaves it, removes it, or leaves as much of it as a power cut may.
fn tear(file: &Path, seed: u64) {
    let name = file.file_name().unwrap().to_str().unwrap();
    let drawn = Sha256::of(format!("{seed} {name}").as_bytes());
    let mut bytes = fs::read(file).unwrap();
    match drawn.as_bytes()[0] % 4 {
        0 => {}
        1 => fs::remove_file(file).unwrap(),
        2 => fs::write(file, &bytes[..bytes.len() / 2]).unwrap(),
        _ => {
            let end = bytes.len().min(4096);
            bytes[..end].fill(0);
            fs::write(file, bytes).unwrap();
        }
    }
}

/// The objects' files.
fn files(root: &Path) -> Vec<PathBuf> {
    let inside = |folder: PathBuf| {
        let entries = fs::read_dir(folder).into_iter().flatten();
        entries.map(|entry| entry.unwrap().path()).collect::<Vec<_>>()
    };
    inside(root.join("o")).into_iter().flat_map(inside).collect()
}

/// The journal and everything else with it, as a process that is killed leaves it.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else if let Err(error) = fs::copy(entry.path(), target) {
            // A file that was just given its name or removed by another thread.
            assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
        }
    }
}

/// An index that has taken everything over, and holds nothing.
pub(super) struct NoIndex;

impl SearchBackend for NoIndex {
    fn apply(&self, _changes: Vec<Change>, _mark: Mark) -> Result<Applied, IndexError> {
        unreachable!("nothing is indexed")
    }

    fn search(&self, _question: Question<'_>) -> Result<Found, IndexError> {
        unreachable!("nothing is looked for")
    }

    fn mark(&self) -> Result<Mark, IndexError> {
        Ok(Mark { seq: i64::MAX, witness: None })
    }

    fn clear(&self) -> Result<(), IndexError> {
        Ok(())
    }

    fn purge(&self, _gone: &[DocumentId]) -> Result<(), IndexError> {
        Ok(())
    }

    fn rest(&self) -> Result<(), IndexError> {
        Ok(())
    }
}
