//! Storage form to wire form: MS-TDS 2.2.5.5.
//!
//! It runs once a cell, so it matches once on the type and writes from borrowed data. Only text outside ASCII in a
//! code page allocates.

use bytes::{BufMut, BytesMut};

use super::type_info::{decimal_length, time_length};
use crate::types::{Cell, Len, SqlError, SqlType};
use crate::value::temporal::{self, TICKS_PER_DAY, UNITS_PER_DAY};
use crate::value::{collation, decimal, error, guid};

/// The 8 bytes before a value's chunks: they say NULL, or that the length comes chunk by chunk.
const CHUNKS_NULL: u64 = u64::MAX;

/// Writes a value as ROW has it. [`write_type_info`](super::write_type_info) wrote the TYPE_INFO for the same
/// arguments before.
///
/// # Errors
/// 8630 when the cell is not the storage form of the type, or is NULL where the type has a fixed form. Nothing has been
/// written then.
pub(crate) fn write_value(
    buf: &mut BytesMut,
    ty: SqlType,
    collation: Option<&str>,
    nullable: bool,
    cell: Cell<'_>,
) -> Result<(), SqlError> {
    match cell {
        Cell::Null => write_null(buf, ty, nullable),
        Cell::Integer(value) => write_integer(buf, ty, nullable, value),
        Cell::Text(text) => write_text(buf, ty, collation, text),
        Cell::Blob(bytes) => write_blob(buf, ty, bytes),
        Cell::Real(value) => match ty {
            SqlType::Float => {
                fixed(buf, nullable, &value.to_le_bytes());
                Ok(())
            }
            SqlType::Real => {
                fixed(buf, nullable, &(value as f32).to_le_bytes());
                Ok(())
            }
            _ => Err(error::misfit(ty)),
        },
    }
}

/// Bytes of a type that has a fixed form, with the length before them in its N-form.
fn fixed<const N: usize>(buf: &mut BytesMut, nullable: bool, bytes: &[u8; N]) {
    buf.reserve(N + 1);
    if nullable {
        buf.put_u8(N as u8);
    }
    buf.put_slice(bytes);
}

fn write_null(buf: &mut BytesMut, ty: SqlType, nullable: bool) -> Result<(), SqlError> {
    match ty {
        SqlType::VarChar(Len::Max)
        | SqlType::NVarChar(Len::Max)
        | SqlType::VarBinary(Len::Max)
        | SqlType::Xml => {
            buf.put_u64_le(CHUNKS_NULL);
        }
        SqlType::Char(_)
        | SqlType::VarChar(_)
        | SqlType::NChar(_)
        | SqlType::NVarChar(_)
        | SqlType::Binary(_)
        | SqlType::VarBinary(_) => buf.put_u16_le(0xFFFF),
        // These types have no fixed form, so a NULL can be sent even if none was promised.
        SqlType::Decimal { .. }
        | SqlType::UniqueIdentifier
        | SqlType::Date
        | SqlType::Time(_)
        | SqlType::DateTime2(_)
        | SqlType::DateTimeOffset(_) => buf.put_u8(0),
        _ if nullable => buf.put_u8(0),
        _ => return Err(error::misfit(ty)),
    }
    Ok(())
}

fn write_integer(buf: &mut BytesMut, ty: SqlType, nullable: bool, value: i64) -> Result<(), SqlError> {
    let misfit = |_| error::misfit(ty);
    match ty {
        SqlType::Bit => fixed(buf, nullable, &[u8::from(value != 0)]),
        SqlType::TinyInt => fixed(buf, nullable, &u8::try_from(value).map_err(misfit)?.to_le_bytes()),
        SqlType::SmallInt => fixed(
            buf,
            nullable,
            &i16::try_from(value).map_err(misfit)?.to_le_bytes(),
        ),
        SqlType::Int | SqlType::SmallMoney => {
            fixed(
                buf,
                nullable,
                &i32::try_from(value).map_err(misfit)?.to_le_bytes(),
            );
        }
        SqlType::BigInt => fixed(buf, nullable, &value.to_le_bytes()),
        // The high half comes first, each half little endian.
        SqlType::Money => fixed(buf, nullable, &((value as u64).rotate_left(32)).to_le_bytes()),
        SqlType::Decimal { precision, .. } => return write_decimal(buf, ty, precision, i128::from(value)),
        SqlType::DateTime => {
            let days = i32::try_from(value.div_euclid(TICKS_PER_DAY)).map_err(misfit)?;
            let ticks = value.rem_euclid(TICKS_PER_DAY) as u64;
            fixed(
                buf,
                nullable,
                &(u64::from(days as u32) | ticks << 32).to_le_bytes(),
            );
        }
        SqlType::SmallDateTime => {
            let days = u16::try_from(value.div_euclid(1_440)).map_err(misfit)?;
            let minutes = value.rem_euclid(1_440) as u32;
            fixed(buf, nullable, &(u32::from(days) | minutes << 16).to_le_bytes());
        }
        SqlType::Date if (0..=temporal::MAX_DAYS).contains(&value) => {
            buf.put_u8(3);
            put_days(buf, value);
        }
        SqlType::Time(scale) if (0..UNITS_PER_DAY).contains(&value) => {
            buf.put_u8(time_length(scale));
            put_time(buf, value, scale);
        }
        SqlType::DateTime2(scale) if (0..(temporal::MAX_DAYS + 1) * UNITS_PER_DAY).contains(&value) => {
            buf.put_u8(time_length(scale) + 3);
            put_time(buf, value % UNITS_PER_DAY, scale);
            put_days(buf, value / UNITS_PER_DAY);
        }
        // SQLite's arithmetic returned a whole number as an integer.
        SqlType::Float => fixed(buf, nullable, &(value as f64).to_le_bytes()),
        SqlType::Real => fixed(buf, nullable, &(value as f32).to_le_bytes()),
        _ => return Err(error::misfit(ty)),
    }
    Ok(())
}

