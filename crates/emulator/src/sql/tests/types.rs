//! Types: values come out as they went in, their order, and the results of expressions.

use super::{Server, column, ok, one, rows};
use crate::types::{Len, SqlType};

/// A type, literals in ascending order, and their printed forms.
const ORDERED: &[(&str, &[(&str, &str)])] = &[
    ("bit", &[("0", "0"), ("1", "1")]),
    ("tinyint", &[("0", "0"), ("255", "255")]),
    ("smallint", &[("-32768", "-32768"), ("32767", "32767")]),
    (
        "int",
        &[("-2147483648", "-2147483648"), ("2147483647", "2147483647")],
    ),
    (
        "bigint",
        &[
            ("-9223372036854775808", "-9223372036854775808"),
            ("9223372036854775807", "9223372036854775807"),
        ],
    ),
    (
        "decimal(9,2)",
        &[("-1.50", "-1.50"), ("0", "0.00"), ("1.005", "1.01")],
    ),
    (
        "numeric(38,10)",
        &[
            ("-99999999999999999999.5", "-99999999999999999999.5000000000"),
            ("-1", "-1.0000000000"),
            ("0.0000000001", "0.0000000001"),
            (
                "9999999999999999999999999999.9999999999",
                "9999999999999999999999999999.9999999999",
            ),
        ],
    ),
    (
        "money",
        &[
            ("-922337203685477.5808", "-922337203685477.58"),
            ("$1.5", "1.50"),
            ("922337203685477.5807", "922337203685477.58"),
        ],
    ),
    (
        "smallmoney",
        &[("-214748.3648", "-214748.36"), ("214748.3647", "214748.36")],
    ),
    ("real", &[("-1.5e10", "-1.5e+010"), ("0.25", "0.25")]),
    ("float", &[("-1e300", "-1e+300"), ("1.5", "1.5")]),
    ("char(4)", &[("'a'", "a   "), ("'B'", "B   ")]),
    ("varchar(10)", &[("'a'", "a"), ("'B'", "B"), ("'é'", "é")]),
    ("nchar(3)", &[("N'a'", "a  "), ("N'水'", "水  ")]),
    ("nvarchar(20)", &[("N'a'", "a"), ("N'😀'", "😀")]),
    ("nvarchar(max)", &[("N''", ""), ("N'it''s'", "it's")]),
    ("binary(3)", &[("0x01", "0x010000"), ("0x02", "0x020000")]),
    (
        "varbinary(max)",
        &[("0x", "0x"), ("0x00", "0x00"), ("0xFF", "0xFF")],
    ),
    (
        "date",
        &[
            ("'0001-01-01'", "0001-01-01"),
            ("'2025-10-31'", "2025-10-31"),
            ("'9999-12-31'", "9999-12-31"),
        ],
    ),
    (
        "time(3)",
        &[("'00:00'", "00:00:00.000"), ("'23:59:59.9994'", "23:59:59.999")],
    ),
    (
        "datetime2(7)",
        &[
            ("'0001-01-01'", "0001-01-01 00:00:00.0000000"),
            ("'2025-10-01T00:00:00.1234567'", "2025-10-01 00:00:00.1234567"),
        ],
    ),
    (
        "datetimeoffset(2)",
        &[
            ("'2025-10-01 10:00:00 +08:00'", "2025-10-01 10:00:00.00 +08:00"),
            ("'2025-10-01 03:00:00 +00:00'", "2025-10-01 03:00:00.00 +00:00"),
        ],
    ),
    (
        "uniqueidentifier",
        &[
            (
                "'FFFFFFFF-FFFF-FFFF-FFFF-000000000000'",
                "FFFFFFFF-FFFF-FFFF-FFFF-000000000000",
            ),
            (
                "'00000000-0000-0000-0000-010000000000'",
                "00000000-0000-0000-0000-010000000000",
            ),
        ],
    ),
];

