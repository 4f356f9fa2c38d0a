//! A registrar releases: what was checked when the order came in is checked again, who is entitled is recorded, and
//! the certificate is fixed, all in one transaction. From then on it will be issued, whatever happens.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::json;

use super::check::Refusal;
use super::matter::{Asked, IssueSettings, Matter, Printed};
use super::request::{OrderRequest, Particulars, ReleaseRequest};
use super::{Answer, Noted, OrderError, Orders, Registrar, note, refused, sent_as, today, told};
use crate::database::certificates::{self, Fixed, STATUS_LIST_BITS};
use crate::database::journal::{self, Item};
use crate::database::orders::{self as rows, Order, OrderState, SentAs};
use crate::database::{Tx, entries};
use crate::domain::certificate::VerificationNumber;
use crate::domain::ids::{CertificateId, OrderId};
use crate::domain::random::{self, Random};
use crate::events::{Event, Happening, Outbox};
use crate::issuance::compose::rehearse;
use crate::issuance::flow::{IssueError, Issued};
use crate::issuance::signing::{SignedBy, SigningStatement};
use crate::register::rules::Entitlement;
use crate::seal::Profile;
use crate::tlog::Salt;

/// How many places in the status list are tried.
const STATUS_DRAWS: usize = 32;

/// Everything that is drawn by lot, before the transaction.
struct Draws {
    certificate: CertificateId,
    number: VerificationNumber,
    salt: Salt,
    status: Vec<u32>,
}

impl Draws {
    fn draw(random: &dyn Random) -> Self {
        let place = || u32::from_be_bytes(random::bytes(random)) % STATUS_LIST_BITS;
        Self {
            certificate: CertificateId::draw(random),
            number: VerificationNumber::draw(random),
            salt: Salt::draw(random),
            status: std::iter::repeat_with(place).take(STATUS_DRAWS).collect(),
        }
    }
}

/// What is to be fixed in one transaction.
struct Fixing {
    by: Registrar,
    order: Order,
    /// Set if the order comes in at the same time.
    sent: Option<SentAs>,
    asked: Asked,
    by_demo_key: bool,
    /// None: nobody here can sign it.
    profile: Option<Profile>,
    draws: Draws,
    at: Timestamp,
    settings: IssueSettings,
    outbox: Outbox,
    random: Arc<dyn Random>,
}

/// What became of it.
enum Outcome {
    Fixed(CertificateId),
    Refused(Refusal),
    /// Somebody else decided in between.
    Decided,
}

impl Orders {
    /// A registrar releases an order. Released before, it gives the same certificate.
    ///
    /// # Errors
    /// [`OrderError::Refused`] with the paragraph, [`OrderError::NotFound`], or what stands in the way of composing.
    pub async fn release(
        &self,
        by: &Registrar,
        id: OrderId,
        release: ReleaseRequest,
    ) -> Result<Issued, OrderError> {
        let found = self.find(by.sender.authority, id).await?;
        if found.order.state != OrderState::AwaitingRelease {
            return self.outcome(found).await;
        }
        let particulars: Particulars = serde_json::from_str(&found.order.request)?;
        let asked = Asked {
            kind: found.order.kind,
            omit: particulars.omit.into_iter().collect(),
            purpose: particulars.purpose,
            applicant: release.applicant.unwrap_or(particulars.applicant),
            findings: release.findings,
        };
        match self.fix(by, found.order, None, asked).await? {
            Outcome::Fixed(certificate) => Ok(self.issuance.issue(certificate).await?),
            Outcome::Refused(refusal) => Err(OrderError::Refused(refusal)),
            Outcome::Decided => {
                let found = self.find(by.sender.authority, id).await?;
                self.outcome(found).await
            }
        }
    }

    /// A registrar orders and releases in one. The same under the same key gives the same certificate.
    ///
    /// # Errors
    /// As [`Orders::release`]; and [`OrderError::KeyReused`].
    pub async fn issue(
        &self,
        by: &Registrar,
        request: OrderRequest,
        key: String,
    ) -> Result<Issued, OrderError> {
        let sent = sent_as(&by.sender, "certificates", Some(key), &request.canonical());
        if let Some(answer) = self.before(by.sender.authority, &sent).await? {
            return self.outcome(answer).await;
        }
        let order = self.order(&by.sender, &request)?;
        let asked = Asked { findings: request.findings.clone(), ..request.asked() };
        match self.fix(by, order, Some(sent.clone()), asked).await {
            Ok(Outcome::Fixed(certificate)) => Ok(self.issuance.issue(certificate).await?),
            Ok(Outcome::Refused(refusal)) => Err(OrderError::Refused(refusal)),
            Ok(Outcome::Decided) => Err(OrderError::NotFound),
            Err(OrderError::Database(error)) if error.is_unique() => {
                let answer = self.before(by.sender.authority, &sent).await?;
                self.outcome(answer.ok_or(OrderError::Database(error))?).await
            }
            Err(error) => Err(error),
        }
    }

    /// The certificate of an order that was decided before, finished if it was only begun.
    async fn outcome(&self, answer: Answer) -> Result<Issued, OrderError> {
        match (answer.issued.clone(), answer.certificate, answer.refusal()) {
            (Some(issued), _, _) => Ok(issued),
            (None, Some(certificate), _) => Ok(self.issuance.issue(certificate).await?),
            (None, None, Some(refusal)) => Err(OrderError::Refused(refusal)),
            (None, None, None) => Err(OrderError::NotFound),
        }
    }

