//! Every fault of the wire and of the servers: what the operator sees, and what the state is afterwards.
//!
//! Whatever heals by itself heals in the same run: both ends are equal, each receipt is there once, no chunk is
//! inserted twice, and a fault of the target costs the source no second read.

use std::time::Duration;

use mssql_sync::base::error::ErrorKind;
use mssql_sync::mssql::{Endpoint, Session, Timeouts};
use mssql_sync::pipeline::pool::Pool;
use tds_emulator::{Action, At, LockMode, RuleId};
use testkit::faults::error;
use testkit::project::{ITEM_FULL, T_MONTHLY};
use testkit::server::is_elsewhere;
use testkit::tables::{Table, items};
use testkit::{APPLICATION, Ended, Project, Server, clock, faults};

const RUN: [&str; 5] = ["run", "--start-date", "2025-10-01", "--end-date", "2025-11-30"];
/// Rows of the table, over two months, and of a chunk.
const ROWS: u64 = 300;
const CHUNK_ROWS: u64 = 50;
/// Chunks of both months.
const CHUNKS: u64 = 6;

/// The statements in which faults strike.
const READ: &str = "FROM [dbo].[T] WHERE";
const BULK: &str = "INSERT BULK";
const INSERT: &str = "INSERT INTO [dbo].[t_T]";
const COMMIT: &str = "COMMIT TRANSACTION";

struct Job {
    server: Server,
    project: Project,
    mark: u64,
}

impl Job {
    async fn begin(test: &str, run: &str) -> Option<Job> {
        let server = Server::start_emulator(test).await?;
        Some(Job::on(server, run).await)
    }

    async fn on(server: Server, run: &str) -> Job {
        let rows = (0..ROWS).map(|n| {
            let (month, day) = (10 + n % 2, 1 + n % 28);
            format!("({n}, '2025-{month}-{day:02}T00:00:00', N'note {n}')")
        });
        let table = Table::new(
            "T",
            "ID int NOT NULL, D datetime NOT NULL, NOTE nvarchar(40) NULL",
        );
        table.indexed("D").rows(rows).at_source(&server).await;
        let run = format!("chunk_rows = {CHUNK_ROWS}\nmax_workers = 1\n{run}");
        let project = Project::tuned(&server, &run, T_MONTHLY);
        let mark = server.mark();
        Job {
            server,
            project,
            mark,
        }
    }

    fn fault(&self, statement: &str, nth: u64, times: u64, at: At, action: Action) -> RuleId {
        let place = faults::at(statement).of_the_program().nth(nth).times(times);
        place.point(at).does(&self.server, action)
    }

    fn login_fault(&self, times: u64, action: Action) -> RuleId {
        let place = faults::at_login().of_the_program().times(times);
        place.does(&self.server, action)
    }

    fn fired(&self, rule: RuleId) -> u64 {
        self.server.faults().fired(rule)
    }

    async fn run(&self, code: i32) -> Ended {
        self.project.sync(&RUN).await.expect(code)
    }

    /// Statements of the program that begin so.
    fn statements(&self, text: &str) -> u64 {
        self.server.statements_of(self.mark, text) as u64
    }

    fn rows_read(&self) -> u64 {
        self.server.rows_read(self.mark, &["[T]"])
    }

