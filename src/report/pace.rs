//! Progress, rate and remaining time of the current table, for bars and lines alike.
//!
//! The progress is by rows if their number is known, else by the verified part of the dates. Rates are of the last minute,
//! so that they tell how fast the run is now, and not how fast it was before an outage or a slow month.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use crate::base::text::{columns_of, counted, cut, duration, rows, thousands};
use crate::model::window::Window;

/// A rate over less time is noise.
const RATE_FROM: Duration = Duration::from_millis(500);

/// The time that a rate looks back. Long enough for some chunks, short enough to show a change.
const RATE_OVER: Duration = Duration::from_secs(60);

/// A rate looks back this many samples at least, however old: where a chunk takes minutes, the last minute has none.
const SAMPLES_MIN: usize = 4;

/// Chunks that come faster than this share a sample, which bounds their number.
const SAMPLE_EVERY: Duration = Duration::from_secs(1);

/// A narrower bar tells little.
const BAR_COLUMNS_MIN: usize = 10;

/// What was done at a time.
#[derive(Debug, Clone, Copy)]
struct Sample {
    at: Duration,
    rows: u64,
    dates: f64,
}

/// A wait for a server that is away.
#[derive(Debug, Clone, Copy)]
struct Wait {
    until: Duration,
    end: Option<&'static str>,
}

/// The progress of the current table.
#[derive(Debug, Clone)]
pub(super) struct Pace {
    windows: usize,
    windows_over: usize,
    rows_before: u64,
    rows_now: u64,
    rows_expected: Option<u64>,
    /// Dates that this run has verified, in windows.
    dates_now: f64,
    /// For each current window, the verified part of its dates, 0 to 1.
    reached: BTreeMap<Window, f64>,
    samples: VecDeque<Sample>,
    wait: Option<Wait>,
    /// What all reads of the source wait for, in words.
    hold: Option<String>,
    /// The ceiling of rows a second.
    at_most: Option<u64>,
    is_stopping: bool,
}

impl Pace {
    /// Starts a table at `now`, the clock's monotonic time.
    pub(super) fn start(now: Duration, windows: usize, rows_before: u64, rows_expected: Option<u64>) -> Self {
        let sample = Sample {
            at: now,
            rows: 0,
            dates: 0.0,
        };
        Pace {
            windows,
            windows_over: 0,
            rows_before,
            rows_now: 0,
            rows_expected,
            dates_now: 0.0,
            reached: BTreeMap::new(),
            samples: VecDeque::from([sample]),
            wait: None,
            hold: None,
            at_most: None,
            is_stopping: false,
        }
    }

    /// A window begins.
    pub(super) fn window_begins(&mut self, window: Window) {
        self.reached.entry(window).or_default();
    }

    /// Adds a verified chunk: its rows, and its dates, both ends from 0 to 1 of its window.
    pub(super) fn add(&mut self, now: Duration, window: Window, row_count: u64, (from, to): (f64, f64)) {
        self.back(now);
        self.rows_now += row_count;
        self.dates_now += (to - from).max(0.0);
        let reached = self.reached.entry(window).or_default();
        *reached = reached.max(to);
        let last = self.samples.back().map_or(Duration::ZERO, |sample| sample.at);
        if now.saturating_sub(last) >= SAMPLE_EVERY {
            self.sample(now);
        }
        let is_old = |sample: &Sample| sample.at + RATE_OVER <= now;
        while self.samples.len() > SAMPLES_MIN && self.samples.get(1).is_some_and(is_old) {
            self.samples.pop_front();
        }
    }

    fn sample(&mut self, at: Duration) {
        let (rows, dates) = (self.rows_now, self.dates_now);
        self.samples.push_back(Sample { at, rows, dates });
    }

    /// Ends a window, complete or failed.
    pub(super) fn window_over(&mut self, window: Window) {
        self.windows_over += 1;
        self.reached.remove(&window);
    }

    /// A server is away; the next attempt comes at the end of `wait`.
    pub(super) fn waits(&mut self, now: Duration, wait: Duration, end: Option<&'static str>) {
        let until = now + wait;
        // Workers wait side by side, for the same server.
        let until = self.wait.map_or(until, |other| other.until.max(until));
        self.wait = Some(Wait { until, end });
    }

    /// The server is back. The rates begin anew: they are not those of the outage.
    pub(super) fn back(&mut self, now: Duration) {
        if self.wait.take().is_some() {
            self.samples.clear();
            self.sample(now);
        }
    }

