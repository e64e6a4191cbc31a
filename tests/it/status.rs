//! `sync status` from another process: while a run is going, right after it was killed, and of what is missing.

use std::time::Duration;

use serde_json::json;
use testkit::project::{T_MONTHLY, monthly};
use testkit::{Project, Server, job, tables};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Child;

/// What `sync status` prints.
async fn text(project: &Project, more: &[&str]) -> String {
    project.sync(&[&["status"], more].concat()).await.expect(0).stdout
}

fn assert_has(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "no {part:?} in\n{text}");
    }
}

/// Reads what a child prints up to a line that begins like this.
async fn read_to(child: &mut Child, beginning: &str) -> Vec<String> {
    let stdout = child.stdout.as_mut().expect("it is piped");
    let mut lines = BufReader::with_capacity(1, stdout).lines();
    let mut read = Vec::new();
    let reading = async {
        while let Some(line) = lines.next_line().await.expect("it is text") {
            read.push(line);
            if read.last().is_some_and(|line| line.starts_with(beginning)) {
                break;
            }
        }
    };
    let ended = tokio::time::timeout(Duration::from_secs(60), reading).await;
    assert!(ended.is_ok(), "no {beginning:?} in {read:#?}");
    read
}

#[tokio::test(flavor = "multi_thread")]
async fn while_a_run_is_going_and_right_after_a_kill() {
    let Some(server) = Server::start_emulator("while_a_run_is_going_and_right_after_a_kill").await else {
        return;
    };
    tables::dated("T")
        .rows(tables::october(500))
        .at_source(&server)
        .await;
    let project = Project::tuned(&server, "chunk_rows = 50", T_MONTHLY);

    let nothing = project.status().await;
    assert_eq!(nothing["totals"]["chunks"], 0);

    // The run waits before its fifth commit of rows, with four chunks recorded.
    let rule = job::commit().nth(5).stalls(&server);
    let mut child = project.spawn(&["run", "--start-date", "2025-10-01", "--end-date", "2025-10-31"]);
    server.faults().wait_fired(rule, 1).await;

    let during = project.status().await;
    assert_eq!(during["run"]["running"], true, "{during}");
    assert_eq!(during["totals"]["verified"], 4, "{during}");
    assert_eq!(during["totals"]["rows"], 200, "{during}");
    assert_eq!(during["tables"][0]["name"], "T");
    assert_eq!(during["tables"][0]["windows"][0]["state"], "loading");
    assert_eq!(during["run"]["progress"]["number"], 1, "{during}");
    assert_eq!(during["tables"][0]["state"], "loading", "{during}");
    // The rows of the first chunks and their dates tell about how many there will be.
    let expected = during["tables"][0]["windows"][0]["rows_expected"].as_u64();
    assert!(
        expected.is_some_and(|rows| (400..600).contains(&rows)),
        "{during}"
    );
    let said = text(&project, &[]).await;
    let so_far = format!(
        "table 1 of 1, T: 4 chunks so far, about 200 of {} rows",
        expected.unwrap()
    );
    assert_has(
        &said,
        &[
            "Total: 200 rows verified, 4 chunks so far\n",
            &so_far,
            "Running: 2025-10-01 to 2025-10-31",
            "► loading",
        ],
    );
    assert_has(
        &text(&project, &["--windows"]).await,
        &["4 so far", "about 200 of"],
    );

    let mut watch = project.spawn(&["status", "--watch=1"]);
    read_to(&mut watch, "Every 1 s").await;
    read_to(&mut watch, "Rate: not known yet").await;
    let frame = read_to(&mut watch, "Rate: 0 rows/s over the last minute").await;
    assert_has(&frame.join("\n"), &["Every 1 s", &so_far]);

    let second = project.run("2025-10-01", "2025-10-31", &[]).await.expect(5);
    let pid = child.id().expect("it runs").to_string();
    assert!(
        second.stderr.contains(&pid),
        "the second run names the first: {}",
        second.stderr
    );

    child.kill().await.expect("the run is killed");
    let after = project.status().await;
    assert_eq!(after["run"]["running"], false, "{after}");
    assert_eq!(after["totals"]["verified"], 4, "{after}");
    assert_eq!(after["tables"][0]["windows"][0]["state"], "planned", "{after}");
    assert_has(
        &text(&project, &[]).await,
        &[
            "was killed or crashed; run again to resume",
            "The next run resumes 1 unfinished window (T 2025-10)",
        ],
    );
    read_to(&mut watch, "No run is going.").await;
    watch.kill().await.expect("the watch is killed");

    server.faults().clear();
    project.run("2025-10-01", "2025-10-31", &[]).await.expect(0);
    let done = project.status().await;
    assert_eq!(done["totals"]["rows"], 500, "{done}");
    assert_eq!(done["tables"][0]["windows"][0]["state"], "complete");
    server.assert_equal("dbo.T", "dbo.t_T").await;
}