    async fn fix(
        &self,
        by: &Registrar,
        order: Order,
        sent: Option<SentAs>,
        asked: Asked,
    ) -> Result<Outcome, OrderError> {
        let signed_by = SignedBy::of(order.medium, &by.person);
        let signer = self.issuance.signers.signer(order.authority, &signed_by);
        let fixing = Fixing {
            by_demo_key: signer.as_ref().is_some_and(|signer| signer.chain().is_specimen()),
            profile: signer.map(|signer| Profile::of(signer.scheme())),
            by: by.clone(),
            order,
            sent,
            asked,
            draws: Draws::draw(&*self.random),
            at: self.now(),
            settings: self.settings.clone(),
            outbox: self.issuance.outbox.clone(),
            random: Arc::clone(&self.random),
        };
        let fixing = self.try_on(fixing).await?;
        self.database().write(move |tx| Box::pin(fix(tx, fixing))).await
    }

    /// Sets the pages once for trial, before a number is drawn: what the typeface cannot draw, or nobody here can
    /// sign, leaves nothing behind. Only the setting can refuse a row, so no file is written for it.
    async fn try_on(&self, fixing: Fixing) -> Result<Fixing, OrderError> {
        let (authority, entry, at) = (fixing.order.authority, fixing.order.entry.clone(), fixing.at);
        let read = self
            .database()
            .read(move |tx| Box::pin(async move { Matter::read(tx, authority, &entry, at).await }));
        let matter = read.await?.ok_or(OrderError::NotFound)?;
        if matter.check(&fixing.asked, today(at), &self.settings)?.is_err() {
            return Ok(fixing);
        }
        let signed_by = SignedBy::of(fixing.order.medium, &fixing.by.person);
        self.issuance.signers.signer(authority, &signed_by).ok_or(OrderError::NoKey)?;
        let request = matter.fill(&fixing.asked, &printed(&fixing, 0), &self.settings)?;
        let stationery = Arc::clone(&self.issuance.stationery);
        let trial = tokio::task::spawn_blocking(move || rehearse(&request, &stationery));
        trial.await.map_err(|_| IssueError::Torn)??;
        Ok(fixing)
    }
}

fn printed(fixing: &Fixing, journal_number: u64) -> Printed<'_> {
    Printed {
        number: fixing.draws.number,
        journal_number,
        registrar: &fixing.by.person,
        function: &fixing.by.function,
        day: today(fixing.at),
        by_demo_key: fixing.by_demo_key,
    }
}

async fn fix(tx: &mut Tx, fixing: Fixing) -> Result<Outcome, OrderError> {
    let (order, sender, at) = (&fixing.order, &fixing.by.sender, fixing.at);
    entries::hold(tx, order.authority, &order.entry).await?;
    let matter = Matter::read(tx, order.authority, &order.entry, at).await?.ok_or(OrderError::NotFound)?;
    if let Some(sent) = &fixing.sent {
        rows::insert(tx, order, sent).await?;
        fixing.outbox.tell(tx, told(order, at)).await?;
    }
    match matter.check(&fixing.asked, today(at), &fixing.settings)? {
        Err(refusal) => {
            if !rows::refuse(tx, order.id, &serde_json::to_string(&refusal)?, at).await? {
                return Ok(Outcome::Decided);
            }
            let event = Event::order(Happening::CertificateRefused, order.authority, order.id, at);
            fixing.outbox.tell(tx, event.business_key(order.business_key.as_deref())).await?;
            let personal = Some(refused(&refusal));
            let noted = Noted { at, sender, action: "order.refused", order: order.id, personal };
            note(tx, noted, &*fixing.random).await?;
            Ok(Outcome::Refused(refusal))
        }
        Ok(entitlements) => {
            let entitlement = entitlement(&fixing, &entitlements);
            if !rows::release(tx, order.id, (at, &fixing.by.person), &entitlement.to_string()).await? {
                return Ok(Outcome::Decided);
            }
            let noted =
                Noted { at, sender, action: "order.released", order: order.id, personal: Some(entitlement) };
            note(tx, noted, &*fixing.random).await?;
            fix_certificate(tx, &fixing, &matter).await
        }
    }
}

/// Whose right was found, on which paragraph, by whom.
fn entitlement(fixing: &Fixing, entitlements: &[Entitlement]) -> serde_json::Value {
    json!({
        "grounds": entitlements,
        "applicant": fixing.asked.applicant,
        "findings": fixing.asked.findings,
        "foundBy": fixing.by.person,
    })
}

/// Draws the number of the journal and fixes everything printed.
async fn fix_certificate(tx: &mut Tx, fixing: &Fixing, matter: &Matter) -> Result<Outcome, OrderError> {
    let (id, order, at) = (fixing.draws.certificate, &fixing.order, fixing.at);
    let item = Item {
        authority: order.authority,
        kind: "issued",
        certificate: Some(id),
        at,
        by_whom: fixing.by.person.clone(),
    };
    let journal_no = u64::try_from(journal::append(tx, &item).await?).unwrap_or_default();
    let request = matter.fill(&fixing.asked, &printed(fixing, journal_no), &fixing.settings)?;
    let signer = SignedBy::of(order.medium, &fixing.by.person);
    let profile = fixing.profile.ok_or(OrderError::NoKey)?;
    let statement = SigningStatement::new(signer, &matter.authority, &request.title, profile, at);
    let fixed = Fixed {
        id,
        authority: order.authority,
        order: order.id,
        number: fixing.draws.number,
        journal_no,
        request: serde_json::to_string(&request)?,
        salt: fixing.draws.salt,
        statement: serde_json::to_string(&statement)?,
        issued_at: at,
    };
    let status = certificates::free_status(tx, &fixing.draws.status).await?;
    certificates::fix(tx, &fixed, status).await?;
    Ok(Outcome::Fixed(id))
}
