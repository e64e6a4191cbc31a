//! What version 1 looks like on disk.

use std::fmt::Debug;
use std::path::Path;

use serde::de::DeserializeOwned;

use super::*;
use crate::checkpoint::codec;
use crate::mssql::Database;

/// Holds `record` to its frozen value, under the key `k`, and reads it back from there.
fn frozen<S, T>(record: &T, frozen: &str)
where
    S: for<'a> From<&'a T> + Into<T> + Serialize + DeserializeOwned,
    T: PartialEq + Debug,
{
    let value = codec::encode(b"k", &S::from(record)).unwrap();
    let hex: String = value.iter().map(|byte| format!("{byte:02x}")).collect();
    let (body, check) = frozen.split_once(' ').unwrap();
    assert_eq!(hex, format!("{body}{check}"));
    let read: T = codec::decode::<S>(Path::new("store"), b"k", &value)
        .unwrap()
        .into();
    assert_eq!(&read, record);
}

fn window() -> crate::model::window::Window {
    let day = |text: &str| text.parse().unwrap();
    crate::model::window::Window::new(day("2025-10-01"), day("2025-11-01")).unwrap()
}

fn noon() -> DateTime<Utc> {
    "2025-10-01T12:00:00.25Z".parse().unwrap()
}

// These bytes are on disk: if one of the tests below fails, the change needs a new version, not an edit here.

#[test]
fn frozen_table() {
    let record = record::TableRecord {
        name: "T".to_owned(),
        source: "dbo.T".to_owned(),
        target: "dbo.t_T".to_owned(),
        fingerprint: vec![("key".to_owned(), "ID".to_owned())],
        access_path: crate::model::plan::AccessPath::DayWalk,
        notes: vec!["é".to_owned()],
    };
    frozen::<Table, _>(
        &record,
        concat!(
            "01010000000000000054050000000000000064626f2e54070000000000000064626f2e745f540100",
            "00000000000003000000000000006b65790200000000000000494401000000000100000000000000",
            "0200000000000000c3a9",
            " 83b5d3fd4b4d6d63cad73aca691fd172e7b759c925309d4ef361d33020636e7d"
        ),
    );
    // As it was written when rows without a date were counted and not loaded.
    let counted = concat!(
        "01010000000000000054050000000000000064626f2e54070000000000000064626f2e745f540100",
        "00000000000003000000000000006b65790200000000000000494401000000010200000000000000",
        "01000000000000000200000000000000c3a9",
        "7c6ca30010bad753223ad54f8d2c372e3260b98cf354fdf8d1d0c90e5ad9efc5"
    );
    let bytes: Vec<u8> = (0..counted.len() / 2)
        .map(|at| u8::from_str_radix(&counted[2 * at..2 * at + 2], 16).unwrap())
        .collect();
    let read: record::TableRecord = codec::decode::<Table>(Path::new("store"), b"k", &bytes)
        .unwrap()
        .into();
    assert_eq!(read, record);
}

#[test]
fn frozen_window() {
    let record = record::WindowRecord {
        window: window(),
        state: record::WindowState::Mismatched,
        error: Some("e".to_owned()),
        updated_at: noon(),
    };
    frozen::<Window, _>(
        &record,
        concat!(
            "010a00000000000000323032352d31302d30310a00000000000000323032352d31312d3031050000",
            "00010100000000000000651800000000000000323032352d31302d30315431323a30303a30302e32",
            "35305a",
            " 73988e13beb4ebac3c5091943a23ecd25aae69af3523e76d394efc0868c13e51"
        ),
    );
}

#[test]
fn frozen_chunk() {
    let record = chunk::Chunk {
        ordinal: 3,
        range: KeyRange {
            after: Some(KeyBytes(vec![1, 2])),
            through: None,
        },
        state: ChunkState::Stale,
        tally: Tally {
            row_count: 5,
            byte_count: 6,
            digest: Digest::from_bytes(&[7; 32]),
        },
        attempts: 8,
        error: None,
        load_id: 9,
    };
    frozen::<Chunk, _>(
        &record,
        concat!(
            "01030000000102000000000000000102000600000005000000000000000600000000000000070707",
            "07070707070707070707070707070707070707070707070707070707070800000000090000000000",
            "00000000000000000000",
            " 6fe25e11e73c872751f6dec20c4195da4682157c3a32e33a6528a83462cc0a1a"
        ),
    );
}

