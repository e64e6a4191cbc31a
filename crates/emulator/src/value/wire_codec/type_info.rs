//! TYPE_INFO: MS-TDS 2.2.5.4 to 2.2.5.6.
//!
//! The server writes only the types of [`SqlType`]. It reads those, and the legacy ones that clients still send
//! (`text`, `ntext`, `image`, the typeless NULL). `sql_variant`, CLR types and table-valued parameters are error
//! 8009.

use bytes::{Buf, BufMut, BytesMut};
use encoding_rs::{Encoding, UTF_8, WINDOWS_1252};

use crate::types::{Len, SqlError, SqlType};
use crate::value::collation::{self, Collation};
use crate::value::error;

pub(super) const NULL: u8 = 0x1F;
pub(super) const IMAGE: u8 = 0x22;
pub(super) const TEXT: u8 = 0x23;
pub(super) const GUID: u8 = 0x24;
pub(super) const INTN: u8 = 0x26;
pub(super) const DATE: u8 = 0x28;
pub(super) const TIME: u8 = 0x29;
pub(super) const DATETIME2: u8 = 0x2A;
pub(super) const DATETIMEOFFSET: u8 = 0x2B;
pub(super) const INT1: u8 = 0x30;
pub(super) const BIT: u8 = 0x32;
pub(super) const INT2: u8 = 0x34;
pub(super) const INT4: u8 = 0x38;
pub(super) const DATETIME4: u8 = 0x3A;
pub(super) const FLOAT4: u8 = 0x3B;
pub(super) const MONEY: u8 = 0x3C;
pub(super) const DATETIME: u8 = 0x3D;
pub(super) const FLOAT8: u8 = 0x3E;
pub(super) const NTEXT: u8 = 0x63;
pub(super) const BITN: u8 = 0x68;
pub(super) const DECIMALN: u8 = 0x6A;
pub(super) const NUMERICN: u8 = 0x6C;
pub(super) const FLOATN: u8 = 0x6D;
pub(super) const MONEYN: u8 = 0x6E;
pub(super) const DATETIMEN: u8 = 0x6F;
pub(super) const MONEY4: u8 = 0x7A;
pub(super) const INT8: u8 = 0x7F;
pub(super) const BIGVARBINARY: u8 = 0xA5;
pub(super) const BIGVARCHAR: u8 = 0xA7;
pub(super) const BIGBINARY: u8 = 0xAD;
pub(super) const BIGCHAR: u8 = 0xAF;
pub(super) const NVARCHAR: u8 = 0xE7;
pub(super) const NCHAR: u8 = 0xEF;
pub(super) const XML: u8 = 0xF1;

/// The declared length of the `max` types.
const MAX: u16 = 0xFFFF;

/// The framing of a type's values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// The typeless NULL: nothing at all.
    Nothing,
    /// The bytes alone.
    Fixed(u8),
    /// A length in one byte, 0 for NULL.
    ByteLength,
    /// A length in two bytes, 0xFFFF for NULL.
    ShortLength,
    /// Chunks: `max` types and xml.
    Chunks,
    /// `text`, `ntext`, `image`.
    LongLength,
}

/// A type as a client's TYPE_INFO gives it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct WireType {
    pub(super) ty: SqlType,
    pub(super) form: Form,
    /// The encoding of `char`, `varchar` and `text`.
    pub(super) encoding: &'static Encoding,
}

impl WireType {
    /// The SQL type. `text`, `ntext` and `image` are the `max` types, and the typeless NULL is `int`.
    pub(crate) fn sql_type(&self) -> SqlType {
        self.ty
    }
}

/// Bytes of a decimal's value, its sign byte included.
pub(super) fn decimal_length(precision: u8) -> u8 {
    match precision {
        0..=9 => 5,
        10..=19 => 9,
        20..=28 => 13,
        _ => 17,
    }
}

/// Bytes of a time of day of this scale.
pub(super) fn time_length(scale: u8) -> u8 {
    match scale {
        0..=2 => 3,
        3..=4 => 4,
        _ => 5,
    }
}

