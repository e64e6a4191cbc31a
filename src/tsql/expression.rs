//! The T-SQL expressions of a column: read, staged, converted, and as a key.
//!
//! The driver decodes money as a float, ignores a collation's UTF-8 flag, and declares some types of a bulk load
//! otherwise than it sends them. So a column is read as a type that the driver decodes exactly. It is staged as a
//! type that the driver declares truthfully, and the server converts.

use crate::model::table::{Column, DataType, Length};

/// The staged type of a decimal: the text of its digits. The driver sends a decimal in as few bytes as its value
/// needs, and not every server reads that.
const DECIMAL_TEXT: &str = "varchar(41) COLLATE SQL_Latin1_General_CP1_CI_AS";

/// The `n` of the longest `nvarchar(n)`.
const NVARCHAR_UNITS_MAX: u16 = 4000;

/// The `n` of the longest `nvarchar(n)` that can be staged. The driver declares the length in bytes, which is at most
/// 4000.
const STAGED_UNITS_MAX: u16 = 2000;

/// The session's own table for staged batches.
pub const STAGE: &str = "#load";

/// The name of a staged column, by its position from 0: `c1`, `c2`, …. No name of a user's column can collide with it.
pub fn staged(position: usize) -> String {
    format!("c{}", position + 1)
}

/// A class of types for the digest: two types of one family encode a common value alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "each variant is named after what its types hold")]
pub enum Family {
    Integer,
    Decimal,
    Float,
    Text,
    Bytes,
    Date,
    Time,
    DateTime,
    DateTime2,
    DateTimeOffset,
    Guid,
}

/// The family of a type.
pub fn family(data_type: DataType) -> Family {
    match data_type {
        DataType::Bit | DataType::TinyInt | DataType::SmallInt | DataType::Int | DataType::BigInt => {
            Family::Integer
        }
        DataType::Decimal { .. } | DataType::Money | DataType::SmallMoney => Family::Decimal,
        DataType::Real | DataType::Float => Family::Float,
        DataType::Char(_)
        | DataType::VarChar(_)
        | DataType::NChar(_)
        | DataType::NVarChar(_)
        | DataType::Xml => Family::Text,
        DataType::Binary(_) | DataType::VarBinary(_) => Family::Bytes,
        DataType::Date => Family::Date,
        DataType::Time(_) => Family::Time,
        DataType::DateTime => Family::DateTime,
        DataType::SmallDateTime | DataType::DateTime2(_) => Family::DateTime2,
        DataType::DateTimeOffset(_) => Family::DateTimeOffset,
        DataType::UniqueIdentifier => Family::Guid,
    }
}

/// The SELECT list that reads each column as its own type.
pub fn select_list(columns: &[Column]) -> String {
    let columns = columns
        .iter()
        .map(|column| read_expression(column, column.data_type));
    columns.collect::<Vec<_>>().join(", ")
}

/// The expression that reads a column, at the source and back from the target, and whose value the driver decodes
/// exactly. `as_type` is the source's declared type.
///
/// Within a family the column is read as its own type: a CAST to the source's narrower type would cut off and hide the
/// target's surplus. Across families (a `datetime` that is `datetime2` in the warehouse) the server converts to the
/// source's type, because the value was digested as that type.
pub fn read_expression(column: &Column, as_type: DataType) -> String {
    let name = column.name.quoted();
    if family(column.data_type) == family(as_type) {
        return readable(name, column.data_type);
    }
    match as_type {
        // Minutes are exact in datetime2(7); a CAST to smalldatetime would round seconds away.
        DataType::SmallDateTime => format!("CAST({name} AS datetime2(7))"),
        // These convert straight to the type that they are read as.
        DataType::Money | DataType::SmallMoney | DataType::Char(_) | DataType::VarChar(_) | DataType::Xml => {
            readable(name, as_type)
        }
        other => format!("CAST({name} AS {other})"),
    }
}

/// An expression of `data_type`, cast to a type that the driver reads exactly.
fn readable(expression: String, data_type: DataType) -> String {
    let carrier = match data_type {
        DataType::Money => "decimal(19,4)".to_owned(),
        DataType::SmallMoney => "decimal(10,4)".to_owned(),
        // n bytes are at most n UTF-16 units in every code page, UTF-8 among them.
        DataType::Char(n) | DataType::VarChar(Length::N(n)) if n <= NVARCHAR_UNITS_MAX => {
            format!("nvarchar({n})")
        }
        DataType::Char(_) | DataType::VarChar(_) | DataType::Xml => "nvarchar(max)".to_owned(),
        _ => return expression,
    };
    format!("CAST({expression} AS {carrier})")
}

