//! The status as text: the grid, and below it the totals, what is missing, what runs, and what the next run does.

use chrono::{DateTime, Utc};

use super::grid::grid;
use super::pace::indented;
use crate::cli::screen::Screen;
use crate::status::{
    PassStatus, RunStatus, Status, account_line, dates_of, missing, next_run, notes, of_hours, outcome_of,
    refused, subject_of, totals,
};

/// All of the status for people.
pub(super) fn text(status: &Status, screen: &Screen) -> String {
    let mut text = grid(status, screen);
    if !text.is_empty() {
        text.push('\n');
    }
    for line in lines(status) {
        text.push_str(&screen.prose(&line));
    }
    text
}

/// The lines below the grid.
pub(super) fn lines(status: &Status) -> Vec<String> {
    let mut lines = vec![totals(status)];
    lines.extend(missing(status));
    lines.extend(refused(status));
    lines.extend(notes(status));
    if let Some(run) = &status.run {
        lines.extend(last_run(status, run));
    }
    lines.extend(indented(status));
    lines.extend(of_hours(status));
    lines.extend(next_run(status));
    lines.extend(status.passes.iter().map(of_pass));
    lines
}

fn at(time: DateTime<Utc>) -> String {
    time.format("%Y-%m-%d %H:%M:%S UTC").to_string()
}

fn last_run(status: &Status, run: &RunStatus) -> Vec<String> {
    let record = &run.record;
    let word = if run.running { "Running" } else { "Last run" };
    let dates = dates_of(status, run);
    let mut text = format!(
        "{word}: {dates}, started {} as process {} on {}",
        at(record.started_at),
        record.pid,
        record.host
    );
    match (record.ended_at, record.exit_code) {
        (Some(ended), Some(code)) if record.is_stopped() => text.push_str(&format!(
            ", was stopped, ended {} with exit code {code}",
            at(ended)
        )),
        (Some(ended), Some(code)) => text.push_str(&format!(", ended {} with exit code {code}", at(ended))),
        _ if run.running => {}
        _ => text.push_str(", was killed or crashed; run again to resume"),
    }
    let mut lines = vec![text];
    if let Some(progress) = status.progress() {
        lines.push(format!("  {}", progress.text()));
    }
    let account = run.account.as_ref().map(account_line).unwrap_or_default();
    if !account.is_empty() {
        lines.push(format!("  {account}"));
    }
    if let Some(error) = &record.error {
        lines.push(format!("  {error}"));
    }
    if let Some(waiting) = &run.waiting {
        lines.push(format!(
            "  waiting since {}, next try {}: {}",
            at(waiting.since),
            at(waiting.next_try_at),
            waiting.error
        ));
    }
    lines
}

fn of_pass(status: &PassStatus) -> String {
    let pass = &status.pass;
    let (subject, at) = (subject_of(pass), at(pass.started_at));
    format!("Reconcile {subject}: began at {at}, {}", outcome_of(status))
}
