//! What `stammbuch check` reads in order to compare the database with what lies elsewhere, and with itself.
//! Goes across authorities; changes nothing.

pub mod standing;

use jiff::Timestamp;

use super::{DatabaseError, Row, Tx, sql};
use crate::domain::digest::Sha256;
use crate::domain::ids::{AuthorityId, CertificateId, ObjectId};
use crate::tlog::{Leaf, LeafKind, Salt};

/// An object that the database promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Promised {
    /// Its identifier.
    pub object: ObjectId,
    /// Whose it is.
    pub authority: AuthorityId,
    /// The object whose data key it is sealed under.
    pub key: ObjectId,
    /// Its bytes, where the database knows them.
    pub size: Option<u64>,
    /// Digests of its bytes and of what lies on the store, where the database knows them.
    pub digests: Option<(Sha256, Sha256)>,
    /// A piece of an upload in progress.
    pub is_piece: bool,
}

/// An issue journal that is not what its counter says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Journal {
    /// Whose.
    pub authority: AuthorityId,
    /// The last number that was given.
    pub last: i64,
    /// The lines that are there.
    pub lines: i64,
    /// The highest number of them.
    pub highest: i64,
}

/// Bytes of documents and certificates, texts of documents, pieces of uploads that are wanted, files that wait for the
/// virus scanner or were found infected, in the order of their ids behind `after`.
pub async fn promised(
    tx: &mut Tx,
    after: Option<ObjectId>,
    max: u32,
) -> Result<Vec<Promised>, DatabaseError> {
    let after = after.unwrap_or(ObjectId::from_bytes([0; 16]));
    let rows = sql("SELECT o.id, o.authority, o.size, COALESCE(
                        (SELECT d.object FROM documents d WHERE d.text_object = o.id LIMIT 1), o.id) AS key_object,
                        o.sha256, o.cipher_sha256, CAST(0 AS BIGINT) AS piece
                    FROM objects o WHERE o.id > $1
                    UNION ALL
                    SELECT text_object, authority, NULL, object, NULL, NULL, CAST(0 AS BIGINT) FROM documents WHERE text_object > $1
                    AND text_object NOT IN (SELECT id FROM objects)
                    UNION ALL
                    SELECT p.object, u.authority, p.size, f.object, NULL, NULL, CAST(1 AS BIGINT) FROM upload_pieces p
                    JOIN uploads u ON u.id = p.upload AND u.expires_at > 0
                    JOIN upload_pieces f ON f.upload = p.upload AND f.number = 0
                    WHERE p.object > $1
                    UNION ALL
                    SELECT object, authority, size, object, sha256, cipher_sha256, CAST(0 AS BIGINT) FROM held_files WHERE object > $1
                    UNION ALL
                    SELECT object, authority, size, object, NULL, NULL, CAST(0 AS BIGINT) FROM quarantine WHERE object > $1
                    ORDER BY 1 LIMIT $2");
    let rows = rows.bind(after).bind(i64::from(max)).all(tx).await?;
    rows.iter().map(read).collect()
}

/// The promise of one object, as it is now.
pub async fn promise(tx: &mut Tx, object: ObjectId) -> Result<Option<Promised>, DatabaseError> {
    let mut before = u128::from_be_bytes(*object.as_bytes());
    before = before.saturating_sub(1);
    let next = promised(tx, Some(ObjectId::from_bytes(before.to_be_bytes())), 1).await?;
    Ok(next.into_iter().find(|found| found.object == object))
}

