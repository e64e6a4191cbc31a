//! Late rows: compares the row counts of recent windows day by day, until no more rows come.
//!
//! Tills upload sales of days that were loaded, and people correct dates. Each run compares a window until
//! one finds it equal at least `settle_days` after its end. Each run compares the rows without a date; where no
//! index finds them, each run that reads or counts the table anyway. Chunks
//! that hold a day that differs become stale at the target, so that any later run finds them, too. If a
//! window would lose more rows than the brake allows, none of its chunks is marked. A changed value keeps the
//! count of its day, so only `reconcile --source` finds it.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{Days, NaiveDate, NaiveDateTime};

use crate::base::error::{Error, Result};
use crate::base::text::counted as counted_text;
use crate::checkpoint::{Change, FoundEqual, Store};
use crate::governor::Ask;
use crate::model::brake::{Brake, held};
use crate::model::chunk::{ChunkState, KeyRange};
use crate::model::plan::TablePlan;
use crate::model::row::Value;
use crate::model::window::{Extent, Window};
use crate::mssql::{Flow, RowReader, Session};
use crate::pipeline::pool::Pools;
use crate::pipeline::resume::is_complete;
use crate::source::SourceQuery;
use crate::source::extract;
use crate::target::lease::Lease;
use crate::target::receipt;
use crate::target::receipt::{Receipt, Sums};
use crate::target::table::Target;
use crate::tsql::expression::read_expression;
use crate::tsql::predicate::{date_of, holds_day};

/// The most differing days that a message names.
const NAMED_MAX: usize = 5;

/// The context of comparing a table's recent windows.
#[derive(Debug)]
pub struct Settling<'a> {
    /// The plan.
    pub plan: &'a TablePlan,
    /// Its target.
    pub target: &'a Target,
    /// The right to mark its receipts.
    pub lease: &'a Lease,
    /// The source's clock, no later than the comparison begins.
    pub now: NaiveDateTime,
    /// The time before which its rows are old enough to be read.
    pub read_cutoff: NaiveDateTime,
    /// Whether it can be trusted. If the clocks disagree, no window is recorded as settled.
    pub trusted: bool,
    /// The days after its end during which a window is compared.
    pub days: u32,
    /// The store, which records the windows that were equal.
    pub store: &'a Store,
    /// Whether this run reads the table anyway.
    pub read_anyway: bool,
    /// The brake: the share of a window's rows that may leave it.
    pub brake: Brake,
}

/// The result of the comparison.
#[derive(Debug, Default)]
pub struct Settled {
    /// Warnings for an operator.
    pub said: Vec<String>,
    /// Whether chunks became stale.
    pub marked: bool,
    /// Windows that would lose too many rows, so that nothing of them may be loaded.
    pub braked: BTreeSet<Window>,
    /// Whether rows without a date were not counted, because that alone would have read the table.
    pub uncounted: bool,
}

/// A window's row counts at source and target.
struct Compared {
    there: Counts,
    here: Counts,
}

/// Row counts by day. `None` is for rows without a date.
type Counts = BTreeMap<Option<NaiveDate>, u64>;

