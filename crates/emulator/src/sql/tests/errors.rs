//! Error numbers and texts.

use super::{Server, fails, ok, one, run};

const SETUP: &str = "CREATE TABLE t (id int NOT NULL CONSTRAINT pk PRIMARY KEY, v nvarchar(3) NULL CONSTRAINT uq UNIQUE, n tinyint NULL, d date NOT NULL CONSTRAINT df DEFAULT '2025-10-01'); \
    CREATE UNIQUE INDEX ux ON t (n, v); INSERT t (id, v, n) VALUES (1, N'a', 5)";

/// A statement, its error's number, and a part of its text.
const ERRORS: &[(&str, i32, &str)] = &[
    ("SELEC 1", 102, "Incorrect syntax near 'SELEC'"),
    ("SELECT 1 +", 102, "Incorrect syntax near"),
    ("SELECT (1", 102, "The statement was: SELECT (1"),
    (
        "MERGE t USING u ON 1 = 1 WHEN MATCHED THEN DELETE;",
        102,
        "'MERGE'",
    ),
    ("SELECT @nope", 137, "Must declare the scalar variable \"@nope\"."),
    ("SET @nope = 1", 137, "\"@nope\""),
    ("SELECT nope FROM t", 207, "Invalid column name 'nope'."),
    ("SELECT t.nope FROM t", 207, "Invalid column name 'nope'."),
    ("INSERT t (nope) VALUES (1)", 207, "'nope'"),
    ("UPDATE t SET nope = 1", 207, "'nope'"),
    ("SELECT * FROM nope", 208, "Invalid object name 'nope'."),
    (
        "INSERT INTO dbo.nope VALUES (1)",
        208,
        "Invalid object name 'dbo.nope'.",
    ),
    (
        "SELECT x.id FROM t",
        4104,
        "The multi-part identifier \"x.id\" could not be bound.",
    ),
    (
        "SELECT id FROM t AS a, t AS b",
        209,
        "Ambiguous column name 'id'.",
    ),
    ("SELECT * FROM t, t", 1013, "same exposed names"),
    (
        "INSERT t VALUES (1)",
        213,
        "Column name or number of supplied values does not match table definition.",
    ),
    ("INSERT t (id, v) VALUES (1)", 109, "There are more columns"),
    ("INSERT t (id) VALUES (1, 2)", 110, "There are fewer columns"),
    ("INSERT t (id) SELECT 1, 2", 121, "more items"),
    ("INSERT t (id, id) VALUES (1, 2)", 264, "'id'"),
    (
        "SELECT CAST('2025-02-30' AS date)",
        241,
        "Conversion failed when converting date and/or time from character string.",
    ),
    (
        "SELECT CAST('abc' AS int)",
        245,
        "Conversion failed when converting the varchar value 'abc' to data type int.",
    ),
    (
        "SELECT CAST('x' AS decimal(9,2))",
        8114,
        "Error converting data type varchar to numeric.",
    ),
    (
        "SELECT CAST('x' AS uniqueidentifier)",
        8169,
        "Conversion failed when converting from a character string to uniqueidentifier.",
    ),
    ("SELECT CAST(300 AS tinyint)", 220, "tinyint"),
    (
        "SELECT CAST(3000000000 AS int)",
        8115,
        "Arithmetic overflow error converting",
    ),
    (
        "SELECT 2147483647 + 1",
        8115,
        "Arithmetic overflow error converting expression to data type int.",
    ),
    (
        "SELECT CAST(123.45 AS decimal(4,2))",
        8115,
        "Arithmetic overflow error converting numeric to data type numeric.",
    ),
    ("SELECT 1 / 0", 8134, "Divide by zero error encountered."),
    (
        "INSERT t (id) VALUES (GETDATE())",
        257,
        "Implicit conversion from data type datetime to int is not allowed.",
    ),
    (
        "INSERT t (id, d) VALUES (2, 5)",
        206,
        "Operand type clash: int is incompatible with date",
    ),
    (
        "INSERT t (id, v) VALUES (2, N'four')",
        8152,
        "String or binary data would be truncated.",
    ),
    ("UPDATE t SET v = N'four'", 8152, "truncated"),
    (
        "INSERT t (v) VALUES (N'b')",
        515,
        "Cannot insert the value NULL into column 'id', table 'db.dbo.t'; column does not allow nulls. INSERT fails.",
    ),
    ("UPDATE t SET id = NULL", 515, "UPDATE fails."),
    (
        "INSERT t (id) VALUES (1)",
        2627,
        "Violation of PRIMARY KEY constraint 'pk'. Cannot insert duplicate key in object 'dbo.t'. The duplicate key value is (1).",
    ),
    (
        "INSERT t (id, v) VALUES (2, N'A')",
        2627,
        "Violation of UNIQUE KEY constraint 'uq'. Cannot insert duplicate key in object 'dbo.t'. The duplicate key value is (A).",
    ),
    (
        "INSERT t (id, v) SELECT 7, N'q' UNION ALL SELECT 7, N'r'",
        2627,
        "The duplicate key value is (7).",
    ),
    (
        "CREATE TABLE a (x int, X int)",
        2705,
        "Column names in each table must be unique. Column name 'X' in table 'a' is specified more than once.",
    ),
    (
        "CREATE TABLE t (x int)",
        2714,
        "There is already an object named 't' in the database.",
    ),
    ("CREATE TABLE a (x int CONSTRAINT pk PRIMARY KEY)", 2714, "'pk'"),
    (
        "CREATE TABLE nope.a (x int)",
        2760,
        "The specified schema name \"nope\"",
    ),
    (
        "CREATE TABLE a (x nope)",
        243,
        "Type nope is not a defined system type.",
    ),
    ("CREATE TABLE a (x nvarchar(5000))", 2717, "5000"),
    ("CREATE TABLE a (x decimal(39,0))", 2750, "39"),
    (
        "CREATE TABLE a (x varchar(5) COLLATE Nope)",
        448,
        "Invalid collation 'Nope'.",
    ),
    (
        "CREATE TABLE a (x int NULL PRIMARY KEY)",
        8111,
        "nullable column in table 'a'",
    ),
    ("CREATE SCHEMA dbo", 2714, "'dbo'"),
    (
        "DROP TABLE nope",
        3701,
        "Cannot drop the table 'nope', because it does not exist or you do not have permission.",
    ),
    ("DROP INDEX nope ON t", 3701, "Cannot drop the index 't.nope'"),
    ("DROP INDEX pk ON t", 3723, "not allowed"),
    (
        "CREATE INDEX ux ON t (id)",
        1913,
        "'ux' already exists on table 'dbo.t'",
    ),
    (
        "CREATE INDEX q ON t (nope)",
        1911,
        "Column name 'nope' does not exist in the target table or view.",
    ),
    ("CREATE INDEX q ON nope (id)", 1088, "\"nope\""),
    ("CREATE CLUSTERED INDEX q ON t (id)", 1902, "'pk'"),
    (
        "ALTER TABLE t ADD q int NOT NULL",
        4901,
        "'q' cannot be added to non-empty table 't'",
    ),
    ("ALTER TABLE nope ADD q int", 4902, "\"nope\""),
    ("ALTER TABLE t DROP COLUMN d", 5074, "df"),
    (
        "ALTER TABLE t DROP CONSTRAINT nope",
        3728,
        "'nope' is not a constraint.",
    ),
    ("TRUNCATE TABLE nope", 4701, "\"nope\""),
    (
        "COMMIT",
        3902,
        "The COMMIT TRANSACTION request has no corresponding BEGIN TRANSACTION.",
    ),
    (
        "ROLLBACK",
        3903,
        "The ROLLBACK TRANSACTION request has no corresponding BEGIN TRANSACTION.",
    ),
    ("USE nope", 911, "Database 'nope' does not exist."),
    ("EXEC nope", 2812, "Could not find stored procedure 'nope'."),
    (
        "EXEC sp_rename N'nope', N'x'",
        15225,
        "No item by the name of 'nope'",
    ),
    (
        "EXEC sp_rename N't.nope', N'x', N'COLUMN'",
        15248,
        "Either the parameter @objname is ambiguous or the claimed @objtype (COLUMN) is wrong.",
    ),
    (
        "SELECT NOPE(1)",
        195,
        "'NOPE' is not a recognized built-in function name.",
    ),
    (
        "SELECT LEFT('a')",
        174,
        "The left function requires 2 argument(s).",
    ),
    (
        "SELECT SUM(v) FROM t",
        8117,
        "Operand data type nvarchar is invalid for sum operator.",
    ),
    ("SELECT 'a' COLLATE Nope", 448, "'Nope'"),
    (
        "SELECT 1 WHERE N'a' COLLATE Latin1_General_CI_AS = N'a' COLLATE Latin1_General_BIN2",
        468,
        "collation conflict",
    ),
    (
        "SELECT id FROM t UNION SELECT id, v FROM t",
        205,
        "equal number of expressions",
    ),
    (
        "SELECT id, COUNT(*) FROM t",
        8120,
        "Column 't.id' is invalid in the select list",
    ),
    (
        "SELECT v + N'x' FROM t AS a GROUP BY n HAVING n > 1",
        8120,
        "'a.v'",
    ),
    (
        "SELECT n FROM t GROUP BY n HAVING v = N'x'",
        8121,
        "the HAVING clause",
    ),
    (
        "SELECT n FROM t GROUP BY n ORDER BY v",
        8127,
        "the ORDER BY clause",
    ),
    ("SELECT * FROM t GROUP BY id", 8120, "'t.v'"),
    (
        "SELECT (SELECT 1 UNION ALL SELECT 2)",
        512,
        "Subquery returned more than 1 value.",
    ),
    ("SELECT id FROM t ORDER BY 5", 108, "position number 5"),
    ("SELECT @@NOPE", 137, "@@NOPE"),
    ("SELECT TOP 1 WITH TIES id FROM t ORDER BY id", 40000, "WITH TIES"),
    ("INSERT t OUTPUT inserted.id VALUES (1)", 102, "OUTPUT"),
    ("SELECT * FROM srv.db.dbo.t", 40000, "srv"),
    (
        "SELECT CAST(1 AS xml) WHERE CAST('<a/>' AS xml) = CAST('<a/>' AS xml)",
        305,
        "XML",
    ),
];

