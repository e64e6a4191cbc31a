//! Date arithmetic on 100 ns units since 0001-01-01.

use chrono::{Datelike, Months, NaiveDate};
use rusqlite::functions::Context;

use super::registry::{Answer, Registry, argument, broken, integer};
use crate::sql::errors::error;
use crate::types::{Cell, OwnedCell, SqlError};

const SECOND: i64 = 10_000_000;
const DAY: i64 = 86_400 * SECOND;

/// A date part. Its discriminant is passed to the functions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are T-SQL's")]
pub(crate) enum Part {
    Year,
    Quarter,
    Month,
    DayOfYear,
    Day,
    Week,
    Weekday,
    Hour,
    Minute,
    Second,
    Millisecond,
    Microsecond,
    Nanosecond,
    IsoWeek,
}

/// Every part with its names.
const PARTS: [(Part, &[&str]); 14] = [
    (Part::Year, &["year", "yy", "yyyy"]),
    (Part::Quarter, &["quarter", "qq", "q"]),
    (Part::Month, &["month", "mm", "m"]),
    (Part::DayOfYear, &["dayofyear", "dy", "y"]),
    (Part::Day, &["day", "dd", "d"]),
    (Part::Week, &["week", "wk", "ww"]),
    (Part::Weekday, &["weekday", "dw", "w"]),
    (Part::Hour, &["hour", "hh"]),
    (Part::Minute, &["minute", "mi", "n"]),
    (Part::Second, &["second", "ss", "s"]),
    (Part::Millisecond, &["millisecond", "ms"]),
    (Part::Microsecond, &["microsecond", "mcs"]),
    (Part::Nanosecond, &["nanosecond", "ns"]),
    (Part::IsoWeek, &["iso_week", "isowk", "isoww"]),
];

impl Part {
    /// The part with that name, which may be any of its names.
    pub fn parse(name: &str) -> Option<Part> {
        let name = name.to_ascii_lowercase();
        PARTS
            .iter()
            .find(|(_, names)| names.contains(&name.as_str()))
            .map(|(part, _)| *part)
    }

    fn decode(code: i64) -> Option<Part> {
        PARTS
            .iter()
            .map(|(part, _)| *part)
            .find(|part| *part as i64 == code)
    }

    /// The length of a part that has one.
    fn units(self) -> Option<i64> {
        Some(match self {
            Part::DayOfYear | Part::Day | Part::Weekday => DAY,
            Part::Week | Part::IsoWeek => 7 * DAY,
            Part::Hour => 3600 * SECOND,
            Part::Minute => 60 * SECOND,
            Part::Second => SECOND,
            Part::Millisecond => SECOND / 1000,
            Part::Microsecond => SECOND / 1_000_000,
            Part::Year | Part::Quarter | Part::Month | Part::Nanosecond => return None,
        })
    }
}

fn part(context: &Context<'_>) -> Result<Part, SqlError> {
    integer(context, 0)?.and_then(Part::decode).ok_or_else(broken)
}

fn date(units: i64) -> Result<NaiveDate, SqlError> {
    let days = i32::try_from(units.div_euclid(DAY) + 1).map_err(|_| broken())?;
    NaiveDate::from_num_days_from_ce_opt(days).ok_or_else(broken)
}

fn days(date: NaiveDate) -> i64 {
    i64::from(date.num_days_from_ce()) - 1
}

