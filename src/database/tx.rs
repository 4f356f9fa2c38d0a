//! Statements and the transaction they run in: query text with `$1`, values bound one by one, for both engines.
//!
//! A statement that fails ends its transaction on both engines alike: nothing it did before can be committed.

use std::fmt::Write as _;

use futures_util::TryStreamExt as _;
use sqlx::sqlite::SqliteConnection;
use sqlx::{AssertSqlSafe, Executor as _, Postgres, SqlSafeStr as _, SqlStr, Transaction};

use super::bind::{Bind, Value, postgres_arguments, sqlite_arguments};
use super::error::DatabaseError;
use super::row::Row;

/// What a unit of work sees of the database.
#[derive(Debug)]
pub struct Tx {
    pub(super) link: Link,
    failure: Option<DatabaseError>,
    /// Statements whose outcome nobody looks at, in order: they go to the engine with the next one.
    deferred: Vec<Statement>,
}

#[derive(Debug)]
pub(super) enum Link {
    Sqlite(Box<SqliteConnection>),
    Postgres(Transaction<'static, Postgres>),
}

/// Statements that go to SQLite together at most.
const TOGETHER_MAX: usize = 16;

/// A query text with the values bound to it so far.
#[derive(Debug)]
#[must_use = "a statement does nothing until it runs"]
pub struct Statement {
    text: SqlStr,
    marks: Marks,
    values: Vec<Value>,
}

/// How a text says where its values go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Marks {
    /// `$1`, `$2` …, each as often as it is needed.
    Numbered,
    /// `?` for one after the other. SQLite looks for a name among all others of its statement with each value it is
    /// given; these have none. PostgreSQL does not know them.
    InOrder,
}

/// A statement that both engines understand: `$1` placeholders; BIGINT, TEXT and bytes only.
pub fn sql(text: &'static str) -> Statement {
    Statement { text: text.into_sql_str(), marks: Marks::Numbered, values: Vec::new() }
}

/// As [`sql`], for a text that is put together at run time from constants. Values are bound, never written in.
pub fn sql_from(text: String) -> Statement {
    Statement { text: AssertSqlSafe(text).into_sql_str(), marks: Marks::Numbered, values: Vec::new() }
}

/// `INSERT INTO …` (with the names of its columns) of many rows; `tail`: what is to be done where they are there.
pub fn insert_rows<const N: usize>(
    into: &str,
    rows: impl Iterator<Item = [Value; N]>,
    tail: &str,
) -> Statement {
    let values: Vec<Value> = rows.flatten().collect();
    let row = format!("({}?)", "?, ".repeat(N.saturating_sub(1)));
    let mut text = format!("{into} VALUES ");
    for place in 0..values.len() / N.max(1) {
        text.push_str(if place == 0 { "" } else { ", " });
        text.push_str(&row);
    }
    text.push(' ');
    text.push_str(tail);
    Statement { text: AssertSqlSafe(text).into_sql_str(), marks: Marks::InOrder, values }
}

impl Statement {
    /// Binds the next placeholder.
    pub fn bind(mut self, value: impl Bind) -> Self {
        self.values.push(value.into_value());
        self
    }

    /// Binds the next placeholder to a value as it is stored.
    pub(super) fn bind_value(mut self, value: Value) -> Self {
        self.values.push(value);
        self
    }

    /// Runs it together with the next statement of the work, or at its end: for what has no answer worth waiting
    /// for. On SQLite this saves a change of threads, which costs more than the statement. If it fails, the next
    /// statement says so, or `write` itself does: the work is rolled back then.
    pub fn later(self, tx: &mut Tx) {
        tx.deferred.push(self);
    }

    /// Runs it and says how many rows it wrote.
    pub async fn execute(self, tx: &mut Tx) -> Result<u64, DatabaseError> {
        tx.still_good()?;
        let written = tx.run(self).await;
        tx.noting_failure(written)
    }

    /// All rows of the answer.
    pub async fn all(self, tx: &mut Tx) -> Result<Vec<Row>, DatabaseError> {
        tx.still_good()?;
        let rows = tx.fetch_all(self).await;
        tx.noting_failure(rows)
    }

