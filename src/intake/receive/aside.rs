//! Files that are no documents, for now or ever: an infected one goes to the quarantine; one without a clear answer is
//! refused or waits for the scanner, as configured. Each is one transaction with its audit row and its answer.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{
    Kept, Once, Outcome, ReceiveError, Receiver, Row, Sender, Uploaded, act, act_of, answered, known, source,
};
use crate::database::audit::{self, Act, Personal};
use crate::database::held::{self, Held};
use crate::database::idempotency::{self, Answered};
use crate::database::quarantine::{self, Quarantined};
use crate::database::{DatabaseError, Tx, documents, jobs, sources};
use crate::domain::digest::Sha256;
use crate::domain::ids::{DocumentId, ObjectId, QuarantineId};
use crate::events::{Event, Happening, Outbox};
use crate::intake::fields::Fields;
use crate::intake::steps::{Step, Steps};
use crate::jobs::Wake;
use crate::objects::{ObjectRef, Sealed};
use crate::scan::{Signature, Unclear, Verdict};

/// The kind of the job that scans a file again that waits; its payload is `{"document": id}`.
pub const SCAN_JOB: &str = "scan";

/// What a document with the bytes of an infected file is flagged with.
pub const INFECTED: &str = "infected";

/// What becomes of a file to which the scanner gives no clear answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WhenUnclear {
    /// Nothing of it is kept.
    #[default]
    Refuse,
    /// It waits, durable and read by nobody, until there is a clear answer.
    Hold,
}

/// How files are set aside. Clones share it.
#[derive(Clone)]
pub struct Aside {
    /// What becomes of those without a clear answer.
    pub unclear: WhenUnclear,
    /// For how long infected ones are kept.
    pub kept: SignedDuration,
    /// How many bytes of them are kept for each authority.
    pub bytes_max: u64,
    /// Told that a file waits.
    pub jobs: Option<Wake>,
    /// Told of what was found infected.
    pub outbox: Outbox,
}

impl Default for Aside {
    fn default() -> Self {
        Self {
            unclear: WhenUnclear::Refuse,
            kept: SignedDuration::from_hours(30 * 24),
            bytes_max: 1 << 30,
            jobs: None,
            outbox: Outbox::silent(),
        }
    }
}

/// A request and what is known of it, on its way to a transaction.
pub(super) struct Request<'r> {
    pub(super) fields: &'r Fields,
    pub(super) sender: &'r Sender,
    pub(super) once: Option<Once>,
    pub(super) print: Sha256,
    pub(super) steps: &'r dyn Steps,
}

impl Receiver {
    /// What becomes of a file that is not clean.
    pub(super) async fn set_aside(
        &self,
        uploaded: Uploaded,
        request: Request<'_>,
    ) -> Result<Kept, ReceiveError> {
        match uploaded.verdict.clone() {
            Verdict::Infected(signature) => self.quarantine(uploaded, signature, request).await,
            Verdict::Unclear(why) if self.aside.unclear == WhenUnclear::Refuse => {
                self.refuse(why, request).await
            }
            _ => self.hold(uploaded, request).await,
        }
    }

    /// Who was answered before gets that answer, whatever the scanner says today.
    async fn refuse(&self, why: Unclear, request: Request<'_>) -> Result<Kept, ReceiveError> {
        let before = match &request.once {
            Some(once) => self.kept_meanwhile(once, request.print).await?,
            None => None,
        };
        before.ok_or(ReceiveError::Unscanned(why))
    }

    async fn hold(&self, uploaded: Uploaded, request: Request<'_>) -> Result<Kept, ReceiveError> {
        let Request { fields, sender, once, print, steps } = request;
        let (id, at) = (DocumentId::draw(&*self.random), uploaded.at);
        let (media_type, file_name) = (uploaded.media_type, uploaded.file_name);
        steps.after(Step::TakenIn).await;
        let sealed = uploaded.writer.finish().await?;
        steps.after(Step::Durable).await;
        let (fresh, now) = (sealed.at, self.clock.now());
        let row = Row { id, media_type, file_name, at, stored_at: now, scanned_at: None };
        let document = row.document(&sealed, fields, sender);
        let once = once.map(|once| self.answered(once, print, Outcome::Held(&document), now));
        let source = source(fields, sender);
        let job = self.job(SCAN_JOB, &document);
        let act = Act { action: "document.held".to_owned(), ..act(&document, sender) };
        let held = Held { document, seals: String::new(), cipher_sha256: sealed.cipher_sha256 };
        let done = self.database.write::<_, ReceiveError, _>(move |tx| {
            Box::pin(async move {
                if let Some(before) = before(tx, once.as_ref()).await? {
                    return Ok((before, None));
                }
                if let Some(source) = &source
                    && let Some(taken) = sources::claim(tx, source, id, now).await?
                {
                    if let Some(once) = &once {
                        idempotency::withdraw(tx, once);
                    }
                    return known(taken).map(|known| (known, None));
                }
                held::insert(tx, &held)?;
                audit::append(tx, act).await?;
                jobs::enqueue(tx, &job, now).await?;
                let object = held.document.object;
                Ok((Kept::Held(Box::new(held.document)), Some(object)))
            })
        });
        let outcome = self.settled(done.await, fresh, steps).await;
        if let Some(jobs) = &self.aside.jobs {
            jobs.wake();
        }
        outcome
    }

