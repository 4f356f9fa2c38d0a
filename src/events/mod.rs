//! Telling others what happened: an event is a job, written in the transaction of what it tells, and delivered as a
//! signed CloudEvent to each target that listens. An event holds identifiers and the sender's business key, no more.
//!
//! Knows no documents and no certificates: whoever writes their rows calls [`Outbox::tell`].

pub mod address;
mod dead;
pub mod deliver;
mod post;
pub mod sign;
mod worker;

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::database::jobs::queue::{self, Queued};
use crate::database::{DatabaseError, Tx};
use crate::domain::ids::{AuthorityId, CertificateId, DocumentId, JobId, OrderId};
use crate::domain::random::{self, Random};
use crate::jobs::Wake;

pub use dead::{DeadLetters, ReplayError, Replayer};
pub use worker::{Counters, EventsError, Manner, Target, Worker};

/// What the kinds of the jobs begin with; the name of the target follows.
pub const JOBS: &str = "event:";

/// What every `type` begins with.
const TYPE_BASE: &str = "example.stammbuch.";

/// What happened. The names never change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Happening {
    /// A document is durable.
    #[serde(rename = "document.stored")]
    DocumentStored,
    /// A document is found by searching, for the first time.
    #[serde(rename = "document.searchable")]
    DocumentSearchable,
    /// A step failed for good; `reason` says why.
    #[serde(rename = "document.flagged")]
    DocumentFlagged,
    /// A document was erased.
    #[serde(rename = "document.erased")]
    DocumentErased,
    /// A certificate was ordered and may be issued.
    #[serde(rename = "certificate.ordered")]
    CertificateOrdered,
    /// An order was refused, when it came in or at its release.
    #[serde(rename = "certificate.refused")]
    CertificateRefused,
    /// A certificate may be handed over.
    #[serde(rename = "certificate.issued")]
    CertificateIssued,
}

impl Happening {
    /// The name in settings; with `TYPE_BASE` the `type`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::DocumentStored => "document.stored",
            Self::DocumentSearchable => "document.searchable",
            Self::DocumentFlagged => "document.flagged",
            Self::DocumentErased => "document.erased",
            Self::CertificateOrdered => "certificate.ordered",
            Self::CertificateRefused => "certificate.refused",
            Self::CertificateIssued => "certificate.issued",
        }
    }
}

/// The name of a target: small letters, digits and hyphens. It is what its events wait under.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct TargetName(String);

impl TargetName {
    /// As written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for TargetName {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if (1..=40).contains(&text.len()) && text.chars().all(plain) {
            return Ok(Self(text));
        }
        Err(format!("a target's name has 1 to 40 small letters, digits and hyphens; got {text:?}"))
    }
}

impl From<TargetName> for String {
    fn from(name: TargetName) -> Self {
        name.0
    }
}

/// Something that happened, to be told.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    authority: AuthorityId,
    what: Happening,
    /// What it happened to; events of one are told in order.
    about: String,
    at: Timestamp,
    data: Map<String, Value>,
}

impl Event {
    /// Something happened to a document. Of one with levels or seals nobody hears; of one that is erased, whose row
    /// cannot say it any more, the caller has to tell nothing then.
    pub fn document(what: Happening, authority: AuthorityId, id: DocumentId, at: Timestamp) -> Self {
        let data = Map::from_iter([("document".to_owned(), json!(id))]);
        Self { authority, what, about: format!("documents/{id}"), at, data }
    }

    /// Something happened to an order or its certificate.
    pub fn order(what: Happening, authority: AuthorityId, id: OrderId, at: Timestamp) -> Self {
        let data = Map::from_iter([("order".to_owned(), json!(id))]);
        Self { authority, what, about: format!("orders/{id}"), at, data }
    }

    /// The order's certificate.
    #[must_use]
    pub fn certificate(mut self, id: CertificateId) -> Self {
        self.data.insert("certificate".to_owned(), json!(id));
        self
    }

