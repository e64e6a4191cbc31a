//! Documented wire bytes, edge values, and round trips of every type.

use bytes::{BufMut, BytesMut};
use proptest::prelude::*;

use super::read::read_value;
use super::{Reader, read_param, read_type_info, read_value_into, write_type_info, write_value};
use crate::types::{Cell, Len, OwnedCell, SqlError, SqlType};
use crate::value::cell::to_owned;
use crate::value::temporal::{self, Moment, TICKS_PER_DAY, UNITS_PER_DAY};
use crate::value::{decimal, guid};

const UTF8: Option<&str> = Some("Latin1_General_100_CI_AS_SC_UTF8");
const CHINESE: Option<&str> = Some("Chinese_PRC_CI_AS");

fn dec(precision: u8, scale: u8) -> SqlType {
    SqlType::Decimal {
        precision,
        scale,
        numeric: true,
    }
}

fn encoded(ty: SqlType, cell: Cell<'_>) -> Vec<u8> {
    let mut buf = BytesMut::new();
    write_value(&mut buf, ty, None, true, cell).unwrap();
    buf.to_vec()
}

/// Writes type and value, reads both back, and checks that nothing is left over.
fn through(
    ty: SqlType,
    collation: Option<&str>,
    nullable: bool,
    cell: Cell<'_>,
) -> Result<OwnedCell, SqlError> {
    let mut buf = BytesMut::new();
    write_type_info(&mut buf, ty, collation, nullable);
    write_value(&mut buf, ty, collation, nullable, cell)?;
    let mut reader = Reader::new(&buf);
    let wire = read_type_info(&mut reader)?;
    assert_eq!(wire.sql_type(), ty);
    let value = read_value(&mut reader, &wire)?;
    assert!(reader.rest().is_empty(), "{ty:?} left {:?}", reader.rest());
    Ok(value)
}

fn every_type() -> Vec<SqlType> {
    let mut types = vec![
        SqlType::Bit,
        SqlType::TinyInt,
        SqlType::SmallInt,
        SqlType::Int,
        SqlType::BigInt,
        SqlType::Money,
        SqlType::SmallMoney,
        SqlType::Real,
        SqlType::Float,
        SqlType::Date,
        SqlType::DateTime,
        SqlType::SmallDateTime,
        SqlType::UniqueIdentifier,
        SqlType::Xml,
        SqlType::Char(8000),
        SqlType::NChar(4000),
        SqlType::Binary(8000),
    ];
    for len in [Len::N(1), Len::Max] {
        types.extend([
            SqlType::VarChar(len),
            SqlType::NVarChar(len),
            SqlType::VarBinary(len),
        ]);
    }
    for scale in 0..=7 {
        types.extend([
            SqlType::Time(scale),
            SqlType::DateTime2(scale),
            SqlType::DateTimeOffset(scale),
        ]);
    }
    for precision in 1..=38 {
        types.push(dec(precision, precision / 2));
    }
    types
}

#[test]
fn null_of_every_type() {
    for ty in every_type() {
        assert_eq!(through(ty, None, true, Cell::Null), Ok(OwnedCell::Null), "{ty:?}");
    }
    let mut buf = BytesMut::new();
    let refused = write_value(&mut buf, SqlType::Int, None, false, Cell::Null).map_err(|e| e.number);
    assert_eq!((refused, buf.len()), (Err(8630), 0));
}

