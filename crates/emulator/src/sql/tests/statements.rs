//! Every group of statements that the emulator accepts.

use super::{Server, call, column, fails, int, ok, one, params, rows, run, text};
use crate::sql::session::SqlSession;
use crate::types::{OwnedCell, SqlType};

fn people(s: &mut SqlSession) {
    ok(
        s,
        "CREATE TABLE p (id int NOT NULL PRIMARY KEY, name nvarchar(30) NULL, city varchar(20) NULL, pay money NULL, born date NULL)",
    );
    ok(
        s,
        "INSERT INTO p VALUES (1, N'Ann', 'Rome', 10.5, '2000-01-31'), (2, N'bob', 'rome ', NULL, NULL), \
         (3, N'Cy', 'Oslo', -3, '1999-12-31'), (4, NULL, NULL, 7.25, '2000-02-29')",
    );
}

fn cities(s: &mut SqlSession) {
    ok(
        s,
        "CREATE TABLE c (city nvarchar(20), land nvarchar(20)); INSERT c VALUES (N'ROME', N'IT'), (N'Paris', N'FR')",
    );
}

#[test]
fn settings() {
    let server = Server::new();
    let mut s = server.session();
    ok(
        &mut s,
        "SET XACT_ABORT ON; SET LOCK_TIMEOUT 60000; SET DEADLOCK_PRIORITY LOW; SET ANSI_NULLS ON; SET ANSI_PADDING ON; \
         SET ANSI_WARNINGS ON; SET ARITHABORT ON; SET CONCAT_NULL_YIELDS_NULL ON; SET QUOTED_IDENTIFIER ON; \
         SET NUMERIC_ROUNDABORT OFF; SET NOCOUNT ON; SET TEXTSIZE 2147483647; SET TRANSACTION ISOLATION LEVEL READ COMMITTED; \
         SET DATEFORMAT ymd; SET LANGUAGE us_english; SET IMPLICIT_TRANSACTIONS OFF; SET ROWCOUNT 0; SET CURSOR_CLOSE_ON_COMMIT OFF; \
         SET ANSI_NULL_DFLT_ON ON; SET ANSI_NULLS, QUOTED_IDENTIFIER ON",
    );
    assert_eq!(one(&mut s, "SELECT @@LOCK_TIMEOUT"), "60000");
    assert_eq!(ok(&mut s, "SELECT 1").dones, [None]);
    assert_eq!(ok(&mut s, "SET NOCOUNT OFF; SELECT 1").dones, [None, Some(1)]);
    for refused in [
        "SET NOEXEC ON",
        "SET ROWCOUNT 5",
        "SET LANGUAGE german",
        "SET ANSI_NULLS OFF",
    ] {
        assert_eq!(fails(&mut s, refused).number, 40000, "{refused}");
    }
}

#[test]
fn a_select_behind_a_false_if_answers_nothing() {
    let server = Server::new();
    let mut s = server.session();
    people(&mut s);
    let guarded = "IF N'READ_ONLY' = DATABASEPROPERTYEX(N'db', N'Updateability') AND UPPER(@@SERVERNAME) NOT IN (@P2, @P3) \
        SELECT TOP (@P1) [id] FROM [dbo].[p] WHERE [id] > 0 ORDER BY [id] OPTION (MAXDOP 1)";
    let values = params(&[(SqlType::BigInt, OwnedCell::Integer(2)), text("A"), text("B")]);
    let no = call(&mut s, guarded, values.clone());
    assert_eq!((no.sets.len(), no.errors.len()), (0, 0));
    server.set_secondary(true);
    assert_eq!(call(&mut s, guarded, values).sets[0].1, [["1"], ["2"]]);
    let refused = params(&[(SqlType::BigInt, OwnedCell::Integer(2)), text("srv"), text("SRV")]);
    assert!(call(&mut s, guarded, refused).sets.is_empty());
    assert_eq!(
        one(
            &mut s,
            "IF 1 = 2 SELECT 1 ELSE IF 1 = 1 BEGIN SELECT 2 END ELSE SELECT 3"
        ),
        "2"
    );
}

