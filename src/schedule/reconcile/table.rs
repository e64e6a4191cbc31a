//! A table compared under its lease.
//!
//! The lease comes first. Whatever is learnt of the target is learnt after it, so that no other machine's cutover can
//! have replaced the table that is compared and repaired.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::repair::Repair;
use super::window::{Shared, lost_of, windows_again};
use super::{About, Finding, ReconcileOptions, Reconciled};
use crate::beside::{self, Way};
use crate::checkpoint::{AccessPath, Change};
use crate::config::{Mode, TableConfig};
use crate::error::{Error, ErrorKind, Result};
use crate::lease::{self, Lease};
use crate::migrate::{self, migrate};
use crate::mssql::{Session, catalog};
use crate::plan::TablePlan;
use crate::receipt::{self, Fingerprint};
use crate::reconcile::{Difference, NO_RECEIPT};
use crate::report::Event;
use crate::resume::settled;
use crate::schedule::turn::Ends;
use crate::schedule::{Run, origin};
use crate::table::TableName;
use crate::target::Target;
use crate::window::{DateRange, Kind, Window, missing};

/// What the target knows of a table, read while nobody else may write it.
struct Known {
    /// `None` where the target has no schema [sync], and so no leases.
    lease: Option<Lease>,
    /// The plan that its rows were loaded by.
    plan: Option<(AccessPath, Fingerprint)>,
    /// The windows that have receipts.
    receipted: Vec<Window>,
    /// Windows of which the store holds verified chunks and the target has no receipt at all.
    bare: Vec<Window>,
}