#[test]
fn documented_bytes() {
    assert_eq!(
        encoded(SqlType::Int, Cell::Integer(-2)),
        [4, 0xFE, 0xFF, 0xFF, 0xFF]
    );
    assert_eq!(encoded(SqlType::Bit, Cell::Integer(1)), [1, 1]);
    // MS-TDS 2.2.5.5.1.4: the more significant half of money first.
    assert_eq!(
        encoded(SqlType::Money, Cell::Integer(0x1_0000_0002)),
        [8, 1, 0, 0, 0, 2, 0, 0, 0]
    );
    assert_eq!(
        encoded(SqlType::SmallMoney, Cell::Integer(-1)),
        [4, 0xFF, 0xFF, 0xFF, 0xFF]
    );
    // MS-TDS 2.2.5.5.1.6: the sign is 1 for a value that is not negative.
    assert_eq!(encoded(dec(5, 2), Cell::Integer(-150)), [5, 0, 150, 0, 0, 0]);
    assert_eq!(
        encoded(dec(18, 0), Cell::Integer(0)),
        [9, 1, 0, 0, 0, 0, 0, 0, 0, 0]
    );
    assert_eq!(
        encoded(dec(38, 0), Cell::Blob(&decimal::to_blob(1)))[..4],
        [17, 1, 1, 0]
    );
    assert_eq!(
        encoded(SqlType::Float, Cell::Real(-0.0)),
        [8, 0, 0, 0, 0, 0, 0, 0, 0x80]
    );
    assert_eq!(encoded(SqlType::Real, Cell::Real(1.0)), [4, 0, 0, 0x80, 0x3F]);
    // One tick before 1900: day -1, the last tick of it.
    assert_eq!(
        encoded(SqlType::DateTime, Cell::Integer(-1)),
        [8, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x81, 0x8B, 1]
    );
    assert_eq!(
        encoded(SqlType::SmallDateTime, Cell::Integer(1_441)),
        [4, 1, 0, 1, 0]
    );
    assert_eq!(
        encoded(SqlType::Date, Cell::Integer(temporal::MAX_DAYS)),
        [3, 0xDA, 0xB9, 0x37]
    );
    assert_eq!(encoded(SqlType::Time(0), Cell::Integer(10_000_000)), [3, 1, 0, 0]);
    assert_eq!(
        encoded(SqlType::Time(7), Cell::Integer(UNITS_PER_DAY - 1)),
        [5, 0xFF, 0xBF, 0x69, 0x2A, 0xC9]
    );
    assert_eq!(
        encoded(SqlType::DateTime2(3), Cell::Integer(UNITS_PER_DAY + 30_000)),
        [7, 3, 0, 0, 0, 1, 0, 0]
    );
    let offset = temporal::offset_blob(0, -60);
    assert_eq!(
        encoded(SqlType::DateTimeOffset(0), Cell::Blob(&offset)),
        [8, 0, 0, 0, 0, 0, 0, 0xC4, 0xFF]
    );
    assert_eq!(
        encoded(SqlType::NVarChar(Len::N(9)), Cell::Text("a😀")),
        [6, 0, 0x61, 0, 0x3D, 0xD8, 0x00, 0xDE]
    );
    assert_eq!(
        encoded(SqlType::VarChar(Len::N(9)), Cell::Text("é你 ")),
        [3, 0, 0xE9, b'?', b' ']
    );
    assert_eq!(encoded(SqlType::VarBinary(Len::N(9)), Cell::Blob(&[])), [0, 0]);
    assert_eq!(encoded(SqlType::NVarChar(Len::Max), Cell::Text("")), [0; 12]);
    assert_eq!(
        encoded(SqlType::VarBinary(Len::Max), Cell::Blob(&[7])),
        [1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 7, 0, 0, 0, 0]
    );
    assert_eq!(encoded(SqlType::Xml, Cell::Null), [0xFF; 8]);
    let stored = guid::parse("6F9619FF-8B86-D011-B42D-00C04FC964FF").unwrap();
    assert_eq!(
        encoded(SqlType::UniqueIdentifier, Cell::Blob(&stored))[..5],
        [16, 0xFF, 0x19, 0x96, 0x6F]
    );
}

#[test]
fn documented_type_info() {
    let info = |ty, nullable| {
        let mut buf = BytesMut::new();
        write_type_info(&mut buf, ty, None, nullable);
        buf.to_vec()
    };
    assert_eq!(info(SqlType::Int, false), [0x38]);
    assert_eq!(info(SqlType::Int, true), [0x26, 4]);
    assert_eq!(info(SqlType::Date, false), [0x28]);
    assert_eq!(info(SqlType::DateTime2(3), true), [0x2A, 3]);
    assert_eq!(info(dec(19, 4), false), [0x6C, 9, 19, 4]);
    assert_eq!(
        info(SqlType::NVarChar(Len::N(128)), true),
        [0xE7, 0, 1, 0x09, 0x04, 0xD0, 0, 0x34]
    );
    assert_eq!(
        info(SqlType::VarChar(Len::Max), true),
        [0xA7, 0xFF, 0xFF, 0x09, 0x04, 0xD0, 0, 0x34]
    );
    assert_eq!(info(SqlType::Xml, true), [0xF1, 0]);
}

