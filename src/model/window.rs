//! Windows: the parts in which a table is copied.
//! - A monthly table has windows of half-open dates, each inside one calendar month.
//! - One more window has its rows without a date.
//! - A reference table has one window of all its rows.
//!
//! A window's dates are its identity, and they never change. A later run with wider dates adds windows for
//! the days that no window covers yet, so that no day is ever in two windows.

use std::fmt;

use chrono::{Datelike, Months, NaiveDate, NaiveDateTime};

use crate::base::error::{Error, ErrorKind, Result};

/// The first day that a server's `date` holds.
pub const FIRST_DAY: NaiveDate = NaiveDate::from_ymd_opt(1, 1, 1).expect("the day is in the calendar");

/// The last day that a server's `date` holds. Rust's own calendar extends beyond it.
pub const LAST_DAY: NaiveDate = NaiveDate::from_ymd_opt(9999, 12, 31).expect("the day is in the calendar");

/// A part of a table's rows: all, those of some dates, or those without a date. A window is one of whole
/// days, an extent one of instants. The variants sort in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Segment<D> {
    /// All rows of a reference table.
    All,
    /// The rows of these dates.
    Dates(D),
    /// The rows whose date is NULL.
    Undated,
}

/// A unit of a table's work, at most one month long.
pub type Window = Segment<Days>;

/// The rows that a read or a change is limited to, apart from its keys.
pub type Extent = Segment<Bounds>;

/// A segment reduced to its kind.
pub type Kind = Segment<()>;

/// The half-open dates of a window, inside one calendar month.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Days {
    start: NaiveDate,
    end: NaiveDate,
}

/// The instants from `start` to just before `end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// The first instant.
    pub start: NaiveDateTime,
    /// The instant after the last.
    pub end: NaiveDateTime,
}

impl<D> Segment<D> {
    /// Whether it has dates.
    pub fn is_dated(&self) -> bool {
        matches!(self, Segment::Dates(_))
    }

    /// Its kind.
    pub fn kind(&self) -> Kind {
        match self {
            Segment::All => Kind::All,
            Segment::Dates(_) => Kind::Dates(()),
            Segment::Undated => Kind::Undated,
        }
    }
}

impl Days {
    /// The first day.
    pub fn start(self) -> NaiveDate {
        self.start
    }

    /// The day after the last.
    pub fn end(self) -> NaiveDate {
        self.end
    }
}

impl Window {
    /// The window of the days from `start` to before `end`.
    ///
    /// # Errors
    /// `Internal` if there is no day in it, or if it is not inside one month.
    pub fn new(start: NaiveDate, end: NaiveDate) -> Result<Window> {
        if start < end && end <= next_month(start)? {
            Ok(Window::Dates(Days { start, end }))
        } else {
            Err(Error::new(
                ErrorKind::Internal,
                format!("No window goes from {start} to {end}"),
            ))
        }
    }

    /// The dates under which store and receipts have the window. The two windows without dates are stored
    /// under dates that no month has.
    pub fn to_stored(self) -> (NaiveDate, NaiveDate) {
        match self {
            Window::All => (FIRST_DAY, LAST_DAY),
            Window::Dates(days) => (days.start, days.end),
            Window::Undated => (LAST_DAY, LAST_DAY),
        }
    }

    /// The first of the dates that it is stored under, which tells it from every other window of a table.
    pub fn stored_start(self) -> NaiveDate {
        self.to_stored().0
    }

    /// The window that is stored under these dates.
    ///
    /// # Errors
    /// `State` for dates that no window is stored under.
    pub fn from_stored(start: NaiveDate, end: NaiveDate) -> Result<Window> {
        match (start, end) {
            (FIRST_DAY, LAST_DAY) => Ok(Window::All),
            (LAST_DAY, LAST_DAY) => Ok(Window::Undated),
            _ => Window::new(start, end).map_err(|error| error.of_kind(ErrorKind::State)),
        }
    }

    /// Its dates.
    pub fn days(self) -> Option<Days> {
        match self {
            Window::Dates(days) => Some(days),
            Window::All | Window::Undated => None,
        }
    }

