//! A table of every type that is copied, with values at the edges of each: what to insert, what it is canonically,
//! and how the server prints it.

use mssql_sync::model::row::{Batch, Value, Values};
use mssql_sync::model::table::TableSchema;
use mssql_sync::mssql::Session;

/// Rows of the table; row 2 is NULL throughout.
const ROWS: usize = 3;
const NULL_ROW: usize = 2;

struct Column {
    name: &'static str,
    declared: &'static str,
    collation: &'static str,
    /// What a warehouse may have instead; empty for the same.
    widened: &'static str,
    /// Literal, canonical value, and the server's own print of it.
    values: [(&'static str, Value<'static>, &'static str); 2],
}

const fn decimal(units: i128, scale: u8) -> Value<'static> {
    Value::Decimal { units, scale }
}

const fn datetime(days: i32, ticks: u32) -> Value<'static> {
    Value::DateTime { days, ticks }
}

const fn datetime2(days: i32, ticks: u64) -> Value<'static> {
    Value::DateTime2 { days, ticks }
}

const fn offset(days: i32, ticks: u64, offset: i16) -> Value<'static> {
    Value::DateTimeOffset { days, ticks, offset }
}

macro_rules! column {
    ($name:literal, $declared:literal, $widened:literal, $a:expr, $b:expr) => {
        Column {
            name: $name,
            declared: $declared,
            collation: "",
            widened: $widened,
            values: [$a, $b],
        }
    };
    ($name:literal, $declared:literal, $collation:literal, $widened:literal, $a:expr, $b:expr) => {
        Column {
            name: $name,
            declared: $declared,
            collation: $collation,
            widened: $widened,
            values: [$a, $b],
        }
    };
}

/// 9999-12-31 as days since 0001-01-01.
const LAST_DAY: i32 = 3_652_058;
/// 2025-10-31.
const DAY: i32 = 739_554;
/// 12:34:56 in units of 100 ns.
const NOON: u64 = 452_960_000_000;