#[test]
fn fixed_forms_have_no_length() {
    for (ty, cell) in [
        (SqlType::Bit, Cell::Integer(1)),
        (SqlType::TinyInt, Cell::Integer(255)),
        (SqlType::SmallInt, Cell::Integer(-32_768)),
        (SqlType::Int, Cell::Integer(i32::MIN.into())),
        (SqlType::BigInt, Cell::Integer(i64::MIN)),
        (SqlType::Money, Cell::Integer(i64::MIN)),
        (SqlType::SmallMoney, Cell::Integer(i32::MIN.into())),
        (SqlType::Real, Cell::Real(f64::from(f32::MIN))),
        (SqlType::Float, Cell::Real(f64::MAX)),
        (SqlType::DateTime, Cell::Integer(-53_690 * TICKS_PER_DAY)),
        (SqlType::SmallDateTime, Cell::Integer(65_536 * 1_440 - 1)),
    ] {
        assert_eq!(through(ty, None, false, cell), Ok(to_owned(cell)), "{ty:?}");
    }
    let zero = through(SqlType::Float, None, true, Cell::Real(-0.0)).unwrap();
    assert!(matches!(zero, OwnedCell::Real(value) if value.is_sign_negative()));
}

/// A client's TYPE_INFO and value.
fn read(bytes: &[u8]) -> Result<OwnedCell, i32> {
    let mut reader = Reader::new(bytes);
    let ty = read_type_info(&mut reader).map_err(|e| e.number)?;
    let value = read_value(&mut reader, &ty).map_err(|e| e.number)?;
    assert!(reader.rest().is_empty());
    Ok(value)
}

#[test]
fn client_bytes_are_read() {
    // The driver's nvarchar(max): length unknown, chunks, end.
    let mut buf = BytesMut::new();
    buf.put_slice(&[0xE7, 0xFF, 0xFF, 0, 0, 0, 0, 0]);
    buf.put_u64_le(0xFFFF_FFFF_FFFF_FFFE);
    for half in [[0x3D, 0xD8], [0x00, 0xDE]] {
        buf.put_u32_le(2);
        buf.put_slice(&half);
    }
    buf.put_u32_le(0);
    assert_eq!(
        read(&buf),
        Ok(OwnedCell::Text("😀".to_owned())),
        "a pair may be split between chunks"
    );
    // A decimal sent in the width of its own digits, not of the declared precision.
    assert_eq!(
        read(&[0x6C, 17, 38, 2, 5, 0, 1, 0, 0, 0]),
        Ok(decimal::to_cell(-1, 38))
    );
    // The typeless NULL.
    assert_eq!(read(&[0x1F]), Ok(OwnedCell::Null));
    // xml with a byte order mark.
    let xml = [
        &[0xF1, 0][..],
        &[
            6, 0, 0, 0, 0, 0, 0, 0, 6, 0, 0, 0, 0xFF, 0xFE, b'<', 0, b'a', 0, 0, 0, 0, 0,
        ],
    ]
    .concat();
    assert_eq!(read(&xml), Ok(OwnedCell::Text("<a".to_owned())));
    // char(3) without its blanks.
    assert_eq!(
        read(&[0xAF, 3, 0, 0x09, 0x04, 0xD0, 0, 0x34, 1, 0, 0xE9]),
        Ok(OwnedCell::Text("é  ".to_owned()))
    );
    assert_eq!(
        read(&[0xEF, 4, 0, 0, 0, 0, 0, 0, 2, 0, b'x', 0]),
        Ok(OwnedCell::Text("x ".to_owned()))
    );
}

#[test]
fn legacy_large_objects() {
    // As the driver sends them in a bulk load: a text pointer and a timestamp before the value.
    let mut row = BytesMut::new();
    row.put_slice(&[0x63, 0xFF, 0xFF, 0xFF, 0x7F, 0, 0, 0, 0, 0]);
    row.put_u8(16);
    row.put_slice(&[0; 24]);
    row.put_u32_le(2);
    row.put_slice(&[0xE9, 0]);
    assert_eq!(read(&row), Ok(OwnedCell::Text("é".to_owned())));
    assert_eq!(read(&[0x22, 0, 0, 0, 0, 0]), Ok(OwnedCell::Null));
    // As a parameter: a length only.
    let parameter = [0x23, 9, 0, 0, 0, 0x09, 0x04, 0xD0, 0, 0x34, 1, 0, 0, 0, 0xE9];
    let mut reader = Reader::new(&parameter);
    let ty = read_type_info(&mut reader).unwrap();
    assert_eq!(read_param(&mut reader, &ty), Ok(OwnedCell::Text("é".to_owned())));
    let image = read_type_info(&mut Reader::new(&[0x22, 0, 0, 0, 0])).unwrap();
    assert_eq!(
        read_param(&mut Reader::new(&[0xFF; 4]), &image),
        Ok(OwnedCell::Null)
    );
}

