//! Conversions between types. Some change nothing in storage, some fold into a literal, and the others are function
//! calls.

use super::binder::Binder;
use super::bound::{Bound, Collation, Origin, Parameter};
use crate::sql::errors::error;
use crate::sql::functions::conversion::{TRY, UTF8};
use crate::sql::{types, values};
use crate::store::type_code::encode;
use crate::types::{Len, OwnedCell, SqlError, SqlType};
use crate::value::promote;

/// The purpose of a conversion. It decides the outcome for a value that does not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// CAST, CONVERT and comparisons.
    Cast,
    /// TRY_CAST: NULL instead of an error.
    Try,
    /// Assignment to a column or variable: 8152 where CAST would cut.
    Assign,
}

fn covers(to: Len, from: u32) -> bool {
    match to {
        Len::Max => true,
        Len::N(n) => u32::from(n) >= from,
    }
}

fn size(len: Len) -> u32 {
    match len {
        Len::Max => u32::MAX,
        Len::N(n) => u32::from(n),
    }
}

/// Whether every value of `from` has the same storage form in `to`.
pub(crate) fn is_identity(from: SqlType, to: SqlType) -> bool {
    use SqlType::{
        BigInt, Binary, Bit, Char, DateTime2, DateTimeOffset, Decimal, Float, Int, Money, NChar, NVarChar,
        Real, SmallInt, SmallMoney, Time, TinyInt, VarBinary, VarChar,
    };
    match (from, to) {
        (a, b) if a == b => true,
        (Bit, TinyInt | SmallInt | Int | BigInt)
        | (TinyInt, SmallInt | Int | BigInt)
        | (SmallInt, Int | BigInt)
        | (Int, BigInt)
        | (SmallMoney, Money)
        | (Real, Float) => true,
        (
            Decimal {
                precision: p,
                scale: s,
                ..
            },
            Decimal {
                precision: q,
                scale: t,
                ..
            },
        ) => s == t && q >= p && (p <= 18) == (q <= 18),
        (Char(n), VarChar(m)) => covers(m, u32::from(n)),
        (NChar(n), NVarChar(m)) => covers(m, u32::from(n)),
        (Char(n), NVarChar(m)) => covers(m, u32::from(n)),
        (VarChar(n), VarChar(m)) | (NVarChar(n), NVarChar(m)) | (VarChar(n), NVarChar(m)) => {
            m == Len::Max || size(m) >= size(n)
        }
        (Binary(n), VarBinary(m)) => covers(m, u32::from(n)),
        (VarBinary(n), VarBinary(m)) => m == Len::Max || size(m) >= size(n),
        (Time(n), Time(m)) | (DateTime2(n), DateTime2(m)) | (DateTimeOffset(n), DateTimeOffset(m)) => m >= n,
        _ => false,
    }
}

/// Whether values of the two types compare correctly as they are stored.
pub(super) fn compares_as_stored(a: SqlType, b: SqlType) -> bool {
    let scale = |ty| match ty {
        SqlType::Decimal { precision, scale, .. } => Some((precision <= 18, scale)),
        SqlType::Money | SqlType::SmallMoney => Some((true, 4)),
        ty if types::is_integer(ty) => Some((true, 0)),
        _ => None,
    };
    let real = |ty| matches!(ty, SqlType::Real | SqlType::Float);
    let same_kind = |ty| match ty {
        SqlType::Time(_) => 1,
        SqlType::DateTime2(_) => 2,
        SqlType::DateTimeOffset(_) => 3,
        _ => 0,
    };
    a == b
        || scale(a).is_some() && scale(a) == scale(b)
        || types::is_text(a) && types::is_text(b)
        || types::is_binary(a) && types::is_binary(b)
        || real(a) && real(b)
        || same_kind(a) != 0 && same_kind(a) == same_kind(b)
}

