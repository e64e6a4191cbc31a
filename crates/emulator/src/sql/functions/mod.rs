//! The functions and collations that the emulator registers with SQLite: T-SQL's semantics over the storage form.
//!
//! They are pure but for NEWID, identity values and the metadata functions. An error travels beside SQLite, in
//! [`Shared::error`], because SQLite passes on only its text.

mod arith;
pub(crate) mod dates;
pub(in crate::sql) mod meta;
mod sums;
mod text;

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use rusqlite::functions::{Context, FunctionFlags};
use rusqlite::types::{Value, ValueRef};
use rusqlite::{Connection, ErrorCode, ffi};

use super::bind::{TRY, UTF8};
use super::core::{Shared, lock};
use super::errors::{self, error};
use super::values;
use crate::store::type_code;
use crate::types::{Cell, OwnedCell, SqlError, SqlType};

/// What a function answers.
type Answer = Result<OwnedCell, SqlError>;

/// Registers everything on a session's connection.
pub(crate) fn register(connection: &Connection, shared: &Arc<Mutex<Shared>>) -> Result<(), SqlError> {
    let wrap = |e: rusqlite::Error| error(823, 24, 1, e.to_string());
    for class in values::COLLATIONS {
        connection
            .create_collation(class.0, |a: &str, b: &str| values::compare(class.1, a, b))
            .map_err(wrap)?;
    }
    let registry = Registry { connection, shared };
    conversions(&registry)
        .and_then(|()| text::register(&registry))
        .and_then(|()| dates::register(&registry))
        .and_then(|()| arith::register(&registry))
        .and_then(|()| sums::register(&registry))
        .and_then(|()| meta::register(&registry))
        .map_err(wrap)
}

/// What registering takes.
struct Registry<'a> {
    connection: &'a Connection,
    shared: &'a Arc<Mutex<Shared>>,
}

