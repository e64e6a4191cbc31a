//! The metrics of made-up state files.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, NaiveDate, Utc};

use super::render;
use crate::base::clock::{SharedClock, SystemClock};
use crate::base::error::ErrorKind;
use crate::checkpoint::{Change, RunRecord, Store, TableRecord, WindowRecord, WindowState};
use crate::model::account::Account;
use crate::model::chunk::{Chunk, ChunkState, KeyRange};
use crate::model::pace::{Cause, Hold};
use crate::model::plan::AccessPath;
use crate::model::row::Tally;
use crate::model::stages::{ChunkTiming, Stages};
use crate::model::window::{DateRange, Window};

/// A state file that goes with its directory.
struct State(tempfile::TempDir);

impl State {
    fn new() -> State {
        State(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("checkpoints.redb")
    }

    fn commit(&self, changes: &[Change]) {
        Store::create_or_open(&self.path())
            .unwrap()
            .commit(changes)
            .unwrap();
    }

    async fn metrics(&self) -> String {
        metrics(&self.path()).await
    }
}

async fn metrics(path: &Path) -> String {
    let clock: SharedClock = SystemClock::shared();
    render(path, None, &clock).await.unwrap()
}

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn october() -> Window {
    Window::new(day("2025-10-01"), day("2025-11-01")).unwrap()
}

fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

fn run(run_id: u128, started_at: &str, ended: Option<(&str, u8)>) -> Change {
    Change::Run(RunRecord {
        run_id,
        pid: std::process::id(),
        host: "vm".to_owned(),
        started_at: at(started_at),
        ended_at: ended.map(|(ended_at, _)| at(ended_at)),
        exit_code: ended.map(|(_, code)| code),
        range: DateRange {
            start: day("2025-10-01"),
            end: day("2025-11-01"),
        },
        error: None,
    })
}

fn table(name: &str) -> Change {
    Change::Table(TableRecord {
        name: name.to_owned(),
        source: format!("dbo.{name}"),
        target: format!("dbo.t_{name}"),
        fingerprint: Vec::new(),
        access_path: AccessPath::Date,
        notes: Vec::new(),
    })
}

fn window(table: &str, window: Window, state: WindowState) -> Change {
    Change::Window {
        table: table.to_owned(),
        record: WindowRecord {
            window,
            state,
            error: None,
            updated_at: at("2025-11-01T00:00:00Z"),
        },
    }
}

fn chunk(table: &str, ordinal: u32, state: ChunkState, row_count: u64) -> Change {
    Change::Chunk {
        table: table.to_owned(),
        window: october(),
        chunk: Chunk {
            ordinal,
            range: KeyRange {
                after: None,
                through: None,
            },
            state,
            tally: Tally {
                row_count,
                ..Tally::default()
            },
            attempts: 1,
            error: None,
            load_id: 1,
        },
    }
}

fn account(run_id: u128, number: u32, account: Account) -> Change {
    Change::Account {
        run_id,
        number,
        account,
    }
}

fn timing(read_ms: u64) -> Change {
    Change::Timing {
        table: "SALES".to_owned(),
        window: october(),
        ordinal: 0,
        timing: ChunkTiming {
            load_id: 1,
            committed_at: at("2025-11-01T00:00:00Z"),
            stages: Stages {
                read: Duration::from_millis(read_ms),
                ..Stages::default()
            },
        },
    }
}

#[track_caller]
fn assert_has(text: &str, lines: &[&str]) {
    for line in lines {
        assert!(text.lines().any(|found| found == *line), "no {line:?} in\n{text}");
    }
}

#[tokio::test]
async fn without_a_state_file_there_is_the_build() {
    let state = State::new();
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(
        state.metrics().await,
        format!(
            "# HELP sync_build_info The version of the program. Always 1.\n\
             # TYPE sync_build_info gauge\n\
             sync_build_info{{version=\"{version}\"}} 1\n\
             # HELP sync_state_present Whether there is a state file. Without one, no run has begun.\n\
             # TYPE sync_state_present gauge\n\
             sync_state_present 0\n"
        )
    );
}

#[tokio::test]
async fn a_damaged_state_file_is_an_error() {
    let state = State::new();
    std::fs::write(state.path(), [7; 4096]).unwrap();
    let clock: SharedClock = SystemClock::shared();
    let damaged = render(&state.path(), None, &clock).await.unwrap_err();
    assert_eq!(damaged.kind(), ErrorKind::State);
}

#[tokio::test]
async fn what_is_kept_of_a_table_is_told() {
    let state = State::new();
    let mut asked = Account {
        rows: 12,
        rows_loaded: 10,
        received_bytes: 5_000,
        ..Account::of("SALES")
    };
    asked.waits.add(Cause::Hours, Duration::from_millis(1_500));
    let logins = Account {
        received_bytes: 300,
        ..Account::default()
    };
    let november = Window::new(day("2025-11-01"), day("2025-12-01")).unwrap();
    let january = Window::new(day("2026-01-01"), day("2026-02-01")).unwrap();
    state.commit(&[
        table("SALES"),
        window("SALES", october(), WindowState::Complete),
        window("SALES", november, WindowState::Failed),
        window("SALES", january, WindowState::Mismatched),
        chunk("SALES", 0, ChunkState::Verified, 10),
        chunk("SALES", 1, ChunkState::Stale, 3),
        chunk("SALES", 2, ChunkState::Planned, 3),
        account(7, 0, logins),
        account(7, 1, asked),
        timing(20),
        timing(600_000),
        Change::Mismatched {
            table: "SALES".to_owned(),
        },
        run(7, "2025-11-01T00:00:00Z", Some(("2025-11-01T01:00:00Z", 4))),
    ]);
    let text = state.metrics().await;
    assert_has(
        &text,
        &[
            "sync_state_present 1",
            "sync_rows_read_total{table=\"SALES\"} 12",
            "sync_rows_loaded_total{table=\"SALES\"} 10",
            "sync_read_bytes_total{table=\"SALES\"} 5000",
            "sync_read_bytes_total{table=\"\"} 300",
            "sync_mismatches_total{table=\"SALES\"} 1",
            "sync_rows_verified{table=\"SALES\"} 10",
            "sync_dates_not_loaded{table=\"SALES\"} 31",
            // A stale chunk makes its window stale.
            "sync_windows{table=\"SALES\",state=\"complete\"} 0",
            "sync_windows{table=\"SALES\",state=\"stale\"} 1",
            "sync_windows{table=\"SALES\",state=\"failed\"} 1",
            "sync_windows{table=\"SALES\",state=\"mismatched\"} 1",
            "sync_windows{table=\"SALES\",state=\"not_loaded\"} 1",
            "sync_chunks{table=\"SALES\",state=\"verified\"} 1",
            "sync_chunks{table=\"SALES\",state=\"stale\"} 1",
            "sync_chunks{table=\"SALES\",state=\"planned\"} 1",
            "sync_chunks{table=\"SALES\",state=\"failed\"} 0",
            "sync_chunk_stage_duration_seconds_bucket{stage=\"read\",le=\"0.01\"} 0",
            "sync_chunk_stage_duration_seconds_bucket{stage=\"read\",le=\"0.025\"} 1",
            "sync_chunk_stage_duration_seconds_bucket{stage=\"read\",le=\"120\"} 1",
            "sync_chunk_stage_duration_seconds_bucket{stage=\"read\",le=\"+Inf\"} 2",
            "sync_chunk_stage_duration_seconds_sum{stage=\"read\"} 600.02",
            "sync_chunk_stage_duration_seconds_count{stage=\"read\"} 2",
            "sync_wait_seconds_total{cause=\"hours\"} 1.5",
            "sync_wait_seconds_total{cause=\"outage\"} 0",
            "sync_wait_seconds_total{cause=\"target_outage\"} 0",
            "sync_run_going 0",
            "sync_last_run_interrupted 0",
            "sync_last_run_exit_code 4",
            "sync_source_connections 0",
        ],
    );
    assert!(
        !text.contains("sync_last_success"),
        "no run has succeeded: {text}"
    );
    assert!(!text.contains("2025-10"), "no window is a label: {text}");
}

#[tokio::test]
async fn the_last_run_is_told_from_the_last_that_ended_and_the_last_that_succeeded() {
    let state = State::new();
    state.commit(&[
        run(1, "2025-11-01T00:00:00Z", Some(("2025-11-01T01:00:00.5Z", 0))),
        run(2, "2025-11-02T00:00:00Z", Some(("2025-11-02T01:00:00Z", 3))),
        run(3, "2025-11-03T00:00:00Z", None),
    ]);
    assert_has(
        &state.metrics().await,
        &[
            "sync_run_going 0",
            "sync_last_run_interrupted 1",
            "sync_last_run_exit_code 3",
            "sync_last_success_timestamp_seconds 1761958800.5",
        ],
    );
}

#[tokio::test]
async fn while_a_process_writes_its_run_is_going_and_its_wait_is_told() {
    let state = State::new();
    let store = Arc::new(Store::create_or_open(&state.path()).unwrap());
    let hold = Hold {
        cause: Cause::Lag,
        since: at("2025-11-03T00:00:00Z"),
        until: None,
        detail: "the replica is behind".to_owned(),
    };
    store
        .commit(&[
            table("SALES"),
            run(3, "2025-11-03T00:00:00Z", None),
            Change::Held(Some(hold)),
        ])
        .unwrap();
    assert_has(
        &state.metrics().await,
        &[
            "sync_run_going 1",
            "sync_last_run_interrupted 0",
            "sync_source_held{cause=\"lag\"} 1",
            "sync_source_held{cause=\"pause\"} 0",
        ],
    );
    drop(store);
    assert_has(
        &state.metrics().await,
        &["sync_run_going 0", "sync_source_held{cause=\"lag\"} 0"],
    );
}

#[tokio::test]
async fn a_name_of_a_table_stays_one_label() {
    let state = State::new();
    state.commit(&[table("a\"b\\c\nd")]);
    assert_has(
        &state.metrics().await,
        &[r#"sync_rows_loaded_total{table="a\"b\\c\nd"} 0"#],
    );
}

#[tokio::test]
async fn a_table_that_is_known_no_more_has_no_samples() {
    let state = State::new();
    let asked = Account {
        rows: 12,
        ..Account::of("GONE")
    };
    state.commit(&[account(7, 1, asked), table("SALES")]);
    let text = state.metrics().await;
    assert!(!text.contains("GONE"), "{text}");
}
