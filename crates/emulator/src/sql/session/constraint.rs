//! Constraint violations in SQL Server's words, and identity values.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use rusqlite::ffi;

use super::state::SqlSession;
use crate::sql::bind::dml::Change;
use crate::sql::core::TableRef;
use crate::sql::errors::{error, null_refused};
use crate::sql::shared::lock;
use crate::sql::sqlite::{Bindable, cell};
use crate::store::catalog::{ColumnDef, IndexDef, IndexKind, TableDef, quote};
use crate::types::{OwnedCell, SqlError};
use crate::value::render::render;

impl SqlSession {
    /// A failed change's error.
    pub(super) fn constraint_error(
        &mut self,
        failure: &rusqlite::Error,
        change: &Change,
        values: &[OwnedCell],
    ) -> SqlError {
        let Some((code, message)) = constraint(failure) else {
            return self.core.sqlite_error(failure);
        };
        let def = Arc::clone(&change.table.def);
        match code {
            ffi::SQLITE_CONSTRAINT_NOTNULL => null_refused(
                &not_null_column(&def, &message),
                &change.table.three_part_name(),
                change.verb,
            ),
            ffi::SQLITE_CONSTRAINT_UNIQUE | ffi::SQLITE_CONSTRAINT_PRIMARYKEY => {
                let Some(index) = violated(&def, &message) else {
                    return self.core.sqlite_error(failure);
                };
                let key = change.rows.as_ref().and_then(|rows| {
                    let (table, queries) = (&change.table, &taken(&change.table, index, rows));
                    self.duplicate(table, index, queries, values)
                });
                duplicate_key(&def, index, key.as_deref())
            }
            ffi::SQLITE_CONSTRAINT_TRIGGER => self.trigger_error(&change.table, &message, change.verb),
            _ => self.core.sqlite_error(failure),
        }
    }

    /// An UPDATE in which SQLite found a duplicate key halfway. SQLite checks after each row, and SQL Server after
    /// all rows: keys may pass over each other. So the unique indexes are dropped for the change and created again.
    pub(super) fn update_keys(
        &mut self,
        sql: &str,
        change: &Change,
        values: &[OwnedCell],
    ) -> Result<usize, SqlError> {
        let table = &change.table;
        let unique: Vec<&IndexDef> = table.def.indexes.iter().filter(|i| i.unique).collect();
        for index in &unique {
            self.drop_physical_index(table, index)?;
        }
        let ran = self.execute(sql, values);
        let count = ran.map_err(|e| self.constraint_error(&e, change, values))?;
        for index in unique {
            self.create_physical_index(table, index).map_err(|e| {
                if e.number != 1505 {
                    return e;
                }
                let source = format!("WITH n AS (SELECT * FROM {})", table.sqlite());
                let key = self.duplicate(table, index, &[doubled(table, index, &source)], &[]);
                duplicate_key(&table.def, index, key.as_deref())
            })?;
        }
        Ok(count)
    }

    /// The error that a constraint's trigger raised: 547. The message is `kind id`.
    pub(super) fn trigger_error(&mut self, table: &TableRef, message: &str, verb: &str) -> SqlError {
        let id: i32 = message
            .rsplit(' ')
            .next()
            .and_then(|id| id.parse().ok())
            .unwrap_or(0);
        let database = table
            .database
            .as_ref()
            .map_or("tempdb", |d| d.name.as_str())
            .to_owned();
        let conflict = |kind: &str, name: &str, table: &str, column: Option<&str>| {
            let column = column.map_or(String::new(), |c| format!(", column '{c}'"));
            let text = format!(
                "The {verb} statement conflicted with the {kind} constraint \"{name}\". The conflict occurred in \
                 database \"{database}\", table \"{table}\"{column}."
            );
            error(547, 16, 0, text)
        };
        let def = &table.def;
        if let Some(check) = def.checks.iter().find(|c| c.object_id == id) {
            return conflict("CHECK", &check.name, &def.full_name(), check.column.as_deref());
        }
        let tables: Vec<Arc<TableDef>> = match &table.database {
            Some(database) => self
                .core
                .catalog(&database.clone())
                .map(|c| c.all_tables().cloned().collect())
                .unwrap_or_default(),
            None => Vec::new(),
        };
        for child in &tables {
            let Some(key) = child.foreign_keys.iter().find(|f| f.object_id == id) else {
                continue;
            };
            let same = child.object_id == key.parent;
            let name = |t: &TableDef, id: Option<&i32>| {
                id.and_then(|id| t.column_by_id(*id)).map(|c| c.name.clone())
            };
            return if message.starts_with("parent") {
                let column = name(child, key.columns.first());
                let kind = if same { "SAME TABLE REFERENCE" } else { "REFERENCE" };
                conflict(kind, &key.name, &child.full_name(), column.as_deref())
            } else {
                let parent = tables.iter().find(|t| t.object_id == key.parent);
                let column = parent.and_then(|p| name(p, key.parent_columns.first()));
                let table = parent.map_or_else(String::new, |p| p.full_name());
                let kind = if same {
                    "FOREIGN KEY SAME TABLE"
                } else {
                    "FOREIGN KEY"
                };
                conflict(kind, &key.name, &table, column.as_deref())
            };
        }
        error(547, 16, 0, message)
    }

