//! Decimals as scaled integers, and their two storage forms.
//!
//! Every `decimal(p, s)` is an `i128` times 10^-s, which holds 38 digits with room to spare. Rounding is half away
//! from zero, everywhere, as in SQL Server.

use crate::types::{Cell, OwnedCell};

/// Up to this precision a decimal is stored as an INTEGER.
pub(crate) const INTEGER_PRECISION: u8 = 18;

/// The largest precision, and so the largest scale.
pub(crate) const MAX_PRECISION: u8 = 38;

/// Powers of ten up to 10^38.
static POWERS: [i128; 39] = powers();

const fn powers() -> [i128; 39] {
    let mut table = [1i128; 39];
    let mut at = 1;
    while at < table.len() {
        table[at] = table[at - 1] * 10;
        at += 1;
    }
    table
}

/// 10^`exponent`, for exponents up to 38.
pub(crate) fn power(exponent: u8) -> i128 {
    POWERS[usize::from(exponent)]
}

/// Converts a scaled integer to storage form. The caller has checked that it has at most `precision` digits.
pub(crate) fn to_cell(unscaled: i128, precision: u8) -> OwnedCell {
    match i64::try_from(unscaled) {
        Ok(small) if precision <= INTEGER_PRECISION => OwnedCell::Integer(small),
        _ => OwnedCell::Blob(to_blob(unscaled).to_vec()),
    }
}

/// The storage form of precisions above 18.
pub(crate) fn to_blob(unscaled: i128) -> [u8; 16] {
    (unscaled ^ i128::MIN).to_be_bytes()
}

/// Converts storage form to a scaled integer. `None` for a cell that is no decimal.
pub(crate) fn from_cell(cell: Cell<'_>) -> Option<i128> {
    match cell {
        Cell::Integer(value) => Some(i128::from(value)),
        Cell::Blob(bytes) => Some(i128::from_be_bytes(bytes.try_into().ok()?) ^ i128::MIN),
        Cell::Null | Cell::Real(_) | Cell::Text(_) => None,
    }
}

/// Whether it has at most `precision` digits.
pub(crate) fn fits(unscaled: i128, precision: u8) -> bool {
    unscaled.unsigned_abs() < power(precision.min(MAX_PRECISION)).unsigned_abs()
}

/// Divides, rounding half away from zero.
pub(crate) fn divide_rounded(value: i128, divisor: i128) -> i128 {
    let (quotient, rest) = (value / divisor, value % divisor);
    // Not `2 * rest >= divisor`, which overflows for 38 digits.
    if rest.unsigned_abs() >= divisor.unsigned_abs() - rest.unsigned_abs() {
        quotient + value.signum() * divisor.signum()
    } else {
        quotient
    }
}

/// The same value at another scale, rounded. `None` when it does not fit an `i128`.
pub(crate) fn rescale(unscaled: i128, from: u8, to: u8) -> Option<i128> {
    match to.checked_sub(from) {
        Some(0) => Some(unscaled),
        Some(up) => unscaled.checked_mul(*POWERS.get(usize::from(up))?),
        None => Some(divide_rounded(unscaled, *POWERS.get(usize::from(from - to))?)),
    }
}

/// Prints all digits of the scale, with a zero before the point.
pub(crate) fn render(unscaled: i128, scale: u8) -> String {
    let sign = if unscaled < 0 { "-" } else { "" };
    let digits = unscaled.unsigned_abs();
    if scale == 0 {
        return format!("{sign}{digits}");
    }
    let one = power(scale).unsigned_abs();
    format!(
        "{sign}{}.{:0width$}",
        digits / one,
        digits % one,
        width = usize::from(scale)
    )
}

/// The reason why a string is no decimal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotDecimal {
    /// It is no number.
    Syntax,
    /// It has too many digits.
    Overflow,
}

