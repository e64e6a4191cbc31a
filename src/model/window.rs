//! Windows: the half-open segments of dates, each inside one calendar month, that a monthly table is copied by; the
//! one of its rows that have no date; and the one of all rows of a reference table.
//!
//! A window's dates are its identity. Once made it is never cut or grown: a later run with wider dates adds
//! windows for the days that no window covers yet, so that no day is ever in two windows.

use std::fmt;

use chrono::{Datelike, Days, Months, NaiveDate};
use serde::{Deserialize, Serialize};

use crate::base::error::{Error, ErrorKind, Result};

/// The first day that a server's `date` holds.
pub const FIRST_DAY: NaiveDate = NaiveDate::from_ymd_opt(1, 1, 1).expect("the day is in the calendar");

/// The last one. Our own calendar goes on after it.
pub const LAST_DAY: NaiveDate = NaiveDate::from_ymd_opt(9999, 12, 31).expect("the day is in the calendar");

/// The dates `start <= date < end`, all in one calendar month; or all rows, or those without a date, which are stored
/// under dates that no month's window can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Window {
    start: NaiveDate,
    end: NaiveDate,
}

/// What a window holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The rows of its dates.
    Dates,
    /// The rows without a date.
    Undated,
    /// All rows of a reference table.
    All,
}

impl Window {
    /// The one window of a reference table.
    pub const ALL: Window = Window {
        start: FIRST_DAY,
        end: LAST_DAY,
    };

    /// The window of the rows whose date is NULL.
    pub const UNDATED: Window = Window {
        start: LAST_DAY,
        end: LAST_DAY,
    };

    /// The window that is stored under these dates.
    ///
    /// # Errors
    /// `Internal` when no window is.
    pub fn stored(start: NaiveDate, end: NaiveDate) -> Result<Window> {
        match (Window { start, end }) {
            special @ (Window::ALL | Window::UNDATED) => Ok(special),
            _ => Window::new(start, end),
        }
    }

    /// What it holds.
    pub fn kind(self) -> Kind {
        match self {
            Window::ALL => Kind::All,
            Window::UNDATED => Kind::Undated,
            _ => Kind::Dates,
        }
    }

    /// The window of these dates.
    ///
    /// # Errors
    /// `Internal` when it is empty or leaves its month.
    pub fn new(start: NaiveDate, end: NaiveDate) -> Result<Window> {
        if start < end && end <= next_month(start)? {
            Ok(Window { start, end })
        } else {
            Err(Error::new(
                ErrorKind::Internal,
                format!("No window goes from {start} to {end}"),
            ))
        }
    }

    /// Its first day; of the two windows without dates, the one that they are stored under.
    pub fn start(self) -> NaiveDate {
        self.start
    }

    /// The day after its last.
    pub fn end(self) -> NaiveDate {
        self.end
    }

    /// Whether a run for `range` is to work on it: it has a day of the range, or no dates at all.
    pub fn is_asked(self, range: DateRange) -> bool {
        self.kind() != Kind::Dates || self.intersects(range)
    }

    /// Whether a day is one of its dates.
    pub fn has(self, day: NaiveDate) -> bool {
        self.kind() == Kind::Dates && self.start <= day && day < self.end
    }

    /// Whether the two have rows in common.
    pub fn overlaps(self, other: Window) -> bool {
        match (self.kind(), other.kind()) {
            (Kind::Dates, Kind::Dates) => self.start < other.end && other.start < self.end,
            _ => self == other,
        }
    }

    /// Whether it has a day of `range`.
    fn intersects(self, range: DateRange) -> bool {
        self.kind() == Kind::Dates && self.start < range.end && range.start < self.end
    }
}

impl fmt::Display for Window {
    /// `2025-10` for a whole month, `2025-10-01..2025-10-02` (both inclusive) for a part of one, `all`, `undated`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind() {
            Kind::All => return f.write_str("all"),
            Kind::Undated => return f.write_str("undated"),
            Kind::Dates => {}
        }
        let whole = self.start.day() == 1 && next_month(self.start).is_ok_and(|next| next == self.end);
        if whole {
            write!(f, "{}", self.start.format("%Y-%m"))
        } else {
            write!(f, "{}..{}", self.start, self.end - Days::new(1))
        }
    }
}

/// The dates that a run is asked for, `start <= date < end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DateRange {
    /// The first day.
    pub start: NaiveDate,
    /// The day after the last.
    pub end: NaiveDate,
}

impl DateRange {
    /// Whether a day is one of its dates.
    pub fn has(self, day: NaiveDate) -> bool {
        self.start <= day && day < self.end
    }

    /// From the command line's two inclusive dates.
    ///
    /// # Errors
    /// `Usage` when the start is after the end, or the end is the last day of the calendar.
    pub fn inclusive(first: NaiveDate, last: NaiveDate) -> Result<DateRange> {
        if first > last {
            return Err(Error::new(
                ErrorKind::Usage,
                format!("--start-date {first} is after --end-date {last}; both are inclusive, swap them"),
            ));
        }
        let end = last
            .checked_add_days(Days::new(1))
            .ok_or_else(|| out_of_calendar(last))?;
        Ok(DateRange { start: first, end })
    }
}

