//! One window, chunk after chunk: while a chunk is loaded, the next one is read, and no more than these two are
//! in memory.
//!
//! A chunk that was read is never read again because of the target: its rows are kept until they are committed or
//! the window is given up. A commit whose outcome is unknown is resolved by its receipt before anything is written to
//! the table again. One durable checkpoint is written a chunk, after the target's commit; if the power fails between the
//! two, the receipt is what the next run goes by.

mod load;

use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use chrono::NaiveDate;
use tokio_util::task::AbortOnDropHandle;

use crate::base::error::{Error, ErrorKind, Result};
use crate::base::stop::stopped;
use crate::checkpoint::{Change, WindowRecord, WindowState};
use crate::model::brake::Brake;
use crate::model::chunk::{Chunk, KeyBytes, KeyRange};
use crate::model::plan::TablePlan;
use crate::model::window::Extent;
use crate::model::window::{DateRange, Window};
use crate::pipeline::pool::Pools;
use crate::pipeline::resume::WindowWork;
use crate::pipeline::retrier::{Place, Retrier};
use crate::progress::Event;
use crate::source::extract::{Extracted, Limits, Request, extract};
use crate::target::lease::Lease;
use crate::target::receipt;
use crate::target::receipt::Receipt;
use crate::target::table::Target;
use crate::tsql::predicate::instant_of_key;

/// What loads have shown of rows that moved to other dates, for loads whose rows were read before.
#[derive(Debug, Default)]
pub struct Seen {
    /// When rows were last seen to be under a day at the source, on the monotonic clock; `None` for rows without a date.
    arrived: BTreeMap<Option<NaiveDate>, Duration>,
    /// Rows that were taken out of windows because they are elsewhere now.
    displaced: BTreeMap<Window, u64>,
}

/// All that the windows of one table share.
pub struct TableContext {
    /// The plan.
    pub plan: TablePlan,
    /// The target table.
    pub target: Target,
    /// The right to write it.
    pub lease: Lease,
    /// A chunk's limits.
    pub limits: Limits,
    /// How many rows may leave a window.
    pub brake: Brake,
    /// The dates that the run is asked for, where it is.
    pub asked: Option<DateRange>,
    /// What the loads of this table have shown of rows that moved.
    pub seen: Mutex<Seen>,
    /// Connections to both servers.
    pub pools: Pools,
    /// Load transactions of a table come one at a time; reading and staging do not wait for it.
    pub load_turn: tokio::sync::Mutex<()>,
    /// The clock, the store, the wish to stop, and what is done about errors.
    pub retrier: Retrier,
}

/// How a window's turn ended.
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
    /// It failed for good; other windows go on.
    Failed(Error),
}

/// What a window's turn came to.
#[derive(Debug)]
pub struct WindowResult {
    /// The window.
    pub window: Window,
    /// How it ended.
    pub outcome: Outcome,
    /// Rows loaded in this turn.
    pub rows_loaded: u64,
    /// Rows of other chunks that were taken out because they moved here.
    pub displaced: u64,
    /// Chunks, of this or other windows, that rows moved out of or into, and that are to be loaded again.
    pub stale: u64,
    /// Whether there may be more of those, as the answer of a commit was lost.
    pub unsure: bool,
}

/// The next chunk to read.
#[derive(Debug, Clone)]
struct Step {
    ordinal: u32,
    after: Option<KeyBytes>,
    /// Set for a chunk that is loaded again in place.
    again: Option<Chunk>,
}

/// What was read of a chunk, and when reading it began, on the monotonic clock.
struct Read {
    rows: Extracted,
    began: Duration,
}

/// Runs one window to its end, or to the run's.
pub async fn run_window(table: Arc<TableContext>, work: WindowWork) -> WindowResult {
    let mut turn = WindowRun {
        rows_loaded: 0,
        displaced: 0,
        stale: 0,
        left: 0,
        of: OnceLock::new(),
        unsure: AtomicBool::new(false),
        rows: work.verified_rows,
        table,
        work,
    };
    let outcome = match turn.run().await {
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
    }
}