const COLUMNS: &[Column] = &[
    column!(
        "n_bit",
        "bit",
        "int",
        ("1", Value::Integer(1), "1"),
        ("0", Value::Integer(0), "0")
    ),
    column!(
        "n_tiny",
        "tinyint",
        "int",
        ("255", Value::Integer(255), "255"),
        ("0", Value::Integer(0), "0")
    ),
    column!(
        "n_small",
        "smallint",
        "bigint",
        ("-32768", Value::Integer(-32_768), "-32768"),
        ("7", Value::Integer(7), "7")
    ),
    column!(
        "n_int",
        "int",
        "bigint",
        ("-2147483648", Value::Integer(-2_147_483_648), "-2147483648"),
        ("2147483647", Value::Integer(2_147_483_647), "2147483647")
    ),
    column!(
        "n_big",
        "bigint",
        "decimal(19,0)",
        (
            "-9223372036854775808",
            Value::Integer(i64::MIN),
            "-9223372036854775808"
        ),
        (
            "9223372036854775807",
            Value::Integer(i64::MAX),
            "9223372036854775807"
        )
    ),
    column!(
        "n_dec",
        "decimal(9,2)",
        "decimal(19,4)",
        ("-1234567.89", decimal(-123_456_789, 2), "-1234567.89"),
        ("1.50", decimal(15, 1), "1.50")
    ),
    column!(
        "n_dec38",
        "decimal(38,0)",
        "",
        (
            "99999999999999999999999999999999999999",
            decimal(99_999_999_999_999_999_999_999_999_999_999_999_999, 0),
            "99999999999999999999999999999999999999"
        ),
        (
            "-18446744073709551616",
            decimal(-18_446_744_073_709_551_616, 0),
            "-18446744073709551616"
        )
    ),
    column!(
        "n_frac38",
        "numeric(38,38)",
        "",
        (
            "0.12345678901234567890123456789012345678",
            decimal(12_345_678_901_234_567_890_123_456_789_012_345_678, 38),
            "0.12345678901234567890123456789012345678"
        ),
        (
            "-0.00000000000000000000000000000000000001",
            decimal(-1, 38),
            "-0.00000000000000000000000000000000000001"
        )
    ),
    column!(
        "n_money",
        "money",
        "decimal(19,4)",
        (
            "922337203685477.5807",
            decimal(9_223_372_036_854_775_807, 4),
            "922337203685477.5807"
        ),
        (
            "-922337203685477.5808",
            decimal(-9_223_372_036_854_775_808, 4),
            "-922337203685477.5808"
        )
    ),
    column!(
        "n_smallmoney",
        "smallmoney",
        "money",
        ("214748.3647", decimal(2_147_483_647, 4), "214748.3647"),
        ("-0.0001", decimal(-1, 4), "-0.0001")
    ),
    column!(
        "n_real",
        "real",
        "float",
        ("0.1", Value::Float(0.1f32 as f64), ""),
        ("-3.4028235E+38", Value::Float(f32::MIN as f64), "")
    ),
    column!(
        "n_float",
        "float",
        "",
        ("0.1", Value::Float(0.1), ""),
        ("1.7976931348623157E+308", Value::Float(f64::MAX), "")
    ),
    column!(
        "n_char",
        "char(10)",
        "Latin1_General_CI_AS",
        "varchar(30)",
        (
            "N'caf\u{e9} \u{20ac}'",
            Value::Text("caf\u{e9} \u{20ac}    "),
            "caf\u{e9} \u{20ac}    "
        ),
        ("''", Value::Text("          "), "          ")
    ),
    column!(
        "n_varchar",
        "varchar(20)",
        "Latin1_General_CI_AS",
        "nvarchar(50)",
        ("'it''s  '", Value::Text("it's  "), "it's  "),
        ("''", Value::Text(""), "")
    ),
    column!(
        "n_utf8",
        "varchar(40)",
        "Latin1_General_100_CI_AS_SC_UTF8",
        "",
        (
            "N'zo\u{eb} \u{1f980} \u{4e2d}'",
            Value::Text("zo\u{eb} \u{1f980} \u{4e2d}"),
            "zo\u{eb} \u{1f980} \u{4e2d}"
        ),
        ("'a'", Value::Text("a"), "a")
    ),
    column!(
        "n_nchar",
        "nchar(4)",
        "Latin1_General_BIN2",
        "nvarchar(4)",
        ("N'\u{1f980}'", Value::Text("\u{1f980}  "), "\u{1f980}  "),
        ("N'abcd'", Value::Text("abcd"), "abcd")
    ),
    column!(
        "n_nvarchar",
        "nvarchar(4000)",
        "Latin1_General_CI_AS",
        "nvarchar(max)",
        ("REPLICATE(N'\u{fc}', 4000)", Value::Null, ""),
        (
            "N'tab\there\nline'",
            Value::Text("tab\there\nline"),
            "tab\there\nline"
        )
    ),
    column!(
        "n_max",
        "nvarchar(max)",
        "Latin1_General_CI_AS",
        "",
        (
            "REPLICATE(CAST(N'\u{1f980}x' AS nvarchar(max)), 30000)",
            Value::Null,
            ""
        ),
        ("N''", Value::Text(""), "")
    ),
    column!(
        "n_xml",
        "xml",
        "",
        (
            "N'<a b=\"1\">\u{e9}</a>'",
            Value::Text("<a b=\"1\">\u{e9}</a>"),
            "<a b=\"1\">\u{e9}</a>"
        ),
        ("N'<x/>'", Value::Text("<x/>"), "<x/>")
    ),
    column!(
        "n_binary",
        "binary(4)",
        "varbinary(8)",
        ("0x00FF", Value::Bytes(&[0, 255, 0, 0]), ""),
        ("0x01020304", Value::Bytes(&[1, 2, 3, 4]), "")
    ),
    column!(
        "n_varbinary",
        "varbinary(8000)",
        "varbinary(max)",
        ("0x", Value::Bytes(&[]), ""),
        ("0x0A", Value::Bytes(&[10]), "")
    ),
    column!(
        "n_blob",
        "varbinary(max)",
        "",
        (
            "CAST(REPLICATE(CAST('ab' AS varchar(max)), 50000) AS varbinary(max))",
            Value::Null,
            ""
        ),
        ("0xFFFE", Value::Bytes(&[255, 254]), "")
    ),
    column!(
        "n_date",
        "date",
        "datetime2(0)",
        ("'0001-01-01'", Value::Date(0), "0001-01-01"),
        ("'9999-12-31'", Value::Date(LAST_DAY), "9999-12-31")
    ),
    column!(
        "n_time7",
        "time(7)",
        "",
        (
            "'23:59:59.9999999'",
            Value::Time(863_999_999_999),
            "23:59:59.9999999"
        ),
        ("'00:00:00'", Value::Time(0), "00:00:00.0000000")
    ),
    column!(
        "n_time0",
        "time(0)",
        "time(3)",
        ("'12:34:56'", Value::Time(NOON), "12:34:56"),
        ("'23:59:59'", Value::Time(863_990_000_000), "23:59:59")
    ),
    column!(
        "n_datetime",
        "datetime",
        "datetime2(7)",
        (
            "'2025-10-31T12:34:56.003'",
            datetime(DAY - 693_595, 13_588_801),
            ""
        ),
        ("'1753-01-01T23:59:59.997'", datetime(-53_690, 25_919_999), "")
    ),
    column!(
        "n_smalldatetime",
        "smalldatetime",
        "datetime",
        (
            "'2079-06-06T23:59:00'",
            datetime2(693_595 + 65_535, 863_400_000_000),
            ""
        ),
        ("'1900-01-01T00:01:00'", datetime2(693_595, 600_000_000), "")
    ),
    column!(
        "n_dt2_0",
        "datetime2(0)",
        "datetime2(7)",
        (
            "'2025-10-31T12:34:56'",
            datetime2(DAY, NOON),
            "2025-10-31 12:34:56"
        ),
        ("'0001-01-01T00:00:00'", datetime2(0, 0), "0001-01-01 00:00:00")
    ),
    column!(
        "n_dt2_3",
        "datetime2(3)",
        "",
        (
            "'2025-10-31T12:34:56.789'",
            datetime2(DAY, NOON + 7_890_000),
            "2025-10-31 12:34:56.789"
        ),
        (
            "'9999-12-31T23:59:59.999'",
            datetime2(LAST_DAY, 863_999_990_000),
            "9999-12-31 23:59:59.999"
        )
    ),
    column!(
        "n_dt2_7",
        "datetime2(7)",
        "",
        (
            "'2025-10-31T12:34:56.1234567'",
            datetime2(DAY, NOON + 1_234_567),
            "2025-10-31 12:34:56.1234567"
        ),
        (
            "'9999-12-31T23:59:59.9999999'",
            datetime2(LAST_DAY, 863_999_999_999),
            "9999-12-31 23:59:59.9999999"
        )
    ),
    column!(
        "n_dto_7",
        "datetimeoffset(7)",
        "",
        (
            "'2025-10-31T12:34:56.1234567+00:00'",
            offset(DAY, NOON + 1_234_567, 0),
            "2025-10-31 12:34:56.1234567 +00:00"
        ),
        // 01:00 at +14:00 is 11:00 of the day before.
        (
            "'2025-10-31T01:00:00+14:00'",
            offset(DAY - 1, 396_000_000_000, 840),
            "2025-10-31 01:00:00.0000000 +14:00"
        )
    ),
    column!(
        "n_dto_0",
        "datetimeoffset(0)",
        "datetimeoffset(3)",
        (
            "'2025-10-31T12:34:56-09:30'",
            offset(DAY, NOON + 342_000_000_000, -570),
            "2025-10-31 12:34:56 -09:30"
        ),
        (
            "'0001-01-01T00:00:00+00:00'",
            offset(0, 0, 0),
            "0001-01-01 00:00:00 +00:00"
        )
    ),
    column!(
        "n_guid",
        "uniqueidentifier",
        "",
        (
            "'00112233-4455-6677-8899-AABBCCDDEEFF'",
            Value::Guid([
                0, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff
            ]),
            "00112233-4455-6677-8899-AABBCCDDEEFF"
        ),
        (
            "'FFFFFFFF-0000-0000-0000-000000000001'",
            Value::Guid([0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]),
            "FFFFFFFF-0000-0000-0000-000000000001"
        )
    ),
];

