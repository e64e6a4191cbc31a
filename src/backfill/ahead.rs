//! Counts the rows of the requested dates that lie beyond the source's clock. They are not copied before
//! their time, but the run reports them.
//!
//! A till with a wrong clock, or a date that means "never", makes rows that no run would reach. A run whose
//! dates extend beyond today counts them, so that it does not end as done while they are missing.

use chrono::{NaiveDate, NaiveDateTime, TimeDelta};

use crate::base::error::Result;
use crate::base::text::rows;
use crate::governor::Ask;
use crate::model::plan::TablePlan;
use crate::model::window::{Bounds, Extent, midnight};
use crate::preflight::context::RunContext;
use crate::progress::TableSummary;
use crate::source::{SourceQuery, SourceSession};
use crate::tsql::predicate::Where;

/// Rows of the next day are no mistake: shops are in other time zones than their server, and rows wait
/// `settle_minutes` anyway.
const AHEAD_MIN: TimeDelta = TimeDelta::days(1);

/// The rows beyond the clock, and their first and last date.
struct Ahead {
    count: u64,
    first: NaiveDate,
    last: NaiveDate,
}

/// Counts the rows of the requested dates beyond the source's clock, and reports them. If no index begins
/// with the date, this reads the table once more, as the load of the open month did. The clock showed `seen_at` some time
/// ago: dates that were not beyond it then are not now.
pub(crate) async fn count_ahead(
    run: &RunContext<'_>,
    plan: &TablePlan,
    seen_at: NaiveDateTime,
    summary: &mut TableSummary,
) -> Result<()> {
    summary.rows_ahead = 0;
    let range = run.options.range;
    let beyond = |now: NaiveDateTime| {
        let start = (now + AHEAD_MIN).max(midnight(range.start));
        let end = midnight(range.end);
        (start < end).then_some(Bounds { start, end })
    };
    if plan.is_full() || beyond(seen_at).is_none() {
        return Ok(());
    }
    let name = &plan.name;
    let Some(bounds) = beyond(run.source_now(plan).await?) else {
        return Ok(());
    };
    let mut turn = run.pools.turn(Ask::Whole { rows: 0 }).await?;
    let found = ahead(plan, &mut turn.session, bounds).await?;
    run.pools.end(turn);
    if let Some(found) = found {
        summary.rows_ahead = found.count;
        run.warn(&format!(
            "Table {name}: {} of the dates asked for are dated from {} to {}, beyond the source's \
             clock, and are not copied; correct their dates at the source, or ask for dates up to today",
            rows(found.count),
            found.first,
            found.last
        ));
    }
    Ok(())
}

async fn ahead(plan: &TablePlan, source: &mut SourceSession, bounds: Bounds) -> Result<Option<Ahead>> {
    let Some(date) = plan.date() else { return Ok(None) };
    let mut clause = Where::default();
    clause.extent(Some(date), Extent::Dates(bounds));
    let (filter, params) = clause.finish();
    let column = date.name.quoted();
    let select = format!(
        "SELECT COUNT_BIG(*) AS [found], CAST(MIN({column}) AS date) AS [first], CAST(MAX({column}) AS date) AS [last] \
         FROM {}{filter}",
        plan.source.name.quoted()
    );
    let row = source.row(SourceQuery::new(select, params)).await?;
    match row.integer("found")?.cast_unsigned() {
        0 => Ok(None),
        count => Ok(Some(Ahead {
            count,
            first: row.date("first")?,
            last: row.date("last")?,
        })),
    }
}
