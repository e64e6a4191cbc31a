//! The rules by which SQL Server prints values.
//!
//! Styles: <https://learn.microsoft.com/sql/t-sql/functions/cast-and-convert-transact-sql>. Styles of other languages'
//! months and of the Hijri calendar are refused with error 281.

use std::fmt::Write;

use crate::types::{Cell, SqlError, SqlType};
use crate::value::temporal::{self, Moment, UNITS_PER_SECOND};
use crate::value::{decimal, error, guid};

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// Prints as `CAST(cell AS nvarchar(max))` does. NULL prints as `NULL` and binary as `0x…`. A cell that does not
/// belong to the type prints as it is.
pub(crate) fn render(cell: Cell<'_>, ty: SqlType) -> String {
    render_style(cell, ty, 0).unwrap_or_else(|_| raw(cell))
}

/// Prints as `CONVERT(nvarchar(max), cell, style)` does.
///
/// # Errors
/// 281 for a style that the type does not have, 8630 for a cell that does not belong to the type.
pub(crate) fn render_style(cell: Cell<'_>, ty: SqlType, style: i32) -> Result<String, SqlError> {
    let misfit = || error::misfit(ty);
    match (ty, cell) {
        (_, Cell::Null) => Ok("NULL".to_owned()),
        (SqlType::Decimal { scale, .. }, _) => Ok(decimal::render(
            decimal::from_cell(cell).ok_or_else(misfit)?,
            scale,
        )),
        (SqlType::Money | SqlType::SmallMoney, Cell::Integer(value)) => money(value, ty, style),
        (SqlType::Real, Cell::Real(value)) => float(value, ty, style, 9),
        (SqlType::Float, Cell::Real(value)) => float(value, ty, style, 17),
        (SqlType::UniqueIdentifier, Cell::Blob(bytes)) => {
            Ok(guid::render(bytes.try_into().map_err(|_| misfit())?))
        }
        (_, Cell::Text(text)) => Ok(text.to_owned()),
        (SqlType::Binary(_) | SqlType::VarBinary(_), Cell::Blob(bytes)) => match style {
            0 | 1 => Ok(hex(bytes, "0x")),
            2 => Ok(hex(bytes, "")),
            _ => Err(error::bad_style(style, ty)),
        },
        _ if temporal::is_temporal(ty) => {
            let moment = Moment::from_cell(cell, ty).ok_or_else(misfit)?;
            match (ty, style) {
                (SqlType::DateTime, _) => {
                    let Cell::Integer(ticks) = cell else {
                        return Err(misfit());
                    };
                    // The milliseconds of a tick are rounded once, from the tick.
                    let in_second = ticks.rem_euclid(300);
                    Printer {
                        moment,
                        fraction: temporal::milliseconds_of_ticks(in_second),
                        digits: 3,
                        ty,
                    }
                    .print(style)
                }
                (SqlType::SmallDateTime, _) => Printer {
                    moment,
                    fraction: 0,
                    digits: 3,
                    ty,
                }
                .print(style),
                (SqlType::Date, _) => Printer {
                    moment,
                    fraction: 0,
                    digits: 0,
                    ty,
                }
                .print(style),
                (SqlType::Time(scale) | SqlType::DateTime2(scale) | SqlType::DateTimeOffset(scale), _) => {
                    let fraction = moment.units % UNITS_PER_SECOND / 10i64.pow(u32::from(7 - scale.min(7)));
                    Printer {
                        moment,
                        fraction,
                        digits: scale,
                        ty,
                    }
                    .print(style)
                }
                _ => Err(misfit()),
            }
        }
        (_, Cell::Integer(value)) => Ok(value.to_string()),
        _ => Err(misfit()),
    }
}

fn raw(cell: Cell<'_>) -> String {
    match cell {
        Cell::Null => "NULL".to_owned(),
        Cell::Integer(value) => value.to_string(),
        Cell::Real(value) => value.to_string(),
        Cell::Text(text) => text.to_owned(),
        Cell::Blob(bytes) => hex(bytes, "0x"),
    }
}

