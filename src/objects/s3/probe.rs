//! What the store really enforces, found out with an object under `probe/`: some answer 200 to everything.

use std::fmt;

use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};

use super::attempt::{Failed, Fault};
use super::requests::{Content, Present, timestamp};
use super::{RetentionMode, S3Store};
use crate::domain::random;
use crate::objects::path::ObjectPath;
use crate::objects::store::StoreError;

/// The folder of the objects it is tried with.
const FOLDER: &str = "probe";
/// How long the lock of the object it is tried with lasts, in seconds.
const LOCKED: i64 = 60;
/// Unfinished multipart uploads older than this are thrown away, and what earlier probes left.
const GIVEN_UP: SignedDuration = SignedDuration::from_hours(24);

/// Whether the store does what it says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Verdict {
    /// It was not asked yet.
    #[default]
    Unknown,
    /// It does.
    Enforced,
    /// It says yes and does not, or cannot.
    Ignored,
}

impl Verdict {
    pub(super) const fn holds(self) -> bool {
        matches!(self, Self::Enforced)
    }

    const fn of(holds: bool) -> Self {
        if holds { Self::Enforced } else { Self::Ignored }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unknown => "unknown",
            Self::Enforced => "enforced",
            Self::Ignored => "ignored",
        })
    }
}

/// What the store enforces. What it does not, this process does: it looks before it writes, one writer of a name at
/// a time, and reads back what it wrote. Between processes the database holds the claim: names of objects are random
/// and become rows, those of the log belong to the holder of its lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Enforced {
    /// An existing name is refused (`If-None-Match: *`).
    pub overwrite: Verdict,
    /// An object is replaced only if it is the expected one (`If-Match`).
    pub swap: Verdict,
    /// Bytes that do not have the digest sent with them are refused.
    pub checksum: Verdict,
    /// What is under retention cannot be removed; only asked where retention is configured.
    pub lock: Verdict,
    /// The bucket keeps old versions, all of which have to be removed.
    pub versioned: bool,
}

impl Enforced {
    /// What is enforced here and not in `later`.
    pub(super) fn ceased_in(&self, later: &Self) -> Vec<&'static str> {
        let pairs = [
            ("overwrite", self.overwrite, later.overwrite),
            ("swap", self.swap, later.swap),
            ("checksum", self.checksum, later.checksum),
            ("lock", self.lock, later.lock),
        ];
        let ceased = pairs.into_iter().filter(|(_, before, now)| before.holds() && !now.holds());
        ceased.map(|(name, ..)| name).collect()
    }
}

impl Default for Enforced {
    fn default() -> Self {
        let unknown = Verdict::Unknown;
        Self { overwrite: unknown, swap: unknown, checksum: unknown, lock: unknown, versioned: true }
    }
}

/// Why it was not found out.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// The store does not answer; ask again later.
    #[error("the object store does not answer: {0}")]
    Away(String),
    /// The bucket, the keys or the rights are wrong.
    #[error("the object store refuses to work: {0}")]
    Refused(String),
}

impl From<Fault> for ProbeError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Away(reason) => Self::Away(reason),
            fault => Self::Refused(fault.to_string()),
        }
    }
}

impl From<Failed> for ProbeError {
    fn from(failed: Failed) -> Self {
        failed.fault.into()
    }
}

impl From<StoreError> for ProbeError {
    fn from(error: StoreError) -> Self {
        Self::Away(error.to_string())
    }
}

impl S3Store {
    /// Finds out what the store enforces and acts accordingly from now on. Takes some ten requests, leaves nothing.
    pub async fn probe(&self) -> Result<Enforced, ProbeError> {
        let name = random::bytes::<16>(&*self.0.asking.random);
        let path = probe_path(&hex::encode(name))?;
        let first = Content::memory(Bytes::from_static(b"first"));
        self.ask(|| self.put(&path, &first, Present::Absent)).await?;
        let (about, _) = self.ask(|| self.head(&path)).await?;
        let versioned = self.keeps_versions(&path).await?;
        let overwrite = Verdict::of(self.refuses_overwrite(&path).await?);
        let swap = Verdict::of(self.compares(&path).await?);
        let checksum = Verdict::of(self.checks_digests(&path).await?);
        let lock = match self.0.retention {
            Some(_) => Verdict::of(self.locks(&path).await?),
            None => Verdict::Unknown,
        };
        let enforced = Enforced { overwrite, swap, checksum, lock, versioned };
        *self.0.enforced.write().unwrap_or_else(std::sync::PoisonError::into_inner) = enforced;
        let _ = self.0.enforced_first.set(enforced);
        self.clear(&path).await;
        if let Some(now) = about.written_at {
            self.clear_older(now - GIVEN_UP).await;
        }
        Ok(enforced)
    }

    /// Whether an object that was written again is there twice.
    async fn keeps_versions(&self, path: &ObjectPath) -> Result<bool, ProbeError> {
        let again = Content::memory(Bytes::from_static(b"again"));
        self.ask(|| self.put(path, &again, Present::Tagged(None))).await?;
        let key = self.key(path);
        let listed = self.ask(|| async {
            let client = &self.0.clients.short;
            Ok(client.list_object_versions().bucket(&self.0.bucket).prefix(&key).send().await?)
        });
        match listed.await {
            Ok((listed, _)) => Ok(listed.versions().len() > 1),
            Err(Failed { fault: Fault::Away(reason), .. }) => Err(ProbeError::Away(reason)),
            Err(Failed { fault, .. }) => {
                tracing::warn!(%fault, "the object store does not list versions; it is taken to keep none");
                Ok(false)
            }
        }
    }

