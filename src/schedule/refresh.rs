//! A reference table's turn: what the source has now is compared with what is in place, and where they differ the
//! table is loaded beside the target and swapped in, or only the chunks that differ are loaded in place.
//!
//! The source is read once: chunks that were found to be the same before the first one that differs are taken from
//! the target itself, and proven there like any other.

use super::Run;
use super::turn::{At, Ends};
use crate::beside::{self, Standin, Swap, Way};
use crate::brake::held;
use crate::carry;
use crate::checkpoint::Change;
use crate::chunk::{Chunk, ChunkState};
use crate::error::{ErrorKind, Result};
use crate::extract::{Limits, Request, extract};
use crate::lease::{self, Lease};
use crate::mssql::Session;
use crate::plan::TablePlan;
use crate::predicate::Extent;
use crate::receipt;
use crate::report::text::rows;
use crate::report::{Event, TableSummary};
use crate::resume::{Asked, is_complete};
use crate::stop::stopped;
use crate::target::Target;
use crate::window::Window;

/// What became of a refresh beside the target.
enum Refreshed {
    /// It is done, or as far as it gets.
    Done,
    /// What is in place now is of two times, and is to be compared.
    Again,
    /// The target is no longer the one that the table was made after.
    Altered,
}

/// What the source has of a chunk.
#[derive(Clone, Copy)]
struct Compared {
    /// Whether its rows are just those of the chunk.
    same: bool,
    /// How many were read, which is one more than the chunk has where there are more.
    rows: u64,
}

