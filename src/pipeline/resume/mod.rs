//! Where a table stands: receipts, checkpoints and the target compared, and what is left to do.
//!
//! Receipts are the truth; the checkpoint store is brought in line with them. A receipt whose rows are no longer
//! in the target (restored, truncated, made anew) is stale, its chunk is loaded again, and it is said. A window that was
//! begun is finished once its end has passed, whatever dates are asked for.

mod trim;

use std::collections::{BTreeMap, BTreeSet};

use chrono::{Days, NaiveDateTime, Timelike};

use crate::base::clock::SharedClock;
use crate::base::error::Result;
use crate::checkpoint::{Change, Store, WindowRecord, WindowState};
use crate::model::chunk::{Chunk, ChunkEvent, ChunkState, KeyBytes, KeyRange, next_state};
use crate::model::plan::TablePlan;
use crate::model::window::{Bounds, Extent};
use crate::model::window::{DateRange, LAST_DAY, Window, missing};
use crate::mssql::Session;
use crate::target::lease::Lease;
use crate::target::receipt;
use crate::target::receipt::{Receipt, Sums};
use crate::target::table::Target;
use trim::trim_to_gapless;

/// What is left to do in one window.
#[derive(Debug, Clone)]
pub struct WindowWork {
    /// The window.
    pub window: Window,
    /// What of it is old enough to be read.
    pub extent: Extent,
    /// Whether the window goes on after what this run reads of it, so that no chunk closes it yet.
    pub open: bool,
    /// Chunks to load again, in place.
    pub redo: Vec<Chunk>,
    /// Where to go on, unless the window has its last chunk.
    pub next: Option<Next>,
    /// Rows that are verified.
    pub verified_rows: u64,
}

/// Where a window goes on.
#[derive(Debug, Clone)]
pub struct Next {
    /// The next chunk's number.
    pub ordinal: u32,
    /// The last key before it.
    pub after: Option<KeyBytes>,
}

/// A table's windows, and what was noticed while they were compared.
#[derive(Debug)]
pub struct ResumePlan {
    /// The windows that the run is asked for, complete ones included, by date.
    pub windows: Vec<WindowWork>,
    /// What an operator must know.
    pub warnings: Vec<String>,
}

/// How far ahead of the source's clock windows are planned: nothing of them can be read before their time comes.
const AHEAD_DAYS: u64 = 366;

/// What a run is to work on.
#[derive(Debug, Clone, Copy)]
pub enum Scope<'a> {
    /// These dates, and what has none; any chunk that is stale or lost; and any window that was begun and whose end has
    /// passed.
    Dates(DateRange),
    /// Any chunk that is stale or lost, and these windows to their end.
    Repair(&'a BTreeSet<Window>),
}

impl Scope<'_> {
    /// Whether all of a window is asked for.
    fn all_of(self, window: Window) -> bool {
        match self {
            Scope::Dates(range) => window.is_asked(range),
            Scope::Repair(whole) => whole.contains(&window),
        }
    }

    /// Whether the rows of a window are counted at the target. A repair goes by what was found.
    fn counts(self, window: Window) -> bool {
        matches!(self, Scope::Dates(_)) && self.all_of(window)
    }

    /// Whether a window that was begun is finished once its end has passed.
    fn finishes(self) -> bool {
        matches!(self, Scope::Dates(_))
    }
}

/// What a comparison needs to know of the run.
#[derive(Debug)]
pub struct Comparison<'a> {
    /// The plan.
    pub plan: &'a TablePlan,
    /// Its target.
    pub target: &'a Target,
    /// The right to change its receipts.
    pub lease: &'a Lease,
    /// What the run is asked for.
    pub scope: Scope<'a>,
    /// Up to when the source's rows are old enough to be read, by its own clock.
    pub read_cutoff: NaiveDateTime,
    /// Whether windows are left open whose end has passed, because clocks disagree.
    pub leave_open: bool,
    /// The store to bring in line.
    pub store: &'a Store,
    /// The clock.
    pub clock: &'a SharedClock,
}

