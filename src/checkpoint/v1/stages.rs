//! Version 1 of the times of chunks' stages. It is frozen, as all of this folder.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::model::stages;

/// A commit of a chunk.
#[derive(Serialize, Deserialize)]
pub(in crate::checkpoint) struct ChunkTiming {
    load_id: u128,
    committed_at: DateTime<Utc>,
    read_us: u64,
    stage_us: u64,
    load_us: u64,
}

/// The times of one stage over all chunks.
#[derive(Serialize, Deserialize)]
pub(in crate::checkpoint) struct StageTimes {
    count: u64,
    sum_us: u64,
    /// The counts by the bounds in milliseconds that they were counted by. Those of other bounds are passed over.
    within: Vec<(u64, u64)>,
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

impl From<&stages::ChunkTiming> for ChunkTiming {
    fn from(timing: &stages::ChunkTiming) -> Self {
        ChunkTiming {
            load_id: timing.load_id,
            committed_at: timing.committed_at,
            read_us: micros(timing.stages.read),
            stage_us: micros(timing.stages.stage),
            load_us: micros(timing.stages.load),
        }
    }
}

impl From<ChunkTiming> for stages::ChunkTiming {
    fn from(stored: ChunkTiming) -> Self {
        stages::ChunkTiming {
            load_id: stored.load_id,
            committed_at: stored.committed_at,
            stages: stages::Stages {
                read: Duration::from_micros(stored.read_us),
                stage: Duration::from_micros(stored.stage_us),
                load: Duration::from_micros(stored.load_us),
            },
        }
    }
}

impl From<&stages::StageTimes> for StageTimes {
    fn from(times: &stages::StageTimes) -> Self {
        StageTimes {
            count: times.count,
            sum_us: micros(times.sum),
            within: stages::BOUNDS_MS.into_iter().zip(times.within).collect(),
        }
    }
}

impl From<StageTimes> for stages::StageTimes {
    fn from(stored: StageTimes) -> Self {
        let of = |bound| stored.within.iter().find(|(stored, _)| *stored == bound);
        stages::StageTimes {
            count: stored.count,
            sum: Duration::from_micros(stored.sum_us),
            within: stages::BOUNDS_MS.map(|bound| of(bound).map_or(0, |(_, count)| *count)),
        }
    }
}
