//! Orders: who asked for which certificate of which entry, and what became of it.

use jiff::Timestamp;

use super::{DatabaseError, Row, Tx, sql};
use crate::domain::certificate::{Kind, Medium};
use crate::domain::digest::Sha256;
use crate::domain::ids::{AuthorityId, OrderId};
use crate::register::{EntryKey, Register};

/// Where an order stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OrderState {
    /// Checked; a registrar has to release it.
    AwaitingRelease,
    /// Refused by a rule: JSON, see `orders::check::Refusal`.
    Refused {
        /// The rule and its refusal.
        refusal: String,
    },
    /// Released: its certificate is begun and will be finished, whatever happens.
    Released,
}

/// An order.
#[derive(Debug, Clone)]
pub struct Order {
    /// Its id.
    pub id: OrderId,
    /// Whose entry it is about.
    pub authority: AuthorityId,
    /// The entry.
    pub entry: EntryKey,
    /// Of which kind the certificate is to be.
    pub kind: Kind,
    /// On paper or electronic.
    pub medium: Medium,
    /// Where it stands.
    pub state: OrderState,
    /// Since when.
    pub state_at: Timestamp,
    /// What is omitted, purpose, applicant: JSON, see `orders::request`.
    pub request: String,
    /// The sender's own reference.
    pub business_key: Option<String>,
    /// When it came in.
    pub ordered_at: Timestamp,
    /// The person or system that ordered.
    pub ordered_by: String,
    /// Whose right to the certificate was found at release: JSON, see `orders::release`.
    pub entitlement: Option<String>,
}

/// What the sender calls a request, so that the same again gives the same answer.
#[derive(Debug, Clone)]
pub struct SentAs {
    /// Who sent it.
    pub client: String,
    /// `Idempotency-Key`, and the digest of the request as it was understood.
    pub key: Option<(String, Sha256)>,
}

fn state_columns(state: &OrderState) -> (&'static str, Option<&str>) {
    match state {
        OrderState::AwaitingRelease => ("awaiting release", None),
        OrderState::Refused { refusal } => ("refused", Some(refusal)),
        OrderState::Released => ("released", None),
    }
}

const fn medium_name(medium: Medium) -> &'static str {
    match medium {
        Medium::Paper => "paper",
        Medium::Electronic => "electronic",
    }
}

/// Takes in an order. A key that the client used before is [`DatabaseError::Unique`].
pub async fn insert(tx: &mut Tx, order: &Order, sent: &SentAs) -> Result<(), DatabaseError> {
    let (state, refusal) = state_columns(&order.state);
    let (key, fingerprint) = sent.key.as_ref().map(|(key, print)| (key.as_str(), *print)).unzip();
    sql("INSERT INTO orders (id, authority, register, office, year, number, kind, medium, state, state_at, \
         refusal, format, request, business_key, ordered_at, ordered_by, client, idempotency_key, fingerprint) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 1, $12, $13, $14, $15, $16, $17, $18)")
    .bind(order.id)
    .bind(order.authority)
    .bind(order.entry.register.letter())
    .bind(order.entry.office.as_str())
    .bind(i64::from(order.entry.year))
    .bind(order.entry.number.to_string())
    .bind(order.kind.as_str())
    .bind(medium_name(order.medium))
    .bind(state)
    .bind(order.state_at)
    .bind(refusal)
    .bind(&order.request)
    .bind(order.business_key.clone())
    .bind(order.ordered_at)
    .bind(&order.ordered_by)
    .bind(&sent.client)
    .bind(key)
    .bind(fingerprint)
    .execute(tx)
    .await?;
    Ok(())
}

/// An order of this authority.
pub async fn by_id(tx: &mut Tx, authority: AuthorityId, id: OrderId) -> Result<Option<Order>, DatabaseError> {
    let row = sql("SELECT * FROM orders WHERE id = $1 AND authority = $2");
    row.bind(id).bind(authority).optional(tx).await?.as_ref().map(order).transpose()
}

/// The order that this client sent under this key before, and the fingerprint of what it was.
pub async fn by_key(
    tx: &mut Tx,
    authority: AuthorityId,
    client: &str,
    key: &str,
) -> Result<Option<(Order, Sha256)>, DatabaseError> {
    let row = sql("SELECT * FROM orders WHERE authority = $1 AND client = $2 AND idempotency_key = $3");
    let row = row.bind(authority).bind(client).bind(key).optional(tx).await?;
    row.map(|row| Ok((order(&row)?, row.get("fingerprint")?))).transpose()
}

/// The sender's own reference of an order, whoever's it is.
pub async fn business_key(tx: &mut Tx, id: OrderId) -> Result<Option<String>, DatabaseError> {
    let row = sql("SELECT business_key FROM orders WHERE id = $1").bind(id).optional(tx).await?;
    row.map_or(Ok(None), |row| row.get("business_key"))
}

/// Refuses an order that awaits release. False if it does not await it any more.
pub async fn refuse(tx: &mut Tx, id: OrderId, refusal: &str, at: Timestamp) -> Result<bool, DatabaseError> {
    let refused = sql("UPDATE orders SET state = 'refused', refusal = $2, state_at = $3 \
                       WHERE id = $1 AND state = 'awaiting release'");
    Ok(refused.bind(id).bind(refusal).bind(at).execute(tx).await? == 1)
}

/// Releases an order that awaits it. False if it does not await it any more.
pub async fn release(
    tx: &mut Tx,
    id: OrderId,
    (at, by): (Timestamp, &str),
    entitlement: &str,
) -> Result<bool, DatabaseError> {
    let released =
        sql("UPDATE orders SET state = 'released', state_at = $2, released_at = $2, released_by = $3, \
                        entitlement = $4 WHERE id = $1 AND state = 'awaiting release'");
    Ok(released.bind(id).bind(at).bind(by).bind(entitlement).execute(tx).await? == 1)
}

fn order(row: &Row) -> Result<Order, DatabaseError> {
    let unfit = |column: &str| DatabaseError::Column { column: column.into(), reason: "is unknown".into() };
    let state = match row.text("state")?.as_str() {
        "awaiting release" => OrderState::AwaitingRelease,
        "released" => OrderState::Released,
        "refused" => OrderState::Refused { refusal: row.text("refusal")? },
        _ => return Err(unfit("state")),
    };
    let medium = match row.text("medium")?.as_str() {
        "paper" => Medium::Paper,
        "electronic" => Medium::Electronic,
        _ => return Err(unfit("medium")),
    };
    Ok(Order {
        id: row.id("id")?,
        authority: row.id("authority")?,
        entry: entry_key(row)?,
        kind: row.text("kind")?.parse().map_err(|_| unfit("kind"))?,
        medium,
        state,
        state_at: row.time("state_at")?,
        request: row.text("request")?,
        business_key: row.get("business_key")?,
        ordered_at: row.time("ordered_at")?,
        ordered_by: row.text("ordered_by")?,
        entitlement: row.get("entitlement")?,
    })
}

/// The entry that the columns `register`, `office`, `year`, `number` name.
pub(super) fn entry_key(row: &Row) -> Result<EntryKey, DatabaseError> {
    let unfit = |column: &str| DatabaseError::Column { column: column.into(), reason: "is unknown".into() };
    Ok(EntryKey {
        register: row.text("register")?.parse::<Register>().map_err(|_| unfit("register"))?,
        office: row.text("office")?.parse().map_err(|_| unfit("office"))?,
        year: i16::try_from(row.i64("year")?).map_err(|_| unfit("year"))?,
        number: row.text("number")?.parse().map_err(|_| unfit("number"))?,
    })
}
