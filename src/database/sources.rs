//! What a sender calls a file so that it is never taken in twice, and which document it became. The names stay when the
//! document is erased: who brings the same folder again does not bring it back.

use jiff::Timestamp;

use super::{DatabaseError, Tx, sql};
use crate::domain::digest::Sha256;
use crate::domain::ids::{AuthorityId, DocumentId};

/// Within what a name is unique, and the name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Whose document it becomes.
    pub authority: AuthorityId,
    /// Who calls it so: the client of the token. What another client has brought is nobody's business.
    pub client: String,
    /// The name: 32 bytes that only have to be different for different files.
    pub name: Sha256,
}

/// What has become of a file that was taken in before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// It is this document; also if it was erased and only registrars may know that.
    As(DocumentId),
    /// The document was erased.
    Erased(DocumentId),
}

/// Notes that a file becomes `document`; or says what it has become before, and notes nothing.
///
/// Of two works at the same time one waits for the other's end.
pub async fn claim(
    tx: &mut Tx,
    source: &Source,
    document: DocumentId,
    at: Timestamp,
) -> Result<Option<Taken>, DatabaseError> {
    let noted = sql("INSERT INTO sources (authority, client, source, document, taken_at)
                     VALUES ($1, $2, $3, $4, $5) ON CONFLICT (authority, client, source) DO NOTHING")
    .bind(source.authority)
    .bind(&source.client)
    .bind(source.name)
    .bind(document)
    .bind(at)
    .execute(tx)
    .await?;
    if noted == 1 {
        return Ok(None);
    }
    look_up(tx, source).await?.map(Some).ok_or(DatabaseError::NoRow)
}

/// What a file has become, if it was taken in.
pub async fn look_up(tx: &mut Tx, source: &Source) -> Result<Option<Taken>, DatabaseError> {
    let row = sql("SELECT sources.document, erasures.restricted AS restricted FROM sources
                   LEFT JOIN erasures ON erasures.document = sources.document
                   WHERE sources.authority = $1 AND client = $2 AND source = $3")
    .bind(source.authority)
    .bind(&source.client)
    .bind(source.name)
    .optional(tx)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let document = row.id("document")?;
    let told = row.get::<Option<bool>>("restricted")? == Some(false);
    Ok(Some(if told { Taken::Erased(document) } else { Taken::As(document) }))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{authority, found, on_each_engine};
    use super::*;

    fn source(client: &str, name: u8) -> Source {
        Source { authority: authority(1), client: client.into(), name: Sha256::from_bytes([name; 32]) }
    }

    #[tokio::test]
    async fn the_first_document_of_a_name_stays_it_and_clients_do_not_see_each_others_names() {
        on_each_engine(async |db| {
            found(&db, 1).await;
            let (first, second) = (DocumentId::from_bytes([1; 16]), DocumentId::from_bytes([2; 16]));
            let at = Timestamp::UNIX_EPOCH;
            let claims = db.write::<_, DatabaseError, _>(move |tx| {
                Box::pin(async move {
                    Ok([
                        claim(tx, &source("a", 1), first, at).await?,
                        claim(tx, &source("a", 1), second, at).await?,
                        claim(tx, &source("a", 2), second, at).await?,
                        claim(tx, &source("b", 1), second, at).await?,
                    ])
                })
            });
            assert_eq!(claims.await.unwrap(), [None, Some(Taken::As(first)), None, None]);
            let known = db.read::<_, DatabaseError, _>(|tx| {
                Box::pin(async move {
                    Ok([look_up(tx, &source("a", 1)).await?, look_up(tx, &source("c", 1)).await?])
                })
            });
            assert_eq!(known.await.unwrap(), [Some(Taken::As(first)), None]);
        })
        .await;
    }
}
