//! The status as JSON. Fields are declared in the order in which they are printed.

use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;

use super::facts::{RunStatus, Status, TableStatus, WindowStatus};
use crate::checkpoint::{Counts, Pass, Waiting};
use crate::cli::shared::ForgettingView;
use crate::progress::last_day;

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct View<'a> {
    /// The passes of `sync reconcile` before the last one that are kept.
    earlier_reconciles: Vec<PassView<'a>>,
    forgetting: Vec<ForgettingView<'a>>,
    reconcile: Option<PassView<'a>>,
    run: Option<RunView<'a>>,
    tables: Vec<TableView<'a>>,
    totals: TotalsView,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct PassView<'a> {
    differing: u64,
    /// The last day, included; `None` for all dates.
    end_date: Option<NaiveDate>,
    ended_at: Option<DateTime<Utc>>,
    left_out: u64,
    repaired: u64,
    same: u64,
    source: bool,
    start_date: Option<NaiveDate>,
    started_at: DateTime<Utc>,
    /// `None` for all tables.
    tables: Option<&'a [String]>,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct RunView<'a> {
    /// The last day, included.
    end_date: Option<NaiveDate>,
    ended_at: Option<DateTime<Utc>>,
    error: Option<&'a str>,
    exit_code: Option<u8>,
    host: &'a str,
    pid: u32,
    /// 32 hexadecimal digits.
    run_id: String,
    running: bool,
    start_date: NaiveDate,
    started_at: DateTime<Utc>,
    waiting: Option<WaitingView<'a>>,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct WaitingView<'a> {
    error: &'a str,
    next_try_at: DateTime<Utc>,
    since: DateTime<Utc>,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct TableView<'a> {
    mode: &'a str,
    name: &'a str,
    notes: &'a [String],
    rows: u64,
    unfollowed_rows: u64,
    windows: Vec<WindowView<'a>>,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct WindowView<'a> {
    chunks: u64,
    end: Option<&'a str>,
    error: Option<&'a str>,
    failed: u64,
    mismatched: u64,
    rows: u64,
    stale: u64,
    start: Option<&'a str>,
    state: &'static str,
    verified: u64,
    window: &'a str,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
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
            earlier_reconciles: earlier.iter().map(PassView::of).collect(),
            forgetting: status.forgetting.iter().map(ForgettingView::of).collect(),
            reconcile: last.map(PassView::of),
            run: status.run.as_ref().map(RunView::of),
            tables: status.tables.iter().map(TableView::of).collect(),
            totals: TotalsView::of(status.totals()),
        }
    }
}

impl PassView<'_> {
    fn of(pass: &Pass) -> PassView<'_> {
        let range = pass.scope.range;
        PassView {
            differing: pass.differing,
            end_date: range.map(last_day),
            ended_at: pass.ended_at,
            left_out: pass.left_out,
            repaired: pass.repaired,
            same: pass.same,
            source: pass.source,
            start_date: range.map(|range| range.start),
            started_at: pass.started_at,
            tables: pass.scope.tables.as_deref(),
        }
    }
}

impl RunView<'_> {
    fn of(run: &RunStatus) -> RunView<'_> {
        let record = &run.record;
        RunView {
            end_date: record.range.end.pred_opt(),
            ended_at: record.ended_at,
            error: record.error.as_deref(),
            exit_code: record.exit_code,
            host: &record.host,
            pid: record.pid,
            run_id: format!("{:032x}", record.run_id),
            running: run.running,
            start_date: record.range.start,
            started_at: record.started_at,
            waiting: run.waiting.as_ref().map(WaitingView::of),
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

impl TableView<'_> {
    fn of(table: &TableStatus) -> TableView<'_> {
        TableView {
            mode: &table.mode,
            name: &table.name,
            notes: &table.notes,
            rows: table.counts().rows,
            unfollowed_rows: table.unfollowed,
            windows: table.windows.iter().map(WindowView::of).collect(),
        }
    }
}

