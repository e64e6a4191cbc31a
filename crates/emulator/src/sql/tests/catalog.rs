//! The catalog views and the functions that look names up.

use super::{Server, column, fails, ok, one, params, rows, text};
use crate::types::{Len, SqlType};

const ORDERS: &str = "CREATE SCHEMA shop; \
    CREATE TABLE shop.orders (customer nvarchar(40) NOT NULL, placed datetime2(3) NOT NULL CONSTRAINT DF_placed DEFAULT SYSUTCDATETIME(), \
    seal binary(32) NULL, number int IDENTITY(1,1), note varchar(max) COLLATE Latin1_General_BIN2 NULL, total decimal(19,4) NULL, \
    CONSTRAINT PK_o PRIMARY KEY NONCLUSTERED (customer, placed DESC), CONSTRAINT UQ_o UNIQUE (number)); \
    CREATE CLUSTERED INDEX IX_seal ON shop.orders (seal); \
    CREATE UNIQUE INDEX IX_total ON shop.orders (total) INCLUDE (note) WHERE note IS NOT NULL";

#[test]
fn sys_tables_finds_a_table_by_its_schema_s_id_and_its_name_in_any_case() {
    let server = Server::new();
    let mut s = server.session();
    ok(&mut s, ORDERS);
    let sql =
        "SELECT create_date, object_id, type FROM sys.tables WHERE schema_id = SCHEMA_ID(@P1) AND name = @P2";
    let found = super::call(&mut s, sql, params(&[text("SHOP"), text("Orders")]));
    assert!(found.errors.is_empty(), "{:?}", found.errors);
    let (columns, table) = &found.sets[0];
    assert_eq!(columns[0].ty, SqlType::DateTime);
    assert_eq!(table[0][2], "U ");
    assert_eq!(one(&mut s, "SELECT OBJECT_ID(N'shop.orders', N'U')"), table[0][1]);
    assert_eq!(
        one(
            &mut s,
            "SELECT t.name FROM sys.schemas AS s JOIN sys.tables AS t ON t.schema_id = s.schema_id WHERE s.name = N'shop'"
        ),
        "orders"
    );
}

#[test]
fn sys_columns_answers_every_column_s_type_and_properties() {
    let server = Server::new();
    let mut s = server.session();
    ok(&mut s, ORDERS);
    let measures = "SELECT name, column_id, TYPE_NAME(user_type_id), max_length, precision, scale \
        FROM sys.columns WHERE object_id = OBJECT_ID(N'shop.orders') ORDER BY column_id";
    assert_eq!(
        rows(&mut s, measures),
        [
            ["customer", "1", "nvarchar", "80", "0", "0"],
            ["placed", "2", "datetime2", "7", "23", "3"],
            ["seal", "3", "binary", "32", "0", "0"],
            ["number", "4", "int", "4", "10", "0"],
            ["note", "5", "varchar", "-1", "0", "0"],
            ["total", "6", "decimal", "9", "19", "4"],
        ]
    );
    let properties = "SELECT is_nullable, is_identity, is_computed, collation_name \
        FROM sys.columns WHERE object_id = OBJECT_ID(N'shop.orders') ORDER BY column_id";
    assert_eq!(
        rows(&mut s, properties),
        [
            ["0", "0", "0", "SQL_Latin1_General_CP1_CI_AS"],
            ["0", "0", "0", "NULL"],
            ["1", "0", "0", "NULL"],
            ["0", "1", "0", "NULL"],
            ["1", "0", "0", "Latin1_General_BIN2"],
            ["1", "0", "0", "NULL"],
        ]
    );
}

#[test]
fn sys_types_joins_to_the_columns_that_have_the_type() {
    let server = Server::new();
    let mut s = server.session();
    ok(&mut s, ORDERS);
    let types = "SELECT k.name, k.is_user_defined FROM sys.types AS k JOIN sys.columns AS c ON k.user_type_id = c.user_type_id \
        WHERE c.name IN (N'customer', N'total') AND c.object_id = OBJECT_ID(N'shop.orders') ORDER BY k.name";
    assert_eq!(rows(&mut s, types), [["decimal", "0"], ["nvarchar", "0"]]);
}

#[test]
fn sys_indexes_answers_every_index_s_kind_and_filter() {
    let server = Server::new();
    let mut s = server.session();
    ok(&mut s, ORDERS);
    let indexes = "SELECT name, index_id, type_desc, is_unique, is_primary_key, is_unique_constraint, has_filter, filter_definition \
        FROM sys.indexes WHERE object_id = OBJECT_ID(N'shop.orders') ORDER BY index_id";
    assert_eq!(
        rows(&mut s, indexes),
        [
            ["IX_seal", "1", "CLUSTERED", "0", "0", "0", "0", "NULL"],
            ["PK_o", "2", "NONCLUSTERED", "1", "1", "0", "0", "NULL"],
            ["UQ_o", "3", "NONCLUSTERED", "1", "0", "1", "0", "NULL"],
            [
                "IX_total",
                "4",
                "NONCLUSTERED",
                "1",
                "0",
                "0",
                "1",
                "(note IS NOT NULL)"
            ],
        ]
    );
}