/// Upper-case hexadecimal digits after a prefix.
pub(crate) fn hex(bytes: &[u8], prefix: &str) -> String {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let mut text = String::with_capacity(bytes.len() * 2 + prefix.len());
    text.push_str(prefix);
    for byte in bytes {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    text
}

/// Style 0 has two decimals, 1 has commas too, 2 and 126 have four decimals.
fn money(value: i64, ty: SqlType, style: i32) -> Result<String, SqlError> {
    let value = i128::from(value);
    match style {
        0 => Ok(decimal::render(decimal::divide_rounded(value, 100), 2)),
        1 => {
            let plain = decimal::render(decimal::divide_rounded(value, 100), 2);
            let (sign, digits) = plain
                .strip_prefix('-')
                .map_or(("", plain.as_str()), |rest| ("-", rest));
            let whole = digits.len() - 3;
            let mut text = sign.to_owned();
            for (at, digit) in digits.char_indices() {
                if at > 0 && at < whole && (whole - at) % 3 == 0 {
                    text.push(',');
                }
                text.push(digit);
            }
            Ok(text)
        }
        2 | 126 => Ok(decimal::render(value, 4)),
        _ => Err(error::bad_style(style, ty)),
    }
}

/// Style 0 has up to 6 digits and is scientific if that is shorter. Styles 1, 2 and 3 are scientific with 8, 16 and
/// all digits.
fn float(value: f64, ty: SqlType, style: i32, all_digits: usize) -> Result<String, SqlError> {
    match style {
        0 => Ok(general(value)),
        1 => Ok(scientific(value, 8)),
        2 => Ok(scientific(value, 16)),
        3 => Ok(scientific(value, all_digits)),
        _ => Err(error::bad_style(style, ty)),
    }
}

/// C's `%.6g`, with three digits in the exponent.
fn general(value: f64) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    let text = format!("{value:.5e}");
    let Some((mantissa, exponent)) = text.split_once('e') else {
        return text;
    };
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..6).contains(&exponent) {
        let decimals = usize::try_from(5 - exponent).unwrap_or(0);
        return strip_zeros(&format!("{value:.decimals$}")).to_owned();
    }
    with_exponent(strip_zeros(mantissa), exponent)
}

fn scientific(value: f64, digits: usize) -> String {
    let text = format!("{value:.decimals$e}", decimals = digits - 1);
    match text.split_once('e') {
        Some((mantissa, exponent)) => with_exponent(mantissa, exponent.parse().unwrap_or(0)),
        None => text,
    }
}

fn with_exponent(mantissa: &str, exponent: i32) -> String {
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:03}", exponent.abs())
}

fn strip_zeros(text: &str) -> &str {
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.')
    } else {
        text
    }
}

/// A date or time on its way to text.
struct Printer {
    moment: Moment,
    /// Fraction of a second in 10^-digits.
    fraction: i64,
    digits: u8,
    ty: SqlType,
}

impl Printer {
    fn print(&self, style: i32) -> Result<String, SqlError> {
        let old = matches!(self.ty, SqlType::DateTime | SqlType::SmallDateTime);
        // CAST prints the older two types in style 0 and the newer ones in style 121.
        let style = if style == 0 && !old { 121 } else { style };
        let (has_date, has_time) = (!matches!(self.ty, SqlType::Time(_)), self.ty != SqlType::Date);
        let date = self.date(style);
        let time = self.time(style);
        let mut text = String::with_capacity(34);
        match (date, time) {
            (None, None) => return Err(error::bad_style(style, self.ty)),
            (Some(date), None) if has_date => text.push_str(&date),
            (None, Some(time)) if has_time => text.push_str(&time),
            (Some(date), Some(time)) => {
                if has_date {
                    text.push_str(&date);
                }
                if has_date && has_time {
                    text.push(if matches!(style, 126 | 127) { 'T' } else { ' ' });
                }
                if has_time {
                    text.push_str(&time);
                }
            }
            _ => return Err(error::bad_style(style, self.ty)),
        }
        if let SqlType::DateTimeOffset(_) = self.ty {
            self.push_offset(&mut text, style);
        }
        Ok(text)
    }

