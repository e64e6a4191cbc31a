//! Reads the facts of `sync status` from the state file.

use super::condition::Condition;
use super::facts::{
    PaceStatus, PassStatus, RunStatus, Status, TableStatus, Unrepaired, WindowDifferences, WindowStatus,
    until, whole_of,
};
use super::findings::findings;
use crate::base::error::Result;
use crate::checkpoint::{Reader, RunRecord, TableRecord, View, WindowRecord, WindowState};
use crate::config::{Config, Mode};
use crate::model::account::Account;
use crate::model::chunk::{Chunk, ChunkState};
use crate::model::plan::AccessPath;
use crate::model::window::{Window, midnight};
use crate::tsql::predicate::instant_of_key;

/// Reads the state file. A readable `config` adds the tables that no run has reached yet. The view is that of the facts:
/// another one of the same reader may be of a later commit.
pub(crate) fn read<'a>(reader: &'a Reader, config: Option<&Config>) -> Result<(Status, View<'a>)> {
    // The lock is read before the records: a run that ends in between then counts as ended.
    let is_written = reader.is_being_written();
    let view = reader.view()?;
    let run = last_run(&view, is_written)?;
    let begun = run.as_ref().map(|run| (&run.record, run.running));
    let mut tables = Vec::new();
    for record in view.tables()? {
        tables.push(table(&view, record, begun)?);
    }
    tables = configured(tables, config);
    for refusal in view.refused()? {
        if let Some(table) = named(&mut tables, &refusal.table) {
            table.refused = Some(refusal);
        }
    }
    for forgotten in view.forgotten()? {
        if let Some(table) = named(&mut tables, &forgotten.table) {
            table.forgotten.push(forgotten.month);
        }
    }
    let mut passes = Vec::new();
    for pass in view.passes()? {
        let found = findings(&view, &pass)?;
        add_differences(&mut tables, pass.source, &found);
        passes.push(PassStatus { pass, found });
    }
    let status = Status {
        is_kept: true,
        tables,
        run,
        figures: None,
        pace: PaceStatus {
            // What a killed process waited for, nobody waits for.
            held: view.held()?.filter(|_| is_written),
            decisions: view.decisions()?,
            ..PaceStatus::default()
        },
        forgetting: view.tombstones()?,
        passes,
    };
    Ok((status, view))
}

/// The tables of a configuration in its order, known or not; those that are no longer configured come last.
pub(crate) fn configured(mut tables: Vec<TableStatus>, config: Option<&Config>) -> Vec<TableStatus> {
    let Some(config) = config else {
        return tables;
    };
    for configured in &config.tables {
        let (mode, is_dated) = (configured.mode.to_string(), configured.mode == Mode::Monthly);
        match tables
            .iter_mut()
            .find(|table| configured.name.same_as(&table.name))
        {
            Some(table) => (table.mode, table.is_dated) = (mode, is_dated),
            None => tables.push(TableStatus {
                name: configured.name.as_str().to_owned(),
                mode,
                is_dated,
                ..TableStatus::default()
            }),
        }
    }
    let place = |table: &TableStatus| config.tables.iter().position(|of| of.name.same_as(&table.name));
    tables.sort_by_key(|table| place(table).unwrap_or(usize::MAX));
    tables
}

fn named<'a>(tables: &'a mut [TableStatus], name: &str) -> Option<&'a mut TableStatus> {
    tables
        .iter_mut()
        .find(|table| table.name.to_lowercase() == name.to_lowercase())
}

fn last_run(view: &View<'_>, is_written: bool) -> Result<Option<RunStatus>> {
    let waiting = view.waiting()?;
    // After a killed run, another command may hold the store.
    let writer = view.writer()?.filter(|_| is_written);
    let asked = view.asked()?;
    let Some(record) = view.last_run()? else {
        return Ok(None);
    };
    let accounts = view.accounts(record.run_id)?;
    Ok(Some({
        let running = record.is_going(writer);
        let asked = asked.filter(|asked| asked.run_id == record.run_id);
        RunStatus {
            running,
            record,
            waiting: waiting.filter(|_| running),
            tables: asked.map(|asked| asked.tables),
            account: (!accounts.is_empty()).then(|| Account::total(&accounts)),
        }
    }))
}

