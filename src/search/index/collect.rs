//! Gathers pages into documents: the best ones in order, how many there are, and the facets, in one pass.
//! The pages of a document stand together in a segment, so nothing but the best has to be remembered.

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap};

use tantivy::collector::{Collector, SegmentCollector};
use tantivy::columnar::{Column, StrColumn};
use tantivy::{DocId, Score, SegmentOrdinal, SegmentReader};

use super::schema::{DATE, HIGH, KIND, LOW, PAGE, day_of};
use super::{Found, Hit, Place};
use crate::domain::ids::DocumentId;

/// At most so many values of a facet are told.
const MOST_VALUES: usize = 50;

/// Collects the first `limit` documents behind `after`.
pub(super) struct Documents {
    pub(super) limit: usize,
    pub(super) after: Option<Place>,
}

/// The order of hits: higher score first, then the lower identifier.
fn order(one: &Place, other: &Place) -> Ordering {
    other.score.total_cmp(&one.score).then_with(|| one.document.cmp(&other.document))
}

pub(super) struct Segment {
    limit: usize,
    after: Option<Place>,
    high: Column<u64>,
    low: Column<u64>,
    page: Column<u64>,
    date: Column<i64>,
    kind: Option<StrColumn>,
    open: Option<Group>,
    /// In order; never longer than `limit`.
    hits: Vec<Hit>,
    documents: u64,
    pages: u64,
    kinds: HashMap<u64, u64>,
    years: HashMap<i16, u64>,
}

struct Group {
    id: (u64, u64),
    score: Score,
    page: u64,
    pages: u32,
    doc: DocId,
}

impl Collector for Documents {
    type Fruit = Found;
    type Child = Segment;

    fn for_segment(&self, _ordinal: SegmentOrdinal, reader: &SegmentReader) -> tantivy::Result<Segment> {
        let fast = reader.fast_fields();
        Ok(Segment {
            limit: self.limit,
            after: self.after,
            high: fast.u64(HIGH)?,
            low: fast.u64(LOW)?,
            page: fast.u64(PAGE)?,
            date: fast
                .column_opt::<i64>(DATE)?
                .unwrap_or_else(|| Column::build_empty_column(reader.max_doc())),
            kind: fast.str(KIND)?,
            open: None,
            hits: Vec::with_capacity(self.limit.min(100) + 1),
            documents: 0,
            pages: 0,
            kinds: HashMap::new(),
            years: HashMap::new(),
        })
    }

    fn requires_scoring(&self) -> bool {
        true
    }

    fn merge_fruits(&self, segments: Vec<Found>) -> tantivy::Result<Found> {
        let mut merged = Found::default();
        let mut kinds = BTreeMap::new();
        let mut years = BTreeMap::new();
        for segment in segments {
            merged.documents += segment.documents;
            merged.pages += segment.pages;
            merged.hits.extend(segment.hits);
            segment.kinds.into_iter().for_each(|(kind, count)| *kinds.entry(kind).or_insert(0) += count);
            segment.years.into_iter().for_each(|(year, count)| *years.entry(year).or_insert(0) += count);
        }
        merged.hits.sort_by(|one, other| order(&one.place, &other.place));
        merged.hits.truncate(self.limit);
        merged.kinds = kinds.into_iter().collect();
        merged.kinds.sort_by(|one, other| other.1.cmp(&one.1).then_with(|| one.0.cmp(&other.0)));
        merged.kinds.truncate(MOST_VALUES);
        merged.years = years.into_iter().rev().take(MOST_VALUES).collect();
        Ok(merged)
    }
}

impl Segment {
    fn close(&mut self) {
        let Some(group) = self.open.take() else { return };
        self.documents += 1;
        if let Some(kind) = self.kind.as_ref().and_then(|kind| kind.ords().first(group.doc)) {
            *self.kinds.entry(kind).or_default() += 1;
        }
        if let Some(day) = self.date.first(group.doc).and_then(day_of) {
            *self.years.entry(day.year()).or_default() += 1;
        }
        let (high, low) = group.id;
        let id = (u128::from(high) << 64) | u128::from(low);
        let place = Place { score: group.score, document: DocumentId::from_bytes(id.to_be_bytes()) };
        if self.after.is_some_and(|after| order(&place, &after) != Ordering::Greater) {
            return;
        }
        let at = self.hits.partition_point(|hit| order(&hit.place, &place) == Ordering::Less);
        if at < self.limit {
            let page = u32::try_from(group.page).ok().filter(|page| *page > 0);
            self.hits.insert(at, Hit { place, page, pages: group.pages });
            self.hits.truncate(self.limit);
        }
    }
}

impl SegmentCollector for Segment {
    type Fruit = Found;

    fn collect(&mut self, doc: DocId, score: Score) {
        self.pages += 1;
        let id = (self.high.first(doc).unwrap_or_default(), self.low.first(doc).unwrap_or_default());
        if let Some(group) = self.open.as_mut().filter(|group| group.id == id) {
            group.pages += 1;
            if score > group.score {
                group.score = score;
                group.page = self.page.first(doc).unwrap_or_default();
            }
            return;
        }
        self.close();
        self.open = Some(Group { id, score, page: self.page.first(doc).unwrap_or_default(), pages: 1, doc });
    }

    fn harvest(mut self) -> Found {
        self.close();
        let name = |ord: u64| {
            let mut name = String::new();
            let found =
                self.kind.as_ref().is_some_and(|kind| kind.ord_to_str(ord, &mut name).unwrap_or(false));
            found.then_some(name)
        };
        let kinds = self.kinds.iter().filter_map(|(ord, count)| Some((name(*ord)?, *count))).collect();
        Found {
            documents: self.documents,
            pages: self.pages,
            kinds,
            years: self.years.into_iter().collect(),
            hits: self.hits,
        }
    }
}
