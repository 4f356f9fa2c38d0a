//! Dated copies of register entries, append-only, and the locks kept outside the entry.

use jiff::Timestamp;

use super::{DatabaseError, Row, Statement, Tx, sql};
use crate::domain::ids::AuthorityId;
use crate::register::EntryKey;

/// What came in.
#[derive(Debug, Clone)]
pub struct Received {
    /// Whose entry.
    pub authority: AuthorityId,
    /// Which entry.
    pub entry: EntryKey,
    /// The begin of the day whose state it shows, UTC.
    pub as_of: Timestamp,
    /// Where it comes from.
    pub source: String,
    /// When it came in.
    pub received_at: Timestamp,
    /// Who sent it.
    pub received_by: String,
    /// The copy, or the subsequent entry: JSON, see `register`.
    pub payload: String,
}

/// The newest copy of an entry and what came in after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Current {
    /// Number of the newest row, from 1.
    pub version: u32,
    /// The begin of the day whose state it shows, UTC.
    pub as_of: Timestamp,
    /// The copy of the whole entry: JSON.
    pub copy: String,
    /// Subsequent entries that came in later, one by one: JSON.
    pub later: Vec<String>,
}

/// A lock as it is kept.
#[derive(Debug, Clone)]
pub struct LockRow {
    /// Its id.
    pub id: [u8; 16],
    /// The name of its kind.
    pub kind: &'static str,
    /// The lock: JSON, see `register::Lock`.
    pub details: String,
}

/// Where a row goes: a copy of the whole entry, or one more subsequent entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The whole entry.
    Copy,
    /// One subsequent entry.
    Subsequent,
}

const fn part_name(part: Part) -> &'static str {
    match part {
        Part::Copy => "main",
        Part::Subsequent => "subsequent",
    }
}

/// Binds authority, register, office, year, number: `$1` to `$5`.
pub(super) fn of_entry(statement: Statement, authority: AuthorityId, entry: &EntryKey) -> Statement {
    statement
        .bind(authority)
        .bind(entry.register.letter())
        .bind(entry.office.as_str())
        .bind(i64::from(entry.year))
        .bind(entry.number.to_string())
}

/// Makes works on one entry wait for each other: what is checked stays true until the commit.
pub async fn hold(tx: &mut Tx, authority: AuthorityId, entry: &EntryKey) -> Result<(), DatabaseError> {
    tx.serialize_on(&format!("entry {authority} {entry}")).await
}

/// Appends a row and gives its version. Call [`hold`] first.
pub async fn append(tx: &mut Tx, received: &Received, part: Part) -> Result<u32, DatabaseError> {
    let newest = sql("SELECT COALESCE(MAX(version), 0) + 1 AS version FROM entries \
                      WHERE authority = $1 AND register = $2 AND office = $3 AND year = $4 AND number = $5");
    let newest = of_entry(newest, received.authority, &received.entry).one(tx).await?;
    let version: u32 = newest.get("version")?;
    let row =
        sql("INSERT INTO entries (authority, register, office, year, number, version, part, as_of, source, \
                   received_at, received_by, format, payload) \
                   VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 1, $12)");
    of_entry(row, received.authority, &received.entry)
        .bind(version)
        .bind(part_name(part))
        .bind(received.as_of)
        .bind(&received.source)
        .bind(received.received_at)
        .bind(&received.received_by)
        .bind(&received.payload)
        .execute(tx)
        .await?;
    Ok(version)
}

/// The newest copy of an entry of this authority.
pub async fn current(
    tx: &mut Tx,
    authority: AuthorityId,
    entry: &EntryKey,
) -> Result<Option<Current>, DatabaseError> {
    let rows =
        sql("SELECT version, part, as_of, payload FROM entries WHERE authority = $1 AND register = $2 \
                    AND office = $3 AND year = $4 AND number = $5 AND version >= (SELECT MAX(version) \
                    FROM entries WHERE authority = $1 AND register = $2 AND office = $3 AND year = $4 \
                    AND number = $5 AND part = 'main') ORDER BY version");
    let rows = of_entry(rows, authority, entry).all(tx).await?;
    let (Some(copy), Some(newest)) = (rows.first(), rows.last()) else { return Ok(None) };
    let later = rows.iter().skip(1).map(|row| row.text("payload")).collect::<Result<_, _>>()?;
    Ok(Some(Current {
        version: newest.get("version")?,
        as_of: newest.time("as_of")?,
        copy: copy.text("payload")?,
        later,
    }))
}

/// The locks of an entry: JSON each, see `register::Lock`.
pub async fn locks(
    tx: &mut Tx,
    authority: AuthorityId,
    entry: &EntryKey,
) -> Result<Vec<String>, DatabaseError> {
    let rows = sql("SELECT details FROM entry_locks WHERE authority = $1 AND register = $2 AND office = $3 \
                    AND year = $4 AND number = $5 AND valid_to IS NULL ORDER BY valid_from, id");
    let rows = of_entry(rows, authority, entry).all(tx).await?;
    rows.iter().map(|row: &Row| row.text("details")).collect()
}

/// From now on these are the locks of the entry. Those before stay readable as past.
pub async fn replace_locks(
    tx: &mut Tx,
    received: &Received,
    locks: Vec<LockRow>,
) -> Result<(), DatabaseError> {
    let ended = sql("UPDATE entry_locks SET valid_to = $6 WHERE authority = $1 AND register = $2 \
                     AND office = $3 AND year = $4 AND number = $5 AND valid_to IS NULL");
    of_entry(ended, received.authority, &received.entry).bind(received.received_at).execute(tx).await?;
    for LockRow { id, kind, details } in locks {
        let row = sql("INSERT INTO entry_locks (authority, register, office, year, number, id, kind, \
                       valid_from, details, recorded_at, recorded_by) \
                       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $8, $10)");
        of_entry(row, received.authority, &received.entry)
            .bind(id)
            .bind(kind)
            .bind(received.received_at)
            .bind(details)
            .bind(&received.received_by)
            .execute(tx)
            .await?;
    }
    Ok(())
}
