//! Values: how SQL Server's types are stored in SQLite, sent over TDS, compared, converted and printed.
//!
//! It owns the storage form (see `docs/architecture.md`, "The emulator") and every rule that depends on a data
//! type. It refuses to guess: a value that the target type cannot hold is SQL Server's own error, by number and
//! text, and a value that the storage form cannot hold (an unpaired surrogate) is an error too. Nothing in here does
//! I/O or reads a clock, so every rule is tested by its inputs and outputs alone.

pub(crate) mod arithmetic;
pub(crate) mod cast;
mod cast_binary;
pub(crate) mod collation;
mod collation_names;
pub(crate) mod conversion;
pub(crate) mod decimal;
pub(crate) mod error;
pub(crate) mod guid;
pub(crate) mod parse;
mod parse_datetime;
pub(crate) mod promote;
pub(crate) mod render;
pub(crate) mod temporal;
pub(crate) mod text;
pub(crate) mod wire_codec;

use crate::types::{Cell, OwnedCell};

/// A value in storage form that is borrowed as long as no conversion had to make a new one.
///
/// Integers, reals and NULL are always `Borrowed`: a [`Cell`] holds them by value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum CowCell<'a> {
    /// The value that came in, or one that needs no allocation.
    Borrowed(Cell<'a>),
    /// A value that the conversion made.
    Owned(OwnedCell),
}

impl<'a> CowCell<'a> {
    /// Looks at it.
    pub(crate) fn as_cell(&self) -> Cell<'_> {
        match self {
            CowCell::Borrowed(cell) => *cell,
            CowCell::Owned(cell) => cell.as_cell(),
        }
    }

    /// Takes it, copying text and bytes that are still borrowed.
    pub(crate) fn into_owned(self) -> OwnedCell {
        match self {
            CowCell::Borrowed(cell) => to_owned(cell),
            CowCell::Owned(cell) => cell,
        }
    }
}

/// Copies a cell.
pub(crate) fn to_owned(cell: Cell<'_>) -> OwnedCell {
    match cell {
        Cell::Null => OwnedCell::Null,
        Cell::Integer(v) => OwnedCell::Integer(v),
        Cell::Real(v) => OwnedCell::Real(v),
        Cell::Text(v) => OwnedCell::Text(v.to_owned()),
        Cell::Blob(v) => OwnedCell::Blob(v.to_owned()),
    }
}
