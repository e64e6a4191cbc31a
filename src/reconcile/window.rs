//! Compares a window: its chunks one after another, the store's chunks without a receipt, its end, and the
//! number of its rows.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::NaiveDateTime;
use tokio::task::JoinSet;

use crate::base::error::{Error, ErrorKind, Result};
use crate::base::stop::stopped;
use crate::checkpoint::Change;
use crate::model::account::of_comparison;
use crate::model::chunk::{Chunk, ChunkState};
use crate::model::plan::TablePlan;
use crate::model::window::Extent;
use crate::model::window::Window;
use crate::pipeline::pool::Pools;
use crate::pipeline::resume::doubt::{Doubt, Judged, Memory};
use crate::pipeline::retrier::{Place, Retrier};
use crate::progress::Event;
use crate::reconcile::compare::{Difference, GAP, NO_RECEIPT, Subject, UNCOVERED, UNFINISHED};
use crate::reconcile::finding::{About, Finding, Reconciled};
use crate::target::receipt::{self, Receipt, Seal};
use crate::target::table::Target;

/// The context that the windows of a table share.
pub(super) struct Shared {
    pub(super) plan: TablePlan,
    pub(super) target: Target,
    /// The time before which the source's rows are old enough to be read, if the source is compared.
    pub(super) read_cutoff: Option<NaiveDateTime>,
    /// Whether the target can have receipts at all.
    pub(super) has_receipts: bool,
    pub(super) bytes_max: usize,
    pub(super) pass: u128,
    pub(super) run_id: u128,
    /// The epoch at which the store was last in step with the table's receipts.
    pub(super) in_step: Option<i64>,
    pub(super) pools: Pools,
    pub(super) retrier: Retrier,
}

/// The result of a window.
struct WindowDone {
    window: Window,
    /// Its part that the source is compared in.
    readable: Extent,
    chunks: u64,
    rows: u64,
    chunks_before: u64,
    /// Rows of the window at the target.
    there: u64,
    findings: Vec<Finding>,
    /// Why receipts are not believed.
    doubts: Vec<Doubt>,
}

/// Compares windows, up to `workers` at once. Returns the number of rows of each at the target, and why receipts are not
/// believed.
pub(super) async fn windows_again(
    shared: &Arc<Shared>,
    windows: BTreeSet<Window>,
    workers: usize,
    done: &mut Reconciled,
) -> Result<(BTreeMap<Window, u64>, Vec<Doubt>)> {
    let mut waiting = windows.into_iter();
    let mut running = JoinSet::new();
    let (mut there, mut doubts) = (BTreeMap::new(), Vec::new());
    loop {
        while running.len() < workers && !shared.retrier.stop.is_stopped() {
            let Some(window) = waiting.next() else { break };
            running.spawn(window_again(Arc::clone(shared), window));
        }
        let Some(ended) = running.join_next().await else {
            break;
        };
        let ended = ended.map_err(|error| {
            Error::new(
                ErrorKind::Internal,
                "The task that compares a window failed; run again",
            )
            .with_source(error)
        })?;
        let mut ended = match ended {
            Err(error) if error.kind() == ErrorKind::Stopped => continue,
            ended => ended?,
        };
        done.chunks += ended.chunks;
        done.rows += ended.rows;
        done.chunks_before += ended.chunks_before;
        done.findings.append(&mut ended.findings);
        doubts.append(&mut ended.doubts);
        there.insert(ended.window, ended.there);
    }
    done.findings
        .sort_by_key(|finding| (finding.window, finding.ordinal.is_none(), finding.ordinal));
    Ok((there, doubts))
}

