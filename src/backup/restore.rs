//! Bringing a backup and its keys together in an empty installation. Everything that can be told from the outside is
//! checked before anything is written; from then on a mark keeps servers away until all of it is there. Broken off, it
//! begins anew with the rows and goes on with the objects.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::folder::{self, Folder, Line, Snapshot};
use super::keys::{KeyFile, KeyLine, KeysFile, KeysHeader};
use super::manifest::Mode;
use super::take::transfer;
use super::{BackupError, INSTALLATION, erased, file};
use crate::app::{Inspection, RESTORING, StartError};
use crate::config::Config;
use crate::database::idempotency::StoredAnswer;
use crate::database::keystore::Keystore;
use crate::database::{Database, DatabaseError, LoadError, Loading, Which, authorities, backups, dump};
use crate::domain::clock::Clock;
use crate::domain::ids::ObjectId;
use crate::domain::random::Random;
use crate::objects::{
    DiskStore, KeyError, Keyring, MasterKeys, ObjectRef, ObjectStore, StoreError, Vault, VaultError, path_of,
};

/// Bytes of rows read in one go.
const PIECE_BYTES: u64 = 1 << 20;
/// The longest row.
const LINE_BYTES_MAX: usize = 64 << 20;

/// What is brought where.
pub struct Source<'s> {
    /// The settings of the installation that is restored into.
    pub config: &'s Config,
    /// The folder of backups.
    pub from: &'s Path,
    /// Which of them; the newest if none is named.
    pub snapshot: Option<&'s str>,
    /// The file of keys, and that of its passphrase.
    pub keys: (&'s Path, &'s Path),
    /// What an upload that is sent again is answered if its document was erased.
    pub gone: StoredAnswer,
}

/// What was brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// Which backup.
    pub snapshot: Snapshot,
    /// Which keys.
    pub keys: KeysHeader,
    /// Documents that were erased after the backup, and are erased again.
    pub erased: u64,
    /// Keys of signers that the settings do not name, and where they are now.
    pub spare: Vec<PathBuf>,
}

