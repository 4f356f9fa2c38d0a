//! A grade for each way of matching: a base that stands above every lower grade, and how well it matches in it.
//! Scores come only from the page and the query, never from other documents: nobody's documents move another's.

use tantivy::query::{EnableScoring, Explanation, Query, Scorer, Weight};
use tantivy::schema::Field;
use tantivy::{DocId, DocSet, Score, SegmentReader, TERMINATED, Term};

/// Adds `base` to what the query inside scores, which is rounded so that sums are exact in any order.
#[derive(Debug)]
pub(super) struct Graded {
    pub(super) query: Box<dyn Query>,
    pub(super) base: Score,
}

impl Clone for Graded {
    fn clone(&self) -> Self {
        Self { query: self.query.box_clone(), base: self.base }
    }
}

impl Query for Graded {
    fn weight(&self, scoring: EnableScoring<'_>) -> tantivy::Result<Box<dyn Weight>> {
        Ok(Box::new(GradedWeight { weight: self.query.weight(scoring)?, base: self.base }))
    }

    fn query_terms<'a>(&'a self, visitor: &mut dyn FnMut(&'a Term, bool)) {
        self.query.query_terms(visitor);
    }
}

struct GradedWeight {
    weight: Box<dyn Weight>,
    base: Score,
}

impl Weight for GradedWeight {
    fn scorer(&self, reader: &SegmentReader, boost: Score) -> tantivy::Result<Box<dyn Scorer>> {
        let inner = self.weight.scorer(reader, boost)?;
        if inner.doc() == TERMINATED {
            return Ok(inner);
        }
        Ok(Box::new(GradedScorer { inner, base: self.base }))
    }

    fn explain(&self, reader: &SegmentReader, doc: DocId) -> tantivy::Result<Explanation> {
        self.weight.explain(reader, doc)
    }
}

struct GradedScorer {
    inner: Box<dyn Scorer>,
    base: Score,
}

impl DocSet for GradedScorer {
    fn advance(&mut self) -> DocId {
        self.inner.advance()
    }

    fn seek(&mut self, target: DocId) -> DocId {
        self.inner.seek(target)
    }

    fn doc(&self) -> DocId {
        self.inner.doc()
    }

    fn size_hint(&self) -> u32 {
        self.inner.size_hint()
    }
}

impl Scorer for GradedScorer {
    fn score(&mut self) -> Score {
        self.base + (self.inner.score() * 64.0).round() / 64.0
    }
}

/// Statistics that are the same for every word and every index.
pub(super) struct Constant;

impl tantivy::query::Bm25StatisticsProvider for Constant {
    fn total_num_tokens(&self, _field: Field) -> tantivy::Result<u64> {
        Ok(600)
    }

    fn total_num_docs(&self) -> tantivy::Result<u64> {
        Ok(2)
    }

    fn doc_freq(&self, _term: &Term) -> tantivy::Result<u64> {
        Ok(1)
    }
}
