//! The status of made-up state files, on screens of several widths.

mod json;
mod pace;

use chrono::{DateTime, Months, NaiveDate, Utc};

use super::windows::{failed, windows};
use super::{grid, text};
use crate::base::text::columns_of;
use crate::checkpoint::{Counts, Pass, PassScope, Refusal, RunRecord};
use crate::cli::screen::Screen;
use crate::model::window::{DateRange, Window};
use crate::status::Condition;
use crate::status::{PassStatus, RunStatus, Status, TableStatus, WindowDifferences, WindowStatus};

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

fn range(first: &str, last: &str) -> DateRange {
    DateRange::inclusive(day(first), day(last)).unwrap()
}

/// The window of a month, such as `2025-10`.
fn month(text: &str) -> Window {
    let first = day(&format!("{text}-01"));
    Window::new(first, first.checked_add_months(Months::new(1)).unwrap()).unwrap()
}

fn window(window: Window, state: Condition, rows: u64) -> WindowStatus {
    WindowStatus {
        window,
        state,
        error: None,
        counts: Counts {
            chunks: 3,
            verified: 3,
            rows,
            ..Counts::default()
        },
        share: None,
        rows_expected: None,
    }
}

/// A dated table with `count` complete months from `first` on, of 1,000 rows each.
fn table(name: &str, first: &str, count: u32) -> TableStatus {
    let first = day(&format!("{first}-01"));
    let months = (0..count).map(|n| first.checked_add_months(Months::new(n)).unwrap());
    TableStatus {
        name: name.to_owned(),
        mode: "monthly".to_owned(),
        is_dated: true,
        windows: months
            .map(|first| {
                let end = first.checked_add_months(Months::new(1)).unwrap();
                window(Window::new(first, end).unwrap(), Condition::Complete, 1_000)
            })
            .collect(),
        ..TableStatus::default()
    }
}

fn reference(name: &str) -> TableStatus {
    TableStatus {
        name: name.to_owned(),
        mode: "full".to_owned(),
        windows: vec![window(Window::All, Condition::Complete, 120)],
        ..TableStatus::default()
    }
}

fn run(tables: &[&str]) -> RunStatus {
    RunStatus {
        record: RunRecord {
            run_id: 10,
            pid: 7,
            host: "till".to_owned(),
            started_at: at("2025-11-20T12:00:00Z"),
            ended_at: None,
            exit_code: None,
            range: range("2025-09-01", "2025-11-30"),
            error: None,
        },
        running: true,
        waiting: None,
        tables: Some(tables.iter().map(|name| (*name).to_owned()).collect()),
        account: None,
    }
}

/// A table of every condition, one that was never loaded, and a reference table, while a run is going.
fn going() -> Status {
    let mut sales = table("SALES", "2023-11", 22);
    sales.windows[3].state = Condition::Mismatched;
    sales.windows[3].error = Some("Table SALES: rows that were read back differ".to_owned());
    for at in [4, 5] {
        sales.windows[at].state = Condition::Failed;
        sales.windows[at].error = Some("Table SALES: error 1105 of the target: the disk is full".to_owned());
    }
    sales.windows[9].state = Condition::Stale;
    (sales.windows[9].counts.stale, sales.windows[9].counts.verified) = (1, 2);
    let mut september = window(month("2025-09"), Condition::Loading, 440);
    (september.share, september.rows_expected) = (Some(0.967), Some(455));
    sales.windows.push(september);
    sales.windows.remove(12);
    sales.forgotten.push(day("2024-11-01"));
    sales
        .windows
        .push(window(Window::Undated, Condition::Complete, 7));
    let mut payment = table("PAYMENT", "2025-10", 1);
    payment
        .windows
        .push(window(month("2025-11"), Condition::Open, 300));
    payment.refused = Some(Refusal {
        table: "PAYMENT".to_owned(),
        at: at("2025-11-19T01:00:00Z"),
        first: "2025-10-01".parse().unwrap(),
        end: "2025-11-01".parse().unwrap(),
        error: "Table PAYMENT: the target has no column AMOUNT; add it".to_owned(),
    });
    let void = TableStatus {
        name: "VOID".to_owned(),
        mode: "monthly".to_owned(),
        is_dated: true,
        ..TableStatus::default()
    };
    Status {
        is_kept: true,
        tables: vec![sales, payment, void, reference("ITEM")],
        run: Some(run(&["SALES", "PAYMENT"])),
        ..Status::default()
    }
}

