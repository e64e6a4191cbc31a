//! Arithmetic between stored values.
//!
//! Both sides are converted to the common type first, as in SQL Server. Decimals are computed in 256 bits, so a
//! product or quotient is exact before it is brought to the scale of the result.

use crate::types::{Cell, OwnedCell, SqlError, SqlType};
use crate::value::cast::{self, Number};
use crate::value::operator::Operator;
use crate::value::promote::arithmetic_type;
use crate::value::temporal::{DAYS_TO_1900, Moment, TICKS_PER_DAY, units_of_ticks};
use crate::value::{decimal, error, text};

/// `a op b` of type [`arithmetic_type`]. It is NULL when either side is.
///
/// # Errors
/// 8115 for a result that the type does not hold, 8134 for a division by zero, and those of
/// [`arithmetic_type`] and [`cast`](super::cast::cast).
pub(crate) fn compute(
    op: Operator,
    a: Cell<'_>,
    a_ty: SqlType,
    b: Cell<'_>,
    b_ty: SqlType,
) -> Result<OwnedCell, SqlError> {
    let ty = arithmetic_type(op, a_ty, b_ty)?;
    match (a, b) {
        (Cell::Null, _) | (_, Cell::Null) => return Ok(OwnedCell::Null),
        (Cell::Text(a), Cell::Text(b)) if text::is_character(ty) => {
            return Ok(OwnedCell::Text([a, b].concat()));
        }
        (Cell::Blob(a), Cell::Blob(b)) if matches!(ty, SqlType::Binary(_) | SqlType::VarBinary(_)) => {
            return Ok(OwnedCell::Blob([a, b].concat()));
        }
        _ => {}
    }
    if let SqlType::Decimal { precision, scale, .. } = ty {
        let (a, b) = (exact(a, a_ty, ty)?, exact(b, b_ty, ty)?);
        let value = decimal_value(op, a, b, scale)?.filter(|value| decimal::fits(*value, precision));
        return value
            .map(|value| decimal::to_cell(value, precision))
            .ok_or_else(|| error::overflow(ty));
    }
    let (a, b) = (cast::cast(a, a_ty, ty, None)?, cast::cast(b, b_ty, ty, None)?);
    match (a.as_cell(), b.as_cell()) {
        (Cell::Real(a), Cell::Real(b)) => float_value(op, a, b, ty),
        (Cell::Integer(a), Cell::Integer(b)) => integer_value(op, a, b, ty),
        _ => Err(error::misfit(ty)),
    }
}

/// `-a`, of the same type.
///
/// # Errors
/// 8115 for the lowest value of an integer type, 8117 for a type that is no number.
pub(crate) fn negate(a: Cell<'_>, ty: SqlType) -> Result<OwnedCell, SqlError> {
    match (ty, a) {
        (_, Cell::Null) => Ok(OwnedCell::Null),
        (SqlType::Decimal { precision, .. }, _) => {
            let value = decimal::from_cell(a).ok_or_else(|| error::misfit(ty))?;
            Ok(decimal::to_cell(-value, precision))
        }
        (SqlType::Real | SqlType::Float, Cell::Real(value)) => Ok(OwnedCell::Real(-value)),
        (
            SqlType::TinyInt
            | SqlType::SmallInt
            | SqlType::Int
            | SqlType::BigInt
            | SqlType::Money
            | SqlType::SmallMoney,
            Cell::Integer(value),
        ) => in_range(value.checked_neg(), ty),
        _ => {
            let name = error::type_name(ty);
            Err(error::error(
                8117,
                1,
                format!("Operand data type {name} is invalid for minus operator."),
            ))
        }
    }
}

/// An operand of decimal arithmetic: its digits and its own scale.
fn exact(cell: Cell<'_>, from: SqlType, result: SqlType) -> Result<(i128, u8), SqlError> {
    if let Cell::Text(_) = cell {
        let SqlType::Decimal { scale, .. } = result else {
            return Err(error::misfit(result));
        };
        let read = cast::cast(
            cell,
            from,
            SqlType::Decimal {
                precision: 38,
                scale,
                numeric: true,
            },
            None,
        )?;
        return decimal::from_cell(read.as_cell())
            .map(|value| (value, scale))
            .ok_or_else(|| error::misfit(result));
    }
    match cast::number(cell, from)? {
        Number::Integer(value) => Ok((i128::from(value), 0)),
        Number::Decimal(value, scale) => Ok((value, scale)),
        Number::Float(_) => Err(error::misfit(result)),
    }
}