/// Writes TYPE_INFO. As in SQL Server, nullable columns have the N-forms and NOT NULL columns the fixed forms.
pub(crate) fn write_type_info(buf: &mut BytesMut, ty: SqlType, collation: Option<&str>, nullable: bool) {
    // The types that have a fixed form: its token, the token of the N-form, and the length.
    let (fixed, variable, length) = match ty {
        SqlType::Bit => (BIT, BITN, 1),
        SqlType::TinyInt => (INT1, INTN, 1),
        SqlType::SmallInt => (INT2, INTN, 2),
        SqlType::Int => (INT4, INTN, 4),
        SqlType::BigInt => (INT8, INTN, 8),
        SqlType::Real => (FLOAT4, FLOATN, 4),
        SqlType::Float => (FLOAT8, FLOATN, 8),
        SqlType::Money => (MONEY, MONEYN, 8),
        SqlType::SmallMoney => (MONEY4, MONEYN, 4),
        SqlType::DateTime => (DATETIME, DATETIMEN, 8),
        SqlType::SmallDateTime => (DATETIME4, DATETIMEN, 4),
        _ => return write_variable(buf, ty, collation),
    };
    if nullable {
        buf.put_slice(&[variable, length]);
    } else {
        buf.put_u8(fixed);
    }
}

fn write_variable(buf: &mut BytesMut, ty: SqlType, collation: Option<&str>) {
    let wire_collation = || collation::wire_bytes(collation.unwrap_or(collation::DEFAULT));
    let (token, length, collated) = match ty {
        SqlType::Decimal {
            precision,
            scale,
            numeric,
        } => {
            let token = if numeric { NUMERICN } else { DECIMALN };
            return buf.put_slice(&[token, decimal_length(precision), precision, scale]);
        }
        SqlType::UniqueIdentifier => return buf.put_slice(&[GUID, 16]),
        SqlType::Date => return buf.put_u8(DATE),
        SqlType::Time(scale) => return buf.put_slice(&[TIME, scale]),
        SqlType::DateTime2(scale) => return buf.put_slice(&[DATETIME2, scale]),
        SqlType::DateTimeOffset(scale) => return buf.put_slice(&[DATETIMEOFFSET, scale]),
        SqlType::Char(n) => (BIGCHAR, n, true),
        SqlType::VarChar(len) => (BIGVARCHAR, declared(len, 1), true),
        SqlType::NChar(n) => (NCHAR, n * 2, true),
        SqlType::NVarChar(len) => (NVARCHAR, declared(len, 2), true),
        SqlType::Binary(n) => (BIGBINARY, n, false),
        SqlType::VarBinary(len) => (BIGVARBINARY, declared(len, 1), false),
        // There is no schema collection.
        _ => return buf.put_slice(&[XML, 0]),
    };
    buf.put_u8(token);
    buf.put_u16_le(length);
    if collated {
        buf.put_slice(&wire_collation());
    }
}

fn declared(len: Len, width: u16) -> u16 {
    match len {
        Len::N(n) => n * width,
        Len::Max => MAX,
    }
}

/// Reads the TYPE_INFO of a client: of an RPC parameter or of a bulk load's COLMETADATA.
pub(crate) fn read_type_info(src: &mut impl Buf) -> Result<WireType, SqlError> {
    let token = byte(src)?;
    let fixed = |ty, length| {
        Ok(WireType {
            ty,
            form: Form::Fixed(length),
            encoding: WINDOWS_1252,
        })
    };
    let counted = |ty| WireType {
        ty,
        form: Form::ByteLength,
        encoding: WINDOWS_1252,
    };
    match token {
        NULL => Ok(WireType {
            ty: SqlType::Int,
            form: Form::Nothing,
            encoding: WINDOWS_1252,
        }),
        INT1 => fixed(SqlType::TinyInt, 1),
        BIT => fixed(SqlType::Bit, 1),
        INT2 => fixed(SqlType::SmallInt, 2),
        INT4 => fixed(SqlType::Int, 4),
        INT8 => fixed(SqlType::BigInt, 8),
        FLOAT4 => fixed(SqlType::Real, 4),
        FLOAT8 => fixed(SqlType::Float, 8),
        MONEY => fixed(SqlType::Money, 8),
        MONEY4 => fixed(SqlType::SmallMoney, 4),
        DATETIME => fixed(SqlType::DateTime, 8),
        DATETIME4 => fixed(SqlType::SmallDateTime, 4),
        DATE => Ok(counted(SqlType::Date)),
        GUID | INTN | BITN | FLOATN | MONEYN | DATETIMEN => {
            let length = byte(src)?;
            let ty = match (token, length) {
                (GUID, 16) => SqlType::UniqueIdentifier,
                (INTN, 1) => SqlType::TinyInt,
                (INTN, 2) => SqlType::SmallInt,
                (INTN, 4) => SqlType::Int,
                (INTN, 8) => SqlType::BigInt,
                (BITN, 1) => SqlType::Bit,
                (FLOATN, 4) => SqlType::Real,
                (FLOATN, 8) => SqlType::Float,
                (MONEYN, 4) => SqlType::SmallMoney,
                (MONEYN, 8) => SqlType::Money,
                (DATETIMEN, 4) => SqlType::SmallDateTime,
                (DATETIMEN, 8) => SqlType::DateTime,
                _ => return Err(error::bad_wire_length(token)),
            };
            Ok(counted(ty))
        }
        TIME | DATETIME2 | DATETIMEOFFSET => {
            let scale = byte(src)?;
            if scale > 7 {
                return Err(error::bad_wire_precision(token));
            }
            Ok(counted(match token {
                TIME => SqlType::Time(scale),
                DATETIME2 => SqlType::DateTime2(scale),
                _ => SqlType::DateTimeOffset(scale),
            }))
        }
        DECIMALN | NUMERICN => {
            let (length, precision, scale) = (byte(src)?, byte(src)?, byte(src)?);
            if !(1..=38).contains(&precision) || scale > precision {
                return Err(error::bad_wire_precision(token));
            }
            if !matches!(length, 5 | 9 | 13 | 17) {
                return Err(error::bad_wire_length(token));
            }
            Ok(counted(SqlType::Decimal {
                precision,
                scale,
                numeric: token == NUMERICN,
            }))
        }
        _ => read_long(token, src),
    }
}

