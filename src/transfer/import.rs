//! A folder becomes documents: each file is read, asked for by its name of old, and sent if it is not there yet.
//!
//! A file's name is a digest over the folder's name, its path and its bytes; the service keeps it for ever. So a folder
//! that is brought again, after a crash or a year, brings what is missing and nothing twice.

mod entries;
mod feed;
mod holds;

use std::fs::File;
use std::io::{self, Read};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Mutex, PoisonError};
use std::thread;

use serde_json::{Value, json};
use sha2::Digest as _;

use self::feed::Item;
use super::folder::Folder;
use super::progress::{Amount, Progress};
use super::report::{Outcome, Record, Report};
use super::said::FileName;
use super::service::{Body, Request, Service, ServiceError, percent};
use super::tables::TableError;
use crate::domain::digest::Sha256;

/// Files that are asked for in one request.
const BATCH: usize = 64;
/// Bytes that are read at a time.
const PIECE_BYTES: usize = 256 * 1024;

/// An import.
pub struct Import {
    /// Where it goes to.
    pub service: Service,
    /// What is brought.
    pub folder: Folder,
    /// The folder's name, part of what its files are known by: whoever moves it may keep the name.
    pub collection: String,
    /// Said of all files that say nothing else.
    pub defaults: Vec<(String, String)>,
    /// Files on their way at a time.
    pub places: usize,
    /// Whether it is carried out, or only tried.
    pub how: How,
    /// What files are that no table names.
    pub others: Others,
}

/// What files are that no table names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Others {
    /// Documents like all.
    Documents,
    /// Records of the installation that exported them; they are not taken over.
    Records,
}

/// Whether something is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// Everything is done.
    InEarnest,
    /// Everything is read and asked for, nothing is sent.
    AsTrial,
}

