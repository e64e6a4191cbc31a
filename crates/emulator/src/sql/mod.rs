//! T-SQL in, SQLite out.

pub(crate) mod ast;
pub(crate) mod bind;
pub(crate) mod core;
pub(crate) mod errors;
pub(crate) mod functions;
pub(crate) mod name;
pub(crate) mod parse;
mod session;
pub(crate) mod shared;
pub(crate) mod sqlite;
#[cfg(test)]
mod tests;
pub(crate) mod types;
pub(crate) mod values;
pub(crate) mod views;

use std::sync::Arc;

use crate::store::ServerState;
use crate::types::{Session, SessionOptions, SqlError};

/// Opens a session on a database; 4060 when there is no such database.
pub(crate) fn open(server: Arc<ServerState>, options: SessionOptions) -> Result<Box<dyn Session>, SqlError> {
    Ok(Box::new(session::SqlSession::open(server, options)?))
}
