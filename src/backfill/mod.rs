//! Loads the windows of a table until none is left. A pass compares receipts, checkpoints and target, runs the
//! windows that need work, and compares what was loaded with the source. Another pass follows if days differ,
//! rows moved meanwhile, or the target lost some.

pub(crate) mod ahead;
mod load_target;
mod windows;

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

use chrono::{NaiveDate, NaiveDateTime};

use crate::base::error::{ErrorKind, Result};
use crate::base::text::rows;
use crate::checkpoint::Change;
use crate::late_rows::{Settled, Settling};
use crate::model::plan::TablePlan;
use crate::model::window::Window;
use crate::mssql::Session;
use crate::pipeline::known::record;
use crate::pipeline::moved_rows::Accounting;
use crate::pipeline::on_their_way::Look;
use crate::pipeline::resume::{Comparison, ResumePlan, Scope, is_in_step, read_cutoff};
use crate::preflight::context::RunContext;
use crate::progress::{Event, Refused, TableSummary};

pub(crate) use load_target::LoadTarget;
use windows::{PassOver, is_done, needs_work, run_windows};

/// The most passes over a table's windows in one run. A second pass is needed only if rows moved between
/// windows meanwhile, a comparison found days that differ, or the target lost committed rows.
const PASSES_MAX: usize = 5;

/// What the loads of a table's windows leave known of it.
#[derive(Debug)]
pub(crate) struct LoadsOver {
    /// The source's clock as the last pass began.
    pub(crate) began: NaiveDateTime,
    /// The number of rows that could not be followed; `None` if loads came after it was last read.
    pub(crate) unfollowed: Option<u64>,
}

/// Loads a table's windows until no row moved during a pass and the target kept every receipt.
pub(crate) async fn load_windows(
    run: &RunContext<'_>,
    lease_session: &mut Session,
    at: LoadTarget<'_>,
    summary: &mut TableSummary,
) -> Result<LoadsOver> {
    (summary.windows_failed, summary.mismatched, summary.held) = (0, 0, 0);
    summary.refused = Refused::default();
    summary.refusals.clear();
    summary.lasting = None;
    let mut passes = Passes {
        run,
        at,
        left: BTreeSet::new(),
        compared: false,
        now: NaiveDateTime::MIN,
        unfollowed: None,
        is_overdue: false,
    };
    for pass in 0..PASSES_MAX {
        let last = pass + 1 == PASSES_MAX;
        let plan = passes.begin(lease_session, pass == 0, summary).await?;
        let loaded = windows_to_work_on(&plan);
        let nothing_to_do = plan.is_in_step && loaded.is_empty();
        let mut over = run_windows(run, at, plan, summary).await?;
        passes.left.extend(&over.ended_badly);
        passes.unfollowed = passes.unfollowed.filter(|_| !over.wrote);
        if let Some(error) = over.given_up {
            let error = error.within(format!("Table {} is given up", at.plan.name));
            run.warn(&error.chain());
            summary.error = Some(error.chain());
            summary.preflight = (error.kind() == ErrorKind::Preflight).then(|| error.kind().exit_code());
            break;
        }
        if run.is_stopped() {
            break;
        }
        passes.compare_loaded(lease_session, &loaded, summary).await?;
        if over.wrote || passes.is_overdue {
            over.stale += passes.look(lease_session, false).await?;
        }
        // Without a load, receipts and store agree as they were found to.
        let is_untouched = nothing_to_do && over.stale == 0;
        if is_untouched || passes.is_over(lease_session, &over, last).await? {
            break;
        }
        if let Some(text) = passes.why_again(&over, last) {
            run.warn(&text);
            summary.error = last.then_some(text);
        }
    }
    Ok(LoadsOver {
        began: passes.now,
        unfollowed: passes.unfollowed,
    })
}

/// The passes over a table's windows in one run.
struct Passes<'a> {
    run: &'a RunContext<'a>,
    at: LoadTarget<'a>,
    /// Windows that this run leaves alone: held by the brake, failed for good, or different twice.
    left: BTreeSet<Window>,
    /// Whether all windows were compared with the source after a load.
    compared: bool,
    /// The source's clock as the present pass began, which tells the rows that it reads. They are compared up to that time, not
    /// up to a later one: a load may not have what became old enough since.
    now: NaiveDateTime,
    /// The number of rows that could not be followed, if nothing was written since it was read.
    unfollowed: Option<u64>,
    /// Whether rows on their way are to be counted after the comparison.
    is_overdue: bool,
}

