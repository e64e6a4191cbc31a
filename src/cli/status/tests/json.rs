//! The status as JSON.

use super::{at, day, month, pace, range, run, window};
use crate::checkpoint::{Pass, PassScope, Refusal, Tombstone, Waiting};
use crate::cli::context::json;
use crate::cli::status::view::View;
use crate::status::Condition;
use crate::status::{PassStatus, Status, TableStatus, WindowDifferences};

fn small() -> Status {
    let mut october = window(month("2025-10"), Condition::Stale, 40);
    (october.counts.verified, october.counts.stale) = (2, 1);
    let mut run = run(&["SALES", "ITEM"]);
    run.record.started_at = at("2025-11-02T03:04:05Z");
    run.record.range = range("2025-10-01", "2025-10-31");
    run.waiting = Some(Waiting {
        since: at("2025-11-02T03:05:00.5Z"),
        next_try_at: at("2025-11-02T03:06:00Z"),
        error: "Nobody listens".to_owned(),
    });
    Status {
        is_kept: true,
        tables: vec![TableStatus {
            name: "SALES".to_owned(),
            mode: "monthly".to_owned(),
            is_dated: true,
            notes: vec!["noted".to_owned()],
            unfollowed: 1,
            windows: vec![october, window(month("2025-12"), Condition::Loading, 3)],
            forgotten: vec![day("2025-11-01")],
            refused: Some(Refusal {
                table: "SALES".to_owned(),
                at: at("2025-11-01T03:04:05Z"),
                first: "2025-10-01".parse().unwrap(),
                end: "2025-11-01".parse().unwrap(),
                error: "refused".to_owned(),
            }),
            differing: Vec::new(),
        }],
        run: Some(run),
        figures: Some(pace::figures()),
        pace: pace::pace(),
        forgetting: vec![Tombstone {
            table: "ITEM".to_owned(),
            targets: vec!["t_ITEM".to_owned()],
            month: Some(day("2025-09-01")),
            database: None,
        }],
        passes: vec![PassStatus {
            pass: Pass {
                id: 1,
                source: true,
                scope: PassScope {
                    tables: Some(vec!["SALES".to_owned()]),
                    range: Some(range("2025-10-01", "2025-10-31")),
                },
                started_at: at("2025-11-01T00:00:00Z"),
                ended_at: None,
                same: 5,
                differing: 1,
                repaired: 3,
                left_out: 2,
            },
            found: vec![WindowDifferences {
                table: "SALES".to_owned(),
                window: month("2025-10"),
                differing: 1,
                repaired_since: 1,
            }],
        }],
    }
}

#[test]
fn a_status_as_json() {
    insta::assert_snapshot!(json(&View::of(&small())), @r#"
    {
      "schema_version": 1,
      "earlier_reconciles": [],
      "forgetting": [
        {
          "month": "2025-09-01",
          "table": "ITEM"
        }
      ],
      "pace": {
        "decisions": [
          {
            "action": "workers",
            "at": "2025-11-19T15:00:00Z",
            "cause": null,
            "from": 2,
            "rows": null,
            "table": "SALES",
            "to": 1,
            "took_ms": null,
            "why": "of a run before"
          },
          {
            "action": "chunk_rows",
            "at": "2025-11-20T12:01:05Z",
            "cause": null,
            "from": 20000,
            "rows": null,
            "table": "SALES",
            "to": 8000,
            "took_ms": null,
            "why": "20,000 rows took 4.1 s, more than query_ms_target = 2000"
          },
          {
            "action": "held",
            "at": "2025-11-20T12:03:00Z",
            "cause": "hours",
            "from": null,
            "rows": null,
            "table": "SALES",
            "to": null,
            "took_ms": null,
            "why": "outside"
          }
        ],
        "figures": {
          "chunk_rows": 8000,
          "chunk_rows_max": 20000,
          "connections": 2,
          "ignores_hours": true,
          "max_workers": 2,
          "pause_ms": 500,
          "paused": true,
          "reading": 1,
          "rows_per_second": 5000,
          "rows_read_per_second": 4812.4,
          "signs": {
            "blocked_by_us": 0,
            "lag_ms": 12000,
            "log_write_ms": null,
            "page_read_ms": 8.4,
            "redo_queue_kib": 2048,
            "send_queue_kib": null,
            "starved": null
          },
          "table": "SALES",
          "workers": 1
        },
        "held": {
          "cause": "pause",
          "detail": "a person paused the run",
          "since": "2025-11-20T12:03:00Z",
          "until": null
        },
        "hours": {
          "allow": [
            "22:00-07:00",
            "Sat,Sun 00:00-24:00"
          ],
          "open": false,
          "time_zone": "Asia/Kuala_Lumpur",
          "until": "2025-11-20T14:00:00Z"
        }
      },
      "reconcile": {
        "differing": 1,
        "end_date": "2025-10-31",
        "ended_at": null,
        "left_out": 2,
        "repaired": 3,
        "repaired_since": 1,
        "same": 5,
        "source": true,
        "start_date": "2025-10-01",
        "started_at": "2025-11-01T00:00:00Z",
        "tables": [
          "SALES"
        ]
      },
      "run": {
        "account": null,
        "end_date": "2025-10-31",
        "ended_at": null,
        "error": null,
        "exit_code": null,
        "host": "till",
        "pid": 7,
        "progress": {
          "number": 1,
          "rows": 40,
          "rows_expected": null,
          "table": "SALES"
        },
        "run_id": "0000000000000000000000000000000a",
        "running": true,
        "start_date": "2025-10-01",
        "started_at": "2025-11-02T03:04:05Z",
        "tables": [
          "SALES",
          "ITEM"
        ],
        "waiting": {
          "error": "Nobody listens",
          "next_try_at": "2025-11-02T03:06:00Z",
          "since": "2025-11-02T03:05:00.500Z"
        }
      },
      "tables": [
        {
          "forgotten": [
            "2025-11"
          ],
          "mode": "monthly",
          "name": "SALES",
          "not_loaded": [
            {
              "end": "2025-12-01",
              "start": "2025-11-01"
            }
          ],
          "notes": [
            "noted"
          ],
          "refused": {
            "at": "2025-11-01T03:04:05Z",
            "error": "refused"
          },
          "rows": 43,
          "rows_expected": null,
          "state": "stale",
          "unfollowed_rows": 1,
          "windows": [
            {
              "chunks": 3,
              "end": "2025-11-01",
              "error": null,
              "failed": 0,
              "mismatched": 0,
              "rows": 40,
              "rows_expected": null,
              "stale": 1,
              "start": "2025-10-01",
              "state": "stale",
              "verified": 2,
              "window": "2025-10"
            },
            {
              "chunks": 3,
              "end": "2026-01-01",
              "error": null,
              "failed": 0,
              "mismatched": 0,
              "rows": 3,
              "rows_expected": null,
              "stale": 0,
              "start": "2025-12-01",
              "state": "loading",
              "verified": 3,
              "window": "2025-12"
            }
          ]
        }
      ],
      "totals": {
        "chunks": 6,
        "failed": 0,
        "mismatched": 0,
        "rows": 43,
        "stale": 1,
        "verified": 5
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
      "pace": {
        "decisions": [],
        "figures": null,
        "held": null,
        "hours": null
      },
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
