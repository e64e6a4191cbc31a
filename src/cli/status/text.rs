//! The status as text: the grid, and below it the totals, what is missing, what runs, and what the next run does.

use chrono::{DateTime, Utc};

use super::grid::grid;
use super::pace::{of_hours, of_work};
use crate::base::text::{counted, rows, thousands};
use crate::checkpoint::PassScope;
use crate::cli::account;
use crate::cli::screen::Screen;
use crate::cli::shared::{being_forgotten, repairing};
use crate::model::window::Window;
use crate::progress::last_day;
use crate::status::Condition;
use crate::status::{PassStatus, RunStatus, Status, TableStatus, WindowStatus};
use crate::status::{months, of_table};

/// The most tables that a line names.
const NAMED_MAX: usize = 5;

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
    for table in &status.tables {
        lines.extend(table.notes.iter().cloned());
        if table.unfollowed > 0 {
            lines.push(format!(
                "{}: {} left the target and could not be followed; `sync reconcile --source --repair --tables {}` finds them",
                table.name,
                rows(table.unfollowed),
                table.name
            ));
        }
    }
    let forgetting = status.forgetting.iter().map(being_forgotten);
    lines.extend(forgetting.map(|line| line.trim_end().to_owned()));
    if let Some(run) = &status.run {
        lines.extend(last_run(status, run));
    }
    lines.extend(of_work(status));
    lines.extend(of_hours(status));
    lines.extend(next_run(status));
    lines.extend(status.passes.iter().map(of_pass));
    lines
}

fn totals(status: &Status) -> String {
    let totals = status.totals();
    let chunks = match totals.verified == totals.chunks {
        true => counted(totals.chunks, "chunk"),
        false => format!(
            "{} of {}",
            thousands(totals.verified),
            counted(totals.chunks, "chunk")
        ),
    };
    let windows = || status.tables.iter().flat_map(|table| &table.windows);
    let is_unfinished =
        windows().any(|window| matches!(window.state, Condition::Loading | Condition::Planned));
    // Chunks are not planned ahead, so nobody knows how many there will be.
    let so_far = if is_unfinished { " so far" } else { "" };
    let mut text = format!("Total: {} verified, {chunks}{so_far}", rows(totals.rows));
    for (count, what) in [
        (totals.failed, "failed"),
        (totals.mismatched, "mismatched"),
        (totals.stale, "stale"),
    ] {
        if count > 0 {
            text.push_str(&format!(", {} {what}", thousands(count)));
        }
    }
    text
}

/// What is not loaded: tables, and days of others. Tables of which the same is said are named together.
fn missing(status: &Status) -> Vec<String> {
    let mut said: Vec<(String, Vec<&str>)> = Vec::new();
    for table in &status.tables {
        for what in missing_of(status, table) {
            match said.iter_mut().find(|(known, _)| *known == what) {
                Some((_, names)) => names.push(&table.name),
                None => said.push((what, vec![&table.name])),
            }
        }
    }
    said.iter()
        .map(|(what, names)| format!("Not loaded: {}: {what}", named(names)))
        .collect()
}

fn missing_of(status: &Status, table: &TableStatus) -> Vec<String> {
    let windows = status.not_loaded(table);
    let windows = windows.into_iter().filter(|window| {
        // The run that is going comes to it.
        status.of_not_loaded(table, *window) == Condition::NotLoaded
    });
    let (forgotten, others): (Vec<Window>, Vec<Window>) =
        windows.partition(|window| table.is_forgotten(*window));
    let mut texts = Vec::new();
    if !forgotten.is_empty() {
        texts.push(format!("{} forgotten", months(&forgotten)));
    }
    if table.windows.is_empty() && forgotten.is_empty() && !status.is_asked_now(table) {
        texts.push("nothing is loaded".to_owned());
    } else if !others.is_empty() {
        texts.push(months(&others));
    }
    texts
}

/// `A, B, C, D, E and 14 more`.
fn named(names: &[&str]) -> String {
    let told = names[..names.len().min(NAMED_MAX)].join(", ");
    match names.len().saturating_sub(NAMED_MAX) {
        0 => told,
        more => format!("{told} and {} more", thousands(more as u64)),
    }
}

fn refused(status: &Status) -> Vec<String> {
    let tables = status.tables.iter().filter_map(|table| table.refused.as_ref());
    tables
        .map(|refusal| {
            format!(
                "Refused: {}: {}",
                refusal.table,
                of_table(&refusal.error, &refusal.table)
            )
        })
        .collect()
}

fn at(time: DateTime<Utc>) -> String {
    time.format("%Y-%m-%d %H:%M:%S UTC").to_string()
}

