//! What a statement, a transaction or the opening of a database can fail with, the same for both engines.
//!
//! Texts carry codes and names of constraints, never a row's values.

use std::borrow::Cow;

use super::migrate::MigrationError;

/// Why the database did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DatabaseError {
    /// Locked by somebody else, full, unreachable or failing: nothing is wrong with the request, it may be
    /// sent again later (503). After a failed commit it is unknown whether the work is there.
    #[error("the database does not answer: {reason}")]
    Unavailable {
        /// What the engine said.
        reason: String,
    },
    /// `close` was called.
    #[error("the database is closed")]
    Closed,
    /// A row with this key is there already.
    #[error("a row with the same key exists: {constraint}")]
    Unique {
        /// The engine's name for the rule: of the constraint (PostgreSQL) or `table.column` (SQLite).
        constraint: String,
    },
    /// A foreign key, a CHECK or a NOT NULL refused the row.
    #[error("the row breaks a rule of its table: {rule}")]
    Rule {
        /// The engine's name for the rule.
        rule: String,
    },
    /// `one` found nothing.
    #[error("no row where exactly one was expected")]
    NoRow,
    /// The column is missing, NULL, or not of the expected form.
    #[error("column {column}: {reason}")]
    Column {
        /// The column asked for.
        column: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A number that does not fit into 63 bits was bound.
    #[error("the number {got} does not fit into a column")]
    TooLarge {
        /// The number.
        got: u64,
    },
    /// A statement of this work failed before: what it did is rolled back, whatever it answers.
    #[error("an earlier statement of the same work failed: {0}")]
    AfterFailure(Box<DatabaseError>),
    /// The work panicked and was rolled back.
    #[error("the work panicked and was rolled back")]
    Panicked,
    /// The address of the database is of neither form.
    #[error("a database address is `sqlite:PATH` or `postgres://…`: {reason}")]
    Address {
        /// What is wrong with it.
        reason: String,
    },
    /// The stored schema and this program do not belong together.
    #[error(transparent)]
    Migration(#[from] MigrationError),
    /// Anything else the engine reports: a mistake in a query text.
    #[error("the engine refuses the statement: {0}")]
    Statement(String),
}

impl DatabaseError {
    /// Whether to answer "later" (503) instead of "broken" (500).
    pub const fn is_unavailable(&self) -> bool {
        matches!(self, Self::Unavailable { .. } | Self::Closed)
    }

    /// Whether the row was refused because one with its key exists.
    pub const fn is_unique(&self) -> bool {
        matches!(self, Self::Unique { .. })
    }
}

impl From<sqlx::Error> for DatabaseError {
    fn from(error: sqlx::Error) -> Self {
        use sqlx::Error as E;
        match error {
            E::Database(refusal) => from_engine(refusal.as_ref()),
            E::RowNotFound => Self::NoRow,
            E::ColumnNotFound(column) => Self::Column { column, reason: "is not in the answer".into() },
            E::ColumnDecode { index, source } => Self::Column { column: index, reason: source.to_string() },
            E::Configuration(reason) => Self::Address { reason: reason.to_string() },
            E::PoolClosed => Self::Closed,
            E::Io(_) | E::Tls(_) | E::PoolTimedOut | E::WorkerCrashed | E::Protocol(_) | E::BeginFailed => {
                Self::Unavailable { reason: error.to_string() }
            }
            other => Self::Statement(other.to_string()),
        }
    }
}

fn from_engine(refusal: &dyn sqlx::error::DatabaseError) -> DatabaseError {
    use sqlx::error::ErrorKind;
    let name = || refusal.constraint().map_or_else(|| refusal.message().to_owned(), str::to_owned);
    match refusal.kind() {
        ErrorKind::UniqueViolation => DatabaseError::Unique { constraint: name() },
        ErrorKind::ForeignKeyViolation | ErrorKind::NotNullViolation | ErrorKind::CheckViolation => {
            DatabaseError::Rule { rule: name() }
        }
        _ => {
            let code = refusal.code().unwrap_or(Cow::Borrowed(""));
            let reason = format!("{} ({code})", refusal.message());
            if means_later(&code) {
                DatabaseError::Unavailable { reason }
            } else {
                DatabaseError::Statement(reason)
            }
        }
    }
}

/// Codes that say nothing against the statement. SQLite: the primary result code in the low byte (busy, locked,
/// out of memory, read only, interrupted, input/output, corrupt, full, cannot open, protocol, not a database).
/// PostgreSQL: SQLSTATE classes 08 (connection), 28 and 3D (no longer let in, database gone), 40 (deadlock, serialization), 53 (resources), 57 (operator), 58
/// (system), 25006 (read only: a standby) and 55P03 (lock timeout). Only a SQLSTATE has five characters.
fn means_later(code: &str) -> bool {
    if code.len() == 5 {
        let class = code.get(..2).unwrap_or_default();
        return matches!(class, "08" | "28" | "3D" | "40" | "53" | "57" | "58")
            || matches!(code, "25006" | "55P03");
    }
    let primary = code.parse::<u32>().unwrap_or_default() & 0xff;
    matches!(primary, 5 | 6 | 7 | 8 | 9 | 10 | 11 | 13 | 14 | 15 | 26)
}