#[test]
fn rows_after_a_key_are_read_in_the_key_s_order() {
    let server = Server::new();
    let mut s = server.session();
    ok(&mut s, "CREATE SCHEMA [ledger]");
    ok(
        &mut s,
        "CREATE TABLE [ledger].[t] ([D] datetime NOT NULL, [K] varchar(20) COLLATE Latin1_General_CI_AS NOT NULL, [A] money NULL, CONSTRAINT pk PRIMARY KEY ([D], [K]))",
    );
    ok(
        &mut s,
        "INSERT [ledger].[t] VALUES ('2025-10-01T00:00:00.003', 'b', 1), ('2025-10-01T00:00:00.003', 'A', 2), ('2025-10-01T00:00:00.007', 'a', 3), ('2025-11-01', 'z', 4)",
    );
    let page = "SELECT TOP (@P1) [K], CAST([A] AS decimal(19,4)) AS [A] FROM [ledger].[t] WHERE [D] >= CAST(@P2 AS datetime) AND [D] < CAST(@P3 AS datetime) AND [D] >= CAST(@P4 AS datetime) \
        AND ([D] > CAST(@P4 AS datetime) OR ([D] = CAST(@P4 AS datetime) AND [K] > CAST(@P5 AS varchar(20)) COLLATE Latin1_General_CI_AS)) ORDER BY [D], [K] OPTION (MAXDOP 1)";
    let mut after = |d: &str, k: &str| {
        let values = params(&[int(2), text("2025-10-01"), text("2025-11-01"), text(d), text(k)]);
        let answer = call(&mut s, page, values);
        assert!(answer.errors.is_empty(), "{:?}", answer.errors);
        answer.sets[0].1.clone()
    };
    assert_eq!(after("2025-10-01", ""), [["A", "2.0000"], ["b", "1.0000"]]);
    assert_eq!(after("2025-10-01T00:00:00.003", "B "), [["a", "3.0000"]]);
}

#[test]
fn counts_and_groups() {
    let server = Server::new();
    let mut s = server.session();
    people(&mut s);
    assert_eq!(
        rows(
            &mut s,
            "SELECT COUNT_BIG(*), COUNT(pay), SUM(pay), MIN(pay), MAX(pay), AVG(pay), COUNT(DISTINCT city) FROM p"
        ),
        [["4", "3", "14.75", "-3.00", "10.50", "4.92", "2"]]
    );
    assert_eq!(
        rows(
            &mut s,
            "SELECT SUM(id), AVG(id), SUM(CAST(id AS decimal(10,2))), AVG(CAST(id AS float)), MAX(name) FROM p"
        ),
        [["10", "2", "10.00", "2.5", "Cy"]]
    );
    assert_eq!(
        rows(
            &mut s,
            "SELECT city, COUNT(*) FROM p GROUP BY city HAVING COUNT(*) > 1 ORDER BY city"
        ),
        [["Rome", "2"]]
    );
    assert_eq!(
        rows(
            &mut s,
            "SELECT CAST(born AS datetime2(3)), COUNT_BIG(*) FROM p WHERE born IS NOT NULL GROUP BY CAST(born AS datetime2(3)) ORDER BY CAST(born AS datetime2(3)) DESC"
        )[0],
        ["2000-02-29 00:00:00.000", "1"]
    );
    assert_eq!(one(&mut s, "SELECT SUM(pay) FROM p WHERE id > 9"), "NULL");
    assert_eq!(
        one(&mut s, "SELECT COUNT_BIG(*) FROM [dbo].[p] WHERE [born] IS NULL"),
        "1"
    );
    assert_eq!(
        rows(
            &mut s,
            "SELECT YEAR(born) + 1, UPPER(city) FROM p WHERE id = 1 GROUP BY YEAR(born), city ORDER BY YEAR(born)"
        ),
        [["2001", "ROME"]]
    );
    assert_eq!(fails(&mut s, "SELECT id FROM p WHERE COUNT(*) > 1").number, 147);
    assert_eq!(
        column(
            &mut s,
            "SELECT ROW_NUMBER() OVER (PARTITION BY city ORDER BY id DESC) FROM p ORDER BY id"
        ),
        ["2", "1", "1", "1"]
    );
}

#[test]
fn tables_are_joined() {
    let server = Server::new();
    let mut s = server.session();
    people(&mut s);
    cities(&mut s);
    assert_eq!(
        column(
            &mut s,
            "SELECT p.name FROM p JOIN c ON c.city = p.city ORDER BY p.id"
        ),
        ["Ann", "bob"]
    );
    assert_eq!(
        rows(
            &mut s,
            "SELECT p.id, c.land FROM p LEFT OUTER JOIN c ON c.city = p.city AND p.id < 2 ORDER BY 1"
        ),
        [["1", "IT"], ["2", "NULL"], ["3", "NULL"], ["4", "NULL"]]
    );
    assert_eq!(
        rows(
            &mut s,
            "SELECT c.land, x.n FROM c RIGHT JOIN (SELECT city, COUNT(*) AS n FROM p GROUP BY city) AS x ON x.city = c.city ORDER BY x.n DESC, c.land"
        ),
        [["IT", "2"], ["NULL", "1"], ["NULL", "1"]]
    );
    assert_eq!(
        one(
            &mut s,
            "SELECT COUNT(*) FROM p CROSS JOIN c FULL JOIN (SELECT 1 AS z) AS q ON q.z = p.id"
        ),
        "8"
    );
}

