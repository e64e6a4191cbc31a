//! Descriptions of the demo's tables: columns, the values that fill them, and the bills that rows belong to.

use std::fmt::Write;

use crate::model::table::{Column, DataType, Identifier, Length, TableName};

/// The content of a column. `rows` generates the values.
#[derive(Debug, Clone, Copy)]
pub(super) enum Fill {
    /// The row's number, counted from this one.
    Id(i64),
    /// A GUID.
    Guid,
    /// The number of the bill that the row belongs to, as text.
    SalesNo,
    /// The row's number in its bill, from 1.
    LineNo,
    /// The row's moment, and a moment up to this many seconds later.
    Moment,
    After(u64),
    /// The moment's day, its time, and all of it in Malaysia's zone.
    Day,
    Clock,
    Zoned,
    /// The outlet's code, its name, the till, and the till's cashier.
    OutletCode,
    OutletName,
    Till,
    CashierId,
    Cashier,
    /// The buyer.
    Customer,
    MemberNo,
    Phone,
    Email,
    /// The item sold, its quantity and its amounts.
    ItemCode,
    ItemName,
    Category,
    Quantity,
    Price,
    Subtotal,
    Discount,
    Tax,
    Total,
    Rounding,
    /// The cash received: the total, rounded up to the next note.
    Tendered,
    /// One of a list.
    Pick(&'static [&'static str]),
    /// A prefix and this many random digits.
    Code(&'static str, u8),
    /// A prefix and the row's number from 0, in this many digits.
    Serial(&'static str, u8),
    /// The code and name of an outlet, by the row's number; this many rows share a code.
    PlaceCode(u64),
    PlaceName,
    /// The code and name of an item, by the row's number; codes repeat after this many rows.
    CatalogCode(u64),
    CatalogName,
    /// A day before the moment's: the fewest and the most days between them.
    Earlier(i64, i64),
    /// A remark, at times a long one.
    Note,
    /// A flag that is set in this percentage of rows.
    Flag(u8),
    /// A whole number between two, both included.
    Whole(i64, i64),
    /// Thousandths between two numbers, both included.
    Rate(i64, i64),
    /// A measurement.
    Measure,
    /// Random bytes: the least and the greatest length.
    Bytes(u16, u16),
}

/// A column of the demo.
#[derive(Debug, Clone, Copy)]
pub(super) struct ColumnSpec {
    pub(super) name: &'static str,
    pub(super) data_type: DataType,
    /// The percentage of rows with NULL; 0 for a NOT NULL column.
    pub(super) null_percent: u8,
    pub(super) fill: Fill,
}

/// The relation of a table's rows to bills.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Link {
    /// Each row is a bill.
    Bill,
    /// Rows are lines of bills; every bill has some.
    Line,
    /// Each row belongs to a bill; few bills have two.
    OfBill,
    /// Rows belong to no bill.
    Own,
    /// Rows are master data, dated in the years before.
    Reference,
}

/// A table of the demo.
#[derive(Debug, Clone, Copy)]
pub(super) struct TableSpec {
    pub(super) name: &'static str,
    /// Rows at scale 1.
    pub(super) row_count: u64,
    /// The column that cuts its windows; `None` for a reference table.
    pub(super) date_column: Option<&'static str>,
    pub(super) link: Link,
    pub(super) columns: &'static [&'static [ColumnSpec]],
    pub(super) primary_key: &'static [&'static str],
    /// A column with a unique index of its own.
    pub(super) unique: Option<&'static str>,
    /// Whether an index on the date delivers its order; without one, a run reads it day by day.
    pub(super) dated: bool,
}

pub(super) const fn column(name: &'static str, data_type: DataType, fill: Fill) -> ColumnSpec {
    ColumnSpec {
        name,
        data_type,
        null_percent: 0,
        fill,
    }
}

pub(super) const fn maybe(
    name: &'static str,
    data_type: DataType,
    null_percent: u8,
    fill: Fill,
) -> ColumnSpec {
    ColumnSpec {
        name,
        data_type,
        null_percent,
        fill,
    }
}

pub(super) const fn text(units: u16) -> DataType {
    DataType::NVarChar(Length::N(units))
}

pub(super) const fn ascii(bytes: u16) -> DataType {
    DataType::VarChar(Length::N(bytes))
}

pub(super) const fn decimal(precision: u8, scale: u8) -> DataType {
    DataType::Decimal { precision, scale }
}

pub(super) const NOTE: DataType = DataType::NVarChar(Length::Max);

impl TableSpec {
    /// Its columns, in order.
    pub(super) fn columns(&self) -> impl Iterator<Item = &'static ColumnSpec> + use<> {
        self.columns.iter().copied().flatten()
    }

    /// Rows at `scale`, at least one unless the table is empty.
    pub(super) fn rows_at(&self, scale: f64) -> u64 {
        let scaled = (self.row_count as f64 * scale).round() as u64;
        scaled.max(self.row_count.min(1))
    }

    /// Its name in `schema`.
    pub(super) fn name_in(&self, schema: &Identifier) -> TableName {
        TableName {
            schema: schema.clone(),
            name: Identifier::new(self.name).expect("the demo's names are names"),
        }
    }

    /// The statement that creates it in `schema`.
    pub(super) fn create_sql(&self, schema: &Identifier) -> String {
        let mut sql = format!("CREATE TABLE {} (", self.name_in(schema).quoted());
        for column in self.columns() {
            let null = if column.null_percent > 0 {
                "NULL"
            } else {
                "NOT NULL"
            };
            let _ = write!(sql, "[{}] {} {null}, ", column.name, column.data_type);
        }
        let key = self.primary_key.join("], [");
        let _ = write!(
            sql,
            "CONSTRAINT [PK_{}] PRIMARY KEY CLUSTERED ([{key}]))",
            self.name
        );
        sql
    }

    /// The statements that create its indexes, except the primary key.
    pub(super) fn index_sql(&self, schema: &Identifier) -> Vec<String> {
        let (name, table) = (self.name, self.name_in(schema).quoted());
        let dated = self
            .date_column
            .filter(|_| self.dated)
            .map(|date| format!("CREATE NONCLUSTERED INDEX [IX_{name}_{date}] ON {table} ([{date}])"));
        let unique = self.unique.map(|column| {
            format!("CREATE UNIQUE NONCLUSTERED INDEX [UX_{name}_{column}] ON {table} ([{column}])")
        });
        dated.into_iter().chain(unique).collect()
    }

    /// The positions of its primary key in a row, in the key's order.
    pub(super) fn key_positions(&self) -> Vec<usize> {
        let position = |key: &&str| self.columns().position(|column| column.name == *key);
        self.primary_key.iter().filter_map(position).collect()
    }
}

impl ColumnSpec {
    /// The column as the catalog describes it.
    pub(super) fn column(&self) -> Column {
        Column {
            name: Identifier::new(self.name).expect("the demo's names are names"),
            data_type: self.data_type,
            nullable: self.null_percent > 0,
            identity: false,
            collation: None,
        }
    }
}
