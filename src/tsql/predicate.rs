//! Turns dates and values into a WHERE clause. Ranges of keys are [`crate::tsql::seek`]'s.
//!
//! Bounds are parameters, each CAST to its column's declared type and collation, so that the server compares
//! equals with equals and can seek.

use chrono::{Days, NaiveDate, NaiveDateTime, Timelike};

use crate::base::error::Result;
use crate::model::chunk::{KeyBytes, KeyRange};
use crate::model::plan::TablePlan;
use crate::model::row::{Value, Values, printed_milliseconds};
use crate::model::table::{Column, DataType};
use crate::model::window::{Bounds, DateRange, Extent, FIRST_DAY, LAST_DAY, Window, midnight};
use crate::tsql::expression::key_parameter;

/// The number of 0001-01-01 in chrono's count of days from the common era.
const FIRST_DAY_CE: i32 = 1;

/// Days from 0001-01-01 to 1900-01-01.
const DAYS_TO_1900: i32 = 693_595;

/// The first instant of the next day; after the last day, an instant that no server's date reaches.
pub fn next_midnight(day: NaiveDate) -> NaiveDateTime {
    day.checked_add_days(Days::new(1))
        .map_or(NaiveDateTime::MAX, midnight)
}

/// The days on which a row counted under `day` can be found: the day itself. An instant with an offset is
/// counted under its own day but ordered by UTC, which may be the day before or after. All days are within a
/// server's calendar.
pub fn near(day: NaiveDate, date: DataType) -> std::ops::RangeInclusive<NaiveDate> {
    let by = Days::new(u64::from(matches!(date, DataType::DateTimeOffset(_))));
    let first = day.checked_sub_days(by).unwrap_or(FIRST_DAY);
    let last = day.checked_add_days(by).unwrap_or(LAST_DAY);
    first.clamp(FIRST_DAY, LAST_DAY)..=last.clamp(FIRST_DAY, LAST_DAY)
}

/// The first and the last day that a date type holds.
pub fn calendar(date: DataType) -> (NaiveDate, NaiveDate) {
    let day =
        |year, month, day| NaiveDate::from_ymd_opt(year, month, day).expect("the day is in the calendar");
    match date {
        DataType::DateTime => (day(1753, 1, 1), LAST_DAY),
        DataType::SmallDateTime => (day(1900, 1, 1), day(2079, 6, 6)),
        _ => (FIRST_DAY, LAST_DAY),
    }
}

/// The part of a range that a date type holds; empty, with its end before its start, if there is none.
pub fn within_calendar(date: DataType, range: DateRange) -> DateRange {
    let (first, last) = calendar(date);
    DateRange {
        start: range.start.max(first),
        end: range.end.min(next_midnight(last).date()),
    }
}

/// The bounds of dates as a column of the type can be compared with them: the first value, and the one after the last.
///
/// The server refuses a bound that the column's type cannot hold. Such a first bound becomes the type's first day, and
/// such a second bound is left out. `None` if no value can be within.
pub(super) fn date_bounds(date: DataType, bounds: Bounds) -> Option<(NaiveDateTime, Option<NaiveDateTime>)> {
    let (first, last) = calendar(date);
    let after_last = next_midnight(last);
    if bounds.start >= after_last || bounds.end <= midnight(first) {
        return None;
    }
    // A day counts as its midnight: a range that begins later has whole days from the next one on.
    let start = match date {
        DataType::Date if bounds.start > midnight(bounds.start.date()) => next_midnight(bounds.start.date()),
        _ => bounds.start,
    };
    let end = match date {
        DataType::Date => midnight(bounds.end.date()),
        _ => bounds.end,
    };
    Some((
        start.max(midnight(first)),
        (bounds.end < after_last).then_some(end),
    ))
}

/// An instant as a parameter, `datetime2` on the wire. One outside of a server's calendar becomes the nearest
/// within.
pub fn instant(at: NaiveDateTime) -> Value<'static> {
    use chrono::Datelike;
    let at = at.clamp(
        midnight(FIRST_DAY),
        midnight(LAST_DAY) + chrono::TimeDelta::seconds(86_399),
    );
    let ticks = u64::from(at.num_seconds_from_midnight()) * 10_000_000
        + u64::from(at.nanosecond() % 1_000_000_000) / 100;
    Value::DateTime2 {
        days: at.num_days_from_ce() - FIRST_DAY_CE,
        ticks,
    }
}

/// The expression that a column is compared with, whose value becomes the last of `params`.
pub(crate) fn compared<'a>(params: &mut Vec<Value<'a>>, column: &Column, value: Value<'a>) -> String {
    params.push(comparable(value));
    key_parameter(column, params.len())
}

