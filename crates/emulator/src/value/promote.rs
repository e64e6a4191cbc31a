//! The type of an expression made of two others.
//!
//! Precedence: <https://learn.microsoft.com/sql/t-sql/data-types/data-type-precedence-transact-sql>. Decimals:
//! <https://learn.microsoft.com/sql/t-sql/data-types/precision-scale-and-length-transact-sql>.

use crate::types::{Len, SqlError, SqlType};
use crate::value::operator::Operator;
use crate::value::{error, text};

/// Longest `varchar(n)` and `varbinary(n)`; `nvarchar(n)` has half of it.
const LONGEST: u16 = 8000;

/// The precedence of a type. Higher wins.
fn precedence(ty: SqlType) -> u8 {
    match ty {
        SqlType::Xml => 24,
        SqlType::DateTimeOffset(_) => 23,
        SqlType::DateTime2(_) => 22,
        SqlType::DateTime => 21,
        SqlType::SmallDateTime => 20,
        SqlType::Date => 19,
        SqlType::Time(_) => 18,
        SqlType::Float => 17,
        SqlType::Real => 16,
        SqlType::Decimal { .. } => 15,
        SqlType::Money => 14,
        SqlType::SmallMoney => 13,
        SqlType::BigInt => 12,
        SqlType::Int => 11,
        SqlType::SmallInt => 10,
        SqlType::TinyInt => 9,
        SqlType::Bit => 8,
        SqlType::UniqueIdentifier => 7,
        SqlType::NVarChar(_) => 6,
        SqlType::NChar(_) => 5,
        SqlType::VarChar(_) => 4,
        SqlType::Char(_) => 3,
        SqlType::VarBinary(_) => 2,
        SqlType::Binary(_) => 1,
    }
}

/// The common type by data type precedence: that of `CASE`, `COALESCE`, `UNION`, and of a comparison's two sides.
///
/// [`check_assignable`](super::cast::check_assignable) says whether both sides convert to it.
pub(crate) fn promote(a: SqlType, b: SqlType) -> SqlType {
    if a == b {
        return a;
    }
    let (high, low) = if precedence(a) >= precedence(b) {
        (a, b)
    } else {
        (b, a)
    };
    match high {
        SqlType::Decimal { numeric, .. } => match (digits(high), digits(low)) {
            (Some((p1, s1)), Some((p2, s2))) => {
                let (whole, scale) = ((p1 - s1).max(p2 - s2), s1.max(s2));
                capped(whole + scale, scale, numeric)
            }
            _ => high,
        },
        SqlType::DateTime2(_) | SqlType::DateTimeOffset(_) | SqlType::Time(_) => widest_scale(high, low),
        _ if text::is_character(high) && text::is_character(low) => {
            let length = longer(length(high), length(low));
            let unicode = precedence(high) >= precedence(SqlType::NChar(1));
            character(unicode, is_fixed(high) && is_fixed(low), length)
        }
        SqlType::VarBinary(_) | SqlType::Binary(_) => match longer(length(high), length(low)) {
            Len::N(n) if is_fixed(high) => SqlType::Binary(n),
            len => SqlType::VarBinary(len),
        },
        _ => high,
    }
}

fn widest_scale(high: SqlType, low: SqlType) -> SqlType {
    let scale_of = |ty| match ty {
        SqlType::Time(scale) | SqlType::DateTime2(scale) | SqlType::DateTimeOffset(scale) => scale,
        // A third of a hundredth has no finite form, and all digits keep unequal values unequal.
        SqlType::DateTime => 7,
        _ => 0,
    };
    let scale = scale_of(high).max(scale_of(low));
    match high {
        SqlType::Time(_) => SqlType::Time(scale),
        SqlType::DateTime2(_) => SqlType::DateTime2(scale),
        _ => SqlType::DateTimeOffset(scale),
    }
}

/// Precision and scale of an exact number in decimal arithmetic.
fn digits(ty: SqlType) -> Option<(u8, u8)> {
    Some(match ty {
        SqlType::Decimal { precision, scale, .. } => (precision, scale),
        SqlType::Money => (19, 4),
        SqlType::SmallMoney => (10, 4),
        SqlType::BigInt => (19, 0),
        SqlType::Int => (10, 0),
        SqlType::SmallInt => (5, 0),
        SqlType::TinyInt => (3, 0),
        SqlType::Bit => (1, 0),
        _ => return None,
    })
}

/// A type of at most 38 digits. The scale gives way to the whole part.
fn capped(precision: u8, scale: u8, numeric: bool) -> SqlType {
    let whole = precision - scale;
    let scale = scale.min(38u8.saturating_sub(whole));
    SqlType::Decimal {
        precision: precision.min(38),
        scale,
        numeric,
    }
}

fn length(ty: SqlType) -> Len {
    match ty {
        SqlType::Char(n) | SqlType::NChar(n) | SqlType::Binary(n) => Len::N(n),
        SqlType::VarChar(len) | SqlType::NVarChar(len) | SqlType::VarBinary(len) => len,
        _ => Len::N(1),
    }
}