/// Why it was not brought.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// Backup or keys.
    #[error(transparent)]
    Backup(#[from] BackupError),
    /// The installation.
    #[error(transparent)]
    Start(#[from] StartError),
}

impl From<DatabaseError> for RestoreError {
    fn from(error: DatabaseError) -> Self {
        Self::Backup(error.into())
    }
}

/// Brings it. The lock of the data folder is held; the mark [`RESTORING`] stays: whoever called removes it once the
/// rest is done that follows from the rows. Gives the installation, opened.
///
/// # Errors
/// [`RestoreError`]; the installation is not to be served then, and may be restored into again.
pub async fn bring_back(
    source: &Source<'_>,
    (clock, random): (Arc<dyn Clock>, Arc<dyn Random>),
    said: &(dyn Fn(&str) + Sync),
) -> Result<(Inspection, Restored), RestoreError> {
    let config = source.config;
    let folder = Folder::open(source.from)?;
    let snapshot = chosen(&folder, source)?;
    let store = folder.store()?;
    said("looking at the backup");
    look(&snapshot, &store).await?;
    let (keys, mut lines) = KeysFile::open(source.keys.0, source.keys.1, clock.now())?;
    let backup = &snapshot.manifest;
    if keys.log_key != backup.log_key {
        let (keys, backup) = (keys.log_key, backup.log_key.clone());
        return Err(BackupError::OtherInstallation { keys, backup }.into());
    }
    let mark = config.data_dir.join(RESTORING);
    if mark.exists() {
        remove_embedded(config)?;
    } else {
        must_be_empty(config)?;
    }
    folder::write(&mark, snapshot.name.as_bytes())?;
    said("keys");
    let spare = bring_keys(config, &mut lines, &mark).await?;
    said("rows");
    let sealed = vault_of(config, store.clone(), (&clock, &random)).await?;
    bring_rows(config, &snapshot, &keys, &sealed).await?;
    let with = Inspection::open(config).await?;
    let now = clock.now();
    let (rows, taken_at, expires_at) =
        (snapshot.manifest.rows, snapshot.manifest.taken_at, snapshot.manifest.expires_at);
    let anew = with.database.write::<_, DatabaseError, _>(move |tx| {
        Box::pin(async move {
            // Its key came with the keys, and it is younger than its own rows.
            backups::insert(tx, rows, taken_at, expires_at).await?;
            backups::begin_anew(tx, now).await
        })
    });
    anew.await?;
    said("objects");
    bring_objects(&snapshot, &store, &*with.objects).await?;
    let erased = erase_again(source, &mut lines, &with.database).await?;
    Ok((with, Restored { snapshot, keys, erased, spare }))
}

fn chosen(folder: &Folder, source: &Source<'_>) -> Result<Snapshot, BackupError> {
    let mut finished = folder.finished()?;
    finished.retain(|snapshot| source.snapshot.is_none_or(|name| name == snapshot.name));
    finished.pop().ok_or_else(|| BackupError::NoSnapshot { path: source.from.to_owned() })
}

/// Whether all of the backup is there, as far as can be told without its keys and without reading every object.
async fn look(snapshot: &Snapshot, store: &DiskStore) -> Result<(), BackupError> {
    snapshot.check_list()?;
    let path = path_of(snapshot.manifest.rows)?;
    let damaged = |path: &crate::objects::ObjectPath, reason: &str| BackupError::Damaged {
        path: PathBuf::from(path.as_str()),
        reason: reason.to_owned(),
    };
    let size = match store.size(&path).await {
        Err(StoreError::NotFound { .. }) => return Err(damaged(&path, "it is missing")),
        size => size?,
    };
    if transfer(store, None, &path, size).await? != snapshot.manifest.rows_sha256 {
        return Err(damaged(&path, "it was cut or changed"));
    }
    if snapshot.manifest.mode == Mode::Copy {
        for line in snapshot.lines()? {
            let line = line?;
            let path = path_of(line.object)?;
            match store.size(&path).await {
                Err(StoreError::NotFound { .. }) => return Err(damaged(&path, "it is missing")),
                Ok(size) if size != line.size => return Err(damaged(&path, "it was cut")),
                size => size.map(drop)?,
            }
        }
    }
    Ok(())
}

fn url(config: &Config, which: Which) -> String {
    match which {
        Which::Main => config.database_url(&config.database.url),
        Which::Keystore => config.database_url(&config.keystore.url),
    }
}

/// What a restore that was broken off has left of the embedded databases.
fn remove_embedded(config: &Config) -> Result<(), BackupError> {
    for which in [Which::Main, Which::Keystore] {
        let url = url(config, which);
        let Some(path) = url.strip_prefix("sqlite:") else { continue };
        for end in ["", "-wal", "-shm"] {
            let path = PathBuf::from(format!("{path}{end}"));
            match std::fs::remove_file(&path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(file(&path)(error)),
                _ => {}
            }
        }
    }
    Ok(())
}

/// No file of databases or keys is there. Databases on a server are looked at when they are opened.
fn must_be_empty(config: &Config) -> Result<(), BackupError> {
    let embedded = [Which::Main, Which::Keystore].map(|which| url(config, which));
    let embedded = embedded.iter().filter_map(|url| url.strip_prefix("sqlite:")).map(PathBuf::from);
    let keys = [&config.keystore.master_key_file, &config.log.key_file].map(|path| config.path(path));
    match embedded.chain(keys).find(|path| path.exists()) {
        Some(path) => Err(BackupError::NotEmpty { what: path.display().to_string() }),
        None => Ok(()),
    }
}

/// Opens a database with the migrations that the rows were written under.
async fn open_empty(config: &Config, which: Which, first_line: &str) -> Result<Loading, BackupError> {
    let unfit = LoadError::Line { line: 1, expected: "the first line of rows" };
    let migrations = dump::migrations(first_line).ok_or(unfit)?;
    let opened = Database::open_as_of(&url(config, which), which, &migrations).await;
    let database = match opened {
        Err(DatabaseError::Migration(crate::database::MigrationError::Newer { .. })) => {
            return Err(BackupError::NotEmpty {
                what: "the database of the settings, or it is of another version,".into(),
            });
        }
        opened => opened?,
    };
    let authorities = async || database.read(|tx| Box::pin(authorities::list(tx))).await;
    if which == Which::Main && !authorities().await?.is_empty() {
        return Err(BackupError::NotEmpty { what: "the database of the settings".into() });
    }
    if which == Which::Keystore && Keyring::is_used(&Keystore::new(database.clone())).await? {
        return Err(BackupError::NotEmpty { what: "the keystore of the settings".into() });
    }
    Ok(Loading::begin(database).await?)
}

/// Writes files of keys to where the settings want them, and the keystore.
async fn bring_keys(config: &Config, lines: &mut KeysFile, mark: &Path) -> Result<Vec<PathBuf>, BackupError> {
    let (mut spare, mut keystore) = (Vec::new(), None);
    while let Some(line) = lines.next()? {
        match line {
            KeyLine::File(key_file) => spare.extend(bring_file(config, key_file)?),
            KeyLine::Erased(_) => {}
            KeyLine::Rows(line) => match &mut keystore {
                None => keystore = Some(open_empty(config, Which::Keystore, &line).await?),
                Some(loading) => loading.line(&line).await?,
            },
        }
    }
    let keystore = keystore.ok_or(LoadError::Short { got: 0 })?.finish()?;
    keystore.close().await;
    debug_assert!(mark.exists());
    Ok(spare)
}

/// Writes one; answers where, if the settings do not say where.
fn bring_file(config: &Config, key_file: KeyFile) -> Result<Option<PathBuf>, BackupError> {
    let write = |path: &Path, text: &str| {
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).map_err(file(parent))?;
        }
        folder::write(path, text.as_bytes())
    };
    let (authority, person, key, certificates) = match key_file {
        KeyFile::Master { text } => {
            return write(&config.path(&config.keystore.master_key_file), &text).map(|()| None);
        }
        KeyFile::Log { text } => return write(&config.path(&config.log.key_file), &text).map(|()| None),
        KeyFile::Signer { authority, person, key, certificates } => (authority, person, key, certificates),
    };
    let wanted = match &person {
        None => config
            .signing
            .authorities
            .iter()
            .find(|of| of.authority == authority)
            .map(|of| (&of.key_file, &of.certificates_file)),
        Some(person) => config
            .signing
            .registrars
            .iter()
            .find(|of| of.authority == authority && of.person == *person)
            .map(|of| (&of.key_file, &of.certificates_file)),
    };
    if let Some((key_path, certificates_path)) = wanted {
        write(&config.path(key_path), &key)?;
        write(&config.path(certificates_path), &certificates)?;
        return Ok(None);
    }
    let whose = person.map_or_else(String::new, |person| {
        format!(
            "-{}",
            hex::encode(ring::digest::digest(&ring::digest::SHA256, person.as_bytes())).split_at(8).0
        )
    });
    let path = config.path(Path::new(&format!("keys/restored/{authority}{whose}.key.pem")));
    write(&path, &key)?;
    write(&path.with_extension("").with_extension("pem"), &certificates)?;
    Ok(Some(path))
}

