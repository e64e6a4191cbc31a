//! The type of an expression made of two.

use crate::emulator::types::{SqlError, SqlType};
use crate::emulator::value::arithmetic::Operator;

/// The common type by data type precedence: of `CASE`, `COALESCE`, `UNION`, and of a comparison's two sides.
pub(crate) fn promote(a: SqlType, b: SqlType) -> SqlType {
    unimplemented!("{a:?}{b:?}")
}

/// The type of `a op b`; 8117 or 402 where the operator does not take them.
pub(crate) fn arithmetic_type(op: Operator, a: SqlType, b: SqlType) -> Result<SqlType, SqlError> {
    unimplemented!("{op:?}{a:?}{b:?}")
}
