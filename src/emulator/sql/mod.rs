//! T-SQL in, SQLite out.

pub(crate) mod ast;
pub(crate) mod parse;

use std::sync::Arc;

use crate::emulator::store::ServerState;
use crate::emulator::types::{Session, SessionOptions, SqlError};

/// Opens a session on a database.
pub(crate) fn open(server: Arc<ServerState>, options: SessionOptions) -> Result<Box<dyn Session>, SqlError> {
    let name = if options.database.is_empty() { "master" } else { &options.database };
    match server.database(name) {
        Some(_) => Err(SqlError { number: 40000, state: 1, class: 16, message: "Not ready.".into(), line: 1 }),
        None => Err(SqlError {
            number: 4060,
            state: 1,
            class: 11,
            message: format!("Cannot open database \"{name}\" requested by the login. The login failed."),
            line: 1,
        }),
    }
}