#[test]
fn sys_index_columns_answers_the_keys_in_order_and_then_the_included_columns() {
    let server = Server::new();
    let mut s = server.session();
    ok(&mut s, ORDERS);
    let columns = "SELECT index_id, c.name, key_ordinal, is_descending_key, is_included_column \
        FROM sys.index_columns AS k JOIN sys.columns AS c \
        ON c.column_id = k.column_id AND c.object_id = k.object_id \
        WHERE k.object_id = OBJECT_ID(N'shop.orders') ORDER BY index_id, index_column_id";
    assert_eq!(
        rows(&mut s, columns),
        [
            ["1", "seal", "1", "0", "0"],
            ["2", "customer", "1", "0", "0"],
            ["2", "placed", "2", "1", "0"],
            ["3", "number", "1", "0", "0"],
            ["4", "total", "1", "0", "0"],
            ["4", "note", "0", "0", "1"],
        ]
    );
}

#[test]
fn the_other_views_answer_a_table_s_constraints_rows_and_columns() {
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
    assert_eq!(fails(&mut s, "SELECT * FROM sys.dm_exec_connections").number, 208);
}

#[test]
fn metadata_functions_find_names_and_answer_null_for_unknown_ones() {
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
    let session =
        "SELECT DB_NAME(), @@SPID, ORIGINAL_LOGIN(), SUSER_SNAME(), APP_NAME(), @@TRANCOUNT, @@SERVERNAME";
    assert_eq!(
        rows(&mut s, session),
        [["db", "51", "sa", "sa", "tests", "0", "SRV"]]
    );
    assert_eq!(one(&mut s, "SELECT SERVERPROPERTY('servername')"), "SRV");
    assert_eq!(
        one(
            &mut s,
            "SELECT CAST(SERVERPROPERTY(N'ServerName') AS nvarchar(256))"
        ),
        "SRV"
    );
    assert_eq!(
        one(&mut s, "SELECT DATABASEPROPERTYEX(N'db', N'updateability')"),
        "READ_WRITE"
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

#[test]
fn options_that_are_kept_and_shown() {
    let server = Server::new();
    let mut s = server.session();
    ok(
        &mut s,
        "CREATE TABLE o (a int NOT NULL, b int NULL, CONSTRAINT PK_o PRIMARY KEY (a) WITH (FILLFACTOR = 70, PAD_INDEX = ON)); \
         CREATE INDEX ix ON o (b) WITH (ALLOW_ROW_LOCKS = OFF, ONLINE = OFF, DATA_COMPRESSION = PAGE, MAXDOP = 1) ON [PRIMARY]; \
         CREATE STATISTICS st ON o (b, a); ALTER TABLE o SET (LOCK_ESCALATION = AUTO)",
    );
    assert_eq!(
        rows(
            &mut s,
            "SELECT i.name, i.fill_factor, i.is_padded, i.allow_row_locks, i.allow_page_locks, p.data_compression_desc \
             FROM sys.indexes AS i JOIN sys.partitions AS p ON p.object_id = i.object_id AND p.index_id = i.index_id \
             WHERE i.object_id = OBJECT_ID(N'o') ORDER BY i.index_id"
        ),
        [
            ["PK_o", "70", "1", "1", "1", "NONE"],
            ["ix", "0", "0", "0", "1", "PAGE"]
        ]
    );
    assert_eq!(
        rows(
            &mut s,
            "SELECT s.name, c.name FROM sys.stats AS s JOIN sys.stats_columns AS sc ON sc.object_id = s.object_id \
             AND sc.stats_id = s.stats_id JOIN sys.columns AS c ON c.object_id = sc.object_id AND c.column_id = sc.column_id \
             WHERE s.user_created = 1 ORDER BY sc.stats_column_id"
        ),
        [["st", "b"], ["st", "a"]]
    );
    assert_eq!(
        one(
            &mut s,
            "SELECT lock_escalation_desc FROM sys.tables WHERE name = N'o'"
        ),
        "AUTO"
    );
    ok(
        &mut s,
        "ALTER DATABASE CURRENT SET RECOVERY FULL; ALTER DATABASE CURRENT SET DELAYED_DURABILITY = FORCED; \
         ALTER DATABASE CURRENT SET READ_COMMITTED_SNAPSHOT OFF",
    );
    assert_eq!(
        rows(
            &mut s,
            "SELECT recovery_model_desc, delayed_durability_desc, is_read_committed_snapshot_on FROM sys.databases \
             WHERE name = DB_NAME()"
        ),
        [["FULL", "FORCED", "0"]]
    );
}
