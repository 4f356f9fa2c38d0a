//! What there is to bring, in an order that does not change: the lines of the folder's table, then the files it does not
//! name; each with what is said of it.

use std::collections::HashSet;
use std::io::{self, BufReader, Read as _};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, SyncSender};

use serde_json::{Map, Value};

use super::super::folder::{Folder, Found, Refused, What};
use super::super::progress::Amount;
use super::super::report::{Outcome, Record};
use super::super::said::{BESIDE, Said, SaidError};
use super::super::tables::{DOCUMENTS, ENTRIES, Kind, Lines};
use super::{BATCH, Import, ImportError, News, Others, tell};
use crate::domain::digest::Sha256;

/// The longest file of what is said of another.
const SAID_BYTES_MAX: u64 = 1 << 20;

/// A file that is to be brought.
pub(super) struct Item {
    pub(super) path: String,
    pub(super) size: u64,
    pub(super) said: Said,
}

/// How much there is.
pub(super) fn count(folder: &Folder) -> io::Result<Amount> {
    let mut amount = Amount::default();
    for found in folder.walk()? {
        if let What::File(bytes) = found.what
            && !is_said(&found.path)
        {
            amount.add(bytes);
        }
    }
    Ok(amount)
}

/// Hands all of it over, until it is told to stop.
pub(super) fn feed(
    import: &Import,
    batches: &SyncSender<Vec<Item>>,
    news: &Sender<News>,
    stop: &AtomicBool,
) -> Result<(), ImportError> {
    let Import { folder, defaults, others, .. } = import;
    let (batch, listed) = (Vec::new(), HashSet::new());
    let mut feed = Feed { folder, defaults, others: *others, batches, news, batch, listed };
    feed.table(stop)?;
    for found in folder.walk().map_err(ImportError::Folder)? {
        if stop.load(Ordering::Relaxed) {
            return Ok(());
        }
        feed.found(found);
    }
    feed.flush();
    Ok(())
}

struct Feed<'f> {
    folder: &'f Folder,
    defaults: &'f [(String, String)],
    others: Others,
    batches: &'f SyncSender<Vec<Item>>,
    news: &'f Sender<News>,
    batch: Vec<Item>,
    /// Of each path in the table half a digest: that is 16 bytes for a file, however long its path is.
    listed: HashSet<u128>,
}

impl Feed<'_> {
    /// The files that the table names.
    fn table(&mut self, stop: &AtomicBool) -> Result<(), ImportError> {
        let file = match self.folder.file(DOCUMENTS) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(ImportError::Folder(error)),
        };
        let wrong = |error| ImportError::Table(DOCUMENTS, error);
        for line in Lines::open(BufReader::new(file), Kind::DOCUMENTS).map_err(wrong)? {
            if stop.load(Ordering::Relaxed) {
                return Ok(());
            }
            let (number, members) = line.map_err(wrong)?;
            self.line(number, members);
        }
        Ok(())
    }

    fn line(&mut self, number: usize, mut members: Map<String, Value>) {
        let path = match members.remove("path") {
            Some(Value::String(path)) => path,
            // Documents of which the one who wrote the table had no bytes.
            Some(Value::Null) => {
                let detail = format!("line {number} of {DOCUMENTS} has no file: it could not be exported");
                return self.refuse(DOCUMENTS, 0, "no-file", detail);
            }
            _ => {
                return self.refuse(
                    DOCUMENTS,
                    0,
                    "line",
                    format!("line {number} of {DOCUMENTS} has no path"),
                );
            }
        };
        if !self.listed.insert(short(&path)) {
            let detail = format!("line {number} of {DOCUMENTS} names it a second time");
            return self.refuse(&path, 0, "listed-twice", detail);
        }
        let size = match self.folder.file(&path).and_then(|file| file.metadata()) {
            Ok(metadata) => metadata.len(),
            Err(error) => {
                let detail = format!("line {number} of {DOCUMENTS}: it cannot be opened: {error}");
                let missing = error.kind() == io::ErrorKind::NotFound;
                return self.refuse(&path, 0, if missing { "not-there" } else { "unreadable" }, detail);
            }
        };
        if self.folder.file(&format!("{path}{BESIDE}")).is_ok() {
            let detail = format!("line {number} of {DOCUMENTS} and a file beside it say something of it");
            return self.refuse(&path, size, "said-twice", detail);
        }
        match Said::of(members) {
            Ok(said) => self.push(path, size, said),
            Err(error) => {
                self.refuse(&path, size, "said", format!("line {number} of {DOCUMENTS}: {error}"));
            }
        }
    }

    fn found(&mut self, found: Found) {
        let Found { path, what } = found;
        let size = match what {
            What::File(size) => size,
            What::Passed(passed) => {
                let record = Record::of(path, 0, Outcome::PassedOver);
                return tell(self.news, record.because("no-document", passed.to_string()));
            }
            What::Refused(refused) => {
                let name = if refused == Refused::Name { "name" } else { "unreadable" };
                return self.refuse(&path, 0, name, refused.to_string());
            }
        };
        if let Some(of) = path.strip_suffix(BESIDE) {
            if self.folder.file(of).is_err() {
                self.refuse(
                    &path,
                    size,
                    "nothing-beside",
                    format!("it says something of {of}, which is not there"),
                );
            }
            return;
        }
        if is_said(&path) || self.listed.contains(&short(&path)) {
            return;
        }
        if self.others == Others::Records {
            let record = Record::of(path, 0, Outcome::PassedOver);
            let why = "a record of the installation that exported it; it stays in the bag";
            return tell(self.news, record.because("of-the-origin", why));
        }
        match self.beside(&path) {
            Ok(said) => self.push(path, size, said),
            Err(reason) => self.refuse(&path, size, "said", format!("{path}{BESIDE}: {reason}")),
        }
    }

    /// What the file beside it says.
    fn beside(&self, path: &str) -> Result<Said, String> {
        let file = match self.folder.file(&format!("{path}{BESIDE}")) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Said::default()),
            Err(error) => return Err(error.to_string()),
        };
        let mut text = Vec::new();
        file.take(SAID_BYTES_MAX).read_to_end(&mut text).map_err(|error| error.to_string())?;
        Said::parse(&text).map_err(|error: SaidError| error.to_string())
    }

    fn push(&mut self, path: String, size: u64, said: Said) {
        self.batch.push(Item { path, size, said: said.or(self.defaults) });
        if self.batch.len() == BATCH {
            self.flush();
        }
    }

    fn flush(&mut self) {
        let batch = std::mem::take(&mut self.batch);
        if !batch.is_empty() {
            // Nobody takes it any more: then all of it has come to its end.
            let _ = self.batches.send(batch);
        }
    }

    fn refuse(&self, path: &str, size: u64, reason: &str, detail: String) {
        tell(self.news, Record::of(path, size, Outcome::Refused).because(reason, detail));
    }
}

/// Whether it says something of others.
fn is_said(path: &str) -> bool {
    path == DOCUMENTS || path == ENTRIES || path.ends_with(BESIDE)
}

fn short(path: &str) -> u128 {
    let digest = *Sha256::of(path.as_bytes()).as_bytes();
    u128::from_le_bytes(std::array::from_fn(|at| digest.get(at).copied().unwrap_or_default()))
}
