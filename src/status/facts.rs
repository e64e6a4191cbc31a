//! The facts that `sync status` shows, for its text and its JSON, and what follows from them.

use std::time::Duration;

use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};

use super::condition::Condition;
use crate::base::text::{counted, thousands};
use crate::checkpoint::{Counts, Pass, Refusal, RunRecord, Tombstone, Waiting};
use crate::model::account::Account;
use crate::model::hours::{Hours, Wall};
use crate::model::pace::{Decision, Figures, Hold};
use crate::model::window::{DateRange, Window, midnight, missing};

/// The smallest part of a window of which the rest is inferred.
const SHARE_MIN: f64 = 0.01;

/// All that `sync status` shows, as text or as JSON.
#[derive(Debug, Default)]
pub(crate) struct Status {
    /// Whether there is a state file.
    pub(crate) is_kept: bool,
    pub(crate) tables: Vec<TableStatus>,
    pub(crate) run: Option<RunStatus>,
    /// The reads of the run that is going, as it tells them; `None` if it does not.
    pub(crate) figures: Option<Figures>,
    /// The hours of the source, what is waited for, and what the governor decided.
    pub(crate) pace: PaceStatus,
    /// What an interrupted `sync forget` has left to do.
    pub(crate) forgetting: Vec<Tombstone>,
    /// The passes of `sync reconcile` that are kept, the latest last.
    pub(crate) passes: Vec<PassStatus>,
}

/// The reads of the source, as the state file and the configuration have them.
#[derive(Debug, Default)]
pub(crate) struct PaceStatus {
    /// The time of this status.
    pub(crate) now: DateTime<Utc>,
    /// The clock that a person reads times by.
    pub(crate) wall: Wall,
    pub(crate) hours: Option<Hours>,
    /// What all reads wait for, of the process that writes the state file.
    pub(crate) held: Option<Hold>,
    /// The governor's last decisions, in their order.
    pub(crate) decisions: Vec<Decision>,
}

#[derive(Debug, Default)]
pub(crate) struct TableStatus {
    pub(crate) name: String,
    pub(crate) mode: String,
    pub(crate) notes: Vec<String>,
    /// Rows that left the target table and could not be followed.
    pub(crate) unfollowed: u64,
    pub(crate) windows: Vec<WindowStatus>,
    /// The first days of months that were loaded, forgotten, and not loaded since.
    pub(crate) forgotten: Vec<NaiveDate>,
    /// Why the last run that came to it could not finish it.
    pub(crate) refused: Option<Refusal>,
    /// Whether it is copied by dates.
    pub(crate) is_dated: bool,
    /// What comparisons found and nobody has put right since.
    pub(crate) differing: Vec<Unrepaired>,
}

/// Differences that comparisons found in a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unrepaired {
    pub(crate) window: Window,
    /// Chunks that differ, and one more if the window as a whole does.
    pub(crate) count: u64,
    /// Whether the source was compared.
    pub(crate) source: bool,
}

#[derive(Debug)]
pub(crate) struct WindowStatus {
    pub(crate) window: Window,
    pub(crate) state: Condition,
    pub(crate) error: Option<String>,
    pub(crate) counts: Counts,
    /// The part of its dates that is loaded, from 0 to 1, if its keys tell it.
    pub(crate) share: Option<f64>,
    /// The rows that it will have, as far as that is known.
    pub(crate) rows_expected: Option<u64>,
}

#[derive(Debug)]
pub(crate) struct RunStatus {
    pub(crate) record: RunRecord,
    pub(crate) running: bool,
    /// The outage that the run waits out.
    pub(crate) waiting: Option<Waiting>,
    /// The tables that it was asked for; `None` if an earlier program began it.
    pub(crate) tables: Option<Vec<String>>,
    /// What it asked of the source; `None` if that is not kept.
    pub(crate) account: Option<Account>,
}

/// A pass of `sync reconcile`.
#[derive(Debug, Clone)]
pub(crate) struct PassStatus {
    pub(crate) pass: Pass,
    /// What it found and did not repair, by table and window.
    pub(crate) found: Vec<WindowDifferences>,
}