    async fn quarantine(
        &self,
        uploaded: Uploaded,
        signature: Signature,
        request: Request<'_>,
    ) -> Result<Kept, ReceiveError> {
        let Request { sender, once, print, steps, .. } = request;
        steps.after(Step::TakenIn).await;
        let sealed = uploaded.writer.finish().await?;
        steps.after(Step::Durable).await;
        let (fresh, now) = (sealed.at, self.clock.now());
        let infected = self.infected(&sealed, &signature, (sender.client.clone(), sender.request_id.clone()));
        let act = Act {
            at: now,
            action: "upload.infected".to_owned(),
            subject_kind: "quarantine".to_owned(),
            subject_id: infected.id.to_string(),
            personal: Some(self.particulars(&infected)),
            ..act_of(sender)
        };
        let once = once.map(|once| self.answered(once, print, Outcome::Infected(&signature), now));
        let receiver = self.clone();
        let done = self.database.write::<_, ReceiveError, _>(move |tx| {
            Box::pin(async move {
                if let Some(before) = before(tx, once.as_ref()).await? {
                    return Ok((Some(before), None));
                }
                let kept = receiver.put_apart(tx, &infected, act).await?;
                Ok((None, infected.object.filter(|_| kept)))
            })
        });
        let before = self.settled(done.await, fresh, steps).await?;
        tracing::warn!(%signature, "an infected upload was refused");
        self.aside.outbox.wake();
        before.ok_or(ReceiveError::Infected { signature })
    }

    /// Removes the fresh object if nothing refers to it. After a failed commit that is unknown.
    async fn settled<T>(
        &self,
        outcome: Result<(T, Option<ObjectId>), ReceiveError>,
        fresh: ObjectRef,
        steps: &dyn Steps,
    ) -> Result<T, ReceiveError> {
        let may_be_needed = match &outcome {
            Ok((_, object)) => *object == Some(fresh.object),
            Err(error) => matches!(error, ReceiveError::Database(_)),
        };
        if outcome.is_ok() {
            steps.after(Step::Committed).await;
        }
        if !may_be_needed {
            // If this fails, the sweep removes it after the grace period.
            let _ = self.vault.delete(fresh).await;
        }
        outcome.map(|(told, _)| told)
    }

    /// An infected file as its row says it.
    pub(in crate::intake) fn infected(
        &self,
        sealed: &Sealed,
        signature: &Signature,
        (client, request_id): (String, Option<String>),
    ) -> Quarantined {
        let found_at = self.clock.now();
        Quarantined {
            id: QuarantineId::draw(&*self.random),
            authority: sealed.at.authority,
            object: Some(sealed.at.object),
            sha256: sealed.sha256,
            size: sealed.size,
            signature: signature.as_str().to_owned(),
            client,
            request_id,
            document: None,
            restricted: false,
            found_at,
            until: found_at.checked_add(self.aside.kept).unwrap_or(Timestamp::MAX),
        }
    }

    /// What the audit trail remembers of it beyond its row, until its term: the digest may point at a person.
    pub(in crate::intake) fn particulars(&self, infected: &Quarantined) -> Personal {
        Personal::new(&*self.random, &json!({ "signature": infected.signature, "sha256": infected.sha256 }))
    }

    /// Writes an infected file down, and flags the documents that have the same bytes: they came when nobody knew.
    /// Answers whether its bytes are kept.
    pub(in crate::intake) async fn put_apart(
        &self,
        tx: &mut Tx,
        infected: &Quarantined,
        act: Act,
    ) -> Result<bool, DatabaseError> {
        let Quarantined { authority, sha256, found_at, .. } = *infected;
        let kept = quarantine::put(tx, infected, self.aside.bytes_max).await?;
        audit::append(tx, act).await?;
        for (id, flag) in documents::with_bytes(tx, authority, sha256).await? {
            if flag.as_deref() != Some(INFECTED) {
                documents::set_flag(tx, authority, id, INFECTED, found_at).await?;
                let event = Event::document(Happening::DocumentFlagged, authority, id, found_at);
                self.aside.outbox.tell(tx, event.reason(INFECTED)).await?;
            }
        }
        Ok(kept)
    }
}

/// Claims the key of a request for its answer; what it was answered before, if it was.
async fn before(tx: &mut Tx, once: Option<&Answered>) -> Result<Option<Kept>, ReceiveError> {
    let claim = idempotency::claim_all(tx, &[once]).await?.pop().flatten();
    claim.map_or(Ok(None), |claim| answered(claim)?.ok_or(ReceiveError::KeyInUse).map(Some))
}