impl Comparison<'_> {
    /// Compares, brings the store in line, and says what is left. Asks the target only. Where a window's receipts
    /// come to what the store has, they are not read: a table of many chunks is compared by a row a window.
    ///
    /// # Errors
    /// `State` when the store or a receipt cannot be read or written; what the session returns.
    pub async fn run(&self, session: &mut Session) -> Result<ResumePlan> {
        let name = self.plan.name.as_str();
        let mut warnings = Vec::new();
        let mut windows: BTreeMap<Window, Reached> = BTreeMap::new();
        let mut unmatched: BTreeMap<Window, Vec<Chunk>> = BTreeMap::new();
        let sums = receipt::sums(session, &self.plan.target, &self.target.incarnation).await?;
        let mut foreign = 0;
        for (window, sums) in &sums {
            if let Some(reached) = in_step(self.store, self.plan, *window, sums)?
                && (!self.scope.counts(*window) || self.holds(session, *window, &reached).await?)
            {
                windows.insert(*window, reached);
                continue;
            }
            let mut chunks = Vec::new();
            for receipt in receipt::read(session, &self.plan.target, *window).await? {
                foreign += usize::from(receipt.incarnation != self.target.incarnation);
                chunks.push(self.classify(receipt)?);
            }
            unmatched.insert(*window, chunks);
        }
        if foreign > 0 {
            warnings.push(format!(
                "Table {name}: target table {} was dropped and made anew since it was loaded; \
                 its {foreign} chunks are loaded again",
                self.plan.target
            ));
        }
        let mut recounted = 0;
        let counted = unmatched
            .iter_mut()
            .filter(|(window, _)| self.scope.counts(**window));
        for (window, chunks) in counted {
            recounted += self.recount(session, *window, chunks).await?;
        }
        if recounted > 0 {
            warnings.push(format!(
                "Table {name}: target table {} no longer holds the rows of {recounted} verified chunks \
                 (truncated, restored or changed); they are loaded again",
                self.plan.target
            ));
        }
        for window in without_receipts(self.store, self.plan, &sums)? {
            unmatched.insert(window, Vec::new());
        }
        let mut lost = 0;
        for (window, chunks) in &mut unmatched {
            lost += self.trim(session, *window, chunks).await?;
        }
        lost += self.align_store(&windows, &unmatched)?;
        if lost > 0 {
            warnings.push(format!(
                "Table {name}: the target has no receipts of {lost} chunks that were recorded as verified \
                 (an older backup was restored?); they are loaded again"
            ));
        }
        unmatched.retain(|window, chunks| sums.contains_key(window) || !chunks.is_empty());
        windows.extend(
            unmatched
                .into_iter()
                .map(|(window, chunks)| (window, Reached::by(chunks))),
        );
        Ok(ResumePlan {
            windows: self.work(windows)?,
            warnings,
        })
    }

    /// Whether the target has as many rows of a window as its verified chunks say.
    async fn holds(&self, session: &mut Session, window: Window, reached: &Reached) -> Result<bool> {
        let all = KeyRange {
            after: None,
            through: reached.next.as_ref().and_then(|next| next.after.clone()),
        };
        let extent = Extent::of_window(window);
        let rows = self.target.count(session, self.plan, extent, &all).await?;
        Ok(rows == reached.verified_rows)
    }

    /// The chunk as its receipt proves it: stale when its rows went into another table of the same name.
    fn classify(&self, receipt: Receipt) -> Result<Chunk> {
        let mut chunk = receipt.chunk;
        if receipt.incarnation != self.target.incarnation {
            chunk.state = next_state(chunk.state, ChunkEvent::TargetChanged)?;
        }
        Ok(chunk)
    }

    /// Compares the number of rows in the target with the receipts', first for all of the window, then, where
    /// that differs, chunk by chunk. Returns the number of chunks that became stale.
    async fn recount(&self, session: &mut Session, window: Window, chunks: &mut [Chunk]) -> Result<u32> {
        let extent = Extent::of_window(window);
        // Where part of the window is to be loaded again anyway, only its verified chunks are asked about.
        if chunks.iter().all(|chunk| chunk.state == ChunkState::Verified) {
            let all = KeyRange {
                after: None,
                through: chunks.last().and_then(|chunk| chunk.range.through.clone()),
            };
            let expected: u64 = chunks.iter().map(|chunk| chunk.tally.row_count).sum();
            if self.target.count(session, self.plan, extent, &all).await? == expected {
                return Ok(0);
            }
        }
        let mut stale = 0;
        for chunk in chunks
            .iter_mut()
            .filter(|chunk| chunk.state == ChunkState::Verified)
        {
            if self
                .target
                .count(session, self.plan, extent, &chunk.range)
                .await?
                != chunk.tally.row_count
            {
                chunk.state = next_state(chunk.state, ChunkEvent::TargetChanged)?;
                stale += 1;
            }
        }
        Ok(stale)
    }

    /// Makes a window's chunks a run without a gap: what the target has lost the receipts of is to be loaded again.
    /// Returns the number of chunks that the store held verified without a receipt.
    async fn trim(&self, session: &mut Session, window: Window, chunks: &mut Vec<Chunk>) -> Result<usize> {
        let known = match window {
            Window::All => Vec::new(),
            Window::Dates(_) | Window::Undated => self.store.chunks(self.plan.name.as_str(), window)?,
        };
        let trimmed = trim_to_gapless(std::mem::take(chunks), &known)?;
        if let Some(ordinal) = trimmed.cut_at {
            // The first that is cut stays where the next chunk takes its place, or where there would be none else.
            let claimed = trimmed.chunks.last().is_none_or(|last| {
                last.range.through.is_some() && last.ordinal.checked_add(1) == Some(ordinal)
            });
            if claimed {
                receipt::cut(session, self.lease, window, ordinal, None).await?;
            } else {
                receipt::drop_from(session, self.lease, window, ordinal).await?;
            }
        }
        *chunks = trimmed.chunks;
        Ok(trimmed.lost)
    }

    /// Writes into the store what the receipts prove of the `unmatched` windows, and takes out what they do not. Returns
    /// the number of chunks that it took out although they were recorded as verified.
    fn align_store(
        &self,
        in_step: &BTreeMap<Window, Reached>,
        unmatched: &BTreeMap<Window, Vec<Chunk>>,
    ) -> Result<usize> {
        let name = self.plan.name.as_str();
        let mut changes = Vec::new();
        let mut forgotten = 0;
        let mut states = BTreeMap::new();
        for record in self.store.windows(name)? {
            states.insert(record.window, record.state);
            if in_step.contains_key(&record.window) {
                continue;
            }
            // Without a receipt a window's dates bind nobody, and another run may have cut the days otherwise: it is
            // planned anew where it is asked for or in the way.
            let bare = !unmatched.contains_key(&record.window);
            let mut receipted = in_step.keys().chain(unmatched.keys());
            let removed = bare
                && (self.scope.all_of(record.window)
                    || receipted.any(|other| record.window.overlaps(*other)));
            if removed {
                changes.push(Change::RemoveWindow {
                    table: name.to_owned(),
                    window: record.window,
                });
            } else if bare && record.state == WindowState::Complete {
                changes.push(self.window_change(record.window, WindowState::Planned));
            }
            let proven: BTreeSet<u32> = unmatched
                .get(&record.window)
                .into_iter()
                .flatten()
                .map(|chunk| chunk.ordinal)
                .collect();
            for chunk in self.store.chunks(name, record.window)? {
                if !proven.contains(&chunk.ordinal)
                    && matches!(chunk.state, ChunkState::Verified | ChunkState::Stale)
                {
                    // Those of the other windows were counted when they were trimmed.
                    forgotten += usize::from(bare && chunk.state == ChunkState::Verified);
                    if removed {
                        continue;
                    }
                    changes.push(Change::RemoveChunk {
                        table: name.to_owned(),
                        window: record.window,
                        ordinal: chunk.ordinal,
                    });
                }
            }
        }
        // A run that died after a window's last chunk has not said that the window is complete.
        for (window, reached) in in_step {
            changes.extend(self.standing(*window, states.get(window), reached.next.is_none()));
        }
        for (window, chunks) in unmatched {
            let known: BTreeMap<u32, Chunk> = self
                .store
                .chunks(name, *window)?
                .into_iter()
                .map(|chunk| (chunk.ordinal, chunk))
                .collect();
            for chunk in chunks {
                let same = known
                    .get(&chunk.ordinal)
                    .is_some_and(|record| record.state == chunk.state && record.load_id == chunk.load_id);
                if !same {
                    changes.push(Change::Chunk {
                        table: name.to_owned(),
                        window: *window,
                        chunk: chunk.clone(),
                    });
                }
            }
            changes.extend(self.standing(*window, states.get(window), is_complete(chunks)));
        }
        if !changes.is_empty() {
            self.store.commit(&changes)?;
        }
        Ok(forgotten)
    }

    /// What is to be written of a window that is not known, or whose state does not say whether it is complete.
    fn standing(&self, window: Window, state: Option<&WindowState>, complete: bool) -> Option<Change> {
        let said = state.map(|state| *state == WindowState::Complete);
        let state = if complete {
            WindowState::Complete
        } else {
            WindowState::Planned
        };
        (said != Some(complete)).then(|| self.window_change(window, state))
    }

    fn window_change(&self, window: Window, state: WindowState) -> Change {
        Change::Window {
            table: self.plan.name.as_str().to_owned(),
            record: WindowRecord {
                window,
                state,
                error: None,
                updated_at: self.clock.now(),
            },
        }
    }

    /// The windows asked for: those that are there, and new ones for the days that none covers.
    fn work(&self, mut windows: BTreeMap<Window, Reached>) -> Result<Vec<WindowWork>> {
        windows.retain(|window, reached| {
            let asked =
                self.scope.all_of(*window) || (self.scope.finishes() && self.is_due(*window, reached));
            // Of a window that only has chunks to be loaded again, nothing new is read.
            if !asked {
                reached.rest = reached.next.take().is_some();
            }
            asked || !reached.redo.is_empty()
        });
        let existing: Vec<Window> = windows.keys().copied().collect();
        let mut wanted = Vec::new();
        if let Scope::Dates(range) = self.scope {
            wanted = if self.plan.is_full() {
                vec![Window::All]
            } else {
                missing(self.within_reach(range), &existing)?
            };
            wanted.extend(self.plan.has_undated().then_some(Window::Undated));
        }
        if let Scope::Repair(whole) = self.scope {
            wanted.extend(whole);
        }
        for window in wanted {
            windows.entry(window).or_insert_with(|| Reached::by(Vec::new()));
        }
        Ok(windows
            .into_iter()
            .map(|(window, reached)| self.window_work(window, reached))
            .collect())
    }

    /// Whether a window was begun, its end has passed, and there is something left of it.
    fn is_due(&self, window: Window, reached: &Reached) -> bool {
        reached.next.is_some() && window.is_dated() && window.has_passed(self.read_cutoff)
    }

    /// A range without the years that are far ahead: nobody means to plan them month by month.
    fn within_reach(&self, range: DateRange) -> DateRange {
        let from = self.read_cutoff.date().max(range.start);
        let reach = from.checked_add_days(Days::new(AHEAD_DAYS)).unwrap_or(LAST_DAY);
        DateRange {
            end: range.end.min(reach),
            ..range
        }
    }

    fn window_work(&self, window: Window, reached: Reached) -> WindowWork {
        let whole = Extent::of_window(window);
        let extent = match whole {
            Extent::Dates(Bounds { start, end }) => Extent::Dates(Bounds {
                start,
                end: end.min(self.read_cutoff).max(start),
            }),
            other => other,
        };
        WindowWork {
            window,
            extent,
            open: extent != whole || reached.rest || (self.leave_open && window.is_dated()),
            redo: reached.redo,
            next: reached.next,
            verified_rows: reached.verified_rows,
        }
    }
}