impl Registry<'_> {
    /// Registers a function that always answers the same to the same arguments.
    fn pure(&self, name: &str, arguments: i32, function: fn(&Context<'_>) -> Answer) -> rusqlite::Result<()> {
        let flags = FunctionFlags::SQLITE_UTF8
            | FunctionFlags::SQLITE_DETERMINISTIC
            | FunctionFlags::SQLITE_INNOCUOUS;
        let shared = Arc::clone(self.shared);
        self.connection
            .create_scalar_function(name, arguments, flags, move |context| {
                function(context).map(value).map_err(|e| raise(&shared, e))
            })
    }

    /// Registers a function of the session.
    fn session(
        &self,
        name: &str,
        arguments: i32,
        function: fn(&Context<'_>, &Mutex<Shared>) -> Answer,
    ) -> rusqlite::Result<()> {
        let shared = Arc::clone(self.shared);
        self.connection
            .create_scalar_function(name, arguments, FunctionFlags::SQLITE_UTF8, move |context| {
                function(context, &shared)
                    .map(value)
                    .map_err(|e| raise(&shared, e))
            })
    }
}

/// Puts an error beside SQLite and gives SQLite its text.
fn raise(shared: &Mutex<Shared>, error: SqlError) -> rusqlite::Error {
    let text = error.message.clone();
    lock(shared).error = Some(error);
    rusqlite::Error::UserFunctionError(text.into())
}

fn value(cell: OwnedCell) -> Value {
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

/// An argument.
fn argument<'a>(context: &'a Context<'_>, at: usize) -> Result<Cell<'a>, SqlError> {
    cell(context.get_raw(at))
}

/// An argument as a whole number; `None` for NULL.
fn integer(context: &Context<'_>, at: usize) -> Result<Option<i64>, SqlError> {
    match argument(context, at)? {
        Cell::Null => Ok(None),
        Cell::Integer(v) => Ok(Some(v)),
        _ => Err(broken()),
    }
}

/// An argument as text; `None` for NULL.
fn string<'a>(context: &'a Context<'_>, at: usize) -> Result<Option<&'a str>, SqlError> {
    match argument(context, at)? {
        Cell::Null => Ok(None),
        Cell::Text(v) => Ok(Some(v)),
        _ => Err(broken()),
    }
}

/// An argument that is a type's code.
fn sql_type(context: &Context<'_>, at: usize) -> Result<SqlType, SqlError> {
    integer(context, at)?
        .and_then(type_code::decode)
        .ok_or_else(broken)
}

/// The binder and a function disagree: the binder's fault, and never the client's.
fn broken() -> SqlError {
    error(823, 24, 3, "A stored value does not have its declared type.")
}

fn conversions(registry: &Registry<'_>) -> rusqlite::Result<()> {
    registry.pure("tsql_cast", 4, |context| {
        let flags = integer(context, 3)?.unwrap_or(0);
        let (from, to) = (sql_type(context, 1)?, sql_type(context, 2)?);
        or_null(
            flags,
            values::cast(argument(context, 0)?, from, to, flags & UTF8 != 0),
        )
    })?;
    registry.pure("tsql_assign", 4, |context| {
        let flags = integer(context, 3)?.unwrap_or(0);
        let (from, to) = (sql_type(context, 1)?, sql_type(context, 2)?);
        values::assign(argument(context, 0)?, from, to, flags & UTF8 != 0)
    })?;
    registry.pure("tsql_convert", 5, |context| {
        let flags = integer(context, 3)?.unwrap_or(0);
        let Some(style) = integer(context, 4)? else {
            return Ok(OwnedCell::Null);
        };
        let (from, to) = (sql_type(context, 1)?, sql_type(context, 2)?);
        or_null(flags, values::convert(argument(context, 0)?, from, to, style))
    })?;
    registry.pure("tsql_rows", 1, |context| match integer(context, 0)? {
        Some(n) if n >= 0 => Ok(OwnedCell::Integer(n)),
        _ => Err(error(
            1060,
            15,
            1,
            "The number of rows provided for a TOP or FETCH clauses row count parameter must be an integer.",
        )),
    })?;
    registry.session("tsql_newid", 0, |_, shared| {
        let random = lock(shared).names.server.as_ref().map(|s| s.clock.random());
        random.map(values::new_guid).ok_or_else(broken)
    })?;
    registry.session("tsql_many", 0, |_, _| {
        let text = "Subquery returned more than 1 value. This is not permitted when the subquery follows =, !=, <, <= , >, >= or when the subquery is used as an expression.";
        Err(error(512, 16, 1, text))
    })?;
    registry.session("tsql_identity", 0, |_, shared| {
        let mut shared = lock(shared);
        let Some((counter, increment)) = shared.identity.clone() else {
            return Err(broken());
        };
        let value = counter.fetch_add(increment, Ordering::SeqCst) + increment;
        shared.last_identity = Some(value);
        Ok(OwnedCell::Integer(value))
    })
}

fn or_null(flags: i64, answer: Answer) -> Answer {
    match answer {
        Err(_) if flags & TRY != 0 => Ok(OwnedCell::Null),
        answer => answer,
    }
}

/// SQLite's own errors in SQL Server's numbers. Constraints are worded where their table is known.
pub(crate) fn translate(failure: &rusqlite::Error, spid: i16) -> SqlError {
    let rusqlite::Error::SqliteFailure(code, message) = failure else {
        return error(823, 24, 4, failure.to_string());
    };
    match code.code {
        ErrorCode::OperationInterrupted => errors::cancelled(),
        ErrorCode::DatabaseBusy if code.extended_code == ffi::SQLITE_BUSY_SNAPSHOT => errors::deadlock(spid),
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => errors::lock_timeout(),
        ErrorCode::DiskFull => error(1105, 17, 2, "Could not allocate space: the disk is full."),
        _ if message.as_deref() == Some("integer overflow") => errors::overflow("bigint"),
        _ => error(errors::UNSUPPORTED, 16, 2, format!("SQLite: {failure}")),
    }
}
