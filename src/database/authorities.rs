//! Authorities and their offices as dated rows: what was true of them at a moment stays readable, so that an old
//! certificate is composed again as it was.

use jiff::Timestamp;
use serde_json::Value;

use super::{DatabaseError, Row, Tx, sql};
use crate::domain::ids::AuthorityId;

/// What an authority, or one of its offices, was during a time.
#[derive(Debug, Clone, PartialEq)]
pub struct Dated {
    /// The authority.
    pub authority: AuthorityId,
    /// From when on, inclusive.
    pub valid_from: Timestamp,
    /// Until when, exclusive; `None`: until further notice.
    pub valid_to: Option<Timestamp>,
    /// Its name.
    pub name: String,
    /// Letterhead, municipalities, keys, fees, terms: format 1, a JSON object.
    pub details: Value,
}

/// An office of an authority during a time.
#[derive(Debug, Clone, PartialEq)]
pub struct Office {
    /// Its number (Standesamtsnummer).
    pub number: String,
    /// What it was.
    pub dated: Dated,
}

/// Why a dated row was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DateError {
    /// History is not rewritten: a row begins after the one before it.
    #[error("a new row has to begin after {newest}; got {got}")]
    NotAfterNewest {
        /// When the newest row begins.
        newest: Timestamp,
        /// When the new row would begin.
        got: Timestamp,
    },
    /// The database failed.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

/// Makes the authority itself. Whether all it issues are specimens is fixed here, for ever.
pub async fn found(tx: &mut Tx, id: AuthorityId, specimen: bool, at: Timestamp) -> Result<(), DatabaseError> {
    sql("INSERT INTO authorities (id, specimen, created_at) VALUES ($1, $2, $3)")
        .bind(id)
        .bind(specimen)
        .bind(at)
        .execute(tx)
        .await?;
    Ok(())
}

/// Whether the authority issues specimens only; `None` if there is no such authority.
pub async fn specimen(tx: &mut Tx, id: AuthorityId) -> Result<Option<bool>, DatabaseError> {
    let row = sql("SELECT specimen FROM authorities WHERE id = $1").bind(id).optional(tx).await?;
    row.map(|row| row.get("specimen")).transpose()
}

/// All authorities, in the order they were made.
pub async fn list(tx: &mut Tx) -> Result<Vec<AuthorityId>, DatabaseError> {
    let rows = sql("SELECT id FROM authorities ORDER BY created_at, id").all(tx).await?;
    rows.iter().map(|row| row.id("id")).collect()
}

