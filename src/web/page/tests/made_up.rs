//! Made-up facts: tables of every condition, runs that go, wait, ended and were killed, rates, chunks and passes.

use std::time::Duration;

use chrono::{DateTime, Months, NaiveDate, TimeDelta, Utc};

use crate::checkpoint::{Counts, Differing, Pass, PassScope, Refusal, RunRecord};
use crate::model::account::Account;
use crate::model::chunk::{Chunk, ChunkState, KeyBytes, KeyRange};
use crate::model::hours::{Hours, Interval, Wall};
use crate::model::pace::{Action, Cause, Decision, Figures, Hold, Signs};
use crate::model::row::Tally;
use crate::model::stages::{ChunkTiming, Stages};
use crate::model::window::{DateRange, Window};
use crate::status::{
    Condition, Kept, PaceStatus, PassStatus, RunStatus, Status, TableStatus, WindowDifferences, WindowStatus,
};
use crate::web::seen::{ChunkLine, PassDifferences, Rate, Seen, Subject};

pub(super) fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

pub(super) fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

/// The window of a month, such as `2025-10`.
pub(super) fn month(text: &str) -> Window {
    let first = day(&format!("{text}-01"));
    Window::new(first, first.checked_add_months(Months::new(1)).unwrap()).unwrap()
}

pub(super) fn one(window: Window, state: Condition) -> WindowStatus {
    WindowStatus {
        window,
        state,
        error: None,
        counts: Counts {
            chunks: 22,
            verified: 22,
            rows: 440_000,
            bytes: 88_000_000,
            ..Counts::default()
        },
        share: None,
        rows_expected: None,
    }
}

/// A dated table with `count` complete months from `first` on.
pub(super) fn table(name: &str, first: &str, count: u32) -> TableStatus {
    let first = day(&format!("{first}-01"));
    let months = (0..count).map(|n| first.checked_add_months(Months::new(n)).unwrap());
    TableStatus {
        name: name.to_owned(),
        mode: "monthly".to_owned(),
        is_dated: true,
        windows: months
            .map(|first| one(month(&first.format("%Y-%m").to_string()), Condition::Complete))
            .collect(),
        ..TableStatus::default()
    }
}

pub(super) fn reference(name: &str) -> TableStatus {
    TableStatus {
        name: name.to_owned(),
        mode: "full".to_owned(),
        windows: vec![one(Window::All, Condition::Complete)],
        ..TableStatus::default()
    }
}

/// Each condition in a month of its own, days that are not loaded, and a forgotten month.
pub(super) fn sales(name: &str) -> TableStatus {
    let mut sales = table(name, "2024-06", 18);
    let text = format!("Table {name}, window 2024-09: error 1105 of the target: the disk is full");
    let failed = &mut sales.windows[3];
    (failed.state, failed.error) = (Condition::Failed, Some(text));
    (failed.counts.verified, failed.counts.failed) = (3, 1);
    let mismatched = &mut sales.windows[5];
    mismatched.state = Condition::Mismatched;
    mismatched.error = Some(format!("Table {name}: rows that were read back differ"));
    (mismatched.counts.verified, mismatched.counts.mismatched) = (21, 1);
    let stale = &mut sales.windows[8];
    (stale.state, stale.counts.verified, stale.counts.stale) = (Condition::Stale, 20, 2);
    let loading = &mut sales.windows[15];
    (loading.state, loading.share, loading.rows_expected) = (Condition::Loading, Some(0.43), Some(1_020_000));
    let planned = &mut sales.windows[16];
    (planned.state, planned.share, planned.counts.chunks) = (Condition::Planned, Some(0.08), 2);
    planned.counts.verified = 2;
    sales.windows[17].state = Condition::Open;
    sales.windows.remove(10);
    sales.forgotten.push(day("2025-04-01"));
    sales.windows.push(one(Window::Undated, Condition::Complete));
    sales
}

pub(super) fn run(tables: &[&str]) -> RunStatus {
    RunStatus {
        record: RunRecord {
            run_id: 10,
            pid: 4711,
            host: "vm".to_owned(),
            started_at: at("2025-11-20T12:00:00Z"),
            ended_at: None,
            exit_code: None,
            range: DateRange {
                start: day("2024-06-01"),
                end: day("2025-12-01"),
            },
            error: None,
        },
        running: true,
        waiting: None,
        tables: Some(tables.iter().map(|name| (*name).to_owned()).collect()),
        account: None,
    }
}

fn hold(cause: Cause, until: Option<&str>, detail: &str) -> Hold {
    Hold {
        cause,
        since: at("2025-11-20T12:03:00Z"),
        until: until.map(at),
        detail: detail.to_owned(),
    }
}

