//! Rows on their way out of a query, the same for both engines: a column is read by its name as the type it is.

use jiff::Timestamp;
use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, ValueRef as _};

use super::bind::{Bind, Value};
use super::error::DatabaseError;
use crate::domain::digest::Sha256;
use crate::domain::ids::{
    AuthorityId, CertificateId, DirectUploadId, DocumentId, HoldId, JobId, NodeId, ObjectId, OrderId,
    QuarantineId, UploadId,
};

/// One row of an answer.
#[derive(Debug)]
pub struct Row(Kind);

#[derive(Debug)]
enum Kind {
    Sqlite(SqliteRow),
    Postgres(PgRow),
}

/// A type that a column can be read as.
pub trait FromColumn: Sized {
    /// Reads `column` of `row`; NULL is an error unless `Self` is an `Option`.
    fn from_column(row: &Row, column: &str) -> Result<Self, DatabaseError>;
}

impl Row {
    /// The column as a `T`; write `Option<T>` where NULL may stand.
    pub fn get<T: FromColumn>(&self, column: &str) -> Result<T, DatabaseError> {
        T::from_column(self, column)
    }

    /// An integer column.
    pub fn i64(&self, column: &str) -> Result<i64, DatabaseError> {
        self.get(column)
    }

    /// A text column.
    pub fn text(&self, column: &str) -> Result<String, DatabaseError> {
        self.get(column)
    }

    /// A column of bytes.
    pub fn bytes(&self, column: &str) -> Result<Vec<u8>, DatabaseError> {
        self.get(column)
    }

    /// An instant, stored as microseconds since 1970 UTC.
    pub fn time(&self, column: &str) -> Result<Timestamp, DatabaseError> {
        self.get(column)
    }

    /// An identifier, stored as 16 bytes.
    pub fn id<T: FromColumn>(&self, column: &str) -> Result<T, DatabaseError> {
        self.get(column)
    }

    /// A JSON column as a `T`.
    pub fn json<T: serde::de::DeserializeOwned>(&self, column: &str) -> Result<T, DatabaseError> {
        let text: String = self.get(column)?;
        // The reason names line and column only: the text may hold what nobody should read in a log.
        serde_json::from_str(&text).map_err(|error| {
            unfit(
                column,
                &format!("is not the expected JSON (line {}, column {})", error.line(), error.column()),
            )
        })
    }

    fn is_null(&self, column: &str) -> Result<bool, DatabaseError> {
        Ok(match &self.0 {
            Kind::Sqlite(row) => row.try_get_raw(column)?.is_null(),
            Kind::Postgres(row) => row.try_get_raw(column)?.is_null(),
        })
    }
}

impl From<SqliteRow> for Row {
    fn from(row: SqliteRow) -> Self {
        Self(Kind::Sqlite(row))
    }
}

impl From<PgRow> for Row {
    fn from(row: PgRow) -> Self {
        Self(Kind::Postgres(row))
    }
}

impl<T: FromColumn> FromColumn for Option<T> {
    fn from_column(row: &Row, column: &str) -> Result<Self, DatabaseError> {
        if row.is_null(column)? { Ok(None) } else { T::from_column(row, column).map(Some) }
    }
}

macro_rules! stored_as {
    ($($type:ty),*) => {$(
        impl FromColumn for $type {
            fn from_column(row: &Row, column: &str) -> Result<Self, DatabaseError> {
                if row.is_null(column)? {
                    return Err(unfit(column, "is NULL"));
                }
                Ok(match &row.0 {
                    Kind::Sqlite(row) => row.try_get(column)?,
                    Kind::Postgres(row) => row.try_get(column)?,
                })
            }
        }
    )*};
}

stored_as!(i64, String, Vec<u8>);

fn unfit(column: &str, reason: &str) -> DatabaseError {
    DatabaseError::Column { column: column.to_owned(), reason: reason.to_owned() }
}

macro_rules! integers {
    ($($type:ty),*) => {$(
        impl FromColumn for $type {
            fn from_column(row: &Row, column: &str) -> Result<Self, DatabaseError> {
                let stored = i64::from_column(row, column)?;
                Self::try_from(stored).map_err(|_| unfit(column, concat!("does not fit into ", stringify!($type))))
            }
        }
    )*};
}

integers!(i32, u64, u32, u16, u8);

impl FromColumn for bool {
    fn from_column(row: &Row, column: &str) -> Result<Self, DatabaseError> {
        match i64::from_column(row, column)? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(unfit(column, "is neither 0 nor 1")),
        }
    }
}

impl FromColumn for Timestamp {
    fn from_column(row: &Row, column: &str) -> Result<Self, DatabaseError> {
        Self::from_microsecond(i64::from_column(row, column)?).map_err(|_| unfit(column, "is no instant"))
    }
}

impl<const N: usize> FromColumn for [u8; N] {
    fn from_column(row: &Row, column: &str) -> Result<Self, DatabaseError> {
        let stored = Vec::<u8>::from_column(row, column)?;
        Self::try_from(stored.as_slice())
            .map_err(|_| unfit(column, &format!("has {} bytes where {N} were expected", stored.len())))
    }
}

impl FromColumn for Sha256 {
    fn from_column(row: &Row, column: &str) -> Result<Self, DatabaseError> {
        <[u8; 32]>::from_column(row, column).map(Self::from_bytes)
    }
}

macro_rules! ids {
    ($($id:ident),*) => {$(
        impl FromColumn for $id {
            fn from_column(row: &Row, column: &str) -> Result<Self, DatabaseError> {
                <[u8; 16]>::from_column(row, column).map(Self::from_bytes)
            }
        }

        impl Bind for $id {
            const NULL: Value = Value::Bytes(None);

            fn into_value(self) -> Value {
                Value::Bytes(Some(self.as_bytes().to_vec()))
            }
        }
    )*};
}

ids!(
    AuthorityId,
    CertificateId,
    DirectUploadId,
    DocumentId,
    HoldId,
    JobId,
    NodeId,
    ObjectId,
    OrderId,
    QuarantineId,
    UploadId
);
