//! Names, types, columns and keys of tables, as the catalog of a server describes them.
//!
//! Everything here is parsed once and is valid afterwards. Only [`Identifier::quoted`] quotes an identifier; no other
//! code builds SQL text from a name.

use std::fmt;
use std::str::FromStr;

use chrono::NaiveDateTime;
use serde::{Deserialize, Serialize};

use crate::base::error::{Error, ErrorKind, Result};
use crate::model::row::Value;
use crate::model::window::Kind;

/// SQL Server's limit of a name, in UTF-16 units.
const IDENTIFIER_UNITS_MAX: usize = 128;

/// The name of a table, column, schema, index or constraint: not empty, at most 128 UTF-16 units, no control character.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Identifier(String);

impl Identifier {
    /// Parses a name.
    ///
    /// # Errors
    /// `Config` if the name is empty or too long, or holds a control character.
    pub fn new(name: impl Into<String>) -> Result<Self> {
        let name = name.into();
        let fault = if name.is_empty() {
            "is empty"
        } else if name.encode_utf16().count() > IDENTIFIER_UNITS_MAX {
            "is longer than 128 characters"
        } else if name.chars().any(char::is_control) {
            "holds a control character"
        } else {
            return Ok(Identifier(name));
        };
        Err(Error::new(
            ErrorKind::Config,
            format!("The name {name:?} {fault}; give the name as the server has it"),
        ))
    }

    /// The bare name, unquoted.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name in brackets, for SQL text.
    pub fn quoted(&self) -> String {
        format!("[{}]", self.0.replace(']', "]]"))
    }

    /// Whether both are the same name to a server with a case-insensitive catalog.
    pub fn same_as(&self, other: &str) -> bool {
        self.0.to_lowercase() == other.to_lowercase()
    }
}

impl TryFrom<String> for Identifier {
    type Error = Error;
    fn try_from(name: String) -> Result<Self> {
        Identifier::new(name)
    }
}

impl From<Identifier> for String {
    fn from(name: Identifier) -> String {
        name.0
    }
}

impl fmt::Display for Identifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A table's name within its database.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TableName {
    /// Its schema.
    pub schema: Identifier,
    /// Its own name.
    pub name: Identifier,
}

/// The suffix of a shadow table's name.
const SHADOW_SUFFIX: &str = "__sync";

/// SQL Server's limit of a name, in UTF-16 units.
const NAME_UNITS_MAX: usize = 128;

impl TableName {
    /// The name that receipts write as `schema.name`.
    ///
    /// # Errors
    /// As [`Identifier::new`]; `Internal` without a schema.
    pub fn parse(text: &str) -> Result<TableName> {
        let (schema, name) = text.split_once('.').ok_or_else(|| {
            Error::new(
                ErrorKind::Internal,
                format!("No table of a schema is named {text}"),
            )
        })?;
        Ok(TableName {
            schema: Identifier::new(schema)?,
            name: Identifier::new(name)?,
        })
    }

    /// The name of the shadow table that replaces this table.
    ///
    /// # Errors
    /// As [`Identifier::new`].
    pub fn shadow(&self) -> Result<TableName> {
        Ok(TableName {
            schema: self.schema.clone(),
            name: Identifier::new(shortened(self.name.as_str(), SHADOW_SUFFIX))?,
        })
    }

    /// Its own name without a shadow table's suffix.
    pub fn without_shadow_suffix(&self) -> &str {
        let name = self.name.as_str();
        name.strip_suffix(SHADOW_SUFFIX).unwrap_or(name)
    }

    /// `[schema].[name]`, for SQL text.
    pub fn quoted(&self) -> String {
        format!("{}.{}", self.schema.quoted(), self.name.quoted())
    }
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.schema, self.name)
    }
}

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

/// A column, as the catalog describes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// Its name.
    pub name: Identifier,
    /// Its declared type.
    pub data_type: DataType,
    /// Whether it may hold NULL.
    pub nullable: bool,
    /// Whether the server numbers it.
    pub identity: bool,
    /// Collation of a text column.
    pub collation: Option<String>,
}