/// The type of the `#load` column for a source column of `data_type`. The driver declares it in INSERT BULK as it then
/// sends it, but for `nvarchar(n)`: that is declared by its bytes, as `nvarchar(2n)`, which is wide enough. Every `#load`
/// column is NULL.
pub fn stage_type(data_type: DataType) -> String {
    match data_type {
        DataType::Bit
        | DataType::TinyInt
        | DataType::SmallInt
        | DataType::Int
        | DataType::BigInt
        | DataType::Date
        | DataType::DateTime2(_)
        | DataType::UniqueIdentifier => data_type.to_string(),
        DataType::Decimal { .. } | DataType::Money | DataType::SmallMoney => DECIMAL_TEXT.to_owned(),
        DataType::Real | DataType::Float => "float".to_owned(),
        // n bytes are at most n UTF-16 units in every code page.
        DataType::Char(n)
        | DataType::VarChar(Length::N(n))
        | DataType::NChar(n)
        | DataType::NVarChar(Length::N(n))
            if n <= STAGED_UNITS_MAX =>
        {
            format!("nvarchar({n})")
        }
        DataType::Char(_)
        | DataType::VarChar(_)
        | DataType::NChar(_)
        | DataType::NVarChar(_)
        | DataType::Xml => "nvarchar(max)".to_owned(),
        DataType::Binary(n) | DataType::VarBinary(Length::N(n)) => format!("varbinary({n})"),
        DataType::VarBinary(Length::Max) => "varbinary(max)".to_owned(),
        // The driver declares no scale for these, which means scale 7. It declares smalldatetime as datetime.
        DataType::Time(_) => "time(7)".to_owned(),
        DataType::DateTimeOffset(_) => "datetimeoffset(7)".to_owned(),
        DataType::DateTime | DataType::SmallDateTime => "datetime2(7)".to_owned(),
    }
}

/// The expression that a staged column is inserted by: plain if it has the target column's type already.
pub fn inserted_expression(stage_column: &str, source: DataType, target: &Column) -> String {
    match stage_type(source) == target.data_type.to_string() {
        true => stage_column.to_owned(),
        false => stage_expression(stage_column, source, target),
    }
}

/// The expression that converts a staged column into the target column's type. `stage_column` is its quoted name, as in
/// `l.[c1]`; `source` is the source column's type. Text converts in the target column's collation, whose code page will
/// store it.
pub fn stage_expression(stage_column: &str, source: DataType, target: &Column) -> String {
    if family(source) == Family::Decimal && family(target.data_type) != Family::Decimal {
        // Other types read the text of the digits otherwise than the number.
        let number = match source {
            DataType::Money | DataType::SmallMoney => readable(stage_column.to_owned(), source),
            _ => format!("CAST({stage_column} AS {source})"),
        };
        return format!("CAST({number} AS {})", target.data_type);
    }
    if target.data_type == DataType::Xml {
        // Style 1 keeps white space between tags, which a CAST drops.
        return format!("CONVERT(xml, {stage_column}, 1)");
    }
    // Only a text has a collation to convert from.
    let collation = match family(source) {
        Family::Text => collate(target),
        _ => String::new(),
    };
    format!("CAST({stage_column}{collation} AS {})", target.data_type)
}

/// The expression of a key column's parameter `@P{index}`. It has exactly the column's type and collation, so that the
/// comparison converts nothing and can seek.
pub fn key_parameter(column: &Column, index: usize) -> String {
    let collate = collate(column);
    format!("CAST(@P{index}{collate} AS {}){collate}", column.data_type)
}