async fn window_again(shared: Arc<Shared>, window: Window) -> Result<WindowDone> {
    let shared = &*shared;
    let name = shared.plan.name.as_str();
    let mut receipts = if shared.has_receipts {
        let mut session = shared.pools.target.take().await?;
        let receipts = receipt::read(&mut session, &shared.plan.target, window).await?;
        shared.pools.target.put(session);
        receipts
    } else {
        Vec::new()
    };
    let checkpoints = shared.retrier.store.chunks(name, window)?;
    // Only the table in place tells the rows of a reference table.
    let known = match window {
        Window::All => &[][..],
        Window::Dates(_) | Window::Undated => &checkpoints,
    };
    let memory = Memory::of(known, shared.in_step);
    let mut doubts = Vec::new();
    for receipt in &mut receipts {
        match memory.judge(receipt) {
            Judged::Believed => {}
            Judged::Sealable => receipt.chunk.state = ChunkState::Verified,
            Judged::Doubted(doubt) => {
                doubts.push(doubt);
                receipt.chunk.range = memory.stale(receipt).range;
                receipt.chunk.state = ChunkState::Stale;
            }
        }
    }
    let mut done = WindowDone {
        window,
        doubts,
        readable: readable(shared, window, &receipts).await?,
        chunks: 0,
        rows: 0,
        chunks_before: 0,
        there: 0,
        findings: Vec::new(),
    };
    // Rows at the target in the ranges that were compared, and the chunks that an earlier command of the pass
    // compared.
    let mut covered = 0;
    let mut before = Vec::new();
    for receipt in &receipts {
        let chunk = &receipt.chunk;
        if shared.retrier.stop.is_stopped() {
            return Ok(done);
        }
        let view = shared.retrier.store.view()?;
        let is_sound =
            chunk.state == ChunkState::Verified && receipt.incarnation == shared.target.incarnation;
        if is_sound && view.is_checked(name, window, chunk.ordinal, shared.pass, chunk.load_id)? {
            done.chunks_before += 1;
            covered += chunk.tally.row_count;
            before.push(chunk);
            continue;
        }
        let known = checkpoints.iter().find(|known| known.ordinal == chunk.ordinal);
        covered += chunk_again(shared, receipt, known, &mut done).await?;
    }
    let lost = lost_of(&receipts, &checkpoints);
    for chunk in &lost {
        covered += lost_again(shared, chunk, &mut done).await?;
    }
    if lost.is_empty() {
        done.findings.extend(gap(&receipts).map(|ordinal| {
            let about = (Some(ordinal), About::Gap);
            finding(shared, window, about, why(GAP))
        }));
    }
    let goes_on = receipts
        .last()
        .is_some_and(|last| last.chunk.range.through.is_some());
    if goes_on && lost.is_empty() && shared.read_cutoff.is_some_and(|cutoff| window.has_passed(cutoff)) {
        let about = (None, About::Unfinished);
        done.findings
            .push(finding(shared, window, about, why(UNFINISHED)));
    }
    count_again(shared, (covered, &before), &mut done).await?;
    Ok(done)
}

/// The part of a window that the source is compared in. A window that has its last chunk was once old enough as a whole,
/// and a range of keys that begin with the date has no row that is too young.
async fn readable(shared: &Shared, window: Window, receipts: &[Receipt]) -> Result<Extent> {
    let closed = receipts
        .last()
        .is_some_and(|last| last.chunk.range.through.is_none());
    match shared.read_cutoff {
        Some(cutoff) if !shared.plan.key.date_first && !closed => {
            let mut session = shared.pools.target.take().await?;
            let (plan, target) = (&shared.plan, &shared.target);
            let readable = target.readable(&mut session, plan, window, cutoff).await?;
            shared.pools.target.put(session);
            Ok(readable)
        }
        _ => Ok(Extent::of_window(window)),
    }
}

/// Compares a chunk with its receipt. Returns its rows at the target.
async fn chunk_again(
    shared: &Shared,
    receipt: &Receipt,
    checkpoint: Option<&Chunk>,
    done: &mut WindowDone,
) -> Result<u64> {
    let (name, window, chunk) = (shared.plan.name.as_str(), receipt.window, &receipt.chunk);
    let subject = Subject {
        plan: &shared.plan,
        target: &shared.target,
        window,
        readable: done.readable,
        receipt,
        checkpoint,
    };
    let difference = with_retries(shared, &subject).await?;
    done.chunks += 1;
    done.rows += chunk.tally.row_count;
    shared.retrier.progress.event(Event::ChunkCompared {
        table: name,
        window,
        ordinal: chunk.ordinal,
        row_count: chunk.tally.row_count,
    });
    if let Some(difference) = difference {
        let rows = difference.target_rows;
        let about = (Some(chunk.ordinal), About::Chunk);
        done.findings.push(Finding {
            load_id: Some(chunk.load_id),
            ..finding(shared, window, about, difference)
        });
        return Ok(rows);
    }
    let table = name.to_owned();
    let mut changes = vec![Change::Checked {
        table: table.clone(),
        window,
        ordinal: chunk.ordinal,
        pass: shared.pass,
        load_id: chunk.load_id,
    }];
    // A run that was killed after a commit did not write its checkpoint.
    if checkpoint.is_none_or(|known| (known.load_id, known.state) != (chunk.load_id, chunk.state)) {
        let chunk = chunk.clone();
        changes.push(Change::Chunk { table, window, chunk });
    }
    // A comparison that is killed has an account as well, if it asks the source.
    let (number, account) = shared.retrier.meter.current();
    if account.queries > 0 {
        changes.push(Change::Account {
            run_id: of_comparison(shared.run_id),
            number,
            account,
        });
    }
    shared.retrier.store.commit(&changes)?;
    Ok(chunk.tally.row_count)
}

