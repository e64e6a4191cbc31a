//! How many rows the next chunk of a table may have, so that its query takes as long as it should.
//!
//! It begins small, because nobody knows what a row of this table costs its server, and follows the reads. It never
//! leaves its bounds, whatever times it is told.

use std::time::Duration;

/// The rows of a table's first chunk: few enough for any server, and enough to tell what a row costs.
pub(super) const FIRST_ROWS: u64 = 2_000;

/// The fewest rows of a chunk: below that, a query costs its server more than its rows do.
pub const LEAST_ROWS: u64 = 100;

/// The most that a chunk grows by in one step. A read tells little of one that is many times as large: it may be the
/// first that does not fit the server's memory. So 2,000 rows become the usual 20,000 after two chunks.
const GROWTH_MAX: f64 = 4.0;

/// The part of its rows by which a chunk is asked for again, if the server sent none of them in time.
const CANCELLED_DIVISOR: u64 = 4;

/// The rows of a table's chunks.
#[derive(Debug, Clone)]
pub(super) struct Size {
    rows: u64,
    max: u64,
    /// The number that was last told, so that millions of chunks do not tell a decision each.
    told: u64,
    /// Whether a read has told of the table's rows.
    is_known: bool,
}

/// A read of a chunk.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sized {
    /// Rows that were read.
    pub(super) rows: u64,
    /// The time that it took.
    pub(super) took: Duration,
    /// Whether there were more rows. The time of a read that was not full may have been spent on looking for rows, so that
    /// it says nothing of a larger one.
    pub(super) full: bool,
}

impl Size {
    /// That of a table's first chunk.
    pub(super) fn new(max: u64) -> Self {
        let max = max.max(1);
        let rows = FIRST_ROWS.min(max);
        Size {
            rows,
            max,
            told: rows,
            is_known: false,
        }
    }

    /// Whether a read has told how large a chunk may be.
    pub(super) fn is_known(&self) -> bool {
        self.is_known
    }

    /// The most rows of the next chunk.
    pub(super) fn rows(&self) -> u64 {
        self.rows
    }

    /// The most that it may become.
    pub(super) fn max(&self) -> u64 {
        self.max
    }

    /// The least that it may become.
    pub(super) fn least(&self) -> u64 {
        LEAST_ROWS.min(self.max)
    }

    /// Changes the most that it may become.
    pub(super) fn set_max(&mut self, max: u64) {
        let was_whole = self.rows == self.max;
        self.max = max.max(1);
        // A table that reads whole chunks has shown its speed, and the next read tells if a larger one is too slow.
        let rows = if was_whole {
            self.rows.saturating_mul(GROWTH_MAX as u64)
        } else {
            self.rows
        };
        self.rows = rows.clamp(self.least(), self.max);
        self.told = self.rows;
    }

    /// Takes the bound of a table that needs larger chunks than are set.
    pub(super) fn fit(&mut self, max: u64) {
        self.max = self.max.max(max);
        self.rows = self.rows.max(self.least());
    }

    /// Follows a read. Returns the number before and now, if it is one to tell.
    pub(super) fn follow(&mut self, read: Sized, target: Duration) -> Option<(u64, u64)> {
        if read.rows == 0 {
            return None;
        }
        let share = target.as_secs_f64() / read.took.as_secs_f64().max(f64::MIN_POSITIVE);
        let capped = share > GROWTH_MAX;
        let wanted = (read.rows as f64 * share.min(GROWTH_MAX)) as u64;
        let follows = match wanted >= self.rows {
            true => read.full,
            // A small read that was fast says nothing against a larger one.
            false if read.full => !capped,
            // What few rows took, the server spent on looking for more, and fewer rows would not help.
            false => share < 1.0 && read.rows.saturating_mul(2) >= self.rows,
        };
        if follows {
            self.is_known = true;
            self.rows = wanted.clamp(self.least(), self.max);
        }
        self.news()
    }

    /// Makes the next chunks smaller after one of whose `rows` none came in time. Returns what [`Size::follow`] does.
    pub(super) fn cancelled(&mut self, rows: u64) -> Option<(u64, u64)> {
        let smaller = rows / CANCELLED_DIVISOR;
        self.rows = self.rows.min(smaller.max(self.least()));
        self.is_known = true;
        self.news()
    }

    /// The change since the last one that was told, if it is one by a factor of two or to a bound.
    fn news(&mut self) -> Option<(u64, u64)> {
        let (from, to) = (self.told, self.rows);
        let is_news = to >= from.saturating_mul(2) || from >= to.saturating_mul(2);
        let is_bound = to != from && (to == self.max || to == self.least());
        if !(is_news || (is_bound && to.abs_diff(from) * 4 > from)) {
            return None;
        }
        self.told = to;
        Some((from, to))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TARGET: Duration = Duration::from_secs(2);

    #[test]
    fn a_chunk_follows_the_time_of_the_reads_before_it() {
        // Rows before, rows of the read, its milliseconds, whether it was full; rows after.
        let table = [
            (2_000, 2_000, 10, true, 8_000),
            (8_000, 8_000, 40, true, 20_000),
            // It was asked for before the other worker's read told better.
            (20_000, 2_000, 10, true, 20_000),
            (20_000, 20_000, 2_000, true, 20_000),
            (20_000, 20_000, 8_000, true, 5_000),
            (5_000, 5_000, 4_000, true, 2_500),
            (2_500, 2_500, 1_000, true, 5_000),
            // The end of a window.
            (5_000, 10, 1, false, 5_000),
            (5_000, 10, 1_900, false, 5_000),
            (5_000, 4_000, 4_000, false, 2_000),
            (5_000, 10, 60_000, false, 5_000),
            (5_000, 0, 9_000, false, 5_000),
            // Not below the least.
            (5_000, 5_000, 2_000_000, true, 100),
            (100, 100, 9_000, true, 100),
            (100, 100, 0, true, 400),
        ];
        for (before, rows, millis, full, after) in table {
            let mut size = Size::new(20_000);
            size.rows = before;
            let took = Duration::from_millis(millis);
            size.follow(Sized { rows, took, full }, TARGET);
            assert_eq!(size.rows(), after, "{before}: {rows} rows in {millis} ms");
        }
    }

    #[test]
    fn a_fast_source_has_whole_chunks_after_two_reads() {
        let mut size = Size::new(20_000);
        let mut rows = Vec::new();
        for _ in 0..4 {
            rows.push(size.rows());
            let read = Sized {
                rows: size.rows(),
                took: Duration::from_millis(100),
                full: true,
            };
            size.follow(read, TARGET);
        }
        assert_eq!(rows, [2_000, 8_000, 20_000, 20_000]);
    }

    #[test]
    fn small_chunks_stay_as_they_are_set() {
        let mut size = Size::new(30);
        for millis in [0, 5_000, 60_000] {
            let took = Duration::from_millis(millis);
            assert_eq!(
                size.follow(
                    Sized {
                        rows: 30,
                        took,
                        full: true
                    },
                    TARGET
                ),
                None
            );
            assert_eq!(size.rows(), 30);
        }
        assert_eq!(size.cancelled(30), None);
        assert_eq!(size.rows(), 30);
    }

    #[test]
    fn small_changes_are_not_told() {
        let mut size = Size::new(1_000_000);
        let mut told = 0;
        for millis in (1_500..2_500).chain((1_500..2_500).rev()) {
            let read = Sized {
                rows: size.rows(),
                took: Duration::from_millis(2_000 + millis % 7 * 20 - 60),
                full: true,
            };
            told += usize::from(size.follow(read, TARGET).is_some());
        }
        assert!(told <= 4, "{told}");
    }
}
