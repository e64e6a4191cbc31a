//! The checkpoint store: what is written is read, one writes while others read, and damage is never taken for an
//! empty store.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::path::Path;

use mssql_sync::checkpoint::{Change, Counts, Reader, RunRecord, Store, WindowRecord, WindowState};
use mssql_sync::chunk::{Chunk, ChunkState, KeyBytes, KeyRange};
use mssql_sync::error::ErrorKind;
use mssql_sync::row::Tally;
use mssql_sync::window::{DateRange, Window};

fn window(month: u32) -> Window {
    let date = |month| chrono::NaiveDate::from_ymd_opt(2025, month, 1).unwrap();
    Window::new(date(month), date(month + 1)).unwrap()
}

fn chunk(ordinal: u32, state: ChunkState, row_count: u64) -> Chunk {
    Chunk {
        ordinal,
        range: KeyRange {
            after: ordinal.checked_sub(1).map(|n| KeyBytes(vec![n as u8; 9])),
            through: None,
        },
        state,
        tally: Tally {
            row_count,
            byte_count: row_count * 10,
            ..Tally::default()
        },
        attempts: 1,
        error: None,
        load_id: u128::from(ordinal) << 70,
    }
}

fn put(chunk: Chunk) -> Change {
    Change::Chunk {
        table: "SALES".to_owned(),
        window: window(10),
        chunk,
    }
}

fn run(pid: u32) -> RunRecord {
    let range = DateRange {
        start: window(10).start(),
        end: window(10).end(),
    };
    RunRecord {
        run_id: 7,
        pid,
        host: "vm".to_owned(),
        started_at: "2025-10-01T00:00:00Z".parse().unwrap(),
        ended_at: None,
        exit_code: None,
        range,
        error: None,
    }
}

fn filled(path: &Path) {
    let store = Store::create_or_open(path).unwrap();
    let mut changes: Vec<Change> = (0..200)
        .map(|n| put(chunk(n, ChunkState::Verified, 100)))
        .collect();
    changes.push(Change::Window {
        table: "SALES".to_owned(),
        record: WindowRecord {
            window: window(10),
            state: WindowState::Complete,
            error: None,
            updated_at: "2025-10-01T00:00:00Z".parse().unwrap(),
        },
    });
    changes.push(Change::Run(run(41)));
    store.commit(&changes).unwrap();
}

#[test]
fn what_is_written_is_read_and_counted() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("state").join("checkpoints.redb");
    assert!(Reader::open(&path).unwrap().is_none(), "nothing is nothing");
    let store = Store::create_or_open(&path).unwrap();
    store
        .commit(&[
            put(chunk(0, ChunkState::Verified, 10)),
            put(chunk(1, ChunkState::Verified, 20)),
            put(chunk(2, ChunkState::Mismatched, 30)),
        ])
        .unwrap();
    store
        .commit(&[
            put(chunk(1, ChunkState::Stale, 20)),
            put(chunk(2, ChunkState::Verified, 5)),
        ])
        .unwrap();
    let remove = Change::RemoveChunk {
        table: "SALES".to_owned(),
        window: window(10),
        ordinal: 0,
    };
    store.commit(std::slice::from_ref(&remove)).unwrap();
    store
        .commit(&[remove])
        .unwrap_or_else(|error| panic!("removing what is not there: {error}"));
    drop(store);
    let reader = Reader::open(&path).unwrap().unwrap();
    let view = reader.view().unwrap();
    assert_eq!(
        view.chunks("SALES", window(10)).unwrap(),
        [chunk(1, ChunkState::Stale, 20), chunk(2, ChunkState::Verified, 5)]
    );
    assert!(view.chunks("SALES", window(11)).unwrap().is_empty());
    assert!(view.chunks("SALE", window(10)).unwrap().is_empty());
}

