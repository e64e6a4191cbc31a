//! The rules by which SQL Server reads strings and literals.

use crate::types::{Len, OwnedCell, SqlError, SqlType};
use crate::value::decimal::{self, NotDecimal};
use crate::value::text::{self, TooLong};
use crate::value::{error, guid, parse_datetime, temporal};

/// Converts a string to a value of `to`, as CAST reads it. Errors name the type `from`.
///
/// # Errors
/// The error of the target type: 245, 248, 244, 8114, 8115, 241, 242, 295, 8169 or 235. For `binary` it is 529:
/// [`cast`](super::cast::cast) converts it and this does not.
pub(super) fn parse_from(
    text: &str,
    from: SqlType,
    to: SqlType,
    to_collation: Option<&str>,
) -> Result<OwnedCell, SqlError> {
    match to {
        SqlType::Bit => bit(text, from),
        SqlType::TinyInt | SqlType::SmallInt | SqlType::Int | SqlType::BigInt => integer(text, from, to),
        SqlType::Decimal { precision, scale, .. } => match decimal::parse(text, scale) {
            Ok(value) if decimal::fits(value, precision) => Ok(decimal::to_cell(value, precision)),
            Ok(_) | Err(NotDecimal::Overflow) => Err(error::overflow_from(from, to)),
            Err(NotDecimal::Syntax) => Err(error::not_a_number(from, to)),
        },
        SqlType::Money | SqlType::SmallMoney => money(text, to),
        SqlType::Real | SqlType::Float => float(text, from, to),
        SqlType::UniqueIdentifier => guid::parse(text)
            .map(|stored| OwnedCell::Blob(stored.to_vec()))
            .ok_or_else(error::not_a_guid),
        _ if temporal::is_temporal(to) => parse_datetime::parse(text, from, to),
        SqlType::Binary(_) | SqlType::VarBinary(_) => Err(error::explicit_refused(from, to)),
        _ => Ok(OwnedCell::Text(
            text::fit(text.into(), to, to_collation, TooLong::Cut)?.into_owned(),
        )),
    }
}

fn bit(text: &str, from: SqlType) -> Result<OwnedCell, SqlError> {
    let trimmed = text.trim_matches(' ');
    if trimmed.eq_ignore_ascii_case("true") {
        return Ok(OwnedCell::Integer(1));
    }
    if trimmed.eq_ignore_ascii_case("false") {
        return Ok(OwnedCell::Integer(0));
    }
    let digits = trimmed.strip_prefix(['-', '+']).unwrap_or(trimmed);
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(error::not_an_integer(from, text, SqlType::Bit));
    }
    Ok(OwnedCell::Integer(i64::from(
        digits.bytes().any(|byte| byte != b'0'),
    )))
}

