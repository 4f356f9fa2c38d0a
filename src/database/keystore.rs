//! The keystore: wrapped data keys in a database of their own. Deleting a row erases what was sealed under the key;
//! its backups have a limited life.

use async_trait::async_trait;
use jiff::Timestamp;

use super::{Database, DatabaseError, FromColumn as _, Row, sql, sql_from};
use crate::domain::ids::ObjectId;
use crate::objects::{KeyError, KeyRows, WrappedKey};

/// The table of wrapped keys.
#[derive(Clone)]
pub struct Keystore(Database);

impl Keystore {
    /// On a database that [`Database::open_keystore`] opened.
    pub const fn new(database: Database) -> Self {
        Self(database)
    }
}

impl From<DatabaseError> for KeyError {
    fn from(error: DatabaseError) -> Self {
        Self::Store(Box::new(error))
    }
}

#[async_trait]
impl KeyRows for Keystore {
    async fn insert(&self, key: WrappedKey) -> Result<(), KeyError> {
        self.0
            .write::<_, DatabaseError, _>(move |tx| {
                Box::pin(async move {
                    sql("INSERT INTO wrapped_keys (object_id, authority, key_id, wrapped, created_at)
                         VALUES ($1, $2, $3, $4, $5)")
                    .bind(key.object)
                    .bind(key.authority)
                    .bind(key.key_id.to_string())
                    .bind(key.wrapped)
                    .bind(key.created_at)
                    .later(tx);
                    Ok(())
                })
            })
            .await?;
        Ok(())
    }

    async fn find(&self, object: ObjectId) -> Result<Option<WrappedKey>, KeyError> {
        let row = self.0.read::<_, DatabaseError, _>(move |tx| {
            let find = sql("SELECT object_id, authority, key_id, wrapped, created_at FROM wrapped_keys
                            WHERE object_id = $1");
            Box::pin(find.bind(object).optional(tx))
        });
        Ok(row.await?.as_ref().map(wrapped_key).transpose()?)
    }

    async fn delete(&self, objects: Vec<ObjectId>) -> Result<(), KeyError> {
        self.0
            .write::<_, DatabaseError, _>(move |tx| {
                Box::pin(async move {
                    for object in objects {
                        sql("DELETE FROM wrapped_keys WHERE object_id = $1").bind(object).later(tx);
                    }
                    Ok(())
                })
            })
            .await?;
        Ok(())
    }

    async fn list(&self, after: Option<ObjectId>, max: u32) -> Result<Vec<(ObjectId, Timestamp)>, KeyError> {
        let behind = if after.is_some() { "object_id > $2" } else { "$2 IS NULL" };
        let text = format!(
            "SELECT object_id, created_at FROM wrapped_keys WHERE {behind} ORDER BY object_id LIMIT $1"
        );
        let rows = self.0.read::<_, DatabaseError, _>(move |tx| {
            Box::pin(sql_from(text).bind(i64::from(max)).bind(after).all(tx))
        });
        let lines = rows.await?;
        let lines = lines.iter().map(|row| Ok((row.id("object_id")?, row.time("created_at")?)));
        Ok(lines.collect::<Result<_, DatabaseError>>()?)
    }
}

fn wrapped_key(row: &Row) -> Result<WrappedKey, DatabaseError> {
    let key_id = String::from_column(row, "key_id")?;
    let unfit = |_| DatabaseError::Column { column: "key_id".into(), reason: "is no number".into() };
    Ok(WrappedKey {
        object: row.id("object_id")?,
        authority: row.id("authority")?,
        key_id: key_id.parse().map_err(unfit)?,
        wrapped: row.bytes("wrapped")?,
        created_at: row.time("created_at")?,
    })
}

#[cfg(test)]
mod tests {
    use super::super::testing::{authority, on_each_engine_by_url};
    use super::*;

    fn key(n: u8) -> WrappedKey {
        WrappedKey {
            object: ObjectId::from_bytes([n; 16]),
            authority: authority(1),
            key_id: 3,
            wrapped: vec![n; 60],
            created_at: Timestamp::from_second(i64::from(n)).unwrap(),
        }
    }

    #[tokio::test]
    async fn a_key_is_found_until_it_is_erased() {
        on_each_engine_by_url(async |url| {
            let database = Database::open_keystore(&url).await.unwrap();
            let keys = Keystore::new(database.clone());
            for n in 1..=5 {
                keys.insert(key(n)).await.unwrap();
            }
            assert!(keys.insert(key(1)).await.is_err());
            assert_eq!(keys.find(key(2).object).await.unwrap(), Some(key(2)));
            keys.delete(vec![key(2).object, key(9).object]).await.unwrap();
            assert_eq!(keys.find(key(2).object).await.unwrap(), None);

            let line = |n: u8| (key(n).object, key(n).created_at);
            assert_eq!(keys.list(None, 2).await.unwrap(), [line(1), line(3)]);
            assert_eq!(keys.list(Some(key(3).object), 9).await.unwrap(), [line(4), line(5)]);
            assert_eq!(keys.list(Some(key(5).object), 9).await.unwrap(), []);
            database.close().await;
        })
        .await;
    }
}