fn read_long(token: u8, src: &mut impl Buf) -> Result<WireType, SqlError> {
    let (ty, form, collated) = match token {
        XML => {
            skip_schema(src)?;
            (SqlType::Xml, Form::Chunks, false)
        }
        TEXT | NTEXT | IMAGE => {
            need(src, 4)?;
            src.get_u32_le();
            let ty = match token {
                TEXT => SqlType::VarChar(Len::Max),
                NTEXT => SqlType::NVarChar(Len::Max),
                _ => SqlType::VarBinary(Len::Max),
            };
            (ty, Form::LongLength, token != IMAGE)
        }
        BIGVARBINARY | BIGVARCHAR | BIGBINARY | BIGCHAR | NVARCHAR | NCHAR => {
            need(src, 2)?;
            let length = src.get_u16_le();
            let (ty, form) = sized(token, length)?;
            (ty, form, !matches!(token, BIGVARBINARY | BIGBINARY))
        }
        _ => return Err(error::unknown_wire_type(token)),
    };
    let mut encoding = WINDOWS_1252;
    if collated {
        need(src, 5)?;
        let mut bytes = [0; 5];
        src.copy_to_slice(&mut bytes);
        encoding = Collation::encoding_of_wire(bytes);
    }
    Ok(WireType { ty, form, encoding })
}

fn sized(token: u8, length: u16) -> Result<(SqlType, Form), SqlError> {
    // Clients declare a length of 0 for an empty string. The types begin at 1.
    let bytes = length.max(1);
    let units = (length / 2).max(1);
    let len = |n| if length == MAX { Len::Max } else { Len::N(n) };
    let ty = match token {
        BIGVARBINARY => SqlType::VarBinary(len(bytes)),
        BIGVARCHAR => SqlType::VarChar(len(bytes)),
        NVARCHAR => SqlType::NVarChar(len(units)),
        BIGBINARY => SqlType::Binary(bytes),
        BIGCHAR => SqlType::Char(bytes),
        _ => SqlType::NChar(units),
    };
    let may_be_max = matches!(token, BIGVARBINARY | BIGVARCHAR | NVARCHAR);
    match length {
        MAX if may_be_max => Ok((ty, Form::Chunks)),
        0..=8000 => Ok((ty, Form::ShortLength)),
        _ => Err(error::bad_wire_length(token)),
    }
}

fn skip_schema(src: &mut impl Buf) -> Result<(), SqlError> {
    if byte(src)? == 0 {
        return Ok(());
    }
    for _ in 0..2 {
        let units = usize::from(byte(src)?);
        skip(src, units * 2)?;
    }
    need(src, 2)?;
    let units = usize::from(src.get_u16_le());
    skip(src, units * 2)
}

fn need(src: &impl Buf, count: usize) -> Result<(), SqlError> {
    if src.remaining() < count {
        Err(error::premature_end())
    } else {
        Ok(())
    }
}

fn skip(src: &mut impl Buf, count: usize) -> Result<(), SqlError> {
    need(src, count)?;
    src.advance(count);
    Ok(())
}

fn byte(src: &mut impl Buf) -> Result<u8, SqlError> {
    need(src, 1)?;
    Ok(src.get_u8())
}

/// Whether the bytes of the type's `char`/`varchar` values are UTF-8.
pub(super) fn is_utf8(encoding: &'static Encoding) -> bool {
    encoding == UTF_8
}
