//! Arithmetic and rounding.

use rusqlite::functions::Context;

use super::registry::{Answer, Registry, argument, broken, integer, sql_type, string};
use crate::sql::errors::overflow;
use crate::sql::{types, values};
use crate::types::{Cell, OwnedCell, SqlError, SqlType};
use crate::value::{arithmetic, decimal};

pub(super) fn register(registry: &Registry<'_>) -> rusqlite::Result<()> {
    registry.pure("tsql_arith", 5, |c| {
        let op = values::operator(integer(c, 0)?.unwrap_or(-1))?;
        let (a, a_ty, b, b_ty) = (argument(c, 1)?, sql_type(c, 2)?, argument(c, 3)?, sql_type(c, 4)?);
        arithmetic::compute(op, a, a_ty, b, b_ty)
    })?;
    registry.pure("tsql_negate", 2, |c| match argument(c, 0)? {
        Cell::Null => Ok(OwnedCell::Null),
        value => arithmetic::negate(value, sql_type(c, 1)?),
    })?;
    registry.pure("tsql_math", 4, math)
}

/// A number as a scaled integer, for the exact types.
pub(super) fn exact(cell: Cell<'_>, ty: SqlType) -> Result<(i128, u8), SqlError> {
    match (cell, ty) {
        (Cell::Integer(v), SqlType::Money | SqlType::SmallMoney) => Ok((i128::from(v), 4)),
        (Cell::Integer(v), ty) if types::is_integer(ty) => Ok((i128::from(v), 0)),
        (cell, SqlType::Decimal { scale, .. }) => {
            decimal::from_cell(cell).map(|v| (v, scale)).ok_or_else(broken)
        }
        _ => Err(broken()),
    }
}

/// The storage form of a scaled integer that has the type's scale.
pub(super) fn exact_cell(value: i128, ty: SqlType) -> Answer {
    let too_big = || overflow(types::name(ty));
    match ty {
        SqlType::Decimal { precision, .. } => {
            if value.unsigned_abs() >= 10_u128.pow(u32::from(precision)) {
                return Err(too_big());
            }
            Ok(decimal::to_cell(value, precision))
        }
        _ => {
            let value = i64::try_from(value).map_err(|_| too_big())?;
            let fits = match ty {
                SqlType::Int => i32::try_from(value).is_ok(),
                SqlType::SmallInt => i16::try_from(value).is_ok(),
                SqlType::TinyInt => u8::try_from(value).is_ok(),
                SqlType::SmallMoney => i32::try_from(value).is_ok(),
                _ => true,
            };
            if fits {
                Ok(OwnedCell::Integer(value))
            } else {
                Err(too_big())
            }
        }
    }
}

fn math(context: &Context<'_>) -> Answer {
    let name = string(context, 0)?.unwrap_or_default();
    let (value, ty) = (argument(context, 1)?, sql_type(context, 2)?);
    let Some(digits) = integer(context, 3)? else {
        return Ok(OwnedCell::Null);
    };
    match value {
        Cell::Null => Ok(OwnedCell::Null),
        Cell::Real(v) => Ok(OwnedCell::Real(match name {
            "ABS" => v.abs(),
            "SIGN" if v == 0.0 => 0.0,
            "SIGN" => v.signum(),
            "CEILING" => v.ceil(),
            "FLOOR" => v.floor(),
            _ => {
                let factor = 10_f64.powi(i32::try_from(digits.clamp(-300, 300)).unwrap_or(0));
                let scaled = (v * factor).round() / factor;
                if scaled.is_finite() { scaled } else { v }
            }
        })),
        value => {
            let (v, scale) = exact(value, ty)?;
            let scale_digits = i64::from(scale);
            let one = 10_i128.pow(u32::from(scale));
            let result = match name {
                "ABS" => v.abs(),
                "SIGN" => v.signum() * one,
                "CEILING" => -((-v).div_euclid(one)) * one,
                "FLOOR" => v.div_euclid(one) * one,
                _ if digits >= scale_digits => v,
                _ => match u32::try_from(scale_digits - digits).ok().filter(|n| *n <= 38) {
                    // Half is rounded away from zero.
                    Some(n) => {
                        let unit = 10_i128.pow(n);
                        (v + v.signum() * (unit / 2)) / unit * unit
                    }
                    None => 0,
                },
            };
            exact_cell(result, ty)
        }
    }
}
