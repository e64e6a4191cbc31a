//! The times that the stages of chunks took, one by one and added up.

use std::time::Duration;

use chrono::{DateTime, Utc};

/// The time that the stages of a chunk took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stages {
    /// The read of the source.
    pub read: Duration,
    /// The bulk load into the session's own table, in the attempt that succeeded.
    pub stage: Duration,
    /// The transaction, with the read back and the waits for other loads of the table; of failed attempts also all else.
    pub load: Duration,
}

impl Stages {
    /// The stages with their names in logs, JSON and metrics.
    pub fn named(&self) -> [(&'static str, Duration); 3] {
        [("read", self.read), ("stage", self.stage), ("load", self.load)]
    }
}

/// A commit of a chunk: when it was, and what its stages took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChunkTiming {
    /// The load: of a chunk of another load, it tells nothing.
    pub load_id: u128,
    /// The time of the commit.
    pub committed_at: DateTime<Utc>,
    /// The stages.
    pub stages: Stages,
}

/// The upper bounds of the histograms of stages, in milliseconds. What takes longer is in none of their counts.
pub const BOUNDS_MS: [u64; 12] = [
    10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000, 120_000,
];

/// The times of one stage over all chunks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StageTimes {
    /// All chunks.
    pub count: u64,
    /// All their time.
    pub sum: Duration,
    /// For each of [`BOUNDS_MS`], the chunks that took no longer.
    pub within: [u64; BOUNDS_MS.len()],
}

impl StageTimes {
    /// Adds the time of a chunk.
    pub fn add(&mut self, time: Duration) {
        self.count += 1;
        self.sum = self.sum.saturating_add(time);
        for (bound, count) in BOUNDS_MS.into_iter().zip(&mut self.within) {
            *count += u64::from(time <= Duration::from_millis(bound));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_bound_counts_what_took_no_longer() {
        let mut times = StageTimes::default();
        for ms in [5, 10, 11, 600_000] {
            times.add(Duration::from_millis(ms));
        }
        assert_eq!((times.count, times.sum), (4, Duration::from_millis(600_026)));
        assert_eq!((times.within[0], times.within[1], times.within[11]), (2, 3, 3));
    }
}
