//! The gate that each read of the source passes, shared by all workers of a run.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::base::clock::SharedClock;
use crate::base::error::Result;
use crate::base::stop::{StopSignal, stopped};
use crate::checkpoint::{Change, Store};
use crate::model::pace::{Cause, Ceilings, Figures, Hold, Tuning};
use crate::mssql::Meter;
use crate::progress::{Event, Progress};

/// The longest sleep before the hours are looked at again: the clock of a machine that slept or was set leaps.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

/// Tells until when the source may not be read, if it may not at an instant.
pub type ClosedUntil = Arc<dyn Fn(DateTime<Utc>) -> Option<DateTime<Utc>> + Send + Sync>;

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
    closed_until: Option<ClosedUntil>,
    state: Mutex<Figures>,
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
    /// The hours in which the source may be read; `None` for any.
    pub closed_until: Option<ClosedUntil>,
    /// Whether they are ignored from the start.
    pub ignores_hours: bool,
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
            closed_until: parts.closed_until,
            state: Mutex::new(Figures {
                workers: parts.max_workers,
                max_workers: parts.max_workers,
                chunk_rows: parts.chunk_rows as u64,
                chunk_rows_max: parts.chunk_rows as u64,
                rows_per_second: parts.ceilings.rows_per_second,
                ignores_hours: parts.ignores_hours,
                ..Figures::default()
            }),
        }
    }

    /// Waits until a read may begin.
    ///
    /// # Errors
    /// `Stopped` if the run is asked to stop meanwhile.
    pub async fn admit(&self) -> Result<Permit> {
        let (since, began) = (self.clock.now(), self.clock.monotonic());
        let mut is_held = false;
        while let Some(until) = self.closed_until() {
            let hold = Hold {
                cause: Cause::Hours,
                since,
                until: Some(until),
                detail: "it is outside of the hours of the source".to_owned(),
            };
            self.progress.event(Event::Held { hold: &hold });
            self.store.commit(&[Change::Held(Some(hold))])?;
            is_held = true;
            let left = (until - self.clock.now()).to_std().unwrap_or_default();
            tokio::select! {
                () = self.clock.sleep(left.min(LOOK_AGAIN)) => {}
                () = self.stop.stopped() => return Err(stopped()),
            }
        }
        if is_held {
            let waited = self.clock.monotonic().saturating_sub(began);
            self.meter.waited(Cause::Hours, waited);
            self.store.commit(&[Change::Held(None)])?;
            self.progress.event(Event::Released {
                cause: Cause::Hours,
                waited,
            });
        }
        let rows = self.figures().chunk_rows_max;
        Ok(Permit {
            rows: usize::try_from(rows).unwrap_or(usize::MAX),
        })
    }

    /// Until when the source may not be read, by its hours; `None` if it may be, or if they are ignored.
    pub fn closed_until(&self) -> Option<DateTime<Utc>> {
        let closed_until = self.closed_until.as_ref()?;
        match self.state().ignores_hours {
            true => None,
            false => closed_until(self.clock.now()),
        }
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
        std::mem::replace(&mut self.state().is_paused, false)
    }

    /// Changes the settings of the run.
    pub fn tune(&self, tuning: Tuning) {
        let mut state = self.state();
        if let Some(workers) = tuning.max_workers {
            state.max_workers = workers;
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
