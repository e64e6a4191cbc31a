//! Interrupted runs go on where they stopped: nothing lost, nothing twice, nothing asked again.

use tds_emulator::At;
use testkit::job::TABLES;
use testkit::{Project, Server, faults, tables};

/// Rows of each of the two tables, over two months.
const ROWS: u32 = 2_400;

/// Two tables of two months, one with a plain key and a date index, one with a composite key and no date index.
async fn fill(server: &Server) {
    let date = |n: u32| format!("2025-{}-{:02}T{:02}", 10 + n % 2, 1 + n % 28, n % 24);
    let sales = (0..ROWS).map(|n| {
        let (minute, fraction) = (n % 60, n % 100);
        format!(
            "({n}, '{}:{minute:02}:00.{fraction:02}7', {n}.25, N'note 王 {n}')",
            date(n)
        )
    });
    let table = tables::sales("AMOUNT money NULL, NOTE nvarchar(60) NULL");
    table.rows(sales).at_source(server).await;
    let payments =
        (0..ROWS).map(|n| format!("('S{}', {n}, '{}:00:00.{:03}', {n}.5)", n % 7, date(n), n % 1000));
    tables::payment().rows(payments).at_source(server).await;
}

async fn assert_both_equal(server: &Server) {
    server.assert_equal("dbo.SALES", "dbo.t_SALES").await;
    server.assert_equal("dbo.PAYMENT", "dbo.t_PAYMENT").await;
}

