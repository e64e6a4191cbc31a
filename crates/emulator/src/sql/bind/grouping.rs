//! The check of columns that are neither grouped nor aggregated: errors 8120, 8121 and 8127. SQLite would take any
//! row's value for them.

use crate::sql::errors::error;
use crate::types::SqlError;

/// The GROUP BY expressions of a query level, and the columns that it uses outside of them.
#[derive(Debug, Default)]
pub(super) struct Grouping {
    /// The GROUP BY expressions, as SQLite SQL.
    pub groups: Vec<String>,
    /// Columns met outside of aggregates and of the grouped expressions, by name.
    pub ungrouped: Vec<String>,
    /// Whether an aggregate was met.
    pub aggregated: bool,
}

impl Grouping {
    /// Forgets the columns met since `mark` if they were inside a grouped expression.
    pub fn settle(&mut self, sql: &str, mark: usize) {
        if self.groups.iter().any(|g| g == sql) {
            self.ungrouped.truncate(mark);
        }
    }

    /// Refuses the remaining columns. Columns of the select list come before `in_list`, columns of HAVING before
    /// `in_having`.
    pub fn check(&self, in_list: usize, in_having: usize) -> Result<(), SqlError> {
        let Some(name) = self.ungrouped.first() else {
            return Ok(());
        };
        let (number, place) = if in_list > 0 {
            (8120, "the select list")
        } else if in_having > 0 {
            (8121, "the HAVING clause")
        } else {
            (8127, "the ORDER BY clause")
        };
        let text = format!(
            "Column '{name}' is invalid in {place} because it is not contained in either an aggregate function or \
             the GROUP BY clause."
        );
        Err(error(number, 16, 1, text))
    }
}
