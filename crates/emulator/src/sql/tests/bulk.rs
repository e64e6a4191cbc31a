//! INSERT BULK: rows that it loads, and rows that it refuses.

use super::{Server, column, fails, ok, one, rows, run};
use crate::sql::session::SqlSession;
use crate::types::{Cell, Column, Len, Session, SqlError, SqlType};

fn sent(types: &[SqlType]) -> Vec<Column> {
    types
        .iter()
        .map(|ty| Column {
            name: String::new(),
            ty: *ty,
            nullable: true,
            identity: false,
            updateable: true,
            collation: None,
        })
        .collect()
}

fn load(s: &mut SqlSession, sql: &str, types: &[SqlType], data: &[&[Cell<'_>]]) -> Result<u64, SqlError> {
    ok(s, sql);
    let target = s.take_bulk().unwrap();
    assert_eq!(target.declared.len(), types.len());
    assert!(s.take_bulk().is_none());
    s.bulk_begin(&sent(types))?;
    let mut failure = None;
    for row in data {
        if let Err(e) = s.bulk_row(row) {
            failure = Some(e);
            break;
        }
    }
    let count = s.bulk_end(failure.is_none())?;
    failure.map_or(Ok(count), Err)
}

const MAX: SqlType = SqlType::NVarChar(Len::Max);
const MONEY: SqlType = SqlType::Decimal {
    precision: 19,
    scale: 4,
    numeric: false,
};

#[test]
fn rows_go_into_temp_tables_and_tables() {
    let server = Server::new();
    let mut s = server.session();
    ok(
        &mut s,
        "CREATE TABLE #load ([c1] nvarchar(max) NULL, [c2] decimal(9,2) NULL, [c3] int NULL)",
    );
    let numeric = SqlType::Decimal {
        precision: 9,
        scale: 2,
        numeric: true,
    };
    let types = [MAX, numeric, SqlType::Int];
    let sql = "INSERT BULK #load ([c1] nvarchar(max), [c2] decimal(9,2), [c3] int) WITH (KEEP_NULLS)";
    let data: [&[Cell<'_>]; 2] = [
        &[Cell::Text("日本 😀"), Cell::Integer(150), Cell::Integer(-1)],
        &[Cell::Null, Cell::Null, Cell::Null],
    ];
    assert_eq!(load(&mut s, sql, &types, &data), Ok(2));
    assert_eq!(
        rows(&mut s, "SELECT * FROM #load ORDER BY c3 DESC"),
        [["日本 😀", "1.50", "-1"], ["NULL", "NULL", "NULL"]]
    );
    ok(
        &mut s,
        "CREATE TABLE t (id int NOT NULL PRIMARY KEY, v varchar(3) NULL, x int NOT NULL DEFAULT 7, n int IDENTITY(5,5))",
    );
    let sql = "INSERT BULK dbo.t (id int, v nvarchar(max))";
    assert_eq!(
        load(
            &mut s,
            sql,
            &[SqlType::Int, MAX],
            &[
                &[Cell::Integer(1), Cell::Text("é")],
                &[Cell::Integer(2), Cell::Null]
            ]
        ),
        Ok(2)
    );
    assert_eq!(
        rows(&mut s, "SELECT id, v, x, n FROM t ORDER BY id"),
        [["1", "é", "7", "5"], ["2", "NULL", "7", "10"]]
    );
}

#[test]
fn an_error_undoes_the_whole_load() {
    let server = Server::new();
    let mut s = server.session();
    ok(
        &mut s,
        "CREATE TABLE t (id int NOT NULL CONSTRAINT pk PRIMARY KEY, v nvarchar(3) NULL); INSERT t VALUES (3, N'c')",
    );
    let sql = "INSERT BULK t (id int, v nvarchar(10)) WITH (KEEP_NULLS)";
    let types = [SqlType::Int, SqlType::NVarChar(Len::N(10))];
    let duplicate = load(
        &mut s,
        sql,
        &types,
        &[&[Cell::Integer(1), Cell::Null], &[Cell::Integer(3), Cell::Null]],
    )
    .unwrap_err();
    assert_eq!(duplicate.number, 2627);
    assert_eq!(
        duplicate.message,
        "Violation of PRIMARY KEY constraint 'pk'. Cannot insert duplicate key in object 'dbo.t'. The duplicate key value is (3)."
    );
    assert_eq!(
        load(&mut s, sql, &types, &[&[Cell::Integer(1), Cell::Text("four")]])
            .unwrap_err()
            .number,
        8152
    );
    assert_eq!(
        load(&mut s, sql, &types, &[&[Cell::Null, Cell::Null]])
            .unwrap_err()
            .number,
        515
    );
    assert_eq!(column(&mut s, "SELECT id FROM t"), ["3"]);
    ok(&mut s, "BEGIN TRAN; INSERT t VALUES (4, NULL)");
    assert_eq!(
        load(&mut s, sql, &types, &[&[Cell::Integer(5), Cell::Null]]),
        Ok(1)
    );
    assert!(
        load(
            &mut s,
            sql,
            &types,
            &[&[Cell::Integer(6), Cell::Null], &[Cell::Integer(5), Cell::Null]]
        )
        .is_err()
    );
    ok(&mut s, "COMMIT");
    assert_eq!(column(&mut s, "SELECT id FROM t ORDER BY id"), ["3", "4", "5"]);
}

#[test]
fn a_load_that_is_not_kept_leaves_nothing() {
    let server = Server::new();
    let mut s = server.session();
    ok(&mut s, "CREATE TABLE t (id int); INSERT BULK t (id int)");
    s.bulk_begin(&sent(&[SqlType::Int])).unwrap();
    s.bulk_row(&[Cell::Integer(1)]).unwrap();
    assert_eq!(s.bulk_end(false), Ok(0));
    assert_eq!(one(&mut s, "SELECT COUNT(*) FROM t"), "0");
    // Dropping the session in the middle of a load undoes it, too.
    ok(&mut s, "INSERT BULK t (id int)");
    s.bulk_begin(&sent(&[SqlType::Int])).unwrap();
    s.bulk_row(&[Cell::Integer(1)]).unwrap();
    drop(s);
    let mut other = server.session();
    ok(&mut other, "SET LOCK_TIMEOUT 0; INSERT t VALUES (2)");
    assert_eq!(column(&mut other, "SELECT id FROM t"), ["2"]);
}

#[test]
fn types_that_do_not_agree_are_refused() {
    let server = Server::new();
    let mut s = server.session();
    ok(
        &mut s,
        "CREATE TABLE #l (a nvarchar(4000), b time(3), c smalldatetime, d decimal(19,4), e datetimeoffset(2), n nchar(3000))",
    );
    let cases: [(&str, SqlType); 6] = [
        ("a nvarchar(max)", SqlType::NVarChar(Len::N(4000))),
        ("b time", SqlType::Time(3)),
        ("c datetime", SqlType::SmallDateTime),
        ("d decimal(18,4)", MONEY),
        ("e datetimeoffset", SqlType::DateTimeOffset(2)),
        ("a nvarchar(10)", SqlType::NVarChar(Len::N(11))),
    ];
    for (declared, ty) in cases {
        ok(&mut s, &format!("INSERT BULK #l ({declared})"));
        assert_eq!(s.bulk_begin(&sent(&[ty])).unwrap_err().number, 4816, "{declared}");
    }
    assert_eq!(
        fails(&mut s, "INSERT BULK #l (n nchar(6000))").message,
        "Invalid column type from bcp client for colid 1."
    );
    assert_eq!(fails(&mut s, "INSERT BULK #l (b int)").number, 4816);
    assert_eq!(fails(&mut s, "INSERT BULK #l (q int)").number, 207);
    assert_eq!(fails(&mut s, "INSERT BULK #none (q int)").number, 208);
    ok(&mut s, "INSERT BULK #l (a nvarchar(4000), d decimal(19,4))");
    assert_eq!(
        s.bulk_begin(&sent(&[SqlType::NVarChar(Len::N(10))]))
            .unwrap_err()
            .number,
        4816
    );
    assert!(s.bulk_begin(&sent(&[SqlType::Int])).is_err());
    let read_only = run(&mut s, "INSERT BULK #l (a nvarchar(4000))");
    assert!(read_only.errors.is_empty());
}

#[test]
fn nulls_take_defaults_unless_they_are_kept() {
    let server = Server::new();
    let mut s = server.session();
    ok(
        &mut s,
        "CREATE TABLE t (id int NULL DEFAULT 9, d datetime2(3) DEFAULT '2025-10-01', g nvarchar(5) DEFAULT N'it''s')",
    );
    assert_eq!(
        load(
            &mut s,
            "INSERT BULK t (id int)",
            &[SqlType::Int],
            &[&[Cell::Null]]
        ),
        Ok(1)
    );
    assert_eq!(
        load(
            &mut s,
            "INSERT BULK t (id int) WITH (KEEP_NULLS)",
            &[SqlType::Int],
            &[&[Cell::Null]]
        ),
        Ok(1)
    );
    let expected = [
        ["9", "2025-10-01 00:00:00.000", "it's"],
        ["NULL", "2025-10-01 00:00:00.000", "it's"],
    ];
    assert_eq!(rows(&mut s, "SELECT * FROM t ORDER BY id DESC"), expected);
}
