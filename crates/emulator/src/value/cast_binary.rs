//! CAST between binary types and the others. SQL Server exposes its own storage bytes.

use crate::types::{Cell, Len, OwnedCell, SqlError, SqlType};
use crate::value::temporal::{self, DAYS_TO_1900, Moment, TICKS_PER_DAY, UNITS_PER_DAY};
use crate::value::text::{self, TooLong};
use crate::value::{collation, decimal, error, guid, parse, render, xml};

/// The bytes of a value. Numbers are right-aligned in the target: they are padded and cut at the left.
pub(super) fn to_bytes(
    cell: Cell<'_>,
    from: SqlType,
    to: SqlType,
    style: i32,
    collation: Option<&str>,
) -> Result<Vec<u8>, SqlError> {
    let misfit = || error::misfit(from);
    let big_endian = match (from, cell) {
        (_, Cell::Text(text)) => return text_bytes(text, from, to, style, collation),
        (SqlType::Bit | SqlType::TinyInt, Cell::Integer(value)) => vec![value as u8],
        (SqlType::SmallInt, Cell::Integer(value)) => (value as i16).to_be_bytes().to_vec(),
        (SqlType::Int | SqlType::SmallMoney, Cell::Integer(value)) => (value as i32).to_be_bytes().to_vec(),
        (SqlType::BigInt | SqlType::Money, Cell::Integer(value)) => value.to_be_bytes().to_vec(),
        (SqlType::Float, Cell::Real(value)) => value.to_be_bytes().to_vec(),
        (SqlType::Real, Cell::Real(value)) => (value as f32).to_be_bytes().to_vec(),
        (SqlType::DateTime, Cell::Integer(ticks)) => {
            let days = ticks.div_euclid(TICKS_PER_DAY) as i32;
            let rest = ticks.rem_euclid(TICKS_PER_DAY) as u32;
            [days.to_be_bytes(), rest.to_be_bytes()].concat()
        }
        (SqlType::SmallDateTime, Cell::Integer(minutes)) => {
            let (days, rest) = ((minutes / 1_440) as u16, (minutes % 1_440) as u16);
            [days.to_be_bytes(), rest.to_be_bytes()].concat()
        }
        // The other types start at the left.
        (SqlType::Decimal { precision, scale, .. }, _) => {
            let value = decimal::from_cell(cell).ok_or_else(misfit)?;
            let mut bytes = vec![precision, scale, 0, u8::from(value >= 0)];
            let length = match precision {
                0..=9 => 4,
                10..=19 => 8,
                20..=28 => 12,
                _ => 16,
            };
            bytes.extend_from_slice(&value.unsigned_abs().to_le_bytes()[..length]);
            return Ok(bytes);
        }
        (SqlType::UniqueIdentifier, Cell::Blob(stored)) => {
            return Ok(guid::from_storage(stored.try_into().map_err(|_| misfit())?).to_vec());
        }
        _ => return new_temporal_bytes(cell, from).ok_or_else(misfit),
    };
    let width = match to {
        SqlType::Binary(n) => usize::from(n),
        SqlType::VarBinary(Len::N(n)) => usize::from(n).min(big_endian.len()),
        _ => big_endian.len(),
    };
    let mut bytes = vec![0; width.saturating_sub(big_endian.len())];
    bytes.extend_from_slice(&big_endian[big_endian.len().saturating_sub(width)..]);
    Ok(bytes)
}

fn text_bytes(
    text: &str,
    from: SqlType,
    to: SqlType,
    style: i32,
    collation: Option<&str>,
) -> Result<Vec<u8>, SqlError> {
    let digits = match style {
        0 => {
            return Ok(match from {
                SqlType::Char(_) | SqlType::VarChar(_) => {
                    collation::code_page_encode(collation, text).into_owned()
                }
                _ => text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
            });
        }
        1 => text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")),
        2 => Some(text),
        _ => return Err(error::bad_style(style, from)),
    };
    digits
        .and_then(parse::hex_bytes)
        .ok_or_else(|| error::not_a_number(from, to))
}

