//! Stores of earlier programs, as files: each is read and written by this one, and holds what it held.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use mssql_sync::base::clock::SystemClock;
use mssql_sync::checkpoint::{Change, Reader, Store, View, mark};
use mssql_sync::metrics::render;
use mssql_sync::model::account::Account;
use mssql_sync::model::chunk::{Chunk, ChunkState};
use mssql_sync::model::stages::Stages;
use testkit::project::{ITEM_FULL, T_MONTHLY};
use testkit::tables::{self, Table};
use testkit::{Home, Project, Server, faults, job, program};

/// The stores, and which of them have sums of the marks of chunks.
const STORES: &[(&str, bool)] = &[
    ("store-1-first", false),
    ("store-1-complete", false),
    ("store-1-killed", false),
    ("store-1-forgetting", false),
    ("store-1-reference", false),
    ("store-1-in-step", true),
    ("store-1-accounts", true),
    ("store-1-sums", true),
];

fn fixture(name: &str, extension: &str) -> PathBuf {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    directory.join(format!("{name}.{extension}"))
}

/// All that a store says, a record or a part of one a line.
fn describe(view: &View<'_>) -> String {
    let mut text = String::new();
    let mut line = |line: String| writeln!(text, "{line}").expect("a text takes what is written");
    for table in view.tables().expect("tables") {
        line(format!(
            "table {}: {} to {} by {}",
            table.name,
            table.source,
            table.target,
            table.access_path.as_str(),
        ));
        for (part, value) in &table.fingerprint {
            line(format!("  {part}: {value}"));
        }
        for at in view.in_step(&table.name).expect("in step") {
            line(format!(
                "  in step at epoch {} of table {}, made {}",
                at.epoch, at.object_id, at.created
            ));
        }
        for note in &table.notes {
            line(format!("  note: {note}"));
        }
        for record in view.windows(&table.name).expect("windows") {
            let counts = view.counts(&table.name, record.window).expect("counts");
            line(format!(
                "  window {} to before {}: {}, error {:?}, updated {}",
                record.window.stored_start(),
                record.window.to_stored().1,
                record.state.as_str(),
                record.error,
                record.updated_at
            ));
            line(format!(
                "    counts: {} chunks, {} verified, {} failed, {} mismatched, {} stale, {} rows, {} bytes",
                counts.chunks,
                counts.verified,
                counts.failed,
                counts.mismatched,
                counts.stale,
                counts.rows,
                counts.bytes
            ));
            if let Some(found) = view
                .found_equal(&table.name, record.window)
                .expect("when it was equal")
            {
                line(format!("    found equal at {}", found.at));
            }
            for chunk in view.chunks(&table.name, record.window).expect("chunks") {
                line(of_chunk(&chunk));
                let timings = view.timings(&table.name, record.window).expect("the commits");
                for (_, timing) in timings.iter().filter(|(ordinal, _)| *ordinal == chunk.ordinal) {
                    line(format!(
                        "      committed at {} by load {:032x}: {:?}",
                        timing.committed_at, timing.load_id, timing.stages
                    ));
                }
                let pass = view
                    .passes()
                    .expect("the passes")
                    .last()
                    .map_or(0, |pass| pass.id);
                let checked = view.is_checked(&table.name, record.window, chunk.ordinal, pass, chunk.load_id);
                if checked.expect("whether it is checked") {
                    line("      checked".to_owned());
                }
            }
        }
    }
    for pass in view.passes().expect("the passes") {
        line(format!("reconcile: {pass:?}"));
    }
    for tombstone in view.tombstones().expect("tombstones") {
        line(format!(
            "tombstone: {}, targets {:?}, month {:?}",
            tombstone.table, tombstone.targets, tombstone.month
        ));
    }
    if let Some(waiting) = view.waiting().expect("what is waited for") {
        line(format!("waiting: {waiting:?}"));
    }
    if let Some(run) = view.last_run().expect("the last run") {
        line(format!(
            "last run: {:032x}, process {} on {}, from {} to before {}, started {}, ended {:?}, exit code {:?}, error {:?}",
            run.run_id,
            run.pid,
            run.host,
            run.range.start,
            run.range.end,
            run.started_at,
            run.ended_at.map(|at| at.to_string()),
            run.exit_code,
            run.error
        ));
        for account in view.accounts(run.run_id).expect("its accounts") {
            line(of_account(&account));
        }
    }
    // Earlier stores have no sums of their own.
    if view.stage_times("read").expect("the times").count > 0 {
        for (stage, _) in Stages::default().named() {
            let times = view.stage_times(stage).expect("the times");
            line(format!("all times of {stage}: {times:?}"));
        }
        for sum in view.account_sums().expect("the sums of accounts") {
            let found = view.mismatches(&sum.table).expect("the number");
            line(format!("in all, {found} mismatches,{}", of_account(&sum)));
        }
    }
    text
}