#[test]
fn values_come_out_as_they_went_in_and_in_order() {
    let server = Server::new();
    let mut s = server.session();
    for (at, (ty, values)) in ORDERED.iter().enumerate() {
        ok(&mut s, &format!("CREATE TABLE t{at} (v {ty} NULL)"));
        if !ty.contains("max") {
            ok(&mut s, &format!("CREATE INDEX ix ON t{at} (v)"));
        }
        for (literal, _) in values.iter().rev() {
            ok(&mut s, &format!("INSERT t{at} VALUES ({literal})"));
        }
        ok(&mut s, &format!("INSERT t{at} VALUES (NULL)"));
        let expected: Vec<&str> = std::iter::once("NULL")
            .chain(values.iter().map(|v| v.1))
            .collect();
        assert_eq!(
            column(&mut s, &format!("SELECT v FROM t{at} ORDER BY v")),
            expected,
            "{ty}"
        );
        for (literal, printed) in *values {
            let found = column(
                &mut s,
                &format!("SELECT v FROM t{at} WHERE v = CAST({literal} AS {ty})"),
            );
            assert_eq!(found, [*printed], "{ty} {literal}");
        }
        if *ty != "bit" {
            assert_eq!(
                one(&mut s, &format!("SELECT MAX(v) FROM t{at}")),
                values[values.len() - 1].1,
                "{ty}"
            );
        }
    }
}

#[test]
fn datetime_and_smalldatetime_keep_their_ticks() {
    let server = Server::new();
    let mut s = server.session();
    ok(
        &mut s,
        "CREATE TABLE t (d datetime NOT NULL PRIMARY KEY, m smalldatetime NULL)",
    );
    ok(
        &mut s,
        "INSERT t VALUES ('2025-10-01T00:00:00.003', '2025-10-01 12:30:29'), ('2025-10-01T23:59:59.997', '2025-10-01 12:30:30'), ('1753-01-01', NULL)",
    );
    let expected = [
        "1753-01-01 00:00:00.0000000",
        "2025-10-01 00:00:00.0033333",
        "2025-10-01 23:59:59.9966667",
    ];
    assert_eq!(
        column(&mut s, "SELECT CAST(d AS datetime2(7)) FROM t ORDER BY d"),
        expected
    );
    assert_eq!(
        column(
            &mut s,
            "SELECT DATEPART(minute, m) FROM t WHERE m IS NOT NULL ORDER BY d"
        ),
        ["30", "31"]
    );
    assert_eq!(
        one(
            &mut s,
            "SELECT COUNT(*) FROM t WHERE d = '2025-10-01T00:00:00.004'"
        ),
        "1"
    );
    assert_eq!(
        one(
            &mut s,
            "SELECT COUNT(*) FROM t WHERE d >= CAST('2025-10-01' AS date) AND d < DATEADD(day, 1, CAST('2025-10-01' AS date))"
        ),
        "2"
    );
}

#[test]
fn text_compares_by_its_collation() {
    let server = Server::new();
    let mut s = server.session();
    ok(
        &mut s,
        "CREATE TABLE t (ci varchar(9) COLLATE Latin1_General_CI_AS, cs nvarchar(9) COLLATE Latin1_General_CS_AS, b nvarchar(9) COLLATE Latin1_General_BIN2, u varchar(20) COLLATE Latin1_General_100_CI_AS_SC_UTF8, n varchar(9))",
    );
    ok(&mut s, "INSERT t VALUES ('Ab ', N'Ab', N'Ab', N'水', N'水')");
    assert_eq!(
        rows(
            &mut s,
            "SELECT u, n, DATALENGTH(u), DATALENGTH(n), LEN(ci), DATALENGTH(ci) FROM t"
        ),
        [["水", "?", "3", "1", "2", "3"]]
    );
    for (condition, count) in [
        ("ci = N'aB'", "1"),
        ("cs = N'aB'", "0"),
        ("cs = N'aB' COLLATE Latin1_General_CI_AS", "1"),
        ("b = N'Ab'", "1"),
        ("b LIKE N'a%'", "0"),
        ("ci LIKE 'a_'", "1"),
        ("ci IN ('x', 'AB')", "1"),
        ("ci BETWEEN 'a' AND 'b'", "1"),
        ("ci > ''", "1"),
        ("u = N'水'", "1"),
    ] {
        assert_eq!(
            one(&mut s, &format!("SELECT COUNT(*) FROM t WHERE {condition}")),
            count,
            "{condition}"
        );
    }
}

