//! What the index job and the search read of documents, and the states the index job writes.
//! The only queries that go across authorities: for the index as a whole, never for a caller.

use std::fmt::Write as _;

use jiff::Timestamp;
use jiff::civil::Date;

use super::{DatabaseError, Row, Statement, Tx, sql, sql_from};
use crate::domain::ids::{AuthorityId, DocumentId, ObjectId};

/// A document as the index needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Findable {
    /// Its identifier.
    pub document: DocumentId,
    /// Whose it is.
    pub authority: AuthorityId,
    /// The object its bytes are in; its key is the key of its text.
    pub object: ObjectId,
    /// The object its text is in, once it was read out.
    pub text: Option<ObjectId>,
    /// Levels and seals; empty: none.
    pub restriction: String,
    /// Title.
    pub title: Option<String>,
    /// File reference.
    pub reference: Option<String>,
    /// File name.
    pub file_name: Option<String>,
    /// Kind.
    pub kind: Option<String>,
    /// The date it bears.
    pub date: Option<Date>,
}

const COLUMNS: &str = "SELECT id, authority, object, text_object, restriction, seals, title, reference, file_name, kind, doc_date FROM documents";

/// The document, whoever's it is; `None` if it is gone.
pub async fn findable(tx: &mut Tx, document: DocumentId) -> Result<Option<Findable>, DatabaseError> {
    let row = sql_from(format!("{COLUMNS} WHERE id = $1")).bind(document).optional(tx).await?;
    row.as_ref().map(read).transpose()
}

/// As [`findable`], of many; those that are gone are left out.
pub async fn findables(tx: &mut Tx, documents: &[DocumentId]) -> Result<Vec<Findable>, DatabaseError> {
    let mut found = Vec::with_capacity(documents.len());
    for some in documents.chunks(TOGETHER_MAX) {
        let find = with_ids(format!("{COLUMNS} WHERE id IN"), 1, some.len());
        let rows = some.iter().fold(find, |find, document| find.bind(*document)).all(tx).await?;
        for row in &rows {
            found.push(read(row)?);
        }
    }
    Ok(found)
}

/// Documents named in one statement at most.
const TOGETHER_MAX: usize = 64;

/// `text` and places for so many values, the first of them `$first`.
fn with_ids(mut text: String, first: usize, count: usize) -> Statement {
    for place in 0..count {
        let _ = write!(text, "{}${}", if place == 0 { " (" } else { ", " }, first + place);
    }
    text.push(')');
    sql_from(text)
}

/// The document of change `seq`, if there is such a change.
pub async fn document_of(tx: &mut Tx, seq: i64) -> Result<Option<DocumentId>, DatabaseError> {
    let row = sql("SELECT document FROM index_changes WHERE seq = $1").bind(seq).optional(tx).await?;
    row.map(|row| row.id("document")).transpose()
}

/// How many changes there are behind `seq`.
pub async fn changes_behind(tx: &mut Tx, seq: i64) -> Result<i64, DatabaseError> {
    sql("SELECT COUNT(*) AS n FROM index_changes WHERE seq > $1").bind(seq).one(tx).await?.i64("n")
}

/// Notes that the index has committed a document with what its last change brought.
pub async fn mark_indexed(tx: &mut Tx, documents: &[DocumentId], at: Timestamp) -> Result<(), DatabaseError> {
    for some in documents.chunks(TOGETHER_MAX) {
        let text = "UPDATE documents SET indexed_at = $1, first_indexed_at = COALESCE(first_indexed_at, $1) WHERE id IN";
        let mark = with_ids(text.to_owned(), 2, some.len()).bind(at);
        some.iter().fold(mark, |mark, document| mark.bind(*document)).later(tx);
    }
    Ok(())
}

/// Those of these documents that were never in the index, and whose they are.
pub async fn new_in_index(
    tx: &mut Tx,
    documents: &[DocumentId],
) -> Result<Vec<(DocumentId, AuthorityId)>, DatabaseError> {
    let mut new = Vec::new();
    for document in documents {
        let row = sql("SELECT authority FROM documents WHERE id = $1 AND first_indexed_at IS NULL");
        if let Some(row) = row.bind(*document).optional(tx).await? {
            new.push((*document, row.id("authority")?));
        }
    }
    Ok(new)
}

/// As [`new_in_index`], of those whose changes up to `seq` the index has committed.
pub async fn new_and_committed(
    tx: &mut Tx,
    seq: i64,
) -> Result<Vec<(DocumentId, AuthorityId)>, DatabaseError> {
    let rows = sql("SELECT id, authority FROM documents
        WHERE first_indexed_at IS NULL AND (flag IS NULL OR flag <> 'index-quarantined')
          AND id IN (SELECT document FROM index_changes GROUP BY document HAVING MAX(seq) <= $1)");
    let rows = rows.bind(seq).all(tx).await?;
    rows.iter().map(|row| Ok((row.id("id")?, row.id("authority")?))).collect()
}

/// Whose the document is.
pub async fn owner(tx: &mut Tx, document: DocumentId) -> Result<Option<AuthorityId>, DatabaseError> {
    let row = sql("SELECT authority FROM documents WHERE id = $1").bind(document).optional(tx).await?;
    row.map(|row| row.id("authority")).transpose()
}

/// Notes that the index broke on a document and goes on without it.
pub async fn mark_quarantined(tx: &mut Tx, document: DocumentId, at: Timestamp) -> Result<(), DatabaseError> {
    let mark =
        sql("UPDATE documents SET flag = 'index-quarantined', flag_at = $2, indexed_at = NULL WHERE id = $1");
    mark.bind(document).bind(at).later(tx);
    Ok(())
}

/// Notes for the documents of changes up to `seq` what the index has committed before this process began.
pub async fn mark_committed(tx: &mut Tx, seq: i64, at: Timestamp) -> Result<u64, DatabaseError> {
    let mark = sql("UPDATE documents SET indexed_at = $2, first_indexed_at = COALESCE(first_indexed_at, $2)
        WHERE indexed_at IS NULL AND (flag IS NULL OR flag <> 'index-quarantined')
        AND id IN (SELECT document FROM index_changes GROUP BY document HAVING MAX(seq) <= $1)");
    mark.bind(seq).bind(at).execute(tx).await
}

/// How many of the documents that were read out by then are not in the index (those it broke on do not count).
pub async fn missing(tx: &mut Tx, by: Timestamp) -> Result<i64, DatabaseError> {
    let count = sql("SELECT COUNT(*) AS n FROM documents WHERE indexed_at IS NULL AND extracted_at <= $1
        AND (flag IS NULL OR flag <> 'index-quarantined')");
    count.bind(by).one(tx).await?.i64("n")
}

/// Notes that nothing is in the index.
pub async fn mark_nothing(tx: &mut Tx) -> Result<u64, DatabaseError> {
    sql("UPDATE documents SET indexed_at = NULL WHERE indexed_at IS NOT NULL").execute(tx).await
}

fn read(row: &Row) -> Result<Findable, DatabaseError> {
    let date = row.get::<Option<String>>("doc_date")?;
    Ok(Findable {
        document: row.id("id")?,
        authority: row.id("authority")?,
        object: row.id("object")?,
        text: row.get("text_object")?,
        restriction: super::keeping::restriction(row)?,
        title: row.get("title")?,
        reference: row.get("reference")?,
        file_name: row.get("file_name")?,
        kind: row.get("kind")?,
        date: date.and_then(|date| date.parse().ok()),
    })
}
