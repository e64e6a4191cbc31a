//! Statements over dated rows: copying them by day, rows without a date, and rows that changed.

use super::{Server, call, column, fails, int, ok, one, params, rows, run, text};
use crate::types::{OwnedCell, SqlType};

const TABLES: &str = "CREATE TABLE dbo.T (k bigint NOT NULL CONSTRAINT PK_T PRIMARY KEY, d datetime NULL, a varchar(20) NULL, m decimal(19,4) NULL); \
    CREATE INDEX ix ON dbo.T (d) INCLUDE (a); \
    INSERT dbo.T VALUES (1, '2025-01-01T08:00:00', 'a', 1.5), (2, '2025-01-01T23:59:59.997', 'b', 2), (3, '2025-01-02', 'c', NULL), (4, NULL, 'd', 4), (5, NULL, NULL, 5); \
    CREATE TABLE #load (k int NOT NULL, c1 nvarchar(max) NULL, c2 nvarchar(max) NULL)";

fn big(value: i64) -> (SqlType, OwnedCell) {
    (SqlType::BigInt, OwnedCell::Integer(value))
}

#[test]
fn days_are_counted() {
    let server = Server::new();
    let mut s = server.session();
    ok(&mut s, TABLES);
    let days = "SELECT CAST([d] AS date) AS [day], COUNT_BIG(*) AS [n] FROM [dbo].[T] WHERE [d] >= @P1 AND [d] < @P2 GROUP BY CAST([d] AS date) ORDER BY CAST([d] AS date) OPTION (MAXDOP 1)";
    let answer = call(&mut s, days, params(&[text("2025-01-01"), text("2025-02-01")]));
    assert!(answer.errors.is_empty(), "{:?}", answer.errors);
    assert_eq!(answer.sets[0].1, [["2025-01-01", "2"], ["2025-01-02", "1"]]);
    assert_eq!(
        (answer.sets[0].0[0].ty, answer.sets[0].0[1].ty),
        (SqlType::Date, SqlType::BigInt)
    );
    assert_eq!(
        rows(
            &mut s,
            "SELECT CAST(d AS date), COUNT_BIG(*), MIN(k), MAX(k) FROM T GROUP BY CAST(d AS date) ORDER BY 1"
        ),
        [
            ["NULL", "2", "4", "5"],
            ["2025-01-01", "2", "1", "2"],
            ["2025-01-02", "1", "3", "3"]
        ]
    );
}

#[test]
fn rows_without_a_date_are_counted_and_read() {
    let server = Server::new();
    let mut s = server.session();
    ok(&mut s, TABLES);
    let count = call(
        &mut s,
        "SELECT COUNT_BIG(*) FROM [dbo].[T] WHERE [d] IS NULL AND [k] > @P1",
        params(&[big(4)]),
    );
    assert_eq!(count.sets[0].1, [["1"]]);
    // An aggregate has one row. ORDER BY a column is an error then, as in SQL Server.
    assert_eq!(
        call(
            &mut s,
            "SELECT COUNT_BIG(*) FROM [dbo].[T] WHERE [d] IS NULL AND [k] > @P1 ORDER BY [k]",
            params(&[big(4)])
        )
        .errors[0]
            .number,
        8127
    );
    let read = call(
        &mut s,
        "SELECT TOP (@P1) [k], CAST([a] AS nvarchar(max)) AS [a] FROM [dbo].[T] WHERE [d] IS NULL AND [k] > @P2 ORDER BY [k] OPTION (MAXDOP 1)",
        params(&[int(1), big(0)]),
    );
    assert_eq!(read.sets[0].1, [["4", "d"]]);
    let all = call(
        &mut s,
        "SELECT TOP (@P1) * FROM T WHERE d IS NULL ORDER BY k",
        params(&[big(9)]),
    );
    assert_eq!(all.sets[0].1.len(), 2);
}

#[test]
fn rows_are_staged_from_a_table_and_written_back() {
    let server = Server::new();
    let mut s = server.session();
    ok(&mut s, TABLES);
    let staged = call(
        &mut s,
        "INSERT INTO #load (k, c1, c2) SELECT k, CAST(a AS nvarchar(max)), CAST(m AS nvarchar(max)) FROM dbo.T WHERE k <= @P1",
        params(&[big(3)]),
    );
    assert_eq!(staged.dones[0], Some(3), "{:?}", staged.errors);
    assert_eq!(
        rows(&mut s, "SELECT k, c1, c2 FROM #load ORDER BY k"),
        [["1", "a", "1.5000"], ["2", "b", "2.0000"], ["3", "c", "NULL"]]
    );
    let updated = ok(
        &mut s,
        "UPDATE #load SET c1 = c1 + N'!', c2 = N'7.25' WHERE k < 3; \
         UPDATE t SET t.[a] = l.c1, t.m = CAST(l.c2 AS decimal(19,4)) FROM dbo.T AS t JOIN #load AS l ON l.k = t.[k] WHERE t.[d] IS NOT NULL",
    );
    assert_eq!(updated.dones, [Some(2), Some(3)]);
    assert_eq!(
        rows(&mut s, "SELECT a, m FROM T ORDER BY k"),
        [
            ["a!", "7.2500"],
            ["b!", "7.2500"],
            ["c", "NULL"],
            ["d", "4.0000"],
            ["NULL", "5.0000"]
        ]
    );
    // An EXCEPT of the two sides finds the differing rows, and only these change.
    let differing = "UPDATE t SET t.a = l.c1 FROM dbo.T AS t INNER JOIN #load AS l ON t.k = CAST(l.k AS bigint) WHERE EXISTS (SELECT t.a EXCEPT SELECT CAST(l.c1 AS varchar(20)))";
    assert_eq!(ok(&mut s, differing).dones, [Some(0)]);
    ok(&mut s, "UPDATE #load SET c1 = NULL WHERE k = 1");
    assert_eq!(ok(&mut s, differing).dones, [Some(1)]);
    let too_long = "UPDATE #load SET c1 = REPLICATE(N'x', 30); UPDATE t SET t.a = l.c1 FROM dbo.T AS t JOIN #load AS l ON l.k = t.k";
    assert_eq!(fails(&mut s, too_long).number, 8152);
}

