//! Wire form to storage form: MS-TDS 2.2.5.5.
//!
//! Values are checked as SQL Server checks them. A date out of range, a decimal of too many digits or an odd number
//! of bytes in UTF-16 is error 8023 or 9833. No length is trusted.

use super::reader::Reader;
use super::type_info::{Form, WireType, decimal_length, is_utf8, time_length};
use crate::types::{OwnedCell, SqlError, SqlType};
use crate::value::temporal::{self, MAX_DAYS, Moment, TICKS_PER_DAY, UNITS_PER_DAY};
use crate::value::text::{self, TooLong};
use crate::value::{decimal, error, guid};

/// Reads a value of a bulk load's ROW into storage form.
pub(crate) fn read_value(src: &mut Reader<'_>, ty: &WireType) -> Result<OwnedCell, SqlError> {
    let mut cell = OwnedCell::Null;
    read_value_into(src, ty, &mut cell)?;
    Ok(cell)
}

/// Reads the value of an RPC parameter. It works as [`read_value`] except for `text`, `ntext` and `image`, which
/// have only a length there and no text pointer.
pub(crate) fn read_param(src: &mut Reader<'_>, ty: &WireType) -> Result<OwnedCell, SqlError> {
    if ty.form != Form::LongLength {
        return read_value(src, ty);
    }
    let mut cell = OwnedCell::Null;
    match src.u32()? {
        u32::MAX => {}
        length => store(src.bytes(length as usize)?, ty, &mut cell)?,
    }
    Ok(cell)
}

/// Works as [`read_value`]. It reuses the allocation of `slot` when that holds text or bytes already.
pub(crate) fn read_value_into(
    src: &mut Reader<'_>,
    ty: &WireType,
    slot: &mut OwnedCell,
) -> Result<(), SqlError> {
    let bytes = match ty.form {
        Form::Nothing => None,
        Form::Fixed(length) => Some(src.bytes(usize::from(length))?),
        Form::ByteLength => match src.u8()? {
            0 => None,
            length => Some(src.bytes(usize::from(length))?),
        },
        Form::ShortLength => match src.u16()? {
            0xFFFF => None,
            length => Some(src.bytes(usize::from(length))?),
        },
        Form::LongLength => match src.u8()? {
            0 => None,
            pointer => {
                // The text pointer and the timestamp mean nothing to the server.
                src.bytes(usize::from(pointer) + 8)?;
                let length = src.u32()? as usize;
                Some(src.bytes(length)?)
            }
        },
        Form::Chunks => return read_chunks(src, ty, slot),
    };
    match bytes {
        Some(bytes) => store(bytes, ty, slot),
        None => {
            *slot = OwnedCell::Null;
            Ok(())
        }
    }
}

fn read_chunks(src: &mut Reader<'_>, ty: &WireType, slot: &mut OwnedCell) -> Result<(), SqlError> {
    if src.u64()? == u64::MAX {
        *slot = OwnedCell::Null;
        return Ok(());
    }
    let first = match src.u32()? as usize {
        0 => return store(&[], ty, slot),
        length => src.bytes(length)?,
    };
    // Drivers send a value in one chunk unless it is long. A long one is worth a copy to join its chunks.
    let mut more = match src.u32()? as usize {
        0 => return store(first, ty, slot),
        length => length,
    };
    let mut whole = first.to_vec();
    while more > 0 {
        whole.extend_from_slice(src.bytes(more)?);
        more = src.u32()? as usize;
    }
    store(&whole, ty, slot)
}

fn store(bytes: &[u8], ty: &WireType, slot: &mut OwnedCell) -> Result<(), SqlError> {
    match ty.ty {
        SqlType::NChar(_) | SqlType::NVarChar(_) | SqlType::Xml => store_utf16(bytes, ty.ty, slot)?,
        SqlType::Char(_) | SqlType::VarChar(_) => store_code_page(bytes, ty, slot)?,
        SqlType::Binary(_) | SqlType::VarBinary(_) => {
            let mut kept = take_bytes(slot);
            kept.extend_from_slice(bytes);
            if let SqlType::Binary(n) = ty.ty
                && kept.len() < usize::from(n)
            {
                kept.resize(usize::from(n), 0);
            }
            *slot = OwnedCell::Blob(kept);
        }
        SqlType::Decimal { precision, .. } => *slot = decimal_value(bytes, ty.ty, precision)?,
        SqlType::UniqueIdentifier => {
            let wire: &[u8; 16] = bytes.try_into().map_err(|_| error::bad_wire_value(ty.ty))?;
            let mut kept = take_bytes(slot);
            kept.extend_from_slice(&guid::to_storage(wire));
            *slot = OwnedCell::Blob(kept);
        }
        SqlType::DateTimeOffset(scale) => *slot = offset_value(bytes, ty.ty, scale)?,
        _ => *slot = scalar(bytes, ty.ty).ok_or_else(|| error::bad_wire_value(ty.ty))?,
    }
    Ok(())
}

