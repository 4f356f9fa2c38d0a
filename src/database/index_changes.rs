//! What the search index has to take over: one row for each document that came, changed or went, in order.

use jiff::Timestamp;

use super::bind::values;
use super::{DatabaseError, Tx, insert_rows, sql};
use crate::domain::ids::{AuthorityId, DocumentId};

const ORDER: &str = "index_changes";

/// The document has to be read again (or is gone) since change `seq`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Its place in the order, from 1 on, with gaps.
    pub seq: i64,
    /// The document.
    pub document: DocumentId,
    /// Whose it is (or was).
    pub authority: AuthorityId,
}

/// From whom a change hides its document at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hides {
    /// From nobody.
    Nothing = 0,
    /// From all who see no restricted documents.
    FromMost = 1,
    /// From all: it is erased.
    FromAll = 2,
}

/// Documents that one search leaves out because the index is behind. While it is filled anew there may be more of
/// them: then the index takes each over as it is now.
const HIDDEN_MAX: u32 = 5_000;

/// Notes that the index has to look at `document` again.
pub async fn append(
    tx: &mut Tx,
    document: DocumentId,
    authority: AuthorityId,
    at: Timestamp,
) -> Result<(), DatabaseError> {
    append_hiding(tx, document, authority, at, Hides::Nothing).await
}

/// As [`append`] for each, in their order.
pub(super) fn append_all(tx: &mut Tx, changes: Vec<(DocumentId, AuthorityId, Timestamp)>) {
    if changes.is_empty() {
        return;
    }
    tx.join_order(ORDER);
    let row = |(document, authority, at)| values![document, authority, at];
    insert_rows("INSERT INTO index_changes (document, authority, at)", changes.into_iter().map(row), "")
        .later(tx);
}

/// As [`append`], for a change that the search must heed before the index does.
pub async fn append_hiding(
    tx: &mut Tx,
    document: DocumentId,
    authority: AuthorityId,
    at: Timestamp,
    hides: Hides,
) -> Result<(), DatabaseError> {
    tx.join_order(ORDER);
    sql("INSERT INTO index_changes (document, authority, at, hides) VALUES ($1, $2, $3, $4)")
        .bind(document)
        .bind(authority)
        .bind(at)
        .bind(hides as i64)
        .later(tx);
    Ok(())
}

/// Documents that changes behind `seq` hide from whoever sees `all` of an authority's documents, or only those
/// without restriction. The index may still have them as they were; newest first, at most `HIDDEN_MAX`.
pub async fn hidden_behind(
    tx: &mut Tx,
    authority: AuthorityId,
    seq: i64,
    all: bool,
) -> Result<Vec<DocumentId>, DatabaseError> {
    let from = if all { Hides::FromAll } else { Hides::FromMost };
    let rows = sql("SELECT document FROM index_changes WHERE authority = $1 AND seq > $2 AND hides > 0
                    AND hides >= $3 ORDER BY seq DESC LIMIT $4");
    let rows = rows.bind(authority).bind(seq).bind(from as i64).bind(HIDDEN_MAX).all(tx).await?;
    rows.iter().map(|row| row.id("document")).collect()
}

/// The next changes after `seq`, oldest first. In a `write`, as its first call: nothing with a lower number comes
/// later than what this has answered.
pub async fn after(tx: &mut Tx, seq: i64, at_most: u32) -> Result<Vec<Change>, DatabaseError> {
    tx.settle_order(ORDER).await?;
    let query =
        sql("SELECT seq, document, authority FROM index_changes WHERE seq > $1 ORDER BY seq LIMIT $2");
    let rows = query.bind(seq).bind(at_most).all(tx).await?;
    let change = |row: &super::Row| {
        Ok(Change { seq: row.i64("seq")?, document: row.id("document")?, authority: row.id("authority")? })
    };
    rows.iter().map(change).collect()
}

/// The number of the last change, 0 if there was none.
pub async fn last(tx: &mut Tx) -> Result<i64, DatabaseError> {
    sql("SELECT COALESCE(MAX(seq), 0) AS seq FROM index_changes").one(tx).await?.i64("seq")
}

#[cfg(test)]
mod tests {
    use futures_util::future::join_all;

    use super::super::testing::on_each_engine;
    use super::*;

    #[tokio::test]
    async fn a_reader_that_goes_by_the_number_misses_no_change() {
        on_each_engine(async |db| {
            let writers = join_all((0..40u8).map(|n| {
                let document = DocumentId::from_bytes([n; 16]);
                let authority = AuthorityId::from_bytes([1; 16]);
                db.write(move |tx| Box::pin(append(tx, document, authority, Timestamp::UNIX_EPOCH)))
            }));
            let reader = async {
                let (mut seen, mut seq) = (Vec::new(), 0);
                while seen.len() < 40 {
                    let changes = db.write(move |tx| Box::pin(after(tx, seq, 7))).await.unwrap();
                    seq = changes.last().map_or(seq, |change| change.seq);
                    seen.extend(
                        changes.into_iter().map(|change| *change.document.as_bytes().first().unwrap()),
                    );
                }
                seen.sort_unstable();
                (seen, seq)
            };
            let (written, (seen, seq)) = tokio::join!(writers, reader);
            assert!(written.iter().all(Result::is_ok), "{written:?}");
            assert_eq!(seen, (0..40).collect::<Vec<_>>());
            assert_eq!(db.read(|tx| Box::pin(last(tx))).await, Ok(seq));
        })
        .await;
    }
}
