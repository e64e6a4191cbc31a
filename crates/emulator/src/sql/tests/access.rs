//! GRANT, DENY and REVOKE: the records they leave, and the refusals of a denial.

use super::{Server, column, fails, ok, one, rows, run};

const TABLES: &str = "CREATE SCHEMA q; CREATE TABLE dbo.t (id int NOT NULL, v nvarchar(5) NULL); CREATE TABLE q.u (id int); \
     INSERT t VALUES (1, N'a'); INSERT q.u VALUES (1)";
const RECORDED: &str = "SELECT p.class_desc, p.permission_name, p.state_desc, g.name, p.type, p.state \
    FROM sys.database_permissions AS p JOIN sys.database_principals AS g ON g.principal_id = p.grantee_principal_id \
    ORDER BY p.class, p.permission_name, g.name";

#[test]
fn permissions_are_recorded_kept_and_taken_back() {
    let server = Server::new();
    let mut s = server.session();
    ok(&mut s, TABLES);
    ok(
        &mut s,
        "GRANT SELECT, VIEW DEFINITION ON OBJECT::[dbo].[t] TO [reader], [app]; DENY ALTER ON SCHEMA::[q] TO app CASCADE; \
         GRANT CREATE TABLE TO app; GRANT INSERT ON t TO reader WITH GRANT OPTION; REVOKE SELECT ON dbo.t FROM app",
    );
    let expected = [
        ["DATABASE", "CREATE TABLE", "GRANT", "app", "CRTB", "G"],
        [
            "OBJECT_OR_COLUMN",
            "INSERT",
            "GRANT_WITH_GRANT_OPTION",
            "reader",
            "IN  ",
            "W",
        ],
        ["OBJECT_OR_COLUMN", "SELECT", "GRANT", "reader", "SL  ", "G"],
        ["OBJECT_OR_COLUMN", "VIEW DEFINITION", "GRANT", "app", "VW  ", "G"],
        [
            "OBJECT_OR_COLUMN",
            "VIEW DEFINITION",
            "GRANT",
            "reader",
            "VW  ",
            "G",
        ],
        ["SCHEMA", "ALTER", "DENY", "app", "AL  ", "D"],
    ];
    assert_eq!(rows(&mut s, RECORDED), expected);
    assert_eq!(
        rows(
            &mut s,
            "SELECT DISTINCT OBJECT_NAME(major_id), minor_id, USER_NAME(grantor_principal_id) FROM sys.database_permissions WHERE class = 1"
        ),
        [["t", "0", "dbo"]]
    );
    drop(s);
    let server = server.reopened();
    let mut s = server.session();
    assert_eq!(rows(&mut s, RECORDED), expected);
    ok(
        &mut s,
        "BEGIN TRAN; REVOKE INSERT ON t TO reader; DENY SELECT ON t TO reader; ROLLBACK",
    );
    assert_eq!(rows(&mut s, RECORDED), expected);
    ok(&mut s, "EXEC sp_rename N't', N'renamed'");
    assert_eq!(rows(&mut s, RECORDED), expected);
    ok(&mut s, "DROP TABLE renamed; DROP TABLE q.u; DROP SCHEMA q");
    assert_eq!(rows(&mut s, RECORDED), expected[..1]);
}

#[test]
fn principals() {
    let server = Server::new();
    let (mut s, _first, _second) = (
        server.session(),
        server.session_as("one"),
        server.session_as("two"),
    );
    let all = "SELECT name, principal_id, type FROM sys.database_principals ORDER BY principal_id";
    let fixed = [
        ["public", "0", "R"],
        ["dbo", "1", "S"],
        ["guest", "2", "S"],
        ["INFORMATION_SCHEMA", "3", "S"],
        ["sys", "4", "S"],
    ];
    let seen = [["one", "5", "S"], ["two", "6", "S"]];
    assert_eq!(rows(&mut s, all), [&fixed[..], &seen[..]].concat());
    ok(&mut s, "GRANT CREATE SCHEMA TO [stranger], Two");
    let recorded = [&fixed[..], &seen[..], &[["stranger", "7", "S"]]].concat();
    assert_eq!(rows(&mut s, all), recorded);
    assert_eq!(one(&mut s, "SELECT DATABASE_PRINCIPAL_ID(N'STRANGER')"), "7");
    for sql in ["DENY SELECT TO dbo", "GRANT SELECT TO sa"] {
        assert_eq!(fails(&mut s, sql).number, 4624, "{sql}");
    }
    assert_eq!(fails(&mut s, "GRANT SELECT ON nope TO one").number, 15151);
    assert_eq!(fails(&mut s, "GRANT SELECT ON SCHEMA::nope TO one").number, 15151);
    assert_eq!(fails(&mut s, "GRANT CREATE TABLE ON t TO one").number, 102);
}