pub(super) fn figures() -> Figures {
    Figures {
        table: "SALES".to_owned(),
        reading: 1,
        workers: 2,
        max_workers: 4,
        chunk_rows: 8_000,
        chunk_rows_max: 20_000,
        pause_ms: 500,
        rows_per_second: Some(5_000),
        rows_read_per_second: 4_812.4,
        connections: 2,
        signs: Some(Signs {
            lag: Some(Duration::from_secs(12)),
            ..Signs::default()
        }),
        ..Figures::default()
    }
}

/// The figures of a run that a person has paused.
pub(super) fn paused() -> Figures {
    Figures {
        is_paused: true,
        hold: Some(hold(Cause::Pause, None, "a person paused the run")),
        ..figures()
    }
}

pub(super) fn waits_for_hours() -> Hold {
    hold(Cause::Hours, Some("2025-11-20T14:00:00Z"), "outside")
}

pub(super) fn pace() -> PaceStatus {
    let wall = Wall::new("Asia/Kuala_Lumpur".parse().unwrap(), None);
    let intervals = ["22:00-07:00", "Sat,Sun 00:00-24:00"].map(|text| Interval::parse(text).unwrap());
    PaceStatus {
        now: at("2025-11-20T13:00:00Z"),
        wall,
        hours: Hours::new(intervals.into(), wall),
        held: None,
        decisions: vec![Decision {
            at: at("2025-11-20T12:01:05Z"),
            table: "SALES".to_owned(),
            action: Action::ChunkRows {
                from: 20_000,
                to: 8_000,
            },
            why: "20,000 rows took 4.1 s, more than query_ms_target = 2000".to_owned(),
        }],
    }
}

/// An hour of rates, with some minutes in which nobody looked.
fn rates(now: DateTime<Utc>) -> Vec<Rate> {
    let samples = (0..360).filter(|n| !(100..140).contains(n));
    samples
        .map(|n: i32| Rate {
            at: now - TimeDelta::seconds(i64::from(360 - n) * 10),
            read_per_second: 4_000.0 + 900.0 * (f64::from(n) / 20.0).sin(),
            loaded_per_second: 3_700.0 + 1_100.0 * (f64::from(n) / 17.0).cos(),
        })
        .collect()
}

pub(super) fn account(table: &str) -> Account {
    let mut account = Account {
        queries: 1_204,
        rows: 3_400_112,
        received_bytes: 512 << 20,
        reading: Duration::from_secs(840),
        connections_opened: 3,
        connections_most: 2,
        rows_loaded: 3_399_000,
        ..Account::of(table)
    };
    account.waits.add(Cause::Hours, Duration::from_secs(120));
    account
}

fn kept(exit_code: Option<u8>, running: bool, error: Option<&str>) -> Kept {
    let mut record = run(&[]).record;
    record.ended_at = exit_code.map(|_| at("2025-11-20T13:14:30Z"));
    (record.exit_code, record.error) = (exit_code, error.map(str::to_owned));
    Kept {
        record,
        running,
        accounts: vec![Account::default(), account("SALES")],
    }
}

pub(super) fn passes(sales: &str) -> Vec<PassStatus> {
    let whole = Pass {
        id: 1,
        source: false,
        scope: PassScope::default(),
        started_at: at("2025-11-18T01:00:00Z"),
        ended_at: Some(at("2025-11-18T02:00:00Z")),
        same: 2_400,
        differing: 0,
        repaired: 0,
        left_out: 0,
    };
    let narrow = Pass {
        id: 2,
        source: true,
        scope: PassScope {
            tables: Some(vec!["SALES".to_owned(), "PAYMENT".to_owned()]),
            range: None,
        },
        differing: 4,
        ..whole.clone()
    };
    let window = |table: &str, differing, repaired_since| WindowDifferences {
        table: table.to_owned(),
        window: month("2024-11"),
        differing,
        repaired_since,
    };
    let found = vec![window("PAYMENT", 1, 1), window(sales, 3, 1)];
    [(whole, Vec::new()), (narrow, found)]
        .map(|(pass, found)| PassStatus { pass, found })
        .into()
}

/// What a pass left of SALES, and of another table, of which all was loaded again.
pub(super) fn differing(sales: &str) -> Vec<PassDifferences> {
    let of = |table: &str, ordinal| Differing {
        table: table.to_owned(),
        window: month("2024-11"),
        ordinal,
        load_id: 7,
    };
    vec![PassDifferences {
        pass_id: 2,
        chunks: vec![
            of("PAYMENT", Some(0)),
            of(sales, Some(3)),
            of(sales, Some(9)),
            of(sales, None),
        ],
    }]
}

