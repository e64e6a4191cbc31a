//! Loads a batch into the target: one transaction moves the staged rows into the table and proves them.
//!
//! That transaction deletes the rows of the key range, inserts the staged ones, reads them back from the
//! table and digests them. Only if count and digest equal the source's, it writes the receipt and commits. A
//! reader of the table sees the old rows or the proven ones. Any error drops the connection, and with it the
//! transaction.
//!
//! No row leaves unaccounted for. The transaction first tallies the rows of the range that the batch lacks.
//! If the source was not asked about exactly these, it rolls back.

use std::collections::BTreeMap;

use chrono::NaiveDate;

use crate::base::error::{Error, ErrorKind, Result};
use crate::base::failpoint;
use crate::model::brake::{Brake, held};
use crate::model::chunk::KeyRange;
use crate::model::plan::TablePlan;
use crate::model::row::{Tally, Value};
use crate::model::window::Extent;
use crate::model::window::Window;
use crate::mssql::{Flow, Session};
use crate::target::lease;
use crate::target::lease::Lease;
use crate::target::leaving::{Accounted, leaving};
use crate::target::merge::merge;
use crate::target::receipt;
use crate::target::receipt::Receipt;
use crate::target::stage::with_identity;
use crate::target::table::Target;
use crate::tsql::expression::stage_expression;
use crate::tsql::expression::{STAGE, staged};
use crate::tsql::predicate::{holds_day, near};

/// A load's rows, and their proof.
#[derive(Debug, Clone, Copy)]
pub struct Load<'a> {
    /// The window of the load.
    pub window: Window,
    /// The rows of the target that the load replaces: those of the claim's range, or more if the read has
    /// shown that the source has nothing there.
    pub owned: (Extent, &'a KeyRange),
    /// The receipt of the load; `None` if the read found nothing to prove, so that the load only deletes.
    pub claim: Option<&'a Receipt>,
    /// The source's answers about the rows that leave.
    pub accounted: &'a Accounted,
    /// Whether other loads have shown that rows came into the range since its read began. Then the chunk is
    /// stale as soon as it is loaded.
    pub overtaken: bool,
    /// The brake on rows that leave another window because they are here now, and the rows that this pass has
    /// already moved out of each window.
    pub brake: (Brake, &'a BTreeMap<Window, u64>),
}

/// The outcome of a load that ran to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Loaded {
    /// Rows and receipt are committed.
    Committed(Moved),
    /// The rows that leave are not those that were accounted for; the transaction was rolled back.
    Unaccounted {
        /// The tally of the keys of the rows that leave.
        leaving: Tally,
    },
    /// An earlier attempt committed this very load, and its answer was lost.
    AlreadyCommitted,
    /// The rows that were read back differ; the transaction was rolled back.
    Differed {
        /// The tally of the rows that were read back.
        found: Tally,
    },
}

/// The moved rows that a load has shown.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Moved {
    /// Rows of other chunks with the same unique keys, which were deleted there.
    pub displaced: u64,
    /// The same number for each window that the rows were in.
    pub displaced_from: BTreeMap<Window, u64>,
    /// Chunks that rows moved out of or into, and that are stale now.
    pub stale: u64,
    /// Days that rows moved to and that no receipt covers, because nothing of them is loaded.
    pub not_loaded: Vec<NaiveDate>,
}

/// Moves the staged rows into the table, in one transaction, and proves it (G1, G2).
///
/// Once this returns `Committed`, rows and receipt are durable at the target. The caller drops the session on
/// any error, which rolls the transaction back.
///
/// # Errors
/// `Busy` when the lease was lost; `Statement` when the table was replaced meanwhile; `OutcomeUnknown` when
/// the connection broke at COMMIT; those of the session.
pub async fn commit(
    session: &mut Session,
    plan: &TablePlan,
    target: &Target,
    lease: &Lease,
    load: Load<'_>,
) -> Result<Loaded> {
    session.begin().await?;
    failpoint::step("load: after BEGIN");
    lease::fence(session, lease).await?;
    failpoint::step("load: after the fence");
    if !claimed(session, plan, target, lease, load.claim).await? {
        session.rollback().await?;
        return Ok(Loaded::AlreadyCommitted);
    }
    failpoint::step("load: after the claim");
    let (extent, range) = load.owned;
    let (filter, params) = target.range(plan, extent, range)?;
    if plan.has_key() {
        let leaving = leaving(session, plan, target, extent.kind(), &filter, &params).await?;
        if leaving != load.accounted.leaving {
            session.rollback().await?;
            return Ok(Loaded::Unaccounted { leaving });
        }
    }
    failpoint::step("load: after the leaving rows were told");
    let expected = load.claim.map(|claim| claim.chunk.tally).unwrap_or_default();
    let mut moved = Moved::default();
    if target.by_row {
        merge(session, plan, target, &filter, &params).await?;
    } else {
        session
            .execute(&format!("DELETE FROM {}{filter}", target.quoted), &params)
            .await?;
        failpoint::step("load: after DELETE");
        if expected.row_count > 0 {
            if plan.has_key() {
                displace(session, plan, target, lease, &load, &mut moved).await?;
            }
            insert(session, plan, target, expected.row_count).await?;
        }
    }
    failpoint::step("load: after INSERT");
    let found = read_back(session, plan, target, &filter, &params).await?;
    failpoint::step("load: after reading back");
    if found != expected {
        session.rollback().await?;
        return Ok(Loaded::Differed { found });
    }
    if let Some(claim) = load.claim {
        receipt::prove(session, lease, claim.window, claim.chunk.ordinal).await?;
        if load.overtaken {
            moved.stale += receipt::mark_stale(session, lease, claim.window, claim.chunk.ordinal).await?;
        }
    }
    if load.accounted.unfollowed > 0 {
        receipt::add_unfollowed(session, &plan.target, load.accounted.unfollowed).await?;
    }
    mark_days(session, plan, lease, load.accounted, &mut moved).await?;
    failpoint::step("load: before COMMIT");
    session.commit().await?;
    failpoint::step("load: after COMMIT");
    Ok(Loaded::Committed(moved))
}