#[test]
fn a_denied_permission_refuses_rows() {
    let server = Server::new();
    let (mut s, mut app) = (server.session(), server.session_as("app"));
    ok(&mut s, TABLES);
    let statements = [
        ("SELECT", "SELECT COUNT(*) FROM t"),
        ("SELECT", "SELECT 1 WHERE EXISTS (SELECT 1 FROM dbo.t)"),
        ("SELECT", "SELECT id INTO #copy FROM t"),
        ("SELECT", "DELETE q.u WHERE id IN (SELECT id FROM t)"),
        ("SELECT", "UPDATE t SET v = N'b' WHERE id = 7"),
        ("INSERT", "INSERT t VALUES (2, N'b')"),
        ("INSERT", "INSERT BULK t ([id] int, [v] nvarchar(5))"),
        ("UPDATE", "UPDATE t SET v = N'b'"),
        ("DELETE", "DELETE t"),
    ];
    for (permission, sql) in statements {
        ok(&mut s, &format!("DENY {permission} ON t TO App"));
        let refused = fails(&mut app, sql);
        let text =
            format!("The {permission} permission was denied on the object 't', database 'db', schema 'dbo'.");
        assert_eq!(
            (refused.number, refused.class, refused.message),
            (229, 14, text),
            "{sql}"
        );
        ok(&mut s, &format!("REVOKE {permission} ON t TO app"));
    }
    // A statement that reads nothing needs no SELECT, and other logins are not affected.
    ok(&mut s, "DENY SELECT ON SCHEMA::dbo TO app; DENY INSERT TO public");
    ok(
        &mut app,
        "UPDATE t SET v = N'b'; DELETE FROM t; SELECT * FROM q.u; CREATE TABLE #own (x int); INSERT #own VALUES (1)",
    );
    assert_eq!(run(&mut app, "SELECT * FROM t; SELECT 1").sets[0].1, [["1"]]);
    assert_eq!(fails(&mut app, "INSERT q.u VALUES (2)").number, 229);
    ok(&mut s, "INSERT t VALUES (3, N'c'); SELECT * FROM t");
    ok(
        &mut s,
        "GRANT SELECT ON SCHEMA::dbo TO app; REVOKE INSERT TO public",
    );
    ok(&mut app, "INSERT t VALUES (4, N'd'); SELECT * FROM t");
}

#[test]
fn a_denied_permission_refuses_schema_changes() {
    let server = Server::new();
    let (mut s, mut app) = (server.session(), server.session_as("app"));
    ok(&mut s, TABLES);
    ok(&mut s, "CREATE INDEX ix ON t (id); DENY ALTER ON t TO app");
    for (sql, number) in [
        ("ALTER TABLE dbo.t ADD x int NULL", 1088),
        ("CREATE INDEX iy ON t (id)", 1088),
        ("TRUNCATE TABLE t", 1088),
        ("DROP INDEX ix ON t", 3701),
        ("DROP TABLE t", 3701),
        ("EXEC sp_rename N't', N'x', N'OBJECT'", 15225),
        ("EXEC sp_rename N't.ix', N'x', N'INDEX'", 15248),
    ] {
        assert_eq!(fails(&mut app, sql).number, number, "{sql}");
    }
    ok(&mut app, "INSERT t VALUES (9, NULL); CREATE TABLE made (x int)");
    ok(
        &mut s,
        "DENY ALTER ON SCHEMA::q TO app; DENY CREATE TABLE, CREATE SCHEMA, ALTER ANY SCHEMA TO app",
    );
    let denied = fails(&mut app, "CREATE TABLE more (x int)");
    assert_eq!(
        (denied.number, denied.message.as_str()),
        (262, "CREATE TABLE permission denied in database 'db'.")
    );
    assert_eq!(fails(&mut app, "SELECT 1 AS x INTO more").number, 262);
    assert_eq!(fails(&mut app, "CREATE SCHEMA r").number, 262);
    assert_eq!(fails(&mut app, "DROP SCHEMA q").number, 15151);
    assert_eq!(fails(&mut app, "DROP TABLE q.u").number, 3701);
    ok(&mut s, "REVOKE CREATE TABLE TO app");
    ok(&mut app, "CREATE TABLE more (x int)");
    assert_eq!(fails(&mut app, "CREATE TABLE q.more (x int)").number, 2760);
}