impl Settling<'_> {
    /// Compares the windows that are `concerned` and not settled, by one query a window on each server, and
    /// marks the chunks that differ.
    ///
    /// # Errors
    /// `FailedOver` when the source does not prove to be the one that may be read; `Busy` when the lease was
    /// lost; those of the sessions.
    pub async fn run(
        &self,
        pools: &Pools,
        target: &mut Session,
        concerned: impl Fn(Window) -> bool,
    ) -> Result<Settled> {
        let mut settled = Settled::default();
        // A walk resumes an open window behind its last key, and rows that came in before that key have to be found.
        // So its windows are compared once after their end, whatever the setting.
        if self.days == 0 && self.plan.key.date_first {
            return Ok(settled);
        }
        let mut equal = Vec::new();
        for (window, sums, receipts) in self.unsettled(target, concerned, &mut settled).await? {
            let again = |receipt: &&Receipt| {
                receipt.chunk.state != ChunkState::Verified || receipt.incarnation != self.target.incarnation
            };
            if receipts.iter().all(|receipt| again(&receipt)) {
                continue;
            }
            let range = KeyRange {
                after: None,
                through: receipts.last().and_then(|last| last.chunk.range.through.clone()),
            };
            let part = (self.counted(window, &range), &range);
            let compared = Compared {
                there: self.count_source(pools, part).await?,
                here: self.count_target(target, part).await?,
            };
            if compared.differing().is_empty() {
                let chunks: Vec<_> = receipts.into_iter().map(|receipt| receipt.chunk).collect();
                if self.trusted && window.is_dated() && is_complete(&chunks) {
                    equal.push(self.found_equal(window, &sums));
                }
                continue;
            }
            self.mark(target, window, &receipts, again, &compared, &mut settled)
                .await?;
        }
        if !equal.is_empty() {
            self.store.commit(&equal)?;
        }
        Ok(settled)
    }

    /// The windows that are `concerned` and not settled, with their receipts: two statements for all of them.
    async fn unsettled(
        &self,
        target: &mut Session,
        concerned: impl Fn(Window) -> bool,
        settled: &mut Settled,
    ) -> Result<Vec<(Window, Sums, Vec<Receipt>)>> {
        let mut windows = Vec::new();
        for (window, sums) in receipt::sums(target, &self.plan.target, &self.target.incarnation).await? {
            let compared = concerned(window) && (self.days > 0 || window.is_dated());
            if compared && !self.is_settled(window, &sums)? {
                windows.push((window, sums));
            }
        }
        // Without an index that begins with the date, each count of a window reads the table. Rows without a date are
        // counted where the run reads it anyway, for its other windows.
        if !self.is_indexed() && !self.read_anyway && !windows.iter().any(|(window, _)| window.is_dated()) {
            let before = windows.len();
            windows.retain(|(window, _)| *window != Window::Undated);
            settled.uncounted = windows.len() < before;
        }
        let counts: Vec<(Window, u64)> = windows
            .iter()
            .map(|(window, sums)| (*window, sums.chunks))
            .collect();
        let mut known = receipt::read_windows(target, &self.plan.target, &counts).await?;
        Ok(windows
            .into_iter()
            .map(|(window, sums)| (window, sums, known.remove(&window).unwrap_or_default()))
            .collect())
    }

    /// Marks the chunks of a window that hold a day that differs, unless the brake forbids it.
    async fn mark(
        &self,
        target: &mut Session,
        window: Window,
        receipts: &[Receipt],
        again: impl Fn(&&Receipt) -> bool,
        compared: &Compared,
        settled: &mut Settled,
    ) -> Result<()> {
        let name = &self.plan.name;
        let (there, here) = (total(&compared.there), total(&compared.here));
        let leaving = here.saturating_sub(there);
        if !self.brake.allows(leaving, here) {
            settled.braked.insert(window);
            settled.said.push(held(name, window, leaving, here).chain());
            return Ok(());
        }
        let differing = compared.differing();
        let mut chunks = Vec::new();
        for receipt in receipts.iter().filter(|receipt| !again(receipt)) {
            if self.holds(window, &receipt.chunk.range, &differing)? {
                chunks.push(receipt.chunk.ordinal);
            }
        }
        receipt::mark_all_stale(target, self.lease, window, &chunks).await?;
        settled.marked |= !chunks.is_empty();
        // A chunk that is loaded again anyway needs no message.
        let mut news = Vec::new();
        for day in &differing {
            let mut known = false;
            for receipt in receipts.iter().filter(&again) {
                known |= self.holds(window, &receipt.chunk.range, &[*day])?;
            }
            news.extend((!known).then_some(*day));
        }
        if !news.is_empty() {
            settled.said.push(format!(
                "Table {name}, window {window}: {}; {} loaded again",
                told(&compared.there, &compared.here, &news),
                counted_are(chunks.len())
            ));
        }
        Ok(())
    }

    /// Whether a chunk may hold rows of one of the days.
    fn holds(&self, window: Window, range: &KeyRange, days: &[Option<NaiveDate>]) -> Result<bool> {
        for day in days {
            if holds_day(self.plan, window, range, *day)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn found_equal(&self, window: Window, sums: &Sums) -> Change {
        Change::FoundEqual {
            table: self.plan.name.as_str().to_owned(),
            window,
            found: FoundEqual {
                at: self.now,
                chunks: sums.chunks,
                rows: sums.rows,
                marks: sums.marks,
            },
        }
    }

    /// Whether an index begins with the date.
    fn is_indexed(&self) -> bool {
        let date = self.plan.date();
        date.is_some_and(|date| self.plan.source.begins_with(&date.name))
    }

    /// Whether no more rows are expected: the window was equal after its time and has not changed since.
    /// Reading all of it after that time proves nothing, because a row may have moved from a part that was
    /// not read yet to one that was.
    fn is_settled(&self, window: Window, sums: &Sums) -> Result<bool> {
        let Some(end) = self.end(window) else {
            return Ok(window == Window::All);
        };
        let found = self.store.view()?.found_equal(self.plan.name.as_str(), window)?;
        Ok(found.is_some_and(|found| {
            found.at >= end && (found.chunks, found.rows, found.marks) == (sums.chunks, sums.rows, sums.marks)
        }))
    }

    /// The time at which a window of dates settles.
    fn end(&self, window: Window) -> Option<NaiveDateTime> {
        match Extent::of_window(window) {
            Extent::Dates(bounds) => bounds.end.checked_add_days(Days::new(self.days.into())),
            Extent::Undated | Extent::All => None,
        }
    }

    /// The rows of a window that are counted in a range of keys. The keys of a walk do not keep rows out that are too
    /// young to be read. A window that has its last chunk has no such row.
    fn counted(&self, window: Window, range: &KeyRange) -> Extent {
        let whole = Extent::of_window(window);
        match self.plan.key.date_first || range.through.is_none() {
            true => whole,
            false => whole.before(self.read_cutoff),
        }
    }

    async fn count_source(&self, pools: &Pools, (extent, range): (Extent, &KeyRange)) -> Result<Counts> {
        let range = extract::seeks(self.plan, extent, range, Vec::new(), false)?;
        let date = self.plan.date();
        let from = range.from(
            &self.plan.source.name.quoted(),
            &date.map_or_else(|| "1 AS [one]".to_owned(), |date| date.name.quoted()),
            "",
        );
        let day = date.map(|date| read_expression(date, date.data_type));
        let mut counts = Counts::new();
        let query = SourceQuery::new(by_day(day, extent, &from), range.params);
        let mut turn = pools.turn(Ask::Whole { rows: 0 }).await?;
        turn.session.stream(query, |row| add(&mut counts, row)).await?;
        pools.end(turn);
        Ok(counts)
    }

    async fn count_target(
        &self,
        session: &mut Session,
        (extent, range): (Extent, &KeyRange),
    ) -> Result<Counts> {
        let range = self.target.range(self.plan, extent, range)?;
        let day = self
            .target
            .date(self.plan)
            .zip(self.plan.date())
            .map(|(column, source)| read_expression(column, source.data_type));
        let from = range.from(&self.target.quoted, &self.target.names(), "");
        let sql = by_day(day, extent, &from);
        let mut counts = Counts::new();
        session
            .stream(&sql, &range.params, |row| add(&mut counts, row))
            .await?;
        Ok(counts)
    }
}

/// Adds a row of (day, count).
fn add(counts: &mut Counts, row: RowReader<'_>) -> Result<Flow> {
    let day = match row.value(0)? {
        Value::Date(days) => date_of(days),
        _ => None,
    };
    let Value::Integer(count @ 0..=0xffff_ffff_ffff) = row.value(1)? else {
        return Err(Error::malformed(
            "The server answered with a number of rows that is none",
        ));
    };
    match counts.insert(day, count.cast_unsigned()) {
        None => Ok(Flow::Continue),
        // So no answer is endless.
        Some(_) => Err(Error::malformed("The server counted the rows of one day twice")),
    }
}

/// The statement that counts the rows of `from` by day.
fn by_day(day: Option<String>, extent: Extent, from: &str) -> String {
    match (day, extent) {
        (Some(day), Extent::Dates(_)) => {
            let day = format!("CAST({day} AS date)");
            format!("SELECT {day}, COUNT_BIG(*) FROM {from} GROUP BY {day}")
        }
        _ => format!("SELECT CAST(NULL AS date), COUNT_BIG(*) FROM {from}"),
    }
}

impl Compared {
    /// The days whose counts differ.
    fn differing(&self) -> Vec<Option<NaiveDate>> {
        let count = |counts: &Counts, day| counts.get(&day).copied().unwrap_or(0);
        let days: BTreeSet<_> = self.there.keys().chain(self.here.keys()).copied().collect();
        days.into_iter()
            .filter(|day| count(&self.there, *day) != count(&self.here, *day))
            .collect()
    }
}

fn total(counts: &Counts) -> u64 {
    counts.values().sum()
}

fn counted_are(chunks: usize) -> String {
    let verb = if chunks == 1 { "is" } else { "are" };
    format!("{} {verb}", counted_text(chunks as u64, "chunk"))
}

/// The days that differ, as text for people.
fn told(there: &Counts, here: &Counts, days: &[Option<NaiveDate>]) -> String {
    let count = |counts: &Counts, day| counts.get(day).copied().unwrap_or(0);
    let mut parts: Vec<String> = days
        .iter()
        .take(NAMED_MAX)
        .map(|day| {
            let name = day.map_or_else(|| "no date".to_owned(), |day| day.to_string());
            format!("{name} ({} there, {} here)", count(there, day), count(here, day))
        })
        .collect();
    if days.len() > NAMED_MAX {
        parts.push(format!("{} days more", days.len() - NAMED_MAX));
    }
    format!(
        "rows came late, moved or went at the source: {}",
        parts.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    fn counts(of: &[(&str, u64)]) -> Counts {
        of.iter().map(|(text, count)| (Some(day(text)), *count)).collect()
    }

    #[test]
    fn a_day_that_one_end_lacks_differs() {
        let there = counts(&[("2025-10-01", 3), ("2025-10-02", 2), ("2025-10-03", 1)]);
        let here = counts(&[("2025-10-01", 3), ("2025-10-02", 1), ("2025-10-04", 1)]);
        let compared = Compared { there, here };
        let days = compared.differing();
        assert_eq!(
            days,
            ["2025-10-02", "2025-10-03", "2025-10-04"].map(|text| Some(day(text)))
        );
        assert_eq!(
            told(&compared.there, &compared.here, &days),
            "rows came late, moved or went at the source: 2025-10-02 (2 there, 1 here), 2025-10-03 (1 there, 0 here), \
             2025-10-04 (0 there, 1 here)"
        );
        let same = Compared {
            here: compared.there.clone(),
            there: compared.there,
        };
        assert!(same.differing().is_empty());
    }
}
