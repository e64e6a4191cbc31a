//! sp_rename, schema changes inside a transaction, and the sessions that wait for them.

use std::sync::mpsc;

use super::{Server, call, column, fails, ok, one, params, rows, run, text};
use crate::store::LockMode;

const TABLE: &str = "CREATE TABLE [dbo].[t] (id int NOT NULL CONSTRAINT [PK_t] PRIMARY KEY, v nvarchar(20) NULL \
                     CONSTRAINT df DEFAULT N'd', n int NULL CONSTRAINT ck CHECK (n > 0), CONSTRAINT uq UNIQUE (v)); \
                     CREATE INDEX ix ON dbo.t (n) INCLUDE (v); INSERT t VALUES (1, N'a', 1), (2, N'b', NULL)";
const RENAME: &str = "EXEC sp_rename @objname = N'[dbo].[t]', @newname = N'u', @objtype = N'OBJECT'";

fn until_waiting(server: &Server, sessions: usize) {
    /// A time longer than any machine needs, so that a test that hangs still ends.
    const LOOKS_MAX: u32 = 50_000_000;
    for _ in 0..LOOKS_MAX {
        if server.state.locks.waiting() == sessions {
            return;
        }
        std::thread::yield_now();
    }
    panic!("{} sessions wait", server.state.locks.waiting());
}

#[test]
fn a_renamed_table_keeps_all_but_its_name() {
    let server = Server::new();
    let mut s = server.session();
    ok(&mut s, TABLE);
    let identity = "SELECT object_id, create_date FROM sys.tables WHERE name IN (N't', N'u')";
    let before = rows(&mut s, identity);
    let answer = ok(&mut s, RENAME);
    assert_eq!((answer.infos[0].number, answer.infos[0].class), (15477, 0));
    assert_eq!(rows(&mut s, identity), before);
    assert_eq!(column(&mut s, "SELECT v FROM dbo.u ORDER BY id"), ["a", "b"]);
    assert_eq!(fails(&mut s, "SELECT * FROM t").number, 208);
    assert_eq!(
        column(
            &mut s,
            "SELECT name FROM sys.indexes WHERE object_id = OBJECT_ID(N'u') ORDER BY index_id"
        ),
        ["PK_t", "uq", "ix"]
    );
    assert_eq!(fails(&mut s, "INSERT u VALUES (1, N'c', 1)").number, 2627);
    assert_eq!(fails(&mut s, "INSERT u VALUES (3, N'a', 1)").number, 2627);
    assert_eq!(fails(&mut s, "INSERT u VALUES (3, N'c', 0)").number, 547);
    ok(
        &mut s,
        "INSERT u (id) VALUES (3); DROP INDEX ix ON u; ALTER TABLE u DROP CONSTRAINT ck, uq",
    );
    assert_eq!(one(&mut s, "SELECT v FROM u WHERE id = 3"), "d");
}

#[test]
fn the_ways_to_call_sp_rename() {
    let server = Server::new();
    let mut s = server.session();
    ok(&mut s, TABLE);
    ok(&mut s, "EXEC sp_rename N'dbo.t', N'u', N'OBJECT'");
    ok(&mut s, "EXEC sys.sp_rename 'u', 'T'");
    ok(&mut s, "EXEC sp_rename N'T', N't'");
    let by_parameters = call(
        &mut s,
        "EXEC sp_rename @objname = @P1, @newname = @P2, @objtype = N'OBJECT'",
        params(&[text("[dbo].[t]"), text("u")]),
    );
    assert!(by_parameters.errors.is_empty(), "{:?}", by_parameters.errors);
    let status = "DECLARE @r int; EXEC @r = sp_rename @objname = N'[dbo].[u]', @newname = N't', @objtype = N'OBJECT'; SELECT @r";
    assert_eq!(one(&mut s, status), "0");
    let refused = run(
        &mut s,
        "DECLARE @r int; EXEC @r = sp_rename N'nope', N't', N'OBJECT'; SELECT @r",
    );
    assert_eq!(refused.sets[0].1, [["1"]]);
    assert_eq!(
        (refused.errors[0].number, refused.errors[0].message.as_str()),
        (
            15225,
            "No item by the name of 'nope' could be found in the current database 'db', given that @itemtype was input as 'OBJECT'."
        )
    );
}

