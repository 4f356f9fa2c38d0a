//! What is handed over when an authority is exported: pages of rows, each table in an order of its own, as objects of JSON.
//! Nothing of another authority, nothing newer than the export's beginning, no part that has a term of its own.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::documents::{self, Document};
use super::keeping::Hold;
use super::{DatabaseError, Row, Tx, entries, keeping, orders, sql};
use crate::domain::ids::{AuthorityId, CertificateId, DocumentId, OrderId};

/// Documents on a page.
const DOCUMENTS: i64 = 200;
/// Entries on a page.
const ENTRIES: i64 = 100;
/// Other rows on a page.
const ROWS: i64 = 500;

/// A page, and where the next one begins; none: it was the last.
#[derive(Debug, Clone, PartialEq)]
pub struct Page<T> {
    /// What is on it.
    pub items: Vec<T>,
    /// What to give as `after` for the next one.
    pub next: Option<String>,
}

/// Tables beside that of documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Register entries, each with all its copies and locks.
    Entries,
    /// Orders.
    Orders,
    /// Certificates that were issued.
    Certificates,
    /// The issue journal.
    Journal,
    /// What was erased, by whom and why.
    Erasures,
    /// The audit trail, without what it says of persons: that has a term of its own.
    Audit,
}

/// How a column is written.
#[derive(Clone, Copy)]
enum As {
    Text,
    Number,
    Time,
    Hex,
    Json,
}

type Columns = &'static [(&'static str, &'static str, As)];

const ORDERS: Columns = &[
    ("kind", "kind", As::Text),
    ("medium", "medium", As::Text),
    ("state", "state", As::Text),
    ("stateAt", "state_at", As::Time),
    ("refusal", "refusal", As::Json),
    ("request", "request", As::Json),
    ("businessKey", "business_key", As::Text),
    ("orderedAt", "ordered_at", As::Time),
    ("orderedBy", "ordered_by", As::Text),
    ("releasedAt", "released_at", As::Time),
    ("releasedBy", "released_by", As::Text),
    ("entitlement", "entitlement", As::Json),
    ("client", "client", As::Text),
];
const CERTIFICATES: Columns = &[
    ("number", "number", As::Hex),
    ("journalNo", "journal_no", As::Number),
    ("request", "request", As::Json),
    ("statement", "statement", As::Json),
    ("salt", "salt", As::Hex),
    ("statusList", "status_list", As::Number),
    ("statusIndex", "status_index", As::Number),
    ("issuedAt", "issued_at", As::Time),
    ("sealDigest", "seal_digest", As::Hex),
    ("logIndex", "log_index", As::Number),
    ("sha256", "sha256", As::Hex),
    ("revisions", "revisions", As::Number),
    ("revokedAt", "revoked_at", As::Time),
    ("revokedBy", "revoked_by", As::Text),
    ("revokedReason", "revoked_reason", As::Text),
];
const JOURNAL: Columns = &[
    ("number", "number", As::Number),
    ("kind", "kind", As::Text),
    ("certificate", "certificate", As::Hex),
    ("at", "at", As::Time),
    ("by", "by_whom", As::Text),
    ("details", "details", As::Json),
];
const ERASURES: Columns = &[
    ("reason", "reason", As::Text),
    ("provision", "provision", As::Text),
    ("erasedAt", "erased_at", As::Time),
    ("erasedBy", "erased_by", As::Text),
    ("doneAt", "pages_at", As::Time),
];
const AUDIT: Columns = &[
    ("seq", "seq", As::Number),
    ("at", "at", As::Time),
    ("actor", "actor", As::Text),
    ("role", "role", As::Text),
    ("action", "action", As::Text),
    ("subjectKind", "subject_kind", As::Text),
    ("subjectId", "subject_id", As::Text),
    ("requestId", "request_id", As::Text),
    ("commitment", "commitment", As::Hex),
];
const COPIES: Columns = &[
    ("version", "version", As::Number),
    ("part", "part", As::Text),
    ("source", "source", As::Text),
    ("receivedAt", "received_at", As::Time),
    ("receivedBy", "received_by", As::Text),
    ("payload", "payload", As::Json),
];
const LOCKS: Columns = &[
    ("validFrom", "valid_from", As::Time),
    ("validTo", "valid_to", As::Time),
    ("lock", "details", As::Json),
    ("recordedBy", "recorded_by", As::Text),
];
const DATED: Columns = &[
    ("validFrom", "valid_from", As::Time),
    ("validTo", "valid_to", As::Time),
    ("name", "name", As::Text),
    ("details", "details", As::Json),
];

fn object(row: &Row, columns: Columns) -> Result<Map<String, Value>, DatabaseError> {
    let mut object = Map::new();
    for (name, column, kind) in columns {
        let value = match kind {
            As::Text => row.get::<Option<String>>(column)?.map(Value::from),
            As::Number => row.get::<Option<i64>>(column)?.map(Value::from),
            As::Time => row.get::<Option<Timestamp>>(column)?.map(|at| at.to_string().into()),
            As::Hex => row.get::<Option<Vec<u8>>>(column)?.map(|bytes| hex::encode(bytes).into()),
            As::Json => match row.get::<Option<String>>(column)? {
                Some(_) => Some(row.json(column)?),
                None => None,
            },
        };
        object.extend(value.map(|value| ((*name).to_owned(), value)));
    }
    Ok(object)
}