/// Compares the range of a chunk that has no receipt. Returns its rows at the target.
async fn lost_again(shared: &Shared, chunk: &Chunk, done: &mut WindowDone) -> Result<u64> {
    if shared.retrier.stop.is_stopped() {
        return Err(stopped());
    }
    let rows = chunk.tally.row_count;
    let receipt = Receipt {
        window: done.window,
        chunk: chunk.clone(),
        epoch: 0,
        incarnation: shared.target.incarnation.clone(),
        seal: Seal::Unasked,
    };
    let subject = Subject {
        plan: &shared.plan,
        target: &shared.target,
        window: done.window,
        readable: done.readable,
        receipt: &receipt,
        checkpoint: None,
    };
    let same = Difference {
        receipt_rows: rows,
        target_rows: rows,
        source_rows: shared.read_cutoff.map(|_| rows),
        ..Difference::default()
    };
    let difference = Difference {
        why: vec![NO_RECEIPT],
        ..with_retries(shared, &subject).await?.unwrap_or(same)
    };
    let there = difference.target_rows;
    let about = (Some(chunk.ordinal), About::Lost);
    done.findings
        .push(finding(shared, done.window, about, difference));
    Ok(there)
}

/// Counts the window's rows at the target. The ranges of its chunks hold `covered` rows; any more are a
/// finding.
async fn count_again(
    shared: &Shared,
    (mut covered, before): (u64, &[&Chunk]),
    done: &mut WindowDone,
) -> Result<()> {
    let mut session = shared.pools.target.take().await?;
    let extent = Extent::of_window(done.window);
    let (plan, target) = (&shared.plan, &shared.target);
    done.there = target.count_window(&mut session, plan, done.window).await?;
    if done.there > covered {
        // A chunk that was compared days ago may have other rows by now, and these are under its receipt.
        for chunk in before {
            let now = target.count(&mut session, plan, extent, &chunk.range).await?;
            covered = covered.saturating_sub(chunk.tally.row_count) + now;
        }
    }
    shared.pools.target.put(session);
    if done.there > covered {
        let difference = Difference {
            target_rows: done.there - covered,
            ..why(UNCOVERED)
        };
        let about = (None, About::Uncovered);
        done.findings
            .push(finding(shared, done.window, about, difference));
    }
    Ok(())
}

fn why(why: &'static str) -> Difference {
    Difference {
        why: vec![why],
        ..Difference::default()
    }
}

fn finding(
    shared: &Shared,
    window: Window,
    (ordinal, about): (Option<u32>, About),
    difference: Difference,
) -> Finding {
    Finding {
        table: shared.plan.name.as_str().to_owned(),
        window,
        ordinal,
        about,
        difference,
        load_id: None,
        repaired: false,
    }
}

/// The chunks that the store remembers as loaded and that no receipt covers.
pub(super) fn lost_of(receipts: &[Receipt], checkpoints: &[Chunk]) -> Vec<Chunk> {
    // Another machine may have loaded the window in other chunks. If these cover all of it, none is lost.
    let is_whole = gap(receipts).is_none()
        && receipts
            .last()
            .is_some_and(|last| last.chunk.range.through.is_none());
    let lost = checkpoints.iter().filter(|known| {
        // A reload that failed has lost its rows as well.
        let is_remembered = match known.state {
            ChunkState::Verified | ChunkState::Stale | ChunkState::Failed | ChunkState::Mismatched => true,
            ChunkState::Planned | ChunkState::Extracted | ChunkState::Loaded => false,
        };
        is_remembered
            && !is_whole
            && !receipts
                .iter()
                .any(|receipt| receipt.chunk.ordinal == known.ordinal)
    });
    lost.cloned().collect()
}

/// The first chunk that does not follow on the one before it.
pub(super) fn gap(receipts: &[Receipt]) -> Option<u32> {
    let mut expected = (0, None);
    for Receipt { chunk, .. } in receipts {
        if (chunk.ordinal, chunk.range.after.as_ref()) != expected {
            return Some(chunk.ordinal);
        }
        expected = (chunk.ordinal + 1, chunk.range.through.as_ref());
    }
    None
}

async fn with_retries(shared: &Shared, subject: &Subject<'_>) -> Result<Option<Difference>> {
    let name = shared.plan.name.as_str();
    let place = Place::window(name, subject.window);
    let compared = shared.retrier.retry(place, || async move {
        if shared.retrier.stop.is_stopped() {
            return Err(stopped());
        }
        compare(shared, subject).await.map_err(|error| {
            error.within(format!(
                "Table {name}, window {}, chunk {}",
                subject.window, subject.receipt.chunk.ordinal
            ))
        })
    });
    compared.await
}

/// Compares one chunk at the target and, if asked for, at the source.
async fn compare(shared: &Shared, subject: &Subject<'_>) -> Result<Option<Difference>> {
    let mut target = shared.pools.target.take().await?;
    let mut difference = subject.compare_target(&mut target).await?;
    if shared.read_cutoff.is_some() {
        let pools = &shared.pools;
        if difference.is_some() || !subject.is_same_at_source(pools).await? {
            let rows = subject.compare_rows(pools, &mut target, shared.bytes_max).await?;
            let mut found = difference.take().unwrap_or_default();
            found.why.extend(rows.why.iter().copied());
            difference = Some(Difference {
                why: found.why,
                ..rows
            });
        }
    }
    shared.pools.target.put(target);
    Ok(difference)
}
