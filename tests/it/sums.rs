//! The sums that the state file keeps for counters: they only grow, whatever becomes of runs, windows and tables, and what
//! they are made of is counted once.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use mssql_sync::checkpoint::{Change, RunRecord, Store, Tombstone, View};
use mssql_sync::model::account::{Account, of_comparison};
use mssql_sync::model::chunk::{Chunk, ChunkState, KeyRange};
use mssql_sync::model::pace::Cause;
use mssql_sync::model::row::Tally;
use mssql_sync::model::stages::{ChunkTiming, StageTimes, Stages};
use mssql_sync::model::window::{DateRange, Window};

/// A store in a directory of its own.
struct Kept {
    store: Store,
    _directory: tempfile::TempDir,
}

impl Kept {
    fn new() -> Kept {
        let directory = tempfile::tempdir().expect("a directory");
        Kept {
            store: Store::create_or_open(&directory.path().join("checkpoints.redb")).expect("a store"),
            _directory: directory,
        }
    }

    fn commit(&self, changes: &[Change]) {
        self.store.commit(changes).expect("it is written");
    }

    fn see<T>(&self, of: impl Fn(&View<'_>) -> T) -> T {
        of(&self.store.view().expect("it is read"))
    }

    /// Rows read, rows loaded and seconds waited of each table.
    fn sums(&self) -> BTreeMap<String, (u64, u64, u64)> {
        let sums = self.see(|view| view.account_sums().expect("the sums"));
        let numbers = |sum: Account| {
            let waited: Duration =
                sum.waits.iter().map(|(_, time)| time).sum::<Duration>() + sum.waits.for_target();
            (sum.table, (sum.rows, sum.rows_loaded, waited.as_secs()))
        };
        sums.into_iter().map(numbers).collect()
    }

    fn timings(&self, window: Window) -> Vec<(u32, u128)> {
        let timings = self.see(|view| view.timings("SALES", window).expect("the timings"));
        let told = timings
            .into_iter()
            .map(|(ordinal, timing)| (ordinal, timing.load_id));
        told.collect()
    }

    fn reads(&self) -> StageTimes {
        self.see(|view| view.stage_times("read").expect("the times"))
    }
}

fn begin() -> DateTime<Utc> {
    DateTime::UNIX_EPOCH
}

fn month(number: u32) -> Window {
    let first = |number| chrono::NaiveDate::from_ymd_opt(2025, number, 1).expect("a day");
    Window::new(first(number), first(number + 1)).expect("a window")
}

fn run(run_id: u128, started_at: DateTime<Utc>, exit_code: Option<u8>) -> Change {
    let (start, end) = month(10).to_stored();
    Change::Run(RunRecord {
        run_id,
        pid: 1,
        host: "vm".to_owned(),
        started_at,
        ended_at: exit_code.map(|_| started_at),
        exit_code,
        range: DateRange { start, end },
        error: None,
    })
}

fn account(run_id: u128, number: u32, table: &str, rows: u64) -> Change {
    let mut account = Account {
        queries: rows,
        rows,
        rows_loaded: rows / 2,
        ..Account::of(table)
    };
    account.waits.add(Cause::Pace, Duration::from_secs(rows));
    Change::Account {
        run_id,
        number,
        account,
    }
}

fn chunk(window: Window, ordinal: u32, load_id: u128) -> [Change; 2] {
    let chunk = Chunk {
        ordinal,
        range: KeyRange {
            after: None,
            through: None,
        },
        state: ChunkState::Verified,
        tally: Tally::default(),
        attempts: 1,
        error: None,
        load_id,
    };
    let timing = ChunkTiming {
        load_id,
        committed_at: begin(),
        stages: Stages {
            read: Duration::from_millis(20),
            ..Stages::default()
        },
    };
    let table = "SALES".to_owned();
    [
        Change::Chunk {
            table: table.clone(),
            window,
            chunk,
        },
        Change::Timing {
            table,
            window,
            ordinal,
            timing,
        },
    ]
}

#[test]
fn they_grow_over_more_runs_than_are_kept_one_by_one() {
    let kept = Kept::new();
    let mut before = kept.sums();
    let (mut sales, mut none) = (0, 0);
    for number in 0..250_u32 {
        let (run_id, rows) = (u128::from(number) + 1, u64::from(number % 7) + 2);
        // Each third clock was set back by a year.
        let started_at = begin() + TimeDelta::days(i64::from(number) - 365 * i64::from(number % 3 == 2));
        let mut commits = vec![
            vec![run(run_id, started_at, None)],
            // While it goes, its account is written again and again.
            vec![account(run_id, 1, "SALES", rows / 2)],
            vec![account(run_id, 1, "SALES", rows)],
        ];
        sales += rows;
        // Each fourth is killed, and its last account is not written.
        if number % 4 != 3 {
            commits.push(vec![
                run(run_id, started_at, Some(0)),
                account(run_id, 0, "", 3),
                account(run_id, 1, "SALES", rows + 1),
            ]);
            (sales, none) = (sales + 1, none + 3);
        }
        for commit in commits {
            kept.commit(&commit);
            let after = kept.sums();
            for (table, sum) in &before {
                let now = after[table];
                assert!(
                    now.0 >= sum.0 && now.1 >= sum.1 && now.2 >= sum.2,
                    "run {number}, {table:?}: {sum:?}, then {now:?}"
                );
            }
            before = after;
        }
    }
    assert_eq!(before["SALES"].0, sales);
    assert_eq!(before["SALES"].2, sales);
    assert_eq!(before[""].0, none);
    let of = |run_id| kept.see(|view| view.accounts(run_id).expect("its accounts").len());
    assert_eq!((of(1), of(250)), (0, 2), "the last runs are kept one by one");
}

/// Two windows look at the account of their table, and commit in the other order.
#[test]
fn a_look_that_is_committed_late_takes_nothing_back() {
    let kept = Kept::new();
    kept.commit(&[run(1, begin(), None), account(1, 1, "SALES", 20)]);
    kept.commit(&[account(1, 1, "SALES", 10)]);
    assert_eq!(kept.sums()["SALES"], (20, 10, 20));
    kept.commit(&[account(1, 1, "SALES", 21)]);
    assert_eq!(kept.sums()["SALES"].0, 21);
    // Another table of the run has another number.
    kept.commit(&[account(1, 2, "PAYMENT", 5)]);
    assert_eq!(kept.sums()["PAYMENT"].0, 5);
}

#[test]
fn what_a_comparison_read_is_no_part_of_a_run_and_counts_once() {
    let kept = Kept::new();
    kept.commit(&[run(1, begin(), None), account(1, 1, "SALES", 20)]);
    kept.commit(&[account(of_comparison(1), 1, "SALES", 7)]);
    assert_eq!(kept.see(|view| view.accounts(1).expect("its accounts").len()), 1);
    assert_eq!(kept.sums()["SALES"].0, 27);
    for number in 2..5 {
        kept.commit(&[run(number, begin(), None)]);
        assert_eq!(kept.sums()["SALES"].0, 27, "run {number}");
    }
}

#[test]
fn a_commit_goes_with_its_chunk_and_its_time_stays_in_the_sum() {
    let kept = Kept::new();
    for changes in [
        chunk(month(10), 0, 1),
        chunk(month(10), 1, 2),
        chunk(month(11), 0, 3),
        chunk(month(1), 0, 4),
    ] {
        kept.commit(&changes);
    }
    assert_eq!(kept.timings(month(10)), [(0, 1), (1, 2)]);
    // Loaded again: the commit of before is replaced.
    kept.commit(&chunk(month(10), 1, 5));
    assert_eq!(kept.timings(month(10)), [(0, 1), (1, 5)]);
    kept.commit(&[Change::RemoveChunk {
        table: "SALES".to_owned(),
        window: month(10),
        ordinal: 1,
    }]);
    assert_eq!(kept.timings(month(10)), [(0, 1)]);
    let forget = |month| Tombstone {
        table: "SALES".to_owned(),
        targets: Vec::new(),
        month,
        database: None,
    };
    let january = forget(Some(month(1).to_stored().0));
    kept.commit(&[Change::Forget(january.clone()), Change::Forgotten(january)]);
    assert_eq!(kept.timings(month(1)), []);
    assert_eq!(kept.timings(month(11)), [(0, 3)], "of another month");
    // A window in the place of another.
    let replaced = Change::RemoveWindow {
        table: "SALES".to_owned(),
        window: month(11),
    };
    kept.commit(&[vec![replaced], chunk(month(11), 0, 6).to_vec()].concat());
    assert_eq!(kept.timings(month(11)), [(0, 6)]);
    kept.commit(&[Change::Forget(forget(None)), Change::Forgotten(forget(None))]);
    assert_eq!(
        (kept.timings(month(10)), kept.timings(month(11))),
        (vec![], vec![])
    );
    let reads = kept.reads();
    assert_eq!((reads.count, reads.sum), (6, Duration::from_millis(120)));
    assert_eq!(reads.within[..2], [0, 6], "within 10 and 25 ms");
}

#[test]
fn a_table_that_is_forgotten_keeps_its_sums() {
    let kept = Kept::new();
    let mismatched = Change::Mismatched {
        table: "SALES".to_owned(),
    };
    kept.commit(&[
        run(1, begin(), None),
        account(1, 1, "SALES", 20),
        mismatched.clone(),
    ]);
    kept.commit(&[mismatched.clone(), mismatched]);
    let all = Tombstone {
        table: "SALES".to_owned(),
        targets: Vec::new(),
        month: None,
        database: None,
    };
    kept.commit(&[Change::Forget(all.clone()), Change::Forgotten(all)]);
    assert_eq!(kept.sums()["SALES"].0, 20);
    let found = |table| kept.see(|view| view.mismatches(table).expect("the number"));
    assert_eq!((found("SALES"), found("SALE")), (3, 0));
}
