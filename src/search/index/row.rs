//! Words in a row, each in one of several spellings: what tantivy's phrase query lacks.
//! Knows only terms and positions.

use tantivy::postings::{Postings, SegmentPostings};
use tantivy::query::{EmptyScorer, EnableScoring, Explanation, Query, Scorer, Weight};
use tantivy::schema::{Field, IndexRecordOption};
use tantivy::{DocId, DocSet, Score, SegmentReader, TERMINATED, Term};

/// Pages on which some term of each slot stands, one behind the other. Scores 1.
#[derive(Debug, Clone)]
pub(super) struct Row {
    pub(super) field: Field,
    pub(super) slots: Vec<Vec<Term>>,
}

impl Query for Row {
    fn weight(&self, _scoring: EnableScoring<'_>) -> tantivy::Result<Box<dyn Weight>> {
        Ok(Box::new(self.clone()))
    }
}

impl Weight for Row {
    fn scorer(&self, reader: &SegmentReader, _boost: Score) -> tantivy::Result<Box<dyn Scorer>> {
        let index = reader.inverted_index(self.field)?;
        let mut slots = Vec::with_capacity(self.slots.len());
        for terms in &self.slots {
            let mut slot = Slot::default();
            for term in terms {
                slot.postings.extend(index.read_postings(term, IndexRecordOption::WithFreqsAndPositions)?);
            }
            if slot.postings.is_empty() {
                return Ok(Box::new(EmptyScorer));
            }
            slots.push(slot);
        }
        let mut scorer = RowScorer { slots, doc: 0, starts: Vec::new(), buffer: Vec::new() };
        scorer.settle(0);
        Ok(Box::new(scorer))
    }

    fn explain(&self, _reader: &SegmentReader, _doc: DocId) -> tantivy::Result<Explanation> {
        Ok(Explanation::new("words in a row", 1.0))
    }
}

#[derive(Default)]
struct Slot {
    postings: Vec<SegmentPostings>,
}

impl Slot {
    /// The first page from `target` on.
    fn seek(&mut self, target: DocId) -> DocId {
        let seek = |postings: &mut SegmentPostings| {
            if postings.doc() < target { postings.seek(target) } else { postings.doc() }
        };
        self.postings.iter_mut().map(seek).min().unwrap_or(TERMINATED)
    }

    fn positions(&mut self, doc: DocId, out: &mut Vec<u32>) {
        out.clear();
        for postings in self.postings.iter_mut().filter(|postings| postings.doc() == doc) {
            postings.append_positions_with_offset(0, out);
        }
    }
}

struct RowScorer {
    slots: Vec<Slot>,
    doc: DocId,
    /// Where a row may begin.
    starts: Vec<u32>,
    buffer: Vec<u32>,
}

impl RowScorer {
    /// Goes to the first page from `target` on that has the row.
    fn settle(&mut self, mut target: DocId) -> DocId {
        loop {
            let mut furthest = target;
            for slot in &mut self.slots {
                furthest = furthest.max(slot.seek(furthest));
            }
            if furthest == TERMINATED {
                self.doc = TERMINATED;
                return TERMINATED;
            }
            if furthest == target && self.in_a_row(target) {
                self.doc = target;
                return target;
            }
            target = if furthest == target { target + 1 } else { furthest };
        }
    }

    fn in_a_row(&mut self, doc: DocId) -> bool {
        let (starts, buffer) = (&mut self.starts, &mut self.buffer);
        for (offset, slot) in (0_u32..).zip(&mut self.slots) {
            if offset == 0 {
                slot.positions(doc, starts);
                continue;
            }
            slot.positions(doc, buffer);
            buffer.sort_unstable();
            starts.retain(|start| buffer.binary_search(&(start + offset)).is_ok());
            if starts.is_empty() {
                return false;
            }
        }
        !starts.is_empty()
    }
}

impl DocSet for RowScorer {
    fn advance(&mut self) -> DocId {
        if self.doc == TERMINATED {
            return TERMINATED;
        }
        self.settle(self.doc + 1)
    }

    fn seek(&mut self, target: DocId) -> DocId {
        if target <= self.doc { self.doc } else { self.settle(target) }
    }

    fn doc(&self) -> DocId {
        self.doc
    }

    fn size_hint(&self) -> u32 {
        let rarest = |slot: &Slot| slot.postings.iter().map(DocSet::size_hint).sum::<u32>();
        self.slots.iter().map(rarest).min().unwrap_or(0)
    }
}

impl Scorer for RowScorer {
    fn score(&mut self) -> Score {
        1.0
    }
}
