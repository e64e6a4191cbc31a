//! The declared types of columns.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::base::error::{Error, ErrorKind, Result};
use crate::model::row::Value;

/// A declared length: characters for national types, bytes for others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Length {
    /// `(n)`.
    N(u16),
    /// `(max)`.
    Max,
}

impl fmt::Display for Length {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Length::N(n) => write!(f, "{n}"),
            Length::Max => f.write_str("max"),
        }
    }
}

/// A column's declared type. Its `Display` is the type's SQL text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[allow(missing_docs, reason = "each variant is the SQL type of the same name")]
pub enum DataType {
    Bit,
    TinyInt,
    SmallInt,
    Int,
    BigInt,
    Decimal { precision: u8, scale: u8 },
    Money,
    SmallMoney,
    Real,
    Float,
    Char(u16),
    VarChar(Length),
    NChar(u16),
    NVarChar(Length),
    Binary(u16),
    VarBinary(Length),
    Date,
    Time(u8),
    DateTime,
    SmallDateTime,
    DateTime2(u8),
    DateTimeOffset(u8),
    UniqueIdentifier,
    Xml,
}

impl DataType {
    /// The type that the catalog describes: `name` is the type's name, `max_length` its bytes (-1 for max).
    /// `None` for a type that is not copied (`sql_variant`, CLR types, `text`, `image`, `timestamp`, …).
    pub fn from_catalog(name: &str, max_length: i16, precision: u8, scale: u8) -> Option<DataType> {
        let bytes = if max_length < 0 {
            Length::Max
        } else {
            Length::N(max_length.unsigned_abs())
        };
        let units = if max_length < 0 {
            Length::Max
        } else {
            Length::N(max_length.unsigned_abs() / 2)
        };
        let fixed = max_length.unsigned_abs();
        Some(match name.to_ascii_lowercase().as_str() {
            "bit" => DataType::Bit,
            "tinyint" => DataType::TinyInt,
            "smallint" => DataType::SmallInt,
            "int" => DataType::Int,
            "bigint" => DataType::BigInt,
            "decimal" | "numeric" => DataType::Decimal { precision, scale },
            "money" => DataType::Money,
            "smallmoney" => DataType::SmallMoney,
            "real" => DataType::Real,
            "float" => DataType::Float,
            "char" => DataType::Char(fixed),
            "varchar" => DataType::VarChar(bytes),
            "nchar" => DataType::NChar(fixed / 2),
            "nvarchar" | "sysname" => DataType::NVarChar(units),
            "binary" => DataType::Binary(fixed),
            "varbinary" => DataType::VarBinary(bytes),
            "date" => DataType::Date,
            "time" => DataType::Time(scale),
            "datetime" => DataType::DateTime,
            "smalldatetime" => DataType::SmallDateTime,
            "datetime2" => DataType::DateTime2(scale),
            "datetimeoffset" => DataType::DateTimeOffset(scale),
            "uniqueidentifier" => DataType::UniqueIdentifier,
            "xml" => DataType::Xml,
            _ => return None,
        })
    }

    /// Whether this type holds a value that was read as a type of its family, because another server's column may be
    /// wider. Dates and times are read as this very type, so it holds each of them.
    pub fn holds(self, value: Value<'_>) -> bool {
        let units = |text: &str, length: u16| text.encode_utf16().count() <= usize::from(length);
        match (self, value) {
            (_, Value::Null) => false,
            (DataType::Bit, Value::Integer(v)) => (0..=1).contains(&v),
            (DataType::TinyInt, Value::Integer(v)) => u8::try_from(v).is_ok(),
            (DataType::SmallInt, Value::Integer(v)) => i16::try_from(v).is_ok(),
            (DataType::Int, Value::Integer(v)) => i32::try_from(v).is_ok(),
            (DataType::NChar(n) | DataType::NVarChar(Length::N(n)), Value::Text(text)) => units(text, n),
            (DataType::Char(n) | DataType::VarChar(Length::N(n)), Value::Text(text)) => units(text, n),
            (DataType::Binary(n) | DataType::VarBinary(Length::N(n)), Value::Bytes(bytes)) => {
                bytes.len() <= usize::from(n)
            }
            (DataType::Decimal { precision, scale }, Value::Decimal { units, scale: own }) => {
                let digits = units.unsigned_abs().checked_ilog10().map_or(1, |log| log + 1);
                own <= scale && digits + u32::from(scale - own) <= u32::from(precision)
            }
            _ => true,
        }
    }