    /// All reads of the source wait. The end of the wait lets the rates begin anew, as after an outage.
    pub(super) fn held(&mut self, now: Duration, words: Option<&str>) {
        if words.is_none() && self.hold.is_some() {
            self.samples.clear();
            self.sample(now);
        }
        self.hold = words.map(str::to_owned);
    }

    /// The ceiling of rows a second from now on.
    pub(super) fn paced(&mut self, at_most: Option<u64>) {
        self.at_most = at_most;
    }

    /// The run was asked to stop.
    pub(super) fn stops(&mut self) {
        self.is_stopping = true;
    }

    /// Verified rows, including those of earlier runs.
    fn position(&self) -> u64 {
        self.rows_before + self.rows_now
    }

    /// The verified part of the table, 0 to 1; `None` if nothing tells it.
    pub(super) fn share(&self) -> Option<f64> {
        let (done, of) = match self.rows_expected {
            Some(expected) => (self.position() as f64, expected as f64),
            None => {
                let reached = self.reached.values().sum::<f64>();
                (self.windows_over as f64 + reached, self.windows as f64)
            }
        };
        (of > 0.0).then(|| (done / of).clamp(0.0, 1.0))
    }

    /// The time that the rates look back on, and its beginning.
    fn measured(&self, now: Duration) -> Option<(f64, Sample)> {
        let first = self.samples.front()?;
        let elapsed = now.saturating_sub(first.at);
        (elapsed >= RATE_FROM && self.rows_now > first.rows).then_some((elapsed.as_secs_f64(), *first))
    }

    /// Rows per second.
    fn rate(&self, now: Duration) -> Option<f64> {
        let (seconds, first) = self.measured(now)?;
        Some((self.rows_now - first.rows) as f64 / seconds)
    }

    /// Time until the table is done: by rows if their number is known, else by the remaining dates.
    fn eta(&self, now: Duration) -> Option<Duration> {
        let seconds = match self.rows_expected {
            Some(expected) => expected.saturating_sub(self.position()) as f64 / self.rate(now)?,
            None => self.dates_left(now)?,
        };
        Duration::try_from_secs_f64(seconds).ok()
    }

    /// Seconds for the remaining dates. At the end fewer windows are left than workers, so the longest of them decides: one
    /// that has not begun takes as long as a worker needs for a whole one.
    fn dates_left(&self, now: Duration) -> Option<f64> {
        let (seconds, first) = self.measured(now)?;
        let rate = (self.dates_now - first.dates) / seconds;
        if rate <= 0.0 {
            return None;
        }
        let begun = self.reached.len();
        let waiting = self.windows.saturating_sub(self.windows_over + begun);
        let left = self.reached.values().map(|reached| 1.0 - reached);
        let longest = match waiting {
            0 => left.clone().fold(0.0, f64::max),
            _ => 1.0,
        };
        let rate_of_one = rate / begun.max(1) as f64;
        Some(((waiting as f64 + left.sum::<f64>()) / rate).max(longest / rate_of_one))
    }

    /// What the table waits for, or what comes next.
    fn present(&self, now: Duration) -> Vec<String> {
        if self.is_stopping {
            return vec!["stopping".to_owned()];
        }
        if let Some(wait) = self.wait {
            let end = wait.end.unwrap_or("server");
            // At the end of the wait an attempt is under way, which may take as long as a connection.
            let left = match wait.until.saturating_sub(now).as_secs_f64().ceil() {
                seconds if seconds >= 1.0 => format!(" {seconds} s"),
                _ => String::new(),
            };
            return vec![format!("waiting{left} for the {end}")];
        }
        if let Some(hold) = &self.hold {
            return vec![hold.clone()];
        }
        let at_most = self.at_most.map(|most| format!("at most {}/s", rows(most)));
        let rate = match (self.rate(now), at_most) {
            (Some(rate), Some(at_most)) => Some(format!("{} of {at_most}", thousands(rate.round() as u64))),
            (Some(rate), None) if rate < 0.5 => Some(format!("{rate:.1} rows/s")),
            (Some(rate), None) => Some(format!("{}/s", rows(rate.round() as u64))),
            (None, at_most) => at_most,
        };
        let eta = self.eta(now).map(|eta| format!("ETA {}", duration(eta)));
        rate.into_iter().chain(eta).collect()
    }

    /// `52 %, 120,000 of about 227,418 rows, 1 of 2 windows, 9,500 rows/s, ETA 11 s`
    pub(super) fn text(&self, now: Duration) -> String {
        let parts: Vec<String> = self.percent().into_iter().chain(self.parts(now)).collect();
        parts.join(", ")
    }

