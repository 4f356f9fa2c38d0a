//! Documents that came in, each with its object, audit row, job or index change, and the answer under its idempotency
//! key: all of them by a few statements, whatever their number. Knows no bytes and no types.

use jiff::Timestamp;

use super::audit::{self, Act};
use super::documents::{self, Document};
use super::idempotency::{self, Answered, Claim};
use super::jobs::{self, NewJob};
use super::sources::{self, Source, Taken};
use super::{DatabaseError, Statement, Tx, index_changes, sql_from};
use crate::domain::ids::ObjectId;
use crate::objects::Sealed;

/// A document on its way into the tables.
#[derive(Debug, Clone)]
pub struct Incoming {
    /// Its row. `object` becomes the one that holds the same bytes already, if there is one.
    pub document: Document,
    /// Its object.
    pub sealed: Sealed,
    /// That it came.
    pub act: Act,
    /// What reads its text; without one the index is told at once.
    pub job: Option<NewJob>,
    /// Its answer, to be given again.
    pub once: Option<Answered>,
    /// What its sender calls the file, so that it is never taken in twice.
    pub source: Option<Source>,
}

/// What stands against a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// Its idempotency key.
    Key(Claim),
    /// The name its sender gave the file.
    Source(Taken),
}

/// Writes all of them, in a work of its own; what fails, fails for all. Says of each whether something stood against
/// it, and then nothing of it was written.
pub async fn keep(tx: &mut Tx, all: &mut [Incoming]) -> Result<Vec<Option<Refusal>>, DatabaseError> {
    let refused = refused(tx, all).await?;
    let kept = all.iter_mut().zip(&refused).filter(|(_, refusal)| refusal.is_none());
    let mut kept: Vec<&mut Incoming> = kept.map(|(one, _)| one).collect();
    if kept.is_empty() {
        return Ok(refused);
    }
    note_objects(tx, &mut kept).await?;
    audit::append_all(tx, kept.iter().map(|one| one.act.clone()).collect());
    let jobs: Vec<(&NewJob, Timestamp)> =
        kept.iter().filter_map(|one| Some((one.job.as_ref()?, one.document.stored_at))).collect();
    jobs::enqueue_all(tx, &jobs);
    let read = kept.iter().filter(|one| one.job.is_none()).map(|one| &one.document);
    index_changes::append_all(tx, read.map(|one| (one.id, one.authority, one.stored_at)).collect());
    documents::insert_all(kept.iter().map(|one| &one.document)).execute(tx).await?;
    Ok(refused)
}

async fn refused(tx: &mut Tx, all: &[Incoming]) -> Result<Vec<Option<Refusal>>, DatabaseError> {
    let once: Vec<Option<&Answered>> = all.iter().map(|one| one.once.as_ref()).collect();
    let against = idempotency::claim_all(tx, &once).await?;
    let mut refused: Vec<Option<Refusal>> =
        against.into_iter().map(|claim| claim.map(Refusal::Key)).collect();
    for (refused, one) in refused.iter_mut().zip(all) {
        let Some(source) = one.source.as_ref().filter(|_| refused.is_none()) else { continue };
        let taken = sources::claim(tx, source, one.document.id, one.document.stored_at).await?;
        if let (Some(_), Some(once)) = (taken, &one.once) {
            idempotency::withdraw(tx, once);
        }
        *refused = taken.map(Refusal::Source);
    }
    Ok(refused)
}

/// As [`documents::keep_object`] for each.
async fn note_objects(tx: &mut Tx, kept: &mut [&mut Incoming]) -> Result<(), DatabaseError> {
    // In one order everywhere: whoever writes the same ones at the same time waits, and never for each other.
    let mut order: Vec<&mut &mut Incoming> = kept.iter_mut().collect();
    order.sort_by_key(|one| (one.sealed.at.authority, *one.sealed.sha256.as_bytes()));
    let noted = order.iter().map(|one| (&one.sealed, one.document.stored_at));
    let written = documents::note_objects(noted).execute(tx).await?;
    if written == order.len() as u64 {
        return Ok(());
    }
    let fresh = written_objects(tx, order.iter().map(|one| one.sealed.at.object)).await?;
    for one in order {
        if !fresh.contains(&one.sealed.at.object) {
            let at = one.document.stored_at;
            one.document.object = documents::twin_or_keep(tx, &one.sealed, at).await?;
        }
    }
    Ok(())
}

async fn written_objects(
    tx: &mut Tx,
    objects: impl Iterator<Item = ObjectId>,
) -> Result<Vec<ObjectId>, DatabaseError> {
    let objects: Vec<ObjectId> = objects.collect();
    let places: Vec<String> = (1..=objects.len()).map(|place| format!("${place}")).collect();
    let find = sql_from(format!("SELECT id FROM objects WHERE id IN ({})", places.join(", ")));
    let rows = objects.into_iter().fold(find, Statement::bind).all(tx).await?;
    rows.iter().map(|row| row.id("id")).collect()
}