/// Tables that were never loaded, months that were forgotten, and dates that a run was asked for.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_missing_is_named() {
    let Some(server) = Server::start_emulator("what_is_missing_is_named").await else {
        return;
    };
    job::fill(&server).await;
    let project = job::project(&server);
    project
        .run(job::FIRST, job::LAST, &["--tables", "SALES"])
        .await
        .expect(0);
    let said = text(&project, &[]).await;
    assert_has(&said, &["Not loaded: PAYMENT: nothing is loaded", "· not loaded"]);
    assert!(!said.contains("Not loaded: SALES"), "{said}");
    let status = project.status().await;
    assert_eq!(status["tables"][1]["name"], "PAYMENT", "{status}");
    assert_eq!(status["tables"][1]["state"], "not loaded", "{status}");
    assert_eq!(status["tables"][1]["windows"], json!([]), "{status}");
    assert_eq!(status["run"]["tables"], json!(["SALES"]), "{status}");

    let forget = ["forget", "--table", "SALES", "--month", "2025-10"];
    project.sync(&forget).await.expect(0);
    assert_has(
        &text(&project, &[]).await,
        &["Not loaded: SALES: 2025-10 forgotten"],
    );
    let status = project.status().await;
    assert_eq!(status["tables"][0]["forgotten"], json!(["2025-10"]), "{status}");
    assert_eq!(
        status["tables"][0]["not_loaded"],
        json!([{"end": "2025-11-01", "start": "2025-10-01"}]),
        "{status}"
    );

    job::run(&project).await.expect(0);
    let said = text(&project, &[]).await;
    assert!(!said.contains("Not loaded"), "{said}");
    assert_eq!(project.status().await["tables"][0]["forgotten"], json!([]));

    let only = text(&project, &["--tables", "payment"]).await;
    // The line of the servers is of the whole run, and may name its longest query.
    let of_tables = |name: &str| only.lines().any(|line| line.starts_with(name));
    assert!(of_tables("PAYMENT") && !of_tables("SALES"), "{only}");
    let unknown = project.sync(&["status", "--tables", "NONE"]).await.expect(2);
    assert_has(&unknown.stderr, &["--tables names NONE"]);
}

