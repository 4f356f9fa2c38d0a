//! Values on their way into a statement, the same for both engines: integers, texts, bytes and NULL.

use std::sync::Arc;

use jiff::Timestamp;
use sqlx::Arguments as _;
use sqlx::postgres::PgArguments;
use sqlx::sqlite::SqliteArguments;

use super::error::DatabaseError;
use crate::domain::digest::Sha256;

/// A value as it is stored. NULL has the type of the column it goes to, since PostgreSQL asks for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// INTEGER / BIGINT.
    Int(Option<i64>),
    /// TEXT.
    Text(Option<String>),
    /// BLOB / BYTEA.
    Bytes(Option<Vec<u8>>),
    /// An unsigned number above 2^63 - 1: the statement is refused with [`DatabaseError::TooLarge`].
    TooLarge(u64),
}

/// A type that can be bound with [`Statement::bind`](super::Statement::bind).
pub trait Bind {
    /// The NULL of this type.
    const NULL: Value;

    /// The value as it is stored.
    fn into_value(self) -> Value;
}

impl<T: Bind> Bind for Option<T> {
    const NULL: Value = T::NULL;

    fn into_value(self) -> Value {
        self.map_or(T::NULL, T::into_value)
    }
}

/// Values of one row, each as it is stored.
macro_rules! values {
    ($($value:expr),* $(,)?) => { [$($crate::database::Bind::into_value($value)),*] };
}
pub(super) use values;

macro_rules! bind {
    ($($type:ty => $null:path, $self:ident => $value:expr;)*) => {$(
        impl Bind for $type {
            const NULL: Value = $null(None);

            fn into_value($self) -> Value {
                $value
            }
        }
    )*};
}

bind! {
    i64 => Value::Int, self => Value::Int(Some(self));
    i32 => Value::Int, self => Value::Int(Some(self.into()));
    u32 => Value::Int, self => Value::Int(Some(self.into()));
    u16 => Value::Int, self => Value::Int(Some(self.into()));
    u8 => Value::Int, self => Value::Int(Some(self.into()));
    u64 => Value::Int, self => i64::try_from(self).map_or(Value::TooLarge(self), |int| Value::Int(Some(int)));
    bool => Value::Int, self => Value::Int(Some(self.into()));
    Timestamp => Value::Int, self => Value::Int(Some(self.as_microsecond()));
    &str => Value::Text, self => Value::Text(Some(self.to_owned()));
    String => Value::Text, self => Value::Text(Some(self));
    &String => Value::Text, self => Value::Text(Some(self.clone()));
    &[u8] => Value::Bytes, self => Value::Bytes(Some(self.to_vec()));
    Vec<u8> => Value::Bytes, self => Value::Bytes(Some(self));
    bytes::Bytes => Value::Bytes, self => Value::Bytes(Some(self.into()));
    Sha256 => Value::Bytes, self => Value::Bytes(Some(self.as_bytes().to_vec()));
}

impl<const N: usize> Bind for [u8; N] {
    const NULL: Value = Value::Bytes(None);

    fn into_value(self) -> Value {
        Value::Bytes(Some(self.to_vec()))
    }
}

impl<const N: usize> Bind for &[u8; N] {
    const NULL: Value = Value::Bytes(None);

    fn into_value(self) -> Value {
        Value::Bytes(Some(self.to_vec()))
    }
}

pub(super) fn sqlite_arguments(values: Vec<Value>) -> Result<SqliteArguments, DatabaseError> {
    let mut arguments = SqliteArguments::default();
    for value in values {
        let added = match value {
            Value::Int(int) => arguments.add(int),
            Value::Text(text) => arguments.add(text.map(Arc::new)),
            Value::Bytes(bytes) => arguments.add(bytes.map(Arc::new)),
            Value::TooLarge(got) => return Err(DatabaseError::TooLarge { got }),
        };
        added.map_err(|error| DatabaseError::Statement(error.to_string()))?;
    }
    Ok(arguments)
}

pub(super) fn postgres_arguments(values: Vec<Value>) -> Result<PgArguments, DatabaseError> {
    let mut arguments = PgArguments::default();
    for value in values {
        let added = match value {
            Value::Int(int) => arguments.add(int),
            Value::Text(text) => arguments.add(text),
            Value::Bytes(bytes) => arguments.add(bytes),
            Value::TooLarge(got) => return Err(DatabaseError::TooLarge { got }),
        };
        added.map_err(|error| DatabaseError::Statement(error.to_string()))?;
    }
    Ok(arguments)
}