/// Reads `[+-]digits[.digits]` at the given scale. Further digits round. There is no exponent, as in SQL Server.
pub(crate) fn parse(text: &str, scale: u8) -> Result<i128, NotDecimal> {
    let text = text.trim_matches(' ');
    let (negative, digits) = match text.as_bytes() {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    let mut value: i128 = 0;
    let (mut seen, mut point, mut decimals, mut round) = (false, false, 0u8, None);
    let mut overflow = false;
    for byte in digits {
        match byte {
            b'0'..=b'9' => {
                seen = true;
                let digit = i128::from(byte - b'0');
                if point && decimals == scale {
                    round.get_or_insert(digit >= 5);
                } else {
                    decimals += u8::from(point);
                    match value.checked_mul(10).and_then(|v| v.checked_add(digit)) {
                        Some(more) => value = more,
                        None => overflow = true,
                    }
                }
            }
            b'.' if !point => point = true,
            _ => return Err(NotDecimal::Syntax),
        }
    }
    if !seen {
        return Err(NotDecimal::Syntax);
    }
    if overflow {
        return Err(NotDecimal::Overflow);
    }
    let value = value
        .checked_mul(power(scale - decimals))
        .ok_or(NotDecimal::Overflow)?;
    let value = value
        .checked_add(i128::from(round == Some(true)))
        .ok_or(NotDecimal::Overflow)?;
    Ok(if negative { -value } else { value })
}

/// A float at the given scale, by its 17 significant digits. `None` when it is too large.
///
/// <https://learn.microsoft.com/sql/t-sql/data-types/float-and-real-transact-sql>: float to decimal is restricted
/// to values with a precision of 17 digits, and smaller values round to zero.
pub(crate) fn from_float(value: f64, scale: u8) -> Option<i128> {
    if !value.is_finite() {
        return None;
    }
    let text = format!("{value:.16e}");
    let (mantissa, exponent) = text.split_once('e')?;
    let exponent: i32 = exponent.parse().ok()?;
    let digits = parse(mantissa, 16).ok()?;
    let shift = exponent - 16 + i32::from(scale);
    let power = POWERS.get(shift.unsigned_abs() as usize);
    if shift >= 0 {
        return digits.checked_mul(*power?);
    }
    Some(power.map_or(0, |divisor| divide_rounded(digits, *divisor)))
}

/// The nearest float.
pub(crate) fn to_float(unscaled: i128, scale: u8) -> f64 {
    // The parser of the standard library rounds correctly. A division by a power of ten would round twice.
    if unscaled.unsigned_abs() < 1 << 53 && scale <= 22 {
        unscaled as f64 / POWERS[usize::from(scale)] as f64
    } else {
        render(unscaled, scale).parse().unwrap_or(f64::NAN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn storage_keeps_order() {
        let max = power(38) - 1;
        for pair in [-max, -power(18), -1, 0, 1, power(18), max].windows(2) {
            assert!(to_blob(pair[0]) < to_blob(pair[1]));
            assert_eq!(from_cell(Cell::Blob(&to_blob(pair[0]))), Some(pair[0]));
        }
        assert_eq!(to_cell(-5, 18), OwnedCell::Integer(-5));
        assert_eq!(to_cell(0, 19), OwnedCell::Blob([&[0x80][..], &[0; 15]].concat()));
    }

    #[test]
    fn rounding_is_half_away_from_zero() {
        assert_eq!(rescale(125, 2, 1), Some(13));
        assert_eq!(rescale(-125, 2, 1), Some(-13));
        assert_eq!(rescale(124, 2, 1), Some(12));
        assert_eq!(rescale(5, 1, 0), Some(1));
        assert_eq!(rescale(1, 0, 38), Some(power(38)));
        assert_eq!(rescale(2, 0, 38), None);
        assert_eq!(rescale(power(38) - 1, 38, 0), Some(1));
    }

    #[test]
    fn text() {
        assert_eq!(parse(" -1.255 ", 2), Ok(-126));
        assert_eq!(parse("+.5", 0), Ok(1));
        assert_eq!(parse("5.", 2), Ok(500));
        assert_eq!(parse("0.0449", 1), Ok(0), "only the first digit dropped rounds");
        assert_eq!(
            parse("99999999999999999999999999999999999999", 0),
            Ok(power(38) - 1)
        );
        assert_eq!(parse("1e3", 0), Err(NotDecimal::Syntax));
        for bad in ["", " ", ".", "-", "1.2.3", "1,000", "0x1", "--1"] {
            assert_eq!(parse(bad, 2), Err(NotDecimal::Syntax), "{bad}");
        }
        assert_eq!(parse(&"9".repeat(60), 0), Err(NotDecimal::Overflow));
        assert_eq!(render(-5, 2), "-0.05");
        assert_eq!(render(power(38) - 1, 38), format!("0.{}", "9".repeat(38)));
        assert_eq!(render(0, 0), "0");
    }

    #[test]
    fn floats() {
        assert_eq!(from_float(0.1, 2), Some(10));
        assert_eq!(from_float(-2.5, 0), Some(-3));
        assert_eq!(from_float(1e38, 1), None);
        assert_eq!(from_float(f64::MAX, 0), None);
        assert_eq!(from_float(1e-300, 4), Some(0));
        assert_eq!(from_float(f64::NAN, 4), None);
        assert_eq!(from_float(123_456_789.123, 3), Some(123_456_789_123));
        assert_eq!(to_float(1, 1).to_bits(), 0.1f64.to_bits());
        assert_eq!(to_float(power(38) - 1, 0).to_bits(), 1e38f64.to_bits());
    }
}
