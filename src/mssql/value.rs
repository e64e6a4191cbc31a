//! Exact conversions between the driver's values and the canonical ones.
//!
//! There are three: a cell that was read, a parameter that is sent, and a cell of a bulk load. None passes through a
//! type that holds less than the value: no `f64` for money, no `chrono` for ticks of 1/300 s, no text for a number
//! that has a type of its own.

use std::borrow::Cow;

use tiberius::time::{Date, DateTime2, DateTimeOffset, Time};
use tiberius::{ColumnData, Uuid};

use crate::base::error::{Error, ErrorKind, Result};
use crate::model::row::{Value, printed_milliseconds};
use crate::model::table::DataType;

/// Days from 0001-01-01 to 1900-01-01, the day 0 of `datetime` and `smalldatetime`.
const DAYS_TO_1900: i32 = 693_595;
/// Units of 100 ns in a millisecond.
const TICKS_IN_A_MILLISECOND: u64 = 10_000;
/// Units of 100 ns in a minute.
const TICKS_PER_MINUTE: u64 = 60 * 10_000_000;
/// Scale of a canonical time: 100 ns.
const TIME_SCALE: u8 = 7;

/// The canonical value of a cell as the driver decoded it.
///
/// # Errors
/// `Broken` for values that no server sends, such as a time with more than 7 digits.
// In line with `encode`, which says why.
#[inline(always)]
pub(super) fn canonical<'a>(cell: &'a ColumnData<'static>) -> Result<Value<'a>> {
    let value = match cell {
        ColumnData::Bit(v) => v.map(|v| Value::Integer(i64::from(v))),
        ColumnData::U8(v) => v.map(|v| Value::Integer(i64::from(v))),
        ColumnData::I16(v) => v.map(|v| Value::Integer(i64::from(v))),
        ColumnData::I32(v) => v.map(|v| Value::Integer(i64::from(v))),
        ColumnData::I64(v) => v.map(Value::Integer),
        ColumnData::F32(v) => v.map(|v| Value::Float(f64::from(v))),
        ColumnData::F64(v) => v.map(Value::Float),
        ColumnData::Numeric(v) => v.map(|v| Value::Decimal {
            units: v.value(),
            scale: v.scale(),
        }),
        ColumnData::String(v) => v.as_deref().map(Value::Text),
        ColumnData::Xml(v) => v.as_ref().map(|v| Value::Text(v.as_ref().as_ref())),
        ColumnData::Binary(v) => v.as_deref().map(Value::Bytes),
        ColumnData::Guid(v) => v.map(|v| Value::Guid(*v.as_bytes())),
        ColumnData::Date(v) => v.map(|v| days(v).map(Value::Date)).transpose()?,
        ColumnData::Time(v) => v.map(|v| ticks(v).map(Value::Time)).transpose()?,
        ColumnData::DateTime(v) => v.map(|v| Value::DateTime {
            days: v.days(),
            ticks: v.seconds_fragments(),
        }),
        // The driver calls them fragments of a second, but the wire counts minutes.
        ColumnData::SmallDateTime(v) => v.map(|v| Value::DateTime2 {
            days: i32::from(v.days()) + DAYS_TO_1900,
            ticks: u64::from(v.seconds_fragments()) * TICKS_PER_MINUTE,
        }),
        ColumnData::DateTime2(v) => match v {
            Some(v) => Some(Value::DateTime2 {
                days: days(v.date())?,
                ticks: ticks(v.time())?,
            }),
            None => None,
        },
        // UTC, as on the wire. One of the driver's own conversions takes it for local time.
        ColumnData::DateTimeOffset(v) => match v {
            Some(v) => Some(Value::DateTimeOffset {
                days: days(v.datetime2().date())?,
                ticks: ticks(v.datetime2().time())?,
                offset: v.offset(),
            }),
            None => None,
        },
    };
    Ok(value.unwrap_or(Value::Null))
}

fn days(date: Date) -> Result<i32> {
    i32::try_from(date.days()).map_err(|_| Error::new(ErrorKind::Broken, "A date has more than 3 bytes"))
}