fn is_fixed(ty: SqlType) -> bool {
    matches!(ty, SqlType::Char(_) | SqlType::NChar(_) | SqlType::Binary(_))
}

fn longer(a: Len, b: Len) -> Len {
    match (a, b) {
        (Len::N(a), Len::N(b)) => Len::N(a.max(b)),
        _ => Len::Max,
    }
}

fn character(unicode: bool, fixed: bool, len: Len) -> SqlType {
    let limit = if unicode { LONGEST / 2 } else { LONGEST };
    match (unicode, fixed, len) {
        (true, true, Len::N(n)) => SqlType::NChar(n.min(limit)),
        (true, _, Len::N(n)) => SqlType::NVarChar(Len::N(n.min(limit))),
        (true, _, Len::Max) => SqlType::NVarChar(Len::Max),
        (false, true, Len::N(n)) => SqlType::Char(n.min(limit)),
        (false, _, Len::N(n)) => SqlType::VarChar(Len::N(n.min(limit))),
        (false, _, Len::Max) => SqlType::VarChar(Len::Max),
    }
}

/// The type of `a op b`.
///
/// # Errors
/// 8117 or 402 if the operator does not take the types, 206 for dates and numbers that do not mix.
pub(crate) fn arithmetic_type(op: Operator, a: SqlType, b: SqlType) -> Result<SqlType, SqlError> {
    let high = promote(a, b);
    let both = |test: fn(SqlType) -> bool| test(a) && test(b);
    if op == Operator::Add && (both(text::is_character) || both(is_binary)) {
        return Ok(concatenated(a, b, high));
    }
    match high {
        SqlType::Float | SqlType::Real if op == Operator::Modulo => Err(incompatible(op, a, b)),
        SqlType::Float
        | SqlType::Real
        | SqlType::Money
        | SqlType::SmallMoney
        | SqlType::BigInt
        | SqlType::Int
        | SqlType::SmallInt
        | SqlType::TinyInt => Ok(high),
        SqlType::Decimal { numeric, .. } => {
            // Text takes the other side's precision and scale.
            let other = digits(high).unwrap_or((38, 0));
            Ok(decimal_result(
                op,
                digits(a).unwrap_or(other),
                digits(b).unwrap_or(other),
                numeric,
            ))
        }
        SqlType::DateTime | SqlType::SmallDateTime if matches!(op, Operator::Add | Operator::Subtract) => {
            // `datetime` and `date` have no sum, nor a difference.
            let mixes = |ty| !matches!(ty, SqlType::Date | SqlType::Time(_));
            if mixes(a) && mixes(b) {
                Ok(high)
            } else {
                Err(incompatible(op, a, b))
            }
        }
        SqlType::Date | SqlType::Time(_) | SqlType::DateTime2(_) | SqlType::DateTimeOffset(_) if a != b => {
            Err(error::type_clash(a, b))
        }
        _ => Err(invalid(op, high)),
    }
}

fn is_binary(ty: SqlType) -> bool {
    matches!(ty, SqlType::Binary(_) | SqlType::VarBinary(_))
}

fn concatenated(a: SqlType, b: SqlType, high: SqlType) -> SqlType {
    let unicode = matches!(high, SqlType::NChar(_) | SqlType::NVarChar(_));
    let limit = if unicode { LONGEST / 2 } else { LONGEST };
    let len = match (length(a), length(b)) {
        (Len::N(a), Len::N(b)) => Len::N(a.saturating_add(b).min(limit)),
        _ => Len::Max,
    };
    match (is_binary(high), len) {
        (true, Len::N(n)) if is_fixed(a) && is_fixed(b) => SqlType::Binary(n),
        (true, len) => SqlType::VarBinary(len),
        (false, len) => character(unicode, is_fixed(a) && is_fixed(b), len),
    }
}

fn decimal_result(op: Operator, (p1, s1): (u8, u8), (p2, s2): (u8, u8), numeric: bool) -> SqlType {
    let (precision, scale) = match op {
        Operator::Add | Operator::Subtract => {
            let (whole, scale) = ((p1 - s1).max(p2 - s2), s1.max(s2));
            let precision = whole + scale + 1;
            // The sum's extra digit gives way first, and then the scale.
            let scale = if precision > 38 {
                scale.min(38 - whole)
            } else {
                scale
            };
            return SqlType::Decimal {
                precision: precision.min(38),
                scale,
                numeric,
            };
        }
        Operator::Modulo => ((p1 - s1).min(p2 - s2) + s1.max(s2), s1.max(s2)),
        Operator::Multiply => (p1 + p2 + 1, s1 + s2),
        Operator::Divide => {
            let scale = (s1 + p2 + 1).max(6);
            (p1 - s1 + s2 + scale, scale)
        }
    };
    if precision <= 38 {
        return SqlType::Decimal {
            precision,
            scale,
            numeric,
        };
    }
    let whole = precision - scale;
    let scale = match whole {
        0..32 => scale.min(38 - whole),
        // At least six decimals stay, even if the whole part may then not fit.
        _ => scale.min(6),
    };
    SqlType::Decimal {
        precision: 38,
        scale,
        numeric,
    }
}

