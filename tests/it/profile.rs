//! `--profile`: the counts of statements are those that the servers saw.

use std::collections::BTreeMap;

use testkit::{Server, job};

/// The counts of a run by end and statement, from its log.
fn counts(log: &str) -> BTreeMap<(String, String), serde_json::Value> {
    let lines = log.lines().map(|line| {
        serde_json::from_str::<serde_json::Value>(line).unwrap_or_else(|error| panic!("{error} in {line}"))
    });
    let fields = lines.map(|mut line| line["fields"].take());
    fields
        .filter(|fields| fields["message"] == "statements")
        .map(|fields| {
            let text = |name: &str| fields[name].as_str().expect("a text").to_owned();
            ((text("end"), text("statement")), fields.clone())
        })
        .collect()
}

#[tokio::test]
async fn a_run_tells_how_often_each_kind_of_statement_ran() {
    let server = Server::start().await;
    job::fill(&server).await;
    let project = job::project(&server);
    let mark = server.mark();
    let mut run = vec!["--log", "json"];
    run.extend(job::RUN_IN_TURN);
    run.push("--profile");
    let ended = project.sync(&run).await.expect(0);
    let counts = counts(&ended.stderr);
    let of = |end: &str, statement: &str, field: &str| -> u64 {
        let fields = counts
            .get(&(end.to_owned(), statement.to_owned()))
            .unwrap_or_else(|| panic!("no {statement} at the {end} in {:#?}", counts.keys()));
        fields[field].as_u64().expect("a number")
    };
    let reads = of("source", "SELECT dbo.SALES", "count");
    assert!(reads >= u64::from(2 * job::MONTH_CHUNKS), "{reads} reads");
    assert!(of("source", "SELECT dbo.SALES", "received_bytes") > u64::from(2 * job::MONTH_ROWS) * 20);
    let chunks = u64::from(job::ALL_CHUNKS);
    assert_eq!(of("target", "INSERT BULK #load", "count"), chunks);
    assert!(of("target", "INSERT BULK #load", "sent_bytes") > u64::from(job::ALL_ROWS) * 20);
    let commits = of("target", "COMMIT", "count");
    assert!(commits >= chunks, "{commits} commits");
    assert!(of("source", "log in", "count") >= 1 && of("target", "log in", "count") >= 1);
    if server.has_log() {
        let seen = server.statements_of(mark, "COMMIT TRANSACTION");
        assert_eq!(commits, seen as u64, "commits that the target saw");
    }

    let values = ["note", "100001", "2025-10-"];
    let labels = || counts.keys().map(|(_, statement)| statement);
    assert!(labels().all(|label| values.iter().all(|value| !label.contains(value))));
}

#[tokio::test]
async fn a_comparison_shows_its_statements_as_a_table() {
    let server = Server::start().await;
    let project = job::finished(&server).await;
    let ended = project.sync(&["reconcile", "--profile"]).await.expect(0);
    let line = |end: &str, statement: &str| {
        let mut lines = ended.stderr.lines();
        lines.any(|line| line.starts_with(&format!("| {end}")) && line.contains(&format!("| {statement} ")))
    };
    assert!(line("target", "SELECT dbo.t_SALES"), "{}", ended.stderr);
    assert!(line("target", "all"), "{}", ended.stderr);
    assert!(
        !ended.stderr.contains("| source"),
        "the source was not asked: {}",
        ended.stderr
    );
    assert!(!ended.stdout.contains("log in"), "{}", ended.stdout);

    let ended = project.sync(&["reconcile"]).await.expect(0);
    assert!(!ended.said().contains("log in"), "nobody asked: {}", ended.said());
}
