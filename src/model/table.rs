//! Names, types, columns and keys of tables, as the catalog of a server describes them.
//!
//! Everything here is parsed once and is valid afterwards. Only [`Identifier::quoted`] quotes an identifier; no other
//! code builds SQL text from a name.

use std::fmt;

use chrono::NaiveDateTime;
use serde::{Deserialize, Serialize};

use crate::base::error::{Error, ErrorKind, Result};
use crate::base::text::{harmless_text, shown};
use crate::model::window::Kind;

pub use crate::model::data_type::{DataType, Length};

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
            format!(
                "The name `{}` {fault}; give the name as the server has it",
                shown(&name)
            ),
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
    /// The name as people see it. [`Identifier::as_str`] is exact.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&harmless_text(&self.0))
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
    /// As [`Identifier::new`]; `State` without a schema.
    pub fn parse(text: &str) -> Result<TableName> {
        let (schema, name) = text
            .split_once('.')
            .ok_or_else(|| Error::new(ErrorKind::State, format!("No table of a schema is named {text}")))?;
        Ok(TableName {
            schema: Identifier::new(schema)?,
            name: Identifier::new(name)?,
        })
    }

    /// The name as a server spells it, which has found that `text` names this table; the name itself if the server's
    /// has another length.
    #[must_use]
    pub fn respelled(&self, text: &str) -> TableName {
        let units = |text: &str| text.chars().count();
        let schema: String = text.chars().take(units(self.schema.as_str())).collect();
        let name = text.strip_prefix(&schema).and_then(|rest| rest.strip_prefix('.'));
        match (Identifier::new(schema.clone()), name.map(Identifier::new)) {
            (Ok(schema), Some(Ok(name))) => TableName { schema, name },
            _ => self.clone(),
        }
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

    /// `schema.name`, exactly: the name by which leases, receipts and plans have the table.
    pub fn exact(&self) -> String {
        format!("{}.{}", self.schema.as_str(), self.name.as_str())
    }

    /// `[schema].[name]`, for SQL text.
    pub fn quoted(&self) -> String {
        format!("{}.{}", self.schema.quoted(), self.name.quoted())
    }
}

impl fmt::Display for TableName {
    /// The name as people see it. [`TableName::exact`] is exact.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.schema, self.name)
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
    /// The name of its type, `computed`, or [`EXCLUDED`].
    pub reason: String,
}

/// The reason why a column that an operator leaves out is not copied.
pub const EXCLUDED: &str = "excluded by exclude_columns";

impl RefusedColumn {
    /// A column that an operator leaves out.
    pub fn excluded(name: Identifier) -> RefusedColumn {
        RefusedColumn {
            name,
            reason: EXCLUDED.to_owned(),
        }
    }

    /// Whether an operator leaves it out.
    pub fn is_excluded(&self) -> bool {
        self.reason == EXCLUDED
    }
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

    /// Whether an index has `column`.
    pub fn is_indexed(&self, column: &Identifier) -> bool {
        let mut columns = self
            .indexes
            .iter()
            .flat_map(|index| index.columns.iter().chain(&index.included));
        columns.any(|name| name.same_as(column.as_str()))
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
