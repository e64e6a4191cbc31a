//! The gate that each read of the source passes, shared by all workers of a run.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

use crate::base::clock::SharedClock;
use crate::base::error::Result;
use crate::base::stop::{StopSignal, stopped};
use crate::checkpoint::Store;
use crate::model::pace::{Ceilings, Figures, Tuning};
use crate::mssql::Meter;
use crate::progress::Progress;

/// The gate of a run. All workers share it.
pub struct Throttle {
    /// The clock, the stop signal, and the receivers of what it decides.
    pub clock: SharedClock,
    /// Whether to stop.
    pub stop: StopSignal,
    /// Keeps what it waits for and what it decided, for `sync status`.
    pub store: Arc<Store>,
    /// The receiver of the same, for a person who looks on.
    pub progress: Arc<dyn Progress>,
    /// What is counted of the source, to which it adds the waits.
    pub meter: Arc<Meter>,
    state: Mutex<Figures>,
    /// Wakes those that wait for the end of a pause.
    resumed: Notify,
}

/// The leave to read once. It ends when it is dropped.
#[derive(Debug)]
pub struct Permit {
    /// The most rows of a new chunk.
    pub rows: usize,
}

/// What a throttle is made of.
pub struct Parts {
    /// See [`Throttle`].
    pub clock: SharedClock,
    /// See [`Throttle`].
    pub stop: StopSignal,
    /// See [`Throttle`].
    pub store: Arc<Store>,
    /// See [`Throttle`].
    pub progress: Arc<dyn Progress>,
    /// See [`Throttle`].
    pub meter: Arc<Meter>,
    /// The ceilings of the configuration.
    pub ceilings: Ceilings,
    /// The most windows of a table at once.
    pub max_workers: usize,
    /// The most rows of a chunk.
    pub chunk_rows: usize,
}

impl Throttle {
    /// The gate of a run that begins.
    pub fn new(parts: Parts) -> Self {
        Throttle {
            clock: parts.clock,
            stop: parts.stop,
            store: parts.store,
            progress: parts.progress,
            meter: parts.meter,
            state: Mutex::new(Figures {
                workers: parts.max_workers,
                max_workers: parts.max_workers,
                chunk_rows: parts.chunk_rows as u64,
                chunk_rows_max: parts.chunk_rows as u64,
                rows_per_second: parts.ceilings.rows_per_second,
                ..Figures::default()
            }),
            resumed: Notify::new(),
        }
    }

    /// Waits until a read may begin.
    ///
    /// # Errors
    /// `Stopped` if the run is asked to stop meanwhile.
    pub async fn admit(&self) -> Result<Permit> {
        let rows = loop {
            // Before the look, so that no resume after it is missed.
            let resumed = self.resumed.notified();
            if self.stop.is_stopped() {
                return Err(stopped());
            }
            let figures = self.figures();
            if !figures.is_paused {
                break figures.chunk_rows_max;
            }
            tokio::select! {
                () = resumed => {}
                () = self.stop.stopped() => {}
            }
        };
        Ok(Permit {
            rows: usize::try_from(rows).unwrap_or(usize::MAX),
        })
    }

    /// A table begins: what was learnt of the one before says nothing of it.
    pub fn begin_table(&self, table: &str) {
        table.clone_into(&mut self.state().table);
    }

    /// Lets no further read begin, until [`Throttle::resume`]. Returns whether it was going before.
    pub fn pause(&self) -> bool {
        !std::mem::replace(&mut self.state().is_paused, true)
    }

    /// Lets reads begin again. Returns whether it was paused.
    pub fn resume(&self) -> bool {
        let was_paused = std::mem::replace(&mut self.state().is_paused, false);
        self.resumed.notify_waiters();
        was_paused
    }

    /// Changes the settings of the run.
    pub fn tune(&self, tuning: Tuning) {
        let mut state = self.state();
        if let Some(workers) = tuning.max_workers {
            state.max_workers = workers;
        }
        if let Some(rows) = tuning.rows_per_second {
            state.rows_per_second = (rows > 0).then_some(rows);
        }
        if let Some(rows) = tuning.chunk_rows {
            state.chunk_rows_max = rows as u64;
        }
        if let Some(ignored) = tuning.ignore_hours {
            state.ignores_hours = ignored;
        }
    }

    /// The most windows of a table at once, as set now.
    pub fn max_workers(&self) -> usize {
        self.state().max_workers
    }

    /// The state of the reads.
    pub fn figures(&self) -> Figures {
        self.state().clone()
    }

    fn state(&self) -> std::sync::MutexGuard<'_, Figures> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
