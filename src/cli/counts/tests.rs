//! Output and exit codes of the counts.

use super::*;

fn counted(name: &str, source: u64, target: Option<u64>) -> Count {
    Count {
        table: name.to_owned(),
        window: None,
        rows: Rows::Counted { source, target },
    }
}

fn exit_of(counts: &[Count]) -> ExitCode {
    let counted = Counted {
        counts: counts.to_vec(),
        unfinished: Vec::new(),
    };
    counted.exit()
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
    insta::assert_snapshot!(text(&counts), @r"
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
    insta::assert_snapshot!(text(&counts), @r"
    | Table     | Row Count | Status          |
    | --------- | --------- | --------------- |
    | A         | 9         | ✗ source: 10    |
    | B         | 0         | ○               |
    | C         | 0         | ✗ source: 1,000 |
    | **TOTAL** | **9**     |                 |
    ");
    assert_eq!(exit_of(&counts), ExitCode::Mismatch);
    insta::assert_snapshot!(json(&CountsView::of(&counts[..2])), @r#"
    {
      "schema_version": 1,
      "equal": false,
      "tables": [
        {
          "equal": false,
          "name": "A",
          "source": 10,
          "status": "different",
          "target": 9
        },
        {
          "equal": true,
          "name": "B",
          "source": 0,
          "status": "empty",
          "target": null
        }
      ],
      "total": {
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
    insta::assert_snapshot!(text(&counts), @r"
    | Table     | Row Count | Status       |
    | --------- | --------- | ------------ |
    | A         | 10        | ✓            |
    | B         | 0         | not loaded   |
    | C         | 0         | not complete |
    | **TOTAL** | **10**    |              |
    ");
    assert_eq!(exit_of(&counts), ExitCode::Incomplete);
    assert_eq!(exit_of(&counts[..1]), ExitCode::Done);
    assert_eq!(exit_of(&counts[2..]), ExitCode::Done, "it may still be open");
    assert_eq!(are_equal(&counts[1..]), None);
    insta::assert_snapshot!(json(&CountsView::of(&counts[1..2])), @r#"
    {
      "schema_version": 1,
      "equal": null,
      "tables": [
        {
          "equal": null,
          "name": "B",
          "source": null,
          "status": "not loaded",
          "target": null
        }
      ],
      "total": {
        "source": 0,
        "target": 0
      }
    }
    "#);
    assert_eq!(CountsView::of(&counts).equal, Some(true));
    let differ = [counted("A", 1, Some(2)), bare("B", Rows::NotLoaded)];
    assert_eq!(exit_of(&differ), ExitCode::Mismatch);
}

#[test]
fn a_line_a_window() {
    let month = |month| {
        let day = |month| NaiveDate::from_ymd_opt(2025, month, 1).unwrap();
        Some(Window::new(day(month), day(month + 1)).unwrap())
    };
    let counts = [month(10), month(11), Some(Window::Undated)].map(|window| Count {
        window,
        ..counted("A", 5, Some(5))
    });
    insta::assert_snapshot!(text(&counts), @r"
    | Table     | Row Count | Status |
    | --------- | --------- | ------ |
    | A 2025-10 | 5         | ✓      |
    | A 2025-11 | 5         | ✓      |
    | A undated | 5         | ✓      |
    | **TOTAL** | **15**    |        |
    ");
    assert_eq!(
        CountsView::of(&counts).tables[2].window.as_deref(),
        Some("undated")
    );
    insta::assert_snapshot!(json(&CountsView::of(&counts[..1])), @r#"
    {
      "schema_version": 1,
      "equal": true,
      "tables": [
        {
          "equal": true,
          "name": "A",
          "source": 5,
          "status": "equal",
          "target": 5,
          "window": "2025-10"
        }
      ],
      "total": {
        "source": 5,
        "target": 5
      }
    }
    "#);
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