#[test]
fn errors_have_sql_server_s_numbers_and_texts() {
    let server = Server::new();
    let mut s = server.session();
    ok(&mut s, SETUP);
    for (sql, number, part) in ERRORS {
        let failure = fails(&mut s, sql);
        assert_eq!(failure.number, *number, "{sql}: {failure}");
        assert!(failure.message.contains(part), "{sql}: {failure}");
    }
    assert_eq!(one(&mut s, "SELECT COUNT(*) FROM t"), "1");
}

#[test]
fn null_keys_count_as_equal() {
    let server = Server::new();
    let mut s = server.session();
    ok(
        &mut s,
        "CREATE TABLE t (a int NULL, b nvarchar(5) NULL); CREATE UNIQUE INDEX ux ON t (a, b); CREATE UNIQUE INDEX uf ON t (b) WHERE b IS NOT NULL",
    );
    ok(&mut s, "INSERT t VALUES (1, NULL), (NULL, NULL), (2, NULL)");
    let failure = fails(&mut s, "INSERT t VALUES (1, NULL)");
    assert_eq!(
        failure.message,
        "Cannot insert duplicate key row in object 'dbo.t' with unique index 'ux'. The duplicate key value is (1, NULL)."
    );
    assert_eq!((failure.number, failure.class), (2601, 14));
    assert_eq!(fails(&mut s, "CREATE UNIQUE INDEX u2 ON t (b)").number, 1505);
}

