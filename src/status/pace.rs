//! How the source is read, in words: its hours, what reads wait for, the figures of a run that tells them, and what the
//! governor's last decisions have come to.
//!
//! All but the figures is in the state file, so it is told of a run that does not answer as well. What a process waited for
//! that is gone is not told.

use super::facts::Status;
use crate::base::text::{counted, duration, rows, thousands};
use crate::model::pace::{Action, Cause, Decision, Figures, Signs};
use crate::model::waits::{long, millis};

/// What the governor's last decisions have come to.
#[derive(Debug, Default, PartialEq, Eq)]
struct Decided {
    workers: Option<u64>,
    chunk_rows: Option<u64>,
    pause_ms: Option<u64>,
}

impl Decided {
    fn of<'a>(decisions: impl Iterator<Item = &'a Decision>) -> Decided {
        decisions.fold(Decided::default(), |mut decided, decision| {
            match decision.action {
                Action::Workers { to, .. } => decided.workers = Some(to as u64),
                Action::ChunkRows { to, .. } => decided.chunk_rows = Some(to),
                Action::PauseMs { to, .. } => decided.pause_ms = Some(to),
                _ => {}
            }
            decided
        })
    }

    fn text(&self) -> Option<String> {
        let workers = self.workers.map(|count| counted(count, "worker"));
        let chunks = self
            .chunk_rows
            .map(|most| format!("chunks of at most {}", rows(most)));
        let pause = self.pause_ms.filter(|ms| *ms > 0);
        let pause = pause.map(|ms| format!("a pause of {} between reads", millis(ms)));
        let parts: Vec<String> = workers.into_iter().chain(chunks).chain(pause).collect();
        (!parts.is_empty()).then(|| parts.join(", "))
    }
}

impl Status {
    /// The decisions of the run that is going.
    fn decided_now(&self) -> Decided {
        let started_at = self.running().map(|run| run.record.started_at);
        let of_it = |decision: &&Decision| started_at.is_some_and(|started_at| decision.at >= started_at);
        Decided::of(self.pace.decisions.iter().filter(of_it))
    }
}

/// The lines about a run that is going, or another command that waits.
pub(crate) fn of_work(status: &Status) -> Vec<String> {
    let pace = &status.pace;
    let mut lines = Vec::new();
    lines.extend(status.held().map(|hold| {
        // The end of a wait has the name of the time zone, if it has an end.
        let since = match hold.until {
            Some(_) => pace.wall.time(hold.since, pace.now),
            None => pace.wall.named(hold.since, pace.now),
        };
        let who = match status.running() {
            Some(_) => "",
            None => "another command: ",
        };
        format!("{who}since {since}, {}", long(hold, pace.wall, pace.now))
    }));
    match &status.figures {
        Some(figures) => lines.extend(of_figures(figures)),
        None => lines.extend(
            status
                .decided_now()
                .text()
                .map(|text| format!("by the governor's last decisions: {text}")),
        ),
    }
    lines
}

/// The line about the hours of the source, if it has some.
pub(crate) fn of_hours(status: &Status) -> Option<String> {
    let pace = &status.pace;
    let hours = pace.hours.as_ref()?;
    let ignored = match status
        .figures
        .as_ref()
        .is_some_and(|figures| figures.ignores_hours)
    {
        true => "; this run ignores them",
        false => "",
    };
    Some(format!(
        "Hours of the source: {}{ignored}",
        hours.sentence(pace.now)
    ))
}

/// The figures of a run that is going.
fn of_figures(figures: &Figures) -> Vec<String> {
    let at_most = figures
        .rows_per_second
        .map_or_else(String::new, |most| format!(" of at most {}", thousands(most)));
    let read = format!(
        "reads {}{at_most} rows/s, {} of {} under way, {} to the source",
        thousands(figures.rows_read_per_second.round() as u64),
        figures.reading,
        counted(figures.workers as u64, "read"),
        counted(figures.connections as u64, "connection")
    );
    let workers = match figures.workers < figures.max_workers {
        true => format!(
            "{} (max_workers {}), ",
            counted(figures.workers as u64, "worker"),
            figures.max_workers
        ),
        false => String::new(),
    };
    let chunks = match figures.chunk_rows < figures.chunk_rows_max {
        true => format!(
            "chunks of at most {} (chunk_rows {})",
            rows(figures.chunk_rows),
            thousands(figures.chunk_rows_max)
        ),
        false => format!("chunks of at most {}", rows(figures.chunk_rows)),
    };
    let pause = match figures.pause_ms {
        0 => String::new(),
        ms => format!(", a pause of {} between reads", millis(ms)),
    };
    let signs = figures
        .signs
        .as_ref()
        .map(of_signs)
        .filter(|text| !text.is_empty());
    let mut lines = vec![read, format!("{workers}{chunks}{pause}")];
    let is_told = figures
        .hold
        .as_ref()
        .is_some_and(|hold| hold.cause == Cause::Pause);
    if figures.is_paused && !is_told {
        lines.push(
            "paused: reads under way end first, and no further one begins; `sync resume` goes on".to_owned(),
        );
    }
    lines.extend(signs.map(|text| format!("the source: {text}")));
    lines
}

/// `12 s behind its primary, 2 requests wait for a lock of this program`.
pub(crate) fn of_signs(signs: &Signs) -> String {
    let kib = |what: &str, kib: Option<u64>| kib.map(|kib| format!("{} KiB to {what}", thousands(kib)));
    let lag = signs.lag.map(|lag| match lag.as_secs() {
        0 => "as new as its primary".to_owned(),
        _ => format!("{} behind its primary", duration(lag)),
    });
    let disk = |what: &str, ms: Option<f64>| ms.map(|ms| format!("{ms:.0} ms a {what}"));
    let waits = |count: Option<u64>, what: &str| {
        count
            .filter(|count| *count > 0)
            .map(|count| format!("{} {what}", counted(count, "request")))
    };
    let parts = [
        lag,
        kib("redo", signs.redo_queue_kib.filter(|kib| *kib > 0)),
        kib("send", signs.send_queue_kib.filter(|kib| *kib > 0)),
        disk("page read", signs.page_read_ms),
        disk("log write", signs.log_write_ms),
        waits(signs.blocked_by_us, "blocked by this program"),
        waits(signs.starved, "without a thread or memory"),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}
