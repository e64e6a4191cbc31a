//! `sync status --watch` draws the status again and again: in place on a terminal, until it is interrupted; one below the
//! other elsewhere, while a run is going. It asks no server.

use std::collections::VecDeque;
use std::time::Duration;

use chrono::{DateTime, Utc};
use console::Term;

use super::text::text;
use crate::base::error::{Error, ErrorKind, Result};
use crate::base::exit_code::ExitCode;
use crate::base::text::{duration, rows};
use crate::cli::context::Context;
use crate::cli::screen::{Screen, Tone};
use crate::cli::signals::interrupted;
use crate::status::{Progress, Status};

/// The time that a rate is taken over.
const RATE_OVER: Duration = Duration::from_secs(60);

/// Draws a frame each `period`, from what `read` finds, until the process is interrupted or nobody reads on; where no terminal
/// is, until no run is going.
pub(super) async fn watch(
    context: &Context,
    period: Duration,
    read: impl AsyncFn() -> Result<Status>,
) -> Result<ExitCode> {
    let frames = async {
        let term = Term::buffered_stdout();
        let mut pace = Pace::default();
        let mut drawn = 0;
        loop {
            let status = read().await?;
            let screen = context.screen.measured_again();
            pace.add(context.clock.monotonic(), status.totals().rows);
            let frame = frame(&status, &screen, &pace, (context.clock.now(), period));
            match draw(&term, &screen, &frame, &mut drawn) {
                Ok(()) => {}
                Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => return Ok(ExitCode::Done),
                Err(error) => {
                    let text = "Cannot write the status to stdout";
                    return Err(Error::new(ErrorKind::Internal, text).with_source(error));
                }
            }
            // What a pipe is read from ends with the run.
            if screen.width.is_none() && status.running().is_none() {
                return Ok(ExitCode::Done);
            }
            context.clock.sleep(period).await;
        }
    };
    tokio::select! {
        ended = frames => ended,
        _ = interrupted() => Ok(ExitCode::Done),
    }
}

/// Writes a frame over the `drawn` lines of the last one.
fn draw(term: &Term, screen: &Screen, frame: &str, drawn: &mut usize) -> std::io::Result<()> {
    if screen.width.is_none() {
        term.write_str(&format!("{frame}\n"))?;
        return term.flush();
    }
    term.move_cursor_up(*drawn)?;
    term.clear_to_end_of_screen()?;
    let frame = within(frame, screen.height);
    *drawn = frame.lines().count();
    term.write_str(&frame)?;
    term.flush()
}

/// The frame in the lines of a screen: what goes beyond it could not be drawn over.
fn within(frame: &str, height: Option<usize>) -> String {
    let lines: Vec<&str> = frame.lines().collect();
    let most = height.unwrap_or(usize::MAX).saturating_sub(1).max(1);
    if lines.len() <= most {
        return frame.to_owned();
    }
    let shown = lines[..most - 1].join("\n");
    let left = lines.len() - (most - 1);
    format!("{shown}\n… {left} more lines: a higher window shows them, --tables shows fewer tables\n")
}

/// The rows that were verified at the last frames.
#[derive(Debug, Default)]
struct Pace {
    samples: VecDeque<(Duration, u64)>,
}

impl Pace {
    fn add(&mut self, now: Duration, rows: u64) {
        self.samples.push_back((now, rows));
        // The first one is from a minute ago, or the oldest that there is.
        while self
            .samples
            .get(1)
            .is_some_and(|(at, _)| now.saturating_sub(*at) >= RATE_OVER)
        {
            self.samples.pop_front();
        }
    }

    /// Rows a second; `None` of one frame.
    fn rows_per_second(&self) -> Option<f64> {
        let (since, before) = self.samples.front()?;
        let (now, after) = self.samples.back()?;
        let seconds = now.saturating_sub(*since).as_secs_f64();
        (seconds > 0.0).then(|| after.saturating_sub(*before) as f64 / seconds)
    }
}

fn frame(status: &Status, screen: &Screen, pace: &Pace, (now, period): (DateTime<Utc>, Duration)) -> String {
    let head = format!(
        "Every {} s, Ctrl-C ends: {}",
        period.as_secs(),
        now.format("%Y-%m-%d %H:%M:%S UTC")
    );
    let text = text(status, screen);
    let going = match status.running() {
        None => screen.prose("No run is going."),
        // The lines above say what is waited for; a rate of nothing says less.
        Some(_) if status.held().is_some() => String::new(),
        Some(_) => screen.prose(&rate(pace.rows_per_second(), status.progress().as_ref())),
    };
    format!("{}\n\n{text}{going}", screen.paint(&head, Tone::Faint))
}

/// The rate, and the time that the table still takes at this rate.
fn rate(per_second: Option<f64>, progress: Option<&Progress<'_>>) -> String {
    let Some(per_second) = per_second else {
        return "Rate: not known yet".to_owned();
    };
    let mut text = format!("Rate: {}/s over the last minute", rows(per_second.round() as u64));
    let left = progress.and_then(|progress| progress.left(per_second));
    if let (Some(progress), Some(left)) = (progress, left) {
        text.push_str(&format!(
            "; {} takes about {} more",
            progress.table,
            duration(left)
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_of_the_last_minute() {
        let mut pace = Pace::default();
        let second = Duration::from_secs;
        assert_eq!(pace.rows_per_second(), None);
        pace.add(second(0), 0);
        assert_eq!(pace.rows_per_second(), None);
        pace.add(second(30), 3_000);
        assert_eq!(pace.rows_per_second(), Some(100.0));
        pace.add(second(60), 6_000);
        pace.add(second(90), 6_000);
        // From the 30th second on.
        assert_eq!(pace.rows_per_second(), Some(50.0));
        pace.add(second(92), 0);
        assert_eq!(
            pace.rows_per_second(),
            Some(0.0),
            "rows that are to be loaded again"
        );
    }

    #[test]
    fn the_rest_of_a_table_is_told_by_the_rate() {
        let progress = Progress {
            table: "SALES",
            number: 3,
            of: 19,
            rows: 440_000,
            rows_expected: Some(455_000),
            chunks: 22,
        };
        assert_eq!(rate(None, Some(&progress)), "Rate: not known yet");
        assert_eq!(
            rate(Some(150.0), Some(&progress)),
            "Rate: 150 rows/s over the last minute; SALES takes about 1 min 40 s more"
        );
        assert_eq!(
            rate(Some(0.0), Some(&progress)),
            "Rate: 0 rows/s over the last minute"
        );
        assert_eq!(rate(Some(1.0), None), "Rate: 1 row/s over the last minute");
    }

    #[test]
    fn a_frame_is_no_higher_than_the_screen() {
        let frame = "1\n2\n3\n4\n5\n";
        assert_eq!(within(frame, Some(6)), frame);
        assert_eq!(within(frame, None), frame);
        assert_eq!(
            within(frame, Some(4)),
            "1\n2\n… 3 more lines: a higher window shows them, --tables shows fewer tables\n"
        );
    }
}