struct WindowRun {
    table: Arc<TableContext>,
    work: WindowWork,
    rows: u64,
    rows_loaded: u64,
    displaced: u64,
    stale: u64,
    /// Rows that have left the window in this turn.
    left: u64,
    /// Rows that the window had at the target, once that was asked.
    of: OnceLock<u64>,
    /// Whether the answer of a commit was lost that may have displaced rows.
    unsure: AtomicBool,
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
        });
        let mut step = next_step(&mut redo, &mut following);
        let mut reading = step.clone().map(|step| self.read(step));
        while let (Some(current), Some(handle)) = (step, reading) {
            let extracted = tokio::select! {
                read = handle => read.map_err(|error| {
                    Error::new(ErrorKind::Internal, "Reading a chunk broke down").with_source(error)
                })??,
                () = self.table.retrier.stop.stopped() => return Err(stopped()),
            };
            if !extracted.rows.exhausted && !self.table.plan.has_key() {
                return Err(self.too_large());
            }
            if let (Some(chunk), false) = (&current.again, extracted.rows.exhausted) {
                // The range holds more than a chunk may: the window is chunked anew from here.
                self.cut(chunk).await?;
                redo.clear();
                following = Some(Step {
                    ordinal: current.ordinal,
                    after: current.after.clone(),
                    again: None,
                });
                step = next_step(&mut redo, &mut following);
                reading = step.clone().map(|step| self.read(step));
                continue;
            }
            let in_place = current.again.is_some();
            if !in_place && !extracted.rows.exhausted {
                following = Some(Step {
                    ordinal: current.ordinal + 1,
                    after: extracted.rows.last_key.clone(),
                    again: None,
                });
            }
            step = next_step(&mut redo, &mut following);
            reading = step.clone().map(|step| self.read(step));
            let nothing_yet = self.work.open && !in_place && extracted.rows.batch.row_count() == 0;
            if nothing_yet {
                self.sweep(&current).await?;
            } else {
                self.load(&current, extracted).await?;
            }
            if self.table.retrier.stop.is_stopped() && step.is_some() {
                return Err(stopped());
            }
        }
        Ok(if self.work.open {
            Outcome::Open
        } else {
            Outcome::Complete
        })
    }

    /// Starts reading a chunk, on a task of its own that ends with the turn.
    fn read(&self, step: Step) -> AbortOnDropHandle<Result<Read>> {
        let table = Arc::clone(&self.table);
        let window = self.work.window;
        let again = step.again.is_some();
        let request = Request {
            // A chunk that is loaded again keeps its range; its window may have been open then.
            extent: if again {
                Extent::of_window(window)
            } else {
                self.work.extent
            },
            after: step.after,
            through: step.again.as_ref().and_then(|chunk| chunk.range.through.clone()),
            // Rows that cannot be told apart are one chunk.
            limits: if again || !table.plan.has_key() {
                Limits {
                    rows: usize::MAX,
                    ..table.limits
                }
            } else {
                table.limits
            },
        };
        AbortOnDropHandle::new(tokio::spawn(async move {
            read_with_retries(&table, window, &request).await
        }))
    }

    /// Drops receipts and checkpoints of the window behind `ordinal`, whose own is stale from then on.
    async fn cut(&self, chunk: &Chunk) -> Result<()> {
        let table = &self.table;
        let ordinal = chunk.ordinal;
        let place = Place::window(table.plan.name.as_str(), self.work.window);
        let cut = table.retrier.retry(place, || async move {
            let cut = self.try_cut(chunk).await;
            cut.map_err(|error| error.within(self.place(ordinal)))
        });
        cut.await?;
        let changes = self.removals(ordinal.saturating_add(1))?;
        table.retrier.store.commit(&changes)
    }

    async fn try_cut(&self, chunk: &Chunk) -> Result<()> {
        let table = &self.table;
        let receipt = Receipt {
            window: self.work.window,
            chunk: chunk.clone(),
            incarnation: table.target.incarnation.clone(),
        };
        let lost = Some((&table.plan.target, &receipt));
        let mut session = table.pools.target.take().await?;
        let turn = table.load_turn.lock().await;
        receipt::cut(&mut session, &table.lease, self.work.window, chunk.ordinal, lost).await?;
        drop(turn);
        table.pools.target.put(session);
        Ok(())
    }

    /// Takes out what the store has of chunks from `ordinal` on: failed ones of earlier runs, or cut ones.
    fn removals(&self, ordinal: u32) -> Result<Vec<Change>> {
        let name = self.table.plan.name.as_str();
        let chunks = self.table.retrier.store.chunks(name, self.work.window)?;
        let removed = chunks.into_iter().filter(|chunk| chunk.ordinal >= ordinal);
        Ok(removed
            .map(|chunk| Change::RemoveChunk {
                table: name.to_owned(),
                window: self.work.window,
                ordinal: chunk.ordinal,
            })
            .collect())
    }

    fn record_start(&self) -> Result<()> {
        let table = &self.table;
        table.retrier.progress.event(Event::WindowStarted {
            table: table.plan.name.as_str(),
            window: self.work.window,
        });
        let mut changes = match &self.work.next {
            Some(next) => self.removals(next.ordinal)?,
            None => Vec::new(),
        };
        changes.push(self.window_change(WindowState::Loading, None));
        table.retrier.store.commit(&changes)
    }

    /// Records how the window ended; a store that cannot be written turns any outcome into that failure.
    fn record_end(&self, outcome: Outcome) -> Outcome {
        let table = &self.table;
        let name = table.plan.name.as_str();
        let (state, error) = match &outcome {
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

    /// Which part of the window's dates a range covers, both ends from 0 to 1.
    fn share(&self, range: &KeyRange) -> Result<(f64, f64)> {
        let Extent::Dates(whole) = Extent::of_window(self.work.window) else {
            return Ok((0.0, f64::from(u8::from(range.through.is_none()))));
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
        Error::new(
            ErrorKind::Preflight,
            format!(
                "Source table {} has no unique index and more than {} bytes of rows, too many for the one chunk that it \
                 has to be; ask for a unique index on it, raise chunk_bytes_max, or leave the table out",
                self.table.plan.source.name, self.table.limits.bytes
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

fn next_step(redo: &mut Vec<Chunk>, following: &mut Option<Step>) -> Option<Step> {
    match redo.pop() {
        Some(chunk) => Some(Step {
            ordinal: chunk.ordinal,
            after: chunk.range.after.clone(),
            again: Some(chunk),
        }),
        None => following.take(),
    }
}

async fn read_with_retries(table: &TableContext, window: Window, request: &Request) -> Result<Read> {
    let name = table.plan.name.as_str();
    let read = table.retrier.retry(Place::window(name, window), || async move {
        let began = table.retrier.clock.monotonic();
        let read = try_read(table, request).await;
        match read {
            Ok(rows) => Ok(Read { rows, began }),
            Err(error) => Err(error.within(format!("Table {name}, window {window}"))),
        }
    });
    read.await
}

async fn try_read(table: &TableContext, request: &Request) -> Result<Extracted> {
    let mut session = table.pools.source.take().await?;
    let extracted = extract(&mut session, &table.plan, request).await?;
    table.pools.source.put(session);
    Ok(extracted)
}
