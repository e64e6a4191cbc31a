//! Decimals as scaled integers, and their two storage forms.

use crate::emulator::types::{Cell, OwnedCell};

/// Up to this precision a decimal is stored as an INTEGER.
pub(crate) const INTEGER_PRECISION: u8 = 18;

/// Scaled integer to storage form; the caller has checked that it has at most `precision` digits.
pub(crate) fn to_cell(unscaled: i128, precision: u8) -> OwnedCell {
    unimplemented!("{unscaled}{precision}")
}

/// Storage form to scaled integer; `None` for a cell that is no decimal of this precision.
pub(crate) fn from_cell(cell: Cell<'_>) -> Option<i128> {
    unimplemented!("{cell:?}")
}
