//! Output and exit codes of the counts.

use super::*;
use crate::cli::screen::Screen;

fn counted(name: &str, source: u64, target: Option<u64>) -> Count {
    Count {
        table: name.to_owned(),
        mode: Mode::Monthly,
        rows: Rows::Counted { source, target },
        windows: Vec::new(),
    }
}

fn month(month: u32) -> Window {
    let day = |month| NaiveDate::from_ymd_opt(2025, month, 1).unwrap();
    Window::new(day(month), day(month + 1)).unwrap()
}

/// The counts as Markdown.
fn shown(counts: &[Count]) -> String {
    markdown(&tabled(counts))
}

fn all(counts: &[Count]) -> Counted {
    Counted {
        counts: counts.to_vec(),
        unfinished: Vec::new(),
        errors: Vec::new(),
    }
}

fn exit_of(counts: &[Count]) -> ExitCode {
    all(counts).exit()
}

#[test]
fn the_table_of_the_work_log() {
    let counts = [
        ("APP_4_SALES", 44_579),
        ("APP_4_SALESITEM", 227_418),
        ("APP_4_PAYMENT", 44_125),
        ("APP_4_VOIDSALESITEM", 2_912),
        ("APP_4_SALESCREDITNOTE", 0),
        ("APP_4_SALESCREDITNOTEITEM", 0),
        ("APP_4_SALESDEBITNOTE", 0),
        ("APP_4_SALESDEBITNOTEITEM", 0),
        ("APP_4_EPAYMENTLOG", 0),
        ("APP_4_VOUCHER", 73_670),
    ]
    .map(|(name, rows)| counted(name, rows, Some(rows)));
    insta::assert_snapshot!(shown(&counts), @r"
    | Table                     | Row Count   | Status |
    | ------------------------- | ----------- | ------ |
    | APP_4_SALES               | 44,579      | ✓      |
    | APP_4_SALESITEM           | 227,418     | ✓      |
    | APP_4_PAYMENT             | 44,125      | ✓      |
    | APP_4_VOIDSALESITEM       | 2,912       | ✓      |
    | APP_4_SALESCREDITNOTE     | 0           | ○      |
    | APP_4_SALESCREDITNOTEITEM | 0           | ○      |
    | APP_4_SALESDEBITNOTE      | 0           | ○      |
    | APP_4_SALESDEBITNOTEITEM  | 0           | ○      |
    | APP_4_EPAYMENTLOG         | 0           | ○      |
    | APP_4_VOUCHER             | 73,670      | ✓      |
    | **TOTAL**                 | **392,704** |        |
    ");
    assert_eq!(exit_of(&counts), ExitCode::Done);
}

#[test]
fn a_difference_is_marked_and_ends_with_3() {
    let counts = [
        counted("A", 10, Some(9)),
        counted("B", 0, None),
        counted("C", 1000, None),
    ];
    insta::assert_snapshot!(shown(&counts), @r"
    | Table     | Row Count | Status          |
    | --------- | --------- | --------------- |
    | A         | 9         | ✗ source: 10    |
    | B         | 0         | ○               |
    | C         | 0         | ✗ source: 1,000 |
    | **TOTAL** | **9**     |                 |
    ");
    assert_eq!(exit_of(&counts), ExitCode::Mismatch);
    insta::assert_snapshot!(json(&CountsView::of(&all(&counts[..2]))), @r#"
    {
      "schema_version": 1,
      "equal": false,
      "exit_code": 3,
      "tables": [
        {
          "equal": false,
          "error": null,
          "mode": "monthly",
          "name": "A",
          "source": 10,
          "state": "different",
          "target": 9,
          "windows": []
        },
        {
          "equal": true,
          "error": null,
          "mode": "monthly",
          "name": "B",
          "source": 0,
          "state": "empty",
          "target": null,
          "windows": []
        }
      ],
      "totals": {
        "source": 10,
        "target": 9
      }
    }
    "#);
}

#[test]
fn a_table_of_which_nothing_is_loaded_is_neither_equal_nor_empty() {
    let bare = |name: &str, rows| Count {
        rows,
        ..counted(name, 0, None)
    };
    let counts = [
        counted("A", 10, Some(10)),
        bare("B", Rows::NotLoaded),
        bare("C", Rows::NotComplete),
    ];
    insta::assert_snapshot!(shown(&counts), @r"
    | Table     | Row Count | Status       |
    | --------- | --------- | ------------ |
    | A         | 10        | ✓            |
    | B         | –         | not loaded   |
    | C         | –         | not complete |
    | **TOTAL** | **10**    |              |
    ");
    assert_eq!(exit_of(&counts), ExitCode::Incomplete);
    assert_eq!(exit_of(&counts[..1]), ExitCode::Done);
    assert_eq!(exit_of(&counts[2..]), ExitCode::Done, "it may still be open");
    assert_eq!(all(&counts[1..]).are_equal(), None);
    insta::assert_snapshot!(json(&CountsView::of(&all(&counts[1..2]))), @r#"
    {
      "schema_version": 1,
      "equal": null,
      "exit_code": 4,
      "tables": [
        {
          "equal": null,
          "error": null,
          "mode": "monthly",
          "name": "B",
          "source": null,
          "state": "not loaded",
          "target": null,
          "windows": []
        }
      ],
      "totals": {
        "source": 0,
        "target": 0
      }
    }
    "#);
    assert_eq!(all(&counts).are_equal(), None, "not all of it is loaded");
    assert_eq!(all(&counts[..1]).are_equal(), Some(true));
    let differ = [counted("A", 1, Some(2)), bare("B", Rows::NotLoaded)];
    assert_eq!(exit_of(&differ), ExitCode::Mismatch);
}

#[test]
fn a_line_a_window() {
    let five = Rows::Counted {
        source: 5,
        target: Some(5),
    };
    let windows = [month(10), month(11), Window::Undated].map(|window| (window, five));
    let counts = [Count {
        windows: windows.to_vec(),
        ..counted("A", 15, Some(15))
    }];
    insta::assert_snapshot!(shown(&counts), @r"
    | Table     | Row Count | Status |
    | --------- | --------- | ------ |
    | A 2025-10 | 5         | ✓      |
    | A 2025-11 | 5         | ✓      |
    | A undated | 5         | ✓      |
    | **TOTAL** | **15**    |        |
    ");
    insta::assert_snapshot!(json(&CountsView::of(&all(&counts))), @r#"
    {
      "schema_version": 1,
      "equal": true,
      "exit_code": 0,
      "tables": [
        {
          "equal": true,
          "error": null,
          "mode": "monthly",
          "name": "A",
          "source": 15,
          "state": "equal",
          "target": 15,
          "windows": [
            {
              "equal": true,
              "source": 5,
              "state": "equal",
              "target": 5,
              "window": "2025-10"
            },
            {
              "equal": true,
              "source": 5,
              "state": "equal",
              "target": 5,
              "window": "2025-11"
            },
            {
              "equal": true,
              "source": 5,
              "state": "equal",
              "target": 5,
              "window": "undated"
            }
          ]
        }
      ],
      "totals": {
        "source": 15,
        "target": 15
      }
    }
    "#);
}

#[test]
fn months_that_are_not_loaded_have_a_line_of_their_own() {
    let left = [8, 9, 11].map(|number| (month(number), Rows::NotLoaded));
    let open = (month(10), Rows::NotComplete);
    let counts = [Count {
        windows: left.into_iter().chain([open]).collect(),
        ..counted("A", 15, Some(15))
    }];
    insta::assert_snapshot!(shown(&counts), @r"
    | Table                           | Row Count | Status       |
    | ------------------------------- | --------- | ------------ |
    | A                               | 15        | ✓            |
    | A 2025-10                       | –         | not complete |
    | A 2025-08 to 2025-09 (2 months) | –         | not loaded   |
    | A 2025-11                       | –         | not loaded   |
    | **TOTAL**                       | **15**    |              |
    ");
    insta::assert_snapshot!(text(&tabled(&counts), &Screen::wide(80)), @r"
    Table                            Row Count  Status
    ───────────────────────────────  ─────────  ────────────
    A                                       15  ✓
    A 2025-10                                –  not complete
    A 2025-08 to 2025-09 (2 months)          –  not loaded
    A 2025-11                                –  not loaded
    TOTAL                                   15
    ");
}

#[test]
fn windows_that_touch_are_one() {
    let day = |d| NaiveDate::from_ymd_opt(2025, 10, d).unwrap();
    let windows = [(1, 3), (3, 5), (7, 8)].map(|(a, b)| Window::new(day(a), day(b)).unwrap());
    let dates = |a, b| {
        Extent::Dates(Bounds {
            start: midnight(day(a)),
            end: midnight(day(b)),
        })
    };
    assert_eq!(
        joined(windows.into_iter().chain([Window::Undated])),
        [dates(1, 5), dates(7, 8), Extent::Undated]
    );
}

#[test]
fn the_schema_is_kept() {
    crate::cli::schema::assert_kept::<CountsView<'_>>("counts");
}
