//! Looking into the index without taking it: also while a server writes to it. Changes and makes nothing.

use std::path::Path;

use tantivy::postings::SegmentPostings;
use tantivy::schema::{IndexRecordOption, Schema};
use tantivy::{DocSet as _, Index, ReloadPolicy, Searcher, TERMINATED};

use super::folder::bucket;
use super::schema::{Fields, schema};
use super::writer::mark_of;
use super::{IndexError, Mark};
use crate::domain::ids::DocumentId;

/// The index as its last commit left it.
pub struct Look {
    mark: Mark,
    searcher: Searcher,
    fields: Fields,
}

impl Look {
    /// Opens what is in the folder; `None` if there is no index, or one of another version, which whoever opens it to
    /// write would make anew.
    ///
    /// # Errors
    /// If it is there and cannot be read.
    pub fn into(path: &Path) -> Result<Option<Self>, IndexError> {
        let bucket = bucket(path);
        if !bucket.join("meta.json").exists() {
            return Ok(None);
        }
        let (expected, fields): (Schema, Fields) = schema();
        let index = Index::open_in_dir(&bucket)?;
        if index.schema() != expected {
            return Ok(None);
        }
        let mark = mark_of(&index)?;
        let reader = index.reader_builder().reload_policy(ReloadPolicy::Manual).doc_store_cache_num_blocks(1);
        let reader: tantivy::IndexReader = reader.try_into()?;
        Ok(Some(Self { mark, searcher: reader.searcher(), fields }))
    }

    /// How far it has come.
    pub const fn mark(&self) -> Mark {
        self.mark
    }

    /// The documents in it whose identifier begins with this byte, in order.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn documents(&self, first: u8) -> Result<Vec<DocumentId>, IndexError> {
        let mut found = Vec::new();
        for segment in self.searcher.segment_readers() {
            let inverted = segment.inverted_index(self.fields.document)?;
            let mut terms = inverted.terms().range().ge([first]);
            if let Some(next) = first.checked_add(1) {
                terms = terms.lt([next]);
            }
            let mut terms = terms.into_stream()?;
            while terms.advance() {
                let Ok(id) = <[u8; 16]>::try_from(terms.key()) else { continue };
                let mut pages: SegmentPostings =
                    inverted.read_postings_from_terminfo(terms.value(), IndexRecordOption::Basic)?;
                let mut page = pages.doc();
                while page != TERMINATED && segment.is_deleted(page) {
                    page = pages.advance();
                }
                if page != TERMINATED {
                    found.push(DocumentId::from_bytes(id));
                }
            }
        }
        found.sort_unstable();
        found.dedup();
        Ok(found)
    }
}
