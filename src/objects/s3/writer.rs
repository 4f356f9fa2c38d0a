//! An object that arrives in pieces: small ones are held back and sent at once, larger ones go through a spooled file,
//! and from the second part on as a multipart upload. Memory stays the same at any size.

use aws_sdk_s3::types::{ChecksumAlgorithm, CompletedMultipartUpload, CompletedPart};
use bytes::{Bytes, BytesMut};
use tokio::sync::MutexGuard;
use tokio::task::JoinSet;

use super::S3Store;
use super::attempt::{Failed, Fault, failed};
use super::requests::{Content, Summary};
use super::spool::Spooled;
use crate::objects::path::ObjectPath;
use crate::objects::store::{ObjectWriter, StoreError};
use async_trait::async_trait;

/// Bytes that are held back in memory; a smaller object never touches the disk.
const HOLD_BYTES: usize = 256 * 1024;
/// The first parts. S3 takes no smaller ones, except as the last.
const PART_BYTES: u64 = 8 << 20;
/// After so many parts they get twice as large: S3 takes ten times as many.
const PARTS_OF_A_SIZE: usize = 1000;

/// Writes one object.
pub(super) struct S3Writer {
    store: S3Store,
    path: ObjectPath,
    held: Vec<Bytes>,
    held_bytes: usize,
    spooled: Option<Spooled>,
    multipart: Option<Multipart>,
}

/// A multipart upload. Dropped, its parts are thrown away.
struct Multipart {
    store: S3Store,
    path: ObjectPath,
    id: String,
    summaries: Vec<Summary>,
    done: Vec<CompletedPart>,
    /// One part is on its way while the next one fills.
    sending: JoinSet<Result<CompletedPart, StoreError>>,
    finished: bool,
}

impl S3Writer {
    pub(super) const fn new(store: S3Store, path: ObjectPath) -> Self {
        Self { store, path, held: Vec::new(), held_bytes: 0, spooled: None, multipart: None }
    }

    /// Moves what is held in memory to the file.
    async fn spool(&mut self) -> Result<u64, StoreError> {
        let (held, spooled) = (std::mem::take(&mut self.held), self.spooled.take());
        self.held_bytes = 0;
        let folder = self.store.0.spool.clone();
        let written = tokio::task::spawn_blocking(move || {
            let mut spooled = spooled.map_or_else(|| folder.begin(), Ok)?;
            spooled.write(&held)?;
            Ok(spooled)
        });
        let failed = |source| StoreError::Io { doing: "spool", path: self.path.to_string(), source };
        let spooled = written.await.map_err(std::io::Error::other).and_then(|done| done).map_err(failed)?;
        let length = spooled.length();
        self.spooled = Some(spooled);
        Ok(length)
    }

    /// Sends the file as the next part.
    async fn send_part(&mut self) -> Result<(), StoreError> {
        let Some(spooled) = self.spooled.take() else { return Ok(()) };
        let multipart = match &mut self.multipart {
            Some(multipart) => multipart,
            None => self.multipart.insert(Multipart::begin(&self.store, &self.path).await?),
        };
        multipart.wait().await?;
        multipart.send(Content::Part(spooled.end()));
        Ok(())
    }

    fn part_bytes(&self) -> u64 {
        let parts = self.multipart.as_ref().map_or(0, |multipart| multipart.summaries.len());
        PART_BYTES << (parts / PARTS_OF_A_SIZE).min(20)
    }
}

#[async_trait]
impl ObjectWriter for S3Writer {
    async fn write(&mut self, bytes: Bytes) -> Result<(), StoreError> {
        self.held_bytes += bytes.len();
        self.held.push(bytes);
        if self.held_bytes >= HOLD_BYTES && self.spool().await? >= self.part_bytes() {
            self.send_part().await?;
        }
        Ok(())
    }

    async fn finish(mut self: Box<Self>) -> Result<(), StoreError> {
        if self.spooled.is_none() && self.multipart.is_none() {
            let mut bytes = BytesMut::with_capacity(self.held_bytes);
            self.held.iter().for_each(|piece| bytes.extend_from_slice(piece));
            return self.store.put_new(&self.path, &Content::memory(bytes.freeze())).await;
        }
        if self.held_bytes > 0 {
            self.spool().await?;
        }
        if self.multipart.is_some() {
            self.send_part().await?;
        }
        match (self.multipart.take(), self.spooled.take()) {
            (Some(multipart), _) => multipart.complete().await,
            (None, Some(spooled)) => self.store.put_new(&self.path, &Content::Part(spooled.end())).await,
            (None, None) => Err(failed("write", self.path.as_str(), "nothing was spooled".to_owned())),
        }
    }
}

