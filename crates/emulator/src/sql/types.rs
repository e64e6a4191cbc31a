//! Data types by name: the meaning of a declaration, and the description of a type in `sys.types` and
//! `sys.columns`.

use sqlparser::ast::DataType;

use super::errors::error;
use crate::types::{Len, SqlError, SqlType};

/// A row of `sys.types`.
pub(crate) struct TypeRow {
    pub name: &'static str,
    pub system_type_id: i64,
    pub user_type_id: i64,
    pub max_length: i64,
    pub precision: i64,
    pub scale: i64,
    pub text: bool,
}

const fn row(name: &'static str, id: i64, max_length: i64, precision: i64, scale: i64) -> TypeRow {
    TypeRow {
        name,
        system_type_id: id,
        user_type_id: id,
        max_length,
        precision,
        scale,
        text: false,
    }
}

const fn text_row(name: &'static str, id: i64, max_length: i64) -> TypeRow {
    TypeRow {
        name,
        system_type_id: id,
        user_type_id: id,
        max_length,
        precision: 0,
        scale: 0,
        text: true,
    }
}

/// `sysname`'s `user_type_id`.
pub(crate) const SYSNAME_ID: i64 = 256;

/// `sys.types`.
pub(crate) const TYPES: [TypeRow; 29] = [
    row("image", 34, 16, 0, 0),
    text_row("text", 35, 16),
    row("uniqueidentifier", 36, 16, 0, 0),
    row("date", 40, 3, 10, 0),
    row("time", 41, 5, 16, 7),
    row("datetime2", 42, 8, 27, 7),
    row("datetimeoffset", 43, 10, 34, 7),
    row("tinyint", 48, 1, 3, 0),
    row("smallint", 52, 2, 5, 0),
    row("int", 56, 4, 10, 0),
    row("smalldatetime", 58, 4, 16, 0),
    row("real", 59, 4, 24, 0),
    row("money", 60, 8, 19, 4),
    row("datetime", 61, 8, 23, 3),
    row("float", 62, 8, 53, 0),
    row("sql_variant", 98, 8016, 0, 0),
    text_row("ntext", 99, 16),
    row("bit", 104, 1, 1, 0),
    row("decimal", 106, 17, 38, 38),
    row("numeric", 108, 17, 38, 38),
    row("smallmoney", 122, 4, 10, 4),
    row("bigint", 127, 8, 19, 0),
    row("varbinary", 165, 8000, 0, 0),
    text_row("varchar", 167, 8000),
    row("binary", 173, 8000, 0, 0),
    text_row("char", 175, 8000),
    text_row("nvarchar", 231, 8000),
    text_row("nchar", 239, 8000),
    row("xml", 241, -1, 0, 0),
];

/// A type's name without length or precision.
pub(crate) use crate::value::error::type_name as name;

/// `max_length`, `precision` and `scale` as `sys.columns` has them.
pub(crate) fn measures(ty: SqlType) -> (i64, i64, i64) {
    let len = |len: Len, factor: i64| match len {
        Len::N(n) => i64::from(n) * factor,
        Len::Max => -1,
    };
    match ty {
        SqlType::Char(n) | SqlType::Binary(n) => (i64::from(n), 0, 0),
        SqlType::NChar(n) => (i64::from(n) * 2, 0, 0),
        SqlType::VarChar(n) | SqlType::VarBinary(n) => (len(n, 1), 0, 0),
        SqlType::NVarChar(n) => (len(n, 2), 0, 0),
        SqlType::Decimal { precision, scale, .. } => {
            let bytes = match precision {
                0..=9 => 5,
                10..=19 => 9,
                20..=28 => 13,
                _ => 17,
            };
            (bytes, i64::from(precision), i64::from(scale))
        }
        SqlType::Time(n) => (time_bytes(n), 8 + fraction(n), i64::from(n)),
        SqlType::DateTime2(n) => (time_bytes(n) + 3, 19 + fraction(n), i64::from(n)),
        SqlType::DateTimeOffset(n) => (time_bytes(n) + 5, 26 + fraction(n), i64::from(n)),
        _ => {
            let row = TYPES.iter().find(|t| t.name == name(ty));
            row.map_or((0, 0, 0), |t| (t.max_length, t.precision, t.scale))
        }
    }
}

fn time_bytes(scale: u8) -> i64 {
    match scale {
        0..=2 => 3,
        3..=4 => 4,
        _ => 5,
    }
}

/// The point and the digits after it.
fn fraction(scale: u8) -> i64 {
    if scale == 0 { 0 } else { i64::from(scale) + 1 }
}

/// Whether values of the type are text.
pub(crate) fn is_text(ty: SqlType) -> bool {
    matches!(
        ty,
        SqlType::Char(_) | SqlType::VarChar(_) | SqlType::NChar(_) | SqlType::NVarChar(_) | SqlType::Xml
    )
}

/// Whether values of the type are bytes.
pub(crate) fn is_binary(ty: SqlType) -> bool {
    matches!(ty, SqlType::Binary(_) | SqlType::VarBinary(_))
}

/// Whether the type is a whole number.
pub(crate) fn is_integer(ty: SqlType) -> bool {
    matches!(
        ty,
        SqlType::Bit | SqlType::TinyInt | SqlType::SmallInt | SqlType::Int | SqlType::BigInt
    )
}

/// Whether the type is a number of any kind.
pub(crate) fn is_number(ty: SqlType) -> bool {
    is_integer(ty)
        || matches!(
            ty,
            SqlType::Decimal { .. } | SqlType::Money | SqlType::SmallMoney | SqlType::Real | SqlType::Float
        )
}

