//! Casts against documented examples and edge values.

use super::*;
use crate::value::render::render_style;

const VARCHAR: SqlType = SqlType::VarChar(Len::N(30));

fn dec(precision: u8, scale: u8) -> SqlType {
    SqlType::Decimal {
        precision,
        scale,
        numeric: false,
    }
}

fn to(cell: Cell<'_>, from: SqlType, to: SqlType) -> Result<OwnedCell, i32> {
    cast(cell, from, to, None)
        .map(CowCell::into_owned)
        .map_err(|e| e.number)
}

fn int(value: i64) -> Result<OwnedCell, i32> {
    Ok(OwnedCell::Integer(value))
}

fn text(value: &str) -> Result<OwnedCell, i32> {
    Ok(OwnedCell::Text(value.to_owned()))
}

#[test]
fn identity_is_borrowed() {
    for (cell, ty) in [
        (Cell::Text("é"), SqlType::NVarChar(Len::Max)),
        (Cell::Text("abc"), SqlType::VarChar(Len::N(3))),
        (Cell::Blob(&[1, 2]), SqlType::VarBinary(Len::Max)),
        (Cell::Integer(5), SqlType::Int),
        (Cell::Blob(&[0x80; 16]), SqlType::UniqueIdentifier),
        (Cell::Blob(&[0x80; 16]), dec(38, 4)),
        (Cell::Null, SqlType::Date),
    ] {
        assert_eq!(cast(cell, ty, ty, None), Ok(CowCell::Borrowed(cell)));
        assert_eq!(assign(cell, ty, ty, None), Ok(CowCell::Borrowed(cell)));
    }
    let wider = cast(Cell::Text("abc"), VARCHAR, SqlType::NVarChar(Len::Max), None);
    assert_eq!(wider, Ok(CowCell::Borrowed(Cell::Text("abc"))));
}

#[test]
fn rounding_and_cutting() {
    // The CAST page: numeric to int is cut, numeric to numeric rounds, float to int is cut, money to int rounds.
    assert_eq!(to(Cell::Integer(106_496), dec(6, 4), SqlType::Int), int(10));
    assert_eq!(to(Cell::Integer(-106_496), dec(6, 4), SqlType::Int), int(-10));
    assert_eq!(to(Cell::Integer(103_496_847), dec(10, 6), dec(6, 2)), int(10_350));
    assert_eq!(to(Cell::Real(10.6496), SqlType::Float, SqlType::Int), int(10));
    assert_eq!(to(Cell::Integer(106_496), SqlType::Money, SqlType::Int), int(11));
    assert_eq!(
        to(Cell::Integer(103_496_847), dec(10, 6), SqlType::Money),
        int(1_034_968)
    );
    assert_eq!(
        to(Cell::Integer(TICKS_PER_DAY / 2), SqlType::DateTime, SqlType::Int),
        int(1)
    );
    assert_eq!(to(Cell::Real(-0.0), SqlType::Float, SqlType::Bit), int(0));
    assert_eq!(to(Cell::Real(0.1), SqlType::Float, SqlType::Bit), int(1));
    assert_eq!(
        to(Cell::Real(0.5), SqlType::Float, SqlType::DateTime),
        int(TICKS_PER_DAY / 2)
    );
    assert_eq!(
        to(Cell::Integer(-1), SqlType::Int, SqlType::DateTime),
        int(-TICKS_PER_DAY)
    );
    assert_eq!(
        to(Cell::Integer(1), SqlType::Int, dec(38, 0)),
        Ok(decimal::to_cell(1, 38))
    );
    assert_eq!(
        to(Cell::Integer(12_345), dec(10, 2), SqlType::Float),
        Ok(OwnedCell::Real(123.45))
    );
}

