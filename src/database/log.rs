//! The log's queue and its signed head. Indices are given by one sequencer at a time: whoever holds the newest
//! epoch of the lease, which every write here checks.

use jiff::Timestamp;

use super::{DatabaseError, Row, Tx, sql};
use crate::domain::ids::NodeId;
use crate::tlog::{Leaf, LeafKind};

/// What the database says was signed last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedHead {
    /// Leaves under it.
    pub size: u64,
    /// The signed note; none before the first.
    pub checkpoint: Option<String>,
}

/// The right to sequence. A newer epoch ends it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Epoch(u64);

/// Whether a lease that has not run out may be taken from its owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Takeover {
    /// Only once it has run out: other nodes share the database.
    WhenExpired,
    /// At once: the one before is known to be gone, as with an embedded database.
    AtOnce,
}

const fn kind_name(kind: LeafKind) -> &'static str {
    match kind {
        LeafKind::Issued => "issued",
        LeafKind::Revoked => "revoked",
        LeafKind::StatusList => "status list",
        LeafKind::AuditHead => "audit head",
    }
}

/// Queues `leaf`, which speaks of `subject`. One leaf of a kind and subject is all there can be: a second one fails
/// the work when it ends.
pub fn enqueue(tx: &mut Tx, subject: &[u8], leaf: &Leaf, at: Timestamp) {
    sql("INSERT INTO log_entries (kind, subject, leaf, queued_at) VALUES ($1, $2, $3, $4)")
        .bind(kind_name(leaf.kind()))
        .bind(subject)
        .bind(leaf.as_bytes())
        .bind(at)
        .later(tx);
}

/// The index of the leaf of this kind and subject; none if it is not queued or has no index yet.
pub async fn index_of(tx: &mut Tx, kind: LeafKind, subject: &[u8]) -> Result<Option<u64>, DatabaseError> {
    let row = sql("SELECT log_index FROM log_entries WHERE subject = $1 AND kind = $2")
        .bind(subject)
        .bind(kind_name(kind))
        .optional(tx)
        .await?;
    row.map_or(Ok(None), |row| row.get("log_index"))
}

/// Takes the lease until `until`; none if another owner's has not run out and must be waited for.
pub async fn take_lease(
    tx: &mut Tx,
    owner: NodeId,
    (now, until): (Timestamp, Timestamp),
    takeover: Takeover,
) -> Result<Option<Epoch>, DatabaseError> {
    let row =
        sql("UPDATE log_state SET epoch = epoch + 1, lease_owner = $1, lease_until = $2 WHERE one = 1 \
         AND (lease_owner IS NULL OR lease_owner = $1 OR lease_until <= $3 OR $4 = 1) RETURNING epoch")
        .bind(owner)
        .bind(until)
        .bind(now)
        .bind(takeover == Takeover::AtOnce)
        .optional(tx)
        .await?;
    row.map(|row| row.get("epoch").map(Epoch)).transpose()
}

/// Prolongs the lease; false if a newer epoch has ended it. On PostgreSQL this also keeps a newer epoch from
/// beginning until the transaction ends.
pub async fn hold_lease(tx: &mut Tx, epoch: Epoch, until: Timestamp) -> Result<bool, DatabaseError> {
    let held = sql("UPDATE log_state SET lease_until = $2 WHERE one = 1 AND epoch = $1");
    Ok(held.bind(epoch.0).bind(until).execute(tx).await? == 1)
}

/// Gives the lease back, so that the next one need not wait until it has run out; a newer epoch keeps it.
pub async fn release_lease(tx: &mut Tx, owner: NodeId) -> Result<(), DatabaseError> {
    let release = sql("UPDATE log_state SET lease_owner = NULL, lease_until = NULL WHERE lease_owner = $1");
    release.bind(owner).execute(tx).await.map(drop)
}

/// What was signed last.
pub async fn signed_head(tx: &mut Tx) -> Result<SignedHead, DatabaseError> {
    let row = sql("SELECT size, checkpoint FROM log_state WHERE one = 1").one(tx).await?;
    let note: Option<Vec<u8>> = row.get("checkpoint")?;
    let checkpoint = note.map(String::from_utf8).transpose();
    let unfit = |_| DatabaseError::Column { column: "checkpoint".into(), reason: "is not UTF-8".into() };
    Ok(SignedHead { size: row.get("size")?, checkpoint: checkpoint.map_err(unfit)? })
}

