//! State files for the tests in a browser, which serve them as runs would have left them.

use std::path::{Path, PathBuf};

use chrono::{DateTime, NaiveDate, Utc};
use mssql_sync::checkpoint::{
    Asked, Change, ForgottenMonth, Refusal, RunRecord, Store, WindowRecord, WindowState,
};
use mssql_sync::model::chunk::{Chunk, ChunkState};
use mssql_sync::model::window::{DateRange, Window};
use testkit::filled::{self, Size};

/// The environment's name of the directory that they are made in.
const STORES: &str = "SYNC_STORES";

fn month(number: u32) -> (NaiveDate, NaiveDate) {
    let first = NaiveDate::from_ymd_opt(2024, number, 1).expect("a month of 2024");
    (first, first + chrono::Months::new(1))
}

fn window(number: u32) -> Window {
    let (first, end) = month(number);
    Window::new(first, end).expect("a month")
}

fn at() -> DateTime<Utc> {
    "2024-12-15T03:00:00Z".parse().expect("a time")
}

/// A window of three chunks, of which the last is in this state.
fn put(
    table: &str,
    window: Window,
    state: WindowState,
    last: ChunkState,
    error: Option<&str>,
) -> Vec<Change> {
    let error = error.map(str::to_owned);
    let mut changes = vec![Change::Window {
        table: table.to_owned(),
        record: WindowRecord {
            window,
            state,
            error: error.clone(),
            updated_at: at(),
        },
    }];
    for ordinal in 0..3 {
        let is_last = ordinal == 2;
        changes.push(Change::Chunk {
            table: table.to_owned(),
            window,
            chunk: match is_last {
                true => Chunk {
                    state: last,
                    attempts: 5,
                    error: error.clone(),
                    ..filled::chunk(ordinal)
                },
                false => filled::chunk(ordinal),
            },
        });
    }
    changes
}

fn table(name: &str) -> Change {
    Change::Table(filled::record(name))
}

fn run() -> RunRecord {
    RunRecord {
        run_id: 9,
        pid: 4711,
        host: "vm".to_owned(),
        started_at: at() - chrono::TimeDelta::hours(3),
        ended_at: Some(at()),
        exit_code: Some(3),
        range: DateRange {
            start: month(1).0,
            end: month(12).1,
        },
        error: None,
    }
}

/// A year in which each state of a window occurs.
fn stories(path: &Path) {
    use WindowState::{Complete, Failed, Mismatched, Open, Planned};
    let store = Store::create_or_open(path).expect("a store");
    let verified = ChunkState::Verified;
    let full = "Table SALES, window 2024-03, chunk 2: The target answered error 1105, state 2: no room in a filegroup";
    let differs =
        "Table SALES, window 2024-05, chunk 2: 20,000 rows were sent and 19,999 rows were read back";
    let mut changes = vec![table("SALES"), table("PAYMENT"), table("<b>\"ODD\" & Co")];
    for number in (1..=11).filter(|number| ![3, 5, 6, 8].contains(number)) {
        changes.extend(put("SALES", window(number), Complete, verified, None));
    }
    changes.extend(put("SALES", window(3), Failed, ChunkState::Failed, Some(full)));
    changes.extend(put(
        "SALES",
        window(5),
        Mismatched,
        ChunkState::Mismatched,
        Some(differs),
    ));
    changes.extend(put("SALES", window(6), Complete, ChunkState::Stale, None));
    changes.extend(put("SALES", window(8), Planned, ChunkState::Planned, None));
    changes.extend(put("SALES", window(12), Open, verified, None));
    for number in (1..=12).filter(|number| *number != 4) {
        changes.extend(put("PAYMENT", window(number), Complete, verified, None));
    }
    for number in 1..=12 {
        changes.extend(put("<b>\"ODD\" & Co", window(number), Complete, verified, None));
    }
    changes.push(Change::ForgottenMonth(ForgottenMonth {
        table: "PAYMENT".to_owned(),
        month: month(4).0,
    }));
    changes.push(Change::Run(run()));
    changes.push(Change::Asked(Asked {
        run_id: 9,
        tables: ["SALES", "PAYMENT", "<b>\"ODD\" & Co"]
            .map(str::to_owned)
            .to_vec(),
    }));
    changes.push(Change::Refused(Refusal {
        table: "PAYMENT".to_owned(),
        at: at(),
        error: "Table PAYMENT: Target column dbo.t_PAYMENT.NOTE is narrower than the source's".to_owned(),
        first: month(1).0,
        end: month(12).1,
    }));
    store.commit(&changes).expect("it is written");
}

/// A directory of this name with a state file at its place; no configuration.
fn place(name: &str) -> PathBuf {
    let stores = std::env::var_os(STORES).expect("a directory is named");
    let state = Path::new(&stores).join(name).join("state");
    std::fs::create_dir_all(&state).expect("a directory");
    state.join("checkpoints.redb")
}

#[test]
#[ignore = "makes what the tests in a browser serve"]
fn stores() {
    stories(&place("stories"));
    let size = Size {
        tables: 20,
        months: 120,
        chunks: 417,
    };
    filled::fill(&place("many"), size);
}