#[test]
fn expressions() {
    let server = Server::new();
    let mut s = server.session();
    for (expression, expected) in [
        ("7 / 2", "3"),
        ("7 % 4 - 5 * 2", "-7"),
        ("7.0 / 2", "3.500000"),
        ("1.5 + 2", "3.5"),
        ("-(2 + 3)", "-5"),
        ("1e0 / 4", "0.25"),
        ("N'a' + 'b' + N'c'", "abc"),
        ("CAST(CAST(1 AS money) / 3 AS decimal(9,4))", "0.3333"),
        ("CASE WHEN 1 = 2 THEN 'x' WHEN 2 > 1 THEN N'y' END", "y"),
        ("CASE 3 WHEN 1 THEN 'a' ELSE 'b' END", "b"),
        ("COALESCE(NULL, NULL, 5)", "5"),
        ("ISNULL(NULL, 'z')", "z"),
        ("ISNULL(CAST(NULL AS varchar(2)), 'long')", "lo"),
        ("NULLIF(1, 1)", "NULL"),
        ("IIF(1 > 0, 1, 2)", "1"),
        ("LEN(N'ab  ')", "2"),
        ("LEN(N'😀')", "2"),
        ("DATALENGTH(N'abc')", "6"),
        ("DATALENGTH(CAST(5 AS bigint))", "8"),
        ("UPPER('aé') + LOWER(N'Ä')", "AÉä"),
        ("LEFT('abc', 2) + RIGHT('abc', 1)", "abc"),
        ("SUBSTRING(N'abcdef', 2, 3)", "bcd"),
        ("SUBSTRING('abc', 0, 2)", "a"),
        ("SUBSTRING(0x010203, 2, 1)", "0x02"),
        ("REPLACE('aBcb', 'B', '-')", "a-c-"),
        ("LTRIM('  a ') + RTRIM(' b  ') + TRIM(' c ')", "a  bc"),
        ("CONCAT('a', NULL, 1, 2.50)", "a12.50"),
        ("CHAR(65) + NCHAR(8364)", "A€"),
        ("REPLICATE('ab', 3)", "ababab"),
        ("CHARINDEX('C', 'abc')", "3"),
        ("REVERSE('abc')", "cba"),
        ("ABS(-5)", "5"),
        ("ABS(-1.25)", "1.25"),
        ("ROUND(1.256, 2)", "1.260"),
        ("CEILING(1.1) + FLOOR(-1.1)", "0"),
        (
            "YEAR('2025-10-31') * 10000 + MONTH('2025-10-31') * 100 + DAY('2025-10-31')",
            "20251031",
        ),
        ("DATEADD(month, 1, CAST('2025-01-31' AS date))", "2025-02-28"),
        (
            "DATEADD(ms, 3, CAST('2025-01-01' AS datetime2(3)))",
            "2025-01-01 00:00:00.003",
        ),
        ("DATEDIFF(month, '2025-10-31', '2025-11-01')", "1"),
        ("DATEDIFF_BIG(second, '2025-10-01', '2025-10-02')", "86400"),
        ("EOMONTH('2024-02-10')", "2024-02-29"),
        ("DATEFROMPARTS(2025, 10, 1)", "2025-10-01"),
        ("DATENAME(weekday, '2025-10-05')", "Sunday"),
        (
            "CONVERT(varchar(10), CAST('2025-10-05' AS date), 120)",
            "2025-10-05",
        ),
        (
            "CONVERT(nvarchar(30), CAST('2025-10-05T01:02:03.123' AS datetime2(3)), 126)",
            "2025-10-05T01:02:03.123",
        ),
        ("CONVERT(varchar(10), 0x0FAB, 1)", "0x0FAB"),
        ("CONVERT(varbinary(4), '0FAB', 2)", "0x0FAB"),
        ("TRY_CAST('x' AS int)", "NULL"),
        ("TRY_CONVERT(date, '2025-02-30')", "NULL"),
        ("CAST(N'ab' AS varbinary(4))", "0x61006200"),
        (
            "CAST(CAST('6F9619FF-8B86-D011-B42D-00C04FC964FF' AS uniqueidentifier) AS binary(16))",
            "0xFF19966F868B11D0B42D00C04FC964FF",
        ),
        ("LEN(CAST(NEWID() AS nvarchar(36)))", "36"),
        (
            "DATEDIFF(minute, GETUTCDATE(), GETDATE()) + DATEDIFF(hour, SYSDATETIME(), SYSDATETIMEOFFSET())",
            "0",
        ),
        ("@@TRANCOUNT + XACT_STATE()", "0"),
        (
            "CASE WHEN 'ab' LIKE '[a-c]_' AND 'a%' LIKE 'a!%' ESCAPE '!' AND 'x' NOT LIKE '[^x]' THEN 1 END",
            "1",
        ),
        (
            "CASE WHEN NULL = NULL OR NOT (1 <> 1) AND 5 BETWEEN 1 AND 5 THEN 1 ELSE 0 END",
            "1",
        ),
    ] {
        assert_eq!(
            one(&mut s, &format!("SELECT {expression}")),
            expected,
            "{expression}"
        );
    }
}

