//! CAST, CONVERT and implicit conversion.
//!
//! Rules: <https://learn.microsoft.com/sql/t-sql/functions/cast-and-convert-transact-sql>. A value that the target
//! already holds comes back borrowed. CAST cuts strings silently and assignment does not. A number that its target
//! cannot hold is always an error.

use std::borrow::Cow;

use crate::types::{Cell, Len, OwnedCell, SqlError, SqlType};
use crate::value::cell::CowCell;
use crate::value::temporal::{self, Moment, TICKS_PER_DAY};
use crate::value::text::{self, TooLong};
use crate::value::{cast_binary, decimal, error, parse, render, xml};

pub(crate) use super::conversion::{check_assignable, check_castable};

/// `CAST(cell AS to [COLLATE to_collation])`. When `from` is character and `to` binary, `to_collation` is that of the
/// source.
///
/// # Errors
/// 529 for types without a conversion, 8115, 220, 232, 234 and 8170 for a value that does not fit, and those of
/// [`parse`](super::parse::parse) for text.
pub(crate) fn cast<'a>(
    cell: Cell<'a>,
    from: SqlType,
    to: SqlType,
    to_collation: Option<&str>,
) -> Result<CowCell<'a>, SqlError> {
    convert(cell, from, to, 0, to_collation)
}

/// `CONVERT(to, cell, style)`; `style` 0 is CAST.
///
/// # Errors
/// As [`cast`], and 281 for a style that the types do not have.
pub(crate) fn convert<'a>(
    cell: Cell<'a>,
    from: SqlType,
    to: SqlType,
    style: i32,
    to_collation: Option<&str>,
) -> Result<CowCell<'a>, SqlError> {
    check_castable(from, to)?;
    change(cell, from, to, style, to_collation, TooLong::Cut)
}

/// Implicit conversion on INSERT and UPDATE. It works as [`cast`], but text and bytes that do not fit are 8152, and
/// only implicit conversions are allowed. NULL passes unchecked; the binder asks [`check_assignable`].
///
/// # Errors
/// 206 and 257 for types, 8152 for lengths, and otherwise those of [`cast`].
pub(crate) fn assign<'a>(
    cell: Cell<'a>,
    from: SqlType,
    to: SqlType,
    to_collation: Option<&str>,
) -> Result<CowCell<'a>, SqlError> {
    if matches!(cell, Cell::Null) {
        return Ok(CowCell::Borrowed(cell));
    }
    check_assignable(from, to)?;
    change(cell, from, to, 0, to_collation, TooLong::Refuse)
}

fn change<'a>(
    cell: Cell<'a>,
    from: SqlType,
    to: SqlType,
    style: i32,
    collation: Option<&str>,
    too_long: TooLong,
) -> Result<CowCell<'a>, SqlError> {
    match (cell, to) {
        (Cell::Null, _) => Ok(CowCell::Borrowed(cell)),
        (Cell::Text(value), SqlType::Xml) if from != SqlType::Xml => {
            Ok(cow_text(xml::parsed(Cow::Borrowed(value), style)))
        }
        (Cell::Text(value), _) if text::is_character(to) || to == SqlType::Xml => Ok(cow_text(text::fit(
            Cow::Borrowed(value),
            to,
            collation,
            too_long,
        )?)),
        (Cell::Blob(bytes), SqlType::Binary(_) | SqlType::VarBinary(_)) if is_binary(from) => {
            Ok(cow_bytes(text::fit_bytes(Cow::Borrowed(bytes), to, too_long)?))
        }
        // Text and bytes were checked above, because a code page may differ although the type does not.
        _ if from == to => Ok(CowCell::Borrowed(cell)),
        (_, SqlType::Binary(_) | SqlType::VarBinary(_)) => {
            let bytes = cast_binary::to_bytes(cell, from, to, style, collation)?;
            Ok(cow_bytes(text::fit_bytes(Cow::Owned(bytes), to, too_long)?))
        }
        (Cell::Blob(bytes), _) if is_binary(from) => Ok(CowCell::Owned(cast_binary::from_bytes(
            bytes, from, to, style, collation, too_long,
        )?)),
        _ if text::is_character(to) || to == SqlType::Xml => to_text(cell, from, to, style, collation),
        (Cell::Text(value), _) => Ok(scalar(parse::parse_from(value, from, to, collation)?)),
        _ if temporal::is_temporal(from) && temporal::is_temporal(to) => {
            let moment = Moment::from_cell(cell, from).ok_or_else(|| error::misfit(from))?;
            Ok(scalar(moment.convert(from, to)?))
        }
        (_, SqlType::DateTime | SqlType::SmallDateTime) => Ok(scalar(number(cell, from)?.to_datetime(to)?)),
        _ => Ok(scalar(number(cell, from)?.convert(from, to)?)),
    }
}

