//! What tables a database has, with their columns, keys and references: asked of the engine itself.

use super::super::{DatabaseError, Row, Tx, sql};

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Int,
    Text,
    Bytes,
}

impl Kind {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Int => "int",
            Self::Text => "text",
            Self::Bytes => "bytes",
        }
    }

    pub(super) fn named(name: &str) -> Option<Self> {
        [Self::Int, Self::Text, Self::Bytes].into_iter().find(|kind| kind.as_str() == name)
    }

    /// By the engine's name of it.
    fn of(declared: &str) -> Option<Self> {
        match declared.to_ascii_lowercase().as_str() {
            "integer" | "bigint" => Some(Self::Int),
            "text" => Some(Self::Text),
            "blob" | "bytea" => Some(Self::Bytes),
            _ => None,
        }
    }
}

/// A table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Table {
    pub(super) name: String,
    pub(super) columns: Vec<(String, Kind)>,
    pub(super) key: Vec<String>,
}

impl Table {
    pub(super) fn list(&self) -> String {
        quoted(self.columns.iter().map(|(name, _)| name))
    }

    pub(super) fn key_list(&self) -> String {
        quoted(self.key.iter())
    }

    pub(super) fn key_columns(&self) -> impl Iterator<Item = &(String, Kind)> {
        self.key.iter().filter_map(|key| self.columns.iter().find(|(name, _)| name == key))
    }
}

fn quoted<'n>(names: impl Iterator<Item = &'n String>) -> String {
    names.map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ")
}

/// The migrations that made this schema.
pub(super) async fn applied(tx: &mut Tx) -> Result<Vec<i64>, DatabaseError> {
    let rows = sql("SELECT number FROM schema_migrations ORDER BY number").all(tx).await?;
    rows.iter().map(|row| row.i64("number")).collect()
}

