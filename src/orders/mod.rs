//! Orders: who asked for which certificate, what was checked, who released it. Only a registrar releases, and what
//! was checked when the order came in is checked again then.

pub mod check;
mod matter;
mod place;
mod release;
pub mod request;

use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::Date;
use serde_json::{Value, json};

use crate::database::audit::{Act, Personal};
use crate::database::orders::{Order, OrderState, SentAs};
use crate::database::{Database, DatabaseError, Tx, audit, certificates, orders as rows};
use crate::domain::digest::Sha256;
use crate::domain::ids::{AuthorityId, CertificateId, OrderId};
use crate::domain::random::Random;
use crate::events::{Event, Happening};
use crate::issuance::compose::ComposeError;
use crate::issuance::fill::FillError;
use crate::issuance::flow::{Issuance, IssueError, Issued};
use check::{NoRules, Refusal};
pub use matter::IssueSettings;
use request::BadOrder;

/// The function that a certificate gives its registrar, where none is set.
pub const FUNCTION: &str = "Standesbeamtin/Standesbeamter";

/// Who sends an order.
#[derive(Debug, Clone)]
pub struct Sender {
    /// Whose entries exist for them.
    pub authority: AuthorityId,
    /// The client: scope of its idempotency keys.
    pub client: String,
    /// Person or program, for row and audit trail.
    pub name: String,
    /// `engine` or `registrar`.
    pub role: &'static str,
    /// The request they send it by.
    pub request_id: Option<String>,
}

/// A named registrar: nobody else releases, and nobody in another's name.
#[derive(Debug, Clone)]
pub struct Registrar {
    /// As a sender.
    pub sender: Sender,
    /// The name under which certificates are released.
    pub person: String,
    /// The function printed with it: "Standesbeamtin", "Standesbeamter".
    pub function: String,
}

