//! Transactions, locks, scopes, and the state after an error.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;

use super::{Answer, Server, call, column, fails, int, ok, one, params, run, text};
use crate::store::LockMode;
use crate::types::{Session, TransactionEvent, TransactionRequest};

const TABLE: &str = "CREATE TABLE t (id int NOT NULL CONSTRAINT pk PRIMARY KEY, v nvarchar(20) NULL)";

fn until_waiting(server: &Server, sessions: usize) {
    while server.state.locks.waiting() != sessions {
        std::thread::yield_now();
    }
}

#[test]
fn rollback_undoes_rows_tables_and_temp_tables() {
    let server = Server::new();
    let mut s = server.session();
    ok(&mut s, TABLE);
    let answer = ok(
        &mut s,
        "BEGIN TRAN; INSERT INTO t VALUES (1, N'a'); CREATE TABLE u (x int); CREATE TABLE #a (x int); SELECT @@TRANCOUNT",
    );
    assert_eq!(answer.events, [TransactionEvent::Begun]);
    assert_eq!(answer.sets[0].1[0][0], "1");
    assert_eq!(ok(&mut s, "ROLLBACK").events, [TransactionEvent::RolledBack]);
    assert_eq!(one(&mut s, "SELECT COUNT(*) FROM t"), "0");
    assert_eq!(fails(&mut s, "SELECT * FROM u").number, 208);
    assert_eq!(fails(&mut s, "SELECT * FROM #a").number, 208);
    ok(
        &mut s,
        "CREATE TABLE #b (x int); BEGIN TRAN; INSERT #b VALUES (1); DROP TABLE #b; ROLLBACK TRAN",
    );
    assert_eq!(one(&mut s, "SELECT COUNT(*) FROM #b"), "0");
}

#[test]
fn nested_transactions_and_savepoints() {
    let server = Server::new();
    let mut s = server.session();
    ok(&mut s, TABLE);
    ok(
        &mut s,
        "BEGIN TRAN; BEGIN TRAN; INSERT t VALUES (1, NULL); COMMIT",
    );
    assert_eq!(one(&mut s, "SELECT @@TRANCOUNT"), "1");
    ok(
        &mut s,
        "SAVE TRAN p; INSERT t VALUES (2, NULL); ROLLBACK TRAN p; INSERT t VALUES (3, NULL); COMMIT",
    );
    assert_eq!(column(&mut s, "SELECT id FROM t ORDER BY id"), ["1", "3"]);
    assert_eq!(fails(&mut s, "COMMIT").number, 3902);
    assert_eq!(fails(&mut s, "ROLLBACK").number, 3903);
}

#[test]
fn transaction_manager_requests() {
    let server = Server::new();
    let mut s = server.session();
    ok(&mut s, TABLE);
    let mut answer = Answer::default();
    assert_eq!(s.transaction_descriptor(), 0);
    s.transaction(TransactionRequest::Begin, &mut answer).unwrap();
    assert_ne!(s.transaction_descriptor(), 0);
    ok(&mut s, "INSERT t VALUES (1, NULL)");
    s.transaction(TransactionRequest::Rollback, &mut answer).unwrap();
    s.transaction(TransactionRequest::Begin, &mut answer).unwrap();
    ok(&mut s, "INSERT t VALUES (2, NULL)");
    s.transaction(TransactionRequest::Commit, &mut answer).unwrap();
    s.transaction(TransactionRequest::Commit, &mut answer).unwrap();
    assert_eq!(answer.errors[0].number, 3902);
    assert_eq!(column(&mut s, "SELECT id FROM t"), ["2"]);
}

#[test]
fn readers_see_the_last_commit_and_a_second_writer_waits() {
    let server = Server::new();
    let mut first = server.session();
    ok(&mut first, TABLE);
    ok(&mut first, "BEGIN TRAN; INSERT t VALUES (1, N'first')");
    let (sender, done) = mpsc::channel();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut second = server.session();
            assert_eq!(one(&mut second, "SELECT COUNT(*) FROM t"), "0");
            sender.send("read").unwrap();
            ok(&mut second, "INSERT t VALUES (2, N'second')");
            sender.send("written").unwrap();
        });
        assert_eq!(done.recv().unwrap(), "read");
        until_waiting(&server, 1);
        assert!(done.try_recv().is_err());
        ok(&mut first, "COMMIT");
        assert_eq!(done.recv().unwrap(), "written");
    });
    assert_eq!(
        column(&mut first, "SELECT v FROM t ORDER BY id"),
        ["first", "second"]
    );
}

