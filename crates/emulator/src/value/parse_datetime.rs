//! The rules by which SQL Server reads dates and times.
//!
//! It reads the formats that mean the same under every language (`yyyymmdd`, `yyyy-mm-dd`, ISO 8601 with `T`,
//! times) and those of `us_english` (`mm/dd/yyyy` and month names). It ignores `SET DATEFORMAT` other than `mdy`
//! and `ymd`.

use crate::types::{OwnedCell, SqlError, SqlType};
use crate::value::error;
use crate::value::temporal::{self, DAYS_TO_1900, Moment, UNITS_PER_DAY, UNITS_PER_SECOND};

/// The reason why text is no date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum NotDate {
    Syntax,
    Range,
}

/// Reads text as a value of the date or time type `to`.
pub(super) fn parse(text: &str, from: SqlType, to: SqlType) -> Result<OwnedCell, SqlError> {
    let old = matches!(to, SqlType::DateTime | SqlType::SmallDateTime);
    let fail = |why| match (why, to) {
        (NotDate::Range, _) if old => error::date_out_of_range(from, to),
        (NotDate::Syntax, SqlType::SmallDateTime) => error::error(
            295,
            3,
            "Conversion failed when converting character string to smalldatetime data type.".to_owned(),
        ),
        _ => error::not_a_date(),
    };
    let moment = read(text, old).map_err(fail)?;
    moment.to_cell(to).ok_or_else(|| fail(NotDate::Range))
}

/// The text that is not read yet.
struct Cursor<'a> {
    rest: &'a [u8],
}

impl Cursor<'_> {
    fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    fn eat(&mut self, wanted: u8) -> bool {
        let found = self.peek() == Some(wanted);
        if found {
            self.rest = &self.rest[1..];
        }
        found
    }

    fn blanks(&mut self) {
        while self.eat(b' ') {}
    }

    /// A run of digits: their number and their value.
    fn number(&mut self) -> Option<(usize, u32)> {
        let count = self.rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if count == 0 || count > 9 {
            return None;
        }
        let value = self.rest[..count]
            .iter()
            .fold(0, |value, byte| value * 10 + u32::from(byte - b'0'));
        self.rest = &self.rest[count..];
        Some((count, value))
    }

    fn two_digits(&mut self) -> Result<u32, NotDate> {
        match self.number() {
            Some((1 | 2, value)) => Ok(value),
            _ => Err(NotDate::Syntax),
        }
    }

    fn month_name(&mut self) -> Option<u32> {
        const NAMES: [&str; 12] = [
            "january",
            "february",
            "march",
            "april",
            "may",
            "june",
            "july",
            "august",
            "september",
            "october",
            "november",
            "december",
        ];
        let count = self
            .rest
            .iter()
            .take_while(|byte| byte.is_ascii_alphabetic())
            .count();
        let word = self.rest[..count].to_ascii_lowercase();
        let month = NAMES
            .iter()
            .position(|name| name.as_bytes() == word || name.as_bytes()[..3] == *word)?;
        self.rest = &self.rest[count..];
        u32::try_from(month + 1).ok()
    }
}

fn read(text: &str, old: bool) -> Result<Moment, NotDate> {
    let mut cursor = Cursor {
        rest: text.trim_matches(' ').as_bytes(),
    };
    let mut moment = Moment {
        days: DAYS_TO_1900,
        units: 0,
        offset: 0,
    };
    if cursor.rest.is_empty() {
        return Ok(moment);
    }
    if !starts_with_time(cursor.rest) {
        moment.days = read_date(&mut cursor)?;
        if cursor.rest.is_empty() {
            return Ok(moment);
        }
        if !cursor.eat(b'T') && !cursor.eat(b' ') {
            // A zone right after a date is no time.
            return Err(NotDate::Syntax);
        }
        cursor.blanks();
    }
    moment.units = read_time(&mut cursor, old)?;
    cursor.blanks();
    if !cursor.rest.is_empty() {
        let offset = read_offset(&mut cursor)?;
        // The older types take `Z` and no other zone.
        if old && offset != Some(0) {
            return Err(NotDate::Syntax);
        }
        moment.offset = offset.unwrap_or(0);
    }
    if cursor.rest.is_empty() {
        Ok(moment)
    } else {
        Err(NotDate::Syntax)
    }
}

/// One or two digits before a colon, or before AM or PM.
fn starts_with_time(rest: &[u8]) -> bool {
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let after = rest[digits..].iter().copied().find(|byte| *byte != b' ');
    matches!(digits, 1 | 2)
        && matches!(after, Some(b':' | b'a' | b'A' | b'p' | b'P'))
        && !is_month(&rest[digits..])
}

fn is_month(rest: &[u8]) -> bool {
    let start = rest.iter().position(|byte| *byte != b' ').unwrap_or(0);
    Cursor { rest: &rest[start..] }.month_name().is_some()
}

