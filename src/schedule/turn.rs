//! One table's turn in a run: prepared under its lease, compared, and its windows run so many at once.
//!
//! All of a turn can be repeated: it begins with what receipts prove, whatever an earlier attempt left behind.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::task::JoinSet;

use super::Run;
use crate::checkpoint::{Change, TableRecord};
use crate::error::{Error, ErrorKind, Result};
use crate::extract::Limits;
use crate::failpoint;
use crate::lease::{self, Lease};
use crate::mssql::{Session, catalog};
use crate::pipeline::{Outcome, TableContext, WindowResult, run_window};
use crate::plan::TablePlan;
use crate::receipt;
use crate::report::{Event, TableSummary};
use crate::resume::{Comparison, Standing, WindowWork, settled};
use crate::sessions::Sessions;
use crate::settle::Settling;
use crate::table::DataType;
use crate::target::Target;

/// Times a table's windows are gone through in one run: again only after rows moved between windows meanwhile.
const PASSES_MAX: usize = 3;

impl Run<'_> {
    /// A table's turn, taken again when a connection breaks outside of its windows: all of it can be repeated.
    pub(super) async fn table_with_retries(
        &self,
        plan: &TablePlan,
        sources: &Arc<Sessions>,
        targets: &Arc<Sessions>,
    ) -> Result<TableSummary> {
        let name = plan.name.as_str();
        let mut attempts = self.retrier.attempts();
        let mut summary = TableSummary {
            name: name.to_owned(),
            ..TableSummary::default()
        };
        loop {
            let loaded = summary.rows_loaded;
            let error = match self.table(plan, sources, targets, &mut summary).await {
                Ok(()) => {
                    self.retrier.succeeded(&attempts)?;
                    return Ok(summary);
                }
                Err(error) => error.within(format!("Table {name}")),
            };
            if summary.rows_loaded > loaded {
                // It got on: what broke now is another trouble than what broke before.
                attempts = self.retrier.attempts();
            }
            let Err(error) = self.retrier.wait(&mut attempts, error, name, None).await else {
                continue;
            };
            match error.kind() {
                ErrorKind::Stopped => return Ok(summary),
                kind if ends_the_run(kind) => return Err(error),
                // The table cannot be worked on; the others can.
                kind => {
                    self.retrier.progress.event(Event::Warning(&error.chain()));
                    summary.error = Some(error.chain());
                    summary.preflight =
                        matches!(kind, ErrorKind::Preflight | ErrorKind::Plan).then(|| kind.exit_code());
                    return Ok(summary);
                }
            }
        }
    }

    /// One turn of a table. What it adds to `summary` stays there when it fails half-way.
    async fn table(
        &self,
        plan: &TablePlan,
        sources: &Arc<Sessions>,
        targets: &Arc<Sessions>,
        summary: &mut TableSummary,
    ) -> Result<()> {
        let started = self.retrier.clock.monotonic();
        let name = plan.name.as_str().to_owned();
        // Holds the table's applock until the table is done.
        let mut keeper = targets.take().await?;
        let lease = lease::take(
            &mut keeper,
            &plan.target.to_string(),
            &self.holder(),
            &self.retrier.clock,
            &self.retrier.stop,
        )
        .await?;
        let target = self.prepare(&mut keeper, plan).await?;
        for pass in 0..PASSES_MAX {
            let standing = self
                .compare(&mut keeper, plan, &target, &lease, sources, pass)
                .await?;
            for warning in &standing.warnings {
                self.retrier.progress.event(Event::Warning(warning));
            }
            if pass == 0 {
                self.announce(plan, &standing, summary)?;
            }
            let pass_over = self
                .windows(plan, &target, &lease, standing, sources, targets, summary)
                .await?;
            if let Some(error) = pass_over.given_up {
                let error = error.within(format!("Table {name} is given up"));
                self.retrier.progress.event(Event::Warning(&error.chain()));
                summary.error = Some(error.chain());
                summary.preflight = (error.kind() == ErrorKind::Preflight).then(|| error.kind().exit_code());
                break;
            }
            let displaced = pass_over.displaced;
            if displaced == 0 {
                if pass_over.unsure && pass + 1 < PASSES_MAX {
                    continue;
                }
                break;
            }
            let mut text = format!("Table {name}: {displaced} rows had moved to another date; ");
            if pass + 1 == PASSES_MAX {
                text.push_str("the windows they left are still to be loaded again: run again");
                summary.error = Some(text.clone());
            } else {
                text.push_str("the windows they left are loaded again");
            }
            self.retrier.progress.event(Event::Warning(&text));
        }
        // Where the connection has ended, so has its lock.
        if lease::release(&mut keeper, &lease).await.is_ok() {
            targets.put(keeper);
        }
        let elapsed = self.retrier.clock.monotonic().saturating_sub(started);
        self.retrier.progress.event(Event::TableDone {
            table: &name,
            rows: summary.rows_loaded,
            elapsed,
        });
        Ok(())
    }

    /// Finds or makes the target table, and sees to it that the plan is the one it was loaded by.
    async fn prepare(&self, session: &mut Session, plan: &TablePlan) -> Result<Target> {
        let older = receipt::plan(session, &plan.target).await?;
        let differences = match &older {
            Some((_, older)) => plan.differences(older),
            None => self.moved(plan)?,
        };
        if !differences.is_empty() {
            return Err(Error::new(
                ErrorKind::Plan,
                format!(
                    "Table {name}: what it was loaded by has changed ({}); set it back, or run `sync forget --table \
                     {name}` and then this command again to load the table anew",
                    differences.join("; "),
                    name = plan.name
                ),
            ));
        }
        if older.is_none() {
            receipt::put_plan(session, &plan.target, plan.access_path, &plan.fingerprint).await?;
        }
        failpoint::step("plan: after it is written");
        let (target, made) = Target::open(session, plan).await?;
        if made {
            self.retrier.progress.event(Event::Note(&format!(
                "Table {}: made target table {}",
                plan.name, plan.target
            )));
        }
        Ok(target)
    }

    /// What of a plan that the target does not know is not as the store has it: rows that go to another table than
    /// before would leave the old one behind without a word.
    fn moved(&self, plan: &TablePlan) -> Result<Vec<String>> {
        let known = self.retrier.store.table(plan.name.as_str())?;
        let (now, then) = (plan.target.to_string(), known.map(|record| record.target));
        Ok(then
            .filter(|then| *then != now)
            .map(|then| format!("target table: was {then}, is {now}"))
            .into_iter()
            .collect())
    }

    /// Compares what recent windows have at both ends, in the first pass, then receipts, checkpoints and the target.
    async fn compare(
        &self,
        session: &mut Session,
        plan: &TablePlan,
        target: &Target,
        lease: &Lease,
        sources: &Sessions,
        pass: usize,
    ) -> Result<Standing> {
        let mut source = sources.take().await?;
        let server = catalog::server(&mut source).await?;
        // An instant with an offset is compared in UTC; dates without one are taken for the server's own.
        let now = match plan.date().map(|date| date.data_type) {
            Some(DataType::DateTimeOffset(_)) => server.now_utc,
            _ => server.now,
        };
        if pass == 0 {
            let settling = Settling {
                plan,
                target,
                lease,
                guard: &self.config.source.guard,
                now,
                days: self.config.run.settle_days,
                store: &self.retrier.store,
            };
            for text in settling.run(&mut source, session).await? {
                self.retrier.progress.event(Event::Warning(&text));
            }
        }
        sources.put(source);
        let comparison = Comparison {
            plan,
            target,
            lease,
            range: self.options.range,
            settled: settled(now, self.config.run.settle_minutes),
            store: &self.retrier.store,
            clock: &self.retrier.clock,
        };
        comparison.run(session).await
    }

    /// Says what a table's turn begins with, and records the table.
    fn announce(&self, plan: &TablePlan, standing: &Standing, summary: &mut TableSummary) -> Result<()> {
        let name = plan.name.as_str();
        let left = standing.windows.iter().filter(|work| needs_work(work)).count();
        self.retrier.store.commit(&[
            Change::Waiting(None),
            Change::Table(TableRecord {
                name: name.to_owned(),
                source: plan.source.name.to_string(),
                target: plan.target.to_string(),
                fingerprint: plan.fingerprint.clone(),
                access_path: plan.access_path,
                notes: plan.notes.clone(),
            }),
        ])?;
        summary.already_complete = standing.windows.iter().all(is_done) && summary.rows_loaded == 0;
        let rows_done = standing.windows.iter().map(|work| work.verified_rows).sum();
        self.retrier.progress.event(Event::TableStarted {
            table: name,
            windows: left,
            rows_done,
            rows_expected: None,
        });
        Ok(())
    }

    /// Runs the windows that need it, so many at once.
    #[expect(
        clippy::too_many_arguments,
        reason = "what a table's windows share, gathered here into their context"
    )]
    async fn windows(
        &self,
        plan: &TablePlan,
        target: &Target,
        lease: &Lease,
        standing: Standing,
        sources: &Arc<Sessions>,
        targets: &Arc<Sessions>,
        summary: &mut TableSummary,
    ) -> Result<PassOver> {
        let context = Arc::new(TableContext {
            plan: plan.clone(),
            target: target.clone(),
            lease: lease.clone(),
            guard: self.config.source.guard.clone(),
            limits: Limits {
                rows: self.options.chunk_rows.unwrap_or(self.config.run.chunk_rows) as usize,
                bytes: self.config.run.chunk_bytes_max,
            },
            sources: Arc::clone(sources),
            targets: Arc::clone(targets),
            load_turn: tokio::sync::Mutex::new(()),
            retrier: self.retrier.clone(),
        });
        summary.windows_done = standing.windows.iter().filter(|work| is_done(work)).count();
        summary.rows_total = standing.windows.iter().map(|work| work.verified_rows).sum();
        (summary.windows_failed, summary.mismatched) = (0, 0);
        // Those whose dates are all still to come.
        summary.windows_open = standing
            .windows
            .iter()
            .filter(|work| !is_done(work) && !needs_work(work))
            .count();
        let mut waiting: VecDeque<WindowWork> = standing.windows.into_iter().filter(needs_work).collect();
        let mut running = JoinSet::new();
        let mut over = PassOver::default();
        let mut fatal = None;
        loop {
            while running.len() < self.max_workers()
                && fatal.is_none()
                && over.given_up.is_none()
                && !self.retrier.stop.is_stopped()
            {
                let Some(work) = waiting.pop_front() else { break };
                running.spawn(run_window(Arc::clone(&context), work));
            }
            let Some(ended) = running.join_next().await else {
                break;
            };
            let ended: WindowResult = ended.map_err(|error| {
                Error::new(
                    ErrorKind::Internal,
                    format!("A window of table {} broke down", plan.name),
                )
                .with_source(error)
            })?;
            summary.rows_loaded += ended.rows_loaded;
            summary.rows_total += ended.rows_loaded;
            over.displaced += ended.displaced;
            over.unsure |= ended.unsure;
            match ended.outcome {
                Outcome::Complete => summary.windows_done += 1,
                Outcome::Open | Outcome::Stopped => summary.windows_open += 1,
                Outcome::Mismatched(_) => summary.mismatched += 1,
                Outcome::Failed(error) if ends_the_run(error.kind()) => {
                    fatal.get_or_insert(error);
                }
                Outcome::Failed(error) => {
                    summary.windows_failed += 1;
                    if ends_the_table(error.kind()) {
                        over.given_up.get_or_insert(error);
                    }
                }
            }
        }
        summary.windows_open += waiting.len();
        match fatal {
            Some(error) => Err(error),
            None => Ok(over),
        }
    }
}