    /// The first row, if there is one.
    pub async fn optional(self, tx: &mut Tx) -> Result<Option<Row>, DatabaseError> {
        tx.still_good()?;
        let row = tx.fetch_optional(self).await;
        tx.noting_failure(row)
    }

    /// The first row; [`DatabaseError::NoRow`] if there is none (which does not end the transaction).
    pub async fn one(self, tx: &mut Tx) -> Result<Row, DatabaseError> {
        self.optional(tx).await?.ok_or(DatabaseError::NoRow)
    }

    /// One text of several statements, this one the last, with the values of all.
    fn behind(self, earlier: Vec<Self>) -> Self {
        if earlier.is_empty() {
            return self;
        }
        let mut text = String::new();
        let mut values = Vec::new();
        for statement in earlier.into_iter().chain([self]) {
            if !text.is_empty() {
                text.push_str(";\n");
            }
            statement.in_order(&mut text, &mut values);
        }
        Self { text: AssertSqlSafe(text).into_sql_str(), marks: Marks::InOrder, values }
    }

    /// Writes the text with a `?` for each value.
    fn in_order(self, into: &mut String, all: &mut Vec<Value>) {
        if self.marks == Marks::InOrder {
            into.push_str(self.text.as_str());
            all.extend(self.values);
            return;
        }
        let mut parts = self.text.as_str().split('$');
        into.push_str(parts.next().unwrap_or_default());
        for part in parts {
            let digits = part.bytes().take_while(u8::is_ascii_digit).count();
            let (number, rest) = part.split_at(digits);
            let place = number.parse::<usize>().ok().and_then(|number| number.checked_sub(1));
            match place.and_then(|place| self.values.get(place)) {
                Some(value) => {
                    into.push('?');
                    all.push(value.clone());
                }
                None => {
                    into.push('$');
                    into.push_str(number);
                }
            }
            into.push_str(rest);
        }
    }

    /// The text with numbers, as PostgreSQL wants it.
    fn numbered(self) -> Self {
        if self.marks == Marks::Numbered {
            return self;
        }
        let mut text = String::with_capacity(self.text.as_str().len() + 4 * self.values.len());
        for (place, part) in self.text.as_str().split('?').enumerate() {
            if place > 0 {
                let _ = write!(text, "${place}");
            }
            text.push_str(part);
        }
        Self { text: AssertSqlSafe(text).into_sql_str(), marks: Marks::Numbered, values: self.values }
    }
}

impl Tx {
    pub(super) const fn new(link: Link) -> Self {
        Self { link, failure: None, deferred: Vec::new() }
    }

    /// Whether the engine is PostgreSQL: for the few questions that each is asked in its own way.
    pub(super) const fn is_postgres(&self) -> bool {
        matches!(self.link, Link::Postgres(_))
    }

    /// What was left for later does not run: its work is rolled back.
    pub(super) fn forget_deferred(&mut self) {
        self.deferred.clear();
    }

    /// Whether statements wait for the next one.
    pub(super) fn has_deferred(&self) -> bool {
        !self.deferred.is_empty()
    }

    /// What goes to SQLite together with the next statement; what was left for later before that runs first. The
    /// limit keeps the texts few, since each is compiled once.
    async fn last_deferred(&mut self) -> Result<Vec<Statement>, DatabaseError> {
        let mut deferred = std::mem::take(&mut self.deferred);
        if let Link::Sqlite(link) = &mut self.link {
            while deferred.len() >= TOGETHER_MAX {
                let rest = deferred.split_off(TOGETHER_MAX);
                let Some(last) = deferred.pop() else { break };
                let Statement { text, values, .. } = last.behind(deferred);
                sqlx::query_with(text, sqlite_arguments(values)?).execute(&mut **link).await?;
                deferred = rest;
            }
        }
        Ok(deferred)
    }

    /// Runs what was left for later now, so that it is known how that went.
    pub async fn settle(&mut self) -> Result<(), DatabaseError> {
        self.still_good()?;
        let done = self.run_deferred().await;
        self.noting_failure(done)
    }

    /// Runs what was left for later.
    pub(super) async fn run_deferred(&mut self) -> Result<(), DatabaseError> {
        match self.deferred.pop() {
            Some(last) => self.run(last).await.map(drop),
            None => Ok(()),
        }
    }