/// The values that are too long to be written down: `REPLICATE` makes them. Two of them are longer than a bulk load
/// takes.
fn long_value(name: &str) -> Option<String> {
    match name {
        "n_nvarchar" => Some("\u{fc}".repeat(4_000)),
        "n_max" => Some("\u{1f980}x".repeat(30_000)),
        "n_blob" => Some("ab".repeat(50_000)),
        _ => None,
    }
}

fn definition(table: &str, widened: bool) -> String {
    let mut columns = vec!["[id] int NOT NULL PRIMARY KEY".to_owned()];
    for column in COLUMNS {
        let wide = widened && !column.widened.is_empty();
        let declared = if wide { column.widened } else { column.declared };
        let collation = match column.collation {
            "" => String::new(),
            name => format!(" COLLATE {name}"),
        };
        columns.push(format!("[{}] {declared}{collation} NULL", column.name));
    }
    format!("CREATE TABLE [dbo].[{table}] ({})", columns.join(", "))
}

/// Makes the table without rows.
pub async fn create_empty(session: &mut Session, table: &str) {
    session.batch(&definition(table, false)).await.unwrap();
}

/// Makes the table as a warehouse may have it, without rows.
pub async fn create_widened(session: &mut Session, table: &str) {
    session.batch(&definition(table, true)).await.unwrap();
}

