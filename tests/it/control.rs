//! Scope to control a run that is going: paused, resumed, stopped and tuned by other commands; and what they say where no run
//! hears them.
#![cfg(unix)]

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use mssql_sync::base::clock::SystemClock;
use mssql_sync::control;
use tds_emulator::RuleId;
use testkit::project::ITEM_FULL;
use testkit::{Ended, Home, Project, Server, faults, job, tables};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::process::Child;

const RUN: [&str; 5] = ["run", "--start-date", "2025-10-01", "--end-date", "2025-10-31"];

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// A server whose table ITEM has 300 rows, and a project that copies it as a reference table.
async fn reference(test: &str) -> Option<(Server, Project)> {
    let server = Server::start_emulator(test).await?;
    tables::Table::new("ITEM", "ID int NOT NULL, NAME nvarchar(20) NULL")
        .rows((1..=300).map(|id| format!("({}, N'n{id}')", 10 * id)))
        .at_source(&server)
        .await;
    let project = Project::tuned(&server, "chunk_rows = 50\nmax_workers = 1", ITEM_FULL);
    Some((server, project))
}

/// Reads of a chunk at the source.
fn reads(server: &Server) -> faults::Place {
    faults::at("RECOMPILE)")
        .of_the_program()
        .in_database(&server.source)
}

/// Starts a run, which stands still in its second read of a chunk.
async fn stalled(server: &Server, project: &Project) -> (Child, RuleId) {
    let rule = reads(server).nth(2).stalls(server);
    let child = project.spawn(&RUN);
    server.faults().wait_fired(rule, 1).await;
    (child, rule)
}

/// Starts a run, which stands still before its first commit; a stop waits for it.
async fn committing(server: &Server, project: &Project) -> (Child, RuleId) {
    let rule = job::commit().nth(1).stalls(server);
    let child = project.spawn(&RUN);
    server.faults().wait_fired(rule, 1).await;
    (child, rule)
}

/// The reads of chunks since `mark`.
fn reads_since(server: &Server, mark: u64) -> usize {
    let reads = server.source_reads(mark, "[T]");
    reads
        .iter()
        .filter(|read| read.text.contains("RECOMPILE)"))
        .count()
}

async fn assert_goes_on(server: &Server, project: &Project) {
    server.faults().clear();
    project.sync(&RUN).await.expect(0);
    server.assert_equal("dbo.T", "dbo.t_T").await;
}

fn socket(project: &Project) -> PathBuf {
    project.home.path("state/checkpoints.redb.sock")
}

/// What the run tells of itself.
async fn told(project: &Project) -> control::Done {
    let (state, clock) = (project.state(), SystemClock::shared());
    let limit = std::time::Duration::from_secs(60);
    let told = control::ask(&state, control::Ask::Figures, &clock, limit).await;
    told.expect("it answers")
}

/// What the run answers to this line.
async fn answered(project: &Project, line: &[u8]) -> serde_json::Value {
    let mut stream = UnixStream::connect(socket(project)).await.expect("it listens");
    stream.write_all(line).await.expect("it is heard");
    stream.shutdown().await.expect("it is heard to its end");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.expect("it answers");
    assert_eq!(answer.last(), Some(&b'\n'), "{answer:?}");
    serde_json::from_slice(&answer).expect("an answer is JSON")
}