#[test]
fn subqueries_answer_membership_existence_and_values() {
    let server = Server::new();
    let mut s = server.session();
    people(&mut s);
    cities(&mut s);
    assert_eq!(
        column(
            &mut s,
            "SELECT id FROM p WHERE city IN (SELECT city FROM c) AND id NOT IN (2, NULL)"
        ),
        Vec::<String>::new()
    );
    assert_eq!(
        column(
            &mut s,
            "SELECT id FROM p AS o WHERE EXISTS (SELECT 1 FROM c WHERE c.city = o.city) ORDER BY id"
        ),
        ["1", "2"]
    );
    assert_eq!(
        column(
            &mut s,
            "SELECT id FROM p AS o WHERE NOT EXISTS (SELECT * FROM c WHERE c.city = o.city AND o.pay > 0) ORDER BY id"
        ),
        ["2", "3", "4"]
    );
    assert_eq!(
        column(
            &mut s,
            "SELECT (SELECT land FROM c WHERE c.city = p.city) FROM p ORDER BY id"
        ),
        ["IT", "IT", "NULL", "NULL"]
    );
    assert_eq!(
        one(
            &mut s,
            "SELECT (SELECT MAX(land) FROM c WHERE c.city = p.city) FROM p WHERE id = 2"
        ),
        "IT"
    );
}

#[test]
fn queries_are_combined_ordered_and_cut() {
    let server = Server::new();
    let mut s = server.session();
    people(&mut s);
    cities(&mut s);
    assert_eq!(
        column(
            &mut s,
            "SELECT UPPER(x.city) FROM (SELECT city FROM p WHERE city IS NOT NULL UNION SELECT city FROM c) AS x ORDER BY x.city DESC"
        ),
        ["ROME", "PARIS", "OSLO"]
    );
    assert_eq!(
        column(&mut s, "SELECT id FROM p EXCEPT SELECT 2 UNION ALL SELECT 9"),
        ["1", "3", "4", "9"]
    );
    assert_eq!(
        column(&mut s, "SELECT 1 UNION ALL SELECT 2.5 ORDER BY 1"),
        ["1.0", "2.5"]
    );
    assert_eq!(
        column(
            &mut s,
            "WITH a (x) AS (SELECT id FROM p WHERE id < 3), b AS (SELECT x * 10 AS y FROM a) SELECT y FROM b ORDER BY y DESC"
        ),
        ["20", "10"]
    );
    assert_eq!(
        column(&mut s, "SELECT DISTINCT city FROM p ORDER BY city"),
        ["NULL", "Oslo", "Rome"]
    );
    assert_eq!(
        column(
            &mut s,
            "SELECT id FROM p ORDER BY id OFFSET 1 ROWS FETCH NEXT 2 ROWS ONLY"
        ),
        ["2", "3"]
    );
    assert_eq!(
        column(&mut s, "SELECT TOP 2 id FROM p WITH (NOLOCK) ORDER BY name DESC"),
        ["3", "2"]
    );
    assert_eq!(
        column(
            &mut s,
            "SELECT v FROM (VALUES (1, N'a'), (2, N'b')) AS t(k, v) WHERE k > 1"
        ),
        ["b"]
    );
    assert_eq!(
        fails(
            &mut s,
            "SELECT * FROM p WHERE EXISTS (SELECT 1 FROM c WHERE c.nope = p.id)"
        )
        .number,
        207
    );
}

