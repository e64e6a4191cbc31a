//! A row as a JSON object: its columns in the table's order, each value without loss.
//!
//! Decimals and money are texts, because a JSON reader turns numbers into floats. Dates are ISO 8601 with as many
//! digits as their type has. Bytes are hexadecimal.

use std::fmt::{self, Write as _};

use chrono::{NaiveDate, NaiveDateTime, NaiveTime, TimeDelta};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use crate::base::error::{Error, Result};
use crate::model::row::{Value, printed_milliseconds};
use crate::model::table::{Column, DataType};
use crate::mssql::Row;
use crate::mssql::value::decimal_text;

/// Days from 0001-01-01 to 1900-01-01.
const DAYS_TO_1900: i32 = 693_595;
/// Nanoseconds of a tick of `time` and `datetime2`.
const TICK_NANOSECONDS: u64 = 100;

/// The names and values of a row's columns, which serialize as an object.
pub(crate) struct Object<'a>(pub(crate) Vec<(&'a str, Json)>);

/// A value of a column.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Json {
    Null,
    Bool(bool),
    Integer(i64),
    Real(f32),
    Float(f64),
    Text(String),
}

impl Serialize for Object<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl fmt::Display for Json {
    /// Prints the value for a person.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Json::Null => f.write_str("NULL"),
            Json::Bool(v) => v.fmt(f),
            Json::Integer(v) => v.fmt(f),
            Json::Real(v) => v.fmt(f),
            Json::Float(v) => v.fmt(f),
            Json::Text(v) => f.write_str(v),
        }
    }
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Json::Null => serializer.serialize_unit(),
            Json::Bool(v) => serializer.serialize_bool(*v),
            Json::Integer(v) => serializer.serialize_i64(*v),
            // The shortest digits of the `real` itself, not of a `float` that holds it.
            Json::Real(v) => serializer.serialize_f32(*v),
            Json::Float(v) => serializer.serialize_f64(*v),
            Json::Text(v) => serializer.serialize_str(v),
        }
    }
}

/// The object of a row that was read with these columns, in their order.
///
/// # Errors
/// `Broken` if a value is not one of its column's type.
pub(crate) fn object<'a>(row: &Row, columns: &'a [Column]) -> Result<Object<'a>> {
    let cells = columns.iter().enumerate().map(|(position, column)| {
        let value = row.value(position)?;
        let json = json(value, column.data_type).ok_or_else(|| {
            Error::malformed(format_args!(
                "The server answered with a value in column {} that is no {}",
                column.name, column.data_type
            ))
        })?;
        Ok((column.name.as_str(), json))
    });
    cells.collect::<Result<_>>().map(Object)
}

/// The JSON of a value of a type; `None` for a value that no server sends.
pub(crate) fn json(value: Value<'_>, data_type: DataType) -> Option<Json> {
    Some(match value {
        Value::Null => Json::Null,
        Value::Integer(v) if data_type == DataType::Bit => Json::Bool(v != 0),
        Value::Integer(v) => Json::Integer(v),
        Value::Decimal { units, scale } => Json::Text(decimal_text(units, scale)),
        #[allow(
            clippy::cast_possible_truncation,
            reason = "the value was widened from this type"
        )]
        Value::Float(v) if data_type == DataType::Real => Json::Real(v as f32),
        Value::Float(v) => Json::Float(v),
        Value::Text(v) => Json::Text(v.to_owned()),
        Value::Bytes(v) => Json::Text(hex(v)),
        Value::Date(days) => Json::Text(day(days)?.to_string()),
        Value::Time(ticks) => Json::Text(time_text(time(ticks)?, digits(data_type))),
        Value::DateTime2 { days, ticks } => {
            Json::Text(moment_text(day(days)?.and_time(time(ticks)?), digits(data_type)))
        }
        Value::DateTime { days, ticks } => {
            let millis = printed_milliseconds(ticks).cast_signed();
            let midnight = day(days.checked_add(DAYS_TO_1900)?)?.and_hms_opt(0, 0, 0)?;
            let at = midnight.checked_add_signed(TimeDelta::milliseconds(millis))?;
            Json::Text(moment_text(at, 3))
        }
        Value::DateTimeOffset { days, ticks, offset } => {
            let utc = day(days)?.and_time(time(ticks)?);
            let local = utc.checked_add_signed(TimeDelta::minutes(i64::from(offset)))?;
            let sign = if offset < 0 { '-' } else { '+' };
            let (hours, minutes) = (offset.unsigned_abs() / 60, offset.unsigned_abs() % 60);
            let text = moment_text(local, digits(data_type));
            Json::Text(format!("{text}{sign}{hours:02}:{minutes:02}"))
        }
        Value::Guid(bytes) => Json::Text(guid(bytes)),
    })
}