fn read_date(cursor: &mut Cursor<'_>) -> Result<i64, NotDate> {
    let (year, month, day) = if let Some(month) = cursor.month_name() {
        cursor.blanks();
        let day = cursor.two_digits()?;
        cursor.eat(b',');
        cursor.blanks();
        (year_of(cursor.number())?, month, day)
    } else {
        match cursor.number().ok_or(NotDate::Syntax)? {
            (8, packed) => (packed / 10_000, packed / 100 % 100, packed % 100),
            (6, packed) => (two_digit_year(packed / 10_000), packed / 100 % 100, packed % 100),
            (4, year) if cursor.rest.is_empty() => (year, 1, 1),
            (4, year) => {
                let separator = separator(cursor)?;
                let month = cursor.two_digits()?;
                if !cursor.eat(separator) {
                    return Err(NotDate::Syntax);
                }
                (year, month, cursor.two_digits()?)
            }
            (1 | 2, first) => match separator(cursor) {
                Ok(separator) => {
                    let second = cursor.two_digits()?;
                    if !cursor.eat(separator) {
                        return Err(NotDate::Syntax);
                    }
                    (year_of(cursor.number())?, first, second)
                }
                Err(_) => {
                    cursor.blanks();
                    let month = cursor.month_name().ok_or(NotDate::Syntax)?;
                    cursor.blanks();
                    (year_of(cursor.number())?, month, first)
                }
            },
            _ => return Err(NotDate::Syntax),
        }
    };
    let year = i32::try_from(year).map_err(|_| NotDate::Syntax)?;
    temporal::days_from_civil(year, month, day).ok_or(NotDate::Range)
}

fn separator(cursor: &mut Cursor<'_>) -> Result<u8, NotDate> {
    [b'-', b'/', b'.']
        .into_iter()
        .find(|byte| cursor.eat(*byte))
        .ok_or(NotDate::Syntax)
}

fn year_of(number: Option<(usize, u32)>) -> Result<u32, NotDate> {
    match number {
        Some((4, year)) => Ok(year),
        Some((2, year)) => Ok(two_digit_year(year)),
        _ => Err(NotDate::Syntax),
    }
}

/// The default of the "two digit year cutoff" option is 2049.
fn two_digit_year(year: u32) -> u32 {
    if year < 50 { 2000 + year } else { 1900 + year }
}

fn read_time(cursor: &mut Cursor<'_>, old: bool) -> Result<i64, NotDate> {
    let mut hour = cursor.two_digits()?;
    let (mut minute, mut second, mut fraction) = (0, 0, 0);
    let minutes = cursor.eat(b':');
    if minutes {
        minute = cursor.two_digits()?;
        if cursor.eat(b':') {
            second = cursor.two_digits()?;
            if cursor.eat(b'.') {
                fraction = read_fraction(cursor, old)?;
            } else if cursor.eat(b':') {
                // The digits are milliseconds, not a fraction: `:5` is .005.
                let (_, milliseconds) = cursor.number().ok_or(NotDate::Syntax)?;
                if milliseconds > 999 {
                    return Err(NotDate::Syntax);
                }
                fraction = i64::from(milliseconds) * 10_000;
            }
        }
    }
    cursor.blanks();
    match half(cursor) {
        Some(afternoon) => {
            if !(1..=12).contains(&hour) {
                return Err(NotDate::Range);
            }
            hour = hour % 12 + if afternoon { 12 } else { 0 };
        }
        None if !minutes => return Err(NotDate::Syntax),
        None => {}
    }
    if hour > 23 || minute > 59 || second > 59 {
        return Err(NotDate::Range);
    }
    let units = i64::from(hour * 3_600 + minute * 60 + second) * UNITS_PER_SECOND + fraction;
    debug_assert!(units < UNITS_PER_DAY);
    Ok(units)
}

/// Three digits for the older types, seven for the newer.
fn read_fraction(cursor: &mut Cursor<'_>, old: bool) -> Result<i64, NotDate> {
    let (count, value) = cursor.number().ok_or(NotDate::Syntax)?;
    if count > if old { 3 } else { 7 } {
        return Err(NotDate::Syntax);
    }
    Ok(i64::from(value) * 10i64.pow(7 - count as u32))
}

fn half(cursor: &mut Cursor<'_>) -> Option<bool> {
    let word = cursor.rest.get(..2)?.to_ascii_uppercase();
    let afternoon = match word.as_slice() {
        b"AM" => false,
        b"PM" => true,
        _ => return None,
    };
    cursor.rest = &cursor.rest[2..];
    Some(afternoon)
}