#[test]
fn changes_by_join() {
    let server = Server::new();
    let mut s = server.session();
    people(&mut s);
    ok(
        &mut s,
        "DROP TABLE IF EXISTS #load; CREATE TABLE #load ([c1] nvarchar(max) NULL, [c2] decimal(19,4) NULL); INSERT #load VALUES (N'1', 5), (N'3', 6.12345)",
    );
    assert_eq!(ok(&mut s, "SELECT TOP 0 * FROM #load").sets[0].0.len(), 2);
    assert_eq!(ok(&mut s, "UPDATE t SET [pay] = CAST(l.c2 AS money), t.name = N'!' FROM p AS t JOIN #load AS l ON CAST(l.c1 AS int) = t.id").dones, [Some(2)]);
    assert_eq!(
        rows(
            &mut s,
            "SELECT id, name, CAST(pay AS decimal(9,4)) FROM p WHERE pay BETWEEN 5 AND 6.5"
        ),
        [["1", "!", "5.0000"], ["3", "!", "6.1235"]]
    );
    assert_eq!(ok(&mut s, "DELETE t FROM [dbo].[p] AS t WHERE EXISTS (SELECT 1 FROM #load AS l WHERE CAST(l.[c1] AS int) = t.[id])").dones, [Some(2)]);
    assert_eq!(ok(&mut s, "INSERT INTO [dbo].[p] ([id], [name], [pay]) SELECT CAST([c1] AS int), CAST([c1] COLLATE Latin1_General_CI_AS AS varchar(20)), CAST([c2] AS money) FROM #load").dones, [Some(2)]);
    assert_eq!(
        column(&mut s, "SELECT id FROM p ORDER BY id"),
        ["1", "2", "3", "4"]
    );
    ok(
        &mut s,
        "DELETE p FROM p INNER JOIN #load l ON l.c1 = p.name WHERE l.c2 > 5.5; UPDATE TOP (1) p SET pay = 0; DELETE TOP (1) FROM p; UPDATE p SET pay += 1, name = DEFAULT WHERE id = 2",
    );
    assert_eq!(
        rows(&mut s, "SELECT id, pay, name FROM p"),
        [["2", "NULL", "NULL"], ["4", "7.25", "NULL"]]
    );
    assert_eq!(
        ok(
            &mut s,
            "TRUNCATE TABLE #load; SELECT @@ROWCOUNT; SELECT COUNT(*) FROM #load"
        )
        .sets[1]
            .1,
        [["0"]]
    );
}

#[test]
fn an_update_counts_only_the_rows_whose_condition_still_holds() {
    let server = Server::new();
    let mut s = server.session();
    ok(
        &mut s,
        "CREATE TABLE counter ([name] nvarchar(20) NOT NULL PRIMARY KEY, [moved] datetime2(3) NOT NULL DEFAULT SYSUTCDATETIME(), [n] bigint NOT NULL)",
    );
    let insert = call(
        &mut s,
        "INSERT INTO counter ([name], [n]) VALUES (@P1, @P2)",
        params(&[text("T"), int(7)]),
    );
    assert_eq!(insert.dones[0], Some(1));
    let next = "UPDATE counter SET n = n + 1, moved = SYSUTCDATETIME() WHERE n = @P2 AND name = @P1";
    assert_eq!(call(&mut s, next, params(&[text("t"), int(7)])).dones[0], Some(1));
    assert_eq!(call(&mut s, next, params(&[text("t"), int(7)])).dones[0], Some(0));
    assert_eq!(
        one(
            &mut s,
            "SELECT DATEDIFF(day, moved, SYSUTCDATETIME()) + n FROM counter"
        ),
        "8"
    );
}