/// Numbers that look like chance and are the same every time.
fn chance(seed: &mut u64, below: u64) -> u64 {
    *seed = seed
        .wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(1_442_695_040_888_963_407);
    (*seed >> 33) % below
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_twenty_times_and_run_again() {
    let Some(server) = Server::start_emulator("killed_twenty_times_and_run_again").await else {
        return;
    };
    fill(&server).await;
    let project = Project::tuned(&server, "chunk_rows = 100", TABLES);
    let mut seed = 20_251_001;
    let mut receipts_before: Vec<String> = Vec::new();
    let mut killed: u64 = 0;
    while killed < 20 {
        // The run is stopped dead before a request of its own, somewhere in its first eighty.
        let nth = 1 + chance(&mut seed, 80);
        let at = if chance(&mut seed, 2) == 0 {
            At::Before
        } else {
            At::After
        };
        let rule = faults::anywhere()
            .of_the_program()
            .nth(nth)
            .point(at)
            .stalls(&server);
        let mark = server.mark();
        let mut child = project.spawn(&["run", "--start-date", "2025-10-01", "--end-date", "2025-11-30"]);
        let ended = tokio::select! {
            () = server.faults().wait_fired(rule, 1) => false,
            _ = child.wait() => true,
        };
        assert!(!ended, "the job was over after {killed} kills");
        child.kill().await.expect("the run is killed");
        server.faults().remove(rule);
        killed += 1;
        let receipts = if server.receipts_exist().await == 0 {
            Vec::new()
        } else {
            server.receipts().await
        };
        for receipt in &receipts_before {
            assert!(
                receipts.contains(receipt),
                "receipt {receipt} was there before kill {killed} and is gone"
            );
        }
        assert_no_verified_key_was_asked_again(&server, mark, &receipts_before);
        receipts_before = receipts;
    }
    assert!(
        !receipts_before.is_empty(),
        "a killed run gets further than to its first chunk"
    );
    project.run("2025-10-01", "2025-11-30", &[]).await.expect(0);
    assert_both_equal(&server).await;
    let receipts = server.receipts().await;
    let mut identities: Vec<String> = receipts
        .iter()
        .map(|receipt| receipt.split(" | ").take(3).collect::<Vec<_>>().join(" | "))
        .collect();
    identities.dedup();
    assert_eq!(identities.len(), receipts.len(), "each receipt is there once");
    let rows: i64 = server
        .connect(&server.target)
        .await
        .integer("SELECT SUM([row_count]) FROM [sync].[receipt]")
        .await;
    assert_eq!(rows, i64::from(2 * ROWS));
    // Of every run that was killed, two workers with two chunks each may be read again; every read asks one row more.
    let read = server.rows_read(0, &["[SALES]", "[PAYMENT]"]);
    let bound = u64::from(2 * ROWS) + receipts.len() as u64 + killed * 4 * 101;
    assert!(
        read <= bound,
        "{read} rows were read from the source, at most {bound} may be"
    );
}

/// A window that had receipts when the run began must be read on from a key, never from its start.
fn assert_no_verified_key_was_asked_again(server: &Server, mark: u64, receipts: &[String]) {
    for (table, column) in [("SALES", "[SOLD_AT]"), ("PAYMENT", "[PAID_AT]")] {
        for month in ["2025-10-01", "2025-11-01"] {
            let begun = receipts.iter().any(|receipt| {
                let mut parts = receipt.split(" | ");
                let (of, first) = (parts.next(), parts.next());
                of.is_some_and(|of| of.contains(&format!("t_{table}")))
                    && first.is_some_and(|first| first.contains(month))
            });
            for statement in server.source_reads(mark, &format!("[{table}]")) {
                let from_the_start = !statement.text.contains(&format!("{column} > "));
                let first = statement
                    .params
                    .iter()
                    .map(|(_, value)| value)
                    .find(|value| value.starts_with("2025-"));
                let of_this_window = first.is_some_and(|value| value.starts_with(month));
                assert!(
                    !(begun && from_the_start && of_this_window),
                    "{}: {:?}",
                    statement.text,
                    statement.params
                );
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_run_reads_nothing_and_a_truncated_target_is_noticed() {
    let server = Server::start().await;
    fill(&server).await;
    let project = Project::tuned(&server, "chunk_rows = 500", TABLES);
    project.run("2025-10-01", "2025-11-30", &[]).await.expect(0);
    assert_both_equal(&server).await;

    let mark = server.mark();
    let again = project.run("2025-10-01", "2025-11-30", &[]).await.expect(0);
    server.assert_no_table_read(mark, &["[SALES]", "[PAYMENT]"]);
    assert!(
        again.stderr.contains("already") || again.stdout.contains("already"),
        "{}{}",
        again.stdout,
        again.stderr
    );

    server.at_target("TRUNCATE TABLE dbo.t_SALES").await;
    let mark = server.mark();
    let healed = project.run("2025-10-01", "2025-11-30", &[]).await.expect(0);
    assert!(
        healed.stderr.contains("no longer holds the rows"),
        "{}",
        healed.stderr
    );
    server.assert_no_table_read(mark, &["[PAYMENT]"]);
    assert_both_equal(&server).await;

    server.at_target("DROP TABLE dbo.t_PAYMENT").await;
    let healed = project.run("2025-10-01", "2025-11-30", &[]).await.expect(0);
    assert!(healed.stderr.contains("made anew"), "{}", healed.stderr);
    assert_both_equal(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_deleted_from_the_middle_of_the_target_come_back() {
    let server = Server::start().await;
    fill(&server).await;
    let project = Project::tuned(&server, "chunk_rows = 100", TABLES);
    project.run("2025-10-01", "2025-11-30", &[]).await.expect(0);
    server.at_target("DELETE FROM dbo.t_SALES WHERE SOLD_AT >= '2025-10-13T00:00:00' AND SOLD_AT < '2025-10-14T00:00:00'").await;
    let mark = server.mark();
    project.run("2025-10-01", "2025-11-30", &[]).await.expect(0);
    assert_both_equal(&server).await;
    if let Some(reads) = server.table_reads(mark, "[SALES]") {
        assert!(
            (1..=3).contains(&reads),
            "only the chunks that lost rows are read again, not {reads}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_state_file_costs_no_rows() {
    let server = Server::start().await;
    fill(&server).await;
    let project = Project::new(&server, TABLES);
    project.run("2025-10-01", "2025-11-30", &[]).await.expect(0);
    std::fs::remove_file(project.state()).expect("the state file is there");
    let mark = server.mark();
    project.run("2025-10-01", "2025-11-30", &[]).await.expect(0);
    server.assert_no_table_read(mark, &["[SALES]", "[PAYMENT]"]);
    let status = project.status().await;
    assert_eq!(status["totals"]["rows"], 2 * ROWS);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_range_that_grows_loads_each_row_once() {
    let server = Server::start().await;
    fill(&server).await;
    let project = Project::new(&server, TABLES);
    for (first, last) in [
        ("2025-10-01", "2025-10-02"),
        ("2025-10-01", "2025-10-31"),
        ("2025-10-01", "2025-11-30"),
    ] {
        project.run(first, last, &[]).await.expect(0);
    }
    assert_both_equal(&server).await;
    let status = project.status().await;
    let windows = status["tables"][0]["windows"].as_array().expect("windows");
    let names: Vec<&str> = windows
        .iter()
        .filter_map(|window| window["window"].as_str())
        .collect();
    assert_eq!(
        names,
        ["2025-10-01..2025-10-02", "2025-10-03..2025-10-31", "2025-11"]
    );
    assert_eq!(status["totals"]["rows"], 2 * ROWS);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_acknowledgement_that_is_lost_loads_nothing_twice() {
    let Some(server) = Server::start_emulator("an_acknowledgement_that_is_lost_loads_nothing_twice").await
    else {
        return;
    };
    fill(&server).await;
    let project = Project::tuned(&server, "chunk_rows = 300", TABLES);
    let commit = faults::at("COMMIT").in_database(&server.target).after();
    let rule = commit.nth(6).times(3).drops(&server);
    let mark = server.mark();
    project.run("2025-10-01", "2025-11-30", &[]).await.expect(0);
    assert_eq!(server.faults().fired(rule), 3);
    assert_both_equal(&server).await;
    let inserts = server.statements_of(mark, "INSERT INTO [dbo].[t_");
    assert_eq!(
        inserts,
        server.receipts().await.len(),
        "a chunk whose commit took effect is not inserted again"
    );
}