    /// The sender's own reference, if there is one.
    #[must_use]
    pub fn business_key(mut self, key: Option<&str>) -> Self {
        if let Some(key) = key {
            self.data.insert("businessKey".to_owned(), json!(key));
        }
        self
    }

    /// Why, as one of the fixed words the interface knows; never a text about the content.
    #[must_use]
    pub fn reason(mut self, reason: &'static str) -> Self {
        self.data.insert("reason".to_owned(), json!(reason));
        self
    }

    /// As CloudEvents 1.0 in JSON wants it.
    fn envelope(&self, source: &str, id: &str) -> Value {
        json!({
            "specversion": "1.0",
            "id": id,
            "source": source,
            "type": format!("{TYPE_BASE}{}", self.what.as_str()),
            "subject": self.about,
            "time": self.at,
            "datacontenttype": "application/json",
            "authority": self.authority,
            "data": self.data,
        })
    }
}

/// Who wants to hear what.
#[derive(Debug, Clone)]
struct Listener {
    name: TargetName,
    authority: AuthorityId,
    /// Empty: everything.
    types: Vec<Happening>,
}

impl Listener {
    fn hears(&self, authority: AuthorityId, what: Happening) -> bool {
        self.authority == authority && (self.types.is_empty() || self.types.contains(&what))
    }
}

/// Where events are written down. Clones share it. Nobody listens: nothing is written.
#[derive(Clone)]
pub struct Outbox {
    listeners: Arc<[Listener]>,
    source: Arc<str>,
    random: Option<Arc<dyn Random>>,
    wake: Option<Wake>,
}

impl fmt::Debug for Outbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outbox").field("listeners", &self.listeners).finish_non_exhaustive()
    }
}

impl Outbox {
    /// One that nobody listens to.
    pub fn silent() -> Self {
        Self { listeners: Arc::new([]), source: "".into(), random: None, wake: None }
    }

    /// Whether anybody listens to this, in any authority.
    pub fn any_hears(&self, what: Happening) -> bool {
        self.listeners.iter().any(|listener| listener.hears(listener.authority, what))
    }

    /// Whether anybody listens to this in the authority: what is needed only for an event need not be read before.
    pub fn hears(&self, authority: AuthorityId, what: Happening) -> bool {
        self.listeners.iter().any(|listener| listener.hears(authority, what))
    }

    /// Writes `event` down for each target that listens, in the transaction of what it tells: both are kept, or
    /// neither. Events about the same document or order reach a target in the order they were written.
    ///
    /// # Errors
    /// The database's; the transaction is lost then.
    pub async fn tell(&self, tx: &mut Tx, event: Event) -> Result<(), DatabaseError> {
        let Some(random) = self.random.as_deref() else { return Ok(()) };
        if !self.hears(event.authority, event.what) {
            return Ok(());
        }
        let id = hex::encode(random::bytes::<16>(random));
        let envelope = event.envelope(&self.source, &id);
        for listener in self.listeners.iter().filter(|known| known.hears(event.authority, event.what)) {
            let job = Queued {
                id: JobId::draw(random),
                authority: event.authority,
                kind: kind_of(&listener.name),
                queue: event.about.clone(),
                payload: envelope.clone(),
            };
            queue::enqueue(tx, job, event.at).await?;
        }
        Ok(())
    }

    /// The kinds of the jobs for the targets of an authority.
    fn kinds(&self, authority: AuthorityId) -> Vec<String> {
        let own = self.listeners.iter().filter(|listener| listener.authority == authority);
        own.map(|listener| kind_of(&listener.name)).collect()
    }

    /// To be called after the commit; otherwise events go out when the worker looks the next time.
    pub fn wake(&self) {
        if let Some(wake) = &self.wake {
            wake.wake();
        }
    }
}

/// The kind of the jobs for a target.
fn kind_of(name: &TargetName) -> String {
    format!("{JOBS}{}", name.as_str())
}
