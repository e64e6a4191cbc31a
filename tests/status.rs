//! `sync status` from another process: while a run is going, and right after it was killed.

mod support;

use support::{Project, Server};
use tds_emulator::{Action, At, Match, Rule};

#[tokio::test(flavor = "multi_thread")]
async fn while_a_run_is_going_and_right_after_a_kill() {
    let Some(server) = Server::start_emulator("while_a_run_is_going_and_right_after_a_kill").await else {
        return;
    };
    let mut client = server.connect(&server.source).await;
    client
        .run("CREATE TABLE dbo.T (ID int NOT NULL PRIMARY KEY CLUSTERED, D datetime NOT NULL)")
        .await;
    client.run("CREATE INDEX IX ON dbo.T (D)").await;
    let rows: Vec<String> = (0..500)
        .map(|n| format!("({n}, '2025-10-{:02}T00:00:00')", 1 + n % 28))
        .collect();
    client
        .run(&format!("INSERT INTO dbo.T VALUES {}", rows.join(", ")))
        .await;
    let project = Project::with(
        &server,
        "require_replica = false",
        "chunk_rows = 50",
        "[[table]]\nname = \"T\"\ndate_column = \"D\"",
    );

    let nothing = project.status().await;
    assert_eq!(nothing["totals"]["chunks"], 0);

    // The run waits before its fifth commit of rows, with four chunks recorded.
    let rule = server.emulator().faults().add(Rule {
        when: Match {
            nth: 5,
            ..Match::statement("SET [state] = N'verified'")
        },
        at: At::Before,
        action: Action::Stall,
    });
    let mut child = project.spawn(&["run", "--start-date", "2025-10-01", "--end-date", "2025-10-31"]);
    server.emulator().faults().wait_fired(rule, 1).await;

    let during = project.status().await;
    assert_eq!(during["run"]["running"], true, "{during}");
    assert_eq!(during["totals"]["verified"], 4, "{during}");
    assert_eq!(during["totals"]["rows"], 200, "{during}");
    assert_eq!(during["tables"][0]["name"], "T");
    assert_eq!(during["tables"][0]["windows"][0]["state"], "loading");
    project.sync(&["status"]).await.expect(0);

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

    server.emulator().faults().clear();
    project.run("2025-10-01", "2025-10-31", &[]).await.expect(0);
    let done = project.status().await;
    assert_eq!(done["totals"]["rows"], 500, "{done}");
    assert_eq!(done["tables"][0]["windows"][0]["state"], "complete");
    server.assert_equal("dbo.T", "dbo.t_T").await;
}
