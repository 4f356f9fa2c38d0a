//! The keystore: wrapped data keys, and the wrapped keys of authorities that wrap them, in a database of their own.
//! Deleting a row of a data key erases what was sealed under it; the keystore's backups have a limited life.

use async_trait::async_trait;
use jiff::Timestamp;

use super::bind::values;
use super::gather::Gather;
use super::{Database, DatabaseError, Row, insert_rows, sql, sql_from};
use crate::domain::ids::{AuthorityId, ObjectId};
use crate::objects::{AuthorityKeyRow, KeyError, KeyName, KeyRows, Use, WrappedKey};

/// The table of wrapped keys.
#[derive(Clone)]
pub struct Keystore(Database, Gather<WrappedKey, Result<(), DatabaseError>>);

impl Keystore {
    /// On a database that [`Database::open_keystore`] opened.
    pub fn new(database: Database) -> Self {
        let keys = database.clone();
        let gather = Gather::new(&database, move |rows| insert_together(keys.clone(), rows));
        Self(database, gather)
    }
}

/// All of them by one statement; if a row is refused, each alone, so that the others are kept.
async fn insert_together(database: Database, rows: Vec<WrappedKey>) -> Vec<Result<(), DatabaseError>> {
    let refused = match insert(&database, rows.clone()).await {
        Err(error) if rows.len() > 1 && !error.is_unavailable() => error,
        outcome => return vec![outcome; rows.len()],
    };
    tracing::warn!(%refused, "a key was refused; the others that came with it are kept");
    let mut outcomes = Vec::with_capacity(rows.len());
    for row in rows {
        outcomes.push(insert(&database, vec![row]).await);
    }
    outcomes
}

async fn insert(database: &Database, rows: Vec<WrappedKey>) -> Result<(), DatabaseError> {
    database
        .write(move |tx| {
            Box::pin(async move {
                let row = |row: WrappedKey| {
                    let WrappedKey { object, authority, key, wrapped, created_at } = row;
                    values![object, authority, key.to_string(), format_of(key), wrapped, created_at]
                };
                insert_rows(
                    "INSERT INTO wrapped_keys (object_id, authority, key_id, format, wrapped, created_at)",
                    rows.into_iter().map(row),
                    "",
                )
                .later(tx);
                Ok(())
            })
        })
        .await
}

impl From<DatabaseError> for KeyError {
    fn from(error: DatabaseError) -> Self {
        Self::Store(Box::new(error))
    }
}

