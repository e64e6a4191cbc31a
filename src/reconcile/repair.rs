//! Repairs the findings, and checks afterwards that the windows are whole.
//!
//! If more rows would leave a window than the brake allows, none of its chunks is marked or loaded. An
//! emptied source is not copied without an operator's word.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDateTime;

use crate::backfill::{LoadTarget, load_windows};
use crate::base::error::{Error, ErrorKind, Result};
use crate::base::text::{counted, rows, thousands};
use crate::checkpoint::Change;
use crate::model::brake::Brake;
use crate::model::chunk::{ChunkState, KeyRange};
use crate::model::plan::TablePlan;
use crate::model::row::Tally;
use crate::model::table::TableName;
use crate::model::window::Window;
use crate::model::window::uncovered;
use crate::mssql::Session;
use crate::pipeline::resume::Scope;
use crate::preflight::context::RunContext;
use crate::progress::TableSummary;
use crate::reconcile::finding::{About, Finding, ReconcileOptions, Reconciled};
use crate::reconcile::window::gap;
use crate::target::lease::Lease;
use crate::target::receipt::{self, Receipt};
use crate::target::table::Target;

/// The subject of a repair.
pub(super) struct Repair<'a> {
    pub(super) plan: &'a TablePlan,
    /// `None` if the target table does not exist.
    pub(super) target: Option<Target>,
    pub(super) lease: &'a Lease,
    /// All windows of the table that have receipts.
    pub(super) receipted: &'a [Window],
    /// Rows at the target, by window.
    pub(super) there: &'a BTreeMap<Window, u64>,
    pub(super) options: &'a ReconcileOptions,
}

/// The subject of the check after a repair.
#[derive(Clone, Copy)]
struct Proof<'a> {
    plan: &'a TablePlan,
    target: &'a Target,
    read_cutoff: NaiveDateTime,
}

/// The parts of the windows that a repair loads.
#[derive(Default)]
struct Parts {
    /// Chunks that differ.
    differing: BTreeMap<Window, Vec<u32>>,
    /// For each window that is not whole, the windows that cover its dates in the load.
    parts: BTreeMap<Window, Vec<Window>>,
}

impl Parts {
    fn of(findings: &[&mut Finding], receipted: &[Window]) -> Result<Parts> {
        let mut all = Parts::default();
        for finding in findings {
            let window = finding.window;
            if finding.about == About::Chunk {
                all.differing.entry(window).or_default().extend(finding.ordinal);
            } else if receipted.contains(&window) {
                all.parts.insert(window, vec![window]);
            } else {
                all.parts.insert(window, uncovered(window, receipted)?);
            }
        }
        Ok(all)
    }
}

/// Loads the chunks that differ again in place, and the windows that are not whole to their end. Returns whether keys that
/// hold the date came or left, or may have.
pub(super) async fn repair(
    run: &RunContext<'_>,
    lease_session: &mut Session,
    repair: Repair<'_>,
    done: &mut Reconciled,
) -> Result<bool> {
    let plan = repair.plan;
    let target = match &repair.target {
        Some(target) => target.clone(),
        None if plan.is_full() => {
            let error = is_not_there(&plan.target, "nothing of it has a receipt");
            done.left_out
                .push(format!("Table {}: {}", plan.name, error.chain()));
            return Ok(false);
        }
        None => Target::open(lease_session, plan).await?.0,
    };
    let stopped = stopped_by_the_brake(run, &repair, &done.findings);
    let findings = done.findings.iter_mut();
    let findings: Vec<&mut Finding> = findings
        .filter(|finding| !stopped.contains(&finding.window))
        .collect();
    if findings.is_empty() {
        return Ok(false);
    }
    if plan.key_holds_date() {
        // A row that moved to or from a chunk that was compared before is found by a comparison of all, and by no part of one.
        run.retrier.store.commit(&[Change::Unchecked {
            table: plan.name.as_str().to_owned(),
        }])?;
    }
    let Parts { differing, parts } = Parts::of(&findings, repair.receipted)?;
    // A chunk that has grown is loaded as several, so that other numbers stand for its range then.
    let mut ranges: BTreeMap<(Window, u32), KeyRange> = BTreeMap::new();
    for (window, ordinals) in &differing {
        let receipts = receipt::read(lease_session, &plan.target, *window).await?;
        let chunks = receipts.into_iter().map(|receipt| receipt.chunk);
        ranges.extend(chunks.map(|chunk| ((*window, chunk.ordinal), chunk.range)));
        receipt::mark_all_stale(lease_session, repair.lease, *window, ordinals).await?;
    }
    let whole = parts.values().flatten().copied().collect();
    let at = LoadTarget {
        plan,
        target: &target,
        lease: repair.lease,
        scope: Scope::Repair(&whole),
    };
    let mut summary = TableSummary::default();
    load_windows(run, lease_session, at, &mut summary).await?;
    let proof = Proof {
        plan,
        target: &target,
        read_cutoff: run.read_cutoff(plan).await?,
    };
    let (mut all_repaired, mut moved) = (true, false);
    for finding in findings {
        let mut loaded = None;
        finding.repaired = match (parts.get(&finding.window), finding.ordinal) {
            (Some(parts), _) => proof.are_whole(lease_session, parts).await?,
            (None, Some(ordinal)) => {
                if let Some(range) = ranges.get(&(finding.window, ordinal)) {
                    loaded = proof.verified(lease_session, finding.window, range).await?;
                }
                loaded.is_some()
            }
            (None, None) => false,
        };
        all_repaired &= finding.repaired;
        moved |= !loaded.is_some_and(|loaded| finding.difference.is_of_values(loaded));
    }
    let failed = summary.windows_failed + summary.mismatched + summary.held;
    if failed > 0 && all_repaired && summary.error.is_none() {
        // Windows without a finding: the repair displaced their rows.
        done.left_out.push(format!(
            "Table {}: {} of those that the repair has to load again failed; see the warnings above, then run again",
            plan.name,
            counted(failed as u64, "window")
        ));
    }
    done.left_out.extend(summary.error);
    Ok(moved && plan.key_holds_date())
}

