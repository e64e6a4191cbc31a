//! The resume plan of a table: compares receipts, checkpoints and the target, and lists the work that is
//! left.
//!
//! Receipts are the truth, and the store is brought in line with them. If a receipt's rows are no longer in
//! the target (restored, truncated, recreated), the receipt is stale, its chunk is loaded again, and the user
//! is warned. A window that was begun is finished once its end has passed, whatever dates are asked for.

mod counted;
mod diff;
pub(crate) mod doubt;
pub(crate) mod look;
pub(crate) mod owed;
mod reached;
mod scope;
mod trim;

use std::collections::BTreeMap;

use chrono::{Days, NaiveDateTime, Timelike};

use crate::base::clock::SharedClock;
use crate::base::error::{Error, ErrorKind, Result};
use crate::checkpoint::{Change, InStep, Store};
use crate::model::chunk::Chunk;
use crate::model::plan::TablePlan;
use crate::model::window::Extent;
use crate::model::window::{DateRange, LAST_DAY, Window, missing};
use crate::mssql::Session;
use crate::target::lease::Lease;
use crate::target::receipt::{self, Incarnation, Sums};
use crate::target::table::Target;
use crate::tsql::predicate::{calendar, within_calendar};
use counted::Counter;
use diff::{Found, Stored, diff};
use look::{by_sums, gapless, known, read_unmatched, warnings};
use owed::Owed;
use reached::{Reached, without_receipts};

pub use reached::{Next, is_complete, is_in_step};
pub use scope::Scope;

/// The number of days beyond the source's clock for which windows are planned. No row of them can be read
/// before its time.
const AHEAD_DAYS: u64 = 366;

/// The work that is left in one window.
#[derive(Debug, Clone)]
pub struct WindowWork {
    /// The window.
    pub window: Window,
    /// Its part that is old enough to be read.
    pub extent: Extent,
    /// Whether the window has more dates than this run can read, so that no chunk closes it yet.
    pub open: bool,
    /// Whether the window had its last chunk when this run began.
    pub closed: bool,
    /// Chunks to load again, in place.
    pub redo: Vec<Chunk>,
    /// The point to resume at; `None` if the window has its last chunk.
    pub next: Option<Next>,
    /// Rows that are verified.
    pub verified_rows: u64,
}

/// A table's windows, and the warnings from their comparison.
#[derive(Debug)]
pub struct ResumePlan {
    /// The windows that the run is asked for, complete ones included, by date.
    pub windows: Vec<WindowWork>,
    /// Whether receipts and store agreed about every window of the table.
    pub is_in_step: bool,
    /// Warnings for an operator.
    pub warnings: Vec<String>,
}

/// The context of a comparison.
#[derive(Debug)]
pub struct Comparison<'a> {
    /// The plan.
    pub plan: &'a TablePlan,
    /// Its target.
    pub target: &'a Target,
    /// The right to change its receipts.
    pub lease: &'a Lease,
    /// The scope of the run.
    pub scope: Scope<'a>,
    /// The time before which the source's rows are old enough to be read, by its own clock.
    pub read_cutoff: NaiveDateTime,
    /// Whether a window stays open after its end has passed, because clocks disagree.
    pub leave_open: bool,
    /// Whether the rows of the windows are counted even if the table's own number is the receipts'.
    pub recount: bool,
    /// The store to bring in line.
    pub store: &'a Store,
    /// The clock.
    pub clock: &'a SharedClock,
}

