//! Loads a batch into the target: one transaction moves the staged rows into the table and proves them.
//!
//! That transaction deletes the rows of the key range if it has any, inserts the staged ones, reads them back
//! from the table and digests them. Only if count and digest equal the source's, it writes the receipt and commits. A
//! reader of the table sees the old rows or the proven ones. Any error drops the connection, and with it the
//! transaction.
//!
//! No row leaves unaccounted for. The transaction first tallies the rows of the range that the batch lacks.
//! If the source was not asked about exactly these, it rolls back.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;

use crate::base::error::{Error, Result};
use crate::base::failpoint;
use crate::model::brake::{Brake, held};
use crate::model::chunk::{Chunk, KeyRange};
use crate::model::column_digests::ColumnDigests;
use crate::model::plan::TablePlan;
use crate::model::row::{Batch, Tally, Value};
use crate::model::window::Extent;
use crate::model::window::Window;
use crate::mssql::{Flow, Session, is_duplicate_key};
use crate::target::lease;
use crate::target::lease::Lease;
use crate::target::leaving::{Accounted, OnTheirWay, add_on_their_way, leaving};
use crate::target::merge::{Order, Orders, merge};
use crate::target::receipt;
use crate::target::receipt::Receipt;
use crate::target::stage::identity_insert;
use crate::target::table::Target;
use crate::tsql::expression::inserted_expression;
use crate::tsql::expression::{STAGE, staged};
use crate::tsql::predicate::{day, holds_day, near};
use crate::tsql::seek::Seeks;

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
    /// The rows of the load, if they are in memory: the column that differs is found by them.
    pub batch: Option<&'a Batch>,
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
        /// The position of the first column whose values differ, if as many rows were read back and one does.
        column: Option<usize>,
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
    let transaction = Transaction {
        plan,
        target,
        lease,
        load,
    };
    if target.by_row {
        return transaction.in_order(session).await;
    }
    if !target.enforces_key {
        return transaction.run(session, Search::BeforeInsert).await;
    }
    // Where an index refuses a second row of a key, only its refusal is a reason to search for the first.
    match transaction.run(session, Search::None).await {
        Err(error) if is_duplicate_key(&error) => session.rollback().await?,
        // An index that ignores duplicates leaves the rows out.
        Ok(Loaded::Differed { found, .. }) if found.row_count < transaction.expected().row_count => {}
        done => return done,
    }
    transaction.run(session, Search::BeforeInsert).await
}

/// Whether a load looks for rows elsewhere in the table that have its unique keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Search {
    None,
    BeforeInsert,
    /// None: rows are merged one by one, in this order.
    Merge(Order),
}

/// One load's transaction.
struct Transaction<'a> {
    plan: &'a TablePlan,
    target: &'a Target,
    lease: &'a Lease,
    load: Load<'a>,
}

/// What a transaction finds before it changes rows of the table.
struct Opened {
    /// The load that the chunk's verified receipt names.
    load_id: Option<u128>,
    /// Whether the range has rows.
    occupied: bool,
}

