//! Draws a run as bars on a terminal: one for the current table, with rows/s and ETA, and one for each window.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::pace::Pace;
use super::plain::told;
use crate::base::clock::SharedClock;
use crate::base::text::rows;
use crate::model::window::Window;
use crate::progress::{Event, Progress};

/// The spinner turns even if no event arrives, and so shows that the program lives.
const TICK: Duration = Duration::from_millis(250);

/// Draws the bars of a run on stderr.
pub struct Bars {
    clock: SharedClock,
    screen: MultiProgress,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    table: Option<(ProgressBar, Pace)>,
    windows: HashMap<Window, (ProgressBar, u64)>,
    /// The bar of the table in comparison, and its rows compared so far.
    comparing: Option<(ProgressBar, u64)>,
}

impl Bars {
    /// Draws on stderr.
    pub fn stderr(clock: SharedClock) -> Self {
        Bars::on(clock, ProgressDrawTarget::stderr())
    }

    fn on(clock: SharedClock, target: ProgressDrawTarget) -> Self {
        Bars {
            clock,
            screen: MultiProgress::with_draw_target(target),
            state: Mutex::new(State::default()),
        }
    }

    /// Prints a permanent line above the bars.
    fn say(&self, event: Event<'_>) {
        if let Some(line) = told(event) {
            // A closed terminal must not end a working run.
            let _ = self.screen.println(line);
        }
    }

    fn bar(&self, length: Option<u64>, indent: &str) -> ProgressBar {
        // The bar has a length only if it is known: an invented one would mislead.
        let template = match length {
            Some(_) => format!("{indent}{{prefix}} [{{bar:24}}] {{msg}}"),
            None => format!("{indent}{{prefix}} {{spinner}} {{msg}}"),
        };
        let style = ProgressStyle::with_template(&template)
            .expect("the template is well formed")
            .progress_chars("=> ");
        let bar = self
            .screen
            .add(ProgressBar::new(length.unwrap_or(0)).with_style(style));
        bar.enable_steady_tick(TICK);
        bar
    }

    fn end_table(&self, state: &mut State) {
        for (_, (bar, _)) in state.windows.drain() {
            bar.finish_and_clear();
        }
        if let Some((bar, _)) = state.table.take() {
            bar.finish_and_clear();
        }
        if let Some((bar, _)) = state.comparing.take() {
            bar.finish_and_clear();
        }
    }
}

impl Progress for Bars {
    fn event(&self, event: Event<'_>) {
        let now = self.clock.monotonic();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::TableStarted {
                table,
                windows,
                rows_done,
                rows_expected,
            } => {
                self.end_table(&mut state);
                // Without an expected row count, the bar counts windows.
                let bar = self.bar(Some(rows_expected.unwrap_or(windows as u64)), "");
                bar.set_prefix(table.to_owned());
                let pace = Pace::start(now, windows, rows_done, rows_expected);
                show(&bar, &pace, now);
                state.table = Some((bar, pace));
            }
            Event::WindowStarted { window, .. } => {
                let bar = self.bar(None, "  ");
                bar.set_prefix(window.to_string());
                state.windows.insert(window, (bar, 0));
            }
            Event::ChunkVerified {
                window,
                row_count,
                dates,
                ..
            } => {
                if let Some((bar, count)) = state.windows.get_mut(&window) {
                    *count += row_count;
                    bar.set_position(*count);
                    bar.set_message(rows(*count));
                }
                if let Some((bar, pace)) = &mut state.table {
                    pace.add_rows(row_count);
                    pace.add_dates(window, dates);
                    show(bar, pace, now);
                }
            }
            Event::WindowDone { window, .. } | Event::WindowFailed { window, .. } => {
                if let Some((bar, _)) = state.windows.remove(&window) {
                    bar.finish_and_clear();
                }
                if let Some((bar, pace)) = &mut state.table {
                    pace.window_over(window);
                    show(bar, pace, now);
                }
                if matches!(event, Event::WindowFailed { .. }) {
                    self.say(event);
                }
            }
            Event::Comparing { table } => {
                self.end_table(&mut state);
                let bar = self.bar(None, "");
                bar.set_prefix(table.to_owned());
                bar.set_message("comparing");
                state.comparing = Some((bar, 0));
            }
            Event::ChunkCompared { row_count, .. } => {
                if let Some((bar, count)) = &mut state.comparing {
                    *count += row_count;
                    bar.set_message(format!("{} compared", rows(*count)));
                }
            }
            Event::TableDone { .. } | Event::Compared { .. } => {
                self.end_table(&mut state);
                self.say(event);
            }
            Event::RunDone { .. } => self.end_table(&mut state),
            Event::RunStarted { .. } | Event::Note(_) | Event::Warning(_) | Event::Retrying { .. } => {
                self.say(event)
            }
        }
    }
}

fn show(bar: &ProgressBar, pace: &Pace, now: Duration) {
    bar.set_position(pace.steps());
    bar.set_message(pace.text(now));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::testing::{Hand, window};

    #[test]
    fn a_table_and_its_window_are_drawn_and_cleared() {
        let clock = Hand::shared();
        let bars = Bars::on(clock.clone(), ProgressDrawTarget::hidden());
        let (table, window) = ("T", window());
        bars.event(Event::TableStarted {
            table,
            windows: 1,
            rows_done: 0,
            rows_expected: Some(200),
        });
        bars.event(Event::WindowStarted { table, window });
        clock.advance(Duration::from_secs(2));
        bars.event(Event::ChunkVerified {
            table,
            window,
            ordinal: 0,
            row_count: 100,
            byte_count: 1,
            dates: (0.0, 0.5),
        });
        let state = bars.state.lock().unwrap();
        assert_eq!(state.windows[&window].0.message(), "100 rows");
        let table_bar = &state.table.as_ref().unwrap().0;
        assert_eq!((table_bar.position(), table_bar.length()), (100, Some(200)));
        assert_eq!(
            table_bar.message(),
            "100 of about 200 rows, 0 of 1 windows, 50 rows/s, ETA 2.0 s"
        );
        drop(state);
        bars.event(Event::WindowDone {
            table,
            window,
            rows: 100,
        });
        bars.event(Event::TableDone {
            table,
            rows: 100,
            elapsed: Duration::from_secs(2),
        });
        let state = bars.state.lock().unwrap();
        assert!(state.table.is_none() && state.windows.is_empty());
    }
}
