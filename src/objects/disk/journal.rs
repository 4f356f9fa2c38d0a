//! The journal: small objects of many callers become durable by one sync of one file, and are put into files of
//! their own without a sync each. From time to time those are synced together, and the journal begins anew.
//!
//! Three threads: one appends, one gives names and answers, one syncs files and empties the journal behind it. What
//! a crash leaves of the files, the next start restores from the journal (`replay`).

mod record;
pub(super) mod replay;
mod segment;
mod settle;

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError, mpsc as threads};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};

use super::super::path::ObjectPath;
use super::super::store::StoreError;
use super::files::Files;
use record::Kind;
pub(super) use record::OBJECT_BYTES_MAX;
use segment::{Entry, Segment};

/// Callers that wait for the thread that appends; more wait at the door.
const QUEUE_MAX: usize = 256;
/// Objects in one sync.
const BATCH_MAX: usize = 64;
/// Batches that were synced and wait for their names: bounds what is held in memory.
const UNNAMED_MAX: usize = 2;
/// Files of the journal: one that is written and those whose objects are being synced.
const SEGMENTS_MAX: u32 = 8;
/// How long callers wait when all of them are full; a disk that syncs nothing is not waited for without end.
const EMPTY_WITHIN: Duration = Duration::from_secs(10);

/// Where small objects become durable. Dropped, it ends its threads and leaves no journal behind.
pub(super) struct Journal {
    queue: Option<mpsc::Sender<Order>>,
    recent: Arc<Recent>,
    threads: Vec<JoinHandle<()>>,
}

/// What a caller wants.
struct Order {
    kind: Kind,
    path: ObjectPath,
    object: Vec<Bytes>,
    answer: oneshot::Sender<Result<(), StoreError>>,
}

impl Order {
    fn entry(&self) -> Entry<'_> {
        Entry { kind: self.kind, path: &self.path, object: &self.object }
    }
}

/// From the thread that appends to the one that gives names, in order.
enum Step {
    /// These are durable in the journal.
    Name(Vec<Order>),
    /// This file takes no more.
    Full(Segment),
}

/// The names that the journal speaks of, and in which of its uses.
#[derive(Default)]
struct Recent(Mutex<HashMap<ObjectPath, u64>>);

impl Recent {
    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<ObjectPath, u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn forget(&self, generation: u64) {
        self.lock().retain(|_, last| *last != generation);
    }
}

impl Journal {
    /// Starts the threads. No file is made before the first object comes.
    pub(super) fn start(files: &Arc<Files>) -> io::Result<Self> {
        let recent = Arc::new(Recent::default());
        let (queue, orders) = mpsc::channel(QUEUE_MAX);
        let (steps, to_name) = threads::sync_channel(UNNAMED_MAX);
        let (full, to_sync) = threads::channel();
        let (emptied, free) = threads::channel();
        let writer = Writer {
            files: Arc::clone(files),
            recent: Arc::clone(&recent),
            steps,
            free,
            segment: None,
            made: 0,
            generation: 0,
        };
        let naming = Arc::clone(files);
        let syncing = settle::Syncing { files: Arc::clone(files), recent: Arc::clone(&recent), emptied };
        let begin = |name: &str, work: Box<dyn FnOnce() + Send>| {
            thread::Builder::new().name(format!("stammbuch-{name}")).spawn(work)
        };
        let threads = vec![
            begin("journal", Box::new(move || writer.append_until_closed(orders)))?,
            begin("names", Box::new(move || settle::name_until_closed(&naming, &to_name, &full)))?,
            begin("settle", Box::new(move || syncing.sync_until_closed(&to_sync)))?,
        ];
        Ok(Self { queue: Some(queue), recent, threads })
    }

    /// Makes a new object of at most [`OBJECT_BYTES_MAX`] bytes; promises what `ObjectStore::create` does.
    pub(super) async fn create(&self, path: &ObjectPath, object: Vec<Bytes>) -> Result<(), StoreError> {
        self.order(Kind::Object, path, object).await
    }

