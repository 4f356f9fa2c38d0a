//! Documents and the objects they refer to. Every query names the authority: what is another's does not exist.

use jiff::Timestamp;
use jiff::civil::Date;

use super::bind::values;
use super::{DatabaseError, Row, Statement, Tx, insert_rows, sql};
use crate::domain::digest::Sha256;
use crate::domain::ids::{AuthorityId, DocumentId, ObjectId};
use crate::objects::Sealed;

/// The version of the object format that is written.
const OBJECT_FORMAT: i64 = 1;

/// A document as its row says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// Its identifier.
    pub id: DocumentId,
    /// Whose it is.
    pub authority: AuthorityId,
    /// The object that holds its bytes (perhaps also those of another document of the authority).
    pub object: ObjectId,
    /// Digest of its bytes.
    pub sha256: Sha256,
    /// Its bytes, counted.
    pub size: u64,
    /// What it is, by its bytes: a registered name.
    pub media_type: String,
    /// What the sender called the file; for display only.
    pub file_name: Option<String>,
    /// Its title.
    pub title: Option<String>,
    /// What kind of document it is, in the authority's words.
    pub kind: Option<String>,
    /// Its file reference.
    pub reference: Option<String>,
    /// The date it bears.
    pub date: Option<Date>,
    /// The Sammelakte it belongs to.
    pub file: Option<String>,
    /// The register entry it belongs to: `G/12345678/2024/815`.
    pub entry: Option<String>,
    /// Levels and seals that restrict who may see it, separated by spaces; empty: none.
    pub restriction: String,
    /// When the last byte of it came.
    pub received_at: Timestamp,
    /// The client that sent it.
    pub received_by: String,
    /// When it was made durable.
    pub stored_at: Timestamp,
    /// When the virus scanner found nothing in it; none: nobody has looked.
    pub scanned_at: Option<Timestamp>,
    /// When its text was read out of it.
    pub extracted: Option<Extracted>,
    /// When the index took it over.
    pub indexed_at: Option<Timestamp>,
    /// Why a step failed for good, and when.
    pub flag: Option<(String, Timestamp)>,
}

/// What reading a document out has given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extracted {
    /// When.
    pub at: Timestamp,
    /// Pages.
    pub pages: u32,
    /// Words on them.
    pub words: u64,
    /// The object that holds the text, sealed under the key of the document's object; none if there is no text.
    pub text: Option<ObjectId>,
}

/// Notes an object; answers which object of the authority holds these bytes: this one, or one that was there.
pub async fn keep_object(tx: &mut Tx, sealed: &Sealed, now: Timestamp) -> Result<ObjectId, DatabaseError> {
    if note_object(tx, sealed, now).await? {
        return Ok(sealed.at.object);
    }
    twin_or_keep(tx, sealed, now).await
}

/// As [`keep_object`], once it is known that these bytes were there already.
pub(super) async fn twin_or_keep(
    tx: &mut Tx,
    sealed: &Sealed,
    now: Timestamp,
) -> Result<ObjectId, DatabaseError> {
    hold_object(tx, sealed.at.authority, sealed.sha256).await?;
    if let Some(twin) = twin_of(tx, sealed).await? {
        return Ok(twin);
    }
    // The twin was erased between the two statements; and since this work asked, another may have noted the bytes
    // anew, which nobody can erase while they are held here.
    if note_object(tx, sealed, now).await? {
        return Ok(sealed.at.object);
    }
    twin_of(tx, sealed).await?.ok_or(DatabaseError::NoRow)
}

async fn twin_of(tx: &mut Tx, sealed: &Sealed) -> Result<Option<ObjectId>, DatabaseError> {
    let twin = sql("SELECT id FROM objects WHERE authority = $1 AND sha256 = $2");
    let row = twin.bind(sealed.at.authority).bind(sealed.sha256).optional(tx).await?;
    row.map(|row| row.id("id")).transpose()
}

/// Makes works wait for each other that refer anew to the object of these bytes, or take the last reference away.
pub(super) async fn hold_object(
    tx: &mut Tx,
    authority: AuthorityId,
    sha256: Sha256,
) -> Result<(), DatabaseError> {
    tx.serialize_on(&format!("object {authority} {sha256}")).await
}

async fn note_object(tx: &mut Tx, sealed: &Sealed, now: Timestamp) -> Result<bool, DatabaseError> {
    Ok(note_objects([(sealed, now)].into_iter()).execute(tx).await? == 1)
}

