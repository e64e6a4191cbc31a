//! Runs a table's windows in parallel, and sums up their results.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use tokio::task::JoinSet;

use crate::backfill::load_target::LoadTarget;
use crate::base::error::{Error, ErrorKind, Result};
use crate::model::window::Window;
use crate::mssql::is_without_value;
use crate::pipeline::resume::{ResumePlan, Scope, WindowWork};
use crate::pipeline::window::{Outcome, TableContext, WindowResult, run_window};
use crate::preflight::context::RunContext;
use crate::progress::TableSummary;
use crate::source::extract::Limits;

/// Runs the windows that need work, up to `max_workers` at once.
pub(super) async fn run_windows(
    run: &RunContext<'_>,
    at: LoadTarget<'_>,
    plan: ResumePlan,
    summary: &mut TableSummary,
) -> Result<PassOver> {
    let context = Arc::new(context(run, at));
    summary.windows_done = plan.windows.iter().filter(|work| is_done(work)).count();
    summary.rows_total = plan.windows.iter().map(|work| work.verified_rows).sum();
    // Those whose dates are all still to come.
    summary.windows_open = plan
        .windows
        .iter()
        .filter(|work| !is_done(work) && !needs_work(work))
        .count();
    let mut waiting: VecDeque<WindowWork> = plan.windows.into_iter().filter(needs_work).collect();
    let mut running = JoinSet::new();
    let mut over = PassOver::default();
    let mut fatal = None;
    loop {
        while running.len() < run.max_workers()
            && fatal.is_none()
            && over.given_up.is_none()
            && !run.is_stopped()
        {
            let Some(work) = waiting.pop_front() else { break };
            running.spawn(run_window(Arc::clone(&context), work));
        }
        let under_way = running.len();
        let begins_more = !waiting.is_empty() && fatal.is_none() && over.given_up.is_none();
        let ended = tokio::select! {
            ended = running.join_next() => ended,
            // A person lets it have more.
            () = run.pools.throttle.more_workers_than(under_way), if begins_more && !run.is_stopped() => continue,
        };
        let Some(ended) = ended else { break };
        let ended: WindowResult = ended.map_err(|error| {
            Error::new(
                ErrorKind::Internal,
                format!(
                    "Table {}: the task of a window failed; run again, and report this",
                    at.plan.name
                ),
            )
            .with_source(error)
        })?;
        let failed = over.add(ended, at, summary);
        fatal = fatal.or(failed);
    }
    summary.windows_open += waiting.len();
    match fatal {
        Some(error) => Err(error),
        None => Ok(over),
    }
}

/// What the windows of a table share.
fn context(run: &RunContext<'_>, at: LoadTarget<'_>) -> TableContext {
    TableContext {
        plan: at.plan.clone(),
        target: at.target.clone(),
        lease: at.lease.clone(),
        limits: Limits {
            rows: at.target.chunk_rows(run.chunk_rows()),
            bytes: run.config.run.chunk_bytes_max,
        },
        brake: run.brake(at.plan),
        asked: match at.scope {
            Scope::Dates(range) => Some(range),
            Scope::Repair(_) => None,
        },
        seen: Default::default(),
        densities: Default::default(),
        pools: run.pools.clone(),
        load_turn: tokio::sync::Mutex::new(()),
        retrier: run.retrier.clone(),
    }
}

/// What going through a table's windows once came to.
#[derive(Debug, Default)]
pub(super) struct PassOver {
    /// Rows that moved between chunks.
    pub(super) displaced: u64,
    /// Chunks that must be loaded again because rows moved.
    pub(super) stale: u64,
    /// Windows that failed for good, or differed.
    pub(super) ended_badly: BTreeSet<Window>,
    /// Whether more chunks may have become stale, because the answer of a commit was lost.
    pub(super) unsure: bool,
    /// Whether loads were tried, so that rows may have left or come.
    pub(super) wrote: bool,
    /// The error because of which the table's other windows are not run.
    pub(super) given_up: Option<Error>,
}

impl PassOver {
    /// Adds a window. Returns the error that ends the run, if it met one.
    fn add(&mut self, ended: WindowResult, at: LoadTarget<'_>, summary: &mut TableSummary) -> Option<Error> {
        summary.rows_loaded += ended.rows_loaded;
        summary.rows_total += ended.rows_loaded;
        self.displaced += ended.displaced;
        self.stale += ended.stale;
        self.unsure |= ended.unsure;
        self.wrote |= ended.wrote;
        summary.refused.add(ended.refused);
        summary.refusals.extend(ended.refusals);
        if matches!(ended.outcome, Outcome::Mismatched(_) | Outcome::Failed(_)) {
            self.ended_badly.insert(ended.window);
        }
        match ended.outcome {
            Outcome::Complete => summary.windows_done += 1,
            Outcome::Open | Outcome::Stopped => summary.windows_open += 1,
            Outcome::Mismatched(_) => summary.mismatched += 1,
            Outcome::Failed(error) if error.kind() == ErrorKind::Held => summary.held += 1,
            Outcome::Failed(error) if error.kind().ends_the_run() => {
                return Some(error);
            }
            Outcome::Failed(error) => {
                summary.windows_failed += 1;
                if !error.kind().may_pass() {
                    summary.lasting.get_or_insert(error.chain());
                }
                if ends_the_table(&error, at) {
                    self.given_up.get_or_insert(error);
                }
            }
        }
        None
    }
}

/// Whether nothing is left of a window.
pub(super) fn is_done(work: &WindowWork) -> bool {
    work.redo.is_empty() && work.next.is_none()
}

/// Whether the table's other windows would fail the same way, each after one more read of the source.
fn ends_the_table(error: &Error, at: LoadTarget<'_>) -> bool {
    matches!(error.kind(), ErrorKind::Preflight | ErrorKind::Timeout)
        || (is_without_value(error) && !at.target.refuses_some(at.plan))
}

/// Whether a window has work that can be done now.
pub(super) fn needs_work(work: &WindowWork) -> bool {
    !work.redo.is_empty() || (work.next.is_some() && !work.extent.is_empty())
}
