//! The deep look: objects read from their first to their last byte and compared with the digests in the database.
//! Constant memory; says how far it is; can be broken off and gone on with behind any object.

use std::io::{IsTerminal as _, stderr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::report::Report;
use super::rule::Rule;
use crate::database::comparison::Promised;
use crate::domain::ids::ObjectId;
use crate::objects::{OpenObject, VaultError};

/// How often it says how far it is.
const SAY_EVERY: Duration = Duration::from_secs(5);

/// How far it is.
pub(super) struct Deep {
    /// Objects up to this one were read before.
    after: Option<ObjectId>,
    stop: Arc<AtomicBool>,
    read: u64,
    bytes: u64,
    last: Option<ObjectId>,
    said: Instant,
}

impl Deep {
    /// Begins behind `after`; ends early once `stop` is set.
    pub(super) fn new(after: Option<ObjectId>, stop: Arc<AtomicBool>) -> Self {
        Self { after, stop, read: 0, bytes: 0, last: after, said: Instant::now() }
    }

    /// Reads an object, unless it was read before or it is time to stop.
    pub(super) async fn read(
        &mut self,
        object: OpenObject,
        row: &Promised,
        report: &mut Report,
    ) -> Result<(), VaultError> {
        if self.after.is_some_and(|after| row.object <= after) || self.is_stopped() {
            return Ok(());
        }
        let mut reading = object.read_back();
        while let Some(bytes) = reading.next().await? {
            self.bytes += bytes;
            self.progress(row.object);
            if self.is_stopped() {
                return Ok(());
            }
        }
        let (plain, cipher) = reading.digests();
        if let Some((expected_plain, expected_cipher)) = row.digests {
            let what = match (plain == expected_plain, cipher == expected_cipher) {
                (true, true) => None,
                (false, _) => Some("opens to other bytes than its row names"),
                (true, false) => Some("is stored in other bytes than its row names"),
            };
            if let Some(what) = what {
                report.differs(Rule::DigestWrong, row.object, format!("object {} {what}", row.object));
            }
        }
        self.read += 1;
        self.last = Some(row.object);
        Ok(())
    }

    fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    fn progress(&mut self, object: ObjectId) {
        if self.said.elapsed() < SAY_EVERY {
            return;
        }
        self.said = Instant::now();
        let end = if stderr().is_terminal() { '\r' } else { '\n' };
        eprint!("read {} objects, {} MiB, at {object}{end}", self.read, self.bytes >> 20);
    }

    /// Says in the report what was read.
    pub(super) fn say(&self, report: &mut Report) {
        report.compared("read to their end", Some(self.read));
        if self.is_stopped() {
            let from = self.last.map_or(String::new(), |last| format!(" --after {last}"));
            report.note(format!("broken off: go on with --deep{from}"));
        }
    }

    /// Whether it was broken off.
    pub(super) fn is_broken_off(&self) -> bool {
        self.is_stopped()
    }
}
