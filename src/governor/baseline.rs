//! What a read of a table takes when its server has nothing else to suffer from: what the first chunks showed.
//!
//! It follows slowly, so that a table whose older rows lie colder does not stay under suspicion for ever.

use std::time::Duration;

use crate::governor::size::LEAST_ROWS;

/// The reads that a table is judged by: the first may find nothing in the server's memory, and the second all.
const FIRST_READS: u32 = 5;

/// The reads before which nothing is judged.
const JUDGED_AFTER: u32 = 3;

/// How many times as long a read takes as it should before it is trouble: noise of disks and networks is well below it.
const TROUBLE_FACTOR: f64 = 3.0;

/// The part of the time of a query below which no read is trouble, however fast others were: a query so short is in
/// nobody's way.
const HARMLESS_DIVISOR: u32 = 4;

/// The part by which a slower read moves the time of a row: what lasts for hours is how the table is.
const SLOWER_DIVISOR: f64 = 512.0;

/// The part by which a faster read does: the server has come to rest.
const FASTER_DIVISOR: f64 = 8.0;

/// The times of a table.
#[derive(Debug, Clone, Default)]
pub(super) struct Baseline {
    reads: u32,
    /// The least time of a read, in seconds.
    overhead: Option<f64>,
    /// The time of a row, in seconds.
    per_row: Option<f64>,
}

impl Baseline {
    /// The time that a read of so many rows should take; `None` if too little is known.
    pub(super) fn expected(&self, rows: u64) -> Option<Duration> {
        if self.reads < JUDGED_AFTER {
            return None;
        }
        let seconds = self.overhead? + rows as f64 * self.per_row?;
        Duration::try_from_secs_f64(seconds).ok()
    }

    /// Whether a read took so long that something is wrong with its server.
    pub(super) fn is_trouble(&self, rows: u64, took: Duration, target: Duration) -> bool {
        self.expected(rows).is_some_and(|expected| {
            took > target / HARMLESS_DIVISOR && took.as_secs_f64() > expected.as_secs_f64() * TROUBLE_FACTOR
        })
    }

    /// Learns from a read.
    pub(super) fn learn(&mut self, rows: u64, took: Duration) {
        let took = took.as_secs_f64();
        let is_first = self.reads < FIRST_READS;
        if is_first {
            self.overhead = Some(self.overhead.map_or(took, |least| least.min(took)));
        }
        // Few rows tell what a query costs, and not what a row does.
        if rows < LEAST_ROWS {
            return;
        }
        self.reads = self.reads.saturating_add(1);
        let found = took / rows as f64;
        self.per_row = Some(match self.per_row {
            None => found,
            Some(known) if is_first => known.min(found),
            Some(known) if found > known => known + (found - known) / SLOWER_DIVISOR,
            Some(known) => known + (found - known) / FASTER_DIVISOR,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TARGET: Duration = Duration::from_secs(2);

    fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn learnt() -> Baseline {
        let mut baseline = Baseline::default();
        for (rows, took) in [(2_000, 250), (8_000, 850), (20_000, 2_050)] {
            baseline.learn(rows, millis(took));
        }
        baseline
    }

    #[test]
    fn a_read_is_judged_by_the_first_chunks() {
        // Rows, milliseconds, whether it is trouble. A row takes 0.1 ms, and a query a quarter of a second.
        let table = [
            (20_000, 2_000, false),
            (20_000, 6_500, false),
            (20_000, 7_000, true),
            (2_000, 1_300, false),
            (2_000, 1_400, true),
            // The end of a window.
            (1, 400, false),
            (1, 900, true),
            (0, 800, true),
        ];
        for (rows, took, trouble) in table {
            let found = learnt().is_trouble(rows, millis(took), TARGET);
            assert_eq!(found, trouble, "{rows} rows in {took} ms");
        }
    }

    #[test]
    fn nothing_is_trouble_before_the_first_chunks_or_below_a_quarter_of_the_time() {
        let mut baseline = Baseline::default();
        for _ in 0..3 {
            assert!(!baseline.is_trouble(2_000, millis(60_000), TARGET));
            baseline.learn(2_000, millis(1));
        }
        assert!(!baseline.is_trouble(2_000, millis(500), TARGET));
        assert!(baseline.is_trouble(2_000, millis(501), TARGET));
    }

    #[test]
    fn what_lasts_is_how_the_table_is() {
        let mut baseline = learnt();
        let mut reads = 0;
        while baseline.is_trouble(20_000, millis(20_000), TARGET) {
            baseline.learn(20_000, millis(20_000));
            reads += 1;
            assert!(reads < 1_000, "it never follows");
        }
        assert!(reads > 50, "it follows after {reads} reads");
    }
}
