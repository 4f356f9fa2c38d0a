//! The decision to erase a document: in one transaction nobody reaches it any more, by no address and no search, and
//! what has to go elsewhere is noted. Refused while it is held, and before its term where the term is the ground.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde_json::json;

use super::{By, Retention, RetentionError};
use crate::database::audit::Act;
use crate::database::documents::Document;
use crate::database::erasures::{self, Doomed, Erasure};
use crate::database::idempotency::StoredAnswer;
use crate::database::index_changes::{self, Hides};
use crate::database::{DatabaseError, Tx, audit, documents, held, jobs, keeping};
use crate::domain::ids::{AuthorityId, DocumentId};
use crate::domain::retention::{ErasureReason, Provision, first_day_after};
use crate::events::{Event, Happening};
use crate::intake::receive::{EXTRACT_JOB, SCAN_JOB};

/// Why a document is erased.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grounds {
    /// In a word.
    pub reason: ErasureReason,
    /// What permits it.
    pub provision: Provision,
}

impl Retention {
    /// Erases a document. `Ok`: nobody reaches it, and the rest follows whatever happens. The same again answers what
    /// was done. `gone` is what an idempotency key of the upload answers from now on.
    ///
    /// # Errors
    /// [`RetentionError`]; nothing is changed then.
    pub async fn erase(
        &self,
        by: &By,
        document: DocumentId,
        grounds: Grounds,
        gone: StoredAnswer,
    ) -> Result<Erasure, RetentionError> {
        let act = self.act(by, document, "document.erased", None);
        let (by, outbox) = (by.clone(), self.outbox.clone());
        let done = self.database.write::<_, RetentionError, _>(move |tx| {
            Box::pin(async move {
                tx.serialize_on(&format!("document {document}")).await?;
                if let Some(before) = erasures::find(tx, by.reader.authority, document).await? {
                    return Ok(before);
                }
                // First, so that no text of it is kept any more by whoever reads it out right now.
                let job = json!({ "document": document });
                jobs::cancel(tx, by.reader.authority, EXTRACT_JOB, &job).await?;
                jobs::cancel(tx, by.reader.authority, SCAN_JOB, &job).await?;
                let found = match documents::find(tx, by.reader.authority, document).await? {
                    Some(found) => Some(found),
                    None => waiting(tx, by.reader.authority, document).await?,
                };
                let found = found.filter(|seen| by.reader.may_see(seen.authority, &seen.restriction));
                let found = found.ok_or(RetentionError::NotFound)?;
                must_be_permitted(tx, &found, &grounds, act.at.to_zoned(TimeZone::UTC).date()).await?;
                let erasure = erasure(&found, &grounds, &act);
                if !erasure.restricted {
                    let authority = erasure.authority;
                    let event = Event::document(Happening::DocumentErased, authority, document, act.at);
                    outbox.tell(tx, event).await?;
                }
                Ok(erase(tx, erasure, &found, act, &gone).await?)
            })
        });
        let erasure = done.await?;
        self.index.notify_one();
        self.erased.notify_one();
        self.outbox.wake();
        Ok(erasure)
    }
}

/// The file that waits to become this document: it waits no more.
async fn waiting(
    tx: &mut Tx,
    authority: AuthorityId,
    document: DocumentId,
) -> Result<Option<Document>, DatabaseError> {
    let found = held::find(tx, authority, document).await?;
    held::remove(tx, authority, document).await?;
    Ok(found.map(|held| Document { restriction: held.restriction(), ..held.document }))
}

async fn must_be_permitted(
    tx: &mut Tx,
    document: &Document,
    grounds: &Grounds,
    today: Date,
) -> Result<(), RetentionError> {
    let holds = keeping::holds(tx, document.authority, document.id).await?.len();
    if holds > 0 {
        return Err(RetentionError::Held { holds });
    }
    match term_of(document) {
        Some(until) if grounds.reason == ErasureReason::TermEnded && today < until => {
            Err(RetentionError::TermNotEnded { until })
        }
        _ => Ok(()),
    }
}

/// The first day after the term of the entry it belongs to; none if it belongs to none.
fn term_of(document: &Document) -> Option<Date> {
    let mut parts = document.entry.as_deref()?.split('/');
    let register = parts.next()?.chars().next()?;
    first_day_after(register, parts.nth(1)?.parse().ok()?)
}

fn erasure(document: &Document, grounds: &Grounds, act: &Act) -> Erasure {
    Erasure {
        document: document.id,
        authority: document.authority,
        reason: grounds.reason.as_str().to_owned(),
        provision: grounds.provision.as_str().to_owned(),
        erased_at: act.at,
        erased_by: act.actor.clone(),
        restricted: !document.restriction.is_empty(),
        done_at: None,
    }
}

async fn erase(
    tx: &mut Tx,
    erasure: Erasure,
    document: &Document,
    act: Act,
    gone: &StoredAnswer,
) -> Result<Erasure, DatabaseError> {
    announce(tx, &erasure, act).await?;
    let index_seq = index_changes::last(tx).await?;
    let doomed = Doomed {
        object: (document.object, document.sha256),
        text: document.extracted.as_ref().and_then(|extracted| extracted.text),
        stored_at: document.stored_at,
    };
    erasures::erase(tx, &erasure, &doomed, index_seq, gone).await?;
    Ok(erasure)
}

/// Decides again what was decided before, in an installation that was restored from a backup of an earlier day: nobody
/// reaches the document from the commit on, whatever holds it had then. `false`: there is nothing to erase.
///
/// # Errors
/// The database's.
pub async fn replay(tx: &mut Tx, erasure: Erasure, gone: StoredAnswer) -> Result<bool, DatabaseError> {
    let (document, authority) = (erasure.document, erasure.authority);
    tx.serialize_on(&format!("document {document}")).await?;
    if erasures::find(tx, authority, document).await?.is_some() {
        return Ok(false);
    }
    jobs::cancel(tx, authority, EXTRACT_JOB, &json!({ "document": document })).await?;
    let Some(found) = documents::find(tx, authority, document).await? else { return Ok(false) };
    let act = Act {
        at: erasure.erased_at,
        authority: Some(authority),
        actor: erasure.erased_by.clone(),
        role: "registrar".to_owned(),
        action: "document.erased".to_owned(),
        subject_kind: "document".to_owned(),
        subject_id: document.to_string(),
        request_id: None,
        personal: None,
    };
    erase(tx, erasure, &found, act, &gone).await.map(|_| true)
}

/// Tells everybody who has to know of an erasure, in its transaction: the audit trail and the index. What is told to
/// others outside (identifiers only) is written down here too.
async fn announce(tx: &mut Tx, erasure: &Erasure, act: Act) -> Result<(), DatabaseError> {
    audit::append(tx, act).await?;
    let (document, authority) = (erasure.document, erasure.authority);
    index_changes::append_hiding(tx, document, authority, erasure.erased_at, Hides::FromAll).await
}
