//! The status as JSON. Fields are declared in the order in which they are printed.

use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;

use super::pace_view::PaceView;
use crate::checkpoint::{Counts, Refusal, Waiting};
use crate::cli::account::AccountView;
use crate::cli::shared::ForgettingView;
use crate::model::window::{DateRange, Window};
use crate::status::{PassStatus, Progress, RunStatus, Status, TableStatus, WindowStatus};

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct View<'a> {
    /// The passes of `sync reconcile` before the last one that are kept.
    earlier_reconciles: Vec<PassView<'a>>,
    /// What an interrupted `sync forget` has left to do.
    forgetting: Vec<ForgettingView<'a>>,
    /// How the source is read.
    pace: PaceView<'a>,
    /// The last pass of `sync reconcile`; `null` without one.
    reconcile: Option<PassView<'a>>,
    /// The run that began last; `null` without one.
    run: Option<RunView<'a>>,
    /// The tables of the configuration in their order, then others that the state file knows.
    tables: Vec<TableView<'a>>,
    /// The sums over all tables shown.
    totals: TotalsView,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct PassView<'a> {
    /// The chunks and windows that differed and were not repaired.
    differing: u64,
    /// The last day, included; `null` for all dates.
    end_date: Option<NaiveDate>,
    /// `null` while it is under way, or after it was cut short.
    ended_at: Option<DateTime<Utc>>,
    /// The tables that could not be compared.
    left_out: u64,
    /// The chunks and windows that differed and were repaired.
    repaired: u64,
    /// Those of `differing` that a run has loaded again since.
    repaired_since: u64,
    /// The chunks that were the same.
    same: u64,
    /// Whether it compared the source, too.
    source: bool,
    /// The first day; `null` for all dates.
    start_date: Option<NaiveDate>,
    /// The start of the pass.
    started_at: DateTime<Utc>,
    /// `null` for all tables.
    tables: Option<&'a [String]>,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct RunView<'a> {
    /// What it has asked of the source so far; `null` if that is not kept.
    account: Option<AccountView>,
    /// The last day, included.
    end_date: Option<NaiveDate>,
    /// `null` while it is going, and of a run that was killed.
    ended_at: Option<DateTime<Utc>>,
    /// The error that ended or refused it.
    error: Option<&'a str>,
    /// `null` while it is going, and of a run that was killed.
    exit_code: Option<u8>,
    /// The machine.
    host: &'a str,
    /// The process.
    pid: u32,
    /// How far it has come with the table that it loads, while it is going.
    progress: Option<ProgressView<'a>>,
    /// 32 hexadecimal digits.
    run_id: String,
    /// Whether it is going.
    running: bool,
    /// The first day; `null` for a run of reference tables alone, as is the last.
    start_date: Option<NaiveDate>,
    /// The start of the run.
    started_at: DateTime<Utc>,
    /// The tables that it was asked for, in the order of work; `null` if an earlier program began it.
    tables: Option<&'a [String]>,
    /// The server that it waits for; `null` without one.
    waiting: Option<WaitingView<'a>>,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct ProgressView<'a> {
    /// The place of the table among those of the run, from 1.
    number: usize,
    /// The verified rows of the dates of the run.
    rows: u64,
    /// All rows of these dates, about, as far as the loaded ones tell.
    rows_expected: Option<u64>,
    /// The name of the table.
    table: &'a str,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct WaitingView<'a> {
    /// The last error.
    error: &'a str,
    /// The time of the next attempt.
    next_try_at: DateTime<Utc>,
    /// The start of the outage.
    since: DateTime<Utc>,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct TableView<'a> {
    /// The months that were loaded and then forgotten.
    forgotten: Vec<String>,
    /// `monthly` or `full`.
    mode: &'a str,
    /// Its name in the configuration.
    name: &'a str,
    /// The days that no window covers, within those of the table and of the last run.
    not_loaded: Vec<DaysView>,
    /// What an operator should know.
    notes: &'a [String],
    /// Why the last run that came to it could not finish it; `null` if it could.
    refused: Option<RefusedView<'a>>,
    /// The verified rows.
    rows: u64,
    /// The rows that a reference table will have, by the source's estimate, while it is loaded.
    rows_expected: Option<u64>,
    /// The worst state of its windows; `not loaded` without any.
    state: &'static str,
    /// Rows that left the target and could not be followed.
    unfollowed_rows: u64,
    /// Its windows, by date.
    windows: Vec<WindowView<'a>>,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct DaysView {
    /// The day after the last.
    end: NaiveDate,
    /// The first day.
    start: NaiveDate,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct RefusedView<'a> {
    /// The time.
    at: DateTime<Utc>,
    /// The error.
    error: &'a str,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct WindowView<'a> {
    /// The chunks so far, of any state.
    chunks: u64,
    /// The day after the last.
    end: Option<NaiveDate>,
    /// The error that it failed with, or the difference.
    error: Option<&'a str>,
    /// The failed chunks.
    failed: u64,
    /// The chunks whose rows differed when they were read back.
    mismatched: u64,
    /// The rows of the verified chunks.
    rows: u64,
    /// The rows that it will have, about; `null` if nothing tells.
    rows_expected: Option<u64>,
    /// The chunks that are to be loaded again.
    stale: u64,
    /// The first day; `null` without dates.
    start: Option<NaiveDate>,
    /// `complete`, `open`, `planned`, `loading`, `stale`, `failed` or `mismatched`.
    state: &'static str,
    /// The verified chunks.
    verified: u64,
    /// Its name: a month, a part of one, `undated` or `all`.
    window: String,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct TotalsView {
    /// The chunks so far, of any state.
    chunks: u64,
    /// The failed chunks.
    failed: u64,
    /// The mismatched chunks.
    mismatched: u64,
    /// The rows of the verified chunks.
    rows: u64,
    /// The stale chunks.
    stale: u64,
    /// The verified chunks.
    verified: u64,
}

impl View<'_> {
    pub(super) fn of(status: &Status) -> View<'_> {
        let (last, earlier) = match status.passes.split_last() {
            Some((last, earlier)) => (Some(last), earlier),
            None => (None, &[][..]),
        };
        View {
            earlier_reconciles: earlier.iter().map(PassView::of).collect(),
            forgetting: status.forgetting.iter().map(ForgettingView::of).collect(),
            pace: PaceView::of(status),
            reconcile: last.map(PassView::of),
            run: status.run.as_ref().map(|run| RunView::of(status, run)),
            tables: status
                .tables
                .iter()
                .map(|table| TableView::of(status, table))
                .collect(),
            totals: TotalsView::of(status.totals()),
        }
    }
}

impl PassView<'_> {
    fn of(status: &PassStatus) -> PassView<'_> {
        let pass = &status.pass;
        let range = pass.scope.range;
        PassView {
            differing: pass.differing,
            end_date: range.map(DateRange::last_day),
            ended_at: pass.ended_at,
            left_out: pass.left_out,
            repaired: pass.repaired,
            repaired_since: status.repaired_since(),
            same: pass.same,
            source: pass.source,
            start_date: range.map(|range| range.start),
            started_at: pass.started_at,
            tables: pass.scope.tables.as_deref(),
        }
    }
}

