//! A bulk load between its announcement and its end.

use std::sync::Arc;
use std::sync::atomic::AtomicI64;

use crate::sql::core::{TableRef, Temp};
use crate::types::{Column, OwnedCell, SqlType};

/// The load that the last batch announced.
pub(super) struct Pending {
    pub(super) table: TableRef,
    pub(super) columns: Vec<Column>,
    /// The position in the table of every declared column.
    pub(super) places: Vec<usize>,
    pub(super) keep_nulls: bool,
    pub(super) announced: bool,
}

/// The way of one column's cells into the table.
pub(super) struct Target {
    pub(super) from: SqlType,
    pub(super) to: SqlType,
    pub(super) utf8: bool,
    /// The cell is stored as it comes, unless it is too long.
    pub(super) as_is: bool,
    pub(super) nullable: bool,
    /// The value in place of NULL, unless nulls are kept.
    pub(super) default: Option<OwnedCell>,
}

/// The value of a column that the load does not name.
pub(super) enum Extra {
    Default(OwnedCell),
    Identity(Arc<AtomicI64>, i64),
}

/// A load that is running.
pub(super) struct Load {
    pub(super) table: TableRef,
    pub(super) sql: String,
    pub(super) targets: Vec<Target>,
    /// The names of the columns that the cells go to.
    pub(super) names: Vec<String>,
    /// The values of the columns that the load does not name.
    pub(super) extras: Vec<Extra>,
    pub(super) rows: u64,
    pub(super) temps: Vec<Temp>,
    pub(super) failed: bool,
}