/// The number of differences that a pass left in a window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WindowDifferences {
    pub(crate) table: String,
    pub(crate) window: Window,
    /// Its chunks that differed, and one more if the window as a whole did.
    pub(crate) differing: u64,
    /// Those of them that a run has loaded again since.
    pub(crate) repaired_since: u64,
}

/// How far a run that is going has come with a table.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Progress<'a> {
    pub(crate) table: &'a str,
    /// Its place among the tables of the run, from 1.
    pub(crate) number: usize,
    pub(crate) of: usize,
    /// Verified rows of the dates of the run.
    pub(crate) rows: u64,
    /// All rows of the dates of the run, as far as the loaded ones tell.
    pub(crate) rows_expected: Option<u64>,
    pub(crate) chunks: u64,
}

fn sum(all: impl Iterator<Item = Counts>) -> Counts {
    all.fold(Counts::default(), |mut sum, counts| {
        sum.chunks += counts.chunks;
        sum.verified += counts.verified;
        sum.failed += counts.failed;
        sum.mismatched += counts.mismatched;
        sum.stale += counts.stale;
        sum.rows += counts.rows;
        sum.bytes += counts.bytes;
        sum
    })
}

/// The whole of which `rows` are this share, to three digits.
pub(crate) fn whole_of(rows: u64, share: f64) -> Option<u64> {
    if share < SHARE_MIN || rows == 0 {
        return None;
    }
    if share >= 1.0 {
        return Some(rows);
    }
    let whole = rows as f64 / share;
    let unit = 10_f64.powf((whole.log10().floor() - 2.0).max(0.0));
    Some(((whole / unit).round() * unit) as u64).map(|whole| whole.max(rows))
}

impl WindowStatus {
    /// Whether chunks of it may be added without a change of the source.
    pub(crate) fn is_unfinished(&self) -> bool {
        !matches!(self.state, Condition::Complete)
    }

    /// Its chunks: `22 so far` if it is not finished, `20 of 22` if some are not verified.
    pub(crate) fn chunks(&self) -> String {
        let counts = self.counts;
        let chunks = match counts.verified == counts.chunks {
            true => thousands(counts.chunks),
            false => format!("{} of {}", thousands(counts.verified), thousands(counts.chunks)),
        };
        match self.is_unfinished() {
            true => format!("{chunks} so far"),
            false => chunks,
        }
    }

    /// Its days before `until`; 0 without dates.
    fn days(&self, until: NaiveDateTime) -> f64 {
        self.window.days().map_or(0.0, |days| {
            let end = midnight(days.end()).min(until);
            (end - midnight(days.start())).as_seconds_f64().max(0.0) / 86_400.0
        })
    }
}

impl TableStatus {
    pub(crate) fn counts(&self) -> Counts {
        sum(self.windows.iter().map(|window| window.counts))
    }

    /// The worst condition of its windows.
    pub(crate) fn state(&self) -> Condition {
        Condition::worst(self.windows.iter().map(|window| window.state)).unwrap_or(Condition::NotLoaded)
    }

    /// The rows that it will have, if it is a reference table that is being loaded.
    pub(crate) fn rows_expected(&self) -> Option<u64> {
        let mut windows = self.windows.iter().filter(|_| !self.is_dated);
        windows.next().and_then(|window| window.rows_expected)
    }

    /// The days between its first and its last one, and of `asked`, that no window covers: a window for each month.
    pub(crate) fn not_loaded(&self, asked: Option<DateRange>) -> Vec<Window> {
        let covered: Vec<Window> = self.windows.iter().map(|window| window.window).collect();
        let days = || covered.iter().filter_map(|window| window.days());
        let months = self.forgotten.iter().filter_map(|first| {
            let end = first.checked_add_months(chrono::Months::new(1))?;
            Some((*first, end))
        });
        let spans = days().map(|days| (days.start(), days.end()));
        let spans = spans
            .chain(months)
            .chain(asked.map(|range| (range.start, range.end)));
        let span = spans.reduce(|(start, end), (first, last)| (start.min(first), end.max(last)));
        let Some((start, end)) = span.filter(|(start, end)| start < end && self.is_dated) else {
            return Vec::new();
        };
        // Dates at the end of the calendar have no windows.
        missing(DateRange { start, end }, &covered).unwrap_or_default()
    }