/// Whether any row refers to an object, or will see to it that it goes.
pub async fn is_promised(tx: &mut Tx, object: ObjectId) -> Result<bool, DatabaseError> {
    let found = sql("SELECT 1 AS there FROM objects WHERE id = $1
                     UNION ALL SELECT 1 FROM documents WHERE text_object = $1
                     UNION ALL SELECT 1 FROM upload_pieces WHERE object = $1
                     UNION ALL SELECT 1 FROM backups WHERE id = $1
                     UNION ALL SELECT 1 FROM held_files WHERE object = $1
                     UNION ALL SELECT 1 FROM quarantine WHERE object = $1
                     UNION ALL SELECT 1 FROM erasures WHERE (object = $1 OR text_object = $1)
                     AND pages_at IS NULL AND objects_at IS NULL LIMIT 1");
    Ok(found.bind(object).optional(tx).await?.is_some())
}

/// Of rows of objects: neither document nor certificate uses them, they are older than `before`, and no certificate of
/// the authority is on its way that may yet refer to them.
const UNUSED: &str = "id NOT IN (SELECT object FROM documents)
    AND id NOT IN (SELECT object FROM certificates WHERE object IS NOT NULL)
    AND id NOT IN (SELECT text_object FROM documents WHERE text_object IS NOT NULL)
    AND authority NOT IN (SELECT authority FROM certificates WHERE step <> 'stored') AND created_at <= $1";

/// Rows of objects that nothing uses and that were made before `before`, at most `max`.
pub async fn unused(tx: &mut Tx, before: Timestamp, max: u32) -> Result<Vec<ObjectId>, DatabaseError> {
    let rows = super::sql_from(format!("SELECT id FROM objects WHERE {UNUSED} ORDER BY id LIMIT $2"));
    rows.bind(before).bind(max).all(tx).await?.iter().map(|row| row.id("id")).collect()
}

/// Removes such rows; what lies on the store is an orphan then. Answers how many.
pub async fn forget_unused(tx: &mut Tx, before: Timestamp) -> Result<u64, DatabaseError> {
    super::sql_from(format!("DELETE FROM objects WHERE {UNUSED}")).bind(before).execute(tx).await
}

/// Journals whose numbers have gaps or do not end where the counter stands.
pub async fn torn_journals(tx: &mut Tx) -> Result<Vec<Journal>, DatabaseError> {
    let rows = sql("SELECT c.authority, c.last, COUNT(j.number) AS n, COALESCE(MAX(j.number), 0) AS highest
                    FROM journal_counters c LEFT JOIN journal j ON j.authority = c.authority
                    GROUP BY c.authority, c.last
                    HAVING COUNT(j.number) <> c.last OR COALESCE(MAX(j.number), 0) <> c.last");
    let journal = |row: &Row| {
        Ok(Journal {
            authority: row.id("authority")?,
            last: row.i64("last")?,
            lines: row.i64("n")?,
            highest: row.i64("highest")?,
        })
    };
    rows.all(tx).await?.iter().map(journal).collect()
}

/// Certificates whose place in the log is not the place of their leaf.
pub async fn misplaced_certificates(tx: &mut Tx) -> Result<Vec<CertificateId>, DatabaseError> {
    let rows = sql("SELECT c.id FROM certificates c
                    LEFT JOIN log_entries e ON e.subject = c.id AND e.kind = 'issued'
                    WHERE c.log_index IS NOT NULL AND (e.log_index IS NULL OR e.log_index <> c.log_index)");
    rows.all(tx).await?.iter().map(|row| row.id("id")).collect()
}

/// A certificate that is not what its steps say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Broken {
    /// It is finished, and its revision 1 is no object or another one.
    NoRevision(CertificateId),
    /// Its leaf does not commit to its seal.
    OtherLeaf(CertificateId),
}

/// Certificates behind `after` in the order of their ids that are broken, and the last one looked at; `None`: that was
/// all.
pub async fn broken_certificates(
    tx: &mut Tx,
    after: CertificateId,
    max: u32,
) -> Result<(Vec<Broken>, Option<CertificateId>), DatabaseError> {
    let rows = sql("SELECT c.id, c.step, c.salt, c.seal_digest, c.sha256, o.sha256 AS kept, e.leaf
                    FROM certificates c LEFT JOIN objects o ON o.id = c.object
                    LEFT JOIN log_entries e ON e.subject = c.id AND e.kind = 'issued'
                    WHERE c.id > $1 ORDER BY c.id LIMIT $2");
    let rows = rows.bind(after).bind(max).all(tx).await?;
    let mut broken = Vec::new();
    for row in &rows {
        let id = row.id("id")?;
        let (sha256, kept) = (row.get::<Option<Sha256>>("sha256")?, row.get::<Option<Sha256>>("kept")?);
        if row.text("step")? == "stored" && (kept.is_none() || sha256 != kept) {
            broken.push(Broken::NoRevision(id));
        }
        let digest = row.get::<Option<Sha256>>("seal_digest")?;
        if let (Some(digest), Some(leaf)) = (digest, row.get::<Option<Vec<u8>>>("leaf")?) {
            let expected = Leaf::new(LeafKind::Issued, &Salt::from_bytes(row.get("salt")?), &digest);
            if leaf != expected.as_bytes() {
                broken.push(Broken::OtherLeaf(id));
            }
        }
    }
    let last = rows.last().map(|row| row.id("id")).transpose()?;
    Ok((broken, last))
}

fn digests(row: &Row) -> Result<Option<(Sha256, Sha256)>, DatabaseError> {
    let (plain, cipher) = (row.get::<Option<Sha256>>("sha256")?, row.get("cipher_sha256")?);
    Ok(plain.zip(cipher))
}

fn read(row: &Row) -> Result<Promised, DatabaseError> {
    Ok(Promised {
        object: row.id("id")?,
        authority: row.id("authority")?,
        key: row.id("key_object")?,
        size: row.get("size")?,
        digests: digests(row)?,
        is_piece: row.get("piece")?,
    })
}