/// How far a window is whose receipts and checkpoints agree; `None` where they do not.
fn in_step(store: &Store, plan: &TablePlan, window: Window, sums: &Sums) -> Result<Option<Reached>> {
    let name = plan.name.as_str();
    let view = store.view()?;
    let counts = view.counts(name, window)?;
    let agree = [sums.verified, sums.here, counts.chunks, counts.verified]
        .iter()
        .all(|count| *count == sums.chunks)
        && (sums.rows, sums.bytes) == (counts.rows, counts.bytes)
        && sums.marks == view.marks(name, window)?;
    // Gapless, too: what hands took out of the middle of both is a hole.
    let last = view
        .last_chunk(name, window)?
        .filter(|last| agree && u64::from(last.ordinal) + 1 == sums.chunks);
    Ok(last.map(|last| Reached {
        redo: Vec::new(),
        next: following(&last),
        rest: false,
        verified_rows: sums.rows,
    }))
}

/// Whether receipts and checkpoints of all windows of a table come to the same, but for those of `except`: nothing was
/// lost at the target since they were compared, and nothing has become stale. Asks the target for sums only.
///
/// # Errors
/// As [`Comparison::run`].
pub async fn is_in_step(
    session: &mut Session,
    store: &Store,
    plan: &TablePlan,
    target: &Target,
    except: &BTreeSet<Window>,
) -> Result<bool> {
    let sums = receipt::sums(session, &plan.target, &target.incarnation).await?;
    for (window, sums) in &sums {
        if !except.contains(window) && in_step(store, plan, *window, sums)?.is_none() {
            return Ok(false);
        }
    }
    let lost = without_receipts(store, plan, &sums)?;
    Ok(lost.iter().all(|window| except.contains(window)))
}