#[test]
fn overflows() {
    assert_eq!(to(Cell::Integer(300), SqlType::Int, SqlType::TinyInt), Err(220));
    assert_eq!(
        to(Cell::Integer(70_000), SqlType::Int, SqlType::SmallInt),
        Err(220)
    );
    assert_eq!(
        to(Cell::Integer(1 << 40), SqlType::BigInt, SqlType::Int),
        Err(8115)
    );
    assert_eq!(to(Cell::Integer(100_000), SqlType::Int, dec(5, 0)), Err(8115));
    assert_eq!(to(Cell::Real(3e9), SqlType::Float, SqlType::Int), Err(232));
    assert_eq!(to(Cell::Real(1e300), SqlType::Float, SqlType::Real), Err(232));
    assert_eq!(to(Cell::Real(f64::MAX), SqlType::Float, dec(38, 0)), Err(8115));
    assert_eq!(
        to(Cell::Integer(i64::MAX), SqlType::BigInt, SqlType::Money),
        Err(8115)
    );
    assert_eq!(
        to(Cell::Integer(i64::MAX), SqlType::BigInt, SqlType::DateTime),
        Err(8115)
    );
    assert_eq!(to(Cell::Integer(0), SqlType::Date, SqlType::DateTime), Err(242));
    assert_eq!(to(Cell::Integer(0), SqlType::Int, SqlType::Date), Err(529));
    let message = cast(Cell::Integer(100_000), SqlType::Int, dec(5, 0), None)
        .unwrap_err()
        .message;
    assert_eq!(
        message,
        "Arithmetic overflow error converting int to data type numeric."
    );
    let message = cast(Cell::Real(3e9), SqlType::Float, SqlType::Int, None)
        .unwrap_err()
        .message;
    assert_eq!(
        message,
        "Arithmetic overflow error for type int, value = 3000000000.000000."
    );
}

#[test]
fn numbers_that_are_longer_than_the_string() {
    let short = SqlType::VarChar(Len::N(2));
    assert_eq!(to(Cell::Integer(123), SqlType::Int, short), text("*"));
    assert_eq!(to(Cell::Integer(123), SqlType::Int, SqlType::Char(2)), text("* "));
    assert_eq!(
        to(Cell::Integer(123), SqlType::Int, SqlType::NVarChar(Len::N(2))),
        Err(8115)
    );
    assert_eq!(to(Cell::Integer(123), SqlType::BigInt, short), Err(8115));
    assert_eq!(to(Cell::Integer(123), dec(3, 1), short), Err(8115));
    assert_eq!(to(Cell::Real(1234.5), SqlType::Float, short), Err(232));
    assert_eq!(to(Cell::Integer(123_456), SqlType::Money, short), Err(234));
    assert_eq!(
        to(Cell::Blob(&[0; 16]), SqlType::UniqueIdentifier, SqlType::Char(35)),
        Err(8170)
    );
    assert_eq!(
        to(Cell::Integer(0), SqlType::Date, SqlType::Char(4)),
        text("0001")
    );
}

#[test]
fn strings() {
    assert_eq!(
        to(Cell::Text("abcd"), VARCHAR, SqlType::VarChar(Len::N(2))),
        text("ab")
    );
    assert_eq!(
        to(Cell::Text("é你"), SqlType::NVarChar(Len::Max), VARCHAR),
        text("é?")
    );
    assert_eq!(to(Cell::Text("5"), VARCHAR, SqlType::Int), int(5));
    let number = |r: Result<CowCell<'_>, SqlError>| r.map(CowCell::into_owned).map_err(|e| e.number);
    let short = SqlType::VarChar(Len::N(2));
    assert_eq!(number(assign(Cell::Text("abc"), VARCHAR, short, None)), Err(8152));
    assert_eq!(
        number(assign(Cell::Text("ab "), VARCHAR, short, None)),
        text("ab")
    );
    assert_eq!(
        number(assign(
            Cell::Blob(&[1, 2]),
            SqlType::VarBinary(Len::Max),
            SqlType::Binary(1),
            None
        )),
        Err(8152)
    );
    assert_eq!(
        number(assign(Cell::Integer(0), SqlType::DateTime, SqlType::Int, None)),
        Err(257)
    );
    assert_eq!(
        number(assign(Cell::Integer(0), SqlType::Date, SqlType::Int, None)),
        Err(206)
    );
    assert_eq!(
        number(assign(Cell::Null, SqlType::Date, SqlType::Int, None)),
        Ok(OwnedCell::Null)
    );
}

