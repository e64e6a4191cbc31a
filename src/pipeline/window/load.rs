//! Loads a chunk that was read into the target. It retries until the chunk is committed with every leaving
//! row accounted for, differs twice, or fails for good.

use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::NaiveDate;

use crate::base::error::{Error, ErrorKind, Result};
use crate::checkpoint::Change;
use crate::checkpoint::WindowState;
use crate::model::brake::held;
use crate::model::chunk::{Chunk, ChunkEvent, ChunkState, KeyRange, next_state};
use crate::model::row::{Batch, Tally};
use crate::model::window::Extent;
use crate::mssql::Session;
use crate::pipeline::moved_rows::Accounting;
use crate::pipeline::retrier::Place;
use crate::pipeline::window::{Read, Seen, Step, TableContext, WindowRun};
use crate::progress::{Event, Stages};
use crate::source::extract::Extracted;
use crate::target::leaving::Accounted;
use crate::target::load;
use crate::target::load::{Load, Loaded, Moved};
use crate::target::receipt::{Receipt, Seal};
use crate::target::stage;
use crate::tsql::predicate::holds_day;

/// The most times that one load accounts for leaving rows. Between asking the source and the load's
/// transaction, only changes by hand at the target can make other rows leave.
const ACCOUNTINGS_MAX: u32 = 4;

/// The number of leaving rows above which the brake is checked before the source is asked about them.
const ASKED_MAX: u64 = 10_000;

/// The most days without a load that a message names.
const NAMED_MAX: usize = 5;

/// A load's rows.
#[derive(Clone, Copy)]
struct Rows<'a> {
    batch: &'a Batch,
    /// The start of the read, on the monotonic clock.
    began: Duration,
    extent: Extent,
    /// The range that is replaced, if it is more than the chunk's own.
    range: Option<&'a KeyRange>,
}

/// The result of a load.
#[derive(Debug, Default)]
struct Done {
    moved: Moved,
    accounted: Accounted,
}

/// The result of one attempt at a load.
enum Tried {
    /// The load is committed.
    Done(Done),
    /// An earlier attempt committed the load, and its answer was lost.
    DoneBefore,
    /// The rows that were read back differ; the transaction was rolled back.
    Differed {
        /// The tally of the rows that were read back.
        found: Tally,
        /// The position of the first column whose values differ, if that was found.
        column: Option<usize>,
    },
}

/// The moved rows that the loads of a table have shown. No code under the lock panics half-way.
fn seen(table: &TableContext) -> MutexGuard<'_, Seen> {
    table.seen.lock().unwrap_or_else(PoisonError::into_inner)
}

impl WindowRun {
    pub(super) async fn load(&mut self, step: &Step, read: Read) -> Result<()> {
        let table = Arc::clone(&self.table);
        let (extracted, began) = (read.rows, table.retrier.clock.monotonic());
        let closes = extracted.exhausted && !self.work.open;
        // What the source has shown to have nothing of after the last key is this load's to clear.
        let owned = if extracted.exhausted && self.work.open && step.again.is_none() {
            let after = step.after.clone();
            (self.work.extent, Some(KeyRange { after, through: None }))
        } else {
            (self.chunk_extent(), None)
        };
        let mut chunk = self.chunk_to_load(step, &extracted, closes)?;
        let batch = Rows {
            batch: &extracted.batch,
            began: read.began,
            extent: owned.0,
            range: owned.1.as_ref(),
        };
        match self.load_with_retries(&mut chunk, batch).await {
            Ok(done) => {
                self.account(&done);
                self.rows += chunk.tally.row_count;
                self.rows_loaded += chunk.tally.row_count;
                table.retrier.meter.loaded(chunk.tally.row_count);
                let stages = self.stages(read.took, began);
                table.retrier.store.commit(&[
                    self.chunk_change(&chunk),
                    self.timing_change(&chunk, stages),
                    self.window_change(WindowState::Loading, None),
                    self.account_change(),
                ])?;
                table.retrier.progress.event(Event::ChunkVerified {
                    table: table.plan.name.as_str(),
                    window: self.work.window,
                    ordinal: chunk.ordinal,
                    row_count: chunk.tally.row_count,
                    byte_count: chunk.tally.byte_count,
                    dates: self.share(&chunk.range)?,
                    stages,
                });
                Ok(())
            }
            Err(error) => {
                self.record_failure(chunk, &error)?;
                Err(error)
            }
        }
    }

