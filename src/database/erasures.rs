//! Erasures: what goes at once with the decision, in one transaction, and how far the rest has come.
//! Everything that names a document's content goes; identifier, authority, grounds, who and when stay.

use jiff::{SignedDuration, Timestamp};

use super::idempotency::{self, StoredAnswer};
use super::{DatabaseError, Row, Tx, documents, quarantine, sql};
use crate::domain::digest::Sha256;
use crate::domain::ids::{AuthorityId, DocumentId, ObjectId};

/// A document that was erased.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Erasure {
    /// What it was.
    pub document: DocumentId,
    /// Whose it was.
    pub authority: AuthorityId,
    /// Why, in a word.
    pub reason: String,
    /// The provision that permits it.
    pub provision: String,
    /// When nobody could reach it any more.
    pub erased_at: Timestamp,
    /// Who has decided.
    pub erased_by: String,
    /// Whether it existed for registrars only.
    pub restricted: bool,
    /// When the last trace was gone.
    pub done_at: Option<Timestamp>,
}

/// What is still to be done for an erasure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Open {
    /// The document.
    pub document: DocumentId,
    /// The object that goes with its key.
    pub object: Option<ObjectId>,
    /// The object of its text that goes.
    pub text: Option<ObjectId>,
    /// The index must have come so far.
    pub index_seq: i64,
    /// The step that comes next.
    pub next: Step,
}

/// What is done one after the other once the rows are gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// The wrapped key goes from the keystore, from its pages too.
    Keys,
    /// The objects go from the store.
    Objects,
    /// The postings go from the index.
    Index,
    /// What the rows said goes from the pages of the database.
    Pages,
}

/// What was found of a document that is to be erased.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Doomed {
    /// The object of its bytes and their digest.
    pub object: (ObjectId, Sha256),
    /// The object of its text.
    pub text: Option<ObjectId>,
    /// When it was stored.
    pub stored_at: Timestamp,
}

/// Around the time a document was stored: its answer was kept then.
const AROUND: SignedDuration = SignedDuration::from_hours(24);

/// The erasure of a document, if it was erased.
pub async fn find(
    tx: &mut Tx,
    authority: AuthorityId,
    document: DocumentId,
) -> Result<Option<Erasure>, DatabaseError> {
    let row = sql("SELECT * FROM erasures WHERE document = $1 AND authority = $2");
    let row = row.bind(document).bind(authority).optional(tx).await?;
    row.as_ref().map(read).transpose()
}

/// Erasures of all authorities behind `after`, in the order of the documents, at most `max`.
pub async fn all(tx: &mut Tx, after: DocumentId, max: u32) -> Result<Vec<Erasure>, DatabaseError> {
    let rows = sql("SELECT * FROM erasures WHERE document > $1 ORDER BY document LIMIT $2");
    rows.bind(after).bind(max).all(tx).await?.iter().map(read).collect()
}

fn read(row: &Row) -> Result<Erasure, DatabaseError> {
    Ok(Erasure {
        document: row.id("document")?,
        authority: row.id("authority")?,
        reason: row.text("reason")?,
        provision: row.text("provision")?,
        erased_at: row.time("erased_at")?,
        erased_by: row.text("erased_by")?,
        restricted: row.i64("restricted")? == 1,
        done_at: row.get("pages_at")?,
    })
}

/// Removes what speaks of the document, and notes the erasure with what has to go elsewhere. Call it with the
/// document's jobs ended (see [`super::jobs::cancel`]), after `index_seq` was appended.
pub async fn erase(
    tx: &mut Tx,
    erasure: &Erasure,
    doomed: &Doomed,
    index_seq: i64,
    gone: &StoredAnswer,
) -> Result<(), DatabaseError> {
    let (object, sha256) = doomed.object;
    documents::hold_object(tx, erasure.authority, sha256).await?;
    if let Some(text) = doomed.text {
        let digest = sql("SELECT sha256 FROM objects WHERE id = $1").bind(text).optional(tx).await?;
        if let Some(row) = digest {
            documents::hold_object(tx, erasure.authority, row.get("sha256")?).await?;
        }
    }
    sql("DELETE FROM document_holds WHERE document = $1").bind(erasure.document).later(tx);
    sql("DELETE FROM documents WHERE id = $1").bind(erasure.document).later(tx);
    forget_answers(tx, erasure, doomed.stored_at, gone)?;
    sql("DELETE FROM audit_personal WHERE commitment IN (SELECT commitment FROM audit
         WHERE authority = $1 AND subject_kind = 'document' AND subject_id = $2)")
    .bind(erasure.authority)
    .bind(erasure.document.to_string())
    .later(tx);
    quarantine::end(tx, erasure.authority, sha256, erasure.erased_at).await?;
    let object = unused(tx, object).await?;
    let text = match doomed.text {
        Some(text) => unused(tx, text).await?,
        None => None,
    };
    note(tx, erasure, (object, text), index_seq);
    Ok(())
}