impl WindowView<'_> {
    fn of(window: &WindowStatus) -> WindowView<'_> {
        let counts = window.counts;
        WindowView {
            chunks: counts.chunks,
            end: window.dates.as_ref().map(|(_, end)| end.as_str()),
            error: window.error.as_deref(),
            failed: counts.failed,
            mismatched: counts.mismatched,
            rows: counts.rows,
            stale: counts.stale,
            start: window.dates.as_ref().map(|(start, _)| start.as_str()),
            state: window.state,
            verified: counts.verified,
            window: &window.window,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::{PassScope, RunRecord, Tombstone};
    use crate::cli::context::json;
    use crate::model::window::DateRange;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    fn table() -> TableStatus {
        let window = WindowStatus {
            window: "2025-10".to_owned(),
            dates: Some(("2025-10-01".to_owned(), "2025-11-01".to_owned())),
            state: "complete",
            error: None,
            counts: Counts {
                chunks: 3,
                verified: 2,
                stale: 1,
                rows: 40,
                ..Counts::default()
            },
        };
        TableStatus {
            name: "SALES".to_owned(),
            mode: "monthly".to_owned(),
            notes: vec!["noted".to_owned()],
            unfollowed: 1,
            windows: vec![window],
        }
    }

    fn run() -> RunStatus {
        RunStatus {
            record: RunRecord {
                run_id: 10,
                pid: 7,
                host: "till".to_owned(),
                started_at: at("2025-11-02T03:04:05Z"),
                ended_at: None,
                exit_code: None,
                range: DateRange::inclusive(day("2025-10-01"), day("2025-10-31")).unwrap(),
                error: None,
            },
            running: true,
            waiting: Some(Waiting {
                since: at("2025-11-02T03:05:00.5Z"),
                next_try_at: at("2025-11-02T03:06:00Z"),
                error: "Nobody listens".to_owned(),
            }),
        }
    }

    fn status() -> Status {
        Status {
            tables: vec![table()],
            run: Some(run()),
            forgetting: vec![Tombstone {
                table: "ITEM".to_owned(),
                targets: vec!["t_ITEM".to_owned()],
                month: Some(day("2025-09-01")),
            }],
            passes: vec![Pass {
                id: 1,
                source: true,
                scope: PassScope {
                    tables: Some(vec!["SALES".to_owned()]),
                    range: Some(DateRange::inclusive(day("2025-10-01"), day("2025-10-31")).unwrap()),
                },
                started_at: at("2025-11-01T00:00:00Z"),
                ended_at: None,
                same: 5,
                differing: 1,
                repaired: 3,
                left_out: 2,
            }],
        }
    }

    #[test]
    fn a_status_as_json() {
        insta::assert_snapshot!(json(&View::of(&status())), @r#"
        {
          "schema_version": 1,
          "earlier_reconciles": [],
          "forgetting": [
            {
              "month": "2025-09-01",
              "table": "ITEM"
            }
          ],
          "reconcile": {
            "differing": 1,
            "end_date": "2025-10-31",
            "ended_at": null,
            "left_out": 2,
            "repaired": 3,
            "same": 5,
            "source": true,
            "start_date": "2025-10-01",
            "started_at": "2025-11-01T00:00:00Z",
            "tables": [
              "SALES"
            ]
          },
          "run": {
            "end_date": "2025-10-31",
            "ended_at": null,
            "error": null,
            "exit_code": null,
            "host": "till",
            "pid": 7,
            "run_id": "0000000000000000000000000000000a",
            "running": true,
            "start_date": "2025-10-01",
            "started_at": "2025-11-02T03:04:05Z",
            "waiting": {
              "error": "Nobody listens",
              "next_try_at": "2025-11-02T03:06:00Z",
              "since": "2025-11-02T03:05:00.500Z"
            }
          },
          "tables": [
            {
              "mode": "monthly",
              "name": "SALES",
              "notes": [
                "noted"
              ],
              "rows": 40,
              "unfollowed_rows": 1,
              "windows": [
                {
                  "chunks": 3,
                  "end": "2025-11-01",
                  "error": null,
                  "failed": 0,
                  "mismatched": 0,
                  "rows": 40,
                  "stale": 1,
                  "start": "2025-10-01",
                  "state": "complete",
                  "verified": 2,
                  "window": "2025-10"
                }
              ]
            }
          ],
          "totals": {
            "chunks": 3,
            "failed": 0,
            "mismatched": 0,
            "rows": 40,
            "stale": 1,
            "verified": 2
          }
        }
        "#);
    }

    #[test]
    fn an_empty_status_as_json() {
        insta::assert_snapshot!(json(&View::of(&Status::default())), @r#"
        {
          "schema_version": 1,
          "earlier_reconciles": [],
          "forgetting": [],
          "reconcile": null,
          "run": null,
          "tables": [],
          "totals": {
            "chunks": 0,
            "failed": 0,
            "mismatched": 0,
            "rows": 0,
            "stale": 0,
            "verified": 0
          }
        }
        "#);
    }

    #[test]
    fn the_schema_is_kept() {
        crate::cli::schema::assert_kept::<View<'_>>("status");
    }
}