#[test]
fn rows_that_are_not_staged_are_deleted() {
    let server = Server::new();
    let mut s = server.session();
    ok(&mut s, TABLES);
    ok(&mut s, "INSERT #load (k) VALUES (1), (3), (4)");
    let deleted = call(
        &mut s,
        "DELETE t FROM dbo.T AS t WHERE t.[d] >= @P1 AND t.[d] < @P2 AND NOT EXISTS (SELECT 1 FROM #load AS l WHERE CAST(l.k AS bigint) = t.[k])",
        params(&[text("2025-01-01"), text("2025-02-01")]),
    );
    assert_eq!(deleted.dones[0], Some(1), "{:?}", deleted.errors);
    ok(
        &mut s,
        "DELETE t FROM dbo.T AS t WHERE t.[d] IS NULL AND NOT EXISTS (SELECT 1 FROM #load AS l WHERE l.k = t.k)",
    );
    assert_eq!(column(&mut s, "SELECT k FROM T ORDER BY k"), ["1", "3", "4"]);
    let missing = "INSERT INTO dbo.T (k, a) SELECT l.k, l.c1 FROM #load AS l WHERE NOT EXISTS (SELECT 1 FROM dbo.T AS t WHERE t.k = l.k)";
    assert_eq!(ok(&mut s, missing).dones, [Some(0)]);
    ok(&mut s, "INSERT #load VALUES (9, N'i', NULL)");
    assert_eq!(ok(&mut s, missing).dones, [Some(1)]);
}

#[test]
fn a_part_of_a_primary_key_is_updated() {
    let server = Server::new();
    let mut s = server.session();
    ok(
        &mut s,
        "CREATE SCHEMA [shop]; CREATE TABLE [shop].[page] ([book] nvarchar(60) NOT NULL, [part] int NOT NULL, [n] bigint NOT NULL, CONSTRAINT [PK_page] PRIMARY KEY CLUSTERED ([book], [part])); \
         INSERT [shop].[page] VALUES (N'dbo.old', 1, 10), (N'dbo.old', 2, 20), (N'dbo.other', 1, 5)",
    );
    let rename = "UPDATE shop.page SET book = @P1 WHERE book = @P2";
    let done = call(&mut s, rename, params(&[text("dbo.new"), text("dbo.OLD")]));
    assert_eq!(done.dones[0], Some(2), "{:?}", done.errors);
    assert_eq!(
        rows(
            &mut s,
            "SELECT * FROM shop.page WHERE book = N'dbo.new' ORDER BY part"
        ),
        [["dbo.new", "1", "10"], ["dbo.new", "2", "20"]]
    );
    let clash = call(&mut s, rename, params(&[text("dbo.other"), text("dbo.NEW")]));
    assert_eq!(clash.errors[0].number, 2627);
    assert!(
        clash.errors[0]
            .message
            .ends_with("The duplicate key value is (dbo.other, 1)."),
        "{}",
        clash.errors[0]
    );
    // The whole statement is undone, and a key may pass over another row's on its way.
    ok(
        &mut s,
        "UPDATE shop.page SET part = part + 1 WHERE book = N'dbo.new'",
    );
    assert_eq!(
        column(&mut s, "SELECT part FROM shop.page ORDER BY book, part"),
        ["2", "3", "1"]
    );
    ok(
        &mut s,
        "UPDATE shop.page SET part = CASE part WHEN 2 THEN 3 ELSE 2 END WHERE book = N'dbo.new'",
    );
    assert_eq!(
        rows(
            &mut s,
            "SELECT part, n FROM shop.page WHERE book = N'dbo.new' ORDER BY part"
        ),
        [["2", "20"], ["3", "10"]]
    );
    assert!(
        run(&mut s, "UPDATE shop.page SET n = 0 WHERE part = 1")
            .errors
            .is_empty()
    );
    assert_eq!(
        one(&mut s, "SELECT n FROM shop.page WHERE book = N'dbo.other'"),
        "0"
    );
}
