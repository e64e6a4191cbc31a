//! `sync forget`: what is forgotten is loaded again, once, and nothing else is; also when the forgetting was cut short.

use std::sync::Arc;
use std::time::Duration;

use mssql_sync::base::error::ErrorKind;
use mssql_sync::base::stop::StopSignal;
use mssql_sync::checkpoint::{Change, Store, Tombstone};
use mssql_sync::pipeline::forget::{Finish, finish, forget};
use mssql_sync::pipeline::retrier::Retrier;
use mssql_sync::progress::Silent;
use mssql_sync::target::lease::Holder;
use tds_emulator::At;
use testkit::project::monthly;
use testkit::{Ended, Project, Server, clock, faults, job, session, tables};

const NOTHING: [u32; 2] = [0, 0];
const ALL: [u32; 2] = [2 * job::MONTH_ROWS, 2 * job::MONTH_CHUNKS];
const MONTH: [u32; 2] = [job::MONTH_ROWS, job::MONTH_CHUNKS];

/// Number of receipts of a target table's windows that begin on a day.
async fn receipts(server: &Server, target: &str, start: &str) -> i64 {
    let sql = format!(
        "SELECT COUNT_BIG(*) FROM [sync].[receipt] WHERE [table_name] = N'{target}' AND [window_start] = '{start}'"
    );
    server.connect(&server.target).await.integer(&sql).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_month_is_loaded_again_and_nothing_else() {
    let server = Server::start().await;
    let project = job::finished(&server).await;
    let rows = server.count(&server.target, "dbo.t_SALES").await;
    // Names are compared as the servers compare them.
    let ended = project
        .sync(&["forget", "--table", "sales", "--month", "2025-10"])
        .await
        .expect(0);
    assert!(
        ended
            .stdout
            .starts_with("Forgot 2025-10 of SALES: 4 chunks of 120 rows"),
        "{ended:?}"
    );
    assert_eq!(receipts(&server, "dbo.t_SALES", "2025-10-01").await, 0);
    assert_eq!(receipts(&server, "dbo.t_SALES", "2025-11-01").await, 4);
    assert_eq!(receipts(&server, "dbo.t_PAYMENT", "2025-10-01").await, 4);
    assert_eq!(
        server.count(&server.target, "dbo.t_SALES").await,
        rows,
        "the rows stay until they are loaded again"
    );
    let status = project.status().await;
    let windows = status["tables"][0]["windows"].as_array().expect("windows");
    assert_eq!(windows.len(), 1, "{status}");
    assert_eq!(windows[0]["window"], "2025-11", "{status}");
    job::heal(&server, &project, MONTH, NOTHING).await;

    // A month that was never loaded is a mistake.
    project
        .sync(&["forget", "--table", "SALES", "--month", "2024-01"])
        .await
        .expect(2)
        .says("2024-01 was never loaded or is forgotten already; loaded are 2025-10 to 2025-11 (2 months)");
    job::heal(&server, &project, NOTHING, NOTHING).await;
}

/// Months of a range are forgotten together; nothing is by a dry run; and the command that is printed loads them again.
#[tokio::test(flavor = "multi_thread")]
async fn a_range_of_months_is_told_forgotten_and_loaded_again_by_the_line_that_is_printed() {
    let server = Server::start().await;
    let project = job::finished(&server).await;
    let range = [
        "forget", "--table", "SALES", "--from", "2025-09", "--to", "2025-11",
    ];
    let (status, target) = (project.status().await, job::target(&server).await);
    let told = project
        .sync(&[&range[..], &["--dry-run"]].concat())
        .await
        .expect(0);
    assert!(
        told.stdout.starts_with(
            "Would forget 2025-10 to 2025-11 (2 months) of SALES: 8 chunks of 240 rows in 2 windows."
        ),
        "{told:?}"
    );
    let json = project
        .sync(&[&range[..], &["--dry-run", "--json"]].concat())
        .await
        .expect(0)
        .json();
    assert_eq!(json["outcome"], "would forget", "{json}");
    assert_eq!(json["totals"]["rows"], 240, "{json}");
    assert_eq!(json["tables"][0]["windows"][1]["window"], "2025-11", "{json}");
    assert_eq!(project.status().await, status);
    assert!(job::target(&server).await == target, "the target has changed");

    let ended = project.sync(&range).await.expect(0);
    assert!(
        ended
            .stdout
            .starts_with("Forgot 2025-10 to 2025-11 (2 months) of SALES: "),
        "{ended:?}"
    );
    for start in ["2025-10-01", "2025-11-01"] {
        assert_eq!(receipts(&server, "dbo.t_SALES", start).await, 0);
    }
    let again = ended.stdout.lines().last().expect("a line").trim();
    assert_eq!(
        again,
        "sync run --start-date 2025-10-01 --end-date 2025-11-30 --tables SALES"
    );
    let arguments: Vec<&str> = again.split(' ').skip(1).collect();
    project.sync(&arguments).await.expect(0);
    job::heal(&server, &project, NOTHING, NOTHING).await;
    for (from, to) in [("2025-11", "2025-10"), ("2024-01", "2024-12")] {
        let wrong = ["forget", "--table", "SALES", "--from", from, "--to", to];
        project.sync(&wrong).await.expect(2);
    }
}

/// Whoever sits at a terminal is asked, and a no keeps all. `script` of util-linux makes a terminal.
#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn the_question_is_asked_on_a_terminal() {
    use std::process::Stdio;

    use testkit::program;
    use tokio::io::AsyncWriteExt as _;

    let server = Server::start().await;
    let project = job::finished(&server).await;
    let status = project.status().await;
    for (answer, code, more) in [("n\n", 4, ""), ("\n", 4, ""), ("y\n", 0, ""), ("", 0, " --yes")] {
        let month = if more.is_empty() { "2025-10" } else { "2025-11" };
        let line = format!(
            "{} forget --table SALES --month {month}{more}",
            program::path().display()
        );
        let mut command = project.command(std::path::Path::new("script"));
        command.args(["-qec", &line, "/dev/null"]).stdin(Stdio::piped());
        let Ok(mut child) = program::start(&mut command) else {
            eprintln!("the_question_is_asked_on_a_terminal: skipped, there is no `script`");
            return;
        };
        let mut stdin = child.stdin.take().expect("its input");
        stdin.write_all(answer.as_bytes()).await.expect("it is read");
        let ended = Ended::of(child).await;
        drop(stdin);
        assert_eq!(ended.code(), code, "{answer:?}: {ended:?}");
        let asked = ended.stdout.contains(
            "Forget 2025-10 of SALES: 4 chunks of 120 rows in 1 window? The rows stay at the target",
        );
        assert_eq!(asked, more.is_empty(), "{ended:?}");
        assert_eq!(project.status().await == status, code == 4, "{ended:?}");
    }
}