/// A value as a parameter that is cast to its column's type. A moment goes as `datetimeoffset` at +00:00, of which every
/// server copies date and time: not every server seeks by a cast from `datetime2`.
fn comparable(value: Value<'_>) -> Value<'_> {
    let (days, ticks) = match value {
        Value::DateTime2 { days, ticks } => (days, ticks),
        Value::DateTime { days, ticks } => (
            days.saturating_add(DAYS_TO_1900),
            printed_milliseconds(ticks) * 10_000,
        ),
        other => return other,
    };
    Value::DateTimeOffset {
        days,
        ticks,
        offset: 0,
    }
}

/// A day as a parameter, `date` on the wire. One outside of a server's calendar becomes the nearest within.
pub fn day(date: NaiveDate) -> Value<'static> {
    use chrono::Datelike;
    Value::Date(date.clamp(FIRST_DAY, LAST_DAY).num_days_from_ce() - FIRST_DAY_CE)
}

/// The day of a [`Value::Date`].
pub fn date_of(days: i32) -> Option<NaiveDate> {
    NaiveDate::from_num_days_from_ce_opt(days.checked_add(FIRST_DAY_CE)?)
}

/// The instant of a key's date; `None` for a key that does not begin with a date.
///
/// # Errors
/// `State` when the key's bytes are damaged.
pub fn instant_of_key(key: &KeyBytes) -> Result<Option<NaiveDateTime>> {
    let (days, seconds) = match Values::new(&key.0).next_value()? {
        Some(Value::Date(days)) => (days, 0),
        Some(Value::DateTime2 { days, ticks } | Value::DateTimeOffset { days, ticks, .. }) => {
            (days, ticks / 10_000_000)
        }
        Some(Value::DateTime { days, ticks }) => (days.saturating_add(DAYS_TO_1900), u64::from(ticks / 300)),
        _ => return Ok(None),
    };
    let seconds = i64::try_from(seconds).unwrap_or_default();
    Ok(date_of(days).and_then(|date| midnight(date).checked_add_signed(chrono::TimeDelta::seconds(seconds))))
}

/// The same of a key that may be missing.
///
/// # Errors
/// As [`instant_of_key`].
pub fn instant_of(key: Option<&KeyBytes>) -> Result<Option<NaiveDateTime>> {
    key.map_or(Ok(None), instant_of_key)
}

/// Whether a chunk may hold rows of a day, or rows without a date. Keys that do not begin with the date say nothing of it,
/// so such a chunk may hold any day of its window.
///
/// # Errors
/// As [`instant_of_key`].
pub fn holds_day(plan: &TablePlan, window: Window, range: &KeyRange, day: Option<NaiveDate>) -> Result<bool> {
    let Some(day) = day else {
        return Ok(!matches!(window, Window::Dates(_)));
    };
    let Some(date) = plan.date().map(|date| date.data_type) else {
        return Ok(true);
    };
    let whole = KeyRange {
        after: None,
        through: None,
    };
    reaches(
        window,
        if plan.key.date_first { range } else { &whole },
        day,
        date,
    )
}

/// Whether keys that begin with the date reach into a day, in the sense of [`near`].
fn reaches(window: Window, range: &KeyRange, day: NaiveDate, date: DataType) -> Result<bool> {
    let at = |key: &Option<KeyBytes>| -> Result<Option<NaiveDate>> {
        let instant = key.as_ref().map(instant_of_key).transpose()?.flatten();
        Ok(instant.map(|at| at.date()))
    };
    let Some(days) = window.days() else {
        return Ok(false);
    };
    let last_of_window = days.end().pred_opt().unwrap_or(days.end());
    let first = at(&range.after)?.unwrap_or(days.start());
    let last = at(&range.through)?.unwrap_or(last_of_window);
    let near = near(day, date);
    Ok(first <= *near.end() && *near.start() <= last)
}

/// A WHERE clause under construction, with its parameters.
#[derive(Debug, Default)]
pub struct Where<'a> {
    terms: Vec<String>,
    params: Vec<Value<'a>>,
}

impl<'a> Where<'a> {
    /// A clause whose statement already has `params` before it.
    pub fn after_params(params: Vec<Value<'a>>) -> Self {
        Where {
            terms: Vec::new(),
            params,
        }
    }

    /// Limits the rows to `extent`. A table without a date column has all rows in one.
    pub fn extent(&mut self, date: Option<&Column>, extent: Extent) {
        let Some(date) = date else { return };
        match extent {
            Extent::Dates(bounds) => self.dates(date, bounds),
            Extent::Undated => self.terms.push(format!("{} IS NULL", date.name.quoted())),
            Extent::All => {}
        }
    }

    fn dates(&mut self, date: &Column, bounds: Bounds) {
        let name = date.name.quoted();
        let Some((start, end)) = date_bounds(date.data_type, bounds) else {
            self.terms.push("1 = 0".to_owned());
            return;
        };
        let parameter = self.parameter(date, instant(start));
        self.terms.push(format!("{name} >= {parameter}"));
        if let Some(end) = end {
            let parameter = self.parameter(date, instant(end));
            self.terms.push(format!("{name} < {parameter}"));
        }
    }

    /// Limits the rows to one value of a column.
    pub fn equal(&mut self, column: &Column, value: Value<'a>) {
        let parameter = self.parameter(column, value);
        self.terms.push(format!("{} = {parameter}", column.name.quoted()));
    }