#[test]
fn tables_are_made_changed_and_dropped() {
    let server = Server::new();
    let mut s = server.session();
    ok(
        &mut s,
        "IF OBJECT_ID(N'[dbo].[a]', N'U') IS NULL BEGIN CREATE TABLE a (id int NOT NULL, v nvarchar(5) NULL) END ELSE SELECT 1",
    );
    assert!(
        ok(
            &mut s,
            "IF OBJECT_ID(N'[dbo].[a]', N'U') IS NULL CREATE TABLE a (id int)"
        )
        .sets
        .is_empty()
    );
    ok(&mut s, "INSERT a VALUES (1, N'x'), (2, NULL)");
    ok(
        &mut s,
        "ALTER TABLE a ADD w int NULL, z datetime2(3) NOT NULL CONSTRAINT df DEFAULT '2025-10-01'; ALTER TABLE a ADD CONSTRAINT pk PRIMARY KEY CLUSTERED (id)",
    );
    ok(&mut s, "ALTER TABLE a ALTER COLUMN v varchar(50) NULL");
    assert_eq!(
        rows(&mut s, "SELECT * FROM a"),
        [
            ["1", "x", "NULL", "2025-10-01 00:00:00.000"],
            ["2", "NULL", "NULL", "2025-10-01 00:00:00.000"]
        ]
    );
    ok(
        &mut s,
        "ALTER TABLE a WITH CHECK ADD CONSTRAINT ck CHECK (id < 10); CREATE UNIQUE INDEX ix ON a (v) WHERE v IS NOT NULL",
    );
    assert_eq!(fails(&mut s, "INSERT a (id) VALUES (10)").number, 547);
    assert_eq!(fails(&mut s, "INSERT a (id, v) VALUES (3, 'X')").number, 2601);
    assert_eq!(fails(&mut s, "INSERT a (id) VALUES (2)").number, 2627);
    ok(
        &mut s,
        "INSERT a (id) VALUES (3); ALTER TABLE a DROP CONSTRAINT ck, df; ALTER TABLE a DROP COLUMN z, w; DROP INDEX ix ON a; INSERT a VALUES (10, 'x')",
    );
    ok(
        &mut s,
        "EXEC sp_rename N'[dbo].[a]', N'b', N'OBJECT'; EXEC sp_rename N'dbo.b.v', N'w', N'COLUMN'; EXEC sp_rename N'b.pk', N'pk2', N'INDEX'",
    );
    assert_eq!(
        column(&mut s, "SELECT w FROM b ORDER BY id"),
        ["x", "NULL", "NULL", "x"]
    );
    assert_eq!(
        one(
            &mut s,
            "SELECT name FROM sys.indexes WHERE object_id = OBJECT_ID(N'b')"
        ),
        "pk2"
    );
    ok(
        &mut s,
        "SELECT id, w AS x INTO #copy FROM b WHERE id < 3; SELECT TOP 0 * INTO c FROM b",
    );
    assert_eq!(one(&mut s, "SELECT COUNT(*) FROM #copy"), "2");
    ok(&mut s, "DROP TABLE IF EXISTS b, nope; DROP TABLE c");
    assert_eq!(fails(&mut s, "SELECT * FROM b").number, 208);
    ok(&mut s, "CREATE SCHEMA q");
    assert_eq!(
        fails(&mut s, "CREATE TABLE q.t (x int); DROP SCHEMA q").number,
        3729
    );
    ok(&mut s, "DROP TABLE q.t; DROP SCHEMA q");
}

#[test]
fn foreign_keys() {
    let server = Server::new();
    let mut s = server.session();
    ok(
        &mut s,
        "CREATE TABLE f (id int NOT NULL PRIMARY KEY); CREATE TABLE k (id int CONSTRAINT fk REFERENCES f (id)); INSERT f VALUES (1); INSERT k VALUES (1), (NULL)",
    );
    let child = fails(&mut s, "INSERT k VALUES (2)");
    assert_eq!(
        child.message,
        "The INSERT statement conflicted with the FOREIGN KEY constraint \"fk\". The conflict occurred in database \"db\", table \"dbo.f\", column 'id'."
    );
    let parent = fails(&mut s, "DELETE f");
    assert_eq!(
        (
            parent.number,
            parent.message.contains("REFERENCE constraint \"fk\"")
        ),
        (547, true)
    );
    assert_eq!(fails(&mut s, "DROP TABLE f").number, 3726);
    assert_eq!(fails(&mut s, "TRUNCATE TABLE f").number, 4712);
    ok(
        &mut s,
        "ALTER TABLE f ADD x int NULL; DELETE k WHERE id = 1; DELETE f; DROP TABLE k; DROP TABLE f",
    );
}

#[test]
fn identity_columns() {
    let server = Server::new();
    let mut s = server.session();
    ok(
        &mut s,
        "CREATE TABLE t (n int IDENTITY(10,5) NOT NULL, v int NULL); INSERT t VALUES (1), (2); INSERT t (v) SELECT 3 UNION ALL SELECT 4; INSERT t DEFAULT VALUES",
    );
    assert_eq!(column(&mut s, "SELECT n FROM t"), ["10", "15", "20", "25", "30"]);
    assert_eq!(one(&mut s, "SELECT SCOPE_IDENTITY()"), "30");
    assert_eq!(fails(&mut s, "INSERT t (n, v) VALUES (1, 1)").number, 544);
    ok(
        &mut s,
        "SET IDENTITY_INSERT [dbo].[t] ON; INSERT t (n, v) VALUES (100, 1)",
    );
    assert_eq!(fails(&mut s, "INSERT t (v) VALUES (1)").number, 545);
    ok(&mut s, "SET IDENTITY_INSERT t OFF; INSERT t (v) VALUES (5)");
    assert_eq!(one(&mut s, "SELECT MAX(n) FROM t"), "105");
    assert_eq!(fails(&mut s, "UPDATE t SET n = 1").number, 8102);
    ok(&mut s, "TRUNCATE TABLE t; INSERT t VALUES (1)");
    assert_eq!(one(&mut s, "SELECT n FROM t"), "10");
}

