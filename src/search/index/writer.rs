//! Takes changes over into tantivy: all at once if it can, one by one if a document breaks the writer.
//! Knows nothing of searching.

use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use tantivy::index::SegmentId;
use tantivy::indexer::{IndexWriterOptions, UserOperation};
use tantivy::merge_policy::NoMergePolicy;
use tantivy::{Index, IndexReader, IndexWriter, ReloadPolicy, TantivyDocument, Term};

use super::schema::{Fields, entries};
use super::{Applied, Change, IndexError, Mark, TantivyLimits};
use crate::domain::ids::DocumentId;

/// How often segments are written anew for one purge; a second time is needed only if deletions came late.
const PURGE_ROUNDS: usize = 3;

/// The one writer of an index, open while there is something to write.
pub(super) struct Writer {
    index: Index,
    fields: Fields,
    limits: TantivyLimits,
    open: Mutex<Option<IndexWriter>>,
}

/// The mark as it stands in the commit.
#[derive(Serialize, Deserialize)]
struct Payload {
    seq: i64,
    witness: Option<DocumentId>,
}

/// The mark of an index's last commit.
pub(super) fn mark_of(index: &Index) -> Result<Mark, IndexError> {
    let payload = index.load_metas()?.payload;
    let payload: Option<Payload> = payload.and_then(|text| serde_json::from_str(&text).ok());
    Ok(payload.map_or(Mark::NOTHING, |payload| Mark { seq: payload.seq, witness: payload.witness }))
}

impl Writer {
    pub(super) const fn new(index: Index, fields: Fields, limits: TantivyLimits) -> Self {
        Self { index, fields, limits, open: Mutex::new(None) }
    }

    /// The index it writes to.
    #[cfg(test)]
    pub(super) const fn index(&self) -> &Index {
        &self.index
    }

    /// The mark of the last commit.
    pub(super) fn mark(&self) -> Result<Mark, IndexError> {
        mark_of(&self.index)
    }

    /// See [`super::SearchBackend::apply`].
    pub(super) fn apply(&self, changes: &[Change], mark: Mark) -> Result<Applied, IndexError> {
        let mut open = self.lock();
        if self.write(&mut open, changes, mark).is_ok() {
            return Ok(Applied::default());
        }
        let before = self.mark()?;
        let mut quarantined = Vec::new();
        for change in changes {
            let Err(error) = self.write(&mut open, std::slice::from_ref(change), before) else { continue };
            let document = change.document();
            let gone = self.write(&mut open, &[Change::Remove(document)], before);
            gone.map_err(|_| error_of_engine(&error))?;
            quarantined.push((document, error.to_string()));
        }
        self.write(&mut open, &[], mark)?;
        Ok(Applied { quarantined })
    }

    /// See [`super::SearchBackend::clear`].
    pub(super) fn clear(&self) -> Result<(), IndexError> {
        let mut open = self.lock();
        self.writer(&mut open)?.delete_all_documents()?;
        self.commit(&mut open, Mark::NOTHING)
    }

    /// See [`super::SearchBackend::purge`]: writes each segment anew that has something of these documents.
    pub(super) fn purge(&self, gone: &[DocumentId]) -> Result<(), IndexError> {
        let mut open = self.lock();
        // A merge that runs would carry them into another segment.
        if let Some(writer) = open.take() {
            writer.wait_merging_threads()?;
        }
        for _ in 0..PURGE_ROUNDS {
            let segments = self.segments_with(gone)?;
            if segments.is_empty() {
                return Ok(());
            }
            let writer = self.writer(&mut open)?;
            writer.set_merge_policy(Box::new(NoMergePolicy));
            for segment in segments {
                writer.merge(&[segment]).wait()?;
            }
            if let Some(writer) = open.take() {
                writer.wait_merging_threads()?;
            }
        }
        Err(IndexError::Engine("documents that were removed are still in the index".to_owned()))
    }

    /// Removes files that no segment uses any more.
    pub(super) fn collect_garbage(&self) -> Result<(), IndexError> {
        let mut open = self.lock();
        self.writer(&mut open)?.garbage_collect_files().wait()?;
        Ok(())
    }

    /// Segments whose dictionary still has one of the documents: the terms of a deleted document stay in its segment.
    fn segments_with(&self, gone: &[DocumentId]) -> Result<Vec<SegmentId>, IndexError> {
        let reader: IndexReader =
            self.index.reader_builder().reload_policy(ReloadPolicy::Manual).try_into()?;
        let mut found = Vec::new();
        for segment in reader.searcher().segment_readers() {
            let documents = segment.inverted_index(self.fields.document)?;
            for document in gone {
                if documents.terms().get(document.as_bytes())?.is_some() {
                    found.push(segment.segment_id());
                    break;
                }
            }
        }
        Ok(found)
    }

    /// Ends merges and gives the writer back.
    pub(super) fn rest(&self) -> Result<(), IndexError> {
        match self.lock().take() {
            Some(writer) => Ok(writer.wait_merging_threads()?),
            None => Ok(()),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<IndexWriter>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn writer<'o>(&self, open: &'o mut Option<IndexWriter>) -> Result<&'o mut IndexWriter, IndexError> {
        let writer = match open.take() {
            Some(writer) => writer,
            None => {
                let options = IndexWriterOptions::builder()
                    .num_worker_threads(self.limits.threads)
                    .memory_budget_per_thread(self.limits.bytes_per_thread)
                    .num_merge_threads(1)
                    .build();
                self.index.writer_with_options(options)?
            }
        };
        Ok(open.insert(writer))
    }

    /// All of it or nothing. After an error the writer is gone, and with it what was not committed.
    fn write(
        &self,
        open: &mut Option<IndexWriter>,
        changes: &[Change],
        mark: Mark,
    ) -> Result<(), IndexError> {
        let written = self.enter(open, changes).and_then(|()| self.commit(open, mark));
        if written.is_err() {
            *open = None;
        }
        written
    }

    fn enter(&self, open: &mut Option<IndexWriter>, changes: &[Change]) -> Result<(), IndexError> {
        let writer = self.writer(open)?;
        for change in changes {
            let gone = Term::from_field_bytes(self.fields.document, change.document().as_bytes());
            let mut operations: Vec<UserOperation<TantivyDocument>> = vec![UserOperation::Delete(gone)];
            if let Change::Put(document) = change {
                operations.extend(entries(&self.fields, document).into_iter().map(UserOperation::Add));
            }
            writer.run(operations)?;
        }
        Ok(())
    }

    fn commit(&self, open: &mut Option<IndexWriter>, mark: Mark) -> Result<(), IndexError> {
        let payload = serde_json::to_string(&Payload { seq: mark.seq, witness: mark.witness })
            .map_err(|error| IndexError::Engine(error.to_string()))?;
        let mut prepared = self.writer(open)?.prepare_commit()?;
        prepared.set_payload(&payload);
        prepared.commit()?;
        Ok(())
    }
}

fn error_of_engine(error: &IndexError) -> IndexError {
    IndexError::Engine(error.to_string())
}