    /// Whether a window's month was forgotten.
    pub(crate) fn is_forgotten(&self, window: Window) -> bool {
        self.forgotten.iter().any(|first| {
            let days = window.days();
            days.is_some_and(|days| {
                days.start().format("%Y-%m").to_string() == first.format("%Y-%m").to_string()
            })
        })
    }

    /// The rows of the dates that a run is asked for, and all of them as far as the loaded ones tell.
    fn rows_asked(&self, range: DateRange, until: NaiveDateTime) -> (u64, Option<u64>) {
        let asked = || self.windows.iter().filter(|window| window.window.is_asked(range));
        let rows = asked().map(|window| window.counts.rows).sum();
        if !self.is_dated {
            return (rows, self.rows_expected().map(|all| all.max(rows)));
        }
        let known = asked().filter_map(|window| match window.state {
            Condition::Complete => Some((window.counts.rows, window.days(until))),
            _ => Some((window.counts.rows, window.days(until) * window.share?)),
        });
        let known: Vec<(u64, f64)> = known.filter(|(_, days)| *days > 0.0).collect();
        // Months before a shop opened tell nothing of those after.
        let empty_days: f64 = known
            .iter()
            .filter(|(rows, _)| *rows == 0)
            .map(|(_, days)| days)
            .sum();
        let (known_rows, known_days) = known
            .iter()
            .filter(|(rows, _)| *rows > 0)
            .fold((0, 0.0), |(rows, days), (more, part)| (rows + more, days + part));
        let end = midnight(range.end).min(until);
        let whole_days = (end - midnight(range.start)).as_seconds_f64() / 86_400.0 - empty_days;
        let whole = whole_of(known_rows, (known_days / whole_days).min(1.0));
        (rows, whole.map(|whole| whole.max(rows)))
    }
}

impl RunStatus {
    /// Whether it was asked for a table.
    pub(crate) fn is_asked(&self, table: &TableStatus) -> bool {
        let tables = self.tables.as_ref();
        tables.is_some_and(|tables| tables.contains(&table.name))
    }

    /// Its dates that had begun when it did.
    pub(crate) fn range_begun(&self) -> Option<DateRange> {
        let range = self.record.range;
        let end = range.end.min(self.record.started_at.date_naive().succ_opt()?);
        (range.start < end).then_some(DateRange {
            start: range.start,
            end,
        })
    }
}

impl PassStatus {
    /// The differences of it that a run has loaded again since.
    pub(crate) fn repaired_since(&self) -> u64 {
        self.found.iter().map(|found| found.repaired_since).sum()
    }

    /// The differences that are still there, as far as the store knows.
    pub(crate) fn differing(&self) -> u64 {
        self.pass.differing.saturating_sub(self.repaired_since())
    }
}

impl WindowDifferences {
    /// The differences that are still there.
    pub(crate) fn left(&self) -> u64 {
        self.differing.saturating_sub(self.repaired_since)
    }
}

impl Status {
    pub(crate) fn totals(&self) -> Counts {
        sum(self.tables.iter().map(TableStatus::counts))
    }

    /// The run, while it is going.
    pub(crate) fn running(&self) -> Option<&RunStatus> {
        self.run.as_ref().filter(|run| run.running)
    }

    /// The dates that a run was asked for; `None` if all its tables are reference tables, which have none.
    pub(crate) fn dates_of(&self, run: &RunStatus) -> Option<DateRange> {
        let asked = run.tables.as_deref().unwrap_or_default();
        let is_dated = |name: &String| {
            let known = self.tables.iter().find(|table| table.name == *name);
            known.is_none_or(|table| table.is_dated)
        };
        (asked.is_empty() || asked.iter().any(is_dated)).then_some(run.record.range)
    }