/// The types that fit a register. `None` for bytes that are no value of the type.
fn scalar(bytes: &[u8], ty: SqlType) -> Option<OwnedCell> {
    let value = match (ty, bytes) {
        (SqlType::Bit, &[bit]) => i64::from(bit != 0),
        (SqlType::TinyInt, &[value]) => i64::from(value),
        (SqlType::SmallInt, _) => i64::from(i16::from_le_bytes(bytes.try_into().ok()?)),
        (SqlType::Int | SqlType::SmallMoney, _) => i64::from(i32::from_le_bytes(bytes.try_into().ok()?)),
        (SqlType::BigInt, _) => i64::from_le_bytes(bytes.try_into().ok()?),
        // The high half comes first.
        (SqlType::Money, _) => u64::from_le_bytes(bytes.try_into().ok()?).rotate_left(32) as i64,
        (SqlType::Real, _) => {
            let value = f32::from_le_bytes(bytes.try_into().ok()?);
            return value.is_finite().then_some(OwnedCell::Real(f64::from(value)));
        }
        (SqlType::Float, _) => {
            let value = f64::from_le_bytes(bytes.try_into().ok()?);
            return value.is_finite().then_some(OwnedCell::Real(value));
        }
        (SqlType::DateTime, _) => {
            let word = u64::from_le_bytes(bytes.try_into().ok()?);
            let (days, ticks) = (i64::from(word as u32 as i32), (word >> 32) as i64);
            if ticks >= TICKS_PER_DAY {
                return None;
            }
            let moment = Moment {
                days: days + temporal::DAYS_TO_1900,
                units: temporal::units_of_ticks(ticks),
                offset: 0,
            };
            return moment.to_cell(ty);
        }
        (SqlType::SmallDateTime, _) => {
            let word = u32::from_le_bytes(bytes.try_into().ok()?);
            let (days, minutes) = (i64::from(word & 0xFFFF), i64::from(word >> 16));
            if minutes >= 1_440 {
                return None;
            }
            days * 1_440 + minutes
        }
        (SqlType::Date, _) => days(bytes)?,
        (SqlType::Time(scale), _) => time(bytes, scale)?,
        (SqlType::DateTime2(scale), _) => {
            let (of_day, day) = bytes.split_at_checked(usize::from(time_length(scale)))?;
            days(day)? * UNITS_PER_DAY + time(of_day, scale)?
        }
        _ => return None,
    };
    Some(OwnedCell::Integer(value))
}

fn days(bytes: &[u8]) -> Option<i64> {
    let &[a, b, c] = bytes else { return None };
    let days = i64::from(u32::from_le_bytes([a, b, c, 0]));
    (days <= MAX_DAYS).then_some(days)
}

fn time(bytes: &[u8], scale: u8) -> Option<i64> {
    if bytes.len() != usize::from(time_length(scale)) {
        return None;
    }
    let steps = bytes
        .iter()
        .rev()
        .fold(0i64, |steps, byte| steps << 8 | i64::from(*byte));
    let units = steps.checked_mul(10i64.pow(u32::from(7 - scale)))?;
    (units < UNITS_PER_DAY).then_some(units)
}

