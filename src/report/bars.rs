//! Draws a run as bars on a terminal: one for the current table, with its share, rows/s and ETA, and one for each window.
//!
//! Whatever else is written while they are drawn goes through them, or the next drawing would cover it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use console::Term;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle, TermLike};

use super::pace::Pace;
use super::told::Teller;
use crate::base::clock::SharedClock;
use crate::base::program;
use crate::base::terminal;
use crate::base::text::{rows, wrapped};
use crate::model::window::Window;
use crate::progress::{Event, Progress};

/// The bars are drawn anew even if no event arrives: the rate and the wait for a server change with time.
const TICK: Duration = Duration::from_millis(250);

/// A line that fills the last column makes some terminals begin another.
const SPARE_COLUMNS: usize = 1;

/// The terminal that the bars are drawn on.
type Screen = Arc<dyn TermLike + Send + Sync>;

/// Draws the bars of a run on stderr.
pub struct Bars {
    clock: SharedClock,
    term: Screen,
    drawn: MultiProgress,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    teller: Teller,
    table: Option<(ProgressBar, Arc<Mutex<Pace>>)>,
    windows: HashMap<Window, (ProgressBar, u64)>,
    /// The bar of the table in comparison, and its rows compared so far.
    comparing: Option<(ProgressBar, u64)>,
    is_stopping: bool,
}

impl Bars {
    /// Draws on stderr.
    pub fn stderr(clock: SharedClock) -> Self {
        Bars::on(clock, ProgressDrawTarget::stderr(), Arc::new(Term::stderr()))
    }

    fn on(clock: SharedClock, target: ProgressDrawTarget, term: Screen) -> Self {
        Bars {
            clock,
            term,
            drawn: MultiProgress::with_draw_target(target),
            state: Mutex::new(State::default()),
        }
    }

    fn width(&self) -> usize {
        usize::from(self.term.width()).saturating_sub(SPARE_COLUMNS)
    }

    /// Prints the permanent lines of an event above the bars.
    fn say(&self, state: &mut State, event: Event<'_>) {
        for line in state.teller.tell(event, self.clock.now()) {
            let line = wrapped(&program::named(&line), self.width(), "  ");
            // A closed terminal must not end a working run.
            let _ = self.drawn.println(line);
        }
    }

    /// The bar of a table: one line that is made anew for each drawing.
    fn table_bar(&self, table: &str, pace: Pace) -> (ProgressBar, Arc<Mutex<Pace>>) {
        let pace = Arc::new(Mutex::new(pace));
        let (name, shared) = (table.to_owned(), Arc::clone(&pace));
        let (clock, term) = (SharedClock::clone(&self.clock), Arc::clone(&self.term));
        let line = move |_: &ProgressState, out: &mut dyn std::fmt::Write| {
            let width = usize::from(term.width()).saturating_sub(SPARE_COLUMNS);
            let line = locked(&shared).line(&name, clock.monotonic(), width);
            let _ = out.write_str(&line);
        };
        let style = ProgressStyle::with_template("{line}")
            .expect("the template is well formed")
            .with_key("line", line);
        let bar = self.add(style);
        redraw(&bar);
        (bar, pace)
    }

    /// The bar of what has no known length: an invented one would mislead.
    fn bar(&self, prefix: String) -> ProgressBar {
        let style = ProgressStyle::with_template("{prefix} {spinner} {wide_msg}")
            .expect("the template is well formed");
        let bar = self.add(style);
        bar.set_prefix(prefix);
        bar
    }

    fn add(&self, style: ProgressStyle) -> ProgressBar {
        let bar = self.drawn.add(ProgressBar::new(0).with_style(style));
        bar.enable_steady_tick(TICK);
        bar
    }

    /// Moves the cursor back to where the bars have left it. A terminal shows `^C` behind the last bar, which fills its
    /// line: so the cursor is a line below, and the next drawing would leave the first bar behind, dead.
    fn step_back(&self) {
        let _ = self
            .term
            .write_str("\r")
            .and_then(|()| self.term.clear_line())
            .and_then(|()| self.term.move_cursor_up(1))
            .and_then(|()| self.term.flush());
    }

