//! SQL lives only here: one query text for SQLite and PostgreSQL, own migrations, group commit.
