//! The functions and collations that the emulator registers with SQLite. They compute T-SQL's semantics over the
//! storage form.
//!
//! All are pure except NEWID, identity values and the metadata functions. An error travels beside SQLite, in
//! [`Shared::error`], because SQLite passes on only its text.

mod arith;
pub(crate) mod conversion;
pub(crate) mod dates;
mod meta;
mod registry;
mod sums;
mod text;

use std::sync::{Arc, Mutex};

use rusqlite::Connection;

use super::errors::error;
use super::shared::Shared;
use super::values;
use crate::types::SqlError;
use registry::Registry;

/// Registers everything on a session's connection.
pub(crate) fn register(connection: &Connection, shared: &Arc<Mutex<Shared>>) -> Result<(), SqlError> {
    let wrap = |e: rusqlite::Error| error(823, 24, 1, e.to_string());
    for class in values::COLLATIONS {
        connection
            .create_collation(class.0, |a: &str, b: &str| values::compare(class.1, a, b))
            .map_err(wrap)?;
    }
    let registry = Registry { connection, shared };
    conversion::register(&registry)
        .and_then(|()| text::register(&registry))
        .and_then(|()| dates::register(&registry))
        .and_then(|()| arith::register(&registry))
        .and_then(|()| sums::register(&registry))
        .and_then(|()| meta::register(&registry))
        .map_err(wrap)
}
