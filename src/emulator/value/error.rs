//! SQL Server's errors of conversion and storage, by number and in its words.

use crate::emulator::types::{SqlError, SqlType};

/// An error of class 16 on line 1.
pub(crate) fn error(number: i32, state: u8, message: String) -> SqlError {
    SqlError {
        number,
        state,
        class: 16,
        message,
        line: 1,
    }
}

/// The name of the type as error messages and `sys.types` have it, without length.
pub(crate) fn type_name(ty: SqlType) -> &'static str {
    unimplemented!("{ty:?}")
}

/// 8152: a string or binary is longer than its column.
pub(crate) fn truncated() -> SqlError {
    error(8152, 14, "String or binary data would be truncated.".to_owned())
}