/// Windows that the store remembers chunks of and the target no receipt at all, unless another window has taken their days
/// meanwhile: also those that became stale, or failed to be loaded, since that was noticed. A reference table's rows are
/// told by the table in place alone.
fn without_receipts(store: &Store, plan: &TablePlan, sums: &BTreeMap<Window, Sums>) -> Result<Vec<Window>> {
    let name = plan.name.as_str();
    let mut windows = Vec::new();
    let view = store.view()?;
    for record in view.windows(name)? {
        let window = record.window;
        let taken = sums.keys().any(|other| window.overlaps(*other));
        if window != Window::All && !taken && view.counts(name, window)?.remembered() > 0 {
            windows.push(window);
        }
    }
    Ok(windows)
}

/// How far a window is.
#[derive(Debug)]
struct Reached {
    redo: Vec<Chunk>,
    next: Option<Next>,
    /// Whether it goes on, but not in this run.
    rest: bool,
    verified_rows: u64,
}

impl Reached {
    /// As the trimmed chunks of a window say.
    fn by(chunks: Vec<Chunk>) -> Reached {
        let next = match chunks.last() {
            Some(last) => following(last),
            None => Some(Next {
                ordinal: 0,
                after: None,
            }),
        };
        let (verified, redo): (Vec<Chunk>, Vec<Chunk>) = chunks
            .into_iter()
            .partition(|chunk| chunk.state == ChunkState::Verified);
        Reached {
            redo,
            next,
            rest: false,
            verified_rows: verified.iter().map(|chunk| chunk.tally.row_count).sum(),
        }
    }
}

/// Whether a window's chunks are all of it, and all verified.
pub fn is_complete(chunks: &[Chunk]) -> bool {
    chunks.last().is_some_and(|chunk| chunk.range.through.is_none())
        && chunks.iter().all(|chunk| chunk.state == ChunkState::Verified)
}

/// Where a window goes on after a chunk: nowhere, after its last.
fn following(chunk: &Chunk) -> Option<Next> {
    chunk.range.through.clone().map(|key| Next {
        ordinal: chunk.ordinal + 1,
        after: Some(key),
    })
}

/// Up to when rows are old enough: the source's clock less `settle_minutes`, to the second.
pub fn read_cutoff(source_now: NaiveDateTime, settle_minutes: u32) -> NaiveDateTime {
    let at = source_now - chrono::TimeDelta::minutes(i64::from(settle_minutes));
    at.with_nanosecond(0).unwrap_or(at)
}
