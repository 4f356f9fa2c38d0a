//! What the public may ask: is there a certificate with this number or this digest. The same statements run
//! whether it is known or not, so that time tells nothing.

use jiff::Timestamp;

use super::{DatabaseError, Tx, sql};
use crate::domain::certificate::VerificationNumber;
use crate::domain::digest::Sha256;
use crate::domain::ids::CertificateId;

/// By what a certificate is looked for.
#[derive(Debug, Clone, Copy)]
pub enum Clue {
    /// The printed number.
    Number(VerificationNumber),
    /// SHA-256 of a revision.
    Digest(Sha256),
}

/// A row that was fetched: the one looked for, or any other if that is unknown.
#[derive(Debug, Clone)]
pub struct Fetched {
    /// True if it is the one looked for, and was acknowledged.
    pub found: bool,
    /// The request row, JSON.
    pub request: String,
    /// When it was issued.
    pub issued_at: Timestamp,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
}

/// Looks a certificate up. `None` only while there is no certificate at all.
pub async fn look_up(tx: &mut Tx, clue: &Clue) -> Result<Option<Fetched>, DatabaseError> {
    let wanted = match clue {
        Clue::Number(number) => {
            sql("SELECT id FROM certificates WHERE number = $1 AND step IN ('stored', 'delivered')")
                .bind(number.as_bytes())
        }
        Clue::Digest(digest) => {
            sql("SELECT id FROM certificates WHERE sha256 = $1 AND step IN ('stored', 'delivered')")
                .bind(*digest)
        }
    };
    let wanted: Option<CertificateId> = wanted.optional(tx).await?.map(|row| row.id("id")).transpose()?;
    let any =
        sql("SELECT id FROM certificates ORDER BY status_list, status_index LIMIT 1").optional(tx).await?;
    let any: Option<CertificateId> = any.map(|row| row.id("id")).transpose()?;
    let Some(id) = wanted.or(any) else { return Ok(None) };
    let row =
        sql("SELECT request, issued_at, revoked_at FROM certificates WHERE id = $1").bind(id).one(tx).await?;
    Ok(Some(Fetched {
        found: wanted.is_some(),
        request: row.text("request")?,
        issued_at: row.time("issued_at")?,
        revoked_at: row.get("revoked_at")?,
    }))
}
