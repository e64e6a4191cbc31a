//! The plan as text and as JSON.

use super::*;
use crate::base::error::{Error, ErrorKind};
use crate::checkpoint::{LoadRate, Tombstone};
use crate::cli::screen::Screen;
use crate::config::Mode;
use crate::model::plan::AccessPath;
use crate::model::table::TableName;
use crate::model::window::Window;
use crate::run::{Found, RefreshWay, TablePreview, Undated, WindowPreview, Work};

fn preview(name: &str, mode: Mode, found: Result<Found>) -> TablePreview {
    let id = |name: &str| Identifier::new(name).unwrap();
    TablePreview {
        name: name.to_owned(),
        mode,
        target: TableName {
            schema: id("dbo"),
            name: id(&format!("t_{name}")),
        },
        found,
    }
}

fn month(text: &str) -> Window {
    let first: chrono::NaiveDate = format!("{text}-01").parse().unwrap();
    Window::new(first, first + chrono::Months::new(1)).unwrap()
}

fn found(windows: Vec<WindowPreview>) -> Found {
    Found {
        target_exists: true,
        key: vec!["ID".to_owned(), "NO".to_owned()],
        access_path: AccessPath::Key,
        rows_estimated: Some(7000),
        rows_to_read: Some(6000),
        bytes_to_read: Some(600_000),
        undated: Undated::Counted(2),
        notes: vec!["noted".to_owned()],
        windows,
        way: None,
    }
}

fn refused() -> Error {
    Error::new(ErrorKind::Plan, "The key was changed")
}

const RATE: Option<LoadRate> = Some(LoadRate {
    at: chrono::DateTime::UNIX_EPOCH,
    rows: 20_000,
    elapsed_ms: 10_000,
});

#[test]
fn a_plan_as_json() {
    let windows = vec![WindowPreview {
        window: month("2025-10"),
        work: Work::PutRight(1),
        rows: 5,
    }];
    let found = Found {
        way: Some(RefreshWay::InPlace(vec!["2 triggers".to_owned()])),
        ..found(windows)
    };
    let previews = [
        preview("ITEM", Mode::Full, Ok(found)),
        preview("SALES", Mode::Monthly, Err(refused())),
    ];
    let tombstone = Tombstone {
        table: "SALES".to_owned(),
        targets: Vec::new(),
        month: Some("2025-10-01".parse().unwrap()),
        database: None,
    };
    let estimate = Estimate::of(&previews, RATE);
    insta::assert_snapshot!(json(&View::of(&previews, &[tombstone], &estimate, None)), @r#"
    {
      "schema_version": 1,
      "exit_code": 6,
      "forgetting": [
        {
          "month": "2025-10-01",
          "table": "SALES"
        }
      ],
      "hours": null,
      "tables": [
        {
          "access_path": "key",
          "bytes_to_read": 600000,
          "goes_on": null,
          "in_place_because": [
            "2 triggers"
          ],
          "key": [
            "ID",
            "NO"
          ],
          "mode": "full",
          "name": "ITEM",
          "notes": [
            "noted"
          ],
          "rows": 5,
          "rows_estimated": 7000,
          "rows_to_read": 6000,
          "state": "to do",
          "swap": false,
          "target": "dbo.t_ITEM",
          "target_exists": true,
          "undated_possible": true,
          "undated_rows": 2,
          "windows": [
            {
              "rows": 5,
              "window": "2025-10",
              "work": "put right"
            }
          ]
        },
        {
          "changed": true,
          "error": "The key was changed",
          "mode": "monthly",
          "name": "SALES",
          "state": "refused",
          "target": "dbo.t_SALES"
        }
      ],
      "totals": {
        "bytes_to_read": 600000,
        "rows_per_second": 2000,
        "rows_to_read": 6000,
        "seconds_to_read": 3,
        "windows_to_load": 1
      }
    }
    "#);
}

#[test]
fn a_plan_as_text() {
    let at = |window, work, rows| WindowPreview { window, work, rows };
    let complete = vec![
        at(month("2025-09"), Work::Nothing, 10),
        at(month("2025-10"), Work::Nothing, 20),
    ];
    let idle = Found {
        notes: Vec::new(),
        rows_to_read: Some(0),
        bytes_to_read: Some(0),
        ..found(complete.clone())
    };
    let mut windows = complete;
    windows.push(at(month("2025-11"), Work::GoOn, 5));
    windows.push(at(month("2025-12"), Work::Load, 0));
    windows.push(at(month("2026-01"), Work::Load, 0));
    windows.push(at(month("2026-02"), Work::ToCome, 0));
    let missing = Found {
        target_exists: false,
        way: Some(RefreshWay::Swap { goes_on: false }),
        undated: Undated::Impossible,
        ..found(vec![at(Window::All, Work::Load, 0)])
    };
    let previews = [
        preview("DONE", Mode::Monthly, Ok(idle)),
        preview("SALES", Mode::Monthly, Ok(found(windows))),
        preview("ITEM", Mode::Full, Ok(missing)),
        preview("VOID", Mode::Monthly, Err(refused())),
    ];
    let told = |previews: &[TablePreview], rate, screen| {
        text(&screen, previews, &[], &Estimate::of(previews, rate), None)
    };
    insta::assert_snapshot!(told(&previews, RATE, Screen::none()), @r"
    DONE (monthly) into dbo.t_DONE: complete 2025-09 to 2025-10 (2 months), 30 rows verified
    SALES (monthly) into dbo.t_SALES: there already
      about 7,000 rows at the source, read in the order ID, NO (key)
      2 rows without a date: window `undated`
      complete: 2025-09 to 2025-10 (2 months), 30 rows verified
      to be resumed: 2025-11, 5 rows verified
      to be loaded: 2025-12 to 2026-01 (2 months)
      still to come: 2026-02
      noted
    ITEM (full) into dbo.t_ITEM: to be made
      about 7,000 rows at the source, read in the order ID, NO (key)
      loaded whole into a shadow table, which then takes its place
      to be loaded: all
      noted
    VOID (monthly) into dbo.t_VOID
      cannot be worked on: The key was changed

    4 windows to load, of 4 tables, 1 table cannot be worked on.
    At most about 12,000 rows (1.14 MiB), which take about 6.0 s at the rate of the run that ended on 1970-01-01 (2,000 rows/s).
    Nothing was written; `sync run` with the same arguments does it.
    ");
    insta::assert_snapshot!(told(&previews[..1], RATE, Screen::none()), @r"
    DONE (monthly) into dbo.t_DONE: complete 2025-09 to 2025-10 (2 months), 30 rows verified

    Nothing to load, of 1 table.
    Nothing was written.
    ");
    let narrow = told(&previews, None, Screen::wide(60));
    assert!(narrow.lines().all(|line| line.chars().count() <= 60), "{narrow}");
    assert!(!narrow.contains("at the rate"), "{narrow}");
}

#[test]
fn the_schema_is_kept() {
    crate::cli::schema::assert_kept::<View<'_>>("plan");
}
