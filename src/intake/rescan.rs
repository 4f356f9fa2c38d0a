//! The job that scans a file again that waits for a clear answer: clean, it becomes the document it was to be, with
//! all that belongs to one; infected, it goes to the quarantine; else it goes on waiting. Each end is one transaction
//! with the end of the job: done twice, it changes nothing; broken off anywhere, it is done again.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use serde_json::Value;
use tokio::sync::watch;

use super::receive::{EXTRACT_JOB, INFECTED, Receiver, SCAN_JOB};
use crate::database::audit::Act;
use crate::database::documents::Document;
use crate::database::held::{self, Held};
use crate::database::incoming::{self, Incoming};
use crate::database::{DatabaseError, Tx, jobs, keeping};
use crate::domain::ids::{DocumentId, ObjectId};
use crate::events::{Event, Happening};
use crate::jobs::{Claimed, Finished, Handler, JobError};
use crate::objects::{ObjectRef, VaultError};
use crate::scan::{Signature, Verdict};

/// How much of an object is read from the vault at a time, in bytes.
const PIECE_BYTES: u64 = 256 << 10;
/// After a clear answer the others that wait are tried at once, but they are told so only this often.
const HASTEN_AGAIN: Duration = Duration::from_secs(5);
/// Who acts in the audit trail when nobody does.
const ACTOR: &str = "scanner";

/// Does the jobs of kind [`SCAN_JOB`].
pub struct Rescanner {
    receiver: Receiver,
    stop: watch::Receiver<bool>,
    hastened: Arc<Mutex<Option<Instant>>>,
}

/// Why a file goes on waiting though the scanner has answered.
#[derive(Debug, thiserror::Error)]
enum RescanError {
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// Somebody else has the job now, or it was cancelled; nothing was written.
    #[error("the lease of the job was lost")]
    LeaseLost,
}

#[async_trait]
impl Handler for Rescanner {
    async fn handle(&self, job: &Claimed) -> Result<Finished, JobError> {
        let (id, authority) = (document_of(&job.payload)?, job.authority);
        let found: Result<_, DatabaseError> =
            self.receiver.database.read(move |tx| Box::pin(held::find(tx, authority, id))).await;
        // None: it was erased, or its end was written down before the job's was.
        let Some(held) = found? else { return Ok(Finished::Remove) };
        let mut stop = self.stop.clone();
        let verdict = tokio::select! {
            verdict = self.scan(&held) => verdict.map_err(|error| JobError::Again(error.to_string()))?,
            _ = stop.wait_for(|stop| *stop) => return Err(JobError::Again("the service was stopped".to_owned())),
        };
        match verdict {
            Verdict::Clean => self.release(held, job).await?,
            Verdict::Infected(signature) => self.put_apart(held, &signature, job).await?,
            Verdict::Unclear(why) => return Err(JobError::Again(why.to_string())),
            Verdict::NotScanned => return Err(JobError::Again("no scanner is configured".to_owned())),
        }
        if let Err(error) = self.hasten().await {
            tracing::warn!(%error, "what waits for the scanner goes on waiting for its turn");
        }
        Ok(Finished::Removed)
    }
}

impl Rescanner {
    /// Gives up waiting for the scanner once `stop` says so.
    pub fn new(receiver: Receiver, stop: watch::Receiver<bool>) -> Self {
        Self { receiver, stop, hastened: Arc::default() }
    }

    async fn scan(&self, held: &Held) -> Result<Verdict, VaultError> {
        let size = held.document.size;
        let object = self.receiver.vault.open(held.sealed().at, Some(size)).await?;
        let (mut scan, mut start) = (self.receiver.scanning.begin(), 0);
        while start < size {
            let end = (start + PIECE_BYTES).min(size);
            scan.feed(&object.read(start..end).await?).await;
            start = end;
        }
        Ok(scan.finish().await)
    }