/// The windows that the brake stops, each with a warning.
fn stopped_by_the_brake(run: &RunContext<'_>, repair: &Repair<'_>, findings: &[Finding]) -> BTreeSet<Window> {
    let name = &repair.plan.name;
    let allowed = &repair.options.allow_deletes;
    if allowed.iter().any(|table| table.same_as(name.as_str())) {
        return BTreeSet::new();
    }
    let brake = Brake {
        percent: run.config.run.leaving_rows_max_percent,
    };
    // Without the source the number of its rows is unknown.
    let mut ends: BTreeMap<Window, (u64, u64)> = BTreeMap::new();
    for finding in findings {
        if let Some(source) = finding.difference.source_rows {
            let sums = ends.entry(finding.window).or_default();
            *sums = (sums.0 + finding.difference.target_rows, sums.1 + source);
        }
    }
    let mut stopped = BTreeSet::new();
    for (window, (target, source)) in ends {
        let leaving = target.saturating_sub(source);
        let of = repair.there.get(&window).copied().unwrap_or(target);
        let is_emptied = repair.plan.is_full() && of > 0 && leaving >= of;
        if brake.allows(leaving, of) && !is_emptied {
            continue;
        }
        run.warn(&format!(
            "Table {name}, window {window}: {} of {} at the target would leave, so nothing is loaded; \
                 see why the source has so few rows, or let them go with `--allow-deletes {name}`",
            thousands(leaving),
            rows(of),
        ));
        stopped.insert(window);
    }
    stopped
}

impl Proof<'_> {
    /// The rows of the range of a chunk, if verified receipts for rows in this very table cover it.
    async fn verified(
        self,
        lease_session: &mut Session,
        window: Window,
        range: &KeyRange,
    ) -> Result<Option<Tally>> {
        let receipts = receipt::read(lease_session, &self.plan.target, window).await?;
        let from_its_start = receipts
            .iter()
            .skip_while(|receipt| receipt.chunk.range.after != range.after);
        let (mut end, mut rows) = (Some(&range.after), Tally::default());
        for receipt in from_its_start {
            let Receipt {
                chunk, incarnation, ..
            } = receipt;
            let follows = end == Some(&chunk.range.after);
            if !follows || chunk.state != ChunkState::Verified || *incarnation != self.target.incarnation {
                return Ok(None);
            }
            rows.add(chunk.tally);
            if chunk.range.through == range.through {
                return Ok(Some(rows));
            }
            end = chunk.range.through.is_some().then_some(&chunk.range.through);
        }
        Ok(None)
    }

    /// Whether verified receipts cover the windows without a gap, up to their end or to the last key of an
    /// open one, and the target has no other rows of them.
    async fn are_whole(self, lease_session: &mut Session, windows: &[Window]) -> Result<bool> {
        for window in windows {
            if !self.is_whole(lease_session, *window).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    async fn is_whole(self, lease_session: &mut Session, window: Window) -> Result<bool> {
        let receipts = receipt::read(lease_session, &self.plan.target, window).await?;
        let ends = receipts
            .last()
            .is_some_and(|last| last.chunk.range.through.is_none());
        let sound = receipts.iter().all(|receipt| {
            receipt.chunk.state == ChunkState::Verified && receipt.incarnation == self.target.incarnation
        });
        if !sound || gap(&receipts).is_some() || (!ends && window.has_passed(self.read_cutoff)) {
            return Ok(false);
        }
        let verified: u64 = receipts.iter().map(|receipt| receipt.chunk.tally.row_count).sum();
        let there = self.target.count_window(lease_session, self.plan, window).await?;
        Ok(there == verified)
    }
}

/// The error for a missing target table that a repair needs and only a run creates.
pub(super) fn is_not_there(target: &TableName, why: &str) -> Error {
    Error::new(
        ErrorKind::Preflight,
        format!("Target table {target} is not there, and {why}; a run with its dates loads it again"),
    )
}