fn operator_name(op: Operator) -> &'static str {
    match op {
        Operator::Add => "add",
        Operator::Subtract => "subtract",
        Operator::Multiply => "multiply",
        Operator::Divide => "divide",
        Operator::Modulo => "modulo",
    }
}

fn incompatible(op: Operator, a: SqlType, b: SqlType) -> SqlError {
    let (a, b, op) = (error::type_name(a), error::type_name(b), operator_name(op));
    error::error(
        402,
        1,
        format!("The data types {a} and {b} are incompatible in the {op} operator."),
    )
}

fn invalid(op: Operator, ty: SqlType) -> SqlError {
    let (ty, op) = (error::type_name(ty), operator_name(op));
    error::error(
        8117,
        1,
        format!("Operand data type {ty} is invalid for {op} operator."),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dec(precision: u8, scale: u8) -> SqlType {
        SqlType::Decimal {
            precision,
            scale,
            numeric: false,
        }
    }

    #[test]
    fn precedence_decides() {
        assert_eq!(promote(SqlType::Int, SqlType::BigInt), SqlType::BigInt);
        assert_eq!(promote(SqlType::VarChar(Len::N(5)), SqlType::Int), SqlType::Int);
        assert_eq!(promote(dec(5, 2), SqlType::Int), dec(12, 2));
        assert_eq!(promote(dec(10, 2), dec(8, 6)), dec(14, 6));
        assert_eq!(promote(dec(38, 10), dec(38, 0)), dec(38, 0));
        assert_eq!(promote(dec(10, 2), SqlType::Float), SqlType::Float);
        assert_eq!(promote(SqlType::Char(3), SqlType::Char(5)), SqlType::Char(5));
        assert_eq!(
            promote(SqlType::Char(3), SqlType::VarChar(Len::N(2))),
            SqlType::VarChar(Len::N(3))
        );
        assert_eq!(
            promote(SqlType::VarChar(Len::N(8000)), SqlType::NChar(2)),
            SqlType::NVarChar(Len::N(4000))
        );
        assert_eq!(
            promote(SqlType::NVarChar(Len::Max), SqlType::Char(2)),
            SqlType::NVarChar(Len::Max)
        );
        assert_eq!(
            promote(SqlType::Binary(3), SqlType::VarBinary(Len::N(2))),
            SqlType::VarBinary(Len::N(3))
        );
        assert_eq!(
            promote(SqlType::DateTime2(3), SqlType::Date),
            SqlType::DateTime2(3)
        );
        assert_eq!(
            promote(SqlType::DateTime2(3), SqlType::DateTime),
            SqlType::DateTime2(7)
        );
    }

    #[test]
    fn arithmetic_of_decimals() {
        let ty = |op, a, b| arithmetic_type(op, a, b);
        assert_eq!(ty(Operator::Add, dec(10, 2), dec(5, 4)), Ok(dec(13, 4)));
        assert_eq!(ty(Operator::Multiply, dec(10, 2), dec(5, 4)), Ok(dec(16, 6)));
        assert_eq!(ty(Operator::Divide, dec(10, 2), dec(5, 4)), Ok(dec(20, 8)));
        assert_eq!(ty(Operator::Modulo, dec(10, 2), dec(5, 4)), Ok(dec(5, 4)));
        // The page's own examples of results above 38 digits.
        assert_eq!(ty(Operator::Multiply, dec(38, 20), dec(38, 20)), Ok(dec(38, 6)));
        assert_eq!(ty(Operator::Add, dec(38, 20), dec(38, 20)), Ok(dec(38, 20)));
        assert_eq!(ty(Operator::Multiply, dec(30, 25), dec(20, 10)), Ok(dec(38, 22)));
    }

    #[test]
    fn other_arithmetic() {
        let ty = |op, a, b| arithmetic_type(op, a, b).map_err(|e| e.number);
        assert_eq!(
            ty(Operator::Add, SqlType::Int, SqlType::TinyInt),
            Ok(SqlType::Int)
        );
        assert_eq!(
            ty(Operator::Add, SqlType::DateTime, SqlType::Int),
            Ok(SqlType::DateTime)
        );
        assert_eq!(ty(Operator::Add, SqlType::Date, SqlType::Int), Err(206));
        assert_eq!(ty(Operator::Subtract, SqlType::DateTime, SqlType::Date), Err(402));
        assert_eq!(ty(Operator::Add, SqlType::Bit, SqlType::Bit), Err(8117));
        assert_eq!(ty(Operator::Modulo, SqlType::Float, SqlType::Int), Err(402));
        assert_eq!(
            ty(Operator::Add, SqlType::VarChar(Len::N(5)), SqlType::NChar(3)),
            Ok(SqlType::NVarChar(Len::N(8)))
        );
        assert_eq!(
            ty(Operator::Subtract, SqlType::Char(1), SqlType::Char(1)),
            Err(8117)
        );
    }
}