fn decimal_value(
    op: Operator,
    (a, s1): (i128, u8),
    (b, s2): (i128, u8),
    scale: u8,
) -> Result<Option<i128>, SqlError> {
    if b == 0 && matches!(op, Operator::Divide | Operator::Modulo) {
        return Err(divide_by_zero());
    }
    let common = s1.max(s2);
    let aligned = || Some((decimal::rescale(a, s1, common)?, decimal::rescale(b, s2, common)?));
    let negative = (a < 0) != (b < 0);
    let value = match op {
        Operator::Add => aligned()
            .and_then(|(a, b)| a.checked_add(b))
            .and_then(|sum| decimal::rescale(sum, common, scale)),
        Operator::Subtract => aligned()
            .and_then(|(a, b)| a.checked_sub(b))
            .and_then(|sum| decimal::rescale(sum, common, scale)),
        Operator::Modulo => aligned().and_then(|(a, b)| decimal::rescale(a % b, common, scale)),
        Operator::Multiply => {
            let product = Wide::from(a.unsigned_abs()).times(b.unsigned_abs());
            // The scale of the result is never more than that of the product.
            let drop = (s1 + s2).saturating_sub(scale);
            product
                .and_then(|product| product.over_power(drop, true))
                .and_then(|value| signed(value, negative))
        }
        Operator::Divide => {
            // The quotient is cut, not rounded, as in SQL Server.
            let shift = i16::from(scale) + i16::from(s2) - i16::from(s1);
            let mut numerator = Some(Wide::from(a.unsigned_abs()));
            for step in [
                shift.clamp(0, 38),
                (shift - 38).clamp(0, 38),
                (shift - 76).clamp(0, 38),
            ] {
                let power = decimal::power(step as u8).unsigned_abs();
                numerator = numerator.and_then(|numerator| numerator.times(power));
            }
            let quotient = numerator.map(|numerator| numerator.over(b.unsigned_abs()).0);
            let cut = u8::try_from(-shift).unwrap_or(0);
            quotient
                .and_then(|quotient| quotient.over_power(cut, false))
                .and_then(|value| signed(value, negative))
        }
    };
    Ok(value)
}

fn signed(magnitude: u128, negative: bool) -> Option<i128> {
    let value = i128::try_from(magnitude).ok()?;
    Some(if negative { -value } else { value })
}

fn divide_by_zero() -> SqlError {
    error::error(8134, 1, "Divide by zero error encountered.".to_owned())
}

fn float_value(op: Operator, a: f64, b: f64, ty: SqlType) -> Result<OwnedCell, SqlError> {
    let value = match op {
        Operator::Add => a + b,
        Operator::Subtract => a - b,
        Operator::Multiply => a * b,
        Operator::Divide if b == 0.0 => return Err(divide_by_zero()),
        Operator::Divide => a / b,
        Operator::Modulo => return Err(error::misfit(ty)),
    };
    let value = if ty == SqlType::Real {
        f64::from(value as f32)
    } else {
        value
    };
    if value.is_finite() {
        Ok(OwnedCell::Real(value))
    } else {
        Err(error::overflow(ty))
    }
}

fn integer_value(op: Operator, a: i64, b: i64, ty: SqlType) -> Result<OwnedCell, SqlError> {
    if b == 0 && matches!(op, Operator::Divide | Operator::Modulo) {
        return Err(divide_by_zero());
    }
    if matches!(ty, SqlType::DateTime | SqlType::SmallDateTime) {
        return date_value(op, a, b, ty);
    }
    let money = matches!(ty, SqlType::Money | SqlType::SmallMoney);
    let value = match op {
        Operator::Add => a.checked_add(b),
        Operator::Subtract => a.checked_sub(b),
        Operator::Multiply if money => {
            i64::try_from(decimal::divide_rounded(i128::from(a) * i128::from(b), 10_000)).ok()
        }
        Operator::Multiply => a.checked_mul(b),
        Operator::Divide if money => i64::try_from(i128::from(a) * 10_000 / i128::from(b)).ok(),
        Operator::Divide => a.checked_div(b),
        // The lowest value modulo -1 is 0. A division would overflow on it.
        Operator::Modulo => Some(a.checked_rem(b).unwrap_or(0)),
    };
    in_range(value, ty)
}