#[test]
fn names_with_dots_in_them() {
    let server = Server::new();
    let mut s = server.session();
    ok(
        &mut s,
        "CREATE TABLE [o.t] ([b] int NULL, [a.b] int NOT NULL, [x\"y]]] int CONSTRAINT [u.q] UNIQUE)",
    );
    assert!(
        fails(&mut s, "INSERT [o.t] VALUES (1, NULL, 1)")
            .message
            .contains("column 'a.b', table 'db.dbo.o.t'")
    );
    ok(&mut s, "INSERT [o.t] VALUES (1, 2, 3)");
    let duplicate = fails(&mut s, "INSERT [o.t] ([a.b], [x\"y]]]) VALUES (5, 3)");
    assert_eq!(
        (duplicate.number, duplicate.message.contains("'u.q'")),
        (2627, true)
    );
}

#[test]
fn an_error_names_its_line_and_leaves_nothing_of_its_statement() {
    let server = Server::new();
    let mut s = server.session();
    ok(&mut s, SETUP);
    let answer = run(
        &mut s,
        "SELECT 1\n\nINSERT t (id, n, v) VALUES (8, 1, N'x'), (1, 2, N'y')\nSELECT @@ERROR",
    );
    assert_eq!((answer.errors[0].number, answer.errors[0].line), (2627, 3));
    assert_eq!(answer.sets[1].1, [["2627"]]);
    assert_eq!(one(&mut s, "SELECT COUNT(*) FROM t"), "1");
    assert_eq!(fails(&mut s, "SELECT 1;\nSELECT 1 FROM").line, 2);
}
