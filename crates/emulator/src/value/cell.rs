//! Cells that are borrowed until a conversion makes a new value.

use crate::types::{Cell, OwnedCell};

/// A value in storage form that stays borrowed as long as no conversion makes a new one.
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
    /// Borrows it.
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