fn last_run(status: &Status, run: &RunStatus) -> Vec<String> {
    let record = &run.record;
    let word = if run.running { "Running" } else { "Last run" };
    let dates = status.dates_of(run).map_or_else(
        || "reference tables".to_owned(),
        |range| format!("{} to {}", range.start, last_day(range)),
    );
    let mut text = format!(
        "{word}: {dates}, started {} as process {} on {}",
        at(record.started_at),
        record.pid,
        record.host
    );
    match (record.ended_at, record.exit_code) {
        (Some(ended), Some(code)) => text.push_str(&format!(", ended {} with exit code {code}", at(ended))),
        _ if run.running => {}
        _ => text.push_str(", was killed or crashed; run again to resume"),
    }
    let mut lines = vec![text];
    if let Some(progress) = status.progress() {
        lines.push(format!("  {}", progress.text()));
    }
    let account = run.account.as_ref().map(account::line).unwrap_or_default();
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

/// What a run does beside new dates: it loads stale chunks again, retries what failed, and finishes what was begun.
fn next_run(status: &Status) -> Option<String> {
    let windows = || {
        let tables = status.tables.iter();
        tables.flat_map(|table| table.windows.iter().map(move |window| (table, window)))
    };
    let in_state = |state: Condition| windows().filter(move |(_, window)| window.state == state);
    let mut parts = Vec::new();
    let stale = status.totals().stale;
    if stale > 0 {
        let places = windows().filter(|(_, window)| window.counts.stale > 0);
        parts.push(format!(
            "loads {} again ({})",
            counted(stale, "stale chunk"),
            places_of(places)
        ));
    }
    for (state, does) in [(Condition::Failed, "retries"), (Condition::Mismatched, "retries")] {
        let count = in_state(state).count() as u64;
        if count > 0 {
            let what = counted(count, &format!("{} window", state.as_str()));
            parts.push(format!("{does} {what} ({})", places_of(in_state(state))));
        }
    }
    let count = in_state(Condition::Planned).count() as u64;
    if count > 0 {
        let places = places_of(in_state(Condition::Planned));
        parts.push(format!(
            "resumes {} ({places})",
            counted(count, "unfinished window")
        ));
    }
    let count = in_state(Condition::Open).count() as u64;
    if count > 0 {
        let places = places_of(in_state(Condition::Open));
        parts.push(format!("adds to {} ({places})", counted(count, "open window")));
    }
    match status.running() {
        // What is going may do it yet.
        Some(_) => None,
        None => (!parts.is_empty()).then(|| format!("The next run {}", parts.join("; "))),
    }
}

/// The windows by table: `SALES 2025-10 to 2025-11 (2 months), PAYMENT 2025-10`.
fn places_of<'a>(places: impl Iterator<Item = (&'a TableStatus, &'a WindowStatus)>) -> String {
    let mut tables: Vec<(&str, Vec<Window>)> = Vec::new();
    for (table, window) in places {
        match tables.last_mut() {
            Some((name, windows)) if *name == table.name => windows.push(window.window),
            _ => tables.push((&table.name, vec![window.window])),
        }
    }
    let texts: Vec<String> = tables
        .iter()
        .map(|(name, windows)| format!("{name} {}", months(windows)))
        .collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    named(&texts)
}

fn of_pass(status: &PassStatus) -> String {
    let pass = &status.pass;
    let ends = if pass.source {
        "with the source"
    } else {
        "at the target"
    };
    let outcome = match (pass.ended_at, status.differing()) {
        (None, _) => "and is unfinished; the same command resumes it".to_owned(),
        (Some(_), 0) if pass.same + pass.repaired + pass.differing == 0 => {
            "and nothing was compared".to_owned()
        }
        (Some(_), 0) => format!(
            "{} compared, none differs",
            counted(pass.same + status.repaired_since, "chunk")
        ),
        (Some(_), differing) => format!(
            "{} the same, {} not; {} repairs those that still differ",
            counted(pass.same, "chunk"),
            thousands(differing),
            repairing(pass.source)
        ),
    };
    let repaired = match pass.repaired {
        0 => String::new(),
        1 => "; 1 that differed was repaired".to_owned(),
        count => format!("; {} that differed were repaired", thousands(count)),
    };
    let since = match status.repaired_since {
        0 => String::new(),
        1 => "; 1 that differed was loaded again by a run since".to_owned(),
        count => format!(
            "; {} that differed were loaded again by a run since",
            thousands(count)
        ),
    };
    let left_out = match pass.left_out {
        0 => String::new(),
        count => format!("; {} could not be compared", counted(count, "table")),
    };
    format!(
        "Reconcile {ends}{}: began at {}, {outcome}{repaired}{since}{left_out}",
        of_scope(&pass.scope),
        at(pass.started_at)
    )
}

/// The tables and dates of a pass; empty for all.
fn of_scope(scope: &PassScope) -> String {
    let tables = scope.tables.as_ref();
    let tables = tables.map_or_else(String::new, |tables| format!(", only {}", tables.join(", ")));
    let range = scope.range.map_or_else(String::new, |range| {
        format!(", {} to {}", range.start, last_day(range))
    });
    tables + &range
}