/// A table that a run refused, with why, until a run comes to the dates of it that nobody has loaded.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_refused_is_told_until_it_is_put_right() {
    let Some(server) = Server::start_emulator("what_was_refused_is_told_until_it_is_put_right").await else {
        return;
    };
    tables::dated("T")
        .rows(tables::october(20))
        .at_source(&server)
        .await;
    let project = Project::new(&server, &[T_MONTHLY, &monthly("LATER", "D")].concat());
    project.run("2025-10-01", "2025-10-31", &[]).await.expect(7);
    let said = text(&project, &[]).await;
    assert_has(
        &said,
        &[
            "Refused: LATER: Source database",
            "Not loaded: LATER: nothing is loaded",
        ],
    );
    let failed = text(&project, &["--failed"]).await;
    assert_has(
        &failed,
        &[
            "LATER: refused at ",
            "sync run --start-date 2025-10-01 --end-date 2025-10-31 --tables LATER\n",
        ],
    );
    let status = project.status().await;
    let error = status["tables"][1]["refused"]["error"].as_str();
    assert!(
        error.is_some_and(|error| error.contains("has no table dbo.LATER")),
        "{status}"
    );

    // A run of other tables says nothing about it.
    project
        .run("2025-10-01", "2025-10-31", &["--tables", "T"])
        .await
        .expect(0);
    assert_has(&text(&project, &[]).await, &["Refused: LATER: "]);
    tables::dated("LATER")
        .rows(tables::october(5))
        .at_source(&server)
        .await;
    // A run of a part of its dates leaves the rest to be told.
    project
        .run("2025-10-31", "2025-10-31", &["--tables", "LATER"])
        .await
        .expect(0);
    assert_has(
        &text(&project, &["--failed"]).await,
        &["sync run --start-date 2025-10-01 --end-date 2025-10-31 --tables LATER\n"],
    );
    project.run("2025-10-01", "2025-10-30", &[]).await.expect(0);
    let said = text(&project, &[]).await;
    assert!(!said.contains("Refused"), "{said}");
    assert_eq!(
        text(&project, &["--failed"]).await,
        "Nothing is failed, mismatched, stale, refused or found to differ.\n"
    );

    // A start that is refused takes nothing from what is known of the last run.
    let before = project.status().await["run"].clone();
    project.sync(&["run"]).await.expect(2);
    project.configure("[run]", "[run]\nmax_wrokers = 2");
    project
        .sync(&["run", "--start-date", "2025-10-01", "--end-date", "2025-10-31"])
        .await
        .expect(2);
    let status = project.status().await;
    assert_eq!(status["run"], before, "{status}");
    assert_eq!(status["totals"]["rows"], 25, "{status}");
}

/// Differences that a run has loaded again are told as such, and the last comparison with the source stays.
#[tokio::test(flavor = "multi_thread")]
async fn a_reconcile_with_the_source_survives_and_knows_what_a_run_repaired() {
    let name = "a_reconcile_with_the_source_survives_and_knows_what_a_run_repaired";
    let Some(server) = Server::start_emulator(name).await else {
        return;
    };
    let project = job::finished(&server).await;
    project
        .sync(&["reconcile", "--source", "--tables", "SALES"])
        .await
        .expect(0);
    job::take_back(&server, "dbo.t_PAYMENT", 10, 0).await;
    project.sync(&["reconcile"]).await.expect(3);
    let status = project.status().await;
    assert_eq!(status["earlier_reconciles"][0]["source"], true, "{status}");
    let [differing, since] = ["differing", "repaired_since"].map(|field| status["reconcile"][field].clone());
    assert!(differing.as_u64() > Some(0) && since == 0, "{status}");
    assert_has(
        &text(&project, &[]).await,
        &["Reconcile with the source, only SALES", "still differ"],
    );

    job::run(&project).await.expect(0);
    let status = project.status().await;
    assert_eq!(status["reconcile"]["repaired_since"], differing, "{status}");
    let said = text(&project, &[]).await;
    assert!(!said.contains("still differ"), "{said}");
    assert_has(&said, &["that differed were loaded again by a run since"]);

    // A run that has only learned of the loads again has loaded nothing.
    std::fs::remove_file(project.state()).expect("it was there");
    server
        .at_target("UPDATE dbo.t_PAYMENT SET AMOUNT = AMOUNT + 1 WHERE NO = 1")
        .await;
    project.sync(&["reconcile"]).await.expect(3);
    job::run(&project).await.expect(0);
    let status = project.status().await;
    assert_eq!(status["reconcile"]["repaired_since"], 0, "{status}");
}