#[test]
fn a_lock_timeout_is_1222_and_leaves_the_transaction() {
    let server = Server::new();
    let (mut first, mut second) = (server.session(), server.session());
    ok(&mut first, TABLE);
    ok(&mut first, "BEGIN TRAN; INSERT t VALUES (1, NULL)");
    ok(&mut second, "BEGIN TRAN");
    let failure = fails(&mut second, "SET LOCK_TIMEOUT 0; UPDATE t SET v = N'x'");
    assert_eq!(
        (failure.number, failure.message.as_str()),
        (1222, "Lock request time out period exceeded.")
    );
    assert_eq!(one(&mut second, "SELECT @@TRANCOUNT"), "1");
    assert_eq!(
        fails(&mut second, "SET XACT_ABORT ON; DELETE FROM t").number,
        1222
    );
    assert_eq!(one(&mut second, "SELECT @@TRANCOUNT"), "0");
}

#[test]
fn a_dropped_session_rolls_back_and_frees_its_locks() {
    let server = Server::new();
    let mut first = server.session();
    ok(&mut first, TABLE);
    ok(
        &mut first,
        "BEGIN TRAN; INSERT t VALUES (1, NULL); EXEC sp_getapplock N'a', N'Exclusive', N'Session'",
    );
    drop(first);
    let mut second = server.session();
    ok(&mut second, "SET LOCK_TIMEOUT 0; INSERT t VALUES (2, NULL)");
    assert_eq!(column(&mut second, "SELECT id FROM t"), ["2"]);
    let lock = "DECLARE @r int; EXEC @r = sp_getapplock N'a', N'Exclusive', @LockOwner = N'Session', @LockTimeout = 0; SELECT @r";
    assert_eq!(one(&mut second, lock), "0");
}

#[test]
fn a_waiting_statement_can_be_cancelled() {
    let server = Server::new();
    let mut first = server.session();
    ok(&mut first, TABLE);
    ok(&mut first, "BEGIN TRAN; INSERT t VALUES (1, NULL)");
    let cancel = Arc::new(AtomicBool::new(false));
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| {
            let mut second = server.session_with(Arc::clone(&cancel));
            second.batch("DELETE FROM t", &mut Answer::default()).unwrap_err()
        });
        until_waiting(&server, 1);
        cancel.store(true, Ordering::SeqCst);
        assert_eq!(waiting.join().unwrap().number, 3617);
    });
}

#[test]
fn a_running_query_can_be_cancelled_and_the_session_lives_on() {
    let server = Server::new();
    let cancel = Arc::new(AtomicBool::new(false));
    let mut s = server.session_with(Arc::clone(&cancel));
    ok(
        &mut s,
        "CREATE TABLE #n (i int); INSERT #n VALUES (1),(2),(3),(4),(5),(6),(7),(8),(9),(10)",
    );
    let cross = "SELECT COUNT(*) FROM #n a, #n b, #n c, #n d, #n e, #n f, #n g, #n h, #n i, #n j, #n k, #n l";
    std::thread::scope(|scope| {
        let (sender, started) = mpsc::channel();
        let cancel = &cancel;
        scope.spawn(move || {
            started.recv().unwrap();
            cancel.store(true, Ordering::SeqCst);
        });
        sender.send(()).unwrap();
        assert_eq!(s.batch(cross, &mut Answer::default()).unwrap_err().number, 3617);
    });
    cancel.store(false, Ordering::SeqCst);
    assert_eq!(one(&mut s, "SELECT COUNT(*) FROM #n"), "10");
}

#[test]
fn strict_readers_wait_for_writers_of_the_same_table() {
    let server = Server::with(LockMode::Strict);
    let (mut writer, mut reader) = (server.session(), server.session());
    ok(&mut writer, TABLE);
    ok(&mut writer, "CREATE TABLE other (x int)");
    ok(&mut writer, "BEGIN TRAN; INSERT t VALUES (1, NULL)");
    assert_eq!(one(&mut reader, "SELECT COUNT(*) FROM other"), "0");
    assert_eq!(
        fails(&mut reader, "SET LOCK_TIMEOUT 0; SELECT COUNT(*) FROM t").number,
        1222
    );
    assert_eq!(one(&mut writer, "SELECT COUNT(*) FROM t"), "1");
    ok(&mut writer, "COMMIT");
    assert_eq!(one(&mut reader, "SELECT COUNT(*) FROM t"), "1");
}