    /// The first key that one of the queries finds, as the message lists it.
    fn duplicate(
        &self,
        table: &TableRef,
        index: &IndexDef,
        queries: &[String],
        values: &[OwnedCell],
    ) -> Option<String> {
        let columns = key_columns(table, index);
        queries.iter().find_map(|sql| {
            let mut statement = self.core.connection.prepare(sql).ok()?;
            for (at, value) in values.iter().enumerate().take(statement.parameter_count()) {
                statement
                    .raw_bind_parameter(at + 1, Bindable(value.as_cell()))
                    .ok()?;
            }
            let mut rows = statement.raw_query();
            let row = rows.next().ok()??;
            let mut parts = Vec::with_capacity(columns.len());
            for (at, column) in columns.iter().enumerate() {
                parts.push(
                    render(cell(row.get_ref(at).ok()?).ok()?, column.ty)
                        .trim_end()
                        .to_owned(),
                );
            }
            Some(parts.join(", "))
        })
    }

    /// Gets the identity counter ready for an INSERT.
    pub(super) fn start_identity(&mut self, change: &Change) -> Result<(), SqlError> {
        let counter = match change.explicit_identity {
            Some(false) => Some(self.identity_counter(&change.table)?),
            _ => None,
        };
        let increment = change.table.def.identity_column().map_or(1, |(_, i)| i.increment);
        lock(&self.core.shared).identity = counter.map(|c| (c, increment));
        Ok(())
    }

    /// Keeps the last value of the identity counter.
    pub(super) fn end_identity(&mut self, change: &Change) -> Result<(), SqlError> {
        let Some(explicit) = change.explicit_identity else {
            return Ok(());
        };
        let counter = self.identity_counter(&change.table)?;
        let Some((column, identity)) = change.table.def.identity_column() else {
            return Ok(());
        };
        if explicit {
            let function = if identity.increment < 0 { "min" } else { "max" };
            let sql = format!(
                "SELECT {function}({}) FROM {}",
                quote(&column.name),
                change.table.sqlite()
            );
            let furthest: Option<i64> = self
                .core
                .connection
                .query_row(&sql, [], |r| r.get(0))
                .map_err(|e| self.core.sqlite_error(&e))?;
            if let Some(furthest) = furthest {
                if identity.increment < 0 {
                    counter.fetch_min(furthest, Ordering::SeqCst);
                } else {
                    counter.fetch_max(furthest, Ordering::SeqCst);
                }
            }
        }
        self.save_identity(&change.table, counter.load(Ordering::SeqCst))
    }

    /// Writes the counter into the file, so that it goes on from there after a restart.
    pub(super) fn save_identity(&self, table: &TableRef, last: i64) -> Result<(), SqlError> {
        if table.database.is_some() {
            let sql = format!("INSERT OR REPLACE INTO {}._identity VALUES (?1, ?2)", table.alias);
            let saved = self
                .core
                .connection
                .prepare_cached(&sql)
                .and_then(|mut s| s.execute((table.def.object_id, last)));
            saved.map_err(|e| self.core.sqlite_error(&e))?;
        }
        Ok(())
    }

    /// The counter of a table's identity column.
    pub(super) fn identity_counter(&mut self, table: &TableRef) -> Result<Arc<AtomicI64>, SqlError> {
        let id = table.def.object_id;
        let before_first = table
            .def
            .identity_column()
            .map_or(0, |(_, i)| i.seed - i.increment);
        match &table.database {
            None => Ok(Arc::clone(
                self.identities
                    .entry(id)
                    .or_insert_with(|| Arc::new(AtomicI64::new(before_first))),
            )),
            Some(database) => database.identity(id, || {
                let sql = format!("SELECT last FROM {}._identity WHERE object_id = ?1", table.alias);
                match self.core.connection.query_row(&sql, [id], |r| r.get(0)) {
                    Ok(last) => Ok(last),
                    Err(rusqlite::Error::QueryReturnedNoRows) => Ok(before_first),
                    Err(e) => Err(self.core.sqlite_error(&e)),
                }
            }),
        }
    }
}