#[test]
fn counts_follow_the_chunks() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("checkpoints.redb");
    let store = Store::create_or_open(&path).unwrap();
    store
        .commit(&[
            put(chunk(0, ChunkState::Verified, 10)),
            put(chunk(1, ChunkState::Failed, 20)),
            put(chunk(1, ChunkState::Verified, 21)),
        ])
        .unwrap();
    let counts = store.view().unwrap().counts("SALES", window(10)).unwrap();
    assert_eq!(
        counts,
        Counts {
            chunks: 2,
            verified: 2,
            rows: 31,
            bytes: 310,
            ..Counts::default()
        }
    );
}

#[test]
fn one_writes_while_others_read() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("checkpoints.redb");
    let store = Store::create_or_open(&path).unwrap();
    store.commit(&[Change::Run(run(4711))]).unwrap();
    let error = Store::create_or_open(&path).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Busy);
    assert!(
        error
            .to_string()
            .contains("process 4711 on vm, started 2025-10-01"),
        "{error}"
    );

    let reader = Reader::open(&path).unwrap().unwrap();
    assert!(reader.is_being_written());
    store.commit(&[put(chunk(0, ChunkState::Verified, 10))]).unwrap();
    assert_eq!(
        reader.view().unwrap().chunks("SALES", window(10)).unwrap().len(),
        1,
        "it follows the writer"
    );
    drop(store);
    assert!(!reader.is_being_written());
    Store::create_or_open(&path).unwrap();
}

#[test]
fn what_is_no_store_is_refused_and_left_as_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("checkpoints.redb");
    let foreign = directory.path().join("foreign.redb");
    drop(redb::Database::create(&foreign).unwrap());
    for (bytes, word) in [
        (Vec::new(), "empty"),
        (b"SQLite format 3\0 and so on".to_vec(), "damaged"),
        (vec![0; 100_000], "damaged"),
        (std::fs::read(&foreign).unwrap(), "no checkpoint store"),
    ] {
        std::fs::write(&path, &bytes).unwrap();
        for error in [
            Store::create_or_open(&path).unwrap_err(),
            Reader::open(&path).err().unwrap(),
        ] {
            assert_eq!(error.kind(), ErrorKind::State);
            assert!(error.to_string().contains(word), "{error}");
            assert!(error.to_string().contains("checkpoints.redb"), "{error}");
        }
    }
    let error = Store::create_or_open(directory.path()).unwrap_err();
    assert!(error.to_string().contains("is a directory"), "{error}");
}

#[test]
fn a_store_cut_off_anywhere_is_never_taken_for_an_emptier_one() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("checkpoints.redb");
    filled(&path);
    let whole = std::fs::read(&path).unwrap();
    for end in [
        1,
        100,
        4_095,
        4_096,
        whole.len() / 4,
        whole.len() / 2,
        whole.len() - 4_096,
    ] {
        std::fs::write(&path, &whole[..end]).unwrap();
        let error = Store::create_or_open(&path)
            .err()
            .unwrap_or_else(|| panic!("cut off at {end} of {}", whole.len()));
        assert_eq!(error.kind(), ErrorKind::State);
    }
}

#[test]
fn a_flipped_byte_is_found_or_does_not_matter() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("checkpoints.redb");
    filled(&path);
    let whole = std::fs::read(&path).unwrap();
    let sound = Store::create_or_open(&path)
        .unwrap()
        .chunks("SALES", window(10))
        .unwrap();
    assert_eq!(sound.len(), 200);
    let mut found = 0;
    // A prime step goes through all kinds of places: headers, branches, leaves, free pages.
    for position in (0..whole.len()).step_by(4_999) {
        let mut bytes = whole.clone();
        bytes[position] ^= 0x40;
        std::fs::write(&path, &bytes).unwrap();
        match Store::create_or_open(&path).and_then(|store| store.chunks("SALES", window(10))) {
            Ok(chunks) => assert_eq!(chunks, sound, "byte {position} changed what is read"),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::State, "byte {position}: {error}");
                found += 1;
            }
        }
    }
    assert!(found > 0, "no flip was found at all");
}