/// The place of a type, which decides its default length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// A column or variable: length 1.
    Declaration,
    /// CAST and CONVERT: length 30.
    Cast,
}

/// The meaning of a declared data type, and whether it is `sysname`.
pub(crate) fn sql_type(ty: &DataType, place: Place) -> Result<(SqlType, bool), SqlError> {
    let text = ty.to_string().replace(['[', ']', '"'], "").to_ascii_lowercase();
    let (name, rest) = text.split_once('(').unwrap_or((&text, ""));
    let name = name.trim().trim_start_matches("sys.");
    let arguments: Vec<&str> = rest
        .trim_end_matches(')')
        .split(',')
        .map(str::trim)
        .filter(|s| !s.is_empty())
        .collect();
    let unknown = || error(243, 16, 1, format!("Type {name} is not a defined system type."));
    let numbers: Option<Vec<u32>> = arguments.iter().map(|a| a.parse().ok()).collect();
    let max = arguments == ["max"];
    let one = |default: u32| match numbers.as_deref() {
        Some([]) => Ok(default),
        Some([n]) => Ok(*n),
        _ => Err(unknown()),
    };
    let default = if place == Place::Cast { 30 } else { 1 };
    let length = |limit: u32| -> Result<u16, SqlError> {
        let n = one(default)?;
        if n == 0 {
            return Err(error(
                1001,
                15,
                1,
                "Length or precision specification 0 is invalid.",
            ));
        }
        u16::try_from(n).ok().filter(|_| n <= limit).ok_or_else(|| {
            let text =
                format!("The size ({n}) given to the type '{name}' exceeds the maximum allowed ({limit}).");
            error(2717, 16, 2, text)
        })
    };
    let len = |limit: u32| {
        if max {
            Ok(Len::Max)
        } else {
            length(limit).map(Len::N)
        }
    };
    let scale = || -> Result<u8, SqlError> {
        let n = one(7)?;
        u8::try_from(n)
            .ok()
            .filter(|n| *n <= 7)
            .ok_or_else(|| error(1002, 16, 1, format!("Line 1: Specified scale {n} is invalid.")))
    };
    let ty = match name {
        "bit" => SqlType::Bit,
        "tinyint" => SqlType::TinyInt,
        "smallint" => SqlType::SmallInt,
        "int" | "integer" => SqlType::Int,
        "bigint" => SqlType::BigInt,
        "decimal" | "dec" | "numeric" => {
            let (precision, scale) = match numbers.as_deref() {
                Some([]) => (18, 0),
                Some([p]) => (*p, 0),
                Some([p, s]) => (*p, *s),
                _ => return Err(unknown()),
            };
            if !(1..=38).contains(&precision) {
                let text = format!(
                    "Column or parameter #1: Specified column precision {precision} is greater than the maximum precision of 38."
                );
                return Err(error(2750, 16, 1, text));
            }
            if scale > precision {
                let text =
                    format!("The scale ({scale}) must be less than or equal to the precision ({precision}).");
                return Err(error(192, 15, 1, text));
            }
            let small = |n: u32| u8::try_from(n).map_err(|_| unknown());
            SqlType::Decimal {
                precision: small(precision)?,
                scale: small(scale)?,
                numeric: name == "numeric",
            }
        }
        "money" => SqlType::Money,
        "smallmoney" => SqlType::SmallMoney,
        "real" => SqlType::Real,
        "float" => match one(53)? {
            1..=24 => SqlType::Real,
            25..=53 => SqlType::Float,
            n => {
                return Err(error(
                    2750,
                    16,
                    1,
                    format!("Specified column precision {n} is greater than 53."),
                ));
            }
        },
        "double precision" => SqlType::Float,
        "char" | "character" => SqlType::Char(length(8000)?),
        "varchar" | "char varying" | "character varying" => SqlType::VarChar(len(8000)?),
        "nchar" => SqlType::NChar(length(4000)?),
        "nvarchar" => SqlType::NVarChar(len(4000)?),
        "binary" => SqlType::Binary(length(8000)?),
        "varbinary" => SqlType::VarBinary(len(8000)?),
        "text" => SqlType::VarChar(Len::Max),
        "ntext" => SqlType::NVarChar(Len::Max),
        "image" => SqlType::VarBinary(Len::Max),
        "date" => SqlType::Date,
        "time" => SqlType::Time(scale()?),
        "datetime" => SqlType::DateTime,
        "smalldatetime" => SqlType::SmallDateTime,
        "datetime2" => SqlType::DateTime2(scale()?),
        "datetimeoffset" => SqlType::DateTimeOffset(scale()?),
        "uniqueidentifier" => SqlType::UniqueIdentifier,
        "xml" => SqlType::Xml,
        "sysname" => return Ok((SqlType::NVarChar(Len::N(128)), true)),
        _ => return Err(unknown()),
    };
    let takes_arguments = matches!(
        ty,
        SqlType::Decimal { .. }
            | SqlType::Real
            | SqlType::Float
            | SqlType::Char(_)
            | SqlType::VarChar(_)
            | SqlType::NChar(_)
            | SqlType::NVarChar(_)
            | SqlType::Binary(_)
            | SqlType::VarBinary(_)
            | SqlType::Time(_)
            | SqlType::DateTime2(_)
            | SqlType::DateTimeOffset(_)
    );
    if arguments.is_empty() || takes_arguments {
        Ok((ty, false))
    } else {
        Err(unknown())
    }
}
