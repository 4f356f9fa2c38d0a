//! Taking lines in again, into a database whose schema is the one they were written from and whose rows nobody needs.
//! Whoever goes on before the last line was taken has half of it.

use serde_json::Value as Json;

use super::super::bind::Value;
use super::super::{Database, DatabaseError, sql_from};
use super::shape::{Kind, Table, set_sequence, tables};

/// Rows of one transaction.
const AT_ONCE: usize = 500;

/// Why lines cannot be taken in.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The database.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// A line is none of a dump, or of a table or column that this schema does not have.
    #[error("line {line} of the rows: {expected} expected")]
    Line {
        /// Counted from 1.
        line: u64,
        /// What should stand there.
        expected: &'static str,
    },
    /// It ends before its end, or has other rows than it says.
    #[error("the rows end too early: {got} rows")]
    Short {
        /// How many came.
        got: u64,
    },
}

/// A database that is being filled.
pub struct Loading {
    database: Database,
    tables: Vec<Table>,
    /// The table whose rows come, with the columns in the order they come in.
    table: Option<Table>,
    waiting: Vec<Vec<Value>>,
    lines: u64,
    rows: u64,
    ended: bool,
}

/// The migrations that a dump's first line names; `None`: it is no first line of a dump.
pub fn migrations(first_line: &str) -> Option<Vec<i64>> {
    let json: Json = serde_json::from_str(first_line).ok()?;
    let is_ours = json.get("stammbuch")? == "rows" && json.get("format")? == 1;
    let numbers = json.get("migrations")?.as_array()?.iter().map(Json::as_i64).collect();
    if is_ours { numbers } else { None }
}

impl Loading {
    /// Empties the database. It was opened with the migrations that the first line names.
    ///
    /// # Errors
    /// The database's.
    pub async fn begin(database: Database) -> Result<Self, DatabaseError> {
        let tables = database.read(|tx| Box::pin(tables(tx))).await?;
        let names: Vec<String> = tables.iter().rev().map(|table| table.name.clone()).collect();
        let emptied = database.write::<_, DatabaseError, _>(move |tx| {
            Box::pin(async move {
                for name in names {
                    sql_from(format!("DELETE FROM \"{name}\"")).execute(tx).await?;
                }
                Ok(())
            })
        });
        emptied.await?;
        Ok(Self { database, tables, table: None, waiting: Vec::new(), lines: 1, rows: 0, ended: false })
    }

    /// Takes a line behind the first.
    ///
    /// # Errors
    /// [`LoadError`].
    pub async fn line(&mut self, line: &str) -> Result<(), LoadError> {
        self.lines += 1;
        let unfit = |expected| LoadError::Line { line: self.lines, expected };
        if self.ended {
            return Err(unfit("nothing"));
        }
        let json: Json = serde_json::from_str(line).map_err(|_| unfit("JSON"))?;
        match (&json, &self.table) {
            (Json::Array(cells), Some(table)) => {
                let row = read(table, cells).ok_or(unfit("a row of its table"))?;
                self.waiting.push(row);
                if self.waiting.len() >= AT_ONCE {
                    self.flush().await?;
                }
            }
            (Json::Object(about), _) if about.contains_key("table") => {
                let table = self.described(&json).ok_or(unfit("a table of this schema"))?;
                self.flush().await?;
                self.table = Some(table);
            }
            (Json::Object(about), _) if about.contains_key("sequence") => {
                let last = json.get("last").and_then(Json::as_i64);
                let name = json.get("sequence").and_then(Json::as_str).map(str::to_owned);
                let (Some(name), Some(last)) = (name, last) else { return Err(unfit("a numbering")) };
                self.flush().await?;
                let set = self.database.write::<_, DatabaseError, _>(move |tx| {
                    Box::pin(async move { set_sequence(tx, &name, last).await })
                });
                set.await?;
            }
            (Json::Object(about), _) if about.contains_key("rows") => {
                self.flush().await?;
                if about.get("rows").and_then(Json::as_u64) != Some(self.rows) {
                    return Err(LoadError::Short { got: self.rows });
                }
                self.ended = true;
            }
            _ => return Err(unfit("a table, a row, a numbering or the end")),
        }
        Ok(())
    }

    /// Whether the last line was taken.
    pub const fn is_ended(&self) -> bool {
        self.ended
    }

    /// Ends it: all of it is durable.
    ///
    /// # Errors
    /// [`LoadError::Short`] if the last line did not come.
    pub fn finish(self) -> Result<Database, LoadError> {
        if self.ended { Ok(self.database) } else { Err(LoadError::Short { got: self.rows }) }
    }

    fn described(&self, json: &Json) -> Option<Table> {
        let name = json.get("table")?.as_str()?;
        let known = self.tables.iter().find(|table| table.name == name)?;
        let mut columns = Vec::new();
        for column in json.get("columns")?.as_array()? {
            let name = column.get(0)?.as_str()?;
            let kind = Kind::named(column.get(1)?.as_str()?)?;
            columns.push(known.columns.iter().find(|known| known.0 == name && known.1 == kind)?.clone());
        }
        let (name, key) = (known.name.clone(), known.key.clone());
        (!columns.is_empty()).then_some(Table { name, columns, key })
    }

    async fn flush(&mut self) -> Result<(), DatabaseError> {
        let rows = std::mem::take(&mut self.waiting);
        let Some(table) = self.table.as_ref().filter(|_| !rows.is_empty()) else { return Ok(()) };
        self.rows += rows.len() as u64;
        let places: Vec<String> = (1..=table.columns.len()).map(|at| format!("${at}")).collect();
        let (name, columns) = (&table.name, table.list());
        let text = format!("INSERT INTO \"{name}\" ({columns}) VALUES ({})", places.join(", "));
        let written = self.database.write::<_, DatabaseError, _>(move |tx| {
            Box::pin(async move {
                for row in rows {
                    let insert = sql_from(text.clone());
                    row.into_iter().fold(insert, super::super::Statement::bind_value).later(tx);
                }
                Ok(())
            })
        });
        written.await
    }
}

fn read(table: &Table, cells: &[Json]) -> Option<Vec<Value>> {
    if cells.len() != table.columns.len() {
        return None;
    }
    table.columns.iter().zip(cells).map(|((_, kind), cell)| kind.parse(cell)).collect()
}
