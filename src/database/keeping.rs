//! Who may see a document and what forbids to erase it: levels set for it, seals of its register entry, holds.
//!
//! What restricts a document is told to the index in the same transaction, so that a search can heed it at once.

use jiff::Timestamp;

use super::entries::of_entry;
use super::index_changes::{self, Hides};
use super::{DatabaseError, Row, Tx, sql};
use crate::domain::ids::{AuthorityId, DocumentId, HoldId};
use crate::domain::restriction::Restriction;
use crate::register::EntryKey;

/// Why a document may not be erased, as its row says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    /// Its identifier.
    pub id: HoldId,
    /// In the words of who placed it.
    pub reason: String,
    /// When.
    pub placed_at: Timestamp,
    /// By whom.
    pub placed_by: String,
}

/// Everything that restricts a row of `documents`: its levels, then the seals of its entry.
pub(super) fn restriction(row: &Row) -> Result<String, DatabaseError> {
    let (levels, seals) = (row.text("restriction")?, row.text("seals")?);
    Ok(format!("{levels} {seals}").trim().to_owned())
}

/// Sets the levels of a document.
pub async fn set_restriction(
    tx: &mut Tx,
    authority: AuthorityId,
    document: DocumentId,
    restriction: &Restriction,
    at: Timestamp,
) -> Result<(), DatabaseError> {
    let set = sql("UPDATE documents SET restriction = $3 WHERE id = $1 AND authority = $2");
    set.bind(document).bind(authority).bind(restriction.to_string()).later(tx);
    let hides = if restriction.is_open() { Hides::Nothing } else { Hides::FromMost };
    index_changes::append_hiding(tx, document, authority, at, hides).await
}

/// The seals that the locks of an entry put on its documents. To write them, call [`super::entries::hold`] first.
pub(super) async fn seals(
    tx: &mut Tx,
    authority: AuthorityId,
    entry: &EntryKey,
) -> Result<String, DatabaseError> {
    let query = sql("SELECT DISTINCT kind FROM entry_locks WHERE authority = $1 AND register = $2 AND office = $3
                     AND year = $4 AND number = $5 AND valid_to IS NULL
                     AND kind IN ('adoption', 'geschlechtseintrag-und-vornamen', 'sperrvermerk') ORDER BY kind");
    let kinds = of_entry(query, authority, entry).all(tx).await?;
    let kinds: Vec<String> = kinds.iter().map(|row| row.text("kind")).collect::<Result<_, _>>()?;
    Ok(kinds.join(" "))
}

/// Seals a document that was written in this work as its entry is sealed now.
pub async fn inherit(
    tx: &mut Tx,
    authority: AuthorityId,
    document: DocumentId,
    entry: &EntryKey,
) -> Result<(), DatabaseError> {
    super::entries::hold(tx, authority, entry).await?;
    let seals = seals(tx, authority, entry).await?;
    if !seals.is_empty() {
        sql("UPDATE documents SET seals = $2 WHERE id = $1").bind(document).bind(seals).later(tx);
    }
    Ok(())
}

/// Seals the documents of an entry as the entry is sealed now. Call [`super::entries::hold`] first.
pub async fn pass_on(
    tx: &mut Tx,
    authority: AuthorityId,
    entry: &EntryKey,
    at: Timestamp,
) -> Result<(), DatabaseError> {
    let seals = seals(tx, authority, entry).await?;
    let changed = sql("SELECT id FROM documents WHERE authority = $1 AND entry = $2 AND seals <> $3");
    let changed = changed.bind(authority).bind(entry.path()).bind(&seals).all(tx).await?;
    let hides = if seals.is_empty() { Hides::Nothing } else { Hides::FromMost };
    for row in &changed {
        let document = row.id("id")?;
        sql("UPDATE documents SET seals = $2 WHERE id = $1").bind(document).bind(&seals).later(tx);
        index_changes::append_hiding(tx, document, authority, at, hides).await?;
    }
    Ok(())
}

/// Places a hold.
pub fn place_hold(tx: &mut Tx, authority: AuthorityId, document: DocumentId, hold: &Hold) {
    sql("INSERT INTO document_holds (id, document, authority, reason, placed_at, placed_by)
         VALUES ($1, $2, $3, $4, $5, $6)")
    .bind(hold.id)
    .bind(document)
    .bind(authority)
    .bind(&hold.reason)
    .bind(hold.placed_at)
    .bind(&hold.placed_by)
    .later(tx);
}

/// Lifts a hold; `false`: there is no such one, or it was lifted before.
pub async fn lift_hold(
    tx: &mut Tx,
    authority: AuthorityId,
    document: DocumentId,
    hold: HoldId,
    (by, at): (&str, Timestamp),
) -> Result<bool, DatabaseError> {
    let lift = sql("UPDATE document_holds SET lifted_at = $4, lifted_by = $5
                    WHERE id = $1 AND document = $2 AND authority = $3 AND lifted_at IS NULL");
    Ok(lift.bind(hold).bind(document).bind(authority).bind(at).bind(by).execute(tx).await? == 1)
}

/// The holds that hold a document now, oldest first.
pub async fn holds(
    tx: &mut Tx,
    authority: AuthorityId,
    document: DocumentId,
) -> Result<Vec<Hold>, DatabaseError> {
    let rows = sql("SELECT id, reason, placed_at, placed_by FROM document_holds
                    WHERE document = $1 AND authority = $2 AND lifted_at IS NULL ORDER BY placed_at, id");
    let hold = |row: &Row| {
        Ok(Hold {
            id: row.id("id")?,
            reason: row.text("reason")?,
            placed_at: row.time("placed_at")?,
            placed_by: row.text("placed_by")?,
        })
    };
    rows.bind(document).bind(authority).all(tx).await?.iter().map(hold).collect()
}