fn note(
    tx: &mut Tx,
    erasure: &Erasure,
    (object, text): (Option<ObjectId>, Option<ObjectId>),
    index_seq: i64,
) {
    sql("INSERT INTO erasures (document, authority, reason, provision, erased_at, erased_by, restricted, object,
             text_object, index_seq) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)")
    .bind(erasure.document)
    .bind(erasure.authority)
    .bind(&erasure.reason)
    .bind(&erasure.provision)
    .bind(erasure.erased_at)
    .bind(&erasure.erased_by)
    .bind(i64::from(erasure.restricted))
    .bind(object)
    .bind(text)
    .bind(index_seq)
    .later(tx);
}

/// Removes the row of an object that nothing refers to any more; `None` if something does.
async fn unused(tx: &mut Tx, object: ObjectId) -> Result<Option<ObjectId>, DatabaseError> {
    let used = sql("SELECT 1 AS used FROM documents WHERE object = $1
                    UNION ALL SELECT 1 FROM documents WHERE text_object = $1
                    UNION ALL SELECT 1 FROM certificates WHERE object = $1 LIMIT 1");
    if used.bind(object).optional(tx).await?.is_some() {
        return Ok(None);
    }
    sql("DELETE FROM objects WHERE id = $1").bind(object).later(tx);
    Ok(Some(object))
}

/// The answer under an idempotency key names the document: whoever asks again learns that it is gone.
fn forget_answers(
    tx: &mut Tx,
    erasure: &Erasure,
    stored_at: Timestamp,
    gone: &StoredAnswer,
) -> Result<(), DatabaseError> {
    let headers =
        serde_json::to_string(&gone.headers).map_err(|error| DatabaseError::Statement(error.to_string()))?;
    let expires = stored_at + idempotency::KEPT;
    sql("UPDATE idempotency SET status = $5, headers = $6, body = $7
         WHERE expires_at >= $3 AND expires_at <= $4 AND authority = $1 AND status IS NOT NULL
           AND headers LIKE '%' || $2 || '%'")
    .bind(erasure.authority)
    .bind(erasure.document.to_string())
    .bind(expires - AROUND)
    .bind(expires + AROUND)
    .bind(gone.status)
    .bind(headers)
    .bind(gone.body.as_slice())
    .later(tx);
    Ok(())
}

/// Erasures that have not come to their end, oldest first.
pub async fn open(tx: &mut Tx, at_most: u32) -> Result<Vec<Open>, DatabaseError> {
    let rows =
        sql("SELECT document, object, text_object, index_seq, keys_at, objects_at, index_at FROM erasures
                    WHERE pages_at IS NULL ORDER BY erased_at LIMIT $1");
    let read = |row: &Row| {
        let done = |column: &str| Ok::<_, DatabaseError>(row.get::<Option<Timestamp>>(column)?.is_some());
        let next = match (done("keys_at")?, done("objects_at")?, done("index_at")?) {
            (false, _, _) => Step::Keys,
            (true, false, _) => Step::Objects,
            (true, true, false) => Step::Index,
            (true, true, true) => Step::Pages,
        };
        Ok(Open {
            document: row.id("document")?,
            object: row.get("object")?,
            text: row.get("text_object")?,
            index_seq: row.i64("index_seq")?,
            next,
        })
    };
    rows.bind(at_most).all(tx).await?.iter().map(read).collect()
}

/// Notes that a step is done for these documents.
pub async fn done(
    tx: &mut Tx,
    step: Step,
    documents: &[DocumentId],
    at: Timestamp,
) -> Result<(), DatabaseError> {
    for document in documents {
        let note = match step {
            Step::Keys => sql("UPDATE erasures SET keys_at = $2 WHERE document = $1"),
            Step::Objects => sql("UPDATE erasures SET objects_at = $2 WHERE document = $1"),
            Step::Index => sql("UPDATE erasures SET index_at = $2 WHERE document = $1"),
            Step::Pages => sql("UPDATE erasures SET pages_at = $2 WHERE document = $1"),
        };
        note.bind(*document).bind(at).later(tx);
    }
    Ok(())
}