fn ticks(time: Time) -> Result<u64> {
    TIME_SCALE
        .checked_sub(time.scale())
        .and_then(|missing| time.increments().checked_mul(10u64.pow(u32::from(missing))))
        .ok_or_else(|| Error::new(ErrorKind::Broken, "A time has more than 7 digits"))
}

/// The parameter that carries a value to the server without loss. The statement CASTs it to the column's type if the
/// type matters ([`crate::tsql::expression::key_parameter`]).
///
/// # Errors
/// `Internal` for NULL, which a statement spells out, because the driver gives it no type and not every server accepts
/// that. `Statement` for a date before year 1, which no server holds.
pub(super) fn parameter<'a>(value: Value<'a>) -> Result<ColumnData<'a>> {
    Ok(match value {
        Value::Null => {
            return Err(Error::new(
                ErrorKind::Internal,
                "A parameter is NULL, which the statement must spell out",
            ));
        }
        Value::Integer(v) => ColumnData::I64(Some(v)),
        Value::Decimal { units, scale } => decimal(units, scale),
        Value::Float(v) => ColumnData::F64(Some(v)),
        Value::Text(v) => ColumnData::String(Some(Cow::Borrowed(v))),
        Value::Bytes(v) => ColumnData::Binary(Some(Cow::Borrowed(v))),
        Value::Date(v) => ColumnData::Date(Some(date(v)?)),
        Value::Time(v) => ColumnData::Time(Some(Time::new(v, TIME_SCALE))),
        Value::DateTime2 { days, ticks } => ColumnData::DateTime2(Some(datetime2(days, ticks)?)),
        Value::DateTime { days, ticks } => datetime(days, ticks)?,
        Value::DateTimeOffset { days, ticks, offset } => {
            ColumnData::DateTimeOffset(Some(DateTimeOffset::new(datetime2(days, ticks)?, offset)))
        }
        Value::Guid(v) => ColumnData::Guid(Some(Uuid::from_bytes(v))),
    })
}

