//! What receipts and a state file tell of a table's windows, without a change to either.
//!
//! A run begins with it before it writes ([`super::Comparison`]), and a preview ends there ([`look`]), so that both come to
//! the same work.

use std::collections::BTreeMap;

use chrono::NaiveDateTime;

use super::diff::Found;
use super::doubt::{self, Judged, Memory, was_in_step};
use super::owed::{self, Owed};
use super::reached::{Reached, in_step, without_receipts};
use super::trim::{Trimmed, trim_to_gapless};
use crate::base::error::Result;
use crate::base::text::{counted, rows};
use crate::checkpoint::View;
use crate::model::chunk::{Chunk, ChunkEvent, ChunkState, KeyBytes, KeyRange, next_state};
use crate::model::plan::TablePlan;
use crate::model::window::{DateRange, Window};
use crate::mssql::Session;
use crate::target::receipt::{self, Incarnation, Sums};
use crate::target::row_count;
use crate::target::table::Target;
use crate::tsql::predicate::instant_of_key;

/// A table's windows as a run would find them.
#[derive(Debug, Default)]
pub(crate) struct Looked {
    /// The windows that are asked for, and those that a run works on whatever dates are asked for.
    pub(crate) windows: Vec<LookedAt>,
    /// All windows that have receipts, whose days need no other window.
    pub(crate) receipted: Vec<Window>,
    /// Rows of the table that are verified, and their canonical bytes.
    pub(crate) rows: u64,
    pub(crate) bytes: u64,
    /// Warnings for an operator.
    pub(crate) warnings: Vec<String>,
}

/// A window that was begun.
#[derive(Debug)]
pub(crate) struct LookedAt {
    /// Its dates.
    pub(crate) window: Window,
    /// Chunks to load again.
    pub(crate) redo: u64,
    /// Whether no chunk is left behind these.
    pub(crate) is_closed: bool,
    /// Rows that are verified.
    pub(crate) rows: u64,
}

/// Whom a preview is for.
pub(crate) struct Asked<'a> {
    /// The dates.
    pub(crate) range: DateRange,
    /// The time before which the source's rows are old enough to be read.
    pub(crate) read_cutoff: NaiveDateTime,
    /// The state file, if there is one.
    pub(crate) view: Option<&'a View<'a>>,
}

/// Looks at the windows of a table, of which `target` is the table in place, if there is one. Asks the target only, and
/// reads the receipts of those windows alone that a state file does not know the same of.
///
/// # Errors
/// `State` when the state file or a receipt cannot be read; those of the session.
pub(crate) async fn look(
    session: &mut Session,
    plan: &TablePlan,
    target: Option<&Target>,
    asked: &Asked<'_>,
) -> Result<Looked> {
    // No receipt is of a table that is not there.
    let nowhere = Incarnation {
        object_id: 0,
        created: String::new(),
    };
    let incarnation = target.map_or(&nowhere, |target| &target.incarnation);
    let sums = receipt::sums(session, &plan.target, incarnation).await?;
    // Only the table in place tells the rows of a reference table.
    let view = asked.view.filter(|_| !plan.is_full());
    let mut found = Found::default();
    if let Some(view) = view.filter(|_| session.receipt_key().is_none()) {
        found.in_step = by_sums(view, plan, &sums)?;
    }
    let has_key = session.receipt_key().is_some();
    let is_sound = |sums: &Sums| sums.verified == sums.chunks && sums.here == sums.chunks;
    let is_read = |(window, sums): &(&Window, &Sums)| {
        view.is_some() || has_key || window.is_asked(asked.range) || !is_sound(sums)
    };
    let (read, rest): (Vec<_>, Vec<_>) = sums
        .iter()
        .filter(|(window, _)| !found.in_step.contains_key(window))
        .partition(is_read);
    let read: Vec<(Window, u64)> = read
        .iter()
        .map(|(window, sums)| (**window, sums.chunks))
        .collect();
    let rows_unread: u64 = rest.iter().map(|(_, sums)| sums.rows).sum();
    read_unmatched(session, plan, incarnation, view, &read, &mut found).await?;
    if let Some(view) = view {
        lost(view, plan, &sums, asked, &mut found)?;
    }
    let mut missing = 0;
    for (window, chunks) in &mut found.unmatched {
        let trimmed = gapless(std::mem::take(chunks), &known(view, plan, *window)?)?;
        missing += trimmed.lost;
        *chunks = trimmed.chunks;
    }
    found
        .unmatched
        .retain(|window, chunks| sums.contains_key(window) || !chunks.is_empty());
    let mut told = doubt::warnings(plan.name.as_str(), &found.doubts, "a run loads their rows again");
    told.extend(warnings(plan, found.foreign, 0, missing));
    if let Some(target) = target {
        told.extend(miscounted(session, plan, target, &sums).await?);
    }
    let mut looked = Looked {
        receipted: sums.keys().copied().collect(),
        rows: rows_unread,
        bytes: sums.values().map(|sums| sums.bytes).sum(),
        warnings: told,
        ..Looked::default()
    };
    looked.add(found, asked);
    Ok(looked)
}