#[test]
fn dates() {
    // <https://learn.microsoft.com/sql/t-sql/data-types/datetime2-transact-sql>: since compatibility level 130 the ticks
    // of datetime come out as thirds.
    let datetime2 = to(Cell::Integer(1), SqlType::DateTime, SqlType::DateTime2(7)).unwrap();
    let printed = render_style(datetime2.as_cell(), SqlType::DateTime2(7), 0).unwrap();
    assert_eq!(printed, "1900-01-01 00:00:00.0033333");
    assert_eq!(
        to(datetime2.as_cell(), SqlType::DateTime2(7), SqlType::DateTime),
        int(1)
    );
    let last_tick = Cell::Integer(TICKS_PER_DAY - 1);
    assert_eq!(
        to(last_tick, SqlType::DateTime, SqlType::Date),
        int(temporal::DAYS_TO_1900)
    );
    assert_eq!(
        to(last_tick, SqlType::DateTime, SqlType::Time(3)),
        int(863_999_970_000)
    );
    assert_eq!(
        to(Cell::Integer(-1), SqlType::DateTime, SqlType::Date),
        int(temporal::DAYS_TO_1900 - 1)
    );
    assert_eq!(to(Cell::Integer(1), SqlType::Time(7), SqlType::DateTime), int(0));
    assert_eq!(
        to(Cell::Text("2025-10-01T00:00:00.003"), VARCHAR, SqlType::DateTime),
        int(45_929 * TICKS_PER_DAY + 1)
    );
}

#[test]
fn binaries() {
    let bytes = |value: &[u8]| Ok(OwnedCell::Blob(value.to_vec()));
    let max = SqlType::VarBinary(Len::Max);
    assert_eq!(to(Cell::Integer(1), SqlType::Int, max), bytes(&[0, 0, 0, 1]));
    assert_eq!(
        to(Cell::Integer(258), SqlType::Int, SqlType::VarBinary(Len::N(1))),
        bytes(&[2])
    );
    assert_eq!(
        to(Cell::Integer(1), SqlType::Int, SqlType::Binary(6)),
        bytes(&[0, 0, 0, 0, 0, 1])
    );
    assert_eq!(
        to(Cell::Integer(15), dec(2, 1), max),
        bytes(&[2, 1, 0, 1, 15, 0, 0, 0])
    );
    assert_eq!(to(Cell::Text("é"), VARCHAR, max), bytes(&[0xE9]));
    assert_eq!(
        to(Cell::Text("é"), SqlType::NVarChar(Len::N(1)), max),
        bytes(&[0xE9, 0])
    );
    assert_eq!(to(Cell::Blob(&[0xFF; 4]), max, SqlType::Int), int(-1));
    assert_eq!(to(Cell::Blob(&[1, 2]), max, SqlType::BigInt), int(258));
    assert_eq!(to(Cell::Blob(&[0x41, 0xE9]), max, VARCHAR), text("Aé"));
    assert_eq!(
        to(Cell::Blob(&[0x41, 0, 0xE9]), max, SqlType::NVarChar(Len::N(9))),
        text("Aé")
    );
    assert_eq!(
        to(Cell::Blob(&[0, 0xD8]), max, SqlType::NVarChar(Len::N(9))),
        Err(9833)
    );
    assert_eq!(
        to(Cell::Integer(-1), SqlType::DateTime, max),
        bytes(&[0xFF, 0xFF, 0xFF, 0xFF, 0x01, 0x8B, 0x81, 0xFF])
    );
    for (cell, ty) in [
        (Cell::Integer(-1), SqlType::DateTime),
        (Cell::Integer(1_441), SqlType::SmallDateTime),
        (Cell::Integer(temporal::MAX_DAYS), SqlType::Date),
        (Cell::Integer(1), SqlType::Time(7)),
        (Cell::Integer(638_000_000_000_000_000), SqlType::DateTime2(3)),
        (Cell::Integer(i64::MIN), SqlType::Money),
        (Cell::Integer(-150), dec(5, 2)),
    ] {
        let there = to(cell, ty, max).unwrap();
        assert_eq!(
            to(there.as_cell(), max, ty),
            Ok(crate::value::cell::to_owned(cell)),
            "{ty:?}"
        );
    }
    let hex = |text: &'static str, style| {
        convert(Cell::Text(text), VARCHAR, max, style, None)
            .map(CowCell::into_owned)
            .map_err(|e| e.number)
    };
    assert_eq!(hex("0x0FaB", 1), bytes(&[0x0F, 0xAB]));
    assert_eq!(hex("0FAB", 2), bytes(&[0x0F, 0xAB]));
    assert_eq!(hex("0FAB", 1), Err(8114));
    let back = convert(Cell::Blob(&[0x0F, 0xAB]), max, VARCHAR, 1, None).map(CowCell::into_owned);
    assert_eq!(back, Ok(OwnedCell::Text("0x0FAB".to_owned())));
}
