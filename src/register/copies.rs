//! Taking in dated copies of entries and giving them out: append-only, each act in the audit trail.
//! An entry of another authority's office does not exist for the caller.

use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::entry::{EntryCopy, EntryError, Facts, SubsequentCopy};
use super::key::EntryKey;
use super::lock::Lock;
use crate::database::audit::{self, Act};
use crate::database::entries::{self as rows, LockRow, Received};
use crate::database::{Database, DatabaseError, Tx, authorities, keeping};
use crate::domain::clock::Clock;
use crate::domain::ids::AuthorityId;
use crate::domain::random::{self, Random};

/// Who acts, for the audit trail.
#[derive(Debug, Clone)]
pub struct Actor {
    /// Whose entries exist for them.
    pub authority: AuthorityId,
    /// Person or program.
    pub name: String,
    /// `engine`, `clerk`, `registrar`.
    pub role: &'static str,
    /// The request they act by.
    pub request_id: Option<String>,
}

/// Why a copy is not taken or given.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// There is no such entry, or its office is not one of the caller's authority.
    #[error("there is no such entry")]
    NotFound,
    /// The body is no copy.
    #[error(transparent)]
    Bad(#[from] EntryError),
    /// A newer state is known.
    #[error("the copy shows the entry as of {got}; its state of {known} is known")]
    Older {
        /// Day whose state is known.
        known: Date,
        /// Day whose state the copy shows.
        got: Date,
    },
    /// The database.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

/// What taking in a copy came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// The version it is kept as.
    pub version: u32,
    /// False: the same was known before, and nothing was written.
    pub new: bool,
}

/// An entry as it is known now.
#[derive(Debug, Clone)]
pub struct Known {
    /// The newest version.
    pub version: u32,
    /// The copy with what came in later.
    pub copy: EntryCopy,
    /// The locks.
    pub locks: Vec<Lock>,
}

impl Known {
    /// The facts as they are now.
    pub fn facts(&self, key: EntryKey) -> Facts {
        self.copy.facts(key)
    }
}

/// The copies of an installation.
#[derive(Clone)]
pub struct Copies {
    /// Where they are kept.
    pub database: Database,
    /// When they come in.
    pub clock: Arc<dyn Clock>,
    /// For ids.
    pub random: Arc<dyn Random>,
}

impl Copies {
    /// Takes in the copy of a whole entry. The same again changes nothing.
    ///
    /// # Errors
    /// [`CopyError`]; nothing is kept then.
    pub async fn put(&self, by: &Actor, key: EntryKey, body: &[u8]) -> Result<Taken, CopyError> {
        let mut copy = EntryCopy::from_json(key.register, body)?;
        let locks = copy.locks.take().map(|locks| self.lock_rows(&locks)).transpose()?;
        let (by, at, payload) = (by.clone(), self.clock.now(), copy.to_json()?);
        let taken = self.database.write(move |tx| {
            Box::pin(async move {
                let known = open(tx, &by, &key, at).await?;
                if let Some(current) = &known {
                    not_older(current.as_of, copy.as_of)?;
                }
                let same = known.as_ref().filter(|now| now.copy == payload && now.later.is_empty());
                let received = received(&by, &key, (copy.as_of, copy.source.as_str()), at, payload.clone());
                let taken = match same {
                    Some(now) => Taken { version: now.version, new: false },
                    None => {
                        Taken { version: rows::append(tx, &received, rows::Part::Copy).await?, new: true }
                    }
                };
                if let Some(locks) = locks {
                    rows::replace_locks(tx, &received, locks).await?;
                    keeping::pass_on(tx, by.authority, &key, at).await?;
                }
                note(tx, &by, &key, "entry.received", at).await?;
                Ok::<_, CopyError>(taken)
            })
        });
        taken.await
    }

    /// Takes in one more subsequent entry.
    ///
    /// # Errors
    /// [`CopyError`]; nothing is kept then.
    pub async fn add(&self, by: &Actor, key: EntryKey, body: &[u8]) -> Result<Taken, CopyError> {
        let later = SubsequentCopy::from_json(key.register, body)?;
        let (by, at, payload) = (by.clone(), self.clock.now(), later.to_json()?);
        let taken = self.database.write(move |tx| {
            Box::pin(async move {
                let current = open(tx, &by, &key, at).await?.ok_or(CopyError::NotFound)?;
                if current.later.last() == Some(&payload) {
                    return Ok(Taken { version: current.version, new: false });
                }
                let mut copy = assemble(&key, &current)?;
                let received = received(&by, &key, (later.as_of, later.source.as_str()), at, payload);
                copy.continue_with(later)?;
                let version = rows::append(tx, &received, rows::Part::Subsequent).await?;
                note(tx, &by, &key, "entry.continued", at).await?;
                Ok(Taken { version, new: true })
            })
        });
        taken.await
    }

