//! Writes a run as plain lines, for logs, pipes and shared terminals.
//!
//! Every line stands alone. Progress within a table is written every few seconds at most, all other events at once.

use std::io::Write;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::pace::Pace;
use super::told::Teller;
use crate::base::clock::SharedClock;
use crate::base::program;
use crate::base::text::{duration, rows, stamp};
use crate::progress::{Event, Progress};

/// Often enough to show that the run lives, seldom enough to keep a night's log readable.
const EVERY: Duration = Duration::from_secs(5);

/// How much plain lines tell.
#[derive(Debug, Clone, Copy, Default)]
pub struct PlainOptions {
    /// Whether each line begins with its time, as in a file.
    pub stamped: bool,
    /// Whether each window's beginning and each chunk has a line.
    pub verbose: bool,
}

/// Writes the lines of a run.
pub struct Plain<W> {
    clock: SharedClock,
    options: PlainOptions,
    state: Mutex<State<W>>,
}

struct State<W> {
    out: W,
    teller: Teller,
    pace: Option<Pace>,
    /// Rows compared so far of the current table.
    compared: u64,
    told_at: Duration,
}

impl<W: Write + Send> Plain<W> {
    /// Writes to `out`.
    pub fn new(clock: SharedClock, options: PlainOptions, out: W) -> Self {
        let told_at = clock.monotonic();
        let state = State {
            out,
            teller: Teller::default(),
            pace: None,
            compared: 0,
            told_at,
        };
        Plain {
            clock,
            options,
            state: Mutex::new(state),
        }
    }
}

impl<W: Write + Send> Progress for Plain<W> {
    fn event(&self, event: Event<'_>) {
        let now = self.clock.monotonic();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let of_pace = state.count(event, now, self.options.verbose);
        let wall = self.clock.now();
        let told = state.teller.tell(event, wall);
        if matches!(event, Event::Held { .. } | Event::Released { .. }) {
            let held = state.teller.held(wall);
            if let Some(pace) = &mut state.pace {
                pace.held(now, held.as_deref());
            }
        }
        for line in of_pace.into_iter().chain(told) {
            let stamp = match self.options.stamped {
                true => stamp(self.clock.now()),
                false => String::new(),
            };
            // A closed stderr must not end a working run.
            let _ = writeln!(state.out, "{stamp}{}", program::named(&line));
        }
    }
}

