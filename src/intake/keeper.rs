//! Uploads become documents, those that come at the same time in one transaction: first the bytes, which are durable
//! by then, and now everything that speaks of them. Knows no bytes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;

use super::extract::unread;
use super::media_type::MediaType;
use crate::database::documents::{Document, Extracted};
use crate::database::gather::Gather;
use crate::database::idempotency::Claim;
use crate::database::incoming::{self, Incoming, Refusal};
use crate::database::sources::Taken;
use crate::database::{Database, DatabaseError, Tx, keeping};
use crate::events::{Event, Happening, Outbox};
use crate::register::EntryKey;

/// Makes rows of uploads. Clones share it.
#[derive(Clone)]
pub struct Keeper(Gather<Arriving, Result<Arrived, DatabaseError>>);

/// An upload on its way into the tables.
#[derive(Clone)]
pub(super) struct Arriving {
    pub(super) incoming: Incoming,
    /// The register entry whose seals it inherits.
    pub(super) entry: Option<EntryKey>,
}

/// What became of it.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Arrived {
    /// A document, as it is told to whoever sent it.
    Kept(Box<Document>),
    /// Something stands against it: nothing was written.
    Refused(Refusal),
}

impl Arrived {
    /// Whether it is, or was before, a document.
    pub(super) const fn is_settled(&self) -> bool {
        matches!(
            self,
            Self::Kept(_) | Self::Refused(Refusal::Key(Claim::Done(_)) | Refusal::Source(Taken::As(_)))
        )
    }
}

impl Keeper {
    /// Writes to `database`; after each commit `outbox` and `index` are told.
    pub fn new(database: &Database, outbox: Outbox, index: Option<Arc<Notify>>) -> Self {
        let to = database.clone();
        Self(Gather::new(database, move |all| {
            let (database, outbox, index) = (to.clone(), outbox.clone(), index.clone());
            async move {
                let outcomes = keep_together(&database, &outbox, all).await;
                outbox.wake();
                if let Some(index) = index {
                    index.notify_one();
                }
                outcomes
            }
        }))
    }

    /// `Ok`: what is answered survives a power cut.
    pub(super) async fn keep(&self, arriving: Arriving) -> Result<Arrived, DatabaseError> {
        self.0.bring(arriving).await.unwrap_or(Err(DatabaseError::Panicked))
    }
}

/// All of them in one transaction; if a row of one is refused, each in its own, so that the others are kept.
async fn keep_together(
    database: &Database,
    outbox: &Outbox,
    all: Vec<Arriving>,
) -> Vec<Result<Arrived, DatabaseError>> {
    let count = all.len();
    let rolled_back = Arc::new(AtomicBool::new(false));
    let all = Arc::new(all);
    let refused = match keep(database, outbox, Arc::clone(&all), &rolled_back).await {
        Ok(arrived) => return arrived.into_iter().map(Ok).collect(),
        // What failed in the commit itself may be there, and is not done again.
        Err(error) if count > 1 && rolled_back.load(Ordering::Acquire) && !error.is_unavailable() => error,
        Err(error) => return vec![Err(error); count],
    };
    tracing::warn!(%refused, "an upload was refused; the others that came with it are kept");
    let mut outcomes = Vec::with_capacity(count);
    for one in &*all {
        let alone = keep(database, outbox, Arc::new(vec![one.clone()]), &rolled_back).await;
        outcomes.push(alone.and_then(|mut arrived| arrived.pop().ok_or(DatabaseError::NoRow)));
    }
    outcomes
}

/// `rolled_back` becomes true where it is known that nothing was written.
async fn keep(
    database: &Database,
    outbox: &Outbox,
    all: Arc<Vec<Arriving>>,
    rolled_back: &Arc<AtomicBool>,
) -> Result<Vec<Arrived>, DatabaseError> {
    let (outbox, rolled_back) = (outbox.clone(), Arc::clone(rolled_back));
    let written = database.write(move |tx| {
        Box::pin(async move {
            let outcome = write(tx, &outbox, &all).await;
            rolled_back.store(outcome.is_err(), Ordering::Release);
            outcome
        })
    });
    written.await
}

async fn write(tx: &mut Tx, outbox: &Outbox, all: &[Arriving]) -> Result<Vec<Arrived>, DatabaseError> {
    let mut incoming: Vec<Incoming> = all.iter().map(|one| one.incoming.clone()).collect();
    let refusals = incoming::keep(tx, &mut incoming).await?;
    let mut arrived = Vec::with_capacity(all.len());
    for ((one, refused), arriving) in incoming.into_iter().zip(refusals).zip(all) {
        if let Some(refusal) = refused {
            arrived.push(Arrived::Refused(refusal));
            continue;
        }
        let document = one.document;
        if let Some(entry) = &arriving.entry {
            keeping::inherit(tx, document.authority, document.id, entry).await?;
        }
        tell(tx, outbox, &document).await?;
        // Whoever sent it is told that it is stored; what follows from its type is seen by whoever looks.
        arrived.push(Arrived::Kept(Box::new(Document { extracted: None, flag: None, ..document })));
    }
    tx.settle().await?;
    Ok(arrived)
}

async fn tell(tx: &mut Tx, outbox: &Outbox, document: &Document) -> Result<(), DatabaseError> {
    let event = |what| Event::document(what, document.authority, document.id, document.stored_at);
    outbox.tell(tx, event(Happening::DocumentStored)).await?;
    let reason = document.media_type.parse().ok().and_then(unread);
    match reason.filter(|_| document.flag.is_some()) {
        Some(reason) => outbox.tell(tx, event(Happening::DocumentFlagged).reason(reason.as_str())).await,
        None => Ok(()),
    }
}

/// Where no text can be read out of a type, there is nothing to wait for: the row says so from the beginning.
pub(super) fn read_at_once(document: &mut Document) -> bool {
    let Some(reason) = document.media_type.parse::<MediaType>().ok().and_then(unread) else { return false };
    let at = document.stored_at;
    document.extracted = Some(Extracted { at, pages: 0, words: 0, text: None });
    document.flag = Some((reason.as_str().to_owned(), at));
    true
}
