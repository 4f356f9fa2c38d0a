//! From the fixed row to the stored certificate: compose → seal → log → store, each step durable before the next.
//!
//! Each step first looks whether it was done before, so the flow may be cut off anywhere and begun again, also by two
//! at once: there is one signature, one leaf, one revision 1. Knows nothing of orders and of who may have what.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

use super::compose::{ComposeError, compose};
use super::interrupt::{Interrupted, Interrupts, Step};
use super::log::{Log, LogError};
use super::request::{CertificateRequest, RequestError};
use super::signing::{Signers, SigningStatement};
use crate::database::certificates::{self as rows, Certificate, Fixed, Logged, Sealed, Stored};
use crate::database::{Database, DatabaseError, log as log_rows, orders};
use crate::domain::clock::Clock;
use crate::domain::digest::Sha256;
use crate::domain::ids::{AuthorityId, CertificateId, ObjectId};
use crate::events::{Event, Happening, Outbox};
use crate::objects::VaultError;
use crate::pdf::stationery::Stationery;
use crate::seal::{self, SealError, Signature};
use crate::tlog::{Leaf, LeafKind};

/// Why a certificate is not finished yet. Nothing is lost by it: the flow is begun again.
#[derive(Debug, thiserror::Error)]
pub enum IssueError {
    /// There is no such certificate.
    #[error("there is no certificate {0}")]
    Unknown(CertificateId),
    /// The database.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// The stored row cannot be read.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// The page cannot be composed.
    #[error(transparent)]
    Compose(#[from] ComposeError),
    /// The stored statement cannot be read.
    #[error("the statement of the row cannot be read: {0}")]
    Statement(#[from] serde_json::Error),
    /// The signer that the row names has no key here.
    #[error("there is no key for the signer that the row names")]
    NoSigner,
    /// The seal cannot be made.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The log does not answer.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The archive does not answer.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// Composing was torn away (the process is ending).
    #[error("composing was cut off")]
    Torn,
    /// A test cut it off.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
}

/// The archive does not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The objects, or what lies there is not what was written.
    #[error("archive: {0}")]
    Vault(#[from] VaultError),
    /// Their rows.
    #[error("archive: {0}")]
    Database(#[from] DatabaseError),
}

/// Where revisions are kept, encrypted.
#[async_trait]
pub trait Archive: Send + Sync {
    /// Keeps `pdf`. `Ok`: bytes, key and row are durable. The same bytes of the same authority are kept once.
    async fn keep(&self, authority: AuthorityId, pdf: Bytes) -> Result<ObjectId, ArchiveError>;

    /// The bytes again.
    async fn read(&self, authority: AuthorityId, object: ObjectId) -> Result<Bytes, ArchiveError>;
}

/// A certificate that is finished: it may be handed over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issued {
    /// Its id.
    pub id: CertificateId,
    /// The number printed on it.
    pub number: crate::domain::certificate::VerificationNumber,
    /// SHA-256 of revision 1.
    pub sha256: Sha256,
    /// What the log's leaf commits to.
    pub seal_digest: Sha256,
    /// Index of the leaf.
    pub log_index: u64,
    /// The object of revision 1.
    pub object: ObjectId,
}

/// What the flow works with.
#[derive(Clone)]
pub struct Issuance {
    /// Its rows.
    pub database: Database,
    /// The verification log.
    pub log: Arc<Log>,
    /// Where revisions are kept.
    pub archive: Arc<dyn Archive>,
    /// Typefaces and emblems.
    pub stationery: Arc<Stationery>,
    /// The keys.
    pub signers: Arc<dyn Signers>,
    /// The time of each step.
    pub clock: Arc<dyn Clock>,
    /// Where a test cuts the flow off.
    pub interrupts: Arc<dyn Interrupts>,
    /// Told of each certificate that may be handed over.
    pub outbox: Outbox,
}

impl Issuance {
    /// Finishes the certificate that was fixed, from wherever it stands, and gives what there is to hand over.
    ///
    /// # Errors
    /// The step that could not be done now.
    pub async fn issue(&self, id: CertificateId) -> Result<Issued, IssueError> {
        let found = self.database.read(move |tx| Box::pin(rows::by_id(tx, id))).await?;
        let certificate = found.ok_or(IssueError::Unknown(id))?;
        if let Some(issued) = issued(&certificate) {
            return Ok(issued);
        }
        let Certificate { fixed, sealed, logged, .. } = certificate;
        let prepared = self.prepare(&fixed).await?;
        self.interrupts.after(Step::Composed)?;
        let sealed = match sealed {
            Some(sealed) => sealed,
            None => self.seal(&fixed, &prepared).await?,
        };
        self.interrupts.after(Step::Sealed)?;
        let logged = match logged {
            Some(logged) => logged,
            None => self.log(&fixed, &sealed).await?,
        };
        self.interrupts.after(Step::Proven)?;
        let signature = Signature::from_der(sealed.signature.clone())?;
        let revision = prepared.finish(&signature, Some(logged.proof.as_bytes()))?;
        let stored = self.store(&fixed, revision.into()).await?;
        self.interrupts.after(Step::Delivered)?;
        Ok(finished(&fixed, &sealed, &logged, &stored))
    }

    /// Composes the page and prepares it for the signature: always the same bytes from the same row.
    async fn prepare(&self, fixed: &Fixed) -> Result<seal::Prepared, IssueError> {
        let request = CertificateRequest::from_json(fixed.request.as_bytes())?;
        let statement: SigningStatement = serde_json::from_str(&fixed.statement)?;
        let stationery = Arc::clone(&self.stationery);
        let work = tokio::task::spawn_blocking(move || {
            let composed = compose(&request, &stationery)?;
            Ok(seal::prepare(&composed.bytes, statement.profile, &statement.of_seal())?)
        });
        work.await.map_err(|_| IssueError::Torn)?
    }

    /// Signs, keeps the signature, and queues the leaf in the same transaction.
    async fn seal(&self, fixed: &Fixed, prepared: &seal::Prepared) -> Result<Sealed, IssueError> {
        let statement: SigningStatement = serde_json::from_str(&fixed.statement)?;
        let signer =
            self.signers.signer(fixed.authority, &statement.signed_by).ok_or(IssueError::NoSigner)?;
        let signature = prepared.sign(signer.as_ref())?;
        let sealed = Sealed {
            signature: signature.as_der().to_vec(),
            byte_range_digest: *prepared.byte_range_digest(),
            seal_digest: prepared.seal_digest(&signature)?,
        };
        let (id, at) = (fixed.id, self.clock.now());
        let (leaf, keep) = (leaf(fixed, &sealed), sealed.clone());
        let kept = self.database.write(move |tx| {
            Box::pin(async move {
                let first = rows::keep_seal(tx, id, &keep, at).await?;
                if first {
                    log_rows::enqueue(tx, id.as_bytes(), &leaf, at);
                }
                Ok::<_, DatabaseError>(first)
            })
        });
        if kept.await? {
            return Ok(sealed);
        }
        self.again(fixed.id).await?.sealed.ok_or(IssueError::Unknown(fixed.id))
    }

    /// Waits for the leaf's place under a published checkpoint, and keeps the proof.
    async fn log(&self, fixed: &Fixed, sealed: &Sealed) -> Result<Logged, IssueError> {
        let awaited = self.log.expect(fixed.id.as_bytes(), leaf(fixed, sealed));
        let place = self.log.logged(awaited).await?;
        self.interrupts.after(Step::Logged)?;
        let logged = Logged { index: place.index, proof: place.proof(&fixed.salt).to_text() };
        let (id, at, keep) = (fixed.id, self.clock.now(), logged.clone());
        let kept =
            self.database.write(move |tx| Box::pin(async move { rows::keep_proof(tx, id, &keep, at).await }));
        if kept.await? {
            return Ok(logged);
        }
        self.again(fixed.id).await?.logged.ok_or(IssueError::Unknown(fixed.id))
    }

    /// Keeps revision 1, and records where.
    async fn store(&self, fixed: &Fixed, revision: Bytes) -> Result<Stored, IssueError> {
        let sha256 = Sha256::of(&revision);
        let object = self.archive.keep(fixed.authority, revision).await?;
        self.interrupts.after(Step::Stored)?;
        let stored = Stored { object, sha256 };
        let (id, at) = (fixed.id, self.clock.now());
        let (outbox, authority, order) = (self.outbox.clone(), fixed.authority, fixed.order);
        let kept = self.database.write(move |tx| {
            Box::pin(async move {
                let first = rows::keep_revision(tx, id, &stored, at).await?;
                if first && outbox.hears(authority, Happening::CertificateIssued) {
                    let key = orders::business_key(tx, order).await?;
                    let event = Event::order(Happening::CertificateIssued, authority, order, at);
                    outbox.tell(tx, event.certificate(id).business_key(key.as_deref())).await?;
                }
                Ok::<_, DatabaseError>(first)
            })
        });
        let kept = kept.await?;
        self.outbox.wake();
        if kept {
            return Ok(stored);
        }
        self.again(fixed.id).await?.stored.ok_or(IssueError::Unknown(fixed.id))
    }

    pub(crate) async fn again(&self, id: CertificateId) -> Result<Certificate, IssueError> {
        let found = self.database.read(move |tx| Box::pin(rows::by_id(tx, id))).await?;
        found.ok_or(IssueError::Unknown(id))
    }

    /// Finishes what was begun before: at the start of the process, and from time to time.
    ///
    /// # Errors
    /// If the database does not say what was begun. A certificate that cannot be finished now is logged, not an error.
    pub async fn finish_begun(&self) -> Result<usize, IssueError> {
        let begun = self.database.read(|tx| Box::pin(rows::unfinished(tx))).await?;
        let mut finished = 0;
        for id in begun {
            match self.issue(id).await {
                Ok(_) => finished += 1,
                Err(error) => tracing::error!(certificate = %id, %error, "a begun certificate stands still"),
            }
        }
        Ok(finished)
    }
}

fn leaf(fixed: &Fixed, sealed: &Sealed) -> Leaf {
    Leaf::new(LeafKind::Issued, &fixed.salt, &sealed.seal_digest)
}

fn finished(fixed: &Fixed, sealed: &Sealed, logged: &Logged, stored: &Stored) -> Issued {
    Issued {
        id: fixed.id,
        number: fixed.number,
        sha256: stored.sha256,
        seal_digest: sealed.seal_digest,
        log_index: logged.index,
        object: stored.object,
    }
}

/// What there is to hand over; none before revision 1 is stored.
pub fn issued(certificate: &Certificate) -> Option<Issued> {
    let Certificate { fixed, sealed, logged, stored } = certificate;
    Some(finished(fixed, sealed.as_ref()?, logged.as_ref()?, stored.as_ref()?))
}

#[cfg(test)]
#[path = "flow_tests.rs"]
mod tests;