/// The cell of a bulk load: `value` in the type that [`crate::tsql::expression::stage_type`] gives a column of
/// `data_type`.
///
/// # Errors
/// `Statement` when the value is not of the column's type: what was read is not what was asked for.
// In line with `Values::next_value`, for the same reason.
#[inline(always)]
pub(super) fn staged<'a>(value: Value<'a>, data_type: DataType) -> Result<ColumnData<'a>> {
    use DataType as T;
    let misfit = || {
        Error::new(
            ErrorKind::Statement,
            format!(
                "A value that the source answered with is not of its column's type {data_type}; it is read again \
                 by the next run"
            ),
        )
    };
    Ok(match (data_type, value) {
        (T::Bit, Value::Null) => ColumnData::Bit(None),
        (T::Bit, Value::Integer(v)) => ColumnData::Bit(Some(v != 0)),
        (T::TinyInt, Value::Null) => ColumnData::U8(None),
        (T::TinyInt, Value::Integer(v)) => ColumnData::U8(Some(u8::try_from(v).map_err(|_| misfit())?)),
        (T::SmallInt, Value::Null) => ColumnData::I16(None),
        (T::SmallInt, Value::Integer(v)) => ColumnData::I16(Some(i16::try_from(v).map_err(|_| misfit())?)),
        (T::Int, Value::Null) => ColumnData::I32(None),
        (T::Int, Value::Integer(v)) => ColumnData::I32(Some(i32::try_from(v).map_err(|_| misfit())?)),
        (T::BigInt, Value::Null) => ColumnData::I64(None),
        (T::BigInt, Value::Integer(v)) => ColumnData::I64(Some(v)),
        (T::Decimal { .. } | T::Money | T::SmallMoney, Value::Null) => ColumnData::String(None),
        (T::Decimal { scale: most, .. }, Value::Decimal { units, scale }) if scale <= most => {
            decimal(units, scale)
        }
        (T::Money | T::SmallMoney, Value::Decimal { units, scale }) if scale <= 4 => decimal(units, scale),
        (T::Real | T::Float, Value::Null) => ColumnData::F64(None),
        (T::Real | T::Float, Value::Float(v)) => ColumnData::F64(Some(v)),
        (T::Char(_) | T::VarChar(_) | T::NChar(_) | T::NVarChar(_) | T::Xml, Value::Null) => {
            ColumnData::String(None)
        }
        (T::Char(_) | T::VarChar(_) | T::NChar(_) | T::NVarChar(_) | T::Xml, Value::Text(v)) => {
            ColumnData::String(Some(Cow::Borrowed(v)))
        }
        (T::Binary(_) | T::VarBinary(_), Value::Null) => ColumnData::Binary(None),
        (T::Binary(_) | T::VarBinary(_), Value::Bytes(v)) => ColumnData::Binary(Some(Cow::Borrowed(v))),
        (T::Date, Value::Null) => ColumnData::Date(None),
        (T::Date, Value::Date(v)) => ColumnData::Date(Some(date(v)?)),
        (T::Time(_), Value::Null) => ColumnData::Time(None),
        (T::Time(_), Value::Time(v)) => ColumnData::Time(Some(Time::new(v, TIME_SCALE))),
        (T::DateTime, Value::DateTime { days, ticks }) => datetime(days, ticks)?,
        (T::DateTime | T::SmallDateTime | T::DateTime2(_), Value::Null) => ColumnData::DateTime2(None),
        (T::SmallDateTime, Value::DateTime2 { days, ticks }) => {
            ColumnData::DateTime2(Some(datetime2(days, ticks)?))
        }
        (T::DateTime2(scale), Value::DateTime2 { days, ticks }) if scale <= TIME_SCALE => {
            let unit = 10u64.pow(u32::from(TIME_SCALE - scale));
            if ticks % unit != 0 {
                return Err(misfit());
            }
            ColumnData::DateTime2(Some(DateTime2::new(date(days)?, Time::new(ticks / unit, scale))))
        }
        (T::DateTimeOffset(_), Value::Null) => ColumnData::DateTimeOffset(None),
        (T::DateTimeOffset(_), Value::DateTimeOffset { days, ticks, offset }) => {
            ColumnData::DateTimeOffset(Some(DateTimeOffset::new(datetime2(days, ticks)?, offset)))
        }
        (T::UniqueIdentifier, Value::Null) => ColumnData::Guid(None),
        (T::UniqueIdentifier, Value::Guid(v)) => ColumnData::Guid(Some(Uuid::from_bytes(v))),
        _ => return Err(misfit()),
    })
}

fn date(days: i32) -> Result<Date> {
    // The driver asserts that a date fits into three bytes; year 9999 ends at day 3,652,058.
    match u32::try_from(days) {
        Ok(days) if days < 1 << 24 => Ok(Date::new(days)),
        _ => Err(Error::new(
            ErrorKind::Statement,
            "A date is outside the years 1 to 9999",
        )),
    }
}

fn datetime2(days: i32, ticks: u64) -> Result<DateTime2> {
    Ok(DateTime2::new(date(days)?, Time::new(ticks, TIME_SCALE)))
}

/// A `datetime` as the millisecond that the server prints, which every server rounds to the same 1/300 s. Not every
/// server reads the driver's count of 1/300 s, or rounds a more exact value. `days` count from 1900-01-01.
fn datetime(days: i32, ticks: u32) -> Result<ColumnData<'static>> {
    let milliseconds = printed_milliseconds(ticks);
    Ok(ColumnData::DateTime2(Some(datetime2(
        days.saturating_add(DAYS_TO_1900),
        milliseconds * TICKS_IN_A_MILLISECOND,
    )?)))
}

/// A decimal as text: the driver writes as few bytes as the value needs, and not every server reads that.
fn decimal(units: i128, scale: u8) -> ColumnData<'static> {
    ColumnData::String(Some(Cow::Owned(decimal_text(units, scale))))
}

