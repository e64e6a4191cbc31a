//! Scope to stop, a run ends soon, says how to go on, and loses nothing; asked twice, it ends at once.
#![cfg(unix)]

mod support;

use support::{APPLICATION, Ended, Project, Server};
use tds_emulator::{Action, At, Match, Rule, RuleId};
use tokio::process::Child;

const RUN: [&str; 5] = ["run", "--start-date", "2025-10-01", "--end-date", "2025-10-31"];

async fn begin(test: &str) -> Option<(Server, Project)> {
    let server = Server::start_emulator(test).await?;
    let rows: Vec<String> = (0..300)
        .map(|n| format!("({n}, '2025-10-{:02}T00:00:00')", 1 + n % 28))
        .collect();
    server
        .at_source(&format!(
            "CREATE TABLE dbo.T (ID int NOT NULL PRIMARY KEY CLUSTERED, D datetime NOT NULL); \
             CREATE INDEX IX ON dbo.T (D); INSERT INTO dbo.T VALUES {}",
            rows.join(", ")
        ))
        .await;
    let project = Project::with(
        &server,
        "require_replica = false",
        "chunk_rows = 50\nmax_workers = 1",
        "[[table]]\nname = \"T\"\ndate_column = \"D\"",
    );
    Some((server, project))
}

fn stall(server: &Server, statement: &str, nth: u64) -> RuleId {
    server.emulator().faults().add(Rule {
        when: Match {
            nth,
            ..Match::statement(statement)
        },
        at: At::Before,
        action: Action::Stall,
    })
}

fn signal(child: &Child, name: &str) {
    let pid = child.id().expect("it runs").to_string();
    let sent = std::process::Command::new("kill").args([name, &pid]).status();
    assert!(sent.expect("kill is there").success(), "the signal is sent");
}

async fn end(child: Child) -> Ended {
    let output = child.wait_with_output().await.expect("it ends");
    Ended {
        status: output.status,
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// The next run loads what is left, and both ends are equal.
async fn assert_goes_on(server: &Server, project: &Project) {
    server.emulator().faults().clear();
    project.sync(&RUN).await.expect(0);
    server.assert_equal("dbo.T", "dbo.t_T").await;
    assert_eq!(server.receipts().await.len(), 6);
}

/// Waits until the run has said that it is stopping: it has heard the signal then.
async fn heard(child: &mut Child) -> String {
    use tokio::io::AsyncReadExt;
    let stderr = child.stderr.as_mut().expect("stderr is piped");
    let mut said = String::new();
    let mut buffer = [0; 1024];
    while !said.contains("stopping:") {
        let count = stderr.read(&mut buffer).await.expect("stderr is read");
        assert!(count > 0, "it ended without having heard: {said}");
        said.push_str(&String::from_utf8_lossy(&buffer[..count]));
    }
    said
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chunk_in_flight_is_committed_first() {
    let Some((server, project)) = begin("a_chunk_in_flight_is_committed_first").await else {
        return;
    };
    for name in ["-INT", "-TERM"] {
        let before = if name == "-INT" {
            0
        } else {
            server.receipts().await.len()
        };
        let rule = stall(&server, "INSERT INTO [dbo].[t_T]", 2);
        let mut child = project.spawn(&RUN);
        server.emulator().faults().wait_fired(rule, 1).await;
        signal(&child, name);
        heard(&mut child).await;
        server.emulator().faults().remove(rule);
        let ended = end(child).await.expect(4);
        let last = ended.stdout.lines().last().unwrap_or_default();
        assert!(
            last.contains("Run the same command again to go on"),
            "{name}: {last}"
        );
        assert_eq!(
            server.receipts().await.len(),
            before + 2,
            "{name}: the chunk that was in flight is committed, and no other"
        );
        let status = project.status().await;
        assert_eq!(status["run"]["exit_code"], 4, "{status}");
    }
    assert_goes_on(&server, &project).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chunk_that_the_target_does_not_take_is_given_up_in_time() {
    let Some((server, project)) = begin("a_chunk_that_the_target_does_not_take_is_given_up_in_time").await
    else {
        return;
    };
    let rule = stall(&server, "INSERT INTO [dbo].[t_T]", 3);
    let mut child = project.spawn(&RUN);
    server.emulator().faults().wait_fired(rule, 1).await;
    signal(&child, "-TERM");
    heard(&mut child).await;
    // Nobody lets the target go on: the run ends by itself.
    let ended = end(child).await.expect(4);
    let last = ended.stderr.lines().last().unwrap_or_default();
    assert!(last.contains("run the same command again to go on"), "{last}");
    assert_eq!(server.receipts().await.len(), 2, "the third chunk is rolled back");
    let status = project.status().await;
    assert_eq!(status["run"]["exit_code"], 4, "its end is recorded: {status}");
    assert_goes_on(&server, &project).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn asked_twice_it_ends_at_once() {
    let Some((server, project)) = begin("asked_twice_it_ends_at_once").await else {
        return;
    };
    let rule = stall(&server, "INSERT INTO [dbo].[t_T]", 3);
    let mut child = project.spawn(&RUN);
    server.emulator().faults().wait_fired(rule, 1).await;
    signal(&child, "-INT");
    heard(&mut child).await;
    signal(&child, "-INT");
    end(child).await.expect(4);
    let status = project.status().await;
    assert_eq!(status["run"]["running"], false, "{status}");
    assert_eq!(
        status["run"]["exit_code"],
        serde_json::Value::Null,
        "it did not wait to record its end: {status}"
    );
    assert_goes_on(&server, &project).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_waits_stops_waiting() {
    let Some((server, project)) = begin("a_run_that_waits_stops_waiting").await else {
        return;
    };
    // For a lock at the target, which another session keeps.
    let mut other = server.connect(&server.target).await;
    other
        .run("EXEC sp_getapplock @Resource = N'sync:dbo.t_T', @LockMode = N'Exclusive', @LockOwner = N'Session'")
        .await;
    let asked = server.emulator().faults().add(Rule {
        when: Match {
            application: Some(APPLICATION.to_owned()),
            ..Match::statement("sync:dbo.t_T")
        },
        at: At::Before,
        action: Action::Run("SELECT 1".to_owned()),
    });
    let asked_at_all = server.emulator().faults().add(Rule {
        when: Match {
            application: Some(APPLICATION.to_owned()),
            // The lock of the migration is asked for first.
            nth: 2,
            ..Match::statement("sp_getapplock")
        },
        at: At::Before,
        action: Action::Run("SELECT 1".to_owned()),
    });
    let child = project.spawn(&RUN);
    server.emulator().faults().wait_fired(asked_at_all, 1).await;
    signal(&child, "-INT");
    end(child).await.expect(4);
    server.emulator().faults().remove(asked);
    drop(other);

    // For a server that is away.
    let away = server.emulator().faults().add(Rule {
        when: Match {
            application: Some(APPLICATION.to_owned()),
            times: u64::MAX,
            ..Match::statement("FROM [dbo].[T] WHERE")
        },
        at: At::Before,
        action: Action::Drop,
    });
    let child = project.spawn(&RUN);
    server.emulator().faults().wait_fired(away, 3).await;
    signal(&child, "-INT");
    end(child).await.expect(4);
    assert_goes_on(&server, &project).await;
}