fn put_days(buf: &mut BytesMut, days: i64) {
    buf.put_slice(&days.to_le_bytes()[..3]);
}

fn put_time(buf: &mut BytesMut, units: i64, scale: u8) {
    let steps = units / 10i64.pow(u32::from(7 - scale.min(7)));
    buf.put_slice(&steps.to_le_bytes()[..usize::from(time_length(scale))]);
}

fn write_decimal(buf: &mut BytesMut, ty: SqlType, precision: u8, unscaled: i128) -> Result<(), SqlError> {
    if !decimal::fits(unscaled, precision) {
        return Err(error::misfit(ty));
    }
    let length = decimal_length(precision);
    buf.put_u8(length);
    buf.put_u8(u8::from(unscaled >= 0));
    buf.put_slice(&unscaled.unsigned_abs().to_le_bytes()[..usize::from(length) - 1]);
    Ok(())
}

fn write_blob(buf: &mut BytesMut, ty: SqlType, bytes: &[u8]) -> Result<(), SqlError> {
    match ty {
        SqlType::VarBinary(Len::Max) => write_chunk(buf, bytes),
        SqlType::Binary(_) | SqlType::VarBinary(_) => write_short(buf, ty, bytes)?,
        SqlType::Decimal { precision, .. } => {
            let unscaled = decimal::from_cell(Cell::Blob(bytes)).ok_or_else(|| error::misfit(ty))?;
            write_decimal(buf, ty, precision, unscaled)?;
        }
        SqlType::UniqueIdentifier => {
            let stored: &[u8; 16] = bytes.try_into().map_err(|_| error::misfit(ty))?;
            buf.put_u8(16);
            buf.put_slice(&guid::from_storage(stored));
        }
        SqlType::DateTimeOffset(scale) => {
            let (utc, offset) = temporal::from_offset_blob(bytes).ok_or_else(|| error::misfit(ty))?;
            let utc = i64::try_from(utc).map_err(|_| error::misfit(ty))?;
            buf.put_u8(time_length(scale) + 5);
            put_time(buf, utc % UNITS_PER_DAY, scale);
            put_days(buf, utc / UNITS_PER_DAY);
            buf.put_i16_le(offset);
        }
        _ => return Err(error::misfit(ty)),
    }
    Ok(())
}

fn write_text(buf: &mut BytesMut, ty: SqlType, collation: Option<&str>, text: &str) -> Result<(), SqlError> {
    match ty {
        SqlType::NVarChar(Len::Max) | SqlType::Xml => {
            let units = if text.is_ascii() {
                text.len()
            } else {
                crate::value::text::utf16_length(text)
            };
            buf.reserve(units * 2 + 16);
            buf.put_u64_le(units as u64 * 2);
            if units > 0 {
                buf.put_u32_le(u32::try_from(units * 2).map_err(|_| error::misfit(ty))?);
                put_utf16(buf, text);
            }
            buf.put_u32_le(0);
        }
        SqlType::NChar(_) | SqlType::NVarChar(_) => {
            let start = buf.len();
            buf.reserve(text.len() * 2 + 2);
            buf.put_u16_le(0);
            put_utf16(buf, text);
            let length = buf.len() - start - 2;
            if length >= 0xFFFF {
                buf.truncate(start);
                return Err(error::misfit(ty));
            }
            buf[start..start + 2].copy_from_slice(&(length as u16).to_le_bytes());
        }
        SqlType::VarChar(Len::Max) => write_chunk(buf, &collation::code_page_encode(collation, text)),
        SqlType::Char(_) | SqlType::VarChar(_) => {
            write_short(buf, ty, &collation::code_page_encode(collation, text))?;
        }
        _ => return Err(error::misfit(ty)),
    }
    Ok(())
}

fn put_utf16(buf: &mut BytesMut, text: &str) {
    // A block on the stack needs one bounds check for 64 units rather than one for each.
    let mut block = [0u8; 128];
    if text.is_ascii() {
        for part in text.as_bytes().chunks(64) {
            for (pair, byte) in block.chunks_exact_mut(2).zip(part) {
                pair[0] = *byte;
                pair[1] = 0;
            }
            buf.put_slice(&block[..part.len() * 2]);
        }
        return;
    }
    let mut used = 0;
    for unit in text.encode_utf16() {
        block[used..used + 2].copy_from_slice(&unit.to_le_bytes());
        used += 2;
        if used == block.len() {
            buf.put_slice(&block);
            used = 0;
        }
    }
    buf.put_slice(&block[..used]);
}

fn write_short(buf: &mut BytesMut, ty: SqlType, bytes: &[u8]) -> Result<(), SqlError> {
    let length = u16::try_from(bytes.len())
        .ok()
        .filter(|length| *length < 0xFFFF)
        .ok_or_else(|| error::misfit(ty))?;
    buf.reserve(bytes.len() + 2);
    buf.put_u16_le(length);
    buf.put_slice(bytes);
    Ok(())
}

fn write_chunk(buf: &mut BytesMut, bytes: &[u8]) {
    buf.reserve(bytes.len() + 16);
    buf.put_u64_le(bytes.len() as u64);
    // SQLite keeps no value of 4 GB, so one chunk is enough.
    if !bytes.is_empty() {
        buf.put_u32_le(bytes.len() as u32);
        buf.put_slice(bytes);
    }
    buf.put_u32_le(0);
}
