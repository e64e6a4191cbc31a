//! The signs of a source's state: what is read of them, with and without the right to see them, and at what cost.

use std::time::Duration;

use mssql_sync::model::pace::Signs;
use mssql_sync::mssql::{Endpoint, Guard, Proof, Timeouts};
use mssql_sync::source::SourceSession;
use mssql_sync::source::signs::Prober;
use tds_emulator::{GroupSigns, Role, Signs as Shown};
use testkit::project::T_MONTHLY;
use testkit::{APPLICATION, Project, Server, faults, tables};

/// A statement of a look.
const LOOK: &str = "FROM (SELECT 1 AS [one])";

async fn session(server: &Server, user: &str) -> SourceSession {
    let endpoint = Endpoint {
        application: APPLICATION.to_owned(),
        user: user.to_owned(),
        ..server.endpoint(&server.source)
    };
    let guard = Guard {
        proof: Proof::None,
        refuse_names: Vec::new(),
    };
    SourceSession::open(&endpoint, &guard, &Timeouts::default())
        .await
        .expect("a session")
}

fn shown(pages: i64, page_ms: i64, starved: i64, group: Option<GroupSigns>) -> Shown {
    Shown {
        waits: vec![
            ("PAGEIOLATCH_SH".to_owned(), pages, page_ms),
            ("WRITELOG".to_owned(), 2 * pages, 2 * pages),
            ("THREADPOOL".to_owned(), starved, 0),
            ("LCK_M_S".to_owned(), 1_000, 1_000_000),
        ],
        group,
        ..Shown::default()
    }
}

