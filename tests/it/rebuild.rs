//! `sync rebuild`: the store that it makes is the one that was lost, as far as the target proves it; and where it
//! cannot be made, the old file stays where it is.

use std::path::Path;

use mssql_sync::checkpoint::{Reader, TableRecord};
use mssql_sync::model::chunk::{Chunk, ChunkState};
use mssql_sync::model::window::Window;
use tds_emulator::Action;
use testkit::project::monthly;
use testkit::{Ended, Project, Server, faults, job, session};

/// What of a store has to come back: its tables without what was counted and noted, its verified chunks without the
/// number of attempts, and of each window with such chunks their number, rows, bytes and marks.
#[derive(Debug, PartialEq)]
struct Proven {
    tables: Vec<TableRecord>,
    chunks: Vec<(String, Window, Chunk)>,
    sums: Vec<(Window, u64, u64, u64, i64)>,
}

fn proven(path: &Path) -> Proven {
    let reader = Reader::open(path).expect("a whole store").expect("a store");
    let view = reader.view().expect("it can be read");
    let mut proven = Proven {
        tables: Vec::new(),
        chunks: Vec::new(),
        sums: Vec::new(),
    };
    for table in view.tables().expect("tables") {
        for record in view.windows(&table.name).expect("windows") {
            let chunks = view.chunks(&table.name, record.window).expect("chunks");
            let verified = chunks
                .into_iter()
                .filter(|chunk| chunk.state == ChunkState::Verified);
            let chunks = verified.map(|chunk| Chunk { attempts: 0, ..chunk });
            proven
                .chunks
                .extend(chunks.map(|chunk| (table.name.clone(), record.window, chunk)));
            let counts = view.counts(&table.name, record.window).expect("counts");
            let marks = view.marks(&table.name, record.window).expect("marks");
            if counts.verified > 0 {
                let sums = (record.window, counts.verified, counts.rows, counts.bytes, marks);
                proven.sums.push(sums);
            }
        }
        proven.tables.push(TableRecord {
            notes: Vec::new(),
            ..table
        });
    }
    proven
}

/// Copies the state file away.
fn keep(project: &Project, name: &str) -> std::path::PathBuf {
    let kept = project.home.path(name);
    std::fs::copy(project.state(), &kept).expect("the state file is copied");
    kept
}