/// The text of a decimal, such as `-0.000123`, which a server reads back as the same decimal.
pub fn decimal_text(units: i128, scale: u8) -> String {
    // 39 digits of 128 bits, the point, a zero before it, the sign: 42, and as many more as make whole words.
    let mut text = [b'0'; 48];
    let mut at = text.len();
    let mut put = |byte| {
        at -= 1;
        text[at] = byte;
    };
    let mut rest = units.unsigned_abs();
    // Nearly all numbers fit into 64 bits, which divide several times as fast.
    let mut digit = || match u64::try_from(rest) {
        Ok(small) => {
            rest = u128::from(small / 10);
            (b'0' + (small % 10) as u8, small > 9)
        }
        Err(_) => {
            let digit = (rest % 10) as u8;
            rest /= 10;
            (b'0' + digit, true)
        }
    };
    for _ in 0..scale {
        put(digit().0);
    }
    if scale > 0 {
        put(b'.');
    }
    loop {
        let (digit, is_more) = digit();
        put(digit);
        if !is_more {
            break;
        }
    }
    if units < 0 {
        put(b'-');
    }
    // The whole of it is checked faster than a short part.
    let text = std::str::from_utf8(&text).expect("digits are ASCII");
    text[at..].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tiberius::time::{DateTime, SmallDateTime};
    use tiberius::xml::XmlData;

    #[test]
    fn every_type_decodes_exactly() {
        let guid = *b"\x00\x11\x22\x33\x44\x55\x66\x77\x88\x99\xaa\xbb\xcc\xdd\xee\xff";
        let day = Date::new(738_000);
        let cases: Vec<(ColumnData<'static>, Value<'_>)> = vec![
            (ColumnData::Bit(Some(true)), Value::Integer(1)),
            (ColumnData::U8(Some(255)), Value::Integer(255)),
            (ColumnData::I16(Some(-5)), Value::Integer(-5)),
            (
                ColumnData::I32(Some(i32::MIN)),
                Value::Integer(i64::from(i32::MIN)),
            ),
            (ColumnData::I64(Some(i64::MAX)), Value::Integer(i64::MAX)),
            (ColumnData::F32(Some(0.1)), Value::Float(f64::from(0.1f32))),
            (ColumnData::F64(Some(-0.0)), Value::Float(-0.0)),
            (
                ColumnData::Numeric(Some(tiberius::numeric::Numeric::new_with_scale(-12_345, 4))),
                Value::Decimal {
                    units: -12_345,
                    scale: 4,
                },
            ),
            (ColumnData::String(Some("zoë 🦀".into())), Value::Text("zoë 🦀")),
            (
                ColumnData::Xml(Some(Cow::Owned(XmlData::new("<a/>")))),
                Value::Text("<a/>"),
            ),
            (
                ColumnData::Binary(Some(vec![0, 255].into())),
                Value::Bytes(&[0, 255]),
            ),
            (ColumnData::Guid(Some(Uuid::from_bytes(guid))), Value::Guid(guid)),
            (ColumnData::Date(Some(day)), Value::Date(738_000)),
            (ColumnData::Time(Some(Time::new(123, 2))), Value::Time(12_300_000)),
            (
                ColumnData::DateTime(Some(DateTime::new(-53_690, 25_919_999))),
                Value::DateTime {
                    days: -53_690,
                    ticks: 25_919_999,
                },
            ),
            (
                ColumnData::SmallDateTime(Some(SmallDateTime::new(0, 1_439))),
                Value::DateTime2 {
                    days: 693_595,
                    ticks: 863_400_000_000,
                },
            ),
            (
                ColumnData::DateTime2(Some(DateTime2::new(day, Time::new(86_399, 0)))),
                Value::DateTime2 {
                    days: 738_000,
                    ticks: 863_990_000_000,
                },
            ),
            (
                ColumnData::DateTimeOffset(Some(DateTimeOffset::new(
                    DateTime2::new(day, Time::new(1, 7)),
                    -570,
                ))),
                Value::DateTimeOffset {
                    days: 738_000,
                    ticks: 1,
                    offset: -570,
                },
            ),
            (ColumnData::String(None), Value::Null),
            (ColumnData::DateTime2(None), Value::Null),
        ];
        for (cell, expected) in &cases {
            let value = canonical(cell).unwrap();
            assert_eq!(value, *expected);
            if let (Value::Float(a), Value::Float(b)) = (value, *expected) {
                assert_eq!(a.to_bits(), b.to_bits());
            }
        }
    }

    #[test]
    fn a_parameter_is_the_value_again() {
        for value in [
            Value::Integer(-1),
            Value::Float(1e-300),
            Value::Text("O'Neill 🦀"),
            Value::Bytes(b"\0\x01"),
            Value::Date(3_652_058),
            Value::Time(863_999_999_999),
            Value::DateTime2 { days: 1, ticks: 9 },
            Value::DateTimeOffset {
                days: 5,
                ticks: 7,
                offset: 840,
            },
            Value::Guid([7; 16]),
        ] {
            let sent = parameter(value).unwrap();
            let owned: ColumnData<'static> = match sent {
                ColumnData::String(text) => {
                    ColumnData::String(text.map(|text| Cow::Owned(text.into_owned())))
                }
                ColumnData::Binary(bytes) => {
                    ColumnData::Binary(bytes.map(|bytes| Cow::Owned(bytes.into_owned())))
                }
                ColumnData::I64(v) => ColumnData::I64(v),
                ColumnData::F64(v) => ColumnData::F64(v),
                ColumnData::Date(v) => ColumnData::Date(v),
                ColumnData::Time(v) => ColumnData::Time(v),
                ColumnData::DateTime2(v) => ColumnData::DateTime2(v),
                ColumnData::DateTimeOffset(v) => ColumnData::DateTimeOffset(v),
                ColumnData::Guid(v) => ColumnData::Guid(v),
                other => panic!("{other:?} is not a parameter's type"),
            };
            assert_eq!(canonical(&owned).unwrap(), value);
        }
    }

    #[test]
    fn a_datetime_goes_as_the_millisecond_that_it_is_shown_as() {
        for (ticks, milliseconds) in [(0, 0), (1, 3), (2, 7), (3, 10), (25_919_999, 86_399_997)] {
            let sent = parameter(Value::DateTime { days: -1, ticks }).unwrap();
            assert_eq!(
                canonical(&sent).unwrap(),
                Value::DateTime2 {
                    days: 693_594,
                    ticks: milliseconds * 10_000
                }
            );
        }
    }

    #[test]
    fn a_decimal_goes_as_its_digits() {
        for (units, scale, expected) in [
            (-123, 38, format!("-0.{}123", "0".repeat(35))),
            (12_345, 2, "123.45".to_owned()),
            (-7, 0, "-7".to_owned()),
            (0, 0, "0".to_owned()),
            (0, 2, "0.00".to_owned()),
            (100, 2, "1.00".to_owned()),
            (i128::from(u64::MAX), 0, "18446744073709551615".to_owned()),
            (i128::from(u64::MAX) + 1, 20, "0.18446744073709551616".to_owned()),
            (i128::MAX, 0, "170141183460469231731687303715884105727".to_owned()),
            (
                i128::MIN,
                38,
                "-1.70141183460469231731687303715884105728".to_owned(),
            ),
        ] {
            let ColumnData::String(Some(text)) = parameter(Value::Decimal { units, scale }).unwrap() else {
                panic!("a decimal is no text");
            };
            assert_eq!(text, expected);
        }
    }

    #[test]
    fn a_value_of_another_type_is_refused() {
        for (data_type, value) in [
            (DataType::TinyInt, Value::Integer(256)),
            (DataType::Int, Value::Text("1")),
            (DataType::Money, Value::Decimal { units: 1, scale: 5 }),
            (
                DataType::Decimal {
                    precision: 9,
                    scale: 2,
                },
                Value::Decimal { units: 1, scale: 3 },
            ),
            (DataType::DateTime, Value::DateTime2 { days: 1, ticks: 1 }),
            (DataType::Date, Value::Date(-1)),
            (DataType::Date, Value::Date(1 << 24)),
        ] {
            assert_eq!(
                staged(value, data_type).unwrap_err().kind(),
                ErrorKind::Statement,
                "{value:?} as {data_type}"
            );
        }
    }
}
