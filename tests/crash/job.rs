//! The power fails between any two lines: a small job is counted in durable steps, and then it dies at each of them.
//!
//! After each death what is visible at the target is proven by receipts, row for row, and the next run ends with both
//! ends equal, every receipt once and every checkpoint right, having read at most the chunks in flight again.

use std::collections::{BTreeMap, BTreeSet};

use mssql_sync::checkpoint::{Reader, WindowState};
use mssql_sync::model::chunk::ChunkState;
use testkit::job::TABLES;
use testkit::sweep::{LANES, sweep};
use testkit::{Project, Server, tables};

/// Rows of a chunk.
const CHUNK_ROWS: u64 = 30;
/// Windows at once, so that twice as many chunks are in flight at most.
const WORKERS: u64 = 2;

const RUN: [&str; 5] = ["run", "--start-date", "2025-10-01", "--end-date", "2025-12-31"];

/// Two tables over three months: one read by its date index, one walked by its key; one month of the second is empty.
async fn fill(server: &Server) {
    let sales = (0..210).map(|n| {
        let (month, day) = (10 + n % 3, 1 + n % 28);
        format!("({n}, '2025-{month}-{day:02}T{:02}:00:00', N'{n:0200}')", n % 24)
    });
    let table = tables::sales("NOTE nvarchar(200) NULL");
    table.rows(sales).at_source(server).await;
    let payments = (0..100).map(|n| {
        let (month, day) = (10 + n % 2, 1 + n % 5);
        format!("('S{}', {n}, '2025-{month}-{day:02}T00:00:00', {n}.5)", n % 3)
    });
    tables::payment().rows(payments).at_source(server).await;
}

/// A job that dies at each of its steps.
#[derive(Clone, Copy)]
struct Job {
    name: &'static str,
    /// The command that dies.
    command: &'static [&'static str],
    /// Whether the job begins with everything loaded.
    loaded: bool,
    /// What is done to the target before it.
    before: &'static str,
    /// What is added to the configuration before it.
    tuned: &'static str,
    /// Chunks that the job would load if it did not die; `None` for all.
    chunks: Option<u64>,
}

const JOBS: [Job; 7] = [
    Job {
        name: "a first run",
        command: &RUN,
        loaded: false,
        before: "",
        tuned: "",
        chunks: None,
    },
    Job {
        name: "a run over damage",
        command: &RUN,
        loaded: true,
        // One chunk of the middle and two at the end of another window are loaded in their places.
        before: "DELETE FROM dbo.t_SALES WHERE SOLD_AT >= '2025-10-01T00:00:00' AND SOLD_AT < '2025-10-05T00:00:00'; \
                 DELETE FROM dbo.t_SALES WHERE SOLD_AT >= '2025-11-15T00:00:00' AND SOLD_AT < '2025-11-30T00:00:00'",
        tuned: "",
        chunks: Some(3),
    },
    Job {
        name: "a run over a row that hands moved",
        command: &RUN,
        loaded: true,
        // It leaves December for good only when the source was asked, and the chunk that it is in now is loaded again.
        before: "UPDATE dbo.t_SALES SET SOLD_AT = '2025-12-02T05:00:00' WHERE ID = 1; \
                 INSERT INTO dbo.t_SALES VALUES (9001, '2025-10-03T05:00:00', N'nobody knows it')",
        tuned: "",
        chunks: Some(4),
    },
    Job {
        name: "a run over receipts that make no sense",
        command: &RUN,
        loaded: true,
        before: "UPDATE [sync].[receipt] SET [key_after] = NULL, [state] = N'stale' WHERE [table_name] = N'dbo.t_SALES' \
                 AND [window_start] = '2025-11-01' AND [ordinal] = 1",
        tuned: "",
        chunks: Some(2),
    },
    Job {
        name: "a run over chunks that are too large by now",
        command: &RUN,
        loaded: true,
        before: "DELETE FROM dbo.t_SALES WHERE ID IN (0, 1)",
        tuned: "chunk_bytes_max = 4096",
        chunks: Some(4),
    },
    Job {
        name: "forget",
        command: &["forget", "--table", "SALES", "--month", "2025-11"],
        loaded: true,
        before: "",
        tuned: "",
        chunks: Some(3),
    },
    Job {
        name: "rebuild",
        command: &["rebuild"],
        loaded: true,
        before: "",
        tuned: "",
        chunks: Some(0),
    },
];

