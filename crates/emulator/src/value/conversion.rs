//! SQL Server's conversion chart: the types that convert into each other, and those that need CAST for it.
//!
//! Chart: <https://learn.microsoft.com/sql/t-sql/data-types/data-type-conversion-database-engine>.

use crate::types::{SqlError, SqlType};
use crate::value::error;

/// The way, if any, in which values of one type become another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Conversion {
    /// Implicitly.
    Implicit,
    /// By CAST or CONVERT only: error 257 otherwise.
    Explicit,
    /// Not at all: error 529, or 206 for an implicit one.
    Refused,
}

/// Types that share a row and a column of the chart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Binary,
    Character,
    /// `datetime` and `smalldatetime`.
    OldDateTime,
    Date,
    Time,
    /// `datetime2` and `datetimeoffset`.
    NewDateTime,
    Float,
    /// Integers, `bit`, `decimal`.
    Exact,
    Money,
    Guid,
    Xml,
}

fn kind(ty: SqlType) -> Kind {
    match ty {
        SqlType::Binary(_) | SqlType::VarBinary(_) => Kind::Binary,
        SqlType::Char(_) | SqlType::VarChar(_) | SqlType::NChar(_) | SqlType::NVarChar(_) => Kind::Character,
        SqlType::DateTime | SqlType::SmallDateTime => Kind::OldDateTime,
        SqlType::Date => Kind::Date,
        SqlType::Time(_) => Kind::Time,
        SqlType::DateTime2(_) | SqlType::DateTimeOffset(_) => Kind::NewDateTime,
        SqlType::Real | SqlType::Float => Kind::Float,
        SqlType::Money | SqlType::SmallMoney => Kind::Money,
        SqlType::UniqueIdentifier => Kind::Guid,
        SqlType::Xml => Kind::Xml,
        SqlType::Bit
        | SqlType::TinyInt
        | SqlType::SmallInt
        | SqlType::Int
        | SqlType::BigInt
        | SqlType::Decimal { .. } => Kind::Exact,
    }
}

/// SQL Server's conversion chart.
pub(crate) fn conversion(from: SqlType, to: SqlType) -> Conversion {
    use Conversion::{Explicit, Implicit, Refused};
    match (kind(from), kind(to)) {
        (a, b) if a == b => Implicit,
        (Kind::Binary, Kind::Float) => Refused,
        (Kind::Binary, Kind::Date | Kind::Time | Kind::NewDateTime) => Explicit,
        (Kind::Binary, _) => Implicit,
        (Kind::Character, Kind::Binary) => Explicit,
        (Kind::Character, _) => Implicit,
        (Kind::Date, Kind::Time) | (Kind::Time, Kind::Date) => Refused,
        (Kind::OldDateTime | Kind::Date | Kind::Time | Kind::NewDateTime, Kind::Binary) => Explicit,
        (
            Kind::OldDateTime | Kind::Date | Kind::Time | Kind::NewDateTime,
            Kind::Character | Kind::OldDateTime | Kind::Date | Kind::Time | Kind::NewDateTime,
        ) => Implicit,
        (Kind::OldDateTime, Kind::Exact | Kind::Float | Kind::Money) => Explicit,
        (Kind::Money, Kind::Character) => Explicit,
        (
            Kind::Exact | Kind::Float | Kind::Money,
            Kind::Binary | Kind::Character | Kind::OldDateTime | Kind::Exact | Kind::Float | Kind::Money,
        )
        | (Kind::Guid, Kind::Binary | Kind::Character) => Implicit,
        (Kind::Xml, Kind::Binary | Kind::Character) => Explicit,
        _ => Refused,
    }
}

/// Errors 257 and 206, for the binder: whether an expression of type `from` may be stored in a column of type `to`.
pub(crate) fn check_assignable(from: SqlType, to: SqlType) -> Result<(), SqlError> {
    match conversion(from, to) {
        Conversion::Implicit => Ok(()),
        Conversion::Explicit => Err(error::implicit_refused(from, to)),
        Conversion::Refused => Err(error::type_clash(from, to)),
    }
}

/// Error 529, for the binder: whether CAST takes `from` to `to`.
pub(crate) fn check_castable(from: SqlType, to: SqlType) -> Result<(), SqlError> {
    match conversion(from, to) {
        Conversion::Implicit | Conversion::Explicit => Ok(()),
        Conversion::Refused => Err(error::explicit_refused(from, to)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::Len;

    #[test]
    fn chart() {
        let number = |result: Result<(), SqlError>| result.err().map(|e| e.number);
        let varchar = SqlType::VarChar(Len::N(10));
        assert_eq!(number(check_assignable(SqlType::Int, SqlType::DateTime)), None);
        assert_eq!(number(check_assignable(SqlType::Int, SqlType::Date)), Some(206));
        assert_eq!(
            number(check_assignable(SqlType::DateTime, SqlType::Int)),
            Some(257)
        );
        assert_eq!(
            number(check_assignable(varchar, SqlType::VarBinary(Len::Max))),
            Some(257)
        );
        assert_eq!(number(check_assignable(SqlType::Money, varchar)), Some(257));
        assert_eq!(number(check_assignable(varchar, SqlType::Money)), None);
        assert_eq!(
            number(check_assignable(SqlType::Date, SqlType::Time(7))),
            Some(206)
        );
        assert_eq!(number(check_castable(SqlType::Int, SqlType::Date)), Some(529));
        assert_eq!(
            number(check_castable(SqlType::Binary(8), SqlType::Float)),
            Some(529)
        );
        assert_eq!(
            number(check_castable(SqlType::UniqueIdentifier, SqlType::Int)),
            Some(529)
        );
        assert_eq!(number(check_castable(varchar, SqlType::Xml)), None);
        let clash = check_assignable(SqlType::Int, SqlType::Date).unwrap_err();
        assert_eq!(clash.message, "Operand type clash: int is incompatible with date");
    }
}