/// A receipt whose key is nonsense is told with the way out, which is no `rebuild`: the state file is not to blame.
#[tokio::test(flavor = "multi_thread")]
async fn a_receipt_of_a_nonsense_key_is_forgotten() {
    let server = Server::start().await;
    let project = job::finished(&server).await;
    server
        .at_target(
            "UPDATE [sync].[receipt] SET [key_through] = 0x0102 WHERE [table_name] = N'dbo.t_SALES' AND [ordinal] = 1 \
             AND [window_start] = '2025-10-01'",
        )
        .await;
    // A state file that knows the load has its range; this is another machine's.
    std::fs::remove_file(project.state()).expect("it is removed");
    for command in [&job::RUN_IN_TURN[..], &["reconcile"]] {
        let told = project.sync(command).await;
        assert!(told.said().contains("run `sync forget`"), "{told:?}");
        assert!(!told.said().contains("`sync rebuild`"), "{told:?}");
    }
    project
        .sync(&["forget", "--table", "SALES", "--month", "2025-10"])
        .await
        .expect(0);
    job::heal(&server, &project, MONTH, NOTHING).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_is_loaded_again_and_no_other() {
    let server = Server::start().await;
    let project = job::finished(&server).await;
    let ended = project.sync(&["forget", "--table", "PAYMENT"]).await.expect(0);
    assert!(
        ended.stdout.starts_with("Forgot PAYMENT: 8 chunks of 240 rows"),
        "{ended:?}"
    );
    let plans = "SELECT [table_name] FROM [sync].[plan]";
    let plans = server.connect(&server.target).await.rows(plans).await;
    assert_eq!(plans.len(), 1, "{plans:?}");
    job::heal(&server, &project, NOTHING, ALL).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_known_is_not_forgotten() {
    let server = Server::start().await;
    let project = job::finished(&server).await;
    let (status, target) = (project.status().await, job::target(&server).await);
    for (arguments, says) in [
        (&["--table", "NO_SUCH_TABLE"][..], "--table names NO_SUCH_TABLE"),
        (
            &["--table", "SALES", "--month", "2025-13"],
            "no month of the calendar",
        ),
        (
            &["--table", "SALES", "--month", "2025-10-01"],
            "no month of the calendar",
        ),
        (&[], "--table"),
    ] {
        let ended = project.sync(&[&["forget"], arguments].concat()).await;
        assert_eq!(ended.code(), 2, "{arguments:?}: {ended:?}");
        assert!(ended.stderr.contains(says), "{arguments:?}: {ended:?}");
    }
    assert_eq!(project.status().await, status);
    assert!(job::target(&server).await == target, "the target has changed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_only_the_checkpoints_know_is_forgotten() {
    let server = Server::start().await;
    let project = job::finished(&server).await;
    project.configure(&monthly("PAYMENT", "PAID_AT"), "");
    project.sync(&["forget", "--table", "PAYMENT"]).await.expect(0);
    assert_eq!(receipts(&server, "dbo.t_PAYMENT", "2025-10-01").await, 0);
    let status = project.status().await;
    assert_eq!(status["tables"].as_array().map(Vec::len), Some(1), "{status}");
}

#[tokio::test(flavor = "multi_thread")]
async fn not_while_a_run_has_the_store() {
    let Some(server) = Server::start_emulator("not_while_a_run_has_the_store").await else {
        return;
    };
    job::fill(&server).await;
    let project = job::project(&server);
    let rule = job::commit().nth(6).stalls(&server);
    let child = project.spawn(&job::RUN_IN_TURN);
    server.faults().wait_fired(rule, 1).await;
    let pid = child.id().expect("it runs").to_string();
    let ended = project.sync(&["forget", "--table", "SALES"]).await.expect(5);
    assert!(ended.stderr.contains(&format!("process {pid} ")), "{ended:?}");
    server.faults().release(rule);
    Ended::of(child).await.expect(0);
    let status = project.status().await;
    assert_eq!(status["forgetting"], serde_json::json!([]), "{status}");
    job::heal(&server, &project, NOTHING, NOTHING).await;
}

/// Where the target's connection breaks, and what the command ends with: once a COMMIT is under way it may have
/// taken effect.
const BREAKS: &[(&str, At, i32)] = &[
    ("UPDATE [sync].[lease] SET [renewed_at]", At::Before, 7),
    ("DELETE FROM [sync].[receipt]", At::After, 7),
    ("COMMIT TRANSACTION", At::Before, 4),
    ("COMMIT TRANSACTION", At::After, 4),
];

#[tokio::test(flavor = "multi_thread")]
async fn what_was_cut_short_is_finished_by_whoever_comes_next() {
    let test = "what_was_cut_short_is_finished_by_whoever_comes_next";
    let Some(server) = Server::start_emulator(test).await else {
        return;
    };
    let project = job::finished(&server).await;
    for (number, (statement, at, code)) in BREAKS.iter().enumerate() {
        let (month, by_run) = (number % 2 == 0, number % 3 != 0);
        let place = faults::at(*statement).in_database(&server.target).point(*at);
        let rule = place.drops(&server);
        let mut forget = vec!["forget", "--table", "SALES"];
        forget.extend(month.then_some(["--month", "2025-11"]).into_iter().flatten());
        let ended = project.sync(&forget).await;
        let place = format!("lost at {statement} {at:?}: {ended:?}");
        assert_eq!(ended.code(), *code, "{place}");
        assert_eq!(server.faults().fired(rule), 1, "{place}");
        server.faults().clear();

        let status = project.sync(&["status"]).await.expect(0);
        let which = if month { "SALES, 2025-11" } else { "SALES" };
        let target = &server.target;
        let line =
            &format!("{which}: is being forgotten in database {target}; the next run into it finishes that");
        assert!(status.stdout.contains(line), "{status:?}; {place}");
        let plan = [&["plan"][..], &job::RUN_IN_TURN[1..5]].concat();
        let plan = project.sync(&plan).await.expect(0);
        assert!(plan.stdout.contains(line), "{plan:?}; {place}");
        assert!(plan.stdout.contains("to be loaded: 2025-"), "{plan:?}; {place}");
        project.sync(&["counts"]).await.expect(4);
        let status = project.status().await;
        let expected = serde_json::json!([{
            "table": "SALES",
            "month": month.then_some("2025-11-01"),
        }]);
        assert_eq!(status["forgetting"], expected, "{place}");
        assert_eq!(status["totals"]["rows"], job::ALL_ROWS, "{place}");
        // A rebuilt store has still to forget what the old one had.
        project.sync(&["rebuild"]).await.expect(0);
        assert_eq!(project.status().await["forgetting"], expected, "{place}");
        let status = project.sync(&["status"]).await.expect(0);
        assert!(status.stdout.contains(line), "{status:?}; {place}");

        let all = if month { MONTH } else { ALL };
        let said = if by_run {
            job::heal(&server, &project, all, NOTHING).await
        } else {
            let next = ["forget", "--table", "PAYMENT", "--month", "2025-10"];
            project.sync(&next).await.expect(0);
            let status = project.status().await;
            assert_eq!(status["forgetting"], serde_json::json!([]), "{place}");
            job::heal(&server, &project, all, MONTH).await
        };
        let told = said.contains("Table SALES: an interrupted forget is finished now");
        assert_eq!(told, by_run, "{said}; {place}");
    }
}

/// The configuration leads to another database meanwhile, with loads and receipts of its own.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_cut_short_is_finished_in_its_own_database_alone() {
    let test = "what_was_cut_short_is_finished_in_its_own_database_alone";
    let Some(server) = Server::start_emulator(test).await else {
        return;
    };
    server.connect("master").await.run("CREATE DATABASE OTHER").await;
    let project = job::finished(&server).await;
    let names = [&server.target, "OTHER"].map(|name| format!("database = \"{name}\""));
    let (own, other) = (names[0].as_str(), names[1].as_str());
    let state = std::fs::read(project.state()).expect("it is there");
    project.configure(own, other);
    std::fs::remove_file(project.state()).expect("it is removed");
    job::run(&project).await.expect(0);
    std::fs::write(project.state(), state).expect("it is put back");
    project.configure(other, own);

    let october = async |database: &str| {
        let sql = "SELECT COUNT_BIG(*) FROM [sync].[receipt] WHERE [table_name] = N'dbo.t_SALES' AND [window_start] = '2025-10-01'";
        server.connect(database).await.integer(sql).await
    };
    let cut = async |code: i32| {
        faults::at("DELETE FROM [sync].[receipt]")
            .in_database(&server.target)
            .drops(&server);
        let forget = ["forget", "--table", "SALES", "--month", "2025-10"];
        project.sync(&forget).await.expect(code);
        server.faults().clear();
    };
    cut(7).await;
    assert_eq!((october(&server.target).await, october("OTHER").await), (4, 4));

    project.configure(own, other);
    let says = format!(
        "Table SALES, 2025-10: an interrupted forget is of database {} on server ",
        server.target
    );
    for command in [
        &["plan", "--start-date", job::FIRST, "--end-date", job::LAST][..],
        &job::RUN_IN_TURN,
        &["forget", "--table", "PAYMENT", "--month", "2025-10"],
    ] {
        let told = project.sync(command).await.expect(0);
        assert!(told.said().contains(&says), "{told:?}");
        assert!(!told.said().contains("forget is finished now"), "{told:?}");
        assert!(
            !told.said().contains("SALES, 2025-10: is being forgotten"),
            "{told:?}"
        );
        assert_eq!((october(&server.target).await, october("OTHER").await), (4, 4));
    }
    // Back there, it is finished.
    project.configure(other, own);
    job::run(&project)
        .await
        .expect(0)
        .says("Table SALES: an interrupted forget is finished now");
    assert_eq!(project.status().await["forgetting"], serde_json::json!([]));
    job::assert_equal(&server).await;

    // Or it gives way to the same of the other database, which is said.
    cut(7).await;
    project.configure(own, other);
    project
        .sync(&["forget", "--table", "SALES", "--month", "2025-10"])
        .await
        .expect(0)
        .says(&format!("forget in database {} on server", server.target))
        .says("its receipts there stay");
    assert_eq!((october(&server.target).await, october("OTHER").await), (4, 0));
    let said = job::run(&project).await.expect(0).said();
    assert!(!said.contains("interrupted forget"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_was_not_reached_at_all_loses_nothing() {
    let server = Server::start().await;
    let project = job::finished(&server).await;
    let status = project.status().await;
    let text = project.home.read("sync.toml");
    let deaf = session::nobody_listens();
    let address = format!("server = \"{},{}\"", server.host, server.port);
    project.configure(&address, &format!("server = \"127.0.0.1,{}\"", deaf.port));
    project.sync(&["forget", "--table", "SALES"]).await.expect(7);
    project.home.write("sync.toml", text);
    assert_eq!(project.status().await, status);
    job::heal(&server, &project, NOTHING, NOTHING).await;
}

/// Where the connection breaks before anything of a `forget` is recorded.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_cut_short_before_it_had_the_table_is_not_pending() {
    let test = "what_was_cut_short_before_it_had_the_table_is_not_pending";
    let Some(server) = Server::start_emulator(test).await else {
        return;
    };
    let project = job::finished(&server).await;
    for (statement, at) in [
        ("sp_getapplock", At::Before),
        ("UPDATE [sync].[lease] SET [epoch]", At::After),
    ] {
        let place = faults::at(statement).in_database(&server.target).point(at);
        let rule = place.drops(&server);
        project.sync(&["forget", "--table", "SALES"]).await.expect(7);
        assert_eq!(server.faults().fired(rule), 1, "{statement}");
        server.faults().clear();
        let status = project.status().await;
        assert_eq!(status["forgetting"], serde_json::json!([]), "{status}");
    }
    job::heal(&server, &project, NOTHING, NOTHING).await;
}

/// A `forget` of a table that another run keeps is refused, and nothing of it stays pending. One that was interrupted
/// waits for its table, and stops nobody who works on others.
#[tokio::test(flavor = "multi_thread")]
async fn what_another_run_keeps_is_not_forgotten_and_stops_no_other_table() {
    let server = Server::start().await;
    let project = job::finished(&server).await;
    let mut other = server.connect(&server.target).await;
    other
        .run(
            "EXEC sp_getapplock @Resource = N'sync:dbo.t_sales', @LockMode = N'Exclusive', @LockOwner = N'Session'",
        )
        .await;
    let mut session = server.target_session().await;
    let store = Arc::new(Store::create_or_open(&project.state()).expect("the store"));
    let retrier = Retrier {
        clock: clock::leaping(Duration::from_secs(60)),
        stop: StopSignal::new(),
        store: Arc::clone(&store),
        progress: Arc::new(Silent),
        outage_max: Duration::from_secs(1),
        meter: Arc::default(),
        broke: Arc::default(),
    };
    let holder = Holder {
        run_id: 2,
        host: "here".to_owned(),
        process_id: 1,
    };
    let tombstone = Tombstone {
        table: "SALES".to_owned(),
        targets: vec!["dbo.t_SALES".to_owned()],
        month: None,
        database: None,
    };
    let pending = || {
        let view = store.view().expect("a view");
        view.tombstones().expect("tombstones").len()
    };
    let refused = forget(&mut session, &retrier, &holder, std::slice::from_ref(&tombstone)).await;
    assert_eq!(refused.expect_err("it is kept").kind(), ErrorKind::Busy);
    assert_eq!(pending(), 0);

    store
        .commit(&[Change::Forget(tombstone.clone())])
        .expect("it is written");
    let refused = finish(&mut session, &retrier, &holder, &tombstone, true).await;
    assert_eq!(refused.expect_err("it is kept").kind(), ErrorKind::Busy);
    let finished = finish(&mut session, &retrier, &holder, &tombstone, false).await;
    assert_eq!(finished.expect("others go on"), Finish::Busy);
    assert_eq!(pending(), 1);
    other
        .run("EXEC sp_releaseapplock @Resource = N'sync:dbo.t_sales', @LockOwner = N'Session'")
        .await;
    let finished = finish(&mut session, &retrier, &holder, &tombstone, false).await;
    assert_eq!(finished.expect("it is finished"), Finish::Finished);
    assert_eq!(pending(), 0);
    drop((session, other, store, retrier));
    job::heal(&server, &project, ALL, NOTHING).await;
}

/// A table may be called as another one's shadow table is. It is not that one's.
#[tokio::test(flavor = "multi_thread")]
async fn a_table_of_the_name_of_a_shadow_table_stays() {
    let server = Server::start().await;
    for name in ["T", "T__sync"] {
        tables::dated(name)
            .rows(tables::october(30))
            .at_source(&server)
            .await;
    }
    let project = Project::new(&server, &(monthly("T", "D") + &monthly("T__sync", "D")));
    project.run("2025-10-01", "2025-10-31", &[]).await.expect(0);
    let doctor = project.sync(&["doctor"]).await;
    assert!(!doctor.stdout.contains("is left of a refresh"), "{doctor:?}");
    project.sync(&["forget", "--table", "T"]).await.expect(0);
    server.assert_equal("dbo.T__sync", "dbo.t_T__sync").await;
    let receipts = "SELECT COUNT_BIG(*) FROM [sync].[receipt] WHERE [table_name] = N'dbo.t_T__sync'";
    assert!(server.connect(&server.target).await.integer(receipts).await > 0);
}

/// A month that was forgotten is named until windows cover all of it, whatever becomes of the state file.
#[tokio::test(flavor = "multi_thread")]
async fn a_forgotten_month_is_named_until_all_of_it_is_loaded() {
    let server = Server::start().await;
    let project = job::finished(&server).await;
    project.sync(&["counts"]).await.expect(0);
    let forget = ["forget", "--table", "SALES", "--month", "2025-11"];
    project.sync(&forget).await.expect(0);
    project.sync(&["counts"]).await.expect(4);
    project.sync(&["rebuild"]).await.expect(0);
    project.sync(&["counts"]).await.expect(4);
    project.run("2025-11-01", "2025-11-10", &[]).await.expect(0);
    project.sync(&["counts"]).await.expect(4);
    let status = project.status().await;
    assert_eq!(
        status["tables"][0]["forgotten"],
        serde_json::json!(["2025-11"]),
        "{status}"
    );
    job::run(&project).await.expect(0);
    project.sync(&["counts"]).await.expect(0);
    job::assert_equal(&server).await;
}

/// The state file was put back from before the month was loaded: the target tells what was forgotten.
#[tokio::test(flavor = "multi_thread")]
async fn a_month_that_only_the_target_knows_is_forgotten_and_named() {
    let server = Server::start().await;
    job::fill(&server).await;
    let project = job::project(&server);
    project
        .run(job::FIRST, job::FIRST_MONTH_LAST, &[])
        .await
        .expect(0);
    let before = std::fs::read(project.state()).expect("it is there");
    job::run(&project).await.expect(0);
    std::fs::write(project.state(), before).expect("it is put back");
    let forget = ["forget", "--table", "SALES", "--month", "2025-11"];
    project.sync(&forget).await.expect(0);
    let status = project.status().await;
    assert_eq!(
        status["tables"][0]["forgotten"],
        serde_json::json!(["2025-11"]),
        "{status}"
    );
    job::run(&project).await.expect(0);
    job::assert_equal(&server).await;
}