/// What going through a table's windows once came to.
#[derive(Debug, Default)]
struct PassOver {
    /// Rows that moved between chunks.
    displaced: u64,
    /// Whether there may be more of those.
    unsure: bool,
    /// Why the table's other windows are not tried.
    given_up: Option<Error>,
}

/// Whether nothing is left of a window.
fn is_done(work: &WindowWork) -> bool {
    work.redo.is_empty() && work.next.is_none()
}

/// Whether an error that one window met awaits the others: each would cost the source a read, and come to the same.
fn ends_the_table(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::Preflight | ErrorKind::Timeout)
}

/// Whether a window has anything that can be read now.
fn needs_work(work: &WindowWork) -> bool {
    !work.redo.is_empty() || (work.next.is_some() && !work.extent.is_empty())
}

/// Whether an error makes every further window pointless or wrong.
fn ends_the_run(kind: ErrorKind) -> bool {
    match kind {
        ErrorKind::WrongServer
        | ErrorKind::Login
        | ErrorKind::LoginAgain
        | ErrorKind::Outage
        | ErrorKind::TargetFull
        | ErrorKind::Busy
        | ErrorKind::State
        | ErrorKind::Internal => true,
        ErrorKind::Usage
        | ErrorKind::Config
        | ErrorKind::Connection
        | ErrorKind::Broken
        | ErrorKind::OutcomeUnknown
        | ErrorKind::Transient
        | ErrorKind::Timeout
        | ErrorKind::Preflight
        | ErrorKind::Plan
        | ErrorKind::Statement
        | ErrorKind::Mismatch
        | ErrorKind::Stopped => false,
    }
}