#[test]
fn frozen_run() {
    let record = record::RunRecord {
        run_id: 1,
        pid: 2,
        host: "vm".to_owned(),
        started_at: noon(),
        ended_at: None,
        exit_code: Some(4),
        range: DateRange {
            start: window().to_stored().0,
            end: window().to_stored().1,
        },
        error: None,
    };
    frozen::<Run, _>(
        &record,
        concat!(
            "0101000000000000000000000000000000020000000200000000000000766d180000000000000032",
            "3032352d31302d30315431323a30303a30302e3235305a0001040a00000000000000323032352d31",
            "302d30310a00000000000000323032352d31312d303100",
            " 76f3e2580dfb34253bd7652e3ba4f6cdd31c6479cc27006e41c9dfe53de613ce"
        ),
    );
}

#[test]
fn frozen_counts() {
    let counts = record::Counts {
        chunks: 1,
        verified: 2,
        failed: 3,
        mismatched: 4,
        stale: 5,
        rows: 6,
        bytes: 7,
    };
    frozen::<Counts, _>(
        &counts,
        concat!(
            "01010000000000000002000000000000000300000000000000040000000000000005000000000000",
            "0006000000000000000700000000000000",
            " 4d3532ff4006b31b73a944d36b638b86a33df9329258f927c349beda35502b83"
        ),
    );
}

#[test]
fn frozen_waiting() {
    let waiting = record::Waiting {
        since: noon(),
        next_try_at: noon(),
        error: "e".to_owned(),
    };
    frozen::<Waiting, _>(
        &waiting,
        concat!(
            "011800000000000000323032352d31302d30315431323a30303a30302e3235305a18000000000000",
            "00323032352d31302d30315431323a30303a30302e3235305a010000000000000065",
            " 824b6c37cde4095861d10961a68f075da9025800405f42043b622abf211287b9"
        ),
    );
}

#[test]
fn frozen_reached() {
    let reached = Reached {
        fingerprint: [0xab; 32],
    };
    let value = codec::encode(b"k", &reached).unwrap();
    let hex: String = value.iter().map(|byte| format!("{byte:02x}")).collect();
    assert!(hex.starts_with(&format!("01{}", "ab".repeat(32))), "{hex}");
}

/// As programs before wrote it.
#[test]
fn frozen_reached_addresses() {
    let reached = ReachedAddresses {
        source: "a:1".to_owned(),
        target: "b:2".to_owned(),
    };
    let value = codec::encode(b"k", &reached).unwrap();
    let hex: String = value.iter().map(|byte| format!("{byte:02x}")).collect();
    assert!(
        hex.starts_with("010300000000000000613a310300000000000000623a32"),
        "{hex}"
    );
}

#[test]
fn frozen_tombstone() {
    let tombstone = record::Tombstone {
        table: "T".to_owned(),
        targets: vec!["dbo.t_T".to_owned()],
        month: Some(window().stored_start()),
        database: None,
    };
    frozen::<Tombstone, _>(
        &tombstone,
        concat!(
            "010100000000000000540100000000000000070000000000000064626f2e745f54010a0000000000",
            "0000323032352d31302d3031",
            " 6595be35ab8ea51639d485fda1d54b2397aee36ad45bb3a72355994c042112c3"
        ),
    );
}

#[test]
fn frozen_forgetting_in() {
    let database = Database {
        server: "S".to_owned(),
        name: "D".to_owned(),
        identity: "i".to_owned(),
        created: "2024-02-03T04:05:06".parse().ok(),
    };
    frozen::<ForgettingIn, _>(
        &database,
        concat!(
            "01010000000000000053010000000000000044010000000000000069011300000000000000323032",
            "342d30322d30335430343a30353a3036",
            " a504f6c5680dc144da8e6bea12bd870859d885b2f546564f2b80e22f178ae684"
        ),
    );
}

#[test]
fn dates_that_are_no_window_are_damage() {
    let day = |text: &str| text.parse::<NaiveDate>().unwrap();
    for (start, end) in [("2025-10-02", "2025-10-01"), ("2025-10-01", "2025-12-01")] {
        let value = codec::encode(b"k", &(day(start), day(end))).unwrap();
        assert!(codec::decode::<Dates>(Path::new("store"), b"k", &value).is_err());
    }
    let value = codec::encode(b"k", &(day("2025-10-01"), day("2025-11-01"))).unwrap();
    assert!(codec::decode::<Dates>(Path::new("store"), b"k", &value).is_ok());
}