/// Serves the socket of a project once, in a run's place, with this answer.
async fn served_once(project: &Project, answer: &str, arguments: &[&str]) -> Ended {
    let listener = UnixListener::bind(socket(project)).expect("the place is free");
    let serving = async {
        let (mut stream, _) = listener.accept().await.expect("a client");
        let mut line = String::new();
        BufReader::new(&mut stream)
            .read_line(&mut line)
            .await
            .expect("a request");
        stream.write_all(answer.as_bytes()).await.expect("it is heard");
    };
    let ended = tokio::join!(project.sync(arguments), serving).0;
    std::fs::remove_file(socket(project)).expect("it is there");
    ended
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_run_reads_no_further_chunk_until_it_is_resumed() {
    let Some((server, project)) =
        job::october("a_paused_run_reads_no_further_chunk_until_it_is_resumed").await
    else {
        return;
    };
    let committed = job::commit().after().nth(2).notices(&server);
    let mark = server.mark();
    let (child, rule) = stalled(&server, &project).await;
    let paused = project.sync(&["pause"]).await.expect(0);
    paused.says("Paused").says("`sync resume` goes on.");
    let again = project.sync(&["pause", "--json"]).await.expect(0).json();
    assert_eq!(
        (&again["changed"], &again["figures"]["paused"]),
        (&false.into(), &true.into()),
        "{again}"
    );
    project
        .sync(&["pause"])
        .await
        .expect(0)
        .says("It was paused already");

    // The chunk in flight is read to its end and committed. The next one would be read beside its load.
    server.faults().remove(rule);
    server.faults().wait_fired(committed, 1).await;
    assert_eq!(reads_since(&server, mark), 2);

    project.sync(&["resume"]).await.expect(0).says("Resumed");
    Ended::of(child).await.expect(0);
    server.assert_equal("dbo.T", "dbo.t_T").await;
    assert!(reads_since(&server, mark) > 2, "the others are read after it");
    project.sync(&["resume"]).await.expect(2).says("No run is going");
}

/// Rows before and after a pause are of two times: one that moves meanwhile to where was read already is found all the same.
#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_moves_while_the_load_of_a_reference_table_is_paused_is_copied() {
    let test = "a_row_that_moves_while_the_load_of_a_reference_table_is_paused_is_copied";
    let Some((server, project)) = reference(test).await else {
        return;
    };
    // A first load, then one into a copy that is swapped in.
    for (last, first) in [(3000, 5), (2990, 6)] {
        server
            .at_source("UPDATE [dbo].[ITEM] SET NAME = N'y' WHERE ID = 10")
            .await;
        let (child, rule) = stalled(&server, &project).await;
        project.sync(&["pause"]).await.expect(0);
        server.faults().remove(rule);
        while project.status().await["pace"]["held"]["cause"] != "pause" {
            tokio::task::yield_now().await;
        }
        server
            .at_source(&format!("UPDATE [dbo].[ITEM] SET ID = {first} WHERE ID = {last}"))
            .await;
        project.sync(&["resume"]).await.expect(0);
        let ended = Ended::of(child).await.expect(0);
        ended.says("its reads were held meanwhile; it is compared with the source once more");
        server.assert_equal("dbo.ITEM", "dbo.t_ITEM").await;
        server
            .at_source("UPDATE [dbo].[ITEM] SET NAME = N'n' WHERE ID = 10")
            .await;
    }
}