    fn date(&self, style: i32) -> Option<String> {
        let (y, m, d) = temporal::civil_from_days(self.local(style).days);
        let month = MONTHS[(m - 1) as usize];
        Some(match style {
            0 | 9 | 100 | 109 => format!("{month} {d:2} {y:04}"),
            101 => format!("{m:02}/{d:02}/{y:04}"),
            102 => format!("{y:04}.{m:02}.{d:02}"),
            103 => format!("{d:02}/{m:02}/{y:04}"),
            104 => format!("{d:02}.{m:02}.{y:04}"),
            105 => format!("{d:02}-{m:02}-{y:04}"),
            106 | 13 | 113 => format!("{d:02} {month} {y:04}"),
            107 => format!("{month} {d:02}, {y:04}"),
            110 => format!("{m:02}-{d:02}-{y:04}"),
            111 => format!("{y:04}/{m:02}/{d:02}"),
            112 => format!("{y:04}{m:02}{d:02}"),
            20 | 21 | 23 | 25 | 120 | 121 | 126 | 127 => format!("{y:04}-{m:02}-{d:02}"),
            _ => return None,
        })
    }

    fn time(&self, style: i32) -> Option<String> {
        let seconds = self.local(style).units / UNITS_PER_SECOND;
        let (h, m, s) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
        let half = if h < 12 { "AM" } else { "PM" };
        let twelve = (h + 11) % 12 + 1;
        let mut text = match style {
            0 | 100 => return Some(format!("{twelve:2}:{m:02}{half}")),
            9 | 109 => format!("{twelve:2}:{m:02}:{s:02}"),
            8 | 24 | 108 | 20 | 120 => return Some(format!("{h:02}:{m:02}:{s:02}")),
            13 | 14 | 113 | 114 | 21 | 25 | 121 | 126 | 127 => format!("{h:02}:{m:02}:{s:02}"),
            _ => return None,
        };
        // ISO 8601 leaves out a fraction of zero.
        let leave_out = matches!(style, 126 | 127) && self.fraction == 0;
        if self.digits > 0 && !leave_out {
            // The older types put a colon before the milliseconds in these styles.
            let old = matches!(self.ty, SqlType::DateTime | SqlType::SmallDateTime);
            text.push(if old && matches!(style, 9 | 13 | 14 | 109 | 113 | 114) {
                ':'
            } else {
                '.'
            });
            // Writing to a String cannot fail.
            let _ = write!(
                text,
                "{:0width$}",
                self.fraction,
                width = usize::from(self.digits)
            );
        }
        if matches!(style, 9 | 109) {
            text.push_str(half);
        }
        Some(text)
    }

    /// Style 127 prints UTC, and every other style prints the local time.
    fn local(&self, style: i32) -> Moment {
        if style != 127 {
            return self.moment;
        }
        let minutes = i64::from(self.moment.offset);
        let units =
            self.moment.days * temporal::UNITS_PER_DAY + self.moment.units - minutes * 60 * UNITS_PER_SECOND;
        Moment {
            days: units.div_euclid(temporal::UNITS_PER_DAY),
            units: units.rem_euclid(temporal::UNITS_PER_DAY),
            offset: 0,
        }
    }