/// Who the authority is, was, and how much it has: names and offices with their days, documents and their bytes.
pub async fn authority(
    tx: &mut Tx,
    authority: AuthorityId,
    until: Timestamp,
) -> Result<Option<Value>, DatabaseError> {
    let row = sql("SELECT specimen FROM authorities WHERE id = $1").bind(authority).optional(tx).await?;
    let Some(row) = row else { return Ok(None) };
    let specimen: bool = row.get("specimen")?;
    let names = sql("SELECT * FROM authority_versions WHERE authority = $1 ORDER BY valid_from");
    let names = names.bind(authority).all(tx).await?;
    let names = names.iter().map(|row| object(row, DATED)).collect::<Result<Vec<_>, _>>()?;
    let offices = sql("SELECT * FROM offices WHERE authority = $1 ORDER BY number, valid_from");
    let mut listed = Vec::new();
    for row in offices.bind(authority).all(tx).await? {
        let mut office = object(&row, DATED)?;
        office.insert("number".into(), row.text("number")?.into());
        listed.push(office);
    }
    let count = sql("SELECT COUNT(*) AS documents, CAST(COALESCE(SUM(objects.size), 0) AS BIGINT) AS bytes
                     FROM documents JOIN objects ON objects.id = documents.object
                     WHERE documents.authority = $1 AND documents.received_at <= $2");
    let count = count.bind(authority).bind(until).one(tx).await?;
    Ok(Some(json!({
        "id": authority, "specimen": specimen, "names": names, "offices": listed,
        "documents": count.i64("documents")?, "bytes": count.i64("bytes")?,
    })))
}

/// Documents with their holds, in the order in which they came. None: `after` is not what a page said.
pub async fn documents(
    tx: &mut Tx,
    authority: AuthorityId,
    after: Option<&str>,
    until: Timestamp,
) -> Result<Option<Page<(Document, Vec<Hold>)>>, DatabaseError> {
    let place = |text: &str| {
        let (at, id) = text.split_once('-')?;
        Some((Timestamp::from_microsecond(at.parse().ok()?).ok()?, id.parse::<DocumentId>().ok()?))
    };
    let Some(after) = after.map_or(Some((Timestamp::MIN, DocumentId::from_bytes([0; 16]))), place) else {
        return Ok(None);
    };
    let after = (after.0.max(Timestamp::UNIX_EPOCH), after.1);
    let found = documents::came_after(tx, authority, after, until, DOCUMENTS).await?;
    let last = found.last().map(|last| format!("{}-{}", last.received_at.as_microsecond(), last.id));
    let next = last.filter(|_| i64::try_from(found.len()) == Ok(DOCUMENTS));
    let mut items = Vec::new();
    for document in found {
        let holds = keeping::holds(tx, authority, document.id).await?;
        items.push((document, holds));
    }
    Ok(Some(Page { items, next }))
}

/// A page of another table. None: `after` is not what a page said.
pub async fn rows(
    tx: &mut Tx,
    part: Part,
    authority: AuthorityId,
    after: Option<&str>,
    until: Timestamp,
) -> Result<Option<Page<Value>>, DatabaseError> {
    let page = match part {
        Part::Entries => entries_of(tx, authority, after, until).await?,
        Part::Orders => orders_of(tx, authority, after, until).await?,
        Part::Erasures => erasures_of(tx, authority, after, until).await?,
        Part::Certificates => {
            let text = "SELECT certificates.*, CASE WHEN revision > 1 THEN revision ELSE 1 END AS revisions
                        FROM certificates WHERE authority = $1 AND journal_no > $2 AND issued_at <= $3
                        AND step = 'stored' ORDER BY journal_no LIMIT $4";
            let named = |row: &Row, item: &mut Map<String, Value>| {
                item.insert("id".into(), row.id::<CertificateId>("id")?.to_string().into());
                item.insert("order".into(), row.id::<OrderId>("order_id")?.to_string().into());
                Ok(())
            };
            numbered(tx, text, (authority, after, until), "journal_no", CERTIFICATES, named).await?
        }
        Part::Journal => {
            let text = "SELECT * FROM journal WHERE authority = $1 AND number > $2 AND at <= $3
                        ORDER BY number LIMIT $4";
            numbered(tx, text, (authority, after, until), "number", JOURNAL, |_, _| Ok(())).await?
        }
        Part::Audit => {
            let text = "SELECT * FROM audit WHERE authority = $1 AND seq > $2 AND at <= $3
                        ORDER BY seq LIMIT $4";
            numbered(tx, text, (authority, after, until), "seq", AUDIT, |_, _| Ok(())).await?
        }
    };
    Ok(page)
}

type Asked<'a> = (AuthorityId, Option<&'a str>, Timestamp);

