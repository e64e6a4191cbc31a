//! `sync report` after hands at the target: nothing is verified without its receipts and its rows in the table that is there.

use chrono::Days;
use serde_json::Value;
use testkit::project::T_MONTHLY;
use testkit::{Project, Server, job, tables};

/// What a report that ends with 3 has against a table.
async fn told(project: &Project) -> String {
    let told = project.sync(&["report", "--json"]).await.expect(3).json();
    let verdict = told["verdict"].as_str().expect("a sentence");
    assert!(verdict.starts_with("Source and target differ"), "{verdict}");
    let faults = told["faults"].as_array().expect("a list");
    let texts = faults.iter().map(|fault| fault["text"].as_str().expect("a text"));
    texts.collect::<Vec<_>>().join("\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_verified_without_receipts() {
    let server = Server::start().await;
    let project = job::finished(&server).await;
    for table in ["receipt", "plan", "lease", "migration"] {
        server.at_target(&format!("DROP TABLE [sync].[{table}]")).await;
    }
    let told = told(&project).await;
    assert!(told.contains("the target's receipts are not those"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_table_of_the_same_name_and_number_of_rows_is_told() {
    let test = "another_table_of_the_same_name_and_number_of_rows_is_told";
    let Some(server) = Server::start_emulator(test).await else {
        return;
    };
    let project = job::finished(&server).await;
    server
        .at_target("SELECT * INTO dbo.t_KEPT FROM dbo.t_PAYMENT; DROP TABLE dbo.t_PAYMENT")
        .await;
    server
        .at_target("SELECT * INTO dbo.t_PAYMENT FROM dbo.t_KEPT; DROP TABLE dbo.t_KEPT")
        .await;
    let told = told(&project).await;
    assert!(told.contains("the target's receipts are not those"), "{told}");
}

/// A month of which no row is old enough yet has neither chunks nor receipts, and is sound.
#[tokio::test(flavor = "multi_thread")]
async fn a_month_of_which_nothing_is_read_yet_is_no_difference() {
    let server = Server::start().await;
    let today = server.today().await;
    let old = today - Days::new(40);
    tables::dated("T")
        .rows([format!("(1, '{old}T08:00:00')")])
        .at_source(&server)
        .await;
    let project = Project::tuned(&server, "settle_minutes = 10080", T_MONTHLY);
    let sound = async || {
        let sound: Value = project.sync(&["report", "--json"]).await.expect(0).json();
        assert_eq!(sound["totals"]["rows"], 1, "{sound}");
    };
    // The month of today is open without a chunk, or a window without a row.
    project
        .run(&old.to_string(), &today.to_string(), &[])
        .await
        .expect(0);
    sound().await;
    // None of these days has a row that is old enough.
    project
        .run(&today.to_string(), &today.to_string(), &[])
        .await
        .expect(0);
    sound().await;
    server.at_target("DELETE FROM [sync].[receipt]").await;
    let told = told(&project).await;
    assert!(told.contains("the target's receipts are not those"), "{told}");
}

/// The source is not counted in a month that goes on, as more comes in all the time.
#[tokio::test(flavor = "multi_thread")]
async fn rows_that_are_gone_of_a_month_that_goes_on_are_told() {
    let test = "rows_that_are_gone_of_a_month_that_goes_on_are_told";
    let Some(server) = Server::start_emulator(test).await else {
        return;
    };
    let today = server.last_day().await;
    tables::dated("T")
        .rows((1..=20).map(|id| format!("({id}, '{today}T00:00:00')")))
        .at_source(&server)
        .await;
    let project = Project::tuned(&server, "", T_MONTHLY);
    let dates = ["run", "--from", "-2d", "--to", "today"];
    project.sync(&dates).await.expect(0);
    let sound: Value = project.sync(&["report", "--json"]).await.expect(0).json();
    assert_eq!(sound["totals"]["rows"], 20, "{sound}");
    server.at_target("DELETE FROM dbo.t_T WHERE ID = 7").await;
    let told = told(&project).await;
    assert!(
        told.contains("19 of the 20 rows that its receipts prove") || told.contains("19 at the target"),
        "{told}"
    );
}
