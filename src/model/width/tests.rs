//! Source type by target type: every value, some values, or a conversion that no server has.

use super::*;
use crate::model::table::Identifier;

const WESTERN: &str = "Latin1_General_CI_AS";
const RUSSIAN: &str = "Cyrillic_General_CI_AS";
const UNICODE: &str = "Latin1_General_100_CI_AS_SC_UTF8";

/// A column of a type, as in `varchar(10)`, with a collation after a blank if it is not the western one.
fn column(text: &str) -> Column {
    let (data_type, collation) = text.split_once(' ').unwrap_or((text, WESTERN));
    let data_type: DataType = data_type.parse().unwrap();
    Column {
        name: Identifier::new("C").unwrap(),
        data_type,
        nullable: true,
        identity: false,
        collation: data_type.is_text().then(|| collation.to_owned()),
    }
}

fn in_collation(data_type: &str, collation: &str) -> String {
    format!("{data_type} {collation}")
}

#[test]
fn source_types_and_target_types() {
    use Fit::{Every, Narrow, Never, Part};
    for (source, target, expected) in [
        ("int", "int", Every),
        ("int", "bigint", Every),
        ("bigint", "int", Narrow),
        ("tinyint", "smallint", Every),
        ("smallint", "tinyint", Narrow),
        ("int", "bit", Narrow),
        ("bit", "tinyint", Every),
        ("int", "decimal(10,0)", Every),
        ("int", "decimal(9,0)", Narrow),
        ("int", "money", Every),
        ("bigint", "money", Narrow),
        ("int", "float", Every),
        ("bigint", "float", Part),
        ("int", "real", Part),
        ("int", "varchar(20)", Part),
        ("int", "date", Never),
        ("int", "datetime", Part),
        ("int", "uniqueidentifier", Never),
        ("int", "xml", Never),
        ("int", "varbinary(4)", Part),
        ("decimal(9,2)", "decimal(12,4)", Every),
        ("decimal(12,4)", "decimal(9,2)", Narrow),
        ("decimal(12,4)", "decimal(12,2)", Narrow),
        ("decimal(12,2)", "decimal(12,4)", Narrow),
        ("decimal(9,0)", "int", Every),
        ("decimal(10,0)", "int", Narrow),
        ("decimal(18,0)", "bigint", Every),
        ("decimal(18,4)", "money", Every),
        ("decimal(19,4)", "money", Narrow),
        ("decimal(19,5)", "money", Narrow),
        ("decimal(9,2)", "float", Part),
        ("money", "decimal(19,4)", Every),
        ("money", "decimal(18,4)", Narrow),
        ("money", "smallmoney", Narrow),
        ("smallmoney", "money", Every),
        ("real", "float", Every),
        ("float", "real", Narrow),
        ("float", "decimal(38,10)", Part),
        ("varchar(10)", "varchar(50)", Every),
        ("varchar(50)", "varchar(10)", Narrow),
        ("varchar(max)", "varchar(8000)", Narrow),
        ("varchar(8000)", "varchar(max)", Every),
        ("varchar(10)", "nvarchar(10)", Every),
        ("varchar(10)", "nvarchar(9)", Narrow),
        ("nvarchar(10)", "varchar(10)", Part),
        ("nvarchar(10)", "nvarchar(max)", Every),
        ("char(10)", "varchar(10)", Every),
        ("char(10)", "char(20)", Part),
        ("varchar(10)", "char(10)", Part),
        ("char(10)", "nchar(10)", Every),
        ("nchar(10)", "char(10)", Part),
        ("nchar(10)", "nvarchar(10)", Every),
        ("xml", "nvarchar(max)", Every),
        ("xml", "varchar(max)", Part),
        ("nvarchar(max)", "xml", Part),
        ("nvarchar(10)", "int", Part),
        ("nvarchar(10)", "datetime", Part),
        ("binary(8)", "varbinary(8)", Every),
        ("binary(8)", "binary(16)", Part),
        ("varbinary(8)", "binary(8)", Part),
        ("varbinary(16)", "varbinary(8)", Narrow),
        ("varbinary(8)", "varbinary(max)", Every),
        ("binary(8)", "float", Never),
        ("binary(8)", "bigint", Part),
        ("uniqueidentifier", "char(36)", Every),
        ("uniqueidentifier", "nvarchar(35)", Part),
        ("uniqueidentifier", "binary(16)", Every),
        ("uniqueidentifier", "int", Never),
        ("date", "datetime2(0)", Every),
        ("date", "datetime", Part),
        ("date", "time(7)", Never),
        ("time(3)", "time(7)", Every),
        ("time(7)", "time(3)", Narrow),
        ("time(3)", "datetime2(3)", Every),
        ("time(3)", "date", Never),
        ("datetime", "datetime2(3)", Every),
        ("datetime", "datetime2(2)", Narrow),
        ("datetime", "date", Narrow),
        ("datetime", "smalldatetime", Narrow),
        ("datetime", "int", Never),
        ("smalldatetime", "datetime", Every),
        ("smalldatetime", "datetime2(0)", Every),
        ("datetime2(0)", "datetime2(7)", Every),
        ("datetime2(7)", "datetime2(0)", Narrow),
        ("datetime2(3)", "datetime", Part),
        ("datetime2(3)", "datetimeoffset(3)", Every),
        ("datetimeoffset(3)", "datetime2(3)", Narrow),
        ("datetimeoffset(0)", "datetimeoffset(7)", Every),
    ] {
        let found = fit(&column(source), &column(target));
        assert_eq!(found, expected, "{source} -> {target}");
    }
}

