//! Loads one window, chunk by chunk. While a chunk is loaded, the next one is read, and memory holds only
//! these two.
//!
//! A failure of the target never makes a chunk be read again: its rows are kept until they are committed or
//! the window is given up. A commit with an unknown outcome is resolved by its receipt before the table is
//! written again. Each chunk has one durable checkpoint, written after the target's commit. If the power
//! fails between the two, the next run relies on the receipt.

mod density;
mod load;
mod read;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use chrono::NaiveDate;
use tokio_util::task::AbortOnDropHandle;

use crate::base::error::{Error, ErrorKind, Result};
use crate::base::stop::stopped;
use crate::checkpoint::{Change, WindowRecord, WindowState};
use crate::model::account::of_comparison;
use crate::model::brake::Brake;
use crate::model::chunk::{Chunk, KeyBytes, KeyRange};
use crate::model::plan::TablePlan;
use crate::model::row::Tally;
use crate::model::stages::{ChunkTiming, Stages};
use crate::model::window::Extent;
use crate::model::window::{DateRange, Window};
use crate::mssql::is_without_value;
use crate::pipeline::pool::Pools;
use crate::pipeline::resume::WindowWork;
use crate::pipeline::retrier::{Place, Retrier};
pub use crate::pipeline::window::density::Densities;
use crate::progress::{Event, Refused};
use crate::source::extract::{Extracted, Limits, Request};
use crate::target::lease::Lease;
use crate::target::receipt::{self, Receipt, Seal};
use crate::target::table::Target;
use crate::tsql::predicate::instant_of_key;

/// A chunk that is loaded again may have more bytes than a new one, by this part of them. Rows that come late into a chunk
/// that was ended by its bytes would split it otherwise, each time that one comes.
const AGAIN_SLACK_DIVISOR: usize = 2;

/// The moved rows that loads have shown, for loads whose rows were read before.
#[derive(Debug, Default)]
pub struct Seen {
    /// The time on the monotonic clock at which rows were last seen under a day at the source; `None` for
    /// rows without a date.
    arrived: BTreeMap<Option<NaiveDate>, Duration>,
    /// Rows that were deleted from windows because they are elsewhere now.
    displaced: BTreeMap<Window, u64>,
}

/// The context that the windows of one table share.
pub struct TableContext {
    /// The plan.
    pub plan: TablePlan,
    /// The target table.
    pub target: Target,
    /// The right to write it.
    pub lease: Lease,
    /// A chunk's limits.
    pub limits: Limits,
    /// The brake: the share of a window's rows that may leave it.
    pub brake: Brake,
    /// The dates that the run is asked for; `None` in a repair.
    pub asked: Option<DateRange>,
    /// The moved rows that the loads of this table have shown.
    pub seen: Mutex<Seen>,
    /// The rows a day that its reads have shown.
    pub densities: Mutex<Densities>,
    /// Connections to both servers.
    pub pools: Pools,
    /// Lets a table have one load transaction at a time. Reading and staging do not wait for it.
    pub load_turn: tokio::sync::Mutex<()>,
    /// The clock, the store, the stop signal, and the handling of errors.
    pub retrier: Retrier,
}

/// The outcome of a window.
#[derive(Debug)]
pub enum Outcome {
    /// All of it is verified.
    Complete,
    /// All that is old enough is verified.
    Open,
    /// The run was asked to stop.
    Stopped,
    /// A chunk differed when read back, twice.
    Mismatched(Error),
    /// It failed for good; other windows continue.
    Failed(Error),
}

/// The result of running a window.
#[derive(Debug)]
pub struct WindowResult {
    /// The window.
    pub window: Window,
    /// Its outcome.
    pub outcome: Outcome,
    /// Rows that this run of the window loaded.
    pub rows_loaded: u64,
    /// Rows of other chunks that were deleted there because they moved here.
    pub displaced: u64,
    /// Chunks of this or other windows that rows moved out of or into, and that must be loaded again.
    pub stale: u64,
    /// Whether more chunks may be stale, because the answer of a commit was lost.
    pub unsure: bool,
    /// Whether loads were tried, so that rows may have left or come.
    pub wrote: bool,
    /// The constraints that refused rows of it.
    pub refused: Refused,
    /// What they refused, if it may yet be loaded together, and is not told before that was tried.
    pub refusals: Vec<String>,
}

