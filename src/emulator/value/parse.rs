//! How SQL Server reads strings and literals.

use crate::emulator::types::{OwnedCell, SqlError, SqlType};

/// A string to a value of `to`, as CAST from `varchar` (`unicode` false) or `nvarchar` reads it.
pub(crate) fn parse(
    text: &str,
    unicode: bool,
    to: SqlType,
    to_collation: Option<&str>,
) -> Result<OwnedCell, SqlError> {
    unimplemented!("{text}{unicode}{to:?}{to_collation:?}")
}

/// A numeric literal of T-SQL: `12` is int, `12345678901` and `1.50` numeric, `1e3` float, `$1.5` money.
pub(crate) fn number_literal(text: &str) -> Result<(OwnedCell, SqlType), SqlError> {
    unimplemented!("{text}")
}

/// A binary literal of T-SQL, with its `0x`; an odd number of digits has a zero put before them.
pub(crate) fn binary_literal(text: &str) -> Result<(OwnedCell, SqlType), SqlError> {
    unimplemented!("{text}")
}

/// A string literal's type: `varchar(n)` or `nvarchar(n)` of its own length, at least 1, `max` when it is longer than that holds.
pub(crate) fn string_literal_type(text: &str, unicode: bool) -> SqlType {
    unimplemented!("{text}{unicode}")
}