#[test]
fn a_code_page_holds_its_own_characters() {
    use Fit::{Every, Part};
    let of = |data_type, collation, target, held| {
        fit(
            &column(&in_collation(data_type, collation)),
            &column(&in_collation(target, held)),
        )
    };
    for (source, target, expected) in [
        (("varchar(10)", RUSSIAN), ("varchar(10)", RUSSIAN), Every),
        (("varchar(10)", RUSSIAN), ("varchar(50)", WESTERN), Part),
        (("varchar(10)", RUSSIAN), ("nvarchar(10)", WESTERN), Every),
        (("char(10)", RUSSIAN), ("char(10)", WESTERN), Part),
        (("varchar(10)", WESTERN), ("varchar(30)", UNICODE), Every),
        (("varchar(10)", WESTERN), ("varchar(29)", UNICODE), Part),
        (("nvarchar(10)", WESTERN), ("varchar(30)", UNICODE), Every),
        (("varchar(10)", UNICODE), ("varchar(10)", WESTERN), Part),
        (("char(10)", UNICODE), ("nchar(10)", WESTERN), Part),
        (("varchar(10)", UNICODE), ("nvarchar(10)", WESTERN), Every),
        // Nothing is claimed of a collation that is not known.
        (
            ("varchar(10)", "Bashkir_100_CI_AS"),
            ("varchar(10)", WESTERN),
            Every,
        ),
    ] {
        let found = of(source.0, source.1, target.0, target.1);
        assert_eq!(found, expected, "{source:?} -> {target:?}");
    }
}

#[test]
fn the_wider_type_holds_both() {
    for (source, target, expected) in [
        ("varchar(50)", "varchar(10)", "varchar(50)"),
        ("varchar(50)", "nvarchar(20)", "nvarchar(50)"),
        ("nvarchar(20)", "varchar(50)", "nvarchar(50)"),
        ("varchar(50)", "nvarchar(80)", "nvarchar(80)"),
        ("char(20)", "varchar(10)", "varchar(20)"),
        ("varchar(8000)", "nvarchar(10)", "nvarchar(max)"),
        ("decimal(12,4)", "decimal(9,2)", "decimal(12,4)"),
        ("decimal(12,4)", "decimal(18,2)", "decimal(20,4)"),
        ("bigint", "int", "bigint"),
        ("bigint", "decimal(9,2)", "decimal(21,2)"),
        ("datetime2(7)", "datetime2(0)", "datetime2(7)"),
        ("datetime2(0)", "datetime", "datetime2(3)"),
        ("datetimeoffset(0)", "datetime", "datetimeoffset(3)"),
        ("time(7)", "time(0)", "time(7)"),
        ("binary(20)", "binary(10)", "varbinary(20)"),
    ] {
        let found = wider(&column(source), &column(target)).map(|data_type| data_type.to_string());
        assert_eq!(found.as_deref(), Some(expected), "{source} and {target}");
    }
    for (source, target) in [
        ("float", "decimal(9,2)"),
        ("float", "decimal(38,4)"),
        ("varchar(5)", "int"),
    ] {
        assert_eq!(
            wider(&column(source), &column(target)),
            None,
            "{source} and {target}"
        );
    }
    let russian = column(&in_collation("varchar(10)", RUSSIAN));
    assert_eq!(
        wider(&russian, &column("varchar(50)")).map(|data_type| data_type.to_string()),
        Some("nvarchar(50)".to_owned())
    );
}