impl Run<'_> {
    pub(super) async fn try_reconcile(
        &self,
        table: &TableConfig,
        options: &ReconcileOptions,
        pass: u128,
        ends: Ends<'_>,
        done: &mut Reconciled,
    ) -> Result<()> {
        let mut keeper = ends.targets.take().await?;
        let known = self.known(&mut keeper, table, options).await?;
        let lease = known.lease.clone();
        let target = self.config.target_table(table);
        let unfollowed = match &lease {
            Some(_) => receipt::unfollowed(&mut keeper, &target).await?,
            None => 0,
        };
        if known.receipted.is_empty() && known.bare.is_empty() {
            self.retrier.progress.event(Event::Note(&format!(
                "Table {}: nothing of it is loaded, so there is nothing to compare",
                table.name
            )));
        } else {
            self.compare_known(&mut keeper, table, known, (options, pass), ends, done)
                .await?;
        }
        // Rows that could not be followed are found by comparing all of the table with the source.
        // What an earlier command has compared says nothing of where they went since; nor does what was found before a
        // repair that itself let rows go.
        let whole = options.source && options.range.is_none() && !self.retrier.stop.is_stopped();
        let same = done.left_out.is_empty() && done.chunks_before == 0;
        if let Some(lease) = &lease
            && whole
            && same
            && done.findings.iter().all(|finding| finding.repaired)
            && receipt::unfollowed(&mut keeper, &target).await? <= unfollowed
        {
            receipt::all_followed(&mut keeper, lease, &target).await?;
            self.retrier.store.commit(&[Change::Unfollowed {
                table: table.name.as_str().to_owned(),
                rows: 0,
            }])?;
        }
        let released = match &lease {
            Some(lease) => lease::release(&mut keeper, lease).await.is_ok(),
            None => true,
        };
        if released {
            ends.targets.put(keeper);
        }
        Ok(())
    }

    /// Takes the table's lease, and reads what there is of it.
    async fn known(
        &self,
        keeper: &mut Session,
        table: &TableConfig,
        options: &ReconcileOptions,
    ) -> Result<Known> {
        let target = self.config.target_table(table);
        if migrate::version(keeper).await? == 0 {
            let bare = self.bare(table, &[])?;
            if bare.is_empty() || !options.repair {
                return Ok(Known {
                    lease: None,
                    plan: None,
                    receipted: Vec::new(),
                    bare,
                });
            }
            migrate(keeper).await?;
        }
        let lease = lease::take(
            keeper,
            &target.to_string(),
            &self.holder(),
            &self.retrier.clock,
            &self.retrier.stop,
        )
        .await?;
        let plan = receipt::plan(keeper, &target).await?;
        let receipted = receipt::windows(keeper, &target).await?;
        // A reference table's first load is recorded under the name of the table beside it until it is swapped in.
        let is_beside = table.mode == Mode::Full
            && receipted.is_empty()
            && !receipt::windows(keeper, &beside::name(&target)?)
                .await?
                .is_empty();
        let bare = if is_beside {
            Vec::new()
        } else {
            self.bare(table, &receipted)?
        };
        Ok(Known {
            lease: Some(lease),
            plan,
            receipted,
            bare,
        })
    }

    /// The windows that the store remembers chunks of, verified or stale, and that are not among the `receipted`. Another run may
    /// have cut the same days otherwise: a window whose days all have receipts is not missed.
    fn bare(&self, table: &TableConfig, receipted: &[Window]) -> Result<Vec<Window>> {
        let (name, view) = (table.name.as_str(), self.retrier.store.view()?);
        let mut bare = Vec::new();
        for record in view.windows(name)? {
            let window = record.window;
            if !receipted.contains(&window)
                && matches!(view.counts(name, window)?, counts if counts.verified + counts.stale > 0)
                && !uncovered(window, receipted)?.is_empty()
            {
                bare.push(window);
            }
        }
        Ok(bare)
    }

    async fn compare_known(
        &self,
        keeper: &mut Session,
        table: &TableConfig,
        known: Known,
        (options, pass): (&ReconcileOptions, u128),
        ends: Ends<'_>,
        done: &mut Reconciled,
    ) -> Result<()> {
        let Known {
            lease,
            plan: recorded,
            receipted,
            bare,
        } = known;
        let name = table.name.as_str();
        let is_recorded = recorded.is_some();
        let plan = self.plan_by(table, recorded, options, ends).await?;
        if is_recorded {
            self.hold_to_plan(keeper, &plan).await?;
        }
        let target = self.target_in_place(keeper, &plan, &receipted).await?;
        self.retrier.progress.event(Event::Comparing { table: name });
        let mut windows: BTreeSet<Window> = receipted.iter().chain(&bare).copied().collect();
        windows.retain(|window| options.range.is_none_or(|range| window.is_asked(range)));
        done.tables += 1;
        let mut there = Default::default();
        if let Some(target) = &target {
            let settled = match options.source {
                true => Some(self.settled_now(&plan, ends).await?),
                false => None,
            };
            let shared = Arc::new(Shared {
                plan: plan.clone(),
                target: target.clone(),
                guard: self.config.source.guard.clone(),
                settled,
                has_receipts: lease.is_some(),
                bytes_max: self.config.run.chunk_bytes_max.saturating_mul(2),
                pass,
                sources: Arc::clone(ends.sources),
                targets: Arc::clone(ends.targets),
                retrier: self.retrier.clone(),
            });
            there = windows_again(&shared, windows, self.max_workers(), done).await?;
        } else {
            self.all_lost(name, &windows, done)?;
        }
        self.retrier.progress.event(Event::Compared {
            table: name,
            chunks: done.chunks,
            differing: done.findings.len() as u64,
        });
        let repairs = options.repair && !done.findings.is_empty() && !self.retrier.stop.is_stopped();
        let Some(lease) = lease.filter(|_| repairs) else {
            return Ok(());
        };
        // What was only compared with the target's own records is loaded by what the source is now.
        let plan = match options.source {
            true => plan,
            false => self.plan_now(table, ends).await?,
        };
        self.hold_to_plan(keeper, &plan).await?;
        let repair = Repair {
            plan: &plan,
            target,
            lease: &lease,
            receipted: &receipted,
            there: &there,
            options,
        };
        self.repair(keeper, repair, ends, done).await
    }

    /// The plan to compare by: the source's, where it is asked, else the one that the target or the store recorded.
    async fn plan_by(
        &self,
        table: &TableConfig,
        recorded: Option<(AccessPath, Fingerprint)>,
        options: &ReconcileOptions,
        ends: Ends<'_>,
    ) -> Result<TablePlan> {
        if options.source {
            return self.plan_now(table, ends).await;
        }
        let target = self.config.target_table(table);
        let recorded = match recorded {
            Some(recorded) => Some(recorded),
            None => {
                let record = self.retrier.store.table(table.name.as_str())?;
                record.map(|record| (record.access_path, record.fingerprint))
            }
        };
        let (access_path, fingerprint) = recorded.ok_or_else(|| {
            Error::new(
                ErrorKind::Preflight,
                format!("There are receipts of {target} and no plan of it; compare with --source"),
            )
        })?;
        TablePlan::recorded(&table.name, target, access_path, fingerprint)
    }

    /// The target table; `None` where it is not there, and no receipt says that it should be.
    async fn target_in_place(
        &self,
        keeper: &mut Session,
        plan: &TablePlan,
        receipted: &[Window],
    ) -> Result<Option<Target>> {
        let Some(schema) = catalog::describe(keeper, &plan.target).await? else {
            if receipted.is_empty() {
                return Ok(None);
            }
            return Err(is_not_there(&plan.target, "there are receipts of it"));
        };
        let target = Target::new(plan, &schema)?;
        let by_row = plan.is_full() && matches!(beside::way(keeper, plan).await?, Way::InPlace(..));
        Ok(Some(if by_row { target.by_row(plan) } else { target }))
    }

    /// The table's plan by the source's catalog.
    async fn plan_now(&self, table: &TableConfig, ends: Ends<'_>) -> Result<TablePlan> {
        let mut source = ends.sources.take().await?;
        let origin = origin(self.config, &mut source).await?;
        let plan = self.plan(&mut source, table, &origin).await?;
        ends.sources.put(source);
        Ok(plan)
    }

    /// Up to when the source's rows are old enough to be read.
    pub(super) async fn settled_now(
        &self,
        plan: &TablePlan,
        ends: Ends<'_>,
    ) -> Result<chrono::NaiveDateTime> {
        let clocks = self.clocks(ends).await?;
        let mut source = ends.sources.take().await?;
        let now = self.source_now(plan, &mut source, clocks).await?;
        ends.sources.put(source);
        Ok(settled(now, self.config.run.settle_minutes))
    }

    /// What the store holds of a table whose target is not there.
    fn all_lost(&self, name: &str, windows: &BTreeSet<Window>, done: &mut Reconciled) -> Result<()> {
        for window in windows {
            let chunks = self.retrier.store.chunks(name, *window)?;
            for chunk in lost_of(&[], &chunks) {
                done.findings.push(Finding {
                    table: name.to_owned(),
                    window: *window,
                    ordinal: Some(chunk.ordinal),
                    about: About::Lost,
                    difference: Difference {
                        receipt_rows: chunk.tally.row_count,
                        why: vec![NO_RECEIPT],
                        ..Difference::default()
                    },
                    repaired: false,
                });
            }
        }
        Ok(())
    }
}

/// A target table that a repair needs and that only a run makes.
pub(super) fn is_not_there(target: &TableName, why: &str) -> Error {
    Error::new(
        ErrorKind::Preflight,
        format!("Target table {target} is not there, and {why}; a run with its dates loads it again"),
    )
}

/// The parts of a window that none of the `receipted` windows is of.
pub(super) fn uncovered(window: Window, receipted: &[Window]) -> Result<Vec<Window>> {
    if window.kind() != Kind::Dates {
        return Ok(if receipted.contains(&window) {
            Vec::new()
        } else {
            vec![window]
        });
    }
    let range = DateRange {
        start: window.start(),
        end: window.end(),
    };
    missing(range, receipted)
}