fn offset_value(bytes: &[u8], ty: SqlType, scale: u8) -> Result<OwnedCell, SqlError> {
    let parts = || {
        let (of_day, rest) = bytes.split_at_checked(usize::from(time_length(scale)))?;
        let (day, offset) = rest.split_at_checked(3)?;
        let offset = i16::from_le_bytes(offset.try_into().ok()?);
        if offset.unsigned_abs() > temporal::MAX_OFFSET.unsigned_abs() {
            return None;
        }
        let utc = days(day)? * UNITS_PER_DAY + time(of_day, scale)?;
        Some(OwnedCell::Blob(
            temporal::offset_blob(u64::try_from(utc).ok()?, offset).to_vec(),
        ))
    };
    parts().ok_or_else(|| error::bad_wire_value(ty))
}

fn decimal_value(bytes: &[u8], ty: SqlType, precision: u8) -> Result<OwnedCell, SqlError> {
    let bad = || error::bad_wire_value(ty);
    let (sign, magnitude) = bytes.split_first().ok_or_else(bad)?;
    // A driver may send fewer bytes than the precision needs, in the widths of smaller precisions.
    if !matches!(magnitude.len(), 4 | 8 | 12 | 16) || bytes.len() > usize::from(decimal_length(38)) {
        return Err(bad());
    }
    let mut wide = [0u8; 16];
    wide[..magnitude.len()].copy_from_slice(magnitude);
    let magnitude = i128::try_from(u128::from_le_bytes(wide)).map_err(|_| bad())?;
    let unscaled = match sign {
        0 => -magnitude,
        1 => magnitude,
        _ => return Err(bad()),
    };
    if !decimal::fits(unscaled, precision) {
        return Err(bad());
    }
    Ok(decimal::to_cell(unscaled, precision))
}

fn take_bytes(slot: &mut OwnedCell) -> Vec<u8> {
    match std::mem::replace(slot, OwnedCell::Null) {
        OwnedCell::Blob(mut bytes) => {
            bytes.clear();
            bytes
        }
        _ => Vec::new(),
    }
}

fn take_text(slot: &mut OwnedCell) -> String {
    match std::mem::replace(slot, OwnedCell::Null) {
        OwnedCell::Text(mut text) => {
            text.clear();
            text
        }
        _ => String::new(),
    }
}

fn store_utf16(bytes: &[u8], ty: SqlType, slot: &mut OwnedCell) -> Result<(), SqlError> {
    // Clients put a byte order mark before xml.
    let bytes = match (ty, bytes) {
        (SqlType::Xml, [0xFF, 0xFE, rest @ ..]) => rest,
        _ => bytes,
    };
    let (pairs, odd) = bytes.as_chunks::<2>();
    if !odd.is_empty() {
        return Err(error::bad_unicode(ty));
    }
    let mut text = take_text(slot);
    if pairs.iter().all(|[low, high]| *high == 0 && *low < 0x80) {
        text.extend(pairs.iter().map(|[low, _]| char::from(*low)));
    } else {
        text.reserve(pairs.len() * 2);
        for unit in char::decode_utf16(pairs.iter().map(|pair| u16::from_le_bytes(*pair))) {
            text.push(unit.map_err(|_| error::bad_unicode(ty))?);
        }
    }
    *slot = OwnedCell::Text(padded(text, ty, None)?);
    Ok(())
}

fn store_code_page(bytes: &[u8], ty: &WireType, slot: &mut OwnedCell) -> Result<(), SqlError> {
    let mut text = take_text(slot);
    match std::str::from_utf8(bytes) {
        Ok(ascii) if ascii.is_ascii() => text.push_str(ascii),
        Ok(same) if is_utf8(ty.encoding) => text.push_str(same),
        Err(_) if is_utf8(ty.encoding) => return Err(error::bad_wire_value(ty.ty)),
        _ => text.push_str(&ty.encoding.decode_without_bom_handling(bytes).0),
    }
    *slot = OwnedCell::Text(padded(text, ty.ty, Some(bytes.len()))?);
    Ok(())
}

/// Some clients send `char(n)` and `nchar(n)` without their blanks. `length` is in the type's own units.
fn padded(mut text: String, ty: SqlType, length: Option<usize>) -> Result<String, SqlError> {
    match ty {
        SqlType::Char(n) => {
            let missing = usize::from(n).saturating_sub(length.unwrap_or(text.len()));
            text.extend(std::iter::repeat_n(' ', missing));
            Ok(text)
        }
        SqlType::NChar(_) => Ok(text::fit(text.into(), ty, None, TooLong::Refuse)?.into_owned()),
        _ => Ok(text),
    }
}