/// From `valid_from` on the authority is this; what held before ends then.
pub async fn put(
    tx: &mut Tx,
    authority: AuthorityId,
    valid_from: Timestamp,
    name: &str,
    details: &Value,
) -> Result<(), DateError> {
    tx.serialize_on(&format!("authority {authority}")).await?;
    let newest = sql("SELECT MAX(valid_from) AS newest FROM authority_versions WHERE authority = $1");
    after_newest(&newest.bind(authority).one(tx).await?, valid_from)?;
    sql("UPDATE authority_versions SET valid_to = $2
         WHERE authority = $1 AND (valid_to IS NULL OR valid_to > $2)")
    .bind(authority)
    .bind(valid_from)
    .execute(tx)
    .await?;
    sql("INSERT INTO authority_versions (authority, valid_from, name, details) VALUES ($1, $2, $3, $4)")
        .bind(authority)
        .bind(valid_from)
        .bind(name)
        .bind(details.to_string())
        .execute(tx)
        .await?;
    Ok(())
}

/// What the authority was at `at`.
pub async fn as_of(
    tx: &mut Tx,
    authority: AuthorityId,
    at: Timestamp,
) -> Result<Option<Dated>, DatabaseError> {
    let row = sql("SELECT * FROM authority_versions
                   WHERE authority = $1 AND valid_from <= $2 AND (valid_to IS NULL OR valid_to > $2)")
    .bind(authority)
    .bind(at)
    .optional(tx)
    .await?;
    row.as_ref().map(dated).transpose()
}

/// From `valid_from` on the office is this; what held before ends then.
pub async fn put_office(
    tx: &mut Tx,
    authority: AuthorityId,
    number: &str,
    valid_from: Timestamp,
    name: &str,
    details: &Value,
) -> Result<(), DateError> {
    tx.serialize_on(&format!("authority {authority}")).await?;
    let newest = sql("SELECT MAX(valid_from) AS newest FROM offices WHERE authority = $1 AND number = $2");
    after_newest(&newest.bind(authority).bind(number).one(tx).await?, valid_from)?;
    end_office(tx, authority, number, valid_from).await?;
    sql("INSERT INTO offices (authority, number, valid_from, name, details) VALUES ($1, $2, $3, $4, $5)")
        .bind(authority)
        .bind(number)
        .bind(valid_from)
        .bind(name)
        .bind(details.to_string())
        .execute(tx)
        .await?;
    Ok(())
}

/// The office is dissolved at `valid_to`. Answers whether there was something to end.
pub async fn end_office(
    tx: &mut Tx,
    authority: AuthorityId,
    number: &str,
    valid_to: Timestamp,
) -> Result<bool, DatabaseError> {
    let ended = sql("UPDATE offices SET valid_to = $3
                     WHERE authority = $1 AND number = $2 AND valid_from < $3
                       AND (valid_to IS NULL OR valid_to > $3)")
    .bind(authority)
    .bind(number)
    .bind(valid_to)
    .execute(tx)
    .await?;
    Ok(ended > 0)
}

/// What the office was at `at`.
pub async fn office_as_of(
    tx: &mut Tx,
    authority: AuthorityId,
    number: &str,
    at: Timestamp,
) -> Result<Option<Office>, DatabaseError> {
    let offices = offices_as_of(tx, authority, at).await?;
    Ok(offices.into_iter().find(|office| office.number == number))
}

/// The authority that has office `number` at `at`.
pub async fn holder_of(
    tx: &mut Tx,
    number: &str,
    at: Timestamp,
) -> Result<Option<AuthorityId>, DatabaseError> {
    let row = sql("SELECT authority FROM offices
                   WHERE number = $1 AND valid_from <= $2 AND (valid_to IS NULL OR valid_to > $2)");
    row.bind(number).bind(at).optional(tx).await?.map(|row| row.id("authority")).transpose()
}

/// The offices an authority had at `at`, by number.
pub async fn offices_as_of(
    tx: &mut Tx,
    authority: AuthorityId,
    at: Timestamp,
) -> Result<Vec<Office>, DatabaseError> {
    let rows = sql("SELECT * FROM offices
                    WHERE authority = $1 AND valid_from <= $2 AND (valid_to IS NULL OR valid_to > $2)
                    ORDER BY number")
    .bind(authority)
    .bind(at)
    .all(tx)
    .await?;
    rows.iter().map(|row| Ok(Office { number: row.text("number")?, dated: dated(row)? })).collect()
}

fn after_newest(row: &Row, got: Timestamp) -> Result<(), DateError> {
    match row.get::<Option<Timestamp>>("newest")? {
        Some(newest) if newest >= got => Err(DateError::NotAfterNewest { newest, got }),
        _ => Ok(()),
    }
}

fn dated(row: &Row) -> Result<Dated, DatabaseError> {
    Ok(Dated {
        authority: row.id("authority")?,
        valid_from: row.time("valid_from")?,
        valid_to: row.get("valid_to")?,
        name: row.text("name")?,
        details: row.json("details")?,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::{authority, found as make, on_each_engine};
    use super::*;
    use crate::database::Database;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    async fn put_named(db: &Database, from: i64, name: &'static str) -> Result<(), DateError> {
        db.write(move |tx| {
            Box::pin(async move { put(tx, authority(1), at(from), name, &json!({"n": name})).await })
        })
        .await
    }

    async fn name_at(db: &Database, second: i64) -> Option<String> {
        let found = db.read(|tx| Box::pin(as_of(tx, authority(1), at(second)))).await.unwrap();
        found.map(|dated| dated.name)
    }

    #[tokio::test]
    async fn each_moment_has_the_row_that_held_then() {
        on_each_engine(async |db| {
            make(&db, 1).await;
            put_named(&db, 100, "Altstadt").await.unwrap();
            put_named(&db, 200, "Musterstadt").await.unwrap();
            let named =
                [(99, None), (100, Some("Altstadt")), (199, Some("Altstadt")), (200, Some("Musterstadt"))];
            for (second, name) in named {
                assert_eq!(name_at(&db, second).await.as_deref(), name, "{second}");
            }
            let now = db.read(|tx| Box::pin(as_of(tx, authority(1), at(900)))).await.unwrap().unwrap();
            assert_eq!((now.valid_to, now.details), (None, json!({"n": "Musterstadt"})));
        })
        .await;
    }

    #[tokio::test]
    async fn history_is_not_rewritten() {
        on_each_engine(async |db| {
            make(&db, 1).await;
            put_named(&db, 100, "Altstadt").await.unwrap();
            for from in [99, 100] {
                let refused = put_named(&db, from, "Neustadt").await;
                assert_eq!(refused, Err(DateError::NotAfterNewest { newest: at(100), got: at(from) }));
            }
        })
        .await;
    }

    #[tokio::test]
    async fn an_office_ends_and_its_number_is_no_more() {
        on_each_engine(async |db| {
            make(&db, 1).await;
            db.write::<_, DateError, _>(|tx| {
                Box::pin(async {
                    put_office(tx, authority(1), "08111001", at(100), "Mitte", &json!({})).await?;
                    put_office(tx, authority(1), "08111002", at(100), "Nord", &json!({})).await?;
                    assert!(end_office(tx, authority(1), "08111002", at(300)).await?);
                    assert!(!end_office(tx, authority(1), "08111003", at(300)).await?);
                    Ok(())
                })
            })
            .await
            .unwrap();
            let numbers = async |second| {
                let offices =
                    db.read(|tx| Box::pin(offices_as_of(tx, authority(1), at(second)))).await.unwrap();
                offices.into_iter().map(|office| office.number).collect::<Vec<_>>().join(" ")
            };
            assert_eq!(numbers(99).await, "");
            assert_eq!(numbers(299).await, "08111001 08111002");
            assert_eq!(numbers(300).await, "08111001");
            let gone = db.read(|tx| Box::pin(office_as_of(tx, authority(1), "08111002", at(300)))).await;
            assert_eq!(gone, Ok(None));
        })
        .await;
    }

    #[tokio::test]
    async fn a_specimen_authority_is_known_as_one() {
        on_each_engine(async |db| {
            make(&db, 1).await;
            assert_eq!(db.read(|tx| Box::pin(specimen(tx, authority(1)))).await, Ok(Some(true)));
            assert_eq!(db.read(|tx| Box::pin(specimen(tx, authority(2)))).await, Ok(None));
            assert_eq!(db.read(|tx| Box::pin(list(tx))).await, Ok(vec![authority(1)]));
        })
        .await;
    }
}
