//! The views of a server's state: what they show, and to whom.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::{Server, fails, ok, one, rows};
use crate::store::{GroupSigns, Signs};

const OWN: &str = "SELECT COUNT(*) FROM sys.dm_exec_sessions";

#[test]
fn sessions_requests_and_what_they_leave_open() {
    let server = Server::new();
    let (mut s, mut other) = (server.session(), server.session());
    ok(&mut s, "CREATE TABLE t (id int NOT NULL)");
    assert_eq!(one(&mut s, OWN), "2");
    ok(
        &mut other,
        "SET LOCK_TIMEOUT 500; BEGIN TRAN; INSERT t VALUES (1)",
    );
    let open = "SELECT program_name, status, open_transaction_count, lock_timeout, transaction_isolation_level \
        FROM sys.dm_exec_sessions ORDER BY open_transaction_count";
    assert_eq!(
        rows(&mut s, open),
        [
            ["tests", "running", "0", "-1", "2"],
            ["tests", "sleeping", "1", "500", "2"]
        ]
    );
    // The request that asks is the only one.
    let requests = "SELECT command, status, blocking_session_id FROM sys.dm_exec_requests";
    assert_eq!(rows(&mut s, requests), [["SELECT", "running", "0"]]);
    ok(&mut other, "ROLLBACK");
    drop(other);
    assert_eq!(one(&mut s, OWN), "1");
}

#[test]
fn who_waits_for_whom() {
    let server = Server::new();
    let (mut s, mut holder) = (server.session(), server.session());
    ok(&mut s, "CREATE TABLE t (id int NOT NULL)");
    ok(&mut holder, "BEGIN TRAN; INSERT t VALUES (1)");
    let mut waiter = server.session_with(Arc::new(AtomicBool::new(false)));
    std::thread::scope(|scope| {
        scope.spawn(|| ok(&mut waiter, "INSERT t VALUES (2)"));
        let waiting = "SELECT COUNT(*) FROM sys.dm_exec_requests AS r JOIN sys.dm_exec_sessions AS o \
            ON o.session_id = r.blocking_session_id WHERE r.status = N'suspended' AND r.command = N'INSERT'";
        while one(&mut s, waiting) == "0" {
            std::thread::yield_now();
        }
        ok(&mut holder, "COMMIT");
    });
    assert_eq!(one(&mut s, "SELECT COUNT(*) FROM t"), "2");
}

#[test]
fn the_state_is_shown_to_who_has_the_right() {
    let server = Server::new();
    server.state.set_signs(Signs {
        waits: vec![("WRITELOG".into(), 3, 30)],
        group: Some(GroupSigns::default()),
        ..Signs::default()
    });
    let mut s = server.session();
    assert_eq!(
        rows(
            &mut s,
            "SELECT wait_type, waiting_tasks_count, wait_time_ms FROM sys.dm_os_wait_stats"
        ),
        [["WRITELOG", "3", "30"]]
    );
    let grant = "GRANT VIEW SERVER STATE TO reader";
    assert_eq!(fails(&mut s, grant).number, 4621);
    ok(
        &mut s,
        "USE master; CREATE LOGIN reader WITH PASSWORD = 'Not.a.secret-1'",
    );
    // A login that was made here has what it is granted, and any other what it is not denied.
    let mut made = server.session_as("reader");
    let may = "SELECT HAS_PERMS_BY_NAME(NULL, NULL, N'VIEW SERVER STATE'), \
        HAS_PERMS_BY_NAME(NULL, NULL, N'VIEW SERVER PERFORMANCE STATE')";
    assert_eq!(rows(&mut made, may), [["0", "NULL"]]);
    for view in [
        "dm_os_wait_stats",
        "dm_hadr_database_replica_states",
        "dm_hadr_availability_replica_states",
    ] {
        assert_eq!(
            fails(&mut made, &format!("SELECT * FROM sys.{view}")).number,
            300,
            "{view}"
        );
    }
    assert_eq!(one(&mut made, OWN), "1", "its own");
    assert_eq!(
        one(&mut made, "SELECT COUNT(*) FROM sys.availability_groups"),
        "0"
    );
    ok(&mut s, grant);
    ok(&mut s, "GRANT VIEW ANY DEFINITION TO reader");
    assert_eq!(rows(&mut made, may), [["1", "NULL"]]);
    assert_eq!(one(&mut made, "SELECT COUNT(*) FROM sys.dm_os_wait_stats"), "1");
    assert_eq!(one(&mut made, "SELECT name FROM sys.availability_groups"), "AG");
    ok(&mut s, "REVOKE VIEW SERVER STATE FROM reader");
    assert_eq!(rows(&mut made, may), [["0", "NULL"]]);
    let mut other = server.session_as("other");
    assert_eq!(rows(&mut other, may), [["1", "NULL"]]);
    ok(&mut s, "DENY VIEW SERVER STATE TO other");
    assert_eq!(rows(&mut other, may), [["0", "NULL"]]);
}

#[test]
fn a_replica_shows_itself() {
    let server = Server::new();
    server.state.set_signs(Signs {
        group: Some(GroupSigns {
            lag_seconds: Some(9),
            ..GroupSigns::default()
        }),
        ..Signs::default()
    });
    let mut s = server.session();
    let replica = "SELECT is_primary_replica, secondary_lag_seconds FROM sys.dm_hadr_database_replica_states \
        WHERE database_id = DB_ID() AND is_local = 1";
    let role = "SELECT s.role_desc, r.availability_mode_desc, g.name FROM sys.dm_hadr_availability_replica_states AS s \
        JOIN sys.availability_replicas AS r ON r.replica_id = s.replica_id \
        JOIN sys.availability_groups AS g ON g.group_id = s.group_id";
    assert_eq!(rows(&mut s, replica), [["1", "NULL"]]);
    assert_eq!(rows(&mut s, role), [["PRIMARY", "ASYNCHRONOUS_COMMIT", "AG"]]);
    server.set_secondary(true);
    assert_eq!(rows(&mut s, replica), [["0", "9"]]);
    assert_eq!(rows(&mut s, role), [["SECONDARY", "ASYNCHRONOUS_COMMIT", "AG"]]);
}
