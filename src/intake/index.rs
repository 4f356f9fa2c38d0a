//! Takes changes of documents over into the search index, in their order, and keeps database and index in agreement
//! over crashes, lost folders and restored backups. Knows nothing of queries.

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

use super::texts::{self, TextError};
use crate::database::index::{self as rows, Findable};
use crate::database::{Database, DatabaseError, Tx, index_changes};
use crate::domain::clock::Clock;
use crate::domain::ids::DocumentId;
use crate::events::{Event, Happening, Outbox};
use crate::jobs::pulse::{Beat, Pulse};
use crate::objects::{KeyError, ObjectRef, Vault, VaultError};
use crate::search::index::{Applied, Change, IndexError, IndexedDocument, Mark, Page, SearchBackend};

/// Most changes of one commit.
const BATCH_CHANGES: u32 = 500;
/// A commit is due once so much text was gathered, in bytes.
const BATCH_BYTES: usize = 16 << 20;
/// How long to sleep at most when nobody wakes the job: another process may have written.
const POLL: Duration = Duration::from_millis(500);
/// After so many idle rounds the writer is given back.
const ROUNDS_UNTIL_REST: u32 = 4;

/// Why changes were not taken over; they will be tried again.
#[derive(Debug, thiserror::Error)]
pub enum IndexingError {
    /// The database does not answer.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// The index does not work.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// The text of a document cannot be read now.
    #[error("the text of document {document} cannot be read: {source}")]
    Text {
        /// The document.
        document: DocumentId,
        /// Why.
        source: TextError,
    },
    /// A thread of the job broke down.
    #[error("a thread of the index job broke down")]
    Broken,
}

/// How database and index stood to each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Agreement {
    /// The index continues from its mark.
    Continues,
    /// The index was empty and is filled from the first change.
    FromNothing,
    /// The index knew another history, or more of it: it was emptied and is filled from the first change.
    OtherHistory,
}

/// The index job.
#[derive(Clone)]
pub struct Indexer {
    database: Database,
    vault: Vault,
    index: Arc<dyn SearchBackend>,
    clock: Arc<dyn Clock>,
    wake: Arc<Notify>,
    /// A file that asks for a rebuild while it is there.
    request: Option<PathBuf>,
    pulse: Pulse,
    outbox: Outbox,
}