#[async_trait]
impl KeyRows for Keystore {
    async fn insert(&self, key: WrappedKey) -> Result<(), KeyError> {
        Ok(self.1.bring(key).await.unwrap_or(Err(DatabaseError::Panicked))?)
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

    async fn wrapped_by(
        &self,
        authority: AuthorityId,
        key: KeyName,
        max: u32,
    ) -> Result<Vec<WrappedKey>, KeyError> {
        let rows = self.0.read::<_, DatabaseError, _>(move |tx| {
            let find = sql("SELECT object_id, authority, key_id, wrapped, created_at FROM wrapped_keys
                            WHERE authority = $1 AND key_id = $2 LIMIT $3");
            Box::pin(find.bind(authority).bind(key.to_string()).bind(max).all(tx))
        });
        Ok(rows.await?.iter().map(wrapped_key).collect::<Result<_, _>>()?)
    }

    async fn rewrap(&self, old: KeyName, new: Vec<WrappedKey>) -> Result<(), KeyError> {
        self.0
            .write::<_, DatabaseError, _>(move |tx| {
                Box::pin(async move {
                    for key in new {
                        sql("UPDATE wrapped_keys SET key_id = $3, format = $4, wrapped = $5
                             WHERE object_id = $1 AND key_id = $2")
                        .bind(key.object)
                        .bind(old.to_string())
                        .bind(key.key.to_string())
                        .bind(format_of(key.key))
                        .bind(key.wrapped)
                        .later(tx);
                    }
                    Ok(())
                })
            })
            .await?;
        Ok(())
    }

    /// Goes from one to the next by the index, over all that is wrapped by the same.
    async fn names(&self) -> Result<Vec<(AuthorityId, KeyName)>, KeyError> {
        let read = self.0.read::<_, DatabaseError, _>(|tx| {
            Box::pin(async move {
                let (mut authority, mut name, mut names) = (Vec::new(), String::new(), Vec::new());
                loop {
                    let next =
                        sql("SELECT authority, key_id FROM wrapped_keys WHERE (authority, key_id) > ($1, $2)
                                    ORDER BY authority, key_id LIMIT 1");
                    let next = next.bind(authority.as_slice()).bind(&name).optional(tx).await?;
                    let Some(row) = next else { return Ok(names) };
                    (authority, name) = (row.bytes("authority")?, row.text("key_id")?);
                    names.push((row.id("authority")?, key_name(&row)?));
                }
            })
        });
        Ok(read.await?)
    }

    async fn uses(&self) -> Result<Vec<Use>, KeyError> {
        let rows = self.0.read::<_, DatabaseError, _>(|tx| {
            let count = sql("SELECT authority, key_id, COUNT(*) AS n FROM wrapped_keys
                             GROUP BY authority, key_id ORDER BY authority, key_id");
            Box::pin(count.all(tx))
        });
        let used = |row: &Row| {
            Ok(Use { authority: row.id("authority")?, key: key_name(row)?, count: row.get("n")? })
        };
        Ok(rows.await?.iter().map(used).collect::<Result<_, DatabaseError>>()?)
    }

    async fn authority_keys(&self) -> Result<Vec<AuthorityKeyRow>, KeyError> {
        let rows = self.0.read::<_, DatabaseError, _>(|tx| {
            Box::pin(sql("SELECT * FROM authority_keys ORDER BY authority, number").all(tx))
        });
        let key = |row: &Row| {
            Ok(AuthorityKeyRow {
                authority: row.id("authority")?,
                number: row.get("number")?,
                master: row.get("master_key")?,
                wrapped: row.bytes("wrapped")?,
                created_at: row.time("created_at")?,
            })
        };
        Ok(rows.await?.iter().map(key).collect::<Result<_, DatabaseError>>()?)
    }

    async fn insert_authority_key(&self, key: AuthorityKeyRow) -> Result<bool, KeyError> {
        let insert = self.0.write::<_, DatabaseError, _>(move |tx| {
            let insert =
                sql("INSERT INTO authority_keys (authority, number, master_key, wrapped, created_at)
                              VALUES ($1, $2, $3, $4, $5) ON CONFLICT (authority, number) DO NOTHING");
            let insert = insert.bind(key.authority).bind(key.number).bind(key.master).bind(key.wrapped);
            Box::pin(insert.bind(key.created_at).execute(tx))
        });
        Ok(insert.await? == 1)
    }

    async fn replace_authority_key(&self, key: AuthorityKeyRow) -> Result<(), KeyError> {
        let replace = self.0.write::<_, DatabaseError, _>(move |tx| {
            let replace = sql("UPDATE authority_keys SET master_key = $3, wrapped = $4
                               WHERE authority = $1 AND number = $2");
            let replace = replace.bind(key.authority).bind(key.number).bind(key.master);
            Box::pin(replace.bind(key.wrapped).execute(tx))
        });
        replace.await?;
        Ok(())
    }

    async fn delete_authority_key(&self, authority: AuthorityId, number: u32) -> Result<bool, KeyError> {
        let delete = self.0.write::<_, DatabaseError, _>(move |tx| {
            let delete = sql("DELETE FROM authority_keys WHERE authority = $1 AND number = $2 AND NOT EXISTS
                              (SELECT 1 FROM wrapped_keys WHERE authority = $1 AND key_id = $3)");
            let delete = delete.bind(authority).bind(number).bind(KeyName::Own(number).to_string());
            Box::pin(delete.execute(tx))
        });
        Ok(delete.await? == 1)
    }
}

/// The form of a wrapped key: 1 under a derived key, 2 under an authority's own.
const fn format_of(key: KeyName) -> i64 {
    match key {
        KeyName::Derived(_) => 1,
        KeyName::Own(_) => 2,
    }
}

fn key_name(row: &Row) -> Result<KeyName, DatabaseError> {
    let unfit = |_| DatabaseError::Column { column: "key_id".into(), reason: "names no key".into() };
    row.text("key_id")?.parse().map_err(unfit)
}

fn wrapped_key(row: &Row) -> Result<WrappedKey, DatabaseError> {
    Ok(WrappedKey {
        object: row.id("object_id")?,
        authority: row.id("authority")?,
        key: key_name(row)?,
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
            key: KeyName::Own(3),
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

    #[tokio::test]
    async fn a_key_of_an_authority_goes_only_when_it_wraps_nothing() {
        on_each_engine_by_url(async |url| {
            let database = Database::open_keystore(&url).await.unwrap();
            let keys = Keystore::new(database.clone());
            let own = |number: u32, master: u32| AuthorityKeyRow {
                authority: authority(1),
                number,
                master,
                wrapped: vec![7; 60],
                created_at: Timestamp::UNIX_EPOCH,
            };
            assert!(keys.insert_authority_key(own(3, 1)).await.unwrap());
            assert!(!keys.insert_authority_key(own(3, 2)).await.unwrap());
            assert!(keys.insert_authority_key(own(4, 1)).await.unwrap());
            keys.replace_authority_key(own(3, 2)).await.unwrap();
            assert_eq!(keys.authority_keys().await.unwrap(), [own(3, 2), own(4, 1)]);
            for n in 1..=3 {
                keys.insert(key(n)).await.unwrap();
            }
            let old = KeyName::Own(3);
            assert_eq!(keys.wrapped_by(authority(1), old, 2).await.unwrap().len(), 2);
            assert!(!keys.delete_authority_key(authority(1), 3).await.unwrap());
            keys.delete(vec![key(2).object]).await.unwrap();
            let anew = (1..=3).map(|n| WrappedKey { key: KeyName::Own(4), ..key(n) }).collect();
            keys.rewrap(old, anew).await.unwrap();
            // What was erased does not come back.
            let uses = [Use { authority: authority(1), key: KeyName::Own(4), count: 2 }];
            assert_eq!(keys.uses().await.unwrap(), uses);
            assert_eq!(keys.names().await.unwrap(), [(authority(1), KeyName::Own(4))]);
            assert!(keys.delete_authority_key(authority(1), 3).await.unwrap());
            assert_eq!(keys.authority_keys().await.unwrap(), [own(4, 1)]);
            database.close().await;
        })
        .await;
    }
}
