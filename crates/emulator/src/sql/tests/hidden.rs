//! A database's GUID and clock, and the values and definitions that a login cannot see.

use super::{Server, fails, ok, one, rows};
use crate::sql::session::SqlSession;

const BROKER: &str = "SELECT service_broker_guid FROM sys.databases WHERE database_id = DB_ID()";

#[test]
fn a_database_keeps_its_guid() {
    let server = Server::new();
    let mut s = server.session();
    let first = one(&mut s, BROKER);
    ok(&mut s, "CREATE DATABASE other; USE other");
    let second = one(&mut s, BROKER);
    assert_ne!(first, second);
    assert_eq!(
        one(
            &mut s,
            "SELECT LOWER(CAST(service_broker_guid AS nvarchar(36))) FROM sys.databases WHERE name = N'other'"
        ),
        second.to_lowercase()
    );
    // A database that is created anew under a name is another database.
    ok(
        &mut s,
        "USE db; DROP DATABASE other; CREATE DATABASE other; USE other",
    );
    assert_ne!(one(&mut s, BROKER), second);
    drop(s);
    let server = server.reopened();
    let mut s = server.session();
    assert_eq!(one(&mut s, BROKER), first);
    drop(s);
    // A file of an older version has no GUID. It gets the same one at every opening.
    let path = server.state.database("db").unwrap().path.clone();
    let file = rusqlite::Connection::open(path).unwrap();
    file.execute("DELETE FROM _meta WHERE key = 'broker'", [])
        .unwrap();
    drop(file);
    let server = server.reopened();
    let derived = one(&mut server.session(), BROKER);
    assert_ne!(derived, first);
    assert_eq!(one(&mut server.reopened().session(), BROKER), derived);
}

#[test]
fn a_database_s_clock_is_set_apart() {
    let server = Server::new();
    let mut s = server.session();
    ok(
        &mut s,
        "CREATE DATABASE other; CREATE TABLE t (id int, at datetime2(0) NOT NULL DEFAULT SYSUTCDATETIME(), \
         day datetime NOT NULL DEFAULT CURRENT_TIMESTAMP)",
    );
    server.state.set_clock("DB", 60 * 86_400);
    for now in [
        "SYSDATETIME()",
        "SYSUTCDATETIME()",
        "GETDATE()",
        "GETUTCDATE()",
        "SYSDATETIMEOFFSET()",
        "CURRENT_TIMESTAMP",
    ] {
        let sql = format!("SELECT CONVERT(nvarchar(10), {now}, 23)");
        let ahead = one(&mut s, &sql);
        ok(&mut s, "USE other");
        let apart = format!("SELECT DATEDIFF(day, {now}, '{ahead}')");
        let days: i64 = one(&mut s, &apart).parse().unwrap();
        assert!((59..=60).contains(&days), "{now}: {days}");
        ok(&mut s, "USE db");
    }
    ok(&mut s, "INSERT t (id) VALUES (1)");
    assert_eq!(
        one(
            &mut s,
            "SELECT COUNT(*) FROM t WHERE DATEDIFF(minute, at, SYSDATETIME()) < 5 AND DATEDIFF(minute, day, GETDATE()) < 5"
        ),
        "1"
    );
    server.state.set_clock("db", 0);
    assert_eq!(
        one(
            &mut s,
            "SELECT COUNT(*) FROM t WHERE at > DATEADD(day, 59, SYSDATETIME()) AND day > DATEADD(day, 59, GETDATE())"
        ),
        "1"
    );
}

