//! Files that wait for the virus scanner: complete and durable, and no documents yet. What reads, finds or changes
//! documents does not know them. Every query names the authority: what is another's does not exist.

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::documents::Document;
use super::{DatabaseError, Row, Tx, keeping, sql};
use crate::domain::digest::Sha256;
use crate::domain::ids::{AuthorityId, DocumentId};
use crate::objects::{ObjectRef, Sealed};
use crate::register::EntryKey;

/// A file that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// The document it becomes, with the levels that restrict it.
    pub document: Document,
    /// The seals that its entry has now.
    pub seals: String,
    /// Digest of what lies on the store.
    pub cipher_sha256: Sha256,
}

impl Held {
    /// Its object, as it was sealed.
    pub const fn sealed(&self) -> Sealed {
        let Document { authority, object, size, sha256, .. } = self.document;
        Sealed { at: ObjectRef::own(authority, object), size, sha256, cipher_sha256: self.cipher_sha256 }
    }

    /// All that restricts who may know of it: levels, then seals.
    pub fn restriction(&self) -> String {
        format!("{} {}", self.document.restriction, self.seals).trim().to_owned()
    }

    /// The register entry it belongs to.
    pub fn entry(&self) -> Option<EntryKey> {
        let mut parts = self.document.entry.as_deref()?.split('/');
        let mut next = || parts.next().unwrap_or_default();
        EntryKey::parse(next(), next(), next(), next()).ok()
    }
}

/// What the document's row will say and no column here does.
#[derive(Serialize, Deserialize)]
struct Draft {
    media_type: String,
    file_name: Option<String>,
    title: Option<String>,
    kind: Option<String>,
    reference: Option<String>,
    date: Option<Date>,
    file: Option<String>,
    entry: Option<String>,
    restriction: String,
}

/// Writes a file down that waits from now on.
pub fn insert(tx: &mut Tx, held: &Held) -> Result<(), DatabaseError> {
    let document = &held.document;
    let draft = Draft {
        media_type: document.media_type.clone(),
        file_name: document.file_name.clone(),
        title: document.title.clone(),
        kind: document.kind.clone(),
        reference: document.reference.clone(),
        date: document.date,
        file: document.file.clone(),
        entry: document.entry.clone(),
        restriction: document.restriction.clone(),
    };
    let draft = serde_json::to_string(&draft).map_err(|error| DatabaseError::Statement(error.to_string()))?;
    sql("INSERT INTO held_files (document, authority, object, sha256, cipher_sha256, size, draft, client, received_at,
             held_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)")
    .bind(document.id)
    .bind(document.authority)
    .bind(document.object)
    .bind(document.sha256)
    .bind(held.cipher_sha256)
    .bind(document.size)
    .bind(draft)
    .bind(&document.received_by)
    .bind(document.received_at)
    .bind(document.stored_at)
    .later(tx);
    Ok(())
}

/// The file, if it is one of the authority's that waits.
pub async fn find(
    tx: &mut Tx,
    authority: AuthorityId,
    document: DocumentId,
) -> Result<Option<Held>, DatabaseError> {
    let row = sql("SELECT * FROM held_files WHERE document = $1 AND authority = $2");
    let Some(row) = row.bind(document).bind(authority).optional(tx).await? else { return Ok(None) };
    let mut held = read(&row)?;
    if let Some(entry) = held.entry() {
        held.seals = keeping::seals(tx, authority, &entry).await?;
    }
    Ok(Some(held))
}

/// It waits no more; `false`: it did not.
pub async fn remove(
    tx: &mut Tx,
    authority: AuthorityId,
    document: DocumentId,
) -> Result<bool, DatabaseError> {
    let removed = sql("DELETE FROM held_files WHERE document = $1 AND authority = $2");
    Ok(removed.bind(document).bind(authority).execute(tx).await? == 1)
}

/// Whether any file waits, whoever's it is.
pub async fn any(tx: &mut Tx) -> Result<bool, DatabaseError> {
    Ok(sql("SELECT 1 AS waits FROM held_files LIMIT 1").optional(tx).await?.is_some())
}

fn read(row: &Row) -> Result<Held, DatabaseError> {
    let draft: Draft = row.json("draft")?;
    let stored_at: Timestamp = row.time("held_at")?;
    Ok(Held {
        seals: String::new(),
        cipher_sha256: row.get("cipher_sha256")?,
        document: Document {
            id: row.id("document")?,
            authority: row.id("authority")?,
            object: row.id("object")?,
            sha256: row.get("sha256")?,
            size: row.get("size")?,
            media_type: draft.media_type,
            file_name: draft.file_name,
            title: draft.title,
            kind: draft.kind,
            reference: draft.reference,
            date: draft.date,
            file: draft.file,
            entry: draft.entry,
            restriction: draft.restriction,
            received_at: row.time("received_at")?,
            received_by: row.text("client")?,
            stored_at,
            scanned_at: None,
            extracted: None,
            indexed_at: None,
            flag: None,
        },
    })
}
