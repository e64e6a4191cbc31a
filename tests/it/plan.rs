//! `sync plan`: what it says before, between and after runs, and that it leaves no trace.

use mssql_sync::checkpoint::{Change, LoadRate, Store};
use testkit::project::{T_MONTHLY, full};
use testkit::tables::{self, Table};
use testkit::{Ended, Project, Server, faults, job};

async fn plan(project: &Project, more: &[&str], code: i32) -> Ended {
    let mut arguments = vec!["plan", "--start-date", job::FIRST, "--end-date", job::LAST];
    arguments.extend_from_slice(more);
    project.sync(&arguments).await.expect(code)
}

/// All that the target has, by name and rows.
async fn trace(server: &Server) -> Vec<String> {
    let mut client = server.connect(&server.target).await;
    let mut all = client
        .rows("SELECT name, object_id FROM sys.tables ORDER BY name")
        .await;
    if server.receipts_exist().await > 0 {
        for table in [
            "[sync].[receipt]",
            "[sync].[plan]",
            "[sync].[lease]",
            "[sync].[migration]",
        ] {
            all.extend(client.dump(table).await);
        }
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn before_and_after_a_run_and_nothing_is_written() {
    let server = Server::start().await;
    job::fill(&server).await;
    let project = job::project(&server);
    let before = trace(&server).await;
    let mark = server.mark();
    let fresh = plan(&project, &[], 0).await;
    for text in [
        "SALES (monthly) into dbo.t_SALES: to be made",
        "to be loaded: 2025-10 to 2025-11 (2 months)",
        "4 windows to load, of 2 tables.",
        "`sync run` with the same arguments does it",
    ] {
        assert!(fresh.stdout.contains(text), "no {text} in\n{}", fresh.stdout);
    }
    for text in [
        "about 240 rows at the source, read in the order SOLD_AT, ID (date)",
        "read in the order STORE, NO (key walk)",
    ] {
        assert!(
            !server.faithful || fresh.stdout.contains(text),
            "no {text} in\n{}",
            fresh.stdout
        );
    }
    assert_eq!(trace(&server).await, before);
    assert!(!project.state().exists(), "a state file was made");
    server.assert_no_table_read(mark, &job::SOURCES);

    project
        .run(job::FIRST, job::FIRST_MONTH_LAST, &[])
        .await
        .expect(0);
    let (before, state) = (
        trace(&server).await,
        std::fs::read(project.state()).expect("the state file"),
    );
    let half = plan(&project, &["--json"], 0).await.json();
    let windows = &half["tables"][0]["windows"];
    assert_eq!(windows[0]["work"], "complete", "{half}");
    assert_eq!(windows[0]["rows"], job::MONTH_ROWS, "{half}");
    assert_eq!(windows[1]["work"], "load", "{half}");
    assert_eq!(trace(&server).await, before);
    assert!(
        std::fs::read(project.state()).expect("the state file") == state,
        "the state file was changed"
    );

    job::run(&project).await.expect(0);
    let done = plan(&project, &[], 0).await;
    assert!(
        done.stdout.contains(
            "SALES (monthly) into dbo.t_SALES: complete 2025-10 to 2025-11 (2 months), 240 rows verified\n"
        ),
        "{}",
        done.stdout
    );
    assert!(
        done.stdout
            .ends_with("Nothing to load, of 2 tables.\nNothing was written.\n"),
        "{}",
        done.stdout
    );
    assert!(
        !server.faithful || done.stdout.lines().count() == 5,
        "a line for each table: {}",
        done.stdout
    );
    server
        .at_target("UPDATE [sync].[receipt] SET [state] = N'stale' WHERE [table_name] = N'dbo.t_SALES' AND [ordinal] = 1")
        .await;
    let stale = plan(&project, &[], 0).await;
    assert!(
        stale
            .stdout
            .contains("to be repaired: 2025-10 (1 chunk), 2025-11 (1 chunk)"),
        "{}",
        stale.stdout
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn reference_tables_and_rows_without_a_date() {
    let server = Server::start().await;
    tables::items("PRICE money NULL").at_source(&server).await;
    Table::new("STOCK", "ID int NOT NULL, N int NULL")
        .at_source(&server)
        .await;
    Table::new("LOOSE", "A int NULL")
        .keyless()
        .at_source(&server)
        .await;
    Table::new("T", "ID int NOT NULL, D date NULL")
        .indexed("D")
        .rows(["(1, '2025-10-01')", "(2, NULL)", "(3, NULL)"])
        .at_source(&server)
        .await;
    let stock = Table::new("t_STOCK", "ID int NOT NULL, N int NULL DEFAULT (0)");
    stock.at_target(&server).await;
    let tables = ["ITEM", "STOCK", "LOOSE"].map(full).concat();
    let project = Project::new(&server, &(tables + T_MONTHLY));
    let said = plan(&project, &[], 0).await;
    for text in [
        "ITEM (full) into dbo.t_ITEM: to be made",
        "loaded whole into a shadow table, which then takes its place",
        "loaded in place, as a copy would not have column defaults",
        "without a key: all of it is one chunk",
        "2 rows without a date: window `undated`",
    ] {
        assert!(said.stdout.contains(text), "no {text} in\n{}", said.stdout);
    }
    // Reference tables need no dates.
    project.sync(&["plan", "--tables", "ITEM,STOCK"]).await.expect(0);
    project.sync(&["plan"]).await.expect(2);
    project.run(job::FIRST, job::LAST, &[]).await.expect(0);
    let json = plan(&project, &["--json"], 0).await.json();
    assert_eq!(json["tables"][0]["swap"], true, "{json}");
    assert_eq!(
        json["tables"][1]["in_place_because"][0], "column defaults",
        "{json}"
    );
    assert_eq!(json["tables"][3]["undated_rows"], 2, "{json}");
    assert_eq!(json["tables"][3]["windows"][2]["work"], "complete", "{json}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_worked_on_is_told_and_hides_nothing() {
    let server = Server::start().await;
    let project = job::finished(&server).await;
    server.at_source("ALTER TABLE dbo.SALES ADD MORE int NULL").await;
    let changed = plan(&project, &[], 6).await;
    assert!(
        changed.stdout.contains("sync forget --table SALES"),
        "{}",
        changed.stdout
    );
    assert!(
        changed.stdout.contains("complete 2025-10 to 2025-11 (2 months)"),
        "{}",
        changed.stdout
    );
    server.at_source("DROP TABLE dbo.SALES").await;
    let missing = plan(&project, &[], 7).await;
    assert!(
        missing.stdout.contains("has no table dbo.SALES"),
        "{}",
        missing.stdout
    );
    assert!(
        missing.stdout.contains("1 table cannot be worked on"),
        "{}",
        missing.stdout
    );
}

/// What a run would notice of a target that lost rows or receipts, `plan` tells by the same look.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_run_would_load_again_is_planned() {
    let server = Server::start().await;
    let project = job::finished(&server).await;
    // Receipts that are gone with their rows, of a month that is not asked for.
    job::take_back(&server, "dbo.t_SALES", 10, 2).await;
    let november = ["plan", "--start-date", "2025-11-01", "--end-date", "2025-11-30"];
    let told = project.sync(&november).await.expect(0);
    for says in [
        "to be repaired: 2025-10 (2 chunks)",
        "the target has no receipts of 2 chunks",
        "`sync run` with the same arguments does it",
    ] {
        assert!(told.stdout.contains(says), "{says}: {told:?}");
    }
    job::run(&project).await.expect(0);
    // A receipt that hands have changed.
    server
        .at_target(
            "UPDATE [sync].[receipt] SET [row_count] = [row_count] + 1 WHERE [table_name] = N'dbo.t_PAYMENT' \
             AND [ordinal] = 0 AND [window_start] = '2025-10-01'",
        )
        .await;
    let told = plan(&project, &[], 0).await;
    for says in [
        "to be repaired: 2025-10 (1 chunk)",
        "say something else than this state file knows",
        "a run loads their rows again",
    ] {
        assert!(told.stdout.contains(says), "{says}: {told:?}");
    }
    job::run(&project).await.expect(0);
    // Rows that are gone under receipts that stayed.
    server.at_target("DELETE FROM dbo.t_PAYMENT WHERE NO = 1").await;
    let told = plan(&project, &[], 0).await;
    assert!(
        !server.faithful
            || told
                .stdout
                .contains("so a run counts the rows of the dates that are asked for"),
        "{told:?}"
    );
}

/// The rate of the last run that loaded much tells how long the next one takes.
#[tokio::test(flavor = "multi_thread")]
async fn the_last_rate_tells_the_time() {
    let server = Server::start().await;
    job::fill(&server).await;
    let project = job::project(&server);
    project
        .run(job::FIRST, job::FIRST_MONTH_LAST, &[])
        .await
        .expect(0);
    let told = plan(&project, &[], 0).await;
    assert!(
        !told.stdout.contains("at the rate"),
        "so few rows tell none: {told:?}"
    );
    let rate = LoadRate {
        at: "2025-12-01T00:00:00Z".parse().expect("a time"),
        rows: 12_000,
        elapsed_ms: 1_000_000,
    };
    let store = Store::create_or_open(&project.state()).expect("the store");
    store.commit(&[Change::LoadRate(rate)]).expect("it is written");
    drop(store);
    let told = plan(&project, &["--json"], 0).await.json();
    if server.faithful {
        assert_eq!(told["totals"]["rows_to_read"], 240, "{told}");
        assert_eq!(told["totals"]["rows_per_second"], 12, "{told}");
        assert_eq!(told["totals"]["seconds_to_read"], 20, "{told}");
    }
}

/// A run that holds the locks is named, by the commands that only look, and they wait shortly.
#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_holds_the_locks_is_named() {
    let Some(server) = Server::start_emulator("a_run_that_holds_the_locks_is_named").await else {
        return;
    };
    let project = job::finished(&server).await;
    server
        .at_target("UPDATE [sync].[lease] SET [host] = N'elsewhere', [process_id] = 4711")
        .await;
    let says = "Another run (process 4711 on elsewhere, which last wrote at ";
    let nobody = "A session that is no run of this program has locked target table dbo.t_SALES";
    let mut other = server.connect(&server.target).await;
    let lock = "EXEC sp_getapplock @Resource = N'sync:dbo.t_sales', @LockMode = N'Exclusive', @LockOwner = N'Session'";
    let release = "EXEC sp_releaseapplock @Resource = N'sync:dbo.t_sales', @LockOwner = N'Session'";
    let plan = ["plan", "--start-date", job::FIRST, "--end-date", job::LAST];
    for (statement, command, says) in [
        ("FROM [sync].[plan]", &plan[..], says),
        ("SELECT TOP (@P1)", &["sample"], says),
        ("SELECT COUNT_BIG(*) FROM [dbo].[t_SALES]", &["counts"], says),
        // The run that the lease's row names has died, and another session has the locks.
        ("SELECT COUNT_BIG(*) FROM [dbo].[t_SALES]", &["counts"], nobody),
        ("SELECT TOP (@P1)", &["sample"], nobody),
    ] {
        if says != nobody {
            other.run(lock).await;
        }
        let mark = server.mark();
        let rule = faults::at(statement)
            .in_database(&server.target)
            .fails(&server, 1222);
        let said = project.sync(command).await.expect(5).said();
        assert_eq!(server.faults().fired(rule), 1, "{command:?}");
        server.faults().clear();
        if says != nobody {
            other.run(release).await;
        }
        assert!(said.contains(says), "{command:?}: {said}");
        assert_eq!(
            server.statements_of(mark, "SET LOCK_TIMEOUT 10000"),
            1,
            "{command:?}"
        );
    }
}