/// Where no row was read before a pause, no row can have moved away from what was read.
#[tokio::test(flavor = "multi_thread")]
async fn a_pause_before_the_first_read_of_a_reference_table_costs_no_second_comparison() {
    let test = "a_pause_before_the_first_read_of_a_reference_table_costs_no_second_comparison";
    let Some((server, project)) = reference(test).await else {
        return;
    };
    let leased = faults::at("INSERT INTO [sync].[lease]")
        .of_the_program()
        .in_database(&server.target)
        .stalls(&server);
    let child = project.spawn(&RUN);
    server.faults().wait_fired(leased, 1).await;
    project.sync(&["pause"]).await.expect(0);
    server.faults().remove(leased);
    while project.status().await["pace"]["held"]["cause"] != "pause" {
        tokio::task::yield_now().await;
    }
    project.sync(&["resume"]).await.expect(0);
    let ended = Ended::of(child).await.expect(0);
    assert!(!ended.stderr.contains("once more"), "{}", ended.stderr);
    server.assert_equal("dbo.ITEM", "dbo.t_ITEM").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_survives_no_end_and_a_stop_ends_a_paused_run() {
    let Some((server, project)) = job::october("a_pause_survives_no_end_and_a_stop_ends_a_paused_run").await
    else {
        return;
    };
    let (child, rule) = committing(&server, &project).await;
    project
        .sync(&["resume"])
        .await
        .expect(0)
        .says("It was not paused");
    project.sync(&["pause"]).await.expect(0);
    let stopped = project.sync(&["stop", "--json"]).await.expect(0).json();
    assert_eq!(
        (&stopped["changed"], &stopped["stopping"]),
        (&true.into(), &true.into()),
        "{stopped}"
    );
    project
        .sync(&["stop"])
        .await
        .expect(0)
        .says("It was asked to stop already");
    server.faults().remove(rule);
    let ended = Ended::of(child).await.expect(4);
    assert_eq!(ended.stderr.matches("stopping:").count(), 1, "{}", ended.stderr);
    assert!(!socket(&project).exists());
    let status = project.status().await;
    assert_eq!(status["run"]["exit_code"], 4, "{status}");
    assert_goes_on(&server, &project).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_can_wait_for_the_end() {
    let Some((server, project)) = job::october("a_stop_can_wait_for_the_end").await else {
        return;
    };
    let (child, rule) = committing(&server, &project).await;
    let stop = project.spawn(&["stop", "--wait"]);
    while !told(&project).await.is_stopping {
        tokio::task::yield_now().await;
    }
    server.faults().remove(rule);
    let (ended, stop) = tokio::join!(Ended::of(child), Ended::of(stop));
    ended.expect(4);
    stop.expect(0).says("It has ended");
    let status = project.status().await;
    assert_eq!(status["run"]["running"], false, "{status}");
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_are_changed_within_their_ranges() {
    let Some((server, project)) = job::october("settings_are_changed_within_their_ranges").await else {
        return;
    };
    let (child, rule) = stalled(&server, &project).await;
    let tuned = project
        .sync(&[
            "tune",
            "--max-workers",
            "3",
            "--rows-per-second",
            "1000000",
            "--chunk-rows",
            "40",
            "--ignore-hours",
            "--json",
        ])
        .await
        .expect(0)
        .json();
    assert_eq!(tuned["changed"], true, "{tuned}");
    let reads = &tuned["figures"];
    assert_eq!(reads["max_workers"], 3, "{tuned}");
    assert_eq!(reads["rows_per_second"], 1_000_000, "{tuned}");
    assert_eq!(reads["chunk_rows_max"], 40, "{tuned}");
    assert_eq!(reads["ignores_hours"], true, "{tuned}");
    project
        .sync(&["tune", "--heed-hours", "--rows-per-second", "0"])
        .await
        .expect(0)
        .says("rows_per_second: 1,000,000 before, any number now")
        .says("the hours of the source: ignored before, heeded now");
    project
        .sync(&["tune", "--max-workers", "3"])
        .await
        .expect(0)
        .says("Nothing has changed");
    for refused in [
        &["tune"][..],
        &["tune", "--chunk-rows", "0"],
        &["tune", "--max-workers", "17"],
        &["tune", "--ignore-hours", "--heed-hours"],
    ] {
        project.sync(refused).await.expect(2);
    }
    let line = format!("{{\"version\":\"{VERSION}\",\"ask\":{{\"tune\":{{\"max_workers\":0}}}}}}\n");
    let answer = answered(&project, line.as_bytes()).await;
    assert_eq!(
        answer["outcome"]["refused"],
        "max_workers is a number from 1 to 16"
    );
    server.faults().remove(rule);
    Ended::of(child).await.expect(0);
    server.assert_equal("dbo.T", "dbo.t_T").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn figures_are_told_while_a_run_is_going_and_by_its_socket_alone() {
    let Some((server, project)) =
        job::october("figures_are_told_while_a_run_is_going_and_by_its_socket_alone").await
    else {
        return;
    };
    let clock = SystemClock::shared();
    assert_eq!(control::figures(&project.state(), &clock).await, None);
    let (child, rule) = stalled(&server, &project).await;
    let mode = std::fs::metadata(socket(&project)).expect("the socket is there");
    assert_eq!(mode.permissions().mode() & 0o777, 0o600);
    let asked = told(&project).await;
    assert_eq!((asked.now.max_workers, asked.changed), (1, false));
    assert_eq!(asked.work.process_id, child.id().expect("it runs"));
    server.faults().remove(rule);
    Ended::of(child).await.expect(0);
    assert_eq!(control::figures(&project.state(), &clock).await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_and_clients_that_say_nothing_are_answered_and_harm_no_run() {
    let Some((server, project)) =
        job::october("garbage_and_clients_that_say_nothing_are_answered_and_harm_no_run").await
    else {
        return;
    };
    let (child, rule) = stalled(&server, &project).await;
    let mut silent = Vec::new();
    for _ in 0..7 {
        silent.push(UnixStream::connect(socket(&project)).await.expect("it listens"));
    }
    let long = vec![b'x'; 5_000];
    for line in [
        &b"GET / HTTP/1.1\r\n\r\n"[..],
        b"{}\n",
        b"no end",
        b"\xff\xfe\n",
        b"",
    ] {
        let answer = answered(&project, line).await;
        assert!(answer["outcome"]["refused"].is_string(), "{answer}");
        assert_eq!(answer["version"], VERSION, "{answer}");
    }
    // It reads no further than a request may be long.
    let mut stream = UnixStream::connect(socket(&project)).await.expect("it listens");
    let _ = stream.write_all(&long).await;
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer).await;
    assert!(answer.is_empty() || answer.contains("refused"), "{answer}");
    let other = br#"{"version":"0.0.0","do":"pause"}
"#;
    let answer = answered(&project, other).await;
    assert_eq!(
        answer["outcome"]["refused"], "It is of another version",
        "{answer}"
    );
    let paused = project.sync(&["pause", "--json"]).await.expect(0).json();
    assert_eq!(paused["changed"], true, "{paused}");
    project.sync(&["resume"]).await.expect(0);
    server.faults().remove(rule);
    Ended::of(child).await.expect(0);
    server.assert_equal("dbo.T", "dbo.t_T").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_was_killed_is_none_and_the_next_one_is_heard() {
    let Some((server, project)) =
        job::october("a_run_that_was_killed_is_none_and_the_next_one_is_heard").await
    else {
        return;
    };
    let (mut child, rule) = stalled(&server, &project).await;
    project.sync(&["pause"]).await.expect(0);
    child.kill().await.expect("the run is killed");
    assert!(socket(&project).exists(), "a kill removes no file");
    for command in ["pause", "resume", "stop"] {
        project.sync(&[command]).await.expect(2).says("No run is going");
    }
    server.faults().remove(rule);
    let (child, rule) = stalled(&server, &project).await;
    let tuned = project.sync(&["tune", "--max-workers", "2", "--json"]).await;
    let tuned = tuned.expect(0).json();
    assert_eq!(
        tuned["figures"]["paused"], false,
        "a pause ends with its run: {tuned}"
    );
    server.faults().remove(rule);
    Ended::of(child).await.expect(0);
    server.assert_equal("dbo.T", "dbo.t_T").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_does_its_work_without_a_socket_and_says_so() {
    let Some((server, project)) = job::october("a_run_does_its_work_without_a_socket_and_says_so").await
    else {
        return;
    };
    std::fs::create_dir(project.home.path("state")).expect("the directory is made");
    std::fs::write(socket(&project), "precious").expect("a file is there");
    let (child, rule) = stalled(&server, &project).await;
    project
        .sync(&["pause"])
        .await
        .expect(2)
        .says("takes no requests")
        .says(&format!("process {}", child.id().expect("it runs")));
    server.faults().remove(rule);
    let ended = Ended::of(child).await.expect(0);
    ended.says("cannot reach this run, because its socket cannot be made");
    assert_eq!(std::fs::read(socket(&project)).expect("it is there"), b"precious");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_answers_may_be_of_another_version_or_no_run_at_all() {
    let Some((_server, project)) =
        job::october("what_answers_may_be_of_another_version_or_no_run_at_all").await
    else {
        return;
    };
    std::fs::create_dir(project.home.path("state")).expect("the directory is made");
    let newer = "{\"version\":\"9.9.9\",\"said\":[]}\n";
    served_once(&project, newer, &["pause"])
        .await
        .expect(2)
        .says(&format!("is of version 9.9.9, and this program of {VERSION}"))
        .says("say it with the program that the run was begun with");
    served_once(&project, "220 ready\n", &["stop"])
        .await
        .expect(2)
        .says("is no run of this program");
    served_once(&project, "", &["resume"])
        .await
        .expect(2)
        .says("ended meanwhile");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_comparison_is_stopped_and_a_rebuild_hears_nothing() {
    let Some((server, project)) = job::october("a_comparison_is_stopped_and_a_rebuild_hears_nothing").await
    else {
        return;
    };
    project.sync(&RUN).await.expect(0);
    let read = faults::at("FROM [dbo].[t_T] WHERE").of_the_program();
    let rule = read.stalls(&server);
    let child = project.spawn(&["reconcile"]);
    server.faults().wait_fired(rule, 1).await;
    project
        .sync(&["pause"])
        .await
        .expect(0)
        .says("But this `sync reconcile` reads nothing of the source");
    project.sync(&["stop"]).await.expect(0).says("Stopping");
    server.faults().remove(rule);
    Ended::of(child).await.expect(4).says("Stopped");

    let rule = faults::at("[sync].[receipt]").of_the_program().stalls(&server);
    let child = project.spawn(&["rebuild"]);
    server.faults().wait_fired(rule, 1).await;
    project.sync(&["stop"]).await.expect(2).says("takes no requests");
    server.faults().remove(rule);
    Ended::of(child).await.expect(0);
}

#[test]
fn without_a_run_it_is_said() {
    let home = Home::empty();
    for command in [
        &["pause"][..],
        &["resume"],
        &["stop"],
        &["tune", "--ignore-hours"],
    ] {
        home.sync(command)
            .expect(2)
            .says("There is no state file state/checkpoints.redb, so no run is going there");
    }
}