/// What opens objects of the backup by the keys that were brought.
async fn vault_of(
    config: &Config,
    store: DiskStore,
    (clock, random): (&Arc<dyn Clock>, &Arc<dyn Random>),
) -> Result<Vault, BackupError> {
    let keystore = Database::open_keystore(&url(config, Which::Keystore)).await?;
    let master = MasterKeys::read(&config.path(&config.keystore.master_key_file))?;
    let rows = Arc::new(Keystore::new(keystore));
    Ok(Vault::new(Arc::new(store), rows, master, Arc::clone(clock), Arc::clone(random)))
}

async fn bring_rows(
    config: &Config,
    snapshot: &Snapshot,
    keys: &KeysHeader,
    sealed: &Vault,
) -> Result<(), BackupError> {
    let at = ObjectRef::own(INSTALLATION, snapshot.manifest.rows);
    let object = match sealed.open(at, None).await {
        Err(VaultError::Key(KeyError::Erased { .. })) => {
            let (keys, backup) = (keys.taken_at, snapshot.manifest.taken_at);
            return Err(BackupError::KeysTooOld { keys, backup });
        }
        opened => opened?,
    };
    let (mut held, mut start, mut loading) = (Vec::new(), 0, None);
    while start < object.size() {
        let end = object.size().min(start + PIECE_BYTES);
        held.extend(object.read(start..end).await?);
        start = end;
        let mut at = 0;
        while let Some(length) = held.get(at..).and_then(|rest| rest.iter().position(|byte| *byte == b'\n')) {
            let line = String::from_utf8_lossy(held.get(at..at + length).unwrap_or_default()).into_owned();
            at += length + 1;
            match &mut loading {
                None => loading = Some(open_empty(config, Which::Main, &line).await?),
                Some(loading) => loading.line(&line).await?,
            }
        }
        held.drain(..at);
        if held.len() > LINE_BYTES_MAX {
            break;
        }
    }
    let database = loading.ok_or(LoadError::Short { got: 0 })?.finish()?;
    database.close().await;
    Ok(())
}

/// Copies the objects that are not there yet; those that lie elsewhere by reference have to be there.
async fn bring_objects(
    snapshot: &Snapshot,
    from: &DiskStore,
    to: &dyn ObjectStore,
) -> Result<(), BackupError> {
    let (mut missing, mut first): (u64, Option<ObjectId>) = (0, None);
    for line in snapshot.lines()? {
        let Line { object, size, sha256 } = line?;
        let path = path_of(object)?;
        let there = match to.size(&path).await {
            Ok(there) => there == size,
            Err(StoreError::NotFound { .. }) => false,
            Err(error) => return Err(error.into()),
        };
        match (there, snapshot.manifest.mode) {
            (true, _) => {}
            (false, Mode::Reference) => {
                missing += 1;
                first = first.or(Some(object));
            }
            (false, Mode::Copy) => {
                if transfer(from, Some(to), &path, size).await? != sha256 {
                    to.delete(&path).await?;
                    let (path, reason) = (PathBuf::from(path.as_str()), "it was changed".to_owned());
                    return Err(BackupError::Damaged { path, reason });
                }
            }
        }
    }
    first.map_or(Ok(()), |first| Err(BackupError::Elsewhere { missing, first }))
}

/// What the file of keys says was erased after the rows were taken.
async fn erase_again(
    source: &Source<'_>,
    lines: &mut KeysFile,
    database: &Database,
) -> Result<u64, BackupError> {
    lines.rewind()?;
    let mut count = 0;
    while let Some(line) = lines.next()? {
        if let KeyLine::Erased(erased) = line {
            count += u64::from(erased::replay(database, erased, source.gone.clone()).await?);
        }
    }
    Ok(count)
}