    /// ` WHERE …`, and all parameters. Without any limit the condition always holds, so that more can follow
    /// it.
    pub fn finish(self) -> (String, Vec<Value<'a>>) {
        let terms = if self.terms.is_empty() {
            "1 = 1".to_owned()
        } else {
            self.terms.join(" AND ")
        };
        (format!(" WHERE {terms}"), self.params)
    }

    fn parameter(&mut self, column: &Column, value: Value<'a>) -> String {
        compared(&mut self.params, column, value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::row::encode;
    use crate::model::table::DataType;
    use crate::tsql::testing::column;

    #[test]
    fn no_bound_leaves_the_calendar_of_its_type() {
        let at = |year, month, day| midnight(NaiveDate::from_ymd_opt(year, month, day).unwrap());
        let clause = |data_type, start, end| {
            let column = column("D", data_type);
            let mut clause = Where::default();
            clause.extent(Some(&column), Extent::Dates(Bounds { start, end }));
            let (sql, params) = clause.finish();
            (sql, params.len())
        };
        for (data_type, start, end, expected) in [
            (
                DataType::DateTime,
                at(1, 1, 1),
                at(2025, 1, 1),
                " WHERE [D] >= CAST(@P1 AS datetime) AND [D] < CAST(@P2 AS datetime)",
            ),
            (
                DataType::Date,
                at(9999, 12, 1),
                at(10_000, 1, 1),
                " WHERE [D] >= CAST(@P1 AS date)",
            ),
            (
                DataType::SmallDateTime,
                at(2079, 6, 1),
                at(2079, 7, 1),
                " WHERE [D] >= CAST(@P1 AS smalldatetime)",
            ),
            (
                DataType::SmallDateTime,
                at(2080, 1, 1),
                at(2080, 2, 1),
                " WHERE 1 = 0",
            ),
            (DataType::DateTime, at(1700, 1, 1), at(1700, 2, 1), " WHERE 1 = 0"),
        ] {
            assert_eq!(clause(data_type, start, end).0, expected);
        }
        assert_eq!(day(NaiveDate::MAX), day(LAST_DAY));
        assert_eq!(day(NaiveDate::MIN), Value::Date(0));
        assert_eq!(
            near(LAST_DAY, DataType::DateTimeOffset(7)),
            LAST_DAY.pred_opt().unwrap()..=LAST_DAY
        );
        assert_eq!(near(FIRST_DAY, DataType::Date), FIRST_DAY..=FIRST_DAY);
    }

    #[test]
    fn a_chunk_holds_the_days_between_its_keys() {
        let on = |text: &str| text.parse::<NaiveDate>().unwrap();
        let window = Window::new(on("2025-10-01"), on("2025-11-01")).unwrap();
        let key = |text: &str| {
            let mut bytes = Vec::new();
            encode(day(on(text)), &mut bytes).unwrap();
            Some(KeyBytes(bytes))
        };
        let holds = |after: &str, through: Option<&str>, day: &str, date| {
            let range = KeyRange {
                after: key(after),
                through: through.and_then(&key),
            };
            reaches(window, &range, on(day), date).unwrap()
        };
        let zoned = DataType::DateTimeOffset(7);
        for (day, plain, with_offset) in [
            ("2025-10-08", false, false),
            ("2025-10-09", false, true),
            ("2025-10-10", true, true),
            ("2025-10-12", true, true),
            ("2025-10-13", false, true),
            ("2025-10-14", false, false),
        ] {
            let ends = ("2025-10-10", Some("2025-10-12"));
            assert_eq!(holds(ends.0, ends.1, day, DataType::Date), plain, "{day}");
            assert_eq!(holds(ends.0, ends.1, day, zoned), with_offset, "{day}");
        }
        assert!(holds("2025-10-30", None, "2025-10-31", DataType::Date));
        assert!(!holds("2025-10-30", None, "2025-11-01", DataType::Date));
        assert!(holds("2025-10-30", None, "2025-11-01", zoned));
    }

    #[test]
    fn a_moment_is_compared_as_an_instant_of_its_own_date_and_time() {
        let utc = |days, ticks| Value::DateTimeOffset {
            days,
            ticks,
            offset: 0,
        };
        for (ticks, shown) in [(0, 0), (1, 3), (2, 7), (3, 10), (25_919_999, 86_399_997)] {
            let value = Value::DateTime { days: 1, ticks };
            assert_eq!(
                comparable(value),
                utc(DAYS_TO_1900 + 1, shown * 10_000),
                "{ticks}"
            );
        }
        assert_eq!(comparable(Value::DateTime2 { days: 9, ticks: 7 }), utc(9, 7));
        for other in [Value::Date(9), Value::Integer(9)] {
            assert_eq!(comparable(other), other);
        }
    }

    #[test]
    fn an_instant_counts_from_year_one() {
        let at = NaiveDate::from_ymd_opt(1, 1, 2)
            .unwrap()
            .and_hms_milli_opt(0, 0, 1, 3)
            .unwrap();
        assert_eq!(
            instant(at),
            Value::DateTime2 {
                days: 1,
                ticks: 10_030_000
            }
        );
        assert_eq!(date_of(0), NaiveDate::from_ymd_opt(1, 1, 1));
    }
}
