//! A search from the typed text to hits with snippets: understand, ask the index, loosen if nothing is found, check
//! each hit in the database, read its page from the vault. Knows nothing of HTTP.

mod cursor;
mod record;
mod snippet;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use futures_util::{StreamExt as _, stream};
use serde::Serialize;

use crate::database::index::{self as rows, Findable};
use crate::database::{Database, DatabaseError, index_changes};
use crate::domain::clock::Clock;
use crate::domain::ids::DocumentId;
use crate::domain::random::Random;
use crate::intake::texts::{self, TextError};
use crate::objects::{KeyError, ObjectRef, Vault, VaultError};
use crate::search::index::{
    Closeness, Found, Hit, IndexError, Place, Question, Reader, SearchBackend, Sight,
};
use crate::search::query::{Query, QueryError, Remark, Understood, parse};

use cursor::Cursor;
pub use record::Asker;
use snippet::Marker;
pub use snippet::Snippet;

/// The most hits of one answer.
pub const LIMIT_MAX: usize = 100;
/// Pages are read from the vault so many at a time.
const PAGES_AT_ONCE: usize = 8;

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// The query as typed.
    pub query: String,
    /// At most so many hits, 1 to [`LIMIT_MAX`].
    pub limit: usize,
    /// The `next` of the answer before.
    pub next: Option<String>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum FindError {
    /// The query is too large.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// The limit is not one.
    #[error("the limit is 1 to {LIMIT_MAX}; got {got}")]
    Limit {
        /// As asked.
        got: usize,
    },
    /// `next` is not of an answer to this query.
    #[error("`next` does not belong to this query")]
    Next,
    /// The database does not answer.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// The index does not answer.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// A thread of the search broke down.
    #[error("a thread of the search broke down")]
    Broken,
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Answer {
    /// The documents, best first.
    pub hits: Vec<Shown>,
    /// How many documents there are in all.
    pub total: u64,
    /// How many pages of them.
    pub total_pages: u64,
    /// How many documents there are of each kind and each year.
    pub facets: Facets,
    /// What was understood, part by part.
    #[schema(value_type = Vec<Object>)]
    pub interpreted: Vec<Understood>,
    /// What else to know about the reading of the query.
    #[schema(value_type = Vec<String>)]
    pub remarks: Vec<Remark>,
    /// How the query was loosened because nothing was found otherwise; empty: not at all.
    #[schema(value_type = Vec<String>)]
    pub relaxed: Vec<Relaxed>,
    /// Where the next hits begin; none if there are no more.
    pub next: Option<String>,
}

/// A step by which a query was loosened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Relaxed {
    /// Words with one typing error count too.
    SimilarWords,
    /// One of the words is enough.
    AnyWord,
    /// Even so nothing was found.
    NothingFound,
}

/// A document that was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Shown {
    /// The document.
    #[schema(value_type = String)]
    pub document: DocumentId,
    /// Its best page; none if it was found without text.
    pub page: Option<u32>,
    /// How many of its pages were found.
    pub pages: u32,
    /// Its title.
    pub title: Option<String>,
    /// Its file reference.
    pub reference: Option<String>,
    /// A piece of the page.
    pub snippet: Option<Snippet>,
}

/// Counts over all documents that were found.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, utoipa::ToSchema)]
pub struct Facets {
    /// By kind, most first.
    pub kind: Vec<Count>,
    /// By year, latest first.
    pub year: Vec<Count>,
}

/// A value and how many documents have it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Count {
    /// The value.
    pub value: String,
    /// Documents.
    pub count: u64,
}

/// The search over one installation. Clones share it.
#[derive(Clone)]
pub struct Finder {
    database: Database,
    vault: Vault,
    index: Arc<dyn SearchBackend>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
}

