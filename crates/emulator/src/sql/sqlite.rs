//! Values and errors between SQLite's terms and SQL Server's.

use rusqlite::types::{ToSqlOutput, Value, ValueRef};
use rusqlite::{ErrorCode, ToSql, ffi};

use super::errors::{self, error};
use crate::types::{Cell, OwnedCell, SqlError};

/// A cell as a SQLite value.
pub(crate) fn value(cell: OwnedCell) -> Value {
    match cell {
        OwnedCell::Null => Value::Null,
        OwnedCell::Integer(v) => Value::Integer(v),
        OwnedCell::Real(v) => Value::Real(v),
        OwnedCell::Text(v) => Value::Text(v),
        OwnedCell::Blob(v) => Value::Blob(v),
    }
}

/// A SQLite value as a cell.
pub(crate) fn cell(value: ValueRef<'_>) -> Result<Cell<'_>, SqlError> {
    Ok(match value {
        ValueRef::Null => Cell::Null,
        ValueRef::Integer(v) => Cell::Integer(v),
        ValueRef::Real(v) => Cell::Real(v),
        ValueRef::Text(bytes) => Cell::Text(
            std::str::from_utf8(bytes).map_err(|_| error(823, 24, 2, "A stored text is not UTF-8."))?,
        ),
        ValueRef::Blob(bytes) => Cell::Blob(bytes),
    })
}

/// A cell on its way into a SQLite parameter.
pub(crate) struct Bindable<'a>(pub Cell<'a>);

impl ToSql for Bindable<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self.0 {
            Cell::Null => ValueRef::Null,
            Cell::Integer(v) => ValueRef::Integer(v),
            Cell::Real(v) => ValueRef::Real(v),
            Cell::Text(v) => ValueRef::Text(v.as_bytes()),
            Cell::Blob(v) => ValueRef::Blob(v),
        }))
    }
}

/// SQLite's own errors in SQL Server's numbers. A constraint's error is worded by the code that knows the table.
pub(crate) fn translate(failure: &rusqlite::Error, spid: i16) -> SqlError {
    let rusqlite::Error::SqliteFailure(code, message) = failure else {
        return error(823, 24, 4, failure.to_string());
    };
    match code.code {
        ErrorCode::OperationInterrupted => errors::cancelled(),
        ErrorCode::DatabaseBusy if code.extended_code == ffi::SQLITE_BUSY_SNAPSHOT => errors::deadlock(spid),
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => errors::lock_timeout(),
        ErrorCode::DiskFull => error(1105, 17, 2, "Could not allocate space: the disk is full."),
        _ if message.as_deref().is_some_and(is_depth) => errors::too_deep(),
        _ if message.as_deref() == Some("integer overflow") => errors::overflow("bigint"),
        _ => error(errors::UNSUPPORTED, 16, 2, format!("SQLite: {failure}")),
    }
}

/// Whether SQLite refuses a statement for the depth of one of its trees.
fn is_depth(message: &str) -> bool {
    [
        "Expression tree is too large",
        "parser stack overflow",
        "Recursion limit",
    ]
    .iter()
    .any(|start| message.starts_with(start))
}
