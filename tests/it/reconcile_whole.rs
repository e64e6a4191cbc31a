//! `sync reconcile` of tables that are not whole: receipts that are gone, windows that were never finished, rows under
//! no receipt, a source that was emptied; and the lease that comes before all of it.

use serde_json::{Value, json};
use testkit::project::{ITEM_FULL, T_MONTHLY};
use testkit::tables::Table;
use testkit::{Ended, Project, Server, faults, job};

const SOURCE: [&[&str]; 2] = [&[], &["--source"]];

async fn reconcile(project: &Project, more: &[&str], code: i32) -> Value {
    let arguments = [&["reconcile", "--json"], more].concat();
    project.sync(&arguments).await.expect(code).json()
}

/// Table, window, chunk and reasons of every finding.
fn places(found: &Value) -> Vec<Value> {
    let differing = found["differing"].as_array().expect("a list");
    let places = differing
        .iter()
        .map(|one| json!([one["table"], one["window"], one["chunk"], one["why"]]));
    places.collect()
}

fn lost(table: &str, window: &str, chunks: std::ops::Range<u32>) -> Vec<Value> {
    chunks
        .map(|chunk| json!([table, window, chunk, ["the target has no receipt of it"]]))
        .collect()
}

/// Repairs, and then finds both ends equal and everything complete.
async fn mend(server: &Server, project: &Project, source: &[&str]) {
    let found = reconcile(project, &[source, &["--repair"]].concat(), 0).await;
    let differing = found["differing"].as_array().expect("a list");
    assert!(differing.iter().all(|one| one["repaired"] == true), "{found}");
    job::assert_equal(server).await;
    job::assert_complete(project).await;
    assert_eq!(reconcile(project, &["--source"], 0).await["differing"], json!([]));
    assert_eq!(server.receipts().await.len() as u32, job::ALL_CHUNKS);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_month_whose_rows_and_receipts_are_gone_is_found() {
    for source in SOURCE {
        let server = Server::start().await;
        let project = job::finished(&server).await;
        job::take_back(&server, "dbo.t_SALES", 10, 0).await;
        for more in SOURCE {
            let found = reconcile(&project, more, 3).await;
            assert_eq!(places(&found), lost("SALES", "2025-10", 0..4), "{found}");
            assert_eq!(found["differing"][0]["receipt_rows"], 30, "{found}");
            assert_eq!(found["differing"][0]["target_rows"], 0, "{found}");
            assert_eq!(found["chunks"], 12, "{found}");
        }
        let november = ["--start-date", "2025-11-01", "--end-date", "2025-11-30"];
        reconcile(&project, &november, 0).await;
        reconcile(&project, &["--tables", "PAYMENT"], 0).await;
        mend(&server, &project, source).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_chunks_of_a_month_are_missed() {
    for source in SOURCE {
        let server = Server::start().await;
        let project = job::finished(&server).await;
        job::take_back(&server, "dbo.t_SALES", 11, 2).await;
        // Their rows stay, their receipts go.
        server
            .at_target("DELETE FROM [sync].[receipt] WHERE [table_name] = N'dbo.t_PAYMENT' AND [ordinal] = 3")
            .await;
        let found = reconcile(&project, source, 3).await;
        let expected = [
            lost("SALES", "2025-11", 2..4),
            lost("PAYMENT", "2025-10", 3..4),
            lost("PAYMENT", "2025-11", 3..4),
        ];
        assert_eq!(places(&found), expected.concat(), "{found}");
        assert_eq!(found["differing"][2]["target_rows"], 30, "{found}");
        let said = project.sync(&[&["reconcile"], source].concat()).await.expect(3);
        assert!(
            said.stdout.contains("the target has no receipt of it")
                && said.stdout.contains("4 chunks differ;"),
            "{}",
            said.stdout
        );
        mend(&server, &project, source).await;
    }
}

/// As `forget` on another machine leaves it, and a table that was dropped after it.
#[tokio::test(flavor = "multi_thread")]
async fn a_table_of_which_the_target_knows_nothing_is_found() {
    for source in SOURCE {
        for drop in [false, true] {
            let server = Server::start().await;
            let project = job::finished(&server).await;
            let rows = if drop { "DROP TABLE" } else { "DELETE FROM" };
            server
                .at_target(&format!(
                    "{rows} dbo.t_PAYMENT; DELETE FROM [sync].[receipt] WHERE [table_name] = N'dbo.t_PAYMENT'; \
                     DELETE FROM [sync].[plan] WHERE [table_name] = N'dbo.t_PAYMENT'"
                ))
                .await;
            let found = reconcile(&project, source, 3).await;
            let expected = [lost("PAYMENT", "2025-10", 0..4), lost("PAYMENT", "2025-11", 0..4)];
            assert_eq!(places(&found), expected.concat(), "{found}");
            mend(&server, &project, source).await;
        }
    }
}

/// The store knows no more than the receipts: only the source's clock tells that the window is not finished.
#[tokio::test(flavor = "multi_thread")]
async fn a_window_that_was_never_finished_is_found_by_the_source() {
    let server = Server::start().await;
    let project = job::finished(&server).await;
    job::take_back(&server, "dbo.t_SALES", 10, 2).await;
    project.sync(&["rebuild"]).await.expect(0);
    reconcile(&project, &[], 0).await;
    let found = reconcile(&project, &["--source"], 3).await;
    assert_eq!(
        places(&found),
        [json!(["SALES", "2025-10", null, ["the window is not finished"]])],
        "{found}"
    );
    let said = project.sync(&["reconcile", "--source"]).await.expect(3);
    assert!(
        said.stdout.contains("the window is not finished") && said.stdout.contains("1 window differs;"),
        "{}",
        said.stdout
    );
    mend(&server, &project, &["--source"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_under_no_receipt_are_found() {
    for source in SOURCE {
        let server = Server::start().await;
        let project = job::finished(&server).await;
        server
            .at_target(
                "DELETE FROM [sync].[receipt] WHERE [table_name] = N'dbo.t_SALES' AND [ordinal] = 1 \
                 AND [window_start] = '2025-10-01'; UPDATE dbo.t_SALES SET AMOUNT = 0 WHERE ID = 40",
            )
            .await;
        // A store that was made anew knows only of the receipts that are left.
        project.sync(&["rebuild"]).await.expect(0);
        let found = reconcile(&project, source, 3).await;
        assert_eq!(
            places(&found),
            [
                json!(["SALES", "2025-10", 2, ["receipts are missing before it"]]),
                json!([
                    "SALES",
                    "2025-10",
                    null,
                    ["the target has rows of it under no receipt"]
                ]),
            ],
            "{found}"
        );
        assert_eq!(found["differing"][1]["target_rows"], 30, "{found}");
        mend(&server, &project, source).await;
    }
}

/// A job of one table whose only window is open: its end is tomorrow. Returns its days.
async fn open(server: &Server) -> (Project, String, String) {
    let today = server.today().await.to_string();
    let first = format!("{}-01", &today[..7]);
    let rows = (0..40).map(|n| format!("({n}, '{first}T00:00:00.{n:02}0', {n})"));
    let table = Table::new("T", "ID int NOT NULL, D datetime2(3) NOT NULL, V int NULL");
    table.indexed("D").rows(rows).at_source(server).await;
    let project = Project::tuned(server, "chunk_rows = 10\nsettle_minutes = 0", T_MONTHLY);
    project.run(&first, &today, &[]).await.expect(0);
    (project, first, today)
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_beyond_the_last_key_of_an_open_window_are_found() {
    for source in SOURCE {
        let server = Server::start().await;
        let (project, _, today) = open(&server).await;
        assert_eq!(reconcile(&project, source, 0).await["differing"], json!([]));
        let row = format!("INSERT INTO dbo.t_T VALUES (99, '{today}T23:59:59', 1)");
        server.at_target(&row).await;
        let found = reconcile(&project, source, 3).await;
        let why = found["differing"][0]["why"].to_string();
        assert!(why.contains("under no receipt"), "{found}");
        assert_eq!(found["differing"][0]["target_rows"], 1, "{found}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_beyond_the_last_key_of_an_open_window_are_taken_out() {
    for source in SOURCE {
        let server = Server::start().await;
        let (project, first, _) = open(&server).await;
        let row = format!("INSERT INTO dbo.t_T VALUES (99, '{first}T00:00:00.900', 1)");
        server.at_target(&row).await;
        reconcile(&project, &[source, &["--repair"]].concat(), 0).await;
        server.assert_equal("dbo.T", "dbo.t_T").await;
        reconcile(&project, source, 0).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_chunks_of_an_open_window_are_loaded_again() {
    for source in SOURCE {
        let server = Server::start().await;
        let (project, ..) = open(&server).await;
        let before = server.receipts().await;
        server
            .at_target(
                "DELETE FROM [sync].[receipt] WHERE [ordinal] >= 2; DELETE FROM dbo.t_T WHERE ID >= 20",
            )
            .await;
        let found = reconcile(&project, source, 3).await;
        let lost = before.len() - 2;
        assert_eq!(places(&found).len(), lost, "{found}");
        reconcile(&project, &[source, &["--repair"]].concat(), 0).await;
        server.assert_equal("dbo.T", "dbo.t_T").await;
        reconcile(&project, &["--source"], 0).await;
    }
}

/// A reference table of so many items, each at the price of its number.
fn items(count: u32) -> Table {
    let rows = (1..=count).map(|n| format!("({n}, {n})"));
    Table::new("ITEM", "CODE int NOT NULL, PRICE money NULL")
        .keyed("CODE")
        .rows(rows)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_was_emptied_does_not_empty_the_target() {
    let server = Server::start().await;
    items(3).at_source(&server).await;
    job::fill(&server).await;
    let project = Project::tuned(&server, "chunk_rows = 30", &[job::TABLES, ITEM_FULL].concat());
    job::run(&project).await.expect(0);
    let before = job::target(&server).await;
    server
        .at_source(
            "DELETE FROM dbo.SALES WHERE SOLD_AT < '2025-11-01T00:00:00'; DELETE FROM dbo.ITEM; \
             UPDATE dbo.SALES SET AMOUNT = 0 WHERE ID = 200; DELETE FROM dbo.PAYMENT WHERE NO < 60",
        )
        .await;
    let repair = ["reconcile", "--source", "--repair"];
    let said: Ended = project.sync(&repair).await.expect(3);
    for text in [
        "Table SALES, window 2025-10: 120 of 120 rows at the target would leave",
        "Table ITEM, window all: 3 of 3 rows at the target would leave",
        "--allow-deletes SALES",
        "--allow-deletes ITEM",
    ] {
        assert!(said.stderr.contains(text), "{}", said.stderr);
    }
    assert!(
        said.stdout.contains("differed, 5 not repaired"),
        "{}",
        said.stdout
    );
    // Neither rows nor receipts of the window are others; what is below the limit was repaired.
    let october = "[table_name] = N'dbo.t_SALES' AND [window_start] = '2025-10-01' AND [state] = N'verified'";
    let mut client = server.connect(&server.target).await;
    let sql = format!("SELECT COUNT_BIG(*) FROM [sync].[receipt] WHERE {october}");
    assert_eq!(client.integer(&sql).await, i64::from(job::MONTH_CHUNKS));
    assert_eq!(server.count(&server.target, "dbo.t_SALES").await, 240);
    assert_eq!(server.count(&server.target, "dbo.t_ITEM").await, 3);
    server.assert_equal("dbo.PAYMENT", "dbo.t_PAYMENT").await;
    assert_ne!(before, job::target(&server).await);
    let allow = [&repair[..], &["--allow-deletes", "sales,ITEM"]].concat();
    project.sync(&allow).await.expect(0);
    job::assert_equal(&server).await;
    server.assert_equal("dbo.ITEM", "dbo.t_ITEM").await;
    reconcile(&project, &["--source"], 0).await;
}

/// Receipts that name the table that a cutover dropped would prove nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_cutover_while_the_lease_is_waited_for_is_seen() {
    let Some(server) = Server::start_emulator("a_cutover_while_the_lease_is_waited_for_is_seen").await else {
        return;
    };
    items(4).at_source(&server).await;
    let machine = || Project::tuned(&server, "chunk_rows = 2", ITEM_FULL);
    let (one, other) = (machine(), machine());
    one.sync(&["run"]).await.expect(0);
    for source in SOURCE {
        let held = faults::at("sp_getapplock").of_the_program().stalls(&server);
        let child = one.spawn(&[&["reconcile", "--repair"], source].concat());
        server.faults().wait_fired(held, 1).await;
        server
            .at_source("UPDATE dbo.ITEM SET PRICE = PRICE + 1 WHERE CODE = 3")
            .await;
        other.sync(&["run"]).await.expect(0);
        server.faults().remove(held);
        let said = Ended::of(child).await.expect(0);
        let sql = "SELECT COUNT_BIG(*) FROM [sync].[receipt] WHERE [table_name] = N'dbo.t_ITEM' \
                   AND [target_object_id] <> OBJECT_ID(N'dbo.t_ITEM', N'U')";
        let strangers = server.connect(&server.target).await.integer(sql).await;
        assert_eq!(strangers, 0, "receipts name a table that is not there");
        assert!(said.stdout.contains("all are as they were verified"), "{said:?}");
        server.assert_equal("dbo.ITEM", "dbo.t_ITEM").await;
    }
}
