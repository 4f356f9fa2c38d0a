//! Register entries come before the documents that belong to them, copy by copy, each with the locks the entry has now:
//! so an entry is never less sealed here than where it comes from, and what is hidden by it stays hidden.

use std::io::{self, BufReader};

use serde_json::{Map, Value, json};

use super::super::progress::Progress;
use super::super::report::{Outcome, Record, Report};
use super::super::service::{Body, Request, ServiceError};
use super::super::tables::{ENTRIES, Kind, Lines};
use super::{How, Import, ImportError};
use crate::register::{EntryCopy, EntryError, EntryKey, SubsequentCopy};

/// A copy as the table has it.
struct Copy {
    is_whole: bool,
    payload: Value,
}

/// What became of an entry, and why.
type Became = (Outcome, Option<(String, String)>);

impl Import {
    /// Brings the entries of the folder's table, if there is one.
    pub(super) fn entries(&self, report: &mut Report, progress: &mut Progress) -> Result<(), ImportError> {
        let file = match self.folder.file(ENTRIES) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(ImportError::Folder(error)),
        };
        let wrong = |error| ImportError::Table(ENTRIES, error);
        for line in Lines::open(BufReader::new(file), Kind::ENTRIES).map_err(wrong)? {
            let (number, members) = line.map_err(wrong)?;
            let name = members.get("entry").and_then(Value::as_str).unwrap_or("an entry").to_owned();
            let (outcome, why) = match read(&members) {
                Ok((key, copies, locks)) => self.entry(&key, &copies, &locks)?,
                Err(reason) => refused("said", format!("line {number} of {ENTRIES}: {reason}")),
            };
            let record = Record::of(name, 0, outcome);
            let record = match why {
                Some((reason, detail)) => record.because(reason, detail),
                None => record,
            };
            report.note(&record).map_err(ImportError::Report)?;
            progress.note(&record);
        }
        Ok(())
    }

    fn entry(&self, key: &EntryKey, copies: &[Copy], locks: &[Value]) -> Result<Became, ServiceError> {
        let address = format!("/v1/entries/{}", key.path());
        let known = match self.service.ask(Request::get(&address)) {
            Ok(answer) if answer.status == 404 => 0,
            Ok(answer) if answer.status == 200 => match goes_on(key, copies, locks, &answer.value()) {
                Some(known) => known,
                None => {
                    return Ok(refused(
                        "conflict",
                        "another state of the entry is known here; it stays".into(),
                    ));
                }
            },
            Ok(answer) => return Ok(refused(&answer.problem_name(), answer.problem())),
            Err(ServiceError::Forbidden(why)) => return Ok(refused("forbidden", why)),
            Err(error) => return Err(error),
        };
        if known == copies.len() {
            return Ok((Outcome::AlreadyThere, None));
        }
        if self.how == How::AsTrial {
            return Ok((Outcome::WouldBeStored, None));
        }
        for copy in copies.iter().skip(known) {
            let mut body = copy.payload.clone();
            let (method, path) = if copy.is_whole {
                body.as_object_mut().map(|body| body.insert("locks".into(), locks.into()));
                ("PUT", address.clone())
            } else {
                ("POST", format!("{address}/subsequent"))
            };
            let request = Request { method, path, headers: Vec::new(), body: Body::Json(&body) };
            match self.service.ask(request) {
                Ok(answer) if matches!(answer.status, 200 | 201) => {}
                Ok(answer) => return Ok(refused(&answer.problem_name(), answer.problem())),
                Err(ServiceError::Forbidden(why)) => return Ok(refused("forbidden", why)),
                Err(error) => return Err(error),
            }
        }
        Ok((Outcome::Stored, None))
    }
}

fn refused(reason: &str, detail: String) -> Became {
    (Outcome::Refused, Some((reason.to_owned(), detail)))
}

/// How many of the copies are known there, if what is known is what comes of them.
fn goes_on(key: &EntryKey, copies: &[Copy], locks: &[Value], there: &Value) -> Option<usize> {
    let version = usize::try_from(there.get("version")?.as_u64()?).ok()?;
    let state = assembled(key, copies.get(..version)?).ok()?;
    let in_order = |locks: &[Value]| {
        let mut texts: Vec<String> = locks.iter().map(ToString::to_string).collect();
        texts.sort();
        texts
    };
    let same_locks = in_order(there.get("locks")?.as_array()?) == in_order(locks);
    (there.get("entry") == Some(&state) && same_locks).then_some(version)
}

/// The entry as it is once these copies came.
fn assembled(key: &EntryKey, copies: &[Copy]) -> Result<Value, EntryError> {
    let last = copies.iter().rposition(|copy| copy.is_whole).unwrap_or_default();
    let mut state: Option<EntryCopy> = None;
    for copy in copies.iter().skip(last) {
        let json = copy.payload.to_string();
        match &mut state {
            None => state = Some(EntryCopy::from_json(key.register, json.as_bytes())?),
            Some(state) => state.continue_with(SubsequentCopy::from_json(key.register, json.as_bytes())?)?,
        }
    }
    Ok(state.map(|state| json!(state)).unwrap_or_default())
}

/// The parts of a line.
fn read(members: &Map<String, Value>) -> Result<(EntryKey, Vec<Copy>, Vec<Value>), &'static str> {
    let name = members.get("entry").and_then(Value::as_str).ok_or("it names no entry")?;
    let mut parts = name.splitn(4, '/');
    let mut part = || parts.next().unwrap_or_default();
    let key = EntryKey::parse(part(), part(), part(), part()).map_err(|_| "it names no entry")?;
    let list = |name: &str| members.get(name).and_then(Value::as_array);
    let mut copies = Vec::new();
    for copy in list("copies").ok_or("it has no copies")? {
        let is_whole = match copy.get("part").and_then(Value::as_str) {
            Some("main") => true,
            Some("subsequent") => false,
            _ => return Err("a copy is neither main nor subsequent"),
        };
        let payload = copy.get("payload").filter(|payload| payload.is_object());
        copies.push(Copy { is_whole, payload: payload.ok_or("a copy has no payload")?.clone() });
    }
    if !copies.first().is_some_and(|copy| copy.is_whole) {
        return Err("its first copy is not one of the whole entry");
    }
    let now = |lock: &&Value| lock.get("validTo").is_none_or(Value::is_null);
    let locks = list("locks").into_iter().flatten().filter(now);
    let locks = locks.map(|lock| lock.get("lock").unwrap_or(lock).clone()).collect();
    Ok((key, copies, locks))
}