/// The next chunk to read.
#[derive(Debug, Clone)]
struct Step {
    ordinal: u32,
    after: Option<KeyBytes>,
    /// Set for a chunk that is loaded again in place.
    again: Option<Chunk>,
    /// Whether the value that it begins in has more rows than a chunk.
    crowded: bool,
}

/// The rows that were read of a chunk, the start of the read on the monotonic clock, and the time that it took.
struct Read {
    rows: Extracted,
    began: Duration,
    took: Duration,
}

/// Runs one window until it is done or the run stops.
pub async fn run_window(table: Arc<TableContext>, work: WindowWork) -> WindowResult {
    let mut turn = WindowRun {
        rows_loaded: 0,
        displaced: 0,
        stale: 0,
        left: 0,
        of: OnceLock::new(),
        unsure: AtomicBool::new(false),
        wrote: AtomicBool::new(false),
        refused: Refused::default(),
        refusals: Vec::new(),
        staging: AtomicU64::new(0),
        rows: work.verified_rows,
        table,
        work,
    };
    let ended = turn.run().await;
    if let Err(error) = &ended {
        turn.refused.add(Refused::by(error));
    }
    let outcome = match ended {
        Ok(outcome) => outcome,
        Err(error) if error.kind() == ErrorKind::Stopped => Outcome::Stopped,
        Err(error) if error.kind() == ErrorKind::Mismatch => Outcome::Mismatched(error),
        Err(error) => Outcome::Failed(error),
    };
    let outcome = turn.record_end(outcome);
    WindowResult {
        window: turn.work.window,
        outcome,
        rows_loaded: turn.rows_loaded,
        displaced: turn.displaced,
        stale: turn.stale,
        unsure: turn.unsure.into_inner(),
        wrote: turn.wrote.into_inner(),
        refused: turn.refused,
        refusals: turn.refusals,
    }
}

struct WindowRun {
    table: Arc<TableContext>,
    work: WindowWork,
    rows: u64,
    rows_loaded: u64,
    displaced: u64,
    stale: u64,
    /// Rows that left the window since this run of it began.
    left: u64,
    /// Rows that the window had at the target, once counted.
    of: OnceLock<u64>,
    /// Whether the answer of a commit that may have displaced rows was lost.
    unsure: AtomicBool,
    /// Whether a load was tried.
    wrote: AtomicBool,
    /// The constraints that refused rows of chunks that it did not end with.
    refused: Refused,
    /// What they refused, if it is not told yet.
    refusals: Vec<String>,
    /// The time that the last staging took, in microseconds.
    staging: AtomicU64,
}

