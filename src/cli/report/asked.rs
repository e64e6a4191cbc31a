//! What a report is asked for.

use super::facts::Months;
use crate::config::TableConfig;
use crate::status::{Status, TableStatus};

/// What a report is asked for.
pub(super) struct Asked<'a> {
    pub(super) tables: Vec<&'a TableConfig>,
    pub(super) months: Months,
    /// Whether the servers are not to be asked.
    pub(super) is_offline: bool,
}

/// The status of a table, which `look` has of each that is configured.
pub(super) fn of<'a>(status: &'a Status, table: &TableConfig) -> Option<&'a TableStatus> {
    status.tables.iter().find(|of| table.name.same_as(&of.name))
}