    /// The days of a table that are not loaded: within its own dates, and of the last run if that was asked for it.
    pub(crate) fn not_loaded(&self, table: &TableStatus) -> Vec<Window> {
        let run = self.run.as_ref().filter(|run| run.is_asked(table));
        table.not_loaded(run.and_then(RunStatus::range_begun))
    }

    /// The condition of days that are not loaded: planned if the run that is going comes to them.
    pub(crate) fn of_not_loaded(&self, table: &TableStatus, window: Window) -> Condition {
        let range = self.running().map(|run| run.record.range);
        match self.is_asked_now(table) && range.is_some_and(|range| window.is_asked(range)) {
            true => Condition::Planned,
            false => Condition::NotLoaded,
        }
    }

    /// Whether the run that is going comes to a table.
    pub(crate) fn is_asked_now(&self, table: &TableStatus) -> bool {
        self.running().is_some_and(|run| run.is_asked(table))
    }

    /// What all reads wait for: as the run tells it, or else as it is kept.
    pub(crate) fn held(&self) -> Option<&Hold> {
        match &self.figures {
            Some(figures) => figures.hold.as_ref(),
            None => self.pace.held.as_ref(),
        }
    }

    /// How far the run that is going has come with the table that it loads.
    pub(crate) fn progress(&self) -> Option<Progress<'_>> {
        let run = self.running()?;
        let asked = run.tables.as_ref()?;
        let is_loading = |table: &&TableStatus| {
            let mut windows = table.windows.iter();
            windows.any(|window| window.state == Condition::Loading)
        };
        let table = self.tables.iter().find(is_loading)?;
        let number = asked.iter().position(|name| *name == table.name)? + 1;
        let range = run.record.range;
        let (rows, rows_expected) = table.rows_asked(range, until(run.record.started_at));
        let windows = table
            .windows
            .iter()
            .filter(|window| window.window.is_asked(range));
        Some(Progress {
            table: &table.name,
            number,
            of: asked.len(),
            rows,
            rows_expected,
            chunks: windows.map(|window| window.counts.verified).sum(),
        })
    }
}

impl Progress<'_> {
    /// The time that the table still takes at a rate of rows; `None` if nothing tells.
    pub(crate) fn left(&self, per_second: f64) -> Option<Duration> {
        let left = self.rows_expected?.saturating_sub(self.rows);
        (per_second >= 1.0).then(|| Duration::from_secs_f64(left as f64 / per_second))
    }

    /// `table 3 of 19, SALES: 22 chunks so far, about 440,000 of 455,000 rows`.
    pub(crate) fn text(&self) -> String {
        format!(
            "table {} of {}, {}: {} so far, {}",
            self.number,
            self.of,
            self.table,
            counted(self.chunks, "chunk"),
            of_expected(self.rows, self.rows_expected)
        )
    }
}

/// `about 440,000 of 455,000 rows`, or `440,000 rows` if nothing tells how many there will be.
pub(crate) fn of_expected(rows: u64, expected: Option<u64>) -> String {
    match expected {
        Some(all) => format!("about {} of {}", thousands(rows), counted(all, "row")),
        None => counted(rows, "row"),
    }
}

/// The time up to which a run that began then reads rows, about.
pub(crate) fn until(started_at: DateTime<Utc>) -> NaiveDateTime {
    started_at.naive_utc()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_tells_the_whole_to_three_digits() {
        assert_eq!(whole_of(440_000, 0.967), Some(455_000));
        assert_eq!(whole_of(440_123, 1.0), Some(440_123));
        assert_eq!(whole_of(7, 0.5), Some(14));
        // No fewer than are there.
        assert_eq!(whole_of(100_400, 0.9999), Some(100_400));
        assert_eq!((whole_of(0, 0.5), whole_of(5, 0.001)), (None, None));
    }
}