impl Comparison<'_> {
    /// Compares, brings the store in line, and returns the work that is left. Asks the target only. If the
    /// sums of a window's receipts equal the store's, the receipts are not read: a table of many chunks is
    /// compared by one row a window. If the table has as many rows as all receipts, none is counted.
    ///
    /// # Errors
    /// `State` when the store or a receipt cannot be read or written; those of the session.
    pub async fn run(&self, session: &mut Session) -> Result<ResumePlan> {
        let sums = receipt::sums(session, &self.plan.target, &self.target.incarnation).await?;
        let counter = Counter {
            plan: self.plan,
            target: self.target,
            scope: self.scope,
            always: self.recount,
        };
        let counter = counter.must(session, &sums).await?.then_some(counter);
        let mut found = self.found(session, &sums, counter).await?;
        let mut recounted = 0;
        if let Some(counter) = counter {
            // Recorded before anything is loaded: if this run dies half-way, the table's own number may be right
            // again while some windows still differ, and the next run would not count them.
            for (window, stale) in counter.recount(session, &mut found.unmatched).await? {
                receipt::mark_all_stale(session, self.lease, window, &stale).await?;
                recounted += stale.len();
            }
        }
        receipt::put_seals(session, self.lease, &found.unsealed).await?;
        for (window, ordinals) in &found.doubted {
            receipt::mark_all_stale(session, self.lease, *window, ordinals).await?;
        }
        for window in without_receipts(&self.store.view()?, self.plan, &sums)? {
            found.unmatched.insert(window, Vec::new());
        }
        let to_come = self.owe(&sums, &mut found)?;
        let mut lost = 0;
        for (window, chunks) in &mut found.unmatched {
            lost += self.trim(session, *window, chunks).await?;
        }
        lost += self.align_store(&found)?;
        let mut warnings = doubt::warnings(
            self.plan.name.as_str(),
            &found.doubts,
            "their rows are loaded again",
        );
        warnings.extend(self::warnings(self.plan, found.foreign, recounted, lost));
        warnings.extend(to_come.iter().map(|window| {
            format!(
                "Table {}: the target has no receipts of {window} any more, and other windows cover the rest of its month; \
                 a run that asks for these dates loads them",
                self.plan.name
            )
        }));
        let is_in_step = found.unmatched.is_empty();
        let Found {
            in_step: mut windows,
            mut unmatched,
            ..
        } = found;
        unmatched.retain(|window, chunks| sums.contains_key(window) || !chunks.is_empty());
        windows.extend(
            unmatched
                .into_iter()
                .map(|(window, chunks)| (window, Reached::by(chunks))),
        );
        let mut windows = self.work(windows)?;
        for work in &mut windows {
            self.extend(session, work).await?;
        }
        Ok(ResumePlan {
            windows,
            is_in_step,
            warnings,
        })
    }

    /// Adds the days that are owed although their windows overlap others. Returns those that are not over yet.
    fn owe(&self, sums: &BTreeMap<Window, Sums>, found: &mut Found) -> Result<Vec<Window>> {
        let kept: Vec<Window> = sums.keys().chain(found.unmatched.keys()).copied().collect();
        let mut to_come = Vec::new();
        for window in owed::days(&self.store.view()?, self.plan.name.as_str(), &kept)? {
            let owed = Owed::of(window, self.read_cutoff)?;
            to_come.extend(owed.to_come);
            if let Some(passed) = owed.passed {
                let chunk = Owed::chunk(self.clock.random());
                found.unmatched.insert(passed, vec![chunk]);
            }
        }
        Ok(to_come)
    }

    /// The windows that have receipts. Those whose sums differ from the store's, or whose rows are to be
    /// counted and are not all there, are kept apart, with their chunks.
    async fn found(
        &self,
        session: &mut Session,
        sums: &BTreeMap<Window, Sums>,
        counter: Option<Counter<'_>>,
    ) -> Result<Found> {
        let mut found = Found {
            is_shadow: self.plan.is_shadow,
            ..Found::default()
        };
        let view = self.store.view()?;
        // A seal is checked on a receipt that is read.
        if session.receipt_key().is_none() {
            found.in_step = by_sums(&view, self.plan, sums)?;
        }
        if let Some(counter) = counter {
            for window in counter.short(session, &found.in_step).await? {
                found.in_step.remove(&window);
            }
        }
        let unmatched = sums
            .iter()
            .filter(|(window, _)| !found.in_step.contains_key(window));
        let unmatched: Vec<(Window, u64)> = unmatched.map(|(window, sums)| (*window, sums.chunks)).collect();
        let incarnation = &self.target.incarnation;
        read_unmatched(
            session,
            self.plan,
            incarnation,
            Some(&view),
            &unmatched,
            &mut found,
        )
        .await?;
        Ok(found)
    }

    /// Makes a window's chunks a sequence without a gap. Chunks whose receipts the target lost are loaded
    /// again. Returns the number of chunks that the store held as verified without a receipt.
    async fn trim(&self, session: &mut Session, window: Window, chunks: &mut Vec<Chunk>) -> Result<usize> {
        let known = known(Some(&self.store.view()?), self.plan, window)?;
        let trimmed = gapless(std::mem::take(chunks), &known)?;
        if let Some(ordinal) = trimmed.cut_at {
            // The first receipt that is cut stays if the next chunk takes its place, or if the window would
            // have no other.
            let claimed = trimmed.chunks.last().is_none_or(|last| {
                last.range.through.is_some() && last.ordinal.checked_add(1) == Some(ordinal)
            });
            if claimed {
                receipt::cut(session, self.lease, window, ordinal).await?;
            } else {
                receipt::drop_from(session, self.lease, window, ordinal).await?;
            }
        }
        *chunks = trimmed.chunks;
        Ok(trimmed.lost)
    }

    /// The store agrees with all receipts from now on.
    fn in_step(&self) -> Change {
        let Incarnation { object_id, created } = self.target.incarnation.clone();
        Change::InStep {
            table: self.plan.name.as_str().to_owned(),
            at: InStep {
                epoch: self.lease.epoch,
                object_id,
                created,
            },
        }
    }

    /// Brings the store in line with the receipts. Returns the number of removed chunks that the store had as
    /// verified.
    fn align_store(&self, found: &Found) -> Result<usize> {
        let name = self.plan.name.as_str();
        let mut stored = Vec::new();
        for record in self.store.windows(name)? {
            let chunks = match found.in_step.contains_key(&record.window) {
                true => Vec::new(),
                false => self.store.chunks(name, record.window)?,
            };
            stored.push(Stored { record, chunks });
        }
        let mut diff = diff(name, &stored, found, self.scope, self.clock.now());
        if !self.plan.is_full() {
            diff.changes.push(self.in_step());
        }
        if !diff.changes.is_empty() {
            self.store.commit(&diff.changes)?;
        }
        Ok(diff.lost)
    }

    /// The work in the windows that are asked for: the existing ones, and new ones for the days that no
    /// window covers.
    fn work(&self, mut windows: BTreeMap<Window, Reached>) -> Result<Vec<WindowWork>> {
        windows.retain(|window, reached| {
            let asked =
                self.scope.all_of(*window) || (self.scope.finishes() && self.is_due(*window, reached));
            // A window that only has chunks to load again reads nothing new.
            if !asked {
                reached.rest = reached.next.take().is_some();
            }
            asked || !reached.redo.is_empty()
        });
        let existing: Vec<Window> = windows.keys().copied().collect();
        let mut wanted = Vec::new();
        if let Scope::Dates(range) = self.scope {
            wanted = if self.plan.is_full() {
                vec![Window::All]
            } else {
                missing(self.within_reach(range), &existing)?
            };
            wanted.extend(self.plan.has_undated().then_some(Window::Undated));
        }
        if let Scope::Repair(whole) = self.scope {
            wanted.extend(whole);
        }
        for window in wanted {
            windows.entry(window).or_insert_with(|| Reached::by(Vec::new()));
        }
        Ok(windows
            .into_iter()
            .map(|(window, reached)| self.window_work(window, reached))
            .collect())
    }

    /// Whether a window was begun, its end has passed, and work is left in it.
    fn is_due(&self, window: Window, reached: &Reached) -> bool {
        reached.next.is_some() && window.is_dated() && window.has_passed(self.read_cutoff)
    }

    /// A range without the years far ahead, which nobody means to plan month by month, and without those that the date
    /// column cannot hold.
    fn within_reach(&self, range: DateRange) -> DateRange {
        let from = self.read_cutoff.date().max(range.start);
        let reach = from.checked_add_days(Days::new(AHEAD_DAYS)).unwrap_or(LAST_DAY);
        let range = DateRange {
            end: range.end.min(reach),
            ..range
        };
        in_calendar(self.plan, range)
    }

    /// Extends the part of a walked window that is read to all rows that the target has in it, if it has receipts or is
    /// about to get some.
    async fn extend(&self, session: &mut Session, work: &mut WindowWork) -> Result<()> {
        let begun = !work.redo.is_empty() || work.next.as_ref().is_none_or(|next| next.after.is_some());
        if self.plan.key.date_first || (work.extent.is_empty() && !begun) {
            return Ok(());
        }
        // The last chunk was loaded when all of the window was old enough.
        work.extent = match work.closed {
            true => Extent::of_window(work.window),
            false => {
                let readable = self
                    .target
                    .readable(session, self.plan, work.window, self.read_cutoff);
                readable.await?
            }
        };
        Ok(())
    }

    fn window_work(&self, window: Window, reached: Reached) -> WindowWork {
        let whole = Extent::of_window(window);
        let extent = whole.before(self.read_cutoff);
        WindowWork {
            window,
            extent,
            closed: reached.next.is_none() && !reached.rest,
            open: extent != whole || reached.rest || (self.leave_open && window.is_dated()),
            redo: reached.redo,
            next: reached.next,
            verified_rows: reached.verified_rows,
        }
    }
}

/// The time before which rows are old enough: the source's clock less `settle_minutes`, to the second.
pub fn read_cutoff(source_now: NaiveDateTime, settle_minutes: u32) -> NaiveDateTime {
    let at = source_now - chrono::TimeDelta::minutes(i64::from(settle_minutes));
    at.with_nanosecond(0).unwrap_or(at)
}

/// Refuses dates of which the plan's date column can hold none.
///
/// # Errors
/// `Usage`.
pub fn refuse_dates(plan: &TablePlan, range: DateRange) -> Result<()> {
    let within = in_calendar(plan, range);
    match plan.date().filter(|_| within.start >= within.end) {
        None => Ok(()),
        Some(date) => {
            let (first, last) = calendar(date.data_type);
            Err(Error::new(
                ErrorKind::Usage,
                format!(
                    "No date from {range} can be in {}.{}, whose type holds dates from {first} to {last}; ask for dates \
                     among these",
                    plan.source.name, date.name,
                ),
            ))
        }
    }
}

/// The part of a range that a plan's date column can hold.
pub fn in_calendar(plan: &TablePlan, range: DateRange) -> DateRange {
    plan.date()
        .map_or(range, |date| within_calendar(date.data_type, range))
}