/// The scale, then the time and the day in little endian.
fn new_temporal_bytes(cell: Cell<'_>, from: SqlType) -> Option<Vec<u8>> {
    let moment = Moment::from_cell(cell, from)?;
    let scale = match from {
        SqlType::Date => return Some(moment.days.to_le_bytes()[..3].to_vec()),
        SqlType::Time(scale) | SqlType::DateTime2(scale) | SqlType::DateTimeOffset(scale) => scale.min(7),
        _ => return None,
    };
    let width = match scale {
        0..=2 => 3,
        3..=4 => 4,
        _ => 5,
    };
    // An offset value has its day and time in UTC.
    let local = moment.days * UNITS_PER_DAY + moment.units;
    let utc = local - i64::from(moment.offset) * 60 * temporal::UNITS_PER_SECOND;
    let steps = utc.rem_euclid(UNITS_PER_DAY) / 10i64.pow(u32::from(7 - scale));
    let mut bytes = vec![scale];
    bytes.extend_from_slice(&steps.to_le_bytes()[..width]);
    if !matches!(from, SqlType::Time(_)) {
        bytes.extend_from_slice(&utc.div_euclid(UNITS_PER_DAY).to_le_bytes()[..3]);
    }
    if matches!(from, SqlType::DateTimeOffset(_)) {
        bytes.extend_from_slice(&moment.offset.to_le_bytes());
    }
    Some(bytes)
}

/// The value of type `to` that the bytes are.
pub(super) fn from_bytes(
    bytes: &[u8],
    from: SqlType,
    to: SqlType,
    style: i32,
    collation: Option<&str>,
    too_long: TooLong,
) -> Result<OwnedCell, SqlError> {
    let bad = || error::not_a_number(from, to);
    match to {
        SqlType::Bit => Ok(OwnedCell::Integer(i64::from(bytes.iter().any(|byte| *byte != 0)))),
        SqlType::TinyInt => Ok(OwnedCell::Integer(i64::from(right::<1>(bytes)[0]))),
        SqlType::SmallInt => Ok(OwnedCell::Integer(i64::from(i16::from_be_bytes(right(bytes))))),
        SqlType::Int | SqlType::SmallMoney => {
            Ok(OwnedCell::Integer(i64::from(i32::from_be_bytes(right(bytes)))))
        }
        SqlType::BigInt | SqlType::Money => Ok(OwnedCell::Integer(i64::from_be_bytes(right(bytes)))),
        SqlType::Decimal { precision, scale, .. } => {
            let (value, from_scale) = decimal_of(bytes).ok_or_else(bad)?;
            match decimal::rescale(value, from_scale, scale) {
                Some(value) if decimal::fits(value, precision) => Ok(decimal::to_cell(value, precision)),
                _ => Err(error::overflow_from(from, to)),
            }
        }
        SqlType::DateTime => {
            let [days, ticks] = halves(right::<8>(bytes));
            old_moment(
                i64::from(days as i32),
                temporal::units_of_ticks(i64::from(ticks)),
                i64::from(ticks) < TICKS_PER_DAY,
            )
            .and_then(|moment| moment.to_cell(to))
            .ok_or_else(|| error::overflow(to))
        }
        SqlType::SmallDateTime => {
            let [a, b, c, d] = right::<4>(bytes);
            let (days, minutes) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
            if minutes >= 1_440 {
                return Err(error::overflow(to));
            }
            Ok(OwnedCell::Integer(i64::from(days) * 1_440 + i64::from(minutes)))
        }
        SqlType::UniqueIdentifier => {
            let mut wire = [0; 16];
            let length = bytes.len().min(16);
            wire[..length].copy_from_slice(&bytes[..length]);
            Ok(OwnedCell::Blob(guid::to_storage(&wire).to_vec()))
        }
        SqlType::Date | SqlType::Time(_) | SqlType::DateTime2(_) | SqlType::DateTimeOffset(_) => {
            new_temporal(bytes, to).ok_or_else(error::not_a_date)
        }
        _ => text_of(bytes, from, to, style, collation, too_long),
    }
}

/// The last bytes, with zeros before them.
fn right<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut out = [0; N];
    let kept = &bytes[bytes.len().saturating_sub(N)..];
    out[N - kept.len()..].copy_from_slice(kept);
    out
}

fn halves(bytes: [u8; 8]) -> [u32; 2] {
    let both = u64::from_be_bytes(bytes);
    [(both >> 32) as u32, both as u32]
}