fn project(server: &Server) -> Project {
    let run = format!("chunk_rows = {CHUNK_ROWS}\nmax_workers = {WORKERS}");
    Project::tuned(server, &run, TABLES)
}

/// A project whose job is about to begin.
async fn begin(server: &mut Server, job: &Job) -> Project {
    server.renew_target().await;
    let project = project(server);
    if job.loaded {
        project.sync(&RUN).await.expect(0);
    }
    if !job.before.is_empty() {
        server.at_target(job.before).await;
    }
    if !job.tuned.is_empty() {
        let tuned = format!("\n[run]\n{}\n", job.tuned);
        project.configure("\n[run]\n", &tuned);
    }
    project
}

/// The names of the steps of a job that nothing disturbs.
async fn steps(server: &mut Server, job: &Job) -> Vec<String> {
    let project = begin(server, job).await;
    testkit::sweep::steps(&project, job.command).await
}

/// The job dies at its step `number`, and the next run mends it. Returns whether it got that far.
async fn dies_at(server: &mut Server, job: &Job, number: usize) -> bool {
    let project = begin(server, job).await;
    let place = format!("{}, step {number}", job.name);
    let mark = server.mark();
    let died = project
        .sync_with(job.command, &[("SYNC_FAILPOINT", &number.to_string())])
        .await;
    if died.code() == 0 {
        // Two workers take turns as they like: a run may have a step less than the one that was counted.
        return false;
    }
    assert_eq!(died.code(), -1, "{place}: it ended by itself: {}", died.stderr);
    if job.before.is_empty() && job.name != "forget" {
        assert_only_proven_rows_are_visible(server, &place).await;
    }
    project.sync(&["status"]).await.expect(0);
    let ended = project.sync(&RUN).await;
    assert_eq!(ended.code(), 0, "{place}: the next run: {}", ended.stderr);
    server.assert_equal("dbo.SALES", "dbo.t_SALES").await;
    server.assert_equal("dbo.PAYMENT", "dbo.t_PAYMENT").await;
    assert_checkpoints(server, &project, &place).await;

    let receipts = server.receipts().await.len() as u64;
    let read = server.rows_read(mark, &["[SALES]", "[PAYMENT]"]);
    let chunks = job.chunks.unwrap_or(receipts);
    // A read asks for one row more than fits; what was in flight may be read again.
    let bound = chunks * (CHUNK_ROWS + 1) + WORKERS * 2 * (CHUNK_ROWS + 1);
    assert!(
        read <= bound,
        "{place}: {read} rows were read, at most {bound} may be"
    );
    let inserts = server.statements_of(mark, "INSERT INTO [dbo].[t_") as u64;
    assert!(
        inserts <= chunks + WORKERS * 2,
        "{place}: {inserts} loads of {chunks} chunks"
    );
    true
}

/// Rows and receipts are committed together: what a reader of the target sees is what receipts say, in number.
async fn assert_only_proven_rows_are_visible(server: &Server, place: &str) {
    let mut client = server.connect(&server.target).await;
    for table in ["SALES", "PAYMENT"] {
        let there = client
            .integer(&format!(
                "SELECT COUNT_BIG(*) FROM sys.tables WHERE name = N't_{table}'"
            ))
            .await;
        if there == 0 {
            continue;
        }
        let rows = client
            .integer(&format!("SELECT COUNT_BIG(*) FROM dbo.t_{table}"))
            .await;
        let proven = client
            .integer(&format!(
                "SELECT COALESCE(SUM([row_count]), 0) FROM [sync].[receipt] \
                 WHERE [table_name] = N'dbo.t_{table}' AND [state] = N'verified'"
            ))
            .await;
        assert_eq!(rows, proven, "{place}: rows of {table} and what receipts say");
    }
}