/// The number of digits of a second that a type keeps.
fn digits(data_type: DataType) -> usize {
    match data_type {
        DataType::Time(n) | DataType::DateTime2(n) | DataType::DateTimeOffset(n) => usize::from(n),
        DataType::DateTime => 3,
        _ => 0,
    }
}

fn day(days: i32) -> Option<NaiveDate> {
    NaiveDate::from_num_days_from_ce_opt(days.checked_add(1)?)
}

fn time(ticks: u64) -> Option<NaiveTime> {
    let nanoseconds = ticks.checked_mul(TICK_NANOSECONDS)?;
    let (seconds, rest) = (nanoseconds / 1_000_000_000, nanoseconds % 1_000_000_000);
    NaiveTime::from_num_seconds_from_midnight_opt(u32::try_from(seconds).ok()?, u32::try_from(rest).ok()?)
}

fn moment_text(at: NaiveDateTime, digits: usize) -> String {
    format!("{}T{}", at.date(), time_text(at.time(), digits))
}

fn time_text(time: NaiveTime, digits: usize) -> String {
    let mut text = time.format("%H:%M:%S%.9f").to_string();
    // `HH:MM:SS`, and the point with its digits if there are any.
    text.truncate(if digits == 0 { 8 } else { 9 + digits });
    text
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 + 2 * bytes.len());
    text.push_str("0x");
    for byte in bytes {
        let _ = write!(text, "{byte:02X}");
    }
    text
}

fn guid(bytes: [u8; 16]) -> String {
    let digits: String = bytes.iter().map(|byte| format!("{byte:02X}")).collect();
    let parts = [0..8, 8..12, 12..16, 16..20, 20..32].map(|range| &digits[range]);
    parts.join("-")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::table::Length;

    fn text(value: Value<'_>, data_type: DataType) -> String {
        serde_json::to_string(&json(value, data_type).unwrap()).unwrap()
    }

    #[test]
    fn every_value_has_its_form() {
        use DataType as T;
        let day = 739159;
        let decimal = T::Decimal {
            precision: 38,
            scale: 2,
        };
        let ticks = 36_000_000_000 + 1_234_567;
        let cases = [
            (text(Value::Null, T::Int), "null"),
            (text(Value::Integer(1), T::Bit), "true"),
            (text(Value::Integer(0), T::Bit), "false"),
            (text(Value::Integer(i64::MAX), T::BigInt), "9223372036854775807"),
            (text(Value::Decimal { units: -5, scale: 2 }, decimal), "\"-0.05\""),
            (text(Value::Decimal { units: 500, scale: 0 }, decimal), "\"500\""),
            (
                text(
                    Value::Decimal {
                        units: 12_500,
                        scale: 4,
                    },
                    T::Money,
                ),
                "\"1.2500\"",
            ),
            (text(Value::Float(f64::from(1.1_f32)), T::Real), "1.1"),
            (text(Value::Float(0.5), T::Float), "0.5"),
            (
                text(Value::Text("王 \"q\""), T::NVarChar(Length::Max)),
                "\"王 \\\"q\\\"\"",
            ),
            (text(Value::Bytes(&[0, 255]), T::Binary(2)), "\"0x00FF\""),
            (text(Value::Bytes(&[]), T::VarBinary(Length::Max)), "\"0x\""),
            (text(Value::Date(day), T::Date), "\"2024-10-01\""),
            (text(Value::Time(ticks), T::Time(7)), "\"01:00:00.1234567\""),
            (text(Value::Time(36_000_000_000), T::Time(0)), "\"01:00:00\""),
            (
                text(Value::DateTime2 { days: day, ticks }, T::DateTime2(3)),
                "\"2024-10-01T01:00:00.123\"",
            ),
            (
                text(
                    Value::DateTime2 {
                        days: day,
                        ticks: 600_000_000,
                    },
                    T::SmallDateTime,
                ),
                "\"2024-10-01T00:01:00\"",
            ),
            (
                text(Value::DateTime { days: 0, ticks: 2 }, T::DateTime),
                "\"1900-01-01T00:00:00.007\"",
            ),
            (
                text(
                    Value::DateTimeOffset {
                        days: day,
                        ticks: 0,
                        offset: -90,
                    },
                    T::DateTimeOffset(0),
                ),
                "\"2024-09-30T22:30:00-01:30\"",
            ),
            (
                text(
                    Value::Guid([0x12, 0x34, 0x56, 0x78, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]),
                    T::UniqueIdentifier,
                ),
                "\"12345678-0102-0304-0506-0708090A0B0C\"",
            ),
        ];
        for (found, expected) in cases {
            assert_eq!(found, expected);
        }
    }

    #[test]
    fn columns_keep_their_order() {
        let object = Object(vec![("z", Json::Integer(1)), ("a", Json::Null)]);
        assert_eq!(serde_json::to_string(&object).unwrap(), "{\"z\":1,\"a\":null}");
    }
}