    fn percent(&self) -> Option<String> {
        // What is not done is never called 100 %.
        let percent = |share: f64| ((share * 100.0) as u32).min(if share < 1.0 { 99 } else { 100 });
        self.share().map(|share| format!("{} %", percent(share)))
    }

    fn parts(&self, now: Duration) -> Vec<String> {
        let done = match self.rows_expected {
            Some(expected) => format!("{} of about {}", thousands(self.position()), rows(expected)),
            None => rows(self.position()),
        };
        let windows = format!(
            "{} of {}",
            self.windows_over,
            counted(self.windows as u64, "window")
        );
        [done, windows].into_iter().chain(self.present(now)).collect()
    }

    /// The line of a table's bar, in at most `width` columns: what matters least goes first where there is no room.
    pub(super) fn line(&self, name: &str, now: Duration, width: usize) -> String {
        let name = cut(name, width / 3);
        let bar_width = match width {
            0..60 => BAR_COLUMNS_MIN,
            60..100 => 16,
            _ => 24,
        };
        let mut parts = self.parts(now);
        let mut line = self.drawn(&name, bar_width, &parts);
        // Windows go first, then rows, then the bar; what the run does now stays.
        for gone in [1, 0] {
            if columns_of(&line) > width && parts.len() > 1 && gone < parts.len() {
                parts.remove(gone);
                line = self.drawn(&name, bar_width, &parts);
            }
        }
        for narrower in [BAR_COLUMNS_MIN, 0] {
            if columns_of(&line) > width && self.hold.is_some() {
                line = self.drawn(&name, narrower, &parts);
            }
        }
        cut(&line, width)
    }

    fn drawn(&self, name: &str, bar_width: usize, parts: &[String]) -> String {
        let percent = self.percent().unwrap_or_default();
        let bar = match (self.share(), bar_width) {
            (None, _) => String::new(),
            (Some(_), 0) => format!(" {percent:>5}"),
            (Some(share), width) => format!(" {} {percent:>5}", bar(share, width)),
        };
        format!("{name}{bar}  {}", parts.join(", "))
    }
}