/// The windows that `range` still needs beside the `existing` ones: one for each run of uncovered days of a month.
///
/// # Errors
/// `Usage` when the range leaves the calendar.
pub fn missing(range: DateRange, existing: &[Window]) -> Result<Vec<Window>> {
    let mut covered: Vec<Window> = existing
        .iter()
        .copied()
        .filter(|window| window.intersects(range))
        .collect();
    covered.sort();
    let mut windows = Vec::new();
    let mut day = range.start;
    for stop in covered
        .iter()
        .map(|window| (window.start, window.end))
        .chain([(range.end, range.end)])
    {
        while day < stop.0 {
            let end = next_month(day)?.min(stop.0);
            windows.push(Window::new(day, end)?);
            day = end;
        }
        day = day.max(stop.1);
    }
    Ok(windows)
}

fn next_month(day: NaiveDate) -> Result<NaiveDate> {
    day.with_day(1)
        .and_then(|first| first.checked_add_months(Months::new(1)))
        .ok_or_else(|| out_of_calendar(day))
}

fn out_of_calendar(day: NaiveDate) -> Error {
    Error::new(
        ErrorKind::Usage,
        format!("{day} is at the end of the calendar; give an earlier date"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    fn range(first: &str, last: &str) -> DateRange {
        DateRange::inclusive(day(first), day(last)).unwrap()
    }

    fn names(windows: &[Window]) -> Vec<String> {
        windows.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_range_is_cut_at_months() {
        let windows = missing(range("2025-10-15", "2026-01-01"), &[]).unwrap();
        assert_eq!(
            names(&windows),
            [
                "2025-10-15..2025-10-31",
                "2025-11",
                "2025-12",
                "2026-01-01..2026-01-01"
            ]
        );
    }

    #[test]
    fn a_wider_range_adds_only_the_days_not_covered() {
        let mut windows = missing(range("2025-10-01", "2025-10-02"), &[]).unwrap();
        windows.extend(missing(range("2025-10-01", "2025-10-31"), &windows.clone()).unwrap());
        windows.extend(missing(range("2025-10-01", "2025-11-30"), &windows.clone()).unwrap());
        assert_eq!(
            names(&windows),
            ["2025-10-01..2025-10-02", "2025-10-03..2025-10-31", "2025-11"]
        );
        assert!(
            missing(range("2025-10-05", "2025-11-07"), &windows)
                .unwrap()
                .is_empty()
        );
    }

    #[test]
    fn a_hole_between_windows_is_filled() {
        let existing = [
            Window::new(day("2025-10-01"), day("2025-10-05")).unwrap(),
            Window::new(day("2025-10-09"), day("2025-10-20")).unwrap(),
        ];
        let windows = missing(range("2025-09-30", "2025-10-31"), &existing).unwrap();
        assert_eq!(
            names(&windows),
            [
                "2025-09-30..2025-09-30",
                "2025-10-05..2025-10-08",
                "2025-10-20..2025-10-31"
            ]
        );
    }

    #[test]
    fn the_windows_without_dates_are_stored_under_dates_that_no_month_has() {
        for (window, name, kind) in [
            (Window::ALL, "all", Kind::All),
            (Window::UNDATED, "undated", Kind::Undated),
        ] {
            assert_eq!(window.to_string(), name);
            assert_eq!(window.kind(), kind);
            assert!(Window::new(window.start(), window.end()).is_err());
            assert_eq!(Window::stored(window.start(), window.end()).unwrap(), window);
            assert!(window.is_asked(range("2025-10-01", "2025-10-31")));
            let wide = range("2025-10-01", "2025-10-31");
            assert_eq!(missing(wide, &[window]).unwrap(), missing(wide, &[]).unwrap());
        }
    }

    #[test]
    fn start_after_end_is_refused() {
        let error = DateRange::inclusive(day("2025-11-30"), day("2025-10-01")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Usage);
    }

    #[test]
    fn the_end_of_the_calendar_is_an_error() {
        assert_eq!(
            DateRange::inclusive(NaiveDate::MAX, NaiveDate::MAX)
                .unwrap_err()
                .kind(),
            ErrorKind::Usage
        );
    }

    proptest! {
        #[test]
        fn every_day_is_in_one_window(ranges in proptest::collection::vec((0..900u64, 0..200u64), 1..8)) {
            let base = day("2024-01-01");
            let mut windows: Vec<Window> = Vec::new();
            let mut asked = std::collections::BTreeSet::new();
            for (start, length) in ranges {
                let first = base + Days::new(start);
                let last = first + Days::new(length);
                asked.extend((0..=length).map(|n| first + Days::new(n)));
                windows.extend(missing(DateRange::inclusive(first, last).unwrap(), &windows.clone()).unwrap());
            }
            let mut days: Vec<NaiveDate> = windows.iter()
                .flat_map(|w| w.start().iter_days().take_while(|d| *d < w.end()))
                .collect();
            days.sort();
            prop_assert_eq!(days, asked.into_iter().collect::<Vec<_>>());
        }
    }
}