#[test]
fn frozen_scoped_pass() {
    let day = |text: &str| text.parse().unwrap();
    let pass = record::Pass {
        id: 1,
        source: true,
        scope: record::PassScope {
            tables: Some(vec!["T".to_owned()]),
            range: Some(DateRange {
                start: day("2025-10-01"),
                end: day("2025-11-01"),
            }),
        },
        started_at: noon(),
        ended_at: None,
        same: 2,
        differing: 3,
        repaired: 0,
        left_out: 4,
    };
    frozen::<ScopedPass, _>(
        &pass,
        concat!(
            "010100000000000000000000000000000001010100000000000000010000000000000054010a0000",
            "0000000000323032352d31302d30310a00000000000000323032352d31312d303118000000000000",
            "00323032352d31302d30315431323a30303a30302e3235305a000200000000000000030000000000",
            "00000400000000000000",
            " 81f7c56a50d43bd94b362e35252e88fc28754fcfa908e5386ee83ae6e62c1512"
        ),
    );
}

#[test]
fn frozen_asked() {
    let asked = record::Asked {
        run_id: 1,
        tables: vec!["T".to_owned()],
    };
    frozen::<Asked, _>(
        &asked,
        concat!(
            "01010000000000000000000000000000000100000000000000010000000000000054",
            " 427082a6e3c73324cf6be4bdc0f3b001bbcb28b73349858b7367ad894b4dc103"
        ),
    );
}

#[test]
fn frozen_refusal() {
    let refusal = record::Refusal {
        table: "T".to_owned(),
        at: noon(),
        error: "e".to_owned(),
        first: window().stored_start(),
        end: window().stored_start(),
    };
    frozen::<Refusal, _>(
        &refusal,
        concat!(
            "010100000000000000541800000000000000323032352d31302d30315431323a30303a30302e3235",
            "305a0100000000000000650a00000000000000323032352d31302d30310a00000000000000323032",
            "352d31302d3031",
            " e03040257690c1aae6f80a8644c53b60262184a93e06912d0ac9cf2b8d8bde20"
        ),
    );
}

#[test]
fn frozen_forgotten_month() {
    let forgotten = record::ForgottenMonth {
        table: "T".to_owned(),
        month: window().stored_start(),
    };
    frozen::<ForgottenMonth, _>(
        &forgotten,
        concat!(
            "010100000000000000540a00000000000000323032352d31302d3031",
            " c6c27097cc3e60aa94f1969432d8cb53062921534eaeb2006ce7b2c815912c4a"
        ),
    );
}

#[test]
fn frozen_differing() {
    let differing = record::Differing {
        table: "T".to_owned(),
        window: window(),
        ordinal: Some(3),
        load_id: 9,
    };
    frozen::<Differing, _>(
        &differing,
        concat!(
            "010100000000000000540a00000000000000323032352d31302d30310a0000000000000032303235",
            "2d31312d3031010300000009000000000000000000000000000000",
            " 058c97e979f78b20ba2b480da014c0627a7d7c8b6d13e0f5edcf40dbfe7c5795"
        ),
    );
}

/// State files tell by it which runs were asked to stop.
#[test]
fn frozen_stop() {
    let kept = "The run was asked to stop; run the same command again to resume";
    assert_eq!(crate::base::stop::STOPPED, kept);
}

/// It is kept beside the causes, so that an earlier program passes over it.
#[test]
fn the_wait_for_a_target_is_kept() {
    let mut account = crate::model::account::Account::of("T");
    account.waits.add_for_target(std::time::Duration::from_nanos(12));
    let kept = crate::model::account::Account::from(Account::from(&account));
    assert_eq!(kept, account);
}

#[test]
fn frozen_account() {
    use crate::model::account::{Account as Record, Isolation, LongestQuery};
    use crate::model::pace::Cause;
    use std::time::Duration;

    let mut record = Record {
        queries: 1,
        rows: 2,
        received_bytes: 3,
        sent_bytes: 4,
        reading: Duration::from_nanos(5),
        longest: Some(LongestQuery {
            statement: "SELECT T".to_owned(),
            table: "T".to_owned(),
            window: Some("2025-10".to_owned()),
            took: Duration::from_nanos(6),
        }),
        connections_opened: 7,
        connections_most: 8,
        isolation: [Isolation::Snapshot].into(),
        read_again: 9,
        rows_loaded: 10,
        ..Record::of("T")
    };
    record.waits.add(Cause::Lag, Duration::from_nanos(11));
    frozen::<Account, _>(
        &record,
        concat!(
            "01010000000000000054010000000000000002000000000000000300000000000000040000000000",
            "0000050000000000000001080000000000000053454c454354205401070000000000000032303235",
            "2d313006000000000000000700000000000000080000000000000001000000000000000800000000",
            "000000534e415053484f54010000000000000003000000000000006c61670b000000000000000900",
            "0000000000000a00000000000000",
            " 7afe095c6d5521c12fac1043ea925c73f1faa5da78479ecefb256f6c20cc8172"
        ),
    );
}

