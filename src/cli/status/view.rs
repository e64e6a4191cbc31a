//! The status as JSON. Fields are declared in the order in which they are printed.

use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;

use super::facts::{PassStatus, Progress, RunStatus, Status, TableStatus, WindowStatus};
use crate::checkpoint::{Counts, Refusal, Waiting};
use crate::cli::shared::ForgettingView;
use crate::model::window::Window;
use crate::progress::last_day;

#[derive(Serialize)]
pub(super) struct View<'a> {
    schema_version: u32,
    /// The passes of `sync reconcile` before the last one that are kept.
    earlier_reconciles: Vec<PassView<'a>>,
    forgetting: Vec<ForgettingView<'a>>,
    reconcile: Option<PassView<'a>>,
    run: Option<RunView<'a>>,
    tables: Vec<TableView<'a>>,
    totals: TotalsView,
}

#[derive(Serialize)]
struct PassView<'a> {
    differing: u64,
    /// The last day, included; `None` for all dates.
    end_date: Option<NaiveDate>,
    ended_at: Option<DateTime<Utc>>,
    left_out: u64,
    repaired: u64,
    /// Those of `differing` that a run has loaded again since.
    repaired_since: u64,
    same: u64,
    source: bool,
    start_date: Option<NaiveDate>,
    started_at: DateTime<Utc>,
    /// `None` for all tables.
    tables: Option<&'a [String]>,
}

#[derive(Serialize)]
struct RunView<'a> {
    /// The last day, included.
    end_date: Option<NaiveDate>,
    ended_at: Option<DateTime<Utc>>,
    error: Option<&'a str>,
    exit_code: Option<u8>,
    host: &'a str,
    pid: u32,
    /// How far it has come with the table that it loads, while it is going.
    progress: Option<ProgressView<'a>>,
    /// 32 hexadecimal digits.
    run_id: String,
    running: bool,
    start_date: NaiveDate,
    started_at: DateTime<Utc>,
    /// The tables that it was asked for, in the order of work; `None` if an earlier program began it.
    tables: Option<&'a [String]>,
    waiting: Option<WaitingView<'a>>,
}

#[derive(Serialize)]
struct ProgressView<'a> {
    /// The place of the table among those of the run, from 1.
    number: usize,
    rows: u64,
    rows_expected: Option<u64>,
    table: &'a str,
}

#[derive(Serialize)]
struct WaitingView<'a> {
    error: &'a str,
    next_try_at: DateTime<Utc>,
    since: DateTime<Utc>,
}

#[derive(Serialize)]
struct TableView<'a> {
    /// The months that were loaded and then forgotten.
    forgotten: Vec<String>,
    mode: &'a str,
    name: &'a str,
    /// The days that no window covers, within those of the table and of the last run.
    not_loaded: Vec<DaysView>,
    notes: &'a [String],
    refused: Option<RefusedView<'a>>,
    rows: u64,
    rows_expected: Option<u64>,
    state: &'static str,
    unfollowed_rows: u64,
    windows: Vec<WindowView<'a>>,
}

#[derive(Serialize)]
struct DaysView {
    /// The day after the last.
    end: NaiveDate,
    start: NaiveDate,
}

#[derive(Serialize)]
struct RefusedView<'a> {
    at: DateTime<Utc>,
    error: &'a str,
}

#[derive(Serialize)]
struct WindowView<'a> {
    chunks: u64,
    /// The day after the last.
    end: Option<NaiveDate>,
    error: Option<&'a str>,
    failed: u64,
    mismatched: u64,
    rows: u64,
    rows_expected: Option<u64>,
    stale: u64,
    start: Option<NaiveDate>,
    state: &'static str,
    verified: u64,
    window: String,
}

#[derive(Serialize)]
struct TotalsView {
    chunks: u64,
    failed: u64,
    mismatched: u64,
    rows: u64,
    stale: u64,
    verified: u64,
}

impl View<'_> {
    pub(super) fn of(status: &Status) -> View<'_> {
        let (last, earlier) = match status.passes.split_last() {
            Some((last, earlier)) => (Some(last), earlier),
            None => (None, &[][..]),
        };
        View {
            schema_version: 1,
            earlier_reconciles: earlier.iter().map(PassView::of).collect(),
            forgetting: status.forgetting.iter().map(ForgettingView::of).collect(),
            reconcile: last.map(PassView::of),
            run: status.run.as_ref().map(|run| RunView::of(run, status.progress())),
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
            end_date: range.map(last_day),
            ended_at: pass.ended_at,
            left_out: pass.left_out,
            repaired: pass.repaired,
            repaired_since: status.repaired_since,
            same: pass.same,
            source: pass.source,
            start_date: range.map(|range| range.start),
            started_at: pass.started_at,
            tables: pass.scope.tables.as_deref(),
        }
    }
}

impl<'a> RunView<'a> {
    fn of(run: &'a RunStatus, progress: Option<Progress<'a>>) -> RunView<'a> {
        let record = &run.record;
        RunView {
            end_date: record.range.end.pred_opt(),
            ended_at: record.ended_at,
            error: record.error.as_deref(),
            exit_code: record.exit_code,
            host: &record.host,
            pid: record.pid,
            progress: progress.map(ProgressView::of),
            run_id: format!("{:032x}", record.run_id),
            running: run.running,
            start_date: record.range.start,
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