    fn push_offset(&self, text: &mut String, style: i32) {
        let offset = self.moment.offset;
        let (sign, minutes) = (if offset < 0 { '-' } else { '+' }, offset.unsigned_abs());
        let (hours, minutes) = (minutes / 60, minutes % 60);
        // Writing to a String cannot fail.
        let _ = match style {
            127 => write!(text, "Z"),
            126 => write!(text, "{sign}{hours:02}:{minutes:02}"),
            0 | 9 | 13 | 14 | 20 | 21 | 25 | 100 | 109 | 113 | 114 | 120 | 121 => {
                write!(text, " {sign}{hours:02}:{minutes:02}")
            }
            _ => Ok(()),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(y: i32, m: u32, d: u32, units: i64, ty: SqlType, style: i32) -> String {
        let moment = Moment {
            days: temporal::days_from_civil(y, m, d).unwrap(),
            units,
            offset: 90,
        };
        render_style(moment.to_cell(ty).unwrap().as_cell(), ty, style).unwrap()
    }

    #[test]
    fn dates_and_times() {
        let afternoon = 13 * 3_600 * UNITS_PER_SECOND + 5 * 60 * UNITS_PER_SECOND + 70_000;
        let in_style = |ty, style| at(2025, 10, 1, afternoon, ty, style);
        assert_eq!(in_style(SqlType::DateTime, 0), "Oct  1 2025  1:05PM");
        assert_eq!(in_style(SqlType::DateTime, 121), "2025-10-01 13:05:00.007");
        assert_eq!(in_style(SqlType::DateTime, 126), "2025-10-01T13:05:00.007");
        assert_eq!(in_style(SqlType::DateTime, 109), "Oct  1 2025  1:05:00:007PM");
        assert_eq!(in_style(SqlType::DateTime, 112), "20251001");
        assert_eq!(in_style(SqlType::SmallDateTime, 126), "2025-10-01T13:05:00");
        assert_eq!(in_style(SqlType::Date, 0), "2025-10-01");
        assert_eq!(in_style(SqlType::Time(3), 0), "13:05:00.007");
        assert_eq!(in_style(SqlType::Time(0), 0), "13:05:00");
        assert_eq!(in_style(SqlType::DateTime2(7), 0), "2025-10-01 13:05:00.0070000");
        assert_eq!(in_style(SqlType::DateTime2(7), 120), "2025-10-01 13:05:00");
        assert_eq!(
            in_style(SqlType::DateTimeOffset(3), 0),
            "2025-10-01 13:05:00.007 +01:30"
        );
        assert_eq!(
            in_style(SqlType::DateTimeOffset(3), 127),
            "2025-10-01T11:35:00.007Z"
        );
        assert_eq!(at(2025, 10, 1, 0, SqlType::DateTime, 100), "Oct  1 2025 12:00AM");
        assert_eq!(
            at(1, 1, 1, 90 * 60 * UNITS_PER_SECOND, SqlType::DateTimeOffset(0), 0),
            "0001-01-01 01:30:00 +01:30"
        );
        assert_eq!(
            render(Cell::Integer(-1), SqlType::DateTime),
            "Dec 31 1899 11:59PM"
        );
        assert_eq!(
            render_style(Cell::Integer(-1), SqlType::DateTime, 121).unwrap(),
            "1899-12-31 23:59:59.997"
        );
        assert_eq!(
            render_style(Cell::Integer(0), SqlType::Date, 108).map_err(|e| e.number),
            Err(281)
        );
        assert_eq!(
            render_style(Cell::Integer(0), SqlType::DateTime, 130).map_err(|e| e.number),
            Err(281)
        );
    }

    #[test]
    fn floats_print_six_digits() {
        let print = |value| render(Cell::Real(value), SqlType::Float);
        assert_eq!(print(0.0), "0");
        assert_eq!(print(1.0), "1");
        assert_eq!(print(-1234.5), "-1234.5");
        assert_eq!(print(123_456.7), "123457");
        assert_eq!(print(1_234_567.0), "1.23457e+006");
        assert_eq!(print(999_999.7), "1e+006");
        assert_eq!(print(0.0001), "0.0001");
        assert_eq!(print(0.00001), "1e-005");
        assert_eq!(print(1.5e300), "1.5e+300");
        assert_eq!(
            render_style(Cell::Real(0.1), SqlType::Float, 3).unwrap(),
            "1.0000000000000001e-001"
        );
        assert_eq!(
            render_style(Cell::Real(1.5), SqlType::Float, 1).unwrap(),
            "1.5000000e+000"
        );
    }

    #[test]
    fn money_styles() {
        let print = |value, style| render_style(Cell::Integer(value), SqlType::Money, style).unwrap();
        // <https://learn.microsoft.com/sql/t-sql/functions/cast-and-convert-transact-sql>: 4235.9819.
        assert_eq!(print(42_359_819, 0), "4235.98");
        assert_eq!(print(42_359_819, 1), "4,235.98");
        assert_eq!(print(42_359_819, 2), "4235.9819");
        assert_eq!(print(-1_234_567_890_000, 1), "-123,456,789.00");
        assert_eq!(print(-9_950, 0), "-1.00");
        assert_eq!(print(i64::MIN, 2), "-922337203685477.5808");
    }
}
