//! Scope to stop, a run ends soon, says how to go on, and loses nothing; asked twice, it ends at once.
#![cfg(unix)]

use tds_emulator::RuleId;
use testkit::{Ended, Project, Server, faults, job, program};
use tokio::process::Child;

const RUN: [&str; 5] = ["run", "--start-date", "2025-10-01", "--end-date", "2025-10-31"];

/// Stalls a run at one of its chunks.
fn stall_at_chunk(server: &Server, nth: u64) -> RuleId {
    faults::at("INSERT INTO [dbo].[t_T]").nth(nth).stalls(server)
}

fn signal(child: &Child, name: &str) {
    let pid = child.id().expect("it runs").to_string();
    let mut kill = std::process::Command::new("kill");
    let sent = program::start_blocking(kill.args([name, &pid])).and_then(|mut kill| kill.wait());
    assert!(sent.expect("kill is there").success(), "the signal is sent");
}

/// The next run loads what is left, and both ends are equal.
async fn assert_goes_on(server: &Server, project: &Project) {
    server.faults().clear();
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
    let Some((server, project)) = job::october("a_chunk_in_flight_is_committed_first").await else {
        return;
    };
    for name in ["-INT", "-TERM"] {
        let before = if name == "-INT" {
            0
        } else {
            server.receipts().await.len()
        };
        let rule = stall_at_chunk(&server, 2);
        let mut child = project.spawn(&RUN);
        server.faults().wait_fired(rule, 1).await;
        signal(&child, name);
        heard(&mut child).await;
        server.faults().remove(rule);
        let ended = Ended::of(child).await.expect(4);
        let last = ended.stdout.lines().last().unwrap_or_default();
        assert!(
            last.starts_with("Stopped: ") && last.contains("Run the same command again to go on"),
            "{name}: {last}"
        );
        assert_eq!(
            server.receipts().await.len(),
            before + 2,
            "{name}: the chunk that was in flight is committed, and no other"
        );
        let status = project.status().await;
        assert_eq!(status["run"]["exit_code"], 4, "{status}");
        let told = project.sync(&["status"]).await.expect(0);
        told.says(", was stopped, ended ")
            .says("The run was asked to stop; run the same command again to resume");
    }
    assert_goes_on(&server, &project).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chunk_that_the_target_does_not_take_is_given_up_in_time() {
    let Some((server, project)) =
        job::october("a_chunk_that_the_target_does_not_take_is_given_up_in_time").await
    else {
        return;
    };
    let rule = stall_at_chunk(&server, 3);
    let mut child = project.spawn(&RUN);
    server.faults().wait_fired(rule, 1).await;
    signal(&child, "-TERM");
    heard(&mut child).await;
    // Nobody lets the target go on: the run ends by itself.
    let ended = Ended::of(child).await.expect(4);
    let last = ended.stderr.lines().last().unwrap_or_default();
    assert!(last.contains("run the same command again to resume"), "{last}");
    assert_eq!(server.receipts().await.len(), 2, "the third chunk is rolled back");
    let status = project.status().await;
    assert_eq!(status["run"]["exit_code"], 4, "its end is recorded: {status}");
    assert_goes_on(&server, &project).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn asked_twice_it_ends_at_once() {
    let Some((server, project)) = job::october("asked_twice_it_ends_at_once").await else {
        return;
    };
    let rule = stall_at_chunk(&server, 3);
    let mut child = project.spawn(&RUN);
    server.faults().wait_fired(rule, 1).await;
    signal(&child, "-INT");
    heard(&mut child).await;
    signal(&child, "-INT");
    Ended::of(child).await.expect(4);
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
    let Some((server, project)) = job::october("a_run_that_waits_stops_waiting").await else {
        return;
    };
    // For a lock at the target, which another session keeps.
    let mut other = server.connect(&server.target).await;
    other
        .run("EXEC sp_getapplock @Resource = N'sync:dbo.t_t', @LockMode = N'Exclusive', @LockOwner = N'Session'")
        .await;
    let asked = faults::at("sync:dbo.t_t").of_the_program().notices(&server);
    // The lock of the migration is asked for first.
    let lock = faults::at("sp_getapplock").of_the_program().nth(2);
    let asked_at_all = lock.notices(&server);
    let child = project.spawn(&RUN);
    server.faults().wait_fired(asked_at_all, 1).await;
    signal(&child, "-INT");
    let ended = Ended::of(child).await.expect(4);
    assert!(ended.stdout.contains("| not looked at |"), "{}", ended.stdout);
    assert!(!ended.stdout.contains("| verified"), "{}", ended.stdout);
    server.faults().remove(asked);
    drop(other);

    // For a server that is away.
    let read = faults::at("FROM [dbo].[T] WHERE").of_the_program();
    let away = read.always().drops(&server);
    let child = project.spawn(&RUN);
    server.faults().wait_fired(away, 3).await;
    signal(&child, "-INT");
    Ended::of(child).await.expect(4);
    assert_goes_on(&server, &project).await;
}
