//! What `stammbuch check` reads in order to compare the database with what lies elsewhere, and with itself.
//! Goes across authorities; changes nothing.

use super::{DatabaseError, Row, Tx, sql};
use crate::domain::ids::{AuthorityId, CertificateId, ObjectId};

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

/// Bytes of documents and certificates, texts of documents, pieces of uploads that are wanted, in the order of their
/// ids behind `after`.
pub async fn promised(
    tx: &mut Tx,
    after: Option<ObjectId>,
    max: u32,
) -> Result<Vec<Promised>, DatabaseError> {
    let after = after.unwrap_or(ObjectId::from_bytes([0; 16]));
    let rows = sql("SELECT o.id, o.authority, o.size, COALESCE(
                        (SELECT d.object FROM documents d WHERE d.text_object = o.id LIMIT 1), o.id) AS key_object
                    FROM objects o WHERE o.id > $1
                    UNION ALL
                    SELECT text_object, authority, NULL, object FROM documents WHERE text_object > $1
                    AND text_object NOT IN (SELECT id FROM objects)
                    UNION ALL
                    SELECT p.object, u.authority, p.size, f.object FROM upload_pieces p
                    JOIN uploads u ON u.id = p.upload AND u.expires_at > 0
                    JOIN upload_pieces f ON f.upload = p.upload AND f.number = 0
                    WHERE p.object > $1
                    ORDER BY 1 LIMIT $2");
    let rows = rows.bind(after).bind(i64::from(max)).all(tx).await?;
    rows.iter().map(read).collect()
}

/// Whether any row refers to an object.
pub async fn is_promised(tx: &mut Tx, object: ObjectId) -> Result<bool, DatabaseError> {
    let found = sql("SELECT 1 AS there FROM objects WHERE id = $1
                     UNION ALL SELECT 1 FROM documents WHERE text_object = $1
                     UNION ALL SELECT 1 FROM upload_pieces WHERE object = $1 LIMIT 1");
    Ok(found.bind(object).optional(tx).await?.is_some())
}

/// Rows of objects that neither a document nor a certificate uses.
pub async fn unused(tx: &mut Tx) -> Result<Vec<ObjectId>, DatabaseError> {
    let rows = sql("SELECT id FROM objects WHERE id NOT IN (SELECT object FROM documents)
                    AND id NOT IN (SELECT object FROM certificates WHERE object IS NOT NULL)
                    AND id NOT IN (SELECT text_object FROM documents WHERE text_object IS NOT NULL)");
    rows.all(tx).await?.iter().map(|row| row.id("id")).collect()
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

fn read(row: &Row) -> Result<Promised, DatabaseError> {
    Ok(Promised {
        object: row.id("id")?,
        authority: row.id("authority")?,
        key: row.id("key_object")?,
        size: row.get("size")?,
    })
}
