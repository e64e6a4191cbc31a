//! CAST, CONVERT and implicit conversion.

use crate::emulator::types::{Cell, SqlError, SqlType};
use crate::emulator::value::CowCell;

/// Whether and how values of one type become another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Conversion {
    /// Without being asked for.
    Implicit,
    /// By CAST or CONVERT only: error 257 otherwise.
    Explicit,
    /// Not at all: error 529, or 206 for an implicit one.
    Refused,
}

/// SQL Server's conversion chart.
pub(crate) fn conversion(from: SqlType, to: SqlType) -> Conversion {
    unimplemented!("{from:?}{to:?}")
}

/// Errors 257 and 206, for the binder: whether an expression of type `from` may be stored in a column of type `to`.
pub(crate) fn check_assignable(from: SqlType, to: SqlType) -> Result<(), SqlError> {
    unimplemented!("{from:?}{to:?}")
}

/// Error 529, for the binder: whether CAST takes `from` to `to`.
pub(crate) fn check_castable(from: SqlType, to: SqlType) -> Result<(), SqlError> {
    unimplemented!("{from:?}{to:?}")
}

/// `CAST(cell AS to [COLLATE to_collation])`. When `from` is character and `to` binary, `to_collation` is that of the source.
pub(crate) fn cast<'a>(
    cell: Cell<'a>,
    from: SqlType,
    to: SqlType,
    to_collation: Option<&str>,
) -> Result<CowCell<'a>, SqlError> {
    convert(cell, from, to, 0, to_collation)
}

/// `CONVERT(to, cell, style)`; `style` 0 is CAST.
pub(crate) fn convert<'a>(
    cell: Cell<'a>,
    from: SqlType,
    to: SqlType,
    style: i32,
    to_collation: Option<&str>,
) -> Result<CowCell<'a>, SqlError> {
    unimplemented!("{cell:?}{from:?}{to:?}{style}{to_collation:?}")
}

/// Implicit conversion on INSERT and UPDATE: as [`cast`], but text and bytes that do not fit are 8152 and only implicit
/// conversions are allowed. NULL is let through unchecked; the binder asks [`check_assignable`].
pub(crate) fn assign<'a>(
    cell: Cell<'a>,
    from: SqlType,
    to: SqlType,
    to_collation: Option<&str>,
) -> Result<CowCell<'a>, SqlError> {
    unimplemented!("{cell:?}{from:?}{to:?}{to_collation:?}")
}