    /// Runs `statement` behind what was left for later; how many rows it wrote itself.
    pub(super) async fn run(&mut self, statement: Statement) -> Result<u64, DatabaseError> {
        let deferred = self.last_deferred().await?;
        match &mut self.link {
            Link::Sqlite(link) => {
                let Statement { text, values, .. } = statement.behind(deferred);
                let query = sqlx::query_with(text, sqlite_arguments(values)?);
                let mut outcomes = link.fetch_many(query);
                let mut written = 0;
                while let Some(outcome) = outcomes.try_next().await? {
                    written = outcome.left().map_or(written, |done| done.rows_affected());
                }
                Ok(written)
            }
            Link::Postgres(link) => {
                run_each(link, deferred).await?;
                let Statement { text, values, .. } = statement.numbered();
                let query = sqlx::query_with(text, postgres_arguments(values)?);
                Ok(query.execute(&mut **link).await?.rows_affected())
            }
        }
    }

    async fn fetch_all(&mut self, statement: Statement) -> Result<Vec<Row>, DatabaseError> {
        let deferred = self.last_deferred().await?;
        match &mut self.link {
            Link::Sqlite(link) => {
                let Statement { text, values, .. } = statement.behind(deferred);
                let query = sqlx::query_with(text, sqlite_arguments(values)?);
                Ok(query.fetch_all(&mut **link).await?.into_iter().map(Row::from).collect())
            }
            Link::Postgres(link) => {
                run_each(link, deferred).await?;
                let Statement { text, values, .. } = statement.numbered();
                let query = sqlx::query_with(text, postgres_arguments(values)?);
                Ok(query.fetch_all(&mut **link).await?.into_iter().map(Row::from).collect())
            }
        }
    }

    async fn fetch_optional(&mut self, statement: Statement) -> Result<Option<Row>, DatabaseError> {
        let deferred = self.last_deferred().await?;
        match &mut self.link {
            Link::Sqlite(link) => {
                let Statement { text, values, .. } = statement.behind(deferred);
                let query = sqlx::query_with(text, sqlite_arguments(values)?);
                Ok(query.fetch_optional(&mut **link).await?.map(Row::from))
            }
            Link::Postgres(link) => {
                run_each(link, deferred).await?;
                let Statement { text, values, .. } = statement.numbered();
                let query = sqlx::query_with(text, postgres_arguments(values)?);
                Ok(query.fetch_optional(&mut **link).await?.map(Row::from))
            }
        }
    }

    /// Makes all works that name the same key wait for each other until they are committed. Needed where a work
    /// reads something and writes what follows from it: on SQLite works never overlap, on PostgreSQL they do.
    pub async fn serialize_on(&mut self, key: &str) -> Result<(), DatabaseError> {
        self.settle_order(key).await
    }

    /// Says that this work writes rows which the engine numbers, and that readers go by the number. On PostgreSQL
    /// a lower number can become visible after a higher one: see [`Self::settle_order`].
    pub fn join_order(&mut self, key: &str) {
        if matches!(self.link, Link::Postgres(_)) {
            sql("SELECT CAST(pg_advisory_xact_lock_shared(hashtextextended($1, 0)) AS TEXT)")
                .bind(key)
                .later(self);
        }
    }

    /// Waits until all works that joined the order have ended: what is read next, in this work, has no gaps that
    /// fill later. Must be the first statement of a `write` (a `read` has fixed what it sees before the lock).
    pub async fn settle_order(&mut self, key: &str) -> Result<(), DatabaseError> {
        if matches!(self.link, Link::Postgres(_)) {
            let lock = sql("SELECT CAST(pg_advisory_xact_lock(hashtextextended($1, 0)) AS TEXT)");
            lock.bind(key).execute(self).await?;
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

/// PostgreSQL takes one statement with values at a time.
async fn run_each(
    link: &mut Transaction<'static, Postgres>,
    statements: Vec<Statement>,
) -> Result<(), DatabaseError> {
    for statement in statements {
        let Statement { text, values, .. } = statement.numbered();
        let query = sqlx::query_with(text, postgres_arguments(values)?);
        query.execute(&mut **link).await?;
    }
    Ok(())
}