impl Run<'_> {
    /// Brings a reference table's target up to date.
    pub(super) async fn refresh(
        &self,
        keeper: &mut Session,
        plan: &TablePlan,
        lease: &Lease,
        ends: Ends<'_>,
        summary: &mut TableSummary,
    ) -> Result<()> {
        let beside_plan = beside::plan(plan)?;
        let beside_lease = self.lease(keeper, &beside_plan).await?;
        if receipt::plan(keeper, &plan.target).await?.is_none() {
            // A table that was forgotten is loaded from its start.
            beside::drop_left(keeper, &beside_plan, &beside_lease).await?;
        }
        self.hold_to_plan(keeper, plan).await?;
        loop {
            match beside::way(keeper, plan).await? {
                Way::InPlace(schema, obstacles) => {
                    self.retrier.progress.event(Event::Note(&format!(
                        "Table {}: target table {} is refreshed in place, as a copy would not have {}",
                        plan.name,
                        plan.target,
                        obstacles.join(", ")
                    )));
                    beside::drop_left(keeper, &beside_plan, &beside_lease).await?;
                    let target = Target::new(plan, &schema)?.by_row(plan);
                    let at = At {
                        plan,
                        target: &target,
                        lease,
                        asked: Asked::Dates(self.options.range),
                    };
                    self.in_place(keeper, at, ends, summary).await?;
                    break;
                }
                Way::Swap(standin) => {
                    let leases = (lease, &beside_lease);
                    let plans = (plan, &beside_plan);
                    let refreshed = self
                        .swapped(keeper, plans, leases, standin.as_deref(), ends, summary)
                        .await?;
                    match refreshed {
                        Refreshed::Done => break,
                        Refreshed::Again => continue,
                        Refreshed::Altered => {}
                    }
                    self.retrier.progress.event(Event::Warning(&format!(
                        "Table {}: target table {} was altered while it was loaded anew; it is loaded again as it is now",
                        plan.name, plan.target
                    )));
                }
            }
        }
        lease::release(keeper, &beside_lease).await
    }

    /// Loads again, in place, the chunks whose rows are others at the source now.
    async fn in_place(
        &self,
        keeper: &mut Session,
        at: At<'_>,
        ends: Ends<'_>,
        summary: &mut TableSummary,
    ) -> Result<()> {
        let chunks = self.in_the_target(keeper, at, ends).await?;
        let mut differing = Vec::new();
        let (mut leaving, mut left) = (0, 0);
        for chunk in chunks.iter().filter(|chunk| chunk.state == ChunkState::Verified) {
            let found = match self.options.force {
                true => None,
                false => Some(self.compared(at.plan, chunk, ends, summary).await?),
            };
            let there = found.map_or(chunk.tally.row_count, |found| found.rows);
            leaving += chunk.tally.row_count.saturating_sub(there);
            left += there;
            if found.is_none_or(|found| !found.same) {
                differing.push(chunk.ordinal);
            }
        }
        if self.holds_back(at.plan, (leaving, leaving + left), left, summary) {
            return Ok(());
        }
        if differing.is_empty() && is_complete(&chunks) {
            return self.unchanged(at, &chunks, keeper, ends, summary).await;
        }
        receipt::mark_all_stale(keeper, at.lease, Window::ALL, &differing).await?;
        self.passes(keeper, at, ends, summary).await
    }

    /// Loads the table beside its target, where the source differs, and puts it in the target's place. False where
    /// the target is no longer the one that the table was made after.
    async fn swapped(
        &self,
        keeper: &mut Session,
        (plan, beside_plan): (&TablePlan, &TablePlan),
        (lease, beside_lease): (&Lease, &Lease),
        standin: Option<&Standin>,
        ends: Ends<'_>,
        summary: &mut TableSummary,
    ) -> Result<Refreshed> {
        let begun = beside::begun(keeper, beside_plan, standin).await?;
        let resumed = begun.is_some();
        let target = match begun {
            Some(target) => target,
            None => {
                let mut same = Vec::new();
                let old = standin
                    .map(|standin| Target::new(plan, &standin.schema))
                    .transpose();
                // A target that lacks a column of the source's is replaced by one that has it.
                if let Ok(Some(old)) = &old {
                    let at = At {
                        plan,
                        target: old,
                        lease,
                        asked: Asked::Dates(self.options.range),
                    };
                    let chunks = self.in_the_target(keeper, at, ends).await?;
                    if is_complete(&chunks) && !self.options.force {
                        same = self.same_from_the_start(plan, &chunks, ends, summary).await?;
                        if same.len() == chunks.len() {
                            self.unchanged(at, &chunks, keeper, ends, summary).await?;
                            return Ok(Refreshed::Done);
                        }
                    }
                }
                let table = plan.name.as_str().to_owned();
                self.retrier.store.commit(&[Change::RemoveWindow {
                    table,
                    window: Window::ALL,
                }])?;
                let new = beside::make(keeper, beside_plan, beside_lease, standin).await?;
                if let Ok(Some(old)) = &old {
                    let at = At {
                        plan: beside_plan,
                        target: &new,
                        lease: beside_lease,
                        asked: Asked::Dates(self.options.range),
                    };
                    self.carry(at, old, &same, ends, summary).await?;
                }
                new
            }
        };
        let at = At {
            plan: beside_plan,
            target: &target,
            lease: beside_lease,
            asked: Asked::Dates(self.options.range),
        };
        self.passes(keeper, at, ends, summary).await?;
        if summary.windows_done == 1 && summary.error.is_none() && !self.retrier.stop.is_stopped() {
            if let Some(standin) = standin {
                let (leaving, of) = beside::leaving(keeper, plan, standin, &target).await?;
                if self.holds_back(plan, (leaving, of), summary.rows_total, summary) {
                    // The next run looks at the source anew.
                    beside::drop_left(keeper, beside_plan, beside_lease).await?;
                    return Ok(Refreshed::Done);
                }
            }
            let swap = Swap {
                plan,
                beside: beside_plan,
                standin,
                lease,
                beside_lease,
            };
            let swapped = self.swap(&swap, ends).await?;
            if swapped && resumed {
                // Its first rows are of an earlier run, its last ones of now: a row may have moved between them.
                self.retrier.progress.event(Event::Note(&format!(
                    "Table {}: its load had been cut short; it is compared with the source once more",
                    plan.name
                )));
                return Ok(Refreshed::Again);
            }
            return Ok(if swapped {
                Refreshed::Done
            } else {
                Refreshed::Altered
            });
        }
        Ok(Refreshed::Done)
    }

    /// Whether the brake keeps a reference table as it is, as so many of its rows would leave and so many be there then; if
    /// so it is said. A table is never emptied unasked.
    fn holds_back(
        &self,
        plan: &TablePlan,
        (leaving, of): (u64, u64),
        left: u64,
        summary: &mut TableSummary,
    ) -> bool {
        let brake = self.brake(plan);
        let emptied = leaving > 0 && left == 0 && brake.percent < 100;
        if brake.allows(leaving, of) && !emptied {
            return false;
        }
        let error = held(&plan.name, Window::ALL, leaving, of);
        self.retrier.progress.event(Event::Warning(&error.chain()));
        summary.held += 1;
        summary.windows_done = 0;
        true
    }

    /// The chunks of the target in place, as the store has them once receipts and target were compared with it.
    async fn in_the_target(&self, keeper: &mut Session, at: At<'_>, ends: Ends<'_>) -> Result<Vec<Chunk>> {
        for warning in self.compare(keeper, at, ends).await?.warnings {
            self.retrier.progress.event(Event::Warning(&warning));
        }
        let table = at.plan.name.as_str();
        self.retrier.progress.event(Event::Comparing { table });
        self.retrier.store.chunks(table, Window::ALL)
    }

    /// Says that there is nothing to do.
    async fn unchanged(
        &self,
        at: At<'_>,
        chunks: &[Chunk],
        keeper: &mut Session,
        ends: Ends<'_>,
        summary: &mut TableSummary,
    ) -> Result<()> {
        let standing = self.compare(keeper, at, ends).await?;
        self.announce(at.plan, &standing, None, summary)?;
        summary.windows_done = 1;
        summary.rows_total = chunks.iter().map(|chunk| chunk.tally.row_count).sum();
        self.retrier.progress.event(Event::Note(&format!(
            "Table {}: the source's {} are those in place; nothing is written",
            at.plan.name,
            rows(summary.rows_total)
        )));
        Ok(())
    }

    /// The chunks before the first one whose rows are others at the source now.
    async fn same_from_the_start(
        &self,
        plan: &TablePlan,
        chunks: &[Chunk],
        ends: Ends<'_>,
        summary: &mut TableSummary,
    ) -> Result<Vec<Chunk>> {
        let mut same = Vec::new();
        for chunk in chunks {
            if !self.compared(plan, chunk, ends, summary).await?.same {
                break;
            }
            same.push(chunk.clone());
        }
        Ok(same)
    }

    /// What the source has in a chunk's range now. Reads as many rows as the chunk has, and one.
    async fn compared(
        &self,
        plan: &TablePlan,
        chunk: &Chunk,
        ends: Ends<'_>,
        summary: &mut TableSummary,
    ) -> Result<Compared> {
        let request = Request {
            extent: Extent::All,
            after: chunk.range.after.clone(),
            through: chunk.range.through.clone(),
            limits: Limits {
                rows: usize::try_from(chunk.tally.row_count).unwrap_or(usize::MAX),
                bytes: usize::try_from(chunk.tally.byte_count).unwrap_or(usize::MAX),
            },
        };
        let mut attempts = self.retrier.attempts();
        let extracted = loop {
            if self.retrier.stop.is_stopped() {
                return Err(stopped());
            }
            match self.try_read(plan, &request, ends).await {
                Ok(extracted) => break extracted,
                Err(error) => {
                    let name = plan.name.as_str();
                    self.retrier
                        .wait(&mut attempts, error, name, Some(Window::ALL))
                        .await?;
                }
            }
        };
        self.retrier.succeeded(&attempts)?;
        self.retrier.progress.event(Event::ChunkCompared {
            table: plan.name.as_str(),
            window: Window::ALL,
            ordinal: chunk.ordinal,
            row_count: chunk.tally.row_count,
        });
        let same = extracted.exhausted && extracted.batch.tally() == chunk.tally;
        if same {
            summary.rows_compared += chunk.tally.row_count;
        }
        Ok(Compared {
            same,
            rows: extracted.batch.row_count() as u64,
        })
    }

    async fn try_read(
        &self,
        plan: &TablePlan,
        request: &Request,
        ends: Ends<'_>,
    ) -> Result<crate::extract::Extracted> {
        let mut session = ends.sources.take().await?;
        let extracted = extract(&mut session, &self.config.source.guard, plan, request).await?;
        ends.sources.put(session);
        Ok(extracted)
    }

    /// Takes chunks whose rows are the same at the source from the target in place. What cannot be taken, as somebody
    /// has changed it there, is left to be read from the source.
    async fn carry(
        &self,
        at: At<'_>,
        old: &Target,
        chunks: &[Chunk],
        ends: Ends<'_>,
        summary: &mut TableSummary,
    ) -> Result<()> {
        for chunk in chunks {
            if self.retrier.stop.is_stopped() {
                return Err(stopped());
            }
            let mut session = ends.targets.take().await?;
            let load_id = self.retrier.clock.random();
            let Some(chunk) =
                carry::carry(&mut session, at.plan, old, at.target, at.lease, chunk, load_id).await?
            else {
                break;
            };
            ends.targets.put(session);
            summary.rows_loaded += chunk.tally.row_count;
            self.retrier.store.commit(&[Change::Chunk {
                table: at.plan.name.as_str().to_owned(),
                window: Window::ALL,
                chunk,
            }])?;
        }
        Ok(())
    }

    /// Swaps until it is done, or readers hold the old table for longer than is retried. False as [`beside::swap`].
    async fn swap(&self, swap: &Swap<'_>, ends: Ends<'_>) -> Result<bool> {
        let plan = swap.plan;
        let mut attempts = self.retrier.attempts();
        loop {
            match self.try_swap(swap, ends).await {
                Ok(swapped) => {
                    self.retrier.succeeded(&attempts)?;
                    if swapped {
                        self.retrier.progress.event(Event::Note(&format!(
                            "Table {}: swapped in as {}",
                            plan.name, plan.target
                        )));
                    }
                    return Ok(swapped);
                }
                Err(error) => {
                    let error = match error.kind() {
                        ErrorKind::Transient => error.within(format!(
                            "Somebody reads or changes target table {} and does not let go of it",
                            plan.target
                        )),
                        _ => error,
                    };
                    let name = plan.name.as_str();
                    self.retrier.wait(&mut attempts, error, name, None).await?;
                }
            }
        }
    }

    async fn try_swap(&self, swap: &Swap<'_>, ends: Ends<'_>) -> Result<bool> {
        let mut session = ends.targets.take().await?;
        let swapped = beside::swap(&mut session, swap).await?;
        ends.targets.put(session);
        Ok(swapped)
    }
}
