//! SQL Server's errors of conversion and storage, by number and in its words.
//!
//! Texts: <https://learn.microsoft.com/sql/relational-databases/errors-events/database-engine-events-and-errors>.

use crate::types::{SqlError, SqlType};

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

/// The name of the type in error messages and `sys.types`, without length.
pub(crate) fn type_name(ty: SqlType) -> &'static str {
    match ty {
        SqlType::Bit => "bit",
        SqlType::TinyInt => "tinyint",
        SqlType::SmallInt => "smallint",
        SqlType::Int => "int",
        SqlType::BigInt => "bigint",
        SqlType::Decimal { numeric: false, .. } => "decimal",
        SqlType::Decimal { numeric: true, .. } => "numeric",
        SqlType::Money => "money",
        SqlType::SmallMoney => "smallmoney",
        SqlType::Real => "real",
        SqlType::Float => "float",
        SqlType::Char(_) => "char",
        SqlType::VarChar(_) => "varchar",
        SqlType::NChar(_) => "nchar",
        SqlType::NVarChar(_) => "nvarchar",
        SqlType::Binary(_) => "binary",
        SqlType::VarBinary(_) => "varbinary",
        SqlType::Date => "date",
        SqlType::Time(_) => "time",
        SqlType::DateTime => "datetime",
        SqlType::SmallDateTime => "smalldatetime",
        SqlType::DateTime2(_) => "datetime2",
        SqlType::DateTimeOffset(_) => "datetimeoffset",
        SqlType::UniqueIdentifier => "uniqueidentifier",
        SqlType::Xml => "xml",
    }
}

/// Messages of conversions say `numeric` for both names of the type.
fn conversion_name(ty: SqlType) -> &'static str {
    match ty {
        SqlType::Decimal { .. } => "numeric",
        other => type_name(other),
    }
}

/// 8152: a string or binary is longer than its column.
pub(crate) fn truncated() -> SqlError {
    error(8152, 14, "String or binary data would be truncated.".to_owned())
}

/// 8115 from an expression: `bigint` to `int`, and sums that do not fit.
pub(crate) fn overflow(to: SqlType) -> SqlError {
    let to = conversion_name(to);
    error(
        8115,
        2,
        format!("Arithmetic overflow error converting expression to data type {to}."),
    )
}

/// 8115 that names both types: conversions from and to `numeric`.
pub(crate) fn overflow_from(from: SqlType, to: SqlType) -> SqlError {
    let (from, to) = (conversion_name(from), conversion_name(to));
    error(
        8115,
        8,
        format!("Arithmetic overflow error converting {from} to data type {to}."),
    )
}

/// 220: an integer that `tinyint` or `smallint` does not hold.
pub(crate) fn small_overflow(to: SqlType, value: i64) -> SqlError {
    let to = type_name(to);
    error(
        220,
        2,
        format!("Arithmetic overflow error for data type {to}, value = {value}."),
    )
}

/// 232: a float that the type does not hold.
pub(crate) fn float_overflow(to: SqlType, value: f64) -> SqlError {
    let to = conversion_name(to);
    error(
        232,
        3,
        format!("Arithmetic overflow error for type {to}, value = {value:.6}."),
    )
}

/// 8114: a string that is no number.
pub(crate) fn not_a_number(from: SqlType, to: SqlType) -> SqlError {
    let (from, to) = (conversion_name(from), conversion_name(to));
    error(8114, 5, format!("Error converting data type {from} to {to}."))
}

/// 245: a string that is no integer.
pub(crate) fn not_an_integer(from: SqlType, value: &str, to: SqlType) -> SqlError {
    let (from, to) = (type_name(from), type_name(to));
    error(
        245,
        1,
        format!("Conversion failed when converting the {from} value '{value}' to data type {to}."),
    )
}

/// 241: a string that is no date.
pub(crate) fn not_a_date() -> SqlError {
    error(
        241,
        1,
        "Conversion failed when converting date and/or time from character string.".to_owned(),
    )
}

