//! Certificates on their way: what each step left behind. A step is written once; who comes second finds it done.

use jiff::Timestamp;

use super::{DatabaseError, Row, Tx, sql};
use crate::domain::certificate::VerificationNumber;
use crate::domain::digest::Sha256;
use crate::domain::ids::{AuthorityId, CertificateId, ObjectId, OrderId};
use crate::tlog::Salt;

/// Bits in a status list (bitstring status list: at least 131,072).
pub const STATUS_LIST_BITS: u32 = 131_072;

/// What the first step fixes.
#[derive(Debug, Clone)]
pub struct Fixed {
    /// The certificate.
    pub id: CertificateId,
    /// Whose it is.
    pub authority: AuthorityId,
    /// The order it fulfils; there is one certificate to an order.
    pub order: OrderId,
    /// The number printed on it.
    pub number: VerificationNumber,
    /// Its number in the issue journal.
    pub journal_no: u64,
    /// Everything printed: JSON, see `issuance::request`.
    pub request: String,
    /// Hides its seal digest in the log.
    pub salt: Salt,
    /// Who signs, as what, and when: JSON, see `issuance::flow`.
    pub statement: String,
    /// When it was released.
    pub issued_at: Timestamp,
}

/// What sealing left behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    /// The CMS without unsigned attributes, DER.
    pub signature: Vec<u8>,
    /// Digest of the bytes that the signature covers.
    pub byte_range_digest: Sha256,
    /// What the log's leaf commits to.
    pub seal_digest: Sha256,
}

/// What logging left behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Logged {
    /// Index of the leaf.
    pub index: u64,
    /// The proof as text.
    pub proof: String,
}

/// What storing left behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stored {
    /// The encrypted object of revision 1.
    pub object: ObjectId,
    /// SHA-256 of revision 1.
    pub sha256: Sha256,
}

/// A certificate and how far it is.
#[derive(Debug, Clone)]
pub struct Certificate {
    /// The first step.
    pub fixed: Fixed,
    /// After signing.
    pub sealed: Option<Sealed>,
    /// Under a published checkpoint.
    pub logged: Option<Logged>,
    /// Revision 1 is stored: it may be handed over.
    pub stored: Option<Stored>,
}

/// The first of `candidates` that no certificate has in the newest status list, and that list; a new list if all
/// are taken.
pub async fn free_status(tx: &mut Tx, candidates: &[u32]) -> Result<(u32, u32), DatabaseError> {
    tx.serialize_on("status list").await?;
    let newest = sql("SELECT COALESCE(MAX(status_list), 0) AS list FROM certificates").one(tx).await?;
    let list: u32 = newest.get("list")?;
    for index in candidates {
        let taken = sql("SELECT id FROM certificates WHERE status_list = $1 AND status_index = $2");
        if taken.bind(list).bind(*index).optional(tx).await?.is_none() {
            return Ok((list, *index));
        }
    }
    Ok((list + 1, candidates.first().copied().unwrap_or(0)))
}

/// Fixes a certificate. Its journal number was drawn in the same transaction.
pub async fn fix(tx: &mut Tx, fixed: &Fixed, status: (u32, u32)) -> Result<(), DatabaseError> {
    sql("INSERT INTO certificates (id, authority, order_id, number, journal_no, format, request, salt, statement, \
         status_list, status_index, issued_at, step, step_at) \
         VALUES ($1, $2, $3, $4, $5, 1, $6, $7, $8, $9, $10, $11, 'fixed', $11)")
    .bind(fixed.id)
    .bind(fixed.authority)
    .bind(fixed.order)
    .bind(fixed.number.as_bytes())
    .bind(fixed.journal_no)
    .bind(&fixed.request)
    .bind(fixed.salt.as_bytes())
    .bind(&fixed.statement)
    .bind(status.0)
    .bind(status.1)
    .bind(fixed.issued_at)
    .later(tx);
    Ok(())
}

/// Keeps the signature. False if one was kept before: that one is to be used.
pub async fn keep_seal(
    tx: &mut Tx,
    id: CertificateId,
    sealed: &Sealed,
    at: Timestamp,
) -> Result<bool, DatabaseError> {
    let kept = sql("UPDATE certificates SET step = 'sealed', step_at = $2, signature = $3, \
                    byte_range_digest = $4, seal_digest = $5 WHERE id = $1 AND step = 'fixed'")
    .bind(id)
    .bind(at)
    .bind(sealed.signature.as_slice())
    .bind(sealed.byte_range_digest)
    .bind(sealed.seal_digest);
    Ok(kept.execute(tx).await? == 1)
}