fn is_binary(ty: SqlType) -> bool {
    matches!(ty, SqlType::Binary(_) | SqlType::VarBinary(_))
}

fn cow_text(text: Cow<'_, str>) -> CowCell<'_> {
    match text {
        Cow::Borrowed(text) => CowCell::Borrowed(Cell::Text(text)),
        Cow::Owned(text) => CowCell::Owned(OwnedCell::Text(text)),
    }
}

fn cow_bytes(bytes: Cow<'_, [u8]>) -> CowCell<'_> {
    match bytes {
        Cow::Borrowed(bytes) => CowCell::Borrowed(Cell::Blob(bytes)),
        Cow::Owned(bytes) => CowCell::Owned(OwnedCell::Blob(bytes)),
    }
}

fn scalar<'a>(cell: OwnedCell) -> CowCell<'a> {
    match cell {
        OwnedCell::Integer(value) => CowCell::Borrowed(Cell::Integer(value)),
        OwnedCell::Real(value) => CowCell::Borrowed(Cell::Real(value)),
        other => CowCell::Owned(other),
    }
}

fn to_text<'a>(
    cell: Cell<'a>,
    from: SqlType,
    to: SqlType,
    style: i32,
    collation: Option<&str>,
) -> Result<CowCell<'a>, SqlError> {
    let printed = render::render_style(cell, from, style)?;
    let limit = match to {
        SqlType::Char(n) | SqlType::NChar(n) | SqlType::VarChar(Len::N(n)) | SqlType::NVarChar(Len::N(n)) => {
            usize::from(n)
        }
        _ => usize::MAX,
    };
    if printed.len() <= limit || temporal::is_temporal(from) {
        return Ok(cow_text(text::fit(
            Cow::Owned(printed),
            to,
            collation,
            TooLong::Cut,
        )?));
    }
    // The page cited above, "Truncating and rounding results": an asterisk for these and an error for the others.
    let unicode = matches!(to, SqlType::NChar(_) | SqlType::NVarChar(_));
    match (from, cell) {
        (SqlType::Int | SqlType::SmallInt | SqlType::TinyInt, _) if !unicode => Ok(cow_text(text::fit(
            Cow::Borrowed("*"),
            to,
            collation,
            TooLong::Cut,
        )?)),
        (SqlType::Decimal { .. }, _) => Err(error::overflow_from(from, to)),
        (SqlType::Float | SqlType::Real, Cell::Real(value)) => Err(error::float_overflow(to, value)),
        (SqlType::Money | SqlType::SmallMoney, _) => {
            let name = error::type_name(to);
            Err(error::error(
                234,
                2,
                format!("There is insufficient result space to convert a money value to {name}."),
            ))
        }
        (SqlType::UniqueIdentifier, _) => {
            let name = error::type_name(to);
            Err(error::error(
                8170,
                2,
                format!("Insufficient result space to convert uniqueidentifier value to {name}."),
            ))
        }
        _ => Err(error::overflow(to)),
    }
}

/// A number of any type.
#[derive(Debug, Clone, Copy)]
pub(super) enum Number {
    Integer(i64),
    Decimal(i128, u8),
    Float(f64),
}

/// Reads a number of any numeric type. The older date types give days since 1900.
pub(super) fn number(cell: Cell<'_>, from: SqlType) -> Result<Number, SqlError> {
    match (from, cell) {
        (SqlType::Decimal { scale, .. }, _) => decimal::from_cell(cell)
            .map(|value| Number::Decimal(value, scale))
            .ok_or_else(|| error::misfit(from)),
        (SqlType::Money | SqlType::SmallMoney, Cell::Integer(value)) => {
            Ok(Number::Decimal(i128::from(value), 4))
        }
        (SqlType::DateTime, Cell::Integer(ticks)) => Ok(Number::Float(ticks as f64 / TICKS_PER_DAY as f64)),
        (SqlType::SmallDateTime, Cell::Integer(minutes)) => Ok(Number::Float(minutes as f64 / 1_440.0)),
        (SqlType::Real | SqlType::Float, Cell::Integer(value)) => Ok(Number::Float(value as f64)),
        (_, Cell::Integer(value)) => Ok(Number::Integer(value)),
        (SqlType::Real | SqlType::Float, Cell::Real(value)) => Ok(Number::Float(value)),
        _ => Err(error::misfit(from)),
    }
}

impl Number {
    pub(super) fn to_float(self) -> f64 {
        match self {
            Number::Integer(value) => value as f64,
            Number::Decimal(value, scale) => decimal::to_float(value, scale),
            Number::Float(value) => value,
        }
    }