fn of_account(account: &Account) -> String {
    let waits: Vec<_> = account.waits.iter().filter(|(_, time)| !time.is_zero()).collect();
    format!(
        "  account of {:?}: {} queries, {} rows, {} and {} bytes in {:?}, longest {:?}, {} connections, {} at once, {:?}, \
         waits {waits:?}, {} read again, {} loaded",
        account.table,
        account.queries,
        account.rows,
        account.received_bytes,
        account.sent_bytes,
        account.reading,
        account.longest,
        account.connections_opened,
        account.connections_most,
        account.isolation,
        account.read_again,
        account.rows_loaded
    )
}

fn of_chunk(chunk: &Chunk) -> String {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let key = |key: &Option<mssql_sync::model::chunk::KeyBytes>| {
        key.as_ref().map_or_else(|| "-".to_owned(), |key| hex(&key.0))
    };
    format!(
        "    chunk {}: {:?}, after {}, through {}, {} rows, {} bytes, digest {}, attempts {}, load {:032x}, error {:?}",
        chunk.ordinal,
        chunk.state,
        key(&chunk.range.after),
        key(&chunk.range.through),
        chunk.tally.row_count,
        chunk.tally.byte_count,
        hex(&chunk.tally.digest.to_bytes()),
        chunk.attempts,
        chunk.load_id,
        chunk.error
    )
}

/// Asserts that the sums of marks are those of the verified chunks, or that there are none.
fn assert_marks(view: &View<'_>, there: bool, place: &str) {
    let mut windows = 0;
    for table in view.tables().expect("tables") {
        for record in view.windows(&table.name).expect("windows") {
            let chunks = view.chunks(&table.name, record.window).expect("chunks");
            let verified = chunks.iter().filter(|chunk| chunk.state == ChunkState::Verified);
            let sum: i64 = verified.map(mark).sum();
            let marks = view.marks(&table.name, record.window).expect("marks");
            let expected = if there { sum } else { 0 };
            assert_eq!(marks, expected, "{place}, {} {}", table.name, record.window);
            windows += u32::from(sum != 0);
        }
    }
    assert!(windows > 0, "{place}: no window has a mark");
}

#[test]
fn each_holds_what_it_held() {
    // Locks are given up here and taken again at once.
    let _quiet = program::none_starts();
    for (name, marked) in STORES {
        let directory = tempfile::tempdir().expect("a directory");
        let held = std::fs::read_to_string(fixture(name, "txt")).expect("what it held is written down");
        let held = held.replace("\r\n", "\n");
        let path = directory.path().join("checkpoints.redb");
        let copy = || std::fs::copy(fixture(name, "redb"), &path).expect("the fixture is copied");

        copy();
        let reader = Reader::open(&path).expect(name).expect(name);
        assert!(!reader.is_being_written(), "{name}");
        let view = reader.view().expect(name);
        similar(&describe(&view), &held, &format!("{name}, read"));
        assert_marks(&view, *marked, &format!("{name}, read"));
        drop(view);
        drop(reader);
        let bytes = |path: &Path| std::fs::read(path).expect("it is there");
        assert_eq!(
            bytes(&path) != bytes(&fixture(name, "redb")),
            *name == "store-1-killed",
            "{name}: what a kill left is repaired, and nothing else is written by a reader"
        );

        // A writer comes to a store that no reader has repaired.
        copy();
        let store = Store::create_or_open(&path).expect(name);
        similar(
            &describe(&store.view().expect(name)),
            &held,
            &format!("{name}, opened for writing"),
        );
        assert_marks(
            &store.view().expect(name),
            true,
            &format!("{name}, opened for writing"),
        );
        drop(store);

        let reader = Reader::open(&path).expect(name).expect(name);
        let view = reader.view().expect(name);
        similar(&describe(&view), &held, &format!("{name}, after a writer"));
        assert_marks(&view, true, &format!("{name}, after a writer"));
    }
}

