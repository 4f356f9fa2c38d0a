//! An authority, or single documents, become a bag: every file is checked against the digest the service has of it, and
//! what lies there already and is equal is not fetched again.

mod records;

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use jiff::civil::Date;
use serde_json::Value;

use super::bag::{Bag, Kept, Owner, PackError, Partial};
use super::progress::{Amount, Progress};
use super::report::{Outcome, Record, Report};
use super::service::{Answer, Request, Service, ServiceError};
use super::tables::{DOCUMENTS, Kind, write_line};
use crate::domain::digest::Sha256;
use crate::domain::ids::{AuthorityId, DocumentId};

/// Bytes that are read at a time.
const PIECE_BYTES: usize = 256 * 1024;

/// An export.
pub struct Export {
    /// Where it comes from.
    pub service: Service,
    /// Where it goes to.
    pub folder: PathBuf,
    /// Files on their way at a time.
    pub places: usize,
    /// Whether the text of each document goes along.
    pub texts: Texts,
    /// Whether the audit trail goes along.
    pub trail: Trail,
    /// The day it is made.
    pub today: Date,
}

/// Whether texts go along.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Texts {
    /// With the text that was read out of each document.
    With,
    /// The files say it themselves.
    Without,
}

/// Whether the audit trail goes along.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trail {
    /// With it: the token is an auditor's too.
    With,
    /// Without it.
    Without,
}

