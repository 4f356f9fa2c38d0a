//! Single requests to the store and what is taken from their answers. No attempts here, and no decisions.

use std::ops::Range;
use std::time::Duration;

use aws_sdk_s3::primitives::ByteStream;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::{Bytes, BytesMut};
use jiff::Timestamp;
use ring::digest::{Context, SHA256};

use super::S3Store;
use super::attempt::{Failed, Fault};
use super::spool::{Part, finished};
use crate::objects::path::ObjectPath;
use crate::objects::store::{Listed, StoreError};

/// Time for the bytes of one answer: of at most a few MiB.
const BODY: Duration = Duration::from_secs(60);

/// Length and SHA-256 of bytes that were sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Summary {
    pub(super) length: u64,
    pub(super) sha256: [u8; 32],
}

/// Bytes that can be sent as often as it takes.
pub(super) enum Content {
    Memory { bytes: Bytes, sha256: [u8; 32] },
    Part(Part),
}

impl Content {
    pub(super) fn memory(bytes: Bytes) -> Self {
        let mut context = Context::new(&SHA256);
        context.update(&bytes);
        Self::Memory { bytes, sha256: finished(context) }
    }

    pub(super) fn summary(&self) -> Summary {
        match self {
            Self::Memory { bytes, sha256 } => Summary { length: bytes.len() as u64, sha256: *sha256 },
            Self::Part(part) => Summary { length: part.length, sha256: part.sha256 },
        }
    }

    /// The digest as the store writes it.
    pub(super) fn digest(&self) -> String {
        digest_text(&self.summary().sha256)
    }

    pub(super) async fn body(&self) -> Result<ByteStream, Fault> {
        match self {
            Self::Memory { bytes, .. } => Ok(ByteStream::from(bytes.clone())),
            Self::Part(part) => part.body().await.map_err(|error| Fault::Refused(error.to_string())),
        }
    }
}

/// What must be there for a write to happen.
#[derive(Debug, Clone)]
pub(super) enum Present {
    /// Nothing.
    Absent,
    /// The object with this tag; without one the store is not asked to compare.
    Tagged(Option<String>),
}

/// An object's bytes, or some of them.
pub(super) struct Found {
    pub(super) bytes: Bytes,
    /// Of the whole object.
    pub(super) size: u64,
    pub(super) tag: Option<String>,
}

/// What is known about an object without reading it.
#[derive(Debug, Clone)]
pub(super) struct About {
    pub(super) size: u64,
    pub(super) written_at: Option<Timestamp>,
    pub(super) version: Option<String>,
}

impl S3Store {
    /// Writes an object in one request. Gives the digest that the store says it has, if it says one.
    pub(super) async fn put(
        &self,
        path: &ObjectPath,
        content: &Content,
        present: Present,
    ) -> Result<Option<String>, Fault> {
        let Summary { length, .. } = content.summary();
        let client = match content {
            Content::Memory { .. } => &self.0.clients.short,
            Content::Part(_) => &self.0.clients.long,
        };
        let request = client
            .put_object()
            .bucket(&self.0.bucket)
            .key(self.key(path))
            .content_length(i64::try_from(length).unwrap_or(i64::MAX))
            .checksum_sha256(content.digest())
            .body(content.body().await?);
        let request = match present {
            Present::Absent => request.if_none_match("*"),
            Present::Tagged(tag) => request.set_if_match(tag),
        };
        // The digest in the head is signed, and the store checks the body against it.
        let sent = request.customize().disable_payload_signing().send().await?;
        Ok(sent.checksum_sha256().map(str::to_owned))
    }

    /// Reads an object, or the bytes of a range that is not empty. A body that ends early is no answer.
    pub(super) async fn get(&self, path: &ObjectPath, range: Option<Range<u64>>) -> Result<Found, Fault> {
        let asked = range.as_ref().map(|range| format!("bytes={}-{}", range.start, range.end - 1));
        let client = &self.0.clients.short;
        let request = client.get_object().bucket(&self.0.bucket).key(self.key(path)).set_range(asked);
        let mut answer = request.send().await?;
        let length = answer.content_length().and_then(|length| u64::try_from(length).ok());
        let whole = answer.content_range().and_then(|range| range.rsplit_once('/')?.1.parse().ok());
        let bytes = tokio::time::timeout(BODY, all_of(&mut answer.body, length)).await;
        let bytes = bytes.map_err(|_| Fault::Away("the body did not come in time".to_owned()))??;
        let got = bytes.len() as u64;
        let size = match (&range, whole) {
            (None, _) => got,
            (Some(range), Some(size)) if range.end.min(size) - range.start.min(size) == got => size,
            (Some(range), _) => {
                return Err(Fault::Away(format!("{got} bytes came for the range {range:?}")));
            }
        };
        Ok(Found { bytes, size, tag: answer.e_tag().map(str::to_owned) })
    }

