//! Version 1 of every value, frozen: a change of a field here is a new version beside it, never an edit.

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use super::record;
use crate::chunk::{self, ChunkState, KeyBytes, KeyRange};
use crate::row::{Digest, Tally};
use crate::window::DateRange;

#[derive(Serialize, Deserialize)]
enum AccessPath {
    Date,
    DayWalk,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Table {
    name: String,
    source: String,
    target: String,
    fingerprint: Vec<(String, String)>,
    access_path: AccessPath,
    undated_rows: Option<u64>,
    notes: Vec<String>,
}

#[derive(Serialize, Deserialize)]
enum WindowState {
    Planned,
    Loading,
    Open,
    Complete,
    Failed,
    Mismatched,
}

/// A window's dates: the first day, and the day after the last.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(try_from = "(NaiveDate, NaiveDate)", into = "(NaiveDate, NaiveDate)")]
struct Dates(crate::window::Window);

impl TryFrom<(NaiveDate, NaiveDate)> for Dates {
    type Error = crate::error::Error;
    fn try_from((start, end): (NaiveDate, NaiveDate)) -> Result<Self, Self::Error> {
        crate::window::Window::new(start, end).map(Dates)
    }
}

impl From<Dates> for (NaiveDate, NaiveDate) {
    fn from(dates: Dates) -> Self {
        (dates.0.start(), dates.0.end())
    }
}

#[derive(Serialize, Deserialize)]
pub(super) struct Window {
    window: Dates,
    state: WindowState,
    error: Option<String>,
    updated_at: DateTime<Utc>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Counts {
    chunks: u64,
    verified: u64,
    failed: u64,
    mismatched: u64,
    stale: u64,
    rows: u64,
    bytes: u64,
}

#[derive(Serialize, Deserialize)]
enum State {
    Planned,
    Extracted,
    Loaded,
    Verified,
    Failed,
    Mismatched,
    Stale,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Chunk {
    ordinal: u32,
    after: Option<Vec<u8>>,
    through: Option<Vec<u8>>,
    state: State,
    row_count: u64,
    byte_count: u64,
    digest: [u8; 32],
    attempts: u32,
    error: Option<String>,
    load_id: u128,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Run {
    run_id: u128,
    pid: u32,
    host: String,
    started_at: DateTime<Utc>,
    ended_at: Option<DateTime<Utc>>,
    exit_code: Option<u8>,
    first: NaiveDate,
    end: NaiveDate,
    error: Option<String>,
}

/// The process that opened the store for writing last.
#[derive(Serialize, Deserialize)]
pub(super) struct Writer {
    pub(super) pid: u32,
}

/// Turns one enum into another of the same variants, both ways.
macro_rules! same_variants {
    ($ours:ty, $theirs:ty, $($variant:ident),+) => {
        impl From<$ours> for $theirs {
            fn from(value: $ours) -> Self {
                match value { $(<$ours>::$variant => Self::$variant),+ }
            }
        }
        impl From<$theirs> for $ours {
            fn from(value: $theirs) -> Self {
                match value { $(<$theirs>::$variant => Self::$variant),+ }
            }
        }
    };
}

same_variants!(AccessPath, record::AccessPath, Date, DayWalk);
same_variants!(
    WindowState,
    record::WindowState,
    Planned,
    Loading,
    Open,
    Complete,
    Failed,
    Mismatched
);
same_variants!(
    State, ChunkState, Planned, Extracted, Loaded, Verified, Failed, Mismatched, Stale
);

impl From<&record::TableRecord> for Table {
    fn from(record: &record::TableRecord) -> Self {
        let record = record.clone();
        Table {
            name: record.name,
            source: record.source,
            target: record.target,
            fingerprint: record.fingerprint,
            access_path: record.access_path.into(),
            undated_rows: record.undated_rows,
            notes: record.notes,
        }
    }
}

impl From<Table> for record::TableRecord {
    fn from(stored: Table) -> Self {
        record::TableRecord {
            name: stored.name,
            source: stored.source,
            target: stored.target,
            fingerprint: stored.fingerprint,
            access_path: stored.access_path.into(),
            undated_rows: stored.undated_rows,
            notes: stored.notes,
        }
    }
}

impl From<&record::WindowRecord> for Window {
    fn from(record: &record::WindowRecord) -> Self {
        Window {
            window: Dates(record.window),
            state: record.state.into(),
            error: record.error.clone(),
            updated_at: record.updated_at,
        }
    }
}

impl From<Window> for record::WindowRecord {
    fn from(stored: Window) -> Self {
        record::WindowRecord {
            window: stored.window.0,
            state: stored.state.into(),
            error: stored.error,
            updated_at: stored.updated_at,
        }
    }
}

impl From<&record::Counts> for Counts {
    fn from(counts: &record::Counts) -> Self {
        let record::Counts {
            chunks,
            verified,
            failed,
            mismatched,
            stale,
            rows,
            bytes,
        } = *counts;
        Counts {
            chunks,
            verified,
            failed,
            mismatched,
            stale,
            rows,
            bytes,
        }
    }
}

impl From<Counts> for record::Counts {
    fn from(stored: Counts) -> Self {
        let Counts {
            chunks,
            verified,
            failed,
            mismatched,
            stale,
            rows,
            bytes,
        } = stored;
        record::Counts {
            chunks,
            verified,
            failed,
            mismatched,
            stale,
            rows,
            bytes,
        }
    }
}

impl From<&chunk::Chunk> for Chunk {
    fn from(chunk: &chunk::Chunk) -> Self {
        let key = |key: &Option<KeyBytes>| key.clone().map(|key| key.0);
        Chunk {
            ordinal: chunk.ordinal,
            after: key(&chunk.range.after),
            through: key(&chunk.range.through),
            state: chunk.state.into(),
            row_count: chunk.tally.row_count,
            byte_count: chunk.tally.byte_count,
            digest: chunk.tally.digest.to_bytes(),
            attempts: chunk.attempts,
            error: chunk.error.clone(),
            load_id: chunk.load_id,
        }
    }
}

impl From<Chunk> for chunk::Chunk {
    fn from(stored: Chunk) -> Self {
        chunk::Chunk {
            ordinal: stored.ordinal,
            range: KeyRange {
                after: stored.after.map(KeyBytes),
                through: stored.through.map(KeyBytes),
            },
            state: stored.state.into(),
            tally: Tally {
                row_count: stored.row_count,
                byte_count: stored.byte_count,
                digest: Digest::from_bytes(&stored.digest),
            },
            attempts: stored.attempts,
            error: stored.error,
            load_id: stored.load_id,
        }
    }
}

impl From<&record::RunRecord> for Run {
    fn from(run: &record::RunRecord) -> Self {
        Run {
            run_id: run.run_id,
            pid: run.pid,
            host: run.host.clone(),
            started_at: run.started_at,
            ended_at: run.ended_at,
            exit_code: run.exit_code,
            first: run.range.start,
            end: run.range.end,
            error: run.error.clone(),
        }
    }
}

impl From<Run> for record::RunRecord {
    fn from(stored: Run) -> Self {
        record::RunRecord {
            run_id: stored.run_id,
            pid: stored.pid,
            host: stored.host,
            started_at: stored.started_at,
            ended_at: stored.ended_at,
            exit_code: stored.exit_code,
            range: DateRange {
                start: stored.first,
                end: stored.end,
            },
            error: stored.error,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Debug;
    use std::path::Path;

    use serde::de::DeserializeOwned;

    use super::*;
    use crate::checkpoint::codec;

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

    fn window() -> crate::window::Window {
        let day = |text: &str| text.parse().unwrap();
        crate::window::Window::new(day("2025-10-01"), day("2025-11-01")).unwrap()
    }

    fn noon() -> DateTime<Utc> {
        "2025-10-01T12:00:00.25Z".parse().unwrap()
    }

    // These are on disk: where one of the tests below fails, the change is a new version, not an edit here.

    #[test]
    fn frozen_table() {
        let record = record::TableRecord {
            name: "T".to_owned(),
            source: "dbo.T".to_owned(),
            target: "dbo.t_T".to_owned(),
            fingerprint: vec![("key".to_owned(), "ID".to_owned())],
            access_path: record::AccessPath::DayWalk,
            undated_rows: Some(2),
            notes: vec!["é".to_owned()],
        };
        frozen::<Table, _>(
            &record,
            concat!(
                "01010000000000000054050000000000000064626f2e54070000000000000064626f2e745f540100",
                "00000000000003000000000000006b65790200000000000000494401000000010200000000000000",
                "01000000000000000200000000000000c3a9",
                " 7c6ca30010bad753223ad54f8d2c372e3260b98cf354fdf8d1d0c90e5ad9efc5"
            ),
        );
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
                start: window().start(),
                end: window().end(),
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
    fn dates_that_are_no_window_are_damage() {
        let day = |text: &str| text.parse::<NaiveDate>().unwrap();
        for (start, end) in [("2025-10-02", "2025-10-01"), ("2025-10-01", "2025-12-01")] {
            let value = codec::encode(b"k", &(day(start), day(end))).unwrap();
            assert!(codec::decode::<Dates>(Path::new("store"), b"k", &value).is_err());
        }
        let value = codec::encode(b"k", &(day("2025-10-01"), day("2025-11-01"))).unwrap();
        assert!(codec::decode::<Dates>(Path::new("store"), b"k", &value).is_ok());
    }
}
