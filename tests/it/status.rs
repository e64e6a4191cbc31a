//! `sync status` from another process: while a run is going, and right after it was killed.

use testkit::project::T_MONTHLY;
use testkit::{Project, Server, job, tables};

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

    server.faults().clear();
    project.run("2025-10-01", "2025-10-31", &[]).await.expect(0);
    let done = project.status().await;
    assert_eq!(done["totals"]["rows"], 500, "{done}");
    assert_eq!(done["tables"][0]["windows"][0]["state"], "complete");
    server.assert_equal("dbo.T", "dbo.t_T").await;
}
