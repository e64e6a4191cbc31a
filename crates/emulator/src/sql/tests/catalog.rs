//! The catalog views and the functions that look names up.

use super::{Server, column, fails, ok, one, params, rows, text};
use crate::types::{Len, SqlType};

const RECEIPT: &str = "CREATE TABLE [sync].[receipt] ([table_name] nvarchar(128) NOT NULL, [at] datetime2(3) NOT NULL CONSTRAINT [DF_at] DEFAULT SYSUTCDATETIME(), \
    [digest] binary(32) NULL, [x] int IDENTITY(1,1), [note] varchar(max) COLLATE Latin1_General_BIN2 NULL, [amount] decimal(19,4) NULL, \
    CONSTRAINT [PK_r] PRIMARY KEY NONCLUSTERED ([table_name], [at] DESC), CONSTRAINT [UQ_r] UNIQUE ([x]))";

#[test]
fn the_product_s_catalog_queries() {
    let server = Server::new();
    let mut s = server.session();
    ok(
        &mut s,
        "IF SCHEMA_ID(N'sync') IS NULL EXEC(N'CREATE SCHEMA [sync]')",
    );
    ok(&mut s, RECEIPT);
    ok(
        &mut s,
        "CREATE CLUSTERED INDEX [IX_d] ON [sync].[receipt] ([digest]); CREATE UNIQUE INDEX [IX_f] ON [sync].[receipt] ([amount]) INCLUDE ([note]) WHERE [note] IS NOT NULL",
    );
    let find = "SELECT t.object_id, t.create_date FROM sys.tables AS t JOIN sys.schemas AS s ON s.schema_id = t.schema_id WHERE s.name = @P1 AND t.name = @P2";
    let found = super::call(&mut s, find, params(&[text("SYNC"), text("Receipt")]));
    assert!(found.errors.is_empty(), "{:?}", found.errors);
    assert_eq!(found.sets[0].0[1].ty, SqlType::DateTime);
    let id = found.sets[0].1[0][0].clone();
    assert_eq!(one(&mut s, "SELECT OBJECT_ID(N'[sync].[receipt]', N'U')"), id);
    let columns = format!(
        "SELECT c.column_id, c.name, ty.name, ty.is_user_defined, c.max_length, c.precision, c.scale, c.is_nullable, c.is_identity, c.is_computed, c.collation_name \
         FROM sys.columns AS c JOIN sys.types AS ty ON ty.user_type_id = c.user_type_id WHERE c.object_id = {id} ORDER BY c.column_id"
    );
    assert_eq!(
        rows(&mut s, &columns),
        [
            [
                "1",
                "table_name",
                "nvarchar",
                "0",
                "256",
                "0",
                "0",
                "0",
                "0",
                "0",
                "SQL_Latin1_General_CP1_CI_AS"
            ],
            ["2", "at", "datetime2", "0", "7", "23", "3", "0", "0", "0", "NULL"],
            [
                "3", "digest", "binary", "0", "32", "0", "0", "1", "0", "0", "NULL"
            ],
            ["4", "x", "int", "0", "4", "10", "0", "0", "1", "0", "NULL"],
            [
                "5",
                "note",
                "varchar",
                "0",
                "-1",
                "0",
                "0",
                "1",
                "0",
                "0",
                "Latin1_General_BIN2"
            ],
            [
                "6", "amount", "decimal", "0", "9", "19", "4", "1", "0", "0", "NULL"
            ],
        ]
    );
    let indexes = format!(
        "SELECT i.index_id, i.name, i.type_desc, i.is_unique, i.is_primary_key, i.has_filter, ic.key_ordinal, ic.is_included_column, ic.is_descending_key, c.name \
         FROM sys.indexes AS i JOIN sys.index_columns AS ic ON ic.object_id = i.object_id AND ic.index_id = i.index_id \
         JOIN sys.columns AS c ON c.object_id = ic.object_id AND c.column_id = ic.column_id WHERE i.object_id = {id} ORDER BY i.index_id, ic.index_column_id"
    );
    assert_eq!(
        rows(&mut s, &indexes),
        [
            ["1", "IX_d", "CLUSTERED", "0", "0", "0", "1", "0", "0", "digest"],
            [
                "2",
                "PK_r",
                "NONCLUSTERED",
                "1",
                "1",
                "0",
                "1",
                "0",
                "0",
                "table_name"
            ],
            ["2", "PK_r", "NONCLUSTERED", "1", "1", "0", "2", "0", "1", "at"],
            ["3", "UQ_r", "NONCLUSTERED", "1", "0", "0", "1", "0", "0", "x"],
            [
                "4",
                "IX_f",
                "NONCLUSTERED",
                "1",
                "0",
                "1",
                "1",
                "0",
                "0",
                "amount"
            ],
            ["4", "IX_f", "NONCLUSTERED", "1", "0", "1", "0", "1", "0", "note"],
        ]
    );
    assert_eq!(
        one(
            &mut s,
            "SELECT filter_definition FROM sys.indexes WHERE name = N'IX_f'"
        ),
        "([note] IS NOT NULL)"
    );
}