    /// What the stages of a chunk took whose load began at `began`.
    fn stages(&self, read: Duration, began: Duration) -> Stages {
        let stage = Duration::from_micros(self.staging.load(Ordering::Relaxed));
        let all = self.table.retrier.clock.monotonic().saturating_sub(began);
        Stages {
            read,
            stage,
            load: all.saturating_sub(stage),
        }
    }

    /// The chunk that was read, as it is to be loaded.
    fn chunk_to_load(&self, step: &Step, extracted: &Extracted, closes: bool) -> Result<Chunk> {
        let range = match &step.again {
            Some(chunk) => chunk.range.clone(),
            None => KeyRange {
                after: step.after.clone(),
                through: if closes { None } else { extracted.last_key.clone() },
            },
        };
        let before = step
            .again
            .as_ref()
            .map_or(ChunkState::Planned, |chunk| chunk.state);
        let started = next_state(before, ChunkEvent::Started)?;
        Ok(Chunk {
            ordinal: step.ordinal,
            range,
            state: next_state(started, ChunkEvent::ReadFromSource)?,
            tally: extracted.batch.tally(),
            attempts: 0,
            error: None,
            load_id: self.table.retrier.clock.random(),
        })
    }

    /// Records that a chunk could not be loaded. A stop is no failure of the chunk: the next run reads it again.
    fn record_failure(&self, mut chunk: Chunk, error: &Error) -> Result<()> {
        let event = match error.kind() {
            ErrorKind::Stopped => return Ok(()),
            ErrorKind::Mismatch => ChunkEvent::Differed,
            _ => ChunkEvent::GaveUp,
        };
        chunk.state = next_state(chunk.state, event)?;
        chunk.error = Some(error.chain());
        let mut changes = vec![self.chunk_change(&chunk)];
        if event == ChunkEvent::Differed {
            changes.push(Change::Mismatched {
                table: self.table.plan.name.as_str().to_owned(),
            });
        }
        self.table.retrier.store.commit(&changes)
    }

    /// Loads from memory until it is committed, differs twice, or fails for good.
    async fn load_with_retries(&self, chunk: &mut Chunk, rows: Rows<'_>) -> Result<Done> {
        let table = &self.table;
        let place = Place::window(table.plan.name.as_str(), self.work.window);
        let mut attempts = table.retrier.attempts();
        let mut differed = false;
        // This loop does not use the retrier's, because an attempt changes the chunk, and because rows that
        // differ are loaded only once more.
        let done = loop {
            chunk.attempts += 1;
            match self.try_load(chunk, rows).await {
                Ok(Tried::Done(done)) => break done,
                Ok(Tried::DoneBefore) => {
                    // The lost answer also held the number of rows that the commit took out of other chunks.
                    self.unsure.store(true, Ordering::Relaxed);
                    break Done::default();
                }
                Ok(Tried::Differed { found, column }) if differed => {
                    return Err(self.differed_twice(chunk, found, column));
                }
                Ok(Tried::Differed { .. }) => differed = true,
                Err(error) => {
                    let error = error.within(self.place(chunk.ordinal));
                    table.retrier.wait(&mut attempts, error, place).await?;
                }
            }
        };
        table.retrier.succeeded(&attempts)?;
        chunk.state = next_state(chunk.state, ChunkEvent::Committed)?;
        Ok(done)
    }

    fn differed_twice(&self, chunk: &Chunk, found: Tally, column: Option<usize>) -> Error {
        let table = &self.table;
        let (read, back) = (chunk.tally.row_count, found.row_count);
        Error::new(
            ErrorKind::Mismatch,
            format!(
                "Table {}, window {}, chunk {}: {read} rows were read from the source and {back} were read back \
                 from target table {}, with another digest, twice; nothing of it was committed. {}, then run again",
                table.plan.name,
                self.work.window,
                chunk.ordinal,
                table.plan.target,
                self.advice(read == back, column)
            ),
        )
    }

