//! State files as years of runs leave them, without the runs.

use std::path::Path;

use chrono::{DateTime, Days, Months, NaiveDate};
use mssql_sync::checkpoint::{Asked, Change, RunRecord, Store, TableRecord, WindowRecord, WindowState};
use mssql_sync::model::account::Account;
use mssql_sync::model::chunk::{Chunk, ChunkState, KeyRange};
use mssql_sync::model::plan::AccessPath;
use mssql_sync::model::row::Tally;
use mssql_sync::model::stages::{ChunkTiming, Stages};
use mssql_sync::model::window::{DateRange, Window};

/// How much is in a file.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    /// Tables, `TABLE_01` and so on.
    pub tables: u32,
    /// Months of each, from January 2015.
    pub months: u32,
    /// Chunks of each month.
    pub chunks: u32,
}

const FIRST: NaiveDate = NaiveDate::from_ymd_opt(2015, 1, 1).expect("a date");

/// The name of a table, counted from 1.
pub fn table(number: u32) -> String {
    format!("TABLE_{number:02}")
}

/// The window of a month, counted from 0.
pub fn window(month: u32) -> Window {
    let first = FIRST + Months::new(month);
    Window::new(first, first + Months::new(1)).expect("a month is a window")
}

/// Fills a store: all windows are complete, and one run has ended with 0.
pub fn fill(path: &Path, size: Size) {
    let store = Store::create_or_open(path).expect("a store");
    let commit = |changes: &[Change]| store.commit(changes).expect("it is written");
    for table in (1..=size.tables).map(table) {
        commit(&[Change::Table(record(&table))]);
        // One commit a window: a million durable ones would take an hour.
        for month in 0..size.months {
            commit(&complete(&table, window(month), size.chunks));
        }
    }
    let tables: Vec<String> = (1..=size.tables).map(table).collect();
    commit(&[
        Change::Run(RunRecord {
            run_id: 7,
            pid: 41,
            host: "vm".to_owned(),
            started_at: DateTime::UNIX_EPOCH,
            ended_at: Some(DateTime::UNIX_EPOCH + Days::new(1)),
            exit_code: Some(0),
            range: DateRange {
                start: FIRST,
                end: FIRST + Months::new(size.months),
            },
            error: None,
        }),
        Change::Asked(Asked {
            run_id: 7,
            tables: tables.clone(),
        }),
    ]);
    let accounts = (0..).zip(&tables).map(|(number, table)| Change::Account {
        run_id: 7,
        number,
        account: Account {
            rows: 1_000,
            rows_loaded: 1_000,
            ..Account::of(table)
        },
    });
    commit(&accounts.collect::<Vec<_>>());
}

/// A table that is read by its date.
pub fn record(table: &str) -> TableRecord {
    TableRecord {
        name: table.to_owned(),
        source: format!("dbo.{table}"),
        target: format!("dbo.t_{table}"),
        fingerprint: Vec::new(),
        access_path: AccessPath::Date,
        notes: Vec::new(),
    }
}

/// A verified chunk of 20,000 rows.
pub fn chunk(ordinal: u32) -> Chunk {
    Chunk {
        ordinal,
        range: KeyRange {
            after: None,
            through: None,
        },
        state: ChunkState::Verified,
        tally: Tally {
            row_count: 20_000,
            byte_count: 2_000_000,
            ..Tally::default()
        },
        attempts: 1,
        error: None,
        load_id: 1 + u128::from(ordinal),
    }
}

/// A window with all its chunks.
fn complete(table: &str, window: Window, chunks: u32) -> Vec<Change> {
    let mut changes = vec![Change::Window {
        table: table.to_owned(),
        record: WindowRecord {
            window,
            state: WindowState::Complete,
            error: None,
            updated_at: DateTime::UNIX_EPOCH,
        },
    }];
    for ordinal in 0..chunks {
        changes.push(Change::Chunk {
            table: table.to_owned(),
            window,
            chunk: chunk(ordinal),
        });
        changes.push(Change::Timing {
            table: table.to_owned(),
            window,
            ordinal,
            timing: ChunkTiming {
                load_id: chunk(ordinal).load_id,
                committed_at: DateTime::UNIX_EPOCH,
                stages: Stages::default(),
            },
        });
    }
    changes
}