impl Transaction<'_> {
    /// Merges row by row, in the first order that no constraint refuses.
    async fn in_order(&self, session: &mut Session) -> Result<Loaded> {
        let mut order = Order::DeletesFirst;
        let mut orders = Orders::default();
        loop {
            match self.run(session, Search::Merge(order)).await {
                Err(error) => order = orders.after(session, self.target, order, error).await?,
                done => return done,
            }
        }
    }

    async fn run(&self, session: &mut Session, search: Search) -> Result<Loaded> {
        let Transaction {
            plan,
            target,
            lease,
            load,
        } = self;
        session.begin().await?;
        failpoint::step("load: after BEGIN");
        let opened = self.open(session).await?;
        failpoint::step("load: after the fence");
        match load.claim {
            None => receipt::is_here(session, &plan.target, &target.incarnation).await?,
            Some(claim) if opened.load_id == Some(claim.chunk.load_id) => {
                session.rollback().await?;
                return Ok(Loaded::AlreadyCommitted);
            }
            Some(_) => {}
        }
        let (extent, range) = load.owned;
        let range = target.range(plan, extent, range)?;
        if plan.has_key() {
            let leaving = match opened.occupied {
                true => leaving(session, plan, target, extent.kind(), &range).await?,
                false => Tally::default(),
            };
            if leaving != load.accounted.leaving {
                session.rollback().await?;
                return Ok(Loaded::Unaccounted { leaving });
            }
        }
        failpoint::step("load: after the leaving rows were told");
        let expected = self.expected();
        let mut moved = Moved::default();
        let found = if let Search::Merge(order) = search {
            merge(session, plan, target, &range, order).await?;
            read_back(session, plan, target, &range).await?
        } else {
            let mut delete = match opened.occupied {
                true => delete_sql(target, &range),
                false => String::new(),
            };
            if search == Search::BeforeInsert && plan.has_key() && expected.row_count > 0 {
                if opened.occupied {
                    session.execute(&delete, &range.params).await?;
                    delete.clear();
                }
                failpoint::step("load: after DELETE");
                displace(session, plan, target, lease, load, &mut moved).await?;
            }
            if expected.row_count > 0 {
                delete.push_str(&insert_sql(plan, target));
            }
            // One batch: the rows that were inserted are read back before anybody else is asked anything.
            let sql = format!("{delete}{}", range.select(&target.select(plan), &target.quoted));
            tally(session, &sql, &range.params).await?
        };
        failpoint::step("load: after reading back");
        if found != expected {
            let column = match load.batch.filter(|_| found.row_count == expected.row_count) {
                Some(batch) => differing_column(session, plan, target, &range, batch).await?,
                None => None,
            };
            session.rollback().await?;
            return Ok(Loaded::Differed { found, column });
        }
        if let Some(claim) = load.claim {
            receipt::write(session, lease, &plan.target, claim, load.overtaken).await?;
            moved.stale += u64::from(load.overtaken);
        }
        let Accounted {
            followed, unfollowed, ..
        } = load.accounted;
        if *unfollowed > 0 || !followed.is_empty() {
            let add = |rows: &mut OnTheirWay| unfollowed + add_on_their_way(rows, followed);
            receipt::renew_left(session, &plan.target, &plan.traced_names(), add).await?;
        }
        mark_days(session, plan, lease, load.accounted, &mut moved).await?;
        failpoint::step("load: before COMMIT");
        session.commit().await?;
        failpoint::step("load: after COMMIT");
        Ok(Loaded::Committed(moved))
    }

    /// The tally that the range must have in the end.
    fn expected(&self) -> Tally {
        self.load.claim.map(|claim| claim.chunk.tally).unwrap_or_default()
    }

    /// Writes the lease's row, which waits for any other load of the table, and looks at what is there.
    async fn open(&self, session: &mut Session) -> Result<Opened> {
        let Transaction {
            plan,
            target,
            lease,
            load,
        } = self;
        let run_id = lease.run_id.to_be_bytes();
        let mut params = lease::fence_params(lease, &run_id);
        let look_up = match load.claim {
            Some(claim) => {
                params.push(day(claim.window.stored_start()));
                params.push(Value::Integer(i64::from(claim.chunk.ordinal)));
                "SELECT @load_id = [load_id] FROM [sync].[receipt] WHERE [table_name] = @P1 \
                 AND [window_start] = @P4 AND [ordinal] = @P5 AND [state] = N'verified'; "
            }
            None => "",
        };
        let (extent, range) = load.owned;
        let range = target.range_after(plan, extent, range, params)?;
        let occupied = range
            .pieces
            .iter()
            .map(|piece| format!("EXISTS (SELECT 1 FROM {} WHERE {})", target.quoted, piece));
        let sql = format!(
            "DECLARE @fenced int, @load_id binary(16); {}; SET @fenced = @@ROWCOUNT; {look_up}\
             SELECT @fenced AS [fenced], @load_id AS [load_id], CASE WHEN {} THEN 1 ELSE 0 END AS [occupied]",
            lease::FENCE,
            occupied.collect::<Vec<_>>().join(" OR ")
        );
        let rows = session.rows(&sql, &range.params).await?;
        let row = rows
            .first()
            .ok_or_else(|| Error::malformed("The target did not answer the first statement of a load"))?;
        if row.integer("fenced")? != 1 {
            return Err(lease::lost(&lease.table));
        }
        Ok(Opened {
            load_id: row.optional_bytes("load_id")?.map(receipt::id_of).transpose()?,
            occupied: row.integer("occupied")? == 1,
        })
    }
}

/// The statements that delete a range's rows.
fn delete_sql(target: &Target, range: &Seeks<'_>) -> String {
    let deletes = range
        .pieces
        .iter()
        .map(|piece| format!("DELETE FROM {} WHERE {}; ", target.quoted, piece));
    deletes.collect()
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
    let days = &accounted.days;
    let dated = || days.iter().flatten().copied();
    let mut reached = Vec::new();
    for (window, chunk) in chunks_near(session, plan, lease, days).await? {
        reached.push(window);
        let mut holds = false;
        for day in days {
            holds |= holds_day(plan, window, &chunk.range, *day)?;
        }
        if holds {
            moved.stale += receipt::mark_stale(session, lease, window, chunk.ordinal).await?;
        }
    }
    moved.not_loaded = dated()
        .filter(|day| !reached.iter().any(|window| window.has(*day)))
        .collect();
    Ok(())
}