/// Notes objects whose bytes the authority has in none; the others are passed over.
pub(super) fn note_objects<'s>(objects: impl Iterator<Item = (&'s Sealed, Timestamp)>) -> Statement {
    let row = |(sealed, now): (&Sealed, Timestamp)| {
        let Sealed { at, size, sha256, cipher_sha256 } = *sealed;
        values![at.object, at.authority, sha256, cipher_sha256, size, OBJECT_FORMAT, now]
    };
    insert_rows(
        "INSERT INTO objects (id, authority, sha256, cipher_sha256, size, format, created_at)",
        objects.map(row),
        "ON CONFLICT (authority, sha256) DO NOTHING",
    )
}

/// Writes new documents; their objects must be noted.
pub(super) fn insert_all<'d>(documents: impl Iterator<Item = &'d Document>) -> Statement {
    let row = |document: &Document| {
        let extracted = document.extracted.as_ref();
        values![
            document.id,
            document.authority,
            document.object,
            &document.media_type,
            document.file_name.as_deref(),
            document.title.as_deref(),
            document.kind.as_deref(),
            document.reference.as_deref(),
            document.date.map(|date| date.to_string()),
            document.file.as_deref(),
            document.entry.as_deref(),
            &document.restriction,
            document.received_at,
            &document.received_by,
            document.stored_at,
            document.scanned_at,
            extracted.map(|read| read.at),
            extracted.map(|read| read.pages),
            extracted.map(|read| read.words),
            document.flag.as_ref().map(|(reason, _)| reason.as_str()),
            document.flag.as_ref().map(|(_, at)| *at),
        ]
    };
    insert_rows(
        "INSERT INTO documents (id, authority, object, media_type, file_name, title, kind, reference, doc_date,
             file, entry, restriction, received_at, received_by, stored_at, scanned_at, extracted_at, pages,
             words, flag, flag_at)",
        documents.map(row),
        "",
    )
}