    /// Whether values are text that a collation governs.
    pub fn is_text(self) -> bool {
        matches!(
            self,
            DataType::Char(_) | DataType::VarChar(_) | DataType::NChar(_) | DataType::NVarChar(_)
        )
    }

    /// Whether a column of the type can be the date column of a monthly table.
    pub fn is_date(self) -> bool {
        matches!(
            self,
            DataType::Date
                | DataType::DateTime
                | DataType::SmallDateTime
                | DataType::DateTime2(_)
                | DataType::DateTimeOffset(_)
        )
    }

    /// Whether a column of the type can be part of a key: its values compare, and a parameter carries them exactly.
    pub fn is_key(self) -> bool {
        !matches!(
            self,
            DataType::Xml
                | DataType::Real
                | DataType::Float
                | DataType::VarChar(Length::Max)
                | DataType::NVarChar(Length::Max)
                | DataType::VarBinary(Length::Max)
        )
    }
}

impl DataType {
    /// Whether a value may be longer than any declared length.
    pub fn is_unbounded(self) -> bool {
        matches!(
            self,
            DataType::VarChar(Length::Max)
                | DataType::NVarChar(Length::Max)
                | DataType::VarBinary(Length::Max)
                | DataType::Xml
        )
    }

    /// The most bytes that a value takes in an index; of a type that none holds, more than any may.
    pub fn key_bytes_max(self) -> u32 {
        match self {
            DataType::Bit | DataType::TinyInt => 1,
            DataType::SmallInt => 2,
            DataType::Int | DataType::SmallMoney | DataType::Real | DataType::SmallDateTime => 4,
            DataType::BigInt | DataType::Money | DataType::Float | DataType::DateTime => 8,
            DataType::Decimal { precision, .. } => match precision {
                0..=9 => 5,
                10..=19 => 9,
                20..=28 => 13,
                _ => 17,
            },
            DataType::Char(n)
            | DataType::VarChar(Length::N(n))
            | DataType::Binary(n)
            | DataType::VarBinary(Length::N(n)) => u32::from(n),
            DataType::NChar(n) | DataType::NVarChar(Length::N(n)) => 2 * u32::from(n),
            DataType::Date => 3,
            DataType::Time(scale) => time_bytes(scale),
            DataType::DateTime2(scale) => 3 + time_bytes(scale),
            DataType::DateTimeOffset(scale) => 5 + time_bytes(scale),
            DataType::UniqueIdentifier => 16,
            DataType::VarChar(Length::Max)
            | DataType::NVarChar(Length::Max)
            | DataType::VarBinary(Length::Max)
            | DataType::Xml => u32::from(u16::MAX),
        }
    }
}

fn time_bytes(scale: u8) -> u32 {
    match scale {
        0..=2 => 3,
        3 | 4 => 4,
        _ => 5,
    }
}

impl fmt::Display for DataType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DataType::Bit => f.write_str("bit"),
            DataType::TinyInt => f.write_str("tinyint"),
            DataType::SmallInt => f.write_str("smallint"),
            DataType::Int => f.write_str("int"),
            DataType::BigInt => f.write_str("bigint"),
            DataType::Decimal { precision, scale } => write!(f, "decimal({precision},{scale})"),
            DataType::Money => f.write_str("money"),
            DataType::SmallMoney => f.write_str("smallmoney"),
            DataType::Real => f.write_str("real"),
            DataType::Float => f.write_str("float"),
            DataType::Char(n) => write!(f, "char({n})"),
            DataType::VarChar(n) => write!(f, "varchar({n})"),
            DataType::NChar(n) => write!(f, "nchar({n})"),
            DataType::NVarChar(n) => write!(f, "nvarchar({n})"),
            DataType::Binary(n) => write!(f, "binary({n})"),
            DataType::VarBinary(n) => write!(f, "varbinary({n})"),
            DataType::Date => f.write_str("date"),
            DataType::Time(s) => write!(f, "time({s})"),
            DataType::DateTime => f.write_str("datetime"),
            DataType::SmallDateTime => f.write_str("smalldatetime"),
            DataType::DateTime2(s) => write!(f, "datetime2({s})"),
            DataType::DateTimeOffset(s) => write!(f, "datetimeoffset({s})"),
            DataType::UniqueIdentifier => f.write_str("uniqueidentifier"),
            DataType::Xml => f.write_str("xml"),
        }
    }
}