/// Why an export ended before its end. What lies there is found there the next time.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The service.
    #[error(transparent)]
    Service(#[from] ServiceError),
    /// The folder.
    #[error(transparent)]
    Pack(#[from] PackError),
    /// The disk.
    #[error("{0} cannot be written")]
    Disk(String, #[source] io::Error),
    /// The token is another authority's.
    #[error("the token is one of authority {got}, not of {expected}")]
    OtherAuthority {
        /// Which was asked for.
        expected: AuthorityId,
        /// Whose the token is.
        got: String,
    },
    /// The service answers something else.
    #[error("the service answered something else than expected: {0}")]
    Unexpected(&'static str),
    /// The report cannot be written.
    #[error("the report cannot be written")]
    Report(#[source] io::Error),
}

/// A document that is to be written.
struct Wanted {
    id: String,
    sha256: Sha256,
    size: u64,
    path: String,
}

/// What became of one.
enum Got {
    /// It is at its place, and what belongs to it.
    Kept(Vec<Kept>),
    /// It was erased since it was listed.
    Gone(String),
    /// The service does not give it.
    Refused(Answer),
}

/// What an export is writing.
struct Run<'r> {
    bag: Bag,
    report: &'r mut Report,
    progress: Progress,
}

impl Export {
    /// Everything that is kept of an authority.
    ///
    /// # Errors
    /// [`ExportError`]; then it is no bag.
    pub fn authority(&self, id: AuthorityId, report: &mut Report) -> Result<(), ExportError> {
        let begun = self.service.json(Request::get("/v1/export"))?;
        let until = text(&begun, "until").ok_or(ExportError::Unexpected("an export without its time"))?;
        let authority = begun.get("authority").cloned().unwrap_or_default();
        let got = text(&authority, "id").unwrap_or_default();
        if got != id.to_string() {
            return Err(ExportError::OtherAuthority { expected: id, got });
        }
        if self.trail == Trail::With {
            // Whether the token permits it is found out before hours of work.
            self.page("audit", &until, None)?;
        }
        let count = |name: &str| authority.get(name).and_then(Value::as_u64).unwrap_or_default();
        let total = Amount { files: count("documents"), bytes: count("bytes") };
        let bag = Bag::open(&self.folder, &Owner { kind: "authority", id: id.to_string() })?;
        let mut run = Run { bag, report, progress: Progress::begin("exported", Some(total)) };
        self.records(&mut run, &authority, &until)?;
        let mut table = self.table(&run.bag, DOCUMENTS, Kind::DOCUMENTS)?;
        let mut after = None;
        loop {
            let (items, next) = self.page("documents", &until, after.as_deref())?;
            self.take(&mut run, &mut table, items)?;
            let Some(next) = next else { break };
            after = Some(next);
        }
        self.end_table(&mut run, table, DOCUMENTS)?;
        let name = authority.get("names").and_then(Value::as_array).and_then(|names| names.last());
        let name = name.and_then(|name| text(name, "name")).unwrap_or_default();
        self.close(run, vec![("Source-Organization", name), ("External-Identifier", id.to_string())])
    }

    /// Single documents.
    ///
    /// # Errors
    /// As [`Self::authority`].
    pub fn documents(&self, ids: &[DocumentId], report: &mut Report) -> Result<(), ExportError> {
        let mut names: Vec<String> = ids.iter().map(ToString::to_string).collect();
        names.sort();
        names.dedup();
        let all = Sha256::of(names.join(" ").as_bytes()).to_string();
        let id = if names.len() == 1 { names.concat() } else { all };
        let bag = Bag::open(&self.folder, &Owner { kind: "documents", id: id.clone() })?;
        let mut run = Run { bag, report, progress: Progress::begin("exported", None) };
        let mut table = self.table(&run.bag, DOCUMENTS, Kind::DOCUMENTS)?;
        for name in &names {
            let answer = self.service.ask(Request::get(format!("/v1/documents/{name}")))?;
            if answer.status == 200 {
                self.take(&mut run, &mut table, vec![answer.value()])?;
            } else {
                let record = Record::of(name, 0, Outcome::Refused);
                run.note(&record.because(answer.problem_name(), answer.problem()))?;
            }
        }
        self.end_table(&mut run, table, DOCUMENTS)?;
        self.close(run, vec![("External-Identifier", id)])
    }

    fn close(&self, run: Run<'_>, mut info: Vec<(&str, String)>) -> Result<(), ExportError> {
        info.push(("Bagging-Date", self.today.to_string()));
        info.push(("Bag-Software-Agent", concat!("stammbuch/", env!("CARGO_PKG_VERSION")).to_owned()));
        run.progress.end();
        run.bag.close(&info).map_err(|error| self.disk(error))
    }

    fn disk(&self, error: io::Error) -> ExportError {
        ExportError::Disk(self.folder.display().to_string(), error)
    }

    /// A page of a part, and where the next one begins.
    fn page(
        &self,
        part: &str,
        until: &str,
        after: Option<&str>,
    ) -> Result<(Vec<Value>, Option<String>), ExportError> {
        let after = after.map(|after| format!("&after={after}")).unwrap_or_default();
        let mut page = self.service.json(Request::get(format!("/v1/export/{part}?until={until}{after}")))?;
        let next = text(&page, "next");
        match page.get_mut("items").map(Value::take) {
            Some(Value::Array(items)) => Ok((items, next)),
            _ => Err(ExportError::Unexpected("a page without items")),
        }
    }

    fn table(&self, bag: &Bag, name: &str, kind: Kind) -> Result<Partial, ExportError> {
        let mut table = bag.begin(name).map_err(|error| self.disk(error))?;
        writeln!(table, "{}", kind.head()).map_err(|error| self.disk(error))?;
        Ok(table)
    }

    fn end_table(&self, run: &mut Run<'_>, table: Partial, path: &str) -> Result<(), ExportError> {
        let kept = run.bag.finish(table, path).map_err(|error| self.disk(error))?;
        run.bag.note(&kept).map_err(|error| self.disk(error))
    }

    /// Fetches the documents of a page and writes their lines, in the page's order.
    fn take(&self, run: &mut Run<'_>, table: &mut Partial, items: Vec<Value>) -> Result<(), ExportError> {
        let wanted = items.iter().map(wanted).collect::<Result<Vec<_>, _>>()?;
        let got = in_parallel(&wanted, self.places, |wanted| self.fetch(&run.bag, wanted));
        for ((item, wanted), got) in items.into_iter().zip(wanted).zip(got) {
            let Value::Object(mut line) = item else { continue };
            // Said also where there is none: the file's name in the bag is not the document's.
            line.entry("fileName").or_insert(Value::Null);
            let record = match got? {
                Got::Kept(kept) => {
                    line.insert("path".into(), wanted.path.as_str().into());
                    kept.iter().try_for_each(|kept| run.bag.note(kept)).map_err(|error| self.disk(error))?;
                    record(&wanted.path, &kept, Some(&wanted.id))
                }
                Got::Gone(why) => {
                    let record = Record::of(&wanted.path, 0, Outcome::PassedOver);
                    run.note(&Record { id: Some(wanted.id), ..record }.because("gone", why))?;
                    continue;
                }
                Got::Refused(answer) => {
                    line.insert("path".into(), Value::Null);
                    line.insert("problem".into(), answer.problem_name().into());
                    let record = Record::of(&wanted.path, wanted.size, Outcome::Refused);
                    Record { id: Some(wanted.id), ..record }.because(answer.problem_name(), answer.problem())
                }
            };
            write_line(table, &line.into()).map_err(|error| self.disk(error))?;
            run.note(&record)?;
        }
        Ok(())
    }

    fn fetch(&self, bag: &Bag, wanted: &Wanted) -> Result<Got, ExportError> {
        let there = bag.there(&wanted.path, wanted.sha256, wanted.size).map_err(|error| self.disk(error))?;
        let mut all = Vec::new();
        match there {
            Some(kept) => all.push(kept),
            None => {
                let from = format!("/v1/documents/{}/content", wanted.id);
                match self.download(bag, &from, &wanted.path, Some(wanted.sha256))? {
                    Ok(kept) => all.push(kept),
                    Err(answer) if matches!(answer.status, 404 | 410) => {
                        return Ok(Got::Gone(answer.problem()));
                    }
                    Err(answer) => return Ok(Got::Refused(answer)),
                }
            }
        }
        if self.texts == Texts::With {
            let from = format!("/v1/documents/{}/text", wanted.id);
            let path = format!("texts/{}.json", sharded(&wanted.id));
            // 409: no text was read out of it, or not yet.
            all.extend(self.download(bag, &from, &path, None)?.ok());
        }
        Ok(Got::Kept(all))
    }

    /// Fetches what is at `from` and puts it at `path`. It has to have this digest, or the one the answer says.
    fn download(
        &self,
        bag: &Bag,
        from: &str,
        path: &str,
        expected: Option<Sha256>,
    ) -> Result<Result<Kept, Answer>, ExportError> {
        match self.download_whole(bag, from, path, expected) {
            // The service is there, and this body breaks off each time: the others are fetched all the same.
            Err(ExportError::Service(ServiceError::CutOff(_))) => {
                let body = br#"{"type":"cut-off","title":"The answer breaks off each time."}"#.to_vec();
                Ok(Err(Answer { status: 500, body }))
            }
            other => other,
        }
    }

    fn download_whole(
        &self,
        bag: &Bag,
        from: &str,
        path: &str,
        expected: Option<Sha256>,
    ) -> Result<Result<Kept, Answer>, ExportError> {
        let mut disk = None;
        let name = path.replace('/', "-");
        let (status, taken) = self.service.ask_for(&mut Request::get(from), |answer| {
            if answer.status() != 200 {
                let body = answer.body_mut().with_config().limit(1 << 20).read_to_vec()?;
                return Ok(Err(body));
            }
            let said = answer.headers().get("repr-digest").and_then(|value| value.to_str().ok());
            let said = expected.map(crate::http::digest_header).or_else(|| said.map(str::to_owned));
            match bag.begin(&name) {
                Ok(mut partial) => {
                    let mut body = answer.body_mut().with_config().limit(u64::MAX).reader();
                    disk = copy(&mut body, &mut partial)?.err();
                    Ok(Ok(Some((partial, said))))
                }
                Err(error) => {
                    disk = Some(error);
                    Ok(Ok(None))
                }
            }
        })?;
        if let Some(error) = disk {
            return Err(self.disk(error));
        }
        match taken {
            Err(body) => Ok(Err(Answer { status, body })),
            Ok(None) => Err(ExportError::Unexpected("nothing")),
            Ok(Some((partial, said))) => {
                let got = crate::http::digest_header(partial.digest());
                if said.is_some_and(|said| said != got) {
                    let body =
                        br#"{"type":"digest-mismatch","title":"The bytes are not those of its digest."}"#;
                    return Ok(Err(Answer { status: 500, body: body.to_vec() }));
                }
                bag.finish(partial, path).map(Ok).map_err(|error| self.disk(error))
            }
        }
    }
}

impl Run<'_> {
    fn note(&mut self, record: &Record) -> Result<(), ExportError> {
        self.progress.note(record);
        self.report.note(record).map_err(ExportError::Report)
    }
}

/// Copies to the end. The outer error is the connection's, the inner one the disk's.
fn copy(from: &mut impl io::Read, to: &mut Partial) -> Result<Result<(), io::Error>, ureq::Error> {
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        let got = from.read(&mut piece).map_err(ureq::Error::Io)?;
        if got == 0 {
            return Ok(Ok(()));
        }
        if let Err(error) = to.write_all(piece.get(..got).unwrap_or_default()) {
            return Ok(Err(error));
        }
    }
}

fn record(path: &str, kept: &[Kept], id: Option<&str>) -> Record {
    let (size, sha256) = kept.first().map_or((0, None), |kept| (kept.size, Some(kept.sha256.to_string())));
    let was_there = kept.iter().all(|kept| kept.was_there);
    let outcome = if was_there { Outcome::AlreadyThere } else { Outcome::Exported };
    Record { id: id.map(str::to_owned), sha256, ..Record::of(path, size, outcome) }
}

fn wanted(item: &Value) -> Result<Wanted, ExportError> {
    let unfit = || ExportError::Unexpected("a document without id, digest or size");
    let id = text(item, "id").filter(|id| id.parse::<DocumentId>().is_ok()).ok_or_else(unfit)?;
    let sha256 = text(item, "sha256").and_then(|text| text.parse().ok()).ok_or_else(unfit)?;
    let size = item.get("size").and_then(Value::as_u64).ok_or_else(unfit)?;
    let path = format!("documents/{}.{}", sharded(&id), ending(&text(item, "mediaType").unwrap_or_default()));
    Ok(Wanted { id, sha256, size, path })
}

/// `ab/abcd…`: names of letters and digits that no file system folds, cuts or forbids, few in a folder.
fn sharded(id: &str) -> String {
    format!("{}/{id}", id.get(..2).unwrap_or_default())
}

/// What names of such files end with.
fn ending(media_type: &str) -> &'static str {
    match media_type {
        "application/pdf" => "pdf",
        "text/plain" => "txt",
        "text/html" => "html",
        "application/xml" | "text/xml" => "xml",
        "message/rfc822" => "eml",
        "application/rtf" | "text/rtf" => "rtf",
        "image/png" => "png",
        "image/jpeg" => "jpg",
        "image/tiff" => "tif",
        "image/svg+xml" => "svg",
        "application/zip" => "zip",
        "application/msword" => "doc",
        "application/vnd.ms-outlook" => "msg",
        "application/vnd.ms-excel" => "xls",
        "application/vnd.oasis.opendocument.text" => "odt",
        "application/vnd.oasis.opendocument.spreadsheet" => "ods",
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document" => "docx",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet" => "xlsx",
        "application/vnd.openxmlformats-officedocument.presentationml.presentation" => "pptx",
        _ => "bin",
    }
}

fn text(value: &Value, name: &str) -> Option<String> {
    value.get(name).and_then(Value::as_str).map(str::to_owned)
}

/// Works on all of them, some at a time; what came of each, in their order.
fn in_parallel<T: Sync, R: Send>(items: &[T], places: usize, work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let mut done: Vec<(usize, R)> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..places.clamp(1, items.len().max(1)))
            .map(|_| {
                scope.spawn(|| {
                    let mut own = Vec::new();
                    loop {
                        let at = next.fetch_add(1, Ordering::Relaxed);
                        let Some(item) = items.get(at) else { return own };
                        own.push((at, work(item)));
                    }
                })
            })
            .collect();
        threads.into_iter().filter_map(|thread| thread.join().ok()).flatten().collect()
    });
    done.sort_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, result)| result).collect()
}
