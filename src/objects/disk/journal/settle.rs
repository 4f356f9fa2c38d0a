//! What follows the journal: objects get files and names, and later their syncs, before the journal forgets them.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::Duration;

use super::super::files::Files;
use super::super::points::Point;
use super::record::Kind;
use super::segment::{self, Segment};
use super::{Order, Recent, Step, replay};

/// Full files of the journal that one sync empties: it is dear, since it takes along whatever else is on its way to
/// the same disk.
const TOGETHER: usize = 4;
/// How long a full file waits for others, and between two tries after a failure.
const PATIENCE: Duration = Duration::from_secs(2);

/// Gives what is durable in the journal its file and its name, and answers.
pub(super) fn name_until_closed(files: &Files, steps: &Receiver<Step>, full: &Sender<Segment>) {
    for step in steps {
        match step {
            Step::Name(orders) => orders.into_iter().for_each(|order| name(files, order)),
            Step::Full(segment) => _ = full.send(segment),
        }
    }
}

fn name(files: &Files, order: Order) {
    let outcome = match order.kind {
        Kind::Object => files.create_unsynced(&order.path, &order.object),
        Kind::Void => Ok(()),
    };
    (files.points)(Point::Named);
    // A caller that has gone away does not wait for the answer.
    let _ = order.answer.send(outcome);
}

/// The thread that makes files durable and empties the journal behind them.
pub(super) struct Syncing {
    pub(super) files: Arc<Files>,
    pub(super) recent: Arc<Recent>,
    pub(super) emptied: Sender<Segment>,
}

impl Syncing {
    /// Until the journal is closed; then its files are removed. One that cannot be emptied stays: the next start
    /// replays it.
    pub(super) fn sync_until_closed(self, full: &Receiver<Segment>) {
        let mut waiting: Vec<Segment> = Vec::new();
        loop {
            let next = match waiting.as_slice() {
                [] => full.recv().map_err(|_| RecvTimeoutError::Disconnected),
                _ => full.recv_timeout(PATIENCE),
            };
            let closed = matches!(next, Err(RecvTimeoutError::Disconnected));
            let more_may_come = next.is_ok();
            waiting.extend(next);
            waiting.extend(full.try_iter());
            if more_may_come && waiting.len() < TOGETHER {
                continue;
            }
            match self.settle(&mut waiting) {
                // Once the journal is closed, nobody takes them.
                Ok(()) => waiting.drain(..).for_each(|segment| _ = self.emptied.send(segment)),
                Err(error) => tracing::error!(%error, "objects in the journal could not be synced to files"),
            }
            if closed {
                break;
            }
        }
        if waiting.is_empty() {
            for file in segment::files(self.files.staging_folder()).unwrap_or_default() {
                let _ = fs::remove_file(file);
            }
        }
    }

    /// Makes everything durable that the segments speak of, then empties them.
    fn settle(&self, segments: &mut [Segment]) -> io::Result<()> {
        let names: Vec<_> = segments.iter().flat_map(|segment| &segment.names).cloned().collect();
        if let Err(error) = self.files.make_durable(&names) {
            tracing::warn!(%error, "a sync failed; the objects are written anew from the journal");
            let written: Vec<&Path> = segments.iter().map(Segment::path).collect();
            replay::write_anew(&self.files, &written)?;
            self.files.sync_each(&names)?;
        }
        (self.files.points)(Point::Settled);
        for segment in segments {
            segment.empty()?;
            (self.files.points)(Point::Emptied);
            self.recent.forget(segment.generation());
        }
        Ok(())
    }
}
