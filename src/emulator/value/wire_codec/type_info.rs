//! TYPE_INFO.

use bytes::{Buf, BytesMut};

use crate::emulator::types::{SqlError, SqlType};

/// A type as a client's TYPE_INFO has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WireType {
    ty: SqlType,
}

impl WireType {
    /// The SQL type; `text`, `ntext` and `image` are the `max` types, and the typeless NULL is `int`.
    pub(crate) fn sql_type(&self) -> SqlType {
        self.ty
    }

    /// Whether it is the typeless NULL (0x1F), which has no value and converts to anything.
    pub(crate) fn is_null(&self) -> bool {
        false
    }

    /// Whether it is `text`, `ntext` or `image`, after which COLMETADATA has a table name.
    pub(crate) fn is_legacy_lob(&self) -> bool {
        false
    }
}

/// Writes TYPE_INFO: the N-forms for nullable columns, the fixed forms for NOT NULL as SQL Server does.
pub(crate) fn write_type_info(buf: &mut BytesMut, ty: SqlType, collation: Option<&str>, nullable: bool) {
    unimplemented!("{buf:?}{ty:?}{collation:?}{nullable}")
}

/// Reads the TYPE_INFO of a client: of an RPC parameter or of a bulk load's COLMETADATA.
pub(crate) fn read_type_info(src: &mut impl Buf) -> Result<WireType, SqlError> {
    unimplemented!("{}", src.remaining())
}