/// Sums of days since 1900, in the units of the type.
fn date_value(op: Operator, a: i64, b: i64, ty: SqlType) -> Result<OwnedCell, SqlError> {
    let value = if op == Operator::Add { a + b } else { a - b };
    let ticks = if ty == SqlType::DateTime {
        value
    } else {
        value * 18_000
    };
    let moment = Moment {
        days: DAYS_TO_1900 + ticks.div_euclid(TICKS_PER_DAY),
        units: units_of_ticks(ticks.rem_euclid(TICKS_PER_DAY)),
        offset: 0,
    };
    moment.to_cell(ty).ok_or_else(|| error::overflow(ty))
}

fn in_range(value: Option<i64>, ty: SqlType) -> Result<OwnedCell, SqlError> {
    let (low, high) = match ty {
        SqlType::TinyInt => (0, i64::from(u8::MAX)),
        SqlType::SmallInt => (i64::from(i16::MIN), i64::from(i16::MAX)),
        SqlType::Int | SqlType::SmallMoney => (i64::from(i32::MIN), i64::from(i32::MAX)),
        _ => (i64::MIN, i64::MAX),
    };
    match value.filter(|value| (low..=high).contains(value)) {
        Some(value) => Ok(OwnedCell::Integer(value)),
        None => Err(error::overflow(ty)),
    }
}

/// An unsigned integer of 256 bits, lowest limb first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Wide([u64; 4]);

impl Wide {
    fn from(value: u128) -> Wide {
        Wide([value as u64, (value >> 64) as u64, 0, 0])
    }

    /// `None` when the product has more than 256 bits.
    fn times(self, factor: u128) -> Option<Wide> {
        let factors = [factor as u64, (factor >> 64) as u64];
        let mut limbs = [0u64; 6];
        for (i, x) in self.0.into_iter().enumerate() {
            let mut carry = 0u128;
            for (j, y) in factors.into_iter().enumerate() {
                let sum = u128::from(x) * u128::from(y) + u128::from(limbs[i + j]) + carry;
                limbs[i + j] = sum as u64;
                carry = sum >> 64;
            }
            // Nothing has been added to this limb yet.
            limbs[i + 2] = carry as u64;
        }
        let [a, b, c, d, e, f] = limbs;
        (e == 0 && f == 0).then_some(Wide([a, b, c, d]))
    }

    /// Quotient and rest; the divisor is less than 2^127, as every decimal is.
    fn over(self, divisor: u128) -> (Wide, u128) {
        let (mut quotient, mut rest) = ([0u64; 4], 0u128);
        for bit in (0..256).rev() {
            rest = rest << 1 | u128::from(self.0[bit / 64] >> (bit % 64) & 1);
            if rest >= divisor {
                rest -= divisor;
                quotient[bit / 64] |= 1 << (bit % 64);
            }
        }
        (Wide(quotient), rest)
    }