#[test]
fn a_reader_under_snapshot_waits_for_no_writer_where_the_database_allows_it() {
    let server = Server::with(LockMode::Strict);
    let (mut writer, mut reader) = (server.session(), server.session());
    ok(&mut writer, TABLE);
    ok(&mut writer, "BEGIN TRAN; INSERT t VALUES (1, NULL)");
    let read = "SET LOCK_TIMEOUT 0; SELECT COUNT(*) FROM t";
    ok(&mut reader, "SET TRANSACTION ISOLATION LEVEL SNAPSHOT");
    assert_eq!(fails(&mut reader, read).number, 3952);
    let state = "SELECT CONCAT(snapshot_isolation_state, is_read_committed_snapshot_on) FROM sys.databases \
                 WHERE name = DB_NAME()";
    assert_eq!(one(&mut reader, state), "00");
    ok(
        &mut reader,
        "ALTER DATABASE CURRENT SET ALLOW_SNAPSHOT_ISOLATION ON",
    );
    assert_eq!(one(&mut reader, state), "10");
    assert_eq!(one(&mut reader, read), "0");
    ok(&mut reader, "SET TRANSACTION ISOLATION LEVEL READ COMMITTED");
    assert_eq!(fails(&mut reader, read).number, 1222);
    ok(&mut writer, "COMMIT");
    assert_eq!(one(&mut reader, read), "1");
}

#[test]
fn a_cycle_of_locks_has_a_victim() {
    let server = Server::new();
    server.state.create_database("db2").unwrap();
    let mut first = server.session();
    ok(
        &mut first,
        "CREATE TABLE t (x int); INSERT t VALUES (0); USE db2; CREATE TABLE t (x int); INSERT t VALUES (0)",
    );
    ok(&mut first, "USE db; BEGIN TRAN; UPDATE t SET x = 1");
    std::thread::scope(|scope| {
        let other = scope.spawn(|| {
            let mut second = server.session();
            ok(&mut second, "BEGIN TRAN; UPDATE db2.dbo.t SET x = 2");
            ok(&mut second, "UPDATE db.dbo.t SET x = 2");
            ok(&mut second, "COMMIT");
        });
        until_waiting(&server, 1);
        let victim = fails(&mut first, "UPDATE db2.dbo.t SET x = 1");
        assert_eq!((victim.number, victim.class), (1205, 13));
        other.join().unwrap();
    });
    assert_eq!(one(&mut first, "SELECT @@TRANCOUNT"), "0");
    assert_eq!(
        column(
            &mut first,
            "SELECT x FROM db.dbo.t UNION ALL SELECT x FROM db2.dbo.t"
        ),
        ["2", "2"]
    );
}

#[test]
fn xact_abort_decides_what_an_error_ends() {
    let server = Server::new();
    let mut s = server.session();
    ok(&mut s, TABLE);
    let off = run(
        &mut s,
        "BEGIN TRAN; INSERT t VALUES (1, NULL); INSERT t VALUES (2, NULL), (1, NULL); INSERT t VALUES (3, NULL); COMMIT",
    );
    assert_eq!((off.errors.len(), off.errors[0].number), (1, 2627));
    assert_eq!(off.infos[0].number, 3621);
    assert_eq!(column(&mut s, "SELECT id FROM t ORDER BY id"), ["1", "3"]);
    let on = run(
        &mut s,
        "SET XACT_ABORT ON; BEGIN TRAN; INSERT t VALUES (4, NULL); INSERT t VALUES (1, NULL); INSERT t VALUES (5, NULL)",
    );
    assert_eq!(on.events, [TransactionEvent::Begun, TransactionEvent::RolledBack]);
    assert_eq!(column(&mut s, "SELECT id FROM t ORDER BY id"), ["1", "3"]);
    // A conversion error ends the batch even with XACT_ABORT off.
    let conversion = run(
        &mut s,
        "SET XACT_ABORT OFF; BEGIN TRAN; INSERT t VALUES (6, NULL); INSERT t SELECT CAST(N'x' AS int), NULL; SELECT 1",
    );
    assert_eq!(conversion.errors[0].number, 245);
    assert!(conversion.sets.is_empty());
    assert_eq!(one(&mut s, "SELECT @@TRANCOUNT"), "0");
}

