//! A batch into the target: staged beside the table, then moved in by one transaction that proves itself.
//!
//! In that transaction the rows are deleted by key range, inserted, read back from the table and digested; only
//! when count and digest equal what was read from the source is the receipt written and the transaction
//! committed. A reader of the table sees the old rows or the proven ones. Any error drops the connection, and
//! with it the transaction.

use chrono::NaiveDate;

use crate::error::{Error, ErrorKind, Result};
use crate::failpoint;
use crate::lease::{self, Lease};
use crate::merge::merge;
use crate::mssql::{Flow, Session, StageColumn, stage_expression, stage_table};
use crate::plan::TablePlan;
use crate::predicate::Extent;
use crate::receipt::{self, Receipt};
use crate::row::{Batch, Tally, Value};
use crate::table::Identifier;
use crate::target::Target;

/// The session's own table that a batch is staged in.
pub const STAGE: &str = "#load";

/// What became of a load that ran to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Loaded {
    /// Rows and receipt are committed.
    Committed {
        /// Rows of other windows that carried the same unique keys and were taken out.
        displaced: u64,
    },
    /// The receipt of this very load was already there: its acknowledgement had been lost.
    AlreadyCommitted,
    /// What was read back differs; the transaction was rolled back.
    Differed {
        /// What was read back.
        found: Tally,
    },
}

/// Puts the batch into the session's `#load`, whose column types are those that the driver declares truthfully.
/// Nothing of it is visible to anyone else.
pub async fn stage(session: &mut Session, plan: &TablePlan, batch: &Batch) -> Result<()> {
    let columns = empty_stage(session, plan).await?;
    failpoint::step("load: before the bulk load");
    session.bulk_load(STAGE, batch, &columns).await?;
    failpoint::step("load: after the bulk load");
    Ok(())
}