/// The chunks of the windows that may hold rows of these days, in the sense of [`near`].
///
/// # Errors
/// As [`receipt::of_days`].
pub(crate) async fn chunks_near(
    session: &mut Session,
    plan: &TablePlan,
    lease: &Lease,
    days: &BTreeSet<Option<NaiveDate>>,
) -> Result<Vec<(Window, Chunk)>> {
    let Some(date) = plan.date().filter(|_| !days.is_empty()) else {
        return Ok(Vec::new());
    };
    let dated = days.iter().flatten();
    let nearby: Vec<NaiveDate> = dated
        .flat_map(|day| days_of(near(*day, date.data_type)))
        .collect();
    receipt::of_days(session, lease, &nearby, days.contains(&None)).await
}

/// Each of these days.
pub(crate) fn days_of(days: std::ops::RangeInclusive<NaiveDate>) -> impl Iterator<Item = NaiveDate> {
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
    let own = load.claim.map(|claim| (claim.window, claim.chunk.ordinal));
    for (window, chunk) in receipt::of_days(session, lease, &dates, undated).await? {
        if own == Some((window, chunk.ordinal)) {
            continue;
        }
        let range = target.range(plan, Extent::of_window(window), &chunk.range)?;
        let from = range.from(&target.quoted, &target.names(), &format!(" AND {moved}"));
        let sql = format!("SELECT COUNT_BIG(*) FROM {from}");
        let rows = session.rows(&sql, &range.params).await?;
        let count = rows
            .first()
            .map(|row| row.count(0))
            .transpose()?
            .unwrap_or_default();
        if count != 0 {
            displaced.stale += receipt::mark_stale(session, lease, window, chunk.ordinal).await?;
            // A row that moved within its window has not left it.
            if window != load.window {
                *displaced.displaced_from.entry(window).or_default() += count;
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

/// The statement that moves the staged rows into the table.
fn insert_sql(plan: &TablePlan, target: &Target) -> String {
    let values: Vec<String> = target
        .columns
        .iter()
        .zip(plan.columns())
        .enumerate()
        .map(|(position, (column, source))| {
            inserted_expression(&format!("[{}]", staged(position)), source.data_type, column)
        })
        .collect();
    let insert = format!(
        "INSERT INTO {} ({}) SELECT {} FROM {STAGE}; ",
        target.quoted,
        target.names(),
        values.join(", ")
    );
    let [on, off] = identity_insert(target);
    format!("{on}{insert}{off}")
}

/// Reads a range back from the table, in the source's types, and digests it.
///
/// # Errors
/// Those of the session.
pub async fn read_back(
    session: &mut Session,
    plan: &TablePlan,
    target: &Target,
    range: &Seeks<'_>,
) -> Result<Tally> {
    let sql = range.select(&target.select(plan), &target.quoted);
    tally(session, &sql, &range.params).await
}

/// The position of the first column whose values in a range are not those of a batch.
async fn differing_column(
    session: &mut Session,
    plan: &TablePlan,
    target: &Target,
    range: &Seeks<'_>,
    batch: &Batch,
) -> Result<Option<usize>> {
    let sql = range.select(&target.select(plan), &target.quoted);
    let mut found = ColumnDigests::default();
    let mut bytes = Vec::new();
    session
        .stream(&sql, &range.params, |row| {
            bytes.clear();
            row.encode(&mut bytes)?;
            found.add_row(&bytes)?;
            Ok(Flow::Continue)
        })
        .await?;
    Ok(ColumnDigests::of(batch.rows())?.first_difference(&found))
}

/// The tally of the rows of the last result that a statement returns.
async fn tally(session: &mut Session, sql: &str, params: &[Value<'_>]) -> Result<Tally> {
    let mut tally = Tally::default();
    let mut bytes = Vec::new();
    let mut result = 0;
    session
        .stream_results(sql, params, |row| {
            // A trigger's SELECT is a result as well, and comes before.
            if row.result() != result {
                (result, tally) = (row.result(), Tally::default());
            }
            bytes.clear();
            row.encode(&mut bytes)?;
            tally.add_row(&bytes);
            Ok(Flow::Continue)
        })
        .await?
        .ok_or_else(|| {
            Error::malformed("The target answered with no rows where those of a load were read back")
        })?;
    Ok(tally)
}