#[test]
fn other_views() {
    let server = Server::new();
    let mut s = server.session();
    ok(
        &mut s,
        "CREATE TABLE t (id int NOT NULL CONSTRAINT pk PRIMARY KEY, n sysname, v nvarchar(10) CONSTRAINT df DEFAULT N'x' CONSTRAINT ck CHECK (v <> N'y')); INSERT t (id, n) VALUES (1, N'a'), (2, N'b')",
    );
    assert_eq!(
        column(&mut s, "SELECT name FROM sys.databases ORDER BY database_id"),
        ["master", "db"]
    );
    assert_eq!(
        column(
            &mut s,
            "SELECT name FROM sys.schemas WHERE schema_id < 5 ORDER BY schema_id"
        ),
        ["dbo", "INFORMATION_SCHEMA", "sys"]
    );
    assert_eq!(
        column(&mut s, "SELECT RTRIM(type) FROM sys.objects ORDER BY type"),
        ["C", "D", "PK", "U"]
    );
    assert_eq!(
        rows(&mut s, "SELECT name, type FROM sys.key_constraints"),
        [["pk", "PK"]]
    );
    assert_eq!(
        one(
            &mut s,
            "SELECT definition FROM sys.default_constraints WHERE name = N'df'"
        ),
        "(N'x')"
    );
    assert_eq!(
        one(&mut s, "SELECT definition FROM sys.check_constraints"),
        "(v <> N'y')"
    );
    assert_eq!(
        one(
            &mut s,
            "SELECT SUM(rows) FROM sys.partitions WHERE object_id = OBJECT_ID(N't') AND index_id < 2"
        ),
        "2"
    );
    assert_eq!(
        one(
            &mut s,
            "SELECT ty.name FROM sys.columns c JOIN sys.types ty ON ty.user_type_id = c.user_type_id WHERE c.name = N'n'"
        ),
        "sysname"
    );
    assert_eq!(
        rows(
            &mut s,
            "SELECT TABLE_SCHEMA, TABLE_NAME, TABLE_TYPE FROM INFORMATION_SCHEMA.TABLES"
        ),
        [["dbo", "t", "BASE TABLE"]]
    );
    let columns = "SELECT COLUMN_NAME, DATA_TYPE, IS_NULLABLE, CHARACTER_MAXIMUM_LENGTH FROM INFORMATION_SCHEMA.COLUMNS ORDER BY ORDINAL_POSITION";
    assert_eq!(
        rows(&mut s, columns),
        [
            ["id", "int", "NO", "NULL"],
            ["n", "nvarchar", "NO", "128"],
            ["v", "nvarchar", "YES", "10"]
        ]
    );
    assert_eq!(fails(&mut s, "DELETE FROM sys.tables").number, 259);
    assert_eq!(fails(&mut s, "SELECT * FROM sys.dm_exec_sessions").number, 208);
}

#[test]
fn functions_of_the_catalog() {
    let server = Server::new();
    let mut s = server.session();
    ok(
        &mut s,
        "CREATE TABLE dbo.[odd.name] ([a b] nvarchar(7)); CREATE TABLE #t (x int)",
    );
    let id = one(&mut s, "SELECT OBJECT_ID(N'dbo.[odd.name]')");
    assert_eq!(one(&mut s, "SELECT OBJECT_ID(N'db.dbo.[ODD.NAME]', N'U')"), id);
    assert_eq!(
        one(
            &mut s,
            "USE master SELECT OBJECT_ID(N'db..[odd.name]', 'U') USE db"
        ),
        id
    );
    assert_eq!(one(&mut s, &format!("SELECT OBJECT_NAME({id})")), "odd.name");
    assert_eq!(one(&mut s, "SELECT OBJECT_ID(N'dbo.[odd.name]', N'V')"), "NULL");
    assert_eq!(one(&mut s, "SELECT OBJECT_ID(N'none')"), "NULL");
    assert_ne!(one(&mut s, "SELECT OBJECT_ID(N'tempdb..#t')"), "NULL");
    assert_eq!(one(&mut s, "SELECT COL_LENGTH(N'[odd.name]', N'a b')"), "14");
    assert_eq!(one(&mut s, "SELECT SCHEMA_NAME(SCHEMA_ID())"), "dbo");
    assert_eq!(one(&mut s, "SELECT SCHEMA_ID(N'nope')"), "NULL");
    assert_eq!(one(&mut s, "SELECT DB_NAME(DB_ID(N'DB'))"), "db");
    assert_eq!(one(&mut s, "SELECT DB_ID(N'nope')"), "NULL");
    assert_eq!(one(&mut s, "SELECT TYPE_NAME(231)"), "nvarchar");
    assert_eq!(
        one(
            &mut s,
            "SELECT HAS_PERMS_BY_NAME(N'dbo.[odd.name]', N'OBJECT', N'SELECT')"
        ),
        "1"
    );
    let login = "SELECT CAST(SERVERPROPERTY(N'ServerName') AS nvarchar(256)), DB_NAME(), CAST(DATABASEPROPERTYEX(DB_NAME(), N'Updateability') AS nvarchar(128)), @@SPID, SUSER_SNAME(), ORIGINAL_LOGIN(), APP_NAME(), @@SERVERNAME, @@TRANCOUNT";
    assert_eq!(
        rows(&mut s, login),
        [["SRV", "db", "READ_WRITE", "51", "sa", "sa", "tests", "SRV", "0"]]
    );
    assert!(one(&mut s, "SELECT @@VERSION").starts_with("Microsoft SQL Server 2019"));
    assert_eq!(one(&mut s, "SELECT @@MICROSOFTVERSION / 0x01000000"), "15");
}

