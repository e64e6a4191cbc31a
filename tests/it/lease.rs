//! Two runs at once: one of them writes, and what the other had begun is known before anything is written again.

use std::time::Duration;

use mssql_sync::base::error::ErrorKind;
use mssql_sync::base::stop::StopSignal;
use mssql_sync::target::lease;
use mssql_sync::target::lease::Holder;
use tds_emulator::{LockMode, RuleId};
use testkit::project::T_MONTHLY;
use testkit::server::is_elsewhere;
use testkit::{Ended, Project, Server, clock, faults, tables};

const RUN: [&str; 5] = ["run", "--start-date", "2025-10-01", "--end-date", "2025-10-31"];
const CHUNKS: usize = 6;

async fn fill(server: &Server) {
    tables::dated("T")
        .rows(tables::october(300))
        .at_source(server)
        .await;
}

/// A machine of its own: its own configuration and state file, the same two databases.
fn machine(server: &Server) -> Project {
    Project::tuned(server, "chunk_rows = 50\nmax_workers = 1", T_MONTHLY)
}

/// Stops a run at its third chunk.
fn stall_at_third_chunk(server: &Server) -> RuleId {
    faults::at("INSERT INTO [dbo].[t_T]")
        .of_the_program()
        .nth(3)
        .stalls(server)
}

/// Notices that a run asks for a table's lock. It finds the migration done.
fn notice_lock(server: &Server) -> RuleId {
    faults::at("sp_getapplock").of_the_program().notices(server)
}

/// Runs both machines: the first is held by a rule until the other one asks for the table.
async fn at_once(server: &Server, [one, other]: [&Project; 2], held: RuleId) {
    let first = one.spawn(&RUN);
    server.faults().wait_fired(held, 1).await;
    let asked = notice_lock(server);
    let second = other.spawn(&RUN);
    server.faults().wait_fired(asked, 1).await;
    server.faults().remove(held);
    Ended::of(first).await.expect(0);
    Ended::of(second).await.expect(0);
}