/// Keeps the proof. False if one was kept before: that one is to be used.
pub async fn keep_proof(
    tx: &mut Tx,
    id: CertificateId,
    logged: &Logged,
    at: Timestamp,
) -> Result<bool, DatabaseError> {
    let kept = sql("UPDATE certificates SET step = 'logged', step_at = $2, log_index = $3, proof = $4 \
                    WHERE id = $1 AND step = 'sealed'");
    Ok(kept.bind(id).bind(at).bind(logged.index).bind(&logged.proof).execute(tx).await? == 1)
}

/// Records where revision 1 lies. False if it was recorded before.
pub async fn keep_revision(
    tx: &mut Tx,
    id: CertificateId,
    stored: &Stored,
    at: Timestamp,
) -> Result<bool, DatabaseError> {
    let kept = sql("UPDATE certificates SET step = 'stored', step_at = $2, object = $3, sha256 = $4, \
                    revision = 1 WHERE id = $1 AND step = 'logged'");
    Ok(kept.bind(id).bind(at).bind(stored.object).bind(stored.sha256).execute(tx).await? == 1)
}

/// A certificate by its id.
pub async fn by_id(tx: &mut Tx, id: CertificateId) -> Result<Option<Certificate>, DatabaseError> {
    let row = sql("SELECT * FROM certificates WHERE id = $1").bind(id).optional(tx).await?;
    row.as_ref().map(certificate).transpose()
}

/// The certificate of an order.
pub async fn by_order(tx: &mut Tx, order: OrderId) -> Result<Option<Certificate>, DatabaseError> {
    let row = sql("SELECT * FROM certificates WHERE order_id = $1").bind(order).optional(tx).await?;
    row.as_ref().map(certificate).transpose()
}

/// The certificate with this printed number.
pub async fn by_number(
    tx: &mut Tx,
    number: &VerificationNumber,
) -> Result<Option<Certificate>, DatabaseError> {
    let row =
        sql("SELECT * FROM certificates WHERE number = $1").bind(number.as_bytes()).optional(tx).await?;
    row.as_ref().map(certificate).transpose()
}

/// The certificate whose revision 1 has this digest.
pub async fn by_digest(tx: &mut Tx, sha256: &Sha256) -> Result<Option<Certificate>, DatabaseError> {
    let row = sql("SELECT * FROM certificates WHERE sha256 = $1").bind(*sha256).optional(tx).await?;
    row.as_ref().map(certificate).transpose()
}

/// Certificates that were begun and are not stored yet, oldest first.
pub async fn unfinished(tx: &mut Tx) -> Result<Vec<CertificateId>, DatabaseError> {
    let rows = sql("SELECT id FROM certificates WHERE step <> 'stored' ORDER BY issued_at").all(tx).await?;
    rows.iter().map(|row| row.id("id")).collect()
}

fn certificate(row: &Row) -> Result<Certificate, DatabaseError> {
    let fixed = Fixed {
        id: row.id("id")?,
        authority: row.id("authority")?,
        order: row.id("order_id")?,
        number: VerificationNumber::from_bytes(row.get("number")?),
        journal_no: row.get("journal_no")?,
        request: row.text("request")?,
        salt: Salt::from_bytes(row.get("salt")?),
        statement: row.text("statement")?,
        issued_at: row.time("issued_at")?,
    };
    let sealed = match row.get::<Option<Vec<u8>>>("signature")? {
        Some(signature) => Some(Sealed {
            signature,
            byte_range_digest: row.get("byte_range_digest")?,
            seal_digest: row.get("seal_digest")?,
        }),
        None => None,
    };
    let logged = match row.get::<Option<String>>("proof")? {
        Some(proof) => Some(Logged { index: row.get("log_index")?, proof }),
        None => None,
    };
    let stored = match row.get::<Option<ObjectId>>("object")? {
        Some(object) => Some(Stored { object, sha256: row.get("sha256")? }),
        None => None,
    };
    Ok(Certificate { fixed, sealed, logged, stored })
}