/// The document, if it is one of the authority's.
pub async fn find(
    tx: &mut Tx,
    authority: AuthorityId,
    id: DocumentId,
) -> Result<Option<Document>, DatabaseError> {
    let row = sql("SELECT documents.*, objects.sha256, objects.size FROM documents
                   JOIN objects ON objects.id = documents.object
                   WHERE documents.id = $1 AND documents.authority = $2")
    .bind(id)
    .bind(authority)
    .optional(tx)
    .await?;
    row.as_ref().map(document).transpose()
}

/// The authority's documents that came after this instant and id and not after `until`, in the order in which they came.
pub async fn came_after(
    tx: &mut Tx,
    authority: AuthorityId,
    (at, id): (Timestamp, DocumentId),
    until: Timestamp,
    most: i64,
) -> Result<Vec<Document>, DatabaseError> {
    let rows = sql("SELECT documents.*, objects.sha256, objects.size FROM documents
                    JOIN objects ON objects.id = documents.object
                    WHERE documents.authority = $1 AND (documents.received_at, documents.id) > ($2, $3)
                      AND documents.received_at <= $4
                    ORDER BY documents.received_at, documents.id LIMIT $5");
    let rows = rows.bind(authority).bind(at).bind(id).bind(until).bind(most).all(tx).await?;
    rows.iter().map(document).collect()
}

/// Whether levels or seals restrict who may see the document, whoever's it is. One that is gone is not restricted.
pub async fn is_restricted(tx: &mut Tx, id: DocumentId) -> Result<bool, DatabaseError> {
    let row =
        sql("SELECT 1 AS restricted FROM documents WHERE id = $1 AND (restriction <> '' OR seals <> '')");
    Ok(row.bind(id).optional(tx).await?.is_some())
}

/// Notes what reading the document out has given, and that nothing is wrong with it (any more), unless the virus scanner
/// has found something in it.
pub async fn set_extracted(
    tx: &mut Tx,
    authority: AuthorityId,
    id: DocumentId,
    extracted: &Extracted,
) -> Result<(), DatabaseError> {
    sql("UPDATE documents SET extracted_at = $3, pages = $4, words = $5, text_object = $6,
             flag = CASE WHEN flag = 'infected' THEN flag END,
             flag_at = CASE WHEN flag = 'infected' THEN flag_at END
         WHERE id = $1 AND authority = $2")
    .bind(id)
    .bind(authority)
    .bind(extracted.at)
    .bind(extracted.pages)
    .bind(extracted.words)
    .bind(extracted.text)
    .later(tx);
    Ok(())
}

/// Notes that a step failed for good. What was reached before stays, and so does what the virus scanner has found.
pub async fn set_flag(
    tx: &mut Tx,
    authority: AuthorityId,
    id: DocumentId,
    reason: &str,
    at: Timestamp,
) -> Result<(), DatabaseError> {
    let flag = sql("UPDATE documents SET flag = $3, flag_at = $4 WHERE id = $1 AND authority = $2
                    AND (flag IS NULL OR flag <> 'infected')");
    flag.bind(id).bind(authority).bind(reason).bind(at).later(tx);
    Ok(())
}

/// Notes that the index has committed the documents.
pub async fn set_indexed(tx: &mut Tx, documents: &[DocumentId], at: Timestamp) -> Result<(), DatabaseError> {
    for id in documents {
        sql("UPDATE documents SET indexed_at = $2 WHERE id = $1").bind(*id).bind(at).later(tx);
    }
    Ok(())
}

/// The documents of an authority with these bytes, and what they are flagged with.
pub async fn with_bytes(
    tx: &mut Tx,
    authority: AuthorityId,
    sha256: Sha256,
) -> Result<Vec<(DocumentId, Option<String>)>, DatabaseError> {
    let rows = sql(
        "SELECT documents.id, documents.flag FROM documents JOIN objects ON objects.id = documents.object
                    WHERE objects.authority = $1 AND objects.sha256 = $2 ORDER BY documents.id",
    );
    let rows = rows.bind(authority).bind(sha256).all(tx).await?;
    rows.iter().map(|row| Ok((row.id("id")?, row.get("flag")?))).collect()
}

/// Whether any row refers to an object: as bytes of a document or a certificate, as a document's text, as a piece of an
/// upload, or as a file that waits for the virus scanner or was found infected.
pub async fn is_referenced(tx: &mut Tx, object: ObjectId) -> Result<bool, DatabaseError> {
    let row = sql("SELECT 1 AS there FROM objects WHERE id = $1
                   UNION ALL SELECT 1 FROM documents WHERE text_object = $1
                   UNION ALL SELECT 1 FROM upload_pieces WHERE object = $1
                   UNION ALL SELECT 1 FROM backups WHERE id = $1
                   UNION ALL SELECT 1 FROM held_files WHERE object = $1
                   UNION ALL SELECT 1 FROM quarantine WHERE object = $1 LIMIT 1");
    Ok(row.bind(object).optional(tx).await?.is_some())
}

/// How many rows of each kind there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Census {
    /// Documents.
    pub documents: u64,
    /// Objects that documents or certificates refer to.
    pub objects: u64,
    /// Acts in the audit trail.
    pub acts: u64,
    /// Jobs that wait, run or were set aside.
    pub jobs: u64,
    /// Idempotency keys that are remembered.
    pub idempotency_keys: u64,
}

/// Counts the rows of all authorities.
pub async fn census(tx: &mut Tx) -> Result<Census, DatabaseError> {
    let row = sql(
        "SELECT (SELECT COUNT(*) FROM documents) AS documents, (SELECT COUNT(*) FROM objects) AS objects,
                          (SELECT COUNT(*) FROM audit) AS acts, (SELECT COUNT(*) FROM jobs) AS jobs,
                          (SELECT COUNT(*) FROM idempotency) AS idempotency_keys",
    );
    let row = row.one(tx).await?;
    Ok(Census {
        documents: row.get("documents")?,
        objects: row.get("objects")?,
        acts: row.get("acts")?,
        jobs: row.get("jobs")?,
        idempotency_keys: row.get("idempotency_keys")?,
    })
}

fn document(row: &Row) -> Result<Document, DatabaseError> {
    let date = row.get::<Option<String>>("doc_date")?;
    let unfit = |_| DatabaseError::Column { column: "doc_date".into(), reason: "is no date".into() };
    let extracted_at = row.get::<Option<Timestamp>>("extracted_at")?;
    let extracted = extracted_at.map(|at| {
        Ok::<_, DatabaseError>(Extracted {
            at,
            pages: row.get("pages")?,
            words: row.get("words")?,
            text: row.get("text_object")?,
        })
    });
    let flag = row.get::<Option<String>>("flag")?;
    Ok(Document {
        id: row.id("id")?,
        authority: row.id("authority")?,
        object: row.id("object")?,
        sha256: row.get("sha256")?,
        size: row.get("size")?,
        media_type: row.text("media_type")?,
        file_name: row.get("file_name")?,
        title: row.get("title")?,
        kind: row.get("kind")?,
        reference: row.get("reference")?,
        date: date.map(|date| date.parse().map_err(unfit)).transpose()?,
        file: row.get("file")?,
        entry: row.get("entry")?,
        restriction: super::keeping::restriction(row)?,
        received_at: row.time("received_at")?,
        received_by: row.text("received_by")?,
        stored_at: row.time("stored_at")?,
        scanned_at: row.get("scanned_at")?,
        extracted: extracted.transpose()?,
        indexed_at: row.get("indexed_at")?,
        flag: flag.map(|flag| Ok::<_, DatabaseError>((flag, row.time("flag_at")?))).transpose()?,
    })
}

#[cfg(test)]
mod tests;
