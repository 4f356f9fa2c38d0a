//! The fields of the tantivy index and how a document becomes one entry for each page.
//! Every value is bounded here, so that no document can break the writer (tantivy #2540).

use jiff::civil::Date;
use tantivy::TantivyDocument;
use tantivy::schema::{
    BytesOptions, Field, IndexRecordOption, NumericOptions, Schema, TextFieldIndexing, TextOptions,
};

use super::{IndexedDocument, Page};
use crate::search::reference::normal_form;

/// The version of fields, analysis and payload. Another one in the folder: it is made anew.
pub(super) const FORMAT: u32 = 2;

const ANALYSIS: &str = "stammbuch";
/// Of metadata; longer values are cut, in bytes.
const LONGEST_VALUE: usize = 1_000;
/// Of a page; what comes behind is not found. In bytes.
const LONGEST_PAGE: usize = 4 << 20;
/// Pages of a document; text behind is not found.
const MOST_PAGES: usize = 50_000;
/// The restriction term of documents without any.
pub(super) const OPEN: &str = "-";
pub(super) const KIND: &str = "kind";
pub(super) const HIGH: &str = "high";
pub(super) const LOW: &str = "low";
pub(super) const PAGE: &str = "page";
pub(super) const DATE: &str = "date";

#[derive(Debug, Clone, Copy)]
pub(super) struct Fields {
    pub(super) authority: Field,
    pub(super) restriction: Field,
    pub(super) document: Field,
    high: Field,
    low: Field,
    page: Field,
    pub(super) title: Field,
    pub(super) reference: Field,
    pub(super) whole: Field,
    pub(super) name: Field,
    pub(super) text: Field,
    kind: Field,
    pub(super) kind_key: Field,
    pub(super) date: Field,
}

/// The schema and its fields; tokenizer `stammbuch` has to be registered.
pub(super) fn schema() -> (Schema, Fields) {
    let mut schema = Schema::builder();
    let term = || BytesOptions::default().set_indexed();
    let raw = |record| {
        TextFieldIndexing::default().set_tokenizer("raw").set_index_option(record).set_fieldnorms(false)
    };
    let words = || {
        let indexing = TextFieldIndexing::default()
            .set_tokenizer(ANALYSIS)
            .set_index_option(IndexRecordOption::WithFreqsAndPositions);
        TextOptions::default().set_indexing_options(indexing)
    };
    let exact = || TextOptions::default().set_indexing_options(raw(IndexRecordOption::Basic));
    let fast = || NumericOptions::default().set_fast();
    let fields = Fields {
        authority: schema.add_bytes_field("authority", term()),
        restriction: schema.add_text_field("restriction", exact()),
        document: schema.add_bytes_field("document", term()),
        high: schema.add_u64_field(HIGH, fast()),
        low: schema.add_u64_field(LOW, fast()),
        page: schema.add_u64_field(PAGE, fast()),
        title: schema.add_text_field("title", words()),
        reference: schema.add_text_field("reference", words()),
        whole: schema.add_text_field("whole", exact()),
        name: schema.add_text_field("name", words()),
        text: schema.add_text_field("text", words()),
        kind: schema.add_text_field(KIND, TextOptions::default().set_fast("raw")),
        kind_key: schema.add_text_field("kind_key", exact()),
        date: schema.add_i64_field(DATE, fast().set_indexed()),
    };
    (schema.build(), fields)
}

/// The name the tokenizer is registered under.
pub(super) const fn analysis_name() -> &'static str {
    ANALYSIS
}

/// The number of days since 1970, as it stands in the index.
pub(super) fn day_number(day: Date) -> i64 {
    let epoch = Date::constant(1970, 1, 1);
    (day - epoch).get_days().into()
}

/// The day of such a number.
pub(super) fn day_of(number: i64) -> Option<Date> {
    let days = jiff::Span::new().try_days(number).ok()?;
    Date::constant(1970, 1, 1).checked_add(days).ok()
}

/// The two halves of an identifier, for comparing without a dictionary.
pub(super) fn halves(id: &[u8; 16]) -> (u64, u64) {
    let whole = u128::from_be_bytes(*id);
    let low = u64::try_from(whole & u128::from(u64::MAX)).unwrap_or_default();
    (u64::try_from(whole >> 64).unwrap_or_default(), low)
}

/// One entry for each page; one without text if there is none.
pub(super) fn entries(fields: &Fields, document: &IndexedDocument) -> Vec<TantivyDocument> {
    let mut head = TantivyDocument::new();
    head.add_bytes(fields.authority, document.authority.as_bytes());
    let restricted = match document.restriction.trim() {
        "" => OPEN,
        levels => bounded(levels, 100),
    };
    head.add_text(fields.restriction, restricted);
    let (high, low) = halves(document.document.as_bytes());
    head.add_bytes(fields.document, document.document.as_bytes());
    head.add_u64(fields.high, high);
    head.add_u64(fields.low, low);
    for (field, value) in [
        (fields.title, &document.title),
        (fields.reference, &document.reference),
        (fields.name, &document.file_name),
    ] {
        if let Some(value) = value {
            head.add_text(field, bounded(value, LONGEST_VALUE));
        }
    }
    if let Some(whole) = document.reference.as_deref().and_then(normal_form) {
        head.add_text(fields.whole, whole);
    }
    let kind = document.kind.as_deref().map(|kind| bounded(kind.trim(), 100));
    if let Some((kind, key)) = kind.and_then(|kind| Some((kind, normal_form(kind)?))) {
        head.add_text(fields.kind, kind);
        head.add_text(fields.kind_key, key);
    }
    if let Some(date) = document.date {
        head.add_i64(fields.date, day_number(date));
    }
    if document.pages.is_empty() {
        head.add_u64(fields.page, 0);
        return vec![head];
    }
    let entry = |page: &Page| {
        let mut entry = head.clone();
        entry.add_u64(fields.page, page.number.into());
        entry.add_text(fields.text, bounded(&page.text, LONGEST_PAGE));
        entry
    };
    document.pages.iter().take(MOST_PAGES).map(entry).collect()
}

fn bounded(text: &str, bytes: usize) -> &str {
    if text.len() <= bytes {
        return text;
    }
    let end = (0..=bytes).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    text.get(..end).unwrap_or_default()
}