    async fn release(&self, held: Held, job: &Claimed) -> Result<(), JobError> {
        let (sealed, entry, now) = (held.sealed(), held.entry(), self.receiver.clock.now());
        let fresh = sealed.at;
        let document = Document { scanned_at: Some(now), ..held.document };
        let extract = Some(self.receiver.job(EXTRACT_JOB, &document));
        let act = self.act("document.released", job, document.id);
        let incoming = Incoming { document, sealed, act, job: extract, once: None, source: None };
        let (job, outbox) = (job.clone(), self.receiver.aside.outbox.clone());
        let done = self.receiver.database.write::<_, RescanError, _>(move |tx| {
            Box::pin(async move {
                let (id, authority) = (incoming.document.id, incoming.document.authority);
                end(tx, &job, id).await?;
                let mut all = [incoming];
                incoming::keep(tx, &mut all).await?;
                if let Some(entry) = &entry {
                    keeping::inherit(tx, authority, id, entry).await?;
                }
                outbox.tell(tx, Event::document(Happening::DocumentStored, authority, id, now)).await?;
                Ok(all.first().map(|kept| kept.document.object))
            })
        });
        self.settle(done.await, fresh).await?;
        if let Some(jobs) = &self.receiver.jobs {
            jobs.wake();
        }
        Ok(())
    }

    async fn put_apart(&self, held: Held, signature: &Signature, job: &Claimed) -> Result<(), JobError> {
        let receiver = self.receiver.clone();
        let (sealed, restricted, document) = (held.sealed(), !held.restriction().is_empty(), held.document);
        let mut infected = receiver.infected(&sealed, signature, (document.received_by.clone(), None));
        infected.document = Some(document.id);
        infected.restricted = restricted;
        let particulars = receiver.particulars(&infected);
        let act = Act { personal: Some(particulars), ..self.act("document.infected", job, document.id) };
        let job = job.clone();
        let done = self.receiver.database.write::<_, RescanError, _>(move |tx| {
            Box::pin(async move {
                end(tx, &job, document.id).await?;
                let kept = receiver.put_apart(tx, &infected, act).await?;
                if !infected.restricted {
                    let (what, at) = (Happening::DocumentFlagged, infected.found_at);
                    let event = Event::document(what, document.authority, document.id, at);
                    receiver.aside.outbox.tell(tx, event.reason(INFECTED)).await?;
                }
                Ok(infected.object.filter(|_| kept))
            })
        });
        self.settle(done.await, sealed.at).await?;
        tracing::warn!(%signature, "a file that waited for the scanner is infected");
        Ok(())
    }

    /// Removes the object if no row refers to it. After a failed commit that is unknown: then the job is done again.
    async fn settle(
        &self,
        done: Result<Option<ObjectId>, RescanError>,
        fresh: ObjectRef,
    ) -> Result<(), JobError> {
        let object = done.map_err(|error| JobError::Again(error.to_string()))?;
        if object != Some(fresh.object) {
            // If this fails, the sweep does it.
            let _ = self.receiver.vault.delete(fresh).await;
        }
        self.receiver.aside.outbox.wake();
        Ok(())
    }

    /// The scanner answers: nobody has to wait for the end of a pause.
    async fn hasten(&self) -> Result<(), DatabaseError> {
        {
            let mut hastened = self.hastened.lock().unwrap_or_else(PoisonError::into_inner);
            if hastened.is_some_and(|at| at.elapsed() < HASTEN_AGAIN) {
                return Ok(());
            }
            *hastened = Some(Instant::now());
        }
        let now = self.receiver.clock.now();
        self.receiver.database.write(move |tx| Box::pin(jobs::hasten(tx, SCAN_JOB, now))).await.map(drop)
    }

    fn act(&self, action: &str, job: &Claimed, document: DocumentId) -> Act {
        Act {
            at: self.receiver.clock.now(),
            authority: Some(job.authority),
            actor: ACTOR.to_owned(),
            role: String::new(),
            action: action.to_owned(),
            subject_kind: "document".to_owned(),
            subject_id: document.to_string(),
            request_id: None,
            personal: None,
        }
    }
}

/// It waits no more, and the job is done: both with what the caller writes, or not at all.
async fn end(tx: &mut Tx, job: &Claimed, document: DocumentId) -> Result<(), RescanError> {
    let still =
        jobs::complete(tx, job.id, job.lease).await? && held::remove(tx, job.authority, document).await?;
    if still { Ok(()) } else { Err(RescanError::LeaseLost) }
}

fn document_of(payload: &Value) -> Result<DocumentId, JobError> {
    let id = payload.get("document").and_then(Value::as_str).and_then(|text| text.parse().ok());
    id.ok_or_else(|| JobError::Never("the payload names no document".to_owned()))
}
