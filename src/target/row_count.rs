//! The row counts of a target table: the one that its catalog keeps, which costs nothing, and those of its
//! ranges, which the server counts.
//!
//! A count of ranges is a scan. One statement counts several ranges, as long as few rows are expected in
//! them, so that it neither takes longer than a server may take to answer nor has too many parameters.

use crate::base::error::{Error, Result};
use crate::model::chunk::KeyRange;
use crate::model::plan::TablePlan;
use crate::model::row::Value;
use crate::model::window::Extent;
use crate::mssql::Session;
use crate::target::receipt::Incarnation;
use crate::target::table::Target;

/// The number of rows that the catalog keeps for a table. SQL Server changes it with the rows, so it is exact
/// in the end, and no right on the server's state is needed to see it. Another vendor's server estimates, so
/// there the answer is NULL, and so it is for a columnstore, whose number may hold deleted rows.
const KEPT: &str = "SELECT SUM(p.rows) AS [row_count] FROM sys.partitions AS p WHERE p.object_id = @P1 \
    AND p.index_id IN (0, 1) AND p.data_compression < 3 AND @@VERSION LIKE N'Microsoft %'";

/// The most ranges of one statement. SQL Server refuses a statement of many hundred branches.
const RANGES_MAX: usize = 50;

/// The most parameters of one statement. SQL Server takes 2100; a range has a few dozen at most.
const PARAMETERS_MAX: usize = 1_000;

/// The most rows that are expected in the ranges of one statement, unless it has just one range. A server
/// counts so many within seconds, even from a disk.
const ROWS_MAX: u64 = 5_000_000;

/// A range of a table, and the number of rows that receipts prove there.
#[derive(Debug, Clone)]
pub struct Part {
    /// The window's rows.
    pub extent: Extent,
    /// The keys of them.
    pub range: KeyRange,
    /// The number of rows by the receipts.
    pub row_count: u64,
}

/// The number of rows that the target's catalog keeps for a table. `None` if the server tells none, or one
/// that is not kept with the rows.
///
/// # Errors
/// Those of [`Session::rows`] that break the connection.
pub async fn kept(session: &mut Session, target: &Incarnation) -> Result<Option<u64>> {
    let id = [Value::Integer(i64::from(target.object_id))];
    match session.rows(KEPT, &id).await {
        Ok(rows) => {
            let row = rows.first();
            let count = row.map(|row| row.optional_integer("row_count")).transpose()?;
            Ok(count.flatten().and_then(|count| u64::try_from(count).ok()))
        }
        Err(error) if session.is_broken() => Err(error),
        // A server without this view, or a login that may not read it.
        Err(_) => Ok(None),
    }
}

/// Counts the rows of each part, in the order of the parts.
///
/// # Errors
/// Those of [`Session::rows`].
pub async fn of_parts(
    session: &mut Session,
    plan: &TablePlan,
    target: &Target,
    parts: &[Part],
) -> Result<Vec<u64>> {
    let mut counts = vec![0; parts.len()];
    let mut batch = Batch::default();
    for (number, part) in parts.iter().enumerate() {
        if batch.is_full(part) {
            batch.count(session, &mut counts).await?;
            batch = Batch::default();
        }
        batch.add(plan, target, number, part)?;
    }
    batch.count(session, &mut counts).await?;
    Ok(counts)
}

/// The parts that one statement counts.
#[derive(Default)]
struct Batch<'a> {
    branches: Vec<String>,
    params: Vec<Value<'a>>,
    row_count: u64,
}

impl<'a> Batch<'a> {
    fn is_full(&self, next: &Part) -> bool {
        !self.branches.is_empty()
            && (self.branches.len() >= RANGES_MAX
                || self.params.len() >= PARAMETERS_MAX
                || self.row_count.saturating_add(next.row_count) > ROWS_MAX)
    }

    fn add(&mut self, plan: &TablePlan, target: &Target, number: usize, part: &'a Part) -> Result<()> {
        let params = std::mem::take(&mut self.params);
        let range = target.range_after(plan, part.extent, &part.range, params)?;
        self.params = range.params;
        self.row_count = self.row_count.saturating_add(part.row_count);
        self.branches.extend(range.pieces.iter().map(|piece| {
            format!(
                "SELECT {number} AS [part], COUNT_BIG(*) AS [row_count] FROM {} WHERE {}",
                target.quoted, piece
            )
        }));
        Ok(())
    }

    async fn count(self, session: &mut Session, counts: &mut [u64]) -> Result<()> {
        if self.branches.is_empty() {
            return Ok(());
        }
        let unexpected =
            || Error::malformed("The target answered with a number of rows that it was not asked for");
        let mut left = self.branches.len();
        for row in session
            .rows(&self.branches.join(" UNION ALL "), &self.params)
            .await?
        {
            let part = usize::try_from(row.integer("part")?).ok();
            let count = part
                .and_then(|part| counts.get_mut(part))
                .ok_or_else(unexpected)?;
            *count += row.count("row_count")?;
            left = left.checked_sub(1).ok_or_else(unexpected)?;
        }
        (left == 0).then_some(()).ok_or_else(unexpected)
    }
}
