//! A SQL type as one integer, for the catalog and for the functions registered with SQLite.
//!
//! The code is `kind << 16 | a << 8 | b`, where `a` and `b` are the length, or the precision and scale. Decoding
//! refuses a code that encoding does not make.

use serde::{Deserialize, Deserializer, Serializer, de::Error};

use crate::types::{Len, SqlType};

/// The length that stands for `max`.
const MAX: i64 = 0xFFFF;

/// Encodes a type.
pub(crate) fn encode(ty: SqlType) -> i64 {
    let (kind, size) = match ty {
        SqlType::Bit => (1, 0),
        SqlType::TinyInt => (2, 0),
        SqlType::SmallInt => (3, 0),
        SqlType::Int => (4, 0),
        SqlType::BigInt => (5, 0),
        SqlType::Decimal {
            precision,
            scale,
            numeric,
        } => (
            if numeric { 7 } else { 6 },
            i64::from(precision) << 8 | i64::from(scale),
        ),
        SqlType::Money => (8, 0),
        SqlType::SmallMoney => (9, 0),
        SqlType::Real => (10, 0),
        SqlType::Float => (11, 0),
        SqlType::Char(n) => (12, i64::from(n)),
        SqlType::VarChar(len) => (13, len_code(len)),
        SqlType::NChar(n) => (14, i64::from(n)),
        SqlType::NVarChar(len) => (15, len_code(len)),
        SqlType::Binary(n) => (16, i64::from(n)),
        SqlType::VarBinary(len) => (17, len_code(len)),
        SqlType::Date => (18, 0),
        SqlType::Time(n) => (19, i64::from(n)),
        SqlType::DateTime => (20, 0),
        SqlType::SmallDateTime => (21, 0),
        SqlType::DateTime2(n) => (22, i64::from(n)),
        SqlType::DateTimeOffset(n) => (23, i64::from(n)),
        SqlType::UniqueIdentifier => (24, 0),
        SqlType::Xml => (25, 0),
    };
    kind << 16 | size
}

fn len_code(len: Len) -> i64 {
    match len {
        Len::N(n) => i64::from(n),
        Len::Max => MAX,
    }
}

/// Decodes what [`encode`] made.
pub(crate) fn decode(code: i64) -> Option<SqlType> {
    let size = u16::try_from(code & 0xFFFF).ok()?;
    let [precision, scale] = size.to_be_bytes();
    let len = if i64::from(size) == MAX {
        Len::Max
    } else {
        Len::N(size)
    };
    Some(match code >> 16 {
        1 => SqlType::Bit,
        2 => SqlType::TinyInt,
        3 => SqlType::SmallInt,
        4 => SqlType::Int,
        5 => SqlType::BigInt,
        6 => SqlType::Decimal {
            precision,
            scale,
            numeric: false,
        },
        7 => SqlType::Decimal {
            precision,
            scale,
            numeric: true,
        },
        8 => SqlType::Money,
        9 => SqlType::SmallMoney,
        10 => SqlType::Real,
        11 => SqlType::Float,
        12 => SqlType::Char(size),
        13 => SqlType::VarChar(len),
        14 => SqlType::NChar(size),
        15 => SqlType::NVarChar(len),
        16 => SqlType::Binary(size),
        17 => SqlType::VarBinary(len),
        18 => SqlType::Date,
        19 => SqlType::Time(scale),
        20 => SqlType::DateTime,
        21 => SqlType::SmallDateTime,
        22 => SqlType::DateTime2(scale),
        23 => SqlType::DateTimeOffset(scale),
        24 => SqlType::UniqueIdentifier,
        25 => SqlType::Xml,
        _ => return None,
    })
}

/// For `#[serde(with)]`.
pub(crate) fn serialize<S: Serializer>(ty: &SqlType, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_i64(encode(*ty))
}

/// For `#[serde(with)]`.
pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SqlType, D::Error> {
    decode(i64::deserialize(deserializer)?).ok_or_else(|| D::Error::custom("Unknown type code"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_survives() {
        let types = [
            SqlType::Bit,
            SqlType::Decimal {
                precision: 38,
                scale: 10,
                numeric: false,
            },
            SqlType::Decimal {
                precision: 5,
                scale: 0,
                numeric: true,
            },
            SqlType::Char(8000),
            SqlType::VarChar(Len::Max),
            SqlType::NVarChar(Len::N(4000)),
            SqlType::VarBinary(Len::N(1)),
            SqlType::Time(7),
            SqlType::DateTimeOffset(3),
            SqlType::Xml,
        ];
        for ty in types {
            assert_eq!(decode(encode(ty)), Some(ty));
        }
        assert_eq!(decode(99 << 16), None);
    }
}