#[test]
fn try_and_catch() {
    let server = Server::new();
    let mut s = server.session();
    ok(&mut s, TABLE);
    let caught = "BEGIN TRY INSERT t VALUES (1, NULL); INSERT t VALUES (1, NULL); SELECT 9 END TRY BEGIN CATCH SELECT ERROR_NUMBER(), ERROR_MESSAGE(), @@TRANCOUNT END CATCH";
    let answer = ok(&mut s, caught);
    assert_eq!(answer.sets[0].1[0][0], "2627");
    assert!(answer.sets[0].1[0][1].contains("'pk'"));
    let doomed = "SET XACT_ABORT ON; BEGIN TRAN; BEGIN TRY INSERT t VALUES (1, NULL) END TRY BEGIN CATCH SELECT XACT_STATE(); INSERT t VALUES (7, NULL) END CATCH";
    let answer = run(&mut s, doomed);
    assert_eq!(answer.sets[0].1[0][0], "-1");
    assert_eq!(answer.errors[0].number, 3930);
    assert_eq!(one(&mut s, "SELECT @@TRANCOUNT"), "0");
    assert_eq!(
        fails(
            &mut s,
            "BEGIN TRY THROW 50001, N'mine', 3 END TRY BEGIN CATCH THROW; END CATCH"
        )
        .message,
        "mine"
    );
}

#[test]
fn a_scope_of_sp_executesql_ends_with_it() {
    let server = Server::new();
    let mut s = server.session();
    let inner = call(
        &mut s,
        "CREATE TABLE #in (x int); SET XACT_ABORT ON; SET NOCOUNT ON; INSERT #in VALUES (@P1); SELECT x FROM #in",
        params(&[int(7)]),
    );
    assert!(inner.errors.is_empty(), "{:?}", inner.errors);
    assert_eq!(inner.sets[0].1, [["7"]]);
    assert_eq!(inner.outputs, [(None, "0".to_owned())]);
    assert_eq!(fails(&mut s, "SELECT * FROM #in").number, 208);
    assert_eq!(
        ok(&mut s, "CREATE TABLE #out (x int); INSERT #out VALUES (1)")
            .dones
            .last(),
        Some(&Some(1))
    );
    // The inner scope sees the outer table, and may hide it.
    let seen = call(
        &mut s,
        "SELECT COUNT(*) FROM #out; CREATE TABLE #out (y int); SELECT * FROM #out",
        Vec::new(),
    );
    assert_eq!(seen.sets[0].1, [["1"]]);
    assert_eq!(seen.sets[1].0[0].name, "y");
    assert_eq!(one(&mut s, "SELECT x FROM #out"), "1");
}

#[test]
fn a_scope_that_leaves_a_transaction_open_is_told() {
    let server = Server::new();
    let mut s = server.session();
    let answer = call(&mut s, "BEGIN TRANSACTION", Vec::new());
    assert_eq!(answer.errors[0].number, 266);
    assert!(
        answer.errors[0]
            .message
            .ends_with("Previous count = 0, current count = 1.")
    );
    assert_eq!(one(&mut s, "SELECT @@TRANCOUNT"), "1");
    assert_eq!(call(&mut s, "COMMIT", Vec::new()).errors[0].number, 266);
    assert_eq!(fails(&mut s, "EXEC(N'BEGIN TRAN')").number, 266);
}

#[test]
fn read_only_databases_refuse_writes_and_nothing_else() {
    let server = Server::new();
    let mut s = server.session();
    ok(&mut s, TABLE);
    ok(&mut s, "INSERT t VALUES (1, NULL)");
    server.set_secondary(true);
    let failure = fails(&mut s, "INSERT t VALUES (2, NULL)");
    assert_eq!(
        failure.message,
        "Failed to update database \"db\" because the database is read-only."
    );
    assert_eq!(failure.number, 3906);
    for write in [
        "UPDATE t SET v = N'x'",
        "DELETE t",
        "TRUNCATE TABLE t",
        "CREATE TABLE u (x int)",
        "DROP TABLE t",
        "CREATE SCHEMA q",
    ] {
        assert_eq!(fails(&mut s, write).number, 3906, "{write}");
    }
    assert_eq!(one(&mut s, "SELECT COUNT(*) FROM t"), "1");
    ok(&mut s, "CREATE TABLE #t (x int); INSERT #t SELECT id FROM t");
    assert_eq!(
        one(&mut s, "SELECT DATABASEPROPERTYEX(N'db', N'Updateability')"),
        "READ_ONLY"
    );
    server.set_secondary(false);
    ok(
        &mut s,
        "INSERT t VALUES (2, NULL); USE master; ALTER DATABASE [db] SET READ_ONLY WITH ROLLBACK IMMEDIATE; USE [db]",
    );
    assert_eq!(fails(&mut s, "DELETE t").number, 3906);
    ok(&mut s, "ALTER DATABASE CURRENT SET READ_WRITE");
    ok(&mut s, "DELETE t");
}

