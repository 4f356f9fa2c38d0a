//! A whole database as lines of JSON that either engine takes in again: for each table its columns and its rows, in an
//! order in which every row finds what it refers to. Tables and columns are asked of the engine: none is forgotten.
//!
//! First line: `{"stammbuch":"rows","format":1,"migrations":[…]}`; `{"table":…,"columns":[[name, kind]…]}`; rows as
//! arrays, bytes in base64; `{"sequence":table,"last":n}`; at the end `{"rows":n}`.

mod load;
mod shape;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value as Json, json};

pub use load::{LoadError, Loading, migrations};
use shape::{Kind, Table, applied, sequences, tables};

use super::bind::Value;
use super::{DatabaseError, Row, Tx, sql_from};

/// Rows read in one go.
const AT_ONCE: usize = 500;

/// What takes the lines.
#[async_trait]
pub trait Sink: Send {
    /// Why it does not.
    type Error: From<DatabaseError> + Send;

    /// Takes the next line, which ends without a line break.
    async fn line(&mut self, line: String) -> Result<(), Self::Error>;
}

/// Writes everything that this transaction sees. Answers the rows of each table.
pub async fn write<S: Sink>(tx: &mut Tx, sink: &mut S) -> Result<Vec<(String, u64)>, S::Error> {
    let migrations = applied(tx).await?;
    sink.line(json!({"stammbuch": "rows", "format": 1, "migrations": migrations}).to_string()).await?;
    let (mut counts, mut all) = (Vec::new(), 0);
    let tables = tables(tx).await?;
    for table in &tables {
        let columns: Vec<_> = table.columns.iter().map(|(name, kind)| json!([name, kind.as_str()])).collect();
        sink.line(json!({"table": table.name, "columns": columns}).to_string()).await?;
        let count = rows(tx, table, sink).await?;
        counts.push((table.name.clone(), count));
        all += count;
    }
    for (table, last) in sequences(tx, &tables).await? {
        sink.line(json!({"sequence": table, "last": last}).to_string()).await?;
    }
    sink.line(json!({"rows": all}).to_string()).await?;
    Ok(counts)
}

/// The rows of a table in the order of its key, a part at a time.
async fn rows<S: Sink>(tx: &mut Tx, table: &Table, sink: &mut S) -> Result<u64, S::Error> {
    let (columns, key) = (table.list(), table.key_list());
    let mut count = 0;
    let mut after: Option<Vec<Value>> = None;
    loop {
        let mut text = format!("SELECT {columns} FROM \"{}\"", table.name);
        if after.is_some() {
            let places: Vec<String> = (1..=table.key.len()).map(|at| format!("${at}")).collect();
            text.push_str(&format!(" WHERE ({key}) > ({})", places.join(", ")));
        }
        text.push_str(&format!(" ORDER BY {key} LIMIT {AT_ONCE}"));
        let mut query = sql_from(text);
        for value in after.take().into_iter().flatten() {
            query = query.bind_value(value);
        }
        let part = query.all(tx).await?;
        for row in &part {
            let cells = table.columns.iter().map(|(name, kind)| kind.read(row, name).map(to_json));
            let cells = cells.collect::<Result<Vec<Json>, DatabaseError>>()?;
            sink.line(Json::Array(cells).to_string()).await?;
        }
        count += part.len() as u64;
        let Some(last) = part.last().filter(|_| part.len() == AT_ONCE) else { return Ok(count) };
        let read = table.key_columns().map(|(name, kind)| kind.read(last, name));
        after = Some(read.collect::<Result<_, DatabaseError>>()?);
    }
}

impl Kind {
    fn read(self, row: &Row, column: &str) -> Result<Value, DatabaseError> {
        Ok(match self {
            Self::Int => Value::Int(row.get(column)?),
            Self::Text => Value::Text(row.get(column)?),
            Self::Bytes => Value::Bytes(row.get(column)?),
        })
    }

    fn parse(self, json: &Json) -> Option<Value> {
        let null = json.is_null();
        Some(match self {
            Self::Int => Value::Int(if null { None } else { Some(json.as_i64()?) }),
            Self::Text => Value::Text(if null { None } else { Some(json.as_str()?.to_owned()) }),
            Self::Bytes => {
                Value::Bytes(if null { None } else { Some(STANDARD.decode(json.as_str()?).ok()?) })
            }
        })
    }
}

fn to_json(value: Value) -> Json {
    match value {
        Value::Int(int) => int.into(),
        Value::Text(text) => text.into(),
        Value::Bytes(bytes) => bytes.map(|bytes| STANDARD.encode(bytes)).into(),
        Value::TooLarge(number) => number.into(),
    }
}

#[cfg(test)]
mod tests;
