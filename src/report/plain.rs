//! Writes a run as plain lines, for logs, pipes and shared terminals.
//!
//! Every line stands alone. Progress within a table is written every few seconds at most, all other events at once.

use std::io::Write;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::pace::Pace;
use crate::base::clock::SharedClock;
use crate::base::text::{counted, duration, rows};
use crate::progress::{Event, Progress, last_day};

/// Often enough to show that the run lives, seldom enough to keep a night's log readable.
const EVERY: Duration = Duration::from_secs(5);

/// Writes the lines of a run.
pub struct Plain<W> {
    clock: SharedClock,
    state: Mutex<State<W>>,
}

struct State<W> {
    out: W,
    pace: Option<Pace>,
    /// Rows compared so far of the current table.
    compared: u64,
    told_at: Duration,
}

impl<W: Write + Send> Plain<W> {
    /// Writes to `out`.
    pub fn new(clock: SharedClock, out: W) -> Self {
        let told_at = clock.monotonic();
        let state = State {
            out,
            pace: None,
            compared: 0,
            told_at,
        };
        Plain {
            clock,
            state: Mutex::new(state),
        }
    }
}

impl<W: Write + Send> Progress for Plain<W> {
    fn event(&self, event: Event<'_>) {
        let now = self.clock.monotonic();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let line = state.line(event, now);
        if let Some(line) = line {
            // A closed stderr must not end a working run.
            let _ = writeln!(state.out, "{line}");
        }
    }
}

impl<W> State<W> {
    fn line(&mut self, event: Event<'_>, now: Duration) -> Option<String> {
        match event {
            Event::TableStarted {
                windows,
                rows_done,
                rows_expected,
                ..
            } => {
                self.pace = Some(Pace::start(now, windows, rows_done, rows_expected));
                self.told_at = now;
            }
            Event::ChunkVerified {
                table,
                window,
                row_count,
                dates,
                ..
            } => {
                let pace = self.pace.as_mut()?;
                pace.add_rows(row_count);
                pace.add_dates(window, dates);
                if now.saturating_sub(self.told_at) < EVERY {
                    return None;
                }
                self.told_at = now;
                return Some(format!("{table}: {}", pace.text(now)));
            }
            Event::WindowDone { window, .. } | Event::WindowFailed { window, .. } => {
                if let Some(pace) = &mut self.pace {
                    pace.window_over(window);
                }
            }
            Event::TableDone { .. } => self.pace = None,
            Event::Comparing { .. } => {
                self.compared = 0;
                self.told_at = now;
            }
            Event::ChunkCompared { table, row_count, .. } => {
                self.compared += row_count;
                if now.saturating_sub(self.told_at) >= EVERY {
                    self.told_at = now;
                    return Some(format!("{table}: {} compared", rows(self.compared)));
                }
            }
            _ => {}
        }
        told(event)
    }
}

