//! Doing something until it succeeds, is refused for good, or the run is asked to stop.
//!
//! Every wait is told; one for a server that is away is written into the store as well, so that `sync status` can
//! say since when it is missed and when it is tried again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use chrono::TimeDelta;

use crate::checkpoint::{Change, Store, Waiting};
use crate::clock::SharedClock;
use crate::error::{Error, ErrorKind, Result};
use crate::report::{Event, Progress};
use crate::retry::{Attempts, Verdict};
use crate::stop::{StopSignal, stopped};
use crate::window::Window;

/// What all attempts of a run share.
#[derive(Clone)]
pub struct Retrier {
    /// The clock.
    pub clock: SharedClock,
    /// Whether to stop.
    pub stop: StopSignal,
    /// Where it is written that a server is waited for.
    pub store: Arc<Store>,
    /// Who hears of it.
    pub progress: Arc<dyn Progress>,
    /// How long an outage is waited out.
    pub outage_max: Duration,
    /// Whether a connection has broken: a server that failed over may have lost what it had committed.
    pub broke: Arc<AtomicBool>,
}

impl Retrier {
    /// Attempts at one piece of work: none yet.
    pub fn attempts(&self) -> Attempts {
        Attempts::new(&self.clock, self.outage_max)
    }

    /// Waits before another attempt, or hands the error back when there is to be none. `table` and `window` are what
    /// the attempt is about.
    ///
    /// # Errors
    /// The error itself; `Outage` for a server that stayed away; `Stopped` when the run is asked to stop meanwhile;
    /// `State` when the store cannot be written.
    pub async fn wait(
        &self,
        attempts: &mut Attempts,
        error: Error,
        table: &str,
        window: Option<Window>,
    ) -> Result<()> {
        if matches!(
            error.kind(),
            ErrorKind::Connection | ErrorKind::Broken | ErrorKind::OutcomeUnknown | ErrorKind::LoginAgain
        ) {
            self.broke.store(true, Ordering::Relaxed);
        }
        let wait = match attempts.after(error.kind()) {
            Verdict::Again(wait) => wait,
            Verdict::GiveUp if error.kind() == ErrorKind::Connection => {
                let text =
                    "The server was away for longer than a run waits; run again to go on when it is back";
                return Err(Error::new(ErrorKind::Outage, text).with_source(error));
            }
            Verdict::GiveUp => return Err(error),
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
            table,
            window,
            attempt: attempts.made(),
            wait,
            away,
            error: &error,
        });
        tokio::select! {
            () = self.clock.sleep(wait) => Ok(()),
            () = self.stop.stopped() => Err(stopped().with_source(error)),
        }
    }

    /// An attempt succeeded: what was waited for is there again.
    ///
    /// # Errors
    /// `State` when the store cannot be written.
    pub fn succeeded(&self, attempts: &Attempts) -> Result<()> {
        if attempts.waited_out() {
            self.store.commit(&[Change::Waiting(None)])?;
        }
        Ok(())
    }
}
