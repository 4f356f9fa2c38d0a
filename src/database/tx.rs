//! Statements and the transaction they run in: query text with `$1`, values bound one by one, for both engines.
//!
//! A statement that fails ends its transaction on both engines alike: nothing it did before can be committed.

use sqlx::sqlite::SqliteConnection;
use sqlx::{AssertSqlSafe, Postgres, SqlSafeStr as _, SqlStr, Transaction};

use super::bind::{Bind, Value, postgres_arguments, sqlite_arguments};
use super::error::DatabaseError;
use super::row::Row;

/// What a unit of work sees of the database.
#[derive(Debug)]
pub struct Tx {
    pub(super) link: Link,
    failure: Option<DatabaseError>,
}

#[derive(Debug)]
pub(super) enum Link {
    Sqlite(Box<SqliteConnection>),
    Postgres(Transaction<'static, Postgres>),
}

/// A query text with the values bound to it so far.
#[derive(Debug)]
#[must_use = "a statement does nothing until it runs"]
pub struct Statement {
    text: SqlStr,
    values: Vec<Value>,
}

/// A statement that both engines understand: `$1` placeholders; BIGINT, TEXT and bytes only.
pub fn sql(text: &'static str) -> Statement {
    Statement { text: text.into_sql_str(), values: Vec::new() }
}

/// As [`sql`], for a text that is put together at run time from constants. Values are bound, never written in.
pub fn sql_from(text: String) -> Statement {
    Statement { text: AssertSqlSafe(text).into_sql_str(), values: Vec::new() }
}

impl Statement {
    /// Binds the next placeholder.
    pub fn bind(mut self, value: impl Bind) -> Self {
        self.values.push(value.into_value());
        self
    }

    /// Runs it and says how many rows it wrote.
    pub async fn execute(self, tx: &mut Tx) -> Result<u64, DatabaseError> {
        tx.still_good()?;
        let done = self.run(tx).await;
        tx.noting_failure(done)
    }

    /// All rows of the answer.
    pub async fn all(self, tx: &mut Tx) -> Result<Vec<Row>, DatabaseError> {
        tx.still_good()?;
        let rows = self.fetch_all(tx).await;
        tx.noting_failure(rows)
    }

    /// The first row, if there is one.
    pub async fn optional(self, tx: &mut Tx) -> Result<Option<Row>, DatabaseError> {
        tx.still_good()?;
        let row = self.fetch_optional(tx).await;
        tx.noting_failure(row)
    }

    /// The first row; [`DatabaseError::NoRow`] if there is none (which does not end the transaction).
    pub async fn one(self, tx: &mut Tx) -> Result<Row, DatabaseError> {
        self.optional(tx).await?.ok_or(DatabaseError::NoRow)
    }

    async fn run(self, tx: &mut Tx) -> Result<u64, DatabaseError> {
        match &mut tx.link {
            Link::Sqlite(link) => {
                let query = sqlx::query_with(self.text, sqlite_arguments(self.values)?);
                Ok(query.execute(&mut **link).await?.rows_affected())
            }
            Link::Postgres(link) => {
                let query = sqlx::query_with(self.text, postgres_arguments(self.values)?);
                Ok(query.execute(&mut **link).await?.rows_affected())
            }
        }
    }

    async fn fetch_all(self, tx: &mut Tx) -> Result<Vec<Row>, DatabaseError> {
        match &mut tx.link {
            Link::Sqlite(link) => {
                let query = sqlx::query_with(self.text, sqlite_arguments(self.values)?);
                Ok(query.fetch_all(&mut **link).await?.into_iter().map(Row::from).collect())
            }
            Link::Postgres(link) => {
                let query = sqlx::query_with(self.text, postgres_arguments(self.values)?);
                Ok(query.fetch_all(&mut **link).await?.into_iter().map(Row::from).collect())
            }
        }
    }

    async fn fetch_optional(self, tx: &mut Tx) -> Result<Option<Row>, DatabaseError> {
        match &mut tx.link {
            Link::Sqlite(link) => {
                let query = sqlx::query_with(self.text, sqlite_arguments(self.values)?);
                Ok(query.fetch_optional(&mut **link).await?.map(Row::from))
            }
            Link::Postgres(link) => {
                let query = sqlx::query_with(self.text, postgres_arguments(self.values)?);
                Ok(query.fetch_optional(&mut **link).await?.map(Row::from))
            }
        }
    }
}

impl Tx {
    pub(super) const fn new(link: Link) -> Self {
        Self { link, failure: None }
    }

    /// Makes all works that name the same key wait for each other until they are committed. Needed where a work
    /// reads something and writes what follows from it: on SQLite works never overlap, on PostgreSQL they do.
    pub async fn serialize_on(&mut self, key: &str) -> Result<(), DatabaseError> {
        self.settle_order(key).await
    }

    /// Says that this work writes rows which the engine numbers, and that readers go by the number. On PostgreSQL
    /// a lower number can become visible after a higher one: see [`Self::settle_order`].
    pub async fn join_order(&mut self, key: &str) -> Result<(), DatabaseError> {
        self.advisory("SELECT CAST(pg_advisory_xact_lock_shared(hashtextextended($1, 0)) AS TEXT)", key).await
    }

    /// Waits until all works that joined the order have ended: what is read next, in this work, has no gaps that
    /// fill later. Must be the first statement of a `write` (a `read` has fixed what it sees before the lock).
    pub async fn settle_order(&mut self, key: &str) -> Result<(), DatabaseError> {
        self.advisory("SELECT CAST(pg_advisory_xact_lock(hashtextextended($1, 0)) AS TEXT)", key).await
    }

    /// On SQLite works never overlap, so there is nothing to wait for.
    async fn advisory(&mut self, lock: &'static str, key: &str) -> Result<(), DatabaseError> {
        if matches!(self.link, Link::Postgres(_)) {
            sql(lock).bind(key).execute(self).await?;
        }
        Ok(())
    }

    /// The error that ended this transaction, if one did.
    pub(super) fn take_failure(&mut self) -> Option<DatabaseError> {
        self.failure.take()
    }

    fn still_good(&self) -> Result<(), DatabaseError> {
        match &self.failure {
            Some(first) => Err(DatabaseError::AfterFailure(Box::new(first.clone()))),
            None => Ok(()),
        }
    }

    fn noting_failure<T>(&mut self, outcome: Result<T, DatabaseError>) -> Result<T, DatabaseError> {
        if let Err(error) = &outcome {
            self.failure = Some(error.clone());
        }
        outcome
    }
}