    /// Shows on the bars what reads of the source wait for, and their ceiling.
    fn show_hold(&self, state: &mut State, now: Duration) {
        let held = state.teller.held(self.clock.now());
        paced(state, |pace| {
            pace.held(now, held.as_deref());
            pace.paced(state.teller.at_most());
        });
        if let Some((bar, count)) = state.comparing.as_ref().filter(|_| !state.is_stopping) {
            bar.set_message(held.unwrap_or_else(|| format!("{} compared", rows(*count))));
        }
    }

    fn stop(&self, state: &mut State) {
        state.is_stopping = true;
        paced(state, Pace::stops);
        for (bar, _) in state.windows.values().chain(&state.comparing) {
            bar.set_message("stopping");
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Does something with the pace of the current table, if there is one. The lock is not kept: a drawing takes it.
fn paced(state: &State, with: impl FnOnce(&mut Pace)) {
    if let Some((bar, pace)) = &state.table {
        with(&mut locked(pace));
        redraw(bar);
    }
}

/// Draws a bar whose line is made anew. A bar that ticks by itself ignores `tick`, and draws for a new message.
fn redraw(bar: &ProgressBar) {
    bar.set_message("");
}

fn end_table(state: &mut State) {
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

impl Progress for Bars {
    fn event(&self, event: Event<'_>) {
        let now = self.clock.monotonic();
        let mut state = locked(&self.state);
        let state = &mut *state;
        match event {
            Event::TableStarted {
                table,
                windows,
                rows_done,
                rows_expected,
            } => {
                end_table(state);
                let mut pace = Pace::start(now, windows, rows_done, rows_expected);
                if state.is_stopping {
                    pace.stops();
                }
                pace.held(now, state.teller.held(self.clock.now()).as_deref());
                pace.paced(state.teller.at_most());
                state.table = Some(self.table_bar(table, pace));
                // The bar tells what there is to do.
                let _ = state.teller.tell(event, self.clock.now());
                return;
            }
            Event::WindowStarted { window, .. } => {
                paced(state, |pace| pace.window_begins(window));
                state.windows.insert(window, (self.bar(format!("  {window}")), 0));
            }
            Event::ChunkVerified {
                window,
                row_count,
                dates,
                ..
            } => {
                let is_stopping = state.is_stopping;
                if let Some((bar, count)) = state.windows.get_mut(&window) {
                    *count += row_count;
                    if !is_stopping {
                        bar.set_message(rows(*count));
                    }
                }
                paced(state, |pace| pace.add(now, window, row_count, dates));
            }
            Event::WindowDone { window, .. } | Event::WindowFailed { window, .. } => {
                if let Some((bar, _)) = state.windows.remove(&window) {
                    bar.finish_and_clear();
                }
                paced(state, |pace| pace.window_over(window));
                if matches!(event, Event::WindowDone { .. }) {
                    return;
                }
            }
            Event::Comparing { table } => {
                end_table(state);
                let bar = self.bar(table.to_owned());
                let held = state.teller.held(self.clock.now());
                bar.set_message(held.unwrap_or_else(|| "comparing".to_owned()));
                state.comparing = Some((bar, 0));
            }
            Event::ChunkCompared { row_count, .. } => {
                let is_stopping = state.is_stopping;
                if let Some((bar, count)) = state.comparing.as_mut().filter(|_| !is_stopping) {
                    *count += row_count;
                    bar.set_message(format!("{} compared", rows(*count)));
                }
            }
            Event::Retrying {
                wait, away, error, ..
            } => {
                if away.is_some() {
                    paced(state, |pace| pace.waits(now, wait, error.end()));
                }
            }
            Event::Back { .. } => paced(state, |pace| pace.back(now)),
            Event::Stopping { typed } => {
                if typed && terminal::shows_interrupts() {
                    self.step_back();
                }
                self.stop(state);
            }
            Event::TableDone { .. } | Event::Compared { .. } | Event::RunDone { .. } => end_table(state),
            Event::Accounted { .. } => return,
            Event::Held { .. } | Event::Released { .. } | Event::Paced { .. } => {
                self.say(state, event);
                self.show_hold(state, now);
                return;
            }
            Event::Wall(_)
            | Event::Decided { .. }
            | Event::RunStarted { .. }
            | Event::Note(_)
            | Event::Warning(_) => {}
        }
        self.say(state, event);
    }

    fn close(&self) {
        end_table(&mut locked(&self.state));
    }
}

#[cfg(test)]
mod tests {
    use indicatif::InMemoryTerm;

    use super::*;
    use crate::base::error::{Error, ErrorKind};
    use crate::model::pace::Cause;
    use crate::progress::{Stages, TableSummary};
    use crate::report::testing::{Hand, holds, wall, window};

    const TABLE: &str = "APP_4_SALES";

    /// Bars on a terminal of this width, which is drawn at once.
    fn bars(columns: u16) -> (Arc<Hand>, InMemoryTerm, Bars) {
        let clock = Hand::shared();
        let term = InMemoryTerm::new(20, columns);
        let target = ProgressDrawTarget::term_like(Box::new(term.clone()));
        let bars = Bars::on(clock.clone(), target, Arc::new(term.clone()));
        (clock, term, bars)
    }

    fn begin(bars: &Bars) {
        bars.event(Event::TableStarted {
            table: TABLE,
            windows: 2,
            rows_done: 0,
            rows_expected: None,
        });
        bars.event(Event::WindowStarted {
            table: TABLE,
            window: window(),
        });
    }

    fn chunk() -> Event<'static> {
        Event::ChunkVerified {
            table: TABLE,
            window: window(),
            ordinal: 0,
            row_count: 100,
            byte_count: 1,
            dates: (0.0, 0.5),
            stages: Stages::default(),
        }
    }

    /// What the terminal shows, the frames of the spinner replaced.
    fn screen(term: &InMemoryTerm) -> String {
        let is_spinner = |c: char| "⠁⠂⠄⡀⢀⠠⠐⠈".contains(c);
        term.contents().replace(is_spinner, "*")
    }

    #[test]
    fn a_table_and_its_window_are_drawn_and_cleared() {
        let (clock, term, bars) = bars(80);
        begin(&bars);
        clock.advance(Duration::from_secs(2));
        bars.event(chunk());
        let shown = screen(&term);
        assert!(
            shown.contains("APP_4_SALES [====>           ]  25 %  100 rows, 50 rows/s, ETA 6.0 s"),
            "{shown}"
        );
        assert!(shown.contains("2025-10 * 100 rows"), "{shown}");
        assert!(shown.lines().all(|line| line.chars().count() < 80), "{shown}");
        bars.event(Event::WindowDone {
            table: TABLE,
            window: window(),
            rows: 100,
        });
        bars.event(Event::TableDone {
            summary: &TableSummary {
                name: TABLE.to_owned(),
                rows_loaded: 100,
                ..TableSummary::default()
            },
            elapsed: Duration::from_secs(2),
        });
        assert_eq!(
            screen(&term).trim_end(),
            "APP_4_SALES: 100 rows in 2.0 s, 50 rows/s"
        );
    }

    #[test]
    fn an_outage_is_on_the_bar() {
        let (clock, term, bars) = bars(100);
        begin(&bars);
        clock.advance(Duration::from_secs(2));
        bars.event(chunk());
        let error = Error::new(ErrorKind::Connection, "Nobody listens").at_end("source");
        bars.event(Event::Retrying {
            table: TABLE,
            window: None,
            attempt: 3,
            wait: Duration::from_secs(6),
            away: Some(Duration::from_secs(2)),
            error: &error,
        });
        let shown = screen(&term);
        assert!(shown.contains("waiting 6 s for the source"), "{shown}");
        bars.event(Event::Back {
            away: Duration::from_secs(8),
        });
        let shown = screen(&term);
        assert!(!shown.contains("waiting"), "{shown}");
        assert!(shown.contains("back after 8.0 s"), "{shown}");
    }

    /// The terminal shows `^C` behind the last bar, and with it moves the cursor to another line.
    #[test]
    fn an_interrupt_is_told_above_the_bars_and_leaves_none_behind() {
        for typed in [false, true] {
            let (clock, term, bars) = bars(80);
            begin(&bars);
            clock.advance(Duration::from_secs(2));
            bars.event(chunk());
            if typed {
                term.write_str("^C").unwrap();
                bars.step_back();
            }
            bars.event(Event::Stopping { typed: false });
            let shown = screen(&term);
            let lines: Vec<&str> = shown.lines().collect();
            assert_eq!(lines.len(), 3, "{shown}");
            assert!(
                lines[0].starts_with("stopping: chunks in flight are finished"),
                "{shown}"
            );
            assert!(
                lines[1].starts_with(TABLE) && lines[1].contains("stopping"),
                "{shown}"
            );
            assert_eq!(lines[2], "  2025-10 * stopping", "{shown}");
            // The chunk in flight is finished, and the bars still say so.
            bars.event(chunk());
            assert!(screen(&term).contains("2025-10 * stopping"), "{}", screen(&term));
            bars.close();
            assert_eq!(screen(&term).lines().count(), 1, "{}", screen(&term));
        }
    }

    #[test]
    fn a_paced_a_waiting_and_a_paused_run() {
        let mut shown = String::new();
        for columns in [80, 160] {
            let (clock, term, bars) = bars(columns);
            bars.event(Event::Wall(wall()));
            bars.event(Event::Paced {
                rows_per_second: Some(5_000),
            });
            begin(&bars);
            clock.advance(Duration::from_secs(2));
            bars.event(chunk());
            let table = |shown: &mut String| {
                let screen = screen(&term);
                let line = screen.lines().find(|line| line.starts_with("APP_4_SALES ["));
                let line = line.unwrap_or_default().to_owned();
                assert!(line.chars().count() < usize::from(columns), "{line}");
                shown.push_str(&format!("{line}\n"));
            };
            table(&mut shown);
            for hold in holds() {
                bars.event(Event::Held { hold: &hold });
                table(&mut shown);
            }
            bars.event(Event::Released {
                cause: Cause::Lag,
                waited: Duration::from_secs(30),
            });
            // Nothing was read meanwhile, and that tells no rate.
            table(&mut shown);
            // A table that begins during a wait shows it as well.
            bars.event(Event::Held { hold: &holds()[0] });
            begin(&bars);
            table(&mut shown);
        }
        insta::assert_snapshot!(shown, @r"
        APP_4_SALES [====>           ]  25 %  50 of at most 5,000 rows/s, ETA 6.0 s
        APP_4_SALES [==>       ]  25 %  waiting until 22:00 for the source's hours
        APP_4_SALES [====>           ]  25 %  100 rows, 0 of 2 windows, paused
        APP_4_SALES [====>           ]  25 %  100 rows, the replica is 95 s behind
        APP_4_SALES [====>           ]  25 %  100 rows, at most 5,000 rows/s
        APP_4_SALES [>         ]   0 %  waiting until 22:00 for the source's hours
        APP_4_SALES [======>                 ]  25 %  100 rows, 0 of 2 windows, 50 of at most 5,000 rows/s, ETA 6.0 s
        APP_4_SALES [======>                 ]  25 %  100 rows, 0 of 2 windows, waiting until 22:00 for the source's hours
        APP_4_SALES [======>                 ]  25 %  100 rows, 0 of 2 windows, paused
        APP_4_SALES [======>                 ]  25 %  100 rows, 0 of 2 windows, the replica is 95 s behind
        APP_4_SALES [======>                 ]  25 %  100 rows, 0 of 2 windows, at most 5,000 rows/s
        APP_4_SALES [>                       ]   0 %  0 rows, 0 of 2 windows, waiting until 22:00 for the source's hours
        ");
    }

    #[test]
    fn a_comparison_that_waits_says_so_in_its_place() {
        let (_, term, bars) = bars(80);
        bars.event(Event::Wall(wall()));
        bars.event(Event::Comparing { table: TABLE });
        bars.event(Event::Held { hold: &holds()[0] });
        let shown = screen(&term);
        assert!(
            shown.contains("APP_4_SALES * waiting until 22:00 for the source's hours"),
            "{shown}"
        );
        bars.event(Event::Released {
            cause: Cause::Hours,
            waited: Duration::from_secs(3_600),
        });
        let shown = screen(&term);
        assert!(shown.contains("APP_4_SALES * 0 rows compared"), "{shown}");
        assert!(
            shown.contains("the source is read again: waited 1 h 00 min for its hours"),
            "{shown}"
        );
    }
}