#[test]
fn has_perms_by_name() {
    let server = Server::new();
    let (mut s, mut app) = (server.session(), server.session_as("app"));
    ok(&mut s, TABLES);
    let asked = [
        ("N'[dbo].[t]', N'OBJECT', N'SELECT'", "0"),
        ("N'db.dbo.t', N'OBJECT', N'select'", "0"),
        ("N'[dbo].[t]', N'OBJECT', N'INSERT'", "1"),
        ("N'q.u', N'OBJECT', N'ALTER'", "0"),
        ("N'q', N'SCHEMA', N'ALTER'", "0"),
        ("N'dbo', N'SCHEMA', N'ALTER'", "1"),
        ("DB_NAME(), N'DATABASE', N'CREATE TABLE'", "0"),
        ("N'master', N'DATABASE', N'CREATE TABLE'", "1"),
        ("NULL, NULL, 'VIEW SERVER STATE'", "1"),
        ("N'dbo.nope', N'OBJECT', N'SELECT'", "NULL"),
        ("N'nope', N'SCHEMA', N'ALTER'", "NULL"),
        ("N'nope', N'DATABASE', N'CREATE TABLE'", "NULL"),
    ];
    ok(
        &mut s,
        "DENY SELECT ON t TO app; DENY ALTER ON SCHEMA::q TO app; DENY CREATE TABLE TO app",
    );
    for (arguments, answer) in asked {
        let sql = format!("SELECT HAS_PERMS_BY_NAME({arguments})");
        assert_eq!(one(&mut app, &sql), answer, "{sql}");
        let of_sa = if answer == "NULL" { answer } else { "1" };
        assert_eq!(one(&mut s, &sql), of_sa, "{sql}");
    }
}

#[test]
fn a_user_may_do_what_it_was_granted_and_no_more() {
    let server = Server::new();
    let mut admin = server.session();
    ok(&mut admin, "CREATE TABLE dbo.t (a int); INSERT INTO t VALUES (1)");
    ok(&mut admin, "CREATE TABLE dbo.hidden (a int)");
    ok(
        &mut admin,
        "CREATE LOGIN etl WITH PASSWORD = N'it''s', CHECK_POLICY = ON; CREATE USER etl FOR LOGIN etl",
    );
    assert_eq!(
        fails(&mut admin, "CREATE LOGIN etl WITH PASSWORD = 'x'").number,
        15025
    );
    assert_eq!(fails(&mut admin, "CREATE USER etl WITHOUT LOGIN").number, 15023);
    let mut user = server.session_as("etl");
    assert_eq!(fails(&mut user, "SELECT a FROM t").number, 229);
    assert_eq!(fails(&mut user, "CREATE TABLE dbo.x (a int)").number, 262);
    assert_eq!(
        fails(&mut user, "CREATE LOGIN friend WITH PASSWORD = 'x'").number,
        15247
    );
    assert_eq!(column(&mut user, "SELECT name FROM sys.tables"), [""; 0]);
    ok(&mut user, "CREATE TABLE #t (a int); INSERT INTO #t VALUES (1)");

    ok(
        &mut admin,
        "GRANT SELECT, INSERT ON OBJECT::dbo.t TO etl; GRANT CREATE TABLE TO etl",
    );
    ok(&mut user, "INSERT INTO t SELECT a + 1 FROM t");
    assert_eq!(column(&mut user, "SELECT name FROM sys.tables"), ["t"]);
    assert_eq!(fails(&mut user, "DELETE FROM t").number, 229);
    assert_eq!(fails(&mut user, "DROP TABLE t").number, 3701);
    assert_eq!(fails(&mut user, "CREATE TABLE dbo.x (a int)").number, 2760);
    ok(
        &mut admin,
        "GRANT ALTER ON SCHEMA::dbo TO etl; GRANT DELETE TO public",
    );
    ok(
        &mut user,
        "CREATE TABLE dbo.x (a int); DROP TABLE dbo.x; DELETE FROM t",
    );
    ok(&mut admin, "DENY SELECT ON SCHEMA::dbo TO etl");
    assert_eq!(fails(&mut user, "SELECT a FROM t").number, 229);
}