fn integer(text: &str, from: SqlType, to: SqlType) -> Result<OwnedCell, SqlError> {
    let trimmed = text.trim_matches(' ');
    let (negative, digits) = match trimmed.as_bytes() {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    let mut value = Some(0i64);
    // Blanks and a lone sign are 0, as in SQL Server.
    for byte in digits {
        if !byte.is_ascii_digit() {
            return Err(match to {
                SqlType::BigInt => error::not_a_number(from, to),
                _ => error::not_an_integer(from, text, to),
            });
        }
        let digit = i64::from(byte - b'0');
        // The value is counted downwards, because the lowest value has no positive counterpart.
        value = value
            .and_then(|v| v.checked_mul(10))
            .and_then(|v| v.checked_sub(digit));
    }
    let value = value.and_then(|v| if negative { Some(v) } else { v.checked_neg() });
    let (low, high, column) = match to {
        SqlType::TinyInt => (0, i64::from(u8::MAX), Some("n INT1")),
        SqlType::SmallInt => (i64::from(i16::MIN), i64::from(i16::MAX), Some("n INT2")),
        SqlType::Int => (i64::from(i32::MIN), i64::from(i32::MAX), None),
        _ => (i64::MIN, i64::MAX, None),
    };
    if let Some(value) = value.filter(|value| (low..=high).contains(value)) {
        return Ok(OwnedCell::Integer(value));
    }
    let name = error::type_name(from);
    Err(match (to, column) {
        (SqlType::BigInt, _) => error::overflow(to),
        (_, Some(column)) => error::error(
            244,
            1,
            format!(
                "The conversion of the {name} value '{text}' overflowed a{column} column. Use a larger integer column."
            ),
        ),
        _ => error::error(
            248,
            1,
            format!("The conversion of the {name} value '{text}' overflowed an int column."),
        ),
    })
}

fn money(text: &str, to: SqlType) -> Result<OwnedCell, SqlError> {
    // A currency symbol and commas may be among the digits.
    let plain: String = text
        .chars()
        .filter(|c| {
            !matches!(
                c,
                ',' | '$' | '¢' | '£' | '¤' | '¥' | '฿' | '\u{20A0}'..='\u{20C0}'
            )
        })
        .collect();
    let plain = plain.trim_matches(' ');
    let (sign, digits) = match plain.as_bytes().first() {
        Some(b'-' | b'+') => plain.split_at(1),
        _ => ("", plain),
    };
    let small = to == SqlType::SmallMoney;
    let (low, high) = if small {
        (i64::from(i32::MIN), i64::from(i32::MAX))
    } else {
        (i64::MIN, i64::MAX)
    };
    let digits = match digits.trim_start_matches(' ') {
        "" => "0",
        digits => digits,
    };
    let value = decimal::parse(&format!("{sign}{digits}"), 4);
    let fits = value.map(|value| {
        i64::try_from(value)
            .ok()
            .filter(|value| (low..=high).contains(value))
    });
    match (fits, small) {
        (Ok(Some(value)), _) => Ok(OwnedCell::Integer(value)),
        (Err(NotDecimal::Syntax), false) => {
            Err(error::error(235, 0, "Cannot convert a char value to money. The char value has incorrect syntax.".to_owned()))
        }
        (Err(NotDecimal::Syntax), true) => Err(error::error(
            293,
            0,
            "Cannot convert char value to smallmoney. The char value has incorrect syntax.".to_owned(),
        )),
        (_, false) => Err(error::error(
            236,
            0,
            "The conversion from char data type to money resulted in a money overflow error.".to_owned(),
        )),
        (_, true) => Err(error::error(
            294,
            0,
            "The conversion from char data type to smallmoney data type resulted in a smallmoney overflow error.".to_owned(),
        )),
    }
}

fn float(text: &str, from: SqlType, to: SqlType) -> Result<OwnedCell, SqlError> {
    let trimmed = text.trim_matches(' ');
    if trimmed.is_empty() {
        return Ok(OwnedCell::Real(0.0));
    }
    // The standard library also reads `inf` and `nan`, which SQL Server does not have.
    if !trimmed
        .bytes()
        .all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'e' | b'E' | b'+' | b'-'))
    {
        return Err(error::not_a_number(from, to));
    }
    let value: f64 = trimmed.parse().map_err(|_| error::not_a_number(from, to))?;
    let value = if to == SqlType::Real {
        f64::from(value as f32)
    } else {
        value
    };
    if value.is_finite() {
        Ok(OwnedCell::Real(value))
    } else {
        Err(error::overflow(to))
    }
}