    pub(super) async fn head(&self, path: &ObjectPath) -> Result<About, Fault> {
        let request = self.0.clients.short.head_object().bucket(&self.0.bucket).key(self.key(path));
        let answer = request.send().await?;
        let size = answer.content_length().and_then(|length| u64::try_from(length).ok());
        Ok(About {
            size: size.ok_or_else(|| Fault::Away("the store says no size".to_owned()))?,
            written_at: answer.last_modified().and_then(timestamp),
            version: answer.version_id().map(str::to_owned),
        })
    }

    /// Whether the object consists of exactly these pieces, one behind the other: by reading it, piece by piece.
    pub(super) async fn is_there(&self, path: &ObjectPath, pieces: &[Summary]) -> Result<bool, StoreError> {
        let length = pieces.iter().map(|piece| piece.length).sum::<u64>();
        let (about, _) = self.ask(|| self.head(path)).await.map_err(|failed| failed.at("look at", path))?;
        if about.size != length {
            return Ok(false);
        }
        let mut start = 0;
        for piece in pieces {
            let read = self.ask(|| self.digest_of(path, start, piece.length)).await;
            match read {
                Ok((sha256, _)) if sha256 == piece.sha256 => start += piece.length,
                Ok(_) => return Ok(false),
                Err(Failed { fault: Fault::Range | Fault::NotFound, .. }) => return Ok(false),
                Err(failed) => return Err(failed.at("read back", path)),
            }
        }
        Ok(true)
    }

    async fn digest_of(&self, path: &ObjectPath, start: u64, length: u64) -> Result<[u8; 32], Fault> {
        let range = (length > 0).then(|| format!("bytes={start}-{}", start + length - 1));
        let client = &self.0.clients.long;
        let request = client.get_object().bucket(&self.0.bucket).key(self.key(path)).set_range(range);
        let mut body = request.send().await?.body;
        let (mut context, mut got) = (Context::new(&SHA256), 0);
        while let Some(piece) = body.next().await {
            let piece = piece.map_err(|error| Fault::Away(error.to_string()))?;
            got += piece.len() as u64;
            context.update(&piece);
        }
        if got == length {
            Ok(finished(context))
        } else {
            Err(Fault::Away(format!("{got} bytes came where {length} were asked for")))
        }
    }

    pub(super) async fn list_below(&self, folder: &str) -> Result<Vec<Listed>, StoreError> {
        let (mut found, mut after) = (Vec::new(), None::<String>);
        let slash = if folder.is_empty() { "" } else { "/" };
        let prefix = format!("{}{folder}{slash}", self.0.prefix);
        loop {
            let page = self.ask(|| async {
                let client = &self.0.clients.short;
                let request = client.list_objects_v2().bucket(&self.0.bucket).prefix(&prefix);
                Ok(request.set_continuation_token(after.clone()).send().await?)
            });
            let (page, _) = page.await.map_err(|failed| failed.at_folder("list", folder))?;
            for object in page.contents() {
                let name = object.key().and_then(|key| key.strip_prefix(&self.0.prefix));
                let Some(path) = name.and_then(|name| name.parse::<ObjectPath>().ok()) else { continue };
                let size = object.size().and_then(|size| u64::try_from(size).ok()).unwrap_or_default();
                let written_at = object.last_modified().and_then(timestamp).unwrap_or(Timestamp::MAX);
                found.push(Listed { path, size, written_at });
            }
            after = page.next_continuation_token().map(str::to_owned);
            if after.is_none() {
                found.sort_by(|a, b| a.path.cmp(&b.path));
                return Ok(found);
            }
        }
    }
}

/// All bytes of a body, whose number must be the one that was announced.
async fn all_of(body: &mut ByteStream, length: Option<u64>) -> Result<Bytes, Fault> {
    let capacity = length.and_then(|length| usize::try_from(length).ok()).unwrap_or_default();
    let mut bytes = BytesMut::with_capacity(capacity.min(64 << 20));
    while let Some(piece) = body.next().await {
        bytes.extend_from_slice(&piece.map_err(|error| Fault::Away(error.to_string()))?);
    }
    match length {
        Some(length) if length != bytes.len() as u64 => {
            Err(Fault::Away(format!("{} bytes came of {length}", bytes.len())))
        }
        _ => Ok(bytes.freeze()),
    }
}

pub(super) fn timestamp(at: &aws_smithy_types::DateTime) -> Option<Timestamp> {
    Timestamp::new(at.secs(), i32::try_from(at.subsec_nanos()).ok()?).ok()
}

/// A digest as the store writes it.
pub(super) fn digest_text(sha256: &[u8; 32]) -> String {
    BASE64_STANDARD.encode(sha256)
}