#[test]
fn the_owner_of_a_schema_needs_no_grants_in_it() {
    let server = Server::new();
    let mut admin = server.session();
    ok(
        &mut admin,
        "CREATE USER etl WITHOUT LOGIN; GRANT CREATE TABLE TO etl",
    );
    ok(
        &mut admin,
        "EXEC(N'CREATE SCHEMA pos AUTHORIZATION etl'); CREATE TABLE pos.t (a int)",
    );
    let owner = "SELECT name FROM sys.schemas WHERE principal_id = DATABASE_PRINCIPAL_ID(N'etl')";
    assert_eq!(column(&mut admin, owner), ["pos"]);
    let mut user = server.session_as("etl");
    ok(
        &mut user,
        "INSERT INTO pos.t VALUES (1); UPDATE pos.t SET a = 2; SELECT a FROM pos.t",
    );
    ok(
        &mut user,
        "ALTER TABLE pos.t ADD b int; DROP TABLE pos.t; CREATE TABLE pos.u (a int)",
    );
    assert_eq!(
        one(&mut user, "SELECT HAS_PERMS_BY_NAME(N'pos', N'SCHEMA', N'ALTER')"),
        "1"
    );
    assert_eq!(
        one(&mut user, "SELECT HAS_PERMS_BY_NAME(N'dbo', N'SCHEMA', N'ALTER')"),
        "0"
    );
    assert_eq!(fails(&mut user, "CREATE TABLE dbo.x (a int)").number, 2760);
}

#[test]
fn the_dependencies_of_expressions_are_shown_to_those_who_may_select_them() {
    let server = Server::new();
    let mut admin = server.session();
    ok(&mut admin, "CREATE USER etl WITHOUT LOGIN");
    let mut user = server.session_as("etl");
    let select = "SELECT referenced_id FROM sys.sql_expression_dependencies";
    assert_eq!(fails(&mut user, select).number, 229);
    ok(
        &mut admin,
        "GRANT SELECT ON [sys].[sql_expression_dependencies] TO etl",
    );
    ok(&mut user, select);
    let may = "SELECT HAS_PERMS_BY_NAME(DB_NAME(), N'DATABASE', N'VIEW ANY SENSITIVITY CLASSIFICATION')";
    assert_eq!(one(&mut user, may), "0");
    ok(&mut admin, "GRANT VIEW ANY SENSITIVITY CLASSIFICATION TO etl");
    assert_eq!(one(&mut user, may), "1");
}

#[test]
fn logins_have_ids() {
    let server = Server::new();
    let mut admin = server.session();
    let ids = "SELECT SUSER_ID(N'sa'), SUSER_ID(N'etl'), CONVERT(nvarchar(100), SUSER_SID(N'sa'), 1), SUSER_SID(N'etl')";
    assert_eq!(rows(&mut admin, ids), [["1", "NULL", "0x01", "NULL"]]);
    ok(
        &mut admin,
        "CREATE LOGIN etl WITH PASSWORD = N'x'; ALTER LOGIN etl WITH PASSWORD = N'y' UNLOCK; ALTER LOGIN etl ENABLE",
    );
    assert_eq!(one(&mut admin, "SELECT SUSER_ID(N'ETL')"), "256");
    assert_eq!(fails(&mut admin, "ALTER LOGIN other ENABLE").number, 15151);
}