/// Every receipt is there once and verified, and the store says the same of every chunk, and nothing more.
async fn assert_checkpoints(server: &Server, project: &Project, place: &str) {
    let sql = "SELECT [table_name], CAST([window_start] AS nvarchar(10)) AS [first], [ordinal], [state], [row_count] \
               FROM [sync].[receipt]";
    let rows = server.connect(&server.target).await.rows(sql).await;
    let receipts: BTreeSet<String> = rows.iter().cloned().collect();
    assert_eq!(receipts.len(), rows.len(), "{place}: a receipt is there twice");
    let reader = Reader::open(&project.state())
        .expect("the store opens")
        .expect("it is there");
    let view = reader.view().expect("the store is read");
    assert!(
        view.tombstones().expect("tombstones").is_empty(),
        "{place}: something is still being forgotten"
    );
    let mut chunks = 0;
    for table in view.tables().expect("tables") {
        for record in view.windows(&table.name).expect("windows") {
            let window = record.window;
            assert_eq!(
                record.state,
                WindowState::Complete,
                "{place}: {} {window}",
                table.name
            );
            let counts = view.counts(&table.name, window).expect("counts");
            let mut rows = BTreeMap::new();
            for chunk in view.chunks(&table.name, window).expect("chunks") {
                assert_eq!(
                    chunk.state,
                    ChunkState::Verified,
                    "{place}: {} {window}",
                    table.name
                );
                rows.insert(chunk.ordinal, chunk.tally.row_count);
                let same = receipts.iter().any(|receipt| {
                    let parts: Vec<&str> = receipt.split(" | ").collect();
                    parts[0].contains(&table.target)
                        && parts[1].contains(&window.stored_start().to_string())
                        && parts[2].contains(&format!("({})", chunk.ordinal))
                        && parts[3].contains("verified")
                        && parts[4].contains(&format!("({})", chunk.tally.row_count))
                });
                assert!(
                    same,
                    "{place}: {} {window} chunk {} has no receipt",
                    table.name, chunk.ordinal
                );
            }
            assert_eq!(counts.chunks, rows.len() as u64, "{place}: counts of {window}");
            assert_eq!(
                counts.rows,
                rows.values().sum::<u64>(),
                "{place}: rows of {window}"
            );
            chunks += rows.len();
        }
    }
    assert_eq!(chunks, receipts.len(), "{place}: chunks and receipts");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_dies_at_any_step_is_finished_by_the_next_run() {
    let mut lanes = Vec::new();
    for _ in 0..LANES {
        let Some(server) =
            Server::start_emulator("a_job_that_dies_at_any_step_is_finished_by_the_next_run").await
        else {
            return;
        };
        fill(&server).await;
        lanes.push(server);
    }
    let mut cases = Vec::new();
    let mut names = BTreeSet::new();
    for job in JOBS {
        let steps = steps(&mut lanes[0], &job).await;
        cases.extend((1..=steps.len()).map(|number| (job, number)));
        println!("{}: {} steps", job.name, steps.len());
        names.extend(steps);
    }
    // A step that no job passes any more would be swept by nobody.
    for name in [
        "checkpoint: after the commit",
        "cut: before COMMIT",
        "forget: after COMMIT",
        "lease: after the epoch is raised",
        "load: after COMMIT",
        "load: after the leaving rows were told",
        "migrate: after a batch",
        "rebuild: after the old store is put aside",
        "run: before its end",
        "split: before COMMIT",
        "split: after COMMIT",
    ] {
        assert!(names.contains(name), "no job passes the step {name}: {names:?}");
    }
    sweep(
        lanes,
        cases,
        |mut server, (job, number): (Job, usize)| async move {
            let reached = dies_at(&mut server, &job, number).await;
            (server, reached)
        },
    )
    .await;
}
