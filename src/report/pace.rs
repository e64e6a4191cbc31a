//! Progress, rate and remaining time of the current table, for bars and lines alike.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::model::window::Window;

use crate::base::text::{duration, rows, thousands};

/// A rate over less time is noise.
const RATE_FROM: Duration = Duration::from_millis(500);

/// The progress of the current table.
#[derive(Debug, Clone)]
pub(super) struct Pace {
    started: Duration,
    windows: usize,
    windows_over: usize,
    rows_before: u64,
    rows_now: u64,
    rows_expected: Option<u64>,
    /// Dates that this run has verified, in windows.
    dates_now: f64,
    /// For each current window, the verified part of its dates, 0 to 1.
    reached: BTreeMap<Window, f64>,
}

impl Pace {
    /// Starts a table at `now`, the clock's monotonic time.
    pub(super) fn start(now: Duration, windows: usize, rows_before: u64, rows_expected: Option<u64>) -> Self {
        Pace {
            started: now,
            windows,
            windows_over: 0,
            rows_before,
            rows_now: 0,
            rows_expected,
            dates_now: 0.0,
            reached: BTreeMap::new(),
        }
    }

    /// Adds a verified chunk's dates, both ends from 0 to 1 of its window.
    pub(super) fn add_dates(&mut self, window: Window, (from, to): (f64, f64)) {
        self.dates_now += (to - from).max(0.0);
        let reached = self.reached.entry(window).or_default();
        *reached = reached.max(to);
    }

    /// Adds a verified chunk's rows.
    pub(super) fn add_rows(&mut self, row_count: u64) {
        self.rows_now += row_count;
    }

    /// Ends a window, complete or failed.
    pub(super) fn window_over(&mut self, window: Window) {
        self.windows_over += 1;
        self.reached.remove(&window);
    }

    /// Verified rows, including those of earlier runs.
    fn position(&self) -> u64 {
        self.rows_before + self.rows_now
    }

    /// The position of the bar: in rows if their number is known, else in windows.
    pub(super) fn steps(&self) -> u64 {
        match self.rows_expected {
            Some(_) => self.position(),
            None => self.windows_over as u64,
        }
    }

    /// Rows per second in this run.
    fn rate(&self, now: Duration) -> Option<f64> {
        let elapsed = now.saturating_sub(self.started);
        (elapsed >= RATE_FROM && self.rows_now > 0).then(|| self.rows_now as f64 / elapsed.as_secs_f64())
    }

    /// Time until the table is done: by rows if their number is known, else by the remaining dates.
    fn eta(&self, now: Duration) -> Option<Duration> {
        let rate = self.rate(now)?;
        let seconds = match self.rows_expected {
            Some(expected) => expected.saturating_sub(self.position()) as f64 / rate,
            None if self.dates_now > 0.0 => {
                let left = self.windows.saturating_sub(self.windows_over) as f64
                    - self.reached.values().sum::<f64>();
                let elapsed = now.saturating_sub(self.started).as_secs_f64();
                elapsed / self.dates_now * left.max(0.0)
            }
            None => return None,
        };
        Duration::try_from_secs_f64(seconds).ok()
    }

    /// `120,000 of 227,418 rows, 1 of 2 windows, 9,500 rows/s, ETA 11 s`
    pub(super) fn text(&self, now: Duration) -> String {
        let mut text = match self.rows_expected {
            Some(expected) => format!("{} of about {}", thousands(self.position()), rows(expected)),
            None => rows(self.position()),
        };
        text.push_str(&format!(", {} of {} windows", self.windows_over, self.windows));
        if let Some(rate) = self.rate(now) {
            text.push_str(&format!(", {} rows/s", thousands(rate.round() as u64)));
        }
        if let Some(eta) = self.eta(now) {
            text.push_str(&format!(", ETA {}", duration(eta)));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::testing::window;

    const fn seconds(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    #[test]
    fn rows_of_earlier_runs_are_done_but_not_fast() {
        let mut pace = Pace::start(seconds(10), 2, 1000, Some(5000));
        pace.add_rows(2000);
        assert_eq!(
            pace.text(seconds(12)),
            "3,000 of about 5,000 rows, 0 of 2 windows, 1,000 rows/s, ETA 2.0 s"
        );
    }

    #[test]
    fn windows_stand_in_for_rows_that_are_not_known() {
        let mut pace = Pace::start(seconds(0), 3, 0, None);
        pace.add_rows(10);
        assert_eq!(pace.text(seconds(10)), "10 rows, 0 of 3 windows, 1 rows/s");
        // In ten seconds, a window that an earlier run left at a quarter reached three quarters.
        pace.add_dates(window(), (0.25, 0.75));
        assert_eq!(
            pace.text(seconds(10)),
            "10 rows, 0 of 3 windows, 1 rows/s, ETA 45 s"
        );
        pace.add_dates(window(), (0.75, 1.0));
        pace.window_over(window());
        assert_eq!(pace.steps(), 1);
        assert_eq!(
            pace.text(seconds(15)),
            "10 rows, 1 of 3 windows, 1 rows/s, ETA 40 s"
        );
    }

    #[test]
    fn there_is_no_rate_at_the_start() {
        let mut pace = Pace::start(seconds(5), 1, 0, Some(10));
        pace.add_rows(5);
        assert_eq!(pace.text(seconds(5)), "5 of about 10 rows, 0 of 1 windows");
    }
}