#[tokio::test(flavor = "multi_thread")]
async fn a_finished_jobs_store_comes_back_as_it_was() {
    let server = Server::start().await;
    let project = job::finished(&server).await;
    let lost = proven(&keep(&project, "lost.redb"));
    assert_eq!(lost.chunks.len(), job::ALL_CHUNKS as usize);
    let paths: Vec<_> = lost
        .tables
        .iter()
        .map(|table| table.access_path.as_str())
        .collect();
    if server.faithful {
        assert_eq!(paths, ["key walk", "date"], "PAYMENT and SALES");
    }
    for there in [true, false] {
        if !there {
            std::fs::remove_file(project.state()).expect("it is there");
        }
        let ended = project.sync(&["rebuild"]).await.expect(0);
        assert!(
            ended.stdout.contains("2 tables, 4 windows, 16 chunks, 480 rows"),
            "{ended:?}"
        );
        assert_eq!(proven(&project.state()), lost);
        assert_eq!(ended.stderr.contains("is kept as"), there, "{ended:?}");
        assert_eq!(
            project.asides().len(),
            1,
            "there is nothing to keep of a lost file"
        );
    }
    job::heal(&server, &project, [0, 0], [0, 0]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_jobs_store_comes_back_without_what_failed() {
    let Some(server) = Server::start_emulator("a_failed_jobs_store_comes_back_without_what_failed").await
    else {
        return;
    };
    job::fill(&server).await;
    let project = job::project(&server);
    // The third chunk of a window of each table fails for good; the other windows go on.
    for (table, nth) in [("t_SALES", 3), ("t_PAYMENT", 3)] {
        let insert = faults::at(format!("INSERT INTO [dbo].[{table}]"));
        insert.nth(nth).fails(&server, 547);
    }
    project
        .run(job::FIRST, job::LAST, &["--max-workers", "1"])
        .await
        .expect(4);
    server.faults().clear();
    let old = keep(&project, "lost.redb");
    let status = project.status().await;
    assert_eq!(status["totals"]["failed"], 2, "{status}");
    let lost = proven(&old);
    assert_eq!(lost.chunks.len() as u32, job::ALL_CHUNKS - 4);

    project.sync(&["rebuild"]).await.expect(0);
    assert_eq!(proven(&project.state()), lost);
    let status = project.status().await;
    assert_eq!(status["totals"]["chunks"], job::ALL_CHUNKS - 4, "{status}");
    assert_eq!(status["totals"]["failed"], 0, "{status}");
    for table in 0..2 {
        let windows = &status["tables"][table]["windows"];
        assert_eq!(windows[0]["state"], "planned", "{status}");
        assert_eq!(windows[0]["verified"], 2, "{status}");
        assert_eq!(windows[1]["state"], "complete", "{status}");
    }
    let left = [2 * job::CHUNK_ROWS, 2];
    job::heal(&server, &project, left, left).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn not_while_a_run_has_the_store() {
    let Some(server) = Server::start_emulator("not_while_a_run_has_the_store").await else {
        return;
    };
    job::fill(&server).await;
    let project = job::project(&server);
    let rule = job::commit().nth(5).stalls(&server);
    let child = project.spawn(&job::RUN_IN_TURN);
    server.faults().wait_fired(rule, 1).await;
    let pid = child.id().expect("it runs").to_string();
    let before = std::fs::read(project.state()).expect("it is there");
    let ended = project.sync(&["rebuild"]).await.expect(5);
    assert!(ended.stderr.contains(&format!("process {pid} ")), "{ended:?}");
    assert!(
        std::fs::read(project.state()).expect("it is there") == before,
        "the file of a run was written to"
    );
    assert!(project.asides().is_empty());
    server.faults().release(rule);
    Ended::of(child).await.expect(0);
    job::assert_equal(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_target_the_old_file_stays() {
    let server = Server::start().await;
    let project = job::finished(&server).await;
    std::fs::write(project.state(), "damage").expect("it is written");
    let text = project.home.read("sync.toml");
    let deaf = session::nobody_listens();
    let address = format!("server = \"{},{}\"", server.host, server.port);
    project.configure(&address, &format!("server = \"127.0.0.1,{}\"", deaf.port));
    for command in [&["rebuild"][..], &["rebuild", "--verbose"]] {
        let ended = project.sync(command).await.expect(7);
        assert!(ended.stderr.contains("target"), "{ended:?}");
        let now = std::fs::read(project.state()).expect("it is there");
        assert_eq!(now, b"damage", "{ended:?}");
        assert!(project.asides().is_empty(), "{ended:?}");
    }
    std::fs::remove_dir_all(project.home.path("state")).expect("it was there");
    project.sync(&["rebuild"]).await.expect(7);
    assert!(
        !project.home.path("state").exists(),
        "nothing is made for a target that is away"
    );
    project.home.write("sync.toml", text);
    project.sync(&["rebuild"]).await.expect(0);
    job::heal(&server, &project, [0, 0], [0, 0]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cut_short_it_leaves_the_old_file() {
    let Some(server) = Server::start_emulator("cut_short_it_leaves_the_old_file").await else {
        return;
    };
    let project = job::finished(&server).await;
    std::fs::write(project.state(), "damage").expect("it is written");
    let rest = project.home.path("state/checkpoints.redb.rebuilt");
    // The receipts of the third window: a part of the new store is there.
    for action in [Action::Drop, Action::Stall] {
        let asked =
            faults::at("FROM [sync].[receipt] WHERE [table_name] = @P1 AND [window_start] = @P2").nth(3);
        let rule = asked.does(&server, action.clone());
        let mut child = project.spawn(&["rebuild"]);
        server.faults().wait_fired(rule, 1).await;
        if action == Action::Stall {
            child.kill().await.expect("the rebuild is killed");
        } else {
            Ended::of(child).await.expect(7);
            assert!(!rest.exists(), "nothing of a rebuild that failed is left");
        }
        server.faults().clear();
        let now = std::fs::read(project.state()).expect("it is there");
        assert_eq!(now, b"damage", "after {action:?}");
        assert!(project.asides().is_empty(), "after {action:?}");
        project.sync(&["status"]).await.expect(6);
    }
    project.sync(&["rebuild"]).await.expect(0);
    assert!(!rest.exists(), "what was left of the attempts is gone");
    assert_eq!(proven(&project.state()).chunks.len() as u32, job::ALL_CHUNKS);
    job::heal(&server, &project, [0, 0], [0, 0]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_target_without_receipts_the_store_is_empty() {
    let server = Server::start().await;
    job::fill(&server).await;
    let project = job::project(&server);
    let ended = project.sync(&["rebuild"]).await.expect(0);
    assert!(ended.stdout.contains("the target has no receipts"), "{ended:?}");
    assert!(project.state().exists());
    assert_eq!(server.receipts_exist().await, 0, "a rebuild writes nothing there");
    let status = project.status().await;
    assert_eq!(status["totals"]["chunks"], 0, "{status}");
    assert_eq!(status["run"], serde_json::Value::Null, "{status}");
    let all = [2 * job::MONTH_ROWS, 2 * job::MONTH_CHUNKS];
    job::heal(&server, &project, all, all).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn receipts_of_a_table_that_is_not_configured_are_left_out_and_it_is_said() {
    let server = Server::start().await;
    let project = job::finished(&server).await;
    let whole = proven(&project.state());
    project.configure(&monthly("PAYMENT", "PAID_AT"), "");
    let ended = project.sync(&["rebuild"]).await.expect(0);
    assert!(
        ended
            .stderr
            .contains("note: the target has receipts of dbo.t_PAYMENT"),
        "{ended:?}"
    );
    let rebuilt = proven(&project.state());
    let sales: Vec<_> = whole
        .chunks
        .into_iter()
        .filter(|chunk| chunk.0 == "SALES")
        .collect();
    assert_eq!(rebuilt.chunks, sales);

    // It comes back with the table, and the receipts tell that nothing is to be read.
    project.home.configure_too(&monthly("PAYMENT", "PAID_AT"));
    job::heal(&server, &project, [0, 0], [0, 0]).await;
}
