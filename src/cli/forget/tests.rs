//! What a `forget` says.

use super::*;
use crate::cli::screen::Screen;
use crate::config::Mode;

fn found(months: Option<(&str, &str)>, windows: &[&str]) -> ToForget {
    let of = |text: &str| {
        let first = month(text).unwrap();
        let window = Window::new(first, first + Months::new(1)).unwrap();
        (window, Amount { chunks: 4, rows: 120 })
    };
    ToForget {
        subject: Subject {
            name: "SALES".to_owned(),
            mode: Some(Mode::Monthly),
            targets: vec!["dbo.t_SALES".to_owned()],
        },
        months: months.map(|(first, last)| (month(first).unwrap(), month(last).unwrap() + Months::new(1))),
        windows: windows.iter().map(|text| of(text)).collect(),
    }
}

#[test]
fn months_are_iso_months() {
    assert_eq!(month("2025-10").unwrap().to_string(), "2025-10-01");
    for text in ["2025-13", "2025-1", "10/2025", "2025-10-01", ""] {
        assert!(month(text).is_err(), "{text}");
    }
}

#[test]
fn it_says_what_it_drops_and_what_loads_it_again() {
    let range = found(Some(("2025-08", "2025-11")), &["2025-09", "2025-10"]);
    insta::assert_snapshot!(range.question(), @"Forget 2025-09 to 2025-10 (2 months) of SALES: 8 chunks of 240 rows in 2 windows? The rows stay at the target until a run loads them again, which reads all of them from the source.");
    insta::assert_snapshot!(range.text(Outcome::Forgotten, &Screen::none()), @r"
    Forgot 2025-09 to 2025-10 (2 months) of SALES: 8 chunks of 240 rows in 2 windows. The rows at the target stay until a run loads them again:
      sync run --start-date 2025-09-01 --end-date 2025-10-31 --tables SALES
    ");
    insta::assert_snapshot!(found(None, &["2025-10"]).text(Outcome::WouldForget, &Screen::none()), @r"
    Would forget SALES: 4 chunks of 120 rows in 1 window. Nothing was forgotten. This would load it again:
      sync run --start-date 2025-10-01 --end-date 2025-10-31 --tables SALES
    ");
    insta::assert_snapshot!(found(None, &[]).text(Outcome::Forgotten, &Screen::none()), @"Nothing of SALES was loaded by a run, so there was nothing to forget.");
    let months: Vec<_> = range
        .tombstones()
        .into_iter()
        .map(|tombstone| tombstone.month)
        .collect();
    assert_eq!(months, [month("2025-09").ok(), month("2025-10").ok()]);
    let loaded: Vec<Window> = range.windows.keys().copied().collect();
    let never = found(Some(("2024-01", "2024-01")), &[]).never_loaded(loaded);
    insta::assert_snapshot!(never.to_string(), @"Table SALES: 2024-01 was never loaded or is forgotten already; loaded are 2025-09 to 2025-10 (2 months)");
}

#[test]
fn the_schema_is_kept() {
    crate::cli::schema::assert_kept::<ForgetView<'_>>("forget");
}

#[test]
fn what_is_forgotten_as_json() {
    let found = found(Some(("2025-10", "2025-10")), &["2025-10"]);
    insta::assert_snapshot!(json(&ForgetView::of(&found, Outcome::WouldForget)), @r#"
    {
      "schema_version": 1,
      "outcome": "would forget",
      "run_again": "sync run --start-date 2025-10-01 --end-date 2025-10-31 --tables SALES",
      "tables": [
        {
          "chunks": 4,
          "mode": "monthly",
          "name": "SALES",
          "rows": 120,
          "windows": [
            {
              "chunks": 4,
              "rows": 120,
              "window": "2025-10"
            }
          ]
        }
      ],
      "totals": {
        "chunks": 4,
        "rows": 120,
        "windows": 1
      }
    }
    "#);
}
