//! The index in a folder, by tantivy. Only files are mapped while nothing is written.
//! Scores use no statistics of the index, so answers tell nothing of documents their reader may not see.

use std::path::Path;

use tantivy::IndexReader;

use super::collect::Documents;
use super::compile::compile;
use super::folder::Folder;
use super::graded::Constant;
use super::schema::{Fields, schema};
use super::writer::Writer;
use super::{Applied, Change, Found, IndexError, Mark, Question, SearchBackend};
use crate::domain::ids::DocumentId;

/// What the writer may take while it is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TantivyLimits {
    /// Threads that read documents.
    pub threads: usize,
    /// Memory of each of them before it writes a segment; at least 15 MB.
    pub bytes_per_thread: usize,
}

impl Default for TantivyLimits {
    fn default() -> Self {
        Self { threads: 1, bytes_per_thread: 24 << 20 }
    }
}

/// An index in a folder.
pub struct TantivyBackend {
    // Dropped before the folder is given back.
    writer: Writer,
    reader: IndexReader,
    fields: Fields,
    _folder: Folder,
}

impl TantivyBackend {
    /// Opens the index in `path`; [`IndexError::Taken`] if another process has it. What cannot be read is made anew,
    /// empty: its mark says so.
    pub fn open(path: &Path, limits: TantivyLimits) -> Result<Self, IndexError> {
        let folder = Folder::take(path)?;
        let (schema, fields) = schema();
        let (index, reader) = folder.open(&schema)?;
        Ok(Self { writer: Writer::new(index, fields, limits), reader, fields, _folder: folder })
    }

    /// How many pages are in it.
    pub fn pages(&self) -> u64 {
        self.reader.searcher().num_docs()
    }

    #[cfg(test)]
    pub(super) fn index(&self) -> &tantivy::Index {
        self.writer.index()
    }
}

impl SearchBackend for TantivyBackend {
    fn apply(&self, changes: Vec<Change>, mark: Mark) -> Result<Applied, IndexError> {
        let applied = self.writer.apply(&changes, mark)?;
        self.reader.reload()?;
        Ok(applied)
    }

    fn search(&self, question: Question<'_>) -> Result<Found, IndexError> {
        let searcher = self.reader.searcher();
        let query = compile(&self.fields, &question);
        let documents = Documents { limit: question.limit, after: question.after };
        let found = searcher.search_with_statistics_provider(&query, &documents, &Constant)?;
        Ok(found)
    }

    fn mark(&self) -> Result<Mark, IndexError> {
        self.writer.mark()
    }

    fn clear(&self) -> Result<(), IndexError> {
        self.writer.clear()?;
        Ok(self.reader.reload()?)
    }

    fn purge(&self, gone: &[DocumentId]) -> Result<(), IndexError> {
        self.writer.purge(gone)?;
        self.reader.reload()?;
        self.writer.collect_garbage()
    }

    fn rest(&self) -> Result<(), IndexError> {
        self.writer.rest()?;
        Ok(self.reader.reload()?)
    }
}