    /// Both ways to write: in one request and in parts.
    async fn refuses_overwrite(&self, path: &ObjectPath) -> Result<bool, ProbeError> {
        let other = Content::memory(Bytes::from_static(b"other"));
        let single = is_refused(self.put(path, &other, Present::Absent).await)?;
        Ok(single && is_refused(self.put_in_parts(path, &other).await)?)
    }

    async fn put_in_parts(&self, path: &ObjectPath, content: &Content) -> Result<(), Fault> {
        let (client, bucket, key) = (&self.0.clients.short, &self.0.bucket, self.key(path));
        let begun = client.create_multipart_upload().bucket(bucket).key(&key).send().await?;
        let id = begun.upload_id().unwrap_or_default();
        let part = client.upload_part().bucket(bucket).key(&key).upload_id(id).part_number(1);
        let sent = part.body(content.body().await?).send().await?;
        let part = CompletedPart::builder().part_number(1).set_e_tag(sent.e_tag().map(str::to_owned)).build();
        let parts = CompletedMultipartUpload::builder().parts(part).build();
        let complete = client.complete_multipart_upload().bucket(bucket).key(&key).upload_id(id);
        let completed = complete.multipart_upload(parts).if_none_match("*").send().await;
        if completed.is_err() {
            self.abort(path, id).await;
        }
        Ok(completed.map(drop)?)
    }

    /// Refuses the wrong tag, and takes the right one.
    async fn compares(&self, path: &ObjectPath) -> Result<bool, ProbeError> {
        let swapped = Content::memory(Bytes::from_static(b"swapped"));
        let wrong = Some("\"00000000000000000000000000000000\"".to_owned());
        if !is_refused(self.put(path, &swapped, Present::Tagged(wrong)).await)? {
            return Ok(false);
        }
        let (found, _) = self.ask(|| self.get(path, None)).await?;
        Ok(!is_refused(self.put(path, &swapped, Present::Tagged(found.tag)).await)?)
    }

    async fn checks_digests(&self, path: &ObjectPath) -> Result<bool, ProbeError> {
        let beside = probe_path(&format!("{}-digest", path.split().1))?;
        let wrong = Content::Memory { bytes: Bytes::from_static(b"wrong"), sha256: [0; 32] };
        let refused = is_refused(self.put(&beside, &wrong, Present::Absent).await)?;
        if !refused {
            self.clear(&beside).await;
        }
        Ok(refused)
    }

    /// Locks the object for a minute and tries to remove it.
    async fn locks(&self, path: &ObjectPath) -> Result<bool, ProbeError> {
        let (about, _) = self.ask(|| self.head(path)).await?;
        let until = about.written_at.map_or(0, Timestamp::as_second) + LOCKED;
        let version = about.version.clone();
        if let Err(error) = self.lock_until(path, about.version, RetentionMode::Governance, until).await {
            tracing::error!(%error, "retention is configured, but the object store does not lock");
            return Ok(false);
        }
        match self.delete_version(path, version.clone()).await {
            Err(StoreError::Locked { .. }) => {}
            // What refuses without a word about locks may have another reason; then it is not known to be one.
            Err(error) => return Err(error.into()),
            Ok(()) => return Ok(false),
        }
        // With the right to do so; without it a later probe clears it away.
        let client = &self.0.clients.short;
        let delete = client.delete_object().bucket(&self.0.bucket).key(self.key(path));
        let _ = delete.set_version_id(version).bypass_governance_retention(true).send().await;
        Ok(true)
    }

    async fn clear(&self, path: &ObjectPath) {
        if let Err(error) = self.delete_all_versions(path).await {
            tracing::debug!(%error, "what the store was tried with still lies there");
        }
    }

    /// What earlier probes and uploads that were given up have left.
    async fn clear_older(&self, before: Timestamp) {
        for left in self.list_below(FOLDER).await.unwrap_or_default() {
            if left.written_at < before {
                self.clear(&left.path).await;
            }
        }
        let client = &self.0.clients.short;
        let listed = client.list_multipart_uploads().bucket(&self.0.bucket).prefix(&self.0.prefix);
        let Ok(listed) = listed.send().await else { return };
        for upload in listed.uploads() {
            let begun = upload.initiated().and_then(timestamp);
            let name = upload.key().and_then(|key| key.strip_prefix(&self.0.prefix));
            let path = name.and_then(|name| name.parse::<ObjectPath>().ok());
            if let (Some(path), Some(id), true) = (path, upload.upload_id(), begun < Some(before)) {
                self.abort(&path, id).await;
            }
        }
    }
}

fn probe_path(name: &str) -> Result<ObjectPath, ProbeError> {
    format!("{FOLDER}/{name}").parse().map_err(|_| ProbeError::Refused("no name for a probe".to_owned()))
}

/// Whether the store said no. No answer is neither.
fn is_refused<T>(outcome: Result<T, Fault>) -> Result<bool, ProbeError> {
    match outcome {
        Ok(_) => Ok(false),
        Err(Fault::Away(reason)) => Err(ProbeError::Away(reason)),
        Err(_) => Ok(true),
    }
}