/// Asserts that two texts are equal, line by line.
#[track_caller]
fn similar(left: &str, right: &str, place: &str) {
    for (number, (left, right)) in left.lines().zip(right.lines()).enumerate() {
        assert_eq!(left, right, "{place}: line {}", number + 1);
    }
    assert_eq!(
        left.lines().count(),
        right.lines().count(),
        "{place}: number of lines"
    );
}

/// Stores that are older than sums and times have metrics all the same, before and after a writer came.
#[tokio::test(flavor = "multi_thread")]
async fn each_has_metrics() {
    for (name, read, loaded, verified) in [
        ("store-1-complete", 0, 0, 240),
        ("store-1-in-step", 0, 0, 240),
        ("store-1-accounts", 340, 240, 240),
    ] {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("checkpoints.redb");
        std::fs::copy(fixture(name, "redb"), &path).expect("the fixture is copied");
        let text = async || {
            let text = render(&path, None, &SystemClock::shared()).await;
            text.unwrap_or_else(|error| panic!("{name}: {error}"))
        };
        let before = text().await;
        for line in [
            format!("sync_rows_read_total{{table=\"SALES\"}} {read}"),
            format!("sync_rows_loaded_total{{table=\"SALES\"}} {loaded}"),
            format!("sync_rows_verified{{table=\"SALES\"}} {verified}"),
            "sync_windows{table=\"SALES\",state=\"complete\"} 2".to_owned(),
            "sync_mismatches_total{table=\"SALES\"} 0".to_owned(),
            "sync_chunk_stage_duration_seconds_count{stage=\"load\"} 0".to_owned(),
        ] {
            assert!(before.contains(&line), "{name}: no {line} in\n{before}");
        }
        drop(Store::create_or_open(&path).expect(name));
        assert_eq!(text().await, before, "{name}");
    }
}

#[test]
fn each_is_told_by_status() {
    for (name, verified, rows, exit_code, forgetting) in [
        ("store-1-first", 20, 3_927, Some(0), false),
        ("store-1-complete", 16, 480, Some(0), false),
        ("store-1-killed", 10, 300, None, false),
        ("store-1-forgetting", 16, 480, Some(0), true),
        ("store-1-reference", 6, 10, Some(0), false),
        ("store-1-in-step", 16, 480, Some(0), false),
        ("store-1-accounts", 16, 480, Some(0), false),
        ("store-1-sums", 16, 480, Some(0), false),
    ] {
        let home = Home::empty();
        std::fs::copy(fixture(name, "redb"), home.path("store.redb")).expect("it is copied");
        let status = home
            .sync(&["status", "--json", "--state", "store.redb"])
            .expect(0)
            .json();
        assert_eq!(status["totals"]["verified"], verified, "{name}: {status}");
        assert_eq!(status["totals"]["rows"], rows, "{name}: {status}");
        assert_eq!(
            status["run"]["exit_code"],
            serde_json::json!(exit_code),
            "{name}: {status}"
        );
        assert_eq!(status["run"]["running"], false, "{name}: {status}");
        assert_eq!(status["run"]["host"], "vm", "{name}: {status}");
        assert_eq!(
            status["forgetting"] != serde_json::json!([]),
            forgetting,
            "{name}: {status}"
        );
    }
}

/// Where the tests below put what they make.
fn made(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.redb"))
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "makes stores to be kept, when the format gets a new version"]
async fn make_them() {
    let Some(server) = Server::start_emulator("make_them").await else {
        return;
    };
    job::fill(&server).await;
    let project = job::project(&server);
    let keep = |name: &str| std::fs::copy(project.state(), made(name)).expect("the store is copied");
    job::kill_at_chunk(&server, &project, u64::from(2 * job::MONTH_CHUNKS + 3)).await;
    keep("store-1-killed");
    job::run(&project).await.expect(0);
    keep("store-1-complete");
    faults::at("DELETE FROM [sync].[receipt]").drops(&server);
    let forget = ["forget", "--table", "SALES", "--month", "2025-10"];
    project.sync(&forget).await.expect(7);
    keep("store-1-forgetting");
}