#[test]
fn variables_and_loops() {
    let server = Server::new();
    let mut s = server.session();
    assert_eq!(
        one(
            &mut s,
            "DECLARE @i int = 0, @s nvarchar(20) = N''; WHILE 1 = 1 BEGIN SET @i += 1; IF @i = 2 CONTINUE; IF @i > 4 BREAK; SET @s = @s + CAST(@i AS nvarchar(2)) END SELECT @s"
        ),
        "134"
    );
    people(&mut s);
    assert_eq!(
        rows(
            &mut s,
            "DECLARE @n int, @m nvarchar(9); SELECT @n = id, @m = name FROM p WHERE id = 2; SELECT @n, @m, @@ROWCOUNT"
        ),
        [["2", "bob", "1"]]
    );
    assert_eq!(
        one(
            &mut s,
            "DECLARE @x int; EXEC sp_executesql N'SET @o = @i * 2', N'@i int, @o int OUTPUT', @i = 21, @o = @x OUTPUT; SELECT @x"
        ),
        "42"
    );
    assert!(ok(&mut s, "RETURN; SELECT 1").sets.is_empty());
    let printed = ok(&mut s, "PRINT N'a' + 'b'; RAISERROR('%s of %d', 5, 2, N'x', 7)");
    assert_eq!(
        (
            printed.infos[0].message.as_str(),
            printed.infos[1].message.as_str()
        ),
        ("ab", "x of 7")
    );
    let raised = run(&mut s, "RAISERROR(N'bad', 16, 3); SELECT @@ERROR");
    assert_eq!((raised.errors[0].number, raised.errors[0].state), (50_000, 3));
    assert_eq!(raised.sets[0].1, [["50000"]]);
    assert_eq!(one(&mut s, "EXEC(N'SELECT ' + N'5')"), "5");
    let procedure = call(&mut s, "EXEC sp_datatype_info_100 93", Vec::new());
    assert_eq!(procedure.sets[0].1[0][0], "datetime");
}

#[test]
fn names_of_three_parts_and_other_databases() {
    let server = Server::new();
    server.state.create_database("db2").unwrap();
    let mut s = server.session();
    ok(
        &mut s,
        "CREATE TABLE t (x int); INSERT t VALUES (1); USE [db2]; CREATE TABLE dbo.t (x int); INSERT db2..t SELECT x + 1 FROM db.dbo.t",
    );
    assert_eq!(
        rows(
            &mut s,
            "SELECT a.x, b.x FROM db.dbo.t AS a CROSS JOIN db2.dbo.t AS b"
        ),
        [["1", "2"]]
    );
    assert_eq!(one(&mut s, "SELECT db.dbo.t.x FROM db.dbo.t"), "1");
    let changed = ok(&mut s, "USE db");
    assert_eq!(
        (changed.databases, changed.infos[0].number),
        (vec!["db".to_owned()], 5701)
    );
    assert_eq!(one(&mut s, "SELECT DB_NAME()"), "db");
}

#[test]
fn statements_of_other_clients_are_answered() {
    let server = Server::new();
    let mut s = server.session();
    people(&mut s);
    ok(
        &mut s,
        "SET ARITHABORT ON; SET CONCAT_NULL_YIELDS_NULL ON; SET ANSI_NULLS ON; SET ANSI_NULL_DFLT_ON ON; SET ANSI_PADDING ON; SET ANSI_WARNINGS ON; SET CURSOR_CLOSE_ON_COMMIT ON; SET QUOTED_IDENTIFIER ON; SET TEXTSIZE 2147483647; SET IMPLICIT_TRANSACTIONS OFF",
    );
    assert_eq!(
        one(
            &mut s,
            "-- a comment\nselect /* nested /* one */ */ count(*) from \"dbo\".\"p\" where [Name] like 'b%'"
        ),
        "1"
    );
    assert_eq!(
        one(
            &mut s,
            "select * from (select top 1 id from p order by id desc) x;"
        ),
        "4"
    );
    assert_eq!(ok(&mut s, "use db\nset nocount on\nselect 1").sets.len(), 1);
}