/// The job while it runs.
pub struct Indexing {
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Indexer {
    /// A job that fills `index`.
    pub fn new(
        database: Database,
        vault: Vault,
        index: Arc<dyn SearchBackend>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let (wake, pulse, outbox) = (Arc::new(Notify::new()), Pulse::default(), Outbox::silent());
        Self { database, vault, index, clock, wake, request: None, pulse, outbox }
    }

    /// Lets another process ask for a rebuild by the file `request`, which is removed once the index is empty.
    #[must_use]
    pub fn rebuilding_on(mut self, request: PathBuf) -> Self {
        self.request = Some(request);
        self
    }

    /// Lets others know what is found for the first time.
    #[must_use]
    pub fn telling(mut self, outbox: Outbox) -> Self {
        self.outbox = outbox;
        self
    }

    /// To be notified after a commit that brought a change.
    pub fn wake(&self) -> Arc<Notify> {
        Arc::clone(&self.wake)
    }

    /// How the job is going, once it is started.
    pub fn pulse(&self) -> Beat {
        self.pulse.last()
    }

    /// Compares the mark of the index with the changes of the database; empties an index of another history. To be
    /// called once before the first [`Self::step`]; [`Self::start`] does.
    pub async fn agree(&self) -> Result<Agreement, IndexingError> {
        let mark = self.blocking(|index| index.mark()).await?;
        let agreement = if mark == Mark::NOTHING {
            Agreement::FromNothing
        } else if self.database.read(move |tx| Box::pin(rows::document_of(tx, mark.seq))).await?
            == mark.witness
        {
            Agreement::Continues
        } else {
            self.clear().await?;
            Agreement::OtherHistory
        };
        let now = self.clock.now();
        match agreement {
            Agreement::Continues => {
                let outbox = self.outbox.clone();
                let committed = self.database.write(move |tx| {
                    Box::pin(async move { mark_committed(tx, mark.seq, now, &outbox).await })
                });
                committed.await?;
            }
            Agreement::FromNothing | Agreement::OtherHistory => {
                self.database.write(|tx| Box::pin(rows::mark_nothing(tx))).await?;
            }
        }
        Ok(agreement)
    }

    /// Empties the index; the next steps fill it from the first change.
    pub async fn clear(&self) -> Result<(), IndexingError> {
        self.blocking(|index| index.clear()).await?;
        self.database.write(|tx| Box::pin(rows::mark_nothing(tx))).await?;
        Ok(())
    }

    /// How many changes are not taken over yet.
    pub async fn behind(&self) -> Result<i64, IndexingError> {
        let mark = self.blocking(|index| index.mark()).await?;
        Ok(self.database.read(move |tx| Box::pin(rows::changes_behind(tx, mark.seq))).await?)
    }

    /// Takes the next changes over in one commit; answers how many. With one change waiting the commit is at once,
    /// under load it carries what has come while the last one was written.
    pub async fn step(&self) -> Result<usize, IndexingError> {
        let mark = self.blocking(|index| index.mark()).await?;
        let last = self.database.read(|tx| Box::pin(index_changes::last(tx))).await?;
        if last <= mark.seq {
            return Ok(0);
        }
        let behind = mark.seq;
        let changes =
            self.database.write(move |tx| Box::pin(index_changes::after(tx, behind, BATCH_CHANGES))).await?;
        let mut latest: HashMap<DocumentId, i64> = HashMap::new();
        latest.extend(changes.iter().map(|change| (change.document, change.seq)));
        let mut rows = self.rows(latest.keys().copied().collect()).await?;
        let (mut taken, mut bytes, mut batch) = (0, 0, Vec::new());
        let mut mark = mark;
        for change in &changes {
            if latest.get(&change.document) == Some(&change.seq) {
                let read = self.read(change.document, rows.remove(&change.document)).await?;
                bytes += weight(&read);
                batch.push(read);
            }
            taken += 1;
            mark = Mark { seq: change.seq, witness: Some(change.document) };
            if bytes >= BATCH_BYTES {
                break;
            }
        }
        if taken > 0 {
            self.commit(batch, mark).await?;
        }
        Ok(taken)
    }

    /// Takes over all there is.
    pub async fn catch_up(&self, progress: &(dyn Fn(i64) + Sync)) -> Result<(), IndexingError> {
        while self.step().await? > 0 {
            progress(self.behind().await?);
        }
        self.rest().await
    }

    /// Gives the writer of the index back.
    pub async fn rest(&self) -> Result<(), IndexingError> {
        self.blocking(|index| index.rest()).await
    }

    /// Runs until [`Indexing::stop`].
    pub fn start(self) -> Indexing {
        let (stop, stopped) = watch::channel(false);
        Indexing { stop, task: tokio::spawn(self.run(stopped)) }
    }

    async fn run(self, mut stopped: watch::Receiver<bool>) {
        let _running = self.pulse.while_running();
        let (mut idle, mut agreed) = (0_u32, false);
        while !*stopped.borrow() {
            let step = match self.request.as_ref().filter(|request| request.exists()) {
                Some(request) => self.clear_for(request).await.map(|()| 1),
                None if agreed => self.step().await,
                None => self.agree().await.map(|_| 1),
            };
            agreed |= step.is_ok();
            self.pulse.say(match &step {
                Ok(_) => Beat::Working,
                Err(error) => Beat::Failing(error.to_string()),
            });
            match step {
                Ok(0) => idle = idle.saturating_add(1),
                Ok(_) => {
                    idle = 0;
                    continue;
                }
                Err(error) => {
                    tracing::warn!(%error, "the index job will try again");
                    idle = idle.saturating_add(1);
                }
            }
            if idle == ROUNDS_UNTIL_REST
                && let Err(error) = self.rest().await
            {
                tracing::warn!(%error, "the writer of the index was lost");
            }
            tokio::select! {
                () = self.wake.notified() => {}
                _ = stopped.changed() => {}
                // sleeps: changes may come from another process, which cannot wake this one
                () = tokio::time::sleep(POLL) => {}
            }
        }
        if let Err(error) = self.rest().await {
            tracing::warn!(%error, "the writer of the index was lost");
        }
    }

    async fn clear_for(&self, request: &Path) -> Result<(), IndexingError> {
        tracing::info!("the search index is rebuilt, as asked");
        self.clear().await?;
        std::fs::remove_file(request).map_err(|error| IndexingError::Index(error.into()))
    }

    async fn commit(&self, batch: Vec<Change>, mark: Mark) -> Result<(), IndexingError> {
        let documents: Vec<DocumentId> = batch.iter().map(Change::document).collect();
        let applied = self.blocking(move |index| index.apply(batch, mark)).await?;
        self.note(documents, applied).await
    }

    /// Writes the states down. If this is lost in a crash, [`Self::agree`] makes up for it.
    async fn note(&self, documents: Vec<DocumentId>, applied: Applied) -> Result<(), IndexingError> {
        let now = self.clock.now();
        for (document, reason) in &applied.quarantined {
            tracing::error!(%document, reason, "the index broke on a document and goes on without it");
        }
        let outbox = self.outbox.clone();
        let lost: Vec<DocumentId> = applied.quarantined.into_iter().map(|(document, _)| document).collect();
        let written = self
            .database
            .write(move |tx| Box::pin(async move { states(tx, &documents, &lost, now, &outbox).await }));
        written.await?;
        self.outbox.wake();
        Ok(())
    }

    /// The documents as they are now; those that are gone are left out.
    async fn rows(&self, documents: Vec<DocumentId>) -> Result<HashMap<DocumentId, Findable>, IndexingError> {
        let read = self.database.read::<_, DatabaseError, _>(move |tx| {
            Box::pin(async move { rows::findables(tx, &documents).await })
        });
        Ok(read.await?.into_iter().map(|row| (row.document, row)).collect())
    }

    /// The document with its text.
    async fn read(&self, document: DocumentId, row: Option<Findable>) -> Result<Change, IndexingError> {
        let Some(row) = row else { return Ok(Change::Remove(document)) };
        match self.pages(&row).await {
            Ok(Some(pages)) => Ok(Change::Put(Box::new(indexed(row, pages)))),
            Ok(None) => Ok(Change::Remove(document)),
            Err(source) => Err(IndexingError::Text { document, source }),
        }
    }

    /// The pages of its text; `None` if its key is gone: then it is erased. A text that is damaged is left out, or
    /// it would hold up all others.
    async fn pages(&self, row: &Findable) -> Result<Option<Vec<Page>>, TextError> {
        let Some(text) = row.text else { return Ok(Some(Vec::new())) };
        let at = ObjectRef::beside(row.authority, text, row.object);
        match texts::read_all(&self.vault, at).await {
            Ok(pages) => {
                let page = |page: super::extract::PageText| Page { number: page.number, text: page.text };
                Ok(Some(pages.into_iter().map(page).collect()))
            }
            Err(TextError::Vault(VaultError::Key(KeyError::Erased { .. }))) => Ok(None),
            Err(error @ (TextError::Format | TextError::Vault(VaultError::Damaged { .. }))) => {
                tracing::error!(%error, document = %row.document, "a document is indexed without its text");
                Ok(Some(Vec::new()))
            }
            Err(error) => Err(error),
        }
    }

    async fn blocking<T, F>(&self, work: F) -> Result<T, IndexingError>
    where
        T: Send + 'static,
        F: FnOnce(&dyn SearchBackend) -> Result<T, IndexError> + Send + 'static,
    {
        let index = Arc::clone(&self.index);
        let done = tokio::task::spawn_blocking(move || work(&*index)).await;
        Ok(done.map_err(|_| IndexingError::Broken)??)
    }
}

impl Indexing {
    /// Finishes the commit that is being written and ends.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        let _ = self.task.await;
    }
}

