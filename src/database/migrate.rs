//! Brings a database to the schema of this program: numbered files, each applied once, in order, never changed.
//!
//! The digest of each applied file is kept; a file that differs from what was applied is refused.

use std::borrow::Cow;

use sqlx::postgres::PgConnection;
use sqlx::sqlite::SqliteConnection;
use sqlx::{Connection as _, Row as _};

use crate::domain::digest::Sha256;

/// The schemas this program knows.
pub(super) struct Schema {
    /// Its name in `schema_migrations`.
    name: &'static str,
    migrations: Cow<'static, [Migration]>,
}

#[derive(Clone, Copy)]
struct Migration {
    number: i64,
    sqlite: &'static str,
    postgres: &'static str,
}

macro_rules! migration {
    ($number:literal, $sqlite:literal, $postgres:literal, $file:literal) => {
        Migration {
            number: $number,
            sqlite: include_str!(concat!("../../schemas/database/", $sqlite, "/", $file)),
            postgres: include_str!(concat!("../../schemas/database/", $postgres, "/", $file)),
        }
    };
}

/// Documents, uploads, entries, orders, certificates, log, jobs, audit.
pub(super) static MAIN: Schema = Schema {
    name: "main",
    migrations: Cow::Borrowed(&[
        migration!(1, "sqlite", "postgres", "0001_stammbuch.sql"),
        migration!(2, "sqlite", "postgres", "0002_keeping.sql"),
        migration!(3, "sqlite", "postgres", "0003_uploads.sql"),
        migration!(4, "sqlite", "postgres", "0004_erasure.sql"),
        migration!(5, "sqlite", "postgres", "0005_events.sql"),
        migration!(6, "sqlite", "postgres", "0006_direct_uploads.sql"),
        migration!(7, "sqlite", "postgres", "0007_scanning.sql"),
        migration!(8, "sqlite", "postgres", "0008_backups.sql"),
        migration!(9, "sqlite", "postgres", "0009_sources.sql"),
    ]),
};

/// The wrapped keys, in a database of their own with its own backup.
pub(super) static KEYSTORE: Schema = Schema {
    name: "keystore",
    migrations: Cow::Borrowed(&[
        migration!(1, "keystore-sqlite", "keystore-postgres", "0001_keystore.sql"),
        migration!(2, "keystore-sqlite", "keystore-postgres", "0002_authority_keys.sql"),
    ]),
};

/// Why the schema is not what the program needs.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MigrationError {
    /// The file was changed after it had been applied.
    #[error("migration {schema} {number} was applied from another file: expected {expected}, got {got}")]
    Changed {
        /// Name of the schema.
        schema: &'static str,
        /// Number of the file.
        number: i64,
        /// Digest of what was applied.
        expected: String,
        /// Digest of this program's file.
        got: String,
    },
    /// A newer program has been here.
    #[error("the database has migration {schema} {number}, which this program does not know")]
    Newer {
        /// Name of the schema.
        schema: &'static str,
        /// The highest number applied.
        number: i64,
    },
    /// The engine refused a statement of the file.
    #[error("migration {schema} {number}: {reason}")]
    Refused {
        /// Name of the schema.
        schema: &'static str,
        /// Number of the file, 0 for the table of migrations itself.
        number: i64,
        /// What the engine said.
        reason: String,
    },
}

const APPLIED: &str = "SELECT digest FROM schema_migrations WHERE schema_name = $1 AND number = $2";
const NEWEST: &str =
    "SELECT COALESCE(MAX(number), 0) AS number FROM schema_migrations WHERE schema_name = $1";
const RECORD: &str = "INSERT INTO schema_migrations (schema_name, number, digest) VALUES ($1, $2, $3)";