#[test]
fn alias_types_and_who_sees_them() {
    let server = Server::new();
    let (mut s, mut app) = (server.session(), server.session_as("app"));
    ok(
        &mut s,
        "CREATE SCHEMA own; CREATE TYPE [own].[Amount] FROM decimal(12, 3) NOT NULL; CREATE TYPE Note FROM nvarchar(20)",
    );
    ok(
        &mut s,
        "CREATE TABLE t (id int NOT NULL, a own.Amount, b [own].[amount] NULL, n Note, s sysname); INSERT t VALUES (1, 2.5, NULL, N'x', N's')",
    );
    let types = "SELECT c.name, y.name, y.is_user_defined, c.system_type_id, c.user_type_id, b.name, c.is_nullable, c.precision, c.max_length \
         FROM sys.columns AS c LEFT JOIN sys.types AS y ON y.user_type_id = c.user_type_id \
         LEFT JOIN sys.types AS b ON b.user_type_id = c.system_type_id WHERE c.object_id = OBJECT_ID(N't') ORDER BY c.column_id";
    let all = [
        ["id", "int", "0", "56", "56", "int", "0", "10", "4"],
        ["a", "Amount", "1", "106", "257", "decimal", "0", "12", "9"],
        ["b", "Amount", "1", "106", "257", "decimal", "1", "12", "9"],
        ["n", "Note", "1", "231", "258", "nvarchar", "1", "0", "40"],
        ["s", "sysname", "0", "231", "256", "nvarchar", "0", "0", "256"],
    ];
    assert_eq!(rows(&mut app, types), all);
    assert_eq!(rows(&mut s, "SELECT a, n FROM t"), [["2.500", "x"]]);
    let hidden = |mut row: [&'static str; 9]| {
        (row[1], row[2]) = ("NULL", "NULL");
        row
    };
    ok(&mut s, "DENY VIEW DEFINITION ON SCHEMA::own TO app");
    assert_eq!(
        rows(&mut app, types),
        [all[0], hidden(all[1]), hidden(all[2]), all[3], all[4]]
    );
    assert_eq!(rows(&mut s, types), all);
    ok(
        &mut s,
        "REVOKE VIEW DEFINITION ON SCHEMA::own FROM app; DENY VIEW DEFINITION ON TYPE::dbo.Note TO app",
    );
    assert_eq!(
        rows(&mut app, types),
        [all[0], all[1], all[2], hidden(all[3]), all[4]]
    );
    assert_eq!(fails(&mut s, "CREATE TYPE Note FROM int").number, 219);
    assert_eq!(fails(&mut s, "DROP TYPE Note").number, 3732);
    assert_eq!(fails(&mut s, "DROP TYPE nope").number, 218);
    ok(
        &mut s,
        "DROP TABLE t; DROP TYPE Note; DROP TYPE IF EXISTS Note; CREATE TYPE Other FROM int; CREATE TABLE u (o Other)",
    );
    assert_eq!(
        one(&mut s, "SELECT user_type_id FROM sys.columns WHERE name = N'o'"),
        "259"
    );
}

fn mask_secrets(s: &mut SqlSession) {
    ok(
        s,
        "CREATE TABLE t (id int NOT NULL PRIMARY KEY, m money MASKED WITH (FUNCTION = 'default()') NULL, n nvarchar(20), \
         c char(2) MASKED WITH (FUNCTION = 'default()'), d datetime, b varbinary(8), e decimal(30, 2)); \
         INSERT t VALUES (1, 5, N'secret', 'ab', '2025-10-01', 0x0102, 7), (2, 3, NULL, 'cd', NULL, NULL, NULL)",
    );
    for column in ["n", "d", "b", "e"] {
        ok(
            s,
            &format!("ALTER TABLE t ALTER COLUMN {column} ADD MASKED WITH (FUNCTION = 'default()')"),
        );
    }
}

#[test]
fn the_views_show_masked_columns() {
    let server = Server::new();
    let (mut s, mut app) = (server.session(), server.session_as("app"));
    mask_secrets(&mut s);
    let masked = "SELECT name, is_masked, masking_function FROM sys.masked_columns WHERE object_id = OBJECT_ID(N't') ORDER BY column_id";
    assert_eq!(rows(&mut app, masked)[0], ["m", "1", "default()"]);
    assert_eq!(rows(&mut app, masked).len(), 6);
    assert_eq!(
        rows(
            &mut app,
            "SELECT name, is_masked FROM sys.columns WHERE object_id = OBJECT_ID(N't') AND column_id < 3"
        ),
        [["id", "0"], ["m", "1"]]
    );
}

