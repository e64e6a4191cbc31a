//! The registration of functions with SQLite, and the reading of their arguments.

use std::sync::{Arc, Mutex};

use rusqlite::Connection;
use rusqlite::functions::{Context, FunctionFlags};

use crate::sql::errors::error;
use crate::sql::shared::{Shared, lock};
use crate::sql::sqlite::{cell, value};
use crate::store::type_code;
use crate::types::{Cell, OwnedCell, SqlError, SqlType};

/// The answer of a function.
pub(super) type Answer = Result<OwnedCell, SqlError>;

/// The connection and the shared state that functions are registered with.
pub(super) struct Registry<'a> {
    pub(super) connection: &'a Connection,
    pub(super) shared: &'a Arc<Mutex<Shared>>,
}

impl Registry<'_> {
    /// Registers a function that always gives the same answer to the same arguments.
    pub(super) fn pure(
        &self,
        name: &str,
        arguments: i32,
        function: fn(&Context<'_>) -> Answer,
    ) -> rusqlite::Result<()> {
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
    pub(super) fn session(
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
pub(super) fn raise(shared: &Mutex<Shared>, error: SqlError) -> rusqlite::Error {
    let text = error.message.clone();
    lock(shared).error = Some(error);
    rusqlite::Error::UserFunctionError(text.into())
}

/// An argument.
pub(super) fn argument<'a>(context: &'a Context<'_>, at: usize) -> Result<Cell<'a>, SqlError> {
    cell(context.get_raw(at))
}

/// An argument as a whole number; `None` for NULL.
pub(super) fn integer(context: &Context<'_>, at: usize) -> Result<Option<i64>, SqlError> {
    match argument(context, at)? {
        Cell::Null => Ok(None),
        Cell::Integer(v) => Ok(Some(v)),
        _ => Err(broken()),
    }
}

/// An argument as text; `None` for NULL.
pub(super) fn string<'a>(context: &'a Context<'_>, at: usize) -> Result<Option<&'a str>, SqlError> {
    match argument(context, at)? {
        Cell::Null => Ok(None),
        Cell::Text(v) => Ok(Some(v)),
        _ => Err(broken()),
    }
}

/// An argument that is the code of a type.
pub(super) fn sql_type(context: &Context<'_>, at: usize) -> Result<SqlType, SqlError> {
    integer(context, at)?
        .and_then(type_code::decode)
        .ok_or_else(broken)
}

/// The error for a disagreement between the binder and a function. The binder causes it, never the client.
pub(super) fn broken() -> SqlError {
    error(823, 24, 3, "A stored value does not have its declared type.")
}