#[test]
fn frozen_mismatches() {
    let value = codec::encode(b"k", &Mismatches { count: 258 }).unwrap();
    let hex: String = value.iter().map(|byte| format!("{byte:02x}")).collect();
    assert!(hex.starts_with("010201000000000000"), "{hex}");
    let read: Mismatches = codec::decode(Path::new("store"), b"k", &value).unwrap();
    assert_eq!(read.count, 258);
}

#[test]
fn frozen_stages() {
    use crate::model::stages;
    use std::time::Duration;
    let stages = stages::Stages {
        read: Duration::from_micros(1),
        stage: Duration::from_micros(2),
        load: Duration::from_micros(3),
    };
    frozen::<ChunkTiming, _>(
        &stages::ChunkTiming {
            load_id: 4,
            committed_at: noon(),
            stages,
        },
        concat!(
            "01040000000000000000000000000000001800000000000000323032352d31302d30315431323a30",
            "303a30302e3235305a010000000000000002000000000000000300000000000000",
            " 020a72258408e298fb592c26c32e0fa373a399ba1f4c3e139c21e5f316e777e3"
        ),
    );
    let mut times = stages::StageTimes::default();
    times.add(Duration::from_millis(25));
    frozen::<StageTimes, _>(
        &times,
        concat!(
            "010100000000000000a8610000000000000c000000000000000a0000000000000000000000000000",
            "00190000000000000001000000000000003200000000000000010000000000000064000000000000",
            "000100000000000000fa000000000000000100000000000000f40100000000000001000000000000",
            "00e8030000000000000100000000000000c409000000000000010000000000000088130000000000",
            "00010000000000000010270000000000000100000000000000307500000000000001000000000000",
            "00c0d40100000000000100000000000000",
            " e8f67147208d06fd5286000d5260f0883716290b4331250e9eaab2d7c0708bb7"
        ),
    );
}

#[test]
fn frozen_hold() {
    use crate::model::pace;
    frozen::<Hold, _>(
        &pace::Hold {
            cause: pace::Cause::Hours,
            since: noon(),
            until: None,
            detail: "d".to_owned(),
        },
        concat!(
            "01030000001800000000000000323032352d31302d30315431323a30303a30302e3235305a000100",
            "00000000000064",
            " 4b4fb42bfb8c645457e763140a3bfea902a409ac47017f92f86c25e6b9bdf7aa"
        ),
    );
}

#[test]
fn frozen_decisions() {
    use crate::model::pace;
    use pace::Action;
    let first = pace::Decision {
        at: noon(),
        table: "T".to_owned(),
        action: Action::ChunkRows { from: 2, to: 1 },
        why: "w".to_owned(),
    };
    frozen::<Decision, _>(
        &first,
        concat!(
            "011800000000000000323032352d31302d30315431323a30303a30302e3235305a01000000000000",
            "00540000000002000000000000000100000000000000010000000000000077",
            " d775876b832b324860a39e332080ba5db4cdae305f348ddec3010795dddf276d"
        ),
    );
    // Of the others, the action alone differs.
    for (action, wanted) in [
        (
            Action::Workers { from: 2, to: 1 },
            "0100000002000000000000000100000000000000",
        ),
        (
            Action::PauseMs { from: 0, to: 250 },
            "020000000000000000000000fa00000000000000",
        ),
        (Action::Held(pace::Cause::Outage), "0300000005000000"),
        (Action::Released(pace::Cause::Pace), "0400000000000000"),
        (Action::Held(pace::Cause::Latency), "0300000001000000"),
        (Action::Held(pace::Cause::Lag), "0300000002000000"),
        (Action::Held(pace::Cause::Hours), "0300000003000000"),
        (Action::Held(pace::Cause::Pause), "0300000004000000"),
        (
            Action::Cancelled { rows: 3, took_ms: 4 },
            "0500000003000000000000000400000000000000",
        ),
        (Action::Tuned, "06000000"),
    ] {
        let decision = pace::Decision {
            action,
            ..first.clone()
        };
        let value = codec::encode(b"k", &Decision::from(&decision)).unwrap();
        let hex: String = value.iter().map(|byte| format!("{byte:02x}")).collect();
        let framed = format!("010000000000000054{wanted}010000000000000077");
        assert!(hex.contains(&framed), "{action:?}: {hex}");
        let read: pace::Decision = codec::decode::<Decision>(Path::new("store"), b"k", &value)
            .unwrap()
            .into();
        assert_eq!(read, decision);
    }
}
