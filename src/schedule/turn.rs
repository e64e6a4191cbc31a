//! One table's turn in a run: prepared under its lease, compared, and its windows run so many at once.
//!
//! All of a turn can be repeated: it begins with what receipts prove, whatever an earlier attempt left behind.

use std::sync::Arc;

use chrono::NaiveDateTime;

use super::windows::{is_done, needs_work};
use super::{Run, refuse_changes};
use crate::checkpoint::{Change, TableRecord};
use crate::error::{ErrorKind, Result};
use crate::failpoint;
use crate::lease::{self, Lease};
use crate::mssql::{Session, catalog};
use crate::plan::TablePlan;
use crate::receipt;
use crate::report::{Event, TableSummary};
use crate::resume::{Asked, Comparison, Standing, settled};
use crate::sessions::Sessions;
use crate::settle::Settling;
use crate::table::DataType;
use crate::target::Target;

/// Times a table's windows are gone through in one run: again only after rows moved between windows meanwhile.
const PASSES_MAX: usize = 3;

/// The connections to both ends.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ends<'a> {
    pub(super) sources: &'a Arc<Sessions>,
    pub(super) targets: &'a Arc<Sessions>,
}

/// The table that a turn is at: the right to write a target by a plan.
#[derive(Debug, Clone, Copy)]
pub(super) struct At<'a> {
    pub(super) plan: &'a TablePlan,
    pub(super) target: &'a Target,
    pub(super) lease: &'a Lease,
    pub(super) asked: Asked<'a>,
}

