//! Days as an operator writes them: by the calendar, or by their distance from today.
//!
//! Parsing reads no clock: a word like `yesterday` becomes a day once the command asks its clock for today's.

use std::str::FromStr;

use chrono::{Datelike, Days, Months, NaiveDate};

use crate::base::error::{Error, ErrorKind, Result};

/// What a value that is no day is answered with.
const NOT_A_DATE: &str = "not a date: write YYYY-MM-DD, e.g. 2025-10-01, or one of today, yesterday, month-start, -35d \
                          (35 days ago), -3m (3 months ago)";

/// No table is older.
const DAYS_BACK_MAX: u32 = 366 * 200;

/// A day on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) enum Day {
    /// A day of the calendar.
    On(NaiveDate),
    /// So many days before today.
    DaysAgo(u32),
    /// The same day so many months ago, or that month's last.
    MonthsAgo(u32),
    /// The first day of this month.
    MonthStart,
}

impl Day {
    /// The day of the calendar.
    ///
    /// # Errors
    /// `Usage` for a day before the calendar's first.
    pub(in crate::cli) fn resolve(self, today: NaiveDate) -> Result<NaiveDate> {
        let day = match self {
            Day::On(day) => Some(day),
            Day::DaysAgo(days) => today.checked_sub_days(Days::new(days.into())),
            Day::MonthsAgo(months) => today.checked_sub_months(Months::new(months)),
            Day::MonthStart => today.with_day(1),
        };
        day.ok_or_else(|| {
            Error::new(
                ErrorKind::Usage,
                format!(
                    "No calendar has the day that is asked for, counted from {today}; give one as YYYY-MM-DD"
                ),
            )
        })
    }
}

impl FromStr for Day {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "today" => return Ok(Day::DaysAgo(0)),
            "yesterday" => return Ok(Day::DaysAgo(1)),
            "month-start" => return Ok(Day::MonthStart),
            _ => {}
        }
        if let Some(back) = text.strip_prefix('-') {
            return ago(back).ok_or_else(|| NOT_A_DATE.to_owned());
        }
        let day: Option<NaiveDate> = text.parse().ok();
        // chrono also accepts days without leading zeros, and years with a sign.
        day.filter(|day| day.to_string() == text)
            .map(Day::On)
            .ok_or_else(|| beyond_the_month(text).unwrap_or_else(|| NOT_A_DATE.to_owned()))
    }
}

/// The answer to `2025-11-31`, which is written as a date and no day of its month.
fn beyond_the_month(text: &str) -> Option<String> {
    let (month, day) = text.rsplit_once('-')?;
    let first: NaiveDate = format!("{month}-01").parse().ok()?;
    let is_written_so = first.format("%Y-%m").to_string() == month;
    let is_number = day.len() == 2 && day.chars().all(|c| c.is_ascii_digit());
    (is_written_so && is_number).then(|| {
        format!(
            "not a date: {} has {} days",
            first.format("%B %Y"),
            first.num_days_in_month()
        )
    })
}

/// `35d` and `3m`.
fn ago(text: &str) -> Option<Day> {
    let number = |text: &str, max: u32| -> Option<u32> {
        let is_number = text.chars().all(|c| c.is_ascii_digit());
        text.parse().ok().filter(|number| is_number && *number <= max)
    };
    if let Some(days) = text.strip_suffix('d') {
        return number(days, DAYS_BACK_MAX).map(Day::DaysAgo);
    }
    number(text.strip_suffix('m')?, DAYS_BACK_MAX / 30).map(Day::MonthsAgo)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn date(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    #[test]
    fn days_are_of_the_calendar_or_counted_from_today() {
        let today = date("2026-03-31");
        for (text, day) in [
            ("2025-10-01", "2025-10-01"),
            ("today", "2026-03-31"),
            ("yesterday", "2026-03-30"),
            ("month-start", "2026-03-01"),
            ("-0d", "2026-03-31"),
            ("-35d", "2026-02-24"),
            ("-1m", "2026-02-28"),
            ("-3m", "2025-12-31"),
        ] {
            let parsed: Day = text.parse().unwrap();
            assert_eq!(parsed.resolve(today).unwrap(), date(day), "{text}");
        }
    }

    #[test]
    fn what_is_no_day_is_refused() {
        for text in [
            "",
            "-",
            "-d",
            "-m",
            "35d",
            "-3w",
            "--1d",
            "-+1d",
            "-1.5d",
            "-99999999999d",
            "-73201d",
            "2025-10-1",
            "12025-10-01",
            "+2025-10-01",
            "01/10/2025",
            "2025-10",
            "Today",
            "tomorrow",
            "--end-date",
        ] {
            assert_eq!(text.parse::<Day>(), Err(NOT_A_DATE.to_owned()), "{text}");
        }
    }

    #[test]
    fn a_day_that_its_month_does_not_have_is_answered_with_the_days_that_it_has() {
        for (text, month) in [
            ("2025-11-31", "November 2025 has 30 days"),
            ("2025-11-00", "November 2025 has 30 days"),
            ("2025-02-29", "February 2025 has 28 days"),
            ("2024-02-30", "February 2024 has 29 days"),
            ("2025-12-32", "December 2025 has 31 days"),
        ] {
            assert_eq!(text.parse::<Day>(), Err(format!("not a date: {month}")), "{text}");
        }
        for text in [
            "2025-13-01",
            "2025-00-01",
            "2025-11-031",
            "2025-11-3x",
            "2025-1-31",
            "+2025-11-31",
        ] {
            assert_eq!(text.parse::<Day>(), Err(NOT_A_DATE.to_owned()), "{text}");
        }
    }

    #[test]
    fn a_day_before_the_calendar_is_refused() {
        let refused = Day::DaysAgo(1).resolve(NaiveDate::MIN).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Usage);
    }
}