/// Why an import ended before its end. What was stored stays, and is found there the next time.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The folder cannot be read.
    #[error("the folder cannot be read")]
    Folder(#[source] io::Error),
    /// A table in it is wrong.
    #[error("{0}, {1}")]
    Table(&'static str, TableError),
    /// The service.
    #[error(transparent)]
    Service(#[from] ServiceError),
    /// The report cannot be written.
    #[error("the report cannot be written")]
    Report(#[source] io::Error),
}

/// What the threads tell the one that reports.
enum News {
    Record(Record),
    Failed(ImportError),
}

/// A file that was read: what it is, and what it is known by.
struct Ready {
    item: Item,
    sha256: Sha256,
    source: Sha256,
}

impl Import {
    /// Brings all of it. What is refused is in the report; only what stops everything is an error.
    ///
    /// # Errors
    /// [`ImportError`].
    pub fn run(&self, report: &mut Report) -> Result<(), ImportError> {
        let total = feed::count(&self.folder).map_err(ImportError::Folder)?;
        let mut progress = Progress::begin("imported", Some(total));
        self.entries(report, &mut progress)?;
        let (batches, work) = mpsc::sync_channel::<Vec<Item>>(self.places);
        let (news, told) = mpsc::channel();
        let (work, stop) = (Mutex::new(work), AtomicBool::new(false));
        let ended = thread::scope(|scope| {
            for _ in 0..self.places.max(1) {
                let (news, work, stop) = (news.clone(), &work, &stop);
                scope.spawn(move || self.work(work, &news, stop));
            }
            let (feeding, stop_feed) = (news, &stop);
            scope.spawn(move || {
                let fed = feed::feed(self, &batches, &feeding, stop_feed);
                if let Err(error) = fed {
                    let _ = feeding.send(News::Failed(error));
                }
            });
            let ended = note_all(&told, report, &mut progress);
            stop.store(true, Ordering::Relaxed);
            // Whoever still waits to hand over work is told that nobody takes it.
            drain(&work, ended.is_err());
            ended
        });
        progress.end();
        ended
    }

    fn work(&self, work: &Mutex<Receiver<Vec<Item>>>, news: &Sender<News>, stop: &AtomicBool) {
        loop {
            let batch = work.lock().unwrap_or_else(PoisonError::into_inner).recv();
            let Ok(batch) = batch else { return };
            if stop.load(Ordering::Relaxed) {
                return;
            }
            if let Err(error) = self.take(batch, news, stop) {
                // The first error ends everything; what comes behind it says nothing new.
                let _ = news.send(News::Failed(error.into()));
                return;
            }
        }
    }

    fn take(&self, batch: Vec<Item>, news: &Sender<News>, stop: &AtomicBool) -> Result<(), ServiceError> {
        let mut ready = Vec::new();
        for item in batch {
            match self.prepare(item)? {
                Ok(file) => ready.push(file),
                Err(record) => tell(news, record),
            }
        }
        let known = self.known(&ready)?;
        for (file, known) in ready.into_iter().zip(known) {
            if stop.load(Ordering::Relaxed) {
                return Ok(());
            }
            let record = match known {
                Some(Known::Erased) => file.record(Outcome::PassedOver).because(
                    "erased",
                    "it was brought before, and was erased since; it is not taken in again",
                ),
                Some(Known::As(id)) => {
                    let record = Record { id: Some(id), ..file.record(Outcome::AlreadyThere) };
                    self.with_holds(&file.item, record)?
                }
                None if self.how == How::AsTrial => file.record(Outcome::WouldBeStored),
                None => {
                    let record = self.send(&file)?;
                    self.with_holds(&file.item, record)?
                }
            };
            tell(news, record);
        }
        Ok(())
    }

    /// Reads a file and finds out what it is known by; or says why it is refused.
    fn prepare(&self, item: Item) -> Result<Result<Ready, Record>, ServiceError> {
        let refused = |item: &Item, reason: &str, detail: String| {
            Record::of(&item.path, item.size, Outcome::Refused).because(reason, detail)
        };
        if let Err(reason) = self.seals_hold(&item)? {
            return Ok(Err(refused(&item, "seal-missing", reason)));
        }
        let read = self.folder.file(&item.path).and_then(|file| digest(file, item.size));
        let sha256 = match read {
            Ok(Some(sha256)) => sha256,
            Ok(None) => return Ok(Err(refused(&item, "changed", CHANGED.into()))),
            Err(error) => {
                return Ok(Err(refused(&item, "unreadable", format!("it cannot be read: {error}"))));
            }
        };
        let wrong = |what: &str, expected: String, got: String| {
            format!("its {what} is to be {expected}, and is {got}")
        };
        if let Some(expected) = item.said.size.filter(|expected| *expected != item.size) {
            let detail = wrong("size", expected.to_string(), item.size.to_string());
            return Ok(Err(refused(&item, "size-mismatch", detail)));
        }
        if let Some(expected) = item.said.sha256.filter(|expected| *expected != sha256) {
            let detail = wrong("SHA-256", expected.to_string(), sha256.to_string());
            return Ok(Err(refused(&item, "digest-mismatch", detail)));
        }
        if item.size == 0 {
            return Ok(Err(refused(&item, "empty-file", "the file is empty".into())));
        }
        let source = source(&self.collection, &item.path, sha256);
        Ok(Ok(Ready { item, sha256, source }))
    }

    /// What each of the files became before.
    fn known(&self, files: &[Ready]) -> Result<Vec<Option<Known>>, ServiceError> {
        if files.is_empty() {
            return Ok(Vec::new());
        }
        let asked = json!({ "sources": files.iter().map(|file| file.source).collect::<Vec<_>>() });
        let path = "/v1/documents/known".to_owned();
        let request = Request { method: "POST", path, headers: Vec::new(), body: Body::Json(&asked) };
        let answer = self.service.json(request)?;
        let list = answer.get("known").and_then(Value::as_array).cloned().unwrap_or_default();
        let text = |known: &Value, name: &str| known.get(name).and_then(Value::as_str).map(str::to_owned);
        let find = |file: &Ready| {
            let source = file.source.to_string();
            let known = list.iter().find(|known| text(known, "source").as_deref() == Some(&source))?;
            let erased = known.get("erased").and_then(Value::as_bool).unwrap_or_default();
            Some(if erased { Known::Erased } else { Known::As(text(known, "document")?) })
        };
        Ok(files.iter().map(find).collect())
    }

    /// Sends a file, and says what became of it.
    fn send(&self, file: &Ready) -> Result<Record, ServiceError> {
        let item = &file.item;
        let mut query = format!("source={}", file.source);
        for (name, value) in item.said.pairs() {
            query.push_str(&format!("&{name}={}", percent(&value)));
        }
        let mut headers = vec![("Repr-Digest", crate::http::digest_header(file.sha256))];
        let name = match &item.said.file_name {
            FileName::Said(name) => Some(name.as_str()),
            FileName::AsItLies => Some(last(&item.path)),
            FileName::Without => None,
        };
        let named = |name| format!("attachment; filename*=UTF-8''{}", percent(name));
        headers.extend(name.map(|name| ("Content-Disposition", named(name))));
        let media_type = item.said.media_type.clone();
        headers.push(("Content-Type", media_type.unwrap_or_else(|| "application/octet-stream".into())));
        let mut open = || -> io::Result<Box<dyn Read>> {
            let opened = self.folder.file(&item.path)?;
            if opened.metadata()?.len() != item.size {
                return Err(io::Error::other(CHANGED));
            }
            Ok(Box::new(opened.take(item.size)))
        };
        let body = Body::Reader(item.size, &mut open);
        let request = Request { method: "POST", path: format!("/v1/documents?{query}"), headers, body };
        let answer = match self.service.ask(request) {
            Ok(answer) => answer,
            Err(ServiceError::Unreadable(error)) => {
                return Ok(file.record(Outcome::Refused).because("changed", error.to_string()));
            }
            Err(error @ ServiceError::CutOff(_)) => {
                return Ok(file.record(Outcome::Refused).because("cut-off", error.to_string()));
            }
            Err(error) => return Err(error),
        };
        let outcome = match answer.status {
            201 => Outcome::Stored,
            202 => Outcome::Held,
            200 => Outcome::AlreadyThere,
            _ => Outcome::Refused,
        };
        let record = file.record(outcome);
        if outcome == Outcome::Refused {
            let name = answer.problem_name();
            let name = if name == "digest-mismatch" { "changed".to_owned() } else { name };
            return Ok(record.because(name, answer.problem()));
        }
        let id = answer.value().get("id").and_then(Value::as_str).map(str::to_owned);
        Ok(Record { id, ..record })
    }
}

const CHANGED: &str = "it was changed while it was read; bring it again when nobody writes to it";

/// What a file became before.
enum Known {
    As(String),
    Erased,
}

impl Ready {
    fn record(&self, outcome: Outcome) -> Record {
        let sha256 = Some(self.sha256.to_string());
        Record { sha256, ..Record::of(&self.item.path, self.item.size, outcome) }
    }
}

/// What a file is known by.
pub(super) fn source(collection: &str, path: &str, sha256: Sha256) -> Sha256 {
    Sha256::of(json!(["stammbuch/source/v1", collection, path, sha256]).to_string().as_bytes())
}

/// The digest of a file; none if it does not have so many bytes any more.
fn digest(file: File, size: u64) -> io::Result<Option<Sha256>> {
    // One byte more, to see that it has grown.
    let mut bounded = file.take(size + 1);
    let (mut hash, mut piece, mut read) = (sha2::Sha256::new(), vec![0; PIECE_BYTES], 0);
    loop {
        let got = bounded.read(&mut piece)?;
        if got == 0 {
            break;
        }
        read += got as u64;
        hash.update(piece.get(..got).unwrap_or_default());
    }
    Ok((read == size).then(|| Sha256::from_bytes(hash.finalize().into())))
}

fn last(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

fn tell(news: &Sender<News>, record: Record) {
    // Whoever reports has ended: then so does this.
    let _ = news.send(News::Record(record));
}

/// Writes down what comes, until all who could tell something have ended, or one has failed.
fn note_all(told: &Receiver<News>, report: &mut Report, progress: &mut Progress) -> Result<(), ImportError> {
    for news in told {
        match news {
            News::Failed(error) => return Err(error),
            News::Record(record) => {
                report.note(&record).map_err(ImportError::Report)?;
                progress.note(&record);
            }
        }
    }
    Ok(())
}

/// Takes what is left of the work, so that who feeds it comes to its end.
fn drain(work: &Mutex<Receiver<Vec<Item>>>, is_left: bool) {
    if is_left {
        let work = work.lock().unwrap_or_else(PoisonError::into_inner);
        work.iter().for_each(drop);
    }
}

impl Amount {
    pub(super) fn add(&mut self, bytes: u64) {
        self.files += 1;
        self.bytes += bytes;
    }
}