fn behind(seconds: i64) -> Option<GroupSigns> {
    Some(GroupSigns {
        lag_seconds: Some(seconds),
        redo_queue: Some(2048),
        send_queue: Some(16),
        ..GroupSigns::default()
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_replica_shows_is_read_by_one_statement_a_look() {
    let Some(server) = Server::start_emulator("what_a_replica_shows_is_read_by_one_statement_a_look").await
    else {
        return;
    };
    server.set_source_role(Role::ReadableSecondary);
    let mut session = session(&server, &server.user).await;
    let prober = Prober::default();
    server.emulator().set_signs(shown(100, 1_000, 5, behind(95)));
    let mark = server.mark();
    let first = prober.look(&mut session).await.expect("a look").expect("signs");
    let expected = Signs {
        blocked_by_us: Some(0),
        lag: Some(Duration::from_secs(95)),
        redo_queue_kib: Some(2048),
        send_queue_kib: Some(16),
        ..Signs::default()
    };
    assert_eq!(
        first, expected,
        "waits are differences, of which the first look has none"
    );
    assert_eq!(server.statements(mark), 2, "what there is, once, and a look");

    server.emulator().set_signs(shown(110, 1_250, 7, behind(0)));
    let second = prober.look(&mut session).await.expect("a look").expect("signs");
    let expected = Signs {
        page_read_ms: Some(25.0),
        log_write_ms: Some(1.0),
        starved: Some(2),
        lag: Some(Duration::ZERO),
        ..expected
    };
    assert_eq!(second, expected);
    assert_eq!(server.statements(mark), 3);

    // A replica that nothing comes to any more is as old as the last that came.
    server.emulator().set_signs(shown(
        110,
        1_250,
        7,
        Some(GroupSigns {
            state: 0,
            suspended: true,
            received_seconds_ago: Some(900),
            ..GroupSigns::default()
        }),
    ));
    let cut_off = prober
        .look(&mut session)
        .await
        .expect("a look")
        .expect("signs")
        .lag
        .expect("a lag");
    assert!((900..960).contains(&cut_off.as_secs()), "{cut_off:?}");
    // Without a group it tells none.
    server.emulator().set_signs(shown(110, 1_250, 7, None));
    let alone = prober.look(&mut session).await.expect("a look").expect("signs");
    assert_eq!((alone.lag, alone.redo_queue_kib), (None, None));
    assert_eq!(alone.starved, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_for_a_session_of_this_program_is_counted() {
    let Some(server) = Server::start_emulator("who_waits_for_a_session_of_this_program_is_counted").await
    else {
        return;
    };
    let mut ours = session(&server, &server.user).await;
    let mut other = session(&server, &server.user).await;
    let prober = Prober::default();
    // Only application locks make a reader of the emulator wait for another.
    let lock = "EXEC sp_getapplock @Resource = N'r', @LockMode = N'Exclusive', @LockOwner = N'Session'";
    let held = session_with(&server, lock).await;
    let mut waiter = server.connect(&server.source).await;
    let waiting = tokio::spawn(async move { waiter.run(lock).await });
    let mut blocked = Some(0);
    while blocked == Some(0) {
        blocked = prober
            .look(&mut ours)
            .await
            .expect("a look")
            .expect("signs")
            .blocked_by_us;
    }
    assert_eq!(blocked, Some(1));
    drop(held);
    waiting.await.expect("it was granted");
    assert_eq!(
        prober
            .look(&mut other)
            .await
            .expect("a look")
            .expect("signs")
            .blocked_by_us,
        Some(0)
    );
}

/// A session of the program that has run this, which no program sends.
async fn session_with(server: &Server, sql: &str) -> mssql_sync::mssql::Session {
    let endpoint = Endpoint {
        application: APPLICATION.trim_end_matches('/').to_owned(),
        ..server.endpoint(&server.source)
    };
    let mut session = mssql_sync::mssql::Session::open(&endpoint, None, &Timeouts::default())
        .await
        .expect("a session");
    session.batch(sql).await.expect("it runs");
    session
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_without_the_right_asks_once_and_does_without() {
    let Some(server) = Server::start_emulator("a_login_without_the_right_asks_once_and_does_without").await
    else {
        return;
    };
    server.emulator().set_signs(shown(100, 1_000, 5, behind(95)));
    let mut master = server.connect("master").await;
    master
        .run(&format!("DENY VIEW SERVER STATE TO [{}]", server.user))
        .await;
    let mut session = session(&server, &server.user).await;
    let prober = Prober::default();
    let mark = server.mark();
    for _ in 0..3 {
        assert_eq!(
            prober.look(&mut session).await.expect("a look").expect("signs"),
            Signs::default()
        );
    }
    assert_eq!(prober.may_see(), Some(false));
    assert_eq!(server.statements(mark), 1);
    assert!(!session.is_broken());
    // Asked all the same, the server refuses with the number that it documents.
    let refused = "SELECT wait_type FROM sys.dm_os_wait_stats";
    let error = server.connect(&server.source).await.try_run(refused).await;
    assert!(error.expect_err("it is denied").to_string().contains("300"));
    let own = "SELECT COUNT_BIG(*) FROM sys.dm_exec_sessions";
    assert_eq!(server.connect(&server.source).await.integer(own).await, 1);
}

/// A view that is refused, in whatever way, costs neither the others nor the connection; one that cannot be had now is asked for
/// again.
#[tokio::test(flavor = "multi_thread")]
async fn a_view_that_is_missing_is_done_without() {
    let Some(server) = Server::start_emulator("a_view_that_is_missing_is_done_without").await else {
        return;
    };
    server.set_source_role(Role::ReadableSecondary);
    server.emulator().set_signs(shown(100, 1_000, 5, behind(95)));
    let mut session = session(&server, &server.user).await;
    let prober = Prober::default();
    let missing = faults::at("FROM sys.dm_os_wait_stats")
        .always()
        .fails(&server, 208);
    let signs = prober.look(&mut session).await.expect("a look").expect("signs");
    assert_eq!(signs.lag, Some(Duration::from_secs(95)));
    assert_eq!((signs.blocked_by_us, signs.starved), (Some(0), None));
    server.faults().remove(missing);
    let mark = server.mark();
    let again = prober.look(&mut session).await.expect("a look").expect("signs");
    assert_eq!(
        (again.lag, again.starved),
        (signs.lag, None),
        "it is not asked for again"
    );
    assert_eq!(server.statements(mark), 2, "each alone");
    let busy = faults::at(LOOK).times(1).fails(&server, 1222);
    let not_now = prober.look(&mut session).await.expect("a look");
    assert_eq!(not_now, None, "which says nothing of a lag that was seen");
    assert_eq!(server.faults().fired(busy), 1);
    assert_eq!(
        prober
            .look(&mut session)
            .await
            .expect("a look")
            .expect("signs")
            .lag,
        signs.lag
    );
    assert!(!session.is_broken());
}

/// Views that break connections do not cost a run its attempts.
#[tokio::test(flavor = "multi_thread")]
async fn a_look_that_breaks_every_connection_is_given_up() {
    let Some(server) = Server::start_emulator("a_look_that_breaks_every_connection_is_given_up").await else {
        return;
    };
    tables::dated("T")
        .rows(tables::october(50))
        .at_source(&server)
        .await;
    let rule = faults::at(LOOK).always().drops(&server);
    let project = Project::tuned(&server, "max_workers = 1", T_MONTHLY);
    project.run("2025-10-01", "2025-10-31", &[]).await.expect(0);
    assert_eq!(server.faults().fired(rule), 1, "a run this short looks once");
    server.faults().remove(rule);
    faults::at(LOOK).always().drops(&server);
    let prober = Prober::default();
    for _ in 0..3 {
        let mut session = session(&server, &server.user).await;
        prober.look(&mut session).await.expect_err("it breaks");
    }
    let mut session = session(&server, &server.user).await;
    assert_eq!(
        prober.look(&mut session).await.expect("it does without"),
        Some(Signs::default())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_of_the_lag_without_a_lag_is_told_once_with_the_right_that_is_missing() {
    let test = "a_limit_of_the_lag_without_a_lag_is_told_once_with_the_right_that_is_missing";
    let Some(server) = Server::start_emulator(test).await else {
        return;
    };
    tables::dated("T")
        .rows(tables::october(100))
        .at_source(&server)
        .await;
    let limit = "require_replica = false\nreplica_lag_max_seconds = 60";
    let project = Project::with(&server, limit, "chunk_rows = 10", T_MONTHLY);
    let run = async || {
        project
            .run("2025-10-01", "2025-10-31", &[])
            .await
            .expect(0)
            .stderr
    };
    let told = |said: &str| said.matches("replica_lag_max_seconds is set").count();
    let said = run().await;
    assert_eq!(told(&said), 1, "{said}");
    assert!(
        said.contains("only a replica of an availability group tells"),
        "{said}"
    );
    let mut master = server.connect("master").await;
    master
        .run(&format!("DENY VIEW SERVER STATE TO [{}]", server.user))
        .await;
    let said = run().await;
    assert_eq!(told(&said), 1, "{said}");
    assert!(said.contains("GRANT VIEW SERVER STATE"), "{said}");
    master
        .run(&format!("GRANT VIEW SERVER STATE TO [{}]", server.user))
        .await;
    server.emulator().set_signs(shown(0, 0, 0, behind(1)));
    let said = run().await;
    assert_eq!(told(&said), 0, "{said}");
}
