//! One table of a run, under its lease. The work can be repeated: it begins with the rows that receipts
//! prove, whatever an earlier attempt left behind.

use crate::backfill::{self, LoadTarget, ahead};
use crate::base::error::{Error, ErrorKind, Result};
use crate::base::text::rows;
use crate::checkpoint::Change;
use crate::model::plan::TablePlan;
use crate::mssql::Session;
use crate::pipeline::resume::Scope;
use crate::pipeline::retrier::Place;
use crate::preflight::context::RunContext;
use crate::preflight::kept::hold;
use crate::progress::{Event, TableSummary};
use crate::refresh;
use crate::target::lease;
use crate::target::receipt;
use crate::target::table::Target;

/// Runs a table, with an account of its own.
pub(super) async fn run_table(run: &RunContext<'_>, plan: &TablePlan) -> Result<TableSummary> {
    run.begin_table(plan.name.as_str());
    let ended = try_table(run, plan).await;
    run.end_table();
    // A killed run has an account of the tables before.
    run.retrier.store.commit(&run.accounts())?;
    ended
}

/// Runs a table, and repeats that when a connection breaks outside of its windows. If a table cannot be
/// worked on, the user is told and the summary records it. Its error ends the run only if the other tables
/// would fail the same way.
async fn try_table(run: &RunContext<'_>, plan: &TablePlan) -> Result<TableSummary> {
    let name = plan.name.as_str();
    let mut attempts = run.retrier.attempts();
    // The rows of all attempts add up, and so does their time, with the waits between them.
    let started = run.retrier.clock.monotonic();
    let mut summary = TableSummary {
        name: name.to_owned(),
        ..TableSummary::default()
    };
    let error = loop {
        let loaded = summary.rows_loaded;
        let error = match run_once(run, plan, &mut summary).await {
            Ok(()) => {
                let elapsed = run.retrier.clock.monotonic().saturating_sub(started);
                run.retrier.progress.event(Event::TableDone {
                    summary: &summary,
                    elapsed,
                });
                run.retrier.succeeded(&attempts)?;
                return Ok(summary);
            }
            Err(error) => error.within_once(format!("Table {name}")),
        };
        if summary.rows_loaded > loaded {
            // Rows were loaded meanwhile, so this error is a new one and the attempts are counted anew.
            attempts = run.retrier.attempts();
        }
        if let Err(error) = run.retrier.wait(&mut attempts, error, Place::of(name)).await {
            break error;
        }
    };
    match error.kind() {
        ErrorKind::Stopped => Ok(summary),
        kind if kind.ends_the_run() => Err(error),
        kind => {
            run.warn(&error.chain());
            summary.error = Some(error.chain());
            if !kind.may_pass() {
                summary.lasting.get_or_insert(error.chain());
            }
            summary.preflight =
                matches!(kind, ErrorKind::Preflight | ErrorKind::Plan).then(|| kind.exit_code());
            Ok(summary)
        }
    }
}

/// The summary of a table that cannot be planned. The user is told.
pub(super) fn refused(run: &RunContext<'_>, name: &str, error: Error) -> TableSummary {
    let error = error.within_once(format!("Table {name}"));
    run.warn(&error.chain());
    TableSummary {
        name: name.to_owned(),
        error: Some(error.chain()),
        preflight: Some(error.kind().exit_code()),
        ..TableSummary::default()
    }
}

/// Runs a table once, in either mode, by the plan that it was loaded by or, if nothing is loaded of it, the `fresh` one.
/// If it fails half-way, its additions to `summary` stay.
async fn run_once(run: &RunContext<'_>, fresh: &TablePlan, summary: &mut TableSummary) -> Result<()> {
    // The lease session: it holds the table's applock until the table is done.
    let mut lease_session = run.pools.target.take().await?;
    let (lease, plan) = hold(run, &mut lease_session, fresh).await?;
    let plan = &plan;
    let unfollowed = if plan.is_full() {
        refresh::refresh(run, &mut lease_session, plan, &lease, summary).await?;
        None
    } else {
        let target = prepare(run, &mut lease_session, plan).await?;
        let at = LoadTarget {
            plan,
            target: &target,
            lease: &lease,
            scope: Scope::Dates(run.options.range),
        };
        let over = backfill::load_windows(run, &mut lease_session, at, summary).await?;
        ahead::count_ahead(run, plan, over.began, summary).await?;
        tell_empty(run, plan, summary);
        over.unfollowed
    };
    let unfollowed = match unfollowed {
        Some(count) => count,
        None => receipt::unfollowed(&mut lease_session, &plan.target).await?,
    };
    tell_unfollowed(run, plan, unfollowed, summary)?;
    // A connection that has ended has released its lock as well.
    if lease::release(&mut lease_session, &lease).await.is_ok() {
        run.pools.target.put(lease_session);
    }
    Ok(())
}

/// Finds or creates the target table.
async fn prepare(run: &RunContext<'_>, session: &mut Session, plan: &TablePlan) -> Result<Target> {
    let (target, made) = Target::open(session, plan).await?;
    if made {
        run.note(&format!(
            "Table {}: created target table {}",
            plan.name, plan.target
        ));
    }
    for warning in target.misfit_warnings(plan) {
        run.warn(&warning);
    }
    if let Some(note) = target.storage_note(run.chunk_rows()) {
        run.note(&format!("Table {}: {note}", plan.name));
    }
    Ok(target)
}

/// Notes that the source has no row of the dates asked for, which may be dates of another year than was meant. The windows
/// that were read now have shown it; the source is not asked for it.
fn tell_empty(run: &RunContext<'_>, plan: &TablePlan, summary: &TableSummary) {
    let has_read_all = summary.windows_done > 0 && summary.state() == "complete" && !summary.already_complete;
    if has_read_all && summary.rows_total == 0 && summary.rows_ahead == 0 {
        run.note(&format!(
            "Table {}: the source has no row from {}; if that is not so, look at the dates",
            plan.name, run.options.range
        ));
    }
}

/// Reports the number of rows that left the table's target and could not be followed. The number stays until
/// the whole table was compared with the source.
fn tell_unfollowed(
    run: &RunContext<'_>,
    plan: &TablePlan,
    count: u64,
    summary: &mut TableSummary,
) -> Result<()> {
    let name = &plan.name;
    if run.retrier.store.view()?.unfollowed(name.as_str())? != count {
        run.retrier.store.commit(&[Change::Unfollowed {
            table: name.as_str().to_owned(),
            rows: count,
        }])?;
    }
    summary.rows_unfollowed = count;
    if count > 0 {
        let (why, index) = plan.untraced();
        run.warn(&format!(
            "Table {name}: {} left the target and could not be followed, because {why}. If such a row moved \
             to another month, it may be missing: run `sync reconcile --source --repair --tables {name}`{}",
            rows(count),
            index.map_or_else(String::new, |index| format!(", or ask for {index}"))
        ));
    }
    Ok(())
}