fn key_columns<'a>(table: &'a TableRef, index: &IndexDef) -> Vec<&'a ColumnDef> {
    let keys = index.keys.iter();
    keys.filter_map(|k| table.def.column_by_id(k.0)).collect()
}

/// The queries for a key among the new rows, `n`, that exists in the table already or comes twice.
fn taken(table: &TableRef, index: &IndexDef, rows: &str) -> [String; 2] {
    let columns = key_columns(table, index);
    let list: Vec<String> = columns.iter().map(|c| format!("n.{}", quote(&c.name))).collect();
    let same: Vec<String> = columns
        .iter()
        .map(|c| format!("t.{0} IS n.{0}", quote(&c.name)))
        .collect();
    let there = format!(
        "{rows} SELECT {} FROM n WHERE EXISTS (SELECT 1 FROM {} AS t WHERE {}) LIMIT 1",
        list.join(", "),
        table.sqlite(),
        same.join(" AND ")
    );
    [there, doubled(table, index, rows)]
}

/// The query for a key that comes twice among the rows, `n`.
fn doubled(table: &TableRef, index: &IndexDef, rows: &str) -> String {
    let columns = key_columns(table, index);
    let list: Vec<String> = columns.iter().map(|c| format!("n.{}", quote(&c.name))).collect();
    let list = list.join(", ");
    format!("{rows} SELECT {list} FROM n GROUP BY {list} HAVING count(*) > 1 LIMIT 1")
}

/// Whether SQLite found a key twice.
pub(super) fn is_duplicate(failure: &rusqlite::Error) -> bool {
    constraint(failure).is_some_and(|(code, _)| {
        matches!(
            code,
            ffi::SQLITE_CONSTRAINT_UNIQUE | ffi::SQLITE_CONSTRAINT_PRIMARYKEY
        )
    })
}

/// SQLite's extended code and message of a violated constraint.
pub(super) fn constraint(failure: &rusqlite::Error) -> Option<(i32, String)> {
    match failure {
        rusqlite::Error::SqliteFailure(code, message)
            if code.code == rusqlite::ErrorCode::ConstraintViolation =>
        {
            Some((code.extended_code, message.clone().unwrap_or_default()))
        }
        _ => None,
    }
}

/// The column that SQLite names in a NOT NULL violation. A name may contain dots, so the longest one wins.
pub(super) fn not_null_column(table: &TableDef, message: &str) -> String {
    let named = table
        .columns
        .iter()
        .filter(|c| message.ends_with(&format!(".{}", c.name)));
    named
        .max_by_key(|c| c.name.len())
        .map(|c| c.name.clone())
        .unwrap_or_default()
}

/// The unique index that SQLite names, by its columns or by its name.
pub(super) fn violated<'a>(table: &'a TableDef, message: &str) -> Option<&'a IndexDef> {
    let unique = || table.indexes.iter().filter(|i| i.unique);
    if let Some(name) = message.strip_prefix("UNIQUE constraint failed: index ") {
        let name = name.trim_matches('\'').trim_end_matches("_null");
        return unique().find(|i| table.sqlite_index(i) == name);
    }
    let named = message.strip_prefix("UNIQUE constraint failed: ")?;
    let bare = table.sqlite_name();
    let prefix = format!("{}.", bare.trim_matches('"').replace("\"\"", "\""));
    unique().find(|i| {
        let columns: Vec<String> = i
            .keys
            .iter()
            .filter_map(|k| table.column_by_id(k.0))
            .map(|c| format!("{prefix}{}", c.name))
            .collect();
        columns.join(", ") == named
    })
}

/// The error of a duplicate key: 2627 or 2601.
pub(super) fn duplicate_key(table: &TableDef, index: &IndexDef, key: Option<&str>) -> SqlError {
    let value = key.map_or(String::new(), |k| format!(" The duplicate key value is ({k})."));
    let object = table.full_name();
    let constraint = match index.kind {
        IndexKind::PrimaryKey => "PRIMARY KEY",
        IndexKind::UniqueConstraint => "UNIQUE KEY",
        IndexKind::Index => {
            let text = format!(
                "Cannot insert duplicate key row in object '{object}' with unique index '{}'.{value}",
                index.name
            );
            return error(2601, 14, 1, text);
        }
    };
    let text = format!(
        "Violation of {constraint} constraint '{}'. Cannot insert duplicate key in object '{object}'.{value}",
        index.name
    );
    error(2627, 14, 1, text)
}
