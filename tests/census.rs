//! Counts what an installation has on its disk and in its databases, from outside the server.

use std::path::Path;
use std::sync::Arc;

use stammbuch::app::{SystemClock, SystemRandom};
use stammbuch::database::documents::{self, Census as Rows};
use stammbuch::database::keystore::Keystore;
use stammbuch::database::{Database, DatabaseError};
use stammbuch::domain::clock::Clock as _;
use stammbuch::domain::ids::ObjectId;
use stammbuch::intake::sweep::sweep;
use stammbuch::objects::{DiskStore, KeyRows as _, MasterKeys, Vault};

use crate::actors::place::Place;

/// How much there is of everything an upload may leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Census {
    /// Rows of documents.
    pub documents: u64,
    /// Rows of objects.
    pub object_rows: u64,
    /// Encrypted files.
    pub object_files: usize,
    /// Wrapped keys.
    pub keys: usize,
    /// Idempotency keys.
    pub keys_of_requests: u64,
    /// Files that have no name yet; the journal is none of them.
    pub staged: usize,
    /// Acts in the audit trail.
    pub acts: u64,
}

/// Counts now.
pub fn of(place: &Place) -> Census {
    let config = place.config();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (rows, keys) = runtime.block_on(async {
        let database = Database::open(&config.database_url(&config.database.url)).await.unwrap();
        let rows: Result<Rows, DatabaseError> = database.read(|tx| Box::pin(documents::census(tx))).await;
        database.close().await;
        let keystore = Database::open_keystore(&config.database_url(&config.keystore.url)).await.unwrap();
        let keys = Keystore::new(keystore.clone()).list(None, 1_000_000).await.unwrap().len();
        keystore.close().await;
        (rows.unwrap(), keys)
    });
    let objects = place.data_dir().join("objects");
    Census {
        documents: rows.documents,
        object_rows: rows.objects,
        object_files: files(&objects.join("o")),
        keys,
        keys_of_requests: rows.idempotency_keys,
        staged: files(&objects.join(".staging")),
        acts: rows.acts,
    }
}

/// Counts until `expected` is there, for what the server does after it has answered or hung up; the last count.
pub fn settled(place: &Place, expected: Census) -> Census {
    settled_by(place, |census| *census == expected)
}

/// Counts until what is there is as it should be; the last count.
pub fn settled_by(place: &Place, is_right: impl Fn(&Census) -> bool) -> Census {
    for _ in 0..250 {
        let census = of(place);
        if is_right(&census) {
            return census;
        }
        // sleeps: a connection that is gone gives no signal when the server has let go of it
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    of(place)
}

/// Opens the store of a server that has stopped, sweeps it without grace, and answers how many objects are left that
/// are no document's bytes: the texts.
pub fn sweep_all(place: &Place) -> usize {
    let config = place.config();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let database = Database::open(&config.database_url(&config.database.url)).await.unwrap();
        let keystore = Database::open_keystore(&config.database_url(&config.keystore.url)).await.unwrap();
        let store = Arc::new(DiskStore::open(&config.path(&config.objects.folder)).unwrap());
        let master = MasterKeys::read(&config.path(&config.keystore.master_key_file)).unwrap();
        let keys = Arc::new(Keystore::new(keystore.clone()));
        let vault = Vault::new(store, keys, master, Arc::new(SystemClock), Arc::new(SystemRandom::new()));
        let tomorrow = SystemClock.now() + jiff::SignedDuration::from_hours(24);
        sweep(&vault, &database, tomorrow, jiff::SignedDuration::ZERO).await.unwrap();
        let mut texts = 0;
        for bucket in 0..=u8::MAX {
            for (object, _) in vault.stored(bucket).await.unwrap() {
                let mut here = vault.keys_after(before(object), 1).await.unwrap();
                texts += usize::from(here.pop().is_none_or(|(key, _)| key != object));
            }
        }
        database.close().await;
        keystore.close().await;
        texts
    })
}

/// The id just below another.
fn before(object: ObjectId) -> Option<ObjectId> {
    let below = u128::from_be_bytes(*object.as_bytes()).checked_sub(1)?;
    Some(ObjectId::from_bytes(below.to_be_bytes()))
}

fn files(folder: &Path) -> usize {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    entries
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.file_name() != "replace.lock")
        .filter(|entry| !entry.file_name().to_string_lossy().starts_with("journal-"))
        .map(|entry| if entry.file_type().unwrap().is_dir() { files(&entry.path()) } else { 1 })
        .sum()
}
