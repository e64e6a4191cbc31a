//! The rows that would leave the target if a load replaced its range now: those in the range that are not
//! among the staged rows.
//!
//! They are identified by the number and the digest of their keys. So a load can check in its transaction
//! that no other rows leave than the source was asked about, and memory holds no list of keys.

use std::collections::BTreeSet;

use chrono::NaiveDate;

use crate::base::error::Result;
use crate::model::plan::TablePlan;
use crate::model::row::Tally;
use crate::model::window::Kind;
use crate::mssql::{Flow, Session};
use crate::target::table::Target;
use crate::tsql::expression::{STAGE, read_expression};
use crate::tsql::seek::Seeks;

/// Hints for the join with the staged rows. These have no index, so a server that expects few rows in the
/// range must not scan them for each.
pub(crate) const HASHED: &str = " OPTION (HASH JOIN, MERGE JOIN)";

/// The source's answers about the rows that leave a range.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Accounted {
    /// The keys of these rows: their number and digest.
    pub leaving: Tally,
    /// The present days of these rows at the source; `None` for rows without a date.
    pub days: BTreeSet<Option<NaiveDate>>,
    /// Rows that are under another day of the same window.
    pub within: u64,
    /// Rows that the source could not be asked about.
    pub unfollowed: u64,
}

impl Accounted {
    /// Rows that leave the window, as far as is known.
    pub fn out_of_window(&self) -> u64 {
        self.leaving.row_count.saturating_sub(self.within)
    }
}

/// The rows of a range that are not staged, as they follow FROM, named `t`.
pub(crate) fn not_staged(plan: &TablePlan, target: &Target, range: &Seeks<'_>) -> String {
    let more = format!(
        " AND NOT EXISTS (SELECT 1 FROM {STAGE} AS l WHERE {})",
        target.same_key(plan)
    );
    range.from(&target.quoted, &target.names(), &more)
}

/// The key columns for reading a page of keys: those of the order, then those that the source is asked by.
pub(crate) fn select(plan: &TablePlan, target: &Target, positions: &[usize]) -> String {
    let columns = positions
        .iter()
        .map(|position| read_expression(&target.columns[*position], plan.columns()[*position].data_type));
    columns.collect::<Vec<_>>().join(", ")
}

/// The tally of the keys of the rows of `range` that are not staged: the rows that leave if the range is
/// replaced now.
///
/// # Errors
/// Those of the session.
pub async fn leaving(
    session: &mut Session,
    plan: &TablePlan,
    target: &Target,
    kind: Kind,
    range: &Seeks<'_>,
) -> Result<Tally> {
    let sql = format!(
        "SELECT {} FROM {}{HASHED}",
        select(plan, target, &plan.key.order(kind)),
        not_staged(plan, target, range)
    );
    let mut tally = Tally::default();
    let mut key = Vec::new();
    session
        .stream(&sql, &range.params, |row| {
            key.clear();
            row.encode(&mut key)?;
            tally.add_row(&key);
            Ok(Flow::Continue)
        })
        .await?;
    Ok(tally)
}
