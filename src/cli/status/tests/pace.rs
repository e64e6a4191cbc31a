//! How the source is read: of runs that wait, are paused or slowed down, with their figures and without.

use std::time::Duration;

use super::{at, ended, going};
use crate::base::text::columns_of;
use crate::cli::screen::Screen;
use crate::cli::status::pace::governor;
use crate::cli::status::text;
use crate::model::hours::{Hours, Interval, Wall};
use crate::model::pace::{Action, Cause, Decision, Figures, Hold, Signs};
use crate::status::Status;
use crate::status::{PaceStatus, of_hours, of_work};

fn hold(cause: Cause, until: Option<&str>, detail: &str) -> Hold {
    Hold {
        cause,
        since: at("2025-11-20T12:03:00Z"),
        until: until.map(at),
        detail: detail.to_owned(),
    }
}

fn decision(time: &str, action: Action, why: &str) -> Decision {
    Decision {
        at: at(time),
        table: "SALES".to_owned(),
        action,
        why: why.to_owned(),
    }
}

/// The hours of a source in Kuala Lumpur, an hour before they begin, on a machine elsewhere.
pub(super) fn pace() -> PaceStatus {
    let zone = "Asia/Kuala_Lumpur".parse().unwrap();
    let wall = Wall::new(zone, None);
    let texts = ["22:00-07:00", "Sat,Sun 00:00-24:00"];
    let intervals = texts.iter().map(|text| Interval::parse(text).unwrap());
    PaceStatus {
        now: at("2025-11-20T13:00:00Z"),
        wall,
        hours: Hours::new(intervals.collect(), wall),
        held: Some(hold(Cause::Hours, Some("2025-11-20T14:00:00Z"), "outside")),
        decisions: vec![
            decision(
                "2025-11-19T15:00:00Z",
                Action::Workers { from: 2, to: 1 },
                "of a run before",
            ),
            decision(
                "2025-11-20T12:01:05Z",
                Action::ChunkRows {
                    from: 20_000,
                    to: 8_000,
                },
                "20,000 rows took 4.1 s, more than query_ms_target = 2000",
            ),
            decision("2025-11-20T12:03:00Z", Action::Held(Cause::Hours), "outside"),
        ],
    }
}

pub(super) fn figures() -> Figures {
    Figures {
        table: "SALES".to_owned(),
        is_paused: true,
        hold: Some(hold(Cause::Pause, None, "a person paused the run")),
        reading: 1,
        workers: 1,
        max_workers: 2,
        chunk_rows: 8_000,
        chunk_rows_max: 20_000,
        pause_ms: 500,
        rows_per_second: Some(5_000),
        rows_read_per_second: 4_812.4,
        connections: 2,
        ignores_hours: true,
        signs: Some(Signs {
            lag: Some(Duration::from_secs(12)),
            redo_queue_kib: Some(2_048),
            page_read_ms: Some(8.4),
            blocked_by_us: Some(0),
            ..Signs::default()
        }),
    }
}

fn waiting() -> Status {
    Status {
        pace: pace(),
        ..going()
    }
}

