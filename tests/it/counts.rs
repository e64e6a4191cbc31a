//! `sync counts` of what is not loaded, or not finished: neither is equal.

use serde_json::{Value, json};
use testkit::project::{T_MONTHLY, monthly};
use testkit::tables::Table;
use testkit::{Project, Server, job, tables};

async fn counts(project: &Project, code: i32) -> Value {
    project.sync(&["counts", "--json"]).await.expect(code).json()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_of_which_nothing_is_loaded_is_named() {
    let server = Server::start().await;
    job::fill(&server).await;
    tables::dated("NONE").at_source(&server).await;
    let project = Project::new(&server, &(job::TABLES.to_owned() + &monthly("NONE", "D")));
    let none = counts(&project, 4).await;
    assert_eq!(none["equal"], Value::Null, "{none}");
    project
        .run(job::FIRST, job::LAST, &["--tables", "SALES,NONE"])
        .await
        .expect(0);
    let said = project.sync(&["counts"]).await.expect(4);
    for line in [
        "| SALES     | 240       | ✓          |",
        "| PAYMENT   | –         | not loaded |",
        "| NONE      | 0         | ○          |",
    ] {
        assert!(said.stdout.contains(line), "{}", said.stdout);
    }
    let some = counts(&project, 4).await;
    assert_eq!(
        some["tables"][1],
        json!({"name": "PAYMENT", "error": null, "mode": "monthly", "source": null, "target": null, "state": "not loaded", "equal": null,
               "windows": []}),
        "{some}"
    );
    assert_eq!(
        some["equal"],
        Value::Null,
        "what is not loaded is not equal: {some}"
    );
    let chosen = project
        .sync(&["counts", "--tables", "sales,NONE", "--json"])
        .await
        .expect(0)
        .json();
    assert_eq!(chosen["equal"], true, "{chosen}");
    assert_eq!(chosen["totals"]["source"], 240, "{chosen}");
    let text = project
        .sync(&["counts", "--tables", "SALES", "--format", "text"])
        .await
        .expect(0);
    assert!(
        !text.stdout.contains("**") && text.stdout.contains("TOTAL"),
        "{text:?}"
    );
    let said = project.sync(&["counts", "--windows"]).await.expect(4);
    assert!(said.stdout.contains("not loaded"), "{}", said.stdout);
    project.sync(&["counts", "--all"]).await.expect(3);
    job::run(&project).await.expect(0);
    counts(&project, 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_window_that_ended_unfinished_is_not_done() {
    let server = Server::start().await;
    let project = job::finished(&server).await;
    counts(&project, 0).await;
    job::take_back(&server, "dbo.t_SALES", 11, 3).await;
    project.sync(&["rebuild"]).await.expect(0);
    for arguments in [&["counts"][..], &["counts", "--windows"]] {
        let said = project.sync(arguments).await.expect(4);
        assert!(
            said.stderr
                .contains("table SALES: 1 window not complete and left out: 2025-11")
                && said
                    .stderr
                    .contains("table SALES: window 2025-11 has ended and is not complete"),
            "{}",
            said.stderr
        );
    }
    job::run(&project).await.expect(0);
    job::assert_equal(&server).await;
    counts(&project, 0).await;
}

/// A window whose end is to come is left out, and named, and nothing is wrong with it.
#[tokio::test(flavor = "multi_thread")]
async fn an_open_window_is_left_out() {
    let server = Server::start().await;
    let today = server.today().await.to_string();
    let first = format!("{}-01", &today[..7]);
    let row = format!("(1, '{first}T00:00:00')");
    tables::dated("T").rows([row]).at_source(&server).await;
    let project = Project::tuned(&server, "settle_minutes = 0", T_MONTHLY);
    project.run(&first, &today, &[]).await.expect(0);
    let open = counts(&project, 0).await;
    assert_eq!(open["tables"][0]["state"], "not complete", "{open}");
    assert_eq!(open["tables"][0]["equal"], Value::Null, "{open}");
}

/// A month that is loaded and has no rows is empty, beside one that is not over yet.
#[tokio::test(flavor = "multi_thread")]
async fn an_empty_month_beside_an_open_window_is_loaded() {
    let server = Server::start().await;
    let today = server.today().await.to_string();
    let last_year = today[..4].parse::<u16>().expect("a year") - 1;
    tables::dated("T").at_source(&server).await;
    let project = Project::tuned(&server, "settle_minutes = 0", T_MONTHLY);
    let (first, last) = (format!("{last_year}-03-01"), format!("{last_year}-03-31"));
    project.run(&first, &last, &[]).await.expect(0);
    project
        .run(&format!("{}-01", &today[..7]), &today, &[])
        .await
        .expect(0);
    let empty = counts(&project, 0).await;
    assert_eq!(empty["tables"][0]["state"], "empty", "{empty}");
}

/// Rows without a date are few or none: a table of which nothing else is loaded is not one that is empty.
#[tokio::test(flavor = "multi_thread")]
async fn a_table_of_which_only_rows_without_a_date_are_loaded_is_not_empty() {
    let server = Server::start().await;
    let table = Table::new("T", "ID int NOT NULL, D date NULL").rows(["(1, '2025-10-01')"]);
    table.at_source(&server).await;
    let project = Project::new(&server, T_MONTHLY);
    project.run("2025-10-01", "2025-10-31", &[]).await.expect(0);
    project
        .sync(&["forget", "--table", "T", "--month", "2025-10"])
        .await
        .expect(0);
    let none = counts(&project, 4).await;
    assert_eq!(
        none["tables"],
        json!([{"name": "T", "error": null, "mode": "monthly", "source": null, "target": null, "state": "not loaded", "equal": null,
                "windows": [{"window": "2025-10", "source": null, "target": null, "state": "not loaded", "equal": null}]}]),
        "{none}"
    );
    assert_eq!(none["equal"], Value::Null, "{none}");
    let said = project.sync(&["counts", "--windows"]).await.expect(4);
    for line in [
        "| T         | –         | not loaded |",
        "| T undated | 0         | ○          |",
    ] {
        assert!(said.stdout.contains(line), "{}", said.stdout);
    }
    project.run("2025-10-01", "2025-10-31", &[]).await.expect(0);
    counts(&project, 0).await;
}

/// A month that was forgotten is owed. One between others may never have been asked for, so it is named, and no more.
#[tokio::test(flavor = "multi_thread")]
async fn a_month_that_is_not_loaded_is_named() {
    let server = Server::start().await;
    let rows = ["(1, '2025-08-01')", "(2, '2025-10-01')", "(3, '2025-11-01')"];
    tables::dated("T").rows(rows).at_source(&server).await;
    let project = Project::new(&server, T_MONTHLY);
    project.run("2025-08-01", "2025-08-31", &[]).await.expect(0);
    project.run("2025-10-01", "2025-11-30", &[]).await.expect(0);
    project
        .sync(&["forget", "--table", "T", "--month", "2025-11"])
        .await
        .expect(0);
    let some = counts(&project, 4).await;
    assert_eq!(some["equal"], Value::Null, "{some}");
    assert_eq!(
        (&some["tables"][0]["state"], &some["tables"][0]["source"]),
        (&json!("equal"), &json!(2))
    );
    let windows = some["tables"][0]["windows"].as_array().expect("windows");
    let named: Vec<_> = windows
        .iter()
        .map(|window| (&window["window"], &window["state"]))
        .collect();
    let not = json!("not loaded");
    assert_eq!(
        named,
        [(&json!("2025-09"), &not), (&json!("2025-11"), &not)],
        "{some}"
    );
    let said = project.sync(&["counts"]).await.expect(4);
    for line in [
        "| T 2025-09 | –         | not loaded |",
        "| T 2025-11 | –         | not loaded |",
    ] {
        assert!(said.stdout.contains(line), "{said:?}");
    }
    assert!(
        said.stderr
            .contains("table T: window 2025-11 is not loaded; `sync run`"),
        "{said:?}"
    );
    // A state file that is lost knows of none.
    std::fs::remove_file(project.state()).expect("it is removed");
    let none = counts(&project, 4).await;
    assert_eq!(none["tables"][0]["state"], "not loaded", "{none}");
    project.run("2025-08-01", "2025-11-30", &[]).await.expect(0);
    assert_eq!(counts(&project, 0).await["equal"], true);
}

/// A table that cannot be counted hides no other.
#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_cannot_be_counted_hides_no_other() {
    let server = Server::start().await;
    let project = job::finished(&server).await;
    server.at_source("DROP TABLE dbo.PAYMENT").await;
    let told = project.sync(&["counts"]).await.expect(7);
    assert!(told.stdout.contains("| SALES "), "{told:?}");
    assert!(told.stdout.contains("failed"), "{told:?}");
    assert!(told.stderr.contains("PAYMENT"), "{told:?}");
    let told = counts(&project, 7).await;
    assert_eq!(told["tables"][0]["state"], "equal", "{told}");
    assert_eq!(told["tables"][1]["state"], "failed", "{told}");
    assert_eq!(told["equal"], Value::Null, "{told}");
    assert!(
        told["tables"][1]["error"]
            .as_str()
            .is_some_and(|error| error.contains("PAYMENT"))
    );
    // Alone, it is the error of the command.
    project.sync(&["counts", "--tables", "PAYMENT"]).await.expect(7);
}