    /// A number at a decimal's scale, rounded. `None` when it is too large.
    pub(super) fn to_scale(self, scale: u8) -> Option<i128> {
        match self {
            Number::Integer(value) => decimal::rescale(i128::from(value), 0, scale),
            Number::Decimal(value, from) => decimal::rescale(value, from, scale),
            Number::Float(value) => decimal::from_float(value, scale),
        }
    }

    fn is_zero(self) -> bool {
        match self {
            Number::Integer(value) => value == 0,
            Number::Decimal(value, _) => value == 0,
            Number::Float(value) => value == 0.0,
        }
    }

    /// A number as the numeric type `to`.
    pub(super) fn convert(self, from: SqlType, to: SqlType) -> Result<OwnedCell, SqlError> {
        match to {
            SqlType::Bit => Ok(OwnedCell::Integer(i64::from(!self.is_zero()))),
            SqlType::TinyInt => self.to_integer(from, to, 0, u8::MAX.into()),
            SqlType::SmallInt => self.to_integer(from, to, i16::MIN.into(), i16::MAX.into()),
            SqlType::Int => self.to_integer(from, to, i32::MIN.into(), i32::MAX.into()),
            SqlType::BigInt => self.to_integer(from, to, i64::MIN, i64::MAX),
            SqlType::Decimal { precision, scale, .. } => match self.to_scale(scale) {
                Some(value) if decimal::fits(value, precision) => Ok(decimal::to_cell(value, precision)),
                _ => Err(error::overflow_from(from, to)),
            },
            SqlType::Money => self.to_money(from, to, i64::MIN, i64::MAX),
            SqlType::SmallMoney => self.to_money(from, to, i32::MIN.into(), i32::MAX.into()),
            SqlType::Float => Ok(OwnedCell::Real(self.to_float())),
            SqlType::Real => {
                let narrow = self.to_float() as f32;
                if narrow.is_finite() {
                    Ok(OwnedCell::Real(f64::from(narrow)))
                } else {
                    Err(error::float_overflow(to, self.to_float()))
                }
            }
            _ => Err(error::explicit_refused(from, to)),
        }
    }

    fn to_money(self, from: SqlType, to: SqlType, low: i64, high: i64) -> Result<OwnedCell, SqlError> {
        let value = self.to_scale(4).and_then(|value| i64::try_from(value).ok());
        match value.filter(|value| (low..=high).contains(value)) {
            Some(value) => Ok(OwnedCell::Integer(value)),
            None if matches!(from, SqlType::Decimal { .. }) => Err(error::overflow_from(from, to)),
            None => Err(error::overflow(to)),
        }
    }

    fn to_integer(self, from: SqlType, to: SqlType, low: i64, high: i64) -> Result<OwnedCell, SqlError> {
        // The page cited above, "Truncating and rounding results": numeric and float are cut, money and dates rounded.
        let rounds = matches!(
            from,
            SqlType::Money | SqlType::SmallMoney | SqlType::DateTime | SqlType::SmallDateTime
        );
        let value = match self {
            Number::Integer(value) => i128::from(value),
            Number::Decimal(value, scale) if rounds => decimal::divide_rounded(value, decimal::power(scale)),
            Number::Decimal(value, scale) => value / decimal::power(scale),
            Number::Float(value) if rounds => value.round() as i128,
            Number::Float(value) => value.trunc() as i128,
        };
        if let Some(value) = i64::try_from(value)
            .ok()
            .filter(|value| (low..=high).contains(value))
        {
            return Ok(OwnedCell::Integer(value));
        }
        Err(match self {
            Number::Float(value) => error::float_overflow(to, value),
            Number::Decimal(..) if matches!(from, SqlType::Decimal { .. }) => error::overflow_from(from, to),
            Number::Integer(value)
                if matches!(to, SqlType::TinyInt | SqlType::SmallInt) && i32::try_from(value).is_ok() =>
            {
                error::small_overflow(to, value)
            }
            _ => error::overflow(to),
        })
    }

    /// Days since 1900 as a date.
    fn to_datetime(self, to: SqlType) -> Result<OwnedCell, SqlError> {
        let ticks = match self {
            Number::Integer(days) => days.checked_mul(TICKS_PER_DAY),
            other => {
                let ticks = (other.to_float() * TICKS_PER_DAY as f64).round();
                // The limit is far beyond every date, and within the precision of a float.
                (ticks.abs() < 1e15).then_some(ticks as i64)
            }
        };
        let in_range = |ticks| {
            let moment = Moment {
                days: temporal::DAYS_TO_1900 + i64::div_euclid(ticks, TICKS_PER_DAY),
                units: temporal::units_of_ticks(i64::rem_euclid(ticks, TICKS_PER_DAY)),
                offset: 0,
            };
            moment.to_cell(to)
        };
        ticks.and_then(in_range).ok_or_else(|| error::overflow(to))
    }
}

#[cfg(test)]
#[path = "cast_tests.rs"]
mod tests;
