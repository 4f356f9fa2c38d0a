//! The folder of the index: its lock, its version, and making it anew when it cannot be read.
//! Layout: `lock`, `v2/b00`. One bucket of authorities today; more become `b01`, `b02`, ….

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use tantivy::directory::MmapDirectory;
use tantivy::schema::Schema;
use tantivy::{Index, IndexReader, ReloadPolicy};

use super::IndexError;
use super::schema::{FORMAT, analysis_name};
use super::terms::Terms;

/// The folder while it is open; nobody else opens it until this is dropped.
#[derive(Debug)]
pub(super) struct Folder {
    bucket: PathBuf,
    _lock: File,
}

/// Where the files of the index are.
pub(super) fn bucket(path: &Path) -> PathBuf {
    path.join(format!("v{FORMAT}")).join("b00")
}

impl Folder {
    /// Takes the folder and removes what other versions left in it.
    pub(super) fn take(path: &Path) -> Result<Self, IndexError> {
        fs::create_dir_all(path)?;
        let lock = File::options().create(true).truncate(false).write(true).open(path.join("lock"))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(IndexError::Taken),
            Err(TryLockError::Error(error)) => return Err(error.into()),
        }
        let version = format!("v{FORMAT}");
        for entry in fs::read_dir(path)? {
            let entry = entry?;
            let name = entry.file_name();
            if name.to_string_lossy().starts_with('v') && name != version.as_str() {
                fs::remove_dir_all(entry.path())?;
            }
        }
        Ok(Self { bucket: bucket(path), _lock: lock })
    }

    /// Opens the index in it, or makes a new one if there is none or it cannot be read.
    pub(super) fn open(&self, schema: &Schema) -> Result<(Index, IndexReader), IndexError> {
        match self.open_as_it_is(schema) {
            Ok(opened) => Ok(opened),
            Err(error) => {
                tracing::warn!(%error, "the search index cannot be read and is made anew");
                match fs::remove_dir_all(&self.bucket) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error.into()),
                    _ => self.open_as_it_is(schema),
                }
            }
        }
    }

    fn open_as_it_is(&self, schema: &Schema) -> Result<(Index, IndexReader), IndexError> {
        fs::create_dir_all(&self.bucket)?;
        let directory = MmapDirectory::open(&self.bucket).map_err(tantivy::TantivyError::from)?;
        let index = Index::open_or_create(directory, schema.clone())?;
        index.tokenizers().register(analysis_name(), Terms::default());
        let reader = index.reader_builder().reload_policy(ReloadPolicy::Manual).doc_store_cache_num_blocks(1);
        let reader = reader.try_into()?;
        Ok((index, reader))
    }
}
