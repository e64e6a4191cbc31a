//! How SQL Server prints values.

use crate::emulator::types::{Cell, SqlError, SqlType};

/// As `CAST(cell AS nvarchar(max))` prints it; NULL prints as `NULL`. A cell that does not belong to the type prints as it is.
pub(crate) fn render(cell: Cell<'_>, ty: SqlType) -> String {
    unimplemented!("{cell:?}{ty:?}")
}

/// As `CONVERT(nvarchar(max), cell, style)` prints it; 281 for a style that the type does not have.
pub(crate) fn render_style(cell: Cell<'_>, ty: SqlType, style: i32) -> Result<String, SqlError> {
    unimplemented!("{cell:?}{ty:?}{style}")
}

/// As a T-SQL literal of the type, for messages and logs: `N'it''s'`, `0x0FAB`, `1.50`, `NULL`.
pub(crate) fn literal(cell: Cell<'_>, ty: SqlType) -> String {
    unimplemented!("{cell:?}{ty:?}")
}