/// A column that is not copied, and the reason. Every plan names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedColumn {
    /// Its name.
    pub name: Identifier,
    /// The name of its type, or `computed`.
    pub reason: String,
}

/// An index of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Index {
    /// Its name.
    pub name: String,
    /// Names of its key columns, in order.
    pub columns: Vec<Identifier>,
    /// Names of the columns that its rows hold beside the key.
    pub included: Vec<Identifier>,
    /// The column by which it is cut into partitions, if it is.
    pub partitioned_by: Option<Identifier>,
    /// Whether it is the clustered index.
    pub clustered: bool,
    /// Whether it is unique, over all rows (unfiltered, enabled).
    pub unique: bool,
    /// Whether it is the primary key.
    pub primary_key: bool,
    /// Whether it holds every row and is enabled.
    pub complete: bool,
    /// Whether every key column is ascending.
    pub ascending: bool,
}

impl Index {
    /// Whether a server that reads it forwards meets its columns in ascending order, over all rows. Partitions are
    /// read one after another, so they keep the order only if it begins with the column that they are cut by.
    pub fn is_ordered(&self) -> bool {
        let first = self.columns.first();
        self.complete
            && self.ascending
            && self
                .partitioned_by
                .as_ref()
                .is_none_or(|by| first.is_some_and(|first| first.same_as(by.as_str())))
    }
}

/// A table, as the catalog of its server describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableSchema {
    /// Its name.
    pub name: TableName,
    /// `sys.tables.object_id`. A different number means another table of the same name.
    pub object_id: i32,
    /// `sys.tables.create_date`.
    pub create_date: NaiveDateTime,
    /// The columns that are copied, in the table's order.
    pub columns: Vec<Column>,
    /// The columns that are not copied.
    pub refused: Vec<RefusedColumn>,
    /// Its indexes that order rows.
    pub indexes: Vec<Index>,
    /// Whether a columnstore keeps its rows, as the table or beside it.
    pub columnstore: bool,
}

impl TableSchema {
    /// Whether an index over all rows begins with `column`.
    pub fn begins_with(&self, column: &Identifier) -> bool {
        self.indexes.iter().any(|index| {
            let first = index.columns.first();
            index.complete && first.is_some_and(|first| first.same_as(column.as_str()))
        })
    }

    /// Position of a copied column by name. An exact match wins over one that ignores case.
    pub fn position(&self, name: &str) -> Option<usize> {
        self.columns
            .iter()
            .position(|column| column.name.as_str() == name)
            .or_else(|| self.columns.iter().position(|column| column.name.same_as(name)))
    }
}

/// The columns that distinguish and order a table's rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// Position of the date column; a reference table has none.
    pub date: Option<usize>,
    /// Positions of the unique index's columns; empty for a table without one.
    pub unique: Vec<usize>,
    /// Whether the rows of a window of dates are ordered by the date, then by the unique index's other columns. If not,
    /// they are ordered by the unique index alone, and the keys of its chunks say nothing of dates.
    pub date_first: bool,
}

impl Key {
    /// Positions of the columns that order a window's rows: the date column if the window has dates and they come
    /// first, then those of the unique index.
    pub fn order(&self, kind: Kind) -> Vec<usize> {
        self.ordered_by(self.date.filter(|_| self.date_first && kind == Kind::Dates(())))
    }

    /// Positions of the date column, if the table has one, and of the unique index's other columns: the order of a
    /// target's rows, whatever the order of its chunks.
    pub fn by_date(&self) -> Vec<usize> {
        self.ordered_by(self.date)
    }

    fn ordered_by(&self, date: Option<usize>) -> Vec<usize> {
        let unique = self
            .unique
            .iter()
            .copied()
            .filter(|position| date != Some(*position));
        date.into_iter().chain(unique).collect()
    }
}

/// A name with `suffix`, cut to the length that a server takes. Two names that begin alike may become one, which the
/// server then refuses.
pub fn shortened(name: &str, suffix: &str) -> String {
    let room = NAME_UNITS_MAX - suffix.encode_utf16().count();
    let mut units = 0;
    let kept = name.chars().take_while(|c| {
        units += c.len_utf16();
        units <= room
    });
    kept.chain(suffix.chars()).collect()
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