#[test]
fn application_locks() {
    let server = Server::new();
    let (mut first, mut second) = (server.session(), server.session());
    let ask = |timeout: i64| {
        (
            "DECLARE @r int; EXEC @r = sp_getapplock @LockTimeout = @P2, @LockMode = N'Exclusive', @LockOwner = N'Session', @Resource = @P1; SELECT @r",
            params(&[text("door"), int(timeout)]),
        )
    };
    let (sql, values) = ask(0);
    assert_eq!(call(&mut first, sql, values.clone()).sets[0].1, [["0"]]);
    assert_eq!(call(&mut second, sql, values).sets[0].1, [["-1"]]);
    let test = "SELECT APPLOCK_TEST(N'public', N'door', N'Shared', N'Session')";
    assert_eq!(one(&mut second, test), "0");
    assert_eq!(one(&mut first, test), "1", "its own lock is in nobody's way");
    assert_eq!(one(&mut second, &test.replace("door", "gate")), "1");
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| {
            let (sql, values) = ask(-1);
            call(&mut second, sql, values).sets[0].1[0][0].clone()
        });
        until_waiting(&server, 1);
        ok(
            &mut first,
            "EXEC sp_releaseapplock @Resource = N'door', @LockOwner = N'Session'",
        );
        assert_eq!(waiting.join().unwrap(), "1");
    });
    assert_eq!(
        fails(&mut first, "EXEC sp_releaseapplock N'door', N'Session'").number,
        1223
    );
    let transaction = "DECLARE @r int; EXEC @r = sp_getapplock N't', N'Shared'; SELECT @r";
    assert_eq!(one(&mut first, transaction), "-999");
    assert_eq!(one(&mut first, &format!("BEGIN TRAN; {transaction}")), "0");
    let exclusive = "DECLARE @r int; EXEC @r = sp_getapplock N't', N'Exclusive', N'Session', 0; SELECT @r";
    assert_eq!(one(&mut second, exclusive), "-1");
    ok(&mut first, "COMMIT");
    assert_eq!(one(&mut second, exclusive), "0");
}

#[test]
fn implicit_transactions() {
    let server = Server::new();
    let mut s = server.session();
    ok(&mut s, TABLE);
    ok(&mut s, "SET IMPLICIT_TRANSACTIONS ON; INSERT t VALUES (1, NULL)");
    assert_eq!(
        one(
            &mut s,
            "IF @@TRANCOUNT > 0 ROLLBACK; SET IMPLICIT_TRANSACTIONS OFF; SELECT COUNT(*) FROM t"
        ),
        "0"
    );
}

#[test]
fn a_client_that_goes_while_rows_are_sent() {
    let server = Server::new();
    let mut s = server.session();
    ok(&mut s, TABLE);
    ok(&mut s, "INSERT t VALUES (1, NULL), (2, NULL)");
    let mut answer = Answer {
        gone_at_row: Some(1),
        ..Answer::default()
    };
    assert_eq!(
        s.batch("SELECT id FROM t; DELETE t", &mut answer)
            .unwrap_err()
            .message,
        "gone"
    );
    assert_eq!(one(&mut s, "SELECT COUNT(*) FROM t"), "2");
}

#[test]
fn reset_forgets_everything() {
    let server = Server::new();
    let mut s = server.session();
    ok(&mut s, TABLE);
    ok(
        &mut s,
        "SET XACT_ABORT ON; CREATE TABLE #x (a int); BEGIN TRAN; INSERT t VALUES (1, NULL)",
    );
    ok(&mut s, "USE master");
    s.reset();
    assert_eq!(one(&mut s, "SELECT DB_NAME()"), "db");
    assert_eq!(one(&mut s, "SELECT @@TRANCOUNT + COUNT(*) FROM t"), "0");
    assert_eq!(fails(&mut s, "SELECT * FROM #x").number, 208);
    let mut other = server.session();
    ok(&mut other, "SET LOCK_TIMEOUT 0; INSERT t VALUES (1, NULL)");
}