    /// Both ends are equal, each chunk has its receipt once, and the store says so.
    async fn assert_whole(&self, place: &str) {
        self.server.assert_equal("dbo.T", "dbo.t_T").await;
        let receipts = self.server.receipts().await;
        assert_eq!(receipts.len() as u64, CHUNKS, "{place}: {receipts:?}");
        let status = self.project.status().await;
        assert_eq!(status["totals"]["verified"], CHUNKS, "{place}: {status}");
        assert_eq!(status["totals"]["rows"], ROWS, "{place}: {status}");
        assert_eq!(status["totals"]["failed"], 0, "{place}: {status}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_is_reset_anywhere_heals() {
    // Where, in which request, and how many more rows of the source and inserts at the target it may cost.
    let cases = [
        ("before reading", READ, 3, At::Before, CHUNK_ROWS, 0),
        ("while reading rows", READ, 3, At::AfterRows(20), CHUNK_ROWS, 0),
        (
            "while reading packets",
            READ,
            2,
            At::AfterPacketsOut(1),
            CHUNK_ROWS,
            0,
        ),
        ("after reading", READ, 2, At::After, CHUNK_ROWS, 0),
        ("while loading rows", BULK, 2, At::AfterBulkRows(10), 0, 0),
        ("after a bulk load", BULK, 3, At::After, 0, 0),
        ("at BEGIN", "BEGIN TRANSACTION", 5, At::Before, 0, 0),
        ("before INSERT", INSERT, 2, At::Before, 0, 1),
        ("after INSERT", INSERT, 2, At::After, 0, 1),
        ("at COMMIT, not done", COMMIT, 6, At::Before, 0, 1),
        ("at COMMIT, done", COMMIT, 6, At::After, 0, 0),
    ];
    for (place, statement, nth, at, rows, inserts) in cases {
        let Some(job) = Job::begin("a_connection_that_is_reset_anywhere_heals", "").await else {
            return;
        };
        let rule = job.fault(statement, nth, 1, at, Action::Drop);
        let ended = job.run(0).await;
        assert_eq!(job.fired(rule), 1, "{place}: the fault strikes");
        assert!(
            ended.stderr.contains("attempt 1 failed"),
            "{place}: {}",
            ended.stderr
        );
        job.assert_whole(place).await;
        assert!(
            job.statements(INSERT) <= CHUNKS + inserts,
            "{place}: {} inserts",
            job.statements(INSERT)
        );
        // Each chunk asks for one row more than fits.
        let bound = ROWS + CHUNKS + rows + 1;
        assert!(
            job.rows_read() <= bound,
            "{place}: {} rows read, at most {bound}",
            job.rows_read()
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn passing_errors_of_a_server_are_passed_over() {
    // The number, its severity, and why: deadlock, lock timeout, a client's timeout, memory, transport, Azure SQL.
    let errors = [
        (1205, 13),
        (1222, 16),
        (-2, 11),
        (8645, 17),
        (701, 17),
        (233, 20),
        (10_053, 20),
        (10_054, 20),
        (10_060, 20),
        (40_197, 17),
        (40_501, 20),
        (40_613, 17),
        (49_918, 16),
        (49_919, 16),
        (49_920, 16),
        (10_928, 16),
        (10_929, 16),
        // The optimizer, a secondary's redo, row versions; a database in transition, a secondary that begins.
        (8628, 17),
        (3948, 16),
        (3966, 17),
        (952, 16),
        (4221, 16),
    ];
    for (number, class) in errors {
        let Some(job) = Job::begin("passing_errors_of_a_server_are_passed_over", "").await else {
            return;
        };
        let faults = [
            (READ, 2),
            ("INSERT INTO [sync].[receipt]", 2),
            (INSERT, 4),
            ("UPDATE [sync].[lease] SET [renewed_at]", 5),
        ]
        .map(|(statement, nth)| {
            (
                statement,
                job.fault(statement, nth, 1, At::Before, error(number, class)),
            )
        });
        job.run(0).await;
        for (statement, rule) in faults {
            assert_eq!(job.fired(rule), 1, "error {number} at {statement}");
        }
        job.assert_whole(&format!("error {number}")).await;
        assert!(
            job.rows_read() <= ROWS + CHUNKS + CHUNK_ROWS + 1,
            "error {number}: a failing target costs the source nothing"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_is_full_stops_the_run_with_the_cause() {
    for number in [9002, 1105] {
        let Some(job) = Job::begin("a_target_that_is_full_stops_the_run_with_the_cause", "").await else {
            return;
        };
        let rule = job.fault(INSERT, 3, u64::MAX, At::Before, error(number, 17));
        let ended = job.run(4).await;
        assert_eq!(job.fired(rule), 1, "error {number} is not tried again");
        assert!(
            ended.stderr.contains(&format!("answered error {number}")),
            "{}",
            ended.stderr
        );
        assert_eq!(job.server.count(&job.server.target, "dbo.t_T").await, 100);
        assert_eq!(job.server.receipts().await.len(), 2, "what was committed stays");
        job.server.faults().clear();
        job.run(0).await;
        job.assert_whole("room was made").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_falls_silent_is_taken_for_dead() {
    // A bulk load that was sent is a statement that waits for its answer.
    let Some(job) = Job::begin(
        "a_server_that_falls_silent_is_taken_for_dead",
        "silence_max_seconds = 1\nanswer_max_seconds = 1",
    )
    .await
    else {
        return;
    };
    let reading = job.fault(READ, 2, 1, At::AfterRows(10), Action::Stall);
    let bulk = job.fault(BULK, 4, 1, At::AfterBulkRows(5), Action::Stall);
    let ended = job.run(0).await;
    assert_eq!((job.fired(reading), job.fired(bulk)), (1, 1));
    for cause in ["source at", "fell silent", "target at", "did not begin to answer"] {
        assert!(ended.stderr.contains(cause), "{cause}: {}", ended.stderr);
    }
    job.assert_whole("silence").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_that_is_not_answered_is_tried_three_times() {
    let Some(job) = Job::begin(
        "a_statement_that_is_not_answered_is_tried_three_times",
        "answer_max_seconds = 1",
    )
    .await
    else {
        return;
    };
    let rule = job.fault(READ, 2, u64::MAX, At::Before, Action::Stall);
    let ended = job.run(4).await;
    // The other window would wait as long, and come to the same.
    assert_eq!(job.fired(rule), 3);
    assert!(
        ended.stderr.contains("did not begin to answer within 1 s")
            && ended.stderr.contains("answer_max_seconds"),
        "{}",
        ended.stderr
    );
    let status = job.project.status().await;
    assert_eq!(status["tables"][0]["windows"][0]["state"], "failed", "{status}");
    job.server.faults().clear();
    job.run(0).await;
    job.assert_whole("slow").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_in_doubt_is_waited_for_and_not_made_twice() {
    if is_elsewhere("a_commit_in_doubt_is_waited_for_and_not_made_twice") {
        return;
    }
    for locks in [LockMode::Versioned, LockMode::Strict] {
        for at in [At::Before, At::After] {
            let server = Server::emulated(|options| options.locks = locks).await;
            let job = Job::on(server, "silence_max_seconds = 1").await;
            let rule = job.fault(COMMIT, 6, 1, at, Action::Stall);
            let ended = job.run(0).await;
            let place = format!("{locks:?}, {at:?}");
            assert_eq!(job.fired(rule), 1, "{place}");
            assert!(
                ended.stderr.contains("did not say whether it committed"),
                "{place}: {}",
                ended.stderr
            );
            job.assert_whole(&place).await;
            let inserts = if at == At::After { CHUNKS } else { CHUNKS + 1 };
            assert_eq!(job.statements(INSERT), inserts, "{place}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_restarts_is_waited_for_and_status_says_so() {
    let Some(mut job) = Job::begin("a_server_that_restarts_is_waited_for_and_status_says_so", "").await
    else {
        return;
    };
    let rule = job.fault(INSERT, 3, 1, At::Before, Action::Stall);
    let child = job.project.spawn(&RUN);
    job.server.faults().wait_fired(rule, 1).await;
    job.server.stop_emulator().await;
    let mut waiting = serde_json::Value::Null;
    // The first attempt finds its connection broken, the next ones find nobody.
    while !waiting["error"]
        .as_str()
        .is_some_and(|error| error.contains("Nobody listens"))
    {
        let status = job.project.status().await;
        assert_eq!(status["run"]["running"], true, "{status}");
        waiting = status["run"]["waiting"].clone();
    }
    for field in ["since", "next_try_at", "error"] {
        assert!(waiting[field].is_string(), "{field}: {waiting}");
    }
    let text = job.project.sync(&["status"]).await.expect(0).stdout;
    assert!(text.contains("waiting since"), "{text}");
    job.server.start_emulator_again().await;
    job.mark = job.server.mark();
    let stderr = Ended::of(child).await.expect(0).stderr;
    assert!(stderr.contains("Nobody listens"), "{stderr}");
    job.assert_whole("after the restart").await;
    let status = job.project.status().await;
    assert!(status["run"]["waiting"].is_null(), "{status}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_is_refused_for_a_while_is_tried_again() {
    let Some(job) = Job::begin("a_login_that_is_refused_for_a_while_is_tried_again", "").await else {
        return;
    };
    // In the middle of a run the connections break, and then the server lets nobody in: five times, on either end.
    let dropped = [
        job.fault(READ, 3, 1, At::Before, Action::Drop),
        job.fault(INSERT, 3, 1, At::Before, Action::Drop),
    ];
    let stalled = job.fault(INSERT, 2, 1, At::Before, Action::Stall);
    let child = job.project.spawn(&RUN);
    job.server.faults().wait_fired(stalled, 1).await;
    let refused = job.login_fault(5, Action::RefuseLogin);
    job.server.faults().remove(stalled);
    let stderr = Ended::of(child).await.expect(0).stderr;
    assert_eq!(job.fired(refused), 5, "{stderr}");
    assert_eq!(dropped.map(|rule| job.fired(rule)), [1, 1]);
    assert!(stderr.contains("refused the login"), "{stderr}");
    job.assert_whole("logins refused").await;

    // From the start of a first run it is the operator's to see to.
    let Some(job) = Job::begin("a_login_that_is_refused_for_a_while_is_tried_again", "").await else {
        return;
    };
    let refused = job.login_fault(u64::MAX, Action::RefuseLogin);
    let ended = job.run(7).await;
    assert_eq!(job.fired(refused), 1, "{}", ended.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_that_was_changed_does_not_lock_the_login() {
    let Some(server) = Server::start_emulator("a_password_that_was_changed_does_not_lock_the_login").await
    else {
        return;
    };
    let endpoint = Endpoint {
        application: APPLICATION.to_owned(),
        ..server.endpoint(&server.source)
    };
    let clock = clock::leaping(Duration::from_secs(1));
    let sessions = Pool::<Session>::new(endpoint, (), Timeouts::default(), &clock);
    drop(sessions.take().await.expect("the login is good"));
    let refused = faults::at_login().always().does(&server, Action::RefuseLogin);
    // However many workers ask, and however often.
    let began = clock.monotonic();
    let mut asked = 0;
    loop {
        asked += 1;
        let error = sessions.take().await.expect_err("the password was changed");
        match error.kind() {
            ErrorKind::LoginAgain => {}
            ErrorKind::Login => break,
            other => panic!("{other:?}: {error}"),
        }
    }
    let waited = clock.monotonic() - began;
    assert!(
        waited > Duration::from_secs(60),
        "a server that starts is waited for"
    );
    assert!(asked > 60, "{asked}");
    let tries = server.faults().fired(refused);
    assert!(tries <= 13, "{tries} logins were refused");
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_a_restart_has_ended_cost_one_attempt_together() {
    let name = "connections_that_a_restart_has_ended_cost_one_attempt_together";
    let Some(mut server) = Server::start_emulator(name).await else {
        return;
    };
    let endpoint = server.endpoint(&server.target);
    let clock = clock::leaping(Duration::from_secs(1));
    let pool = Pool::<Session>::new(endpoint, (), Timeouts::default(), &clock);
    let mut taken = Vec::new();
    for _ in 0..4 {
        taken.push(pool.take().await.expect("a connection"));
    }
    taken.into_iter().for_each(|session| pool.put(session));
    server.stop_emulator().await;
    server.start_emulator_again().await;

    let mut ended = pool.take().await.expect("an idle connection");
    let error = ended.batch("SELECT 1 AS [one]").await.expect_err("it has ended");
    assert_eq!(error.kind(), ErrorKind::Broken);
    drop(ended);
    let mut anew = pool.take().await.expect("a new connection");
    anew.batch("SELECT 1 AS [one]").await.expect("the server is up");

    // A statement that was only refused leaves the idle ones alone.
    let mut other = pool.take().await.expect("a new connection");
    pool.put(anew);
    let refused = other.batch("SELECT * FROM [no].[where]").await;
    assert_eq!(
        refused.expect_err("there is no such table").kind(),
        ErrorKind::Preflight
    );
    drop(other);
    let _no_new_ones = faults::at_login().always().does(&server, Action::RefuseLogin);
    pool.take().await.expect("an idle connection");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_comparison_that_is_not_answered_is_tried_three_times() {
    let name = "a_comparison_that_is_not_answered_is_tried_three_times";
    let Some(server) = Server::start_emulator(name).await else {
        return;
    };
    let rows = (0..9).map(|n| format!("(N'item {n}', {n})"));
    items("PRICE int NULL").rows(rows).at_source(&server).await;
    let project = Project::tuned(&server, "answer_max_seconds = 1", ITEM_FULL);
    project.sync(&RUN).await.expect(0);
    let slow = faults::at("FROM [dbo].[ITEM] WHERE").of_the_program().always();
    let slow = slow.does(&server, Action::Stall);
    let ended = project.sync(&RUN).await.expect(4);
    assert_eq!(server.faults().fired(slow), 3, "{}", ended.stderr);
    assert!(
        ended.stderr.contains("did not begin to answer within 1 s"),
        "{}",
        ended.stderr
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_permission_that_is_missing_is_asked_for_once() {
    let Some(job) = Job::begin("a_permission_that_is_missing_is_asked_for_once", "").await else {
        return;
    };
    let rule = job.fault(INSERT, 1, u64::MAX, At::Before, error(229, 14));
    let ended = job.run(7).await;
    assert_eq!(job.fired(rule), 1, "the other window is not tried");
    assert!(ended.stderr.contains("answered error 229"), "{}", ended.stderr);
    job.server.faults().clear();
    job.run(0).await;
    job.assert_whole("granted").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_every_window_would_meet_is_met_once() {
    let name = "what_every_window_would_meet_is_met_once";
    // A column without a value, and a database that was made read-only meanwhile.
    for (number, code) in [(515, 4), (3906, 7)] {
        let Some(job) = Job::begin(name, "").await else {
            return;
        };
        let rule = job.fault(INSERT, 1, u64::MAX, At::Before, error(number, 16));
        let ended = job.run(code).await;
        assert_eq!(
            job.fired(rule),
            1,
            "error {number}: the other window is not tried"
        );
        assert!(ended.stderr.contains("is given up"), "{}", ended.stderr);
        job.server.faults().clear();
        job.run(0).await;
        job.assert_whole(&format!("error {number} is mended")).await;
    }
    // A NULL of the source that the target's column does not take is in some windows only.
    let Some(job) = Job::begin(name, "").await else {
        return;
    };
    job.server
        .at_source("UPDATE dbo.T SET NOTE = NULL WHERE ID = 0")
        .await;
    job.server
        .at_target(
            "CREATE TABLE dbo.t_T (ID int NOT NULL PRIMARY KEY, D datetime NOT NULL, NOTE nvarchar(40) NOT NULL)",
        )
        .await;
    let ended = job.run(4).await;
    assert!(ended.stderr.contains("answered error 515"), "{}", ended.stderr);
    let loaded = "dbo.t_T WHERE D >= '2025-11-01'";
    assert_eq!(job.server.count(&job.server.target, loaded).await, 150);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_cannot_be_opened_is_waited_for_only_where_it_was_open_before() {
    let name = "a_database_that_cannot_be_opened_is_waited_for_only_where_it_was_open_before";
    let Some(job) = Job::begin(name, "").await else {
        return;
    };
    let first = job.login_fault(1, error(4060, 11));
    let ended = job.run(7).await;
    assert_eq!(job.fired(first), 1);
    assert!(ended.stderr.contains("has no database"), "{}", ended.stderr);

    let dropped = job.fault(READ, 3, 1, At::Before, Action::Drop);
    let stalled = job.fault(INSERT, 2, 1, At::Before, Action::Stall);
    let child = job.project.spawn(&RUN);
    job.server.faults().wait_fired(stalled, 1).await;
    let recovering = job.login_fault(3, error(4060, 11));
    job.server.faults().remove(stalled);
    let stderr = Ended::of(child).await.expect(0).stderr;
    assert_eq!((job.fired(dropped), job.fired(recovering)), (1, 3), "{stderr}");
    job.assert_whole("recovering").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_that_lasts_too_long_ends_the_run_and_the_next_one_goes_on() {
    let name = "an_outage_that_lasts_too_long_ends_the_run_and_the_next_one_goes_on";
    let Some(mut job) = Job::begin(name, "outage_max_minutes = 0").await else {
        return;
    };
    let rule = job.fault(INSERT, 3, 1, At::Before, Action::Stall);
    let child = job.project.spawn(&RUN);
    job.server.faults().wait_fired(rule, 1).await;
    job.server.stop_emulator().await;
    let stderr = Ended::of(child).await.expect(4).stderr;
    assert!(stderr.contains("run again to go on when it is back"), "{stderr}");
    // At its start a run waits as well, where an earlier one has been there: here, for no time at all.
    let ended = job.run(4).await;
    assert!(ended.stderr.contains("Nobody listens"), "{}", ended.stderr);
    // A first run does not: the address may be wrong.
    std::fs::remove_file(job.project.state()).expect("the state file");
    let ended = job.run(7).await;
    assert!(ended.stderr.contains("Nobody listens"), "{}", ended.stderr);
    job.server.start_emulator_again().await;
    job.mark = job.server.mark();
    job.run(0).await;
    job.assert_whole("back again").await;
}