pub(super) fn register(registry: &Registry<'_>) -> rusqlite::Result<()> {
    registry.pure("tsql_datepart", 2, |c| {
        let (part, Some(at)) = (part(c)?, integer(c, 1)?) else {
            return Ok(OwnedCell::Null);
        };
        Ok(OwnedCell::Integer(date_part(part, at)?))
    })?;
    registry.pure("tsql_datename", 2, |c| {
        let (part, Some(at)) = (part(c)?, integer(c, 1)?) else {
            return Ok(OwnedCell::Null);
        };
        let format = if part == Part::Month { "%B" } else { "%A" };
        Ok(OwnedCell::Text(date(at)?.format(format).to_string()))
    })?;
    registry.pure("tsql_dateadd", 3, |c| {
        let (Some(n), Some(at)) = (integer(c, 1)?, integer(c, 2)?) else {
            return Ok(OwnedCell::Null);
        };
        Ok(OwnedCell::Integer(add(part(c)?, n, at)?))
    })?;
    registry.pure("tsql_dateadd_offset", 3, add_offset)?;
    registry.pure("tsql_datediff", 4, |c| {
        let (Some(from), Some(to)) = (integer(c, 1)?, integer(c, 2)?) else { return Ok(OwnedCell::Null) };
        let difference = boundaries(part(c)?, from, to)?;
        if integer(c, 3)? == Some(1) && i32::try_from(difference).is_err() {
            let text = "The datediff function resulted in an overflow. The number of dateparts separating two date/time instances is too large. Try to use datediff with a less precise datepart.";
            return Err(error(535, 16, 0, text));
        }
        Ok(OwnedCell::Integer(difference))
    })?;
    registry.pure("tsql_eomonth", 1, |c| {
        let Some(at) = integer(c, 0)? else {
            return Ok(OwnedCell::Null);
        };
        let first = date(at)?.with_day(1).ok_or_else(broken)?;
        let next = first.checked_add_months(Months::new(1)).ok_or_else(overflow)?;
        Ok(OwnedCell::Integer(days(next) - 1))
    })?;
    registry.pure("tsql_datefromparts", 3, |c| {
        let (Some(y), Some(m), Some(d)) = (integer(c, 0)?, integer(c, 1)?, integer(c, 2)?) else {
            return Ok(OwnedCell::Null);
        };
        let small = |n: i64| u32::try_from(n).unwrap_or(u32::MAX);
        let date = i32::try_from(y)
            .ok()
            .filter(|y| (1..=9999).contains(y))
            .and_then(|y| NaiveDate::from_ymd_opt(y, small(m), small(d)));
        let text = "Cannot construct data type date, some of the arguments have values which are not valid.";
        date.map(|d| OwnedCell::Integer(days(d)))
            .ok_or_else(|| error(289, 16, 1, text))
    })
}

fn date_part(part: Part, at: i64) -> Result<i64, SqlError> {
    let date = date(at)?;
    let time = at.rem_euclid(DAY);
    Ok(match part {
        Part::Year => i64::from(date.year()),
        Part::Quarter => i64::from(date.month0() / 3 + 1),
        Part::Month => i64::from(date.month()),
        Part::DayOfYear => i64::from(date.ordinal()),
        Part::Day => i64::from(date.day()),
        Part::Week => {
            let first = date
                .with_ordinal(1)
                .ok_or_else(broken)?
                .weekday()
                .num_days_from_sunday();
            i64::from((date.ordinal0() + first) / 7 + 1)
        }
        Part::Weekday => i64::from(date.weekday().num_days_from_sunday() + 1),
        Part::Hour => time / (3600 * SECOND),
        Part::Minute => time / (60 * SECOND) % 60,
        Part::Second => time / SECOND % 60,
        Part::Millisecond => time % SECOND / (SECOND / 1000),
        Part::Microsecond => time % SECOND / (SECOND / 1_000_000),
        Part::Nanosecond => time % SECOND * 100,
        Part::IsoWeek => i64::from(date.iso_week().week()),
    })
}

fn overflow() -> SqlError {
    error(
        517,
        16,
        1,
        "Adding a value to a 'datetime' column caused an overflow.",
    )
}

fn add(part: Part, n: i64, at: i64) -> Result<i64, SqlError> {
    let sum = match (part, part.units()) {
        (_, Some(unit)) => n.checked_mul(unit).and_then(|n| at.checked_add(n)),
        (Part::Nanosecond, None) => at.checked_add((n + 50).div_euclid(100)),
        (_, None) => {
            let months = match part {
                Part::Year => n.checked_mul(12),
                Part::Quarter => n.checked_mul(3),
                _ => Some(n),
            };
            let months = months.ok_or_else(overflow)?;
            let size = u32::try_from(months.unsigned_abs())
                .map(Months::new)
                .map_err(|_| overflow())?;
            let date = date(at)?;
            let moved = if months < 0 {
                date.checked_sub_months(size)
            } else {
                date.checked_add_months(size)
            };
            moved
                .and_then(|d| days(d).checked_mul(DAY))
                .map(|d| d + at.rem_euclid(DAY))
        }
    };
    // 10000-01-01 is the first instant that no type holds.
    sum.filter(|s| (0..3_652_059 * DAY).contains(s))
        .ok_or_else(overflow)
}