/// A reference table, rows without a date, a month that was found equal on its last day of being compared, and a
/// `reconcile` that has found all the same.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "makes a store to be kept, when the format gets a new version"]
async fn make_one_of_each() {
    let Some(server) = Server::start_emulator("make_one_of_each").await else {
        return;
    };
    let items = ["(N'a', 1)", "(N'b', 2)", "(N'c', 3)", "(N'd', NULL)"];
    tables::items("PRICE money NULL")
        .rows(items)
        .at_source(&server)
        .await;
    let undated = ["(1, NULL)", "(2, NULL)", "(3, NULL)"];
    Table::new("T", "ID int NOT NULL, D date NULL")
        .rows(undated)
        .at_source(&server)
        .await;
    let mut client = server.connect(&server.source).await;
    let first = "DATEADD(month, -1, DATEADD(day, 1 - DAY(SYSDATETIME()), CAST(SYSDATETIME() AS date)))";
    client
        .run(&format!(
            "INSERT INTO dbo.T SELECT 4, {first}; INSERT INTO dbo.T SELECT 5, {first}; INSERT INTO dbo.T SELECT 6, DATEADD(day, 3, {first})"
        ))
        .await;
    let days = client.integer("SELECT DAY(SYSDATETIME()) - 1").await;
    let [from, to] = [
        first.to_owned(),
        format!("DATEADD(day, -1, DATEADD(month, 1, {first}))"),
    ]
    .map(|day| format!("SELECT CONVERT(nvarchar(10), {day}, 23)"));
    let (from, to) = (
        client.texts(&from).await.remove(0),
        client.texts(&to).await.remove(0),
    );
    let run = format!("chunk_rows = 2\nsettle_days = {days}");
    let project = Project::tuned(&server, &run, &[ITEM_FULL, T_MONTHLY].concat());
    project.run(&from, &to, &[]).await.expect(0);
    project.run(&from, &to, &[]).await.expect(0);
    project.sync(&["reconcile", "--source"]).await.expect(0);
    std::fs::copy(project.state(), made("store-1-reference")).expect("the store is copied");
}

/// The accounts of a run that was killed, and of one that has met an outage and a read that broke off.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "makes a store to be kept, when the format gets a new version"]
async fn make_one_with_accounts() {
    let Some(server) = Server::start_emulator("make_one_with_accounts").await else {
        return;
    };
    job::fill(&server).await;
    let project = job::project(&server);
    job::kill_at_chunk(&server, &project, 3).await;
    faults::at("FROM [dbo].[SALES] WHERE")
        .in_database(&server.source)
        .nth(2)
        .drops(&server);
    job::run(&project).await.expect(0);
    std::fs::copy(project.state(), made("store-1-accounts")).expect("the store is copied");
}

/// Commits with their times, a difference that was found, and sums of more runs than are kept one by one.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "makes a store to be kept, when the format gets a new version"]
async fn make_one_with_sums() {
    let Some(server) = Server::start_emulator("make_one_with_sums").await else {
        return;
    };
    job::fill(&server).await;
    let project = job::project(&server);
    job::kill_at_chunk(&server, &project, 3).await;
    job::run(&project).await.expect(0);
    server
        .at_target("UPDATE dbo.t_SALES SET AMOUNT = 0 WHERE ID = 31")
        .await;
    project.sync(&["reconcile", "--repair"]).await.expect(0);
    let _quiet = program::none_starts();
    let store = Store::create_or_open(&project.state()).expect("it is opened");
    let last = store.view().expect("it is read").last_run().expect("it is read");
    let mut run = last.expect("it is there");
    for number in 0..100 {
        run.run_id = number;
        run.started_at += chrono::TimeDelta::days(1);
        for ended_at in [None, Some(run.started_at)] {
            run.ended_at = ended_at;
            run.exit_code = ended_at.map(|_| 0);
            store.commit(&[Change::Run(run.clone())]).expect("it is written");
        }
    }
    drop(store);
    std::fs::copy(project.state(), made("store-1-sums")).expect("the store is copied");
}

#[test]
#[ignore = "writes down what a new fixture holds, to be looked through before it is kept"]
fn write_down_what_they_hold() {
    for (name, _) in STORES {
        if fixture(name, "txt").exists() {
            continue;
        }
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("checkpoints.redb");
        std::fs::copy(fixture(name, "redb"), &path).expect("the fixture is copied");
        let reader = Reader::open(&path).expect(name).expect(name);
        let text = describe(&reader.view().expect(name));
        std::fs::write(fixture(name, "txt"), text).expect("it is written");
    }
}