impl Multipart {
    async fn begin(store: &S3Store, path: &ObjectPath) -> Result<Self, StoreError> {
        let begun = store.ask(|| async {
            let client = &store.0.clients.short;
            let request = client.create_multipart_upload().bucket(&store.0.bucket).key(store.key(path));
            let answer = request.checksum_algorithm(ChecksumAlgorithm::Sha256).send().await?;
            answer.upload_id().map(str::to_owned).ok_or_else(|| Fault::Away("no upload id came".to_owned()))
        });
        let (id, _) = begun.await.map_err(|failed| failed.at("begin", path))?;
        let (summaries, done) = (Vec::new(), Vec::new());
        let (store, path) = (store.clone(), path.clone());
        Ok(Self { store, path, id, summaries, done, sending: JoinSet::new(), finished: false })
    }

    /// Sends a part in the background.
    fn send(&mut self, content: Content) {
        self.summaries.push(content.summary());
        let number = i32::try_from(self.summaries.len()).unwrap_or(i32::MAX);
        let (store, path, id) = (self.store.clone(), self.path.clone(), self.id.clone());
        self.sending.spawn(async move {
            let sent = store.ask(|| store.put_part(&path, &id, number, &content)).await;
            sent.map(|(part, _)| part).map_err(|failed| failed.at("write a part of", &path))
        });
    }

    /// Waits for the part on its way.
    async fn wait(&mut self) -> Result<(), StoreError> {
        while let Some(sent) = self.sending.join_next().await {
            let lost = |error: tokio::task::JoinError| failed("write", self.path.as_str(), error.to_string());
            self.done.push(sent.map_err(lost)??);
        }
        Ok(())
    }

    async fn complete(mut self) -> Result<(), StoreError> {
        self.wait().await?;
        let store = self.store.clone();
        let enforced = store.enforced();
        let _alone: Option<MutexGuard<'_, ()>> =
            if enforced.overwrite.holds() { None } else { store.claim(&self.path).await? };
        let parts = CompletedMultipartUpload::builder().set_parts(Some(self.done.clone())).build();
        let completed = store.ask(|| async {
            let client = &store.0.clients.long;
            let request = client.complete_multipart_upload().bucket(&store.0.bucket);
            let request = request.key(store.key(&self.path)).upload_id(&self.id).if_none_match("*");
            request.multipart_upload(parts.clone()).send().await?;
            Ok(())
        });
        match completed.await {
            Ok(_) => self.finished = true,
            Err(Failed { fault: fault @ (Fault::Precondition | Fault::NoUpload), attempts }) => {
                // An earlier attempt may have come through although its answer did not.
                self.finished = fault == Fault::NoUpload;
                if attempts > 1 && store.is_there(&self.path, &self.summaries).await? {
                    return Ok(());
                }
                return Err(match fault {
                    Fault::Precondition => StoreError::Exists { path: self.path.clone() },
                    fault => failed("finish", self.path.as_str(), fault.to_string()),
                });
            }
            Err(failed) => return Err(failed.at("finish", &self.path)),
        }
        if enforced.checksum.holds() || store.is_there(&self.path, &self.summaries).await? {
            return Ok(());
        }
        let reason = "the store gives back other bytes than it was sent".to_owned();
        Err(failed("write", self.path.as_str(), reason))
    }
}

impl Drop for Multipart {
    fn drop(&mut self) {
        if self.finished {
            return;
        }
        self.sending.abort_all();
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let (store, path, id) = (self.store.clone(), self.path.clone(), std::mem::take(&mut self.id));
        // What this does not reach is thrown away by a later start, or by the store's own rules.
        runtime.spawn(async move { store.abort(&path, &id).await });
    }
}

impl S3Store {
    async fn put_part(
        &self,
        path: &ObjectPath,
        id: &str,
        number: i32,
        content: &Content,
    ) -> Result<CompletedPart, Fault> {
        let (client, summary) = (&self.0.clients.long, content.summary());
        let request = client.upload_part().bucket(&self.0.bucket).key(self.key(path)).upload_id(id);
        let request = request
            .part_number(number)
            .content_length(i64::try_from(summary.length).unwrap_or(i64::MAX))
            .checksum_sha256(content.digest())
            .body(content.body().await?);
        let sent = request.customize().disable_payload_signing().send().await?;
        if sent.checksum_sha256().is_some_and(|digest| digest != content.digest()) {
            return Err(Fault::Damaged("the store names another digest of a part".to_owned()));
        }
        let part = CompletedPart::builder().part_number(number).checksum_sha256(content.digest());
        Ok(part.set_e_tag(sent.e_tag().map(str::to_owned)).build())
    }

    pub(super) async fn abort(&self, path: &ObjectPath, id: &str) {
        let aborted = self.ask(|| async {
            let client = &self.0.clients.short;
            let request = client.abort_multipart_upload().bucket(&self.0.bucket).key(self.key(path));
            request.upload_id(id).send().await?;
            Ok(())
        });
        if let Err(Failed { fault, .. }) = aborted.await
            && fault != Fault::NoUpload
        {
            tracing::info!(%path, %fault, "a multipart upload that was given up still lies there");
        }
    }
}