/// What the index had committed before this process began.
async fn mark_committed(tx: &mut Tx, seq: i64, now: Timestamp, outbox: &Outbox) -> Result<(), DatabaseError> {
    if outbox.any_hears(Happening::DocumentSearchable) {
        for (document, authority) in rows::new_and_committed(tx, seq).await? {
            let event = Event::document(Happening::DocumentSearchable, authority, document, now);
            outbox.tell(tx, event).await?;
        }
    }
    rows::mark_committed(tx, seq, now).await.map(drop)
}

async fn states(
    tx: &mut Tx,
    indexed: &[DocumentId],
    lost: &[DocumentId],
    now: Timestamp,
    outbox: &Outbox,
) -> Result<(), DatabaseError> {
    if outbox.any_hears(Happening::DocumentSearchable) {
        for (document, authority) in rows::new_in_index(tx, indexed).await? {
            let event = Event::document(Happening::DocumentSearchable, authority, document, now);
            outbox.tell(tx, event).await?;
        }
    }
    rows::mark_indexed(tx, indexed, now).await?;
    for document in lost {
        if let Some(authority) = rows::owner(tx, *document).await? {
            let event = Event::document(Happening::DocumentFlagged, authority, *document, now);
            outbox.tell(tx, event.reason("index-quarantined")).await?;
        }
        rows::mark_quarantined(tx, *document, now).await?;
    }
    Ok(())
}

fn indexed(row: Findable, pages: Vec<Page>) -> IndexedDocument {
    IndexedDocument {
        document: row.document,
        authority: row.authority,
        restriction: row.restriction,
        title: row.title,
        reference: row.reference,
        file_name: row.file_name,
        kind: row.kind,
        date: row.date,
        pages,
    }
}

fn weight(change: &Change) -> usize {
    match change {
        Change::Put(document) => document.pages.iter().map(|page| page.text.len()).sum(),
        Change::Remove(_) => 0,
    }
}