    /// The entry as it is known now; the reading is in the audit trail before the answer.
    ///
    /// # Errors
    /// [`CopyError::NotFound`], or the database.
    pub async fn get(&self, by: &Actor, key: EntryKey) -> Result<Known, CopyError> {
        let (by, at) = (by.clone(), self.clock.now());
        let found = self.database.write(move |tx| {
            Box::pin(async move {
                let known = known(tx, by.authority, &key, at).await?.ok_or(CopyError::NotFound)?;
                note(tx, &by, &key, "entry.read", at).await?;
                Ok(known)
            })
        });
        found.await
    }

    fn lock_rows(&self, locks: &[Lock]) -> Result<Vec<LockRow>, EntryError> {
        let row = |lock: &Lock| {
            let details = serde_json::to_string(lock)?;
            Ok(LockRow { id: random::bytes(&*self.random), kind: lock.kind(), details })
        };
        locks.iter().map(row).collect()
    }
}

/// What is known of an entry of this authority at `at`; none if it is unknown or its office is not theirs.
///
/// # Errors
/// If the database fails, or holds what cannot be read.
pub async fn known(
    tx: &mut Tx,
    authority: AuthorityId,
    key: &EntryKey,
    at: Timestamp,
) -> Result<Option<Known>, CopyError> {
    if authorities::office_as_of(tx, authority, key.office.as_str(), at).await?.is_none() {
        return Ok(None);
    }
    let Some(current) = rows::current(tx, authority, key).await? else { return Ok(None) };
    let copy = assemble(key, &current)?;
    let mut locks = Vec::new();
    for lock in rows::locks(tx, authority, key).await? {
        locks.push(serde_json::from_str(&lock).map_err(EntryError::from)?);
    }
    Ok(Some(Known { version: current.version, copy, locks }))
}

async fn open(
    tx: &mut Tx,
    by: &Actor,
    key: &EntryKey,
    at: Timestamp,
) -> Result<Option<rows::Current>, CopyError> {
    rows::hold(tx, by.authority, key).await?;
    let office = authorities::office_as_of(tx, by.authority, key.office.as_str(), at).await?;
    office.ok_or(CopyError::NotFound)?;
    Ok(rows::current(tx, by.authority, key).await?)
}

fn assemble(key: &EntryKey, current: &rows::Current) -> Result<EntryCopy, EntryError> {
    let mut copy = EntryCopy::from_json(key.register, current.copy.as_bytes())?;
    for later in &current.later {
        copy.continue_with(SubsequentCopy::from_json(key.register, later.as_bytes())?)?;
    }
    Ok(copy)
}

fn not_older(known: Timestamp, got: Date) -> Result<(), CopyError> {
    let known = known.to_zoned(TimeZone::UTC).date();
    if got < known { Err(CopyError::Older { known, got }) } else { Ok(()) }
}

fn received(
    by: &Actor,
    key: &EntryKey,
    (as_of, source): (Date, &str),
    received_at: Timestamp,
    payload: String,
) -> Received {
    let midnight = as_of.to_zoned(TimeZone::UTC).map(|zoned| zoned.timestamp());
    Received {
        authority: by.authority,
        entry: key.clone(),
        as_of: midnight.unwrap_or(Timestamp::UNIX_EPOCH),
        source: source.to_owned(),
        received_at,
        received_by: by.name.clone(),
        payload,
    }
}

async fn note(
    tx: &mut Tx,
    by: &Actor,
    key: &EntryKey,
    action: &str,
    at: Timestamp,
) -> Result<(), DatabaseError> {
    let act = Act {
        at,
        authority: Some(by.authority),
        actor: by.name.clone(),
        role: by.role.to_owned(),
        action: action.to_owned(),
        subject_kind: "entry".to_owned(),
        subject_id: key.to_string(),
        request_id: by.request_id.clone(),
        personal: None,
    };
    audit::append(tx, act).await.map(|_| ())
}