#[test]
fn masked_columns_are_read_as_masks() {
    let server = Server::new();
    let (mut s, mut app) = (server.session(), server.session_as("app"));
    mask_secrets(&mut s);
    let real = rows(&mut s, "SELECT * FROM t ORDER BY id");
    assert_eq!(
        real[0],
        [
            "1",
            "5.00",
            "secret",
            "ab",
            "Oct  1 2025 12:00AM",
            "0x0102",
            "7.00"
        ]
    );
    assert_eq!(rows(&mut app, "SELECT * FROM t ORDER BY id"), real);

    ok(&mut s, "DENY UNMASK TO app");
    let all = rows(&mut app, "SELECT * FROM t ORDER BY id");
    assert_eq!(
        all[0],
        ["1", "0.00", "xxxx", "xx", "Jan  1 1900 12:00AM", "0x30", "0.00"]
    );
    assert_eq!(all[1], ["2", "0.00", "NULL", "xx", "NULL", "NULL", "NULL"]);
    // Predicates and the order see the values. Expressions over them are masked, and a count is not.
    assert_eq!(
        rows(
            &mut app,
            "SELECT TOP (1) id, CAST(m AS decimal(19,4)), n + N'!' FROM t WHERE m > 1 ORDER BY m DESC"
        ),
        [["1", "0.0000", "xxxx"]]
    );
    assert_eq!(
        rows(&mut app, "SELECT id, m FROM t ORDER BY m"),
        [["2", "0.00"], ["1", "0.00"]]
    );
    assert_eq!(
        rows(&mut app, "SELECT COUNT_BIG(n), MAX(m) FROM t"),
        [["1", "0.00"]]
    );
    assert_eq!(
        rows(
            &mut app,
            "SELECT CAST(d AS date), COUNT_BIG(*) FROM t WHERE d IS NOT NULL GROUP BY CAST(d AS date)"
        ),
        [["1900-01-01", "1"]]
    );
    assert_eq!(rows(&mut s, "SELECT * FROM t ORDER BY id"), real);
    let may = "SELECT HAS_PERMS_BY_NAME(DB_NAME(), N'DATABASE', N'UNMASK'), HAS_PERMS_BY_NAME(N'dbo.t', N'OBJECT', N'UNMASK')";
    assert_eq!(rows(&mut app, may), [["0", "NULL"]]);
    assert_eq!(rows(&mut s, may), [["1", "NULL"]]);
    ok(&mut s, "GRANT UNMASK TO app");
    assert_eq!(rows(&mut app, "SELECT * FROM t ORDER BY id"), real);
    ok(
        &mut s,
        "DENY UNMASK TO app; ALTER TABLE t ALTER COLUMN n DROP MASKED",
    );
    assert_eq!(one(&mut app, "SELECT n FROM t WHERE id = 1"), "secret");
    assert_eq!(
        fails(&mut s, "ALTER TABLE t ALTER COLUMN nope DROP MASKED").number,
        4924
    );
}

#[test]
fn encrypted_columns_and_security_policies_are_shown() {
    let server = Server::new();
    let (mut s, mut app) = (server.session(), server.session_as("app"));
    ok(
        &mut s,
        "CREATE TABLE t (id int NOT NULL, e varchar(11) COLLATE Latin1_General_BIN2 ENCRYPTED WITH (COLUMN_ENCRYPTION_KEY = k, \
         ENCRYPTION_TYPE = DETERMINISTIC, ALGORITHM = 'AEAD_AES_256_CBC_HMAC_SHA_256') NOT NULL, r int \
         ENCRYPTED WITH (COLUMN_ENCRYPTION_KEY = k, ENCRYPTION_TYPE = Randomized, ALGORITHM = 'AEAD_AES_256_CBC_HMAC_SHA_256') NULL)",
    );
    let encrypted = "SELECT name, encryption_type, encryption_type_desc FROM sys.columns WHERE object_id = OBJECT_ID(N't')";
    let shown = [
        ["id", "NULL", "NULL"],
        ["e", "1", "DETERMINISTIC"],
        ["r", "2", "RANDOMIZED"],
    ];
    assert_eq!(rows(&mut app, encrypted), shown);
    ok(
        &mut s,
        "CREATE SCHEMA rls; CREATE SECURITY POLICY rls.p ADD FILTER PREDICATE rls.fn(id) ON dbo.t, ADD FILTER PREDICATE rls.fn(id, e) ON t \
         WITH (STATE = OFF); CREATE SECURITY POLICY q ADD FILTER PREDICATE rls.fn(id) ON t",
    );
    let policies = "SELECT policy.name, SCHEMA_NAME(policy.schema_id), policy.is_enabled, r.security_predicate_id, r.predicate_definition, \
         r.predicate_type_desc FROM sys.security_policies AS policy JOIN sys.security_predicates AS r \
         ON r.object_id = policy.object_id WHERE r.target_object_id = OBJECT_ID(N't') ORDER BY policy.name, 4";
    let shown = [
        ["p", "rls", "0", "1", "(rls.fn(id))", "FILTER"],
        ["p", "rls", "0", "2", "(rls.fn(id, e))", "FILTER"],
        ["q", "dbo", "1", "1", "(rls.fn(id))", "FILTER"],
    ];
    assert_eq!(rows(&mut app, policies), shown);
    ok(&mut s, "DENY VIEW DEFINITION TO app");
    assert_eq!(rows(&mut app, policies), shown);
    ok(&mut s, "DENY ALTER ANY SECURITY POLICY TO app");
    assert_eq!(rows(&mut app, policies), Vec::<Vec<String>>::new());
    assert_eq!(rows(&mut s, policies), shown);
    assert_eq!(
        fails(
            &mut s,
            "CREATE SECURITY POLICY q ADD FILTER PREDICATE rls.fn(id) ON t"
        )
        .number,
        2714
    );
    ok(&mut s, "DROP SECURITY POLICY q; DROP SECURITY POLICY IF EXISTS q");
    assert_eq!(rows(&mut s, policies), shown[..2]);
}
