//! The words in which the pace of the source is told: what reads wait for, what was decided, and by which signs.
//!
//! The governor decides, the store keeps, and the reports show; all three share these values, which have no row and no
//! secret in them.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// What reads of the source wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Cause {
    /// A ceiling of rows, bytes or queries a second.
    Pace,
    /// The source answers more slowly than it did, or shows signs of trouble.
    Latency,
    /// The replica is too far behind its primary.
    Lag,
    /// The hours in which the source may be read.
    Hours,
    /// A person has paused the run.
    Pause,
    /// A server is away.
    Outage,
}

impl Cause {
    /// All of them, in the order in which they are told.
    pub const ALL: [Cause; 6] = [
        Cause::Pace,
        Cause::Latency,
        Cause::Lag,
        Cause::Hours,
        Cause::Pause,
        Cause::Outage,
    ];

    /// Its name in logs, JSON and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Cause::Pace => "pace",
            Cause::Latency => "latency",
            Cause::Lag => "lag",
            Cause::Hours => "hours",
            Cause::Pause => "pause",
            Cause::Outage => "outage",
        }
    }
}

/// A wait of all reads that lasts longer than a moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// What is waited for.
    pub cause: Cause,
    /// Its start.
    pub since: DateTime<Utc>,
    /// Its end, or the time of the next look; `None` if only a person ends it.
    pub until: Option<DateTime<Utc>>,
    /// What it is about, in words and numbers: `the replica is 95 s behind, more than replica_lag_max_seconds = 60`.
    pub detail: String,
}

/// What the governor did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// The most rows of the next chunks.
    ChunkRows {
        /// Before.
        from: u64,
        /// From now on.
        to: u64,
    },
    /// The number of reads at once.
    Workers {
        /// Before.
        from: usize,
        /// From now on.
        to: usize,
    },
    /// The pause between two reads of a worker, in milliseconds.
    PauseMs {
        /// Before.
        from: u64,
        /// From now on.
        to: u64,
    },
    /// All reads wait.
    Held(Cause),
    /// They go on.
    Released(Cause),
    /// A query was cancelled at the server, because it took too long.
    Cancelled {
        /// Its most rows.
        rows: u64,
        /// The time that it had taken.
        took_ms: u64,
    },
    /// A person changed the settings of the run.
    Tuned,
}

/// A decision of the governor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// The time.
    pub at: DateTime<Utc>,
    /// The table that was read; empty outside of tables.
    pub table: String,
    /// What was done.
    pub action: Action,
    /// Why, in words and numbers: `20,000 rows took 4.1 s, more than query_ms_target = 2000`.
    pub why: String,
}

/// What a person asks of a run that is going. Absent settings stay as they are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tuning {
    /// The most windows of a table at once.
    pub max_workers: Option<usize>,
    /// The ceiling of rows a second; 0 for none.
    pub rows_per_second: Option<u64>,
    /// The most rows of a chunk.
    pub chunk_rows: Option<usize>,
    /// Whether the hours of the source are ignored.
    pub ignore_hours: Option<bool>,
}

/// The ceilings of the reads of a source, from its configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ceilings {
    /// Rows a second of all workers; `None` for any number.
    pub rows_per_second: Option<u64>,
    /// Bytes a second of all workers.
    pub bytes_per_second: Option<u64>,
    /// Queries a second of all workers.
    pub queries_per_second: Option<u64>,
    /// The time that a query for a chunk should take.
    pub query_target: Duration,
    /// How far the replica may be behind its primary; `None` for any time.
    pub lag_max: Option<Duration>,
}

/// The time that a query for a chunk should take, unless the configuration has another.
pub const QUERY_TARGET: Duration = Duration::from_secs(2);

impl Default for Ceilings {
    fn default() -> Self {
        Ceilings {
            rows_per_second: None,
            bytes_per_second: None,
            queries_per_second: None,
            query_target: QUERY_TARGET,
            lag_max: None,
        }
    }
}

/// What a server shows of its state. A sign that its login may not see, or that it does not have, is `None`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Signs {
    /// Requests that wait for a lock of one of this program's sessions.
    pub blocked_by_us: Option<u64>,
    /// The average wait for a page from disk since the look before, in milliseconds.
    pub page_read_ms: Option<f64>,
    /// The average wait for the log's disk since the look before, in milliseconds.
    pub log_write_ms: Option<f64>,
    /// Requests that waited for a worker thread or for memory since the look before.
    pub starved: Option<u64>,
    /// How far the replica is behind its primary.
    pub lag: Option<Duration>,
    /// The log that the replica has still to redo, in KiB.
    pub redo_queue_kib: Option<u64>,
    /// The log that its primary has still to send to it, in KiB.
    pub send_queue_kib: Option<u64>,
}

/// The state of the reads of a run that is going.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// The table that is read; empty outside of tables.
    pub table: String,
    /// Whether a person has paused the run.
    pub is_paused: bool,
    /// What all reads wait for.
    pub hold: Option<Hold>,
    /// Reads under way.
    pub reading: usize,
    /// Reads that may be under way at once, as decided.
    pub workers: usize,
    /// The same, as set.
    pub max_workers: usize,
    /// The most rows of the next chunk, as decided.
    pub chunk_rows: u64,
    /// The same, as set.
    pub chunk_rows_max: u64,
    /// The pause between two reads of a worker, in milliseconds.
    pub pause_ms: u64,
    /// The ceiling of rows a second.
    pub rows_per_second: Option<u64>,
    /// Rows read a second over the last minute.
    pub rows_read_per_second: f64,
    /// Connections to the source that are open.
    pub connections: usize,
    /// Whether the hours of the source are ignored.
    pub ignores_hours: bool,
    /// The signs that were last seen.
    pub signs: Option<Signs>,
}