/// `Z`, which is `Some(0)` for the older types too, or `+hh:mm`.
fn read_offset(cursor: &mut Cursor<'_>) -> Result<Option<i16>, NotDate> {
    if cursor.eat(b'Z') || cursor.eat(b'z') {
        return Ok(Some(0));
    }
    let negative = match cursor.peek() {
        Some(b'-') => true,
        Some(b'+') => false,
        _ => return Err(NotDate::Syntax),
    };
    cursor.rest = &cursor.rest[1..];
    let hours = cursor.two_digits()?;
    if !cursor.eat(b':') {
        return Err(NotDate::Syntax);
    }
    let minutes = cursor.two_digits()?;
    let offset = i16::try_from(hours * 60 + minutes).map_err(|_| NotDate::Range)?;
    if minutes > 59 || offset > temporal::MAX_OFFSET {
        return Err(NotDate::Range);
    }
    Ok(Some(if negative { -offset } else { offset }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::Len;
    use crate::value::render::render_style;

    const FROM: SqlType = SqlType::VarChar(Len::Max);

    fn through(text: &str, to: SqlType) -> Result<String, i32> {
        let cell = parse(text, FROM, to).map_err(|e| e.number)?;
        Ok(render_style(cell.as_cell(), to, 121).unwrap())
    }

    #[test]
    fn formats() {
        for (text, printed) in [
            ("2025-10-01", "2025-10-01 00:00:00.000"),
            ("20251001", "2025-10-01 00:00:00.000"),
            ("20251001 01:02", "2025-10-01 01:02:00.000"),
            ("2025-10-01T00:00:00.003", "2025-10-01 00:00:00.003"),
            ("2025-10-01 23:59:59.998", "2025-10-01 23:59:59.997"),
            ("2025-10-01 23:59:59.999", "2025-10-02 00:00:00.000"),
            ("2025-10-01T10:00:00Z", "2025-10-01 10:00:00.000"),
            ("2025/1/2 3:04PM", "2025-01-02 15:04:00.000"),
            ("10/1/2025", "2025-10-01 00:00:00.000"),
            ("Oct  1 2025 12:05AM", "2025-10-01 00:05:00.000"),
            ("1 October 2025", "2025-10-01 00:00:00.000"),
            ("1 Apr 2025", "2025-04-01 00:00:00.000"),
            ("13:05:01:7", "1900-01-01 13:05:01.007"),
            ("491231", "2049-12-31 00:00:00.000"),
            ("", "1900-01-01 00:00:00.000"),
            ("  1753-01-01  ", "1753-01-01 00:00:00.000"),
        ] {
            assert_eq!(through(text, SqlType::DateTime).as_deref(), Ok(printed), "{text}");
        }
    }

    #[test]
    fn newer_types() {
        assert_eq!(
            through("2025-10-01 00:00:00.1234567", SqlType::DateTime2(7)).as_deref(),
            Ok("2025-10-01 00:00:00.1234567")
        );
        assert_eq!(
            through("2025-10-01 23:59:59.9999999", SqlType::DateTime2(3)).as_deref(),
            Ok("2025-10-02 00:00:00.000")
        );
        assert_eq!(
            through("2025-10-01T10:00:00+02:00", SqlType::DateTimeOffset(0)).as_deref(),
            Ok("2025-10-01 10:00:00 +02:00")
        );
        assert_eq!(
            through("2025-10-01 10:00 -14:00", SqlType::DateTimeOffset(0)).as_deref(),
            Ok("2025-10-01 10:00:00 -14:00")
        );
        assert_eq!(through("0001-01-01", SqlType::Date).as_deref(), Ok("0001-01-01"));
        assert_eq!(through("9999-12-31", SqlType::Date).as_deref(), Ok("9999-12-31"));
        assert_eq!(through("12:00", SqlType::Time(0)).as_deref(), Ok("12:00:00"));
    }

    #[test]
    fn refusals() {
        for text in [
            "abc",
            "2025-10-01T",
            "2025-10",
            "2025-10-01x",
            "2025-10-01 1",
            "2025-10-01 00:00:00.1234",
        ] {
            assert_eq!(through(text, SqlType::DateTime), Err(241), "{text}");
            assert_eq!(through(text, SqlType::SmallDateTime), Err(295), "{text}");
        }
        for text in [
            "2025-02-29",
            "2025-13-01",
            "1752-12-31",
            "2025-10-01 24:00",
            "2025-10-01 13:00AM",
        ] {
            assert_eq!(through(text, SqlType::DateTime), Err(242), "{text}");
        }
        for text in [
            "2025-02-29",
            "2025-10-01 00:00:00.12345678",
            "2025-10-01 00:00 +15:00",
            "é",
            "12:é",
        ] {
            assert_eq!(through(text, SqlType::DateTime2(7)), Err(241), "{text}");
        }
        assert_eq!(through("2025-10-01 00:00 +01:00", SqlType::DateTime), Err(241));
    }
}
