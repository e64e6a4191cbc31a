//! Retries work until it succeeds, fails for good, or the run is asked to stop.
//!
//! Every wait is reported. A wait for a server that is away is also recorded in the store, so that `sync
//! status` can show the start of the outage and the time of the next attempt.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use chrono::TimeDelta;

use crate::base::clock::SharedClock;
use crate::base::error::{Error, ErrorKind, Result};
use crate::base::retry::{Attempts, Verdict};
use crate::base::stop::{StopSignal, stopped};
use crate::checkpoint::{Change, Store, Waiting};
use crate::model::pace::Cause;
use crate::model::window::Window;
use crate::mssql::Meter;
use crate::progress::{Event, Progress};

/// The context that all attempts of a run share.
#[derive(Clone)]
pub struct Retrier {
    /// The clock.
    pub clock: SharedClock,
    /// Whether to stop.
    pub stop: StopSignal,
    /// The store, which records that the run waits for a server.
    pub store: Arc<Store>,
    /// The receiver of the reports.
    pub progress: Arc<dyn Progress>,
    /// The longest outage that the run waits out.
    pub outage_max: Duration,
    /// What is counted of the source, to which it adds the waits for it.
    pub meter: Arc<Meter>,
    /// Whether a connection has broken: a server that failed over may have lost what it had committed.
    pub broke: Arc<AtomicBool>,
}

/// The subject of an attempt, for the report of a retry.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// The table, or the step of a run that has no table.
    pub table: &'a str,
    /// The window, if the attempt belongs to one.
    pub window: Option<Window>,
}

impl<'a> Place<'a> {
    /// A table as a whole, or a step of a run.
    pub fn of(table: &'a str) -> Self {
        Place { table, window: None }
    }

    /// One window of a table.
    pub fn window(table: &'a str, window: Window) -> Self {
        Place {
            table,
            window: Some(window),
        }
    }
}

impl Retrier {
    /// Attempts at one piece of work: none yet.
    pub fn attempts(&self) -> Attempts {
        Attempts::new(&self.clock, self.outage_max)
    }

    /// Repeats `work` until it succeeds. It must be safe to repeat after any error.
    ///
    /// # Errors
    /// The last error of `work`, once its kind is not retried or not retried any longer; those of
    /// [`Retrier::wait`].
    pub async fn retry<T, F>(&self, place: Place<'_>, mut work: impl FnMut() -> F) -> Result<T>
    where
        F: Future<Output = Result<T>>,
    {
        let mut attempts = self.attempts();
        let mut holds = self.meter.holds();
        loop {
            match work().await {
                Ok(done) => {
                    self.succeeded(&attempts)?;
                    return Ok(done);
                }
                Err(error) => {
                    let held = self.meter.holds();
                    if std::mem::replace(&mut holds, held) != held {
                        // Nobody asked the server meanwhile, so that this is no attempt after those before the hold.
                        attempts = self.attempts();
                    }
                    self.wait(&mut attempts, error, place).await?;
                }
            }
        }
    }

    /// Waits before another attempt at `place`, or returns the error if there is to be none. A retrier within this one
    /// may have given up already: then there is none.
    ///
    /// # Errors
    /// The error itself; `Outage` for a server that stayed away; `Stopped` when the run is asked to stop
    /// meanwhile; `State` when the store cannot be written.
    pub async fn wait(&self, attempts: &mut Attempts, error: Error, place: Place<'_>) -> Result<()> {
        if matches!(
            error.kind(),
            ErrorKind::Connection | ErrorKind::Broken | ErrorKind::OutcomeUnknown | ErrorKind::LoginAgain
        ) {
            self.broke.store(true, Ordering::Relaxed);
        }
        if error.is_given_up() {
            return Err(error);
        }
        let wait = match attempts.after(error.kind()) {
            Verdict::Again(wait) => wait,
            Verdict::GiveUp if error.kind() == ErrorKind::Connection => {
                let text =
                    "The server was away for longer than a run waits; run again to go on when it is back";
                return Err(Error::new(ErrorKind::Outage, text).with_source(error));
            }
            Verdict::GiveUp if error.kind() == ErrorKind::FailedOver => {
                let text = "The source did not prove to be a replica again for as long as a run waits; run again when it is one";
                return Err(Error::new(ErrorKind::Outage, text).with_source(error));
            }
            Verdict::GiveUp => return Err(error.given_up()),
        };
        let away = attempts.away();
        if let Some(away) = away {
            let now = self.clock.now();
            let after = |duration| TimeDelta::from_std(duration).unwrap_or_default();
            self.store.commit(&[Change::Waiting(Some(Waiting {
                since: now - after(away),
                next_try_at: now + after(wait),
                error: error.chain(),
            }))])?;
        }
        self.progress.event(Event::Retrying {
            table: place.table,
            window: place.window,
            attempt: attempts.made(),
            wait,
            away,
            error: &error,
        });
        let began = self.clock.monotonic();
        let slept = tokio::select! {
            () = self.clock.sleep(wait) => true,
            () = self.stop.stopped() => false,
        };
        if away.is_some() {
            let waited = self.clock.monotonic().saturating_sub(began);
            match error.end() {
                Some("source") => self.meter.waited(Cause::Outage, waited),
                Some("target") => self.meter.waited_for_target(waited),
                _ => {}
            }
        }
        match slept {
            true => Ok(()),
            false => Err(stopped().with_source(error)),
        }
    }

    /// Records that an attempt succeeded, so that the run no longer waits for a server.
    ///
    /// # Errors
    /// `State` when the store cannot be written.
    pub fn succeeded(&self, attempts: &Attempts) -> Result<()> {
        if attempts.waited_out() {
            self.store.commit(&[Change::Waiting(None)])?;
            if let Some(away) = attempts.away() {
                self.progress.event(Event::Back { away });
            }
        }
        Ok(())
    }
}
