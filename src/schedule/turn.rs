//! One table's turn in a run: prepared under its lease, compared, and its windows run so many at once.
//!
//! All of a turn can be repeated: it begins with what receipts prove, whatever an earlier attempt left behind.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use chrono::NaiveDateTime;

use super::windows::{is_done, needs_work};
use super::{Run, refuse_changes};
use crate::brake::Brake;
use crate::checkpoint::{Change, TableRecord};
use crate::clocks::Clocks;
use crate::error::{ErrorKind, Result};
use crate::failpoint;
use crate::lease::{self, Lease};
use crate::mssql::{Session, catalog};
use crate::plan::{SOURCE_IDENTITY, SOURCE_SERVER, TablePlan};
use crate::receipt;
use crate::report::text::rows;
use crate::report::{Event, TableSummary};
use crate::resume::{Asked, Comparison, Standing, is_in_step, settled};
use crate::sessions::Sessions;
use crate::settle::{Settled, Settling};
use crate::table::DataType;
use crate::target::Target;
use crate::window::Window;

/// Times a table's windows are gone through in one run: again only after rows moved between windows meanwhile, or the
/// target lost what was committed.
const PASSES_MAX: usize = 5;

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
            self.look_ahead(plan, ends, summary).await?;
        }
        self.tell_unfollowed(&mut keeper, plan, summary).await?;
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

    /// Says how many rows left the table's target and could not be followed, until all of it was compared with the source.
    async fn tell_unfollowed(
        &self,
        keeper: &mut Session,
        plan: &TablePlan,
        summary: &mut TableSummary,
    ) -> Result<()> {
        let name = &plan.name;
        let count = receipt::unfollowed(keeper, &plan.target).await?;
        if self.retrier.store.view()?.unfollowed(name.as_str())? != count {
            self.retrier.store.commit(&[Change::Unfollowed {
                table: name.as_str().to_owned(),
                rows: count,
            }])?;
        }
        summary.rows_unfollowed = count;
        if summary.rows_unfollowed > 0 {
            self.retrier.progress.event(Event::Warning(&format!(
                "Table {name}: {} left the target and could not be followed, because the key holds the date and no index finds \
                 a row without it; where such a row went into another month it may be missing: run `sync reconcile --source \
                 --repair --tables {name}`, or ask for an index on the rest of the key",
                rows(summary.rows_unfollowed)
            )));
        }
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

    /// Goes through a table's windows until nothing of them has moved meanwhile, and nothing was lost at the target.
    pub(super) async fn passes(
        &self,
        keeper: &mut Session,
        at: At<'_>,
        ends: Ends<'_>,
        summary: &mut TableSummary,
    ) -> Result<()> {
        let name = at.plan.name.as_str();
        (summary.windows_failed, summary.mismatched, summary.held) = (0, 0, 0);
        // Windows that are not worked on again in this run: held by the brake, failed for good, or different twice.
        let mut left = BTreeSet::new();
        let mut compared = false;
        for pass in 0..PASSES_MAX {
            let mut standing = self.compare(keeper, at, ends).await?;
            for warning in &standing.warnings {
                self.retrier.progress.event(Event::Warning(warning));
            }
            if pass == 0 {
                // Where something is loaded anyway, all are compared when that is done.
                if worked_on(&standing).is_empty() {
                    let settled = self.settle(keeper, at, ends, false, |_| true).await?;
                    if settled.marked {
                        // What it warns of was said already.
                        standing = self.compare(keeper, at, ends).await?;
                    }
                    summary.held += settled.braked.len();
                    left.extend(settled.braked);
                }
                let expected = self.rows_expected(at, ends).await?;
                self.announce(at.plan, &standing, expected, summary)?;
            }
            standing.windows.retain(|work| !left.contains(&work.window));
            let worked = worked_on(&standing);
            let over = self.windows(at, ends, standing, summary).await?;
            left.extend(&over.ended_badly);
            if let Some(error) = over.given_up {
                let error = error.within(format!("Table {name} is given up"));
                self.retrier.progress.event(Event::Warning(&error.chain()));
                summary.error = Some(error.chain());
                summary.preflight = (error.kind() == ErrorKind::Preflight).then(|| error.kind().exit_code());
                break;
            }
            if self.retrier.stop.is_stopped() {
                break;
            }
            // Windows are read over a time: a row may have moved from what was not read yet to what was, or to another
            // window that was loaded before. Once a run: of a source where rows come all the time the next run finds more,
            // as a window that differed is not recorded as equal.
            if !worked.is_empty() && !compared {
                compared = true;
                let settled = self
                    .settle(keeper, at, ends, true, |window| !left.contains(&window))
                    .await?;
                summary.held += settled.braked.len();
                left.extend(settled.braked);
            }
            let last = pass + 1 == PASSES_MAX;
            let moved = over.displaced + over.stale > 0;
            let unsure = over.unsure && !last;
            if !moved && !unsure && is_in_step(keeper, &self.retrier.store, at.plan, at.target, &left).await?
            {
                break;
            }
            let count = match over.displaced {
                0 => "rows".to_owned(),
                count => rows(count),
            };
            let text = match (moved, last) {
                (true, false) => {
                    format!("{count} had moved to another date; the windows they left or went to are loaded again")
                }
                (_, true) => "windows are still to be loaded again, because rows keep moving at the source or the target \
                              does not keep what it committed: run again"
                    .to_owned(),
                (false, false) => continue,
            };
            let text = format!("Table {name}: {text}");
            self.retrier.progress.event(Event::Warning(&text));
            summary.error = last.then_some(text);
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
        let Some((_, older)) = receipt::plan(session, &plan.target).await? else {
            refuse_changes(plan, &self.moved(plan)?)?;
            receipt::put_plan(session, &plan.target, plan.access_path, &plan.fingerprint).await?;
            failpoint::step("plan: after it is written");
            return Ok(());
        };
        let mut differences = plan.differences(&older);
        if self.options.accept_source {
            let (accepted, rest) = differences
                .into_iter()
                .partition(|(part, _)| *part == SOURCE_IDENTITY);
            differences = rest;
            for (_, text) in accepted {
                self.tell_change(plan, &text);
            }
        }
        refuse_changes(plan, &differences)?;
        for (part, text) in plan.told_changes(&older) {
            // The server is the same for all tables.
            if part != SOURCE_SERVER || !self.told_server.swap(true, Ordering::Relaxed) {
                self.tell_change(plan, &text);
            }
        }
        let mut renewed = older.clone();
        for (part, now) in &plan.fingerprint {
            match renewed.iter_mut().find(|(name, _)| name == part) {
                Some((_, then)) => then.clone_from(now),
                None => renewed.push((part.clone(), now.clone())),
            }
        }
        if renewed != older {
            receipt::renew_plan(session, &plan.target, &renewed).await?;
            failpoint::step("plan: after it is renewed");
        }
        Ok(())
    }

    fn tell_change(&self, plan: &TablePlan, text: &str) {
        self.retrier
            .progress
            .event(Event::Warning(&format!("Table {}: {text}", plan.name)));
    }

    /// What of a plan that the target does not know is not as the store has it: rows that go to another table than
    /// before would leave the old one behind without a word.
    fn moved(&self, plan: &TablePlan) -> Result<Vec<(&'static str, String)>> {
        let known = self.retrier.store.table(plan.name.as_str())?;
        let (now, then) = (plan.target.to_string(), known.map(|record| record.target));
        Ok(then
            .filter(|then| *then != now)
            .map(|then| ("target table", format!("target table: was {then}, is {now}")))
            .into_iter()
            .collect())
    }

    /// The source's clock, as a plan's dates go by, and no later than the other clocks allow.
    pub(super) async fn source_now(
        &self,
        plan: &TablePlan,
        source: &mut Session,
        clocks: Clocks,
    ) -> Result<NaiveDateTime> {
        let server = catalog::server(source).await?;
        // An instant with an offset is compared in UTC; dates without one are taken for the server's own.
        Ok(clocks.of_source(match plan.date().map(|date| date.data_type) {
            Some(DataType::DateTimeOffset(_)) => server.now_utc,
            _ => server.now,
        }))
    }

    /// Compares what recent windows have at both ends, and marks what differs. A reference table has none, and a repair is
    /// of what was found.
    async fn settle(
        &self,
        keeper: &mut Session,
        at: At<'_>,
        ends: Ends<'_>,
        read_anyway: bool,
        concerned: impl Fn(Window) -> bool,
    ) -> Result<Settled> {
        if at.plan.is_full() || !matches!(at.asked, Asked::Dates(_)) {
            return Ok(Settled::default());
        }
        let clocks = self.clocks(ends).await?;
        let mut source = ends.sources.take().await?;
        let settling = Settling {
            plan: at.plan,
            target: at.target,
            lease: at.lease,
            guard: &self.config.source.guard,
            now: self.source_now(at.plan, &mut source, clocks).await?,
            trusted: clocks.agree(),
            days: self.config.run.settle_days,
            store: &self.retrier.store,
            read_anyway,
            brake: self.brake(at.plan),
        };
        let settled = settling.run(&mut source, keeper, concerned).await?;
        ends.sources.put(source);
        for text in &settled.said {
            self.retrier.progress.event(Event::Warning(text));
        }
        Ok(settled)
    }

    /// Compares receipts, checkpoints and the target.
    pub(super) async fn compare(&self, keeper: &mut Session, at: At<'_>, ends: Ends<'_>) -> Result<Standing> {
        let clocks = self.clocks(ends).await?;
        let mut source = ends.sources.take().await?;
        let now = self.source_now(at.plan, &mut source, clocks).await?;
        ends.sources.put(source);
        let comparison = Comparison {
            plan: at.plan,
            target: at.target,
            lease: at.lease,
            asked: at.asked,
            settled: settled(now, self.config.run.settle_minutes),
            leave_open: !clocks.agree(),
            store: &self.retrier.store,
            clock: &self.retrier.clock,
        };
        comparison.run(keeper).await
    }

    /// How many rows may leave a window of a table.
    pub(super) fn brake(&self, plan: &TablePlan) -> Brake {
        let allowed = self
            .options
            .allow_deletes
            .iter()
            .any(|table| plan.name.same_as(table.as_str()));
        Brake {
            percent: if allowed {
                100
            } else {
                self.config.run.leaving_rows_max_percent
            },
        }
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

/// The windows that have anything to be done now.
fn worked_on(standing: &Standing) -> BTreeSet<Window> {
    let windows = standing.windows.iter().filter(|work| needs_work(work));
    windows.map(|work| work.window).collect()
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
        | ErrorKind::Held
        | ErrorKind::Stopped => false,
    }
}
