//! The checkpoint store: what is written is read, one writes while others read, and damage is never taken for an
//! empty store.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::io::{BufRead as _, BufReader, Lines, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use mssql_sync::base::clock::SystemClock;
use mssql_sync::base::error::{ErrorKind, Result};
use mssql_sync::checkpoint::{Change, Counts, Reader, RunRecord, Store, View, WindowRecord, WindowState};
use mssql_sync::model::chunk::{Chunk, ChunkState, KeyBytes, KeyRange};
use mssql_sync::model::row::Tally;
use mssql_sync::model::window::{DateRange, Window};
use testkit::program;

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
        start: window(10).to_stored().0,
        end: window(10).to_stored().1,
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
    let _quiet = program::none_starts();
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
    let _quiet = program::none_starts();
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
    let _quiet = program::none_starts();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("checkpoints.redb");
    let store = Store::create_or_open(&path).unwrap();
    let pid = std::process::id();
    let busy = || {
        let error = Store::create_or_open(&path).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Busy);
        error.to_string()
    };
    assert!(
        busy().contains(&format!("(process {pid})")),
        "before its run is recorded: {}",
        busy()
    );
    store.commit(&[Change::Run(run(pid + 1))]).unwrap();
    assert!(
        busy().contains(&format!("(process {pid})")),
        "a killed run is not taken for it: {}",
        busy()
    );
    let named = format!("(process {pid} on vm, started 2025-10-02 00:00:00 UTC)");
    let second = "2025-10-02T00:00:00Z".parse().unwrap();
    store
        .commit(&[Change::Run(RunRecord {
            started_at: second,
            ..run(pid)
        })])
        .unwrap();
    assert!(busy().contains(&named), "{}", busy());

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
    let _quiet = program::none_starts();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("checkpoints.redb");
    let foreign = directory.path().join("foreign.redb");
    drop(redb::Database::create(&foreign).unwrap());
    for (bytes, word) in [
        (Vec::new(), "empty"),
        (b"SQLite format 3\0 and so on".to_vec(), "damaged"),
        (vec![0; 100_000], "damaged"),
        (std::fs::read(&foreign).unwrap(), "no state file"),
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
        assert!(
            std::fs::read(&path).unwrap() == bytes,
            "{word}: it was written to"
        );
    }
    for error in [
        Store::create_or_open(directory.path()).unwrap_err(),
        Reader::open(directory.path()).err().unwrap(),
    ] {
        assert_eq!(error.kind(), ErrorKind::State);
        assert!(error.to_string().contains("is a directory"), "{error}");
    }
}

/// All that a store says, read as a writer or as a reader does.
fn read_all(view: &View<'_>) -> Result<String> {
    let mut all = format!("{:?} {:?}", view.tables()?, view.last_run()?);
    all.push_str(&format!("{:?} {:?}", view.tombstones()?, view.waiting()?));
    for record in view.windows("SALES")? {
        let counts = view.counts("SALES", record.window)?;
        let chunks = view.chunks("SALES", record.window)?;
        let marks = view.marks("SALES", record.window)?;
        all.push_str(&format!("{record:?} {counts:?} {marks} {chunks:?}"));
    }
    Ok(all)
}

/// Whether the damage in `bytes` is found. Where it is not, what is read must be what was written; where it is,
/// the file must be left as it is.
fn is_found(path: &Path, bytes: &[u8], sound: &str, place: usize) -> bool {
    std::fs::write(path, bytes).unwrap();
    let read = match Reader::open(path).and_then(|reader| read_all(&reader.unwrap().view()?)) {
        Ok(all) => {
            assert!(all == sound, "byte {place} changed what is read: {all}");
            false
        }
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::State, "byte {place}: {error}");
            assert!(error.to_string().contains("checkpoints.redb"), "{error}");
            assert!(error.to_string().contains("`sync rebuild`"), "{error}");
            assert!(
                std::fs::read(path).unwrap() == bytes,
                "byte {place}: it was read from, and written to"
            );
            true
        }
    };
    std::fs::write(path, bytes).unwrap();
    let written = match Store::create_or_open(path).and_then(|store| read_all(&store.view()?)) {
        Ok(all) => {
            assert!(
                all == sound,
                "byte {place} changed what is read by a writer: {all}"
            );
            false
        }
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::State, "byte {place}: {error}");
            assert!(
                std::fs::read(path).unwrap() == bytes,
                "byte {place}: it was opened, and written to"
            );
            true
        }
    };
    assert_eq!(read, written, "byte {place}: reader and writer do not agree");
    read
}

#[test]
fn a_store_cut_off_anywhere_is_found() {
    let _quiet = program::none_starts();
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
        assert!(
            is_found(&path, &whole[..end], "", end),
            "cut off at {end} of {}",
            whole.len()
        );
    }
}

