//! Arithmetic between stored values.

use crate::emulator::types::{Cell, OwnedCell, SqlError, SqlType};

/// A binary operator on numbers, strings and binaries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operator {
    /// `+`, of strings too.
    Add,
    /// `-`
    Subtract,
    /// `*`
    Multiply,
    /// `/`
    Divide,
    /// `%`
    Modulo,
}

/// `a op b` of type [`arithmetic_type`](super::promote::arithmetic_type); NULL when either is. 8115 and 8134 are its errors.
pub(crate) fn compute(
    op: Operator,
    a: Cell<'_>,
    a_ty: SqlType,
    b: Cell<'_>,
    b_ty: SqlType,
) -> Result<OwnedCell, SqlError> {
    unimplemented!("{op:?}{a:?}{a_ty:?}{b:?}{b_ty:?}")
}

/// `-a`, of the same type.
pub(crate) fn negate(a: Cell<'_>, ty: SqlType) -> Result<OwnedCell, SqlError> {
    unimplemented!("{a:?}{ty:?}")
}
