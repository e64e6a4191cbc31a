//! Counts the source's rows of a key range at the server, where a read that was cut short by its byte limit does not
//! say how many there are.

use crate::base::error::Result;
use crate::model::chunk::KeyRange;
use crate::model::plan::TablePlan;
use crate::model::window::Extent;
use crate::source::extract::seeks;
use crate::source::session::{SourceQuery, SourceSession};

/// The number of the source's present rows in a key range.
///
/// # Errors
/// `FailedOver` when the server no longer proves to be the one that may be read; those of the session.
pub async fn count(
    session: &mut SourceSession,
    plan: &TablePlan,
    extent: Extent,
    range: &KeyRange,
) -> Result<u64> {
    let range = seeks(plan, extent, range, Vec::new(), false)?;
    let from = range.from(&plan.source.name.quoted(), "1 AS [one]", "");
    let select = format!("SELECT COUNT_BIG(*) AS [row_count] FROM {from}");
    let row = session.row(SourceQuery::new(select, range.params)).await?;
    row.count("row_count")
}