#[test]
fn a_flipped_byte_is_found_or_does_not_matter() {
    let _quiet = program::none_starts();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("checkpoints.redb");
    filled(&path);
    let whole = std::fs::read(&path).unwrap();
    let sound = read_all(&Reader::open(&path).unwrap().unwrap().view().unwrap()).unwrap();
    // A prime step goes through all kinds of places; the headers have each byte of theirs flipped.
    let header = 0..320;
    let places: Vec<usize> = header.chain((320..whole.len()).step_by(1_499)).collect();
    let found = places
        .iter()
        .filter(|place| {
            let mut bytes = whole.clone();
            bytes[**place] ^= 0x40;
            is_found(&path, &bytes, &sound, **place)
        })
        .count();
    assert!(found > 30, "only {found} of {} flips were found", places.len());
}

#[test]
fn what_a_crash_left_of_a_creation_is_no_store() {
    let _quiet = program::none_starts();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("checkpoints.redb");
    let half = directory.path().join("checkpoints.redb.new");
    std::fs::write(&half, b"redb, or the half of it").unwrap();
    assert!(Reader::open(&path).unwrap().is_none());
    drop(Store::create_or_open(&path).unwrap());
    assert!(!half.exists());
    assert!(Reader::open(&path).unwrap().is_some());
}

#[test]
fn of_writers_that_come_at_once_one_is_let_in() {
    let _quiet = program::none_starts();
    for _ in 0..10 {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("checkpoints.redb");
        let opened: Vec<Result<Store>> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4)
                .map(|_| scope.spawn(|| Store::create_or_open(&path)))
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(opened.iter().filter(|store| store.is_ok()).count(), 1);
        for error in opened.into_iter().filter_map(Result::err) {
            assert_eq!(error.kind(), ErrorKind::Busy, "{}", error.chain());
        }
    }
}

#[test]
fn a_hundred_thousand_chunks_are_summed_up_at_once() {
    let _quiet = program::none_starts();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("checkpoints.redb");
    let store = Store::create_or_open(&path).unwrap();
    let changes: Vec<Change> = (0..100_000)
        .map(|n| put(chunk(n, ChunkState::Verified, 20_000)))
        .collect();
    store.commit(&changes).unwrap();
    let clock = SystemClock::shared();
    let reader = Reader::open(&path).unwrap().unwrap();
    let started = clock.monotonic();
    let counts = reader.view().unwrap().counts("SALES", window(10)).unwrap();
    let took = clock.monotonic() - started;
    assert_eq!((counts.verified, counts.rows), (100_000, 2_000_000_000));
    assert!(took.as_millis() < 100, "it took {took:?}");
}

/// The environment's name of the store that a second process of this test writes.
const STORE_OF_HELPER: &str = "SYNC_TEST_STATE_HELPER";

/// Another process that writes the store: it says a line when a chunk is durable, and ends when its input does.
struct Writer {
    process: Child,
    said: Lines<BufReader<ChildStdout>>,
}

impl Writer {
    fn start(path: &Path) -> Writer {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "--ignored", "--nocapture", "state::the_other_process"])
            .env(STORE_OF_HELPER, path)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let said = BufReader::new(process.stdout.take().unwrap()).lines();
        Writer { process, said }
    }

    /// Waits until chunks up to `ordinal` are durable.
    fn wait(&mut self, ordinal: u32) {
        let line = format!("chunk {ordinal}");
        let found = self.said.by_ref().any(|said| said.unwrap() == line);
        assert!(found, "the other process ended before {line}");
    }

    fn kill(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

#[test]
#[ignore = "is started by the tests below as another process"]
fn the_other_process() {
    let path = std::env::var_os(STORE_OF_HELPER).expect("a test starts it");
    let store = Store::create_or_open(Path::new(&path)).unwrap();
    store.commit(&[Change::Run(run(std::process::id()))]).unwrap();
    let first = store.chunks("SALES", window(10)).unwrap().len() as u32;
    // A line of input is worth a chunk, so that the test decides when there is nothing to do.
    for (ordinal, line) in (first..).zip(std::io::stdin().lines()) {
        line.unwrap();
        let state = ChunkState::Verified;
        store.commit(&[put(chunk(ordinal, state, 10))]).unwrap();
        println!("\nchunk {ordinal}");
    }
}

#[test]
fn another_process_writes() {
    let _quiet = program::none_starts();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("checkpoints.redb");
    let mut writer = Writer::start(&path);
    let mut input = writer.process.stdin.take().unwrap();
    input.write_all(b"\n\n").unwrap();
    writer.wait(1);

    let reader = Reader::open(&path).unwrap().unwrap();
    assert!(reader.is_being_written());
    let count = || {
        reader
            .view()
            .unwrap()
            .counts("SALES", window(10))
            .unwrap()
            .verified
    };
    assert_eq!(count(), 2);
    let error = Store::create_or_open(&path).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Busy);
    let named = format!(
        "(process {} on vm, started 2025-10-01 00:00:00 UTC)",
        writer.process.id()
    );
    assert!(error.to_string().contains(&named), "{error}");
    input.write_all(b"\n").unwrap();
    writer.wait(2);
    assert_eq!(count(), 3, "the reader follows");

    drop(input);
    assert!(writer.process.wait().unwrap().success());
    assert!(!reader.is_being_written());
    assert_eq!(
        Store::create_or_open(&path)
            .unwrap()
            .chunks("SALES", window(10))
            .unwrap()
            .len(),
        3
    );
}