/// All tables but that of migrations, each behind those it refers to.
pub(super) async fn tables(tx: &mut Tx) -> Result<Vec<Table>, DatabaseError> {
    let names = if tx.is_postgres() {
        sql("SELECT CAST(table_name AS TEXT) AS name FROM information_schema.tables
             WHERE table_schema = current_schema() AND table_type = 'BASE TABLE' ORDER BY 1")
    } else {
        sql("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name")
    };
    let mut waiting = Vec::new();
    for row in names.all(tx).await? {
        let name = row.text("name")?;
        if name != "schema_migrations" {
            let (table, mut refers_to) = (table(tx, name).await?, Vec::new());
            for parent in parents(tx, &table.name).await? {
                if parent != table.name {
                    refers_to.push(parent);
                }
            }
            waiting.push((table, refers_to));
        }
    }
    let mut ordered: Vec<Table> = Vec::new();
    while !waiting.is_empty() {
        let is_there = |name: &String| ordered.iter().any(|table| table.name == *name);
        let next = waiting.iter().position(|(_, refers_to)| refers_to.iter().all(is_there));
        // A circle of references cannot be written row by row.
        let at =
            next.ok_or_else(|| DatabaseError::Statement("tables refer to each other in a circle".into()))?;
        ordered.push(waiting.remove(at).0);
    }
    Ok(ordered)
}

async fn table(tx: &mut Tx, name: String) -> Result<Table, DatabaseError> {
    let columns = if tx.is_postgres() {
        sql("SELECT CAST(c.column_name AS TEXT) AS name, CAST(c.data_type AS TEXT) AS type,
               CAST(COALESCE((SELECT MAX(k.ordinal_position) FROM information_schema.key_column_usage k
                 JOIN information_schema.table_constraints t ON t.constraint_name = k.constraint_name
                   AND t.table_schema = k.table_schema AND t.table_name = k.table_name
                 WHERE t.constraint_type = 'PRIMARY KEY' AND k.table_schema = c.table_schema
                   AND k.table_name = c.table_name AND k.column_name = c.column_name), 0) AS BIGINT) AS pk
             FROM information_schema.columns c WHERE c.table_schema = current_schema() AND c.table_name = $1
             ORDER BY c.ordinal_position")
    } else {
        sql("SELECT name, type, pk FROM pragma_table_info($1) ORDER BY cid")
    };
    let (mut described, mut key) = (Vec::new(), Vec::new());
    for row in columns.bind(&name).all(tx).await? {
        let (column, declared) = (row.text("name")?, row.text("type")?);
        let kind = Kind::of(&declared).ok_or_else(|| DatabaseError::Column {
            column: column.clone(),
            reason: format!("is of the kind {declared}, which no dump knows"),
        })?;
        if row.i64("pk")? > 0 {
            key.push((row.i64("pk")?, column.clone()));
        }
        described.push((column, kind));
    }
    key.sort();
    let key = key.into_iter().map(|(_, column)| column).collect();
    Ok(Table { name, columns: described, key })
}

async fn parents(tx: &mut Tx, table: &str) -> Result<Vec<String>, DatabaseError> {
    let parents = if tx.is_postgres() {
        sql("SELECT CAST(confrelid::regclass AS TEXT) AS parent FROM pg_constraint
             WHERE contype = 'f' AND conrelid = CAST(CAST($1 AS TEXT) AS regclass)")
    } else {
        sql("SELECT \"table\" AS parent FROM pragma_foreign_key_list($1)")
    };
    parents.bind(table).all(tx).await?.iter().map(|row| row.text("parent")).collect()
}

/// The last number that each numbering has given.
pub(super) async fn sequences(tx: &mut Tx, tables: &[Table]) -> Result<Vec<(String, i64)>, DatabaseError> {
    let mut found = Vec::new();
    if !tx.is_postgres() {
        let there = sql("SELECT name FROM sqlite_master WHERE name = 'sqlite_sequence'").optional(tx).await?;
        if there.is_some() {
            let rows =
                sql("SELECT name, seq FROM sqlite_sequence WHERE seq > 0 ORDER BY name").all(tx).await?;
            let read = |row: &Row| Ok((row.text("name")?, row.i64("seq")?));
            return rows.iter().map(read).collect();
        }
        return Ok(found);
    }
    for table in tables {
        if let Some(column) = numbered(tx, &table.name).await? {
            let last = sql("SELECT CAST(COALESCE(pg_sequence_last_value(
                              CAST(pg_get_serial_sequence($1, $2) AS regclass)), 0) AS BIGINT) AS last");
            let last = last.bind(&table.name).bind(column).one(tx).await?.i64("last")?;
            if last > 0 {
                found.push((table.name.clone(), last));
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Lets a numbering go on behind `last`.
pub(super) async fn set_sequence(tx: &mut Tx, table: &str, last: i64) -> Result<(), DatabaseError> {
    if last <= 0 {
        return Ok(());
    }
    if !tx.is_postgres() {
        let set = sql("UPDATE sqlite_sequence SET seq = $2 WHERE name = $1").bind(table).bind(last);
        if set.execute(tx).await? == 0 {
            let insert = sql("INSERT INTO sqlite_sequence (name, seq) VALUES ($1, $2)");
            insert.bind(table).bind(last).execute(tx).await?;
        }
        return Ok(());
    }
    if let Some(column) = numbered(tx, table).await? {
        let set = sql(
            "SELECT CAST(setval(CAST(pg_get_serial_sequence($1, $2) AS regclass), $3) AS BIGINT) AS last",
        );
        set.bind(table).bind(column).bind(last).one(tx).await?;
    }
    Ok(())
}

/// The column that PostgreSQL numbers.
async fn numbered(tx: &mut Tx, table: &str) -> Result<Option<String>, DatabaseError> {
    let column = sql("SELECT CAST(column_name AS TEXT) AS name FROM information_schema.columns
                      WHERE table_schema = current_schema() AND table_name = $1 AND is_identity = 'YES'");
    column.bind(table).optional(tx).await?.map(|row| row.text("name")).transpose()
}