impl WindowRun {
    async fn run(&mut self) -> Result<Outcome> {
        self.record_start()?;
        let mut redo: Vec<Chunk> = std::mem::take(&mut self.work.redo);
        redo.reverse();
        let mut following = self.work.next.as_ref().map(|next| Step {
            ordinal: next.ordinal,
            after: next.after.clone(),
            again: None,
            crowded: false,
        });
        let mut step = next_step(&mut redo, &mut following);
        let mut reading = step.clone().map(|step| self.read(step));
        let mut refused = None;
        while let (Some(mut current), Some(handle)) = (step, reading) {
            let extracted = tokio::select! {
                read = handle => read.map_err(|error| {
                    Error::new(ErrorKind::Internal, "The task that reads a chunk failed; run again")
                        .with_source(error)
                })??,
                () = self.table.retrier.stop.stopped() => return Err(stopped()),
            };
            if !extracted.rows.exhausted && !self.table.plan.has_key() {
                return Err(self.too_large());
            }
            if let (Some(chunk), false) = (&current.again, extracted.rows.exhausted) {
                // The range holds more than a chunk may: what was read becomes a chunk of its own.
                let [first, rest] = self.split(chunk, &extracted.rows).await?;
                for later in &mut redo {
                    later.ordinal += 1;
                }
                if let Some(following) = &mut following {
                    following.ordinal += 1;
                }
                redo.push(rest);
                current.again = Some(first);
            }
            let in_place = current.again.is_some();
            if !in_place && !extracted.rows.exhausted {
                let last = extracted.rows.last_key.clone();
                // A chunk within one value: the next one begins behind at least as many rows of it.
                let crowded = match (&current.after, &last) {
                    (Some(after), Some(last)) => after.begins_as(last)?,
                    _ => false,
                };
                following = Some(Step {
                    ordinal: current.ordinal + 1,
                    after: last,
                    again: None,
                    crowded,
                });
            }
            step = next_step(&mut redo, &mut following);
            reading = step.clone().map(|step| self.read(step));
            match self.load_or_sweep(&current, extracted).await {
                // The chunks behind it need not share its fate, and may hold what it waits for: the value of a unique
                // index that it brings. Its receipt stays stale, so that it is loaded later.
                Err(error) if in_place && is_of_its_rows(&error) => {
                    self.refused.add(Refused::by(&error));
                    match &refused {
                        None => refused = Some(error),
                        Some(_) if self.may_be_loaded_together() => self.refusals.push(error.chain()),
                        Some(_) => {
                            let progress = &self.table.retrier.progress;
                            progress.event(Event::Warning(&error.chain()));
                        }
                    }
                }
                done => done?,
            }
            if self.table.retrier.stop.is_stopped() && step.is_some() {
                return Err(stopped());
            }
        }
        match refused {
            Some(error) => Err(error),
            None if self.work.open => Ok(Outcome::Open),
            None => Ok(Outcome::Complete),
        }
    }

    /// Loads a chunk. If an open window has nothing new yet, it only loses the rows that left its end.
    async fn load_or_sweep(&mut self, step: &Step, read: Read) -> Result<()> {
        let nothing_yet = self.work.open && step.again.is_none() && read.rows.batch.row_count() == 0;
        if nothing_yet {
            self.sweep(step).await?;
        } else {
            self.load(step, read).await?;
        }
        self.table
            .retrier
            .meter
            .committed((self.work.window, &step.after));
        Ok(())
    }

    /// Starts reading a chunk, on a task of its own that is aborted with the window.
    fn read(&self, step: Step) -> AbortOnDropHandle<Result<Read>> {
        let table = Arc::clone(&self.table);
        let window = self.work.window;
        let again = step.again.is_some();
        let expected = step.again.as_ref().map(|chunk| chunk.tally.row_count);
        let request = Request {
            extent: if again {
                self.chunk_extent()
            } else {
                self.work.extent
            },
            range: KeyRange {
                after: step.after,
                through: step.again.and_then(|chunk| chunk.range.through),
            },
            // Rows without a key cannot be cut into chunks, so they are one.
            limits: match again {
                true => Limits {
                    rows: usize::MAX,
                    bytes: table.limits.bytes + table.limits.bytes / AGAIN_SLACK_DIVISOR,
                },
                false if !table.plan.has_key() => Limits {
                    rows: usize::MAX,
                    ..table.limits
                },
                false => Limits {
                    rows: table.target.chunk_rows(table.pools.throttle.chunk_rows()),
                    ..table.limits
                },
            },
            in_pieces: again || step.crowded,
            until: None,
        };
        AbortOnDropHandle::new(tokio::spawn(async move {
            table.read(window, &request, expected).await
        }))
    }

    /// The rows of the window among which a chunk's range has its own. A chunk that is loaded again keeps its range,
    /// and a range of dates has no row that is too young, though its window may have been open. A range of keys without
    /// the date may have one at the source, and none at the target.
    fn chunk_extent(&self) -> Extent {
        match self.table.plan.key.date_first {
            true => Extent::of_window(self.work.window),
            false => self.work.extent,
        }
    }