#[test]
fn bad_bytes_are_refused() {
    for (bytes, number) in [
        (&[][..], 4804),
        (&[0x26], 4804),
        (&[0x26, 4, 4, 0], 4804),
        (
            &[
                0xE7, 0xFF, 0xFF, 0, 0, 0, 0, 0, 0xFE, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0x7F,
            ],
            4804,
        ),
        (&[0x62, 0, 0, 0, 0], 8009),
        (&[0x26, 3], 8016),
        (&[0xE7, 0x41, 0x1F, 0, 0, 0, 0, 0], 8016),
        (&[0x26, 4, 2, 0, 0], 8023),
        (&[0x2A, 8], 8029),
        (&[0x6C, 5, 39, 0], 8029),
        (&[0x6C, 5, 5, 6], 8029),
        (&[0x6C, 5, 2, 0, 5, 1, 100, 0, 0, 0], 8023),
        (&[0x28, 3, 0xDB, 0xB9, 0x37], 8023),
        (&[0x29, 0, 3, 0x80, 0x51, 0x01], 8023),
        (&[0x6F, 8, 8, 0, 0, 0, 0, 0x00, 0x82, 0x8B, 0x01], 8023),
        (&[0x2B, 0, 8, 0, 0, 0, 0, 0, 0, 0x49, 0x03], 8023),
        (&[0xE7, 8, 0, 0, 0, 0, 0, 0, 1, 0, 0x61], 9833),
        (&[0xE7, 8, 0, 0, 0, 0, 0, 0, 2, 0, 0x00, 0xD8], 9833),
        (&[0x6D, 8, 8, 0, 0, 0, 0, 0, 0, 0xF0, 0x7F], 8023),
    ] {
        assert_eq!(read(bytes), Err(number), "{bytes:02X?}");
    }
    let mut buf = BytesMut::new();
    for (ty, cell) in [
        (SqlType::TinyInt, Cell::Integer(256)),
        (SqlType::Int, Cell::Text("1")),
        (dec(2, 0), Cell::Integer(100)),
        (SqlType::Date, Cell::Integer(-1)),
        (SqlType::NVarChar(Len::N(9)), Cell::Text(&"x".repeat(40_000))),
        (SqlType::UniqueIdentifier, Cell::Blob(&[0; 15])),
    ] {
        assert_eq!(
            write_value(&mut buf, ty, None, true, cell).map_err(|e| e.number),
            Err(8630),
            "{ty:?}"
        );
        assert!(buf.is_empty());
    }
}

#[test]
fn slots_are_reused() {
    let ty = read_type_info(&mut Reader::new(&[0xE7, 40, 0, 0, 0, 0, 0, 0])).unwrap();
    let mut slot = OwnedCell::Text(String::with_capacity(100));
    read_value_into(&mut Reader::new(&[2, 0, 0x61, 0]), &ty, &mut slot).unwrap();
    assert!(matches!(&slot, OwnedCell::Text(text) if text == "a" && text.capacity() == 100));
}

