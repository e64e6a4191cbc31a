//! The rows that would leave the target if a load replaced its range now: those in the range that are not
//! among the staged rows.
//!
//! They are identified by the number and the digest of their keys. So a load can check in its transaction
//! that no other rows leave than the source was asked about, and memory holds no list of keys.

use std::collections::{BTreeMap, BTreeSet};

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

/// Moved rows, by their keys, and the day that each left for.
pub type OnTheirWay = BTreeMap<Vec<u8>, Option<NaiveDate>>;

/// The most bytes that the keys of a table's rows on their way may have in all: those of twenty thousand rows or so.
const ON_THEIR_WAY_BYTES_MAX: usize = 256 << 10;

/// Adds rows on their way, as far as there is room. Returns the number of those that there was no room for.
pub fn add_on_their_way<'k>(
    rows: &mut OnTheirWay,
    more: impl IntoIterator<Item = (&'k Vec<u8>, &'k Option<NaiveDate>)>,
) -> u64 {
    let mut room = ON_THEIR_WAY_BYTES_MAX.saturating_sub(rows.keys().map(Vec::len).sum());
    let mut left = 0;
    for (key, day) in more {
        if let Some(present) = rows.get_mut(key) {
            *present = *day;
        } else if key.len() <= room {
            room -= key.len();
            rows.insert(key.clone(), *day);
        } else {
            left += 1;
        }
    }
    left
}

/// The source's answers about the rows that leave a range.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Accounted {
    /// The keys of these rows: their number and digest.
    pub leaving: Tally,
    /// The present days of these rows at the source; `None` for rows without a date.
    pub days: BTreeSet<Option<NaiveDate>>,
    /// Rows that are under another day of the same window.
    pub within: u64,
    /// Those that have a present day and are to be looked for until they have come.
    pub followed: OnTheirWay,
    /// Rows that the source could not be asked about, and those that there is no room to look for.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_on_their_way_have_an_end() {
        let row = |number: u32| OnTheirWay::from([(number.to_be_bytes().repeat(512), None)]);
        let mut rows = OnTheirWay::new();
        for number in 0..128 {
            assert_eq!(add_on_their_way(&mut rows, &row(number)), 0, "{number}");
        }
        assert_eq!(add_on_their_way(&mut rows, &row(128)), 1);
        assert_eq!(add_on_their_way(&mut rows, &row(127)), 0, "it is there");
        assert_eq!(rows.len(), 128);
    }
}