#[test]
fn expressions_have_sql_server_s_types() {
    let server = Server::new();
    let mut s = server.session();
    let decimal = |precision, scale| SqlType::Decimal {
        precision,
        scale,
        numeric: true,
    };
    for (expression, expected) in [
        ("1", SqlType::Int),
        ("3000000000", decimal(10, 0)),
        ("1.50", decimal(3, 2)),
        ("1.5 * 2.25", decimal(6, 3)),
        ("1 + CAST(1 AS bigint)", SqlType::BigInt),
        ("'abc'", SqlType::VarChar(Len::N(3))),
        ("N'ab' + 'c'", SqlType::NVarChar(Len::N(3))),
        ("COUNT(*)", SqlType::Int),
        ("COUNT_BIG(*)", SqlType::BigInt),
        ("SUM(CAST(1 AS tinyint))", SqlType::Int),
        ("CAST(1 AS varchar)", SqlType::VarChar(Len::N(30))),
        ("GETDATE()", SqlType::DateTime),
        ("SYSUTCDATETIME()", SqlType::DateTime2(7)),
        ("NULL", SqlType::Int),
        ("COALESCE(NULL, CAST('2025-10-01' AS date))", SqlType::Date),
        ("CASE WHEN 1 = 1 THEN 1 ELSE 1.5 END", decimal(11, 1)),
        ("DATEADD(day, 1, CAST('2025-10-01' AS date))", SqlType::Date),
    ] {
        assert_eq!(
            ok(&mut s, &format!("SELECT {expression} AS x")).sets[0].0[0].ty,
            expected,
            "{expression}"
        );
    }
}

#[test]
fn a_multi_row_insert_of_every_literal() {
    let server = Server::new();
    let mut s = server.session();
    ok(
        &mut s,
        "CREATE TABLE t (a int, b nvarchar(10), c varbinary(4), d datetime, e money, f bit, g uniqueidentifier, h float, i date DEFAULT '2025-01-02')",
    );
    ok(
        &mut s,
        "INSERT INTO t VALUES (1, N'ab''c', 0x0FAB, '2025-10-01T00:00:00.003', 1.50, 1, '6F9619FF-8B86-D011-B42D-00C04FC964FF', -0.0e0, DEFAULT), ('2', 5, NULL, NULL, '7', 'true', NULL, 1, NULL)",
    );
    assert_eq!(
        rows(
            &mut s,
            "SELECT a, b, c, CONVERT(nvarchar(30), d, 126), e, f, g, i FROM t ORDER BY a"
        ),
        [
            [
                "1",
                "ab'c",
                "0x0FAB",
                "2025-10-01T00:00:00.003",
                "1.50",
                "1",
                "6F9619FF-8B86-D011-B42D-00C04FC964FF",
                "2025-01-02"
            ],
            ["2", "5", "NULL", "NULL", "7.00", "1", "NULL", "NULL"],
        ]
    );
}
