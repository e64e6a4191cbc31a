//! What stands, what is missing, and what the next run does, as sentences. Terminal and page share them.

use super::condition::Condition;
use super::facts::{PassStatus, RunStatus, Status, TableStatus, WindowStatus};
use super::faults::{months, of_table, reconcile_line};
use crate::base::text::{counted, rows, thousands};
use crate::checkpoint::{Pass, Tombstone};
use crate::model::window::Window;

/// The most tables that a line names.
const NAMED_MAX: usize = 5;

/// What is verified of all tables.
pub(crate) fn totals(status: &Status) -> String {
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
pub(crate) fn missing(status: &Status) -> Vec<String> {
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

/// The tables that the last run that came to them could not finish.
pub(crate) fn refused(status: &Status) -> Vec<String> {
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

/// The command that repairs the chunks that a comparison found to differ.
pub(crate) fn repairing(source: bool) -> &'static str {
    if source {
        "`sync reconcile --source --repair`"
    } else {
        "`sync reconcile --repair`"
    }
}

/// The line about a `forget` that was interrupted. Its database may not be the target any more.
pub(crate) fn being_forgotten(tombstone: &Tombstone) -> String {
    let month = tombstone
        .month
        .map_or_else(String::new, |month| format!(", {}", month.format("%Y-%m")));
    let (place, run) = match &tombstone.database {
        Some(database) => (format!(" in database {}", database.name), "run into it"),
        None => (String::new(), "run"),
    };
    format!(
        "{}{month}: is being forgotten{place}; the next {run} finishes that",
        tombstone.table
    )
}

/// What there is to say of tables beside their states.
pub(crate) fn notes(status: &Status) -> Vec<String> {
    let mut lines = Vec::new();
    for table in &status.tables {
        lines.extend(table.notes.iter().cloned());
        if table.unfollowed > 0 {
            lines.push(format!(
                "{}: {} left the target and could not be followed; `{}` finds them",
                table.name,
                rows(table.unfollowed),
                reconcile_line(true, true, &table.name)
            ));
        }
    }
    lines.extend(status.forgetting.iter().map(being_forgotten));
    lines
}

/// What a run does with windows, beside new dates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Task {
    /// It loads stale chunks again.
    LoadAgain,
    /// It retries a window that failed.
    RetryFailed,
    /// It retries a window that was mismatched.
    RetryMismatched,
    /// It finishes a window that was begun.
    Resume,
    /// It adds to an open window.
    AddTo,
}

impl Task {
    /// All of them, in the order in which they are told.
    pub(crate) const ALL: [Task; 5] = [
        Task::LoadAgain,
        Task::RetryFailed,
        Task::RetryMismatched,
        Task::Resume,
        Task::AddTo,
    ];

    /// Whether a window has it to be done.
    pub(crate) fn is_of(self, window: &WindowStatus) -> bool {
        match self {
            Task::LoadAgain => window.counts.stale > 0,
            Task::RetryFailed => window.state == Condition::Failed,
            Task::RetryMismatched => window.state == Condition::Mismatched,
            Task::Resume => window.state == Condition::Planned,
            Task::AddTo => window.state == Condition::Open,
        }
    }

    /// What it is of these windows: `retries 2 failed windows`.
    pub(crate) fn text(self, windows: &[&WindowStatus]) -> String {
        let count = windows.len() as u64;
        match self {
            Task::LoadAgain => {
                let stale = windows.iter().map(|window| window.counts.stale).sum();
                format!("loads {} again", counted(stale, "stale chunk"))
            }
            Task::RetryFailed => format!("retries {}", counted(count, "failed window")),
            Task::RetryMismatched => format!("retries {}", counted(count, "mismatched window")),
            Task::Resume => format!("resumes {}", counted(count, "unfinished window")),
            Task::AddTo => format!("adds to {}", counted(count, "open window")),
        }
    }
}

/// What a run does beside new dates: it loads stale chunks again, retries what failed, and finishes what was begun.
pub(crate) fn next_run(status: &Status) -> Option<String> {
    if status.running().is_some() {
        // What is going may do it yet.
        return None;
    }
    let mut parts = Vec::new();
    for task in Task::ALL {
        let tables = status.tables.iter();
        let places = tables.flat_map(|table| table.windows.iter().map(move |window| (table, window)));
        let places: Vec<_> = places.filter(|(_, window)| task.is_of(window)).collect();
        let windows: Vec<&WindowStatus> = places.iter().map(|(_, window)| *window).collect();
        if !windows.is_empty() {
            parts.push(format!("{} ({})", task.text(&windows), places_of(&places)));
        }
    }
    (!parts.is_empty()).then(|| format!("The next run {}", parts.join("; ")))
}

/// The windows by table: `SALES 2025-10 to 2025-11 (2 months), PAYMENT 2025-10`.
fn places_of(places: &[(&TableStatus, &WindowStatus)]) -> String {
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

/// The dates that a run was asked for, in words.
pub(crate) fn dates_of(status: &Status, run: &RunStatus) -> String {
    let range = status.dates_of(run);
    range.map_or_else(|| "reference tables".to_owned(), |range| range.to_string())
}

/// What a pass compares: `at the target, only SALES, 2025-10-01 to 2025-10-31`.
pub(crate) fn subject_of(pass: &Pass) -> String {
    let ends = match pass.source {
        true => "with the source",
        false => "at the target",
    };
    let tables = pass.scope.tables.as_ref();
    let tables = tables.map_or_else(String::new, |tables| format!(", only {}", tables.join(", ")));
    let range = pass
        .scope
        .range
        .map_or_else(String::new, |range| format!(", {range}"));
    format!("{ends}{tables}{range}")
}

/// What a pass came to, and what became of it since.
pub(crate) fn outcome_of(status: &PassStatus) -> String {
    let pass = &status.pass;
    let outcome = match (pass.ended_at, status.differing()) {
        (None, _) => "and is unfinished; the same command resumes it".to_owned(),
        (Some(_), 0) if pass.same + pass.repaired + pass.differing == 0 => {
            "and nothing was compared".to_owned()
        }
        (Some(_), 0) => format!(
            "{} compared, none differs",
            counted(pass.same + status.repaired_since(), "chunk")
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
    let since = match status.repaired_since() {
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
    format!("{outcome}{repaired}{since}{left_out}")
}