/// A numeric literal of T-SQL: `12` is int, `12345678901` and `1.50` numeric, `1e3` float, `$1.5` money.
pub(crate) fn number_literal(text: &str) -> Result<(OwnedCell, SqlType), SqlError> {
    let from = SqlType::VarChar(Len::Max);
    if text.contains('$') {
        return Ok((money(text, SqlType::Money)?, SqlType::Money));
    }
    if text.contains(['e', 'E']) {
        // `1e` is 1e0 in T-SQL.
        let text = if text.ends_with(['e', 'E']) {
            format!("{text}0")
        } else {
            text.to_owned()
        };
        return Ok((float(&text, from, SqlType::Float)?, SqlType::Float));
    }
    if !text.contains('.')
        && let Ok(value) = integer(text, from, SqlType::Int)
    {
        return Ok((value, SqlType::Int));
    }
    let digits = text.trim_start_matches(['+', '-']);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let whole = whole.trim_start_matches('0').len();
    let too_long = || {
        error::error(
            1007,
            1,
            format!(
                "The number '{text}' is out of the range for numeric representation (maximum precision 38)."
            ),
        )
    };
    let scale = u8::try_from(fraction.len()).map_err(|_| too_long())?;
    let precision = u8::try_from(whole + fraction.len())
        .map_err(|_| too_long())?
        .max(1);
    if precision > decimal::MAX_PRECISION {
        return Err(too_long());
    }
    let ty = SqlType::Decimal {
        precision,
        scale,
        numeric: true,
    };
    Ok((parse_from(text, from, ty, None)?, ty))
}

/// A binary literal of T-SQL, with its `0x`. An odd number of digits gets a zero in front.
pub(crate) fn binary_literal(text: &str) -> Result<(OwnedCell, SqlType), SqlError> {
    let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
    let bytes = digits.and_then(|digits| {
        if digits.len() % 2 == 1 {
            hex_bytes(&format!("0{digits}"))
        } else {
            hex_bytes(digits)
        }
    });
    let bytes = bytes.ok_or_else(|| error::error(102, 1, format!("Incorrect syntax near '{text}'.")))?;
    let ty = SqlType::VarBinary(literal_length(bytes.len(), 8000));
    Ok((OwnedCell::Blob(bytes), ty))
}

/// Bytes of an even number of hexadecimal digits.
pub(super) fn hex_bytes(digits: &str) -> Option<Vec<u8>> {
    let (pairs, odd) = digits.as_bytes().as_chunks::<2>();
    if !odd.is_empty() {
        return None;
    }
    let digit = |byte: u8| char::from(byte).to_digit(16);
    pairs
        .iter()
        .map(|[high, low]| u8::try_from(digit(*high)? * 16 + digit(*low)?).ok())
        .collect()
}

/// A string literal's type: `varchar(n)` or `nvarchar(n)` of its own length, at least 1. A literal that is too long
/// for that is `max`.
pub(crate) fn string_literal_type(text: &str, unicode: bool) -> SqlType {
    if unicode {
        SqlType::NVarChar(literal_length(text::utf16_length(text), 4000))
    } else {
        SqlType::VarChar(literal_length(
            text::length(text, SqlType::VarChar(Len::Max), None),
            8000,
        ))
    }
}

