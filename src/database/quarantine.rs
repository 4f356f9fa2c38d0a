//! Infected files: who brought them, what was found, and the sealed bytes as long as they are kept. Every query for a
//! caller names the authority.

use jiff::Timestamp;

use super::{DatabaseError, Row, Tx, sql};
use crate::domain::digest::Sha256;
use crate::domain::ids::{AuthorityId, DocumentId, ObjectId, QuarantineId};

/// An infected file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quarantined {
    /// Its identifier here.
    pub id: QuarantineId,
    /// Whose upload it was.
    pub authority: AuthorityId,
    /// The object of its bytes; none: they are not kept.
    pub object: Option<ObjectId>,
    /// Digest of its bytes.
    pub sha256: Sha256,
    /// Its bytes, counted.
    pub size: u64,
    /// What was found.
    pub signature: String,
    /// Who brought it.
    pub client: String,
    /// In which request.
    pub request_id: Option<String>,
    /// The document it was to become, if its sender was told so.
    pub document: Option<DocumentId>,
    /// Whether that would have been for registrars only.
    pub restricted: bool,
    /// When it was found infected.
    pub found_at: Timestamp,
    /// From then on it is removed.
    pub until: Timestamp,
}

/// Writes an infected file down. Its bytes are kept if the same are not there, and if those of its authority are not
/// more than `bytes_max` with them; answers whether they are.
pub async fn put(tx: &mut Tx, infected: &Quarantined, bytes_max: u64) -> Result<bool, DatabaseError> {
    tx.serialize_on(&format!("quarantine {}", infected.authority)).await?;
    let row = sql("SELECT CAST(COALESCE(SUM(size), 0) AS BIGINT) AS used,
                     CAST(COALESCE(SUM(CASE WHEN sha256 = $2 THEN 1 ELSE 0 END), 0) AS BIGINT) AS twins
                   FROM quarantine WHERE authority = $1 AND object IS NOT NULL");
    let row = row.bind(infected.authority).bind(infected.sha256).one(tx).await?;
    let (used, twins): (u64, u64) = (row.get("used")?, row.get("twins")?);
    let kept = infected.object.filter(|_| twins == 0 && used.saturating_add(infected.size) <= bytes_max);
    sql("INSERT INTO quarantine (id, authority, object, sha256, size, signature, client, request_id, document,
             restricted, found_at, until_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)")
    .bind(infected.id)
    .bind(infected.authority)
    .bind(kept)
    .bind(infected.sha256)
    .bind(infected.size)
    .bind(&infected.signature)
    .bind(&infected.client)
    .bind(infected.request_id.as_deref())
    .bind(infected.document)
    .bind(i64::from(infected.restricted))
    .bind(infected.found_at)
    .bind(infected.until)
    .later(tx);
    Ok(kept.is_some())
}

/// Infected files of an authority, the last found first.
pub async fn list(
    tx: &mut Tx,
    authority: AuthorityId,
    at_most: u32,
) -> Result<Vec<Quarantined>, DatabaseError> {
    let rows = sql("SELECT * FROM quarantine WHERE authority = $1 ORDER BY found_at DESC, id LIMIT $2");
    rows.bind(authority).bind(at_most).all(tx).await?.iter().map(read).collect()
}

/// The infected file that was to become this document.
pub async fn of_document(
    tx: &mut Tx,
    authority: AuthorityId,
    document: DocumentId,
) -> Result<Option<Quarantined>, DatabaseError> {
    let row = sql("SELECT * FROM quarantine WHERE document = $1 AND authority = $2");
    row.bind(document).bind(authority).optional(tx).await?.as_ref().map(read).transpose()
}

/// Files whose time is over, whoever's they are, with the objects that go with them.
pub async fn due(
    tx: &mut Tx,
    now: Timestamp,
    at_most: u32,
) -> Result<Vec<(QuarantineId, Option<ObjectId>)>, DatabaseError> {
    let rows = sql("SELECT id, object FROM quarantine WHERE until_at <= $1 ORDER BY until_at, id LIMIT $2");
    let read = |row: &Row| Ok((row.id("id")?, row.get("object")?));
    rows.bind(now).bind(at_most).all(tx).await?.iter().map(read).collect()
}

/// Forgets files whose keys and bytes are gone.
pub async fn remove(tx: &mut Tx, files: &[QuarantineId]) -> Result<(), DatabaseError> {
    for id in files {
        sql("DELETE FROM quarantine WHERE id = $1").bind(*id).later(tx);
    }
    Ok(())
}

/// Lets the time of all files with these bytes be over, and what their audit rows say of persons go: a document with
/// the same bytes is erased.
pub(super) async fn end(
    tx: &mut Tx,
    authority: AuthorityId,
    sha256: Sha256,
    at: Timestamp,
) -> Result<(), DatabaseError> {
    let same = sql("SELECT id FROM quarantine WHERE authority = $1 AND sha256 = $2");
    for row in same.bind(authority).bind(sha256).all(tx).await? {
        let id = row.id::<QuarantineId>("id")?;
        sql("UPDATE quarantine SET until_at = $2 WHERE id = $1").bind(id).bind(at).later(tx);
        sql("DELETE FROM audit_personal WHERE commitment IN (SELECT commitment FROM audit
             WHERE authority = $1 AND subject_kind = 'quarantine' AND subject_id = $2)")
        .bind(authority)
        .bind(id.to_string())
        .later(tx);
    }
    Ok(())
}

fn read(row: &Row) -> Result<Quarantined, DatabaseError> {
    Ok(Quarantined {
        id: row.id("id")?,
        authority: row.id("authority")?,
        object: row.get("object")?,
        sha256: row.get("sha256")?,
        size: row.get("size")?,
        signature: row.text("signature")?,
        client: row.text("client")?,
        request_id: row.get("request_id")?,
        document: row.get("document")?,
        restricted: row.get("restricted")?,
        found_at: row.time("found_at")?,
        until: row.time("until_at")?,
    })
}