impl<'a> RunView<'a> {
    fn of(status: &'a Status, run: &'a RunStatus) -> RunView<'a> {
        let record = &run.record;
        let (dates, progress) = (status.dates_of(run), status.progress());
        RunView {
            account: run.account.as_ref().map(AccountView::of),
            end_date: dates.map(DateRange::last_day),
            ended_at: record.ended_at,
            error: record.error.as_deref(),
            exit_code: record.exit_code,
            host: &record.host,
            pid: record.pid,
            progress: progress.map(ProgressView::of),
            run_id: format!("{:032x}", record.run_id),
            running: run.running,
            start_date: dates.map(|range| range.start),
            started_at: record.started_at,
            tables: run.tables.as_deref(),
            waiting: run.waiting.as_ref().map(WaitingView::of),
        }
    }
}

impl<'a> ProgressView<'a> {
    fn of(progress: Progress<'a>) -> ProgressView<'a> {
        ProgressView {
            number: progress.number,
            rows: progress.rows,
            rows_expected: progress.rows_expected,
            table: progress.table,
        }
    }
}

impl RefusedView<'_> {
    fn of(refusal: &Refusal) -> RefusedView<'_> {
        RefusedView {
            at: refusal.at,
            error: &refusal.error,
        }
    }
}

impl WaitingView<'_> {
    fn of(waiting: &Waiting) -> WaitingView<'_> {
        WaitingView {
            error: &waiting.error,
            next_try_at: waiting.next_try_at,
            since: waiting.since,
        }
    }
}

impl<'a> TableView<'a> {
    fn of(status: &Status, table: &'a TableStatus) -> TableView<'a> {
        let days = status.not_loaded(table).into_iter().filter_map(Window::days);
        let months = table.forgotten.iter();
        TableView {
            forgotten: months.map(|month| month.format("%Y-%m").to_string()).collect(),
            mode: &table.mode,
            name: &table.name,
            not_loaded: days
                .map(|days| DaysView {
                    end: days.end(),
                    start: days.start(),
                })
                .collect(),
            notes: &table.notes,
            refused: table.refused.as_ref().map(RefusedView::of),
            rows: table.counts().rows,
            rows_expected: table.rows_expected(),
            state: table.state().as_str(),
            unfollowed_rows: table.unfollowed,
            windows: table.windows.iter().map(WindowView::of).collect(),
        }
    }
}

impl WindowView<'_> {
    fn of(window: &WindowStatus) -> WindowView<'_> {
        let counts = window.counts;
        let days = window.window.days();
        WindowView {
            chunks: counts.chunks,
            end: days.map(|days| days.end()),
            error: window.error.as_deref(),
            failed: counts.failed,
            mismatched: counts.mismatched,
            rows: counts.rows,
            rows_expected: window.rows_expected,
            stale: counts.stale,
            start: days.map(|days| days.start()),
            state: window.state.as_str(),
            verified: counts.verified,
            window: window.window.to_string(),
        }
    }
}

impl TotalsView {
    fn of(totals: Counts) -> TotalsView {
        TotalsView {
            chunks: totals.chunks,
            failed: totals.failed,
            mismatched: totals.mismatched,
            rows: totals.rows,
            stale: totals.stale,
            verified: totals.verified,
        }
    }
}