/// Puts rows that another target table holds into the session's `#load`; returns how many.
pub async fn stage_from(
    session: &mut Session,
    plan: &TablePlan,
    from: &Target,
    filter: &str,
    params: &[Value<'_>],
) -> Result<u64> {
    let columns = empty_stage(session, plan).await?;
    let names: Vec<String> = columns.iter().map(|column| column.name.quoted()).collect();
    let sql = format!(
        "INSERT INTO {STAGE} ({}) SELECT {} FROM {}{filter}",
        names.join(", "),
        from.select(plan),
        from.quoted
    );
    session.execute(&sql, params).await
}

/// Makes the session's `#load` anew.
async fn empty_stage(session: &mut Session, plan: &TablePlan) -> Result<Vec<StageColumn>> {
    let columns: Vec<StageColumn> = plan
        .columns()
        .iter()
        .enumerate()
        .map(|(position, column)| {
            Ok(StageColumn {
                name: Identifier::new(staged(position))?,
                data_type: column.data_type,
            })
        })
        .collect::<Result<_>>()?;
    let make = stage_table(STAGE, &columns);
    session
        .batch(&format!("DROP TABLE IF EXISTS {STAGE}; {make}"))
        .await?;
    Ok(columns)
}

/// Moves the staged rows into the table, in one transaction, and proves it (G1, G2).
///
/// Once this returns `Committed`, rows and receipt are durable at the target. The caller drops the session on
/// any error, which rolls the transaction back.
///
/// # Errors
/// `Busy` when the lease was lost; `OutcomeUnknown` when the connection broke at COMMIT; what the session returns.
pub async fn commit(
    session: &mut Session,
    plan: &TablePlan,
    target: &Target,
    lease: &Lease,
    claim: &Receipt,
) -> Result<Loaded> {
    session.begin().await?;
    failpoint::step("load: after BEGIN");
    lease::fence(session, lease).await?;
    failpoint::step("load: after the fence");
    // The fence has waited for whatever an earlier session of this load was doing: now its outcome is known.
    if receipt::load_id(session, lease, claim.window, claim.chunk.ordinal).await? == Some(claim.chunk.load_id)
    {
        session.rollback().await?;
        return Ok(Loaded::AlreadyCommitted);
    }
    receipt::claim(session, lease, claim).await?;
    failpoint::step("load: after the claim");
    let extent = Extent::of_window(claim.window);
    let (filter, params) = target.range(plan, extent, &claim.chunk.range)?;
    let mut displaced = 0;
    if target.by_row {
        merge(session, plan, target, &filter, &params).await?;
    } else {
        session
            .execute(&format!("DELETE FROM {}{filter}", target.quoted), &params)
            .await?;
        failpoint::step("load: after DELETE");
        if claim.chunk.tally.row_count > 0 {
            if plan.has_key() {
                displaced = displace(session, plan, target, lease).await?;
            }
            insert(session, plan, target, claim.chunk.tally.row_count).await?;
        }
    }
    failpoint::step("load: after INSERT");
    let found = read_back(session, plan, target, &filter, &params).await?;
    failpoint::step("load: after reading back");
    if found != claim.chunk.tally {
        session.rollback().await?;
        return Ok(Loaded::Differed { found });
    }
    receipt::prove(session, lease, claim.window, claim.chunk.ordinal).await?;
    failpoint::step("load: before COMMIT");
    session.commit().await?;
    failpoint::step("load: after COMMIT");
    Ok(Loaded::Committed { displaced })
}

/// Takes out rows elsewhere in the table with the unique keys of the staged ones: they moved, and the chunks they
/// were in become stale in this same transaction.
async fn displace(session: &mut Session, plan: &TablePlan, target: &Target, lease: &Lease) -> Result<u64> {
    let from = format!("FROM {} AS t", target.quoted);
    let moved = format!(
        "EXISTS (SELECT 1 FROM {STAGE} AS l WHERE {})",
        target.same_key(plan)
    );
    let date = target.date(plan).map_or_else(
        || "CAST(NULL AS date)".to_owned(),
        |date| format!("CAST(t.{} AS date)", date.name.quoted()),
    );
    let rows = session
        .rows(&format!("SELECT DISTINCT {date} {from} WHERE {moved}"), &[])
        .await?;
    if rows.is_empty() {
        return Ok(0);
    }
    let mut dates: Vec<NaiveDate> = Vec::new();
    let mut undated = false;
    for row in &rows {
        if row.is_null(0)? {
            undated = true;
            continue;
        }
        let date = row.date(0)?;
        // The server's date of an instant with an offset is the local one, windows go by UTC: a day beside it.
        dates.extend(
            [date.pred_opt(), Some(date), date.succ_opt()]
                .into_iter()
                .flatten(),
        );
    }
    for (window, ordinal, range) in receipt::ranges(session, lease, &dates, undated).await? {
        let (filter, params) = target.range(plan, Extent::of_window(window), &range)?;
        let sql = format!("SELECT COUNT_BIG(*) {from}{filter} AND {moved}");
        let rows = session.rows(&sql, &params).await?;
        if rows.first().map(|row| row.integer(0)).transpose()? != Some(0) {
            receipt::mark_stale(session, lease, window, ordinal).await?;
        }
    }
    session
        .execute(&format!("DELETE t {from} WHERE {moved}"), &[])
        .await
}

async fn insert(session: &mut Session, plan: &TablePlan, target: &Target, row_count: u64) -> Result<()> {
    let names: Vec<String> = target.columns.iter().map(|column| column.name.quoted()).collect();
    let values: Vec<String> = target
        .columns
        .iter()
        .zip(plan.columns())
        .enumerate()
        .map(|(position, (column, source))| {
            stage_expression(&format!("[{}]", staged(position)), source.data_type, column)
        })
        .collect();
    let sql = format!(
        "INSERT INTO {} ({}) SELECT {} FROM {STAGE}",
        target.quoted,
        names.join(", "),
        values.join(", ")
    );
    let inserted = with_identity(session, target, async |session| session.execute(&sql, &[]).await).await?;
    if inserted == row_count {
        Ok(())
    } else {
        Err(Error::new(
            ErrorKind::Statement,
            format!(
                "Target table {} took {inserted} of {row_count} rows; look for triggers on it",
                plan.target
            ),
        ))
    }
}

/// Does `work` with the right to give values to a column that the server numbers, where the target has one.
pub async fn with_identity<T>(
    session: &mut Session,
    target: &Target,
    work: impl AsyncFnOnce(&mut Session) -> Result<T>,
) -> Result<T> {
    let numbered = target.columns.iter().any(|column| column.identity);
    if numbered {
        session
            .batch(&format!("SET IDENTITY_INSERT {} ON", target.quoted))
            .await?;
    }
    let done = work(session).await?;
    if numbered {
        session
            .batch(&format!("SET IDENTITY_INSERT {} OFF", target.quoted))
            .await?;
    }
    Ok(done)
}

/// Reads a chunk's range back from the table, as the source's types, and digests it.
///
/// # Errors
/// What the session returns.
pub async fn read_back(
    session: &mut Session,
    plan: &TablePlan,
    target: &Target,
    filter: &str,
    params: &[Value<'_>],
) -> Result<Tally> {
    let sql = format!("SELECT {} FROM {}{filter}", target.select(plan), target.quoted);
    let mut tally = Tally::default();
    let mut bytes = Vec::new();
    session
        .stream(&sql, params, |row| {
            bytes.clear();
            row.encode(&mut bytes)?;
            tally.add_row(&bytes);
            Ok(Flow::Continue)
        })
        .await?
        .ok_or_else(|| Error::new(ErrorKind::Internal, "Reading back gave no result set"))?;
    Ok(tally)
}

/// Name of a staged column: by position, so that no name of the table can be in its way.
pub fn staged(position: usize) -> String {
    format!("c{}", position + 1)
}