    /// The advice about rows that were read back otherwise: as many or not, and the first column that differs.
    fn advice(&self, as_many: bool, column: Option<usize>) -> String {
        let table = &self.table;
        let Some(position) = column else {
            return match as_many {
                true => "Look for triggers at the target that give rows the values of others".to_owned(),
                false => {
                    "Look for triggers at the target that add or remove rows, and for unique indexes that ignore \
                     duplicates"
                        .to_owned()
                }
            };
        };
        let source = &table.plan.columns()[position];
        match table.target.misfit(&table.plan, position) {
            Some(misfit) => format!(
                "The first that differs is: {}",
                misfit.text(&table.plan.target, "at the target")
            ),
            None => format!(
                "The first column that differs is {}, which holds each value of the source: look for triggers or rules \
                 at the target that change it",
                source.name
            ),
        }
    }

    async fn try_load(&self, chunk: &mut Chunk, rows: Rows<'_>) -> Result<Tried> {
        let table = &self.table;
        // Dropped on any error, which rolls back whatever it had open.
        let mut session = table.pools.target.take().await?;
        let began = table.retrier.clock.monotonic();
        stage::stage(&mut session, &table.plan, rows.batch).await?;
        let staging = table.retrier.clock.monotonic().saturating_sub(began);
        let staging = u64::try_from(staging.as_micros()).unwrap_or(u64::MAX);
        self.staging.store(staging, Ordering::Relaxed);
        if chunk.state == ChunkState::Extracted {
            chunk.state = next_state(chunk.state, ChunkEvent::Staged)?;
        }
        let claim = Receipt {
            window: self.work.window,
            chunk: chunk.clone(),
            epoch: table.lease.epoch,
            incarnation: table.target.incarnation.clone(),
            seal: Seal::Unasked,
        };
        let owned = (rows.extent, rows.range.unwrap_or(&claim.chunk.range));
        let tried = self.commit(&mut session, Some((&claim, rows)), owned).await?;
        table.pools.target.put(session);
        Ok(tried)
    }

    /// Deletes the target's rows after the last key of an open window, if the source has none there.
    pub(super) async fn sweep(&mut self, step: &Step) -> Result<()> {
        let table = Arc::clone(&self.table);
        let place = Place::window(table.plan.name.as_str(), self.work.window);
        let this = &*self;
        let done = table.retrier.retry(place, || async move {
            let swept = this.try_sweep(step).await;
            swept.map_err(|error| error.within(this.place(step.ordinal)))
        });
        let done = done.await?;
        self.account(&done);
        Ok(())
    }

    async fn try_sweep(&self, step: &Step) -> Result<Done> {
        let table = &self.table;
        let range = KeyRange {
            after: step.after.clone(),
            through: None,
        };
        let mut session = table.pools.target.take().await?;
        let there = table
            .target
            .count(&mut session, &table.plan, self.work.extent, &range)
            .await?;
        let mut done = Done::default();
        if there > 0 {
            stage::stage(&mut session, &table.plan, &Batch::default()).await?;
            match self
                .commit(&mut session, None, (self.work.extent, &range))
                .await?
            {
                Tried::Done(swept) => done = swept,
                Tried::DoneBefore | Tried::Differed { .. } => {
                    return Err(Error::new(
                        ErrorKind::Transient,
                        format!(
                            "Another session changed target table {} during its load; see who else writes it",
                            table.plan.target
                        ),
                    ));
                }
            }
        }
        table.pools.target.put(session);
        Ok(done)
    }