impl Finder {
    /// A search in `index`, which was filled from `database` and `vault`.
    pub fn new(
        database: Database,
        vault: Vault,
        index: Arc<dyn SearchBackend>,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Self {
        Self { database, vault, index, clock, random }
    }

    /// Answers `asked` for `reader`, once it is durably written down that `asker` has seen it.
    pub async fn answer(&self, reader: Reader, asker: Asker, asked: &Asked) -> Result<Answer, FindError> {
        let answer = self.find(reader, asked).await?;
        self.record(reader, asker, asked, &answer).await?;
        Ok(answer)
    }

    async fn find(&self, reader: Reader, asked: &Asked) -> Result<Answer, FindError> {
        if asked.limit == 0 || asked.limit > LIMIT_MAX {
            return Err(FindError::Limit { got: asked.limit });
        }
        let query = Arc::new(parse(&asked.query)?);
        let after = match &asked.next {
            Some(next) => Some(Cursor::read(next, &asked.query).ok_or(FindError::Next)?),
            None => None,
        };
        let (closeness, mut found) = self.ask(&query, reader, after, asked.limit).await?;
        let more = found.hits.len() > asked.limit;
        found.hits.truncate(asked.limit);
        let next = found.hits.last().filter(|_| more);
        let next = next.map(|last| Cursor { closeness, place: last.place }.write(&asked.query));
        let nothing = found.documents == 0;
        let (hits, dropped) = self.show(&query, closeness, reader, &found.hits).await?;
        Ok(Answer {
            hits,
            total: found.documents.saturating_sub(dropped),
            total_pages: found.pages.saturating_sub(dropped),
            facets: facets(found),
            interpreted: query.understood(),
            remarks: query.remarks.clone(),
            relaxed: relaxed(closeness, nothing),
            next,
        })
    }

    /// The closest reading that finds something; behind a cursor the reading it was made with.
    async fn ask(
        &self,
        query: &Arc<Query>,
        reader: Reader,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<(Closeness, Found), FindError> {
        let readings = match after {
            Some(cursor) => vec![cursor.closeness],
            None => vec![Closeness::AsAsked, Closeness::Similar, Closeness::AnyWord],
        };
        let hidden = self.hidden(reader).await?;
        let (index, query) = (Arc::clone(&self.index), Arc::clone(query));
        let place: Option<Place> = after.map(|cursor| cursor.place);
        let asking = move || {
            let mut last = (Closeness::AsAsked, Found::default());
            for closeness in readings {
                let (query, reader, hidden, limit) = (&*query, &reader, &hidden[..], limit + 1);
                let question = Question { query, reader, hidden, closeness, after: place, limit };
                last = (closeness, index.search(question)?);
                if last.1.documents > 0 {
                    break;
                }
            }
            Ok::<_, IndexError>(last)
        };
        Ok(tokio::task::spawn_blocking(asking).await.map_err(|_| FindError::Broken)??)
    }

    /// What was restricted or erased so lately that the index does not know it yet: it must not even be counted.
    async fn hidden(&self, reader: Reader) -> Result<Vec<DocumentId>, FindError> {
        let index = Arc::clone(&self.index);
        // The mark is read first: an index that moves on meanwhile only knows more.
        let mark =
            tokio::task::spawn_blocking(move || index.mark()).await.map_err(|_| FindError::Broken)??;
        let all = reader.sight == Sight::All;
        let hidden = self
            .database
            .read(move |tx| Box::pin(index_changes::hidden_behind(tx, reader.authority, mark.seq, all)));
        Ok(hidden.await?)
    }

    /// The hits as they are shown, and how many were dropped: the database has the last word on who may see what.
    async fn show(
        &self,
        query: &Query,
        closeness: Closeness,
        reader: Reader,
        hits: &[Hit],
    ) -> Result<(Vec<Shown>, u64), FindError> {
        let marker = Marker::new(query, closeness);
        let checked = self.checked(reader, hits).await?;
        let shown: Vec<Option<Shown>> = stream::iter(checked)
            .map(|(hit, row)| self.shown(&marker, hit, row))
            .buffered(PAGES_AT_ONCE)
            .collect()
            .await;
        let all = hits.len();
        let shown: Vec<Shown> = shown.into_iter().flatten().collect();
        let dropped = u64::try_from(all - shown.len()).unwrap_or_default();
        Ok((shown, dropped))
    }

    /// Those hits whose documents are there and may be seen.
    async fn checked(&self, reader: Reader, hits: &[Hit]) -> Result<Vec<(Hit, Findable)>, DatabaseError> {
        let hits = hits.to_vec();
        let read = self.database.read(move |tx| {
            Box::pin(async move {
                let mut checked = Vec::with_capacity(hits.len());
                for hit in hits {
                    match rows::findable(tx, hit.place.document).await? {
                        Some(row) if reader.may_see(row.authority, &row.restriction) => {
                            checked.push((hit, row))
                        }
                        _ => {}
                    }
                }
                Ok::<_, DatabaseError>(checked)
            })
        });
        read.await
    }

    /// The hit with its snippet; `None` if the document was erased meanwhile.
    async fn shown(&self, marker: &Marker, hit: Hit, row: Findable) -> Option<Shown> {
        let text = match (hit.page, row.text) {
            (Some(page), Some(text)) => {
                let at = ObjectRef::beside(row.authority, text, row.object);
                match texts::read_page(&self.vault, at, page).await {
                    Ok(text) => text,
                    Err(TextError::Vault(VaultError::Key(KeyError::Erased { .. }))) => return None,
                    Err(error) => {
                        tracing::warn!(%error, document = %row.document, "a hit is shown without its page");
                        None
                    }
                }
            }
            _ => None,
        };
        Some(Shown {
            document: row.document,
            page: hit.page,
            pages: hit.pages,
            title: row.title,
            reference: row.reference,
            snippet: text.and_then(|text| marker.snippet(&text)),
        })
    }
}

fn relaxed(closeness: Closeness, nothing: bool) -> Vec<Relaxed> {
    let steps = match closeness {
        Closeness::AsAsked => vec![],
        Closeness::Similar => vec![Relaxed::SimilarWords],
        Closeness::AnyWord => vec![Relaxed::SimilarWords, Relaxed::AnyWord],
    };
    steps.into_iter().chain(nothing.then_some(Relaxed::NothingFound)).collect()
}

fn facets(found: Found) -> Facets {
    let kind = found.kinds.into_iter().map(|(value, count)| Count { value, count }).collect();
    let year =
        found.years.into_iter().map(|(year, count)| Count { value: year.to_string(), count }).collect();
    Facets { kind, year }
}