#[test]
fn a_name_that_is_taken_is_refused() {
    let server = Server::new();
    let mut s = server.session();
    ok(&mut s, TABLE);
    ok(
        &mut s,
        "CREATE TABLE other (id int NOT NULL CONSTRAINT PK_other PRIMARY KEY); CREATE INDEX ix ON other (id)",
    );
    for (old, new, kind) in [
        ("dbo.t", "other", "OBJECT"),
        ("t", "pk_other", "OBJECT"),
        ("dbo.PK_t", "other", "OBJECT"),
        ("dbo.PK_t", "ck", "OBJECT"),
        ("t.ix", "UQ", "INDEX"),
        ("t.PK_t", "PK_other", "INDEX"),
        ("t.n", "v", "COLUMN"),
    ] {
        let sql = format!("EXEC sp_rename N'{old}', N'{new}', N'{kind}'");
        assert_eq!(fails(&mut s, &sql).number, 15335, "{sql}");
    }
    // The transaction lives on: RAISERROR does not honor XACT_ABORT.
    ok(&mut s, "SET XACT_ABORT ON; BEGIN TRAN");
    assert_eq!(fails(&mut s, "EXEC sp_rename N't', N'other'").number, 15335);
    assert_eq!(one(&mut s, "SELECT @@TRANCOUNT"), "1");
}

#[test]
fn constraints_and_indexes_are_renamed() {
    let server = Server::new();
    let mut s = server.session();
    ok(&mut s, TABLE);
    ok(
        &mut s,
        "EXEC sp_rename N'[dbo].[PK_t]', N'PK_new', N'OBJECT'; EXEC sp_rename N'ck', N'ck_new'; EXEC sp_rename N'df', N'df_new', 'OBJECT'; \
         EXEC sp_rename N'dbo.t.ix', N'ix_new', N'INDEX'; EXEC sp_rename N't.uq', N'uq_new', N'INDEX'",
    );
    assert_eq!(
        column(
            &mut s,
            "SELECT name FROM sys.objects WHERE parent_object_id = OBJECT_ID(N't') ORDER BY name"
        ),
        ["ck_new", "df_new", "PK_new", "uq_new"]
    );
    assert!(
        fails(&mut s, "INSERT t VALUES (1, N'z', 1)")
            .message
            .contains("'PK_new'")
    );
    assert!(
        fails(&mut s, "INSERT t VALUES (9, N'z', 0)")
            .message
            .contains("\"ck_new\"")
    );
    ok(
        &mut s,
        "DROP INDEX ix_new ON t; ALTER TABLE t DROP CONSTRAINT df_new, uq_new",
    );
}

#[test]
fn foreign_keys_follow_both_tables() {
    let server = Server::new();
    let mut s = server.session();
    ok(
        &mut s,
        "CREATE TABLE p (id int NOT NULL PRIMARY KEY); CREATE TABLE c (id int NULL CONSTRAINT fk REFERENCES p (id)); INSERT p VALUES (1); INSERT c VALUES (1); \
         EXEC sp_rename N'p', N'p2'; EXEC sp_rename N'c', N'c2'; EXEC sp_rename N'fk', N'fk2'",
    );
    let child = fails(&mut s, "INSERT c2 VALUES (2)");
    assert!(
        child.message.contains("\"fk2\"") && child.message.contains("\"dbo.p2\""),
        "{child}"
    );
    let parent = fails(&mut s, "DELETE p2");
    assert!(parent.message.contains("\"dbo.c2\""), "{parent}");
    assert_eq!(fails(&mut s, "DROP TABLE p2").number, 3726);
    ok(&mut s, "DROP TABLE c2; DROP TABLE p2");
}

/// A table is swapped for one that was filled beside it.
const SWAP: &str = "BEGIN TRAN; INSERT t VALUES (3, N'c', 3); \
    CREATE TABLE dbo.fresh (id int NOT NULL, v nvarchar(20) NULL, CONSTRAINT PK_fresh PRIMARY KEY CLUSTERED (id)); \
    CREATE UNIQUE NONCLUSTERED INDEX ix ON dbo.fresh (v DESC) INCLUDE (id); \
    INSERT fresh SELECT id + 10, v FROM t; \
    DROP TABLE t; EXEC sp_rename N'dbo.fresh', N't', N'OBJECT'; EXEC sp_rename N'dbo.PK_fresh', N'PK_t', N'OBJECT'; \
    UPDATE t SET v = N'z' WHERE id = 13";