/// Since when these rows are a restored backup of which nobody has said whether the log went further.
pub async fn restored_at(tx: &mut Tx) -> Result<Option<Timestamp>, DatabaseError> {
    sql("SELECT restored_at FROM log_state WHERE one = 1").one(tx).await?.get("restored_at")
}

/// Notes that it is known how far the log went.
pub async fn release(tx: &mut Tx) -> Result<(), DatabaseError> {
    sql("UPDATE log_state SET restored_at = NULL WHERE one = 1").execute(tx).await.map(drop)
}

/// Gives the next indices, from `from` on, to at most `limit` waiting leaves; what an interrupted sequencer had
/// given out without signing comes back first, unchanged.
pub async fn stage(tx: &mut Tx, from: u64, limit: u32) -> Result<Vec<Leaf>, DatabaseError> {
    let left =
        sql("SELECT log_index, leaf FROM log_entries WHERE log_index >= $1").bind(from).all(tx).await?;
    if !left.is_empty() {
        return in_order(from, left);
    }
    let given = sql("UPDATE log_entries SET log_index = $1 + batch.place FROM \
         (SELECT seq, ROW_NUMBER() OVER (ORDER BY seq) - 1 AS place FROM \
         (SELECT seq FROM log_entries WHERE log_index IS NULL ORDER BY seq LIMIT $2) AS waiting) AS batch \
         WHERE log_entries.seq = batch.seq RETURNING log_index, leaf")
    .bind(from)
    .bind(limit)
    .all(tx)
    .await?;
    in_order(from, given)
}

/// The leaves with indices from `from` to before `to`.
pub async fn leaves(tx: &mut Tx, from: u64, to: u64) -> Result<Vec<Leaf>, DatabaseError> {
    let query = sql("SELECT log_index, leaf FROM log_entries WHERE log_index >= $1 AND log_index < $2");
    let leaves = in_order(from, query.bind(from).bind(to).all(tx).await?)?;
    if leaves.len() as u64 == to.saturating_sub(from) { Ok(leaves) } else { Err(DatabaseError::NoRow) }
}

/// Replaces the signed head of `from` leaves by one of `to`; false if it is not `from` any more.
pub async fn advance(tx: &mut Tx, from: u64, to: u64, checkpoint: &str) -> Result<bool, DatabaseError> {
    let swapped = sql("UPDATE log_state SET size = $2, checkpoint = $3 WHERE one = 1 AND size = $1");
    Ok(swapped.bind(from).bind(to).bind(checkpoint.as_bytes()).execute(tx).await? == 1)
}

/// Whether leaves wait for an index, or have one from `from` on that nobody has signed.
pub async fn is_waiting(tx: &mut Tx, from: u64) -> Result<bool, DatabaseError> {
    let waiting = sql("SELECT seq FROM log_entries WHERE log_index IS NULL LIMIT 1").optional(tx).await?;
    let left = sql("SELECT seq FROM log_entries WHERE log_index >= $1 LIMIT 1");
    Ok(waiting.is_some() || left.bind(from).optional(tx).await?.is_some())
}

fn in_order(from: u64, rows: Vec<Row>) -> Result<Vec<Leaf>, DatabaseError> {
    let unfit = |column: &str, reason: String| DatabaseError::Column { column: column.into(), reason };
    let mut leaves = Vec::with_capacity(rows.len());
    for row in rows {
        let leaf = Leaf::parse(&row.bytes("leaf")?).map_err(|error| unfit("leaf", error.to_string()))?;
        leaves.push((row.get::<u64>("log_index")?, leaf));
    }
    leaves.sort_by_key(|(index, _)| *index);
    if leaves.iter().zip(from..).any(|((index, _), expected)| *index != expected) {
        return Err(unfit("log_index", format!("has a gap after {from}")));
    }
    Ok(leaves.into_iter().map(|(_, leaf)| leaf).collect())
}
