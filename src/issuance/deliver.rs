//! Handing over what was issued: only when it is stored, only to the authority it is of, and never without a row in
//! the audit trail before the answer.

use bytes::Bytes;

use super::flow::{ArchiveError, Issuance, Issued, issued};
use crate::database::audit::{self, Act};
use crate::database::certificates::{self as rows, Certificate};
use crate::database::{Database, DatabaseError, documents};
use crate::domain::ids::{AuthorityId, CertificateId, ObjectId};
use crate::objects::{ObjectRef, Vault};

/// Who is handed something, for the audit trail.
#[derive(Debug, Clone)]
pub struct Receiver {
    /// Whose certificates exist for them.
    pub authority: AuthorityId,
    /// Person or program.
    pub name: String,
    /// `engine`, `clerk`, `registrar`.
    pub role: &'static str,
    /// The request they ask by.
    pub request_id: Option<String>,
}

/// Why nothing is handed over.
#[derive(Debug, thiserror::Error)]
pub enum DeliverError {
    /// There is no such certificate, no such revision, or it is another authority's.
    #[error("there is no such certificate")]
    NotFound,
    /// It is begun, and not finished yet.
    #[error("the certificate is not finished yet")]
    NotYet,
    /// The database.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// The archive.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
}

/// A certificate that may be handed over.
#[derive(Debug, Clone)]
pub struct Deliverable {
    /// What it is.
    pub issued: Issued,
    /// Its row.
    pub certificate: Certificate,
}

impl Issuance {
    /// A finished certificate of the receiver's authority; the access is noted as `action`.
    ///
    /// # Errors
    /// [`DeliverError`].
    pub async fn deliverable(
        &self,
        to: &Receiver,
        id: CertificateId,
        action: &'static str,
    ) -> Result<Deliverable, DeliverError> {
        let (to, at) = (to.clone(), self.clock.now());
        let found = self.database.write(move |tx| {
            Box::pin(async move {
                let found = rows::by_id(tx, id).await?;
                let certificate = found.filter(|found| found.fixed.authority == to.authority);
                let certificate = certificate.ok_or(DeliverError::NotFound)?;
                let issued = issued(&certificate).ok_or(DeliverError::NotYet)?;
                audit::append(tx, act(&to, id, action, at)).await?;
                Ok::<_, DeliverError>(Deliverable { issued, certificate })
            })
        });
        found.await
    }

    /// The bytes of a revision, of the newest if none is asked for. There is only the first so far.
    ///
    /// # Errors
    /// [`DeliverError`].
    pub async fn pdf(
        &self,
        to: &Receiver,
        id: CertificateId,
        revision: Option<u32>,
    ) -> Result<(Issued, Bytes), DeliverError> {
        if revision.is_some_and(|revision| revision != 1) {
            return Err(DeliverError::NotFound);
        }
        let found = self.deliverable(to, id, "certificate.delivered").await?;
        let bytes = self.archive.read(to.authority, found.issued.object).await?;
        Ok((found.issued, bytes))
    }
}

fn act(to: &Receiver, id: CertificateId, action: &str, at: jiff::Timestamp) -> Act {
    Act {
        at,
        authority: Some(to.authority),
        actor: to.name.clone(),
        role: to.role.to_owned(),
        action: action.to_owned(),
        subject_kind: "certificate".to_owned(),
        subject_id: id.to_string(),
        request_id: to.request_id.clone(),
        personal: None,
    }
}

/// The vault as archive of revisions, with its rows.
pub struct VaultArchive {
    vault: Vault,
    database: Database,
    clock: std::sync::Arc<dyn crate::domain::clock::Clock>,
}

impl VaultArchive {
    /// Revisions in `vault`, noted in `database`.
    pub fn new(
        vault: Vault,
        database: Database,
        clock: std::sync::Arc<dyn crate::domain::clock::Clock>,
    ) -> Self {
        Self { vault, database, clock }
    }
}

#[async_trait::async_trait]
impl super::flow::Archive for VaultArchive {
    async fn keep(&self, authority: AuthorityId, pdf: Bytes) -> Result<ObjectId, ArchiveError> {
        let sealed = self.vault.put(authority, &pdf).await?;
        let (at, now, noted) = (sealed.at, self.clock.now(), sealed);
        let kept = self
            .database
            .write(move |tx| Box::pin(async move { documents::keep_object(tx, &noted, now).await }));
        let object = kept.await?;
        if object != at.object {
            // The same bytes were kept before: this second copy is not referred to by anything.
            self.vault.delete(at).await?;
        }
        self.vault.protect(object).await?;
        Ok(object)
    }

    async fn read(&self, authority: AuthorityId, object: ObjectId) -> Result<Bytes, ArchiveError> {
        Ok(self.vault.read(ObjectRef::own(authority, object)).await?.into())
    }
}