fn literal_length(length: usize, limit: u16) -> Len {
    match u16::try_from(length) {
        Ok(length) if length <= limit => Len::N(length.max(1)),
        _ => Len::Max,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str, to: SqlType) -> Result<OwnedCell, i32> {
        parse_from(text, SqlType::VarChar(Len::Max), to, None).map_err(|e| e.number)
    }

    #[test]
    fn integers() {
        assert_eq!(number(" -42 ", SqlType::Int), Ok(OwnedCell::Integer(-42)));
        assert_eq!(number("", SqlType::Int), Ok(OwnedCell::Integer(0)));
        assert_eq!(number("+255", SqlType::TinyInt), Ok(OwnedCell::Integer(255)));
        assert_eq!(number("256", SqlType::TinyInt), Err(244));
        assert_eq!(number("-1", SqlType::TinyInt), Err(244));
        assert_eq!(number("32768", SqlType::SmallInt), Err(244));
        assert_eq!(number("2147483648", SqlType::Int), Err(248));
        assert_eq!(
            number("-9223372036854775808", SqlType::BigInt),
            Ok(OwnedCell::Integer(i64::MIN))
        );
        assert_eq!(number("9223372036854775808", SqlType::BigInt), Err(8115));
        assert_eq!(number("99999999999999999999", SqlType::Int), Err(248));
        assert_eq!(number("1.0", SqlType::Int), Err(245));
        assert_eq!(number("x", SqlType::BigInt), Err(8114));
        let error = parse_from("abc", SqlType::NVarChar(Len::Max), SqlType::Int, None).unwrap_err();
        assert_eq!(
            error.message,
            "Conversion failed when converting the nvarchar value 'abc' to data type int."
        );
    }

    #[test]
    fn other_types() {
        let dec = SqlType::Decimal {
            precision: 5,
            scale: 2,
            numeric: false,
        };
        assert_eq!(number("1.255", dec), Ok(OwnedCell::Integer(126)));
        assert_eq!(number("999.995", dec), Err(8115));
        assert_eq!(number("1e2", dec), Err(8114));
        assert_eq!(number("", dec), Err(8114));
        assert_eq!(number("TRUE", SqlType::Bit), Ok(OwnedCell::Integer(1)));
        assert_eq!(number("-00", SqlType::Bit), Ok(OwnedCell::Integer(0)));
        assert_eq!(number("yes", SqlType::Bit), Err(245));
        assert_eq!(
            number("$1,234.56785", SqlType::Money),
            Ok(OwnedCell::Integer(12_345_679))
        );
        assert_eq!(
            number("€ 1,000.00", SqlType::Money),
            Ok(OwnedCell::Integer(10_000_000))
        );
        assert_eq!(number("-$5", SqlType::Money), Ok(OwnedCell::Integer(-50_000)));
        assert_eq!(number("922337203685477.5808", SqlType::Money), Err(236));
        assert_eq!(number("214748.3648", SqlType::SmallMoney), Err(294));
        assert_eq!(number("abc", SqlType::Money), Err(235));
        assert_eq!(number("1.5E2", SqlType::Float), Ok(OwnedCell::Real(150.0)));
        assert_eq!(
            number("0.1", SqlType::Real),
            Ok(OwnedCell::Real(f64::from(0.1f32)))
        );
        assert_eq!(number("inf", SqlType::Float), Err(8114));
        assert_eq!(number("1e309", SqlType::Float), Err(8115));
        assert_eq!(number("1e39", SqlType::Real), Err(8115));
        assert_eq!(number("not a guid", SqlType::UniqueIdentifier), Err(8169));
    }

    #[test]
    fn literals() {
        let numeric = |precision, scale| SqlType::Decimal {
            precision,
            scale,
            numeric: true,
        };
        assert_eq!(number_literal("12"), Ok((OwnedCell::Integer(12), SqlType::Int)));
        assert_eq!(
            number_literal("2147483648"),
            Ok((OwnedCell::Integer(2_147_483_648), numeric(10, 0)))
        );
        assert_eq!(
            number_literal("1.50"),
            Ok((OwnedCell::Integer(150), numeric(3, 2)))
        );
        assert_eq!(number_literal("0.5"), Ok((OwnedCell::Integer(5), numeric(1, 1))));
        assert_eq!(
            number_literal("1e3"),
            Ok((OwnedCell::Real(1000.0), SqlType::Float))
        );
        assert_eq!(
            number_literal("$1.5"),
            Ok((OwnedCell::Integer(15_000), SqlType::Money))
        );
        assert_eq!(number_literal(&"9".repeat(39)).map_err(|e| e.number), Err(1007));
        assert_eq!(
            binary_literal("0xFAB"),
            Ok((OwnedCell::Blob(vec![0x0F, 0xAB]), SqlType::VarBinary(Len::N(2))))
        );
        assert_eq!(
            binary_literal("0x"),
            Ok((OwnedCell::Blob(vec![]), SqlType::VarBinary(Len::N(1))))
        );
        assert_eq!(binary_literal("0xG1").map_err(|e| e.number), Err(102));
        assert_eq!(string_literal_type("", true), SqlType::NVarChar(Len::N(1)));
        assert_eq!(string_literal_type("😀", true), SqlType::NVarChar(Len::N(2)));
        assert_eq!(
            string_literal_type(&"x".repeat(4001), true),
            SqlType::NVarChar(Len::Max)
        );
    }
}