fn any_value() -> impl Strategy<Value = (SqlType, OwnedCell)> {
    use OwnedCell::{Blob, Integer, Real, Text};
    let integer = |ty, range: std::ops::RangeInclusive<i64>| range.prop_map(move |v| (ty, Integer(v)));
    let last_unit = (temporal::MAX_DAYS + 1) * UNITS_PER_DAY - 1;
    prop_oneof![
        prop_oneof![
            integer(SqlType::Bit, 0..=1),
            integer(SqlType::TinyInt, 0..=255),
            integer(SqlType::SmallInt, i16::MIN.into()..=i16::MAX.into()),
            integer(SqlType::Int, i32::MIN.into()..=i32::MAX.into()),
            integer(SqlType::BigInt, i64::MIN..=i64::MAX),
            integer(SqlType::Money, i64::MIN..=i64::MAX),
            integer(SqlType::SmallMoney, i32::MIN.into()..=i32::MAX.into()),
            integer(SqlType::Date, 0..=temporal::MAX_DAYS),
            integer(SqlType::SmallDateTime, 0..=65_536 * 1_440 - 1),
            integer(
                SqlType::DateTime,
                -53_690 * TICKS_PER_DAY..=2_958_464 * TICKS_PER_DAY - 1
            ),
        ],
        prop_oneof![
            any::<f32>()
                .prop_filter("finite", |v| v.is_finite())
                .prop_map(|v| (SqlType::Real, Real(v.into()))),
            any::<f64>()
                .prop_filter("finite", |v| v.is_finite())
                .prop_map(|v| (SqlType::Float, Real(v))),
            (1u8..=38, any::<i128>()).prop_map(|(precision, v)| {
                (
                    dec(precision, precision / 2),
                    decimal::to_cell(v % decimal::power(precision), precision),
                )
            }),
            any::<[u8; 16]>().prop_map(|v| (SqlType::UniqueIdentifier, Blob(v.to_vec()))),
        ],
        prop_oneof![
            (0u8..=7, 0..UNITS_PER_DAY).prop_map(|(scale, units)| {
                let moment = Moment {
                    days: 0,
                    units,
                    offset: 0,
                };
                (
                    SqlType::Time(scale),
                    moment.to_cell(SqlType::Time(scale)).unwrap(),
                )
            }),
            (0u8..=7, 0..=last_unit - UNITS_PER_DAY).prop_map(|(scale, units)| {
                let moment = Moment {
                    days: units / UNITS_PER_DAY,
                    units: units % UNITS_PER_DAY,
                    offset: 0,
                };
                (
                    SqlType::DateTime2(scale),
                    moment.to_cell(SqlType::DateTime2(scale)).unwrap(),
                )
            }),
            (
                0u8..=7,
                UNITS_PER_DAY..=last_unit - 2 * UNITS_PER_DAY,
                -840i16..=840
            )
                .prop_map(|(scale, units, offset)| {
                    let moment = Moment {
                        days: units / UNITS_PER_DAY,
                        units: units % UNITS_PER_DAY,
                        offset,
                    };
                    (
                        SqlType::DateTimeOffset(scale),
                        moment.to_cell(SqlType::DateTimeOffset(scale)).unwrap(),
                    )
                }),
        ],
        prop_oneof![
            any::<String>().prop_map(|v| (SqlType::NVarChar(Len::N(4000)), Text(v))),
            any::<String>().prop_map(|v| (SqlType::NVarChar(Len::Max), Text(v))),
            "[ -~]{0,40}".prop_map(|v| (SqlType::NVarChar(Len::Max), Text(v))),
            "<[a-zé😀]{0,9}>".prop_map(|v| (SqlType::Xml, Text(v))),
            "[ -~é€ÿ]{7}".prop_map(|v| (SqlType::Char(7), Text(v))),
            "[ -~é€ÿ]{0,40}".prop_map(|v| (SqlType::VarChar(Len::N(40)), Text(v))),
            "[ -~é€ÿ]{0,40}".prop_map(|v| (SqlType::VarChar(Len::Max), Text(v))),
            "[a-z你]{5}".prop_map(|v| (SqlType::NChar(5), Text(v))),
        ],
        prop_oneof![
            any::<[u8; 9]>().prop_map(|v| (SqlType::Binary(9), Blob(v.to_vec()))),
            any::<Vec<u8>>().prop_map(|v| (SqlType::VarBinary(Len::N(8000)), Blob(v))),
            any::<Vec<u8>>().prop_map(|v| (SqlType::VarBinary(Len::Max), Blob(v))),
        ],
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]
    #[test]
    fn round_trip((ty, value) in any_value(), nullable: bool) {
        prop_assert_eq!(through(ty, None, nullable, value.as_cell()), Ok(value));
    }

    #[test]
    fn round_trip_of_other_code_pages(text in "[ -~你好é]{0,40}", utf8: bool) {
        let (collation, text) = if utf8 { (UTF8, text) } else { (CHINESE, text) };
        for ty in [SqlType::VarChar(Len::N(8000)), SqlType::VarChar(Len::Max)] {
            prop_assert_eq!(through(ty, collation, true, Cell::Text(&text)), Ok(OwnedCell::Text(text.clone())));
        }
    }

    #[test]
    fn no_bytes_make_it_panic(bytes: Vec<u8>, token: u8) {
        let mut message = vec![token];
        message.extend_from_slice(&bytes);
        let mut reader = Reader::new(&message);
        if let Ok(ty) = read_type_info(&mut reader) {
            // Either a value or an error is fine. A panic is not.
            if let Ok(OwnedCell::Text(text)) = read_value(&mut reader, &ty) {
                prop_assert!(text.len() <= 8000 + bytes.len() * 3);
            }
        }
    }
}
