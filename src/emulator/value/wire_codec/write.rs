//! Storage form to wire form.

use bytes::BytesMut;

use crate::emulator::types::{Cell, SqlError, SqlType};

/// Writes a value as ROW has it after the TYPE_INFO that [`write_type_info`](super::write_type_info) wrote for the same arguments.
///
/// On an error nothing has been written.
pub(crate) fn write_value(
    buf: &mut BytesMut,
    ty: SqlType,
    collation: Option<&str>,
    nullable: bool,
    cell: Cell<'_>,
) -> Result<(), SqlError> {
    unimplemented!("{buf:?}{ty:?}{collation:?}{nullable}{cell:?}")
}