#[test]
fn a_server_finds_its_databases_again() {
    let server = Server::new();
    let mut s = server.session();
    ok(
        &mut s,
        "CREATE DATABASE [a b/ü]; CREATE TABLE t (id int IDENTITY(1,1) PRIMARY KEY, v datetimeoffset(3) NULL); INSERT t DEFAULT VALUES; INSERT t DEFAULT VALUES; DELETE t",
    );
    let (id, created) = (
        one(&mut s, "SELECT OBJECT_ID(N't')"),
        one(&mut s, "SELECT create_date FROM sys.tables"),
    );
    ok(&mut s, "ALTER DATABASE [a b/ü] SET READ_ONLY");
    drop(s);
    let server = server.reopened();
    let mut s = server.session();
    assert_eq!(
        column(&mut s, "SELECT name FROM sys.databases ORDER BY database_id"),
        ["master", "db", "a b/ü"]
    );
    assert_eq!(one(&mut s, "SELECT OBJECT_ID(N't')"), id);
    assert_eq!(one(&mut s, "SELECT create_date FROM sys.tables"), created);
    ok(&mut s, "INSERT t DEFAULT VALUES");
    assert_eq!(one(&mut s, "SELECT id FROM t"), "3");
    assert_eq!(
        one(
            &mut s,
            "SELECT is_read_only FROM sys.databases WHERE name = N'a b/ü'"
        ),
        "1"
    );
    let columns = ok(&mut s, "SELECT id, v, id + 1 AS n FROM t").sets.remove(0).0;
    assert!(columns[0].identity && columns[0].updateable && !columns[0].nullable);
    assert_eq!(
        (columns[1].ty, columns[1].nullable),
        (SqlType::DateTimeOffset(3), true)
    );
    assert!(!columns[2].updateable && columns[2].name == "n");
    let text = ok(&mut s, "SELECT N'x', 'y' COLLATE Latin1_General_BIN2")
        .sets
        .remove(0)
        .0;
    assert_eq!(text[0].ty, SqlType::NVarChar(Len::N(1)));
    assert_eq!(text[1].collation.as_deref(), Some("Latin1_General_BIN2"));
}

#[test]
fn databases_come_and_go() {
    let server = Server::new();
    let (mut s, mut other) = (server.session(), server.session());
    ok(&mut s, "CREATE DATABASE x");
    assert_eq!(fails(&mut s, "CREATE DATABASE [X]").number, 1801);
    assert_eq!(fails(&mut s, "USE nope").number, 911);
    assert_eq!(ok(&mut other, "USE x; CREATE TABLE t (a int)").databases, ["x"]);
    assert_eq!(fails(&mut s, "DROP DATABASE x").number, 3702);
    ok(&mut s, "ALTER DATABASE x SET SINGLE_USER WITH ROLLBACK IMMEDIATE");
    assert_eq!(fails(&mut other, "SELECT * FROM t").number, 924);
    ok(
        &mut s,
        "SELECT * FROM x.dbo.t; DROP DATABASE x; DROP DATABASE IF EXISTS x",
    );
    assert_eq!(fails(&mut s, "DROP DATABASE x").number, 3701);
    ok(&mut other, "USE db");
    ok(&mut s, "CREATE DATABASE x; SELECT * FROM x.sys.tables");
    assert_eq!(fails(&mut s, "SELECT * FROM x.dbo.t").number, 208);
    assert_eq!(fails(&mut s, "BEGIN TRAN; CREATE DATABASE y").number, 226);
}