impl Passes<'_> {
    /// Plans the work of a pass.
    async fn begin(
        &mut self,
        lease_session: &mut Session,
        first: bool,
        summary: &mut TableSummary,
    ) -> Result<ResumePlan> {
        let (run, at) = (self.run, self.at);
        self.now = run.source_now(at.plan).await?;
        if first {
            // Those that an earlier run has left.
            self.look(lease_session, true).await?;
        }
        let mut plan = compare(run, lease_session, at, self.read_cutoff()).await?;
        for warning in &plan.warnings {
            run.warn(warning);
        }
        if first {
            // If the run loads any window, all windows are compared after that.
            if windows_to_work_on(&plan).is_empty() {
                let settled = self.settle(lease_session, false, |_| true).await?;
                if settled.marked {
                    // The user has seen its warnings already.
                    plan = compare(run, lease_session, at, self.read_cutoff()).await?;
                } else if settled.uncounted {
                    run.note(&format!(
                        "Table {}: its rows without a date (window `undated`) were not counted, because no index finds \
                         them and this run reads nothing else of the table",
                        at.plan.name
                    ));
                }
                self.leave(settled, summary);
            }
            let expected = rows_expected(run, at).await?;
            announce(run, at.plan, &plan, expected, summary)?;
        }
        plan.windows.retain(|work| !self.left.contains(&work.window));
        Ok(plan)
    }

    /// Looks for the rows on their way. Returns the number of chunks that are to be loaded for them.
    async fn look(&mut self, lease_session: &mut Session, is_first: bool) -> Result<u64> {
        let (run, at) = (self.run, self.at);
        let look = Look {
            accounting: Accounting {
                plan: at.plan,
                target: at.target,
                pools: &run.pools,
            },
            lease: at.lease,
            is_first,
            compares: matches!(at.scope, Scope::Dates(_)),
            left: &self.left,
            now: self.now,
            read_cutoff: self.read_cutoff(),
        };
        let shown = look.look(lease_session).await?;
        (self.unfollowed, self.is_overdue) = (Some(shown.unfollowed), shown.is_overdue);
        let is_asked = |day: &NaiveDate| matches!(at.scope, Scope::Dates(range) if range.has(*day));
        let mut days = shown.not_loaded.iter().filter(|day| !is_asked(day));
        if let Some(day) = days.next() {
            let more = days.next().is_some();
            run.warn(&format!(
                "Table {}: rows that left the target are under {day}{} at the source, and not all of {} is loaded; \
                 correct the dates at the source, or run with these dates",
                at.plan.name,
                if more { " and other dates" } else { "" },
                if more { "these dates" } else { "that date" }
            ));
        }
        Ok(shown.stale)
    }

    /// The time before which the present pass reads rows.
    fn read_cutoff(&self) -> NaiveDateTime {
        read_cutoff(self.now, self.run.config.run.settle_minutes)
    }

    /// Compares windows with the source after a pass that loaded some. Reading windows takes time: a row may
    /// have moved from a window that was not read yet to one that was, or to one that was loaded before. So all
    /// are compared after the first such pass. Later passes load only what differed or what rows moved to. Each
    /// of them brings its chunks to another moment than the chunks beside them, so that a day that spans two
    /// chunks may differ only now. So the windows that it loaded, and no others, are compared again.
    async fn compare_loaded(
        &mut self,
        lease_session: &mut Session,
        loaded: &BTreeSet<Window>,
        summary: &mut TableSummary,
    ) -> Result<()> {
        if loaded.is_empty() {
            return Ok(());
        }
        let all = !std::mem::replace(&mut self.compared, true);
        let settled = self
            .settle(lease_session, true, |window| all || loaded.contains(&window))
            .await?;
        self.leave(settled, summary);
        Ok(())
    }

    /// Compares the row counts of recent windows on both servers, and marks the chunks that differ. A
    /// reference table has no such windows, and a repair covers only its findings.
    async fn settle(
        &self,
        lease_session: &mut Session,
        read_anyway: bool,
        which: impl Fn(Window) -> bool,
    ) -> Result<Settled> {
        let (run, at) = (self.run, self.at);
        if at.plan.is_full() || !matches!(at.scope, Scope::Dates(_)) {
            return Ok(Settled::default());
        }
        let settling = Settling {
            plan: at.plan,
            target: at.target,
            lease: at.lease,
            now: self.now,
            read_cutoff: self.read_cutoff(),
            trusted: run.clocks().await?.agree(),
            days: run.config.run.settle_days,
            store: &run.retrier.store,
            read_anyway,
            brake: run.brake(at.plan),
        };
        let concerned = |window| which(window) && !self.left.contains(&window);
        let settled = settling.run(&run.pools, lease_session, concerned).await?;
        for text in &settled.said {
            run.warn(text);
        }
        Ok(settled)
    }

    fn leave(&mut self, settled: Settled, summary: &mut TableSummary) {
        summary.held += settled.braked.len();
        self.left.extend(settled.braked);
    }

    /// Whether no row moved in a pass, and receipts and store agree.
    async fn is_over(&self, lease_session: &mut Session, over: &PassOver, last: bool) -> Result<bool> {
        if over.displaced + over.stale > 0 || (over.unsure && !last) {
            return Ok(false);
        }
        let LoadTarget { plan, target, .. } = self.at;
        is_in_step(lease_session, &self.run.retrier.store, plan, target, &self.left).await
    }

    /// The warning after a pass that another one follows, or should have followed.
    fn why_again(&self, over: &PassOver, last: bool) -> Option<String> {
        let name = &self.at.plan.name;
        if last {
            return Some(format!(
                "Table {name}: some windows need another load, because rows keep coming, moving or going at the \
                 source, or the target loses committed rows; run again"
            ));
        }
        if over.displaced + over.stale == 0 {
            return None;
        }
        let count = match over.displaced {
            0 => "rows".to_owned(),
            count => rows(count),
        };
        Some(format!(
            "Table {name}: {count} had moved to another date; the windows they left or went to are loaded again"
        ))
    }
}