/// Applies what is missing. Two programs that start together wait for each other.
pub(super) async fn sqlite(link: &mut SqliteConnection, schema: &Schema) -> Result<(), super::DatabaseError> {
    const TABLE: &str = "CREATE TABLE IF NOT EXISTS schema_migrations (
        schema_name TEXT NOT NULL, number INTEGER NOT NULL, digest TEXT NOT NULL,
        applied_at INTEGER NOT NULL DEFAULT (unixepoch()), PRIMARY KEY (schema_name, number)) STRICT";
    let mut tx = link.begin_with("BEGIN IMMEDIATE").await?;
    sqlx::raw_sql(TABLE).execute(&mut *tx).await?;
    let newest: i64 = sqlx::query(NEWEST).bind(schema.name).fetch_one(&mut *tx).await?.try_get("number")?;
    schema.refuse_newer(newest)?;
    for migration in schema.migrations.iter() {
        let digest = Sha256::of(migration.sqlite.as_bytes()).to_string();
        let query = sqlx::query(APPLIED).bind(schema.name).bind(migration.number);
        if let Some(row) = query.fetch_optional(&mut *tx).await? {
            schema.refuse_changed(migration.number, row.try_get("digest")?, digest)?;
            continue;
        }
        let applied = sqlx::raw_sql(migration.sqlite).execute(&mut *tx).await;
        applied.map_err(|error| schema.refused(migration.number, &error))?;
        sqlx::query(RECORD).bind(schema.name).bind(migration.number).bind(digest).execute(&mut *tx).await?;
    }
    Ok(tx.commit().await?)
}

/// As [`sqlite`], for PostgreSQL.
pub(super) async fn postgres(link: &mut PgConnection, schema: &Schema) -> Result<(), super::DatabaseError> {
    const TABLE: &str = "CREATE TABLE IF NOT EXISTS schema_migrations (
        schema_name TEXT NOT NULL, number BIGINT NOT NULL, digest TEXT NOT NULL,
        applied_at BIGINT NOT NULL DEFAULT CAST(extract(epoch FROM now()) AS BIGINT),
        PRIMARY KEY (schema_name, number))";
    let mut tx = link.begin().await?;
    sqlx::raw_sql("SELECT pg_advisory_xact_lock(hashtextextended('stammbuch migrations', 0))")
        .execute(&mut *tx)
        .await?;
    sqlx::raw_sql(TABLE).execute(&mut *tx).await?;
    let newest: i64 = sqlx::query(NEWEST).bind(schema.name).fetch_one(&mut *tx).await?.try_get("number")?;
    schema.refuse_newer(newest)?;
    for migration in schema.migrations.iter() {
        let digest = Sha256::of(migration.postgres.as_bytes()).to_string();
        let query = sqlx::query(APPLIED).bind(schema.name).bind(migration.number);
        if let Some(row) = query.fetch_optional(&mut *tx).await? {
            schema.refuse_changed(migration.number, row.try_get("digest")?, digest)?;
            continue;
        }
        let applied = sqlx::raw_sql(migration.postgres).execute(&mut *tx).await;
        applied.map_err(|error| schema.refused(migration.number, &error))?;
        sqlx::query(RECORD).bind(schema.name).bind(migration.number).bind(digest).execute(&mut *tx).await?;
    }
    Ok(tx.commit().await?)
}

impl Schema {
    /// The schema as these migrations make it.
    pub(super) fn as_of(&self, numbers: &[i64]) -> Result<Self, MigrationError> {
        let known = |number: &i64| self.migrations.iter().any(|migration| migration.number == *number);
        if let Some(number) = numbers.iter().find(|number| !known(number)) {
            return Err(MigrationError::Newer { schema: self.name, number: *number });
        }
        let migrations = self.migrations.iter().filter(|migration| numbers.contains(&migration.number));
        Ok(Self { name: self.name, migrations: migrations.copied().collect() })
    }

    fn refuse_newer(&self, newest: i64) -> Result<(), MigrationError> {
        let known = self.migrations.last().map_or(0, |last| last.number);
        if newest > known {
            return Err(MigrationError::Newer { schema: self.name, number: newest });
        }
        Ok(())
    }

    fn refuse_changed(&self, number: i64, expected: String, got: String) -> Result<(), MigrationError> {
        if expected == got {
            return Ok(());
        }
        Err(MigrationError::Changed { schema: self.name, number, expected, got })
    }

    fn refused(&self, number: i64, error: &sqlx::Error) -> MigrationError {
        MigrationError::Refused { schema: self.name, number, reason: error.to_string() }
    }
}