impl Run<'_> {
    /// A table's turn, taken again when a connection breaks outside of its windows: all of it can be repeated.
    pub(super) async fn table_with_retries(&self, plan: &TablePlan, ends: Ends<'_>) -> Result<TableSummary> {
        let name = plan.name.as_str();
        let mut attempts = self.retrier.attempts();
        let mut summary = TableSummary {
            name: name.to_owned(),
            ..TableSummary::default()
        };
        loop {
            let loaded = summary.rows_loaded;
            let error = match self.table(plan, ends, &mut summary).await {
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

    /// One turn of a table, whichever its mode. What it adds to `summary` stays there when it fails half-way.
    async fn table(&self, plan: &TablePlan, ends: Ends<'_>, summary: &mut TableSummary) -> Result<()> {
        let started = self.retrier.clock.monotonic();
        let name = plan.name.as_str().to_owned();
        // Holds the table's applock until the table is done.
        let mut keeper = ends.targets.take().await?;
        let lease = self.lease(&mut keeper, plan).await?;
        if plan.is_full() {
            self.refresh(&mut keeper, plan, &lease, ends, summary).await?;
        } else {
            let target = self.prepare(&mut keeper, plan).await?;
            let at = At {
                plan,
                target: &target,
                lease: &lease,
                asked: Asked::Dates(self.options.range),
            };
            self.passes(&mut keeper, at, ends, summary).await?;
        }
        // Where the connection has ended, so has its lock.
        if lease::release(&mut keeper, &lease).await.is_ok() {
            ends.targets.put(keeper);
        }
        let elapsed = self.retrier.clock.monotonic().saturating_sub(started);
        self.retrier.progress.event(Event::TableDone {
            table: &name,
            rows: summary.rows_loaded,
            elapsed,
        });
        Ok(())
    }

    /// Takes the lease of a plan's target.
    pub(super) async fn lease(&self, keeper: &mut Session, plan: &TablePlan) -> Result<Lease> {
        lease::take(
            keeper,
            &plan.target.to_string(),
            &self.holder(),
            &self.retrier.clock,
            &self.retrier.stop,
        )
        .await
    }

    /// Goes through a table's windows until nothing of them has moved meanwhile.
    pub(super) async fn passes(
        &self,
        keeper: &mut Session,
        at: At<'_>,
        ends: Ends<'_>,
        summary: &mut TableSummary,
    ) -> Result<()> {
        let name = at.plan.name.as_str();
        for pass in 0..PASSES_MAX {
            let mut standing = self.compare(keeper, at, ends).await?;
            for warning in &standing.warnings {
                self.retrier.progress.event(Event::Warning(warning));
            }
            if pass == 0 {
                if self.settle(keeper, at, ends, &standing).await? {
                    // What it warns of was said already.
                    standing = self.compare(keeper, at, ends).await?;
                }
                let expected = self.rows_expected(at, ends).await?;
                self.announce(at.plan, &standing, expected, summary)?;
            }
            let pass_over = self.windows(at, ends, standing, summary).await?;
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
        Ok(())
    }

    /// Finds or makes the target table of a plan that is the one it was loaded by.
    async fn prepare(&self, session: &mut Session, plan: &TablePlan) -> Result<Target> {
        self.hold_to_plan(session, plan).await?;
        let (target, made) = Target::open(session, plan).await?;
        if made {
            self.retrier.progress.event(Event::Note(&format!(
                "Table {}: made target table {}",
                plan.name, plan.target
            )));
        }
        Ok(target)
    }

    /// Sees to it that the plan is the one that the target table was loaded by.
    pub(super) async fn hold_to_plan(&self, session: &mut Session, plan: &TablePlan) -> Result<()> {
        let older = receipt::plan(session, &plan.target).await?;
        let differences = match &older {
            Some((_, older)) => plan.differences(older),
            None => self.moved(plan)?,
        };
        refuse_changes(plan, &differences)?;
        if older.is_none() {
            receipt::put_plan(session, &plan.target, plan.access_path, &plan.fingerprint).await?;
        }
        failpoint::step("plan: after it is written");
        Ok(())
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

    /// The source's clock, as a plan's dates go by.
    async fn source_now(&self, plan: &TablePlan, source: &mut Session) -> Result<NaiveDateTime> {
        let server = catalog::server(source).await?;
        // An instant with an offset is compared in UTC; dates without one are taken for the server's own.
        Ok(match plan.date().map(|date| date.data_type) {
            Some(DataType::DateTimeOffset(_)) => server.now_utc,
            _ => server.now,
        })
    }

    /// Compares what recent windows have at both ends, and marks what differs; returns whether anything does. A
    /// reference table has none, and a repair is of what was found.
    async fn settle(
        &self,
        keeper: &mut Session,
        at: At<'_>,
        ends: Ends<'_>,
        standing: &Standing,
    ) -> Result<bool> {
        if at.plan.is_full() || !matches!(at.asked, Asked::Dates(_)) {
            return Ok(false);
        }
        let redo = standing
            .windows
            .iter()
            .flat_map(|work| work.redo.iter().map(|chunk| (work.window, chunk.ordinal)));
        let mut source = ends.sources.take().await?;
        let settling = Settling {
            plan: at.plan,
            target: at.target,
            lease: at.lease,
            guard: &self.config.source.guard,
            now: self.source_now(at.plan, &mut source).await?,
            days: self.config.run.settle_days,
            store: &self.retrier.store,
            read_anyway: standing.windows.iter().any(needs_work),
        };
        let settled = settling.run(&mut source, keeper, &redo.collect()).await?;
        ends.sources.put(source);
        for text in &settled.said {
            self.retrier.progress.event(Event::Warning(text));
        }
        Ok(settled.marked)
    }

    /// Compares receipts, checkpoints and the target.
    pub(super) async fn compare(&self, keeper: &mut Session, at: At<'_>, ends: Ends<'_>) -> Result<Standing> {
        let mut source = ends.sources.take().await?;
        let now = self.source_now(at.plan, &mut source).await?;
        ends.sources.put(source);
        let comparison = Comparison {
            plan: at.plan,
            target: at.target,
            lease: at.lease,
            asked: at.asked,
            settled: settled(now, self.config.run.settle_minutes),
            store: &self.retrier.store,
            clock: &self.retrier.clock,
        };
        comparison.run(keeper).await
    }

    /// The table as the store knows it; where it is loaded beside its target, under the target's name.
    fn record(&self, plan: &TablePlan) -> Change {
        let mut tables = self.config.tables.iter();
        let target = tables
            .find(|table| table.name == plan.name)
            .map_or_else(|| plan.target.clone(), |table| self.config.target_table(table));
        Change::Table(TableRecord {
            name: plan.name.as_str().to_owned(),
            source: plan.source.name.to_string(),
            target: target.to_string(),
            fingerprint: plan.fingerprint.clone(),
            access_path: plan.access_path,
            notes: plan.notes.clone(),
        })
    }

    /// How many rows a table will have that is copied whole, as its server knows without counting.
    async fn rows_expected(&self, at: At<'_>, ends: Ends<'_>) -> Result<Option<u64>> {
        if !at.plan.is_full() || !matches!(at.asked, Asked::Dates(_)) {
            return Ok(None);
        }
        let mut source = ends.sources.take().await?;
        let expected = catalog::estimate(&mut source, &at.plan.source).await?;
        ends.sources.put(source);
        Ok(expected)
    }

    /// Says what a table's turn begins with, and records the table.
    pub(super) fn announce(
        &self,
        plan: &TablePlan,
        standing: &Standing,
        rows_expected: Option<u64>,
        summary: &mut TableSummary,
    ) -> Result<()> {
        let name = plan.name.as_str();
        let left = standing.windows.iter().filter(|work| needs_work(work)).count();
        self.retrier
            .store
            .commit(&[Change::Waiting(None), self.record(plan)])?;
        summary.already_complete = standing.windows.iter().all(is_done) && summary.rows_loaded == 0;
        let rows_done = standing.windows.iter().map(|work| work.verified_rows).sum();
        self.retrier.progress.event(Event::TableStarted {
            table: name,
            windows: left,
            rows_done,
            rows_expected,
        });
        Ok(())
    }
}

/// Whether an error makes every further window pointless or wrong.
pub(super) fn ends_the_run(kind: ErrorKind) -> bool {
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