/// Rows in the order of a number.
async fn numbered(
    tx: &mut Tx,
    text: &'static str,
    (authority, after, until): Asked<'_>,
    by: &str,
    columns: Columns,
    more: impl Fn(&Row, &mut Map<String, Value>) -> Result<(), DatabaseError>,
) -> Result<Option<Page<Value>>, DatabaseError> {
    let Ok(after) = after.map_or(Ok(0), str::parse::<i64>) else { return Ok(None) };
    let rows = sql(text).bind(authority).bind(after).bind(until).bind(ROWS).all(tx).await?;
    let mut items = Vec::new();
    let mut last = None;
    for row in &rows {
        let mut item = object(row, columns)?;
        more(row, &mut item)?;
        last = Some(row.i64(by)?.to_string());
        items.push(Value::Object(item));
    }
    Ok(Some(Page { next: last.filter(|_| i64::try_from(rows.len()) == Ok(ROWS)), items }))
}

async fn orders_of(
    tx: &mut Tx,
    authority: AuthorityId,
    after: Option<&str>,
    until: Timestamp,
) -> Result<Option<Page<Value>>, DatabaseError> {
    let Ok(after) = after.map_or(Ok(OrderId::from_bytes([0; 16])), str::parse) else { return Ok(None) };
    let rows = sql("SELECT * FROM orders WHERE authority = $1 AND id > $2 AND ordered_at <= $3
                    ORDER BY id LIMIT $4");
    let rows = rows.bind(authority).bind(after).bind(until).bind(ROWS).all(tx).await?;
    let (mut items, mut last) = (Vec::new(), None);
    for row in &rows {
        let mut item = object(row, ORDERS)?;
        let id = row.id::<OrderId>("id")?.to_string();
        item.insert("id".into(), id.as_str().into());
        item.insert("entry".into(), orders::entry_key(row)?.path().into());
        last = Some(id);
        items.push(Value::Object(item));
    }
    Ok(Some(Page { next: last.filter(|_| i64::try_from(rows.len()) == Ok(ROWS)), items }))
}

async fn erasures_of(
    tx: &mut Tx,
    authority: AuthorityId,
    after: Option<&str>,
    until: Timestamp,
) -> Result<Option<Page<Value>>, DatabaseError> {
    let Ok(after) = after.map_or(Ok(DocumentId::from_bytes([0; 16])), str::parse) else { return Ok(None) };
    let rows = sql("SELECT * FROM erasures WHERE authority = $1 AND document > $2 AND erased_at <= $3
                    ORDER BY document LIMIT $4");
    let rows = rows.bind(authority).bind(after).bind(until).bind(ROWS).all(tx).await?;
    let (mut items, mut last) = (Vec::new(), None);
    for row in &rows {
        let mut item = object(row, ERASURES)?;
        let id = row.id::<DocumentId>("document")?.to_string();
        item.insert("document".into(), id.as_str().into());
        last = Some(id);
        items.push(Value::Object(item));
    }
    Ok(Some(Page { next: last.filter(|_| i64::try_from(rows.len()) == Ok(ROWS)), items }))
}

/// Each entry with all its copies, and its locks, past ones too.
async fn entries_of(
    tx: &mut Tx,
    authority: AuthorityId,
    after: Option<&str>,
    until: Timestamp,
) -> Result<Option<Page<Value>>, DatabaseError> {
    let Ok(after) = after.map_or(Ok(0), str::parse::<i64>) else { return Ok(None) };
    let firsts =
        sql("SELECT seq, register, office, year, number FROM entries WHERE authority = $1 AND seq > $2
                      AND version = 1 AND received_at <= $3 ORDER BY seq LIMIT $4");
    let firsts = firsts.bind(authority).bind(after).bind(until).bind(ENTRIES).all(tx).await?;
    let (mut items, mut last) = (Vec::new(), None);
    for first in &firsts {
        let key = orders::entry_key(first)?;
        let copies = sql("SELECT * FROM entries WHERE authority = $1 AND register = $2 AND office = $3
                          AND year = $4 AND number = $5 AND received_at <= $6 ORDER BY version");
        let copies = entries::of_entry(copies, authority, &key).bind(until).all(tx).await?;
        let copies = copies.iter().map(|row| object(row, COPIES)).collect::<Result<Vec<_>, _>>()?;
        let locks = sql("SELECT * FROM entry_locks WHERE authority = $1 AND register = $2 AND office = $3
                         AND year = $4 AND number = $5 ORDER BY valid_from, id");
        let locks = entries::of_entry(locks, authority, &key).all(tx).await?;
        let locks = locks.iter().map(|row| object(row, LOCKS)).collect::<Result<Vec<_>, _>>()?;
        last = Some(first.i64("seq")?.to_string());
        items.push(json!({ "entry": key.path(), "copies": copies, "locks": locks }));
    }
    Ok(Some(Page { next: last.filter(|_| i64::try_from(firsts.len()) == Ok(ENTRIES)), items }))
}