impl Looked {
    /// Adds what was found, of which the windows are kept that a run works on.
    fn add(&mut self, found: Found, asked: &Asked<'_>) {
        let unmatched = found.unmatched.into_iter();
        let unmatched = unmatched.map(|(window, chunks)| (window, Reached::by(chunks)));
        for (window, reached) in found.in_step.into_iter().chain(unmatched) {
            self.rows += reached.verified_rows;
            let is_due = reached.next.is_some() && window.is_dated() && window.has_passed(asked.read_cutoff);
            if window.is_asked(asked.range) || is_due || !reached.redo.is_empty() {
                self.windows.push(LookedAt {
                    window,
                    redo: reached.redo.len() as u64,
                    is_closed: reached.next.is_none(),
                    rows: reached.verified_rows,
                });
            }
        }
    }
}

/// Adds the windows that the state file has loaded and the target has lost all receipts of.
fn lost(
    view: &View<'_>,
    plan: &TablePlan,
    sums: &BTreeMap<Window, Sums>,
    asked: &Asked<'_>,
    found: &mut Found,
) -> Result<()> {
    for window in without_receipts(view, plan, sums)? {
        found.unmatched.insert(window, Vec::new());
    }
    let kept: Vec<Window> = sums.keys().chain(found.unmatched.keys()).copied().collect();
    for window in owed::days(view, plan.name.as_str(), &kept)? {
        if let Some(passed) = Owed::of(window, asked.read_cutoff)?.passed {
            found.unmatched.insert(passed, vec![Owed::chunk(0)]);
        }
    }
    Ok(())
}

/// The warning that the target has another number of rows than its receipts: a run counts then, and may find more to do.
async fn miscounted(
    session: &mut Session,
    plan: &TablePlan,
    target: &Target,
    sums: &BTreeMap<Window, Sums>,
) -> Result<Option<String>> {
    // Receipts of another table of this name say nothing about this one.
    if plan.is_full() || sums.is_empty() || sums.values().any(|sums| sums.here != sums.chunks) {
        return Ok(None);
    }
    let proven: u64 = sums.values().map(|sums| sums.rows).sum();
    let kept = row_count::kept(session, &target.incarnation).await?;
    Ok(kept.filter(|kept| *kept != proven).map(|kept| {
        format!(
            "Table {}: target table {} has {} and the receipts prove {}, so a run counts the rows of the dates that are asked \
             for and loads again what is gone",
            plan.name,
            plan.target,
            rows(kept),
            rows(proven)
        )
    }))
}

/// The windows whose receipts have the same sums as the state file.
pub(super) fn by_sums(
    view: &View<'_>,
    plan: &TablePlan,
    sums: &BTreeMap<Window, Sums>,
) -> Result<BTreeMap<Window, Reached>> {
    let mut alike = BTreeMap::new();
    for (window, sums) in sums {
        if let Some(reached) = in_step(view, plan, *window, sums)? {
            alike.insert(*window, reached);
        }
    }
    Ok(alike)
}