    /// Whether a run for `range` works on it. Windows without dates are asked for by every run.
    pub fn is_asked(self, range: DateRange) -> bool {
        self.days().is_none_or(|days| days.intersects(range))
    }

    /// Whether a day is one of its dates.
    pub fn has(self, day: NaiveDate) -> bool {
        self.days()
            .is_some_and(|days| days.start <= day && day < days.end)
    }

    /// Whether it shares rows with another window.
    pub fn overlaps(self, other: Window) -> bool {
        match (self, other) {
            (Window::Dates(own), Window::Dates(other)) => own.start < other.end && other.start < own.end,
            _ => self == other,
        }
    }

    /// Whether some of it is older than `cutoff`. A window without dates always is.
    pub fn has_begun(self, cutoff: NaiveDateTime) -> bool {
        self.days().is_none_or(|days| midnight(days.start) < cutoff)
    }

    /// Whether all of it is older than `cutoff`. A window without dates always is.
    pub fn has_passed(self, cutoff: NaiveDateTime) -> bool {
        self.days().is_none_or(|days| midnight(days.end) <= cutoff)
    }
}

impl Days {
    fn intersects(self, range: DateRange) -> bool {
        self.start < range.end && range.start < self.end
    }
}

impl Extent {
    /// All of a window.
    pub fn of_window(window: Window) -> Extent {
        match window {
            Window::All => Extent::All,
            Window::Dates(days) => Extent::Dates(Bounds {
                start: midnight(days.start),
                end: midnight(days.end),
            }),
            Window::Undated => Extent::Undated,
        }
    }

    /// Its part before `cutoff`, which may be empty. Rows without a date have no age.
    #[must_use]
    pub fn before(self, cutoff: NaiveDateTime) -> Extent {
        match self {
            Extent::Dates(Bounds { start, end }) => Extent::Dates(Bounds {
                start,
                end: end.min(cutoff).max(start),
            }),
            whole => whole,
        }
    }

    /// Whether there is no instant in it.
    pub fn is_empty(self) -> bool {
        matches!(self, Extent::Dates(bounds) if bounds.start >= bounds.end)
    }
}

/// The first instant of a day.
pub fn midnight(day: NaiveDate) -> NaiveDateTime {
    day.and_time(chrono::NaiveTime::MIN)
}

impl fmt::Display for Window {
    /// `2025-10` for a whole month, `2025-10-05..2025-10-31` for a part of one; `all`; `undated`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let days = match self {
            Window::All => return f.write_str("all"),
            Window::Undated => return f.write_str("undated"),
            Window::Dates(days) => days,
        };
        let whole = days.start.day() == 1 && next_month(days.start).is_ok_and(|next| next == days.end);
        if whole {
            write!(f, "{}", days.start.format("%Y-%m"))
        } else {
            write!(f, "{}..{}", days.start, days.end - chrono::Days::new(1))
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

    /// The last day, included, as the user gave it.
    pub fn last_day(self) -> NaiveDate {
        self.end.pred_opt().unwrap_or(self.end)
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
            .checked_add_days(chrono::Days::new(1))
            .ok_or_else(|| out_of_calendar(last))?;
        Ok(DateRange { start: first, end })
    }
}

impl fmt::Display for DateRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} to {}", self.start, self.last_day())
    }
}