#[test]
fn a_run_that_waits_for_the_hours() {
    let status = waiting();
    for columns in [80, 160] {
        let text = text::text(&status, &Screen::wide(columns));
        assert!(text.lines().all(|line| columns_of(line) <= columns), "{text}");
    }
    let shown = text::text(&status, &Screen::wide(80));
    let (_, shown) = shown.split_once("Running:").unwrap();
    insta::assert_snapshot!(shown, @r"
     2025-09-01 to 2025-11-30, started 2025-11-20 12:00:00 UTC as process 7
      on till
      table 1 of 2, SALES: 6 chunks so far, about 447 of 1,220 rows
      since 20:03, waiting until 22:00 Asia/Kuala_Lumpur for the source's hours;
      `sync tune --ignore-hours` reads at once
      by the governor's last decisions: chunks of at most 8,000 rows
    Hours of the source: 22:00-07:00 and Sat,Sun 00:00-24:00 (Asia/Kuala_Lumpur):
      closed until 22:00
    ");
}

#[test]
fn a_paused_run_tells_its_figures() {
    let status = Status {
        figures: Some(figures()),
        ..waiting()
    };
    let shown = text::text(&status, &Screen::wide(80));
    let (_, shown) = shown.split_once("Running:").unwrap();
    insta::assert_snapshot!(shown, @r"
     2025-09-01 to 2025-11-30, started 2025-11-20 12:00:00 UTC as process 7
      on till
      table 1 of 2, SALES: 6 chunks so far, about 447 of 1,220 rows
      since 20:03 Asia/Kuala_Lumpur, paused: no further read of the source begins;
      `sync resume` ends it
      reads 4,812 of at most 5,000 rows/s, 1 of 1 read under way, 2 connections to
      the source
      1 worker (max_workers 2), chunks of at most 8,000 rows (chunk_rows 20,000), a
      pause of 500 ms between reads
      the source: 12 s behind its primary, 2,048 KiB to redo, 8 ms a page read
    Hours of the source: 22:00-07:00 and Sat,Sun 00:00-24:00 (Asia/Kuala_Lumpur):
      closed until 22:00; this run ignores them
    ");
    let shown = text::text(&status, &Screen::wide(160));
    let (_, shown) = shown.split_once("Running:").unwrap();
    insta::assert_snapshot!(shown, @r"
     2025-09-01 to 2025-11-30, started 2025-11-20 12:00:00 UTC as process 7 on till
      table 1 of 2, SALES: 6 chunks so far, about 447 of 1,220 rows
      since 20:03 Asia/Kuala_Lumpur, paused: no further read of the source begins; `sync resume` ends it
      reads 4,812 of at most 5,000 rows/s, 1 of 1 read under way, 2 connections to the source
      1 worker (max_workers 2), chunks of at most 8,000 rows (chunk_rows 20,000), a pause of 500 ms between reads
      the source: 12 s behind its primary, 2,048 KiB to redo, 8 ms a page read
    Hours of the source: 22:00-07:00 and Sat,Sun 00:00-24:00 (Asia/Kuala_Lumpur): closed until 22:00; this run ignores them
    ");
}

#[test]
fn a_run_at_full_pace_says_so_in_two_lines() {
    let figures = Figures {
        table: "SALES".to_owned(),
        reading: 2,
        workers: 2,
        max_workers: 2,
        chunk_rows: 20_000,
        chunk_rows_max: 20_000,
        rows_read_per_second: 9_500.0,
        connections: 2,
        ..Figures::default()
    };
    let status = Status {
        figures: Some(figures),
        ..going()
    };
    insta::assert_snapshot!(of_work(&status).join("\n"), @r"
    reads 9,500 rows/s, 2 of 2 reads under way, 2 connections to the source
    chunks of at most 20,000 rows
    ");
    assert_eq!(of_hours(&status), None);
}

#[test]
fn a_run_that_is_over_waits_for_nothing() {
    let mut status = ended(waiting());
    // The reader leaves out what a process that is gone waited for.
    status.pace.held = None;
    let text = text::text(&status, &Screen::none());
    assert!(!text.contains("waiting") && !text.contains("governor"), "{text}");
    assert!(
        text.contains(
            "Hours of the source: 22:00-07:00 and Sat,Sun 00:00-24:00 (Asia/Kuala_Lumpur): closed until 22:00\n"
        ),
        "{text}"
    );
}

#[test]
fn what_the_governor_decided() {
    insta::assert_snapshot!(governor(&waiting(), &Screen::wide(80)), @r"
    Running:
      since 20:03, waiting until 22:00 Asia/Kuala_Lumpur for the source's hours;
      `sync tune --ignore-hours` reads at once
      by the governor's last decisions: chunks of at most 8,000 rows
    Hours of the source: 22:00-07:00 and Sat,Sun 00:00-24:00 (Asia/Kuala_Lumpur):
      closed until 22:00

    The last 3 decisions, by the clock of Asia/Kuala_Lumpur:
    2025-11-19 23:00:00 SALES: 1 worker, from 2: of a run before
    2025-11-20 20:01:05 SALES: chunks of 8,000 rows, from 20,000: 20,000 rows took
      4.1 s, more than query_ms_target = 2000
    2025-11-20 20:03:00 SALES: reads wait (hours): outside
    ");
    let nothing = governor(&Status::default(), &Screen::wide(80));
    assert_eq!(
        nothing,
        "No run is going.\n\nThe governor has not decided anything yet.\n"
    );
}