    /// Splits a chunk that is loaded again behind the rows that were read of it. Both parts are stale, and the chunks
    /// behind them keep their ranges and take the next number. Nothing of the table changes.
    async fn split(&self, chunk: &Chunk, read: &Extracted) -> Result<[Chunk; 2]> {
        let table = Arc::clone(&self.table);
        let mut parts = [chunk.clone(), chunk.clone()];
        let [first, rest] = &mut parts;
        first.range.through.clone_from(&read.last_key);
        rest.range.after.clone_from(&read.last_key);
        rest.ordinal += 1;
        rest.tally = Tally::default();
        rest.load_id = table.retrier.clock.random();
        let place = Place::window(table.plan.name.as_str(), self.work.window);
        let (this, pieces) = (self, &parts);
        let split = table.retrier.retry(place, || async move {
            let split = this.try_split(pieces).await;
            split.map_err(|error| error.within(this.place(chunk.ordinal)))
        });
        split.await?;
        let behind = self.chunks_from(chunk.ordinal.saturating_add(1))?;
        let mut changes = self.removals(&behind);
        changes.extend(parts.iter().map(|part| self.chunk_change(part)));
        changes.extend(behind.into_iter().map(|mut chunk| {
            chunk.ordinal += 1;
            self.chunk_change(&chunk)
        }));
        table.retrier.store.commit(&changes)?;
        Ok(parts)
    }

    async fn try_split(&self, parts: &[Chunk; 2]) -> Result<()> {
        let table = &self.table;
        let parts = parts.each_ref().map(|chunk| Receipt {
            window: self.work.window,
            chunk: chunk.clone(),
            epoch: table.lease.epoch,
            incarnation: table.target.incarnation.clone(),
            seal: Seal::Unasked,
        });
        let mut session = table.pools.target.take().await?;
        let turn = table.load_turn.lock().await;
        receipt::split(&mut session, &table.lease, &table.plan.target, &parts).await?;
        drop(turn);
        table.pools.target.put(session);
        Ok(())
    }

    /// The store's chunks from `ordinal` on.
    fn chunks_from(&self, ordinal: u32) -> Result<Vec<Chunk>> {
        let name = self.table.plan.name.as_str();
        let mut chunks = self.table.retrier.store.chunks(name, self.work.window)?;
        chunks.retain(|chunk| chunk.ordinal >= ordinal);
        Ok(chunks)
    }

    /// Removes chunks from the store: failed ones of earlier runs, or those that take another number.
    fn removals(&self, chunks: &[Chunk]) -> Vec<Change> {
        let removals = chunks.iter().map(|chunk| Change::RemoveChunk {
            table: self.table.plan.name.as_str().to_owned(),
            window: self.work.window,
            ordinal: chunk.ordinal,
        });
        removals.collect()
    }

    fn record_start(&self) -> Result<()> {
        let table = &self.table;
        table.retrier.progress.event(Event::WindowStarted {
            table: table.plan.name.as_str(),
            window: self.work.window,
        });
        let mut changes = match &self.work.next {
            Some(next) => self.removals(&self.chunks_from(next.ordinal)?),
            None => Vec::new(),
        };
        changes.push(self.window_change(WindowState::Loading, None));
        table.retrier.store.commit(&changes)
    }

    /// Records the outcome of the window. A store that cannot be written turns any outcome into that failure.
    fn record_end(&mut self, outcome: Outcome) -> Outcome {
        let table = Arc::clone(&self.table);
        let name = table.plan.name.as_str();
        let (state, error) = match &outcome {
            // Nobody sees the rows of a shadow table before the cutover.
            Outcome::Complete if table.plan.is_shadow => (WindowState::Loading, None),
            Outcome::Complete => (WindowState::Complete, None),
            Outcome::Open => (WindowState::Open, None),
            Outcome::Stopped => (WindowState::Planned, None),
            Outcome::Mismatched(error) => (WindowState::Mismatched, Some(error.chain())),
            Outcome::Failed(error) => (WindowState::Failed, Some(error.chain())),
        };
        if let Err(error) = table.retrier.store.commit(&[self.window_change(state, error)]) {
            return Outcome::Failed(error);
        }
        match &outcome {
            Outcome::Complete | Outcome::Open => {
                table.retrier.progress.event(Event::WindowDone {
                    table: name,
                    window: self.work.window,
                    rows: self.rows,
                });
            }
            Outcome::Failed(error) if is_of_its_rows(error) && self.may_be_loaded_together() => {
                self.refusals.insert(0, error.chain());
            }
            Outcome::Mismatched(error) | Outcome::Failed(error) => {
                table.retrier.progress.event(Event::WindowFailed {
                    table: name,
                    window: self.work.window,
                    error,
                });
            }
            Outcome::Stopped => {}
        }
        outcome
    }