/// A window's chunks, with keys that nobody must see.
pub(super) fn chunks() -> Vec<ChunkLine> {
    let states = [
        ChunkState::Verified,
        ChunkState::Verified,
        ChunkState::Stale,
        ChunkState::Failed,
        ChunkState::Mismatched,
        ChunkState::Planned,
    ];
    let lines = states.into_iter().enumerate().map(|(at_place, state)| ChunkLine {
        chunk: Chunk {
            ordinal: at_place as u32,
            range: KeyRange {
                after: Some(KeyBytes(b"SECRET-KEY-A".to_vec())),
                through: Some(KeyBytes(b"SECRET-KEY-B".to_vec())),
            },
            state,
            tally: Tally {
                row_count: 20_000,
                byte_count: 4_000_000,
                ..Tally::default()
            },
            attempts: 1 + u32::from(state == ChunkState::Failed),
            error: (state == ChunkState::Failed).then(|| "The disk is full".to_owned()),
            load_id: 7,
        },
        // The second one is of a load before.
        timing: (at_place < 2).then(|| ChunkTiming {
            load_id: 7 + at_place as u128,
            committed_at: at("2025-11-20T12:10:00Z"),
            stages: Stages {
                read: Duration::from_millis(1_250),
                stage: Duration::from_millis(310),
                load: Duration::from_millis(940),
            },
        }),
    });
    lines.collect()
}

fn seen(status: Status) -> Seen {
    Seen {
        subject: Subject {
            ends: Some((
                "POS.COM_5013 on replica.example:1433".to_owned(),
                "Warehouse.pos on 127.0.0.1:1433".to_owned(),
            )),
            config: "sync.toml".to_owned(),
            state: "state/checkpoints.redb".to_owned(),
        },
        rates: rates(status.pace.now),
        runs: vec![
            kept(None, true, None),
            kept(None, false, None),
            kept(
                Some(4),
                false,
                Some("Table SALES: error 1105 of the target: the disk is full"),
            ),
            kept(Some(0), false, None),
        ],
        config_error: None,
        status,
    }
}

/// Every condition, a refused table, one that was never loaded, and a reference table, while a run is going.
pub(super) fn going() -> Seen {
    let mut payment = table("PAYMENT", "2025-10", 1);
    payment.windows.push(one(month("2025-11"), Condition::Open));
    payment.refused = Some(Refusal {
        table: "PAYMENT".to_owned(),
        at: at("2025-11-19T01:00:00Z"),
        first: day("2025-10-01"),
        end: day("2025-11-01"),
        error: "Table PAYMENT: the target has no column AMOUNT; add it".to_owned(),
    });
    let void = TableStatus {
        name: "VOID".to_owned(),
        mode: "monthly".to_owned(),
        is_dated: true,
        ..TableStatus::default()
    };
    seen(Status {
        is_kept: true,
        tables: vec![sales("SALES"), payment, void, reference("ITEM")],
        run: Some(run(&["SALES", "PAYMENT"])),
        figures: Some(figures()),
        pace: pace(),
        passes: passes("SALES"),
        ..Status::default()
    })
}

/// The same, once the run has ended with faults.
pub(super) fn ended(mut seen: Seen) -> Seen {
    let run = seen.status.run.as_mut().unwrap();
    run.running = false;
    run.record.ended_at = Some(at("2025-11-20T12:40:00Z"));
    (run.record.exit_code, run.record.error) = (Some(4), Some("1 table is refused".to_owned()));
    seen.status.figures = None;
    for window in seen.status.tables.iter_mut().flat_map(|table| &mut table.windows) {
        if window.state == Condition::Loading {
            window.state = Condition::Planned;
        }
    }
    seen
}

/// No state file, and no configuration.
pub(super) fn nothing() -> Seen {
    Seen {
        rates: Vec::new(),
        runs: Vec::new(),
        ..seen(Status {
            pace: pace(),
            ..Status::default()
        })
    }
}

/// As many tables and months as a page should draw at once, with names of usual length.
pub(super) fn years(tables: usize, months: u32) -> Seen {
    let tables = (0..tables).map(|at| match at {
        0 => sales("APP_4_SALES"),
        _ => table(&format!("APP_4_TABLE_{at:02}"), "2016-01", months),
    });
    let mut tables: Vec<TableStatus> = tables.collect();
    let mut whole = table("APP_4_SALES", "2016-01", months);
    whole.windows.retain(|window| {
        tables[0]
            .windows
            .iter()
            .all(|of| !of.window.overlaps(window.window))
    });
    tables[0].windows.extend(whole.windows);
    seen(Status {
        is_kept: true,
        tables,
        run: Some(run(&["APP_4_SALES"])),
        figures: Some(figures()),
        pace: pace(),
        ..Status::default()
    })
}