/// ` COLLATE name` for a text column whose collation is known, else nothing. A name that is no plain word is left out,
/// because it becomes SQL text and no catalog has such a name.
pub fn collate(column: &Column) -> String {
    match &column.collation {
        Some(name)
            if column.data_type.is_text()
                && !name.is_empty()
                && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') =>
        {
            format!(" COLLATE {name}")
        }
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tsql::testing::column;

    fn read(data_type: DataType, as_type: DataType) -> String {
        read_expression(&column("A]", data_type), as_type)
    }

    #[test]
    fn what_the_driver_reads_exactly_is_read_plainly() {
        for data_type in [
            DataType::BigInt,
            DataType::NVarChar(Length::Max),
            DataType::DateTime,
            DataType::SmallDateTime,
            DataType::Real,
            DataType::Binary(8),
        ] {
            assert_eq!(read(data_type, data_type), "[A]]]");
        }
    }

    #[test]
    fn what_it_does_not_is_cast() {
        let cases = [
            (DataType::Money, "CAST([A]]] AS decimal(19,4))"),
            (DataType::SmallMoney, "CAST([A]]] AS decimal(10,4))"),
            (DataType::Char(10), "CAST([A]]] AS nvarchar(10))"),
            (
                DataType::VarChar(Length::N(4000)),
                "CAST([A]]] AS nvarchar(4000))",
            ),
            (DataType::VarChar(Length::N(4001)), "CAST([A]]] AS nvarchar(max))"),
            (DataType::VarChar(Length::Max), "CAST([A]]] AS nvarchar(max))"),
            (DataType::Xml, "CAST([A]]] AS nvarchar(max))"),
        ];
        for (data_type, expected) in cases {
            assert_eq!(read(data_type, data_type), expected);
        }
    }

    #[test]
    fn a_widened_column_is_not_narrowed_to_be_compared() {
        let wide = DataType::NVarChar(Length::N(50));
        assert_eq!(read(wide, DataType::VarChar(Length::N(20))), "[A]]]");
        assert_eq!(read(DataType::BigInt, DataType::Int), "[A]]]");
        let decimal = DataType::Decimal {
            precision: 19,
            scale: 4,
        };
        assert_eq!(read(decimal, DataType::Money), "[A]]]");
        assert_eq!(read(DataType::Money, decimal), "CAST([A]]] AS decimal(19,4))");
        assert_eq!(read(DataType::DateTime2(7), DataType::DateTime2(3)), "[A]]]");
    }

    #[test]
    fn another_family_is_compared_as_the_source() {
        assert_eq!(
            read(DataType::DateTime2(3), DataType::DateTime),
            "CAST([A]]] AS datetime)"
        );
        assert_eq!(
            read(DataType::DateTime, DataType::SmallDateTime),
            "CAST([A]]] AS datetime2(7))"
        );
        assert_eq!(read(DataType::DateTime, DataType::Date), "CAST([A]]] AS date)");
        assert_eq!(
            read(
                DataType::Decimal {
                    precision: 10,
                    scale: 0
                },
                DataType::Int
            ),
            "CAST([A]]] AS int)"
        );
        assert_eq!(
            read(DataType::Float, DataType::Money),
            "CAST([A]]] AS decimal(19,4))"
        );
        assert_eq!(
            read(DataType::NChar(36), DataType::UniqueIdentifier),
            "CAST([A]]] AS uniqueidentifier)"
        );
    }

    #[test]
    fn stage_types_are_those_that_the_driver_declares_truthfully() {
        let cases = [
            (DataType::Real, "float"),
            (DataType::NVarChar(Length::N(20)), "nvarchar(20)"),
            (DataType::Char(2000), "nvarchar(2000)"),
            (DataType::VarChar(Length::N(2001)), "nvarchar(max)"),
            (DataType::Xml, "nvarchar(max)"),
            (DataType::Binary(4), "varbinary(4)"),
            (DataType::VarBinary(Length::Max), "varbinary(max)"),
            (DataType::Time(0), "time(7)"),
            (DataType::SmallDateTime, "datetime2(7)"),
            (DataType::DateTime2(3), "datetime2(3)"),
            (DataType::DateTimeOffset(2), "datetimeoffset(7)"),
            (DataType::SmallMoney, DECIMAL_TEXT),
        ];
        for (data_type, expected) in cases {
            assert_eq!(stage_type(data_type), expected);
        }
    }

    #[test]
    fn text_converts_in_its_own_collation() {
        let name = column("N", DataType::VarChar(Length::N(20)));
        assert_eq!(
            stage_expression("[c1]", name.data_type, &name),
            "CAST([c1] COLLATE Latin1_General_CI_AS AS varchar(20))"
        );
        assert_eq!(
            key_parameter(&name, 5),
            "CAST(@P5 COLLATE Latin1_General_CI_AS AS varchar(20)) COLLATE Latin1_General_CI_AS"
        );
        assert_eq!(
            key_parameter(&column("D", DataType::DateTime), 4),
            "CAST(@P4 AS datetime)"
        );
        assert_eq!(
            stage_expression(
                "[c1]",
                DataType::UniqueIdentifier,
                &column("G", DataType::Char(36))
            ),
            "CAST([c1] AS char(36))"
        );
        assert_eq!(
            stage_expression("[c2]", DataType::Xml, &column("X", DataType::Xml)),
            "CONVERT(xml, [c2], 1)"
        );
    }

    #[test]
    fn what_is_staged_as_it_is_stored_is_inserted_as_it_is() {
        let name = column("N", DataType::NVarChar(Length::N(20)));
        let insert = |source| inserted_expression("[c1]", source, &name);
        assert_eq!(insert(name.data_type), "[c1]");
        assert_eq!(
            insert(DataType::NVarChar(Length::N(30))),
            "CAST([c1] COLLATE Latin1_General_CI_AS AS nvarchar(20))"
        );
    }

    #[test]
    fn a_collation_that_is_no_word_never_becomes_sql() {
        let mut name = column("N", DataType::Char(2));
        name.collation = Some("x; DROP TABLE t".to_owned());
        assert_eq!(
            stage_expression("[c1]", name.data_type, &name),
            "CAST([c1] AS char(2))"
        );
    }

    #[test]
    fn the_digits_of_a_decimal_become_a_number_before_anything_else() {
        let price = DataType::Decimal {
            precision: 12,
            scale: 2,
        };
        for (source, target, expected) in [
            (price, DataType::Money, "CAST([c1] AS money)"),
            (price, DataType::Int, "CAST(CAST([c1] AS decimal(12,2)) AS int)"),
            (
                DataType::Money,
                DataType::VarChar(Length::N(20)),
                "CAST(CAST([c1] AS decimal(19,4)) AS varchar(20))",
            ),
        ] {
            assert_eq!(stage_expression("[c1]", source, &column("P", target)), expected);
        }
    }
}
