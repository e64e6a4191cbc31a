//! Wire form to storage form.

use super::{Reader, WireType};
use crate::emulator::types::{OwnedCell, SqlError};

/// Reads a value of a bulk load's ROW into storage form.
pub(crate) fn read_value(src: &mut Reader<'_>, ty: &WireType) -> Result<OwnedCell, SqlError> {
    let mut cell = OwnedCell::Null;
    read_value_into(src, ty, &mut cell)?;
    Ok(cell)
}

/// As [`read_value`], reusing the allocation of `slot` when it holds text or bytes already.
pub(crate) fn read_value_into(
    src: &mut Reader<'_>,
    ty: &WireType,
    slot: &mut OwnedCell,
) -> Result<(), SqlError> {
    unimplemented!("{src:?}{ty:?}{slot:?}")
}

/// Reads the value of an RPC parameter: as [`read_value`] but for `text`, `ntext` and `image`, which have no text pointer there.
pub(crate) fn read_param(src: &mut Reader<'_>, ty: &WireType) -> Result<OwnedCell, SqlError> {
    unimplemented!("{src:?}{ty:?}")
}