impl Binder<'_> {
    /// A literal.
    pub(super) fn literal(&mut self, value: OwnedCell, ty: SqlType) -> Bound {
        let sql = match &value {
            OwnedCell::Null => "NULL".to_owned(),
            OwnedCell::Integer(v) if *v < 0 => format!("({v})"),
            OwnedCell::Integer(v) => v.to_string(),
            OwnedCell::Text(text) if !text.contains('\0') => format!("'{}'", text.replace('\'', "''")),
            OwnedCell::Blob(bytes) => {
                let mut sql = String::with_capacity(bytes.len() * 2 + 3);
                sql.push_str("x'");
                for byte in bytes {
                    sql.push_str(&format!("{byte:02x}"));
                }
                sql.push('\'');
                sql
            }
            // SQLite does not promise to read a decimal text back to the same double.
            OwnedCell::Real(_) | OwnedCell::Text(_) => self.parameter(Parameter::Constant(value.clone())),
        };
        let nullable = value == OwnedCell::Null;
        Bound {
            constant: Some(value),
            nullable,
            ..Bound::new(sql, ty)
        }
    }

    /// NULL without a type of its own.
    pub(super) fn null(&mut self) -> Bound {
        Bound {
            untyped_null: true,
            ..self.literal(OwnedCell::Null, SqlType::Int)
        }
    }

    /// Converts to a type; the collation is the target's (for text).
    pub(crate) fn convert(
        &mut self,
        bound: Bound,
        to: SqlType,
        collation: Option<&str>,
        mode: Mode,
    ) -> Result<Bound, SqlError> {
        let from = bound.ty;
        if bound.untyped_null || bound.constant == Some(OwnedCell::Null) {
            return Ok(self.literal(OwnedCell::Null, to));
        }
        let utf8 = collation.is_some_and(values::is_utf8);
        let keeps_utf8 = match to {
            // A code page holds fewer characters than an nvarchar or UTF-8 column may hold.
            SqlType::Char(_) | SqlType::VarChar(_) => {
                utf8 || matches!(from, SqlType::Char(_) | SqlType::VarChar(_))
                    && !values::is_utf8(bound.collation.name())
            }
            _ => true,
        };
        if is_identity(from, to) && keeps_utf8 {
            let keeps_column = mode == Mode::Assign || from == to;
            return Ok(Bound {
                ty: to,
                column: bound.column.clone().filter(|_| keeps_column),
                ..bound
            });
        }
        values::check_convertible(from, to, mode == Mode::Assign)?;
        if let Some(value) = &bound.constant {
            let folded = match mode {
                Mode::Assign => values::assign(value.as_cell(), from, to, utf8),
                Mode::Cast | Mode::Try => values::cast(value.as_cell(), from, to, utf8),
            };
            match folded {
                Ok(value) => {
                    return Ok(Bound {
                        collation: bound.collation,
                        ..self.literal(value, to)
                    });
                }
                // The conversion is left for the run, which raises the statement's other errors too.
                Err(_) if mode != Mode::Try => {}
                Err(_) => return Ok(self.literal(OwnedCell::Null, to)),
            }
        }
        let flags = if utf8 { UTF8 } else { 0 } | if mode == Mode::Try { TRY } else { 0 };
        let function = if mode == Mode::Assign {
            "tsql_assign"
        } else {
            "tsql_cast"
        };
        let sql = format!(
            "{function}({}, {}, {}, {flags})",
            bound.sql,
            encode(from),
            encode(to)
        );
        let nullable = bound.nullable || mode == Mode::Try;
        Ok(Bound {
            collation: bound.collation,
            nullable,
            ..Bound::new(sql, to)
        })
    }

    /// Converts for a comparison or a CASE: to a type that the other side shares.
    pub(super) fn cast(&mut self, bound: Bound, to: SqlType) -> Result<Bound, SqlError> {
        let collation = bound.collation.name().to_owned();
        self.convert(bound, to, Some(&collation), Mode::Cast)
    }

    /// The common type of two values.
    pub(super) fn common_type(a: &Bound, b: &Bound) -> Result<SqlType, SqlError> {
        match (a.untyped_null, b.untyped_null) {
            (true, _) => Ok(b.ty),
            (_, true) => Ok(a.ty),
            _ => Ok(promote::promote(a.ty, b.ty)),
        }
    }

    /// Converts both sides of a comparison to one storage form. Text also gets the collation to compare by.
    pub(super) fn comparable(
        &mut self,
        a: Bound,
        b: Bound,
        what: &str,
    ) -> Result<(Bound, Bound, Option<Collation>), SqlError> {
        let common = Self::common_type(&a, &b)?;
        let collation = if types::is_text(common) {
            Some(combine(&a.collation, &b.collation, what)?)
        } else {
            None
        };
        if compares_as_stored(a.ty, b.ty) && !a.untyped_null && !b.untyped_null {
            return Ok((a, b, collation));
        }
        let side = |binder: &mut Self, bound: Bound| {
            if compares_as_stored(bound.ty, common) {
                Ok(bound)
            } else {
                binder.cast(bound, common)
            }
        };
        Ok((side(self, a)?, side(self, b)?, collation))
    }
}

/// The collation of two operands together.
pub(super) fn combine(a: &Collation, b: &Collation, what: &str) -> Result<Collation, SqlError> {
    use Collation::{Default, Explicit, Implicit};
    let conflict = |x: &str, y: &str| {
        Err(error(
            468,
            16,
            9,
            format!(
                "Cannot resolve the collation conflict between \"{x}\" and \"{y}\" in the {what} operation."
            ),
        ))
    };
    match (a, b) {
        (x, y) if x == y => Ok(x.clone()),
        (Explicit(x), Explicit(y)) | (Implicit(x), Implicit(y)) if !x.eq_ignore_ascii_case(y) => {
            conflict(x, y)
        }
        (Explicit(_), _) | (_, Default) => Ok(a.clone()),
        (_, Explicit(_)) | (Default, _) => Ok(b.clone()),
        (Implicit(_), Implicit(_)) => Ok(a.clone()),
    }
}

/// The expression in the form in which SQLite compares, groups or orders it.
pub(super) fn key(bound: &Bound, collation: Option<&Collation>) -> String {
    if matches!(bound.ty, SqlType::DateTimeOffset(_)) {
        // The offset takes no part in comparisons.
        return format!("substr({}, 1, 8)", bound.sql);
    }
    match collation {
        Some(collation) if types::is_text(bound.ty) => {
            let native = matches!(&bound.column, Some(Origin { native: true, .. }))
                && matches!(&bound.collation, Collation::Implicit(own) if own.eq_ignore_ascii_case(collation.name()));
            if native {
                bound.sql.clone()
            } else {
                format!(
                    "({} COLLATE \"{}\")",
                    bound.sql,
                    values::sqlite_collation(collation.name())
                )
            }
        }
        _ => bound.sql.clone(),
    }
}