fn inserts(server: &Server) -> usize {
    server.statements_of(0, "INSERT INTO [dbo].[t_T]")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_second_machine_waits_and_finds_all_done() {
    let Some(server) = Server::start_emulator("the_second_machine_waits_and_finds_all_done").await else {
        return;
    };
    fill(&server).await;
    let (one, other) = (machine(&server), machine(&server));
    let held = stall_at_third_chunk(&server);
    at_once(&server, [&one, &other], held).await;
    server.assert_equal("dbo.T", "dbo.t_T").await;
    assert_eq!(inserts(&server), CHUNKS, "no chunk was loaded twice");
    assert_eq!(other.status().await["totals"]["verified"], CHUNKS);
}

/// Writes the name of the target's schema, or that of the table, in another case.
const RESPELLED: [(&str, &str); 2] = [
    ("schema = \"dbo\"\ntable_prefix", "schema = \"DBO\"\ntable_prefix"),
    ("name = \"T\"", "name = \"t\""),
];

/// The first run stops before its target table is made, or at its third chunk.
#[tokio::test(flavor = "multi_thread")]
async fn another_spelling_of_a_table_waits_for_the_same_turn() {
    for (from, to) in RESPELLED {
        for begun in [false, true] {
            let Some(server) = Server::start_emulator("another_spelling_of_a_table").await else {
                return;
            };
            fill(&server).await;
            let (one, other) = (machine(&server), machine(&server));
            other.configure(from, to);
            let held = match begun {
                true => stall_at_third_chunk(&server),
                false => faults::at("CREATE TABLE [dbo].[t_T]")
                    .of_the_program()
                    .stalls(&server),
            };
            at_once(&server, [&one, &other], held).await;
            server.assert_equal("dbo.T", "dbo.t_T").await;
            assert_eq!(inserts(&server), CHUNKS, "{to}: no chunk was loaded twice");
            for table in ["plan", "lease"] {
                let sql = format!("SELECT [table_name] FROM [sync].[{table}]");
                let names = server.connect(&server.target).await.texts(&sql).await;
                assert_eq!(names, ["dbo.t_T"], "{to}");
            }
            // All that the other machine does finds the same table.
            let again = other.sync(&RUN).await.expect(0);
            assert!(again.stdout.contains("Everything is already loaded"), "{again:?}");
            other.sync(&["rebuild"]).await.expect(0);
            other.sync(&["reconcile"]).await.expect(0);
            let table = if to.contains("DBO") { "T" } else { "t" };
            other.sync(&["forget", "--table", table]).await.expect(0);
            assert_eq!(server.receipts().await, [""; 0]);
            other.sync(&RUN).await.expect(0);
            one.sync(&RUN).await.expect(0);
            server.assert_equal("dbo.T", "dbo.t_T").await;
        }
    }
}

/// A run that is refused leaves the lease to whoever has it.
#[tokio::test(flavor = "multi_thread")]
async fn who_is_refused_takes_no_lease() {
    let server = Server::start().await;
    fill(&server).await;
    let project = machine(&server);
    project.sync(&RUN).await.expect(0);
    let lease = "SELECT [epoch], [run_id] FROM [sync].[lease]";
    let before = server.connect(&server.target).await.rows(lease).await;
    server.at_source("ALTER TABLE dbo.T ADD MORE int NULL").await;
    project.sync(&RUN).await.expect(6);
    project.sync(&["reconcile", "--source"]).await.expect(6);
    assert_eq!(server.connect(&server.target).await.rows(lease).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_second_machine_takes_over_from_one_that_dies() {
    let Some(server) = Server::start_emulator("the_second_machine_takes_over_from_one_that_dies").await
    else {
        return;
    };
    fill(&server).await;
    let (one, other) = (machine(&server), machine(&server));
    let held = stall_at_third_chunk(&server);
    let mut first = one.spawn(&RUN);
    server.faults().wait_fired(held, 1).await;
    let asked = notice_lock(&server);
    let second = other.spawn(&RUN);
    server.faults().wait_fired(asked, 1).await;
    first.kill().await.expect("the first run is killed");
    Ended::of(second).await.expect(0);
    server.assert_equal("dbo.T", "dbo.t_T").await;
    assert_eq!(server.receipts().await.len(), CHUNKS);
    assert_eq!(
        inserts(&server),
        CHUNKS + 1,
        "only the chunk in flight was inserted again"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn who_lost_the_lease_commits_nothing_more() {
    let Some(server) = Server::start_emulator("who_lost_the_lease_commits_nothing_more").await else {
        return;
    };
    fill(&server).await;
    let project = machine(&server);
    let renewal = faults::at("UPDATE [sync].[lease] SET [renewed_at]").of_the_program();
    // The first is that of the table's plan, the next two are those of chunks.
    let held = renewal.nth(4).stalls(&server);
    let child = project.spawn(&RUN);
    server.faults().wait_fired(held, 1).await;
    // Another run takes the lease, as it can once the server has given up the session that kept the applock.
    server
        .at_target("UPDATE [sync].[lease] SET [epoch] = [epoch] + 1, [run_id] = CAST(1 AS binary(16))")
        .await;
    server.faults().remove(held);
    let stderr = Ended::of(child).await.expect(5).stderr;
    assert!(stderr.contains("has taken over target table dbo.t_T"), "{stderr}");
    assert_eq!(
        server.receipts().await.len(),
        2,
        "nothing was committed after the lease was lost"
    );
    assert_eq!(server.count(&server.target, "dbo.t_T").await, 100);
    project.sync(&RUN).await.expect(0);
    server.assert_equal("dbo.T", "dbo.t_T").await;
}

/// The lease's row is what a load in doubt keeps locked: whoever comes next waits there for its outcome, whether
/// readers wait for writers at that server or see the last committed version.
#[tokio::test(flavor = "multi_thread")]
async fn a_load_in_doubt_is_waited_for() {
    if is_elsewhere("a_load_in_doubt_is_waited_for") {
        return;
    }
    for locks in [LockMode::Versioned, LockMode::Strict] {
        let server = Server::emulated(|options| options.locks = locks).await;
        fill(&server).await;
        let project = machine(&server);
        let stopped = stall_at_third_chunk(&server);
        let mut child = project.spawn(&RUN);
        server.faults().wait_fired(stopped, 1).await;
        child.kill().await.expect("the run is killed");
        server.faults().remove(stopped);
        // What a dead machine's session has done to its last line but the commit, done by hand: the third chunk.
        let mut doubtful = server.connect(&server.target).await;
        let begin = "BEGIN TRANSACTION; UPDATE [sync].[lease] SET [renewed_at] = SYSUTCDATETIME(); \
             INSERT INTO [sync].[receipt] SELECT [table_name], [window_start], [window_end], 2, [state], \
             CAST(7 AS binary(16)), [run_id], [epoch], [key_through], NULL, 200, 1, [digest], [target_object_id], \
             [target_created], [loaded_at], NULL FROM [sync].[receipt] WHERE [ordinal] = 1";
        doubtful.run(begin).await;
        let source = server.source.clone();
        let rest = format!(
            "INSERT INTO dbo.t_T SELECT ID, D FROM [{source}].dbo.T s WHERE NOT EXISTS \
             (SELECT 1 FROM dbo.t_T t WHERE t.ID = s.ID)"
        );
        if doubtful.try_run(&rest).await.is_err() {
            // A server that keeps its databases apart: the rows by value.
            let rows = server
                .connect(&source)
                .await
                .texts("SELECT CONCAT(N'(', ID, N', ''', CONVERT(nvarchar(23), D, 126), N''')') FROM dbo.T")
                .await;
            let have = doubtful.texts("SELECT CONCAT(N'(', ID, N',') FROM dbo.t_T").await;
            let rows: Vec<String> = rows
                .into_iter()
                .filter(|row| !have.iter().any(|id| row.starts_with(id.as_str())))
                .collect();
            assert_eq!(rows.len(), 200);
            doubtful
                .run(&format!("INSERT INTO dbo.t_T VALUES {}", rows.join(", ")))
                .await;
        }
        let asked = faults::at("UPDATE [sync].[lease] SET [epoch]")
            .of_the_program()
            .notices(&server);
        let before = inserts(&server);
        let child = project.spawn(&RUN);
        server.faults().wait_fired(asked, 1).await;
        doubtful.run("COMMIT TRANSACTION").await;
        let ended = Ended::of(child).await;
        assert_eq!(ended.code(), 0, "{locks:?}: {ended:?}");
        assert_eq!(
            inserts(&server),
            before,
            "{locks:?}: what the session in doubt had committed was not loaded again"
        );
        server.assert_equal("dbo.T", "dbo.t_T").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_another_machine_keeps_is_waited_for_a_minute_and_named() {
    let server = Server::start().await;
    fill(&server).await;
    machine(&server).sync(&RUN).await.expect(0);
    let mut other = server.connect(&server.target).await;
    other
        .run(
            "UPDATE [sync].[lease] SET [host] = N'elsewhere', [process_id] = 4711; \
             EXEC sp_getapplock @Resource = N'sync:dbo.t_t', @LockMode = N'Exclusive', @LockOwner = N'Session'",
        )
        .await;
    let mut session = server.target_session().await;
    let holder = Holder {
        run_id: 2,
        host: "here".to_owned(),
        process_id: 1,
    };
    let clock = clock::leaping(Duration::from_secs(60));
    let error = lease::take(&mut session, "dbo.t_T", &holder, &clock, &StopSignal::new())
        .await
        .expect_err("another session keeps it");
    assert_eq!(error.kind(), ErrorKind::Busy);
    assert_eq!(error.kind().exit_code() as i32, 5);
    assert!(error.to_string().contains("process 4711 on elsewhere"), "{error}");
    assert!(
        clock.monotonic() >= Duration::from_secs(60),
        "it was waited for a minute"
    );
    // Its turn comes when the other lets go.
    other
        .run("EXEC sp_releaseapplock @Resource = N'sync:dbo.t_t', @LockOwner = N'Session'")
        .await;
    let lease = lease::take(&mut session, "dbo.t_T", &holder, &clock, &StopSignal::new())
        .await
        .expect("the lease");
    assert_eq!(lease.run_id, 2);
    drop((session, other));
}