    /// Whether it may say something of the name.
    pub(super) fn speaks_of(&self, path: &ObjectPath) -> bool {
        self.recent.lock().contains_key(path)
    }

    /// Makes void, durably, what the journal says of the name: it will not come back after a crash.
    pub(super) async fn release(&self, path: &ObjectPath) -> Result<(), StoreError> {
        if self.speaks_of(path) {
            self.order(Kind::Void, path, Vec::new()).await?;
        }
        Ok(())
    }

    async fn order(&self, kind: Kind, path: &ObjectPath, object: Vec<Bytes>) -> Result<(), StoreError> {
        let lost = || StoreError::of("write", path, io::Error::other("the journal was closed"));
        let Some(queue) = &self.queue else { return Err(lost()) };
        let (answer, answered) = oneshot::channel();
        let order = Order { kind, path: path.clone(), object, answer };
        queue.send(order).await.map_err(|_| lost())?;
        answered.await.unwrap_or_else(|_| Err(lost()))
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        drop(self.queue.take());
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

/// The thread that appends.
struct Writer {
    files: Arc<Files>,
    recent: Arc<Recent>,
    steps: threads::SyncSender<Step>,
    free: threads::Receiver<Segment>,
    segment: Option<Segment>,
    made: u32,
    generation: u64,
}

impl Writer {
    fn append_until_closed(mut self, mut orders: mpsc::Receiver<Order>) {
        while let Some(first) = orders.blocking_recv() {
            let mut batch = vec![first];
            while batch.len() < BATCH_MAX
                && let Ok(order) = orders.try_recv()
            {
                batch.push(order);
            }
            match self.append(&batch) {
                Ok(()) => _ = self.steps.send(Step::Name(batch)),
                Err(error) => refuse(batch, &error),
            }
        }
        if let Some(segment) = self.segment {
            let _ = self.steps.send(Step::Full(segment));
        }
    }

    fn append(&mut self, batch: &[Order]) -> io::Result<()> {
        let entries: Vec<Entry<'_>> = batch.iter().map(Order::entry).collect();
        let bytes = entries.iter().map(Entry::stored_bytes).sum();
        let mut segment = self.segment_with_room(bytes)?;
        let generation = segment.generation();
        self.recent.lock().extend(batch.iter().map(|order| (order.path.clone(), generation)));
        let appended = segment.append(&entries, &self.files.points);
        match appended {
            Ok(()) => self.segment = Some(segment),
            // What it holds is made durable in files; then it is emptied, which writes it from its beginning.
            Err(_) => _ = self.steps.send(Step::Full(segment)),
        }
        appended
    }

    fn segment_with_room(&mut self, bytes: u64) -> io::Result<Segment> {
        match self.segment.take() {
            Some(segment) if segment.has_room(bytes) => return Ok(segment),
            Some(full) => _ = self.steps.send(Step::Full(full)),
            None => {}
        }
        let mut segment = match self.free.try_recv() {
            Ok(segment) => segment,
            Err(_) if self.made < SEGMENTS_MAX => {
                let segment = Segment::create(self.files.staging_folder(), self.made)?;
                self.made += 1;
                segment
            }
            Err(_) => self.free.recv_timeout(EMPTY_WITHIN).map_err(|_| {
                io::Error::new(io::ErrorKind::TimedOut, "no file of the journal could be emptied")
            })?,
        };
        self.generation += 1;
        segment.begin(self.generation);
        Ok(segment)
    }
}

/// Tells every caller of a batch that failed.
fn refuse(batch: Vec<Order>, error: &io::Error) {
    tracing::warn!(%error, objects = batch.len(), "the journal of the object store was not written");
    for order in batch {
        let again = error
            .raw_os_error()
            .map_or_else(|| io::Error::new(error.kind(), error.to_string()), io::Error::from_raw_os_error);
        let path = order.path.to_string();
        let _ = order.answer.send(Err(StoreError::Io { doing: "write", path, source: again }));
    }
}

#[cfg(test)]
mod tests;
