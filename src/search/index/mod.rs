//! The seam to the index: what goes in, what is asked, what comes out, and what each promises.
//! The page is the unit, the document the group. Knows nothing of the database or the vault.

mod collect;
mod compile;
mod folder;
mod graded;
mod look;
mod row;
mod schema;
#[cfg(test)]
mod suite;
mod tantivy_backend;
mod terms;
mod writer;

use jiff::civil::Date;

use crate::domain::ids::{AuthorityId, DocumentId};
use crate::search::query::Query;

pub use look::Look;
pub use tantivy_backend::{TantivyBackend, TantivyLimits};

/// How far the index has come in the order of changes of the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// The last change taken over; 0: none.
    pub seq: i64,
    /// The document of that change: another one there means another history (a restored backup).
    pub witness: Option<DocumentId>,
}

impl Mark {
    /// Before the first change.
    pub const NOTHING: Self = Self { seq: 0, witness: None };
}

/// A document as it is to be found from now on, or that it is gone.
#[derive(Debug, Clone)]
pub enum Change {
    /// Replaces what was there of this document.
    Put(Box<IndexedDocument>),
    /// Nothing of this document is to be found any more.
    Remove(DocumentId),
}

impl Change {
    /// The document it is about.
    pub fn document(&self) -> DocumentId {
        match self {
            Self::Put(put) => put.document,
            Self::Remove(document) => *document,
        }
    }
}

/// What is known of a document and what stands on its pages.
#[derive(Debug, Clone)]
pub struct IndexedDocument {
    /// Its identifier.
    pub document: DocumentId,
    /// Whose it is.
    pub authority: AuthorityId,
    /// The column `restriction` of its row; empty: none.
    pub restriction: String,
    /// Title.
    pub title: Option<String>,
    /// File reference.
    pub reference: Option<String>,
    /// File name.
    pub file_name: Option<String>,
    /// Kind of document.
    pub kind: Option<String>,
    /// Date of the document.
    pub date: Option<Date>,
    /// The text of each page. None: found by the rest.
    pub pages: Vec<Page>,
}

/// A page with text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Its number, from 1.
    pub number: u32,
    /// Its text.
    pub text: String,
}

/// Who searches. There is no search without one: whose documents and which of them is part of every question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reader {
    /// Only documents of this authority.
    pub authority: AuthorityId,
    /// Which of them.
    pub sight: Sight,
}

/// Which documents of an authority someone may see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sight {
    /// Those without any restriction.
    Open,
    /// All.
    All,
}

impl Reader {
    /// Whether this reader may see a document of `authority` with this `restriction`.
    pub fn may_see(&self, authority: AuthorityId, restriction: &str) -> bool {
        self.authority == authority && (restriction.is_empty() || self.sight == Sight::All)
    }
}

/// How closely the query is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Closeness {
    /// As it stands: every word, in one of its spellings or by its stem.
    AsAsked,
    /// Every word, also with one typing error.
    Similar,
    /// At least one of the words, also with one typing error.
    AnyWord,
}

/// A question.
#[derive(Debug, Clone, Copy)]
pub struct Question<'q> {
    /// The query.
    pub query: &'q Query,
    /// Who asks.
    pub reader: &'q Reader,
    /// Documents to be passed over: hidden from the reader since the index has taken them over.
    pub hidden: &'q [DocumentId],
    /// How closely it is taken.
    pub closeness: Closeness,
    /// Only what comes after this place in the order.
    pub after: Option<Place>,
    /// At most so many documents.
    pub limit: usize,
}

/// A place in the order of hits: by score falling, then by identifier rising.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Place {
    /// The score; the same query gives the same document the same score on every index with the same document.
    pub score: f32,
    /// The document.
    pub document: DocumentId,
}

/// The answer.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Found {
    /// How many documents there are in all.
    pub documents: u64,
    /// How many pages of them.
    pub pages: u64,
    /// The documents asked for, in order.
    pub hits: Vec<Hit>,
    /// How many documents there are of each kind, most first.
    pub kinds: Vec<(String, u64)>,
    /// How many documents there are of each year, latest first.
    pub years: Vec<(i16, u64)>,
}

/// A document that was found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Hit {
    /// Its place in the order.
    pub place: Place,
    /// Its best page; `None` if it has no text.
    pub page: Option<u32>,
    /// How many of its pages were found.
    pub pages: u32,
}

/// What was taken over, and what could not be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Applied {
    /// Documents the index broke on; nothing of them is to be found, all others are.
    pub quarantined: Vec<(DocumentId, String)>,
}

/// The index fails.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// Another process has the index.
    #[error("another process has the search index open")]
    Taken,
    /// The index cannot be read or written.
    #[error("the search index fails: {0}")]
    Engine(String),
    /// Its folder cannot be read or written.
    #[error("the folder of the search index fails: {0}")]
    Folder(#[from] std::io::Error),
}

impl From<tantivy::TantivyError> for IndexError {
    fn from(error: tantivy::TantivyError) -> Self {
        Self::Engine(error.to_string())
    }
}

/// An index. All calls block; `search` may be called from many threads at once.
pub trait SearchBackend: Send + Sync {
    /// Takes over `changes` and moves the mark, all at once: after `Ok` both are durable and found by the next
    /// `search`; after an error or a crash either all of it holds or nothing. A document that breaks the index is
    /// named in the answer and hurts no other.
    fn apply(&self, changes: Vec<Change>, mark: Mark) -> Result<Applied, IndexError>;

    /// Answers only from documents that the reader may see, counts and facets included.
    fn search(&self, question: Question<'_>) -> Result<Found, IndexError>;

    /// How far the index has come.
    fn mark(&self) -> Result<Mark, IndexError>;

    /// Forgets everything; the mark is [`Mark::NOTHING`] then.
    fn clear(&self) -> Result<(), IndexError>;

    /// Removes from the files what is left of documents that a committed change has removed. `Ok`: no posting and no
    /// term of them is in any file.
    fn purge(&self, gone: &[DocumentId]) -> Result<(), IndexError>;

    /// Gives back what is only needed for writing; the next `apply` takes it again.
    fn rest(&self) -> Result<(), IndexError>;
}
