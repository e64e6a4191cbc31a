//! Dates and times: calendar, ranges and rounding.

/// Days since 0001-01-01 of a date of the proleptic Gregorian calendar; `None` when there is no such day in 0001..=9999.
pub(crate) fn days_from_civil(year: i32, month: u32, day: u32) -> Option<i64> {
    unimplemented!("{year}{month}{day}")
}

/// Year, month and day of days since 0001-01-01.
pub(crate) fn civil_from_days(days: i64) -> (i32, u32, u32) {
    unimplemented!("{days}")
}