/// The windows that `range` needs in addition to the `existing` ones: one for each sequence of uncovered days
/// of a month.
///
/// # Errors
/// `Usage` when the range leaves the calendar.
pub fn missing(range: DateRange, existing: &[Window]) -> Result<Vec<Window>> {
    let mut covered: Vec<Days> = existing
        .iter()
        .filter_map(|window| window.days())
        .filter(|days| days.intersects(range))
        .collect();
    covered.sort();
    let mut windows = Vec::new();
    let mut day = range.start;
    for stop in covered
        .iter()
        .map(|days| (days.start, days.end))
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

/// The parts of a window that no `receipted` window covers.
///
/// # Errors
/// As [`missing`].
pub fn uncovered(window: Window, receipted: &[Window]) -> Result<Vec<Window>> {
    match window {
        Window::Dates(days) => missing(
            DateRange {
                start: days.start(),
                end: days.end(),
            },
            receipted,
        ),
        Window::All | Window::Undated if receipted.contains(&window) => Ok(Vec::new()),
        Window::All | Window::Undated => Ok(vec![window]),
    }
}

/// Windows in few words. Those that follow on each other are one: `2012-01 to 2025-11 (167 months)`, or the first and the
/// last day if these are not whole months. `windows` are in the order of their dates.
pub fn spans(windows: &[Window]) -> Vec<String> {
    let mut joined: Vec<Segment<(NaiveDate, NaiveDate)>> = Vec::new();
    for window in windows {
        match (*window, joined.last_mut()) {
            (Window::Dates(days), Some(Segment::Dates((_, end)))) if *end == days.start => *end = days.end,
            (Window::Dates(days), _) => joined.push(Segment::Dates((days.start, days.end))),
            (Window::All, _) => joined.push(Segment::All),
            (Window::Undated, _) => joined.push(Segment::Undated),
        }
    }
    let text = |span: Segment<(NaiveDate, NaiveDate)>| {
        let (start, end) = match span {
            Segment::All => return Window::All.to_string(),
            Segment::Undated => return Window::Undated.to_string(),
            Segment::Dates(dates) => dates,
        };
        if let Ok(window) = Window::new(start, end) {
            return window.to_string();
        }
        let last = end - chrono::Days::new(1);
        if start.day() != 1 || end.day() != 1 {
            return format!("{start}..{last}");
        }
        let months =
            i64::from(end.year() - start.year()) * 12 + i64::from(end.month()) - i64::from(start.month());
        format!(
            "{} to {} ({months} months)",
            start.format("%Y-%m"),
            last.format("%Y-%m")
        )
    };
    joined.into_iter().map(text).collect()
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
            (Window::All, "all", Kind::All),
            (Window::Undated, "undated", Kind::Undated),
        ] {
            let (start, end) = window.to_stored();
            assert_eq!(window.to_string(), name);
            assert_eq!(window.kind(), kind);
            assert!(Window::new(start, end).is_err());
            assert_eq!(Window::from_stored(start, end).unwrap(), window);
            assert!(window.is_asked(range("2025-10-01", "2025-10-31")));
            let wide = range("2025-10-01", "2025-10-31");
            assert_eq!(missing(wide, &[window]).unwrap(), missing(wide, &[]).unwrap());
        }
    }

    #[test]
    fn windows_that_follow_on_each_other_are_one_span() {
        let of = |first, last| missing(range(first, last), &[]).unwrap();
        let mut windows = of("2012-01-01", "2025-11-30");
        assert_eq!(spans(&windows), ["2012-01 to 2025-11 (167 months)"]);
        windows.remove(5);
        windows.push(Window::Undated);
        assert_eq!(
            spans(&windows),
            [
                "2012-01 to 2012-05 (5 months)",
                "2012-07 to 2025-11 (161 months)",
                "undated"
            ]
        );
        assert_eq!(spans(&of("2025-10-15", "2025-11-30")), ["2025-10-15..2025-11-30"]);
        assert_eq!(spans(&of("2025-10-01", "2025-10-31")), ["2025-10"]);
        assert_eq!(spans(&[Window::All]), ["all"]);
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
                let first = base + chrono::Days::new(start);
                let last = first + chrono::Days::new(length);
                asked.extend((0..=length).map(|n| first + chrono::Days::new(n)));
                windows.extend(missing(DateRange::inclusive(first, last).unwrap(), &windows.clone()).unwrap());
            }
            let mut days: Vec<NaiveDate> = windows.iter()
                .filter_map(|window| window.days())
                    .flat_map(|days| days.start().iter_days().take_while(move |day| *day < days.end()))
                .collect();
            days.sort();
            prop_assert_eq!(days, asked.into_iter().collect::<Vec<_>>());
        }
    }
}