    /// Commits the staged rows, once every leaving row is accounted for.
    async fn commit(
        &self,
        session: &mut Session,
        claim: Option<(&Receipt, Rows<'_>)>,
        owned: (Extent, &KeyRange),
    ) -> Result<Tried> {
        let table = &self.table;
        let mut accounted = Accounted::default();
        self.wrote.store(true, Ordering::Relaxed);
        for _ in 0..ACCOUNTINGS_MAX {
            let turn = table.load_turn.lock().await;
            let displaced = seen(table).displaced.clone();
            let load = Load {
                window: self.work.window,
                owned,
                claim: claim.map(|(claim, _)| claim),
                accounted: &accounted,
                overtaken: match claim {
                    Some((claim, rows)) => self.is_overtaken(&claim.chunk.range, rows.began)?,
                    None => false,
                },
                brake: (table.brake, &displaced),
                batch: claim.map(|(_, rows)| rows.batch),
            };
            let loaded = load::commit(session, &table.plan, &table.target, &table.lease, load).await?;
            if let Loaded::Committed(moved) = &loaded {
                for (window, count) in &moved.displaced_from {
                    *seen(table).displaced.entry(*window).or_default() += count;
                }
            }
            drop(turn);
            let leaving = match loaded {
                Loaded::Committed(moved) => return Ok(Tried::Done(Done { moved, accounted })),
                Loaded::AlreadyCommitted => return Ok(Tried::DoneBefore),
                Loaded::Differed { found, column } => return Ok(Tried::Differed { found, column }),
                Loaded::Unaccounted { leaving } => leaving,
            };
            if leaving.row_count > ASKED_MAX {
                self.may_leave(session, leaving.row_count).await?;
            }
            accounted = self.accounted(session, leaving, owned).await?;
            self.may_leave(session, accounted.out_of_window()).await?;
        }
        Err(Error::new(
            ErrorKind::Transient,
            format!(
                "Another session keeps changing target table {} during its load; see who else writes it",
                table.plan.target
            ),
        ))
    }

    /// Whether other loads have shown that rows came into a range since its read began.
    fn is_overtaken(&self, range: &KeyRange, began: Duration) -> Result<bool> {
        let table = &self.table;
        if table.plan.is_full() {
            return Ok(false);
        }
        for (day, at) in &seen(table).arrived {
            if holds_day(&table.plan, self.work.window, range, *day)? && *at >= began {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Asks the source for the present place of the rows that leave a range.
    async fn accounted(
        &self,
        session: &mut Session,
        leaving: Tally,
        (extent, range): (Extent, &KeyRange),
    ) -> Result<Accounted> {
        let table = &self.table;
        if table.plan.is_full() {
            // A key is the place of a row here: the source was read in this range, and no longer has the row.
            return Ok(Accounted {
                leaving,
                ..Accounted::default()
            });
        }
        let accounting = Accounting {
            plan: &table.plan,
            target: &table.target,
            pools: &table.pools,
        };
        let accounted = accounting.of(session, self.work.window, extent, range).await?;
        // Rows of these days that were read before now may lack the moved ones.
        let now = table.retrier.clock.monotonic();
        let mut seen = seen(table);
        for day in &accounted.days {
            seen.arrived.insert(*day, now);
        }
        drop(seen);
        Ok(accounted)
    }

    /// Refuses to let more rows leave the window than the brake allows.
    async fn may_leave(&self, session: &mut Session, rows: u64) -> Result<()> {
        let table = &self.table;
        let leaving = self.left + rows;
        if table.brake.allows(leaving, 0) {
            return Ok(());
        }
        let of = match self.of.get() {
            Some(of) => *of,
            None => {
                let window = self.work.window;
                let there = table.target.count_window(session, &table.plan, window).await?;
                *self.of.get_or_init(|| self.left + there)
            }
        };
        if table.brake.allows(leaving, of) {
            return Ok(());
        }
        Err(held(&table.plan.name, self.work.window, leaving, of))
    }

    /// Adds up the moved rows that a load has shown, and warns of days that nothing is loaded for.
    fn account(&mut self, done: &Done) {
        self.displaced += done.moved.displaced;
        self.stale += done.moved.stale;
        self.left += done.accounted.out_of_window();
        // The run itself loads the days that are asked for.
        let asked = |day: &NaiveDate| self.table.asked.is_some_and(|range| range.has(*day));
        let days: Vec<&NaiveDate> = done.moved.not_loaded.iter().filter(|day| !asked(day)).collect();
        if !days.is_empty() {
            let mut named: Vec<String> = days.iter().take(NAMED_MAX).map(|day| day.to_string()).collect();
            if days.len() > NAMED_MAX {
                named.push(format!("{} days more", days.len() - NAMED_MAX));
            }
            self.table.retrier.progress.event(Event::Warning(&format!(
                "Table {}, window {}: rows moved from its dates to {}, and nothing of these dates is loaded; \
                 correct the dates at the source, or run with these dates",
                self.table.plan.name,
                self.work.window,
                named.join(", ")
            )));
        }
    }
}