/// Makes the table and fills it.
pub async fn create(session: &mut Session, table: &str) {
    create_empty(session, table).await;
    let names: Vec<String> = COLUMNS
        .iter()
        .map(|column| format!("[{}]", column.name))
        .collect();
    for row in 0..ROWS {
        let literals: Vec<&str> = COLUMNS
            .iter()
            .map(|column| {
                if row == NULL_ROW {
                    "NULL"
                } else {
                    column.values[row].0
                }
            })
            .collect();
        let sql = format!(
            "INSERT INTO [dbo].[{table}] ([id], {}) VALUES ({row}, {})",
            names.join(", "),
            literals.join(", ")
        );
        session.batch(&sql).await.unwrap();
    }
}

/// The catalog's types are those that were declared.
pub fn check_types(schema: &TableSchema) {
    for (column, declared) in schema.columns.iter().skip(1).zip(COLUMNS) {
        assert_eq!(column.name.as_str(), declared.name);
        let expected = declared.declared.replace("numeric", "decimal");
        assert_eq!(column.data_type.to_string(), expected);
        let collation = (!declared.collation.is_empty()).then_some(declared.collation);
        if column.data_type.is_text() {
            assert_eq!(column.collation.as_deref(), collation);
        }
    }
}

/// The batch holds the table's rows, value by value.
pub fn check_values(batch: &Batch) {
    assert_eq!(batch.row_count(), ROWS);
    for (row, bytes) in batch.rows().enumerate() {
        let values = Values::new(bytes).collect().unwrap();
        assert_eq!(values.len(), COLUMNS.len() + 1);
        assert_eq!(values[0], Value::Integer(row as i64));
        for (column, value) in COLUMNS.iter().zip(&values[1..]) {
            let long = long_value(column.name).filter(|_| row == 0);
            let expected = match &long {
                Some(bytes) if column.name == "n_blob" => Value::Bytes(bytes.as_bytes()),
                Some(text) => Value::Text(text),
                None if row == NULL_ROW => Value::Null,
                None => column.values[row].1,
            };
            assert_eq!(*value, expected, "{} of row {row}", column.name);
        }
    }
}

/// What the server prints of every column of every row.
pub async fn printed(session: &mut Session, table: &str, schema: &TableSchema) -> Vec<Option<String>> {
    let mut printed = Vec::new();
    for column in &schema.columns[1..] {
        let name = column.name.quoted();
        let print = match column.data_type.to_string().as_str() {
            kind if kind.contains("binary") => format!("CONVERT(nvarchar(max), {name}, 1)"),
            kind if kind.contains("money") => format!("CAST(CAST({name} AS decimal(19,4)) AS nvarchar(50))"),
            "real" | "float" => format!("CONVERT(nvarchar(50), {name}, 3)"),
            "datetime" | "smalldatetime" => format!("CONVERT(nvarchar(50), {name}, 121)"),
            _ => format!("CAST({name} AS nvarchar(max))"),
        };
        let sql = format!("SELECT {print} FROM [dbo].[{table}] ORDER BY [id]");
        for row in session.rows(&sql, &[]).await.unwrap() {
            printed.push(row.optional_text(0).unwrap().map(str::to_owned));
        }
    }
    printed
}

/// The prints are those that were expected, where one is written down.
pub fn check_printed(printed: &[Option<String>]) {
    assert_eq!(printed.len(), COLUMNS.len() * ROWS);
    for (column, rows) in COLUMNS.iter().zip(printed.chunks(ROWS)) {
        assert_eq!(rows[NULL_ROW], None, "{}", column.name);
        for (row, (_, _, expected)) in column.values.iter().enumerate() {
            if !expected.is_empty() {
                assert_eq!(
                    rows[row].as_deref(),
                    Some(*expected),
                    "{} of row {row}",
                    column.name
                );
            }
        }
    }
}