    /// Whether the chunks that constraints refused may be loaded in one transaction after this, as those of a reference
    /// table in place are.
    fn may_be_loaded_together(&self) -> bool {
        let of_asked_dates = self.table.asked.is_some();
        of_asked_dates && self.table.plan.is_full() && self.table.target.by_row
    }

    /// The part of the window's dates that a range covers, from and to a share between 0 and 1.
    fn share(&self, range: &KeyRange) -> Result<(f64, f64)> {
        let whole = match Extent::of_window(self.work.window) {
            Extent::Dates(whole) if self.table.plan.key.date_first => whole,
            // The keys do not say how much of the window they are.
            _ => return Ok((0.0, f64::from(u8::from(range.through.is_none())))),
        };
        let seconds = (whole.end - whole.start).as_seconds_f64();
        let at = |key: &Option<KeyBytes>, open: f64| -> Result<f64> {
            let instant = key.as_ref().map(instant_of_key).transpose()?.flatten();
            Ok(instant.map_or(open, |at| {
                ((at - whole.start).as_seconds_f64() / seconds).clamp(0.0, 1.0)
            }))
        };
        Ok((at(&range.after, 0.0)?, at(&range.through, 1.0)?))
    }

    fn too_large(&self) -> Error {
        let plan = &self.table.plan;
        let (has, fix) = match plan.unused_key() {
            None => ("has no unique index", "ask for a unique index on it".to_owned()),
            Some(_) => (
                "was first loaded without a unique index",
                format!(
                    "run `sync forget --table {}` to have it loaded anew by the index that it has now",
                    plan.name
                ),
            ),
        };
        Error::new(
            ErrorKind::Preflight,
            format!(
                "Source table {} {has} and more than {} bytes of rows, too many for its one chunk; {fix}, raise \
                 chunk_bytes_max, leave large columns out by exclude_columns, or leave the table out",
                plan.source.name, self.table.limits.bytes
            ),
        )
    }

    fn place(&self, ordinal: u32) -> String {
        format!(
            "Table {}, window {}, chunk {ordinal}",
            self.table.plan.name, self.work.window
        )
    }

    fn chunk_change(&self, chunk: &Chunk) -> Change {
        Change::Chunk {
            table: self.table.plan.name.as_str().to_owned(),
            window: self.work.window,
            chunk: chunk.clone(),
        }
    }

    fn timing_change(&self, chunk: &Chunk, stages: Stages) -> Change {
        Change::Timing {
            table: self.table.plan.name.as_str().to_owned(),
            window: self.work.window,
            ordinal: chunk.ordinal,
            timing: ChunkTiming {
                load_id: chunk.load_id,
                committed_at: self.table.retrier.clock.now(),
                stages,
            },
        }
    }

    /// What is asked of the source for the table so far, so that a killed run has an account as well.
    fn account_change(&self) -> Change {
        let (number, account) = self.table.retrier.meter.current();
        let run_id = self.table.lease.run_id;
        Change::Account {
            run_id: match self.table.asked {
                Some(_) => run_id,
                None => of_comparison(run_id),
            },
            number,
            account,
        }
    }

    fn window_change(&self, state: WindowState, error: Option<String>) -> Change {
        Change::Window {
            table: self.table.plan.name.as_str().to_owned(),
            record: WindowRecord {
                window: self.work.window,
                state,
                error,
                updated_at: self.table.retrier.clock.now(),
            },
        }
    }
}

/// Whether a server refused a chunk for what its rows are, so that other chunks may be loaded. A column that needs a value
/// and gets none refuses them all.
fn is_of_its_rows(error: &Error) -> bool {
    error.kind() == ErrorKind::Statement && error.number().is_some() && !is_without_value(error)
}

fn next_step(redo: &mut Vec<Chunk>, following: &mut Option<Step>) -> Option<Step> {
    match redo.pop() {
        Some(chunk) => Some(Step {
            ordinal: chunk.ordinal,
            after: chunk.range.after.clone(),
            again: Some(chunk),
            crowded: false,
        }),
        None => following.take(),
    }
}