/// Reads the receipts of windows, each with their number, and judges them by what the state file knows of the same loads.
pub(super) async fn read_unmatched(
    session: &mut Session,
    plan: &TablePlan,
    incarnation: &Incarnation,
    view: Option<&View<'_>>,
    windows: &[(Window, u64)],
    found: &mut Found,
) -> Result<()> {
    let mut receipts = receipt::read_windows(session, &plan.target, windows).await?;
    let seals = receipts.values().flatten().map(|receipt| receipt.seal);
    receipt::refuse_other_key(&plan.target, seals)?;
    let was_in_step = match view {
        // The receipts of a reference table come from another table's lease, by the cutover.
        Some(view) if !plan.is_full() => was_in_step(view, plan.name.as_str(), incarnation)?,
        _ => None,
    };
    for (window, _) in windows {
        let stored = known(view, plan, *window)?;
        let memory = Memory::of(&stored, was_in_step);
        let mut chunks = Vec::new();
        for mut receipt in receipts.remove(window).unwrap_or_default() {
            if receipt.incarnation != *incarnation {
                found.foreign += 1;
                let mut chunk = receipt.chunk;
                // Its rows went into another table of the same name.
                chunk.state = next_state(chunk.state, ChunkEvent::TargetChanged)?;
                chunks.push(chunk);
                continue;
            }
            match memory.judge(&receipt) {
                Judged::Believed => {}
                Judged::Sealable => {
                    receipt.chunk.state = ChunkState::Verified;
                    found.unsealed.push(receipt.clone());
                }
                Judged::Doubted(doubt) => {
                    found.doubts.push(doubt);
                    let ordinals = found.doubted.entry(*window).or_default();
                    ordinals.push(receipt.chunk.ordinal);
                    chunks.push(memory.stale(&receipt));
                    continue;
                }
            }
            chunks.push(receipt.chunk);
        }
        found.unmatched.insert(*window, chunks);
    }
    Ok(())
}

/// The state file's chunks of a window. Only the table in place tells the rows of a reference table.
pub(super) fn known(view: Option<&View<'_>>, plan: &TablePlan, window: Window) -> Result<Vec<Chunk>> {
    match (view, window) {
        (Some(view), Window::Dates(_) | Window::Undated) => view.chunks(plan.name.as_str(), window),
        (None, _) | (_, Window::All) => Ok(Vec::new()),
    }
}

/// Makes a window's chunks a sequence without a gap.
pub(super) fn gapless(chunks: Vec<Chunk>, known: &[Chunk]) -> Result<Trimmed> {
    let mut trimmed = trim_to_gapless(chunks, known)?;
    if let Some(rest) = trimmed.rest.take().filter(|rest| is_ahead(&rest.range)) {
        trimmed.chunks.push(rest);
    }
    Ok(trimmed)
}

/// The warnings about chunks of another table of this name, chunks whose rows are gone, and chunks whose receipts are gone.
pub(super) fn warnings(plan: &TablePlan, foreign: usize, recounted: usize, lost: usize) -> Vec<String> {
    let (name, target) = (&plan.name, &plan.target);
    let mut warnings = Vec::new();
    if foreign > 0 {
        warnings.push(format!(
            "Table {name}: target table {target} was dropped and made anew since it was loaded; \
             its {} loaded again",
            match foreign {
                1 => "chunk is".to_owned(),
                count => format!("{count} chunks are"),
            }
        ));
    }
    if recounted > 0 {
        warnings.push(format!(
            "Table {name}: target table {target} no longer holds the rows of {} \
             (truncated, restored or changed); they are loaded again",
            counted(recounted as u64, "verified chunk")
        ));
    }
    if lost > 0 {
        warnings.push(format!(
            "Table {name}: the target has no receipts of {} recorded as verified \
             (an older backup was restored?); they are loaded again",
            counted(lost as u64, "chunk")
        ));
    }
    warnings
}

/// Whether a range ends behind its start, as far as its dates tell: keys are in the order of a server's collation.
fn is_ahead(range: &KeyRange) -> bool {
    let at = |key: &KeyBytes| instant_of_key(key).ok().flatten();
    match (&range.after, &range.through) {
        (None, _) | (_, None) => true,
        (Some(after), Some(through)) => at(after)
            .zip(at(through))
            .is_some_and(|(after, through)| after < through),
    }
}
