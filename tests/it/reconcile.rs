//! `sync reconcile`: what it finds at the target and at the source, what it asks of whom, and what it mends.

use serde_json::Value;
use testkit::project::{ITEM_FULL, T_MONTHLY, full};
use testkit::tables::{self, Table};
use testkit::{Project, Server, faults, job};

/// Number of statements that the source's database was sent since `mark`, but for the test's own.
fn asked_of_the_source(server: &Server, mark: u64) -> usize {
    let statements = server.emulator().log().since(mark);
    let own = statements
        .iter()
        .filter(|statement| statement.application != "sync-test");
    own.filter(|statement| statement.database == server.source)
        .count()
}

async fn reconcile(project: &Project, more: &[&str], code: i32) -> Value {
    let mut arguments = vec!["reconcile", "--json"];
    arguments.extend_from_slice(more);
    project.sync(&arguments).await.expect(code).json()
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_source_only_the_target_is_asked() {
    let Some(server) = Server::start_emulator("without_the_source_only_the_target_is_asked").await else {
        return;
    };
    let project = job::finished(&server).await;
    let mark = server.mark();
    let found = reconcile(&project, &[], 0).await;
    assert_eq!(asked_of_the_source(&server, mark), 0, "statements at the source");
    assert_eq!(found["chunks"], job::ALL_CHUNKS, "{found}");
    assert_eq!(found["rows"], job::ALL_ROWS, "{found}");
    assert_eq!(found["differing"], serde_json::json!([]), "{found}");
    let said = project.sync(&["reconcile"]).await.expect(0);
    assert!(
        said.stdout
            .contains("16 chunks of 480 rows in 2 tables: all are as they were verified"),
        "{}",
        said.stdout
    );
    // Not even logged in to.
    server.at_source("SELECT 1").await;
    project.configure(
        &format!("database = \"{}\"", server.source),
        "database = \"nowhere\"",
    );
    reconcile(&project, &[], 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_differs_at_the_target_is_found_and_mended() {
    let server = Server::start().await;
    let project = job::finished(&server).await;
    server
        .at_target(
            "UPDATE dbo.t_SALES SET AMOUNT = 0 WHERE ID = 31; DELETE FROM dbo.t_SALES WHERE ID = 100; \
             INSERT INTO dbo.t_PAYMENT VALUES ('X', 1, '2025-11-20T00:00:00', 1); \
             UPDATE dbo.t_SALES SET NOTE = NULL WHERE ID IN (121, 122, 123)",
        )
        .await;
    for _ in 0..2 {
        let found = reconcile(&project, &[], 3).await;
        let places: Vec<(&str, &str, u64)> = found["differing"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|one| {
                (
                    one["table"].as_str().expect("a table"),
                    one["window"].as_str().expect("a window"),
                    one["chunk"].as_u64().expect("a chunk"),
                )
            })
            .collect();
        assert_eq!(
            places,
            [
                ("SALES", "2025-10", 1),
                ("SALES", "2025-10", 3),
                ("SALES", "2025-11", 0),
                ("PAYMENT", "2025-11", 3)
            ]
        );
        assert_eq!(found["differing"][1]["receipt_rows"], 30, "{found}");
        assert_eq!(found["differing"][1]["target_rows"], 29, "{found}");
    }
    let found = reconcile(&project, &["--source", "--rows"], 3).await;
    let counts: Vec<[u64; 3]> = found["differing"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|one| ["changed", "missing", "target_only"].map(|what| one[what].as_u64().expect("a count")))
        .collect();
    assert_eq!(counts, [[1, 0, 0], [0, 1, 0], [3, 0, 0], [0, 0, 1]]);
    let id = if server.faithful { "ID" } else { "id" };
    assert_eq!(found["differing"][0]["keys"][0]["key"][id], "31", "{found}");
    assert_eq!(found["differing"][3]["keys"][0]["what"], "target-only", "{found}");
    let mark = server.mark();
    let receipts = server.loads().await;
    let mended = project.sync(&["reconcile", "--repair"]).await.expect(0);
    assert!(
        mended.stdout.contains("4 chunks differed; all were loaded again"),
        "{}",
        mended.stdout
    );
    server.assert_rows_read(mark, "[SALES]", 3 * job::CHUNK_ROWS, 3);
    server.assert_rows_read(mark, "[PAYMENT]", job::CHUNK_ROWS, 1);
    job::assert_equal(&server).await;
    job::assert_complete(&project).await;
    let after = server.loads().await;
    assert_eq!(after.len(), receipts.len());
    assert_eq!(
        after.iter().filter(|receipt| !receipts.contains(receipt)).count(),
        4
    );
    assert_eq!(
        reconcile(&project, &["--source"], 0).await["differing"],
        serde_json::json!([])
    );
    let mark = server.mark();
    job::run(&project).await.expect(0);
    server.assert_no_table_read(mark, &job::SOURCES);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_changed_at_the_source_is_found_and_mended() {
    let server = Server::start().await;
    let project = job::finished(&server).await;
    server
        .at_source(
            "UPDATE dbo.SALES SET AMOUNT = 1 WHERE ID = 5; DELETE FROM dbo.SALES WHERE ID = 70; \
             INSERT INTO dbo.PAYMENT VALUES ('S1', 9000, '2025-10-02T11:00:00', 1); \
             UPDATE dbo.SALES SET SOLD_AT = '2025-11-03T12:00:00' WHERE ID = 40",
        )
        .await;
    assert_eq!(
        reconcile(&project, &[], 0).await["differing"],
        serde_json::json!([]),
        "the target is as it was"
    );
    let found = reconcile(&project, &["--source"], 3).await;
    assert_eq!(found["differing"].as_array().expect("a list").len(), 5, "{found}");
    job::assert_complete(&project).await;
    let narrow = reconcile(
        &project,
        &[
            "--source",
            "--tables",
            "SALES",
            "--start-date",
            "2025-11-01",
            "--end-date",
            "2025-11-30",
        ],
        3,
    )
    .await;
    assert_eq!(
        narrow["differing"].as_array().expect("a list").len(),
        1,
        "{narrow}"
    );
    assert_eq!(narrow["differing"][0]["missing"], 1, "{narrow}");
    reconcile(&project, &["--source", "--repair"], 0).await;
    job::assert_equal(&server).await;
    reconcile(&project, &["--source"], 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_was_dropped_or_made_anew_is_told() {
    let server = Server::start().await;
    let project = job::finished(&server).await;
    server.at_target("DROP TABLE dbo.t_PAYMENT").await;
    let told = project.sync(&["reconcile"]).await.expect(4);
    assert!(
        told.stdout.contains("dbo.t_PAYMENT is not there"),
        "{}",
        told.stdout
    );
    tables::payment().named("t_PAYMENT").at_target(&server).await;
    let found = reconcile(&project, &["--tables", "PAYMENT"], 3).await;
    assert_eq!(found["differing"].as_array().expect("a list").len(), 8, "{found}");
    reconcile(&project, &["--repair"], 0).await;
    job::assert_equal(&server).await;
    job::assert_complete(&project).await;
}

/// Kills a comparison of all chunks after the first half of them.
async fn kill_half_way(server: &Server, project: &Project) {
    let rule = faults::at("FROM [dbo].[t_").nth(11).stalls(server);
    let mut child = project.spawn(&["reconcile", "--max-workers", "1"]);
    server.faults().wait_fired(rule, 1).await;
    child.kill().await.expect("it is killed");
    server.faults().clear();
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_is_cut_short_goes_on() {
    let Some(server) = Server::start_emulator("one_that_is_cut_short_goes_on").await else {
        return;
    };
    let project = job::finished(&server).await;
    kill_half_way(&server, &project).await;
    let said = project.sync(&["reconcile"]).await.expect(0);
    assert!(
        said.stderr.contains("Resuming the reconcile of "),
        "{}",
        said.stderr
    );
    assert!(
        said.stdout.contains("Compared 8 chunks")
            && said
                .stdout
                .contains("8 chunks were compared before it was cut short, after 20"),
        "{}",
        said.stdout
    );
    let again = project.sync(&["reconcile"]).await.expect(0);
    assert!(again.stdout.contains("Compared 16 chunks"), "{}", again.stdout);
}

/// A pass keeps its tables and dates: one of others neither resumes nor ends it.
#[tokio::test(flavor = "multi_thread")]
async fn a_narrow_one_leaves_a_wide_one_that_was_cut_short() {
    let Some(server) = Server::start_emulator("a_narrow_one_leaves_a_wide_one_that_was_cut_short").await
    else {
        return;
    };
    let project = job::finished(&server).await;
    kill_half_way(&server, &project).await;
    let payment = ["reconcile", "--tables", "PAYMENT"];
    let october = ["--start-date", job::FIRST, "--end-date", job::FIRST_MONTH_LAST];
    for (narrow, chunks, scope) in [
        (payment.to_vec(), 8, ", only PAYMENT"),
        (
            [&payment[..], &october].concat(),
            4,
            ", only PAYMENT, 2025-10-01 to 2025-10-31",
        ),
    ] {
        let said = project.sync(&narrow).await.expect(0);
        assert!(!said.stderr.contains("cut short"), "{}", said.stderr);
        assert!(
            said.stdout.contains(&format!("Compared {chunks} chunks")),
            "{}",
            said.stdout
        );
        let status = project.sync(&["status"]).await.expect(0).stdout;
        let lines: Vec<&str> = status
            .lines()
            .filter(|line| line.starts_with("Reconcile"))
            .collect();
        let [wide, narrow] = &lines[..] else {
            panic!("two passes: {status}");
        };
        assert!(
            wide.starts_with("Reconcile at the target: began at") && wide.contains("is unfinished"),
            "{wide}"
        );
        assert!(
            narrow.starts_with(&format!("Reconcile at the target{scope}: began at"))
                && narrow.ends_with(&format!("{chunks} chunks compared, none differs")),
            "{narrow}"
        );
    }
    // Another command that compares more than the target begins anew, too.
    let said = project.sync(&["reconcile", "--source"]).await.expect(0);
    assert!(said.stdout.contains("Compared 16 chunks"), "{}", said.stdout);
    let said = project.sync(&["reconcile"]).await.expect(0);
    assert!(
        said.stderr.contains("Resuming the reconcile of "),
        "{}",
        said.stderr
    );
    let status = project.status().await;
    let passes = status["earlier_reconciles"].as_array().expect("a list");
    // All chunks count, also those from before the kill.
    let wide = passes.iter().chain([&status["reconcile"]]);
    let wide: Vec<&Value> = wide.filter(|pass| pass["source"] == false).collect();
    assert_eq!(wide.len(), 1, "{status}");
    assert_eq!(
        (&wide[0]["same"], wide[0]["ended_at"].is_string()),
        (&Value::from(job::ALL_CHUNKS), true),
        "{status}"
    );
}

/// The passes that `status` tells of and that found a difference.
async fn differing(project: &Project) -> usize {
    let status = project.status().await;
    let earlier = status["earlier_reconciles"].as_array().expect("a list");
    let all = earlier.iter().chain([&status["reconcile"]]);
    all.filter(|pass| pass["differing"] != 0).count()
}

/// A difference that was found and not repaired is told until the same is compared again, whatever else is compared, and
/// however a further pass ends.
#[tokio::test(flavor = "multi_thread")]
async fn a_difference_is_not_forgotten_by_a_pass_that_did_not_look_at_it() {
    let Some(server) =
        Server::start_emulator("a_difference_is_not_forgotten_by_a_pass_that_did_not_look_at_it").await
    else {
        return;
    };
    let project = job::finished(&server).await;
    server
        .at_target("UPDATE dbo.t_SALES SET AMOUNT = 0 WHERE ID = 31")
        .await;
    let sales = ["reconcile", "--tables", "SALES"];
    project.sync(&sales).await.expect(3);
    project
        .sync(&["reconcile", "--tables", "PAYMENT"])
        .await
        .expect(0);
    assert_eq!(differing(&project).await, 1);
    project.sync(&["report", "--output", "a.html"]).await.expect(3);
    // Of all tables, begun and not ended.
    kill_half_way(&server, &project).await;
    assert_eq!(differing(&project).await, 1);
    // Compared again, it is found again; repaired, it is no more.
    project.sync(&sales).await.expect(3);
    assert_eq!(differing(&project).await, 1);
    project
        .sync(&[&sales[..], &["--repair"]].concat())
        .await
        .expect(0);
    assert_eq!(differing(&project).await, 0);
    project.sync(&["report", "--output", "a.html"]).await.expect(0);
}

/// What a pass that was cut short has compared stays compared, though another one compares the same chunks meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn a_narrow_one_over_the_same_chunks_takes_nothing_from_a_wide_one() {
    let Some(server) =
        Server::start_emulator("a_narrow_one_over_the_same_chunks_takes_nothing_from_a_wide_one").await
    else {
        return;
    };
    let project = job::finished(&server).await;
    kill_half_way(&server, &project).await;
    let narrow = ["reconcile", "--tables", "SALES"];
    let said = project.sync(&narrow).await.expect(0);
    assert!(said.stdout.contains("Compared 8 chunks"), "{}", said.stdout);
    assert!(!said.stdout.contains("before"), "{}", said.stdout);
    let said = project.sync(&["reconcile"]).await.expect(0);
    assert!(
        said.stdout.contains("Compared 8 chunks") && said.stdout.contains("8 chunks were compared before"),
        "{}",
        said.stdout
    );
}

/// `sync status` tells what was repaired, and advises no repair of what a later pass has found repaired.
#[tokio::test(flavor = "multi_thread")]
async fn status_tells_a_repair_and_forgets_what_was_found_before_it() {
    let server = Server::start().await;
    let project = job::finished(&server).await;
    server
        .at_target("UPDATE dbo.t_PAYMENT SET AMOUNT = 0 WHERE NO = 31")
        .await;
    reconcile(&project, &[], 3).await;
    let status = project.sync(&["status"]).await.expect(0).stdout;
    assert!(
        status
            .contains("15 chunks the same, 1 not; `sync reconcile --repair` repairs those that still differ"),
        "{status}"
    );
    reconcile(&project, &["--source", "--repair"], 0).await;
    let status = project.sync(&["status"]).await.expect(0).stdout;
    assert!(!status.contains("still differ"), "{status}");
    assert!(
        status.contains("16 chunks compared, none differs; 1 that differed was repaired"),
        "{status}"
    );
    assert_eq!(project.status().await["reconcile"]["repaired"], 1);
}

/// A table that cannot be compared is named, and stops no other; the pass ends.
#[tokio::test(flavor = "multi_thread")]
async fn a_table_whose_plan_changed_stops_no_other() {
    let server = Server::start().await;
    let project = job::finished(&server).await;
    server
        .at_source("ALTER TABLE dbo.SALES ADD WEIGHT int NULL")
        .await;
    for _ in 0..2 {
        let said = project.sync(&["reconcile", "--source"]).await.expect(6);
        assert!(
            said.stdout
                .contains("Table SALES: what it was loaded by has changed")
                && said
                    .stdout
                    .contains("Compared 8 chunks of 240 rows in 1 table: all are"),
            "{}",
            said.stdout
        );
        let status = project.sync(&["status"]).await.expect(0);
        assert!(
            status
                .stdout
                .contains("8 chunks compared, none differs; 1 table could not be compared"),
            "{}",
            status.stdout
        );
    }
    // A row that differs outranks it.
    server
        .at_target("UPDATE dbo.t_PAYMENT SET AMOUNT = 0 WHERE NO = 31")
        .await;
    let found = reconcile(&project, &["--source"], 3).await;
    assert_eq!(found["differing"][0]["table"], "PAYMENT", "{found}");
    assert_eq!(found["left_out"].as_array().map(Vec::len), Some(1), "{found}");
}

#[tokio::test(flavor = "multi_thread")]
async fn reference_tables_and_rows_without_a_date_are_compared_too() {
    let server = Server::start().await;
    let items = ["(N'a', 1)", "(N'b', 2)", "(N'c', 3)", "(N'd', 4)"];
    tables::items("PRICE money NULL")
        .rows(items)
        .at_source(&server)
        .await;
    let loose = Table::new("LOOSE", "A int NULL").keyless();
    loose.rows(["(1)", "(1)", "(NULL)"]).at_source(&server).await;
    Table::new("T", "ID int NOT NULL, D date NULL")
        .rows(["(1, '2025-10-01')", "(2, NULL)", "(3, NULL)"])
        .at_source(&server)
        .await;
    let tables = [ITEM_FULL, &full("LOOSE"), T_MONTHLY].concat();
    let project = Project::tuned(&server, "chunk_rows = 2", &tables);
    project.run("2025-10-01", "2025-10-31", &[]).await.expect(0);
    reconcile(&project, &["--source"], 0).await;
    server
        .at_target(
            "UPDATE dbo.t_ITEM SET PRICE = 9 WHERE CODE = N'c'; DELETE FROM dbo.t_LOOSE WHERE A IS NULL; \
                    DELETE FROM dbo.t_T WHERE ID = 3",
        )
        .await;
    for more in [&[][..], &["--source"][..]] {
        let found = reconcile(&project, more, 3).await;
        let windows: Vec<&str> = found["differing"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|one| one["window"].as_str().expect("a window"))
            .collect();
        assert_eq!(windows, ["all", "all", "undated"], "{found}");
    }
    reconcile(&project, &["--repair"], 0).await;
    for (source, target) in [
        ("dbo.ITEM", "dbo.t_ITEM"),
        ("dbo.LOOSE", "dbo.t_LOOSE"),
        ("dbo.T", "dbo.t_T"),
    ] {
        server.assert_equal(source, target).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receipt_that_was_tampered_with_is_told() {
    let server = Server::start().await;
    let project = job::finished(&server).await;
    server
        .at_target(
            "UPDATE [sync].[receipt] SET [row_count] = 31 WHERE [table_name] = N'dbo.t_SALES' AND [ordinal] = 2 \
             AND [window_start] = '2025-10-01'; \
             DELETE FROM [sync].[receipt] WHERE [table_name] = N'dbo.t_PAYMENT' AND [ordinal] = 1",
        )
        .await;
    let found = reconcile(&project, &[], 3).await;
    assert_eq!(found["differing"].as_array().expect("a list").len(), 3, "{found}");
    let why = found["differing"][0]["why"].to_string();
    assert!(why.contains("contradict each other"), "{found}");
    for one in [1, 2] {
        let why = found["differing"][one]["why"].to_string();
        assert!(why.contains("no receipt"), "{found}");
    }
    assert_eq!(found["left_out"], serde_json::json!([]), "{found}");
    reconcile(&project, &["--repair"], 0).await;
    job::run(&project).await.expect(0);
    reconcile(&project, &["--source"], 0).await;
    job::assert_equal(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_loaded_and_wrong_arguments() {
    let server = Server::start().await;
    job::fill(&server).await;
    let project = job::project(&server);
    for more in [&[][..], &["--source"], &["--source", "--repair"]] {
        let said = project.sync(&[&["reconcile"], more].concat()).await.expect(4);
        assert_eq!(
            said.stdout,
            "Not compared, because nothing of it is loaded: SALES, PAYMENT\nNothing was compared.\n"
        );
    }
    for arguments in [
        &["reconcile", "--rows"][..],
        &["reconcile", "--allow-deletes", "SALES"],
        &["reconcile", "--repair", "--allow-deletes", "NOWHERE"],
        &["reconcile", "--tables", "NOWHERE"],
        &["reconcile", "--start-date", "2025-10-01"],
        &[
            "reconcile",
            "--start-date",
            "2025-10-02",
            "--end-date",
            "2025-10-01",
        ],
    ] {
        project.sync(arguments).await.expect(2);
    }
}

/// Rows that were not read, because the chunk has more bytes than can be compared at once, did not leave the source.
#[tokio::test(flavor = "multi_thread")]
async fn a_chunk_that_is_larger_than_the_limit_of_today_is_repaired() {
    let server = Server::start().await;
    let columns = "ID int NOT NULL, D datetime NOT NULL, V nvarchar(400) NULL";
    let text = "x".repeat(200);
    let rows = (0..600).map(|n| format!("({n}, '2025-10-{:02}T10:00:00', N'{text}')", 1 + n % 28));
    let table = Table::new("T", columns).indexed("D");
    table.rows(rows).at_source(&server).await;
    let project = Project::tuned(&server, "settle_days = 0", T_MONTHLY);
    project.run("2025-10-01", "2025-10-31", &[]).await.expect(0);
    project.configure("\n[run]\n", "\n[run]\nchunk_bytes_max = 16384\n");
    server
        .at_source("UPDATE dbo.T SET V = N'changed' WHERE ID = 7")
        .await;
    let found = reconcile(&project, &["--source", "--repair"], 0).await;
    assert_eq!(found["differing"][0]["source_rows"], 600, "{found}");
    server.assert_equal("dbo.T", "dbo.t_T").await;
    // Rows that did leave are held all the same.
    server.at_source("DELETE FROM dbo.T WHERE ID >= 300").await;
    reconcile(&project, &["--source", "--repair"], 3).await;
}
