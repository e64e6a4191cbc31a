//! How a table of the demo is described: its columns, what fills them, and what its rows belong to.

use std::fmt::Write;

use crate::model::table::{Column, DataType, Identifier, Length, TableName};

/// What a column is filled with. `rows` makes the values.
#[derive(Debug, Clone, Copy)]
pub(super) enum Fill {
    /// The row's number, from this one on.
    Id(i64),
    /// A GUID.
    Guid,
    /// The number of the bill that the row belongs to, as text.
    SalesNo,
    /// The row's number in its bill, from 1.
    LineNo,
    /// When it happened, and so many seconds after that at most.
    Moment,
    After(u64),
    /// The day of it, the time of it, the whole of it in Malaysia's zone.
    Day,
    Clock,
    Zoned,
    /// The outlet's code, its name, its till, who stood at it.
    OutletCode,
    OutletName,
    Till,
    CashierId,
    Cashier,
    /// Who bought.
    Customer,
    MemberNo,
    Phone,
    Email,
    /// What was sold.
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
    /// What was paid: the total, and rounded up to the next note.
    Tendered,
    /// One of a list.
    Pick(&'static [&'static str]),
    /// A letter or two and digits.
    Code(&'static str, u8),
    /// The same, by the row's number from 0 on.
    Serial(&'static str, u8),
    /// The code and name of an outlet, by the row's number; so many rows have the same one.
    PlaceCode(u64),
    PlaceName,
    /// The code and name of an item, by the row's number; after so many it begins again.
    CatalogCode(u64),
    CatalogName,
    /// A day so many days before, from so many to so many.
    Earlier(i64, i64),
    /// A remark; at times a long one.
    Note,
    /// A flag that is set so many times in a hundred.
    Flag(u8),
    /// A whole number between two.
    Whole(i64, i64),
    /// Thousandths between two.
    Rate(i64, i64),
    /// A measurement.
    Measure,
    /// Bytes, between so many and so many.
    Bytes(u16, u16),
}

/// A column of the demo.
#[derive(Debug, Clone, Copy)]
pub(super) struct ColumnSpec {
    pub(super) name: &'static str,
    pub(super) data_type: DataType,
    /// How many rows in a hundred hold NULL; 0 for a column that may not.
    pub(super) null_percent: u8,
    pub(super) fill: Fill,
}

/// What a table's rows belong to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Link {
    /// Each is a bill.
    Bill,
    /// They are the lines of the bills: every bill has some.
    Line,
    /// Each belongs to a bill, and few bills have two.
    OfBill,
    /// They are on their own.
    Own,
    /// They are what is kept, not what happened: from any time of the years before.
    Reference,
}

/// A table of the demo.
#[derive(Debug, Clone, Copy)]
pub(super) struct TableSpec {
    pub(super) name: &'static str,
    /// Rows at scale 1.
    pub(super) row_count: u64,
    /// What it is copied by; `None` for a reference table, which is copied whole.
    pub(super) date_column: Option<&'static str>,
    pub(super) link: Link,
    pub(super) columns: &'static [&'static [ColumnSpec]],
    pub(super) primary_key: &'static [&'static str],
    /// A column with a unique index of its own.
    pub(super) unique: Option<&'static str>,
    /// Whether an index on the date delivers its order; where none does, a day is read at a time.
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

    /// Rows at `scale`; a table that has rows keeps one at least.
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

    /// The statement that makes it in `schema`.
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

    /// The statements that make its indexes beside the primary key.
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

    /// Where in a row its primary key is, in the key's order.
    pub(super) fn key_positions(&self) -> Vec<usize> {
        let position = |key: &&str| self.columns().position(|column| column.name == *key);
        self.primary_key.iter().filter_map(position).collect()
    }
}

impl ColumnSpec {
    /// As the catalog would describe it.
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
