//! Tickets of direct uploads: what was announced, until when, and the answer once the file is a document. Every query
//! names authority and client: what is another's does not exist.

use jiff::Timestamp;

use super::idempotency::StoredAnswer;
use super::{DatabaseError, Row, Tx, sql};
use crate::domain::ids::{AuthorityId, DirectUploadId};

/// A row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirectUpload {
    /// Its identifier, and the name of the file in the staging folder.
    pub id: DirectUploadId,
    /// Whose.
    pub authority: AuthorityId,
    /// The client that asked for it.
    pub client: String,
    /// What the client said about the file, as JSON.
    pub ticket: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// From then on nothing can be put any more.
    pub expires_at: Timestamp,
    /// From then on the file is removed, and the row if it has no answer.
    pub sweep_at: Timestamp,
    /// The answer, once the file is a document.
    pub answer: Option<StoredAnswer>,
}

/// Keeps a new ticket.
pub async fn insert(tx: &mut Tx, upload: &DirectUpload) -> Result<(), DatabaseError> {
    sql("INSERT INTO direct_uploads (id, authority, client, ticket, created_at, expires_at, sweep_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7)")
    .bind(upload.id)
    .bind(upload.authority)
    .bind(&upload.client)
    .bind(&upload.ticket)
    .bind(upload.created_at)
    .bind(upload.expires_at)
    .bind(upload.sweep_at)
    .execute(tx)
    .await?;
    Ok(())
}

/// The ticket, if it is this client's of this authority.
pub async fn find(
    tx: &mut Tx,
    authority: AuthorityId,
    client: &str,
    id: DirectUploadId,
) -> Result<Option<DirectUpload>, DatabaseError> {
    let row =
        sql("SELECT id, authority, client, ticket, created_at, expires_at, sweep_at, status, headers, body
                   FROM direct_uploads WHERE id = $1 AND authority = $2 AND client = $3")
        .bind(id)
        .bind(authority)
        .bind(client)
        .optional(tx)
        .await?;
    row.as_ref().map(upload).transpose()
}

/// Keeps the answer. One that is there already stays.
pub async fn complete(tx: &mut Tx, id: DirectUploadId, answer: &StoredAnswer) -> Result<(), DatabaseError> {
    let headers = serde_json::to_string(&answer.headers)
        .map_err(|error| DatabaseError::Statement(error.to_string()))?;
    sql("UPDATE direct_uploads SET status = $2, headers = $3, body = $4 WHERE id = $1 AND status IS NULL")
        .bind(id)
        .bind(answer.status)
        .bind(headers)
        .bind(answer.body.as_slice())
        .execute(tx)
        .await?;
    Ok(())
}

/// Tickets whose files are to be removed, at most 100, the oldest first.
pub async fn due(tx: &mut Tx, now: Timestamp) -> Result<Vec<DirectUpload>, DatabaseError> {
    let rows =
        sql("SELECT id, authority, client, ticket, created_at, expires_at, sweep_at, status, headers, body
                    FROM direct_uploads WHERE sweep_at <= $1 ORDER BY sweep_at, id LIMIT 100");
    rows.bind(now).all(tx).await?.iter().map(upload).collect()
}

/// Keeps an answered ticket, to be looked at again at `sweep_at`.
pub async fn keep_until(tx: &mut Tx, id: DirectUploadId, sweep_at: Timestamp) -> Result<(), DatabaseError> {
    sql("UPDATE direct_uploads SET sweep_at = $2 WHERE id = $1").bind(id).bind(sweep_at).execute(tx).await?;
    Ok(())
}

/// Forgets a ticket.
pub async fn delete(tx: &mut Tx, id: DirectUploadId) -> Result<(), DatabaseError> {
    sql("DELETE FROM direct_uploads WHERE id = $1").bind(id).execute(tx).await?;
    Ok(())
}

fn upload(row: &Row) -> Result<DirectUpload, DatabaseError> {
    let status: Option<u16> = row.get("status")?;
    let answer = match status {
        Some(status) => {
            Some(StoredAnswer { status, headers: row.json("headers")?, body: row.bytes("body")? })
        }
        None => None,
    };
    Ok(DirectUpload {
        id: row.id("id")?,
        authority: row.id("authority")?,
        client: row.text("client")?,
        ticket: row.text("ticket")?,
        created_at: row.time("created_at")?,
        expires_at: row.time("expires_at")?,
        sweep_at: row.time("sweep_at")?,
        answer,
    })
}

#[cfg(test)]
mod tests {
    use super::super::testing::{authority, found, on_each_engine};
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[tokio::test]
    async fn a_ticket_is_its_clients_has_one_answer_and_an_end() {
        on_each_engine(async |db| {
            found(&db, 1).await;
            let ticket = DirectUpload {
                id: DirectUploadId::from_bytes([7; 16]),
                authority: authority(1),
                client: "engine-1".to_owned(),
                ticket: "{}".to_owned(),
                created_at: at(0),
                expires_at: at(10),
                sweep_at: at(20),
                answer: None,
            };
            let answer = |body: &[u8]| StoredAnswer { status: 201, headers: Vec::new(), body: body.to_vec() };
            let done: Result<(), DatabaseError> = db
                .write(move |tx| {
                    Box::pin(async move {
                        insert(tx, &ticket).await?;
                        let (own, id) = (authority(1), ticket.id);
                        assert_eq!(find(tx, own, "engine-1", id).await?, Some(ticket.clone()));
                        assert_eq!(find(tx, own, "engine-2", id).await?, None);
                        assert_eq!(find(tx, authority(2), "engine-1", id).await?, None);
                        complete(tx, id, &answer(b"first")).await?;
                        complete(tx, id, &answer(b"second")).await?;
                        let kept = find(tx, own, "engine-1", id).await?.unwrap();
                        assert_eq!((&kept.answer, kept.sweep_at), (&Some(answer(b"first")), at(20)));
                        assert_eq!(due(tx, at(19)).await?, []);
                        assert_eq!(due(tx, at(20)).await?, [kept]);
                        keep_until(tx, id, at(100)).await?;
                        assert_eq!(due(tx, at(99)).await?, []);
                        assert_eq!(due(tx, at(100)).await?.len(), 1);
                        delete(tx, id).await?;
                        assert_eq!(find(tx, own, "engine-1", id).await?, None);
                        Ok(())
                    })
                })
                .await;
            done.unwrap();
        })
        .await;
    }
}