/// Compares receipts, checkpoints and the target, for work on the rows before `read_cutoff`.
pub(crate) async fn compare(
    run: &RunContext<'_>,
    lease_session: &mut Session,
    at: LoadTarget<'_>,
    read_cutoff: NaiveDateTime,
) -> Result<ResumePlan> {
    let comparison = Comparison {
        plan: at.plan,
        target: at.target,
        lease: at.lease,
        scope: at.scope,
        read_cutoff,
        leave_open: !run.clocks().await?.agree(),
        // After a connection broke, a server that failed over may not be the one that was asked before.
        recount: run.options.recount || run.retrier.broke.load(Ordering::Relaxed),
        store: &run.retrier.store,
        clock: &run.retrier.clock,
    };
    comparison.run(lease_session).await
}

/// Reports the state that the work on a table begins with, and records the table.
pub(crate) fn announce(
    run: &RunContext<'_>,
    plan: &TablePlan,
    resume: &ResumePlan,
    rows_expected: Option<u64>,
    summary: &mut TableSummary,
) -> Result<()> {
    let table = || plan.name.as_str().to_owned();
    run.retrier.store.commit(&[
        Change::Waiting(None),
        record(plan),
        Change::Accepted {
            table: table(),
            range: (!plan.is_full()).then_some(run.options.range),
        },
        Change::Expected {
            table: table(),
            rows: rows_expected,
        },
    ])?;
    summary.is_looked_at = true;
    summary.already_complete =
        resume.windows.iter().all(is_done) && summary.rows_loaded == 0 && !summary.is_swapped;
    run.retrier.progress.event(Event::TableStarted {
        table: plan.name.as_str(),
        windows: resume.windows.iter().filter(|work| needs_work(work)).count(),
        rows_done: resume.windows.iter().map(|work| work.verified_rows).sum(),
        rows_expected,
    });
    Ok(())
}

/// The number of rows that a table that is copied whole will have, as far as its server knows without
/// counting.
async fn rows_expected(run: &RunContext<'_>, at: LoadTarget<'_>) -> Result<Option<u64>> {
    if !at.plan.is_full() || !matches!(at.scope, Scope::Dates(_)) {
        return Ok(None);
    }
    let mut source = run.pools.source.take().await?;
    let expected = source.estimate(&at.plan.source).await?;
    run.pools.source.put(source);
    Ok(expected)
}

/// The windows with work to do now.
fn windows_to_work_on(plan: &ResumePlan) -> BTreeSet<Window> {
    let windows = plan.windows.iter().filter(|work| needs_work(work));
    windows.map(|work| work.window).collect()
}