/// `[=====>    ]`
fn bar(share: f64, width: usize) -> String {
    let done = (share * width as f64) as usize;
    let head = if done < width { ">" } else { "" };
    let rest = width.saturating_sub(done + head.len());
    format!("[{}{head}{}]", "=".repeat(done), " ".repeat(rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::testing::{month, window};

    const fn seconds(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    #[test]
    fn rows_of_earlier_runs_are_done_but_not_fast() {
        let mut pace = Pace::start(seconds(10), 2, 1000, Some(5000));
        pace.add(seconds(11), window(), 2000, (0.0, 0.5));
        assert_eq!(
            pace.text(seconds(12)),
            "60 %, 3,000 of about 5,000 rows, 0 of 2 windows, 1,000 rows/s, ETA 2.0 s"
        );
    }

    #[test]
    fn dates_stand_in_for_rows_that_are_not_known() {
        let mut pace = Pace::start(seconds(0), 3, 0, None);
        pace.window_begins(window());
        // In ten seconds, a window that an earlier run left at a quarter reached three quarters.
        pace.add(seconds(10), window(), 10, (0.25, 0.75));
        assert_eq!(
            pace.text(seconds(10)),
            "25 %, 10 rows, 0 of 3 windows, 1 row/s, ETA 45 s"
        );
        pace.add(seconds(15), window(), 1, (0.75, 1.0));
        pace.window_over(window());
        assert_eq!(
            pace.text(seconds(15)),
            "33 %, 11 rows, 1 of 3 windows, 1 row/s, ETA 40 s"
        );
    }

    #[test]
    fn the_bar_is_full_only_at_the_end() {
        let mut pace = Pace::start(seconds(0), 1, 0, None);
        pace.add(seconds(1), window(), 10, (0.0, 0.999));
        assert!(pace.text(seconds(1)).starts_with("99 %, "));
        let mut pace = Pace::start(seconds(0), 1, 0, Some(100));
        pace.add(seconds(1), window(), 120, (0.0, 1.0));
        assert!(pace.text(seconds(1)).starts_with("100 %, "));
        assert_eq!(bar(1.0, 4), "[====]");
        assert_eq!(bar(0.5, 4), "[==> ]");
    }

    #[test]
    fn a_rate_is_that_of_the_last_minute() {
        let mut pace = Pace::start(seconds(0), 1, 0, Some(100_000));
        for at in 1..=100 {
            pace.add(seconds(at), window(), 100, (0.0, 0.0));
        }
        for at in 101..=200 {
            pace.add(seconds(at), window(), 10, (0.0, 0.0));
        }
        assert!(
            pace.text(seconds(200)).contains(", 10 rows/s, "),
            "{}",
            pace.text(seconds(200))
        );
        assert!(pace.samples.len() < 70);
    }

    #[test]
    fn what_is_slow_has_a_rate_too() {
        let mut pace = Pace::start(seconds(0), 1, 0, None);
        for at in 1..=9 {
            pace.add(seconds(at * 300), window(), 30, (0.0, 0.1));
        }
        assert!(
            pace.text(seconds(2700)).contains("0.1 rows/s"),
            "{}",
            pace.text(seconds(2700))
        );
    }

    /// Two workers were twice as fast as the one that is left.
    #[test]
    fn the_last_window_is_as_slow_as_one_worker() {
        let mut pace = Pace::start(seconds(0), 3, 0, None);
        let months = [1, 2, 3].map(month);
        for month in &months[..2] {
            pace.window_begins(*month);
            pace.add(seconds(10), *month, 100, (0.0, 1.0));
        }
        // Two windows in ten seconds, and one to come, which no second worker shares.
        assert!(
            pace.text(seconds(10)).ends_with("ETA 10 s"),
            "{}",
            pace.text(seconds(10))
        );
        for month in &months[..2] {
            pace.window_over(*month);
        }
        pace.window_begins(months[2]);
        pace.add(seconds(15), months[2], 50, (0.0, 0.5));
        assert!(
            pace.text(seconds(15)).contains("83 %"),
            "{}",
            pace.text(seconds(15))
        );
    }

    #[test]
    fn an_outage_is_told_in_place_of_a_rate_and_does_not_slow_it() {
        let mut pace = Pace::start(seconds(0), 2, 0, Some(10_000));
        pace.add(seconds(10), window(), 1000, (0.0, 0.5));
        pace.waits(seconds(10), seconds(6), Some("source"));
        let waiting = |at| pace.text(seconds(at));
        assert_eq!(
            waiting(10),
            "10 %, 1,000 of about 10,000 rows, 0 of 2 windows, waiting 6 s for the source"
        );
        assert!(waiting(14).ends_with("waiting 2 s for the source"));
        assert!(waiting(17).ends_with("waiting for the source"));
        pace.add(seconds(3600), window(), 0, (0.5, 0.5));
        pace.add(seconds(3610), window(), 1000, (0.5, 0.6));
        assert!(
            pace.text(seconds(3610)).contains(", 100 rows/s"),
            "{}",
            pace.text(seconds(3610))
        );
    }

    #[test]
    fn there_is_no_rate_at_the_start() {
        let mut pace = Pace::start(seconds(5), 1, 0, Some(10));
        pace.add(seconds(5), window(), 5, (0.0, 0.5));
        assert_eq!(pace.text(seconds(5)), "50 %, 5 of about 10 rows, 0 of 1 window");
    }

    #[test]
    fn a_line_fits_any_terminal() {
        let mut pace = Pace::start(seconds(0), 167, 0, None);
        pace.window_begins(window());
        pace.add(seconds(10), window(), 1_234_567, (0.0, 0.5));
        let lines = [40, 80, 100, 160].map(|width| pace.line("APP_4_SALESITEM", seconds(10), width));
        insta::assert_snapshot!(lines.join("\n"), @r"
        APP_4_SALESI… [>         ]   0 %  123,4…
        APP_4_SALESITEM [>               ]   0 %  123,457 rows/s, ETA 55 min 30 s
        APP_4_SALESITEM [>                       ]   0 %  1,234,567 rows, 123,457 rows/s, ETA 55 min 30 s
        APP_4_SALESITEM [>                       ]   0 %  1,234,567 rows, 0 of 167 windows, 123,457 rows/s, ETA 55 min 30 s
        ");
        for (line, width) in lines.iter().zip([40, 80, 100, 160]) {
            assert!(line.chars().count() <= width, "{line}");
        }
        pace.waits(seconds(10), seconds(6), Some("source"));
        assert!(
            pace.line("APP_4_SALESITEM", seconds(10), 80)
                .contains("waiting 6 s for the source")
        );
        pace.stops();
        assert!(pace.line("APP_4_SALESITEM", seconds(10), 80).contains("stopping"));
    }
}