impl FromStr for DataType {
    type Err = Error;

    /// Parses the text of `Display`.
    fn from_str(text: &str) -> Result<DataType> {
        let unknown = || Error::new(ErrorKind::State, format!("{text:?} is no type of a column"));
        let (name, numbers) = match text.split_once('(') {
            Some((name, rest)) => (name, rest.strip_suffix(')').ok_or_else(unknown)?),
            None => (text, ""),
        };
        let number = |text: &str| text.parse::<u16>().map_err(|_| unknown());
        let (first, second) = match numbers.split_once(',') {
            Some((first, second)) => (number(first)?, number(second)?),
            None if numbers.is_empty() || numbers == "max" => (0, 0),
            None => (number(numbers)?, 0),
        };
        let small = |number: u16| u8::try_from(number).map_err(|_| unknown());
        let (bytes, precision, scale) = match name {
            "decimal" => (0, small(first)?, small(second)?),
            "time" | "datetime2" | "datetimeoffset" => (0, 0, small(first)?),
            "nchar" | "nvarchar" => (first.checked_mul(2).ok_or_else(unknown)?, 0, 0),
            _ => (first, 0, 0),
        };
        let max_length = match numbers {
            "max" => -1,
            _ => i16::try_from(bytes).map_err(|_| unknown())?,
        };
        DataType::from_catalog(name, max_length, precision, scale)
            .filter(|parsed| parsed.to_string() == text)
            .ok_or_else(unknown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_that_a_type_cannot_hold_is_told() {
        let decimal = DataType::Decimal {
            precision: 5,
            scale: 2,
        };
        for (data_type, value, holds) in [
            (DataType::Int, Value::Null, false),
            (DataType::Int, Value::Integer(2_147_483_647), true),
            (DataType::Int, Value::Integer(2_147_483_648), false),
            (DataType::VarChar(Length::N(3)), Value::Text("abc"), true),
            (DataType::VarChar(Length::N(3)), Value::Text("abcd"), false),
            (DataType::VarChar(Length::Max), Value::Text("abcd"), true),
            (
                decimal,
                Value::Decimal {
                    units: 99_999,
                    scale: 2,
                },
                true,
            ),
            (
                decimal,
                Value::Decimal {
                    units: 1_000,
                    scale: 0,
                },
                false,
            ),
            (decimal, Value::Decimal { units: 1, scale: 3 }, false),
            (decimal, Value::Decimal { units: 0, scale: 0 }, true),
        ] {
            assert_eq!(data_type.holds(value), holds, "{data_type} {value:?}");
        }
    }

    #[test]
    fn a_type_is_read_as_it_is_written() {
        for data_type in [
            DataType::Bit,
            DataType::BigInt,
            DataType::Decimal {
                precision: 38,
                scale: 4,
            },
            DataType::Money,
            DataType::Char(8000),
            DataType::VarChar(Length::Max),
            DataType::NChar(4000),
            DataType::NVarChar(Length::N(4000)),
            DataType::NVarChar(Length::Max),
            DataType::Binary(16),
            DataType::VarBinary(Length::N(20)),
            DataType::Time(3),
            DataType::DateTime2(7),
            DataType::DateTimeOffset(0),
            DataType::UniqueIdentifier,
            DataType::Xml,
        ] {
            assert_eq!(data_type.to_string().parse::<DataType>().unwrap(), data_type);
        }
        for text in [
            "",
            "int(4)",
            "decimal(18)",
            "varchar(x)",
            "varchar(5",
            "text",
            "time(300)",
        ] {
            assert!(text.parse::<DataType>().is_err(), "{text}");
        }
    }
}