/// Why there is no answer, or a refusing one.
#[derive(Debug, thiserror::Error)]
pub enum OrderError {
    /// There is no such order or entry, or it is another authority's.
    #[error("there is no such order, or no such entry")]
    NotFound,
    /// The body is no order.
    #[error(transparent)]
    Bad(#[from] BadOrder),
    /// The law forbids it; the order is kept as refused.
    #[error("{}", .0.reason)]
    Refused(Refusal),
    /// The key was used for something else.
    #[error("the Idempotency-Key was used for another request")]
    KeyReused,
    /// The registrar has no key to sign with, or the authority none to seal with.
    #[error("there is no key to sign this certificate with")]
    NoKey,
    /// The form cannot be filled from this entry.
    #[error(transparent)]
    Fill(#[from] FillError),
    /// The page cannot be composed from this entry.
    #[error(transparent)]
    Compose(#[from] ComposeError),
    /// There are no rules for the register.
    #[error(transparent)]
    NoRules(#[from] NoRules),
    /// A stored entry cannot be read.
    #[error("the stored entry cannot be read: {0}")]
    StoredEntry(String),
    /// A row of an order cannot be read or written.
    #[error("the order's row: {0}")]
    Row(#[from] serde_json::Error),
    /// The database.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// The certificate is begun, but not finished: ask again.
    #[error(transparent)]
    Issue(#[from] IssueError),
}

/// An order and its certificate, if it has one.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The order.
    pub order: Order,
    /// The certificate that was begun.
    pub certificate: Option<CertificateId>,
    /// Whether it may be handed over.
    pub issued: Option<Issued>,
}

impl Answer {
    /// Where it stands, as the API says it.
    pub fn state(&self) -> &'static str {
        match (&self.order.state, &self.issued) {
            (OrderState::AwaitingRelease, _) => "awaiting-release",
            (OrderState::Refused { .. }, _) => "refused",
            (OrderState::Released, None) => "awaiting-signature",
            (OrderState::Released, Some(_)) => "issued",
        }
    }

    /// Why it was refused.
    pub fn refusal(&self) -> Option<Refusal> {
        match &self.order.state {
            OrderState::Refused { refusal } => serde_json::from_str(refusal).ok(),
            _ => None,
        }
    }
}

/// Takes in orders and releases them.
#[derive(Clone)]
pub struct Orders {
    /// What makes the certificates.
    pub issuance: Issuance,
    /// For numbers, salts and ids.
    pub random: Arc<dyn Random>,
    /// What holds for all issuing.
    pub settings: IssueSettings,
}

impl Orders {
    fn database(&self) -> &Database {
        &self.issuance.database
    }

    fn now(&self) -> Timestamp {
        self.issuance.clock.now()
    }

    /// An order of this authority.
    ///
    /// # Errors
    /// [`OrderError::NotFound`], or the database.
    pub async fn find(&self, authority: AuthorityId, id: OrderId) -> Result<Answer, OrderError> {
        let found = self.database().read(move |tx| {
            Box::pin(async move {
                let order = rows::by_id(tx, authority, id).await?;
                answer(tx, order.ok_or(OrderError::NotFound)?).await
            })
        });
        found.await
    }

    /// What was answered to the same request before; none if it is new.
    async fn before(&self, authority: AuthorityId, sent: &SentAs) -> Result<Option<Answer>, OrderError> {
        let Some((key, fingerprint)) = sent.key.clone() else { return Ok(None) };
        let client = sent.client.clone();
        let found = self.database().read(move |tx| {
            Box::pin(async move {
                match rows::by_key(tx, authority, &client, &key).await? {
                    Some((_, first)) if first != fingerprint => Err(OrderError::KeyReused),
                    Some((order, _)) => Ok(Some(answer(tx, order).await?)),
                    None => Ok(None),
                }
            })
        });
        found.await
    }
}

async fn answer(tx: &mut Tx, order: Order) -> Result<Answer, OrderError> {
    let certificate = match order.state {
        OrderState::Released => certificates::by_order(tx, order.id).await?,
        _ => None,
    };
    let issued = certificate.as_ref().and_then(crate::issuance::flow::issued);
    Ok(Answer { order, certificate: certificate.map(|certificate| certificate.fixed.id), issued })
}

/// The day in Germany.
fn today(now: Timestamp) -> Date {
    match now.in_tz("Europe/Berlin") {
        Ok(zoned) => zoned.date(),
        Err(_) => now.to_zoned(jiff::tz::TimeZone::UTC).date(),
    }
}

/// What the sender calls the request, under a digest of what it says.
fn sent_as(sender: &Sender, route: &str, key: Option<String>, canonical: &str) -> SentAs {
    let fingerprint = Sha256::of(format!("{route}\n{canonical}").as_bytes());
    SentAs { client: sender.client.clone(), key: key.map(|key| (key, fingerprint)) }
}

/// An act in the audit trail.
struct Noted<'a> {
    at: Timestamp,
    sender: &'a Sender,
    action: &'a str,
    order: OrderId,
    personal: Option<Value>,
}

async fn note(tx: &mut Tx, noted: Noted<'_>, random: &dyn Random) -> Result<(), DatabaseError> {
    let act = Act {
        at: noted.at,
        authority: Some(noted.sender.authority),
        actor: noted.sender.name.clone(),
        role: noted.sender.role.to_owned(),
        action: noted.action.to_owned(),
        subject_kind: "order".to_owned(),
        subject_id: noted.order.to_string(),
        request_id: noted.sender.request_id.clone(),
        personal: noted.personal.map(|value| Personal::new(random, &value)),
    };
    audit::append(tx, act).await.map(|_| ())
}

/// What others are told of an order as it stands now.
fn told(order: &Order, at: Timestamp) -> Event {
    let what = match order.state {
        OrderState::Refused { .. } => Happening::CertificateRefused,
        OrderState::AwaitingRelease | OrderState::Released => Happening::CertificateOrdered,
    };
    Event::order(what, order.authority, order.id, at).business_key(order.business_key.as_deref())
}

/// What the audit trail says of a refusal.
fn refused(refusal: &Refusal) -> Value {
    json!({ "rule": refusal.rule, "law": refusal.law })
}

#[cfg(test)]
mod tests;