/// Claims the receipt; false if this very load has proven it before. The fence has waited for whatever an earlier session
/// of this load was doing, so that its outcome is known.
async fn claimed(
    session: &mut Session,
    plan: &TablePlan,
    target: &Target,
    lease: &Lease,
    claim: Option<&Receipt>,
) -> Result<bool> {
    let Some(claim) = claim else {
        receipt::is_here(session, &plan.target, &target.incarnation).await?;
        return Ok(true);
    };
    let done = receipt::load_id(session, lease, claim.window, claim.chunk.ordinal).await?;
    if done == Some(claim.chunk.load_id) {
        return Ok(false);
    }
    receipt::claim(session, lease, &plan.target, claim).await?;
    Ok(true)
}

/// Marks the chunks that hold the present days of leaving rows as stale. This load's own chunk is among them if it holds
/// such a day: the row came into its range after it was read.
async fn mark_days(
    session: &mut Session,
    plan: &TablePlan,
    lease: &Lease,
    accounted: &Accounted,
    moved: &mut Moved,
) -> Result<()> {
    let Some(date) = plan.date().filter(|_| !accounted.days.is_empty()) else {
        return Ok(());
    };
    let dated = || accounted.days.iter().flatten().copied();
    let days: Vec<NaiveDate> = dated()
        .flat_map(|day| days_of(near(day, date.data_type)))
        .collect();
    let undated = accounted.days.contains(&None);
    let mut reached = Vec::new();
    for (window, ordinal, range) in receipt::ranges(session, lease, &days, undated).await? {
        reached.push(window);
        let holds = match window {
            Window::Dates(_) => {
                let mut holds = false;
                for day in dated() {
                    holds |= holds_day(window, &range, day, date.data_type)?;
                }
                holds
            }
            Window::Undated | Window::All => undated,
        };
        if holds {
            moved.stale += receipt::mark_stale(session, lease, window, ordinal).await?;
        }
    }
    moved.not_loaded = dated()
        .filter(|day| !reached.iter().any(|window| window.has(*day)))
        .collect();
    Ok(())
}

fn days_of(days: std::ops::RangeInclusive<NaiveDate>) -> impl Iterator<Item = NaiveDate> {
    let last = *days.end();
    days.start().iter_days().take_while(move |day| *day <= last)
}

/// Deletes rows elsewhere in the table with the unique keys of the staged ones. These rows moved, and the
/// chunks that they were in become stale in the same transaction.
async fn displace(
    session: &mut Session,
    plan: &TablePlan,
    target: &Target,
    lease: &Lease,
    load: &Load<'_>,
    displaced: &mut Moved,
) -> Result<()> {
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
        return Ok(());
    }
    let mut dates: Vec<NaiveDate> = Vec::new();
    let mut undated = false;
    for row in &rows {
        match (row.is_null(0)?, target.date(plan)) {
            (false, Some(date)) => dates.extend(days_of(near(row.date(0)?, date.data_type))),
            _ => undated = true,
        }
    }
    for (window, ordinal, range) in receipt::ranges(session, lease, &dates, undated).await? {
        let (filter, params) = target.range(plan, Extent::of_window(window), &range)?;
        let sql = format!("SELECT COUNT_BIG(*) {from}{filter} AND {moved}");
        let rows = session.rows(&sql, &params).await?;
        let count = rows
            .first()
            .map(|row| row.integer(0))
            .transpose()?
            .unwrap_or_default();
        if count != 0 {
            displaced.stale += receipt::mark_stale(session, lease, window, ordinal).await?;
            // A row that moved within its window has not left it.
            if window != load.window {
                *displaced.displaced_from.entry(window).or_default() += count.cast_unsigned();
            }
        }
    }
    let (brake, before) = load.brake;
    for (window, count) in &displaced.displaced_from {
        let before = before.get(window).copied().unwrap_or_default();
        let leaving = before + count;
        if brake.allows(leaving, 0) || plan.is_full() {
            continue;
        }
        let there = target.count_window(session, plan, *window).await?;
        if !brake.allows(leaving, before + there) {
            return Err(held(&plan.name, *window, leaving, before + there));
        }
    }
    displaced.displaced = session
        .execute(&format!("DELETE t {from} WHERE {moved}"), &[])
        .await?;
    Ok(())
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

/// Reads a chunk's range back from the table, in the source's types, and digests it.
///
/// # Errors
/// Those of the session.
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