fn old_moment(days: i64, units: i64, valid: bool) -> Option<Moment> {
    valid.then_some(Moment {
        days: days + DAYS_TO_1900,
        units,
        offset: 0,
    })
}

fn decimal_of(bytes: &[u8]) -> Option<(i128, u8)> {
    let (&[precision, scale, _, sign], magnitude) = bytes.split_first_chunk::<4>()?;
    if !(1..=38).contains(&precision) || scale > precision || magnitude.len() > 16 {
        return None;
    }
    let mut wide = [0; 16];
    wide[..magnitude.len()].copy_from_slice(magnitude);
    let value = i128::try_from(u128::from_le_bytes(wide)).ok()?;
    Some((if sign == 0 { -value } else { value }, scale))
}

fn new_temporal(bytes: &[u8], to: SqlType) -> Option<OwnedCell> {
    let number = |bytes: &[u8]| {
        bytes
            .iter()
            .rev()
            .fold(0i64, |value, byte| value << 8 | i64::from(*byte))
    };
    if to == SqlType::Date {
        let days = number(bytes.get(..3)?);
        return (days <= temporal::MAX_DAYS && bytes.len() == 3).then_some(OwnedCell::Integer(days));
    }
    let (scale, rest) = bytes.split_first()?;
    let width = match scale {
        0..=2 => 3,
        3..=4 => 4,
        5..=7 => 5,
        _ => return None,
    };
    let (of_day, rest) = rest.split_at_checked(width)?;
    let units = number(of_day) * 10i64.pow(u32::from(7 - scale));
    let (days, offset) = match (to, rest) {
        (SqlType::Time(_), []) => (0, 0),
        (SqlType::DateTime2(_), day @ [_, _, _]) => (number(day), 0),
        (SqlType::DateTimeOffset(_), [day @ .., a, b]) if day.len() == 3 => {
            (number(day), i16::from_le_bytes([*a, *b]))
        }
        _ => return None,
    };
    if units >= UNITS_PER_DAY || days > temporal::MAX_DAYS || offset.unsigned_abs() > 840 {
        return None;
    }
    let local = days * UNITS_PER_DAY + units + i64::from(offset) * 60 * temporal::UNITS_PER_SECOND;
    Moment {
        days: local.div_euclid(UNITS_PER_DAY),
        units: local.rem_euclid(UNITS_PER_DAY),
        offset,
    }
    .to_cell(to)
}

fn text_of(
    bytes: &[u8],
    from: SqlType,
    to: SqlType,
    style: i32,
    collation: Option<&str>,
    too_long: TooLong,
) -> Result<OwnedCell, SqlError> {
    // The styles of xml say nothing about the bytes.
    let (style, parsing) = match to {
        SqlType::Xml => (0, Some(style)),
        _ => (style, None),
    };
    let text = match (style, to) {
        (1, _) => render::hex(bytes, "0x"),
        (2, _) => render::hex(bytes, ""),
        (0, SqlType::Char(_) | SqlType::VarChar(_)) => {
            collation::code_page_decode(collation, bytes).into_owned()
        }
        // Bytes that begin as UTF-16 text does are UTF-16, others are UTF-8.
        (0, SqlType::Xml) if !bytes.starts_with(&[0xFF, 0xFE]) => {
            String::from_utf8(bytes.to_vec()).map_err(|_| error::bad_unicode(to))?
        }
        (0, _) => {
            let bytes = bytes
                .strip_prefix(&[0xFF, 0xFE])
                .filter(|_| to == SqlType::Xml)
                .unwrap_or(bytes);
            let (pairs, odd) = bytes.as_chunks::<2>();
            // A byte without its other half gets a zero.
            let odd = odd.first().map(|byte| u16::from(*byte));
            let units = pairs.iter().map(|pair| u16::from_le_bytes(*pair)).chain(odd);
            char::decode_utf16(units)
                .collect::<Result<String, _>>()
                .map_err(|_| error::bad_unicode(to))?
        }
        _ => return Err(error::bad_style(style, from)),
    };
    let text = text::fit(text.into(), to, collation, too_long)?;
    let text = match parsing {
        Some(style) => xml::parsed(text, style),
        None => text,
    };
    Ok(OwnedCell::Text(text.into_owned()))
}