impl<W> State<W> {
    /// Counts an event. Returns the line of the progress, if it is time for one.
    fn count(&mut self, event: Event<'_>, now: Duration, verbose: bool) -> Option<String> {
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
            Event::WindowStarted { table, window } => {
                if let Some(pace) = &mut self.pace {
                    pace.window_begins(window);
                }
                return verbose.then(|| format!("{table} {window}: begins"));
            }
            Event::ChunkVerified {
                table,
                window,
                ordinal,
                row_count,
                dates,
                stages,
                ..
            } => {
                let pace = self.pace.as_mut()?;
                pace.add(now, window, row_count, dates);
                if verbose {
                    return Some(format!(
                        "{table} {window}: chunk {ordinal}, {}, read in {}, staged in {}, loaded in {}",
                        rows(row_count),
                        duration(stages.read),
                        duration(stages.stage),
                        duration(stages.load)
                    ));
                }
                if now.saturating_sub(self.told_at) < EVERY {
                    return None;
                }
                self.told_at = now;
                return Some(format!("{table}: {}", pace.text(now)));
            }
            Event::Retrying {
                wait, away, error, ..
            } => {
                if let (Some(pace), Some(_)) = (&mut self.pace, away) {
                    pace.waits(now, wait, error.end());
                }
            }
            Event::Back { .. } => {
                if let Some(pace) = &mut self.pace {
                    pace.back(now);
                }
            }
            Event::WindowDone { window, .. } | Event::WindowFailed { window, .. } => {
                if let Some(pace) = &mut self.pace {
                    pace.window_over(window);
                }
            }
            Event::Decided { decision } if verbose && !decision.action.is_told() => {
                // Waits have lines of their own.
                let is_size = decision.action.numbers().is_some();
                return is_size.then(|| format!("{}: {}: {}", decision.table, decision.action, decision.why));
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
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::error::{Error, ErrorKind};
    use crate::model::pace::{Action, Cause};
    use crate::model::window::{DateRange, Window};
    use crate::progress::{Stages, TableSummary};
    use crate::report::testing::{Hand, decision, holds, month, wall, window};

    const TABLE: &str = "T";

    fn chunk(ordinal: u32) -> Event<'static> {
        Event::ChunkVerified {
            table: TABLE,
            window: window(),
            ordinal,
            row_count: 100,
            byte_count: 1,
            dates: (0.0, 0.5),
            stages: Stages {
                read: Duration::from_millis(800),
                stage: Duration::from_millis(100),
                load: Duration::from_millis(300),
            },
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

    fn started(windows: usize, rows_done: u64) -> Event<'static> {
        Event::TableStarted {
            table: TABLE,
            windows,
            rows_done,
            rows_expected: None,
        }
    }

    fn done(window: Window, rows: u64) -> Event<'static> {
        Event::WindowDone {
            table: TABLE,
            window,
            rows,
        }
    }

    /// The lines of a run.
    fn told(options: PlainOptions, run: impl FnOnce(&Plain<Vec<u8>>, &Hand)) -> String {
        let clock = Hand::shared();
        let plain = Plain::new(clock.clone(), options, Vec::new());
        run(&plain, &clock);
        String::from_utf8(plain.state.into_inner().unwrap().out).unwrap()
    }

    #[test]
    fn a_run_told_in_lines() {
        let said = told(PlainOptions::default(), |plain, clock| {
            let range = DateRange {
                start: window().to_stored().0,
                end: window().to_stored().1,
            };
            plain.event(Event::RunStarted {
                run_id: 7,
                range: Some(range),
                tables: 1,
                max_workers: 2,
            });
            plain.event(Event::Note("said"));
            plain.event(Event::TableStarted {
                table: TABLE,
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
            let silence = Error::new(ErrorKind::Connection, "Nobody listens; start it").at_end("source");
            for (attempt, away) in [(9, 200), (10, 230)] {
                let away = Some(Duration::from_secs(away));
                plain.event(retrying(&silence, attempt, Duration::from_secs(30), away));
            }
            plain.event(Event::Back {
                away: Duration::from_secs(260),
            });
            plain.event(done(window(), 250));
            plain.event(Event::TableDone {
                summary: &TableSummary {
                    name: TABLE.to_owned(),
                    rows_loaded: 200,
                    ..TableSummary::default()
                },
                elapsed: Duration::from_secs(5),
            });
        });
        insta::assert_snapshot!(said, @r"
        run 00000000000000000000000000000007: 1 table from 2025-10-01 to 2025-10-31, 2 windows at once
        note: said
        T: 1 window to do, 50 rows there already
        T: 100 %, 250 of about 250 rows, 0 of 1 window, 40 rows/s, ETA 0.0 s
        T 2025-10: attempt 1 failed, retried in 0.5 s: Deadlock: 1205
        T: attempt 9 failed, retried in 30 s (away for 3 min 20 s): Nobody listens; start it
        T: attempt 10 failed, retried in 30 s (away for 3 min 50 s): Nobody listens (as above)
        back after 4 min 20 s
        T 2025-10: verified, 250 rows
        T: 200 rows in 5.0 s, 40 rows/s
        ");
    }

    #[test]
    fn what_has_nothing_to_do_is_one_line_and_so_are_empty_months() {
        let said = told(PlainOptions::default(), |plain, _| {
            let idle = TableSummary {
                name: TABLE.to_owned(),
                already_complete: true,
                rows_total: 1000,
                ..TableSummary::default()
            };
            let elapsed = Duration::from_secs(1);
            plain.event(started(0, 1000));
            plain.event(Event::TableDone {
                summary: &idle,
                elapsed,
            });
            plain.event(Event::Comparing { table: TABLE });
            plain.event(started(0, 1000));
            let compared = TableSummary {
                rows_compared: 1000,
                ..idle.clone()
            };
            plain.event(Event::TableDone {
                summary: &compared,
                elapsed,
            });
            plain.event(started(9, 0));
            for number in [2, 1, 3, 4] {
                plain.event(done(month(number), 0));
            }
            plain.event(done(month(5), 1));
            plain.event(done(month(6), 0));
            let loaded = TableSummary {
                already_complete: false,
                rows_loaded: 1,
                ..idle.clone()
            };
            plain.event(Event::TableDone {
                summary: &loaded,
                elapsed: Duration::ZERO,
            });
            plain.event(started(1, 0));
            plain.event(Event::TableDone {
                summary: &TableSummary {
                    rows_loaded: 0,
                    ..loaded.clone()
                },
                elapsed,
            });
        });
        insta::assert_snapshot!(said, @r"
        T: nothing to do, 1,000 rows there already
        T: unchanged, the source's 1,000 rows are those in place
        T: 9 windows to do
        T 2025-01 to 2025-04: verified, no rows in 4 windows
        T 2025-05: verified, 1 row
        T 2025-06: verified, no rows
        T: 1 row in 0.0 s
        T: 1 window to do
        T: 0 rows in 1.0 s
        ");
    }

    #[test]
    fn an_error_is_said_once_in_full_wherever_it_comes_from() {
        let said = told(PlainOptions::default(), |plain, _| {
            let of = |window: &str, kind| {
                let error =
                    Error::new(kind, "The target answered error 245, state 1: no; look").with_source("why");
                error.within(format!("Table T, window {window}"))
            };
            for number in [1, 2] {
                let window = month(number);
                plain.event(Event::WindowFailed {
                    table: TABLE,
                    window,
                    error: &of(&window.to_string(), ErrorKind::Statement),
                });
            }
            plain.event(Event::Warning(&of("2025-03", ErrorKind::Statement).chain()));
            plain.event(Event::WindowFailed {
                table: TABLE,
                window: month(4),
                error: &of("2025-04", ErrorKind::TargetFull),
            });
        });
        insta::assert_snapshot!(said, @r"
        T 2025-01: failed: Table T, window 2025-01: The target answered error 245, state 1: no; look: why
        T 2025-02: failed: The target answered error 245 (as above)
        warning: Table T, window 2025-03: The target answered error 245 (as above)
        T 2025-04: failed, and the run ends
        ");
    }

    #[test]
    fn a_file_has_times_and_verbose_lines_have_stages() {
        let options = PlainOptions {
            stamped: true,
            verbose: true,
        };
        let said = told(options, |plain, clock| {
            plain.event(started(1, 0));
            plain.event(Event::WindowStarted {
                table: TABLE,
                window: window(),
            });
            clock.advance(Duration::from_secs(61));
            plain.event(chunk(0));
            plain.event(Event::Stopping { typed: true });
        });
        insta::assert_snapshot!(said, @r"
        1970-01-01 00:00:00Z T: 1 window to do
        1970-01-01 00:00:00Z T 2025-10: begins
        1970-01-01 00:01:01Z T 2025-10: chunk 0, 100 rows, read in 0.8 s, staged in 0.1 s, loaded in 0.3 s
        1970-01-01 00:01:01Z stopping: chunks in flight are finished first; interrupt again to stop at once
        ");
    }

    #[test]
    fn a_run_of_reference_tables_has_no_dates() {
        let said = told(PlainOptions::default(), |plain, _| {
            plain.event(Event::RunStarted {
                run_id: 1,
                range: None,
                tables: 2,
                max_workers: 1,
            });
        });
        assert_eq!(
            said,
            "run 00000000000000000000000000000001: 2 tables, 1 window at once\n"
        );
    }

    #[test]
    fn a_wait_is_said_when_it_begins_now_and_then_and_when_it_ends() {
        let said = told(PlainOptions::default(), |plain, clock| {
            plain.event(Event::Wall(wall()));
            plain.event(Event::Paced {
                rows_per_second: Some(5_000),
            });
            let [hours, pause, lag] = holds();
            // The gate looks again each minute, for three quarters of an hour.
            for _ in 0..45 {
                plain.event(Event::Held { hold: &hours });
                clock.advance(Duration::from_secs(60));
            }
            plain.event(Event::Held { hold: &pause });
            plain.event(Event::Released {
                cause: Cause::Pause,
                waited: Duration::from_secs(2_700),
            });
            plain.event(Event::Held { hold: &lag });
            plain.event(Event::Released {
                cause: Cause::Lag,
                waited: Duration::from_secs(30),
            });
        });
        insta::assert_snapshot!(said, @r"
        at most 5,000 rows/s are read
        waiting until 22:00 for the source's hours; `sync tune --ignore-hours` reads at once
        waiting until 22:00 for the source's hours; `sync tune --ignore-hours` reads at once
        paused: no further read of the source begins; `sync resume` ends it
        resumed after a pause of 45 min 00 s
        waiting: the replica is 95 s behind, more than replica_lag_max_seconds = 60; looked at again at 07:00:30
        the replica is near enough to its primary again, after 30 s
        ");
    }

    #[test]
    fn decisions_that_change_much_are_said_and_all_of_them_where_lines_are_verbose() {
        for verbose in [false, true] {
            let options = PlainOptions {
                verbose,
                ..PlainOptions::default()
            };
            let said = told(options, |plain, _| {
                for (action, why) in [
                    (
                        Action::ChunkRows {
                            from: 20_000,
                            to: 8_000,
                        },
                        "20,000 rows took 4.1 s",
                    ),
                    (
                        Action::PauseMs { from: 0, to: 250 },
                        "two reads took 3 times as long",
                    ),
                    (
                        Action::Workers { from: 2, to: 1 },
                        "two reads took 3 times as long",
                    ),
                    (Action::Held(Cause::Hours), "outside"),
                    (Action::Tuned, "max_workers 2 to 1"),
                ] {
                    let decision = decision(action, why);
                    plain.event(Event::Decided { decision: &decision });
                }
            });
            let less = "SALES: 1 worker, from 2: two reads took 3 times as long\n\
                        SALES: settings changed: max_workers 2 to 1\n";
            let more = "SALES: chunks of 8,000 rows, from 20,000: 20,000 rows took 4.1 s\n\
                        SALES: pause of 250 ms, from 0 ms: two reads took 3 times as long\n";
            match verbose {
                true => assert_eq!(said, format!("{more}{less}")),
                false => assert_eq!(said, less),
            }
        }
    }
}