fn ended(mut status: Status) -> Status {
    let run = status.run.as_mut().unwrap();
    run.running = false;
    run.record.ended_at = Some(at("2025-11-20T13:00:00Z"));
    run.record.exit_code = Some(4);
    for window in status.tables.iter_mut().flat_map(|table| &mut table.windows) {
        if window.state == Condition::Loading {
            window.state = Condition::Planned;
        }
    }
    status
}

#[test]
fn a_run_that_is_going() {
    insta::assert_snapshot!(text::text(&going(), &Screen::wide(100)), @r"
             2023         2024         2025
    Table    JFMAMJJASOND JFMAMJJASOND JFMAMJJASOND  undated    Rows
    SALES              ■■ ■≠XX■■■~■■·■ ■■■■■■■■►○○   ■        21,447
    PAYMENT                                    ○■▄             1,300
    VOID     · not loaded                                          0
    ITEM     ■ whole table                                       120

    ■ complete  ▄ open  · not loaded  ○ planned  ► loading  ~ stale  X failed  ≠ mismatched

    Total: 22,867 rows verified, 77 of 78 chunks so far, 1 stale
    Not loaded: SALES: 2024-11 forgotten
    Not loaded: VOID: nothing is loaded
    Refused: PAYMENT: the target has no column AMOUNT; add it
    Running: 2025-09-01 to 2025-11-30, started 2025-11-20 12:00:00 UTC as process 7 on till
      table 1 of 2, SALES: 6 chunks so far, about 447 of 1,220 rows
    ");
}

#[test]
fn a_run_that_has_ended_with_faults() {
    insta::assert_snapshot!(text::text(&ended(going()), &Screen::wide(80)), @r"
             2023         2024         2025
    Table    JFMAMJJASOND JFMAMJJASOND JFMAMJJASOND  undated    Rows
    SALES              ■■ ■≠XX■■■~■■·■ ■■■■■■■■○··   ■        21,447
    PAYMENT                                    ·■▄             1,300
    VOID     · not loaded                                          0
    ITEM     ■ whole table                                       120

    ■ complete  ▄ open  · not loaded  ○ planned  ~ stale  X failed  ≠ mismatched

    Total: 22,867 rows verified, 77 of 78 chunks so far, 1 stale
    Not loaded: SALES: 2024-11 forgotten
    Not loaded: SALES: 2025-10, 2025-11-01 to 2025-11-20
    Not loaded: PAYMENT: 2025-09
    Not loaded: VOID: nothing is loaded
    Refused: PAYMENT: the target has no column AMOUNT; add it
    Last run: 2025-09-01 to 2025-11-30, started 2025-11-20 12:00:00 UTC as process 7
      on till, ended 2025-11-20 13:00:00 UTC with exit code 4
    The next run loads 1 stale chunk again (SALES 2024-08); retries 2 failed windows
      (SALES 2024-03 to 2024-04 (2 months)); retries 1 mismatched window (SALES
      2024-02); resumes 1 unfinished window (SALES 2025-09); adds to 1 open window
      (PAYMENT 2025-11)
    ");
}

#[test]
fn a_wide_screen_shows_all_months() {
    insta::assert_snapshot!(grid::grid(&going(), &Screen::wide(160)), @r"
             2023         2024         2025
    Table    JFMAMJJASOND JFMAMJJASOND JFMAMJJASOND  undated    Rows
    SALES              ■■ ■≠XX■■■~■■·■ ■■■■■■■■►○○   ■        21,447
    PAYMENT                                    ○■▄             1,300
    VOID     · not loaded                                          0
    ITEM     ■ whole table                                       120

    ■ complete  ▄ open  · not loaded  ○ planned  ► loading  ~ stale  X failed  ≠ mismatched
    ");
}

#[test]
fn years_that_do_not_fit_are_folded_from_the_oldest_on() {
    let mut long = table("SALES", "2016-03", 116);
    long.windows[20].state = Condition::Failed;
    let status = Status {
        tables: vec![
            long,
            table("A_NAME_THAT_IS_LONGER_THAN_A_SCREEN_HAS_ROOM", "2025-01", 3),
            reference("ITEM"),
        ],
        ..Status::default()
    };
    insta::assert_snapshot!(grid::grid(&status, &Screen::wide(100)), @r"
                                      16 17 18 19 20 21 22 23 2024         2025
    Table                                                     JFMAMJJASOND JFMAMJJASOND     Rows
    SALES                             ■  X  ■  ■  ■  ■  ■  ■  ■■■■■■■■■■■■ ■■■■■■■■■■    116,000
    A_NAME_THAT_IS_LONGER_THAN_A_SC…                                       ■■■             3,000
    ITEM                              ■ whole table                                          120

    A_NAME_THAT_IS_LONGER_THAN_A_SCREEN_HAS_ROOM
    ■ complete  X failed
    ");
    insta::assert_snapshot!(grid::grid(&status, &Screen::wide(80)), @r"
                                16 17 18 19 20 21 22 23 24 2025
    Table                                                  JFMAMJJASOND     Rows
    SALES                       ■  X  ■  ■  ■  ■  ■  ■  ■  ■■■■■■■■■■    116,000
    A_NAME_THAT_IS_LONGER_THA…                             ■■■             3,000
    ITEM                        ■ whole table                                120

    A_NAME_THAT_IS_LONGER_THAN_A_SCREEN_HAS_ROOM
    ■ complete  X failed
    ");
    insta::assert_snapshot!(grid::grid(&status, &Screen::wide(60)), @r"
                          16 17 18 19 20 21 22 23 24 25
    Table                                                   Rows
    SALES                 ■  X  ■  ■  ■  ■  ■  ■  ■  ■   116,000
    A_NAME_THAT_IS_LONG…                             ■     3,000
    ITEM                  ■ whole table                      120

    A_NAME_THAT_IS_LONGER_THAN_A_SCREEN_HAS_ROOM
    ■ complete  X failed
    ");
}

#[test]
fn a_hundred_years_are_folded_into_one_where_they_do_not_fit() {
    let status = Status {
        tables: vec![table("SALES", "1926-01", 1200)],
        ..Status::default()
    };
    insta::assert_snapshot!(grid::grid(&status, &Screen::wide(80)), @r"
           <07 07 08 09 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25
    Table                                                                     Rows
    SALES  ■   ■  ■  ■  ■  ■  ■  ■  ■  ■  ■  ■  ■  ■  ■  ■  ■  ■  ■  ■   1,200,000

    ■ complete
    ");
}

#[test]
fn twenty_tables_of_ten_years_fit_on_one_screen() {
    let mut status = ended(going());
    let more =
        (status.tables.len()..20).map(|number| table(&format!("APP_4_TABLE_{number:02}"), "2015-12", 120));
    status.tables.extend(more.collect::<Vec<_>>());
    for columns in [60, 80, 100, 160] {
        let text = text::text(&status, &Screen::wide(columns));
        assert!(
            text.lines().all(|line| columns_of(line) <= columns),
            "{columns}:\n{text}"
        );
        assert!(columns < 100 || text.lines().count() < 40, "{columns}:\n{text}");
    }
}

#[test]
fn colour_changes_no_column() {
    let plain = text::text(&going(), &Screen::wide(100));
    let coloured = text::text(
        &going(),
        &Screen {
            colour: true,
            ..Screen::wide(100)
        },
    );
    let codes = ["0", "1", "2", "31", "33"].map(|code| format!("\u{1b}[{code}m"));
    assert_ne!(plain, coloured);
    let stripped = codes.iter().fold(coloured, |text, code| text.replace(code, ""));
    assert_eq!(plain, stripped);
}

#[test]
fn the_list_of_windows() {
    let mut status = going();
    status.tables[0].windows.drain(..2);
    status.tables[0].windows.drain(4..15);
    insta::assert_snapshot!(windows(&status, &Screen::wide(100)), @r"
    Table    Window   State         Chunks                   Rows  Error
    ───────  ───────  ──────────  ────────  ─────────────────────  ─────────────────────────────────────
    SALES    2024-01  complete           3                  1,000
    SALES    2024-02  mismatched  3 so far                  1,000  rows that were read back differ
    SALES    2024-03  failed      3 so far                  1,000  error 1105 of the target: the disk i…
    SALES    2024-04  failed      3 so far                  1,000  error 1105 of the target: the disk i…
    SALES    2025-05  complete           3                  1,000
    SALES    2025-06  complete           3                  1,000
    SALES    2025-07  complete           3                  1,000
    SALES    2025-08  complete           3                  1,000
    SALES    2025-09  loading     3 so far  about 440 of 455 rows
    SALES    undated  complete           3                      7
    PAYMENT  2025-10  complete           3                  1,000
    PAYMENT  2025-11  open        3 so far                    300
    ITEM     all      complete           3                    120

    SALES 2024-03, SALES 2024-04: error 1105 of the target: the disk is full
    ");
    assert_eq!(
        windows(&Status::default(), &Screen::none()),
        "No window is known.\n"
    );
}

#[test]
fn what_is_failed_and_what_puts_it_right() {
    insta::assert_snapshot!(failed(&ended(going()), &Screen::wide(80)), @r"
    SALES 2024-02: mismatched
      rows that were read back differ
      Run again, and it is not committed until it is equal:
        sync run --start-date 2024-02-01 --end-date 2024-02-29 --tables SALES

    SALES 2024-03 to 2024-04 (2 months): failed
      error 1105 of the target: the disk is full
      Correct that if it is still so, then run:
        sync run --start-date 2024-03-01 --end-date 2024-04-30 --tables SALES

    SALES 2024-08: stale, 1 chunk to load again
      Run:
        sync run --start-date 2024-08-01 --end-date 2024-08-31 --tables SALES

    PAYMENT: refused at 2025-11-19 01:00:00 UTC
      the target has no column AMOUNT; add it
      Correct that, then run:
        sync run --start-date 2025-10-01 --end-date 2025-10-31 --tables PAYMENT
    ");
    assert_eq!(
        failed(&Status::default(), &Screen::none()),
        "Nothing is failed, mismatched, stale, refused or found to differ.\n"
    );
}

#[test]
fn a_run_that_was_killed_or_refused() {
    let mut status = ended(going());
    status.tables.truncate(0);
    let run = status.run.as_mut().unwrap();
    (run.record.ended_at, run.record.exit_code) = (None, None);
    let killed = text::text(&status, &Screen::none());
    assert!(
        killed.contains("on till, was killed or crashed; run again to resume\n"),
        "{killed}"
    );
    let run = status.run.as_mut().unwrap();
    (run.record.ended_at, run.record.exit_code) = (Some(run.record.started_at), Some(2));
    run.record.error = Some("sync.toml, line 3: no such key".to_owned());
    let refused = text::text(&status, &Screen::none());
    assert!(
        refused.contains(" with exit code 2\n  sync.toml, line 3: no such key\n"),
        "{refused}"
    );
    let run = status.run.as_mut().unwrap();
    run.record.exit_code = Some(4);
    run.record.error = Some(crate::base::stop::STOPPED.to_owned());
    let stopped = text::text(&status, &Screen::none());
    assert!(
        stopped.contains(", was stopped, ended ")
            && stopped.contains(
                "with exit code 4\n  The run was asked to stop; run the same command again to resume\n"
            ),
        "{stopped}"
    );
}

#[test]
fn what_a_run_has_repaired_of_a_reconcile_is_told() {
    let pass = |differing, repaired_since| PassStatus {
        pass: Pass {
            id: 1,
            source: true,
            scope: PassScope::default(),
            started_at: at("2025-11-01T00:00:00Z"),
            ended_at: Some(at("2025-11-01T01:00:00Z")),
            same: 5,
            differing,
            repaired: 0,
            left_out: 0,
        },
        found: vec![WindowDifferences {
            table: "SALES".to_owned(),
            window: month("2025-10"),
            differing,
            repaired_since,
        }],
    };
    let status = Status {
        passes: vec![pass(3, 1), pass(3, 3), pass(0, 0)],
        ..Status::default()
    };
    insta::assert_snapshot!(text::text(&status, &Screen::none()), @r"
    Total: 0 rows verified, 0 chunks
    Reconcile with the source: began at 2025-11-01 00:00:00 UTC, 5 chunks the same, 2 not; `sync reconcile --source --repair` repairs those that still differ; 1 that differed was loaded again by a run since
    Reconcile with the source: began at 2025-11-01 00:00:00 UTC, 8 chunks compared, none differs; 3 that differed were loaded again by a run since
    Reconcile with the source: began at 2025-11-01 00:00:00 UTC, 5 chunks compared, none differs
    ");
}

#[test]
fn a_table_that_the_run_comes_to_is_planned() {
    let item = TableStatus {
        windows: Vec::new(),
        ..reference("ITEM")
    };
    let status = Status {
        tables: vec![item],
        run: Some(run(&["ITEM"])),
        ..Status::default()
    };
    let text = text::text(&status, &Screen::wide(80));
    assert!(text.contains("ITEM   ○ whole table"), "{text}");
    assert!(!text.contains("Not loaded"), "{text}");
}