#[test]
fn a_swap_in_one_transaction_is_kept_or_undone_whole() {
    for mode in [LockMode::Versioned, LockMode::Strict] {
        let server = Server::with(mode);
        let mut s = server.session();
        ok(&mut s, TABLE);
        let catalog = "SELECT o.name, o.object_id, o.create_date, i.name FROM sys.objects AS o JOIN sys.indexes AS i ON i.object_id = o.object_id ORDER BY o.name, i.index_id";
        let before = rows(&mut s, catalog);
        ok(&mut s, SWAP);
        assert_eq!(column(&mut s, "SELECT v FROM t ORDER BY id"), ["a", "b", "z"]);
        ok(&mut s, "ROLLBACK");
        assert_eq!(rows(&mut s, catalog), before);
        assert_eq!(column(&mut s, "SELECT v FROM t ORDER BY id"), ["a", "b"]);
        assert_eq!(fails(&mut s, "INSERT t VALUES (4, N'a', 1)").number, 2627);
        ok(&mut s, SWAP);
        ok(&mut s, "COMMIT");
        assert_eq!(column(&mut s, "SELECT id FROM t ORDER BY id"), ["11", "12", "13"]);
        assert_eq!(
            column(
                &mut s,
                "SELECT name FROM sys.indexes WHERE object_id = OBJECT_ID(N't') ORDER BY index_id"
            ),
            ["PK_t", "ix"]
        );
    }
}

#[test]
fn a_rename_waits_for_writers_and_is_waited_for() {
    for mode in [LockMode::Versioned, LockMode::Strict] {
        let server = Server::with(mode);
        let (mut first, mut second) = (server.session(), server.session());
        ok(&mut first, TABLE);
        ok(&mut first, "BEGIN TRAN; UPDATE t SET v = N'x' WHERE id = 1");
        assert_eq!(
            fails(&mut second, &format!("SET LOCK_TIMEOUT 0; {RENAME}")).number,
            1222
        );
        ok(&mut first, &format!("{RENAME}; SELECT COUNT(*) FROM u"));
        // The schema modification lock keeps readers out in both modes.
        assert_eq!(fails(&mut second, "SELECT COUNT(*) FROM t").number, 1222);
        ok(&mut first, "ROLLBACK");
        assert_eq!(one(&mut second, "SELECT COUNT(*) FROM t"), "2");
    }
}

#[test]
fn a_reader_and_a_writer_that_waited_find_the_table_that_took_the_name() {
    let server = Server::new();
    let mut first = server.session();
    ok(&mut first, TABLE);
    ok(&mut first, SWAP);
    let (sender, answers) = mpsc::channel();
    std::thread::scope(|scope| {
        let (server, reads) = (&server, sender.clone());
        scope.spawn(move || {
            let mut reader = server.session();
            reads.send(one(&mut reader, "SELECT MIN(id) FROM t")).unwrap();
        });
        scope.spawn(move || {
            let mut writer = server.session();
            let done = ok(&mut writer, "INSERT t VALUES (20, N'new')");
            sender.send(format!("{:?}", done.dones)).unwrap();
        });
        until_waiting(server, 2);
        ok(&mut first, "COMMIT");
    });
    let mut answers: Vec<String> = answers.iter().collect();
    answers.sort();
    assert_eq!(answers, ["11", "[Some(1)]"]);
    assert_eq!(
        column(&mut first, "SELECT id FROM t ORDER BY id"),
        ["11", "12", "13", "20"]
    );
}

#[test]
fn names_of_constraints_are_unique_in_a_schema_and_those_of_indexes_in_a_table() {
    let server = Server::new();
    let mut s = server.session();
    ok(&mut s, TABLE);
    ok(&mut s, "CREATE SCHEMA q");
    for sql in [
        "CREATE TABLE x (id int NOT NULL CONSTRAINT pk_T PRIMARY KEY)",
        "CREATE TABLE x (id int NOT NULL CONSTRAINT t PRIMARY KEY)",
        "CREATE TABLE x (id int NOT NULL CONSTRAINT x PRIMARY KEY)",
        "CREATE TABLE PK_t (id int)",
        "CREATE TABLE x (id int NOT NULL CONSTRAINT a PRIMARY KEY, n int CONSTRAINT a UNIQUE)",
    ] {
        assert_eq!(fails(&mut s, sql).number, 2714, "{sql}");
    }
    ok(
        &mut s,
        "CREATE TABLE q.x (id int NOT NULL CONSTRAINT PK_t PRIMARY KEY); CREATE TABLE x (id int); CREATE INDEX ix ON x (id)",
    );
    assert_eq!(
        fails(&mut s, "ALTER TABLE x ADD CONSTRAINT uq UNIQUE (id)").number,
        2714
    );
    assert_eq!(fails(&mut s, "CREATE INDEX IX ON x (id)").number, 1913);
}