#[test]
fn right_after_a_kill_all_that_was_durable_is_read() {
    let _quiet = program::none_starts();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("checkpoints.redb");
    let mut durable = 0;
    for chunks in [1, 7, 20] {
        let mut writer = Writer::start(&path);
        let mut input = writer.process.stdin.take().unwrap();
        // It has more to do than is waited for: it is killed in the middle of a commit.
        input.write_all(&[b'\n'; 300]).unwrap();
        durable += chunks;
        writer.wait(durable - 1);
        writer.kill();

        // Whoever comes first repairs, and none of them keeps the writer out.
        let (reads, store) = std::thread::scope(|scope| {
            let read = || -> Result<usize> {
                let reader = Reader::open(&path)?.expect("it is there");
                Ok(reader.view()?.chunks("SALES", window(10))?.len())
            };
            let readers: Vec<_> = (0..3).map(|_| scope.spawn(read)).collect();
            let store = scope.spawn(|| Store::create_or_open(&path));
            let reads: Vec<_> = readers.into_iter().map(|thread| thread.join().unwrap()).collect();
            (reads, store.join().unwrap())
        });
        let store = store.unwrap_or_else(|error| panic!("{}", error.chain()));
        let chunks = store.chunks("SALES", window(10)).unwrap();
        assert!(chunks.len() >= durable as usize, "{} of {durable}", chunks.len());
        for read in reads {
            let read = read.unwrap_or_else(|error| panic!("{}", error.chain()));
            assert_eq!(read, chunks.len());
        }
        let counts = store.view().unwrap().counts("SALES", window(10)).unwrap();
        assert_eq!(counts.chunks, chunks.len() as u64);
        durable = chunks.len() as u32;
    }
}

#[test]
fn a_reader_alone_repairs_after_a_kill() {
    let _quiet = program::none_starts();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("checkpoints.redb");
    let mut writer = Writer::start(&path);
    let mut input = writer.process.stdin.take().unwrap();
    input.write_all(b"\n\n\n").unwrap();
    writer.wait(2);
    writer.kill();
    let reader = Reader::open(&path).unwrap().unwrap();
    assert!(!reader.is_being_written());
    let view = reader.view().unwrap();
    assert_eq!(view.counts("SALES", window(10)).unwrap().verified, 3);
    assert_eq!(view.last_run().unwrap().unwrap().ended_at, None);
}

#[test]
fn who_may_only_read_reads_but_does_not_repair() {
    let _quiet = program::none_starts();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("checkpoints.redb");
    // Root may write everything: a directory in the place of the lock has the same effect as a missing right.
    std::fs::create_dir(directory.path().join("checkpoints.redb.opening")).unwrap();
    let opened = Store::create_or_open(&path);
    assert_eq!(opened.unwrap_err().kind(), ErrorKind::State);

    let elsewhere = directory.path().join("elsewhere.redb");
    filled(&elsewhere);
    std::fs::rename(&elsewhere, &path).unwrap();
    let chunks = |path: &Path| -> Result<usize> {
        let reader = Reader::open(path)?.expect("it is there");
        Ok(reader.view()?.chunks("SALES", window(10))?.len())
    };
    assert_eq!(chunks(&path).unwrap(), 200);

    // A copy of a store that is open is what a kill leaves.
    let store = Store::create_or_open(&elsewhere).unwrap();
    store.commit(&[put(chunk(0, ChunkState::Verified, 10))]).unwrap();
    std::fs::copy(&elsewhere, &path).unwrap();
    drop(store);
    let error = chunks(&path).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::State);
    assert!(error.to_string().contains("may write it"), "{error}");
    std::fs::remove_dir(directory.path().join("checkpoints.redb.opening")).unwrap();
    assert_eq!(chunks(&path).unwrap(), 1, "who may write repairs it");
}