fn table(view: &View<'_>, record: TableRecord, begun: Option<(&RunRecord, bool)>) -> Result<TableStatus> {
    let name = record.name;
    let mode = match record.access_path {
        AccessPath::Key => Mode::Full,
        AccessPath::Date | AccessPath::DayWalk | AccessPath::Walk => Mode::Monthly,
    };
    let by_date = matches!(record.access_path, AccessPath::Date | AccessPath::DayWalk);
    let expected = view.expected(&name)?;
    let mut windows = Vec::new();
    for record in view.windows(&name)? {
        let counts = view.counts(&name, record.window)?;
        let state = condition(&record, counts.stale > 0, begun);
        let is_begun = matches!(state, Condition::Loading | Condition::Planned);
        // Rows that are to be loaded again are no part of the count.
        let share = match is_begun && by_date && counts.stale == 0 {
            true => view
                .last_chunk(&name, record.window)?
                .and_then(|chunk| share(&chunk, record.window, begun.map(|(run, _)| run))),
            false => None,
        };
        let rows_expected = match record.window {
            Window::All => expected
                .filter(|_| is_begun)
                .map(|expected| expected.max(counts.rows)),
            _ => share.and_then(|share| whole_of(counts.rows, share)),
        };
        windows.push(WindowStatus {
            window: record.window,
            state,
            error: record.error,
            counts,
            share,
            rows_expected,
        });
    }
    Ok(TableStatus {
        mode: mode.to_string(),
        is_dated: mode == Mode::Monthly,
        notes: record.notes,
        unfollowed: view.unfollowed(&name)?,
        name,
        windows,
        ..TableStatus::default()
    })
}

/// How a window stands. Only a run that is going loads one.
fn condition(record: &WindowRecord, is_stale: bool, begun: Option<(&RunRecord, bool)>) -> Condition {
    let is_loading = begun.is_some_and(|(run, running)| running && record.updated_at >= run.started_at);
    match record.state {
        WindowState::Mismatched => Condition::Mismatched,
        WindowState::Failed => Condition::Failed,
        WindowState::Loading if is_loading => Condition::Loading,
        _ if is_stale => Condition::Stale,
        WindowState::Loading | WindowState::Planned => Condition::Planned,
        WindowState::Open => Condition::Open,
        WindowState::Complete => Condition::Complete,
    }
}

/// The part of a window's dates up to the end of its last chunk, of those that had begun when the run did.
fn share(last: &Chunk, window: Window, run: Option<&RunRecord>) -> Option<f64> {
    let days = window.days()?;
    let reached = match last.state {
        ChunkState::Verified if last.range.through.is_none() => return Some(1.0),
        ChunkState::Verified => last.range.through.as_ref()?,
        _ => last.range.after.as_ref()?,
    };
    let (start, end) = (midnight(days.start()), midnight(days.end()));
    let end = run.map_or(end, |run| end.min(until(run.started_at)));
    // A damaged key tells nothing; the next run finds it.
    let reached = instant_of_key(reached).ok()??;
    let whole = (end - start).as_seconds_f64();
    (whole > 0.0).then(|| ((reached - start).as_seconds_f64() / whole).clamp(0.0, 1.0))
}

/// Adds what a pass found to its tables, as far as nobody has put it right since. Of several passes that found differences in
/// a window, the one counts that found most.
fn add_differences(tables: &mut [TableStatus], source: bool, found: &[WindowDifferences]) {
    for found in found.iter().filter(|found| found.left() > 0) {
        let Some(table) = named(tables, &found.table) else {
            continue;
        };
        match table.differing.iter_mut().find(|of| of.window == found.window) {
            Some(of) => (of.count, of.source) = (of.count.max(found.left()), of.source || source),
            None => table.differing.push(Unrepaired {
                window: found.window,
                count: found.left(),
                source,
            }),
        }
    }
}
