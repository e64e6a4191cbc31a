//! Lengths, padding and truncation of character and binary values.

use crate::emulator::types::SqlType;

/// Length as the type counts it: UTF-16 code units for `nchar`/`nvarchar`/`xml`, bytes of the code page otherwise.
pub(crate) fn length(text: &str, ty: SqlType, collation: Option<&str>) -> usize {
    unimplemented!("{text}{ty:?}{collation:?}")
}
