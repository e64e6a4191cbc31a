//! What a page is drawn from: one look at the state file, and what this process remembers of the looks before it.

use chrono::{DateTime, Utc};

use crate::checkpoint::Differing;
use crate::model::chunk::Chunk;
use crate::model::stages::ChunkTiming;
use crate::status::{Kept, Status};

/// What a page is of.
#[derive(Debug, Default)]
pub(crate) struct Subject {
    /// Both ends, source first; none if the configuration cannot be read.
    pub(crate) ends: Option<(String, String)>,
    /// The configuration file, as it was given.
    pub(crate) config: String,
    /// The state file.
    pub(crate) state: String,
}

/// One look.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) subject: Subject,
    pub(crate) status: Status,
    /// The last runs, the latest first.
    pub(crate) runs: Vec<Kept>,
    /// The rates of the last hour, as far as this process has served.
    pub(crate) rates: Vec<Rate>,
    /// Why the configuration could not be read: the state file is shown all the same.
    pub(crate) config_error: Option<String>,
}

/// The rows of a second, over the seconds before `at`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Rate {
    pub(crate) at: DateTime<Utc>,
    pub(crate) read_per_second: f64,
    pub(crate) loaded_per_second: f64,
}

/// A chunk of a window that is opened.
#[derive(Debug, Clone)]
pub(crate) struct ChunkLine {
    pub(crate) chunk: Chunk,
    /// The times of its last load that has any, which may be an earlier load than the chunk's.
    pub(crate) timing: Option<ChunkTiming>,
}

/// The differences that a pass left, one by one.
#[derive(Debug)]
pub(crate) struct PassDifferences {
    /// The identity of the pass.
    pub(crate) pass_id: u128,
    pub(crate) chunks: Vec<Differing>,
}