/// DATEADD over a datetimeoffset: the local time moves and the offset stays.
fn add_offset(context: &Context<'_>) -> Answer {
    let (Some(n), Cell::Blob(bytes)) = (integer(context, 1)?, argument(context, 2)?) else {
        return Ok(OwnedCell::Null);
    };
    let (utc, offset) = bytes.split_first_chunk::<8>().ok_or_else(broken)?;
    let minutes: [u8; 2] = offset.try_into().map_err(|_| broken())?;
    // The offset is stored with its sign bit flipped, so that it orders as bytes.
    let shift = i64::from((u16::from_be_bytes(minutes) ^ 0x8000) as i16) * 60 * SECOND;
    let local = i64::try_from(u64::from_be_bytes(*utc)).map_err(|_| broken())? + shift;
    let moved = u64::try_from(add(part(context)?, n, local)? - shift).map_err(|_| overflow())?;
    Ok(OwnedCell::Blob([&moved.to_be_bytes()[..], offset].concat()))
}

/// DATEDIFF: the number of the part's boundaries in between.
fn boundaries(part: Part, from: i64, to: i64) -> Result<i64, SqlError> {
    let months = |at: i64| -> Result<i64, SqlError> {
        let date = date(at)?;
        Ok(i64::from(date.year()) * 12 + i64::from(date.month0()))
    };
    Ok(match part {
        Part::Year => months(to)?.div_euclid(12) - months(from)?.div_euclid(12),
        Part::Quarter => months(to)?.div_euclid(3) - months(from)?.div_euclid(3),
        Part::Month => months(to)? - months(from)?,
        // 0001-01-01 was a Monday; weeks begin on Sunday.
        Part::Week | Part::IsoWeek => (to + DAY).div_euclid(7 * DAY) - (from + DAY).div_euclid(7 * DAY),
        Part::Nanosecond => (to - from).checked_mul(100).ok_or_else(overflow)?,
        _ => {
            let unit = part.units().ok_or_else(broken)?;
            to.div_euclid(unit) - from.div_euclid(unit)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(y: i32, m: u32, d: u32) -> i64 {
        days(NaiveDate::from_ymd_opt(y, m, d).unwrap()) * DAY
    }

    #[test]
    fn parts_of_a_date() {
        let noon = at(2025, 10, 5) + 12 * 3600 * SECOND + 30 * 60 * SECOND + 7 * SECOND + 1_234_567;
        let expected = [
            2025,
            4,
            10,
            278,
            5,
            41,
            1,
            12,
            30,
            7,
            123,
            123_456,
            123_456_700,
            40,
        ];
        for ((part, _), expected) in PARTS.iter().zip(expected) {
            assert_eq!(date_part(*part, noon).unwrap(), expected, "{part:?}");
        }
    }

    #[test]
    fn months_end_where_they_end() {
        assert_eq!(add(Part::Month, 1, at(2024, 1, 31)).unwrap(), at(2024, 2, 29));
        assert_eq!(add(Part::Year, -1, at(2024, 2, 29)).unwrap(), at(2023, 2, 28));
        assert!(add(Part::Day, 1, at(9999, 12, 31)).is_err());
        assert_eq!(
            boundaries(Part::Year, at(2024, 12, 31), at(2025, 1, 1)).unwrap(),
            1
        );
        assert_eq!(
            boundaries(Part::Week, at(2025, 10, 4), at(2025, 10, 5)).unwrap(),
            1
        );
        assert_eq!(
            boundaries(Part::Hour, at(2025, 1, 2), at(2025, 1, 1)).unwrap(),
            -24
        );
    }
}
