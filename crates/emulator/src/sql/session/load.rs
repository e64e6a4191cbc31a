//! A bulk load between its announcement and its end.

use std::sync::Arc;
use std::sync::atomic::AtomicI64;

use crate::sql::core::{TableRef, Temp};
use crate::types::{Column, OwnedCell, SqlType};

/// What the last batch announced.
pub(super) struct Pending {
    pub(super) table: TableRef,
    pub(super) columns: Vec<Column>,
    /// For every declared column, where it is in the table.
    pub(super) places: Vec<usize>,
    pub(super) keep_nulls: bool,
    pub(super) announced: bool,
}

/// How one column's cells reach the table.
pub(super) struct Target {
    pub(super) from: SqlType,
    pub(super) to: SqlType,
    pub(super) utf8: bool,
    /// The cell is stored as it comes, if it is not too long.
    pub(super) as_is: bool,
    pub(super) nullable: bool,
    /// What stands in for NULL, when nulls are not kept.
    pub(super) default: Option<OwnedCell>,
}

/// What a column that the load does not name gets.
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
    /// What the columns that the load does not name get.
    pub(super) extras: Vec<Extra>,
    pub(super) rows: u64,
    pub(super) temps: Vec<Temp>,
    pub(super) failed: bool,
}