/// The line of an event; `None` for events that are only counted.
pub(super) fn told(event: Event<'_>) -> Option<String> {
    Some(match event {
        Event::RunStarted {
            run_id,
            range,
            tables,
            max_workers,
        } => format!(
            "run {run_id:032x}: {} from {} to {}, {} at once",
            counted(tables as u64, "table"),
            range.start,
            last_day(range),
            counted(max_workers as u64, "window"),
        ),
        Event::Note(text) => format!("note: {text}"),
        Event::Warning(text) => format!("warning: {text}"),
        Event::TableStarted {
            table,
            windows,
            rows_done,
            ..
        } => {
            let before = if rows_done > 0 {
                format!(", {} there already", rows(rows_done))
            } else {
                String::new()
            };
            format!("{table}: {} to do{before}", counted(windows as u64, "window"))
        }
        Event::Comparing { table } => format!("{table}: comparing the loaded rows"),
        Event::Compared {
            table,
            chunks,
            differing,
        } => {
            let differing = match differing {
                0 => "all the same".to_owned(),
                1 => "1 differs".to_owned(),
                count => format!("{} differ", crate::base::text::thousands(count)),
            };
            format!("{table}: {} compared, {differing}", counted(chunks, "chunk"))
        }
        Event::Retrying {
            table,
            window,
            attempt,
            wait,
            away,
            error,
        } => {
            let place = window.map_or_else(String::new, |window| format!(" {window}"));
            let away = away
                .filter(|away| away.as_secs() > 0)
                .map_or_else(String::new, |away| format!(" (away for {})", duration(away)));
            format!(
                "{table}{place}: attempt {attempt} failed, retried in {}{away}: {}",
                duration(wait),
                error.chain()
            )
        }
        Event::WindowDone {
            table,
            window,
            rows: count,
        } => format!("{table} {window}: verified, {}", rows(count)),
        Event::WindowFailed { table, window, error } => {
            format!("{table} {window}: failed: {}", error.chain())
        }
        Event::TableDone {
            table,
            rows: count,
            elapsed,
        } => {
            let speed = match elapsed.as_secs_f64() {
                seconds if seconds >= 0.1 => format!(
                    ", {} rows/s",
                    crate::base::text::thousands((count as f64 / seconds) as u64)
                ),
                _ => String::new(),
            };
            format!("{table}: {} in {}{speed}", rows(count), duration(elapsed))
        }
        Event::WindowStarted { .. }
        | Event::ChunkVerified { .. }
        | Event::ChunkCompared { .. }
        | Event::RunDone { .. } => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::error::{Error, ErrorKind};
    use crate::model::window::DateRange;
    use crate::report::testing::{Hand, window};

    const TABLE: &str = "T";

    fn chunk(ordinal: u32) -> Event<'static> {
        Event::ChunkVerified {
            table: TABLE,
            window: window(),
            ordinal,
            row_count: 100,
            byte_count: 1,
            dates: (0.0, 0.5),
        }
    }

    fn retrying<'a>(error: &'a Error, attempt: u32, wait: Duration, away: Option<Duration>) -> Event<'a> {
        Event::Retrying {
            table: TABLE,
            window: away.is_none().then(window),
            attempt,
            wait,
            away,
            error,
        }
    }

    #[test]
    fn a_run_told_in_lines() {
        let clock = Hand::shared();
        let plain = Plain::new(clock.clone(), Vec::new());
        let range = DateRange {
            start: window().to_stored().0,
            end: window().to_stored().1,
        };
        let (table, window) = (TABLE, window());
        plain.event(Event::RunStarted {
            run_id: 7,
            range,
            tables: 1,
            max_workers: 2,
        });
        plain.event(Event::Note("said"));
        plain.event(Event::TableStarted {
            table,
            windows: 1,
            rows_done: 50,
            rows_expected: Some(250),
        });
        clock.advance(Duration::from_secs(1));
        plain.event(chunk(0));
        clock.advance(Duration::from_secs(4));
        plain.event(chunk(1));
        let deadlock = Error::new(ErrorKind::Transient, "Deadlock").with_source("1205");
        plain.event(retrying(&deadlock, 1, Duration::from_millis(500), None));
        let silence = Error::new(ErrorKind::Connection, "Nobody listens");
        let away = Some(Duration::from_secs(200));
        plain.event(retrying(&silence, 9, Duration::from_secs(30), away));
        plain.event(Event::WindowDone {
            table,
            window,
            rows: 250,
        });
        plain.event(Event::TableDone {
            table,
            rows: 200,
            elapsed: Duration::from_secs(5),
        });
        let told = String::from_utf8(plain.state.into_inner().unwrap().out).unwrap();
        insta::assert_snapshot!(told, @r"
        run 00000000000000000000000000000007: 1 table from 2025-10-01 to 2025-10-31, 2 windows at once
        note: said
        T: 1 window to do, 50 rows there already
        T: 250 of about 250 rows, 0 of 1 windows, 40 rows/s, ETA 0.0 s
        T 2025-10: attempt 1 failed, retried in 0.5 s: Deadlock: 1205
        T: attempt 9 failed, retried in 30 s (away for 3 min 20 s): Nobody listens
        T 2025-10: verified, 250 rows
        T: 200 rows in 5.0 s, 40 rows/s
        ");
    }
}