    /// Divides by a power of ten, rounded half up or cut. `None` when more than 128 bits are left.
    fn over_power(self, exponent: u8, round: bool) -> Option<u128> {
        // One step only, because two would round twice: 76 decimals is more than any product has to lose.
        let (first, second) = (exponent.min(38), exponent.saturating_sub(38).min(38));
        let (mut value, mut rest) = self.over(decimal::power(second).unsigned_abs());
        let mut divisor = decimal::power(second).unsigned_abs();
        if first > 0 {
            (value, rest) = value.over(decimal::power(first).unsigned_abs());
            divisor = decimal::power(first).unsigned_abs();
        }
        let [a, b, c, d] = value.0;
        let value = (c == 0 && d == 0).then_some(u128::from(b) << 64 | u128::from(a))?;
        // The first digit dropped decides, and it is in the last rest.
        if round && divisor > 1 && rest >= divisor / 2 {
            value.checked_add(1)
        } else {
            Some(value)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::Len;
    use crate::value::render::render;

    fn dec(precision: u8, scale: u8) -> SqlType {
        SqlType::Decimal {
            precision,
            scale,
            numeric: true,
        }
    }

    fn on_decimals(op: Operator, a: (&str, u8, u8), b: (&str, u8, u8)) -> Result<String, i32> {
        let read = |(digits, p, s): (&str, u8, u8)| decimal::to_cell(decimal::parse(digits, s).unwrap(), p);
        let (a_ty, b_ty) = (dec(a.1, a.2), dec(b.1, b.2));
        let value = compute(op, read(a).as_cell(), a_ty, read(b).as_cell(), b_ty).map_err(|e| e.number)?;
        Ok(render(value.as_cell(), arithmetic_type(op, a_ty, b_ty).unwrap()))
    }

    #[test]
    fn decimals() {
        let on = on_decimals;
        assert_eq!(
            on(Operator::Add, ("1.5", 2, 1), ("-0.25", 3, 2)).as_deref(),
            Ok("1.25")
        );
        assert_eq!(
            on(Operator::Multiply, ("-1.5", 2, 1), ("0.25", 3, 2)).as_deref(),
            Ok("-0.375")
        );
        assert_eq!(
            on(Operator::Divide, ("2.0", 2, 1), ("3.0", 2, 1)).as_deref(),
            Ok("0.666666")
        );
        assert_eq!(
            on(Operator::Divide, ("-1", 1, 0), ("3", 1, 0)).as_deref(),
            Ok("-0.333333")
        );
        assert_eq!(
            on(Operator::Modulo, ("-7.5", 2, 1), ("2", 1, 0)).as_deref(),
            Ok("-1.5")
        );
        assert_eq!(on(Operator::Divide, ("1", 1, 0), ("0", 1, 0)), Err(8134));
        let nines = "9".repeat(38);
        assert_eq!(on(Operator::Add, (&nines, 38, 0), ("1", 1, 0)), Err(8115));
        assert_eq!(
            on(Operator::Multiply, (&nines, 38, 0), (&nines, 38, 0)),
            Err(8115)
        );
        // 38 + 38 decimals: all but six of them go.
        let small = format!("0.{nines}");
        assert_eq!(
            on(Operator::Multiply, (&small, 38, 38), (&small, 38, 38)).as_deref(),
            Ok(format!("1.{}", "0".repeat(37)).as_str())
        );
    }

    #[test]
    fn integers_money_and_floats() {
        use Cell::{Integer, Null, Real, Text};
        use Operator::{Add, Divide, Modulo, Multiply, Subtract};
        use SqlType::{BigInt, DateTime, Float, Int, Money, TinyInt, VarChar};
        let one_day = OwnedCell::Integer(TICKS_PER_DAY - 1);
        let table = [
            (
                Divide,
                Integer(-7),
                Int,
                Integer(2),
                Int,
                Ok(OwnedCell::Integer(-3)),
            ),
            (Add, Integer(i32::MAX.into()), Int, Integer(1), Int, Err(8115)),
            (Subtract, Integer(1), TinyInt, Integer(2), TinyInt, Err(8115)),
            (
                Modulo,
                Integer(i64::MIN),
                BigInt,
                Integer(-1),
                Int,
                Ok(OwnedCell::Integer(0)),
            ),
            (Divide, Integer(i64::MIN), BigInt, Integer(-1), Int, Err(8115)),
            (
                Add,
                Text("5"),
                VarChar(Len::N(1)),
                Integer(1),
                Int,
                Ok(OwnedCell::Integer(6)),
            ),
            (
                Divide,
                Integer(20_000),
                Money,
                Integer(3),
                Int,
                Ok(OwnedCell::Integer(6_666)),
            ),
            (
                Multiply,
                Integer(15_000),
                Money,
                Integer(15_000),
                Money,
                Ok(OwnedCell::Integer(22_500)),
            ),
            (Divide, Real(1.0), Float, Integer(0), Int, Err(8134)),
            (Multiply, Real(1e300), Float, Real(1e300), Float, Err(8115)),
            (Add, Null, Int, Integer(1), Int, Ok(OwnedCell::Null)),
            (Add, Integer(-1), DateTime, Integer(1), Int, Ok(one_day)),
        ];
        for (op, a, a_ty, b, b_ty, expected) in table {
            let found = compute(op, a, a_ty, b, b_ty).map_err(|e| e.number);
            assert_eq!(found, expected, "{a:?} {op:?} {b:?}");
        }
        let negated = |a, ty| negate(a, ty).map_err(|e| e.number);
        assert_eq!(negated(Integer(5), TinyInt), Err(8115));
        assert_eq!(negated(Integer(5), Int), Ok(OwnedCell::Integer(-5)));
        assert_eq!(negated(Text("x"), SqlType::Xml), Err(8117));
    }

    #[test]
    fn concatenation() {
        let nvarchar = SqlType::NVarChar(Len::N(5));
        assert_eq!(
            compute(
                Operator::Add,
                Cell::Text("a"),
                SqlType::VarChar(Len::N(5)),
                Cell::Text("é"),
                nvarchar
            ),
            Ok(OwnedCell::Text("aé".to_owned()))
        );
        assert_eq!(
            compute(
                Operator::Add,
                Cell::Blob(&[1]),
                SqlType::Binary(1),
                Cell::Blob(&[2]),
                SqlType::Binary(1)
            ),
            Ok(OwnedCell::Blob(vec![1, 2]))
        );
    }
}