/// 242: a date that the type does not reach.
pub(crate) fn date_out_of_range(from: SqlType, to: SqlType) -> SqlError {
    let (from, to) = (type_name(from), type_name(to));
    error(
        242,
        3,
        format!(
            "The conversion of a {from} data type to a {to} data type resulted in an out-of-range value."
        ),
    )
}

/// 8169: a string that is no guid.
pub(crate) fn not_a_guid() -> SqlError {
    error(
        8169,
        2,
        "Conversion failed when converting from a character string to uniqueidentifier.".to_owned(),
    )
}

/// 529: CAST between types that have no conversion.
pub(crate) fn explicit_refused(from: SqlType, to: SqlType) -> SqlError {
    let (from, to) = (type_name(from), type_name(to));
    error(
        529,
        2,
        format!("Explicit conversion from data type {from} to {to} is not allowed."),
    )
}

/// 206: storing or comparing types that have no conversion.
pub(crate) fn type_clash(from: SqlType, to: SqlType) -> SqlError {
    let (from, to) = (type_name(from), type_name(to));
    error(
        206,
        2,
        format!("Operand type clash: {from} is incompatible with {to}"),
    )
}

/// 257: a conversion that needs CAST or CONVERT.
pub(crate) fn implicit_refused(from: SqlType, to: SqlType) -> SqlError {
    let (from, to) = (type_name(from), type_name(to));
    error(
        257,
        3,
        format!(
            "Implicit conversion from data type {from} to {to} is not allowed. Use the CONVERT function to run this query."
        ),
    )
}

/// 281: a style that CONVERT does not have for the type.
pub(crate) fn bad_style(style: i32, from: SqlType) -> SqlError {
    let from = type_name(from);
    error(
        281,
        1,
        format!("{style} is not a valid style number when converting from {from} to a character string."),
    )
}

/// 8630: a cell that is not the storage form of its type. The emulator itself is wrong then.
pub(crate) fn misfit(ty: SqlType) -> SqlError {
    let ty = type_name(ty);
    error(
        8630,
        1,
        format!(
            "Internal Query Processor Error: The query processor encountered an unexpected error during execution (a stored value is no {ty})."
        ),
    )
}

/// 9833: bytes that are no UTF-16 text, or have an unpaired surrogate, which the storage form cannot hold.
pub(crate) fn bad_unicode(ty: SqlType) -> SqlError {
    let ty = type_name(ty);
    error(
        9833,
        1,
        format!("Invalid data for UTF-16-encoded characters in a value of type {ty}"),
    )
}

/// 4804: the message ends inside a value.
pub(crate) fn premature_end() -> SqlError {
    error(
        4804,
        1,
        "While reading current row from host, a premature end-of-message was encountered--an incoming data stream was interrupted when the server expected to see more data. The host program may have terminated."
            .to_owned(),
    )
}

/// 8009: a type that the emulator does not read.
pub(crate) fn unknown_wire_type(token: u8) -> SqlError {
    error(
        8009,
        1,
        format!(
            "The incoming tabular data stream (TDS) protocol stream is incorrect. Data type 0x{token:02X} is unknown."
        ),
    )
}

/// 8016: a length that the type does not have.
pub(crate) fn bad_wire_length(token: u8) -> SqlError {
    error(
        8016,
        1,
        format!(
            "The incoming tabular data stream (TDS) protocol stream is incorrect. Data type 0x{token:02X} has an invalid data length or metadata length."
        ),
    )
}

/// 8023: a value that the type does not have.
pub(crate) fn bad_wire_value(ty: SqlType) -> SqlError {
    let ty = type_name(ty);
    error(
        8023,
        1,
        format!(
            "The incoming tabular data stream (TDS) protocol stream is incorrect. The supplied value is not a valid instance of data type {ty}. Check the source data for invalid values. An example of an invalid value is data of numeric type with scale greater than precision."
        ),
    )
}

/// 8029: a precision or scale that the type does not have.
pub(crate) fn bad_wire_precision(token: u8) -> SqlError {
    error(
        8029,
        1,
        format!(
            "The incoming tabular data stream (TDS) protocol stream is incorrect. Data type 0x{token:02X} has an invalid precision or scale."
        ),
    )
}
